/* ops.c - what each operation computes, in which order, rounded where. */
#include "verify/forward/ops.h"

#include "quant/exact.h"

bool ops_ok(const struct ops *o) { return o->err->code == ERR_NONE; }

/* R: to bf16 and back where the arithmetic says so. */
static float rounded(const struct ops *o, float x)
{
    return o->arith == ARITH_BF16 ? bf16_to_f32(f32_to_bf16(x)) : x;
}

void round_all(const struct ops *o, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rounded(o, x[i]);
}

bool ops_scratch(struct ops *o, size_t n, struct err *e)
{
    uint64_t bytes, all, workers = team_workers(o->team);
    if (n <= o->scratch_room)
        return true;
    n += 4096 - n % 4096; /* one more token is not one more allocation */
    if (!size_mul(n, sizeof(float), &bytes) || !size_mul(bytes, workers, &all))
        return err_set(e, ERR_MEMORY, "out of memory");
    if (!weights_reserve(o->weights, all - workers * o->scratch_room * sizeof(float), e))
        return false;
    for (unsigned i = 0; i < workers; i++) {
        float *more = mem_resize(o->scratch[i], bytes, e);
        if (!more)
            return false;
        o->scratch[i] = more;
    }
    o->scratch_room = n;
    return true;
}

void ops_free(struct ops *o)
{
    for (unsigned i = 0; o->scratch && i < team_workers(o->team); i++)
        mem_free(o->scratch[i]);
    *o = (struct ops){ 0 };
}

/* Runs jobs on the team, or here where waking it would cost more than the work. */
static void run(struct ops *o, size_t n_jobs, uint64_t multiplications, pool_job *job, void *ctx)
{
    enum { WORTH_WAKING = 1 << 16 };
    if (!ops_ok(o))
        return;
    if (multiplications >= WORTH_WAKING) {
        if (!team_run(o->team, n_jobs, job, ctx, o->err) && ops_ok(o))
            err_set(o->err, ERR_INTERNAL, "a job failed without a word");
        return;
    }
    for (size_t i = 0; i < n_jobs; i++)
        job(ctx, i, 0, o->err);
}

/* ---- matrix products ----------------------------------------------------------------------- */

/* Weights of a type without a kernel are decoded row by row: the products are the same. */
static matmul_fn *kernel_of(const struct kernels *k, enum dtype t)
{
    return t == DTYPE_F32     ? k->matmul_f32
           : t == DTYPE_F16   ? k->matmul_f16
           : t == DTYPE_BF16  ? k->matmul_bf16
           : t == DTYPE_MXFP4 ? k->matmul_mxfp4
                              : NULL;
}

struct product {
    struct ops *o;
    float *out;        /* (T, stride), from this unit's first row on */
    const float *x;    /* (T, cols) */
    const float *bias; /* (rows) or NULL */
    const uint8_t *w;  /* (rows, cols) as stored */
    size_t T, stride, rows, cols, row_bytes, per_job;
    enum dtype dtype;
};

static bool product_rows(void *ctx, size_t job, unsigned worker, struct err *e)
{
    const struct product *p = ctx;
    const struct ops *o = p->o;
    size_t r0 = job * p->per_job, r1 = r0 + p->per_job < p->rows ? r0 + p->per_job : p->rows;
    matmul_fn *matmul = kernel_of(&o->k, p->dtype);
    (void)e;
    if (matmul)
        matmul(p->out + r0, p->stride, p->w + r0 * p->row_bytes, p->row_bytes, r1 - r0, p->x,
               p->cols, p->T, p->cols);
    for (size_t r = r0; !matmul && r < r1; r++) {
        float *row = o->scratch[worker];
        decode_f32(p->dtype, row, p->w + r * p->row_bytes, p->cols);
        o->k.matmul_f32(p->out + r, p->stride, row, 0, 1, p->x, p->cols, p->T, p->cols);
    }
    for (size_t t = 0; t < p->T && (p->bias || o->arith != ARITH_F32); t++)
        for (size_t r = r0; r < r1; r++) {
            float *y = &p->out[t * p->stride + r];
            *y = rounded(o, p->bias ? *y + p->bias[r] : *y);
        }
    return true;
}

void linear(struct ops *o, float *out, const float *x, struct matrix w, const float *bias, size_t T)
{
    for (uint64_t row = 0, n; ops_ok(o) && row < w.rows; row += n) {
        const uint8_t *stored = weights_rows(o->weights, w.atom, w.group, row, &n, o->err);
        if (!stored)
            return;
        struct product p = {
            .o = o,
            .out = out + row,
            .x = x,
            .bias = bias ? bias + row : NULL,
            .w = stored,
            .T = T,
            .stride = w.rows,
            .rows = n,
            .cols = w.cols,
            .row_bytes = weights_row_bytes(o->weights, w.atom),
            .dtype = weights_dtype(o->weights, w.atom),
        };
        size_t share = n / (8 * team_workers(o->team)); /* small enough to even out */
        p.per_job = share > 16 ? share : 16;
        run(o, (n + p.per_job - 1) / p.per_job, (uint64_t)T * n * w.cols, product_rows, &p);
    }
}

void embed(struct ops *o, float *x, size_t atom, const uint32_t *ids, size_t T, size_t cols)
{
    for (size_t t = 0; t < T; t++)
        if (!ops_ok(o) || !weights_decode(o->weights, atom, ids[t], 1, x + t * cols, o->err))
            return;
    round_all(o, x, T * cols);
}

void add_bias(const struct ops *o, float *x, const float *bias, size_t T, size_t n)
{
    for (size_t t = 0; t < T; t++)
        add(o, x + t * n, bias, n);
}

void add(const struct ops *o, float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rounded(o, x[i] + y[i]);
}

/* ---- norm and position --------------------------------------------------------------------- */

void rmsnorm(const struct ops *o, float *out, const float *x, const float *gain, size_t T, size_t n,
             float eps)
{
    for (size_t t = 0; t < T; t++, x += n, out += n) {
        float squares;
        o->k.matmul_f32(&squares, 1, x, 0, 1, x, n, 1, n);
        float by = 1.0f / exact_sqrtf(squares / (float)n + eps);
        for (size_t i = 0; i < n; i++)
            out[i] = rounded(o, x[i] * by * gain[i]);
    }
}

void rope(const struct ops *o, float *x, const float *cos, const float *sin, size_t T, size_t heads,
          size_t dim)
{
    size_t half = dim / 2;
    for (size_t t = 0; t < T; t++, cos += half, sin += half)
        for (size_t h = 0; h < heads; h++, x += dim)
            for (size_t j = 0; j < half; j++) {
                float a = x[j], b = x[j + half];
                x[j] = rounded(o, rounded(o, a * cos[j]) - rounded(o, b * sin[j]));
                x[j + half] = rounded(o, rounded(o, b * cos[j]) + rounded(o, a * sin[j]));
            }
}

/* ---- attention ----------------------------------------------------------------------------- */

static float largest(const float *x, size_t n)
{
    float most = x[0];
    for (size_t i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* By the tree: x[i] * 1 is x[i]. */
static float sum(const struct ops *o, const float *x, size_t n)
{
    float one = 1, total;
    o->k.weighted_sum(&total, x, &one, 0, n, 1);
    return total;
}

/* x (n) = R(softmax(x)), where *sink, unless NULL, takes part and is left out. */
static void softmax(const struct ops *o, float *x, size_t n, const float *sink)
{
    float most = largest(x, n);
    most = sink && *sink > most ? *sink : most;
    for (size_t i = 0; i < n; i++)
        x[i] = exact_expf(x[i] - most);
    float total = sum(o, x, n) + (sink ? exact_expf(*sink - most) : 0);
    for (size_t i = 0; i < n; i++)
        x[i] = rounded(o, x[i] / total);
}

struct attending {
    struct ops *o;
    float *out;
    const float *q;
    const struct kv *kv;
    const struct attention *a;
};

/* One token and the query heads of one kv head. */
static bool attend(void *ctx, size_t job, unsigned worker, struct err *e)
{
    const struct attending *c = ctx;
    const struct ops *o = c->o;
    const struct attention *a = c->a;
    size_t t = job / a->kv_heads, g = job % a->kv_heads, group = a->heads / a->kv_heads;
    uint64_t end = a->position + t + 1; /* one past itself */
    uint64_t begin = a->window && end > a->window ? end - a->window : 0;
    size_t n = (size_t)(end - begin), width = a->kv_heads * a->dim;
    size_t at = (size_t)(begin - c->kv->first) * width + g * a->dim;
    size_t head = t * a->heads + g * group;
    float *s = o->scratch[worker]; /* (group, n) */
    (void)e;
    o->k.matmul_f32(s, n, c->kv->k + at, width * sizeof(float), n, c->q + head * a->dim, a->dim,
                    group, a->dim);
    for (size_t h = 0; h < group; h++, s += n) {
        float *out = c->out + (head + h) * a->dim;
        for (size_t j = 0; j < n; j++)
            s[j] = rounded(o, rounded(o, s[j]) * a->scale);
        softmax(o, s, n, &a->sinks[g * group + h]);
        o->k.weighted_sum(out, s, c->kv->v + at, width, n, a->dim);
        for (size_t d = 0; d < a->dim; d++)
            out[d] = rounded(o, out[d]);
    }
    return true;
}

void attention(struct ops *o, float *out, const float *q, const struct kv *kv,
               const struct attention *a, size_t T)
{
    struct attending c = { o, out, q, kv, a };
    uint64_t seen = a->position + T, each = a->window && a->window < seen ? a->window : seen;
    if (!ops_ok(o) || !ops_scratch(o, a->heads / a->kv_heads * (size_t)each, o->err))
        return;
    run(o, T * a->kv_heads, T * a->heads * a->dim * each, attend, &c);
}

/* ---- experts ------------------------------------------------------------------------------- */

void top_k(const struct ops *o, uint32_t *chosen, float *weight, const float *x, size_t T, size_t n,
           size_t k)
{
    for (size_t t = 0; t < T; t++, x += n, chosen += k, weight += k) {
        for (size_t j = 0; j < k; j++) {
            size_t best = n;
            for (size_t i = 0; i < n; i++) {
                bool taken = false;
                for (size_t b = 0; b < j; b++)
                    taken = taken || chosen[b] == i;
                if (!taken && (best == n || x[i] > x[best]))
                    best = i;
            }
            chosen[j] = (uint32_t)best;
            weight[j] = x[best];
        }
        softmax(o, weight, k, NULL);
    }
}

struct gating {
    const struct ops *o;
    float *gate;
    const float *up;
    size_t n, per_job;
    float limit;
};

static bool gate_some(void *ctx, size_t job, unsigned worker, struct err *e)
{
    const struct gating *c = ctx;
    const struct ops *o = c->o;
    size_t i0 = job * c->per_job, i1 = i0 + c->per_job < c->n ? i0 + c->per_job : c->n;
    (void)worker;
    (void)e;
    for (size_t i = i0; i < i1; i++) {
        float g = c->gate[i], u = c->up[i];
        g = g > c->limit ? c->limit : g; /* not from below */
        u = u > c->limit ? c->limit : u < -c->limit ? -c->limit : u;
        float sigmoid = rounded(o, 1.0f / (1.0f + exact_expf(-rounded(o, 1.702f * g))));
        c->gate[i] = rounded(o, rounded(o, g * sigmoid) * rounded(o, u + 1.0f));
    }
    return true;
}

void swiglu(struct ops *o, float *gate, const float *up, size_t n, float limit)
{
    struct gating c = { o, gate, up, n, 1024, limit };
    run(o, (n + c.per_job - 1) / c.per_job, (uint64_t)n * 16, gate_some, &c);
}

void combine(const struct ops *o, float *out, const float *weight, const float *x, size_t T,
             size_t k, size_t n)
{
    for (size_t t = 0; t < T; t++, out += n, weight += k, x += k * n) {
        o->k.weighted_sum(out, weight, x, n, k, n);
        for (size_t i = 0; i < n; i++)
            out[i] = rounded(o, out[i]);
    }
}

/* ---- likelihood ---------------------------------------------------------------------------- */

double negative_log_likelihood(const float *x, size_t n, size_t pick)
{
    double most = (double)largest(x, n), total = 0;
    for (size_t i = 0; i < n; i++)
        total += exact_exp((double)x[i] - most);
    return exact_log(total) + most - (double)x[pick];
}
