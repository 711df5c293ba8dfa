/* codec.h - turning stored weights from one storage type into another. */
#ifndef QUANT_CODEC_H
#define QUANT_CODEC_H

#include "quant/dtype.h"

#include <stddef.h>

/* One way from stored bytes to stored bytes.  n counts elements and is a whole
 * number of blocks of both types.  a and b are the inputs (b only where two
 * tensors make one: MXFP4 blocks and scales), out does not overlap them.
 * Returns how many elements did not survive: decoding `out` again would give
 * other f32 bits (NaN payloads aside) than decoding the input, or the value is
 * beyond FLT_MAX (MXFP4).  0 for every recoding whose `exact` is set. */
typedef uint64_t recode_fn(void *out, const void *a, const void *b, size_t n);

struct recode {
    const char *name; /* for plans: "copy", "widen", "round", "repack", "split", "decode" */
    enum dtype from, with, to; /* with = DTYPE_NONE unless two inputs */
    bool exact;                /* for every input */
    recode_fn *run;
};

/* The way from `from` (and `with`) to `to`, or NULL if there is none.  Equal types copy.
 * Known: any type to itself; F32, F16, BF16 among each other; the four MXFP4
 * spellings among each other (BLOCKS + SCALES make a whole; a whole gives either
 * part); MXFP4, whole or as BLOCKS + SCALES, to F32, BF16, F16; Q8_0 to F32. */
const struct recode *recode_find(enum dtype from, enum dtype with, enum dtype to);

/* ---- elements ------------------------------------------------------------- */

/* Nearest, ties to even; overflow gives infinity.  A NaN stays NaN and keeps what
 * fits of its payload, so widening and narrowing again gives back every bit. */
float f16_to_f32(uint16_t h);  /* exact */
float bf16_to_f32(uint16_t h); /* exact */
uint16_t f32_to_f16(float f);
uint16_t f32_to_bf16(float f);

/* n elements to f32, for F32, F16, BF16, Q8_0 and the whole MXFP4 spellings; false for
 * the others and where n is not whole blocks.  Exact, except that MXFP4 scales 253 and 254 can
 * exceed FLT_MAX and give infinity; scale 255 gives NaN (OCP MX v1.0). */
bool decode_f32(enum dtype t, float *out, const void *in, size_t n);

/* Which narrow types failed to hold a value so far; start with { 0 }.  Both are
 * kept because 2^30 is BF16 and no F16, 1 + 2^-10 the other way round: what is seen
 * of one tile does not tell the answer for two. */
struct narrow {
    bool not_bf16, not_f16;
};

/* The first of BF16, F16, F32 from which widening gives back the same f32 bits (NaN
 * payloads too) for every value seen: those of *seen and these n.
 * in is F32 or F16 or BF16 as `t` says. */
enum dtype narrowest(struct narrow *seen, enum dtype t, const void *in, size_t n);

/* 32 values to one MXFP4 block in linear nibble order: scale = floor(log2 max|x|) - 2 + 127
 * clamped to 0..254, elements nearest, ties to even, saturating at 6, sign of zero
 * kept (OCP MX v1.0 section 6.3).  Finite input only. */
void mxfp4_encode(uint8_t *scale, uint8_t nibbles[16], const float x[32]);

#endif
