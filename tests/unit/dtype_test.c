/* dtype_test.c - the storage types against the published block sizes. */
#include "quant/dtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

/* Copied by hand from the format descriptions, not from dtype.c. */
static const struct {
    const char *name;
    unsigned elems, bytes;
} published[] = {
    { "f64", 1, 8 },
    { "f32", 1, 4 },
    { "f16", 1, 2 },
    { "bf16", 1, 2 },
    { "c64", 1, 8 },
    { "i64", 1, 8 },
    { "i32", 1, 4 },
    { "i16", 1, 2 },
    { "i8", 1, 1 },
    { "u64", 1, 8 },
    { "u32", 1, 4 },
    { "u16", 1, 2 },
    { "u8", 1, 1 },
    { "bool", 1, 1 },
    { "f8_e4m3", 1, 1 },
    { "f8_e5m2", 1, 1 },
    { "f8_e8m0", 1, 1 },
    { "f8_e4m3fnuz", 1, 1 },
    { "f8_e5m2fnuz", 1, 1 },
    { "f6_e2m3", 4, 3 },
    { "f6_e3m2", 4, 3 },
    { "f4", 2, 1 },
    { "q4_0", 32, 18 },
    { "q4_1", 32, 20 },
    { "q5_0", 32, 22 },
    { "q5_1", 32, 24 },
    { "q8_0", 32, 34 },
    { "q8_1", 32, 36 },
    { "q2_k", 256, 84 },
    { "q3_k", 256, 110 },
    { "q4_k", 256, 144 },
    { "q5_k", 256, 176 },
    { "q6_k", 256, 210 },
    { "q8_k", 256, 292 },
    { "iq2_xxs", 256, 66 },
    { "iq2_xs", 256, 74 },
    { "iq3_xxs", 256, 98 },
    { "iq1_s", 256, 50 },
    { "iq4_nl", 32, 18 },
    { "iq3_s", 256, 110 },
    { "iq2_s", 256, 82 },
    { "iq4_xs", 256, 136 },
    { "iq1_m", 256, 56 },
    { "tq1_0", 256, 54 },
    { "tq2_0", 256, 66 },
    { "nvfp4", 64, 36 },
    { "q1_0", 128, 18 },
    { "q2_0", 64, 18 },
    { "mxfp4", 32, 17 },
    { "mxfp4_linear", 32, 17 },
    { "mxfp4_blocks", 32, 16 },
    { "mxfp4_scales", 32, 1 },
};
enum { N_PUBLISHED = sizeof published / sizeof *published };

static void blocks_are_as_published(void **state)
{
    (void)state;
    assert_int_equal(N_PUBLISHED, DTYPE_COUNT - 1);
    for (int i = 0; i < N_PUBLISHED; i++) {
        enum dtype t = dtype_find(published[i].name);
        assert_int_not_equal(t, DTYPE_NONE);
        assert_int_equal(dtype_info[t].block_elems, published[i].elems);
        assert_int_equal(dtype_info[t].block_bytes, published[i].bytes);
    }
}

static void names_are_distinct(void **state)
{
    (void)state;
    for (enum dtype t = DTYPE_NONE; t < DTYPE_COUNT; t++) {
        assert_non_null(dtype_info[t].name);
        assert_int_equal(dtype_find(dtype_info[t].name), t);
    }
    assert_int_equal(dtype_find(""), DTYPE_NONE);
    assert_int_equal(dtype_find("F32"), DTYPE_NONE);
    assert_int_equal(dtype_find("f3"), DTYPE_NONE);
}

static void floats_are_marked(void **state)
{
    (void)state;
    for (enum dtype t = DTYPE_NONE; t < DTYPE_COUNT; t++)
        assert_int_equal(dtype_info[t].is_float,
                         t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16);
}

static void sizes_count_whole_blocks(void **state)
{
    (void)state;
    uint64_t bytes;
    for (enum dtype t = DTYPE_NONE + 1; t < DTYPE_COUNT; t++) {
        uint64_t elems = dtype_info[t].block_elems;
        assert_true(dtype_bytes(t, 0, &bytes));
        assert_int_equal(bytes, 0);
        assert_true(dtype_bytes(t, 7 * elems, &bytes));
        assert_int_equal(bytes, 7 * dtype_info[t].block_bytes);
        if (elems > 1) {
            assert_false(dtype_bytes(t, 7 * elems - 1, &bytes));
            assert_false(dtype_bytes(t, 7 * elems + 1, &bytes));
        }
    }
    assert_false(dtype_bytes(DTYPE_NONE, 1, &bytes));
    assert_false(dtype_bytes(DTYPE_COUNT, 1, &bytes));
}

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    uint64_t bytes;
    assert_true(dtype_bytes(DTYPE_F32, UINT64_MAX / 4, &bytes));
    assert_int_equal(bytes, UINT64_MAX - 3);
    assert_false(dtype_bytes(DTYPE_F32, UINT64_MAX / 4 + 1, &bytes));
    assert_true(dtype_bytes(DTYPE_Q8_K, UINT64_MAX / 292 * 256, &bytes));
    assert_false(dtype_bytes(DTYPE_Q8_K, (UINT64_MAX / 292 + 1) * 256, &bytes));
    assert_true(dtype_bytes(DTYPE_MXFP4, UINT64_MAX - 31, &bytes)); /* under one byte a weight */
    assert_int_equal(bytes, (UINT64_MAX / 32) * 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_as_published), cmocka_unit_test(names_are_distinct),
        cmocka_unit_test(floats_are_marked),       cmocka_unit_test(sizes_count_whole_blocks),
        cmocka_unit_test(sizes_do_not_wrap),
    };
    return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
