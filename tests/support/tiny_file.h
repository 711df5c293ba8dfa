/* tiny_file.h - writes GGUF and safetensors as other programs may, knowing nothing of ours. */
#ifndef TESTS_TINY_FILE_H
#define TESTS_TINY_FILE_H

#include "quant/dtype.h"

#include <stddef.h>

struct tiny_file *tiny_file_new(void);
void tiny_file_free(struct tiny_file *f);
/* Copies the name, the dims (torch order) and the bytes. */
void tiny_file_add(struct tiny_file *f, const char *name, enum dtype dtype, unsigned ndim,
                   const uint64_t *dim, const void *bytes, size_t n);
void tiny_file_reverse(struct tiny_file *f); /* the order of the tensors */

/* GGUF keys, in the order of the calls. */
void tiny_file_key_u32(struct tiny_file *f, const char *key, uint32_t v);
void tiny_file_key_f32(struct tiny_file *f, const char *key, float v);
void tiny_file_key_str(struct tiny_file *f, const char *key, const char *v);
/* n tokens, one merge and special ids; bare: without tokenizer.ggml.pre, as Ollama writes it. */
void tiny_file_tokens(struct tiny_file *f, unsigned n, bool bare);
/* printf; good until the fourth call after this one. */
const char *tiny_file_name(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void tiny_file_gguf(const struct tiny_file *f, const char *path, unsigned version,
                    unsigned alignment);
/* dir/model.safetensors; or that many shards with an index, numbered from 1.  spaced: white space
 * and metadata in the header, and an index without (or with a fractional) total_size. */
void tiny_file_safetensors(const struct tiny_file *f, const char *dir, unsigned shards,
                           bool spaced);

#endif
