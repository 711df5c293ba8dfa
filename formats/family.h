/* family.h - what a model family calls its tensors in every form it is published in.
 *
 * A family has atoms: the finest tensors that any of its forms keeps apart (q, k and v; gate
 * and up).  A form stores an atom alone or joined with others in one tensor.  One
 * table says, for each atom, where each form keeps it; converting from any form to any
 * other is reading one column and writing another. */
#ifndef FORMATS_FAMILY_H
#define FORMATS_FAMILY_H

#include "formats/plan.h"

enum join {
    ALONE,
    CONCAT,     /* rows of the atoms one after the other, in table order */
    INTERLEAVE, /* row 0 of each, row 1 of each, ... */
};

/* Where one form keeps one atom.  `{}` in the name stands for the layer. */
struct cell {
    const char *name; /* NULL: this form does not have it */
    enum join join;
};

enum atom_kind {
    ATOM_VECTOR,        /* [n]: norm, bias, sinks; F32 in GGUF */
    ATOM_ROUTER,        /* [r, c]; F32 in GGUF */
    ATOM_MATRIX,        /* [r, c] */
    ATOM_EXPERTS,       /* [e, r, c]: MXFP4, or plain numbers (transposed in the HF form) */
    ATOM_EXPERT_VECTOR, /* [e, n]; F32 in GGUF */
};

enum { FAMILY_FORMS = 3, FAMILY_DIMS = 4 };

struct family_row {
    enum atom_kind kind;
    bool optional;   /* may be missing: tied output */
    uint8_t dims[3]; /* symbols of the family: sizes that must agree everywhere */
    struct cell in[FAMILY_FORMS];
    const char *part; /* what it is called beside its HF name, where HF joins it with others */
};

struct replacement {
    uint8_t row;
    struct cell cell;
};

/* A form, or a dialect of one: a column with some cells replaced. */
struct spelling {
    const char *name;
    enum form form;
    uint8_t column;
    const char *blocks,
        *scales;     /* suffixes that make an MXFP4 pair of a name; NULL: whole blocks */
    bool transposed; /* plain experts are stored [e, c, r] */
    const struct replacement *replaced;
    size_t n_replaced;
};

struct family_view;

struct family {
    const char *name;        /* "gpt-oss" */
    const char *const *arch; /* general.architecture and model_type values, NULL-terminated */
    const struct family_row *rows;
    size_t n_rows;
    const struct spelling *spellings;
    size_t n_spellings;
    const char *const *symbols; /* names of the dims, for messages, by number; 0 is none */
    uint8_t walk_column;        /* outputs are walked in the order of this form's sorted names */

    /* Rows of part `part` of `parts` that CONCAT joined into a tensor of `rows` rows; 0 where
     * they cannot be told. */
    uint64_t (*part_rows)(const struct family_view *v, uint32_t layer, unsigned part,
                          unsigned parts, uint64_t rows);
    /* Fills v->dims from config.json or GGUF keys (0 = not said). */
    bool (*read_config)(struct family_view *v, const char *config_path, struct err *e);
    /* Adds keys (GGUF) or files (config.json ...) of the output, and notes of what is lost. */
    bool (*write_config)(const struct family_view *v, struct plan *p,
                         const struct plan_options *opt, const struct spelling *to, struct err *e);
};

/* One atom of one model. */
struct atom {
    size_t row;
    uint32_t layer;
    uint64_t groups, rows, cols;
    enum dtype dtype;            /* as stored; MXFP4_BLOCKS for a pair */
    const struct tensor *src[2]; /* NULL: absent (optional) */
    uint64_t src_rows, src_first, src_step;
    bool transposed;
};

/* A model seen as one of a family. */
struct family_view {
    const struct family *family; /* NULL: none that we know */
    const struct spelling *spelling;
    const struct model *model;
    uint32_t n_layers;
    uint64_t dims[16];  /* by symbol; 0 = not known yet */
    struct atom *atoms; /* layer atoms repeated for each layer; in walk order of the table */
    size_t n_atoms;
    const struct tensor **extra; /* tensors of no atom */
    size_t n_extra;
    void *config; /* of the family */
    struct arena arena;
};

/* Recognises the family and form of m and binds its atoms.  A model of no known family is
 * no error (v->family NULL).  A model that says it is of a family but lacks a
 * tensor, or has one of the wrong shape, is ERR_INPUT.  config: --config or NULL. */
bool family_open(struct family_view *v, const struct model *m, const char *config,
                 struct err *e) MUST_CHECK;
void family_close(struct family_view *v); /* may be called twice */

/* The spelling that is written for that form (the first listed), or NULL. */
const struct spelling *family_spelling(const struct family *f, enum form form);

/* The spelling that finds most of its tensors in m, and how many; NULL if none finds any. */
const struct spelling *family_match(const struct family *f, const struct model *m, size_t *found);

/* Appends the tensors of `to` to the plan, in walk order. */
bool family_write(const struct family_view *v, const struct spelling *to,
                  const struct plan_options *opt, struct plan *p, struct err *e) MUST_CHECK;

/* Atom i alone as an output of dtype `as` (DTYPE_NONE: as stored, MXFP4 whole), for
 * comparing two models of different forms.  Its name is that of family_atom_name. */
bool family_atom(const struct family_view *v, size_t i, enum dtype as, struct plan *p,
                 struct err *e) MUST_CHECK;

/* ---- shared by family.c, family_write.c and the families ----------------------- */

enum { FAMILY_NAME = 256 };
/* "blk.{}.x" and a suffix, for a layer; returns out. */
struct str family_name(char out[FAMILY_NAME], const char *pattern, uint32_t layer,
                       const char *suffix);
/* The HF name of an atom; "NAME (gate)" where HF joins it with others. */
struct str family_atom_name(char out[FAMILY_NAME], const struct family *f, const struct atom *a);
/* Where this spelling keeps row `row`. */
struct cell family_cell(const struct family *f, const struct spelling *s, size_t row);
bool family_per_layer(const struct family_row *r);
/* The text of --config (may be NULL), or of config.json beside the weights, and its path.
 * Absent: at == NULL. */
bool family_config(const struct model *m, const char *config, struct arena *a, const char **path,
                   struct str *text, struct err *e) MUST_CHECK;

extern const struct family family_gpt_oss;
extern const struct family *const families[]; /* NULL-terminated */

#endif
