/* fixture.c - whole files in memory of exactly their size. */
#include "tests/support/fixture.h"

#include <stdio.h>
#include <stdlib.h>

struct str fixture_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    long len = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    char *p = len >= 0 ? malloc((size_t)len + !len) : NULL;
    if (!p) {
        fprintf(stderr, "cannot read %s\n", path);
        abort();
    }
    rewind(f);
    struct str s = { p, fread(p, 1, (size_t)len, f) };
    fclose(f);
    return s;
}

struct str fixture_copy(struct str s)
{
    char *p = malloc(s.len + !s.len);
    if (!p)
        abort();
    if (s.len)
        memcpy(p, s.at, s.len);
    return (struct str){ p, s.len };
}

void fixture_free(struct str s) { free((void *)(uintptr_t)s.at); }
