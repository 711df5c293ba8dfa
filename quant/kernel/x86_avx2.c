/* x86_avx2.c - vectors of 8: compiled for AVX2 and F16C, reached where the CPU has them. */
#include "quant/kernel/kernel.h"

#if defined(__AVX2__)
#include <immintrin.h>

typedef __m256 vec;
enum { WIDTH = 8, ROWS = 2, TOKENS = 2 };

static inline vec vec_zero(void) { return _mm256_setzero_ps(); }
static inline vec vec_set1(float f) { return _mm256_set1_ps(f); }
static inline vec vec_load(const void *p) { return _mm256_loadu_ps(p); }
static inline void vec_store(float *p, vec v) { _mm256_storeu_ps(p, v); }
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_mac(vec sum, vec a, vec b) { return vec_add(sum, _mm256_mul_ps(a, b)); }

static inline float vec_fold(vec v)
{
    __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}

static inline vec vec_f16(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
}

static inline vec vec_bf16(const uint8_t *p)
{
    __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(low, 16));
}

/* The value of a code, whose low three bits find it in `table`.  Bits 28 to 30 of the shifted code
 * are those three again: the table holds them too, so that XOR leaves the sign alone. */
static inline vec signed_values(vec table, __m256i code)
{
    __m256i magnitude = _mm256_castps_si256(_mm256_permutevar8x32_ps(table, code));
    return _mm256_castsi256_ps(_mm256_xor_si256(magnitude, _mm256_slli_epi32(code, 28)));
}

static inline void vec_mxfp4(vec v[4], float half, const uint8_t codes[16])
{
    __m256i number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    vec twice = _mm256_setr_ps(0, 1, 2, 3, 4, 6, 8, 12);
    vec table = _mm256_xor_ps(_mm256_mul_ps(twice, vec_set1(half)),
                              _mm256_castsi256_ps(_mm256_slli_epi32(number, 28)));
    for (int k = 0; k < 2; k++) {
        __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(codes + 8 * k)));
        v[k] = signed_values(table, low);
        v[2 + k] = signed_values(table, _mm256_srli_epi32(low, 4));
    }
}

#include "quant/kernel/lanes.h"

void kernels_avx2(struct kernels *k) { lanes_overlay(k); }

#else
void kernels_avx2(struct kernels *k) { (void)k; }
#endif
