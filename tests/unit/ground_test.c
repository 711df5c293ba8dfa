/* ground_test.c - spans, arena, buffers, cursor, names and errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/cursor.h"
#include "formats/base/fault.h"
#include "formats/base/names.h"
#include "tests/support/fixture.h"

#include <stdio.h>

/* ---- span ------------------------------------------------------------------- */

static void checked_sizes(void **state)
{
    (void)state;
    uint64_t v;
    assert_true(size_mul(UINT64_MAX / 3, 3, &v) && v == UINT64_MAX);
    assert_false(size_mul(UINT64_MAX / 3 + 1, 3, &v));
    assert_true(size_add(UINT64_MAX, 0, &v));
    assert_false(size_add(UINT64_MAX, 1, &v));
    assert_true(size_align(0, 32, &v) && v == 0);
    assert_true(size_align(33, 32, &v) && v == 64);
    assert_false(size_align(UINT64_MAX - 30, 32, &v));
}

static void texts(void **state)
{
    (void)state;
    struct str none = { NULL, 0 };
    assert_true(str_eq(none, STR("")));
    assert_true(str_is(none, ""));
    assert_false(str_is(STR("ab"), "abc"));
    assert_true(str_cmp(STR("ab"), STR("abc")) < 0);
    assert_true(str_cmp(STR("b"), STR("abc")) > 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(none, none), 0);
    assert_true(str_starts(STR("blk.0"), "blk.") && !str_starts(STR("bl"), "blk."));
    assert_true(str_ends(STR("a.gguf"), ".gguf") && !str_ends(STR("gguf"), ".gguf"));
}

/* ---- err -------------------------------------------------------------------- */

static void first_failure_wins(void **state)
{
    (void)state;
    struct err e = { 0 };
    assert_false(err_set(&e, ERR_INPUT, "first %d", 1));
    assert_false(err_set(&e, ERR_MEMORY, "second"));
    assert_false(err_hint(&e, "try %s", "this"));
    assert_false(err_hint(&e, "or that"));
    assert_false(err_within(&e, "opening %s", "x"));
    assert_int_equal(e.code, ERR_INPUT);
    assert_string_equal(e.msg, "opening x: first 1");
    assert_string_equal(e.hint, "try this");
}

/* ---- arena ------------------------------------------------------------------ */

static void arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    for (size_t n = 0; n < 3000; n += 7) {
        uint8_t *p = arena_alloc(&a, 1, n, &e);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
    assert_non_null(arena_alloc(&a, 1 << 20, 3, &e));
    struct str s = arena_str(&a, STR("abc"), &e);
    assert_true(str_is(s, "abc") && s.at[3] == 0);
    assert_true(str_is(arena_str(&a, (struct str){ NULL, 0 }, &e), ""));
    assert_string_equal(arena_printf(&a, &e, "%s-%d", "x", 7), "x-7");
    arena_free(&a);
    arena_free(&a);
    assert_int_equal(e.code, ERR_NONE);
}

static void arena_refuses_what_overflows(void **state)
{
    (void)state;
    static const uint64_t wants[][2] = {
        { UINT64_MAX, 2 },
        { UINT64_MAX, 1 },
        { 1ull << 62, 2 },
        { UINT64_MAX / 2, 1 },
    };
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        struct arena a = { 0 };
        struct err e = { 0 };
        assert_null(arena_alloc(&a, wants[i][0], wants[i][1], &e));
        assert_int_equal(e.code, ERR_MEMORY);
        arena_free(&a);
    }
}

/* ---- buf -------------------------------------------------------------------- */

static void buf_builds(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    buf_puts(&b, "ab");
    buf_str(&b, STR("c"));
    buf_str(&b, (struct str){ NULL, 0 });
    buf_printf(&b, "%03d", 7);
    buf_u32(&b, 0x04030201);
    buf_u64(&b, 0x0c0b0a0908070605);
    assert_non_null(buf_grow(&b, 3));
    assert_true(buf_ok(&b));
    assert_int_equal(b.len, 21);
    assert_memory_equal(b.at, "abc007\1\2\3\4\5\6\7\10\11\12\13\14\0\0\0", 21);
    for (int i = 0; i < 10000; i++)
        buf_add(&b, "0123456789", 10);
    assert_true(buf_ok(&b) && b.len == 100021);
    assert_memory_equal(buf_span(&b).at + 100011, "0123456789", 10);
    buf_free(&b);
    buf_free(&b);
}

static void buf_failure_sticks(void **state)
{
    (void)state;
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    buf_puts(&b, "kept");
    assert_null(buf_grow(&b, UINT64_MAX));
    buf_puts(&b, "lost");
    assert_false(buf_ok(&b));
    assert_int_equal(e.code, ERR_MEMORY);
    assert_int_equal(b.len, 4);
    buf_free(&b);
}

/* ---- cursor ----------------------------------------------------------------- */

static const uint8_t record[] = { 7, 1, 2, 3, 4, 2, 0, 0, 0, 0, 0, 0, 0, 'h', 'i', 9, 8 };

/* Reads the record above from its first n bytes. */
static bool read_record(struct cursor *c, struct err *e, size_t n, uint64_t total)
{
    struct str exact = fixture_copy((struct str){ (const char *)record, n });
    *c = (struct cursor){
        .path = "f", .bytes = { (const uint8_t *)exact.at, n }, .total = total, .err = e
    };
    uint8_t u8 = cur_u8(c, "kind");
    uint32_t u32 = cur_u32(c, "count");
    struct str s = cur_str(c, "name");
    struct span rest = cur_bytes(c, 2, "rest");
    bool ok = cur_ok(c);
    if (ok) {
        assert_true(u8 == 7 && u32 == 0x04030201 && str_is(s, "hi"));
        assert_true(rest.len == 2 && rest.at[0] == 9 && rest.at[1] == 8);
        assert_int_equal(cur_left(c), total - sizeof record);
    }
    fixture_free(exact);
    return ok;
}

static void cursor_reads_and_ends(void **state)
{
    (void)state;
    for (size_t n = 0; n <= sizeof record; n++) {
        struct cursor c;
        struct err e = { 0 };
        bool whole = n == sizeof record;
        assert_int_equal(read_record(&c, &e, n, n), whole);
        assert_int_equal(e.code, whole ? ERR_NONE : ERR_INPUT);
        assert_false(c.more);
        e = (struct err){ 0 };
        assert_int_equal(read_record(&c, &e, n, 100), whole);
        assert_int_equal(c.more, !whole);
        assert_int_equal(e.code, ERR_NONE);
    }
}

static void cursor_says_where(void **state)
{
    (void)state;
    struct cursor c;
    struct err e = { 0 };
    read_record(&c, &e, 13, 13);
    assert_string_equal(e.msg, "f:0xd: name needs 2 bytes, 0 left");
    assert_int_equal(cur_u8(&c, "more"), 0);
    assert_int_equal(cur_bytes(&c, 0, "none").len, 0);
    assert_string_equal(e.msg, "f:0xd: name needs 2 bytes, 0 left");
    e = (struct err){ 0 };
    assert_true(read_record(&c, &e, sizeof record, sizeof record));
    assert_false(cur_fail(&c, "bad value %d", 5));
    assert_string_equal(e.msg, "f:0xf: bad value 5");
}

/* ---- names ------------------------------------------------------------------ */

static void names_map(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char text[N][8];
    struct names t = { 0 };
    struct err e = { 0 };
    size_t old;
    assert_int_equal(names_find(&t, STR("0")), NAMES_NONE);
    for (size_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "%zu", i);
        assert_true(names_add(&t, str_of(text[i]), i, &old, &e));
        assert_int_equal(old, NAMES_NONE);
    }
    assert_true(names_add(&t, STR("77"), 1, &old, &e));
    assert_int_equal(old, 77);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(names_find(&t, str_of(text[i])), i);
    assert_int_equal(names_find(&t, STR("5000")), NAMES_NONE);
    assert_int_equal(names_find(&t, STR("")), NAMES_NONE);
    assert_true(names_add(&t, (struct str){ NULL, 0 }, 42, &old, &e) && old == NAMES_NONE);
    assert_int_equal(names_find(&t, STR("")), 42);
    names_free(&t);
    names_free(&t);
}

/* Reserved room suffices to the last name, and no two seeds put the names in the same places. */
static void names_are_seeded(void **state)
{
    (void)state;
    enum { N = 1000 };
    static char text[N][8];
    uint64_t seeds[2] = { 0, 0 };
    struct err e = { 0 };
    size_t old;
    for (size_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "%zu", i);
        seeds[0] = names_seed(seeds[0], text[i], strlen(text[i]));
        seeds[1] = names_seed(seeds[1], text[i], strlen(text[i]) - (i == N / 2));
    }
    assert_int_equal(names_seed(1, "ab", 2), names_seed(1, "ab", 2));
    assert_true(seeds[0] != seeds[1]);
    for (uint64_t n = 0; n <= N; n++) {
        struct names t = { 0 };
        assert_true(names_reserve(&t, n, seeds[n % 2], &e));
        size_t room = t.room;
        for (size_t i = 0; i < n; i++)
            assert_true(names_add(&t, str_of(text[i]), i, &old, &e));
        assert_int_equal(t.room, room);
        assert_true(n < 43 || room < 3 * n);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(names_find(&t, str_of(text[i])), i < n ? i : NAMES_NONE);
        names_free(&t);
    }
    struct names t = { 0 };
    assert_false(names_reserve(&t, UINT64_MAX, 0, &e));
    assert_int_equal(e.code, ERR_MEMORY);
    names_free(&t);
}

static void tables_grow_one_by_one(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct err e = { 0 };
    uint32_t *all = NULL;
    for (uint32_t n = 0; n < 1000; n++) {
        all = arena_append(&a, all, sizeof *all, n, &e);
        assert_non_null(all);
        all[n] = n;
        for (uint32_t i = 0; i <= n; i++)
            assert_int_equal(all[i], i);
    }
    arena_free(&a);
}

/* ---- exhaustion ------------------------------------------------------------- */

static bool use_all(struct err *e)
{
    struct arena a = { 0 };
    struct names t = { 0 };
    struct buf b = buf_make(e);
    size_t old;
    bool ok = arena_alloc(&a, 1, 100000, e) && arena_printf(&a, e, "%d", 1) &&
              arena_str(&a, STR("x"), e).at;
    for (int i = 0; ok && i < 100; i++)
        ok = names_add(&t,
                       (struct str){ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                                     (size_t)i },
                       0, &old, e);
    for (int i = 0; ok && i < 100; i++)
        buf_printf(&b, "%032d", i);
    ok = ok && buf_ok(&b);
    names_free(&t);
    buf_free(&b);
    arena_free(&a);
    return ok;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct err e = { 0 };
        fault_on(FAULT_MEMORY, n);
        bool ok = use_all(&e), struck = fault_struck();
        assert_int_equal(ok, !struck);
        assert_int_equal(e.code, struck ? ERR_MEMORY : ERR_NONE);
        if (!struck) {
            assert_true(n > 8);
            break;
        }
    }
    fault_on(FAULT_NONE, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checked_sizes),
        cmocka_unit_test(texts),
        cmocka_unit_test(first_failure_wins),
        cmocka_unit_test(arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(arena_refuses_what_overflows),
        cmocka_unit_test(buf_builds),
        cmocka_unit_test(buf_failure_sticks),
        cmocka_unit_test(cursor_reads_and_ends),
        cmocka_unit_test(cursor_says_where),
        cmocka_unit_test(names_map),
        cmocka_unit_test(names_are_seeded),
        cmocka_unit_test(tables_grow_one_by_one),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests_name("ground", tests, NULL, NULL);
}
