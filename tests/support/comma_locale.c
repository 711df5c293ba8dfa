/* comma_locale.c - takes an installed German locale or compiles one. */
#include "tests/support/comma_locale.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

static bool use(const char *name)
{
    return setlocale(LC_ALL, name) && localeconv()->decimal_point[0] == ',';
}

bool comma_locale(void)
{
    char dir[] = "/tmp/weigh-locale-XXXXXX", command[256];
    if (use("de_DE.UTF-8") || use("fr_FR.UTF-8"))
        return true;
    bool made = false;
    if (mkdtemp(dir)) {
        snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/log 2>&1",
                 dir, dir);
        made = system(command) == 0 && setenv("LOCPATH", dir, 1) == 0 && use("de_DE.UTF-8");
        snprintf(command, sizeof command, "rm -rf %s", dir);
        if (system(command) != 0)
            fprintf(stderr, "left behind: %s\n", dir);
    }
    if (!made)
        fprintf(stderr, "SKIP: no locale with a decimal comma\n");
    return made;
}
