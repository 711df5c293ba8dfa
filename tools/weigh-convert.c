/* weigh-convert - one container to another, lossless unless told otherwise. */
#include "formats/base/text.h"
#include "formats/execute.h"
#include "formats/plan_text.h"
#include "tools/cli.h"
#include "tools/progress.h"

#include "verify/manifest.h"
#include "verify/roundtrip.h"

#include <stdio.h>
#include <unistd.h>

struct job {
    struct plan_request request;
    const char *to, *type, *plan_file, *from_plan, *manifest, *progress;
    bool force, dry_run, prove, json, quiet, verbose;
    uint64_t given_shard;
    struct execute_options run;
    struct progress bar;
    bool written;
};

/* ---- what is asked for --------------------------------------------------------------- */

/* DEST without folder, slash and suffix: what files of a set are called after. */
static struct str base_of(const char *dest)
{
    struct str s = str_of(strcmp(dest, "-") == 0 ? "" : dest);
    while (s.len > 1 && s.at[s.len - 1] == '/')
        s.len--;
    const char *slash = s.len ? memrchr(s.at, '/', s.len) : NULL;
    if (slash)
        s = (struct str){ slash + 1, s.len - (size_t)(slash + 1 - s.at) };
    for (int i = 0; formats[i]; i++)
        if (str_ends(s, formats[i]->suffix))
            s.len -= strlen(formats[i]->suffix);
    return s.len ? s : STR("model");
}

/* The form by the suffix of DEST, or FORM_NONE. */
static enum form form_of_suffix(const char *dest)
{
    struct str s = str_of(dest);
    return str_ends(s, ".gguf")          ? FORM_GGUF
           : str_ends(s, ".safetensors") ? FORM_SAFETENSORS
                                         : FORM_NONE;
}

static bool settle_form(struct job *j, struct err *e)
{
    struct plan_options *opt = &j->request.options;
    const char *dest = j->request.dest ? j->request.dest : "-";
    enum form suffix = form_of_suffix(dest);
    opt->to = j->to ? form_find(str_of(j->to)) : suffix;
    if (opt->to == FORM_NONE) {
        err_set(e, ERR_USAGE, "%s does not say which form is wanted",
                j->request.dest ? dest : "without -o DEST, the command");
        return err_hint(e, "--to hf, original, gguf or safetensors; or a DEST ending in .gguf or "
                           ".safetensors");
    }
    bool named = suffix != FORM_NONE || (j->request.dest && strcmp(dest, "-") == 0);
    opt->one_file =
        !str_ends(str_of(dest), "/") && (named || (opt->to == FORM_GGUF && !j->given_shard));
    opt->shard_bytes = j->given_shard;
    opt->base = base_of(dest);
    return true;
}

static bool settle(struct job *j, int argc, char **argv, struct arena *a, struct err *e)
{
    if (j->from_plan) {
        const char *dest = j->request.dest;
        if (!plan_request_read(j->from_plan, &j->request, a, e))
            return false;
        j->request.dest = dest ? dest : j->request.dest;
        j->request.source = argc ? argv[0] : j->request.source;
        return true;
    }
    if (argc != 1) {
        err_set(e, ERR_USAGE, "expected one SOURCE, got %d", argc);
        return err_hint(e, "weigh-convert SOURCE -o DEST");
    }
    j->request.source = argv[0];
    j->request.options.type = j->type ? dtype_find(j->type) : DTYPE_NONE;
    if (!j->request.dest && !j->dry_run && !j->plan_file) {
        err_set(e, ERR_USAGE, "where to? -o DEST is missing");
        return err_hint(e, "-n shows what would be written");
    }
    return settle_form(j, e);
}

/* A manifest certifies, and a proof reads, what stands under a name. */
static bool settle_checks(const struct job *j, struct err *e)
{
    const char *dest = j->request.dest ? j->request.dest : "-";
    bool stream = strcmp(dest, "-") == 0;
    if (j->prove && stream && !j->dry_run)
        return err_set(e, ERR_USAGE, "--prove needs an output under a name");
    if (j->manifest && (stream || j->dry_run))
        return err_set(e, ERR_USAGE, "--manifest needs an output under a name");
    return !j->manifest || strcmp(dest, j->manifest) != 0 ||
           err_set(e, ERR_USAGE, "the output and its manifest are both %s", dest);
}

/* ---- reports ----------------------------------------------------------------------------- */

static void say(const struct job *j, const char *text)
{
    struct err ignore = { 0 };
    struct buf b = buf_make(&ignore);
    text_escape(&b, str_of(text));
    if (!j->quiet && buf_ok(&b))
        fprintf(stderr, "weigh-convert: %.*s\n", (int)b.len, (const char *)b.at);
    buf_free(&b);
}

static void say_notes(const struct job *j, const struct model *m, const struct plan *p)
{
    for (size_t i = 0; i < m->n_findings; i++)
        say(j, m->findings[i]);
    for (size_t i = 0; i < p->n_notes; i++)
        say(j, p->notes[i]);
}

/* What an explicit type cost, in one line. */
static void say_lost(const struct job *j, const struct plan *p, const struct execute_result *r)
{
    uint64_t values = 0;
    size_t tensors = 0;
    char count[32], line[400];
    for (size_t i = 0; i < p->out.n_tensors; i++) {
        values += r->lost[i];
        tensors += r->lost[i] != 0;
    }
    if (!values)
        return;
    snprintf(line, sizeof line, "lost: %s values in %zu tensors were rounded or overflowed",
             text_count(count, values), tensors);
    say(j, line);
}

static void say_done(const struct job *j, const struct plan *p, uint64_t start)
{
    char size[16], rate[16], line[600];
    double seconds = (double)(clock_ns() - start) / 1e9;
    uint64_t bytes = plan_bytes(p);
    text_bytes(size, bytes);
    text_bytes(rate, seconds > 0 ? (uint64_t)((double)bytes / seconds) : 0);
    snprintf(line, sizeof line, "wrote %s: %zu tensors, %s, %s/s", j->request.dest,
             p->out.n_tensors, size, rate);
    say(j, line);
}

static void say_proof(const struct job *j, const struct proof *p)
{
    char line[300], count[32];
    snprintf(line, sizeof line,
             "proved: %llu tensors (%s bytes) read back from %s equal the source",
             (unsigned long long)p->tensors, text_count(count, p->bytes), j->request.dest);
    if (p->tensors)
        say(j, line);
    snprintf(line, sizeof line,
             "proved: %llu tensors of %s have the values of the source, in "
             "another type",
             (unsigned long long)p->values, j->request.dest);
    if (p->values)
        say(j, line);
    if (p->files) {
        snprintf(line, sizeof line, "proved: %llu original files are restored with equal SHA-256",
                 (unsigned long long)p->files);
        say(j, line);
    }
}

/* ---- the work ------------------------------------------------------------------------------- */

static bool print_plan(const struct job *j, const struct plan *p, struct err *e)
{
    struct buf b = buf_make(e);
    uint64_t memory;
    bool ok = execute_memory(p, &j->run, &memory, e);
    if (ok && j->json)
        plan_json(&b, p, &j->request);
    else if (ok)
        plan_print(&b, p, memory);
    ok = ok && cli_print(&b, e);
    buf_free(&b);
    return ok;
}

static bool save_plan(const struct job *j, const struct plan *p, struct err *e)
{
    struct buf b = buf_make(e);
    plan_json(&b, p, &j->request);
    bool ok = cli_write(j->plan_file, &b, j->force, e);
    buf_free(&b);
    return ok;
}

/* --from-plan: what would be done now is to the letter what was planned then. */
static bool same_plan(const struct job *j, const struct plan *p, struct arena *a, struct err *e)
{
    struct span then;
    struct plan_request saved;
    struct buf now = buf_make(e);
    bool ok = file_slurp(j->from_plan, PLAN_MOST, a, &then, e) &&
              plan_request_read(j->from_plan, &saved, a, e);
    if (ok)
        plan_json(&now, p, &saved);
    ok = ok && buf_ok(&now);
    if (ok && (now.len != then.len || memcmp(now.at, then.at, now.len) != 0)) {
        ok = err_set(e, ERR_MISMATCH, "%s is no longer the plan for this source: it changed since",
                     j->from_plan);
        err_hint(e, "make a new plan with --plan");
    }
    buf_free(&now);
    return ok;
}

/* Input and output must not be the same file; nothing is touched before this. */
static bool check_dest(const struct job *j, const struct model *m, const struct plan *p,
                       struct arena *a, struct err *e)
{
    const char **sources = arena_new(a, const char *, m->n_files + 1, e);
    if (!sources)
        return false;
    sources[0] = m->path;
    for (size_t i = 0; i < m->n_files; i++)
        sources[i + 1] = m->files[i].path;
    return output_check(j->request.dest, p->directory, j->force, sources, m->n_files + 1, e) &&
           (!j->manifest || output_check(j->manifest, false, j->force, sources, m->n_files + 1, e));
}

/* Of what stands at DEST now. */
static bool write_manifest(struct job *j, const struct plan *p, const struct execute_result *r,
                           struct err *e)
{
    struct manifest m;
    struct buf b = buf_make(e);
    progress_open(&j->bar, j->progress, j->quiet);
    bool ok = manifest_of_output(&m, p, r, j->request.dest, &j->run, e);
    progress_close(&j->bar);
    if (ok)
        manifest_write(&b, &m);
    ok = ok && cli_write(j->manifest, &b, j->force, e);
    manifest_free(&m);
    buf_free(&b);
    return ok;
}

static bool write_out(struct job *j, const struct model *m, const struct plan *p, struct arena *a,
                      struct err *e)
{
    struct execute_result result;
    uint64_t start = clock_ns();
    j->run.digests = j->manifest != NULL;
    progress_open(&j->bar, j->progress, j->quiet);
    j->run.progress = progress_step;
    j->run.ctx = &j->bar;
    bool ok = execute_write(p, j->request.dest, j->force, &j->run, &result, a, e);
    progress_close(&j->bar);
    if (!ok)
        return false;
    j->written = true;
    say_notes(j, m, p);
    say_lost(j, p, &result);
    say_done(j, p, start);
    ok = !j->manifest || write_manifest(j, p, &result, e);
    j->run.progress = NULL;
    return ok;
}

static bool prove(struct job *j, struct err *e)
{
    struct proof proof;
    const struct plan_options *opt = &j->request.options;
    if (!roundtrip_prove(j->request.source, j->request.dest, opt->config, opt->type != DTYPE_NONE,
                         opt->reversible, &j->run, &proof, e))
        return err_within(e, "proof of %s", j->request.dest);
    say_proof(j, &proof);
    return true;
}

static bool convert(struct job *j, struct err *e)
{
    struct model m = { 0 };
    struct plan p = { 0 };
    struct arena a = { 0 };
    bool ok = model_open(&m, j->request.source, e) && plan_make(&p, &m, &j->request.options, e) &&
              (!j->from_plan || same_plan(j, &p, &a, e)) && (!j->plan_file || save_plan(j, &p, e));
    if (ok && j->dry_run) {
        ok = print_plan(j, &p, e);
        say_notes(j, &m, &p);
    } else if (ok && j->request.dest)
        ok = check_dest(j, &m, &p, &a, e) && write_out(j, &m, &p, &a, e) &&
             (!j->prove || prove(j, e));
    plan_free(&p);
    model_close(&m);
    arena_free(&a);
    return ok;
}

int main(int argc, char **argv)
{
    struct job j = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    const struct opt opts[] = {
        OPT_OUTPUT(&j.request.dest),
        { "to", 0, OPT_CHOICE, &j.to, "hf|original|gguf|safetensors",
          "form of the output (default: by the suffix of DEST)" },
        { "type", 0, OPT_CHOICE, &j.type, "f32|f16|bf16",
          "store the weights as this type (default: as they are)" },
        { "shard-size", 0, OPT_SIZE, &j.given_shard, "SIZE",
          "most tensor bytes in one file of a directory (default: hf 4800000000, else one file)" },
        { "reversible", 0, OPT_FLAG, &j.request.options.reversible, NULL,
          "carry the source's other files and headers, so that they can be restored byte for "
          "byte" },
        { "prove", 0, OPT_FLAG, &j.prove, NULL,
          "read the output back, convert it back in memory and compare with the source" },
        { "allow-lossy", 0, OPT_FLAG, &j.request.options.allow_lossy, NULL,
          "accept steps that change values; what was lost is reported" },
        { "config", 0, OPT_TEXT, &j.request.options.config, "FILE",
          "config.json of the model, where the source has none" },
        OPT_FORCE(&j.force),
        OPT_DRY_RUN(&j.dry_run),
        { "plan", 0, OPT_TEXT, &j.plan_file, "FILE", "save the plan as JSON" },
        { "from-plan", 0, OPT_TEXT, &j.from_plan, "FILE",
          "run a saved plan again, if it still holds" },
        OPT_MANIFEST(&j.manifest),
        OPT_JOBS(&j.run.jobs),
        OPT_MEM(&j.run.mem),
        OPT_TILE(&j.run.tile),
        OPT_JSON(&j.json),
        OPT_PROGRESS(&j.progress),
        OPT_QUIET(&j.quiet),
        { 0 },
    };
    static const struct cli_note examples[] = {
        { "weigh-convert gpt-oss-20b/ -o gpt-oss-20b.gguf", "the GGUF that llama.cpp loads" },
        { "weigh-convert gpt-oss-20b.gguf -o back/ --to hf", "and back" },
        { "weigh-convert gpt-oss-20b/ -o r.gguf --reversible --prove",
          "one file from which every original file is restored, proved on the spot" },
        { "weigh-convert gpt-oss-20b/ -n --to gguf",
          "the exact size and every step, nothing written" },
        { 0 },
    };
    static const char *const description[] = {
        "Converts released weights between containers. Values are never changed unless --type or "
        "--allow-lossy says so. The output appears under its name only when it is complete.",
        "SOURCE is a directory (its index.json decides which files belong to it) or a file; what "
        "it "
        "is, is decided by its content. Only files directly in a directory belong to it.",
        NULL,
    };
    const struct cli cli = {
        .name = "weigh-convert",
        .synopsis = "[OPTION]... SOURCE -o DEST",
        .summary = "convert between containers, lossless unless told otherwise",
        .description = description,
        .opts = opts,
        .min_args = 0,
        .max_args = 1,
        .examples = examples,
        .see_also = "weigh-inspect(1), weigh-verify(1), weigh-diff(1)",
    };
    if (!cli_parse(&cli, &argc, &argv, &e))
        return cli_exit(&cli, &e, NULL);
    bool ok = settle(&j, argc, argv, &a, &e) && settle_checks(&j, &e) && convert(&j, &e);
    arena_free(&a);
    return cli_exit(&cli, &e,
                    ok          ? NULL
                    : j.written ? "the output was written and stays"
                                : "no output was written");
}
