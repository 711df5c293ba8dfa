/* safetensors.h - what others need of the safetensors format beside its struct format. */
#ifndef FORMATS_SAFETENSORS_H
#define FORMATS_SAFETENSORS_H

#include "formats/model.h"

/* Parses a header (the JSON alone, padding included) as that of m->files[file], whose path
 * and size are set: appends its tensors.  The header must outlive the model. */
bool safetensors_header(struct model *m, size_t file, struct span header, struct err *e) MUST_CHECK;

/* "BF16", or NULL where the format has no name for the type. */
const char *safetensors_dtype_name(enum dtype t);

/* shards.c: model.safetensors.index.json of a laid-out set, in walk order, one line as
 * json.dumps writes it. */
bool shards_index(const struct model *out, struct buf *to) MUST_CHECK;

/* shards.c: opens the shards that an index names; every name in it must be a plain file name
 * in the same directory, every tensor in the shard it says and no other. */
bool shards_open(struct model *m, const struct sidecar *index, struct err *e) MUST_CHECK;

#endif
