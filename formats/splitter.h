/* splitter.h - cuts text into the pieces that are merged one by one, by a regular expression.
 *
 * The pattern is read by PCRE2 with Unicode properties, and as Oniguruma reads it (what
 * tokenizer.json is written for) where the two differ: \s is Unicode White_Space, ^ and $ match
 * at line ends.  Matches are pieces, and so is what lies between them.  Bytes that are not
 * well-formed UTF-8 are no text: a run of them is one piece, and the text before and behind
 * it is split as if it stood alone.  Together the pieces are the text, byte for byte. */
#ifndef FORMATS_SPLITTER_H
#define FORMATS_SPLITTER_H

#include "formats/base/arena.h"

struct splitter {
    struct pcre2_real_code_8 *code; /* NULL: no pattern, text is not cut */
};

/* regex.at == NULL: no pattern.  ERR_UNSUPPORTED for a pattern that PCRE2 refuses; the message
 * begins with `where`.  Compiled to machine code where the system allows it, else interpreted. */
bool splitter_open(struct splitter *s, const char *where, struct str regex,
                   struct err *e) MUST_CHECK;
void splitter_close(struct splitter *s); /* may be called twice */

/* Splitting on one thread; any number of threads may use one splitter. */
struct splitting {
    const struct splitter *splitter;
    struct pcre2_real_match_data_8 *match;
    struct pcre2_real_match_context_8 *context;
    struct err *err;
    struct str text;            /* all of it */
    uint64_t base;              /* offset of its first byte, added in messages */
    size_t stretch, end;        /* well-formed UTF-8 being split: text.at[stretch..end) */
    size_t at;                  /* first byte that is in no piece yet */
    size_t search;              /* where the next match may begin */
    size_t match_at, match_end; /* found but not given out; match_at == match_end: none */
};

/* Zero the struct or open it before closing. */
bool splitting_open(struct splitting *run, const struct splitter *s, struct err *e) MUST_CHECK;
void splitting_close(struct splitting *run); /* may be called twice */
/* Begins with a text, which stays the caller's. */
void splitting_start(struct splitting *run, struct str text, uint64_t base);
/* The next piece, never empty; false at the end and on failure (then *e of splitting_open is
 * set: ERR_UNSUPPORTED with the offset where the pattern took more steps than it may). */
bool splitting_next(struct splitting *run, struct str *piece);

#endif
