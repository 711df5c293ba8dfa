/* forward.c - running the forward pass in tests, and making altered models for it. */
#include "tests/support/forward.h"

#include "formats/base/json.h"
#include "tests/support/fixture.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void stop(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void stop(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\n", stderr);
    abort();
}

cJSON *forward_json(const char *path)
{
    struct err e = { 0 };
    struct str text = fixture_read(path);
    cJSON *tree = json_tree(path, text, &e);
    fixture_free(text);
    if (!tree)
        stop("%s", e.msg);
    return tree;
}

struct ids forward_ids(const cJSON *array)
{
    struct ids ids = { calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(uint32_t)), 0 };
    for (const cJSON *i = array->child; i; i = i->next)
        ids.at[ids.n++] = (uint32_t)i->valuedouble;
    return ids;
}

struct ids forward_sequence(const char *name)
{
    cJSON *index = forward_json(TINY_A "index.json");
    const cJSON *s = json_at(index, "models.tiny-a.sequences")->child;
    while (strcmp(json_at(s, "name")->valuestring, name) != 0)
        s = s->next;
    struct ids ids = forward_ids(json_at(s, "tokens"));
    cJSON_Delete(index);
    return ids;
}

struct kept {
    float *logits;
    size_t vocab;
};

static bool keep(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    struct kept *k = ctx;
    (void)e;
    memcpy(k->logits + first * k->vocab, logits, n * k->vocab * sizeof(float));
    return true;
}

static float *run(const char *path, const struct session_options *opt, struct ids ids,
                  struct err *e)
{
    struct model m = { 0 };
    struct session s = { 0 };
    struct kept k = { 0 };
    if (model_open(&m, path, e) && session_open(&s, &m, opt, e)) {
        k = (struct kept){ calloc(ids.n * s.vocab, sizeof(float)), s.vocab };
        if (!session_run(&s, ids.at, ids.n, 0, keep, &k, e)) {
            free(k.logits);
            k.logits = NULL;
        }
    }
    session_close(&s);
    model_close(&m);
    return k.logits;
}

float *forward_logits(const char *path, const struct session_options *opt, struct ids ids)
{
    struct err e = { 0 };
    float *logits = run(path, opt, ids, &e);
    if (!logits)
        stop("%s: %s", path, e.msg);
    return logits;
}

bool forward_try(const char *path, const struct session_options *opt, struct ids ids, struct err *e)
{
    float *logits = run(path, opt, ids, e);
    free(logits);
    return logits != NULL;
}

double forward_difference(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        most = d <= most ? most : d;
    }
    return most;
}

/* ---- altered files ----------------------------------------------------------------------- */

enum { MADE = 32, PATHS = 4, PATH = 400 };
static char temp[PATH], made[MADE][PATH];
static int n_made;

const char *forward_temp(void)
{
    const char *dir = getenv("TMPDIR");
    if (!*temp) {
        snprintf(temp, sizeof temp, "%.300s/forward-XXXXXX", dir ? dir : "/tmp");
        if (!mkdtemp(temp))
            stop("%s: cannot be made", temp);
    }
    return temp;
}

void forward_clean(void)
{
    while (n_made)
        unlink(made[--n_made]);
    if (*temp)
        rmdir(temp);
    *temp = 0;
}

static void note_made(const char *path)
{
    for (int i = 0; i < n_made; i++)
        if (strcmp(made[i], path) == 0)
            return;
    if (n_made == MADE)
        stop("too many altered files");
    snprintf(made[n_made++], PATH, "%s", path);
}

const char *forward_copy(const char *path, const char *name, const char *from, const char *to)
{
    static char paths[PATHS][PATH];
    static int next;
    char *out = paths[next++ % PATHS];
    struct str text = fixture_read(path);
    const char *at = memmem(text.at, text.len, from, strlen(from));
    if (!at)
        stop("%s: there is no %s", path, from);
    snprintf(out, PATH, "%.350s/%.40s", forward_temp(), name);
    note_made(out);
    FILE *f = fopen(out, "wb");
    size_t before = (size_t)(at - text.at), after = before + strlen(from);
    fwrite(text.at, 1, before, f);
    fputs(to, f);
    fwrite(text.at + after, 1, text.len - after, f);
    if (fclose(f) != 0)
        stop("%s: cannot be written", out);
    fixture_free(text);
    return out;
}

void forward_patch(const char *model, const char *tensor, uint64_t at, const void *bytes, size_t n)
{
    struct err e = { 0 };
    struct model m = { 0 };
    if (!model_open(&m, model, &e))
        stop("%s", e.msg);
    const struct tensor *t = model_find(&m, str_of(tensor));
    if (!t || at + n > t->bytes)
        stop("%s: has no tensor %s of %zu bytes", model, tensor, n);
    FILE *f = fopen(m.files[t->file].path, "r+b");
    fseek(f, (long)(t->offset + at), SEEK_SET);
    fwrite(bytes, 1, n, f);
    if (fclose(f) != 0)
        stop("%s: cannot be written", model);
    model_close(&m);
}
