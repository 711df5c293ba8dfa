/* findings.c - the rules, one row each. */
#include "inspect/findings.h"

#include "formats/base/text.h"
#include "inspect/template.h"
#include "inspect/values.h"

#include <stdio.h>
#include <strings.h>

enum { MOST_LAYERS = 512, SHOWN = 120, LONGEST_TAG = 400, MOST_EACH = 17 };

const char *severity_name(enum severity s) { return s == SEVERITY_WARNING ? "warning" : "note"; }

/* What a rule is given. */
struct look {
    struct findings *out;
    const struct rule *rule;
    const struct facts *facts;
    const struct model *model;
    bool scan;
    const struct execute_options *run;
    size_t n; /* findings of this rule so far */
    struct err *err;
};

/* Adds a finding; of a rule that has found enough, only that there is more. */
PRINTF_LIKE(2, 3)
static bool found(struct look *l, const char *fmt, ...)
{
    struct findings *f = l->out;
    char line[1200];
    if (l->n == MOST_EACH)
        return true;
    bool last = ++l->n == MOST_EACH;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    struct finding *more = arena_new(&f->arena, struct finding, f->n + 1, l->err);
    char *text = more ? arena_printf(&f->arena, l->err, "%s",
                                     last ? "there are more of these than are listed" : line)
                      : NULL;
    if (!text)
        return false;
    if (f->n)
        memcpy(more, f->all, f->n * sizeof *more);
    more[f->n++] = (struct finding){ l->rule->id, l->rule->severity, text };
    f->all = more;
    return true;
}

/* As much of a text as a finding shows. */
static struct str shown(struct str s)
{
    return (struct str){ s.at, s.len < SHOWN ? s.len : SHOWN };
}

/* ---- container and configuration ------------------------------------------------------- */

static bool container(struct look *l)
{
    const struct model *m = l->model;
    for (size_t i = 0; i < m->n_findings; i++)
        if (!found(l, "%s", m->findings[i]))
            return false;
    return true;
}

static bool unfit(struct look *l)
{
    for (size_t i = 0; i < l->facts->n_troubles; i++)
        if (!found(l, "%s", l->facts->troubles[i]))
            return false;
    return true;
}

static bool no_architecture(struct look *l)
{
    const struct model *m = l->model;
    return m->format != &format_gguf || !m->n_tensors || l->facts->architecture.len ||
           found(l, "general.architecture is missing: no program can tell what to build of "
                    "these tensors");
}

static bool many_layers(struct look *l)
{
    double n = l->facts->set[SET_LAYERS].known ? l->facts->set[SET_LAYERS].value : 0;
    return n <= MOST_LAYERS ||
           found(l, "claims %.0f layers; llama.cpp has room for %d", n, MOST_LAYERS);
}

static bool extra_tensors(struct look *l)
{
    size_t n = 0;
    struct str first = STR("");
    for (size_t i = 0; i < l->facts->view.n_extra; i++) {
        struct str name = l->facts->view.extra[i]->name;
        if (str_starts(name, "rope_freqs.")) /* derived from the configuration */
            continue;
        first = n++ ? first : shown(name);
    }
    return !n || found(l, "tensors that %s does not have: %zu, first '" STR_FMT "'",
                       l->facts->view.family->name, n, STR_ARG(first));
}

/* ---- names and metadata ------------------------------------------------------------------ */

/* The first character of a name that is not printable ASCII, or 0. */
static uint32_t odd_character(struct str name)
{
    uint32_t code;
    for (size_t n; name.len; name = (struct str){ name.at + n, name.len - n }) {
        n = text_utf8(name, &code);
        if (n != 1 || code < 0x20 || code == 0x7f)
            return n ? code : 0xFFFD;
    }
    return 0;
}

struct odd_names {
    size_t n;
    struct str first;
    uint32_t code;
};

static void see_name(struct odd_names *o, struct str name)
{
    uint32_t code = odd_character(name);
    if (code && o->n++ == 0) {
        o->first = shown(name);
        o->code = code;
    }
}

static bool found_names(struct look *l, const struct odd_names *o, const char *what)
{
    return !o->n || found(l,
                          "%s names beyond plain ASCII: %zu, first '" STR_FMT
                          "' (U+%04X); one name can look like another",
                          what, o->n, STR_ARG(o->first), (unsigned)o->code);
}

static bool odd_names(struct look *l)
{
    const struct model *m = l->model;
    struct odd_names tensors = { 0 }, keys = { 0 };
    for (size_t i = 0; i < m->n_tensors; i++)
        see_name(&tensors, m->tensors[i].name);
    for (size_t i = 0; i < m->n_files; i++)
        for (size_t k = 0; k < m->files[i].metadata.n; k++)
            if (text_is_utf8(m->files[i].metadata.all[k].key)) /* else the reader has said so */
                see_name(&keys, m->files[i].metadata.all[k].key);
    return found_names(l, &tensors, "tensor") && found_names(l, &keys, "key");
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

static bool starts_script(struct str s)
{
    return s.len >= 7 && strncasecmp(s.at, "<script", 7) == 0;
}

/* The first HTML tag in a text, or an empty str.  `<|start|>` is none.  A template may write
 * tags of its own, such as <think>: there only a script is one. */
static struct str find_markup(struct str s, bool script_only)
{
    while (s.len > 2) {
        const char *open = memchr(s.at, '<', s.len);
        if (!open)
            break;
        s = (struct str){ open, s.len - (size_t)(open - s.at) };
        const char *close = memchr(s.at, '>', s.len < LONGEST_TAG ? s.len : LONGEST_TAG);
        bool tag =
            close && s.len > 2 && (is_letter(s.at[1]) || (s.at[1] == '/' && is_letter(s.at[2])));
        if (tag && (!script_only || starts_script(s)))
            return (struct str){ s.at, (size_t)(close - s.at) + 1 };
        s = (struct str){ s.at + 1, s.len - 1 };
    }
    return (struct str){ 0 };
}

static bool markup(struct look *l)
{
    const struct model *m = l->model;
    for (size_t i = 0; i < m->n_files; i++)
        for (size_t k = 0; k < m->files[i].metadata.n; k++) {
            const struct meta *v = &m->files[i].metadata.all[k];
            struct str text, tag, key = shown(v->key);
            if (str_starts(v->key, "weighmaster.") || !meta_str(v, &text)) /* carried files */
                continue;
            tag = shown(find_markup(text, str_starts(v->key, "tokenizer.")));
            if (tag.len &&
                !found(l, "key '" STR_FMT "' holds markup: " STR_FMT, STR_ARG(key), STR_ARG(tag)))
                return false;
        }
    return true;
}

/* ---- templates ------------------------------------------------------------------------------ */

static bool invisible(struct look *l)
{
    for (size_t i = 0; i < l->facts->n_templates; i++) {
        const struct chat_template *t = &l->facts->templates[i];
        uint32_t first;
        uint64_t n = template_invisible(t->text, &first);
        if (n &&
            !found(l,
                   "the chat template in %s holds %llu characters that do not show, U+%04X first",
                   t->where, (unsigned long long)n, (unsigned)first))
            return false;
    }
    return true;
}

static bool branches(struct look *l)
{
    for (size_t i = 0; i < l->facts->n_templates; i++) {
        const struct chat_template *t = &l->facts->templates[i];
        struct str condition;
        if (!template_branches(t->text, &condition))
            continue;
        condition = shown(condition);
        if (!found(l, "the chat template in %s does something else for some messages: if " STR_FMT,
                   t->where, STR_ARG(condition)))
            return false;
    }
    return true;
}

static struct str without_end(struct str s)
{
    while (s.len && strchr(" \t\r\n", s.at[s.len - 1]))
        s.len--;
    return s;
}

static bool disagree(struct look *l)
{
    for (size_t i = 0; i < l->facts->n_templates; i++)
        for (size_t k = 0; k < i; k++) {
            const struct chat_template *a = &l->facts->templates[k], *b = &l->facts->templates[i];
            if (str_eq(a->name, b->name) && !str_eq(without_end(a->text), without_end(b->text)) &&
                !found(l,
                       "the chat templates in %s and %s differ: which one is used depends on the "
                       "program",
                       a->where, b->where))
                return false;
        }
    return true;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool report_values(struct look *l, const uint64_t *bad)
{
    const struct model *m = l->model;
    uint64_t numbers = 0;
    size_t n = 0, first = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (!bad[i])
            continue;
        first = n++ ? first : i;
        numbers += bad[i];
    }
    if (!n)
        return true;
    struct str name = shown(m->tensors[first].name);
    return found(l, "NaN or infinity in %zu of %zu tensors, first '" STR_FMT "'; %llu in all", n,
                 m->n_tensors, STR_ARG(name), (unsigned long long)numbers);
}

static bool values(struct look *l)
{
    if (!l->scan && model_bytes(l->model) > FINDINGS_SMALL)
        return true;
    uint64_t *bad = arena_new(&l->out->arena, uint64_t, l->model->n_tensors, l->err);
    l->out->scanned = true;
    return bad && values_scan(l->model, &l->facts->view, l->run, bad, l->err) &&
           report_values(l, bad);
}

// clang-format off
const struct rule finding_rules[] = {
    { "container",          SEVERITY_WARNING, "what the reader of the container let pass",                   container },
    { "family",             SEVERITY_WARNING, "tensors against configuration; broken files beside them",     unfit },
    { "no-architecture",    SEVERITY_WARNING, "general.architecture of a GGUF with tensors",                 no_architecture },
    { "block-count",        SEVERITY_WARNING, "the number of layers",                                        many_layers },
    { "extra-tensors",      SEVERITY_NOTE,    "tensors that the family does not have",                       extra_tensors },
    { "name",               SEVERITY_WARNING, "characters of tensor and key names",                          odd_names },
    { "markup",             SEVERITY_WARNING, "HTML in metadata",                                            markup },
    { "template-invisible", SEVERITY_WARNING, "characters of chat templates",                                invisible },
    { "template-branch",    SEVERITY_WARNING, "conditions of chat templates on what a message says",         branches },
    { "template-differs",   SEVERITY_WARNING, "several chat templates for one use",                          disagree },
    { "values",             SEVERITY_WARNING, "NaN and infinity in weights and block scales",                values },
    { 0 },
};
// clang-format on

bool findings_open(struct findings *f, const struct facts *facts, bool scan,
                   const struct execute_options *run, struct err *e)
{
    *f = (struct findings){ 0 };
    for (const struct rule *r = finding_rules; r->id; r++) {
        struct look l = { f, r, facts, facts->model, scan, run, 0, e };
        if (!r->look(&l)) {
            findings_close(f);
            return false;
        }
    }
    return true;
}

void findings_close(struct findings *f)
{
    arena_free(&f->arena);
    *f = (struct findings){ 0 };
}
