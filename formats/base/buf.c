/* buf.c - a growing byte buffer. */
#include "formats/base/buf.h"

#include "formats/base/arena.h"

#include <stdio.h>

bool buf_ok(const struct buf *b) { return !b->failed; }

void buf_free(struct buf *b)
{
    mem_free(b->at);
    b->at = NULL;
    b->len = b->room = 0;
}

uint8_t *buf_grow(struct buf *b, uint64_t n)
{
    uint64_t want;
    if (b->failed)
        return NULL;
    if (!size_add(b->len, n, &want) || want > SIZE_MAX / 4) {
        b->failed = true;
        err_set(b->err, ERR_MEMORY, "out of memory (a buffer of %zu bytes was to grow by %llu)",
                b->len, (unsigned long long)n);
        return NULL;
    }
    if (want > b->room) {
        uint64_t room = b->room ? b->room + b->room / 2 : 256;
        void *p = mem_resize(b->at, room < want ? want : room, b->err);
        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->at = p;
        b->room = room < want ? want : room;
    }
    uint8_t *p = b->at + b->len;
    b->len = want;
    return n ? memset(p, 0, n) : p;
}

void buf_add(struct buf *b, const void *from, uint64_t n)
{
    uint8_t *p = n ? buf_grow(b, n) : NULL;
    if (p)
        memcpy(p, from, n);
}

void buf_str(struct buf *b, struct str s) { buf_add(b, s.at, s.len); }
void buf_puts(struct buf *b, const char *s) { buf_add(b, s, strlen(s)); }

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    uint8_t *p = n < 0 ? NULL : buf_grow(b, (uint64_t)n + 1);
    if (!p)
        return;
    va_start(ap, fmt);
    vsnprintf((char *)p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len--; /* not the NUL */
}

void buf_u32(struct buf *b, uint32_t v)
{
    buf_add(b, (uint8_t[]){ (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) },
            4);
}

void buf_u64(struct buf *b, uint64_t v)
{
    buf_u32(b, (uint32_t)v);
    buf_u32(b, (uint32_t)(v >> 32));
}
