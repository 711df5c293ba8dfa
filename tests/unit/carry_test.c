/* carry_test.c - files that travel inside an output: they come back as they were, and what was
 * tampered with is refused before anything is written. */
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "formats/carry.h"
#include "tests/support/convert.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny.h"
#include "tests/support/tiny_file.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY "tests/data/tiny-gpt-oss"

static struct plan_options reversible(enum form to, bool one_file)
{
    return (struct plan_options){
        .to = to, .one_file = one_file, .reversible = true, .base = STR("model")
    };
}

static void must(const char *from, const char *to, const struct plan_options *opt)
{
    struct err e = { 0 };
    if (!convert(from, to, opt, &e))
        fail_msg("%s to %s: %s", from, form_name(opt->to), e.msg);
}

static void must_convert(const char *from, const char *to, enum form form)
{
    struct err e = { 0 };
    if (!convert_to(from, to, form, &e))
        fail_msg("%s to %s: %s", from, form_name(form), e.msg);
}

/* The same files with the same bytes in both directories. */
static void assert_same_dir(const char *a, const char *b)
{
    char *x = tree_list(a), *y = tree_list(b), *rest = NULL;
    assert_string_equal(x, y);
    for (char *name = strtok_r(x, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest)) {
        char p[700], q[700];
        snprintf(p, sizeof p, "%s/%s", a, name);
        snprintf(q, sizeof q, "%s/%s", b, name);
        const char *why = files_differ(p, q);
        if (why)
            fail_msg("%s", why);
    }
    free(x);
    free(y);
}

/* ---- there and back -------------------------------------------------------------------------- */

/* A directory with all kinds of other files. */
static void make_source(const char *dir, enum tiny_form form, const struct tiny *t)
{
    char path[700];
    uint8_t *big = malloc(3 << 20);
    uint64_t state = 7;
    tree_remove(dir);
    tiny_write(t, form, dir);
    const struct {
        const char *name;
        struct span bytes;
    } files[] = {
        { "LICENSE", { (const uint8_t *)"do what you like\n", 17 } },
        { "empty", { NULL, 0 } },
        { "README.md", { (const uint8_t *)"# \xe2\x82\xac\r\nno newline at the end", 29 } },
        { "binary.dat", { (const uint8_t *)"\0\xff\xfe\x80 \n", 6 } },
        { "latin1.txt", { (const uint8_t *)"caf\xe9\n", 5 } },
        { "nul.txt", { (const uint8_t *)"a\0b", 3 } },
        { "big.txt", { big, 3 << 20 } },
        { "noise.bin", { big, 300000 } },
        { ".gitattributes", { (const uint8_t *)"* text\n", 7 } },
    };
    for (size_t i = 0; i < 3 << 20; i++)
        big[i] = (uint8_t)('a' + tiny_draw(&state) % 26);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        for (size_t k = 0; i == 7 && k < files[i].bytes.len; k++)
            big[k] = (uint8_t)tiny_draw(&state);
        snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        tree_write(path, files[i].bytes);
    }
    free(big);
}

/* From every directory form through every form we write. */
static void test_directories_come_back(void **state)
{
    (void)state;
    static const enum form forms[] = { FORM_HF, FORM_ORIGINAL, FORM_GGUF };
    const char *in = tree_path("in"), *mid = tree_path("mid"), *back = tree_path("back");
    for (enum tiny_form from = 0; from < TINY_GGUF; from++)
        for (int to = 0; to < 3; to++)
            for (int seed = 0; seed < 4; seed++) {
                struct tiny t = tiny_random((uint64_t)seed);
                struct plan_options opt = reversible(forms[to], forms[to] == FORM_GGUF);
                make_source(in, from, &t);
                tree_remove(mid);
                tree_remove(back);
                must(in, mid, &opt);
                must_convert(mid, back, forms[from]);
                assert_same_dir(in, back);
            }
}

/* A GGUF of any dialect, version, alignment and order, as one file or in a directory. */
static void test_gguf_comes_back(void **state)
{
    (void)state;
    const char *in = tree_path("in.gguf"), *hf = tree_path("gguf-hf"), *gguf = tree_path("g.gguf"),
               *back = tree_path("back.gguf"), *dir = tree_path("gguf-back");
    for (enum tiny_form from = TINY_GGUF; from < TINY_FORMS; from++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            struct tiny t = tiny_random(seed + 50);
            struct plan_options opt = reversible(FORM_HF, false);
            t.tokens = seed == 0;
            t.vocab += 8;
            tree_remove(hf);
            tree_remove(dir);
            tiny_write(&t, from, in);
            must(in, hf, &opt);
            must_convert(hf, back, FORM_GGUF);
            assert_null(files_differ(in, back));
            opt = (struct plan_options){ .to = FORM_GGUF, .base = STR("x") };
            must(hf, dir, &opt);
            assert_null(files_differ(in, tree_path("gguf-back/in.gguf")));
            opt = reversible(FORM_GGUF, true);
            must(in, gguf, &opt); /* a GGUF inside a GGUF */
            must_convert(gguf, back, FORM_GGUF);
            assert_null(files_differ(in, back));
        }
}

/* One .safetensors file, without a directory. */
static void test_single_file_comes_back(void **state)
{
    (void)state;
    const char *dir = tree_path("single"), *gguf = tree_path("single.gguf"),
               *back = tree_path("single-back"), *file = tree_path("single.safetensors");
    struct plan_options opt = reversible(FORM_GGUF, true);
    char config[700];
    tiny_write(&tiny_odd, TINY_HF, dir);
    snprintf(config, sizeof config, "%s/config.json", dir);
    opt.config = config;
    must(tree_path("single/model.safetensors"), gguf, &opt);
    must_convert(gguf, back, FORM_HF);
    char *list = tree_list(back);
    assert_string_equal(list, "model.safetensors\n");
    free(list);
    assert_null(files_differ(tree_path("single/model.safetensors"),
                             tree_path("single-back/model.safetensors")));
    opt = (struct plan_options){ .to = FORM_SAFETENSORS, .one_file = true, .base = STR("x") };
    must(gguf, file, &opt);
    assert_null(files_differ(tree_path("single/model.safetensors"), file));
}

/* What carries may be carried: each way back peels one layer. */
static void test_carrying_again(void **state)
{
    (void)state;
    const char *in = tree_path("again"), *one = tree_path("one.gguf"), *two = tree_path("two"),
               *three = tree_path("three.gguf"), *back = tree_path("peeled");
    struct plan_options gguf = reversible(FORM_GGUF, true), hf = reversible(FORM_ORIGINAL, false);
    make_source(in, TINY_HF, &tiny_odd);
    must(in, one, &gguf);
    must(one, two, &hf);     /* carries the GGUF, which carries the HF form */
    must(one, three, &gguf); /* the same in one file: its keys are carried in its header */
    must_convert(two, back, FORM_GGUF);
    assert_null(files_differ(one, back));
    tree_remove(back);
    must_convert(three, back, FORM_GGUF);
    assert_null(files_differ(one, back));
    tree_remove(back);
    must_convert(one, back, FORM_HF);
    assert_same_dir(in, back);
}

/* Asked for another form, or type, or shards, a carrier is a model like any other. */
static void test_other_forms(void **state)
{
    enum form form;
    (void)state;
    const char *in = tree_path("other"), *gguf = tree_path("other.gguf"),
               *out = tree_path("other-out"), *want = tree_path("other-want");
    struct plan_options opt = reversible(FORM_GGUF, true);
    struct model m = { 0 };
    struct err e = { 0 };
    make_source(in, TINY_HF, &tiny_odd);
    must(in, gguf, &opt);
    tiny_write(&tiny_odd, TINY_ORIGINAL, want);
    must_convert(gguf, out, FORM_ORIGINAL);
    assert_null(tensors_differ(out, want));
    opt = (struct plan_options){
        .to = FORM_GGUF, .type = DTYPE_F32, .one_file = true, .base = STR("x")
    };
    must(gguf, tree_path("f32.gguf"), &opt); /* other weights: nothing is carried on */
    assert_true(model_open(&m, tree_path("f32.gguf"), &e));
    assert_true(carry_form(&m, &form, &e));
    assert_int_equal(form, FORM_NONE);
    model_close(&m);
    must_convert(gguf, tree_path("same.gguf"), FORM_GGUF);
    assert_true(model_open(&m, tree_path("same.gguf"), &e));
    assert_true(carry_form(&m, &form, &e));
    assert_int_equal(form, FORM_HF); /* the same weights: it is */
    model_close(&m);
    tree_remove(out);
    must_convert(tree_path("same.gguf"), out, FORM_HF);
    assert_same_dir(in, out);
}

/* ---- refused at storing
 * --------------------------------------------------------------------------- */

static void refused(const char *in, const struct plan_options *opt, const char *says)
{
    struct err e = { 0 };
    const char *out = tree_path("refused");
    assert_false(convert(in, out, opt, &e));
    if (!strstr(e.msg, says))
        fail_msg("%s", e.msg);
    assert_false(tree_exists(out));
}

static void test_not_storable(void **state)
{
    (void)state;
    const char *in = tree_path("names"), *gguf = tree_path("dirty.gguf");
    struct plan_options hf = reversible(FORM_HF, false), to_gguf = reversible(FORM_GGUF, true);
    make_source(in, TINY_HF, &tiny_odd);
    tree_text(tree_path("names/carry.json"), "x");
    refused(in, &hf, "a file called 'carry.json' cannot be carried");
    must(in, tree_path("names.gguf"), &to_gguf);
    tree_remove(tree_path("names/carry.json"));
    tree_text(tree_path("names/caf\xe9"), "x");
    refused(in, &to_gguf, "cannot be carried");

    make_source(in, TINY_HF, &tiny_odd);
    tree_text(tree_path("names/zeros"), "");
    assert_int_equal(truncate(tree_path("names/zeros"), 64 << 20), 0);
    refused(in, &to_gguf, "readers would refuse to unpack them");
    tree_remove(tree_path("names/zeros"));

    struct tiny t = tiny_odd;
    struct model m = { 0 };
    struct err e = { 0 };
    t.alignment = 256;
    tiny_write(&t, TINY_GGUF, gguf);
    assert_true(model_open(&m, gguf, &e));
    tree_flip(gguf, (long)m.files[0].header.len); /* behind the header */
    assert_true(m.files[0].header.len < m.files[0].data_offset);
    refused(gguf, &hf, "bytes that belong to no tensor are not zero");
    tree_flip(gguf, (long)m.files[0].header.len);
    const struct tensor *norm = model_find(&m, STR("blk.0.attn_q.bias")); /* 240 bytes */
    tree_flip(gguf, (long)(norm->offset + norm->bytes));
    model_close(&m);
    refused(gguf, &hf, "bytes that belong to no tensor are not zero");
    struct plan_options retyped = hf;
    retyped.type = DTYPE_F32;
    retyped.allow_lossy = true;
    refused(in, &retyped, "--reversible and a change of type exclude each other");
    hf.one_file = true;
    refused(tree_path("names.gguf"), &hf, "--reversible needs a GGUF or a directory");
}

/* ---- tampered with
 * ------------------------------------------------------------------------------------ */

static char list_text[4096]; /* weighmaster/carry.json, good */

/* Converts `dir` with its list replaced; returns the message. */
static const char *with_list(const char *text)
{
    static struct err e;
    const char *back = tree_path("tampered-back");
    e = (struct err){ 0 };
    tree_text(tree_path("tampered/weighmaster/carry.json"), text);
    bool ok = convert_to(tree_path("tampered"), back, FORM_HF, &e);
    tree_text(tree_path("tampered/weighmaster/carry.json"), list_text);
    if (ok)
        tree_remove(back);
    assert_false(tree_exists(back));
    return ok ? "no error" : e.msg;
}

/* The good list with one text in it replaced. */
static const char *edited(const char *old, const char *new)
{
    static char text[sizeof list_text + 200];
    const char *at = strstr(list_text, old);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - list_text), list_text, new,
             at + strlen(old));
    return with_list(text);
}

static void test_tampered_directory(void **state)
{
    (void)state;
    const char *in = tree_path("tampered-in"), *dir = tree_path("tampered");
    struct plan_options opt = reversible(FORM_ORIGINAL, false);
    static const struct {
        const char *old, *new, *says;
    } rows[] = {
        { "\"LICENSE\"", "\"LICENSE\"", "no error" },
        { "\"LICENSE\"", "\"../LICENSE\"", "no proper name, size or digest" },
        { "\"LICENSE\"", "\"..\"", "no proper name, size or digest" },
        { "\"LICENSE\"", "\"a/b\"", "no proper name, size or digest" },
        { "\"LICENSE\"", "\"\"", "no proper name, size or digest" },
        { "\"LICENSE\"", "\"x\\ny\"", "no proper name, size or digest" },
        { "\"LICENSE\"", "7", "no proper name, size or digest" },
        { "\"config.json\"", "\"LICENSE\"", "two carried files are called LICENSE" },
        { "\"LICENSE\"", "\"absent\"", "tampered/weighmaster/absent: No such file" },
        { "\"bytes\": 17", "\"bytes\": 16", "the carried file LICENSE is damaged" },
        { "\"bytes\": 17", "\"bytes\": -17", "no proper name, size or digest" },
        { "\"sha256\": \"", "\"sha256\": \"0", "no proper name, size or digest" },
        { "weigh.carry/1", "weigh.carry/2", "carried files of the unknown kind 'weigh.carry/2'" },
        { "\"files\"", "\"filed\"", "the list of carried files is damaged" },
        { "\"weights\": true", "\"weights\": false", "No such file" },
        { "{", "", "carry.json:0x" },
    };
    tree_remove(dir);
    tree_remove(in);
    tiny_write(&tiny_odd, TINY_HF, in);
    tree_text(tree_path("tampered-in/LICENSE"), "do what you like\n");
    must(in, dir, &opt);
    struct str s = fixture_read(tree_path("tampered/weighmaster/carry.json"));
    assert_true(s.len < sizeof list_text);
    memcpy(list_text, s.at, s.len);
    fixture_free(s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *said = edited(rows[i].old, rows[i].new);
        if (!strstr(said, rows[i].says))
            fail_msg("row %zu: %s", i, said);
    }
    assert_non_null(strstr(with_list("{\"schema\": \"weigh.carry/1\", \"form\": \"hf\", "
                                     "\"files\": []}"),
                           "no carried file holds weights"));
    tree_flip(tree_path("tampered/weighmaster/LICENSE"), 3);
    assert_non_null(strstr(with_list(list_text), "restored file LICENSE is not what was stored"));
    tree_flip(tree_path("tampered/weighmaster/LICENSE"), 3);
    tree_flip(tree_path("tampered/model.safetensors"), -1); /* a weight */
    assert_non_null(strstr(with_list(list_text), "restored file model.safetensors is not what"));
    tree_flip(tree_path("tampered/model.safetensors"), -1);
}

/* The carried header must describe tensors that are there, and fit the size that is said. */
static void test_tampered_header(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *says;
    } rows[] = {
        { "[37,96]", "[96,37]", "there is no tensor 'model.embed_tokens.weight' of the shape" },
        { "model.norm.weight", "model.norm.wEight", "there is no tensor 'model.norm.wEight'" },
        { "\"BF16\"", "\"BF17\"", "unknown dtype" },
        { "lm_head.weight", "\\ud800ad.weight", ":0x" },
    };
    const char *header = tree_path("tampered/weighmaster/model.safetensors.header");
    struct str good = fixture_read(header);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str bad = fixture_copy(good);
        char *at = memmem(bad.at, bad.len, rows[i].old, strlen(rows[i].old));
        assert_non_null(at);
        memcpy(at, rows[i].new,
               strlen(rows[i].new) < strlen(rows[i].old) ? strlen(rows[i].new)
                                                         : strlen(rows[i].old));
        tree_write(header, (struct span){ (const uint8_t *)bad.at, bad.len });
        const char *said = with_list(list_text);
        if (!strstr(said, rows[i].says))
            fail_msg("row %zu: %s", i, said);
        fixture_free(bad);
    }
    tree_write(header, (struct span){ (const uint8_t *)good.at, good.len / 2 });
    assert_non_null(strstr(with_list(list_text), "model.safetensors:0x"));
    tree_write(header, (struct span){ (const uint8_t *)good.at, good.len });
    assert_string_equal(with_list(list_text), "no error");
    fixture_free(good);
}

/* ---- a GGUF made by hand
 * ---------------------------------------------------------------------------- */

/* A GGUF that carries `text` as its only other file, in this encoding; the message. */
static const char *hand_made(const char *text, const char *encoding, unsigned bytes,
                             const char *sha)
{
    static struct err e;
    const char *path = tree_path("hand.gguf"), *back = tree_path("hand-back");
    const uint64_t dim = 1;
    const float one = 1;
    char list[600];
    struct tiny_file *f = tiny_file_new();
    e = (struct err){ 0 };
    snprintf(list, sizeof list,
             "{\"schema\": \"weigh.carry/1\", \"form\": \"hf\", \"files\": [{\"name\": \"a\", "
             "\"bytes\": %u, \"sha256\": \"%s\", \"weights\": false, \"encoding\": \"%s\"}]}",
             bytes, sha, encoding);
    tiny_file_key_str(f, "general.architecture", "none");
    tiny_file_key_str(f, CARRY_KEY, list);
    if (text)
        tiny_file_key_str(f, CARRY_KEY_OF_FILE "0", text);
    tiny_file_add(f, "x", DTYPE_F32, 1, &dim, &one, 4);
    tiny_file_gguf(f, path, 3, 32);
    tiny_file_free(f);
    bool ok = convert_to(path, back, FORM_HF, &e);
    assert_false(tree_exists(back));
    return ok ? "no error" : e.msg;
}

#define SHA_OF_HI "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"

static void test_tampered_gguf(void **state)
{
    (void)state;
    static const struct {
        const char *text, *encoding;
        unsigned bytes;
        const char *says;
    } rows[] = {
        { "hi", "text", 2, "no carried file holds weights" }, /* read, and all there is */
        { NULL, "text", 2, "the key weighmaster.file.0 is missing" },
        { "hi!", "text", 2, "the carried file a is damaged" },
        { "KLUv/SACEQAAaGk=", "zstd+base64", 2, "no carried file holds weights" },
        { "KLUv/SACEQAAaGk=", "zstd+base64", 3, "the carried file a is damaged" },
        { "KLUv/SACEQAAaGk", "zstd+base64", 2, "the carried file a is damaged" },
        { "KLUv/SACEQAAaA==", "zstd+base64", 2, "the carried file a is damaged" },
        { "KLUv/SADEQAAaGk=", "zstd+base64", 2, "the carried file a is damaged" },
        { "aGVsbG8=", "zstd+base64", 2, "the carried file a is damaged" },
        /* frames that say they hold 4 GiB, and nothing of what they hold */
        { "KLUv/eAAAAAAAQAAABEAAGhp", "zstd+base64", 2,
          "the carried files take more than 1073741824 bytes" },
        { "KLUv/eAAAAAEAAAAABEAAGhp", "zstd+base64", 2,
          "the carried file a unpacks to 67108864 bytes" },
        { "KLUv/QBYEQAAaGk=", "zstd+base64", 2, "the carried file a is damaged" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *said = hand_made(rows[i].text, rows[i].encoding, rows[i].bytes, SHA_OF_HI);
        if (!strstr(said, rows[i].says) || strcmp(said, "no error") == 0)
            fail_msg("row %zu: %s", i, said);
    }
    assert_non_null(strstr(hand_made("hi", "text", 2, "12"), "no proper name, size or digest"));
}

/* Files that each unpack to much are refused in sum, before they are unpacked. */
static void test_bomb(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct buf list = buf_make(&e);
    const uint64_t dim = 1;
    const float one = 1;
    struct tiny_file *f = tiny_file_new();
    tiny_file_key_str(f, "general.architecture", "none");
    buf_puts(&list, "{\"schema\": \"weigh.carry/1\", \"form\": \"hf\", \"files\": [");
    for (unsigned i = 0; i < 3; i++) {
        /* the first is small; the second says it holds 1 GiB, which with the first is too much */
        buf_printf(&list,
                   "%s{\"name\": \"f%u\", \"bytes\": 2, \"sha256\": \"" SHA_OF_HI
                   "\", \"weights\": false, \"encoding\": \"zstd+base64\"}",
                   i ? ", " : "", i);
        tiny_file_key_str(f, tiny_file_name(CARRY_KEY_OF_FILE "%u", i),
                          i == 0 ? "KLUv/SACEQAAaGk=" : "KLUv/eAAAABAAAAAABEAAGhp");
    }
    buf_add(&list, "]}", 3); /* with the NUL */
    tiny_file_key_str(f, CARRY_KEY, (const char *)list.at);
    tiny_file_add(f, "x", DTYPE_F32, 1, &dim, &one, 4);
    tiny_file_gguf(f, tree_path("bomb.gguf"), 3, 32);
    tiny_file_free(f);
    buf_free(&list);
    assert_false(convert_to(tree_path("bomb.gguf"), tree_path("bomb"), FORM_HF, &e));
    assert_non_null(strstr(e.msg, "the carried files take more than 1073741824 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directories_come_back),
        cmocka_unit_test(test_gguf_comes_back),
        cmocka_unit_test(test_single_file_comes_back),
        cmocka_unit_test(test_carrying_again),
        cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_not_storable),
        cmocka_unit_test(test_tampered_directory),
        cmocka_unit_test(test_tampered_header),
        cmocka_unit_test(test_tampered_gguf),
        cmocka_unit_test(test_bomb),
    };
    return cmocka_run_group_tests_name("carry", tests, NULL, NULL);
}
