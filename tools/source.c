/* source.c - SOURCE operands: PATH, PATH@TENSOR, PATH@TENSOR[EXPERT]. */
#include "tools/source.h"

#include "tools/cli.h"

static bool exists(const char *path)
{
    struct err ignored = { 0 };
    enum file_kind kind;
    return file_kind(path, &kind, NULL, NULL, &ignored) && kind != FILE_ABSENT;
}

bool source_part(const char *arg, struct source *s, struct arena *a, struct err *e)
{
    *s = (struct source){ .path = arg };
    if (exists(arg))
        return true;
    for (struct str left = str_of(arg); left.len > 1;) {
        const char *at = memrchr(left.at, '@', left.len);
        if (!at)
            break;
        left.len = (size_t)(at - arg);
        struct str path = left.len ? arena_str(a, left, e) : STR("");
        if (!path.at)
            return false;
        if (path.len && exists(path.at)) {
            *s = (struct source){ path.at, str_of(at + 1) };
            break;
        }
    }
    return true;
}

const struct tensor *source_tensor(const struct model *m, struct str name, struct err *e)
{
    const struct tensor *t = model_find(m, name);
    if (t)
        return t;
    struct nearest near = { .word = name };
    for (size_t i = 0; i < m->n_tensors; i++)
        nearest_offer(&near, m->tensors[i].name);
    err_set(e, ERR_USAGE, "%s has no tensor '" STR_FMT "'", m->path, STR_ARG(name));
    if (near.name.len)
        err_hint(e, "did you mean " STR_FMT "?", STR_ARG(near.name));
    err_hint(e, "weigh-inspect --tensors %s lists them", m->path);
    return NULL;
}
