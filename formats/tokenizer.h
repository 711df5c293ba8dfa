/* tokenizer.h - text <-> token ids, by the byte-level BPE of a tokenizer.json or of GGUF keys.
 *
 * Ids are those of Hugging Face's tokenizers: added tokens are found first, what lies between
 * is split by the file's pattern (splitter.h), the bytes of each piece are merged by rank
 * (merges.h).  Where the file says ignore_merges, a piece that is a token is taken as it is.
 * Nothing is put before or behind the text: whoever wants a BOS token adds it.
 *
 * A GGUF counts as the tokenizer.json that vocab_from_gguf makes of its keys.
 *
 * Decoding is the inverse for any bytes, UTF-8 or not: decode(encode(x)) == x. */
#ifndef FORMATS_TOKENIZER_H
#define FORMATS_TOKENIZER_H

#include "formats/added_tokens.h"
#include "formats/merges.h"
#include "formats/model.h"
#include "formats/splitter.h"
#include "formats/vocab.h"

struct token {
    struct str bytes; /* what it stands for */
    enum token_type type;
    bool added; /* found in a text as it stands */
    bool piece; /* what a piece of these bytes becomes */
};

struct tokenizer {
    struct token *tokens;  /* by id, without holes */
    uint64_t n_tokens;     /* embedding rows from here on are no tokens */
    uint32_t byte_id[256]; /* TOKEN_NONE: no token is that byte alone */
    struct names pieces;   /* bytes -> id of those of which that is so */
    struct merges merges;
    struct splitter splitter;
    struct added_tokens added[2]; /* the second are looked for where none of the first is */
    struct str regex;             /* at == NULL: none */
    bool ignore_merges;
    struct arena arena;
};

/* What stands at path: a tokenizer.json, a directory that has one, or a model that carries GGUF
 * keys.  ERR_UNSUPPORTED for any other kind of tokenizer, for added tokens that take the
 * spaces beside them or are longer than 1024 bytes, and for one that stands for two texts; for
 * a model without a tokenizer ERR_INPUT.  Nothing stays open on failure; tokenizer_close may
 * be called twice. */
bool tokenizer_open(struct tokenizer *t, const char *path, struct err *e) MUST_CHECK;
/* The same from what is at hand; path is for messages only. */
bool tokenizer_open_model(struct tokenizer *t, const struct model *m, struct err *e) MUST_CHECK;
bool tokenizer_open_json(struct tokenizer *t, const char *path, struct str text,
                         struct err *e) MUST_CHECK;
bool tokenizer_open_keys(struct tokenizer *t, const char *path, const struct metadata *keys,
                         struct err *e) MUST_CHECK;
void tokenizer_close(struct tokenizer *t);

/* Ids, appended to.  Zero-initialised. */
struct token_ids {
    uint32_t *at;
    size_t n, room;
    uint64_t steps; /* of merging, so far: what tests hold against the length of the text */
};
/* False when memory ran out. */
bool token_ids_add(struct token_ids *ids, uint32_t id, struct err *e) MUST_CHECK;
void token_ids_free(struct token_ids *ids); /* may be called twice */

/* Appends the ids of text.  specials: text that looks like a control token ("<|end|>") is that
 * token; without, it is split and merged like any other text, but the added tokens that
 * are not special are found all the same.  From any thread.  Time is linear in the text, but for
 * a factor log n in merging a piece of n bytes, with the patterns that vocab.h knows; with others
 * the steps of each match are bounded.
 * ERR_UNSUPPORTED, with the offset, where the pattern takes too many steps or a byte has no
 * token, and for texts of 4 GiB. */
bool tokenizer_encode(const struct tokenizer *t, struct str text, bool specials,
                      struct token_ids *ids, struct err *e) MUST_CHECK;
/* Appends the bytes.  ERR_INPUT for an id that is no token: also for unused rows of the
 * embedding, which stand for nothing. */
bool tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, struct buf *out,
                      struct err *e) MUST_CHECK;

/* ERR_MISMATCH, saying the first difference, unless the tables of both are equal, so that they
 * give the same ids for every text and the same text for all ids. */
bool tokenizer_same(const struct tokenizer *a, const struct tokenizer *b, struct err *e) MUST_CHECK;

#endif
