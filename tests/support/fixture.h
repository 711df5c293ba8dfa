/* fixture.h - whole files in memory of exactly their size, so that a read past the end is seen. */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include "formats/base/span.h"

/* Aborts if the file cannot be read. */
struct str fixture_read(const char *path);
/* A copy of exactly its size. */
struct str fixture_copy(struct str s);
void fixture_free(struct str s);

#endif
