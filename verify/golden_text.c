/* golden_text.c - records of logits as files: readable, and the same bytes every time. */
#include "verify/golden.h"

#include "formats/base/json.h"
#include "formats/base/text.h"
#include "verify/hexfloat.h"

#include <float.h>

static const char *const ariths[] = { [ARITH_F32] = "f32", [ARITH_BF16] = "bf16" };
static const char *const ropes[] = {
    [ROPE_REFERENCE] = "reference", [ROPE_LLAMA_CPP] = "llama.cpp"
};

/* ---- writing --------------------------------------------------------------------------------- */

static void put_sha(struct json_out *o, const char *key, const struct sha256 *sha)
{
    char hex[2 * SHA256_BYTES + 1];
    text_hex(hex, sha->at, SHA256_BYTES);
    json_put_kstr(o, key, str_of(hex));
}

/* One line. */
static void put_row(struct json_out *o, uint32_t id, const struct golden_row *row, size_t top)
{
    char number[HEXFLOAT];
    struct buf line = buf_make(o->buf->err);
    struct json_out l = json_out(&line, JSON_SPACED);
    json_put_open(&l, '{');
    json_put_ku64(&l, "id", id);
    json_put_kstr(&l, "log_sum_exp", str_of(hexfloat_text(number, row->log_sum)));
    json_put_key(&l, STR("top"));
    json_put_open(&l, '[');
    for (size_t i = 0; i < top; i++) {
        json_put_open(&l, '[');
        json_put_u64(&l, row->top[i]);
        json_put_str(&l, str_of(hexfloat_text(number, (double)row->logits[i])));
        json_put_close(&l, ']');
    }
    json_put_close(&l, ']');
    json_put_close(&l, '}');
    o->buf->failed |= !buf_ok(&line);
    if (buf_ok(&line))
        json_put_raw(o, buf_text(&line));
    buf_free(&line);
}

static void put_prompt(struct json_out *o, const struct golden_prompt *p, size_t top)
{
    json_put_open(o, '{');
    if (p->prompt.text.at)
        json_put_kstr(o, "text", p->prompt.text);
    put_sha(o, "logits_sha256", &p->logits);
    json_put_key(o, STR("rows"));
    json_put_open(o, '[');
    for (size_t i = 0; i < p->prompt.n; i++)
        put_row(o, p->prompt.ids[i], &p->rows[i], top);
    json_put_close(o, ']');
    json_put_close(o, '}');
}

void golden_write(struct buf *b, const struct golden *g)
{
    struct json_out o = json_out(b, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR("weigh.golden/1"));
    json_put_kstr(&o, "family", g->family);
    json_put_kstr(&o, "arith", str_of(ariths[g->arith]));
    json_put_kstr(&o, "rope", str_of(ropes[g->rope]));
    json_put_ku64(&o, "vocab", g->vocab);
    put_sha(&o, "content_root", &g->content);
    json_put_key(&o, STR("prompts"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < g->n; i++)
        put_prompt(&o, &g->prompts[i], g->top);
    json_put_close(&o, ']');
    json_put_close(&o, '}');
    buf_puts(b, "\n");
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reader {
    struct json json;
    struct golden *g;
    struct arena *arena; /* of g */
    struct err *err;
};

static double read_float(struct reader *r)
{
    double v = 0;
    struct str s = json_string(&r->json);
    if (json_ok(&r->json) && !hexfloat_read(s, &v))
        json_fail(&r->json, "'%.*s' is no hexadecimal number as we write them",
                  (int)(s.len < HEXFLOAT ? s.len : HEXFLOAT), s.at);
    return v;
}

static float read_logit(struct reader *r)
{
    double v = read_float(r);
    if (v > (double)FLT_MAX || v < -(double)FLT_MAX || (double)(float)v != v) {
        json_fail(&r->json, "a logit is a finite 32-bit float");
        return 0;
    }
    return (float)v;
}

static void read_sha(struct reader *r, struct sha256 *sha)
{
    struct str s = json_string(&r->json);
    if (json_ok(&r->json) && !text_unhex(sha->at, SHA256_BYTES, s))
        json_fail(&r->json, "a SHA-256 has 64 hexadecimal digits");
}

/* The number of the word among two. */
static unsigned read_word(struct reader *r, const char *const words[2])
{
    struct str s = json_string(&r->json);
    if (!json_ok(&r->json) || str_is(s, words[0]))
        return 0;
    if (!str_is(s, words[1]))
        json_fail(&r->json, "should be %s or %s", words[0], words[1]);
    return 1;
}

static uint32_t read_id(struct reader *r)
{
    uint64_t id = json_u64(&r->json);
    if (json_ok(&r->json) && id >= r->g->vocab)
        json_fail(&r->json, "token %llu is not in the vocabulary of %llu", (unsigned long long)id,
                  (unsigned long long)r->g->vocab);
    return (uint32_t)id;
}

/* [[id, "logit"], ...]: as many as in the first row, by falling logit. */
static void read_top(struct reader *r, struct golden_row *row)
{
    struct json *j = &r->json;
    uint32_t ids[GOLDEN_TOP] = { 0 };
    float logits[GOLDEN_TOP] = { 0 };
    size_t n = 0, seen;
    for (json_array(j); json_item(j); n++) {
        if (n == GOLDEN_TOP) {
            json_fail(j, "more than %d tokens", GOLDEN_TOP);
            return;
        }
        for (seen = 0, json_array(j); json_item(j); seen++) {
            if (seen == 0)
                ids[n] = read_id(r);
            else
                logits[n] = read_logit(r);
        }
        if (json_ok(j) && seen != 2)
            json_fail(j, "should be a token and its logit");
        if (json_ok(j) && n && !(logits[n] <= logits[n - 1]))
            json_fail(j, "the logits should fall");
    }
    if (!json_ok(j))
        return;
    r->g->top = r->g->top ? r->g->top : n;
    if (n == 0 || n != r->g->top) {
        json_fail(j, "every row should have the same number of tokens, at least one");
        return;
    }
    row->top = arena_new(r->arena, uint32_t, n, r->err);
    row->logits = arena_new(r->arena, float, n, r->err);
    if (row->top && row->logits) {
        memcpy(row->top, ids, n * sizeof *ids);
        memcpy(row->logits, logits, n * sizeof *logits);
    }
}

static void read_row(struct reader *r, uint32_t *id, struct golden_row *row)
{
    struct json *j = &r->json;
    struct str key;
    unsigned seen = 0;
    for (json_object(j); json_key(j, &key);) {
        if (str_is(key, "id")) {
            *id = read_id(r);
            seen |= 1;
        } else if (str_is(key, "log_sum_exp")) {
            row->log_sum = read_float(r);
            seen |= 2;
        } else if (str_is(key, "top")) {
            read_top(r, row);
            seen |= 4;
        } else
            json_skip(j);
    }
    if (json_ok(j) && seen != 7)
        json_fail(j, "a row has id, log_sum_exp and top");
}

static bool read_rows(struct reader *r, struct golden_prompt *p)
{
    struct json *j = &r->json;
    uint32_t *ids = NULL;
    for (json_array(j); json_item(j); p->prompt.n++) {
        uint32_t *more = arena_append(r->arena, ids, sizeof *ids, p->prompt.n, r->err);
        struct golden_row *rows =
            arena_append(r->arena, p->rows, sizeof *rows, p->prompt.n, r->err);
        if (!more || !rows)
            return false;
        ids = more;
        p->rows = rows;
        read_row(r, &ids[p->prompt.n], &p->rows[p->prompt.n]);
    }
    p->prompt.ids = ids;
    return true;
}

static bool read_prompt(struct reader *r, struct golden_prompt *p)
{
    struct json *j = &r->json;
    struct str key;
    bool digest = false;
    for (json_object(j); json_key(j, &key);) {
        if (str_is(key, "text"))
            p->prompt.text = arena_str(r->arena, json_string(j), r->err);
        else if (str_is(key, "logits_sha256")) {
            read_sha(r, &p->logits);
            digest = true;
        } else if (!str_is(key, "rows"))
            json_skip(j);
        else if (!read_rows(r, p))
            return false;
    }
    return json_ok(j) &&
           ((digest && p->prompt.n) || json_fail(j, "a prompt has logits_sha256 and rows"));
}

static bool read_prompts(struct reader *r)
{
    struct golden *g = r->g;
    for (json_array(&r->json); json_item(&r->json); g->n++) {
        struct golden_prompt *more = arena_append(r->arena, g->prompts, sizeof *more, g->n, r->err);
        if (!more)
            return false;
        g->prompts = more;
        g->prompts[g->n] = (struct golden_prompt){ 0 };
        if (!read_prompt(r, &g->prompts[g->n]))
            return false;
    }
    return json_ok(&r->json);
}

/* vocab must stand before the prompts, where golden_write puts it. */
static bool read_member(struct reader *r, struct str key)
{
    struct json *j = &r->json;
    struct golden *g = r->g;
    if (str_is(key, "schema")) {
        if (!str_is(json_string(j), "weigh.golden/1"))
            json_fail(j, "the schema is not weigh.golden/1");
    } else if (str_is(key, "family"))
        g->family = arena_str(r->arena, json_string(j), r->err);
    else if (str_is(key, "arith"))
        g->arith = (enum arith)read_word(r, ariths);
    else if (str_is(key, "rope"))
        g->rope = (enum rope_style)read_word(r, ropes);
    else if (str_is(key, "vocab"))
        g->vocab = json_u64(j);
    else if (str_is(key, "content_root"))
        read_sha(r, &g->content);
    else if (str_is(key, "prompts"))
        return read_prompts(r);
    else
        json_skip(j);
    return json_ok(j);
}

bool golden_parse(struct golden *g, const char *path, struct str text, struct err *e)
{
    static const char *const needed[] = { "schema", "family",       "arith",  "rope",
                                          "vocab",  "content_root", "prompts" };
    enum { NEEDED = sizeof needed / sizeof *needed };
    struct arena a = { 0 };
    struct str key;
    unsigned seen = 0;
    bool ok = true;
    *g = (struct golden){ 0 };
    struct reader r = { .g = g, .arena = &g->arena, .err = e };
    json_open(&r.json, path, 0, text, &a, e);
    for (json_object(&r.json); ok && json_key(&r.json, &key);) {
        for (size_t i = 0; i < NEEDED; i++)
            seen |= str_is(key, needed[i]) ? 1u << i : 0;
        ok = read_member(&r, key);
    }
    ok = ok && json_end(&r.json) && e->code == ERR_NONE;
    if (ok && (seen != (1u << NEEDED) - 1 || g->n == 0))
        ok = err_set(e, ERR_INPUT,
                     "%s: this is no record of logits: members or all prompts are missing", path);
    json_close(&r.json);
    arena_free(&a);
    if (!ok)
        golden_free(g);
    return ok;
}

bool golden_read(struct golden *g, const char *path, struct err *e)
{
    struct arena a = { 0 };
    struct span s;
    *g = (struct golden){ 0 };
    bool ok = file_slurp(path, GOLDEN_MOST, &a, &s, e) &&
              golden_parse(g, path, (struct str){ (const char *)s.at, s.len }, e);
    arena_free(&a);
    return ok;
}
