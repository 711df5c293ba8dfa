/* exact_test.c - our elementary functions against libm's in long double, and known bits. */
#include "quant/exact.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 20250805;

static uint64_t next(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 11;
}

/* In [0, 1). */
static double uniform(void) { return (double)next() / 9007199254740992.0; }

/* Units in the last place between a double and the true value. */
static double ulps(double got, long double want)
{
    double near = (double)want;
    double unit = nextafter(fabs(near), INFINITY) - fabs(near);
    return (double)(fabsl((long double)got - want) / (long double)unit);
}

struct function {
    const char *name;
    double (*ours)(double);
    long double (*theirs)(long double);
    double low, high, bound;
    bool spread; /* the exponents are spread evenly, else the numbers */
};

// clang-format off
static const struct function functions[] = {
    { "exp",       exact_exp,  expl,  -745,     709.7,   1.0, false },
    { "exp small", exact_exp,  expl,  1e-12,    1,       1.0, true },
    { "log",       exact_log,  logl,  1e-320,   1e308,   1.0, true },
    { "log near 1",exact_log,  logl,  0.5,      2,       1.0, false },
    { "sin",       exact_sin,  sinl,  -1048576, 1048576, 1.0, false },
    { "sin small", exact_sin,  sinl,  1e-12,    10,      1.0, true },
    { "cos",       exact_cos,  cosl,  -1048576, 1048576, 1.0, false },
    { "cos small", exact_cos,  cosl,  1e-12,    10,      1.0, true },
    { "sqrt",      exact_sqrt, sqrtl, 1e-300,   1e300,   1.0, true },
};
// clang-format on

static double argument(const struct function *f)
{
    double x = f->spread ? exp(log(f->low) + uniform() * (log(f->high) - log(f->low)))
                         : f->low + uniform() * (f->high - f->low);
    return x;
}

static void agrees_with_libm(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const struct function *f = &functions[i];
        double worst = 0, at = 0;
        for (int n = 0; n < 100000; n++) {
            double x = argument(f), off = ulps(f->ours(x), f->theirs((long double)x));
            if (off > worst) {
                worst = off;
                at = x;
            }
        }
        if (!(worst <= f->bound))
            fail_msg("%s: off by %g units at %a", f->name, worst, at);
    }
}

/* Where reduction must not lose bits: the doubles next to multiples of pi/2. */
static void angles_near_zeros(void **state)
{
    (void)state;
    for (int k = 1; k < 600000; k += 7) {
        double x = (double)(k * 1.57079632679489661923132169164L);
        assert_true(ulps(exact_sin(x), sinl((long double)x)) <= 1);
        assert_true(ulps(exact_cos(x), cosl((long double)x)) <= 1);
    }
}

static void f32_square_roots_are_nearest(void **state)
{
    (void)state;
    for (int n = 0; n < 200000; n++) {
        uint32_t bits = (uint32_t)(next() % 0x7F000000);
        float x;
        memcpy(&x, &bits, sizeof x);
        assert_true(exact_sqrtf(x) == sqrtf(x));
    }
}

static void edges(void **state)
{
    (void)state;
    assert_true(exact_exp(0) == 1 && exact_exp(-1000) == 0 && isinf(exact_exp(710)));
    assert_true(exact_exp(-INFINITY) == 0 && isinf(exact_exp(INFINITY)) && isnan(exact_exp(NAN)));
    assert_true(exact_exp(-744) == 0x1p-1073 || exact_exp(-744) == 0x1.8p-1073);
    assert_true(exact_log(1) == 0 && isinf(exact_log(0)) && isnan(exact_log(-1)));
    assert_true(isinf(exact_log(INFINITY)) && isnan(exact_log(NAN)));
    assert_true(exact_sin(0) == 0 && exact_cos(0) == 1);
    assert_true(isnan(exact_sin(1048577)) && isnan(exact_cos(-INFINITY)) && isnan(exact_sin(NAN)));
    assert_true(exact_sqrt(0) == 0 && isinf(exact_sqrt(INFINITY)) && isnan(exact_sqrt(-1)));
    assert_true(exact_sqrt(4) == 2 && exact_sqrt(0x1p-1000) == 0x1p-500);
}

/* The bits are part of the contract: a digest over many results, the same everywhere. */
static void the_bits_stand(void **state)
{
    (void)state;
    uint64_t hash = 14695981039346656037u;
    seed = 1;
    for (int n = 0; n < 10000; n++) {
        double x = uniform() * 100,
               v[] = { exact_exp(-x), exact_log(x), exact_sin(x), exact_cos(x), exact_sqrt(x) };
        for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
            uint64_t b;
            memcpy(&b, &v[i], sizeof b);
            hash = (hash ^ b) * 1099511628211u;
        }
    }
    assert_int_equal(hash, 0xcfc4da9a9bc5ceb1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_libm),
        cmocka_unit_test(angles_near_zeros),
        cmocka_unit_test(f32_square_roots_are_nearest),
        cmocka_unit_test(edges),
        cmocka_unit_test(the_bits_stand),
    };
    return cmocka_run_group_tests_name("exact", tests, NULL, NULL);
}
