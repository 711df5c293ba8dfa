/* execute.h - running a plan: bounded memory, threads, digests in the same pass.
 *
 * The bytes never depend on jobs, tile or mem. */
#ifndef FORMATS_EXECUTE_H
#define FORMATS_EXECUTE_H

#include "formats/plan.h"

struct execute_options {
    unsigned jobs; /* 0 = one per core */
    uint64_t tile; /* output bytes worked on at once; 0 = 1 MiB */
    uint64_t mem;  /* limit of the working memory; 0 = none.  ERR_MEMORY if it cannot be kept */
    bool digests;  /* also compute the SHA-256 and block digests of every output file */
    bool holes;    /* leave tensor data as holes (weigh-synth --sparse) */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* from any thread; or NULL */
    void *ctx;
};

/* What was written, for the report and the manifest.  Arrays live in the arena given. */
struct execute_result {
    struct file_digest *files;  /* of plan.out.files; NULL without digests */
    struct file_digest *extras; /* of plan.extras; NULL without digests */
    uint64_t *lost;             /* elements of each output tensor that did not survive */
};

/* Bytes of working memory that running the plan takes, after fitting it to opt->mem. */
bool execute_memory(const struct plan *p, const struct execute_options *opt, uint64_t *bytes,
                    struct err *e) MUST_CHECK;

/* Writes the plan's output to path, complete or not at all.  Where the plan says what the
 * digests must be, they are compared before anything is published (ERR_INPUT). */
bool execute_write(const struct plan *p, const char *path, bool replace,
                   const struct execute_options *opt, struct execute_result *result,
                   struct arena *a, struct err *e) MUST_CHECK;

/* The null writer: the SHA-256 of each output tensor's bytes, and, for a laid-out plan, of each
 * output file.  Nothing is written.  leaves or files may be NULL. */
bool execute_digests(const struct plan *p, const struct execute_options *opt, struct sha256 *leaves,
                     struct file_digest *files, struct arena *a, struct err *e) MUST_CHECK;

/* Makes each output tensor's bytes and hands them over in order within a tensor; tensors run in
 * parallel.  see returns false to stop. */
typedef bool execute_see(void *ctx, size_t tensor, uint64_t at, struct span bytes, struct err *e);
bool execute_each(const struct plan *p, const struct execute_options *opt, execute_see *see,
                  void *ctx, struct err *e) MUST_CHECK;

#endif
