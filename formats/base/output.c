/* output.c - outputs that are published whole or not at all. */
#include "formats/base/file.h"

#include "formats/base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SYS(call) (fault_hits(FAULT_IO) ? (errno = EIO, -1) : (call))

struct out_file {
    char *path;
    int fd;
    bool open;
    uint64_t size;
};

#define MARK ".weigh-tmp-"

/* ---- names ------------------------------------------------------------------ */

/* "a/b/c/" -> "a/b", "c": without trailing slashes. */
static bool split_path(struct arena *a, const char *path, char **dir, struct str *name,
                       struct err *e)
{
    struct str s = str_of(path);
    while (s.len > 1 && s.at[s.len - 1] == '/')
        s.len--;
    size_t slash = s.len;
    while (slash && s.at[slash - 1] != '/')
        slash--;
    *name = (struct str){ s.at + slash, s.len - slash };
    if (name->len == 0 || str_is(*name, ".") || str_is(*name, ".."))
        return err_set(e, ERR_USAGE, "%s: not a name an output can have", path);
    *dir = slash == 0   ? arena_printf(a, e, ".")
           : slash == 1 ? arena_printf(a, e, "/")
                        : arena_printf(a, e, "%.*s", (int)(slash - 1), path);
    return *dir != NULL;
}

static bool remove_tree(const char *path, struct err *e)
{
    struct arena a = { 0 };
    struct file_entry *entries;
    size_t n;
    struct stat st;
    if (SYS(lstat(path, &st)) != 0)
        return err_errno(e, "cannot look at", path);
    bool ok = true;
    if (S_ISDIR(st.st_mode)) {
        ok = file_list(path, &a, &entries, &n, e);
        for (size_t i = 0; ok && i < n; i++) {
            char *inner = file_join(&a, path, entries[i].name, e);
            ok = inner && remove_tree(inner, e);
        }
    }
    arena_free(&a);
    if (ok && SYS(S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)) != 0)
        ok = err_errno(e, "cannot remove", path);
    return ok;
}

/* Temporaries of killed runs for this place: a live run holds a lock on its own. */
static void remove_leftovers(const char *dir, struct str name, struct arena *a)
{
    struct err ignore = { 0 }; /* only tidying: the new run has its own name anyway */
    struct file_entry *entries;
    size_t n;
    char *prefix = arena_printf(a, &ignore, "." STR_FMT MARK, STR_ARG(name));
    if (!prefix || !file_list(dir, a, &entries, &n, &ignore))
        return;
    for (size_t i = 0; i < n; i++) {
        if (!str_starts(entries[i].name, prefix) || entries[i].link)
            continue;
        char *path = file_join(a, dir, entries[i].name, &ignore);
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            remove_tree(path, &(struct err){ 0 });
        if (fd >= 0)
            close(fd);
    }
}

/* ---- checks ----------------------------------------------------------------- */

/* Is `source` inside the directory of that device and inode, at any depth? */
static bool is_inside(const char *source, enum file_kind kind, uint64_t device, uint64_t inode,
                      bool *inside, struct err *e)
{
    struct arena a = { 0 };
    const char *slash = strrchr(source, '/');
    uint64_t d = 0, i = 0, below_d, below_i;
    char *dir = kind == FILE_DIRECTORY ? arena_printf(&a, e, "%s", source)
                : slash                ? arena_printf(&a, e, "%.*s/", (int)(slash - source), source)
                                       : arena_printf(&a, e, ".");
    bool up = dir != NULL;
    *inside = false;
    while (up) {
        below_d = d;
        below_i = i;
        up = file_kind(dir, &kind, &d, &i, e) && kind == FILE_DIRECTORY;
        *inside = up && d == device && i == inode;
        up = up && !*inside && (d != below_d || i != below_i); /* the root is its own parent */
        dir = up ? arena_printf(&a, e, "%s/..", dir) : NULL;
        up = dir != NULL;
    }
    arena_free(&a);
    return e->code == ERR_NONE;
}

bool output_check(const char *path, bool directory, bool replace, const char *const *sources,
                  size_t n, struct err *e)
{
    enum file_kind kind, source_kind;
    uint64_t device, inode, source_device, source_inode;
    if (strcmp(path, "-") == 0)
        return !directory ||
               err_set(e, ERR_USAGE, "a directory cannot be written to standard output");
    if (!file_kind(path, &kind, &device, &inode, e))
        return false;
    if (kind == FILE_ABSENT)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (!file_kind(sources[i], &source_kind, &source_device, &source_inode, e))
            return false;
        if (source_kind != FILE_ABSENT && source_device == device && source_inode == inode)
            return err_set(e, ERR_USAGE, "%s is the input itself (%s)", path, sources[i]) ||
                   err_hint(e, "write to another name, then move it");
        bool inside = false;
        if (kind == FILE_DIRECTORY && source_kind != FILE_ABSENT &&
            !is_inside(sources[i], source_kind, device, inode, &inside, e))
            return false;
        if (inside)
            return err_set(e, ERR_USAGE, "%s holds the input (%s)", path, sources[i]) ||
                   err_hint(e, "write to another name: the whole directory would be replaced");
    }
    if ((kind == FILE_DIRECTORY) != directory)
        return err_set(e, ERR_USAGE, "%s exists and is %s, the output would be %s", path,
                       kind == FILE_DIRECTORY ? "a directory" : "a file",
                       directory ? "a directory" : "a file");
    if (!replace)
        return err_set(e, ERR_USAGE, "%s already exists", path) ||
               err_hint(e, "-f replaces it once the new one is complete");
    return true;
}

bool output_room(const struct output *o, uint64_t bytes, struct err *e)
{
    struct statvfs fs;
    if (o->stream)
        return true;
    if (SYS(statvfs(o->temp, &fs)) != 0)
        return err_errno(e, "cannot look at", o->temp);
    uint64_t room;
    if (!size_mul(fs.f_bavail, fs.f_frsize, &room) || room >= bytes)
        return true;
    return err_set(e, ERR_SYSTEM, "%s: no space: %llu bytes needed, %llu free", o->path,
                   (unsigned long long)bytes, (unsigned long long)room);
}

/* ---- open ------------------------------------------------------------------- */

static bool temp_name(struct output *o, const char *dir, struct str name, struct err *e)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    uint8_t dice[8];
    char tail[9] = { 0 };
    if (SYS(getrandom(dice, sizeof dice, 0)) != (ssize_t)sizeof dice)
        return err_errno(e, "cannot draw random bytes for", o->path);
    for (size_t i = 0; i < sizeof dice; i++)
        tail[i] = letters[dice[i] & 31];
    char *last = arena_printf(&o->arena, e, "." STR_FMT MARK "%s", STR_ARG(name), tail);
    o->temp = last ? file_join(&o->arena, dir, str_of(last), e) : NULL;
    return o->temp != NULL;
}

/* Creates the temporary and locks it; the lock file of a directory is the directory. */
static bool temp_create(struct output *o, struct err *e)
{
    if (o->directory && SYS(mkdir(o->temp, 0777)) != 0)
        return err_errno(e, "cannot create", o->temp);
    int flags = o->directory ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT | O_EXCL;
    int fd = SYS(open(o->temp, flags | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (fd < 0) {
        err_errno(e, "cannot create", o->temp);
        if (o->directory)
            rmdir(o->temp);
        return false;
    }
    o->lock_fd = fd;
    flock(fd, LOCK_EX | LOCK_NB); /* a file system without locks only loses the tidying */
    return true;
}

bool output_open(struct output *o, const char *path, bool directory, bool replace, struct err *e)
{
    *o = (struct output){ .path = path, .directory = directory, .replace = replace, .lock_fd = -1 };
    char *dir;
    struct str name;
    if (strcmp(path, "-") == 0) {
        o->stream = true;
        return true;
    }
    if (split_path(&o->arena, path, &dir, &name, e)) {
        remove_leftovers(dir, name, &o->arena);
        if (temp_name(o, dir, name, e)) {
            if (temp_create(o, e))
                return true;
            o->temp = NULL; /* nothing of ours stands there */
        }
    }
    output_close(o);
    return false;
}

/* ---- files ------------------------------------------------------------------ */

static bool sub_folder(struct output *o, struct str name, struct err *e)
{
    const char *slash = name.len ? memchr(name.at, '/', name.len) : NULL;
    if (!slash)
        return true;
    char *dir =
        file_join(&o->arena, o->temp, (struct str){ name.at, (size_t)(slash - name.at) }, e);
    if (!dir)
        return false;
    return SYS(mkdir(dir, 0777)) == 0 || errno == EEXIST || err_errno(e, "cannot create", dir);
}

bool output_add(struct output *o, struct str name, uint64_t size, size_t *file, struct err *e)
{
    struct out_file *all = arena_append(&o->arena, o->files, sizeof *all, o->n_files, e);
    if (!all)
        return false;
    o->files = all;
    struct out_file *f = &all[o->n_files];
    *file = o->n_files;
    *f = (struct out_file){ .size = size };
    if (o->stream) {
        f->fd = STDOUT_FILENO;
        o->n_files++;
        return true;
    }
    f->path = o->directory ? file_join(&o->arena, o->temp, name, e) : o->temp;
    if (!f->path || (o->directory && !sub_folder(o, name, e)))
        return false;
    f->fd = o->directory ? SYS(open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666))
                         : SYS(dup(o->lock_fd));
    if (f->fd < 0)
        return err_errno(e, "cannot create", f->path);
    f->open = true;
    o->n_files++;
    if (SYS(ftruncate(f->fd, (off_t)size)) != 0)
        return err_errno(e, "cannot make room for", o->path);
    return true;
}

static bool stream_write(struct output *o, struct span from, uint64_t at, struct err *e)
{
    static const uint8_t zeros[4096];
    while (o->streamed < at) {
        uint64_t gap = at - o->streamed < sizeof zeros ? at - o->streamed : sizeof zeros;
        if (!fd_write(STDOUT_FILENO, "standard output", (struct span){ zeros, (size_t)gap }, e))
            return false;
        o->streamed += gap;
    }
    o->streamed += from.len;
    return fd_write(STDOUT_FILENO, "standard output", from, e);
}

bool output_write(struct output *o, size_t file, struct span from, uint64_t at, struct err *e)
{
    struct out_file *f = &o->files[file];
    if (o->stream)
        return stream_write(o, from, at, e);
    while (from.len) {
        ssize_t put = SYS(pwrite(f->fd, from.at, from.len, (off_t)at));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            if (errno == ENOSPC)
                err_hint(e, "free some space or write elsewhere");
            return err_errno(e, "cannot write", o->path);
        }
        /* Let the disk begin at once: what waits for fsync would leave the CPU idle then. */
        sync_file_range(f->fd, (off_t)at, put, SYNC_FILE_RANGE_WRITE);
        from.at += put;
        from.len -= (size_t)put;
        at += (uint64_t)put;
    }
    return true;
}

/* ---- commit ----------------------------------------------------------------- */

static bool sync_path(const char *path, struct err *e)
{
    int fd = SYS(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return err_errno(e, "cannot open directory", path);
    bool ok = SYS(fsync(fd)) == 0 || errno == EINVAL || err_errno(e, "cannot sync", path);
    close(fd);
    return ok;
}

static bool sync_files(struct output *o, struct err *e)
{
    for (size_t i = 0; i < o->n_files; i++) {
        struct out_file *f = &o->files[i];
        if (SYS(fsync(f->fd)) != 0)
            return err_errno(e, "cannot sync", o->path);
        f->open = false;
        int closed = close(f->fd); /* even where a test makes it fail */
        if (SYS(closed) != 0)
            return err_errno(e, "cannot close", o->path);
        const char *slash = o->directory ? strchr(f->path + strlen(o->temp) + 1, '/') : NULL;
        if (slash) {
            char *sub = arena_printf(&o->arena, e, "%.*s", (int)(slash - f->path), f->path);
            if (!sub || !sync_path(sub, e))
                return false;
        }
    }
    return !o->directory || sync_path(o->temp, e);
}

/* Puts the temporary in place: beside nothing by a rename that refuses to replace, over
 * an old output by an exchange, which can be taken back.  *old: the temporary's name
 * now holds what stood there. */
static bool put_in_place(struct output *o, bool *old, struct err *e)
{
    struct stat st;
    *old = o->replace && lstat(o->path, &st) == 0;
    unsigned flags = *old ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (SYS(renameat2(AT_FDCWD, o->temp, AT_FDCWD, o->path, flags)) == 0)
        return true;
    if (errno == EEXIST)
        return err_set(e, ERR_USAGE, "%s appeared while we were writing", o->path);
    if (errno != EINVAL && errno != ENOSYS)
        return err_errno(e, "cannot rename into", o->path);
    *old = false; /* a file system without these flags: files still replace atomically */
    return rename(o->temp, o->path) == 0 || err_errno(e, "cannot rename into", o->path);
}

static void take_back(struct output *o, bool old)
{
    renameat2(AT_FDCWD, o->path, AT_FDCWD, o->temp, old ? RENAME_EXCHANGE : RENAME_NOREPLACE);
}

bool output_commit(struct output *o, struct err *e)
{
    if (o->stream) {
        uint64_t end = o->n_files ? o->files[0].size : 0;
        return stream_write(o, (struct span){ (const uint8_t *)"", 0 }, end, e);
    }
    char *dir;
    struct str name;
    bool old;
    if (!split_path(&o->arena, o->path, &dir, &name, e) || !sync_files(o, e) ||
        !put_in_place(o, &old, e))
        return false;
    if (!sync_path(dir, e)) {
        take_back(o, old);
        return false;
    }
    if (old)
        remove_tree(o->temp, &(struct err){ 0 }); /* if it stays, the next run tidies */
    o->temp = NULL;
    return true;
}

void output_close(struct output *o)
{
    for (size_t i = 0; i < o->n_files; i++)
        if (o->files[i].open)
            close(o->files[i].fd);
    if (o->temp)
        remove_tree(o->temp, &(struct err){ 0 });
    if (o->lock_fd > 0)
        close(o->lock_fd);
    arena_free(&o->arena);
    *o = (struct output){ .lock_fd = -1 };
}
