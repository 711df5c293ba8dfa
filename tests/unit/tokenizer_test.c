/* tokenizer_test.c - ids of other programs, any bytes there and back, hostile texts and files. */
#include "formats/base/fault.h"
#include "formats/base/json.h"
#include "formats/base/pool.h"
#include "formats/tokenizer.h"
#include "tests/support/fixture.h"
#include "tests/support/shared.h"

#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TINY "tests/data/tiny-gpt-oss/"

static void must(bool ok, const struct err *e)
{
    if (!ok)
        fail_msg("%s", e->msg);
}

static void open_path(struct tokenizer *t, const char *path)
{
    struct err e = { 0 };
    must(tokenizer_open(t, path, &e), &e);
}

static void assert_ids(const struct tokenizer *t, struct str text, bool specials,
                       const uint32_t *want, size_t n)
{
    struct err e = { 0 };
    struct token_ids got = { 0 };
    struct buf back = buf_make(&e);
    must(tokenizer_encode(t, text, specials, &got, &e), &e);
    if (got.n != n || (n && memcmp(got.at, want, n * sizeof *want) != 0))
        fail_msg("'" STR_FMT "': other ids than wanted (%zu, wanted %zu)", STR_ARG(text), got.n, n);
    must(tokenizer_decode(t, got.at, got.n, &back, &e), &e);
    assert_true(str_eq(buf_text(&back), text));
    buf_free(&back);
    token_ids_free(&got);
}

/* ---- what other programs give ------------------------------------------------------------- */

static size_t read_list(struct json *j, uint32_t *ids, size_t most)
{
    size_t n = 0;
    json_array(j);
    while (json_item(j)) {
        assert_true(n < most);
        ids[n++] = (uint32_t)json_u64(j);
    }
    return n;
}

static void vector(const struct tokenizer *t, struct json *j)
{
    struct str key, text = { NULL, 0 };
    uint32_t ids[2][2000];
    size_t n = 0, n_ordinary = SIZE_MAX;
    json_object(j);
    while (json_key(j, &key))
        if (str_is(key, "text"))
            text = json_string(j);
        else if (str_is(key, "ids"))
            n = read_list(j, ids[0], 2000);
        else if (str_is(key, "ids_ordinary")) /* where special tokens are plain text */
            n_ordinary = read_list(j, ids[1], 2000);
        else
            json_skip(j);
    bool other = n_ordinary != SIZE_MAX;
    assert_ids(t, text, true, ids[0], n);
    assert_ids(t, text, false, ids[other], other ? n_ordinary : n);
}

static void all_vectors(const struct tokenizer *t)
{
    struct err e = { 0 };
    struct arena a = { 0 };
    struct json j;
    struct str text = fixture_read(TINY "golden/tokenizer_vectors.json");
    size_t n = 0;
    json_open(&j, "vectors", 0, text, &a, &e);
    j.rfc_only = true; /* one text is \u0000 */
    json_array(&j);
    for (; json_item(&j); n++)
        vector(t, &j);
    must(json_end(&j), &e);
    json_close(&j);
    assert_int_equal(n, 256);
    arena_free(&a);
    fixture_free(text);
}

static void test_vectors(void **state)
{
    (void)state;
    struct tokenizer t;
    open_path(&t, TINY);
    assert_int_equal(t.n_tokens, 1019);
    all_vectors(&t);
    tokenizer_close(&t);
    tokenizer_close(&t);
}

/* The same with the pattern interpreted, as on machines where code cannot be made at run time. */
static void test_vectors_interpreted(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    struct str text = fixture_read(TINY "tokenizer.json");
    const char *regex = strstr(text.at, "\"Regex\":");
    assert_non_null(regex);
    const char *quote = strchr(regex + strlen("\"Regex\":"), '"') + 1;
    buf_add(&b, text.at, (uint64_t)(quote - text.at));
    buf_puts(&b, "(*NO_JIT)");
    buf_add(&b, quote, text.len - (uint64_t)(quote - text.at));
    struct tokenizer t;
    must(tokenizer_open_json(&t, "t", buf_text(&b), &e), &e);
    all_vectors(&t);
    tokenizer_close(&t);
    buf_free(&b);
    fixture_free(text);
}

/* Through the keys of a GGUF, which also have five unused rows. */
static void test_vectors_from_keys(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct arena a = { 0 };
    struct metadata keys = { 0 };
    struct str json = fixture_read(TINY "tokenizer.json");
    const struct vocab_sources from = { .tokenizer_json = json };
    struct tokenizer t, other;
    must(vocab_to_gguf(&from, 1024, UINT64_MAX, UINT64_MAX, &keys, &a, &e), &e);
    must(tokenizer_open_keys(&t, "keys", &keys, &e), &e);
    all_vectors(&t);
    open_path(&other, TINY "tokenizer.json");
    must(tokenizer_same(&t, &other, &e), &e);
    tokenizer_close(&t);
    tokenizer_close(&other);
    arena_free(&a);
    fixture_free(json);
}

/* Texts with a line "__ggml_vocab_test__" between (the last is empty), and a line of ids for each.
 */
static void test_gpt2_vectors(void **state)
{
    (void)state;
    static const char between[] = "\n__ggml_vocab_test__\n";
    const char *path = shared_path("real-data/ggml-vocab-gpt-2.gguf");
    if (!path)
        skip();
    struct tokenizer t;
    open_path(&t, path);
    struct str in = fixture_read(shared_path("real-data/ggml-vocab-gpt-2.gguf.inp"));
    struct str out = fixture_read(shared_path("real-data/ggml-vocab-gpt-2.gguf.out"));
    const char *line = out.at, *out_end = out.at + out.len;
    size_t n_texts = 0;
    for (size_t at = 0; at <= in.len; n_texts++) {
        const char *end = memmem(in.at + at, in.len - at, between, sizeof between - 1);
        struct str text = { in.at + at, (end ? (size_t)(end - in.at) : in.len) - at };
        uint32_t ids[1000];
        size_t n = 0;
        for (; line < out_end && *line != '\n'; line++)
            if (*line == ' ')
                ids[n++] = 0;
            else
                ids[n - 1] = 10 * ids[n - 1] + (uint32_t)(*line - '0');
        assert_in_range(n, 0, 999);
        assert_ids(&t, text, true, ids, n);
        line += line < out_end;
        at += text.len + sizeof between - 1;
    }
    assert_int_equal(n_texts, 47);
    tokenizer_close(&t);
    fixture_free(in);
    fixture_free(out);
}

/* ---- any bytes there and back --------------------------------------------------------------- */

struct random {
    uint64_t state;
};

static uint32_t below(struct random *r, uint32_t n)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((r->state >> 33) % n);
}

enum { TEXT_MAX = 120 };

/* Bytes, or what patterns and special tokens look at, or runs. */
static size_t random_text(struct random *r, char *out)
{
    static const char *const parts[] = {
        "<|end|>",      "<|",   "|>",           "<|endoftext|>", "'s",
        "'LL",          "\r\n", "\n\n",         "   ",           " ",
        "\t",           "Word", "WORD",         "word",          "12",
        "\xff",         "/",    "\xe2\x80\x8d", "\xcc\x81",      "\xe4\xb8",
        "\xe4\xb8\xad", "\xc3", "\xa9",         "...",           "\xc2\x85",
        "\xf0\x9f\x98", "\x80", "\xe1\xa0\x8e",
    };
    size_t len = below(r, TEXT_MAX), n = 0;
    uint32_t kind = below(r, 3);
    while (n < len) {
        const char *part = parts[below(r, sizeof parts / sizeof *parts)];
        if (kind == 0)
            out[n++] = (char)below(r, 256);
        else if (kind == 1)
            for (size_t i = 0; part[i] && n < len; i++)
                out[n++] = part[i];
        else
            for (uint32_t c = below(r, 256), i = below(r, 60); i > 0 && n < len; i--)
                out[n++] = (char)c;
    }
    return len;
}

static void there_and_back(const struct tokenizer *t, struct random *r, struct token_ids *ids,
                           struct buf *back, struct err *e)
{
    char bytes[TEXT_MAX];
    struct str text = { bytes, random_text(r, bytes) };
    uint64_t seed = r->state;
    ids->n = 0;
    back->len = 0;
    must(tokenizer_encode(t, text, below(r, 2), ids, e), e);
    must(tokenizer_decode(t, ids->at, ids->n, back, e), e);
    if (!str_eq(buf_text(back), text))
        fail_msg("a text of %zu bytes did not come back (state %llu)", text.len,
                 (unsigned long long)seed);
}

static void random_texts(const char *path, unsigned long n)
{
    struct err e = { 0 };
    struct tokenizer t;
    struct token_ids ids = { 0 };
    struct buf back = buf_make(&e);
    const char *seed = getenv("SEED");
    struct random r = { seed ? strtoull(seed, NULL, 10) : 1 };
    open_path(&t, path);
    for (unsigned long i = 0; i < n; i++)
        there_and_back(&t, &r, &ids, &back, &e);
    tokenizer_close(&t);
    token_ids_free(&ids);
    buf_free(&back);
}

static void test_random_bytes(void **state)
{
    (void)state;
    const char *more = getenv("WEIGH_RANDOM_TEXTS"); /* of each tokenizer */
    unsigned long n = more ? strtoul(more, NULL, 10) : 10000;
    random_texts(TINY, n);
    const char *path = shared_path("real-data/ggml-vocab-gpt-2.gguf");
    if (path)
        random_texts(path, n);
}

static bool encode_job(void *ctx, size_t job, unsigned worker, struct err *e)
{
    (void)worker;
    struct random r = { job };
    for (int i = 0; i < 50; i++) {
        char bytes[TEXT_MAX];
        struct str text = { bytes, random_text(&r, bytes) };
        struct token_ids ids = { 0 };
        struct buf back = buf_make(e);
        bool ok = tokenizer_encode(ctx, text, true, &ids, e) &&
                  tokenizer_decode(ctx, ids.at, ids.n, &back, e) &&
                  (str_eq(buf_text(&back), text) || err_set(e, ERR_INTERNAL, "not the same"));
        buf_free(&back);
        token_ids_free(&ids);
        if (!ok)
            return false;
    }
    return true;
}

static void test_threads(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct tokenizer t;
    open_path(&t, TINY);
    must(pool_run(4, 40, encode_job, &t, &e), &e);
    tokenizer_close(&t);
}

/* ---- hostile texts ----------------------------------------------------------------------------
 */

/* A megabyte of one thing over and over: steps grow as n log n at most. */
static void test_long_runs(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    static const char *const parts[] = { "a",        " ",     "\n", "\xff",     "1",
                                         "\xcc\x81", "<",     "A",  "\xe4\xb8", "\xe4\xb8\xad",
                                         "'s",       "<|",    "aA", " a",       " \n",
                                         "\r\n/",    "<|end|" };
    const char *gpt2 = shared_path("real-data/ggml-vocab-gpt-2.gguf");
    const char *paths[] = { TINY, gpt2 };
    struct err e = { 0 };
    char *text = mem_resize(NULL, N, &e);
    for (size_t p = 0; p < 2 && paths[p]; p++) {
        struct tokenizer t;
        open_path(&t, paths[p]);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            struct token_ids ids = { 0 };
            struct buf back = buf_make(&e);
            struct str all = { text, N };
            size_t len = strlen(parts[i]);
            for (size_t at = 0; at < N; at++)
                text[at] = parts[i][at % len];
            must(tokenizer_encode(&t, all, true, &ids, &e), &e);
            assert_in_range(ids.steps, 0, 64ull * N);
            must(tokenizer_decode(&t, ids.at, ids.n, &back, &e), &e);
            assert_true(str_eq(buf_text(&back), all));
            buf_free(&back);
            token_ids_free(&ids);
        }
        tokenizer_close(&t);
    }
    mem_free(text);
}

static void test_huge_text(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct tokenizer t;
    struct token_ids ids = { 0 };
    open_path(&t, TINY);
    assert_false(tokenizer_encode(&t, (struct str){ "", UINT32_MAX }, true, &ids, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    tokenizer_close(&t);
}

/* ---- small tokenizers ---------------------------------------------------------------------------
 */

#define PRE   "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define DEC   "\"decoder\":{\"type\":\"ByteLevel\"}"
#define ABC   "\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"abc\":5,\"\xc4\xa0\":6,\"\xc3\xa9\":7"
#define RULES "[\"b c\",\"a b\",\"ab c\"]"
#define FILE_OF(added, ignore, vocab, rules)                                      \
    "{\"added_tokens\":[" added "]," PRE "," DEC                                  \
    ",\"model\":{\"type\":\"BPE\",\"ignore_merges\":" ignore ",\"vocab\":{" vocab \
    "},\"merges\":" rules "}}"
#define ADD(id, text, special, normalized)                                                        \
    "{\"id\":" #id ",\"content\":\"" text "\",\"special\":" special ",\"normalized\":" normalized \
    "}"

static void small(struct tokenizer *t, const char *json)
{
    struct err e = { 0 };
    struct str copy = fixture_copy(str_of(json));
    must(tokenizer_open_json(t, "p", copy, &e), &e);
    fixture_free(copy); /* nothing may point there */
}

#define IDS(...) (const uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4

static void test_ignore_merges(void **state)
{
    (void)state;
    struct tokenizer t;
    small(&t, FILE_OF("", "false", ABC, RULES));
    assert_ids(&t, STR("abc"), true, IDS(0, 4)); /* bc merges first, then nothing does */
    assert_ids(&t, STR("ab"), true, IDS(3));
    tokenizer_close(&t);
    small(&t, FILE_OF("", "true", ABC, RULES));
    assert_ids(&t, STR("abc"), true, IDS(5));
    assert_ids(&t, STR(" abc"), true, IDS(6, 0, 4)); /* only a whole piece counts */
    tokenizer_close(&t);
    small(&t, FILE_OF("", "false", ABC, "[\"a b\",\"b c\",\"a b\"]"));
    assert_ids(&t, STR("abc"), true, IDS(0, 4)); /* the last of equal rules counts */
    tokenizer_close(&t);
}

/* Letters of the alphabet are bytes; any other token stands for its own text. */
static void test_alphabet(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct tokenizer t;
    struct buf out = buf_make(&e);
    small(&t,
          FILE_OF("", "true", "\"\xc3\xa9\":0,\"\xc4\x80\":1,\"\xe4\xb8\xad\xc3\xa9\":2", "[]"));
    assert_ids(&t, STR("\xe9"), true, IDS(0));
    assert_ids(&t, ((struct str){ "\0", 1 }), true, IDS(1));
    assert_true(tokenizer_decode(&t, (uint32_t[]){ 2, 0 }, 2, &out, &e));
    assert_true(str_is(buf_text(&out), "\xe4\xb8\xad\xc3\xa9\xe9"));
    struct token_ids ids = { 0 };
    assert_false(tokenizer_encode(&t, STR("\xe9z"), true, &ids, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_string_equal(e.msg, "byte 0x7a at 0x1 of the text has no token in this vocabulary");
    token_ids_free(&ids);
    buf_free(&out);
    tokenizer_close(&t);
    small(&t, FILE_OF("", "true", ABC ",\"\xc2\xad\":8", "[]")); /* U+00AD is no letter */
    out = buf_make(&e);
    assert_true(tokenizer_decode(&t, (uint32_t[]){ 8 }, 1, &out, &(struct err){ 0 }));
    assert_true(str_is(buf_text(&out), "\xc2\xad"));
    buf_free(&out);
    tokenizer_close(&t);
}

static void test_added(void **state)
{
    (void)state;
    struct tokenizer t;
    small(&t, FILE_OF(ADD(9, "ddb", "true", "false") "," ADD(10, "dd", "false", "false") "," ADD(
                          11, "ad", "true", "false") "," ADD(12, "", "true", "false"),
                      "false", ABC ",\"d\":8", RULES));
    assert_ids(&t, STR("ddddb"), true, IDS(10, 9)); /* at each place the longest */
    assert_ids(&t, STR("ddb"), true, IDS(9));
    assert_ids(&t, STR("bddc"), true, IDS(1, 10, 2));
    assert_ids(&t, STR("addb"), true, IDS(11, 8, 1));    /* the first place counts more */
    assert_ids(&t, STR("ddddb"), false, IDS(10, 10, 1)); /* special ones are plain text */
    assert_ids(&t, STR("ad"), false, IDS(0, 8));
    assert_ids(&t, STR(""), true, NULL, 0);
    tokenizer_close(&t);
    /* one that is not in the vocabulary is no letter */
    small(&t, FILE_OF(ADD(8, "z", "true", "false"), "false", ABC, RULES));
    assert_ids(&t, STR("az"), true, IDS(0, 8));
    struct err e = { 0 };
    struct token_ids ids = { 0 };
    assert_false(tokenizer_encode(&t, STR("az"), false, &ids, &e));
    assert_string_equal(e.msg, "byte 0x7a at 0x1 of the text has no token in this vocabulary");
    token_ids_free(&ids);
    tokenizer_close(&t);
    /* normalized ones are looked for where no other is */
    small(&t, FILE_OF(ADD(8, "cba", "false", "true") "," ADD(9, "ba", "false", "false"), "false",
                      ABC, RULES));
    assert_ids(&t, STR("cba"), true, IDS(2, 9));
    tokenizer_close(&t);
    small(&t, FILE_OF(ADD(8, "cba", "false", "false") "," ADD(9, "ba", "false", "true"), "false",
                      ABC, RULES));
    assert_ids(&t, STR("cbaba"), true, IDS(8, 9));
    tokenizer_close(&t);
}

static void test_added_is_text(void **state)
{
    (void)state;
    struct tokenizer t;
    small(&t, FILE_OF(ADD(8, "\xc3\xbf", "true", "false"), "false", ABC, RULES));
    assert_ids(&t, STR("\xc3\xbf"), true, IDS(8)); /* not the byte ff */
    tokenizer_close(&t);
}

static void test_bad_ids(void **state)
{
    (void)state;
    static const uint32_t bad[] = { 1019, 1023, 201087, UINT32_MAX };
    struct tokenizer t;
    open_path(&t, TINY);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = { 0 };
        struct buf out = buf_make(&e);
        char want[80];
        snprintf(want, sizeof want, "id %u is no token: the last one is 1018", bad[i]);
        assert_false(tokenizer_decode(&t, &bad[i], 1, &out, &e));
        assert_int_equal(e.code, ERR_INPUT);
        assert_string_equal(e.msg, want);
        buf_free(&out);
    }
    tokenizer_close(&t);
}

/* ---- files that must be refused
 * ------------------------------------------------------------------ */

static void refused(const char *json, enum err_code code, const char *says)
{
    struct err e = { 0 };
    struct tokenizer t;
    struct str copy = fixture_copy(str_of(json));
    bool ok = tokenizer_open_json(&t, "p", copy, &e);
    if (ok || e.code != code || !strstr(e.msg, says))
        fail_msg("%s: code %d, '%s'; wanted %d, '%s'", json, (int)e.code, e.msg, (int)code, says);
    fixture_free(copy);
    tokenizer_close(&t);
}

#define TRIMS(what) "{\"id\":8,\"content\":\"x\",\"special\":true,\"" what "\":true}"

static void test_refused(void **state)
{
    (void)state;
    refused(FILE_OF(TRIMS("lstrip"), "false", ABC, "[]"), ERR_UNSUPPORTED, "takes the spaces");
    refused(FILE_OF(TRIMS("rstrip"), "false", ABC, "[]"), ERR_UNSUPPORTED, "takes the spaces");
    refused(FILE_OF(TRIMS("single_word"), "false", ABC, "[]"), ERR_UNSUPPORTED, "takes the spaces");
    refused(FILE_OF("", "false", ABC, "[\"a x\"]"), ERR_INPUT, "merge 0 speaks of 'x'");
    refused(FILE_OF("", "false", ABC, "[\"a b\",\"x a\"]"), ERR_INPUT, "merge 1 speaks of 'x'");
    refused(FILE_OF("", "false", ABC, "[\"a b\",\"b a\"]"), ERR_INPUT, "merge 1 speaks of 'ba'");
    refused(FILE_OF(ADD(7, "\xc3\xa9", "true", "false"), "false", ABC, "[]"), ERR_UNSUPPORTED,
            "token 7 is the added text '\xc3\xa9' and other bytes");
    refused(FILE_OF("", "false", "\"a\":16777215", "[]"), ERR_INPUT, "has room for");
    refused("{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
            "\"pattern\":{\"Regex\":\"(\"},\"behavior\":\"Isolated\",\"invert\":false},"
            "{\"type\":\"ByteLevel\",\"use_regex\":false}]}," DEC
            ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
            ERR_UNSUPPORTED, "p:0x11: the split pattern cannot be used");
    char long_one[2000];
    snprintf(long_one, sizeof long_one,
             FILE_OF("{\"id\":8,\"content\":\"%01024d\"}", "false", ABC, "[]"), 0);
    struct tokenizer t;
    small(&t, long_one);
    tokenizer_close(&t);
    snprintf(long_one, sizeof long_one,
             FILE_OF("{\"id\":8,\"content\":\"%01025d\"}", "false", ABC, "[]"), 0);
    refused(long_one, ERR_UNSUPPORTED, "added token 8 has 1025 bytes, at most 1024");
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path, *says;
        enum err_code code;
    } rows[] = {
        { "tests/data/nobody", "nobody", ERR_SYSTEM },
        { TINY "original", "holds no tokenizer", ERR_INPUT },
        { TINY "config.json", "model", ERR_UNSUPPORTED },
        { "tests/run", "neither safetensors nor GGUF", ERR_INPUT },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = { 0 };
        struct tokenizer t;
        assert_false(tokenizer_open(&t, rows[i].path, &e));
        if (e.code != rows[i].code || !strstr(e.msg, rows[i].says))
            fail_msg("%s: code %d, '%s'", rows[i].path, (int)e.code, e.msg);
        tokenizer_close(&t);
    }
    struct err e = { 0 };
    struct model m;
    struct tokenizer t;
    must(model_open(&m, TINY, &e), &e);
    must(tokenizer_open_model(&t, &m, &e), &e);
    assert_int_equal(t.n_tokens, 1019);
    tokenizer_close(&t);
    model_close(&m);
}

/* ---- equal or not
 * ---------------------------------------------------------------------------------- */

static void compared(const char *b, const char *says)
{
    struct err e = { 0 };
    struct tokenizer x, y;
    small(&x, FILE_OF(ADD(8, "<e>", "true", "false"), "false", ABC, RULES));
    small(&y, b);
    bool same = tokenizer_same(&x, &y, &e);
    assert_int_equal(same, says == NULL);
    assert_int_equal(e.code, says ? ERR_MISMATCH : ERR_NONE);
    if (says && !strstr(e.msg, says))
        fail_msg("'%s', wanted '%s'", e.msg, says);
    tokenizer_close(&x);
    tokenizer_close(&y);
}

static void test_same(void **state)
{
    (void)state;
#define END ADD(8, "<e>", "true", "false")
    compared(FILE_OF(END, "false", ABC, RULES), NULL);
    compared(FILE_OF(ADD(8, "<e>", "true", "true"), "false", ABC, RULES), NULL); /* one round */
    compared(FILE_OF(ADD(8, "<f>", "true", "false"), "false", ABC, RULES),
             "token 8 is '<e>' and '<f>'");
    compared(FILE_OF(ADD(8, "<e>", "false", "false"), "false", ABC, RULES), "of another kind");
    compared(FILE_OF("", "false", ABC, RULES), "9 tokens and 8");
    compared(FILE_OF(END, "false", ABC, "[\"a b\",\"b c\",\"ab c\"]"),
             "token 5, 'abc', is of another");
    compared(FILE_OF(END, "false", ABC, "[\"b c\",\"a b\",\"a bc\"]"),
             "token 5, 'abc', is of another");
    compared(FILE_OF(END, "false", ABC, "[\"a b\",\"b c\"]"), "merge 0, of 'b' and 'c'");
    compared(FILE_OF(END, "false", ABC, "[\"b c\",\"a b\"]"), "merge 2, of 'ab' and 'c'");
    compared(FILE_OF(END, "true", ABC, RULES), "token 5, 'abc', is of another kind");
    compared("{\"added_tokens\":[" END
             "],\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"use_regex\":false}," DEC
             ",\"model\":{\"type\":\"BPE\",\"vocab\":{" ABC "},\"merges\":" RULES "}}",
             "the split patterns are");
}

/* ---- memory
 * ------------------------------------------------------------------------------------------- */

static void test_out_of_memory(void **state)
{
    (void)state;
    struct str json = STR(FILE_OF(ADD(8, "<e>", "true", "false"), "false", ABC, RULES));
    char text[500];
    memset(text, 'a', sizeof text);
    for (unsigned n = 1;; n++) {
        struct err e = { 0 };
        struct tokenizer t;
        struct token_ids ids = { 0 };
        struct buf out = buf_make(&e);
        fault_on(FAULT_MEMORY, n);
        bool ok = tokenizer_open_json(&t, "p", json, &e) &&
                  tokenizer_encode(&t, (struct str){ text, sizeof text }, true, &ids, &e) &&
                  tokenizer_decode(&t, ids.at, ids.n, &out, &e);
        bool struck = fault_struck();
        fault_on(FAULT_MEMORY, 0);
        tokenizer_close(&t);
        token_ids_free(&ids);
        buf_free(&out);
        assert_int_equal(ok, !struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        if (!struck)
            break;
    }
}

/* Every allocation and every call to the system of opening a path. */
static void test_open_faults(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = { FAULT_IO, FAULT_MEMORY };
    for (size_t k = 0; k < 2; k++)
        for (unsigned n = 1;; n++) {
            struct err e = { 0 };
            struct tokenizer t;
            fault_on(kinds[k], n);
            bool ok = tokenizer_open(&t, TINY, &e);
            bool struck = fault_struck();
            fault_on(FAULT_MEMORY, 0);
            tokenizer_close(&t);
            if (!struck) {
                must(ok, &e);
                break;
            }
            assert_false(ok);
            assert_int_equal(e.code, k ? ERR_MEMORY : ERR_SYSTEM);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_vectors_interpreted),
        cmocka_unit_test(test_vectors_from_keys),
        cmocka_unit_test(test_gpt2_vectors),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_long_runs),
        cmocka_unit_test(test_huge_text),
        cmocka_unit_test(test_ignore_merges),
        cmocka_unit_test(test_alphabet),
        cmocka_unit_test(test_added),
        cmocka_unit_test(test_added_is_text),
        cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_open_faults),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
