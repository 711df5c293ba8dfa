/* tile_test.c - tiles of any height give the bytes that a loop over elements gives, in memory
 * that was foretold. */
#include "formats/plan.h"
#include "tests/support/tiny.h"
#include "tests/support/tiny_file.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- sources --------------------------------------------------------------------------- */

enum { N_SOURCES = 4, MAX_PIECES = 3 };

struct source {
    enum dtype dtype, with;
    bool transposed;
    uint64_t groups, rows, cols;
    const struct tensor *t[2];
};

static uint64_t size_of(enum dtype t, uint64_t n)
{
    return n / dtype_info[t].block_elems * dtype_info[t].block_bytes;
}

static void add(struct tiny_file *f, const char *name, uint64_t bytes, uint64_t *state)
{
    uint8_t *p = malloc(bytes);
    for (uint64_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)tiny_draw(state);
    tiny_file_add(f, name, DTYPE_U8, 1, &bytes, p, bytes);
    free(p);
}

/* A file of the sources' bytes; what type they are, only the recipe says. */
static void open_sources(struct model *m, struct source *s, unsigned n, uint64_t *state)
{
    struct tiny_file *f = tiny_file_new();
    struct err e = { 0 };
    const char *dir = tree_path("sources");
    for (unsigned i = 0; i < n; i++) {
        uint64_t elems = s[i].groups * s[i].rows * s[i].cols;
        add(f, tiny_file_name("a%u", i), size_of(s[i].dtype, elems), state);
        if (s[i].with)
            add(f, tiny_file_name("b%u", i), size_of(s[i].with, elems), state);
    }
    tree_mkdir(dir);
    tiny_file_safetensors(f, dir, 0, false);
    tiny_file_free(f);
    assert_true(model_open(m, dir, &e));
    for (unsigned i = 0; i < n; i++) {
        s[i].t[0] = model_find(m, str_of(tiny_file_name("a%u", i)));
        s[i].t[1] = model_find(m, str_of(tiny_file_name("b%u", i)));
    }
}

/* ---- the plain way ------------------------------------------------------------------------ */

static uint8_t *load(const struct model *m, const struct tensor *t)
{
    struct err e = { 0 };
    uint8_t *p = t ? malloc(t->bytes) : NULL;
    assert_true(!t || (p && model_read(m, t, 0, p, t->bytes, &e)));
    return p;
}

/* Recodes output block (group, row, block of the row) alone. */
static void plain_block(const struct recipe *r, const struct piece *p, const uint8_t *const in[2],
                        uint64_t group, uint64_t src_row, uint64_t block, uint64_t n, uint8_t *out)
{
    uint8_t a[64], b[64];
    uint64_t size = size_of(p->recode->from, n);
    uint64_t at = (group * p->src_rows + src_row) * r->cols + block * n;
    if (p->src_transposed)
        at = (group * r->cols + block) * p->src_rows + src_row; /* blocks of one element */
    memcpy(a, in[0] + size_of(p->recode->from, at), size);
    if (in[1])
        memcpy(b, in[1] + size_of(p->recode->with, at), size_of(p->recode->with, n));
    p->recode->run(out, a, b, n);
}

static void plain(const struct model *m, const struct recipe *r, uint8_t *out)
{
    for (size_t k = 0; k < r->n_pieces; k++) {
        const struct piece *p = &r->pieces[k];
        uint8_t *in[2] = { load(m, p->src[0]), load(m, p->src[1]) };
        uint64_t x = dtype_info[p->recode->from].block_elems, y = dtype_info[r->dtype].block_elems;
        uint64_t n = x > y ? x : y, step = size_of(r->dtype, n);
        for (uint64_t g = 0; g < r->groups; g++)
            for (uint64_t i = 0; i < p->rows; i++)
                for (uint64_t c = 0; c < r->cols / n; c++) {
                    uint8_t made[128];
                    uint64_t row = p->dst_first + i * p->dst_step;
                    plain_block(r, p, (const uint8_t *const *)in, g, p->src_first + i * p->src_step,
                                c, n, made);
                    if (!r->transposed)
                        memcpy(out + ((g * r->rows + row) * r->cols / n + c) * step, made, step);
                    for (uint64_t j = 0; r->transposed && j < n; j++)
                        memcpy(out + ((g * r->cols + c * n + j) * r->rows + row) * step / n,
                               made + j * step / n, step / n);
                }
        free(in[0]);
        free(in[1]);
    }
}

/* ---- comparing --------------------------------------------------------------------------------
 */

static void check_memory(const struct recipe *r, uint64_t height, const struct scratch *s)
{
    struct tile_memory most = { 0 };
    recipe_memory(r, height, &most);
    assert_true(s->room.in[0] <= most.in[0]);
    assert_true(s->room.in[1] <= most.in[1]);
    assert_true(s->room.turned <= most.turned);
    assert_true(most.out == height * recipe_row_bytes(r));
}

static void check_height(const struct plan *p, uint64_t height, const uint8_t *want,
                         const char *what)
{
    const struct recipe *r = &p->recipes[0];
    uint64_t row = recipe_row_bytes(r), rows = recipe_rows(r), lost = 0;
    uint8_t *tile = malloc(height * row);
    struct scratch s = { 0 };
    struct err e = { 0 };
    for (uint64_t at = 0; at < rows; at += height) {
        uint64_t n = rows - at < height ? rows - at : height;
        memset(tile, 0xa5, height * row);
        if (!tile_make(p, 0, at, n, tile, &s, &lost, &e))
            fail_msg("%s: %s", what, e.msg);
        if (memcmp(tile, want + at * row, n * row) != 0)
            fail_msg("%s: rows %llu to %llu of height %llu differ", what, (unsigned long long)at,
                     (unsigned long long)(at + n), (unsigned long long)height);
    }
    check_memory(r, height, &s);
    scratch_free(&s);
    free(tile);
}

static void check(const struct model *m, struct recipe *r, const char *what)
{
    struct tensor t = { .name = STR("t") };
    struct plan p = { .src = m, .recipes = r, .allow_lossy = true };
    uint64_t rows = recipe_rows(r);
    const uint64_t heights[] = { 1, 2, 3, 5, 7, 31, 64, 257, rows };
    uint8_t *want = malloc(rows * recipe_row_bytes(r));
    p.out.tensors = &t;
    p.out.n_tensors = 1;
    plain(m, r, want);
    for (size_t i = 0; i < sizeof heights / sizeof *heights; i++)
        check_height(&p, heights[i], want, what);
    free(want);
}

/* ---- recipes -------------------------------------------------------------------------------- */

/* All recodes that a tile may need; from a transposed source only those of single elements. */
static const struct {
    enum dtype from, with, to;
} ways[] = {
    { DTYPE_BF16, 0, DTYPE_BF16 },
    { DTYPE_BF16, 0, DTYPE_F32 },
    { DTYPE_F32, 0, DTYPE_F16 },
    { DTYPE_F16, 0, DTYPE_F32 },
    { DTYPE_U8, 0, DTYPE_U8 },
    { DTYPE_MXFP4, 0, DTYPE_MXFP4 },
    { DTYPE_MXFP4_LINEAR, 0, DTYPE_MXFP4 },
    { DTYPE_MXFP4, 0, DTYPE_MXFP4_BLOCKS },
    { DTYPE_MXFP4, 0, DTYPE_MXFP4_SCALES },
    { DTYPE_MXFP4_BLOCKS, DTYPE_MXFP4_SCALES, DTYPE_MXFP4 },
    { DTYPE_MXFP4_BLOCKS, DTYPE_MXFP4_SCALES, DTYPE_BF16 },
    { DTYPE_MXFP4, 0, DTYPE_F32 },
    { DTYPE_Q8_0, 0, DTYPE_F32 },
};
enum { N_WAYS = sizeof ways / sizeof *ways };

static unsigned below(uint64_t *state, unsigned n) { return (unsigned)(tiny_draw(state) % n); }

/* How the pieces of an output stand in it and in their sources. */
enum shape { CONCATENATED, INTERLEAVED, SLICED, N_SHAPES };

static void make_pieces(struct recipe *r, struct piece *p, struct source *s, enum shape shape,
                        uint64_t *state)
{
    uint64_t before = 0;
    for (size_t i = 0; i < r->n_pieces; i++) {
        uint64_t rows = shape == INTERLEAVED && i ? p[0].rows : 1 + below(state, 9);
        uint64_t step = shape == SLICED ? 1 + below(state, 3) : 1, first = below(state, 3);
        p[i] = (struct piece){ .src_rows = first + rows * step + below(state, 3),
                               .src_first = first,
                               .src_step = step,
                               .src_transposed = s[i].transposed,
                               .rows = rows,
                               .dst_first = shape == INTERLEAVED ? i : before,
                               .dst_step = shape == INTERLEAVED ? r->n_pieces : 1 };
        s[i].groups = r->groups;
        s[i].rows = p[i].src_rows;
        s[i].cols = r->cols;
        before += rows;
    }
    r->rows = before;
    r->pieces = p;
}

static void check_random(uint64_t seed)
{
    uint64_t state = seed;
    struct source s[N_SOURCES] = { { 0 } };
    struct piece p[MAX_PIECES];
    struct model m = { 0 };
    unsigned way = below(&state, N_WAYS);
    bool single = dtype_info[ways[way].from].block_elems == 1;
    bool plain_out = dtype_info[ways[way].to].block_elems == 1;
    char what[100];
    struct recipe r = { .groups = 1 + below(&state, 3),
                        .cols = 32 * (1 + below(&state, 3)),
                        .dtype = ways[way].to,
                        .n_pieces = 1 + below(&state, MAX_PIECES) };
    if (single && plain_out && below(&state, 2))
        r.cols = 1 + below(&state, 40);
    r.transposed = plain_out && below(&state, 3) == 0;
    enum shape shape = below(&state, N_SHAPES);
    for (size_t i = 0; i < r.n_pieces; i++) {
        s[i].dtype = ways[way].from;
        s[i].with = ways[way].with;
        s[i].transposed = !r.transposed && single && plain_out && below(&state, 3) == 0;
    }
    make_pieces(&r, p, s, shape, &state);
    open_sources(&m, s, (unsigned)r.n_pieces, &state);
    for (size_t i = 0; i < r.n_pieces; i++) {
        p[i].recode = recode_find(ways[way].from, ways[way].with, ways[way].to);
        assert_non_null(p[i].recode);
        memcpy(p[i].src, s[i].t, sizeof p[i].src);
    }
    snprintf(what, sizeof what, "seed %llu: %s to %s, shape %d%s", (unsigned long long)seed,
             dtype_info[ways[way].from].name, dtype_info[ways[way].to].name, shape,
             r.transposed ? ", transposed" : "");
    check(&m, &r, what);
    model_close(&m);
}

static void test_random_recipes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++)
        check_random(seed);
}

/* Scattering works in rounds of 256 source rows: one more than two of them. */
static void test_many_rows(void **state)
{
    (void)state;
    uint64_t seed = 5;
    struct source s = { DTYPE_BF16, 0, false, 2, 513, 3, { NULL, NULL } };
    struct model m = { 0 };
    open_sources(&m, &s, 1, &seed);
    struct piece p = { .src = { s.t[0], NULL },
                       .recode = recode_find(DTYPE_BF16, DTYPE_NONE, DTYPE_F32),
                       .src_rows = 513,
                       .src_step = 1,
                       .rows = 513,
                       .dst_step = 1 };
    struct recipe r = { 2, 513, 3, DTYPE_F32, true, &p, 1 };
    check(&m, &r, "many rows");
    model_close(&m);
}

/* ---- loss ------------------------------------------------------------------------------------ */

static void test_loss(void **state)
{
    (void)state;
    struct tiny_file *f = tiny_file_new();
    struct err e = { 0 };
    struct model m = { 0 };
    const float x[4] = { 1, 1.0009765625F, 70000, 0.5F }; /* bf16 holds the first and the last */
    const uint64_t n = 4;
    const char *dir = tree_path("loss");
    tree_mkdir(dir);
    tiny_file_add(f, "x", DTYPE_F32, 1, &n, x, sizeof x);
    tiny_file_safetensors(f, dir, 0, false);
    tiny_file_free(f);
    assert_true(model_open(&m, dir, &e));
    struct plan p = { 0 };
    struct recipe r = { 0 };
    assert_true(plan_reserve(&p, 1, &e) && plan_whole(&p, &m.tensors[0], DTYPE_BF16, &r, &e));
    p.src = &m;
    assert_true(plan_add(&p, STR("x"), DTYPE_BF16, 1, &n, r, &e));
    struct scratch s = { 0 };
    uint16_t out[4];
    uint64_t lost = 0;
    assert_false(tile_make(&p, 0, 0, 4, out, &s, &lost, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_string_equal(e.msg, "tensor 'x': 2 values do not survive as bf16");
    p.allow_lossy = true;
    lost = 0;
    assert_true(tile_make(&p, 0, 0, 4, out, &s, &lost, &(struct err){ 0 }));
    assert_int_equal(lost, 2);
    scratch_free(&s);
    plan_free(&p);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_recipes),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_loss),
    };
    return cmocka_run_group_tests_name("tile", tests, NULL, NULL);
}
