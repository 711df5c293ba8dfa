/* bpe.c - reads tokenizer.json, once, in whatever order its members come.
 *
 * Tokens are borrowed from the text and kept by id; merges go straight into
 * the form that GGUF stores, so 28 MB of JSON cost a few MB beside it. */
#include "formats/bpe.h"

#include "formats/base/json.h"
#include "formats/base/names.h"

#include <stdio.h>

enum {
    BPE_MAX = 1 << 24, /* tokens: a bound on memory, far above any vocabulary */
    MERGES_PER_SCRATCH = 4096,
};
#define NO_ID UINT64_MAX

struct reading {
    struct bpe *bpe;
    struct json *json;
    uint64_t n_vocab; /* ids are below */
    bool any_rows;
    struct names added; /* text -> id of the added tokens */
    struct str regex;   /* of Split; at == NULL: none yet */
    bool byte_level, byte_level_regex, decoder, model, merges;
};

/* Enough of a text from a file to recognise it in a message. */
static struct str shown(struct str s) { return (struct str){ s.at, s.len < 80 ? s.len : 80 }; }

static bool unsupported(struct json *j, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool unsupported(struct json *j, const char *fmt, ...)
{
    char why[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return err_set(j->err, ERR_UNSUPPORTED, "%s:0x%llx: %s", j->path,
                   (unsigned long long)(j->base + j->value_at), why);
}

/* ---- tokens ------------------------------------------------------------------ */

static bool reserve(struct reading *r, uint64_t id)
{
    struct bpe *b = r->bpe;
    if (id < b->room)
        return true;
    uint64_t room = id + 1 + id / 2 + 64;
    struct bpe_token *p = mem_resize(b->tokens, room * sizeof *p, r->json->err);
    if (!p)
        return false;
    memset(p + b->room, 0, (room - b->room) * sizeof *p);
    b->tokens = p;
    b->room = room;
    return true;
}

/* Gives an id its text.  The vocabulary and the added tokens may both name it. */
static void place(struct reading *r, uint64_t id, struct str text, unsigned from,
                  enum token_type type)
{
    struct json *j = r->json;
    if (!json_ok(j))
        return;
    if (id >= r->n_vocab) {
        json_fail(j, "token '" STR_FMT "' has id %llu, but %s %llu %s", STR_ARG(shown(text)),
                  (unsigned long long)id, r->any_rows ? "the file has room for" : "the model has",
                  (unsigned long long)r->n_vocab, r->any_rows ? "tokens" : "embedding rows");
        return;
    }
    if (!reserve(r, id))
        return;
    struct bpe_token *t = &r->bpe->tokens[id];
    unsigned side = from & (BPE_VOCAB | BPE_ADDED);
    if (t->text.at && ((t->from & side) || !str_eq(t->text, text))) {
        json_fail(j, "id %llu is given to '" STR_FMT "' and to '" STR_FMT "'",
                  (unsigned long long)id, STR_ARG(shown(t->text)), STR_ARG(shown(text)));
        return;
    }
    if (!t->text.at || side == BPE_ADDED)
        t->type = type;
    t->text = text;
    t->at = j->base + j->value_at;
    t->from |= from;
    if (id >= r->bpe->n_tokens)
        r->bpe->n_tokens = id + 1;
}

static void read_added_token(struct reading *r)
{
    struct json *j = r->json;
    struct str key, text = { NULL, 0 };
    uint64_t id = NO_ID;
    bool special = false;
    unsigned from = BPE_ADDED;
    json_object(j);
    size_t at = j->value_at;
    while (json_key(j, &key)) {
        if (str_is(key, "id"))
            id = json_u64(j);
        else if (str_is(key, "content"))
            text = json_string(j);
        else if (str_is(key, "special"))
            special = json_bool(j);
        else if (str_is(key, "normalized"))
            from |= json_bool(j) ? BPE_NORMALIZED : 0;
        else if (str_is(key, "lstrip") || str_is(key, "rstrip") || str_is(key, "single_word"))
            from |= json_bool(j) ? BPE_TRIMS : 0;
        else
            json_skip(j);
    }
    j->value_at = at;
    if (json_ok(j) && (id == NO_ID || !text.at)) {
        json_fail(j, "an added token needs id and content");
        return;
    }
    place(r, id, text, from, special ? TOKEN_CONTROL : TOKEN_USER);
    size_t old;
    if (json_ok(j) && names_add(&r->added, text, (size_t)id, &old, r->json->err) &&
        old != NAMES_NONE)
        json_fail(j, "token '" STR_FMT "' has ids %zu and %llu", STR_ARG(shown(text)), old,
                  (unsigned long long)id);
}

static void read_added_tokens(struct reading *r)
{
    json_array(r->json);
    while (json_item(r->json))
        read_added_token(r);
}

static void read_vocab(struct reading *r)
{
    struct json *j = r->json;
    struct str text;
    json_object(j);
    while (json_key(j, &text))
        place(r, json_u64(j), text, BPE_VOCAB, TOKEN_NORMAL);
}

/* ---- merges ------------------------------------------------------------------ */

/* A pair is ["left", "right"] in newer files and "left right" in older ones. */
static bool read_pair(struct json *j, struct str pair[2])
{
    if (json_peek(j) == JSON_STRING) {
        struct str s = json_string(j);
        const char *gap = s.len ? memchr(s.at, ' ', s.len) : NULL;
        size_t left = gap ? (size_t)(gap - s.at) : s.len;
        pair[0] = (struct str){ s.at, left };
        pair[1] = (struct str){ s.at + left + (gap != NULL), s.len - left - (gap != NULL) };
        return json_ok(j);
    }
    json_array(j);
    size_t at = j->value_at, n = 0;
    for (; json_item(j); n++)
        if (n < 2)
            pair[n] = json_string(j);
        else
            json_skip(j);
    j->value_at = at;
    return json_ok(j) && (n == 2 || json_fail(j, "a merge has %zu parts, not 2", n));
}

static void read_merge(struct reading *r)
{
    struct json *j = r->json;
    struct str pair[2];
    if (!read_pair(j, pair))
        return;
    if (pair[0].len == 0 || pair[1].len == 0) {
        json_fail(j, "a merge needs two texts that are not empty");
        return;
    }
    for (int i = 0; i < 2; i++)
        if (memchr(pair[i].at, ' ', pair[i].len)) {
            unsupported(j, "merge part '" STR_FMT "' holds a space, which byte-level text has not",
                        STR_ARG(shown(pair[i])));
            return;
        }
    buf_u64(&r->bpe->merges, (uint64_t)pair[0].len + 1 + pair[1].len);
    buf_str(&r->bpe->merges, pair[0]);
    buf_add(&r->bpe->merges, " ", 1);
    buf_str(&r->bpe->merges, pair[1]);
    r->bpe->n_merges++;
}

static void read_merges(struct reading *r)
{
    struct json *j = r->json;
    struct arena decoded = { 0 }; /* escaped texts of a few pairs at a time */
    struct arena *outer = j->arena;
    r->merges = true;
    j->arena = &decoded;
    json_array(j);
    while (json_item(j)) {
        read_merge(r);
        if (r->bpe->n_merges % MERGES_PER_SCRATCH == 0)
            arena_free(&decoded);
    }
    arena_free(&decoded);
    j->arena = outer;
}

/* ---- the parts of tokenizer.json ------------------------------------------------ */

/* A member that must say nothing, since the GGUF keys cannot carry it. */
static void want_nothing(struct json *j, const char *what)
{
    struct str s = json_raw(j);
    if (!json_ok(j) || str_is(s, "null") || str_is(s, "false") || str_is(s, "\"\""))
        return;
    j->value_at = (size_t)(s.at - j->text.at);
    unsupported(j, "%s " STR_FMT " has no place in a GGUF", what, STR_ARG(shown(s)));
}

/* What one pre-tokenizer says, whatever the order of its members. */
struct step {
    struct str type, regex, behavior;
    bool invert, prefix_space, use_regex, nested;
};

static struct str read_pattern(struct json *j)
{
    struct str key, regex = { NULL, 0 };
    json_object(j);
    while (json_key(j, &key))
        if (str_is(key, "Regex"))
            regex = json_string(j);
        else
            json_skip(j);
    return regex;
}

static void take_split(struct reading *r, const struct step *s)
{
    if (!s->regex.at || s->invert || !str_is(s->behavior, "Isolated"))
        unsupported(r->json, "a pre-tokenizer Split that is not an isolated Regex");
    else if (r->regex.at || r->byte_level)
        unsupported(r->json, "more than one split of the text");
    r->regex = s->regex;
}

static void take_byte_level(struct reading *r, const struct step *s)
{
    if (s->prefix_space)
        unsupported(r->json, "ByteLevel puts a space in front of the text");
    else if (r->byte_level || (s->use_regex && r->regex.at))
        unsupported(r->json, "more than one split of the text");
    r->byte_level = true;
    r->byte_level_regex = s->use_regex;
}

static void read_step(struct reading *r, bool inner)
{
    struct json *j = r->json;
    struct step s = { .use_regex = true };
    struct str key;
    json_object(j);
    size_t at = j->value_at;
    while (json_key(j, &key)) {
        if (str_is(key, "type")) {
            s.type = json_string(j);
        } else if (str_is(key, "pattern")) {
            s.regex = read_pattern(j);
        } else if (str_is(key, "behavior")) {
            s.behavior = json_string(j);
        } else if (str_is(key, "invert")) {
            s.invert = json_bool(j);
        } else if (str_is(key, "add_prefix_space")) {
            s.prefix_space = json_bool(j);
        } else if (str_is(key, "use_regex")) {
            s.use_regex = json_bool(j);
        } else if (str_is(key, "pretokenizers") && !inner) {
            s.nested = true;
            json_array(j);
            while (json_item(j))
                read_step(r, true);
        } else {
            json_skip(j);
        }
    }
    if (!json_ok(j))
        return;
    j->value_at = at;
    if (str_is(s.type, "Split"))
        take_split(r, &s);
    else if (str_is(s.type, "ByteLevel"))
        take_byte_level(r, &s);
    else if (!str_is(s.type, "Sequence") || !s.nested)
        unsupported(j, "pre-tokenizer '" STR_FMT "'", STR_ARG(shown(s.type)));
}

static void read_pre_tokenizer(struct reading *r)
{
    struct json *j = r->json;
    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        return;
    }
    read_step(r, false);
    if (!json_ok(j) || !r->byte_level)
        return;
    struct bpe *b = r->bpe;
    b->regex = r->regex;
    b->regex_at = j->base + j->value_at;
    for (const struct vocab_split *s = vocab_splits; s->pre && !b->split; s++)
        if (r->byte_level_regex ? s->in_byte_level : str_is(r->regex, s->regex))
            b->split = s;
    if (r->byte_level_regex)
        b->regex = str_of(b->split->regex);
}

static void read_decoder(struct reading *r)
{
    struct json *j = r->json;
    struct str key;
    if (json_peek(j) == JSON_NULL) {
        json_skip(j);
        return;
    }
    json_object(j);
    while (json_key(j, &key)) {
        if (!str_is(key, "type")) {
            json_skip(j);
            continue;
        }
        struct str type = json_string(j);
        if (json_ok(j) && !str_is(type, "ByteLevel"))
            unsupported(j, "decoder '" STR_FMT "', not ByteLevel", STR_ARG(shown(type)));
        r->decoder = true;
    }
}

static void read_model(struct reading *r)
{
    struct json *j = r->json;
    struct str key;
    json_object(j);
    while (json_key(j, &key)) {
        if (str_is(key, "type")) {
            struct str type = json_string(j);
            r->model = true;
            if (json_ok(j) && !str_is(type, "BPE"))
                unsupported(j, "tokenizer model '" STR_FMT "', not BPE", STR_ARG(shown(type)));
        } else if (str_is(key, "vocab")) {
            read_vocab(r);
        } else if (str_is(key, "merges")) {
            read_merges(r);
        } else if (str_is(key, "ignore_merges")) {
            r->bpe->ignore_merges = json_bool(j);
        } else if (str_is(key, "continuing_subword_prefix")) {
            want_nothing(j, "continuing_subword_prefix");
        } else if (str_is(key, "end_of_word_suffix")) {
            want_nothing(j, "end_of_word_suffix");
        } else if (str_is(key, "byte_fallback")) {
            want_nothing(j, "byte_fallback");
        } else {
            json_skip(j);
        }
    }
}

/* ---- the whole of it ------------------------------------------------------------ */

static bool check_tokens(struct reading *r)
{
    struct json *j = r->json;
    struct bpe *b = r->bpe;
    for (uint64_t id = 0; id < b->n_tokens; id++) {
        const struct bpe_token *t = &b->tokens[id];
        if (!t->text.at)
            return err_set(j->err, ERR_INPUT, "%s: no token has id %llu, but one has %llu", j->path,
                           (unsigned long long)id, (unsigned long long)b->n_tokens - 1);
        size_t other = names_find(&r->added, t->text);
        j->value_at = t->at;
        if (other != NAMES_NONE && other != id)
            return json_fail(j, "token '" STR_FMT "' has ids %llu and %zu", STR_ARG(shown(t->text)),
                             (unsigned long long)id, other);
    }
    return true;
}

static bool check_parts(struct reading *r)
{
    const char *lacks = !r->model        ? "model type"
                        : !r->byte_level ? "ByteLevel pre-tokenizer"
                        : !r->decoder    ? "ByteLevel decoder"
                                         : NULL;
    if (lacks)
        return err_set(r->json->err, ERR_UNSUPPORTED, "%s: no %s, so no byte-level BPE",
                       r->json->path, lacks);
    if (r->bpe->n_tokens == 0 || !r->merges)
        return err_set(r->json->err, ERR_INPUT, "%s: the model has no %s", r->json->path,
                       r->merges ? "vocabulary" : "merges");
    return check_tokens(r);
}

static void read_tokenizer(struct reading *r)
{
    struct json *j = r->json;
    struct str key;
    json_object(j);
    while (json_key(j, &key)) {
        if (str_is(key, "added_tokens"))
            read_added_tokens(r);
        else if (str_is(key, "normalizer"))
            want_nothing(j, "normalizer");
        else if (str_is(key, "pre_tokenizer"))
            read_pre_tokenizer(r);
        else if (str_is(key, "decoder"))
            read_decoder(r);
        else if (str_is(key, "model"))
            read_model(r);
        else
            json_skip(j);
    }
}

bool bpe_read(struct bpe *b, const char *path, struct str text, uint64_t n_vocab, struct arena *a,
              struct err *e)
{
    *b = (struct bpe){ .merges = buf_make(e) };
    bool any_rows = n_vocab == BPE_ANY_ROWS;
    if (any_rows) /* ids have no holes, and each takes some bytes of the file */
        n_vocab = text.len < BPE_MAX ? text.len : BPE_MAX;
    if (n_vocab > BPE_MAX)
        return err_set(e, ERR_UNSUPPORTED, "%s: a vocabulary of %llu rows, at most %d", path,
                       (unsigned long long)n_vocab, BPE_MAX);
    struct json j;
    struct reading r = { .bpe = b, .json = &j, .n_vocab = n_vocab, .any_rows = any_rows };
    json_open(&j, path, 0, text, a, e);
    bool ok = names_reserve(&r.added, 0, names_seed(0, text.at, text.len), e);
    if (ok)
        read_tokenizer(&r);
    ok = ok && json_end(&j) && buf_ok(&b->merges) && check_parts(&r);
    json_close(&j);
    names_free(&r.added);
    return ok;
}

void bpe_free(struct bpe *b)
{
    buf_free(&b->merges);
    mem_free(b->tokens);
    b->tokens = NULL;
}
