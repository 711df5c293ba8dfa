/* check_test.c - damage is found to the MiB and its tensors are named; nothing else is blamed. */
#include "formats/base/fault.h"
#include "formats/base/text.h"
#include "tests/support/tree.h"
#include "verify/check.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

/* A model of one file: with the header, a fills the first MiB and b the next two; c has 16 bytes
 * and d half a MiB. */
static const char header[] =
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[1048176],\"data_offsets\":[0,1048176]},"
    "\"b\":{\"dtype\":\"U8\",\"shape\":[2,1048576],\"data_offsets\":[1048176,3145328]},"
    "\"c\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[3145328,3145344]},"
    "\"d\":{\"dtype\":\"U8\",\"shape\":[524288],\"data_offsets\":[3145344,3669632]}}";
enum { DATA_AT = 400, DATA_BYTES = 3669632, FILE_BYTES = DATA_AT + DATA_BYTES };

static uint8_t image[FILE_BYTES];

static void make_image(void)
{
    memset(image, ' ', DATA_AT);
    for (size_t i = 0; i < 8; i++)
        image[i] = (uint8_t)((uint64_t)(DATA_AT - 8) >> 8 * i);
    memcpy(image + 8, header, strlen(header));
    for (size_t i = DATA_AT; i < FILE_BYTES; i++)
        image[i] = (uint8_t)(i * 2654435761u >> 13);
}

/* dir/model.safetensors and dir/config.txt, and their manifest. */
struct set {
    const char *dir, *weights, *config;
    struct manifest m;
};
static const struct execute_options opt = { .jobs = 2 };

static void set_up(struct set *s)
{
    struct err e = { 0 };
    s->dir = tree_path("model");
    tree_remove(s->dir);
    tree_mkdir(s->dir);
    s->weights = tree_path("model/model.safetensors");
    s->config = tree_path("model/config.txt");
    make_image();
    tree_write(s->weights, (struct span){ image, FILE_BYTES });
    tree_text(s->config, "a config");
    if (!manifest_create(&s->m, s->dir, NULL, 0, &opt, &e))
        fail_msg("%s", e.msg);
}

static struct check check_set(const struct set *s, const char *source)
{
    struct check c;
    struct err e = { 0 };
    if (!check_files(&c, &s->m, source, true, NULL, 0, &opt, &e))
        fail_msg("%s", e.msg);
    return c;
}

static const struct check_item *item_of(const struct check *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_is(c->items[i].name, name))
            return &c->items[i];
    fail_msg("no item %s", name);
    return NULL;
}

/* ---- damage ------------------------------------------------------------------------------- */

/* Flips the byte `at` and expects one range, and the tensors named by the letters. */
static void expect_at(uint64_t at, uint64_t first, uint64_t end, bool head, const char *letters)
{
    struct set s;
    set_up(&s);
    tree_flip(s.weights, (long)at);
    struct check c = check_set(&s, s.dir);
    const struct check_item *item = item_of(&c, "model.safetensors");
    assert_false(c.equal);
    assert_int_equal(c.count[CHECK_DIFFERS], 1);
    assert_int_equal(item_of(&c, "config.txt")->state, CHECK_OK);
    assert_int_equal(item->n_damage, 1);
    assert_int_equal(item->damage[0].first, first);
    assert_int_equal(item->damage[0].end, end);
    assert_int_equal(item->damage[0].header, head);
    assert_int_equal(item->damage[0].n_tensors, strlen(letters));
    for (size_t i = 0; letters[i]; i++)
        assert_true(str_eq(item->damage[0].tensors[i], (struct str){ letters + i, 1 }));
    check_free(&c);
    manifest_free(&s.m);
}

static void test_located(void **state)
{
    (void)state;
    expect_at(DATA_AT, 0, MIB, true, "a");
    expect_at(MIB - 1, 0, MIB, true, "a");
    expect_at(MIB, MIB, 2 * MIB, false, "b");
    expect_at(2 * MIB + 5, 2 * MIB, 3 * MIB, false, "b");
    expect_at(3 * MIB, 3 * MIB, FILE_BYTES, false, "cd");
    expect_at(FILE_BYTES - 1, 3 * MIB, FILE_BYTES, false, "cd");
}

/* Neighbours are one range, others are not. */
static void test_ranges(void **state)
{
    (void)state;
    struct set s;
    set_up(&s);
    tree_flip(s.weights, 500);
    tree_flip(s.weights, MIB + 7);
    tree_flip(s.weights, FILE_BYTES - 9);
    struct check c = check_set(&s, s.dir);
    const struct check_item *item = item_of(&c, "model.safetensors");
    assert_int_equal(item->n_damage, 2);
    assert_int_equal(item->damage[0].first, 0);
    assert_int_equal(item->damage[0].end, 2 * MIB);
    assert_int_equal(item->damage[1].first, 3 * MIB);
    check_free(&c);
    manifest_free(&s.m);
}

static void test_broken_header(void **state)
{
    (void)state;
    struct set s;
    set_up(&s);
    tree_flip(s.weights, 9);
    struct check c = check_set(&s, s.dir);
    const struct check_item *item = item_of(&c, "model.safetensors");
    assert_true(item->n_damage == 1 && item->damage[0].header && item->damage[0].end == MIB);
    assert_non_null(strstr(item->detail, "its header can no longer be read"));
    check_free(&c);
    manifest_free(&s.m);
}

static void test_other_length(void **state)
{
    (void)state;
    struct set s;
    set_up(&s);
    tree_write(s.weights, (struct span){ image, 2 * MIB + 1 }); /* cut short */
    struct check c = check_set(&s, s.dir);
    const struct check_item *item = item_of(&c, "model.safetensors");
    assert_non_null(strstr(item->detail, "has 2097153 bytes, was 3670032; its header"));
    assert_true(item->n_damage == 1 && item->damage[0].first == 2 * MIB);
    assert_int_equal(item->damage[0].end, FILE_BYTES);
    check_free(&c);

    uint8_t *longer = calloc(1, FILE_BYTES + 1);
    memcpy(longer, image, FILE_BYTES);
    tree_write(s.weights, (struct span){ longer, FILE_BYTES + 1 });
    free(longer);
    c = check_set(&s, s.dir);
    item = item_of(&c, "model.safetensors");
    assert_true(item->state == CHECK_DIFFERS && item->n_damage == 0);
    assert_non_null(strstr(item->detail, "has 3670033 bytes, was 3670032"));
    check_free(&c);
    manifest_free(&s.m);
}

/* A text has no tensors; a SHA-256 that is of something else is said to be. */
static void test_no_weights(void **state)
{
    (void)state;
    struct set s;
    set_up(&s);
    tree_text(s.config, "A config");
    s.m.files[1].sha.at[0] ^= 1;
    struct check c = check_set(&s, s.dir);
    const struct check_item *config = item_of(&c, "config.txt");
    assert_true(config->n_damage == 1 && config->damage[0].end == 8);
    assert_true(config->damage[0].n_tensors == 0 && !config->damage[0].header && !config->detail);
    const struct check_item *weights = item_of(&c, "model.safetensors");
    assert_int_equal(weights->n_damage, 0);
    assert_non_null(strstr(weights->detail, "every MiB is as recorded"));
    check_free(&c);
    manifest_free(&s.m);
}

/* ---- which files ---------------------------------------------------------------------------- */

static void test_missing_and_extra(void **state)
{
    (void)state;
    struct set s;
    set_up(&s);
    tree_text(tree_path("model/stray.safetensors"), "?");
    struct check c = check_set(&s, s.dir);
    assert_true(!c.equal && c.count[CHECK_EXTRA] == 1 && c.count[CHECK_OK] == 2);
    assert_int_equal(item_of(&c, "stray.safetensors")->state, CHECK_EXTRA);
    check_free(&c);

    s.m.complete = false; /* a list of sha256sum does not claim to name all */
    c = check_set(&s, s.dir);
    assert_true(c.equal && c.count[CHECK_EXTRA] == 1);
    check_free(&c);

    tree_remove(s.config);
    c = check_set(&s, s.dir);
    assert_true(!c.equal && item_of(&c, "config.txt")->state == CHECK_MISSING);
    check_free(&c);
    manifest_free(&s.m);
}

static void test_one_file(void **state)
{
    (void)state;
    struct set s;
    struct err e = { 0 };
    struct check c;
    set_up(&s);
    c = check_set(&s, s.weights); /* one file of several: by its name */
    assert_true(c.equal && c.n == 1);
    check_free(&c);

    tree_copy(s.weights, tree_path("model/other"));
    assert_false(check_files(&c, &s.m, tree_path("model/other"), true, NULL, 0, &opt, &e));
    assert_int_equal(e.code, ERR_MISMATCH);
    s.m.files++; /* the only file: under any name */
    s.m.n_files = 1;
    c = check_set(&s, tree_path("model/other"));
    assert_true(c.equal && c.n == 1);
    check_free(&c);

    e = (struct err){ 0 };
    assert_false(check_files(&c, &s.m, tree_path("absent"), true, NULL, 0, &opt, &e));
    assert_int_equal(e.code, ERR_SYSTEM);
    manifest_free(&s.m);
}

/* ---- content -------------------------------------------------------------------------------- */

static void test_content(void **state)
{
    (void)state;
    struct set s;
    struct err e = { 0 };
    struct check c;
    set_up(&s);
    assert_true(check_content(&c, &s.m, s.weights, &opt, &e));
    assert_true(c.equal && c.n == 4);
    check_free(&c);

    tree_flip(s.weights, DATA_AT + 2 * MIB);
    assert_true(check_content(&c, &s.m, s.weights, &opt, &e));
    assert_true(!c.equal && c.count[CHECK_DIFFERS] == 1);
    assert_int_equal(item_of(&c, "b")->state, CHECK_DIFFERS);
    check_free(&c);

    image[10] = 'e'; /* tensor a is called e now */
    tree_write(s.weights, (struct span){ image, FILE_BYTES });
    assert_true(check_content(&c, &s.m, s.weights, &opt, &e));
    assert_true(!c.equal && item_of(&c, "a")->state == CHECK_MISSING);
    assert_true(item_of(&c, "e")->state == CHECK_EXTRA && c.count[CHECK_OK] == 3);
    check_free(&c);

    make_image();
    memcpy(image + 8 + strlen("{\"a\":{\"dtype\":\""), "I8", 2); /* of another type */
    tree_write(s.weights, (struct span){ image, FILE_BYTES });
    assert_true(check_content(&c, &s.m, s.weights, &opt, &e));
    assert_string_equal(item_of(&c, "a")->detail, "is of another type");
    check_free(&c);

    make_image();
    memcpy(strstr((char *)image + 8, "[2,1048576]"), "[1048576,2]", 11);
    tree_write(s.weights, (struct span){ image, FILE_BYTES });
    assert_true(check_content(&c, &s.m, s.weights, &opt, &e));
    assert_string_equal(item_of(&c, "b")->detail, "is of another shape");
    check_free(&c);

    s.m.has_content = false;
    assert_false(check_content(&c, &s.m, s.weights, &opt, &e));
    assert_int_equal(e.code, ERR_INPUT);
    manifest_free(&s.m);
}

/* ---- gguf-hash --------------------------------------------------------------------------------
 */

static void hex_of(char out[100], const char *algorithm, const uint8_t *from, size_t n)
{
    uint8_t d[32] = { 0 };
    uint64_t v = strcmp(algorithm, "xxh64") == 0 ? XXH64(from, n, 0) : XXH3_64bits(from, n);
    for (size_t i = 0; i < 8; i++)
        d[i] = (uint8_t)(v >> (56 - 8 * i));
    size_t bytes = 8;
    if (strncmp(algorithm, "sha", 3) == 0) {
        bytes = algorithm[3] == '1' ? 20 : 32;
        bytes == 20 ? SHA1(from, n, d) : SHA256(from, n, d);
    }
    text_hex(out, d, bytes);
}

/* Lines for tensor b and for the whole, in every algorithm. */
static char *hash_lines(void)
{
    static const char *const algorithms[] = { "xxh64", "xxh3", "sha1", "sha256" };
    static char text[2000];
    char hex[100];
    size_t n = 0;
    for (size_t i = 0; i < 4; i++) {
        hex_of(hex, algorithms[i], image + MIB, 2 * MIB);
        n += (size_t)sprintf(text + n, "%-8s  %s  dir/m.gguf:b\n", algorithms[i], hex);
        hex_of(hex, algorithms[i], image + DATA_AT, DATA_BYTES);
        n += (size_t)sprintf(text + n, "%-8s  %s  dir/m.gguf\n", algorithms[i], hex);
    }
    return text;
}

static void test_gguf_hash(void **state)
{
    (void)state;
    struct set s;
    struct manifest m;
    struct err e = { 0 };
    struct check c;
    set_up(&s);
    assert_true(manifest_parse(&m, "hashes", str_of(hash_lines()), &e));
    assert_true(check_hashes(&c, &m, s.weights, &opt, &e)); /* the only file: any name */
    assert_true(c.equal && c.n == 8);
    assert_true(str_is(c.items[0].name, "m.gguf:b (xxh64)"));
    check_free(&c);

    assert_true(check_hashes(&c, &m, s.dir, &opt, &e)); /* no m.gguf there */
    assert_true(!c.equal && c.count[CHECK_MISSING] == 8);
    check_free(&c);

    tree_flip(s.weights, DATA_AT + 3 * MIB + 20); /* in d: only the four of the whole differ */
    rename(s.weights, tree_path("model/m.gguf"));
    assert_true(check_hashes(&c, &m, s.dir, &opt, &e));
    assert_true(!c.equal && c.count[CHECK_OK] == 4 && c.count[CHECK_DIFFERS] == 4);
    check_free(&c);

    m.hashes[0].tensor = STR("nothing");
    assert_true(check_hashes(&c, &m, s.dir, &opt, &e));
    assert_int_equal(c.items[0].state, CHECK_MISSING);
    check_free(&c);
    manifest_free(&m);
    manifest_free(&s.m);
}

/* Version 5 of RFC 9562 over the name space and all tensor bytes. */
static void test_uuid(void **state)
{
    (void)state;
    static const uint8_t space[] =
        "\xef\x00\x12\x06\xda\xdc\x5f\x6d\xa1\x5f\x33\x59\xe5\x77\xd4\xe5";
    struct set s;
    struct manifest m;
    struct err e = { 0 };
    struct check c;
    uint8_t d[20];
    char text[100];
    set_up(&s);
    uint8_t *all = malloc(16 + DATA_BYTES);
    memcpy(all, space, 16);
    memcpy(all + 16, image + DATA_AT, DATA_BYTES);
    SHA1(all, 16 + DATA_BYTES, d);
    free(all);
    snprintf(text, sizeof text,
             "uuid      %02x%02x%02x%02x-%02x%02x-5%x%02x-%x%x%02x-%02x%02x%02x%02x%02x%02x  m\n",
             d[0], d[1], d[2], d[3], d[4], d[5], d[6] & 15, d[7], 8 | (d[8] >> 4 & 3), d[8] & 15,
             d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
    assert_true(manifest_parse(&m, "hashes", str_of(text), &e));
    assert_true(check_hashes(&c, &m, s.weights, &opt, &e));
    assert_true(c.equal && c.n == 1);
    check_free(&c);
    manifest_free(&m);
    manifest_free(&s.m);
}

/* ---- faults -----------------------------------------------------------------------------------
 */

/* The n-th read or allocation fails: never "equal", and nothing leaks. */
static void test_faults(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = { FAULT_IO, FAULT_MEMORY };
    const struct execute_options one = { .jobs = 1 };
    struct set s;
    set_up(&s);
    tree_flip(s.weights, DATA_AT);
    for (size_t k = 0; k < 2; k++)
        for (unsigned n = 1;; n++) {
            struct err e = { 0 };
            struct check c;
            fault_on(kinds[k], n);
            bool ok = check_files(&c, &s.m, s.dir, true, NULL, 0, &one, &e);
            bool struck = fault_struck();
            fault_on(FAULT_NONE, 0);
            bool done = ok && !struck;
            assert_false(ok && c.equal);
            assert_true(ok || e.code == ERR_SYSTEM || e.code == ERR_MEMORY);
            check_free(&c);
            if (done)
                break;
        }
    manifest_free(&s.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_located),       cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_broken_header), cmocka_unit_test(test_other_length),
        cmocka_unit_test(test_no_weights),    cmocka_unit_test(test_missing_and_extra),
        cmocka_unit_test(test_one_file),      cmocka_unit_test(test_content),
        cmocka_unit_test(test_gguf_hash),     cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
