/* carry_fuzz.c - any bytes as what a GGUF carries of its source: the list and the files, parted by
 * 0xff. */
#include "formats/carry.h"
#include "formats/execute.h"
#include "tests/support/tiny.h"
#include "tests/support/tree.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct model weights;

static void set_up(void)
{
    static const struct tiny small = { .layers = 1,
                                       .experts = 1,
                                       .hidden = 32,
                                       .inner = 32,
                                       .heads = 1,
                                       .kv_heads = 1,
                                       .head_dim = 32,
                                       .vocab = 4,
                                       .fitting = true,
                                       .seed = 1 };
    struct err e = { 0 };
    static char path[1024];
    if (weights.path)
        return;
    snprintf(path, sizeof path, "%s", tree_path("x.gguf"));
    tiny_write(&small, TINY_GGUF, path);
    if (!model_open(&weights, path, &e))
        abort();
}

/* The list, then file 0, 1 and so on. */
static bool add_keys(struct metadata *to, struct str s, struct arena *a, struct err *e)
{
    char key[64] = CARRY_KEY;
    for (int i = 0;; i++) {
        const char *end = s.len ? memchr(s.at, 0xff, s.len) : NULL;
        struct str part = { s.at, end ? (size_t)(end - s.at) : s.len };
        if (!meta_add_str(to, key, part, a, e))
            return false;
        if (!end)
            return true;
        s = (struct str){ end + 1, s.len - part.len - 1 };
        snprintf(key, sizeof key, CARRY_KEY_OF_FILE "%d", i);
    }
}

static void restore(const struct model *m, enum form form)
{
    struct plan p = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    const struct plan_options opt = { .to = form, .base = STR("x") };
    const struct execute_options run = { .jobs = 1, .tile = 4096 };
    bool ok = plan_make(&p, m, &opt, &e);
    struct file_digest *files = ok ? arena_new(&a, struct file_digest, p.out.n_files, &e) : NULL;
    ok = ok && files && execute_digests(&p, &run, NULL, files, &a, &e);
    if (ok != (e.code == ERR_NONE) || (!ok && e.code != ERR_INPUT && e.code != ERR_UNSUPPORTED))
        abort();
    plan_free(&p);
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    set_up();
    struct model m = weights;
    struct model_file f = weights.files[0];
    enum form carried;
    m.files = &f;
    f.metadata = (struct metadata){ 0 };
    for (size_t i = 0; i < weights.files[0].metadata.n; i++)
        if (!meta_add(&f.metadata, weights.files[0].metadata.all[i], &a, &e))
            abort();
    if (!add_keys(&f.metadata, (struct str){ (const char *)data, size }, &a, &e))
        abort();
    if (carry_form(&m, &carried, &e) && carried != FORM_NONE)
        restore(&m, carried);
    arena_free(&a);
    return 0;
}
