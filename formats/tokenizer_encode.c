/* tokenizer_encode.c - text -> ids: added tokens, pieces, merges. */
#include "formats/tokenizer.h"

/* One call. */
struct encoding {
    const struct tokenizer *t;
    struct str text;
    bool specials;
    struct token_ids *ids;
    struct splitting splitting;
    struct merge_work work;
    struct err *err;
};

static bool reserve(struct token_ids *ids, size_t n, struct err *e)
{
    uint64_t want = (uint64_t)ids->n + n, bytes;
    if (want <= ids->room)
        return true;
    want += want / 2 + 64;
    uint32_t *p = size_mul(want, sizeof *p, &bytes) ? mem_resize(ids->at, bytes, e) : NULL;
    if (!p)
        return err_set(e, ERR_MEMORY, "out of memory (%llu ids)", (unsigned long long)want);
    ids->at = p;
    ids->room = (size_t)want;
    return true;
}

bool token_ids_add(struct token_ids *ids, uint32_t id, struct err *e)
{
    if (!reserve(ids, 1, e))
        return false;
    ids->at[ids->n++] = id;
    return true;
}

static bool no_token(const struct encoding *k, const char *byte)
{
    return err_set(k->err, ERR_UNSUPPORTED,
                   "byte 0x%02x at 0x%zx of the text has no token in this vocabulary",
                   (unsigned)(uint8_t)*byte, (size_t)(byte - k->text.at));
}

static bool merge_piece(struct encoding *k, struct str piece)
{
    if (!reserve(k->ids, piece.len, k->err))
        return false;
    uint32_t *ids = k->ids->at + k->ids->n;
    size_t n = piece.len;
    for (size_t i = 0; i < n; i++) {
        ids[i] = k->t->byte_id[(uint8_t)piece.at[i]];
        if (ids[i] == TOKEN_NONE)
            return no_token(k, &piece.at[i]);
    }
    if (!merges_apply(&k->t->merges, ids, &n, &k->work, k->err))
        return false;
    k->ids->n += n;
    return true;
}

static bool encode_piece(struct encoding *k, struct str piece)
{
    size_t id = names_find(&k->t->pieces, piece);
    return id == NAMES_NONE ? merge_piece(k, piece) : token_ids_add(k->ids, (uint32_t)id, k->err);
}

/* text.at[from..to), which holds no added token. */
static bool encode_plain(struct encoding *k, size_t from, size_t to)
{
    struct str piece;
    splitting_start(&k->splitting, (struct str){ k->text.at + from, to - from }, from);
    while (splitting_next(&k->splitting, &piece))
        if (!encode_piece(k, piece))
            return false;
    return k->err->code == ERR_NONE;
}

/* text.at[from..to) in the rounds that are left. */
static bool encode_round(struct encoding *k, int round, size_t from, size_t to)
{
    const struct added_token *hit = NULL;
    if (round == 2)
        return encode_plain(k, from, to);
    while (from < to) {
        size_t at = to;
        hit = added_tokens_find(&k->t->added[round], (struct str){ k->text.at, to }, from,
                                k->specials, &at);
        if (!encode_round(k, round + 1, from, at))
            return false;
        if (!hit)
            break;
        if (!token_ids_add(k->ids, hit->id, k->err))
            return false;
        from = at + hit->text.len;
    }
    return true;
}

bool tokenizer_encode(const struct tokenizer *t, struct str text, bool specials,
                      struct token_ids *ids, struct err *e)
{
    struct encoding k = { .t = t, .text = text, .specials = specials, .ids = ids, .err = e };
    if (text.len >= UINT32_MAX)
        return err_set(e, ERR_UNSUPPORTED, "a text of %zu bytes, at most %u", text.len,
                       UINT32_MAX - 1);
    bool ok = splitting_open(&k.splitting, &t->splitter, e) && encode_round(&k, 0, 0, text.len);
    splitting_close(&k.splitting);
    ids->steps += k.work.steps;
    merge_work_free(&k.work);
    return ok;
}

void token_ids_free(struct token_ids *ids)
{
    mem_free(ids->at);
    *ids = (struct token_ids){ 0 };
}
