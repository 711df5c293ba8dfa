/* pool.c - a bag of numbered jobs and the threads that empty it. */
#include "formats/base/pool.h"

#include "formats/base/arena.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

struct pool {
    pthread_mutex_t lock;
    pool_job *run;
    void *ctx;
    size_t next, n_jobs;
    size_t failed_job; /* lowest; n_jobs if none */
    struct err err;    /* its error */
};

struct worker {
    struct pool *pool;
    unsigned number;
    pthread_t thread;
};

static bool take(struct pool *p, size_t *job)
{
    pthread_mutex_lock(&p->lock);
    bool got = p->next < p->n_jobs && p->failed_job == p->n_jobs;
    *job = got ? p->next++ : 0;
    pthread_mutex_unlock(&p->lock);
    return got;
}

/* The lowest job's reason is the one to tell.  A job without one only stopped because another
 * had failed. */
static void keep_failure(struct pool *p, size_t job, const struct err *e)
{
    bool silent = e->code == ERR_NONE, none_yet = p->failed_job == p->n_jobs;
    if (none_yet || (!silent && (p->err.code == ERR_NONE || job < p->failed_job))) {
        p->failed_job = job;
        p->err = *e;
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    for (size_t job; take(p, &job);) {
        struct err e = { 0 };
        if (p->run(p->ctx, job, w->number, &e))
            continue;
        pthread_mutex_lock(&p->lock);
        keep_failure(p, job, &e);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

bool pool_run(unsigned n_workers, size_t n_jobs, pool_job *run, void *ctx, struct err *e)
{
    struct pool p = { PTHREAD_MUTEX_INITIALIZER, run, ctx, 0, n_jobs, n_jobs, { 0 } };
    if (n_workers > n_jobs)
        n_workers = n_jobs ? (unsigned)n_jobs : 1;
    struct worker *w = mem_resize(NULL, n_workers * sizeof *w, e);
    if (!w)
        return false;
    unsigned started = 1; /* worker 0 is this thread */
    for (; started < n_workers; started++) {
        w[started] = (struct worker){ .pool = &p, .number = started };
        if (pthread_create(&w[started].thread, NULL, work, &w[started]) != 0)
            break; /* fewer threads give the same result */
    }
    w[0] = (struct worker){ .pool = &p };
    work(&w[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(w[i].thread, NULL);
    mem_free(w);
    if (p.failed_job == n_jobs)
        return true;
    if (e->code == ERR_NONE)
        *e = p.err;
    return false;
}

struct turns {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t now;
    bool stopped;
};

struct turns *turns_open(struct err *e)
{
    struct turns *t = mem_resize(NULL, sizeof *t, e);
    if (t)
        *t = (struct turns){ PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false };
    return t;
}

bool turn_wait(struct turns *t, size_t i)
{
    pthread_mutex_lock(&t->lock);
    while (t->now != i && !t->stopped)
        pthread_cond_wait(&t->moved, &t->lock);
    bool go = !t->stopped;
    pthread_mutex_unlock(&t->lock);
    return go;
}

void turn_done(struct turns *t)
{
    pthread_mutex_lock(&t->lock);
    t->now++;
    pthread_cond_broadcast(&t->moved);
    pthread_mutex_unlock(&t->lock);
}

void turns_stop(struct turns *t)
{
    pthread_mutex_lock(&t->lock);
    t->stopped = true;
    pthread_cond_broadcast(&t->moved);
    pthread_mutex_unlock(&t->lock);
}

void turns_close(struct turns *t) { mem_free(t); }

unsigned pool_cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? (unsigned)n : 1;
}
