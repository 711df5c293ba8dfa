/* roundtrip.h - proof that an output holds all of its source. */
#ifndef VERIFY_ROUNDTRIP_H
#define VERIFY_ROUNDTRIP_H

#include "formats/execute.h"

struct proof {
    uint64_t tensors, bytes; /* of the source, compared bit for bit */
    uint64_t values;         /* tensors compared by value: the types differ, as asked for */
    uint64_t files;          /* restored in memory and equal by SHA-256 (--reversible) */
};

/* Opens the written output by name, converts it back into the null writer, reads the source
 * again and compares.  retyped: --type was given, so values are compared, not bytes.
 * ERR_MISMATCH names the first tensor (or file) that differs. */
bool roundtrip_prove(const char *source, const char *output, const char *config, bool retyped,
                     bool reversible, const struct execute_options *opt, struct proof *proof,
                     struct err *e) MUST_CHECK;

#endif
