/* file.h - the one place that talks to the system: reading, and writing that
 * is published whole or not at all.
 *
 * Every call can be made to fail by fault.h.  Errors name the path. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "formats/base/arena.h"

/* ---- reading -------------------------------------------------------------- */

struct file {
    int fd; /* 0 in a zeroed struct means closed: see `open` */
    bool open;
    const char *path; /* as the user would name it; not owned, must outlive the file */
    uint64_t size;
    uint64_t device, inode, mtime_ns; /* identity, to notice a file changed while read */
    bool sequential;                  /* a pipe: only file_read_all works */
};

/* Opens a regular file (symbolic links are followed) or, for "-", standard input. */
bool file_open(struct file *f, const char *path, struct err *e) MUST_CHECK;
void file_close(struct file *f); /* may be called twice */
/* All n bytes at offset at, or an error: a file that ends early "shrank while being read". */
bool file_read(const struct file *f, void *to, uint64_t n, uint64_t at, struct err *e) MUST_CHECK;
/* False (ERR_INPUT) if size or modification time are no longer those of file_open. */
bool file_unchanged(const struct file *f, struct err *e) MUST_CHECK;
/* The whole file, at most `most` bytes (ERR_INPUT beyond), NUL behind it, in the arena. */
bool file_slurp(const char *path, uint64_t most, struct arena *a, struct span *out,
                struct err *e) MUST_CHECK;

/* ---- the tree -------------------------------------------------------------- */

enum file_kind { FILE_ABSENT, FILE_REGULAR, FILE_DIRECTORY, FILE_OTHER };
/* What stands at path, links followed; ABSENT for a dangling link too.  Errors
 * other than absence are reported.  device and inode may be NULL. */
bool file_kind(const char *path, enum file_kind *kind, uint64_t *device, uint64_t *inode,
               struct err *e) MUST_CHECK;

struct file_entry {
    struct str name;
    uint64_t size;
    enum file_kind kind;
    bool link; /* reached through a symbolic link */
};
/* The entries of a directory sorted bytewise, without . and .., in the arena. */
bool file_list(const char *dir, struct arena *a, struct file_entry **entries, size_t *n,
               struct err *e) MUST_CHECK;
/* dir/name in the arena; NULL when memory ran out. */
char *file_join(struct arena *a, const char *dir, struct str name, struct err *e);
/* One path component that is safe to create: not empty, ".", "..", no '/', no
 * control bytes, at most 255 bytes. */
bool file_name_ok(struct str name);

/* ---- writing --------------------------------------------------------------- */

/* An output under construction: a file or a directory of files, built beside
 * its place under .NAME.weigh-tmp-XXXXXX and put there by output_commit.
 * Left-overs of killed runs for the same place are removed by output_open. */
struct output {
    const char *path; /* where it will stand; not owned.  "-": standard output */
    char *temp;
    bool directory, replace;
    bool stream; /* standard output: writes must come in rising order */
    int lock_fd; /* flock held on the temporary: tells a live run from a left-over */
    struct out_file *files;
    size_t n_files;
    uint64_t streamed; /* bytes already sent to standard output */
    struct arena arena;
};

/* ERR_USAGE when path exists and `replace` is not given, or is of the other kind
 * (file, directory), or is the same file as one of the n sources by device and inode
 * (then even with replace).  Touches nothing. */
bool output_check(const char *path, bool directory, bool replace, const char *const *sources,
                  size_t n, struct err *e) MUST_CHECK;
/* replace: an existing file or directory of the same kind may be exchanged (-f). */
bool output_open(struct output *o, const char *path, bool directory, bool replace,
                 struct err *e) MUST_CHECK;
/* ERR_SYSTEM if the file system has less than this free.  Call before the first byte. */
bool output_room(const struct output *o, uint64_t bytes, struct err *e) MUST_CHECK;
/* Adds a file (for a file output: the file, name ignored) of this final size;
 * all bytes are zero until written.  Returns its number in *file.  name may
 * hold one '/' (a sub-folder such as weighmaster/x). */
bool output_add(struct output *o, struct str name, uint64_t size, size_t *file,
                struct err *e) MUST_CHECK;
/* From any thread. */
bool output_write(struct output *o, size_t file, struct span from, uint64_t at,
                  struct err *e) MUST_CHECK;
/* fsync files, rename into place, fsync the directory.  After it, output_close does nothing. */
bool output_commit(struct output *o, struct err *e) MUST_CHECK;
/* Removes what was not committed.  May be called twice and on a zeroed struct. */
void output_close(struct output *o);

/* Writes all of s to standard output or the file of that descriptor; ERR_SYSTEM if it is
 * full or closed. */
bool fd_write(int fd, const char *name, struct span s, struct err *e) MUST_CHECK;

/* Nanoseconds of a clock that only moves forward. */
uint64_t clock_ns(void);

#endif
