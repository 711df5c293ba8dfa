/* metadata.c - typed key/values over little-endian bytes. */
#include "formats/metadata.h"

enum { FIRST_ROOM = 32 };

static const struct {
    const char *name;
    uint32_t bytes;
} types[META_TYPE_COUNT] = {
    // clang-format off
    [META_U8]     = { "u8", 1 },      [META_I8]    = { "i8", 1 },
    [META_U16]    = { "u16", 2 },     [META_I16]   = { "i16", 2 },
    [META_U32]    = { "u32", 4 },     [META_I32]   = { "i32", 4 },
    [META_F32]    = { "f32", 4 },     [META_BOOL]  = { "bool", 1 },
    [META_STRING] = { "string", 0 },  [META_ARRAY] = { "array", 0 },
    [META_U64]    = { "u64", 8 },     [META_I64]   = { "i64", 8 },
    [META_F64]    = { "f64", 8 },
    // clang-format on
};

const char *meta_type_name(enum meta_type t)
{
    return (unsigned)t < META_TYPE_COUNT ? types[t].name : "unknown";
}

uint32_t meta_type_bytes(enum meta_type t)
{
    return (unsigned)t < META_TYPE_COUNT ? types[t].bytes : 0;
}

const struct meta *meta_find(const struct metadata *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_is(m->all[i].key, key))
            return &m->all[i];
    return NULL;
}

/* The n <= 8 little-endian bytes at p. */
static uint64_t bits(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* The scalar's bytes as a number; false unless it has as many as its type. */
static bool scalar_bits(const struct meta *v, uint64_t *out)
{
    uint32_t n = v ? meta_type_bytes(v->type) : 0;
    if (n == 0 || v->bytes.len != n)
        return false;
    *out = bits(v->bytes.at, n);
    return true;
}

static bool is_signed(enum meta_type t)
{
    return t == META_I8 || t == META_I16 || t == META_I32 || t == META_I64;
}

static bool is_float(enum meta_type t) { return t == META_F32 || t == META_F64; }

/* Bits of a signed type, widened to 64 with the sign. */
static int64_t extend(uint64_t v, enum meta_type t)
{
    uint64_t sign = (uint64_t)1 << (8 * meta_type_bytes(t) - 1);
    uint64_t wide = (v ^ sign) - sign;
    int64_t out;
    memcpy(&out, &wide, sizeof out);
    return out;
}

bool meta_get_u64(const struct metadata *m, const char *key, uint64_t *out)
{
    const struct meta *v = meta_find(m, key);
    uint64_t b;
    if (!scalar_bits(v, &b) || is_float(v->type) || v->type == META_BOOL)
        return false;
    if (is_signed(v->type) && extend(b, v->type) < 0)
        return false;
    *out = b;
    return true;
}

bool meta_get_double(const struct metadata *m, const char *key, double *out)
{
    const struct meta *v = meta_find(m, key);
    uint64_t b;
    if (!scalar_bits(v, &b) || v->type == META_BOOL)
        return false;
    if (v->type == META_F32) {
        uint32_t low = (uint32_t)b;
        float f;
        memcpy(&f, &low, sizeof f);
        *out = (double)f;
    } else if (v->type == META_F64) {
        memcpy(out, &b, sizeof *out);
    } else {
        *out = is_signed(v->type) ? (double)extend(b, v->type) : (double)b;
    }
    return true;
}

bool meta_get_bool(const struct metadata *m, const char *key, bool *out)
{
    const struct meta *v = meta_find(m, key);
    uint64_t b;
    if (!scalar_bits(v, &b) || v->type != META_BOOL)
        return false;
    *out = b != 0;
    return true;
}

/* The string with its length in front at bytes[*at]; moves *at behind it. */
static bool next_str(struct span bytes, size_t *at, struct str *out)
{
    if (*at > bytes.len || bytes.len - *at < 8)
        return false;
    uint64_t len = bits(bytes.at + *at, 8);
    if (len > bytes.len - *at - 8)
        return false;
    *out = (struct str){ (const char *)bytes.at + *at + 8, (size_t)len };
    *at += 8 + (size_t)len;
    return true;
}

bool meta_str(const struct meta *v, struct str *out)
{
    size_t at = 0;
    return v->type == META_STRING && next_str(v->bytes, &at, out);
}

bool meta_get_str(const struct metadata *m, const char *key, struct str *out)
{
    const struct meta *v = meta_find(m, key);
    return v && meta_str(v, out);
}

bool meta_next_str(const struct meta *array, size_t *at, struct str *out)
{
    return array->type == META_ARRAY && array->item == META_STRING &&
           next_str(array->bytes, at, out);
}

bool meta_reserve(struct metadata *m, uint64_t n, struct arena *a, struct err *e)
{
    uint64_t room;
    if (!size_add(m->n, n, &room))
        return err_set(e, ERR_MEMORY, "out of memory (%llu keys)", (unsigned long long)n);
    if (room <= m->room)
        return true;
    struct meta *all = arena_new(a, struct meta, room, e);
    if (!all)
        return false;
    if (m->n)
        memcpy(all, m->all, m->n * sizeof *all);
    m->all = all;
    m->room = room;
    return true;
}

bool meta_add(struct metadata *m, struct meta value, struct arena *a, struct err *e)
{
    /* The arena keeps the smaller tables: their sum is below the last. */
    if (m->n == m->room && !meta_reserve(m, m->n ? m->n : FIRST_ROOM, a, e))
        return false;
    m->all[m->n++] = value;
    return true;
}

/* Adds a copy of the key with `head` little-endian bytes of v and then the text. */
static bool add_bytes(struct metadata *m, const char *key, enum meta_type type, uint64_t v,
                      size_t head, struct str text, struct arena *a, struct err *e)
{
    struct str name = arena_str(a, str_of(key), e);
    uint8_t *p = name.at ? arena_alloc(a, 1, (uint64_t)head + text.len, e) : NULL;
    if (!p)
        return false;
    for (size_t i = 0; i < head; i++)
        p[i] = (uint8_t)(v >> 8 * i);
    if (text.len)
        memcpy(p + head, text.at, text.len);
    return meta_add(
        m, (struct meta){ .key = name, .type = type, .count = 1, .bytes = { p, head + text.len } },
        a, e);
}

static bool add_scalar(struct metadata *m, const char *key, enum meta_type type, uint64_t v,
                       struct arena *a, struct err *e)
{
    return add_bytes(m, key, type, v, meta_type_bytes(type), STR(""), a, e);
}

bool meta_add_u32(struct metadata *m, const char *key, uint32_t v, struct arena *a, struct err *e)
{
    return add_scalar(m, key, META_U32, v, a, e);
}

bool meta_add_u16(struct metadata *m, const char *key, uint16_t v, struct arena *a, struct err *e)
{
    return add_scalar(m, key, META_U16, v, a, e);
}

bool meta_add_i32(struct metadata *m, const char *key, int32_t v, struct arena *a, struct err *e)
{
    return add_scalar(m, key, META_I32, (uint32_t)v, a, e);
}

bool meta_add_f32(struct metadata *m, const char *key, float v, struct arena *a, struct err *e)
{
    uint32_t b;
    memcpy(&b, &v, sizeof b);
    return add_scalar(m, key, META_F32, b, a, e);
}

bool meta_add_bool(struct metadata *m, const char *key, bool v, struct arena *a, struct err *e)
{
    return add_scalar(m, key, META_BOOL, v, a, e);
}

bool meta_add_str(struct metadata *m, const char *key, struct str v, struct arena *a, struct err *e)
{
    return add_bytes(m, key, META_STRING, v.len, 8, v, a, e);
}
