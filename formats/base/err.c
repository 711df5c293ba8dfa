/* err.c - recording the first failure. */
#include "formats/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool err_vset(struct err *e, enum err_code code, const char *fmt, va_list ap)
{
    if (e->code == ERR_NONE) {
        e->code = code;
        vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    }
    return false;
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(e, code, fmt, ap);
    va_end(ap);
    return false;
}

bool err_errno(struct err *e, const char *what, const char *path)
{
    int why = errno;
    return err_set(e, why == ENOMEM ? ERR_MEMORY : ERR_SYSTEM, "%s %s: %s", what, path,
                   strerror(why));
}

bool err_hint(struct err *e, const char *fmt, ...)
{
    if (e->hint[0])
        return false;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->hint, sizeof e->hint, fmt, ap);
    va_end(ap);
    return false;
}

bool err_within(struct err *e, const char *fmt, ...)
{
    char outer[sizeof e->msg / 2], inner[sizeof e->msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(outer, sizeof outer, fmt, ap);
    va_end(ap);
    memcpy(inner, e->msg, sizeof inner);
    size_t n = strlen(outer);
    memcpy(e->msg, outer, n);
    /* cut at the end of the buffer: what is innermost may lose its tail */
    snprintf(e->msg + n, sizeof e->msg - n, ": %.*s", (int)(sizeof e->msg - n - 3), inner);
    return false;
}
