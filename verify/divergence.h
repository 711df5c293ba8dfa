/* divergence.h - how far logits b are from logits a: one row (a token of the text) at a time, and
 * summed up over many rows. */
#ifndef VERIFY_DIVERGENCE_H
#define VERIFY_DIVERGENCE_H

#include "formats/base/arena.h"

enum { DIVERGENCE_TOP = 5 };

/* Of one row: logits of the token behind it. */
struct divergence {
    bool identical;          /* bit for bit */
    double max_abs, sum_abs; /* |b - a| */
    double sum_sq, sum_ref;  /* (b - a)^2, a^2 */
    double kl;               /* sum of p_a log(p_a / p_b), in nats */
    uint32_t top_a, top_b;   /* likeliest token; the lower id of equals */
    unsigned shared;         /* of the DIVERGENCE_TOP likeliest */
    size_t values;           /* that were compared */
    double log_p_a, log_p_b; /* of the token that came next, where that is known */
};

/* No NaN among a and b.  next: the token that came, UINT32_MAX if not known. */
struct divergence divergence_of(const float *a, const float *b, size_t vocab, uint32_t next);

/* log(sum of exp(x[i])): what is subtracted from a logit to have the log of its probability. */
double log_sum_exp(const float *x, size_t n);

/* The k likeliest ids, by falling logit and then rising id. */
void top_ids(const float *x, size_t n, uint32_t *ids, size_t k);

struct divergence_summary {
    size_t rows, identical, values;
    size_t first_different, first_parted; /* row; with another likeliest token; SIZE_MAX: none */
    double max_abs, mean_abs;
    double nmse;                                             /* sum of (b - a)^2 / sum of a^2 */
    double kl_mean, kl_median, kl_90, kl_99, kl_999, kl_max; /* percentiles: nearest rank */
    double same_top, top_5;                                  /* shares, 0 to 1 */
    bool scored;                    /* the next tokens are known; else the rest is 0 */
    double dp_mean, dp_rms, dp_max; /* p_b - p_a of the token that came; max of its size */
    double ratio;                   /* of the perplexities, b to a */
};

/* n rows in order; sums are taken in that order.  No row: all zero. */
bool divergence_sum(struct divergence_summary *s, const struct divergence *rows, size_t n,
                    bool scored, struct err *e) MUST_CHECK;

#endif
