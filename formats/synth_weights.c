/* synth_weights.c - draws by number: a hash of key and position picks from small tables.
 *
 * Nothing here depends on what was drawn before, on libm or on rounding modes: integers, and
 * single multiplications, additions and divisions of doubles, which IEEE 754 rounds alike. */
#include "formats/synth_weights.h"

#include "quant/bytes.h"
#include "quant/codec.h"

/* The i-th number of the sequence of this key: SplitMix64 (Steele, Lea and Flood, 2014), which
 * is a counter and a mixer, so that any number can be had without those before it. */
static inline uint64_t draw(uint64_t key, uint64_t i)
{
    uint64_t z = key + i * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t synth_key(uint64_t seed, struct str name)
{
    uint64_t key = draw(seed, 1);
    for (size_t i = 0; i < name.len; i++)
        key = draw(key, (uint64_t)(uint8_t)name.at[i] + 1);
    return key;
}

/* ---- tables ----------------------------------------------------------------------- */

/* The largest r with r*r <= n. */
static uint64_t root(uint64_t n)
{
    uint64_t r = 0;
    for (uint64_t bit = (uint64_t)1 << 31; bit; bit >>= 1)
        if ((r + bit) * (r + bit) <= n)
            r += bit;
    return r;
}

double synth_fan_in(uint64_t n) { return 1048576.0 / (double)root(n << 40); }

/* Twelve numbers below 2^16 have the variance 2^32 - 1 and the mean 12 * 65535 / 2. */
static float gaussian(uint64_t i)
{
    int64_t sum = -12 * 65535 / 2;
    for (uint64_t k = 0; k < 3; k++) {
        uint64_t four = draw(0, 3 * i + k + 1);
        for (int lane = 0; lane < 64; lane += 16)
            sum += (int64_t)(four >> lane & 0xffff);
    }
    return (float)sum / 65536.0F; /* exact: 20 bits */
}

const float *synth_gaussians(struct arena *a, struct err *e)
{
    float *g = arena_new(a, float, SYNTH_DRAWS, e);
    for (size_t i = 0; g && i < SYNTH_DRAWS; i += 2) {
        g[i] = gaussian(i);
        g[i + 1] = -g[i];
    }
    return g;
}

const uint16_t *synth_values(const float *gaussians, double mean, double deviation, struct arena *a,
                             struct err *e)
{
    uint16_t *v = arena_new(a, uint16_t, SYNTH_DRAWS, e);
    for (size_t i = 0; v && i < SYNTH_DRAWS; i++)
        v[i] = f32_to_bf16((float)(mean + deviation * (double)gaussians[i]));
    return v;
}

const struct synth_bank *synth_blocks(const float *gaussians, double deviation, struct arena *a,
                                      struct err *e)
{
    struct synth_bank *bank = arena_new(a, struct synth_bank, 1, e);
    for (size_t i = 0; bank && i < SYNTH_DRAWS; i++) {
        float x[32];
        uint8_t nibbles[16];
        for (size_t k = 0; k < 32; k++) {
            uint64_t four = draw(1, 8 * i + k / 4);
            x[k] = (float)(deviation * (double)gaussians[four >> k % 4 * 16 & 0xffff]);
        }
        mxfp4_encode(&bank->scale[i], nibbles, x);
        bank->half[i][0] = load64(nibbles);
        bank->half[i][1] = load64(nibbles + 8);
    }
    return bank;
}

/* ---- bytes ------------------------------------------------------------------------ */

/* What one draw makes: four elements, a block, a scale. */
static const uint32_t unit_bytes[] = { [SYNTH_BF16] = 8, [SYNTH_BLOCKS] = 16, [SYNTH_SCALES] = 1 };

static void make_values(const struct synth_weights *w, uint64_t first, uint64_t n, uint8_t *out)
{
    const uint16_t *v = w->values;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t h = draw(w->key, first + i);
        uint64_t four = v[h & 0xffff] | (uint64_t)v[h >> 16 & 0xffff] << 16 |
                        (uint64_t)v[h >> 32 & 0xffff] << 32 | (uint64_t)v[h >> 48] << 48;
        store64(out + 8 * i, four);
    }
}

/* Scales must know which block was drawn and no more: its number is the low end of the first of
 * two draws; the rest and the second move its elements. */
static uint64_t block_draw(uint64_t key, uint64_t block) { return draw(key, 2 * block); }

static uint64_t rotated(uint64_t x, unsigned by) { return x << by | x >> (-by & 63); }

static void make_blocks(const struct synth_weights *w, uint64_t first, uint64_t n, uint8_t *out)
{
    const uint64_t signs = 0x8888888888888888u; /* the high bit of every element */
    for (uint64_t i = 0; i < n; i++) {
        uint64_t h = block_draw(w->key, first + i), flip = draw(w->key, 2 * (first + i) + 1);
        const uint64_t *half = w->blocks->half[h & 0xffff];
        uint64_t low = rotated(half[0], h >> 16 & 60), high = rotated(half[1], h >> 24 & 60);
        store64(out + 16 * i, low ^ (flip & signs));
        store64(out + 16 * i + 8, high ^ (flip << 1 & signs));
    }
}

static void make_scales(const struct synth_weights *w, uint64_t first, uint64_t n, uint8_t *out)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = w->blocks->scale[block_draw(w->key, first + i) & 0xffff];
}

static void make_units(const struct synth_weights *w, uint64_t first, uint64_t n, uint8_t *out)
{
    switch (w->storage) {
    case SYNTH_BF16: make_values(w, first, n, out); break;
    case SYNTH_BLOCKS: make_blocks(w, first, n, out); break;
    case SYNTH_SCALES: make_scales(w, first, n, out); break;
    }
}

void synth_bytes(const struct synth_weights *w, uint64_t at, void *to, uint64_t n)
{
    uint64_t unit = unit_bytes[w->storage], first = at / unit, skip = at % unit;
    uint8_t one[16], *out = to;
    if (skip) {
        uint64_t part = unit - skip < n ? unit - skip : n;
        make_units(w, first++, 1, one);
        memcpy(out, one + skip, part);
        out += part;
        n -= part;
    }
    make_units(w, first, n / unit, out);
    if (n % unit) {
        make_units(w, first + n / unit, 1, one);
        memcpy(out + n - n % unit, one, n % unit);
    }
}
