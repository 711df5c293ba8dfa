/* tables.c - what must hold of every tensor table that a reader lets through. */
#include "tests/support/tables.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

void tables_open(struct model *m, uint64_t size)
{
    struct err e = { 0 };
    *m = (struct model){ .path = "fuzz" };
    m->files = arena_new(&m->arena, struct model_file, 1, &e);
    must(m->files, "memory for one file");
    m->n_files = 1;
    m->files[0] = (struct model_file){ .path = "fuzz", .name = STR("fuzz"), .size = size };
}

static void check_tensor(const struct model *m, const struct tensor *t)
{
    const struct model_file *f = &m->files[0];
    uint64_t elems, bytes;
    must(t->dtype > DTYPE_NONE && t->dtype < DTYPE_COUNT, "a known type");
    must(tensor_size(t, &elems, &bytes) && bytes == t->bytes, "bytes of the shape");
    must(t->offset >= f->data_offset && t->offset <= f->size && t->bytes <= f->size - t->offset,
         "a place inside the file");
    must(model_find(m, t->name) == t, "its own name");
}

void tables_check(struct model *m, bool ok, struct err *e)
{
    must(ok == (e->code == ERR_NONE), "an error says why");
    must(ok || e->code == ERR_INPUT || e->code == ERR_UNSUPPORTED, "a clean verdict");
    must(ok || strncmp(e->msg, "fuzz", 4) == 0, "a message that names the file");
    if (!ok || !model_index(m, e))
        return;
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        check_tensor(m, &m->tensors[i]);
        sum += m->tensors[i].bytes;
    }
    must(sum <= m->files[0].size, "tensors that do not overlap");
}

static void check_same(const struct tensor *a, const struct tensor *b)
{
    must(b && a->dtype == b->dtype && a->bytes == b->bytes, "the same tensor");
    uint32_t skip = a->ndim > b->ndim ? a->ndim - b->ndim : 0;
    for (uint32_t i = 0; i < skip; i++)
        must(a->dim[i] == 1, "only ones are dropped");
    for (uint32_t i = skip; i < a->ndim; i++)
        must(a->dim[i] == b->dim[i - skip], "the same shape");
}

static bool copy_table(struct model *out, const struct model *m, struct err *e)
{
    if (!model_reserve(out, m->n_tensors, e))
        return false;
    for (size_t i = 0; i < m->n_tensors; i++)
        out->tensors[out->n_tensors++] = m->tensors[i];
    out->files[0].metadata = m->files[0].metadata;
    return true;
}

void tables_check_layout(const struct model *m, const struct format *f, tables_read *read)
{
    struct model out, again;
    struct err e = { 0 };
    struct layout_options opt = { 0, STR("fuzz") };
    tables_open(&out, 0);
    must(copy_table(&out, m, &e), "memory for the table");
    if (f->layout(&out, &opt, &e)) {
        tables_open(&again, out.files[0].size);
        bool ok = read(&again, out.files[0].header, &e);
        tables_check(&again, ok, &e);
        must(ok && again.n_tensors == m->n_tensors, "a layout that can be read");
        for (size_t i = 0; i < m->n_tensors; i++)
            check_same(&m->tensors[i], model_find(&again, m->tensors[i].name));
        model_close(&again);
    } else {
        must(e.code == ERR_UNSUPPORTED, "a clean refusal");
    }
    model_close(&out);
}
