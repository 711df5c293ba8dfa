/* gpt_oss.c - gpt-oss as formulas: positions, keys and values, experts, and how they meet.
 *
 * Source: openai/gpt-oss, gpt_oss/torch/model.py.  The letters of the shapes are those of
 * gpt_oss.h; @ is a product with the transposed weights. */
#include "verify/forward/gpt_oss.h"

#include "quant/exact.h"

#include <string.h>

/* ---- positions ------------------------------------------------------------------------- */

/* Largest whole number not above x. */
static double whole_below(double x)
{
    double t = (double)(int64_t)x;
    return t > x ? t - 1 : t;
}

/* The dimension whose angle turns `turns` times in the context of the training. */
static double turning(const struct settings *is, double turns)
{
    const double two_pi = 6.283185307179586;
    return (double)is->dim / 2 * exact_log(is->first_context / (turns * two_pi)) /
           exact_log(is->theta);
}

/* YaRN: angle j of position p is p * frequency[j], the slow ones stretched by `factor`, between
 * dimensions low and high in part.  Rounded as the reference: frequencies in f32, the rest in
 * double until it meets them. */
static float frequency(const struct settings *is, size_t j)
{
    double exponent = (double)((float)(2 * j) / (float)is->dim);
    float f = (float)exact_exp(exponent * exact_log(is->theta));
    if (!(is->factor > 1))
        return 1.0f / f;
    double low = turning(is, is->beta), high = turning(is, is->alpha);
    if (is->truncate) {
        low = whole_below(low);
        high = -whole_below(-high);
        low = low > 0 ? low : 0;
        high = high < (double)is->dim - 1 ? high : (double)is->dim - 1;
        high += low == high ? 0.001 : 0;
    }
    float ramp = ((float)j - (float)low) / (float)(high - low);
    float mask = 1.0f - (ramp < 0 ? 0 : ramp > 1 ? 1 : ramp);
    return 1.0f / ((float)is->factor * f) * (1.0f - mask) + 1.0f / f * mask;
}

/* cos and sin (T, D/2) of positions from `position` on, times the attention's temperature. */
static void angles(struct gpt_oss *g, const struct ops *o, uint64_t position, size_t T)
{
    const struct settings *is = &g->is;
    float concentration = is->factor > 1 ? (float)(0.1 * exact_log(is->factor) + 1.0) : 1;
    size_t half = is->dim / 2;
    for (size_t j = 0; j < half; j++) {
        float f = frequency(is, j);
        for (size_t t = 0; t < T; t++) {
            double angle = (double)((float)(position + t) * f);
            g->cos[t * half + j] = (float)exact_cos(angle) * concentration;
            g->sin[t * half + j] = (float)exact_sin(angle) * concentration;
        }
    }
    round_all(o, g->cos, T * half);
    round_all(o, g->sin, T * half);
}

/* ---- keys and values ------------------------------------------------------------------- */

/* Makes room for T more tokens.  A sliding layer needs window - 1 of those before. */
static bool kv_room(struct session *s, struct kv *kv, uint64_t window, size_t T, size_t width,
                    struct err *e)
{
    uint64_t end = s->position + T, row = width * sizeof(float);
    uint64_t keep = window && window - 1 < s->position ? s->position - (window - 1) : 0;
    if (end - kv->first <= kv->room)
        return true;
    if (keep > kv->first && keep - kv->first >= kv->room / 4) { /* else it would be at each token */
        size_t n = (size_t)(s->position - keep) * width, skip = (size_t)(keep - kv->first) * width;
        memmove(kv->k, kv->k + skip, n * sizeof(float));
        memmove(kv->v, kv->v + skip, n * sizeof(float));
        kv->first = keep;
    }
    if (end - kv->first <= kv->room)
        return true;
    uint64_t room = end - kv->first > 2 * kv->room ? end - kv->first : 2 * kv->room, bytes;
    if (!size_mul(room, row, &bytes) ||
        !weights_reserve(&s->weights, 2 * (bytes - kv->room * row), e))
        return err_set(e, ERR_MEMORY, "out of memory");
    float *k = mem_resize(kv->k, bytes, e);
    kv->k = k ? k : kv->k;
    float *v = k ? mem_resize(kv->v, bytes, e) : NULL;
    kv->v = v ? v : kv->v;
    kv->room = v ? room : kv->room;
    return v != NULL;
}

/* ---- experts --------------------------------------------------------------------------- */

static struct matrix of_expert(struct matrix all, size_t expert)
{
    all.group = expert;
    return all;
}

/* routed (n, H): those of the T tokens of y that chose the expert; returns n. */
static size_t gather(struct gpt_oss *g, size_t expert, size_t T)
{
    size_t n = 0, K = g->is.active, H = g->is.hidden;
    for (size_t i = 0; i < T * K; i++)
        if (g->chosen[i] == expert) {
            memcpy(g->routed + n * H, g->y + i / K * H, H * sizeof(float));
            g->slots[n++] = i;
        }
    return n;
}

/* mixed (T, K, H): what the expert made of its n tokens goes where they chose it. */
static void scatter(struct gpt_oss *g, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(g->mixed + g->slots[i] * g->is.hidden, g->down + i * g->is.hidden,
               g->is.hidden * sizeof(float));
}

/* ---- the graph ------------------------------------------------------------------------- */

// clang-format off
static void forward(struct session *s, const uint32_t *ids, size_t T)
{
    struct gpt_oss *g = s->state;
    struct ops *o = &s->ops;
    const struct settings *is = &g->is;
    size_t H = is->hidden, N = is->heads, M = is->kv_heads, D = is->dim, E = is->experts,
           K = is->active, I = is->inner;
    struct attention look = { N, M, D, s->position, 0, (float)(1 / exact_sqrt((double)D)), NULL };
    float *x = g->x, *y = g->y;

    angles(g, o, s->position, T);                               /* cos, sin (T, D/2) */
    embed(o, x, g->embedding, ids, T, H);                       /* (T, H) */
    session_see(s, UINT32_MAX, "embed", x, T, H);
    for (uint32_t l = 0; l < is->layers && ops_ok(o); l++) {
        struct layer *w = &g->layers[l];
        look.window = is->sliding[l] ? is->window : 0;
        look.sinks = w->sinks;
        if (!kv_room(s, &w->kv, look.window, T, M * D, o->err))
            return;
        float *k = w->kv.k + (s->position - w->kv.first) * M * D;
        float *v = w->kv.v + (s->position - w->kv.first) * M * D;

        rmsnorm(o, y, x, w->attn_norm, T, H, is->eps);          /* (T, H) */
        session_see(s, l, "attn_norm", y, T, H);
        linear(o, g->q, y, w->q, w->q_bias, T);                 /* (T, N D) = (T, H) @ (H, N D) */
        linear(o, k, y, w->k, w->k_bias, T);                    /* (T, M D) = (T, H) @ (H, M D) */
        linear(o, v, y, w->v, w->v_bias, T);                    /* (T, M D) = (T, H) @ (H, M D) */
        rope(o, g->q, g->cos, g->sin, T, N, D);                 /* (T, N D) */
        rope(o, k, g->cos, g->sin, T, M, D);                    /* (T, M D) */
        session_see(s, l, "q", g->q, T, N * D);
        session_see(s, l, "k", k, T, M * D);
        session_see(s, l, "v", v, T, M * D);
        attention(o, g->heads, g->q, &w->kv, &look, T);         /* (T, N D) */
        session_see(s, l, "heads", g->heads, T, N * D);
        linear(o, y, g->heads, w->o, w->o_bias, T);             /* (T, H) = (T, N D) @ (N D, H) */
        add(o, x, y, T * H);                                    /* (T, H) */
        session_see(s, l, "attn", x, T, H);

        rmsnorm(o, y, x, w->mlp_norm, T, H, is->eps);           /* (T, H) */
        session_see(s, l, "mlp_norm", y, T, H);
        linear(o, g->scores, y, w->router, w->router_bias, T);  /* (T, E) = (T, H) @ (H, E) */
        session_see(s, l, "router", g->scores, T, E);
        top_k(o, g->chosen, g->weights, g->scores, T, E, K);    /* (T, K) */
        for (size_t e = 0; e < E && ops_ok(o); e++) {
            size_t n = gather(g, e, T);                         /* routed (n, H) of y (T, H) */
            if (n == 0)
                continue;
            struct matrix gate = of_expert(w->gate, e), up = of_expert(w->up, e),
                          down = of_expert(w->down, e);
            linear(o, g->gate, g->routed, gate, NULL, n);       /* (n, I) = (n, H) @ (H, I) */
            add_bias(o, g->gate, w->gate_bias + e * I, n, I);   /* (n, I); after R, unlike the others */
            linear(o, g->up, g->routed, up, NULL, n);           /* (n, I) = (n, H) @ (H, I) */
            add_bias(o, g->up, w->up_bias + e * I, n, I);       /* (n, I) */
            swiglu(o, g->gate, g->up, n * I, is->limit);        /* (n, I) */
            linear(o, g->down, g->gate, down, NULL, n);         /* (n, H) = (n, I) @ (I, H) */
            add_bias(o, g->down, w->down_bias + e * H, n, H);   /* (n, H) */
            scatter(g, n);                                      /* mixed (T, K, H) */
        }
        combine(o, y, g->weights, g->mixed, T, K, H);           /* (T, H) = (T, K) @ (T, K, H) */
        add(o, x, y, T * H);                                    /* (T, H) */
        session_see(s, l, "mlp", x, T, H);
    }
    rmsnorm(o, y, x, g->out_norm, T, H, is->eps);               /* (T, H) */
    session_see(s, UINT32_MAX, "out_norm", y, T, H);
}
// clang-format on

/* (n, V) = (n, H) @ (H, V) */
static void logits(struct session *s, size_t first, size_t n, float *out)
{
    struct gpt_oss *g = s->state;
    linear(&s->ops, out, g->y + first * g->is.hidden, g->output, NULL, n);
}

static void reset(struct session *s)
{
    struct gpt_oss *g = s->state;
    for (uint32_t l = 0; l < g->is.layers; l++)
        g->layers[l].kv.first = 0;
}

const struct graph graph_gpt_oss = { &family_gpt_oss, gpt_oss_open, forward,
                                     logits,          reset,        gpt_oss_close };
