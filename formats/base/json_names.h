/* json_names.h - the names already seen in each open object; used by the reader alone. */
#ifndef BASE_JSON_NAMES_H
#define BASE_JSON_NAMES_H

#include "formats/base/json.h"

/* Adds the decoded name, which stands in the text behind the quote at `at - 1`, to the
 * innermost object.  False, and the reader has failed, if a name came twice (it
 * may be an earlier one: they are looked up in bulk) or memory ran out. */
bool json_names_add(struct json *j, size_t at, struct str name);
/* The innermost object ends: looks up what is left, then forgets its names. */
bool json_names_end(struct json *j);
void json_names_free(struct json *j);

#endif
