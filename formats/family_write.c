/* family_write.c - writing one column of a family's table as output tensors. */
#include "formats/family.h"

#include <stdlib.h>

/* ---- types --------------------------------------------------------------------------- */

static bool is_mxfp4(enum dtype t) { return t >= DTYPE_MXFP4 && t <= DTYPE_MXFP4_SCALES; }

/* In GGUF, llama.cpp loads these as F32 only. */
static bool always_f32(enum atom_kind k)
{
    return k == ATOM_VECTOR || k == ATOM_EXPERT_VECTOR || k == ATOM_ROUTER;
}

/* The type an atom gets; MXFP4_BLOCKS for a pair. */
static enum dtype output_type(const struct atom *a, const struct family_row *r,
                              const struct spelling *to, enum dtype type)
{
    bool gguf = to->form == FORM_GGUF;
    if (gguf && always_f32(r->kind) && dtype_info[a->dtype].is_float)
        return DTYPE_F32;
    if (is_mxfp4(a->dtype))
        return type != DTYPE_NONE ? type : to->blocks ? DTYPE_MXFP4_BLOCKS : DTYPE_MXFP4;
    return type != DTYPE_NONE && dtype_info[a->dtype].is_float ? type : a->dtype;
}

/* ---- pieces ---------------------------------------------------------------------------- */

static bool make_piece(const struct atom *a, enum dtype to, struct piece *p, struct err *e)
{
    enum dtype with = a->src[1] ? DTYPE_MXFP4_SCALES : DTYPE_NONE;
    *p = (struct piece){ .src = { a->src[0], a->src[1] },
                         .src_rows = a->src_rows,
                         .src_first = a->src_first,
                         .src_step = a->src_step,
                         .src_transposed = a->transposed,
                         .rows = a->rows,
                         .dst_step = 1 };
    /* blocks come from blocks, scales from scales: nothing of the other is needed */
    if (with && to == DTYPE_MXFP4_BLOCKS) {
        with = DTYPE_NONE;
        p->src[1] = NULL;
    }
    enum dtype from = a->dtype;
    if (with && to == DTYPE_MXFP4_SCALES) {
        from = DTYPE_MXFP4_SCALES;
        with = DTYPE_NONE;
        p->src[0] = a->src[1];
        p->src[1] = NULL;
    }
    p->recode = recode_find(from, with, to);
    if (p->recode)
        return true;
    err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' cannot be turned from %s into %s",
            STR_ARG(a->src[0]->name), dtype_info[from].name, dtype_info[to].name);
    return err_hint(e, "only f32, f16, bf16 and mxfp4 can be recoded; convert from the original "
                       "weights instead");
}

/* All n atoms are exactly what one source tensor holds, joined and stored the same way. */
static bool same_tensor(const struct atom *const *a, size_t n, enum join join, bool transposed)
{
    uint64_t at = 0;
    if (a[0]->transposed != transposed)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool placed = join == INTERLEAVE ? a[i]->src_first == i && a[i]->src_step == n
                                         : a[i]->src_first == at && a[i]->src_step == 1;
        if (a[i]->src[0] != a[0]->src[0] || !placed)
            return false;
        at += a[i]->rows;
    }
    return at == a[0]->src_rows;
}

/* A recipe that takes the source tensor through in its own order. */
static bool straight(struct plan *p, const struct atom *a, enum dtype to, struct recipe *out,
                     struct err *e)
{
    struct piece *piece = arena_new(&p->out.arena, struct piece, 1, e);
    if (!piece || !make_piece(a, to, piece, e))
        return false;
    const struct recode *k = piece->recode;
    uint64_t x = dtype_info[k->from].block_elems, y = dtype_info[to].block_elems;
    uint64_t cols = x > y ? x : y, rows = a->groups * a->src_rows * a->cols / cols;
    *piece = (struct piece){ { piece->src[0], piece->src[1] }, k, rows, 0, 1, false, rows, 0, 1 };
    *out = (struct recipe){ 1, rows, cols, to, false, piece, 1 };
    return true;
}

static bool joined(struct plan *p, const struct atom *const *a, size_t n, enum join join,
                   bool transposed, enum dtype to, struct recipe *out, struct err *e)
{
    struct piece *piece = arena_new(&p->out.arena, struct piece, n, e);
    uint64_t rows = 0;
    if (!piece)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!make_piece(a[i], to, &piece[i], e))
            return false;
        if (a[i]->groups != a[0]->groups || a[i]->cols != a[0]->cols ||
            (join == INTERLEAVE && a[i]->rows != a[0]->rows))
            return err_set(e, ERR_INPUT, "tensors '" STR_FMT "' and '" STR_FMT "' cannot be joined",
                           STR_ARG(a[0]->src[0]->name), STR_ARG(a[i]->src[0]->name));
        if (transposed && a[i]->transposed)
            return err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' is transposed otherwise",
                           STR_ARG(a[i]->src[0]->name));
        piece[i].dst_first = join == INTERLEAVE ? i : rows;
        piece[i].dst_step = join == INTERLEAVE ? n : 1;
        rows += a[i]->rows;
    }
    *out = (struct recipe){ a[0]->groups, rows, a[0]->cols, to, transposed, piece, n };
    return true;
}

static bool make_recipe(struct plan *p, const struct atom *const *a, size_t n, enum join join,
                        bool transposed, enum dtype to, struct recipe *out, struct err *e)
{
    return same_tensor(a, n, join, transposed) ? straight(p, a[0], to, out, e)
                                               : joined(p, a, n, join, transposed, to, out, e);
}

/* ---- the narrowest type -------------------------------------------------------------------- */

/* Out of GGUF, or for the content root, floats take the first of BF16, F16, F32 that holds them. */
static bool narrow(struct plan *p, const struct atom *const *a, size_t n, enum join join,
                   bool transposed, enum dtype *to, struct err *e)
{
    struct recipe r;
    bool bf16 = true;
    for (size_t i = 0; i < n; i++)
        bf16 = bf16 && a[i]->dtype == DTYPE_BF16;
    if (bf16) {
        *to = DTYPE_BF16;
        return true;
    }
    return make_recipe(p, a, n, join, transposed, DTYPE_F32, &r, e) && plan_narrowest(p, r, to, e);
}

/* ---- tensors -----------------------------------------------------------------------------------
 */

/* Dims of the stored tensor: those of the atoms, joined, in the order this form stores them. */
static uint32_t shape(const struct family_row *row, const struct atom *const *a, size_t n,
                      bool transposed, enum dtype to, uint64_t dim[4])
{
    uint64_t rows = 0, cols = a[0]->cols;
    uint32_t k = 0;
    for (size_t i = 0; i < n; i++)
        rows += a[i]->rows;
    if (row->kind == ATOM_EXPERTS || row->kind == ATOM_EXPERT_VECTOR)
        dim[k++] = a[0]->groups;
    dim[k++] = transposed ? cols : rows;
    if (row->kind == ATOM_VECTOR || row->kind == ATOM_EXPERT_VECTOR)
        return k;
    dim[k++] = transposed                                             ? rows
               : to == DTYPE_MXFP4_BLOCKS || to == DTYPE_MXFP4_SCALES ? cols / 32
                                                                      : cols;
    if (to == DTYPE_MXFP4_BLOCKS)
        dim[k++] = 16;
    return k;
}

static bool add(struct plan *p, const struct family_row *row, const struct atom *const *a, size_t n,
                enum join join, bool transposed, enum dtype to, struct str name, struct err *e)
{
    struct recipe r;
    uint64_t dim[4];
    bool part = to == DTYPE_MXFP4_BLOCKS || to == DTYPE_MXFP4_SCALES;
    uint32_t ndim = shape(row, a, n, transposed, to, dim);
    return make_recipe(p, a, n, join, transposed, to, &r, e) &&
           plan_add(p, name, part ? DTYPE_U8 : to, ndim, dim, r, e);
}

/* One stored tensor (two for an MXFP4 pair) of the atoms that `to` joins in it. */
static bool add_group(const struct family_view *v, const struct spelling *to,
                      const struct plan_options *opt, struct plan *p, const struct atom *const *a,
                      size_t n, struct err *e)
{
    const struct family_row *row = &v->family->rows[a[0]->row];
    struct cell c = family_cell(v->family, to, a[0]->row);
    enum dtype type = output_type(a[0], row, to, opt->type);
    bool part = type == DTYPE_MXFP4_BLOCKS;
    bool transposed = to->transposed && row->kind == ATOM_EXPERTS && !is_mxfp4(type);
    bool out_of_gguf = v->spelling->form == FORM_GGUF && to->form != FORM_GGUF;
    char name[FAMILY_NAME];
    if ((opt->canonical || (out_of_gguf && opt->type == DTYPE_NONE)) &&
        dtype_info[a[0]->dtype].is_float && !narrow(p, a, n, c.join, transposed, &type, e))
        return false;
    if (!add(p, row, a, n, c.join, transposed, type,
             family_name(name, c.name, a[0]->layer, part ? to->blocks : ""), e))
        return false;
    return !part || add(p, row, a, n, c.join, transposed, DTYPE_MXFP4_SCALES,
                        family_name(name, c.name, a[0]->layer, to->scales), e);
}

/* ---- the walk
 * ------------------------------------------------------------------------------------ */

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
    const struct family_row *row = &v->family->rows[a->row];
    char name[FAMILY_NAME];
    enum dtype to = as != DTYPE_NONE ? as : is_mxfp4(a->dtype) ? DTYPE_MXFP4 : a->dtype;
    /* q and gate are not tensors of every form: the HF name of the atom, with its own
     * name where the HF form joins it with others */
    struct cell hf = row->in[0];
    const char *part = hf.join == ALONE                                     ? ""
                       : a->src_first || strstr(row->in[2].name, "up_exps") ? " (up)"
                                                                            : " (gate)";
    return plan_reserve(p, 1, e) &&
           add(p, row, &a, 1, ALONE, false, to, family_name(name, hf.name, a->layer, part), e);
}
