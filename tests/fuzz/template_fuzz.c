/* template_fuzz.c - chat templates: whatever is reported of one lies inside it. */
#include "inspect/template.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size }, condition;
    uint32_t first;
    if (template_branches(text, &condition) &&
        (condition.at < text.at || condition.at + condition.len > text.at + text.len))
        abort();
    if (template_invisible(text, &first) > size)
        abort();
    return 0;
}
