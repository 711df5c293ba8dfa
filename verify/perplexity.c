/* perplexity.c - how well a model foretells a text, window by window. */
#include "verify/perplexity.h"

#include "formats/base/json.h"
#include "formats/base/text.h"
#include "quant/exact.h"

/* ---- the windows ----------------------------------------------------------------------------- */

static bool cut(struct perplexity *p, size_t n, const struct perplexity_options *opt, struct err *e)
{
    size_t window = n < opt->window ? n : opt->window;
    if (opt->window < 2 || opt->skip >= opt->window - 1)
        return err_set(e, ERR_USAGE, "a window of %zu tokens without its first %zu scores nothing",
                       opt->window, opt->skip);
    if (n < 2 || opt->skip >= window - 1)
        return err_set(e, ERR_INPUT, "the text has %zu token%s: nothing is scored", n,
                       n == 1 ? "" : "s");
    size_t windows = n / window;
    windows = opt->most_windows && opt->most_windows < windows ? opt->most_windows : windows;
    *p = (struct perplexity){
        .tokens = n,
        .windows = windows,
        .window = window,
        .skip = opt->skip,
        .left = n - windows * window,
        .scored = windows * (window - 1 - opt->skip),
    };
    return (p->nll = arena_new(&p->arena, double, p->scored, e)) != NULL;
}

/* ---- scores ------------------------------------------------------------------------------ */

struct scores {
    struct perplexity *p;
    struct divergence *rows; /* of the window, with a base */
    double *nll;             /* of the window */
    const uint32_t *ids;
    const float *logits;
    size_t vocab, first;
    struct team *team;
};

static bool score_row(void *ctx, size_t i, unsigned worker, struct err *e)
{
    const struct scores *c = ctx;
    const float *row = c->logits + i * c->vocab;
    size_t t = c->first + i;
    (void)worker;
    (void)e;
    c->nll[t - c->p->skip] = log_sum_exp(row, c->vocab) - (double)row[c->ids[t + 1]];
    return true;
}

/* How many of the n rows from `first` on have a token behind them in the window. */
static size_t scored_rows(const struct scores *c, size_t first, size_t n)
{
    return first + n == c->p->window ? n - 1 : n;
}

static bool take(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    struct scores *c = ctx;
    c->logits = logits;
    c->first = first;
    return team_run(c->team, scored_rows(c, first, n), score_row, c, e);
}

static bool take_both(void *ctx, size_t first, size_t n, const float *a, const float *b,
                      struct err *e)
{
    struct scores *c = ctx;
    return divergence_rows(c->rows + first - c->p->skip, a, b, scored_rows(c, first, n), c->vocab,
                           c->ids + first + 1, c->team, e);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static struct perplexity_figures figures_of(const double *nll, size_t n)
{
    struct perplexity_figures f = { 0 };
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        f.nll += nll[i];
    f.nll /= (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (nll[i] - f.nll) * (nll[i] - f.nll);
    f.nll_error = n > 1 ? exact_sqrt(squares / (double)(n - 1) / (double)n) : 0;
    f.perplexity = exact_exp(f.nll);
    f.perplexity_error = f.perplexity * f.nll_error;
    return f;
}

bool perplexity_of(struct perplexity *p, struct session *s, const uint32_t *ids, size_t n,
                   const struct perplexity_options *opt, struct err *e)
{
    *p = (struct perplexity){ 0 };
    if (!cut(p, n, opt, e))
        return false;
    struct scores c = { .p = p, .vocab = (size_t)s->vocab, .team = s->team };
    for (size_t w = 0; w < p->windows; w++) {
        c.ids = ids + w * p->window;
        c.nll = p->nll + w * (p->window - 1 - p->skip);
        session_reset(s);
        if (!session_run(s, c.ids, p->window, p->skip, take, &c, e))
            return err_within(e, "window %zu", w);
    }
    p->model = figures_of(p->nll, p->scored);
    return true;
}

static bool sum_both(struct perplexity *p, const struct divergence *rows, struct err *e)
{
    double *base = arena_new(&p->arena, double, p->scored, e);
    for (size_t i = 0; base && i < p->scored; i++) {
        p->nll[i] = -rows[i].log_p_b;
        base[i] = -rows[i].log_p_a;
    }
    if (!base || !divergence_sum(&p->sum, rows, p->scored, true, e))
        return false;
    p->has_base = true;
    p->model = figures_of(p->nll, p->scored);
    p->base = figures_of(base, p->scored);
    return true;
}

bool perplexity_beside(struct perplexity *p, struct pair *pair, const uint32_t *ids, size_t n,
                       const struct perplexity_options *opt, struct err *e)
{
    *p = (struct perplexity){ 0 };
    if (!cut(p, n, opt, e))
        return false;
    struct scores c = { .p = p, .vocab = (size_t)pair->a.vocab, .team = pair->b.team };
    struct divergence *rows = arena_new(&p->arena, struct divergence, p->scored, e);
    for (size_t w = 0; rows && w < p->windows; w++) {
        c.ids = ids + w * p->window;
        c.rows = rows + w * (p->window - 1 - p->skip);
        if (!pair_run(pair, c.ids, p->window, p->skip, take_both, &c, e))
            return err_within(e, "window %zu", w);
    }
    return rows && sum_both(p, rows, e);
}

void perplexity_free(struct perplexity *p)
{
    arena_free(&p->arena);
    *p = (struct perplexity){ 0 };
}

/* ---- reports --------------------------------------------------------------------------------- */

static void put_figures(struct buf *b, const char *name, const struct perplexity_figures *f)
{
    char t[4][16];
    buf_printf(b, "%-10s  %10s  %10s  %10s  %10s\n", name, text_number(t[0], f->perplexity),
               text_number(t[1], f->perplexity_error), text_number(t[2], f->nll),
               text_number(t[3], f->nll_error));
}

static void put_line(struct buf *b, const char *name, double v, const char *unit)
{
    char text[16];
    buf_printf(b, "%-32s  %12s%s\n", name, text_number(text, v), unit);
}

static void put_divergence(struct buf *b, const struct divergence_summary *s)
{
    put_line(b, "perplexity ratio", s->ratio, "");
    put_line(b, "KL divergence, mean", s->kl_mean, "");
    put_line(b, "KL divergence, median", s->kl_median, "");
    put_line(b, "KL divergence, 90%", s->kl_90, "");
    put_line(b, "KL divergence, 99%", s->kl_99, "");
    put_line(b, "KL divergence, 99.9%", s->kl_999, "");
    put_line(b, "KL divergence, max", s->kl_max, "");
    put_line(b, "change of probability, mean", 100 * s->dp_mean, "%");
    put_line(b, "change of probability, rms", 100 * s->dp_rms, "%");
    put_line(b, "change of probability, max", 100 * s->dp_max, "%");
    put_line(b, "same top token", 100 * s->same_top, "%");
    put_line(b, "top 5 shared", 100 * s->top_5, "%");
    put_line(b, "max |difference| of logits", s->max_abs, "");
    put_line(b, "mean |difference| of logits", s->mean_abs, "");
    put_line(b, "NMSE", s->nmse, "");
}

void perplexity_print(struct buf *b, const struct perplexity *p)
{
    buf_printf(b, "%zu tokens: %zu window%s of %zu, %zu scored", p->tokens, p->windows,
               p->windows == 1 ? "" : "s", p->window, p->scored);
    if (p->left)
        buf_printf(b, ", %zu left over", p->left);
    buf_puts(b, "\n\n            perplexity          +-    mean NLL          +-\n");
    put_figures(b, "model", &p->model);
    if (!p->has_base)
        return;
    put_figures(b, "base", &p->base);
    buf_puts(b, "\n");
    put_divergence(b, &p->sum);
}

static void put_kdouble(struct json_out *o, const char *key, double v)
{
    json_put_key(o, str_of(key));
    json_put_double(o, v);
}

static void json_figures(struct json_out *o, const char *key, const struct perplexity_figures *f)
{
    json_put_key(o, str_of(key));
    json_put_open(o, '{');
    put_kdouble(o, "perplexity", f->perplexity);
    put_kdouble(o, "perplexity_error", f->perplexity_error);
    put_kdouble(o, "nll", f->nll);
    put_kdouble(o, "nll_error", f->nll_error);
    json_put_close(o, '}');
}

void perplexity_json(struct json_out *o, const struct perplexity *p)
{
    json_put_ku64(o, "tokens", p->tokens);
    json_put_ku64(o, "window", p->window);
    json_put_ku64(o, "windows", p->windows);
    json_put_ku64(o, "skip", p->skip);
    json_put_ku64(o, "left_over", p->left);
    json_put_ku64(o, "scored", p->scored);
    json_figures(o, "model", &p->model);
    if (!p->has_base)
        return;
    json_figures(o, "base", &p->base);
    json_put_key(o, STR("divergence"));
    json_put_open(o, '{');
    divergence_json(o, &p->sum);
    json_put_close(o, '}');
}
