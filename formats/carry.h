/* carry.h - an output that carries its source: --reversible.
 *
 * Every other file of the source directory, and the header of every weight file, travel with
 * the weights, so that the way back gives the same bytes.
 *
 *   GGUF             keys: weighmaster.carry   JSON, below
 *                          weighmaster.file.N  the N-th file or header, a string
 *   directories      weighmaster/carry.json, weighmaster/NAME, weighmaster/NAME.header
 *
 *   {"schema": "weigh.carry/1", "form": "hf", "files": [
 *      {"name": ..., "bytes": ..., "sha256": ..., "weights": true, "encoding": "text"}, ...]}
 *
 * A weight file is carried as its header alone: the safetensors JSON, or all of a GGUF before
 * its tensor data.  encoding (GGUF only) is "text", or "zstd+base64" for what is not UTF-8 or
 * longer than 1 MiB. */
#ifndef FORMATS_CARRY_H
#define FORMATS_CARRY_H

#include "formats/family.h"

#define CARRY_SCHEMA      "weigh.carry/1"
#define CARRY_FOLDER      "weighmaster/"
#define CARRY_KEY         "weighmaster.carry"
#define CARRY_KEY_OF_FILE "weighmaster.file."
#define CARRY_MOST        ((uint64_t)1 << 30) /* bytes of carried files that are held in memory */

/* May files that take so many bytes in GGUF keys unpack to so many?  A small file must not make its
 * reader allocate a gigabyte of zeros; a tokenizer packs to a fifth. */
static inline bool carry_in_proportion(uint64_t packed, uint64_t unpacked)
{
    return unpacked <= CARRY_MOST && unpacked / 4 <= (8u << 20) + packed;
}

/* Is it one of the GGUF keys above? */
bool carry_is_key(struct str key);

/* Adds the files of p->src to the plan's output: keys or extras. */
bool carry_store(struct plan *p, const struct family_view *v, const struct plan_options *opt,
                 struct err *e) MUST_CHECK;

/* If p->src carries files of the form that opt asks for, plans their restoration, digests
 * included: *carried, and the plan is complete and laid out.  Else nothing happens. */
bool carry_restore(struct plan *p, const struct plan_options *opt, bool *carried,
                   struct err *e) MUST_CHECK;

/* The form that m carries, or FORM_NONE.  False where its list cannot be read. */
bool carry_form(const struct model *m, enum form *form, struct err *e) MUST_CHECK;

#endif
