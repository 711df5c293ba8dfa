/* release_text.c - what became of a comparison with the published files. */
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "verify/release.h"

// clang-format off
static const struct {
    const char *word, *text;
} states[RELEASE_STATES] = {
    [RELEASE_EQUAL]   = { "ok",      "OK" },
    [RELEASE_EARLY]   = { "early",   "OK, as in an early revision" },
    [RELEASE_POINTER] = { "pointer", "Git LFS pointer of the right file, not fetched" },
    [RELEASE_DIFFERS] = { "differs", "differs" },
    [RELEASE_MISSING] = { "missing", "missing" },
    [RELEASE_EXTRA]   = { "extra",   "extra, not in the table of this release" },
};
// clang-format on

static void print_item(struct buf *b, const struct release_item *item)
{
    text_escape(b, item->path);
    buf_printf(b, ": %s", states[item->state].text);
    if (item->state == RELEASE_DIFFERS && item->bytes != item->published_bytes)
        buf_printf(b, ", has %llu bytes, published were %llu", (unsigned long long)item->bytes,
                   (unsigned long long)item->published_bytes);
    buf_puts(b, "\n");
}

void release_print(struct buf *b, const struct release_report *r, bool quiet)
{
    buf_printf(b, "%s\n", r->verdict);
    for (size_t i = 0; i < r->n; i++)
        if (!quiet || r->items[i].state != RELEASE_EQUAL)
            print_item(b, &r->items[i]);
    for (enum release_form f = RELEASE_HF; f < RELEASE_PAPERS; f++)
        if (r->form[f].exists && !r->form[f].present && !quiet)
            buf_printf(b, "%s form: not here\n", release_form_name(f));
}

static void put_forms(struct json_out *o, const struct release_report *r)
{
    json_put_key(o, STR("forms"));
    json_put_open(o, '[');
    for (enum release_form f = RELEASE_HF; f < RELEASE_PAPERS; f++) {
        if (!r->form[f].exists)
            continue;
        json_put_open(o, '{');
        json_put_kstr(o, "name", str_of(release_form_name(f)));
        json_put_kbool(o, "present", r->form[f].present);
        json_put_kbool(o, "complete", r->form[f].complete);
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
}

static void put_item(struct json_out *o, const struct release_item *item)
{
    json_put_open(o, '{');
    json_put_kstr(o, "path", item->path);
    json_put_kstr(o, "state", str_of(states[item->state].word));
    if (item->state != RELEASE_MISSING)
        json_put_ku64(o, "bytes", item->bytes);
    if (item->state != RELEASE_EXTRA)
        json_put_ku64(o, "published_bytes", item->published_bytes);
    json_put_close(o, '}');
}

void release_json(struct buf *b, const struct release_report *r)
{
    struct json_out o = json_out(b, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR("weigh.verify/1"));
    json_put_kstr(&o, "command", STR("release"));
    json_put_kbool(&o, "published", r->published);
    json_put_kstr(&o, "verdict", str_of(r->verdict));
    if (r->release) {
        json_put_kstr(&o, "release", str_of(r->release->name));
        json_put_kstr(&o, "revision", str_of(r->release->revision));
        put_forms(&o, r);
    }
    json_put_key(&o, STR("files"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < r->n; i++)
        put_item(&o, &r->items[i]);
    json_put_close(&o, ']');
    json_put_close(&o, '}');
    buf_puts(b, "\n");
}
