/* safetensors_fuzz.c - any bytes as a .safetensors file; what is read can be written and read
 * again. */
#include "formats/safetensors.h"
#include "tests/support/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_laid_out(struct model *m, struct span header, struct err *e)
{
    return safetensors_header(m, 0, (struct span){ header.at + 8, header.len - 8 }, e);
}

/* The length in front, if the file has as many bytes; else all that is there. */
static size_t header_length(const uint8_t *data, size_t size)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | data[i];
    return n <= size - 8 ? (size_t)n : size - 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model m;
    struct err e = { 0 };
    if (size < 8)
        return 0;
    struct span header = { data + 8, header_length(data, size) };
    tables_open(&m, size);
    bool ok = safetensors_header(&m, 0, header, &e);
    tables_check(&m, ok, &e);
    if (ok && e.code == ERR_NONE)
        tables_check_layout(&m, &format_safetensors, read_laid_out);
    model_close(&m);
    return 0;
}
