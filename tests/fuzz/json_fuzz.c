/* json_fuzz.c - any bytes through the reader; what it accepts cJSON must accept too. */
#include "formats/base/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct err strict = { 0 }, tree_err = { 0 };
    bool ok = json_check("fuzz", text, &strict);
    cJSON *tree = json_tree("fuzz", text, &tree_err);
    if (ok != !strict.code || (tree && !ok) || (!tree && tree_err.code == ERR_NONE))
        abort();
    cJSON_Delete(tree);
    return 0;
}
