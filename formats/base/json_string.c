/* json_string.c - the inside of JSON strings, eight bytes at a time. */
#include "formats/base/json_string.h"

#include "formats/base/text.h"

/* The next eight bytes, first byte lowest; zeros behind the end of the text.
 * A compiler makes one load of the shifts. */
static inline uint64_t load8(struct str text, size_t at)
{
    const uint8_t *p = (const uint8_t *)text.at + at;
    if (text.len - at >= 8)
        return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
               (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
               (uint64_t)p[7] << 56;
    uint64_t w = 0;
    for (size_t i = text.len - at; i-- > 0;)
        w = w << 8 | p[i];
    return w;
}

#define EACH_BYTE(b) (0x0101010101010101u * (b))

/* The top bit of each byte of w that is a quote, a backslash, below 0x20 or
 * above 0x7f.  A borrow can set bits above a true one, never below it: only the
 * lowest bit is sure, and only that is used. */
static inline uint64_t special(uint64_t w)
{
    uint64_t quote = w ^ EACH_BYTE('"'), slash = w ^ EACH_BYTE('\\');
    uint64_t hit = ((quote - EACH_BYTE(1)) & ~quote) | ((slash - EACH_BYTE(1)) & ~slash) |
                   ((w - EACH_BYTE(0x20)) & ~w) | w;
    return hit & EACH_BYTE(0x80);
}

/* The first byte at or behind `at` that is not plain ASCII text, or text.len. */
static inline size_t skip_plain(struct str text, size_t at)
{
    for (; at < text.len; at += 8) {
        uint64_t hit = special(load8(text, at));
        if (!hit)
            continue;
        at += (size_t)__builtin_ctzll(hit) / 8;
        break;
    }
    return at < text.len ? at : text.len;
}

/* The value of n hexadecimal digits, or -1. */
static int32_t hex4(struct str text, size_t at)
{
    if (text.len - at < 4)
        return -1;
    int32_t v = 0;
    for (size_t i = at; i < at + 4; i++) {
        char c = text.at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

static bool is_high(int32_t v) { return v >= 0xd800 && v <= 0xdbff; }
static bool is_low(int32_t v) { return v >= 0xdc00 && v <= 0xdfff; }

/* The low half \uDC00..DFFF at text[at], or -1. */
static int32_t low_half(struct str text, size_t at)
{
    if (text.len - at < 6 || text.at[at] != '\\' || text.at[at + 1] != 'u')
        return -1;
    int32_t v = hex4(text, at + 2);
    return is_low(v) ? v : -1;
}

/* Checks the escape whose backslash is text[at] and returns its length; 0 and *why if bad. */
static size_t scan_escape(struct str text, size_t at, bool nul_allowed, const char **why)
{
    *why = "the text ends inside an escape";
    if (text.len - at < 2)
        return 0;
    *why = "unknown escape in a string";
    char c = text.at[at + 1];
    if (c != 'u')
        return c && strchr("\"\\/bfnrt", c) ? 2 : 0;
    *why = "\\u needs four hexadecimal digits";
    int32_t v = hex4(text, at + 2);
    if (v < 0)
        return 0;
    *why = "\\u0000 in a string";
    if (v == 0)
        return nul_allowed ? 6 : 0;
    *why = "half of a surrogate pair";
    if (is_low(v) || (is_high(v) && low_half(text, at + 6) < 0))
        return 0;
    return is_high(v) ? 12 : 6;
}

/* The length of the two-byte or longer character at text[at], 0 if malformed.
 * Two bytes are what vocabularies are full of: the blank in front of a word. */
static inline size_t scan_utf8(struct str text, size_t at)
{
    uint8_t a = (uint8_t)text.at[at];
    if (a >= 0xc2 && a <= 0xdf && text.len - at > 1 && ((uint8_t)text.at[at + 1] & 0xc0) == 0x80)
        return 2;
    uint32_t code;
    return text_utf8((struct str){ text.at + at, text.len - at }, &code);
}

struct json_scan json_scan(struct str text, size_t at, bool nul_allowed)
{
    struct json_scan s = { .end = at };
    while (!s.why) {
        s.end = skip_plain(text, s.end);
        if (s.end == text.len) {
            s.why = "the text ends inside a string";
            break;
        }
        uint8_t c = (uint8_t)text.at[s.end];
        size_t n = 0;
        const char *bad = "control character in a string";
        if (c == '"')
            break;
        if (c == '\\') {
            s.escaped = true;
            n = scan_escape(text, s.end, nul_allowed, &bad);
        } else if (c >= 0x80) {
            bad = "not UTF-8";
            n = scan_utf8(text, s.end);
        }
        s.why = n ? NULL : bad;
        s.end += n;
    }
    return s;
}

static size_t encode(uint32_t code, char out[4])
{
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[n] | code);
    return n;
}

/* Decodes \uXXXX or a pair of them. */
static size_t decode_u(const char *raw, char out[4], size_t *n_out)
{
    int32_t high = hex4((struct str){ raw, 6 }, 2);
    if (!is_high(high)) {
        *n_out = encode((uint32_t)high, out);
        return 6;
    }
    int32_t low = low_half((struct str){ raw, 12 }, 6);
    *n_out = encode((uint32_t)(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), out);
    return 12;
}

/* Decodes the checked character at raw to out and its length to *n_out;
 * returns how many bytes of raw it took. */
static size_t decode_one(const char *raw, char out[4], size_t *n_out)
{
    static const char letter[] = "bfnrt", meaning[] = "\b\f\n\r\t";
    uint8_t c = (uint8_t)raw[0];
    if (c != '\\') {
        *n_out = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        memcpy(out, raw, *n_out);
        return *n_out;
    }
    if (raw[1] == 'u')
        return decode_u(raw, out, n_out);
    const char *l = strchr(letter, raw[1]);
    out[0] = l ? meaning[l - letter] : raw[1];
    *n_out = 1;
    return 2;
}

size_t json_decode(struct str raw, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len;) {
        char c[4];
        size_t n;
        i += decode_one(raw.at + i, c, &n);
        memcpy(out + len, c, n);
        len += n;
    }
    return len;
}

bool json_string_same(const char *a, const char *b)
{
    while (*a != '"' && *b != '"') {
        char a_out[4], b_out[4];
        size_t a_n, b_n;
        a += decode_one(a, a_out, &a_n);
        b += decode_one(b, b_out, &b_n);
        if (a_n != b_n || memcmp(a_out, b_out, a_n) != 0)
            return false;
    }
    return *a == *b;
}
