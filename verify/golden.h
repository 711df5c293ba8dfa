/* golden.h - a record of what a model computes, small enough for a repository.
 *
 *   { "schema": "weigh.golden/1", "family": "gpt-oss", "arith": "f32", "rope": "reference",
 *     "vocab": 1024, "content_root": HEX,
 *     "prompts": [ { "text": "...",            the text, where it was one
 *                    "logits_sha256": HEX,     of all logits, rows in order, little-endian f32
 *                    "rows": [ { "id": 267, "log_sum_exp": "0x1.2p+3",
 *                                "top": [[273, "0x1.57p+2"], ...] }, ... ] } ] }
 *
 * A row is what follows its id: the likeliest tokens with their logits, as hexadecimal floats that
 * keep every bit.  log_sum_exp is that of all logits of the row, so that their probabilities are
 * known as well.  The same model gives the same bytes on every machine. */
#ifndef VERIFY_GOLDEN_H
#define VERIFY_GOLDEN_H

#include "formats/base/digest.h"
#include "verify/logits_compare.h"

enum { GOLDEN_MOST = 64 << 20, GOLDEN_TOP = 100 }; /* bytes of a file; tokens of a row */

struct golden_row {
    double log_sum;
    uint32_t *top; /* g->top ids, by falling logit */
    float *logits; /* theirs */
};

struct golden_prompt {
    struct prompt prompt;
    struct sha256 logits;
    struct golden_row *rows;
};

struct golden {
    struct str family;
    enum arith arith;
    enum rope_style rope;
    uint64_t vocab;
    size_t top; /* tokens in each row */
    struct sha256 content;
    struct golden_prompt *prompts;
    size_t n;
    struct arena arena;
};

/* Computes all prompts.  content: the root of the session's model (content.h). */
bool golden_record(struct golden *g, struct session *s, const struct prompt *prompts, size_t n,
                   size_t top, const struct sha256 *content, struct err *e) MUST_CHECK;
void golden_write(struct buf *b, const struct golden *g);
bool golden_read(struct golden *g, const char *path, struct err *e) MUST_CHECK;
/* path is for messages only. */
bool golden_parse(struct golden *g, const char *path, struct str text, struct err *e) MUST_CHECK;
void golden_free(struct golden *g); /* may be called twice */

/* Computes the prompts again.  The comparison is over what is recorded: differences of the
 * recorded logits only; KL between "each recorded token, or any other", which is at most
 * the KL of all.  *identical: every logit, by the digests.  ERR_MISMATCH where family or vocabulary
 * are others. */
bool golden_check(struct logits_comparison *c, const struct golden *g, struct session *s,
                  bool *identical, struct err *e) MUST_CHECK;

#endif
