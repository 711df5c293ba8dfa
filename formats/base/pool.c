/* pool.c - a bag of numbered jobs and the threads that empty it. */
#include "formats/base/pool.h"

#include "formats/base/arena.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

struct worker {
    struct team *team;
    unsigned number;
    pthread_t thread;
};

/* A bag of jobs is numbered by `round`: a sleeping worker wakes when it changes. */
struct team {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    uint64_t round;
    unsigned busy; /* workers, but for number 0, that have not seen this round's end */
    bool closing;
    pool_job *run;
    void *ctx;
    size_t next, n_jobs;
    size_t failed_job; /* lowest; n_jobs if none */
    struct err err;    /* its error */
    unsigned n_workers;
    struct worker *workers; /* number 0 is the thread that opened the team */
};

static bool take(struct team *t, size_t *job)
{
    pthread_mutex_lock(&t->lock);
    bool got = t->next < t->n_jobs && t->failed_job == t->n_jobs;
    *job = got ? t->next++ : 0;
    pthread_mutex_unlock(&t->lock);
    return got;
}

/* The lowest job's reason is the one to tell.  A job without one only stopped because another
 * had failed. */
static void keep_failure(struct team *t, size_t job, const struct err *e)
{
    bool silent = e->code == ERR_NONE, none_yet = t->failed_job == t->n_jobs;
    if (none_yet || (!silent && (t->err.code == ERR_NONE || job < t->failed_job))) {
        t->failed_job = job;
        t->err = *e;
    }
}

static void work(struct team *t, unsigned number)
{
    for (size_t job; take(t, &job);) {
        struct err e = { 0 };
        if (t->run(t->ctx, job, number, &e))
            continue;
        pthread_mutex_lock(&t->lock);
        keep_failure(t, job, &e);
        pthread_mutex_unlock(&t->lock);
    }
}

static void *serve(void *arg)
{
    struct worker *w = arg;
    struct team *t = w->team;
    uint64_t seen = 0;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (t->round == seen && !t->closing)
            pthread_cond_wait(&t->filled, &t->lock);
        if (t->closing)
            break;
        seen = t->round;
        pthread_mutex_unlock(&t->lock);
        work(t, w->number);
        pthread_mutex_lock(&t->lock);
        if (--t->busy == 0)
            pthread_cond_signal(&t->emptied);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

struct team *team_open(unsigned n_workers, struct err *e)
{
    struct team *t = mem_resize(NULL, sizeof *t, e);
    if (!t)
        return NULL;
    *t = (struct team){ .lock = PTHREAD_MUTEX_INITIALIZER,
                        .filled = PTHREAD_COND_INITIALIZER,
                        .emptied = PTHREAD_COND_INITIALIZER,
                        .n_workers = 1 };
    n_workers = n_workers ? n_workers : 1;
    t->workers = mem_resize(NULL, n_workers * sizeof *t->workers, e);
    if (!t->workers) {
        mem_free(t);
        return NULL;
    }
    for (; t->n_workers < n_workers; t->n_workers++) {
        struct worker *w = &t->workers[t->n_workers];
        *w = (struct worker){ .team = t, .number = t->n_workers };
        if (pthread_create(&w->thread, NULL, serve, w) != 0)
            break; /* fewer threads give the same result */
    }
    return t;
}

bool team_run(struct team *t, size_t n_jobs, pool_job *run, void *ctx, struct err *e)
{
    pthread_mutex_lock(&t->lock);
    t->run = run;
    t->ctx = ctx;
    t->next = 0;
    t->n_jobs = t->failed_job = n_jobs;
    if (n_jobs > 1 && t->n_workers > 1) { /* else nobody else need wake */
        t->busy = t->n_workers - 1;
        t->round++;
        pthread_cond_broadcast(&t->filled);
    }
    pthread_mutex_unlock(&t->lock);
    work(t, 0);
    pthread_mutex_lock(&t->lock);
    while (t->busy)
        pthread_cond_wait(&t->emptied, &t->lock);
    pthread_mutex_unlock(&t->lock);
    if (t->failed_job == n_jobs)
        return true;
    if (e->code == ERR_NONE)
        *e = t->err;
    return false;
}

unsigned team_workers(const struct team *t) { return t->n_workers; }

void team_close(struct team *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->closing = true;
    pthread_cond_broadcast(&t->filled);
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 1; i < t->n_workers; i++)
        pthread_join(t->workers[i].thread, NULL);
    mem_free(t->workers);
    mem_free(t);
}

bool pool_run(unsigned n_workers, size_t n_jobs, pool_job *run, void *ctx, struct err *e)
{
    struct team *t = team_open(n_workers < n_jobs ? n_workers : (unsigned)n_jobs, e);
    bool ok = t && team_run(t, n_jobs, run, ctx, e);
    team_close(t);
    return ok;
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
