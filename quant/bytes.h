/* bytes.h - little-endian fields at any alignment, one move instruction each. */
#ifndef QUANT_BYTES_H
#define QUANT_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE_ENDIAN_BYTES(swap, v) (v)
#else
#define LITTLE_ENDIAN_BYTES(swap, v) swap(v)
#endif

static inline uint16_t load16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return LITTLE_ENDIAN_BYTES(__builtin_bswap16, v);
}
static inline uint32_t load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return LITTLE_ENDIAN_BYTES(__builtin_bswap32, v);
}
static inline uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return LITTLE_ENDIAN_BYTES(__builtin_bswap64, v);
}
static inline void store16(uint8_t *p, uint16_t v)
{
    v = LITTLE_ENDIAN_BYTES(__builtin_bswap16, v);
    memcpy(p, &v, sizeof v);
}
static inline void store32(uint8_t *p, uint32_t v)
{
    v = LITTLE_ENDIAN_BYTES(__builtin_bswap32, v);
    memcpy(p, &v, sizeof v);
}
static inline void store64(uint8_t *p, uint64_t v)
{
    v = LITTLE_ENDIAN_BYTES(__builtin_bswap64, v);
    memcpy(p, &v, sizeof v);
}

#endif
