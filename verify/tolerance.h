/* tolerance.h - how far logits may be apart and still pass, in figures that have a reason.
 *
 *   exact     every logit bit for bit.  Ours are the same on every machine, so this is what a
 *             lossless conversion gives.
 *   lossless  the same weights computed in another order (other kernels, bf16 sums): mean KL 1e-4,
 *             99 % of KL 1e-3, same top token 99.5 %, NMSE 1e-4, perplexity ratio 1 +- 5e-4
 *   q8        8-bit weights: mean KL 2e-3, rms change of probability 1.5 %
 *   q4        4-bit weights: mean KL 0.1, 99 % of KL 1, same top token 85 %, perplexity ratio
 *             1 +- 0.1: a bound for what 4-bit types are seen to do; a conversion bug
 *             (transposed, permuted, another scale) is far beyond
 *
 * or figures: "kl=1e-3,same-top=0.99".  What is between the classes is a bug, or another type. */
#ifndef VERIFY_TOLERANCE_H
#define VERIFY_TOLERANCE_H

#include "formats/base/buf.h"
#include "verify/divergence.h"

enum { TOLERANCE_LIMITS = 10 };

struct tolerance {
    const char *text; /* as given; not owned */
    bool exact;
    struct {
        bool set;
        double at;
    } limit[TOLERANCE_LIMITS];
};

/* ERR_USAGE for what is no class, no figure, or one that is not measured: dp and ratio need the
 * next token and are known only where `scored`. */
bool tolerance_parse(struct tolerance *t, const char *text, bool scored, struct err *e) MUST_CHECK;

/* Whether s keeps all limits; of each that it does not, says so: "kl 0.0125776 > 0.0001". */
bool tolerance_keeps(const struct tolerance *t, const struct divergence_summary *s,
                     struct buf *broken);

#endif
