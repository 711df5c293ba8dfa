/* bisect.h - the first step of the forward pass at which two models part.
 *
 * While both compute the same tokens, the results of every step of the first are kept
 * and those of the second held against them. */
#ifndef VERIFY_BISECT_H
#define VERIFY_BISECT_H

#include "verify/forward/session.h"

/* One step of one layer, over all tokens of all prompts. */
struct bisect_step {
    uint32_t layer;   /* UINT32_MAX outside the layers */
    const char *name; /* of session_watch */
    bool residual;    /* it is the sum that goes on to the next layer */
    bool differs;     /* in a bit */
    size_t prompt;    /* the first token that does */
    uint64_t token;
    double max_abs, sum_sq, sum_ref; /* |b - a|, (b - a)^2, a^2 */
};

struct bisection {
    struct bisect_step *steps; /* in the order of the graph */
    size_t n_steps, prompt;
    struct session *session; /* whose memory limit the values count in */
    float *values;           /* of the first model's last run */
    size_t n_values, room, next_step, next_value;
    struct err *err;
    bool failed;
    struct arena arena;
};

/* What both sessions do from now on is compared: one runs, then the other, the same tokens, at most
 * a chunk at a time. */
void bisect_open(struct bisection *b, struct session *first, struct session *second, struct err *e);
void bisect_close(struct bisection *b); /* may be called twice */
/* After a run, false where the steps could not be compared; the error says why. */
bool bisect_ok(const struct bisection *b);
/* The first step that differs, NULL if none does. */
const struct bisect_step *bisect_first(const struct bisection *b);

#endif
