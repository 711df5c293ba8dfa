/* json_read.c - the strict pull reader. */
#include "formats/base/json.h"

#include "formats/base/json_names.h"
#include "formats/base/json_string.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { END = -1 }; /* no byte: the text ended or the reader has failed */

void json_open(struct json *j, const char *path, uint64_t base, struct str text,
               struct arena *arena, struct err *e)
{
    *j = (struct json){
        .path = path, .base = base, .text = text, .arena = arena, .err = e, .first = true
    };
    if (text.len > UINT32_MAX)
        err_set(e, ERR_UNSUPPORTED, "%s: %zu bytes of JSON, at most 4 GiB", path, text.len);
}

void json_close(struct json *j) { json_names_free(j); }

bool json_ok(const struct json *j) { return j->err->code == ERR_NONE; }

bool json_fail(struct json *j, const char *fmt, ...)
{
    if (!json_ok(j))
        return false;
    char why[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return err_set(j->err, ERR_INPUT, "%s:0x%llx: %s", j->path,
                   (unsigned long long)(j->base + j->value_at), why);
}

static bool fail_at(struct json *j, size_t at, const char *why)
{
    j->value_at = at;
    return json_fail(j, "%s", why);
}

/* ---- values ---------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* Skips whitespace; the byte that follows, not yet read, or END. */
static int next(struct json *j)
{
    if (!json_ok(j))
        return END;
    size_t at = j->at;
    while (at < j->text.len && is_space(j->text.at[at]))
        at++;
    j->value_at = j->at = at;
    return at < j->text.len ? (uint8_t)j->text.at[at] : END;
}

static enum json_type type_of(int c)
{
    switch (c) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 't': return JSON_TRUE;
    case 'f': return JSON_FALSE;
    case 'n': return JSON_NULL;
    case '-': return JSON_NUMBER;
    default: return c >= '0' && c <= '9' ? JSON_NUMBER : JSON_NONE;
    }
}

enum json_type json_peek(struct json *j)
{
    int c = next(j);
    enum json_type type = type_of(c);
    if (c == END)
        json_fail(j, "the text ends where a value should be");
    else if (type == JSON_NONE)
        json_fail(j, "a value should be here, not byte 0x%02x", (unsigned)c);
    return type;
}

static bool expect(struct json *j, enum json_type want)
{
    static const char *const names[] = {
        [JSON_NONE] = "nothing",    [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string", [JSON_NUMBER] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",     [JSON_NULL] = "null",
    };
    enum json_type type = json_peek(j);
    return type == want || json_fail(j, "%s instead of %s", names[type], names[want]);
}

static bool read_word(struct json *j, const char *word)
{
    size_t n = strlen(word);
    if (j->text.len - j->at < n || memcmp(j->text.at + j->at, word, n) != 0)
        return json_fail(j, "an unquoted word other than true, false and null");
    j->at += n;
    return true;
}

bool json_bool(struct json *j)
{
    enum json_type type = json_peek(j);
    if (type == JSON_TRUE)
        return read_word(j, "true");
    if (type == JSON_FALSE)
        read_word(j, "false");
    else
        json_fail(j, "neither true nor false");
    return false;
}

/* ---- strings --------------------------------------------------------------- */

/* Checks the string at the quote j->at and steps behind it; *raw is what stands between the
 * quotes. */
static bool read_raw_string(struct json *j, struct str *raw, bool *escaped)
{
    size_t begin = j->at + 1;
    struct json_scan s = json_scan(j->text, begin, j->rfc_only);
    if (s.why)
        return fail_at(j, s.end, s.why);
    *raw = (struct str){ j->text.at + begin, s.end - begin };
    *escaped = s.escaped;
    j->at = s.end + 1;
    return true;
}

static bool read_string(struct json *j, struct str *out)
{
    struct str raw;
    bool escaped;
    if (!read_raw_string(j, &raw, &escaped))
        return false;
    *out = raw;
    if (!escaped)
        return true;
    char *p = arena_alloc(j->arena, 1, raw.len, j->err);
    if (!p)
        return false;
    *out = (struct str){ p, json_decode(raw, p) };
    return true;
}

struct str json_string(struct json *j)
{
    struct str s = { "", 0 };
    if (expect(j, JSON_STRING))
        read_string(j, &s);
    return s;
}

/* ---- numbers --------------------------------------------------------------- */

/* Steps over digits; false if there is none. */
static bool read_digits(struct json *j)
{
    size_t begin = j->at;
    while (j->at < j->text.len && j->text.at[j->at] >= '0' && j->text.at[j->at] <= '9')
        j->at++;
    return j->at > begin || fail_at(j, j->at, "a number lacks a digit here");
}

/* Steps over c if it is next. */
static bool read_byte(struct json *j, char c)
{
    bool hit = j->at < j->text.len && j->text.at[j->at] == c;
    j->at += hit;
    return hit;
}

/* number = [-] (0 | 1-9 digits) [. digits] [e [+-] digits] */
static bool read_number(struct json *j, struct str *out)
{
    size_t begin = j->at;
    read_byte(j, '-');
    if (!read_byte(j, '0') && !read_digits(j))
        return false;
    if (read_byte(j, '.') && !read_digits(j))
        return false;
    if (read_byte(j, 'e') || read_byte(j, 'E')) {
        if (!read_byte(j, '+'))
            read_byte(j, '-');
        if (!read_digits(j))
            return false;
    }
    *out = (struct str){ j->text.at + begin, j->at - begin };
    return true;
}

uint64_t json_u64(struct json *j)
{
    struct str digits;
    if (!expect(j, JSON_NUMBER) || !read_number(j, &digits))
        return 0;
    uint64_t v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.at[i];
        if (c < '0' || c > '9')
            return json_fail(j, "the number should be whole, without sign and exponent");
        if (!size_mul(v, 10, &v) || !size_add(v, (uint64_t)(c - '0'), &v))
            return json_fail(j, "the number is above 2^64-1");
    }
    return v;
}

/* strtod of the C locale: the user's may have a decimal comma. */
static double to_double(const char *digits, struct err *e)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return err_set(e, ERR_MEMORY, "out of memory (the C locale)");
    double v = strtod_l(digits, NULL, c);
    freelocale(c);
    return v;
}

double json_double(struct json *j)
{
    char few[64];
    struct str digits;
    if (!expect(j, JSON_NUMBER) || !read_number(j, &digits))
        return 0;
    char *s = digits.len < sizeof few ? few : mem_resize(NULL, (uint64_t)digits.len + 1, j->err);
    if (!s)
        return 0;
    memcpy(s, digits.at, digits.len);
    s[digits.len] = 0;
    double v = to_double(s, j->err);
    if (s != few)
        mem_free(s);
    if (isfinite(v))
        return v;
    json_fail(j, "the number is too large");
    return 0;
}

/* ---- containers ------------------------------------------------------------ */

static void enter(struct json *j, enum json_type type)
{
    if (!expect(j, type))
        return;
    if (j->depth == JSON_DEPTH) {
        json_fail(j, "nested deeper than %d", JSON_DEPTH);
        return;
    }
    j->at++;
    j->depth++;
    j->first = true;
}

void json_object(struct json *j) { enter(j, JSON_OBJECT); }
void json_array(struct json *j) { enter(j, JSON_ARRAY); }

/* Steps over the comma in front of the next member, or over the closing
 * bracket: then false, and the container has ended. */
static bool next_member(struct json *j, char close)
{
    int c = next(j);
    if (c == END)
        return json_fail(j, "the text ends before its '%c'", close);
    if (c == close) {
        if (close == '}' && !json_names_end(j))
            return false;
        j->at++;
        j->depth--;
        j->first = false;
        return false;
    }
    if (!j->first && c != ',')
        return json_fail(j, "a ',' or '%c' should be here", close);
    j->at += !j->first;
    j->first = false;
    return true;
}

bool json_item(struct json *j) { return next_member(j, ']'); }

bool json_key(struct json *j, struct str *key)
{
    struct str name;
    *key = (struct str){ "", 0 };
    if (!next_member(j, '}'))
        return false;
    if (next(j) != '"')
        return json_fail(j, "a name in quotes should be here");
    size_t at = j->at;
    if (!read_string(j, &name) || (!j->rfc_only && !json_names_add(j, at + 1, name)))
        return false;
    if (next(j) != ':')
        return json_fail(j, "a ':' should be here");
    j->at++;
    j->value_at = at;
    *key = name;
    return true;
}

/* ---- whole values ---------------------------------------------------------- */

/* Recursion is at most JSON_DEPTH deep. */
static void skip(struct json *j)
{
    struct str unused;
    bool escaped;
    switch (json_peek(j)) {
    case JSON_NONE: break;
    case JSON_STRING: read_raw_string(j, &unused, &escaped); break;
    case JSON_NUMBER: read_number(j, &unused); break;
    case JSON_TRUE: read_word(j, "true"); break;
    case JSON_FALSE: read_word(j, "false"); break;
    case JSON_NULL: read_word(j, "null"); break;
    case JSON_OBJECT:
        json_object(j);
        while (json_key(j, &unused))
            skip(j);
        break;
    case JSON_ARRAY:
        json_array(j);
        while (json_item(j))
            skip(j);
        break;
    }
}

struct str json_raw(struct json *j)
{
    json_peek(j);
    size_t begin = j->at;
    skip(j);
    if (!json_ok(j))
        return (struct str){ "", 0 };
    j->value_at = begin;
    return (struct str){ j->text.at + begin, j->at - begin };
}

void json_skip(struct json *j) { json_raw(j); }

bool json_end(struct json *j)
{
    if (next(j) != END)
        return json_fail(j, "text behind the end of the document");
    return json_ok(j) && (!j->depth || json_fail(j, "the text ends inside an object or array"));
}

bool json_check(const char *path, struct str text, struct err *e)
{
    struct arena names = { 0 };
    struct json j;
    json_open(&j, path, 0, text, &names, e);
    json_skip(&j);
    bool ok = json_end(&j);
    json_close(&j);
    arena_free(&names);
    return ok;
}
