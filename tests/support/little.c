/* little.c - small model files written on the spot. */
#include "tests/support/little.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 64, PATH = 256 };

static char dir[PATH], paths[MOST][2 * PATH];
static size_t n_paths;

static void fail(const char *what)
{
    perror(what);
    abort();
}

static void tidy(void)
{
    for (size_t i = 0; i < n_paths; i++)
        unlink(paths[i]);
    rmdir(dir);
}

static void make_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/weigh-test-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        fail(dir);
    atexit(tidy);
}

const char *little_file(const char *name, const void *bytes, size_t n)
{
    if (!dir[0])
        make_dir();
    if (n_paths == MOST)
        abort();
    char *path = paths[n_paths++];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        fail(path);
    return path;
}

const char *little_safetensors(const char *name, const char *dtype, const char *shape,
                               const void *bytes, size_t n)
{
    static uint8_t all[1 << 16];
    int header = snprintf((char *)all + 8, 1024,
                          "{\"t\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[0,%zu]}}",
                          dtype, shape, n);
    if (header <= 0 || header >= 1024 || 8 + (size_t)header + n > sizeof all)
        abort();
    memset(all, 0, 8);
    all[0] = (uint8_t)header;
    all[1] = (uint8_t)(header >> 8);
    if (n)
        memcpy(all + 8 + header, bytes, n);
    return little_file(name, all, 8 + (size_t)header + n);
}
