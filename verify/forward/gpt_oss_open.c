/* gpt_oss_open.c - a gpt-oss before it computes: settings read and checked, weights found. */
#include "verify/forward/gpt_oss.h"

#include "formats/family/gpt_oss.h"
#include "quant/exact.h"

/* ---- settings --------------------------------------------------------------------------- */

/* A setting between low and high. */
static double setting(const struct session *s, const char *hf, double low, double high,
                      struct err *e)
{
    const struct config *c = s->view.config;
    size_t i = gpt_oss_setting(hf);
    const char *path = c->path ? c->path : s->model->path;
    if (!c->of[i].known) {
        err_set(e, ERR_INPUT, "%s: says nothing of %s, which the forward pass needs", path, hf);
        err_hint(e, "--config FILE names a config.json that does");
        return low;
    }
    double v = c->of[i].value;
    if (!(v >= low && v <= high)) {
        err_set(e, ERR_INPUT, "%s: %s is %g, it should be between %g and %g", path, hf, v, low,
                high);
        return low;
    }
    return v;
}

static size_t whole(const struct session *s, const char *hf, struct err *e)
{
    return (size_t)setting(s, hf, 1, UINT32_MAX, e);
}

/* The sizes of the weights are those of the view, which has checked that they agree. */
static bool read_settings(struct session *s, struct settings *is, struct err *e)
{
    const uint64_t *dims = s->view.dims;
    const struct config *c = s->view.config;
    *is = (struct settings){
        .layers = s->view.n_layers,
        .hidden = dims[DIM_HIDDEN],
        .heads = dims[DIM_HEADS],
        .kv_heads = whole(s, "num_key_value_heads", e),
        .dim = whole(s, "head_dim", e),
        .experts = dims[DIM_EXPERTS],
        .active = whole(s, "experts_per_token", e),
        .inner = dims[DIM_INNER],
        .vocab = dims[DIM_VOCAB],
        .window = whole(s, "sliding_window", e),
        .eps = (float)setting(s, "rms_norm_eps", 0, 1, e),
        .limit = (float)setting(s, "swiglu_limit", 0, 3e38, e),
        .theta = setting(s, "rope_theta", 1.5, 1e30, e),
        .factor = gpt_oss_scaled_rope(c) ? setting(s, "rope_scaling.factor", 1, 1e6, e) : 1,
        .alpha = setting(s, "rope_scaling.beta_slow", 1e-6, 1e6, e),
        .beta = setting(s, "rope_scaling.beta_fast", 1e-6, 1e6, e),
        .first_context = setting(s, "initial_context_length", 1, UINT32_MAX, e),
    };
    size_t truncate = gpt_oss_setting("rope_scaling.truncate");
    is->truncate =
        (c->of[truncate].known && c->of[truncate].value != 0) || s->options.rope == ROPE_LLAMA_CPP;
    is->sliding = arena_new(&s->arena, bool, is->layers, e);
    s->vocab = is->vocab;
    s->context = whole(s, "max_position_embeddings", e);
    return is->sliding && e->code == ERR_NONE && gpt_oss_layers(c, is->sliding, is->layers, e);
}

static bool check_settings(const struct session *s, const struct settings *is, struct err *e)
{
    const uint64_t *dims = s->view.dims;
    uint64_t q, kv;
    if (is->dim % 2 || is->heads % is->kv_heads || !size_mul(is->heads, is->dim, &q) ||
        !size_mul(is->kv_heads, is->dim, &kv) || q != dims[DIM_Q] || kv != dims[DIM_KV])
        return err_set(e, ERR_INPUT, "%s: %zu heads and %zu kv heads of %zu numbers do not fit",
                       s->model->path, is->heads, is->kv_heads, is->dim);
    if (is->active > is->experts)
        return err_set(e, ERR_INPUT, "%s: %zu experts per token of %zu", s->model->path, is->active,
                       is->experts);
    const struct config *c = s->view.config;
    if (!gpt_oss_scaled_rope(c) && !str_is(c->rope, "default"))
        return err_set(e, ERR_UNSUPPORTED, "%s: its rope scaling is " STR_FMT, s->model->path,
                       STR_ARG(c->rope));
    if ((double)s->context > EXACT_ANGLE)
        return err_set(e, ERR_UNSUPPORTED, "%s: a context of %llu is more than we compute, %.0f",
                       s->model->path, (unsigned long long)s->context, EXACT_ANGLE);
    return true;
}

/* ---- weights and state ---------------------------------------------------------------- */

static bool matrix(const struct session *s, struct matrix *m, size_t row, uint32_t layer)
{
    size_t i = session_atom(s, row, layer);
    if (i != SIZE_MAX)
        *m = (struct matrix){ i, 0, s->view.atoms[i].rows, s->view.atoms[i].cols };
    return i != SIZE_MAX;
}

static bool open_layer(struct session *s, struct layer *w, uint32_t l, struct err *e)
{
    const struct {
        size_t row;
        struct matrix *to;
    } matrices[] = {
        { Q_W, &w->q },           { K_W, &w->k },       { V_W, &w->v },   { O_W, &w->o },
        { ROUTER_W, &w->router }, { GATE_W, &w->gate }, { UP_W, &w->up }, { DOWN_W, &w->down },
    };
    const struct {
        size_t row;
        float **to;
    } vectors[] = {
        { ATTN_NORM, &w->attn_norm }, { MLP_NORM, &w->mlp_norm },    { Q_B, &w->q_bias },
        { K_B, &w->k_bias },          { V_B, &w->v_bias },           { O_B, &w->o_bias },
        { SINKS, &w->sinks },         { ROUTER_B, &w->router_bias }, { GATE_B, &w->gate_bias },
        { UP_B, &w->up_bias },        { DOWN_B, &w->down_bias },
    };
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        matrix(s, matrices[i].to, matrices[i].row, l); /* the view has every atom but the output */
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        if (!(*vectors[i].to = session_vector(s, session_atom(s, vectors[i].row, l), e)))
            return false;
    return true;
}

static bool open_state(struct session *s, struct gpt_oss *g, struct err *e)
{
    const struct settings *is = &g->is;
    size_t C = s->chunk, H = is->hidden, W = is->heads * is->dim, K = is->active;
    const struct {
        float **to;
        uint64_t width;
    } buffers[] = {
        { &g->x, H },
        { &g->y, H },
        { &g->q, W },
        { &g->heads, W },
        { &g->cos, is->dim / 2 },
        { &g->sin, is->dim / 2 },
        { &g->scores, is->experts },
        { &g->weights, K },
        { &g->routed, H },
        { &g->gate, is->inner },
        { &g->up, is->inner },
        { &g->down, H },
        { &g->mixed, (uint64_t)K * H },
    };
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (!(*buffers[i].to = session_floats(s, C, buffers[i].width, e)))
            return false;
    g->chosen = arena_new(&s->arena, uint32_t, C * K, e);
    g->slots = arena_new(&s->arena, size_t, C, e);
    return g->chosen && g->slots;
}

bool gpt_oss_open(struct session *s, struct err *e)
{
    struct gpt_oss *g = arena_new(&s->arena, struct gpt_oss, 1, e);
    s->state = g;
    if (!g || !read_settings(s, &g->is, e) || !check_settings(s, &g->is, e))
        return false;
    g->embedding = session_atom(s, EMBED, 0);
    g->out_norm = session_vector(s, session_atom(s, OUT_NORM, 0), e);
    if (!matrix(s, &g->output, OUTPUT, 0)) /* tied */
        matrix(s, &g->output, EMBED, 0);
    g->layers = arena_new(&s->arena, struct layer, g->is.layers, e);
    if (!g->out_norm || !g->layers)
        return false;
    for (uint32_t l = 0; l < g->is.layers; l++)
        if (!open_layer(s, &g->layers[l], l, e))
            return false;
    return open_state(s, g, e);
}

void gpt_oss_close(struct session *s)
{
    struct gpt_oss *g = s->state;
    for (uint32_t l = 0; g && g->layers && l < g->is.layers; l++) {
        mem_free(g->layers[l].kv.k);
        mem_free(g->layers[l].kv.v);
    }
}
