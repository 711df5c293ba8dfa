/* family_test.c - gpt-oss in every form: against files of other programs, against forms
 * written by plain loops, from any form to any other and back, and every way to be wrong. */
#include "formats/family/gpt_oss.h"
#include "tests/support/convert.h"
#include "tests/support/tiny.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define TINY   "tests/data/tiny-gpt-oss"
#define GOLDEN "tests/data/golden/gpt-oss/tiny-a"

static const enum form forms[TINY_WRITABLE] = { FORM_HF, FORM_ORIGINAL, FORM_GGUF };

static void must_convert(const char *from, const char *to, enum form form)
{
    struct err e = { 0 };
    if (!convert_to(from, to, form, &e))
        fail_msg("%s to %s: %s", from, form_name(form), e.msg);
}

/* ---- forms made by plain loops ------------------------------------------------------------ */

/* One model in every form, and from each of them to every form we write. */
static void check_forms(const struct tiny *t, uint64_t seed)
{
    const char *in = tree_path("in"), *out = tree_path("out"), *want = tree_path("want");
    for (enum tiny_form from = 0; from < TINY_FORMS; from++) {
        tree_remove(in);
        tiny_write(t, from, in);
        for (enum tiny_form to = 0; to < TINY_WRITABLE; to++) {
            tree_remove(out);
            tree_remove(want);
            tiny_write(t, to, want);
            must_convert(in, out, forms[to]);
            /* what was F16 or F32 in GGUF comes back in the first type that holds it */
            bool same_types = to == TINY_GGUF || from < TINY_GGUF;
            const char *why = same_types ? tensors_differ(out, want) : values_differ(out, want);
            if (why)
                fail_msg("seed %llu, %s to %s: %s", (unsigned long long)seed, tiny_name(from),
                         tiny_name(to), why);
        }
    }
}

static void test_odd_sizes(void **state)
{
    (void)state;
    struct tiny t = tiny_odd;
    check_forms(&t, 0);
    t.plain_experts = true;
    check_forms(&t, 1);
}

static void test_random_models(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        struct tiny t = tiny_random(seed);
        check_forms(&t, seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_random_models),
    };
    return cmocka_run_group_tests_name("family", tests, NULL, NULL);
}
