/* json_test.c - the strict reader: grammar, exactness, duplicates, damage, exhaustion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/fault.h"
#include "formats/base/json.h"
#include "formats/base/json_string.h"
#include "tests/support/comma_locale.h"
#include "tests/support/fixture.h"
#include "tests/support/shared.h"

#include <dirent.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

static bool accepts(const char *text)
{
    struct str exact = fixture_copy(str_of(text));
    struct err e = { 0 };
    bool ok = json_check("t", exact, &e);
    assert_int_equal(e.code, ok ? ERR_NONE : ERR_INPUT);
    fixture_free(exact);
    return ok;
}

static void check_message(const char *text, const char *want)
{
    struct err e = { 0 };
    assert_false(json_check("t", str_of(text), &e));
    assert_string_equal(e.msg, want);
}

/* A reader over one text, with all it needs. */
struct opened {
    struct json j;
    struct arena arena;
    struct err err;
};

static struct json *open_text(struct opened *o, struct str text)
{
    memset(o, 0, sizeof *o);
    json_open(&o->j, "t", 0, text, &o->arena, &o->err);
    return &o->j;
}

static enum err_code close_text(struct opened *o)
{
    json_close(&o->j);
    json_close(&o->j);
    arena_free(&o->arena);
    return o->err.code;
}

/* Reads every value in the way that fits it. */
static void read_value(struct json *j)
{
    struct str name;
    switch (json_peek(j)) {
    case JSON_OBJECT:
        json_object(j);
        while (json_key(j, &name))
            read_value(j);
        break;
    case JSON_ARRAY:
        json_array(j);
        while (json_item(j))
            read_value(j);
        break;
    case JSON_STRING: json_string(j); break;
    case JSON_NUMBER: json_double(j); break;
    case JSON_TRUE:
    case JSON_FALSE: json_bool(j); break;
    default: json_skip(j);
    }
}

static bool read_all(struct str text, bool rfc_only, struct err *e)
{
    struct opened o;
    struct json *j = open_text(&o, text);
    j->rfc_only = rfc_only;
    read_value(j);
    bool ok = json_end(j);
    *e = o.err;
    assert_int_equal(ok, close_text(&o) == ERR_NONE);
    return ok;
}

/* ---- JSONTestSuite ---------------------------------------------------------- */

/* Good JSON of the suite that we refuse on purpose. */
static const char *const too_lax[] = {
    "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json",
    "y_object_escaped_null_in_key.json",
    "y_string_null_escape.json",
};

static bool is_too_lax(const char *name)
{
    for (size_t i = 0; i < sizeof too_lax / sizeof *too_lax; i++)
        if (strcmp(name, too_lax[i]) == 0)
            return true;
    return false;
}

static void judge(const char *dir, const char *name, unsigned *n)
{
    char path[4096];
    struct err e = { 0 };
    snprintf(path, sizeof path, "%s/%s", dir, name);
    struct str text = fixture_read(path);
    bool ok = json_check(name, text, &e), rfc_ok = read_all(text, true, &(struct err){ 0 });
    fixture_free(text);
    bool want = name[0] == 'y' && !is_too_lax(name);
    if (name[0] != 'i' && (ok != want || rfc_ok != (name[0] == 'y')))
        fail_msg("%s: strict %d, rfc_only %d %s", name, ok, rfc_ok, e.msg);
    n[(uint8_t)name[0]]++;
}

static void suite(void **state)
{
    (void)state;
    const char *dir = shared_path("hostile/JSONTestSuite/test_parsing");
    DIR *d = dir ? opendir(dir) : NULL;
    if (!d)
        skip();
    unsigned n[256] = { 0 };
    for (struct dirent *f; (f = readdir(d));)
        if (f->d_name[0] != '.')
            judge(dir, f->d_name, n);
    closedir(d);
    assert_int_equal(n['n'], 188);
    assert_int_equal(n['y'], 95);
    assert_int_equal(n['i'], 35);
}

/* ---- strictness ------------------------------------------------------------- */

static void duplicates(void **state)
{
    (void)state;
    assert_false(accepts("{\"a\":1,\"a\":1}"));
    assert_false(accepts("{\"x\":[{\"y\":{\"a\":1,\"b\":2,\"a\":1}}]}"));
    assert_false(accepts("{\"a\":1,\"\\u0061\":1}"));
    assert_false(accepts("{\"\xc3\xa9\":1,\"\\u00e9\":1}"));
    assert_false(accepts("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}"));
    assert_false(accepts("{\"\":1,\"\":1}"));
    assert_true(accepts("{\"a\":1,\"A\":1}"));
    assert_true(accepts("{\"a\":1,\"\\\\u0061\":1,\"aa\":1,\"\":1}"));
    assert_true(accepts("[{\"a\":{\"a\":{\"a\":1}}},{\"a\":1}]"));
    check_message("{\"ab\":1,\"ab\":1}", "t:0x8: \"ab\" is twice in one object");
}

/* What decides when the hashes of two names agree, which is too rare to wait for. */
static void same_names(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        { "\"", "\"", true },
        { "abc\"", "abc\"", true },
        { "abc\"", "abd\"", false },
        { "abc\"", "ab\"", false },
        { "ab\"", "abc\"", false },
        { "a\\\"\"", "a\\u0022\"", true },
        { "\\\\\"", "\\u005c\"", true },
        { "\\\\\"", "\\/\"", false },
        { "\xc3\xa9\"", "\\u00e9\"", true },
        { "\xc3\xa9\"", "\\u00e8\"", false },
        { "\xf0\x9f\x98\x80x\"", "\\ud83d\\ude00x\"", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(json_string_same(rows[i].a, rows[i].b), rows[i].same);
}

/* An object of n names of which number `second`, if < n, is spelled as number `first`. */
static bool accepts_names(unsigned n, unsigned first, unsigned second)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    for (unsigned i = 0; i < n; i++)
        buf_printf(&b, "%s\"%u\":0", i ? "," : "[{", i == second ? first : i);
    buf_puts(&b, "}]");
    bool ok = json_check("t", buf_text(&b), &e);
    assert_true(ok || strstr(e.msg, " is twice in one object"));
    buf_free(&b);
    return ok;
}

static void duplicates_in_large_objects(void **state)
{
    (void)state;
    for (unsigned n = 2; n < 300; n += n < 100 ? 1 : 50) {
        assert_true(accepts_names(n, 0, n));
        for (unsigned second = 1; second < n; second += n < 40 ? 1 : n - 2) {
            assert_false(accepts_names(n, 0, second));
            assert_false(accepts_names(n, second - 1, second));
        }
    }
    assert_true(accepts_names(100000, 0, 100000));
    assert_false(accepts_names(100000, 12345, 99999));
}

static void strings(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800x\"",
        "\"\\udc00\\ud800\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u123g\"",
        "\"\n\"",
        "\"\x1f\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "\"abc",
        "\"abc\\",
        "\"abc\\\"",
        "\"\\u",
        "'a'",
        "\xef\xbb\xbf\"a\"",
        "\"a\" \"b\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(accepts(bad[i]));

    struct opened o;
    struct str plain = STR("\"no copy \x7f \xc3\xa9\"");
    assert_ptr_equal(json_string(open_text(&o, plain)).at, plain.at + 1);
    assert_int_equal(close_text(&o), ERR_NONE);
    struct str got = json_string(open_text(
        &o, STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t \\u0041\\u00e9\\u20ac\\ud83d\\ude00 \xc3\xa9\"")));
    assert_true(str_is(got, "\"\\/\b\f\n\r\t A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xa9"));
    assert_int_equal(close_text(&o), ERR_NONE);
}

/* Every special byte at every place of a string of every short length, against the plain rule. */
static void strings_by_eights(void **state)
{
    (void)state;
    for (size_t len = 1; len < 20; len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned c = 0; c < 256; c++) {
                char text[32] = "\"aaaaaaaaaaaaaaaaaaaaaaa";
                text[1 + at] = (char)c;
                text[1 + len] = '"';
                struct str exact = fixture_copy((struct str){ text, len + 2 });
                bool ok = json_check("t", exact, &(struct err){ 0 });
                fixture_free(exact);
                assert_int_equal(ok, c >= 0x20 && c < 0x80 && c != '"' && c != '\\');
            }
}

static bool accepts_nested(int depth)
{
    char text[4 * JSON_DEPTH];
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    text[2 * depth] = 0;
    return accepts(text);
}

static void depth_and_ends(void **state)
{
    (void)state;
    assert_true(accepts_nested(JSON_DEPTH));
    assert_false(accepts_nested(JSON_DEPTH + 1));
    assert_false(accepts("1 2"));
    assert_false(accepts("{} ,"));
    assert_false(accepts(""));
    assert_false(accepts("[1,]"));
    assert_false(accepts("{\"a\":1,}"));
    assert_false(accepts("[1}"));
    assert_true(accepts(" \t\r\n[ 1 , 2 ] \n"));
    struct opened o;
    struct json *j = open_text(&o, STR("[1"));
    json_array(j);
    assert_true(json_item(j));
    assert_int_equal(json_u64(j), 1);
    assert_false(json_end(j));
    assert_int_equal(close_text(&o), ERR_INPUT);
}

/* ---- numbers ---------------------------------------------------------------- */

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } rows[] = {
        { "0", true, 0 },
        { "9007199254740993", true, 9007199254740993 },
        { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 0 },
        { "99999999999999999999999", false, 0 },
        { "1.0", false, 0 },
        { "1e1", false, 0 },
        { "-1", false, 0 },
        { "-0", false, 0 },
        { "\"1\"", false, 0 },
        { "01", false, 0 },
        { "", false, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct opened o;
        struct json *j = open_text(&o, str_of(rows[i].text));
        uint64_t v = json_u64(j);
        if (json_end(j) != rows[i].ok || (rows[i].ok && v != rows[i].value))
            fail_msg("%s: %llu %s", rows[i].text, (unsigned long long)v, o.err.msg);
        close_text(&o);
    }
}

static double read_double(const char *text, bool *ok)
{
    struct opened o;
    double v = json_double(open_text(&o, str_of(text)));
    *ok = json_end(&o.j);
    close_text(&o);
    return v;
}

static void check_doubles(void)
{
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        { "0", 0 },
        { "-0.0", 0 },
        { "32.5", 32.5 },
        { "-1e-5", -1e-5 },
        { "1E+2", 100 },
        { "5e-324", 5e-324 },
        { "1e-999", 0 },
        { "0.1", 0.1 },
        { "0.1000000000000000055511151231257827021181583404541015625000000000000000000001", 0.1 },
    };
    bool ok;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double v = read_double(rows[i].text, &ok);
        if (!ok || v != rows[i].value)
            fail_msg("%s: %a", rows[i].text, v);
    }
    assert_true(signbit(read_double("-0.0", &ok)));
    read_double("1e999", &ok);
    assert_false(ok);
    read_double("1,5", &ok);
    assert_false(ok);
}

static void doubles(void **state)
{
    (void)state;
    check_doubles();
}

static void doubles_with_decimal_comma(void **state)
{
    (void)state;
    if (!comma_locale())
        skip();
    check_doubles();
    setlocale(LC_ALL, "C");
}

/* ---- the walk --------------------------------------------------------------- */

static void walk(void **state)
{
    (void)state;
    struct opened o;
    struct str key;
    struct json *j = open_text(
        &o,
        STR(" {\"n\": 7, \"skip\": {\"deep\": [1, {}]}, \"b\": [true, false], \"raw\": [ 1 ] }"));
    assert_int_equal(json_peek(j), JSON_OBJECT);
    json_object(j);
    assert_true(json_key(j, &key) && str_is(key, "n"));
    assert_int_equal(json_u64(j), 7);
    assert_true(json_key(j, &key) && str_is(key, "skip"));
    json_skip(j);
    assert_true(json_key(j, &key) && str_is(key, "b"));
    json_array(j);
    assert_true(json_item(j) && json_bool(j));
    assert_true(json_item(j) && !json_bool(j));
    assert_false(json_item(j));
    assert_true(json_key(j, &key) && str_is(key, "raw"));
    assert_true(str_is(json_raw(j), "[ 1 ]"));
    assert_false(json_key(j, &key));
    assert_true(json_end(j));
    assert_int_equal(close_text(&o), ERR_NONE);
}

static void failure_sticks_and_says_where(void **state)
{
    (void)state;
    struct opened o = { 0 };
    struct str key;
    json_open(&o.j, "f", 0x100, STR("{\"a\": \"x\"}"), &o.arena, &o.err);
    json_object(&o.j);
    assert_true(json_key(&o.j, &key));
    assert_int_equal(json_u64(&o.j), 0);
    assert_string_equal(o.err.msg, "f:0x106: a string instead of a number");
    assert_false(json_key(&o.j, &key));
    assert_int_equal(json_peek(&o.j), JSON_NONE);
    assert_int_equal(json_string(&o.j).len, 0);
    assert_false(json_end(&o.j));
    assert_string_equal(o.err.msg, "f:0x106: a string instead of a number");
    close_text(&o);

    json_object(open_text(&o, STR("{\"who\": 1}")));
    assert_true(json_key(&o.j, &key));
    json_fail(&o.j, "unknown member '" STR_FMT "'", STR_ARG(key));
    assert_string_equal(o.err.msg, "t:0x1: unknown member 'who'");
    close_text(&o);

    json_raw(open_text(&o, STR("  [1, [2]]")));
    json_fail(&o.j, "not this");
    assert_string_equal(o.err.msg, "t:0x2: not this");
    close_text(&o);
}

/* ---- damage and exhaustion -------------------------------------------------- */

#define DOCUMENT                                                                                \
    "{\"a\": [1, -2.5e-3, true, false, null, \"x\\u00e9\\ud83d\\ude00\\n\"], \"\xc3\xa9\": {}," \
    "\"\\u0062\": [[], {\"c\": \"d\"}]}"

static void truncations(void **state)
{
    (void)state;
    struct err e = { 0 };
    assert_true(read_all(STR(DOCUMENT), false, &e));
    for (size_t n = 0; n < sizeof DOCUMENT - 1; n++) {
        struct str cut = fixture_copy((struct str){ DOCUMENT, n });
        assert_false(read_all(cut, false, &e));
        assert_int_equal(e.code, ERR_INPUT);
        fixture_free(cut);
    }
}

/* Whatever the verdict is, reading and skipping agree on it but for huge numbers. */
static void single_byte_changes(void **state)
{
    (void)state;
    unsigned accepted = 0;
    for (size_t at = 0; at < sizeof DOCUMENT - 1; at++)
        for (unsigned change = 1; change < 256; change++) {
            char text[] = DOCUMENT;
            text[at] = (char)((unsigned char)text[at] ^ change);
            struct str exact = fixture_copy((struct str){ text, sizeof text - 1 });
            struct err e = { 0 };
            bool ok = json_check("t", exact, &(struct err){ 0 });
            assert_int_equal(read_all(exact, false, &e), ok);
            fixture_free(exact);
            accepted += ok;
        }
    assert_true(accepted > 1000); /* letters in strings, digits in numbers */
}

static bool exhaust(void)
{
    struct err e = { 0 };
    char text[512] = "{\"a\\n\": 0.1000000000000000055511151231257827021181583404541015625",
         *p = text;
    p += strlen(p);
    for (int i = 0; i < 20; i++)
        p += snprintf(p, 32, ", \"%d\": \"\\t\"", i);
    snprintf(p, 32, "}");
    bool ok = read_all(str_of(text), false, &e) && json_check("t", str_of(text), &e);
    assert_int_equal(e.code, ok ? ERR_NONE : ERR_MEMORY);
    return ok;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    unsigned n = 1;
    for (;; n++) {
        fault_on(FAULT_MEMORY, n);
        bool ok = exhaust();
        assert_int_equal(ok, !fault_struck());
        if (ok)
            break;
    }
    fault_on(FAULT_NONE, 0);
    assert_true(n > 6); /* set, table, arena, number; set, table, arena */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(same_names),
        cmocka_unit_test(duplicates_in_large_objects),
        cmocka_unit_test(strings),
        cmocka_unit_test(strings_by_eights),
        cmocka_unit_test(depth_and_ends),
        cmocka_unit_test(integers),
        cmocka_unit_test(doubles),
        cmocka_unit_test(doubles_with_decimal_comma),
        cmocka_unit_test(walk),
        cmocka_unit_test(failure_sticks_and_says_where),
        cmocka_unit_test(truncations),
        cmocka_unit_test(single_byte_changes),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
