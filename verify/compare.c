/* compare.c - are two models the same weights, whatever their containers?
 *
 * Both sides are planned tensor by tensor in one common type; A is run, and for each of its
 * tiles the same bytes are made of B. */
#include "verify/compare.h"

#include "formats/family.h"

#include <stdio.h>

struct pair {
    bool same_type;
    uint64_t units, first; /* blocks (or elements) that differ; the first element of them */
    bool decodes;
    double was, is; /* its values, where the type decodes */
};

struct lockstep {
    const struct plan *a, *b;
    struct pair *pairs; /* parallel to a->out.tensors and b->out.tensors */
};

static bool note(struct comparison *c, struct err *e, const char *fmt, ...)
{
    char line[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    char *copy = arena_printf(&c->arena, e, "%s", line);
    char **all =
        copy ? arena_append(&c->arena, c->differences, sizeof *all, c->n_differences, e) : NULL;
    if (!all)
        return false;
    c->differences = all;
    all[c->n_differences++] = copy;
    return true;
}

/* ---- values ---------------------------------------------------------------------------- */

/* Equal but for NaN payloads: types that were widened may have lost them. */
static bool both_nan(const uint8_t *a, const uint8_t *b)
{
    float x, y;
    memcpy(&x, a, 4);
    memcpy(&y, b, 4);
    return x != x && y != y;
}

static void keep_first(struct pair *p, enum dtype t, uint64_t unit, const uint8_t *a,
                       const uint8_t *b)
{
    float x[256], y[256];
    uint32_t n = dtype_info[t].block_elems;
    p->first = unit * n;
    if (n > 256 || !decode_f32(t, x, a, n) || !decode_f32(t, y, b, n))
        return;
    p->decodes = true;
    for (uint32_t i = 0; i < n; i++)
        if (memcmp(&x[i], &y[i], 4) != 0) {
            p->first += i;
            p->was = (double)x[i];
            p->is = (double)y[i];
            return;
        }
}

static void count(struct pair *p, enum dtype t, uint64_t at, const uint8_t *a, const uint8_t *b,
                  uint64_t n)
{
    uint64_t size = dtype_info[t].block_bytes;
    if (memcmp(a, b, n) == 0)
        return;
    for (uint64_t i = 0; i < n; i += size) {
        if (memcmp(a + i, b + i, size) == 0 || (!p->same_type && both_nan(a + i, b + i)))
            continue;
        if (p->units++ == 0)
            keep_first(p, t, (at + i) / size, a + i, b + i);
    }
}

/* The bytes [at, at + n) of B's tensor i. */
static bool see(void *ctx, size_t i, uint64_t at, struct span bytes, struct err *e)
{
    struct lockstep *l = ctx;
    const struct recipe *r = &l->b->recipes[i];
    uint64_t row = recipe_row_bytes(r), first = at / row;
    uint64_t rows = (at + bytes.len + row - 1) / row - first, lost = 0;
    struct scratch s = { 0 };
    uint8_t *other = mem_resize(NULL, rows * row, e);
    bool ok = other && tile_make(l->b, i, first, rows, other, &s, &lost, e);
    if (ok)
        count(&l->pairs[i], r->dtype, at, bytes.at, other + (at - first * row), bytes.len);
    scratch_free(&s);
    mem_free(other);
    return ok;
}

/* ---- aligning ---------------------------------------------------------------------------- */

static bool is_mxfp4(enum dtype t) { return t >= DTYPE_MXFP4 && t <= DTYPE_MXFP4_SCALES; }

/* Tensors of both plans so far, kept in step. */
static bool add_atoms(struct lockstep *l, struct plan *a, struct plan *b,
                      const struct family_view *va, size_t i, const struct family_view *vb,
                      size_t k, struct err *e)
{
    enum dtype x = va->atoms[i].dtype, y = vb->atoms[k].dtype;
    bool same = x == y || (is_mxfp4(x) && is_mxfp4(y));
    enum dtype as = same ? DTYPE_NONE : DTYPE_F32;
    l->pairs[a->out.n_tensors] = (struct pair){ .same_type = same };
    return family_atom(va, i, as, a, e) && family_atom(vb, k, as, b, e);
}

/* Table order: first what stands once, then layer by layer. */
static int by_table(const struct family *f, const struct atom *x, const struct atom *y)
{
    bool a = family_per_layer(&f->rows[x->row]), b = family_per_layer(&f->rows[y->row]);
    if (a != b)
        return a ? 1 : -1;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static bool only_in(struct comparison *c, char side, const struct family *f, const struct atom *x,
                    struct err *e)
{
    char name[FAMILY_NAME];
    struct str s = family_atom_name(name, f, x);
    return note(c, e, "only in %c: " STR_FMT, side, STR_ARG(s));
}

/* The same atom in both. */
static bool align_pair(struct lockstep *l, struct plan *a, struct plan *b,
                       const struct family_view *va, size_t i, const struct family_view *vb,
                       size_t k, struct comparison *c, struct err *e)
{
    const struct atom *x = &va->atoms[i], *y = &vb->atoms[k];
    if (x->groups == y->groups && x->rows == y->rows && x->cols == y->cols)
        return add_atoms(l, a, b, va, i, vb, k, e);
    char name[FAMILY_NAME];
    struct str s = family_atom_name(name, va->family, x);
    return note(c, e, STR_FMT ": A is %llux%llux%llu, B is %llux%llux%llu", STR_ARG(s),
                (unsigned long long)x->groups, (unsigned long long)x->rows,
                (unsigned long long)x->cols, (unsigned long long)y->groups,
                (unsigned long long)y->rows, (unsigned long long)y->cols);
}

static bool align_atoms(struct lockstep *l, struct plan *a, struct plan *b,
                        const struct family_view *va, const struct family_view *vb,
                        struct comparison *c, struct err *e)
{
    const struct family *f = va->family;
    bool ok = true;
    for (size_t i = 0, k = 0; ok && (i < va->n_atoms || k < vb->n_atoms);) {
        const struct atom *x = i < va->n_atoms ? &va->atoms[i] : NULL,
                          *y = k < vb->n_atoms ? &vb->atoms[k] : NULL;
        int order = !x ? 1 : !y ? -1 : by_table(f, x, y);
        ok = order < 0   ? only_in(c, 'A', f, x, e)
             : order > 0 ? only_in(c, 'B', f, y, e)
                         : align_pair(l, a, b, va, i, vb, k, c, e);
        i += order <= 0;
        k += order >= 0;
    }
    return ok;
}

static bool add_named(struct lockstep *l, struct plan *a, struct plan *b, const struct tensor *x,
                      const struct tensor *y, struct err *e)
{
    struct recipe r, s;
    bool same = x->dtype == y->dtype;
    enum dtype to = same ? x->dtype : DTYPE_F32;
    l->pairs[a->out.n_tensors] = (struct pair){ .same_type = same };
    return plan_reserve(a, 1, e) && plan_whole(a, x, to, &r, e) &&
           plan_add(a, x->name, to, x->ndim, x->dim, r, e) && plan_reserve(b, 1, e) &&
           plan_whole(b, y, to, &s, e) && plan_add(b, y->name, to, y->ndim, y->dim, s, e);
}

static bool align_names(struct lockstep *l, struct plan *a, struct plan *b,
                        const struct tensor *const *x, size_t n, const struct tensor *const *y,
                        size_t m, struct comparison *c, struct err *e)
{
    const struct model *other = b->src;
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = model_find(other, x[i]->name);
        bool ok = !t ? note(c, e, "only in A: " STR_FMT, STR_ARG(x[i]->name))
                  : !tensor_same_shape(x[i], t)
                      ? note(c, e, STR_FMT ": the shapes differ", STR_ARG(x[i]->name))
                      : add_named(l, a, b, x[i], t, e);
        if (!ok)
            return false;
    }
    for (size_t i = 0; i < m; i++)
        if (!model_find(a->src, y[i]->name) &&
            !note(c, e, "only in B: " STR_FMT, STR_ARG(y[i]->name)))
            return false;
    return true;
}

static const struct tensor **all_of(const struct model *m, struct arena *a, struct err *e)
{
    const struct tensor **all = arena_new(a, const struct tensor *, m->n_tensors, e);
    for (size_t i = 0; all && i < m->n_tensors; i++)
        all[i] = &m->tensors[i];
    return all;
}

/* ---- the comparison ------------------------------------------------------------------------ */

/* How a pair differs, in words. */
static bool report_pair(struct comparison *c, const struct pair *p, const struct tensor *t,
                        const struct dtype_info *d, struct err *e)
{
    char values[80] = "";
    if (p->decodes)
        snprintf(values, sizeof values, ": %g in A, %g in B", p->was, p->is);
    return note(c, e, STR_FMT ": %llu of %llu %s differ, first element %llu%s", STR_ARG(t->name),
                (unsigned long long)p->units, (unsigned long long)(t->bytes / d->block_bytes),
                d->block_elems > 1 ? "blocks" : "values", (unsigned long long)p->first, values);
}

static bool report(struct comparison *c, const struct lockstep *l, struct err *e)
{
    bool ok = true;
    c->tensors = l->a->out.n_tensors;
    for (size_t i = 0; ok && i < c->tensors; i++) {
        const struct pair *p = &l->pairs[i];
        c->equal += !p->units && p->same_type;
        c->equal_values += !p->units && !p->same_type;
        if (p->units)
            ok = report_pair(c, p, &l->a->out.tensors[i], &dtype_info[l->a->recipes[i].dtype], e);
    }
    return ok;
}

static bool align(struct lockstep *l, struct plan *pa, struct plan *pb, const struct model *a,
                  const struct model *b, struct comparison *c, struct err *e)
{
    struct family_view va = { 0 }, vb = { 0 };
    bool ok = family_open(&va, a, NULL, e) && family_open(&vb, b, NULL, e);
    bool family = ok && va.family && va.family == vb.family;
    l->pairs = ok ? arena_new(&c->arena, struct pair, va.n_atoms + a->n_tensors, e) : NULL;
    ok = l->pairs != NULL;
    if (ok && family)
        ok = align_atoms(l, pa, pb, &va, &vb, c, e) &&
             align_names(l, pa, pb, va.extra, va.n_extra, vb.extra, vb.n_extra, c, e);
    if (ok && !family) {
        const struct tensor **x = all_of(a, &c->arena, e), **y = all_of(b, &c->arena, e);
        ok = x && y && align_names(l, pa, pb, x, a->n_tensors, y, b->n_tensors, c, e);
    }
    family_close(&va);
    family_close(&vb);
    return ok;
}

bool compare_models(struct comparison *c, const struct model *a, const struct model *b,
                    const struct execute_options *opt, struct err *e)
{
    struct plan pa = { .src = a, .allow_lossy = true }, pb = { .src = b, .allow_lossy = true };
    struct lockstep l = { &pa, &pb, NULL };
    struct execute_options half = *opt; /* of the memory: the other is for the tiles of B */
    half.mem = opt->mem / 2;
    *c = (struct comparison){ 0 };
    bool ok = align(&l, &pa, &pb, a, b, c, e) && execute_each(&pa, &half, see, &l, e) &&
              model_unchanged(b, e) && report(c, &l, e);
    plan_free(&pa);
    plan_free(&pb);
    if (!ok)
        comparison_free(c);
    return ok;
}

void comparison_free(struct comparison *c)
{
    arena_free(&c->arena);
    *c = (struct comparison){ 0 };
}
