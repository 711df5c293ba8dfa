/* cursor.c - bounds-checked little-endian reads. */
#include "formats/base/cursor.h"

#include <stdio.h>

bool cur_ok(const struct cursor *c) { return c->err->code == ERR_NONE && !c->more; }
uint64_t cur_left(const struct cursor *c) { return c->total - c->at; }

bool cur_fail(struct cursor *c, const char *fmt, ...)
{
    char why[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    if (c->more)
        return false;
    return err_set(c->err, ERR_INPUT, "%s:0x%llx: %s", c->path, (unsigned long long)c->field_at,
                   why);
}

static const uint8_t *take(struct cursor *c, uint64_t n, const char *field)
{
    if (!cur_ok(c))
        return NULL;
    c->field_at = c->at;
    if (n > cur_left(c)) {
        cur_fail(c, "%s needs %llu bytes, %llu left", field, (unsigned long long)n,
                 (unsigned long long)cur_left(c));
        return NULL;
    }
    if (n > c->bytes.len - c->at) {
        c->more = true;
        return NULL;
    }
    const uint8_t *p = c->bytes.at + c->at;
    c->at += (size_t)n;
    return p;
}

uint8_t cur_u8(struct cursor *c, const char *field)
{
    const uint8_t *p = take(c, 1, field);
    return p ? *p : 0;
}

uint32_t cur_u32(struct cursor *c, const char *field)
{
    const uint8_t *p = take(c, 4, field);
    return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24
             : 0;
}

uint64_t cur_u64(struct cursor *c, const char *field)
{
    const uint8_t *p = take(c, 8, field);
    uint64_t v = 0;
    for (int i = 7; p && i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

struct span cur_bytes(struct cursor *c, uint64_t n, const char *field)
{
    const uint8_t *p = take(c, n, field);
    return p ? (struct span){ p, (size_t)n } : (struct span){ (const uint8_t *)"", 0 };
}

struct str cur_str(struct cursor *c, const char *field)
{
    uint64_t len = cur_u64(c, field);
    struct span s = cur_bytes(c, len, field);
    return (struct str){ (const char *)s.at, s.len };
}
