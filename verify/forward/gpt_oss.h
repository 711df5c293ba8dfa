/* gpt_oss.h - what a gpt-oss computes with: settings, weights, state.
 *
 * Shapes: T tokens, H hidden size, N and M query and kv heads of D numbers, E experts of
 * which K are active, I inner size, V vocabulary, C tokens in a chunk. */
#ifndef FORWARD_GPT_OSS_H
#define FORWARD_GPT_OSS_H

#include "verify/forward/session.h"

/* What the configuration says. */
struct settings {
    uint32_t layers;
    size_t hidden, heads, kv_heads, dim, experts, active, inner, vocab;
    uint64_t window;
    float eps, limit;
    double theta, factor, alpha, beta, first_context;
    bool truncate; /* the ramp of YaRN ends at whole dimensions */
    bool *sliding; /* by layer */
};

/* What the files hold. */
struct layer {
    float *attn_norm, *mlp_norm;              /* (H) */
    struct matrix q, k, v, o;                 /* (N D, H) (M D, H) (M D, H) (H, N D) */
    float *q_bias, *k_bias, *v_bias, *o_bias; /* (N D) (M D) (M D) (H) */
    float *sinks;                             /* (N) */
    struct matrix router;                     /* (E, H) */
    float *router_bias;                       /* (E) */
    struct matrix gate, up, down;             /* of each expert: (I, H) (I, H) (H, I) */
    float *gate_bias, *up_bias, *down_bias;   /* (E, I) (E, I) (E, H) */
    struct kv kv;                             /* state: (room, M D) */
};

struct gpt_oss {
    struct settings is;
    struct layer *layers;
    size_t embedding; /* atom (V, H) */
    float *out_norm;  /* (H) */
    struct matrix output;
    /* state of one chunk of up to C tokens */
    float *x, *y;            /* (C, H): the residual stream, and what an operation made of it */
    float *q, *heads;        /* (C, N D) */
    float *cos, *sin;        /* (C, D/2) */
    float *scores, *weights; /* (C, E) (C, K) */
    uint32_t *chosen;        /* (C, K) */
    size_t *slots;           /* (C): which (token, k) an expert works for */
    float *routed;           /* (C, H): the tokens of one expert */
    float *gate, *up;        /* (C, I) */
    float *down;             /* (C, H) */
    float *mixed;            /* (C, K, H) */
};

/* gpt_oss_open.c: the open and close of the graph. */
bool gpt_oss_open(struct session *s, struct err *e);
void gpt_oss_close(struct session *s);

#endif
