/* digest.c - thin streams over libcrypto and libxxhash. */
#include "formats/base/digest.h"

#include "formats/base/fault.h"
#include "formats/base/file.h"

#include <openssl/evp.h>
#include <xxhash.h>

bool sha_open(struct sha_stream *s, struct err *e)
{
    s->ctx = fault_hits(FAULT_MEMORY) ? NULL : EVP_MD_CTX_new();
    if (s->ctx && EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1)
        return true;
    sha_close(s);
    return err_set(e, ERR_MEMORY, "out of memory (starting SHA-256)");
}

void sha_add(struct sha_stream *s, const void *from, uint64_t n)
{
    EVP_DigestUpdate(s->ctx, from, n);
}

struct sha256 sha_end(struct sha_stream *s)
{
    struct sha256 out = { 0 };
    EVP_DigestFinal_ex(s->ctx, out.at, NULL);
    EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL);
    return out;
}

void sha_close(struct sha_stream *s)
{
    EVP_MD_CTX_free(s->ctx);
    s->ctx = NULL;
}

bool sha_of(struct span bytes, struct sha256 *out, struct err *e)
{
    struct sha_stream s;
    if (!sha_open(&s, e))
        return false;
    sha_add(&s, bytes.at, bytes.len);
    *out = sha_end(&s);
    sha_close(&s);
    return true;
}

uint64_t xxh3_of(struct span bytes) { return XXH3_64bits(bytes.at, bytes.len); }

/* ---- whole files ---------------------------------------------------------------- */

bool file_hash_open(struct file_hash *h, uint64_t size, bool blocks, struct arena *a, struct err *e)
{
    *h = (struct file_hash){ 0 };
    if (!sha_open(&h->sha, e))
        return false;
    if (!blocks)
        return true;
    h->blocks = arena_new(a, uint64_t, size / DAMAGE_BLOCK + 1, e);
    h->block = h->blocks && !fault_hits(FAULT_MEMORY) ? XXH3_createState() : NULL;
    if (h->block) {
        XXH3_64bits_reset(h->block);
        return true;
    }
    file_hash_close(h);
    return err_set(e, ERR_MEMORY, "out of memory (digests of a file)");
}

static void add_blocks(struct file_hash *h, const uint8_t *p, uint64_t n)
{
    uint64_t at = h->at;
    while (n) {
        uint64_t room = DAMAGE_BLOCK - at % DAMAGE_BLOCK, part = n < room ? n : room;
        XXH3_64bits_update(h->block, p, part);
        at += part;
        p += part;
        n -= part;
        if (at % DAMAGE_BLOCK == 0) {
            h->blocks[at / DAMAGE_BLOCK - 1] = XXH3_64bits_digest(h->block);
            XXH3_64bits_reset(h->block);
        }
    }
}

void file_hash_add(struct file_hash *h, const void *from, uint64_t n)
{
    sha_add(&h->sha, from, n);
    if (h->block)
        add_blocks(h, from, n);
    h->at += n;
}

void file_hash_zeros(struct file_hash *h, uint64_t n)
{
    static const uint8_t zeros[4096];
    for (; n > sizeof zeros; n -= sizeof zeros)
        file_hash_add(h, zeros, sizeof zeros);
    file_hash_add(h, zeros, n);
}

struct file_digest file_hash_end(struct file_hash *h)
{
    if (h->block && h->at % DAMAGE_BLOCK)
        h->blocks[h->at / DAMAGE_BLOCK] = XXH3_64bits_digest(h->block);
    return (struct file_digest){ sha_end(&h->sha), h->at, h->blocks };
}

void file_hash_close(struct file_hash *h)
{
    sha_close(&h->sha);
    XXH3_freeState(h->block);
    h->block = NULL;
}

enum { READ_BYTES = 1 << 20 };

static bool hash_file(struct file *f, struct file_hash *h, uint8_t *buffer,
                      void (*seen)(void *ctx, uint64_t bytes), void *ctx, struct err *e)
{
    for (uint64_t at = 0; at < f->size; at += READ_BYTES) {
        uint64_t n = f->size - at < READ_BYTES ? f->size - at : READ_BYTES;
        if (!file_read(f, buffer, n, at, e))
            return false;
        file_hash_add(h, buffer, n);
        if (seen)
            seen(ctx, n);
    }
    return file_unchanged(f, e);
}

bool file_digest_of(const char *path, bool blocks, struct file_digest *out, struct arena *a,
                    void (*seen)(void *ctx, uint64_t bytes), void *ctx, struct err *e)
{
    struct file f;
    struct file_hash h = { 0 };
    if (!file_open(&f, path, e))
        return false;
    uint8_t *buffer = mem_resize(NULL, READ_BYTES, e);
    bool ok = buffer && file_hash_open(&h, f.size, blocks, a, e) &&
              hash_file(&f, &h, buffer, seen, ctx, e);
    if (ok)
        *out = file_hash_end(&h);
    file_hash_close(&h);
    mem_free(buffer);
    file_close(&f);
    return ok;
}
