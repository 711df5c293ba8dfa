/* values.h - numbers that are hard on arithmetic: subnormals, near overflow, any bits. */
#ifndef TESTS_VALUES_H
#define TESTS_VALUES_H

#include "quant/dtype.h"

#include <stddef.h>

enum values {
    VALUES_EVERYDAY, /* +-2^-5 to 2^3 */
    VALUES_TINY,     /* three in four subnormal or next to it */
    VALUES_HUGE,     /* the largest exponents; one in 200 an infinity or NaN */
    VALUES_ANY_BITS,
    VALUES_KINDS
};
const char *values_name(enum values kind);

/* The same numbers follow a seed on every machine; before the first call it is 1. */
void values_seed(uint64_t seed);
uint32_t values_random(void);
size_t values_below(size_t n);

/* n elements, whole blocks, of F32, F16, BF16 or MXFP4 at any alignment. */
void values_fill(enum dtype t, void *out, size_t n, enum values kind);

#endif
