/* forward_test.c - the forward pass against OpenAI's reference, and its bits against themselves. */
#include "formats/base/json.h"
#include "formats/execute.h"
#include "quant/exact.h"
#include "tests/support/forward.h"
#include "tests/support/npy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static const char *const tiny_a[] = { TINY_A "tiny-a/hf", TINY_A "tiny-a/original",
                                      TINY_A "tiny-a/gguf/tiny-a-bf16-mxfp4.gguf" };

static struct session_options best(enum arith arith)
{
    return (struct session_options){ .isa = isa_detect(), .arith = arith };
}

static struct npy golden(const char *dir, const cJSON *file)
{
    char path[300];
    struct npy a;
    snprintf(path, sizeof path, "%s%s", dir, file->valuestring);
    assert_true(npy_load_as(&a, path, 'f', 4, 2));
    return a;
}

/* ---- OpenAI's reference ------------------------------------------------------------------ */

static void tiny_a_in_every_form(void **state)
{
    (void)state;
    cJSON *index = forward_json(TINY_A "index.json");
    struct session_options opt = best(ARITH_F32);
    const cJSON *seq;
    cJSON_ArrayForEach(seq, json_at(index, "models.tiny-a.sequences"))
    {
        struct ids ids = forward_ids(json_at(seq, "tokens"));
        struct npy want = golden(TINY_A, json_at(seq, "f32"));
        float *first = forward_logits(tiny_a[0], &opt, ids);
        double off = forward_difference(first, want.data, want.n);
        if (!(off <= 2e-4))
            fail_msg("%zu tokens: off by %g", ids.n, off);
        for (int i = 1; i < 3; i++) {
            float *other = forward_logits(tiny_a[i], &opt, ids);
            assert_memory_equal(first, other, want.n * sizeof(float));
            free(other);
        }
        free(first);
        npy_free(&want);
        free(ids.at);
    }
    cJSON_Delete(index);
}

static void tiny_gpt_oss_prompts(void **state)
{
    (void)state;
    cJSON *index = forward_json(TINY "golden/index.json");
    struct session_options opt = best(ARITH_F32);
    const cJSON *p;
    cJSON_ArrayForEach(p, json_at(index, "prompts"))
    {
        struct ids ids = forward_ids(json_at(p, "ids"));
        struct npy want = golden(TINY "golden/", json_at(p, "logits_f32"));
        float *got = forward_logits(TINY, &opt, ids);
        double off = forward_difference(got, want.data, want.n);
        if (!(off <= 2e-4))
            fail_msg("%s: off by %g", json_at(p, "name")->valuestring, off);
        free(got);
        npy_free(&want);
        free(ids.at);
    }
    cJSON_Delete(index);
}

/* The rounding points of the reference; sums in the order of their terms. */
static void bf16_bit_for_bit(void **state)
{
    (void)state;
    cJSON *index = forward_json(TINY_A "index.json");
    struct session_options opt = best(ARITH_BF16);
    const cJSON *seq;
    cJSON_ArrayForEach(seq, json_at(index, "models.tiny-a.sequences"))
    {
        struct ids ids = forward_ids(json_at(seq, "tokens"));
        struct npy want = golden(TINY_A, json_at(seq, "bf16acc32"));
        float *got = forward_logits(tiny_a[ids.n % 3], &opt, ids);
        assert_true(forward_difference(got, want.data, want.n) == 0);
        free(got);
        npy_free(&want);
        free(ids.at);
    }
    cJSON_Delete(index);
}

struct residuals {
    struct npy want;
    uint32_t layers;
    double off;
};

static void see_residual(void *ctx, uint32_t layer, const char *step, const float *x,
                         uint64_t position, size_t T, size_t width)
{
    struct residuals *r = ctx;
    const float *want = r->want.data;
    if (strcmp(step, "mlp") != 0)
        return;
    assert_int_equal(width, r->want.dim[2]);
    double off =
        forward_difference(x, want + (layer * r->want.dim[1] + position) * width, T * width);
    r->off = off > r->off ? off : r->off;
    r->layers += position == 0;
}

static void residuals_after_each_layer(void **state)
{
    (void)state;
    const char *const path[] = { TINY_A "tiny-a/logits/len007_residual_f32.npy",
                                 TINY_A "tiny-a/logits/len007_residual_bf16acc32.npy" };
    const double allowed[] = { 1e-4, 0 };
    for (int arith = 0; arith < 2; arith++) {
        struct residuals r = { 0 };
        struct session_options opt = best((enum arith)arith);
        struct ids ids = forward_sequence("len007");
        assert_true(npy_load_as(&r.want, path[arith], 'f', 4, 3));
        opt.watch = see_residual;
        opt.watch_ctx = &r;
        opt.chunk = 3;
        free(forward_logits(tiny_a[0], &opt, ids));
        assert_int_equal(r.layers, 4);
        assert_true(r.off <= allowed[arith]);
        npy_free(&r.want);
        free(ids.at);
    }
}

static void likelihood_of_the_eval_text(void **state)
{
    (void)state;
    cJSON *eval = forward_json(TINY "golden/eval.json");
    struct session_options opt = best(ARITH_F32);
    struct ids ids = forward_ids(json_at(eval, "ids"));
    const cJSON *window = json_at(eval, "nll")->child;
    size_t n = (size_t)json_at(eval, "window")->valuedouble, scored = 0;
    struct err e = { 0 };
    struct model m = { 0 };
    struct session s = { 0 };
    double nll[256], total = 0;
    bool slow = kernels_for(isa_detect()).matmul_mxfp4 == kernels_for(0).matmul_mxfp4;
    assert_int_equal(n, 256);
    assert_true(model_open(&m, TINY, &e) && session_open(&s, &m, &opt, &e));
    for (size_t at = 0; at < ids.n; at += n, window = window->next) {
        const cJSON *want = window->child;
        assert_true(session_nll(&s, ids.at + at, n, nll, &e));
        for (size_t i = 0; i + 1 < n; i++, want = want->next, scored++) {
            assert_true(fabs(nll[i] - want->valuedouble) <= 1e-3);
            total += nll[i];
        }
        if (slow) /* one window is enough to wait for */
            break;
    }
    double perplexity = exact_exp(total / (double)scored);
    if (!slow)
        assert_true(fabs(perplexity / json_at(eval, "perplexity")->valuedouble - 1) <= 1e-4);
    session_close(&s);
    model_close(&m);
    free(ids.at);
    cJSON_Delete(eval);
}

/* ---- the same bits ----------------------------------------------------------------------- */

static void jobs_chunk_memory_and_isa_change_nothing(void **state)
{
    (void)state;
    const struct session_options ways[] = {
        { .isa = isa_detect(), .jobs = 2 },
        { .isa = isa_detect(), .jobs = 5, .chunk = 7 },
        { .isa = isa_detect(), .jobs = 1, .chunk = 1 },
        { .isa = isa_detect() & isa_mask("avx2"), .jobs = 2, .chunk = 13 },
        { .isa = 0, .jobs = 2 },
        { .isa = isa_detect(), .jobs = 2, .mem = 1100000, .chunk = 32 },
    };
    struct ids ids = forward_sequence("len032");
    for (int arith = 0; arith < 2; arith++) {
        struct session_options one = best((enum arith)arith);
        one.jobs = 1;
        float *want = forward_logits(tiny_a[0], &one, ids);
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            struct session_options opt = ways[i];
            opt.arith = (enum arith)arith;
            float *got = forward_logits(tiny_a[0], &opt, ids);
            assert_memory_equal(want, got, ids.n * 512 * sizeof(float));
            free(got);
        }
        free(want);
    }
    free(ids.at);
}

/* The trained model as another program would hold it: GGUF, MXFP4 or all F32; BF16 experts. */
static const char *convert(const char *name, enum dtype type)
{
    static char path[400];
    struct err e = { 0 };
    struct arena a = { 0 };
    struct model m = { 0 };
    struct plan p = { 0 };
    struct execute_result r = { 0 };
    struct plan_options opt = {
        .to = FORM_GGUF, .type = type, .one_file = true, .base = str_of(name)
    };
    struct execute_options run = { .jobs = 2 };
    snprintf(path, sizeof path, "%.300s/%s", forward_temp(), name);
    if (!model_open(&m, TINY, &e) || !plan_make(&p, &m, &opt, &e) ||
        !execute_write(&p, path, true, &run, &r, &a, &e))
        fail_msg("%s", e.msg);
    plan_free(&p);
    model_close(&m);
    arena_free(&a);
    return path;
}

static void containers_change_nothing(void **state)
{
    (void)state;
    struct session_options opt = best(ARITH_F32);
    struct ids ids = forward_sequence("len032");
    float *want = forward_logits(TINY, &opt, ids);
    const char *const paths[] = { TINY "original", TINY "bf16" };
    for (size_t i = 0; i < 4; i++) {
        const char *path = i < 2 ? paths[i] : convert("made.gguf", i == 2 ? DTYPE_NONE : DTYPE_F32);
        float *got = forward_logits(path, &opt, ids);
        assert_memory_equal(want, got, ids.n * 1024 * sizeof(float));
        free(got);
        if (i >= 2)
            remove(path);
    }
    free(want);
    free(ids.at);
}

static bool last_only(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    float *row = ctx;
    (void)e;
    assert_int_equal(n, 1);
    assert_int_equal(first, 9);
    memcpy(row, logits, 512 * sizeof *row);
    return true;
}

static void a_session_goes_on_and_begins_anew(void **state)
{
    (void)state;
    struct session_options opt = best(ARITH_F32);
    struct ids ids = forward_sequence("len032");
    float *want = forward_logits(tiny_a[0], &opt, ids), row[512];
    struct err e = { 0 };
    struct model m = { 0 };
    struct session s = { 0 };
    assert_true(model_open(&m, tiny_a[0], &e) && session_open(&s, &m, &opt, &e));
    for (int again = 0; again < 2; again++) {
        assert_true(session_run(&s, ids.at, 12, 12, NULL, NULL, &e)); /* no logits wanted */
        assert_true(session_run(&s, ids.at + 12, 10, 9, last_only, row, &e));
        assert_int_equal(s.position, 22);
        assert_memory_equal(row, want + (size_t)21 * 512, sizeof row);
        session_reset(&s);
    }
    session_close(&s);
    session_close(&s);
    model_close(&m);
    free(want);
    free(ids.at);
}

static int clean(void **state)
{
    (void)state;
    forward_clean();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_a_in_every_form),
        cmocka_unit_test(tiny_gpt_oss_prompts),
        cmocka_unit_test(bf16_bit_for_bit),
        cmocka_unit_test(residuals_after_each_layer),
        cmocka_unit_test(likelihood_of_the_eval_text),
        cmocka_unit_test(jobs_chunk_memory_and_isa_change_nothing),
        cmocka_unit_test(containers_change_nothing),
        cmocka_unit_test(a_session_goes_on_and_begins_anew),
    };
    return cmocka_run_group_tests_name("forward", tests, NULL, clean);
}
