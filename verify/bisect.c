/* bisect.c - the first step of the forward pass at which two models part. */
#include "verify/bisect.h"

static bool fail(struct bisection *b)
{
    b->failed = true;
    return false;
}

/* ---- the first model ------------------------------------------------------------------ */

static bool room_for(struct bisection *b, size_t n)
{
    if (n <= b->room - b->n_values)
        return true;
    size_t room = b->n_values + n > 2 * b->room ? b->n_values + n : 2 * b->room;
    if (!weights_reserve(&b->session->weights, (room - b->room) * sizeof(float), b->err))
        return fail(b);
    float *more = mem_resize(b->values, room * sizeof(float), b->err);
    if (!more)
        return fail(b);
    b->values = more;
    b->room = room;
    return true;
}

/* The step of that number; they are the same in every run. */
static struct bisect_step *step_of(struct bisection *b, size_t i, uint32_t layer, const char *name)
{
    if (i == b->n_steps) {
        struct bisect_step *more =
            arena_append(&b->arena, b->steps, sizeof *more, b->n_steps, b->err);
        if (!more) {
            fail(b);
            return NULL;
        }
        b->steps = more;
        b->steps[b->n_steps++] = (struct bisect_step){
            .layer = layer,
            .name = name,
            .residual = strcmp(name, "attn") == 0 || strcmp(name, "mlp") == 0,
        };
    }
    return &b->steps[i];
}

static void keep(void *ctx, uint32_t layer, const char *name, const float *x, uint64_t position,
                 size_t T, size_t width)
{
    struct bisection *b = ctx;
    (void)position;
    if (b->next_value) { /* the second model is done with the run before */
        b->n_values = b->next_value = 0;
        b->next_step = 0;
    }
    if (b->failed || !room_for(b, T * width) || !step_of(b, b->next_step++, layer, name))
        return;
    memcpy(b->values + b->n_values, x, T * width * sizeof *x);
    b->n_values += T * width;
}

/* ---- the second --------------------------------------------------------------------------- */

static void compare_row(const struct bisection *b, struct bisect_step *s, const float *a,
                        const float *x, uint64_t token, size_t width)
{
    if (!s->differs && memcmp(a, x, width * sizeof *x) != 0) {
        s->differs = true;
        s->prompt = b->prompt;
        s->token = token;
    }
    for (size_t i = 0; i < width; i++) {
        double off = a[i] == x[i] ? 0 : (double)x[i] - (double)a[i], size = off < 0 ? -off : off;
        s->max_abs = size > s->max_abs ? size : s->max_abs;
        s->sum_sq += off * off;
        s->sum_ref += (double)a[i] * (double)a[i];
    }
}

static void compare(void *ctx, uint32_t layer, const char *name, const float *x, uint64_t position,
                    size_t T, size_t width)
{
    struct bisection *b = ctx;
    if (b->failed)
        return;
    if (!b->next_value)
        b->next_step = 0;
    struct bisect_step *s = b->next_step < b->n_steps ? &b->steps[b->next_step++] : NULL;
    if (!s || s->layer != layer || strcmp(s->name, name) != 0 ||
        T * width > b->n_values - b->next_value) {
        err_set(b->err, ERR_MISMATCH, "the models have not the same layers and sizes");
        fail(b);
        return;
    }
    for (size_t t = 0; t < T; t++)
        compare_row(b, s, b->values + b->next_value + t * width, x + t * width, position + t,
                    width);
    b->next_value += T * width;
}

/* ---- life ------------------------------------------------------------------------------------ */

void bisect_open(struct bisection *b, struct session *first, struct session *second, struct err *e)
{
    *b = (struct bisection){ .session = first, .err = e };
    first->options.watch = keep;
    second->options.watch = compare;
    first->options.watch_ctx = second->options.watch_ctx = b;
}

void bisect_close(struct bisection *b)
{
    mem_free(b->values);
    arena_free(&b->arena);
    *b = (struct bisection){ 0 };
}

bool bisect_ok(const struct bisection *b) { return !b->failed; }

const struct bisect_step *bisect_first(const struct bisection *b)
{
    for (size_t i = 0; i < b->n_steps; i++)
        if (b->steps[i].differs)
            return &b->steps[i];
    return NULL;
}
