/* session.h - a model that computes: opened on a tensor table, fed with tokens, asked for logits.
 *
 * Logits do not depend on jobs, chunk, mem, ISA, or the container the weights came in. */
#ifndef FORWARD_SESSION_H
#define FORWARD_SESSION_H

#include "verify/forward/ops.h"

enum rope_style {
    ROPE_REFERENCE, /* as the configuration says; untruncated YaRN for gpt-oss */
    ROPE_LLAMA_CPP, /* its ramp between whole dimensions: logits differ */
};

/* For looking inside: called after each step of each layer with its result, (T, width); the
 * first row is of the token at `position`.  Steps outside the layers have layer UINT32_MAX. */
typedef void session_watch(void *ctx, uint32_t layer, const char *step, const float *x,
                           uint64_t position, size_t T, size_t width);

struct session_options {
    enum arith arith;
    enum rope_style rope;
    unsigned isa;         /* of kernel.h; 0 is scalar */
    unsigned jobs;        /* 0 = one per core */
    uint64_t mem;         /* limit of weights, state and logits together, 0 = none */
    size_t chunk;         /* tokens computed together; 0 = 256 */
    const char *config;   /* config.json of a model that has none beside it, or NULL */
    session_watch *watch; /* or NULL */
    void *watch_ctx;
};

struct session {
    const struct graph *graph;
    const struct model *model;
    struct session_options options;
    struct family_view view;
    struct team *team;
    struct weights weights;
    struct ops ops;
    uint64_t vocab, context; /* of the model: ids are below vocab, positions below context */
    size_t chunk;
    uint64_t position; /* tokens fed so far */
    void *state;       /* of the graph */
    float *logits;     /* (logits_room, vocab) */
    size_t logits_room;
    struct arena arena;
};

/* The model must stay open.  A family without a graph is ERR_UNSUPPORTED. */
bool session_open(struct session *s, const struct model *m, const struct session_options *opt,
                  struct err *e) MUST_CHECK;
void session_close(struct session *s); /* may be called twice */

/* Takes n rows of logits, (n, vocab): those of ids[first .. first + n).  False stops the run. */
typedef bool session_take(void *ctx, size_t first, size_t n, const float *logits, struct err *e);
/* Feeds n more tokens.  Logits of ids[from .. n) are computed and handed over in order; each row
 * predicts the token behind it.  Nothing is computed if an id is not in the vocabulary or the
 * tokens would be more than the context; after any other failure reset or close the session.
 * take may be NULL when from >= n. */
bool session_run(struct session *s, const uint32_t *ids, size_t n, size_t from, session_take *take,
                 void *ctx, struct err *e) MUST_CHECK;
/* ERR_INPUT unless session_run could feed these n tokens now. */
bool session_check(const struct session *s, const uint32_t *ids, size_t n,
                   struct err *e) MUST_CHECK;
/* Forgets the tokens fed so far. */
void session_reset(struct session *s);

/* nll[i] = -log p(ids[i + 1] | ids[0 .. i]), natural log, for i < n - 1, from position 0. */
bool session_nll(struct session *s, const uint32_t *ids, size_t n, double *nll,
                 struct err *e) MUST_CHECK;

/* ---- for graphs ------------------------------------------------------------------------ */

/* How one family computes.  Adding a family is adding a row to graphs[]. */
struct graph {
    const struct family *family;
    /* Checks settings and weights, sets vocab and context, makes the state. */
    bool (*open)(struct session *s, struct err *e);
    /* T <= chunk tokens from s->position on; leaves what logits needs.  Failure is in ops.err. */
    void (*forward)(struct session *s, const uint32_t *ids, size_t T);
    /* out (n, vocab): logits of the tokens first .. first + n of the last forward. */
    void (*logits)(struct session *s, size_t first, size_t n, float *out);
    void (*reset)(struct session *s);
    void (*close)(struct session *s); /* what the arena does not hold; state may be NULL */
};
extern const struct graph graph_gpt_oss;
extern const struct graph *const graphs[]; /* NULL-terminated */

/* n x m zeroed floats that live as long as the session, or NULL. */
float *session_floats(struct session *s, uint64_t n, uint64_t m, struct err *e);
/* Calls the watch, if there is one. */
void session_see(const struct session *s, uint32_t layer, const char *step, const float *x,
                 size_t T, size_t width);
/* The number of the atom of that row and layer, SIZE_MAX if the model has none. */
size_t session_atom(const struct session *s, size_t row, uint32_t layer);
/* All of an atom, decoded; lives as long as the session. */
float *session_vector(struct session *s, size_t atom, struct err *e);

#endif
