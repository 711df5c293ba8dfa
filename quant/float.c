/* float.c - F32, F16 and BF16 among each other, by integer arithmetic alone.
 *
 *            sign  exponent  mantissa  bias
 *     f32     1       8         23      127
 *     bf16    1       8          7      127    the upper half of an f32
 *     f16     1       5         10       15
 */
#include "quant/bytes.h"
#include "quant/recode.h"

enum {
    REBIAS = (127 - 15) << 23,      /* from an f16 exponent to an f32 one */
    F16_NORMAL = (127 - 14) << 23,  /* 2^-14, the smallest normal f16 */
    F16_NOTHING = (127 - 25) << 23, /* 2^-25, half the smallest f16; below it all is zero */
    F16_INFINITY = 0x7C00,
};

static inline uint32_t widen_bf16(uint16_t h) { return (uint32_t)h << 16; }

static inline uint32_t widen_f16(uint16_t h)
{
    uint32_t sign = (h & 0x8000u) << 16, mag = h & 0x7FFFu;
    if (mag >= F16_INFINITY)
        return sign | F32_INFINITY | (mag & 0x3FF) << 13;
    if (mag >= 0x400)
        return sign | ((mag << 13) + REBIAS);
    if (mag == 0)
        return sign;
    /* Subnormal, mag * 2^-24: move the leading one to bit 10, where the exponent is -14. */
    uint32_t up = (uint32_t)__builtin_clz(mag) - 21;
    return sign | (F16_NORMAL - (up << 23)) | (mag << (up + 13) & 0x7FFFFF);
}

/* v / 2^shift to nearest, ties to even. */
static inline uint32_t round_shift(uint32_t v, uint32_t shift)
{
    return (v + (1u << (shift - 1)) - 1 + (v >> shift & 1)) >> shift;
}

static inline uint16_t narrow_bf16(uint32_t bits)
{
    if ((bits & F32_MAGNITUDE) >
        F32_INFINITY) /* the quiet bit only where it would else be infinity */
        return (uint16_t)(bits >> 16 | (bits & 0x7F0000 ? 0 : 0x40));
    return (uint16_t)round_shift(bits, 16);
}

static inline uint16_t narrow_f16(uint32_t bits)
{
    uint32_t sign = bits >> 16 & 0x8000, mag = bits & F32_MAGNITUDE, h;
    if (mag > F32_INFINITY) {
        h = mag >> 13 & 0x3FF;
        h = F16_INFINITY | (h ? h : 0x200);
    } else if (mag >= F16_NORMAL) {
        h = round_shift(mag - REBIAS, 13); /* a carry into the exponent is right, up to infinity */
        h = h < F16_INFINITY ? h : F16_INFINITY;
    } else if (mag >= F16_NOTHING) {
        h = round_shift((mag & 0x7FFFFF) | 0x800000, 126 - (mag >> 23)); /* units of 2^-24 */
    } else {
        h = 0;
    }
    return (uint16_t)(sign | h);
}

float f16_to_f32(uint16_t h) { return f32_of_bits(widen_f16(h)); }
float bf16_to_f32(uint16_t h) { return f32_of_bits(widen_bf16(h)); }
uint16_t f32_to_f16(float f) { return narrow_f16(f32_bits(f)); }
uint16_t f32_to_bf16(float f) { return narrow_bf16(f32_bits(f)); }

uint64_t recode_bf16_f32(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    uint8_t *to = out;
    const uint8_t *from = a;
    size_t i = 0;
    for (; n - i >= 4; i += 4) { /* four at once, each to the upper half of its f32 */
        uint64_t v = load64(from + 2 * i);
        store64(to + 4 * i, (v & 0xFFFF) << 16 | (v & 0xFFFF0000) << 32);
        store64(to + 4 * i + 8, (v >> 16 & 0xFFFF0000) | (v & 0xFFFF000000000000));
    }
    for (; i < n; i++)
        store32(to + 4 * i, widen_bf16(load16(from + 2 * i)));
    return 0;
}

uint64_t recode_f16_f32(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    uint8_t *to = out;
    const uint8_t *from = a;
    for (size_t i = 0; i < n; i++)
        store32(to + 4 * i, widen_f16(load16(from + 2 * i)));
    return 0;
}

uint64_t recode_f32_bf16(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    uint8_t *to = out;
    const uint8_t *from = a;
    uint64_t lost = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = load32(from + 4 * i);
        uint16_t h = narrow_bf16(bits);
        lost += !survives(bits, widen_bf16(h));
        store16(to + 2 * i, h);
    }
    return lost;
}

uint64_t recode_f32_f16(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    uint8_t *to = out;
    const uint8_t *from = a;
    uint64_t lost = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = load32(from + 4 * i);
        uint16_t h = narrow_f16(bits);
        lost += !survives(bits, widen_f16(h));
        store16(to + 2 * i, h);
    }
    return lost;
}

uint64_t recode_f16_bf16(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    uint8_t *to = out;
    const uint8_t *from = a;
    uint64_t lost = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = widen_f16(load16(from + 2 * i));
        uint16_t h = narrow_bf16(bits);
        lost += !survives(bits, widen_bf16(h));
        store16(to + 2 * i, h);
    }
    return lost;
}

uint64_t recode_bf16_f16(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    uint8_t *to = out;
    const uint8_t *from = a;
    uint64_t lost = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = widen_bf16(load16(from + 2 * i));
        uint16_t h = narrow_f16(bits);
        lost += !survives(bits, widen_f16(h));
        store16(to + 2 * i, h);
    }
    return lost;
}

static inline uint32_t element_bits(enum dtype t, const uint8_t *in, size_t i)
{
    return t == DTYPE_F32   ? load32(in + 4 * i)
           : t == DTYPE_F16 ? widen_f16(load16(in + 2 * i))
                            : widen_bf16(load16(in + 2 * i));
}

enum dtype narrowest(struct narrow *seen, enum dtype t, const void *in, size_t n)
{
    for (size_t i = 0; i < n && !(seen->not_bf16 && seen->not_f16); i++) {
        uint32_t bits = element_bits(t, in, i);
        seen->not_bf16 |= widen_bf16(narrow_bf16(bits)) != bits;
        seen->not_f16 |= widen_f16(narrow_f16(bits)) != bits;
    }
    return !seen->not_bf16 ? DTYPE_BF16 : !seen->not_f16 ? DTYPE_F16 : DTYPE_F32;
}
