/* npy.h - the header of NumPy's .npy files, version 1.0. */
#ifndef INSPECT_NPY_H
#define INSPECT_NPY_H

#include "formats/base/buf.h"

enum { NPY_DIMS = 32 }; /* NumPy 1 reads no more */

/* Of a row-major array of that type ("<f4"); b must be empty.  The data follows. */
void npy_header(struct buf *b, const char *type, const uint64_t *dim, uint32_t ndim);

#endif
