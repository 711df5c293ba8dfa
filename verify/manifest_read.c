/* manifest_read.c - parsing manifests, sha256sum lists and gguf-hash lines: trusts no byte. */
#include "verify/manifest.h"

#include "formats/base/json.h"
#include "formats/base/text.h"

#include <ctype.h>

enum { MAX_NAME = 4096, MAX_DIMS = 16, BLOCK_TEXT = 17 /* " " and 16 digits */ };

// clang-format off
static const struct {
    const char *name;
    size_t bytes;
} algorithms[HASH_COUNT] = { /* gguf-hash of llama.cpp */
    [HASH_SHA256] = { "sha256", 32 },
    [HASH_SHA1]   = { "sha1",   20 },
    [HASH_XXH64]  = { "xxh64",  8 },  /* seed 0, most significant byte first */
    [HASH_XXH3]   = { "xxh3",   8 },
    [HASH_UUID]   = { "uuid",   16 }, /* version 5 */
};
// clang-format on

const char *hash_name(enum hash_algorithm h) { return h < HASH_COUNT ? algorithms[h].name : NULL; }
size_t hash_bytes(enum hash_algorithm h) { return h < HASH_COUNT ? algorithms[h].bytes : 0; }

struct reader {
    const char *path;
    struct str text;
    uint64_t line;
    struct manifest *m;
    struct names names;         /* of m->files */
    struct manifest_file *open; /* the file whose blocks are being read, or NULL */
    uint64_t next_block, n_blocks;
    struct err *err;
};

static bool bad(struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool bad(struct reader *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (r->err->code == ERR_NONE) {
        err_vset(r->err, ERR_INPUT, fmt, ap);
        err_within(r->err, "%s: line %llu", r->path, (unsigned long long)r->line);
    }
    va_end(ap);
    return false;
}

/* ---- words ------------------------------------------------------------------------------- */

static struct str skip(struct str s, size_t n) { return (struct str){ s.at + n, s.len - n }; }

/* The bytes before the next blank, and the blanks behind them. */
static struct str word(struct str *s)
{
    size_t n = 0;
    while (n < s->len && s->at[n] != ' ')
        n++;
    struct str w = { s->at, n };
    while (n < s->len && s->at[n] == ' ')
        n++;
    *s = skip(*s, n);
    return w;
}

static bool number(struct str s, uint64_t *out)
{
    uint64_t n = 0;
    bool ok = s.len > 0 && (s.len == 1 || s.at[0] != '0');
    for (size_t i = 0; ok && i < s.len; i++)
        ok = s.at[i] >= '0' && s.at[i] <= '9' && size_mul(n, 10, &n) &&
             size_add(n, (uint64_t)(s.at[i] - '0'), &n);
    *out = n;
    return ok;
}

/* Undoes manifest_name.  False on any other backslash. */
static bool unescape(struct reader *r, struct str s, struct str *out)
{
    char *p = arena_new(&r->m->arena, char, s.len + 1, r->err);
    size_t n = 0;
    for (size_t i = 0; p && i < s.len; i++) {
        char c = s.at[i];
        if (c == '\\') {
            char next = ++i < s.len ? s.at[i] : 0;
            if (next != '\\' && next != 'n' && next != 'r')
                return bad(r, "a backslash in the name that stands for nothing");
            c = next == 'n' ? '\n' : next == 'r' ? '\r' : '\\';
        }
        p[n++] = c;
    }
    *out = (struct str){ p, n };
    return p != NULL;
}

/* Every component stays where it is: no "..", no empty one, hence not absolute either. */
static bool inside(struct str name)
{
    if (name.len == 0 || name.len > MAX_NAME || memchr(name.at, 0, name.len))
        return false;
    for (size_t at = 0; at <= name.len;) {
        const char *slash = memchr(name.at + at, '/', name.len - at);
        size_t n = slash ? (size_t)(slash - name.at) - at : name.len - at;
        struct str part = { name.at + at, n };
        if (n == 0 || str_is(part, ".") || str_is(part, ".."))
            return false;
        at += n + 1;
    }
    return true;
}

static bool file_name(struct reader *r, struct str s, bool escaped, struct str *out)
{
    if (escaped && !unescape(r, s, &s))
        return false;
    while (str_starts(s, "./")) /* sha256sum ./x */
        s = skip(s, 2);
    if (!inside(s))
        return bad(r, "'" STR_FMT "' is not a name inside the directory", STR_ARG(s));
    *out = arena_str(&r->m->arena, s, r->err);
    return out->at != NULL;
}

/* ---- lines -------------------------------------------------------------------------------- */

static bool read_file(struct reader *r, struct str s)
{
    struct manifest *m = r->m;
    struct manifest_file *f = &m->files[m->n_files];
    bool escaped = str_starts(s, "\\");
    s = skip(s, escaped);
    struct str hex = { s.at, s.len < 2 * SHA256_BYTES ? s.len : 2 * SHA256_BYTES };
    s = skip(s, hex.len);
    size_t old;
    if (!text_unhex(f->sha.at, SHA256_BYTES, hex) || (!str_starts(s, "  ") && !str_starts(s, " *")))
        return bad(r, "neither a comment nor 64 hexadecimal digits, two blanks and a file name");
    if (!file_name(r, skip(s, 2), escaped, &f->name) ||
        !names_add(&r->names, f->name, m->n_files, &old, r->err))
        return false;
    if (old != NAMES_NONE)
        return bad(r, "'" STR_FMT "' for the second time", STR_ARG(f->name));
    m->n_files++;
    return true;
}

static bool read_root(struct reader *r, struct str s)
{
    if (r->m->has_content)
        return bad(r, "a second content root");
    r->m->has_content = true;
    return text_unhex(r->m->content.root.at, SHA256_BYTES, s) ||
           bad(r, "the content root is not 64 hexadecimal digits");
}

/* "201088x2880"; the arena holds what dim points to. */
static bool read_shape(struct reader *r, struct str s, struct leaf *l)
{
    uint64_t dim[MAX_DIMS];
    for (bool more = true; more;) {
        const char *x = memchr(s.at, 'x', s.len);
        struct str d = { s.at, x ? (size_t)(x - s.at) : s.len };
        if (l->ndim == MAX_DIMS || !number(d, &dim[l->ndim++]))
            return bad(r, "the shape of the leaf is not like 64x2880");
        more = x != NULL;
        s = skip(s, d.len + more);
    }
    uint64_t *copy = arena_new(&r->m->content.arena, uint64_t, l->ndim, r->err);
    if (copy)
        memcpy(copy, dim, l->ndim * sizeof *dim);
    l->dim = copy;
    return copy != NULL;
}

/* A whole JSON string. */
static bool read_quoted(struct reader *r, struct str s, struct str *out)
{
    struct err why = { 0 }; /* ours says which line */
    struct json j;
    json_open(&j, r->path, 0, s, &r->m->content.arena, &why);
    *out = json_string(&j);
    bool ok = json_end(&j);
    json_close(&j);
    if (!ok && why.code != ERR_INPUT)
        return err_set(r->err, why.code, "%s", why.msg);
    if (!ok)
        return bad(r, "the name of the leaf is not a JSON string");
    *out = arena_str(&r->m->content.arena, *out, r->err);
    return out->at != NULL;
}

static bool is_type(struct str s)
{
    bool ok = s.len > 0;
    for (size_t i = 0; i < s.len; i++)
        ok = ok && (isalnum((unsigned char)s.at[i]) || s.at[i] == '_');
    return ok;
}

static bool read_leaf(struct reader *r, struct str s)
{
    struct content *c = &r->m->content;
    struct leaf *l = &c->leaves[c->n];
    struct str sha = word(&s), dtype = word(&s), shape = word(&s);
    if (!text_unhex(l->sha.at, SHA256_BYTES, sha))
        return bad(r, "the digest of the leaf is not 64 hexadecimal digits");
    if (!is_type(dtype))
        return bad(r, "'" STR_FMT "' is not a type", STR_ARG(dtype));
    l->dtype = arena_str(&c->arena, dtype, r->err).at;
    if (!l->dtype || !read_shape(r, shape, l) || !read_quoted(r, s, &l->name))
        return false;
    if (c->n && str_cmp(c->leaves[c->n - 1].name, l->name) >= 0)
        return bad(r, "the leaves are not in the order of their names");
    c->n++;
    return true;
}

static bool end_blocks(struct reader *r)
{
    bool all = !r->open || r->next_block == r->n_blocks;
    return all || bad(r, "digests are missing: '" STR_FMT "' has %llu blocks, %llu are given",
                      STR_ARG(r->open->name), (unsigned long long)r->n_blocks,
                      (unsigned long long)r->next_block);
}

static bool read_size(struct reader *r, struct str s)
{
    uint64_t bytes;
    size_t n = 0;
    struct str name;
    if (!end_blocks(r))
        return false;
    while (n < s.len && s.at[n] != ' ')
        n++;
    if (!number((struct str){ s.at, n }, &bytes) || !str_starts(skip(s, n), "  "))
        return bad(r, "not the size of a file, two blanks and its name");
    if (!unescape(r, skip(s, n + 2), &name)) /* which may begin with a blank */
        return false;
    size_t place = names_find(&r->names, name);
    if (place == NAMES_NONE || r->m->files[place].sized)
        return bad(r, "'" STR_FMT "' %s", STR_ARG(name),
                   place == NAMES_NONE ? "has no SHA-256 above" : "for the second time");
    r->open = &r->m->files[place];
    r->next_block = 0;
    r->n_blocks = bytes / DAMAGE_BLOCK + (bytes % DAMAGE_BLOCK != 0);
    if (r->n_blocks > r->text.len / BLOCK_TEXT)
        return bad(r, "there are not digests for %llu blocks", (unsigned long long)r->n_blocks);
    r->open->sized = true;
    r->open->bytes = bytes;
    r->open->blocks = arena_new(&r->m->arena, uint64_t, r->n_blocks, r->err);
    return r->open->blocks != NULL;
}

static bool read_blocks(struct reader *r, struct str s)
{
    uint64_t first;
    struct str digits = word(&s);
    if (!r->open)
        return bad(r, "digests of no file");
    if (!number(digits, &first) || first != r->next_block)
        return bad(r, "block %llu was to follow", (unsigned long long)r->next_block);
    while (s.len) {
        uint8_t b[8];
        uint64_t v = 0;
        if (r->next_block == r->n_blocks || !text_unhex(b, sizeof b, word(&s)))
            return bad(r, "digest %llu is not 16 hexadecimal digits, or is one too many",
                       (unsigned long long)r->next_block);
        for (size_t i = 0; i < sizeof b; i++)
            v = v << 8 | b[i];
        r->open->blocks[r->next_block++] = v;
    }
    return true;
}

/* 8-4-4-4-12 digits. */
static bool unhex_uuid(uint8_t out[16], struct str s)
{
    char digits[32];
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (s.len != 36 || dash != (s.at[i] == '-'))
            return false;
        if (!dash)
            digits[n++] = s.at[i];
    }
    return text_unhex(out, 16, (struct str){ digits, n });
}

static bool read_hash(struct reader *r, struct str s)
{
    struct manifest_hash *h = &r->m->hashes[r->m->n_hashes];
    struct str name = word(&s), hex = word(&s);
    while (!str_is(name, algorithms[h->algorithm].name))
        h->algorithm++;
    if (h->algorithm == HASH_UUID ? !unhex_uuid(h->digest, hex)
                                  : !text_unhex(h->digest, hash_bytes(h->algorithm), hex))
        return bad(r, "the " STR_FMT " is not one", STR_ARG(name));
    const char *colon = s.len ? memrchr(s.at, ':', s.len) : NULL;
    struct str file = { s.at, colon ? (size_t)(colon - s.at) : s.len };
    const char *slash = file.len ? memrchr(file.at, '/', file.len) : NULL;
    if (slash)
        file = skip(file, (size_t)(slash + 1 - file.at));
    if (!file_name(r, file, false, &h->file))
        return false;
    if (colon) {
        h->tensor = arena_str(&r->m->arena, skip(s, (size_t)(colon + 1 - s.at)), r->err);
        if (!h->tensor.at)
            return false;
    }
    r->m->n_hashes++;
    return true;
}

/* ---- the text ------------------------------------------------------------------------------ */

enum line_kind { LINE_FILE, LINE_HASH, LINE_LEAF, LINE_ROOT, LINE_SIZE, LINE_BLOCKS, LINE_OTHER };

// clang-format off
static const struct {
    const char *mark; /* what the line begins with, behind which `read` reads */
    bool (*read)(struct reader *r, struct str rest);
} records[LINE_OTHER] = {
    [LINE_FILE]   = { "",                read_file },
    [LINE_HASH]   = { "",                read_hash },
    [LINE_LEAF]   = { "# leaf ",         read_leaf },
    [LINE_ROOT]   = { "# content-root ", read_root },
    [LINE_SIZE]   = { "# file ",         read_size },
    [LINE_BLOCKS] = { "# xxh3 ",         read_blocks },
};
// clang-format on

static bool is_hash(struct str line)
{
    struct str w = word(&line);
    bool is = false;
    for (size_t i = 0; i < HASH_COUNT; i++)
        is = is || str_is(w, algorithms[i].name);
    return is;
}

/* In a text that does not call itself ours, every comment is just that. */
static enum line_kind kind_of(const struct reader *r, struct str line)
{
    if (line.len == 0)
        return LINE_OTHER;
    if (line.at[0] != '#')
        return is_hash(line) ? LINE_HASH : LINE_FILE;
    for (enum line_kind k = LINE_LEAF; r->m->complete && k < LINE_OTHER; k++)
        if (str_starts(line, records[k].mark))
            return k;
    return LINE_OTHER;
}

static bool next_line(struct reader *r, size_t *at, struct str *line)
{
    if (*at >= r->text.len)
        return false;
    const char *end = memchr(r->text.at + *at, '\n', r->text.len - *at);
    size_t n = end ? (size_t)(end - r->text.at) - *at : r->text.len - *at;
    *line = (struct str){ r->text.at + *at, n };
    *at += n + 1;
    r->line++;
    return true;
}

/* Room for what the text holds, by counting its lines. */
static bool make_room(struct reader *r)
{
    size_t n[LINE_OTHER + 1] = { 0 };
    struct manifest *m = r->m;
    struct str line;
    for (size_t at = 0; next_line(r, &at, &line);)
        n[kind_of(r, line)]++;
    r->line = 0;
    m->files = arena_new(&m->arena, struct manifest_file, n[LINE_FILE], r->err);
    m->hashes = arena_new(&m->arena, struct manifest_hash, n[LINE_HASH], r->err);
    m->content.leaves = arena_new(&m->content.arena, struct leaf, n[LINE_LEAF], r->err);
    return m->files && m->hashes && m->content.leaves;
}

static bool read_version(struct reader *r)
{
    static const char ours[] = "# weighmaster-manifest ";
    if (!str_starts(r->text, ours))
        return true;
    r->m->complete = true;
    r->line = 1;
    if (str_starts(r->text, "# weighmaster-manifest 1\n"))
        return true;
    return err_set(r->err, ERR_UNSUPPORTED, "%s: line 1: a manifest of another version", r->path);
}

static bool read_lines(struct reader *r)
{
    struct str line;
    bool ok = read_version(r) && make_room(r);
    for (size_t at = 0; ok && next_line(r, &at, &line);) {
        enum line_kind k = kind_of(r, line);
        ok = k == LINE_OTHER || records[k].read(r, skip(line, strlen(records[k].mark)));
    }
    return ok && end_blocks(r);
}

/* The whole must say something, and the root must be that of the leaves. */
static bool check_whole(struct reader *r)
{
    const struct manifest *m = r->m;
    struct sha256 root;
    if (m->n_files + m->n_hashes == 0)
        return err_set(r->err, ERR_INPUT, "%s: names no file", r->path);
    if (m->n_files && m->n_hashes)
        return bad(r, "lines of sha256sum and of gguf-hash in one manifest");
    if (!m->has_content)
        return m->content.n == 0 || bad(r, "there are leaves but no content root");
    if (!content_root(m->content.leaves, m->content.n, &root, r->err))
        return false;
    return sha_eq(&root, &m->content.root) || bad(r, "the content root is not that of the leaves");
}

bool manifest_parse(struct manifest *m, const char *path, struct str text, struct err *e)
{
    *m = (struct manifest){ 0 };
    struct reader r = { .path = path, .text = text, .m = m, .err = e };
    bool ok = read_lines(&r) && check_whole(&r);
    names_free(&r.names);
    if (!ok)
        manifest_free(m);
    return ok;
}

bool manifest_read(struct manifest *m, const char *path, struct err *e)
{
    struct arena a = { 0 };
    struct span text;
    *m = (struct manifest){ 0 };
    bool ok = file_slurp(path, MANIFEST_MAX, &a, &text, e) &&
              manifest_parse(m, path, (struct str){ (const char *)text.at, text.len }, e);
    arena_free(&a);
    return ok;
}
