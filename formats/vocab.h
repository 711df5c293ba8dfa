/* vocab.h - tokenizers as data: tokenizer.json <-> GGUF tokenizer.ggml.* keys.
 *
 * Only byte-level BPE (what gpt-oss, GPT-2 and Llama 3 use); text <-> ids is
 * another module's work. */
#ifndef FORMATS_VOCAB_H
#define FORMATS_VOCAB_H

#include "formats/metadata.h"

/* GGUF token types (llama.cpp): what tokenizer.ggml.token_type holds. */
enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER,
    TOKEN_UNUSED,
    TOKEN_BYTE
};

/* How text is split before merging: llama.cpp's name and the pattern it stands for. */
struct vocab_split {
    const char *pre;    /* tokenizer.ggml.pre; NULL ends the list */
    const char *regex;  /* as tokenizer.json spells it */
    bool in_byte_level; /* tokenizer.json does not spell it: ByteLevel with use_regex */
    bool ignore_merges; /* a piece that is a token as a whole is not merged anew */
};
extern const struct vocab_split vocab_splits[];
const struct vocab_split *vocab_split_find(struct str pre); /* NULL if unknown */

/* Tokens that have a role, and what the files call them. */
enum vocab_role { VOCAB_BOS, VOCAB_EOS, VOCAB_PAD, VOCAB_ROLES };
struct vocab_role_names {
    const char *token; /* tokenizer_config.json, special_tokens_map.json: the text */
    const char *id;    /* config.json, generation_config.json: the number */
    const char *key;   /* GGUF */
};
extern const struct vocab_role_names vocab_roles[VOCAB_ROLES];

struct vocab_sources { /* at == NULL where the file is absent */
    struct str tokenizer_json;
    struct str tokenizer_config_json;
    struct str special_tokens_map_json;
    struct str generation_config_json;
    struct str chat_template_jinja;
    const char *dir; /* for messages: "dir/tokenizer.json:0x12: ..." */
};

/* Appends the keys that llama.cpp's converter writes for a byte-level BPE, in
 * its order: tokenizer.ggml.model "gpt2", .pre (from the split regex: "gpt-4o",
 * "llama-bpe", "gpt-2"; ERR_UNSUPPORTED for a regex we do not know), .tokens
 * (ids without a token become "[PAD<id>]" of type unused up to n_vocab),
 * .token_type, .merges, .bos_token_id, .eos_token_id, .padding_token_id,
 * tokenizer.chat_template.  n_vocab is the number of embedding rows; more
 * tokens than that is ERR_INPUT, and so are ids that contradict each other or
 * leave holes, and a bos, eos or pad token that tokenizer.json lacks.  eos and
 * pad may come from config.json: pass UINT64_MAX where it has none. */
bool vocab_to_gguf(const struct vocab_sources *from, uint64_t n_vocab, uint64_t eos, uint64_t pad,
                   struct metadata *to, struct arena *a, struct err *e) MUST_CHECK;

/* The way back, for a GGUF that carries no original files: texts of
 * tokenizer.json, tokenizer_config.json, special_tokens_map.json and (where the
 * key is there) chat_template.jinja and generation_config.json, in the layout of
 * the released files.  Absent ones have at == NULL.  ERR_UNSUPPORTED for
 * a tokenizer.ggml.model other than "gpt2". */
bool vocab_from_gguf(const struct metadata *from, struct vocab_sources *to, struct arena *a,
                     struct err *e) MUST_CHECK;

#endif
