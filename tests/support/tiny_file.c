/* tiny_file.c - writes GGUF and safetensors as other programs may. */
#include "tests/support/tiny_file.h"

#include "tests/support/tree.h"

#include "formats/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct entry {
    char name[128];
    enum dtype dtype;
    unsigned ndim;
    uint64_t dim[4];
    uint8_t *bytes;
    size_t n;
};

struct tiny_file {
    struct entry *all;
    size_t n, room;
    struct buf keys;
    uint64_t n_keys;
    struct err err;
};

struct tiny_file *tiny_file_new(void)
{
    struct tiny_file *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->keys = buf_make(&f->err);
    return f;
}

void tiny_file_free(struct tiny_file *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->all[i].bytes);
    free(f->all);
    buf_free(&f->keys);
    free(f);
}

void tiny_file_add(struct tiny_file *f, const char *name, enum dtype dtype, unsigned ndim,
                   const uint64_t *dim, const void *bytes, size_t n)
{
    if (f->n == f->room) {
        f->room = 2 * f->room + 64;
        f->all = realloc(f->all, f->room * sizeof *f->all);
    }
    struct entry *t = f->all ? &f->all[f->n++] : NULL;
    if (!t)
        abort();
    *t = (struct entry){ .dtype = dtype, .ndim = ndim, .bytes = malloc(n + !n), .n = n };
    snprintf(t->name, sizeof t->name, "%s", name);
    memcpy(t->dim, dim, ndim * sizeof *dim);
    memcpy(t->bytes, bytes, n);
}

void tiny_file_reverse(struct tiny_file *f)
{
    for (size_t i = 0; i < f->n / 2; i++) {
        struct entry t = f->all[i];
        f->all[i] = f->all[f->n - 1 - i];
        f->all[f->n - 1 - i] = t;
    }
}

/* ---- GGUF ---------------------------------------------------------------------------- */

static void put_str(struct buf *b, const char *s)
{
    buf_u64(b, strlen(s));
    buf_puts(b, s);
}

static void put_key(struct tiny_file *f, const char *key, unsigned type)
{
    f->n_keys++;
    put_str(&f->keys, key);
    buf_u32(&f->keys, type);
}

void tiny_file_key_u32(struct tiny_file *f, const char *key, uint32_t v)
{
    put_key(f, key, 4);
    buf_u32(&f->keys, v);
}

void tiny_file_key_f32(struct tiny_file *f, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    put_key(f, key, 6);
    buf_u32(&f->keys, bits);
}

void tiny_file_key_str(struct tiny_file *f, const char *key, const char *v)
{
    put_key(f, key, 8);
    put_str(&f->keys, v);
}

void tiny_file_tokens(struct tiny_file *f, unsigned n, bool bare)
{
    tiny_file_key_str(f, "tokenizer.ggml.model", "gpt2");
    if (!bare)
        tiny_file_key_str(f, "tokenizer.ggml.pre", "gpt-4o");
    put_key(f, "tokenizer.ggml.tokens", 9);
    buf_u32(&f->keys, 8);
    buf_u64(&f->keys, n);
    for (unsigned i = 0; i < n; i++)
        put_str(&f->keys, i == 0 ? "a" : i == 1 ? "b" : i == 2 ? "ab" : tiny_file_name("<%u>", i));
    put_key(f, "tokenizer.ggml.token_type", 9);
    buf_u32(&f->keys, 5);
    buf_u64(&f->keys, n);
    for (unsigned i = 0; i < n; i++)
        buf_u32(&f->keys, i < 3 ? 1 : 3);
    put_key(f, "tokenizer.ggml.merges", 9);
    buf_u32(&f->keys, 8);
    buf_u64(&f->keys, 1);
    put_str(&f->keys, "a b");
    tiny_file_key_u32(f, "tokenizer.ggml.bos_token_id", 3);
    tiny_file_key_u32(f, "tokenizer.ggml.eos_token_id", 4);
    if (!bare)
        return;
    put_key(f, "tokenizer.ggml.eos_token_ids", 9);
    buf_u32(&f->keys, 5);
    buf_u64(&f->keys, 2);
    buf_u32(&f->keys, 4);
    buf_u32(&f->keys, 5);
}

const char *tiny_file_name(const char *fmt, ...)
{
    static char names[4][160];
    static unsigned calls;
    char *out = names[calls++ % 4];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out, sizeof names[0], fmt, ap);
    va_end(ap);
    return out;
}

static uint32_t type_id(enum dtype t)
{
    switch ((int)t) {
    case DTYPE_F32: return 0;
    case DTYPE_F16: return 1;
    case DTYPE_MXFP4_LINEAR: return 4;
    case DTYPE_Q8_0: return 8;
    case DTYPE_BF16: return 30;
    case DTYPE_MXFP4: return 39;
    }
    abort();
}

static void pad(struct buf *b, unsigned alignment) { buf_grow(b, -b->len & (alignment - 1)); }

void tiny_file_gguf(const struct tiny_file *f, const char *path, unsigned version,
                    unsigned alignment)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e), data = buf_make(&e);
    buf_puts(&b, "GGUF");
    buf_u32(&b, version);
    buf_u64(&b, f->n);
    buf_u64(&b, f->n_keys);
    buf_add(&b, f->keys.at, f->keys.len);
    for (size_t i = 0; i < f->n; i++) {
        const struct entry *t = &f->all[i];
        put_str(&b, t->name);
        buf_u32(&b, t->ndim);
        for (unsigned d = t->ndim; d > 0; d--)
            buf_u64(&b, t->dim[d - 1]);
        buf_u32(&b, type_id(t->dtype));
        buf_u64(&b, data.len);
        buf_add(&data, t->bytes, t->n);
        pad(&data, alignment);
    }
    pad(&b, alignment);
    buf_add(&b, data.at, data.len);
    tree_write(path, buf_span(&b));
    buf_free(&b);
    buf_free(&data);
}

/* ---- safetensors ------------------------------------------------------------------------ */

static const char *type_name(enum dtype t)
{
    return t == DTYPE_F32 ? "F32" : t == DTYPE_F16 ? "F16" : t == DTYPE_BF16 ? "BF16" : "U8";
}

static void write_shard(const struct tiny_file *f, const char *path, size_t first, size_t end,
                        bool spaced)
{
    struct err e = { 0 };
    struct buf head = buf_make(&e), b = buf_make(&e);
    uint64_t at = 0;
    buf_puts(&head, spaced ? "  {\"__metadata__\": {\"format\": \"pt\"}" : "{");
    for (size_t i = first; i < end; i++) {
        const struct entry *t = &f->all[i];
        buf_printf(&head, "%s\"%s\":{%s\"dtype\":\"%s\",\"shape\":[",
                   i > first || spaced ? "," : "", t->name, spaced ? "\n " : "",
                   type_name(t->dtype));
        for (unsigned d = 0; d < t->ndim; d++)
            buf_printf(&head, "%s%llu", d ? "," : "", (unsigned long long)t->dim[d]);
        buf_printf(&head, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
                   (unsigned long long)(at + t->n));
        at += t->n;
    }
    buf_puts(&head, spaced ? " }\n" : "}");
    buf_u64(&b, head.len);
    buf_add(&b, head.at, head.len);
    for (size_t i = first; i < end; i++)
        buf_add(&b, f->all[i].bytes, f->all[i].n);
    tree_write(path, buf_span(&b));
    buf_free(&head);
    buf_free(&b);
}

void tiny_file_safetensors(const struct tiny_file *f, const char *dir, unsigned shards, bool spaced)
{
    struct err e = { 0 };
    struct buf map = buf_make(&e);
    char path[1024];
    if (shards == 0) {
        snprintf(path, sizeof path, "%s/model.safetensors", dir);
        write_shard(f, path, 0, f->n, spaced);
        return;
    }
    uint64_t total = 0;
    for (size_t i = 0; i < f->n; i++)
        total += f->all[i].n;
    if (spaced)
        buf_printf(&map, "{\"metadata\": {\"total_size\": %llu.0}, ", (unsigned long long)total);
    else
        buf_puts(&map, "{");
    buf_puts(&map, "\"weight_map\": {");
    for (unsigned s = 0; s < shards; s++) {
        size_t first = f->n * s / shards, end = f->n * (s + 1) / shards;
        const char *name = tiny_file_name("model-%05u-of-%05u.safetensors", s + 1, shards);
        snprintf(path, sizeof path, "%s/%s", dir, name);
        write_shard(f, path, first, end, spaced);
        for (size_t i = first; i < end; i++)
            buf_printf(&map, "%s\"%s\": \"%s\"", i ? ", " : "", f->all[i].name, name);
    }
    buf_puts(&map, "}}\n");
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", dir);
    tree_write(path, buf_span(&map));
    buf_free(&map);
}
