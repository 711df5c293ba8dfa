/* format.h - one container format: how to recognise, read and lay out its files.
 *
 * Adding one: write formats/<name>.c ending in one `const struct format`, list
 * it in registry.c, add golden files and a fuzz target.  tests/unit/format_test.c
 * then runs it through what every format must survive. */
#ifndef FORMATS_FORMAT_H
#define FORMATS_FORMAT_H

#include "formats/model.h"

struct layout_options {
    uint64_t
        shard_bytes; /* start a new file when the tensor bytes of one would exceed it; 0 = never */
    struct str base; /* what files of a set are called after */
};

struct format {
    const char *name;   /* "safetensors", "gguf" */
    const char *suffix; /* ".safetensors" */

    /* Could a file that begins with these bytes (up to 64) be ours? */
    bool (*probe)(struct span head, uint64_t file_size);

    /* Parses one open file: m->files[file] has path, name, file and size.  Appends its
     * tensors and fills header, data_offset and metadata.  Trusts no byte. */
    bool (*parse)(struct model *m, size_t file, struct err *e);

    /* The other files of a set, asked after the first was parsed: appends them to m->files,
     * opened and parsed.  NULL: one file is all there ever is (or an index lists them). */
    bool (*gather)(struct model *m, struct err *e);

    /* How bytes of a tensor are read; NULL = as they stand in the file. */
    bool (*read)(const struct model *m, const struct tensor *t, uint64_t at, void *to, uint64_t n,
                 struct err *e);

    /* Output.  `out` has tensors (name, dtype, dim, bytes) in walk order and metadata in
     * files[0]; the layout makes out->files with name, size and header bytes, and gives every
     * tensor its file and offset.  Bytes that belong to no header and no tensor are zero. */
    bool (*layout)(struct model *out, const struct layout_options *opt, struct err *e);
};

extern const struct format format_safetensors, format_gguf;
extern const struct format *const formats[];        /* NULL-terminated */
const struct format *format_find(const char *name); /* NULL if unknown */

/* Opens m->files[..n] = path, adding it to the set; the format parses it. */
bool format_open_file(struct model *m, const char *path, struct err *e) MUST_CHECK;

#endif
