/* logits_compare_test.c - the figures of divergence by hand, tolerances, and models side by side.
 */
#include "quant/exact.h"
#include "tests/support/forward.h"
#include "verify/logits_compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint32_t ids[] = { 663, 426, 926, 25, 198, 295, 359 };
enum { N_IDS = sizeof ids / sizeof *ids };

static void near(double is, double should)
{
    if (!(fabs(is - should) <= 1e-12 * (1 + fabs(should))))
        fail_msg("%.17g, should be %.17g", is, should);
}

/* ---- figures ----------------------------------------------------------------------------- */

static void one_row_by_hand(void **state)
{
    (void)state;
    /* p = 1/2, 1/4, 1/8, 1/8; q = 1/4, 1/2, 1/8, 1/8: KL = (1/2 - 1/4) log 2 */
    const double two = exact_log(2);
    const float l = (float)two, a[] = { 0, -l, -2 * l, -2 * l }, b[] = { -l, 0, -2 * l, -2 * l };
    struct divergence d = divergence_of(a, b, 4, 1);
    assert_false(d.identical);
    assert_true(fabs(d.kl - two / 4) < 1e-7);
    assert_true(fabs(d.log_p_a + 2 * two) < 1e-7 && fabs(d.log_p_b + two) < 1e-7);
    near(d.max_abs, (double)l);
    near(d.sum_abs, 2 * (double)l);
    near(d.sum_sq, 2 * (double)l * (double)l);
    near(d.sum_ref, 9 * (double)l * (double)l);
    assert_int_equal(d.top_a, 0);
    assert_int_equal(d.top_b, 1);
    assert_int_equal(d.shared, DIVERGENCE_TOP);
    d = divergence_of(a, a, 4, UINT32_MAX);
    assert_true(d.identical && d.kl == 0 && d.max_abs == 0);
}

static void bits_count(void **state)
{
    (void)state;
    const float a[] = { 1, 0, 2 }, b[] = { 1, -0.0f, 2 };
    struct divergence d = divergence_of(a, b, 3, UINT32_MAX);
    assert_false(d.identical);
    assert_true(d.max_abs == 0 && d.kl < 1e-15);
}

static void infinities(void **state)
{
    (void)state;
    const float a[] = { 1, 2, -INFINITY }, b[] = { 1, -INFINITY, -INFINITY };
    struct divergence d = divergence_of(a, b, 3, UINT32_MAX);
    assert_true(isinf(d.max_abs) && isinf(d.kl));
    d = divergence_of(a, a, 3, 0);
    assert_true(d.identical && d.kl == 0);
}

static void likeliest_ids(void **state)
{
    (void)state;
    const float x[] = { 3, 1, 7, 7, -INFINITY, 5, 3 };
    const uint32_t want[] = { 2, 3, 5, 0, 6, 1, 4 };
    for (size_t k = 1; k <= 7; k++) {
        uint32_t top[8] = { [7] = 99 };
        top[k] = 77;
        top_ids(x, 7, top, k);
        assert_memory_equal(top, want, k * sizeof *top);
        assert_int_equal(top[k], 77);
    }
}

static void percentiles(void **state)
{
    (void)state;
    enum { N = 200 };
    struct divergence rows[N] = { { 0 } };
    struct divergence_summary s;
    struct err e = { 0 };
    for (size_t i = 0; i < N; i++)
        rows[i] = (struct divergence){ .identical = i < 10,
                                       .kl = (double)((i * 77) % N + 1),
                                       .top_b = i >= 20,
                                       .shared = 4,
                                       .values = 2,
                                       .sum_abs = 3,
                                       .sum_sq = 4,
                                       .sum_ref = 8,
                                       .log_p_a = -1,
                                       .log_p_b = -2 };
    assert_true(divergence_sum(&s, rows, N, true, &e));
    assert_int_equal(s.identical, 10);
    assert_int_equal(s.first_different, 10);
    assert_int_equal(s.first_parted, 20);
    near(s.kl_mean, 100.5);
    near(s.kl_median, 100);
    near(s.kl_90, 180);
    near(s.kl_99, 198);
    near(s.kl_999, 200);
    near(s.kl_max, 200);
    near(s.mean_abs, 1.5);
    near(s.nmse, 0.5);
    near(s.same_top, 0.1);
    near(s.top_5, 0.8);
    near(s.ratio, exact_exp(1));
    near(s.dp_rms, exact_exp(-1) - exact_exp(-2));
    near(s.dp_mean, exact_exp(-2) - exact_exp(-1));
    assert_true(divergence_sum(&s, rows, 0, true, &e));
    assert_int_equal(s.first_different, SIZE_MAX);
}

/* ---- tolerances -------------------------------------------------------------------------- */

static bool keeps(const char *text, struct divergence_summary s, const char *why)
{
    struct err e = { 0 };
    struct tolerance t;
    struct buf b = buf_make(&e);
    assert_true(tolerance_parse(&t, text, true, &e));
    bool ok = tolerance_keeps(&t, &s, &b);
    if (!str_is(buf_text(&b), why))
        fail_msg("%s: '%.*s'", text, (int)b.len, (const char *)b.at);
    buf_free(&b);
    return ok;
}

static void verdicts(void **state)
{
    (void)state;
    struct divergence_summary s = {
        .rows = 9, .identical = 8, .kl_mean = 1e-3, .same_top = 0.99, .ratio = 0.9, .scored = true
    };
    assert_false(keeps("exact", s, "1 of 9 rows differ"));
    assert_false(keeps("lossless", s,
                       "kl 0.001 > 0.0001, same-top 0.99 < 0.995, ratio 0.9 not 1 +- 0.0005"));
    assert_true(keeps("q8", s, ""));
    assert_true(keeps("kl=1e-3,same-top=0.99", s, ""));
    assert_false(keeps("klmax=0,kl=0.0005", s, "kl 0.001 > 0.0005"));
    s.kl_mean = (double)NAN; /* what is not a number is within nothing */
    assert_false(keeps("q8", s, "kl nan > 0.002"));
    s.scored = false;
    s.kl_mean = 0;
    s.same_top = 1;
    assert_true(keeps("lossless", s, ""));
    s.identical = 9;
    assert_true(keeps("exact", s, ""));
}

static void wrong_tolerances(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",        "q5",       "kl",        "kl=",    "kl=x",
                                         "kl=-1",   "kl=1e-3,", ",kl=1",     "kl=nan", "dp=1",
                                         "ratio=1", "kl=0x1",   "same_top=1" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err e = { 0 };
        struct tolerance t;
        assert_false(tolerance_parse(&t, wrong[i], false, &e));
        assert_int_equal(e.code, ERR_USAGE);
        assert_true(e.hint[0]);
    }
}

/* ---- two models -------------------------------------------------------------------------- */

struct models {
    struct model a, b;
    struct pair pair;
    struct bisection x;
    struct logits_comparison c;
};

static void compare(struct models *m, const char *a, const char *b, size_t piece, bool bisect)
{
    struct err e = { 0 };
    struct session_options opt = { .isa = isa_detect(), .jobs = 2 };
    const struct prompt prompts[] = { { .ids = ids, .n = 1 }, { .ids = ids, .n = N_IDS } };
    *m = (struct models){ 0 };
    bool ok = model_open(&m->a, a, &e) && model_open(&m->b, b, &e) &&
              pair_open(&m->pair, &m->a, &m->b, &opt, piece, &e);
    if (ok && bisect)
        bisect_open(&m->x, &m->pair.a, &m->pair.b, &e);
    if (!ok || !logits_compare(&m->c, &m->pair, prompts, 2, bisect ? &m->x : NULL, &e))
        fail_msg("%s", e.msg);
}

static void close_models(struct models *m)
{
    logits_comparison_free(&m->c);
    bisect_close(&m->x);
    pair_close(&m->pair);
    pair_close(&m->pair);
    model_close(&m->a);
    model_close(&m->b);
}

static void every_form_is_identical(void **state)
{
    (void)state;
    static const char *const forms[] = { TINY "original", TINY "bf16" };
    for (int i = 0; i < 2; i++) {
        struct models m;
        compare(&m, TINY, forms[i], 3, true);
        assert_int_equal(m.c.tokens, 1 + N_IDS);
        assert_int_equal(m.c.all.identical, m.c.all.rows);
        assert_null(bisect_first(&m.x));
        assert_int_equal(m.x.n_steps, 2 + 4 * 9);
        close_models(&m);
    }
}

/* The piece only decides how much is held at once. */
static void another_model_differs(void **state)
{
    (void)state;
    struct divergence_summary first = { 0 };
    for (size_t piece = 1; piece <= 8; piece += 3) {
        struct models m;
        compare(&m, TINY, TINY "bf16-master", piece, false);
        first = first.rows ? first : m.c.all;
        assert_memory_equal(&first, &m.c.all, sizeof first);
        close_models(&m);
    }
    assert_int_equal(first.rows, 1 + N_IDS);
    assert_int_equal(first.identical, 0);
    assert_true(first.kl_mean > 1e-4 && first.kl_mean < 0.1 && first.nmse < 0.02);
}

/* One value of one tensor: everything before it is the same. */
static void bisect_finds_the_step(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        size_t value; /* of the tensor */
        const char *step;
        uint32_t layer;
        size_t prompt, token;
    } cases[] = {
        { "block.2.attn.sinks", 1, "heads", 2, 0, 0 },
        { "block.1.mlp.gate.bias", 3, "router", 1, 0, 0 },
        { "block.3.mlp.norm.scale", 100, "mlp_norm", 3, 0, 0 },
        { "embedding.weight", 25 * 128 + 7, "embed", UINT32_MAX, 1, 3 }, /* ids[3] */
        { "unembedding.weight", 0, NULL, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct models m;
        const uint16_t bits = 0x4020; /* bf16 2.5 */
        const char *config = forward_copy(TINY "original/config.json", "config.json", "{", "{");
        const char *copy =
            forward_copy(TINY "original/model.safetensors", "model.safetensors", "{", "{");
        (void)config;
        forward_patch(copy, cases[i].tensor, 2 * cases[i].value, &bits, sizeof bits);
        compare(&m, TINY "original", forward_temp(), 4, true);
        const struct bisect_step *s = bisect_first(&m.x);
        assert_true(m.c.all.identical < m.c.all.rows);
        if (!cases[i].step)
            assert_null(s);
        else {
            assert_non_null(s);
            assert_string_equal(s->name, cases[i].step);
            assert_int_equal(s->layer, cases[i].layer);
            assert_int_equal(s->prompt, cases[i].prompt);
            assert_int_equal(s->token, cases[i].token);
            assert_true(s->max_abs > 0);
        }
        close_models(&m);
    }
    forward_clean();
}

static void vocabularies_must_agree(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct model a = { 0 }, b = { 0 };
    struct pair p;
    struct session_options opt = { .jobs = 1 };
    assert_true(model_open(&a, TINY, &e) && model_open(&b, TINY_A "tiny-a/hf", &e));
    assert_false(pair_open(&p, &a, &b, &opt, 1, &e));
    assert_int_equal(e.code, ERR_MISMATCH);
    model_close(&a);
    model_close(&b);
}

static void ids_are_checked_before_anything_runs(void **state)
{
    (void)state;
    uint32_t bad[] = { 1, 2, 3, 4, 5, 1024 };
    const struct prompt prompt = { .ids = bad, .n = 6 };
    struct err e = { 0 };
    struct models m;
    compare(&m, TINY, TINY, 2, false);
    logits_comparison_free(&m.c);
    assert_false(logits_compare(&m.c, &m.pair, &prompt, 1, NULL, &e));
    assert_int_equal(e.code, ERR_INPUT);
    assert_non_null(strstr(e.msg, "token 5 of the prompt is 1024"));
    close_models(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_row_by_hand),
        cmocka_unit_test(bits_count),
        cmocka_unit_test(infinities),
        cmocka_unit_test(likeliest_ids),
        cmocka_unit_test(percentiles),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(wrong_tolerances),
        cmocka_unit_test(every_form_is_identical),
        cmocka_unit_test(another_model_differs),
        cmocka_unit_test(bisect_finds_the_step),
        cmocka_unit_test(vocabularies_must_agree),
        cmocka_unit_test(ids_are_checked_before_anything_runs),
    };
    return cmocka_run_group_tests_name("logits_compare", tests, NULL, NULL);
}
