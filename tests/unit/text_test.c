/* text_test.c - UTF-8, safe printing, globs, sizes, distance, hex and base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/json.h"
#include "formats/base/text.h"
#include "tests/support/comma_locale.h"
#include "tests/support/fixture.h"
#include "tests/support/shared.h"

#include <limits.h>
#include <locale.h>
#include <math.h>

/* ---- UTF-8 ------------------------------------------------------------------ */

/* Encodes as the definition says, to compare with. */
static struct str encoded(uint32_t code, char out[4])
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (n == 1)
        out[0] = (char)code;
    if (n == 2)
        out[0] = (char)(0xc0 | code >> 6);
    if (n == 3)
        out[0] = (char)(0xe0 | code >> 12);
    if (n == 4)
        out[0] = (char)(0xf0 | code >> 18);
    for (size_t i = 1; i < n; i++)
        out[i] = (char)(0x80 | (code >> 6 * (n - 1 - i) & 0x3f));
    return (struct str){ out, n };
}

static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110100; code++) {
        char bytes[4];
        struct str s = encoded(code, bytes);
        uint32_t got = 0;
        bool good = code < 0x110000 && (code < 0xd800 || code > 0xdfff);
        assert_int_equal(text_utf8(s, &got), good ? s.len : 0);
        assert_int_equal(text_is_utf8(s), good);
        assert_true(!good || got == code);
        assert_int_equal(text_utf8((struct str){ s.at, s.len - 1 }, &got), 0);
    }
}

static void not_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3(",
        "\xe0\x9f\xbf",
        "\xe2\x82(",
        "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98(",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80",
        "\xfe",
        "\xff",
        "ok \xe2(\xa1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct str exact = fixture_copy(str_of(bad[i]));
        assert_false(text_is_utf8(exact));
        fixture_free(exact);
    }
    assert_true(text_is_utf8(STR("")));
    assert_true(text_is_utf8((struct str){ "a\0b", 3 }));
}

/* ---- printing --------------------------------------------------------------- */

static void check_escape(struct str s, const char *want)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    struct str exact = fixture_copy(s);
    text_escape(&b, exact);
    assert_int_equal(b.len, strlen(want));
    assert_true(b.len == 0 || memcmp(b.at, want, b.len) == 0);
    assert_int_equal(text_unsafe(exact), !str_is(s, want));
    fixture_free(exact);
    buf_free(&b);
}

static void escapes(void **state)
{
    (void)state;
    check_escape(STR(""), "");
    check_escape(STR("blk.0.attn \xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80"),
                 "blk.0.attn \xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80");
    check_escape((struct str){ "a\0\n\t\x1b[31m\x7f", 10 }, "a\\x00\\x0a\\x09\\x1b[31m\\x7f");
    check_escape(STR("\xc2\x85\xe2\x80\xae"
                     "gpj"),
                 "\\u{0085}\\u{202e}gpj");
    check_escape(STR("\xf3\xa0\x81\x81."), "\\u{e0041}.");
    check_escape(STR("a\xff\xc3"), "a\\xff\\xc3");
    check_escape(STR("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

/* What must never reach a terminal, written apart from the table under test. */
static bool is_dangerous(uint32_t c)
{
    bool control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
    bool bidi = c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
                (c >= 0x2066 && c <= 0x2069);
    bool invisible = (c >= 0x200b && c <= 0x200d) || (c >= 0x2060 && c <= 0x2064) || c == 0xfeff ||
                     c == 0xad || c == 0x180e || c == 0x34f || (c >= 0xe0000 && c <= 0xe007f) ||
                     (c >= 0xfff9 && c <= 0xfffb);
    return control || bidi || invisible || c == 0x2028 || c == 0x2029;
}

/* The escaped text is UTF-8 without anything dangerous. */
static void check_safe(struct str s)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    text_escape(&b, s);
    uint32_t code;
    for (size_t i = 0, n; i < b.len; i += n) {
        n = text_utf8((struct str){ (const char *)b.at + i, b.len - i }, &code);
        assert_true(n && !is_dangerous(code));
    }
    assert_false(b.len && text_unsafe(buf_text(&b)));
    buf_free(&b);
}

static void dangerous_code_points(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char bytes[4];
        if (!is_dangerous(code))
            continue;
        struct str s = encoded(code, bytes);
        assert_true(text_unsafe(s));
        check_safe(s);
    }
}

static void naughty_strings(void **state)
{
    (void)state;
    const char *path = shared_path("hostile/blns/blns.json");
    if (!path)
        skip();
    struct str text = fixture_read(path);
    struct arena a = { 0 };
    struct err e = { 0 };
    struct json j;
    unsigned n = 0;
    json_open(&j, path, 0, text, &a, &e);
    for (json_array(&j); json_item(&j); n++)
        check_safe(json_string(&j));
    assert_true(json_end(&j));
    assert_true(n > 400);
    json_close(&j);
    arena_free(&a);
    fixture_free(text);
}

/* ---- globs ------------------------------------------------------------------ */

static void globs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        { "", "", true },
        { "", "a", false },
        { "a", "", false },
        { "abc", "abc", true },
        { "abc", "abd", false },
        { "ab", "abc", false },
        { "*", "", true },
        { "*", "abc", true },
        { "a*c", "abbc", true },
        { "a*c", "abcb", false },
        { "*.mlp.*", "model.layers.0.mlp.experts", true },
        { "*a*b*", "xxbxxa", false },
        { "*ab", "aab", true },
        { "**a**", "a", true },
        { "?", "", false },
        { "?b?", "abc", true },
        { "layer.[0-9]", "layer.7", true },
        { "layer.[0-9]", "layer.x", false },
        { "[!0-9]", "x", true },
        { "[!0-9]", "5", false },
        { "[!0-9]", "!", true },
        { "[abc]*", "cat", true },
        { "[]x]", "]", true },
        { "[]x]", "x", true },
        { "[a-]", "-", true },
        { "[a", "[a", true },
        { "[", "a", false },
        { "*[0-9]z", "a1b2z", true },
        { "a[", "a", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (text_glob(str_of(rows[i].pattern), str_of(rows[i].text)) != rows[i].match)
            fail_msg("glob '%s' on '%s'", rows[i].pattern, rows[i].text);
}

/* Recursive matching would try 10^30 ways here. */
static void glob_is_not_exponential(void **state)
{
    (void)state;
    char text[4000], pattern[81];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof pattern - 1; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[sizeof pattern - 1] = 'b';
    struct str p = { pattern, sizeof pattern };
    assert_false(text_glob(p, (struct str){ text, sizeof text }));
}

/* ---- numbers ---------------------------------------------------------------- */

static void sizes(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0 B" },
        { 999, "999 B" },
        { 1000, "1.00 kB" },
        { 1234, "1.23 kB" },
        { 1235, "1.24 kB" },
        { 9994, "9.99 kB" },
        { 9995, "10.0 kB" },
        { 99949, "99.9 kB" },
        { 99950, "100 kB" },
        { 999499, "999 kB" },
        { 999500, "1.00 MB" },
        { 13761300984, "13.8 GB" },
        { 65248815744, "65.2 GB" },
        { 999999999999, "1.00 TB" },
        { 123456789012345, "123 TB" },
        { 1234567890123456, "1235 TB" },
        { UINT64_MAX, "18446744 TB" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[16];
        assert_string_equal(text_bytes(out, rows[i].bytes), rows[i].text);
    }
}

static void counts(void **state)
{
    (void)state;
    char out[32];
    assert_string_equal(text_count(out, 0), "0");
    assert_string_equal(text_count(out, 999), "999");
    assert_string_equal(text_count(out, 1000), "1,000");
    assert_string_equal(text_count(out, 13761300984), "13,761,300,984");
    assert_string_equal(text_count(out, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void check_numbers(void)
{
    char out[16];
    assert_string_equal(text_number(out, 0), "0");
    assert_string_equal(text_number(out, 0.01257764), "0.0125776");
    assert_string_equal(text_number(out, 100), "100");
    assert_string_equal(text_number(out, 1.5e-300), "1.5e-300");
    assert_string_equal(text_number(out, -1.2345678e-300), "-1.23457e-300");
    assert_string_equal(text_number(out, (double)INFINITY), "inf");
}

static void numbers(void **state)
{
    (void)state;
    check_numbers();
    if (!comma_locale())
        skip();
    check_numbers();
    setlocale(LC_ALL, "C");
}

/* ---- distance --------------------------------------------------------------- */

static void distances(void **state)
{
    (void)state;
    char most[65];
    memset(most, 'x', sizeof most);
    assert_int_equal(text_distance(STR(""), STR("")), 0);
    assert_int_equal(text_distance(STR("abc"), STR("")), 3);
    assert_int_equal(text_distance(STR(""), STR("abc")), 3);
    assert_int_equal(text_distance(STR("--jobs"), STR("--jbos")), 1);
    assert_int_equal(text_distance(STR("kitten"), STR("sitting")), 3);
    assert_int_equal(text_distance(STR("ca"), STR("abc")), 3);
    assert_int_equal(text_distance((struct str){ most, 64 }, STR("")), 64);
    assert_int_equal(text_distance((struct str){ most, 65 }, STR("")), UINT_MAX);
}

/* ---- hex and base64 --------------------------------------------------------- */

static void hex(void **state)
{
    (void)state;
    char out[9];
    uint8_t bytes[4] = { 0x00, 0x7f, 0xab, 0xff }, back[4] = { 0 };
    text_hex(out, bytes, sizeof bytes);
    assert_string_equal(out, "007fabff");
    assert_true(text_unhex(back, sizeof back, STR("007fABff")));
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_false(text_unhex(back, 4, STR("007fabf")));
    assert_false(text_unhex(back, 4, STR("007fabff0")));
    assert_false(text_unhex(back, 4, STR("007fabfg")));
    assert_false(text_unhex(back, 1, (struct str){ "\0\0", 2 }));
}

/* RFC 4648, section 10. */
static const char *const base64[][2] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
    { "\xff\xef\xbe", "/+++" },
};

static void base64_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof base64 / sizeof *base64; i++) {
        struct err e = { 0 };
        struct buf coded = buf_make(&e), plain = buf_make(&e);
        struct str p = fixture_copy(str_of(base64[i][0]));
        text_base64(&coded, (struct span){ (const uint8_t *)p.at, p.len });
        assert_true(str_is(buf_text(&coded), base64[i][1]));
        assert_true(text_unbase64(&plain, str_of(base64[i][1])));
        assert_true(str_eq(buf_text(&plain), p));
        fixture_free(p);
        buf_free(&coded);
        buf_free(&plain);
    }
}

static void base64_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",    "Zg",   "Zg=",  "Zh==", "Zm9=",     "====",     "Z===",
        "Zg=a", "Z g=", "Zg\n", "Zm-_", "Zg==Zg==", "Zm9vZm9*", "=g==",
    };
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    buf_puts(&b, "kept");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(text_unbase64(&b, str_of(bad[i])));
        assert_true(str_is(buf_text(&b), "kept"));
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(not_utf8),
        cmocka_unit_test(escapes),
        cmocka_unit_test(dangerous_code_points),
        cmocka_unit_test(naughty_strings),
        cmocka_unit_test(globs),
        cmocka_unit_test(glob_is_not_exponential),
        cmocka_unit_test(sizes),
        cmocka_unit_test(counts),
        cmocka_unit_test(numbers),
        cmocka_unit_test(distances),
        cmocka_unit_test(hex),
        cmocka_unit_test(base64_both_ways),
        cmocka_unit_test(base64_strict),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
