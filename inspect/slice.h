/* slice.h - a part of one tensor, as stored bytes, as a NumPy array or as text. */
#ifndef INSPECT_SLICE_H
#define INSPECT_SLICE_H

#include "formats/model.h"

struct slice {
    const struct model *model;
    const struct tensor *tensor;
    uint32_t first; /* outer dimensions that were dropped */
    uint64_t n;     /* of the outermost dimension left; 1 if none is */
    uint64_t at;    /* in the tensor's bytes */
    uint64_t bytes;
};

struct slice slice_of(const struct model *m, const struct tensor *t);
/* Item i of the outermost dimension, which is dropped: one expert of many.  ERR_USAGE if there
 * is none, ERR_UNSUPPORTED where blocks are cut. */
bool slice_item(struct slice *s, uint64_t i, struct err *e) MUST_CHECK;
/* Items first..end-1 of the outermost dimension. */
bool slice_range(struct slice *s, uint64_t first, uint64_t end, struct err *e) MUST_CHECK;

enum slice_form {
    SLICE_RAW, /* as stored */
    SLICE_NPY, /* floats and MXFP4 as little-endian f32, whole numbers as they are */
    SLICE_CSV, /* a line for each row (innermost dimension); floats so that they read back */
};

/* Hands the bytes to put, in order.  ERR_UNSUPPORTED, before any, for types that the form cannot
 * hold. */
typedef bool slice_put(void *ctx, struct span bytes, struct err *e);
bool slice_write(const struct slice *s, enum slice_form form, slice_put *put, void *ctx,
                 struct err *e) MUST_CHECK;

#endif
