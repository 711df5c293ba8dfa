/* weigh-inspect - what is in a model: on one screen, as tables, as JSON. */
#include "inspect/show.h"
#include "tools/cli.h"
#include "tools/progress.h"
#include "tools/source.h"

struct job {
    struct source source;
    struct opt_list wanted, excluded;
    struct select select;
    const char *progress;
    bool tensors, metadata, json, scan, quiet;
    struct execute_options run;
    struct progress bar;
};

/* SOURCE@TENSOR asks for the row of one tensor, which must be there. */
static bool print_one(const struct job *j, const struct model *m, struct buf *b, struct err *e)
{
    const struct tensor *t = source_tensor(m, j->source.tensor, e);
    if (!t)
        return false;
    struct model one = *m;
    one.tensors = (struct tensor *)(uintptr_t)t;
    one.n_tensors = 1;
    show_tensors(b, &one, &j->select);
    return true;
}

static bool print_all(struct job *j, const struct model *m, struct buf *b, struct err *e)
{
    struct facts facts = { 0 };
    struct findings findings = { 0 };
    progress_open(&j->bar, j->progress, j->quiet);
    j->run.progress = progress_step;
    j->run.ctx = &j->bar;
    bool ok = facts_open(&facts, m, e) && findings_open(&findings, &facts, j->scan, &j->run, e);
    progress_close(&j->bar);
    if (ok && j->json)
        show_json(b, &facts, &findings, &j->select);
    else if (ok)
        show_summary(b, &facts, &findings);
    findings_close(&findings);
    facts_close(&facts);
    return ok;
}

static bool inspect(struct job *j, struct buf *b, struct err *e)
{
    struct model m = { 0 };
    bool tables = (j->tensors || j->metadata) && !j->json;
    bool ok = model_open(&m, j->source.path, e);
    if (ok && j->source.tensor.at)
        ok = print_one(j, &m, b, e);
    else if (ok && !tables)
        ok = print_all(j, &m, b, e);
    if (ok && tables && !j->source.tensor.at) {
        if (j->metadata)
            show_metadata(b, &m);
        if (j->tensors)
            show_tensors(b, &m, &j->select);
    }
    model_close(&m);
    return ok;
}

static bool run(struct job *j, const char *arg, struct err *e)
{
    struct arena a = { 0 };
    struct buf b = buf_make(e);
    bool ok =
        source_part(arg, &j->source, &a, e) &&
        select_open(&j->select, j->wanted.at, j->wanted.n, j->excluded.at, j->excluded.n, e) &&
        inspect(j, &b, e) && cli_print(&b, e);
    select_close(&j->select);
    buf_free(&b);
    arena_free(&a);
    return ok;
}

int main(int argc, char **argv)
{
    struct job j = { 0 };
    struct err e = { 0 };
    const struct opt opts[] = {
        { "tensors", 0, OPT_FLAG, &j.tensors, NULL,
          "list the tensors: name, type, shape, bytes, offset, file" },
        { "metadata", 0, OPT_FLAG, &j.metadata, NULL,
          "list keys and values, long ones cut (--json has them whole)" },
        OPT_TENSOR(&j.wanted),
        OPT_EXCLUDE(&j.excluded),
        { "scan", 0, OPT_FLAG, &j.scan, NULL,
          "read all values for NaN and infinity (default: only where that is an instant)" },
        OPT_JSON(&j.json),
        OPT_JOBS(&j.run.jobs),
        OPT_MEM(&j.run.mem),
        OPT_TILE(&j.run.tile),
        OPT_PROGRESS(&j.progress),
        OPT_QUIET(&j.quiet),
        { 0 },
    };
    static const struct cli_note examples[] = {
        { "weigh-inspect gpt-oss-20b.gguf", "what is in it, on one screen" },
        { "weigh-inspect gpt-oss-20b/ -t '*.mlp.router.*'", "the rows of some tensors" },
        { "weigh-inspect gpt-oss-20b.gguf -t '/ffn_(gate|up)_exps/'",
          "the same by a regular expression" },
        { "weigh-inspect gpt-oss-20b.gguf --json", "everything, for programs" },
        { 0 },
    };
    static const char *const description[] = {
        "Says what a model is: container, family, sizes, storage, tokenizer, and what somebody "
        "should know before using it (findings). It looks and does not judge: findings do not "
        "change the exit code.",
        "Only headers and the small files beside them are read, so the answer for a model of any "
        "size comes at once. NaN and infinity are looked for where all tensors together have at "
        "most 4 MiB, or with --scan.",
        "SOURCE is a file, a directory, or PATH@TENSOR for the row of one tensor.",
        NULL,
    };
    const struct cli cli = {
        .name = "weigh-inspect",
        .synopsis = "[OPTION]... SOURCE",
        .summary = "show what a model file holds",
        .description = description,
        .opts = opts,
        .min_args = 1,
        .max_args = 1,
        .examples = examples,
        .see_also = "weigh-diff(1), weigh-cat(1), weigh-verify(1)",
    };
    if (!cli_parse(&cli, &argc, &argv, &e))
        return cli_exit(&cli, &e, NULL);
    j.tensors |= (j.wanted.n || j.excluded.n) && !j.json;
    run(&j, argv[0], &e);
    return cli_exit(&cli, &e, NULL);
}
