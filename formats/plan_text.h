/* plan_text.h - a plan as text: for people (--dry-run), for programs and for running again. */
#ifndef FORMATS_PLAN_TEXT_H
#define FORMATS_PLAN_TEXT_H

#include "formats/plan.h"

/* What was asked for, so that --from-plan can ask again. */
struct plan_request {
    const char *source, *dest;
    struct plan_options options;
};

/* One line per output tensor and file, then the totals.  memory: of execute_memory. */
void plan_print(struct buf *b, const struct plan *p, uint64_t memory);

/* JSON, schema "weigh.plan/1": the request, every output file with its exact size, every
 * tensor with its sources and steps, each step with whether it is exact and what undoes it. */
void plan_json(struct buf *b, const struct plan *p, const struct plan_request *request);

enum { PLAN_MOST = 1 << 30 }; /* bytes of such a text that are read */

/* Reads the request back out of such a text.  Strings live in the arena. */
bool plan_request_read(const char *path, struct plan_request *request, struct arena *a,
                       struct err *e) MUST_CHECK;

#endif
