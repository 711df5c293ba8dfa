/* format_test.c - what every registered format must survive: its own files come back as they were
 * written, and no file of any kind does harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/fault.h"
#include "formats/base/text.h"
#include "tests/support/fixture.h"
#include "tests/support/plain.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- there and back ------------------------------------------------------------- */

/* Shapes are equal but for ones in front: a format may drop or need them. */
static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    uint32_t i = 0, j = 0;
    while (i < a->ndim && a->dim[i] == 1)
        i++;
    while (j < b->ndim && b->dim[j] == 1)
        j++;
    for (; i < a->ndim && j < b->ndim && a->dim[i] == b->dim[j]; i++, j++)
        ;
    return i == a->ndim && j == b->ndim;
}

static void assert_same_tensor(const struct model *m, const struct model *out, size_t i)
{
    const struct tensor *want = &out->tensors[i], *got = model_find(m, want->name);
    struct err e = { 0 };
    if (!got || got->dtype != want->dtype || !same_shape(got, want) || got->bytes != want->bytes ||
        got->offset != want->offset)
        fail_msg("%s: tensor '" STR_FMT "' of type %s came back otherwise", out->format->name,
                 STR_ARG(want->name), dtype_info[want->dtype].name);
    uint8_t *bytes = malloc(got->bytes + 1);
    assert_true(model_read(m, got, 0, bytes, got->bytes, &e));
    for (uint64_t at = 0; at < got->bytes; at++)
        assert_int_equal(bytes[at], plain_byte(i, at));
    free(bytes);
}

static void assert_same_keys(const struct metadata *got, const struct metadata *want)
{
    assert_int_equal(got->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        const struct meta *g = &got->all[i], *w = &want->all[i];
        assert_true(str_eq(g->key, w->key));
        assert_int_equal(g->type, w->type);
        assert_int_equal(g->count, w->count);
        assert_int_equal(g->bytes.len, w->bytes.len);
        assert_memory_equal(g->bytes.at, w->bytes.at, w->bytes.len);
    }
}

/* Lays out, writes, opens and compares.  False where the format cannot hold such tensors. */
static bool comes_back(const struct format *f, const struct plain_tensor *t, size_t n,
                       const struct metadata *keys)
{
    struct model out, m;
    struct err e = { 0 };
    struct memory_file file;
    static const struct metadata none;
    if (!plain_lay_out(&out, f, t, n, keys, 0, &e)) {
        assert_int_equal(e.code, ERR_UNSUPPORTED);
        model_close(&out);
        return false;
    }
    struct str bytes = plain_file(&out, 0);
    memory_file_open(&file);
    memory_file_fill(&file, bytes);
    if (!model_open(&m, file.path, &e))
        fail_msg("%s: %s", f->name, e.msg);
    assert_ptr_equal(m.format, f);
    assert_int_equal(m.n_tensors, n);
    assert_int_equal(m.n_findings, 0);
    for (size_t i = 0; i < n; i++)
        assert_same_tensor(&m, &out, i);
    assert_same_keys(&m.files[0].metadata, keys ? keys : &none);
    assert_true(model_unchanged(&m, &e));
    model_close(&m);
    model_close(&out);
    memory_file_close(&file);
    fixture_free(bytes);
    return true;
}

static void every_type_comes_back(void **state)
{
    (void)state;
    for (int i = 0; formats[i]; i++) {
        int held = 0;
        for (enum dtype d = DTYPE_NONE + 1; d < DTYPE_COUNT; d++) {
            uint64_t block = dtype_info[d].block_elems;
            struct plain_tensor t[] = {
                { "a", d, 1, { 4 * block } },
                { "b.weight", d, 2, { 3, 4 * block } },
                { "c", d, 3, { 2, 1, 8 * block } },
                { "d", d, 4, { 1, 2, 3, 4 * block } },
            };
            held += comes_back(formats[i], t, 4, NULL);
        }
        print_message("%s holds %d types\n", formats[i]->name, held);
        assert_true(held >= 3);
    }
}

static void every_number_of_tensors_comes_back(void **state)
{
    (void)state;
    enum { MOST = 3000 };
    static struct plain_tensor t[MOST];
    static char name[MOST][24];
    for (size_t i = 0; i < MOST; i++) {
        snprintf(name[i], sizeof name[i], "blk.%zu.attn_q.weight", i);
        t[i] =
            (struct plain_tensor){ name[i], i % 2 ? DTYPE_F32 : DTYPE_BF16, 2, { 1, i % 5 + 1 } };
    }
    for (int i = 0; formats[i]; i++)
        for (size_t n = 0; n <= MOST; n += n < 5 ? 1 : 599)
            assert_true(comes_back(formats[i], t, n, NULL));
}

/* Each comes back or is refused when it is laid out. */
static void odd_tensors_come_back_or_are_refused(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    const struct plain_tensor odd[] = {
        { "scalar", DTYPE_F32, 0, { 0 } },
        { "one", DTYPE_F32, 1, { 1 } },
        { "empty", DTYPE_F32, 1, { 0 } },
        { "empty inside", DTYPE_BF16, 3, { 4, 0, 2 } },
        { "six", DTYPE_F32, 6, { 1, 1, 2, 3, 1, 2 } },
        { "deep", DTYPE_F32, 6, { 2, 1, 2, 1, 1, 2 } },
        { "", DTYPE_F32, 1, { 2 } },
        { "\"quoted\\\n\x1b[31m\xe2\x80\xae", DTYPE_F32, 1, { 2 } },
        { longest, DTYPE_F32, 1, { 2 } },
    };
    for (int i = 0; formats[i]; i++) {
        size_t held = 0, n = sizeof odd / sizeof *odd;
        for (size_t k = 0; k < n; k++)
            held += comes_back(formats[i], &odd[k], 1, NULL);
        print_message("%s holds %zu of %zu odd tensors\n", formats[i]->name, held, n);
        assert_true(held >= 2);
    }
}

static void keys_come_back(void **state)
{
    (void)state;
    const struct plain_tensor t = { "a", DTYPE_F32, 1, { 2 } };
    for (int i = 0; formats[i]; i++) {
        struct metadata keys = { 0 };
        struct arena a = { 0 };
        struct err e = { 0 };
        char name[32];
        for (size_t k = 0; k < 200; k++) {
            snprintf(name, sizeof name, "general.key-%zu", k);
            assert_true(
                meta_add_str(&keys, name, STR("a \"b\"\\\n\xc3\xa9\xf0\x9f\x99\x82"), &a, &e));
        }
        assert_true(meta_add_str(&keys, "empty", STR(""), &a, &e));
        assert_true(comes_back(formats[i], &t, 1, &keys));
        arena_free(&a);
    }
}

static void sets_hold_every_tensor_once(void **state)
{
    (void)state;
    static const struct plain_tensor t[] = {
        { "a", DTYPE_F32, 1, { 100 } }, { "b", DTYPE_F32, 1, { 30 } },
        { "c", DTYPE_F32, 1, { 30 } },  { "d", DTYPE_F32, 1, { 300 } },
        { "e", DTYPE_BF16, 1, { 10 } },
    };
    for (int i = 0; formats[i]; i++) {
        struct model out;
        struct err e = { 0 };
        uint64_t in_file[8] = { 0 };
        assert_true(plain_lay_out(&out, formats[i], t, 5, NULL, 400, &e));
        assert_int_equal(out.n_files, 4);
        for (size_t k = 0; k < out.n_tensors; k++)
            in_file[out.tensors[k].file] += out.tensors[k].bytes;
        for (size_t f = 0; f < out.n_files; f++) {
            assert_true(in_file[f] && out.files[f].size >= out.files[f].data_offset + in_file[f]);
            assert_true(file_name_ok(out.files[f].name));
            for (size_t g = 0; g < f; g++)
                assert_false(str_eq(out.files[f].name, out.files[g].name));
        }
        model_close(&out);
    }
}

/* ---- whose is it ------------------------------------------------------------------- */

static void files_belong_to_one_format(void **state)
{
    (void)state;
    static const struct plain_tensor t = { "a", DTYPE_F32, 1, { 2 } };
    static const char *const strangers[] = {
        "",
        "\n",
        "PK\3\4 a zip archive",
        "\x80\2}q\1 a pickle",
        "{\"a\": \"some JSON text\"}",
        "\177ELF and then some bytes",
        "#!/bin/sh\necho a script\n",
        "GGU",
        "GGML....",
        "a text that says nothing at all of weights",
    };
    for (int i = 0; formats[i]; i++) {
        struct model out;
        struct err e = { 0 };
        assert_true(plain_lay_out(&out, formats[i], &t, 1, NULL, 0, &e));
        struct str bytes = plain_file(&out, 0);
        struct span head = { (const uint8_t *)bytes.at, bytes.len < 64 ? bytes.len : 64 };
        for (int k = 0; formats[k]; k++)
            assert_int_equal(formats[k]->probe(head, bytes.len), k == i);
        for (size_t k = 0; k < sizeof strangers / sizeof *strangers; k++) {
            struct str s = fixture_copy(str_of(strangers[k])); /* probe must not read past it */
            assert_false(formats[i]->probe((struct span){ (const uint8_t *)s.at, s.len }, s.len));
            fixture_free(s);
        }
        assert_ptr_equal(format_find(formats[i]->name), formats[i]);
        fixture_free(bytes);
        model_close(&out);
    }
    assert_null(format_find("no such format"));
}

/* ---- damage ---------------------------------------------------------------------- */

/* A file of every kind of record, at most 400 bytes. */
static struct str minimal(const struct format *f)
{
    static const struct plain_tensor t[] = {
        { "a", DTYPE_F32, 2, { 1, 2 } },
        { "b", DTYPE_F16, 1, { 3 } },
    };
    struct metadata keys = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    struct model out;
    assert_true(meta_add_str(&keys, "key", STR("value"), &a, &e));
    assert_true(plain_lay_out(&out, f, t, 2, &keys, 0, &e));
    struct str bytes = plain_file(&out, 0);
    assert_true(bytes.len <= 400);
    model_close(&out);
    arena_free(&a);
    return bytes;
}

/* Opens what is in the file, whatever it is, and reads all of it.  A clean verdict: read, or
 * refused for what it is with a message that names the file. */
static enum err_code open_any(const struct memory_file *file)
{
    struct model m;
    struct err e = { 0 };
    uint8_t piece[512];
    bool ok = model_open(&m, file->path, &e);
    for (size_t i = 0; ok && i < m.n_tensors; i++)
        for (uint64_t at = 0; ok && at < m.tensors[i].bytes; at += sizeof piece) {
            uint64_t n = m.tensors[i].bytes - at;
            ok = model_read(&m, &m.tensors[i], at, piece, n < sizeof piece ? n : sizeof piece, &e);
        }
    if (ok != (e.code == ERR_NONE) || (!ok && !strstr(e.msg, file->path)) ||
        (!ok && e.code != ERR_INPUT && e.code != ERR_UNSUPPORTED))
        fail_msg("%d: %s", e.code, e.msg);
    model_close(&m);
    return e.code;
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (int i = 0; formats[i]; i++) {
        struct memory_file file;
        struct str whole = minimal(formats[i]);
        memory_file_open(&file);
        memory_file_fill(&file, whole);
        assert_int_equal(open_any(&file), ERR_NONE);
        size_t data = whole.len, refused = 0;
        while (data && memchr("\0\1", whole.at[data - 1], 2))
            data--; /* zeros behind the last tensor may be missing */
        for (size_t n = whole.len; n-- > 0;) {
            memory_file_cut(&file, n);
            enum err_code code = open_any(&file);
            assert_true(code == ERR_INPUT || n >= data);
            refused += code != ERR_NONE;
        }
        assert_true(refused >= data);
        memory_file_close(&file);
        fixture_free(whole);
    }
}

static void every_byte_takes_every_value(void **state)
{
    (void)state;
    for (int i = 0; formats[i]; i++) {
        struct memory_file file;
        struct str whole = minimal(formats[i]);
        unsigned verdicts[2] = { 0 };
        memory_file_open(&file);
        memory_file_fill(&file, whole);
        for (size_t at = 0; at < whole.len; at++) {
            for (unsigned change = 1; change < 256; change++) {
                memory_file_poke(&file, at, (uint8_t)((uint8_t)whole.at[at] ^ change));
                verdicts[open_any(&file) == ERR_NONE]++;
            }
            memory_file_poke(&file, at, (uint8_t)whole.at[at]);
        }
        print_message("%s: %zu bytes, %u changes refused, %u readable\n", formats[i]->name,
                      whole.len, verdicts[0], verdicts[1]);
        assert_true(verdicts[0] > 1000);
        memory_file_close(&file);
        fixture_free(whole);
    }
}

static void every_byte_may_be_left_out_or_doubled(void **state)
{
    (void)state;
    for (int i = 0; formats[i]; i++) {
        struct memory_file file;
        struct str whole = minimal(formats[i]);
        char changed[512];
        memory_file_open(&file);
        for (size_t at = 0; at < whole.len; at++) {
            memcpy(changed, whole.at, at);
            memcpy(changed + at, whole.at + at + 1, whole.len - at - 1);
            memory_file_fill(&file, (struct str){ changed, whole.len - 1 });
            open_any(&file);
            memcpy(changed + at, whole.at + at, 1);
            memcpy(changed + at + 1, whole.at + at, whole.len - at);
            memory_file_fill(&file, (struct str){ changed, whole.len + 1 });
            open_any(&file);
        }
        memory_file_close(&file);
        fixture_free(whole);
    }
}

/* ---- faults ----------------------------------------------------------------------- */

static void every_fault_is_reported(void **state)
{
    (void)state;
    static const enum err_code codes[] = { [FAULT_IO] = ERR_SYSTEM, [FAULT_MEMORY] = ERR_MEMORY };
    for (int i = 0; formats[i]; i++) {
        struct memory_file file;
        struct str whole = minimal(formats[i]);
        memory_file_open(&file);
        memory_file_fill(&file, whole);
        for (enum fault_kind kind = FAULT_IO; kind <= FAULT_MEMORY; kind++) {
            unsigned n = 1;
            for (bool struck = true; struck; n += struck) {
                struct model m;
                struct err e = { 0 };
                fault_on(kind, n);
                bool ok = model_open(&m, file.path, &e);
                struck = fault_struck();
                fault_on(FAULT_NONE, 0);
                assert_int_equal(ok, !struck);
                assert_int_equal(e.code, struck ? codes[kind] : ERR_NONE);
                if (struck && kind == FAULT_IO)
                    assert_non_null(strstr(e.msg, file.path));
                model_close(&m);
            }
            assert_true(n > 3);
        }
        memory_file_close(&file);
        fixture_free(whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back),
        cmocka_unit_test(every_number_of_tensors_comes_back),
        cmocka_unit_test(odd_tensors_come_back_or_are_refused),
        cmocka_unit_test(keys_come_back),
        cmocka_unit_test(sets_hold_every_tensor_once),
        cmocka_unit_test(files_belong_to_one_format),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_byte_takes_every_value),
        cmocka_unit_test(every_byte_may_be_left_out_or_doubled),
        cmocka_unit_test(every_fault_is_reported),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
