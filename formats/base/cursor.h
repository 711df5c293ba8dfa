/* cursor.h - reads little-endian fields from untrusted bytes.
 *
 * Failure sticks: after the first bad read every later read returns zero or an
 * empty string, so a parser reads a whole record and asks once, with cur_ok().
 * Messages name the file and the offset of the field that failed.
 *
 * The bytes may be the first part of a longer file (total > bytes.len): a read
 * past them but inside the file sets `more`, and the caller comes back with a
 * longer part. */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include "formats/base/err.h"
#include "formats/base/span.h"

struct cursor {
    const char *path; /* for messages only */
    struct span bytes;
    uint64_t total;    /* length of the whole file; >= bytes.len */
    size_t at;         /* offset of the next unread byte; <= bytes.len */
    uint64_t field_at; /* where the last field began: messages point here */
    bool more;         /* failed only because bytes ended before the file does */
    struct err *err;
};

uint8_t cur_u8(struct cursor *c, const char *field);
uint32_t cur_u32(struct cursor *c, const char *field);
uint64_t cur_u64(struct cursor *c, const char *field);
struct str cur_str(struct cursor *c, const char *field); /* u64 length, then text */
struct span cur_bytes(struct cursor *c, uint64_t n, const char *field);

/* Bytes of the whole file behind the cursor: the bound for any count in it. */
uint64_t cur_left(const struct cursor *c);
bool cur_ok(const struct cursor *c);
bool cur_fail(struct cursor *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
