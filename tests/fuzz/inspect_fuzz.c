/* inspect_fuzz.c - any bytes as a model file: whatever opens is looked at, and what is shown of it
 * is fit for a terminal, or is JSON. */
#include "formats/base/text.h"
#include "inspect/show.h"
#include "tests/support/plain.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every line of it. */
static bool is_safe(struct str s)
{
    while (s.len) {
        const char *end = memchr(s.at, '\n', s.len);
        size_t n = end ? (size_t)(end - s.at) : s.len;
        if (text_unsafe((struct str){ s.at, n }))
            return false;
        s = (struct str){ s.at + n + (end != NULL), s.len - n - (end != NULL) };
    }
    return true;
}

/* By RFC 8259: values from a file may hold \u0000, which our own files may not. */
static bool is_json(struct str s)
{
    struct json j;
    struct err e = { 0 };
    struct arena a = { 0 };
    json_open(&j, "shown", 0, s, &a, &e);
    j.rfc_only = true;
    json_skip(&j);
    bool ok = json_end(&j);
    json_close(&j);
    arena_free(&a);
    return ok;
}

static void show(const struct facts *f, const struct findings *findings)
{
    struct err e = { 0 };
    struct select all = { 0 };
    struct buf text = buf_make(&e), json = buf_make(&e);
    show_summary(&text, f, findings);
    show_tensors(&text, f->model, &all);
    show_metadata(&text, f->model);
    show_json(&json, f, findings, &all);
    if (!buf_ok(&text) || !buf_ok(&json) || !is_safe(buf_text(&text)) || !is_json(buf_text(&json)))
        abort();
    buf_free(&text);
    buf_free(&json);
}

static void look(const struct model *m)
{
    struct facts f = { 0 };
    struct findings findings = { 0 };
    struct err e = { 0 };
    const struct execute_options run = { .jobs = 1 };
    bool ok = facts_open(&f, m, &e) && findings_open(&findings, &f, false, &run, &e);
    if (ok != (e.code == ERR_NONE) || (!ok && e.code != ERR_INPUT && e.code != ERR_UNSUPPORTED))
        abort();
    if (ok)
        show(&f, &findings);
    findings_close(&findings);
    facts_close(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory_file file;
    struct model m;
    struct err e = { 0 };
    if (!file.path[0])
        memory_file_open(&file);
    memory_file_fill(&file, (struct str){ (const char *)data, size });
    if (model_open(&m, file.path, &e))
        look(&m);
    model_close(&m);
    return 0;
}
