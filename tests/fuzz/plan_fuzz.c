/* plan_fuzz.c - any bytes as weights, or as the config.json of a gpt-oss: whatever opens is planned
 * into every form, printed, and made. */
#include "formats/content.h"
#include "formats/plan_text.h"
#include "tests/support/plain.h"
#include "tests/support/tiny.h"
#include "tests/support/tree.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct memory_file file;
static char weights[1024]; /* the directory of a small gpt-oss */

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
    if (weights[0])
        return;
    memory_file_open(&file);
    tiny_write(&small, TINY_HF, tree_path("hf"));
    memcpy(weights, tree_path("hf"), strlen(tree_path("hf")) + 1);
}

static void must(bool ok, const struct err *e)
{
    if (ok != (e->code == ERR_NONE))
        abort();
    if (!ok && e->code != ERR_INPUT && e->code != ERR_UNSUPPORTED)
        abort();
}

static void print(const struct plan *p, const struct plan_options *opt)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    const struct plan_request request = { .source = "source", .dest = "dest", .options = *opt };
    plan_print(&b, p, 0);
    plan_json(&b, p, &request);
    if (!buf_ok(&b))
        abort();
    buf_free(&b);
}

static void plan(const struct model *m, const struct plan_options *opt)
{
    struct plan p = { 0 };
    struct arena a = { 0 };
    struct err e = { 0 };
    const struct execute_options run = { .jobs = 1, .tile = 4096 };
    bool ok = plan_make(&p, m, opt, &e);
    must(ok, &e);
    if (ok) {
        struct file_digest *files = arena_new(&a, struct file_digest, p.out.n_files, &e);
        print(&p, opt);
        must(execute_digests(&p, &run, NULL, files, &a, &e), &e);
    }
    plan_free(&p);
    arena_free(&a);
}

static void find_root(const struct model *m)
{
    struct content c = { 0 };
    struct err e = { 0 };
    const struct execute_options run = { .jobs = 1, .tile = 4096 };
    must(content_of(&c, m, &run, &e), &e);
    content_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct plan_options wishes[] = {
        { .to = FORM_HF },
        { .to = FORM_ORIGINAL },
        { .to = FORM_GGUF, .one_file = true },
        { .to = FORM_GGUF, .type = DTYPE_F32, .shard_bytes = 2000 },
        { .to = FORM_SAFETENSORS, .type = DTYPE_F16, .one_file = true },
    };
    struct model m;
    struct err e = { 0 };
    set_up();
    memory_file_fill(&file, (struct str){ (const char *)data, size });
    bool config = size && data[0] == '{';
    bool ok = model_open(&m, config ? weights : file.path, &e);
    must(ok, &e);
    for (size_t i = 0; ok && i < sizeof wishes / sizeof *wishes; i++) {
        struct plan_options opt = wishes[i];
        opt.base = STR("x");
        opt.config = config ? file.path : NULL;
        plan(&m, &opt);
    }
    if (ok && !config)
        find_root(&m);
    model_close(&m);
    return 0;
}
