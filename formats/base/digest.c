/* digest.c - thin streams over libcrypto and libxxhash. */
#include "formats/base/digest.h"

#include "formats/base/fault.h"

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

void sha_zeros(struct sha_stream *s, uint64_t n)
{
    static const uint8_t zeros[4096];
    for (; n > sizeof zeros; n -= sizeof zeros)
        sha_add(s, zeros, sizeof zeros);
    sha_add(s, zeros, n);
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
