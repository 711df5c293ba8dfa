/* npy.c - the header of NumPy's .npy files, version 1.0. */
#include "inspect/npy.h"

#include "quant/bytes.h"

enum { ALIGN = 64 };

void npy_header(struct buf *b, const char *type, const uint64_t *dim, uint32_t ndim)
{
    buf_add(b, "\x93NUMPY\1\0\0\0", 10); /* version 1.0; the length of the rest */
    buf_printf(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (uint32_t i = 0; i < ndim; i++)
        buf_printf(b, "%s%llu", i ? ", " : "", (unsigned long long)dim[i]);
    buf_puts(b, ndim == 1 ? ",), }" : "), }");
    while (buf_ok(b) && b->len % ALIGN != ALIGN - 1)
        buf_puts(b, " ");
    buf_puts(b, "\n");
    if (buf_ok(b))
        store16(b->at + 8, (uint16_t)(b->len - 10));
}
