/* manifest_test.c - what is written reads back; what is malformed is refused by its line. */
#include "formats/base/fault.h"
#include "formats/base/text.h"
#include "tests/support/tree.h"
#include "verify/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OURS  "# weighmaster-manifest 1\n"

static bool parse(struct manifest *m, const char *text, struct err *e)
{
    *e = (struct err){ 0 };
    return manifest_parse(m, "m", str_of(text), e);
}

/* ---- our own ------------------------------------------------------------------------------- */

/* Three files, one of 65 MiB and a byte (so that the lines of digests wrap), one with a name
 * that has to be escaped, one empty; two leaves. */
static void make(struct manifest *m, struct manifest_file files[3], struct leaf leaves[2],
                 uint64_t blocks[66])
{
    static const uint64_t shape[] = { 1, 64, 2880 };
    struct err e = { 0 };
    for (size_t i = 0; i < 66; i++)
        blocks[i] = 0x0123456789abcdef * (i + 1);
    files[0] = (struct manifest_file){ STR("big"), { { 1, 2 } }, true, (65 << 20) + 1, blocks };
    files[1] = (struct manifest_file){ STR("empty"), { { 3 } }, true, 0, blocks };
    files[2] = (struct manifest_file){ STR("w/odd\\na\nme\r"), { { 4 } }, true, 1 << 20, blocks };
    leaves[0] = (struct leaf){ STR("a \"quoted\" \n name"), "BF16", 3, shape, { { 5 } } };
    leaves[1] = (struct leaf){ STR("b"), "U8", 0, NULL, { { 6 } } };
    *m = (struct manifest){ true, files, 3, true, { leaves, 2, { { 0 } }, { 0 } }, NULL, 0, { 0 } };
    assert_true(content_root(leaves, 2, &m->content.root, &e));
}

static void test_written_reads_back(void **state)
{
    (void)state;
    struct manifest m, back;
    struct manifest_file files[3];
    struct leaf leaves[2];
    uint64_t blocks[66];
    struct err e = { 0 };
    struct buf text = buf_make(&e), again = buf_make(&e);
    make(&m, files, leaves, blocks);
    manifest_write(&text, &m);
    assert_true(manifest_parse(&back, "m", buf_text(&text), &e));
    assert_true(back.complete && back.has_content);
    assert_int_equal(back.n_files, 3);
    assert_int_equal(back.content.n, 2);
    for (size_t i = 0; i < 3; i++) {
        assert_true(str_eq(back.files[i].name, files[i].name));
        assert_true(sha_eq(&back.files[i].sha, &files[i].sha));
        assert_true(back.files[i].sized && back.files[i].bytes == files[i].bytes);
    }
    assert_memory_equal(back.files[0].blocks, blocks, sizeof blocks);
    assert_true(str_eq(back.content.leaves[0].name, leaves[0].name));
    assert_int_equal(back.content.leaves[0].ndim, 2); /* without the leading one */
    manifest_write(&again, &back);
    assert_int_equal(text.len, again.len);
    assert_memory_equal(text.at, again.at, text.len);
    manifest_free(&back);
    manifest_free(&back);
    buf_free(&text);
    buf_free(&again);
}

static void test_written_text(void **state)
{
    (void)state;
    struct manifest m;
    struct manifest_file files[3];
    struct leaf leaves[2];
    uint64_t blocks[66];
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    make(&m, files, leaves, blocks);
    manifest_write(&b, &m);
    buf_add(&b, "", 1);
    const char *text = (const char *)b.at;
    assert_ptr_equal(strstr(text, OURS "0102000000"), text);
    assert_non_null(strstr(text, "\n\\0400000000000000000000000000000000000000000000000000000000"
                                 "000000  w/odd\\\\na\\nme\\r\n"));
    assert_non_null(strstr(text, " 64x2880 \"a \\\"quoted\\\" \\n name\"\n"));
    assert_non_null(strstr(text, "  U8 1 \"b\"\n"));
    assert_non_null(strstr(text, "\n# file 68157441  big\n# xxh3 0 0123456789abcdef "
                                 "02468acf13579bde "));
    assert_non_null(strstr(text, "\n# xxh3 64 "));
    assert_non_null(strstr(text, "\n# file 0  empty\n# file 1048576  w/odd\\\\na\\nme\\r\n"));
    buf_free(&b);
}

/* ---- lists of others ------------------------------------------------------------------------- */

static void test_sha256sum(void **state)
{
    (void)state;
    struct manifest m;
    struct err e;
    assert_true(parse(&m,
                      "# leaf of a tree\n" SHA_A "  config.json\n\n" SHA_B " *sub/x y\n"
                      "\\" SHA_A "  new\\nline\n" SHA_B "  ./dot",
                      &e));
    assert_false(m.complete || m.has_content || m.files[0].sized);
    assert_int_equal(m.n_files, 4);
    assert_true(str_is(m.files[0].name, "config.json"));
    assert_true(str_is(m.files[1].name, "sub/x y"));
    assert_true(str_is(m.files[2].name, "new\nline"));
    assert_true(str_is(m.files[3].name, "dot"));
    assert_int_equal(m.files[1].sha.at[31], 0xbb);
    manifest_free(&m);
}

static void test_gguf_hash(void **state)
{
    (void)state;
    struct manifest m;
    struct err e;
    assert_true(parse(&m,
                      "xxh64     f66e9cd66a4396a0  /home/a:b/test.gguf:tensor_0\n"
                      "sha1      59f79ecefd8125a996fdf419239051a7e99e5f20  test.gguf:tensor_0\n"
                      "sha256    " SHA_A "  test.gguf:tensor_0\n"
                      "xxh3      0000000000000001  test.gguf:tensor_0\n"
                      "xxh64     7d3069bcba26e4f9  test.gguf\n"
                      "uuid      a2c8e8ad-fd49-5ef5-88bf-bd6a9ea5ed3c  test.gguf\n",
                      &e));
    assert_int_equal(m.n_hashes, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(str_is(m.hashes[i].file, "test.gguf"));
        if (i < 4)
            assert_true(str_is(m.hashes[i].tensor, "tensor_0"));
        else
            assert_null(m.hashes[i].tensor.at);
    }
    assert_int_equal(m.hashes[1].algorithm, HASH_SHA1);
    assert_int_equal(m.hashes[5].algorithm, HASH_UUID);
    assert_memory_equal(m.hashes[5].digest, "\xa2\xc8\xe8\xad\xfd\x49\x5e\xf5\x88\xbf", 10);
    manifest_free(&m);
    assert_string_equal(hash_name(HASH_XXH3), "xxh3");
    assert_null(hash_name(HASH_COUNT));
    assert_int_equal(hash_bytes(HASH_COUNT), 0);
}

/* ---- refused --------------------------------------------------------------------------------- */

#define FILE_A SHA_A "  a\n"

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "m: names no file" },
        { "# only a comment\n", "m: names no file" },
        { "GGUF\3", "m: line 1: neither a comment nor" },
        { FILE_A "xyz  b\n", "m: line 2: neither" },
        { FILE_A SHA_A " b\n", "m: line 2: neither" },
        { FILE_A SHA_A "a  b\n", "m: line 2: neither" },
        { SHA_A "  \n", "m: line 1: '' is not a name" },
        { SHA_A "  /etc/passwd\n", "m: line 1: '/etc/passwd' is not a name inside" },
        { SHA_A "  ../a\n", "line 1: '../a' is not a name" },
        { SHA_A "  a/../b\n", "line 1: 'a/../b' is not" },
        { SHA_A "  a/..\n", "line 1: 'a/..' is not" },
        { SHA_A "  a//b\n", "line 1: 'a//b' is not" },
        { SHA_A "  a/\n", "line 1: 'a/' is not" },
        { SHA_A "  a/./b\n", "line 1: 'a/./b' is not" },
        { SHA_A "  .//b\n", "line 1: '/b' is not" },
        { SHA_A "  .\n", "line 1: '.' is not" },
        { "\\" SHA_A "  a\\tb\n", "line 1: a backslash" },
        { "\\" SHA_A "  a\\\n", "line 1: a backslash" },
        { FILE_A FILE_A, "m: line 2: 'a' for the second time" },
        { FILE_A SHA_B "  ./a\n", "m: line 2: 'a' for the second time" },
        { "sha1  aa  f\n", "line 1: the sha1 is not one" },
        { "uuid  a2c8e8adfd495ef588bfbd6a9ea5ed3c----  f\n", "line 1: the uuid is not one" },
        { "uuid  a2c8e8ad-fd49-5ef5-88bf-bd6a9ea5ed3c\n", "line 1: '' is not a name" },
        { "xxh3  0000000000000001  a/..:t\n", "line 1: '..' is not a name" },
        { FILE_A "xxh3  0000000000000001  a\n", "line 2: lines of sha256sum and of gguf-hash" },
        { OURS FILE_A "# content-root abc\n", "m: line 3: the content root is not 64" },
        { OURS FILE_A "# content-root " SHA_A "\n", "m: line 3: the content root is not that of" },
        { OURS FILE_A "# content-root " SHA_A "\n# content-root " SHA_A "\n", "line 4: a second" },
        { OURS FILE_A "# leaf " SHA_A "  U8 1 \"a\"\n", "line 3: there are leaves but no" },
        { OURS FILE_A "# leaf abc  U8 1 \"a\"\n", "line 3: the digest of the leaf is not 64" },
        { OURS FILE_A "# leaf " SHA_A "  U*8 1 \"a\"\n", "line 3: 'U*8' is not a type" },
        { OURS FILE_A "# leaf " SHA_A "  U8 1x \"a\"\n", "line 3: the shape of the leaf" },
        { OURS FILE_A "# leaf " SHA_A "  U8 01 \"a\"\n", "line 3: the shape of the leaf" },
        { OURS FILE_A "# leaf " SHA_A "  U8 -1 \"a\"\n", "line 3: the shape of the leaf" },
        { OURS FILE_A "# leaf " SHA_A "  U8 18446744073709551616 \"a\"\n", "line 3: the shape" },
        { OURS FILE_A "# leaf " SHA_A "  U8 1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1 \"a\"\n",
          "line 3: the shape of the leaf" },
        { OURS FILE_A "# leaf " SHA_A "  U8 1 a\n", "line 3: the name of the leaf" },
        { OURS FILE_A "# leaf " SHA_A "  U8 1 \"a\" \"b\"\n", "line 3: the name of the leaf" },
        { OURS FILE_A "# leaf " SHA_A "  U8 1 \"a\"\n# leaf " SHA_A "  U8 1 \"a\"\n",
          "line 4: the leaves are not in the order" },
        { OURS FILE_A "# file x  a\n", "line 3: not the size of a file" },
        { OURS FILE_A "# file 1 a\n", "line 3: not the size of a file" },
        { OURS FILE_A "# file 1  b\n", "line 3: 'b' has no SHA-256 above" },
        { OURS FILE_A "# file 0  a\n# file 0  a\n", "line 4: 'a' for the second time" },
        { OURS FILE_A "# file 18446744073709551615  a\n", "line 3: there are not digests for" },
        { OURS FILE_A "# file 99999999  a\n", "line 3: there are not digests for 96 blocks" },
        { OURS FILE_A "# file 2  a\n", "line 3: digests are missing: 'a' has 1 blocks, 0 are" },
        { OURS FILE_A "# xxh3 0 0123456789abcdef\n", "line 3: digests of no file" },
        { OURS FILE_A "# file 2  a\n# xxh3 1 0123456789abcdef\n", "line 4: block 0 was to follow" },
        { OURS FILE_A "# file 2  a\n# xxh3 0 0123456789abcde\n", "line 4: digest 0 is not 16" },
        { OURS FILE_A "# file 2  a\n# xxh3 0 0123456789abcdef 0123456789abcdef\n",
          "line 4: digest 1 is not 16" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct manifest m;
        struct err e;
        bool ok = parse(&m, rows[i].text, &e);
        if (ok || e.code != ERR_INPUT || !strstr(e.msg, rows[i].says))
            fail_msg("row %zu: '%s', not '%s'", i, e.msg, rows[i].says);
        manifest_free(&m);
    }
}

static void test_other_version(void **state)
{
    (void)state;
    struct manifest m;
    struct err e;
    static const char *const texts[] = { "# weighmaster-manifest 2\n" FILE_A,
                                         "# weighmaster-manifest 10\n" FILE_A,
                                         "# weighmaster-manifest 1 \n" FILE_A };
    for (size_t i = 0; i < 3; i++) {
        assert_false(parse(&m, texts[i], &e));
        assert_int_equal(e.code, ERR_UNSUPPORTED);
    }
}

/* A name with a NUL is no name: the system would open another file. */
static void test_nul_in_name(void **state)
{
    (void)state;
    static const char text[] = SHA_A "  a\0b\n";
    struct manifest m;
    struct err e = { 0 };
    assert_false(manifest_parse(&m, "m", (struct str){ text, sizeof text - 1 }, &e));
    assert_int_equal(e.code, ERR_INPUT);
}

/* ---- whole sources --------------------------------------------------------------------------- */

static void write_of(struct buf *b, const char *source, unsigned jobs)
{
    const struct execute_options opt = { .jobs = jobs, .tile = jobs * 1000 };
    struct manifest m;
    if (!manifest_create(&m, source, NULL, 0, &opt, b->err))
        fail_msg("%s", b->err->msg);
    manifest_write(b, &m);
    manifest_free(&m);
}

static void test_create_is_deterministic(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct buf first = buf_make(&e);
    write_of(&first, "tests/data/tiny-gpt-oss", 1);
    for (unsigned jobs = 2; jobs < 8; jobs += 2) {
        struct buf b = buf_make(&e);
        write_of(&b, "tests/data/tiny-gpt-oss", jobs);
        assert_int_equal(b.len, first.len);
        assert_memory_equal(b.at, first.at, b.len);
        buf_free(&b);
    }
    buf_free(&first);
}

static void test_create_refuses(void **state)
{
    (void)state;
    const struct execute_options opt = { 0 };
    struct manifest m;
    struct err e = { 0 };
    assert_false(manifest_create(&m, tree_path("absent"), NULL, 0, &opt, &e));
    assert_int_equal(e.code, ERR_SYSTEM);
    e = (struct err){ 0 };
    tree_mkdir(tree_path("empty"));
    assert_false(manifest_create(&m, tree_path("empty"), NULL, 0, &opt, &e));
    assert_int_equal(e.code, ERR_INPUT);
    manifest_free(&m);
}

/* The n-th allocation fails, for every n. */
static void test_out_of_memory(void **state)
{
    (void)state;
    struct manifest_file files[3];
    struct leaf leaves[2];
    uint64_t blocks[66];
    struct manifest m, back;
    struct err quiet = { 0 };
    struct buf text = buf_make(&quiet);
    make(&m, files, leaves, blocks);
    manifest_write(&text, &m);
    for (unsigned n = 1;; n++) {
        struct err e = { 0 };
        fault_on(FAULT_MEMORY, n);
        bool ok = manifest_parse(&back, "m", buf_text(&text), &e);
        bool struck = fault_struck();
        fault_on(FAULT_NONE, 0);
        manifest_free(&back);
        if (!struck) {
            assert_true(ok);
            break;
        }
        assert_false(ok);
        assert_int_equal(e.code, ERR_MEMORY);
    }
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_reads_back),
        cmocka_unit_test(test_written_text),
        cmocka_unit_test(test_sha256sum),
        cmocka_unit_test(test_gguf_hash),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_other_version),
        cmocka_unit_test(test_nul_in_name),
        cmocka_unit_test(test_create_is_deterministic),
        cmocka_unit_test(test_create_refuses),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
