/* json_tree_test.c - cJSON trees behind the strict reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/fault.h"
#include "formats/base/json.h"
#include "tests/support/comma_locale.h"

#include <cjson/cJSON.h>
#include <locale.h>

#define CONFIG                                                                                     \
    "{\"n\": 36, \"N\": 37, \"eps\": 1e-05, \"rope\": {\"type\": \"yarn\", \"deep\": {\"x\": 2}}," \
    "\"big\": 9007199254740992, \"most\": 9007199254740991, \"half\": 0.5, \"less\": -1,"          \
    "\"huge\": 1e999, \"list\": [1]}"

static cJSON *config(void)
{
    struct err e = { 0 };
    cJSON *tree = json_tree("t", STR(CONFIG), &e);
    assert_non_null(tree);
    return tree;
}

static void finding(void **state)
{
    (void)state;
    cJSON *tree = config();
    struct str s = { 0 };
    uint64_t v = 5;
    assert_true(json_get_str(tree, "rope.type", &s) && str_is(s, "yarn"));
    assert_true(json_get_u64(tree, "rope.deep.x", &v) && v == 2);
    assert_true(json_get_u64(tree, "n", &v) && v == 36);
    assert_true(json_get_u64(tree, "N", &v) && v == 37);
    assert_null(json_at(tree, "Rope.type"));
    assert_null(json_at(tree, "rope."));
    assert_null(json_at(tree, "rope.type.x"));
    assert_null(json_at(tree, "list.0"));
    assert_null(json_at(tree, ""));
    assert_null(json_at(NULL, "n"));
    assert_false(json_get_str(tree, "n", &s));
    assert_false(json_get_str(tree, "none", &s));
    cJSON_Delete(tree);
}

static void numbers(void **state)
{
    (void)state;
    static const char *const not_whole[] = { "big", "half", "less", "huge", "rope", "none" };
    cJSON *tree = config();
    uint64_t v = 5;
    double d = 5;
    for (size_t i = 0; i < sizeof not_whole / sizeof *not_whole; i++)
        assert_false(json_get_u64(tree, not_whole[i], &v));
    assert_false(json_get_double(tree, "huge", &d));
    assert_int_equal(v, 5);
    assert_true(d == 5);
    assert_true(json_get_u64(tree, "most", &v) && v == 9007199254740991);
    assert_true(json_get_double(tree, "eps", &d) && d == 1e-5);
    assert_true(json_get_double(tree, "less", &d) && d == -1);
    cJSON_Delete(tree);
}

static void numbers_with_decimal_comma(void **state)
{
    if (!comma_locale())
        skip();
    numbers(state);
    setlocale(LC_ALL, "C");
}

/* What cJSON alone takes. */
static void strictness(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"a\":1,\"a\":2}", "{\"a\\u0000b\":1}", "[1] x", "\xef\xbb\xbf{}", "[01]", "[\"\t\"]", "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = { 0 };
        assert_null(json_tree("t", str_of(bad[i]), &e));
        assert_int_equal(e.code, ERR_INPUT);
    }
    struct err e = { 0 };
    assert_null(json_tree("t", (struct str){ "[]", JSON_TREE_MAX + 1 }, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
}

/* Some versions of cJSON read numbers of at most 63 bytes: refused then, never cut. */
static void long_numbers(void **state)
{
    (void)state;
    struct err e = { 0 };
    cJSON *tree =
        json_tree("t",
                  STR("{\"x\": 0.5000000000000000000000000000000000000000000000000000000000"
                      "000000000000e1}"),
                  &e);
    double v = 5;
    assert_int_equal(e.code, tree ? ERR_NONE : ERR_UNSUPPORTED);
    assert_true(!tree || (json_get_double(tree, "x", &v) && v == 5));
    cJSON_Delete(tree);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct err e = { 0 };
        fault_on(FAULT_MEMORY, n);
        cJSON *tree = json_tree("t", STR(CONFIG), &e);
        bool struck = fault_struck();
        assert_int_equal(tree == NULL, struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        cJSON_Delete(tree);
        if (!struck) {
            assert_true(n > 10);
            break;
        }
    }
    fault_on(FAULT_NONE, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finding),
        cmocka_unit_test(numbers),
        cmocka_unit_test(numbers_with_decimal_comma),
        cmocka_unit_test(strictness),
        cmocka_unit_test(long_numbers),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests_name("json_tree", tests, NULL, NULL);
}
