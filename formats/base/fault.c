/* fault.c - the counter behind fault.h. */
#include "formats/base/fault.h"

#include <stdatomic.h>

static _Atomic enum fault_kind armed;
static atomic_uint left;
static atomic_bool struck;

void fault_on(enum fault_kind kind, unsigned n)
{
    atomic_store(&struck, false);
    atomic_store(&left, n);
    atomic_store(&armed, n ? kind : FAULT_NONE);
}

bool fault_struck(void) { return atomic_load(&struck); }

bool fault_hits(enum fault_kind kind)
{
    if (atomic_load_explicit(&armed, memory_order_relaxed) != kind)
        return false;
    if (atomic_fetch_sub(&left, 1) != 1)
        return false;
    atomic_store(&armed, FAULT_NONE);
    atomic_store(&struck, true);
    return true;
}
