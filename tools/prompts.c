/* prompts.c - the prompts of a command line: ids, texts, or the lines of a file. */
#include "tools/prompts.h"

enum { SOME = 40 }; /* bytes of a wrong word that are shown */

static bool append(struct prompts *p, struct prompt prompt, struct err *e)
{
    struct prompt *more = arena_append(&p->arena, p->at, sizeof *more, p->n, e);
    if (!more)
        return false;
    p->at = more;
    p->at[p->n++] = prompt;
    return true;
}

/* ---- ids ------------------------------------------------------------------------------- */

/* The next id of "1,2, 3", which loses it. */
static bool next_id(struct str *s, uint32_t *id, struct err *e)
{
    const char *comma = memchr(s->at, ',', s->len);
    struct str word = { s->at, comma ? (size_t)(comma - s->at) : s->len };
    uint64_t v = 0;
    *s = comma ? (struct str){ comma + 1, s->len - word.len - 1 } : (struct str){ 0 };
    for (; word.len && *word.at == ' '; word.len--)
        word.at++;
    bool ok = word.len > 0;
    for (size_t i = 0; i < word.len && ok; i++) {
        ok = word.at[i] >= '0' && word.at[i] <= '9';
        v = 10 * v + (uint64_t)(word.at[i] - '0');
        ok = ok && v <= UINT32_MAX;
    }
    *id = (uint32_t)v;
    return ok || err_set(e, ERR_USAGE, "--tokens: '%.*s' is no token id",
                         (int)(word.len < SOME ? word.len : SOME), word.at);
}

static bool add_ids(struct prompts *p, const char *text, struct err *e)
{
    struct str rest = str_of(text);
    uint32_t *ids = arena_new(&p->arena, uint32_t, rest.len / 2 + 1, e);
    size_t n = 0;
    while (ids && rest.at)
        if (!next_id(&rest, &ids[n++], e))
            return false;
    return ids && append(p, (struct prompt){ .ids = ids, .n = n }, e);
}

/* ---- texts ----------------------------------------------------------------------------- */

static bool need_tokenizer(struct prompts *p, const char *path, const struct model *model,
                           struct err *e)
{
    if (p->has_tokenizer)
        return true;
    p->has_tokenizer = path ? tokenizer_open(&p->tokenizer, path, e)
                            : tokenizer_open_model(&p->tokenizer, model, e);
    return p->has_tokenizer || (!path && err_within(e, "a text without --tokenizer"));
}

static bool add_text(struct prompts *p, struct str text, bool specials, struct err *e)
{
    struct token_ids ids = { 0 };
    bool ok = tokenizer_encode(&p->tokenizer, text, specials, &ids, e);
    uint32_t *own = ok ? arena_new(&p->arena, uint32_t, ids.n, e) : NULL;
    if (own && ids.n)
        memcpy(own, ids.at, ids.n * sizeof *own);
    ok = own && (ids.n || err_set(e, ERR_INPUT, "an empty text has no tokens")) &&
         append(p, (struct prompt){ text, own, ids.n }, e);
    token_ids_free(&ids);
    return ok;
}

static bool read_file(struct prompts *p, const char *path, struct str *text, struct err *e)
{
    struct span s;
    if (!file_slurp(path, UINT32_MAX - 1, &p->arena, &s, e))
        return false;
    *text = (struct str){ (const char *)s.at, s.len };
    return true;
}

/* A line ends with LF or CR LF. */
static struct str next_line(struct str *rest)
{
    const char *end = memchr(rest->at, '\n', rest->len);
    struct str line = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
    size_t skip = line.len + (end != NULL);
    *rest = (struct str){ rest->at + skip, rest->len - skip };
    line.len -= line.len && line.at[line.len - 1] == '\r';
    return line;
}

static bool add_lines(struct prompts *p, const char *path, struct err *e)
{
    struct str rest, line;
    if (!read_file(p, path, &rest, e))
        return false;
    for (size_t number = 1; rest.len; number++) {
        line = next_line(&rest);
        if (line.len && !add_text(p, line, true, e))
            return err_within(e, "%s: line %zu", path, number);
    }
    return true;
}

/* ---- what is asked for ----------------------------------------------------------------- */

static bool close_with(struct prompts *p, bool ok)
{
    if (!ok)
        prompts_close(p);
    return ok;
}

bool prompts_open(struct prompts *p, const struct prompt_options *opt, const struct model *model,
                  struct err *e)
{
    *p = (struct prompts){ 0 };
    bool ok = !(opt->texts.n || opt->text_file || opt->tokenizer) ||
              need_tokenizer(p, opt->tokenizer, model, e);
    for (size_t i = 0; ok && i < opt->tokens.n; i++)
        ok = add_ids(p, opt->tokens.at[i], e);
    for (size_t i = 0; ok && i < opt->texts.n; i++)
        ok = add_text(p, str_of(opt->texts.at[i]), true, e);
    ok = ok && (!opt->text_file || add_lines(p, opt->text_file, e));
    if (ok && p->n == 0) {
        ok = err_set(e, ERR_USAGE, "there is no prompt");
        err_hint(e, "--tokens 1,2,3, --text TEXT or --text-file FILE");
    }
    return close_with(p, ok);
}

bool prompts_open_text(struct prompts *p, const struct prompt_options *opt,
                       const struct model *model, struct err *e)
{
    size_t given = opt->tokens.n + opt->texts.n + (opt->text_file != NULL);
    struct str text = opt->texts.n ? str_of(opt->texts.at[0]) : (struct str){ 0 };
    *p = (struct prompts){ 0 };
    if (given != 1)
        return err_set(e, ERR_USAGE, "one text is needed: --text-file FILE, --text or --tokens");
    bool ok = opt->tokens.n
                  ? add_ids(p, opt->tokens.at[0], e)
                  : (!opt->text_file || read_file(p, opt->text_file, &text, e)) &&
                        need_tokenizer(p, opt->tokenizer, model, e) && add_text(p, text, false, e);
    return close_with(p, ok);
}

void prompts_close(struct prompts *p)
{
    tokenizer_close(&p->tokenizer);
    arena_free(&p->arena);
    *p = (struct prompts){ 0 };
}
