/* merges_test.c - merging against the definition, in pieces short and long. */
#include "formats/base/fault.h"
#include "formats/merges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { RULES = 60, LETTERS = 4, IDS = LETTERS + RULES, LONGEST = 300 };

static uint64_t state_of_random = 1;

static uint32_t random_below(uint32_t n)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state_of_random >> 33) % n);
}

static bool find(const struct merge *rules, size_t n, uint32_t left, uint32_t right, size_t *at)
{
    for (size_t i = n; i-- > 0;) /* the last of equals */
        if (rules[i].left == left && rules[i].right == right) {
            *at = i;
            return true;
        }
    return false;
}

/* The definition: the leftmost pair of the lowest rank, until none is left. */
static size_t plain(const struct merge *rules, size_t n_rules, uint32_t *ids, size_t n)
{
    for (;;) {
        size_t best = n, rank = SIZE_MAX, at;
        for (size_t i = 0; i + 1 < n; i++)
            if (find(rules, n_rules, ids[i], ids[i + 1], &at) && at < rank) {
                rank = at;
                best = i;
            }
        if (best == n)
            return n;
        ids[best] = rules[rank].whole;
        memmove(&ids[best + 1], &ids[best + 2], (n - best - 2) * sizeof *ids);
        n--;
    }
}

/* Rules in a row as training gives them (a part is older than the whole), or in any order;
 * some pairs come twice. */
static void make_rules(struct merge rules[RULES], bool trained)
{
    for (uint32_t i = 0; i < RULES; i++)
        rules[i] = (struct merge){ random_below(trained ? LETTERS + i : IDS),
                                   random_below(trained ? LETTERS + i : IDS), LETTERS + i, i };
}

static void init(struct merges *m, const struct merge *rules, size_t n)
{
    struct err e = { 0 };
    assert_true(merges_init(m, n, 42, &e));
    for (size_t i = 0; i < n; i++)
        merges_add(m, rules[i]);
}

static void test_definition(void **state)
{
    (void)state;
    struct merge_work w = { 0 };
    struct err e = { 0 };
    for (int round = 0; round < 40; round++) {
        struct merge rules[RULES];
        struct merges m;
        make_rules(rules, round % 2);
        init(&m, rules, RULES);
        for (size_t len = 0; len <= LONGEST; len += 1 + len / 40) {
            uint32_t got[LONGEST], want[LONGEST];
            for (size_t i = 0; i < len; i++)
                got[i] = want[i] = random_below(round % 4 < 2 ? LETTERS : 2);
            size_t n = len, n_want = plain(rules, RULES, want, len);
            assert_true(merges_apply(&m, got, &n, &w, &e));
            assert_int_equal(n, n_want);
            assert_memory_equal(got, want, n * sizeof *got);
        }
        merges_free(&m);
    }
    merge_work_free(&w);
}

static void test_rules(void **state)
{
    (void)state;
    struct merges m;
    const struct merge rules[] = { { 0, 1, 5, 0 }, { 1, 0, 6, 1 }, { 0, 1, 7, 2 } };
    init(&m, rules, 3);
    assert_int_equal(m.n, 2);
    assert_int_equal(merges_find(&m, 0, 1)->whole, 7); /* the last one counts */
    assert_int_equal(merges_find(&m, 0, 1)->rank, 2);
    assert_int_equal(merges_find(&m, 1, 0)->whole, 6);
    assert_null(merges_find(&m, 1, 1));
    merges_free(&m);
    merges_free(&m);
    init(&m, rules, 0);
    assert_null(merges_find(&m, 0, 1));
    merges_free(&m);
    struct err e = { 0 };
    assert_false(merges_init(&m, UINT64_MAX, 0, &e));
    assert_int_equal(e.code, ERR_MEMORY);
    merges_free(&m);
}

/* Runs that merge in rounds, and one that merges from the left end to the right: n log n. */
static void test_steps(void **state)
{
    (void)state;
    enum { N = 1 << 18 };
    struct err e = { 0 };
    struct merge doubling[18], chain[N / 64];
    for (uint32_t i = 0; i < 18; i++)
        doubling[i] = (struct merge){ i, i, i + 1, i };
    for (uint32_t i = 0; i < N / 64; i++)
        chain[i] = (struct merge){ i, 0, i + 1, N / 64 - i };
    uint32_t *ids = mem_resize(NULL, N * sizeof *ids, &e);
    assert_non_null(ids);
    for (int which = 0; which < 2; which++)
        for (size_t len = N / 256; len <= N; len *= 16) {
            struct merges m;
            struct merge_work w = { 0 };
            size_t n = len;
            memset(ids, 0, len * sizeof *ids);
            init(&m, which ? chain : doubling, which ? N / 64 : 18);
            assert_true(merges_apply(&m, ids, &n, &w, &e));
            assert_int_equal(n, which && len > N / 64 ? len * 64 / N : 1);
            assert_in_range(w.steps, len, 64 * len);
            merge_work_free(&w);
            merges_free(&m);
        }
    mem_free(ids);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const struct merge rule = { 0, 0, 1, 0 };
    for (unsigned n = 1;; n++) {
        uint32_t ids[2000] = { 0 };
        size_t len = 2000;
        struct merges m;
        struct merge_work w = { 0 };
        struct err e = { 0 };
        fault_on(FAULT_MEMORY, n);
        bool ok = merges_init(&m, 1, 0, &e);
        if (ok) {
            merges_add(&m, rule);
            ok = merges_apply(&m, ids, &len, &w, &e);
        }
        bool struck = fault_struck();
        fault_on(FAULT_MEMORY, 0);
        merge_work_free(&w);
        merges_free(&m);
        assert_int_equal(ok, !struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        if (!struck)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("merges", tests, NULL, NULL);
}
