/* digest.h - SHA-256 (libcrypto) and XXH3-64 (libxxhash), streaming. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

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
void sha_zeros(struct sha_stream *s, uint64_t n); /* n zero bytes: padding, holes */
struct sha256 sha_end(struct sha_stream *s);      /* the digest of all added; then starts anew */
void sha_close(struct sha_stream *s);

bool sha_of(struct span bytes, struct sha256 *out, struct err *e) MUST_CHECK;
static inline bool sha_eq(const struct sha256 *a, const struct sha256 *b)
{
    return memcmp(a->at, b->at, SHA256_BYTES) == 0;
}

/* XXH3-64 of a block, seed 0: damage only, never trust. */
uint64_t xxh3_of(struct span bytes);

#endif
