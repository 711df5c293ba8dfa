/* roundtrip_test.c - the proof that an output holds its source: it holds for every form, and
 * one changed byte in any tensor breaks it by name. */
#include "tests/support/convert.h"
#include "tests/support/tiny.h"
#include "tests/support/tree.h"
#include "verify/roundtrip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define TINY "tests/data/tiny-gpt-oss"

static const struct execute_options run = { .jobs = 2, .tile = 100000 };
static const enum form forms[TINY_WRITABLE] = { FORM_HF, FORM_ORIGINAL, FORM_GGUF };

static bool prove(const char *from, const char *to, const struct plan_options *opt, struct proof *p,
                  struct err *e)
{
    return roundtrip_prove(from, to, NULL, opt->type != DTYPE_NONE, opt->reversible, &run, p, e);
}

static struct plan_options options(enum form to)
{
    return (struct plan_options){ .to = to, .one_file = to == FORM_GGUF, .base = STR("model") };
}

static void must_convert(const char *from, const char *to, const struct plan_options *opt)
{
    struct err e = { 0 };
    if (!convert(from, to, opt, &e))
        fail_msg("%s to %s: %s", from, form_name(opt->to), e.msg);
}

static void test_every_form(void **state)
{
    (void)state;
    const char *in = tree_path("in"), *out = tree_path("out");
    for (uint64_t seed = 0; seed < 8; seed++)
        for (enum tiny_form from = 0; from < TINY_FORMS; from++)
            for (enum tiny_form to = 0; to < TINY_WRITABLE; to++) {
                struct tiny t = tiny_random(seed);
                struct plan_options opt = options(forms[to]);
                struct proof p;
                struct err e = { 0 };
                opt.reversible = seed % 2;
                tree_remove(in);
                tree_remove(out);
                tiny_write(&t, from, in);
                must_convert(in, out, &opt);
                if (!prove(in, out, &opt, &p, &e))
                    fail_msg("seed %llu, %s to %s: %s", (unsigned long long)seed, tiny_name(from),
                             tiny_name(to), e.msg);
                assert_true(p.tensors > 0 && p.bytes > 0 && p.values == 0);
                assert_int_equal(p.files > 0, opt.reversible);
            }
}

/* ---- one changed byte ---------------------------------------------------------------------- */

/* Some byte of element n of t that is no NaN (whose payload widening may not keep). */
static uint64_t byte_of(const struct model *m, const struct tensor *t, unsigned which)
{
    const uint32_t size = dtype_info[t->dtype].is_float ? dtype_info[t->dtype].block_bytes : 1;
    struct err e = { 0 };
    for (uint64_t at = 0; at < t->bytes; at += size) {
        uint8_t b[4];
        float f;
        assert_true(model_read(m, t, at, b, size, &e));
        if (size == 1 || (decode_f32(t->dtype, &f, b, 1) && f == f))
            return t->offset + at + which % size;
    }
    fail_msg("only NaNs");
    return 0;
}

/* Flips a byte of every tensor of the output in turn; the proof must say so. */
static unsigned check_flips(const char *in, const char *out, const struct plan_options *opt,
                            unsigned which)
{
    struct model m = { 0 };
    struct err e = { 0 };
    assert_true(model_open(&m, out, &e));
    for (size_t i = 0; i < m.n_tensors; i++) {
        const struct tensor *t = &m.tensors[i];
        const char *path = m.files[t->file].path;
        long at = (long)byte_of(&m, t, which);
        struct proof p;
        struct err found = { 0 };
        tree_flip(path, at);
        bool ok = prove(in, out, opt, &p, &found);
        tree_flip(path, at);
        if (ok || found.code != ERR_MISMATCH || !strchr(found.msg, '.'))
            fail_msg(STR_FMT " byte %ld: code %d, %s", STR_ARG(t->name), at, found.code, found.msg);
    }
    unsigned n = (unsigned)m.n_tensors;
    model_close(&m);
    return n;
}

static void test_flipped_bytes(void **state)
{
    (void)state;
    const char *in = tree_path("flip-in"), *out = tree_path("flip-out");
    struct tiny t = tiny_odd;
    t.layers = 1;
    for (unsigned plain = 0; plain < 2; plain++)
        for (enum tiny_form from = 0; from < TINY_WRITABLE; from++)
            for (enum tiny_form to = 0; to < TINY_WRITABLE; to++) {
                struct plan_options opt = options(forms[to]);
                t.plain_experts = plain;
                tree_remove(in);
                tree_remove(out);
                tiny_write(&t, from, in);
                must_convert(in, out, &opt);
                for (unsigned which = 0; which < 4; which += 3) /* lowest and highest byte */
                    assert_true(check_flips(in, out, &opt, which) >= 16);
            }
}

/* The message has the name that the source gives the tensor. */
static void test_named(void **state)
{
    (void)state;
    const char *out = tree_path("named.gguf");
    struct plan_options opt = options(FORM_GGUF);
    struct model m = { 0 };
    struct proof p;
    struct err e = { 0 };
    must_convert(TINY, out, &opt);
    assert_true(model_open(&m, out, &e));
    const struct tensor *t = model_find(&m, STR("blk.2.ffn_up_exps.weight"));
    tree_flip(out, (long)t->offset);
    model_close(&m);
    assert_false(prove(TINY, out, &opt, &p, &e));
    assert_int_equal(e.code, ERR_MISMATCH);
    assert_string_equal(e.msg, "tensor 'model.layers.2.mlp.experts.gate_up_proj_scales' differs "
                               "from the source at its byte 4");
}

/* ---- other types ----------------------------------------------------------------------------- */

static void test_retyped(void **state)
{
    (void)state;
    const char *out = tree_path("retyped");
    const enum dtype types[] = { DTYPE_F32, DTYPE_BF16 };
    for (unsigned i = 0; i < 2; i++) {
        struct plan_options opt = options(FORM_HF);
        struct proof p;
        struct err e = { 0 };
        opt.type = types[i];
        tree_remove(out);
        must_convert(TINY, out, &opt);
        if (!prove(TINY, out, &opt, &p, &e))
            fail_msg("%s", e.msg);
        assert_int_equal(p.tensors, 0);
        assert_int_equal(p.values, 79);
        assert_true(check_flips(TINY, out, &opt, 3) == 71);
    }
}

/* ---- carried files ----------------------------------------------------------------------------
 */

static void test_carried(void **state)
{
    (void)state;
    const char *in = tree_path("carried"), *out = tree_path("carried.gguf");
    struct plan_options opt = options(FORM_GGUF);
    struct proof p;
    struct err e = { 0 };
    opt.reversible = true;
    tree_copy_dir(TINY, in);
    must_convert(in, out, &opt);
    assert_true(prove(in, out, &opt, &p, &e));
    assert_int_equal(p.files, 12);
    tree_flip(tree_path("carried/LICENSE"), 100); /* the source is no longer what was carried */
    assert_false(prove(in, out, &opt, &p, &e));
    assert_int_equal(e.code, ERR_MISMATCH);
    assert_string_equal(e.msg, "restored file LICENSE differs from the source");

    opt.reversible = false;
    must_convert(in, out, &opt);
    opt.reversible = true;
    e = (struct err){ 0 };
    assert_false(prove(in, out, &opt, &p, &e));
    assert_string_equal(e.msg, "the output carries no original files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form), cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_named),      cmocka_unit_test(test_retyped),
        cmocka_unit_test(test_carried),
    };
    return cmocka_run_group_tests_name("roundtrip", tests, NULL, NULL);
}
