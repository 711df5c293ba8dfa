/* plan_make.c - what becomes of each tensor of a model: the family's column, or its own name. */
#include "formats/carry.h"
#include "formats/family.h"
#include "formats/safetensors.h"

/* ---- tensors --------------------------------------------------------------------- */

static bool is_float(enum dtype t) { return dtype_info[t].is_float; }

/* A tensor under its own name: what no family claims. */
static bool add_as_is(struct plan *p, const struct tensor *t, const struct plan_options *opt,
                      struct err *e)
{
    struct recipe r;
    enum dtype to = opt->type != DTYPE_NONE && is_float(t->dtype) ? opt->type : t->dtype;
    if (opt->canonical && (t->dtype == DTYPE_F32 || t->dtype == DTYPE_F16) &&
        !(plan_whole(p, t, DTYPE_F32, &r, e) && plan_narrowest(p, r, &to, e)))
        return false;
    return plan_whole(p, t, to, &r, e) && plan_add(p, t->name, to, t->ndim, t->dim, r, e);
}

static bool add_unclaimed(struct plan *p, const struct family_view *v,
                          const struct plan_options *opt, struct err *e)
{
    if (!plan_reserve(p, v->n_extra, e))
        return false;
    for (size_t i = 0; i < v->n_extra; i++) {
        bool derived = str_starts(v->extra[i]->name, "rope_freqs."); /* from the configuration */
        if (!(derived && opt->canonical) && !add_as_is(p, v->extra[i], opt, e))
            return false;
    }
    return !v->n_extra ||
           plan_note(p, e,
                     "%zu tensors that %s does not have keep their names, '" STR_FMT "' first",
                     v->n_extra, v->family->name, STR_ARG(v->extra[0]->name));
}

static bool add_all_as_is(struct plan *p, const struct plan_options *opt, struct err *e)
{
    const struct model *m = p->src;
    if (!plan_reserve(p, m->n_tensors, e))
        return false;
    for (size_t i = 0; i < m->n_tensors; i++)
        if (!add_as_is(p, &m->tensors[i], opt, e))
            return false;
    return true;
}

/* ---- layout ----------------------------------------------------------------------- */

static bool index_extra(struct plan *p, struct err *e)
{
    struct buf b = buf_make(e);
    bool ok = shards_index(&p->out, &b);
    struct str text = ok ? arena_str(&p->out.arena, buf_text(&b), e) : (struct str){ 0 };
    buf_free(&b);
    return text.at &&
           plan_extra(p, STR("model.safetensors.index.json"),
                      (struct span){ (const uint8_t *)text.at, text.len }, NULL, text.len, e);
}

static bool lay_out(struct plan *p, const struct plan_options *opt, struct err *e)
{
    bool gguf = opt->to == FORM_GGUF;
    struct layout_options l = { opt->shard_bytes, opt->base };
    p->out.format = format_find(gguf ? "gguf" : "safetensors");
    if (!opt->shard_bytes && opt->to == FORM_HF && !opt->one_file)
        l.shard_bytes = 4800000000u; /* what gpt-oss is released with: decimal */
    if (opt->one_file && opt->shard_bytes) {
        err_set(e, ERR_USAGE, "--shard-size makes several files, the output is one file");
        return err_hint(e, "name a directory: -o NAME/ --to %s", gguf ? "gguf" : "hf");
    }
    p->directory = !opt->one_file;
    if (!p->out.format->layout(&p->out, &l, e))
        return false;
    return gguf || p->out.n_files == 1 || index_extra(p, e);
}

/* ---- the plan ---------------------------------------------------------------------- */

/* Keys of the source that the plan may add to: the source's own table stays as it is. */
static struct metadata borrow(const struct metadata *m)
{
    return (struct metadata){ m->all, m->n, m->n }; /* full: adding begins a new table */
}

/* The keys of a container that stays the same; into another they have no way. */
static bool container_keys(struct plan *p, const struct plan_options *opt, struct err *e)
{
    const struct metadata *from = &p->src->files[0].metadata;
    struct metadata *to = &p->out.files[0].metadata;
    bool to_gguf = opt->to == FORM_GGUF, from_gguf = p->src->format == &format_gguf;
    bool drop = opt->reversible || opt->type != DTYPE_NONE; /* see gpt_oss_copy_keys */
    struct str arch;
    if (to_gguf == from_gguf)
        for (size_t i = 0; i < from->n; i++)
            if (!(from_gguf && drop && carry_is_key(from->all[i].key)) &&
                !meta_add(to, from->all[i], &p->out.arena, e))
                return false;
    if (to_gguf != from_gguf && from->n && !opt->reversible &&
        !plan_note(p, e, "%zu %s left out: the output has no place for them", from->n,
                   from_gguf ? "keys are" : "entries of __metadata__ are"))
        return false;
    return !to_gguf || meta_get_str(to, "general.architecture", &arch) ||
           meta_add_str(to, "general.architecture", STR("unknown"), &p->out.arena, e);
}

/* A model of no family: names and types are kept, files beside the weights travel along. */
static bool plan_container(struct plan *p, const struct plan_options *opt, struct err *e)
{
    static const char *const none[] = { NULL };
    const struct model *m = p->src;
    if (opt->to == FORM_ORIGINAL)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: the architecture is not known, so --to original "
                       "has no meaning for it",
                       m->path);
    p->from = m->format->name;
    p->to = opt->to == FORM_GGUF ? "gguf" : "safetensors";
    if (!plan_note(p, e,
                   "the architecture is not known: only the container changes, names and "
                   "types are kept") ||
        !container_keys(p, opt, e))
        return false;
    for (size_t i = 0; !opt->one_file && i < m->n_sidecars; i++)
        if (!str_ends(m->sidecars[i].name, ".index.json") &&
            !plan_extra(p, m->sidecars[i].name, (struct span){ 0 }, m->sidecars[i].path,
                        m->sidecars[i].size, e))
            return false;
    return (!opt->one_file || opt->reversible || plan_note_left(p, none, e)) &&
           add_all_as_is(p, opt, e) && model_index(&p->out, e);
}

static bool plan_family(struct plan *p, const struct family_view *v, const struct plan_options *opt,
                        struct err *e)
{
    enum form to = opt->to == FORM_SAFETENSORS ? FORM_HF : opt->to;
    const struct spelling *s = family_spelling(v->family, to);
    if (!s)
        return err_set(e, ERR_UNSUPPORTED, "%s has no form %s", v->family->name, form_name(to));
    p->family = v->family->name;
    p->from = v->spelling->name;
    p->to = s->name;
    /* HF to HF keeps the user's own spelling of __metadata__, GGUF keys do not belong there */
    if (p->src->format == &format_safetensors && to != FORM_GGUF)
        p->out.files[0].metadata = borrow(&p->src->files[0].metadata);
    return family_write(v, s, opt, p, e) && add_unclaimed(p, v, opt, e) &&
           model_index(&p->out, e) && (opt->canonical || v->family->write_config(v, p, opt, s, e));
}

static bool start(struct plan *p, const struct model *src, bool allow_lossy, struct err *e)
{
    *p = (struct plan){ .src = src, .allow_lossy = allow_lossy };
    p->out.path = "output";
    p->out.files = arena_new(&p->out.arena, struct model_file, 1, e);
    p->out.n_files = p->out.files ? 1 : 0;
    if (p->out.files)
        p->out.files[0].path = "output";
    return p->out.files != NULL;
}

/* Sub-directories of a source hold other forms of the model, each a source of its own. */
static bool note_folders(struct plan *p, struct err *e)
{
    struct buf names = buf_make(e);
    const struct model *m = p->src;
    for (size_t i = 0; i < m->n_folders; i++)
        buf_printf(&names, "%s" STR_FMT "/", i ? ", " : "", STR_ARG(m->folders[i]));
    bool ok = buf_ok(&names) &&
              (!names.len ||
               plan_note(p, e, "left out: " STR_FMT " (other forms; name one to convert it)",
                         STR_ARG(buf_text(&names))));
    buf_free(&names);
    return ok;
}

bool plan_make(struct plan *p, const struct model *src, const struct plan_options *opt,
               struct err *e)
{
    struct family_view v = { 0 };
    bool carried = false;
    /* An explicit type is consent to what it loses; the loss is reported. */
    bool ok = start(p, src, opt->allow_lossy || opt->type != DTYPE_NONE, e) &&
              carry_restore(p, opt, &carried, e);
    if (ok && !carried)
        ok = family_open(&v, src, opt->config, e) &&
             (v.family ? plan_family(p, &v, opt, e) : plan_container(p, opt, e)) &&
             (!opt->reversible || carry_store(p, &v, opt, e)) && lay_out(p, opt, e);
    ok = ok && note_folders(p, e);
    family_close(&v);
    if (!ok)
        plan_free(p);
    return ok;
}

bool plan_canonical(struct plan *p, const struct model *src, struct err *e)
{
    struct family_view v = { 0 };
    struct plan_options opt = { .to = FORM_HF, .canonical = true };
    bool ok = start(p, src, false, e) && family_open(&v, src, NULL, e) &&
              (v.family ? plan_family(p, &v, &opt, e) : add_all_as_is(p, &opt, e));
    family_close(&v);
    if (!ok)
        plan_free(p);
    return ok;
}
