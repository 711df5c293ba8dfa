/* arena.h - memory that is zeroed when given out and freed all at once.
 *
 * An arena is zero-initialised and grows by chunks.  arena_free may be called
 * twice and on a zeroed arena.  mem_resize is where every allocation of the
 * project ends, so that tests can make the n-th one fail (fault.h). */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "formats/base/err.h"
#include "formats/base/span.h"

struct arena {
    struct arena_chunk *chunks;
};

/* size*count zeroed bytes aligned for any type, or NULL with ERR_MEMORY. */
void *arena_alloc(struct arena *a, uint64_t size, uint64_t count, struct err *e);
#define arena_new(a, type, n, e) ((type *)arena_alloc((a), sizeof(type), (n), (e)))

/* Room for item n behind the n items at `items` (NULL for none): returns them, moved when n is a
 * power of two.  For tables that grow one by one and begin empty. */
void *arena_append(struct arena *a, void *items, size_t size, size_t n, struct err *e);

/* A copy of s with a NUL behind it, or an empty str with at == NULL. */
struct str arena_str(struct arena *a, struct str s, struct err *e);
/* printf into the arena; NULL on failure. */
char *arena_printf(struct arena *a, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* What `from` holds belongs to a from now on; from is empty. */
void arena_join(struct arena *a, struct arena *from);
void arena_free(struct arena *a);

/* malloc/realloc/free with the fault seam; mem_resize(NULL, n) allocates. */
void *mem_resize(void *old, uint64_t size, struct err *e);
void mem_free(void *p);

#endif
