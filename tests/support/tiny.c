/* tiny.c - small random gpt-oss models in every form. */
#include "tests/support/tiny.h"

#include "tests/support/tiny_file.h"
#include "tests/support/tree.h"

#include "quant/codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const struct tiny tiny_odd = { .layers = 3,
                               .experts = 5,
                               .hidden = 96,
                               .inner = 64,
                               .heads = 6,
                               .kv_heads = 2,
                               .head_dim = 10,
                               .vocab = 37,
                               .seed = 1 };

uint64_t tiny_draw(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15; /* splitmix64 */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static unsigned draw_to(uint64_t *state, unsigned n)
{
    return 1 + (unsigned)(tiny_draw(state) % n);
}

struct tiny tiny_random(uint64_t seed)
{
    static const enum dtype types[] = { DTYPE_BF16, DTYPE_BF16, DTYPE_F16, DTYPE_F32 };
    uint64_t s = seed;
    unsigned kv = draw_to(&s, 3);
    return (struct tiny){ .layers = draw_to(&s, 3),
                          .experts = draw_to(&s, 5),
                          .hidden = 32 * draw_to(&s, 3),
                          .inner = 32 * draw_to(&s, 3),
                          .heads = kv * draw_to(&s, 3),
                          .kv_heads = kv,
                          .head_dim = 2 * draw_to(&s, 8),
                          .vocab = draw_to(&s, 70),
                          .tied = draw_to(&s, 4) == 1,
                          .plain_experts = draw_to(&s, 3) == 1,
                          .vectors = types[tiny_draw(&s) % 4],
                          .matrices = types[tiny_draw(&s) % 4],
                          .fitting = draw_to(&s, 2) == 1,
                          .seed = tiny_draw(&s),
                          .shards = draw_to(&s, 4) - 1,
                          .gguf_version = draw_to(&s, 2) + 1,
                          .alignment = 32u << tiny_draw(&s) % 3,
                          .reversed = draw_to(&s, 2) == 1,
                          .spaced = draw_to(&s, 2) == 1 };
}

/* ---- the numbers ------------------------------------------------------------------------ */

enum atom {
    EMBED,
    FINAL,
    HEAD,
    ATTN_NORM,
    Q_W,
    K_W,
    V_W,
    Q_B,
    K_B,
    V_B,
    SINKS,
    O_W,
    O_B,
    MLP_NORM,
    ROUTER_W,
    ROUTER_B,
    GATE_W,
    UP_W,
    DOWN_W,
    GATE_B,
    UP_B,
    DOWN_B
};

/* groups x rows rows of cols elements; MXFP4_LINEAR: a scale byte and 16 bytes, in order. */
struct array {
    enum dtype dtype;
    unsigned groups, rows, cols;
    uint8_t *bytes;
};

static size_t size_of(enum dtype t) { return dtype_info[t].block_bytes; }
static size_t row_of(const struct array *a)
{
    return a->cols / dtype_info[a->dtype].block_elems * size_of(a->dtype);
}
static size_t bytes_of(const struct array *a) { return (size_t)a->groups * a->rows * row_of(a); }

static struct array array_new(enum dtype t, unsigned groups, unsigned rows, unsigned cols)
{
    struct array a = { t, groups, rows, cols, NULL };
    a.bytes = calloc(1, bytes_of(&a));
    if (!a.bytes)
        abort();
    return a;
}

static struct array shaped(const struct tiny *t, enum atom atom)
{
    enum dtype vec = t->vectors ? t->vectors : DTYPE_BF16;
    enum dtype mat = t->matrices ? t->matrices : DTYPE_BF16;
    enum dtype exp = t->plain_experts ? DTYPE_BF16 : DTYPE_MXFP4_LINEAR;
    unsigned q = t->heads * t->head_dim, kv = t->kv_heads * t->head_dim, h = t->hidden;
    switch (atom) {
    case EMBED:
    case HEAD: return array_new(mat, 1, t->vocab, h);
    case FINAL:
    case ATTN_NORM:
    case MLP_NORM:
    case O_B: return array_new(vec, 1, h, 1);
    case Q_W: return array_new(mat, 1, q, h);
    case K_W:
    case V_W: return array_new(mat, 1, kv, h);
    case Q_B: return array_new(vec, 1, q, 1);
    case K_B:
    case V_B: return array_new(vec, 1, kv, 1);
    case SINKS: return array_new(vec, 1, t->heads, 1);
    case O_W: return array_new(mat, 1, h, q);
    case ROUTER_W: return array_new(mat, 1, t->experts, h);
    case ROUTER_B: return array_new(vec, 1, t->experts, 1);
    case GATE_W:
    case UP_W: return array_new(exp, t->experts, t->inner, h);
    case DOWN_W: return array_new(exp, t->experts, h, t->inner);
    case GATE_B:
    case UP_B: return array_new(vec, t->experts, t->inner, 1);
    case DOWN_B: return array_new(vec, t->experts, h, 1);
    }
    abort();
}

static struct array make(const struct tiny *t, enum atom atom, unsigned layer)
{
    struct array a = shaped(t, atom);
    uint64_t state = t->seed * 1000003 + layer * 101 + atom;
    size_t n = bytes_of(&a);
    for (size_t i = 0; i < n; i++)
        a.bytes[i] = (uint8_t)(tiny_draw(&state) >> 24);
    for (size_t i = 0; t->fitting && a.dtype == DTYPE_F32 && i < n; i += 4)
        a.bytes[i] = a.bytes[i + 1] = 0;
    return a;
}

/* ---- joining and storing ------------------------------------------------------------------ */

static struct array join(struct array *parts, unsigned n, bool interleave)
{
    unsigned rows = 0;
    for (unsigned i = 0; i < n; i++)
        rows += parts[i].rows;
    struct array out = array_new(parts[0].dtype, parts[0].groups, rows, parts[0].cols);
    size_t row = row_of(&out);
    for (unsigned g = 0; g < out.groups; g++)
        for (unsigned i = 0, before = 0; i < n; before += parts[i++].rows)
            for (unsigned r = 0; r < parts[i].rows; r++)
                memcpy(out.bytes + (g * rows + (interleave ? r * n + i : before + r)) * row,
                       parts[i].bytes + (g * parts[i].rows + r) * row, row);
    for (unsigned i = 0; i < n; i++)
        free(parts[i].bytes);
    return out;
}

static struct array both(const struct tiny *t, enum atom first, enum atom second, unsigned layer,
                         bool interleave)
{
    struct array parts[2] = { make(t, first, layer), make(t, second, layer) };
    return join(parts, 2, interleave);
}

static struct array qkv(const struct tiny *t, enum atom q, unsigned layer)
{
    struct array parts[3] = { make(t, q, layer), make(t, q + 1, layer), make(t, q + 2, layer) };
    return join(parts, 3, false);
}

static void widen(struct array *a)
{
    struct array out = array_new(DTYPE_F32, a->groups, a->rows, a->cols);
    size_t n = (size_t)a->groups * a->rows * a->cols;
    float *wide = malloc(4 * n);
    if (!wide || !decode_f32(a->dtype, wide, a->bytes, n))
        abort();
    memcpy(out.bytes, wide, 4 * n);
    free(wide);
    free(a->bytes);
    *a = out;
}

static void turn(struct array *a) /* [g, r, c] -> [g, c, r] */
{
    struct array out = array_new(a->dtype, a->groups, a->cols, a->rows);
    size_t s = size_of(a->dtype);
    for (size_t g = 0; g < a->groups; g++)
        for (size_t r = 0; r < a->rows; r++)
            for (size_t c = 0; c < a->cols; c++)
                memcpy(out.bytes + ((g * a->cols + c) * a->rows + r) * s,
                       a->bytes + ((g * a->rows + r) * a->cols + c) * s, s);
    free(a->bytes);
    *a = out;
}

static unsigned nibble(const uint8_t *b, unsigned i) { return b[i / 2] >> (i % 2 ? 4 : 0) & 15; }

static void to_ggml(struct array *a) /* low nibbles: elements 0 to 15, high: 16 to 31 */
{
    for (size_t i = 0; i < bytes_of(a); i += 17) {
        uint8_t was[16];
        memcpy(was, a->bytes + i + 1, 16);
        for (unsigned j = 0; j < 16; j++)
            a->bytes[i + 1 + j] = (uint8_t)(nibble(was, j) | nibble(was, j + 16) << 4);
    }
    a->dtype = DTYPE_MXFP4;
}

/* The tensor of that name; frees the array.  rank 1: [rows], 2: [rows, cols] or [groups, rows],
 * 3: [groups, rows, cols]. */
static void put(struct tiny_file *f, struct array a, unsigned rank, const char *fmt, ...)
{
    char name[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    uint64_t dim[3] = { a.groups, a.rows, a.cols };
    bool grouped = rank == 2 && a.cols == 1;
    tiny_file_add(f, name, a.dtype, rank, dim + (rank == 3 || grouped ? 0 : 1), a.bytes,
                  bytes_of(&a));
    free(a.bytes);
}

/* blocks [e, r, c/32, 16] and scales [e, r, c/32] */
static void put_pair(struct tiny_file *f, struct array a, const char *name, char mark)
{
    size_t n = bytes_of(&a) / 17;
    uint8_t *blocks = calloc(17, n), *scales = blocks + 16 * n;
    char full[160];
    uint64_t dim[4] = { a.groups, a.rows, a.cols / 32, 16 };
    for (size_t i = 0; i < n; i++) {
        scales[i] = a.bytes[17 * i];
        memcpy(blocks + 16 * i, a.bytes + 17 * i + 1, 16);
    }
    snprintf(full, sizeof full, "%s%cblocks", name, mark);
    tiny_file_add(f, full, DTYPE_U8, 4, dim, blocks, 16 * n);
    snprintf(full, sizeof full, "%s%cscales", name, mark);
    tiny_file_add(f, full, DTYPE_U8, 3, dim, scales, n);
    free(blocks);
    free(a.bytes);
}

/* ---- forms ------------------------------------------------------------------------------- */

static void add_hf(struct tiny_file *f, const struct tiny *t)
{
    put(f, make(t, EMBED, 0), 2, "model.embed_tokens.weight");
    put(f, make(t, FINAL, 0), 1, "model.norm.weight");
    if (!t->tied)
        put(f, make(t, HEAD, 0), 2, "lm_head.weight");
    for (unsigned l = 0; l < t->layers; l++) {
        char p[40], name[100];
        snprintf(p, sizeof p, "model.layers.%u", l);
        put(f, make(t, ATTN_NORM, l), 1, "%s.input_layernorm.weight", p);
        for (unsigned i = 0; i < 3; i++) {
            put(f, make(t, Q_W + i, l), 2, "%s.self_attn.%c_proj.weight", p, "qkv"[i]);
            put(f, make(t, Q_B + i, l), 1, "%s.self_attn.%c_proj.bias", p, "qkv"[i]);
        }
        put(f, make(t, SINKS, l), 1, "%s.self_attn.sinks", p);
        put(f, make(t, O_W, l), 2, "%s.self_attn.o_proj.weight", p);
        put(f, make(t, O_B, l), 1, "%s.self_attn.o_proj.bias", p);
        put(f, make(t, MLP_NORM, l), 1, "%s.post_attention_layernorm.weight", p);
        put(f, make(t, ROUTER_W, l), 2, "%s.mlp.router.weight", p);
        put(f, make(t, ROUTER_B, l), 1, "%s.mlp.router.bias", p);
        for (unsigned i = 0; i < 2; i++) {
            struct array a = i ? make(t, DOWN_W, l) : both(t, GATE_W, UP_W, l, true);
            snprintf(name, sizeof name, "%s.mlp.experts.%s", p, i ? "down_proj" : "gate_up_proj");
            if (t->plain_experts) {
                turn(&a);
                put(f, a, 3, "%s", name);
            } else {
                put_pair(f, a, name, '_');
            }
        }
        put(f, both(t, GATE_B, UP_B, l, true), 2, "%s.mlp.experts.gate_up_proj_bias", p);
        put(f, make(t, DOWN_B, l), 2, "%s.mlp.experts.down_proj_bias", p);
    }
}

static void add_original(struct tiny_file *f, const struct tiny *t)
{
    put(f, make(t, EMBED, 0), 2, "embedding.weight");
    put(f, make(t, FINAL, 0), 1, "norm.scale");
    if (!t->tied)
        put(f, make(t, HEAD, 0), 2, "unembedding.weight");
    for (unsigned l = 0; l < t->layers; l++) {
        char p[40], name[100];
        snprintf(p, sizeof p, "block.%u", l);
        put(f, make(t, ATTN_NORM, l), 1, "%s.attn.norm.scale", p);
        put(f, qkv(t, Q_W, l), 2, "%s.attn.qkv.weight", p);
        put(f, qkv(t, Q_B, l), 1, "%s.attn.qkv.bias", p);
        put(f, make(t, SINKS, l), 1, "%s.attn.sinks", p);
        put(f, make(t, O_W, l), 2, "%s.attn.out.weight", p);
        put(f, make(t, O_B, l), 1, "%s.attn.out.bias", p);
        put(f, make(t, MLP_NORM, l), 1, "%s.mlp.norm.scale", p);
        put(f, make(t, ROUTER_W, l), 2, "%s.mlp.gate.weight", p);
        put(f, make(t, ROUTER_B, l), 1, "%s.mlp.gate.bias", p);
        for (unsigned i = 0; i < 2; i++) {
            struct array a = i ? make(t, DOWN_W, l) : both(t, GATE_W, UP_W, l, true);
            snprintf(name, sizeof name, "%s.mlp.mlp%u_weight", p, i + 1);
            if (t->plain_experts)
                put(f, a, 3, "%s", name);
            else
                put_pair(f, a, name, '.');
        }
        put(f, both(t, GATE_B, UP_B, l, true), 2, "%s.mlp.mlp1_bias", p);
        put(f, make(t, DOWN_B, l), 2, "%s.mlp.mlp2_bias", p);
    }
}

/* What GGUF loaders take as F32 only. */
static struct array f32(struct array a)
{
    if (a.dtype != DTYPE_F32)
        widen(&a);
    return a;
}

static void put_experts(struct tiny_file *f, struct array a, bool linear, const char *p,
                        const char *name)
{
    if (a.dtype == DTYPE_MXFP4_LINEAR && !linear)
        to_ggml(&a);
    put(f, a, 3, "%s.%s", p, name);
}

static void add_gguf(struct tiny_file *f, const struct tiny *t, enum tiny_form form)
{
    bool ollama = form >= TINY_OLLAMA, linear = form == TINY_OLLAMA || form == TINY_OLLAMA_QKV;
    bool joined_qkv = form == TINY_OLLAMA_QKV || form == TINY_OLLAMA_SPLIT_QKV;
    bool joined_up = form == TINY_FUSED || linear;
    const char *out = ollama ? "attn_out" : "attn_output";
    put(f, make(t, EMBED, 0), 2, "token_embd.weight");
    put(f, f32(make(t, FINAL, 0)), 1, "output_norm.weight");
    if (!t->tied)
        put(f, make(t, HEAD, 0), 2, "output.weight");
    for (unsigned l = 0; l < t->layers; l++) {
        char p[40];
        snprintf(p, sizeof p, "blk.%u", l);
        put(f, f32(make(t, ATTN_NORM, l)), 1, "%s.attn_norm.weight", p);
        if (joined_qkv) {
            put(f, qkv(t, Q_W, l), 2, "%s.attn_qkv.weight", p);
            put(f, f32(qkv(t, Q_B, l)), 1, "%s.attn_qkv.bias", p);
        }
        for (unsigned i = 0; !joined_qkv && i < 3; i++) {
            put(f, make(t, Q_W + i, l), 2, "%s.attn_%c.weight", p, "qkv"[i]);
            put(f, f32(make(t, Q_B + i, l)), 1, "%s.attn_%c.bias", p, "qkv"[i]);
        }
        put(f, f32(make(t, SINKS, l)), 1, ollama ? "%s.attn_sinks" : "%s.attn_sinks.weight", p);
        put(f, make(t, O_W, l), 2, "%s.%s.weight", p, out);
        put(f, f32(make(t, O_B, l)), 1, "%s.%s.bias", p, out);
        put(f, f32(make(t, MLP_NORM, l)), 1,
            ollama ? "%s.ffn_norm.weight" : "%s.post_attention_norm.weight", p);
        put(f, f32(make(t, ROUTER_W, l)), 2, "%s.ffn_gate_inp.weight", p);
        put(f, f32(make(t, ROUTER_B, l)), 1, "%s.ffn_gate_inp.bias", p);
        if (joined_up) {
            struct array b = both(t, GATE_B, UP_B, l, linear);
            put_experts(f, both(t, GATE_W, UP_W, l, linear), linear, p, "ffn_gate_up_exps.weight");
            put(f, linear ? b : f32(b), 2, "%s.ffn_gate_up_exps.bias", p);
        } else {
            put_experts(f, make(t, GATE_W, l), false, p, "ffn_gate_exps.weight");
            put_experts(f, make(t, UP_W, l), false, p, "ffn_up_exps.weight");
            put(f, f32(make(t, GATE_B, l)), 2, "%s.ffn_gate_exps.bias", p);
            put(f, f32(make(t, UP_B, l)), 2, "%s.ffn_up_exps.bias", p);
        }
        struct array b = make(t, DOWN_B, l);
        put_experts(f, make(t, DOWN_W, l), linear, p, "ffn_down_exps.weight");
        put(f, linear ? b : f32(b), 2, "%s.ffn_down_exps.bias", p);
    }
}

/* ---- configurations ---------------------------------------------------------------------- */

static void write_hf_config(const struct tiny *t, const char *dir)
{
    char text[2000], path[1024], *p = text;
    p += sprintf(p,
                 "{\"architectures\": [\"GptOssForCausalLM\"], \"model_type\": \"gpt_oss\",\n"
                 " \"num_hidden_layers\": %u, \"num_local_experts\": %u, \"hidden_size\": %u,\n"
                 " \"intermediate_size\": %u, \"num_attention_heads\": %u,\n"
                 " \"num_key_value_heads\": %u, \"head_dim\": %u, \"vocab_size\": %u,\n",
                 t->layers, t->experts, t->hidden, t->inner, t->heads, t->kv_heads, t->head_dim,
                 t->vocab);
    sprintf(p,
            " \"experts_per_token\": 3, \"num_experts_per_tok\": 3, \"sliding_window\": 24,\n"
            " \"initial_context_length\": 512, \"max_position_embeddings\": 4096,\n"
            " \"rms_norm_eps\": 0.000125, \"rope_theta\": 12345.5, \"swiglu_limit\": 5.5,\n"
            " \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8.0, \"beta_fast\": 24.0,\n"
            "   \"beta_slow\": 1.5, \"original_max_position_embeddings\": 512,\n"
            "   \"truncate\": false}, \"tie_word_embeddings\": %s}\n",
            t->tied ? "true" : "false");
    snprintf(path, sizeof path, "%s/config.json", dir);
    tree_text(path, text);
}

static void write_original_config(const struct tiny *t, const char *dir)
{
    char text[1000], path[1024];
    snprintf(text, sizeof text,
             "{\"num_hidden_layers\": %u, \"num_experts\": %u, \"experts_per_token\": 3, "
             "\"vocab_size\": %u, \"hidden_size\": %u, \"intermediate_size\": %u, "
             "\"swiglu_limit\": 5.5, \"head_dim\": %u, \"num_attention_heads\": %u, "
             "\"num_key_value_heads\": %u, \"sliding_window\": 24, "
             "\"initial_context_length\": 512, \"rope_theta\": 12345.5, "
             "\"rope_scaling_factor\": 8.0, \"rope_ntk_alpha\": 1.5, \"rope_ntk_beta\": 24}",
             t->layers, t->experts, t->vocab, t->hidden, t->inner, t->head_dim, t->heads,
             t->kv_heads);
    snprintf(path, sizeof path, "%s/config.json", dir);
    tree_text(path, text);
}

static void add_keys(struct tiny_file *f, const struct tiny *t, bool ollama)
{
    const char *arch = ollama ? "gptoss" : "gpt-oss";
    const struct {
        const char *key;
        unsigned value;
    } whole[] = {
        { "block_count", t->layers },
        { "context_length", 4096 },
        { "embedding_length", t->hidden },
        { "feed_forward_length", t->inner },
        { "attention.head_count", t->heads },
        { "attention.head_count_kv", t->kv_heads },
        { "attention.key_length", t->head_dim },
        { "attention.value_length", t->head_dim },
        { "expert_count", t->experts },
        { "expert_used_count", 3 },
        { "attention.sliding_window", 24 },
        { "rope.scaling.original_context_length", 512 },
        { ollama ? NULL : "expert_feed_forward_length", t->inner },
    };
    tiny_file_key_str(f, "general.architecture", arch);
    tiny_file_key_u32(f, "general.file_type", ollama ? 4 : 38);
    if (t->alignment && t->alignment != 32)
        tiny_file_key_u32(f, "general.alignment", t->alignment);
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (whole[i].key)
            tiny_file_key_u32(f, tiny_file_name("%s.%s", arch, whole[i].key), whole[i].value);
    tiny_file_key_f32(f, tiny_file_name("%s.attention.layer_norm_rms_epsilon", arch), 0.000125F);
    tiny_file_key_f32(f, tiny_file_name("%s.rope.freq_base", arch), 12345.5F);
    tiny_file_key_f32(f, tiny_file_name("%s.rope.scaling.factor", arch), 8);
    if (!ollama) {
        tiny_file_key_f32(f, "gpt-oss.rope.scaling.yarn_beta_fast", 24);
        tiny_file_key_f32(f, "gpt-oss.rope.scaling.yarn_beta_slow", 1.5F);
        tiny_file_key_f32(f, "weighmaster.config.swiglu_limit", 5.5F);
        tiny_file_key_str(f, "gpt-oss.rope.scaling.type", "yarn");
    }
    if (t->tokens)
        tiny_file_tokens(f, t->vocab, ollama);
}

/* ---- all of it ------------------------------------------------------------------------------- */

const char *tiny_name(enum tiny_form form)
{
    static const char *const names[TINY_FORMS] = { "hf",           "original",        "gguf",
                                                   "gguf-fused",   "ollama",          "ollama-qkv",
                                                   "ollama-split", "ollama-split-qkv" };
    return names[form];
}

void tiny_write(const struct tiny *t, enum tiny_form form, const char *path)
{
    struct tiny_file *f = tiny_file_new();
    if (form >= TINY_GGUF) {
        add_keys(f, t, form >= TINY_OLLAMA);
        add_gguf(f, t, form);
        if (t->reversed)
            tiny_file_reverse(f);
        tiny_file_gguf(f, path, t->gguf_version ? t->gguf_version : 3,
                       t->alignment ? t->alignment : 32);
    } else {
        tree_mkdir(path);
        (form == TINY_HF ? add_hf : add_original)(f, t);
        (form == TINY_HF ? write_hf_config : write_original_config)(t, path);
        if (t->reversed)
            tiny_file_reverse(f);
        tiny_file_safetensors(f, path, form == TINY_HF ? t->shards : 0, t->spaced);
    }
    tiny_file_free(f);
}
