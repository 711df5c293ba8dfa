/* model.c - the tensor table. */
#include "formats/model.h"

#include "formats/format.h"

#include <stdio.h>
#include <stdlib.h>

bool tensor_size(const struct tensor *t, uint64_t *elems, uint64_t *bytes)
{
    const struct dtype_info *d = &dtype_info[t->dtype];
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->ndim; i++)
        if (!size_mul(n, t->dim[i], &n))
            return false;
    *elems = n;
    if (t->ndim && t->dim[t->ndim - 1] % d->block_elems && d->block_elems > 4)
        return false; /* a ggml row is whole blocks */
    return dtype_bytes(t->dtype, n, bytes);
}

uint64_t tensor_elems(const struct tensor *t)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->ndim; i++)
        n *= t->dim[i]; /* did not overflow when the tensor was read */
    return n;
}

bool tensor_same_shape(const struct tensor *a, const struct tensor *b)
{
    uint32_t i = a->ndim, k = b->ndim;
    while (i && k)
        if (a->dim[--i] != b->dim[--k])
            return false;
    while (i)
        if (a->dim[--i] != 1)
            return false;
    while (k)
        if (b->dim[--k] != 1)
            return false;
    return true;
}

bool model_reserve(struct model *m, uint64_t n, struct err *e)
{
    uint64_t want;
    if (!size_add(m->n_tensors, n, &want))
        return err_set(e, ERR_MEMORY, "out of memory (%llu tensors)", (unsigned long long)n);
    if (want <= m->room_tensors)
        return true;
    if (want < 2 * m->room_tensors) /* the arena keeps the smaller tables: their sum stays below */
        want = 2 * m->room_tensors;
    struct tensor *more = arena_new(&m->arena, struct tensor, want, e);
    if (!more)
        return false;
    if (m->n_tensors)
        memcpy(more, m->tensors, m->n_tensors * sizeof *more);
    m->tensors = more;
    m->room_tensors = want;
    return true;
}

bool model_index(struct model *m, struct err *e)
{
    uint64_t seed = 0;
    for (size_t i = 0; i < m->n_tensors; i++)
        seed = names_seed(seed, m->tensors[i].name.at, m->tensors[i].name.len);
    names_free(&m->by_name);
    if (!names_reserve(&m->by_name, m->n_tensors, seed, e))
        return false;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        size_t old;
        if (!names_add(&m->by_name, t->name, i, &old, e))
            return false;
        if (old != NAMES_NONE)
            return err_set(e, ERR_INPUT, "%s:0x%llx: tensor '" STR_FMT "' is there twice",
                           m->files[t->file].path, (unsigned long long)t->offset, STR_ARG(t->name));
    }
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a,
                        *y = *(const struct tensor *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* t, the next in file order, is inside the data region and does not begin before `end`. */
static bool check_place(const struct model_file *f, const struct tensor *t,
                        const struct tensor *before, uint64_t data_bytes, uint64_t end,
                        struct err *e)
{
    unsigned long long at = f->data_offset + (t->offset < data_bytes ? t->offset : data_bytes);
    uint64_t room = t->offset < data_bytes ? data_bytes - t->offset : 0;
    if (t->offset > data_bytes || t->bytes > room) {
        err_set(e, ERR_INPUT,
                "%s:0x%llx: tensor '" STR_FMT "' needs %llu bytes here, %llu are there", f->path,
                at, STR_ARG(t->name), (unsigned long long)t->bytes, (unsigned long long)room);
        return err_hint(e, "the file was cut short or is not complete yet; fetch it again");
    }
    return t->offset >= end ||
           err_set(e, ERR_INPUT, "%s:0x%llx: tensors '" STR_FMT "' and '" STR_FMT "' overlap",
                   f->path, at, STR_ARG(before->name), STR_ARG(t->name));
}

static void add_hole(struct holes *h, uint64_t bytes, uint64_t at)
{
    h->bytes += bytes;
    if (bytes > h->longest) {
        h->longest = bytes;
        h->at = at;
    }
}

bool model_place(struct model *m, size_t first, size_t file, uint64_t data_bytes,
                 struct holes *holes, struct err *e)
{
    const struct model_file *f = &m->files[file];
    size_t n = m->n_tensors - first;
    struct tensor **order = mem_resize(NULL, n * sizeof *order, e);
    if (!order)
        return false;
    for (size_t i = 0; i < n; i++)
        order[i] = &m->tensors[first + i];
    if (n)
        qsort(order, n, sizeof *order, by_offset);
    uint64_t end = 0;
    bool ok = true;
    *holes = (struct holes){ 0 };
    for (size_t i = 0; ok && i < n; i++) {
        struct tensor *t = order[i];
        ok = check_place(f, t, i ? order[i - 1] : t, data_bytes, end, e);
        if (!ok)
            break;
        add_hole(holes, t->offset - end, f->data_offset + end);
        end = t->offset + t->bytes;
        t->file = (uint32_t)file;
        t->offset += f->data_offset;
    }
    mem_free(order);
    if (ok)
        add_hole(holes, data_bytes - end, f->data_offset + end);
    return ok;
}

bool model_read(const struct model *m, const struct tensor *t, uint64_t at, void *to, uint64_t n,
                struct err *e)
{
    if (m->format->read)
        return m->format->read(m, t, at, to, n, e);
    return file_read(&m->files[t->file].file, to, n, t->offset + at, e);
}

const struct tensor *model_find(const struct model *m, struct str name)
{
    size_t i = names_find(&m->by_name, name);
    return i == NAMES_NONE ? NULL : &m->tensors[i];
}

const struct sidecar *model_sidecar(const struct model *m, const char *name)
{
    for (size_t i = 0; i < m->n_sidecars; i++)
        if (str_is(m->sidecars[i].name, name))
            return &m->sidecars[i];
    return NULL;
}

bool model_unchanged(const struct model *m, struct err *e)
{
    for (size_t i = 0; i < m->n_files; i++)
        if (m->files[i].file.open && !file_unchanged(&m->files[i].file, e))
            return false;
    return true;
}

uint64_t model_bytes(const struct model *m)
{
    uint64_t n = 0;
    for (size_t i = 0; i < m->n_tensors; i++)
        n += m->tensors[i].bytes; /* each inside a file, none overlapping: no overflow */
    return n;
}

bool model_finding(struct model *m, struct err *e, const char *fmt, ...)
{
    char line[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    char *copy = arena_printf(&m->arena, e, "%s", line);
    char **all = copy ? arena_append(&m->arena, m->findings, sizeof *all, m->n_findings, e) : NULL;
    if (!all)
        return false;
    m->findings = all;
    all[m->n_findings++] = copy;
    return true;
}

size_t model_shard_end(const struct model *out, size_t first, uint64_t limit)
{
    uint64_t sum = 0;
    size_t i = first;
    for (; i < out->n_tensors; i++) {
        uint64_t more;
        if (!size_add(sum, out->tensors[i].bytes, &more) || (limit && i > first && more > limit))
            break;
        sum = more;
    }
    return i;
}

void model_close(struct model *m)
{
    for (size_t i = 0; i < m->n_files; i++)
        file_close(&m->files[i].file);
    names_free(&m->by_name);
    arena_free(&m->arena);
    *m = (struct model){ 0 };
}
