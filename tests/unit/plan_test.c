/* plan_test.c - a plan foretells every byte and every buffer; running it gives the same bytes
 * however it is cut; as text it is stable and can be asked for again. */
#include "formats/base/json.h"
#include "formats/execute.h"
#include "formats/plan_text.h"
#include "tests/support/convert.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny.h"
#include "tests/support/tiny_file.h"
#include "tests/support/tree.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define TINY "tests/data/tiny-gpt-oss"

static void open_plan(struct model *m, struct plan *p, const char *path,
                      const struct plan_options *opt)
{
    struct err e = { 0 };
    *m = (struct model){ 0 };
    if (!model_open(m, path, &e) || !plan_make(p, m, opt, &e))
        fail_msg("%s: %s", path, e.msg);
}

static void close_plan(struct model *m, struct plan *p)
{
    plan_free(p);
    model_close(m);
}

static void write_plan(const struct plan *p, const char *path, const struct execute_options *run)
{
    struct execute_result result;
    struct arena a = { 0 };
    struct err e = { 0 };
    if (!execute_write(p, path, true, run, &result, &a, &e))
        fail_msg("%s", e.msg);
    arena_free(&a);
}

static uint64_t size_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        fail_msg("%s is not there", path);
    return (uint64_t)st.st_size;
}

static const struct plan_options all[] = {
    { .to = FORM_GGUF, .one_file = true, .base = { "x", 1 } },
    { .to = FORM_GGUF, .shard_bytes = 5000, .base = { "x", 1 } },
    { .to = FORM_HF, .base = { "x", 1 } },
    { .to = FORM_HF, .shard_bytes = 7000, .base = { "x", 1 } },
    { .to = FORM_ORIGINAL, .base = { "x", 1 } },
    { .to = FORM_SAFETENSORS, .one_file = true, .base = { "x", 1 } },
    { .to = FORM_HF, .reversible = true, .base = { "x", 1 } },
    { .to = FORM_GGUF, .type = DTYPE_F32, .one_file = true, .base = { "x", 1 } },
    { .to = FORM_HF, .type = DTYPE_F16, .base = { "x", 1 } },
};
enum { N_ALL = sizeof all / sizeof *all };

/* ---- sizes and places ---------------------------------------------------------------------- */

/* Every file has its size, every tensor its place. */
static void check_places(const struct plan *p, const char *path)
{
    struct model m = { 0 };
    struct err e = { 0 };
    uint64_t sum = 0;
    for (size_t i = 0; i < p->out.n_files + p->n_extras; i++) {
        bool weights = i < p->out.n_files;
        struct str name = weights ? p->out.files[i].name : p->extras[i - p->out.n_files].name;
        char file[700];
        snprintf(file, sizeof file, p->directory ? "%s/" STR_FMT : "%s", path, STR_ARG(name));
        sum += size_of(file);
        assert_true(size_of(file) ==
                    (weights ? p->out.files[i].size : p->extras[i - p->out.n_files].size));
    }
    assert_true(sum == plan_bytes(p));
    assert_true(model_open(&m, path, &e));
    assert_int_equal(m.n_tensors, p->out.n_tensors);
    for (size_t i = 0; i < p->out.n_tensors; i++) {
        const struct tensor *t = &p->out.tensors[i], *w = model_find(&m, t->name);
        assert_non_null(w);
        assert_true(w->offset == t->offset && w->bytes == t->bytes && w->dtype == t->dtype);
        assert_true(str_eq(m.files[w->file].name, p->out.files[t->file].name) || !p->directory);
    }
    model_close(&m);
}

static void test_sizes(void **state)
{
    (void)state;
    const char *in = tree_path("in"), *out = tree_path("out");
    const struct execute_options run = { .jobs = 2 };
    for (uint64_t seed = 0; seed < 8; seed++)
        for (size_t i = 0; i < N_ALL; i++) {
            struct tiny t = tiny_random(seed);
            struct model m;
            struct plan p;
            tree_remove(in);
            tree_remove(out);
            tiny_write(&t, (enum tiny_form)(seed % TINY_FORMS), in);
            open_plan(&m, &p, in, &all[i]);
            write_plan(&p, out, &run);
            check_places(&p, out);
            close_plan(&m, &p);
        }
}

/* Two files of a run; a shard never holds more than it may, but for a single tensor. */
static void test_shards(void **state)
{
    (void)state;
    struct model m;
    struct plan p;
    struct plan_options opt = { .to = FORM_HF, .shard_bytes = 40000, .base = STR("x") };
    tree_remove(tree_path("shards-in"));
    tiny_write(&tiny_odd, TINY_GGUF, tree_path("shards-in"));
    open_plan(&m, &p, tree_path("shards-in"), &opt);
    assert_true(p.out.n_files > 3);
    for (size_t f = 0; f < p.out.n_files; f++) {
        uint64_t bytes = 0;
        size_t n = 0;
        for (size_t i = 0; i < p.out.n_tensors; i++)
            if (p.out.tensors[i].file == f) {
                bytes += p.out.tensors[i].bytes;
                n++;
            }
        assert_true(n == 1 || bytes <= 40000);
    }
    char last[40]; /* numbered from 0, "of" is the last number */
    snprintf(last, sizeof last, "model-%05zu-of-%05zu.safetensors", p.out.n_files - 1,
             p.out.n_files - 1);
    assert_true(str_is(p.out.files[p.out.n_files - 1].name, last));
    assert_true(str_is(p.extras[p.n_extras - 1].name, "model.safetensors.index.json"));
    close_plan(&m, &p);
}

/* ---- however it is cut ------------------------------------------------------------------------
 */

static struct sha256 digest(const struct plan *p, const struct execute_options *run)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct file_digest *files = arena_new(&a, struct file_digest, p->out.n_files, &e);
    if (!files || !execute_digests(p, run, NULL, files, &a, &e))
        fail_msg("%s", e.msg);
    struct sha256 sha = files[0].sha;
    arena_free(&a);
    return sha;
}

static void test_same_bytes(void **state)
{
    (void)state;
    static const struct execute_options runs[] = {
        { .jobs = 1, .tile = 1 },     { .jobs = 2, .tile = 997 },  { .jobs = 7, .tile = 1 << 20 },
        { .jobs = 3, .tile = 30000 }, { .jobs = 4, .mem = 60000 },
    };
    const char *in = tree_path("cut-in"), *out = tree_path("cut-out");
    for (uint64_t seed = 0; seed < 4; seed++) {
        struct tiny t = tiny_random(seed + 30);
        tree_remove(in);
        tiny_write(&t, TINY_HF, in);
        for (size_t i = 0; i < N_ALL; i++) {
            struct model m;
            struct plan p;
            struct err e = { 0 };
            struct sha256 written;
            if (all[i].shard_bytes) /* files[0] stands for all */
                continue;
            open_plan(&m, &p, in, &all[i]);
            struct sha256 want = digest(&p, &runs[0]);
            for (size_t k = 1; k < sizeof runs / sizeof *runs; k++) {
                struct sha256 got = digest(&p, &runs[k]);
                assert_memory_equal(&got, &want, sizeof want);
            }
            write_plan(&p, out, &runs[2]); /* and the null writer told what is written */
            struct str s = fixture_read(p.directory ? tree_path("cut-out/model.safetensors") : out);
            assert_true(sha_of((struct span){ (const uint8_t *)s.at, s.len }, &written, &e));
            assert_memory_equal(&written, &want, sizeof want);
            fixture_free(s);
            tree_remove(out);
            close_plan(&m, &p);
        }
    }
}

/* ---- memory
 * -------------------------------------------------------------------------------------- */

static void test_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ALL; i++) {
        struct model m;
        struct plan p;
        struct err e = { 0 };
        uint64_t free_run, least = 0, at_least;
        struct execute_options run = { .jobs = 3 };
        open_plan(&m, &p, TINY, &all[i]);
        assert_true(execute_memory(&p, &run, &free_run, &e));
        run.mem = 1;
        assert_false(execute_memory(&p, &run, &least, &e));
        assert_int_equal(e.code, ERR_MEMORY);
        assert_int_equal(sscanf(e.hint, "give --mem at least %" SCNu64, &least), 1);
        run.mem = least;
        e = (struct err){ 0 };
        assert_true(execute_memory(&p, &run, &at_least, &e)); /* the hint holds, to the byte */
        assert_true(at_least == least && least <= free_run);
        struct sha256 small = digest(&p, &run);
        run.mem = 0;
        struct sha256 large = digest(&p, &run);
        assert_memory_equal(&small, &large, sizeof small);
        run.mem = least - 1;
        assert_false(execute_memory(&p, &run, &at_least, &e));
        struct tile_memory most = { 0 }; /* the sum of the largest buffer of each kind */
        for (size_t k = 0; k < p.out.n_tensors; k++)
            recipe_memory(&p.recipes[k], recipe_rows(&p.recipes[k]), &most);
        run = (struct execute_options){ .jobs = 3, .tile = 1 << 30 };
        assert_true(execute_memory(&p, &run, &at_least, &e));
        assert_true(at_least == 3 * (most.out + most.in[0] + most.in[1] + most.turned));
        run.tile = 0;
        for (run.mem = least; run.mem < free_run; run.mem += free_run / 7 + 1)
            assert_true(execute_memory(&p, &run, &at_least, &e) && at_least <= run.mem);
        close_plan(&m, &p);
    }
}

/* ---- loss ---------------------------------------------------------------------------------------
 */

static void test_loss_is_counted(void **state)
{
    (void)state;
    const char *dir = tree_path("loss"), *out = tree_path("loss.safetensors");
    const float x[4] = { 1, 1.0009765625F, 1e30F, 0.5F };
    const uint64_t n = 4;
    struct tiny_file *f = tiny_file_new();
    struct model m;
    struct plan p;
    struct err e = { 0 };
    struct arena a = { 0 };
    struct execute_result result;
    const struct execute_options run = { .jobs = 1 };
    struct plan_options opt = {
        .to = FORM_SAFETENSORS, .type = DTYPE_F16, .one_file = true, .base = STR("x")
    };
    tree_mkdir(dir);
    tiny_file_add(f, "x", DTYPE_F32, 1, &n, x, sizeof x);
    tiny_file_safetensors(f, dir, 0, false);
    tiny_file_free(f);
    open_plan(&m, &p, dir, &opt);
    assert_true(execute_write(&p, out, false, &run, &result, &a, &e));
    assert_int_equal(result.lost[0], 1); /* 1e30: F16 holds the others */
    arena_free(&a);
    close_plan(&m, &p);
}

/* q and k are of other types: joined they are F32, and nothing is lost. */
static void test_joined_types(void **state)
{
    (void)state;
    const char *in = tree_path("mixed"), *out = tree_path("mixed-original"),
               *back = tree_path("mixed-back");
    struct model m = { 0 };
    struct err e = { 0 };
    struct tiny t = tiny_odd;
    t.layers = 1;
    t.shards = 3; /* v is in the second */
    tiny_write(&t, TINY_HF, in);
    /* the first shard in another type: written anew as F32 beside the second as it is */
    struct plan_options opt = {
        .to = FORM_SAFETENSORS, .type = DTYPE_F32, .one_file = true, .base = STR("x")
    };
    const char *shard = tree_path("mixed/model-00001-of-00003.safetensors"),
               *alone = tree_path("alone"), *wide = tree_path("wide.safetensors");
    tree_mkdir(alone);
    tree_copy(shard, tree_path("alone/model.safetensors"));
    tree_text(tree_path("alone/config.json"), "{\"model_type\": \"none\"}");
    assert_true(convert(alone, wide, &opt, &e));
    tree_copy(wide, shard);
    assert_true(convert_to(in, out, FORM_ORIGINAL, &e));
    assert_true(convert_to(out, back, FORM_HF, &e));
    assert_null(values_differ(in, back));
    assert_true(model_open(&m, out, &e));
    assert_int_equal(model_find(&m, STR("block.0.attn.qkv.weight"))->dtype, DTYPE_F32);
    model_close(&m);
}

/* ---- as text
 * -------------------------------------------------------------------------------------- */

static struct buf json_of(const char *source, const struct plan_options *opt, struct err *e)
{
    struct buf b = buf_make(e);
    struct model m;
    struct plan p;
    struct plan_request request = { source, "some/where", *opt };
    open_plan(&m, &p, source, opt);
    plan_json(&b, &p, &request);
    close_plan(&m, &p);
    return b;
}

static void test_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ALL; i++) {
        struct err e = { 0 };
        struct arena a = { 0 };
        struct plan_request r;
        const char *path = tree_path("plan.json");
        struct buf b = json_of(TINY, &all[i], &e), again = json_of(TINY, &all[i], &e);
        assert_true(json_check("plan", buf_text(&b), &e));
        assert_int_equal(b.len, again.len);
        assert_memory_equal(b.at, again.at, b.len);
        tree_write(path, buf_span(&b));
        if (!plan_request_read(path, &r, &a, &e))
            fail_msg("%s", e.msg);
        assert_string_equal(r.source, TINY);
        assert_string_equal(r.dest, "some/where");
        assert_true(r.options.to == all[i].to && r.options.type == all[i].type &&
                    r.options.shard_bytes == all[i].shard_bytes &&
                    r.options.one_file == all[i].one_file &&
                    r.options.reversible == all[i].reversible && str_is(r.options.base, "x"));
        arena_free(&a);
        buf_free(&b);
        buf_free(&again);
    }
}

/* Each step of each tensor says whether it is exact, and what undoes it. */
static void test_steps(void **state)
{
    (void)state;
    static const char *const exact[] = { "copy",      "slice", "interleave", "concat",
                                         "transpose", "widen", "repack",     "split" };
    for (size_t i = 0; i < N_ALL; i++) {
        struct err e = { 0 };
        struct buf b = json_of(TINY, &all[i], &e);
        cJSON *tree = json_tree("plan", buf_text(&b), &e);
        size_t steps = 0;
        const cJSON *t, *from, *s;
        cJSON_ArrayForEach(t, json_at(tree, "tensors")) cJSON_ArrayForEach(from, json_at(t, "from"))
            cJSON_ArrayForEach(s, json_at(from, "steps"))
        {
            struct str name, undo;
            bool found = false;
            assert_true(json_get_str(s, "step", &name) && json_get_str(s, "undo", &undo));
            for (size_t k = 0; k < sizeof exact / sizeof *exact; k++)
                found = found || str_is(name, exact[k]);
            assert_int_equal(cJSON_IsTrue(json_at(s, "exact")), found);
            assert_int_equal(str_is(undo, "nothing"), !found);
            steps++;
        }
        assert_true(steps >= 63);
        cJSON_Delete(tree);
        buf_free(&b);
    }
}

static void test_print(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    struct model m;
    struct plan p;
    open_plan(&m, &p, TINY, &all[0]);
    plan_print(&b, &p, 1000);
    buf_add(&b, "", 1);
    const char *text = (const char *)b.at;
    assert_non_null(strstr(text, "blk.0.ffn_up_exps.weight  mxfp4 [8,128,128]  <-  "
                                 "model.layers.0.mlp.experts.gate_up_proj_blocks + "
                                 "model.layers.0.mlp.experts.gate_up_proj_scales rows 1::2: slice, "
                                 "repack\n"));
    assert_non_null(strstr(text, "token_embd.weight  bf16 [1024,128]  <-  "
                                 "model.embed_tokens.weight: copy\n"));
    assert_non_null(strstr(text, "working memory 1.00 kB\n"));
    buf_free(&b);
    close_plan(&m, &p);
    b = buf_make(&e);
    open_plan(&m, &p, TINY, &all[8]);
    plan_print(&b, &p, 1000);
    buf_add(&b, "", 1);
    text = (const char *)b.at;
    assert_non_null(strstr(text, "gate_up_proj  f16 [8,128,256]  <-  "));
    assert_non_null(strstr(text, "transpose, decode (not exact)\n"));
    assert_null(strstr(text, ": copy")); /* all were BF16 or MXFP4 */
    buf_free(&b);
    close_plan(&m, &p);
}

static void test_wrong_requests(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{\"schema\": \"weigh.plan/1\"}",
        "{\"schema\": \"weigh.plan/2\", \"source\": \"x\", \"to\": \"hf\", \"type\": \"keep\"}",
        "{\"schema\": \"weigh.plan/1\", \"source\": \"x\", \"to\": \"hg\", \"type\": \"keep\"}",
        "{\"schema\": \"weigh.plan/1\", \"source\": \"x\", \"to\": \"hf\", \"type\": \"q8_0\"}",
        "{\"schema\": \"weigh.plan/1\", \"source\": \"x\", \"to\": \"hf\", \"type\": \"f8\"}",
        "{\"schema\": \"weigh.plan/1\", \"source\": 7, \"to\": \"hf\", \"type\": \"keep\"}",
        "{\"schema\": \"weigh.plan/1\", \"source\": \"x\", \"source\": \"y\", \"to\": \"hf\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct plan_request r;
        struct arena a = { 0 };
        struct err e = { 0 };
        tree_text(tree_path("wrong.json"), texts[i]);
        assert_false(plan_request_read(tree_path("wrong.json"), &r, &a, &e));
        assert_int_equal(e.code, ERR_INPUT);
        arena_free(&a);
    }
}

/* ---- what cannot be planned
 * -------------------------------------------------------------------------- */

static const char *refused(const char *path, const struct plan_options *opt, enum err_code *code)
{
    static struct err e;
    struct model m = { 0 };
    struct plan p = { 0 };
    e = (struct err){ 0 };
    bool ok = model_open(&m, path, &e) && plan_make(&p, &m, opt, &e);
    close_plan(&m, &p);
    *code = e.code;
    return ok ? "no error" : e.msg;
}

static void test_refused(void **state)
{
    (void)state;
    struct plan_options opt = {
        .to = FORM_GGUF, .one_file = true, .shard_bytes = 1, .base = STR("x")
    };
    enum err_code code;
    assert_non_null(strstr(refused(TINY, &opt, &code), "--shard-size makes several files"));
    assert_int_equal(code, ERR_USAGE);

    const char *dir = tree_path("unknown");
    const uint64_t n = 1, none = 0;
    struct tiny_file *f = tiny_file_new();
    tree_mkdir(dir);
    tiny_file_add(f, "a", DTYPE_U8, 1, &n, "x", 1);
    tiny_file_safetensors(f, dir, 0, false);
    opt = (struct plan_options){ .to = FORM_ORIGINAL, .base = STR("x") };
    assert_non_null(strstr(refused(dir, &opt, &code), "the architecture is not known"));
    assert_int_equal(code, ERR_UNSUPPORTED);
    opt = (struct plan_options){ .to = FORM_GGUF, .one_file = true, .base = STR("x") };
    assert_string_equal(refused(dir, &opt, &code), "tensor 'a' is u8, which GGUF cannot hold");
    tiny_file_free(f);
    f = tiny_file_new();
    tiny_file_add(f, "e", DTYPE_F32, 1, &none, "", 0);
    tiny_file_safetensors(f, dir, 0, false);
    assert_string_equal(refused(dir, &opt, &code), "tensor 'e' is empty, GGUF cannot hold it");
    tiny_file_free(f);
}

/* Of no family: through GGUF and back the same tensors; a scalar comes back as [1]. */
static void test_container(void **state)
{
    (void)state;
    const char *dir = tree_path("container"), *gguf = tree_path("container.gguf"),
               *back = tree_path("container-back");
    const uint64_t dims[3] = { 2, 1, 3 };
    struct err e = { 0 };
    struct tiny_file *f = tiny_file_new();
    tree_mkdir(dir);
    tiny_file_add(f, "z.weight", DTYPE_F32, 3, dims, "0123456789abcdefghijklmn", 24);
    tiny_file_add(f, "a.weight", DTYPE_BF16, 1, dims, "wxyz", 4);
    tiny_file_add(f, "m", DTYPE_F16, 2, dims, "pqrs", 4);
    tiny_file_safetensors(f, dir, 0, true);
    tiny_file_free(f);
    tree_text(tree_path("container/config.json"), "{\"model_type\": \"bert\"}\n");
    assert_true(convert_to(dir, gguf, FORM_GGUF, &e));
    assert_true(convert_to(gguf, back, FORM_SAFETENSORS, &e));
    assert_null(tensors_differ(dir, back));
    tree_remove(back);
    assert_true(convert_to(dir, back, FORM_SAFETENSORS, &e)); /* files travel along */
    assert_null(
        files_differ(tree_path("container/config.json"), tree_path("container-back/config.json")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_loss_is_counted),
        cmocka_unit_test(test_joined_types),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_wrong_requests),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_container),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
