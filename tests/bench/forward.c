/* forward.c - tokens per second of the reference forward pass.
 *
 * usage: forward MODEL PREFILL DECODE
 *
 * Feeds PREFILL tokens at once and then DECODE tokens one by one, the logits of each computed;
 * the first pass over the weights (reading them) is not counted.  Prints one line,
 * "PREFILL-TOKENS/S DECODE-TOKENS/S". */
#include "formats/model.h"
#include "quant/kernel/kernel.h"
#include "verify/forward/session.h"

#include <stdio.h>
#include <stdlib.h>

static bool ignore(void *ctx, size_t first, size_t n, const float *logits, struct err *e)
{
    (void)ctx, (void)first, (void)n, (void)logits, (void)e;
    return true;
}

/* Any tokens will do; those of one prompt differ, so that experts are chosen as in a text. */
static uint32_t token(size_t i, uint64_t vocab) { return (uint32_t)((i * 7919 + 13) % vocab); }

static double feed(struct session *s, size_t n, bool one_by_one, struct err *e)
{
    uint32_t ids[4096];
    uint64_t start = clock_ns();
    bool ok = n <= sizeof ids / sizeof *ids;
    for (size_t i = 0; ok && i < n; i++)
        ids[i] = token(s->position + i, s->vocab);
    for (size_t i = 0; ok && one_by_one && i < n; i++)
        ok = session_run(s, ids + i, 1, 0, ignore, NULL, e);
    if (ok && !one_by_one)
        ok = session_run(s, ids, n, n - 1, ignore, NULL, e);
    return ok ? (double)n / ((double)(clock_ns() - start) / 1e9) : 0;
}

int main(int argc, char **argv)
{
    struct model m = { 0 };
    struct session s = { 0 };
    struct err e = { 0 };
    if (argc != 4)
        return 2;
    size_t prefill = strtoul(argv[2], NULL, 10), decode = strtoul(argv[3], NULL, 10);
    const struct session_options opt = { .isa = isa_detect() };
    bool ok = model_open(&m, argv[1], &e) && session_open(&s, &m, &opt, &e) &&
              feed(&s, prefill, false, &e) > 0; /* reads the weights */
    if (ok) {
        session_reset(&s);
        double at_once = feed(&s, prefill, false, &e), single = feed(&s, decode, true, &e);
        printf("%.3f %.3f\n", at_once, single);
    }
    session_close(&s);
    model_close(&m);
    if (e.code)
        fprintf(stderr, "forward: %s\n", e.msg);
    return (int)e.code;
}
