/* weigh-cat - one tensor, or a part of it, as bytes, as a NumPy array or as text. */
#include "inspect/slice.h"
#include "tools/cli.h"
#include "tools/source.h"

#include <unistd.h>

struct job {
    const char *output, *as, *rows;
    bool force;
    struct source source;
    struct arena arena;
};

/* ---- what is asked for --------------------------------------------------------------- */

/* Decimal digits up to `end`, all of them; false above 2^64-1. */
static bool read_number(struct str s, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] < '0' || s.at[i] > '9' || !size_mul(v, 10, &v) ||
            !size_add(v, (uint64_t)(s.at[i] - '0'), &v))
            return false;
    *out = v;
    return s.len > 0;
}

/* NAME[3] where no tensor has that whole name: item 3 of NAME. */
static bool read_index(const struct model *m, struct str *name, bool *indexed, uint64_t *index)
{
    const char *open = name->len ? memrchr(name->at, '[', name->len) : NULL;
    *indexed = false;
    if (model_find(m, *name) || !open || name->at[name->len - 1] != ']')
        return true;
    struct str digits = { open + 1, name->len - (size_t)(open - name->at) - 2 };
    name->len = (size_t)(open - name->at);
    *indexed = true;
    return read_number(digits, index);
}

/* A:B, either of which may be left out. */
static bool take_rows(struct slice *s, const char *rows, struct err *e)
{
    const char *colon = strchr(rows, ':');
    uint64_t first = 0, end = s->n;
    struct str a = { rows, colon ? (size_t)(colon - rows) : 0 }, b = str_of(colon ? colon + 1 : "");
    if (!colon || (a.len && !read_number(a, &first)) || (b.len && !read_number(b, &end)))
        return err_set(e, ERR_USAGE, "--rows %s: should be FIRST:END, counted from 0", rows);
    return slice_range(s, first, end, e);
}

static bool choose(const struct job *j, const struct model *m, struct slice *s, struct err *e)
{
    struct str name = j->source.tensor;
    bool indexed;
    uint64_t index = 0;
    if (!read_index(m, &name, &indexed, &index))
        return err_set(e, ERR_USAGE, "%s: the index in brackets is no number", j->source.tensor.at);
    const struct tensor *t = source_tensor(m, name, e);
    if (!t)
        return false;
    *s = slice_of(m, t);
    return (!indexed || slice_item(s, index, e)) && (!j->rows || take_rows(s, j->rows, e));
}

static enum slice_form form_of(const char *as)
{
    return strcmp(as, "npy") == 0 ? SLICE_NPY : strcmp(as, "csv") == 0 ? SLICE_CSV : SLICE_RAW;
}

/* ---- the output ------------------------------------------------------------------------- */

struct sink {
    struct output *out;
    size_t file;
    uint64_t at;
};

static bool count_bytes(void *ctx, struct span bytes, struct err *e)
{
    uint64_t *n = ctx;
    (void)e;
    *n += bytes.len;
    return true;
}

static bool write_bytes(void *ctx, struct span bytes, struct err *e)
{
    struct sink *s = ctx;
    bool ok = output_write(s->out, s->file, bytes, s->at, e);
    s->at += bytes.len;
    return ok;
}

/* A file is made in its final size: text has to be counted first. */
static bool write_slice(const struct job *j, const struct slice *s, struct err *e)
{
    enum slice_form form = form_of(j->as);
    struct output out;
    struct sink sink = { .out = &out };
    uint64_t size = 0;
    if (!output_open(&out, j->output, false, j->force, e))
        return false;
    bool ok = (out.stream || slice_write(s, form, count_bytes, &size, e)) &&
              output_room(&out, size, e) && output_add(&out, STR(""), size, &sink.file, e) &&
              slice_write(s, form, write_bytes, &sink, e) && output_commit(&out, e);
    output_close(&out);
    return ok;
}

static bool check_output(struct job *j, const struct model *m, struct err *e)
{
    if (strcmp(j->output, "-") == 0) {
        if (form_of(j->as) == SLICE_CSV || !isatty(STDOUT_FILENO))
            return true;
        err_set(e, ERR_USAGE, "standard output is a terminal, and this is no text");
        return err_hint(e, "-o FILE, a pipe, or --as csv");
    }
    const char **sources = arena_new(&j->arena, const char *, m->n_files, e);
    for (size_t i = 0; sources && i < m->n_files; i++)
        sources[i] = m->files[i].path;
    return sources && output_check(j->output, false, j->force, sources, m->n_files, e);
}

static bool cat(struct job *j, const char *arg, struct err *e)
{
    struct model m = { 0 };
    struct slice s;
    bool ok = source_part(arg, &j->source, &j->arena, e) && model_open(&m, j->source.path, e);
    if (ok && !j->source.tensor.at) {
        ok = err_set(e, ERR_USAGE, "which tensor of %s?", arg);
        err_hint(e, "weigh-cat %s@TENSOR; weigh-inspect --tensors lists them", arg);
    }
    ok = ok && choose(j, &m, &s, e) && check_output(j, &m, e) && write_slice(j, &s, e);
    model_close(&m);
    arena_free(&j->arena);
    return ok;
}

int main(int argc, char **argv)
{
    struct job j = { .output = "-", .as = "raw" };
    struct err e = { 0 };
    const struct opt opts[] = {
        { "as", 0, OPT_CHOICE, &j.as, "raw|npy|csv",
          "bytes as stored; a NumPy array; a line of text for each row" },
        { "rows", 0, OPT_TEXT, &j.rows, "FIRST:END",
          "only these of the outermost dimension, counted from 0, END not included" },
        OPT_OUTPUT(&j.output),
        OPT_FORCE(&j.force),
        { 0 },
    };
    static const struct cli_note examples[] = {
        { "weigh-cat gpt-oss-20b/@model.norm.weight --as csv", "one tensor as text" },
        { "weigh-cat gpt-oss-20b.gguf@blk.0.ffn_up_exps.weight[3] --as npy -o e3.npy",
          "one expert, decoded" },
        { "weigh-cat model.safetensors@wte.weight --rows 0:10 --as csv", "ten rows" },
        { 0 },
    };
    static const char *const description[] = {
        "Writes one tensor, one item of its outermost dimension (PATH@TENSOR[EXPERT]) or some of "
        "its rows. npy and csv decode F16, BF16, Q8_0 and MXFP4 to 32-bit floats, without loss; "
        "whole numbers stay what they are.",
        "A path that holds an '@' is parted at the last one whose left side exists.",
        NULL,
    };
    const struct cli cli = {
        .name = "weigh-cat",
        .synopsis = "[OPTION]... PATH@TENSOR[EXPERT]",
        .summary = "write one tensor to standard output",
        .description = description,
        .opts = opts,
        .min_args = 1,
        .max_args = 1,
        .examples = examples,
        .see_also = "weigh-inspect(1), weigh-diff(1)",
    };
    if (!cli_parse(&cli, &argc, &argv, &e))
        return cli_exit(&cli, &e, NULL);
    cat(&j, argv[0], &e);
    return cli_exit(&cli, &e, NULL);
}
