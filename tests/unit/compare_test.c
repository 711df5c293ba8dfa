/* compare_test.c - are two models the same weights: in every form, in other types, and how they
 * are said to differ. */
#include "tests/support/convert.h"
#include "tests/support/tiny.h"
#include "tests/support/tiny_file.h"
#include "tests/support/tree.h"
#include "verify/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define TINY "tests/data/tiny-gpt-oss"

static struct comparison compare(const char *a, const char *b)
{
    const struct execute_options opt = { .jobs = 2, .tile = 5000 };
    struct model x = { 0 }, y = { 0 };
    struct comparison c = { 0 };
    struct err e = { 0 };
    if (!model_open(&x, a, &e) || !model_open(&y, b, &e) || !compare_models(&c, &x, &y, &opt, &e))
        fail_msg("%s, %s: %s", a, b, e.msg);
    model_close(&x);
    model_close(&y);
    return c;
}

static void assert_equal(const char *a, const char *b, size_t equal, size_t values)
{
    struct comparison c = compare(a, b);
    if (c.n_differences)
        fail_msg("%s, %s: %s", a, b, c.differences[0]);
    assert_int_equal(c.equal, equal);
    assert_int_equal(c.equal_values, values);
    assert_int_equal(c.tensors, equal + values);
    comparison_free(&c);
}

static void assert_differ(const char *a, const char *b, const char *const *lines)
{
    struct comparison c = compare(a, b);
    size_t n = 0;
    for (; lines[n]; n++)
        if (n >= c.n_differences || strcmp(lines[n], c.differences[n]) != 0)
            fail_msg("line %zu: %s", n, n < c.n_differences ? c.differences[n] : "missing");
    if (n != c.n_differences)
        fail_msg("and: %s", c.differences[n]);
    comparison_free(&c);
}

static void test_released_forms(void **state)
{
    (void)state;
    static const char *const golden = "tests/data/golden/gpt-oss/tiny-a/";
    char gguf[200], hf[200];
    snprintf(gguf, sizeof gguf, "%sgguf/tiny-a-bf16-mxfp4.gguf", golden);
    snprintf(hf, sizeof hf, "%shf", golden);
    assert_equal(TINY, TINY "/original", 79, 0);
    assert_equal(TINY, TINY "/bf16", 67, 12); /* the experts: gate, up and down of four layers */
    assert_equal(TINY "/bf16", TINY, 67, 12);
    assert_equal(hf, gguf, 3 * 4 + 4 * 4 + 2, 4 * 12 + 1); /* vectors and routers are F32 there */
    struct comparison c = compare(TINY "/bf16", TINY "/bf16-master");
    assert_int_equal(c.n_differences, 12);
    comparison_free(&c);
}

static void test_every_form(void **state)
{
    (void)state;
    const char *a = tree_path("a"), *b = tree_path("b");
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct tiny t = tiny_random(seed);
        size_t n = 3 - t.tied + 19 * t.layers;
        tree_remove(a);
        tiny_write(&t, TINY_HF, a);
        for (enum tiny_form f = 0; f < TINY_FORMS; f++) {
            tree_remove(b);
            tiny_write(&t, f, b);
            struct comparison c = compare(a, b);
            if (c.n_differences || c.tensors != n || c.equal + c.equal_values != n)
                fail_msg("seed %llu, %s: %s", (unsigned long long)seed, tiny_name(f),
                         c.n_differences ? c.differences[0] : "counts");
            comparison_free(&c);
        }
    }
}

/* ---- how they differ --------------------------------------------------------------------------
 */

static void test_missing(void **state)
{
    (void)state;
    const char *a = tree_path("tied"), *b = tree_path("untied");
    struct tiny t = tiny_odd;
    tiny_write(&t, TINY_HF, b);
    t.tied = true;
    tiny_write(&t, TINY_GGUF, a);
    assert_differ(a, b, (const char *const[]){ "only in B: lm_head.weight", NULL });
    assert_differ(b, a, (const char *const[]){ "only in A: lm_head.weight", NULL });
    t = tiny_odd;
    t.layers = 2;
    tree_remove(a);
    tiny_write(&t, TINY_ORIGINAL, a);
    struct comparison c = compare(a, b);
    assert_int_equal(c.n_differences, 19);
    assert_string_equal(c.differences[0], "only in B: model.layers.2.input_layernorm.weight");
    assert_string_equal(c.differences[13],
                        "only in B: model.layers.2.mlp.experts.gate_up_proj (gate)");
    comparison_free(&c);
}

static void test_shapes(void **state)
{
    (void)state;
    const char *a = tree_path("small"), *b = tree_path("large");
    struct tiny t = tiny_odd;
    tiny_write(&t, TINY_HF, a);
    t.vocab = 40;
    tiny_write(&t, TINY_HF, b);
    assert_differ(a, b,
                  (const char *const[]){ "model.embed_tokens.weight: A is 1x37x96, B is 1x40x96",
                                         "lm_head.weight: A is 1x37x96, B is 1x40x96", NULL });
}

/* One changed number in a matrix, and one changed code in an MXFP4 block. */
static void test_values(void **state)
{
    (void)state;
    const char *a = tree_path("one"), *b = tree_path("other.gguf"), *fused = tree_path("fused");
    struct model m = { 0 };
    struct err e = { 0 };
    tiny_write(&tiny_odd, TINY_HF, a);
    tiny_write(&tiny_odd, TINY_GGUF, b);
    tiny_write(&tiny_odd, TINY_FUSED, fused);
    assert_true(model_open(&m, b, &e));
    const struct tensor *q = model_find(&m, STR("blk.1.attn_q.weight")),
                        *up = model_find(&m, STR("blk.2.ffn_up_exps.weight"));
    tree_flip(b, (long)q->offset + 2 * 100 + 1);
    tree_flip(b, (long)up->offset + 17 * 50 + 1 + 4); /* elements 4 and 20 of block 50 */
    model_close(&m);
    struct comparison c = compare(a, b);
    assert_int_equal(c.n_differences, 2);
    assert_non_null(strstr(c.differences[0], "model.layers.1.self_attn.q_proj.weight: 1 of 5760 "
                                             "values differ, first element 100: "));
    assert_non_null(strstr(c.differences[1], "model.layers.2.mlp.experts.gate_up_proj (up): 1 of "
                                             "960 blocks differ, first element 1604: "));
    comparison_free(&c);
    c = compare(fused, b);
    assert_int_equal(c.n_differences, 2);
    comparison_free(&c);
}

/* ---- of no family -------------------------------------------------------------------------------
 */

static void put(const char *dir, enum dtype t, unsigned ndim, const uint64_t *dim,
                const void *bytes, size_t n)
{
    struct tiny_file *f = tiny_file_new();
    const uint64_t one = 1;
    tree_mkdir(dir);
    tiny_file_add(f, "x", t, ndim, dim, bytes, n);
    tiny_file_add(f, dir, DTYPE_U8, 1, &one, "a", 1); /* a name of its own */
    tiny_file_safetensors(f, dir, 0, false);
    tiny_file_free(f);
}

static void test_names(void **state)
{
    (void)state;
    const char *a = tree_path("n1"), *b = tree_path("n2");
    char only_a[300], only_b[300];
    static const float x[3] = { 1, -0.0F, 3 };
    static const uint16_t same[3] = { 0x3f80, 0x8000, 0x4040 }, plus[3] = { 0x3f80, 0, 0x4040 };
    const uint64_t flat[1] = { 3 }, ones[3] = { 1, 1, 3 }, tall[2] = { 3, 1 };
    snprintf(only_a, sizeof only_a, "only in A: %s", a);
    snprintf(only_b, sizeof only_b, "only in B: %s", b);
    put(a, DTYPE_F32, 1, flat, x, sizeof x);
    put(b, DTYPE_BF16, 3, ones, same, sizeof same);
    assert_differ(a, b, (const char *const[]){ only_a, only_b, NULL });
    put(b, DTYPE_BF16, 1, flat, plus, sizeof plus); /* +0 is not -0 */
    assert_differ(
        a, b,
        (const char *const[]){ only_a, only_b,
                               "x: 1 of 3 values differ, first element 1: -0 in A, 0 in B", NULL });
    put(b, DTYPE_F32, 2, tall, x, sizeof x);
    assert_differ(a, b, (const char *const[]){ "x: the shapes differ", only_a, only_b, NULL });
    put(a, DTYPE_U8, 1, flat, "abc", 3);
    put(b, DTYPE_U8, 1, flat, "abd", 3);
    assert_differ(
        a, b,
        (const char *const[]){ only_a, only_b, "x: 1 of 3 values differ, first element 2", NULL });
}

/* NaN is NaN where types differ, bits where they are the same. */
static void test_nan(void **state)
{
    (void)state;
    const char *a = tree_path("nan"), *b = tree_path("nan2");
    const uint64_t flat[1] = { 1 };
    put(a, DTYPE_BF16, 1, flat, "\xc1\x7f", 2);
    put(b, DTYPE_F32, 1, flat, "\x01\x00\xc0\x7f", 4);
    struct comparison c = compare(a, b);
    assert_int_equal(c.equal_values, 1);
    comparison_free(&c);
    put(b, DTYPE_BF16, 1, flat, "\xc2\x7f", 2);
    c = compare(a, b);
    assert_int_equal(c.equal_values + c.equal, 0);
    comparison_free(&c);
    put(a, DTYPE_F32, 1, flat, "\x01\x00\xc0\x7f", 4);
    put(b, DTYPE_F32, 1, flat, "\x02\x00\xc0\x7f", 4);
    c = compare(a, b);
    assert_int_equal(c.equal_values + c.equal, 0);
    comparison_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_released_forms),
        cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
