/* json.h - strict JSON: a pull reader for what comes from files, a writer for
 * what we publish, and cJSON trees for small documents.
 *
 * The reader is the trust boundary: RFC 8259 grammar, well-formed UTF-8, no
 * duplicate name in any object, no \u0000 and no lone surrogate in a string,
 * depth at most JSON_DEPTH, nothing behind the document.  A member that the
 * caller skips is checked as strictly as one it reads.  Texts are at most
 * 4 GiB.  Failure sticks as in cursor.h; messages read "path:0xOFFSET: what". */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "formats/base/arena.h"
#include "formats/base/buf.h"

enum { JSON_DEPTH = 128 };

enum json_type {
    JSON_NONE, /* the reader has failed */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json {
    const char *path; /* for messages only */
    uint64_t base;    /* offset of text in that file, added in messages */
    struct str text;
    size_t at;           /* next unread byte */
    size_t value_at;     /* where the last value or name began */
    struct arena *arena; /* decoded strings live here; strings without escapes point into text */
    struct err *err;
    bool rfc_only; /* set after json_open: allow equal names and \u0000, as RFC 8259 does */
    bool first;    /* no member of the innermost container was read yet */
    int depth;
    uint64_t seed;                        /* of the names' hashes */
    struct json_names *names[JSON_DEPTH]; /* names seen, per open object; json_close frees */
};

/* json_close frees what the reader holds (not the arena); call it always. */
void json_open(struct json *j, const char *path, uint64_t base, struct str text,
               struct arena *arena, struct err *e);
void json_close(struct json *j);
bool json_ok(const struct json *j);
bool json_fail(struct json *j, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What the next value is, without reading it. */
enum json_type json_peek(struct json *j);

/* Walking:   json_object(j); while (json_key(j, &key)) { read or json_skip the value }
 *            json_array(j);  while (json_item(j))      { read or json_skip the value }
 * json_key and json_item return false at the end of the container and on failure.
 * In a large object json_key may notice equal names some names later, at its end
 * at the latest: nothing read is to be trusted before json_end. */
void json_object(struct json *j);
bool json_key(struct json *j, struct str *key);
void json_array(struct json *j);
bool json_item(struct json *j);

struct str json_string(struct json *j);
uint64_t json_u64(struct json *j);  /* digits only: no sign, fraction or exponent; at most 2^64-1 */
double json_double(struct json *j); /* must be finite */
bool json_bool(struct json *j);
void json_skip(struct json *j);
/* The text of the next value as it stands, checked. */
struct str json_raw(struct json *j);
/* The document must end here; only whitespace may follow.  Returns json_ok. */
bool json_end(struct json *j);

/* The whole text, checked and thrown away. */
bool json_check(const char *path, struct str text, struct err *e);

/* ---- trees: config.json and the like, at most JSON_TREE_MAX bytes -------- */

enum { JSON_TREE_MAX = 16 << 20 };
struct cJSON;
/* Checks the text as above, then parses it.  cJSON_Delete frees it.  NULL on failure. */
struct cJSON *json_tree(const char *path, struct str text, struct err *e);
/* The member at "a.b.c", case-sensitive, or NULL. */
const struct cJSON *json_at(const struct cJSON *tree, const char *dotted);
/* False, and *out stays, unless the member is there and of this kind: a whole number below
 * 2^53 (above, cJSON no longer tells neighbours apart), a number, a string. */
bool json_get_u64(const struct cJSON *tree, const char *dotted, uint64_t *out);
bool json_get_double(const struct cJSON *tree, const char *dotted, double *out);
bool json_get_str(const struct cJSON *tree, const char *dotted,
                  struct str *out); /* points into the tree */

/* ---- writing -------------------------------------------------------------- */

/* cJSON's printer knows neither the spacing of the released files (compact,
 * Python's ", " and ": ", two-space indent) nor "32.0", so we have our own. */
enum json_style {
    JSON_COMPACT, /* {"a":[1,2]}                safetensors headers */
    JSON_SPACED,  /* {"a": [1, 2]}              json.dumps: index.json, original/config.json */
    JSON_INDENT,  /* json.dumps(indent=2)       config.json, tokenizer.json, our --json */
};

struct json_out {
    struct buf *buf; /* failure sticks there */
    enum json_style style;
    int depth;
    bool first; /* no member of the innermost container was written yet */
    bool after_key;
};

static inline struct json_out json_out(struct buf *b, enum json_style style)
{
    return (struct json_out){ .buf = b, .style = style, .first = true };
}
void json_put_open(struct json_out *o, char bracket);  /* '{' or '[' */
void json_put_close(struct json_out *o, char bracket); /* '}' or ']' */
void json_put_key(struct json_out *o, struct str key);
/* Escapes ", \ and controls; the rest stays UTF-8.  Each byte that is not UTF-8 becomes U+FFFD:
 * what we write is always JSON. */
void json_put_str(struct json_out *o, struct str s);
void json_put_u64(struct json_out *o, uint64_t v);
/* The shortest digits that read back, as Python's repr: 32.0, 1e-05.  Not finite: null. */
void json_put_double(struct json_out *o, double v);
void json_put_bool(struct json_out *o, bool v);
void json_put_null(struct json_out *o);
void json_put_raw(struct json_out *o, struct str json); /* a ready value */
/* A finished text again, with what a terminal obeys or hides (text_unsafe) written as \uNNNN: it
 * says the same to a program.  Line ends between values stay. */
void json_put_safe(struct buf *b, struct str json);
/* key and value in one, for records */
void json_put_kstr(struct json_out *o, const char *key, struct str s);
void json_put_ku64(struct json_out *o, const char *key, uint64_t v);
void json_put_kbool(struct json_out *o, const char *key, bool v);

#endif
