/* names.h - a hash table from names to numbers; the names are not copied. */
#ifndef BASE_NAMES_H
#define BASE_NAMES_H

#include "formats/base/err.h"
#include "formats/base/span.h"

struct names {
    struct names_slot *slots;
    size_t n, room; /* room is zero or a power of two */
    uint64_t seed;  /* of the hashes */
};

#define NAMES_NONE SIZE_MAX

/* Prepares an empty table for n names, so that it does not have to grow, and hashes that whoever
 * wrote the names could not foresee: seed is of names_seed.  False only when memory ran out. */
bool names_reserve(struct names *t, uint64_t n, uint64_t seed, struct err *e) MUST_CHECK;
/* Draws a seed from bytes that hold all the names, or, piece by piece, from each of them: changing
 * one name changes the place of all.  Equal files give equal seeds. */
uint64_t names_seed(uint64_t before, const void *bytes, size_t n);
/* False only when memory ran out.  *old is what the name stood for before
 * (then nothing changes) or NAMES_NONE. */
bool names_add(struct names *t, struct str name, size_t value, size_t *old,
               struct err *e) MUST_CHECK;
/* What the name stands for, or NAMES_NONE. */
size_t names_find(const struct names *t, struct str name);
void names_free(struct names *t); /* may be called twice */

#endif
