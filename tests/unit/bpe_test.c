/* bpe_test.c - tokenizer.json: what is taken, and every way we know to be wrong. */
#include "formats/base/file.h"
#include "formats/bpe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- small tokenizers ------------------------------------------------------ */

#define PRE \
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define DEC "\"decoder\":{\"type\":\"ByteLevel\"}"
#define ADDED                                                            \
    "\"added_tokens\":[{\"id\":3,\"content\":\"<e>\",\"special\":true}," \
    "{\"id\":4,\"content\":\"user\",\"special\":false}]"
#define VOCAB  "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"
#define MERGES "\"merges\":[[\"a\",\"b\"]]"
#define BPE    "\"type\":\"BPE\""
#define MODEL  "\"model\":{" BPE "," VOCAB "," MERGES "}"
#define WHOLE  "{" ADDED "," PRE "," DEC "," MODEL "}"

/* The verdict on a tokenizer.json of a model with 8 rows; the message must hold `says`. */
static void verdict(const char *json, enum err_code code, const char *says)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct bpe b;
    bool ok = bpe_read(&b, "p", str_of(json), 8, &a, &e);
    if (ok != (code == ERR_NONE) || e.code != code || !strstr(e.msg, says))
        fail_msg("%s: code %d, '%s'; wanted %d, '%s'", json, (int)e.code, e.msg, (int)code, says);
    bpe_free(&b);
    arena_free(&a);
}

static void test_accepts(void **state)
{
    (void)state;
    verdict(WHOLE, ERR_NONE, "");
    verdict("{" MODEL "," DEC "," PRE "," ADDED "}", ERR_NONE, "");
    verdict("{\"normalizer\":null," PRE "," DEC "," MODEL "}", ERR_NONE, "");
    verdict("{" PRE "," DEC ",\"model\":{" BPE "," VOCAB ",\"merges\":[\"a b\"],"
            "\"continuing_subword_prefix\":\"\",\"byte_fallback\":false,\"unk_token\":\"a\"}}",
            ERR_NONE, "");
    verdict("{\"added_tokens\":[{\"id\":0,\"content\":\"a\"}]," PRE "," DEC "," MODEL "}", ERR_NONE,
            ""); /* an added token may repeat an entry */
}

static void test_contradictions(void **state)
{
    (void)state;
#define WITH_VOCAB(v) "{" PRE "," DEC ",\"model\":{" BPE ",\"vocab\":" v "," MERGES "}}"
#define WITH_ADDED(t) "{\"added_tokens\":[" t "]," PRE "," DEC "," MODEL "}"
    verdict(WITH_VOCAB("{\"a\":0,\"b\":0}"), ERR_INPUT, "p:0x");
    verdict(WITH_VOCAB("{\"a\":0,\"b\":0}"), ERR_INPUT, "id 0 is given to 'a' and to 'b'");
    verdict(WITH_VOCAB("{\"a\":0,\"a\":1}"), ERR_INPUT, "p:0x");
    verdict(WITH_VOCAB("{\"a\":0,\"b\":2}"), ERR_INPUT, "no token has id 1");
    verdict(WITH_VOCAB("{\"a\":1}"), ERR_INPUT, "no token has id 0");
    verdict(WITH_VOCAB("{}"), ERR_INPUT, "no vocabulary");
    verdict(WITH_VOCAB("{\"a\":8}"), ERR_INPUT, "has id 8, but the model has 8 embedding rows");
    verdict(WITH_VOCAB("{\"a\":18446744073709551615}"), ERR_INPUT, "has id 18446744073709551615");
    verdict(WITH_VOCAB("{\"a\":18446744073709551616}"), ERR_INPUT, "0x");
    verdict(WITH_VOCAB("{\"a\":-1}"), ERR_INPUT, "0x");
    verdict(WITH_VOCAB("{\"a\":0.5}"), ERR_INPUT, "0x");
    verdict(WITH_VOCAB("{\"a\":1e0}"), ERR_INPUT, "0x");
    verdict(WITH_VOCAB("{\"a\":\"0\"}"), ERR_INPUT, "0x");
    verdict(WITH_VOCAB("[[\"a\",0]]"), ERR_INPUT, "0x");
    verdict(WITH_VOCAB("null"), ERR_INPUT, "0x");
    verdict(WITH_ADDED("{\"id\":0,\"content\":\"x\"}"), ERR_INPUT, "given to 'x' and to 'a'");
    verdict(WITH_ADDED("{\"id\":3,\"content\":\"a\"}"), ERR_INPUT, "'a' has ids 0 and 3");
    verdict(WITH_ADDED("{\"id\":3,\"content\":\"x\"},{\"id\":3,\"content\":\"y\"}"), ERR_INPUT,
            "id 3 is given to 'x' and to 'y'");
    verdict(WITH_ADDED("{\"id\":3,\"content\":\"x\"},{\"id\":3,\"content\":\"x\"}"), ERR_INPUT,
            "id 3");
    verdict(WITH_ADDED("{\"id\":3,\"content\":\"x\"},{\"id\":4,\"content\":\"x\"}"), ERR_INPUT,
            "'x' has ids 3 and 4");
    verdict(WITH_ADDED("{\"id\":3}"), ERR_INPUT, "needs id and content");
    verdict(WITH_ADDED("{\"content\":\"x\"}"), ERR_INPUT, "needs id and content");
    verdict(WITH_ADDED("{\"id\":18446744073709551615,\"content\":\"x\"}"), ERR_INPUT, "0x");
    verdict(WITH_ADDED("{\"id\":5,\"content\":\"x\"}"), ERR_INPUT, "no token has id 3");
    verdict(WITH_ADDED("7"), ERR_INPUT, "0x");
}

static void test_merges(void **state)
{
    (void)state;
#define WITH_MERGES(m) "{" PRE "," DEC ",\"model\":{" BPE "," VOCAB ",\"merges\":" m "}}"
    verdict("{" PRE "," DEC ",\"model\":{" BPE "," VOCAB "}}", ERR_INPUT, "has no merges");
    verdict(WITH_MERGES("[]"), ERR_NONE, "");
    verdict(WITH_MERGES("[[\"a\",\"b\"],\"b a\"]"), ERR_NONE, "");
    verdict(WITH_MERGES("[[\"a\"]]"), ERR_INPUT, "1 parts");
    verdict(WITH_MERGES("[[]]"), ERR_INPUT, "0 parts");
    verdict(WITH_MERGES("[[\"a\",\"b\",\"c\"]]"), ERR_INPUT, "3 parts");
    verdict(WITH_MERGES("[[\"a\",\"\"]]"), ERR_INPUT, "empty");
    verdict(WITH_MERGES("[\"a\"]"), ERR_INPUT, "empty");
    verdict(WITH_MERGES("[\" a\"]"), ERR_INPUT, "empty");
    verdict(WITH_MERGES("[[\"a \",\"b\"]]"), ERR_UNSUPPORTED, "'a ' holds a space");
    verdict(WITH_MERGES("[\"a b c\"]"), ERR_UNSUPPORTED, "'b c' holds a space");
    verdict(WITH_MERGES("[1,2]"), ERR_INPUT, "0x");
    verdict(WITH_MERGES("[[1,2]]"), ERR_INPUT, "0x");
    verdict(WITH_MERGES("{}"), ERR_INPUT, "0x");
}

static void test_other_kinds(void **state)
{
    (void)state;
#define WITH_PRE(p)   "{\"pre_tokenizer\":" p "," DEC "," MODEL "}"
#define WITH_MODEL(m) "{" PRE "," DEC ",\"model\":{" m "}}"
#define LEVEL         "{\"type\":\"ByteLevel\",\"use_regex\":false}"
    verdict(WITH_MODEL("\"type\":\"Unigram\",\"vocab\":[[\"a\",0.0]]"), ERR_UNSUPPORTED,
            "'Unigram'");
    verdict(WITH_MODEL(VOCAB "," MERGES), ERR_UNSUPPORTED, "no model type");
    verdict(WITH_MODEL(BPE ",\"byte_fallback\":true"), ERR_UNSUPPORTED, "byte_fallback");
    verdict(WITH_MODEL(BPE ",\"end_of_word_suffix\":\"</w>\""), ERR_UNSUPPORTED, "</w>");
    verdict("{" PRE "," MODEL "}", ERR_UNSUPPORTED, "ByteLevel decoder");
    verdict("{" DEC "," MODEL "}", ERR_UNSUPPORTED, "ByteLevel pre-tokenizer");
    verdict("{" PRE "," DEC "}", ERR_UNSUPPORTED, "no model");
    verdict("{" PRE ",\"decoder\":{\"type\":\"WordPiece\"}," MODEL "}", ERR_UNSUPPORTED,
            "'WordPiece'");
    verdict("{\"normalizer\":{\"type\":\"NFC\"}," PRE "," DEC "," MODEL "}", ERR_UNSUPPORTED,
            "NFC");
    verdict(WITH_PRE("null"), ERR_UNSUPPORTED, "ByteLevel pre-tokenizer");
    verdict(WITH_PRE("{\"type\":\"Metaspace\"}"), ERR_UNSUPPORTED, "'Metaspace'");
    verdict(WITH_PRE(LEVEL), ERR_NONE, ""); /* no split at all */
    verdict(WITH_PRE("{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"), ERR_UNSUPPORTED,
            "space in front");
#define SPLIT(pattern, behavior, invert)                                     \
    "{\"type\":\"Split\",\"pattern\":{" pattern "},\"behavior\":\"" behavior \
    "\",\"invert\":" invert "}"
#define GPT2                                                                                   \
    "\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|" \
    "\\\\s+(?!\\\\S)|\\\\s+\""
#define WITH_STEPS(steps) WITH_PRE("{\"type\":\"Sequence\",\"pretokenizers\":[" steps "]}")
    static const struct {
        const char *json;
        enum err_code code;
        const char *says;
    } steps[] = {
        { WITH_STEPS(SPLIT(GPT2, "Isolated", "false") "," LEVEL), ERR_NONE, "" },
        { WITH_STEPS(SPLIT(GPT2, "Removed", "false") "," LEVEL), ERR_UNSUPPORTED, "isolated" },
        { WITH_STEPS(SPLIT(GPT2, "Isolated", "true") "," LEVEL), ERR_UNSUPPORTED, "isolated" },
        { WITH_STEPS(SPLIT("\"String\":\"x\"", "Isolated", "false") "," LEVEL), ERR_UNSUPPORTED,
          "isolated" },
        { WITH_STEPS(SPLIT("\"Regex\":\"x+\"", "Isolated", "false") "," LEVEL), ERR_NONE, "" },
        { WITH_STEPS(SPLIT(GPT2, "Isolated", "false") ",{\"type\":\"ByteLevel\"}"), ERR_UNSUPPORTED,
          "more than one split" },
        { WITH_STEPS(
              SPLIT(GPT2, "Isolated", "false") "," SPLIT(GPT2, "Isolated", "false") "," LEVEL),
          ERR_UNSUPPORTED, "more than one split" },
        { WITH_STEPS(LEVEL "," SPLIT(GPT2, "Isolated", "false")), ERR_UNSUPPORTED,
          "more than one split" },
        { WITH_STEPS(LEVEL "," LEVEL), ERR_UNSUPPORTED, "more than one split" },
        { WITH_STEPS("{\"type\":\"Digits\"}," LEVEL), ERR_UNSUPPORTED, "'Digits'" },
        { WITH_STEPS("{\"type\":\"Sequence\",\"pretokenizers\":[]}"), ERR_UNSUPPORTED,
          "'Sequence'" },
        { WITH_STEPS(SPLIT(GPT2, "Isolated", "false")), ERR_UNSUPPORTED,
          "no ByteLevel pre-tokenizer" },
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        verdict(steps[i].json, steps[i].code, steps[i].says);
}

static void test_not_tokenizers(void **state)
{
    (void)state;
    verdict("[]", ERR_INPUT, "0x0");
    verdict("", ERR_INPUT, "0x0");
    verdict(WHOLE "x", ERR_INPUT, "0x");
}

/* ---- hostile files ------------------------------------------------------------------------- */

static bool try_json(struct str text)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct bpe b;
    bool ok = bpe_read(&b, "p", text, 1024, &a, &e);
    assert_true(ok ? e.code == ERR_NONE : e.code == ERR_INPUT || e.code == ERR_UNSUPPORTED);
    bpe_free(&b);
    arena_free(&a);
    return ok;
}

/* In memory of exactly that size, so that ASan sees a read behind it. */
static bool try_cut(struct str text, size_t len)
{
    struct err e = { 0 };
    char *exact = mem_resize(NULL, len, &e);
    assert_non_null(exact);
    memcpy(exact, text.at, len);
    bool ok = try_json((struct str){ exact, len });
    mem_free(exact);
    return ok;
}

static struct span trained(struct arena *a)
{
    struct err e = { 0 };
    struct span s;
    if (!file_slurp("tests/data/tiny-gpt-oss/tokenizer.json", 1 << 20, a, &s, &e))
        fail_msg("%s", e.msg);
    return s;
}

static void test_cut_short(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct span s = trained(&a);
    struct str whole = { (const char *)s.at, s.len };
    for (size_t len = 0; len < sizeof WHOLE - 1; len++)
        assert_false(try_cut(STR(WHOLE), len));
    for (size_t len = 0; len < whole.len; len += 97)
        assert_false(try_cut(whole, len));
    assert_true(try_cut(whole, whole.len));
    arena_free(&a);
}

static void test_one_byte_changed(void **state)
{
    (void)state;
    static const char changes[] = { '"', '\\', '{', ']', ',', '9', ' ', '\0', (char)0x80 };
    char text[] = WHOLE;
    for (size_t at = 0; at < sizeof text - 1; at++)
        for (size_t i = 0; i < sizeof changes; i++) {
            char was = text[at];
            text[at] = changes[i];
            try_json((struct str){ text, sizeof text - 1 });
            text[at] = was;
        }
    struct arena a = { 0 };
    struct span s = trained(&a);
    uint8_t *bytes = arena_alloc(&a, 1, s.len, &(struct err){ 0 });
    assert_non_null(bytes);
    memcpy(bytes, s.at, s.len);
    for (size_t at = 0; at < s.len; at += 131) {
        bytes[at] = (uint8_t)(s.at[at] ^ 1 << at % 8);
        try_json((struct str){ (const char *)bytes, s.len });
        bytes[at] = s.at[at];
    }
    arena_free(&a);
}

static void test_rows(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct bpe b;
    assert_false(bpe_read(&b, "p", STR(WHOLE), UINT64_MAX - 1, &a, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    bpe_free(&b);
    e = (struct err){ 0 };
    assert_false(bpe_read(&b, "p", STR(WHOLE), 0, &a, &e));
    assert_int_equal(e.code, ERR_INPUT);
    bpe_free(&b);
    e = (struct err){ 0 };
    assert_true(bpe_read(&b, "p", STR(WHOLE), BPE_ANY_ROWS, &a, &e));
    assert_int_equal(b.n_tokens, 5);
    bpe_free(&b);
    assert_false(bpe_read(&b, "p", STR(WITH_VOCAB("{\"a\":16777215}")), BPE_ANY_ROWS, &a, &e));
    assert_non_null(strstr(e.msg, "has id 16777215, but the file has room for "));
    bpe_free(&b);
    arena_free(&a);
}

/* What tells tokenizers of the same tokens apart. */
static void test_flags(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct bpe b;
    assert_true(bpe_read(&b, "p",
                         STR("{\"added_tokens\":[{\"id\":0,\"content\":\"a\",\"normalized\":true},"
                             "{\"id\":1,\"content\":\"b\",\"rstrip\":true,\"lstrip\":false}],"
                             "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" SPLIT(
                                 "\"Regex\":\"x+\"", "Isolated",
                                 "false") "," LEVEL "]}," DEC ",\"model\":{" BPE
                                          ",\"ignore_merges\":true," VOCAB "," MERGES "}}"),
                         8, &a, &e));
    assert_int_equal(b.tokens[0].from, BPE_VOCAB | BPE_ADDED | BPE_NORMALIZED);
    assert_int_equal(b.tokens[1].from, BPE_VOCAB | BPE_ADDED | BPE_TRIMS);
    assert_int_equal(b.tokens[2].from, BPE_VOCAB);
    assert_true(b.ignore_merges && !b.split && str_is(b.regex, "x+"));
    bpe_free(&b);
    assert_true(bpe_read(&b, "p", STR(WHOLE), 8, &a, &e));
    assert_true(!b.ignore_merges && b.split && str_is(b.regex, b.split->regex));
    bpe_free(&b);
    arena_free(&a);
}

/* Pair by pair as in older files, escaped, and more of them than one scratch holds. */
static void test_many_merges(void **state)
{
    (void)state;
    enum { N = 10000 };
    struct arena a = { 0 };
    struct err e = { 0 };
    struct buf text = buf_make(&e);
    buf_puts(&text, "{" PRE "," DEC ",\"model\":{" BPE "," VOCAB ",\"merges\":[");
    for (int i = 0; i < N; i++)
        buf_puts(&text, i % 2 ? ",\"\\u0061 b\"" : &",[\"\\u0061\",\"b\"]"[i == 0]);
    buf_puts(&text, "]}}");
    struct bpe b;
    if (!bpe_read(&b, "p", buf_text(&text), 8, &a, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(b.n_merges, N);
    assert_int_equal(b.merges.len, N * 11);
    for (size_t i = 0; i < N; i++)
        assert_memory_equal(b.merges.at + 11 * i, "\3\0\0\0\0\0\0\0a b", 11);
    bpe_free(&b);
    buf_free(&text);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_merges),         cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_not_tokenizers), cmocka_unit_test(test_many_merges),
        cmocka_unit_test(test_rows),           cmocka_unit_test(test_flags),
        cmocka_unit_test(test_cut_short),      cmocka_unit_test(test_one_byte_changed),
    };
    return cmocka_run_group_tests_name("bpe", tests, NULL, NULL);
}
