/* digest.h - SHA-256 (libcrypto) and XXH3-64 (libxxhash), streaming. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/span.h"

enum { SHA256_BYTES = 32 };

struct sha256 {
    uint8_t at[SHA256_BYTES];
};

/* A running SHA-256.  sha_open may fail for memory; sha_close frees and may be called twice. */
struct sha_stream {
    void *ctx; /* EVP_MD_CTX */
};
bool sha_open(struct sha_stream *s, struct err *e) MUST_CHECK;
void sha_add(struct sha_stream *s, const void *from, uint64_t n);
struct sha256 sha_end(struct sha_stream *s); /* the digest of all added; then starts anew */
void sha_close(struct sha_stream *s);

bool sha_of(struct span bytes, struct sha256 *out, struct err *e) MUST_CHECK;
static inline bool sha_eq(const struct sha256 *a, const struct sha256 *b)
{
    return memcmp(a->at, b->at, SHA256_BYTES) == 0;
}

/* XXH3-64 of a block, seed 0: damage only, never trust. */
uint64_t xxh3_of(struct span bytes);

/* ---- whole files ------------------------------------------------------------- */

enum { DAMAGE_BLOCK = 1 << 20 };

/* What a manifest says of a file: SHA-256, and XXH3-64 of every MiB to locate damage. */
struct file_digest {
    struct sha256 sha;
    uint64_t bytes;
    uint64_t *blocks; /* (bytes + DAMAGE_BLOCK - 1) / DAMAGE_BLOCK of them, in the arena */
};

/* A file_digest in the making, fed in file order. */
struct file_hash {
    struct sha_stream sha;
    void *block; /* XXH3_state_t, NULL when blocks are not wanted */
    uint64_t at;
    uint64_t *blocks;
};
/* size: of the whole file; blocks: also the XXH3 of every MiB. */
bool file_hash_open(struct file_hash *h, uint64_t size, bool blocks, struct arena *a,
                    struct err *e) MUST_CHECK;
void file_hash_add(struct file_hash *h, const void *from, uint64_t n);
void file_hash_zeros(struct file_hash *h, uint64_t n);
struct file_digest file_hash_end(struct file_hash *h);
void file_hash_close(struct file_hash *h); /* may be called twice */

/* Reads a file once.  seen (may be NULL) is told how many bytes were read, from this thread. */
bool file_digest_of(const char *path, bool blocks, struct file_digest *out, struct arena *a,
                    void (*seen)(void *ctx, uint64_t bytes), void *ctx, struct err *e) MUST_CHECK;

#endif
