/* npy.h - reads NumPy .npy arrays: golden data made by other programs. */
#ifndef TESTS_NPY_H
#define TESTS_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NPY_MAX_DIMS = 8 };

struct npy {
    char kind;                        /* 'f' float, 'i' signed, 'u' unsigned, 'b' bool */
    size_t item_bytes;                /* 1, 2, 4 or 8 */
    size_t n_dims, dim[NPY_MAX_DIMS]; /* outermost first */
    size_t n;                         /* elements */
    void *data;                       /* row-major, native order; owned: npy_free */
};

/* False after a line on standard error if the file is not a little-endian, C-ordered
 * array of plain numbers. */
bool npy_load(struct npy *a, const char *path);
/* The same, and the array must be of this kind, item size and rank. */
bool npy_load_as(struct npy *a, const char *path, char kind, size_t item_bytes, size_t n_dims);
void npy_free(struct npy *a); /* may be called twice */

#endif
