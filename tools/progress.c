/* progress.c - a bar with rate and time left, or events as JSON lines. */
#include "tools/progress.h"

#include "formats/base/file.h"
#include "formats/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const uint64_t second = 1000000000;

static unsigned terminal_columns(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
    return 80;
}

static enum progress_mode choose(const char *mode, bool quiet)
{
    const char *term = getenv("TERM");
    if (mode && strcmp(mode, "json") == 0)
        return PROGRESS_JSON;
    if (quiet || (mode && strcmp(mode, "none") == 0) || !isatty(STDERR_FILENO))
        return PROGRESS_NONE;
    if (mode && strcmp(mode, "bar") == 0)
        return PROGRESS_BAR;
    return term && strcmp(term, "dumb") != 0 ? PROGRESS_BAR : PROGRESS_NONE;
}

void progress_open(struct progress *p, const char *mode, bool quiet)
{
    *p = (struct progress){ .mode = choose(mode, quiet), .start_ns = clock_ns() };
    p->columns = p->mode == PROGRESS_BAR ? terminal_columns() : 0;
    p->samples[p->n_samples++] = (struct progress_sample){ p->start_ns, 0 };
    pthread_mutex_init(&p->lock, NULL);
}

static void emit(const char *text, size_t n)
{
    struct err ignored = { 0 };
    if (!fd_write(STDERR_FILENO, "standard error", (struct span){ (const uint8_t *)text, n },
                  &ignored))
        return; /* the job matters, not the talk about it */
}

/* A sample each quarter second: the ring spans four. */
static void take_sample(struct progress *p, uint64_t now)
{
    if (now - p->samples[(p->n_samples - 1) % PROGRESS_SAMPLES].ns < second / 4)
        return;
    p->samples[p->n_samples++ % PROGRESS_SAMPLES] = (struct progress_sample){ now, p->done };
}

/* Bytes per second since the oldest sample. */
static double rate(const struct progress *p, uint64_t now)
{
    const struct progress_sample *old =
        &p->samples[p->n_samples < PROGRESS_SAMPLES ? 0 : p->n_samples % PROGRESS_SAMPLES];
    if (now <= old->ns || p->done <= old->done)
        return 0;
    return (double)(p->done - old->done) * 1e9 / (double)(now - old->ns);
}

static void time_left(char out[32], double seconds)
{
    uint64_t s = seconds < 359999 ? (uint64_t)(seconds + 0.5) : 359999; /* 99:59:59 */
    if (s >= 3600)
        snprintf(out, 32, "%u:%02u:%02u", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
                 (unsigned)(s % 60));
    else
        snprintf(out, 32, "%u:%02u", (unsigned)(s / 60), (unsigned)(s % 60));
}

void progress_line(char out[PROGRESS_LINE], const struct progress *p, uint64_t now_ns)
{
    static const char full[] = "####################";
    char done[16], total[16], speed[16], left[32] = "-:--";
    double per_second = rate(p, now_ns);
    double part = p->total ? (double)p->done / (double)p->total : 0;
    text_bytes(done, p->done);
    text_bytes(total, p->total);
    text_bytes(speed, (uint64_t)per_second);
    if (per_second > 0 && p->total >= p->done)
        time_left(left, (double)(p->total - p->done) / per_second);
    if (p->total)
        snprintf(out, PROGRESS_LINE, "%3u%% [%-20.*s] %s of %s, %s/s, %s left",
                 (unsigned)(part * 100), (int)(part * 20), full, done, total, speed, left);
    else
        snprintf(out, PROGRESS_LINE, "%s, %s/s", done, speed);
    if (p->columns && p->columns <= strlen(out))
        out[p->columns - 1] = '\0'; /* a wrapped line could not be redrawn */
}

static void show_bar(struct progress *p, uint64_t now)
{
    char line[PROGRESS_LINE], shown[PROGRESS_LINE + 8];
    progress_line(line, p, now);
    int n = snprintf(shown, sizeof shown, "\r%s\033[K", line);
    emit(shown, (size_t)n);
}

static void show_json(const struct progress *p, uint64_t now)
{
    char line[160];
    uint64_t ms = (now - p->start_ns) / 1000000;
    int n =
        snprintf(line, sizeof line,
                 "{\"event\":\"progress\",\"done\":%llu,\"total\":%llu,\"seconds\":%llu.%03u}\n",
                 (unsigned long long)p->done, (unsigned long long)p->total,
                 (unsigned long long)(ms / 1000), (unsigned)(ms % 1000));
    emit(line, (size_t)n);
}

void progress_step(void *ctx, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;
    if (p->mode == PROGRESS_NONE)
        return;
    pthread_mutex_lock(&p->lock);
    uint64_t now = clock_ns(), pause = p->mode == PROGRESS_BAR ? second / 10 : second / 2;
    p->done = done > p->done ? done : p->done; /* threads may report out of order */
    p->total = total;
    take_sample(p, now);
    if (now - (p->shown_ns ? p->shown_ns : p->start_ns) >= pause) {
        p->shown_ns = now;
        if (p->mode == PROGRESS_BAR)
            show_bar(p, now);
        else
            show_json(p, now);
    }
    pthread_mutex_unlock(&p->lock);
}

void progress_close(struct progress *p)
{
    if (p->mode == PROGRESS_BAR && p->shown_ns)
        emit("\r\033[K", 4);
    if (p->mode == PROGRESS_JSON)
        show_json(p, clock_ns());
    if (p->start_ns)
        pthread_mutex_destroy(&p->lock);
    *p = (struct progress){ 0 };
}
