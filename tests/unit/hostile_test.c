/* hostile_test.c - files made to mislead: the shared collection with its verdicts, and names that
 * no terminal should see.  Files of our own are crafted_test.
 *
 * `reject` is exit code 3 or 4 with a message that names file and offset, no output and no
 * temporary; `warn` is readable with a finding; `accept` is readable.  All within 2 s and
 * 64 MiB + 8 times the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/buf.h"
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "tests/support/child.h"
#include "tests/support/fixture.h"
#include "tests/support/plain.h"
#include "tests/support/shared.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct child child; /* what the last tool did */

static bool clean_verdict(enum err_code code)
{
    return code == ERR_INPUT || code == ERR_UNSUPPORTED;
}

/* ---- the shared collection ----------------------------------------------------------- */

enum demand { ACCEPT, WARN, REJECT };

struct expected {
    struct str file;
    enum demand demand;
};

/* Rules about payload, templates and configuration are weigh-inspect's, not the reader's. */
static bool of_inspect(struct str file)
{
    static const char *const names[] = {
        "safetensors/name_confusable.safetensors",
        "safetensors/html_polyglot.safetensors",
        "gguf/no_arch.gguf",
        "gguf/f32_nan.gguf",
        "gguf/q8_scale_inf.gguf",
        "gguf/tmpl_hidden_ws.gguf",
        "gguf/block_count_huge.gguf",
        "gguf/chat_template_hidden_instr.gguf",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(file, names[i]))
            return true;
    return false;
}

static void read_record(struct json *j, struct expected *x)
{
    struct str key, demand = STR("");
    json_object(j);
    while (json_key(j, &key)) {
        if (str_is(key, "file"))
            x->file = json_string(j);
        else if (str_is(key, "demand"))
            demand = json_string(j);
        else
            json_skip(j);
    }
    x->demand = str_is(demand, "accept") ? ACCEPT : str_is(demand, "warn") ? WARN : REJECT;
}

/* The entries of EXPECT.json about formats that we read. */
static struct expected *read_expectations(const char *path, size_t *n, struct arena *a)
{
    struct err e = { 0 };
    struct span text;
    struct json j;
    struct expected *all = NULL, x = { 0 };
    *n = 0;
    assert_true(file_slurp(path, 1 << 20, a, &text, &e));
    json_open(&j, path, 0, (struct str){ (const char *)text.at, text.len }, a, &e);
    json_array(&j);
    while (json_item(&j)) {
        read_record(&j, &x);
        if (!str_starts(x.file, "safetensors/") && !str_starts(x.file, "gguf/"))
            continue;
        all = arena_append(a, all, sizeof x, *n, &e);
        assert_non_null(all);
        all[(*n)++] = x;
    }
    if (!json_end(&j))
        fail_msg("%s", e.msg);
    json_close(&j);
    return all;
}

static void check_reader(const struct expected *x, const char *path)
{
    struct model m;
    struct err e = { 0 };
    bool ok = model_open(&m, path, &e);
    if (ok != (x->demand != REJECT))
        fail_msg(STR_FMT ": %s", STR_ARG(x->file), ok ? "was read" : e.msg);
    if (!ok && (!clean_verdict(e.code) || !strstr(e.msg, path) || !strstr(e.msg, ":0x")))
        fail_msg(STR_FMT ": %d, %s", STR_ARG(x->file), e.code, e.msg);
    if (x->demand == WARN && !m.n_findings && !of_inspect(x->file))
        fail_msg(STR_FMT ": nothing was found", STR_ARG(x->file));
    model_close(&m);
}

/* What a tool did with the file is within bounds and agrees with the demand. */
static void check_tool(const struct expected *x, const char *path, const char *const argv[])
{
    struct err e = { 0 };
    struct file f;
    assert_true(file_open(&f, path, &e));
    file_close(&f);
    child_run(&child, 20, argv);
    bool refused = clean_verdict((enum err_code)child.code);
    if (x->demand == REJECT ? !refused : child.code != 0)
        fail_msg("%s " STR_FMT ": exit code %d: %s", argv[0], STR_ARG(x->file), child.code,
                 child.err);
    if (refused && (!strstr(child.err, path) || !strstr(child.err, ":0x")))
        fail_msg("%s " STR_FMT ": %s", argv[0], STR_ARG(x->file), child.err);
    if (!sanitized() && (child.seconds > 2 || child.peak_bytes > (64u << 20) + 8 * f.size))
        fail_msg("%s " STR_FMT ": %.1f s, %llu bytes", argv[0], STR_ARG(x->file), child.seconds,
                 (unsigned long long)child.peak_bytes);
}

/* Nothing but what stands there by right: `left` entries beside . and .. */
static void assert_entries(const char *dir, int left)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    int n = -2;
    while (readdir(d))
        n++;
    closedir(d);
    assert_int_equal(n, left);
}

static void check_convert(const struct expected *x, const char *path, const char *dir)
{
    char out[4200];
    bool gguf = str_starts(x->file, "gguf/");
    snprintf(out, sizeof out, "%s/out.%s", dir, gguf ? "gguf" : "safetensors");
    const char *const argv[] = { tool_path("weigh-convert"), path, "-o", out, "-q", NULL };
    assert_non_null(argv[0]);
    check_tool(x, path, argv);
    assert_entries(dir, x->demand != REJECT);
    unlink(out);
}

static bool check_inspect(const struct expected *x, const char *path)
{
    const char *const argv[] = { tool_path("weigh-inspect"), "--json", path, NULL };
    if (!argv[0])
        return false;
    check_tool(x, path, argv);
    if (x->demand == WARN &&
        (!strstr(child.out, "\"findings\"") || strstr(child.out, "\"findings\": []")))
        fail_msg(STR_FMT ": weigh-inspect found nothing", STR_ARG(x->file));
    return true;
}

static void shared_files_get_their_verdict(void **state)
{
    (void)state;
    const char *list = shared_path("hostile/EXPECT.json"), *tmp = getenv("TMPDIR");
    char dir[4096];
    if (!list)
        skip();
    struct arena a = { 0 };
    size_t n, of[3] = { 0 };
    bool inspected = true;
    const struct expected *all = read_expectations(list, &n, &a);
    snprintf(dir, sizeof dir, "%s/hostile-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < n; i++) {
        char inner[300];
        snprintf(inner, sizeof inner, "hostile/" STR_FMT, STR_ARG(all[i].file));
        const char *path = shared_path(inner);
        assert_non_null(path);
        check_reader(&all[i], path);
        check_convert(&all[i], path, dir);
        inspected &= check_inspect(&all[i], path);
        of[all[i].demand]++;
    }
    assert_int_equal(rmdir(dir), 0);
    print_message("%zu accepted, %zu with a finding, %zu rejected\n", of[ACCEPT], of[WARN],
                  of[REJECT]);
    assert_int_equal(n, 79);
    if (!inspected)
        fprintf(stderr, "SKIP: findings about values and templates: no weigh-inspect\n");
    arena_free(&a);
}

/* ---- names ------------------------------------------------------------------------------ */

enum { MOST_NAMES = 1000 };

/* The strings of the list that can be names of distinct tensors, of at most `longest` bytes. */
static size_t read_names(const char *path, size_t longest, struct plain_tensor *t, struct arena *a)
{
    struct err e = { 0 };
    struct span text;
    struct json j;
    struct names seen = { 0 };
    size_t n = 0, old;
    assert_true(file_slurp(path, 1 << 20, a, &text, &e));
    json_open(&j, path, 0, (struct str){ (const char *)text.at, text.len }, a, &e);
    j.rfc_only = true;
    json_array(&j);
    while (json_item(&j) && n < MOST_NAMES) {
        struct str s = arena_str(a, json_string(&j), &e);
        if (!s.len || s.len > longest || memchr(s.at, 0, s.len))
            continue;
        assert_true(names_add(&seen, s, n, &old, &e));
        if (old == NAMES_NONE)
            t[n++] = (struct plain_tensor){ s.at, DTYPE_F32, 1, { 1 } };
    }
    if (!json_end(&j))
        fail_msg("%s", e.msg);
    json_close(&j);
    names_free(&seen);
    return n;
}

/* Every line that the tool prints is safe for a terminal. */
static void assert_prints_safely(const char *path, const char *to)
{
    const char *const argv[] = { tool_path("weigh-convert"), "-n", "--to", to, path, NULL };
    child_run(&child, 20, argv);
    if (child.code)
        fail_msg("%d %s", child.code, child.err);
    for (char *line = child.out, *end; (end = strchr(line, '\n')); line = end + 1)
        if (text_unsafe((struct str){ line, (size_t)(end - line) }))
            fail_msg("printed as it is: %.*s", (int)(end - line), line);
}

static void naughty_names_come_back(void **state)
{
    (void)state;
    static struct plain_tensor t[MOST_NAMES];
    const char *list = shared_path("hostile/blns/blns.json");
    if (!list)
        skip();
    for (int i = 0; formats[i]; i++) {
        struct arena a = { 0 };
        struct model out, m;
        struct err e = { 0 };
        struct memory_file file;
        bool gguf = strcmp(formats[i]->name, "gguf") == 0;
        size_t n = read_names(list, gguf ? 63 : 100000, t, &a);
        assert_true(n > 300);
        assert_true(plain_lay_out(&out, formats[i], t, n, NULL, 0, &e));
        struct str bytes = plain_file(&out, 0);
        memory_file_open(&file);
        memory_file_fill(&file, bytes);
        assert_true(model_open(&m, file.path, &e));
        assert_int_equal(m.n_tensors, n);
        for (size_t k = 0; k < n; k++) {
            struct buf shown = buf_make(&e);
            assert_non_null(model_find(&m, str_of(t[k].name)));
            text_escape(&shown, str_of(t[k].name));
            assert_true(buf_ok(&shown) && !text_unsafe(buf_text(&shown)));
            buf_free(&shown);
        }
        print_message("%s: %zu names\n", formats[i]->name, n);
        model_close(&m);
        model_close(&out);
        memory_file_close(&file);
        fixture_free(bytes);
        arena_free(&a);
    }
}

static void naughty_names_are_printed_escaped(void **state)
{
    (void)state;
    static struct plain_tensor t[MOST_NAMES];
    const char *list = shared_path("hostile/blns/blns.json"), *tmp = getenv("TMPDIR");
    char path[4096];
    if (!list)
        skip();
    struct arena a = { 0 };
    struct model out;
    struct err e = { 0 };
    size_t n = read_names(list, 100000, t, &a);
    assert_true(plain_lay_out(&out, format_find("safetensors"), t, n, NULL, 0, &e));
    struct str bytes = plain_file(&out, 0);
    snprintf(path, sizeof path, "%s/naughty-\x1b[31m\xe2\x80\xae.safetensors", tmp ? tmp : "/tmp");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.at, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
    assert_prints_safely(path, "safetensors");
    unlink(path);
    model_close(&out);
    fixture_free(bytes);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_files_get_their_verdict),
        cmocka_unit_test(naughty_names_come_back),
        cmocka_unit_test(naughty_names_are_printed_escaped),
    };
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
