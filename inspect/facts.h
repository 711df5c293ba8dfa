/* facts.h - what the headers and the small files beside them say about a model.
 *
 * No tensor data is read, so a model of any size is looked at in an instant. */
#ifndef INSPECT_FACTS_H
#define INSPECT_FACTS_H

#include "formats/family.h"

/* The settings that every transformer has a word for. */
enum setting {
    SET_LAYERS,
    SET_HIDDEN,
    SET_INNER,
    SET_HEADS,
    SET_KV_HEADS,
    SET_HEAD_SIZE,
    SET_EXPERTS,
    SET_EXPERTS_USED,
    SET_CONTEXT,
    SET_WINDOW,
    SET_ROPE_BASE,
    SET_ROPE_FACTOR,
    SET_ROPE_CONTEXT, /* what the factor stretches */
    SET_VOCAB,
    N_FACT_SETTINGS
};

struct storage {
    const char *name; /* "bf16"; "mxfp4 in u8" for blocks and scales in U8 tensors */
    size_t tensors;
    uint64_t bytes;
};

struct chat_template {
    const char *where; /* file or key */
    struct str name;   /* of one among several; empty for the one that is used */
    struct str text;
};

struct facts {
    const struct model *model;
    struct family_view view; /* family NULL: none that we know, or it does not fit: see troubles */
    struct str architecture; /* as the model calls it; may be empty */
    struct {
        bool known;
        double value;
    } set[N_FACT_SETTINGS];
    uint64_t parameters;     /* elements; MXFP4 scales are none */
    uint64_t mxfp4;          /* of those in MXFP4 */
    uint64_t active;         /* used for one token; 0: not known */
    uint64_t embedding;      /* of those only looked up: an input embedding that is not tied */
    struct storage *storage; /* by bytes, falling */
    size_t n_storage;
    uint64_t file_bytes; /* of the weight files */
    struct {
        struct str model, split; /* "BPE" or "gpt2"; "gpt-4o"; may be empty */
        uint64_t tokens, merges; /* tokens 0: no tokenizer */
    } tokenizer;
    struct chat_template *templates;
    size_t n_templates;
    enum form carried; /* form of the original files inside, or FORM_NONE */
    char **troubles;   /* what is wrong with the files beside, or with the family's tensors */
    size_t n_troubles;
    struct arena arena;
};

/* m must stay open while the facts are used.  What is odd but readable is in troubles; false
 * only where nothing can be said. */
bool facts_open(struct facts *f, const struct model *m, struct err *e) MUST_CHECK;
void facts_close(struct facts *f); /* may be called twice */

#endif
