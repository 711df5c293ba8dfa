/* buf.h - a growing byte buffer for building headers, manifests and reports.
 *
 * Failure sticks: after an allocation fails every later call does nothing, so
 * a builder writes its whole record and asks once, with buf_ok(). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "formats/base/err.h"
#include "formats/base/span.h"

struct buf {
    uint8_t *at;
    size_t len, room;
    struct err *err; /* where ERR_MEMORY is recorded; not owned */
    bool failed;
};

static inline struct buf buf_make(struct err *e) { return (struct buf){ .err = e }; }
bool buf_ok(const struct buf *b);
void buf_free(struct buf *b); /* may be called twice */

/* n more bytes, zeroed, or NULL. */
uint8_t *buf_grow(struct buf *b, uint64_t n);
void buf_add(struct buf *b, const void *from, uint64_t n);
void buf_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Little-endian fields. */
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);

static inline struct span buf_span(const struct buf *b) { return (struct span){ b->at, b->len }; }
static inline struct str buf_text(const struct buf *b)
{
    return (struct str){ (const char *)b->at, b->len };
}

#endif
