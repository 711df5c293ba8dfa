/* arm_neon.c - vectors of 4: every 64-bit ARM has them. */
#include "quant/kernel/kernel.h"

#if defined(__AARCH64EL__)
#include <arm_neon.h>

typedef float32x4_t vec;
enum { WIDTH = 4, ROWS = 2, TOKENS = 2 };

static inline vec vec_zero(void) { return vdupq_n_f32(0); }
static inline vec vec_set1(float f) { return vdupq_n_f32(f); }
static inline vec vec_load(const void *p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
static inline void vec_store(float *p, vec v) { vst1q_f32(p, v); }
static inline vec vec_add(vec a, vec b) { return vaddq_f32(a, b); }
static inline vec vec_mac(vec sum, vec a, vec b) { return vaddq_f32(sum, vmulq_f32(a, b)); }

static inline float vec_fold(vec v)
{
    return vpadds_f32(vadd_f32(vget_low_f32(v), vget_high_f32(v)));
}

static inline vec vec_f16(const uint8_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline vec vec_bf16(const uint8_t *p)
{
    uint32x4_t low = vmovl_u16(vreinterpret_u16_u8(vld1_u8(p)));
    return vreinterpretq_f32_u32(vshlq_n_u32(low, 16));
}

/* Four values from the upper halves that are theirs. */
static inline vec widened(uint16x4_t upper, float half)
{
    uint32x4_t bits = vshlq_n_u32(vmovl_u16(upper), 16);
    return vmulq_n_f32(vreinterpretq_f32_u32(bits), half);
}

/* 16 values: the two bytes of each as BF16 from a table each, then times half. */
static inline void looked_up(vec v[4], uint8x16_t codes, float half)
{
    /* 0, 1, 2, 3, 4, 6, 8, 12 and their negatives. */
    static const uint8_t low_bytes[16] = { 0x00, 0x80, 0x00, 0x40, 0x80, 0xC0, 0x00, 0x40,
                                           0x00, 0x80, 0x00, 0x40, 0x80, 0xC0, 0x00, 0x40 };
    static const uint8_t high_bytes[16] = { 0x00, 0x3F, 0x40, 0x40, 0x40, 0x40, 0x41, 0x41,
                                            0x80, 0xBF, 0xC0, 0xC0, 0xC0, 0xC0, 0xC1, 0xC1 };
    uint8x16_t low = vqtbl1q_u8(vld1q_u8(low_bytes), codes);
    uint8x16_t high = vqtbl1q_u8(vld1q_u8(high_bytes), codes);
    uint16x8_t first = vreinterpretq_u16_u8(vzip1q_u8(low, high));
    uint16x8_t second = vreinterpretq_u16_u8(vzip2q_u8(low, high));
    v[0] = widened(vget_low_u16(first), half);
    v[1] = widened(vget_high_u16(first), half);
    v[2] = widened(vget_low_u16(second), half);
    v[3] = widened(vget_high_u16(second), half);
}

static inline void vec_mxfp4(vec v[8], float half, const uint8_t codes[16])
{
    uint8x16_t both = vld1q_u8(codes);
    looked_up(v, vandq_u8(both, vdupq_n_u8(15)), half);
    looked_up(v + 4, vshrq_n_u8(both, 4), half);
}

#include "quant/kernel/lanes.h"

void kernels_neon(struct kernels *k) { lanes_overlay(k); }

#else
void kernels_neon(struct kernels *k) { (void)k; }
#endif
