/* family.c - binding a model's tensors to the atoms of its family: reading one column of
 * the table.  Writing another column is family_write.c. */
#include "formats/family.h"

#include <stdio.h>
#include <stdlib.h>

const struct family *const families[] = { &family_gpt_oss, NULL };

enum { MAX_LAYERS = 4096 };

const struct spelling *family_spelling(const struct family *f, enum form form)
{
    for (size_t i = 0; i < f->n_spellings; i++)
        if (f->spellings[i].form == form)
            return &f->spellings[i];
    return NULL;
}

struct cell family_cell(const struct family *f, const struct spelling *s, size_t row)
{
    for (size_t i = 0; i < s->n_replaced; i++)
        if (s->replaced[i].row == row)
            return s->replaced[i].cell;
    return f->rows[row].in[s->column];
}

bool family_per_layer(const struct family_row *r) { return strstr(r->in[0].name, "{}") != NULL; }

struct str family_name(char out[FAMILY_NAME], const char *pattern, uint32_t layer,
                       const char *suffix)
{
    const char *hole = strstr(pattern, "{}");
    int n = hole ? snprintf(out, FAMILY_NAME, "%.*s%u%s%s", (int)(hole - pattern), pattern, layer,
                            hole + 2, suffix)
                 : snprintf(out, FAMILY_NAME, "%s%s", pattern, suffix);
    return (struct str){ out, (size_t)n };
}

/* ---- which spelling ------------------------------------------------------------------ */

static const struct tensor *find(const struct model *m, const char *pattern, uint32_t layer,
                                 const char *suffix)
{
    char name[FAMILY_NAME];
    return model_find(m, family_name(name, pattern, layer, suffix));
}

/* The tensors that hold a row: a whole one, or a pair of blocks and scales. */
static bool find_pair(const struct family_view *v, const struct spelling *s, size_t row,
                      uint32_t layer, const struct tensor *out[2])
{
    struct cell c = family_cell(v->family, s, row);
    out[0] = out[1] = NULL;
    if (!c.name)
        return false;
    out[0] = find(v->model, c.name, layer, "");
    if (!out[0] && s->blocks && v->family->rows[row].kind == ATOM_EXPERTS) {
        out[0] = find(v->model, c.name, layer, s->blocks);
        out[1] = find(v->model, c.name, layer, s->scales);
    }
    return out[0] != NULL;
}

/* How many of the rows of layer 0 and of the whole model this spelling finds. */
static size_t score(struct family_view *v, const struct spelling *s)
{
    size_t n = 0;
    const struct tensor *t[2];
    for (size_t r = 0; r < v->family->n_rows; r++)
        n += find_pair(v, s, r, 0, t);
    return n;
}

static bool says_family(const struct family *f, struct str arch)
{
    for (size_t i = 0; f->arch[i]; i++)
        if (str_is(arch, f->arch[i]))
            return true;
    return false;
}

/* The best spelling of f, if it finds enough for f to be what this is. */
static bool recognise(struct family_view *v, const struct family *f, bool named)
{
    size_t best = 0, need = 0;
    v->family = f;
    for (size_t r = 0; r < f->n_rows; r++)
        need += !f->rows[r].optional;
    for (size_t i = 0; i < f->n_spellings; i++) {
        size_t n = score(v, &f->spellings[i]);
        if (n > best) {
            best = n;
            v->spelling = &f->spellings[i];
        }
    }
    if (best >= need || (best && named))
        return true;
    v->family = NULL;
    return false;
}

/* ---- binding ---------------------------------------------------------------------------- */

static bool shape_error(const struct family_view *v, const struct tensor *t, const char *what,
                        uint64_t want, struct err *e)
{
    char shape[120] = "[";
    for (uint32_t i = 0; i < t->ndim && strlen(shape) < 90; i++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%llu", i ? "," : "",
                 (unsigned long long)t->dim[i]);
    err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' has shape %s]: %s should be %llu",
            v->model->files[t->file].path, STR_ARG(t->name), shape, what, (unsigned long long)want);
    return err_hint(e, "the configuration and the weights do not belong together");
}

/* A size that must be the same wherever its symbol stands; the first sight settles it. */
static bool agree(struct family_view *v, uint8_t symbol, uint64_t size, const struct tensor *t,
                  struct err *e)
{
    if (!symbol)
        return true;
    if (!v->dims[symbol])
        v->dims[symbol] = size;
    return v->dims[symbol] == size ||
           shape_error(v, t, v->family->symbols[symbol], v->dims[symbol], e);
}

static uint32_t rank_of(enum atom_kind k)
{
    return k == ATOM_VECTOR ? 1 : k == ATOM_EXPERTS ? 3 : 2;
}

/* groups, rows and cols of the stored tensor(s), before they are parted into atoms. */
static bool read_shape(struct atom *a, const struct family_row *row, const struct spelling *s,
                       const struct family_view *v, struct err *e)
{
    const struct tensor *t = a->src[0], *scales = a->src[1];
    uint32_t rank = rank_of(row->kind) + (scales ? 1 : 0),
             drop = t->ndim > rank ? t->ndim - rank : 0;
    for (uint32_t i = 0; i < drop; i++)
        if (t->dim[i] != 1)
            drop = 0;
    const uint64_t *d = t->dim + drop;
    if (t->ndim - drop != rank)
        return shape_error(v, t, "its number of dimensions", rank, e);
    a->dtype = t->dtype;
    a->groups = row->kind == ATOM_EXPERTS || row->kind == ATOM_EXPERT_VECTOR ? d[0] : 1;
    switch (row->kind) {
    case ATOM_VECTOR: a->rows = d[0], a->cols = 1; break;
    case ATOM_EXPERT_VECTOR: a->rows = d[1], a->cols = 1; break;
    case ATOM_ROUTER:
    case ATOM_MATRIX: a->rows = d[0], a->cols = d[1]; break;
    case ATOM_EXPERTS:
        a->transposed = s->transposed && !scales && dtype_info[t->dtype].block_elems == 1;
        a->rows = d[a->transposed ? 2 : 1];
        a->cols = d[a->transposed ? 1 : 2];
        if (scales && !size_mul(a->cols, 32, &a->cols))
            return shape_error(v, t, "a dimension", 0, e);
        break;
    }
    return true;
}

static bool check_pair(struct atom *a, const struct family_view *v, struct err *e)
{
    const struct tensor *blocks = a->src[0], *scales = a->src[1];
    if (blocks->dtype != DTYPE_U8 || scales->dtype != DTYPE_U8)
        return err_set(
            e, ERR_UNSUPPORTED, "%s: tensors '" STR_FMT "' and '" STR_FMT "' should be U8 (MXFP4)",
            v->model->files[blocks->file].path, STR_ARG(blocks->name), STR_ARG(scales->name));
    if (blocks->dim[3] != 16)
        return shape_error(v, blocks, "the last dimension", 16, e);
    if (scales->ndim != 3)
        return shape_error(v, scales, "its number of dimensions", 3, e);
    for (uint32_t i = 0; i < 3; i++)
        if (scales->dim[i] != blocks->dim[i])
            return shape_error(v, scales, "a dimension", blocks->dim[i], e);
    a->dtype = DTYPE_MXFP4_BLOCKS;
    return true;
}

/* This atom's part of the stored rows, by how the form joined them. */
static bool part_rows(struct atom *a, const struct family_view *v, const struct spelling *s,
                      struct err *e)
{
    const struct family *f = v->family;
    struct cell mine = family_cell(f, s, a->row);
    unsigned part = 0, parts = 0;
    for (size_t r = 0; r < f->n_rows; r++) {
        struct cell c = family_cell(f, s, r);
        part += c.name && strcmp(c.name, mine.name) == 0 && r < a->row;
        parts += c.name && strcmp(c.name, mine.name) == 0;
    }
    a->src_rows = a->rows;
    a->src_step = 1;
    if (mine.join == INTERLEAVE) {
        if (a->rows % parts)
            return shape_error(v, a->src[0], "a multiple of the joined rows", parts, e);
        a->rows /= parts;
        a->src_first = part;
        a->src_step = parts;
    } else if (mine.join == CONCAT) {
        uint64_t total = a->rows;
        for (unsigned i = 0; i <= part; i++) {
            a->src_first += i ? a->rows : 0;
            a->rows = f->part_rows(v, a->row, a->layer, i, parts, total);
        }
        if (!a->rows || a->src_first > total || a->rows > total - a->src_first)
            return shape_error(v, a->src[0], "the rows joined in it", 0, e);
    }
    return true;
}

static bool bind(struct family_view *v, size_t row, uint32_t layer, struct err *e)
{
    const struct family_row *r = &v->family->rows[row];
    struct atom *a = &v->atoms[v->n_atoms];
    char name[FAMILY_NAME];
    *a = (struct atom){ .row = row, .layer = layer };
    if (!find_pair(v, v->spelling, row, layer, a->src)) {
        if (r->optional)
            return true;
        struct cell c = family_cell(v->family, v->spelling, row);
        bool pair = v->spelling->blocks && r->kind == ATOM_EXPERTS;
        struct str s = family_name(name, c.name, layer, pair ? v->spelling->blocks : "");
        err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' is missing", v->model->path, STR_ARG(s));
        return err_hint(
            e, "weigh verify release DIR tells which files differ from the published ones");
    }
    if (v->spelling->blocks && a->src[0] && !a->src[1] &&
        str_ends(a->src[0]->name, v->spelling->blocks))
        return err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' has no scales beside it",
                       v->model->files[a->src[0]->file].path, STR_ARG(a->src[0]->name));
    if (!read_shape(a, r, v->spelling, v, e) || (a->src[1] && !check_pair(a, v, e)) ||
        !part_rows(a, v, v->spelling, e))
        return false;
    v->n_atoms++;
    const uint64_t sizes[3] = { a->groups, a->rows, a->cols };
    for (int i = 0, first = r->kind == ATOM_EXPERTS || r->kind == ATOM_EXPERT_VECTOR ? 0 : 1; i < 3;
         i++)
        if (i >= first && !agree(v, r->dims[i], sizes[i], a->src[0], e))
            return false;
    return true;
}

/* Layers are numbered without holes: as many as the first per-layer row that must be there has. */
static uint32_t count_layers(struct family_view *v)
{
    const struct tensor *t[2];
    size_t row = 0;
    while (!family_per_layer(&v->family->rows[row]))
        row++;
    uint32_t n = 0;
    while (n < MAX_LAYERS && find_pair(v, v->spelling, row, n, t))
        n++;
    return n;
}

static bool bind_all(struct family_view *v, struct err *e)
{
    const struct family *f = v->family;
    uint32_t found = count_layers(v);
    if (v->n_layers && v->n_layers != found)
        return err_set(e, ERR_INPUT, "%s: has %u layers, its configuration says %u", v->model->path,
                       found, v->n_layers);
    v->n_layers = found;
    v->atoms = arena_new(&v->arena, struct atom, f->n_rows * ((uint64_t)found + 1), e);
    if (!v->atoms)
        return false;
    for (size_t r = 0; r < f->n_rows; r++)
        if (!family_per_layer(&f->rows[r]) && !bind(v, r, 0, e))
            return false;
    for (uint32_t layer = 0; layer < found; layer++)
        for (size_t r = 0; r < f->n_rows; r++)
            if (family_per_layer(&f->rows[r]) && !bind(v, r, layer, e))
                return false;
    return true;
}

/* Tensors that no atom uses. */
static bool list_extra(struct family_view *v, struct err *e)
{
    const struct model *m = v->model;
    bool *used = arena_new(&v->arena, bool, m->n_tensors, e);
    v->extra = arena_new(&v->arena, const struct tensor *, m->n_tensors, e);
    if (!used || !v->extra)
        return false;
    for (size_t i = 0; i < v->n_atoms; i++)
        for (int k = 0; k < 2; k++)
            if (v->atoms[i].src[k])
                used[v->atoms[i].src[k] - m->tensors] = true;
    for (size_t i = 0; i < m->n_tensors; i++)
        if (!used[i])
            v->extra[v->n_extra++] = &m->tensors[i];
    return true;
}

bool family_open(struct family_view *v, const struct model *m, const char *config, struct err *e)
{
    *v = (struct family_view){ .model = m };
    struct str arch = { 0 };
    if (!family_architecture(m, config, &v->arena, &arch, e))
        return false;
    for (size_t i = 0; families[i]; i++) {
        bool named = says_family(families[i], arch);
        if ((arch.len && !named) || !recognise(v, families[i], named))
            continue;
        return families[i]->read_config(v, config, e) && bind_all(v, e) && list_extra(v, e);
    }
    return true;
}

void family_close(struct family_view *v)
{
    arena_free(&v->arena);
    *v = (struct family_view){ 0 };
}
