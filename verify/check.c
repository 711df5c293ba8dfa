/* check.c - files and leaves against a manifest. */
#include "verify/check.h"

#include "formats/base/text.h"
#include "verify/files.h"

bool check_add(struct check *c, struct str name, enum check_state state, const char *detail,
               struct check_item **item, struct err *e)
{
    if ((c->n & (c->n - 1)) == 0) { /* full: a power of two, or none */
        struct check_item *more = arena_new(&c->arena, struct check_item, c->n ? 2 * c->n : 1, e);
        if (!more)
            return false;
        if (c->n)
            memcpy(more, c->items, c->n * sizeof *more);
        c->items = more;
    }
    struct str copy = arena_str(&c->arena, name, e);
    if (!copy.at)
        return false;
    c->items[c->n] = (struct check_item){ .name = copy, .state = state, .detail = detail };
    if (item)
        *item = &c->items[c->n];
    c->n++;
    c->count[state]++;
    return true;
}

void check_free(struct check *c)
{
    arena_free(&c->arena);
    *c = (struct check){ 0 };
}

/* ---- files --------------------------------------------------------------------------------- */

/* A named file and where it lies. */
struct named {
    const struct manifest_file *was;
    struct disk_file is;
    bool there;
};

struct files_check {
    struct check *c;
    const struct manifest *m;
    const char *source;
    bool directory;
    struct named *named;
    size_t n;
    struct arena *a;
    struct err *e;
};

static bool look_at(struct files_check *k, const struct manifest_file *was, const char *path)
{
    struct named *n = &k->named[k->n++];
    struct file f;
    enum file_kind kind;
    if (!path || !file_kind(path, &kind, NULL, NULL, k->e))
        return false;
    *n = (struct named){ .was = was, .there = kind != FILE_ABSENT };
    n->is = (struct disk_file){ .name = was->name, .path = path };
    if (!n->there)
        return true;
    if (!file_open(&f, path, k->e))
        return false;
    n->is.size = f.size;
    file_close(&f);
    return true;
}

/* The files of the manifest that source has or should have. */
static bool look(struct files_check *k)
{
    const struct manifest *m = k->m;
    struct str base = files_base(k->source);
    k->named = arena_new(k->a, struct named, m->n_files, k->e);
    bool ok = k->named != NULL;
    for (size_t i = 0; ok && i < m->n_files; i++) {
        const struct manifest_file *f = &m->files[i];
        const char *path = k->source;
        if (k->directory)
            path = file_join(k->a, k->source, f->name, k->e);
        if (k->directory || m->n_files == 1 || str_eq(files_base(f->name.at), base))
            ok = look_at(k, f, path);
    }
    return ok;
}

static bool hash(struct files_check *k, const struct execute_options *opt)
{
    struct disk_file **there = arena_new(k->a, struct disk_file *, k->n, k->e);
    size_t n = 0;
    for (size_t i = 0; there && i < k->n; i++)
        if (k->named[i].there)
            there[n++] = &k->named[i].is;
    return there && files_digest(there, n, false, opt, k->a, k->e);
}

/* What to say of a file that differs. */
static bool differs(struct files_check *k, const struct named *n)
{
    struct check_item *item;
    const char *detail = NULL;
    if (n->was->sized && n->was->bytes != n->is.size) {
        detail = arena_printf(&k->c->arena, k->e, "has %llu bytes, was %llu",
                              (unsigned long long)n->is.size, (unsigned long long)n->was->bytes);
        if (!detail)
            return false;
    }
    return check_add(k->c, n->was->name, CHECK_DIFFERS, detail, &item, k->e) &&
           (!n->was->sized || damage_find(item, n->was, n->is.path, &k->c->arena, k->e));
}

static bool judge(struct files_check *k)
{
    bool ok = true;
    for (size_t i = 0; ok && i < k->n; i++) {
        const struct named *n = &k->named[i];
        if (!n->there)
            ok = check_add(k->c, n->was->name, CHECK_MISSING, NULL, NULL, k->e);
        else if (sha_eq(&n->was->sha, &n->is.digest.sha))
            ok = check_add(k->c, n->was->name, CHECK_OK, NULL, NULL, k->e);
        else
            ok = differs(k, n);
    }
    return ok;
}

static bool add_extras(struct files_check *k, const char *const *out, size_t n_out)
{
    struct disk_files f;
    struct names known = { 0 };
    bool ok = files_list(&f, k->source, manifest_folders, out, n_out, k->e);
    for (size_t i = 0; ok && i < k->m->n_files; i++) {
        size_t old;
        ok = names_add(&known, k->m->files[i].name, i, &old, k->e);
    }
    for (size_t i = 0; ok && i < f.n; i++)
        if (names_find(&known, f.all[i].name) == NAMES_NONE)
            ok = check_add(k->c, f.all[i].name, CHECK_EXTRA, NULL, NULL, k->e);
    names_free(&known);
    files_free(&f);
    return ok;
}

bool check_files(struct check *c, const struct manifest *m, const char *source, bool extras,
                 const char *const *out, size_t n_out, const struct execute_options *opt,
                 struct err *e)
{
    struct arena a = { 0 };
    enum file_kind kind;
    *c = (struct check){ .what = "file" };
    struct files_check k = { .c = c, .m = m, .source = source, .a = &a, .e = e };
    bool ok = file_kind(source, &kind, NULL, NULL, e);
    k.directory = kind == FILE_DIRECTORY;
    if (ok && kind == FILE_ABSENT)
        ok = err_set(e, ERR_SYSTEM, "%s: no such file or directory", source);
    ok = ok && look(&k);
    if (ok && k.n == 0)
        ok = err_set(e, ERR_MISMATCH, "the manifest does not name %s", source);
    ok =
        ok && hash(&k, opt) && judge(&k) && (!extras || !k.directory || add_extras(&k, out, n_out));
    c->equal = !c->count[CHECK_DIFFERS] && !c->count[CHECK_MISSING] &&
               !(m->complete && c->count[CHECK_EXTRA]);
    arena_free(&a);
    if (!ok)
        check_free(c);
    return ok;
}

/* ---- content ------------------------------------------------------------------------------- */

static bool same_shape(const struct leaf *x, const struct leaf *y)
{
    uint32_t i = 0, k = 0;
    while (i < x->ndim && x->dim[i] == 1)
        i++;
    while (k < y->ndim && y->dim[k] == 1)
        k++;
    return x->ndim - i == y->ndim - k &&
           (x->ndim == i || memcmp(x->dim + i, y->dim + k, (x->ndim - i) * sizeof *x->dim) == 0);
}

static bool compare_leaf(struct check *c, const struct leaf *was, const struct leaf *is,
                         struct err *e)
{
    const char *why = strcmp(was->dtype, is->dtype) != 0 ? "is of another type"
                      : !same_shape(was, is)             ? "is of another shape"
                      : !sha_eq(&was->sha, &is->sha)     ? "holds other values"
                                                         : NULL;
    return check_add(c, was->name, why ? CHECK_DIFFERS : CHECK_OK, why, NULL, e);
}

/* Both are sorted by name. */
static bool compare_leaves(struct check *c, const struct content *was, const struct content *is,
                           struct err *e)
{
    bool ok = true;
    for (size_t i = 0, k = 0; ok && (i < was->n || k < is->n);) {
        int order = i == was->n  ? 1
                    : k == is->n ? -1
                                 : str_cmp(was->leaves[i].name, is->leaves[k].name);
        if (order == 0)
            ok = compare_leaf(c, &was->leaves[i++], &is->leaves[k++], e);
        else if (order < 0)
            ok = check_add(c, was->leaves[i++].name, CHECK_MISSING, NULL, NULL, e);
        else
            ok = check_add(c, is->leaves[k++].name, CHECK_EXTRA, NULL, NULL, e);
    }
    return ok;
}

bool check_content(struct check *c, const struct manifest *m, const char *source,
                   const struct execute_options *opt, struct err *e)
{
    struct model model = { 0 };
    struct content is = { 0 };
    *c = (struct check){ .what = "tensor" };
    if (!m->has_content) {
        err_set(e, ERR_INPUT, "the manifest has no content root");
        return err_hint(e, "weigh-verify create makes manifests that have one");
    }
    bool ok = model_open(&model, source, e) && content_of(&is, &model, opt, e) &&
              compare_leaves(c, &m->content, &is, e);
    c->equal = ok && sha_eq(&m->content.root, &is.root);
    content_free(&is);
    model_close(&model);
    if (!ok)
        check_free(c);
    return ok;
}
