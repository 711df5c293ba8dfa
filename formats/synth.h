/* synth.h - a checkpoint without a download: real names, types, shapes and files, made-up weights.
 *
 * A synthetic model is a tensor table like any other, in the HF spelling, whose bytes are drawn
 * when they are read.  Matrices are gaussian with the deviation 1/sqrt(inputs), norms near 1,
 * biases small, so that a forward pass stays in range; synth_weights.h says what gaussian means.
 *
 * gpt-oss-20b has the released files to the byte of their sizes.  Those of gpt-oss-120b are cut
 * by the same rule, original/ as one file: the release was cut in seven there, at places that
 * are published nowhere but in its index.json, so that its HF shards begin elsewhere, too. */
#ifndef FORMATS_SYNTH_H
#define FORMATS_SYNTH_H

#include "formats/plan.h"

/* A release to imitate. */
struct synth_model {
    const char *name; /* NULL ends the list */
    uint32_t layers, experts;
    uint32_t hidden, intermediate; /* multiples of 32 */
    uint32_t heads, kv_heads, head_dim, vocab;
};
extern const struct synth_model synth_models[];

/* The model of that name or of other sizes, one of the list changed by the caller.  ERR_USAGE
 * where a size cannot be.  model_close it; shape must live as long. */
bool synth_open(struct model *m, const struct synth_model *shape, uint64_t seed,
                struct err *e) MUST_CHECK;

/* Plans its FORM_HF or FORM_ORIGINAL directory, with a tokenizer in the HF form. */
bool synth_plan(struct plan *p, const struct model *m, enum form form, struct err *e) MUST_CHECK;

#endif
