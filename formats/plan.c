/* plan.c - the building blocks of plans. */
#include "formats/plan.h"

#include <stdio.h>

/* ---- building ------------------------------------------------------------------- */

bool plan_note(struct plan *p, struct err *e, const char *fmt, ...)
{
    char line[1500];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    char *copy = arena_printf(&p->out.arena, e, "%s", line);
    char **all = copy ? arena_append(&p->out.arena, p->notes, sizeof *all, p->n_notes, e) : NULL;
    if (!all)
        return false;
    p->notes = all;
    all[p->n_notes++] = copy;
    return true;
}

bool plan_reserve(struct plan *p, size_t n, struct err *e)
{
    size_t room = p->out.room_tensors;
    if (!model_reserve(&p->out, n, e))
        return false;
    if (p->recipes && p->out.room_tensors == room)
        return true;
    struct recipe *more = arena_new(&p->out.arena, struct recipe, p->out.room_tensors, e);
    if (!more)
        return false;
    if (p->out.n_tensors)
        memcpy(more, p->recipes, p->out.n_tensors * sizeof *more);
    p->recipes = more;
    return true;
}

bool plan_add(struct plan *p, struct str name, enum dtype stored, uint32_t ndim,
              const uint64_t *dim, struct recipe recipe, struct err *e)
{
    uint64_t *own = arena_new(&p->out.arena, uint64_t, ndim, e), elems;
    struct str own_name = arena_str(&p->out.arena, name, e);
    if (!own || !own_name.at)
        return false;
    if (ndim)
        memcpy(own, dim, ndim * sizeof *own);
    struct tensor t = { .name = own_name, .dtype = stored, .ndim = ndim, .dim = own };
    if (!tensor_size(&t, &elems, &t.bytes))
        return err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' cannot be stored as %s",
                       STR_ARG(name), dtype_info[stored].name);
    p->recipes[p->out.n_tensors] = recipe;
    p->out.tensors[p->out.n_tensors++] = t;
    return true;
}

bool plan_whole(struct plan *p, const struct tensor *from, enum dtype dtype, struct recipe *out,
                struct err *e)
{
    const struct recode *recode = recode_find(from->dtype, DTYPE_NONE, dtype);
    if (!recode) {
        err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' cannot be turned from %s into %s",
                STR_ARG(from->name), dtype_info[from->dtype].name, dtype_info[dtype].name);
        return false;
    }
    /* Any cut at block borders will do: a row is as small as both types allow. */
    uint64_t a = dtype_info[from->dtype].block_elems, b = dtype_info[dtype].block_elems;
    uint64_t cols = a > b ? a : b, rows = tensor_elems(from) / cols;
    struct piece *piece = arena_new(&p->out.arena, struct piece, 1, e);
    if (!piece)
        return false;
    *piece = (struct piece){ { from, NULL }, recode, rows, 0, 1, false, rows, 0, 1 };
    *out = (struct recipe){ 1, rows, cols, dtype, false, piece, 1 };
    return true;
}

bool plan_narrowest(struct plan *p, struct recipe r, enum dtype *best, struct err *e)
{
    struct plan one = { .src = p->src, .recipes = &r, .out = p->out };
    struct scratch s = { 0 };
    uint64_t row = recipe_row_bytes(&r), rows = recipe_rows(&r), lost = 0;
    uint64_t step = (1u << 20) / row + 1;
    struct narrow seen = { 0 };
    void *tile = mem_resize(NULL, step * row, e);
    bool ok = tile != NULL;
    *best = DTYPE_BF16;
    for (uint64_t at = 0; ok && at < rows && *best != DTYPE_F32; at += step) {
        uint64_t n = rows - at < step ? rows - at : step;
        ok = tile_make(&one, 0, at, n, tile, &s, &lost, e);
        if (ok)
            *best = narrowest(&seen, DTYPE_F32, tile, n * row / 4);
    }
    mem_free(tile);
    scratch_free(&s);
    return ok;
}

bool plan_extra(struct plan *p, struct str name, struct span bytes, const char *copy_of,
                uint64_t size, struct err *e)
{
    struct extra *all = arena_append(&p->out.arena, p->extras, sizeof *all, p->n_extras, e);
    if (!all)
        return false;
    p->extras = all;
    all[p->n_extras++] = (struct extra){ name, bytes, copy_of, size, NULL };
    return true;
}

bool plan_note_left(struct plan *p, const char *const *taken, struct err *e)
{
    const struct model *m = p->src;
    struct buf left = buf_make(e);
    for (size_t i = 0; i < m->n_sidecars; i++) {
        bool used = str_ends(m->sidecars[i].name, ".index.json");
        for (size_t k = 0; taken[k]; k++)
            used = used || str_is(m->sidecars[i].name, taken[k]);
        if (!used)
            buf_printf(&left, "%s" STR_FMT, left.len ? ", " : "", STR_ARG(m->sidecars[i].name));
    }
    bool ok = buf_ok(&left) &&
              (!left.len || plan_note(p, e, "files left out (--reversible keeps them): " STR_FMT,
                                      STR_ARG(buf_text(&left))));
    buf_free(&left);
    return ok;
}

void plan_free(struct plan *p)
{
    model_close(&p->out);
    *p = (struct plan){ 0 };
}

uint64_t plan_bytes(const struct plan *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < p->out.n_files; i++)
        n += p->out.files[i].size;
    for (size_t i = 0; i < p->n_extras; i++)
        n += p->extras[i].size;
    return n;
}

/* ---- forms ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    enum form form;
} form_names[] = {
    { "hf", FORM_HF },
    { "original", FORM_ORIGINAL },
    { "gguf", FORM_GGUF },
    { "safetensors", FORM_SAFETENSORS },
};

const char *form_name(enum form f)
{
    for (size_t i = 0; i < sizeof form_names / sizeof *form_names; i++)
        if (form_names[i].form == f)
            return form_names[i].name;
    return "?";
}

enum form form_find(struct str name)
{
    for (size_t i = 0; i < sizeof form_names / sizeof *form_names; i++)
        if (str_is(name, form_names[i].name))
            return form_names[i].form;
    return FORM_NONE;
}
