/* pool.h - runs numbered jobs on worker threads; the first failure stops all. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "formats/base/err.h"

#include <stddef.h>

/* Does job number `job` on worker number `worker` (0 <= worker < n_workers).  Jobs are
 * handed out in rising order.  False without an error: it stopped because another failed. */
typedef bool pool_job(void *ctx, size_t job, unsigned worker, struct err *e);

/* Runs jobs 0..n_jobs-1.  One worker runs on the calling thread.  When jobs fail, no new
 * ones start and the error of the lowest-numbered failed job is reported. */
bool pool_run(unsigned n_workers, size_t n_jobs, pool_job *run, void *ctx,
              struct err *e) MUST_CHECK;

/* The same with threads that stay: starting them costs more than a small matrix product.
 * One run at a time, from the thread that opened the team. */
struct team;
struct team *team_open(unsigned n_workers, struct err *e); /* NULL: out of memory */
bool team_run(struct team *t, size_t n_jobs, pool_job *run, void *ctx, struct err *e) MUST_CHECK;
unsigned team_workers(const struct team *t); /* worker numbers are below this */
void team_close(struct team *t);             /* NULL is none */

/* A turn-taking lock: turn_wait(t, i) returns once turns 0..i-1 are done, false
 * if the run was stopped; turn_done passes it on.  Lets jobs that ran in any
 * order finish in order. */
struct turns;
struct turns *turns_open(struct err *e);
bool turn_wait(struct turns *t, size_t i);
void turn_done(struct turns *t);
void turns_stop(struct turns *t); /* wakes everybody: a job failed */
void turns_close(struct turns *t);

/* Processors this process may use, at least 1. */
unsigned pool_cores(void);

#endif
