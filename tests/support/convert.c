/* convert.c - converting in one call, and comparing what came out. */
#include "tests/support/convert.h"

#include "formats/execute.h"
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>

bool convert(const char *from, const char *to, const struct plan_options *opt, struct err *e)
{
    struct model m = { 0 };
    struct plan p = { 0 };
    struct arena a = { 0 };
    struct execute_result result;
    const struct execute_options run = { .jobs = 1, .tile = 1000 };
    bool ok = model_open(&m, from, e) && plan_make(&p, &m, opt, e) &&
              execute_write(&p, to, true, &run, &result, &a, e);
    plan_free(&p);
    model_close(&m);
    arena_free(&a);
    return ok;
}

bool convert_to(const char *from, const char *to, enum form form, struct err *e)
{
    struct plan_options opt = { .to = form, .one_file = form == FORM_GGUF, .base = STR("model") };
    return convert(from, to, &opt, e);
}

/* ---- comparing -------------------------------------------------------------------------- */

static char said[700];

static const char *say(const struct tensor *t, const char *what)
{
    snprintf(said, sizeof said, STR_FMT ": %s", STR_ARG(t->name), what);
    return said;
}

static void *load(const struct model *m, const struct tensor *t)
{
    struct err e = { 0 };
    uint8_t *p = malloc(t->bytes + !t->bytes);
    if (!p || !model_read(m, t, 0, p, t->bytes, &e))
        abort();
    return p;
}

static float *floats(const struct model *m, const struct tensor *t)
{
    void *stored = load(m, t);
    size_t n = (size_t)tensor_elems(t);
    float *out = malloc(4 * n + 4);
    if (!out || !decode_f32(t->dtype, out, stored, n))
        abort();
    free(stored);
    return out;
}

static const char *compare_shapes(const struct tensor *x, const struct tensor *y)
{
    if (x->ndim != y->ndim)
        return say(x, "the numbers of dimensions differ");
    for (uint32_t d = 0; d < x->ndim; d++)
        if (x->dim[d] != y->dim[d])
            return say(x, "the shapes differ");
    return NULL;
}

static const char *compare(const struct model *a, const struct tensor *x, const struct model *b,
                           const struct tensor *y, bool values)
{
    const char *shapes = compare_shapes(x, y);
    if (shapes)
        return shapes;
    values = values && dtype_info[x->dtype].is_float && dtype_info[y->dtype].is_float;
    if (!values && x->dtype != y->dtype)
        return say(x, "the types differ");
    void *p = values ? (void *)floats(a, x) : load(a, x), *q = values ? floats(b, y) : load(b, y);
    size_t n = values ? 4 * (size_t)tensor_elems(x) : (size_t)x->bytes;
    bool same = memcmp(p, q, n) == 0;
    free(p);
    free(q);
    return same ? NULL : say(x, "the bytes differ");
}

static const char *differ(const char *path_a, const char *path_b, bool values)
{
    struct model a = { 0 }, b = { 0 };
    struct err e = { 0 };
    const char *found = NULL;
    if (!model_open(&a, path_a, &e) || !model_open(&b, path_b, &e)) {
        snprintf(said, sizeof said, "%.600s", e.msg);
        found = said;
    }
    for (size_t i = 0; !found && i < a.n_tensors; i++) {
        const struct tensor *y = model_find(&b, a.tensors[i].name);
        found = y ? compare(&a, &a.tensors[i], &b, y, values) : say(&a.tensors[i], "missing");
    }
    for (size_t i = 0; !found && i < b.n_tensors; i++)
        if (!model_find(&a, b.tensors[i].name))
            found = say(&b.tensors[i], "should not be there");
    model_close(&a);
    model_close(&b);
    return found;
}

const char *tensors_differ(const char *a, const char *b) { return differ(a, b, false); }
const char *values_differ(const char *a, const char *b) { return differ(a, b, true); }

const char *files_differ(const char *a, const char *b)
{
    struct str x = fixture_read(a), y = fixture_read(b);
    size_t at = 0;
    while (at < x.len && at < y.len && x.at[at] == y.at[at])
        at++;
    bool same = at == x.len && at == y.len;
    fixture_free(x);
    fixture_free(y);
    if (same)
        return NULL;
    snprintf(said, sizeof said, "%.300s and %.300s differ at byte %zu", a, b, at);
    return said;
}
