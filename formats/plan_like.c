/* plan_like.c - planning the tensors of one model in the exact table of another: to restore what
 * was carried, and to prove that a way back exists. */
#include "formats/family.h"

/* The recipe of family_write, made for another float type where the original had one. */
static bool retarget(struct recipe *r, enum dtype to, struct err *e, struct str name)
{
    bool same = r->dtype == to || (to == DTYPE_U8 && dtype_info[r->dtype].block_elems == 32);
    for (size_t k = 0; !same && k < r->n_pieces; k++) {
        struct piece *p = &r->pieces[k];
        p->recode =
            dtype_info[to].is_float ? recode_find(p->recode->from, p->recode->with, to) : NULL;
        if (!p->recode)
            return err_set(e, ERR_INPUT, "tensor '" STR_FMT "' cannot be restored as %s",
                           STR_ARG(name), dtype_info[to].name);
    }
    if (!same)
        r->dtype = to;
    return true;
}

/* Takes over target tensor t: the made recipe of that name, in the target's type and place. */
static bool adopt(struct plan *p, const struct plan *made, const struct tensor *t, struct err *e)
{
    size_t i = names_find(&made->out.by_name, t->name);
    const struct tensor *m = i == NAMES_NONE ? NULL : &made->out.tensors[i];
    bool same = m && m->ndim == t->ndim;
    for (uint32_t d = 0; same && d < t->ndim; d++)
        same = m->dim[d] == t->dim[d];
    if (!same)
        return err_set(e, ERR_INPUT,
                       "the carried header names tensor '" STR_FMT
                       "' with a shape the weights do not have",
                       STR_ARG(t->name));
    struct recipe r = made->recipes[i];
    if (!retarget(&r, t->dtype, e, t->name))
        return false;
    p->recipes[p->out.n_tensors] = r;
    p->out.tensors[p->out.n_tensors++] = *t;
    return true;
}

/* Makes the tensors of the target's form from the source's, whatever their names. */
static bool make_tensors(struct plan *made, const struct model *src, enum form form,
                         const char *config, struct err *e)
{
    struct plan_options opt = { .to = form };
    struct family_view v = { 0 };
    bool ok = family_open(&v, src, config, e);
    const struct spelling *s = ok && v.family ? family_spelling(v.family, form) : NULL;
    if (ok && s)
        ok = family_write(&v, s, &opt, made, e);
    if (ok && !s)
        v.extra = NULL, v.n_extra = 0;
    size_t n = s ? v.n_extra : src->n_tensors;
    ok = ok && plan_reserve(made, n, e);
    for (size_t i = 0; ok && i < n; i++) {
        const struct tensor *t = s ? v.extra[i] : &src->tensors[i];
        struct recipe r;
        ok = plan_whole(made, t, t->dtype, &r, e) &&
             plan_add(made, t->name, t->dtype, t->ndim, t->dim, r, e);
    }
    family_close(&v);
    return ok && model_index(&made->out, e);
}

bool plan_like(struct plan *p, const struct model *src, const struct model *target, enum form form,
               const char *config, struct err *e)
{
    struct plan made = { .src = src };
    made.out.files = arena_new(&made.out.arena, struct model_file, 1, e);
    made.out.n_files = made.out.files ? 1 : 0;
    bool ok = made.out.files && make_tensors(&made, src, form, config, e) &&
              plan_reserve(p, target->n_tensors, e);
    for (size_t i = 0; ok && i < target->n_tensors; i++)
        ok = adopt(p, &made, &target->tensors[i], e);
    names_free(&made.out.by_name);
    arena_join(&p->out.arena, &made.out.arena); /* pieces and names live on in the plan */
    p->src = src;
    return ok && model_index(&p->out, e);
}
