/* session.c - opening a model to compute with, and feeding it tokens chunk by chunk. */
#include "verify/forward/session.h"

#include "formats/base/text.h"

enum { CHUNK = 256, LOGITS_ROWS = 64 };

const struct graph *const graphs[] = { &graph_gpt_oss, NULL };

/* ---- life -------------------------------------------------------------------------------- */

static bool find_graph(struct session *s, struct err *e)
{
    const struct family *f = s->view.family;
    for (size_t i = 0; f && graphs[i]; i++)
        if (graphs[i]->family == f)
            s->graph = graphs[i];
    if (s->graph)
        return true;
    err_set(e, ERR_UNSUPPORTED, "%s: %s%s", s->model->path,
            f ? "there is no forward pass for " : "the model is of no family we know",
            f ? f->name : "");
    return f ? false
             : err_hint(e, "a model directory needs its config.json; --config FILE names one");
}

static bool open_ops(struct session *s, struct err *e)
{
    uint64_t widest = 0;
    bool bf16 = s->options.arith == ARITH_BF16;
    s->ops = (struct ops){ .k = bf16 ? kernels_in_order() : kernels_for(s->options.isa),
                           .arith = s->options.arith,
                           .weights = &s->weights,
                           .team = s->team,
                           .err = e };
    s->ops.scratch = arena_new(&s->arena, float *, team_workers(s->team), e);
    for (size_t i = 0; i < s->view.n_atoms; i++)
        widest = s->view.atoms[i].cols > widest ? s->view.atoms[i].cols : widest;
    return s->ops.scratch && ops_scratch(&s->ops, (size_t)widest, e);
}

bool session_open(struct session *s, const struct model *m, const struct session_options *opt,
                  struct err *e)
{
    *s = (struct session){ .model = m, .options = *opt, .chunk = opt->chunk ? opt->chunk : CHUNK };
    if (family_open(&s->view, m, opt->config, e) && find_graph(s, e) &&
        (s->team = team_open(opt->jobs ? opt->jobs : pool_cores(), e)) &&
        weights_open(&s->weights, &s->view, s->team, opt->mem, e) && open_ops(s, e) &&
        s->graph->open(s, e))
        return true;
    session_close(s);
    return false;
}

void session_close(struct session *s)
{
    if (s->graph)
        s->graph->close(s);
    mem_free(s->logits);
    ops_free(&s->ops);
    weights_close(&s->weights);
    team_close(s->team);
    family_close(&s->view);
    arena_free(&s->arena);
    *s = (struct session){ 0 };
}

void session_reset(struct session *s)
{
    s->position = 0;
    s->graph->reset(s);
}

/* ---- for graphs -------------------------------------------------------------------------- */

float *session_floats(struct session *s, uint64_t n, uint64_t m, struct err *e)
{
    uint64_t count, bytes;
    if (!size_mul(n, m, &count) || !size_mul(count, sizeof(float), &bytes)) {
        err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    return weights_reserve(&s->weights, bytes, e) ? arena_new(&s->arena, float, count, e) : NULL;
}

void session_see(const struct session *s, uint32_t layer, const char *step, const float *x,
                 size_t T, size_t width)
{
    if (s->options.watch && ops_ok(&s->ops))
        s->options.watch(s->options.watch_ctx, layer, step, x, s->position, T, width);
}

size_t session_atom(const struct session *s, size_t row, uint32_t layer)
{
    for (size_t i = 0; i < s->view.n_atoms; i++)
        if (s->view.atoms[i].row == row && s->view.atoms[i].layer == layer)
            return i;
    return SIZE_MAX;
}

float *session_vector(struct session *s, size_t atom, struct err *e)
{
    const struct atom *a = &s->view.atoms[atom];
    uint64_t n = a->groups * a->rows; /* the view has counted them */
    float *v = session_floats(s, n, a->cols, e);
    return v && weights_decode(&s->weights, atom, 0, n, v, e) ? v : NULL;
}

/* ---- running
 * ------------------------------------------------------------------------------------- */

bool session_check(const struct session *s, const uint32_t *ids, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= s->vocab)
            return err_set(e, ERR_INPUT, "token %zu of the prompt is %u: ids of %s are below %llu",
                           i, ids[i], s->model->path, (unsigned long long)s->vocab);
    if (n > s->context || s->position > s->context - n)
        return err_set(e, ERR_INPUT, "%llu tokens are more than the context of %s, %llu",
                       (unsigned long long)(s->position + n), s->model->path,
                       (unsigned long long)s->context);
    return true;
}

static bool room_for_logits(struct session *s, size_t rows, struct err *e)
{
    uint64_t row = s->vocab * sizeof(float);
    if (rows <= s->logits_room)
        return true;
    if (!weights_reserve(&s->weights, (rows - s->logits_room) * row, e))
        return false;
    float *more = mem_resize(s->logits, rows * row, e);
    if (!more)
        return false;
    s->logits = more;
    s->logits_room = rows;
    return true;
}

/* Infinite weights, or sums that overflowed, end here. */
static bool check_logits(const struct session *s, size_t n, size_t first, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        for (size_t v = 0; v < s->vocab; v++)
            if (s->logits[i * s->vocab + v] != s->logits[i * s->vocab + v])
                return err_set(e, ERR_INPUT,
                               "%s: the logits of token %zu are not numbers: a weight is infinite, "
                               "or a sum overflowed",
                               s->model->path, first + i);
    return true;
}

/* The logits of T tokens just computed, those of ids[at ..], from `from` on. */
static bool hand_over(struct session *s, size_t at, size_t T, size_t from, session_take *take,
                      void *ctx, struct err *e)
{
    for (size_t i = from > at ? from - at : 0, n; i < T; i += n) {
        n = T - i < LOGITS_ROWS ? T - i : LOGITS_ROWS;
        if (!room_for_logits(s, n, e))
            return false;
        s->graph->logits(s, i, n, s->logits);
        if (!ops_ok(&s->ops) || !check_logits(s, n, (size_t)s->position + i, e) ||
            !take(ctx, at + i, n, s->logits, e))
            return false;
    }
    return true;
}

bool session_run(struct session *s, const uint32_t *ids, size_t n, size_t from, session_take *take,
                 void *ctx, struct err *e)
{
    if (!session_check(s, ids, n, e))
        return false;
    s->ops.err = e;
    for (size_t at = 0, T; at < n; at += T) {
        T = n - at < s->chunk ? n - at : s->chunk;
        s->graph->forward(s, ids + at, T);
        if (!ops_ok(&s->ops) || !hand_over(s, at, T, from, take, ctx, e))
            return false;
        s->position += T;
    }
    return true;
}

/* ---- likelihood -------------------------------------------------------------------------- */

struct scoring {
    const struct session *s;
    const uint32_t *ids;
    size_t n, first;
    const float *logits;
    double *nll;
};

static bool score(void *ctx, size_t job, unsigned worker, struct err *e)
{
    const struct scoring *c = ctx;
    size_t i = c->first + job;
    (void)worker;
    (void)e;
    if (i + 1 < c->n)
        c->nll[i] =
            negative_log_likelihood(c->logits + job * c->s->vocab, c->s->vocab, c->ids[i + 1]);
    return true;
}

static bool score_rows(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    struct scoring *c = ctx;
    c->first = first;
    c->logits = logits;
    return team_run(c->s->team, n, score, c, e);
}

bool session_nll(struct session *s, const uint32_t *ids, size_t n, double *nll, struct err *e)
{
    struct scoring c = { .s = s, .ids = ids, .n = n, .nll = nll };
    session_reset(s);
    return session_run(s, ids, n, 0, score_rows, &c, e);
}
