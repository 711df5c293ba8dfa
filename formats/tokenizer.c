/* tokenizer.c - makes the tables of a tokenizer from its file, and reads ids back. */
#include "formats/tokenizer.h"

#include "formats/base/text.h"
#include "formats/bpe.h"

#include <stdio.h>

enum { JSON_MAX = 1 << 30 }; /* bytes of a tokenizer.json; gpt-oss has 28 million */

/* A tokenizer being made. */
struct making {
    struct tokenizer *t;
    const char *path;
    struct bpe bpe;
    struct names ids; /* text in the vocabulary -> id */
    uint64_t seed;
    struct arena scratch;
    struct err *err;
};

/* Enough of a text from a file to recognise it in a message. */
static struct str shown(struct str s) { return (struct str){ s.at, s.len < 80 ? s.len : 80 }; }

/* ---- the alphabet of GPT-2 ------------------------------------------------------------- */

/* Printable Latin-1 stands for its byte; U+0100, U+0101 ... for the other 68 bytes in order:
 * 00-20, 7f-a0, ad.  False for what is no letter of it. */
static bool byte_of(uint32_t code, uint8_t *byte)
{
    if ((code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xff && code != 0xad))
        *byte = (uint8_t)code;
    else if (code >= 0x100 && code < 0x100 + 33)
        *byte = (uint8_t)(code - 0x100);
    else if (code >= 0x100 + 33 && code < 0x100 + 67)
        *byte = (uint8_t)(0x7f + code - 0x100 - 33);
    else if (code == 0x100 + 67)
        *byte = 0xad;
    else
        return false;
    return true;
}

/* The bytes that a text stands for; false if it has any other letter. */
static bool bytes_of(struct str text, char *out, size_t *len)
{
    *len = 0;
    for (size_t at = 0, n; at < text.len; at += n) {
        uint32_t code = 0;
        uint8_t byte;
        n = text_utf8((struct str){ text.at + at, text.len - at }, &code);
        if (!n || !byte_of(code, &byte))
            return false;
        out[(*len)++] = (char)byte;
    }
    return true;
}

/* ---- tokens -------------------------------------------------------------------------------- */

/* What the token stands for: its letters as bytes; an added token, or one with letters that are
 * not in the alphabet, the text itself. */
static bool make_token(struct making *k, uint64_t id, char **room)
{
    const struct bpe_token *from = &k->bpe.tokens[id];
    struct token *t = &k->t->tokens[id];
    size_t len;
    bool letters = bytes_of(from->text, *room, &len);
    struct str bytes = { *room, len };
    bool vocab = from->from & BPE_VOCAB, added = from->from & BPE_ADDED;
    if (vocab && added && letters && !str_eq(bytes, from->text))
        return err_set(k->err, ERR_UNSUPPORTED,
                       "%s: token %llu is the added text '" STR_FMT "' and other bytes in the "
                       "vocabulary",
                       k->path, (unsigned long long)id, STR_ARG(shown(from->text)));
    if (vocab && letters && len == 1)
        k->t->byte_id[(uint8_t)bytes.at[0]] = (uint32_t)id;
    if (added || !letters) {
        memcpy(*room, from->text.at, from->text.len);
        bytes.len = from->text.len;
    }
    *room += bytes.len;
    *t = (struct token){ bytes, from->type, added, vocab && letters && len };
    return true;
}

static bool make_tokens(struct making *k)
{
    struct tokenizer *t = k->t;
    uint64_t bytes = 0;
    for (uint64_t id = 0; id < k->bpe.n_tokens; id++)
        bytes += k->bpe.tokens[id].text.len; /* all of them stand in memory */
    t->tokens = arena_new(&t->arena, struct token, k->bpe.n_tokens, k->err);
    char *room = arena_alloc(&t->arena, 1, bytes, k->err);
    if (!t->tokens || !room)
        return false;
    memset(t->byte_id, 0xff, sizeof t->byte_id); /* TOKEN_NONE */
    t->n_tokens = k->bpe.n_tokens;
    for (uint64_t id = 0; id < t->n_tokens; id++)
        if (!make_token(k, id, &room))
            return false;
    return true;
}

static bool check_added(struct making *k, uint64_t id)
{
    const struct bpe_token *b = &k->bpe.tokens[id];
    if (b->from & BPE_TRIMS)
        return err_set(k->err, ERR_UNSUPPORTED,
                       "%s:0x%llx: added token '" STR_FMT "' takes the spaces beside it, or only "
                       "stands for a whole word",
                       k->path, (unsigned long long)b->at, STR_ARG(shown(b->text)));
    if (b->text.len > ADDED_TOKEN_MAX)
        return err_set(k->err, ERR_UNSUPPORTED,
                       "%s:0x%llx: added token %llu has %zu bytes, at most %d", k->path,
                       (unsigned long long)b->at, (unsigned long long)id, b->text.len,
                       ADDED_TOKEN_MAX);
    return true;
}

/* A normalizer would stand between the two rounds; there is none, but they stay rounds. */
static bool make_added(struct making *k)
{
    struct tokenizer *t = k->t;
    size_t n[2] = { 0, 0 };
    for (uint64_t id = 0; id < t->n_tokens; id++)
        if (k->bpe.tokens[id].from & BPE_ADDED)
            n[(k->bpe.tokens[id].from & BPE_NORMALIZED) != 0]++;
    bool one = n[0] == 0 || n[1] == 0;
    for (int round = 0; round < 2; round++) {
        t->added[round].all =
            arena_new(&t->arena, struct added_token, one ? n[0] + n[1] : n[round], k->err);
        if (!t->added[round].all)
            return false;
    }
    for (uint64_t id = 0; id < t->n_tokens; id++) {
        const struct bpe_token *b = &k->bpe.tokens[id];
        if (!(b->from & BPE_ADDED) || b->text.len == 0)
            continue;
        if (!check_added(k, id))
            return false;
        struct added_tokens *a = &t->added[!one && (b->from & BPE_NORMALIZED)];
        a->all[a->n++] =
            (struct added_token){ t->tokens[id].bytes, (uint32_t)id, b->type == TOKEN_CONTROL };
    }
    added_tokens_prepare(&t->added[0]);
    added_tokens_prepare(&t->added[1]);
    return true;
}

/* ---- merges -------------------------------------------------------------------------------- */

static bool find_ids(struct making *k)
{
    if (!names_reserve(&k->ids, k->bpe.n_tokens, k->seed, k->err))
        return false;
    for (uint64_t id = 0; id < k->bpe.n_tokens; id++) {
        size_t old;
        if ((k->bpe.tokens[id].from & BPE_VOCAB) &&
            !names_add(&k->ids, k->bpe.tokens[id].text, (size_t)id, &old, k->err))
            return false;
    }
    return true;
}

static bool id_of(const struct making *k, struct str text, uint64_t rank, uint32_t *id)
{
    size_t found = names_find(&k->ids, text);
    *id = (uint32_t)found;
    return found != NAMES_NONE ||
           err_set(k->err, ERR_INPUT, "%s: merge %llu speaks of '" STR_FMT "', which is no token",
                   k->path, (unsigned long long)rank, STR_ARG(shown(text)));
}

static bool make_merge(struct making *k, struct str rule, uint64_t rank, struct buf *whole)
{
    struct merge m = { .rank = (uint32_t)rank };
    size_t gap = (size_t)((const char *)memchr(rule.at, ' ', rule.len) - rule.at);
    struct str left = { rule.at, gap }, right = { rule.at + gap + 1, rule.len - gap - 1 };
    whole->len = 0;
    buf_str(whole, left);
    buf_str(whole, right);
    if (!buf_ok(whole) || !id_of(k, left, rank, &m.left) || !id_of(k, right, rank, &m.right) ||
        !id_of(k, buf_text(whole), rank, &m.whole))
        return false;
    merges_add(&k->t->merges, m);
    return true;
}

static bool make_merges(struct making *k)
{
    const struct meta list = { .type = META_ARRAY,
                               .item = META_STRING,
                               .count = k->bpe.n_merges,
                               .bytes = buf_span(&k->bpe.merges) };
    struct buf whole = buf_make(k->err);
    struct str rule;
    bool ok = k->bpe.n_merges < TOKEN_NONE || err_set(k->err, ERR_UNSUPPORTED, "%s: %llu merges",
                                                      k->path, (unsigned long long)k->bpe.n_merges);
    ok = ok && find_ids(k) && merges_init(&k->t->merges, k->bpe.n_merges, k->seed, k->err);
    size_t at = 0;
    for (uint64_t rank = 0; ok && rank < k->bpe.n_merges; rank++)
        ok = meta_next_str(&list, &at, &rule) && make_merge(k, rule, rank, &whole);
    buf_free(&whole);
    return ok;
}

/* ---- pieces that are a token -------------------------------------------------------------- */

/* Does merging its bytes give the token again?  If not, a piece of these bytes is not it. */
static bool merges_to_itself(const struct making *k, uint64_t id, uint32_t *ids,
                             struct merge_work *w, bool *yes)
{
    const struct token *t = &k->t->tokens[id];
    size_t n = t->bytes.len;
    *yes = false;
    for (size_t i = 0; i < n; i++) {
        ids[i] = k->t->byte_id[(uint8_t)t->bytes.at[i]];
        if (ids[i] == TOKEN_NONE)
            return true;
    }
    if (!merges_apply(&k->t->merges, ids, &n, w, k->err))
        return false;
    *yes = n == 1 && ids[0] == id;
    return true;
}

static bool make_pieces(struct making *k)
{
    struct tokenizer *t = k->t;
    struct merge_work w = { 0 };
    size_t longest = 0, old;
    for (uint64_t id = 0; id < t->n_tokens; id++)
        longest = t->tokens[id].bytes.len > longest ? t->tokens[id].bytes.len : longest;
    uint32_t *ids = arena_new(&k->scratch, uint32_t, longest, k->err);
    bool ok = ids && names_reserve(&t->pieces, t->n_tokens, k->seed, k->err);
    for (uint64_t id = 0; ok && id < t->n_tokens; id++) {
        struct token *token = &t->tokens[id];
        if (token->piece && !t->ignore_merges)
            ok = merges_to_itself(k, id, ids, &w, &token->piece);
        if (ok && token->piece)
            ok = names_add(&t->pieces, token->bytes, (size_t)id, &old, k->err);
    }
    merge_work_free(&w);
    return ok;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static bool make_splitter(struct making *k)
{
    struct tokenizer *t = k->t;
    char where[400];
    if (k->bpe.regex.at) {
        t->regex = arena_str(&t->arena, k->bpe.regex, k->err);
        if (!t->regex.at)
            return false;
    }
    snprintf(where, sizeof where, "%s:0x%llx", k->path, (unsigned long long)k->bpe.regex_at);
    return splitter_open(&t->splitter, where, t->regex, k->err);
}

bool tokenizer_open_json(struct tokenizer *t, const char *path, struct str text, struct err *e)
{
    struct making k = { .t = t, .path = path, .err = e };
    *t = (struct tokenizer){ 0 };
    k.seed = names_seed(0, text.at, text.len);
    bool ok = bpe_read(&k.bpe, path, text, BPE_ANY_ROWS, &k.scratch, e);
    t->ignore_merges = k.bpe.ignore_merges;
    ok = ok && make_tokens(&k) && make_added(&k) && make_merges(&k) && make_pieces(&k) &&
         make_splitter(&k);
    names_free(&k.ids);
    bpe_free(&k.bpe);
    arena_free(&k.scratch);
    if (!ok)
        tokenizer_close(t);
    return ok;
}

bool tokenizer_open_keys(struct tokenizer *t, const char *path, const struct metadata *keys,
                         struct err *e)
{
    struct arena a = { 0 };
    struct vocab_sources files;
    *t = (struct tokenizer){ 0 };
    bool ok = vocab_from_gguf(keys, &files, &a, e) || err_within(e, "%s", path);
    ok = ok && tokenizer_open_json(t, path, files.tokenizer_json, e);
    arena_free(&a);
    return ok;
}

static bool open_file(struct tokenizer *t, const char *path, struct err *e)
{
    struct arena a = { 0 };
    struct span s;
    *t = (struct tokenizer){ 0 };
    bool ok = file_slurp(path, JSON_MAX, &a, &s, e) &&
              tokenizer_open_json(t, path, (struct str){ (const char *)s.at, s.len }, e);
    arena_free(&a);
    return ok;
}

bool tokenizer_open_model(struct tokenizer *t, const struct model *m, struct err *e)
{
    const struct sidecar *json = model_sidecar(m, "tokenizer.json");
    *t = (struct tokenizer){ 0 };
    if (json)
        return open_file(t, json->path, e);
    if (m->n_files && meta_find(&m->files[0].metadata, "tokenizer.ggml.model"))
        return tokenizer_open_keys(t, m->files[0].path, &m->files[0].metadata, e);
    err_set(e, ERR_INPUT, "%s holds no tokenizer", m->path);
    return err_hint(e, "name a tokenizer.json, a directory that has one, or a GGUF");
}

/* Weights need not be there, so a tokenizer.json is looked for before a model is. */
bool tokenizer_open(struct tokenizer *t, const char *path, struct err *e)
{
    struct arena a = { 0 };
    struct model m = { 0 };
    enum file_kind kind = FILE_ABSENT;
    char *json = file_join(&a, path, STR("tokenizer.json"), e);
    *t = (struct tokenizer){ 0 };
    bool ok = json && file_kind(json, &kind, NULL, NULL, e);
    if (ok && kind == FILE_REGULAR)
        ok = open_file(t, json, e);
    else if (ok && str_ends(str_of(path), ".json"))
        ok = open_file(t, path, e);
    else if (ok)
        ok = model_open(&m, path, e) && tokenizer_open_model(t, &m, e);
    model_close(&m);
    arena_free(&a);
    return ok;
}

void tokenizer_close(struct tokenizer *t)
{
    names_free(&t->pieces);
    merges_free(&t->merges);
    splitter_close(&t->splitter);
    arena_free(&t->arena);
    *t = (struct tokenizer){ 0 };
}

/* ---- ids -> text ------------------------------------------------------------------------------
 */

bool tokenizer_decode(const struct tokenizer *t, const uint32_t *ids, size_t n, struct buf *out,
                      struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] >= t->n_tokens)
            return err_set(e, ERR_INPUT, "id %u is no token: the last one is %llu", ids[i],
                           (unsigned long long)t->n_tokens - 1);
        buf_str(out, t->tokens[ids[i]].bytes);
    }
    return buf_ok(out);
}
