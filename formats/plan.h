/* plan.h - what becomes of each tensor, as data: made before one byte moves.
 *
 * A plan is a list of output tensors, each made of pieces: rows of source tensors and
 * the way to recode them.  It can be printed, hashed, compared and run (execute.h), and
 * every result is independent of tile size, thread count and CPU. */
#ifndef FORMATS_PLAN_H
#define FORMATS_PLAN_H

#include "formats/base/digest.h"
#include "formats/format.h"
#include "quant/codec.h"

/* Rows of an output tensor that come from one source tensor (two for MXFP4 blocks and
 * scales).  A source tensor is groups x src_rows rows of cols elements; with
 * src_transposed each group is stored [cols, src_rows].
 *   output row dst_first + i*dst_step  <-  source row src_first + i*src_step,  i < rows
 * in every group. */
struct piece {
    const struct tensor *src[2];
    const struct recode *recode;
    uint64_t src_rows, src_first, src_step;
    bool src_transposed;
    uint64_t rows, dst_first, dst_step;
};

/* How plan.out.tensors[i] is made: groups x rows rows of cols elements of `dtype`
 * (MXFP4_BLOCKS where the tensor itself says U8); transposed: stored [groups, cols, rows].
 * cols is not 0, and whole blocks of all types; what is transposed has blocks of one element. */
struct recipe {
    uint64_t groups, rows, cols;
    enum dtype dtype;
    bool transposed;
    struct piece *pieces;
    size_t n_pieces;
};

/* A file of a directory output that holds no tensors: bytes in memory, or a source
 * file copied as it is. */
struct extra {
    struct str name; /* one component, or "weighmaster/x" */
    struct span bytes;
    const char *copy_of; /* path, or NULL */
    uint64_t size;
    const struct sha256 *want; /* what its digest must be, or NULL */
};

enum form { FORM_NONE, FORM_HF, FORM_ORIGINAL, FORM_GGUF, FORM_SAFETENSORS };
const char *form_name(enum form f);   /* "hf"; "?" for NONE */
enum form form_find(struct str name); /* FORM_NONE if unknown */

struct plan_options {
    enum form to;
    enum dtype type;      /* DTYPE_NONE: keep; else F32, F16 or BF16 for all weights */
    uint64_t shard_bytes; /* 0: what the form is released with */
    bool one_file;        /* DEST is a file, not a directory */
    bool reversible, allow_lossy;
    bool canonical;     /* float tensors in the first of BF16, F16, F32 that holds them */
    struct str base;    /* DEST without folder and suffix */
    const char *config; /* --config FILE, or NULL */
};

struct plan {
    const struct model *src;
    struct model out;       /* laid out: every offset is known; its arena owns the plan */
    struct recipe *recipes; /* parallel to out.tensors */
    struct extra *extras;
    size_t n_extras;
    const struct sha256 *want; /* what the digests of out.files must be, or NULL: see carry.h */
    bool directory;
    bool allow_lossy;
    const char *family;    /* "gpt-oss", or NULL: names and types are kept */
    const char *from, *to; /* spellings: "hf", "original", "gguf", ... */
    char **notes;          /* what the user should know: losses, left-outs; one line each */
    size_t n_notes;
};

/* The plan that converts src.  src must stay open while the plan is used. */
bool plan_make(struct plan *p, const struct model *src, const struct plan_options *opt,
               struct err *e) MUST_CHECK;
void plan_free(struct plan *p); /* may be called twice */

/* The family's lossless plan to the publisher's form (design: content root); no layout. */
bool plan_canonical(struct plan *p, const struct model *src, struct err *e) MUST_CHECK;

/* Plans exactly the tensors of `target` (names, types, shapes, places) out of src, in whatever
 * spelling target has them; target is indexed.  ERR_INPUT where src has no such tensor.  No
 * layout; target must outlive p. */
bool plan_like(struct plan *p, const struct model *src, const struct model *target,
               const char *config, struct err *e) MUST_CHECK;

/* Bytes of all output files together. */
uint64_t plan_bytes(const struct plan *p);
bool plan_note(struct plan *p, struct err *e, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Notes the files beside the source's weights that the output does not hold.  taken: names of
 * those it has made use of, NULL-terminated. */
bool plan_note_left(struct plan *p, const char *const *taken, struct err *e) MUST_CHECK;

/* ---- building, for families ------------------------------------------------- */

/* Room for n output tensors. */
bool plan_reserve(struct plan *p, size_t n, struct err *e) MUST_CHECK;
/* Appends an output tensor; dim and name are copied.  bytes are computed. */
bool plan_add(struct plan *p, struct str name, enum dtype stored, uint32_t ndim,
              const uint64_t *dim, struct recipe recipe, struct err *e) MUST_CHECK;
/* A recipe that copies or recodes one whole tensor in its stored order.  dtype: of the output. */
bool plan_whole(struct plan *p, const struct tensor *from, enum dtype dtype, struct recipe *out,
                struct err *e) MUST_CHECK;
/* Runs a recipe whose dtype is F32: the first of BF16, F16, F32 that holds every value. */
bool plan_narrowest(struct plan *p, struct recipe r, enum dtype *best, struct err *e) MUST_CHECK;
/* One more file in a directory output. */
bool plan_extra(struct plan *p, struct str name, struct span bytes, const char *copy_of,
                uint64_t size, struct err *e) MUST_CHECK;

/* ---- the inner loop ------------------------------------------------------------ */

/* Stored rows of an output tensor (of [groups, cols, rows] when transposed), and bytes in one. */
uint64_t recipe_rows(const struct recipe *r);
uint64_t recipe_row_bytes(const struct recipe *r);

/* Bytes of one worker's buffers: the output tile, the source rows, and one turned row or column. */
struct tile_memory {
    uint64_t out, in[2], turned;
};
/* Raises *most to what tiles of n stored rows of this tensor take; an upper bound. */
void recipe_memory(const struct recipe *r, uint64_t n_rows, struct tile_memory *most);

/* Those buffers, but for the tile; they grow as needed and their old content is dropped.
 * Zero-initialise, scratch_free at the end. */
struct scratch {
    void *in[2], *turned;
    struct tile_memory room;
};
void scratch_free(struct scratch *s);

/* Makes stored rows first..first+n-1 of output tensor i in out.  *lost counts
 * elements that do not survive; with !allow_lossy the first such is ERR_UNSUPPORTED. */
bool tile_make(const struct plan *p, size_t i, uint64_t first, uint64_t n, void *out,
               struct scratch *s, uint64_t *lost, struct err *e) MUST_CHECK;

#endif
