/* prompts.h - the prompts of a command line: ids, texts, or the lines of a file. */
#ifndef TOOLS_PROMPTS_H
#define TOOLS_PROMPTS_H

#include "formats/tokenizer.h"
#include "tools/cli.h"
#include "verify/logits_compare.h"

struct prompt_options {
    struct opt_list tokens, texts;
    const char *text_file, *tokenizer;
};

// clang-format off
#define OPT_TOKENS(p)    { "tokens",    0, OPT_LIST, &(p)->tokens,    "IDS",  "a prompt of token ids: 1,2,3; may be repeated" }
#define OPT_PROMPT(p)    { "text",      0, OPT_LIST, &(p)->texts,     "TEXT", "a prompt; may be repeated; control tokens may stand in it" }
#define OPT_TEXT_FILE(p) { "text-file", 0, OPT_TEXT, &(p)->text_file, "FILE", "a prompt on each line; empty lines are none" }
#define OPT_TOKENIZER(p) { "tokenizer", 0, OPT_TEXT, &(p)->tokenizer, "PATH", "tokenizer.json, or a model that has one (default: the model's own)" }
// clang-format on

struct prompts {
    struct prompt *at;
    size_t n;
    struct tokenizer tokenizer;
    bool has_tokenizer; /* it was needed, or asked for */
    struct arena arena;
};

/* model is the one whose tokenizer counts.  ERR_USAGE where no prompt is given, ERR_INPUT where
 * one is empty. */
bool prompts_open(struct prompts *p, const struct prompt_options *opt, const struct model *model,
                  struct err *e) MUST_CHECK;
/* The same, but the file is one text, and only one text may be given; without control tokens. */
bool prompts_open_text(struct prompts *p, const struct prompt_options *opt,
                       const struct model *model, struct err *e) MUST_CHECK;
void prompts_close(struct prompts *p); /* may be called twice */

#endif
