/* values.c - elements from a sign, an exponent of the wanted kind and a random mantissa. */
#include "tests/support/values.h"

static uint64_t state = 1;

void values_seed(uint64_t seed) { state = seed ? seed : 1; }

uint32_t values_random(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * 0x2545F4914F6CDD1D >> 32);
}

size_t values_below(size_t n) { return values_random() % n; }

const char *values_name(enum values kind)
{
    static const char *const names[VALUES_KINDS] = { "everyday", "tiny", "huge", "any-bits" };
    return names[kind];
}

/* `top` is the exponent of infinities and NaNs. */
static uint32_t exponent(uint32_t top, enum values kind)
{
    switch (kind) {
    case VALUES_EVERYDAY: return top / 2 - 5 + (uint32_t)values_below(8);
    case VALUES_TINY: return values_below(4) ? (uint32_t)values_below(3) : top / 2;
    case VALUES_HUGE: return values_below(200) ? top - 1 - (uint32_t)values_below(3) : top;
    default: return (uint32_t)values_below(top + 1);
    }
}

static uint32_t element(unsigned exponent_bits, unsigned mantissa_bits, enum values kind)
{
    uint32_t top = (1u << exponent_bits) - 1, e = exponent(top, kind), bits = values_random();
    uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
    if (e == top && values_below(2))
        mantissa = 0; /* else infinity is too rare */
    return (bits >> 31 << exponent_bits | e) << mantissa_bits | mantissa;
}

static uint8_t scale(enum values kind)
{
    switch (kind) {
    case VALUES_EVERYDAY: return (uint8_t)(122 + values_below(8));
    case VALUES_TINY: return (uint8_t)values_below(4);
    case VALUES_HUGE: return (uint8_t)(values_below(100) ? 251 + values_below(4) : 255);
    default: return (uint8_t)values_below(256);
    }
}

static void block(enum dtype t, uint8_t *p, enum values kind)
{
    if (t == DTYPE_MXFP4) {
        p[0] = scale(kind);
        for (int i = 1; i < 17; i++)
            p[i] = (uint8_t)values_random();
        return;
    }
    uint32_t bits = t == DTYPE_F32   ? element(8, 23, kind)
                    : t == DTYPE_F16 ? element(5, 10, kind)
                                     : element(8, 7, kind);
    for (uint32_t i = 0; i < dtype_info[t].block_bytes; i++)
        p[i] = (uint8_t)(bits >> 8 * i);
}

void values_fill(enum dtype t, void *out, size_t n, enum values kind)
{
    uint8_t *p = out;
    for (size_t i = 0; i < n / dtype_info[t].block_elems; i++, p += dtype_info[t].block_bytes)
        block(t, p, kind);
}
