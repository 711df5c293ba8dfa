/* logits_golden.c - weigh-logits record and check: what a model computes, kept and computed again.
 */
#include "formats/content.h"
#include "tools/logits.h"
#include "verify/golden.h"

#include <stdio.h>

/* ---- record --------------------------------------------------------------------------- */

static bool root_of(const struct job *j, const struct model *m, struct sha256 *root, struct err *e)
{
    struct content c = { 0 };
    struct execute_options opt = { .jobs = j->run.jobs, .mem = j->run.mem };
    if (!content_of(&c, m, &opt, e))
        return false;
    *root = c.root;
    content_free(&c);
    return true;
}

static bool write_golden(const struct job *j, const struct golden *g, struct err *e)
{
    struct buf b = buf_make(e);
    golden_write(&b, g);
    bool ok = buf_ok(&b) && (strcmp(j->output, "-") == 0 ? cli_print(&b, e)
                                                         : cli_write(j->output, &b, j->force, e));
    if (ok && !j->quiet)
        fprintf(stderr, "weigh-logits: recorded %zu prompt%s in %zu bytes\n", g->n,
                g->n == 1 ? "" : "s", b.len);
    buf_free(&b);
    return ok;
}

bool logits_record(struct job *j, const char *source, struct err *e)
{
    struct model m = { 0 };
    struct prompts all = { 0 };
    struct session s = { 0 };
    struct golden g = { 0 };
    struct sha256 root;
    j->output = j->output ? j->output : "-";
    bool ok =
        (strcmp(j->output, "-") == 0 || output_check(j->output, false, j->force, &source, 1, e)) &&
        model_open(&m, source, e) && prompts_open(&all, &j->prompts, &m, e) &&
        root_of(j, &m, &root, e) && session_open(&s, &m, &j->run, e) &&
        golden_record(&g, &s, all.at, all.n, j->top, &root, e) && write_golden(j, &g, e);
    golden_free(&g);
    session_close(&s);
    prompts_close(&all);
    model_close(&m);
    return ok;
}

/* ---- check ---------------------------------------------------------------------------- */

/* Where logits differ it matters whether the weights do. */
static const char *weights_are(const struct job *j, const struct golden *g, const struct model *m,
                               bool identical, struct err *e)
{
    struct sha256 root;
    if (identical)
        return ""; /* it cannot matter */
    if (!root_of(j, m, &root, e))
        return NULL;
    return sha_eq(&root, &g->content) ? "those of the record" : "not those of the record";
}

static bool report_check(const struct job *j, struct verdict *v, const struct logits_comparison *c,
                         const char *source, const char *weights, struct err *e)
{
    struct buf b = buf_make(e);
    bool ok;
    if (j->json) {
        struct json_out o = logits_json(&b, j, "check");
        json_put_kstr(&o, "model", str_of(source));
        json_put_kstr(&o, "golden", str_of(j->golden));
        verdict_json(&o, v);
        if (*weights)
            json_put_kbool(&o, "same_weights", strncmp(weights, "not", 3) != 0);
        logits_comparison_json(&o, c);
        ok = logits_print_json(&o, e);
    } else {
        verdict_put_prompts(&b, v, c);
        if (*weights)
            buf_printf(&b, "the weights are %s\n", weights);
        if (!v->identical)
            logits_comparison_print(&b, c);
        ok = cli_print(&b, e);
    }
    buf_free(&b);
    return verdict_end(v, ok, e);
}

bool logits_check(struct job *j, const char *source, struct err *e)
{
    struct model m = { 0 };
    struct session s = { 0 };
    struct golden g = { 0 };
    struct logits_comparison c = { 0 };
    struct verdict v = { .broken = buf_make(e) };
    const char *weights = NULL;
    bool identical, ok = (j->golden || err_set(e, ERR_USAGE, "--golden FILE is missing")) &&
                         tolerance_parse(&v.tol, j->tol ? j->tol : "exact", false, e) &&
                         golden_read(&g, j->golden, e) && model_open(&m, source, e);
    j->run.arith = g.arith; /* of the record; their names are for the report */
    j->run.rope = g.rope;
    j->arith = g.arith == ARITH_BF16 ? "bf16" : "f32";
    j->rope = g.rope == ROPE_LLAMA_CPP ? "llama.cpp" : "reference";
    ok = ok && session_open(&s, &m, &j->run, e) && golden_check(&c, &g, &s, &identical, e);
    if (ok)
        verdict_judge(&v, &c.all, identical);
    ok = ok && buf_ok(&v.broken) && (weights = weights_are(j, &g, &m, identical, e)) &&
         report_check(j, &v, &c, source, weights, e);
    buf_free(&v.broken);
    logits_comparison_free(&c);
    golden_free(&g);
    session_close(&s);
    model_close(&m);
    return ok;
}
