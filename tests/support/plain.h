/* plain.h - small models made in memory, and files in memory that have a path. */
#ifndef TESTS_PLAIN_H
#define TESTS_PLAIN_H

#include "formats/format.h"

struct plain_tensor {
    const char *name;
    enum dtype dtype;
    uint32_t ndim;
    uint64_t dim[6];
};

/* Lays out the n tensors and the metadata in `out` (may be NULL) in format f; model_close frees
 * it.  shard_bytes as in layout_options. */
bool plain_lay_out(struct model *out, const struct format *f, const struct plain_tensor *t,
                   size_t n, const struct metadata *keys, uint64_t shard_bytes, struct err *e);
/* Byte `at` of tensor number i. */
uint8_t plain_byte(size_t i, uint64_t at);
/* A laid-out file, headers and tensor bytes; fixture_free frees it. */
struct str plain_file(const struct model *out, size_t file);

/* A file that lives in memory and can be opened by its path. */
struct memory_file {
    int fd;
    char path[40];
};
void memory_file_open(struct memory_file *f);
void memory_file_fill(struct memory_file *f, struct str bytes); /* nothing else is in it */
void memory_file_poke(struct memory_file *f, uint64_t at, uint8_t byte);
void memory_file_cut(struct memory_file *f, uint64_t size);
void memory_file_close(struct memory_file *f);

#endif
