/* exact.c - elementary functions by argument reduction and Taylor series.
 *
 * The series are those of the textbooks, cut where the next term is below 2^-57 of the sum; their
 * coefficients are quotients of small integers, so there is no table to trust.  The reductions
 * are Cody and Waite's (Software Manual for the Elementary Functions, 1980): the constant is
 * cut into parts so short that a product with the multiple is exact. */
#include "quant/exact.h"

#include <stdint.h>
#include <string.h>

static uint64_t bits_of(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static double of_bits(uint64_t b)
{
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

/* 2^k for a normal result. */
static double power_of_2(int k) { return of_bits((uint64_t)(k + 1023) << 52); }

static double infinity(void) { return of_bits((uint64_t)0x7FF << 52); }
static double nan_of(void) { return of_bits((uint64_t)0x7FF8 << 48); }

/* The whole number nearest to x, |x| < 2^31; halves away from zero. */
static int nearest(double x) { return (int)(x < 0 ? x - 0.5 : x + 0.5); }

/* ln 2 = LN2_HIGH + LN2_LOW, the first of 32 bits. */
#define LN2_HIGH 0x1.62e42fee00000p-1
#define LN2_LOW  0x1.a39ef35793c76p-33

/* ---- exp ------------------------------------------------------------------------------- */

/* x = k ln 2 + r, |r| <= 0.347; e^r = 1 + r + r^2/2! + ... + r^13/13!, the rest is below
 * 0.347^14/14! = 2^-57.6. */
double exact_exp(double x)
{
    if (x != x)
        return x;
    if (x > 709.79)
        return infinity();
    if (x < -745.14)
        return 0;
    int k = nearest(x * (1 / 0x1.62e42fefa39efp-1));
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    double p = 1.0 / 6227020800;
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = 1 + (r + r * r * p);
    int half = k / 2; /* k reaches 1024 and -1075: no single double is 2^k */
    return p * power_of_2(half) * power_of_2(k - half);
}

/* ---- log ------------------------------------------------------------------------------- */

/* x = 2^k (1 + f), 1/sqrt 2 < 1 + f < sqrt 2.  With s = f / (2 + f),
 *   ln(1 + f) = 2 artanh s = 2s + s R,   R = 2 (s^2/3 + s^4/5 + ... + s^22/23)
 * and, since 2s = f - s f, = f - (f^2/2 - s (f^2/2 + R)), where f is exact. */
double exact_log(double x)
{
    if (x != x || x == infinity())
        return x;
    if (x < 0)
        return nan_of();
    if (x == 0)
        return -infinity();
    int k = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        k = -54;
    }
    uint64_t b = bits_of(x);
    k += (int)(b >> 52) - 1023;
    double m = of_bits((b & 0xFFFFFFFFFFFFF) | (uint64_t)1023 << 52);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        k++;
    }
    double f = m - 1, s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    double r = 2.0 / 23;
    r = r * z + 2.0 / 21;
    r = r * z + 2.0 / 19;
    r = r * z + 2.0 / 17;
    r = r * z + 2.0 / 15;
    r = r * z + 2.0 / 13;
    r = r * z + 2.0 / 11;
    r = r * z + 2.0 / 9;
    r = r * z + 2.0 / 7;
    r = r * z + 2.0 / 5;
    r = r * z + 2.0 / 3;
    r = r * z;
    return k * LN2_HIGH - ((half - (s * (half + r) + k * LN2_LOW)) - f);
}

/* ---- sin and cos ----------------------------------------------------------------------- */

/* pi/2 = HALF_PI_1 + HALF_PI_2 + HALF_PI_3, the first two of at most 33 bits: up to 2^20
 * multiples of them are exact. */
#define HALF_PI_1 0x1.921fb54400000p+0
#define HALF_PI_2 0x1.0b4611a600000p-34
#define HALF_PI_3 0x1.3198a2e037073p-69

/* x = quarter pi/2 + (r + tail), |r| <= 0.786. */
struct angle {
    int quarter;
    double r, tail;
};

static struct angle reduce(double x)
{
    int k = nearest(x * (1 / 0x1.921fb54442d18p+0));
    double a = x - k * HALF_PI_1; /* exact: both are near, and multiples of one small unit */
    double t = k * HALF_PI_2;
    double b = a - t, back = b - a;
    double lost = (a - (b - back)) - (t + back); /* a - t - b exactly (Knuth's two-sum) */
    double low = lost - k * HALF_PI_3;
    double r = b + low;
    return (struct angle){ k & 3, r, (b - r) + low };
}

/* r - r^3/3! + ... + r^17/17!, the rest below 2^-60 of it. */
static double sin_series(double r, double tail)
{
    double z = r * r;
    double p = 1.0 / 355687428096000;
    p = p * z - 1.0 / 1307674368000;
    p = p * z + 1.0 / 6227020800;
    p = p * z - 1.0 / 39916800;
    p = p * z + 1.0 / 362880;
    p = p * z - 1.0 / 5040;
    p = p * z + 1.0 / 120;
    p = p * z - 1.0 / 6;
    return r + (r * z * p + tail * (1 - 0.5 * z));
}

/* 1 - r^2/2! + ... + r^16/16!, the rest below 2^-58. */
static double cos_series(double r, double tail)
{
    double z = r * r;
    double p = 1.0 / 20922789888000;
    p = p * z - 1.0 / 87178291200;
    p = p * z + 1.0 / 479001600;
    p = p * z - 1.0 / 3628800;
    p = p * z + 1.0 / 40320;
    p = p * z - 1.0 / 720;
    p = p * z + 1.0 / 24;
    double half = 0.5 * z, head = 1 - half;
    return head + (((1 - head) - half) + (z * z * p - r * tail));
}

double exact_sin(double x)
{
    if (!(x >= -EXACT_ANGLE && x <= EXACT_ANGLE))
        return nan_of();
    struct angle a = reduce(x);
    double v = a.quarter & 1 ? cos_series(a.r, a.tail) : sin_series(a.r, a.tail);
    return a.quarter & 2 ? -v : v;
}

double exact_cos(double x)
{
    if (!(x >= -EXACT_ANGLE && x <= EXACT_ANGLE))
        return nan_of();
    struct angle a = reduce(x);
    double v = a.quarter & 1 ? sin_series(a.r, a.tail) : cos_series(a.r, a.tail);
    return (a.quarter + 1) & 2 ? -v : v;
}

/* ---- square root ------------------------------------------------------------------------ */

/* Newton's (Heron's) iteration; halving the exponent begins within 6.1 %, and each round
 * squares the error: 2^-4, 2^-9, 2^-19, 2^-39, and past 2^-53. */
double exact_sqrt(double x)
{
    if (x != x || x == 0 || x == infinity())
        return x;
    if (x < 0)
        return nan_of();
    double y = of_bits((bits_of(x) >> 1) + ((uint64_t)1023 << 51));
    for (int i = 0; i < 4; i++)
        y = 0.5 * (y + x / y);
    return y;
}
