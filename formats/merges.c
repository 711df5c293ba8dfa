/* merges.c - pair -> rule by hashing; short pieces by looking along them, long ones by a heap. */
#include "formats/merges.h"

#define XXH_INLINE_ALL /* of eight bytes at a time: the call would cost more than the work */
#include <xxhash.h>

/* Up to here looking along the whole piece for every merge is faster than a heap. */
enum { SHORT = 32 };

/* ---- the rules ----------------------------------------------------------------------- */

bool merges_init(struct merges *m, uint64_t most, uint64_t seed, struct err *e)
{
    uint64_t room = 16, bytes;
    *m = (struct merges){ .seed = seed };
    while (room / 2 < most && room < UINT64_MAX / 2)
        room *= 2;
    if (!size_mul(room, sizeof *m->slots, &bytes))
        return err_set(e, ERR_MEMORY, "out of memory (%llu merges)", (unsigned long long)most);
    m->slots = mem_resize(NULL, bytes, e);
    if (!m->slots)
        return false;
    memset(m->slots, 0xff, bytes); /* TOKEN_NONE everywhere */
    m->room = room;
    return true;
}

void merges_free(struct merges *m)
{
    mem_free(m->slots);
    *m = (struct merges){ 0 };
}

static struct merge *slot_of(const struct merges *m, uint32_t left, uint32_t right)
{
    const uint32_t pair[2] = { left, right };
    uint64_t i = XXH3_64bits_withSeed(pair, sizeof pair, m->seed);
    for (;; i++) {
        struct merge *s = &m->slots[i & (m->room - 1)];
        if ((s->left == left && s->right == right) || s->left == TOKEN_NONE)
            return s;
    }
}

void merges_add(struct merges *m, struct merge rule)
{
    struct merge *s = slot_of(m, rule.left, rule.right);
    m->n += s->left == TOKEN_NONE;
    *s = rule;
}

const struct merge *merges_find(const struct merges *m, uint32_t left, uint32_t right)
{
    const struct merge *s = slot_of(m, left, right);
    return s->left == TOKEN_NONE ? NULL : s;
}

/* ---- short pieces ---------------------------------------------------------------------- */

/* A token and what it would become with its right neighbour. */
struct part {
    uint32_t id, rank, whole;
};

static void look_up(const struct merges *m, struct part *p, uint32_t right)
{
    const struct merge *rule = merges_find(m, p->id, right);
    p->rank = rule ? rule->rank : TOKEN_NONE;
    p->whole = rule ? rule->whole : TOKEN_NONE;
}

static size_t merge_short(const struct merges *m, uint32_t *ids, size_t n, struct merge_work *w)
{
    struct part parts[SHORT];
    for (size_t i = 0; i < n; i++)
        parts[i] = (struct part){ ids[i], TOKEN_NONE, TOKEN_NONE };
    for (size_t i = 0; i + 1 < n; i++)
        look_up(m, &parts[i], ids[i + 1]);
    for (;;) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (parts[i].rank < parts[best].rank)
                best = i;
        w->steps += n;
        if (parts[best].rank == TOKEN_NONE)
            break;
        parts[best].id = parts[best].whole;
        n--;
        memmove(&parts[best + 1], &parts[best + 2], (n - best - 1) * sizeof *parts);
        parts[best].rank = TOKEN_NONE;
        if (best + 1 < n)
            look_up(m, &parts[best], parts[best + 1].id);
        if (best > 0)
            look_up(m, &parts[best - 1], parts[best].id);
    }
    for (size_t i = 0; i < n; i++)
        ids[i] = parts[i].id;
    return n;
}

/* ---- long pieces: a list of tokens, and a heap of the merges that could come next -------- */

/* part.rank is that of the pair with the node on the right; a node that was merged
 * away has none, so an old entry of the heap is known by its rank being another. */
struct merge_node {
    struct part part;
    uint32_t before, after; /* TOKEN_NONE at the ends */
};

/* An entry is rank << 32 | position: the smallest is the leftmost of the lowest rank. */
static bool heap_push(struct merge_work *w, uint64_t entry, struct err *e)
{
    if (w->n_heap == w->room_heap) {
        size_t room = w->room_heap ? 2 * w->room_heap : 256;
        uint64_t *p = mem_resize(w->heap, room * sizeof *p, e);
        if (!p)
            return false;
        w->heap = p;
        w->room_heap = room;
    }
    size_t i = w->n_heap++;
    for (; i > 0 && w->heap[(i - 1) / 2] > entry; i = (i - 1) / 2, w->steps++)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = entry;
    return true;
}

static uint64_t heap_pop(struct merge_work *w)
{
    uint64_t top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < w->n_heap; child = 2 * i + 1, w->steps++) {
        child += child + 1 < w->n_heap && w->heap[child + 1] < w->heap[child];
        if (w->heap[child] >= last)
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* Finds out what the node would become with the one behind it, and puts that into the heap. */
static bool offer(const struct merges *m, struct merge_work *w, uint32_t at, struct err *e)
{
    struct merge_node *node = &w->nodes[at];
    node->part.rank = TOKEN_NONE;
    if (node->after == TOKEN_NONE)
        return true;
    look_up(m, &node->part, w->nodes[node->after].part.id);
    w->steps++;
    return node->part.rank == TOKEN_NONE || heap_push(w, (uint64_t)node->part.rank << 32 | at, e);
}

static bool make_nodes(const struct merges *m, const uint32_t *ids, size_t n, struct merge_work *w,
                       struct err *e)
{
    if (n > w->room_nodes) {
        struct merge_node *p = mem_resize(w->nodes, n * sizeof *p, e);
        if (!p)
            return false;
        w->nodes = p;
        w->room_nodes = n;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)i;
        w->nodes[i] = (struct merge_node){ { ids[i], TOKEN_NONE, TOKEN_NONE },
                                           i ? at - 1 : TOKEN_NONE,
                                           i + 1 < n ? at + 1 : TOKEN_NONE };
    }
    w->n_heap = 0;
    for (size_t i = 0; i < n; i++)
        if (!offer(m, w, (uint32_t)i, e))
            return false;
    return true;
}

/* The node takes in the one behind it. */
static bool join(const struct merges *m, struct merge_work *w, uint32_t at, struct err *e)
{
    struct merge_node *node = &w->nodes[at], *gone = &w->nodes[node->after];
    node->part.id = node->part.whole;
    node->after = gone->after;
    gone->part.rank = TOKEN_NONE;
    if (node->after != TOKEN_NONE)
        w->nodes[node->after].before = at;
    return offer(m, w, at, e) && (node->before == TOKEN_NONE || offer(m, w, node->before, e));
}

static bool merge_long(const struct merges *m, uint32_t *ids, size_t *n, struct merge_work *w,
                       struct err *e)
{
    if (!make_nodes(m, ids, *n, w, e))
        return false;
    while (w->n_heap) {
        uint64_t entry = heap_pop(w);
        uint32_t at = (uint32_t)entry;
        if (w->nodes[at].part.rank == entry >> 32 && !join(m, w, at, e))
            return false;
    }
    *n = 0;
    for (uint32_t i = 0; i != TOKEN_NONE; i = w->nodes[i].after)
        ids[(*n)++] = w->nodes[i].part.id;
    return true;
}

bool merges_apply(const struct merges *m, uint32_t *ids, size_t *n, struct merge_work *w,
                  struct err *e)
{
    if (*n > SHORT)
        return merge_long(m, ids, n, w, e);
    if (*n > 1)
        *n = merge_short(m, ids, *n, w);
    return true;
}

void merge_work_free(struct merge_work *w)
{
    mem_free(w->nodes);
    mem_free(w->heap);
    *w = (struct merge_work){ 0 };
}
