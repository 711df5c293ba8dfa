/* guard.c - maps pages and takes the right to touch the last one. */
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
    uint8_t *p =
        mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p + room, page, PROT_NONE) != 0)
        abort();
    return p + room - n;
}

void guard_free(uint8_t *p, size_t n)
{
    size_t room = whole_pages(n);
    munmap(p + n - room, room + whole_pages(1));
}
