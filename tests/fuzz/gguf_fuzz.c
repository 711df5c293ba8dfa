/* gguf_fuzz.c - any bytes as a GGUF; a part of them says the same or asks for more; what is read
 * can be written and read again. */
#include "formats/gguf.h"
#include "tests/support/tables.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_laid_out(struct model *m, struct span header, struct err *e)
{
    bool more;
    return gguf_header(m, 0, header, &more, e);
}

/* The first `part` bytes of a file that is longer, in memory of their own. */
static void read_part(struct span whole, size_t part, bool ok, const struct err *verdict)
{
    struct model m;
    struct err e = { 0 };
    bool more;
    uint8_t *head = malloc(part + !part);
    if (!head)
        abort();
    memcpy(head, whole.at, part);
    tables_open(&m, whole.len);
    bool read = gguf_header(&m, 0, (struct span){ head, part }, &more, &e);
    if (more ? read || e.code : read != ok || e.code != verdict->code)
        abort();
    model_close(&m);
    free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model m;
    struct err e = { 0 };
    struct span whole = { data, size };
    bool more;
    tables_open(&m, size);
    bool ok = gguf_header(&m, 0, whole, &more, &e);
    if (more)
        abort();
    read_part(whole, size / 2, ok, &e);
    tables_check(&m, ok, &e);
    if (ok && e.code == ERR_NONE)
        tables_check_layout(&m, &format_gguf, read_laid_out);
    model_close(&m);
    return 0;
}
