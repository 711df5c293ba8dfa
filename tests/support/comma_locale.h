/* comma_locale.h - puts the process where numbers have a decimal comma. */
#ifndef TESTS_COMMA_LOCALE_H
#define TESTS_COMMA_LOCALE_H

#include <stdbool.h>

/* False, with a word on standard error, where the system has and can make no such locale.
 * Undo with setlocale(LC_ALL, "C"). */
bool comma_locale(void);

#endif
