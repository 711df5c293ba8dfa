/* vocab.c - tokenizer.json and its companions -> GGUF tokenizer keys. */
#include "formats/vocab.h"

#include "formats/base/json.h"
#include "formats/bpe.h"

#include <stdio.h>

#define CASES "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LEAD  "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SPACE "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

const struct vocab_split vocab_splits[] = {
    // clang-format off
    { "gpt-4o", LEAD UPPER "*" LOWER "+" CASES "?|" LEAD UPPER "+" LOWER "*" CASES "?"
                "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACE,
      .ignore_merges = true },                                     /* o200k_base */
    { "llama-bpe", CASES "|" LEAD "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACE,
      .ignore_merges = true },                                     /* Llama 3 */
    { "gpt-2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
      .in_byte_level = true },                                     /* tokenizers: ByteLevel */
    { 0 },
    // clang-format on
};

const struct vocab_split *vocab_split_find(struct str pre)
{
    for (const struct vocab_split *s = vocab_splits; s->pre; s++)
        if (str_is(pre, s->pre))
            return s;
    return NULL;
}

const struct vocab_role_names vocab_roles[VOCAB_ROLES] = {
    [VOCAB_BOS] = { "bos_token", "bos_token_id", "tokenizer.ggml.bos_token_id" },
    [VOCAB_EOS] = { "eos_token", "eos_token_id", "tokenizer.ggml.eos_token_id" },
    [VOCAB_PAD] = { "pad_token", "pad_token_id", "tokenizer.ggml.padding_token_id" },
};

#define NO_ID UINT64_MAX

struct reading {
    struct bpe bpe;
    uint64_t n_vocab;
    uint64_t role[VOCAB_ROLES]; /* ids */
    struct str chat_template;
    const struct vocab_sources *from;
    struct arena scratch; /* all that the keys do not keep */
    struct json *json;    /* the file being read */
    struct err *err;
};

/* ---- special tokens and the template ------------------------------------------------ */

/* "text", { "content": "text" } or null (at == NULL). */
static struct str read_token_name(struct json *j)
{
    struct str key, text = { NULL, 0 };
    if (json_peek(j) == JSON_STRING)
        return json_string(j);
    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        return text;
    }
    json_object(j);
    while (json_key(j, &key))
        if (str_is(key, "content"))
            text = json_string(j);
        else
            json_skip(j);
    return text;
}

static void name_role(struct reading *r, enum vocab_role i)
{
    struct json *j = r->json;
    struct str text = read_token_name(j);
    if (!json_ok(j) || !text.at || r->role[i] != NO_ID)
        return;
    for (uint64_t id = 0; id < r->bpe.n_tokens && r->role[i] == NO_ID; id++)
        if (str_eq(r->bpe.tokens[id].text, text))
            r->role[i] = id;
    if (r->role[i] == NO_ID)
        json_fail(j, "%s '" STR_FMT "' is not in tokenizer.json", vocab_roles[i].token,
                  (int)(text.len < 80 ? text.len : 80), text.at);
}

static void read_chat_template(struct reading *r)
{
    struct json *j = r->json;
    if (r->chat_template.at || json_peek(j) == JSON_NULL)
        json_skip(j);
    else if (json_peek(j) == JSON_STRING)
        r->chat_template = json_string(j);
    else
        err_set(r->err, ERR_UNSUPPORTED, "%s: chat_template is a list, not one text", j->path);
}

/* tokenizer_config.json or special_tokens_map.json */
static void read_names(struct reading *r)
{
    struct json *j = r->json;
    struct str key;
    json_object(j);
    while (json_key(j, &key)) {
        enum vocab_role i = VOCAB_BOS;
        while (i < VOCAB_ROLES && !str_is(key, vocab_roles[i].token))
            i++;
        if (i < VOCAB_ROLES)
            name_role(r, i);
        else if (str_is(key, "chat_template"))
            read_chat_template(r);
        else
            json_skip(j);
    }
}

static uint64_t read_id(struct reading *r)
{
    uint64_t id = json_u64(r->json);
    if (json_ok(r->json) && id >= r->n_vocab)
        json_fail(r->json, "token id %llu, but the model has %llu embedding rows",
                  (unsigned long long)id, (unsigned long long)r->n_vocab);
    return id;
}

/* A number, null, or a list whose first item counts. */
static uint64_t read_first_id(struct reading *r)
{
    struct json *j = r->json;
    uint64_t id = NO_ID;
    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        return id;
    }
    if (json_peek(j) != JSON_ARRAY)
        return read_id(r);
    json_array(j);
    for (bool first = true; json_item(j); first = false)
        if (first)
            id = read_id(r);
        else
            json_skip(j);
    return id;
}

static void read_ids(struct reading *r)
{
    struct json *j = r->json;
    struct str key;
    json_object(j);
    while (json_key(j, &key)) {
        enum vocab_role i = VOCAB_BOS;
        while (i < VOCAB_ROLES && !str_is(key, vocab_roles[i].id))
            i++;
        if (i == VOCAB_ROLES) {
            json_skip(j);
            continue;
        }
        uint64_t id = read_first_id(r);
        if (r->role[i] == NO_ID)
            r->role[i] = id;
    }
}

/* ---- reading ------------------------------------------------------------------------- */

static const char *path_of(struct reading *r, const char *name)
{
    const char *dir = r->from->dir;
    return arena_printf(&r->scratch, r->err, "%s%s%s", dir ? dir : "", dir ? "/" : "", name);
}

/* One of the small files, if it is there. */
static bool read_file(struct reading *r, const char *name, struct str text,
                      void (*read)(struct reading *r))
{
    if (!text.at)
        return true;
    const char *path = path_of(r, name);
    if (!path)
        return false;
    struct json j;
    json_open(&j, path, 0, text, &r->scratch, r->err);
    r->json = &j;
    read(r);
    bool ok = json_end(&j);
    json_close(&j);
    return ok;
}

/* The key .pre says the pattern by its name. */
static bool check_split(const struct reading *r, const char *path)
{
    const struct bpe *b = &r->bpe;
    if (b->split)
        return true;
    err_set(r->err, ERR_UNSUPPORTED,
            "%s:0x%llx: text is split by a pattern we have no name for: '" STR_FMT "'", path,
            (unsigned long long)b->regex_at, (int)(b->regex.len < 80 ? b->regex.len : 80),
            b->regex.at ? b->regex.at : "");
    return err_hint(r->err, "known are the patterns of gpt-oss (o200k), Llama 3 and GPT-2");
}

static bool read_all(struct reading *r)
{
    const struct vocab_sources *from = r->from;
    const char *path = path_of(r, "tokenizer.json");
    if (!path)
        return false;
    if (!from->tokenizer_json.at)
        return err_set(r->err, ERR_INPUT, "%s is missing", path);
    if (!bpe_read(&r->bpe, path, from->tokenizer_json, r->n_vocab, &r->scratch, r->err) ||
        !check_split(r, path) ||
        !read_file(r, "tokenizer_config.json", from->tokenizer_config_json, read_names) ||
        !read_file(r, "special_tokens_map.json", from->special_tokens_map_json, read_names) ||
        !read_file(r, "generation_config.json", from->generation_config_json, read_ids))
        return false;
    for (enum vocab_role i = VOCAB_BOS; i < VOCAB_ROLES; i++)
        if (r->role[i] != NO_ID && r->role[i] >= r->n_vocab)
            return err_set(r->err, ERR_INPUT, "%s: %s is %llu, but the model has %llu rows", path,
                           vocab_roles[i].id, (unsigned long long)r->role[i],
                           (unsigned long long)r->n_vocab);
    return true;
}

/* ---- writing ------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

static bool add_array(struct metadata *to, struct str key, enum meta_type item, uint64_t count,
                      struct span bytes, struct arena *a, struct err *e)
{
    return meta_add(to, (struct meta){ key, META_ARRAY, item, count, bytes }, a, e);
}

/* Rows of the embedding that no token has. */
static size_t pad_text(char out[32], uint64_t id)
{
    return (size_t)snprintf(out, 32, "[PAD%llu]", (unsigned long long)id);
}

/* No token may look like the padding that follows: two rows would have one text. */
static bool check_padding(const struct reading *r)
{
    for (uint64_t id = 0; id < r->bpe.n_tokens; id++) {
        struct str s = r->bpe.tokens[id].text;
        uint64_t row = 0;
        char pad[32];
        for (size_t i = 4; str_starts(s, "[PAD") && i + 1 < s.len && row < r->n_vocab; i++)
            row = 10 * row + (uint64_t)(uint8_t)(s.at[i] - '0');
        if (row >= r->bpe.n_tokens && row < r->n_vocab &&
            str_eq(s, (struct str){ pad, pad_text(pad, row) }))
            return err_set(r->err, ERR_INPUT, "token %llu is %s, the name of the unused row %llu",
                           (unsigned long long)id, pad, (unsigned long long)row);
    }
    return true;
}

static bool add_tokens(const struct reading *r, struct metadata *to, struct arena *a)
{
    char pad[32];
    uint64_t bytes = 0;
    for (uint64_t id = 0; id < r->n_vocab; id++)
        bytes += 8 + (id < r->bpe.n_tokens ? r->bpe.tokens[id].text.len : pad_text(pad, id));
    uint8_t *texts = arena_alloc(a, 1, bytes, r->err);
    uint8_t *types = arena_alloc(a, 4, r->n_vocab, r->err);
    if (!texts || !types)
        return false;
    uint8_t *p = texts, *t = types;
    for (uint64_t id = 0; id < r->n_vocab; id++) {
        bool used = id < r->bpe.n_tokens;
        struct str text = used ? r->bpe.tokens[id].text : (struct str){ pad, pad_text(pad, id) };
        p = put(p, text.len, 8);
        p = (uint8_t *)memcpy(p, text.at, text.len) + text.len;
        t = put(t, used ? (uint64_t)r->bpe.tokens[id].type : TOKEN_UNUSED, 4);
    }
    return add_array(to, STR("tokenizer.ggml.tokens"), META_STRING, r->n_vocab,
                     (struct span){ texts, bytes }, a, r->err) &&
           add_array(to, STR("tokenizer.ggml.token_type"), META_I32, r->n_vocab,
                     (struct span){ types, 4 * r->n_vocab }, a, r->err);
}

static bool add_merges(const struct reading *r, struct metadata *to, struct arena *a)
{
    struct str bytes = arena_str(a, buf_text(&r->bpe.merges), r->err);
    return bytes.at && add_array(to, STR("tokenizer.ggml.merges"), META_STRING, r->bpe.n_merges,
                                 (struct span){ (const uint8_t *)bytes.at, bytes.len }, a, r->err);
}

static bool add_keys(const struct reading *r, struct metadata *to, struct arena *a)
{
    if (!meta_add_str(to, "tokenizer.ggml.model", STR("gpt2"), a, r->err) ||
        !meta_add_str(to, "tokenizer.ggml.pre", str_of(r->bpe.split->pre), a, r->err) ||
        !check_padding(r) || !add_tokens(r, to, a) || !add_merges(r, to, a))
        return false;
    for (enum vocab_role i = VOCAB_BOS; i < VOCAB_ROLES; i++)
        if (r->role[i] != NO_ID &&
            !meta_add_u32(to, vocab_roles[i].key, (uint32_t)r->role[i], a, r->err))
            return false;
    return !r->chat_template.at ||
           meta_add_str(to, "tokenizer.chat_template", r->chat_template, a, r->err);
}

bool vocab_to_gguf(const struct vocab_sources *from, uint64_t n_vocab, uint64_t eos, uint64_t pad,
                   struct metadata *to, struct arena *a, struct err *e)
{
    struct reading r = { .n_vocab = n_vocab,
                         .role = { NO_ID, eos, pad },
                         .chat_template = from->chat_template_jinja,
                         .from = from,
                         .err = e };
    bool ok = read_all(&r) && add_keys(&r, to, a);
    bpe_free(&r.bpe);
    arena_free(&r.scratch);
    return ok;
}
