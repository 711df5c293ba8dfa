/* tolerance.c - classes of agreement as rows, and explicit figures. */
#include "verify/tolerance.h"

#include "formats/base/json.h"
#include "formats/base/text.h"

#include <stddef.h>

enum bound { MOST, LEAST, AROUND_ONE };

struct figure {
    const char *name;
    enum bound bound;
    bool scored; /* needs the token that came next */
    size_t at;   /* of a double in the summary */
};

// clang-format off
enum { MAX, MEAN, NMSE, KL, KL_99, KL_MAX, SAME_TOP, TOP_5, DP, RATIO };
static const struct figure figures[TOLERANCE_LIMITS] = {
    [MAX]      = { "max",      MOST,       false, offsetof(struct divergence_summary, max_abs) },
    [MEAN]     = { "mean",     MOST,       false, offsetof(struct divergence_summary, mean_abs) },
    [NMSE]     = { "nmse",     MOST,       false, offsetof(struct divergence_summary, nmse) },
    [KL]       = { "kl",       MOST,       false, offsetof(struct divergence_summary, kl_mean) },
    [KL_99]    = { "kl99",     MOST,       false, offsetof(struct divergence_summary, kl_99) },
    [KL_MAX]   = { "klmax",    MOST,       false, offsetof(struct divergence_summary, kl_max) },
    [SAME_TOP] = { "same-top", LEAST,      false, offsetof(struct divergence_summary, same_top) },
    [TOP_5]    = { "top5",     LEAST,      false, offsetof(struct divergence_summary, top_5) },
    [DP]       = { "dp",       MOST,       true,  offsetof(struct divergence_summary, dp_rms) },
    [RATIO]    = { "ratio",    AROUND_ONE, true,  offsetof(struct divergence_summary, ratio) },
};

static const struct tolerance classes[] = {
    { .text = "exact",    .exact = true },
    { .text = "lossless", .limit = { [KL] = { true, 1e-4 }, [KL_99] = { true, 1e-3 }, [NMSE] = { true, 1e-4 },
                                     [SAME_TOP] = { true, 0.995 }, [RATIO] = { true, 5e-4 } } },
    { .text = "q8",       .limit = { [KL] = { true, 2e-3 }, [DP] = { true, 0.015 } } },
    { .text = "q4",       .limit = { [KL] = { true, 0.1 }, [KL_99] = { true, 1 }, [SAME_TOP] = { true, 0.85 },
                                     [RATIO] = { true, 0.1 } } },
};
// clang-format on

/* ---- what is asked for --------------------------------------------------------------- */

static bool read_number(struct str text, double *v, struct err *e)
{
    struct arena a = { 0 };
    struct json j;
    json_open(&j, "--tol", 0, text, &a, e);
    *v = json_double(&j);
    bool ok = json_end(&j);
    json_close(&j);
    arena_free(&a);
    return ok;
}

static bool read_figure(struct tolerance *t, struct str part, bool scored)
{
    struct err why = { 0 };
    const char *sign = part.len ? memchr(part.at, '=', part.len) : NULL;
    if (!sign)
        return false;
    struct str name = { part.at, (size_t)(sign - part.at) };
    struct str value = { sign + 1, part.len - name.len - 1 };
    for (size_t i = 0; i < TOLERANCE_LIMITS; i++)
        if (str_is(name, figures[i].name) && (scored || !figures[i].scored)) {
            t->limit[i].set = true;
            return read_number(value, &t->limit[i].at, &why) && t->limit[i].at >= 0;
        }
    return false;
}

bool tolerance_parse(struct tolerance *t, const char *text, bool scored, struct err *e)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(text, classes[i].text) == 0) {
            *t = classes[i];
            return true;
        }
    *t = (struct tolerance){ .text = text };
    for (struct str rest = str_of(text), part; rest.at;) {
        const char *comma = memchr(rest.at, ',', rest.len);
        part = (struct str){ rest.at, comma ? (size_t)(comma - rest.at) : rest.len };
        rest = comma ? str_of(comma + 1) : (struct str){ 0 };
        if (!read_figure(t, part, scored)) {
            err_set(e, ERR_USAGE, "--tol: '" STR_FMT "' is no class and no figure", STR_ARG(part));
            return err_hint(e,
                            "exact, lossless, q8, q4, or such as kl=1e-3,same-top=0.99; the "
                            "figures are max, mean, nmse, kl, kl99, klmax, same-top, top5%s",
                            scored ? ", dp, ratio" : "");
        }
    }
    return true;
}

/* ---- the verdict ------------------------------------------------------------------------ */

static bool keeps(enum bound bound, double value, double limit)
{
    double off = value > 1 ? value - 1 : 1 - value;
    return bound == MOST ? value <= limit : bound == LEAST ? value >= limit : off <= limit;
}

static void put_broken(struct buf *b, const struct figure *f, double value, double limit)
{
    static const char *const sign[] = { [MOST] = ">", [LEAST] = "<", [AROUND_ONE] = "not 1 +-" };
    char is[16], at[16];
    buf_printf(b, "%s%s %s %s %s", b->len ? ", " : "", f->name, text_number(is, value),
               sign[f->bound], text_number(at, limit));
}

bool tolerance_keeps(const struct tolerance *t, const struct divergence_summary *s,
                     struct buf *broken)
{
    bool all = !t->exact || s->identical == s->rows;
    if (!all)
        buf_printf(broken, "%zu of %zu rows differ", s->rows - s->identical, s->rows);
    for (size_t i = 0; i < TOLERANCE_LIMITS; i++) {
        double value;
        memcpy(&value, (const char *)s + figures[i].at, sizeof value);
        if (!t->limit[i].set || (figures[i].scored && !s->scored) ||
            keeps(figures[i].bound, value, t->limit[i].at))
            continue;
        put_broken(broken, &figures[i], value, t->limit[i].at);
        all = false;
    }
    return all;
}
