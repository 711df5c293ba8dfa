/* names.h - a hash table from names to numbers; the names are not copied. */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include "formats/base/err.h"
#include "formats/base/span.h"

struct names {
    struct names_slot *slots;
    size_t n, room; /* room is zero or a power of two */
};

#define NAMES_NONE SIZE_MAX

/* False only when memory ran out.  *old is what the name stood for before
 * (then nothing changes) or NAMES_NONE. */
bool names_add(struct names *t, struct str name, size_t value, size_t *old,
               struct err *e) MUST_CHECK;
/* What the name stands for, or NAMES_NONE. */
size_t names_find(const struct names *t, struct str name);
void names_free(struct names *t); /* may be called twice */

#endif
