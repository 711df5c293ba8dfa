/* replay.c - runs a fuzz target over files instead of under the fuzzer: its kept corpus, and all
 * hostile inputs, whatever their format, where they are at hand. */
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned n_inputs;

/* A copy of exactly its size, so that the sanitizer sees a read past the end. */
static uint8_t *contents(const char *path, size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    FILE *f = fopen(path, "rb");
    if (!bytes || !f || fread(bytes, 1, size, f) != size) {
        fprintf(stderr, "replay: cannot read %s\n", path);
        exit(1);
    }
    fclose(f);
    return bytes;
}

static int replay_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)where;
    if (type != FTW_F || st->st_size < 0)
        return 0;
    fprintf(stderr, "# %s\n", path); /* the last one named is the one that crashed */
    uint8_t *bytes = contents(path, (size_t)st->st_size);
    LLVMFuzzerTestOneInput(bytes, (size_t)st->st_size);
    free(bytes);
    n_inputs++;
    return 0;
}

/* Replays every file below the folder; false if it is not there. */
static bool replay_folder(const char *folder)
{
    return nftw(folder, replay_file, 16, FTW_PHYS) == 0;
}

/* The target's name, from a program called build/.../NAME_replay. */
static void target_name(const char *program, char name[static 64])
{
    const char *slash = strrchr(program, '/');
    snprintf(name, 64, "%s", slash ? slash + 1 : program);
    char *end = strstr(name, "_replay");
    if (end)
        *end = '\0';
}

int main(int argc, char **argv)
{
    (void)argc;
    char target[64], folder[4096];
    const char *shared = getenv("WEIGH_SHARED");
    target_name(argv[0], target);
    printf("1..1\n");

    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", target);
    replay_folder(folder);
    snprintf(folder, sizeof folder, "%s/hostile", shared ? shared : "../shared");
    if (!replay_folder(folder))
        fprintf(stderr, "SKIP: no hostile inputs at %s\n", folder);

    printf("%s 1 - %s: %u inputs\n", n_inputs ? "ok" : "not ok", target, n_inputs);
    if (!n_inputs)
        fprintf(stderr, "tests/fuzz/corpus/%s holds no input\n", target);
    return n_inputs ? 0 : 1;
}
