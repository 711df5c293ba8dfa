/* json_write_test.c - the writer: Python's spacing, escapes and digits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/fault.h"
#include "formats/base/json.h"
#include "tests/support/comma_locale.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Compares what was written and lets the reader check it. */
static void check_text(struct buf *b, const char *want)
{
    assert_true(buf_ok(b));
    buf_add(b, "", 1);
    assert_string_equal((const char *)b->at, want);
    b->len--;
    struct err e = { 0 };
    assert_true(json_check("t", buf_text(b), &e));
    buf_free(b);
}

static void put_document(struct json_out *o)
{
    json_put_open(o, '{');
    json_put_kstr(o, "s", STR("x"));
    json_put_key(o, STR("empty"));
    json_put_open(o, '{');
    json_put_close(o, '}');
    json_put_key(o, STR("list"));
    json_put_open(o, '[');
    json_put_u64(o, UINT64_MAX);
    json_put_double(o, 32);
    json_put_null(o);
    json_put_open(o, '[');
    json_put_close(o, ']');
    json_put_open(o, '{');
    json_put_ku64(o, "n", 1);
    json_put_kbool(o, "b", false);
    json_put_close(o, '}');
    json_put_raw(o, STR("[0]"));
    json_put_close(o, ']');
    json_put_kbool(o, "last", true);
    json_put_close(o, '}');
}

static void check_style(enum json_style style, const char *want)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    struct json_out o = json_out(&b, style);
    put_document(&o);
    check_text(&b, want);
}

/* Expected texts are what json.dumps of CPython 3 writes. */
static void styles(void **state)
{
    (void)state;
    check_style(JSON_COMPACT,
                "{\"s\":\"x\",\"empty\":{},\"list\":[18446744073709551615,32.0,null,[],"
                "{\"n\":1,\"b\":false},[0]],\"last\":true}");
    check_style(JSON_SPACED,
                "{\"s\": \"x\", \"empty\": {}, \"list\": [18446744073709551615, 32.0, null, [], "
                "{\"n\": 1, \"b\": false}, [0]], \"last\": true}");
    check_style(JSON_INDENT, "{\n"
                             "  \"s\": \"x\",\n"
                             "  \"empty\": {},\n"
                             "  \"list\": [\n"
                             "    18446744073709551615,\n"
                             "    32.0,\n"
                             "    null,\n"
                             "    [],\n"
                             "    {\n"
                             "      \"n\": 1,\n"
                             "      \"b\": false\n"
                             "    },\n"
                             "    [0]\n"
                             "  ],\n"
                             "  \"last\": true\n"
                             "}");
}

static void bare_values(void **state)
{
    (void)state;
    struct err e = { 0 };
    for (int style = JSON_COMPACT; style <= JSON_INDENT; style++) {
        struct buf b = buf_make(&e);
        struct json_out o = json_out(&b, (enum json_style)style);
        json_put_open(&o, '[');
        json_put_close(&o, ']');
        check_text(&b, "[]");
        b = buf_make(&e);
        o = json_out(&b, (enum json_style)style);
        json_put_bool(&o, true);
        check_text(&b, "true");
    }
}

static void check_string(struct str s, const char *want)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    struct json_out o = json_out(&b, JSON_SPACED);
    json_put_str(&o, s);
    check_text(&b, want);
}

static void strings(void **state)
{
    (void)state;
    check_string(STR(""), "\"\"");
    check_string((struct str){ NULL, 0 }, "\"\"");
    check_string(STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    check_string(STR("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    check_string(STR("\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80"),
                 "\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\"");
    check_string(STR("a\xff\xc3"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");

    struct err e = { 0 }; /* a NUL is written, though our reader would refuse it */
    struct buf b = buf_make(&e);
    struct json_out o = json_out(&b, JSON_SPACED);
    json_put_str(&o, (struct str){ "a\0b", 3 });
    assert_true(str_is(buf_text(&b), "\"a\\u0000b\""));
    buf_free(&b);
}

/* ---- numbers ---------------------------------------------------------------- */

/* repr() of CPython 3. */
static const struct {
    double value;
    const char *text;
} doubles[] = {
    { 0.0, "0.0" },
    { -0.0, "-0.0" },
    { 32.0, "32.0" },
    { -1.5, "-1.5" },
    { 0.9, "0.9" },
    { 0.1, "0.1" },
    { 150000.0, "150000.0" },
    { 1e-4, "0.0001" },
    { 1e-5, "1e-05" },
    { 1.25e-5, "1.25e-05" },
    { 0.00012345, "0.00012345" },
    { 1e15, "1000000000000000.0" },
    { 9999999999999998.0, "9999999999999998.0" },
    { 1e16, "1e+16" },
    { 1.7976931348623157e308, "1.7976931348623157e+308" },
    { 5e-324, "5e-324" },
    { 2.2250738585072014e-308, "2.2250738585072014e-308" },
    { 1.0 / 3, "0.3333333333333333" },
    { 0x1p-44, "5.684341886080802e-14" },
    { 0x1p-1022, "2.2250738585072014e-308" },
    { 9007199254740993.0, "9007199254740992.0" },
    { 123456789012345680.0, "1.2345678901234568e+17" },
    { 1e23, "1e+23" },
    { 1.3446, "1.3446" },
};

static void check_double(double v, const char *want)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    struct json_out o = json_out(&b, JSON_COMPACT);
    json_put_double(&o, v);
    check_text(&b, want);
}

static void numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        check_double(doubles[i].value, doubles[i].text);
    check_double(NAN, "null");
    check_double(-INFINITY, "null");
}

static void numbers_with_decimal_comma(void **state)
{
    (void)state;
    if (!comma_locale())
        skip();
    numbers(state);
    setlocale(LC_ALL, "C");
}

static double written_and_read(double v)
{
    struct err e = { 0 };
    struct arena a = { 0 };
    struct json j;
    struct buf b = buf_make(&e);
    struct json_out o = json_out(&b, JSON_COMPACT);
    json_put_double(&o, v);
    json_open(&j, "t", 0, buf_text(&b), &a, &e);
    double back = json_double(&j);
    assert_true(json_end(&j));
    json_close(&j);
    buf_free(&b);
    return back;
}

static void any_double_reads_back(void **state)
{
    (void)state;
    uint64_t x = 1;
    for (unsigned i = 0; i < 20000; i++) {
        double v, back;
        x = x * 6364136223846793005u + 1442695040888963407u;
        memcpy(&v, &x, sizeof v);
        if (!isfinite(v))
            continue;
        back = written_and_read(v);
        if (memcmp(&v, &back, sizeof v) != 0)
            fail_msg("case %u: %a came back as %a", i, v, back);
    }
}

static void every_allocation_fails(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct err e = { 0 };
        struct buf b = buf_make(&e);
        struct json_out o = json_out(&b, JSON_INDENT);
        fault_on(FAULT_MEMORY, n);
        put_document(&o);
        bool struck = fault_struck();
        assert_int_equal(buf_ok(&b), !struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        buf_free(&b);
        if (!struck)
            break;
    }
    fault_on(FAULT_NONE, 0);
}

/* What hides or steers is written in ASCII, and the text still says the same. */
static void safe_for_terminals(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    json_put_safe(
        &b,
        STR("{\n\"\xd0\xb0\xe2\x80\xae\x7f\xc2\x85\":\"\xf3\xa0\x81\x81 \xf0\x9f\x98\x80\"\n}"));
    static const char want[] =
        "{\n\"\xd0\xb0\\u202e\\u007f\\u0085\":\"\\udb40\\udc41 \xf0\x9f\x98\x80\"\n}";
    assert_int_equal(b.len, sizeof want - 1);
    assert_memory_equal(b.at, want, b.len);
    assert_true(json_check("safe", buf_text(&b), &e));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(styles),
        cmocka_unit_test(bare_values),
        cmocka_unit_test(strings),
        cmocka_unit_test(numbers),
        cmocka_unit_test(numbers_with_decimal_comma),
        cmocka_unit_test(any_double_reads_back),
        cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(safe_for_terminals),
    };
    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
