/* perplexity_test.c - the bundled model on its evaluation text, and beside its master. */
#include "formats/base/json.h"
#include "tests/support/forward.h"
#include "verify/perplexity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

/* Scalar kernels take their time: then a part of the windows is enough. */
static bool slow(void)
{
    return kernels_for(isa_detect()).matmul_mxfp4 == kernels_for(0).matmul_mxfp4;
}

static struct perplexity_options protocol(void)
{
    return (struct perplexity_options){ .window = 256, .most_windows = slow() ? 1 : 0 };
}

static void the_evaluation_of_the_reference(void **state)
{
    (void)state;
    cJSON *eval = forward_json(TINY "golden/eval.json");
    struct ids ids = forward_ids(json_at(eval, "ids"));
    struct session_options opt = { .isa = isa_detect(), .jobs = 2 };
    struct perplexity_options how = protocol();
    struct err e = { 0 };
    struct model m = { 0 };
    struct session s = { 0 };
    struct perplexity p;
    assert_true(model_open(&m, TINY, &e) && session_open(&s, &m, &opt, &e) &&
                perplexity_of(&p, &s, ids.at, ids.n, &how, &e));
    assert_int_equal(p.tokens, 4096);
    assert_int_equal(p.windows, slow() ? 1 : 16);
    assert_int_equal(p.scored, p.windows * 255);
    const cJSON *window = json_at(eval, "nll")->child, *want = window->child;
    for (size_t i = 0; i < p.scored; i++) {
        assert_true(fabs(p.nll[i] - want->valuedouble) <= 1e-3);
        want = want->next;
        if (!want && (window = window->next))
            want = window->child;
    }
    if (!slow())
        assert_true(fabs(p.model.perplexity / json_at(eval, "perplexity")->valuedouble - 1) <=
                    1e-4);
    assert_false(p.has_base);
    perplexity_free(&p);
    session_close(&s);
    model_close(&m);
    free(ids.at);
    cJSON_Delete(eval);
}

static void beside_the_master(void **state)
{
    (void)state;
    cJSON *eval = forward_json(TINY "golden/eval.json");
    const cJSON *master = json_at(eval, "others.bf16-master_float32_arithmetic");
    struct ids ids = forward_ids(json_at(eval, "ids"));
    struct session_options opt = { .isa = isa_detect(), .jobs = 2 };
    struct perplexity_options how = protocol();
    struct err e = { 0 };
    struct model m = { 0 }, base = { 0 };
    struct pair pair = { 0 };
    struct perplexity p;
    assert_true(model_open(&m, TINY, &e) && model_open(&base, TINY "bf16-master", &e) &&
                pair_open(&pair, &base, &m, &opt, COMPARE_PIECE, &e) &&
                perplexity_beside(&p, &pair, ids.at, ids.n, &how, &e));
    assert_true(p.has_base && p.sum.scored);
    assert_true(fabs(p.sum.ratio - p.model.perplexity / p.base.perplexity) < 1e-9);
    if (!slow()) {
        double kl = json_at(master, "mean_kl_master_to_mxfp4")->valuedouble;
        double same = json_at(master, "top1_agreement_with_mxfp4")->valuedouble;
        assert_true(fabs(p.base.perplexity / json_at(master, "perplexity")->valuedouble - 1) <=
                    1e-4);
        assert_true(fabs(p.sum.kl_mean / kl - 1) <= 1e-3);
        assert_true(fabs(p.sum.same_top - same) <= 1e-3);
    }
    perplexity_free(&p);
    pair_close(&pair);
    model_close(&m);
    model_close(&base);
    free(ids.at);
    cJSON_Delete(eval);
}

/* What is scored and what is left, against one window at a time. */
static void windows_and_what_is_left(void **state)
{
    (void)state;
    uint32_t ids[50];
    struct session_options opt = { .isa = isa_detect(), .jobs = 2, .chunk = 7 };
    struct err e = { 0 };
    struct model m = { 0 };
    struct session s = { 0 };
    struct perplexity p;
    double nll[20];
    for (uint32_t i = 0; i < 50; i++)
        ids[i] = i * 37 % 1000;
    assert_true(model_open(&m, TINY, &e) && session_open(&s, &m, &opt, &e));
    struct perplexity_options how = { .window = 20, .skip = 5 };
    assert_true(perplexity_of(&p, &s, ids, 50, &how, &e));
    assert_int_equal(p.windows, 2);
    assert_int_equal(p.left, 10);
    assert_int_equal(p.scored, 2 * 14);
    assert_true(session_nll(&s, ids + 20, 20, nll, &e));
    for (size_t i = 0; i < 14; i++)
        assert_true(fabs(p.nll[14 + i] - nll[5 + i]) < 1e-12);
    perplexity_free(&p);

    how = (struct perplexity_options){ .window = 512, .most_windows = 3 }; /* a shorter text */
    assert_true(perplexity_of(&p, &s, ids, 2, &how, &e));
    assert_int_equal(p.scored, 1);
    assert_true(p.model.nll == p.nll[0] && p.model.nll_error == 0);
    perplexity_free(&p);
    session_close(&s);
    model_close(&m);
}

/* Beside itself: the same scores, whatever the piece, and no divergence. */
static void beside_itself(void **state)
{
    (void)state;
    uint32_t ids[50];
    struct session_options opt = { .isa = isa_detect(), .jobs = 2 };
    struct perplexity_options how = { .window = 20, .skip = 5 };
    struct err e = { 0 };
    struct model m = { 0 };
    struct perplexity alone, beside;
    for (uint32_t i = 0; i < 50; i++)
        ids[i] = i * 37 % 1000;
    assert_true(model_open(&m, TINY, &e));
    for (size_t piece = 1; piece <= 21; piece += 4) {
        struct pair pair = { 0 };
        assert_true(pair_open(&pair, &m, &m, &opt, piece, &e) &&
                    perplexity_of(&alone, &pair.a, ids, 50, &how, &e) &&
                    perplexity_beside(&beside, &pair, ids, 50, &how, &e));
        assert_int_equal(alone.scored, beside.scored);
        for (size_t i = 0; i < alone.scored; i++)
            assert_true(fabs(alone.nll[i] - beside.nll[i]) < 1e-12);
        assert_int_equal(beside.sum.identical, beside.scored);
        assert_true(beside.sum.ratio == 1 && beside.sum.dp_max == 0 && beside.sum.kl_max == 0);
        perplexity_free(&alone);
        perplexity_free(&beside);
        pair_close(&pair);
    }
    model_close(&m);
}

static void nothing_to_score(void **state)
{
    (void)state;
    static const struct {
        size_t n, window, skip;
        enum err_code code;
    } cases[] = { { 1, 512, 0, ERR_INPUT },      { 0, 512, 0, ERR_INPUT }, { 10, 1, 0, ERR_USAGE },
                  { 10, 0, 0, ERR_USAGE },       { 10, 4, 3, ERR_USAGE },  { 4, 8, 3, ERR_INPUT },
                  { 10, 4, SIZE_MAX, ERR_USAGE } };
    uint32_t ids[10] = { 0 };
    struct session_options opt = { .jobs = 1 };
    struct err none = { 0 };
    struct model m = { 0 };
    struct session s = { 0 };
    assert_true(model_open(&m, TINY, &none) && session_open(&s, &m, &opt, &none));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = { 0 };
        struct perplexity p;
        struct perplexity_options how = { .window = cases[i].window, .skip = cases[i].skip };
        assert_false(perplexity_of(&p, &s, ids, cases[i].n, &how, &e));
        assert_int_equal(e.code, cases[i].code);
        perplexity_free(&p);
    }
    session_close(&s);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_evaluation_of_the_reference),
        cmocka_unit_test(beside_the_master),
        cmocka_unit_test(windows_and_what_is_left),
        cmocka_unit_test(beside_itself),
        cmocka_unit_test(nothing_to_score),
    };
    return cmocka_run_group_tests_name("perplexity", tests, NULL, NULL);
}
