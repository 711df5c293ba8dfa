/* show.c - what is in a model, on one screen. */
#include "inspect/show.h"

#include "formats/base/digest.h"
#include "formats/base/text.h"
#include "quant/bytes.h"

enum { SHOWN_TEMPLATES = 4, BESIDE_COLUMNS = 50 };

/* ---- pieces ------------------------------------------------------------------------------ */

static void row(struct buf *b, const char *label) { buf_printf(b, "%-14s", label); }

static void put_count(struct buf *b, uint64_t n)
{
    char text[32];
    buf_puts(b, text_count(text, n));
}

static void put_bytes(struct buf *b, uint64_t n)
{
    char text[16];
    buf_puts(b, text_bytes(text, n));
}

static void put_plural(struct buf *b, uint64_t n, const char *what)
{
    put_count(b, n);
    buf_printf(b, " %s%s", what, n == 1 ? "" : "s");
}

/* Parts of a line with commas between them. */
struct list {
    struct buf *b;
    bool any;
};

/* A setting, if it is known, between two texts: "hidden 128". */
static void put_set(struct list *l, const struct facts *f, enum setting s, const char *before,
                    const char *after)
{
    double v = f->set[s].value;
    if (!f->set[s].known)
        return;
    buf_printf(l->b, "%s%s", l->any ? ", " : "", before);
    if (v >= 0 && v < 9007199254740992.0 && v == (double)(uint64_t)v)
        buf_printf(l->b, "%llu", (unsigned long long)v);
    else
        buf_printf(l->b, "%g", v);
    buf_puts(l->b, after);
    l->any = true;
}

/* ---- the summary --------------------------------------------------------------------------- */

/* The first and the last by name. */
static void put_files(struct buf *b, const struct model *m)
{
    struct str first = m->files[0].name, last = first;
    for (size_t i = 1; i < m->n_files; i++) {
        first = str_cmp(m->files[i].name, first) < 0 ? m->files[i].name : first;
        last = str_cmp(m->files[i].name, last) > 0 ? m->files[i].name : last;
    }
    row(b, "files");
    text_escape(b, first);
    buf_puts(b, m->n_files > 2 ? " ... " : m->n_files > 1 ? " " : "");
    if (m->n_files > 1)
        text_escape(b, last);
    buf_puts(b, "\n");
}

static void put_container(struct buf *b, const struct facts *f)
{
    const struct model *m = f->model;
    const struct span head = m->files[0].header;
    row(b, "container");
    if (m->format == &format_gguf && head.len >= 8)
        buf_printf(b, "GGUF version %u", load32(head.at + 4));
    else
        buf_puts(b, m->format->name);
    buf_puts(b, ": ");
    put_plural(b, m->n_tensors, "tensor");
    buf_puts(b, " in ");
    put_plural(b, m->n_files, "file");
    buf_puts(b, ", ");
    put_bytes(b, f->file_bytes);
    buf_puts(b, "\n");
    put_files(b, m);
}

static void put_family(struct buf *b, const struct facts *f)
{
    row(b, "family");
    if (f->view.family)
        buf_printf(b, "%s, form %s\n", f->view.family->name, f->view.spelling->name);
    else
        buf_puts(b, "not known\n");
    static const enum setting sizes[] = { SET_LAYERS, SET_HIDDEN, SET_INNER, SET_VOCAB };
    static const char *const before[] = { "", "hidden ", "inner ", "vocabulary " };
    struct list l = { b, false };
    bool any = f->architecture.len != 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        any |= f->set[sizes[i]].known;
    if (!any)
        return;
    row(b, "architecture");
    text_escape(b, f->architecture);
    buf_puts(b, f->architecture.len ? ": " : "");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        put_set(&l, f, sizes[i], before[i], sizes[i] == SET_LAYERS ? " layers" : "");
    buf_puts(b, l.any ? "\n" : "sizes are not said\n");
}

static void put_settings(struct buf *b, const struct facts *f)
{
    if (f->set[SET_HEADS].known) {
        struct list l = { b, false };
        row(b, "attention");
        put_set(&l, f, SET_HEADS, "", " heads");
        put_set(&l, f, SET_KV_HEADS, "", " for key and value");
        put_set(&l, f, SET_HEAD_SIZE, "size ", "");
        put_set(&l, f, SET_WINDOW, "window ", "");
        buf_puts(b, "\n");
    }
    if (f->set[SET_EXPERTS].known) {
        struct list l = { b, false };
        row(b, "experts");
        put_set(&l, f, SET_EXPERTS, "", "");
        put_set(&l, f, SET_EXPERTS_USED, "", " for each token");
        buf_puts(b, "\n");
    }
    if (f->set[SET_CONTEXT].known || f->set[SET_ROPE_BASE].known) {
        struct list l = { b, false };
        row(b, "positions");
        put_set(&l, f, SET_CONTEXT, "", "");
        put_set(&l, f, SET_ROPE_BASE, "rope base ", "");
        put_set(&l, f, SET_ROPE_FACTOR, "stretched ", " times");
        put_set(&l, f, SET_ROPE_CONTEXT, "first ", "");
        buf_puts(b, "\n");
    }
}

static void put_parameters(struct buf *b, const struct facts *f)
{
    row(b, "parameters");
    put_count(b, f->parameters);
    if (f->mxfp4) {
        buf_puts(b, ", of them MXFP4 ");
        put_count(b, f->mxfp4);
    }
    buf_puts(b, "\n");
    if (!f->active)
        return;
    row(b, "active");
    put_count(b, f->active);
    buf_puts(b, " for each token");
    if (f->embedding) {
        buf_puts(b, ", without the input embedding ");
        put_count(b, f->active - f->embedding);
    }
    buf_puts(b, "\n");
}

static void put_storage(struct buf *b, const struct facts *f)
{
    uint64_t total = model_bytes(f->model);
    char bytes[32];
    for (size_t i = 0; i < f->n_storage; i++) {
        const struct storage *s = &f->storage[i];
        row(b, i ? "" : "storage");
        buf_printf(b, "%-12s %6zu tensor%s %20s bytes", s->name, s->tensors,
                   s->tensors == 1 ? " " : "s", text_count(bytes, s->bytes));
        if (total)
            buf_printf(b, " %5.1f %%", (double)s->bytes * 100 / (double)total);
        buf_puts(b, "\n");
    }
}

static void put_tokenizer(struct buf *b, const struct facts *f)
{
    if (!f->tokenizer.tokens)
        return;
    row(b, "tokenizer");
    text_escape(b, f->tokenizer.model);
    if (f->tokenizer.split.len) {
        buf_puts(b, " ");
        text_escape(b, f->tokenizer.split);
    }
    buf_puts(b, f->tokenizer.model.len ? ": " : "");
    put_plural(b, f->tokenizer.tokens, "token");
    buf_puts(b, ", ");
    put_plural(b, f->tokenizer.merges, "merge");
    buf_puts(b, "\n");
}

static void put_templates(struct buf *b, const struct facts *f)
{
    for (size_t i = 0; i < f->n_templates && i < SHOWN_TEMPLATES; i++) {
        const struct chat_template *t = &f->templates[i];
        struct sha256 sha = { 0 };
        char hex[2 * SHA256_BYTES + 1];
        b->failed |=
            !sha_of((struct span){ (const uint8_t *)t->text.at, t->text.len }, &sha, b->err);
        text_hex(hex, sha.at, SHA256_BYTES);
        row(b, i ? "" : "template");
        if (t->name.len) {
            text_escape(b, t->name);
            buf_puts(b, ": ");
        }
        put_plural(b, t->text.len, "byte");
        buf_printf(b, ", SHA-256 %.16s..., in %s\n", hex, t->where);
    }
    if (f->n_templates > SHOWN_TEMPLATES) {
        row(b, "");
        buf_printf(b, "%zu more\n", f->n_templates - SHOWN_TEMPLATES);
    }
}

static void put_beside(struct buf *b, const struct facts *f)
{
    const struct model *m = f->model;
    if (f->carried != FORM_NONE) {
        row(b, "carries");
        buf_printf(b, "the original files of form %s\n", form_name(f->carried));
    }
    if (!m->n_sidecars)
        return;
    row(b, "beside");
    size_t begin = b->len, i = 0;
    for (; i < m->n_sidecars && b->len - begin < BESIDE_COLUMNS; i++) {
        buf_puts(b, i ? ", " : "");
        text_escape(b, m->sidecars[i].name);
    }
    if (i < m->n_sidecars)
        buf_printf(b, ", %zu more", m->n_sidecars - i);
    buf_puts(b, "\n");
}

static bool finite(const struct findings *findings)
{
    for (size_t i = 0; i < findings->n; i++)
        if (strcmp(findings->all[i].id, "values") == 0)
            return false;
    return true;
}

static void put_findings(struct buf *b, const struct facts *f, const struct findings *findings)
{
    row(b, "values");
    if (findings->scanned) {
        buf_puts(b, finite(findings) ? "all finite\n" : "not all finite\n");
    } else {
        buf_puts(b, "not scanned (--scan reads all ");
        put_bytes(b, model_bytes(f->model));
        buf_puts(b, ")\n");
    }
    row(b, "findings");
    buf_puts(b, findings->n ? "" : "none\n");
    for (size_t i = 0; i < findings->n; i++) {
        const struct finding *x = &findings->all[i];
        if (i)
            row(b, "");
        buf_printf(b, "%s %s: ", severity_name(x->severity), x->id);
        text_escape(b, str_of(x->text));
        buf_puts(b, "\n");
    }
}

void show_summary(struct buf *b, const struct facts *f, const struct findings *findings)
{
    row(b, "model");
    text_escape(b, str_of(f->model->path));
    buf_puts(b, "\n");
    put_container(b, f);
    put_family(b, f);
    put_settings(b, f);
    put_parameters(b, f);
    put_storage(b, f);
    put_tokenizer(b, f);
    put_templates(b, f);
    put_beside(b, f);
    put_findings(b, f, findings);
}
