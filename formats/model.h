/* model.h - the tensor table: what every reader produces and every writer takes. */
#ifndef FORMATS_MODEL_H
#define FORMATS_MODEL_H

#include "formats/base/file.h"
#include "formats/base/names.h"
#include "formats/metadata.h"
#include "quant/dtype.h"

struct tensor {
    struct str name;
    enum dtype dtype;
    uint32_t ndim;
    const uint64_t *dim; /* row-major, outermost first (torch order); a scalar has none */
    uint64_t bytes;      /* stored size, checked against dtype and dim */
    uint32_t file;       /* model.files[file] */
    uint64_t offset;     /* of the first byte in that file */
};

/* A file that holds tensors. */
struct model_file {
    const char *path; /* to open it; for an output: where it will stand */
    struct str name;  /* its last component */
    struct file file; /* open while the model is (readers only) */
    uint64_t size;
    struct span header;       /* its bytes before the tensor data, as read or to be written */
    uint64_t data_offset;     /* where tensor data begins */
    struct metadata metadata; /* GGUF keys, or safetensors __metadata__ (strings only) */
};

/* Any other regular file of a source directory: config.json, tokenizer.json ... */
struct sidecar {
    struct str name; /* one path component */
    const char *path;
    uint64_t size;
};

struct model {
    const struct format *format;
    const char *path; /* as the user named it */
    bool directory;
    struct model_file *files; /* in index or split order; files[0] holds the metadata */
    size_t n_files;
    struct tensor *tensors;
    size_t n_tensors, room_tensors;
    struct names by_name;
    struct sidecar *sidecars; /* directories only; includes the index file */
    size_t n_sidecars;
    struct str *folders; /* its sub-directories, but for weighmaster/ and hidden ones */
    size_t n_folders;
    char **findings; /* readable, but somebody should know: one line each */
    size_t n_findings;
    const void *private; /* of the format */
    struct arena arena;  /* owns everything above but the descriptors */
};

/* Opens a file or directory whatever it holds (registry.c): by content, never by
 * suffix.  On failure nothing stays open.  model_close may be called twice. */
bool model_open(struct model *m, const char *path, struct err *e) MUST_CHECK;
void model_close(struct model *m);

/* n bytes of t from its byte `at` on, from any thread. */
bool model_read(const struct model *m, const struct tensor *t, uint64_t at, void *to, uint64_t n,
                struct err *e) MUST_CHECK;
const struct tensor *model_find(const struct model *m, struct str name); /* NULL if absent */
const struct sidecar *model_sidecar(const struct model *m, const char *name);
/* All source files are still as they were when opened (size, mtime). */
bool model_unchanged(const struct model *m, struct err *e) MUST_CHECK;
uint64_t model_bytes(const struct model *m);   /* of all tensors */
uint64_t tensor_elems(const struct tensor *t); /* product of dim; MXFP4 parts count their bytes */
bool tensor_same_shape(const struct tensor *a, const struct tensor *b); /* leading ones aside */
bool model_finding(struct model *m, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* ---- for readers ------------------------------------------------------------ */

/* Elements and stored bytes of dim and dtype; false on overflow or broken blocks. */
bool tensor_size(const struct tensor *t, uint64_t *elems, uint64_t *bytes);
/* Room for n more tensors; they are appended with n_tensors++. */
bool model_reserve(struct model *m, uint64_t n, struct err *e) MUST_CHECK;
/* Makes by_name of all tensors; ERR_INPUT when two share a name. */
bool model_index(struct model *m, struct err *e) MUST_CHECK;
/* Tensors from `first` on are in m->files[file], whose data region is data_bytes long: they
 * must lie inside it (t->offset is still relative to its start) and not overlap.  Then offsets
 * become those in the file. */
struct holes { /* what lies between and behind the tensors */
    uint64_t bytes;
    uint64_t longest, at; /* the longest run, and where in the file it begins */
};
bool model_place(struct model *m, size_t first, size_t file, uint64_t data_bytes,
                 struct holes *holes, struct err *e) MUST_CHECK;

/* ---- for writers ------------------------------------------------------------ */

/* One past the last tensor of the shard that begins with `first`.  The rule of the gpt-oss
 * release: in walk order, a new shard when the next tensor would take the sum over
 * limit bytes; 0 = no limit.  Safe against overflow. */
size_t model_shard_end(const struct model *out, size_t first, uint64_t limit);

#endif
