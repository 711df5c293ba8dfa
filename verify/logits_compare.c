/* logits_compare.c - prompts through two models side by side. */
#include "verify/logits_compare.h"

/* ---- rows ---------------------------------------------------------------------------------- */

struct rows {
    struct divergence *out;
    const float *a, *b;
    size_t vocab;
    const uint32_t *next;
};

static bool compare_row(void *ctx, size_t i, unsigned worker, struct err *e)
{
    const struct rows *r = ctx;
    size_t at = i * r->vocab;
    (void)worker;
    (void)e;
    r->out[i] = divergence_of(r->a + at, r->b + at, r->vocab, r->next ? r->next[i] : UINT32_MAX);
    return true;
}

bool divergence_rows(struct divergence *rows, const float *a, const float *b, size_t n,
                     size_t vocab, const uint32_t *next, struct team *team, struct err *e)
{
    struct rows r = { rows, a, b, vocab, next };
    return team_run(team, n, compare_row, &r, e);
}

/* ---- prompts ------------------------------------------------------------------------------- */

struct run {
    struct pair *pair;
    struct divergence *rows;
};

static bool take(void *ctx, size_t first, size_t n, const float *a, const float *b, struct err *e)
{
    const struct run *r = ctx;
    return divergence_rows(r->rows + first, a, b, n, (size_t)r->pair->a.vocab, NULL,
                           r->pair->b.team, e);
}

static bool count_tokens(struct logits_comparison *c, struct err *e)
{
    for (size_t i = 0; i < c->n_prompts; i++)
        c->tokens += c->prompts[i].n; /* they are in memory */
    return c->tokens > 0 || err_set(e, ERR_USAGE, "there are no tokens to compare");
}

bool logits_compare(struct logits_comparison *c, struct pair *p, const struct prompt *prompts,
                    size_t n, struct bisection *bisection, struct err *e)
{
    *c = (struct logits_comparison){ .prompts = prompts, .n_prompts = n, .bisection = bisection };
    bool ok = count_tokens(c, e);
    struct divergence *rows = ok ? arena_new(&c->arena, struct divergence, c->tokens, e) : NULL;
    c->sums = rows ? arena_new(&c->arena, struct divergence_summary, n, e) : NULL;
    ok = c->sums != NULL;
    struct run r = { p, rows };
    for (size_t i = 0; ok && i < n; r.rows += prompts[i].n, i++) {
        if (bisection)
            bisection->prompt = i;
        ok = pair_run(p, prompts[i].ids, prompts[i].n, 0, take, &r, e) &&
             (!bisection || bisect_ok(bisection)) &&
             divergence_sum(&c->sums[i], r.rows, prompts[i].n, false, e);
        if (!ok && n > 1)
            err_within(e, "prompt %zu", i);
    }
    return ok && divergence_sum(&c->all, rows, c->tokens, false, e);
}

void logits_comparison_free(struct logits_comparison *c)
{
    arena_free(&c->arena);
    *c = (struct logits_comparison){ 0 };
}
