/* team_test.c - threads that stay: every job once, the lowest failure wins, and again. */
#include "formats/base/fault.h"
#include "formats/base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { JOBS = 500 };

struct tally {
    atomic_int done[JOBS];
    atomic_uint worker_mask;
    size_t fails_from; /* jobs from here on fail */
};

static bool count(void *ctx, size_t job, unsigned worker, struct err *e)
{
    struct tally *t = ctx;
    atomic_fetch_add(&t->done[job], 1);
    atomic_fetch_or(&t->worker_mask, 1u << worker);
    return job < t->fails_from || err_set(e, ERR_INPUT, "job %zu", job);
}

static void each_job_once(void **state)
{
    (void)state;
    for (unsigned workers = 0; workers <= 5; workers++) {
        struct err e = { 0 };
        struct team *team = team_open(workers, &e);
        assert_non_null(team);
        for (size_t jobs = 0; jobs <= JOBS; jobs = jobs < 4 ? jobs + 1 : jobs * 5) {
            struct tally t = { .fails_from = JOBS };
            assert_true(team_run(team, jobs, count, &t, &e));
            for (size_t i = 0; i < JOBS; i++)
                assert_int_equal(t.done[i], i < jobs);
            assert_true(t.worker_mask < 1u << team_workers(team));
        }
        team_close(team);
    }
}

static void the_lowest_failure_wins(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct team *team = team_open(4, &e);
    for (int again = 0; again < 50; again++) {
        struct tally t = { .fails_from = 37 };
        e = (struct err){ 0 };
        assert_false(team_run(team, JOBS, count, &t, &e));
        assert_string_equal(e.msg, "job 37");
        t.fails_from = JOBS; /* a failure does not stick to the team */
        e = (struct err){ 0 };
        assert_true(team_run(team, JOBS, count, &t, &e));
    }
    team_close(team);
    team_close(NULL);
}

static void no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 2; n++) {
        struct err e = { 0 };
        fault_on(FAULT_MEMORY, n);
        assert_null(team_open(3, &e));
        assert_true(fault_struck());
        assert_int_equal(e.code, ERR_MEMORY);
        fault_on(FAULT_NONE, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_job_once),
        cmocka_unit_test(the_lowest_failure_wins),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
