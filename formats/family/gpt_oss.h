/* gpt_oss.h - what the files of the gpt-oss family share: tensors in gpt_oss.c, the values of
 * the configuration in gpt_oss_config.c, and what stands beside the tensors of an output:
 * keys in gpt_oss_keys.c, files in gpt_oss_write.c, what is lost in gpt_oss_lost.c. */
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

/* The atoms: rows of the family's table. */
enum gpt_oss_row {
    EMBED,
    OUT_NORM,
    OUTPUT,
    ATTN_NORM,
    Q_W,
    K_W,
    V_W,
    Q_B,
    K_B,
    V_B,
    SINKS,
    O_W,
    O_B,
    MLP_NORM,
    ROUTER_W,
    ROUTER_B,
    GATE_W,
    UP_W,
    DOWN_W,
    GATE_B,
    UP_B,
    DOWN_B,
    GPT_OSS_ROWS
};

/* ---- settings (gpt_oss_config.c) ------------------------------------------------- */

enum setting_kind {
    FIXED,   /* the release's text; no other form can say anything else */
    WHOLE,   /* an integer */
    NUMBER,  /* printed as an integer where it is one: 150000 */
    FLOAT,   /* always with a point: 32.0 */
    FLAG,    /* true or false; not said: false */
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
    struct str rope;  /* "yarn"; "default" where positions are not scaled */
    struct {
        bool known;
        double value;
    } of[N_SETTINGS];
};

/* False where the text is no JSON or a size is no whole number. */
bool gpt_oss_from_json(struct config *c, struct err *e) MUST_CHECK;
void gpt_oss_from_keys(struct config *c, const struct metadata *m);
/* Values that one form keeps under two names, computes or leaves to the release. */
void gpt_oss_complete(struct config *c);
/* Sizes that the configuration does not say and the tensors do. */
void gpt_oss_measure(struct config *c, const struct family_view *v);
bool gpt_oss_scaled_rope(const struct config *c);
/* config.json, original/config.json and original/dtypes.json as the release writes them. */
void gpt_oss_put_hf(struct buf *b, const struct family_view *v, const struct config *c,
                    const struct plan *p);
void gpt_oss_put_original(struct buf *b, const struct config *c);
void gpt_oss_put_dtypes(struct buf *b, const struct family_view *v, const struct plan *p);
bool gpt_oss_read_config(struct family_view *v, const char *config_path, struct err *e);
/* Which of the n layers see a sliding window only. */
bool gpt_oss_layers(const struct config *c, bool *sliding, uint32_t n, struct err *e);

/* ---- the output ---------------------------------------------------------------------- */

bool gpt_oss_has_mxfp4(const struct plan *p); /* the output does */
bool gpt_oss_write_config(const struct family_view *v, struct plan *p,
                          const struct plan_options *opt, const struct spelling *to, struct err *e);
/* ERR_INPUT unless everything is known that loaders need. */
bool gpt_oss_need_all(const struct config *c, struct err *e) MUST_CHECK;
/* Adds the GGUF keys of an output: made of a configuration, or those of a GGUF source. */
bool gpt_oss_put_keys(const struct family_view *v, const struct config *c, struct plan *p,
                      struct err *e) MUST_CHECK;
bool gpt_oss_copy_keys(const struct family_view *v, struct plan *p, const struct plan_options *opt,
                       struct err *e) MUST_CHECK;
/* The source's keys as llama.cpp spells them: early-Ollama names are translated. */
bool gpt_oss_spell_keys(const struct family_view *v, struct metadata *to, struct arena *a,
                        struct err *e) MUST_CHECK;

/* Notes the keys of a GGUF, spelled as llama.cpp does, that a directory does not hold. */
bool gpt_oss_note_keys(const struct metadata *spelled, struct plan *p, struct err *e) MUST_CHECK;
/* Notes the values of config.json that an output of that form does not hold. */
bool gpt_oss_note_config(const struct family_view *v, const struct config *c, struct plan *p,
                         enum form to, struct err *e) MUST_CHECK;

#endif
