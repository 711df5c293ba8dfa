/* little.h - small model files written on the spot, in a directory that is removed at the end. */
#ifndef TESTS_LITTLE_H
#define TESTS_LITTLE_H

#include "formats/base/span.h"

/* Writes a file of that name and returns its path; good until the process ends.  Aborts where it
 * cannot be written. */
const char *little_file(const char *name, const void *bytes, size_t n);

/* NAME.safetensors with one tensor "t" of these bytes: dtype "BF16", shape "2,3". */
const char *little_safetensors(const char *name, const char *dtype, const char *shape,
                               const void *bytes, size_t n);

#endif
