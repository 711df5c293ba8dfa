/* logits_text.c - what a comparison of logits found, for people and for programs. */
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "verify/logits_compare.h"

#include <stdio.h>

/* ---- for people ------------------------------------------------------------------------- */

static void put_number(struct buf *b, int width, double v)
{
    char text[16];
    buf_printf(b, "  %*s", width, text_number(text, v));
}

static void put_share(struct buf *b, int width, double v)
{
    char text[16];
    text_number(text, 100 * v);
    buf_printf(b, "  %*s%%", width - 1, text);
}

/* Counted from 0. */
static void put_place(struct buf *b, int width, size_t row)
{
    if (row == SIZE_MAX)
        buf_printf(b, "  %*s", width, "-");
    else
        buf_printf(b, "  %*zu", width, row);
}

static void put_row(struct buf *b, const char *name, const struct divergence_summary *s,
                    bool places)
{
    buf_printf(b, "%-6s  %6zu  %6zu", name, s->rows, s->identical);
    put_place(b, 7, places ? s->first_different : SIZE_MAX);
    put_place(b, 8, places ? s->first_parted : SIZE_MAX);
    put_number(b, 11, s->max_abs);
    put_number(b, 11, s->mean_abs);
    put_number(b, 11, s->nmse);
    put_number(b, 11, s->kl_mean);
    put_number(b, 11, s->kl_99);
    put_number(b, 11, s->kl_max);
    put_share(b, 8, s->same_top);
    put_share(b, 8, s->top_5);
    buf_puts(b, "\n");
}

static void put_residuals(struct buf *b, const struct bisection *x)
{
    buf_printf(b, "\nresidual after        max |d|         NMSE\n");
    for (size_t i = 0; i < x->n_steps; i++) {
        const struct bisect_step *s = &x->steps[i];
        if (!s->residual)
            continue;
        buf_printf(b, "layer %3u %-6s", s->layer, s->name);
        put_number(b, 12, s->max_abs);
        put_number(b, 11, s->sum_sq > 0 ? s->sum_sq / s->sum_ref : 0);
        buf_puts(b, "\n");
    }
}

static void put_bisection(struct buf *b, const struct bisection *x)
{
    const struct bisect_step *s = bisect_first(x);
    char is[16], nmse[16];
    if (!s) {
        buf_puts(b, "every step of every layer is identical\n");
        return;
    }
    buf_puts(b, "first difference: ");
    if (s->layer != UINT32_MAX)
        buf_printf(b, "layer %u, ", s->layer);
    buf_printf(b, "step %s, prompt %zu, token %llu; there max |d| %s, NMSE %s over all tokens\n",
               s->name, s->prompt, (unsigned long long)s->token, text_number(is, s->max_abs),
               text_number(nmse, s->sum_sq > 0 ? s->sum_sq / s->sum_ref : 0));
    put_residuals(b, x);
}

void logits_comparison_print(struct buf *b, const struct logits_comparison *c)
{
    char name[24];
    if (c->bisection) {
        put_bisection(b, c->bisection);
        buf_puts(b, "\n");
    }
    buf_puts(b, "prompt  tokens   equal  differs  parts at    max |d|   mean |d|         NMSE"
                "      KL mean       KL 99%       KL max  same top     top 5\n");
    for (size_t i = 0; i < c->n_prompts; i++) {
        snprintf(name, sizeof name, "%zu", i);
        put_row(b, name, &c->sums[i], true);
    }
    if (c->n_prompts > 1)
        put_row(b, "all", &c->all, false);
}

/* ---- for programs ------------------------------------------------------------------------- */

static void put_kdouble(struct json_out *o, const char *key, double v)
{
    json_put_key(o, str_of(key));
    json_put_double(o, v);
}

static void put_kplace(struct json_out *o, const char *key, size_t row)
{
    json_put_key(o, str_of(key));
    if (row == SIZE_MAX)
        json_put_null(o);
    else
        json_put_u64(o, row);
}

void divergence_json(struct json_out *o, const struct divergence_summary *s)
{
    json_put_ku64(o, "tokens", s->rows);
    json_put_ku64(o, "identical_tokens", s->identical);
    put_kplace(o, "first_different", s->first_different);
    put_kplace(o, "first_parted", s->first_parted);
    put_kdouble(o, "max_abs", s->max_abs);
    put_kdouble(o, "mean_abs", s->mean_abs);
    put_kdouble(o, "nmse", s->nmse);
    put_kdouble(o, "kl_mean", s->kl_mean);
    put_kdouble(o, "kl_median", s->kl_median);
    put_kdouble(o, "kl_90", s->kl_90);
    put_kdouble(o, "kl_99", s->kl_99);
    put_kdouble(o, "kl_999", s->kl_999);
    put_kdouble(o, "kl_max", s->kl_max);
    put_kdouble(o, "same_top", s->same_top);
    put_kdouble(o, "top_5", s->top_5);
    if (!s->scored)
        return;
    put_kdouble(o, "dp_mean", s->dp_mean);
    put_kdouble(o, "dp_rms", s->dp_rms);
    put_kdouble(o, "dp_max", s->dp_max);
    put_kdouble(o, "perplexity_ratio", s->ratio);
}

static void json_step(struct json_out *o, const struct bisect_step *s)
{
    json_put_open(o, '{');
    json_put_key(o, STR("layer"));
    if (s->layer == UINT32_MAX)
        json_put_null(o);
    else
        json_put_u64(o, s->layer);
    json_put_kstr(o, "step", str_of(s->name));
    json_put_kbool(o, "differs", s->differs);
    if (s->differs) {
        json_put_ku64(o, "prompt", s->prompt);
        json_put_ku64(o, "token", s->token);
        put_kdouble(o, "max_abs", s->max_abs);
        put_kdouble(o, "nmse", s->sum_sq > 0 ? s->sum_sq / s->sum_ref : 0);
    }
    json_put_close(o, '}');
}

void logits_comparison_json(struct json_out *o, const struct logits_comparison *c)
{
    json_put_key(o, STR("all"));
    json_put_open(o, '{');
    divergence_json(o, &c->all);
    json_put_close(o, '}');
    json_put_key(o, STR("prompts"));
    json_put_open(o, '[');
    for (size_t i = 0; i < c->n_prompts; i++) {
        json_put_open(o, '{');
        divergence_json(o, &c->sums[i]);
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
    if (!c->bisection)
        return;
    json_put_key(o, STR("steps"));
    json_put_open(o, '[');
    for (size_t i = 0; i < c->bisection->n_steps; i++)
        json_step(o, &c->bisection->steps[i]);
    json_put_close(o, ']');
}
