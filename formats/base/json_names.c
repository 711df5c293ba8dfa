/* json_names.c - a set of names per open object that costs small objects next to nothing.
 *
 * A name is eight bytes here: half of its hash and where it stands in the text.
 * Up to FEW of them are compared one by one, more go to an open-addressing
 * table, so hundreds of thousands of three-member objects allocate nothing and
 * an object of ten million members takes 32 bytes for each at worst.
 *
 * A large table misses the cache at every name.  So a name waits in a ring for
 * LATE others while its slot is fetched, and equal names are noticed that much
 * later, at the object's end at the latest. */
#include "formats/base/json_names.h"

#include "formats/base/json_string.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { FEW = 8, LATE = 16, FIRST_ROOM = 64 };

struct slot {
    uint32_t hash;
    uint32_t at; /* first byte behind the opening quote; never 0: 0 means free */
};

struct json_names {
    struct slot few[FEW];
    struct slot *table; /* NULL while n <= FEW */
    size_t n, room;     /* room: slots of the table, a power of two */
    struct slot late[LATE];
    size_t next_late;
};

/* The seed is a hash of the whole text.  Without it one could write millions
 * of names that fall on one slot; with it they would have to know their own. */
static uint32_t hash_of(struct json *j, struct str name)
{
    if (!j->seed)
        j->seed = XXH3_64bits(j->text.at, j->text.len) | 1;
    return (uint32_t)XXH3_64bits_withSeed(name.at, name.len, j->seed);
}

static bool is_same(const struct json *j, struct slot a, struct slot b)
{
    return a.hash == b.hash && json_string_same(j->text.at + a.at, j->text.at + b.at);
}

static bool fail_twice(struct json *j, struct slot name)
{
    enum { SHOWN = 80 };
    struct json_scan s = json_scan(j->text, name.at, false);
    size_t len = s.end - name.at;
    j->value_at = name.at - 1;
    return json_fail(j, "\"%.*s\" is twice in one object", len < SHOWN ? (int)len : SHOWN,
                     j->text.at + name.at);
}

/* ---- the table ------------------------------------------------------------- */

static void move_to(struct slot *table, size_t room, struct slot name)
{
    size_t i = name.hash & (room - 1);
    while (table[i].at)
        i = (i + 1) & (room - 1);
    table[i] = name;
}

static bool grow(struct json_names *set, struct err *e)
{
    size_t room = set->table ? 2 * set->room : FIRST_ROOM;
    struct slot *from = set->table ? set->table : set->few;
    size_t n_from = set->table ? set->room : FEW;
    struct slot *table = mem_resize(NULL, room * sizeof *table, e);
    if (!table)
        return false;
    memset(table, 0, room * sizeof *table);
    for (size_t i = 0; i < n_from; i++)
        if (from[i].at)
            move_to(table, room, from[i]);
    mem_free(set->table);
    set->table = table;
    set->room = room;
    return true;
}

static bool insert(struct json *j, struct json_names *set, struct slot name)
{
    if (set->n >= set->room / 4 * 3 && !grow(set, j->err))
        return false;
    size_t i = name.hash & (set->room - 1);
    for (; set->table[i].at; i = (i + 1) & (set->room - 1))
        if (is_same(j, set->table[i], name))
            return fail_twice(j, name);
    set->table[i] = name;
    set->n++;
    return true;
}

/* Lets name wait and inserts the one that waited longest. */
static bool insert_late(struct json *j, struct json_names *set, struct slot name)
{
    __builtin_prefetch(&set->table[name.hash & (set->room - 1)], 1);
    struct slot *late = &set->late[set->next_late++ % LATE], due = *late;
    *late = name;
    return !due.at || insert(j, set, due);
}

/* ---- the set --------------------------------------------------------------- */

static bool add_few(struct json *j, struct json_names *set, struct slot name)
{
    for (size_t i = 0; i < set->n; i++)
        if (is_same(j, set->few[i], name))
            return fail_twice(j, name);
    set->few[set->n++] = name;
    return true;
}

static struct json_names *innermost(struct json *j)
{
    struct json_names **set = &j->names[j->depth - 1];
    if (!*set) {
        *set = mem_resize(NULL, sizeof **set, j->err);
        if (*set)
            memset(*set, 0, sizeof **set);
    }
    return *set;
}

bool json_names_add(struct json *j, size_t at, struct str name)
{
    struct json_names *set = innermost(j);
    if (!set)
        return false;
    struct slot s = { hash_of(j, name), (uint32_t)at };
    if (!set->table && set->n < FEW)
        return add_few(j, set, s);
    return (set->table || grow(set, j->err)) && insert_late(j, set, s);
}

bool json_names_end(struct json *j)
{
    struct json_names *set = j->names[j->depth - 1];
    if (!set || !set->n)
        return true;
    for (size_t i = 0; i < LATE; i++) {
        struct slot due = set->late[(set->next_late + i) % LATE];
        if (due.at && !insert(j, set, due))
            return false;
    }
    mem_free(set->table);
    memset(set, 0, sizeof *set);
    return true;
}

void json_names_free(struct json *j)
{
    for (int i = 0; i < JSON_DEPTH; i++) {
        if (j->names[i])
            mem_free(j->names[i]->table);
        mem_free(j->names[i]);
        j->names[i] = NULL;
    }
}
