/* gguf.c - reading GGUF v2 and v3.
 *
 *   0   4  "GGUF"
 *   4   4  u32 version
 *   8   8  u64 n_tensors
 *   16  8  u64 n_kv
 *   24     n_kv      x { string key; u32 type; value }
 *          n_tensors x { string name; u32 n_dims; u64 ne[n_dims]; u32 type; u64 offset }
 *          zeros to a multiple of general.alignment (32), then the tensor data;
 *          offsets count from there.  ne[0] is the contiguous dimension.
 *
 * Source: the GGUF specification and ggml 0.25; checks beyond ggml's are noted. */
#include "formats/gguf.h"

#include "formats/base/cursor.h"
#include "formats/base/text.h"
#include "formats/format.h"

#include <stdio.h>

enum {
    MAX_DIMS = 4,
    MAX_NAME = 63,         /* ggml keeps 64 bytes with the NUL */
    MAX_KEY = 65535,       /* GGUF specification */
    MAX_ALIGNMENT = 65536, /* ours: nobody needs more, and padding must stay small */
    MIN_KV = 8 + 1 + 4 + 1,
    MIN_TENSOR = 8 + 1 + 4 + 8 + 4 + 8,
};

/* By ggml's type number; a hole is a number that was removed or never given. */
static const enum dtype types[] = {
    [0] = DTYPE_F32,      [1] = DTYPE_F16,     [2] = DTYPE_Q4_0,     [3] = DTYPE_Q4_1,
    [6] = DTYPE_Q5_0,     [7] = DTYPE_Q5_1,    [8] = DTYPE_Q8_0,     [9] = DTYPE_Q8_1,
    [10] = DTYPE_Q2_K,    [11] = DTYPE_Q3_K,   [12] = DTYPE_Q4_K,    [13] = DTYPE_Q5_K,
    [14] = DTYPE_Q6_K,    [15] = DTYPE_Q8_K,   [16] = DTYPE_IQ2_XXS, [17] = DTYPE_IQ2_XS,
    [18] = DTYPE_IQ3_XXS, [19] = DTYPE_IQ1_S,  [20] = DTYPE_IQ4_NL,  [21] = DTYPE_IQ3_S,
    [22] = DTYPE_IQ2_S,   [23] = DTYPE_IQ4_XS, [24] = DTYPE_I8,      [25] = DTYPE_I16,
    [26] = DTYPE_I32,     [27] = DTYPE_I64,    [28] = DTYPE_F64,     [29] = DTYPE_IQ1_M,
    [30] = DTYPE_BF16,    [34] = DTYPE_TQ1_0,  [35] = DTYPE_TQ2_0,   [39] = DTYPE_MXFP4,
    [40] = DTYPE_NVFP4,   [41] = DTYPE_Q1_0,   [42] = DTYPE_Q2_0,
};
enum { N_TYPES = sizeof types / sizeof *types, OLLAMA_MXFP4 = 4 };

int gguf_type_id(enum dtype t)
{
    for (int i = 0; i < N_TYPES; i++)
        if (types[i] == t && t != DTYPE_NONE)
            return i;
    return -1;
}

static bool probe(struct span head, uint64_t file_size)
{
    (void)file_size;
    return head.len >= 4 && memcmp(head.at, "GGUF", 4) == 0;
}

/* ---- keys ---------------------------------------------------------------------- */

static void read_array(struct cursor *c, struct meta *m)
{
    uint32_t item = cur_u32(c, "array element type");
    uint64_t count = cur_u64(c, "array length");
    if (!cur_ok(c))
        return;
    if (item >= META_TYPE_COUNT || item == META_ARRAY) {
        cur_fail(c, "array '" STR_FMT "' has elements of type %u", STR_ARG(m->key), item);
        return;
    }
    m->item = (enum meta_type)item;
    m->count = count;
    uint32_t each = item == META_STRING ? 8 : meta_type_bytes(m->item);
    if (count > cur_left(c) / each) {
        cur_fail(c, "array '" STR_FMT "' of %llu elements does not fit the file", STR_ARG(m->key),
                 (unsigned long long)count);
        return;
    }
    size_t begin = c->at;
    if (item == META_STRING)
        for (uint64_t i = 0; i < count && cur_ok(c); i++)
            cur_str(c, "array element");
    else
        cur_bytes(c, count * each, "array"); /* bounded by the bytes left */
    m->bytes = (struct span){ c->bytes.at + begin, c->at - begin };
}

static void read_value(struct cursor *c, struct meta *m)
{
    m->count = 1;
    m->item = m->type;
    if (m->type == META_ARRAY) {
        read_array(c, m);
        return;
    }
    if (m->type == META_STRING) {
        size_t begin = c->at;
        cur_str(c, "string value");
        m->bytes = (struct span){ c->bytes.at + begin, c->at - begin };
        return;
    }
    m->bytes = cur_bytes(c, meta_type_bytes(m->type), "value");
    if (cur_ok(c) && m->type == META_BOOL && m->bytes.at[0] > 1)
        cur_fail(c, "key '" STR_FMT "' is a bool of value %u", STR_ARG(m->key), m->bytes.at[0]);
}

struct keys {
    struct names seen;
    uint64_t n_odd; /* not UTF-8 */
    struct str odd; /* the first of them */
};

/* f->metadata has room. */
static void read_key(struct cursor *c, struct model *m, struct model_file *f, struct keys *keys)
{
    struct meta v = { .key = cur_str(c, "key") };
    if (!cur_ok(c))
        return;
    uint64_t at = c->field_at;
    if (v.key.len == 0 || v.key.len > MAX_KEY || memchr(v.key.at, 0, v.key.len)) {
        cur_fail(c, "a key of %zu bytes%s", v.key.len,
                 v.key.len && v.key.len <= MAX_KEY ? " with a NUL in it" : "");
        return;
    }
    size_t old;
    if (!names_add(&keys->seen, v.key, f->metadata.n, &old, c->err))
        return;
    if (old != NAMES_NONE) {
        c->field_at = at;
        cur_fail(c, "key '" STR_FMT "' is there twice", STR_ARG(v.key));
        return;
    }
    if (!text_is_utf8(v.key) && keys->n_odd++ == 0)
        keys->odd = v.key;
    uint32_t type = cur_u32(c, "value type");
    if (cur_ok(c) && type >= META_TYPE_COUNT)
        cur_fail(c, "key '" STR_FMT "' has the unknown value type %u", STR_ARG(v.key), type);
    v.type = (enum meta_type)type;
    if (cur_ok(c))
        read_value(c, &v);
    if (cur_ok(c) && !meta_add(&f->metadata, v, &m->arena, c->err))
        return;
}

static bool alignment_of(struct cursor *c, const struct model_file *f, uint64_t *align)
{
    const struct meta *v = meta_find(&f->metadata, "general.alignment");
    *align = 32;
    if (!v)
        return true;
    c->field_at = (uint64_t)(v->bytes.at - c->bytes.at);
    if (v->type != META_U32)
        return cur_fail(c, "general.alignment is %s, must be u32", meta_type_name(v->type));
    meta_get_u64(&f->metadata, "general.alignment", align);
    if (*align < 8 || *align > MAX_ALIGNMENT || (*align & (*align - 1)))
        return cur_fail(c, "general.alignment is %llu, must be a power of two from 8 to %d",
                        (unsigned long long)*align, MAX_ALIGNMENT);
    return true;
}

/* ---- tensors --------------------------------------------------------------------- */

static bool read_dims(struct cursor *c, struct tensor *t, struct arena *a)
{
    uint32_t n = cur_u32(c, "dimension count");
    if (!cur_ok(c))
        return false;
    if (n < 1 || n > MAX_DIMS)
        return cur_fail(c, "tensor '" STR_FMT "' has %u dimensions, at most %d", STR_ARG(t->name),
                        n, MAX_DIMS);
    uint64_t *dim = arena_new(a, uint64_t, n, c->err);
    for (uint32_t i = 0; dim && i < n; i++) {
        dim[n - 1 - i] = cur_u64(c, "dimension"); /* torch order: outermost first */
        if (cur_ok(c) && (dim[n - 1 - i] < 1 || dim[n - 1 - i] > INT64_MAX))
            return cur_fail(c, "tensor '" STR_FMT "' has a dimension of %lld", STR_ARG(t->name),
                            (long long)dim[n - 1 - i]);
    }
    t->dim = dim;
    t->ndim = n;
    return cur_ok(c);
}

static void read_tensor(struct cursor *c, struct tensor *t, uint64_t align, bool ollama,
                        struct arena *a)
{
    uint64_t elems;
    t->name = cur_str(c, "tensor name");
    if (!cur_ok(c))
        return;
    if (t->name.len < 1 || t->name.len > MAX_NAME || memchr(t->name.at, 0, t->name.len) ||
        !text_is_utf8(t->name)) {
        cur_fail(c, "a tensor name of %zu bytes '" STR_FMT "' (1 to %d of UTF-8 without NUL)",
                 t->name.len, STR_ARG(t->name), MAX_NAME);
        return;
    }
    if (!read_dims(c, t, a))
        return;
    uint32_t type = cur_u32(c, "tensor type");
    if (cur_ok(c) && type < N_TYPES)
        t->dtype = type == OLLAMA_MXFP4 && ollama ? DTYPE_MXFP4_LINEAR : types[type];
    if (cur_ok(c) && t->dtype == DTYPE_NONE)
        cur_fail(c, "tensor '" STR_FMT "' has the unknown type %u", STR_ARG(t->name), type);
    if (cur_ok(c) && !tensor_size(t, &elems, &t->bytes))
        cur_fail(
            c, "tensor '" STR_FMT "' of type %s: %s", STR_ARG(t->name), dtype_info[t->dtype].name,
            t->dim[t->ndim - 1] % dtype_info[t->dtype].block_elems ? "its rows are not whole blocks"
                                                                   : "its size overflows");
    t->offset = cur_u64(c, "tensor offset");
    if (cur_ok(c) && t->offset % align)
        cur_fail(c, "tensor '" STR_FMT "' is at offset %llu, not a multiple of %llu",
                 STR_ARG(t->name), (unsigned long long)t->offset, (unsigned long long)align);
}

/* ---- the header ------------------------------------------------------------------ */

static bool read_version(struct cursor *c)
{
    struct span magic = cur_bytes(c, 4, "magic");
    if (cur_ok(c) && memcmp(magic.at, "GGUF", 4) != 0)
        return cur_fail(c, "not a GGUF file");
    uint32_t version = cur_u32(c, "version");
    if (!cur_ok(c))
        return false;
    if (version == 1 || (version && (version & 0xffff) == 0)) {
        err_set(c->err, ERR_UNSUPPORTED, "%s:0x4: %s GGUF is not supported", c->path,
                version == 1 ? "version 1" : "big-endian");
        return err_hint(c->err, "%s",
                        version == 1 ? "convert it anew from the original weights"
                                     : "convert it to little-endian first");
    }
    if (version != 2 && version != 3)
        return cur_fail(c, "GGUF version %u, known are 2 and 3", version);
    return true;
}

static bool read_counts(struct cursor *c, uint64_t *n_tensors, uint64_t *n_kv)
{
    *n_tensors = cur_u64(c, "tensor count");
    if (cur_ok(c) && *n_tensors > cur_left(c) / MIN_TENSOR)
        return cur_fail(c, "%llu tensors do not fit the file", (unsigned long long)*n_tensors);
    *n_kv = cur_u64(c, "key count");
    if (cur_ok(c) && *n_kv > cur_left(c) / MIN_KV)
        return cur_fail(c, "%llu keys do not fit the file", (unsigned long long)*n_kv);
    if (cur_ok(c) && *n_kv > META_MOST)
        return cur_fail(c, "%llu keys, at most %d", (unsigned long long)*n_kv, META_MOST);
    return cur_ok(c);
}

static bool place(struct model *m, size_t file, size_t first, uint64_t align, struct cursor *c)
{
    struct model_file *f = &m->files[file];
    struct holes holes;
    f->header = (struct span){ c->bytes.at, c->at };
    f->data_offset = c->at;
    if (m->n_tensors > first && !size_align(c->at, align, &f->data_offset))
        return cur_fail(c, "the header's end overflows");
    if (m->n_tensors == first && f->size > f->data_offset)
        return model_finding(m, c->err, "%s: %llu bytes after the header of a file without tensors",
                             f->path, (unsigned long long)(f->size - f->data_offset));
    if (f->data_offset > f->size)
        return m->n_tensors == first || cur_fail(c, "the file ends before its tensor data, at %llu",
                                                 (unsigned long long)f->size);
    if (!model_place(m, first, file, f->size - f->data_offset, &holes, c->err))
        return false;
    return holes.longest < align ||
           model_finding(m, c->err,
                         "%s:0x%llx: %llu bytes belong to no tensor (the longest run is %llu)",
                         f->path, (unsigned long long)holes.at, (unsigned long long)holes.bytes,
                         (unsigned long long)holes.longest);
}

/* n records of at least `least` bytes fit the bytes at hand: what is reserved for them is paid for
 * by whoever sent them. */
static bool at_hand(struct cursor *c, uint64_t n, uint64_t least, const char *what)
{
    if (cur_ok(c) && n > cur_left(c) / least)
        return cur_fail(c, "%llu %s do not fit the rest of the file", (unsigned long long)n, what);
    c->more |= n > (c->bytes.len - c->at) / least;
    return cur_ok(c);
}

static bool read_keys(struct cursor *c, struct model *m, struct model_file *f, uint64_t n)
{
    struct keys keys = { 0 };
    bool ok = at_hand(c, n, MIN_KV, "keys") && meta_reserve(&f->metadata, n, &m->arena, c->err) &&
              names_reserve(&keys.seen, n, names_seed(0, c->bytes.at, c->bytes.len), c->err);
    for (uint64_t i = 0; ok && i < n && cur_ok(c); i++)
        read_key(c, m, f, &keys);
    names_free(&keys.seen);
    return ok && cur_ok(c) &&
           (!keys.n_odd ||
            model_finding(m, c->err, "%s: %llu keys are not UTF-8, '" STR_FMT "' first", f->path,
                          (unsigned long long)keys.n_odd, STR_ARG(keys.odd)));
}

static bool read_tensors(struct cursor *c, struct model *m, size_t file, uint64_t n, uint64_t align)
{
    struct str arch = { 0 };
    if (!at_hand(c, n, MIN_TENSOR, "tensors") || !model_reserve(m, n, c->err))
        return false;
    meta_get_str(&m->files[file].metadata, "general.architecture", &arch);
    for (uint64_t i = 0; i < n && cur_ok(c); i++) {
        struct tensor *t = &m->tensors[m->n_tensors++];
        *t = (struct tensor){ .file = (uint32_t)file };
        read_tensor(c, t, align, str_is(arch, "gptoss"), &m->arena);
    }
    return cur_ok(c);
}

bool gguf_header(struct model *m, size_t file, struct span head, bool *more, struct err *e)
{
    struct model_file *f = &m->files[file];
    struct cursor c = { .path = f->path, .bytes = head, .total = f->size, .err = e };
    uint64_t n_tensors = 0, n_kv = 0, align = 0;
    size_t first = m->n_tensors;
    bool ok = read_version(&c) && read_counts(&c, &n_tensors, &n_kv) && read_keys(&c, m, f, n_kv) &&
              alignment_of(&c, f, &align) && read_tensors(&c, m, file, n_tensors, align);
    *more = c.more;
    return ok && place(m, file, first, align, &c);
}

/* The header's length is known only once it is parsed: try with ever longer parts. */
static bool header_length(const struct model_file *f, uint64_t *length, struct err *e)
{
    uint8_t *bytes = NULL;
    bool more = true, ok = true;
    for (uint64_t n = 1 << 20; ok && more; n *= 2) {
        struct model trial = { 0 };
        uint64_t part = n < f->size ? n : f->size;
        uint8_t *grown = mem_resize(bytes, part, e);
        bytes = grown ? grown : bytes;
        trial.files = arena_new(&trial.arena, struct model_file, 1, e);
        ok = grown && trial.files && file_read(&f->file, bytes, part, 0, e);
        if (ok) {
            trial.files[0] = (struct model_file){ .path = f->path, .size = f->size };
            trial.n_files = 1;
            ok = gguf_header(&trial, 0, (struct span){ bytes, (size_t)part }, &more, e) || more;
            *length = trial.files[0].header.len;
        }
        model_close(&trial);
    }
    mem_free(bytes);
    return ok;
}

static bool parse(struct model *m, size_t file, struct err *e)
{
    const struct model_file *f = &m->files[file];
    uint64_t length;
    bool more;
    if (!header_length(f, &length, e))
        return false;
    uint8_t *head = arena_alloc(&m->arena, 1, length, e);
    if (!head || !file_read(&f->file, head, length, 0, e))
        return false;
    return gguf_header(m, file, (struct span){ head, (size_t)length }, &more, e) ||
           err_set(e, ERR_INPUT, "%s changed while being read", f->path);
}

/* ---- split sets -------------------------------------------------------------------- */

/* PREFIX-00001-of-00003.gguf -> the length of PREFIX; 0 if the name is not of that form. */
static size_t split_prefix(struct str name, uint64_t no, uint64_t count)
{
    char tail[64];
    int n = snprintf(tail, sizeof tail, "-%05llu-of-%05llu.gguf", (unsigned long long)no + 1,
                     (unsigned long long)count);
    return str_ends(name, tail) && name.len > (size_t)n ? name.len - (size_t)n : 0;
}

static bool check_shard(const struct model *m, size_t i, uint64_t count, struct err *e)
{
    const struct model_file *f = &m->files[i];
    uint64_t no = 0, says = 0;
    if (!meta_get_u64(&f->metadata, "split.no", &no) ||
        !meta_get_u64(&f->metadata, "split.count", &says) || no != i || says != count)
        return err_set(e, ERR_INPUT,
                       "%s: is part %llu of %llu by its own keys, expected part %zu of %llu",
                       f->path, (unsigned long long)no + 1, (unsigned long long)says, i + 1,
                       (unsigned long long)count);
    return true;
}

static bool gather(struct model *m, struct err *e)
{
    const struct model_file *f = &m->files[0];
    uint64_t no = 0, count = 1, total;
    if (!meta_get_u64(&f->metadata, "split.count", &count) || count <= 1)
        return true;
    meta_get_u64(&f->metadata, "split.no", &no);
    if (count > 65535 || no >= count)
        return err_set(e, ERR_INPUT, "%s: split.no %llu of split.count %llu", f->path,
                       (unsigned long long)no, (unsigned long long)count);
    size_t prefix = split_prefix(f->name, no, count);
    if (no != 0 || !prefix) {
        err_set(e, ERR_INPUT, "%s is part %llu of %llu%s", f->path, (unsigned long long)no + 1,
                (unsigned long long)count, no ? "" : ", but its name does not say so");
        return err_hint(e, "give the first part, NAME-00001-of-%05llu.gguf",
                        (unsigned long long)count);
    }
    size_t dir = (size_t)(f->name.at - f->path);
    const char *base = f->path;
    for (uint64_t i = 1; i < count; i++) {
        char *path = arena_printf(&m->arena, e, "%.*s-%05llu-of-%05llu.gguf", (int)(dir + prefix),
                                  base, (unsigned long long)i + 1, (unsigned long long)count);
        enum file_kind kind;
        if (!path || !file_kind(path, &kind, NULL, NULL, e))
            return false;
        if (kind == FILE_ABSENT) {
            err_set(e, ERR_INPUT, "%s is missing: part %llu of %llu", path,
                    (unsigned long long)i + 1, (unsigned long long)count);
            return err_hint(e, "the download is not complete; fetch the missing part");
        }
        if (!format_open_file(m, path, e))
            return false;
    }
    for (size_t i = 0; i < m->n_files; i++)
        if (!check_shard(m, i, count, e))
            return false;
    if (meta_get_u64(&m->files[0].metadata, "split.tensors.count", &total) && total != m->n_tensors)
        return err_set(e, ERR_INPUT, "%s: split.tensors.count is %llu, the parts hold %zu",
                       m->files[0].path, (unsigned long long)total, m->n_tensors);
    return true;
}

const struct format format_gguf = {
    .name = "gguf",
    .suffix = ".gguf",
    .probe = probe,
    .parse = parse,
    .gather = gather,
    .layout = gguf_layout,
};
