/* gguf_hash.c - the digests of gguf-hash: raw tensor bytes, one by one or all in file order. */
#include "verify/check.h"

#include "formats/base/fault.h"
#include "formats/base/pool.h"
#include "verify/files.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <xxhash.h>

enum { READ_BYTES = 1 << 20 };

/* ---- one digest of five kinds ---------------------------------------------------------------- */

struct hasher {
    enum hash_algorithm algorithm;
    EVP_MD_CTX *evp;
    XXH64_state_t *xxh64;
    XXH3_state_t *xxh3;
};

/* The name space of the identifiers: ef001206-dadc-5f6d-a15f-3359e577d4e5. */
static const uint8_t name_space[16] = { 0xef, 0x00, 0x12, 0x06, 0xda, 0xdc, 0x5f, 0x6d,
                                        0xa1, 0x5f, 0x33, 0x59, 0xe5, 0x77, 0xd4, 0xe5 };

static void hasher_close(struct hasher *h)
{
    EVP_MD_CTX_free(h->evp);
    XXH64_freeState(h->xxh64);
    XXH3_freeState(h->xxh3);
}

static bool hasher_open(struct hasher *h, enum hash_algorithm algorithm, struct err *e)
{
    bool ok = !fault_hits(FAULT_MEMORY);
    *h = (struct hasher){ .algorithm = algorithm };
    if (ok && algorithm == HASH_XXH64)
        ok = (h->xxh64 = XXH64_createState()) && XXH64_reset(h->xxh64, 0) == XXH_OK;
    else if (ok && algorithm == HASH_XXH3)
        ok = (h->xxh3 = XXH3_createState()) && XXH3_64bits_reset(h->xxh3) == XXH_OK;
    else if (ok)
        ok = (h->evp = EVP_MD_CTX_new()) &&
             EVP_DigestInit_ex(h->evp, algorithm == HASH_SHA256 ? EVP_sha256() : EVP_sha1(),
                               NULL) == 1;
    if (ok && algorithm == HASH_UUID)
        ok = EVP_DigestUpdate(h->evp, name_space, sizeof name_space) == 1;
    if (ok)
        return true;
    hasher_close(h);
    return err_set(e, ERR_MEMORY, "out of memory (starting a %s)", hash_name(algorithm));
}

static void hasher_add(struct hasher *h, const void *from, size_t n)
{
    if (h->xxh64)
        XXH64_update(h->xxh64, from, n);
    else if (h->xxh3)
        XXH3_64bits_update(h->xxh3, from, n);
    else
        EVP_DigestUpdate(h->evp, from, n);
}

static void hasher_end(struct hasher *h, uint8_t out[EVP_MAX_MD_SIZE])
{
    if (h->evp) {
        EVP_DigestFinal_ex(h->evp, out, NULL);
    } else {
        uint64_t v = h->xxh64 ? XXH64_digest(h->xxh64) : XXH3_64bits_digest(h->xxh3);
        for (size_t i = 0; i < 8; i++)
            out[i] = (uint8_t)(v >> (56 - 8 * i));
    }
    if (h->algorithm == HASH_UUID) { /* RFC 9562, 5.5: version 5, variant 10 */
        out[6] = (uint8_t)((out[6] & 0x0f) | 0x50);
        out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
    }
}

/* ---- the lines of one file --------------------------------------------------------------------
 */

struct lines {
    const struct manifest_hash *all;
    enum check_state *state;
    const struct model *m;
    const struct execute_options *opt;
    atomic_uint_fast64_t done;
    uint64_t total; /* for the bar alone */
};

static bool hash_tensor(struct lines *l, struct hasher *h, const struct tensor *t, uint8_t *buffer,
                        struct err *e)
{
    for (uint64_t at = 0; at < t->bytes; at += READ_BYTES) {
        uint64_t n = t->bytes - at < READ_BYTES ? t->bytes - at : READ_BYTES;
        if (!model_read(l->m, t, at, buffer, n, e))
            return false;
        hasher_add(h, buffer, (size_t)n);
        uint64_t done = atomic_fetch_add(&l->done, n) + n;
        if (l->opt->progress)
            l->opt->progress(l->opt->ctx, done, l->total);
    }
    return true;
}

static bool hash_line(void *ctx, size_t job, unsigned worker, struct err *e)
{
    struct lines *l = ctx;
    const struct manifest_hash *line = &l->all[job];
    const struct tensor *one = line->tensor.at ? model_find(l->m, line->tensor) : NULL;
    struct hasher h;
    uint8_t got[EVP_MAX_MD_SIZE];
    (void)worker;
    l->state[job] = CHECK_MISSING;
    if (line->tensor.at && !one)
        return true;
    if (!hasher_open(&h, line->algorithm, e))
        return false;
    uint8_t *buffer = mem_resize(NULL, READ_BYTES, e);
    bool ok = buffer != NULL;
    if (one)
        ok = ok && hash_tensor(l, &h, one, buffer, e);
    for (size_t i = 0; ok && !one && i < l->m->n_tensors; i++)
        ok = hash_tensor(l, &h, &l->m->tensors[i], buffer, e);
    if (ok) {
        hasher_end(&h, got);
        bool same = memcmp(got, line->digest, hash_bytes(line->algorithm)) == 0;
        l->state[job] = same ? CHECK_OK : CHECK_DIFFERS;
    }
    hasher_close(&h);
    mem_free(buffer);
    return ok;
}

static void count_bytes(struct lines *l, size_t n)
{
    uint64_t all = model_bytes(l->m);
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = l->all[i].tensor.at ? model_find(l->m, l->all[i].tensor) : NULL;
        l->total += t ? t->bytes : l->all[i].tensor.at ? 0 : all;
    }
}

static bool add_lines(struct check *c, const struct lines *l, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct manifest_hash *h = &l->all[i];
        const char *name = arena_printf(
            &c->arena, e, STR_FMT "%s" STR_FMT " (%s)", STR_ARG(h->file), h->tensor.at ? ":" : "",
            (int)h->tensor.len, h->tensor.at ? h->tensor.at : "", hash_name(h->algorithm));
        if (!name || !check_add(c, str_of(name), l->state[i], NULL, NULL, e))
            return false;
    }
    return true;
}

/* n lines that name the file at path. */
static bool check_group(struct check *c, const struct manifest_hash *all, size_t n,
                        const char *path, const struct execute_options *opt, struct err *e)
{
    struct model m = { 0 };
    struct lines l = { .all = all, .m = &m, .opt = opt };
    enum file_kind kind;
    l.state = arena_new(&c->arena, enum check_state, n, e);
    bool ok = l.state && file_kind(path, &kind, NULL, NULL, e);
    if (ok && kind == FILE_ABSENT) {
        for (size_t i = 0; i < n; i++)
            l.state[i] = CHECK_MISSING;
    } else if (ok) {
        ok = model_open(&m, path, e);
        if (ok)
            count_bytes(&l, n);
        ok = ok && pool_run(opt->jobs ? opt->jobs : pool_cores(), n, hash_line, &l, e) &&
             model_unchanged(&m, e);
    }
    ok = ok && add_lines(c, &l, n, e);
    model_close(&m);
    return ok;
}

/* How many lines from the first on name its file. */
static size_t group_of(const struct manifest_hash *h, size_t n)
{
    size_t i = 1;
    while (i < n && str_eq(h[i].file, h[0].file))
        i++;
    return i;
}

bool check_hashes(struct check *c, const struct manifest *m, const char *source,
                  const struct execute_options *opt, struct err *e)
{
    enum file_kind kind;
    size_t n = 0, seen = 0;
    *c = (struct check){ .what = "digest" };
    bool ok = file_kind(source, &kind, NULL, NULL, e);
    for (size_t i = 0; ok && i < m->n_hashes; i += n) {
        struct str file = m->hashes[i].file;
        const char *path = source;
        n = group_of(&m->hashes[i], m->n_hashes - i);
        if (kind == FILE_DIRECTORY)
            path = file_join(&c->arena, source, file, e);
        else if (!str_eq(file, files_base(source)) && n != m->n_hashes)
            continue; /* of another file */
        seen++;
        ok = path && check_group(c, &m->hashes[i], n, path, opt, e);
    }
    if (ok && !seen)
        ok = err_set(e, ERR_MISMATCH, "the manifest does not name %s", source);
    c->equal = !c->count[CHECK_DIFFERS] && !c->count[CHECK_MISSING];
    if (!ok)
        check_free(c);
    return ok;
}
