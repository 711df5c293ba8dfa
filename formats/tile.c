/* tile.c - the inner loop of every conversion: some rows of one output tensor.
 *
 * Three ways, by who is stored transposed:
 *   rows     neither: a run of source rows is read in one piece, recoded to its place
 *   gather   the source: columns of [cols, src_rows] are read and turned into rows
 *   scatter  the output: rows of the source are read in part and turned into columns */
#include "formats/base/arena.h"
#include "formats/plan.h"

/* Stored bytes of n elements, whole blocks; the plan has checked that sizes fit. */
static uint64_t bytes_of(enum dtype t, uint64_t n)
{
    return n / dtype_info[t].block_elems * dtype_info[t].block_bytes;
}

uint64_t recipe_rows(const struct recipe *r)
{
    return r->groups * (r->transposed ? r->cols : r->rows);
}

uint64_t recipe_row_bytes(const struct recipe *r)
{
    return bytes_of(r->dtype, r->transposed ? r->rows : r->cols);
}

void scratch_free(struct scratch *s)
{
    mem_free(s->in[0]);
    mem_free(s->in[1]);
    mem_free(s->turned);
    *s = (struct scratch){ 0 };
}

static bool want(void **p, uint64_t *room, uint64_t bytes, struct err *e)
{
    if (bytes <= *room && *p)
        return true;
    mem_free(*p); /* first, so that old and new are never held together */
    *p = mem_resize(NULL, bytes, e);
    *room = *p ? bytes : 0;
    return *p != NULL;
}

/* The part of a piece that lies in one tile, and where its results go. */
struct job {
    const struct plan *plan;
    const struct recipe *r;
    const struct piece *p;
    uint64_t group;
    uint64_t first, n; /* stored rows of the group in this tile */
    uint8_t *out;      /* row `first` of the group */
    struct scratch *s;
    uint64_t *lost;
    struct err *e;
};

static enum dtype source_type(const struct piece *p, int k)
{
    return k ? p->recode->with : p->recode->from;
}

static void recode(const struct job *j, void *out, const uint8_t *a, const uint8_t *b, uint64_t n)
{
    *j->lost += j->p->recode->run(out, a, b, n);
}

/* n pieces of `length` bytes, `stride` apart, packed in s->in[k]. */
static bool read_rect(const struct job *j, int k, uint64_t at, uint64_t n, uint64_t length,
                      uint64_t stride)
{
    struct scratch *s = j->s;
    if (!want(&s->in[k], &s->room.in[k], n * length, j->e))
        return false;
    if (length == stride)
        return model_read(j->plan->src, j->p->src[k], at, s->in[k], n * length, j->e);
    for (uint64_t i = 0; i < n; i++)
        if (!model_read(j->plan->src, j->p->src[k], at + i * stride,
                        (uint8_t *)s->in[k] + i * length, length, j->e))
            return false;
    return true;
}

/* ---- rows ------------------------------------------------------------------------- */

/* Piece rows i0..i1-1 land in the tile. */
static bool make_rows(const struct job *j, uint64_t i0, uint64_t i1)
{
    const struct piece *p = j->p;
    uint64_t cols = j->r->cols, n = i1 - i0, step[2] = { 0 };
    uint64_t out_row = bytes_of(j->r->dtype, cols);
    for (int k = 0; k < 2 && p->src[k]; k++) {
        uint64_t row = bytes_of(source_type(p, k), cols);
        uint64_t from = j->group * p->src_rows + p->src_first + i0 * p->src_step;
        uint64_t span = ((n - 1) * p->src_step + 1) * row; /* skipped rows are read along */
        step[k] = row * p->src_step;
        if (!read_rect(j, k, from * row, 1, span, span))
            return false;
    }
    const uint8_t *a = j->s->in[0], *b = p->src[1] ? j->s->in[1] : NULL;
    uint8_t *out = j->out + (p->dst_first + i0 * p->dst_step - j->first) * out_row;
    if (p->src_step == 1 && p->dst_step == 1) {
        recode(j, out, a, b, n * cols);
        return true;
    }
    for (uint64_t i = 0; i < n; i++)
        recode(j, out + i * p->dst_step * out_row, a + i * step[0], b ? b + i * step[1] : NULL,
               cols);
    return true;
}

/* ---- gather ------------------------------------------------------------------------ */

static bool make_gathered(const struct job *j, uint64_t i0, uint64_t i1)
{
    const struct piece *p = j->p;
    struct scratch *s = j->s;
    uint64_t cols = j->r->cols, n = i1 - i0, size = bytes_of(p->recode->from, 1);
    uint64_t span = (n - 1) * p->src_step + 1, out_row = bytes_of(j->r->dtype, cols);
    uint64_t at = (j->group * cols * p->src_rows + p->src_first + i0 * p->src_step) * size;
    if (!read_rect(j, 0, at, cols, span * size, p->src_rows * size) ||
        !want(&s->turned, &s->room.turned, cols * size, j->e))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *from = (const uint8_t *)s->in[0] + i * p->src_step * size;
        uint8_t *turned = s->turned;
        for (uint64_t c = 0; c < cols; c++)
            memcpy(turned + c * size, from + c * span * size, size);
        recode(j, j->out + (p->dst_first + (i0 + i) * p->dst_step - j->first) * out_row, turned,
               NULL, cols);
    }
    return true;
}

/* ---- scatter ------------------------------------------------------------------------ */

/* Rows per round: bounds the memory whatever the tensor's height. */
enum { SCATTER_ROWS = 256 };

static bool scatter_round(const struct job *j, uint64_t i0, uint64_t n)
{
    const struct piece *p = j->p;
    struct scratch *s = j->s;
    uint64_t block = dtype_info[p->recode->from].block_elems;
    uint64_t c0 = j->first / block * block, c1 = (j->first + j->n + block - 1) / block * block;
    uint64_t size = bytes_of(j->r->dtype, 1), part[2] = { 0 };
    for (int k = 0; k < 2 && p->src[k]; k++) {
        enum dtype t = source_type(p, k);
        uint64_t row = bytes_of(t, j->r->cols);
        uint64_t from = j->group * p->src_rows + p->src_first + i0 * p->src_step;
        part[k] = bytes_of(t, c1 - c0);
        if (!read_rect(j, k, from * row + bytes_of(t, c0), n, part[k], row * p->src_step))
            return false;
    }
    if (!want(&s->turned, &s->room.turned, (c1 - c0) * size, j->e))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        recode(j, s->turned, (const uint8_t *)s->in[0] + i * part[0],
               p->src[1] ? (const uint8_t *)s->in[1] + i * part[1] : NULL, c1 - c0);
        const uint8_t *from = (const uint8_t *)s->turned + (j->first - c0) * size;
        uint8_t *to = j->out + (p->dst_first + (i0 + i) * p->dst_step) * size;
        for (uint64_t c = 0; c < j->n; c++)
            memcpy(to + c * j->r->rows * size, from + c * size, size);
    }
    return true;
}

static bool make_scattered(const struct job *j)
{
    for (uint64_t i = 0; i < j->p->rows; i += SCATTER_ROWS) {
        uint64_t n = j->p->rows - i < SCATTER_ROWS ? j->p->rows - i : SCATTER_ROWS;
        if (!scatter_round(j, i, n))
            return false;
    }
    return true;
}

/* ---- memory --------------------------------------------------------------------------- */

static void raise(uint64_t *most, uint64_t bytes)
{
    if (bytes > *most)
        *most = bytes;
}

/* Columns that n neighbouring ones touch when whole blocks are read. */
static uint64_t block_cols(const struct piece *p, uint64_t n, uint64_t cols)
{
    uint64_t block = dtype_info[p->recode->from].block_elems;
    uint64_t touched = (n + 2 * (block - 1)) / block * block;
    return touched < cols ? touched : cols;
}

/* No product here exceeds the bytes of the source or of the output tensor. */
void recipe_memory(const struct recipe *r, uint64_t n_rows, struct tile_memory *most)
{
    raise(&most->out, n_rows * recipe_row_bytes(r));
    for (size_t k = 0; k < r->n_pieces; k++) {
        const struct piece *p = &r->pieces[k];
        uint64_t n = n_rows / p->dst_step + 1, cols = r->cols, rows;
        n = n < p->rows ? n : p->rows;
        rows = n ? (n - 1) * p->src_step + 1 : 0; /* those between are read along */
        if (r->transposed) {
            cols = block_cols(p, n_rows, r->cols);
            rows = p->rows < SCATTER_ROWS ? p->rows : SCATTER_ROWS;
            raise(&most->turned, bytes_of(r->dtype, cols));
        } else if (p->src_transposed) {
            raise(&most->turned, bytes_of(p->recode->from, cols));
        }
        for (int s = 0; s < 2 && p->src[s]; s++)
            raise(&most->in[s], rows * bytes_of(source_type(p, s), cols));
    }
}

/* ---- tiles ---------------------------------------------------------------------------- */

/* First i with first + i*step >= at, at most rows. */
static uint64_t piece_row(const struct piece *p, uint64_t at)
{
    uint64_t i = at <= p->dst_first ? 0 : (at - p->dst_first + p->dst_step - 1) / p->dst_step;
    return i < p->rows ? i : p->rows;
}

static bool make_piece(const struct job *j)
{
    if (j->r->transposed)
        return make_scattered(j);
    uint64_t i0 = piece_row(j->p, j->first), i1 = piece_row(j->p, j->first + j->n);
    if (i0 == i1)
        return true;
    return j->p->src_transposed ? make_gathered(j, i0, i1) : make_rows(j, i0, i1);
}

bool tile_make(const struct plan *p, size_t i, uint64_t first, uint64_t n, void *out,
               struct scratch *s, uint64_t *lost, struct err *e)
{
    const struct recipe *r = &p->recipes[i];
    uint64_t per_group = r->transposed ? r->cols : r->rows, row_bytes = recipe_row_bytes(r);
    uint64_t before = *lost;
    uint8_t *to = out;
    while (n) {
        uint64_t in_group = first % per_group;
        uint64_t part = per_group - in_group < n ? per_group - in_group : n;
        for (size_t k = 0; k < r->n_pieces; k++) {
            struct job j = {
                p, r, &r->pieces[k], first / per_group, in_group, part, to, s, lost, e
            };
            if (!make_piece(&j))
                return false;
        }
        first += part;
        n -= part;
        to += part * row_bytes;
    }
    if (*lost == before || p->allow_lossy)
        return true;
    err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "': %llu values do not survive as %s",
            STR_ARG(p->out.tensors[i].name), (unsigned long long)(*lost - before),
            dtype_info[r->dtype].name);
    return err_hint(e, "%s--allow-lossy accepts the loss",
                    r->dtype == DTYPE_F32 ? "" : "--type f32 may keep them; ");
}
