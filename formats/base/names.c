/* names.c - open addressing over XXH3, seeded per process by nothing: equal
 * runs behave equally.  Crafted collisions only cost time inside one file, and
 * XXH3 collisions in 64 bits are not at hand by the thousand. */
#include "formats/base/names.h"

#include "formats/base/arena.h"

#include <xxhash.h>

struct names_slot {
    struct str name; /* at == NULL: free */
    uint64_t hash;
    size_t value;
};

static struct names_slot *slot_of(const struct names *t, struct str name, uint64_t hash)
{
    for (size_t i = hash & (t->room - 1);; i = (i + 1) & (t->room - 1)) {
        struct names_slot *s = &t->slots[i];
        if (!s->name.at || (s->hash == hash && str_eq(s->name, name)))
            return s;
    }
}

static bool grow(struct names *t, struct err *e)
{
    struct names bigger = { .n = t->n, .room = t->room ? 2 * t->room : 64 };
    bigger.slots = mem_resize(NULL, bigger.room * sizeof *bigger.slots, e);
    if (!bigger.slots)
        return false;
    memset(bigger.slots, 0, bigger.room * sizeof *bigger.slots);
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
    if (t->n + t->n / 2 >= t->room && !grow(t, e))
        return false;
    if (!name.at)
        name.at = "";
    uint64_t hash = XXH3_64bits(name.at, name.len);
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
    struct names_slot *s = slot_of(t, name, XXH3_64bits(name.at ? name.at : "", name.len));
    return s->name.at ? s->value : NAMES_NONE;
}

void names_free(struct names *t)
{
    mem_free(t->slots);
    *t = (struct names){ 0 };
}
