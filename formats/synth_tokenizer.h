/* synth_tokenizer.h - makes a byte-level BPE tokenizer of any size, for synthetic checkpoints.
 *
 * The same numbers always give the same bytes.  The tokens of text are the 256
 * bytes, then pairs and some triples of letters, then made-up words behind a
 * space; no token is longer than one of a higher rank.  The merges are every
 * split of every token into two tokens, sorted by the ranks of the whole, the
 * left and the right part: in that, all is as in the released tokenizer. */
#ifndef FORMATS_SYNTH_TOKENIZER_H
#define FORMATS_SYNTH_TOKENIZER_H

#include "formats/vocab.h"

enum {
    SYNTH_GPT_OSS_TEXT = 199998, /* what gpt-oss has */
    SYNTH_GPT_OSS_MERGES = 446189,
    SYNTH_SPECIALS = 21, /* <|startoftext|> ... <|endofprompt|>, in the order of o200k_harmony */
    SYNTH_BOS = 0,       /* <|startoftext|>: the first of them */
    SYNTH_PAD = 1,       /* <|endoftext|> */
    SYNTH_EOS = 4,       /* <|return|> */
    SYNTH_CALL = 14,     /* <|call|> ends a turn as well */
};

/* Texts of tokenizer.json, tokenizer_config.json, special_tokens_map.json,
 * generation_config.json (the released values) and a short chat_template.jinja, laid
 * out as released.
 * Ids below n_text (at least 256) are text, the special tokens follow.  n_merges
 * is the exact number wanted, between about 2 and 3 for each word (ERR_USAGE
 * where it cannot be had), or 0 for what comes. */
bool synth_tokenizer(uint64_t n_text, uint64_t n_merges, struct vocab_sources *to, struct arena *a,
                     struct err *e) MUST_CHECK;

#endif
