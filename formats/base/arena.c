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

/* Under the address sanitizer every allocation is its own chunk of exactly its size, so that a
 * read past the end of one is seen. */
#if defined(__SANITIZE_ADDRESS__)
#define ALONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALONE 1
#endif
#endif
#ifdef ALONE
enum { CHUNK = 0 };
#else
enum { CHUNK = 64 * 1024 };
#endif

void *mem_resize(void *old, uint64_t size, struct err *e)
{
    void *p =
        size > SIZE_MAX / 2 || fault_hits(FAULT_MEMORY) ? NULL : realloc(old, size ? size : 1);
    if (!p)
        err_set(e, ERR_MEMORY, "out of memory (%llu bytes wanted)", (unsigned long long)size);
    return p;
}

void mem_free(void *p) { free(p); }

static struct arena_chunk *add_chunk(struct arena *a, uint64_t room, struct err *e)
{
    struct arena_chunk *c = a->chunks, *fresh = mem_resize(NULL, sizeof *fresh + room, e);
    if (!fresh)
        return NULL;
    *fresh = (struct arena_chunk){ .size = room };
    if (c && room > CHUNK) { /* keep filling the small chunk in front */
        fresh->next = c->next;
        c->next = fresh;
    } else {
        fresh->next = c;
        a->chunks = fresh;
    }
    return fresh;
}

void *arena_alloc(struct arena *a, uint64_t size, uint64_t count, struct err *e)
{
    uint64_t bytes, aligned;
    if (!size_mul(size, count, &bytes) || !size_align(bytes, 16, &aligned) ||
        aligned > SIZE_MAX / 2) {
        err_set(e, ERR_MEMORY, "out of memory (%llu items of %llu bytes wanted)",
                (unsigned long long)count, (unsigned long long)size);
        return NULL;
    }
    struct arena_chunk *c = a->chunks;
    if (!c || c->size - c->used < aligned)
        c = add_chunk(a, bytes > CHUNK ? bytes : CHUNK, e);
    if (!c)
        return NULL;
    void *p = c->bytes + c->used;
    c->used += aligned < c->size - c->used ? aligned : c->size - c->used;
    return memset(p, 0, bytes);
}

void *arena_append(struct arena *a, void *items, size_t size, size_t n, struct err *e)
{
    if (n & (n - 1)) /* not a power of two: there is room */
        return items;
    void *more = arena_alloc(a, size, n ? 2 * (uint64_t)n : 1, e);
    if (more && n)
        memcpy(more, items, n * size);
    return more;
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
