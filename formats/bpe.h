/* bpe.h - what a tokenizer.json says: byte-level BPE tokens, merges and split pattern. */
#ifndef FORMATS_BPE_H
#define FORMATS_BPE_H

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/vocab.h"

struct bpe_token {
    struct str text; /* in the printable alphabet of GPT-2; at == NULL: no token */
    uint64_t at;     /* offset in the file where it got its id */
    enum token_type type;
    unsigned from; /* bits of BPE_VOCAB, BPE_ADDED, BPE_NORMALIZED, BPE_TRIMS */
};

enum {
    BPE_VOCAB = 1,
    BPE_ADDED = 2,
    BPE_NORMALIZED = 4, /* added, to be looked for after those that are not */
    BPE_TRIMS = 8,      /* added, and takes spaces beside it or stands between words alone */
};
#define BPE_ANY_ROWS UINT64_MAX /* for n_vocab: the number of embedding rows is not known */

struct bpe {
    struct bpe_token *tokens; /* by id, without holes */
    uint64_t n_tokens, room;
    struct buf merges; /* "left right" in rank order, each with its u64 length: as GGUF stores it */
    uint64_t n_merges;
    struct str regex;                /* splits text before merging; at == NULL: nothing does */
    uint64_t regex_at;               /* offset in the file of who says so */
    const struct vocab_split *split; /* the one with that regex; NULL: a pattern without a name */
    bool ignore_merges;              /* a piece that is a token as a whole is not merged anew */
};

/* Reads and checks the text of a tokenizer.json.  Texts point into `text` or the
 * arena.  ERR_INPUT for what contradicts itself or has ids of n_vocab and above;
 * ERR_UNSUPPORTED for anything but byte-level BPE, and for settings that GGUF keys
 * cannot carry.  bpe_free always, also after failure. */
bool bpe_read(struct bpe *b, const char *path, struct str text, uint64_t n_vocab, struct arena *a,
              struct err *e) MUST_CHECK;
void bpe_free(struct bpe *b); /* may be called twice */

#endif
