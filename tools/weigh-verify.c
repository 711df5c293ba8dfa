/* weigh-verify - is this model what its manifest, or its publisher, says it is? */
#include "formats/base/text.h"
#include "tools/cli.h"
#include "tools/progress.h"
#include "verify/check.h"
#include "verify/release.h"

#include <stdio.h>

struct job {
    const char *output, *manifest, *progress;
    bool force, content, json, quiet;
    struct execute_options run;
    struct progress bar;
    struct arena arena;
};

static void bar_open(struct job *j)
{
    progress_open(&j->bar, j->progress, j->quiet);
    j->run.progress = progress_step;
    j->run.ctx = &j->bar;
}

static void say(const struct job *j, const struct buf *text)
{
    if (!j->quiet && buf_ok(text))
        fprintf(stderr, "weigh-verify: %.*s\n", (int)text->len, (const char *)text->at);
}

/* ---- create ------------------------------------------------------------------------------- */

static bool print_manifest(const struct job *j, const struct manifest *m, struct err *e)
{
    struct buf text = buf_make(e), json = buf_make(e);
    if (!j->json || j->output)
        manifest_write(&text, m);
    if (j->json)
        manifest_json(&json, m);
    bool ok = buf_ok(&text) && buf_ok(&json) &&
              (!j->output || cli_write(j->output, &text, j->force, e)) &&
              cli_print(j->json     ? &json
                        : j->output ? &(struct buf){ .err = e }
                                    : &text,
                        e);
    buf_free(&text);
    buf_free(&json);
    return ok;
}

static bool create(struct job *j, const char *source, struct err *e)
{
    struct manifest m = { 0 };
    if (j->output && strcmp(j->output, "-") == 0)
        j->output = NULL;
    const char *out = j->output ? j->output : "/dev/stdout"; /* maybe a file in the directory */
    if (j->output && !output_check(out, false, j->force, &source, 1, e))
        return false;
    bar_open(j);
    bool ok = manifest_create(&m, source, &out, 1, &j->run, e);
    progress_close(&j->bar);
    ok = ok && print_manifest(j, &m, e);
    manifest_free(&m);
    return ok;
}

/* ---- check -------------------------------------------------------------------------------- */

static bool print_check(const struct job *j, const struct check *c, struct err *e)
{
    struct buf text = buf_make(e), verdict = buf_make(e);
    if (j->json)
        check_json(&text, c);
    else
        check_print(&text, c, j->quiet || j->content); /* tensors are many */
    check_verdict(&verdict, c);
    bool ok = cli_print(&text, e) && buf_ok(&verdict);
    if (ok && c->equal)
        say(j, &verdict);
    else if (ok)
        err_set(e, ERR_MISMATCH, "%.*s", (int)verdict.len, (const char *)verdict.at);
    buf_free(&text);
    buf_free(&verdict);
    return ok && c->equal;
}

/* The folder that a path is in. */
static const char *folder_of(struct job *j, const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    return !slash          ? "."
           : slash == path ? "/"
                           : arena_printf(&j->arena, e, "%.*s", (int)(slash - path), path);
}

static bool settle(struct job *j, int argc, char **argv, const char **source, struct err *e)
{
    if (argc == 2 && j->manifest)
        return err_set(e, ERR_USAGE, "two manifests: %s and %s", argv[1], j->manifest);
    *source = argc == 2 || j->manifest ? argv[0] : folder_of(j, argv[0], e);
    j->manifest = argc == 2 ? argv[1] : j->manifest ? j->manifest : argv[0];
    return *source != NULL;
}

static bool check(struct job *j, int argc, char **argv, struct err *e)
{
    struct manifest m = { 0 };
    struct check c = { 0 };
    const char *source = NULL, *out;
    bool named = argc == 2 || j->manifest; /* SOURCE, not only the manifest in it */
    bool ok = settle(j, argc, argv, &source, e) && manifest_read(&m, j->manifest, e);
    if (!ok && e->code == ERR_INPUT && !named)
        err_hint(e, "weigh-verify check SOURCE MANIFEST");
    out = ok && strcmp(j->manifest, "-") == 0 ? "/dev/stdin" : j->manifest;
    bar_open(j);
    if (ok && j->content)
        ok = check_content(&c, &m, source, &j->run, e);
    else if (ok && m.n_hashes)
        ok = check_hashes(&c, &m, source, &j->run, e);
    else if (ok)
        ok = check_files(&c, &m, source, named, &out, 1, &j->run, e);
    progress_close(&j->bar);
    ok = ok && print_check(j, &c, e);
    if (m.has_content && !j->content && c.count[CHECK_DIFFERS])
        err_hint(e, "weigh-verify check --content names the tensors that differ");
    check_free(&c);
    manifest_free(&m);
    return ok;
}

/* ---- release ------------------------------------------------------------------------------- */

static bool release(struct job *j, const char *dir, struct err *e)
{
    struct release_report r = { 0 };
    struct buf text = buf_make(e);
    bar_open(j);
    bool ok = release_check(&r, dir, releases, &j->run, e);
    progress_close(&j->bar);
    if (ok && j->json)
        release_json(&text, &r);
    else if (ok)
        release_print(&text, &r, j->quiet);
    ok = ok && cli_print(&text, e);
    if (ok && !r.published)
        ok = err_set(e, ERR_MISMATCH, "%s", ""); /* said already */
    release_free(&r);
    buf_free(&text);
    return ok;
}

/* ---- the command line --------------------------------------------------------------------------
 */

static const struct cli_note examples[] = {
    { "weigh-verify create gpt-oss-20b/ -o gpt-oss-20b.manifest", "certify a model" },
    { "weigh-verify check gpt-oss-20b/ gpt-oss-20b.manifest", "is every file as it was?" },
    { "weigh-verify check --content gpt-oss-20b.gguf gpt-oss-20b.manifest",
      "are these the same weights, in another container?" },
    { "weigh-verify release gpt-oss-20b/", "is this the checkpoint that was published?" },
    { "cd gpt-oss-20b && sha256sum -c ../gpt-oss-20b.manifest", "the files, without this tool" },
    { 0 },
};
static const char *const description[] = {
    "create writes a manifest: the SHA-256 of every file as sha256sum writes it, and in comments a "
    "digest of each tensor, the content root over them, and a checksum of each MiB.",
    "check compares with a manifest, with a list of sha256sum or one of gguf-hash. In a file that "
    "differs it finds the damaged MiB and names the tensors there. MANIFEST alone: the files that "
    "it names in its own folder. With --content only the weights are compared; they may be in any "
    "container, sharded in any way.",
    "release compares with a built-in table of published digests and says which release and "
    "revision it is.",
    "Only files directly in a directory belong to it.",
    NULL,
};
int main(int argc, char **argv)
{
    enum { CREATE, CHECK, RELEASE };
    struct job j = { 0 };
    struct err e = { 0 };
    size_t command = 0;
    const struct opt create_opts[] = { OPT_OUTPUT(&j.output),
                                       OPT_FORCE(&j.force),
                                       OPT_MEM(&j.run.mem),
                                       OPT_TILE(&j.run.tile),
                                       { 0 } };
    const struct opt check_opts[] = {
        { "manifest", 0, OPT_TEXT, &j.manifest, "FILE", "the manifest, instead of an operand" },
        { "content", 0, OPT_FLAG, &j.content, NULL,
          "compare the weights, whatever the container, and not the files" },
        OPT_MEM(&j.run.mem),
        OPT_TILE(&j.run.tile),
        { 0 },
    };
    const struct opt opts[] = { OPT_JOBS(&j.run.jobs),
                                OPT_JSON(&j.json),
                                OPT_PROGRESS(&j.progress),
                                OPT_QUIET(&j.quiet),
                                { 0 } };
    const struct cli_command commands[] = {
        { "create", "[OPTION]... SOURCE", "write a manifest of a model", create_opts, 1, 1 },
        { "check", "[OPTION]... [SOURCE] MANIFEST", "compare a model with a manifest", check_opts,
          1, 2 },
        { "release", "[OPTION]... DIR", "compare with the published digests", NULL, 1, 1 },
        { 0 },
    };
    const struct cli cli = {
        .name = "weigh-verify",
        .synopsis = "COMMAND [OPTION]... SOURCE",
        .summary = "check a model against its manifest or its published release",
        .description = description,
        .opts = opts,
        .commands = commands,
        .command = &command,
        .examples = examples,
        .see_also = "weigh-convert(1), weigh-diff(1), sha256sum(1)",
    };
    if (!cli_parse(&cli, &argc, &argv, &e))
        return cli_exit(&cli, &e, NULL);
    bool ok = command == CREATE  ? create(&j, argv[0], &e)
              : command == CHECK ? check(&j, argc, argv, &e)
                                 : release(&j, argv[0], &e);
    arena_free(&j.arena);
    return cli_exit(&cli, &e, ok || command != CREATE ? NULL : "no manifest was written");
}
