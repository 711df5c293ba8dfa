/* weigh-logits - what a model computes, and whether another computes the same. */
#include "tools/logits.h"
#include "verify/perplexity.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- compare -------------------------------------------------------------------------- */

static bool report_compare(const struct job *j, struct verdict *v,
                           const struct logits_comparison *c, const char *const models[2],
                           struct err *e)
{
    struct buf b = buf_make(e);
    bool ok;
    if (j->json) {
        struct json_out o = logits_json(&b, j, "compare");
        json_put_kstr(&o, "a", str_of(models[0]));
        json_put_kstr(&o, "b", str_of(models[1]));
        verdict_json(&o, v);
        logits_comparison_json(&o, c);
        ok = logits_print_json(&o, e);
    } else {
        verdict_put_prompts(&b, v, c);
        logits_comparison_print(&b, c);
        ok = cli_print(&b, e);
    }
    buf_free(&b);
    return verdict_end(v, ok, e);
}

static bool compare(const struct job *j, const char *const models[2], struct err *e)
{
    struct model a = { 0 }, b = { 0 };
    struct prompts all = { 0 };
    struct pair pair = { 0 };
    struct bisection x = { 0 };
    struct logits_comparison c = { 0 };
    struct verdict v = { .broken = buf_make(e) };
    bool ok =
        tolerance_parse(&v.tol, j->tol ? j->tol : "exact", false, e) &&
        model_open(&a, models[0], e) && model_open(&b, models[1], e) &&
        prompts_open(&all, &j->prompts, &a, e) &&
        pair_open(&pair, &a, &b, &j->run, j->bisect ? COMPARE_PIECE_BISECT : COMPARE_PIECE, e);
    if (ok && j->bisect)
        bisect_open(&x, &pair.a, &pair.b, e);
    ok = ok && logits_compare(&c, &pair, all.at, all.n, j->bisect ? &x : NULL, e);
    if (ok)
        verdict_judge(&v, &c.all, c.all.identical == c.all.rows);
    ok = ok && buf_ok(&v.broken) && report_compare(j, &v, &c, models, e);
    buf_free(&v.broken);
    logits_comparison_free(&c);
    bisect_close(&x);
    pair_close(&pair);
    prompts_close(&all);
    model_close(&a);
    model_close(&b);
    return ok;
}

/* ---- perplexity -------------------------------------------------------------------------- */

static bool report_perplexity(const struct job *j, const struct verdict *v,
                              const struct perplexity *p, const char *source, struct err *e)
{
    struct buf b = buf_make(e);
    char compared[80];
    bool ok;
    if (j->json) {
        struct json_out o = logits_json(&b, j, "perplexity");
        json_put_kstr(&o, "model", str_of(source));
        if (j->base)
            json_put_kstr(&o, "base", str_of(j->base));
        if (j->tol)
            verdict_json(&o, v);
        perplexity_json(&o, p);
        ok = logits_print_json(&o, e);
    } else {
        snprintf(compared, sizeof compared, "%zu scored tokens", p->scored);
        if (j->tol)
            verdict_put(&b, v, compared);
        perplexity_print(&b, p);
        ok = cli_print(&b, e);
    }
    buf_free(&b);
    return verdict_end(v, ok, e);
}

/* With --base, the model beside it; what both compute is judged where --tol is given. */
static bool score(const struct job *j, struct perplexity *p, const struct model *m,
                  const struct prompt *text, struct err *e)
{
    struct perplexity_options opt = { j->window, j->skip, j->windows };
    struct model base = { 0 };
    struct pair pair = { 0 };
    struct session s = { 0 };
    bool ok = j->base ? model_open(&base, j->base, e) &&
                            pair_open(&pair, &base, m, &j->run, COMPARE_PIECE, e) &&
                            perplexity_beside(p, &pair, text->ids, text->n, &opt, e)
                      : session_open(&s, m, &j->run, e) &&
                            perplexity_of(p, &s, text->ids, text->n, &opt, e);
    session_close(&s);
    pair_close(&pair);
    model_close(&base);
    return ok;
}

static bool perplexity(const struct job *j, const char *source, struct err *e)
{
    struct model m = { 0 };
    struct prompts text = { 0 };
    struct perplexity p = { 0 };
    struct verdict v = { .within = true, .broken = buf_make(e) };
    bool ok = (!j->tol || j->base || err_set(e, ERR_USAGE, "--tol needs a --base")) &&
              (!j->tol || tolerance_parse(&v.tol, j->tol, true, e)) && model_open(&m, source, e) &&
              prompts_open_text(&text, &j->prompts, &m, e) && score(j, &p, &m, text.at, e);
    if (ok && j->tol)
        verdict_judge(&v, &p.sum, p.sum.identical == p.sum.rows);
    ok = ok && buf_ok(&v.broken) && report_perplexity(j, &v, &p, source, e);
    buf_free(&v.broken);
    perplexity_free(&p);
    prompts_close(&text);
    model_close(&m);
    return ok;
}

/* ---- the command line --------------------------------------------------------------------- */

static void settle(struct job *j)
{
    const char *isa = getenv("WEIGH_ISA");
    j->run.isa = isa_detect() & (isa ? isa_mask(isa) : ~0u);
    j->run.arith = strcmp(j->arith, "bf16") == 0 ? ARITH_BF16 : ARITH_F32;
    j->run.rope = strcmp(j->rope, "llama.cpp") == 0 ? ROPE_LLAMA_CPP : ROPE_REFERENCE;
    if (j->verbose && !j->quiet)
        fprintf(stderr, "weigh-logits: kernels: %s\n", isa_name(j->run.isa));
}

static const struct cli_note examples[] = {
    { "weigh-logits run gpt-oss-20b.gguf --text \"The capital of France is\" --top 5",
      "the likeliest next tokens" },
    { "weigh-logits compare gpt-oss-20b/ gpt-oss-20b-q4.gguf --text-file prompts.txt",
      "how far apart, where do they first part, exit 0 or 1" },
    { "weigh-logits record gpt-oss-20b/ --text-file prompts.txt -o golden.json",
      "some kilobytes to keep, for continuous integration" },
    { "weigh-logits check converted.gguf --golden golden.json", "does it still compute the same?" },
    { "weigh-logits perplexity model/ --text-file eval.txt --base original/",
      "perplexity, KL divergence, same top token" },
    { 0 },
};
static const char *const description[] = {
    "Computes what a model says, one token after the other, so that the result is the same to the "
    "last bit on every machine, whatever the container of the weights, the instruction set, "
    "the number of threads and the memory limit. Made to compare, not to chat.",
    "compare feeds the same tokens to A and B; texts become tokens by the tokenizer of A. equal "
    "counts the tokens whose logits are the same bits; differs is the first that is not, parts at "
    "the "
    "first with another likeliest token (prompts, tokens and layers are counted from 0). KL is "
    "the divergence of B from A in nats; its percentiles are of tokens, by nearest rank. NMSE is "
    "the "
    "squared difference over the squares of A.",
    "--tol exact: every logit bit for bit, as between two containers of the same weights. "
    "lossless: "
    "what another order of summation gives (kl 1e-4, kl99 1e-3, nmse 1e-4, same-top 0.995, ratio "
    "of "
    "perplexities within 5e-4 of 1). q8: kl 2e-3, dp 0.015. q4: kl 0.1, kl99 1, same-top 0.85, "
    "ratio within 0.1. Or figures: max, mean, nmse, kl, kl99, klmax are limits from above, "
    "same-top "
    "and top5 (shares from 0 to 1) from below; perplexity also has dp (rms change of the "
    "probability of the "
    "token that came) and ratio. The exit code is the verdict.",
    "record writes the likeliest tokens of each position with logits that keep every bit, a digest "
    "of "
    "all logits, and the content root of the weights. check computes the same again, in the "
    "arithmetic of the record; where logits differ, its figures are over what is recorded.",
    "perplexity cuts the text into windows, each computed from its own start. --window 512 --skip "
    "256 "
    "is the protocol of llama.cpp. What is left behind the last window is not scored.",
    NULL,
};
static const struct cli_note environment[] = { CLI_ENV_ISA, { 0 } };
static const struct cli_note exits[] = {
    { "1", "the logits are further apart than --tol allows" },
    { 0 },
};

int main(int argc, char **argv)
{
    enum { RUN, COMPARE, RECORD, CHECK, PERPLEXITY };
    struct job j = { .top = 10, .window = 512, .arith = "f32", .rope = "reference" };
    struct err e = { 0 };
    size_t command = 0;
    const char *const tolerances =
        "exact, lossless, q8, q4, or figures such as kl=1e-3,same-top=0.99 (default: exact)";
    const char *const base_tolerances =
        "judge the divergence from the base by this: lossless, q4, dp=0.01 ...";
    // clang-format off
#define PROMPTS OPT_TOKENS(&j.prompts), OPT_PROMPT(&j.prompts), OPT_TEXT_FILE(&j.prompts), OPT_TOKENIZER(&j.prompts)
#define COMPUTE { "arith", 0, OPT_CHOICE, &j.arith, "f32|bf16", "in f32, or rounded to bf16 where the reference code does" }, \
                { "rope", 0, OPT_CHOICE, &j.rope, "reference|llama.cpp", "positions as published, or with llama.cpp's truncated YaRN" }
#define TOP { "top", 0, OPT_COUNT, &j.top, "N", "how many of the likeliest tokens" }
    const struct opt run_opts[] = {
        PROMPTS, TOP, COMPUTE,
        { "output", 'o', OPT_TEXT, &j.output, "FILE", "write the logits of all positions: .npy, float32 [tokens, vocabulary]" },
        OPT_FORCE(&j.force), { 0 },
    };
    const struct opt compare_opts[] = {
        PROMPTS, COMPUTE, { "tol", 0, OPT_TEXT, &j.tol, "CLASS", tolerances },
        { "bisect", 0, OPT_FLAG, &j.bisect, NULL, "also find the first layer and step whose results differ" },
        { 0 },
    };
    const struct opt record_opts[] = { PROMPTS, TOP, COMPUTE, OPT_OUTPUT(&j.output), OPT_FORCE(&j.force), { 0 } };
    const struct opt check_opts[] = {
        { "golden", 0, OPT_TEXT, &j.golden, "FILE", "what record wrote" },
        { "tol", 0, OPT_TEXT, &j.tol, "CLASS", tolerances }, { 0 },
    };
    const struct opt perplexity_opts[] = {
        OPT_TOKENS(&j.prompts), OPT_PROMPT(&j.prompts),
        { "text-file", 0, OPT_TEXT, &j.prompts.text_file, "FILE", "the text, all of it; control tokens in it are text" },
        OPT_TOKENIZER(&j.prompts),
        { "base", 0, OPT_TEXT, &j.base, "MODEL", "the model that the divergence is from" },
        { "window", 0, OPT_COUNT, &j.window, "N", "tokens that are computed together from position 0" },
        { "skip", 0, OPT_COUNT, &j.skip, "N", "tokens at the start of each window that are not scored" },
        { "windows", 0, OPT_COUNT, &j.windows, "N", "only the first N windows (default: all)" },
        COMPUTE, { "tol", 0, OPT_TEXT, &j.tol, "CLASS", base_tolerances }, { 0 },
    };
    const struct opt opts[] = {
        { "config", 0, OPT_TEXT, &j.run.config, "FILE", "config.json of the models, where they have none" },
        OPT_JOBS(&j.run.jobs), OPT_MEM(&j.run.mem), OPT_JSON(&j.json), OPT_QUIET(&j.quiet), OPT_VERBOSE(&j.verbose),
        { 0 },
    };
    const struct cli_command commands[] = {
        [RUN]        = { "run", "[OPTION]... MODEL", "show the likeliest next tokens", run_opts, 1, 1 },
        [COMPARE]    = { "compare", "[OPTION]... A B", "compare the logits of two models", compare_opts, 2, 2 },
        [RECORD]     = { "record", "[OPTION]... MODEL", "write down what a model computes", record_opts, 1, 1 },
        [CHECK]      = { "check", "[OPTION]... MODEL --golden FILE", "compare with what was written down", check_opts, 1, 1 },
        [PERPLEXITY] = { "perplexity", "[OPTION]... MODEL", "how well a model foretells a text", perplexity_opts, 1, 1 },
        { 0 },
    };
    // clang-format on
    const struct cli cli = {
        .name = "weigh-logits",
        .synopsis = "COMMAND [OPTION]... MODEL",
        .summary = "run the reference forward pass and compare logits",
        .description = description,
        .opts = opts,
        .commands = commands,
        .command = &command,
        .examples = examples,
        .environment = environment,
        .exits = exits,
        .see_also = "weigh-convert(1), weigh-diff(1), weigh-tokenize(1)",
    };
    if (!cli_parse(&cli, &argc, &argv, &e))
        return cli_exit(&cli, &e, NULL);
    settle(&j);
    bool ok = command == RUN       ? logits_run(&j, argv[0], &e)
              : command == COMPARE ? compare(&j, (const char *const[]){ argv[0], argv[1] }, &e)
              : command == RECORD  ? logits_record(&j, argv[0], &e)
              : command == CHECK   ? logits_check(&j, argv[0], &e)
                                   : perplexity(&j, argv[0], &e);
    return cli_exit(&cli, &e, ok || !j.output ? NULL : "no output was written");
}
