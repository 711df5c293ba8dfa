/* recode.h - inside quant: the functions behind the rows of recode.c. */
#ifndef QUANT_RECODE_H
#define QUANT_RECODE_H

#include "quant/codec.h"

#include <string.h>

/* float.c */
recode_fn recode_f16_f32, recode_bf16_f32;
recode_fn recode_f32_f16, recode_f32_bf16, recode_f16_bf16, recode_bf16_f16;
/* q8_0.c */
recode_fn recode_q8_0_f32;
/* mxfp4.c: "pair" is BLOCKS + SCALES */
recode_fn recode_mxfp4_linear, recode_linear_mxfp4, recode_pair_mxfp4, recode_pair_linear;
recode_fn recode_mxfp4_blocks, recode_linear_blocks, recode_whole_scales;
recode_fn recode_mxfp4_f32, recode_mxfp4_bf16, recode_mxfp4_f16;
recode_fn recode_linear_f32, recode_linear_bf16, recode_linear_f16;
recode_fn recode_pair_f32, recode_pair_bf16, recode_pair_f16;

enum { F32_INFINITY = 0x7F800000, F32_MAGNITUDE = 0x7FFFFFFF, F32_NAN = 0x7FC00000 };

static inline uint32_t f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}
static inline float f32_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* The one definition of "survives": equal f32 bits, any NaN for any NaN. */
static inline bool survives(uint32_t before, uint32_t after)
{
    return before == after ||
           ((before & F32_MAGNITUDE) > F32_INFINITY && (after & F32_MAGNITUDE) > F32_INFINITY);
}

#endif
