/* gguf.h - what others need of the GGUF format beside its struct format. */
#ifndef FORMATS_GGUF_H
#define FORMATS_GGUF_H

#include "formats/format.h"

/* Parses the first `head.len` bytes of a GGUF whose file m->files[file] has path and size.
 * Appends tensors and metadata that point into head.  *more: the header is longer than head
 * (then false without an error); come back with a longer part and a fresh model. */
bool gguf_header(struct model *m, size_t file, struct span head, bool *more,
                 struct err *e) MUST_CHECK;

/* ggml's number for a type, or -1 where it has none. */
int gguf_type_id(enum dtype t);

/* gguf_write.c: the layout of struct format; files[0].metadata are the keys of the output. */
bool gguf_layout(struct model *out, const struct layout_options *opt, struct err *e) MUST_CHECK;

#endif
