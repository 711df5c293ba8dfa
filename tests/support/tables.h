/* tables.h - what must hold of every tensor table that a reader lets through.  For fuzzing: what
 * does not hold ends the process. */
#ifndef TESTS_TABLES_H
#define TESTS_TABLES_H

#include "formats/format.h"

/* A model of one file of this size that nobody has read yet; model_close frees it. */
void tables_open(struct model *m, uint64_t size);
/* The verdict and the error agree; what was read lies inside the file, in whole blocks, apart,
 * and can be found by its name. */
void tables_check(struct model *m, bool ok, struct err *e);
/* Laid out by f and read again by `read` it is the same table, unless f refuses to hold it. */
typedef bool tables_read(struct model *m, struct span header, struct err *e);
void tables_check_layout(const struct model *m, const struct format *f, tables_read *read);

#endif
