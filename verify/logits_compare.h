/* logits_compare.h - prompts through two models, or one model and a record: how far apart, and
 * where they first part. */
#ifndef VERIFY_LOGITS_COMPARE_H
#define VERIFY_LOGITS_COMPARE_H

#include "verify/bisect.h"
#include "verify/pair.h"
#include "verify/tolerance.h"

struct prompt {
    struct str text; /* at == NULL: given as ids */
    const uint32_t *ids;
    size_t n;
};

struct logits_comparison {
    const struct prompt *prompts;    /* not owned */
    struct divergence_summary *sums; /* by prompt */
    size_t n_prompts, tokens;
    struct divergence_summary all;
    struct bisection *bisection; /* or NULL */
    struct arena arena;
};

/* Tokens that pair_open is to be given as piece. */
enum { COMPARE_PIECE = 64, COMPARE_PIECE_BISECT = 16 };

/* All positions of all prompts.  With a bisection (opened on the pair) also of every step. */
bool logits_compare(struct logits_comparison *c, struct pair *p, const struct prompt *prompts,
                    size_t n, struct bisection *bisection, struct err *e) MUST_CHECK;
void logits_comparison_free(struct logits_comparison *c); /* may be called twice */

/* rows[i] = divergence of row i; on the threads of the team.  next[i]: the token that came after
 * row i, or next NULL. */
bool divergence_rows(struct divergence *rows, const float *a, const float *b, size_t n,
                     size_t vocab, const uint32_t *next, struct team *team,
                     struct err *e) MUST_CHECK;

struct json_out;
/* The table, a line for each prompt and one for all; and as members of an open JSON object. */
void logits_comparison_print(struct buf *b, const struct logits_comparison *c);
void logits_comparison_json(struct json_out *o, const struct logits_comparison *c);
/* The figures of a summary as members of an open JSON object. */
void divergence_json(struct json_out *o, const struct divergence_summary *s);

#endif
