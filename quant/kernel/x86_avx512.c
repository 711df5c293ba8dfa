/* x86_avx512.c - vectors of 16: compiled for AVX-512 F, BW, VL, DQ, reached where the CPU has them.
 */
#include "quant/kernel/kernel.h"

#if defined(__AVX512F__)
#include <immintrin.h>

typedef __m512 vec;
enum { WIDTH = 16, ROWS = 4, TOKENS = 4 };

static inline vec vec_zero(void) { return _mm512_setzero_ps(); }
static inline vec vec_set1(float f) { return _mm512_set1_ps(f); }
static inline vec vec_load(const void *p) { return _mm512_loadu_ps(p); }
static inline void vec_store(float *p, vec v) { _mm512_storeu_ps(p, v); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_mac(vec sum, vec a, vec b) { return vec_add(sum, _mm512_mul_ps(a, b)); }

static inline float vec_fold(vec v)
{
    __m256 by8 = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}

static inline vec vec_f16(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p));
}

static inline vec vec_bf16(const uint8_t *p)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(low, 16));
}

/* One product makes the 16 values of a block; a permutation looks at the low four bits of an index.
 */
static inline void vec_mxfp4(vec v[2], float half, const uint8_t codes[16])
{
    vec twice = _mm512_setr_ps(0, 1, 2, 3, 4, 6, 8, 12, -0.f, -1, -2, -3, -4, -6, -8, -12);
    vec values = _mm512_mul_ps(twice, vec_set1(half));
    __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)codes));
    v[0] = _mm512_permutexvar_ps(low, values);
    v[1] = _mm512_permutexvar_ps(_mm512_srli_epi32(low, 4), values);
}

#include "quant/kernel/lanes.h"

void kernels_avx512(struct kernels *k) { lanes_overlay(k); }

#else
void kernels_avx512(struct kernels *k) { (void)k; }
#endif
