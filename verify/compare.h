/* compare.h - are two models the same weights, whatever their containers? */
#ifndef VERIFY_COMPARE_H
#define VERIFY_COMPARE_H

#include "formats/execute.h"

/* Tensors are aligned by the family's atoms (q, k, v, gate, up ... under their HF names), or by
 * name where there is no family.  Equal types are compared bit for bit, other types by value:
 * both decoded to f32, where -0 and +0 differ and any NaN equals any NaN. */
struct comparison {
    size_t tensors;      /* aligned and compared */
    size_t equal;        /* of those: bit for bit in the same type */
    size_t equal_values; /* of those: the same values in different types */
    char **differences;  /* one line each: missing, shape, first difference, how many */
    size_t n_differences;
    struct arena arena;
};

/* False only when the comparison could not be made; that they differ is in c. */
bool compare_models(struct comparison *c, const struct model *a, const struct model *b,
                    const struct execute_options *opt, struct err *e) MUST_CHECK;
void comparison_free(struct comparison *c); /* may be called twice */

#endif
