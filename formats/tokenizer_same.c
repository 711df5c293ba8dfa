/* tokenizer_same.c - do two tokenizers have the same tables? */
#include "formats/tokenizer.h"

/* As in a message: escaped by whoever prints it, and not too long. */
static struct str shown(struct str s) { return (struct str){ s.at, s.len < 80 ? s.len : 80 }; }

static bool same_tokens(const struct tokenizer *a, const struct tokenizer *b, struct err *e)
{
    uint64_t n = a->n_tokens < b->n_tokens ? a->n_tokens : b->n_tokens;
    for (uint64_t id = 0; id < n; id++) {
        const struct token *x = &a->tokens[id], *y = &b->tokens[id];
        if (!str_eq(x->bytes, y->bytes))
            return err_set(e, ERR_MISMATCH, "token %llu is '" STR_FMT "' and '" STR_FMT "'",
                           (unsigned long long)id, STR_ARG(shown(x->bytes)),
                           STR_ARG(shown(y->bytes)));
        if (x->type != y->type || x->added != y->added || x->piece != y->piece)
            return err_set(e, ERR_MISMATCH, "token %llu, '" STR_FMT "', is of another kind",
                           (unsigned long long)id, STR_ARG(shown(x->bytes)));
    }
    return a->n_tokens == b->n_tokens ||
           err_set(e, ERR_MISMATCH, "%llu tokens and %llu", (unsigned long long)a->n_tokens,
                   (unsigned long long)b->n_tokens);
}

static bool same_added(const struct tokenizer *a, const struct tokenizer *b, struct err *e)
{
    for (int round = 0; round < 2; round++) {
        const struct added_tokens *x = &a->added[round], *y = &b->added[round];
        for (size_t i = 0; i < x->n || i < y->n; i++)
            if (i >= x->n || i >= y->n || x->all[i].id != y->all[i].id)
                return err_set(e, ERR_MISMATCH, "added tokens are looked for in another order");
    }
    return true;
}

static bool same_merges(const struct tokenizer *a, const struct tokenizer *b, struct err *e)
{
    const struct merge *first = NULL;
    for (uint64_t i = 0; i < a->merges.room; i++) {
        const struct merge *x = &a->merges.slots[i];
        if (x->left == TOKEN_NONE || (first && first->rank < x->rank))
            continue;
        const struct merge *y = merges_find(&b->merges, x->left, x->right);
        if (!y || y->rank != x->rank || y->whole != x->whole)
            first = x;
    }
    if (first)
        return err_set(e, ERR_MISMATCH,
                       "merge %u, of '" STR_FMT "' and '" STR_FMT "', is not the same", first->rank,
                       STR_ARG(shown(a->tokens[first->left].bytes)),
                       STR_ARG(shown(a->tokens[first->right].bytes)));
    return a->merges.n == b->merges.n ||
           err_set(e, ERR_MISMATCH, "%llu merges and %llu", (unsigned long long)a->merges.n,
                   (unsigned long long)b->merges.n);
}

bool tokenizer_same(const struct tokenizer *a, const struct tokenizer *b, struct err *e)
{
    if (!same_tokens(a, b, e) || !same_added(a, b, e) || !same_merges(a, b, e))
        return false;
    if (!a->regex.at != !b->regex.at || !str_eq(a->regex, b->regex))
        return err_set(e, ERR_MISMATCH, "the split patterns are '" STR_FMT "' and '" STR_FMT "'",
                       STR_ARG(shown(a->regex)), STR_ARG(shown(b->regex)));
    return a->ignore_merges == b->ignore_merges ||
           err_set(e, ERR_MISMATCH, "one merges a piece that is a token, the other does not");
}
