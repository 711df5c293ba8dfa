/* tokenizer_fuzz.c - any bytes as tokenizer.json, a zero byte, then a text: what can be encoded
 * comes back; without a zero byte the text is the file itself. */
#include "formats/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const struct tokenizer *t, struct str text, bool specials)
{
    struct err e = { 0 };
    struct token_ids ids = { 0 };
    struct buf back = buf_make(&e);
    bool ok = tokenizer_encode(t, text, specials, &ids, &e);
    if (ok == (e.code != ERR_NONE))
        abort();
    if (ok && (!tokenizer_decode(t, ids.at, ids.n, &back, &e) || !str_eq(buf_text(&back), text)))
        abort();
    token_ids_free(&ids);
    buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = { 0 };
    struct tokenizer t;
    struct str json = { (const char *)data, size }, text = json;
    const char *zero = size ? memchr(data, 0, size) : NULL;
    if (zero) {
        json.len = (size_t)(zero - json.at);
        text = (struct str){ zero + 1, size - json.len - 1 };
    }
    bool ok = tokenizer_open_json(&t, "fuzz", json, &e);
    if (ok == (e.code != ERR_NONE))
        abort();
    if (ok) {
        there_and_back(&t, text, true);
        there_and_back(&t, text, false);
        if (!tokenizer_same(&t, &t, &e))
            abort();
    }
    tokenizer_close(&t);
    return 0;
}
