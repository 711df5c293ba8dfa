/* tiny.h - small random gpt-oss models in every form, made without the code under test: plain
 * loops over elements, and writers of GGUF and safetensors that vary what other programs vary. */
#ifndef TESTS_TINY_H
#define TESTS_TINY_H

#include "quant/dtype.h"

enum tiny_form {
    TINY_HF,
    TINY_ORIGINAL,
    TINY_GGUF,
    TINY_FUSED,            /* llama.cpp with gate and up in one tensor */
    TINY_OLLAMA,           /* Ollama's first converter, from the HF form */
    TINY_OLLAMA_QKV,       /* the same, from original/ */
    TINY_OLLAMA_SPLIT,     /* its second: gate and up apart, blocks as ggml has them */
    TINY_OLLAMA_SPLIT_QKV, /* the same, from original/ */
    TINY_FORMS,
    TINY_WRITABLE = TINY_FUSED /* the forms before this one are those that we write */
};

struct tiny {
    unsigned layers, experts, hidden, inner, heads, kv_heads, head_dim, vocab;
    bool tied;                    /* no output matrix */
    bool plain_experts;           /* BF16 in place of MXFP4 */
    bool tokens;                  /* GGUF: a few tokenizer keys */
    enum dtype vectors, matrices; /* F32, F16 or BF16, in GGUF Q8_0; DTYPE_NONE: BF16 */
    bool fitting;                 /* F32 vectors have only values that BF16 holds */
    uint64_t seed; /* bits of all kinds: NaN, infinities, subnormals, -0, any scale */

    unsigned shards;                  /* HF: files; 0: one, without an index */
    unsigned gguf_version, alignment; /* 0: 3 and 32 */
    bool reversed;                    /* tensors in the opposite order */
    bool spaced;                      /* safetensors: white space and __metadata__ in the header */
};

/* A model that has no two sizes in common. */
extern const struct tiny tiny_odd;
/* Sizes and kinds drawn from a seed. */
struct tiny tiny_random(uint64_t seed);
/* Writes it: a directory for HF and original, a file for GGUF. */
void tiny_write(const struct tiny *t, enum tiny_form form, const char *path);
const char *tiny_name(enum tiny_form form);
/* The same numbers for everybody. */
uint64_t tiny_draw(uint64_t *state);

#endif
