/* findings.h - what somebody should know about a model before using it: rules that only read. */
#ifndef INSPECT_FINDINGS_H
#define INSPECT_FINDINGS_H

#include "inspect/facts.h"

#include "formats/execute.h"

enum severity { SEVERITY_NOTE, SEVERITY_WARNING };
const char *severity_name(enum severity s); /* "note", "warning" */

struct finding {
    const char *id; /* stable: "no-architecture" */
    enum severity severity;
    const char *text; /* one line, without newline; holds text from files as it is */
};

struct findings {
    struct finding *all; /* in the order of the rules */
    size_t n;
    bool scanned; /* the values were looked at */
    struct arena arena;
};

enum { FINDINGS_SMALL = 4 << 20 };
/* scan: read all tensor data however large; else only up to FINDINGS_SMALL bytes are looked at. */
bool findings_open(struct findings *f, const struct facts *facts, bool scan,
                   const struct execute_options *run, struct err *e) MUST_CHECK;
void findings_close(struct findings *f); /* may be called twice */

/* The rules, up to one whose id is NULL. */
struct look;
struct rule {
    const char *id;
    enum severity severity;
    const char *looks_at;
    bool (*look)(struct look *l);
};
extern const struct rule finding_rules[];

#endif
