/* vocab_files_test.c - GGUF tokenizer keys that no tokenizer.json can be made of. */
#include "formats/vocab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Keys of a vocabulary of three, to be bent. */
struct bent {
    uint8_t texts[64], types[16], merges[32];
    struct meta all[8];
    struct metadata m;
};

static size_t put_str(uint8_t *to, const char *s)
{
    size_t n = strlen(s);
    memset(to, 0, 8);
    to[0] = (uint8_t)n;
    memcpy(to + 8, s, n);
    return 8 + n;
}

static void bend(struct bent *b, const char *first, const char *merge, uint8_t type, uint8_t bos)
{
    static const uint8_t gpt2[] = "\4\0\0\0\0\0\0\0gpt2", pre[] = "\5\0\0\0\0\0\0\0gpt-2";
    static uint8_t id[4];
    id[0] = bos;
    memset(b, 0, sizeof *b);
    size_t n = put_str(b->texts, first);
    n += put_str(b->texts + n, "b");
    n += put_str(b->texts + n, "ab");
    b->types[0] = type, b->types[4] = b->types[8] = 1;
    struct meta all[] = {
        { STR("tokenizer.ggml.model"), META_STRING, META_U8, 1, { gpt2, 12 } },
        { STR("tokenizer.ggml.pre"), META_STRING, META_U8, 1, { pre, 13 } },
        { STR("tokenizer.ggml.tokens"), META_ARRAY, META_STRING, 3, { b->texts, n } },
        { STR("tokenizer.ggml.token_type"), META_ARRAY, META_I32, 3, { b->types, 12 } },
        { STR("tokenizer.ggml.merges"),
          META_ARRAY,
          META_STRING,
          1,
          { b->merges, put_str(b->merges, merge) } },
        { STR("tokenizer.ggml.bos_token_id"), META_U32, META_U8, 1, { id, 4 } },
    };
    memcpy(b->all, all, sizeof all);
    b->m = (struct metadata){ b->all, sizeof all / sizeof *all, 8 };
}

static void keys_verdict(struct bent *b, enum err_code code, const char *says)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct vocab_sources to;
    bool ok = vocab_from_gguf(&b->m, &to, &a, &e);
    if (ok != (code == ERR_NONE) || e.code != code || !strstr(e.msg, says))
        fail_msg("code %d '%s', wanted %d '%s'", (int)e.code, e.msg, (int)code, says);
    arena_free(&a);
}

static void test_bent_keys(void **state)
{
    (void)state;
    struct bent b;
    bend(&b, "a", "a b", 1, 2), keys_verdict(&b, ERR_NONE, "");
    bend(&b, "", "a b", 3, 2), keys_verdict(&b, ERR_NONE, "");
    bend(&b, "b", "a b", 1, 2), keys_verdict(&b, ERR_INPUT, "tokens 0 and 1 have the same text");
    bend(&b, "\xff", "a b", 1, 2), keys_verdict(&b, ERR_INPUT, "token 0 is not UTF-8");
    bend(&b, "a", "a b", 6, 2), keys_verdict(&b, ERR_UNSUPPORTED, "type 6");
    bend(&b, "a", "a b", 5, 2), keys_verdict(&b, ERR_UNSUPPORTED, "type 5");
    bend(&b, "a", "a b", 1, 3), keys_verdict(&b, ERR_INPUT, "names no token");
    static const char *const merges[] = { "", "a", "ab", "a ", " b", "a b c", "  b", "a \xff" };
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++)
        bend(&b, "a", merges[i], 1, 2), keys_verdict(&b, ERR_INPUT, "item 0 is no pair");

    for (size_t i = 0; i < 5; i++) { /* each key gone, then of another type */
        bend(&b, "a", "a b", 1, 2);
        b.all[i].key = STR("other");
        keys_verdict(&b, ERR_UNSUPPORTED, "tokenizer.ggml.");
        bend(&b, "a", "a b", 1, 2);
        b.all[i].type = META_U32;
        keys_verdict(&b, i < 2 ? ERR_UNSUPPORTED : ERR_INPUT, "tokenizer.ggml.");
    }
    bend(&b, "a", "a b", 1, 2), b.all[5].type = META_F32;
    keys_verdict(&b, ERR_INPUT, "is not a token id");
    bend(&b, "a", "a b", 1, 2), b.all[2].count = 4;
    keys_verdict(&b, ERR_INPUT, "token_type has not one item");
    bend(&b, "a", "a b", 1, 2), b.all[2].bytes.len--;
    keys_verdict(&b, ERR_INPUT, "fewer items");
    bend(&b, "a", "a b", 1, 2), b.all[4].count = UINT64_MAX;
    keys_verdict(&b, ERR_INPUT, "fewer items");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_bent_keys) };
    return cmocka_run_group_tests_name("vocab_files", tests, NULL, NULL);
}
