/* gpt_oss_config_test.c - the values of a gpt-oss configuration: they come from the files, come
 * back through every form, and are refused where they make no sense. */
#include "formats/family/gpt_oss.h"
#include "tests/support/convert.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const enum form forms[TINY_WRITABLE] = { FORM_HF, FORM_ORIGINAL, FORM_GGUF };

static void must_convert(const char *from, const char *to, enum form form)
{
    struct err e = { 0 };
    if (!convert_to(from, to, form, &e))
        fail_msg("%s to %s: %s", from, form_name(form), e.msg);
}

/* ---- configurations -------------------------------------------------------------------------- */

static void test_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &gpt_oss_settings[i];
        assert_int_equal(gpt_oss_setting(s->hf), i); /* no name twice, none misspelt below */
        assert_int_equal(s->kind == FIXED, s->fixed != NULL);
        if (s->gguf)
            assert_true(s->type == META_U32 || s->type == META_F32);
    }
}

static char *slurp(const char *path)
{
    struct str s = fixture_read(path);
    char *text = strndup(s.at, s.len);
    fixture_free(s);
    assert_non_null(text);
    return text;
}

/* Every value of config.json comes back through GGUF, through original/ what that holds. */
static void test_config_comes_back(void **state)
{
    (void)state;
    static const char *const values[] = {
        "\"num_hidden_layers\": 3",
        "\"num_local_experts\": 5",
        "\"hidden_size\": 96",
        "\"intermediate_size\": 64",
        "\"num_attention_heads\": 6",
        "\"num_key_value_heads\": 2",
        "\"head_dim\": 10",
        "\"vocab_size\": 37",
        "\"experts_per_token\": 3",
        "\"num_experts_per_tok\": 3",
        "\"sliding_window\": 24",
        "\"initial_context_length\": 512",
        "\"rope_theta\": 12345.5",
        "\"swiglu_limit\": 5.5",
        "\"factor\": 8.0",
        "\"beta_fast\": 24.0",
        "\"beta_slow\": 1.5",
        "\"original_max_position_embeddings\": 512",
        "\"max_position_embeddings\": 4096",
    };
    const char *in = tree_path("config-in"), *mid = tree_path("config-mid"),
               *out = tree_path("config-out");
    for (enum tiny_form from = 0; from < TINY_WRITABLE; from++)
        for (enum tiny_form through = 0; through < TINY_WRITABLE; through++) {
            tree_remove(in);
            tree_remove(mid);
            tree_remove(out);
            tiny_write(&tiny_odd, from, in);
            must_convert(in, mid, forms[through]);
            must_convert(mid, out, FORM_HF);
            char *text = slurp(tree_path("config-out/config.json"));
            for (size_t i = 0; i < sizeof values / sizeof *values; i++)
                if (!strstr(text, values[i]) &&
                    /* 5 and 8: as the file had it, where it was copied */
                    !(from == TINY_HF && through == TINY_HF))
                    fail_msg("%s through %s: no %s in\n%s", tiny_name(from), tiny_name(through),
                             values[i], text);
            bool eps = from != TINY_ORIGINAL && through != TINY_ORIGINAL;
            assert_int_equal(strstr(text, "0.000125") != NULL, eps);
            free(text);
        }
}

/* Converts an HF model whose config.json is `text`; the error's message, or NULL. */
static const char *with_config(const char *text, enum form to, enum err_code *code)
{
    static struct err e;
    const char *in = tree_path("with"), *out = tree_path("with-out");
    e = (struct err){ 0 };
    tree_remove(in);
    tree_remove(out);
    tiny_write(&tiny_odd, TINY_HF, in);
    if (text)
        tree_text(tree_path("with/config.json"), text);
    else
        tree_remove(tree_path("with/config.json"));
    bool ok = convert_to(in, out, to, &e);
    *code = e.code;
    return ok ? NULL : e.msg;
}

#define REST                                                                                \
    "\"experts_per_token\": 3, \"sliding_window\": 24, \"max_position_embeddings\": 4096, " \
    "\"head_dim\": 10, \"rope_theta\": 12345.5"
#define YARN                                                        \
    "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8.0, " \
    "\"original_max_position_embeddings\": 512}"

static void test_sizes_come_from_tensors(void **state)
{
    (void)state;
    enum err_code code;
    assert_null(with_config("{\"model_type\": \"gpt_oss\", " REST ", " YARN "}", FORM_GGUF, &code));
    struct model m = { 0 };
    struct err e = { 0 };
    uint64_t n;
    assert_true(model_open(&m, tree_path("with-out"), &e));
    assert_true(meta_get_u64(&m.files[0].metadata, "gpt-oss.attention.head_count_kv", &n));
    assert_int_equal(n, 2);
    assert_true(meta_get_u64(&m.files[0].metadata, "gpt-oss.expert_count", &n) && n == 5);
    model_close(&m);
}

static void test_newer_rope(void **state)
{
    (void)state;
    enum err_code code;
    struct model m = { 0 };
    struct err e = { 0 };
    double v;
    assert_null(with_config("{\"model_type\": \"gpt_oss\", \"experts_per_token\": 3, "
                            "\"sliding_window\": 24, \"head_dim\": 10, \"rope_parameters\": "
                            "{\"rope_type\": \"yarn\", \"factor\": 8.0, \"rope_theta\": 777, "
                            "\"original_max_position_embeddings\": 512}}",
                            FORM_GGUF, &code));
    assert_true(model_open(&m, tree_path("with-out"), &e));
    assert_true(meta_get_double(&m.files[0].metadata, "gpt-oss.rope.freq_base", &v) && v == 777);
    assert_true(meta_get_double(&m.files[0].metadata, "gpt-oss.context_length", &v) && v == 4096);
    model_close(&m);
}

/* A flag under either name of the object that holds it; false where nothing is said. */
static void test_truncated_rope(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "{\"model_type\": \"gpt_oss\", \"rope_scaling\": {\"factor\": 8.0, \"truncate\": true}}",
          "\"truncate\": true" },
        { "{\"model_type\": \"gpt_oss\", \"rope_parameters\": {\"factor\": 8.0, \"truncate\": "
          "true}}",
          "\"truncate\": true" },
        { "{\"model_type\": \"gpt_oss\", \"rope_scaling\": {\"factor\": 8.0, \"truncate\": false}}",
          "\"truncate\": false" },
        { "{\"model_type\": \"gpt_oss\", \"rope_scaling\": {\"factor\": 8.0}}",
          "\"truncate\": false" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config c = { .path = "config.json", .text = str_of(cases[i].text) };
        struct family_view v = { 0 };
        struct plan p = { 0 };
        struct err e = { 0 };
        struct buf b = buf_make(&e);
        assert_true(gpt_oss_from_json(&c, &e));
        gpt_oss_complete(&c);
        gpt_oss_put_hf(&b, &v, &c, &p);
        assert_non_null(memmem(b.at, b.len, cases[i].says, strlen(cases[i].says)));
        buf_free(&b);
    }
}

static void test_unscaled_rope(void **state)
{
    (void)state;
    enum err_code code;
    const enum form through[] = { FORM_GGUF, FORM_ORIGINAL };
    struct model m = { 0 };
    struct err e = { 0 };
    assert_null(with_config("{\"model_type\": \"gpt_oss\", " REST ", \"rope_scaling\": null}",
                            through[0], &code));
    must_convert(tree_path("with-out"), tree_path("unscaled"), FORM_HF);
    assert_true(model_open(&m, tree_path("with-out"), &e));
    for (size_t i = 0; i < m.files[0].metadata.n; i++)
        assert_false(str_starts(m.files[0].metadata.all[i].key, "gpt-oss.rope.scaling."));
    model_close(&m);
    char *text = slurp(tree_path("unscaled/config.json"));
    assert_non_null(strstr(text, "\"rope_scaling\": null,\n"));
    assert_non_null(strstr(text, "\"max_position_embeddings\": 4096"));
    free(text);
    assert_null(with_config("{\"model_type\": \"gpt_oss\", " REST ", \"rope_scaling\": null}",
                            through[1], &code));
    text = slurp(tree_path("with-out/config.json"));
    assert_non_null(strstr(text, "\"rope_scaling_factor\": 1.0"));
    free(text);
}

static void test_wrong_configs(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum form to;
        enum err_code code;
        const char *says;
    } rows[] = {
        { NULL, FORM_GGUF, ERR_INPUT, "nothing says experts_per_token: there is no config.json" },
        { NULL, FORM_ORIGINAL, ERR_INPUT,
          "nothing says experts_per_token: there is no config.json" },
        { "{\"model_type\": \"gpt_oss\"}", FORM_GGUF, ERR_INPUT, "has no experts_per_token" },
        { "{\"model_type\": \"gpt_oss\", \"hidden_size\": 96.5}", FORM_GGUF, ERR_INPUT,
          "hidden_size is 96.5" },
        { "{\"model_type\": \"gpt_oss\", \"head_dim\": -10}", FORM_GGUF, ERR_INPUT,
          "head_dim is -10" },
        { "{\"model_type\": \"gpt_oss\", \"vocab_size\": 1e300}", FORM_GGUF, ERR_INPUT,
          "vocab_size is 1e+300" },
        { "{\"model_type\": \"gpt_oss\", \"hidden_size\": 128}", FORM_HF, ERR_INPUT,
          "tensor 'model.embed_tokens.weight' has shape [37,96]: hidden_size should be 128" },
        { "{\"model_type\": \"gpt_oss\", \"num_local_experts\": 4}", FORM_HF, ERR_INPUT,
          "tensor 'model.layers.0.mlp.router.weight' has shape [5,96]: num_local_experts should "
          "be 4" },
        { "{\"model_type\": \"gpt_oss\", \"num_hidden_layers\": 4}", FORM_HF, ERR_INPUT,
          "tensor 'model.layers.3.input_layernorm.weight' is missing" },
        { "{\"model_type\": \"gpt_oss\", \"num_hidden_layers\": 4000000000}", FORM_HF, ERR_INPUT,
          "tensor 'model.layers.3.input_layernorm.weight' is missing" },
        { "{\"model_type\": \"gpt_oss\", \"num_hidden_layers\": 2}", FORM_HF, ERR_INPUT,
          "has 3 layers, its configuration says 2" },
        { "{\"model_type\": \"gpt_oss\", " REST
          ", \"rope_scaling\": {\"rope_type\": \"longrope\"}}",
          FORM_GGUF, ERR_UNSUPPORTED, "rope scaling of a kind that is not known" },
        { "{\"model_type\": \"gpt_oss\",}", FORM_HF, ERR_INPUT, "with/config.json:0x" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum err_code code;
        const char *said = with_config(rows[i].text, rows[i].to, &code);
        if (!said || code != rows[i].code || !strstr(said, rows[i].says))
            fail_msg("row %zu: code %d: %s", i, code, said ? said : "no error");
        assert_false(tree_exists(tree_path("with-out")));
    }
}

/* Ids that are none (-1), or several, do not stop anything. */
static void test_token_ids(void **state)
{
    (void)state;
    enum err_code code;
    struct model m = { 0 };
    struct err e = { 0 };
    uint64_t id;
    assert_null(with_config("{\"model_type\": \"gpt_oss\", " REST ", " YARN
                            ", \"pad_token_id\": -1, \"eos_token_id\": [1, 2]}",
                            FORM_GGUF, &code));
    assert_true(model_open(&m, tree_path("with-out"), &e));
    assert_null(meta_find(&m.files[0].metadata, "tokenizer.ggml.padding_token_id"));
    assert_null(meta_find(&m.files[0].metadata, "tokenizer.ggml.eos_token_id"));
    model_close(&m);
    assert_null(with_config("{\"model_type\": \"gpt_oss\", " REST ", " YARN
                            ", \"pad_token_id\": 0, \"eos_token_id\": 7}",
                            FORM_GGUF, &code));
    assert_true(model_open(&m, tree_path("with-out"), &e));
    assert_true(meta_get_u64(&m.files[0].metadata, "tokenizer.ggml.padding_token_id", &id) &&
                id == 0);
    assert_true(meta_get_u64(&m.files[0].metadata, "tokenizer.ggml.eos_token_id", &id) && id == 7);
    model_close(&m);
}

/* ---- Ollama's keys ----------------------------------------------------------------------------
 */

static void test_ollama_keys(void **state)
{
    (void)state;
    const char *in = tree_path("ollama-in"), *gguf = tree_path("ollama.gguf"),
               *hf = tree_path("ollama-hf");
    struct tiny t = tiny_odd;
    struct model m = { 0 };
    struct err e = { 0 };
    struct str text;
    uint64_t n;
    t.tokens = true;
    tiny_write(&t, TINY_OLLAMA, in);
    must_convert(in, gguf, FORM_GGUF);
    must_convert(in, hf, FORM_HF);
    assert_true(model_open(&m, gguf, &e));
    const struct metadata *k = &m.files[0].metadata;
    assert_true(meta_get_str(k, "general.architecture", &text) && str_is(text, "gpt-oss"));
    assert_true(meta_get_u64(k, "general.file_type", &n) && n == 38);
    assert_true(meta_get_u64(k, "gpt-oss.expert_feed_forward_length", &n) && n == 64);
    assert_true(meta_get_str(k, "gpt-oss.rope.scaling.type", &text) && str_is(text, "yarn"));
    assert_true(meta_get_str(k, "tokenizer.ggml.pre", &text) && str_is(text, "gpt-4o"));
    assert_true(meta_get_u64(k, "tokenizer.ggml.eos_token_id", &n) && n == 4);
    for (size_t i = 0; i < k->n; i++)
        assert_false(str_starts(k->all[i].key, "gptoss."));
    model_close(&m);
    assert_true(tree_exists(tree_path("ollama-hf/tokenizer.json")));
    char *json = slurp(tree_path("ollama-hf/config.json"));
    assert_non_null(strstr(json, "\"intermediate_size\": 64"));
    assert_non_null(strstr(json, "\"eos_token_id\": 4"));
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_config_comes_back),
        cmocka_unit_test(test_sizes_come_from_tensors),
        cmocka_unit_test(test_newer_rope),
        cmocka_unit_test(test_truncated_rope),
        cmocka_unit_test(test_unscaled_rope),
        cmocka_unit_test(test_wrong_configs),
        cmocka_unit_test(test_token_ids),
        cmocka_unit_test(test_ollama_keys),
    };
    return cmocka_run_group_tests_name("gpt_oss_config", tests, NULL, NULL);
}
