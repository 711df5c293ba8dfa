/* values.h - NaN and infinity among stored weights and block scales. */
#ifndef INSPECT_VALUES_H
#define INSPECT_VALUES_H

#include "formats/execute.h"
#include "formats/family.h"

/* bad[i] becomes the number of elements (or block scales) of m->tensors[i] that are NaN or
 * infinite; integer types have none.  view tells which U8 tensors are MXFP4 scales; it may be
 * zeroed.  Reads all tensor data. */
bool values_scan(const struct model *m, const struct family_view *view,
                 const struct execute_options *opt, uint64_t *bad, struct err *e) MUST_CHECK;

#endif
