/* findings_test.c - each rule fires on what it is for, and on nothing that was released. */
#include "inspect/findings.h"
#include "inspect/template.h"
#include "inspect/values.h"
#include "tests/support/fixture.h"
#include "tests/support/little.h"
#include "tests/support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* The ids found in a model, each once, with spaces between them. */
static const char *ids_of(const char *path, bool scan)
{
    static char ids[400];
    struct err e = { 0 };
    struct model m;
    struct facts facts;
    struct findings f;
    const struct execute_options run = { .jobs = 1 };
    if (!model_open(&m, path, &e) || !facts_open(&facts, &m, &e) ||
        !findings_open(&f, &facts, scan, &run, &e))
        fail_msg("%s: %s", path, e.msg);
    ids[0] = '\0';
    for (size_t i = 0; i < f.n; i++) {
        size_t n = strlen(ids);
        if (i == 0 || strcmp(f.all[i].id, f.all[i - 1].id) != 0)
            snprintf(ids + n, sizeof ids - n, "%s%s", n ? " " : "", f.all[i].id);
    }
    findings_close(&f);
    facts_close(&facts);
    model_close(&m);
    return ids;
}

static void test_released_models_have_none(void **state)
{
    (void)state;
    static const char *const models[] = {
        "tests/data/tiny-gpt-oss",
        "tests/data/tiny-gpt-oss/original",
        "tests/data/tiny-gpt-oss/bf16",
        "tests/data/tiny-gpt-oss/bf16-master",
        "tests/data/golden/gpt-oss/tiny-a/hf",
        "tests/data/golden/gpt-oss/tiny-a/original",
        "tests/data/golden/gpt-oss/tiny-a/gguf",
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        assert_string_equal(ids_of(models[i], true), "");
}

static const struct {
    const char *file, *ids;
} hostile[] = {
    // clang-format off
    { "safetensors/ok_basic.safetensors", "" },            { "safetensors/ok_empty.safetensors", "" },
    { "safetensors/ok_scalar.safetensors", "" },           { "safetensors/ok_zero_dim.safetensors", "" },
    { "safetensors/e8m0_ok.safetensors", "" },             { "gguf/ok_empty.gguf", "" },
    { "gguf/ok_one.gguf", "" },                            { "gguf/ok_v2.gguf", "" },
    { "safetensors/warn_misaligned.safetensors", "container" },
    { "safetensors/shape_zero_then_huge.safetensors", "container" },
    { "safetensors/extra_key.safetensors", "container" },
    { "safetensors/metadata_null.safetensors", "container" },
    { "safetensors/name_confusable.safetensors", "name" },
    { "safetensors/wide_shape.safetensors", "container" },
    { "safetensors/html_polyglot.safetensors", "markup" },
    { "gguf/key_bad_utf8.gguf", "container" },
    { "gguf/no_arch.gguf", "no-architecture" },
    { "gguf/f32_nan.gguf", "values" },
    { "gguf/q8_scale_inf.gguf", "values" },
    { "gguf/chat_template_hidden_instr.gguf", "template-branch" },
    { "gguf/tmpl_hidden_ws.gguf", "template-invisible" },
    { "gguf/block_count_huge.gguf", "block-count" },
    // clang-format on
};

static void test_hostile(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        char name[200];
        snprintf(name, sizeof name, "hostile/%s", hostile[i].file);
        const char *path = shared_path(name);
        if (!path)
            skip();
        assert_string_equal(ids_of(path, false), hostile[i].ids);
    }
}

/* ---- templates -------------------------------------------------------------------------- */

static void test_branches(void **state)
{
    (void)state;
    static const struct {
        const char *text, *condition; /* NULL: none */
    } cases[] = {
        { "{% if 'x' in messages[0]['content'] %}y{% endif %}", "'x' in messages[0]['content']" },
        { "{%- if message.content == \"sesame\" -%}y{%- endif -%}",
          "message.content == \"sesame\"" },
        { "{% if a and content.startswith('x') %}", "a and content.startswith('x')" },
        { "{% if a %}{% elif 'x' in m['content'] %}", "'x' in m['content']" },
        { "{{ 'y' if 'x' in message.content else '' }}", "'x' in message.content else ''" },
        { "{% set s = 'y' if 'x' in message['content'] %}", "'x' in message['content']" },
        { "{# 'x' #}{# %} #}{% if '%}' in message.content %}", "'%}' in message.content" },
        /* refusing is no branch, unless more hangs on it */
        { "{% if 'x' in content %}{{ raise_exception('no') }}{% endif %}", NULL },
        { "{% if 'x' in content %}{{ raise_exception('no') }}{% else %}y{% endif %}",
          "'x' in content" },
        { "{% if 'x' in content %}{{ raise_exception('no') if false }}y{% endif %}",
          "'x' in content" },
        { "{% if 'x' in content %}{{ raise_exception('no') }}{{ y }}{% endif %}",
          "'x' in content" },
        /* what templates do all the time */
        { "{% if message['role'] == 'user' %}{{ message['content'] }}{% endif %}", NULL },
        { "{% if message['role'] == 'user' and message['content'] %}y{% endif %}", NULL },
        { "{% if 'content' in message and message.role != 'tool' %}y{% endif %}", NULL },
        { "{% if message.content is string %}{{ 'x' + message.content }}{% endif %}", NULL },
        { "{% if message.content | default('none') %}y{% endif %}", NULL },
        { "{% if message.content_type == 'json' %}y{% endif %}", NULL },
        { "if 'x' in message.content", NULL },
        { "{# if 'x' in message.content #}", NULL },
        { "{% set content = m['content'] if 'content' in m else 'none' %}", NULL },
        /* cut anywhere, nothing is read behind the end */
        { "{% if 'x", NULL },
        { "{%", NULL },
        { "{{", NULL },
        { "{", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str text = fixture_copy(str_of(cases[i].text)), condition;
        bool found = template_branches(text, &condition);
        if (found != (cases[i].condition != NULL))
            fail_msg("case %zu: %s", i, cases[i].text);
        if (found && !str_is(condition, cases[i].condition))
            fail_msg("case %zu: condition is " STR_FMT, i, STR_ARG(condition));
        fixture_free(text);
    }
}

static void test_released_template(void **state)
{
    (void)state;
    const char *path = shared_path("real-data/gpt-oss/gpt-oss-20b/chat_template.jinja");
    if (!path)
        skip();
    struct str text = fixture_read(path), condition;
    uint32_t first;
    assert_false(template_branches(text, &condition));
    assert_int_equal(template_invisible(text, &first), 0);
    for (size_t n = 0; n < text.len; n += 97) { /* cut, it may mean anything, but is read safely */
        struct str part = fixture_copy((struct str){ text.at, n });
        template_branches(part, &condition);
        fixture_free(part);
    }
    fixture_free(text);
}

static void test_invisible(void **state)
{
    (void)state;
    uint32_t first;
    assert_int_equal(template_invisible(STR("a\tb\r\nc\xc3\xa9 \xe4\xb8\xad"), &first), 0);
    assert_int_equal(first, 0);
    assert_int_equal(template_invisible(STR("a\xe2\x80\xae x\xe2\x80\x8b"), &first), 2);
    assert_int_equal(first, 0x202e);
    assert_int_equal(template_invisible(STR("\xf3\xa0\x81\x81"), &first), 1);
    assert_int_equal(first, 0xe0041);
    assert_int_equal(template_invisible(STR("a\xff\x1b"), &first), 2);
    assert_int_equal(first, 0xfffd);
}

/* ---- values -----------------------------------------------------------------------------------
 */

/* One tensor of four numbers, `bad` of which are not finite. */
static void expect_bad(const char *dtype, const void *bytes, size_t n, uint64_t bad)
{
    struct err e = { 0 };
    struct model m;
    struct family_view none = { 0 };
    const struct execute_options run = { .jobs = 1 };
    uint64_t got = 99;
    assert_true(model_open(&m, little_safetensors("values.safetensors", dtype, "4", bytes, n), &e));
    assert_true(values_scan(&m, &none, &run, &got, &e));
    if (got != bad)
        fail_msg("%s: %llu, should be %llu", dtype, (unsigned long long)got,
                 (unsigned long long)bad);
    model_close(&m);
}

static void test_values(void **state)
{
    (void)state;
    const float f32[] = { __builtin_nanf(""), -__builtin_inff(), 3.4e38f, 1e-45f };
    const double f64[] = { __builtin_nan(""), __builtin_inf(), 1.7e308, 0 };
    const float c64[] = { 1, __builtin_inff(), __builtin_nanf(""), 2, 3, 4, 5, 6 };
    static const uint16_t f16[] = { 0x7c00, 0xfe00, 0x7bff, 0x0001 };
    static const uint16_t bf16[] = { 0x7f80, 0xffc0, 0x7f7f, 0x0001 };
    static const uint8_t e4m3[] = { 0x7f, 0xff, 0x7e, 0x00 }, e5m2[] = { 0x7c, 0xff, 0x7b, 0x80 };
    static const uint8_t e8m0[] = { 0xff, 0xfe, 0x00, 0x7f }, fnuz[] = { 0x80, 0x7f, 0xff, 0x00 };
    expect_bad("F32", f32, sizeof f32, 2);
    expect_bad("F64", f64, sizeof f64, 2);
    expect_bad("C64", c64, sizeof c64, 2);
    expect_bad("F16", f16, sizeof f16, 2);
    expect_bad("BF16", bf16, sizeof bf16, 2);
    expect_bad("F8_E4M3", e4m3, 4, 2);
    expect_bad("F8_E5M2", e5m2, 4, 2);
    expect_bad("F8_E8M0", e8m0, 4, 1);
    expect_bad("F8_E4M3FNUZ", fnuz, 4, 1);
    expect_bad("U8", e8m0, 4, 0);
    expect_bad("I16", f16, sizeof f16, 0);
}

/* ---- metadata
 * ------------------------------------------------------------------------------------ */

static const char *ids_of_header(const char *name, const char *header)
{
    uint8_t bytes[600] = { (uint8_t)strlen(header), (uint8_t)(strlen(header) >> 8) };
    memcpy(bytes + 8, header, strlen(header));
    return ids_of(little_file(name, bytes, 8 + strlen(header)), false);
}

static void test_markup_and_names(void **state)
{
    (void)state;
    assert_string_equal(ids_of_header("a.safetensors", "{\"__metadata__\":{\"x\":\"a </p> b\"}}"),
                        "markup");
    assert_string_equal(ids_of_header("b.safetensors", "{\"__metadata__\":{\"x\":\"1 < 2 > 0, "
                                                       "<|start|>, a<b\",\"format\":\"pt\"}}"),
                        "");
    assert_string_equal(
        ids_of_header("c.safetensors", "{\"__metadata__\":{\"weighmaster.file.0\":\"<p>\"}}"), "");
    assert_string_equal(
        ids_of_header("d.safetensors", "{\"__metadata__\":{\"tokenizer.x\":\"<think>\"}}"), "");
    assert_string_equal(
        ids_of_header("e.safetensors", "{\"__metadata__\":{\"tokenizer.x\":\"<ScRiPt>\"}}"),
        "markup");
    assert_string_equal(ids_of_header("f.safetensors", "{\"__metadata__\":{\"\\u202ex\":\"\"}}"),
                        "name");
    assert_string_equal(
        ids_of_header("g.safetensors",
                      "{\"a\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"),
        "name");
}

/* However often a rule fires, the list stays short. */
static void test_many(void **state)
{
    (void)state;
    char header[600] = "{\"__metadata__\":{";
    for (int i = 0; i < 40; i++)
        snprintf(header + strlen(header), sizeof header - strlen(header), "%s\"%d\":\"<p>\"",
                 i ? "," : "", i);
    strcat(header, "}}");
    uint8_t bytes[700] = { (uint8_t)strlen(header), (uint8_t)(strlen(header) >> 8) };
    memcpy(bytes + 8, header, strlen(header));
    struct err e = { 0 };
    struct model m;
    struct facts facts;
    struct findings f;
    const struct execute_options run = { .jobs = 1 };
    assert_true(model_open(&m, little_file("many.safetensors", bytes, 8 + strlen(header)), &e));
    assert_true(facts_open(&facts, &m, &e) && findings_open(&f, &facts, false, &run, &e));
    assert_int_equal(f.n, 17);
    assert_string_equal(f.all[15].text, "key '15' holds markup: <p>");
    assert_string_equal(f.all[16].text, "there are more of these than are listed");
    findings_close(&f);
    facts_close(&facts);
    model_close(&m);
}

static void test_rules_are_named(void **state)
{
    (void)state;
    for (const struct rule *r = finding_rules; r->id; r++) {
        assert_non_null(r->look);
        assert_true(strlen(r->looks_at) > 0);
        for (const struct rule *s = finding_rules; s < r; s++)
            assert_string_not_equal(r->id, s->id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_released_models_have_none),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_released_template),
        cmocka_unit_test(test_invisible),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_markup_and_names),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_rules_are_named),
    };
    return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
