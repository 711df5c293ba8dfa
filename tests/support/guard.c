/* guard.c - maps pages and gives the right to touch all but the first and the last. */
#include "tests/support/guard.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (n + page - 1) / page * page;
}

uint8_t *guard_new(size_t n)
{
    size_t page = whole_pages(1), room = whole_pages(n);
    uint8_t *p = mmap(NULL, page + room + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || (room && mprotect(p + page, room, PROT_READ | PROT_WRITE) != 0))
        abort();
    return p + page + room - n;
}

void guard_free(uint8_t *p, size_t n)
{
    size_t page = whole_pages(1), room = whole_pages(n);
    munmap(p + n - room - page, page + room + page);
}
