/* family_test.c - gpt-oss in every form: against files of other programs, against forms
 * written by plain loops, from any form to any other and back, and every way to be wrong. */
#include "formats/family/gpt_oss.h"
#include "tests/support/convert.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TINY   "tests/data/tiny-gpt-oss"
#define GOLDEN "tests/data/golden/gpt-oss/tiny-a"

static const enum form forms[TINY_WRITABLE] = { FORM_HF, FORM_ORIGINAL, FORM_GGUF };

static void must_convert(const char *from, const char *to, enum form form)
{
    struct err e = { 0 };
    if (!convert_to(from, to, form, &e))
        fail_msg("%s to %s: %s", from, form_name(form), e.msg);
}

/* ---- forms made by plain loops ------------------------------------------------------------ */

/* One model in every form, and from each of them to every form we write. */
static void check_forms(const struct tiny *t, uint64_t seed)
{
    const char *in = tree_path("in"), *out = tree_path("out"), *want = tree_path("want");
    for (enum tiny_form from = 0; from < TINY_FORMS; from++) {
        tree_remove(in);
        tiny_write(t, from, in);
        for (enum tiny_form to = 0; to < TINY_WRITABLE; to++) {
            tree_remove(out);
            tree_remove(want);
            tiny_write(t, to, want);
            must_convert(in, out, forms[to]);
            /* what was F16 or F32 in GGUF comes back in the first type that holds it */
            bool same_types = to == TINY_GGUF || from < TINY_GGUF;
            const char *why = same_types ? tensors_differ(out, want) : values_differ(out, want);
            if (why)
                fail_msg("seed %llu, %s to %s: %s", (unsigned long long)seed, tiny_name(from),
                         tiny_name(to), why);
        }
    }
}

static void test_odd_sizes(void **state)
{
    (void)state;
    struct tiny t = tiny_odd;
    check_forms(&t, 0);
    t.plain_experts = true;
    check_forms(&t, 1);
}

static void test_random_models(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        struct tiny t = tiny_random(seed);
        check_forms(&t, seed);
    }
}

/* ---- against files of other programs --------------------------------------------------------- */

/* The GGUF that llama.cpp's mapping and the public writer made: the same tensors, and the keys
 * that do not speak of its placeholder tokenizer or its name. */
static void check_keys(const char *got, const char *want)
{
    struct model a = { 0 }, b = { 0 };
    struct err e = { 0 };
    assert_true(model_open(&a, got, &e) && model_open(&b, want, &e));
    const struct metadata *x = &a.files[0].metadata, *y = &b.files[0].metadata;
    unsigned same = 0;
    for (size_t i = 0; i < y->n; i++) {
        char key[100];
        const struct meta *w = &y->all[i];
        snprintf(key, sizeof key, STR_FMT, STR_ARG(w->key));
        if (str_starts(w->key, "tokenizer.") || str_is(w->key, "general.name"))
            continue;
        const struct meta *g = meta_find(x, key);
        if (!g || g->type != w->type || g->bytes.len != w->bytes.len ||
            memcmp(g->bytes.at, w->bytes.at, w->bytes.len) != 0)
            fail_msg("%s differs", key);
        same++;
    }
    assert_int_equal(same, 23);
    model_close(&a);
    model_close(&b);
}

static void test_golden_gguf(void **state)
{
    (void)state;
    static const char golden[] = GOLDEN "/gguf/tiny-a-bf16-mxfp4.gguf";
    static const char *const sources[] = { GOLDEN "/hf", GOLDEN "/original" };
    const char *out = tree_path("golden.gguf");
    for (int i = 0; i < 2; i++) {
        must_convert(sources[i], out, FORM_GGUF);
        assert_null(tensors_differ(out, golden));
        check_keys(out, golden);
    }
}

static void test_golden_original(void **state)
{
    (void)state;
    static const char *const models[][2] = { { TINY, TINY "/original" },
                                             { GOLDEN "/hf", GOLDEN "/original" },
                                             { GOLDEN "/gguf/tiny-a-bf16-mxfp4.gguf",
                                               GOLDEN "/original" } };
    char a[200], b[200];
    for (unsigned i = 0; i < 3; i++) {
        const char *out = tree_path("original"), *hf = tree_path("hf"), *back = tree_path("back");
        must_convert(models[i][0], out, FORM_ORIGINAL);
        must_convert(models[i][1], hf, FORM_HF); /* and round the other way */
        must_convert(hf, back, FORM_ORIGINAL);
        snprintf(b, sizeof b, "%s/model.safetensors", models[i][1]);
        snprintf(a, sizeof a, "%s/model.safetensors", out);
        assert_null(files_differ(a, b));
        snprintf(a, sizeof a, "%s/model.safetensors", back);
        assert_null(files_differ(a, b));
        snprintf(a, sizeof a, "%s/dtypes.json", out);
        snprintf(b, sizeof b, "%s/dtypes.json", models[i][1]);
        assert_null(files_differ(a, b));
    }
}

/* The BF16 form: experts decoded and transposed, and back through GGUF untransposed. */
static void test_golden_bf16(void **state)
{
    (void)state;
    const char *decoded = tree_path("decoded"), *gguf = tree_path("bf16.gguf"),
               *back = tree_path("bf16-back");
    struct plan_options opt = { .to = FORM_HF, .type = DTYPE_BF16, .base = STR("model") };
    struct err e = { 0 };
    assert_true(convert(TINY, decoded, &opt, &e));
    assert_null(tensors_differ(decoded, TINY "/bf16"));
    must_convert(TINY "/bf16", gguf, FORM_GGUF);
    must_convert(gguf, back, FORM_HF);
    assert_null(tensors_differ(back, TINY "/bf16"));
}

/* ---- tensors that do not fit --------------------------------------------------------------------
 */

/* Opens a model made of `change` applied to a good one; returns the message. */
static const char *opened(const struct tiny *t, enum tiny_form form,
                          void (*change)(const char *path))
{
    static struct err e;
    struct model m = { 0 };
    struct family_view v = { 0 };
    const char *path = tree_path("opened");
    e = (struct err){ 0 };
    tree_remove(path);
    tiny_write(t, form, path);
    if (change)
        change(path);
    bool ok = model_open(&m, path, &e) && family_open(&v, &m, NULL, &e);
    const char *name = ok && v.family ? v.spelling->name : NULL;
    family_close(&v);
    model_close(&m);
    return ok ? name : e.msg;
}

/* Exchanges bytes of the file at `path` or its model.safetensors: same length, other names. */
static void replace_text(const char *path, const char *old, const char *new)
{
    char file[600];
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    const char *at = tree_exists(file) ? file : path;
    struct str s = fixture_read(at);
    char *found = memmem(s.at, s.len, old, strlen(old));
    assert_non_null(found);
    assert_int_equal(strlen(old), strlen(new));
    memcpy(found, new, strlen(new));
    tree_write(at, (struct span){ (const uint8_t *)s.at, s.len });
    fixture_free(s);
}

static void lose_scales(const char *path)
{
    replace_text(path, "1.mlp.experts.down_proj_scales", "1.mlp.experts.down_proj_scalex");
}

static void lose_bias(const char *path)
{
    replace_text(path, "blk.2.ffn_gate_inp.bias", "blk.2.ffn_gate_inp.bios");
}

static void odd_blocks(const char *path) /* 16 bytes a block in another cut */
{
    replace_text(path, "[5,96,2,16]", "[5,96,16,2]");
}

static void test_tensors_that_do_not_fit(void **state)
{
    (void)state;
    assert_non_null(strstr(opened(&tiny_odd, TINY_HF, lose_scales),
                           "'model.layers.1.mlp.experts.down_proj_blocks' has no scales"));
    assert_non_null(strstr(opened(&tiny_odd, TINY_GGUF, lose_bias),
                           "tensor 'blk.2.ffn_gate_inp.bias' is missing"));
    assert_non_null(strstr(opened(&tiny_odd, TINY_ORIGINAL, odd_blocks),
                           "has shape [5,96,16,2]: the last dimension should be 16"));
    for (enum tiny_form form = 0; form < TINY_FORMS; form++)
        assert_string_equal(opened(&tiny_odd, form, NULL), tiny_name(form));
}

/* ---- types -------------------------------------------------------------------------------------
 */

/* Types that come back: what BF16 holds becomes BF16, what it does not stays. */
static void test_types_come_back(void **state)
{
    (void)state;
    const char *in = tree_path("types-in"), *mid = tree_path("types.gguf"),
               *out = tree_path("types-out");
    for (unsigned fitting = 0; fitting < 2; fitting++) {
        struct tiny t = tiny_odd;
        struct model m = { 0 };
        struct err e = { 0 };
        t.vectors = DTYPE_F32;
        t.matrices = DTYPE_F16;
        t.fitting = fitting;
        tree_remove(in);
        tree_remove(out);
        tiny_write(&t, TINY_HF, in);
        must_convert(in, mid, FORM_GGUF);
        must_convert(mid, out, FORM_HF);
        assert_null(values_differ(in, out));
        assert_true(model_open(&m, out, &e));
        assert_int_equal(model_find(&m, STR("model.norm.weight"))->dtype,
                         fitting ? DTYPE_BF16 : DTYPE_F32);
        assert_int_equal(model_find(&m, STR("lm_head.weight"))->dtype, DTYPE_F16);
        model_close(&m);
    }
}

/* --type for every form, and what is joined of two types. */
static void test_retyped(void **state)
{
    (void)state;
    const char *in = tree_path("retyped-in"), *out = tree_path("retyped-out");
    const enum dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };
    for (enum tiny_form from = 0; from < TINY_FORMS; from++)
        for (enum tiny_form to = 0; to < TINY_WRITABLE; to++)
            for (int i = 0; i < 3; i++) {
                struct plan_options opt = { .to = forms[to],
                                            .type = types[i],
                                            .one_file = forms[to] == FORM_GGUF,
                                            .base = STR("model") };
                struct model m = { 0 };
                struct err e = { 0 };
                tree_remove(in);
                tree_remove(out);
                tiny_write(&tiny_odd, from, in);
                if (!convert(in, out, &opt, &e) || !model_open(&m, out, &e))
                    fail_msg("%s to %s: %s", tiny_name(from), tiny_name(to), e.msg);
                for (size_t k = 0; k < m.n_tensors; k++)
                    assert_true(m.tensors[k].dtype == types[i] ||
                                (to == TINY_GGUF && m.tensors[k].dtype == DTYPE_F32));
                model_close(&m);
            }
}

/* llama.cpp's usual files have Q8_0 matrices: safetensors cannot hold them, as F32 they fit. */
static void test_q8_0(void **state)
{
    (void)state;
    const char *in = tree_path("q8.gguf"), *out = tree_path("q8-out"), *copy = tree_path("q8-copy");
    struct tiny t = tiny_odd;
    struct err e = { 0 };
    struct plan_options opt = { .to = FORM_HF, .base = STR("model") };
    t.head_dim = 16;
    t.matrices = DTYPE_Q8_0;
    tiny_write(&t, TINY_GGUF, in);
    assert_false(convert(in, out, &opt, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "is q8_0, which safetensors cannot hold"));
    assert_string_equal(e.hint, "--type f32 decodes it where we can");
    opt.type = DTYPE_BF16;
    e = (struct err){ 0 };
    assert_false(convert(in, out, &opt, &e));
    assert_non_null(strstr(e.msg, "cannot be turned from q8_0 into bf16"));
    opt.type = DTYPE_F32;
    e = (struct err){ 0 };
    assert_true(convert(in, out, &opt, &e));
    must_convert(in, copy, FORM_GGUF);
    assert_null(tensors_differ(in, copy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_random_models),
        cmocka_unit_test(test_golden_gguf),
        cmocka_unit_test(test_golden_original),
        cmocka_unit_test(test_golden_bf16),
        cmocka_unit_test(test_tensors_that_do_not_fit),
        cmocka_unit_test(test_types_come_back),
        cmocka_unit_test(test_retyped),
        cmocka_unit_test(test_q8_0),
    };
    return cmocka_run_group_tests_name("family", tests, NULL, NULL);
}
