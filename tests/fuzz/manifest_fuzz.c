/* manifest_fuzz.c - any bytes as a manifest; one of ours must be written back to what reads the
 * same. */
#include "verify/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No name may lead out of the directory. */
static void check_names(const struct manifest *m)
{
    for (size_t i = 0; i < m->n_files; i++) {
        struct str name = m->files[i].name;
        if (name.len == 0 || name.at[0] == '/' || memchr(name.at, 0, name.len) ||
            str_is(name, "..") || str_starts(name, "../") || str_ends(name, "/..") ||
            memmem(name.at, name.len, "/../", 4))
            abort();
    }
}

static void check_again(const struct manifest *m)
{
    struct err e = { 0 };
    struct manifest again = { 0 };
    struct buf one = buf_make(&e), two = buf_make(&e);
    manifest_write(&one, m);
    if (!buf_ok(&one) || !manifest_parse(&again, "again", buf_text(&one), &e))
        abort();
    manifest_write(&two, &again);
    if (one.len != two.len || memcmp(one.at, two.at, one.len) != 0)
        abort();
    manifest_free(&again);
    buf_free(&one);
    buf_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = { 0 };
    struct manifest m;
    bool ok = manifest_parse(&m, "fuzz", (struct str){ (const char *)data, size }, &e);
    if (ok == (e.code != ERR_NONE))
        abort();
    if (ok)
        check_names(&m);
    if (ok && m.n_files)
        check_again(&m);
    manifest_free(&m);
    return 0;
}
