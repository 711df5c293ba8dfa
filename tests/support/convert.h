/* convert.h - converting in one call, and comparing what came out tensor by tensor. */
#ifndef TESTS_CONVERT_H
#define TESTS_CONVERT_H

#include "formats/plan.h"

/* Plans and writes; replaces what stands at `to`. */
bool convert(const char *from, const char *to, const struct plan_options *opt, struct err *e);
/* The same for the usual options: GGUF is one file, other forms a directory. */
bool convert_to(const char *from, const char *to, enum form form, struct err *e);

/* NULL if both hold the same tensors: names, types, shapes and bytes, whatever their order and
 * files.  Else what differs first; good until the next call. */
const char *tensors_differ(const char *a, const char *b);
/* The same, but floats are compared as f32 bits, whatever their types. */
const char *values_differ(const char *a, const char *b);
/* NULL if the files have equal bytes. */
const char *files_differ(const char *a, const char *b);

#endif
