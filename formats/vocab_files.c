/* vocab_files.c - GGUF tokenizer keys -> tokenizer.json and its companions.
 *
 * Layout, order and flags are those of the released gpt-oss files, so that
 * what the keys do carry comes back byte for byte. */
#include "formats/base/json.h"
#include "formats/base/names.h"
#include "formats/base/text.h"
#include "formats/vocab.h"

#include <stdio.h>

#define NO_ID UINT64_MAX

struct entry {
    struct str text;
    enum token_type type;
};

struct keys {
    const struct metadata *from;
    const struct meta *merges;
    const struct vocab_split *split;
    struct entry *tokens; /* by id, without the padding at the end */
    uint64_t n_tokens;
    uint64_t n_vocab_tokens; /* ids below are in model.vocab, whatever their type */
    uint64_t role[VOCAB_ROLES];
    struct arena scratch;
    struct err *err;
};

/* ---- reading the keys ---------------------------------------------------------------- */

static bool bad(const struct keys *k, const char *key, const char *why)
{
    return err_set(k->err, ERR_INPUT, "%s %s", key, why);
}

static const struct meta *find_array(const struct keys *k, const char *key, enum meta_type item)
{
    const struct meta *m = meta_find(k->from, key);
    if (!m)
        err_set(k->err, ERR_UNSUPPORTED, "%s is missing", key);
    else if (m->type == META_ARRAY && m->item == item)
        return m;
    else
        err_set(k->err, ERR_INPUT, "%s is not an array of %s", key, meta_type_name(item));
    return NULL;
}

/* JSON can hold it, and our own reader takes it back. */
static bool text_fits(struct str s) { return !memchr(s.at, 0, s.len) && text_is_utf8(s); }

static bool read_tokens(struct keys *k)
{
    static const char key[] = "tokenizer.ggml.tokens";
    const struct meta *texts = find_array(k, key, META_STRING);
    const struct meta *types = texts ? find_array(k, "tokenizer.ggml.token_type", META_I32) : NULL;
    if (!types)
        return false;
    if (types->count != texts->count || types->bytes.len / 4 != types->count)
        return bad(k, "tokenizer.ggml.token_type", "has not one item for each token");
    k->tokens = arena_new(&k->scratch, struct entry, texts->count, k->err);
    if (!k->tokens)
        return false;
    struct str text;
    for (size_t at = 0; k->n_tokens < texts->count && meta_next_str(texts, &at, &text);) {
        const uint8_t *t = types->bytes.at + 4 * k->n_tokens;
        uint32_t type =
            (uint32_t)t[0] | (uint32_t)t[1] << 8 | (uint32_t)t[2] << 16 | (uint32_t)t[3] << 24;
        if (!text_fits(text))
            return err_set(k->err, ERR_INPUT, "%s: token %llu is not UTF-8 text", key,
                           (unsigned long long)k->n_tokens);
        k->tokens[k->n_tokens++] = (struct entry){ text, (enum token_type)type };
    }
    return k->n_tokens == texts->count || bad(k, key, "has fewer items than it says");
}

/* "[PAD7]" of type unused at the end stands for an embedding row without a token. */
static void drop_padding(struct keys *k)
{
    for (; k->n_tokens > 0; k->n_tokens--) {
        const struct entry *t = &k->tokens[k->n_tokens - 1];
        char pad[32];
        snprintf(pad, sizeof pad, "[PAD%llu]", (unsigned long long)k->n_tokens - 1);
        if (t->type != TOKEN_UNUSED || !str_is(t->text, pad))
            return;
    }
}

static bool check_tokens(struct keys *k)
{
    struct names seen = { 0 };
    size_t old;
    uint64_t seed = 0;
    for (uint64_t id = 0; id < k->n_tokens; id++)
        seed = names_seed(seed, k->tokens[id].text.at, k->tokens[id].text.len);
    bool ok = names_reserve(&seen, k->n_tokens, seed, k->err);
    for (uint64_t id = 0; id < k->n_tokens && ok; id++) {
        const struct entry *t = &k->tokens[id];
        if (t->type == TOKEN_NORMAL)
            k->n_vocab_tokens = id + 1;
        else if (t->type != TOKEN_CONTROL && t->type != TOKEN_USER)
            ok = err_set(k->err, ERR_UNSUPPORTED,
                         "token %llu is of type %d, which tokenizer.json does not know",
                         (unsigned long long)id, (int)t->type);
        if (ok)
            ok = names_add(&seen, t->text, (size_t)id, &old, k->err);
        if (ok && old != NAMES_NONE)
            ok = err_set(k->err, ERR_INPUT, "tokens %zu and %llu have the same text", old,
                         (unsigned long long)id);
    }
    names_free(&seen);
    return ok;
}

static bool read_roles(struct keys *k)
{
    for (int i = 0; i < VOCAB_ROLES; i++) {
        k->role[i] = NO_ID;
        if (!meta_find(k->from, vocab_roles[i].key))
            continue;
        if (!meta_get_u64(k->from, vocab_roles[i].key, &k->role[i]))
            return bad(k, vocab_roles[i].key, "is not a token id");
        if (k->role[i] >= k->n_tokens)
            return bad(k, vocab_roles[i].key, "names no token");
    }
    return true;
}

static bool read_keys(struct keys *k)
{
    struct str model, pre;
    if (!meta_get_str(k->from, "tokenizer.ggml.model", &model) || !str_is(model, "gpt2"))
        return err_set(k->err, ERR_UNSUPPORTED,
                       "tokenizer.ggml.model is not \"gpt2\", so no byte-level BPE");
    if (!meta_get_str(k->from, "tokenizer.ggml.pre", &pre))
        return err_set(k->err, ERR_UNSUPPORTED, "tokenizer.ggml.pre is missing");
    k->split = vocab_split_find(pre);
    if (!k->split) {
        err_set(k->err, ERR_UNSUPPORTED, "tokenizer.ggml.pre '" STR_FMT "'",
                (int)(pre.len < 80 ? pre.len : 80), pre.at);
        return err_hint(k->err, "known are gpt-4o (gpt-oss), llama-bpe and gpt-2");
    }
    k->merges = find_array(k, "tokenizer.ggml.merges", META_STRING);
    if (!k->merges || !read_tokens(k))
        return false;
    drop_padding(k);
    return check_tokens(k) && read_roles(k);
}

/* ---- tokenizer.json ------------------------------------------------------------------- */

static void put_knull(struct json_out *o, const char *key)
{
    json_put_key(o, str_of(key));
    json_put_null(o);
}

static void put_kopen(struct json_out *o, const char *key, char bracket)
{
    json_put_key(o, str_of(key));
    json_put_open(o, bracket);
}

static bool is_added(const struct entry *t) { return t->type != TOKEN_NORMAL; }

static void put_added_tokens(struct json_out *o, const struct keys *k)
{
    put_kopen(o, "added_tokens", '[');
    for (uint64_t id = 0; id < k->n_tokens; id++) {
        const struct entry *t = &k->tokens[id];
        if (!is_added(t))
            continue;
        json_put_open(o, '{');
        json_put_ku64(o, "id", id);
        json_put_kstr(o, "content", t->text);
        json_put_kbool(o, "single_word", false);
        json_put_kbool(o, "lstrip", false);
        json_put_kbool(o, "rstrip", false);
        json_put_kbool(o, "normalized", false);
        json_put_kbool(o, "special", t->type == TOKEN_CONTROL);
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
}

/* The members of an object of type ByteLevel. */
static void put_byte_level(struct json_out *o, bool prefix_space, bool trim, bool regex)
{
    json_put_open(o, '{');
    json_put_kstr(o, "type", STR("ByteLevel"));
    json_put_kbool(o, "add_prefix_space", prefix_space);
    json_put_kbool(o, "trim_offsets", trim);
    json_put_kbool(o, "use_regex", regex);
    json_put_close(o, '}');
}

static void put_pre_tokenizer(struct json_out *o, const struct vocab_split *split)
{
    json_put_key(o, STR("pre_tokenizer"));
    if (split->in_byte_level) {
        put_byte_level(o, false, true, true);
        return;
    }
    json_put_open(o, '{');
    json_put_kstr(o, "type", STR("Sequence"));
    put_kopen(o, "pretokenizers", '[');
    json_put_open(o, '{');
    json_put_kstr(o, "type", STR("Split"));
    put_kopen(o, "pattern", '{');
    json_put_kstr(o, "Regex", str_of(split->regex));
    json_put_close(o, '}');
    json_put_kstr(o, "behavior", STR("Isolated"));
    json_put_kbool(o, "invert", false);
    json_put_close(o, '}');
    put_byte_level(o, false, true, false);
    json_put_close(o, ']');
    json_put_close(o, '}');
}

/* Added tokens behind the last normal one stand in added_tokens alone, as
 * released; one between normal tokens is in the vocabulary too, or its id
 * would move when the file is loaded. */
static void put_vocab(struct json_out *o, const struct keys *k)
{
    put_kopen(o, "vocab", '{');
    for (uint64_t id = 0; id < k->n_vocab_tokens; id++) {
        json_put_key(o, k->tokens[id].text);
        json_put_u64(o, id);
    }
    json_put_close(o, '}');
}

/* llama.cpp splits at the first space behind the first byte; byte-level text has
 * no other. */
static bool split_merge(struct str s, struct str *left, struct str *right)
{
    const char *gap = s.len > 1 ? memchr(s.at + 1, ' ', s.len - 1) : NULL;
    if (!gap || !text_fits(s))
        return false;
    *left = (struct str){ s.at, (size_t)(gap - s.at) };
    *right = (struct str){ gap + 1, s.len - left->len - 1 };
    return right->len > 0 && s.at[0] != ' ' && !memchr(right->at, ' ', right->len);
}

static bool put_merges(struct json_out *o, const struct keys *k)
{
    struct str s, left, right;
    uint64_t n = 0;
    put_kopen(o, "merges", '[');
    for (size_t at = 0; n < k->merges->count && meta_next_str(k->merges, &at, &s); n++) {
        if (!split_merge(s, &left, &right))
            return err_set(k->err, ERR_INPUT,
                           "tokenizer.ggml.merges: item %llu is no pair of texts",
                           (unsigned long long)n);
        json_put_open(o, '[');
        json_put_str(o, left);
        json_put_str(o, right);
        json_put_close(o, ']');
    }
    json_put_close(o, ']');
    return n == k->merges->count || bad(k, "tokenizer.ggml.merges", "has fewer items than it says");
}

static bool put_model(struct json_out *o, const struct keys *k)
{
    put_kopen(o, "model", '{');
    json_put_kstr(o, "type", STR("BPE"));
    put_knull(o, "dropout");
    put_knull(o, "unk_token");
    put_knull(o, "continuing_subword_prefix");
    put_knull(o, "end_of_word_suffix");
    json_put_kbool(o, "fuse_unk", false);
    json_put_kbool(o, "byte_fallback", false);
    json_put_kbool(o, "ignore_merges", k->split->ignore_merges);
    put_vocab(o, k);
    if (!put_merges(o, k))
        return false;
    json_put_close(o, '}');
    return true;
}

static bool put_tokenizer(struct json_out *o, const struct keys *k)
{
    json_put_open(o, '{');
    json_put_kstr(o, "version", STR("1.0"));
    put_knull(o, "truncation");
    put_knull(o, "padding");
    put_added_tokens(o, k);
    put_knull(o, "normalizer");
    put_pre_tokenizer(o, k->split);
    json_put_key(o, STR("post_processor"));
    put_byte_level(o, true, false, true);
    json_put_key(o, STR("decoder"));
    put_byte_level(o, true, true, true);
    if (!put_model(o, k))
        return false;
    json_put_close(o, '}');
    return true;
}

/* ---- the small files ---------------------------------------------------------------------- */

static void put_role(struct json_out *o, const struct keys *k, enum vocab_role i)
{
    if (k->role[i] != NO_ID)
        json_put_kstr(o, vocab_roles[i].token, k->tokens[k->role[i]].text);
}

static void put_added_decoder(struct json_out *o, const struct keys *k)
{
    put_kopen(o, "added_tokens_decoder", '{');
    for (uint64_t id = 0; id < k->n_tokens; id++) {
        const struct entry *t = &k->tokens[id];
        char number[24];
        if (!is_added(t))
            continue;
        snprintf(number, sizeof number, "%llu", (unsigned long long)id);
        put_kopen(o, number, '{');
        json_put_kstr(o, "content", t->text);
        json_put_kbool(o, "lstrip", false);
        json_put_kbool(o, "normalized", false);
        json_put_kbool(o, "rstrip", false);
        json_put_kbool(o, "single_word", false);
        json_put_kbool(o, "special", t->type == TOKEN_CONTROL);
        json_put_close(o, '}');
    }
    json_put_close(o, '}');
}

static bool put_config(struct json_out *o, const struct keys *k)
{
    json_put_open(o, '{');
    put_added_decoder(o, k);
    put_role(o, k, VOCAB_BOS);
    json_put_kbool(o, "clean_up_tokenization_spaces", false);
    put_role(o, k, VOCAB_EOS);
    put_kopen(o, "extra_special_tokens", '{');
    json_put_close(o, '}');
    put_kopen(o, "model_input_names", '[');
    json_put_str(o, STR("input_ids"));
    json_put_str(o, STR("attention_mask"));
    json_put_close(o, ']');
    json_put_key(o, STR("model_max_length"));
    json_put_raw(o, STR("1000000000000000019884624838656")); /* int(1e30): no limit */
    put_role(o, k, VOCAB_PAD);
    json_put_kstr(o, "tokenizer_class", STR("PreTrainedTokenizerFast"));
    json_put_close(o, '}');
    buf_puts(o->buf, "\n");
    return true;
}

static bool put_special_map(struct json_out *o, const struct keys *k)
{
    json_put_open(o, '{');
    for (enum vocab_role i = VOCAB_BOS; i < VOCAB_ROLES; i++)
        put_role(o, k, i);
    json_put_close(o, '}');
    buf_puts(o->buf, "\n");
    return true;
}

static bool put_generation(struct json_out *o, const struct keys *k)
{
    json_put_open(o, '{');
    for (int i = 0; i < VOCAB_ROLES; i++)
        if (k->role[i] != NO_ID)
            json_put_ku64(o, vocab_roles[i].id, k->role[i]);
    json_put_close(o, '}');
    buf_puts(o->buf, "\n");
    return true;
}

/* Writes one file into the arena. */
static bool make(const struct keys *k, bool (*put)(struct json_out *o, const struct keys *k),
                 struct str *to, struct arena *a)
{
    struct buf text = buf_make(k->err);
    struct json_out o = json_out(&text, JSON_INDENT);
    bool ok = put(&o, k) && buf_ok(&text);
    if (ok)
        *to = arena_str(a, buf_text(&text), k->err);
    buf_free(&text);
    return ok && to->at;
}

static bool make_all(struct keys *k, struct vocab_sources *to, struct arena *a)
{
    struct str template;
    bool ids =
        k->role[VOCAB_BOS] != NO_ID || k->role[VOCAB_EOS] != NO_ID || k->role[VOCAB_PAD] != NO_ID;
    if (meta_get_str(k->from, "tokenizer.chat_template", &template)) {
        to->chat_template_jinja = arena_str(a, template, k->err);
        if (!to->chat_template_jinja.at)
            return false;
    }
    return make(k, put_tokenizer, &to->tokenizer_json, a) &&
           make(k, put_config, &to->tokenizer_config_json, a) &&
           make(k, put_special_map, &to->special_tokens_map_json, a) &&
           (!ids || make(k, put_generation, &to->generation_config_json, a));
}

bool vocab_from_gguf(const struct metadata *from, struct vocab_sources *to, struct arena *a,
                     struct err *e)
{
    struct keys k = { .from = from, .err = e };
    *to = (struct vocab_sources){ 0 };
    bool ok = read_keys(&k) && make_all(&k, to, a);
    arena_free(&k.scratch);
    return ok;
}
