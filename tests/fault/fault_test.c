/* fault_test.c - every system call and every allocation of a conversion fails once, and the input
 * changes while it is read: what stood at the destination stays, and nothing else is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/fault.h"
#include "formats/execute.h"
#include "tests/support/child.h"
#include "tests/support/tiny.h"
#include "tests/support/tree.h"
#include "verify/roundtrip.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a small model ---------------------------------------------------------------------- */

static unsigned n_inside; /* what lies in the test's folder when nothing is left over */

static const char *in(const char *name) { return tree_path("%s", name); }

static void must(bool ok, const struct err *e)
{
    if (!ok)
        fail_msg("%d: %s", e->code, e->msg);
}

/* Two shards, a configuration and a tokenizer. */
static void write_source(const char *path)
{
    static const struct tiny small = { .layers = 1,
                                       .experts = 2,
                                       .hidden = 32,
                                       .inner = 32,
                                       .heads = 2,
                                       .kv_heads = 1,
                                       .head_dim = 32,
                                       .vocab = 1024,
                                       .fitting = true,
                                       .seed = 1,
                                       .shards = 2 };
    static const char *const files[] = { "tokenizer.json", "tokenizer_config.json",
                                         "generation_config.json", "chat_template.jinja" };
    tiny_write(&small, TINY_HF, path);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char from[100];
        snprintf(from, sizeof from, "tests/data/tiny-gpt-oss/%s", files[i]);
        tree_copy(from, tree_path("hf/%s", files[i]));
    }
}

/* ---- conversions -------------------------------------------------------------------------- */

struct conversion {
    const char *what, *source, *dest;
    struct plan_options opt;
    bool replace, digests, prove;
};

#define FILE_TO(form) .opt = { .to = (form), .one_file = true }

static const struct conversion conversions[] = {
    { .what = "a GGUF", .source = "hf", .dest = "new.gguf", FILE_TO(FORM_GGUF) },
    { .what = "a GGUF over an old file",
      .source = "hf",
      .dest = "old.gguf",
      FILE_TO(FORM_GGUF),
      .replace = true },
    { .what = "an original directory", .source = "hf", .dest = "new", .opt.to = FORM_ORIGINAL },
    { .what = "an original directory over an old one",
      .source = "hf",
      .dest = "old",
      .opt.to = FORM_ORIGINAL,
      .replace = true },
    { .what = "a set of GGUFs, digested",
      .source = "hf",
      .dest = "new",
      .opt = { .to = FORM_GGUF, .shard_bytes = 20000 },
      .digests = true },
    { .what = "a reversible GGUF, proved",
      .source = "hf",
      .dest = "new.gguf",
      .opt = { .to = FORM_GGUF, .one_file = true, .reversible = true },
      .prove = true },
    { .what = "a restored directory", .source = "r.gguf", .dest = "new", .opt.to = FORM_HF },
    { .what = "an HF directory of F32",
      .source = "r.gguf",
      .dest = "new",
      .opt = { .to = FORM_HF, .type = DTYPE_F32, .shard_bytes = 30000 } },
};
enum { N_CONVERSIONS = sizeof conversions / sizeof *conversions };

/* What weigh-convert does. */
static bool convert(const struct conversion *c, const struct execute_options *run, struct err *e)
{
    struct model m = { 0 };
    struct plan p = { 0 };
    struct arena a = { 0 };
    struct execute_result result;
    struct proof proof;
    struct plan_options opt = c->opt;
    const char *source = in(c->source), *dest = in(c->dest);
    opt.base = STR("x");
    bool ok = model_open(&m, source, e) && plan_make(&p, &m, &opt, e) &&
              output_check(dest, p.directory, c->replace, &source, 1, e) &&
              execute_write(&p, dest, c->replace, run, &result, &a, e);
    plan_free(&p);
    model_close(&m);
    arena_free(&a);
    return ok && (!c->prove || roundtrip_prove(source, dest, NULL, false, true, run, &proof, e));
}

static void make_old(void)
{
    tree_text(in("old.gguf"), "what stood here before");
    tree_mkdir(in("old"));
    tree_text(in("old/file"), "what stood here before");
}

static int set_up(void **state)
{
    struct err e = { 0 };
    const struct conversion carried = {
        .source = "hf",
        .dest = "r.gguf",
        .opt = { .to = FORM_GGUF, .one_file = true, .reversible = true },
    };
    (void)state;
    write_source(in("hf"));
    must(convert(&carried, &(struct execute_options){ 0 }, &e), &e);
    make_old();
    n_inside = tree_count(in(""));
    return 0;
}

/* The conversion's result, and then everything as it was. */
static uint64_t undisturbed(const struct conversion *c)
{
    struct err e = { 0 };
    must(convert(c, &(struct execute_options){ 0 }, &e), &e);
    uint64_t made = tree_sum(in(c->dest));
    tree_remove(in(c->dest));
    if (c->replace)
        make_old();
    return made;
}

/* ---- faults ------------------------------------------------------------------------------- */

static void check_failure(const struct conversion *c, enum fault_kind kind, unsigned n,
                          const struct err *e)
{
    if (e->code != (kind == FAULT_IO ? ERR_SYSTEM : ERR_MEMORY))
        fail_msg("%s: fault %u: %d, %s", c->what, n, e->code, e->msg);
    if (kind == FAULT_IO && !strstr(e->msg, "/weigh-test-"))
        fail_msg("%s: fault %u names no path: %s", c->what, n, e->msg);
}

/* Runs with the n-th event failing; false once n is more than there are. */
static bool run_with_fault(const struct conversion *c, enum fault_kind kind, unsigned n,
                           unsigned jobs, uint64_t before, uint64_t after)
{
    struct err e = { 0 };
    const char *dest = in(c->dest);
    const struct execute_options run = { .jobs = jobs, .tile = 8192, .digests = c->digests };
    unsigned n_fds = tree_count("/proc/self/fd");
    fault_on(kind, n);
    bool ok = convert(c, &run, &e), struck = fault_struck();
    fault_on(FAULT_NONE, 0);
    if (ok != (e.code == ERR_NONE))
        fail_msg("%s: fault %u: ended %s with code %d", c->what, n, ok ? "well" : "badly", e.code);
    if (!ok)
        check_failure(c, kind, n, &e);
    if (!ok && !struck)
        fail_msg("%s: %s", c->what, e.msg);
    uint64_t now = tree_sum(dest);
    bool proving = !ok && c->prove && now == after; /* written, then not proved */
    if (now != (ok || proving ? after : before))
        fail_msg("%s: fault %u (%s): half an output", c->what, n, e.msg);
    if (ok || proving) {
        tree_remove(dest);
        if (c->replace)
            make_old();
    }
    /* A fault may strike the tidying itself; then the next run tidies. */
    if (tree_count(in("")) != n_inside && !(ok && struck))
        fail_msg("%s: fault %u (%s): something is left over", c->what, n, e.msg);
    assert_int_equal(tree_count("/proc/self/fd"), n_fds);
    return struck;
}

static void every_fault(enum fault_kind kind, unsigned jobs, unsigned step)
{
    for (size_t i = 0; i < N_CONVERSIONS; i++) {
        const struct conversion *c = &conversions[i];
        uint64_t before = tree_sum(in(c->dest)), after = undisturbed(c);
        unsigned n = 1, runs = 1;
        for (; run_with_fault(c, kind, n, jobs, before, after); n += step)
            runs++;
        print_message("%s: %u runs\n", c->what, runs);
        assert_true(n > 20);
        assert_int_equal(tree_count(in("")), n_inside);
    }
}

/* Under the sanitizer there are many more allocations: each stands alone. */
static unsigned stride(unsigned n) { return sanitized() ? 5 * n : n; }

static void every_call_fails(void **state)
{
    (void)state;
    every_fault(FAULT_IO, 1, 1);
}

static void every_allocation_fails(void **state)
{
    (void)state;
    every_fault(FAULT_MEMORY, 1, stride(1));
}

static void calls_fail_in_threads(void **state)
{
    (void)state;
    every_fault(FAULT_IO, 3, 5);
}

static void allocations_fail_in_threads(void **state)
{
    (void)state;
    every_fault(FAULT_MEMORY, 3, stride(7));
}

/* ---- an input that changes ------------------------------------------------------------------ */

enum change { CUT, CUT_TO_NOTHING, APPEND, REWRITE, CHANGES };

/* Changes one source file when the run has come that far. */
struct moving {
    const char *file;
    enum change change;
    unsigned at, calls;
};

static void age(const char *path)
{
    const struct timespec long_ago[2] = { { 1577836800, 0 }, { 1577836800, 0 } };
    assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

static void change_file(const struct moving *m)
{
    struct stat st;
    int fd = open(m->file, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    switch (m->change) {
    case CUT: assert_int_equal(ftruncate(fd, st.st_size - 1), 0); break;
    case CUT_TO_NOTHING: assert_int_equal(ftruncate(fd, 0), 0); break;
    case APPEND: assert_int_equal(pwrite(fd, "x", 1, st.st_size), 1); break;
    default: assert_int_equal(pwrite(fd, "x", 1, st.st_size / 2), 1); break;
    }
    close(fd);
}

static void step(void *ctx, uint64_t done, uint64_t total)
{
    struct moving *m = ctx;
    (void)done, (void)total;
    if (m->calls++ == m->at)
        change_file(m);
}

/* Runs c while file changes at that point; false if the run was over before. */
static bool run_moving(const struct conversion *c, struct moving *m)
{
    struct err e = { 0 };
    const struct execute_options run = { .jobs = 1, .tile = 2048, .progress = step, .ctx = m };
    m->calls = 0;
    bool ok = convert(c, &run, &e), struck = m->calls > m->at;
    if (ok == struck || (struck && (e.code != ERR_INPUT || !strstr(e.msg, m->file))))
        fail_msg("%s: change %d of %s at %u: %d, %s", c->what, m->change, m->file, m->at, e.code,
                 e.msg);
    if (ok)
        tree_remove(in(c->dest));
    assert_int_equal(tree_count(in("")), n_inside + 1);
    return struck;
}

static unsigned every_point(const struct conversion *c, const char *file)
{
    unsigned points = 0;
    char kept[1024];
    snprintf(kept, sizeof kept, "%s", in("kept"));
    tree_copy(file, kept);
    for (struct moving m = { .file = file }; m.change < CHANGES; m.change++)
        for (m.at = 0;; m.at += 3) {
            age(file);
            bool struck = run_moving(c, &m);
            tree_copy(kept, file);
            if (!struck)
                break;
            points++;
        }
    tree_remove(kept);
    return points;
}

static void changes_are_noticed(void **state)
{
    (void)state;
    static const char *const files[] = { "hf/model-00001-of-00002.safetensors",
                                         "hf/model-00002-of-00002.safetensors", "r.gguf" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const struct conversion c = { .what = files[i],
                                      .source = i < 2 ? "hf" : "r.gguf",
                                      .dest = "moved",
                                      .opt = { .to = FORM_ORIGINAL } };
        char path[1024];
        snprintf(path, sizeof path, "%s", in(files[i]));
        unsigned points = every_point(&c, path);
        print_message("%s: %u points\n", files[i], points);
        assert_true(points > 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fails),      cmocka_unit_test(every_allocation_fails),
        cmocka_unit_test(calls_fail_in_threads), cmocka_unit_test(allocations_fail_in_threads),
        cmocka_unit_test(changes_are_noticed),
    };
    return cmocka_run_group_tests_name("fault", tests, set_up, NULL);
}
