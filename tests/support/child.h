/* child.h - runs a program and watches how long it takes and how much memory. */
#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct child {
    int code;                     /* exit status, or minus the signal that ended it */
    double seconds;               /* of the processor: the machine may be busy */
    uint64_t peak_bytes;          /* of resident memory */
    char out[1 << 18], err[4096]; /* what it said, cut; NUL behind it */
};

/* Runs argv[0] from PATH with an empty standard input; SIGALRM ends it after `limit` seconds.
 * Aborts where no process can be had. */
void child_run(struct child *c, unsigned limit, const char *const argv[]);

/* The path of a tool in $WEIGH_BIN (else bin/), or NULL if it is not built. */
const char *tool_path(const char *name);

/* Is this process, and so its tools, built with the address sanitizer?  Its memory and time say
 * nothing then. */
bool sanitized(void);

#endif
