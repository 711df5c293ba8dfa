/* crafted_test.c - hostile files and sets of our own making, each with its verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "formats/base/buf.h"
#include "formats/safetensors.h"
#include "tests/support/fixture.h"
#include "tests/support/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum demand { ACCEPT, WARN, REJECT }; /* WARN: readable, with a finding */

/* ---- safetensors ---------------------------------------------------------------- */

#define ENTRY(name, rest) "\"" name "\":{\"dtype\":\"U8\"," rest "}"

static const struct {
    const char *header;
    uint64_t data;
    enum demand demand;
} headers[] = {
    { "{}", 0, ACCEPT },
    { "  {} \n", 0, ACCEPT },
    { "{" ENTRY("a", "\"shape\":[2],\"data_offsets\":[0,2]") "}", 2, ACCEPT },
    { "{" ENTRY("", "\"shape\":[2],\"data_offsets\":[0,2]") "}", 2, ACCEPT },
    { "{" ENTRY("a",
                "\"data_offsets\":[0,18446744073709551615],\"shape\":[18446744073709551615]") "}",
      2, REJECT },
    { "{" ENTRY("a", "\"shape\":[2],\"data_offsets\":[2,0]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[2],\"data_offsets\":[0]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[2],\"data_offsets\":[0,2,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[2],\"data_offsets\":[0,2],\"shape\":[2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[[2]],\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[2.0],\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[2e0],\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[-2],\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[02],\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[2,],\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[,,,],\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":null,\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":{},\"data_offsets\":[0,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[2,2,2,2,2,0,9,9,9,9],\"data_offsets\":[0,0]") "}", 0, WARN },
    { "{\"a\":[]}", 0, REJECT },
    { "{\"a\":null}", 0, REJECT },
    { "{\"a\":{}}", 0, REJECT },
    { "[]", 0, REJECT },
    { "null", 0, REJECT },
    { "", 0, REJECT },
    { "{", 0, REJECT },
    { "{}{}", 0, REJECT },
    { "\xef\xbb\xbf{}", 0, REJECT },
    { "{" ENTRY("a", "\"shape\":[1],\"data_offsets\":[0,1]") "," ENTRY(
          "a", "\"shape\":[1],\"data_offsets\":[1,2]") "}",
      2, REJECT },
    { "{" ENTRY("a", "\"shape\":[1],\"data_offsets\":[0,1]") "," ENTRY(
          "\\u0061", "\"shape\":[1],\"data_offsets\":[1,2]") "}",
      2, REJECT },
    { "{" ENTRY("a\\u0000", "\"shape\":[1],\"data_offsets\":[0,1]") "}", 1, REJECT },
    { "{" ENTRY("a", "\"shape\":[1],\"data_offsets\":[0,1]") "," ENTRY(
          "b", "\"shape\":[1],\"data_offsets\":[0,1]") "}",
      1, REJECT },
    { "{" ENTRY("a", "\"shape\":[1],\"data_offsets\":[1,2]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[1],\"data_offsets\":[0,1]") "}", 2, REJECT },
    { "{" ENTRY("a", "\"shape\":[1],\"data_offsets\":[0,1]") "}", 0, REJECT },
    { "{\"__metadata__\":{\"a\":1}}", 0, REJECT },
    { "{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, REJECT },
    { "{\"__metadata__\":[]}", 0, REJECT },
    { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, REJECT },
    { "{\"__metadata__\":{\"a\":\"1\"},\"__metadata__\":{}}", 0, REJECT },
    { "{" ENTRY("a", "\"shape\":[1],\"data_offsets\":[0,1],\"x\":{\"y\":1,\"y\":2}") "}", 1,
      REJECT },
};

static void write_safetensors(struct memory_file *f, const char *header, uint64_t data)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    buf_u64(&b, strlen(header));
    buf_puts(&b, header);
    buf_grow(&b, data);
    memory_file_fill(f, buf_text(&b));
    buf_free(&b);
}

static void check_own(const struct memory_file *f, enum demand demand, const char *what)
{
    struct model m;
    struct err e = { 0 };
    bool ok = model_open(&m, f->path, &e);
    if (ok != (demand != REJECT) || (ok && (m.n_findings != 0) != (demand == WARN)))
        fail_msg("%s: %s", what, ok ? "was read" : e.msg);
    if (!ok && ((e.code != ERR_INPUT && e.code != ERR_UNSUPPORTED) || !strstr(e.msg, f->path) ||
                !strstr(e.msg, ":0x")))
        fail_msg("%s: %d, %s", what, e.code, e.msg);
    model_close(&m);
}

static void own_safetensors_get_their_verdict(void **state)
{
    (void)state;
    struct memory_file f;
    memory_file_open(&f);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        write_safetensors(&f, headers[i].header, headers[i].data);
        check_own(&f, headers[i].demand, headers[i].header);
    }
    memory_file_close(&f);
}

/* ---- GGUF ----------------------------------------------------------------------------
 */

static void head(struct buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
    buf_puts(b, "GGUF");
    buf_u32(b, version);
    buf_u64(b, n_tensors);
    buf_u64(b, n_kv);
}

static void text(struct buf *b, const char *s)
{
    buf_u64(b, strlen(s));
    buf_puts(b, s);
}

static void key(struct buf *b, const char *name, uint32_t type)
{
    text(b, name);
    buf_u32(b, type);
}

static void tensor(struct buf *b, const char *name, uint32_t n_dims, uint64_t dim, uint32_t type,
                   uint64_t offset)
{
    text(b, name);
    buf_u32(b, n_dims);
    for (uint32_t i = 0; i < n_dims && i < 8; i++)
        buf_u64(b, i ? 1 : dim);
    buf_u32(b, type);
    buf_u64(b, offset);
}

static void pad(struct buf *b, uint64_t data)
{
    buf_grow(b, -b->len & 31);
    buf_grow(b, data);
}

static void one(struct buf *b, uint32_t n_dims, uint64_t dim, uint32_t type, uint64_t offset)
{
    head(b, 3, 1, 0);
    tensor(b, "a", n_dims, dim, type, offset);
    pad(b, 64);
}

/* clang-format off */
static void g_2p61_tensors(struct buf *b) { head(b, 3, 1ull << 61, 0); pad(b, 64); }
static void g_2p60_keys(struct buf *b) { head(b, 3, 0, 1ull << 60); pad(b, 64); }
static void g_more_keys_than_bytes(struct buf *b) { head(b, 3, 0, 3); pad(b, 32); }
static void g_big_endian(struct buf *b) { head(b, 3u << 24, 0, 0); }
static void g_version_1(struct buf *b) { head(b, 1, 0, 0); }
static void g_nested_array(struct buf *b) { head(b, 3, 0, 1); key(b, "a", META_ARRAY); buf_u32(b, META_ARRAY); buf_u64(b, 1); buf_u32(b, META_U8); buf_u64(b, 0); }
static void g_array_2p61(struct buf *b) { head(b, 3, 0, 1); key(b, "a", META_ARRAY); buf_u32(b, META_U64); buf_u64(b, 1ull << 61); pad(b, 64); }
static void g_array_of_strings_2p63(struct buf *b) { head(b, 3, 0, 1); key(b, "a", META_ARRAY); buf_u32(b, META_STRING); buf_u64(b, 1ull << 63); pad(b, 64); }
static void g_string_2p64(struct buf *b) { head(b, 3, 0, 1); key(b, "a", META_STRING); buf_u64(b, UINT64_MAX); pad(b, 64); }
static void g_string_in_array_2p64(struct buf *b) { head(b, 3, 0, 1); key(b, "a", META_ARRAY); buf_u32(b, META_STRING); buf_u64(b, 1); buf_u64(b, UINT64_MAX - 7); pad(b, 64); }
static void g_bool_2(struct buf *b) { head(b, 3, 0, 1); key(b, "a", META_BOOL); buf_add(b, "\2", 1); }
static void g_key_twice(struct buf *b) { head(b, 3, 0, 2); for (int i = 0; i < 2; i++) { key(b, "a", META_U32); buf_u32(b, 1); } }
static void g_key_nul(struct buf *b) { head(b, 3, 0, 1); buf_u64(b, 3); buf_add(b, "a\0b", 3); buf_u32(b, META_U8); buf_add(b, "", 1); }
static void g_no_name(struct buf *b) { head(b, 3, 1, 0); tensor(b, "", 1, 2, 0, 0); pad(b, 64); }
static void g_name_64(struct buf *b) { head(b, 3, 1, 0); tensor(b, "1234567890123456789012345678901234567890123456789012345678901234", 1, 2, 0, 0); pad(b, 64); }
static void g_name_bad_utf8(struct buf *b) { head(b, 3, 1, 0); tensor(b, "a\xff", 1, 2, 0, 0); pad(b, 64); }
static void g_no_dims(struct buf *b) { one(b, 0, 0, 0, 0); }
static void g_dims_2p32(struct buf *b) { one(b, UINT32_MAX, 1, 0, 0); }
static void g_dim_0(struct buf *b) { one(b, 1, 0, 0, 0); }
static void g_bytes_2p64(struct buf *b) { one(b, 1, 1ull << 62, 0, 0); }
static void g_type_high(struct buf *b) { one(b, 1, 2, UINT32_MAX, 0); }
static void g_row_not_blocks(struct buf *b) { one(b, 1, 16, 39, 0); }
static void g_offset_wraps(struct buf *b) { one(b, 1, 16, 0, UINT64_MAX - 31); }
static void g_offset_at_end(struct buf *b) { one(b, 1, 16, 0, 64); }
static void g_offset_odd(struct buf *b) { one(b, 1, 2, 0, 4); }
static void g_no_data(struct buf *b) { head(b, 3, 1, 0); tensor(b, "a", 1, 2, 0, 0); }
static void g_align(struct buf *b, uint64_t align) { head(b, 3, 1, 1); key(b, "general.alignment", META_U32); buf_u32(b, (uint32_t)align); tensor(b, "a", 1, 2, 0, 0); buf_grow(b, 512 - b->len); }
static void g_align_4(struct buf *b) { g_align(b, 4); }
static void g_align_128k(struct buf *b) { g_align(b, 1 << 17); }
static void g_align_256(struct buf *b) { g_align(b, 256); }
static void g_hole(struct buf *b) { one(b, 1, 2, 0, 32); }
static void g_tail(struct buf *b) { one(b, 1, 2, 0, 0); buf_grow(b, 100); }
static void g_behind_nothing(struct buf *b) { head(b, 3, 0, 0); buf_grow(b, 100); }
static void g_good(struct buf *b) { one(b, 1, 16, 0, 0); }
/* clang-format on */

static const struct {
    const char *what;
    void (*make)(struct buf *b);
    enum demand demand;
} gguf[] = {
    { "2^61 tensors", g_2p61_tensors, REJECT },
    { "2^60 keys", g_2p60_keys, REJECT },
    { "three keys in 32 bytes", g_more_keys_than_bytes, REJECT },
    { "big-endian", g_big_endian, REJECT },
    { "version 1", g_version_1, REJECT },
    { "an array of arrays", g_nested_array, REJECT },
    { "an array of 2^61 u64", g_array_2p61, REJECT },
    { "an array of 2^63 strings", g_array_of_strings_2p63, REJECT },
    { "a string of 2^64-1 bytes", g_string_2p64, REJECT },
    { "one of 2^64-8 bytes in an array", g_string_in_array_2p64, REJECT },
    { "a bool of 2", g_bool_2, REJECT },
    { "a key twice", g_key_twice, REJECT },
    { "a key with NUL", g_key_nul, REJECT },
    { "no name", g_no_name, REJECT },
    { "a name of 64 bytes", g_name_64, REJECT },
    { "a name that is not UTF-8", g_name_bad_utf8, REJECT },
    { "no dimensions", g_no_dims, REJECT },
    { "2^32-1 dimensions", g_dims_2p32, REJECT },
    { "a dimension of 0", g_dim_0, REJECT },
    { "2^64 bytes", g_bytes_2p64, REJECT },
    { "type 2^32-1", g_type_high, REJECT },
    { "half a block", g_row_not_blocks, REJECT },
    { "an offset that wraps", g_offset_wraps, REJECT },
    { "an offset at the end", g_offset_at_end, REJECT },
    { "an odd offset", g_offset_odd, REJECT },
    { "no data", g_no_data, REJECT },
    { "alignment 4", g_align_4, REJECT },
    { "alignment 131072", g_align_128k, REJECT },
    { "alignment 256", g_align_256, ACCEPT },
    { "a hole", g_hole, WARN },
    { "a long tail", g_tail, WARN },
    { "bytes behind no tensors", g_behind_nothing, WARN },
    { "a good one", g_good, ACCEPT },
};

static void own_ggufs_get_their_verdict(void **state)
{
    (void)state;
    struct memory_file f;
    memory_file_open(&f);
    for (size_t i = 0; i < sizeof gguf / sizeof *gguf; i++) {
        struct err e = { 0 };
        struct buf b = buf_make(&e);
        gguf[i].make(&b);
        assert_true(buf_ok(&b));
        memory_file_fill(&f, buf_text(&b));
        check_own(&f, gguf[i].demand, gguf[i].what);
        buf_free(&b);
    }
    memory_file_close(&f);
}

/* ---- sets ------------------------------------------------------------------------------------ */

static void write_file(const char *dir, struct str name, struct str bytes)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/" STR_FMT, dir, STR_ARG(name));
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.at, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
}

/* Three files of one tensor each, "a" to "c"; *index (may be NULL) is their index.json. */
static void write_set(struct model *out, const char *dir, const struct format *f, struct buf *index)
{
    static const struct plain_tensor t[] = { { "a", DTYPE_F32, 1, { 3 } },
                                             { "b", DTYPE_F32, 1, { 3 } },
                                             { "c", DTYPE_F32, 1, { 3 } } };
    struct err e = { 0 };
    assert_true(plain_lay_out(out, f, t, 3, NULL, 12, &e));
    assert_int_equal(out->n_files, 3);
    for (size_t i = 0; i < out->n_files; i++) {
        struct str bytes = plain_file(out, i);
        write_file(dir, out->files[i].name, bytes);
        fixture_free(bytes);
    }
    assert_true(!index || shards_index(out, index));
}

static void swap_files(const struct model *out, const char *dir, size_t i, size_t j)
{
    char a[4200], b[4200], c[4200];
    snprintf(a, sizeof a, "%s/" STR_FMT, dir, STR_ARG(out->files[i].name));
    snprintf(b, sizeof b, "%s/" STR_FMT, dir, STR_ARG(out->files[j].name));
    snprintf(c, sizeof c, "%s/aside", dir);
    assert_true(!rename(a, c) && !rename(b, a) && !rename(c, b));
}

static void remove_all(const char *dir)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct file_entry *all;
    size_t n;
    assert_true(file_list(dir, &a, &all, &n, &e));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(unlink(file_join(&a, dir, all[i].name, &e)), 0);
    arena_free(&a);
}

static void check_set(const char *path, enum demand demand, const char *why)
{
    struct model m;
    struct err e = { 0 };
    bool ok = model_open(&m, path, &e);
    if (ok != (demand != REJECT) || (ok && (m.n_findings != 0) != (demand == WARN)) ||
        (!ok && (e.code != ERR_INPUT || !strstr(e.msg, why))))
        fail_msg("\"%s\" expected: %s", why, ok ? "was read" : e.msg);
    if (ok)
        assert_int_equal(m.n_tensors, 3);
    model_close(&m);
}

/* Replaces the first `from` in the index. */
static void write_index(const char *dir, const struct buf *index, const char *from, const char *to)
{
    struct err e = { 0 };
    struct buf b = buf_make(&e);
    const char *text = (const char *)index->at, *at = memmem(text, index->len, from, strlen(from));
    assert_non_null(at);
    size_t before = (size_t)(at - text), after = before + strlen(from);
    buf_add(&b, text, before);
    buf_puts(&b, to);
    buf_add(&b, text + after, index->len - after);
    write_file(dir, STR("model.safetensors.index.json"), buf_text(&b));
    buf_free(&b);
}

static void damaged_indexes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        enum demand demand;
        const char *why;
    } changes[] = {
        { "{", "{", ACCEPT, "" },
        { "\"total_size\": 36", "\"total_size\": 37", WARN, "" },
        { "\"a\"", "\"x\"", REJECT, "'a' is not in the index" },
        { "\"a\": \"model-00000", "\"a\": \"model-00001", REJECT, "names 3 tensors" },
        { "\"b\": \"model-00001", "\"b\": \"model-00000", REJECT, "names 3 tensors" },
        { "\"a\": \"model-00000-of-00002", "\"a\": \"gone", REJECT, "gone" },
        { "\"a\": \"", "\"a\": \"../", REJECT, "not a file name" },
        { "\"a\": \"", "\"a\": \"/", REJECT, "not a file name" },
        { "weight_map", "weight_mop", REJECT, "no weight_map" },
        { "\"b\": ", "\"a\": \"x\", \"b\": ", REJECT, "twice" },
        { "\"c\": ", "\"d\": \"model-00000-of-00002.safetensors\", \"c\": ", REJECT,
          "names 4 tensors" },
    };
    const char *tmp = getenv("TMPDIR");
    char dir[4096];
    struct model out;
    struct err e = { 0 };
    struct buf index = buf_make(&e);
    snprintf(dir, sizeof dir, "%s/set-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    write_set(&out, dir, &format_safetensors, &index);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        write_index(dir, &index, changes[i].from, changes[i].to);
        check_set(dir, changes[i].demand, changes[i].why);
    }
    write_index(dir, &index, "{", "{");
    swap_files(&out, dir, 0, 2);
    check_set(dir, REJECT, "by the index");
    swap_files(&out, dir, 0, 2);
    write_file(dir, STR("stray.safetensors"), STR("whatever"));
    check_set(dir, WARN, "");
    remove_all(dir);
    check_set(dir, REJECT, "no weights");
    assert_int_equal(rmdir(dir), 0);
    model_close(&out);
    buf_free(&index);
}

static void damaged_gguf_sets_are_refused(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    char dir[4096], path[4200];
    struct model out;
    snprintf(dir, sizeof dir, "%s/set-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    write_set(&out, dir, &format_gguf, NULL);
    check_set(dir, ACCEPT, "");
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/" STR_FMT, dir, STR_ARG(out.files[i].name));
        check_set(path, i ? REJECT : ACCEPT, "is part");
    }
    swap_files(&out, dir, 1, 2);
    check_set(dir, REJECT, "by its own keys");
    swap_files(&out, dir, 1, 2);
    swap_files(&out, dir, 0, 1);
    check_set(dir, REJECT, "is part 2 of 3");
    swap_files(&out, dir, 0, 1);
    write_file(dir, STR("zzz.gguf"), STR("GGUF"));
    check_set(dir, REJECT, "several models");
    snprintf(path, sizeof path, "%s/zzz.gguf", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/" STR_FMT, dir, STR_ARG(out.files[2].name));
    unlink(path);
    check_set(dir, REJECT, "is missing");
    remove_all(dir);
    assert_int_equal(rmdir(dir), 0);
    model_close(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_safetensors_get_their_verdict),
        cmocka_unit_test(own_ggufs_get_their_verdict),
        cmocka_unit_test(damaged_indexes_are_refused),
        cmocka_unit_test(damaged_gguf_sets_are_refused),
    };
    return cmocka_run_group_tests_name("crafted", tests, NULL, NULL);
}
