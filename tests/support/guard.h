/* guard.h - memory that ends exactly where an unreadable page begins. */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* n bytes; touching the byte behind them ends the process, and where n is whole pages the byte
 * before them too.  Aborts where it cannot be had. */
uint8_t *guard_new(size_t n);
void guard_free(uint8_t *p, size_t n);

#endif
