/* content_test.c - every bit of the weights, and every name, type and shape, is in the root. */
#include "formats/base/text.h"
#include "formats/content.h"
#include "tests/support/convert.h"
#include "tests/support/tiny.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A safetensors file of a JSON header and data. */
static void put_model(const char *path, const char *json, struct span data)
{
    uint8_t file[1024];
    size_t n = strlen(json);
    assert_true(8 + n + data.len <= sizeof file);
    for (size_t i = 0; i < 8; i++)
        file[i] = (uint8_t)(n >> 8 * i);
    memcpy(file + 8, json, n);
    memcpy(file + 8 + n, data.at, data.len);
    tree_write(path, (struct span){ file, 8 + n + data.len });
}

/* The content of such a file; the caller frees it. */
static struct content content_in(const char *json, struct span data)
{
    const char *path = tree_path("model.safetensors");
    const struct execute_options opt = { .jobs = 1 };
    struct model m;
    struct content c = { 0 };
    struct err e = { 0 };
    put_model(path, json, data);
    if (!model_open(&m, path, &e) || !content_of(&c, &m, &opt, &e))
        fail_msg("%s", e.msg);
    model_close(&m);
    return c;
}

static struct sha256 root_in(const char *json, struct span data)
{
    struct content c = content_in(json, data);
    struct sha256 root = c.root;
    content_free(&c);
    return root;
}

static void assert_root(struct sha256 root, const char *preimage)
{
    struct sha256 want;
    struct err e = { 0 };
    assert_true(sha_of((struct span){ (const uint8_t *)preimage, strlen(preimage) }, &want, &e));
    assert_memory_equal(root.at, want.at, SHA256_BYTES);
}

/* SHA-256 of two and of six zero bytes, from sha256sum. */
#define ZERO_2 "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
#define ZERO_6 "b0f66adc83641586656866813fd9dd0b8ebb63796075661ba45d1aa8089e1d44"

static const uint8_t zeros[64];

static void test_preimage(void **state)
{
    (void)state;
    assert_root(root_in("{\"b\":{\"dtype\":\"U8\",\"shape\":[1,2,3],\"data_offsets\":[0,6]},"
                        "\"a\\n\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[6,8]}}",
                        (struct span){ zeros, 8 }),
                "weighmaster-content-1\n" ZERO_2 "  BF16 1 \"a\\n\"\n" ZERO_6 "  U8 2x3 \"b\"\n");
    assert_root(root_in("{}", (struct span){ zeros, 0 }), "weighmaster-content-1\n");
}

/* F32 zeros are those of BF16, the narrowest that holds them; U8 stays what it is. */
static void test_narrowest(void **state)
{
    (void)state;
    static const char *const types[] = { "BF16", "F16", "F32" };
    for (size_t i = 0; i < 3; i++) {
        char json[200];
        int n = i == 2 ? 12 : 6;
        snprintf(json, sizeof json,
                 "{\"x\":{\"dtype\":\"%s\",\"shape\":[3],\"data_offsets\":[0,%d]}}", types[i], n);
        assert_root(root_in(json, (struct span){ zeros, (size_t)n }),
                    "weighmaster-content-1\n" ZERO_6 "  BF16 3 \"x\"\n");
    }
}

static const char mixed[] = "{\"b\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
                            "\"f\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[8,20]},"
                            "\"h\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[20,26]},"
                            "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[26,34]},"
                            "\"u\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_offsets\":[34,40]}}";
static const size_t ends[] = { 8, 20, 26, 34, 40 };
enum { MIXED_BYTES = 40 };

static int by_digest(const void *a, const void *b) { return memcmp(a, b, SHA256_BYTES); }

/* No two of the 320 files with one flipped bit have the same root, and none has that of the
 * file without.  Only the leaf of the tensor that holds the bit changes. */
static void test_every_bit(void **state)
{
    (void)state;
    uint8_t data[MIXED_BYTES];
    struct sha256 roots[8 * MIXED_BYTES + 1];
    size_t n_roots = 0;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(37 * i + 11);
    struct content whole = content_in(mixed, (struct span){ data, sizeof data });
    roots[n_roots++] = whole.root;
    for (size_t bit = 0; bit < 8 * MIXED_BYTES; bit++) {
        size_t tensor = 0;
        while (bit / 8 >= ends[tensor])
            tensor++;
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct content c = content_in(mixed, (struct span){ data, sizeof data });
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(c.n, 5);
        for (size_t i = 0; i < c.n; i++)
            assert_int_equal(sha_eq(&c.leaves[i].sha, &whole.leaves[i].sha), i != tensor);
        roots[n_roots++] = c.root;
        content_free(&c);
    }
    content_free(&whole);
    qsort(roots, n_roots, sizeof *roots, by_digest);
    for (size_t i = 1; i < n_roots; i++)
        assert_false(sha_eq(&roots[i - 1], &roots[i]));
}

static void test_name_type_shape(void **state)
{
    (void)state;
    static const char *const json[] = {
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[2,6],\"data_offsets\":[0,12]}}",
        "{\"y\":{\"dtype\":\"U8\",\"shape\":[2,6],\"data_offsets\":[0,12]}}",
        "{\"x \":{\"dtype\":\"U8\",\"shape\":[2,6],\"data_offsets\":[0,12]}}",
        "{\"x\":{\"dtype\":\"I8\",\"shape\":[2,6],\"data_offsets\":[0,12]}}",
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[6,2],\"data_offsets\":[0,12]}}",
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[12],\"data_offsets\":[0,12]}}",
        "{\"x\":{\"dtype\":\"U8\",\"shape\":[2,6,1],\"data_offsets\":[0,12]}}",
        "{\"x\":{\"dtype\":\"I32\",\"shape\":[3],\"data_offsets\":[0,12]}}",
        ("{\"x\":{\"dtype\":\"U8\",\"shape\":[11],\"data_offsets\":[0,11]},"
         "\"y\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[11,12]}}"),
    };
    enum { N = sizeof json / sizeof *json };
    struct sha256 roots[N];
    for (size_t i = 0; i < N; i++) {
        roots[i] = root_in(json[i], (struct span){ zeros, 12 });
        for (size_t k = 0; k < i; k++)
            assert_false(sha_eq(&roots[k], &roots[i]));
    }
}

/* Order in the file, metadata and leading ones of a shape are not content. */
static void test_what_is_not_content(void **state)
{
    (void)state;
    static const uint8_t ab[] = { 1, 2, 3, 4, 5 }, ba[] = { 4, 5, 1, 2, 3 };
    struct sha256 one = root_in("{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                                "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
                                (struct span){ ab, sizeof ab });
    struct sha256 two = root_in("{\"__metadata__\":{\"format\":\"pt\"},"
                                "\"b\":{\"dtype\":\"U8\",\"shape\":[1,2],\"data_offsets\":[0,2]},"
                                "\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[2,5]}}",
                                (struct span){ ba, sizeof ba });
    assert_memory_equal(one.at, two.at, SHA256_BYTES);
}

/* ---- the forms of gpt-oss ------------------------------------------------------------------- */

static struct sha256 root_of(const char *path, size_t *leaves)
{
    const struct execute_options opt = { .jobs = 2, .tile = 2000 };
    struct model m;
    struct content c = { 0 };
    struct err e = { 0 };
    if (!model_open(&m, path, &e) || !content_of(&c, &m, &opt, &e))
        fail_msg("%s: %s", path, e.msg);
    struct sha256 root = c.root;
    *leaves = c.n;
    content_free(&c);
    model_close(&m);
    return root;
}

static void assert_same_root(const char *path, const struct sha256 *want, const char *what)
{
    size_t n;
    struct sha256 got = root_of(path, &n);
    if (!sha_eq(&got, want))
        fail_msg("%s: another root", what);
}

/* One model in every form and spelling, in shards and in parts. */
static void test_every_form(void **state)
{
    (void)state;
    const char *in = tree_path("form"), *hf = tree_path("form-hf"), *out = tree_path("form-out");
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct tiny t = tiny_random(seed);
        struct plan_options split = { .to = FORM_GGUF, .shard_bytes = 9000, .base = STR("part") };
        struct err e = { 0 };
        size_t n;
        tree_remove(hf);
        tiny_write(&t, TINY_HF, hf);
        struct sha256 want = root_of(hf, &n);
        for (enum tiny_form f = 0; f < TINY_FORMS; f++) {
            tree_remove(in);
            tiny_write(&t, f, in);
            assert_same_root(in, &want, tiny_name(f));
        }
        tree_remove(out);
        assert_true(convert(hf, out, &split, &e));
        assert_same_root(out, &want, "split");
        split.to = FORM_HF;
        tree_remove(out);
        assert_true(convert(hf, out, &split, &e));
        assert_same_root(out, &want, "shards");
    }
}

static void test_released_forms(void **state)
{
    (void)state;
    size_t n;
    struct sha256 root = root_of("tests/data/tiny-gpt-oss", &n), other;
    assert_int_equal(n, 79);
    assert_same_root("tests/data/tiny-gpt-oss/original", &root, "original");
    other = root_of("tests/data/tiny-gpt-oss/bf16", &n); /* the same values, other weights */
    assert_int_equal(n, 71);
    assert_false(sha_eq(&root, &other));
    root = root_of("tests/data/golden/gpt-oss/tiny-a/hf", &n);
    assert_same_root("tests/data/golden/gpt-oss/tiny-a/original", &root, "golden original");
    assert_same_root("tests/data/golden/gpt-oss/tiny-a/gguf/tiny-a-bf16-mxfp4.gguf", &root,
                     "golden GGUF");
}

/* lm_head as a copy of the embedding is no content; anything else under its name is. */
static void test_tied(void **state)
{
    (void)state;
    static const char both[] =
        "{\"model.embed_tokens.weight\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[0,4]}"
        ","
        "\"lm_head.weight\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[4,8]}}";
    static const char alone[] = "{\"model.embed_tokens.weight\":{\"dtype\":\"BF16\",\"shape\":[1,2]"
                                ",\"data_offsets\":[0,4]}}";
    static const uint8_t same[8] = { 1, 2, 3, 4, 1, 2, 3, 4 },
                         other[8] = { 1, 2, 3, 4, 1, 2, 3, 5 };
    struct sha256 one = root_in(alone, (struct span){ same, 4 }),
                  two = root_in(both, (struct span){ same, 8 }),
                  three = root_in(both, (struct span){ other, 8 });
    assert_true(sha_eq(&one, &two));
    assert_false(sha_eq(&one, &three));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_preimage),
        cmocka_unit_test(test_narrowest),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_name_type_shape),
        cmocka_unit_test(test_what_is_not_content),
        cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_released_forms),
        cmocka_unit_test(test_tied),
    };
    return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
