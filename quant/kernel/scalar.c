/* scalar.c - what each kernel means.  Clear beats fast here. */
#include "quant/codec.h"
#include "quant/kernel/kernel.h"

#include <string.h>

enum { LANES = 16 };

static float fold(float lane[LANES])
{
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* Element i of a row. */
typedef float element_fn(const uint8_t *row, size_t i);

static uint16_t u16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

static float element_f32(const uint8_t *row, size_t i)
{
    const uint8_t *p = row + 4 * i;
    uint32_t bits = (uint32_t)u16(p) | (uint32_t)u16(p + 2) << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static float element_f16(const uint8_t *row, size_t i) { return f16_to_f32(u16(row + 2 * i)); }
static float element_bf16(const uint8_t *row, size_t i) { return bf16_to_f32(u16(row + 2 * i)); }

static float element_mxfp4(const uint8_t *row, size_t i)
{
    float block[32];
    decode_f32(DTYPE_MXFP4, block, row + i / 32 * 17, 32);
    return block[i % 32];
}

static void matmul(element_fn *element, float *out, size_t out_stride, const uint8_t *w,
                   size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                   size_t n)
{
    for (size_t t = 0; t < tokens; t++)
        for (size_t r = 0; r < rows; r++) {
            float lane[LANES] = { 0 };
            for (size_t i = 0; i < n; i++)
                lane[i % LANES] += element(w + r * row_bytes, i) * x[t * x_stride + i];
            out[t * out_stride + r] = fold(lane);
        }
}

#define MATMUL(type)                                                                          \
    static void matmul_##type(float *out, size_t out_stride, const void *w, size_t row_bytes, \
                              size_t rows, const float *x, size_t x_stride, size_t tokens,    \
                              size_t n)                                                       \
    {                                                                                         \
        matmul(element_##type, out, out_stride, w, row_bytes, rows, x, x_stride, tokens, n);  \
    }
MATMUL(f32)
MATMUL(f16)
MATMUL(bf16)
MATMUL(mxfp4)

static void weighted_sum(float *out, const float *p, const float *v, size_t v_stride, size_t n,
                         size_t dim)
{
    for (size_t d = 0; d < dim; d++) {
        float lane[LANES] = { 0 };
        for (size_t j = 0; j < n; j++)
            lane[j % LANES] += p[j] * v[j * v_stride + d];
        out[d] = fold(lane);
    }
}

void kernels_scalar(struct kernels *k)
{
    *k = (struct kernels){ matmul_f32, matmul_f16, matmul_bf16, matmul_mxfp4, weighted_sum };
}
