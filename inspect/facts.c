/* facts.c - what the headers and the small files beside them say about a model. */
#include "inspect/facts.h"

#include "formats/base/json.h"
#include "formats/carry.h"
#include "inspect/tokenizer.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

/* Names in config.json (released, newer, original/), and in GGUF behind the architecture. */
// clang-format off
static const struct {
    const char *json[3], *gguf;
} settings[N_FACT_SETTINGS] = {
    [SET_LAYERS]       = { { "num_hidden_layers" },                                            "block_count" },
    [SET_HIDDEN]       = { { "hidden_size" },                                                  "embedding_length" },
    [SET_INNER]        = { { "intermediate_size" },                                            "feed_forward_length" },
    [SET_HEADS]        = { { "num_attention_heads" },                                          "attention.head_count" },
    [SET_KV_HEADS]     = { { "num_key_value_heads" },                                          "attention.head_count_kv" },
    [SET_HEAD_SIZE]    = { { "head_dim" },                                                     "attention.key_length" },
    [SET_EXPERTS]      = { { "num_local_experts", "num_experts" },                             "expert_count" },
    [SET_EXPERTS_USED] = { { "num_experts_per_tok", "experts_per_token" },                     "expert_used_count" },
    [SET_CONTEXT]      = { { "max_position_embeddings" },                                      "context_length" },
    [SET_WINDOW]       = { { "sliding_window" },                                               "attention.sliding_window" },
    [SET_ROPE_BASE]    = { { "rope_theta", "rope_parameters.rope_theta" },                     "rope.freq_base" },
    [SET_ROPE_FACTOR]  = { { "rope_scaling.factor", "rope_parameters.factor", "rope_scaling_factor" }, "rope.scaling.factor" },
    [SET_ROPE_CONTEXT] = { { "rope_scaling.original_max_position_embeddings",
                             "rope_parameters.original_max_position_embeddings", "initial_context_length" },
                           "rope.scaling.original_context_length" },
    [SET_VOCAB]        = { { "vocab_size" },                                                   "vocab_size" },
};
// clang-format on

enum { MAX_TROUBLES = 16, MAX_TEMPLATES = 128 };

/* What went wrong beside the weights is told, not fatal; only a lack of memory is. */
static bool tolerate(struct facts *f, const struct err *trouble, struct err *e)
{
    if (!trouble->code)
        return true;
    if (trouble->code == ERR_MEMORY)
        return err_set(e, trouble->code, "%s", trouble->msg);
    for (size_t i = 0; i < f->n_troubles; i++)
        if (strcmp(f->troubles[i], trouble->msg) == 0)
            return true;
    char *copy = arena_printf(&f->arena, e, "%s", trouble->msg);
    if (copy && f->n_troubles < MAX_TROUBLES)
        f->troubles[f->n_troubles++] = copy;
    return copy != NULL;
}

/* ---- configuration ----------------------------------------------------------------- */

static void know(struct facts *f, enum setting s, double value)
{
    if (f->set[s].known)
        return;
    f->set[s].known = true;
    f->set[s].value = value;
}

static void from_keys(struct facts *f, const struct metadata *m)
{
    char key[160];
    double v;
    for (enum setting s = 0; f->architecture.len < 100 && s < N_FACT_SETTINGS; s++) {
        snprintf(key, sizeof key, STR_FMT ".%s", STR_ARG(f->architecture), settings[s].gguf);
        if (meta_get_double(m, key, &v))
            know(f, s, v);
    }
}

static void from_json(struct facts *f, const cJSON *tree)
{
    double v;
    for (enum setting s = 0; s < N_FACT_SETTINGS; s++)
        for (int i = 0; i < 3 && settings[s].json[i]; i++)
            if (json_get_double(tree, settings[s].json[i], &v))
                know(f, s, v);
}

/* The tree of a file beside the weights, or NULL: it is absent or (a trouble) no JSON. */
static cJSON *side_tree(struct facts *f, const char *name, struct err *trouble)
{
    const struct sidecar *s = model_sidecar(f->model, name);
    struct span text;
    if (!s || !file_slurp(s->path, JSON_TREE_MAX, &f->arena, &text, trouble))
        return NULL;
    return json_tree(s->path, (struct str){ (const char *)text.at, text.len }, trouble);
}

static bool read_config(struct facts *f, struct err *e)
{
    struct err trouble = { 0 };
    const struct metadata *m = &f->model->files[0].metadata;
    struct str type;
    bool keys = meta_get_str(m, "general.architecture", &f->architecture);
    if (keys)
        from_keys(f, m);
    cJSON *tree = side_tree(f, "config.json", &trouble);
    if (tree) {
        from_json(f, tree);
        if (!keys && json_get_str(tree, "model_type", &type))
            f->architecture = arena_str(&f->arena, type, &trouble);
    }
    cJSON_Delete(tree);
    return tolerate(f, &trouble, e);
}

static bool read_family(struct facts *f, struct err *e)
{
    struct err trouble = { 0 };
    if (!family_open(&f->view, f->model, NULL, &trouble))
        family_close(&f->view);
    if (f->view.family)
        know(f, SET_LAYERS, f->view.n_layers);
    return tolerate(f, &trouble, e);
}

/* ---- counting ---------------------------------------------------------------------- */

static bool is_mxfp4(enum dtype t) { return t >= DTYPE_MXFP4 && t <= DTYPE_MXFP4_SCALES; }

static void count_parameters(struct facts *f, uint64_t n, enum dtype t)
{
    f->parameters += n; /* the model's bytes do not overflow, and no element has under 1/16 */
    f->mxfp4 += is_mxfp4(t) ? n : 0;
}

/* A token passes through all parameters but those of experts it is not sent to. */
static void count_atoms(struct facts *f)
{
    const struct family_view *v = &f->view;
    double used = f->set[SET_EXPERTS_USED].value;
    bool tied = true, known = true;
    uint64_t looked_up = 0;
    for (size_t i = 0; i < v->n_atoms; i++) {
        const struct atom *a = &v->atoms[i];
        const struct family_row *row = &v->family->rows[a->row];
        uint64_t each = a->rows * a->cols, n = a->groups * each;
        bool expert = row->kind == ATOM_EXPERTS || row->kind == ATOM_EXPERT_VECTOR;
        count_parameters(f, n, a->dtype);
        known &= !expert || (used >= 1 && used <= (double)a->groups);
        f->active += !expert ? n : known ? (uint64_t)used * each : 0;
        if (strcmp(row->in[0].name, "model.embed_tokens.weight") == 0)
            looked_up = n;
        tied &= strcmp(row->in[0].name, "lm_head.weight") != 0;
    }
    f->active = known ? f->active : 0;
    f->embedding = tied ? 0 : looked_up;
}

static void count_all(struct facts *f)
{
    const struct model *m = f->model;
    const struct family_view *v = &f->view;
    if (v->family) {
        count_atoms(f);
        for (size_t i = 0; i < v->n_extra; i++)
            if (!str_starts(v->extra[i]->name, "rope_freqs."))
                count_parameters(f, tensor_elems(v->extra[i]), v->extra[i]->dtype);
    } else {
        for (size_t i = 0; i < m->n_tensors; i++)
            count_parameters(f, tensor_elems(&m->tensors[i]), m->tensors[i].dtype);
    }
    for (size_t i = 0; i < m->n_files; i++)
        f->file_bytes += m->files[i].size;
}

static int by_bytes(const void *a, const void *b)
{
    const struct storage *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes > y->bytes ? -1 : 1) : strcmp(x->name, y->name);
}

static void add_storage(struct storage *s, const char *name, const struct tensor *t)
{
    s->name = name;
    s->tensors++;
    s->bytes += t->bytes;
}

static bool count_storage(struct facts *f, struct err *e)
{
    const struct model *m = f->model;
    struct storage *all = arena_new(&f->arena, struct storage, DTYPE_COUNT + 1, e);
    bool *paired = arena_new(&f->arena, bool, m->n_tensors, e);
    if (!all || !paired)
        return false;
    for (size_t i = 0; i < f->view.n_atoms; i++) /* joined atoms share their pair */
        for (int k = 0; k < 2; k++)
            if (f->view.atoms[i].dtype == DTYPE_MXFP4_BLOCKS)
                paired[f->view.atoms[i].src[k] - m->tensors] = true;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        if (paired[i])
            add_storage(&all[DTYPE_COUNT], "mxfp4 in u8", t);
        else
            add_storage(&all[t->dtype], dtype_info[t->dtype].name, t);
    }
    for (size_t i = 0; i <= DTYPE_COUNT; i++)
        if (all[i].tensors)
            all[f->n_storage++] = all[i];
    qsort(all, f->n_storage, sizeof *all, by_bytes);
    f->storage = all;
    return true;
}

/* ---- templates --------------------------------------------------------------------------- */

static bool add_template(struct facts *f, const char *where, struct str name, struct str text,
                         struct err *e)
{
    if (f->n_templates == MAX_TEMPLATES) {
        struct err many = { 0 };
        err_set(&many, ERR_INPUT, "%s: only %d of its chat templates were looked at",
                f->model->path, MAX_TEMPLATES);
        return tolerate(f, &many, e);
    }
    if (!f->templates)
        f->templates = arena_new(&f->arena, struct chat_template, MAX_TEMPLATES, e);
    struct str own_name = arena_str(&f->arena, name, e), own = arena_str(&f->arena, text, e);
    if (!f->templates || !own_name.at || !own.at)
        return false;
    f->templates[f->n_templates++] = (struct chat_template){ where, own_name, own };
    return true;
}

static bool templates_of_keys(struct facts *f, struct err *e)
{
    static const char key[] = "tokenizer.chat_template";
    const struct metadata *m = &f->model->files[0].metadata;
    struct str text;
    for (size_t i = 0; i < m->n; i++) {
        struct str k = m->all[i].key;
        if (!str_starts(k, key) || !meta_str(&m->all[i], &text))
            continue;
        struct str rest = { k.at + sizeof key - 1, k.len - (sizeof key - 1) };
        bool named = rest.len && rest.at[0] == '.';
        if (rest.len && !named)
            continue;
        if (named)
            rest = (struct str){ rest.at + 1, rest.len - 1 };
        if (!add_template(f, key, rest, text, e))
            return false;
    }
    return true;
}

static bool templates_of_config(struct facts *f, const cJSON *tree, struct err *e)
{
    static const char where[] = "tokenizer_config.json";
    const cJSON *t = json_at(tree, "chat_template"), *each;
    struct str name, text;
    if (cJSON_IsString(t))
        return add_template(f, where, STR(""), str_of(t->valuestring), e);
    if (!cJSON_IsArray(t))
        return true;
    cJSON_ArrayForEach(each, t)
    {
        if (!json_get_str(each, "name", &name) || !json_get_str(each, "template", &text))
            continue;
        if (!add_template(f, where, str_is(name, "default") ? STR("") : name, text, e))
            return false;
    }
    return true;
}

static bool read_templates(struct facts *f, struct err *e)
{
    struct err trouble = { 0 };
    struct span text;
    const struct sidecar *s = model_sidecar(f->model, "chat_template.jinja");
    if (!templates_of_keys(f, e))
        return false;
    if (s && file_slurp(s->path, JSON_TREE_MAX, &f->arena, &text, &trouble) &&
        !add_template(f, "chat_template.jinja", STR(""),
                      (struct str){ (const char *)text.at, text.len }, e))
        return false;
    cJSON *tree = side_tree(f, "tokenizer_config.json", &trouble);
    bool ok = !tree || templates_of_config(f, tree, e);
    cJSON_Delete(tree);
    return ok && tolerate(f, &trouble, e);
}

static bool read_tokenizer(struct facts *f, struct err *e)
{
    struct err trouble = { 0 };
    struct tokenizer_counts c;
    if (tokenizer_count(f->model, &c, &f->arena, &trouble)) {
        f->tokenizer.model = c.model;
        f->tokenizer.split = c.split;
        f->tokenizer.tokens = c.tokens;
        f->tokenizer.merges = c.merges;
    }
    return tolerate(f, &trouble, e);
}

static bool read_carried(struct facts *f, struct err *e)
{
    struct err trouble = { 0 };
    return carry_form(f->model, &f->carried, &trouble) || tolerate(f, &trouble, e);
}

bool facts_open(struct facts *f, const struct model *m, struct err *e)
{
    *f = (struct facts){ .model = m };
    f->troubles = arena_new(&f->arena, char *, MAX_TROUBLES, e);
    if (!f->troubles || !read_config(f, e) || !read_family(f, e) || !count_storage(f, e) ||
        !read_tokenizer(f, e) || !read_templates(f, e) || !read_carried(f, e)) {
        facts_close(f);
        return false;
    }
    count_all(f);
    return true;
}

void facts_close(struct facts *f)
{
    family_close(&f->view);
    arena_free(&f->arena);
    *f = (struct facts){ 0 };
}
