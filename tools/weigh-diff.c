/* weigh-diff - are two models the same weights, whatever their containers? */
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "tools/cli.h"
#include "tools/progress.h"
#include "verify/compare.h"

enum { MOST_LINES = 20 };

struct job {
    const char *progress;
    bool json, quiet, verbose;
    struct execute_options run;
    struct progress bar;
};

/* Tensors that could not be compared: missing in one model, or of another shape. */
static size_t unaligned(const struct comparison *c)
{
    return c->n_differences - (c->tensors - c->equal - c->equal_values);
}

static void put_verdict(struct buf *b, const struct comparison *c)
{
    size_t all = c->tensors + unaligned(c);
    const char *s = all == 1 ? "" : "s";
    if (c->n_differences)
        buf_printf(b, "differ: %zu of %zu tensor%s\n", c->n_differences, all, s);
    else if (!c->equal_values)
        buf_printf(b, "equal: %zu tensor%s, bit for bit\n", all, s);
    else
        buf_printf(b, "equal values: %zu of %zu tensor%s stored in another type, %zu bit for bit\n",
                   c->equal_values, all, s, c->equal);
}

static void put_text(struct buf *b, const struct comparison *c, bool all)
{
    put_verdict(b, c);
    size_t n = all || c->n_differences < MOST_LINES ? c->n_differences : MOST_LINES;
    for (size_t i = 0; i < n; i++) {
        buf_puts(b, "  ");
        text_escape(b, str_of(c->differences[i]));
        buf_puts(b, "\n");
    }
    if (n < c->n_differences)
        buf_printf(b, "  %zu more: -v shows them\n", c->n_differences - n);
}

static void put_json(struct buf *b, const struct comparison *c, const char *const models[2])
{
    struct buf text = buf_make(b->err);
    struct json_out o = json_out(&text, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR("weigh.diff/1"));
    json_put_kstr(&o, "a", str_of(models[0]));
    json_put_kstr(&o, "b", str_of(models[1]));
    json_put_kbool(&o, "equal", c->n_differences == 0);
    json_put_ku64(&o, "tensors", c->tensors + unaligned(c));
    json_put_ku64(&o, "equal_bits", c->equal);
    json_put_ku64(&o, "equal_values", c->equal_values);
    json_put_key(&o, STR("differences"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < c->n_differences; i++)
        json_put_str(&o, str_of(c->differences[i]));
    json_put_close(&o, ']');
    json_put_close(&o, '}');
    buf_puts(&text, "\n");
    b->failed |= !buf_ok(&text);
    json_put_safe(b, buf_text(&text));
    buf_free(&text);
}

static bool report(const struct job *j, const struct comparison *c, const char *const models[2],
                   struct err *e)
{
    struct buf b = buf_make(e);
    if (j->json)
        put_json(&b, c, models);
    else
        put_text(&b, c, j->verbose);
    bool ok = cli_print(&b, e);
    buf_free(&b);
    return ok && (!c->n_differences || err_set(e, ERR_MISMATCH, "%s", ""));
}

static bool diff(struct job *j, const char *const models[2], struct err *e)
{
    struct model a = { 0 }, b = { 0 };
    struct comparison c = { 0 };
    progress_open(&j->bar, j->progress, j->quiet);
    j->run.progress = progress_step;
    j->run.ctx = &j->bar;
    bool ok = model_open(&a, models[0], e) && model_open(&b, models[1], e) &&
              compare_models(&c, &a, &b, &j->run, e);
    progress_close(&j->bar);
    ok = ok && report(j, &c, models, e);
    comparison_free(&c);
    model_close(&a);
    model_close(&b);
    return ok;
}

int main(int argc, char **argv)
{
    struct job j = { 0 };
    struct err e = { 0 };
    const struct opt opts[] = {
        OPT_JSON(&j.json),
        { "verbose", 'v', OPT_FLAG, &j.verbose, NULL, "show every difference, not the first 20" },
        OPT_JOBS(&j.run.jobs),
        OPT_MEM(&j.run.mem),
        OPT_TILE(&j.run.tile),
        OPT_PROGRESS(&j.progress),
        OPT_QUIET(&j.quiet),
        { 0 },
    };
    static const struct cli_note examples[] = {
        { "weigh-diff gpt-oss-20b/ gpt-oss-20b.gguf", "same weights? exit 0 or 1" },
        { "weigh-diff gpt-oss-20b/ gpt-oss-20b-bf16/",
          "MXFP4 and its exact widening have equal values" },
        { 0 },
    };
    static const char *const description[] = {
        "Compares the weights of two models, and only these: configuration, tokenizer and other "
        "metadata are not looked at. Tensors are aligned by what they are in their family "
        "(q, k, v, gate, up ...), so container, sharding, names and the joining of tensors do not "
        "matter; where the family is not known, by name.",
        "Tensors of one type are compared bit for bit. Those of different types are compared "
        "decoded, in value: -0 differs from +0, any NaN equals any NaN. Both kinds of equal exit "
        "0.",
        NULL,
    };
    const struct cli cli = {
        .name = "weigh-diff",
        .synopsis = "[OPTION]... A B",
        .summary = "compare two models, whatever their containers",
        .description = description,
        .opts = opts,
        .min_args = 2,
        .max_args = 2,
        .examples = examples,
        .see_also = "weigh-inspect(1), weigh-verify(1), weigh-convert(1)",
    };
    if (!cli_parse(&cli, &argc, &argv, &e))
        return cli_exit(&cli, &e, NULL);
    diff(&j, (const char *const[2]){ argv[0], argv[1] }, &e);
    return cli_exit(&cli, &e, NULL);
}
