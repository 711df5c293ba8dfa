/* family.c - binding a model's tensors to the atoms of its family: reading one column of
 * the table.  Writing another column is family_write.c. */
#include "formats/family.h"

#include "formats/base/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>

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

struct str family_atom_name(char out[FAMILY_NAME], const struct family *f, const struct atom *a)
{
    const struct family_row *r = &f->rows[a->row];
    char part[32] = "";
    if (r->part)
        snprintf(part, sizeof part, " (%s)", r->part);
    return family_name(out, r->in[0].name, a->layer, part);
}

/* ---- the architecture ------------------------------------------------------------------ */

bool family_config(const struct model *m, const char *config, struct arena *a, const char **path,
                   struct str *text, struct err *e)
{
    const struct sidecar *s = model_sidecar(m, "config.json");
    struct span bytes;
    *path = config ? config : s ? s->path : NULL;
    *text = (struct str){ NULL, 0 };
    if (!*path)
        return true;
    if (!file_slurp(*path, JSON_TREE_MAX, a, &bytes, e))
        return false;
    *text = (struct str){ (const char *)bytes.at, bytes.len };
    return true;
}

/* general.architecture, or model_type of config.json; empty where neither is there. */
static bool architecture(struct family_view *v, const char *config, struct str *arch, struct err *e)
{
    const char *path;
    struct str text, type;
    *arch = (struct str){ "", 0 };
    if (meta_get_str(&v->model->files[0].metadata, "general.architecture", arch))
        return true;
    if (!family_config(v->model, config, &v->arena, &path, &text, e))
        return false;
    cJSON *tree = text.at ? json_tree(path, text, e) : NULL;
    if (tree && json_get_str(tree, "model_type", &type))
        *arch = arena_str(&v->arena, type, e);
    cJSON_Delete(tree);
    return e->code == ERR_NONE;
}

/* ---- which spelling ------------------------------------------------------------------ */

static const struct tensor *find(const struct model *m, const char *pattern, uint32_t layer,
                                 const char *suffix)
{
    char name[FAMILY_NAME];
    return model_find(m, family_name(name, pattern, layer, suffix));
}

/* The tensors that hold a row: a whole one, or a pair of blocks and scales. */
static bool find_pair(const struct family *f, const struct model *m, const struct spelling *s,
                      size_t row, uint32_t layer, const struct tensor *out[2])
{
    struct cell c = family_cell(f, s, row);
    out[0] = c.name ? find(m, c.name, layer, "") : NULL;
    out[1] = NULL;
    if (!out[0] && c.name && s->blocks && f->rows[row].kind == ATOM_EXPERTS) {
        out[0] = find(m, c.name, layer, s->blocks);
        out[1] = find(m, c.name, layer, s->scales);
    }
    return out[0] != NULL;
}

const struct spelling *family_match(const struct family *f, const struct model *m, size_t *found)
{
    const struct spelling *best = NULL;
    const struct tensor *t[2];
    *found = 0;
    for (size_t i = 0; i < f->n_spellings; i++) {
        size_t n = 0;
        for (size_t r = 0; r < f->n_rows; r++)
            n += find_pair(f, m, &f->spellings[i], r, 0, t);
        if (n > *found) {
            *found = n;
            best = &f->spellings[i];
        }
    }
    return best;
}

static bool says_family(const struct family *f, struct str arch)
{
    for (size_t i = 0; f->arch[i]; i++)
        if (str_is(arch, f->arch[i]))
            return true;
    return false;
}

/* Is the model one of f?  It says so and has any of its tensors, or says nothing and has all. */
static bool recognise(struct family_view *v, const struct family *f, struct str arch)
{
    size_t found, need = 0;
    bool named = says_family(f, arch);
    for (size_t r = 0; r < f->n_rows; r++)
        need += !f->rows[r].optional;
    if (arch.len && !named)
        return false;
    v->spelling = family_match(f, v->model, &found);
    if (found >= need || (found && named))
        v->family = f;
    return v->family != NULL;
}

/* ---- binding ---------------------------------------------------------------------------- */

static bool shape_error(const struct family_view *v, const struct tensor *t, struct err *e,
                        const char *fmt, ...) PRINTF_LIKE(4, 5);
static bool shape_error(const struct family_view *v, const struct tensor *t, struct err *e,
                        const char *fmt, ...)
{
    char shape[120] = "", why[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    for (uint32_t i = 0; i < t->ndim && strlen(shape) < 90; i++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%llu", i ? "," : "",
                 (unsigned long long)t->dim[i]);
    err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' has shape [%s]: %s",
            v->model->files[t->file].path, STR_ARG(t->name), shape, why);
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
           shape_error(v, t, e, "%s should be %llu", v->family->symbols[symbol],
                       (unsigned long long)v->dims[symbol]);
}

/* Stored dimensions of an atom of that kind, MXFP4 pairs aside. */
static uint32_t rank_of(enum atom_kind k)
{
    return k == ATOM_VECTOR ? 1 : k == ATOM_EXPERTS ? 3 : 2;
}

static bool has_groups(enum atom_kind k) { return k == ATOM_EXPERTS || k == ATOM_EXPERT_VECTOR; }

/* The last `rank` dims of t, none of them zero.  Leading ones may be missing (GGUF writers drop
 * them) or too many. */
static bool read_dims(const struct family_view *v, const struct tensor *t, uint32_t rank,
                      uint64_t out[FAMILY_DIMS], struct err *e)
{
    for (uint32_t i = 0; i < rank; i++)
        out[i] = 1;
    for (uint32_t i = 0; i < t->ndim; i++) {
        uint32_t from_last = t->ndim - 1 - i;
        if (t->dim[i] == 0)
            return shape_error(v, t, e, "it is empty");
        if (from_last < rank)
            out[rank - 1 - from_last] = t->dim[i];
        else if (t->dim[i] != 1)
            return shape_error(v, t, e, "it should have %u dimensions", rank);
    }
    return true;
}

/* MXFP4 as [e, r, g, 16] blocks and [e, r, g] scales. */
static bool read_pair(struct atom *a, const struct family_view *v, struct err *e)
{
    const struct tensor *blocks = a->src[0], *scales = a->src[1];
    uint64_t b[FAMILY_DIMS], s[FAMILY_DIMS];
    if (blocks->dtype != DTYPE_U8 || scales->dtype != DTYPE_U8)
        return err_set(
            e, ERR_UNSUPPORTED, "%s: tensors '" STR_FMT "' and '" STR_FMT "' should be U8 (MXFP4)",
            v->model->files[blocks->file].path, STR_ARG(blocks->name), STR_ARG(scales->name));
    if (!read_dims(v, blocks, 4, b, e) || !read_dims(v, scales, 3, s, e))
        return false;
    if (b[3] != 16)
        return shape_error(v, blocks, e, "the last dimension should be 16, the bytes of a block");
    if (memcmp(b, s, 3 * sizeof *b) != 0)
        return shape_error(v, scales, e, "it should be [%llu,%llu,%llu] as its blocks are",
                           (unsigned long long)b[0], (unsigned long long)b[1],
                           (unsigned long long)b[2]);
    a->dtype = DTYPE_MXFP4_BLOCKS;
    a->groups = b[0];
    a->rows = b[1];
    return size_mul(b[2], 32, &a->cols) || shape_error(v, blocks, e, "it is too large");
}

/* groups, rows and cols of the stored tensor, before it is parted into atoms. */
static bool read_shape(struct atom *a, enum atom_kind kind, const struct family_view *v,
                       struct err *e)
{
    const struct tensor *t = a->src[0];
    uint32_t rank = rank_of(kind), first = has_groups(kind);
    uint64_t d[FAMILY_DIMS];
    if (a->src[1])
        return read_pair(a, v, e);
    if (!read_dims(v, t, rank, d, e))
        return false;
    a->dtype = t->dtype;
    a->transposed =
        v->spelling->transposed && kind == ATOM_EXPERTS && dtype_info[t->dtype].block_elems == 1;
    a->groups = first ? d[0] : 1;
    a->rows = d[first];
    a->cols = rank > first + 1 ? d[first + 1] : 1;
    if (a->transposed) {
        a->rows = d[2];
        a->cols = d[1];
    }
    return true;
}

/* This atom's part of the stored rows, by how the form joined them. */
static bool part_rows(struct atom *a, const struct family_view *v, struct err *e)
{
    const struct family *f = v->family;
    struct cell mine = family_cell(f, v->spelling, a->row);
    unsigned part = 0, parts = 0;
    for (size_t r = 0; r < f->n_rows; r++) {
        const char *name = family_cell(f, v->spelling, r).name;
        bool joined = name && strcmp(name, mine.name) == 0;
        part += joined && r < a->row;
        parts += joined;
    }
    a->src_rows = a->rows;
    a->src_step = 1;
    if (mine.join == INTERLEAVE) {
        if (a->rows % parts)
            return shape_error(v, a->src[0], e, "its rows should be a multiple of %u", parts);
        a->rows /= parts;
        a->src_first = part;
        a->src_step = parts;
    } else if (mine.join == CONCAT) {
        for (unsigned i = 0; i <= part; i++) {
            a->src_first += i ? a->rows : 0;
            a->rows = f->part_rows(v, a->layer, i, parts, a->src_rows);
        }
        if (!a->rows || a->src_first > a->src_rows || a->rows > a->src_rows - a->src_first)
            return shape_error(v, a->src[0], e, "it cannot hold %u tensors joined", parts);
    }
    return true;
}

static bool missing(const struct family_view *v, size_t row, uint32_t layer, struct err *e)
{
    char name[FAMILY_NAME];
    bool pair = v->spelling->blocks && v->family->rows[row].kind == ATOM_EXPERTS;
    struct str s = family_name(name, family_cell(v->family, v->spelling, row).name, layer,
                               pair ? v->spelling->blocks : "");
    err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' is missing", v->model->path, STR_ARG(s));
    return err_hint(e, "weigh verify release DIR tells which files differ from the published ones");
}

static bool bind(struct family_view *v, size_t row, uint32_t layer, struct err *e)
{
    const struct family_row *r = &v->family->rows[row];
    struct atom *a = &v->atoms[v->n_atoms];
    *a = (struct atom){ .row = row, .layer = layer };
    if (!find_pair(v->family, v->model, v->spelling, row, layer, a->src))
        return r->optional || !family_cell(v->family, v->spelling, row).name ||
               missing(v, row, layer, e);
    const struct tensor *t = a->src[0];
    if (r->kind == ATOM_EXPERTS && v->spelling->blocks && !a->src[1] &&
        str_ends(t->name, v->spelling->blocks))
        return err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' has no scales beside it",
                       v->model->files[t->file].path, STR_ARG(t->name));
    if (!read_shape(a, r->kind, v, e) || !part_rows(a, v, e))
        return false;
    v->n_atoms++;
    return (!has_groups(r->kind) || agree(v, r->dims[0], a->groups, t, e)) &&
           agree(v, r->dims[1], a->rows, t, e) && agree(v, r->dims[2], a->cols, t, e);
}

/* Layers are numbered without holes: as many as have the first tensor that a layer must have. */
static bool count_layers(struct family_view *v, struct err *e)
{
    const struct tensor *t[2];
    size_t row = 0;
    uint32_t n = 0;
    while (!family_per_layer(&v->family->rows[row]))
        row++;
    while (n < MAX_LAYERS && find_pair(v->family, v->model, v->spelling, row, n, t))
        n++;
    if (n < v->n_layers)
        return missing(v, row, n, e);
    if (v->n_layers && n > v->n_layers)
        return err_set(e, ERR_INPUT, "%s: has %u layers, its configuration says %u", v->model->path,
                       n, v->n_layers);
    v->n_layers = n;
    return true;
}

static bool bind_all(struct family_view *v, struct err *e)
{
    const struct family *f = v->family;
    if (!count_layers(v, e))
        return false;
    v->atoms = arena_new(&v->arena, struct atom, f->n_rows * ((uint64_t)v->n_layers + 1), e);
    if (!v->atoms)
        return false;
    for (size_t r = 0; r < f->n_rows; r++)
        if (!family_per_layer(&f->rows[r]) && !bind(v, r, 0, e))
            return false;
    for (uint32_t layer = 0; layer < v->n_layers; layer++)
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
    struct str arch;
    if (!architecture(v, config, &arch, e))
        return false;
    for (size_t i = 0; families[i]; i++)
        if (recognise(v, families[i], arch))
            return families[i]->read_config(v, config, e) && bind_all(v, e) && list_extra(v, e);
    return true;
}

void family_close(struct family_view *v)
{
    arena_free(&v->arena);
    *v = (struct family_view){ 0 };
}
