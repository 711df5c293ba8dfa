/* registry.c - the list of formats, and opening whatever a path holds. */
#include "formats/format.h"
#include "formats/safetensors.h"

const struct format *const formats[] = { &format_safetensors, &format_gguf, NULL };

const struct format *format_find(const char *name)
{
    for (int i = 0; formats[i]; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

/* ---- one file ----------------------------------------------------------------- */

static bool recognise(const struct model_file *f, const struct format **format, struct err *e)
{
    uint8_t head[64];
    struct span seen = { head, f->size < sizeof head ? (size_t)f->size : sizeof head };
    if (!file_read(&f->file, head, seen.len, 0, e))
        return false;
    if (seen.len >= 40 && memcmp(head, "version https://git-lfs.github.com/spec/v1", 40) == 0) {
        err_set(e, ERR_INPUT, "%s is a Git LFS pointer: the weights themselves were not fetched",
                f->path);
        return err_hint(e, "git lfs pull, or download the file from the model's page");
    }
    for (int i = 0; formats[i]; i++)
        if (formats[i]->probe(seen, f->size)) {
            *format = formats[i];
            return true;
        }
    return err_set(e, ERR_INPUT, "%s:0x0: neither safetensors nor GGUF", f->path);
}

bool format_open_file(struct model *m, const char *path, struct err *e)
{
    const struct format *format = NULL;
    struct model_file *all = arena_append(&m->arena, m->files, sizeof *all, m->n_files, e);
    if (!all)
        return false;
    m->files = all;
    struct model_file *f = &all[m->n_files];
    const char *slash = strrchr(path, '/');
    *f = (struct model_file){ .path = path, .name = str_of(slash ? slash + 1 : path) };
    if (!file_open(&f->file, path, e))
        return false;
    m->n_files++;
    f->size = f->file.size;
    if (f->file.sequential)
        return err_set(e, ERR_USAGE,
                       "weights cannot be read from standard input: they are read "
                       "in another order than they come");
    if (!recognise(f, &format, e))
        return false;
    if (m->format && m->format != format)
        return err_set(e, ERR_INPUT, "%s is %s, the other files are %s", path, format->name,
                       m->format->name);
    m->format = format;
    return format->parse(m, m->n_files - 1, e);
}

static bool open_single(struct model *m, const char *path, struct err *e)
{
    return format_open_file(m, path, e) && (!m->format->gather || m->format->gather(m, e));
}

/* ---- a directory ---------------------------------------------------------------- */

static bool is_index(struct str name) { return str_ends(name, ".safetensors.index.json"); }

/* Weight files are chosen by suffix only to know which to open; what they are is decided
 * by their bytes. */
static bool is_weights(struct str name)
{
    return str_ends(name, ".safetensors") || str_ends(name, ".gguf");
}

/* The files beside the weights, and the folders, which are other forms of the model. */
static bool list_sidecars(struct model *m, const struct file_entry *all, size_t n, struct err *e)
{
    m->sidecars = arena_new(&m->arena, struct sidecar, n, e);
    m->folders = arena_new(&m->arena, struct str, n, e);
    for (size_t i = 0; m->sidecars && m->folders && i < n; i++) {
        if (all[i].kind == FILE_DIRECTORY && all[i].name.at[0] != '.' &&
            !str_is(all[i].name, "weighmaster"))
            m->folders[m->n_folders++] = all[i].name;
        if (all[i].kind != FILE_REGULAR || is_weights(all[i].name))
            continue;
        char *path = file_join(&m->arena, m->path, all[i].name, e);
        if (!path)
            return false;
        m->sidecars[m->n_sidecars++] = (struct sidecar){ all[i].name, path, all[i].size };
    }
    return m->sidecars && m->folders;
}

static const struct sidecar *find_index(const struct model *m, bool *several)
{
    const struct sidecar *best = model_sidecar(m, "model.safetensors.index.json");
    size_t n = 0;
    for (size_t i = 0; i < m->n_sidecars; i++)
        if (is_index(m->sidecars[i].name)) {
            n++;
            best = best ? best : &m->sidecars[i];
        }
    *several = n > 1 && !model_sidecar(m, "model.safetensors.index.json");
    return best;
}

static bool opened(const struct model *m, struct str name)
{
    for (size_t i = 0; i < m->n_files; i++)
        if (str_eq(m->files[i].name, name))
            return true;
    return false;
}

/* Without an index: every weight file; GGUF sets gather themselves from their first. */
static bool open_all(struct model *m, const struct file_entry *all, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (all[i].kind != FILE_REGULAR || !is_weights(all[i].name) || opened(m, all[i].name))
            continue;
        char *path = file_join(&m->arena, m->path, all[i].name, e);
        if (!path)
            return false;
        if (m->format && m->format->gather) {
            err_set(e, ERR_INPUT, "%s holds several models: %s and %s", m->path, m->files[0].path,
                    path);
            return err_hint(e, "name the file you mean");
        }
        if (!(m->n_files ? format_open_file(m, path, e) : open_single(m, path, e)))
            return false;
    }
    return true;
}

static bool no_weights(struct model *m, const struct file_entry *all, size_t n, struct err *e)
{
    err_set(e, ERR_INPUT, "%s holds no weights: no .safetensors and no .gguf file", m->path);
    for (size_t i = 0; i < n; i++) {
        char *inner =
            all[i].kind == FILE_DIRECTORY ? file_join(&m->arena, m->path, all[i].name, e) : NULL;
        if (inner)
            return err_hint(e, "is it one of its folders, such as %s?", inner);
    }
    return err_hint(e, "give the folder that holds config.json and the .safetensors files");
}

static bool open_directory(struct model *m, struct err *e)
{
    struct file_entry *all;
    size_t n;
    bool several;
    m->directory = true;
    if (!file_list(m->path, &m->arena, &all, &n, e) || !list_sidecars(m, all, n, e))
        return false;
    const struct sidecar *index = find_index(m, &several);
    if (several)
        return err_set(e, ERR_INPUT,
                       "%s holds several index files, none called "
                       "model.safetensors.index.json",
                       m->path);
    if (!(index ? shards_open(m, index, e) : open_all(m, all, n, e)))
        return false;
    if (m->n_files == 0)
        return no_weights(m, all, n, e);
    for (size_t i = 0; index && i < n; i++)
        if (all[i].kind == FILE_REGULAR && is_weights(all[i].name) && !opened(m, all[i].name) &&
            !model_finding(m, e, "%s/" STR_FMT " is left out: the index does not name it", m->path,
                           STR_ARG(all[i].name)))
            return false;
    return true;
}

bool model_open(struct model *m, const char *path, struct err *e)
{
    enum file_kind kind;
    *m = (struct model){ .path = path };
    bool ok = file_kind(path, &kind, NULL, NULL, e);
    if (ok && kind == FILE_ABSENT)
        ok = err_set(e, ERR_SYSTEM, "%s: no such file or directory", path);
    ok = ok && (kind == FILE_DIRECTORY ? open_directory(m, e) : open_single(m, path, e)) &&
         model_index(m, e);
    if (!ok)
        model_close(m);
    return ok;
}
