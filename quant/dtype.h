/* dtype.h - the storage types: how many bytes hold how many weights. */
#ifndef QUANT_DTYPE_H
#define QUANT_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

// clang-format off
enum dtype {
    DTYPE_NONE,
    /* plain numbers */
    DTYPE_F64, DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_C64,
    DTYPE_I64, DTYPE_I32, DTYPE_I16, DTYPE_I8,
    DTYPE_U64, DTYPE_U32, DTYPE_U16, DTYPE_U8, DTYPE_BOOL,
    DTYPE_F8_E4M3, DTYPE_F8_E5M2, DTYPE_F8_E8M0, DTYPE_F8_E4M3FNUZ, DTYPE_F8_E5M2FNUZ,
    DTYPE_F6_E2M3, DTYPE_F6_E3M2, DTYPE_F4,
    /* ggml blocks */
    DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q8_0, DTYPE_Q8_1,
    DTYPE_Q2_K, DTYPE_Q3_K, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_Q8_K,
    DTYPE_IQ2_XXS, DTYPE_IQ2_XS, DTYPE_IQ3_XXS, DTYPE_IQ1_S, DTYPE_IQ4_NL, DTYPE_IQ3_S,
    DTYPE_IQ2_S, DTYPE_IQ4_XS, DTYPE_IQ1_M, DTYPE_TQ1_0, DTYPE_TQ2_0, DTYPE_NVFP4,
    DTYPE_Q1_0, DTYPE_Q2_0,
    /* MXFP4 (OCP MX v1.0: 32 x E2M1, one E8M0 scale) in its four spellings */
    DTYPE_MXFP4,        /* scale byte, 16 nibble bytes: low nibble element j, high j+16 (ggml type 39) */
    DTYPE_MXFP4_LINEAR, /* scale byte, 16 nibble bytes: low nibble element 2j, high 2j+1 (early Ollama, type 4) */
    DTYPE_MXFP4_BLOCKS, /* the 16 nibble bytes alone, linear order (gpt-oss safetensors "_blocks", U8 there) */
    DTYPE_MXFP4_SCALES, /* the scale byte alone (gpt-oss safetensors "_scales", U8 there) */
    DTYPE_COUNT
};
// clang-format on

struct dtype_info {
    const char *name;     /* lower case, as users type and read it */
    uint32_t block_elems; /* weights per block; 1 if unblocked */
    uint32_t block_bytes; /* bytes per block */
    bool is_float;        /* F32, F16, BF16: what decode and encode of codec.h take */
};

extern const struct dtype_info dtype_info[DTYPE_COUNT];

/* Bytes of n elements, or false when n is not whole blocks or the size overflows. */
bool dtype_bytes(enum dtype t, uint64_t n, uint64_t *bytes);
/* The type of that name, or DTYPE_NONE. */
enum dtype dtype_find(const char *name);

#endif
