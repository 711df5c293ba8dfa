/* tokenizer.h - how large a model's tokenizer is, from GGUF keys or tokenizer.json. */
#ifndef INSPECT_TOKENIZER_H
#define INSPECT_TOKENIZER_H

#include "formats/model.h"

struct tokenizer_counts {
    struct str model, split; /* "BPE" or "gpt2"; GGUF's name of the splitting, "gpt-4o" */
    uint64_t tokens, merges; /* tokens 0: the model has none */
};

/* Strings live in the model or the arena.  False where tokenizer.json is no JSON. */
bool tokenizer_count(const struct model *m, struct tokenizer_counts *c, struct arena *a,
                     struct err *e) MUST_CHECK;

#endif
