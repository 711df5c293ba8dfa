/* gpt_oss_layers.c - which layers of a gpt-oss see a sliding window only. */
#include "formats/base/json.h"
#include "formats/family/gpt_oss.h"

#include <cjson/cJSON.h>

static bool read_layers(const struct config *c, const cJSON *tree, bool *sliding, uint32_t n,
                        struct err *e)
{
    const cJSON *types = json_at(tree, "layer_types");
    if (!types)
        return true;
    if (cJSON_GetArraySize(types) != (int)n)
        return err_set(e, ERR_INPUT, "%s: layer_types has %d entries, the model %u layers", c->path,
                       cJSON_GetArraySize(types), n);
    const cJSON *t = types->child;
    for (uint32_t i = 0; i < n; i++, t = t->next) {
        const char *type = cJSON_IsString(t) ? t->valuestring : "";
        sliding[i] = strcmp(type, "sliding_attention") == 0;
        if (!sliding[i] && strcmp(type, "full_attention") != 0)
            return err_set(e, ERR_UNSUPPORTED, "%s: layer_types of layer %u is '%s'", c->path, i,
                           type);
    }
    return true;
}

bool gpt_oss_layers(const struct config *c, bool *sliding, uint32_t n, struct err *e)
{
    for (uint32_t i = 0; i < n; i++)
        sliding[i] = i % 2 == 0; /* of every release, and of the forms that do not say */
    if (!c->text.at)
        return true;
    cJSON *tree = json_tree(c->path, c->text, e);
    bool ok = tree && read_layers(c, tree, sliding, n, e);
    cJSON_Delete(tree);
    return ok;
}
