/* fault.h - lets a test make the n-th system call or allocation fail.
 *
 * Off, it costs one load.  Only file.c and arena.c ask; nothing else in the
 * project talks to the system or to malloc. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

enum fault_kind { FAULT_NONE, FAULT_IO, FAULT_MEMORY };

/* From now on the n-th (from 1) event of this kind fails, once.  n = 0 turns it off. */
void fault_on(enum fault_kind kind, unsigned n);
/* Did the armed fault strike? */
bool fault_struck(void);

/* Asked at each event: true if this one is to fail. */
bool fault_hits(enum fault_kind kind);

#endif
