/* pair.c - two models fed the same tokens side by side, a piece of the text at a time. */
#include "verify/pair.h"

bool pair_open(struct pair *p, const struct model *a, const struct model *b,
               const struct session_options *opt, size_t piece, struct err *e)
{
    struct session_options half = *opt;
    *p = (struct pair){ .piece = piece };
    half.mem = opt->mem > 1 ? opt->mem / 2 : opt->mem;
    bool ok = session_open(&p->a, a, &half, e) && session_open(&p->b, b, &half, e);
    if (ok && p->a.vocab != p->b.vocab)
        ok = err_set(e, ERR_MISMATCH, "%s has %llu logits, %s has %llu", a->path,
                     (unsigned long long)p->a.vocab, b->path, (unsigned long long)p->b.vocab);
    if (ok && (p->logits = session_floats(&p->a, piece, p->a.vocab, e)))
        return true;
    pair_close(p);
    return false;
}

void pair_close(struct pair *p)
{
    session_close(&p->a);
    session_close(&p->b);
    *p = (struct pair){ 0 };
}

struct part {
    struct pair *pair;
    size_t at, from; /* of the piece; of the rows wanted */
    pair_take *take;
    void *ctx;
};

static bool keep(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    struct part *c = ctx;
    size_t vocab = (size_t)c->pair->a.vocab;
    (void)e;
    memcpy(c->pair->logits + first * vocab, logits, n * vocab * sizeof *logits);
    return true;
}

static bool meet(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    struct part *c = ctx;
    return c->take(c->ctx, c->at + first, n, c->pair->logits + first * c->pair->a.vocab, logits, e);
}

bool pair_run(struct pair *p, const uint32_t *ids, size_t n, size_t from, pair_take *take,
              void *ctx, struct err *e)
{
    session_reset(&p->a);
    session_reset(&p->b);
    if (!session_check(&p->a, ids, n, e) || !session_check(&p->b, ids, n, e))
        return false;
    for (size_t at = 0, T; at < n; at += T) {
        T = n - at < p->piece ? n - at : p->piece;
        struct part c = { p, at, from > at ? from - at : 0, take, ctx };
        if (!session_run(&p->a, ids + at, T, c.from, keep, &c, e) ||
            !session_run(&p->b, ids + at, T, c.from, meet, &c, e))
            return false;
    }
    return true;
}
