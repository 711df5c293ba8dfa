/* arena.c - chunks of zeroed memory. */
#include "formats/base/arena.h"

#include "formats/base/fault.h"

#include <stdio.h>
#include <stdlib.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size; /* of the bytes behind this header */
    _Alignas(16) uint8_t bytes[];
};

enum { CHUNK = 64 * 1024 };

void *mem_resize(void *old, uint64_t size, struct err *e)
{
    void *p =
        size > SIZE_MAX / 2 || fault_hits(FAULT_MEMORY) ? NULL : realloc(old, size ? size : 1);
    if (!p)
        err_set(e, ERR_MEMORY, "out of memory (%llu bytes wanted)", (unsigned long long)size);
    return p;
}

void mem_free(void *p) { free(p); }

void *arena_alloc(struct arena *a, uint64_t size, uint64_t count, struct err *e)
{
    uint64_t bytes;
    if (!size_mul(size, count, &bytes) || !size_align(bytes, 16, &bytes) || bytes > SIZE_MAX / 2) {
        err_set(e, ERR_MEMORY, "out of memory (%llu items of %llu bytes wanted)",
                (unsigned long long)count, (unsigned long long)size);
        return NULL;
    }
    struct arena_chunk *c = a->chunks;
    if (!c || c->size - c->used < bytes) {
        uint64_t room = bytes > CHUNK ? bytes : CHUNK;
        struct arena_chunk *fresh = mem_resize(NULL, sizeof *fresh + room, e);
        if (!fresh)
            return NULL;
        memset(fresh, 0, sizeof *fresh);
        fresh->size = room;
        if (c && bytes > CHUNK) { /* keep filling the small chunk in front */
            fresh->next = c->next;
            c->next = fresh;
        } else {
            fresh->next = c;
            a->chunks = fresh;
        }
        c = fresh;
    }
    void *p = c->bytes + c->used;
    c->used += bytes;
    return memset(p, 0, bytes);
}

struct str arena_str(struct arena *a, struct str s, struct err *e)
{
    char *p = arena_alloc(a, 1, (uint64_t)s.len + 1, e);
    if (!p)
        return (struct str){ NULL, 0 };
    if (s.len)
        memcpy(p, s.at, s.len);
    return (struct str){ p, s.len };
}

char *arena_printf(struct arena *a, struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, 1, (uint64_t)n + 1, e);
    if (!p)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

void arena_join(struct arena *a, struct arena *from)
{
    struct arena_chunk **end = &a->chunks;
    while (*end)
        end = &(*end)->next;
    *end = from->chunks;
    from->chunks = NULL;
}

void arena_free(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        mem_free(c);
    }
    a->chunks = NULL;
}
