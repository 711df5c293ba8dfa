/* text.c - UTF-8, safe printing, globs, human sizes. */
#include "formats/base/text.h"

#include <limits.h>
#include <stdio.h>

/* ---- UTF-8 ----------------------------------------------------------------- */

/* Unicode 15, table 3-7: the second byte's range says all that is special; the
 * others are 80..BF. */
size_t text_utf8(struct str s, uint32_t *code)
{
    const uint8_t *p = (const uint8_t *)s.at;
    if (!s.len)
        return 0;
    *code = p[0];
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (!n || s.len < n)
        return 0;
    uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    uint32_t v = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    *code = v;
    return n;
}

bool text_is_utf8(struct str s)
{
    uint32_t code;
    for (size_t n; s.len; s = (struct str){ s.at + n, s.len - n }) {
        n = text_utf8(s, &code);
        if (!n)
            return false;
    }
    return true;
}

/* ---- printing -------------------------------------------------------------- */

/* What a terminal obeys or hides instead of showing it (Unicode 15: Cc, Cf that are
 * Bidi_Control or Default_Ignorable, Zl, Zp), in rising order. */
static const struct {
    uint32_t first, last;
} unseen[] = {
    // clang-format off
    { 0x0000, 0x001f },   /* C0 */
    { 0x007f, 0x009f },   /* DEL, C1 */
    { 0x00ad, 0x00ad },   /* soft hyphen */
    { 0x034f, 0x034f },   /* combining grapheme joiner */
    { 0x061c, 0x061c },   /* Arabic letter mark */
    { 0x180e, 0x180e },   /* Mongolian vowel separator */
    { 0x200b, 0x200f },   /* zero width; LRM, RLM */
    { 0x2028, 0x202e },   /* line and paragraph separator; embeddings and overrides */
    { 0x2060, 0x206f },   /* word joiner .. isolates .. deprecated shapes */
    { 0xfeff, 0xfeff },   /* byte order mark */
    { 0xfff9, 0xfffb },   /* interlinear annotation */
    { 0xe0000, 0xe0fff }, /* tags, variation selectors: hidden messages */
    // clang-format on
};

static bool is_unseen(uint32_t code)
{
    for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++)
        if (code <= unseen[i].last)
            return code >= unseen[i].first;
    return false;
}

/* Bytes of s up to the first that must be escaped. */
static size_t safe_prefix(struct str s)
{
    size_t at = 0;
    while (at < s.len) {
        uint32_t code;
        size_t n = text_utf8((struct str){ s.at + at, s.len - at }, &code);
        if (!n || is_unseen(code))
            break;
        at += n;
    }
    return at;
}

bool text_unsafe(struct str s) { return safe_prefix(s) < s.len; }

void text_escape(struct buf *out, struct str s)
{
    while (s.len) {
        size_t n = safe_prefix(s);
        buf_add(out, s.at, n);
        s = (struct str){ s.at + n, s.len - n };
        if (!s.len)
            break;
        uint32_t code;
        n = text_utf8(s, &code);
        if (n > 1)
            buf_printf(out, "\\u{%04x}", (unsigned)code);
        else
            buf_printf(out, "\\x%02x", (uint8_t)s.at[0]);
        n += !n;
        s = (struct str){ s.at + n, s.len - n };
    }
}

/* ---- globs ----------------------------------------------------------------- */

/* Length of the class at p[0] == '[' with its brackets, or 0 if it is not
 * closed.  A ']' that comes first stands for itself. */
static size_t class_len(struct str p)
{
    size_t i = 1;
    i += i < p.len && p.at[i] == '!';
    const char *end = i + 1 < p.len ? memchr(p.at + i + 1, ']', p.len - i - 1) : NULL;
    return end ? (size_t)(end - p.at) + 1 : 0;
}

static bool class_has(struct str p, char c)
{
    size_t i = 1, end = p.len - 1; /* between the brackets */
    bool negated = p.at[i] == '!', hit = false;
    for (i += negated; i < end; i++) {
        bool range = i + 2 < end && p.at[i + 1] == '-';
        uint8_t low = (uint8_t)p.at[i], high = range ? (uint8_t)p.at[i + 2] : low;
        hit |= (uint8_t)c >= low && (uint8_t)c <= high;
        i += range ? 2 : 0;
    }
    return hit != negated;
}

/* The length of the pattern's first element if it matches c, or 0. */
static size_t match_one(struct str p, char c)
{
    if (!p.len)
        return 0;
    size_t n = p.at[0] == '[' ? class_len(p) : 0;
    if (n)
        return class_has((struct str){ p.at, n }, c) ? n : 0;
    return p.at[0] == '?' || p.at[0] == c;
}

/* On a mismatch only the last star takes one byte more: an earlier one could
 * not do better, since what lies between them has matched at its first chance. */
bool text_glob(struct str pattern, struct str s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, star_i = 0;
    while (i < s.len) {
        if (p < pattern.len && pattern.at[p] == '*') {
            star = ++p;
            star_i = i;
            continue;
        }
        size_t n = match_one((struct str){ pattern.at + p, pattern.len - p }, s.at[i]);
        if (n) {
            p += n;
            i++;
        } else if (star != SIZE_MAX) {
            p = star;
            i = ++star_i;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.at[p] == '*')
        p++;
    return p == pattern.len;
}

/* ---- numbers for people ---------------------------------------------------- */

char *text_bytes(char out[16], uint64_t bytes)
{
    static const char *const unit[] = { "kB", "MB", "GB", "TB" };
    static const unsigned scale[] = { 1, 10, 100 };
    if (bytes < 1000) {
        snprintf(out, 16, "%u B", (unsigned)bytes);
        return out;
    }
    uint64_t step = 10, digits = 0; /* step: what the last digit is worth */
    unsigned decimals = 2, k = 0;
    for (;; step *= 10, k += !decimals, decimals = decimals ? decimals - 1 : 2) {
        digits = bytes / step + (bytes % step >= step / 2);
        if (digits < 1000 || (k == 3 && !decimals))
            break;
    }
    int n = snprintf(out, 16, "%u", (unsigned)(digits / scale[decimals]));
    if (decimals)
        n += snprintf(out + n, 16 - (size_t)n, ".%0*u", (int)decimals,
                      (unsigned)(digits % scale[decimals]));
    snprintf(out + n, 16 - (size_t)n, " %s", unit[k]);
    return out;
}

char *text_count(char out[32], uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *to = out;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return out;
}

char *text_number(char out[16], double v)
{
    char text[32], *to = out;
    snprintf(text, sizeof text, "%g", v);
    for (const char *from = text; *from && to < out + 15;
         from++) /* the locale's point is no letter */
        if (strchr("+-", *from) || (*from >= '0' && *from <= '9') || (*from >= 'a' && *from <= 'z'))
            *to++ = *from;
        else if (to[-1] != '.') /* it may be two bytes */
            *to++ = '.';
    *to = 0;
    return out;
}

/* ---- distance -------------------------------------------------------------- */

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

/* Optimal string alignment: row i holds the distances of a's first i bytes to
 * each prefix of b; a swap looks two rows back. */
unsigned text_distance(struct str a, struct str b)
{
    enum { MOST = 64 };
    unsigned rows[3][MOST + 1];
    if (a.len > MOST || b.len > MOST)
        return UINT_MAX;
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            bool same = a.at[i - 1] == b.at[j - 1];
            now[j] = least(least(now[j - 1], last[j]) + 1, last[j - 1] + !same);
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

/* ---- hex and base64 -------------------------------------------------------- */

void text_hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        *out++ = "0123456789abcdef"[bytes[i] >> 4];
        *out++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *out = 0;
}

/* Where c stands in alphabet, or -1. */
static int value_of(char c, const char *alphabet)
{
    const char *p = c ? strchr(alphabet, c) : NULL;
    return p ? (int)(p - alphabet) : -1;
}

bool text_unhex(uint8_t *out, size_t n, struct str s)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    if (s.len / 2 != n || s.len % 2)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = value_of(s.at[2 * i], digits), low = value_of(s.at[2 * i + 1], digits);
        if (high < 0 || low < 0)
            return false;
        high -= high > 15 ? 6 : 0; /* the upper-case letters follow the lower-case ones */
        low -= low > 15 ? 6 : 0;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_base64(struct buf *out, struct span in)
{
    for (size_t i = 0; i < in.len; i += 3) {
        size_t left = in.len - i;
        uint32_t v = (uint32_t)in.at[i] << 16 | (left > 1 ? (uint32_t)in.at[i + 1] << 8 : 0) |
                     (left > 2 ? in.at[i + 2] : 0u);
        char four[4] = { base64[v >> 18], base64[v >> 12 & 63],
                         left > 1 ? base64[v >> 6 & 63] : '=', left > 2 ? base64[v & 63] : '=' };
        buf_add(out, four, sizeof four);
    }
}

/* Decodes four characters, the last `pad` of which are '='. */
static bool unbase64_four(struct buf *out, const char *four, size_t pad)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < 4 - pad ? value_of(four[i], base64) : 0;
        if (digit < 0)
            return false;
        v = v << 6 | (uint32_t)digit;
    }
    if (v & ((1u << 8 * pad) - 1))
        return false;
    buf_add(out, (uint8_t[]){ (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v }, 3 - pad);
    return true;
}

bool text_unbase64(struct buf *out, struct str in)
{
    size_t begin = out->len;
    bool ok = in.len % 4 == 0;
    for (size_t i = 0; ok && i < in.len; i += 4) {
        bool last = i + 4 == in.len;
        size_t pad = !last || in.at[i + 3] != '=' ? 0 : in.at[i + 2] != '=' ? 1 : 2;
        ok = unbase64_four(out, in.at + i, pad);
    }
    if (!ok)
        out->len = begin;
    return ok && buf_ok(out);
}
