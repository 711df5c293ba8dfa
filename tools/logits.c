/* logits.c - what the commands of weigh-logits share: reports and the verdict. */
#include "tools/logits.h"

#include "formats/base/text.h"

#include <stdio.h>

/* ---- results -------------------------------------------------------------------------- */

struct json_out logits_json(struct buf *b, const struct job *j, const char *command)
{
    struct json_out o = json_out(b, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR("weigh.logits/1"));
    json_put_kstr(&o, "command", str_of(command));
    json_put_kstr(&o, "arith", str_of(j->arith));
    json_put_kstr(&o, "rope", str_of(j->rope));
    return o;
}

bool logits_print_json(struct json_out *o, struct err *e)
{
    struct buf safe = buf_make(e);
    json_put_close(o, '}');
    buf_puts(o->buf, "\n");
    if (buf_ok(o->buf))
        json_put_safe(&safe, buf_text(o->buf));
    bool ok = buf_ok(o->buf) && cli_print(&safe, e);
    buf_free(&safe);
    return ok;
}

/* ---- the verdict ----------------------------------------------------------------------- */

void verdict_judge(struct verdict *v, const struct divergence_summary *s, bool identical)
{
    v->identical = identical;
    v->within = identical || (tolerance_keeps(&v->tol, s, &v->broken) && !v->tol.exact);
    if (!v->within && !v->broken.len)
        buf_puts(&v->broken, "logits that are recorded by their digest alone differ");
}

void verdict_put(struct buf *b, const struct verdict *v, const char *compared)
{
    buf_puts(b, v->identical ? "identical" : v->within ? "within " : "differ");
    if (!v->identical && v->within)
        text_escape(b, str_of(v->tol.text));
    buf_printf(b, ": %s", compared);
    if (v->identical)
        buf_puts(b, ", every logit bit for bit");
    else if (!v->within) {
        buf_puts(b, "; not ");
        text_escape(b, str_of(v->tol.text));
        buf_puts(b, ": ");
        buf_str(b, buf_text(&v->broken));
    }
    buf_puts(b, "\n");
}

void verdict_put_prompts(struct buf *b, const struct verdict *v, const struct logits_comparison *c)
{
    char compared[80];
    snprintf(compared, sizeof compared, "%zu prompt%s, %zu token%s", c->n_prompts,
             c->n_prompts == 1 ? "" : "s", c->tokens, c->tokens == 1 ? "" : "s");
    verdict_put(b, v, compared);
}

void verdict_json(struct json_out *o, const struct verdict *v)
{
    json_put_kstr(o, "tolerance", str_of(v->tol.text));
    json_put_kbool(o, "identical", v->identical);
    json_put_kbool(o, "within", v->within);
    json_put_kstr(o, "broken", buf_text(&v->broken));
}

bool verdict_end(const struct verdict *v, bool ok, struct err *e)
{
    return ok && (v->within || err_set(e, ERR_MISMATCH, "%s", "")); /* said already */
}
