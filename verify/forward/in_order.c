/* in_order.c - the kernels of kernel.h with another order of addition: one product after the other.
 *
 * The bf16 arithmetic compares with reference results bit for bit.  There a product of two
 * bf16 numbers is exact in f32, and the matrix libraries that computed the references add them in
 * the order of i; with the tree about one logit in 20000 falls on the other side of a rounding.
 * Plain C for every machine: 16 rows side by side, each with its own sum. */
#include "quant/codec.h"
#include "verify/forward/ops.h"

#include <string.h>

enum { ROWS = 16, PANEL = 64 };

/* tile[i][r] = element first + i of row r, for up to PANEL elements of up to ROWS rows. */
static void load_tile(float tile[PANEL][ROWS], enum dtype t, const uint8_t *w, size_t row_bytes,
                      size_t rows, size_t first, size_t n)
{
    const struct dtype_info *d = &dtype_info[t];
    float row[PANEL];
    for (size_t r = 0; r < rows; r++) {
        decode_f32(t, row, w + r * row_bytes + first / d->block_elems * d->block_bytes, n);
        for (size_t i = 0; i < n; i++)
            tile[i][r] = row[i];
    }
}

static void add_panel(float *sum, float tile[PANEL][ROWS], const float *x, size_t rows, size_t n)
{
    float acc[ROWS] = { 0 };
    memcpy(acc, sum, rows * sizeof *acc);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < ROWS; r++)
            acc[r] += tile[i][r] * x[i];
    memcpy(sum, acc, rows * sizeof *acc);
}

static void matmul(enum dtype type, float *out, size_t out_stride, const uint8_t *w,
                   size_t row_bytes, size_t rows, const float *x, size_t x_stride, size_t tokens,
                   size_t n)
{
    float tile[PANEL][ROWS] = { { 0 } };
    for (size_t r = 0; r < rows; r += ROWS) {
        size_t some = rows - r < ROWS ? rows - r : ROWS;
        for (size_t t = 0; t < tokens; t++)
            memset(out + t * out_stride + r, 0, some * sizeof *out);
        for (size_t i = 0; i < n; i += PANEL) {
            size_t part = n - i < PANEL ? n - i : PANEL;
            load_tile(tile, type, w + r * row_bytes, row_bytes, some, i, part);
            for (size_t t = 0; t < tokens; t++)
                add_panel(out + t * out_stride + r, tile, x + t * x_stride + i, some, part);
        }
    }
}

#define MATMUL(name, type)                                                                        \
    static void name(float *out, size_t out_stride, const void *w, size_t row_bytes, size_t rows, \
                     const float *x, size_t x_stride, size_t tokens, size_t n)                    \
    {                                                                                             \
        matmul(type, out, out_stride, w, row_bytes, rows, x, x_stride, tokens, n);                \
    }
MATMUL(matmul_f32, DTYPE_F32)
MATMUL(matmul_f16, DTYPE_F16)
MATMUL(matmul_bf16, DTYPE_BF16)
MATMUL(matmul_mxfp4, DTYPE_MXFP4)

static void weighted_sum(float *out, const float *p, const float *v, size_t v_stride, size_t n,
                         size_t dim)
{
    memset(out, 0, dim * sizeof *out);
    for (size_t j = 0; j < n; j++)
        for (size_t d = 0; d < dim; d++)
            out[d] += p[j] * v[j * v_stride + d];
}

struct kernels kernels_in_order(void)
{
    return (struct kernels){ matmul_f32, matmul_f16, matmul_bf16, matmul_mxfp4, weighted_sum };
}
