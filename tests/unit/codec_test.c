/* codec_test.c - single elements and blocks against independent arithmetic and golden data. */
#include "quant/codec.h"

#include "tests/support/npy.h"
#include "tests/support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static uint64_t seed = 20250805;
static uint32_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}
static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

/* ---- F16 and BF16 ------------------------------------------------------------ */

/* The value of sign-less bits with this many mantissa bits and this bias, finite codes only;
 * the code of infinity counts as the power of two that would come next. */
static double value_of(unsigned h, int mantissa, int bias)
{
    int field = (int)(h >> mantissa);
    unsigned frac = h & ((1u << mantissa) - 1);
    return field ? ldexp(frac + (1u << mantissa), field - bias - mantissa)
                 : ldexp(frac, 1 - bias - mantissa);
}

struct narrow_type {
    int mantissa, bias;
    unsigned infinity;
    uint16_t (*narrow)(float);
    float (*widen)(uint16_t);
};
static const struct narrow_type f16 = { 10, 15, 0x7C00, f32_to_f16, f16_to_f32 };
static const struct narrow_type bf16 = { 7, 127, 0x7F80, f32_to_bf16, bf16_to_f32 };

static void every_value_widens_and_returns(const struct narrow_type *t)
{
    for (unsigned h = 0; h < 0x10000; h++) {
        unsigned mag = h & 0x7FFF;
        float f = t->widen((uint16_t)h);
        assert_int_equal(bits_of(f) >> 31, h >> 15);
        if (mag < t->infinity)
            assert_true(fabs((double)f) == value_of(mag, t->mantissa, t->bias));
        else if (mag == t->infinity)
            assert_true(isinf(f));
        else
            assert_true(isnan(f));
        assert_int_equal(t->narrow(f), h); /* NaN payloads too */
    }
}
static void every_f16(void **state)
{
    (void)state;
    every_value_widens_and_returns(&f16);
}
static void every_bf16(void **state)
{
    (void)state;
    every_value_widens_and_returns(&bf16);
}

/* The code whose value is nearest to x >= 0, by bisection; of two the even one. */
static unsigned nearest(const struct narrow_type *t, double x)
{
    unsigned low = 0, high = t->infinity; /* value(low) <= x < value(high) */
    if (x >= value_of(high, t->mantissa, t->bias))
        return high;
    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        if (value_of(middle, t->mantissa, t->bias) <= x)
            low = middle;
        else
            high = middle;
    }
    double below = x - value_of(low, t->mantissa, t->bias);
    double above = value_of(high, t->mantissa, t->bias) - x;
    return below < above || (below == above && low % 2 == 0) ? low : high;
}

static void narrows_right(const struct narrow_type *t, uint32_t bits)
{
    float f = float_of(bits);
    unsigned got = t->narrow(f), mag = got & 0x7FFF;
    bool right = isnan(f) ? mag > t->infinity : mag == nearest(t, fabs((double)f));
    if (!right || got >> 15 != bits >> 31)
        fail_msg("%08x (%a) became %04x", bits, (double)f, got);
}

/* Every sign, exponent and kept mantissa, with dropped bits at and around the tie. */
static void narrows_right_everywhere(const struct narrow_type *t)
{
    unsigned drop = 23 - (unsigned)t->mantissa;
    uint32_t half = 1u << (drop - 1);
    const uint32_t low[] = { 0, 1, half - 1, half, half + 1, 2 * half - 1 };
    for (uint32_t top = 0; top < 1u << (32 - drop); top++)
        for (size_t i = 0; i < sizeof low / sizeof *low; i++)
            narrows_right(t, top << drop | low[i]);
    for (int i = 0; i < 300000; i++)
        narrows_right(t, rnd() ^ rnd() << 16);
}
static void f32_to_f16_is_nearest(void **state)
{
    (void)state;
    narrows_right_everywhere(&f16);
    /* Below the smallest normal the tie moves up, bit by bit. */
    for (uint32_t field = 100; field < 114; field++)
        for (uint32_t frac = 0; frac < 1u << 23; frac += 1u << 11)
            for (uint32_t near = 0; near < 3; near++)
                narrows_right(&f16, (field << 23 | frac) + near - 1);
}
static void f32_to_bf16_is_nearest(void **state)
{
    (void)state;
    narrows_right_everywhere(&bf16);
}

static void named_cases(void **state)
{
    (void)state;
    assert_int_equal(f32_to_f16(65504.0f), 0x7BFF);
    assert_int_equal(f32_to_f16(65519.996f), 0x7BFF);
    assert_int_equal(f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(f32_to_f16(-0x1p-25f), 0x8000); /* half the smallest: tie to zero, sign kept */
    assert_int_equal(f32_to_f16(0x1.000002p-25f), 0x0001);
    assert_int_equal(f32_to_f16(float_of(0x7F800001)), 0x7E00); /* no payload left: still NaN */
    assert_int_equal(f32_to_bf16(FLT_MAX), 0x7F80);
    assert_int_equal(f32_to_bf16(-0x1p-149f), 0x8000);
    assert_int_equal(f32_to_bf16(float_of(0xFF800001)), 0xFFC0);
}

/* ---- narrowest ------------------------------------------------------------------ */

static enum dtype narrowest_f32(struct narrow *seen, const float *x, size_t n)
{
    return narrowest(seen, DTYPE_F32, x, n);
}

static void narrowest_holds_every_bit(void **state)
{
    (void)state;
    const struct {
        uint32_t bits;
        enum dtype type;
    } cases[] = {
        { 0x00000000, DTYPE_BF16 }, { 0x80000000, DTYPE_BF16 },
        { 0x3F800000, DTYPE_BF16 }, { 0x00010000, DTYPE_BF16 }, /* a subnormal */
        { 0x7F800000, DTYPE_BF16 }, { 0x7F810000, DTYPE_BF16 }, /* infinity, a signalling NaN */
        { 0x3F802000, DTYPE_F16 },  { 0x3F801000, DTYPE_F32 },
        { 0x33800000, DTYPE_BF16 }, { 0x387FC000, DTYPE_F16 }, /* the largest f16 subnormal */
        { 0x7FC02000, DTYPE_F16 },  { 0x7FC00001, DTYPE_F32 }, /* NaN payloads are bits too */
        { 0x7F7FFFFF, DTYPE_F32 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float f = float_of(cases[i].bits);
        assert_int_equal(narrowest_f32(&(struct narrow){ 0 }, &f, 1), cases[i].type);
    }
}

static void narrowest_remembers_tiles(void **state)
{
    (void)state;
    const float big = 0x1p30f, fine = 1 + 0x1p-10f, one = 1;
    struct narrow seen = { 0 };
    assert_int_equal(narrowest_f32(&seen, &big, 0), DTYPE_BF16);
    assert_int_equal(narrowest_f32(&seen, &big, 1), DTYPE_BF16); /* and no longer F16 */
    assert_int_equal(narrowest_f32(&seen, &one, 1), DTYPE_BF16);
    assert_int_equal(narrowest_f32(&seen, &fine, 1), DTYPE_F32);
    assert_int_equal(narrowest_f32(&seen, &one, 1), DTYPE_F32);
    seen = (struct narrow){ 0 };
    assert_int_equal(narrowest_f32(&seen, &fine, 1), DTYPE_F16);
    assert_int_equal(narrowest_f32(&seen, &big, 1), DTYPE_F32);
}

static void narrowest_of_short_types(void **state)
{
    (void)state;
    const uint16_t fine = 0x3C01, one_f16 = 0x3C00, big_bf16 = 0x7149, one_bf16 = 0x3F80;
    struct narrow seen = { 0 };
    assert_int_equal(narrowest(&seen, DTYPE_F16, &one_f16, 1), DTYPE_BF16);
    assert_int_equal(narrowest(&seen, DTYPE_F16, &fine, 1), DTYPE_F16);
    seen = (struct narrow){ 0 };
    assert_int_equal(narrowest(&seen, DTYPE_BF16, &one_bf16, 1), DTYPE_BF16);
    assert_false(seen.not_f16);
    assert_int_equal(narrowest(&seen, DTYPE_BF16, &big_bf16, 1), DTYPE_BF16);
    assert_true(seen.not_f16);
}

/* ---- decode_f32 ------------------------------------------------------------------ */

/* E2M1 by its definition: one exponent bias, subnormal at field 0. */
static double e2m1(unsigned code)
{
    unsigned field = code >> 1 & 3, frac = code & 1;
    double v = field ? ldexp(1 + frac / 2.0, (int)field - 1) : frac / 2.0;
    return code & 8 ? -v : v;
}

static void decodes_every_scale_and_code(void **state)
{
    (void)state;
    for (unsigned scale = 0; scale < 256; scale++) {
        uint8_t split[17] = { (uint8_t)scale }, linear[17] = { (uint8_t)scale };
        for (unsigned i = 0; i < 16; i++) {
            split[1 + i] = (uint8_t)(i | (15 - i) << 4); /* element j: j, then 15 - j */
            linear[1 + i] = (uint8_t)(2 * i % 16 | (2 * i + 1) % 16 << 4); /* element j: j % 16 */
        }
        float a[32], b[32];
        assert_true(decode_f32(DTYPE_MXFP4, a, split, 32));
        assert_true(decode_f32(DTYPE_MXFP4_LINEAR, b, linear, 32));
        for (unsigned i = 0; i < 32; i++) {
            double wa = ldexp(e2m1(i < 16 ? i : 31 - i), (int)scale - 127);
            double wb = ldexp(e2m1(i % 16), (int)scale - 127);
            if (scale == 255) {
                assert_true(isnan(a[i]) && isnan(b[i]));
                continue;
            }
            if (fabs(wa) > (double)FLT_MAX)
                wa = copysign((double)INFINITY, wa);
            if (fabs(wb) > (double)FLT_MAX)
                wb = copysign((double)INFINITY, wb);
            assert_true((double)a[i] == wa && !signbit(a[i]) == !signbit(wa));
            assert_true((double)b[i] == wb && !signbit(b[i]) == !signbit(wb));
        }
    }
}

static void decodes_q8_0(void **state)
{
    (void)state;
    for (unsigned d = 0; d < 0x10000; d += 37) {
        uint8_t blocks[3 * 34];
        float out[3 * 32];
        for (unsigned i = 0; i < sizeof blocks; i++)
            blocks[i] = (uint8_t)rnd();
        for (unsigned b = 0; b < 3; b++) {
            blocks[34 * b] = (uint8_t)(d + b);
            blocks[34 * b + 1] = (uint8_t)((d + b) >> 8);
            blocks[34 * b + 2] = (uint8_t)(127 + b); /* 127, -128, -127 */
        }
        assert_true(decode_f32(DTYPE_Q8_0, out, blocks, 3 * 32));
        for (unsigned i = 0; i < 3 * 32; i++) {
            double scale = (double)f16_to_f32((uint16_t)(d + i / 32));
            if (isfinite(scale))
                assert_true((double)out[i] == scale * (int8_t)blocks[34 * (i / 32) + 2 + i % 32]);
        }
    }
}

static void decodes_floats(void **state)
{
    (void)state;
    const uint16_t half[3] = { 0x3C00, 0x8000, 0xFC00 }, brain[3] = { 0x3F80, 0x8000, 0xFF80 };
    const float whole[3] = { 1, -0.0f, -INFINITY };
    float out[3];
    assert_true(decode_f32(DTYPE_F16, out, half, 3));
    assert_memory_equal(out, whole, sizeof whole);
    assert_true(decode_f32(DTYPE_BF16, out, brain, 3));
    assert_memory_equal(out, whole, sizeof whole);
    assert_true(decode_f32(DTYPE_F32, out, whole, 3));
    assert_memory_equal(out, whole, sizeof whole);
}

static void decodes_nothing_else(void **state)
{
    (void)state;
    const uint8_t in[512] = { 0 };
    float out[256];
    for (enum dtype t = DTYPE_NONE; t <= DTYPE_COUNT; t++) {
        bool known = t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16 || t == DTYPE_Q8_0 ||
                     t == DTYPE_MXFP4 || t == DTYPE_MXFP4_LINEAR;
        assert_int_equal(decode_f32(t, out, in, t == DTYPE_F32 ? 64 : 256), known);
    }
    assert_false(decode_f32(DTYPE_MXFP4, out, in, 33));
    assert_false(decode_f32(DTYPE_Q8_0, out, in, 16));
}

/* ---- mxfp4_encode ------------------------------------------------------------------ */

/* The nearest code by trying all, ties to the even code. */
static unsigned try_all_codes(double x, unsigned scale)
{
    unsigned best = 0;
    for (unsigned code = 1; code < 8; code++) {
        double was = fabs(fabs(x) - ldexp(e2m1(best), (int)scale - 127));
        double now = fabs(fabs(x) - ldexp(e2m1(code), (int)scale - 127));
        if (now < was || (now == was && code % 2 == 0))
            best = code;
    }
    return best | (signbit(x) ? 8 : 0);
}

static void check_encoding(const float x[32])
{
    uint8_t scale, nibbles[16];
    mxfp4_encode(&scale, nibbles, x);
    int exponent = -1000;
    for (int i = 0; i < 32; i++) {
        int e;
        if (x[i] != 0 && (frexp((double)x[i], &e), e > exponent))
            exponent = e;
    }
    int want = exponent - 1 - 2 + 127; /* frexp's mantissa lies in [1/2, 1) */
    assert_int_equal(scale, want < 0 ? 0 : want);
    for (int i = 0; i < 32; i++) {
        unsigned code = nibbles[i / 2] >> (i % 2 * 4) & 15;
        if (code != try_all_codes((double)x[i], scale))
            fail_msg("%a at scale %u became %u", (double)x[i], scale, code);
    }
}

static void encodes_to_nearest(void **state)
{
    (void)state;
    float x[32] = { 0 };
    check_encoding(x);
    for (int round = 0; round < 20000; round++) {
        int spread = (int)(rnd() % 9), middle = (int)(rnd() % 280) - 150;
        for (int i = 0; i < 32; i++) {
            float unit = ldexpf(1, middle + (spread ? (int)(rnd() % (unsigned)spread) : 0));
            float eighths = (float)((int)(rnd() % 129) - 64) / 8; /* ties are common */
            x[i] = unit * (round % 2 ? eighths : (float)(int32_t)(rnd() ^ rnd() << 16) * 0x1p-31f);
            if (!isfinite(x[i]))
                x[i] = FLT_MAX;
        }
        if (round % 7 == 0)
            x[round % 32] = -0.0f;
        check_encoding(x);
    }
}

/* ---- golden data ------------------------------------------------------------------ */

static const char *golden(const char *name)
{
    char relative[128];
    snprintf(relative, sizeof relative, "golden/gpt-oss/mxfp4/%s.npy", name);
    return shared_path(relative);
}

static void encodes_as_golden(void **state)
{
    (void)state;
    const char *input = golden("input_f32"), *scales = golden("scales_ocp"),
               *codes = golden("codes_ocp");
    if (!input || !scales || !codes)
        skip();
    struct npy x, s, c;
    assert_true(npy_load_as(&x, input, 'f', 4, 2));
    assert_true(npy_load_as(&s, scales, 'u', 1, 1));
    assert_true(npy_load_as(&c, codes, 'u', 1, 2));
    assert_true(x.dim[1] == 32 && c.n == x.n && s.n == x.dim[0] && s.n > 100);
    for (size_t block = 0; block < s.n; block++) {
        uint8_t scale, nibbles[16];
        mxfp4_encode(&scale, nibbles, (const float *)x.data + 32 * block);
        assert_int_equal(scale, ((const uint8_t *)s.data)[block]);
        for (size_t i = 0; i < 32; i++)
            assert_int_equal(nibbles[i / 2] >> (i % 2 * 4) & 15,
                             ((const uint8_t *)c.data)[32 * block + i]);
    }
    npy_free(&x);
    npy_free(&s);
    npy_free(&c);
}

/* ggml reads code 8 as +0 where we give -0: values are compared, not bits. */
static void decodes_as_golden(void **state)
{
    (void)state;
    const char *blocks = golden("ggml_blocks"), *values = golden("ggml_dequant");
    if (!blocks || !values)
        skip();
    struct npy b, v;
    assert_true(npy_load_as(&b, blocks, 'u', 1, 2));
    assert_true(npy_load_as(&v, values, 'f', 4, 2));
    assert_true(b.dim[1] == 17 && v.dim[1] == 32 && b.dim[0] == v.dim[0] && b.dim[0] > 100);
    for (size_t block = 0; block < b.dim[0]; block++) {
        float out[32];
        assert_true(decode_f32(DTYPE_MXFP4, out, (const uint8_t *)b.data + 17 * block, 32));
        for (size_t i = 0; i < 32; i++)
            assert_true(out[i] == ((const float *)v.data)[32 * block + i]);
    }
    npy_free(&b);
    npy_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16),
        cmocka_unit_test(every_bf16),
        cmocka_unit_test(f32_to_f16_is_nearest),
        cmocka_unit_test(f32_to_bf16_is_nearest),
        cmocka_unit_test(named_cases),
        cmocka_unit_test(narrowest_holds_every_bit),
        cmocka_unit_test(narrowest_remembers_tiles),
        cmocka_unit_test(narrowest_of_short_types),
        cmocka_unit_test(decodes_every_scale_and_code),
        cmocka_unit_test(decodes_q8_0),
        cmocka_unit_test(decodes_floats),
        cmocka_unit_test(decodes_nothing_else),
        cmocka_unit_test(encodes_to_nearest),
        cmocka_unit_test(encodes_as_golden),
        cmocka_unit_test(decodes_as_golden),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
