/* err.h - how every fallible function in this project reports failure. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))

/* Why an operation stopped.  A tool's main() returns this value, so these are
 * also the documented exit codes, the same for every tool. */
enum err_code {
    ERR_NONE = 0,
    ERR_MISMATCH = 1,    /* a check ran to the end and its answer is "no" */
    ERR_USAGE = 2,       /* the command line makes no sense */
    ERR_INPUT = 3,       /* a file is malformed, truncated or inconsistent */
    ERR_UNSUPPORTED = 4, /* well-formed, but not something we handle */
    ERR_SYSTEM = 5,      /* I/O, no space */
    ERR_MEMORY = 6,      /* out of memory, or over the limit the user set */
    ERR_INTERNAL = 70,   /* a bug of ours */
};

/* Text from files may stand in msg and hint as it is; whoever prints them
 * escapes it (text_escape). */
struct err {
    enum err_code code;
    char msg[1024]; /* one line, no trailing newline */
    char hint[400]; /* what to try; may be empty */
};

/* Records the failure and returns false, so callers write
 *     return err_set(e, ERR_INPUT, "...");
 * The first failure wins: later calls on the same err change nothing. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool err_vset(struct err *e, enum err_code code, const char *fmt, va_list ap);

/* As err_set with ERR_SYSTEM (ERR_MEMORY for ENOMEM): "what path: strerror(errno)". */
bool err_errno(struct err *e, const char *what, const char *path);

/* Adds what the user may try, unless a hint is there.  Returns false. */
bool err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Prefixes the recorded message with what the caller was doing.  Returns false. */
bool err_within(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
