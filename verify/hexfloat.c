/* hexfloat.c - numbers as text that keeps every bit, the same from every libc and locale. */
#include "verify/hexfloat.h"

#include <stdio.h>

/* A double: 1 bit sign, 11 bits exponent + 1023, 52 bits behind the point. */
enum { MANTISSA = 52, BIAS = 1023, MOST = 0x7ff, DIGITS = MANTISSA / 4 };
#define MANTISSA_MASK (((uint64_t)1 << MANTISSA) - 1)

char *hexfloat_text(char out[HEXFLOAT], double v)
{
    uint64_t bits, mantissa;
    memcpy(&bits, &v, sizeof bits);
    mantissa = bits & MANTISSA_MASK;
    int exponent = (int)(bits >> MANTISSA & MOST);
    const char *sign = bits >> 63 ? "-" : "";
    char digits[DIGITS + 1];
    size_t n = DIGITS;
    if (exponent == MOST || (exponent == 0 && mantissa == 0)) {
        snprintf(out, HEXFLOAT, "%s%s", exponent && mantissa ? "" : sign,
                 !exponent  ? "0x0p+0"
                 : mantissa ? "nan"
                            : "inf");
        return out;
    }
    for (exponent += exponent == 0; !(bits >> MANTISSA & MOST) && !(mantissa >> MANTISSA);
         exponent--)
        mantissa <<= 1;
    snprintf(digits, sizeof digits, "%0*llx", DIGITS,
             (unsigned long long)(mantissa & MANTISSA_MASK));
    while (n && digits[n - 1] == '0')
        n--;
    snprintf(out, HEXFLOAT, "%s0x1%s%.*sp%+d", sign, n ? "." : "", (int)n, digits, exponent - BIAS);
    return out;
}

/* ---- reading --------------------------------------------------------------------------- */

static bool skip(struct str *s, const char *what)
{
    if (!str_starts(*s, what))
        return false;
    *s = (struct str){ s->at + strlen(what), s->len - strlen(what) };
    return true;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to 13 digits behind the point, as 52 bits. */
static uint64_t read_fraction(struct str *s)
{
    uint64_t v = 0;
    int n = 0;
    for (; n < DIGITS && s->len && digit(*s->at) >= 0; n++, s->at++, s->len--)
        v = v << 4 | (uint64_t)digit(*s->at);
    return v << 4 * (DIGITS - n);
}

static bool read_exponent(struct str *s, int *exponent)
{
    bool negative = skip(s, "-");
    size_t n = 0;
    if (!negative && !skip(s, "+"))
        return false;
    for (*exponent = 0; n < 4 && s->len && *s->at >= '0' && *s->at <= '9'; n++, s->at++, s->len--)
        *exponent = 10 * *exponent + (*s->at - '0');
    *exponent = negative ? -*exponent : *exponent;
    return n > 0;
}

/* The bits of 1.mantissa * 2^exponent; some are lost below the normal range. */
static uint64_t assemble(uint64_t mantissa, int exponent)
{
    int biased = exponent + BIAS;
    if (biased > 0)
        return biased < MOST ? (uint64_t)biased << MANTISSA | mantissa : (uint64_t)MOST << MANTISSA;
    return biased > -MANTISSA ? (mantissa | (uint64_t)1 << MANTISSA) >> (1 - biased) : 0;
}

bool hexfloat_read(struct str s, double *v)
{
    struct str all = s;
    char again[HEXFLOAT];
    bool negative = skip(&s, "-");
    uint64_t bits = 0;
    int exponent;
    if (str_is(s, "inf"))
        bits = (uint64_t)MOST << MANTISSA;
    else if (!str_is(s, "0x0p+0")) {
        if (!skip(&s, "0x1"))
            return false;
        uint64_t mantissa = skip(&s, ".") ? read_fraction(&s) : 0;
        if (!skip(&s, "p") || !read_exponent(&s, &exponent))
            return false;
        bits = assemble(mantissa, exponent);
    }
    bits |= (uint64_t)negative << 63;
    memcpy(v, &bits, sizeof bits);
    return str_is(all, hexfloat_text(again, *v)); /* one spelling for each number */
}
