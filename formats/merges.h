/* merges.h - the merge rules of a byte-level BPE, and merging a piece of text by them. */
#ifndef FORMATS_MERGES_H
#define FORMATS_MERGES_H

#include "formats/base/arena.h"

#define TOKEN_NONE UINT32_MAX /* no id and no rank */

struct merge {
    uint32_t left, right, whole; /* ids; left == TOKEN_NONE: none */
    uint32_t rank;               /* lower merges first */
};

struct merges {
    struct merge *slots;
    uint64_t room; /* zero or a power of two */
    uint64_t n;
    uint64_t seed; /* of the hashes */
};

/* Room for `most` rules, never more.  The seed should depend on the file they come from: then a
 * file cannot be written whose pairs all have one hash. */
bool merges_init(struct merges *m, uint64_t most, uint64_t seed, struct err *e) MUST_CHECK;
void merges_free(struct merges *m); /* may be called twice */
/* A pair that is there already gets the new rank: the last of equal rules counts. */
void merges_add(struct merges *m, struct merge rule);
/* NULL if the pair does not merge. */
const struct merge *merges_find(const struct merges *m, uint32_t left, uint32_t right);

/* Memory of one thread, kept from piece to piece.  Zero-initialised. */
struct merge_work {
    struct merge_node *nodes;
    uint64_t *heap;
    size_t room_nodes, room_heap, n_heap;
    uint64_t steps; /* comparisons done so far: at most n log n for any piece */
};
void merge_work_free(struct merge_work *w); /* may be called twice */

/* Merges ids[0..*n) in place: again and again the pair of the lowest rank, the leftmost of
 * equals, until no pair merges.  *n: what is left.  At most UINT32_MAX - 1 ids.  False when
 * memory ran out. */
bool merges_apply(const struct merges *m, uint32_t *ids, size_t *n, struct merge_work *w,
                  struct err *e) MUST_CHECK;

#endif
