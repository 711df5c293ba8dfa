/* text.h - UTF-8, safe printing, globs, human sizes: text as people meet it. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "formats/base/buf.h"

/* Decodes one code point at s[0..]; returns its length in bytes, or 0 where the
 * bytes are not well-formed UTF-8 (overlong, surrogate, above U+10FFFF, cut). */
size_t text_utf8(struct str s, uint32_t *code);
bool text_is_utf8(struct str s);

/* Appends s for a terminal: control, bidi, zero-width and invalid bytes become
 * \xNN or \u{NNNN}; newline and tab too.  Everything printed that came from a
 * file passes here. */
void text_escape(struct buf *out, struct str s);
/* True if text_escape would change it. */
bool text_unsafe(struct str s);

/* `*` any run, `?` one byte, `[a-z]` a class; the whole of s must match. */
bool text_glob(struct str pattern, struct str s);

/* "13.8 GB": decimal, three digits. `out` holds at least 16 bytes; returns out. */
char *text_bytes(char out[16], uint64_t bytes);
/* "13,761,300,984".  Holds any u64. */
char *text_count(char out[32], uint64_t n);

/* Damerau-Levenshtein distance, for "did you mean"; texts over 64 bytes are far apart. */
unsigned text_distance(struct str a, struct str b);

/* 2n lower-case hex digits and a NUL. */
void text_hex(char *out, const uint8_t *bytes, size_t n);
/* False unless s is exactly 2n hex digits of either case. */
bool text_unhex(uint8_t *out, size_t n, struct str s);

/* Base64 of RFC 4648 with padding.  The reader is strict: false on any other byte. */
void text_base64(struct buf *out, struct span in);
bool text_unbase64(struct buf *out, struct str in);

#endif
