/* slice.c - a part of one tensor, as stored bytes, as a NumPy array or as text. */
#include "inspect/slice.h"

#include "formats/base/buf.h"
#include "inspect/npy.h"
#include "quant/bytes.h"
#include "quant/codec.h"

enum { CHUNK = 1 << 18 }; /* elements: whole blocks of every type */

/* ---- which part -------------------------------------------------------------------------- */

static uint64_t outermost(const struct tensor *t, uint32_t first)
{
    return first < t->ndim ? t->dim[first] : 1;
}

struct slice slice_of(const struct model *m, const struct tensor *t)
{
    return (struct slice){ m, t, 0, outermost(t, 0), 0, t->bytes };
}

/* Bytes of one item of the outermost dimension. */
static bool item_bytes(const struct slice *s, uint64_t *each, struct err *e)
{
    const struct tensor *t = s->tensor;
    const struct dtype_info *d = &dtype_info[t->dtype];
    if (s->first >= t->ndim)
        return err_set(e, ERR_USAGE, "tensor '" STR_FMT "' has no more dimensions to choose from",
                       STR_ARG(t->name));
    *each = s->n ? s->bytes / s->n : 0;
    if (*each % d->block_bytes || (s->n && s->bytes % s->n))
        return err_set(e, ERR_UNSUPPORTED,
                       "tensor '" STR_FMT "' is stored in blocks of %u, which would be cut",
                       STR_ARG(t->name), d->block_elems);
    return true;
}

bool slice_range(struct slice *s, uint64_t first, uint64_t end, struct err *e)
{
    uint64_t each = 0;
    if (!item_bytes(s, &each, e))
        return false;
    if (first > end || end > s->n)
        return err_set(e, ERR_USAGE,
                       "tensor '" STR_FMT "' has %llu in its outermost dimension; %llu to %llu "
                       "are asked for",
                       STR_ARG(s->tensor->name), (unsigned long long)s->n,
                       (unsigned long long)first, (unsigned long long)end);
    s->n = end - first;
    s->at += first * each; /* inside the tensor */
    s->bytes = s->n * each;
    return true;
}

bool slice_item(struct slice *s, uint64_t i, struct err *e)
{
    if (i == UINT64_MAX)
        return err_set(e, ERR_USAGE, "an index is below 2^64-1");
    if (!slice_range(s, i, i + 1, e))
        return false;
    s->first++;
    s->n = outermost(s->tensor, s->first);
    return true;
}

static uint64_t slice_columns(const struct slice *s)
{
    const struct tensor *t = s->tensor;
    return s->first + 1 == t->ndim ? s->n : s->first < t->ndim ? t->dim[t->ndim - 1] : 1;
}

/* ---- elements ---------------------------------------------------------------------------- */

/* How NumPy calls what a type becomes; NULL where it has no such. */
static const char *npy_type(enum dtype t)
{
    // clang-format off
    static const char *const names[DTYPE_COUNT] = {
        [DTYPE_F64] = "<f8", [DTYPE_F32] = "<f4", [DTYPE_F16] = "<f4", [DTYPE_BF16] = "<f4", [DTYPE_C64] = "<c8",
        [DTYPE_I64] = "<i8", [DTYPE_I32] = "<i4", [DTYPE_I16] = "<i2", [DTYPE_I8] = "|i1",
        [DTYPE_U64] = "<u8", [DTYPE_U32] = "<u4", [DTYPE_U16] = "<u2", [DTYPE_U8] = "|u1", [DTYPE_BOOL] = "|b1",
        [DTYPE_Q8_0] = "<f4", [DTYPE_MXFP4] = "<f4", [DTYPE_MXFP4_LINEAR] = "<f4",
    };
    // clang-format on
    return names[t];
}

static bool is_decoded(enum dtype t) { return strcmp(npy_type(t), "<f4") == 0; }

static bool check_form(const struct slice *s, enum slice_form form, struct err *e)
{
    const struct tensor *t = s->tensor;
    if (form == SLICE_RAW)
        return true;
    if (!npy_type(t->dtype) || (form == SLICE_CSV && t->dtype == DTYPE_C64)) {
        err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' is %s, which we cannot decode",
                STR_ARG(t->name), dtype_info[t->dtype].name);
        return err_hint(e, "--as raw gives its bytes");
    }
    if (form == SLICE_NPY && t->ndim - s->first > NPY_DIMS)
        return err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' has %u dimensions, NumPy has %d",
                       STR_ARG(t->name), t->ndim - s->first, NPY_DIMS);
    return true;
}

static void put_npy_header(struct buf *b, const struct slice *s)
{
    const struct tensor *t = s->tensor;
    uint64_t dim[NPY_DIMS];
    uint32_t ndim = t->ndim - s->first;
    for (uint32_t i = 0; i < ndim; i++)
        dim[i] = i ? t->dim[s->first + i] : s->n;
    npy_header(b, npy_type(t->dtype), dim, ndim);
}

static uint64_t load(const uint8_t *p, uint32_t width)
{
    switch (width) {
    case 1: return *p;
    case 2: return load16(p);
    case 4: return load32(p);
    default: return load64(p);
    }
}

static void put_signed(struct buf *b, uint64_t v, uint32_t width)
{
    uint64_t sign = (uint64_t)1 << (8 * width - 1);
    bool negative = v & sign;
    uint64_t size = negative ? ((v ^ sign) ^ (sign - 1)) + 1 : v; /* of width bytes, negated */
    buf_printf(b, "%s%llu", negative ? "-" : "", (unsigned long long)size);
}

static void put_real(struct buf *b, double v, int digits)
{
    if (v != v)
        buf_puts(b, "nan"); /* printf would give some a sign */
    else
        buf_printf(b, "%.*g", digits, v);
}

/* Element i of a chunk: of f32 where the type is decoded, else as stored. */
static void put_element(struct buf *b, enum dtype t, const float *f, const uint8_t *raw, size_t i)
{
    uint32_t width = dtype_info[t].block_bytes;
    if (is_decoded(t)) {
        put_real(b, (double)f[i], 9);
        return;
    }
    uint64_t v = load(raw + i * width, width);
    double d;
    if (t == DTYPE_F64) {
        memcpy(&d, &v, sizeof d);
        put_real(b, d, 17);
    } else if (t >= DTYPE_I64 && t <= DTYPE_I8) {
        put_signed(b, v, width);
    } else {
        buf_printf(b, "%llu", (unsigned long long)v);
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

struct chunk {
    uint8_t *raw;
    float *f;
    uint64_t column; /* of the next element, for SLICE_CSV */
};

static bool put_csv(const struct slice *s, struct chunk *c, size_t n, slice_put *put, void *ctx,
                    struct err *e)
{
    struct buf b = buf_make(e);
    uint64_t columns = slice_columns(s);
    for (size_t i = 0; i < n; i++) {
        put_element(&b, s->tensor->dtype, c->f, c->raw, i);
        c->column = c->column + 1 == columns ? 0 : c->column + 1;
        buf_puts(&b, c->column ? "," : "\n");
    }
    bool ok = buf_ok(&b) && put(ctx, buf_span(&b), e);
    buf_free(&b);
    return ok;
}

/* n elements, whose bytes are in c->raw. */
static bool put_chunk(const struct slice *s, enum slice_form form, struct chunk *c, size_t n,
                      uint64_t bytes, slice_put *put, void *ctx, struct err *e)
{
    enum dtype t = s->tensor->dtype;
    struct span raw = { c->raw, (size_t)bytes };
    if (form == SLICE_RAW || (form == SLICE_NPY && !is_decoded(t)))
        return put(ctx, raw, e);
    if (is_decoded(t) && !decode_f32(t, c->f, c->raw, n))
        return err_set(e, ERR_INTERNAL, "%s does not decode", dtype_info[t].name);
    if (form == SLICE_CSV)
        return put_csv(s, c, n, put, ctx, e);
    for (size_t i = 0; i < n; i++) { /* little-endian on every machine */
        uint32_t v;
        memcpy(&v, &c->f[i], 4);
        store32((uint8_t *)&c->f[i], v);
    }
    return put(ctx, (struct span){ (const uint8_t *)c->f, n * 4 }, e);
}

static bool put_all(const struct slice *s, enum slice_form form, struct chunk *c, slice_put *put,
                    void *ctx, struct err *e)
{
    const struct dtype_info *d = &dtype_info[s->tensor->dtype];
    uint64_t most = (uint64_t)CHUNK / d->block_elems * d->block_bytes;
    for (uint64_t at = 0; at < s->bytes; at += most) {
        uint64_t n = s->bytes - at < most ? s->bytes - at : most;
        if (!model_read(s->model, s->tensor, s->at + at, c->raw, n, e) ||
            !put_chunk(s, form, c, (size_t)(n / d->block_bytes * d->block_elems), n, put, ctx, e))
            return false;
    }
    return true;
}

bool slice_write(const struct slice *s, enum slice_form form, slice_put *put, void *ctx,
                 struct err *e)
{
    struct buf head = buf_make(e);
    struct chunk c = { 0 };
    if (!check_form(s, form, e))
        return false;
    if (form == SLICE_NPY)
        put_npy_header(&head, s);
    c.raw = mem_resize(NULL, (uint64_t)CHUNK * 8, e); /* no type has over 8 bytes an element */
    c.f = mem_resize(NULL, (uint64_t)CHUNK * sizeof *c.f, e);
    bool ok = c.raw && c.f && buf_ok(&head) && (!head.len || put(ctx, buf_span(&head), e)) &&
              put_all(s, form, &c, put, ctx, e) && model_unchanged(s->model, e);
    mem_free(c.raw);
    mem_free(c.f);
    buf_free(&head);
    return ok;
}
