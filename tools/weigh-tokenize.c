/* weigh-tokenize - text to token ids and back, and do two tokenizers agree? */
#include "formats/base/json.h"
#include "formats/base/text.h"
#include "formats/tokenizer.h"
#include "tools/cli.h"

#include <stdio.h>

enum { IDS_MAX = 1 << 30 }; /* bytes of ids on standard input */

struct job {
    const char *source, *text, *file, *decode, *other;
    bool pieces, json, no_special;
};

/* ---- what is asked for --------------------------------------------------------------- */

static bool settle(struct job *j, int argc, char **argv, struct err *e)
{
    j->source = argv[0];
    j->text = argc > 1 ? argv[1] : NULL;
    if (j->text && j->file)
        return err_set(e, ERR_USAGE, "both a TEXT and --file");
    if (j->decode && (j->text || j->file || j->other || j->no_special))
        return err_set(e, ERR_USAGE, "--decode takes ids, and no text");
    if (j->other && j->pieces)
        return err_set(e, ERR_USAGE, "--compare prints a verdict, no pieces");
    if (!j->text && !j->file && !j->decode && !j->other) {
        err_set(e, ERR_USAGE, "no text");
        return err_hint(e, "give it after SOURCE, or --file FILE; - is standard input");
    }
    return true;
}

static bool read_text(const struct job *j, struct str *text, struct arena *a, struct err *e)
{
    struct span s;
    if (!j->file) {
        *text = str_of(j->text);
        return true;
    }
    if (!file_slurp(j->file, UINT32_MAX - 1, a, &s, e))
        return false;
    *text = (struct str){ (const char *)s.at, s.len };
    return true;
}

/* The next word of s, which loses it; commas and white space are between words. */
static bool next_word(struct str *s, struct str *word)
{
    static const char gaps[] = ", \t\n\v\f\r";
    size_t from = 0;
    while (from < s->len && memchr(gaps, s->at[from], sizeof gaps - 1))
        from++;
    size_t end = from;
    while (end < s->len && !memchr(gaps, s->at[end], sizeof gaps - 1))
        end++;
    *word = (struct str){ s->at + from, end - from };
    *s = (struct str){ s->at + end, s->len - end };
    return word->len > 0;
}

static bool parse_id(struct str word, uint32_t *id)
{
    uint64_t v = 0;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9' || v > UINT32_MAX)
            return false;
        v = 10 * v + (uint64_t)(word.at[i] - '0');
    }
    *id = (uint32_t)v;
    return v <= UINT32_MAX;
}

static bool read_ids(const struct job *j, struct token_ids *ids, struct arena *a, struct err *e)
{
    struct str s = str_of(j->decode), word;
    struct span in;
    if (str_is(s, "-")) {
        if (!file_slurp("-", IDS_MAX, a, &in, e))
            return false;
        s = (struct str){ (const char *)in.at, in.len };
    }
    while (next_word(&s, &word)) {
        uint32_t id;
        if (!parse_id(word, &id))
            return err_set(e, ERR_USAGE, "'" STR_FMT "' is no token id",
                           (int)(word.len < 40 ? word.len : 40), word.at);
        if (!token_ids_add(ids, id, e))
            return false;
    }
    return true;
}

/* ---- results ------------------------------------------------------------------------- */

static struct json_out open_json(struct buf *b)
{
    struct json_out o = json_out(b, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR("weigh.tokenize/1"));
    return o;
}

static void close_json(struct json_out *o)
{
    json_put_close(o, '}');
    buf_puts(o->buf, "\n");
}

static void put_hex(struct json_out *o, struct str bytes)
{
    char hex[65];
    struct buf all = buf_make(o->buf->err);
    for (size_t at = 0, n; at < bytes.len; at += n) {
        n = bytes.len - at < 32 ? bytes.len - at : 32;
        text_hex(hex, (const uint8_t *)bytes.at + at, n);
        buf_add(&all, hex, 2 * n);
    }
    json_put_kstr(o, "hex", buf_text(&all));
    buf_free(&all);
}

static void put_json(struct buf *b, const struct tokenizer *t, const struct token_ids *ids)
{
    struct json_out o = open_json(b);
    json_put_key(&o, STR("tokens"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < ids->n; i++) {
        struct str bytes = t->tokens[ids->at[i]].bytes;
        json_put_open(&o, '{');
        json_put_ku64(&o, "id", ids->at[i]);
        json_put_kstr(&o, "text", bytes);
        put_hex(&o, bytes);
        json_put_close(&o, '}');
    }
    json_put_close(&o, ']');
    close_json(&o);
}

static void put_pieces(struct buf *b, const struct tokenizer *t, const struct token_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++) {
        buf_printf(b, "%u\t", ids->at[i]);
        text_escape(b, t->tokens[ids->at[i]].bytes);
        buf_puts(b, "\n");
    }
}

static void put_ids(struct buf *b, const struct token_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++)
        buf_printf(b, "%s%u", i ? " " : "", ids->at[i]);
    buf_puts(b, "\n");
}

/* ---- the jobs -------------------------------------------------------------------------- */

static bool print_ids(const struct job *j, const struct tokenizer *t, const struct token_ids *ids,
                      struct err *e)
{
    struct buf b = buf_make(e);
    bool ok = true;
    if (j->json || j->pieces || j->decode) /* each id must be a token */
        ok = tokenizer_decode(t, ids->at, ids->n, &b, e);
    if (ok && (j->json || j->pieces || !j->decode)) {
        b.len = 0;
        if (j->json)
            put_json(&b, t, ids);
        else if (j->pieces)
            put_pieces(&b, t, ids);
        else
            put_ids(&b, ids);
    }
    ok = ok && cli_print(&b, e);
    buf_free(&b);
    return ok;
}

/* The verdict is the result, so it goes to standard output. */
static bool print_verdict(const struct job *j, bool equal, const char *why, struct err *e)
{
    struct buf b = buf_make(e);
    if (j->json) {
        struct json_out o = open_json(&b);
        json_put_kbool(&o, "equal", equal);
        json_put_kstr(&o, "why", str_of(why));
        close_json(&o);
    } else {
        buf_puts(&b, equal ? "equal: " : "differs: ");
        text_escape(&b, str_of(why));
        buf_puts(&b, "\n");
    }
    bool ok = cli_print(&b, e);
    buf_free(&b);
    return ok && (equal || err_set(e, ERR_MISMATCH, "%s", ""));
}

static bool compare_tables(const struct job *j, const struct tokenizer *t,
                           const struct tokenizer *other, struct err *e)
{
    struct err verdict = { 0 };
    char why[100], count[32];
    bool equal = tokenizer_same(t, other, &verdict);
    snprintf(why, sizeof why, "%s tokens, merges and the split pattern",
             text_count(count, t->n_tokens));
    return print_verdict(j, equal, equal ? why : verdict.msg, e);
}

/* "id 262 'the'" or "nothing" */
static void describe(struct buf *b, const struct tokenizer *t, const struct token_ids *ids,
                     size_t i)
{
    if (i >= ids->n) {
        buf_puts(b, "nothing");
        return;
    }
    struct str bytes = t->tokens[ids->at[i]].bytes;
    buf_printf(b, "%u '", ids->at[i]);
    buf_str(b, (struct str){ bytes.at, bytes.len < 80 ? bytes.len : 80 });
    buf_puts(b, "'");
}

static bool compare_ids(const struct job *j, const struct tokenizer *t, const struct token_ids *a,
                        const struct tokenizer *other, const struct token_ids *b, struct err *e)
{
    struct buf why = buf_make(e);
    char count[32];
    size_t i = 0;
    uint64_t at = 0;
    for (; i < a->n && i < b->n && a->at[i] == b->at[i]; i++)
        at += t->tokens[a->at[i]].bytes.len;
    bool equal = i == a->n && i == b->n;
    if (equal) {
        buf_printf(&why, "%s ids", text_count(count, a->n));
    } else {
        buf_printf(&why, "token %zu, at byte %llu of the text, is ", i, (unsigned long long)at);
        describe(&why, t, a, i);
        buf_puts(&why, " and ");
        describe(&why, other, b, i);
    }
    buf_add(&why, "", 1);
    bool ok = buf_ok(&why) && print_verdict(j, equal, (const char *)why.at, e);
    buf_free(&why);
    return ok;
}

static bool compare(const struct job *j, const struct tokenizer *t, struct str text,
                    const struct token_ids *ids, struct err *e)
{
    struct tokenizer other;
    struct token_ids others = { 0 };
    if (!tokenizer_open(&other, j->other, e))
        return false;
    bool ok;
    if (!text.at)
        ok = compare_tables(j, t, &other, e);
    else
        ok = tokenizer_encode(&other, text, !j->no_special, &others, e) &&
             compare_ids(j, t, ids, &other, &others, e);
    token_ids_free(&others);
    tokenizer_close(&other);
    return ok;
}

static bool tokenize(const struct job *j, struct err *e)
{
    struct tokenizer t = { 0 };
    struct token_ids ids = { 0 };
    struct arena a = { 0 };
    struct str text = { NULL, 0 };
    bool ok = !j->text && !j->file ? true : read_text(j, &text, &a, e);
    ok = ok && (!j->decode || read_ids(j, &ids, &a, e)) && tokenizer_open(&t, j->source, e) &&
         (!text.at || tokenizer_encode(&t, text, !j->no_special, &ids, e)) &&
         (j->other ? compare(j, &t, text, &ids, e) : print_ids(j, &t, &ids, e));
    tokenizer_close(&t);
    token_ids_free(&ids);
    arena_free(&a);
    return ok;
}

int main(int argc, char **argv)
{
    struct job j = { 0 };
    struct err e = { 0 };
    const struct opt opts[] = {
        { "file", 0, OPT_TEXT, &j.file, "FILE", "take the text from a file; - is standard input" },
        { "decode", 'd', OPT_TEXT, &j.decode, "IDS",
          "print the bytes of these ids, as in 1,2,3; - reads them from standard input" },
        { "pieces", 'p', OPT_FLAG, &j.pieces, NULL, "one line for each token: id, tab, its text" },
        { "compare", 0, OPT_TEXT, &j.other, "OTHER",
          "does this tokenizer give the same ids? without a text: has it the same tables?" },
        { "no-special", 0, OPT_FLAG, &j.no_special, NULL,
          "treat what looks like a control token, such as <|end|>, as plain text" },
        OPT_JSON(&j.json),
        { 0 },
    };
    static const struct cli_note examples[] = {
        { "weigh-tokenize gpt-oss-20b/ \"Hello world\"", "the ids, separated by spaces" },
        { "weigh-tokenize gpt-oss-20b/ --decode 199999,200006", "the text of ids" },
        { "weigh-tokenize gpt-oss-20b/ --file story.txt --pieces", "how a text is cut" },
        { "weigh-tokenize gpt-oss-20b/ --compare gpt-oss-20b.gguf",
          "do both tokenize every text alike?" },
        { 0 },
    };
    static const char *const description[] = {
        "Turns text into the token ids of a model, exactly as Hugging Face's tokenizers do, and "
        "ids into text. Any bytes are accepted: those that are not UTF-8 come back unchanged.",
        "SOURCE is a tokenizer.json, a directory that has one, or a GGUF with tokenizer keys. "
        "Only byte-level BPE is supported. No beginning-of-text token is put in front.",
        "Unicode properties in the split pattern are those of the installed PCRE2; letters newer "
        "than it may be split in another way than elsewhere.",
        NULL,
    };
    static const struct cli_note exits[] = {
        { "1", "--compare: the tokenizers differ" },
        { 0 },
    };
    const struct cli cli = {
        .name = "weigh-tokenize",
        .synopsis = "[OPTION]... SOURCE [TEXT]",
        .summary = "turn text into tokens and back",
        .description = description,
        .opts = opts,
        .min_args = 1,
        .max_args = 2,
        .examples = examples,
        .exits = exits,
        .see_also = "weigh-logits(1), weigh-inspect(1)",
    };
    if (!cli_parse(&cli, &argc, &argv, &e))
        return cli_exit(&cli, &e, NULL);
    if (settle(&j, argc, argv, &e))
        tokenize(&j, &e);
    return cli_exit(&cli, &e, NULL);
}
