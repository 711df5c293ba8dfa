/* gpt_oss_config.c - the configuration of gpt-oss: config.json, original/config.json and
 * GGUF keys as one table, read and written in every direction.
 *
 * Sources: the released config.json and original/config.json, and the keys of llama.cpp's
 * converter.  Defaults are those of the release, used only where a form cannot say. */
#include "formats/base/json.h"
#include "formats/family/gpt_oss.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

// clang-format off
const struct setting gpt_oss_settings[N_SETTINGS] = {
    { "architectures", .kind = FIXED, .fixed = "[\n    \"GptOssForCausalLM\"\n  ]" },
    { "attention_bias", .kind = FIXED, .fixed = "true" },
    { "attention_dropout", .kind = FIXED, .fixed = "0.0" },
    { "eos_token_id", .gguf = ":tokenizer.ggml.eos_token_id", .kind = WHOLE, .type = META_U32 },
    { "experts_per_token", .original = "experts_per_token", .gguf = "expert_used_count", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "head_dim", .original = "head_dim", .gguf = "attention.key_length", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "hidden_act", .kind = FIXED, .fixed = "\"silu\"" },
    { "hidden_size", .original = "hidden_size", .gguf = "embedding_length", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "initial_context_length", .original = "initial_context_length", .gguf = "rope.scaling.original_context_length", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "initializer_range", .kind = FIXED, .fixed = "0.02" },
    { "intermediate_size", .original = "intermediate_size", .gguf = "expert_feed_forward_length", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "layer_types", .kind = SPECIAL },
    { "max_position_embeddings", .gguf = "context_length", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "model_type", .kind = FIXED, .fixed = "\"gpt_oss\"" },
    { "num_attention_heads", .original = "num_attention_heads", .gguf = "attention.head_count", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "num_experts_per_tok", .original = "experts_per_token", .gguf = "expert_used_count", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "num_hidden_layers", .original = "num_hidden_layers", .gguf = "block_count", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "num_key_value_heads", .original = "num_key_value_heads", .gguf = "attention.head_count_kv", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "num_local_experts", .original = "num_experts", .gguf = "expert_count", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "output_router_logits", .kind = FIXED, .fixed = "false" },
    { "pad_token_id", .gguf = ":tokenizer.ggml.padding_token_id", .kind = WHOLE, .type = META_U32 },
    { "quantization_config", .kind = SPECIAL },
    { "rms_norm_eps", .gguf = "attention.layer_norm_rms_epsilon", .kind = FLOAT, .fallback = 1e-05, .needed = true, .type = META_F32 },
    { "rope_scaling.beta_fast", .original = "rope_ntk_beta", .gguf = "rope.scaling.yarn_beta_fast", .kind = FLOAT, .fallback = 32.0, .type = META_F32 },
    { "rope_scaling.beta_slow", .original = "rope_ntk_alpha", .gguf = "rope.scaling.yarn_beta_slow", .kind = FLOAT, .fallback = 1.0, .type = META_F32 },
    { "rope_scaling.factor", .original = "rope_scaling_factor", .gguf = "rope.scaling.factor", .kind = FLOAT, .needed = true, .type = META_F32 },
    { "rope_scaling.original_max_position_embeddings", .original = "initial_context_length", .gguf = "rope.scaling.original_context_length", .kind = WHOLE, .type = META_U32 },
    { "rope_scaling.rope_type", .kind = FIXED, .fixed = "\"yarn\"" },
    { "rope_scaling.truncate", .kind = FLAG },
    { "rope_theta", .original = "rope_theta", .gguf = "rope.freq_base", .kind = NUMBER, .needed = true, .type = META_F32 },
    { "router_aux_loss_coef", .kind = FIXED, .fixed = "0.9" },
    { "sliding_window", .original = "sliding_window", .gguf = "attention.sliding_window", .kind = WHOLE, .needed = true, .type = META_U32 },
    { "swiglu_limit", .original = "swiglu_limit", .gguf = ":weighmaster.config.swiglu_limit", .kind = FLOAT, .fallback = 7.0, .type = META_F32 },
    { "tie_word_embeddings", .kind = SPECIAL },
    { "transformers_version", .kind = FIXED, .fixed = "\"4.55.0.dev0\"" },
    { "use_cache", .kind = FIXED, .fixed = "true" },
    { "vocab_size", .original = "vocab_size", .kind = WHOLE },
};

/* original/config.json: name and setting, in the released order. */
static const struct { const char *key, *hf; enum setting_kind kind; } original_keys[] = {
    { "num_hidden_layers", "num_hidden_layers", WHOLE }, { "num_experts", "num_local_experts", WHOLE },
    { "experts_per_token", "experts_per_token", WHOLE }, { "vocab_size", "vocab_size", WHOLE },
    { "hidden_size", "hidden_size", WHOLE }, { "intermediate_size", "intermediate_size", WHOLE },
    { "swiglu_limit", "swiglu_limit", FLOAT }, { "head_dim", "head_dim", WHOLE },
    { "num_attention_heads", "num_attention_heads", WHOLE }, { "num_key_value_heads", "num_key_value_heads", WHOLE },
    { "sliding_window", "sliding_window", WHOLE }, { "initial_context_length", "initial_context_length", WHOLE },
    { "rope_theta", "rope_theta", NUMBER }, { "rope_scaling_factor", "rope_scaling.factor", FLOAT },
    { "rope_ntk_alpha", "rope_scaling.beta_slow", NUMBER }, { "rope_ntk_beta", "rope_scaling.beta_fast", NUMBER },
};

// clang-format on

size_t gpt_oss_setting(const char *hf)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strcmp(gpt_oss_settings[i].hf, hf) == 0)
            return i;
    return 0; /* no table names a row that is not there: gpt_oss_config_test walks them */
}

/* ---- reading ------------------------------------------------------------------------- */

/* rope_scaling was renamed rope_parameters, and rope_theta moved into it. */
static bool tree_number(const cJSON *tree, const char *hf, double *out)
{
    char newer[80];
    bool scaling = strncmp(hf, "rope_scaling.", 13) == 0;
    if (json_get_double(tree, hf, out))
        return true;
    snprintf(newer, sizeof newer, "rope_parameters.%s", scaling ? hf + 13 : hf);
    return (scaling || strcmp(hf, "rope_theta") == 0) && json_get_double(tree, newer, out);
}

static bool tree_flag(const cJSON *tree, const char *hf, double *out)
{
    char newer[80];
    const cJSON *flag = json_at(tree, hf);
    snprintf(newer, sizeof newer, "rope_parameters%s", hf + strcspn(hf, "."));
    flag = flag ? flag : json_at(tree, newer);
    *out = cJSON_IsTrue(flag);
    return cJSON_IsBool(flag);
}

static bool takes(const struct setting *s, double v)
{
    return s->kind == WHOLE ? v >= 0 && v <= UINT32_MAX && v == (double)(uint32_t)v : v == v;
}

static void know(struct config *c, const char *hf, double value)
{
    size_t i = gpt_oss_setting(hf);
    if (!c->of[i].known) {
        c->of[i].known = true;
        c->of[i].value = value;
    }
}

static double value_of(const struct config *c, const char *hf)
{
    return c->of[gpt_oss_setting(hf)].value;
}

static bool knows(const struct config *c, const char *hf)
{
    return c->of[gpt_oss_setting(hf)].known;
}

bool gpt_oss_scaled_rope(const struct config *c) { return str_is(c->rope, "yarn"); }

/* Values that one form keeps under two names, or leaves to be computed. */
void gpt_oss_complete(struct config *c)
{
    static const char *const twins[][2] = {
        { "experts_per_token", "num_experts_per_tok" },
        { "num_experts_per_tok", "experts_per_token" },
        { "initial_context_length", "rope_scaling.original_max_position_embeddings" },
        { "rope_scaling.original_max_position_embeddings", "initial_context_length" },
    };
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
        if (knows(c, twins[i][1]))
            know(c, twins[i][0], value_of(c, twins[i][1]));
    if (!c->rope.len)
        c->rope = knows(c, "rope_scaling.factor") ? STR("yarn") : STR("default");
    if (knows(c, "initial_context_length") && knows(c, "rope_scaling.factor"))
        know(c, "max_position_embeddings",
             value_of(c, "initial_context_length") * value_of(c, "rope_scaling.factor"));
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (gpt_oss_settings[i].fallback != 0)
            know(c, gpt_oss_settings[i].hf, gpt_oss_settings[i].fallback);
}

static struct str rope_of(struct str type)
{
    return str_is(type, "yarn")                              ? STR("yarn")
           : str_is(type, "default") || str_is(type, "none") ? STR("default")
                                                             : STR("of a kind that is not known");
}

static void read_rope(struct config *c, const cJSON *tree)
{
    static const char *const where[] = { "rope_scaling.rope_type", "rope_scaling.type",
                                         "rope_parameters.rope_type" };
    struct str type;
    for (size_t i = 0; i < sizeof where / sizeof *where; i++)
        if (json_get_str(tree, where[i], &type))
            c->rope = rope_of(type);
}

static bool read_setting(struct config *c, const cJSON *tree, const struct setting *s,
                         struct err *e)
{
    double v;
    if (s->kind == FLAG) {
        if (tree_flag(tree, s->hf, &v))
            know(c, s->hf, v);
        return true;
    }
    if (!(tree_number(tree, s->hf, &v) ||
          (!c->is_hf && s->original && json_get_double(tree, s->original, &v)) ||
          (strcmp(s->hf, "num_local_experts") == 0 && json_get_double(tree, "num_experts", &v))))
        return true;
    if (takes(s, v))
        know(c, s->hf, v);
    else if (!str_ends(str_of(s->hf), "_token_id")) /* they may be -1: none */
        return err_set(e, ERR_INPUT, "%s: %s is %g", c->path, s->hf, v);
    return true;
}

bool gpt_oss_from_json(struct config *c, struct err *e)
{
    cJSON *tree = json_tree(c->path, c->text, e);
    bool ok = tree != NULL;
    c->is_hf = ok && (json_at(tree, "model_type") || json_at(tree, "architectures"));
    for (size_t i = 0; ok && i < N_SETTINGS; i++)
        if (gpt_oss_settings[i].kind != FIXED && gpt_oss_settings[i].kind != SPECIAL)
            ok = read_setting(c, tree, &gpt_oss_settings[i], e);
    if (ok)
        read_rope(c, tree);
    cJSON_Delete(tree);
    return ok;
}

/* The number people wrote before it became an f32: the shortest that reads back as f. */
static double shortest(float f)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f)
            return strtod(text, NULL);
    }
    return (double)f; /* NaN */
}

void gpt_oss_from_keys(struct config *c, const struct metadata *m)
{
    struct str arch = STR("gpt-oss");
    struct str type;
    char key[160];
    double v;
    meta_get_str(m, "general.architecture", &arch);
    for (size_t i = 0; arch.len <= 32 && i < N_SETTINGS; i++) {
        const struct setting *s = &gpt_oss_settings[i];
        if (!s->gguf)
            continue;
        if (*s->gguf == ':')
            snprintf(key, sizeof key, "%s", s->gguf + 1);
        else
            snprintf(key, sizeof key, STR_FMT ".%s", STR_ARG(arch), s->gguf);
        if (meta_get_double(m, key, &v) && takes(s, v))
            know(c, s->hf, s->type == META_F32 ? shortest((float)v) : v);
    }
    if (arch.len > 32)
        return;
    snprintf(key, sizeof key, STR_FMT ".feed_forward_length", STR_ARG(arch));
    if (meta_get_double(m, key, &v) && v >= 0 && v <= UINT32_MAX)
        know(c, "intermediate_size", v); /* Ollama has no expert_feed_forward_length */
    snprintf(key, sizeof key, STR_FMT ".rope.scaling.type", STR_ARG(arch));
    if (meta_get_str(m, key, &type))
        c->rope = rope_of(type);
}

static uint64_t whole(const struct config *c, const char *hf)
{
    return knows(c, hf) ? (uint64_t)value_of(c, hf) : 0;
}

bool gpt_oss_read_config(struct family_view *v, const char *config_path, struct err *e)
{
    struct config *c = arena_new(&v->arena, struct config, 1, e);
    if (!c || !family_config(v->model, config_path, &v->arena, &c->path, &c->text, e) ||
        (c->text.at && !gpt_oss_from_json(c, e)))
        return false;
    if (!c->text.at)
        gpt_oss_from_keys(c, &v->model->files[0].metadata);
    gpt_oss_complete(c);
    v->config = c;
    uint64_t dim = whole(c, "head_dim"); /* all below 2^32: no product overflows */
    v->dims[DIM_VOCAB] = whole(c, "vocab_size");
    v->dims[DIM_HIDDEN] = whole(c, "hidden_size");
    v->dims[DIM_HEADS] = whole(c, "num_attention_heads");
    v->dims[DIM_Q] = whole(c, "num_attention_heads") * dim;
    v->dims[DIM_KV] = whole(c, "num_key_value_heads") * dim;
    v->dims[DIM_EXPERTS] = whole(c, "num_local_experts");
    v->dims[DIM_INNER] = whole(c, "intermediate_size");
    v->n_layers = (uint32_t)whole(c, "num_hidden_layers");
    return true;
}

void gpt_oss_measure(struct config *c, const struct family_view *v)
{
    const uint64_t *d = v->dims;
    know(c, "vocab_size", (double)d[DIM_VOCAB]);
    know(c, "hidden_size", (double)d[DIM_HIDDEN]);
    know(c, "num_attention_heads", (double)d[DIM_HEADS]);
    know(c, "num_local_experts", (double)d[DIM_EXPERTS]);
    know(c, "intermediate_size", (double)d[DIM_INNER]);
    know(c, "num_hidden_layers", (double)v->n_layers);
    if (d[DIM_HEADS] && d[DIM_Q] % d[DIM_HEADS] == 0)
        know(c, "head_dim", (double)(d[DIM_Q] / d[DIM_HEADS]));
    uint64_t dim = whole(c, "head_dim");
    if (dim && d[DIM_KV] % dim == 0)
        know(c, "num_key_value_heads", (double)(d[DIM_KV] / dim));
}

/* ---- config.json ------------------------------------------------------------------------ */

static void put_number(struct json_out *o, enum setting_kind kind, double v)
{
    bool integer = v >= 0 && v < 9007199254740992.0 && v == (double)(uint64_t)v;
    if (integer && kind != FLOAT)
        json_put_u64(o, (uint64_t)v);
    else
        json_put_double(o, v);
}

static void put_special(struct json_out *o, const struct family_view *v, const struct plan *p,
                        const char *name)
{
    if (strcmp(name, "layer_types") == 0) {
        json_put_key(o, str_of(name));
        json_put_open(o, '[');
        for (uint32_t i = 0; i < v->n_layers; i++)
            json_put_str(o, i % 2 ? STR("full_attention") : STR("sliding_attention"));
        json_put_close(o, ']');
    } else if (strcmp(name, "quantization_config") == 0 && gpt_oss_has_mxfp4(p)) {
        static const char *const kept[] = { "model.layers.*.self_attn", "model.layers.*.mlp.router",
                                            "model.embed_tokens", "lm_head" };
        json_put_key(o, str_of(name));
        json_put_open(o, '{');
        json_put_key(o, STR("modules_to_not_convert"));
        json_put_open(o, '[');
        for (int i = 0; i < 4; i++)
            json_put_str(o, str_of(kept[i]));
        json_put_close(o, ']');
        json_put_kstr(o, "quant_method", STR("mxfp4"));
        json_put_close(o, '}');
    } else if (strcmp(name, "tie_word_embeddings") == 0) {
        json_put_kbool(o, name,
                       !model_find(&p->out, STR("lm_head.weight")) &&
                           !model_find(&p->out, STR("unembedding.weight")) &&
                           !model_find(&p->out, STR("output.weight")));
    }
}

/* config.json as the release has it, with this model's values. */
void gpt_oss_put_hf(struct buf *b, const struct family_view *v, const struct config *c,
                    const struct plan *p)
{
    struct json_out o = json_out(b, JSON_INDENT);
    bool inside = false; /* rope_scaling */
    json_put_open(&o, '{');
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &gpt_oss_settings[i];
        bool rope = strncmp(s->hf, "rope_scaling.", 13) == 0;
        if (rope && !inside) {
            json_put_key(&o, STR("rope_scaling"));
            if (gpt_oss_scaled_rope(c))
                json_put_open(&o, '{');
            else
                json_put_null(&o);
        } else if (!rope && inside && gpt_oss_scaled_rope(c)) {
            json_put_close(&o, '}');
        }
        inside = rope;
        if (rope && !gpt_oss_scaled_rope(c))
            continue;
        if (s->kind == SPECIAL) {
            put_special(&o, v, p, s->hf);
        } else if (s->kind == FIXED || s->kind == FLAG || c->of[i].known) {
            json_put_key(&o, str_of(rope ? s->hf + 13 : s->hf));
            if (s->kind == FIXED)
                json_put_raw(&o, str_of(s->fixed));
            else if (s->kind == FLAG)
                json_put_bool(&o, c->of[i].known && c->of[i].value != 0);
            else
                put_number(&o, s->kind, c->of[i].value);
        }
    }
    json_put_close(&o, '}');
    buf_puts(b, "\n");
}

void gpt_oss_put_original(struct buf *b, const struct config *c)
{
    struct json_out o = json_out(b, JSON_SPACED);
    json_put_open(&o, '{');
    for (size_t i = 0; i < sizeof original_keys / sizeof *original_keys; i++) {
        size_t k = gpt_oss_setting(original_keys[i].hf);
        bool unscaled =
            !gpt_oss_scaled_rope(c) && strcmp(original_keys[i].hf, "rope_scaling.factor") == 0;
        if (!c->of[k].known && !unscaled)
            continue;
        json_put_key(&o, str_of(original_keys[i].key));
        put_number(&o, original_keys[i].kind, unscaled ? 1.0 : c->of[k].value);
    }
    json_put_close(&o, '}');
}

/* dtypes.json has the tensor, if the output does. */
static void put_dtype(struct json_out *o, const struct plan *p, const char *name)
{
    const struct tensor *t = model_find(&p->out, str_of(name));
    if (!t)
        return;
    json_put_kstr(o, name,
                  str_ends(t->name, ".blocks")   ? STR("FP4")
                  : str_ends(t->name, ".scales") ? STR("UE8")
                  : t->dtype == DTYPE_BF16       ? STR("BF16")
                  : t->dtype == DTYPE_F16        ? STR("F16")
                                                 : STR("F32"));
}

/* In the order of the reference code. */
void gpt_oss_put_dtypes(struct buf *b, const struct family_view *v, const struct plan *p)
{
    static const char *const order[] = {
        "attn.norm.scale", "attn.qkv.weight", "attn.qkv.bias",          "attn.sinks",
        "attn.out.weight", "attn.out.bias",   "mlp.norm.scale",         "mlp.gate.weight",
        "mlp.gate.bias",   "mlp.mlp1_weight", "mlp.mlp1_weight.blocks", "mlp.mlp1_weight.scales",
        "mlp.mlp1_bias",   "mlp.mlp2_weight", "mlp.mlp2_weight.blocks", "mlp.mlp2_weight.scales",
        "mlp.mlp2_bias",
    };
    struct json_out o = json_out(b, JSON_SPACED);
    json_put_open(&o, '{');
    put_dtype(&o, p, "embedding.weight");
    for (uint32_t layer = 0; layer < v->n_layers; layer++)
        for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
            char name[FAMILY_NAME];
            snprintf(name, sizeof name, "block.%u.%s", layer, order[i]);
            put_dtype(&o, p, name);
        }
    put_dtype(&o, p, "norm.scale");
    put_dtype(&o, p, "unembedding.weight");
    json_put_close(&o, '}');
}
