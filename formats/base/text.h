/* text.h - UTF-8, safe printing, globs, human sizes: text as people meet it. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "formats/base/buf.h"

/* Decodes one code point at s[0..]; returns its length in bytes, or 0 where the
 * bytes are not well-formed UTF-8 (overlong, surrogate, above U+10FFFF, cut). */
size_t text_utf8(struct str s, uint32_t *code);
bool text_is_utf8(struct str s);

/* Appends s for a terminal: ASCII controls (newline and tab too) and bytes that are
 * not UTF-8 become \xNN; C1 controls, bidi and invisible characters, line and
 * paragraph separators become \u{NNNN}.  Everything printed that came from a file
 * passes here. */
void text_escape(struct buf *out, struct str s);
/* True if text_escape would change it. */
bool text_unsafe(struct str s);

/* `*` any run, `?` one byte, `[a-z]` a class, `[!a-z]` all else; the whole of s must
 * match.  A '[' without its ']' stands for itself. */
bool text_glob(struct str pattern, struct str s);

/* "999 B", "13.8 GB": decimal, three digits, up to TB; returns out. */
char *text_bytes(char out[16], uint64_t bytes);
/* "13,761,300,984"; returns out. */
char *text_count(char out[32], uint64_t n);
/* "0.0125776": six digits, as %g writes them, with a point in every locale; returns out. */
char *text_number(char out[16], double v);

/* How many bytes to insert, delete, replace or swap with their neighbour (no byte twice)
 * to make b of a, for "did you mean"; UINT_MAX where a text is over 64 bytes. */
unsigned text_distance(struct str a, struct str b);

/* 2n lower-case hex digits and a NUL. */
void text_hex(char *out, const uint8_t *bytes, size_t n);
/* False unless s is exactly 2n hex digits of either case. */
bool text_unhex(uint8_t *out, size_t n, struct str s);

/* Base64 of RFC 4648 with padding.  The reader is strict: false, and nothing is added, on
 * any other byte, missing padding or unused bits that are not zero. */
void text_base64(struct buf *out, struct span in);
bool text_unbase64(struct buf *out, struct str in);

#endif
