/* manifest.h - what a model was when it was certified, as text.
 *
 *     # weighmaster-manifest 1
 *     HEX  config.json                          as sha256sum writes it: sha256sum -c passes
 *     HEX  model-00000-of-00002.safetensors
 *     # content-root HEX                        content.h
 *     # leaf HEX  BF16 201088x2880 "lm_head.weight"
 *     # file 4792272488  model-00000-of-00002.safetensors
 *     # xxh3 0 HEX16 HEX16 ...                  of each MiB of that file, 64 a line, from block 0
 *     # xxh3 64 HEX16 ...
 *
 * Names are seen from the directory (or are the file's own) and escaped as sha256sum does:
 * backslash, newline and carriage return, with a backslash before the line.
 *
 * Read are also plain lists of sha256sum, and those of gguf-hash:
 *     sha1      HEX  model.gguf:blk.0.attn_q.weight     raw bytes of one tensor
 *     sha1      HEX  model.gguf                         those of all tensors in file order */
#ifndef VERIFY_MANIFEST_H
#define VERIFY_MANIFEST_H

#include "formats/content.h"

struct manifest_file {
    struct str name; /* one component or more, never leaving the directory */
    struct sha256 sha;
    bool sized; /* then these two are known: */
    uint64_t bytes;
    uint64_t *blocks; /* XXH3-64 of every MiB */
};

enum hash_algorithm { HASH_SHA256, HASH_SHA1, HASH_XXH64, HASH_XXH3, HASH_UUID, HASH_COUNT };
enum { HASH_MAX_BYTES = 32 };

/* A line of gguf-hash. */
struct manifest_hash {
    enum hash_algorithm algorithm;
    struct str file;   /* the last component of what was named */
    struct str tensor; /* at NULL: of the whole model */
    uint8_t digest[HASH_MAX_BYTES];
};

struct manifest {
    bool complete; /* ours: it names every file of its source */
    struct manifest_file *files;
    size_t n_files;
    bool has_content;
    struct content content;
    struct manifest_hash *hashes;
    size_t n_hashes;
    struct arena arena;
};

/* ---- making ------------------------------------------------------------------------------ */

/* Reads all files of the source and the weights in it.  The n_out paths (where the manifest
 * itself goes) are left out. */
bool manifest_create(struct manifest *m, const char *source, const char *const *out, size_t n_out,
                     const struct execute_options *opt, struct err *e) MUST_CHECK;
/* The same for what was just written to dest with opt.digests; only the weights are read. */
bool manifest_of_output(struct manifest *m, const struct plan *p, const struct execute_result *r,
                        const char *dest, const struct execute_options *opt,
                        struct err *e) MUST_CHECK;
void manifest_free(struct manifest *m); /* may be called twice */

/* Files in name order; the bytes depend on nothing else. */
void manifest_write(struct buf *b, const struct manifest *m);
/* What create --json prints: schema weigh.verify/1. */
void manifest_json(struct buf *b, const struct manifest *m);
/* A name as it stands in a line; true if the line needs the backslash. */
bool manifest_name(struct buf *b, struct str name);

/* The sub-folders whose files belong to a model: those of carry.h. */
extern const char *const manifest_folders[];

/* ---- reading: manifest_read.c -------------------------------------------------------------- */

enum { MANIFEST_MAX = 64 << 20 };

/* ERR_INPUT with the line's number for whatever is not as above, for names that are absolute,
 * hold "..", or come twice, and for leaves that are not those of the content root. */
bool manifest_parse(struct manifest *m, const char *path, struct str text,
                    struct err *e) MUST_CHECK;
bool manifest_read(struct manifest *m, const char *path, struct err *e) MUST_CHECK;

/* "sha256", and the bytes of its digest; NULL and 0 past the last. */
const char *hash_name(enum hash_algorithm h);
size_t hash_bytes(enum hash_algorithm h);

#endif
