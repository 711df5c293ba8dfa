/* recode.c - the table of ways from one storage type to another. */
#include "quant/recode.h"

#include "quant/bytes.h"

static uint64_t copy(enum dtype t, void *out, const void *a, size_t n)
{
    uint64_t bytes;
    if (dtype_bytes(t, n, &bytes) && bytes > 0)
        memcpy(out, a, bytes);
    return 0;
}

/* A copy needs the type's size and recode_fn does not carry the type, so each type
 * has a copy function of its own. */
// clang-format off
#define EACH_DTYPE(X)                                                                     \
    X(F64) X(F32) X(F16) X(BF16) X(C64)                                                   \
    X(I64) X(I32) X(I16) X(I8) X(U64) X(U32) X(U16) X(U8) X(BOOL)                         \
    X(F8_E4M3) X(F8_E5M2) X(F8_E8M0) X(F8_E4M3FNUZ) X(F8_E5M2FNUZ)                        \
    X(F6_E2M3) X(F6_E3M2) X(F4)                                                           \
    X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(Q8_0) X(Q8_1)                                       \
    X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(Q8_K)                                       \
    X(IQ2_XXS) X(IQ2_XS) X(IQ3_XXS) X(IQ1_S) X(IQ4_NL) X(IQ3_S) X(IQ2_S) X(IQ4_XS)        \
    X(IQ1_M) X(TQ1_0) X(TQ2_0) X(NVFP4) X(Q1_0) X(Q2_0)                                   \
    X(MXFP4) X(MXFP4_LINEAR) X(MXFP4_BLOCKS) X(MXFP4_SCALES)
// clang-format on

#define COPY_FN(T)                                                              \
    static uint64_t copy_##T(void *out, const void *a, const void *b, size_t n) \
    {                                                                           \
        (void)b;                                                                \
        return copy(DTYPE_##T, out, a, n);                                      \
    }
EACH_DTYPE(COPY_FN)

#define COPY_ROW(T)                                                                        \
    [DTYPE_##T] = {                                                                        \
        .name = "copy", .from = DTYPE_##T, .to = DTYPE_##T, .exact = true, .run = copy_##T \
    },
static const struct recode copies[DTYPE_COUNT] = { EACH_DTYPE(COPY_ROW) };

/* No exact flag on a decode, even to F32: scales 253 and 254 can overflow. */
// clang-format off
static const struct recode recodes[] = {
    { "widen",  .from = DTYPE_F16,          .to = DTYPE_F32,          .exact = true, .run = recode_f16_f32 },
    { "widen",  .from = DTYPE_BF16,         .to = DTYPE_F32,          .exact = true, .run = recode_bf16_f32 },
    { "round",  .from = DTYPE_F32,          .to = DTYPE_F16,                         .run = recode_f32_f16 },
    { "round",  .from = DTYPE_F32,          .to = DTYPE_BF16,                        .run = recode_f32_bf16 },
    { "round",  .from = DTYPE_F16,          .to = DTYPE_BF16,                        .run = recode_f16_bf16 },
    { "round",  .from = DTYPE_BF16,         .to = DTYPE_F16,                         .run = recode_bf16_f16 },

    { "repack", .from = DTYPE_MXFP4,        .to = DTYPE_MXFP4_LINEAR, .exact = true, .run = recode_mxfp4_linear },
    { "repack", .from = DTYPE_MXFP4_LINEAR, .to = DTYPE_MXFP4,        .exact = true, .run = recode_linear_mxfp4 },
    { "repack", .from = DTYPE_MXFP4_BLOCKS, .to = DTYPE_MXFP4,        .exact = true, .run = recode_pair_mxfp4, .with = DTYPE_MXFP4_SCALES },
    { "repack", .from = DTYPE_MXFP4_BLOCKS, .to = DTYPE_MXFP4_LINEAR, .exact = true, .run = recode_pair_linear, .with = DTYPE_MXFP4_SCALES },
    { "split",  .from = DTYPE_MXFP4,        .to = DTYPE_MXFP4_BLOCKS, .exact = true, .run = recode_mxfp4_blocks },
    { "split",  .from = DTYPE_MXFP4_LINEAR, .to = DTYPE_MXFP4_BLOCKS, .exact = true, .run = recode_linear_blocks },
    { "split",  .from = DTYPE_MXFP4,        .to = DTYPE_MXFP4_SCALES, .exact = true, .run = recode_whole_scales },
    { "split",  .from = DTYPE_MXFP4_LINEAR, .to = DTYPE_MXFP4_SCALES, .exact = true, .run = recode_whole_scales },

    { "decode", .from = DTYPE_MXFP4,        .to = DTYPE_F32,                         .run = recode_mxfp4_f32 },
    { "decode", .from = DTYPE_MXFP4,        .to = DTYPE_BF16,                        .run = recode_mxfp4_bf16 },
    { "decode", .from = DTYPE_MXFP4,        .to = DTYPE_F16,                         .run = recode_mxfp4_f16 },
    { "decode", .from = DTYPE_MXFP4_LINEAR, .to = DTYPE_F32,                         .run = recode_linear_f32 },
    { "decode", .from = DTYPE_MXFP4_LINEAR, .to = DTYPE_BF16,                        .run = recode_linear_bf16 },
    { "decode", .from = DTYPE_MXFP4_LINEAR, .to = DTYPE_F16,                         .run = recode_linear_f16 },
    { "decode", .from = DTYPE_MXFP4_BLOCKS, .to = DTYPE_F32,                         .run = recode_pair_f32, .with = DTYPE_MXFP4_SCALES },
    { "decode", .from = DTYPE_MXFP4_BLOCKS, .to = DTYPE_BF16,                        .run = recode_pair_bf16, .with = DTYPE_MXFP4_SCALES },
    { "decode", .from = DTYPE_MXFP4_BLOCKS, .to = DTYPE_F16,                         .run = recode_pair_f16, .with = DTYPE_MXFP4_SCALES },
    { "decode", .from = DTYPE_Q8_0,         .to = DTYPE_F32,          .exact = true, .run = recode_q8_0_f32 },
};
// clang-format on

const struct recode *recode_find(enum dtype from, enum dtype with, enum dtype to)
{
    if (from == to && with == DTYPE_NONE)
        return from > DTYPE_NONE && from < DTYPE_COUNT ? &copies[from] : NULL;
    for (size_t i = 0; i < sizeof recodes / sizeof *recodes; i++)
        if (recodes[i].from == from && recodes[i].with == with && recodes[i].to == to)
            return &recodes[i];
    return NULL;
}

bool decode_f32(enum dtype t, float *out, const void *in, size_t n)
{
    const struct recode *r = recode_find(t, DTYPE_NONE, DTYPE_F32);
    if (!r || n % dtype_info[t].block_elems != 0)
        return false;
    r->run(out, in, NULL, n);
    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        for (size_t i = 0; i < n; i++)
            out[i] = f32_of_bits(load32((const uint8_t *)(out + i)));
    return true;
}
