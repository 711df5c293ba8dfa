/* weights.h - the weights of a model, read when they are needed and kept while there is room.
 *
 * Every container gives the same atoms (family.h), and an atom has one storage layout here:
 * rows of plain numbers or whole blocks, MXFP4 in GGUF order.  Rows are kept as stored, in
 * units of one expert's matrix or some MiB; what was not used for longest makes room. */
#ifndef FORWARD_WEIGHTS_H
#define FORWARD_WEIGHTS_H

#include "formats/base/pool.h"
#include "formats/family.h"

struct weights {
    const struct family_view *view;
    struct plan plan; /* tensor i is atom i */
    struct team *team;
    struct scratch *scratch; /* of each worker */
    uint64_t limit;          /* of everything below together */
    uint64_t reserved;       /* by the session: state, logits, vectors */
    uint64_t held;           /* by units */
    uint64_t largest;        /* unit */
    struct unit *units;
    size_t n_units, *first_unit; /* by atom */
    uint64_t uses;
    struct arena arena;
};

/* The view and the team must stay.  limit: bytes, 0 = none. */
bool weights_open(struct weights *w, const struct family_view *v, struct team *team, uint64_t limit,
                  struct err *e) MUST_CHECK;
void weights_close(struct weights *w); /* may be called twice */

/* Takes bytes out of the limit for somebody else's use.  ERR_MEMORY if then no unit would fit. */
bool weights_reserve(struct weights *w, uint64_t bytes, struct err *e) MUST_CHECK;

enum dtype weights_dtype(const struct weights *w, size_t atom);
uint64_t weights_row_bytes(const struct weights *w, size_t atom);

/* Stored rows of an atom from `row` of its group on: *n of them lie one behind the other.  They
 * stay until the next call.  NaN among them is ERR_INPUT.  NULL on failure. */
const uint8_t *weights_rows(struct weights *w, size_t atom, uint64_t group, uint64_t row,
                            uint64_t *n, struct err *e);
/* n rows decoded to out, (n, cols), without keeping them; row counts through all groups. */
bool weights_decode(struct weights *w, size_t atom, uint64_t row, uint64_t n, float *out,
                    struct err *e) MUST_CHECK;

#endif
