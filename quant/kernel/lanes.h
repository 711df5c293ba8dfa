/* lanes.h - the loops of every kernel, for an ISA file that has said what its vectors do.
 *
 * Such a file includes it after its own definitions of
 *
 *     vec, WIDTH                    a vector and the number of floats in it: 4, 8 or 16
 *     ROWS, TOKENS                  matmul's block; ROWS * TOKENS * 16 / WIDTH sums in registers
 *     vec_zero, vec_set1, vec_load, vec_store, vec_add
 *     vec_mac(sum, a, b)            sum + a * b, the product rounded
 *     vec_fold(v)                   the lanes of v folded WIDTH / 2, ..., 2, 1
 *     vec_f16(p), vec_bf16(p)       WIDTH elements of that type
 *     vec_mxfp4(v, half, codes)     32 codes to 32 / WIDTH vectors: half * twice their values
 *
 * and then calls lanes_overlay.  The 16 lanes of a sum are VECS vectors; a step is 32 elements, two
 * rounds of the lanes. */
#ifndef QUANT_LANES_H
#define QUANT_LANES_H

#include "quant/kernel/kernel.h"

#include <string.h>

/* Inlined and unrolled until every index is a constant, or the sums would live in memory. */
#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define EACH(i, n) _Pragma("clang loop unroll(full)") for (size_t i = 0; i < (n); i++)
#else
#define EACH(i, n) _Pragma("GCC unroll 16") for (size_t i = 0; i < (n); i++)
#endif

enum { LANES = 16, VECS = LANES / WIDTH, STEP = 2 * LANES, STEP_VECS = STEP / WIDTH };

/* ---- weights ---------------------------------------------------------------- */

enum weights { F32, F16, BF16, MXFP4 };

INLINE size_t step_bytes(enum weights type)
{
    return type == F32 ? STEP * 4 : type == MXFP4 ? 17 : STEP * 2;
}

/* Half of what an MXFP4 scale means, 2^(scale-128): with the doubled values of the codes it gives
 * all of 2^-128 and up in one exact product.  Scales 0 and 1 are subnormal here, and 255 is NaN. A
 * table, because loading is what these loops have time for. */
// clang-format off
#define BITS(s)   ((s) == 255 ? 0x7FC00000u : (s) >= 2 ? ((s) - 1u) << 23 : 0x200000u << ((s) & 1))
// clang-format on
#define BITS4(s)  BITS(s), BITS((s) + 1), BITS((s) + 2), BITS((s) + 3)
#define BITS16(s) BITS4(s), BITS4((s) + 4), BITS4((s) + 8), BITS4((s) + 12)
#define BITS64(s) BITS16(s), BITS16((s) + 16), BITS16((s) + 32), BITS16((s) + 48)

INLINE float half_scale(uint8_t scale)
{
    static const uint32_t bits[256] = { BITS64(0), BITS64(64), BITS64(128), BITS64(192) };
    float f;
    memcpy(&f, &bits[scale], 4);
    return f;
}

INLINE void step_load(vec v[STEP_VECS], enum weights type, const uint8_t *w)
{
    if (type == MXFP4) {
        vec_mxfp4(v, half_scale(w[0]), w + 1);
        return;
    }
    EACH (k, STEP_VECS)
        v[k] = type == F32   ? vec_load(w + 4 * WIDTH * k)
               : type == F16 ? vec_f16(w + 2 * WIDTH * k)
                             : vec_bf16(w + 2 * WIDTH * k);
}

/* ---- matmul ----------------------------------------------------------------- */

struct matmul {
    float *out;
    size_t out_stride;
    const uint8_t *w;
    size_t row_bytes;
    const float *x;
    size_t x_stride, n;
};

/* One step of one row with each of the tokens: w is decoded once. */
INLINE void step(vec sum[TOKENS][VECS], enum weights type, const uint8_t *w, const float *x,
                 size_t x_stride, size_t tokens)
{
    vec v[STEP_VECS];
    step_load(v, type, w);
    EACH (t, tokens)
        EACH (k, STEP_VECS) {
            vec *s = &sum[t][k % VECS];
            *s = vec_mac(*s, v[k], vec_load(x + t * x_stride + WIDTH * k));
        }
}

/* The last n % 32 elements, filled up with zeros.  Adding 0 * 0 leaves a lane as it is, for none is
 * -0: it starts at +0, and only -0 + -0 gives -0. */
INLINE void last_step(vec sum[ROWS][TOKENS][VECS], enum weights type, const struct matmul *m,
                      size_t rows, size_t tokens)
{
    size_t whole = m->n / STEP, rest = m->n % STEP;
    float x[TOKENS][STEP] = { 0 };
    for (size_t t = 0; t < tokens; t++)
        memcpy(x[t], m->x + t * m->x_stride + whole * STEP, rest * 4);
    EACH (r, rows) {
        uint8_t w[STEP * 4] = { 0 };
        memcpy(w, m->w + r * m->row_bytes + whole * step_bytes(type),
               rest * step_bytes(type) / STEP);
        step(sum[r], type, w, x[0], STEP, tokens);
    }
}

INLINE float fold(vec v[VECS])
{
    for (size_t half = VECS / 2; half; half /= 2)
        EACH (k, half)
            v[k] = vec_add(v[k], v[k + half]);
    return vec_fold(v[0]);
}

/* The products of rows x tokens, which are ROWS and TOKENS or less, and constants. */
INLINE void block(enum weights type, const struct matmul *m, size_t rows, size_t tokens)
{
    vec sum[ROWS][TOKENS][VECS];
    EACH (r, rows)
        EACH (t, tokens)
            EACH (k, VECS)
                sum[r][t][k] = vec_zero();
    for (size_t i = 0; i < m->n / STEP; i++)
        EACH (r, rows) {
            const uint8_t *w = m->w + r * m->row_bytes + i * step_bytes(type);
            /* Rows are short streams, too short for the hardware to run ahead of: ask for the
             * same place of the next block.  A hint may name any address. */
            __builtin_prefetch(w + ROWS * m->row_bytes);
            step(sum[r], type, w, m->x + i * STEP, m->x_stride, tokens);
        }
    if (type != MXFP4 && m->n % STEP)
        last_step(sum, type, m, rows, tokens);
    EACH (r, rows)
        EACH (t, tokens)
            m->out[t * m->out_stride + r] = fold(sum[r][t]);
}

INLINE struct matmul matmul_at(const struct matmul *m, size_t r, size_t t)
{
    return (struct matmul){ m->out + t * m->out_stride + r,
                            m->out_stride,
                            m->w + r * m->row_bytes,
                            m->row_bytes,
                            m->x + t * m->x_stride,
                            m->x_stride,
                            m->n };
}

/* All rows with tokens that are few enough to stay in the cache from one row to the next. */
INLINE void panel(enum weights type, const struct matmul *m, size_t rows, size_t tokens)
{
    size_t r = 0, t;
    for (; rows - r >= ROWS; r += ROWS) {
        for (t = 0; tokens - t >= TOKENS; t += TOKENS) {
            struct matmul b = matmul_at(m, r, t);
            block(type, &b, ROWS, TOKENS);
        }
        for (; t < tokens; t++) {
            struct matmul b = matmul_at(m, r, t);
            block(type, &b, ROWS, 1);
        }
    }
    for (; r < rows; r++)
        for (t = 0; t < tokens; t++) {
            struct matmul b = matmul_at(m, r, t);
            block(type, &b, 1, 1);
        }
}

enum { PANEL = 32 }; /* tokens; a multiple of TOKENS */

INLINE void matmul(enum weights type, const struct matmul *m, size_t rows, size_t tokens)
{
    for (size_t t = 0; t < tokens; t += PANEL) {
        struct matmul b = matmul_at(m, 0, t);
        panel(type, &b, rows, tokens - t < PANEL ? tokens - t : PANEL);
    }
}

#define MATMUL(name, type)                                                          \
    static inline void matmul_##name(float *out, size_t out_stride, const void *w,  \
                                     size_t row_bytes, size_t rows, const float *x, \
                                     size_t x_stride, size_t tokens, size_t n)      \
    {                                                                               \
        struct matmul m = { out, out_stride, w, row_bytes, x, x_stride, n };        \
        matmul(type, &m, rows, tokens);                                             \
    }
MATMUL(f32, F32)
MATMUL(f16, F16)
MATMUL(bf16, BF16)
MATMUL(mxfp4, MXFP4)

/* ---- weighted sum ----------------------------------------------------------- */

enum { COLUMNS = 64 };

/* The columns of v, 64 at most.  The lanes stay in memory, so that v is read once and in order. */
static inline void weighted_columns(float *out, const float *p, const float *v, size_t v_stride,
                                    size_t n, size_t columns)
{
    float lane[LANES][COLUMNS] = { 0 };
    for (size_t j = 0; j < n; j++, v += v_stride) {
        float *sum = lane[j % LANES];
        size_t c = 0;
        for (; columns - c >= WIDTH; c += WIDTH)
            vec_store(sum + c, vec_mac(vec_load(sum + c), vec_set1(p[j]), vec_load(v + c)));
        for (; c < columns; c++)
            sum[c] += p[j] * v[c];
    }
    for (int half = LANES / 2; half; half /= 2)
        for (int k = 0; k < half; k++)
            for (int c = 0; c < COLUMNS; c += WIDTH)
                vec_store(lane[k] + c,
                          vec_add(vec_load(lane[k] + c), vec_load(lane[k + half] + c)));
    memcpy(out, lane[0], columns * sizeof *out);
}

static inline void weighted_sum(float *out, const float *p, const float *v, size_t v_stride,
                                size_t n, size_t dim)
{
    for (size_t d = 0; d < dim; d += COLUMNS)
        weighted_columns(out + d, p, v + d, v_stride, n, dim - d < COLUMNS ? dim - d : COLUMNS);
}

static inline void lanes_overlay(struct kernels *k)
{
    *k = (struct kernels){ matmul_f32, matmul_f16, matmul_bf16, matmul_mxfp4, weighted_sum };
}

#endif
