/* select.c - which tensors are meant: -t GLOB, -t /RE/ and --exclude. */
#include "inspect/select.h"

#include "formats/base/text.h"

#include <regex.h>

enum { LONGEST_NAME = 4096 };

struct pattern {
    struct str glob;
    bool is_regex, compiled;
    regex_t regex;
};

static bool compile(struct pattern *p, const char *text, struct arena *a, struct err *e)
{
    struct str s = str_of(text);
    p->glob = s;
    p->is_regex = s.len > 2 && s.at[0] == '/' && s.at[s.len - 1] == '/';
    if (!p->is_regex)
        return true;
    struct str inside = arena_str(a, (struct str){ s.at + 1, s.len - 2 }, e);
    if (!inside.at)
        return false;
    int rc = regcomp(&p->regex, inside.at, REG_EXTENDED | REG_NOSUB);
    p->compiled = rc == 0;
    if (rc) {
        char why[120];
        regerror(rc, &p->regex, why, sizeof why);
        return err_set(e, ERR_USAGE, "%s is no regular expression: %s", text, why);
    }
    return true;
}

bool select_open(struct select *s, const char *const *wanted, size_t n_wanted,
                 const char *const *excluded, size_t n_excluded, struct err *e)
{
    *s = (struct select){ .n_wanted = n_wanted };
    s->patterns = arena_new(&s->arena, struct pattern, n_wanted + n_excluded, e);
    bool ok = s->patterns != NULL;
    for (size_t i = 0; ok && i < n_wanted + n_excluded; i++) {
        const char *text = i < n_wanted ? wanted[i] : excluded[i - n_wanted];
        ok = compile(&s->patterns[s->n++], text, &s->arena, e);
    }
    if (!ok)
        select_close(s);
    return ok;
}

void select_close(struct select *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->patterns[i].compiled)
            regfree(&s->patterns[i].regex);
    arena_free(&s->arena);
    *s = (struct select){ 0 };
}

/* regexec wants a string: of a longer name the beginning is searched. */
static bool matches(const struct pattern *p, struct str name)
{
    char text[LONGEST_NAME];
    if (!p->is_regex)
        return text_glob(p->glob, name);
    size_t n = name.len < sizeof text ? name.len : sizeof text - 1;
    memcpy(text, name.at, n);
    text[n] = '\0';
    return regexec(&p->regex, text, 0, NULL, 0) == 0;
}

bool select_has(const struct select *s, struct str name)
{
    bool wanted = s->n_wanted == 0;
    for (size_t i = 0; !wanted && i < s->n_wanted; i++)
        wanted = matches(&s->patterns[i], name);
    for (size_t i = s->n_wanted; wanted && i < s->n; i++)
        wanted = !matches(&s->patterns[i], name);
    return wanted;
}
