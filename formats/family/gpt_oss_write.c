/* gpt_oss_write.c - what stands beside the tensors of a gpt-oss output: GGUF keys, or
 * config.json and its companions. */
#include "formats/base/json.h"
#include "formats/family/gpt_oss.h"
#include "formats/vocab.h"

bool gpt_oss_has_mxfp4(const struct plan *p)
{
    for (size_t i = 0; i < p->out.n_tensors; i++)
        if (p->recipes[i].dtype == DTYPE_MXFP4_BLOCKS || p->recipes[i].dtype == DTYPE_MXFP4)
            return true;
    return false;
}

/* Without rope scaling nothing needs what it would have been computed from. */
static bool needed(const struct setting *s, const struct config *c)
{
    return s->needed && (gpt_oss_scaled_rope(c) || (strncmp(s->hf, "rope_scaling.", 13) != 0 &&
                                                    strcmp(s->hf, "initial_context_length") != 0));
}

bool gpt_oss_need_all(const struct config *c, struct err *e)
{
    const char *path = c->path ? c->path : "the GGUF";
    if (!gpt_oss_scaled_rope(c) && !str_is(c->rope, "default"))
        return err_set(e, ERR_UNSUPPORTED, "%s: rope scaling " STR_FMT, path, STR_ARG(c->rope));
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *name = gpt_oss_settings[i].hf;
        if (!needed(&gpt_oss_settings[i], c) || c->of[i].known)
            continue;
        if (!c->path)
            err_set(e, ERR_INPUT, "nothing says %s: there is no config.json", name);
        else
            err_set(e, ERR_INPUT, "%s: has no %s", c->path, name);
        return err_hint(e, "--config FILE names the config.json of the model");
    }
    return true;
}

/* ---- GGUF --------------------------------------------------------------------------------- */

static const char *const gguf_takes[] = { "config.json",
                                          "tokenizer.json",
                                          "tokenizer_config.json",
                                          "special_tokens_map.json",
                                          "generation_config.json",
                                          "chat_template.jinja",
                                          NULL };
static const char *const original_takes[] = { "config.json", "dtypes.json", NULL };
static const char *const takes_none[] = { NULL };

static bool note_tokenizer(const struct model *m, struct plan *p, struct err *e)
{
    return !model_sidecar(m, "tokenizer.json") ||
           plan_note(p, e,
                     "lost of tokenizer.json, tokenizer_config.json and "
                     "generation_config.json: split regex text, added-token flags, "
                     "post-processor, model_max_length, do_sample, the eos list; and the "
                     "shard layout");
}

static bool write_gguf(const struct family_view *v, const struct config *c, struct plan *p,
                       const struct plan_options *opt, struct err *e)
{
    if (v->model->format == &format_gguf)
        return gpt_oss_copy_keys(v, p, opt, e);
    return gpt_oss_need_all(c, e) && gpt_oss_put_keys(v, c, p, e) &&
           (opt->reversible ||
            (plan_note_left(p, gguf_takes, e) && gpt_oss_note_config(v, c, p, FORM_GGUF, e) &&
             note_tokenizer(v->model, p, e)));
}

/* ---- directories ------------------------------------------------------------------------ */

/* A file of the output: a text that lives as long as the plan. */
static bool add_file(struct plan *p, const char *name, struct str text, struct err *e)
{
    struct span bytes = { (const uint8_t *)text.at, text.len };
    return text.at && plan_extra(p, str_of(name), bytes, NULL, text.len, e);
}

/* A text built in b, which is freed. */
static bool add_text(struct plan *p, const char *name, struct buf *b, struct err *e)
{
    struct str text = buf_ok(b) ? arena_str(&p->out.arena, buf_text(b), e) : (struct str){ 0 };
    buf_free(b);
    return add_file(p, name, text, e);
}

static void put_retyped(struct json_out *o, struct str key, struct str value, enum dtype type,
                        bool mxfp4)
{
    bool names_type = str_is(key, "torch_dtype") || str_is(key, "dtype");
    if (str_is(key, "quantization_config") && !mxfp4)
        return;
    json_put_key(o, key);
    if (names_type)
        json_put_str(o, type == DTYPE_F32   ? STR("float32")
                        : type == DTYPE_F16 ? STR("float16")
                                            : STR("bfloat16"));
    else
        json_put_raw(o, value);
}

/* config.json of the same form: as it was, but for the type of the weights. */
static bool add_config(const struct config *c, struct plan *p, enum dtype type, struct err *e)
{
    if (!c->text.at)
        return true;
    if (type == DTYPE_NONE) {
        struct str text = arena_str(&p->out.arena, c->text, e);
        return add_file(p, "config.json", text, e);
    }
    struct buf b = buf_make(e);
    struct json_out o = json_out(&b, JSON_INDENT);
    struct json j;
    struct str key;
    struct arena scratch = { 0 };
    json_open(&j, c->path, 0, c->text, &scratch, e);
    json_object(&j);
    json_put_open(&o, '{');
    while (json_key(&j, &key))
        put_retyped(&o, key, json_raw(&j), type, gpt_oss_has_mxfp4(p));
    json_put_close(&o, '}');
    buf_puts(&b, "\n");
    json_close(&j);
    arena_free(&scratch);
    if (e->code == ERR_NONE)
        return add_text(p, "config.json", &b, e);
    buf_free(&b);
    return false;
}

/* From a form to itself: every file as it is; config.json may be another (--config) or speak
 * of another type. */
static bool same_form(const struct family_view *v, const struct config *c, struct plan *p,
                      const struct plan_options *opt, struct err *e)
{
    const struct model *m = v->model;
    bool as_it_is = opt->type == DTYPE_NONE && !opt->config;
    for (size_t i = 0; i < m->n_sidecars; i++) {
        const struct sidecar *s = &m->sidecars[i];
        bool made =
            str_ends(s->name, ".index.json") || (!as_it_is && str_is(s->name, "config.json"));
        if (!made && !plan_extra(p, s->name, (struct span){ 0 }, s->path, s->size, e))
            return false;
    }
    return as_it_is || add_config(c, p, opt->type, e);
}

/* The tokenizer files that the keys of a GGUF hold. */
static bool add_vocab(const struct metadata *keys, struct plan *p, struct err *e)
{
    struct vocab_sources s = { 0 };
    if (!meta_find(keys, "tokenizer.ggml.tokens"))
        return plan_note(p, e, "the GGUF has no tokenizer, so the output has none");
    if (!vocab_from_gguf(keys, &s, &p->out.arena, e))
        return err_within(e, "%s", p->src->path);
    const struct {
        const char *name;
        struct str text;
    } files[] = {
        { "tokenizer.json", s.tokenizer_json },
        { "tokenizer_config.json", s.tokenizer_config_json },
        { "special_tokens_map.json", s.special_tokens_map_json },
        { "generation_config.json", s.generation_config_json },
        { "chat_template.jinja", s.chat_template_jinja },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].text.at && !add_file(p, files[i].name, files[i].text, e))
            return false;
    return true;
}

static bool hf_of_gguf(const struct family_view *v, struct plan *p, const struct plan_options *opt,
                       struct err *e)
{
    struct metadata keys = { 0 };
    return gpt_oss_spell_keys(v, &keys, &p->out.arena, e) && add_vocab(&keys, p, e) &&
           plan_note(p, e,
                     "the GGUF carries no original files: config.json and the tokenizer files are "
                     "made of its keys, the rest are the release's values") &&
           (opt->reversible ||
            (gpt_oss_note_keys(&keys, p, e) && plan_note_left(p, takes_none, e)));
}

static bool write_hf(const struct family_view *v, const struct config *c, struct plan *p,
                     const struct plan_options *opt, struct err *e)
{
    struct buf b = buf_make(e);
    if (!gpt_oss_need_all(c, e))
        return false;
    gpt_oss_put_hf(&b, v, c, p);
    if (!add_text(p, "config.json", &b, e))
        return false;
    if (v->spelling->form == FORM_HF)
        return true;
    if (v->spelling->form == FORM_GGUF)
        return hf_of_gguf(v, p, opt, e);
    return plan_note(p, e,
                     "original/ has no tokenizer: copy tokenizer.json and its companions from "
                     "the HF form; what its config.json lacks has the release's values") &&
           (opt->reversible || plan_note_left(p, original_takes, e));
}

static bool write_original(const struct family_view *v, const struct config *c, struct plan *p,
                           const struct plan_options *opt, struct err *e)
{
    struct buf b = buf_make(e), d = buf_make(e);
    if (!gpt_oss_need_all(c, e))
        return false;
    gpt_oss_put_original(&b, c);
    gpt_oss_put_dtypes(&d, v, p);
    bool ok = add_text(p, "config.json", &b, e) && add_text(p, "dtypes.json", &d, e);
    buf_free(&d);
    if (!ok || opt->reversible)
        return ok;
    return plan_note_left(p, original_takes, e) && gpt_oss_note_config(v, c, p, FORM_ORIGINAL, e) &&
           (v->spelling->form != FORM_GGUF ||
            plan_note(p, e,
                      "original/ has no place for a tokenizer and for most keys of the GGUF"));
}

bool gpt_oss_write_config(const struct family_view *v, struct plan *p,
                          const struct plan_options *opt, const struct spelling *to, struct err *e)
{
    struct config *c = v->config;
    gpt_oss_measure(c, v);
    if (to->form == FORM_GGUF)
        return write_gguf(v, c, p, opt, e);
    if (opt->one_file)
        return plan_note_left(p, takes_none, e);
    /* a source that speaks in keys has no files to copy, whatever it calls its tensors */
    bool keys = meta_find(&v->model->files[0].metadata, "general.architecture");
    if (to->form == v->spelling->form && !keys)
        return same_form(v, c, p, opt, e);
    return to->form == FORM_HF ? write_hf(v, c, p, opt, e) : write_original(v, c, p, opt, e);
}
