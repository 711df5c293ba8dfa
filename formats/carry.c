/* carry.c - reading what an output carries, and planning the way back. */
#include "formats/carry.h"

#include "formats/base/json.h"
#include "formats/base/text.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <zstd.h>

bool carry_is_key(struct str key)
{
    return str_is(key, CARRY_KEY) || str_starts(key, CARRY_KEY_OF_FILE);
}

/* ---- reading what is carried ----------------------------------------------------------- */

static char *folder_path(const struct model *m, struct str name, struct arena *a, struct err *e)
{
    char *inner = arena_printf(a, e, CARRY_FOLDER STR_FMT, STR_ARG(name));
    return inner ? file_join(a, m->path, str_of(inner), e) : NULL;
}

/* The list's text; at == NULL where m carries nothing. */
static bool carry_list(const struct model *m, struct str *text, const char **path, struct arena *a,
                       struct err *e)
{
    enum file_kind kind;
    struct span bytes;
    *text = (struct str){ NULL, 0 };
    *path = m->files[0].path;
    if (m->format == &format_gguf) {
        meta_get_str(&m->files[0].metadata, CARRY_KEY, text);
        return true;
    }
    if (!m->directory)
        return true;
    *path = folder_path(m, STR("carry.json"), a, e);
    if (!*path || !file_kind(*path, &kind, NULL, NULL, e))
        return false;
    if (kind == FILE_ABSENT)
        return true;
    if (!file_slurp(*path, JSON_TREE_MAX, a, &bytes, e))
        return false;
    *text = (struct str){ (const char *)bytes.at, bytes.len };
    return true;
}

/* One record of the list, checked. */
struct record {
    size_t number; /* its place in the list */
    struct str name;
    uint64_t bytes;
    struct sha256 sha;
    bool weights, packed;
};

/* A restoration in the making. */
struct restoring {
    struct plan *plan;
    struct model target; /* the tensor table that the carried headers describe */
    struct sha256 *want; /* of target.files */
    struct names names;  /* of all files so far */
    uint64_t held;       /* bytes of carried files so far */
    uint64_t packed;     /* bytes of keys that were unpacked to them */
    bool gguf;           /* what is restored */
    const char *path;    /* where the list was read, for messages */
    struct err *e;
};

static bool read_record(struct restoring *x, const cJSON *item, size_t number, struct record *r)
{
    struct str name, hex, encoding;
    size_t old;
    *r = (struct record){ .number = number, .weights = cJSON_IsTrue(json_at(item, "weights")) };
    bool ok = json_get_str(item, "name", &name) && file_name_ok(name) &&
              json_get_u64(item, "bytes", &r->bytes) && json_get_str(item, "sha256", &hex) &&
              text_unhex(r->sha.at, SHA256_BYTES, hex);
    if (!ok)
        return err_set(x->e, ERR_INPUT, "%s: a carried file has no proper name, size or digest",
                       x->path);
    r->packed = json_get_str(item, "encoding", &encoding) && str_is(encoding, "zstd+base64");
    r->name = arena_str(&x->plan->out.arena, name, x->e); /* the tree is freed before the plan */
    if (!r->name.at || !names_add(&x->names, r->name, number, &old, x->e))
        return false;
    return old == NAMES_NONE ||
           err_set(x->e, ERR_INPUT, "%s: two carried files are called " STR_FMT, x->path,
                   STR_ARG(r->name));
}

static bool damaged(const struct restoring *x, const struct record *r)
{
    return err_set(x->e, ERR_INPUT, "%s: the carried file " STR_FMT " is damaged", x->path,
                   STR_ARG(r->name));
}

/* Carried bytes are held in memory together: a small file must not ask for all of it. */
static bool may_hold(struct restoring *x, uint64_t bytes)
{
    if (size_add(x->held, bytes, &x->held) && x->held <= CARRY_MOST)
        return true;
    return err_set(x->e, ERR_INPUT, "%s: the carried files take more than %llu bytes", x->path,
                   (unsigned long long)CARRY_MOST);
}

static bool unpack(struct restoring *x, const struct record *r, struct str text, struct span *out)
{
    struct buf packed = buf_make(x->e);
    bool ok = text_unbase64(&packed, text);
    unsigned long long n = ok ? ZSTD_getFrameContentSize(packed.at, packed.len) : 0;
    ok = ok && n != ZSTD_CONTENTSIZE_ERROR && n != ZSTD_CONTENTSIZE_UNKNOWN;
    if (buf_ok(&packed) && !ok)
        damaged(x, r);
    x->packed += text.len; /* each a part of the file */
    ok = ok && may_hold(x, n) &&
         (carry_in_proportion(x->packed, x->held) ||
          err_set(x->e, ERR_INPUT, "%s: the carried file " STR_FMT " unpacks to %llu bytes",
                  x->path, STR_ARG(r->name), n));
    uint8_t *to = ok ? arena_alloc(&x->plan->out.arena, 1, n, x->e) : NULL;
    ok = to && (ZSTD_decompress(to, (size_t)n, packed.at, packed.len) == n || damaged(x, r));
    *out = (struct span){ to, (size_t)n };
    buf_free(&packed);
    return ok;
}

/* The path of a file in weighmaster/, and that it is there. */
static char *carried_path(const struct restoring *x, const struct record *r, uint64_t *size)
{
    struct arena *a = &x->plan->out.arena;
    struct file f;
    char *name = arena_printf(a, x->e, STR_FMT "%s", STR_ARG(r->name), r->weights ? ".header" : "");
    char *path = name ? folder_path(x->plan->src, str_of(name), a, x->e) : NULL;
    if (!path || !file_open(&f, path, x->e))
        return NULL;
    *size = f.size;
    file_close(&f);
    return path;
}

/* The bytes of record r: the file, or the header of a weight file. */
static bool carried_bytes(struct restoring *x, const struct record *r, struct span *out)
{
    const struct model *m = x->plan->src;
    uint64_t size;
    if (m->format != &format_gguf) {
        const char *path = carried_path(x, r, &size);
        return path && may_hold(x, size) &&
               file_slurp(path, CARRY_MOST, &x->plan->out.arena, out, x->e);
    }
    char key[64];
    struct str text;
    snprintf(key, sizeof key, CARRY_KEY_OF_FILE "%zu", r->number);
    if (!meta_get_str(&m->files[0].metadata, key, &text))
        return err_set(x->e, ERR_INPUT, "%s: the key %s is missing", m->files[0].path, key);
    *out = (struct span){ (const uint8_t *)text.at, text.len };
    return !r->packed || unpack(x, r, text, out);
}

/* ---- restoring ---------------------------------------------------------------------------- */

/* A file of tensors: what its header says. */
static bool restore_weights(struct restoring *x, const struct record *r)
{
    struct model *t = &x->target;
    struct model_file *f = &t->files[t->n_files];
    struct span header;
    bool more = false;
    if (!carried_bytes(x, r, &header))
        return false;
    x->want[t->n_files++] = r->sha;
    *f = (struct model_file){ .path = r->name.at, .name = r->name, .size = r->bytes };
    if (x->gguf)
        return gguf_header(t, t->n_files - 1, header, &more, x->e) ||
               err_set(x->e, ERR_INPUT, "%s: its carried header is cut short", f->path);
    if (r->bytes < 8 || header.len > r->bytes - 8)
        return err_set(x->e, ERR_INPUT, "%s: its carried header does not fit its size", f->path);
    return safetensors_header(t, t->n_files - 1, header, x->e);
}

/* Any other file: bytes of a key, or a copy of the file in weighmaster/. */
static bool restore_other(struct restoring *x, const struct record *r)
{
    struct plan *p = x->plan;
    struct span bytes = { 0 };
    uint64_t size = 0;
    bool gguf = p->src->format == &format_gguf;
    const char *path = gguf ? NULL : carried_path(x, r, &size);
    struct sha256 *sha = arena_new(&p->out.arena, struct sha256, 1, x->e);
    if (!sha || !(gguf ? carried_bytes(x, r, &bytes) : path != NULL))
        return false;
    if ((gguf ? bytes.len : size) != r->bytes)
        return damaged(x, r);
    *sha = r->sha;
    if (!plan_extra(p, r->name, bytes, path, r->bytes, x->e))
        return false;
    p->extras[p->n_extras - 1].want = sha;
    return true;
}

/* The output files as they were: names, sizes, headers. */
static bool adopt_files(struct restoring *x)
{
    struct model *out = &x->plan->out;
    const struct model *t = &x->target;
    out->files = arena_new(&out->arena, struct model_file, t->n_files, x->e);
    out->n_files = out->files ? t->n_files : 0;
    for (size_t i = 0; i < out->n_files; i++) {
        const struct model_file *f = &t->files[i];
        struct buf b = buf_make(x->e);
        if (!x->gguf)
            buf_u64(&b, f->header.len);
        buf_add(&b, f->header.at, f->header.len);
        struct str header =
            buf_ok(&b) ? arena_str(&out->arena, buf_text(&b), x->e) : (struct str){ 0 };
        buf_free(&b);
        if (!header.at)
            return false;
        out->files[i] = (struct model_file){ .name = f->name,
                                             .path = f->path,
                                             .size = f->size,
                                             .header = { (const uint8_t *)header.at, header.len },
                                             .data_offset = f->data_offset };
    }
    return out->files != NULL;
}

static bool restore_all(struct restoring *x, const cJSON *files)
{
    size_t number = 0;
    struct record r;
    for (const cJSON *item = files->child; item; item = item->next)
        if (!read_record(x, item, number++, &r) ||
            !(r.weights ? restore_weights(x, &r) : restore_other(x, &r)))
            return false;
    if (!x->target.n_files)
        return err_set(x->e, ERR_INPUT, "%s: no carried file holds weights", x->path);
    return model_index(&x->target, x->e) &&
           plan_like(x->plan, x->plan->src, &x->target, NULL, x->e) && adopt_files(x);
}

static bool restore(struct plan *p, const cJSON *files, enum form form, const char *path,
                    struct err *e)
{
    struct arena *a = &p->out.arena;
    const size_t n = (size_t)cJSON_GetArraySize(files);
    struct restoring x = { .plan = p, .gguf = form == FORM_GGUF, .path = path, .e = e };
    x.want = arena_new(a, struct sha256, n, e);
    x.target.files = arena_new(a, struct model_file, n, e);
    bool ok = x.want && x.target.files && restore_all(&x, files);
    arena_join(a, &x.target.arena);
    names_free(&x.target.by_name);
    names_free(&x.names);
    p->want = x.want;
    p->from = p->src->format->name;
    p->to = form_name(form);
    return ok && plan_note(p, e, "restoring the %zu files that the source carries", n);
}

/* Is what is carried what opt asks for?  One file only where one was carried. */
static bool wanted(const struct plan_options *opt, enum form form, const cJSON *files)
{
    enum form to = opt->to == FORM_SAFETENSORS ? FORM_HF : opt->to;
    enum form is = form == FORM_SAFETENSORS ? FORM_HF : form;
    return to == is && opt->type == DTYPE_NONE && !opt->shard_bytes && !opt->reversible &&
           !opt->canonical && (!opt->one_file || cJSON_GetArraySize(files) == 1);
}

bool carry_restore(struct plan *p, const struct plan_options *opt, bool *carried, struct err *e)
{
    struct str text, form = { 0 }, schema = { 0 };
    const char *path;
    *carried = false;
    bool ok = carry_list(p->src, &text, &path, &p->out.arena, e);
    if (!ok || !text.at)
        return ok;
    cJSON *tree = json_tree(path, text, e);
    const cJSON *files = tree ? json_at(tree, "files") : NULL;
    ok = tree != NULL;
    if (ok && (!json_get_str(tree, "schema", &schema) || !json_get_str(tree, "form", &form) ||
               !cJSON_IsArray(files)))
        ok = err_set(e, ERR_INPUT, "%s: the list of carried files is damaged", path);
    if (ok && !str_is(schema, CARRY_SCHEMA))
        ok = err_set(e, ERR_UNSUPPORTED, "%s: carried files of the unknown kind '" STR_FMT "'",
                     path, STR_ARG(schema));
    if (ok && wanted(opt, form_find(form), files)) {
        *carried = true;
        p->directory = !opt->one_file;
        ok = restore(p, files, form_find(form), path, e);
    }
    cJSON_Delete(tree);
    return ok;
}

bool carry_form(const struct model *m, enum form *form, struct err *e)
{
    struct arena a = { 0 };
    struct str text, name;
    const char *path;
    *form = FORM_NONE;
    bool ok = carry_list(m, &text, &path, &a, e);
    cJSON *tree = ok && text.at ? json_tree(path, text, e) : NULL;
    if (tree && json_get_str(tree, "form", &name))
        *form = form_find(name);
    ok = ok && (tree || !text.at);
    cJSON_Delete(tree);
    arena_free(&a);
    return ok;
}
