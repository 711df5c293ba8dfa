/* check.h - does what lies on disk equal what a manifest says?
 *
 * Files are read once for their SHA-256; only one that differs is read again, to find the MiB
 * that are damaged and the tensors that lie there. */
#ifndef VERIFY_CHECK_H
#define VERIFY_CHECK_H

#include "verify/manifest.h"

enum check_state { CHECK_OK, CHECK_DIFFERS, CHECK_MISSING, CHECK_EXTRA, CHECK_STATES };

/* Neighbouring MiB of a file that differ. */
struct damage {
    uint64_t first, end; /* bytes of the file as it was */
    bool header;         /* of a weight file lies there, in part */
    struct str *tensors;
    size_t n_tensors;
};

/* A file, a leaf or a line of gguf-hash. */
struct check_item {
    struct str name;
    enum check_state state;
    const char *detail; /* a phrase, or NULL */
    struct damage *damage;
    size_t n_damage;
};

struct check {
    const char *what; /* "file", "tensor" or "digest": what the items are */
    struct check_item *items;
    size_t n, count[CHECK_STATES];
    bool equal; /* nothing differs or is missing, and no extra file where all are named */
    struct arena arena;
};

/* The files that m names, seen from source: a directory, or a file, which alone is checked then
 * (under its own name; any name, if m names but one file).  extras: report what m does not
 * name.  The n_out paths (the manifest) are nobody's files. */
bool check_files(struct check *c, const struct manifest *m, const char *source, bool extras,
                 const char *const *out, size_t n_out, const struct execute_options *opt,
                 struct err *e) MUST_CHECK;
/* The leaves of the weights in source, whatever its container.  ERR_INPUT if m has none. */
bool check_content(struct check *c, const struct manifest *m, const char *source,
                   const struct execute_options *opt, struct err *e) MUST_CHECK;
/* gguf_hash.c: the lines of gguf-hash, of that file or of the files in that directory. */
bool check_hashes(struct check *c, const struct manifest *m, const char *source,
                  const struct execute_options *opt, struct err *e) MUST_CHECK;
void check_free(struct check *c); /* may be called twice */

/* Appends an item; *item is good until the next. */
bool check_add(struct check *c, struct str name, enum check_state state, const char *detail,
               struct check_item **item, struct err *e) MUST_CHECK;

/* damage.c: reads a file that differs again and fills item->damage.  f: what it was. */
bool damage_find(struct check_item *item, const struct manifest_file *f, const char *path,
                 struct arena *a, struct err *e) MUST_CHECK;

/* check_text.c: a line for each item (quiet: only those that are not as they should be), and
 * JSON of schema weigh.verify/1. */
void check_print(struct buf *b, const struct check *c, bool quiet);
void check_json(struct buf *b, const struct check *c);
/* "2 files differ, 1 is missing", for whoever asks why not. */
void check_verdict(struct buf *b, const struct check *c);

#endif
