/* kernel_test.c - every ISA gives the bits of scalar.c: all lengths, alignments and bit patterns.
 *
 * usage: kernel_test            TAP; SEED=N for other numbers
 *        kernel_test --bench    times the same calls, one thread
 *
 * Plain C, so that it also runs without CMocka (`make check-arm`). */
#include "quant/dtype.h"
#include "quant/kernel/kernel.h"
#include "tests/support/guard.h"
#include "tests/support/values.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TYPES = 4, WEIGHTED_SUM = TYPES, KERNELS };

static const enum dtype types[TYPES] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_MXFP4 };

static uint64_t seed = 1;

/* ---- one call --------------------------------------------------------------- */

struct matrix {
    uint8_t *at;
    size_t rows, row_bytes, stride;
};

/* Of matmul: W is rows x n, x is tokens x n.  Of weighted_sum: v is n x rows, p is 1 x n. */
struct call {
    size_t kernel, n, rows, tokens;
    enum values kind;
    struct matrix w, x, out;
};

static matmul_fn *matmul_of(const struct kernels *k, size_t kernel)
{
    matmul_fn *const all[] = { k->matmul_f32, k->matmul_f16, k->matmul_bf16, k->matmul_mxfp4 };
    return all[kernel];
}

static void run(const struct kernels *k, const struct call *c)
{
    float *out = (float *)(void *)c->out.at, *x = (float *)(void *)c->x.at;
    if (c->kernel == WEIGHTED_SUM)
        k->weighted_sum(out, x, (float *)(void *)c->w.at, c->w.stride / 4, c->n, c->rows);
    else
        matmul_of(k, c->kernel)(out, c->out.stride / 4, c->w.at, c->w.stride, c->rows, x,
                                c->x.stride / 4, c->tokens, c->n);
}

static size_t row_bytes(size_t kernel, size_t n)
{
    const struct dtype_info *info = &dtype_info[types[kernel]];
    return n / info->block_elems * info->block_bytes;
}

/* The shapes of a call's matrices, without gaps. */
static struct call call_of(size_t kernel, size_t n, size_t rows, size_t tokens, enum values kind)
{
    struct call c = { .kernel = kernel, .n = n, .rows = rows, .tokens = tokens, .kind = kind };
    if (kernel == WEIGHTED_SUM)
        c.w = (struct matrix){ NULL, n, rows * 4, rows * 4 };
    else
        c.w = (struct matrix){ NULL, rows, row_bytes(kernel, n), row_bytes(kernel, n) };
    c.x = (struct matrix){ NULL, tokens, n * 4, n * 4 };
    c.out = (struct matrix){ NULL, tokens, rows * 4, rows * 4 };
    return c;
}

static size_t span_of(const struct matrix *m)
{
    return m->rows ? (m->rows - 1) * m->stride + m->row_bytes : 0;
}

/* ---- against scalar --------------------------------------------------------- */

enum { AREA = 16 << 20 };
static uint8_t *packed[3], *guarded[3]; /* w, x, out: as filled, and between unreadable pages */
static unsigned isa_now;
static struct call now;

static const char *kernel_name(size_t kernel)
{
    static const char *const names[KERNELS] = { "matmul_f32", "matmul_f16", "matmul_bf16",
                                                "matmul_mxfp4", "weighted_sum" };
    return names[kernel];
}

static void isa_print(unsigned isa)
{
    if (!isa)
        printf("scalar");
    for (unsigned bit = 1; bit <= isa; bit *= 2)
        if (isa & bit)
            printf("%s%s", isa & (bit - 1) ? "+" : "", isa_name(bit));
}

static void describe(void)
{
    printf("# SEED=%llu isa=", (unsigned long long)seed);
    isa_print(isa_now);
    printf(" %s n=%zu rows=%zu tokens=%zu values=%s strides=%zu,%zu,%zu", kernel_name(now.kernel),
           now.n, now.rows, now.tokens, values_name(now.kind), now.w.stride, now.x.stride,
           now.out.stride);
}

static void on_fault(int signal)
{
    (void)signal;
    describe();
    printf(": touches memory outside the rows\n");
    fflush(stdout);
    _exit(1);
}

/* m with gaps behind its rows, at the end or the start of the area. */
static struct matrix placed(const struct matrix *m, uint8_t *area, size_t gap, bool at_end)
{
    struct matrix p = *m;
    p.stride += gap;
    p.at = at_end ? area + AREA - span_of(&p) : area;
    for (size_t r = 0; r < p.rows; r++)
        memcpy(p.at + r * p.stride, m->at + r * m->stride, m->row_bytes);
    return p;
}

static bool compare(const struct call *c, const struct matrix *got)
{
    for (size_t t = 0; t < c->tokens; t++)
        for (size_t r = 0; r < c->rows; r++) {
            float a, b;
            memcpy(&a, got->at + t * got->stride + 4 * r, 4);
            memcpy(&b, c->out.at + t * c->out.stride + 4 * r, 4);
            if (memcmp(&a, &b, 4) == 0 || (a != a && b != b))
                continue;
            describe();
            printf(": out[%zu][%zu] = %a, scalar %a\n", t, r, (double)a, (double)b);
            return false;
        }
    for (size_t t = 0; t + 1 < c->tokens; t++)
        for (size_t i = got->row_bytes; i < got->stride; i++)
            if (got->at[t * got->stride + i] != 0xA5) {
                describe();
                printf(": wrote behind row %zu of out\n", t);
                return false;
            }
    return true;
}

/* One call with `gap` bytes behind each row of W; x and out stay aligned to float. */
static bool agrees(unsigned isa, const struct call *c, size_t gap, bool at_end)
{
    struct kernels k = kernels_for(isa);
    isa_now = isa, now = *c;
    now.w = placed(&c->w, guarded[0], c->kernel == WEIGHTED_SUM ? gap * 4 : gap, at_end);
    now.x = placed(&c->x, guarded[1], gap % 16 * 4, at_end);
    now.out = placed(&c->out, guarded[2], gap % 16 * 4, at_end);
    memset(now.out.at, 0xA5, span_of(&now.out));
    run(&k, &now);
    return compare(c, &now.out);
}

static bool bad[KERNELS][8]; /* by the mask of an ISA */

/* What scalar gives for seed 1 (FNV-1a over its words, every NaN 0x7FC00000), the same on every
 * machine: a compiler that fuses would else change scalar and an ISA alike. */
static uint64_t hash;
static const uint64_t golden[KERNELS] = { 0x7871743FA6CA2D34, 0x04680961923F7FB7,
                                          0x449F31DBDE969BD9, 0xC13220D78B7275FF,
                                          0x4C46942AB4BB8E77 };

static void hash_out(const struct call *c)
{
    const float *out = (const float *)(const void *)c->out.at;
    for (size_t i = 0; i < c->rows * c->tokens; i++) {
        uint32_t bits = 0x7FC00000;
        if (out[i] == out[i])
            memcpy(&bits, &out[i], 4);
        hash = (hash ^ bits) * 0x100000001B3;
    }
}

/* Runs scalar, then every subset of the ISAs at every alignment. */
static void check(struct call c, size_t gaps)
{
    struct kernels spec = kernels_for(0);
    unsigned can = isa_detect();
    run(&spec, &c);
    hash_out(&c);
    for (unsigned isa = can; isa; isa = (isa - 1) & can)
        for (size_t gap = 0; gap < gaps && !bad[c.kernel][isa]; gap++)
            bad[c.kernel][isa] = !agrees(isa, &c, gap, true) || !agrees(isa, &c, gap, false);
}

static struct call filled(size_t kernel, size_t n, size_t rows, size_t tokens, enum values kind)
{
    struct call c = call_of(kernel, n, rows, tokens, kind);
    c.w.at = packed[0], c.x.at = packed[1], c.out.at = packed[2];
    values_fill(kernel == WEIGHTED_SUM ? DTYPE_F32 : types[kernel], c.w.at, n * rows, kind);
    values_fill(DTYPE_F32, c.x.at, n * tokens, values_below(2) ? VALUES_EVERYDAY : kind);
    return c;
}

/* All lengths; rows and tokens go through all of 0-9 and 0-5, two blocks and what is left. */
static void check_lengths(size_t kernel)
{
    size_t step = kernel == WEIGHTED_SUM ? 1 : dtype_info[types[kernel]].block_elems, i = 0;
    for (size_t n = 0; n <= 300 + step - 1; n += step)
        for (enum values kind = 0; kind < VALUES_KINDS; kind++, i++)
            if (kernel == WEIGHTED_SUM) {
                check(filled(kernel, n, i * 7 % 81, 1, kind), 16);
                check(filled(kernel, i * 7 % 40, n, 1, kind), 16);
            } else {
                check(filled(kernel, n, i % 10, i / 10 % 6, kind), 64);
            }
}

static void check_many_tokens(size_t kernel)
{
    size_t n = 32 + 3 * dtype_info[types[kernel]].block_elems;
    for (size_t tokens = 6; tokens < 70; tokens++)
        check(filled(kernel, n, 5, tokens, VALUES_EVERYDAY), 1);
}

/* Each 16-bit pattern, as a whole element or as the upper half of one; each code under each scale:
 * one element in a row of zeros, so that no other value hides it; and each code 32 times, for in
 * a row with zeros an infinite scale would give NaN too. */
static void check_patterns(size_t kernel)
{
    enum dtype t = types[kernel];
    static const float factors[] = { 1, -0x1p-126f, 0x1.8p100f };
    struct call c = filled(kernel, 32, 1 << 16, 1, VALUES_ANY_BITS);
    memset(c.w.at, 0, c.w.rows * c.w.row_bytes);
    for (uint32_t r = 0; r < 1 << 16; r++) {
        uint8_t *row = c.w.at + r * c.w.row_bytes;
        if (t == DTYPE_MXFP4) {
            row[0] = (uint8_t)(r >> 8);
            if (r / 16 % 16 == 0)
                memset(row + 1, 0x11 * (r & 15), 16);
            else
                row[1 + r / 16 % 16] = (uint8_t)((r & 15) << (values_random() & 4));
        } else {
            uint32_t bits = t == DTYPE_F32 ? r << 16 | (values_random() & 0xFFFF) : r;
            memcpy(row + row_bytes(kernel, r % 32), &bits, row_bytes(kernel, 1));
        }
    }
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        for (size_t i = 0; i < 32; i++)
            memcpy(c.x.at + 4 * i, &factors[f], 4);
        check(c, 1);
    }
}

/* Or scalar would be compared with itself. */
static void check_built(size_t kernel)
{
    struct kernels spec = kernels_for(0);
    unsigned can = isa_detect();
    for (unsigned isa = can; isa; isa = (isa - 1) & can) {
        struct kernels k = kernels_for(isa);
        bool scalar = kernel == WEIGHTED_SUM ? k.weighted_sum == spec.weighted_sum
                                             : matmul_of(&k, kernel) == matmul_of(&spec, kernel);
        if (scalar)
            printf("# isa=%u: the scalar kernel stands\n", isa);
        bad[kernel][isa] |= scalar;
    }
}

static int number, failures;

static void result(bool ok, size_t kernel, unsigned isa)
{
    printf("%s %d - %s ", ok ? "ok" : "not ok", ++number, kernel_name(kernel));
    isa_print(isa);
    printf("\n");
    failures += !ok;
}

static void test_kernel(size_t kernel)
{
    unsigned can = isa_detect();
    hash = 0xCBF29CE484222325;
    values_seed(seed);
    check_built(kernel);
    check_lengths(kernel);
    if (kernel != WEIGHTED_SUM) {
        check_many_tokens(kernel);
        check_patterns(kernel);
    }
    if (seed == 1 && hash != golden[kernel])
        printf("# scalar: hash 0x%016llX, elsewhere 0x%016llX\n", (unsigned long long)hash,
               (unsigned long long)golden[kernel]);
    result(seed != 1 || hash == golden[kernel], kernel, 0);
    for (unsigned isa = can; isa; isa = (isa - 1) & can)
        result(!bad[kernel][isa], kernel, isa);
}

static int test(void)
{
    for (int i = 0; i < 3; i++)
        packed[i] = guard_new(AREA), guarded[i] = guard_new(AREA);
    signal(SIGSEGV, on_fault);
    for (size_t kernel = 0; kernel < KERNELS; kernel++)
        test_kernel(kernel);
    printf("1..%d\n", number);
    return failures != 0;
}

/* ---- bench ------------------------------------------------------------------ */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* what else runs does not count */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The best of several runs: GB/s of W read once, GFLOP/s. */
static void time_call(unsigned isa, const char *what, struct call c)
{
    struct kernels k = kernels_for(isa);
    double best = 1e9, spent = 0;
    for (int i = 0; i < 3 || (i < 100 && spent < 0.5); i++) {
        double start = seconds();
        run(&k, &c);
        double took = seconds() - start;
        best = took < best ? took : best;
        spent += took;
    }
    printf("%-7s %-13s %-22s %8.2f GB/s %8.2f GFLOP/s\n", isa_name(isa), kernel_name(c.kernel),
           what, (double)c.w.rows * (double)c.w.row_bytes / best / 1e9,
           2.0 * (double)c.n * (double)c.rows * (double)c.tokens / best / 1e9);
}

/* Decode reads W from memory; scalar gets a sixteenth of the rows. */
static void bench_isa(unsigned isa)
{
    enum { N = 2880, DECODE_BYTES = 128 << 20, HEAD = 64, HEADS = 8, CONTEXT = 4096 };
    size_t part = isa ? 1 : 16;
    for (size_t kernel = 0; kernel < TYPES; kernel++) {
        time_call(
            isa, "1 token, from memory",
            filled(kernel, N, DECODE_BYTES / row_bytes(kernel, N) / part, 1, VALUES_EVERYDAY));
        time_call(isa, "16 tokens", filled(kernel, N, N / part, 16, VALUES_EVERYDAY));
        time_call(isa, "64 tokens", filled(kernel, N, N / part, 64, VALUES_EVERYDAY));
    }
    struct call c =
        filled(0, HEAD * HEADS, CONTEXT, HEADS, VALUES_EVERYDAY); /* one head of the keys */
    c.n = HEAD, c.w.row_bytes = HEAD * 4;
    time_call(isa, "attention scores", c);
    c = filled(WEIGHTED_SUM, CONTEXT, HEAD * HEADS, 1, VALUES_EVERYDAY);
    c.rows = HEAD, c.w.row_bytes = HEAD * 4;
    time_call(isa, "attention values", c);
}

static int bench(void)
{
    unsigned can = isa_detect();
    for (int i = 0; i < 3; i++)
        packed[i] = guard_new(192 << 20);
    bench_isa(0);
    for (unsigned bit = 1; bit <= can; bit *= 2)
        if (can & bit)
            bench_isa(bit);
    return 0;
}

int main(int argc, char **argv)
{
    if (getenv("SEED"))
        seed = strtoull(getenv("SEED"), NULL, 0);
    return argc > 1 && strcmp(argv[1], "--bench") == 0 ? bench() : test();
}
