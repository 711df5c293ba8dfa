/* dtype.c - the table of storage types. */
#include "quant/dtype.h"

#include <string.h>

/* ggml sizes: the block structs of ggml-common.h as their fields add up; d, m and
 * dmin are f16, a K block is 256 weights.  Safetensors types: the format's dtype list. */
// clang-format off
const struct dtype_info dtype_info[DTYPE_COUNT] = {
    [DTYPE_NONE]         = { "none",        .block_elems = 1,   .block_bytes = 0 },

    [DTYPE_F64]          = { "f64",         .block_elems = 1,   .block_bytes = 8 }, /* IEEE 754 binary64 */
    [DTYPE_F32]          = { "f32",         .block_elems = 1,   .block_bytes = 4, .is_float = true }, /* IEEE 754 binary32 */
    [DTYPE_F16]          = { "f16",         .block_elems = 1,   .block_bytes = 2, .is_float = true }, /* IEEE 754 binary16 */
    [DTYPE_BF16]         = { "bf16",        .block_elems = 1,   .block_bytes = 2, .is_float = true }, /* upper half of binary32 */
    [DTYPE_C64]          = { "c64",         .block_elems = 1,   .block_bytes = 8 }, /* safetensors: two binary32, real first */
    [DTYPE_I64]          = { "i64",         .block_elems = 1,   .block_bytes = 8 }, /* two's complement, as all signed integers */
    [DTYPE_I32]          = { "i32",         .block_elems = 1,   .block_bytes = 4 },
    [DTYPE_I16]          = { "i16",         .block_elems = 1,   .block_bytes = 2 },
    [DTYPE_I8]           = { "i8",          .block_elems = 1,   .block_bytes = 1 },
    [DTYPE_U64]          = { "u64",         .block_elems = 1,   .block_bytes = 8 }, /* unsigned: safetensors only, ggml has none */
    [DTYPE_U32]          = { "u32",         .block_elems = 1,   .block_bytes = 4 },
    [DTYPE_U16]          = { "u16",         .block_elems = 1,   .block_bytes = 2 },
    [DTYPE_U8]           = { "u8",          .block_elems = 1,   .block_bytes = 1 },
    [DTYPE_BOOL]         = { "bool",        .block_elems = 1,   .block_bytes = 1 }, /* safetensors: one byte, 0 or 1 */
    [DTYPE_F8_E4M3]      = { "f8_e4m3",     .block_elems = 1,   .block_bytes = 1 }, /* OCP OFP8 v1.0 */
    [DTYPE_F8_E5M2]      = { "f8_e5m2",     .block_elems = 1,   .block_bytes = 1 }, /* OCP OFP8 v1.0 */
    [DTYPE_F8_E8M0]      = { "f8_e8m0",     .block_elems = 1,   .block_bytes = 1 }, /* OCP MX v1.0 scale */
    [DTYPE_F8_E4M3FNUZ]  = { "f8_e4m3fnuz", .block_elems = 1,   .block_bytes = 1 }, /* no infinity, no -0, bias 8 */
    [DTYPE_F8_E5M2FNUZ]  = { "f8_e5m2fnuz", .block_elems = 1,   .block_bytes = 1 }, /* no infinity, no -0, bias 16 */
    [DTYPE_F6_E2M3]      = { "f6_e2m3",     .block_elems = 4,   .block_bytes = 3 }, /* safetensors packs 6 bits an element */
    [DTYPE_F6_E3M2]      = { "f6_e3m2",     .block_elems = 4,   .block_bytes = 3 },
    [DTYPE_F4]           = { "f4",          .block_elems = 2,   .block_bytes = 1 }, /* safetensors: two E2M1 a byte */

    [DTYPE_Q4_0]         = { "q4_0",        .block_elems = 32,  .block_bytes = 18 },  /* d, 32 x 4 bits */
    [DTYPE_Q4_1]         = { "q4_1",        .block_elems = 32,  .block_bytes = 20 },  /* d, m, 32 x 4 bits */
    [DTYPE_Q5_0]         = { "q5_0",        .block_elems = 32,  .block_bytes = 22 },  /* d, 32 fifth bits, 32 x 4 bits */
    [DTYPE_Q5_1]         = { "q5_1",        .block_elems = 32,  .block_bytes = 24 },  /* d, m, 32 fifth bits, 32 x 4 bits */
    [DTYPE_Q8_0]         = { "q8_0",        .block_elems = 32,  .block_bytes = 34 },  /* d, 32 x i8 */
    [DTYPE_Q8_1]         = { "q8_1",        .block_elems = 32,  .block_bytes = 36 },  /* d, d * sum, 32 x i8 */
    [DTYPE_Q2_K]         = { "q2_k",        .block_elems = 256, .block_bytes = 84 },  /* 16 scale-and-min bytes, 64, d, dmin */
    [DTYPE_Q3_K]         = { "q3_k",        .block_elems = 256, .block_bytes = 110 }, /* 32 mask, 64, 12 scales, d */
    [DTYPE_Q4_K]         = { "q4_k",        .block_elems = 256, .block_bytes = 144 }, /* d, dmin, 12 scales, 128 */
    [DTYPE_Q5_K]         = { "q5_k",        .block_elems = 256, .block_bytes = 176 }, /* d, dmin, 12 scales, 32, 128 */
    [DTYPE_Q6_K]         = { "q6_k",        .block_elems = 256, .block_bytes = 210 }, /* 128, 64, 16 scales, d */
    [DTYPE_Q8_K]         = { "q8_k",        .block_elems = 256, .block_bytes = 292 }, /* f32 d, 256 x i8, 16 x i16 sums */
    [DTYPE_IQ2_XXS]      = { "iq2_xxs",     .block_elems = 256, .block_bytes = 66 },  /* d, 32 x u16 */
    [DTYPE_IQ2_XS]       = { "iq2_xs",      .block_elems = 256, .block_bytes = 74 },  /* d, 32 x u16, 8 scales */
    [DTYPE_IQ3_XXS]      = { "iq3_xxs",     .block_elems = 256, .block_bytes = 98 },  /* d, 64 + 32 */
    [DTYPE_IQ1_S]        = { "iq1_s",       .block_elems = 256, .block_bytes = 50 },  /* d, 32, 8 x u16 */
    [DTYPE_IQ4_NL]       = { "iq4_nl",      .block_elems = 32,  .block_bytes = 18 },  /* d, 32 x 4 bits */
    [DTYPE_IQ3_S]        = { "iq3_s",       .block_elems = 256, .block_bytes = 110 }, /* d, 64, 8, 32 signs, 4 scales */
    [DTYPE_IQ2_S]        = { "iq2_s",       .block_elems = 256, .block_bytes = 82 },  /* d, 64, 8, 8 scales */
    [DTYPE_IQ4_XS]       = { "iq4_xs",      .block_elems = 256, .block_bytes = 136 }, /* d, u16 + 4 scales, 128 */
    [DTYPE_IQ1_M]        = { "iq1_m",       .block_elems = 256, .block_bytes = 56 },  /* 32, 16, 8 scales with d spread in them */
    [DTYPE_TQ1_0]        = { "tq1_0",       .block_elems = 256, .block_bytes = 54 },  /* 48 + 4 bytes of base 3, d */
    [DTYPE_TQ2_0]        = { "tq2_0",       .block_elems = 256, .block_bytes = 66 },  /* 64, d */
    [DTYPE_NVFP4]        = { "nvfp4",       .block_elems = 64,  .block_bytes = 36 },  /* 4 x UE4M3, 64 x E2M1 */
    [DTYPE_Q1_0]         = { "q1_0",        .block_elems = 128, .block_bytes = 18 },  /* d, 128 x 1 bit */
    [DTYPE_Q2_0]         = { "q2_0",        .block_elems = 64,  .block_bytes = 18 },  /* d, 64 x 2 bits */

    [DTYPE_MXFP4]        = { "mxfp4",        .block_elems = 32, .block_bytes = 17 }, /* OCP MX v1.0; ggml nibble order */
    [DTYPE_MXFP4_LINEAR] = { "mxfp4_linear", .block_elems = 32, .block_bytes = 17 }, /* OCP MX v1.0; element order */
    [DTYPE_MXFP4_BLOCKS] = { "mxfp4_blocks", .block_elems = 32, .block_bytes = 16 }, /* gpt-oss "_blocks" */
    [DTYPE_MXFP4_SCALES] = { "mxfp4_scales", .block_elems = 32, .block_bytes = 1 },  /* gpt-oss "_scales" */
};
// clang-format on

bool dtype_bytes(enum dtype t, uint64_t n, uint64_t *bytes)
{
    if (t <= DTYPE_NONE || t >= DTYPE_COUNT || n % dtype_info[t].block_elems != 0)
        return false;
    return !__builtin_mul_overflow(n / dtype_info[t].block_elems, dtype_info[t].block_bytes, bytes);
}

enum dtype dtype_find(const char *name)
{
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++)
        if (strcmp(dtype_info[t].name, name) == 0)
            return t;
    return DTYPE_NONE;
}
