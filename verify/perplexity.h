/* perplexity.h - how well a model foretells a text, window by window, and beside another model.
 *
 * The text is cut into windows of equal length that do not overlap; each is computed alone from
 * position 0.  Row t of a window is scored against token t + 1, for t from `skip` to the
 * last but one.  llama.cpp's protocol is window 512, skip 256. */
#ifndef VERIFY_PERPLEXITY_H
#define VERIFY_PERPLEXITY_H

#include "verify/logits_compare.h"

struct perplexity_options {
    size_t window;       /* tokens; at least 2 */
    size_t skip;         /* rows of each window that are not scored; below window - 1 */
    size_t most_windows; /* 0 = all */
};

struct perplexity_figures {
    double nll, nll_error; /* mean of -log p, in nats, and its standard error */
    double perplexity, perplexity_error;
};

struct perplexity {
    size_t tokens, windows, window, skip;
    size_t left; /* tokens behind the last window: not scored */
    size_t scored;
    double *nll; /* of the scored tokens in order; windows * (window - 1 - skip) */
    struct perplexity_figures model, base;
    bool has_base;
    struct divergence_summary sum; /* model against base */
    struct arena arena;
};

/* A text shorter than the window is one window; below two tokens it is ERR_INPUT. */
bool perplexity_of(struct perplexity *p, struct session *s, const uint32_t *ids, size_t n,
                   const struct perplexity_options *opt, struct err *e) MUST_CHECK;
/* The same for pair.b, and the divergence of b from a, the base. */
bool perplexity_beside(struct perplexity *p, struct pair *pair, const uint32_t *ids, size_t n,
                       const struct perplexity_options *opt, struct err *e) MUST_CHECK;
void perplexity_free(struct perplexity *p); /* may be called twice */

void perplexity_print(struct buf *b, const struct perplexity *p);
void perplexity_json(struct json_out *o, const struct perplexity *p); /* members */

#endif
