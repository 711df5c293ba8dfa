/* golden.c - recording what a model computes, and computing it again. */
#include "verify/golden.h"

#include "quant/bytes.h"
#include "quant/exact.h"

/* ---- all logits of a prompt ------------------------------------------------------------------ */

struct run {
    struct session *session;
    struct sha_stream sha;
    struct buf bytes;        /* of a row */
    struct golden_row *rows; /* of the prompt: to be filled, or recorded */
    size_t top, first;
    const float *logits;
    struct divergence *out;
};

static bool hash_rows(struct run *r, size_t n, const float *logits)
{
    size_t vocab = (size_t)r->session->vocab;
    for (size_t i = 0; i < n; i++) {
        r->bytes.len = 0;
        uint8_t *to = buf_grow(&r->bytes, vocab * sizeof *logits);
        for (size_t v = 0; to && v < vocab; v++) {
            uint32_t bits;
            memcpy(&bits, &logits[i * vocab + v], sizeof bits);
            store32(to + v * sizeof bits, bits);
        }
        if (!to)
            return false;
        sha_add(&r->sha, to, r->bytes.len);
    }
    return true;
}

/* Runs a prompt; job is given each of its rows, then their digest is taken. */
static bool each_row(struct run *r, const struct prompt *p, session_take *take, struct sha256 *sha,
                     struct err *e)
{
    session_reset(r->session);
    r->bytes = buf_make(e);
    bool ok = sha_open(&r->sha, e) && session_run(r->session, p->ids, p->n, 0, take, r, e);
    if (ok)
        *sha = sha_end(&r->sha);
    sha_close(&r->sha);
    buf_free(&r->bytes);
    return ok;
}

static bool on_rows(struct run *r, pool_job *job, size_t first, size_t n, const float *logits,
                    struct err *e)
{
    r->first = first;
    r->logits = logits;
    return team_run(r->session->team, n, job, r, e) && hash_rows(r, n, logits);
}

/* ---- recording ------------------------------------------------------------------------------- */

static bool record_row(void *ctx, size_t i, unsigned worker, struct err *e)
{
    const struct run *r = ctx;
    size_t vocab = (size_t)r->session->vocab;
    const float *x = r->logits + i * vocab;
    struct golden_row *row = &r->rows[r->first + i];
    (void)worker;
    (void)e;
    row->log_sum = log_sum_exp(x, vocab);
    top_ids(x, vocab, row->top, r->top);
    for (size_t k = 0; k < r->top; k++)
        row->logits[k] = x[row->top[k]];
    return true;
}

static bool record_rows(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    return on_rows(ctx, record_row, first, n, logits, e);
}

static struct golden_row *make_rows(struct arena *a, size_t n, size_t top, struct err *e)
{
    struct golden_row *rows = arena_new(a, struct golden_row, n, e);
    for (size_t i = 0; rows && i < n; i++) {
        rows[i].top = arena_new(a, uint32_t, top, e);
        rows[i].logits = rows[i].top ? arena_new(a, float, top, e) : NULL;
        if (!rows[i].logits)
            return NULL;
    }
    return rows;
}

bool golden_record(struct golden *g, struct session *s, const struct prompt *prompts, size_t n,
                   size_t top, const struct sha256 *content, struct err *e)
{
    *g = (struct golden){ .family = str_of(s->graph->family->name),
                          .arith = s->options.arith,
                          .rope = s->options.rope,
                          .vocab = s->vocab,
                          .content = *content };
    if (top == 0 || top > GOLDEN_TOP)
        return err_set(e, ERR_USAGE, "a record has 1 to %d tokens in each row, not %zu", GOLDEN_TOP,
                       top);
    g->top = top < s->vocab ? top : (size_t)s->vocab;
    g->prompts = arena_new(&g->arena, struct golden_prompt, n, e);
    for (size_t i = 0; g->prompts && i < n; i++, g->n++) {
        struct golden_prompt *p = &g->prompts[i];
        p->prompt = prompts[i];
        p->rows = make_rows(&g->arena, prompts[i].n, g->top, e);
        struct run r = { .session = s, .rows = p->rows, .top = g->top };
        if (!p->rows || !each_row(&r, &prompts[i], record_rows, &p->logits, e))
            return err_within(e, "prompt %zu", i);
    }
    return g->prompts != NULL;
}

void golden_free(struct golden *g)
{
    arena_free(&g->arena);
    *g = (struct golden){ 0 };
}

/* ---- checking -------------------------------------------------------------------------------- */

/* KL between the recorded tokens, each by itself, and all others together. */
static double known_kl(const struct golden_row *row, size_t k, const float *x, double log_sum)
{
    double kl = 0, rest_a = 1, rest_b = 1;
    for (size_t i = 0; i < k; i++) {
        double log_a = (double)row->logits[i] - row->log_sum;
        double log_b = (double)x[row->top[i]] - log_sum;
        double p = exact_exp(log_a);
        rest_a -= p;
        rest_b -= exact_exp(log_b);
        kl += p > 0 ? p * (log_a - log_b) : 0;
    }
    if (rest_a > 1e-12) /* below, it is what rounding left */
        kl += rest_a * (exact_log(rest_a) - exact_log(rest_b > 1e-300 ? rest_b : 1e-300));
    return kl < 0 ? 0 : kl;
}

static void compare_known(struct divergence *d, const struct golden_row *row, size_t k,
                          const float *x)
{
    for (size_t i = 0; i < k; i++) {
        double a = (double)row->logits[i], b = (double)x[row->top[i]];
        double off = a == b ? 0 : b - a, size = off < 0 ? -off : off;
        d->identical &= memcmp(&row->logits[i], &x[row->top[i]], sizeof *x) == 0;
        d->max_abs = size > d->max_abs ? size : d->max_abs;
        d->sum_abs += size;
        d->sum_sq += off * off;
        d->sum_ref += a * a;
    }
}

static bool check_row(void *ctx, size_t i, unsigned worker, struct err *e)
{
    const struct run *r = ctx;
    size_t vocab = (size_t)r->session->vocab;
    const float *x = r->logits + i * vocab;
    const struct golden_row *row = &r->rows[r->first + i];
    size_t k = r->top < DIVERGENCE_TOP ? r->top : DIVERGENCE_TOP;
    uint32_t top[DIVERGENCE_TOP];
    double log_sum = log_sum_exp(x, vocab);
    struct divergence d = { .identical = row->log_sum == log_sum,
                            .values = r->top,
                            .top_a = row->top[0] };
    (void)worker;
    (void)e;
    compare_known(&d, row, r->top, x);
    top_ids(x, vocab, top, k);
    d.top_b = top[0];
    d.shared = (unsigned)(DIVERGENCE_TOP - k);
    for (size_t a = 0; a < k; a++)
        for (size_t b = 0; b < k; b++)
            d.shared += row->top[a] == top[b];
    d.kl = d.identical ? 0 : known_kl(row, r->top, x, log_sum);
    r->out[r->first + i] = d;
    return true;
}

static bool check_rows(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    return on_rows(ctx, check_row, first, n, logits, e);
}

static bool same_model(const struct golden *g, const struct session *s, struct err *e)
{
    const char *family = s->graph->family->name;
    if (!str_is(g->family, family))
        return err_set(e, ERR_MISMATCH, "%s is of family %s, the record of " STR_FMT,
                       s->model->path, family, STR_ARG(g->family));
    return g->vocab == s->vocab ||
           err_set(e, ERR_MISMATCH, "%s has %llu logits, the record %llu", s->model->path,
                   (unsigned long long)s->vocab, (unsigned long long)g->vocab);
}

static bool open_comparison(struct logits_comparison *c, const struct golden *g, struct err *e)
{
    struct prompt *prompts = arena_new(&c->arena, struct prompt, g->n, e);
    for (size_t i = 0; prompts && i < g->n; i++) {
        prompts[i] = g->prompts[i].prompt;
        c->tokens += prompts[i].n;
    }
    c->prompts = prompts;
    c->n_prompts = g->n;
    c->sums = arena_new(&c->arena, struct divergence_summary, g->n, e);
    return prompts && c->sums;
}

bool golden_check(struct logits_comparison *c, const struct golden *g, struct session *s,
                  bool *identical, struct err *e)
{
    *c = (struct logits_comparison){ 0 };
    *identical = true;
    bool ok = same_model(g, s, e) && open_comparison(c, g, e);
    struct divergence *rows = ok ? arena_new(&c->arena, struct divergence, c->tokens, e) : NULL;
    ok = rows != NULL;
    struct run r = { .session = s, .top = g->top, .out = rows };
    for (size_t i = 0; ok && i < g->n; r.out += c->prompts[i].n, i++) {
        struct sha256 sha;
        r.rows = g->prompts[i].rows;
        ok = each_row(&r, &c->prompts[i], check_rows, &sha, e) &&
             divergence_sum(&c->sums[i], r.out, c->prompts[i].n, false, e);
        *identical = *identical && ok && sha_eq(&sha, &g->prompts[i].logits);
        if (!ok)
            err_within(e, "prompt %zu", i);
    }
    ok = ok && divergence_sum(&c->all, rows, c->tokens, false, e);
    *identical = *identical && c->all.identical == c->all.rows; /* or the record was changed */
    return ok;
}
