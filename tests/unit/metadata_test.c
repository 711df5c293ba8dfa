/* metadata_test.c - typed key/values: every type, every width, every way to be wrong. */
#include "formats/base/fault.h"
#include "formats/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A table with one value of this type; bytes are borrowed. */
static struct metadata one(struct meta *slot, enum meta_type type, const void *bytes, size_t n)
{
    *slot = (struct meta){ STR("k"), type, META_U8, 1, { bytes, n } };
    return (struct metadata){ slot, 1, 1 };
}

static void test_types(void **state)
{
    (void)state;
    assert_string_equal(meta_type_name(META_U8), "u8");
    assert_string_equal(meta_type_name(META_STRING), "string");
    assert_string_equal(meta_type_name(META_F64), "f64");
    assert_string_equal(meta_type_name((enum meta_type)99), "unknown");
    static const uint32_t bytes[META_TYPE_COUNT] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    for (unsigned t = 0; t < META_TYPE_COUNT; t++)
        assert_int_equal(meta_type_bytes((enum meta_type)t), bytes[t]);
    assert_int_equal(meta_type_bytes((enum meta_type)99), 0);
}

static void test_integers(void **state)
{
    (void)state;
    static const uint8_t low[8] = { 1, 2, 3, 4, 5, 6, 7, 0x7f };
    static const uint8_t high[8] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    // clang-format off
    static const struct {
        enum meta_type type;
        const uint8_t *bytes;
        bool natural;
        uint64_t u;
    } rows[] = { /* what is negative reads as -2 */
        { META_U8,  low, true, 0x01 },               { META_U8,  high, true, 0xfe },
        { META_I8,  low, true, 0x01 },               { META_I8,  high, false, 0 },
        { META_U16, low, true, 0x0201 },             { META_U16, high, true, 0xfffe },
        { META_I16, low, true, 0x0201 },             { META_I16, high, false, 0 },
        { META_U32, low, true, 0x04030201 },         { META_U32, high, true, 0xfffffffe },
        { META_I32, low, true, 0x04030201 },         { META_I32, high, false, 0 },
        { META_U64, low, true, 0x7f07060504030201 }, { META_U64, high, true, 0xfffffffffffffffe },
        { META_I64, low, true, 0x7f07060504030201 }, { META_I64, high, false, 0 },
    };
    // clang-format on
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct meta slot;
        struct metadata m = one(&slot, rows[i].type, rows[i].bytes, meta_type_bytes(rows[i].type));
        uint64_t u = 0;
        double d = 0;
        bool b;
        struct str s;
        assert_int_equal(meta_get_u64(&m, "k", &u), rows[i].natural);
        assert_true(u == rows[i].u);
        assert_true(meta_get_double(&m, "k", &d));
        assert_true(d == (rows[i].natural ? (double)rows[i].u : -2));
        assert_false(meta_get_bool(&m, "k", &b) || meta_get_str(&m, "k", &s));
    }
}

static void test_wrong_width(void **state)
{
    (void)state;
    struct meta slot;
    uint64_t u;
    struct metadata m = one(&slot, META_U32, "\1\2\3\4\5", 5);
    assert_false(meta_get_u64(&m, "k", &u));
    m = one(&slot, META_U32, "\1\2\3", 3);
    assert_false(meta_get_u64(&m, "k", &u));
    assert_false(meta_get_u64(&m, "absent", &u));
}

static void test_added(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct arena a = { 0 };
    struct metadata m = { 0 };
    char key[8] = "u32"; /* the key is copied */
    assert_true(meta_add_u32(&m, key, 0xfffffffe, &a, &e));
    memset(key, 'x', sizeof key);
    assert_true(meta_add_u16(&m, "u16", 0xabcd, &a, &e));
    assert_true(meta_add_i32(&m, "i32", -5, &a, &e));
    assert_true(meta_add_f32(&m, "f32", 1e-5F, &a, &e));
    assert_true(meta_add_bool(&m, "bool", true, &a, &e));
    assert_true(meta_add_str(&m, "str", STR("gpt\0oss"), &a, &e));
    assert_true(meta_add_str(&m, "empty", (struct str){ NULL, 0 }, &a, &e));

    uint64_t u;
    double d;
    bool b;
    struct str s;
    assert_int_equal(m.n, 7);
    assert_true(meta_get_u64(&m, "u32", &u) && u == 0xfffffffe);
    assert_true(meta_get_u64(&m, "u16", &u) && u == 0xabcd);
    assert_false(meta_get_u64(&m, "i32", &u));
    assert_true(meta_get_double(&m, "i32", &d) && d == -5);
    assert_true(meta_get_double(&m, "f32", &d) && d == (double)1e-5F);
    assert_false(meta_get_u64(&m, "f32", &u));
    assert_true(meta_get_bool(&m, "bool", &b) && b);
    assert_false(meta_get_u64(&m, "bool", &u) || meta_get_double(&m, "bool", &d));
    assert_true(meta_get_str(&m, "str", &s) && str_eq(s, STR("gpt\0oss")));
    assert_true(meta_get_str(&m, "empty", &s) && s.len == 0);
    assert_true(meta_str(&m.all[5], &s) && str_eq(s, STR("gpt\0oss")));
    assert_false(meta_str(&m.all[0], &s));
    assert_int_equal(m.all[5].bytes.len, 8 + 7);
    assert_memory_equal(m.all[5].bytes.at, "\7\0\0\0\0\0\0\0gpt\0oss", 15);
    assert_memory_equal(m.all[2].bytes.at, "\373\377\377\377", 4);
    arena_free(&a);
}

static void test_many(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct arena a = { 0 };
    struct metadata m = { 0 };
    for (uint32_t i = 0; i < 1000; i++) {
        char key[4] = { (char)('a' + i % 26), (char)('a' + i / 26 % 26), (char)('a' + i / 676), 0 };
        assert_true(meta_add_u32(&m, key, i, &a, &e));
    }
    uint64_t u;
    assert_true(meta_get_u64(&m, "aaa", &u) && u == 0);
    assert_true(meta_get_u64(&m, "lmb", &u) && u == 999);
    arena_free(&a);
}

static void test_string_array(void **state)
{
    (void)state;
    static const char two[] = "\2\0\0\0\0\0\0\0ab\0\0\0\0\0\0\0\0";
    struct meta v = { STR("k"), META_ARRAY, META_STRING, 2, { (const uint8_t *)two, 18 } };
    struct str s;
    size_t at = 0;
    assert_true(meta_next_str(&v, &at, &s) && str_is(s, "ab"));
    assert_true(meta_next_str(&v, &at, &s) && str_is(s, ""));
    assert_false(meta_next_str(&v, &at, &s));
    v.item = META_U8;
    at = 0;
    assert_false(meta_next_str(&v, &at, &s));
    v.item = META_STRING;
    v.bytes.len = 9; /* cut inside the text: nothing is read behind the end */
    assert_false(meta_next_str(&v, &at, &s));
    v.bytes = (struct span){ (const uint8_t *)"\377\377\377\377\377\377\377\377x", 9 };
    assert_false(meta_next_str(&v, &at, &s));
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct err e = { 0 };
        struct arena a = { 0 };
        struct metadata m = { 0 };
        fault_on(FAULT_MEMORY, n);
        bool ok = true;
        for (uint32_t i = 0; i < 5000 && ok; i++)
            ok = meta_add_u32(&m, "some.key", i, &a, &e);
        bool struck = fault_struck();
        fault_on(FAULT_MEMORY, 0);
        arena_free(&a);
        assert_int_equal(ok, !struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        if (!struck)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),         cmocka_unit_test(test_integers),
        cmocka_unit_test(test_wrong_width),   cmocka_unit_test(test_added),
        cmocka_unit_test(test_many),          cmocka_unit_test(test_string_array),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
