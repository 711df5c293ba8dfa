/* carry.c - storing the files of a source beside its weights, and planning their way back. */
#include "formats/carry.h"

#include "formats/base/json.h"
#include "formats/base/text.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <zstd.h>

#define SCHEMA "weigh.carry/1"
#define FOLDER "weighmaster/"

enum { MAX_TEXT = 1 << 20, LEVEL = 9 };
static const uint64_t max_file = 1u << 30; /* of one carried file */

/* ---- storing -------------------------------------------------------------------------- */

struct carrier {
    struct plan *plan;
    struct json_out *list;
    size_t n; /* files so far */
    bool gguf;
    struct err *e;
};

static bool is_text(struct span s)
{
    struct str t = { (const char *)s.at, s.len };
    return s.len <= MAX_TEXT && text_is_utf8(t) && (!s.len || !memchr(s.at, 0, s.len));
}

static bool compress(struct span in, struct buf *out, struct err *e)
{
    size_t room = ZSTD_compressBound(in.len);
    uint8_t *packed = mem_resize(NULL, room, e);
    if (!packed)
        return false;
    size_t n = ZSTD_compress(packed, room, in.at, in.len, LEVEL);
    if (ZSTD_isError(n))
        err_set(e, ERR_MEMORY, "out of memory (zstd: %s)", ZSTD_getErrorName(n));
    else
        text_base64(out, (struct span){ packed, n });
    mem_free(packed);
    return !ZSTD_isError(n) && buf_ok(out);
}

static bool put_key(struct carrier *c, struct span content)
{
    struct plan *p = c->plan;
    struct buf packed = buf_make(c->e);
    struct str text = { (const char *)content.at, content.len };
    if (!is_text(content)) {
        if (!compress(content, &packed, c->e)) {
            buf_free(&packed);
            return false;
        }
        text = buf_text(&packed);
    }
    char *key = arena_printf(&p->out.arena, c->e, "weighmaster.file.%zu", c->n);
    text = arena_str(&p->out.arena, text, c->e);
    buf_free(&packed);
    return key && text.at &&
           meta_add_str(&p->out.files[0].metadata, key, text, &p->out.arena, c->e);
}

static bool put_file(struct carrier *c, struct str name, struct span content, bool weights)
{
    if (c->gguf)
        return put_key(c, content);
    struct plan *p = c->plan;
    char *path = arena_printf(&p->out.arena, c->e, FOLDER STR_FMT "%s", STR_ARG(name),
                              weights ? ".header" : "");
    return path && plan_extra(p, str_of(path), content, NULL, content.len, c->e);
}

/* One source file: its record, and its bytes (of a weight file, the header). */
static bool carry_file(struct carrier *c, struct str name, const char *path, struct span content,
                       bool weights)
{
    struct file_digest d;
    char hex[2 * SHA256_BYTES + 1];
    if (!file_digest_of(path, false, &d, &c->plan->out.arena, NULL, NULL, c->e))
        return false;
    text_hex(hex, d.sha.at, SHA256_BYTES);
    json_put_open(c->list, '{');
    json_put_kstr(c->list, "name", name);
    json_put_ku64(c->list, "bytes", d.bytes);
    json_put_kstr(c->list, "sha256", str_of(hex));
    json_put_kbool(c->list, "weights", weights);
    if (c->gguf)
        json_put_kstr(c->list, "encoding", is_text(content) ? STR("text") : STR("zstd+base64"));
    json_put_close(c->list, '}');
    bool ok = put_file(c, name, content, weights);
    c->n++;
    return ok;
}

static bool carry_sidecar(struct carrier *c, const struct sidecar *s)
{
    struct span content;
    if (!c->gguf) { /* copied as a file, whatever its size */
        char *path = arena_printf(&c->plan->out.arena, c->e, FOLDER STR_FMT, STR_ARG(s->name));
        struct span none = { 0 };
        size_t before = c->plan->n_extras;
        bool ok = path && carry_file(c, s->name, s->path, none, false);
        if (ok)
            c->plan->extras[before] = (struct extra){ str_of(path), none, s->path, s->size, NULL };
        return ok;
    }
    struct arena scratch = { 0 };
    bool ok = file_slurp(s->path, max_file, &scratch, &content, c->e) &&
              carry_file(c, s->name, s->path, content, false);
    arena_free(&scratch);
    return ok;
}

static bool carry_all(struct carrier *c, const struct model *m)
{
    for (size_t i = 0; i < m->n_sidecars; i++)
        if (!carry_sidecar(c, &m->sidecars[i]))
            return false;
    for (size_t i = 0; i < m->n_files; i++)
        if (!carry_file(c, m->files[i].name, m->files[i].path, m->files[i].header, true))
            return false;
    return true;
}

static bool put_list(struct carrier *c, struct buf *b)
{
    struct plan *p = c->plan;
    struct str text = buf_ok(b) ? arena_str(&p->out.arena, buf_text(b), c->e) : (struct str){ 0 };
    if (!text.at)
        return false;
    if (c->gguf)
        return meta_add_str(&p->out.files[0].metadata, "weighmaster.carry", text, &p->out.arena,
                            c->e);
    return plan_extra(p, STR(FOLDER "carry.json"),
                      (struct span){ (const uint8_t *)text.at, text.len }, NULL, text.len, c->e);
}

bool carry_store(struct plan *p, const struct family_view *v, const struct plan_options *opt,
                 struct err *e)
{
    const struct model *m = p->src;
    enum form form = v->family                   ? v->spelling->form
                     : m->format == &format_gguf ? FORM_GGUF
                                                 : FORM_SAFETENSORS;
    bool gguf = opt->to == FORM_GGUF;
    if (opt->one_file && !gguf)
        return err_set(e, ERR_USAGE,
                       "--reversible needs a GGUF or a directory as output: a "
                       ".safetensors file has no place for the other files");
    if (p->allow_lossy)
        return err_set(e, ERR_USAGE,
                       "--reversible and a change of type exclude each other: what "
                       "is rounded cannot be restored");
    struct buf b = buf_make(e);
    struct json_out o = json_out(&b, JSON_INDENT);
    struct carrier c = { .plan = p, .list = &o, .gguf = gguf, .e = e };
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR(SCHEMA));
    json_put_kstr(&o, "form", str_of(form_name(form)));
    json_put_key(&o, STR("files"));
    json_put_open(&o, '[');
    bool ok = carry_all(&c, m);
    json_put_close(&o, ']');
    json_put_close(&o, '}');
    buf_puts(&b, "\n");
    ok = ok && put_list(&c, &b);
    buf_free(&b);
    return ok;
}

/* ---- reading what is carried ----------------------------------------------------------- */

static char *folder_path(const struct model *m, struct str name, struct arena *a, struct err *e)
{
    char *inner = arena_printf(a, e, FOLDER STR_FMT, STR_ARG(name));
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
        meta_get_str(&m->files[0].metadata, "weighmaster.carry", text);
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
    struct str name;
    uint64_t bytes;
    struct sha256 sha;
    bool weights, packed;
};

static bool read_record(const cJSON *item, struct record *r, const char *path, struct arena *a,
                        struct err *e)
{
    struct str name, hex, encoding;
    *r = (struct record){ .weights = cJSON_IsTrue(json_at(item, "weights")) };
    bool ok = json_get_str(item, "name", &name) && file_name_ok(name) &&
              json_get_u64(item, "bytes", &r->bytes) && json_get_str(item, "sha256", &hex) &&
              text_unhex(r->sha.at, SHA256_BYTES, hex);
    if (!ok)
        return err_set(e, ERR_INPUT, "%s: a carried file has no proper name, size or digest", path);
    r->packed = json_get_str(item, "encoding", &encoding) && str_is(encoding, "zstd+base64");
    r->name = arena_str(a, name, e); /* the tree is freed before the plan */
    return r->name.at != NULL;
}

static bool unpack(struct str text, uint64_t most, struct span *out, const char *path,
                   struct str name, struct arena *a, struct err *e)
{
    struct buf packed = buf_make(e);
    bool ok = text_unbase64(&packed, text);
    unsigned long long n = ok ? ZSTD_getFrameContentSize(packed.at, packed.len) : 0;
    if (buf_ok(&packed) && (!ok || n == ZSTD_CONTENTSIZE_ERROR || n > most))
        ok = err_set(e, ERR_INPUT, "%s: the carried file " STR_FMT " is damaged", path,
                     STR_ARG(name));
    uint8_t *to = ok && buf_ok(&packed) ? arena_alloc(a, 1, n, e) : NULL;
    ok = to != NULL;
    if (ok && ZSTD_decompress(to, (size_t)n, packed.at, packed.len) != n)
        ok = err_set(e, ERR_INPUT, "%s: the carried file " STR_FMT " is damaged", path,
                     STR_ARG(name));
    *out = (struct span){ to, (size_t)n };
    buf_free(&packed);
    return ok;
}

/* The bytes carried for record i: the file, or the header of a weight file. */
static bool carried_bytes(const struct model *m, size_t i, const struct record *r, struct span *out,
                          struct arena *a, struct err *e)
{
    if (m->format != &format_gguf) {
        char *name =
            arena_printf(a, e, STR_FMT "%s", STR_ARG(r->name), r->weights ? ".header" : "");
        char *path = name ? folder_path(m, str_of(name), a, e) : NULL;
        return path && file_slurp(path, max_file, a, out, e);
    }
    char key[64];
    struct str text;
    snprintf(key, sizeof key, "weighmaster.file.%zu", i);
    if (!meta_get_str(&m->files[0].metadata, key, &text))
        return err_set(e, ERR_INPUT, "%s: the key %s is missing", m->files[0].path, key);
    *out = (struct span){ (const uint8_t *)text.at, text.len };
    return !r->packed || unpack(text, max_file, out, m->files[0].path, r->name, a, e);
}

/* ---- restoring ---------------------------------------------------------------------------- */

/* The tensor table that the carried headers describe: the set of files to restore. */
static bool target_file(struct model *t, const struct record *r, struct span header, bool gguf,
                        struct err *e)
{
    struct model_file *f = &t->files[t->n_files++];
    bool more = false;
    f->path = r->name.at;
    f->name = r->name;
    f->size = r->bytes;
    if (gguf)
        return gguf_header(t, t->n_files - 1, header, &more, e) ||
               err_set(e, ERR_INPUT, "%s: its carried header is cut short", f->path);
    if (r->bytes < 8 || header.len > r->bytes - 8)
        return err_set(e, ERR_INPUT, "%s: its carried header does not fit its size", f->path);
    return safetensors_header(t, t->n_files - 1, header, e);
}

/* The output files as they were: names, sizes, headers. */
static bool adopt_files(struct plan *p, const struct model *t, bool gguf, struct err *e)
{
    p->out.files = arena_new(&p->out.arena, struct model_file, t->n_files, e);
    p->out.n_files = p->out.files ? t->n_files : 0;
    for (size_t i = 0; i < p->out.n_files; i++) {
        struct model_file *f = &p->out.files[i];
        struct buf b = buf_make(e);
        if (!gguf)
            buf_u64(&b, t->files[i].header.len);
        buf_add(&b, t->files[i].header.at, t->files[i].header.len);
        struct str header =
            buf_ok(&b) ? arena_str(&p->out.arena, buf_text(&b), e) : (struct str){ 0 };
        buf_free(&b);
        if (!header.at)
            return false;
        *f = (struct model_file){ .name = t->files[i].name,
                                  .path = "output",
                                  .size = t->files[i].size,
                                  .header = { (const uint8_t *)header.at, header.len },
                                  .data_offset = t->files[i].data_offset };
    }
    return p->out.files != NULL;
}

static bool restore(struct plan *p, const struct cJSON *files, enum form form, const char *path,
                    struct err *e)
{
    struct arena *a = &p->out.arena;
    const size_t n = (size_t)cJSON_GetArraySize(files);
    struct model target = { 0 };
    struct sha256 *want = arena_new(a, struct sha256, n, e);
    target.files = arena_new(a, struct model_file, n, e);
    bool ok = want && target.files;
    size_t i = 0;
    for (const cJSON *item = files->child; ok && item; item = item->next, i++) {
        struct record r;
        struct span content;
        ok = read_record(item, &r, path, a, e) && carried_bytes(p->src, i, &r, &content, a, e);
        if (ok && r.weights) {
            want[target.n_files] = r.sha;
            ok = target_file(&target, &r, content, form == FORM_GGUF, e);
        } else if (ok) {
            struct sha256 *sha = arena_new(a, struct sha256, 1, e);
            ok = sha && plan_extra(p, r.name, content, NULL, content.len, e);
            if (ok) {
                *sha = r.sha;
                p->extras[p->n_extras - 1].want = sha;
            }
        }
    }
    ok = ok && model_index(&target, e) && plan_like(p, p->src, &target, NULL, e) &&
         adopt_files(p, &target, form == FORM_GGUF, e);
    arena_join(a, &target.arena);
    names_free(&target.by_name);
    p->want = want;
    p->directory = true;
    p->from = p->src->format->name;
    p->to = form_name(form);
    return ok && plan_note(p, e, "restoring the %zu files that the source carries", n);
}

static bool wanted(const struct plan_options *opt, enum form form)
{
    enum form to = opt->to == FORM_SAFETENSORS ? FORM_HF : opt->to;
    enum form is = form == FORM_SAFETENSORS ? FORM_HF : form;
    return to == is && opt->type == DTYPE_NONE && !opt->shard_bytes && !opt->reversible &&
           !opt->canonical && !opt->one_file;
}

bool carry_restore(struct plan *p, const struct plan_options *opt, bool *carried, struct err *e)
{
    struct str text, form = { 0 }, schema = { 0 };
    const char *path;
    *carried = false;
    bool ok = carry_list(p->src, &text, &path, &p->out.arena, e);
    cJSON *tree = ok && text.at ? json_tree(path, text, e) : NULL;
    if (tree) {
        const cJSON *files = json_at(tree, "files");
        json_get_str(tree, "schema", &schema);
        if (!json_get_str(tree, "form", &form) || !cJSON_IsArray(files))
            ok = err_set(e, ERR_INPUT, "%s: the list of carried files is damaged", path);
        else if (!str_is(schema, SCHEMA))
            ok = err_set(e, ERR_UNSUPPORTED, "%s: carried files of the unknown kind '" STR_FMT "'",
                         path, STR_ARG(schema));
        else if (wanted(opt, form_find(form))) {
            *carried = true;
            ok = restore(p, files, form_find(form), path, e);
        }
        cJSON_Delete(tree);
    } else {
        ok = ok && !text.at;
    }
    return ok;
}

enum form carry_form(const struct model *m)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct str text, form = { 0 };
    const char *path;
    enum form found = FORM_NONE;
    cJSON *tree = carry_list(m, &text, &path, &a, &e) && text.at ? json_tree(path, text, &e) : NULL;
    if (tree && json_get_str(tree, "form", &form))
        found = form_find(form);
    cJSON_Delete(tree);
    arena_free(&a);
    return found;
}
