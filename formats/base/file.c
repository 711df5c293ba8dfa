/* file.c - reading files: every system call of the project is here or in output.c. */
#include "formats/base/file.h"

#include "formats/base/buf.h"
#include "formats/base/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The call, unless a test makes it fail. */
#define SYS(call) (fault_hits(FAULT_IO) ? (errno = EIO, -1) : (call))

static void identify(struct file *f, const struct stat *st)
{
    f->size = (uint64_t)st->st_size;
    f->device = (uint64_t)st->st_dev;
    f->inode = (uint64_t)st->st_ino;
    f->mtime_ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

bool file_open(struct file *f, const char *path, struct err *e)
{
    *f = (struct file){ .path = path };
    if (strcmp(path, "-") == 0) {
        *f = (struct file){ .path = "standard input", .sequential = true };
        return true;
    }
    f->fd = SYS(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)); /* a fifo must not hang us */
    if (f->fd < 0)
        return err_errno(e, "cannot open", path);
    f->open = true;
    struct stat st;
    bool ok = SYS(fstat(f->fd, &st)) == 0 || err_errno(e, "cannot read", path);
    if (ok && !S_ISREG(st.st_mode))
        ok = err_set(e, ERR_USAGE, "%s is %s, not a regular file", path,
                     S_ISDIR(st.st_mode) ? "a directory" : "a device or pipe");
    if (ok)
        identify(f, &st);
    else
        file_close(f);
    return ok;
}

void file_close(struct file *f)
{
    if (f->open)
        close(f->fd);
    f->open = false;
}

bool file_read(const struct file *f, void *to, uint64_t n, uint64_t at, struct err *e)
{
    uint8_t *p = to;
    while (n) {
        size_t want = n < 1u << 30 ? (size_t)n : 1u << 30;
        ssize_t got = SYS(pread(f->fd, p, want, (off_t)at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(e, "cannot read", f->path);
        if (got == 0)
            return err_set(e, ERR_INPUT, "%s:0x%llx: the file shrank while being read", f->path,
                           (unsigned long long)at);
        p += got;
        at += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return true;
}

bool file_unchanged(const struct file *f, struct err *e)
{
    struct stat st;
    struct file now = *f;
    if (SYS(fstat(f->fd, &st)) != 0)
        return err_errno(e, "cannot read", f->path);
    identify(&now, &st);
    if (now.size == f->size && now.mtime_ns == f->mtime_ns)
        return true;
    return err_set(e, ERR_INPUT, "%s changed while being read", f->path);
}

/* Standard input to its end. */
static bool slurp_stream(uint64_t most, struct arena *a, struct span *out, struct err *e)
{
    struct buf b = buf_make(e);
    bool ok = true;
    for (ssize_t got = 1; ok && got;) {
        uint8_t piece[16384];
        got = SYS(read(STDIN_FILENO, piece, sizeof piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            ok = err_errno(e, "cannot read", "standard input");
        else if (b.len + (size_t)got > most)
            ok = err_set(e, ERR_INPUT, "standard input is longer than %llu bytes",
                         (unsigned long long)most);
        else
            buf_add(&b, piece, (uint64_t)got);
        ok = ok && buf_ok(&b);
    }
    struct str text = ok ? arena_str(a, buf_text(&b), e) : (struct str){ 0 };
    buf_free(&b);
    *out = (struct span){ (const uint8_t *)text.at, text.len };
    return text.at != NULL;
}

bool file_slurp(const char *path, uint64_t most, struct arena *a, struct span *out, struct err *e)
{
    struct file f;
    if (!file_open(&f, path, e))
        return false;
    if (f.sequential)
        return slurp_stream(most, a, out, e);
    uint8_t *p = NULL;
    if (f.size > most)
        err_set(e, ERR_INPUT, "%s has %llu bytes, more than the %llu such a file may have", path,
                (unsigned long long)f.size, (unsigned long long)most);
    else
        p = arena_alloc(a, 1, f.size + 1, e);
    bool ok = p && file_read(&f, p, f.size, 0, e);
    *out = (struct span){ p, (size_t)f.size };
    file_close(&f);
    return ok;
}

bool file_kind(const char *path, enum file_kind *kind, uint64_t *device, uint64_t *inode,
               struct err *e)
{
    struct stat st;
    *kind = FILE_ABSENT;
    if (SYS(stat(path, &st)) != 0)
        return errno == ENOENT || errno == ENOTDIR || err_errno(e, "cannot look at", path);
    *kind = S_ISREG(st.st_mode) ? FILE_REGULAR : S_ISDIR(st.st_mode) ? FILE_DIRECTORY : FILE_OTHER;
    if (device)
        *device = (uint64_t)st.st_dev;
    if (inode)
        *inode = (uint64_t)st.st_ino;
    return true;
}

char *file_join(struct arena *a, const char *dir, struct str name, struct err *e)
{
    size_t n = strlen(dir);
    const char *slash = n && dir[n - 1] == '/' ? "" : "/";
    return arena_printf(a, e, "%s%s" STR_FMT, dir, slash, STR_ARG(name));
}

bool file_name_ok(struct str name)
{
    if (name.len == 0 || name.len > 255 || str_is(name, ".") || str_is(name, ".."))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.at[i] < 0x20 || name.at[i] == '/' || name.at[i] == 0x7f)
            return false;
    return true;
}

static bool entry_fill(struct file_entry *entry, const char *dir, const char *name, struct arena *a,
                       struct err *e)
{
    entry->name = arena_str(a, str_of(name), e);
    char *path = entry->name.at ? file_join(a, dir, entry->name, e) : NULL;
    struct stat st;
    if (!path)
        return false;
    if (SYS(lstat(path, &st)) != 0)
        return err_errno(e, "cannot look at", path);
    entry->link = S_ISLNK(st.st_mode);
    if (entry->link && stat(path, &st) != 0) {
        entry->kind = FILE_ABSENT; /* a dangling link */
        return true;
    }
    entry->size = (uint64_t)st.st_size;
    entry->kind = S_ISREG(st.st_mode)   ? FILE_REGULAR
                  : S_ISDIR(st.st_mode) ? FILE_DIRECTORY
                                        : FILE_OTHER;
    return true;
}

static int by_entry_name(const void *a, const void *b)
{
    const struct file_entry *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

bool file_list(const char *dir, struct arena *a, struct file_entry **entries, size_t *n,
               struct err *e)
{
    DIR *d = fault_hits(FAULT_IO) ? (errno = EIO, NULL) : opendir(dir);
    if (!d)
        return err_errno(e, "cannot open directory", dir);
    size_t room = 0;
    struct file_entry *all = NULL;
    bool ok = true;
    *n = 0;
    for (struct dirent *item; ok && (errno = 0, item = readdir(d));) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        if (*n == room) {
            room = room ? 2 * room : 32;
            struct file_entry *more = arena_new(a, struct file_entry, room, e);
            ok = more != NULL;
            if (ok && *n)
                memcpy(more, all, *n * sizeof *all);
            all = more;
        }
        ok = ok && entry_fill(&all[(*n)++], dir, item->d_name, a, e);
    }
    if (ok && errno)
        ok = err_errno(e, "cannot read directory", dir);
    closedir(d);
    if (ok && *n)
        qsort(all, *n, sizeof *all, by_entry_name);
    *entries = all;
    return ok;
}

bool fd_write(int fd, const char *name, struct span s, struct err *e)
{
    while (s.len) {
        ssize_t put = SYS(write(fd, s.at, s.len));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_errno(e, "cannot write", name);
        s.at += put;
        s.len -= (size_t)put;
    }
    return true;
}

uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
