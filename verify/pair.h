/* pair.h - two models fed the same tokens side by side. */
#ifndef VERIFY_PAIR_H
#define VERIFY_PAIR_H

#include "verify/forward/session.h"

struct pair {
    struct session a, b;
    float *logits; /* of a: (piece, vocab) */
    size_t piece;  /* tokens that a and then b compute before their logits meet */
};

/* The models must stay open.  Each has half of opt->mem.  ERR_MISMATCH if their vocabularies have
 * not the same size. */
bool pair_open(struct pair *p, const struct model *a, const struct model *b,
               const struct session_options *opt, size_t piece, struct err *e) MUST_CHECK;
void pair_close(struct pair *p); /* may be called twice */

/* Takes n rows of both, (n, vocab): those of ids[first .. first + n).  False stops the run. */
typedef bool pair_take(void *ctx, size_t first, size_t n, const float *a, const float *b,
                       struct err *e);
/* Feeds ids from position 0 on; rows of ids[from .. n) are handed over in order. */
bool pair_run(struct pair *p, const uint32_t *ids, size_t n, size_t from, pair_take *take,
              void *ctx, struct err *e) MUST_CHECK;

#endif
