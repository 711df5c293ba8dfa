/* safetensors.c - one .safetensors file, read and laid out.
 *
 *   0  u64 N            header length
 *   8  N bytes JSON     {"name":{"dtype":"BF16","shape":[..],"data_offsets":[a,b]},...}
 *   8+N                 tensor bytes; offsets count from here and tile the rest exactly
 *
 * Rules: the public reference reader (safetensors 0.8), made stricter where it lets two
 * readers disagree: no duplicate names.  Shards are joined by shards.c. */
#include "formats/format.h"

#include "formats/base/json.h"
#include "formats/safetensors.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_HEADER = 100 * 1000 * 1000 };

/* In the order of the reference writer: rising alignment.  It sorts by this, descending. */
static const struct {
    const char *name;
    enum dtype dtype;
} spellings[] = {
    { "BOOL", DTYPE_BOOL },
    { "F4", DTYPE_F4 },
    { "F6_E2M3", DTYPE_F6_E2M3 },
    { "F6_E3M2", DTYPE_F6_E3M2 },
    { "U8", DTYPE_U8 },
    { "I8", DTYPE_I8 },
    { "F8_E5M2", DTYPE_F8_E5M2 },
    { "F8_E4M3", DTYPE_F8_E4M3 },
    { "F8_E8M0", DTYPE_F8_E8M0 },
    { "F8_E4M3FNUZ", DTYPE_F8_E4M3FNUZ },
    { "F8_E5M2FNUZ", DTYPE_F8_E5M2FNUZ },
    { "I16", DTYPE_I16 },
    { "U16", DTYPE_U16 },
    { "F16", DTYPE_F16 },
    { "BF16", DTYPE_BF16 },
    { "I32", DTYPE_I32 },
    { "U32", DTYPE_U32 },
    { "F32", DTYPE_F32 },
    { "C64", DTYPE_C64 },
    { "F64", DTYPE_F64 },
    { "I64", DTYPE_I64 },
    { "U64", DTYPE_U64 },
};
enum { N_SPELLINGS = sizeof spellings / sizeof *spellings };

static int rank_of(enum dtype t)
{
    for (int i = 0; i < N_SPELLINGS; i++)
        if (spellings[i].dtype == t)
            return i;
    return -1;
}

const char *safetensors_dtype_name(enum dtype t)
{
    int rank = rank_of(t);
    return rank < 0 ? NULL : spellings[rank].name;
}

/* ---- reading ---------------------------------------------------------------- */

static bool probe(struct span head, uint64_t file_size)
{
    if (head.len < 9)
        return false;
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | head.at[i];
    /* The header must be an object; a length past the end is still ours to complain about. */
    return file_size >= 9 && (head.at[8] == '{' || head.at[8] == ' ') && n <= UINT32_MAX;
}

/* What the findings of one header are about. */
struct oddities {
    bool unknown_member, null_metadata, misaligned, many_dims, overflow_by_order;
    struct str example;
};

/* How many numbers come before the array ends, if numbers are all it has.  Two bytes at least
 * for each: what is allocated for them stays in proportion. */
static uint64_t count_numbers(const struct json *j)
{
    uint64_t n = 0;
    bool inside = false; /* a number */
    for (size_t at = j->at; at < j->text.len; at++) {
        char c = j->text.at[at];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !memchr(" ,\t\r\n", c, 5))
            break;
        n += digit && !inside;
        inside = digit;
    }
    return n;
}

static void read_shape(struct json *j, struct tensor *t, struct arena *a)
{
    json_array(j);
    uint64_t i = 0, n = count_numbers(j);
    uint64_t *dim = json_ok(j) ? arena_new(a, uint64_t, n, j->err) : NULL;
    for (; json_item(j); i++) {
        uint64_t v = json_u64(j);
        if (dim && i < n)
            dim[i] = v;
    }
    t->dim = dim;
    t->ndim = (uint32_t)i; /* a header has at most 10^8 bytes */
}

static void read_dtype(struct json *j, struct tensor *t)
{
    struct str name = json_string(j);
    for (int i = 0; i < N_SPELLINGS; i++)
        if (str_is(name, spellings[i].name))
            t->dtype = spellings[i].dtype;
    if (json_ok(j) && t->dtype == DTYPE_NONE)
        json_fail(j, "tensor '" STR_FMT "' has the unknown dtype '" STR_FMT "'", STR_ARG(t->name),
                  STR_ARG(name));
}

/* The product with its zeros left out: overflows where some order of the dims would. */
static bool overflows_reordered(const struct tensor *t)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->ndim; i++)
        if (t->dim[i] && !size_mul(n, t->dim[i], &n))
            return true;
    return false;
}

static void check_entry(struct json *j, struct tensor *t, uint64_t begin, uint64_t end,
                        struct oddities *odd)
{
    uint64_t elems, bytes;
    if (!json_ok(j))
        return;
    if (!tensor_size(t, &elems, &bytes)) {
        json_fail(j, "tensor '" STR_FMT "' is larger than a file can be", STR_ARG(t->name));
        return;
    }
    if (end < begin || end - begin != bytes) {
        json_fail(j, "tensor '" STR_FMT "' needs %llu bytes by its shape, data_offsets give %lld",
                  STR_ARG(t->name), (unsigned long long)bytes, (long long)(end - begin));
        return;
    }
    t->offset = begin;
    t->bytes = bytes;
    uint32_t align = dtype_info[t->dtype].block_bytes;
    odd->misaligned |= align > 1 && align <= 8 && begin % align;
    odd->many_dims |= t->ndim > 8;
    odd->overflow_by_order |= elems == 0 && overflows_reordered(t);
}

static void read_entry(struct json *j, struct tensor *t, struct arena *a, struct oddities *odd)
{
    uint64_t offsets[2] = { 0 };
    unsigned n_offsets = 0;
    bool shape = false;
    size_t at = j->at;
    struct str key;
    json_object(j);
    while (json_key(j, &key)) {
        if (str_is(key, "dtype")) {
            read_dtype(j, t);
        } else if (str_is(key, "shape")) {
            read_shape(j, t, a);
            shape = true;
        } else if (str_is(key, "data_offsets")) {
            json_array(j);
            for (; json_item(j); n_offsets++) {
                uint64_t v = json_u64(j);
                if (n_offsets < 2)
                    offsets[n_offsets] = v;
            }
        } else {
            json_skip(j);
            odd->unknown_member = true;
        }
    }
    if (!json_ok(j))
        return;
    j->value_at = at;
    if (t->dtype == DTYPE_NONE || !shape || n_offsets != 2)
        json_fail(j, "tensor '" STR_FMT "' lacks a proper %s", STR_ARG(t->name),
                  t->dtype == DTYPE_NONE ? "dtype"
                  : !shape               ? "shape"
                                         : "data_offsets pair");
    check_entry(j, t, offsets[0], offsets[1], odd);
}

static void read_metadata(struct json *j, struct metadata *to, struct arena *a,
                          struct oddities *odd)
{
    struct str key;
    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        odd->null_metadata = true;
        return;
    }
    json_object(j);
    while (json_key(j, &key)) {
        struct str value = json_string(j);
        if (json_ok(j) && to->n == META_MOST)
            json_fail(j, "more than %d entries", META_MOST);
        if (!json_ok(j))
            return;
        struct str own = arena_str(a, key, j->err);
        if (!own.at || !meta_add_str(to, own.at, value, a, j->err))
            return;
    }
}

static bool report(struct model *m, const struct model_file *f, const struct oddities *odd,
                   struct err *e)
{
    const char *name = f->path;
    return (!odd->unknown_member ||
            model_finding(m, e, "%s: unknown members in the header (other readers ignore them)",
                          name)) &&
           (!odd->null_metadata ||
            model_finding(m, e, "%s: __metadata__ is null, taken as absent", name)) &&
           (!odd->misaligned ||
            model_finding(m, e, "%s: tensors not aligned to their element size", name)) &&
           (!odd->many_dims ||
            model_finding(m, e, "%s: a tensor has more than 8 dimensions", name)) &&
           (!odd->overflow_by_order ||
            model_finding(m, e,
                          "%s: an empty tensor whose other dimensions overflow together: "
                          "readers disagree on it",
                          name));
}

static void read_entries(struct json *j, struct model *m, size_t file, struct oddities *odd)
{
    struct str key;
    json_object(j);
    while (json_key(j, &key)) {
        if (str_is(key, "__metadata__")) {
            read_metadata(j, &m->files[file].metadata, &m->arena, odd);
        } else if (model_reserve(m, 1, j->err)) {
            struct tensor *t = &m->tensors[m->n_tensors++];
            *t = (struct tensor){ .name = key, .file = (uint32_t)file };
            read_entry(j, t, &m->arena, odd);
        }
    }
}

bool safetensors_header(struct model *m, size_t file, struct span header, struct err *e)
{
    struct model_file *f = &m->files[file];
    struct json j;
    struct holes holes;
    struct oddities odd = { 0 };
    size_t first = m->n_tensors;
    f->header = header;
    f->data_offset = 8 + (uint64_t)header.len;
    json_open(&j, f->path, 8, (struct str){ (const char *)header.at, header.len }, &m->arena, e);
    read_entries(&j, m, file, &odd);
    bool ok = json_end(&j);
    json_close(&j);
    ok = ok && model_place(m, first, file, f->size - f->data_offset, &holes, e);
    if (ok && holes.bytes) {
        ok = err_set(e, ERR_INPUT, "%s:0x%llx: %llu bytes of the file belong to no tensor", f->path,
                     (unsigned long long)holes.at, (unsigned long long)holes.bytes);
        err_hint(e, "safetensors files are tiled exactly by their tensors; this one was cut, "
                    "padded or edited");
    }
    return ok && report(m, f, &odd, e);
}

static bool parse(struct model *m, size_t file, struct err *e)
{
    struct model_file *f = &m->files[file];
    uint8_t head[8];
    uint64_t n = 0;
    if (f->size < 8)
        return err_set(e, ERR_INPUT, "%s:0x0: %llu bytes are too few for a safetensors header",
                       f->path, (unsigned long long)f->size);
    if (!file_read(&f->file, head, 8, 0, e))
        return false;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | head[i];
    if (n > MAX_HEADER)
        return err_set(e, ERR_INPUT, "%s:0x0: header length %llu is over the limit of 100000000",
                       f->path, (unsigned long long)n);
    if (n > f->size - 8) {
        err_set(e, ERR_INPUT, "%s:0x0: header of %llu bytes does not fit a file of %llu", f->path,
                (unsigned long long)n, (unsigned long long)f->size);
        return err_hint(e, "the file was cut short or is not complete yet; fetch it again");
    }
    uint8_t *text = arena_alloc(&m->arena, 1, n, e);
    return text && file_read(&f->file, text, n, 8, e) &&
           safetensors_header(m, file, (struct span){ text, (size_t)n }, e);
}

/* ---- layout ------------------------------------------------------------------- */

static int released_order(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a,
                        *y = *(const struct tensor *const *)b;
    int rx = rank_of(x->dtype), ry = rank_of(y->dtype);
    return rx != ry ? (rx > ry ? -1 : 1) : str_cmp(x->name, y->name);
}

/* Sorts the n tensors as the reference writer does and writes their header. */
static bool build_header(struct tensor **t, size_t n, const struct metadata *metadata,
                         struct buf *b)
{
    struct json_out o = json_out(b, JSON_COMPACT);
    uint64_t at = 0;
    qsort(t, n, sizeof *t, released_order);
    buf_u64(b, 0);
    json_put_open(&o, '{');
    if (metadata->n) {
        json_put_key(&o, STR("__metadata__"));
        json_put_open(&o, '{');
        for (size_t i = 0; i < metadata->n; i++) {
            struct str value = STR("");
            meta_str(&metadata->all[i], &value);
            json_put_key(&o, metadata->all[i].key);
            json_put_str(&o, value);
        }
        json_put_close(&o, '}');
    }
    for (size_t i = 0; i < n; i++) {
        json_put_key(&o, t[i]->name);
        json_put_open(&o, '{');
        json_put_kstr(&o, "dtype", str_of(spellings[rank_of(t[i]->dtype)].name));
        json_put_key(&o, STR("shape"));
        json_put_open(&o, '[');
        for (uint32_t d = 0; d < t[i]->ndim; d++)
            json_put_u64(&o, t[i]->dim[d]);
        json_put_close(&o, ']');
        json_put_key(&o, STR("data_offsets"));
        json_put_open(&o, '[');
        json_put_u64(&o, at);
        t[i]->offset = at;
        if (!size_add(at, t[i]->bytes, &at))
            return err_set(b->err, ERR_UNSUPPORTED, "the output would be larger than 2^64 bytes");
        json_put_u64(&o, at);
        json_put_close(&o, ']');
        json_put_close(&o, '}');
    }
    json_put_close(&o, '}');
    while (buf_ok(b) && b->len % 8)
        buf_puts(b, " ");
    for (int i = 0; buf_ok(b) && i < 8; i++)
        b->at[i] = (uint8_t)((b->len - 8) >> 8 * i);
    return buf_ok(b);
}

static bool layout_file(struct model *out, size_t file, size_t first, size_t end, struct err *e)
{
    struct model_file *f = &out->files[file];
    struct buf b = buf_make(e);
    struct tensor **t = mem_resize(NULL, (end - first) * sizeof *t, e);
    for (size_t i = first; t && i < end; i++)
        t[i - first] = &out->tensors[i];
    bool ok = t && build_header(t, end - first, &f->metadata, &b);
    mem_free(t);
    struct str copy = ok ? arena_str(&out->arena, buf_text(&b), e) : (struct str){ 0 };
    buf_free(&b);
    if (!copy.at)
        return false;
    f->header = (struct span){ (const uint8_t *)copy.at, copy.len };
    f->data_offset = f->size = copy.len;
    for (size_t i = first; i < end; i++) {
        out->tensors[i].file = (uint32_t)file;
        out->tensors[i].offset += f->data_offset;
        f->size += out->tensors[i].bytes;
    }
    return true;
}

static bool layout(struct model *out, const struct layout_options *opt, struct err *e)
{
    size_t n = 0;
    for (size_t at = 0; at < out->n_tensors || n == 0; n++)
        at = model_shard_end(out, at, opt->shard_bytes);
    for (size_t i = 0; i < out->n_tensors; i++)
        if (rank_of(out->tensors[i].dtype) < 0) {
            err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' is %s, which safetensors cannot hold",
                    STR_ARG(out->tensors[i].name), dtype_info[out->tensors[i].dtype].name);
            return err_hint(e, "--type f32 decodes it where we can");
        }
    struct metadata metadata = out->files[0].metadata;
    out->files = arena_new(&out->arena, struct model_file, n, e);
    out->n_files = out->files ? n : 0;
    for (size_t i = 0, at = 0; i < out->n_files; i++) {
        size_t end = model_shard_end(out, at, opt->shard_bytes);
        char *name =
            n == 1 ? arena_printf(&out->arena, e, "model.safetensors")
                   : arena_printf(&out->arena, e, "model-%05zu-of-%05zu.safetensors", i, n - 1);
        if (!name)
            return false;
        out->files[i].name = str_of(name);
        out->files[i].metadata = metadata;
        if (!layout_file(out, i, at, end, e))
            return false;
        at = end;
    }
    return out->files != NULL;
}

const struct format format_safetensors = {
    .name = "safetensors",
    .suffix = ".safetensors",
    .probe = probe,
    .parse = parse,
    .layout = layout,
};
