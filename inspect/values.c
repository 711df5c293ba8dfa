/* values.c - NaN and infinity among stored weights and block scales.
 *
 * Nothing is decoded: where a number of a type is not finite can be seen from its exponent
 * bits, and a block of a ggml type is finite if its scales are. */
#include "inspect/values.h"

#include "quant/bytes.h"

/* The n numbers of `width` bytes in one block that decide: not finite where (v & mask) == want. */
struct probe {
    uint8_t width, n, at[2];
    uint64_t mask, want;
};

// clang-format off
#define F32_AT(first)       { 4, 1, { first }, 0x7f800000, 0x7f800000 }
#define F16_AT(first)       { 2, 1, { first }, 0x7c00, 0x7c00 }
#define F16S_AT(one, two)   { 2, 2, { one, two }, 0x7c00, 0x7c00 }
#define BYTE(mask, want)    { 1, 1, { 0 }, mask, want }

/* Layouts: formats and block structs of ggml; OCP OFP8 and MX v1.0. */
static const struct probe probes[DTYPE_COUNT] = {
    [DTYPE_F64] = { 8, 1, { 0 }, 0x7ff0000000000000, 0x7ff0000000000000 },
    [DTYPE_F32] = F32_AT(0), [DTYPE_C64] = { 4, 2, { 0, 4 }, 0x7f800000, 0x7f800000 },
    [DTYPE_F16] = F16_AT(0), [DTYPE_BF16] = { 2, 1, { 0 }, 0x7f80, 0x7f80 },
    [DTYPE_F8_E4M3] = BYTE(0x7f, 0x7f), [DTYPE_F8_E5M2] = BYTE(0x7c, 0x7c), [DTYPE_F8_E8M0] = BYTE(0xff, 0xff),
    [DTYPE_F8_E4M3FNUZ] = BYTE(0xff, 0x80), [DTYPE_F8_E5M2FNUZ] = BYTE(0xff, 0x80),
    [DTYPE_Q4_0] = F16_AT(0), [DTYPE_Q4_1] = F16S_AT(0, 2), [DTYPE_Q5_0] = F16_AT(0), [DTYPE_Q5_1] = F16S_AT(0, 2),
    [DTYPE_Q8_0] = F16_AT(0), [DTYPE_Q8_1] = F16S_AT(0, 2), [DTYPE_Q8_K] = F32_AT(0),
    [DTYPE_Q2_K] = F16S_AT(80, 82), [DTYPE_Q3_K] = F16_AT(108), [DTYPE_Q4_K] = F16S_AT(0, 2),
    [DTYPE_Q5_K] = F16S_AT(0, 2), [DTYPE_Q6_K] = F16_AT(208),
    [DTYPE_IQ2_XXS] = F16_AT(0), [DTYPE_IQ2_XS] = F16_AT(0), [DTYPE_IQ2_S] = F16_AT(0), [DTYPE_IQ3_XXS] = F16_AT(0),
    [DTYPE_IQ3_S] = F16_AT(0), [DTYPE_IQ1_S] = F16_AT(0), [DTYPE_IQ4_NL] = F16_AT(0), [DTYPE_IQ4_XS] = F16_AT(0),
    [DTYPE_TQ1_0] = F16_AT(52), [DTYPE_TQ2_0] = F16_AT(64), [DTYPE_Q1_0] = F16_AT(0), [DTYPE_Q2_0] = F16_AT(0),
    [DTYPE_MXFP4] = BYTE(0xff, 0xff), [DTYPE_MXFP4_LINEAR] = BYTE(0xff, 0xff), [DTYPE_MXFP4_SCALES] = BYTE(0xff, 0xff),
};
// clang-format on

struct scan {
    const enum dtype *as; /* by output tensor: what its bytes are */
    const size_t *of;     /* which tensor of the model it is */
    uint64_t *bad;        /* by tensor of the model */
};

static uint64_t load(const uint8_t *p, uint8_t width)
{
    switch (width) {
    case 1: return *p;
    case 2: return load16(p);
    case 4: return load32(p);
    default: return load64(p);
    }
}

static bool see(void *ctx, size_t tensor, uint64_t at, struct span bytes, struct err *e)
{
    struct scan *s = ctx;
    enum dtype t = s->as[tensor];
    const struct probe *p = &probes[t];
    uint64_t n = 0, block = dtype_info[t].block_bytes;
    (void)at;
    (void)e;
    for (uint64_t i = 0; i < bytes.len; i += block) /* tiles are whole rows: whole blocks */
        for (uint8_t k = 0; k < p->n; k++)
            n += (load(bytes.at + i + p->at[k], p->width) & p->mask) == p->want;
    s->bad[s->of[tensor]] += n;
    return true;
}

/* Types by tensor; U8 scales of a family's MXFP4 are what they are. */
static void find_types(const struct model *m, const struct family_view *view, enum dtype *as)
{
    for (size_t i = 0; i < m->n_tensors; i++)
        as[i] = m->tensors[i].dtype;
    for (size_t i = 0; i < view->n_atoms; i++)
        if (view->atoms[i].dtype == DTYPE_MXFP4_BLOCKS)
            as[view->atoms[i].src[1] - m->tensors] = DTYPE_MXFP4_SCALES;
}

static bool add(struct plan *p, const struct tensor *t, struct err *e)
{
    struct recipe r;
    return plan_whole(p, t, t->dtype, &r, e) &&
           plan_add(p, t->name, t->dtype, t->ndim, t->dim, r, e);
}

bool values_scan(const struct model *m, const struct family_view *view,
                 const struct execute_options *opt, uint64_t *bad, struct err *e)
{
    struct plan p = { .src = m };
    size_t n = m->n_tensors;
    enum dtype *as = arena_new(&p.out.arena, enum dtype, n, e);
    size_t *of = arena_new(&p.out.arena, size_t, n, e);
    bool ok = as && of && plan_reserve(&p, n, e);
    if (ok)
        find_types(m, view, as);
    for (size_t i = 0; ok && i < n; i++) {
        size_t k = p.out.n_tensors;
        bad[i] = 0;
        if (!probes[as[i]].n)
            continue;
        as[k] = as[i]; /* k <= i */
        of[k] = i;
        ok = add(&p, &m->tensors[i], e);
    }
    struct scan s = { as, of, bad };
    ok = ok && execute_each(&p, opt, see, &s, e);
    plan_free(&p);
    return ok;
}
