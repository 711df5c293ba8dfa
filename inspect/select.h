/* select.h - which tensors are meant: -t GLOB, -t /RE/ and --exclude. */
#ifndef INSPECT_SELECT_H
#define INSPECT_SELECT_H

#include "formats/base/arena.h"

struct select {
    struct pattern *patterns; /* wanted ones first, then excluded ones */
    size_t n_wanted, n;
    struct arena arena;
};

/* Patterns between slashes are POSIX extended regular expressions, found anywhere in a name; all
 * others are globs for the whole name (text_glob).  ERR_USAGE for one that is no expression. */
bool select_open(struct select *s, const char *const *wanted, size_t n_wanted,
                 const char *const *excluded, size_t n_excluded, struct err *e) MUST_CHECK;
void select_close(struct select *s); /* may be called twice */

/* True if a wanted pattern matches (or there is none) and no excluded one does. */
bool select_has(const struct select *s, struct str name);

#endif
