/* carry_store.c - storing the files of a source beside its weights. */
#include "formats/carry.h"

#include "formats/base/json.h"
#include "formats/base/text.h"
#include "formats/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

enum { MAX_TEXT = 1 << 20, LEVEL = 9 };

struct carrier {
    struct plan *plan;
    struct json_out *list;
    size_t n;                  /* files so far */
    uint64_t packed, unpacked; /* bytes of those that were compressed */
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
        c->packed += text.len;
        c->unpacked += content.len;
        if (!carry_in_proportion(c->packed, c->unpacked)) {
            buf_free(&packed);
            return err_set(c->e, ERR_UNSUPPORTED,
                           "the files beside the weights have %llu bytes that compress to %llu: "
                           "readers would refuse to unpack them",
                           (unsigned long long)c->unpacked, (unsigned long long)c->packed);
        }
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
    char *path = arena_printf(&p->out.arena, c->e, CARRY_FOLDER STR_FMT "%s", STR_ARG(name),
                              weights ? ".header" : "");
    return path && plan_extra(p, str_of(path), content, NULL, content.len, c->e);
}

/* Can the name be carried, and created again? */
static bool check_name(const struct carrier *c, struct str name)
{
    bool taken = !c->gguf && (str_is(name, "carry.json") || str_ends(name, ".header"));
    if (file_name_ok(name) && text_is_utf8(name) && !taken)
        return true;
    return err_set(c->e, ERR_UNSUPPORTED, "a file called '" STR_FMT "' cannot be carried",
                   STR_ARG(name));
}

/* One source file: its record, and its bytes (of a weight file, the header). */
static bool carry_file(struct carrier *c, struct str name, const char *path, struct span content,
                       bool weights)
{
    struct file_digest d;
    char hex[2 * SHA256_BYTES + 1];
    if (!check_name(c, name) ||
        !file_digest_of(path, false, &d, &c->plan->out.arena, NULL, NULL, c->e))
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
        char *path =
            arena_printf(&c->plan->out.arena, c->e, CARRY_FOLDER STR_FMT, STR_ARG(s->name));
        struct span none = { 0 };
        size_t before = c->plan->n_extras;
        bool ok = path && carry_file(c, s->name, s->path, none, false);
        if (ok)
            c->plan->extras[before] = (struct extra){ str_of(path), none, s->path, s->size, NULL };
        return ok;
    }
    struct arena scratch = { 0 };
    bool ok = file_slurp(s->path, CARRY_MOST, &scratch, &content, c->e) &&
              carry_file(c, s->name, s->path, content, false);
    arena_free(&scratch);
    return ok;
}

/* ---- what is between the tensors ------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a,
                        *y = *(const struct tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool all_zero(const struct file *f, uint64_t at, uint64_t end, struct err *e)
{
    uint8_t piece[4096];
    for (; at < end; at += sizeof piece) {
        uint64_t n = end - at < sizeof piece ? end - at : sizeof piece;
        if (!file_read(f, piece, n, at, e))
            return false;
        for (uint64_t i = 0; i < n; i++)
            if (piece[i])
                return err_set(e, ERR_UNSUPPORTED,
                               "%s:0x%llx: bytes that belong to no tensor are not zero, so the "
                               "file could not be restored",
                               f->path, (unsigned long long)(at + i));
    }
    return true;
}

/* A file is restored with zeros where no header and no tensor is. */
static bool check_padding(const struct model *m, size_t file, struct err *e)
{
    const struct model_file *f = &m->files[file];
    const struct tensor **order = mem_resize(NULL, m->n_tensors * sizeof *order, e);
    uint64_t at = m->format == &format_gguf ? f->header.len : f->data_offset;
    size_t n = 0;
    bool ok = order != NULL;
    for (size_t i = 0; ok && i < m->n_tensors; i++)
        if (m->tensors[i].file == file)
            order[n++] = &m->tensors[i];
    if (n)
        qsort(order, n, sizeof *order, by_offset);
    for (size_t i = 0; ok && i < n; i++) {
        ok = all_zero(&f->file, at, order[i]->offset, e);
        at = order[i]->offset + order[i]->bytes;
    }
    mem_free(order);
    return ok && all_zero(&f->file, at, f->size, e);
}

/* ---- all of it --------------------------------------------------------------------------- */

static bool carry_all(struct carrier *c, const struct model *m)
{
    for (size_t i = 0; i < m->n_sidecars; i++)
        if (!carry_sidecar(c, &m->sidecars[i]))
            return false;
    for (size_t i = 0; i < m->n_files; i++)
        if (!check_padding(m, i, c->e) ||
            !carry_file(c, m->files[i].name, m->files[i].path, m->files[i].header, true))
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
        return meta_add_str(&p->out.files[0].metadata, CARRY_KEY, text, &p->out.arena, c->e);
    return plan_extra(p, STR(CARRY_FOLDER "carry.json"),
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
    json_put_kstr(&o, "schema", STR(CARRY_SCHEMA));
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
