/* plain.c - small models made in memory, and files in memory that have a path. */
#include "tests/support/plain.h"

#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static bool add_tensor(struct model *out, const struct plain_tensor *from, struct err *e)
{
    uint64_t elems, *dim = arena_new(&out->arena, uint64_t, from->ndim, e);
    if (!dim)
        return false;
    memcpy(dim, from->dim, from->ndim * sizeof *dim);
    struct tensor *t = &out->tensors[out->n_tensors++];
    *t = (struct tensor){
        .name = str_of(from->name), .dtype = from->dtype, .ndim = from->ndim, .dim = dim
    };
    return tensor_size(t, &elems, &t->bytes) || err_set(e, ERR_UNSUPPORTED, "broken blocks");
}

bool plain_lay_out(struct model *out, const struct format *f, const struct plain_tensor *t,
                   size_t n, const struct metadata *keys, uint64_t shard_bytes, struct err *e)
{
    struct layout_options opt = { shard_bytes, STR("tiny") };
    *out = (struct model){ .format = f, .path = "tiny" };
    out->files = arena_new(&out->arena, struct model_file, 1, e);
    if (!out->files || !model_reserve(out, n, e))
        return false;
    out->n_files = 1;
    out->files[0].path = "tiny";
    for (size_t i = 0; keys && i < keys->n; i++)
        if (!meta_add(&out->files[0].metadata, keys->all[i], &out->arena, e))
            return false;
    for (size_t i = 0; i < n; i++)
        if (!add_tensor(out, &t[i], e))
            return false;
    return f->layout(out, &opt, e);
}

uint8_t plain_byte(size_t i, uint64_t at) { return (uint8_t)(i * 131 + at * 7 + (at >> 8) + 1); }

struct str plain_file(const struct model *out, size_t file)
{
    const struct model_file *f = &out->files[file];
    uint8_t *p = calloc(1, f->size + !f->size);
    if (!p)
        abort();
    memcpy(p, f->header.at, f->header.len);
    for (size_t i = 0; i < out->n_tensors; i++)
        for (uint64_t at = 0; out->tensors[i].file == file && at < out->tensors[i].bytes; at++)
            p[out->tensors[i].offset + at] = plain_byte(i, at);
    return (struct str){ (const char *)p, f->size };
}

/* ---- files in memory ----------------------------------------------------------- */

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

void memory_file_open(struct memory_file *f)
{
    f->fd = memfd_create("weigh-test", MFD_CLOEXEC);
    must(f->fd >= 0, "memfd_create");
    snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

void memory_file_fill(struct memory_file *f, struct str bytes)
{
    memory_file_cut(f, 0);
    must(pwrite(f->fd, bytes.at, bytes.len, 0) == (ssize_t)bytes.len, "pwrite");
}

void memory_file_poke(struct memory_file *f, uint64_t at, uint8_t byte)
{
    must(pwrite(f->fd, &byte, 1, (off_t)at) == 1, "pwrite");
}

void memory_file_cut(struct memory_file *f, uint64_t size)
{
    must(ftruncate(f->fd, (off_t)size) == 0, "ftruncate");
}

void memory_file_close(struct memory_file *f) { close(f->fd); }
