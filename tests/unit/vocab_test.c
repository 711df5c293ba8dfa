/* vocab_test.c - tokenizer.json <-> GGUF keys: a trained tokenizer there and back, a
 * real GGUF back and there, and every way we know to be wrong. */
#include "formats/base/cursor.h"
#include "formats/base/fault.h"
#include "formats/base/file.h"
#include "formats/vocab.h"
#include "tests/support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NONE UINT64_MAX

#define TINY "tests/data/tiny-gpt-oss/"

static struct str slurp(const char *path, struct arena *a)
{
    struct err e = { 0 };
    struct span s;
    if (!file_slurp(path, 64 << 20, a, &s, &e))
        fail_msg("%s", e.msg);
    return (struct str){ (const char *)s.at, s.len };
}

static struct vocab_sources tiny(struct arena *a)
{
    return (struct vocab_sources){
        .tokenizer_json = slurp(TINY "tokenizer.json", a),
        .tokenizer_config_json = slurp(TINY "tokenizer_config.json", a),
        .special_tokens_map_json = slurp(TINY "special_tokens_map.json", a),
        .generation_config_json = slurp(TINY "generation_config.json", a),
        .chat_template_jinja = slurp(TINY "chat_template.jinja", a),
        .dir = "tiny",
    };
}

/* ---- comparing ----------------------------------------------------------------- */

static void assert_text(struct str got, struct str want)
{
    size_t at = 0;
    while (at < got.len && at < want.len && got.at[at] == want.at[at])
        at++;
    if (at != got.len || at != want.len)
        fail_msg("texts of %zu and %zu bytes differ at %zu: ..." STR_FMT, got.len, want.len, at,
                 (int)(got.len - at < 60 ? got.len - at : 60), got.at + at);
}

static void assert_same_keys(const struct metadata *got, const struct metadata *want)
{
    assert_int_equal(got->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        const struct meta *g = &got->all[i], *w = &want->all[i];
        assert_text(g->key, w->key);
        assert_int_equal(g->type, w->type);
        assert_int_equal(g->item, w->item);
        assert_true(g->count == w->count);
        assert_text((struct str){ (const char *)g->bytes.at, g->bytes.len },
                    (struct str){ (const char *)w->bytes.at, w->bytes.len });
    }
}

static struct str item(const struct meta *array, uint64_t n)
{
    struct str s = { NULL, 0 };
    size_t at = 0;
    for (uint64_t i = 0; i <= n; i++)
        assert_true(meta_next_str(array, &at, &s));
    return s;
}

/* ---- the trained tokenizer -------------------------------------------------------- */

static void test_tiny_keys(void **state)
{
    (void)state;
    static const char *const order[] = {
        "tokenizer.ggml.model",        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",       "tokenizer.ggml.token_type",
        "tokenizer.ggml.merges",       "tokenizer.ggml.bos_token_id",
        "tokenizer.ggml.eos_token_id", "tokenizer.ggml.padding_token_id",
        "tokenizer.chat_template",
    };
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata m = { 0 };
    struct vocab_sources from = tiny(&a);
    if (!vocab_to_gguf(&from, 1024, 1002, 999, &m, &a, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(m.n, sizeof order / sizeof *order);
    for (size_t i = 0; i < m.n; i++)
        assert_text(m.all[i].key, str_of(order[i]));
    struct str s;
    uint64_t u;
    assert_true(meta_get_str(&m, order[0], &s) && str_is(s, "gpt2"));
    assert_true(meta_get_str(&m, order[1], &s) && str_is(s, "gpt-4o"));
    assert_int_equal(m.all[2].count, 1024);
    assert_text(item(&m.all[2], 0), STR("!"));
    assert_text(item(&m.all[2], 1002), STR("<|return|>"));
    assert_text(item(&m.all[2], 1018), STR("<|endofprompt|>"));
    assert_text(item(&m.all[2], 1019), STR("[PAD1019]"));
    assert_text(item(&m.all[2], 1023), STR("[PAD1023]"));
    const uint8_t *type = m.all[3].bytes.at;
    for (size_t id = 0; id < 1024; id++) {
        uint8_t want[4] = { id < 998 ? 1 : id < 1019 ? 3 : 5 };
        assert_memory_equal(type + 4 * id, want, 4);
    }
    assert_text(item(&m.all[4], m.all[4].count - 1), STR("L EONTES"));
    assert_true(meta_get_u64(&m, order[5], &u) && u == 998);
    assert_true(meta_get_u64(&m, order[6], &u) && u == 1002);
    assert_true(meta_get_u64(&m, order[7], &u) && u == 999);
    assert_int_equal(m.all[5].type, META_U32);
    assert_true(meta_get_str(&m, order[8], &s));
    assert_text(s, from.chat_template_jinja);
    arena_free(&a);
}

/* Nothing but texts, flags and merges is in these files, so they come back byte for byte. */
static void test_tiny_back(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata m = { 0 }, again = { 0 };
    struct vocab_sources from = tiny(&a), back;
    assert_true(vocab_to_gguf(&from, 1024, NONE, NONE, &m, &a, &e));
    assert_true(vocab_from_gguf(&m, &back, &a, &e));
    assert_text(back.tokenizer_json, from.tokenizer_json);
    assert_text(back.tokenizer_config_json, from.tokenizer_config_json);
    assert_text(back.special_tokens_map_json, from.special_tokens_map_json);
    assert_text(back.chat_template_jinja, from.chat_template_jinja);
    assert_text(back.generation_config_json, STR("{\n  \"bos_token_id\": 998,\n"
                                                 "  \"eos_token_id\": 1002,\n"
                                                 "  \"pad_token_id\": 999\n}\n"));
    assert_true(vocab_to_gguf(&back, 1024, NONE, NONE, &again, &a, &e));
    assert_same_keys(&again, &m);
    arena_free(&a);
}

/* ---- a GGUF of other people's making ------------------------------------------------ */

static bool read_kv(struct cursor *c, struct metadata *m, struct arena *a, struct err *e)
{
    struct meta v = { .key = cur_str(c, "key"), .count = 1 };
    v.type = (enum meta_type)cur_u32(c, "type");
    if (v.type == META_ARRAY) {
        v.item = (enum meta_type)cur_u32(c, "item type");
        v.count = cur_u64(c, "count");
    }
    size_t begin = c->at;
    enum meta_type t = v.type == META_ARRAY ? v.item : v.type;
    if (t == META_STRING)
        for (uint64_t i = 0; i < v.count && cur_ok(c); i++)
            cur_str(c, "string");
    else
        cur_bytes(c, v.count * meta_type_bytes(t), "value");
    v.bytes = (struct span){ c->bytes.at + begin, c->at - begin };
    return cur_ok(c) && (!str_starts(v.key, "tokenizer.") || meta_add(m, v, a, e));
}

static void read_gguf(struct str text, struct metadata *m, struct arena *a)
{
    struct err e = { 0 };
    struct cursor c = { .path = "gguf",
                        .bytes = { (const uint8_t *)text.at, text.len },
                        .total = text.len,
                        .err = &e };
    assert_true(str_is((struct str){ (const char *)cur_bytes(&c, 4, "magic").at, 4 }, "GGUF"));
    assert_int_equal(cur_u32(&c, "version"), 3);
    cur_u64(&c, "tensors");
    uint64_t n = cur_u64(&c, "keys");
    for (uint64_t i = 0; i < n; i++)
        assert_true(read_kv(&c, m, a, &e));
}

static void gguf_there_and_back(const char *path, uint64_t n_vocab)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata m = { 0 }, again = { 0 };
    read_gguf(slurp(path, &a), &m, &a);
    struct vocab_sources made;
    if (!vocab_from_gguf(&m, &made, &a, &e) ||
        !vocab_to_gguf(&made, n_vocab, NONE, NONE, &again, &a, &e))
        fail_msg("%s", e.msg);
    assert_null(made.chat_template_jinja.at);
    assert_same_keys(&again, &m);
    arena_free(&a);
}

static void test_gguf_gpt2(void **state)
{
    (void)state;
    const char *path = shared_path("real-data/ggml-vocab-gpt-2.gguf");
    if (!path)
        skip();
    gguf_there_and_back(path, 50257);
}

static void test_gguf_placeholder(void **state)
{
    (void)state;
    gguf_there_and_back("tests/data/golden/gpt-oss/tiny-a/gguf/tiny-a-bf16-mxfp4.gguf", 512);
}

/* ---- a small tokenizer ------------------------------------------------------------------ */

#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define WHOLE                                                                                  \
    "{\"added_tokens\":[{\"id\":3,\"content\":\"<e>\",\"special\":true},"                      \
    "{\"id\":4,\"content\":\"user\",\"special\":false}],\"pre_tokenizer\":" BYTES              \
    ",\"decoder\":" BYTES ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}," \
    "\"merges\":[[\"a\",\"b\"]]}}"

/* ---- the companions ---------------------------------------------------------------------- */

/* The ids of the three roles as u32, or NONE; code is the verdict. */
static void roles(struct vocab_sources from, uint64_t eos, uint64_t pad, enum err_code code,
                  const uint64_t want[3])
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata m = { 0 };
    from.tokenizer_json = STR(WHOLE);
    bool ok = vocab_to_gguf(&from, 8, eos, pad, &m, &a, &e);
    if (e.code != code)
        fail_msg("code %d '%s', wanted %d", (int)e.code, e.msg, (int)code);
    for (int i = 0; ok && i < VOCAB_ROLES; i++) {
        uint64_t got = NONE;
        meta_get_u64(&m, vocab_roles[i].key, &got);
        assert_true(got == want[i]);
    }
    arena_free(&a);
}

static void test_roles(void **state)
{
    (void)state;
    struct vocab_sources f = { 0 };
    roles(f, NONE, NONE, ERR_NONE, (uint64_t[]){ NONE, NONE, NONE });
    f.generation_config_json =
        STR("{\"bos_token_id\":1,\"eos_token_id\":[2,3],\"pad_token_id\":null}");
    roles(f, NONE, NONE, ERR_NONE, (uint64_t[]){ 1, 2, NONE });
    f.special_tokens_map_json =
        STR("{\"bos_token\":{\"content\":\"b\",\"lstrip\":false},\"eos_token\":\"<e>\"}");
    roles(f, NONE, NONE, ERR_NONE, (uint64_t[]){ 1, 3, NONE });
    f.tokenizer_config_json =
        STR("{\"bos_token\":\"a\",\"eos_token\":null,\"pad_token\":\"user\"}");
    roles(f, NONE, NONE, ERR_NONE, (uint64_t[]){ 0, 3, 4 });
    roles(f, 5, 6, ERR_NONE, (uint64_t[]){ 0, 5, 6 }); /* what config.json says wins */
    roles(f, 8, NONE, ERR_INPUT, NULL);
    f.tokenizer_config_json = STR("{\"bos_token\":\"nobody\"}");
    roles(f, NONE, NONE, ERR_INPUT, NULL);
    f.tokenizer_config_json = STR("{\"bos_token\":3}");
    roles(f, NONE, NONE, ERR_INPUT, NULL);
    f = (struct vocab_sources){ .generation_config_json = STR("{\"eos_token_id\":8}") };
    roles(f, NONE, NONE, ERR_INPUT, NULL);
    f.generation_config_json = STR("{\"eos_token_id\":-1}");
    roles(f, NONE, NONE, ERR_INPUT, NULL);
    f.generation_config_json = STR("{\"eos_token_id\":[]}");
    roles(f, NONE, NONE, ERR_NONE, (uint64_t[]){ NONE, NONE, NONE });
}

static void chat(struct str config, struct str jinja, enum err_code code, const char *want)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata m = { 0 };
    struct vocab_sources from = { .tokenizer_json = STR(WHOLE),
                                  .tokenizer_config_json = config,
                                  .chat_template_jinja = jinja };
    bool ok = vocab_to_gguf(&from, 8, NONE, NONE, &m, &a, &e);
    struct str got = { NULL, 0 };
    assert_int_equal(e.code, code);
    assert_int_equal(ok && meta_get_str(&m, "tokenizer.chat_template", &got), want != NULL);
    if (want)
        assert_text(got, str_of(want));
    arena_free(&a);
}

static void test_chat_template(void **state)
{
    (void)state;
    const struct str none = { NULL, 0 };
    chat(none, none, ERR_NONE, NULL);
    chat(STR("{\"chat_template\":\"a\\n\"}"), none, ERR_NONE, "a\n");
    chat(STR("{\"chat_template\":null}"), none, ERR_NONE, NULL);
    chat(STR("{\"chat_template\":\"a\"}"), STR("b"), ERR_NONE, "b");
    chat(STR("{\"chat_template\":[{}]}"), none, ERR_UNSUPPORTED, NULL);
    chat(STR("{\"chat_template\":[{}]}"), STR("b"), ERR_NONE, "b");
}

/* The types of the keys, and that the way back and forth changes nothing. */
static void types(struct str json, uint64_t n_vocab, const uint8_t *want)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata m = { 0 }, again = { 0 };
    struct vocab_sources from = { .tokenizer_json = json }, back;
    assert_true(vocab_to_gguf(&from, n_vocab, NONE, NONE, &m, &a, &e));
    for (size_t i = 0; i < n_vocab; i++)
        assert_int_equal(meta_find(&m, "tokenizer.ggml.token_type")->bytes.at[4 * i], want[i]);
    assert_true(vocab_from_gguf(&m, &back, &a, &e));
    assert_null(back.generation_config_json.at);
    assert_true(vocab_to_gguf(&back, n_vocab, NONE, NONE, &again, &a, &e));
    assert_same_keys(&again, &m);
    arena_free(&a);
}

static void test_types(void **state)
{
    (void)state;
    types(STR(WHOLE), 8, (const uint8_t[]){ 1, 1, 1, 3, 4, 5, 5, 5 });
    types(STR(WHOLE), 5, (const uint8_t[]){ 1, 1, 1, 3, 4 });
    /* A real token may look like padding, and a control token may stand among normal ones. */
    types(STR("{\"added_tokens\":[{\"id\":0,\"content\":\"<e>\",\"special\":true}],"
              "\"pre_tokenizer\":" BYTES ",\"decoder\":" BYTES ",\"model\":{\"type\":\"BPE\","
              "\"vocab\":{\"a\":1,\"[PAD2]\":2},\"merges\":[]}}"),
          4, (const uint8_t[]){ 3, 1, 1, 5 });
}

static void test_padding_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err_code code;
    } rows[] = {
        { "[PAD0]", ERR_NONE },  { "[PAD1]", ERR_INPUT },
        { "[PAD7]", ERR_INPUT }, { "[PAD8]", ERR_NONE },
        { "[PAD01]", ERR_NONE }, { "[PAD1", ERR_NONE },
        { "[PAD]", ERR_NONE },   { "[PAD1]]", ERR_NONE },
        { "[PADx]", ERR_NONE },  { "[PAD99999999999999999999]", ERR_NONE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a = { 0 };
        struct err e = { 0 };
        struct metadata m = { 0 };
        const char *json =
            arena_printf(&a, &e,
                         "{\"pre_tokenizer\":" BYTES ",\"decoder\":" BYTES
                         ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"%s\":0},\"merges\":[]}}",
                         rows[i].text);
        struct vocab_sources from = { .tokenizer_json = str_of(json) };
        assert_int_equal(vocab_to_gguf(&from, 8, NONE, NONE, &m, &a, &e), rows[i].code == ERR_NONE);
        assert_int_equal(e.code, rows[i].code);
        arena_free(&a);
    }
}

static void test_no_tokenizer(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata m = { 0 };
    struct vocab_sources from = { .dir = "d" };
    assert_false(vocab_to_gguf(&from, 8, NONE, NONE, &m, &a, &e));
    assert_int_equal(e.code, ERR_INPUT);
    assert_string_equal(e.msg, "d/tokenizer.json is missing");
    arena_free(&a);
}

/* A pattern that no tokenizer.ggml.pre names. */
static void test_unknown_split(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata m = { 0 };
    struct vocab_sources from = {
        .tokenizer_json =
            STR("{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                "\"pattern\":{\"Regex\":\"x+\"},\"behavior\":\"Isolated\",\"invert\":false},"
                "{\"type\":\"ByteLevel\",\"use_regex\":false}]},\"decoder\":" BYTES
                ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}"),
        .dir = "d",
    };
    assert_false(vocab_to_gguf(&from, 8, NONE, NONE, &m, &a, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_string_equal(e.msg, "d/tokenizer.json:0x11: text is split by a pattern we have no name "
                               "for: 'x+'");
    arena_free(&a);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct arena keep = { 0 };
    struct vocab_sources from = tiny(&keep);
    for (unsigned n = 1;; n++) {
        struct arena a = { 0 };
        struct err e = { 0 };
        struct metadata m = { 0 };
        struct vocab_sources back;
        fault_on(FAULT_MEMORY, n);
        bool ok = vocab_to_gguf(&from, 1024, NONE, NONE, &m, &a, &e) &&
                  vocab_from_gguf(&m, &back, &a, &e);
        bool struck = fault_struck();
        fault_on(FAULT_MEMORY, 0);
        arena_free(&a);
        assert_int_equal(ok, !struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        if (!struck)
            break;
    }
    arena_free(&keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny_keys),     cmocka_unit_test(test_tiny_back),
        cmocka_unit_test(test_gguf_gpt2),     cmocka_unit_test(test_gguf_placeholder),
        cmocka_unit_test(test_roles),         cmocka_unit_test(test_chat_template),
        cmocka_unit_test(test_types),         cmocka_unit_test(test_padding_taken),
        cmocka_unit_test(test_no_tokenizer),  cmocka_unit_test(test_unknown_split),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("vocab", tests, NULL, NULL);
}
