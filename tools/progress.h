/* progress.h - how far a long job is, drawn on a terminal or told to a program.
 *
 * Goes to standard error and nowhere else; a failure to write there is ignored. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum progress_mode { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_JSON };
enum { PROGRESS_SAMPLES = 16, PROGRESS_LINE = 96 };

struct progress {
    enum progress_mode mode;
    unsigned columns; /* of the terminal */
    pthread_mutex_t lock;
    uint64_t done, total;
    uint64_t start_ns, shown_ns; /* shown_ns == 0: nothing was shown yet */
    struct progress_sample {
        uint64_t ns, done;
    } samples[PROGRESS_SAMPLES]; /* a ring of the last seconds */
    size_t n_samples;            /* ever taken */
};

/* mode is the value of --progress: auto (or NULL) and bar draw on a terminal, auto not
 * on a dumb one; json writes at most one line per half second and a last one:
 *     {"event":"progress","done":1048576,"total":4194304,"seconds":0.512}
 * quiet silences the bar. */
void progress_open(struct progress *p, const char *mode, bool quiet);

/* ctx is the struct progress.  From any thread.  total 0 = not known. */
void progress_step(void *ctx, uint64_t done, uint64_t total);

/* Clears the bar, or writes the last event.  Call it before anything else goes to standard error.
 */
void progress_close(struct progress *p);

/* The bar's text at this time, without line control, cut to the columns. */
void progress_line(char out[PROGRESS_LINE], const struct progress *p, uint64_t now_ns);

#endif
