/* gguf_write.c - laying out GGUF v3, one file or a split set.
 *
 * Tensors stand in walk order, each padded with zeros to the alignment, the last one too.
 * A set is called BASE-00001-of-0000N.gguf; its first file alone has the model's keys,
 * every file has split.no, split.count and split.tensors.count (llama.cpp's gguf-split). */
#include "formats/gguf.h"

#include <stdio.h>

enum { VERSION = 3, ALIGNMENT = 32, MAX_NAME = 63, MAX_DIMS = 4 };

static void put_str(struct buf *b, struct str s)
{
    buf_u64(b, s.len);
    buf_str(b, s);
}

static void put_key(struct buf *b, const struct meta *m)
{
    put_str(b, m->key);
    buf_u32(b, m->type);
    if (m->type == META_ARRAY) {
        buf_u32(b, m->item);
        buf_u64(b, m->count);
    }
    buf_add(b, m->bytes.at, m->bytes.len);
}

static void put_tensor(struct buf *b, const struct tensor *t)
{
    put_str(b, t->name);
    uint32_t n = t->ndim;
    const uint64_t *dim = t->dim;
    while (n > MAX_DIMS && *dim == 1) /* leading ones say nothing */
        n--, dim++;
    buf_u32(b, n ? n : 1);
    for (uint32_t i = n; i > 0; i--)
        buf_u64(b, dim[i - 1]);
    if (!n)
        buf_u64(b, 1); /* a scalar */
    buf_u32(b, (uint32_t)gguf_type_id(t->dtype));
    buf_u64(b, t->offset);
}

static bool holdable(const struct tensor *t, struct err *e)
{
    uint32_t n = t->ndim;
    for (uint32_t i = 0; i < t->ndim; i++)
        if (t->dim[i] == 0)
            return err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' is empty, GGUF cannot hold it",
                           STR_ARG(t->name));
    for (uint32_t i = 0; n > MAX_DIMS && t->dim[i] == 1; i++)
        n--;
    if (n > MAX_DIMS)
        return err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' has %u dimensions, GGUF holds %d",
                       STR_ARG(t->name), t->ndim, MAX_DIMS);
    if (t->name.len < 1 || t->name.len > MAX_NAME)
        return err_set(e, ERR_UNSUPPORTED,
                       "tensor '" STR_FMT "' has a name of %zu bytes, GGUF readers take 1 to %d",
                       STR_ARG(t->name), t->name.len, MAX_NAME);
    if (gguf_type_id(t->dtype) < 0) {
        err_set(e, ERR_UNSUPPORTED, "tensor '" STR_FMT "' is %s, which GGUF cannot hold",
                STR_ARG(t->name), dtype_info[t->dtype].name);
        return err_hint(e, "only gpt-oss tensors are translated; others keep name and type");
    }
    return true;
}

/* Offsets within the data region of tensors first..end-1, and the region's size. */
static bool place(struct model *out, size_t file, size_t first, size_t end, uint64_t *size,
                  struct err *e)
{
    uint64_t at = 0;
    for (size_t i = first; i < end; i++) {
        struct tensor *t = &out->tensors[i];
        t->file = (uint32_t)file;
        t->offset = at;
        if (!size_add(at, t->bytes, &at) || !size_align(at, ALIGNMENT, &at))
            return err_set(e, ERR_UNSUPPORTED, "the output would be larger than 2^64 bytes");
    }
    *size = at;
    return true;
}

/* Keys of the model, for the first file; without alignment and split keys of the source. */
static bool own_key(const struct meta *m)
{
    return !str_is(m->key, "general.alignment") && !str_starts(m->key, "split.");
}

static bool add_split_keys(struct metadata *to, size_t file, size_t n_files, size_t n_tensors,
                           struct arena *a, struct err *e)
{
    return n_files == 1 || (meta_add_u16(to, "split.no", (uint16_t)file, a, e) &&
                            meta_add_u16(to, "split.count", (uint16_t)n_files, a, e) &&
                            meta_add_i32(to, "split.tensors.count", (int32_t)n_tensors, a, e));
}

static bool layout_file(struct model *out, size_t file, size_t first, size_t end,
                        const struct metadata *keys, struct err *e)
{
    struct model_file *f = &out->files[file];
    uint64_t data = 0;
    for (size_t i = 0; file == 0 && i < keys->n; i++)
        if (own_key(&keys->all[i]) && !meta_add(&f->metadata, keys->all[i], &out->arena, e))
            return false;
    if (!add_split_keys(&f->metadata, file, out->n_files, out->n_tensors, &out->arena, e) ||
        !place(out, file, first, end, &data, e))
        return false;
    struct buf b = buf_make(e);
    buf_puts(&b, "GGUF");
    buf_u32(&b, VERSION);
    buf_u64(&b, end - first);
    buf_u64(&b, f->metadata.n);
    for (size_t i = 0; i < f->metadata.n; i++)
        put_key(&b, &f->metadata.all[i]);
    for (size_t i = first; i < end; i++)
        put_tensor(&b, &out->tensors[i]);
    uint64_t pad = end > first ? -(uint64_t)b.len & (ALIGNMENT - 1) : 0;
    buf_grow(&b, pad);
    struct str copy = buf_ok(&b) ? arena_str(&out->arena, buf_text(&b), e) : (struct str){ 0 };
    buf_free(&b);
    if (!copy.at)
        return false;
    f->header = (struct span){ (const uint8_t *)copy.at, copy.len };
    f->data_offset = copy.len;
    for (size_t i = first; i < end; i++)
        out->tensors[i].offset += f->data_offset;
    f->size = f->data_offset + data;
    return true;
}

bool gguf_layout(struct model *out, const struct layout_options *opt, struct err *e)
{
    struct metadata keys = out->files[0].metadata;
    size_t n = 0;
    for (size_t at = 0; at < out->n_tensors || n == 0; n++)
        at = model_shard_end(out, at, opt->shard_bytes);
    for (size_t i = 0; i < out->n_tensors; i++)
        if (!holdable(&out->tensors[i], e))
            return false;
    if (n > UINT16_MAX)
        return err_set(e, ERR_UNSUPPORTED, "%zu parts are more than the 65535 a GGUF set can have",
                       n);
    out->files = arena_new(&out->arena, struct model_file, n, e);
    out->n_files = out->files ? n : 0;
    for (size_t i = 0, at = 0; i < out->n_files; i++) {
        size_t end = model_shard_end(out, at, opt->shard_bytes);
        char *name = n == 1 ? arena_printf(&out->arena, e, STR_FMT ".gguf", STR_ARG(opt->base))
                            : arena_printf(&out->arena, e, STR_FMT "-%05zu-of-%05zu.gguf",
                                           STR_ARG(opt->base), i + 1, n);
        if (!name)
            return false;
        out->files[i].name = str_of(name);
        if (!layout_file(out, i, at, end, &keys, e))
            return false;
        at = end;
    }
    return out->files != NULL;
}
