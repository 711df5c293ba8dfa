/* gpt_oss_lost.c - what an output does not hold of its source, said by name. */
#include "formats/base/json.h"
#include "formats/family/gpt_oss.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/* Appends ", name" to a list of names. */
static void list(struct buf *b, struct str name, const char *mark)
{
    buf_printf(b, "%s" STR_FMT "%s", b->len ? ", " : "", STR_ARG(name), mark);
}

/* Has form `to` a place for this setting? */
static bool has_place(const char *dotted, enum form to)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strcmp(gpt_oss_settings[i].hf, dotted) == 0 &&
            (to == FORM_GGUF ? gpt_oss_settings[i].gguf : gpt_oss_settings[i].original))
            return true;
    return strcmp(dotted, "vocab_size") == 0 || strcmp(dotted, "model_type") == 0 ||
           strcmp(dotted, "architectures") == 0 || strcmp(dotted, "rope_scaling.rope_type") == 0;
}

struct losses {
    struct buf names;
    const cJSON *back; /* config.json as the way back would write it */
    enum form to;
};

/* Lists a value that has no place, with a mark if the way back would say otherwise. */
static void list_lost(struct losses *l, const char *dotted, const cJSON *was)
{
    const cJSON *now = json_at(l->back, dotted);
    bool same = now && cJSON_Compare(was, now, true);
    if (!same || !has_place(dotted, l->to))
        list(&l->names, str_of(dotted), same ? "" : " (changed)");
}

/* rope_scaling, or rope_parameters with rope_theta in it. */
static void list_rope(struct losses *l, const cJSON *rope)
{
    for (const cJSON *k = rope->child; k; k = k->next) {
        char dotted[200];
        bool theta = strcmp(k->string, "rope_theta") == 0;
        snprintf(dotted, sizeof dotted, "%s%s", theta ? "" : "rope_scaling.", k->string);
        list_lost(l, dotted, k);
    }
}

/* ---- what a GGUF says and config.json does not ------------------------------------------ */

/* Keys that come out as files or values, are made anew, or say nothing of the model. */
static bool key_used(const struct meta *m)
{
    struct str key = m->key, text;
    static const char *const used[] = {
        "general.architecture",
        "general.type",
        "general.file_type",
        "general.quantization_version",
        "general.alignment",
        "gpt-oss.feed_forward_length",
        "gpt-oss.attention.value_length",
        "gpt-oss.rope.scaling.type",
        "tokenizer.ggml.model",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.merges",
        "tokenizer.ggml.bos_token_id",
        "tokenizer.chat_template",
    };
    if (str_starts(key, "weighmaster.") || str_starts(key, "split."))
        return true;
    if (str_is(key, "general.name") && meta_str(m, &text) && str_is(text, "gpt-oss"))
        return true; /* what gpt_oss_put_keys writes, knowing no better */
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        if (str_is(key, used[i]))
            return true;
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *g = gpt_oss_settings[i].gguf;
        if (g && (*g == ':' ? str_is(key, g + 1)
                            : str_starts(key, "gpt-oss.") && str_ends(key, g) &&
                                  key.len == strlen("gpt-oss.") + strlen(g)))
            return true;
    }
    return false;
}

bool gpt_oss_note_keys(const struct metadata *spelled, struct plan *p, struct err *e)
{
    struct buf names = buf_make(e);
    for (size_t i = 0; i < spelled->n; i++)
        if (!key_used(&spelled->all[i]))
            list(&names, spelled->all[i].key, "");
    bool ok = buf_ok(&names) &&
              (!names.len || plan_note(p, e,
                                       "keys of the GGUF that the output does not hold: " STR_FMT
                                       " (--reversible keeps them)",
                                       STR_ARG(buf_text(&names))));
    buf_free(&names);
    return ok;
}

/* ---- what config.json says and the output does not -------------------------------------- */

/* What the output of form `to` holds of the configuration. */
static struct config held(const struct family_view *v, const struct config *c, const struct plan *p,
                          enum form to)
{
    struct config back = { .rope = to == FORM_GGUF ? (struct str){ 0 } : c->rope };
    if (to == FORM_GGUF)
        gpt_oss_from_keys(&back, &p->out.files[0].metadata);
    for (size_t i = 0; to != FORM_GGUF && i < N_SETTINGS; i++)
        if (gpt_oss_settings[i].original)
            back.of[i] = c->of[i];
    gpt_oss_complete(&back);
    gpt_oss_measure(&back, v);
    return back;
}

bool gpt_oss_note_config(const struct family_view *v, const struct config *c, struct plan *p,
                         enum form to, struct err *e)
{
    if (!c->is_hf)
        return true;
    struct config back = held(v, c, p, to);
    struct buf text = buf_make(e);
    struct losses l = { buf_make(e), NULL, to };
    gpt_oss_put_hf(&text, v, &back, p);
    cJSON *was = buf_ok(&text) ? json_tree(c->path, c->text, e) : NULL;
    cJSON *is = was ? json_tree("config.json", buf_text(&text), e) : NULL;
    l.back = is;
    for (const cJSON *m = is ? was->child : NULL; m; m = m->next)
        if (strncmp(m->string, "rope_", 5) == 0 && cJSON_IsObject(m))
            list_rope(&l, m);
        else
            list_lost(&l, m->string, m);
    bool ok =
        is && buf_ok(&l.names) &&
        (!l.names.len ||
         plan_note(p, e,
                   "config.json keys that %s does not hold: " STR_FMT " (converting back "
                   "writes the release's values; --reversible keeps all)",
                   to == FORM_GGUF ? "GGUF" : "original/config.json", STR_ARG(buf_text(&l.names))));
    cJSON_Delete(was);
    cJSON_Delete(is);
    buf_free(&text);
    buf_free(&l.names);
    return ok;
}
