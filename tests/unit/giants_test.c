/* giants_test.c - the worst headers of a size that we could think of: opened or refused within
 * 2 s and 64 MiB + 8 times the header.
 *
 * GIANT_MB says how large they are (10; the limit of safetensors is 100).  The program opens a
 * file itself when it is given one: that process is measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/arena.h"
#include "formats/model.h"
#include "tests/support/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- making them, without holding them in memory ------------------------------------ */

struct giant {
    FILE *f;
    uint64_t room; /* bytes the header may have */
    uint64_t n;
};

static void put(struct giant *g, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(struct giant *g, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    assert_true(vfprintf(g->f, fmt, ap) >= 0);
    va_end(ap);
}

static void put_u(struct giant *g, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        putc((int)(v >> 8 * i & 0xff), g->f);
}

static bool room_for(const struct giant *g, long bytes)
{
    return ftell(g->f) + bytes < (long)g->room;
}

/* Digits of base 62: names as short as there are many of them. */
static const char *name(uint64_t n)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static char text[16];
    char *p = text + sizeof text - 1;
    do
        *--p = digits[n % 62];
    while (n /= 62);
    return p;
}

static void many_shape_zeros(struct giant *g)
{
    put(g, "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":[0");
    while (room_for(g, 8))
        put(g, ",0");
    put(g, "]}}");
}

static void many_tensors(struct giant *g)
{
    put(g, "{");
    for (; room_for(g, 80); g->n++)
        put(g, "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", g->n ? "," : "",
            name(g->n));
    put(g, "}");
}

static void many_metadata(struct giant *g)
{
    put(g, "{\"__metadata__\":{");
    for (; room_for(g, 30); g->n++)
        put(g, "%s\"%s\":\"\"", g->n ? "," : "", name(g->n));
    put(g, "}}");
}

static void most_metadata(struct giant *g)
{
    put(g, "{\"__metadata__\":{");
    for (; g->n < META_MOST && room_for(g, 30); g->n++)
        put(g, "%s\"%s\":\"\"", g->n ? "," : "", name(g->n));
    put(g, "}}");
}

static void one_entry_of_many_members(struct giant *g)
{
    put(g, "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]");
    for (; room_for(g, 30); g->n++)
        put(g, ",\"%s\":0", name(g->n));
    put(g, "}}");
}

static void objects_of_objects(struct giant *g)
{
    put(g, "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":[{}");
    while (room_for(g, 600)) {
        put(g, ",0");
        for (int i = 0; i < 100; i++)
            put(g, "%s{\"a\":", i ? "" : ",");
        put(g, "0");
        for (int i = 0; i < 100; i++)
            put(g, "}");
    }
    put(g, "]}}");
}

static void one_escaped_name(struct giant *g)
{
    put(g, "{\"");
    while (room_for(g, 80))
        put(g, "\\u00e9");
    put(g, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
}

static void nothing_but_blanks(struct giant *g)
{
    put(g, "{");
    while (room_for(g, 8))
        put(g, " ");
    put(g, "}");
}

static void gguf(struct giant *g, uint64_t n_tensors, uint64_t n_kv)
{
    rewind(g->f);
    put(g, "GGUF");
    put_u(g, 3, 4);
    put_u(g, n_tensors, 8);
    put_u(g, n_kv, 8);
}

static void gguf_name(struct giant *g)
{
    const char *s = name(g->n++);
    put_u(g, strlen(s), 8);
    put(g, "%s", s);
}

static void gguf_tensors(struct giant *g)
{
    gguf(g, 0, 0);
    while (room_for(g, 60)) { /* all of them one element, 32 bytes apart: the file has holes */
        gguf_name(g);
        put_u(g, 1, 4);
        put_u(g, 1, 8);
        put_u(g, 24, 4); /* I8 */
        put_u(g, 32 * (g->n - 1), 8);
    }
    long end = (ftell(g->f) + 31) & ~31L;
    assert_int_equal(ftruncate(fileno(g->f), end + 32 * (long)g->n), 0);
    gguf(g, g->n, 0);
}

static void gguf_keys(struct giant *g, uint64_t most)
{
    gguf(g, 0, 0);
    while (g->n < most && room_for(g, 60)) {
        gguf_name(g);
        put_u(g, META_U8, 4);
        put_u(g, 0, 1);
    }
    fflush(g->f);
    gguf(g, 0, g->n);
}

static void gguf_many_keys(struct giant *g) { gguf_keys(g, UINT64_MAX); }
static void gguf_most_keys(struct giant *g) { gguf_keys(g, META_MOST); }

static void gguf_odd_keys(struct giant *g)
{
    gguf(g, 0, 0);
    while (g->n < META_MOST && room_for(g, 60)) {
        const char *s = name(g->n++);
        put_u(g, strlen(s) + 1, 8);
        put(g, "\xff%s", s);
        put_u(g, META_U8, 4);
        put_u(g, 0, 1);
    }
    fflush(g->f);
    gguf(g, 0, g->n);
}

static void gguf_strings(struct giant *g)
{
    gguf(g, 0, 1);
    put_u(g, 1, 8);
    put(g, "a");
    put_u(g, META_ARRAY, 4);
    put_u(g, META_STRING, 4);
    uint64_t n = (g->room - 64) / 8;
    put_u(g, n, 8);
    for (uint64_t i = 0; i < n; i++)
        put_u(g, 0, 8);
}

/* Says there is a tensor for every 33 bytes of a long file of zeros. */
static void gguf_liar(struct giant *g)
{
    gguf(g, g->room / 40, 0);
    assert_int_equal(ftruncate(fileno(g->f), (long)g->room), 0);
}

static const struct {
    const char *what;
    void (*make)(struct giant *g);
    bool gguf;
    enum err_code verdict; /* at 10 MB */
} giants[] = {
    { "a shape of zeros", many_shape_zeros, false, ERR_NONE },
    { "tensors of short names", many_tensors, false, ERR_NONE },
    { "metadata entries", many_metadata, false, ERR_INPUT },
    { "as many metadata entries as are read", most_metadata, false, ERR_NONE },
    { "members of one entry", one_entry_of_many_members, false, ERR_NONE },
    { "objects in objects", objects_of_objects, false, ERR_NONE },
    { "one name of escapes", one_escaped_name, false, ERR_NONE },
    { "blanks", nothing_but_blanks, false, ERR_NONE },
    { "GGUF tensors", gguf_tensors, true, ERR_NONE },
    { "GGUF keys", gguf_many_keys, true, ERR_INPUT },
    { "as many GGUF keys as are read", gguf_most_keys, true, ERR_NONE },
    { "GGUF keys that are not UTF-8", gguf_odd_keys, true, ERR_NONE },
    { "GGUF strings", gguf_strings, true, ERR_NONE },
    { "GGUF that says it is full of tensors", gguf_liar, true, ERR_INPUT },
};

static uint64_t make_giant(size_t i, const char *path, uint64_t room)
{
    struct giant g = { .f = fopen(path, "w+b"), .room = room };
    assert_non_null(g.f);
    if (!giants[i].gguf)
        put_u(&g, 0, 8);
    giants[i].make(&g);
    fflush(g.f);
    fseek(g.f, 0, SEEK_END);
    uint64_t size = (uint64_t)ftell(g.f);
    if (!giants[i].gguf) {
        rewind(g.f);
        put_u(&g, size - 8, 8);
    }
    assert_int_equal(fclose(g.f), 0);
    return size;
}

/* ---- opening them -------------------------------------------------------------------- */

static int open_only(const char *path)
{
    struct model m;
    struct err e = { 0 };
    if (model_open(&m, path, &e))
        printf("%zu tensors, %zu keys, %zu findings\n", m.n_tensors, m.files[0].metadata.n,
               m.n_findings);
    else
        fprintf(stderr, "%s\n", e.msg);
    model_close(&m);
    return (int)e.code;
}

static void giants_are_opened_or_refused(void **state)
{
    (void)state;
    const char *mb = getenv("GIANT_MB"), *tmp = getenv("TMPDIR");
    uint64_t room = (mb ? strtoull(mb, NULL, 10) : 10) * 1000 * 1000;
    double slow = sanitized() ? 20 : 2;
    char path[4096];
    static struct child c;
    snprintf(path, sizeof path, "%s/giant", tmp ? tmp : "/tmp");
    for (size_t i = 0; i < sizeof giants / sizeof *giants; i++) {
        uint64_t size = make_giant(i, path, room);
        const char *const argv[] = { "/proc/self/exe", path, NULL };
        child_run(&c, 60, argv);
        print_message("%-40s %6.1f MB header: %.2f s, %4.0f MiB (%.1f x): %d %s%s", giants[i].what,
                      (double)size / 1e6, c.seconds, (double)c.peak_bytes / (1 << 20),
                      (double)c.peak_bytes / (double)size, c.code, c.out, c.err);
        assert_true(c.code == ERR_NONE || c.code == ERR_INPUT || c.code == ERR_UNSUPPORTED);
        if (!mb)
            assert_int_equal(c.code, giants[i].verdict);
        assert_true(c.seconds < slow);
        assert_true(sanitized() || c.peak_bytes < (64u << 20) + 8 * size);
    }
    unlink(path);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return open_only(argv[1]);
    const struct CMUnitTest tests[] = { cmocka_unit_test(giants_are_opened_or_refused) };
    return cmocka_run_group_tests_name("giants", tests, NULL, NULL);
}
