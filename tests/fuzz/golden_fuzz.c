/* golden_fuzz.c - any bytes as a record of logits; one that is read is written back to itself. */
#include "verify/golden.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct golden *g)
{
    struct err e = { 0 };
    struct golden again;
    struct buf one = buf_make(&e), two = buf_make(&e);
    golden_write(&one, g);
    if (!buf_ok(&one) || !golden_parse(&again, "again", buf_text(&one), &e))
        abort();
    golden_write(&two, &again);
    if (one.len != two.len || memcmp(one.at, two.at, one.len) != 0)
        abort();
    golden_free(&again);
    buf_free(&one);
    buf_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = { 0 };
    struct golden g;
    bool ok = golden_parse(&g, "fuzz", (struct str){ (const char *)data, size }, &e);
    if (ok == (e.code != ERR_NONE))
        abort();
    if (ok)
        check_again(&g);
    golden_free(&g);
    return 0;
}
