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
    { "rope_scaling.truncate", .kind = FIXED, .fixed = "false" },
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
    return 0; /* no table names a row that is not there: gpt_oss_test walks them */
}

/* ---- reading ------------------------------------------------------------------------- */

/* rope_scaling was renamed rope_parameters, and rope_theta moved into it. */
static bool tree_number(const cJSON *tree, const char *hf, double *out)
{
    char newer[80];
    if (json_get_double(tree, hf, out))
        return true;
    snprintf(newer, sizeof newer, "rope_parameters%s",
             strncmp(hf, "rope_scaling", 12) == 0 ? hf + 12 : ".rope_theta");
    return (strncmp(hf, "rope_scaling.", 13) == 0 || strcmp(hf, "rope_theta") == 0) &&
           json_get_double(tree, newer, out);
}

void gpt_oss_know(struct config *c, size_t i, double value)
{
    c->of[i].known = true;
    c->of[i].value = value;
}

/* Values that one form keeps under two names, or leaves to be computed. */
void gpt_oss_complete(struct config *c)
{
    size_t ctx = gpt_oss_setting("initial_context_length"),
           factor = gpt_oss_setting("rope_scaling.factor"),
           max = gpt_oss_setting("max_position_embeddings"),
           again = gpt_oss_setting("num_experts_per_tok"),
           used = gpt_oss_setting("experts_per_token"),
           first = gpt_oss_setting("rope_scaling.original_max_position_embeddings");
    if (!c->of[used].known && c->of[again].known)
        gpt_oss_know(c, used, c->of[again].value);
    if (!c->of[again].known && c->of[used].known)
        gpt_oss_know(c, again, c->of[used].value);
    if (!c->of[ctx].known && c->of[first].known)
        gpt_oss_know(c, ctx, c->of[first].value);
    if (!c->of[first].known && c->of[ctx].known)
        gpt_oss_know(c, first, c->of[ctx].value);
    if (!c->of[max].known && c->of[ctx].known && c->of[factor].known)
        gpt_oss_know(c, max, c->of[ctx].value * c->of[factor].value);
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (!c->of[i].known && gpt_oss_settings[i].fallback != 0)
            gpt_oss_know(c, i, gpt_oss_settings[i].fallback);
}

static bool from_json(struct config *c, struct err *e)
{
    cJSON *tree = json_tree(c->path, c->text, e);
    double v;
    if (!tree)
        return false;
    c->is_hf = json_at(tree, "model_type") || json_at(tree, "architectures");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &gpt_oss_settings[i];
        if (s->kind == FIXED || s->kind == SPECIAL)
            continue;
        if (tree_number(tree, s->hf, &v) ||
            (!c->is_hf && s->original && json_get_double(tree, s->original, &v)) ||
            (strcmp(s->hf, "num_local_experts") == 0 && json_get_double(tree, "num_experts", &v)))
            gpt_oss_know(c, i, v);
    }
    cJSON_Delete(tree);
    return true;
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
    meta_get_str(m, "general.architecture", &arch);
    for (size_t i = 0; i < N_SETTINGS; i++) {
        char key[160];
        double v;
        const char *g = gpt_oss_settings[i].gguf;
        if (!g || arch.len > 32)
            continue;
        if (*g == ':')
            snprintf(key, sizeof key, "%s", g + 1);
        else
            snprintf(key, sizeof key, STR_FMT ".%s", STR_ARG(arch), g);
        if (meta_get_double(m, key, &v))
            gpt_oss_know(c, i, gpt_oss_settings[i].type == META_F32 ? shortest((float)v) : v);
    }
    double inner;
    if (str_is(arch, "gptoss") && meta_get_double(m, "gptoss.feed_forward_length", &inner))
        gpt_oss_know(c, gpt_oss_setting("intermediate_size"), inner);
}

static uint64_t whole(const struct config *c, const char *hf)
{
    size_t i = gpt_oss_setting(hf);
    double v = c->of[i].value;
    return c->of[i].known && v >= 1 && v < 4294967296.0 ? (uint64_t)v : 0;
}

bool gpt_oss_read_config(struct family_view *v, const char *config_path, struct err *e)
{
    struct config *c = arena_new(&v->arena, struct config, 1, e);
    if (!c)
        return false;
    v->config = c;
    if (!family_config(v->model, config_path, &v->arena, &c->path, &c->text, e) ||
        (c->text.at && !from_json(c, e)))
        return false;
    if (!c->text.at)
        gpt_oss_from_keys(c, &v->model->files[0].metadata);
    gpt_oss_complete(c);
    uint64_t heads = whole(c, "num_attention_heads"), kv = whole(c, "num_key_value_heads"),
             dim = whole(c, "head_dim");
    v->dims[DIM_VOCAB] = whole(c, "vocab_size");
    v->dims[DIM_HIDDEN] = whole(c, "hidden_size");
    v->dims[DIM_HEADS] = heads;
    v->dims[DIM_EXPERTS] = whole(c, "num_local_experts");
    v->dims[DIM_INNER] = whole(c, "intermediate_size");
    v->n_layers = (uint32_t)whole(c, "num_hidden_layers");
    return size_mul(heads, dim, &v->dims[DIM_Q]) && size_mul(kv, dim, &v->dims[DIM_KV]);
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
                           !model_find(&p->out, STR("output.weight")));
    }
}

/* config.json as the release has it, with this model's values. */
void gpt_oss_put_hf(struct buf *b, const struct family_view *v, const struct config *c,
                    const struct plan *p)
{
    struct json_out o = json_out(b, JSON_INDENT);
    bool nested = false;
    json_put_open(&o, '{');
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &gpt_oss_settings[i];
        const char *dot = strchr(s->hf, '.');
        if (!nested && dot) {
            json_put_key(&o, (struct str){ s->hf, (size_t)(dot - s->hf) });
            json_put_open(&o, '{');
        } else if (nested && !dot) {
            json_put_close(&o, '}');
        }
        nested = dot != NULL;
        if (s->kind == SPECIAL) {
            put_special(&o, v, p, s->hf);
        } else if (s->kind == FIXED || c->of[i].known) {
            json_put_key(&o, str_of(dot ? dot + 1 : s->hf));
            if (s->kind == FIXED)
                json_put_raw(&o, str_of(s->fixed));
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
        if (!c->of[k].known)
            continue;
        json_put_key(&o, str_of(original_keys[i].key));
        put_number(&o, original_keys[i].kind, c->of[k].value);
    }
    json_put_close(&o, '}');
}

/* dtypes.json: every tensor in the order of the reference code, which is that of the table with
 * the embedding first and the final norm and output last. */
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
    for (uint32_t layer = 0; layer <= v->n_layers + 1; layer++) {
        bool ends = layer == 0 || layer == v->n_layers + 1;
        size_t n = layer == 0 ? 1 : ends ? 2 : sizeof order / sizeof *order;
        for (size_t i = 0; i < n; i++) {
            char name[FAMILY_NAME];
            if (ends)
                snprintf(name, sizeof name, "%s",
                         layer == 0 ? "embedding.weight"
                         : i        ? "unembedding.weight"
                                    : "norm.scale");
            else
                snprintf(name, sizeof name, "block.%u.%s", layer - 1, order[i]);
            const struct tensor *t = model_find(&p->out, str_of(name));
            if (!t)
                continue;
            const char *type = str_ends(t->name, ".blocks")   ? "FP4"
                               : str_ends(t->name, ".scales") ? "UE8"
                               : t->dtype == DTYPE_BF16       ? "BF16"
                               : t->dtype == DTYPE_F16        ? "F16"
                                                              : "F32";
            json_put_kstr(&o, name, str_of(type));
        }
    }
    json_put_close(&o, '}');
}
