/* golden_test.c - records of logits: every bit kept, every damage seen, hostile ones refused. */
#include "tests/support/forward.h"
#include "verify/golden.h"
#include "verify/hexfloat.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- hexadecimal floats -------------------------------------------------------------------- */

static void known_spellings(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = { { 0, "0x0p+0" },
                  { -0.0, "-0x0p+0" },
                  { 1, "0x1p+0" },
                  { -12, "-0x1.8p+3" },
                  { 0.1, "0x1.999999999999ap-4" },
                  { DBL_MAX, "0x1.fffffffffffffp+1023" },
                  { 5e-324, "0x1p-1074" },
                  { DBL_MIN, "0x1p-1022" },
                  { 1.5e-310, "0x1.b9cd1295941p-1030" },
                  { INFINITY, "inf" },
                  { -INFINITY, "-inf" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[HEXFLOAT];
        double back = 7;
        assert_string_equal(hexfloat_text(text, cases[i].v), cases[i].text);
        assert_true(hexfloat_read(str_of(cases[i].text), &back));
        assert_memory_equal(&back, &cases[i].v, sizeof back);
        assert_true(strtod(cases[i].text, NULL) == cases[i].v);
    }
}

static void random_bits_come_back(void **state)
{
    (void)state;
    uint64_t bits = 1;
    for (int i = 0; i < 100000; i++) {
        char text[HEXFLOAT];
        double v, back;
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        uint64_t x = bits ^ bits >> 29;
        x = i % 3 ? x : x & 0x800fffffffffffffu >> i % 40; /* below the normal range */
        memcpy(&v, &x, sizeof v);
        if (isnan(v))
            continue;
        assert_true(hexfloat_read(str_of(hexfloat_text(text, v)), &back));
        assert_memory_equal(&back, &v, sizeof v);
    }
}

static void other_spellings_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",          "1",
                                         "0x",        "0x1",
                                         "0x1p",      "0x1p+",
                                         "0x1p0",     "0x1p+00",
                                         "0x1.p+0",   "0x1.80p+3",
                                         "0x1.8P+3",  "0X1p+0",
                                         "0x2p+0",    "0x1.8p+3 ",
                                         " 0x1p+0",   "+0x1p+0",
                                         "0x0p+1",    "0x1p+1024",
                                         "0x1p-1075", "nan",
                                         "-nan",      "INF",
                                         "0x1.Ap+0",  "0x1p+99999",
                                         "--0x1p+0",  "0x1.12345678901234p+0",
                                         "0x1p-0" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double v;
        if (hexfloat_read(str_of(wrong[i]), &v))
            fail_msg("'%s' is read", wrong[i]);
    }
}

/* ---- records ------------------------------------------------------------------------------- */

static const uint32_t ids[] = { 663, 426, 926, 25, 198, 295, 359 };
static const struct sha256 root = { { 1, 2, 3 } };

struct opened {
    struct model m;
    struct session s;
};

static void open_session(struct opened *o, const char *path, enum arith arith)
{
    struct err e = { 0 };
    struct session_options opt = { .isa = isa_detect(), .jobs = 2, .arith = arith };
    *o = (struct opened){ 0 };
    if (!model_open(&o->m, path, &e) || !session_open(&o->s, &o->m, &opt, &e))
        fail_msg("%s", e.msg);
}

static void close_session(struct opened *o)
{
    session_close(&o->s);
    model_close(&o->m);
}

/* The record of two prompts, as text; free with buf_free. */
static struct buf record(const char *path, enum arith arith)
{
    static struct err e;
    const struct prompt prompts[] = { { .text = STR("a \"text\""), .ids = ids, .n = 7 },
                                      { .ids = ids, .n = 2 } };
    struct opened o;
    struct golden g;
    struct buf b = buf_make(&e);
    open_session(&o, path, arith);
    if (!golden_record(&g, &o.s, prompts, 2, 6, &root, &e))
        fail_msg("%s", e.msg);
    golden_write(&b, &g);
    assert_true(buf_ok(&b));
    golden_free(&g);
    close_session(&o);
    return b;
}

struct checked {
    bool identical;
    struct divergence_summary all;
};

static struct checked check(struct str text, const char *path)
{
    struct err e = { 0 };
    struct opened o;
    struct golden g;
    struct logits_comparison c;
    struct checked r;
    if (!golden_parse(&g, "g", text, &e))
        fail_msg("%s", e.msg);
    open_session(&o, path, g.arith);
    if (!golden_check(&c, &g, &o.s, &r.identical, &e))
        fail_msg("%s", e.msg);
    r.all = c.all;
    assert_int_equal(c.n_prompts, 2);
    assert_int_equal(c.tokens, 9);
    logits_comparison_free(&c);
    golden_free(&g);
    close_session(&o);
    return r;
}

static void every_form_has_one_record(void **state)
{
    (void)state;
    static const char *const forms[] = { TINY, TINY "original", TINY "bf16" };
    struct buf first = record(TINY, ARITH_F32);
    for (int i = 0; i < 3; i++) {
        struct buf b = record(forms[i], ARITH_F32);
        assert_true(str_eq(buf_text(&first), buf_text(&b)));
        struct checked r = check(buf_text(&b), forms[i]);
        assert_true(r.identical && r.all.identical == r.all.rows && r.all.kl_max == 0);
        buf_free(&b);
    }
    buf_free(&first);
}

static void the_record_says_the_arithmetic(void **state)
{
    (void)state;
    struct buf b = record(TINY, ARITH_BF16);
    assert_non_null(memmem(b.at, b.len, "\"arith\": \"bf16\"", 15));
    assert_true(check(buf_text(&b), TINY).identical);
    buf_free(&b);
}

static void another_model_differs(void **state)
{
    (void)state;
    struct buf b = record(TINY, ARITH_F32);
    struct checked r = check(buf_text(&b), TINY "bf16-master");
    assert_false(r.identical);
    assert_int_equal(r.all.identical, 0);
    assert_int_equal(r.all.values, 9 * 6);
    assert_true(r.all.kl_mean > 1e-4 && r.all.kl_mean < 0.1 && r.all.nmse < 0.02);
    buf_free(&b);
}

static void the_digest_is_of_all_logits(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct golden g;
    struct sha256 sha;
    struct session_options opt = { .isa = isa_detect(), .jobs = 2 };
    uint32_t copy[7];
    memcpy(copy, ids, sizeof ids);
    struct buf b = record(TINY, ARITH_F32);
    assert_true(golden_parse(&g, "g", buf_text(&b), &e));
    float *logits = forward_logits(TINY, &opt, (struct ids){ copy, 7 }); /* little-endian here */
    assert_true(
        sha_of((struct span){ (const uint8_t *)logits, 7 * 1024 * sizeof *logits }, &sha, &e));
    assert_true(sha_eq(&sha, &g.prompts[0].logits));
    for (size_t i = 0; i < 7; i++)
        for (size_t k = 0; k < 6; k++)
            assert_true(g.prompts[0].rows[i].logits[k] ==
                        logits[i * 1024 + g.prompts[0].rows[i].top[k]]);
    free(logits);
    golden_free(&g);
    buf_free(&b);
}

/* With every token recorded it is that of all; with fewer it is less. */
static void divergence_of_what_is_recorded(void **state)
{
    (void)state;
    static const size_t tops[] = { 1, 2, 5, 20, GOLDEN_TOP };
    const struct prompt prompt = { .ids = ids, .n = 7 };
    struct err e = { 0 };
    struct opened a, b;
    struct pair pair;
    struct logits_comparison all, c;
    bool identical;
    double before = 0;
    open_session(&a, TINY, ARITH_F32);
    open_session(&b, TINY "bf16-master", ARITH_F32);
    assert_true(pair_open(&pair, &a.m, &b.m, &a.s.options, 4, &e) &&
                logits_compare(&all, &pair, &prompt, 1, NULL, &e));
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        struct golden g;
        assert_true(golden_record(&g, &a.s, &prompt, 1, tops[i], &root, &e) &&
                    golden_check(&c, &g, &b.s, &identical, &e));
        assert_false(identical);
        assert_true(c.all.kl_mean > before && c.all.kl_mean < all.all.kl_mean);
        assert_true(c.all.same_top == all.all.same_top);
        before = c.all.kl_mean;
        logits_comparison_free(&c);
        golden_free(&g);
    }
    assert_true(before > 0.9 * all.all.kl_mean);
    logits_comparison_free(&all);
    pair_close(&pair);
    close_session(&a);
    close_session(&b);
}

static void one_digit_is_seen(void **state)
{
    (void)state;
    struct buf b = record(TINY, ARITH_F32);
    uint8_t *digit = memmem(b.at, b.len, "sha256\": \"", 10);
    assert_non_null(digit);
    digit[10] = digit[10] == '1' ? '2' : '1'; /* of the digest */
    struct checked r = check(buf_text(&b), TINY);
    assert_false(r.identical);
    assert_int_equal(r.all.identical, r.all.rows);
    buf_free(&b);
    b = record(TINY, ARITH_F32);
    digit = memmem(b.at, b.len, "log_sum_exp\": \"0x1.", 19);
    assert_non_null(digit);
    digit[19] = digit[19] == '1' ? '2' : '1'; /* of a number of one row */
    r = check(buf_text(&b), TINY);
    assert_false(r.identical);
    assert_int_equal(r.all.identical, r.all.rows - 1);
    buf_free(&b);
}

static void other_vocabulary_or_family(void **state)
{
    (void)state;
    struct buf b = record(TINY, ARITH_F32);
    struct err e = { 0 };
    struct golden g;
    struct opened o;
    struct logits_comparison c;
    bool identical;
    open_session(&o, TINY_A "tiny-a/hf", ARITH_F32);
    assert_true(golden_parse(&g, "g", buf_text(&b), &e));
    assert_false(golden_check(&c, &g, &o.s, &identical, &e));
    assert_int_equal(e.code, ERR_MISMATCH);
    logits_comparison_free(&c);
    e = (struct err){ 0 };
    g.family = STR("other");
    assert_false(golden_check(&c, &g, &o.s, &identical, &e));
    assert_int_equal(e.code, ERR_MISMATCH);
    logits_comparison_free(&c);
    golden_free(&g);
    close_session(&o);
    buf_free(&b);
}

static void too_many_or_no_tokens_in_a_row(void **state)
{
    (void)state;
    static const size_t tops[] = { 0, GOLDEN_TOP + 1 };
    const struct prompt prompt = { .ids = ids, .n = 1 };
    struct opened o;
    open_session(&o, TINY, ARITH_F32);
    for (int i = 0; i < 2; i++) {
        struct err e = { 0 };
        struct golden g;
        assert_false(golden_record(&g, &o.s, &prompt, 1, tops[i], &root, &e));
        assert_int_equal(e.code, ERR_USAGE);
        golden_free(&g);
    }
    close_session(&o);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define HEAD                                                               \
    "{\"schema\":\"weigh.golden/"                                          \
    "1\",\"family\":\"gpt-oss\",\"arith\":\"f32\",\"rope\":\"reference\"," \
    "\"vocab\":9,\"content_root\":\"" ZEROS "\","
#define PROMPT(rows) HEAD "\"prompts\":[{\"logits_sha256\":\"" ZEROS "\",\"rows\":[" rows "]}]}"
#define ROW(top)     "{\"id\":1,\"log_sum_exp\":\"0x1p+0\",\"top\":[" top "]}"

static void read_or_refused(void **state)
{
    (void)state;
    static const struct {
        bool ok;
        const char *text;
    } cases[] = {
        { true, PROMPT(ROW("[2,\"0x1p+0\"]")) },
        { true,
          PROMPT(ROW("[2,\"0x1p+0\"],[8,\"0x1p+0\"]") "," ROW("[3,\"0x1p+0\"],[2,\"0x1p-1\"]")) },
        { false, PROMPT("") },
        { false, PROMPT(ROW("")) },
        { false, PROMPT(ROW("[9,\"0x1p+0\"]")) },
        { false, PROMPT(ROW("[2,\"0x1p+0\",1]")) },
        { false, PROMPT(ROW("[2]")) },
        { false, PROMPT(ROW("[2,1.0]")) },
        { false, PROMPT(ROW("[2,\"inf\"]")) },
        { false, PROMPT(ROW("[2,\"0x1p+128\"]")) },
        { false, PROMPT(ROW("[2,\"0x1.00000001p+0\"]")) },
        { false, PROMPT(ROW("[2,\"0x1p-1\"],[8,\"0x1p+0\"]")) },
        { false, PROMPT(ROW("[2,\"0x1p+0\"]") "," ROW("[2,\"0x1p+0\"],[3,\"0x1p+0\"]")) },
        { false, PROMPT("{\"id\":1,\"top\":[[2,\"0x1p+0\"]]}") },
        { false, PROMPT("{\"id\":9,\"log_sum_exp\":\"0x1p+0\",\"top\":[[2,\"0x1p+0\"]]}") },
        { false, HEAD "\"prompts\":[]}" },
        { false, HEAD "\"prompts\":[{\"rows\":[" ROW("[2,\"0x1p+0\"]") "]}]}" },
        { false, "{\"schema\":\"weigh.golden/2\"}" },
        { false, "{\"prompts\":[]}" },
        { false, "[]" },
        { false, "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = { 0 };
        struct golden g;
        if (golden_parse(&g, "g", str_of(cases[i].text), &e) != cases[i].ok)
            fail_msg("%s: %s", cases[i].text, e.msg);
        assert_int_equal(e.code, cases[i].ok ? ERR_NONE : ERR_INPUT);
        golden_free(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_spellings),
        cmocka_unit_test(random_bits_come_back),
        cmocka_unit_test(other_spellings_are_refused),
        cmocka_unit_test(every_form_has_one_record),
        cmocka_unit_test(the_record_says_the_arithmetic),
        cmocka_unit_test(another_model_differs),
        cmocka_unit_test(the_digest_is_of_all_logits),
        cmocka_unit_test(divergence_of_what_is_recorded),
        cmocka_unit_test(one_digit_is_seen),
        cmocka_unit_test(other_vocabulary_or_family),
        cmocka_unit_test(too_many_or_no_tokens_in_a_row),
        cmocka_unit_test(read_or_refused),
    };
    return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
