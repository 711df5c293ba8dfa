/* release.c - the files of a folder against the table of published digests. */
#include "verify/release.h"

#include "formats/base/text.h"
#include "verify/files.h"

static const char *const folders[] = { "original", "metal", NULL };
static const char *const prefixes[] = { "", "original/", "metal/" };
enum { N_PREFIXES = sizeof prefixes / sizeof *prefixes, POINTER_MAX = 1024 };

/* What lies on disk, with all that is needed to judge it. */
struct found {
    struct disk_file *file;
    bool named;   /* as some published file is */
    bool hashed;  /* and of its size */
    bool pointer; /* a Git LFS pointer, to this: */
    struct sha256 oid;
    uint64_t oid_bytes;
};

struct matching {
    const struct release *table;
    struct found *found;
    size_t n;
    struct names by_name; /* -> found */
    struct arena *a;
    struct err *e;
};

/* ---- looking -------------------------------------------------------------------------------- */

/* Is name, seen from prefix, the file of that row? */
static bool is_row(const struct release_file *row, const char *prefix, struct str name)
{
    struct str path = str_of(row->path);
    size_t n = strlen(prefix);
    return str_starts(path, prefix) && str_eq((struct str){ path.at + n, path.len - n }, name);
}

/* Only a file whose size fits can be equal; the others need no reading. */
static void look_up(const struct release *table, struct found *f)
{
    for (; table->name; table++)
        for (size_t i = 0; i < table->n; i++)
            for (size_t p = 0; p < N_PREFIXES; p++)
                if (is_row(&table->files[i], prefixes[p], f->file->name)) {
                    f->named = true;
                    f->hashed = f->hashed || table->files[i].bytes == f->file->size;
                }
}

/* The rest of s behind these words, up to the newline. */
static bool line_after(struct str *s, const char *words, struct str *line)
{
    if (!str_starts(*s, words))
        return false;
    const char *from = s->at + strlen(words), *end = memchr(from, '\n', s->len - strlen(words));
    if (!end)
        return false;
    *line = (struct str){ from, (size_t)(end - from) };
    *s = (struct str){ end + 1, s->len - (size_t)(end + 1 - s->at) };
    return true;
}

/* "version https://git-lfs.github.com/spec/v1", "oid sha256:HEX", "size N". */
static bool read_pointer(struct found *f, struct matching *m)
{
    struct span bytes;
    struct str s, line;
    if (!f->named || f->hashed || f->file->size > POINTER_MAX)
        return true;
    if (!file_slurp(f->file->path, POINTER_MAX, m->a, &bytes, m->e))
        return false;
    s = (struct str){ (const char *)bytes.at, bytes.len };
    f->pointer = line_after(&s, "version https://git-lfs.github.com/spec/v1", &line) &&
                 line.len == 0 && line_after(&s, "oid sha256:", &line) &&
                 text_unhex(f->oid.at, SHA256_BYTES, line) && line_after(&s, "size ", &line) &&
                 line.len > 0 && line.len < 19;
    for (size_t i = 0; f->pointer && i < line.len; i++) {
        f->pointer = line.at[i] >= '0' && line.at[i] <= '9';
        f->oid_bytes = f->oid_bytes * 10 + (uint64_t)(line.at[i] - '0'); /* below 10^18 */
    }
    return true;
}

static bool look(struct matching *m, struct disk_files *files, const struct execute_options *opt)
{
    struct disk_file **fits = arena_new(m->a, struct disk_file *, files->n, m->e);
    size_t n_fits = 0, old;
    m->found = fits ? arena_new(m->a, struct found, files->n, m->e) : NULL;
    bool ok = m->found != NULL;
    for (size_t i = 0; ok && i < files->n; i++) {
        struct found *f = &m->found[m->n++];
        f->file = &files->all[i];
        look_up(m->table, f);
        if (f->hashed)
            fits[n_fits++] = f->file;
        ok = read_pointer(f, m) && names_add(&m->by_name, f->file->name, i, &old, m->e);
    }
    return ok && files_digest(fits, n_fits, false, opt, m->a, m->e);
}

/* ---- matching ------------------------------------------------------------------------------- */

static bool is_sha(const struct sha256 *sha, const char *hex)
{
    uint8_t want[SHA256_BYTES];
    return text_unhex(want, SHA256_BYTES, str_of(hex)) && memcmp(want, sha->at, sizeof want) == 0;
}

static const struct found *find(const struct matching *m, const struct release_file *row,
                                const char *prefix)
{
    size_t i = names_find(&m->by_name, str_of(row->path + strlen(prefix)));
    return i == NAMES_NONE ? NULL : &m->found[i];
}

static enum release_state state_of(const struct found *f, const struct release_file *row)
{
    if (!f)
        return RELEASE_MISSING;
    if (f->pointer && f->oid_bytes == row->bytes && is_sha(&f->oid, row->sha256))
        return RELEASE_POINTER;
    if (!f->hashed || f->file->size != row->bytes || !is_sha(&f->file->digest.sha, row->sha256))
        return RELEASE_DIFFERS;
    return row->early ? RELEASE_EARLY : RELEASE_EQUAL;
}

/* No other release has this file, and so it tells which one we see. */
static bool distinctive(const struct release *table, const struct release *r,
                        const struct release_file *row)
{
    for (; table->name; table++)
        for (size_t i = 0; table != r && i < table->n; i++)
            if (strcmp(table->files[i].path, row->path) == 0 &&
                strcmp(table->files[i].sha256, row->sha256) == 0)
                return false;
    return true;
}

/* Equal files decide; where there are none, sizes. */
static uint64_t score(const struct matching *m, const struct release *r, const char *prefix)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct release_file *row = &r->files[i];
        if (!str_starts(str_of(row->path), prefix) || !distinctive(m->table, r, row))
            continue;
        const struct found *f = find(m, row, prefix);
        enum release_state s = state_of(f, row);
        sum += s == RELEASE_EQUAL || s == RELEASE_EARLY || s == RELEASE_POINTER ? 1000
               : s == RELEASE_DIFFERS && f->file->size == row->bytes            ? 1
                                                                                : 0;
    }
    return sum;
}

static void recognise(const struct matching *m, struct release_report *r)
{
    uint64_t best = 0;
    r->folder = "";
    for (const struct release *t = m->table; t->name; t++)
        for (size_t p = 0; p < N_PREFIXES; p++) {
            uint64_t s = score(m, t, prefixes[p]);
            if (s > best) {
                best = s;
                r->release = t;
                r->folder = prefixes[p];
            }
        }
}

/* ---- the report -------------------------------------------------------------------------------
 */

const char *release_form_name(enum release_form f)
{
    static const char *const names[RELEASE_FORMS] = { "hf", "original", "metal", "papers" };
    return f < RELEASE_FORMS ? names[f] : "?";
}

static enum release_form form_of(const char *path)
{
    struct str s = str_of(path);
    return str_starts(s, "original/")                          ? RELEASE_ORIGINAL
           : str_starts(s, "metal/")                           ? RELEASE_METAL
           : str_is(s, "LICENSE") || str_is(s, "USAGE_POLICY") ? RELEASE_PAPERS
                                                               : RELEASE_HF;
}

static bool is_weights(struct str path)
{
    return str_ends(path, ".safetensors") || str_ends(path, ".bin");
}

/* The better of what two rows of one path say: the final digest, the early one, neither. */
static void add_row(struct release_report *r, const struct matching *m,
                    const struct release_file *row)
{
    struct str path = str_of(row->path + strlen(r->folder));
    const struct found *f = find(m, row, r->folder);
    enum release_state state = state_of(f, row);
    struct release_item *last = r->n ? &r->items[r->n - 1] : NULL;
    if (last && str_eq(last->path, path)) {
        if (state < last->state) /* the rows of a path are neighbours */
            last->state = state;
        return;
    }
    r->items[r->n++] = (struct release_item){
        .path = path,
        .form = form_of(row->path),
        .state = state,
        .weights = is_weights(path),
        .bytes = f ? f->file->size : 0,
        .published_bytes = row->bytes,
    };
}

static bool equal(const struct release_item *item)
{
    return item->state == RELEASE_EQUAL || item->state == RELEASE_EARLY;
}

static void weigh_forms(struct release_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct release_item *item = &r->items[i];
        bool so_far = r->form[item->form].complete || !r->form[item->form].exists;
        r->form[item->form].exists = true;
        r->form[item->form].present |= item->state != RELEASE_MISSING;
        r->form[item->form].complete = so_far && equal(item);
    }
    r->form[RELEASE_PAPERS].present = true; /* if one is missing, that is listed */
    r->form[RELEASE_PAPERS].complete = false;
}

/* A form without a single file was not fetched: its files are not missing. */
static void drop_absent(struct release_report *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->form[r->items[i].form].present)
            r->items[n++] = r->items[i];
    r->n = n;
}

static bool add_extras(struct release_report *r, const struct matching *m)
{
    struct names known = { 0 };
    size_t old, n = r->n;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = names_add(&known, r->items[i].path, i, &old, m->e);
    for (size_t i = 0; ok && i < m->n; i++) {
        const struct disk_file *f = m->found[i].file;
        if (names_find(&known, f->name) != NAMES_NONE)
            continue;
        struct str path = arena_str(&r->arena, f->name, m->e);
        ok = path.at != NULL;
        r->items[r->n++] = (struct release_item){
            .path = path, .form = RELEASE_PAPERS, .state = RELEASE_EXTRA, .bytes = f->size
        };
    }
    names_free(&known);
    return ok;
}

/* ---- the verdict ------------------------------------------------------------------------------
 */

static void add_count(struct buf *b, size_t n, const char *one, const char *many)
{
    if (n)
        buf_printf(b, ", %zu file%s %s", n, n == 1 ? "" : "s", n == 1 ? one : many);
}

/* What is wrong with a release that we know. */
static void name_faults(struct buf *b, struct release_report *r)
{
    size_t missing = 0;
    bool weights = false, complete = false;
    for (size_t i = 0; i < r->n; i++) {
        const struct release_item *item = &r->items[i];
        bool here = equal(item) || item->state == RELEASE_DIFFERS;
        r->count[item->state]++;
        weights = weights || (item->weights && here);
        missing += item->state == RELEASE_MISSING && item->form != RELEASE_PAPERS;
    }
    for (size_t f = 0; f < RELEASE_FORMS; f++)
        complete = complete || r->form[f].complete;
    add_count(b, r->count[RELEASE_DIFFERS], "differs", "differ");
    if (!weights) {
        buf_puts(b, ", weights missing");
    } else if (!complete) {
        add_count(b, missing, "is missing", "are missing");
        add_count(b, r->count[RELEASE_POINTER], "was not fetched", "were not fetched");
    }
    r->published = complete && r->count[RELEASE_DIFFERS] == 0;
    buf_puts(b, r->published ? ", complete" : "");
}

static bool say_verdict(struct release_report *r, struct err *e)
{
    struct buf b = buf_make(e);
    if (r->release) {
        buf_printf(&b, "%s %.7s", r->release->name, r->release->revision);
        name_faults(&b, r);
    } else {
        buf_puts(&b, "no published release that we know");
    }
    r->verdict = buf_ok(&b) ? arena_str(&r->arena, buf_text(&b), e).at : NULL;
    buf_free(&b);
    return r->verdict != NULL;
}

static bool report(struct release_report *r, const struct matching *m)
{
    recognise(m, r);
    size_t rows = r->release ? r->release->n : 0;
    r->items = arena_new(&r->arena, struct release_item, rows + m->n, m->e);
    if (!r->items)
        return false;
    for (size_t i = 0; i < rows; i++)
        if (str_starts(str_of(r->release->files[i].path), r->folder))
            add_row(r, m, &r->release->files[i]);
    weigh_forms(r);
    drop_absent(r);
    return (!r->release || add_extras(r, m)) && say_verdict(r, m->e);
}

bool release_check(struct release_report *r, const char *dir, const struct release *table,
                   const struct execute_options *opt, struct err *e)
{
    struct disk_files files = { 0 };
    struct arena a = { 0 };
    enum file_kind kind;
    struct matching m = { .table = table, .a = &a, .e = e };
    *r = (struct release_report){ 0 };
    bool ok = file_kind(dir, &kind, NULL, NULL, e);
    if (ok && kind != FILE_DIRECTORY)
        ok = err_set(e, ERR_USAGE, "%s is not a directory", dir);
    ok = ok && files_list(&files, dir, folders, NULL, 0, e) && look(&m, &files, opt) &&
         report(r, &m);
    names_free(&m.by_name);
    files_free(&files);
    arena_free(&a);
    if (!ok)
        release_free(r);
    return ok;
}

void release_free(struct release_report *r)
{
    arena_free(&r->arena);
    *r = (struct release_report){ 0 };
}
