/* span.h - bytes and text that carry their length; neither owns its memory. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *at;
    size_t len;
};
struct str {
    const char *at;
    size_t len;
}; /* text, not NUL-terminated */

#define STR(lit)   ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).len, (s).at

static inline struct str str_of(const char *s) { return (struct str){ s, strlen(s) }; }
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}
static inline bool str_is(struct str a, const char *b) { return str_eq(a, str_of(b)); }

/* Bytewise order; a prefix comes first. */
static inline int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.at, b.at, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}
static inline bool str_starts(struct str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.at, prefix, n) == 0;
}
static inline bool str_ends(struct str s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.len >= n && memcmp(s.at + s.len - n, suffix, n) == 0;
}

/* out = a*b, out = a+b; false on overflow.  All sizes read from files pass here. */
static inline bool size_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool size_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* at rounded up to a multiple of align, a power of two; false on overflow. */
static inline bool size_align(uint64_t at, uint64_t align, uint64_t *out)
{
    if (!size_add(at, align - 1, out))
        return false;
    *out &= ~(align - 1);
    return true;
}

#endif
