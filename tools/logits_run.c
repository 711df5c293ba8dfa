/* logits_run.c - weigh-logits run: the likeliest next tokens, and all logits as a file. */
#include "formats/base/text.h"
#include "inspect/npy.h"
#include "quant/bytes.h"
#include "quant/exact.h"
#include "tools/logits.h"

/* ---- the file ------------------------------------------------------------------------- */

/* Where the logits of one prompt go. */
struct sink {
    struct output *out; /* NULL: nowhere */
    size_t file;
    uint64_t at;
    size_t vocab;
    float *last; /* the last row */
};

static bool write_rows(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    struct sink *s = ctx;
    struct buf b = buf_make(e);
    (void)first;
    memcpy(s->last, logits + (n - 1) * s->vocab, s->vocab * sizeof *logits);
    if (!s->out)
        return true;
    uint8_t *to = buf_grow(&b, n * s->vocab * sizeof *logits);
    for (size_t i = 0; to && i < n * s->vocab; i++) {
        uint32_t bits;
        memcpy(&bits, &logits[i], sizeof bits);
        store32(to + i * sizeof bits, bits);
    }
    bool ok = to && output_write(s->out, s->file, buf_span(&b), s->at, e);
    s->at += b.len;
    buf_free(&b);
    return ok;
}

/* float32 [tokens, vocab] of the prompt, and its last row to `last`. */
static bool write_logits(const struct job *j, struct session *s, const struct prompt *p,
                         float *last, struct err *e)
{
    struct output out = { 0 };
    struct sink sink = { .out = &out, .vocab = (size_t)s->vocab, .last = last };
    uint64_t dim[] = { p->n, s->vocab }, size;
    struct buf head = buf_make(e);
    npy_header(&head, "<f4", dim, 2);
    sink.at = head.len;
    bool ok = buf_ok(&head) && session_check(s, p->ids, p->n, e) &&
              ((size_mul(p->n, s->vocab, &size) && size_mul(size, sizeof(float), &size) &&
                size_add(size, head.len, &size)) ||
               err_set(e, ERR_MEMORY, "the logits are larger than memory can hold")) &&
              output_open(&out, j->output, false, j->force, e) && output_room(&out, size, e) &&
              output_add(&out, STR(""), size, &sink.file, e) &&
              output_write(&out, sink.file, buf_span(&head), 0, e) &&
              session_run(s, p->ids, p->n, 0, write_rows, &sink, e) && output_commit(&out, e);
    output_close(&out);
    buf_free(&head);
    return ok;
}

/* ---- the likeliest tokens ------------------------------------------------------------- */

/* What an id stands for; at == NULL where that is not known. */
static struct str token_text(const struct prompts *all, uint32_t id)
{
    return all->has_tokenizer && id < all->tokenizer.n_tokens ? all->tokenizer.tokens[id].bytes
                                                              : (struct str){ 0 };
}

static void put_prompt(struct buf *b, size_t i, const struct prompt *p)
{
    buf_printf(b, "prompt %zu: %zu token%s", i, p->n, p->n == 1 ? "" : "s");
    if (p->text.at) {
        buf_puts(b, "  \"");
        text_escape(b, p->text);
        buf_puts(b, "\"");
    }
    buf_puts(b, "\n");
}

static void print_top(struct buf *b, const struct prompts *all, const float *logits, size_t vocab,
                      const uint32_t *ids, size_t k)
{
    double log_sum = log_sum_exp(logits, vocab);
    char logit[16], p[16];
    for (size_t i = 0; i < k; i++) {
        struct str text = token_text(all, ids[i]);
        double x = (double)logits[ids[i]];
        buf_printf(b, "%8u  %10s  %11s", ids[i], text_number(logit, x),
                   text_number(p, exact_exp(x - log_sum)));
        if (text.at) {
            buf_puts(b, "  \"");
            text_escape(b, text);
            buf_puts(b, "\"");
        }
        buf_puts(b, "\n");
    }
}

static void json_top(struct json_out *o, const struct prompts *all, const struct prompt *p,
                     const float *logits, size_t vocab, const uint32_t *ids, size_t k)
{
    double log_sum = log_sum_exp(logits, vocab);
    json_put_open(o, '{');
    if (p->text.at)
        json_put_kstr(o, "text", p->text);
    json_put_key(o, STR("ids"));
    json_put_open(o, '[');
    for (size_t i = 0; i < p->n; i++)
        json_put_u64(o, p->ids[i]);
    json_put_close(o, ']');
    json_put_key(o, STR("top"));
    json_put_open(o, '[');
    for (size_t i = 0; i < k; i++) {
        struct str text = token_text(all, ids[i]);
        double x = (double)logits[ids[i]];
        json_put_open(o, '{');
        json_put_ku64(o, "id", ids[i]);
        json_put_key(o, STR("logit"));
        json_put_double(o, x);
        json_put_key(o, STR("p"));
        json_put_double(o, exact_exp(x - log_sum));
        if (text.at)
            json_put_kstr(o, "text", text);
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
    json_put_close(o, '}');
}

/* The likeliest tokens after each prompt, into o or b. */
static bool run_prompts(const struct job *j, struct session *s, const struct prompts *all,
                        struct buf *b, struct json_out *o, struct arena *a, struct err *e)
{
    size_t vocab = (size_t)s->vocab, k = j->top < vocab ? j->top : vocab;
    float *last = arena_new(a, float, vocab, e);
    uint32_t *ids = arena_new(a, uint32_t, k + 1, e);
    struct sink sink = { .vocab = vocab, .last = last };
    for (size_t i = 0; last && ids && i < all->n; i++) {
        const struct prompt *p = &all->at[i];
        session_reset(s);
        if (!(j->output ? write_logits(j, s, p, last, e)
                        : session_run(s, p->ids, p->n, p->n - 1, write_rows, &sink, e)))
            return all->n > 1 ? err_within(e, "prompt %zu", i) : false;
        if (k)
            top_ids(last, vocab, ids, k);
        if (j->json)
            json_top(o, all, p, last, vocab, ids, k);
        else {
            put_prompt(b, i, p);
            print_top(b, all, last, vocab, ids, k);
        }
    }
    return last && ids;
}

static bool check_run_output(const struct job *j, const struct model *m, const struct prompts *all,
                             struct arena *a, struct err *e)
{
    if (!j->output)
        return true;
    if (all->n != 1)
        return err_set(e, ERR_USAGE, "-o takes the logits of one prompt, there are %zu", all->n);
    const char **sources = arena_new(a, const char *, m->n_files, e);
    for (size_t i = 0; sources && i < m->n_files; i++)
        sources[i] = m->files[i].path;
    return sources && (strcmp(j->output, "-") == 0 ||
                       output_check(j->output, false, j->force, sources, m->n_files, e));
}

bool logits_run(const struct job *j, const char *source, struct err *e)
{
    struct model m = { 0 };
    struct prompts all = { 0 };
    struct session s = { 0 };
    struct arena a = { 0 };
    struct buf b = buf_make(e);
    bool ok = model_open(&m, source, e) && prompts_open(&all, &j->prompts, &m, e) &&
              check_run_output(j, &m, &all, &a, e) && session_open(&s, &m, &j->run, e);
    struct json_out o = { 0 };
    if (ok && j->json) {
        o = logits_json(&b, j, "run");
        json_put_kstr(&o, "model", str_of(source));
        json_put_key(&o, STR("prompts"));
        json_put_open(&o, '[');
    }
    ok = ok && run_prompts(j, &s, &all, &b, &o, &a, e);
    if (ok && j->json)
        json_put_close(&o, ']');
    bool print = ok && !(j->output && strcmp(j->output, "-") == 0);
    ok = ok && (!print || (j->json ? logits_print_json(&o, e) : cli_print(&b, e)));
    session_close(&s);
    prompts_close(&all);
    model_close(&m);
    arena_free(&a);
    buf_free(&b);
    return ok;
}
