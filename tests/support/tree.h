/* tree.h - files and directories of a test, gone when it ends. */
#ifndef TESTS_TREE_H
#define TESTS_TREE_H

#include "formats/base/span.h"

#include <stdbool.h>

/* A path "DIR/name" in a fresh directory of this program, in memory where there is /dev/shm, else
 * under TMPDIR; removed when the program ends.  The text stays good. */
const char *tree_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tree_mkdir(const char *path); /* parents too; may exist */
void tree_write(const char *path, struct span bytes);
void tree_text(const char *path, const char *text);
void tree_copy(const char *from, const char *to);     /* one file */
void tree_copy_dir(const char *from, const char *to); /* its regular files */
void tree_remove(const char *path);                   /* and what is in it; may be absent */
bool tree_exists(const char *path);
/* Files (folders with a '/' behind) in a directory, sorted, one a line.  free() it. */
char *tree_list(const char *dir);
/* A number made of names and contents; 0 where nothing stands. */
uint64_t tree_sum(const char *path);
/* Entries in a directory. */
unsigned tree_count(const char *dir);
/* Exchanges the byte at `at` of the file (from the end where negative) by its complement. */
void tree_flip(const char *path, long at);

#endif
