/* added_tokens.h - finds tokens that stand in the text as they are, such as "<|end|>". */
#ifndef FORMATS_ADDED_TOKENS_H
#define FORMATS_ADDED_TOKENS_H

#include "formats/base/arena.h"

struct added_token {
    struct str text;
    uint32_t id;
    bool special;
};

struct added_tokens {
    struct added_token *all; /* texts in bytewise order */
    size_t n;
    bool starts[256]; /* bytes that one of them begins with */
};

/* The time to look at one place of a text is bounded by it. */
enum { ADDED_TOKEN_MAX = 1024 };

/* Sorts `all`; call it when they are complete. */
void added_tokens_prepare(struct added_tokens *a);
/* The first place at or behind `from` where one of them stands, and the longest of those that
 * do; specials: else only those that are not special.  NULL: none. */
const struct added_token *added_tokens_find(const struct added_tokens *a, struct str text,
                                            size_t from, bool specials, size_t *at);

#endif
