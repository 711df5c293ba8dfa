/* logits.h - what the commands of weigh-logits share. */
#ifndef TOOLS_LOGITS_H
#define TOOLS_LOGITS_H

#include "formats/base/json.h"
#include "tools/prompts.h"

struct job {
    struct prompt_options prompts;
    const char *output, *tol, *arith, *rope, *golden, *base;
    unsigned top, window, skip, windows;
    bool force, bisect, json, quiet, verbose;
    struct session_options run;
};

/* A JSON object into b, open, with its first members. */
struct json_out logits_json(struct buf *b, const struct job *j, const char *command);
/* Closes it and prints it. */
bool logits_print_json(struct json_out *o, struct err *e) MUST_CHECK;

/* Is what was found within what is tolerated, and if not, why? */
struct verdict {
    struct tolerance tol;
    bool identical, within;
    struct buf broken;
};

/* Of the figures; identical: all logits, bit for bit. */
void verdict_judge(struct verdict *v, const struct divergence_summary *s, bool identical);
/* A line: "identical: ", "within q8: " or "differ: ", what was compared, and why it is not. */
void verdict_put(struct buf *b, const struct verdict *v, const char *compared);
void verdict_put_prompts(struct buf *b, const struct verdict *v, const struct logits_comparison *c);
void verdict_json(struct json_out *o, const struct verdict *v); /* members */
/* ok and within; else an error without words, the report has them. */
bool verdict_end(const struct verdict *v, bool ok, struct err *e) MUST_CHECK;

bool logits_run(const struct job *j, const char *source, struct err *e) MUST_CHECK;
bool logits_record(struct job *j, const char *source, struct err *e) MUST_CHECK;
bool logits_check(struct job *j, const char *source, struct err *e) MUST_CHECK;

#endif
