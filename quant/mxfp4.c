/* mxfp4.c - OCP MX v1.0 MXFP4: 32 four-bit E2M1 codes under one E8M0 scale byte.
 *
 * A block's codes are 32 nibbles, numbered here from the low end of 16 little-endian
 * bytes.  The two orders in use, with e = element and n = nibble:
 *
 *     linear (safetensors, early Ollama)    n:  0  1  2  3  4 ...     e:  0   1  2   3  4 ...
 *     split  (ggml)                         n:  0  1  2  3  4 ...     e:  0  16  1  17  2 ...
 *
 * Split is linear with its two halves riffled together like a deck of cards.
 */
#include "quant/bytes.h"
#include "quant/recode.h"

enum { ELEMS = 32, NIBBLE_BYTES = 16, WHOLE_BYTES = 17, SCALE_NAN = 255 };

/* ---- spellings ------------------------------------------------------------- */

/* Where block after block lies: its nibbles and its scale byte. */
struct source {
    const uint8_t *nibbles, *scales;
    size_t nibble_step, scale_step;
    bool split;
};
struct target {
    uint8_t *nibbles, *scales; /* scales == NULL: not wanted */
    size_t nibble_step;
    bool split;
};

static struct source whole_source(const uint8_t *a, bool split)
{
    return (struct source){ a + 1, a, WHOLE_BYTES, WHOLE_BYTES, split };
}
static struct source pair_source(const uint8_t *blocks, const uint8_t *scales)
{
    return (struct source){ blocks, scales, NIBBLE_BYTES, 1, false };
}
static struct target whole_target(uint8_t *out, bool split)
{
    return (struct target){ out + 1, out, WHOLE_BYTES, split };
}
static struct target blocks_target(uint8_t *out)
{
    return (struct target){ out, NULL, NIBBLE_BYTES, false };
}

/* The 32 nibbles of a block; nibble i of both words together. */
struct codes {
    uint64_t low, high;
};

/* Exchanges the bits of v under mask with those `by` above them. */
static inline uint64_t swap_bits(uint64_t v, uint64_t mask, int by)
{
    uint64_t t = (v ^ v >> by) & mask;
    return v ^ t ^ t << by;
}

/* ABCDEFGH abcdefgh (eight nibbles each) to AaBbCcDdEeFfGgHh, by swapping the inner
 * two of every four runs of 4, then 2, then 1 nibbles.  Each swap undoes itself. */
static inline uint64_t riffle(uint64_t v)
{
    v = swap_bits(v, 0x00000000FFFF0000, 16);
    v = swap_bits(v, 0x0000FF000000FF00, 8);
    return swap_bits(v, 0x00F000F000F000F0, 4);
}
static inline uint64_t unriffle(uint64_t v)
{
    v = swap_bits(v, 0x00F000F000F000F0, 4);
    v = swap_bits(v, 0x0000FF000000FF00, 8);
    return swap_bits(v, 0x00000000FFFF0000, 16);
}

static inline struct codes split_of_linear(struct codes c)
{
    return (struct codes){ riffle((c.low & 0xFFFFFFFF) | c.high << 32),
                           riffle(c.low >> 32 | (c.high & 0xFFFFFFFF00000000)) };
}
static inline struct codes linear_of_split(struct codes c)
{
    uint64_t first = unriffle(c.low), second = unriffle(c.high);
    return (struct codes){ (first & 0xFFFFFFFF) | second << 32,
                           first >> 32 | (second & 0xFFFFFFFF00000000) };
}

static inline struct codes codes_load(const uint8_t *nibbles)
{
    return (struct codes){ load64(nibbles), load64(nibbles + 8) };
}

/* Codes and scales are moved, never computed with: -0 and scale 255 stay as they are. */
static uint64_t move(struct target to, struct source from, size_t n)
{
    for (size_t i = 0; i < n / ELEMS; i++) {
        struct codes c = codes_load(from.nibbles + i * from.nibble_step);
        if (to.split != from.split)
            c = to.split ? split_of_linear(c) : linear_of_split(c);
        store64(to.nibbles + i * to.nibble_step, c.low);
        store64(to.nibbles + i * to.nibble_step + 8, c.high);
        if (to.scales)
            to.scales[i * WHOLE_BYTES] = from.scales[i * from.scale_step];
    }
    return 0;
}

uint64_t recode_mxfp4_linear(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    return move(whole_target(out, false), whole_source(a, true), n);
}
uint64_t recode_linear_mxfp4(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    return move(whole_target(out, true), whole_source(a, false), n);
}
uint64_t recode_pair_mxfp4(void *out, const void *a, const void *b, size_t n)
{
    return move(whole_target(out, true), pair_source(a, b), n);
}
uint64_t recode_pair_linear(void *out, const void *a, const void *b, size_t n)
{
    return move(whole_target(out, false), pair_source(a, b), n);
}
uint64_t recode_mxfp4_blocks(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    return move(blocks_target(out), whole_source(a, true), n);
}
uint64_t recode_linear_blocks(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    return move(blocks_target(out), whole_source(a, false), n);
}
uint64_t recode_whole_scales(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    uint8_t *to = out;
    const uint8_t *from = a;
    for (size_t i = 0; i < n / ELEMS; i++)
        to[i] = from[i * WHOLE_BYTES];
    return 0;
}

/* ---- decode ---------------------------------------------------------------- */

/* What the 16 codes stand for under one scale, as stored bits of type `to`. */
struct values {
    enum dtype to;
    unsigned scale; /* the scale they were made for; 256 = none yet */
    uint32_t bits[16];
    uint32_t lost; /* bit c: code c does not survive in `to` */
};

/* 2^(scale-128) as f32.  The exponent field of 2^(scale-127) is the scale itself, so half of
 * it is one less; scales 0 and 1 reach below 2^-126, into the subnormals. */
static float half_scale(unsigned scale)
{
    if (scale == SCALE_NAN)
        return f32_of_bits(F32_NAN);
    return f32_of_bits(scale >= 2 ? (scale - 1) << 23 : 0x200000u << scale);
}

/* The codes whose value is beyond FLT_MAX: 4 and 6 at scale 253, 2 to 6 at 254. */
static uint32_t overflows(const uint32_t bits[16])
{
    uint32_t set = 0;
    for (unsigned c = 0; c < 16; c++)
        set |= (uint32_t)((bits[c] & F32_MAGNITUDE) == F32_INFINITY) << c;
    return set;
}

/* f32 bits to f16 bits; returns the codes that f16 does not hold. */
static uint32_t values_to_f16(uint32_t bits[16])
{
    uint32_t set = 0;
    for (unsigned c = 0; c < 8; c++) {
        uint16_t h = f32_to_f16(f32_of_bits(bits[c]));
        if (!survives(bits[c], f32_bits(f16_to_f32(h))))
            set |= 0x101u << c; /* the value and its negative */
        bits[c] = h;
        bits[c + 8] = h | (bits[c + 8] >> 16 & 0x8000);
    }
    return set;
}

static void values_make(struct values *v, unsigned scale)
{
    /* Doubled, so that code 1 under scale 0, which is 2^-128, is one product too.  Two
     * significant bits by a power of two: exact unless it overflows. */
    static const float doubled[16] = { 0, 1, 2, 3, 4, 6, 8, 12, -0.f, -1, -2, -3, -4, -6, -8, -12 };
    float half = half_scale(scale);
    for (unsigned c = 0; c < 16; c++)
        v->bits[c] = f32_bits(doubled[c] * half);
    v->scale = scale;
    v->lost = scale >= 253 ? overflows(v->bits) : 0;
    if (v->to == DTYPE_F16)
        v->lost |= values_to_f16(v->bits);
    if (v->to == DTYPE_BF16)
        for (unsigned c = 0; c < 16; c++)
            v->bits[c] >>= 16; /* two significant bits: the lower half is zero */
}

static void put32(uint8_t *out, const struct values *v, uint64_t codes)
{
    for (int i = 0; i < 16; i++, codes >>= 4)
        store32(out + 4 * i, v->bits[codes & 15]);
}

static void put16(uint8_t *out, const struct values *v, uint64_t codes)
{
    for (int i = 0; i < 16; i++, codes >>= 4)
        store16(out + 2 * i, (uint16_t)v->bits[codes & 15]);
}

static uint64_t count_lost(uint32_t lost, uint64_t codes)
{
    uint64_t n = 0;
    for (int i = 0; i < 16; i++, codes >>= 4)
        n += lost >> (codes & 15) & 1;
    return n;
}

/* A NaN block (scale 255) decodes to 32 NaNs in every type: they survive. */
static uint64_t decode(uint8_t *out, enum dtype to, struct source from, size_t n)
{
    struct values v = { .to = to, .scale = 256 };
    uint64_t lost = 0;
    for (size_t i = 0; i < n / ELEMS; i++) {
        struct codes c = codes_load(from.nibbles + i * from.nibble_step);
        unsigned scale = from.scales[i * from.scale_step];
        if (scale != v.scale)
            values_make(&v, scale);
        if (from.split)
            c = linear_of_split(c);
        if (to == DTYPE_F32) {
            put32(out + i * ELEMS * 4, &v, c.low);
            put32(out + i * ELEMS * 4 + ELEMS * 2, &v, c.high);
        } else {
            put16(out + i * ELEMS * 2, &v, c.low);
            put16(out + i * ELEMS * 2 + ELEMS, &v, c.high);
        }
        if (v.lost)
            lost += count_lost(v.lost, c.low) + count_lost(v.lost, c.high);
    }
    return lost;
}

// clang-format off
#define DECODE(name, to, source)                                          \
    uint64_t recode_##name(void *out, const void *a, const void *b, size_t n) \
    {                                                                     \
        (void)b;                                                          \
        return decode(out, to, source, n);                                \
    }
// clang-format on
DECODE(mxfp4_f32, DTYPE_F32, whole_source(a, true))
DECODE(mxfp4_bf16, DTYPE_BF16, whole_source(a, true))
DECODE(mxfp4_f16, DTYPE_F16, whole_source(a, true))
DECODE(linear_f32, DTYPE_F32, whole_source(a, false))
DECODE(linear_bf16, DTYPE_BF16, whole_source(a, false))
DECODE(linear_f16, DTYPE_F16, whole_source(a, false))
DECODE(pair_f32, DTYPE_F32, pair_source(a, b))
DECODE(pair_bf16, DTYPE_BF16, pair_source(a, b))
DECODE(pair_f16, DTYPE_F16, pair_source(a, b))

/* ---- encode ---------------------------------------------------------------- */

/* max|x| = m * 2^e with m in [1,2): the scale 2^(e-2) puts it into [4,8), where 6 is the
 * largest element.  The exponent field is e + 127; subnormals (field 0) clamp to scale 0. */
static unsigned scale_of(const float x[ELEMS])
{
    uint32_t most = 0;
    for (int i = 0; i < ELEMS; i++) {
        uint32_t mag = f32_bits(x[i]) & F32_MAGNITUDE;
        most = mag > most ? mag : most;
    }
    uint32_t field = most >> 23;
    return field >= 2 ? field - 2 : 0;
}

/* Counts the midpoints below t >= 0.  A tie goes to the even code: up where the lower
 * neighbour is odd (>=), down where it is even (>).  Above 5 all is 6. */
static unsigned nearest_code(float t)
{
    return (unsigned)(t > 0.25f) + (t >= 0.75f) + (t > 1.25f) + (t >= 1.75f) + (t > 2.5f) +
           (t >= 3.5f) + (t > 5.0f);
}

void mxfp4_encode(uint8_t *scale, uint8_t nibbles[16], const float x[32])
{
    unsigned s = scale_of(x);
    /* 2^(127-s), so the product is exact; or it is subnormal, far below the first midpoint. */
    float inverse = f32_of_bits((254 - s) << 23);
    for (int i = 0; i < 16; i++) {
        unsigned code[2];
        for (int k = 0; k < 2; k++) {
            uint32_t bits = f32_bits(x[2 * i + k]);
            code[k] = bits >> 31 << 3 | nearest_code(f32_of_bits(bits & F32_MAGNITUDE) * inverse);
        }
        nibbles[i] = (uint8_t)(code[1] << 4 | code[0]);
    }
    *scale = (uint8_t)s;
}
