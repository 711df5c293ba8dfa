/* release_test.c - which release a folder is, and which of its files differ, are missing or extra.
 */
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "tests/support/shared.h"
#include "tests/support/tree.h"
#include "verify/release.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct execute_options opt = { .jobs = 2 };

/* ---- a table of our own: the content of a file is its path and a number ------------------------
 */

enum { MOST = 9 };
static struct release_file small_files[MOST], large_files[MOST];
static char hexes[2 * MOST][2 * SHA256_BYTES + 1], texts[2 * MOST][64];
static size_t n_texts;

static void add(struct release_file *f, const char *path, int number, bool early)
{
    struct sha256 sha;
    struct err e = { 0 };
    char *text = texts[n_texts], *hex = hexes[n_texts++];
    int n = snprintf(text, sizeof texts[0], "%s of %d", path, number);
    assert_true(sha_of((struct span){ (const uint8_t *)text, (size_t)n }, &sha, &e));
    text_hex(hex, sha.at, SHA256_BYTES);
    *f = (struct release_file){ path, (uint64_t)n, hex, early };
}

static struct release table[] = { { "small", "0123456789abcdef", small_files, MOST },
                                  { "large", "fedcba9876543210", large_files, 3 },
                                  { 0 } };

/* The early row has the length of the final one. */
static int make_table(void **state)
{
    (void)state;
    static const char *const paths[] = { "LICENSE", "config.json", "tokenizer.json" };
    struct release_file *f = small_files;
    for (size_t i = 0; i < 3; i++)
        add(f++, paths[i], i == 1 ? 1 : 3, false);
    add(f++, "generation_config.json", 1, false);
    add(f++, "generation_config.json", 2, true);
    add(f++, "model.safetensors", 1, false);
    add(f++, "original/config.json", 4, false);
    add(f++, "original/model.safetensors", 1, false);
    add(f++, "metal/model.bin", 1, false);
    add(&large_files[0], "config.json", 2, false);
    add(&large_files[1], "tokenizer.json", 3, false); /* shared with small */
    add(&large_files[2], "model.safetensors", 22, false);
    return 0;
}

static const char *folder(void) { return tree_path("copy"); }

static void put(const char *path, const char *text) { tree_text(tree_path("copy/%s", path), text); }

/* The files of `small` whose paths begin with prefix, without it. */
static void put_all(const char *prefix)
{
    tree_remove(folder());
    tree_mkdir(folder());
    tree_mkdir(tree_path("copy/original"));
    tree_mkdir(tree_path("copy/metal"));
    for (size_t i = 0; i < MOST; i++)
        if (str_starts(str_of(small_files[i].path), prefix) && !small_files[i].early)
            put(small_files[i].path + strlen(prefix), texts[i]);
}

static struct release_report report(void)
{
    struct release_report r;
    struct err e = { 0 };
    if (!release_check(&r, folder(), table, &opt, &e))
        fail_msg("%s", e.msg);
    return r;
}

static void expect(const char *verdict, bool published)
{
    struct release_report r = report();
    assert_string_equal(r.verdict, verdict);
    assert_int_equal(r.published, published);
    release_free(&r);
    release_free(&r);
}

static enum release_state state_of(const char *path)
{
    struct release_report r = report();
    enum release_state state = RELEASE_STATES;
    for (size_t i = 0; i < r.n; i++)
        if (str_is(r.items[i].path, path))
            state = r.items[i].state;
    release_free(&r);
    return state;
}

/* ---- verdicts ----------------------------------------------------------------------------------
 */

static void test_complete(void **state)
{
    (void)state;
    put_all("");
    struct release_report r = report();
    assert_string_equal(r.verdict, "small 0123456, complete");
    assert_true(r.published && r.n == MOST - 1 && r.count[RELEASE_EQUAL] == MOST - 1);
    for (enum release_form f = RELEASE_HF; f < RELEASE_PAPERS; f++)
        assert_true(r.form[f].exists && r.form[f].present && r.form[f].complete);
    release_free(&r);
}

/* One form is enough; those without a file are only told of. */
static void test_one_form(void **state)
{
    (void)state;
    put_all("");
    tree_remove(tree_path("copy/original"));
    tree_remove(tree_path("copy/metal/model.bin"));
    struct release_report r = report();
    assert_string_equal(r.verdict, "small 0123456, complete");
    assert_true(r.published && r.count[RELEASE_MISSING] == 0 && !r.form[RELEASE_METAL].present);
    release_free(&r);

    put_all("");
    tree_remove(tree_path("copy/config.json")); /* hf is not complete, but original is */
    expect("small 0123456, complete", true);
    tree_remove(tree_path("copy/original/config.json"));
    tree_remove(tree_path("copy/metal/model.bin"));
    expect("small 0123456, 2 files are missing", false);
    tree_remove(tree_path("copy/original/model.safetensors"));
    expect("small 0123456, 1 file is missing", false); /* original is absent now */
}

static void test_differs(void **state)
{
    (void)state;
    put_all("");
    put("tokenizer.json", "tokenizer.json of 4"); /* of the published size */
    expect("small 0123456, 1 file differs", false);
    assert_int_equal(state_of("tokenizer.json"), RELEASE_DIFFERS);
    put("original/model.safetensors", "of another size");
    expect("small 0123456, 2 files differ", false);
    assert_int_equal(state_of("original/model.safetensors"), RELEASE_DIFFERS);
    tree_remove(tree_path("copy/model.safetensors"));
    tree_remove(tree_path("copy/original/model.safetensors"));
    tree_remove(tree_path("copy/metal/model.bin"));
    expect("small 0123456, 1 file differs, weights missing", false);
}

static void test_early(void **state)
{
    (void)state;
    put_all("");
    put("generation_config.json", "generation_config.json of 2");
    expect("small 0123456, complete", true);
    assert_int_equal(state_of("generation_config.json"), RELEASE_EARLY);
    put("generation_config.json", "generation_config.json of 3");
    assert_int_equal(state_of("generation_config.json"), RELEASE_DIFFERS);
}

static void test_papers_and_extras(void **state)
{
    (void)state;
    put_all("");
    tree_remove(tree_path("copy/LICENSE"));
    put("README.md", "hello");
    put("metal/notes", "hello");
    expect("small 0123456, complete", true);
    assert_int_equal(state_of("LICENSE"), RELEASE_MISSING);
    assert_int_equal(state_of("README.md"), RELEASE_EXTRA);
    assert_int_equal(state_of("metal/notes"), RELEASE_EXTRA);
}

/* A folder of the repository by itself. */
static void test_folder(void **state)
{
    (void)state;
    put_all("original/");
    struct release_report r = report();
    assert_string_equal(r.verdict, "small 0123456, complete");
    assert_string_equal(r.folder, "original/");
    assert_true(r.published && r.n == 2 && !r.form[RELEASE_HF].exists);
    release_free(&r);
    put_all("metal/");
    expect("small 0123456, complete", true);
}

/* ---- which release
 * -------------------------------------------------------------------------------- */

static void test_which(void **state)
{
    (void)state;
    put_all("");
    for (size_t i = 0; i < 3; i++) /* most files of small are still there */
        put(large_files[i].path, texts[MOST + i]);
    tree_remove(tree_path("copy/original"));
    tree_remove(tree_path("copy/metal"));
    tree_remove(tree_path("copy/generation_config.json"));
    expect("large fedcba9, complete", true);

    put_all("none");
    put("tokenizer.json", "tokenizer.json of 3"); /* both have it */
    put("LICENSE", "LICENSE of 3");
    tree_remove(tree_path("copy/LICENSE"));
    expect("no published release that we know", false);
    put("config.json", "config.json of 9"); /* of the size of both: the first */
    expect("small 0123456, 1 file differs, weights missing", false);
    put("model.safetensors", "model.safetensors of 23"); /* of the size of large */
    expect("large fedcba9, 2 files differ", false);
}

static void test_nothing(void **state)
{
    (void)state;
    put_all("none");
    expect("no published release that we know", false);
    struct release_report r;
    struct err e = { 0 };
    put("file", "");
    assert_false(release_check(&r, tree_path("copy/file"), table, &opt, &e));
    assert_int_equal(e.code, ERR_USAGE);
    e = (struct err){ 0 };
    assert_false(release_check(&r, tree_path("copy/absent"), table, &opt, &e));
    assert_int_equal(e.code, ERR_USAGE);
}

/* ---- Git LFS pointers
 * --------------------------------------------------------------------------------- */

static void put_pointer(const struct release_file *f, const char *path, const char *oid)
{
    char text[300];
    snprintf(text, sizeof text,
             "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %llu\n", oid,
             (unsigned long long)f->bytes);
    put(path, text);
}

static void test_pointers(void **state)
{
    (void)state;
    const struct release_file *weights = &small_files[5];
    put_all("");
    put_pointer(weights, "model.safetensors", weights->sha256);
    assert_int_equal(state_of("model.safetensors"), RELEASE_POINTER);
    expect("small 0123456, complete", true); /* by the other forms */
    tree_remove(tree_path("copy/metal"));
    tree_remove(tree_path("copy/original/config.json"));
    expect("small 0123456, 1 file is missing, 1 file was not fetched", false);
    tree_remove(tree_path("copy/original/model.safetensors"));
    expect("small 0123456, weights missing", false);
    put_pointer(weights, "model.safetensors", small_files[0].sha256); /* of something else */
    assert_int_equal(state_of("model.safetensors"), RELEASE_DIFFERS);
    struct release_file longer = *weights;
    longer.bytes++;
    put_pointer(&longer, "model.safetensors", weights->sha256);
    assert_int_equal(state_of("model.safetensors"), RELEASE_DIFFERS);
    put_pointer(weights, "model.safetensors", "abc");
    assert_int_equal(state_of("model.safetensors"), RELEASE_DIFFERS);

    put_all("none"); /* a clone without the large files is recognised */
    put_pointer(weights, "model.safetensors", weights->sha256);
    expect("small 0123456, weights missing", false);
}

/* ---- texts
 * --------------------------------------------------------------------------------------------- */

static void test_texts(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    put_all("");
    put("config.json", "x");
    tree_remove(tree_path("copy/metal"));
    put("a\033b", "");
    struct release_report r = report();
    release_print(&b, &r, true);
    buf_add(&b, "", 1);
    assert_string_equal((const char *)b.at, "small 0123456, 1 file differs\n"
                                            "config.json: differs, has 1 bytes, published were 16\n"
                                            "a\\x1bb: extra, not in the table of this release\n");
    b.len = 0;
    release_json(&b, &r);
    assert_true(json_check("json", buf_text(&b), &e));
    release_free(&r);
    buf_free(&b);
}

/* ---- the built-in table
 * ------------------------------------------------------------------------------------ */

/* Totals as published: the three shards of 20b and the fifteen of 120b. */
static void test_table(void **state)
{
    (void)state;
    static const uint64_t totals[] = { 13761316904, 65248893184 };
    for (size_t i = 0; releases[i].name; i++) {
        uint64_t sum = 0;
        assert_int_equal(strlen(releases[i].revision), 40);
        for (size_t k = 0; k < releases[i].n; k++) {
            const struct release_file *f = &releases[i].files[k];
            uint8_t sha[SHA256_BYTES];
            assert_true(text_unhex(sha, sizeof sha, str_of(f->sha256)));
            if (str_starts(str_of(f->path), "model-"))
                sum += f->bytes;
        }
        assert_true(i < 2 && sum == totals[i]);
    }
}

static void test_real_files(void **state)
{
    (void)state;
    const char *dir = shared_path("real-data/gpt-oss/gpt-oss-20b");
    struct release_report r;
    struct err e = { 0 };
    if (!dir)
        skip();
    assert_true(release_check(&r, dir, releases, &opt, &e));
    assert_string_equal(r.verdict, "gpt-oss-20b 6cee5e8, weights missing");
    assert_true(!r.published && r.count[RELEASE_EQUAL] == 8 && r.count[RELEASE_DIFFERS] == 0);
    release_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_one_form),
        cmocka_unit_test(test_differs),
        cmocka_unit_test(test_early),
        cmocka_unit_test(test_papers_and_extras),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_which),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_real_files),
    };
    return cmocka_run_group_tests_name("release", tests, make_table, NULL);
}
