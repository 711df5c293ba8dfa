/* gpt_oss_write.c - what stands beside the tensors of a gpt-oss output: GGUF keys, or
 * config.json and its companions; and what the output cannot hold, said. */
#include "formats/base/json.h"
#include "formats/family/gpt_oss.h"
#include "formats/vocab.h"

#include <cjson/cJSON.h>
#include <stdio.h>

// clang-format off
/* GGUF keys in the order llama.cpp's converter writes them; "feed_forward_length" and
 * "value_length" repeat a setting. */
static const struct { const char *key, *hf; } gguf_keys[] = {
    { "block_count", "num_hidden_layers" }, { "context_length", "max_position_embeddings" },
    { "embedding_length", "hidden_size" }, { "feed_forward_length", "intermediate_size" },
    { "attention.head_count", "num_attention_heads" }, { "attention.head_count_kv", "num_key_value_heads" },
    { "rope.freq_base", "rope_theta" }, { "attention.layer_norm_rms_epsilon", "rms_norm_eps" },
    { "expert_count", "num_local_experts" }, { "expert_used_count", "experts_per_token" },
    { "attention.key_length", "head_dim" }, { "attention.value_length", "head_dim" },
    { "attention.sliding_window", "sliding_window" }, { "expert_feed_forward_length", "intermediate_size" },
    { "rope.scaling.factor", "rope_scaling.factor" },
    { "rope.scaling.original_context_length", "initial_context_length" },
    { "rope.scaling.yarn_beta_fast", "rope_scaling.beta_fast" }, { "rope.scaling.yarn_beta_slow", "rope_scaling.beta_slow" },
};
// clang-format on

bool gpt_oss_has_mxfp4(const struct plan *p)
{
    for (size_t i = 0; i < p->out.n_tensors; i++)
        if (p->recipes[i].dtype == DTYPE_MXFP4_BLOCKS || p->recipes[i].dtype == DTYPE_MXFP4)
            return true;
    return false;
}

/* ---- notes ------------------------------------------------------------------------------- */

/* Appends ", name" to a list of names. */
static void list(struct buf *b, const char *name)
{
    buf_printf(b, "%s%s", b->len ? ", " : "", name);
}

static bool kept_by_gguf(const char *dotted)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (gpt_oss_settings[i].gguf && strcmp(gpt_oss_settings[i].hf, dotted) == 0)
            return true;
    return strcmp(dotted, "vocab_size") == 0 || strcmp(dotted, "model_type") == 0 ||
           strcmp(dotted, "architectures") == 0 || strcmp(dotted, "rope_scaling.rope_type") == 0;
}

/* Lists `was` if GGUF has no key for it, with a mark if the way back would say otherwise. */
static void list_lost(struct buf *b, const char *dotted, const cJSON *was, const cJSON *back)
{
    const cJSON *now = json_at(back, dotted);
    bool same = now && cJSON_Compare(was, now, true);
    if (!same || !kept_by_gguf(dotted))
        buf_printf(b, "%s%s%s", b->len ? ", " : "", dotted, same ? "" : " (changed)");
}

/* What the source's config.json says that GGUF has no key for. */
static bool note_lost_config(const struct config *c, struct plan *p, struct str back, struct err *e)
{
    struct buf lost = buf_make(e);
    cJSON *was = json_tree(c->path, c->text, e);
    cJSON *is = was ? json_tree("config.json", back, e) : NULL;
    for (const cJSON *m = is ? was->child : NULL; m; m = m->next) {
        bool nested = strncmp(m->string, "rope_", 5) == 0 && cJSON_IsObject(m);
        for (const cJSON *k = nested ? m->child : NULL; k; k = k->next) {
            char dotted[200];
            snprintf(dotted, sizeof dotted, "rope_scaling.%s", k->string);
            list_lost(&lost, dotted, k, is);
        }
        if (!nested)
            list_lost(&lost, m->string, m, is);
    }
    bool ok =
        is && buf_ok(&lost) &&
        (!lost.len || plan_note(p, e,
                                "config.json keys that GGUF does not hold: " STR_FMT " (converting "
                                "back writes the release's values; --reversible keeps all)",
                                STR_ARG(buf_text(&lost))));
    cJSON_Delete(was);
    cJSON_Delete(is);
    buf_free(&lost);
    return ok;
}

/* Files beside the weights that the output has no place for. */
static bool note_left_files(const struct model *m, struct plan *p, const char *const *taken,
                            struct err *e)
{
    struct buf left = buf_make(e);
    for (size_t i = 0; i < m->n_sidecars; i++) {
        bool used = str_ends(m->sidecars[i].name, ".index.json");
        for (size_t k = 0; taken[k]; k++)
            used = used || str_is(m->sidecars[i].name, taken[k]);
        char name[256];
        snprintf(name, sizeof name, STR_FMT, STR_ARG(m->sidecars[i].name));
        if (!used)
            list(&left, name);
    }
    bool ok = buf_ok(&left) &&
              (!left.len || plan_note(p, e, "files left out (--reversible keeps them): " STR_FMT,
                                      STR_ARG(buf_text(&left))));
    buf_free(&left);
    return ok;
}

/* ---- GGUF --------------------------------------------------------------------------------- */

static bool need_all(const struct config *c, struct err *e)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (gpt_oss_settings[i].needed && !c->of[i].known) {
            if (!c->path) {
                err_set(e, ERR_INPUT, "there is no config.json, and GGUF needs its values");
                return err_hint(e, "--config FILE names one");
            }
            err_set(e, ERR_INPUT, "%s: has no %s, and GGUF needs it", c->path,
                    gpt_oss_settings[i].hf);
            return err_hint(e, "is it the config.json of a gpt-oss model?");
        }
    return true;
}

static uint32_t file_type(const struct plan *p)
{
    if (gpt_oss_has_mxfp4(p))
        return 38; /* MOSTLY_MXFP4_MOE */
    for (size_t i = 0; i < p->out.n_tensors; i++)
        if (str_starts(p->out.tensors[i].name, "token_embd."))
            return p->out.tensors[i].dtype == DTYPE_BF16 ? 32
                                                         : p->out.tensors[i].dtype == DTYPE_F16;
    return 0;
}

static bool put_gguf_keys(const struct config *c, struct plan *p, struct err *e)
{
    struct metadata *m = &p->out.files[0].metadata;
    struct arena *a = &p->out.arena;
    bool ok = meta_add_str(m, "general.architecture", STR("gpt-oss"), a, e) &&
              meta_add_str(m, "general.type", STR("model"), a, e) &&
              meta_add_str(m, "general.name", STR("gpt-oss"), a, e);
    for (size_t i = 0; ok && i < sizeof gguf_keys / sizeof *gguf_keys; i++) {
        size_t k = gpt_oss_setting(gguf_keys[i].hf);
        char *key = arena_printf(a, e, "gpt-oss.%s", gguf_keys[i].key);
        double v = c->of[k].value;
        if (gpt_oss_settings[k].type == META_U32 && !(v >= 0 && v <= UINT32_MAX))
            return err_set(e, ERR_INPUT, "%s: %s is %g, GGUF holds 0 to 4294967295", c->path,
                           gpt_oss_settings[k].hf, v);
        ok = key && (gpt_oss_settings[k].type == META_U32 ? meta_add_u32(m, key, (uint32_t)v, a, e)
                                                          : meta_add_f32(m, key, (float)v, a, e));
    }
    size_t limit = gpt_oss_setting("swiglu_limit");
    return ok && meta_add_str(m, "gpt-oss.rope.scaling.type", STR("yarn"), a, e) &&
           (c->of[limit].value == 7.0 || /* what GGUF runtimes compute with */
            meta_add_f32(m, gpt_oss_settings[limit].gguf + 1, (float)c->of[limit].value, a, e)) &&
           meta_add_u32(m, "general.file_type", file_type(p), a, e) &&
           (!gpt_oss_has_mxfp4(p) || meta_add_u32(m, "general.quantization_version", 2, a, e));
}

static bool slurp(const struct model *m, const char *name, struct str *out, struct arena *a,
                  struct err *e)
{
    const struct sidecar *s = model_sidecar(m, name);
    struct span bytes;
    if (!s)
        return true;
    if (!file_slurp(s->path, 256 << 20, a, &bytes, e))
        return false;
    *out = (struct str){ (const char *)bytes.at, bytes.len };
    return true;
}

static bool put_tokenizer(const struct family_view *v, const struct config *c, struct plan *p,
                          struct err *e)
{
    const struct model *m = v->model;
    struct vocab_sources from = { .dir = m->path };
    struct arena texts = { 0 }; /* 28 MB that the plan need not keep */
    size_t eos = gpt_oss_setting("eos_token_id"), pad = gpt_oss_setting("pad_token_id");
    if (!model_sidecar(m, "tokenizer.json"))
        return plan_note(p, e,
                         "there is no tokenizer.json: the GGUF is complete, but llama.cpp "
                         "needs a tokenizer to load it");
    bool ok = slurp(m, "tokenizer.json", &from.tokenizer_json, &texts, e) &&
              slurp(m, "tokenizer_config.json", &from.tokenizer_config_json, &texts, e) &&
              slurp(m, "special_tokens_map.json", &from.special_tokens_map_json, &texts, e) &&
              slurp(m, "generation_config.json", &from.generation_config_json, &texts, e) &&
              slurp(m, "chat_template.jinja", &from.chat_template_jinja, &texts, e) &&
              vocab_to_gguf(&from, v->dims[DIM_VOCAB],
                            c->of[eos].known ? (uint64_t)c->of[eos].value : UINT64_MAX,
                            c->of[pad].known ? (uint64_t)c->of[pad].value : UINT64_MAX,
                            &p->out.files[0].metadata, &p->out.arena, e);
    arena_free(&texts);
    return ok;
}

/* The config.json that converting this GGUF back would write. */
static bool way_back(const struct family_view *v, const struct plan *p, struct buf *b)
{
    struct config back = { 0 };
    gpt_oss_from_keys(&back, &p->out.files[0].metadata);
    gpt_oss_know(&back, gpt_oss_setting("vocab_size"), (double)v->dims[DIM_VOCAB]);
    gpt_oss_complete(&back);
    gpt_oss_put_hf(b, v, &back, p);
    return buf_ok(b);
}

/* A key of an early-Ollama file as llama.cpp spells it. */
static bool translate_key(struct meta *m, struct metadata *to, const struct plan *p,
                          struct arena *a, struct err *e)
{
    if (str_is(m->key, "general.architecture"))
        return meta_add_str(to, "general.architecture", STR("gpt-oss"), a, e);
    if (str_is(m->key, "general.file_type"))
        return meta_add_u32(to, "general.file_type", file_type(p), a, e);
    if (str_is(m->key,
               "tokenizer.ggml.pre")) /* the only one gpt-oss has; Ollama may say "default" */
        return meta_add_str(to, "tokenizer.ggml.pre", STR("gpt-4o"), a, e);
    if (str_starts(m->key, "gptoss.")) {
        char *key = arena_printf(a, e, "gpt-oss." STR_FMT, (int)m->key.len - 7, m->key.at + 7);
        if (!key)
            return false;
        m->key = str_of(key);
    }
    return meta_add(to, *m, a, e);
}

/* What Ollama's converter left out and llama.cpp asks for. */
static bool complete_keys(struct metadata *to, struct arena *a, struct err *e)
{
    uint64_t inner;
    return (meta_find(to, "gpt-oss.expert_feed_forward_length") ||
            !meta_get_u64(to, "gpt-oss.feed_forward_length", &inner) ||
            meta_add_u32(to, "gpt-oss.expert_feed_forward_length", (uint32_t)inner, a, e)) &&
           (meta_find(to, "gpt-oss.rope.scaling.type") ||
            meta_add_str(to, "gpt-oss.rope.scaling.type", STR("yarn"), a, e)) &&
           (meta_find(to, "tokenizer.ggml.pre") || !meta_find(to, "tokenizer.ggml.tokens") ||
            meta_add_str(to, "tokenizer.ggml.pre", STR("gpt-4o"), a, e));
}

/* GGUF to GGUF: the same keys in the same order, but for the file type and what only Ollama says
 * otherwise. */
static bool rewrite_keys(const struct family_view *v, struct plan *p, bool retyped, struct err *e)
{
    const struct metadata *from = &v->model->files[0].metadata;
    struct metadata *to = &p->out.files[0].metadata;
    struct arena *a = &p->out.arena;
    bool ollama = strncmp(v->spelling->name, "ollama", 6) == 0, ok = true;
    for (size_t i = 0; ok && i < from->n; i++) {
        struct meta m = from->all[i];
        bool type = str_is(m.key, "general.file_type") && retyped;
        ok = ollama || type ? translate_key(&m, to, p, a, e) : meta_add(to, m, a, e);
    }
    return ok && (!ollama || complete_keys(to, a, e));
}

static bool note_tokenizer(struct plan *p, struct err *e)
{
    return plan_note(p, e,
                     "lost of tokenizer.json, tokenizer_config.json and "
                     "generation_config.json: split regex text, added-token flags, "
                     "post-processor, model_max_length, do_sample, the eos list; and the "
                     "shard layout");
}

static bool write_gguf(const struct family_view *v, const struct config *c, struct plan *p,
                       const struct plan_options *opt, struct err *e)
{
    static const char *const taken[] = { "config.json",
                                         "tokenizer.json",
                                         "tokenizer_config.json",
                                         "special_tokens_map.json",
                                         "generation_config.json",
                                         "chat_template.jinja",
                                         NULL };
    if (v->model->format == &format_gguf)
        return rewrite_keys(v, p, opt->type != DTYPE_NONE, e);
    if (!need_all(c, e) || !put_gguf_keys(c, p, e) || !put_tokenizer(v, c, p, e))
        return false;
    if (opt->reversible)
        return true;
    struct buf b = buf_make(e);
    bool ok = note_left_files(v->model, p, taken, e) &&
              (!c->is_hf || (way_back(v, p, &b) && note_lost_config(c, p, buf_text(&b), e))) &&
              (!model_sidecar(v->model, "tokenizer.json") || note_tokenizer(p, e));
    buf_free(&b);
    return ok;
}

/* ---- directories ------------------------------------------------------------------------ */

/* Adds a text built in b (freed) as a file of the output. */
static bool add_text(struct plan *p, const char *name, struct buf *b, struct err *e)
{
    struct str text = buf_ok(b) ? arena_str(&p->out.arena, buf_text(b), e) : (struct str){ 0 };
    buf_free(b);
    return text.at &&
           plan_extra(p, str_of(name), (struct span){ (const uint8_t *)text.at, text.len }, NULL,
                      text.len, e);
}

/* config.json of the same form with another type: as it was, without quantization_config. */
static bool retyped_config(const struct config *c, struct plan *p, struct err *e)
{
    struct buf b = buf_make(e);
    struct json_out o = json_out(&b, JSON_INDENT);
    struct json j;
    struct str key;
    struct arena scratch = { 0 };
    json_open(&j, c->path, 0, c->text, &scratch, e);
    json_object(&j);
    json_put_open(&o, '{');
    while (json_key(&j, &key)) {
        struct str value = json_raw(&j);
        if (!str_is(key, "quantization_config") || gpt_oss_has_mxfp4(p)) {
            json_put_key(&o, key);
            json_put_raw(&o, value);
        }
    }
    json_put_close(&o, '}');
    buf_puts(&b, "\n");
    json_close(&j);
    arena_free(&scratch);
    bool ok = e->code == ERR_NONE && add_text(p, "config.json", &b, e);
    buf_free(&b);
    return ok;
}

static bool copy_sidecars(const struct family_view *v, struct plan *p, bool config, struct err *e)
{
    const struct model *m = v->model;
    for (size_t i = 0; i < m->n_sidecars; i++) {
        const struct sidecar *s = &m->sidecars[i];
        if (!str_ends(s->name, ".index.json") && (config || !str_is(s->name, "config.json")) &&
            !plan_extra(p, s->name, (struct span){ 0 }, s->path, s->size, e))
            return false;
    }
    return true;
}

static bool add_vocab(const struct family_view *v, struct plan *p, struct err *e)
{
    const struct metadata *m = &v->model->files[0].metadata;
    struct vocab_sources s = { 0 };
    if (!meta_find(m, "tokenizer.ggml.tokens"))
        return plan_note(p, e, "the GGUF has no tokenizer, so the output has none");
    if (!vocab_from_gguf(m, &s, &p->out.arena, e))
        return false;
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
        if (files[i].text.at &&
            !plan_extra(p, str_of(files[i].name),
                        (struct span){ (const uint8_t *)files[i].text.at, files[i].text.len }, NULL,
                        files[i].text.len, e))
            return false;
    return true;
}

static bool write_hf(const struct family_view *v, const struct config *c, struct plan *p,
                     const struct plan_options *opt, struct err *e)
{
    if (v->spelling->form == FORM_HF && c->is_hf) {
        bool same = opt->type == DTYPE_NONE;
        return copy_sidecars(v, p, same, e) && (same || retyped_config(c, p, e));
    }
    struct buf b = buf_make(e);
    gpt_oss_put_hf(&b, v, c, p);
    bool ok = add_text(p, "config.json", &b, e);
    if (ok && v->spelling->form == FORM_GGUF)
        ok = add_vocab(v, p, e) &&
             plan_note(p, e,
                       "the GGUF carries no original files: config.json and the tokenizer "
                       "files are made of its keys, the rest are the release's values");
    if (ok && v->spelling->form == FORM_ORIGINAL)
        ok = plan_note(p, e,
                       "original/ has no tokenizer: copy tokenizer.json and its companions "
                       "from the HF form");
    return ok;
}

static bool write_original(const struct family_view *v, const struct config *c, struct plan *p,
                           const struct plan_options *opt, struct err *e)
{
    static const char *const taken[] = { "config.json", "dtypes.json", NULL };
    if (v->spelling->form == FORM_ORIGINAL)
        return copy_sidecars(v, p, true, e);
    struct buf b = buf_make(e), d = buf_make(e);
    gpt_oss_put_original(&b, c);
    gpt_oss_put_dtypes(&d, v, p);
    bool ok = add_text(p, "config.json", &b, e) && add_text(p, "dtypes.json", &d, e) &&
              (opt->reversible || note_left_files(v->model, p, taken, e));
    buf_free(&d); /* still there if the first failed */
    return ok;
}

bool gpt_oss_write_config(const struct family_view *v, struct plan *p,
                          const struct plan_options *opt, const struct spelling *to, struct err *e)
{
    struct config *c = v->config;
    size_t vocab = gpt_oss_setting("vocab_size");
    if (!c->of[vocab].known) /* no GGUF key says it, the embedding does */
        gpt_oss_know(c, vocab, (double)v->dims[DIM_VOCAB]);
    if (to->form == FORM_GGUF)
        return write_gguf(v, c, p, opt, e);
    if (opt->one_file)
        return true;
    return to->form == FORM_HF ? write_hf(v, c, p, opt, e) : write_original(v, c, p, opt, e);
}
