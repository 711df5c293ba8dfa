/* weigh-synth - a checkpoint of real names and shapes, with weights made from a seed. */
#include "formats/base/text.h"
#include "formats/execute.h"
#include "formats/synth.h"
#include "tools/cli.h"
#include "tools/progress.h"

#include <stdio.h>

struct job {
    const char *dest, *form, *progress;
    unsigned layers, hidden, intermediate, seed;
    bool sparse, force, dry_run, quiet;
    struct execute_options run;
};

static bool find_shape(const struct job *j, const char *name, struct synth_model *shape,
                       struct err *e)
{
    struct nearest near = { .word = str_of(name) };
    for (const struct synth_model *s = synth_models; s->name; s++) {
        nearest_offer(&near, str_of(s->name));
        if (strcmp(s->name, name) != 0)
            continue;
        *shape = *s;
        shape->layers = j->layers ? j->layers : s->layers;
        shape->hidden = j->hidden ? j->hidden : s->hidden;
        shape->intermediate = j->intermediate ? j->intermediate : s->intermediate;
        return true;
    }
    err_set(e, ERR_USAGE, "unknown model '%s'", name);
    if (near.name.len)
        return err_hint(e, "did you mean " STR_FMT "?", STR_ARG(near.name));
    return err_hint(e, "gpt-oss-20b or gpt-oss-120b");
}

/* ---- reports ---------------------------------------------------------------------- */

static void print_file(struct buf *b, struct str name, uint64_t bytes)
{
    buf_printf(b, "%14llu  " STR_FMT "\n", (unsigned long long)bytes, STR_ARG(name));
}

static bool print_plan(const struct plan *p, struct err *e)
{
    struct buf b = buf_make(e);
    for (size_t i = 0; i < p->out.n_files; i++)
        print_file(&b, p->out.files[i].name, p->out.files[i].size);
    for (size_t i = 0; i < p->n_extras; i++)
        print_file(&b, p->extras[i].name, p->extras[i].size);
    buf_printf(&b, "%14llu  bytes, of which %llu in %zu tensors\n",
               (unsigned long long)plan_bytes(p), (unsigned long long)model_bytes(&p->out),
               p->out.n_tensors);
    bool ok = cli_print(&b, e);
    buf_free(&b);
    return ok;
}

static void say_done(const struct job *j, const struct plan *p, uint64_t start)
{
    char size[16], rate[16];
    struct err ignore = { 0 };
    struct buf b = buf_make(&ignore);
    double seconds = (double)(clock_ns() - start) / 1e9;
    uint64_t bytes = plan_bytes(p);
    text_escape(&b, str_of(j->dest));
    text_bytes(size, bytes);
    text_bytes(rate, seconds > 0 ? (uint64_t)((double)bytes / seconds) : 0);
    if (!j->quiet && buf_ok(&b))
        fprintf(stderr, "weigh-synth: wrote " STR_FMT ": %zu tensors, %s, %s%s\n",
                STR_ARG(buf_text(&b)), p->out.n_tensors, size,
                j->sparse ? "weights left as holes" : rate, j->sparse ? "" : "/s");
    buf_free(&b);
}

/* ---- the work --------------------------------------------------------------------- */

static bool write_out(struct job *j, const struct plan *p, struct err *e)
{
    struct arena a = { 0 };
    struct progress bar;
    struct execute_result result;
    uint64_t start = clock_ns();
    if (!output_check(j->dest, true, j->force, NULL, 0, e))
        return false;
    j->run.holes = j->sparse;
    progress_open(&bar, j->progress, j->quiet);
    j->run.progress = progress_step;
    j->run.ctx = &bar;
    bool ok = execute_write(p, j->dest, j->force, &j->run, &result, &a, e);
    progress_close(&bar);
    arena_free(&a);
    if (ok)
        say_done(j, p, start);
    return ok;
}

static bool synthesise(struct job *j, const char *name, struct err *e)
{
    struct synth_model shape;
    struct model m = { 0 };
    struct plan p = { 0 };
    if (!j->dest && !j->dry_run) {
        err_set(e, ERR_USAGE, "where to? -o DIR is missing");
        return err_hint(e, "-n shows what would be written");
    }
    bool ok = find_shape(j, name, &shape, e) && synth_open(&m, &shape, j->seed, e) &&
              synth_plan(&p, &m, form_find(str_of(j->form)), e) &&
              (j->dry_run ? print_plan(&p, e) : write_out(j, &p, e));
    plan_free(&p);
    model_close(&m);
    return ok;
}

int main(int argc, char **argv)
{
    struct job j = { .form = "hf", .seed = 1 };
    struct err e = { 0 };
    const struct opt opts[] = {
        { "output", 'o', OPT_TEXT, &j.dest, "DIR", "the directory to write" },
        { "form", 0, OPT_CHOICE, &j.form, "hf|original", "files, names and order of tensors" },
        { "layers", 0, OPT_COUNT, &j.layers, "N", "layers (default: the model's)" },
        { "hidden", 0, OPT_COUNT, &j.hidden, "N",
          "width, a multiple of 32 (default: the model's)" },
        { "intermediate", 0, OPT_COUNT, &j.intermediate, "N",
          "width of an expert, a multiple of 32 (default: the model's)" },
        { "sparse", 0, OPT_FLAG, &j.sparse, NULL,
          "leave the weights as holes: full size, all zero, no space taken" },
        { "seed", 0, OPT_COUNT, &j.seed, "N", "what the weights are made from" },
        OPT_FORCE(&j.force),
        OPT_DRY_RUN(&j.dry_run),
        OPT_JOBS(&j.run.jobs),
        OPT_PROGRESS(&j.progress),
        OPT_QUIET(&j.quiet),
        { 0 },
    };
    static const struct cli_note examples[] = {
        { "weigh-synth gpt-oss-20b --form original --sparse -o o20b",
          "the released sizes to the byte, in no space" },
        { "weigh-synth gpt-oss-20b --layers 1 --hidden 64 --intermediate 64 -o small",
          "a small model for a first try of a pipeline" },
        { "weigh-synth gpt-oss-20b --layers 8 -o bench/model", "6 GB to measure with" },
        { 0 },
    };
    static const char *const description[] = {
        "Writes a checkpoint with the names, types, shapes and files of a released one, its "
        "config.json, and a tokenizer of the real size, for trying a pipeline without a download. "
        "MODEL is gpt-oss-20b or gpt-oss-120b.",
        "Weights are close to gaussian, matrices scaled by the number of their inputs, MXFP4 "
        "encoded from such numbers. The same model, sizes and seed give the same bytes on every "
        "machine. The text such a model writes means nothing.",
        NULL,
    };
    const struct cli cli = {
        .name = "weigh-synth",
        .synopsis = "[OPTION]... MODEL -o DIR",
        .summary = "make a checkpoint of real names and shapes from a seed",
        .description = description,
        .opts = opts,
        .min_args = 1,
        .max_args = 1,
        .examples = examples,
        .see_also = "weigh-convert(1), weigh-inspect(1)",
    };
    if (!cli_parse(&cli, &argc, &argv, &e))
        return cli_exit(&cli, &e, NULL);
    bool ok = synthesise(&j, argv[0], &e);
    return cli_exit(&cli, &e, ok ? NULL : "no output was written");
}
