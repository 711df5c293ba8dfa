/* template.h - what to know about a chat template without running it. */
#ifndef INSPECT_TEMPLATE_H
#define INSPECT_TEMPLATE_H

#include "formats/base/span.h"

/* True where the text does something else for some message contents: an `if` (of a tag or inside
 * an expression) that compares a message's content with a literal.  *condition is the
 * first such.  A branch that does nothing but raise_exception is none: it only refuses. */
bool template_branches(struct str text, struct str *condition);

/* Code points that show nothing or turn the text around, newline and tab aside; bytes that are
 * not UTF-8 count too.  *first: the first of them (0xFFFD for a bad byte). */
uint64_t template_invisible(struct str text, uint32_t *first);

#endif
