/* gpt_oss_keys.c - the keys of a GGUF output: made of a configuration and tokenizer files, or
 * taken over from a GGUF source. */
#include "formats/carry.h"
#include "formats/family/gpt_oss.h"
#include "formats/vocab.h"

// clang-format off
/* In the order of llama.cpp's converter.  hf: the setting; NULL: see put_key. */
static const struct { const char *key, *hf; } keys[] = {
    { "block_count", "num_hidden_layers" }, { "context_length", "max_position_embeddings" },
    { "embedding_length", "hidden_size" }, { "feed_forward_length", "intermediate_size" },
    { "attention.head_count", "num_attention_heads" }, { "attention.head_count_kv", "num_key_value_heads" },
    { "rope.freq_base", "rope_theta" }, { "attention.layer_norm_rms_epsilon", "rms_norm_eps" },
    { "expert_count", "num_local_experts" }, { "expert_used_count", "experts_per_token" },
    { "attention.key_length", "head_dim" }, { "attention.value_length", "head_dim" },
    { "general.file_type", NULL },
    { "attention.sliding_window", "sliding_window" }, { "expert_feed_forward_length", "intermediate_size" },
    { "rope.scaling.type", NULL }, { "rope.scaling.factor", "rope_scaling.factor" },
    { "rope.scaling.original_context_length", "rope_scaling.original_max_position_embeddings" },
    { "rope.scaling.yarn_beta_fast", "rope_scaling.beta_fast" }, { "rope.scaling.yarn_beta_slow", "rope_scaling.beta_slow" },
    { "weighmaster.config.swiglu_limit", NULL },
};
// clang-format on

/* ---- of a configuration -------------------------------------------------------------- */

/* general.file_type (llama.cpp): what most of the weights are. */
static uint32_t file_type(const struct plan *p)
{
    enum { ALL_F32 = 0, MOSTLY_F16 = 1, MOSTLY_BF16 = 32, MOSTLY_MXFP4_MOE = 38 };
    const struct tensor *t = model_find(&p->out, STR("token_embd.weight"));
    if (gpt_oss_has_mxfp4(p))
        return MOSTLY_MXFP4_MOE;
    return !t                       ? ALL_F32
           : t->dtype == DTYPE_BF16 ? MOSTLY_BF16
           : t->dtype == DTYPE_F16  ? MOSTLY_F16
                                    : ALL_F32;
}

/* A key that is no setting as it stands. */
static bool put_special(const char *key, const struct config *c, struct plan *p, struct err *e)
{
    struct metadata *m = &p->out.files[0].metadata;
    struct arena *a = &p->out.arena;
    double limit = c->of[gpt_oss_setting("swiglu_limit")].value;
    if (strcmp(key, "general.file_type") == 0)
        return meta_add_u32(m, key, file_type(p), a, e);
    if (strcmp(key, "rope.scaling.type") == 0)
        return !gpt_oss_scaled_rope(c) ||
               meta_add_str(m, "gpt-oss.rope.scaling.type", STR("yarn"), a, e);
    return limit == 7.0 || /* what GGUF runtimes compute with; they know no key for it */
           meta_add_f32(m, key, (float)limit, a, e);
}

static bool put_setting(const char *key, const char *hf, const struct config *c, struct plan *p,
                        struct err *e)
{
    struct metadata *m = &p->out.files[0].metadata;
    struct arena *a = &p->out.arena;
    size_t i = gpt_oss_setting(hf);
    if (strncmp(key, "rope.scaling.", 13) == 0 && !gpt_oss_scaled_rope(c))
        return true;
    char *full = arena_printf(a, e, "gpt-oss.%s", key);
    double v = c->of[i].value;
    return full && (gpt_oss_settings[i].type == META_U32 ? meta_add_u32(m, full, (uint32_t)v, a, e)
                                                         : meta_add_f32(m, full, (float)v, a, e));
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

/* The token ids of the configuration, where no tokenizer says them. */
static bool put_ids(const struct config *c, struct plan *p, struct err *e)
{
    static const enum vocab_role roles[] = { VOCAB_EOS, VOCAB_PAD };
    for (size_t k = 0; k < sizeof roles / sizeof *roles; k++) {
        size_t i = gpt_oss_setting(vocab_roles[roles[k]].id);
        if (c->of[i].known && !meta_add_u32(&p->out.files[0].metadata, vocab_roles[roles[k]].key,
                                            (uint32_t)c->of[i].value, &p->out.arena, e))
            return false;
    }
    return plan_note(p, e,
                     "there is no tokenizer.json: the GGUF is complete, but llama.cpp "
                     "needs a tokenizer to load it");
}

static bool put_tokenizer(const struct family_view *v, const struct config *c, struct plan *p,
                          struct err *e)
{
    const struct model *m = v->model;
    struct vocab_sources from = { .dir = m->path };
    struct arena texts = { 0 }; /* 28 MB that the plan need not keep */
    size_t eos = gpt_oss_setting("eos_token_id"), pad = gpt_oss_setting("pad_token_id");
    if (!model_sidecar(m, "tokenizer.json"))
        return put_ids(c, p, e);
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

bool gpt_oss_put_keys(const struct family_view *v, const struct config *c, struct plan *p,
                      struct err *e)
{
    struct metadata *m = &p->out.files[0].metadata;
    struct arena *a = &p->out.arena;
    bool ok = meta_add_str(m, "general.architecture", STR("gpt-oss"), a, e) &&
              meta_add_str(m, "general.type", STR("model"), a, e) &&
              meta_add_str(m, "general.name", STR("gpt-oss"), a, e);
    for (size_t i = 0; ok && i < sizeof keys / sizeof *keys; i++)
        ok = keys[i].hf ? put_setting(keys[i].key, keys[i].hf, c, p, e)
                        : put_special(keys[i].key, c, p, e);
    return ok && put_tokenizer(v, c, p, e) &&
           (!gpt_oss_has_mxfp4(p) || meta_add_u32(m, "general.quantization_version", 2, a, e));
}

/* ---- of a GGUF source ------------------------------------------------------------------ */

/* A key of an Ollama file as llama.cpp spells it. */
static bool translate(struct meta m, struct metadata *to, struct arena *a, struct err *e)
{
    struct str text;
    if (str_is(m.key, "general.architecture"))
        return meta_add_str(to, "general.architecture", STR("gpt-oss"), a, e);
    if (str_is(m.key, "tokenizer.ggml.pre") && meta_str(&m, &text) && str_is(text, "default"))
        return meta_add_str(to, "tokenizer.ggml.pre", STR("gpt-4o"), a, e); /* it knew no better */
    if (str_starts(m.key, "gptoss.")) {
        char *key = arena_printf(a, e, "gpt-oss." STR_FMT, (int)m.key.len - 7, m.key.at + 7);
        if (!key)
            return false;
        m.key = str_of(key);
    }
    return meta_add(to, m, a, e);
}

/* What Ollama's converters left out and llama.cpp asks for. */
static bool complete(struct metadata *to, struct arena *a, struct err *e)
{
    uint64_t inner;
    return (meta_find(to, "gpt-oss.expert_feed_forward_length") ||
            !meta_get_u64(to, "gpt-oss.feed_forward_length", &inner) ||
            meta_add_u32(to, "gpt-oss.expert_feed_forward_length", (uint32_t)inner, a, e)) &&
           (meta_find(to, "gpt-oss.rope.scaling.type") ||
            !meta_find(to, "gpt-oss.rope.scaling.factor") ||
            meta_add_str(to, "gpt-oss.rope.scaling.type", STR("yarn"), a, e)) &&
           (meta_find(to, "tokenizer.ggml.pre") || !meta_find(to, "tokenizer.ggml.tokens") ||
            meta_add_str(to, "tokenizer.ggml.pre", STR("gpt-4o"), a, e));
}

static bool is_ollama(const struct metadata *m)
{
    struct str arch;
    return meta_get_str(m, "general.architecture", &arch) && str_is(arch, "gptoss");
}

bool gpt_oss_spell_keys(const struct family_view *v, struct metadata *to, struct arena *a,
                        struct err *e)
{
    const struct metadata *from = &v->model->files[0].metadata;
    bool ollama = is_ollama(from), ok = true;
    for (size_t i = 0; ok && i < from->n; i++)
        ok = ollama ? translate(from->all[i], to, a, e) : meta_add(to, from->all[i], a, e);
    return ok && (!ollama || complete(to, a, e));
}

/* The same keys in the same order.  Carried files stay as long as the weights are those they
 * belong to, unless the source as it is now is carried. */
bool gpt_oss_copy_keys(const struct family_view *v, struct plan *p, const struct plan_options *opt,
                       struct err *e)
{
    struct metadata spelled = { 0 }, *to = &p->out.files[0].metadata;
    struct arena *a = &p->out.arena;
    bool retyped = opt->type != DTYPE_NONE, drop = retyped || opt->reversible;
    bool new_type = retyped || is_ollama(&v->model->files[0].metadata);
    bool ok = gpt_oss_spell_keys(v, &spelled, a, e);
    for (size_t i = 0; ok && i < spelled.n; i++) {
        struct str key = spelled.all[i].key;
        if (drop && carry_is_key(key))
            continue;
        ok = new_type && str_is(key, "general.file_type")
                 ? meta_add_u32(to, "general.file_type", file_type(p), a, e)
                 : meta_add(to, spelled.all[i], a, e);
    }
    return ok;
}
