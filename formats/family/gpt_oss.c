/* gpt_oss.c - the tensors of gpt-oss in every form: one row per atom.
 *
 * Sources: the released checkpoints (HF and original/), llama.cpp's mapping, and
 * Ollama's first converter for the dialects.  gate and up, and q, k and v, are joined in
 * some forms; the join says how.  MXFP4 experts are a pair of tensors in the safetensors
 * forms; as plain numbers the HF form stores them transposed, [e, in, out]. */
#include "formats/family/gpt_oss.h"

#define L "model.layers.{}."
#define O "block.{}."
#define G "blk.{}."

// clang-format off
static const struct family_row rows[GPT_OSS_ROWS] = {
    /*           kind                 optional  groups, rows, cols                       HF                                                original                                   GGUF */
    [EMBED]    = { ATOM_MATRIX,        false, { 0, DIM_VOCAB, DIM_HIDDEN },           .in = { { "model.embed_tokens.weight", ALONE },             { "embedding.weight", ALONE },             { "token_embd.weight", ALONE } } },
    [OUT_NORM] = { ATOM_VECTOR,        false, { 0, DIM_HIDDEN, 0 },                   .in = { { "model.norm.weight", ALONE },                     { "norm.scale", ALONE },                   { "output_norm.weight", ALONE } } },
    [OUTPUT]   = { ATOM_MATRIX,        true,  { 0, DIM_VOCAB, DIM_HIDDEN },           .in = { { "lm_head.weight", ALONE },                        { "unembedding.weight", ALONE },           { "output.weight", ALONE } } },
    [ATTN_NORM]= { ATOM_VECTOR,        false, { 0, DIM_HIDDEN, 0 },                   .in = { { L "input_layernorm.weight", ALONE },              { O "attn.norm.scale", ALONE },            { G "attn_norm.weight", ALONE } } },
    [Q_W]      = { ATOM_MATRIX,        false, { 0, DIM_Q, DIM_HIDDEN },               .in = { { L "self_attn.q_proj.weight", ALONE },             { O "attn.qkv.weight", CONCAT },           { G "attn_q.weight", ALONE } } },
    [K_W]      = { ATOM_MATRIX,        false, { 0, DIM_KV, DIM_HIDDEN },              .in = { { L "self_attn.k_proj.weight", ALONE },             { O "attn.qkv.weight", CONCAT },           { G "attn_k.weight", ALONE } } },
    [V_W]      = { ATOM_MATRIX,        false, { 0, DIM_KV, DIM_HIDDEN },              .in = { { L "self_attn.v_proj.weight", ALONE },             { O "attn.qkv.weight", CONCAT },           { G "attn_v.weight", ALONE } } },
    [Q_B]      = { ATOM_VECTOR,        false, { 0, DIM_Q, 0 },                        .in = { { L "self_attn.q_proj.bias", ALONE },               { O "attn.qkv.bias", CONCAT },             { G "attn_q.bias", ALONE } } },
    [K_B]      = { ATOM_VECTOR,        false, { 0, DIM_KV, 0 },                       .in = { { L "self_attn.k_proj.bias", ALONE },               { O "attn.qkv.bias", CONCAT },             { G "attn_k.bias", ALONE } } },
    [V_B]      = { ATOM_VECTOR,        false, { 0, DIM_KV, 0 },                       .in = { { L "self_attn.v_proj.bias", ALONE },               { O "attn.qkv.bias", CONCAT },             { G "attn_v.bias", ALONE } } },
    [SINKS]    = { ATOM_VECTOR,        false, { 0, DIM_HEADS, 0 },                    .in = { { L "self_attn.sinks", ALONE },                     { O "attn.sinks", ALONE },                 { G "attn_sinks.weight", ALONE } } },
    [O_W]      = { ATOM_MATRIX,        false, { 0, DIM_HIDDEN, DIM_Q },               .in = { { L "self_attn.o_proj.weight", ALONE },             { O "attn.out.weight", ALONE },            { G "attn_output.weight", ALONE } } },
    [O_B]      = { ATOM_VECTOR,        false, { 0, DIM_HIDDEN, 0 },                   .in = { { L "self_attn.o_proj.bias", ALONE },               { O "attn.out.bias", ALONE },              { G "attn_output.bias", ALONE } } },
    [MLP_NORM] = { ATOM_VECTOR,        false, { 0, DIM_HIDDEN, 0 },                   .in = { { L "post_attention_layernorm.weight", ALONE },     { O "mlp.norm.scale", ALONE },             { G "post_attention_norm.weight", ALONE } } },
    [ROUTER_W] = { ATOM_ROUTER,        false, { 0, DIM_EXPERTS, DIM_HIDDEN },         .in = { { L "mlp.router.weight", ALONE },                   { O "mlp.gate.weight", ALONE },            { G "ffn_gate_inp.weight", ALONE } } },
    [ROUTER_B] = { ATOM_VECTOR,        false, { 0, DIM_EXPERTS, 0 },                  .in = { { L "mlp.router.bias", ALONE },                     { O "mlp.gate.bias", ALONE },              { G "ffn_gate_inp.bias", ALONE } } },
    [GATE_W]   = { ATOM_EXPERTS,       false, { DIM_EXPERTS, DIM_INNER, DIM_HIDDEN }, .in = { { L "mlp.experts.gate_up_proj", INTERLEAVE },       { O "mlp.mlp1_weight", INTERLEAVE },       { G "ffn_gate_exps.weight", ALONE } }, "gate" },
    [UP_W]     = { ATOM_EXPERTS,       false, { DIM_EXPERTS, DIM_INNER, DIM_HIDDEN }, .in = { { L "mlp.experts.gate_up_proj", INTERLEAVE },       { O "mlp.mlp1_weight", INTERLEAVE },       { G "ffn_up_exps.weight", ALONE } }, "up" },
    [DOWN_W]   = { ATOM_EXPERTS,       false, { DIM_EXPERTS, DIM_HIDDEN, DIM_INNER }, .in = { { L "mlp.experts.down_proj", ALONE },               { O "mlp.mlp2_weight", ALONE },            { G "ffn_down_exps.weight", ALONE } } },
    [GATE_B]   = { ATOM_EXPERT_VECTOR, false, { DIM_EXPERTS, DIM_INNER, 0 },          .in = { { L "mlp.experts.gate_up_proj_bias", INTERLEAVE },  { O "mlp.mlp1_bias", INTERLEAVE },         { G "ffn_gate_exps.bias", ALONE } }, "gate" },
    [UP_B]     = { ATOM_EXPERT_VECTOR, false, { DIM_EXPERTS, DIM_INNER, 0 },          .in = { { L "mlp.experts.gate_up_proj_bias", INTERLEAVE },  { O "mlp.mlp1_bias", INTERLEAVE },         { G "ffn_up_exps.bias", ALONE } }, "up" },
    [DOWN_B]   = { ATOM_EXPERT_VECTOR, false, { DIM_EXPERTS, DIM_HIDDEN, 0 },         .in = { { L "mlp.experts.down_proj_bias", ALONE },          { O "mlp.mlp2_bias", ALONE },              { G "ffn_down_exps.bias", ALONE } } },
};

/* llama.cpp's converter can fuse gate and up: gate rows, then up rows, of each expert. */
static const struct replacement fused[] = {
    { GATE_W, { G "ffn_gate_up_exps.weight", CONCAT } }, { UP_W, { G "ffn_gate_up_exps.weight", CONCAT } },
    { GATE_B, { G "ffn_gate_up_exps.bias", CONCAT } },   { UP_B, { G "ffn_gate_up_exps.bias", CONCAT } },
};

/* Ollama's first converter: other names, gate and up rows stay interleaved, MXFP4 is type 4.  Its
 * second wrote gate and up apart and type 39, under the same names.  From original/, both left q, k
 * and v joined. */
#define OLLAMA \
    { SINKS, { G "attn_sinks", ALONE } }, { MLP_NORM, { G "ffn_norm.weight", ALONE } }, \
    { O_W, { G "attn_out.weight", ALONE } }, { O_B, { G "attn_out.bias", ALONE } }
#define INTERLEAVED \
    { GATE_W, { G "ffn_gate_up_exps.weight", INTERLEAVE } }, { UP_W, { G "ffn_gate_up_exps.weight", INTERLEAVE } }, \
    { GATE_B, { G "ffn_gate_up_exps.bias", INTERLEAVE } }, { UP_B, { G "ffn_gate_up_exps.bias", INTERLEAVE } }
#define QKV \
    { Q_W, { G "attn_qkv.weight", CONCAT } }, { K_W, { G "attn_qkv.weight", CONCAT } }, { V_W, { G "attn_qkv.weight", CONCAT } }, \
    { Q_B, { G "attn_qkv.bias", CONCAT } },   { K_B, { G "attn_qkv.bias", CONCAT } },   { V_B, { G "attn_qkv.bias", CONCAT } }

static const struct replacement ollama[] = { OLLAMA, INTERLEAVED };
static const struct replacement ollama_qkv[] = { OLLAMA, INTERLEAVED, QKV };
static const struct replacement ollama_split[] = { OLLAMA };
static const struct replacement ollama_split_qkv[] = { OLLAMA, QKV };

#define REPLACED(list) .replaced = list, .n_replaced = sizeof(list) / sizeof *(list)
static const struct spelling spellings[] = {
    { "hf",               FORM_HF,       .column = 0, .blocks = "_blocks", .scales = "_scales", .transposed = true },
    { "original",         FORM_ORIGINAL, .column = 1, .blocks = ".blocks", .scales = ".scales" },
    { "gguf",             FORM_GGUF,     .column = 2 },
    { "gguf-fused",       FORM_GGUF,     .column = 2, REPLACED(fused) },
    { "ollama",           FORM_GGUF,     .column = 2, REPLACED(ollama) },
    { "ollama-qkv",       FORM_GGUF,     .column = 2, REPLACED(ollama_qkv) },
    { "ollama-split",     FORM_GGUF,     .column = 2, REPLACED(ollama_split) },
    { "ollama-split-qkv", FORM_GGUF,     .column = 2, REPLACED(ollama_split_qkv) },
};
// clang-format on

static const char *const symbols[] = {
    [DIM_NONE] = "",
    [DIM_VOCAB] = "vocab_size",
    [DIM_HIDDEN] = "hidden_size",
    [DIM_Q] = "num_attention_heads x head_dim",
    [DIM_KV] = "num_key_value_heads x head_dim",
    [DIM_HEADS] = "num_attention_heads",
    [DIM_EXPERTS] = "num_local_experts",
    [DIM_INNER] = "intermediate_size",
};

/* q has as many rows as the output projection has columns, k and v share the rest; gate and up
 * are halves. */
static uint64_t part_rows(const struct family_view *v, uint32_t layer, unsigned part,
                          unsigned parts, uint64_t total)
{
    char name[FAMILY_NAME];
    if (parts == 2)
        return total % 2 ? 0 : total / 2;
    struct cell c = family_cell(v->family, v->spelling, O_W);
    const struct tensor *o = model_find(v->model, family_name(name, c.name, layer, ""));
    uint64_t q = o && o->ndim ? o->dim[o->ndim - 1] : 0;
    if (q > total || (total - q) % 2)
        return 0;
    return part == 0 ? q : (total - q) / 2;
}

static const char *const arch[] = { "gpt-oss", "gpt_oss", "gptoss", NULL };

const struct family family_gpt_oss = {
    .name = "gpt-oss",
    .arch = arch,
    .rows = rows,
    .n_rows = GPT_OSS_ROWS,
    .spellings = spellings,
    .n_spellings = sizeof spellings / sizeof *spellings,
    .symbols = symbols,
    .walk_column = 1,
    .part_rows = part_rows,
    .read_config = gpt_oss_read_config,
    .write_config = gpt_oss_write_config,
};
