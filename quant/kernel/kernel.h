/* kernel.h - the numeric inner loops, one function pointer each.
 *
 * scalar.c is the specification: every ISA gives the same bits (any NaN matches any NaN).
 * A sum has one tree everywhere: product i is rounded, then added to lane i % 16 in order of i,
 * nothing fused; the lanes are folded 8, 4, 2, 1 (lane k += lane k + half). */
#ifndef QUANT_KERNEL_H
#define QUANT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum isa { ISA_AVX2 = 1u << 0, ISA_AVX512 = 1u << 1, ISA_NEON = 1u << 2 };

/* out[t * out_stride + r] = sum over i < n of W[r][i] * x[t * x_stride + i]
 * for r < rows and t < tokens.  Row r of W begins row_bytes * r behind w; its n elements are of the
 * type in the kernel's name and are decoded exactly (as decode_f32 of codec.h) before the
 * product.  n is any number for the plain types, whole blocks for the others.  No overlap, any
 * alignment; nothing is read outside the rows. */
typedef void matmul_fn(float *out, size_t out_stride, const void *w, size_t row_bytes, size_t rows,
                       const float *x, size_t x_stride, size_t tokens, size_t n);

struct kernels {
    matmul_fn *matmul_f32, *matmul_f16, *matmul_bf16;
    matmul_fn *matmul_mxfp4; /* 17-byte blocks, GGUF nibble order */

    /* out[d] = sum over j < n of p[j] * v[j * v_stride + d], d < dim: attention's weighted sum,
     * with the tree over j. */
    void (*weighted_sum)(float *out, const float *p, const float *v, size_t v_stride, size_t n,
                         size_t dim);
};

/* What this CPU (and OS) can run; lowered by WEIGH_ISA is the caller's business. */
unsigned isa_detect(void);
/* "scalar", "avx2", "avx512", "neon": the mask of that name and all below it; 0 = scalar; a name we
 * do not know leaves all bits set. */
unsigned isa_mask(const char *name);
/* The name of the best ISA in the mask. */
const char *isa_name(unsigned mask);

/* The best kernels using only the ISAs in the mask; 0 gives the scalar ones. */
struct kernels kernels_for(unsigned isa);

/* Used by select.c only: each file overlays what it accelerates. */
void kernels_scalar(struct kernels *k);
void kernels_avx2(struct kernels *k);
void kernels_avx512(struct kernels *k);
void kernels_neon(struct kernels *k);

#endif
