/* added_tokens.c - the sorted texts serve as a trie: each byte narrows the range that is left. */
#include "formats/added_tokens.h"

#include <stdlib.h>

static int by_text(const void *a, const void *b)
{
    return str_cmp(((const struct added_token *)a)->text, ((const struct added_token *)b)->text);
}

void added_tokens_prepare(struct added_tokens *a)
{
    if (a->n)
        qsort(a->all, a->n, sizeof *a->all, by_text);
    for (size_t i = 0; i < a->n; i++)
        a->starts[(uint8_t)a->all[i].text.at[0]] = true;
}

/* The first of all[low..high), which agree in `depth` bytes and are longer, whose next byte is
 * at least c. */
static size_t lower(const struct added_tokens *a, size_t low, size_t high, size_t depth, unsigned c)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uint8_t)a->all[middle].text.at[depth] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct added_token *longest_at(const struct added_tokens *a, struct str text,
                                            bool specials)
{
    const struct added_token *best = NULL;
    size_t low = 0, high = a->n;
    for (size_t depth = 0; depth < text.len && low < high; depth++) {
        unsigned c = (uint8_t)text.at[depth];
        low = lower(a, low, high, depth, c);
        high = lower(a, low, high, depth, c + 1);
        if (low < high && a->all[low].text.len == depth + 1) { /* a prefix comes first */
            if (specials || !a->all[low].special)
                best = &a->all[low];
            low++;
        }
    }
    return best;
}

const struct added_token *added_tokens_find(const struct added_tokens *a, struct str text,
                                            size_t from, bool specials, size_t *at)
{
    for (size_t i = a->n ? from : text.len; i < text.len; i++) {
        const struct added_token *hit = NULL;
        if (a->starts[(uint8_t)text.at[i]])
            hit = longest_at(a, (struct str){ text.at + i, text.len - i }, specials);
        if (hit) {
            *at = i;
            return hit;
        }
    }
    return NULL;
}
