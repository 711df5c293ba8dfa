/* content.c - leaves and the content root. */
#include "formats/content.h"

#include "formats/base/json.h"
#include "formats/base/text.h"
#include "formats/safetensors.h"

#include <stdlib.h>

void content_line(struct buf *b, const struct leaf *l)
{
    char hex[2 * SHA256_BYTES + 1];
    uint32_t first = 0;
    text_hex(hex, l->sha.at, SHA256_BYTES);
    buf_printf(b, "%s  %s ", hex, l->dtype);
    while (first < l->ndim && l->dim[first] == 1)
        first++;
    if (first == l->ndim)
        buf_puts(b, "1");
    for (uint32_t i = first; i < l->ndim; i++)
        buf_printf(b, "%s%llu", i > first ? "x" : "", (unsigned long long)l->dim[i]);
    buf_puts(b, " ");
    struct json_out o = json_out(b, JSON_COMPACT);
    json_put_str(&o, l->name);
}

bool content_root(const struct leaf *leaves, size_t n, struct sha256 *root, struct err *e)
{
    struct buf b = buf_make(e);
    struct sha_stream s = { 0 };
    if (!sha_open(&s, e))
        return false;
    sha_add(&s, "weighmaster-content-1\n", 22);
    for (size_t i = 0; i < n; i++) {
        b.len = 0;
        content_line(&b, &leaves[i]);
        buf_puts(&b, "\n");
        if (buf_ok(&b))
            sha_add(&s, b.at, b.len);
    }
    *root = sha_end(&s);
    sha_close(&s);
    bool ok = buf_ok(&b);
    buf_free(&b);
    return ok;
}

static int by_name(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

static bool fill(struct leaf *l, const struct tensor *t, const struct sha256 *sha, struct arena *a,
                 struct err *e)
{
    uint64_t *dim = arena_new(a, uint64_t, t->ndim, e);
    const char *st = safetensors_dtype_name(t->dtype);
    *l = (struct leaf){ arena_str(a, t->name, e), st ? st : dtype_info[t->dtype].name, t->ndim, dim,
                        *sha };
    if (dim && t->ndim)
        memcpy(dim, t->dim, t->ndim * sizeof *dim);
    return dim && l->name.at;
}

/* The output matrix of a model whose embedding is the same: stored or not, it says nothing.  In
 * the publisher's HF form both have these names in every family. */
static size_t drop_tied_copy(struct leaf *leaves, size_t n)
{
    struct leaf *embed = NULL, *head = NULL;
    for (size_t i = 0; i < n; i++) {
        embed = str_is(leaves[i].name, "model.embed_tokens.weight") ? &leaves[i] : embed;
        head = str_is(leaves[i].name, "lm_head.weight") ? &leaves[i] : head;
    }
    if (!embed || !head || !sha_eq(&embed->sha, &head->sha))
        return n;
    memmove(head, head + 1, (size_t)(leaves + n - (head + 1)) * sizeof *head);
    return n - 1;
}

bool content_of(struct content *c, const struct model *m, const struct execute_options *opt,
                struct err *e)
{
    struct plan p = { 0 };
    *c = (struct content){ 0 };
    bool ok = plan_canonical(&p, m, e);
    size_t n = ok ? p.out.n_tensors : 0;
    struct sha256 *sha = ok ? arena_new(&c->arena, struct sha256, n, e) : NULL;
    c->leaves = sha ? arena_new(&c->arena, struct leaf, n, e) : NULL;
    ok = c->leaves && execute_digests(&p, opt, sha, NULL, &c->arena, e);
    for (size_t i = 0; ok && i < n; i++)
        ok = fill(&c->leaves[i], &p.out.tensors[i], &sha[i], &c->arena, e);
    plan_free(&p);
    c->n = ok ? drop_tied_copy(c->leaves, n) : 0;
    if (c->n)
        qsort(c->leaves, c->n, sizeof *c->leaves, by_name);
    ok = ok && content_root(c->leaves, c->n, &c->root, e);
    if (!ok)
        content_free(c);
    return ok;
}

void content_free(struct content *c)
{
    arena_free(&c->arena);
    *c = (struct content){ 0 };
}
