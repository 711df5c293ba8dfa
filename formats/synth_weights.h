/* synth_weights.h - seeded weights: any range of any tensor, the same on every machine.
 *
 * A gaussian here is one of 65,536 numbers, each the sum of twelve uniform 16-bit numbers less
 * its mean, over 65536: standard deviation 1 (within 1 %), nothing beyond 6, tails a little
 * thinner than they should be (excess kurtosis -0.1).  The numbers are pairs v and -v, so that
 * their mean is 0.  They are the same for every seed; the seed says where each one goes.
 *
 * An MXFP4 block is one of 65,536 that were encoded from 32 such gaussians each, with its halves
 * rotated and the signs of its elements drawn anew: what encoding the gaussians so moved gives. */
#ifndef FORMATS_SYNTH_WEIGHTS_H
#define FORMATS_SYNTH_WEIGHTS_H

#include "formats/base/arena.h"

enum { SYNTH_DRAWS = 1 << 16 }; /* of gaussians, values and blocks */

struct synth_bank {
    uint64_t half[SYNTH_DRAWS][2]; /* elements 0..15 and 16..31, the first lowest */
    uint8_t scale[SYNTH_DRAWS];
};

enum synth_storage { SYNTH_BF16, SYNTH_BLOCKS, SYNTH_SCALES };

/* What the bytes of one tensor are drawn from. */
struct synth_weights {
    enum synth_storage storage;
    uint64_t key;                    /* synth_key; that of blocks and of their scales is the same */
    const uint16_t *values;          /* BF16: SYNTH_DRAWS of them */
    const struct synth_bank *blocks; /* BLOCKS, SCALES */
};

/* n bytes of the tensor from its byte `at` on; ranges agree wherever they meet. */
void synth_bytes(const struct synth_weights *w, uint64_t at, void *to, uint64_t n);

uint64_t synth_key(uint64_t seed, struct str name);

/* 1/sqrt(n) within 2^-20, made of integers and one division; n below 2^24. */
double synth_fan_in(uint64_t n);

/* Tables in the arena; NULL when memory ran out. */
const float *synth_gaussians(struct arena *a, struct err *e);
const uint16_t *synth_values(const float *gaussians, double mean, double deviation, struct arena *a,
                             struct err *e);
const struct synth_bank *synth_blocks(const float *gaussians, double deviation, struct arena *a,
                                      struct err *e);

#endif
