/* template.c - what to know about a chat template without running it.
 *
 * Jinja is cut into tags and words, no further: {% ... %} and {{ ... }}, names, literals and
 * punctuation.  The condition of an `if` is parted at `and` and `or`; a part that holds a
 * message's content, a literal and a comparison is a branch on content. */
#include "inspect/template.h"

#include "formats/base/text.h"

enum word_kind { WORD_NONE, WORD_NAME, WORD_LITERAL, WORD_SIGN };

struct word {
    enum word_kind kind;
    struct str text; /* of a literal: without its quotes */
};

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static struct str rest_of(struct str s, size_t n)
{
    return n < s.len ? (struct str){ s.at + n, s.len - n } : (struct str){ s.at + s.len, 0 };
}

/* The literal whose opening quote is s.at[0]. */
static size_t literal_len(struct str s)
{
    size_t n = 1;
    while (n < s.len && s.at[n] != s.at[0])
        n += s.at[n] == '\\' ? 2 : 1;
    return n < s.len ? n + 1 : s.len;
}

static struct word next_word(struct str *s)
{
    while (s->len && is_space(s->at[0]))
        *s = rest_of(*s, 1);
    struct str from = *s;
    if (!from.len)
        return (struct word){ WORD_NONE, from };
    size_t n = 1;
    if (from.at[0] == '\'' || from.at[0] == '"') {
        n = literal_len(from);
        *s = rest_of(from, n);
        return (struct word){ WORD_LITERAL, { from.at + 1, n > 1 ? n - 2 : 0 } };
    }
    bool name = is_name(from.at[0]);
    while (name && n < from.len && is_name(from.at[n]))
        n++;
    while (!name && n < from.len && n < 2 && from.at[n] == '=' && strchr("=!<>", from.at[0]))
        n++;
    *s = rest_of(from, n);
    return (struct word){ name ? WORD_NAME : WORD_SIGN, { from.at, n } };
}

/* ---- tags ---------------------------------------------------------------------------- */

/* Where the tag that begins at s.at[0] ends: behind its closing braces.  Literals in it may hold
 * braces, comments have no literals. */
static size_t tag_end(struct str s)
{
    char close = s.at[1] == '{' ? '}' : s.at[1];
    size_t n = 2;
    while (n + 1 < s.len && !(s.at[n] == close && s.at[n + 1] == '}'))
        n += close != '#' && (s.at[n] == '"' || s.at[n] == '\'') ? literal_len(rest_of(s, n)) : 1;
    return n + 2 < s.len ? n + 2 : s.len;
}

/* The inside of the next {% %} or {{ }}, without trim marks; *s moves behind it. */
static bool next_tag(struct str *s, struct str *inside)
{
    while (s->len > 3) {
        char kind = s->at[0] == '{' ? s->at[1] : 0;
        if (kind != '%' && kind != '{' && kind != '#') {
            const char *open = memchr(s->at + 1, '{', s->len - 1);
            *s = rest_of(*s, open ? (size_t)(open - s->at) : s->len);
            continue;
        }
        size_t end = tag_end(*s);
        *inside = (struct str){ s->at + 2, end > 4 ? end - 4 : 0 };
        *s = rest_of(*s, end);
        if (kind == '#')
            continue;
        if (inside->len && (inside->at[0] == '-' || inside->at[0] == '+'))
            *inside = rest_of(*inside, 1);
        return true;
    }
    return false;
}

static bool has_name(struct str inside, const char *name)
{
    for (struct word w = next_word(&inside); w.kind; w = next_word(&inside))
        if (w.kind == WORD_NAME && str_is(w.text, name))
            return true;
    return false;
}

static bool starts_with(struct str inside, const char *name)
{
    struct word w = next_word(&inside);
    return w.kind == WORD_NAME && str_is(w.text, name);
}

/* Does the body of an `if`, which begins at s, only raise an exception? */
static bool only_raises(struct str s)
{
    struct str inside;
    return next_tag(&s, &inside) && starts_with(inside, "raise_exception") &&
           !has_name(inside, "if") && next_tag(&s, &inside) && starts_with(inside, "endif");
}

/* ---- conditions ------------------------------------------------------------------------ */

/* What one part of a condition, up to and/or/else, holds. */
struct part {
    bool content, literal, comparison;
};

static bool is_comparison(struct word w)
{
    static const char *const words[] = { "in",   "==",    "!=",    "startswith", "endswith",
                                         "find", "count", "match", "search",     NULL };
    for (int i = 0; w.kind != WORD_LITERAL && words[i]; i++)
        if (str_is(w.text, words[i]))
            return true;
    return false;
}

/* 'content' in message asks whether there is any; message['content'] is the content itself. */
static void see_word(struct part *p, struct word before, struct word w)
{
    bool index = before.kind == WORD_SIGN && str_is(before.text, "[");
    bool content = str_is(w.text, "content") && (w.kind == WORD_NAME || index);
    p->content |= content;
    p->literal |= w.kind == WORD_LITERAL && w.text.len && !index && !str_is(w.text, "content");
    p->comparison |= is_comparison(w);
}

static bool is_branch(const struct part *p) { return p->content && p->literal && p->comparison; }

static bool is_word(struct word w, const char *a, const char *b)
{
    return w.kind == WORD_NAME && (str_is(w.text, a) || str_is(w.text, b));
}

/* Walks one tag; the words behind each `if` are its conditions. */
static bool tag_branches(struct str inside, struct str *condition)
{
    struct part part = { 0 };
    struct word before = { WORD_NONE, inside };
    bool in_condition = false;
    *condition = inside;
    for (struct word w = next_word(&inside); w.kind; before = w, w = next_word(&inside)) {
        if (is_word(w, "if", "elif")) {
            in_condition = true;
            *condition = inside;
        } else if (is_word(w, "and", "or") || is_word(w, "else", "else")) {
            if (in_condition && is_branch(&part))
                return true;
            in_condition &= !is_word(w, "else", "else");
        } else {
            see_word(&part, before, w);
            continue;
        }
        part = (struct part){ 0 };
    }
    return in_condition && is_branch(&part);
}

static struct str trimmed(struct str s)
{
    while (s.len && is_space(s.at[0]))
        s = rest_of(s, 1);
    while (s.len && (is_space(s.at[s.len - 1]) || s.at[s.len - 1] == '-'))
        s.len--;
    return s;
}

bool template_branches(struct str text, struct str *condition)
{
    struct str inside;
    while (next_tag(&text, &inside)) {
        if (!tag_branches(inside, condition))
            continue;
        bool tag = starts_with(inside, "if") || starts_with(inside, "elif");
        if (tag && only_raises(text))
            continue;
        *condition = trimmed(*condition);
        return true;
    }
    return false;
}

uint64_t template_invisible(struct str text, uint32_t *first)
{
    uint64_t n = 0;
    *first = 0;
    for (size_t len; text.len; text = rest_of(text, len)) {
        uint32_t code;
        len = text_utf8(text, &code);
        struct str one = { text.at, len ? len : 1 };
        code = len ? code : 0xFFFD;
        len = one.len;
        if (code == '\n' || code == '\r' || code == '\t' || !text_unsafe(one))
            continue;
        if (n++ == 0)
            *first = code;
    }
    return n;
}
