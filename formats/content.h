/* content.h - the content root: a digest of the weights that is equal for the same weights in
 * any container, sharding and order.
 *
 *   leaf   SHA-256 of a canonical tensor's row-major little-endian bytes.  Canonical is what
 *          the family's lossless plan to the publisher's HF form writes; floats in the first of
 *          BF16, F16, F32 that holds them.  No family: names as stored.  An output matrix
 *          equal to the embedding (tied) is left out.
 *   root   SHA-256 of the text
 *              weighmaster-content-1\n
 *              HEX  DTYPE D0xD1 "JSON-quoted name"\n     in bytewise name order
 *          Shapes in torch order without leading ones; a scalar is 1.
 *
 * Weights only: config, tokenizer and template have digests of their own. */
#ifndef FORMATS_CONTENT_H
#define FORMATS_CONTENT_H

#include "formats/execute.h"

struct leaf {
    struct str name;
    const char *dtype; /* "BF16" */
    uint32_t ndim;
    const uint64_t *dim;
    struct sha256 sha;
};

struct content {
    struct leaf *leaves; /* sorted by name */
    size_t n;
    struct sha256 root;
    struct arena arena;
};

bool content_of(struct content *c, const struct model *m, const struct execute_options *opt,
                struct err *e) MUST_CHECK;
void content_free(struct content *c); /* may be called twice */
/* The line of a leaf, without the newline: what the root's preimage holds. */
void content_line(struct buf *b, const struct leaf *l);
/* The root of leaves that are sorted by name. */
bool content_root(const struct leaf *leaves, size_t n, struct sha256 *root,
                  struct err *e) MUST_CHECK;

#endif
