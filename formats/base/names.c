/* names.c - open addressing over XXH3. */
#include "formats/base/names.h"

#include "formats/base/arena.h"

#include <xxhash.h>

struct names_slot {
    struct str name; /* at == NULL: free */
    uint64_t hash;
    size_t value;
};

enum { FIRST_ROOM = 64 };

static struct names_slot *slot_of(const struct names *t, struct str name, uint64_t hash)
{
    for (size_t i = hash & (t->room - 1);; i = (i + 1) & (t->room - 1)) {
        struct names_slot *s = &t->slots[i];
        if (!s->name.at || (s->hash == hash && str_eq(s->name, name)))
            return s;
    }
}

static uint64_t hash_of(const struct names *t, struct str name)
{
    return XXH3_64bits_withSeed(name.at ? name.at : "", name.len, t->seed);
}

uint64_t names_seed(uint64_t before, const void *bytes, size_t n)
{
    return XXH3_64bits_withSeed(n ? bytes : "", n, before);
}

static bool make(struct names *t, size_t room, uint64_t seed, struct err *e)
{
    uint64_t bytes;
    if (!size_mul(room, sizeof *t->slots, &bytes))
        return err_set(e, ERR_MEMORY, "out of memory (a table of %zu names)", room);
    *t = (struct names){ .slots = mem_resize(NULL, bytes, e), .room = room, .seed = seed };
    if (t->slots)
        memset(t->slots, 0, bytes);
    return t->slots != NULL;
}

bool names_reserve(struct names *t, uint64_t n, uint64_t seed, struct err *e)
{
    size_t room = FIRST_ROOM;
    while (room - room / 3 < n && room <= SIZE_MAX / 2)
        room *= 2;
    return make(t, room, seed, e);
}

static bool grow(struct names *t, struct err *e)
{
    struct names bigger;
    if (!make(&bigger, t->room ? 2 * t->room : FIRST_ROOM, t->seed, e))
        return false;
    bigger.n = t->n;
    for (size_t i = 0; i < t->room; i++)
        if (t->slots[i].name.at)
            *slot_of(&bigger, t->slots[i].name, t->slots[i].hash) = t->slots[i];
    mem_free(t->slots);
    *t = bigger;
    return true;
}

bool names_add(struct names *t, struct str name, size_t value, size_t *old, struct err *e)
{
    *old = NAMES_NONE;
    if (t->n >= t->room - t->room / 3 && !grow(t, e)) /* two thirds full */
        return false;
    if (!name.at)
        name.at = "";
    uint64_t hash = hash_of(t, name);
    struct names_slot *s = slot_of(t, name, hash);
    if (s->name.at) {
        *old = s->value;
        return true;
    }
    *s = (struct names_slot){ name, hash, value };
    t->n++;
    return true;
}

size_t names_find(const struct names *t, struct str name)
{
    if (!t->room)
        return NAMES_NONE;
    struct names_slot *s = slot_of(t, name, hash_of(t, name));
    return s->name.at ? s->value : NAMES_NONE;
}

void names_free(struct names *t)
{
    mem_free(t->slots);
    *t = (struct names){ 0 };
}
