/* weights.c - a cache of weight rows, filled from the atoms' plan. */
#include "verify/forward/weights.h"

#include "formats/base/text.h"
#include "quant/bytes.h"

#include <stdio.h>

/* At most so many bytes are one unit (unless one row is longer), and are made at once by
 * one worker. */
enum { UNIT_BYTES = 16 << 20, TILE_BYTES = 1 << 20 };

struct unit {
    void *data; /* NULL: not here */
    uint64_t bytes, used;
};

/* ---- which unit -------------------------------------------------------------------------- */

static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t max(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t parts(uint64_t n, uint64_t size) { return n / size + (n % size != 0); }

static uint64_t rows_in(uint64_t bytes, uint64_t row_bytes)
{
    return max(1, row_bytes ? bytes / row_bytes : 1);
}

static enum dtype dtype_of(const struct weights *w, size_t atom)
{
    return w->plan.recipes[atom].dtype;
}

/* Of one row of the atom, whole blocks.  (A recipe's rows may be shorter.) */
static uint64_t row_bytes(const struct weights *w, size_t atom)
{
    const struct dtype_info *d = &dtype_info[dtype_of(w, atom)];
    return w->view->atoms[atom].cols / d->block_elems * d->block_bytes;
}

/* Where a unit's rows begin in the atom, all groups counted, and how many they are. */
struct range {
    size_t unit;
    uint64_t first, n;
};

static struct range unit_of(const struct weights *w, size_t atom, uint64_t group, uint64_t row)
{
    const struct atom *a = &w->view->atoms[atom];
    uint64_t size = rows_in(UNIT_BYTES, row_bytes(w, atom)), i = row / size;
    return (struct range){ w->first_unit[atom] + (size_t)(group * parts(a->rows, size) + i),
                           group * a->rows + i * size, min(size, a->rows - i * size) };
}

static uint64_t count_units(const struct weights *w, size_t atom)
{
    const struct atom *a = &w->view->atoms[atom];
    return a->groups * parts(a->rows, rows_in(UNIT_BYTES, row_bytes(w, atom)));
}

static uint64_t unit_bytes(const struct weights *w, size_t atom)
{
    uint64_t row = row_bytes(w, atom);
    return min(rows_in(UNIT_BYTES, row), w->view->atoms[atom].rows) * row;
}

/* ---- NaN --------------------------------------------------------------------------------- */

/* Is one of these four BF16 a NaN?  Its magnitude is above 0x7F80, and 0x7F more reaches the bit
 * of the sign. */
static bool nan_in_4(uint64_t v)
{
    const uint64_t each = 0x0001000100010001;
    return (((v & 0x7FFF * each) + 0x007F * each) & 0x8000 * each) != 0;
}

/* The first of n elements that is NaN, or n.  Rows are whole blocks. */
static uint64_t find_nan(enum dtype t, const uint8_t *row, uint64_t n)
{
    const struct dtype_info *d = &dtype_info[t];
    float some[256];
    if (t == DTYPE_MXFP4) { /* only the scale can be one */
        for (uint64_t i = 0; i < n / 32; i++)
            if (row[17 * i] == 255)
                return 32 * i;
        return n;
    }
    if (t == DTYPE_BF16) {
        uint64_t i = 0;
        while (n - i >= 4 && !nan_in_4(load64(row + 2 * i)))
            i += 4;
        while (i < n && (load16(row + 2 * i) & 0x7FFF) <= 0x7F80)
            i++;
        return i;
    }
    for (uint64_t i = 0; i < n; i += 256) {
        uint64_t k = min(256, n - i);
        decode_f32(t, some, row + i / d->block_elems * d->block_bytes, k);
        for (uint64_t j = 0; j < k; j++)
            if (some[j] != some[j])
                return i + j;
    }
    return n;
}

/* Names the place in the stored tensor. */
static bool nan_error(const struct weights *w, size_t atom, uint64_t row, uint64_t col,
                      struct err *e)
{
    const struct atom *a = &w->view->atoms[atom];
    bool pair = a->src[1] != NULL, vector = a->cols == 1;
    const struct tensor *t = a->src[pair];
    uint64_t group = row / a->rows, r = a->src_first + row % a->rows * a->src_step;
    uint64_t c = pair ? col / 32 : col;
    char at[80] = "";
    if (t->ndim >= (vector ? 2u : 3u))
        snprintf(at, sizeof at, "%llu, ", (unsigned long long)group);
    size_t len = strlen(at);
    if (vector)
        snprintf(at + len, sizeof at - len, "%llu", (unsigned long long)r);
    else
        snprintf(at + len, sizeof at - len, "%llu, %llu",
                 (unsigned long long)(a->transposed ? c : r),
                 (unsigned long long)(a->transposed ? r : c));
    return err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' holds NaN at [%s]",
                   w->view->model->files[t->file].path, STR_ARG(t->name), at);
}

/* n rows from the `first` of all groups on, checked. */
static bool make_rows(struct weights *w, size_t atom, uint64_t first, uint64_t n, uint8_t *to,
                      unsigned worker, struct err *e)
{
    uint64_t bytes = row_bytes(w, atom), cols = w->view->atoms[atom].cols, lost = 0;
    uint64_t split = bytes / recipe_row_bytes(&w->plan.recipes[atom]);
    if (!tile_make(&w->plan, atom, first * split, n * split, to, &w->scratch[worker], &lost, e))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t col = find_nan(dtype_of(w, atom), to + i * bytes, cols);
        if (col < cols)
            return nan_error(w, atom, first + i, col, e);
    }
    return true;
}

/* ---- reading ----------------------------------------------------------------------------- */

struct reading {
    struct weights *w;
    size_t atom;
    uint64_t first, n, per_job;
    uint8_t *to;
};

static bool read_some(void *ctx, size_t job, unsigned worker, struct err *e)
{
    const struct reading *r = ctx;
    uint64_t at = job * r->per_job, n = min(r->per_job, r->n - at);
    return make_rows(r->w, r->atom, r->first + at, n, r->to + at * row_bytes(r->w, r->atom), worker,
                     e);
}

static bool read_all(struct weights *w, size_t atom, struct range range, void *to, struct err *e)
{
    uint64_t per_job = rows_in(TILE_BYTES, row_bytes(w, atom));
    struct reading r = { w, atom, range.first, range.n, per_job, to };
    return team_run(w->team, (size_t)parts(range.n, per_job), read_some, &r, e);
}

/* ---- room -------------------------------------------------------------------------------- */

/* Lets go of what was not used for longest until `bytes` more fit. */
static void make_room(struct weights *w, uint64_t bytes)
{
    while (w->held && w->held + bytes > w->limit - w->reserved) {
        size_t oldest = SIZE_MAX;
        for (size_t i = 0; i < w->n_units; i++)
            if (w->units[i].data &&
                (oldest == SIZE_MAX || w->units[i].used < w->units[oldest].used))
                oldest = i;
        w->held -= w->units[oldest].bytes;
        mem_free(w->units[oldest].data);
        w->units[oldest] = (struct unit){ 0 };
    }
}

bool weights_reserve(struct weights *w, uint64_t bytes, struct err *e)
{
    uint64_t need;
    char have[16], want[16];
    if (!size_add(w->reserved, bytes, &need) || !size_add(need, w->largest, &need) ||
        need > w->limit) {
        text_bytes(have, w->limit);
        text_bytes(want, need);
        err_set(e, ERR_MEMORY, "the forward pass needs at least %s of memory, the limit is %s",
                want, have);
        return err_hint(e, "--mem SIZE raises it; a shorter prompt needs less");
    }
    w->reserved += bytes;
    make_room(w, 0);
    return true;
}

const uint8_t *weights_rows(struct weights *w, size_t atom, uint64_t group, uint64_t row,
                            uint64_t *n, struct err *e)
{
    struct range range = unit_of(w, atom, group, row);
    struct unit *u = &w->units[range.unit];
    uint64_t bytes = range.n * row_bytes(w, atom);
    uint64_t skip = group * w->view->atoms[atom].rows + row - range.first;
    if (!u->data) {
        make_room(w, bytes);
        void *data = mem_resize(NULL, bytes, e);
        if (!data || !read_all(w, atom, range, data, e)) {
            mem_free(data);
            return NULL;
        }
        *u = (struct unit){ data, bytes, 0 };
        w->held += bytes;
    }
    u->used = ++w->uses;
    *n = range.n - skip;
    return (const uint8_t *)u->data + skip * row_bytes(w, atom);
}

bool weights_decode(struct weights *w, size_t atom, uint64_t row, uint64_t n, float *out,
                    struct err *e)
{
    uint64_t bytes = row_bytes(w, atom), per_round = rows_in(TILE_BYTES, bytes);
    uint64_t cols = w->view->atoms[atom].cols;
    uint8_t *rows = mem_resize(NULL, min(n, per_round) * bytes, e);
    bool ok = rows != NULL;
    for (uint64_t i = 0; ok && i < n; i += per_round) {
        uint64_t k = min(per_round, n - i);
        ok = make_rows(w, atom, row + i, k, rows, 0, e);
        if (ok)
            decode_f32(dtype_of(w, atom), out + i * cols, rows, k * cols);
    }
    mem_free(rows);
    return ok;
}

/* ---- life -------------------------------------------------------------------------------- */

enum dtype weights_dtype(const struct weights *w, size_t atom) { return dtype_of(w, atom); }

uint64_t weights_row_bytes(const struct weights *w, size_t atom) { return row_bytes(w, atom); }

/* Of a type that can be decoded, in whole blocks a row. */
static bool readable(const struct weights *w, size_t atom, struct err *e)
{
    const struct atom *a = &w->view->atoms[atom];
    enum dtype type = dtype_of(w, atom);
    if (a->rows && a->cols && a->groups && a->cols % dtype_info[type].block_elems == 0 &&
        recode_find(type, DTYPE_NONE, DTYPE_F32))
        return true;
    return err_set(e, ERR_UNSUPPORTED,
                   "%s: tensor '" STR_FMT "' is %llu rows of %llu numbers stored as %s, which the "
                   "forward pass cannot read",
                   w->view->model->files[a->src[0]->file].path, STR_ARG(a->src[0]->name),
                   (unsigned long long)a->rows, (unsigned long long)a->cols, dtype_info[type].name);
}

/* Plans every atom and counts its units; *tile is what one worker takes at most. */
static bool plan_atoms(struct weights *w, struct tile_memory *tile, struct err *e)
{
    size_t n = w->view->n_atoms;
    w->first_unit = arena_new(&w->arena, size_t, n, e);
    if (!w->first_unit || !plan_reserve(&w->plan, n, e))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!family_atom(w->view, i, DTYPE_NONE, &w->plan, e) || !readable(w, i, e))
            return false;
        const struct recipe *r = &w->plan.recipes[i];
        uint64_t rows = rows_in(TILE_BYTES, row_bytes(w, i)) * row_bytes(w, i);
        recipe_memory(r, min(recipe_rows(r), rows / recipe_row_bytes(r)), tile);
        w->first_unit[i] = w->n_units;
        w->n_units += (size_t)count_units(w, i);
        w->largest = max(w->largest, unit_bytes(w, i));
    }
    return true;
}

bool weights_open(struct weights *w, const struct family_view *v, struct team *team, uint64_t limit,
                  struct err *e)
{
    unsigned workers = team_workers(team);
    struct tile_memory tile = { 0 };
    *w = (struct weights){ .view = v, .team = team, .limit = limit ? limit : UINT64_MAX };
    w->plan.src = v->model;
    if (plan_atoms(w, &tile, e) && (w->units = arena_new(&w->arena, struct unit, w->n_units, e)) &&
        (w->scratch = arena_new(&w->arena, struct scratch, workers, e)) &&
        weights_reserve(w, workers * (tile.in[0] + tile.in[1] + tile.turned), e))
        return true;
    weights_close(w);
    return false;
}

void weights_close(struct weights *w)
{
    for (size_t i = 0; w->units && i < w->n_units; i++)
        mem_free(w->units[i].data);
    for (unsigned i = 0; w->scratch && i < team_workers(w->team); i++)
        scratch_free(&w->scratch[i]);
    plan_free(&w->plan);
    arena_free(&w->arena);
    *w = (struct weights){ 0 };
}
