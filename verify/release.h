/* release.h - is this the checkpoint that was published, and which?
 *
 * A release is published in forms: hf (the files of the repository's root), original (its folder
 * original/) and metal (metal/).  A form is complete when all its files are there and equal; the
 * licence texts belong to none. */
#ifndef VERIFY_RELEASE_H
#define VERIFY_RELEASE_H

#include "formats/execute.h"

struct release_file {
    const char *path; /* seen from the repository's root */
    uint64_t bytes;
    const char *sha256;
    bool early; /* of an early revision: another row of this path has the final one */
};

struct release {
    const char *name, *revision;
    const struct release_file *files;
    size_t n;
};

/* What we know of (release_table.c); ends with a row without a name. */
extern const struct release releases[];

enum release_state {
    RELEASE_EQUAL,
    RELEASE_EARLY,   /* equal to an early revision */
    RELEASE_POINTER, /* a Git LFS pointer to the published file, not the file */
    RELEASE_DIFFERS,
    RELEASE_MISSING,
    RELEASE_EXTRA, /* published, if at all, under no name or digest that we know */
    RELEASE_STATES
};

enum release_form { RELEASE_HF, RELEASE_ORIGINAL, RELEASE_METAL, RELEASE_PAPERS, RELEASE_FORMS };
const char *release_form_name(enum release_form f); /* "hf" */

struct release_item {
    struct str path; /* seen from the folder that was given */
    enum release_form form;
    enum release_state state;
    bool weights;
    uint64_t bytes, published_bytes; /* 0 where there is no such file */
};

struct release_report {
    const struct release *release; /* NULL: none that we know */
    const char *folder;            /* which of its folders this is: "", "original/", "metal/" */
    struct release_item *items;    /* those of a form that is absent are left out */
    size_t n, count[RELEASE_STATES];
    struct {
        bool exists;   /* the release has this form, in this folder */
        bool present;  /* some of its files are here */
        bool complete; /* all are, and are equal */
    } form[RELEASE_FORMS];
    bool published;      /* a form is complete and no file differs */
    const char *verdict; /* "gpt-oss-20b 6cee5e8, complete" */
    struct arena arena;
};

/* dir: a copy of the repository or of one of its folders.  Which release it is, is decided by
 * files that no other release in the table has.  ERR_USAGE if dir is no directory. */
bool release_check(struct release_report *r, const char *dir, const struct release *table,
                   const struct execute_options *opt, struct err *e) MUST_CHECK;
void release_free(struct release_report *r); /* may be called twice */

/* release_text.c: the verdict first, then a line for each file (quiet: only for those that are
 * not as published); JSON of schema weigh.verify/1. */
void release_print(struct buf *b, const struct release_report *r, bool quiet);
void release_json(struct buf *b, const struct release_report *r);

#endif
