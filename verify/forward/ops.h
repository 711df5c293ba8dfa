/* ops.h - the operations of a transformer on batches of tokens.
 *
 * Matrices of activations are row-major, one row a token; T is the number of tokens.  Weights are
 * used as they are stored, decoded exactly.  Two arithmetics:
 *
 *   f32    every operation in f32, sums by the tree of kernel.h, nothing fused
 *   bf16   the same, and rounded to bf16 where OpenAI's reference code does: R below
 *
 * Each output element is computed by one worker from its token's row alone, so nothing depends on
 * the number of workers or on which tokens are computed together.
 *
 * Failure sticks in *err as in a cursor: after it, operations do nothing. */
#ifndef FORWARD_OPS_H
#define FORWARD_OPS_H

#include "quant/kernel/kernel.h"
#include "verify/forward/weights.h"

enum arith { ARITH_F32, ARITH_BF16 };

struct ops {
    struct kernels k;
    enum arith arith;
    struct weights *weights;
    struct team *team;
    float **scratch; /* of each worker: scratch_room floats */
    size_t scratch_room;
    struct err *err;
};

/* rows x cols weights: one group of an atom. */
struct matrix {
    size_t atom;
    uint64_t group, rows, cols;
};

/* Keys and values of earlier tokens in one layer: row i is position first + i. */
struct kv {
    float *k, *v; /* (room, kv_heads * head_dim) */
    uint64_t first, room;
};

/* For the bf16 arithmetic: sums in the order of their terms (in_order.c). */
struct kernels kernels_in_order(void);

bool ops_ok(const struct ops *o);
/* At least n floats for each worker, taken from the limit of the weights. */
bool ops_scratch(struct ops *o, size_t n, struct err *e) MUST_CHECK;
void ops_free(struct ops *o); /* may be called twice */

/* x (n) = R(x) */
void round_all(const struct ops *o, float *x, size_t n);
/* x (T, cols) = R(row ids[t] of the atom) */
void embed(struct ops *o, float *x, size_t atom, const uint32_t *ids, size_t T, size_t cols);
/* out (T, rows) = R(x (T, cols) @ W^T + bias); bias (rows) or NULL. */
void linear(struct ops *o, float *out, const float *x, struct matrix w, const float *bias,
            size_t T);
/* x (T, n) = R(x + bias (n)) */
void add_bias(const struct ops *o, float *x, const float *bias, size_t T, size_t n);
/* x (n) = R(x + y) */
void add(const struct ops *o, float *x, const float *y, size_t n);
/* out (T, n) = R(x / sqrt(mean(x^2) + eps) * gain) */
void rmsnorm(const struct ops *o, float *out, const float *x, const float *gain, size_t T, size_t n,
             float eps);
/* Rotates element j of each head with element j + dim/2 by the token's angle j: x (T, heads * dim),
 * cos and sin (T, dim/2). */
void rope(const struct ops *o, float *x, const float *cos, const float *sin, size_t T, size_t heads,
          size_t dim);

struct attention {
    size_t heads, kv_heads, dim;
    uint64_t position; /* of the first token */
    uint64_t window;   /* how many tokens, itself included, one sees; 0 = all */
    float scale;
    const float *sinks; /* (heads) */
};
/* out (T, heads * dim) = R(softmax(R(R(q k) scale), sink) v), causal; head h reads kv head
 * h / (heads / kv_heads).  The sink takes part in the softmax and has no value. */
void attention(struct ops *o, float *out, const float *q, const struct kv *kv,
               const struct attention *a, size_t T);

/* The k largest of each row of x (T, n), largest first, equal ones in order of their number;
 * weight (T, k) = R(softmax of those k). */
void top_k(const struct ops *o, uint32_t *chosen, float *weight, const float *x, size_t T, size_t n,
           size_t k);
/* gate (n) = gate' * sigmoid(1.702 gate') * (up' + 1), gate' = min(gate, limit),
 * up' = clamp(up, -limit, limit) */
void swiglu(struct ops *o, float *gate, const float *up, size_t n, float limit);
/* out (T, n) = R(sum over j < k of weight (T, k) * x (T, k, n)) */
void combine(const struct ops *o, float *out, const float *weight, const float *x, size_t T,
             size_t k, size_t n);

/* log(sum of e^x) - x[pick] over n logits, in double. */
double negative_log_likelihood(const float *x, size_t n, size_t pick);

#endif
