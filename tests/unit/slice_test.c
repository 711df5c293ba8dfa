/* slice_test.c - parts of tensors as bytes, NumPy arrays and text. */
#include "formats/base/buf.h"
#include "inspect/slice.h"
#include "tests/support/little.h"
#include "tests/support/npy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool collect(void *ctx, struct span bytes, struct err *e)
{
    struct buf *b = ctx;
    (void)e;
    buf_add(b, bytes.at, bytes.len);
    return buf_ok(b);
}

/* The csv of a little file's only tensor. */
static void expect_csv(const char *dtype, const char *shape, const void *bytes, size_t n,
                       const char *want)
{
    struct err e = { 0 };
    struct model m;
    struct buf b = buf_make(&e);
    const char *path = little_safetensors("csv.safetensors", dtype, shape, bytes, n);
    assert_true(model_open(&m, path, &e));
    struct slice s = slice_of(&m, &m.tensors[0]);
    assert_true(slice_write(&s, SLICE_CSV, collect, &b, &e));
    assert_int_equal(b.len, strlen(want));
    assert_memory_equal(b.at, want, b.len);
    buf_free(&b);
    model_close(&m);
}

static void test_csv(void **state)
{
    (void)state;
    static const uint8_t i8[] = { 0x80, 0xff, 0, 1, 0x7f, 2 };
    expect_csv("I8", "2,3", i8, 6, "-128,-1,0\n1,127,2\n");
    expect_csv("U8", "2,3", i8, 6, "128,255,0\n1,127,2\n");
    expect_csv("I16", "3", i8, 6, "-128,256,639\n");
    static const uint8_t i64[] = { 0,    0,    0,    0,    0,    0,    0,    0x80,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    expect_csv("I64", "2,1", i64, 16, "-9223372036854775808\n-1\n");
    expect_csv("U64", "2,1", i64, 16, "9223372036854775808\n18446744073709551615\n");
    static const uint8_t bf16[] = { 0x80, 0x3f, 0x00, 0x80, 0x80, 0x7f, 0xc0, 0xff };
    expect_csv("BF16", "1,2,2", bf16, 8, "1,-0\ninf,nan\n");
    static const uint8_t f32[] = { 0xcd, 0xcc, 0xcc, 0x3d };
    expect_csv("F32", "", f32, 4, "0.100000001\n");
    static const uint8_t f64[] = { 0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f };
    expect_csv("F64", "1", f64, 8, "0.10000000000000001\n");
    expect_csv("F32", "3,0", f32, 0, "");
}

static void test_choosing(void **state)
{
    (void)state;
    uint8_t bytes[24];
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    struct err e = { 0 };
    struct model m;
    assert_true(model_open(
        &m, little_safetensors("choose.safetensors", "U8", "4,3,2", bytes, sizeof bytes), &e));
    struct slice s = slice_of(&m, &m.tensors[0]);
    assert_true(slice_item(&s, 2, &e));
    assert_int_equal(s.at, 12);
    assert_int_equal(s.bytes, 6);
    assert_true(slice_range(&s, 1, 3, &e));
    assert_int_equal(s.at, 14);
    assert_int_equal(s.bytes, 4);
    assert_true(slice_item(&s, 1, &e));
    assert_true(slice_item(&s, 0, &e));
    assert_int_equal(s.at, 16);
    assert_int_equal(s.bytes, 1);
    assert_false(slice_item(&s, 0, &e)); /* a scalar by now */
    assert_int_equal(e.code, ERR_USAGE);

    static const uint64_t wrong[][2] = { { 4, 5 }, { 3, 2 }, { 0, 5 }, { UINT64_MAX, UINT64_MAX } };
    for (size_t i = 0; i < 4; i++) {
        e = (struct err){ 0 };
        s = slice_of(&m, &m.tensors[0]);
        assert_false(slice_range(&s, wrong[i][0], wrong[i][1], &e));
        assert_int_equal(e.code, ERR_USAGE);
    }
    e = (struct err){ 0 };
    assert_false(slice_item(&s, UINT64_MAX, &e));
    model_close(&m);
}

static void test_npy(void **state)
{
    (void)state;
    static const uint8_t bf16[] = { 0x80, 0x3f, 0x00, 0xc0, 0x40, 0x40, 0x80, 0x40, 0, 0, 0, 0x3f };
    struct err e = { 0 };
    struct model m;
    struct buf b = buf_make(&e);
    struct npy a;
    assert_true(model_open(&m, little_safetensors("npy.safetensors", "BF16", "2,3", bf16, 12), &e));
    struct slice s = slice_of(&m, &m.tensors[0]);
    assert_true(slice_write(&s, SLICE_NPY, collect, &b, &e));
    assert_int_equal((b.len - 24) % 64, 0);
    assert_true(npy_load_as(&a, little_file("out.npy", b.at, b.len), 'f', 4, 2));
    assert_int_equal(a.dim[0], 2);
    assert_int_equal(a.dim[1], 3);
    static const float want[] = { 1, -2, 3, 4, 0, 0.5f };
    assert_memory_equal(a.data, want, sizeof want);
    npy_free(&a);
    b.len = 0;
    assert_true(slice_item(&s, 1, &e) && slice_write(&s, SLICE_NPY, collect, &b, &e));
    assert_true(npy_load_as(&a, little_file("row.npy", b.at, b.len), 'f', 4, 1));
    assert_memory_equal(a.data, want + 3, 12);
    npy_free(&a);
    buf_free(&b);
    model_close(&m);
}

/* Only raw bytes are to be had of types that we do not decode. */
static void test_unsupported(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct model m;
    struct buf b = buf_make(&e);
    assert_true(
        model_open(&m, little_safetensors("f8.safetensors", "F8_E4M3", "4", "wxyz", 4), &e));
    struct slice s = slice_of(&m, &m.tensors[0]);
    for (int form = SLICE_NPY; form <= SLICE_CSV; form++) {
        e = (struct err){ 0 };
        assert_false(slice_write(&s, (enum slice_form)form, collect, &b, &e));
        assert_int_equal(e.code, ERR_UNSUPPORTED);
        assert_int_equal(b.len, 0);
    }
    e = (struct err){ 0 };
    assert_true(slice_write(&s, SLICE_RAW, collect, &b, &e));
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.at, "wxyz", 4);
    buf_free(&b);
    model_close(&m);
}

/* Six-bit floats come four to three bytes: a row of two would cut a block. */
static void test_blocks_are_not_cut(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct model m;
    assert_true(
        model_open(&m, little_safetensors("f6.safetensors", "F6_E2M3", "4,2", "abcdef", 6), &e));
    struct slice s = slice_of(&m, &m.tensors[0]);
    assert_false(slice_item(&s, 1, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_choosing),
        cmocka_unit_test(test_npy),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_blocks_are_not_cut),
    };
    return cmocka_run_group_tests_name("slice", tests, NULL, NULL);
}
