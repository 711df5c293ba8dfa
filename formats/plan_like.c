/* plan_like.c - planning the tensors of one model in the exact table of another: to restore what
 * was carried, and to prove that a way back exists. */
#include "formats/family.h"

/* Is t what a recipe of type `made` stores?  The parts of MXFP4 pairs are U8 in safetensors. */
static bool stored_as(enum dtype made, enum dtype t)
{
    bool part = made == DTYPE_MXFP4_BLOCKS || made == DTYPE_MXFP4_SCALES;
    return made == t || (part && t == DTYPE_U8);
}

/* Makes the recipe give another type, where the target has the tensor in one. */
static bool retarget(struct recipe *r, enum dtype to)
{
    for (size_t k = 0; k < r->n_pieces; k++) {
        struct piece *p = &r->pieces[k];
        p->recode = recode_find(p->recode->from, p->recode->with, to);
        if (!p->recode)
            return false;
    }
    r->dtype = to;
    return true;
}

/* Takes over target tensor t: the made recipe of that name, in the target's type and place. */
static bool adopt(struct plan *p, const struct plan *made, const struct tensor *t, struct err *e)
{
    const struct tensor *m = model_find(&made->out, t->name);
    if (!m || !tensor_same_shape(m, t))
        return err_set(e, ERR_INPUT,
                       "%s: there is no tensor '" STR_FMT "' of the shape that is wanted",
                       p->src->path, STR_ARG(t->name));
    struct recipe r = made->recipes[m - made->out.tensors];
    if (!stored_as(r.dtype, t->dtype) && !retarget(&r, t->dtype))
        return err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' cannot be made %s", p->src->path,
                       STR_ARG(t->name), dtype_info[t->dtype].name);
    p->recipes[p->out.n_tensors] = r;
    p->out.tensors[p->out.n_tensors++] = *t;
    return true;
}

static bool add_as_stored(struct plan *made, const struct tensor *t, struct err *e)
{
    struct recipe r;
    return plan_whole(made, t, t->dtype, &r, e) &&
           plan_add(made, t->name, t->dtype, t->ndim, t->dim, r, e);
}

/* What of the source no family claims. */
static bool add_others(struct plan *made, const struct family_view *v, struct err *e)
{
    bool ok = plan_reserve(made, v->family ? v->n_extra : made->src->n_tensors, e);
    for (size_t i = 0; ok && v->family && i < v->n_extra; i++)
        ok = add_as_stored(made, v->extra[i], e);
    for (size_t i = 0; ok && !v->family && i < made->src->n_tensors; i++)
        ok = add_as_stored(made, &made->src->tensors[i], e);
    return ok;
}

/* Makes tensors in the target's spelling from the source's, whatever their names. */
static bool make_tensors(struct plan *made, const struct model *target, const char *config,
                         struct err *e)
{
    struct family_view v = { 0 };
    const struct plan_options keep = { 0 };
    size_t found;
    bool ok = family_open(&v, made->src, config, e);
    const struct spelling *s = ok && v.family ? family_match(v.family, target, &found) : NULL;
    ok = ok && (!s || family_write(&v, s, &keep, made, e)) && add_others(made, &v, e);
    family_close(&v);
    return ok && model_index(&made->out, e);
}

bool plan_like(struct plan *p, const struct model *src, const struct model *target,
               const char *config, struct err *e)
{
    struct plan made = { .src = src };
    made.out.files = src->files; /* for messages: its tensors have no place of their own */
    bool ok = make_tensors(&made, target, config, e) && plan_reserve(p, target->n_tensors, e);
    p->src = src;
    for (size_t i = 0; ok && i < target->n_tensors; i++)
        ok = adopt(p, &made, &target->tensors[i], e);
    names_free(&made.out.by_name);
    arena_join(&p->out.arena, &made.out.arena); /* pieces and names live on in the plan */
    return ok && model_index(&p->out, e);
}
