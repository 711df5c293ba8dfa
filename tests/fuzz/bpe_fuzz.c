/* bpe_fuzz.c - any bytes as tokenizer.json; what becomes GGUF keys must come back as the same keys.
 */
#include "formats/vocab.h"

#include <stdlib.h>

enum { ROWS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool equal(const struct metadata *a, const struct metadata *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) {
        struct span x = a->all[i].bytes, y = b->all[i].bytes;
        same =
            a->all[i].count == b->all[i].count && x.len == y.len && memcmp(x.at, y.at, x.len) == 0;
    }
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct metadata keys = { 0 }, again = { 0 };
    struct vocab_sources back, from = { .tokenizer_json = { (const char *)data, size } };
    bool ok = vocab_to_gguf(&from, ROWS, 0, UINT64_MAX, &keys, &a, &e);
    if (ok == (e.code != ERR_NONE))
        abort();
    if (ok && (!vocab_from_gguf(&keys, &back, &a, &e) ||
               !vocab_to_gguf(&back, ROWS, UINT64_MAX, UINT64_MAX, &again, &a, &e) ||
               !equal(&keys, &again)))
        abort();
    arena_free(&a);
    return 0;
}
