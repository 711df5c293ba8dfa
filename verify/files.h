/* files.h - the files of a model as they lie on disk, and their digests. */
#ifndef VERIFY_FILES_H
#define VERIFY_FILES_H

#include "formats/execute.h"

struct disk_file {
    struct str name; /* seen from the source: "config.json", "weighmaster/carry.json" */
    const char *path;
    uint64_t size;
    struct file_digest digest; /* by files_digest */
};

struct disk_files {
    struct disk_file *all; /* sorted bytewise by name */
    size_t n;
    struct arena arena;
};

/* A file: itself.  A directory: all regular files in it and in those of its `folders` (up to a
 * NULL) that exist; links are followed, and a dangling one is listed, so that reading it fails.
 * Left out are the files of these n_out paths, by device and inode. */
bool files_list(struct disk_files *f, const char *source, const char *const *folders,
                const char *const *out, size_t n_out, struct err *e) MUST_CHECK;
void files_free(struct disk_files *f); /* may be called twice */

/* The digests of n files, each read once, several at a time (opt: jobs, progress).  blocks: also
 * those that locate damage; they live in a. */
bool files_digest(struct disk_file *const *files, size_t n, bool blocks,
                  const struct execute_options *opt, struct arena *a, struct err *e) MUST_CHECK;

/* The last component of a path. */
struct str files_base(const char *path);

#endif
