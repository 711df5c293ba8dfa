/* splitter_test.c - pieces by any pattern, of any bytes, and patterns that must be refused. */
#include "formats/base/buf.h"
#include "formats/base/fault.h"
#include "formats/splitter.h"
#include "formats/vocab.h"
#include "tests/support/fixture.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The pieces with '|' between them. */
static void pieces(const char *regex, struct str text, const char *want)
{
    struct err e = { 0 };
    struct splitter s;
    struct splitting run;
    struct buf got = buf_make(&e);
    struct str piece, copy = fixture_copy(text);
    if (!splitter_open(&s, "p", regex ? str_of(regex) : (struct str){ NULL, 0 }, &e) ||
        !splitting_open(&run, &s, &e))
        fail_msg("%s: %s", regex, e.msg);
    splitting_start(&run, copy, 0);
    while (splitting_next(&run, &piece)) {
        buf_puts(&got, got.len ? "|" : "");
        buf_str(&got, piece);
    }
    if (e.code != ERR_NONE || !str_is(buf_text(&got), want))
        fail_msg("%s: '" STR_FMT "', wanted '%s' %s", regex, STR_ARG(buf_text(&got)), want, e.msg);
    buf_free(&got);
    splitting_close(&run);
    splitter_close(&s);
    fixture_free(copy);
}

static void test_pieces(void **state)
{
    (void)state;
    pieces("a+", STR(""), "");
    pieces("a+", STR("aab"), "aa|b");
    pieces("a+", STR("bbaacc"), "bb|aa|cc");
    pieces("a", STR("aa"), "a|a");
    pieces("a*", STR("abca"), "a|b|c|a"); /* an empty match cuts too */
    pieces("", STR("a\xc3\xa9z"), "a|\xc3\xa9|z");
    pieces("(?=b)", STR("abab"), "a|ba|b");
    pieces("(?<=b)", STR("abab"), "ab|ab");
    pieces("x", STR("abc"), "abc");
    pieces(NULL, STR("a b"), "a b");
    pieces("^a|b$", STR("a\na\nb\nbb"), "a|\n|a|\n|b|\nb|b"); /* at each line's ends */
    pieces("^", STR("a\rb"), "a\rb");                         /* only LF ends a line */
    pieces(".", STR("a\nb"), "a|\n|b");
    pieces("(a)(b)(c)|d", STR("abcd"), "abc|d");
    pieces("(*NO_JIT)a+", STR("baab"), "b|aa|b");
}

static void test_no_utf8(void **state)
{
    (void)state;
    pieces("\\w+",
           STR("a\xff\xfe"
               "b"),
           "a|\xff\xfe|b");
    pieces("\\w+", STR("\xff"), "\xff");
    pieces("\\w+", STR("\xc3"), "\xc3");
    pieces("\\w+", STR("a\xe2\x82"), "a|\xe2\x82");
    pieces("\\w+",
           STR("\xed\xa0\x80"
               "a"),
           "\xed\xa0\x80|a");
    pieces("\\s+(?!\\S)|\\s+|a", STR("  \xff  a"), "  |\xff| | |a"); /* as before the end */
    pieces("(?<!b)a",
           STR("b\xff"
               "a"),
           "b|\xff|a");
    pieces("12345678|.",
           STR("\xc3\xa9"
               "1234567\xff"
               "12345678"),
           "\xc3\xa9|1|2|3|4|5|6|7|\xff|12345678");
    pieces(NULL, STR("a\xff z"), "a|\xff| z");
}

/* ---- white space ------------------------------------------------------------------------ */

static size_t put_utf8(char *p, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (n == 1)
        *p = (char)c;
    for (size_t i = n; n > 1 && i-- > 0; c >>= 6)
        p[i] = (char)(i ? 0x80 | (c & 0x3f) : (0xf00u >> n & 0xff) | c);
    return n;
}

/* Unicode's White_Space, which has been the same since 2013. */
static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static void test_spaces(void **state)
{
    (void)state;
    static const struct {
        const char *regex;
        bool space; /* what it matches */
    } rows[] = {
        { "\\s", true },     { "\\S", false },    { "[\\s]", true },
        { "[^\\s]", false }, { "[\\S]", false },  { "[^\\S]", true },
        { "[]\\s]", true },  { "[^]\\S]", true }, { "[[:^alpha:]]{9}|\\s", true },
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct err e = { 0 };
        struct splitter s;
        struct splitting run;
        struct str piece;
        assert_true(splitter_open(&s, "p", str_of(rows[r].regex), &e));
        assert_true(splitting_open(&run, &s, &e));
        for (uint32_t c = 0; c <= 0x10ffff; c++) {
            char text[8];
            if ((c >= 0xd800 && c <= 0xdfff) || c == ']')
                continue;
            size_t n = put_utf8(text, c);
            put_utf8(text + n, c); /* twice: cut apart where it matches, else together */
            splitting_start(&run, (struct str){ text, 2 * n }, 0);
            assert_true(splitting_next(&run, &piece));
            bool matched = piece.len == n;
            if (matched != (is_space(c) == rows[r].space))
                fail_msg("%s: U+%04X", rows[r].regex, c);
        }
        splitting_close(&run);
        splitter_close(&s);
    }
}

/* Where \s is not white space. */
static void test_translation(void **state)
{
    (void)state;
    pieces("\\Q\\s\\E+", STR("a\\sss b"), "a|\\sss| b");
    pieces("\\Q[\\E\\s", STR("a[ b"), "a|[ |b");
    pieces("\\\\s", STR("a\\s b"), "a|\\s| b");
    pieces("[\\]\\s]+", STR("a] ]b"), "a|] ]|b");
    pieces("[[:digit:]\\s]+", STR("a1 2b"), "a|1 2|b");
    pieces("[[:x]\\s", STR("a: b"), "a|: |b");
    pieces("\\[\\s", STR("a[ b"), "a|[ |b");
    pieces("a\\Q", STR("ba"), "b|a");
}

/* ---- refusals and limits ------------------------------------------------------------------ */

static void test_refused(void **state)
{
    (void)state;
    static const char *const regexes[] = {
        "(", "[", "\\", "a\\C", "(?<=a+)b", "\\p{Nobody}", "((a{1000}){1000}){1000}", "[\\s-\\d"
    };
    for (size_t i = 0; i < sizeof regexes / sizeof *regexes; i++) {
        struct err e = { 0 };
        struct splitter s;
        assert_false(splitter_open(&s, "file:0x12", str_of(regexes[i]), &e));
        assert_int_equal(e.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(e.msg, "file:0x12: the split pattern cannot be used: "));
        splitter_close(&s);
    }
    struct err e = { 0 };
    struct splitter s;
    static char big[(64 << 10) + 1];
    memset(big, 'a', sizeof big);
    assert_false(splitter_open(&s, "f", (struct str){ big, sizeof big }, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
}

static void test_too_many_steps(void **state)
{
    (void)state;
    static const char *const regexes[] = { "x|(a+)+b", "(*NO_JIT)x|(a+)+b" };
    for (size_t i = 0; i < 2; i++) {
        struct err e = { 0 };
        struct splitter s;
        struct splitting run;
        struct str piece,
            text = STR("xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac");
        assert_true(splitter_open(&s, "f", str_of(regexes[i]), &e));
        assert_true(splitting_open(&run, &s, &e));
        splitting_start(&run, text, 0x100);
        assert_true(splitting_next(&run, &piece));
        assert_false(splitting_next(&run, &piece));
        assert_int_equal(e.code, ERR_UNSUPPORTED);
        assert_non_null(strstr(e.msg, "at byte 0x101 of the text"));
        splitting_close(&run);
        splitter_close(&s);
    }
}

/* Machine code runs out of its stack; then the interpreter takes over. */
static void test_deep(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct err e = { 0 };
    struct splitter s;
    struct splitting run;
    struct str piece;
    char *text = mem_resize(NULL, N, &e);
    memset(text, 'a', N);
    assert_true(splitter_open(&s, "f", STR("(?:(a)|b)*"), &e));
    assert_true(splitting_open(&run, &s, &e));
    splitting_start(&run, (struct str){ text, N }, 0);
    assert_true(splitting_next(&run, &piece));
    assert_int_equal(piece.len, N);
    splitting_close(&run);
    splitter_close(&s);
    mem_free(text);
}

/* Pieces are never empty, follow each other and are the text. */
static void test_together(void **state)
{
    (void)state;
    static const char *const regexes[] = { "a*",   "\\s+(?!\\S)|\\s+|\\p{L}+", "", "\\b", "a\\Kb",
                                           "(?=a)" };
    static const char letters[] = "ab \n'\xc3\xa9\xff\xe2\x82\xac";
    uint64_t r = 7;
    for (size_t i = 0; i < sizeof regexes / sizeof *regexes + 3; i++) {
        const char *regex = i < 3 ? vocab_splits[i].regex : regexes[i - 3];
        struct err e = { 0 };
        struct splitter s;
        struct splitting run;
        assert_true(splitter_open(&s, "p", str_of(regex), &e));
        assert_true(splitting_open(&run, &s, &e));
        for (int round = 0; round < 2000; round++) {
            char text[64];
            for (size_t k = 0; k < sizeof text; k++) {
                r = r * 6364136223846793005u + 1442695040888963407u;
                text[k] = letters[(r >> 33) % (sizeof letters - 1)];
            }
            struct str piece, all = { text, r >> 40 & 63 };
            size_t at = 0;
            splitting_start(&run, all, 0);
            while (splitting_next(&run, &piece)) {
                assert_ptr_equal(piece.at, text + at);
                assert_in_range(piece.len, 1, all.len - at);
                at += piece.len;
            }
            assert_int_equal(e.code, ERR_NONE);
            assert_int_equal(at, all.len);
        }
        splitting_close(&run);
        splitter_close(&s);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct err e = { 0 };
        struct splitter s;
        struct splitting run = { 0 };
        struct str piece;
        fault_on(FAULT_MEMORY, n);
        bool ok =
            splitter_open(&s, "p", STR("(*NO_JIT)(?:(a)|b)*"), &e) && splitting_open(&run, &s, &e);
        if (ok) {
            static char text[4000];
            memset(text, 'a', sizeof text);
            splitting_start(&run, (struct str){ text, sizeof text }, 0);
            ok = splitting_next(&run, &piece);
        }
        bool struck = fault_struck();
        fault_on(FAULT_MEMORY, 0);
        splitting_close(&run);
        splitter_close(&s);
        assert_int_equal(ok, !struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        if (!struck)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),        cmocka_unit_test(test_no_utf8),
        cmocka_unit_test(test_spaces),        cmocka_unit_test(test_translation),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_too_many_steps),
        cmocka_unit_test(test_deep),          cmocka_unit_test(test_together),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("splitter", tests, NULL, NULL);
}
