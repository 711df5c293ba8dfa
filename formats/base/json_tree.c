/* json_tree.c - small documents as cJSON trees, checked by our reader first. */
#include "formats/base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <threads.h>

/* cJSON's hooks know no context: the thread's current error stands here. */
static _Thread_local struct err *tree_err;

static void *tree_alloc(size_t n)
{
    struct err unseen;
    unseen.code = ERR_NONE;
    return mem_resize(NULL, n, tree_err ? tree_err : &unseen);
}

static void install_hooks(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = tree_alloc, .free_fn = mem_free });
}

struct cJSON *json_tree(const char *path, struct str text, struct err *e)
{
    static once_flag hooks = ONCE_FLAG_INIT;
    call_once(&hooks, install_hooks);
    if (text.len > JSON_TREE_MAX) {
        err_set(e, ERR_UNSUPPORTED, "%s: %zu bytes of JSON, at most %d here", path, text.len,
                JSON_TREE_MAX);
        return NULL;
    }
    if (!json_check(path, text, e))
        return NULL;
    tree_err = e;
    cJSON *tree = cJSON_ParseWithLength(text.at, text.len);
    tree_err = NULL;
    if (!tree) /* if not for memory, then for a number of 64 bytes: cJSON before 1.7.19 */
        err_set(e, ERR_UNSUPPORTED, "%s: a number in it is too long", path);
    return tree;
}

static const cJSON *member(const cJSON *object, struct str name)
{
    const cJSON *m = cJSON_IsObject(object) ? object->child : NULL;
    while (m && !str_is(name, m->string))
        m = m->next;
    return m;
}

const struct cJSON *json_at(const struct cJSON *tree, const char *dotted)
{
    for (;;) {
        const char *dot = strchr(dotted, '.');
        if (!dot)
            return member(tree, str_of(dotted));
        tree = member(tree, (struct str){ dotted, (size_t)(dot - dotted) });
        dotted = dot + 1;
    }
}

bool json_get_u64(const struct cJSON *tree, const char *dotted, uint64_t *out)
{
    double v = -1;
    if (!json_get_double(tree, dotted, &v) || !(v >= 0 && v < 0x1p53) || v != (double)(uint64_t)v)
        return false;
    *out = (uint64_t)v;
    return true;
}

bool json_get_double(const struct cJSON *tree, const char *dotted, double *out)
{
    const cJSON *m = json_at(tree, dotted);
    if (!cJSON_IsNumber(m) || !isfinite(m->valuedouble)) /* 1e999 is good JSON */
        return false;
    *out = m->valuedouble;
    return true;
}

bool json_get_str(const struct cJSON *tree, const char *dotted, struct str *out)
{
    const cJSON *m = json_at(tree, dotted);
    if (!cJSON_IsString(m))
        return false;
    *out = str_of(m->valuestring);
    return true;
}
