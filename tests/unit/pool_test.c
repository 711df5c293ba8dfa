/* pool_test.c - jobs on threads: order, the first failure, turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/fault.h"
#include "formats/base/pool.h"

#include <stdatomic.h>
#include <stdint.h>

enum { N = 1000 };

struct seen {
    atomic_uint runs[N];
    struct turns *turns;
    size_t fails_at, last;
    bool in_order;
};

static bool count(void *ctx, size_t job, unsigned worker, struct err *e)
{
    struct seen *s = ctx;
    (void)worker;
    atomic_fetch_add(&s->runs[job], 1);
    return job < s->fails_at || err_set(e, ERR_INPUT, "job %zu", job);
}

static void every_job_runs_once(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers++) {
        struct seen s = { .fails_at = N };
        struct err e = { 0 };
        assert_true(pool_run(workers, N, count, &s, &e));
        for (size_t i = 0; i < N; i++)
            assert_int_equal(s.runs[i], 1);
        assert_true(pool_run(workers, 0, count, &s, &e));
    }
}

static void lowest_failure_is_told(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 8; workers++) {
        struct seen s = { .fails_at = 77 };
        struct err e = { 0 };
        assert_false(pool_run(workers, N, count, &s, &e));
        assert_int_equal(e.code, ERR_INPUT);
        assert_string_equal(e.msg, "job 77");
        assert_int_equal(s.runs[N - 1], 0);
    }
}

static bool take_turn(void *ctx, size_t job, unsigned worker, struct err *e)
{
    struct seen *s = ctx;
    (void)worker, (void)e;
    if (!turn_wait(s->turns, job))
        return false;
    s->in_order &= job == s->last++;
    turn_done(s->turns);
    return true;
}

static void turns_keep_order(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct seen s = { .in_order = true, .turns = turns_open(&e) };
    assert_true(pool_run(4, N, take_turn, &s, &e));
    assert_true(s.in_order && s.last == N);
    turns_close(s.turns);
}

/* The last job fails; the ones before it wait for their turn and are sent home. */
static bool fail_last(void *ctx, size_t job, unsigned worker, struct err *e)
{
    struct seen *s = ctx;
    (void)worker;
    if (job == s->fails_at) {
        turns_stop(s->turns);
        return err_set(e, ERR_SYSTEM, "job %zu", job);
    }
    return turn_wait(s->turns, job + 1); /* its turn never comes */
}

/* A job that another's failure stopped has no reason of its own; the reason must not be lost. */
static void stopped_jobs_do_not_hide_the_reason(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct err e = { 0 };
        struct seen s = { .fails_at = 5, .turns = turns_open(&e) };
        assert_false(pool_run(6, 6, fail_last, &s, &e));
        assert_int_equal(e.code, ERR_SYSTEM);
        assert_string_equal(e.msg, "job 5");
        turns_close(s.turns);
    }
}

static void no_memory(void **state)
{
    (void)state;
    struct seen s = { .fails_at = N };
    struct err e = { 0 };
    fault_on(FAULT_MEMORY, 1);
    assert_false(pool_run(2, N, count, &s, &e));
    fault_on(FAULT_NONE, 0);
    assert_int_equal(e.code, ERR_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once),
        cmocka_unit_test(lowest_failure_is_told),
        cmocka_unit_test(turns_keep_order),
        cmocka_unit_test(stopped_jobs_do_not_hide_the_reason),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
