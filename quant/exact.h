/* exact.h - exp, log, sin, cos and square root that give the same bits on every machine.
 *
 * Double arithmetic with + - * / alone, in a fixed order, on no library's word: the
 * functions of libm differ between systems in the last bit.  Within one unit in the last place of
 * double unless said otherwise; rounded to f32 they are the nearest f32 but in about one of 2^28
 * cases. */
#ifndef QUANT_EXACT_H
#define QUANT_EXACT_H

double exact_exp(double x); /* 0 below -745.14, infinity above 709.79 */
double exact_log(double x); /* -infinity at 0, NaN below */
/* |x| <= EXACT_ANGLE, NaN beyond: the reduction would lose bits. */
double exact_sin(double x);
double exact_cos(double x);
#define EXACT_ANGLE 1048576.0
double exact_sqrt(double x); /* x normal, 0 or infinity; NaN below 0.  Nearest f32 for every f32. */

static inline float exact_expf(float x) { return (float)exact_exp((double)x); }
static inline float exact_sqrtf(float x) { return (float)exact_sqrt((double)x); }

#endif
