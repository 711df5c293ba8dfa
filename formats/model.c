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

bool model_reserve(struct model *m, uint64_t n, struct err *e)
{
    uint64_t want;
    if (!size_add(m->n_tensors, n, &want))
        return err_set(e, ERR_MEMORY, "out of memory (%llu tensors)", (unsigned long long)n);
    if (want <= m->room_tensors)
        return true;
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
    names_free(&m->by_name);
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        size_t old;
        if (!names_add(&m->by_name, t->name, i, &old, e))
            return false;
        if (old != NAMES_NONE)
            return err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' is there twice",
                           m->files[t->file].path, STR_ARG(t->name));
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

bool model_place(struct model *m, size_t first, size_t file, uint64_t data_bytes, uint64_t *holes,
                 uint64_t *longest_hole, struct err *e)
{
    size_t n = m->n_tensors - first;
    struct tensor **order = mem_resize(NULL, n * sizeof *order, e);
    if (!order)
        return false;
    for (size_t i = 0; i < n; i++)
        order[i] = &m->tensors[first + i];
    qsort(order, n, sizeof *order, by_offset);
    const struct model_file *f = &m->files[file];
    uint64_t end = 0;
    bool ok = true;
    *holes = *longest_hole = 0;
    for (size_t i = 0; ok && i < n; i++) {
        struct tensor *t = order[i];
        unsigned long long at = f->data_offset + t->offset;
        if (t->offset > data_bytes || t->bytes > data_bytes - t->offset) {
            ok = err_set(e, ERR_INPUT,
                         "%s:0x%llx: tensor '" STR_FMT "' ends %llu bytes past the end of the file",
                         f->path, at, STR_ARG(t->name),
                         (unsigned long long)(t->offset > data_bytes
                                                  ? t->offset - data_bytes + t->bytes
                                                  : t->bytes - (data_bytes - t->offset)));
            err_hint(e, "the file was cut short or is not complete yet; fetch it again");
        } else if (t->offset < end) {
            ok = err_set(e, ERR_INPUT, "%s:0x%llx: tensors '" STR_FMT "' and '" STR_FMT "' overlap",
                         f->path, at, STR_ARG(order[i - 1]->name), STR_ARG(t->name));
        } else {
            uint64_t hole = t->offset - end;
            *holes += hole;
            if (hole > *longest_hole)
                *longest_hole = hole;
            end = t->offset + t->bytes;
            t->file = (uint32_t)file;
            t->offset += f->data_offset;
        }
    }
    mem_free(order);
    uint64_t tail = ok ? data_bytes - end : 0;
    *holes += tail;
    if (tail > *longest_hole)
        *longest_hole = tail;
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
    char **more = arena_new(&m->arena, char *, m->n_findings + 1, e);
    struct str copy = more ? arena_str(&m->arena, str_of(line), e) : (struct str){ 0 };
    if (!copy.at)
        return false;
    if (m->n_findings)
        memcpy(more, m->findings, m->n_findings * sizeof *more);
    more[m->n_findings++] = (char *)(uintptr_t)copy.at;
    m->findings = more;
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
