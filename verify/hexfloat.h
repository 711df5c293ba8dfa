/* hexfloat.h - numbers as text that keeps every bit: "-0x1.8p+3", as C's %a writes them. */
#ifndef VERIFY_HEXFLOAT_H
#define VERIFY_HEXFLOAT_H

#include "formats/base/buf.h"

enum { HEXFLOAT = 32 };

/* Shortest: 1 before the point, but for zero and infinity ("0x0p+0", "inf"); numbers below the
 * normal range are brought to that form too.  NaN is "nan".  Returns out. */
char *hexfloat_text(char out[HEXFLOAT], double v);
/* Reads exactly what hexfloat_text writes, but for nan; false for everything else. */
bool hexfloat_read(struct str s, double *v);

#endif
