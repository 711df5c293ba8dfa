/* metadata.h - typed key/values, in the types of GGUF.
 *
 * A value is kept as GGUF stores it (little-endian bytes, strings with their
 * u64 length), already checked, so a tokenizer of 200,000 tokens costs no
 * more than its bytes and is written back as it was read. */
#ifndef FORMATS_METADATA_H
#define FORMATS_METADATA_H

#include "formats/base/arena.h"
#include "formats/base/buf.h"

// clang-format off
enum meta_type { /* GGUF v3 value types, by number */
                 META_U8,
                 META_I8,
                 META_U16,
                 META_I16,
                 META_U32,
                 META_I32,
                 META_F32,
                 META_BOOL,
                 META_STRING,
                 META_ARRAY,
                 META_U64,
                 META_I64,
                 META_F64,
                 META_TYPE_COUNT,
};
// clang-format on

struct meta {
    struct str key;
    enum meta_type type;
    enum meta_type item; /* of an array */
    uint64_t count;      /* items of an array; 1 else */
    struct span bytes; /* the payload, of a string with its u64 length; of arrays the items alone */
};

struct metadata {
    struct meta *all; /* in file order */
    size_t n, room;
};

const char *meta_type_name(enum meta_type t); /* "u32", "string", ... */
uint32_t meta_type_bytes(enum meta_type t);   /* 0 for strings and arrays */

/* NULL if absent. */
const struct meta *meta_find(const struct metadata *m, const char *key);
/* False if absent or of a type that does not hold such a value. */
bool meta_get_u64(const struct metadata *m, const char *key,
                  uint64_t *out); /* any non-negative integer */
bool meta_get_double(const struct metadata *m, const char *key,
                     double *out); /* floats and integers */
bool meta_get_str(const struct metadata *m, const char *key, struct str *out);
bool meta_str(const struct meta *v, struct str *out); /* the text of a string value */
bool meta_get_bool(const struct metadata *m, const char *key, bool *out);

/* Walks the items of a string array: starts with *at = 0; false at the end. */
bool meta_next_str(const struct meta *array, size_t *at, struct str *out);

enum { META_MOST = 1 << 16 }; /* keys a reader takes from one file; releases have a few dozen */

/* Room for n more. */
bool meta_reserve(struct metadata *m, uint64_t n, struct arena *a, struct err *e) MUST_CHECK;
/* Appending; bytes and key must live as long as the metadata (arena).  False when memory ran out.
 */
bool meta_add(struct metadata *m, struct meta value, struct arena *a, struct err *e) MUST_CHECK;
bool meta_add_u32(struct metadata *m, const char *key, uint32_t v, struct arena *a,
                  struct err *e) MUST_CHECK;
bool meta_add_u16(struct metadata *m, const char *key, uint16_t v, struct arena *a,
                  struct err *e) MUST_CHECK;
bool meta_add_i32(struct metadata *m, const char *key, int32_t v, struct arena *a,
                  struct err *e) MUST_CHECK;
bool meta_add_f32(struct metadata *m, const char *key, float v, struct arena *a,
                  struct err *e) MUST_CHECK;
bool meta_add_bool(struct metadata *m, const char *key, bool v, struct arena *a,
                   struct err *e) MUST_CHECK;
bool meta_add_str(struct metadata *m, const char *key, struct str v, struct arena *a,
                  struct err *e) MUST_CHECK;

#endif
