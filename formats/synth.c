/* synth.c - the tensor table of a made-up gpt-oss, out of the family's own table.
 *
 * Its configuration is said in GGUF keys, which the family reads; so config.json and all else
 * that stands beside the weights is written by the code that writes it for real ones. */
#include "formats/synth.h"

#include "formats/family/gpt_oss.h"
#include "formats/synth_tokenizer.h"
#include "formats/synth_weights.h"

// clang-format off
const struct synth_model synth_models[] = {
    { "gpt-oss-20b",  .layers = 24, .experts = 32,  .hidden = 2880, .intermediate = 2880, .heads = 64, .kv_heads = 8, .head_dim = 64, .vocab = 201088 },
    { "gpt-oss-120b", .layers = 36, .experts = 128, .hidden = 2880, .intermediate = 2880, .heads = 64, .kv_heads = 8, .head_dim = 64, .vocab = 201088 },
    { 0 },
};

/* Mean and deviation by the end of the name; all other tensors multiply something. */
static const struct { const char *end; double mean, deviation; } laws[] = {
    { "norm.weight", 1.0, 1.0 / 16 },
    { ".sinks",      0.0, 1.0 },
    { "bias",        0.0, 1.0 / 64 },
};
// clang-format on

enum {
    MOST_LAYERS = 4096,
    MOST_SIZE = 1 << 20,
    MOST_TABLES = 8, /* three laws; fan-in of hidden, heads and intermediate, in two storages */
};

struct table {
    double mean, deviation;
    const uint16_t *values;
    const struct synth_bank *blocks;
};

struct making {
    struct model *model;
    struct synth_weights *weights; /* by tensor */
    uint64_t size[DIM_INNER + 1];  /* by symbol */
    uint64_t seed;
    const float *gaussians;
    struct table tables[MOST_TABLES];
    size_t n_tables;
    struct err *err;
};

/* ---- weights ---------------------------------------------------------------------- */

/* The table of that law, made when first asked for; NULL when memory ran out. */
static const struct table *find_table(struct making *k, double mean, double deviation, bool blocks)
{
    for (size_t i = 0; i < k->n_tables; i++) {
        const struct table *t = &k->tables[i];
        if (t->mean == mean && t->deviation == deviation && (t->blocks != NULL) == blocks)
            return t;
    }
    struct arena *a = &k->model->arena;
    struct table *t = &k->tables[k->n_tables++];
    *t = (struct table){ .mean = mean, .deviation = deviation };
    if (blocks)
        t->blocks = synth_blocks(k->gaussians, deviation, a, k->err);
    else
        t->values = synth_values(k->gaussians, mean, deviation, a, k->err);
    return t->blocks || t->values ? t : NULL;
}

static bool draw_from(struct making *k, struct str name, enum synth_storage storage,
                      uint64_t inputs, struct synth_weights *w)
{
    double mean = 0, deviation = 0;
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++)
        if (str_ends(name, laws[i].end)) {
            mean = laws[i].mean;
            deviation = laws[i].deviation;
        }
    if (deviation == 0)
        deviation = synth_fan_in(inputs);
    const struct table *t = find_table(k, mean, deviation, storage != SYNTH_BF16);
    if (t)
        *w = (struct synth_weights){ storage, synth_key(k->seed, name), t->values, t->blocks };
    return t != NULL;
}

/* ---- tensors ---------------------------------------------------------------------- */

static bool add(struct making *k, struct str name, enum dtype dtype, uint32_t ndim,
                const uint64_t *dim, const struct synth_weights *w)
{
    struct model *m = k->model;
    struct str own_name = arena_str(&m->arena, name, k->err);
    uint64_t *own = arena_new(&m->arena, uint64_t, ndim, k->err), elems;
    if (!own_name.at || !own)
        return false;
    memcpy(own, dim, ndim * sizeof *own);
    struct tensor t = { .name = own_name, .dtype = dtype, .ndim = ndim, .dim = own };
    if (!tensor_size(&t, &elems, &t.bytes))
        return err_set(k->err, ERR_USAGE, "tensor '" STR_FMT "' would be larger than a file can be",
                       STR_ARG(name));
    k->weights[m->n_tensors] = *w;
    m->tensors[m->n_tensors++] = t;
    return true;
}

/* Blocks and scales, of one draw: the key is that of the name they share. */
static bool add_pair(struct making *k, const struct spelling *hf, const char *pattern,
                     uint32_t layer, const uint64_t dim[3])
{
    char name[FAMILY_NAME];
    struct synth_weights w;
    const uint64_t stored[4] = { dim[0], dim[1], dim[2] / 32, 16 };
    if (!draw_from(k, family_name(name, pattern, layer, ""), SYNTH_BLOCKS, dim[2], &w) ||
        !add(k, family_name(name, pattern, layer, hf->blocks), DTYPE_U8, 4, stored, &w))
        return false;
    w.storage = SYNTH_SCALES;
    return add(k, family_name(name, pattern, layer, hf->scales), DTYPE_U8, 3, stored, &w);
}

/* The tensor that the HF form makes of a row and of those joined with it. */
static bool add_row(struct making *k, const struct spelling *hf, const struct family_row *row,
                    uint64_t joined, uint32_t layer)
{
    char name[FAMILY_NAME];
    struct synth_weights w;
    const uint64_t groups = k->size[row->dims[0]], rows = joined * k->size[row->dims[1]],
                   cols = k->size[row->dims[2]];
    const uint64_t dim[4] = { groups, rows, cols };
    const char *pattern = row->in[hf->column].name;
    struct str s = family_name(name, pattern, layer, "");
    if (row->kind == ATOM_EXPERTS)
        return add_pair(k, hf, pattern, layer, dim);
    const uint64_t *own = row->kind == ATOM_EXPERT_VECTOR ? dim : dim + 1;
    return draw_from(k, s, SYNTH_BF16, cols, &w) &&
           add(k, s, DTYPE_BF16, row->kind == ATOM_VECTOR ? 1 : 2, own, &w);
}

static bool add_layer(struct making *k, bool per_layer, uint32_t layer)
{
    const struct family *f = &family_gpt_oss;
    const struct spelling *hf = family_spelling(f, FORM_HF);
    uint64_t joined;
    for (size_t r = 0; r < f->n_rows; r += joined) {
        const char *name = f->rows[r].in[hf->column].name;
        for (joined = 1; r + joined < f->n_rows; joined++)
            if (strcmp(f->rows[r + joined].in[hf->column].name, name) != 0)
                break;
        if (family_per_layer(&f->rows[r]) == per_layer &&
            !add_row(k, hf, &f->rows[r], joined, layer))
            return false;
    }
    return true;
}

static bool add_tensors(struct making *k, uint32_t layers)
{
    uint64_t most = 2 * family_gpt_oss.n_rows * ((uint64_t)layers + 1);
    k->weights = arena_new(&k->model->arena, struct synth_weights, most, k->err);
    k->gaussians = synth_gaussians(&k->model->arena, k->err);
    if (!k->weights || !k->gaussians || !model_reserve(k->model, most, k->err) ||
        !add_layer(k, false, 0))
        return false;
    for (uint32_t layer = 0; layer < layers; layer++)
        if (!add_layer(k, true, layer))
            return false;
    return model_index(k->model, k->err);
}

/* ---- configuration ---------------------------------------------------------------- */

static bool add_keys(struct model *m, const struct synth_model *s, struct err *e)
{
    const struct {
        const char *key;
        uint32_t value;
    } whole[] = {
        { "gpt-oss.block_count", s->layers },
        { "gpt-oss.context_length", 131072 },
        { "gpt-oss.embedding_length", s->hidden },
        { "gpt-oss.expert_feed_forward_length", s->intermediate },
        { "gpt-oss.attention.head_count", s->heads },
        { "gpt-oss.attention.head_count_kv", s->kv_heads },
        { "gpt-oss.attention.key_length", s->head_dim },
        { "gpt-oss.attention.sliding_window", 128 },
        { "gpt-oss.expert_count", s->experts },
        { "gpt-oss.expert_used_count", 4 },
        { "gpt-oss.rope.scaling.original_context_length", 4096 },
        { "tokenizer.ggml.eos_token_id", SYNTH_GPT_OSS_TEXT + SYNTH_EOS },
        { "tokenizer.ggml.padding_token_id", SYNTH_GPT_OSS_TEXT + SYNTH_PAD },
    };
    struct metadata *to = &m->files[0].metadata;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (!meta_add_u32(to, whole[i].key, whole[i].value, &m->arena, e))
            return false;
    return meta_add_str(to, "general.architecture", STR("gpt-oss"), &m->arena, e) &&
           meta_add_f32(to, "gpt-oss.attention.layer_norm_rms_epsilon", 1e-5F, &m->arena, e) &&
           meta_add_f32(to, "gpt-oss.rope.freq_base", 150000.0F, &m->arena, e) &&
           meta_add_f32(to, "gpt-oss.rope.scaling.factor", 32.0F, &m->arena, e);
}

/* ---- the model
 * ------------------------------------------------------------------------------------ */

static bool read_weights(const struct model *m, const struct tensor *t, uint64_t at, void *to,
                         uint64_t n, struct err *e)
{
    const struct synth_weights *all = m->private;
    (void)e;
    synth_bytes(&all[t - m->tensors], at, to, n);
    return true;
}

static const struct format format_synth = { .name = "synthetic", .read = read_weights };

static bool check_size(const char *what, uint32_t size, struct err *e)
{
    return (size && size <= MOST_SIZE && size % 32 == 0) ||
           err_set(e, ERR_USAGE, "%s %u: it can be a multiple of 32 from 32 to %d", what, size,
                   MOST_SIZE);
}

static bool make(struct model *m, const struct synth_model *s, uint64_t seed, struct err *e)
{
    struct making k = {
        .model = m,
        .seed = seed,
        .err = e,
        .size = { [DIM_NONE] = 1,
                  [DIM_VOCAB] = s->vocab,
                  [DIM_HIDDEN] = s->hidden,
                  [DIM_Q] = (uint64_t)s->heads * s->head_dim,
                  [DIM_KV] = (uint64_t)s->kv_heads * s->head_dim,
                  [DIM_HEADS] = s->heads,
                  [DIM_EXPERTS] = s->experts,
                  [DIM_INNER] = s->intermediate },
    };
    m->files = arena_new(&m->arena, struct model_file, 1, e);
    if (!m->files)
        return false;
    m->n_files = 1;
    m->files[0].path = s->name;
    m->files[0].name = str_of(s->name);
    bool ok = add_keys(m, s, e) && add_tensors(&k, s->layers);
    m->private = k.weights;
    return ok;
}

bool synth_open(struct model *m, const struct synth_model *shape, uint64_t seed, struct err *e)
{
    *m = (struct model){ .format = &format_synth, .path = shape->name };
    if (shape->layers == 0 || shape->layers > MOST_LAYERS)
        return err_set(e, ERR_USAGE, "layers %u: there can be 1 to %d", shape->layers, MOST_LAYERS);
    if (check_size("hidden", shape->hidden, e) &&
        check_size("intermediate", shape->intermediate, e) && make(m, shape, seed, e))
        return true;
    model_close(m);
    return false;
}

/* ---- the plan
 * ---------------------------------------------------------------------------------------- */

static bool add_tokenizer(struct plan *p, struct err *e)
{
    struct vocab_sources s = { 0 };
    if (!synth_tokenizer(SYNTH_GPT_OSS_TEXT, SYNTH_GPT_OSS_MERGES, &s, &p->out.arena, e))
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
        if (!plan_extra(p, str_of(files[i].name),
                        (struct span){ (const uint8_t *)files[i].text.at, files[i].text.len }, NULL,
                        files[i].text.len, e))
            return false;
    return true;
}

bool synth_plan(struct plan *p, const struct model *m, enum form form, struct err *e)
{
    struct plan_options opt = { .to = form, .base = STR("model") };
    if (plan_make(p, m, &opt, e) && (form != FORM_HF || add_tokenizer(p, e)))
        return true;
    plan_free(p);
    return false;
}
