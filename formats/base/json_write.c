/* json_write.c - JSON in the spacing of the released files and the digits of Python. */
#include "formats/base/json.h"

#include "formats/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- structure ------------------------------------------------------------- */

static void put_line(struct json_out *o)
{
    if (o->style != JSON_INDENT)
        return;
    buf_puts(o->buf, "\n");
    for (int i = 0; i < o->depth; i++)
        buf_puts(o->buf, "  ");
}

/* What stands in front of a name, an array's item or the document. */
static void put_member(struct json_out *o)
{
    if (!o->first)
        buf_puts(o->buf, o->style == JSON_SPACED ? ", " : ",");
    if (o->depth)
        put_line(o);
    o->first = false;
}

static void put_value(struct json_out *o, const char *text)
{
    if (!o->after_key)
        put_member(o);
    o->after_key = false;
    buf_puts(o->buf, text);
}

void json_put_open(struct json_out *o, char bracket)
{
    put_value(o, bracket == '{' ? "{" : "[");
    o->depth++;
    o->first = true;
}

void json_put_close(struct json_out *o, char bracket)
{
    o->depth--;
    if (!o->first)
        put_line(o);
    buf_puts(o->buf, bracket == '}' ? "}" : "]");
    o->first = false;
}

/* ---- strings --------------------------------------------------------------- */

/* Bytes of s up to the first that cannot stand as it is. */
static size_t plain(struct str s)
{
    size_t at = 0;
    while (at < s.len) {
        uint8_t c = (uint8_t)s.at[at];
        uint32_t code;
        size_t n = c < 0x80 ? 1 : text_utf8((struct str){ s.at + at, s.len - at }, &code);
        if (c < 0x20 || c == '"' || c == '\\' || !n)
            break;
        at += n;
    }
    return at;
}

static void put_escape(struct buf *b, uint8_t c)
{
    static const char meaning[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const char *m = c ? strchr(meaning, c) : NULL;
    if (c >= 0x80)
        buf_puts(b, "\xef\xbf\xbd"); /* U+FFFD */
    else if (m)
        buf_add(b, (char[]){ '\\', letter[m - meaning] }, 2);
    else
        buf_printf(b, "\\u%04x", c);
}

static void put_quoted(struct buf *b, struct str s)
{
    buf_puts(b, "\"");
    while (s.len) {
        size_t n = plain(s);
        buf_add(b, s.at, n);
        if (n < s.len)
            put_escape(b, (uint8_t)s.at[n++]);
        s = (struct str){ s.at + n, s.len - n };
    }
    buf_puts(b, "\"");
}

void json_put_str(struct json_out *o, struct str s)
{
    put_value(o, "");
    put_quoted(o->buf, s);
}

void json_put_key(struct json_out *o, struct str key)
{
    put_member(o);
    put_quoted(o->buf, key);
    buf_puts(o->buf, o->style == JSON_COMPACT ? ":" : ": ");
    o->after_key = true;
}

/* ---- numbers --------------------------------------------------------------- */

/* digits * 10^exponent: no decimal point, so the user's locale has no say. */
struct decimal {
    uint64_t digits;
    int n, exponent; /* n: how many digits */
};

static bool reads_back(struct decimal d, double v)
{
    char text[48];
    snprintf(text, sizeof text, "%llue%d", (unsigned long long)d.digits, d.exponent);
    return strtod(text, NULL) == v;
}

/* v > 0 rounded to n digits. */
static struct decimal rounded(double v, int n)
{
    char text[48];
    snprintf(text, sizeof text, "%.*e", n - 1, v);
    struct decimal d = { .n = n };
    const char *p = text;
    for (; *p != 'e'; p++) /* between the digits stands the locale's point */
        if (*p >= '0' && *p <= '9')
            d.digits = d.digits * 10 + (uint64_t)(*p - '0');
    d.exponent = atoi(p + 1) - (n - 1);
    return d;
}

/* The fewest digits that read back as v > 0.  Below a power of two doubles lie
 * half as far apart as above, so there the nearest decimal may miss v while
 * the one above it does not (2^-44 = 5.684341886080802e-14). */
static struct decimal shortest(double v)
{
    struct decimal d = rounded(v, 1);
    for (int n = 2; !reads_back(d, v); n++) {
        d.digits++;
        if (reads_back(d, v))
            break;
        d = rounded(v, n);
    }
    return d;
}

/* Python's repr: an exponent below 1e-4 and from 1e16 on. */
static void put_decimal(struct buf *b, struct decimal d)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)d.digits);
    int point = d.n + d.exponent; /* digits in front of the point */
    if (point <= -4 || point > 16) {
        buf_add(b, digits, 1);
        if (d.n > 1)
            buf_printf(b, ".%s", digits + 1);
        buf_printf(b, "e%c%02d", point > 0 ? '+' : '-', abs(point - 1));
    } else if (point <= 0) {
        buf_printf(b, "0.%.*s%s", -point, "0000", digits);
    } else if (d.exponent >= 0) {
        buf_printf(b, "%s%.*s.0", digits, d.exponent, "0000000000000000");
    } else {
        buf_printf(b, "%.*s.%s", point, digits, digits + point);
    }
}

void json_put_double(struct json_out *o, double v)
{
    if (!isfinite(v)) {
        json_put_null(o);
        return;
    }
    put_value(o, signbit(v) ? "-" : "");
    if (v == 0)
        buf_puts(o->buf, "0.0");
    else
        put_decimal(o->buf, shortest(fabs(v)));
}

void json_put_u64(struct json_out *o, uint64_t v)
{
    put_value(o, "");
    buf_printf(o->buf, "%llu", (unsigned long long)v);
}

/* ---- the rest -------------------------------------------------------------- */

void json_put_bool(struct json_out *o, bool v) { put_value(o, v ? "true" : "false"); }
void json_put_null(struct json_out *o) { put_value(o, "null"); }

void json_put_raw(struct json_out *o, struct str json)
{
    put_value(o, "");
    buf_str(o->buf, json);
}

void json_put_kstr(struct json_out *o, const char *key, struct str s)
{
    json_put_key(o, str_of(key));
    json_put_str(o, s);
}

void json_put_ku64(struct json_out *o, const char *key, uint64_t v)
{
    json_put_key(o, str_of(key));
    json_put_u64(o, v);
}

void json_put_kbool(struct json_out *o, const char *key, bool v)
{
    json_put_key(o, str_of(key));
    json_put_bool(o, v);
}

static void put_code(struct buf *b, uint32_t code)
{
    if (code >= 0x10000) {
        buf_printf(b, "\\u%04x", (unsigned)(0xd7c0 + (code >> 10))); /* 0xd800 - (0x10000 >> 10) */
        code = 0xdc00 + (code & 0x3ff);
    }
    buf_printf(b, "\\u%04x", (unsigned)code);
}

void json_put_safe(struct buf *b, struct str json)
{
    size_t from = 0, at = 0;
    while (at < json.len) {
        uint32_t code;
        size_t n = text_utf8((struct str){ json.at + at, json.len - at }, &code);
        bool safe = n && (code == '\n' || !text_unsafe((struct str){ json.at + at, n }));
        if (!safe) {
            buf_add(b, json.at + from, at - from);
            put_code(b, n ? code : 0xfffd);
            from = at + (n ? n : 1);
        }
        at += n ? n : 1;
    }
    buf_add(b, json.at + from, at - from);
}
