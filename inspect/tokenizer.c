/* tokenizer.c - counting tokens and merges.
 *
 * tokenizer.json of gpt-oss has 28 MB: it is walked once by the strict reader, and nothing of
 * it is kept. */
#include "inspect/tokenizer.h"

#include "formats/base/json.h"

enum { MAX_TOKENIZER = 256 << 20 };

static uint64_t count_members(struct json *j)
{
    uint64_t n = 0;
    struct str name;
    for (json_object(j); json_key(j, &name); n++)
        json_skip(j);
    return n;
}

static uint64_t count_items(struct json *j)
{
    uint64_t n = 0;
    for (json_array(j); json_item(j); n++)
        json_skip(j);
    return n;
}

static void read_model(struct json *j, struct tokenizer_counts *c)
{
    struct str key;
    json_object(j);
    while (json_key(j, &key)) {
        enum json_type type = json_peek(j);
        if (str_is(key, "type") && type == JSON_STRING)
            c->model = json_string(j);
        else if (str_is(key, "vocab") && type == JSON_OBJECT)
            c->tokens += count_members(j);
        else if (str_is(key, "vocab") && type == JSON_ARRAY) /* Unigram: [token, score] */
            c->tokens += count_items(j);
        else if (str_is(key, "merges") && type == JSON_ARRAY)
            c->merges = count_items(j);
        else
            json_skip(j);
    }
}

/* Ids of added tokens; those below the highest of the vocabulary are in it already. */
static void read_added(struct json *j, uint64_t *added, uint64_t *lowest)
{
    struct str key;
    for (json_array(j); json_item(j); ++*added) {
        json_object(j);
        while (json_key(j, &key)) {
            if (!str_is(key, "id") || json_peek(j) != JSON_NUMBER) {
                json_skip(j);
                continue;
            }
            uint64_t id = json_u64(j);
            *lowest = id < *lowest ? id : *lowest;
        }
    }
}

static bool count_json(const char *path, struct tokenizer_counts *c, struct arena *a, struct err *e)
{
    struct arena text_arena = { 0 };
    struct span text;
    struct json j;
    struct str key;
    uint64_t added = 0, lowest = UINT64_MAX;
    if (!file_slurp(path, MAX_TOKENIZER, &text_arena, &text, e))
        return false;
    json_open(&j, path, 0, (struct str){ (const char *)text.at, text.len }, &text_arena, e);
    json_object(&j);
    while (json_key(&j, &key)) {
        if (str_is(key, "model") && json_peek(&j) == JSON_OBJECT)
            read_model(&j, c);
        else if (str_is(key, "added_tokens") && json_peek(&j) == JSON_ARRAY)
            read_added(&j, &added, &lowest);
        else
            json_skip(&j);
    }
    bool ok = json_end(&j);
    json_close(&j);
    if (ok && lowest >= c->tokens) /* else they are listed twice */
        c->tokens += added;
    c->model = ok ? arena_str(a, c->model, e) : (struct str){ 0 };
    arena_free(&text_arena);
    return ok && c->model.at;
}

static uint64_t key_count(const struct metadata *m, const char *key)
{
    const struct meta *v = meta_find(m, key);
    return v && v->type == META_ARRAY ? v->count : 0;
}

bool tokenizer_count(const struct model *m, struct tokenizer_counts *c, struct arena *a,
                     struct err *e)
{
    const struct metadata *keys = &m->files[0].metadata;
    const struct sidecar *s = model_sidecar(m, "tokenizer.json");
    *c = (struct tokenizer_counts){ .tokens = key_count(keys, "tokenizer.ggml.tokens") };
    if (c->tokens) {
        c->merges = key_count(keys, "tokenizer.ggml.merges");
        meta_get_str(keys, "tokenizer.ggml.model", &c->model);
        meta_get_str(keys, "tokenizer.ggml.pre", &c->split);
        return true;
    }
    return !s || count_json(s->path, c, a, e);
}
