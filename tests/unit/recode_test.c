/* recode_test.c - the recode table: what it knows, what it loses, what it touches. */
#include "quant/codec.h"

#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed = 20250806;
static uint32_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}
static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)rnd();
}
static size_t bytes_of(enum dtype t, size_t n)
{
    uint64_t bytes = 0;
    assert_true(t == DTYPE_NONE || dtype_bytes(t, n, &bytes));
    return (size_t)bytes;
}

typedef void each_fn(const struct recode *r);
static unsigned each_recode(each_fn *f)
{
    unsigned n = 0;
    for (enum dtype from = 0; from < DTYPE_COUNT; from++)
        for (enum dtype with = 0; with < DTYPE_COUNT; with++)
            for (enum dtype to = 0; to < DTYPE_COUNT; to++) {
                const struct recode *r = recode_find(from, with, to);
                if (!r)
                    continue;
                assert_true(r->from == from && r->with == with && r->to == to);
                f(r);
                n++;
            }
    return n;
}

/* ---- what is known --------------------------------------------------------------- */

static void expect(enum dtype from, enum dtype with, enum dtype to, const char *name, bool exact)
{
    const struct recode *r = recode_find(from, with, to);
    assert_non_null(r);
    assert_string_equal(r->name, name);
    assert_int_equal(r->exact, exact);
}

static void count_only(const struct recode *r) { assert_non_null(r->run); }

static void knows_what_it_promises(void **state)
{
    (void)state;
    const enum dtype whole[] = { DTYPE_MXFP4, DTYPE_MXFP4_LINEAR };
    const enum dtype floats[] = { DTYPE_F32, DTYPE_BF16, DTYPE_F16 };
    const enum dtype blocks = DTYPE_MXFP4_BLOCKS, scales = DTYPE_MXFP4_SCALES;
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        expect(t, DTYPE_NONE, t, "copy", true);
    expect(DTYPE_F16, DTYPE_NONE, DTYPE_F32, "widen", true);
    expect(DTYPE_BF16, DTYPE_NONE, DTYPE_F32, "widen", true);
    expect(DTYPE_F32, DTYPE_NONE, DTYPE_F16, "round", false);
    expect(DTYPE_F32, DTYPE_NONE, DTYPE_BF16, "round", false);
    expect(DTYPE_F16, DTYPE_NONE, DTYPE_BF16, "round", false);
    expect(DTYPE_BF16, DTYPE_NONE, DTYPE_F16, "round", false);
    expect(DTYPE_Q8_0, DTYPE_NONE, DTYPE_F32, "decode", true);
    for (int i = 0; i < 2; i++) {
        expect(whole[i], DTYPE_NONE, whole[1 - i], "repack", true);
        expect(blocks, scales, whole[i], "repack", true);
        expect(whole[i], DTYPE_NONE, blocks, "split", true);
        expect(whole[i], DTYPE_NONE, scales, "split", true);
    }
    for (int i = 0; i < 3; i++) {
        expect(DTYPE_MXFP4, DTYPE_NONE, floats[i], "decode", false);
        expect(DTYPE_MXFP4_LINEAR, DTYPE_NONE, floats[i], "decode", false);
        expect(blocks, scales, floats[i], "decode", false);
    }
    assert_int_equal(each_recode(count_only), DTYPE_COUNT - 1 + 7 + 8 + 9);
    assert_null(recode_find(DTYPE_NONE, DTYPE_NONE, DTYPE_NONE));
    assert_null(recode_find(DTYPE_COUNT, DTYPE_NONE, DTYPE_COUNT));
    assert_null(recode_find(blocks, DTYPE_NONE, DTYPE_F32));
}

/* ---- floats ---------------------------------------------------------------------- */

enum { ALL16 = 0x10000 };
static uint16_t in16[ALL16], out16[ALL16];
static float in32[ALL16], out32[ALL16];

static bool same(float a, float b) { return memcmp(&a, &b, 4) == 0 || (isnan(a) && isnan(b)); }

static void every_short_float(enum dtype from, enum dtype to, float (*widen)(uint16_t),
                              uint16_t (*narrow)(float), float (*widen_to)(uint16_t),
                              uint64_t fewest, uint64_t most)
{
    uint64_t lost = 0;
    for (unsigned i = 0; i < ALL16; i++) /* every value once, and every bit in every place */
        in16[i] = (uint16_t)(i >> 5 | i << 11);
    uint64_t said = recode_find(from, DTYPE_NONE, to)->run(out16, in16, NULL, ALL16);
    for (unsigned i = 0; i < ALL16; i++) {
        float f = widen(in16[i]);
        assert_int_equal(out16[i], narrow(f));
        lost += !same(f, widen_to(out16[i]));
    }
    assert_int_equal(said, lost);
    assert_true(fewest <= lost && lost <= most);
    assert_int_equal(recode_find(from, DTYPE_NONE, DTYPE_F32)->run(out32, in16, NULL, ALL16), 0);
    for (unsigned i = 0; i < ALL16; i++) {
        float f = widen(in16[i]);
        assert_memory_equal(&out32[i], &f, 4);
    }
}

static void short_floats(void **state)
{
    (void)state;
    /* F16 to BF16 keeps 7 of 10 mantissa bits: of 1024 in a normal binade 128 survive, of the
     * 1023 subnormals those with up to 8 significant bits; zero, infinity and NaN all do. */
    uint64_t subnormal = 0;
    for (unsigned m = 1; m < 1024; m++)
        subnormal += m >> __builtin_ctz(m) >= 256;
    uint64_t f16_lost = 2 * (30 * (1024 - 128) + subnormal);
    every_short_float(DTYPE_F16, DTYPE_BF16, f16_to_f32, f32_to_bf16, bf16_to_f32, f16_lost,
                      f16_lost);
    /* BF16 to F16: all of binades -14..15 survive; of -24..-15 the 1, 2, 4 ... 64, 128, 128, 128
     * values that f16 subnormals can spell; the other finite values do not. */
    uint64_t finite = 2 * 255 * 128 - 2, kept = 2 * 30 * 128 + 2 * (127 + 3 * 128);
    every_short_float(DTYPE_BF16, DTYPE_F16, bf16_to_f32, f32_to_f16, f16_to_f32, finite - kept,
                      finite - kept);
}

static void long_floats(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        uint64_t lost16 = 0, lost_brain = 0;
        for (unsigned i = 0; i < ALL16; i++) {
            uint32_t bits = (rnd() ^ rnd() << 16) & (round & 1 ? 0xFFFFE000 : 0xFFFF0000 | rnd());
            if (round & 2)
                bits = (bits & 0x87FFFFFF) + 0x34000000; /* near 1: f16 holds it or nearly */
            memcpy(&in32[i], &bits, 4);
        }
        uint64_t said = recode_find(DTYPE_F32, 0, DTYPE_F16)->run(out16, in32, NULL, ALL16);
        for (unsigned i = 0; i < ALL16; i++) {
            assert_int_equal(out16[i], f32_to_f16(in32[i]));
            lost16 += !same(in32[i], f16_to_f32(out16[i]));
        }
        assert_int_equal(said, lost16);
        said = recode_find(DTYPE_F32, 0, DTYPE_BF16)->run(out16, in32, NULL, ALL16);
        for (unsigned i = 0; i < ALL16; i++) {
            assert_int_equal(out16[i], f32_to_bf16(in32[i]));
            lost_brain += !same(in32[i], bf16_to_f32(out16[i]));
        }
        assert_int_equal(said, lost_brain);
        assert_true(lost16 > 0 && lost_brain > 0 && lost16 < ALL16 && lost_brain < ALL16);
    }
}

/* ---- MXFP4 ------------------------------------------------------------------------ */

enum { BLOCKS = 512, N = 32 * BLOCKS };

/* One tensor in all four spellings, written code by code. */
struct spellings {
    uint8_t code[N], scale[BLOCKS];
    uint8_t split[17 * BLOCKS], linear[17 * BLOCKS], blocks[16 * BLOCKS];
};

static void put_code(uint8_t *byte, bool high, uint8_t code)
{
    *byte = (uint8_t)(high ? (*byte & 0x0F) | code << 4 : (*byte & 0xF0) | code);
}

static struct spellings *spell_random(void)
{
    struct spellings *s = calloc(1, sizeof *s);
    assert_non_null(s);
    fill(s->code, N);
    for (size_t b = 0; b < BLOCKS; b++) {
        s->scale[b] = s->split[17 * b] = s->linear[17 * b] = (uint8_t)(b * 7);
        for (size_t i = 0; i < 32; i++) {
            uint8_t code = s->code[32 * b + i] &= 15;
            put_code(s->split + 17 * b + 1 + i % 16, i >= 16, code);
            put_code(s->linear + 17 * b + 1 + i / 2, i % 2 == 1, code);
            put_code(s->blocks + 16 * b + i / 2, i % 2 == 1, code);
        }
    }
    return s;
}

static void check_recode(enum dtype from, enum dtype with, enum dtype to, const uint8_t *a,
                         const uint8_t *b, const uint8_t *want)
{
    static uint8_t out[17 * BLOCKS];
    assert_int_equal(recode_find(from, with, to)->run(out, a, b, N), 0);
    assert_memory_equal(out, want, bytes_of(to, N));
}

static void spellings_become_each_other(void **state)
{
    (void)state;
    struct spellings *s = spell_random();
    const enum dtype split = DTYPE_MXFP4, linear = DTYPE_MXFP4_LINEAR;
    const enum dtype blocks = DTYPE_MXFP4_BLOCKS, scales = DTYPE_MXFP4_SCALES;
    check_recode(split, DTYPE_NONE, linear, s->split, NULL, s->linear);
    check_recode(linear, DTYPE_NONE, split, s->linear, NULL, s->split);
    check_recode(blocks, scales, split, s->blocks, s->scale, s->split);
    check_recode(blocks, scales, linear, s->blocks, s->scale, s->linear);
    check_recode(split, DTYPE_NONE, blocks, s->split, NULL, s->blocks);
    check_recode(linear, DTYPE_NONE, blocks, s->linear, NULL, s->blocks);
    check_recode(split, DTYPE_NONE, scales, s->split, NULL, s->scale);
    check_recode(linear, DTYPE_NONE, scales, s->linear, NULL, s->scale);
    free(s);
}

/* The exact value, by E2M1's definition. */
static double exact_value(unsigned code, unsigned scale)
{
    unsigned field = code >> 1 & 3, frac = code & 1;
    double v = ldexp(field ? 1 + frac / 2.0 : frac / 2.0, field ? (int)field - 1 : 0);
    return ldexp(code & 8 ? -v : v, (int)scale - 127);
}

/* Whether a type holds 1 or 3 times a power of two (or zero): its reach is all that counts. */
static bool holds(enum dtype t, double v)
{
    int exponent, least = t == DTYPE_F16 ? -24 : t == DTYPE_BF16 ? -133 : -149;
    double m = fabs(frexp(v, &exponent)); /* 0, 1/2 or 3/4 */
    int lowest = exponent - (m == 0.75 ? 2 : 1);
    return v == 0 || (lowest >= least && fabs(v) <= (t == DTYPE_F16 ? 65504 : (double)FLT_MAX));
}

static float stored_value(enum dtype t, const void *out, size_t i)
{
    const uint16_t *h = out;
    return t == DTYPE_F32   ? ((const float *)out)[i]
           : t == DTYPE_F16 ? f16_to_f32(h[i])
                            : bf16_to_f32(h[i]);
}

static void check_decode(const struct spellings *s, enum dtype to, const void *out, uint64_t said)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < N; i++) {
        unsigned scale = s->scale[i / 32];
        float got = stored_value(to, out, i);
        if (scale == 255) {
            assert_true(isnan(got));
            continue;
        }
        double want = exact_value(s->code[i], scale);
        lost += !holds(to, want);
        assert_int_equal(!signbit(got), !signbit(want));
        if (holds(to, want))
            assert_true((double)got == want);
        else if (fabs(want) >= 65520)
            assert_true(isinf(got));
        else
            assert_true(fabs((double)got - want) <= 0x1p-25); /* half an f16 step */
    }
    assert_int_equal(said, lost);
    assert_true(lost > 0);
}

static void decodes_count_what_they_lose(void **state)
{
    (void)state;
    static float out[N];
    struct spellings *s = spell_random();
    const enum dtype floats[] = { DTYPE_F32, DTYPE_BF16, DTYPE_F16 };
    for (int i = 0; i < 3; i++) {
        enum dtype to = floats[i];
        check_decode(s, to, out, recode_find(DTYPE_MXFP4, 0, to)->run(out, s->split, NULL, N));
        check_decode(s, to, out,
                     recode_find(DTYPE_MXFP4_LINEAR, 0, to)->run(out, s->linear, NULL, N));
        check_decode(s, to, out,
                     recode_find(DTYPE_MXFP4_BLOCKS, DTYPE_MXFP4_SCALES, to)
                         ->run(out, s->blocks, s->scale, N));
    }
    free(s);
}

/* ---- what they touch ---------------------------------------------------------------- */

/* Inputs and output each end at an unreadable page; the bytes equal those of a run elsewhere. */
static void run_guarded(const struct recode *r, size_t n)
{
    size_t na = bytes_of(r->from, n), nb = bytes_of(r->with, n), no = bytes_of(r->to, n);
    uint8_t *a = guard_new(na), *b = guard_new(nb), *out = guard_new(no);
    fill(a, na);
    fill(b, nb);
    uint64_t lost = r->run(out, a, b, n);
    if (r->exact)
        assert_int_equal(lost, 0);
    for (size_t shift = 0; shift < 8; shift++) { /* every alignment; nothing around is written */
        uint8_t *room = malloc(na + nb + no + 80), *to = room + na + nb + 48 + shift;
        assert_non_null(room);
        memset(room, 0xA5, na + nb + no + 80);
        memcpy(room + shift, a, na);
        memcpy(room + na + 8 + shift * 3, b, nb);
        assert_int_equal(r->run(to, room + shift, room + na + 8 + shift * 3, n), lost);
        assert_memory_equal(to, out, no);
        for (size_t i = 0; i < 16; i++)
            assert_true(to[-1 - (int)i] == 0xA5 && to[no + i] == 0xA5);
        free(room);
    }
    guard_free(a, na);
    guard_free(b, nb);
    guard_free(out, no);
}

static void run_all_lengths(const struct recode *r)
{
    size_t from = dtype_info[r->from].block_elems, to = dtype_info[r->to].block_elems;
    for (size_t blocks = 0; blocks <= 10; blocks++)
        run_guarded(r, blocks * (from > to ? from : to));
}

static void stays_inside_its_buffers(void **state)
{
    (void)state;
    assert_true(each_recode(run_all_lengths) > DTYPE_COUNT);
}

static void copies_every_byte(const struct recode *r)
{
    if (r->from != r->to)
        return;
    size_t n = 6 * dtype_info[r->from].block_elems, bytes = bytes_of(r->from, n);
    uint8_t in[6 * 300], out[6 * 300];
    fill(in, sizeof in);
    assert_int_equal(r->run(out, in, NULL, n), 0);
    assert_memory_equal(out, in, bytes);
}

static void copies_copy(void **state)
{
    (void)state;
    each_recode(copies_every_byte);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_it_promises),
        cmocka_unit_test(short_floats),
        cmocka_unit_test(long_floats),
        cmocka_unit_test(spellings_become_each_other),
        cmocka_unit_test(decodes_count_what_they_lose),
        cmocka_unit_test(stays_inside_its_buffers),
        cmocka_unit_test(copies_copy),
    };
    return cmocka_run_group_tests_name("recode", tests, NULL, NULL);
}
