/* roundtrip.c - proof that an output holds all of its source. */
#include "verify/roundtrip.h"

#include "formats/carry.h"
#include "verify/compare.h"

/* ---- the stored bytes, back in the source's form -------------------------------------- */

struct compared {
    const struct model *source;
    const struct plan *back;
};

/* The first byte at which two runs differ. */
static uint64_t first_difference(const uint8_t *a, const uint8_t *b, uint64_t n)
{
    uint64_t i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static bool see(void *ctx, size_t i, uint64_t at, struct span bytes, struct err *e)
{
    const struct compared *c = ctx;
    const struct tensor *t = &c->back->out.tensors[i];
    const struct tensor *was = model_find(c->source, t->name);
    uint8_t piece[64 * 1024];
    for (uint64_t done = 0; done < bytes.len; done += sizeof piece) {
        uint64_t n = bytes.len - done < sizeof piece ? bytes.len - done : sizeof piece;
        if (!model_read(c->source, was, at + done, piece, n, e))
            return false;
        if (memcmp(piece, bytes.at + done, n) != 0)
            return err_set(
                e, ERR_MISMATCH, "tensor '" STR_FMT "' differs from the source at its byte %llu",
                STR_ARG(t->name),
                (unsigned long long)(at + done + first_difference(piece, bytes.at + done, n)));
    }
    return true;
}

static bool compare_bytes(const struct model *source, const struct plan *back,
                          const struct execute_options *opt, struct proof *proof, struct err *e)
{
    struct compared c = { source, back };
    struct err inner = { 0 };
    proof->tensors = source->n_tensors;
    proof->bytes = model_bytes(source);
    if (execute_each(back, opt, see, &c, &inner))
        return true;
    if (inner.code ==
        ERR_UNSUPPORTED) /* bits that the source's type cannot hold came from nowhere */
        return err_set(e, ERR_MISMATCH, "%s: they are not the source's", inner.msg);
    *e = inner;
    return false;
}

/* ---- carried files --------------------------------------------------------------------- */

static bool extra_sha(const struct extra *x, struct sha256 *sha, struct arena *a, struct err *e)
{
    struct file_digest d;
    if (!x->copy_of)
        return sha_of(x->bytes, sha, e);
    if (!file_digest_of(x->copy_of, false, &d, a, NULL, NULL, e))
        return false;
    *sha = d.sha;
    return true;
}

/* The digests a restoration promises, of files that are read anew from the source. */
static bool compare_files(const struct model *source, const struct plan *back,
                          const struct execute_options *opt, struct proof *proof, struct err *e)
{
    struct arena a = { 0 };
    struct file_digest *made = arena_new(&a, struct file_digest, back->out.n_files, e), d;
    bool ok = made && execute_digests(back, opt, NULL, made, &a, e);
    for (size_t i = 0; ok && i < back->out.n_files; i++) {
        char *path = file_join(&a, source->path, back->out.files[i].name, e);
        if (!source->directory)
            path = arena_printf(&a, e, "%s", source->path);
        ok = path && file_digest_of(path, false, &d, &a, NULL, NULL, e);
        if (ok && !sha_eq(&d.sha, &made[i].sha))
            ok = err_set(e, ERR_MISMATCH, "restored file " STR_FMT " differs from the source",
                         STR_ARG(back->out.files[i].name));
    }
    for (size_t i = 0; ok && i < back->n_extras; i++) {
        struct sha256 sha;
        char *path = file_join(&a, source->path, back->extras[i].name, e);
        ok = path && extra_sha(&back->extras[i], &sha, &a, e) &&
             file_digest_of(path, false, &d, &a, NULL, NULL, e);
        if (ok && !sha_eq(&d.sha, &sha))
            ok = err_set(e, ERR_MISMATCH, "restored file " STR_FMT " differs from the source",
                         STR_ARG(back->extras[i].name));
    }
    proof->files = back->out.n_files + back->n_extras;
    arena_free(&a);
    return ok;
}

/* ---- the proof --------------------------------------------------------------------------- */

/* Back into the very table of the source: every tensor of its name, type and shape. */
static bool prove_weights(const struct model *source, const struct model *output,
                          const char *config, const struct execute_options *opt,
                          struct proof *proof, struct err *e)
{
    struct plan back = { 0 };
    bool ok =
        plan_like(&back, output, source, config, e) && compare_bytes(source, &back, opt, proof, e);
    plan_free(&back);
    return ok;
}

/* Where the types were changed on purpose there is no way back to the bytes: the values must be
 * those of the source. */
static bool prove_values(const struct model *source, const struct model *output,
                         const struct execute_options *opt, struct proof *proof, struct err *e)
{
    struct comparison c;
    if (!compare_models(&c, source, output, opt, e))
        return false;
    bool same = c.n_differences == 0;
    if (!same)
        err_set(e, ERR_MISMATCH, "%s", c.differences[0]);
    proof->values = c.tensors;
    comparison_free(&c);
    return same;
}

static bool prove_files(const struct model *source, const struct model *output,
                        const struct execute_options *opt, struct proof *proof, struct err *e)
{
    struct plan_options options = { .base = STR("back") };
    struct plan back = { 0 };
    if (!carry_form(output, &options.to, e))
        return false;
    if (options.to == FORM_NONE)
        return err_set(e, ERR_MISMATCH, "the output carries no original files");
    bool ok = plan_make(&back, output, &options, e) && compare_files(source, &back, opt, proof, e);
    plan_free(&back);
    return ok;
}

bool roundtrip_prove(const char *source, const char *output, const char *config, bool retyped,
                     bool reversible, const struct execute_options *opt, struct proof *proof,
                     struct err *e)
{
    struct model s = { 0 }, o = { 0 };
    *proof = (struct proof){ 0 };
    bool ok = model_open(&s, source, e) && model_open(&o, output, e) &&
              (retyped ? prove_values(&s, &o, opt, proof, e)
                       : prove_weights(&s, &o, config, opt, proof, e)) &&
              (!reversible || prove_files(&s, &o, opt, proof, e));
    model_close(&s);
    model_close(&o);
    return ok;
}
