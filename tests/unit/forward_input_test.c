/* forward_input_test.c - what must change the logits does; what cannot be computed is refused. */
#include "formats/base/fault.h"
#include "formats/base/json.h"
#include "tests/support/forward.h"
#include "tests/support/npy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define HF       TINY_A "tiny-a/hf"
#define ORIGINAL TINY_A "tiny-a/original"

/* More than any rounding: a mistake that stays below would pass for correct. */
static const double mistake = 0.01;

static struct session_options best(void)
{
    return (struct session_options){ .isa = isa_detect(), .jobs = 2 };
}

static const char *altered_config(const char *from, const char *to)
{
    return forward_copy(HF "/config.json", "altered.json", from, to);
}

/* A copy of the original/ form to spoil. */
static const char *copy_model(const char *from, const char *to)
{
    forward_copy(ORIGINAL "/config.json", "config.json", "{", "{");
    forward_copy(ORIGINAL "/model.safetensors", "model.safetensors", from, to);
    return forward_temp();
}

/* ---- mistakes that the golden logits would catch ----------------------------------------- */

struct deviation {
    struct ids ids;
    struct npy want;
};

static struct deviation reference(const char *sequence)
{
    char path[200];
    struct deviation d = { .ids = forward_sequence(sequence) };
    snprintf(path, sizeof path, TINY_A "tiny-a/logits/%s_f32.npy", sequence);
    assert_true(npy_load_as(&d.want, path, 'f', 4, 2));
    return d;
}

/* How far the logits of this model with this configuration are from the reference. */
static double deviates(struct deviation *d, const char *model, const char *config,
                       enum rope_style rope)
{
    struct session_options opt = best();
    opt.config = config;
    opt.rope = rope;
    float *got = forward_logits(model, &opt, d->ids);
    double off = forward_difference(got, d->want.data, d->want.n);
    free(got);
    return off;
}

static void free_reference(struct deviation *d)
{
    free(d->ids.at);
    npy_free(&d->want);
}

static void altered_settings_show(void **state)
{
    (void)state;
    static const char *const settings[][2] = {
        { "\"sliding_window\": 8", "\"sliding_window\": 9" },
        { "\"sliding_window\": 8", "\"sliding_window\": 7" },
        { "\"truncate\": false", "\"truncate\": true" },
        { "\"swiglu_limit\": 7.0", "\"swiglu_limit\": 1e30" },
        { "\"rope_type\": \"yarn\"", "\"rope_type\": \"yarn\", \"was\": 0" }, /* no mistake */
        { "\"factor\": 32.0", "\"factor\": 1.0" },
        { "\"rope_type\": \"yarn\"", "\"rope_type\": \"default\"" },
        { "\"rope_theta\": 150000", "\"rope_theta\": 10000" },
        { "[\n    \"sliding_attention\",\n    \"full_attention\"",
          "[\n    \"full_attention\",\n    \"sliding_attention\"" },
        { "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 0.1" },
        { "\"experts_per_token\": 4", "\"experts_per_token\": 3" },
    };
    struct deviation d = reference("len100");
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const char *config = altered_config(settings[i][0], settings[i][1]);
        double off = deviates(&d, HF, config, ROPE_REFERENCE);
        if (i == 4 ? !(off <= 2e-4) : !(off > mistake))
            fail_msg("%s: off by %g", settings[i][1], off);
    }
    free_reference(&d);
}

/* The window of the trained model, one token too wide. */
static void window_33_of_32_shows(void **state)
{
    (void)state;
    cJSON *index = forward_json(TINY "golden/index.json");
    const cJSON *p = json_at(index, "prompts")->child;
    while (strcmp(json_at(p, "name")->valuestring, "window") != 0)
        p = p->next;
    struct deviation d = { .ids = forward_ids(json_at(p, "ids")) };
    assert_true(npy_load_as(&d.want, TINY "golden/logits_window_f32.npy", 'f', 4, 2));
    const char *config = forward_copy(TINY "config.json", "altered.json", "\"sliding_window\": 32",
                                      "\"sliding_window\": 33");
    assert_true(deviates(&d, TINY, config, ROPE_REFERENCE) > mistake);
    free_reference(&d);
    cJSON_Delete(index);
}

static void llama_cpp_rope_is_truncated_yarn(void **state)
{
    (void)state;
    struct session_options cpp = best(), truncated = best();
    struct ids ids = forward_sequence("len032");
    struct deviation d = reference("len100");
    cpp.rope = ROPE_LLAMA_CPP;
    truncated.config = altered_config("\"truncate\": false", "\"truncate\": true");
    float *a = forward_logits(HF, &cpp, ids), *b = forward_logits(HF, &truncated, ids);
    assert_memory_equal(a, b, ids.n * 512 * sizeof(float));
    assert_true(deviates(&d, HF, NULL, ROPE_LLAMA_CPP) > 0.1);
    free(a);
    free(b);
    free(ids.at);
    free_reference(&d);
}

static void missing_sinks_show(void **state)
{
    (void)state;
    struct deviation d = reference("len032");
    const char *model = copy_model("block", "block");
    uint8_t sinks[16];
    for (int i = 0; i < 16; i += 2)
        memcpy(sinks + i, "\x80\xFF", 2); /* -infinity */
    assert_true(deviates(&d, model, NULL, ROPE_REFERENCE) <= 2e-4);
    forward_patch(model, "block.1.attn.sinks", 0, sinks, sizeof sinks);
    assert_true(deviates(&d, model, NULL, ROPE_REFERENCE) > mistake);
    free_reference(&d);
}

static void swapped_nibbles_show(void **state)
{
    (void)state;
    struct deviation d = reference("len007");
    struct err e = { 0 };
    struct model m = { 0 };
    const char *model = copy_model("block", "block"), *name = "block.3.mlp.mlp2_weight.blocks";
    assert_true(model_open(&m, model, &e));
    const struct tensor *t = model_find(&m, str_of(name));
    uint8_t *bytes = malloc(t->bytes);
    size_t n = t->bytes;
    assert_true(model_read(&m, t, 0, bytes, n, &e));
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(bytes[i] << 4 | bytes[i] >> 4);
    model_close(&m);
    forward_patch(model, name, 0, bytes, n);
    assert_true(deviates(&d, model, NULL, ROPE_REFERENCE) > mistake);
    free(bytes);
    free_reference(&d);
}

/* ---- refusals
 * ------------------------------------------------------------------------------------- */

static void refused(const char *model, const struct session_options *opt, struct ids ids,
                    enum err_code code, const char *says)
{
    struct err e = { 0 };
    assert_false(forward_try(model, opt, ids, &e));
    if (e.code != code || !strstr(e.msg, says))
        fail_msg("code %d, not %d: %s", (int)e.code, (int)code, e.msg);
}

static void bad_prompts(void **state)
{
    (void)state;
    struct session_options opt = best();
    uint32_t at[9] = { 1, 2, 3, 512, 5 };
    struct ids ids = { at, 5 };
    refused(HF, &opt, ids, ERR_INPUT, "token 3 of the prompt is 512: ids of");
    at[3] = UINT32_MAX;
    refused(HF, &opt, ids, ERR_INPUT, "is 4294967295");
    at[3] = 511;
    ids.n = 9;
    opt.config =
        altered_config("\"max_position_embeddings\": 131072", "\"max_position_embeddings\": 8");
    refused(HF, &opt, ids, ERR_INPUT, "9 tokens are more than the context");
    ids.n = 8;
    struct err e = { 0 };
    assert_true(forward_try(HF, &opt, ids, &e));
}

static void bad_settings(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        enum err_code code;
        const char *says;
    } cases[] = {
        { "\"sliding_window\": 8,", "", ERR_INPUT, "says nothing of sliding_window" },
        { "\"sliding_window\": 8", "\"sliding_window\": 0", ERR_INPUT, "sliding_window is 0" },
        { "\"rope_theta\": 150000", "\"rope_theta\": -1", ERR_INPUT, "rope_theta is -1" },
        { "\"factor\": 32.0", "\"factor\": 0.5", ERR_INPUT, "rope_scaling.factor is 0.5" },
        { "\"experts_per_token\": 4", "\"experts_per_token\": 9", ERR_INPUT,
          "9 experts per token of 8" },
        { "\"full_attention\"", "\"chunked_attention\"", ERR_UNSUPPORTED,
          "layer 1 is 'chunked_attention'" },
        { "\"full_attention\",", "", ERR_INPUT, "layer_types has 3 entries, the model 4 layers" },
        { "\"num_hidden_layers\": 4", "\"num_hidden_layers\": 5", ERR_INPUT,
          "layers.4.input_layernorm.weight' is missing" },
        { "\"rope_type\": \"yarn\"", "\"rope_type\": \"linear\"", ERR_UNSUPPORTED, "rope scaling" },
        { "\"head_dim\": 16", "\"head_dim\": 15", ERR_INPUT, "should be" },
        { "\"max_position_embeddings\": 131072", "\"max_position_embeddings\": 2000000",
          ERR_UNSUPPORTED, "a context of 2000000" },
        { "\"gpt_oss\"", "\"gpt_two\"", ERR_UNSUPPORTED, "of no family we know" },
    };
    struct session_options opt = best();
    struct ids ids = forward_sequence("len007");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opt.config = altered_config(cases[i].from, cases[i].to);
        refused(HF, &opt, ids, cases[i].code, cases[i].says);
    }
    opt.config = NULL;
    refused(ORIGINAL "/model.safetensors", &opt, ids, ERR_INPUT, "says nothing of");
    free(ids.at);
}

static void missing_tensor(void **state)
{
    (void)state;
    struct session_options opt = best();
    struct ids ids = forward_sequence("len001");
    const char *model = copy_model("block.2.attn.sinks", "block.2.attn.sinkz");
    refused(model, &opt, ids, ERR_INPUT, "'block.2.attn.sinks' is missing");
    free(ids.at);
}

/* Named by the stored tensor and its own index, however the form joins and orders. */
static void not_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        uint64_t at;
        const char *bytes, *says;
    } cases[] = {
        /* k row 2 in rows of 64, behind 128 of q */
        { "block.1.attn.qkv.weight", 2 * (130 * 64 + 5), "\xC0\x7F",
          "qkv.weight' holds NaN at [130, 5]" },
        { "block.1.attn.qkv.bias", 2 * 130, "\xC0\xFF", "qkv.bias' holds NaN at [130]" },
        { "block.3.mlp.mlp1_bias", 2 * (2 * 192 + 7), "\x81\x7F",
          "mlp1_bias' holds NaN at [2, 7]" },
        { "embedding.weight", 2 * (416 * 64 + 63), "\xC0\x7F",
          "embedding.weight' holds NaN at [416, 63]" },
        /* expert 4 is chosen; up row 1, second block */
        { "block.0.mlp.mlp1_weight.scales", (4 * 192 + 3) * 2 + 1, "\xFF",
          "scales' holds NaN at [4, 3, 1]" },
        { "block.0.attn.sinks", 6, "\x80\x7F", "logits of token 0 are not numbers" }, /* infinity */
    };
    struct session_options opt = best();
    struct ids ids = forward_sequence("len001");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *model = copy_model("block", "block");
        forward_patch(model, cases[i].tensor, cases[i].at, cases[i].bytes, strlen(cases[i].bytes));
        refused(model, &opt, ids, ERR_INPUT, cases[i].says);
    }
    free(ids.at);
}

static void not_numbers_in_gguf(void **state)
{
    (void)state;
    struct session_options opt = best();
    struct ids ids = forward_sequence("len001");
    const char *model =
        forward_copy(TINY_A "tiny-a/gguf/tiny-a-bf16-mxfp4.gguf", "nan.gguf", "GGUF", "GGUF");
    /* expert 4, row 9 of 64, block 2 of 3 */
    forward_patch(model, "blk.0.ffn_down_exps.weight", ((4 * 64 + 9) * 3 + 2) * 17, "\xFF", 1);
    refused(model, &opt, ids, ERR_INPUT, "'blk.0.ffn_down_exps.weight' holds NaN at [4, 9, 64]");
    free(ids.at);
}

/* What units hold and what the session took stay below the limit, and old units make room. */
static void the_limit_is_kept(void **state)
{
    (void)state;
    struct session_options opt = { .isa = isa_detect(), .jobs = 1, .chunk = 4, .mem = 250000 };
    struct ids ids = forward_sequence("len032");
    struct err e = { 0 };
    struct model m = { 0 };
    struct session s = { 0 };
    assert_true(model_open(&m, HF, &e) && session_open(&s, &m, &opt, &e));
    for (size_t i = 0; i < ids.n; i++) {
        assert_true(session_run(&s, ids.at + i, 1, 1, NULL, NULL, &e));
        assert_true(s.weights.held > 0 && s.weights.held + s.weights.reserved <= opt.mem);
    }
    session_close(&s);
    model_close(&m);
    free(ids.at);
}

/* The least memory is enough, and one byte less is refused. */
static void the_least_memory_is_enough(void **state)
{
    (void)state;
    struct session_options opt = best();
    struct ids ids = forward_sequence("len007");
    float *want = forward_logits(HF, &opt, ids);
    uint64_t low = 1, high = 1 << 30;
    opt.chunk = 2;
    opt.jobs = 1;
    while (low < high) {
        struct err e = { 0 };
        opt.mem = low + (high - low) / 2;
        if (forward_try(HF, &opt, ids, &e)) {
            high = opt.mem;
        } else {
            assert_int_equal(e.code, ERR_MEMORY);
            assert_non_null(strstr(e.msg, "the forward pass needs at least"));
            low = opt.mem + 1;
        }
    }
    assert_true(low < 600000); /* the weights alone are more */
    opt.mem = low;
    float *got = forward_logits(HF, &opt, ids);
    assert_memory_equal(want, got, ids.n * 512 * sizeof(float));
    free(want);
    free(got);
    free(ids.at);
}

static void every_failure_is_reported(void **state)
{
    (void)state;
    struct session_options opt = best();
    struct ids ids = forward_sequence("len001");
    const enum fault_kind kinds[] = { FAULT_MEMORY, FAULT_IO };
    opt.jobs = 1;
    opt.chunk = 1;
    for (int k = 0; k < 2; k++)
        for (unsigned n = 1;; n++) {
            struct err e = { 0 };
            fault_on(kinds[k], n);
            bool ok = forward_try(ORIGINAL, &opt, ids, &e), struck = fault_struck();
            fault_on(FAULT_NONE, 0);
            assert_int_equal(ok, !struck);
            if (!struck)
                break;
            assert_true(e.code == ERR_MEMORY || e.code == ERR_SYSTEM);
        }
    free(ids.at);
}

static int clean(void **state)
{
    (void)state;
    forward_clean();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(altered_settings_show),
        cmocka_unit_test(window_33_of_32_shows),
        cmocka_unit_test(llama_cpp_rope_is_truncated_yarn),
        cmocka_unit_test(missing_sinks_show),
        cmocka_unit_test(swapped_nibbles_show),
        cmocka_unit_test(bad_prompts),
        cmocka_unit_test(bad_settings),
        cmocka_unit_test(missing_tensor),
        cmocka_unit_test(not_numbers),
        cmocka_unit_test(not_numbers_in_gguf),
        cmocka_unit_test(the_limit_is_kept),
        cmocka_unit_test(the_least_memory_is_enough),
        cmocka_unit_test(every_failure_is_reported),
    };
    return cmocka_run_group_tests_name("forward_input", tests, NULL, clean);
}
