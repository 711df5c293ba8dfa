/* forward.h - running the forward pass in tests, and making altered models for it. */
#ifndef TESTS_FORWARD_H
#define TESTS_FORWARD_H

#include "verify/forward/session.h"

struct cJSON;

#define TINY_A "tests/data/golden/gpt-oss/" /* random weights, 4 layers, window 8 */
#define TINY   "tests/data/tiny-gpt-oss/"   /* trained, 4 layers, window 32 */

struct ids {
    uint32_t *at; /* free() it */
    size_t n;
};

/* All of these abort when they cannot. */
struct cJSON *forward_json(const char *path);
struct ids forward_ids(const struct cJSON *array);
/* The tokens of the tiny-a sequence, "len032". */
struct ids forward_sequence(const char *name);
/* Logits (n, vocab) by a session of its own; free() them. */
float *forward_logits(const char *model, const struct session_options *opt, struct ids ids);
/* False, with *e, where the session does not open or run. */
bool forward_try(const char *model, const struct session_options *opt, struct ids ids,
                 struct err *e);
/* Largest |a[i] - b[i]|; NaN if one is. */
double forward_difference(const float *a, const float *b, size_t n);

/* A directory for altered files, removed with what these made by forward_clean. */
const char *forward_temp(void);
void forward_clean(void);
/* A copy of the file under that name in the directory, `from` (to be found) replaced by `to`;
 * good until the fourth call after this one. */
const char *forward_copy(const char *path, const char *name, const char *from, const char *to);
/* Overwrites n bytes of a tensor from its byte `at` on. */
void forward_patch(const char *model, const char *tensor, uint64_t at, const void *bytes, size_t n);

#endif
