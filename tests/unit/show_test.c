/* show_test.c - what is said of the bundled model, and that what is said is safe to print. */
#include "formats/base/fault.h"
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "inspect/show.h"
#include "tests/support/little.h"
#include "tests/support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct shown {
    struct err err;
    struct model model;
    struct facts facts;
    struct findings findings;
    struct select all;
    struct buf text;
};

static void shown_open(struct shown *s, const char *path)
{
    const struct execute_options run = { .jobs = 1 };
    *s = (struct shown){ 0 };
    s->text = buf_make(&s->err);
    if (!model_open(&s->model, path, &s->err) || !facts_open(&s->facts, &s->model, &s->err) ||
        !findings_open(&s->findings, &s->facts, false, &run, &s->err) ||
        !select_open(&s->all, NULL, 0, NULL, 0, &s->err))
        fail_msg("%s: %s", path, s->err.msg);
}

static void shown_close(struct shown *s)
{
    assert_true(buf_ok(&s->text));
    buf_free(&s->text);
    select_close(&s->all);
    findings_close(&s->findings);
    facts_close(&s->facts);
    model_close(&s->model);
}

/* Compares line by line, so that a failure names the line. */
static void expect_text(const struct buf *b, const char *const *lines)
{
    struct str rest = buf_text(b);
    for (; *lines; lines++) {
        const char *end = memchr(rest.at, '\n', rest.len);
        assert_non_null(end);
        struct str line = { rest.at, (size_t)(end - rest.at) };
        if (!str_is(line, *lines))
            fail_msg("is        " STR_FMT "\n should be %s", STR_ARG(line), *lines);
        rest = (struct str){ end + 1, rest.len - line.len - 1 };
    }
    assert_int_equal(rest.len, 0);
}

static void test_summary(void **state)
{
    (void)state;
    static const char *const want[] = {
        "model         tests/data/tiny-gpt-oss",
        "container     safetensors: 79 tensors in 2 files, 2.06 MB",
        "files         model-00001-of-00002.safetensors model-00002-of-00002.safetensors",
        "family        gpt-oss, form hf",
        "architecture  gpt_oss: 4 layers, hidden 128, inner 128, vocabulary 1024",
        "attention     8 heads, 2 for key and value, size 32, window 32",
        "experts       8, 4 for each token",
        "positions     8192, rope base 150000, stretched 32 times, first 256",
        "parameters    2,182,336, of them MXFP4 1,572,864",
        "active        1,389,760 for each token, without the input embedding 1,258,688",
        "storage       bf16             63 tensors            1,218,944 bytes  59.3 %",
        "              mxfp4 in u8      16 tensors              835,584 bytes  40.7 %",
        "tokenizer     BPE: 1,019 tokens, 990 merges",
        "template      678 bytes, SHA-256 f5b535f7dad8f25e..., in chat_template.jinja",
        "beside        LICENSE, README.md, SHA256SUMS, chat_template.jinja, 6 more",
        "values        all finite",
        "findings      none",
        NULL,
    };
    struct shown s;
    shown_open(&s, "tests/data/tiny-gpt-oss");
    show_summary(&s.text, &s.facts, &s.findings);
    expect_text(&s.text, want);
    shown_close(&s);
}

static void test_summary_of_gguf(void **state)
{
    (void)state;
    static const char *const want[] = {
        "model         tests/data/golden/gpt-oss/tiny-a/gguf/tiny-a-bf16-mxfp4.gguf",
        "container     GGUF version 3: 79 tensors in 1 file, 670 kB",
        "files         tiny-a-bf16-mxfp4.gguf",
        "family        gpt-oss, form gguf",
        "architecture  gpt-oss: 4 layers, hidden 64, inner 96",
        "attention     8 heads, 2 for key and value, size 16, window 8",
        "experts       8, 4 for each token",
        "positions     131072, rope base 150000, stretched 32 times, first 4096",
        "parameters    749,184, of them MXFP4 589,824",
        "active        450,176 for each token, without the input embedding 417,408",
        "storage       mxfp4            12 tensors              313,344 bytes  47.8 %",
        "              bf16             18 tensors              294,912 bytes  45.0 %",
        "              f32              49 tensors               47,616 bytes   7.3 %",
        "tokenizer     gpt2 gpt-4o: 512 tokens, 1 merge",
        "values        all finite",
        "findings      none",
        NULL,
    };
    struct shown s;
    shown_open(&s, "tests/data/golden/gpt-oss/tiny-a/gguf/tiny-a-bf16-mxfp4.gguf");
    show_summary(&s.text, &s.facts, &s.findings);
    expect_text(&s.text, want);
    shown_close(&s);
}

/* Every form says the same of the same model. */
static void test_parameters(void **state)
{
    (void)state;
    static const char *const forms[] = { "tests/data/golden/gpt-oss/tiny-a/hf",
                                         "tests/data/golden/gpt-oss/tiny-a/original",
                                         "tests/data/golden/gpt-oss/tiny-a/gguf" };
    for (size_t i = 0; i < 3; i++) {
        struct shown s;
        shown_open(&s, forms[i]);
        assert_int_equal(s.facts.parameters, 749184);
        assert_int_equal(s.facts.mxfp4, 589824);
        assert_int_equal(s.facts.active, 450176);
        assert_int_equal(s.facts.embedding, 512 * 64);
        assert_int_equal(s.facts.set[SET_LAYERS].value, 4);
        shown_close(&s);
    }
}

static void test_tensors(void **state)
{
    (void)state;
    static const char *const want[] = {
        "tensor            type  shape  bytes  offset  file",
        "output_norm.bias  f32   [64]     256       0  x",
        NULL,
    };
    static const uint64_t dim = 64;
    struct shown s;
    const char *wanted[] = { "*norm*" }, *excluded[] = { "/weight$/" };
    shown_open(&s, "tests/data/golden/gpt-oss/tiny-a/gguf");
    select_close(&s.all);
    assert_true(select_open(&s.all, wanted, 1, excluded, 1, &s.err));
    struct tensor rows[] = {
        { STR("output_norm.bias"), DTYPE_F32, 1, &dim, 256, 0, 0 },
        { STR("output_norm.weight"), DTYPE_F32, 1, &dim, 256, 0, 256 },
        { STR("token_embd"), DTYPE_F32, 1, &dim, 256, 0, 512 },
    };
    struct model_file file = { .name = STR("x") };
    struct model m = { .tensors = rows, .n_tensors = 3, .files = &file, .n_files = 1 };
    show_tensors(&s.text, &m, &s.all);
    expect_text(&s.text, want);
    shown_close(&s);
}

static void put_meta(struct metadata *m, struct arena *a, const char *key, enum meta_type type,
                     enum meta_type item, uint64_t count, const void *bytes, size_t n)
{
    struct err e = { 0 };
    struct str copy = arena_str(a, (struct str){ bytes, n }, &e);
    struct meta v = { str_of(key), type, item, count, { (const uint8_t *)copy.at, n } };
    assert_true(copy.at && meta_add(m, v, a, &e));
}

static void test_metadata(void **state)
{
    (void)state;
    static const char *const want[] = {
        "a.i8  i8  -128",
        "b.i64  i64  -9223372036854775808",
        "c.u64  u64  18446744073709551615",
        "d.f32  f32  0.1",
        "e.bool  bool  true",
        "f.s  string  \"tab\\x09 bidi\\u{202e}\"",
        "g.a  array of u16  [1, 2, 3, 65535, ... 5]",
        "h.t  array of string  [\"x\", \"\"]",
        "i.none  array of i32  []",
        NULL,
    };
    struct arena a = { 0 };
    struct err e = { 0 };
    struct model_file f = { .name = STR("x") };
    struct model m = { .files = &f, .n_files = 1 };
    struct buf b = buf_make(&e);
    put_meta(&f.metadata, &a, "a.i8", META_I8, META_I8, 1, "\x80", 1);
    put_meta(&f.metadata, &a, "b.i64", META_I64, META_I64, 1, "\0\0\0\0\0\0\0\x80", 8);
    put_meta(&f.metadata, &a, "c.u64", META_U64, META_U64, 1, "\xff\xff\xff\xff\xff\xff\xff\xff",
             8);
    put_meta(&f.metadata, &a, "d.f32", META_F32, META_F32, 1, "\xcd\xcc\xcc\x3d", 4);
    put_meta(&f.metadata, &a, "e.bool", META_BOOL, META_BOOL, 1, "\1", 1);
    assert_true(meta_add_str(&f.metadata, "f.s", STR("tab\t bidi\xe2\x80\xae"), &a, &e));
    put_meta(&f.metadata, &a, "g.a", META_ARRAY, META_U16, 5, "\1\0\2\0\3\0\xff\xff\5\0", 10);
    put_meta(&f.metadata, &a, "h.t", META_ARRAY, META_STRING, 2,
             "\1\0\0\0\0\0\0\0x\0\0\0\0\0\0\0\0", 17);
    put_meta(&f.metadata, &a, "i.none", META_ARRAY, META_I32, 0, "", 0);
    show_metadata(&b, &m);
    expect_text(&b, want);
    buf_free(&b);
    arena_free(&a);
}

/* ---- what may reach a terminal ------------------------------------------------------------ */

static void expect_safe(const char *path, struct str text)
{
    for (size_t n; text.len; text = (struct str){ text.at + n, text.len - n }) {
        uint32_t code;
        n = text_utf8(text, &code);
        if (!n || (code != '\n' && text_unsafe((struct str){ text.at, n })))
            fail_msg("%s: U+%04X printed as it is", path, n ? (unsigned)code : 0xfffd);
    }
}

static void expect_all_safe(const char *path)
{
    struct shown s;
    shown_open(&s, path);
    show_summary(&s.text, &s.facts, &s.findings);
    show_tensors(&s.text, &s.model, &s.all);
    show_metadata(&s.text, &s.model);
    expect_safe(path, buf_text(&s.text));
    s.text.len = 0;
    show_json(&s.text, &s.facts, &s.findings, &s.all);
    expect_safe(path, buf_text(&s.text));
    if (!json_check(path, buf_text(&s.text), &s.err))
        fail_msg("%s", s.err.msg);
    shown_close(&s);
}

/* A tensor, a key and its value of every naughty string that JSON can hold as a name. */
static void test_naughty_names(void **state)
{
    (void)state;
    const char *path = shared_path("hostile/blns/blns.json");
    struct arena a = { 0 };
    struct err e = { 0 };
    struct span text;
    struct json j;
    if (!path)
        skip();
    assert_true(file_slurp(path, 1 << 20, &a, &text, &e));
    struct buf b = buf_make(&e);
    struct json_out o = json_out(&b, JSON_COMPACT);
    size_t n = 0;
    buf_u64(&b, 0);
    json_put_open(&o, '{');
    json_put_key(&o, STR("__metadata__"));
    json_put_open(&o, '{');
    for (int pass = 0; pass < 2; pass++) {
        json_open(&j, path, 0, (struct str){ (const char *)text.at, text.len }, &a, &e);
        for (json_array(&j); json_item(&j); n++) {
            struct str s = json_string(&j);
            char *name = arena_printf(&a, &e, "%zu " STR_FMT, n, STR_ARG(s)); /* each but once */
            json_put_key(&o, str_of(name));
            if (pass)
                json_put_raw(&o, STR("{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"));
            else
                json_put_str(&o, s);
        }
        assert_true(json_end(&j));
        json_close(&j);
        json_put_close(&o, '}');
    }
    assert_true(buf_ok(&b) && n > 900);
    for (size_t i = 0; i < 8; i++)
        b.at[i] = (uint8_t)((b.len - 8) >> 8 * i);
    expect_all_safe(little_file("blns.safetensors", b.at, b.len));
    buf_free(&b);
    arena_free(&a);
}

static void test_hostile_files(void **state)
{
    (void)state;
    static const char *const dirs[] = { "hostile/safetensors", "hostile/gguf" };
    size_t readable = 0;
    for (int d = 0; d < 2; d++) {
        const char *dir = shared_path(dirs[d]);
        struct arena a = { 0 };
        struct err e = { 0 };
        struct file_entry *entries;
        size_t n;
        if (!dir)
            skip();
        assert_true(file_list(dir, &a, &entries, &n, &e));
        for (size_t i = 0; i < n; i++) {
            struct err why = { 0 };
            struct model m;
            char *path = file_join(&a, dir, entries[i].name, &e);
            bool ok = model_open(&m, path, &why);
            model_close(&m);
            if (ok)
                expect_all_safe(path);
            readable += ok;
        }
        arena_free(&a);
    }
    assert_int_equal(readable, 22);
}

/* What breaks beside the weights is told, and the rest is still shown. */
static void test_broken_files_beside(void **state)
{
    (void)state;
    const char *path = little_safetensors("model.safetensors", "U8", "1", "x", 1);
    char dir[600];
    snprintf(dir, sizeof dir, "%.*s", (int)(strlen(path) - strlen("/model.safetensors")), path);
    little_file("config.json", "{\"num_hidden_layers\": 4,}", 25);
    little_file("tokenizer.json", "{", 1);
    static const char config[] = "{\"chat_template\":[{\"name\":\"default\",\"template\":\"a\"},"
                                 "{\"name\":\"tool_use\",\"template\":\"c\"}]}";
    little_file("tokenizer_config.json", config, sizeof config - 1);
    little_file("chat_template.jinja", "b", 1);
    struct shown s;
    shown_open(&s, dir);
    assert_int_equal(s.facts.n_troubles, 2);
    assert_int_equal(s.findings.n, 3);
    assert_string_equal(s.findings.all[0].id, "family");
    assert_string_equal(s.findings.all[1].id, "family");
    assert_string_equal(s.findings.all[2].id, "template-differs");
    assert_int_equal(s.facts.n_templates, 3);
    shown_close(&s);
}

static bool show_all(const struct model *m, struct err *e)
{
    const struct execute_options run = { .jobs = 1 };
    struct facts facts = { 0 };
    struct findings findings = { 0 };
    struct select all = { 0 };
    struct buf b = buf_make(e);
    const char *wanted[] = { "/a/" };
    bool ok = facts_open(&facts, m, e) && findings_open(&findings, &facts, false, &run, e) &&
              select_open(&all, wanted, 1, NULL, 0, e);
    if (ok) {
        show_summary(&b, &facts, &findings);
        show_tensors(&b, m, &all);
        show_metadata(&b, m);
        show_json(&b, &facts, &findings, &all);
        ok = buf_ok(&b);
    }
    buf_free(&b);
    select_close(&all);
    findings_close(&findings);
    facts_close(&facts);
    return ok;
}

/* Whichever allocation fails, nothing leaks, and what is not all there is an error. */
static void test_every_allocation_fails(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct model m;
    assert_true(model_open(&m, "tests/data/golden/gpt-oss/tiny-a/gguf", &e));
    for (unsigned n = 1;; n++) {
        e = (struct err){ 0 };
        fault_on(FAULT_MEMORY, n);
        bool ok = show_all(&m, &e), struck = fault_struck();
        fault_on(FAULT_NONE, 0);
        assert_true(ok == (e.code == ERR_NONE));
        assert_true(ok || e.code == ERR_MEMORY);
        if (!struck) {
            assert_true(ok && n > 20);
            break;
        }
    }
    model_close(&m);
}

static void test_select(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct select s;
    const char *wanted[] = { "a*", "/^b[0-9]+$/", "/" }, *excluded[] = { "*z", "/q/" };
    assert_true(select_open(&s, wanted, 3, excluded, 2, &e));
    assert_true(select_has(&s, STR("abc")) && select_has(&s, STR("b12")));
    assert_true(select_has(&s, STR("/")));
    assert_false(select_has(&s, STR("b")) || select_has(&s, STR("cb1")));
    assert_false(select_has(&s, STR("az")) || select_has(&s, STR("aqa")));
    select_close(&s);
    select_close(&s);
    const char *broken[] = { "/(/" };
    assert_false(select_open(&s, broken, 1, NULL, 0, &e));
    assert_int_equal(e.code, ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_files_beside), /* first: the directory must hold no other */
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_summary_of_gguf),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_naughty_names),
        cmocka_unit_test(test_hostile_files),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_select),
    };
    return cmocka_run_group_tests_name("show", tests, NULL, NULL);
}
