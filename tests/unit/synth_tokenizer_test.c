/* synth_tokenizer_test.c - made-up vocabularies have every property a trained one has. */
#include "formats/base/digest.h"
#include "formats/base/fault.h"
#include "formats/base/file.h"
#include "formats/base/names.h"
#include "formats/bpe.h"
#include "formats/synth_tokenizer.h"
#include "tests/support/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TINY "tests/data/tiny-gpt-oss/"

/* A vocabulary made and read back. */
struct made {
    struct arena arena;
    struct vocab_sources files;
    struct bpe bpe;
    struct names ids; /* token -> id */
};

static void made_open(struct made *m, uint64_t n_text, uint64_t n_merges)
{
    struct err e = { 0 };
    *m = (struct made){ 0 };
    if (!synth_tokenizer(n_text, n_merges, &m->files, &m->arena, &e) ||
        !bpe_read(&m->bpe, "made", m->files.tokenizer_json, n_text + SYNTH_SPECIALS, &m->arena, &e))
        fail_msg("%s", e.msg);
    for (uint64_t id = 0; id < m->bpe.n_tokens; id++) {
        size_t old;
        assert_true(names_add(&m->ids, m->bpe.tokens[id].text, (size_t)id, &old, &e));
    }
}

static void made_close(struct made *m)
{
    names_free(&m->ids);
    bpe_free(&m->bpe);
    arena_free(&m->arena);
}

/* ids of the left part, the right part and the whole of the merge at *at. */
struct merge {
    size_t left, right, whole;
};

static struct merge next_merge(const struct made *m, size_t *at)
{
    const struct meta array = { .type = META_ARRAY,
                                .item = META_STRING,
                                .bytes = buf_span(&m->bpe.merges) };
    struct str s;
    assert_true(meta_next_str(&array, at, &s));
    size_t gap = (size_t)((const char *)memchr(s.at, ' ', s.len) - s.at);
    char whole[64];
    assert_true(s.len <= sizeof whole);
    memcpy(whole, s.at, gap);
    memcpy(whole + gap, s.at + gap + 1, s.len - gap - 1);
    struct merge g = { names_find(&m->ids, (struct str){ s.at, gap }),
                       names_find(&m->ids, (struct str){ s.at + gap + 1, s.len - gap - 1 }),
                       names_find(&m->ids, (struct str){ whole, s.len - 1 }) };
    assert_true(g.left != NAMES_NONE && g.right != NAMES_NONE && g.whole != NAMES_NONE);
    return g;
}

static bool before(struct merge a, struct merge b)
{
    if (a.whole != b.whole)
        return a.whole < b.whole;
    return a.left != b.left ? a.left < b.left : a.right < b.right;
}

/* Every merge joins two tokens of lower rank into one, in order, and every token that is
 * no byte comes out of at least one. */
static void check_merges(const struct made *m, uint64_t n_text)
{
    struct merge last = { 0, 0, 0 };
    size_t at = 0, reached = 256;
    for (uint64_t i = 0; i < m->bpe.n_merges; i++) {
        struct merge g = next_merge(m, &at);
        assert_true(g.left < g.whole && g.right < g.whole);
        assert_true(before(last, g));
        reached += g.whole != last.whole;
        last = g;
    }
    assert_int_equal(reached, n_text);
    assert_int_equal(at, m->bpe.merges.len);
}

/* Nor is there a split into two tokens that is no merge. */
static uint64_t count_splits(const struct made *m, uint64_t n_text)
{
    uint64_t n = 0;
    for (uint64_t id = 0; id < n_text; id++) {
        struct str t = m->bpe.tokens[id].text;
        for (size_t k = 1; k < t.len; k++)
            n += names_find(&m->ids, (struct str){ t.at, k }) != NAMES_NONE &&
                 names_find(&m->ids, (struct str){ t.at + k, t.len - k }) != NAMES_NONE;
    }
    return n;
}

static void test_gpt_oss(void **state)
{
    (void)state;
    struct made m;
    made_open(&m, SYNTH_GPT_OSS_TEXT, SYNTH_GPT_OSS_MERGES);
    struct str json = m.files.tokenizer_json;
    assert_in_range(json.len, 27000000, 29000000); /* released: 27868174 */
    assert_int_equal(m.bpe.n_tokens, 200019);
    assert_int_equal(m.bpe.n_merges, 446189);
    assert_string_equal(m.bpe.split->pre, "gpt-4o");
    check_merges(&m, SYNTH_GPT_OSS_TEXT);
    /* The same bytes for ever: a synthetic checkpoint is known by its digest. */
    assert_int_equal(xxh3_of((struct span){ (const uint8_t *)json.at, json.len }),
                     0x54d93b706ace1599);
    made_close(&m);
}

static struct str slurp(const char *path, struct arena *a)
{
    struct err e = { 0 };
    struct span s;
    if (!file_slurp(path, 1 << 20, a, &s, &e))
        fail_msg("%s", e.msg);
    return (struct str){ (const char *)s.at, s.len };
}

/* The companions hold ids and names of special tokens alone: they equal the released ones. */
static void test_released_companions(void **state)
{
    (void)state;
    const char *config = shared_path("real-data/gpt-oss/gpt-oss-20b/tokenizer_config.json");
    const char *map = shared_path("real-data/gpt-oss/gpt-oss-20b/special_tokens_map.json");
    const char *generation = shared_path("real-data/gpt-oss/gpt-oss-20b/generation_config.json");
    if (!config || !map || !generation)
        skip();
    struct made m;
    made_open(&m, SYNTH_GPT_OSS_TEXT, 0);
    assert_true(str_eq(m.files.tokenizer_config_json, slurp(config, &m.arena)));
    assert_true(str_eq(m.files.special_tokens_map_json, slurp(map, &m.arena)));
    assert_true(str_eq(m.files.generation_config_json, slurp(generation, &m.arena)));
    made_close(&m);
}

/* Companions and the bytes at the front are those of a trained tokenizer of that size. */
static void test_trained(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct bpe b;
    struct made m;
    made_open(&m, 998, 0);
    assert_true(
        str_eq(m.files.tokenizer_config_json, slurp(TINY "tokenizer_config.json", &m.arena)));
    assert_true(
        str_eq(m.files.special_tokens_map_json, slurp(TINY "special_tokens_map.json", &m.arena)));
    assert_true(str_starts(m.files.chat_template_jinja, "{#- "));
    assert_true(bpe_read(&b, "tiny", slurp(TINY "tokenizer.json", &m.arena), 1024, &m.arena, &e));
    for (size_t id = 0; id < 256; id++)
        assert_true(str_eq(m.bpe.tokens[id].text, b.tokens[id].text));
    bpe_free(&b);
    made_close(&m);
}

static void test_every_small_size(void **state)
{
    (void)state;
    for (uint64_t n = 256; n < 1100; n += n < 400 ? 1 : 37) {
        struct made m;
        made_open(&m, n, 0);
        assert_int_equal(m.bpe.n_tokens, n + SYNTH_SPECIALS);
        check_merges(&m, n);
        assert_int_equal(count_splits(&m, n), m.bpe.n_merges);
        made_close(&m);
    }
}

static void test_exact_merges(void **state)
{
    (void)state;
    for (uint64_t n = 19200; n < 26000; n += 997) {
        struct made m;
        made_open(&m, 10000, n);
        assert_int_equal(m.bpe.n_merges, n);
        check_merges(&m, 10000);
        assert_int_equal(count_splits(&m, 10000), n);
        made_close(&m);
    }
}

static void test_impossible(void **state)
{
    (void)state;
    static const struct {
        uint64_t n_text, n_merges;
        const char *says;
    } rows[] = {
        { 0, 0, "a vocabulary of 0" },
        { 255, 0, "a vocabulary of 255" },
        { (1 << 24) + 1, 0, "a vocabulary of 16777217" },
        { UINT64_MAX, 0, "a vocabulary of" },
        { 256, 1, "can have 0 to 0 merges, not 1" },
        { 10000, 10000, "can have 19146 to 26767 merges, not 10000" },
        { 10000, 26768, "can have 19146 to 26767 merges, not 26768" },
        { 10000, UINT64_MAX, "can have" },
        { 300, 100, "with exactly 100 merges" }, /* one letter leaves no choice */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a = { 0 };
        struct err e = { 0 };
        struct vocab_sources to;
        assert_false(synth_tokenizer(rows[i].n_text, rows[i].n_merges, &to, &a, &e));
        assert_int_equal(e.code, ERR_USAGE);
        if (!strstr(e.msg, rows[i].says))
            fail_msg("'%s', wanted '%s'", e.msg, rows[i].says);
        arena_free(&a);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct arena a = { 0 };
        struct err e = { 0 };
        struct vocab_sources to;
        fault_on(FAULT_MEMORY, n);
        bool ok = synth_tokenizer(20000, 0, &to, &a, &e);
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
        cmocka_unit_test(test_gpt_oss),       cmocka_unit_test(test_released_companions),
        cmocka_unit_test(test_trained),       cmocka_unit_test(test_every_small_size),
        cmocka_unit_test(test_exact_merges),  cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("synth_tokenizer", tests, NULL, NULL);
}
