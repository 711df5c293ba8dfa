/* files.c - listing the files of a model and hashing them, the largest first. */
#include "verify/files.h"

#include "formats/base/pool.h"

#include <stdatomic.h>
#include <stdlib.h>

struct str files_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return str_of(slash ? slash + 1 : path);
}

/* ---- listing --------------------------------------------------------------------------- */

struct identity {
    uint64_t device, inode;
};

struct listing {
    struct disk_files *to;
    size_t room;
    struct identity *out;
    size_t n_out;
    struct err *e;
};

static bool append(struct listing *l, struct str name, const char *path, uint64_t size)
{
    struct disk_files *f = l->to;
    if (f->n == l->room) {
        l->room = l->room ? 2 * l->room : 32;
        struct disk_file *more = arena_new(&f->arena, struct disk_file, l->room, l->e);
        if (!more)
            return false;
        if (f->n)
            memcpy(more, f->all, f->n * sizeof *more);
        f->all = more;
    }
    f->all[f->n++] = (struct disk_file){ .name = name, .path = path, .size = size };
    return true;
}

static bool left_out(const struct listing *l, const char *path, bool *out)
{
    enum file_kind kind;
    struct identity is = { 0 };
    *out = false;
    if (l->n_out && !file_kind(path, &kind, &is.device, &is.inode, l->e))
        return false;
    for (size_t i = 0; i < l->n_out; i++)
        *out = *out || (l->out[i].device == is.device && l->out[i].inode == is.inode);
    return true;
}

/* The regular files of dir, whose names begin with prefix as seen from the source. */
static bool list_folder(struct listing *l, const char *dir, const char *prefix)
{
    struct arena *a = &l->to->arena;
    struct file_entry *all;
    size_t n;
    if (!file_list(dir, a, &all, &n, l->e))
        return false;
    for (size_t i = 0; i < n; i++) {
        bool out;
        if (all[i].kind != FILE_REGULAR && all[i].kind != FILE_ABSENT)
            continue;
        const char *path = file_join(a, dir, all[i].name, l->e);
        const char *name = arena_printf(a, l->e, "%s" STR_FMT, prefix, STR_ARG(all[i].name));
        if (!path || !name || !left_out(l, path, &out) ||
            (!out && !append(l, str_of(name), path, all[i].size)))
            return false;
    }
    return true;
}

static bool list_directory(struct listing *l, const char *dir, const char *const *folders)
{
    struct arena *a = &l->to->arena;
    if (!list_folder(l, dir, ""))
        return false;
    for (; *folders; folders++) {
        enum file_kind kind;
        const char *path = file_join(a, dir, str_of(*folders), l->e);
        const char *prefix = arena_printf(a, l->e, "%s/", *folders);
        if (!path || !prefix || !file_kind(path, &kind, NULL, NULL, l->e) ||
            (kind == FILE_DIRECTORY && !list_folder(l, path, prefix)))
            return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct disk_file *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

/* What must not be listed; a path where nothing stands leaves nothing out. */
static bool identify(struct listing *l, const char *const *out, size_t n)
{
    enum file_kind kind;
    l->out = arena_new(&l->to->arena, struct identity, n, l->e);
    for (size_t i = 0; l->out && i < n; i++) {
        struct identity *id = &l->out[l->n_out];
        if (!file_kind(out[i], &kind, &id->device, &id->inode, l->e))
            return false;
        l->n_out += kind == FILE_REGULAR;
    }
    return l->out != NULL;
}

bool files_list(struct disk_files *f, const char *source, const char *const *folders,
                const char *const *out, size_t n_out, struct err *e)
{
    struct listing l = { .to = f, .e = e };
    enum file_kind kind;
    *f = (struct disk_files){ 0 };
    bool ok = file_kind(source, &kind, NULL, NULL, e) && identify(&l, out, n_out);
    if (ok && kind == FILE_DIRECTORY) {
        ok = list_directory(&l, source, folders);
    } else if (ok) {
        struct file one; /* says what is wrong with it, too */
        ok = file_open(&one, source, e) && append(&l, files_base(source), source, one.size);
        file_close(&one);
    }
    if (ok && f->n)
        qsort(f->all, f->n, sizeof *f->all, by_name);
    if (!ok)
        files_free(f);
    return ok;
}

void files_free(struct disk_files *f)
{
    arena_free(&f->arena);
    *f = (struct disk_files){ 0 };
}

/* ---- hashing ----------------------------------------------------------------------------- */

struct hashing {
    struct hash_job {
        struct disk_file *file;
        struct arena arena; /* jobs run side by side, an arena is for one */
    } * jobs;
    bool blocks;
    const struct execute_options *opt;
    atomic_uint_fast64_t done;
    uint64_t total;
};

static void seen(void *ctx, uint64_t bytes)
{
    struct hashing *h = ctx;
    uint64_t done = atomic_fetch_add(&h->done, bytes) + bytes;
    if (h->opt->progress)
        h->opt->progress(h->opt->ctx, done, h->total);
}

static bool hash_one(void *ctx, size_t job, unsigned worker, struct err *e)
{
    struct hashing *h = ctx;
    struct hash_job *j = &h->jobs[job];
    (void)worker;
    return file_digest_of(j->file->path, h->blocks, &j->file->digest, &j->arena, seen, h, e);
}

/* The largest first: whoever finishes last then finishes soonest. */
static int by_size(const void *a, const void *b)
{
    const struct hash_job *x = a, *y = b;
    if (x->file->size != y->file->size)
        return x->file->size < y->file->size ? 1 : -1;
    return str_cmp(x->file->name, y->file->name);
}

bool files_digest(struct disk_file *const *files, size_t n, bool blocks,
                  const struct execute_options *opt, struct arena *a, struct err *e)
{
    struct hashing h = { .blocks = blocks, .opt = opt };
    h.jobs = arena_new(a, struct hash_job, n, e);
    if (!h.jobs)
        return false;
    for (size_t i = 0; i < n; i++) {
        h.jobs[i].file = files[i];
        h.total += files[i]->size; /* for the bar alone */
    }
    if (n)
        qsort(h.jobs, n, sizeof *h.jobs, by_size);
    bool ok = pool_run(opt->jobs ? opt->jobs : pool_cores(), n, hash_one, &h, e);
    for (size_t i = 0; i < n; i++)
        arena_join(a, &h.jobs[i].arena);
    return ok;
}
