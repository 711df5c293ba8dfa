/* family_write.c - writing one column of a family's table as output tensors. */
#include "formats/family.h"

#include <stdlib.h>

/* ---- types --------------------------------------------------------------------------- */

static bool is_mxfp4(enum dtype t) { return t >= DTYPE_MXFP4 && t <= DTYPE_MXFP4_SCALES; }
static bool is_float(enum dtype t) { return dtype_info[t].is_float; }

/* In GGUF, llama.cpp loads these as F32 only. */
static bool always_f32(enum atom_kind k)
{
    return k == ATOM_VECTOR || k == ATOM_EXPERT_VECTOR || k == ATOM_ROUTER;
}

/* What all n atoms are: their type, F32 where floats differ, DTYPE_NONE where nothing is common. */
static enum dtype common_type(const struct atom *const *a, size_t n)
{
    enum dtype t = a[0]->dtype;
    for (size_t i = 1; i < n; i++) {
        enum dtype other = a[i]->dtype;
        if (other != t && !(is_mxfp4(t) && is_mxfp4(other)))
            t = is_float(t) && is_float(other) ? DTYPE_F32 : DTYPE_NONE;
    }
    return t;
}

/* The type that atoms of type `is` get; MXFP4_BLOCKS for a pair.  wanted: --type, or none. */
static enum dtype output_type(enum dtype is, enum atom_kind kind, const struct spelling *to,
                              enum dtype wanted)
{
    if (to->form == FORM_GGUF && always_f32(kind) && is_float(is))
        return DTYPE_F32;
    if (wanted != DTYPE_NONE)
        return wanted;
    if (is_mxfp4(is))
        return to->blocks ? DTYPE_MXFP4_BLOCKS : DTYPE_MXFP4;
    return is;
}

/* ---- recipes --------------------------------------------------------------------------- */

/* Atoms that become one tensor, and how. */
struct group {
    const struct atom *const *atoms;
    size_t n;
    enum join join;
    bool transposed; /* stored [groups, cols, rows] */
    uint64_t rows;   /* of all atoms together */
};

/* What is read of an atom to make type `to`: one tensor, or both of a pair where both are needed.
 */
static bool make_piece(const struct atom *a, enum dtype to, struct piece *p, struct err *e)
{
    bool pair = a->src[1] != NULL, scales = pair && to == DTYPE_MXFP4_SCALES;
    bool both = pair && !scales && to != DTYPE_MXFP4_BLOCKS;
    enum dtype from = scales ? DTYPE_MXFP4_SCALES : a->dtype;
    *p = (struct piece){ .src = { a->src[scales ? 1 : 0], both ? a->src[1] : NULL },
                         .recode = recode_find(from, both ? DTYPE_MXFP4_SCALES : DTYPE_NONE, to),
                         .src_rows = a->src_rows,
                         .src_first = a->src_first,
                         .src_step = a->src_step,
                         .src_transposed = a->transposed,
                         .rows = a->rows,
                         .dst_step = 1 };
    if (p->recode)
        return true;
    err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' cannot be turned from %s into %s",
            STR_ARG(a->src[0]->name), dtype_info[from].name, dtype_info[to].name);
    return err_hint(e, "f32, f16, bf16 and mxfp4 can be recoded, q8_0 only to f32; or convert "
                       "from the original weights");
}

/* The atoms are exactly what one source tensor holds, joined and stored the same way. */
static bool same_tensor(const struct group *g)
{
    const struct atom *a = g->atoms[0];
    uint64_t before = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct atom *x = g->atoms[i];
        bool placed = g->join == INTERLEAVE ? x->src_first == i && x->src_step == g->n
                                            : x->src_first == before && x->src_step == 1;
        if (x->src[0] != a->src[0] || !placed)
            return false;
        before += x->rows; /* parts of one tensor: no overflow */
    }
    return a->transposed == g->transposed && before == a->src_rows;
}

/* The source tensor as it stands, cut anywhere at block borders. */
static bool straight(struct plan *p, const struct atom *a, enum dtype to, struct recipe *out,
                     struct err *e)
{
    struct piece *piece = arena_new(&p->out.arena, struct piece, 1, e);
    if (!piece || !make_piece(a, to, piece, e))
        return false;
    uint64_t x = dtype_info[piece->recode->from].block_elems, y = dtype_info[to].block_elems;
    uint64_t cols = x > y ? x : y, rows = a->groups * a->src_rows * a->cols / cols; /* it is read */
    piece->src_rows = piece->rows = rows;
    piece->src_first = 0;
    piece->src_step = 1;
    piece->src_transposed = false;
    *out = (struct recipe){ 1, rows, cols, to, false, piece, 1 };
    return true;
}

/* Rows of every atom to their places. */
static bool joined(struct plan *p, const struct group *g, enum dtype to, struct recipe *out,
                   struct err *e)
{
    struct piece *piece = arena_new(&p->out.arena, struct piece, g->n, e);
    const struct atom *first = g->atoms[0];
    uint64_t before = 0;
    if (!piece)
        return false;
    for (size_t i = 0; i < g->n; i++) {
        const struct atom *a = g->atoms[i];
        if (!make_piece(a, to, &piece[i], e))
            return false;
        if (a->cols % dtype_info[a->dtype].block_elems || a->cols % dtype_info[to].block_elems)
            return err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "': %s has no rows of %llu",
                           STR_ARG(a->src[0]->name), dtype_info[a->dtype].name,
                           (unsigned long long)a->cols);
        piece[i].dst_first = g->join == INTERLEAVE ? i : before;
        piece[i].dst_step = g->join == INTERLEAVE ? g->n : 1;
        before += a->rows;
    }
    *out = (struct recipe){ first->groups, g->rows, first->cols, to, g->transposed, piece, g->n };
    return true;
}

static bool make_recipe(struct plan *p, const struct group *g, enum dtype to, struct recipe *out,
                        struct err *e)
{
    return same_tensor(g) ? straight(p, g->atoms[0], to, out, e) : joined(p, g, to, out, e);
}

/* Out of GGUF, or for the content root, floats take the first of BF16, F16, F32 that holds them. */
static bool narrow(struct plan *p, const struct group *g, enum dtype is, enum dtype *to,
                   struct err *e)
{
    struct recipe r;
    if (is == DTYPE_BF16) {
        *to = is;
        return true;
    }
    return make_recipe(p, g, DTYPE_F32, &r, e) && plan_narrowest(p, r, to, e);
}

/* ---- tensors --------------------------------------------------------------------------- */

/* Atoms that the family joins have rows that fit together; rows: of all. */
static bool fits(struct group *g)
{
    const struct atom *a = g->atoms[0];
    for (size_t i = 0; i < g->n; i++) {
        const struct atom *x = g->atoms[i];
        if (x->groups != a->groups || x->cols != a->cols || !size_add(g->rows, x->rows, &g->rows) ||
            (g->join == INTERLEAVE && x->rows != a->rows))
            return false;
    }
    return true;
}

static bool misfit(const struct family_view *v, const struct group *g, struct err *e)
{
    const struct atom *a = g->atoms[0], *z = g->atoms[g->n - 1];
    return err_set(e, ERR_INPUT,
                   "%s: tensors '" STR_FMT "' (%s) and '" STR_FMT "' (%s) do not fit in one",
                   v->model->path, STR_ARG(a->src[0]->name), dtype_info[a->dtype].name,
                   STR_ARG(z->src[0]->name), dtype_info[z->dtype].name);
}

/* Dims of the stored tensor; returns how many. */
static uint32_t shape(enum atom_kind kind, const struct group *g, enum dtype to, uint64_t dim[4])
{
    bool blocks = to == DTYPE_MXFP4_BLOCKS, part = blocks || to == DTYPE_MXFP4_SCALES;
    uint64_t cols = g->atoms[0]->cols;
    uint32_t n = 0;
    if (kind == ATOM_EXPERTS || kind == ATOM_EXPERT_VECTOR)
        dim[n++] = g->atoms[0]->groups;
    if (g->transposed)
        dim[n++] = cols;
    dim[n++] = g->rows;
    if (!g->transposed && kind != ATOM_VECTOR && kind != ATOM_EXPERT_VECTOR)
        dim[n++] = part ? cols / 32 : cols;
    if (blocks)
        dim[n++] = 16;
    return n;
}

static bool add(struct plan *p, enum atom_kind kind, const struct group *g, enum dtype to,
                struct str name, struct err *e)
{
    struct recipe r;
    uint64_t dim[4];
    bool part = to == DTYPE_MXFP4_BLOCKS || to == DTYPE_MXFP4_SCALES;
    uint32_t n = shape(kind, g, to, dim);
    return make_recipe(p, g, to, &r, e) && plan_add(p, name, part ? DTYPE_U8 : to, n, dim, r, e);
}

/* One stored tensor (two for an MXFP4 pair) of the n atoms that `to` joins in it. */
static bool add_group(const struct family_view *v, const struct spelling *to,
                      const struct plan_options *opt, struct plan *p, const struct atom *const *a,
                      size_t n, struct err *e)
{
    enum atom_kind kind = v->family->rows[a[0]->row].kind;
    struct cell c = family_cell(v->family, to, a[0]->row);
    struct group g = { a, n, c.join, false, 0 };
    enum dtype is = common_type(a, n), type = output_type(is, kind, to, opt->type);
    if (is == DTYPE_NONE || !fits(&g))
        return misfit(v, &g, e);
    bool out_of_gguf = v->spelling->form == FORM_GGUF && to->form != FORM_GGUF;
    bool narrowed = opt->canonical || (out_of_gguf && opt->type == DTYPE_NONE);
    g.transposed = to->transposed && kind == ATOM_EXPERTS && dtype_info[type].block_elems == 1;
    if (narrowed && is_float(is) && !narrow(p, &g, is, &type, e))
        return false;
    bool pair = type == DTYPE_MXFP4_BLOCKS;
    char name[FAMILY_NAME];
    return add(p, kind, &g, type, family_name(name, c.name, a[0]->layer, pair ? to->blocks : ""),
               e) &&
           (!pair || add(p, kind, &g, DTYPE_MXFP4_SCALES,
                         family_name(name, c.name, a[0]->layer, to->scales), e));
}

/* ---- the walk -------------------------------------------------------------------------- */

struct walked {
    struct str key; /* the name in the walk column, or the table's order */
    size_t order;   /* first atom of the group */
};

static int by_key(const void *a, const void *b)
{
    const struct walked *x = a, *y = b;
    int c = str_cmp(x->key, y->key);
    return c ? c : (x->order > y->order) - (x->order < y->order);
}

/* Atoms of v from i on that `to` joins in one tensor (they are neighbours or not). */
static size_t collect(const struct family_view *v, const struct spelling *to, size_t i,
                      const struct atom **out)
{
    struct cell mine = family_cell(v->family, to, v->atoms[i].row);
    size_t n = 0;
    for (size_t k = i; k < v->n_atoms && v->atoms[k].layer == v->atoms[i].layer; k++) {
        struct cell c = family_cell(v->family, to, v->atoms[k].row);
        if (c.name && strcmp(c.name, mine.name) == 0)
            out[n++] = &v->atoms[k];
        if (mine.join == ALONE)
            break;
    }
    return n;
}

/* Is atom i the first of its group? */
static bool leads(const struct family_view *v, const struct spelling *to, size_t i)
{
    struct cell mine = family_cell(v->family, to, v->atoms[i].row);
    for (size_t k = i; mine.join != ALONE && k > 0 && v->atoms[k - 1].layer == v->atoms[i].layer;
         k--) {
        struct cell c = family_cell(v->family, to, v->atoms[k - 1].row);
        if (c.name && strcmp(c.name, mine.name) == 0)
            return false;
    }
    return mine.name != NULL;
}

/* The order outputs are walked (and sharded) in: safetensors forms by the sorted names of the
 * walk column, GGUF by the table. */
static bool walk(const struct family_view *v, const struct spelling *to, struct walked *w,
                 size_t *n, struct arena *a, struct err *e)
{
    *n = 0;
    for (size_t i = 0; i < v->n_atoms; i++) {
        if (!leads(v, to, i))
            continue;
        w[*n] = (struct walked){ { "", 0 }, i };
        if (to->form != FORM_GGUF) {
            char name[FAMILY_NAME];
            const struct atom *at = &v->atoms[i];
            const char *pattern = v->family->rows[at->row].in[v->family->walk_column].name;
            w[*n].key = arena_str(a, family_name(name, pattern, at->layer, ""), e);
            if (!w[*n].key.at)
                return false;
        }
        ++*n;
    }
    if (*n)
        qsort(w, *n, sizeof *w, by_key);
    return true;
}

bool family_write(const struct family_view *v, const struct spelling *to,
                  const struct plan_options *opt, struct plan *p, struct err *e)
{
    size_t n;
    struct arena scratch = { 0 };
    struct walked *w = arena_new(&scratch, struct walked, v->n_atoms, e);
    const struct atom **group = arena_new(&scratch, const struct atom *, v->n_atoms, e);
    bool ok = w && group && plan_reserve(p, 2 * v->n_atoms, e) && walk(v, to, w, &n, &scratch, e);
    for (size_t i = 0; ok && i < n; i++) {
        size_t k = collect(v, to, w[i].order, group);
        ok = add_group(v, to, opt, p, group, k, e);
    }
    arena_free(&scratch);
    return ok;
}

bool family_atom(const struct family_view *v, size_t i, enum dtype as, struct plan *p,
                 struct err *e)
{
    const struct atom *a = &v->atoms[i];
    char name[FAMILY_NAME];
    enum dtype to = as != DTYPE_NONE ? as : is_mxfp4(a->dtype) ? DTYPE_MXFP4 : a->dtype;
    const struct group alone = { &a, 1, ALONE, false, a->rows };
    return plan_reserve(p, 1, e) && add(p, v->family->rows[a->row].kind, &alone, to,
                                        family_atom_name(name, v->family, a), e);
}
