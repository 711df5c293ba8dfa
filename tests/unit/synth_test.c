/* synth_test.c - made-up checkpoints: the released shapes, and weights that are what they say. */
#include "formats/base/digest.h"
#include "formats/base/fault.h"
#include "formats/synth.h"
#include "formats/synth_weights.h"
#include "quant/codec.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

static void open_model(struct model *m, const struct synth_model *shape, uint64_t seed)
{
    struct err e = { 0 };
    if (!synth_open(m, shape, seed, &e))
        fail_msg("%s", e.msg);
}

/* One narrow layer; the shape outlives what is opened of it. */
static const struct synth_model *small(void)
{
    static struct synth_model s;
    s = synth_models[0];
    s.layers = 1;
    s.hidden = 96;
    s.intermediate = 160;
    return &s;
}

static const struct tensor *tensor_of(const struct model *m, const char *name)
{
    const struct tensor *t = model_find(m, str_of(name));
    if (!t)
        fail_msg("no tensor %s", name);
    return t;
}

/* The whole tensor; mem_free it. */
static uint8_t *read_whole(const struct model *m, const struct tensor *t)
{
    struct err e = { 0 };
    uint8_t *all = mem_resize(NULL, t->bytes, &e);
    assert_non_null(all);
    assert_true(model_read(m, t, 0, all, t->bytes, &e));
    return all;
}

#define LAYER "model.layers.0."

/* ---- shapes ----------------------------------------------------------------------- */

static void test_released_shapes(void **state)
{
    (void)state;
    static const struct {
        size_t hf, original;
        uint64_t bytes;
    } want[] = { { 459, 363, 13761264768 }, { 687, 543, 65248815744 } };
    for (size_t i = 0; i < 2; i++) {
        struct model m;
        struct plan p;
        struct err e = { 0 };
        open_model(&m, &synth_models[i], 1);
        assert_int_equal(m.n_tensors, want[i].hf);
        assert_int_equal(model_bytes(&m), want[i].bytes);
        assert_true(synth_plan(&p, &m, FORM_ORIGINAL, &e));
        assert_int_equal(p.out.n_tensors, want[i].original);
        assert_int_equal(model_bytes(&p.out), want[i].bytes);
        assert_int_equal(p.n_notes, 0);
        plan_free(&p);
        model_close(&m);
    }
    assert_null(synth_models[2].name);
}

static void test_released_files(void **state)
{
    (void)state;
    static const uint64_t sizes[] = { 4792272488, 4798702184, 4170342232 };
    struct model m;
    struct plan p;
    struct err e = { 0 };
    open_model(&m, &synth_models[0], 1);
    assert_true(synth_plan(&p, &m, FORM_HF, &e));
    assert_int_equal(p.out.n_files, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(p.out.files[i].size, sizes[i]);
    assert_int_equal(p.n_extras, 7);
    assert_int_equal(p.n_notes, 0);
    plan_free(&p);
    assert_true(synth_plan(&p, &m, FORM_ORIGINAL, &e));
    assert_int_equal(p.out.n_files, 1);
    assert_int_equal(p.out.files[0].size, 13761300984);
    plan_free(&p);
    model_close(&m);
}

static void test_impossible(void **state)
{
    (void)state;
    static const struct {
        uint32_t layers, hidden, intermediate;
        const char *says;
    } rows[] = {
        { 0, 64, 64, "layers 0" },        { 4097, 64, 64, "layers 4097" },
        { 1, 0, 64, "hidden 0" },         { 1, 48, 64, "hidden 48" },
        { 1, 64, 16, "intermediate 16" }, { 1, 64, (1 << 20) + 32, "intermediate 1048608" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct synth_model s = synth_models[0];
        struct model m;
        struct err e = { 0 };
        s.layers = rows[i].layers;
        s.hidden = rows[i].hidden;
        s.intermediate = rows[i].intermediate;
        assert_false(synth_open(&m, &s, 1, &e));
        assert_int_equal(e.code, ERR_USAGE);
        if (!strstr(e.msg, rows[i].says))
            fail_msg("'%s', wanted '%s'", e.msg, rows[i].says);
        model_close(&m);
    }
}

static void test_largest(void **state)
{
    (void)state;
    struct synth_model s = synth_models[1];
    struct model m;
    s.hidden = s.intermediate = 1 << 20;
    open_model(&m, &s, 1);
    assert_true(model_bytes(&m) > UINT64_C(1) << 50);
    model_close(&m);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct err e = { 0 };
        struct model m;
        struct plan p = { 0 };
        fault_on(FAULT_MEMORY, n);
        bool ok = synth_open(&m, small(), 1, &e) && synth_plan(&p, &m, FORM_ORIGINAL, &e);
        bool struck = fault_struck();
        fault_on(FAULT_MEMORY, 0);
        plan_free(&p);
        model_close(&m);
        assert_int_equal(ok, !struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        if (!struck)
            break;
    }
}

/* ---- ranges ----------------------------------------------------------------------- */

static uint64_t random_state = 20250806;
static uint64_t random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % n;
}

static void compare_range(const struct model *m, const struct tensor *t, const uint8_t *all,
                          uint64_t at, uint64_t n)
{
    struct err e = { 0 };
    uint8_t *part = guard_new(n);
    assert_true(model_read(m, t, at, part, n, &e));
    if (n && memcmp(part, all + at, n) != 0)
        fail_msg(STR_FMT ": bytes %llu to %llu differ from those of the whole", STR_ARG(t->name),
                 (unsigned long long)at, (unsigned long long)(at + n));
    guard_free(part, n);
}

static void test_any_range(void **state)
{
    (void)state;
    static const char *const names[] = {
        LAYER "self_attn.q_proj.weight",       LAYER "self_attn.sinks",
        LAYER "mlp.experts.gate_up_proj_bias", LAYER "mlp.experts.gate_up_proj_blocks",
        LAYER "mlp.experts.down_proj_scales",
    };
    struct model m;
    open_model(&m, small(), 7);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct tensor *t = tensor_of(&m, names[i]);
        uint8_t *all = read_whole(&m, t);
        for (uint64_t at = 0; at < 20; at++)
            for (uint64_t n = 0; n < 40; n++)
                compare_range(&m, t, all, at, n);
        for (int k = 0; k < 200; k++) {
            uint64_t at = random_below(t->bytes);
            compare_range(&m, t, all, at, random_below(t->bytes - at + 1));
        }
        mem_free(all);
    }
    model_close(&m);
}

/* ---- values ----------------------------------------------------------------------- */

struct moments {
    double mean, variance, least, most;
};

static struct moments moments_of(const float *x, uint64_t n)
{
    struct moments m = { 0, 0, (double)x[0], (double)x[0] };
    double squares = 0;
    for (uint64_t i = 0; i < n; i++) {
        double v = (double)x[i];
        m.mean += v;
        squares += v * v;
        m.least = v < m.least ? v : m.least;
        m.most = v > m.most ? v : m.most;
    }
    m.mean /= (double)n;
    m.variance = squares / (double)n - m.mean * m.mean;
    return m;
}

static void assert_near(const char *what, double got, double want, double by)
{
    if (!(fabs(got - want) <= by))
        fail_msg("%s is %g, wanted %g within %g", what, got, want, by);
}

/* part: what of the deviation both may be off by, so twice that of the variance. */
static void assert_moments(const char *what, struct moments got, double mean, double deviation,
                           double part)
{
    double variance = deviation * deviation;
    assert_near(what, got.mean, mean, part * deviation);
    assert_near(what, got.variance, variance, 2 * part * variance);
}

/* Matrices: mean 0 and variance 1/inputs, of which only the root is no number of ours. */
static void assert_fan_in(const char *what, struct moments got, double inputs, double part)
{
    if (!(got.mean * got.mean * inputs <= part * part))
        fail_msg("%s: mean %g, %g inputs", what, got.mean, inputs);
    assert_near(what, got.variance * inputs, 1, 2 * part);
}

static struct moments moments_of_tensor(const struct model *m, const char *name)
{
    const struct tensor *t = tensor_of(m, name);
    uint64_t n = tensor_elems(t);
    struct err e = { 0 };
    uint8_t *all = read_whole(m, t);
    float *x = mem_resize(NULL, n * sizeof *x, &e);
    assert_non_null(x);
    assert_true(decode_f32(t->dtype, x, all, n));
    struct moments result = moments_of(x, n);
    mem_free(x);
    mem_free(all);
    return result;
}

/* What the header says of its gaussians. */
static void test_gaussians(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    double fourth = 0;
    const float *g = synth_gaussians(&a, &e);
    assert_non_null(g);
    struct moments m = moments_of(g, SYNTH_DRAWS);
    assert_moments("gaussian", m, 0, 1, 0.01);
    assert_true(m.mean == 0);
    assert_true(m.most < 6 && m.most > 3.5 && m.least == -m.most);
    for (size_t i = 0; i < SYNTH_DRAWS; i++)
        fourth += (double)g[i] * (double)g[i] * (double)g[i] * (double)g[i];
    fourth /= SYNTH_DRAWS * m.variance * m.variance;
    assert_near("excess kurtosis", fourth - 3, -0.1, 0.06);
    arena_free(&a);
}

static void test_fan_in(void **state)
{
    (void)state;
    static const uint64_t inputs[] = { 1, 2, 3, 32, 64, 2880, 4096, 1 << 20, (1 << 24) - 1 };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        double x = synth_fan_in(inputs[i]);
        assert_near("n/sqrt(n)^2", (double)inputs[i] * x * x, 1, 0x1p-19);
    }
}

static void test_bf16(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double inputs;
    } rows[] = {
        { "model.embed_tokens.weight", 96 },       { "lm_head.weight", 96 },
        { LAYER "self_attn.q_proj.weight", 96 },   { LAYER "self_attn.k_proj.weight", 96 },
        { LAYER "self_attn.o_proj.weight", 4096 },
    };
    struct model m;
    open_model(&m, small(), 3);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_fan_in(rows[i].name, moments_of_tensor(&m, rows[i].name), rows[i].inputs, 0.02);
    const char *name = LAYER "mlp.experts.gate_up_proj_bias";
    assert_moments(name, moments_of_tensor(&m, name), 0, 1.0 / 64, 0.04);
    name = "model.norm.weight"; /* 96 values */
    assert_moments(name, moments_of_tensor(&m, name), 1, 1.0 / 16, 0.3);
    name = LAYER "self_attn.sinks"; /* 64 */
    assert_moments(name, moments_of_tensor(&m, name), 0, 1, 0.3);
    name = LAYER "mlp.router.weight";
    assert_fan_in(name, moments_of_tensor(&m, name), 96, 0.05);
    model_close(&m);
}

/* Blocks and scales read apart belong together, spread like the gaussians they came from, and
 * encoding their values gives the very same bytes. */
static void check_mxfp4(const struct model *m, const char *blocks_name, const char *scales_name,
                        double inputs)
{
    const struct tensor *b = tensor_of(m, blocks_name), *s = tensor_of(m, scales_name);
    uint8_t *blocks = read_whole(m, b), *scales = read_whole(m, s);
    uint64_t n = 32 * s->bytes;
    struct err e = { 0 };
    float *x = mem_resize(NULL, n * sizeof *x, &e);
    assert_non_null(x);
    assert_int_equal(b->bytes, 16 * s->bytes);
    recode_find(DTYPE_MXFP4_BLOCKS, DTYPE_MXFP4_SCALES, DTYPE_F32)->run(x, blocks, scales, n);
    for (uint64_t i = 0; i < s->bytes; i++) {
        uint8_t scale, nibbles[16];
        mxfp4_encode(&scale, nibbles, x + 32 * i);
        assert_int_equal(scale, scales[i]);
        assert_memory_equal(nibbles, blocks + 16 * i, 16);
    }
    assert_fan_in(blocks_name, moments_of(x, n), inputs, 0.03);
    mem_free(x);
    mem_free(scales);
    mem_free(blocks);
}

static void test_mxfp4(void **state)
{
    (void)state;
    struct model m;
    open_model(&m, small(), 3);
    check_mxfp4(&m, LAYER "mlp.experts.gate_up_proj_blocks",
                LAYER "mlp.experts.gate_up_proj_scales", 96);
    check_mxfp4(&m, LAYER "mlp.experts.down_proj_blocks", LAYER "mlp.experts.down_proj_scales",
                160);
    model_close(&m);
}

/* ---- the seed ---------------------------------------------------------------------------------
 */

static uint64_t digest_of(const struct model *m, const char *name)
{
    const struct tensor *t = tensor_of(m, name);
    uint8_t *all = read_whole(m, t);
    uint64_t digest = xxh3_of((struct span){ all, t->bytes });
    mem_free(all);
    return digest;
}

/* The same bytes for ever and on every machine: a synthetic checkpoint is known by its digest. */
static void test_same_for_ever(void **state)
{
    (void)state;
    struct model m;
    open_model(&m, small(), 1);
    assert_int_equal(digest_of(&m, LAYER "self_attn.q_proj.weight"), 0x2c1ca48bf7e4e18);
    assert_int_equal(digest_of(&m, LAYER "input_layernorm.weight"), 0x2cb8fc7ba5720ec8);
    assert_int_equal(digest_of(&m, LAYER "mlp.experts.gate_up_proj_blocks"), 0xfdcc900ac157f3bd);
    assert_int_equal(digest_of(&m, LAYER "mlp.experts.gate_up_proj_scales"), 0xc3d2fe612798483c);
    model_close(&m);
}

/* Of two tensors of n bytes, how many bytes are the same. */
static double same_part(const struct model *x, const char *x_name, const struct model *y,
                        const char *y_name)
{
    const struct tensor *t = tensor_of(x, x_name), *u = tensor_of(y, y_name);
    uint8_t *a = read_whole(x, t), *b = read_whole(y, u);
    uint64_t n = t->bytes < u->bytes ? t->bytes : u->bytes, same = 0;
    for (uint64_t i = 0; i < n; i++)
        same += a[i] == b[i];
    mem_free(a);
    mem_free(b);
    return (double)same / (double)n;
}

static void test_seeds_and_names_differ(void **state)
{
    (void)state;
    struct model one, two, again;
    open_model(&one, small(), 1);
    open_model(&two, small(), 2);
    open_model(&again, small(), 1);
    static const char *const names[] = { LAYER "self_attn.q_proj.weight",
                                         LAYER "mlp.experts.down_proj_blocks" };
    for (size_t i = 0; i < 2; i++) {
        assert_true(same_part(&one, names[i], &again, names[i]) == 1);
        assert_true(same_part(&one, names[i], &two, names[i]) < 0.1);
    }
    assert_true(same_part(&one, LAYER "self_attn.k_proj.weight", &one,
                          LAYER "self_attn.v_proj.weight") < 0.1);
    assert_true(same_part(&one, "model.embed_tokens.weight", &one, "lm_head.weight") < 0.1);
    model_close(&one);
    model_close(&two);
    model_close(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_released_shapes),
        cmocka_unit_test(test_released_files),
        cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_any_range),
        cmocka_unit_test(test_gaussians),
        cmocka_unit_test(test_fan_in),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_mxfp4),
        cmocka_unit_test(test_same_for_ever),
        cmocka_unit_test(test_seeds_and_names_differ),
    };
    return cmocka_run_group_tests_name("synth", tests, NULL, NULL);
}
