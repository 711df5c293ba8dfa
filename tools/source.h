/* source.h - SOURCE operands: PATH, PATH@TENSOR, PATH@TENSOR[EXPERT]. */
#ifndef TOOLS_SOURCE_H
#define TOOLS_SOURCE_H

#include "formats/model.h"

struct source {
    const char *path;
    struct str tensor; /* what stands behind the '@'; at == NULL: nothing */
};

/* Parts at the last '@' whose left side exists; an argument that exists as a whole is a path,
 * and so is one of which nothing exists (opening it says what is wrong). */
bool source_part(const char *arg, struct source *s, struct arena *a, struct err *e) MUST_CHECK;

/* The tensor of that name; where there is none, ERR_USAGE, and a hint if one is near. */
const struct tensor *source_tensor(const struct model *m, struct str name, struct err *e);

#endif
