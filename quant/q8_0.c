/* q8_0.c - ggml Q8_0: an f16 d, then 32 int8; value = d * int8. */
#include "quant/bytes.h"
#include "quant/recode.h"

/* Exact: 11 by 8 significant bits fit the 24 of an f32, and no product is subnormal. */
uint64_t recode_q8_0_f32(void *out, const void *a, const void *b, size_t n)
{
    (void)b;
    uint8_t *to = out;
    const uint8_t *block = a;
    for (size_t i = 0; i < n; i += 32, block += 34) {
        float d = f16_to_f32(load16(block));
        for (size_t j = 0; j < 32; j++)
            store32(to + 4 * (i + j), f32_bits(d * (float)(int8_t)block[2 + j]));
    }
    return 0;
}
