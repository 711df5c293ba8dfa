/* json_string.h - the inside of JSON strings: check, decode, compare; used by the reader alone. */
#ifndef BASE_JSON_STRING_H
#define BASE_JSON_STRING_H

#include "formats/base/span.h"

/* What json_scan found.  why == NULL: a good string, `end` is its closing quote.
 * Otherwise `end` is the byte that is wrong and why says what is wrong. */
struct json_scan {
    size_t end;
    bool escaped; /* holds a backslash, so it must be decoded */
    const char *why;
};

/* Checks the string whose first byte behind the opening quote is text[at]. */
struct json_scan json_scan(struct str text, size_t at, bool nul_allowed);

/* Decodes a checked string without its quotes to out[raw.len], which always
 * suffices; returns the decoded length. */
size_t json_decode(struct str raw, char *out);

/* Do two checked strings decode to the same text?  Both begin behind their opening quote
 * and end at their closing one. */
bool json_string_same(const char *a, const char *b);

#endif
