/* divergence.c - differences, KL divergence and agreement of logits, with our own exp and log. */
#include "verify/divergence.h"

#include "quant/exact.h"

#include <stdlib.h>

/* ---- one row ----------------------------------------------------------------------------- */

double log_sum_exp(const float *x, size_t n)
{
    float most = x[0];
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (size_t i = 0; i < n; i++)
        sum += exact_exp((double)x[i] - (double)most);
    return (double)most + exact_log(sum);
}

void top_ids(const float *x, size_t n, uint32_t *ids, size_t k)
{
    size_t have = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = have;
        while (at > 0 && x[ids[at - 1]] < x[i])
            at--;
        if (at == k)
            continue;
        have += have < k;
        memmove(ids + at + 1, ids + at, (have - 1 - at) * sizeof *ids);
        ids[at] = (uint32_t)i;
    }
}

static void compare_values(struct divergence *d, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double ref = (double)a[i], off = a[i] == b[i] ? 0 : (double)b[i] - ref;
        double size = off < 0 ? -off : off;
        d->max_abs = size > d->max_abs ? size : d->max_abs;
        d->sum_abs += size;
        d->sum_sq += off * off;
        d->sum_ref += ref * ref;
    }
}

static double kl_of(const float *a, double log_a, const float *b, double log_b, size_t n)
{
    double kl = 0;
    for (size_t i = 0; i < n; i++) {
        double log_p = (double)a[i] - log_a, p = exact_exp(log_p);
        kl += p > 0 ? p * (log_p - ((double)b[i] - log_b)) : 0;
    }
    return kl < 0 ? 0 : kl; /* rounding may leave a little less than nothing */
}

static void compare_tops(struct divergence *d, const float *a, const float *b, size_t n)
{
    uint32_t x[DIVERGENCE_TOP], y[DIVERGENCE_TOP];
    size_t k = n < DIVERGENCE_TOP ? n : DIVERGENCE_TOP;
    top_ids(a, n, x, k);
    top_ids(b, n, y, k);
    d->top_a = x[0];
    d->top_b = y[0];
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++)
            d->shared += x[i] == y[j];
    d->shared += (unsigned)(DIVERGENCE_TOP - k); /* a vocabulary that small shares the rest */
}

struct divergence divergence_of(const float *a, const float *b, size_t vocab, uint32_t next)
{
    struct divergence d = { .identical = memcmp(a, b, vocab * sizeof *a) == 0, .values = vocab };
    compare_values(&d, a, b, vocab);
    compare_tops(&d, a, b, vocab);
    if (d.identical && next == UINT32_MAX)
        return d;
    double log_a = log_sum_exp(a, vocab), log_b = d.identical ? log_a : log_sum_exp(b, vocab);
    d.kl = d.identical ? 0 : kl_of(a, log_a, b, log_b, vocab);
    if (next != UINT32_MAX) {
        d.log_p_a = (double)a[next] - log_a;
        d.log_p_b = (double)b[next] - log_b;
    }
    return d;
}

/* ---- many rows --------------------------------------------------------------------------- */

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The smallest of n sorted values that is not below `thousandths` of them. */
static double nearest_rank(const double *sorted, size_t n, unsigned thousandths)
{
    size_t rank = n / 1000 * thousandths + (n % 1000 * thousandths + 999) / 1000;
    return sorted[rank > 0 ? rank - 1 : 0];
}

static bool sum_kl(struct divergence_summary *s, const struct divergence *rows, size_t n,
                   struct err *e)
{
    struct arena a = { 0 };
    double *kl = arena_new(&a, double, n, e);
    for (size_t i = 0; kl && i < n; i++) {
        kl[i] = rows[i].kl;
        s->kl_mean += rows[i].kl;
    }
    if (kl) {
        qsort(kl, n, sizeof *kl, rising);
        s->kl_mean /= (double)n;
        s->kl_median = nearest_rank(kl, n, 500);
        s->kl_90 = nearest_rank(kl, n, 900);
        s->kl_99 = nearest_rank(kl, n, 990);
        s->kl_999 = nearest_rank(kl, n, 999);
        s->kl_max = kl[n - 1];
    }
    arena_free(&a);
    return kl != NULL;
}

static void sum_scores(struct divergence_summary *s, const struct divergence *rows, size_t n)
{
    double sum = 0, squares = 0, logs = 0;
    for (size_t i = 0; i < n; i++) {
        double dp = exact_exp(rows[i].log_p_b) - exact_exp(rows[i].log_p_a);
        double size = dp < 0 ? -dp : dp;
        sum += dp;
        squares += dp * dp;
        logs += rows[i].log_p_a - rows[i].log_p_b;
        s->dp_max = size > s->dp_max ? size : s->dp_max;
    }
    s->scored = true;
    s->dp_mean = sum / (double)n;
    s->dp_rms = exact_sqrt(squares / (double)n);
    s->ratio = exact_exp(logs / (double)n);
}

bool divergence_sum(struct divergence_summary *s, const struct divergence *rows, size_t n,
                    bool scored, struct err *e)
{
    double sum_sq = 0, sum_ref = 0, sum_abs = 0;
    size_t same = 0, shared = 0;
    *s = (struct divergence_summary){ .rows = n,
                                      .first_different = SIZE_MAX,
                                      .first_parted = SIZE_MAX };
    for (size_t i = n; i-- > 0;) {
        s->first_different = rows[i].identical ? s->first_different : i;
        s->first_parted = rows[i].top_a == rows[i].top_b ? s->first_parted : i;
    }
    for (size_t i = 0; i < n; i++) {
        const struct divergence *d = &rows[i];
        s->identical += d->identical;
        s->values += d->values;
        s->max_abs = d->max_abs > s->max_abs ? d->max_abs : s->max_abs;
        sum_abs += d->sum_abs;
        sum_sq += d->sum_sq;
        sum_ref += d->sum_ref;
        same += d->top_a == d->top_b;
        shared += d->shared;
    }
    if (n == 0)
        return true;
    s->mean_abs = sum_abs / (double)s->values;
    s->nmse = sum_sq > 0 ? sum_sq / sum_ref : 0;
    s->same_top = (double)same / (double)n;
    s->top_5 = (double)shared / (double)(n * DIVERGENCE_TOP);
    if (scored)
        sum_scores(s, rows, n);
    return sum_kl(s, rows, n, e);
}
