/* manifest.c - making manifests and writing them. */
#include "verify/manifest.h"

#include "formats/base/json.h"
#include "formats/base/text.h"
#include "verify/files.h"

#include <stdlib.h>

enum { BLOCKS_A_LINE = 64 };

const char *const manifest_folders[] = { "weighmaster", NULL };

/* ---- making ------------------------------------------------------------------------------ */

static bool add_content(struct manifest *m, const char *source, const struct execute_options *opt,
                        struct err *e)
{
    struct model model = { 0 };
    m->has_content = model_open(&model, source, e) && content_of(&m->content, &model, opt, e);
    model_close(&model);
    return m->has_content;
}

/* Weights and files are two passes over about the same bytes: each is half of the bar. */
struct half {
    const struct execute_options *opt;
    uint64_t before, bytes; /* of this half; both halves have as many */
};

static void half_done(void *ctx, uint64_t done, uint64_t total)
{
    const struct half *h = ctx;
    double part = total ? (double)done / (double)total : 1;
    h->opt->progress(h->opt->ctx, h->before + (uint64_t)(part * (double)h->bytes), 2 * h->bytes);
}

static struct execute_options half_of(struct half *h, const struct execute_options *opt)
{
    struct execute_options own = *opt;
    h->opt = opt;
    own.progress = opt->progress ? half_done : NULL;
    own.ctx = h;
    return own;
}

static struct manifest_file entry(struct str name, const struct file_digest *d)
{
    return (struct manifest_file){ name, d->sha, true, d->bytes, d->blocks };
}

static bool add_files(struct manifest *m, struct disk_files *f, const struct execute_options *opt,
                      struct err *e)
{
    struct disk_file **all = arena_new(&m->arena, struct disk_file *, f->n, e);
    m->files = all ? arena_new(&m->arena, struct manifest_file, f->n, e) : NULL;
    if (!m->files)
        return false;
    for (size_t i = 0; i < f->n; i++)
        all[i] = &f->all[i];
    if (!files_digest(all, f->n, true, opt, &m->arena, e))
        return false;
    for (size_t i = 0; i < f->n; i++)
        m->files[m->n_files++] = entry(f->all[i].name, &f->all[i].digest);
    return true;
}

bool manifest_create(struct manifest *m, const char *source, const char *const *out, size_t n_out,
                     const struct execute_options *opt, struct err *e)
{
    struct disk_files f = { 0 };
    struct half h = { 0 };
    struct execute_options own = half_of(&h, opt);
    *m = (struct manifest){ .complete = true };
    bool ok = files_list(&f, source, manifest_folders, out, n_out, e);
    for (size_t i = 0; ok && i < f.n; i++)
        h.bytes += f.all[i].size; /* for the bar alone */
    ok = ok && add_content(m, source, &own, e);
    h.before = h.bytes;
    ok = ok && add_files(m, &f, &own, e);
    arena_join(&m->arena, &f.arena);
    if (!ok)
        manifest_free(m);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    const struct manifest_file *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

static bool add_written(struct manifest *m, const struct plan *p, const struct execute_result *r,
                        const char *dest, struct err *e)
{
    struct manifest_file *to =
        arena_new(&m->arena, struct manifest_file, p->out.n_files + p->n_extras, e);
    if (!to)
        return false;
    m->files = to;
    for (size_t i = 0; i < p->out.n_files; i++)
        *to++ = entry(p->directory ? p->out.files[i].name : files_base(dest), &r->files[i]);
    for (size_t i = 0; i < p->n_extras; i++)
        *to++ = entry(p->extras[i].name, &r->extras[i]);
    m->n_files = (size_t)(to - m->files);
    qsort(m->files, m->n_files, sizeof *m->files, by_name);
    return true;
}

bool manifest_of_output(struct manifest *m, const struct plan *p, const struct execute_result *r,
                        const char *dest, const struct execute_options *opt, struct err *e)
{
    *m = (struct manifest){ .complete = true };
    bool ok = add_content(m, dest, opt, e) && add_written(m, p, r, dest, e);
    if (!ok)
        manifest_free(m);
    return ok;
}

void manifest_free(struct manifest *m)
{
    content_free(&m->content);
    arena_free(&m->arena);
    *m = (struct manifest){ 0 };
}

/* ---- writing ------------------------------------------------------------------------------- */

bool manifest_name(struct buf *b, struct str name)
{
    bool escaped = false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool plain = c != '\\' && c != '\n' && c != '\r';
        escaped = escaped || !plain;
        if (plain)
            buf_add(b, &c, 1);
        else
            buf_puts(b, c == '\\' ? "\\\\" : c == '\n' ? "\\n" : "\\r");
    }
    return escaped;
}

static void write_sha(struct buf *b, const struct sha256 *sha)
{
    char hex[2 * SHA256_BYTES + 1];
    text_hex(hex, sha->at, SHA256_BYTES);
    buf_puts(b, hex);
}

static void write_file(struct buf *b, const struct manifest_file *f)
{
    struct buf name = buf_make(b->err);
    bool escaped = manifest_name(&name, f->name);
    buf_puts(b, escaped ? "\\" : "");
    write_sha(b, &f->sha);
    buf_puts(b, str_is(f->name, "-") ? "  ./" : "  "); /* "-" alone is standard input there */
    buf_str(b, buf_text(&name));
    buf_puts(b, "\n");
    b->failed = b->failed || !buf_ok(&name);
    buf_free(&name);
}

static void write_blocks(struct buf *b, const struct manifest_file *f)
{
    buf_printf(b, "# file %llu  ", (unsigned long long)f->bytes);
    manifest_name(b, f->name);
    uint64_t n = f->bytes / DAMAGE_BLOCK + (f->bytes % DAMAGE_BLOCK != 0);
    for (uint64_t i = 0; i < n; i++) {
        if (i % BLOCKS_A_LINE == 0)
            buf_printf(b, "\n# xxh3 %llu", (unsigned long long)i);
        buf_printf(b, " %016llx", (unsigned long long)f->blocks[i]);
    }
    buf_puts(b, "\n");
}

void manifest_write(struct buf *b, const struct manifest *m)
{
    buf_puts(b, "# weighmaster-manifest 1\n");
    for (size_t i = 0; i < m->n_files; i++)
        write_file(b, &m->files[i]);
    if (m->has_content) {
        buf_puts(b, "# content-root ");
        write_sha(b, &m->content.root);
        buf_puts(b, "\n");
    }
    for (size_t i = 0; i < m->content.n; i++) {
        buf_puts(b, "# leaf ");
        content_line(b, &m->content.leaves[i]);
        buf_puts(b, "\n");
    }
    for (size_t i = 0; i < m->n_files; i++)
        if (m->files[i].sized)
            write_blocks(b, &m->files[i]);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void put_sha(struct json_out *o, const char *key, const struct sha256 *sha)
{
    char hex[2 * SHA256_BYTES + 1];
    text_hex(hex, sha->at, SHA256_BYTES);
    json_put_kstr(o, key, str_of(hex));
}

static void put_leaf(struct json_out *o, const struct leaf *l)
{
    json_put_open(o, '{');
    json_put_kstr(o, "name", l->name);
    json_put_kstr(o, "dtype", str_of(l->dtype));
    json_put_key(o, STR("shape"));
    json_put_open(o, '[');
    for (uint32_t i = 0; i < l->ndim; i++)
        json_put_u64(o, l->dim[i]);
    json_put_close(o, ']');
    put_sha(o, "sha256", &l->sha);
    json_put_close(o, '}');
}

void manifest_json(struct buf *b, const struct manifest *m)
{
    struct json_out o = json_out(b, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR("weigh.verify/1"));
    json_put_kstr(&o, "command", STR("create"));
    put_sha(&o, "content_root", &m->content.root);
    json_put_key(&o, STR("files"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < m->n_files; i++) {
        json_put_open(&o, '{');
        json_put_kstr(&o, "name", m->files[i].name);
        json_put_ku64(&o, "bytes", m->files[i].bytes);
        put_sha(&o, "sha256", &m->files[i].sha);
        json_put_close(&o, '}');
    }
    json_put_close(&o, ']');
    json_put_key(&o, STR("leaves"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < m->content.n; i++)
        put_leaf(&o, &m->content.leaves[i]);
    json_put_close(&o, ']');
    json_put_close(&o, '}');
    buf_puts(b, "\n");
}
