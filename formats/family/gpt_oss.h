/* gpt_oss.h - what the two files of the gpt-oss family share. */
#ifndef FAMILY_GPT_OSS_H
#define FAMILY_GPT_OSS_H

#include "formats/family.h"

/* The sizes that tensors and configuration must agree on. */
enum gpt_oss_dim {
    DIM_NONE,
    DIM_VOCAB,
    DIM_HIDDEN,
    DIM_Q,  /* heads x head_dim */
    DIM_KV, /* kv heads x head_dim */
    DIM_HEADS,
    DIM_EXPERTS,
    DIM_INNER, /* intermediate size */
};

/* ---- settings (gpt_oss_config.c) ------------------------------------------------- */

enum setting_kind {
    FIXED,   /* the release's text; no other form can say anything else */
    WHOLE,   /* an integer */
    NUMBER,  /* printed as an integer where it is one: 150000 */
    FLOAT,   /* always with a point: 32.0 */
    SPECIAL, /* made from the weights: see put_special */
};

struct setting {
    const char *hf;       /* dotted */
    const char *original; /* NULL: original/config.json has none */
    const char *gguf;     /* behind "gpt-oss."; with ':' in front: the whole key; NULL: none */
    enum setting_kind kind;
    const char *fixed;   /* JSON text of a FIXED one */
    double fallback;     /* of the release, where a form cannot say; 0: none */
    bool needed;         /* GGUF loaders refuse a file without it */
    enum meta_type type; /* in GGUF */
};

/* In the order of the released config.json. */
enum { N_SETTINGS = 37 };
extern const struct setting gpt_oss_settings[N_SETTINGS];
size_t gpt_oss_setting(const char *hf); /* its number */

struct config {
    const char *path; /* of the JSON, for messages; NULL where keys were read */
    struct str text;  /* of config.json or original/config.json */
    bool is_hf;       /* text is the HF form */
    struct {
        bool known;
        double value;
    } of[N_SETTINGS];
};

void gpt_oss_know(struct config *c, size_t i, double value);
void gpt_oss_from_keys(struct config *c, const struct metadata *m);
/* Values that one form keeps under two names, computes or leaves to the release. */
void gpt_oss_complete(struct config *c);
/* config.json, original/config.json and original/dtypes.json as the release writes them. */
void gpt_oss_put_hf(struct buf *b, const struct family_view *v, const struct config *c,
                    const struct plan *p);
void gpt_oss_put_original(struct buf *b, const struct config *c);
void gpt_oss_put_dtypes(struct buf *b, const struct family_view *v, const struct plan *p);
bool gpt_oss_read_config(struct family_view *v, const char *config_path, struct err *e);

/* ---- gpt_oss_write.c ----------------------------------------------------------------- */

bool gpt_oss_has_mxfp4(const struct plan *p); /* the output does */
bool gpt_oss_write_config(const struct family_view *v, struct plan *p,
                          const struct plan_options *opt, const struct spelling *to, struct err *e);

#endif
