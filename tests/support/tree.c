/* tree.c - files and directories of a test. */
#include "tests/support/tree.h"

#include "formats/base/digest.h"
#include "tests/support/fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[512];
static pid_t owner;

static void give_up(const char *what, const char *path)
{
    fprintf(stderr, "%s %s\n", what, path);
    abort();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void tree_remove(const char *path)
{
    if (tree_exists(path) && nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        give_up("cannot remove", path);
}

static void remove_root(void)
{
    if (getpid() == owner)
        tree_remove(root);
}

/* One copy of each text, kept to the end. */
static const char *keep(const char *text)
{
    static char *all[1000];
    size_t i = 0;
    while (all[i] && strcmp(all[i], text) != 0)
        i++;
    if (!all[i])
        all[i] = strdup(text);
    if (!all[i] || i == 999)
        give_up("too many paths:", text);
    return all[i];
}

const char *tree_path(const char *fmt, ...)
{
    char path[1024];
    if (!root[0]) {
        const char *tmp = getenv("TMPDIR"), *shm = "/dev/shm"; /* where fsync costs nothing */
        tmp = access(shm, W_OK | X_OK) == 0 ? shm : tmp ? tmp : "/tmp";
        snprintf(root, sizeof root, "%s/weigh-test-XXXXXX", tmp);
        if (!mkdtemp(root))
            give_up("cannot create", root);
        owner = getpid();
        atexit(remove_root);
    }
    int n = snprintf(path, sizeof path, "%s/", root);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(path + n, sizeof path - (size_t)n, fmt, ap);
    va_end(ap);
    return keep(path);
}

void tree_mkdir(const char *path)
{
    char part[1024];
    for (size_t i = 1; i <= strlen(path); i++)
        if (path[i] == '/' || path[i] == 0) {
            snprintf(part, sizeof part, "%.*s", (int)i, path);
            mkdir(part, 0777);
        }
    if (!tree_exists(path))
        give_up("cannot create", path);
}

void tree_write(const char *path, struct span bytes)
{
    FILE *f = fopen(path, "wb");
    if (!f || (bytes.len && fwrite(bytes.at, 1, bytes.len, f) != bytes.len) || fclose(f) != 0)
        give_up("cannot write", path);
}

void tree_text(const char *path, const char *text)
{
    tree_write(path, (struct span){ (const uint8_t *)text, strlen(text) });
}

void tree_copy(const char *from, const char *to)
{
    struct str s = fixture_read(from);
    tree_write(to, (struct span){ (const uint8_t *)s.at, s.len });
    fixture_free(s);
}

/* Names in dir that are no dots, sorted; folders end in '/'. */
static struct dirent **entries(const char *dir, int *n)
{
    struct dirent **all;
    *n = scandir(dir, &all, NULL, alphasort);
    if (*n < 0)
        give_up("cannot list", dir);
    return all;
}

static bool is_dot(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

void tree_copy_dir(const char *from, const char *to)
{
    int n;
    struct dirent **all = entries(from, &n);
    tree_mkdir(to);
    for (int i = 0; i < n; i++) {
        char a[1024], b[1024];
        struct stat st;
        snprintf(a, sizeof a, "%s/%s", from, all[i]->d_name);
        snprintf(b, sizeof b, "%s/%s", to, all[i]->d_name);
        if (stat(a, &st) == 0 && S_ISREG(st.st_mode))
            tree_copy(a, b);
        free(all[i]);
    }
    free(all);
}

char *tree_list(const char *dir)
{
    int n;
    struct dirent **all = entries(dir, &n);
    char *out = calloc(1, (size_t)n * 260 + 1);
    for (int i = 0; i < n; i++) {
        char path[1024];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", dir, all[i]->d_name);
        if (out && !is_dot(all[i]->d_name) && stat(path, &st) == 0)
            sprintf(out + strlen(out), "%s%s\n", all[i]->d_name, S_ISDIR(st.st_mode) ? "/" : "");
        free(all[i]);
    }
    free(all);
    return out;
}

static uint64_t add(uint64_t sum, const void *bytes, size_t n)
{
    return (sum ^ xxh3_of((struct span){ bytes, n })) * 0x9e3779b97f4a7c15;
}

uint64_t tree_sum(const char *path)
{
    struct stat st;
    uint64_t sum = 1;
    int n = 0;
    if (stat(path, &st) != 0)
        return 0;
    if (!S_ISDIR(st.st_mode)) {
        struct str s = fixture_read(path);
        sum = add(sum, s.at, s.len);
        fixture_free(s);
        return sum;
    }
    struct dirent **all = entries(path, &n);
    for (int i = 0; i < n; i++) {
        char inner[1024];
        snprintf(inner, sizeof inner, "%s/%s", path, all[i]->d_name);
        if (!is_dot(all[i]->d_name)) {
            uint64_t below = tree_sum(inner);
            sum = add(sum, all[i]->d_name, strlen(all[i]->d_name));
            sum = add(sum, &below, sizeof below);
        }
        free(all[i]);
    }
    free(all);
    return sum;
}

unsigned tree_count(const char *dir)
{
    int n;
    struct dirent **all = entries(dir, &n);
    for (int i = 0; i < n; i++)
        free(all[i]);
    free(all);
    return (unsigned)n - 2;
}

bool tree_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

void tree_flip(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    int c = f && fseek(f, at, at < 0 ? SEEK_END : SEEK_SET) == 0 ? fgetc(f) : EOF;
    if (c == EOF || fseek(f, -1, SEEK_CUR) != 0 || fputc(~c & 0xff, f) == EOF || fclose(f) != 0)
        give_up("cannot change", path);
}
