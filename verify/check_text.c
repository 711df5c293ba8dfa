/* check_text.c - what a check found, for people and for programs. */
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "verify/check.h"

static const char *const words[CHECK_STATES] = {
    [CHECK_OK] = "OK",
    [CHECK_DIFFERS] = "differs",
    [CHECK_MISSING] = "missing",
    [CHECK_EXTRA] = "extra",
};

static void print_damage(struct buf *b, const struct damage *d)
{
    buf_printf(b, "  damaged: bytes %llu to %llu (0x%llx-0x%llx)\n", (unsigned long long)d->first,
               (unsigned long long)d->end - 1, (unsigned long long)d->first,
               (unsigned long long)d->end - 1);
    if (d->header)
        buf_puts(b, "    header\n");
    for (size_t i = 0; i < d->n_tensors; i++) {
        buf_puts(b, "    tensor ");
        text_escape(b, d->tensors[i]);
        buf_puts(b, "\n");
    }
}

void check_print(struct buf *b, const struct check *c, bool quiet)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct check_item *item = &c->items[i];
        if (quiet && item->state == CHECK_OK)
            continue;
        text_escape(b, item->name);
        buf_printf(b, ": %s", words[item->state]);
        if (item->detail) {
            buf_puts(b, ", ");
            text_escape(b, str_of(item->detail));
        }
        buf_puts(b, "\n");
        for (size_t k = 0; k < item->n_damage; k++)
            print_damage(b, &item->damage[k]);
    }
}

static void put_damage(struct json_out *o, const struct damage *d)
{
    json_put_open(o, '{');
    json_put_ku64(o, "first", d->first);
    json_put_ku64(o, "end", d->end);
    json_put_kbool(o, "header", d->header);
    json_put_key(o, STR("tensors"));
    json_put_open(o, '[');
    for (size_t i = 0; i < d->n_tensors; i++)
        json_put_str(o, d->tensors[i]);
    json_put_close(o, ']');
    json_put_close(o, '}');
}

static void put_item(struct json_out *o, const struct check_item *item)
{
    json_put_open(o, '{');
    json_put_kstr(o, "name", item->name);
    json_put_kstr(o, "state", str_of(item->state == CHECK_OK ? "ok" : words[item->state]));
    if (item->detail)
        json_put_kstr(o, "detail", str_of(item->detail));
    if (item->n_damage) {
        json_put_key(o, STR("damage"));
        json_put_open(o, '[');
        for (size_t k = 0; k < item->n_damage; k++)
            put_damage(o, &item->damage[k]);
        json_put_close(o, ']');
    }
    json_put_close(o, '}');
}

void check_json(struct buf *b, const struct check *c)
{
    struct json_out o = json_out(b, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR("weigh.verify/1"));
    json_put_kstr(&o, "command", STR("check"));
    json_put_kbool(&o, "equal", c->equal);
    json_put_kstr(&o, "of", str_of(c->what));
    json_put_key(&o, STR("items"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < c->n; i++)
        put_item(&o, &c->items[i]);
    json_put_close(&o, ']');
    json_put_close(&o, '}');
    buf_puts(b, "\n");
}

void check_verdict(struct buf *b, const struct check *c)
{
    static const struct {
        enum check_state state;
        const char *one, *many;
    } says[] = {
        { CHECK_DIFFERS, "differs", "differ" },
        { CHECK_MISSING, "is missing", "are missing" },
        { CHECK_EXTRA, "is extra", "are extra" },
    };
    const char *comma = "";
    for (size_t i = 0; i < sizeof says / sizeof *says; i++) {
        size_t n = c->count[says[i].state];
        if (n == 0)
            continue;
        buf_printf(b, "%s%zu %s%s %s", comma, n, c->what, n == 1 ? "" : "s",
                   n == 1 ? says[i].one : says[i].many);
        comma = ", ";
    }
    if (!*comma)
        buf_printf(b, "all %zu %ss are as recorded", c->n, c->what);
}
