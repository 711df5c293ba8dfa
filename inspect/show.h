/* show.h - what is in a model: on one screen, as tables, as JSON. */
#ifndef INSPECT_SHOW_H
#define INSPECT_SHOW_H

#include "inspect/findings.h"
#include "inspect/select.h"

#include "formats/base/json.h"

/* Everything here appends to a buffer (failure sticks there) and escapes what came from files. */

/* About twenty lines: container, family, settings, parameters, storage, tokenizer, findings. */
void show_summary(struct buf *b, const struct facts *f, const struct findings *findings);

/* show_tables.c.  A line for each selected tensor: name, dtype, shape (outermost first), bytes,
 * offset, file. */
void show_tensors(struct buf *b, const struct model *m, const struct select *s);

/* A line for each key: name, type, value; long ones cut, with their full length. */
void show_metadata(struct buf *b, const struct model *m);

/* show_json.c: all of it, schema "weigh.inspect/1". */
void show_json(struct buf *b, const struct facts *f, const struct findings *findings,
               const struct select *s);
/* A scalar of a metadata value, which begins at p. */
void show_scalar(struct json_out *o, enum meta_type type, const uint8_t *p);

#endif
