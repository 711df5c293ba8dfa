/* synth_tokenizer.c - a made-up vocabulary whose splits are known as it grows.
 *
 * With letters a, b, c ... the tokens are, in this order and so by length:
 *
 *     x          the 256 bytes              no split
 *     _a         _ is a space               _ + a
 *     ab         all pairs                  a + b
 *     abc        a quarter of all triples   a + bc       ab + c
 *     _ab        all                        _ + ab       _a + b
 *     _w         words of 3 letters, then of 4 ...: a word of the level before and one letter
 *                                           _w[..n-3] + last three, if they are a token
 *                                           _w[..n-2] + last two
 *                                           _w[..n-1] + last one
 *
 * A space stands only in front, so no other split of a word is into two tokens.
 * Whether a word has two splits or three depends on its last letter, which is
 * chosen so that the splits of all words add up to the number wanted. */
#include "formats/synth_tokenizer.h"

#include "formats/base/json.h"

#include <stdio.h>

enum {
    BYTES = 256,
    LETTERS = 26,
    TRIPLES_OF = 4,  /* abc is a token if a + b + c is a multiple of this */
    GROWTH = 4,      /* a level of words is at most so many times the one before, */
    LEVELS = 9,      /* and at most this part of all: lengths as in a real vocabulary */
    WORD_BYTES = 64, /* with one letter there are fewer than 48 words, else fewer levels */
    MOST = 1 << 24,  /* tokens */
};

#define SPACE "\xc4\xa0" /* U+0120, which stands for byte 0x20 */

struct making {
    uint64_t n_text, n_merges; /* wanted */
    uint64_t n_tokens, made;   /* so far */
    unsigned letters;
    struct buf tokens, merges; /* as GGUF stores arrays of strings */
    size_t *at;                /* by token: where its text begins */
    uint32_t *used;            /* by token: letters that already extend it, a bit each */
};

/* ---- one token, one merge ------------------------------------------------------------ */

static void put_str(struct buf *b, struct str s)
{
    buf_u64(b, s.len);
    buf_str(b, s);
}

static bool full(const struct making *m) { return m->n_tokens == m->n_text; }

static void add_token(struct making *m, struct str text)
{
    if (m->n_tokens < m->n_text)
        m->at[m->n_tokens] = m->tokens.len + 8;
    m->n_tokens++;
    put_str(&m->tokens, text);
}

/* The text split `right` bytes before its end. */
static void add_merge(struct making *m, struct str text, size_t right)
{
    buf_u64(&m->merges, text.len + 1);
    buf_add(&m->merges, text.at, text.len - right);
    buf_add(&m->merges, " ", 1);
    buf_add(&m->merges, text.at + text.len - right, right);
    m->made++;
}

static struct str text_of(const struct making *m, uint64_t token, size_t len)
{
    return (struct str){ (const char *)m->tokens.at + m->at[token], len };
}

/* ---- what all vocabularies begin with -------------------------------------------------- */

/* The alphabet of GPT-2: printable bytes stand for themselves and come first,
 * the others follow as U+0100, U+0101 ... */
static void add_bytes(struct making *m)
{
    for (unsigned i = 0; i < BYTES; i++) {
        unsigned c = i < 94    ? 0x21 + i
                     : i < 106 ? 0xa1 + i - 94
                     : i < 188 ? 0xae + i - 106
                               : 0x100 + i - 188;
        char two[2] = { (char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)) };
        char one = (char)c;
        add_token(m, c < 0x80 ? (struct str){ &one, 1 } : (struct str){ two, 2 });
    }
}

static bool is_triple(unsigned a, unsigned b, unsigned c) { return (a + b + c) % TRIPLES_OF == 0; }

/* The tokens of one or two letters behind `front`, or of three in front of nothing;
 * each splits before its last letter and before the one before. */
static void add_short(struct making *m, const char *front, unsigned n)
{
    unsigned end = 1;
    for (unsigned i = 0; i < n; i++)
        end *= m->letters;
    for (unsigned i = 0; i < end && !full(m); i++) {
        char word[8];
        size_t len = strlen(front);
        memcpy(word, front, len);
        unsigned digit[3] = { i / m->letters / m->letters % m->letters, i / m->letters % m->letters,
                              i % m->letters };
        if (n == 3 && !is_triple(digit[0], digit[1], digit[2]))
            continue;
        for (unsigned k = 3 - n; k < 3; k++)
            word[len++] = (char)('a' + digit[k]);
        struct str text = { word, len };
        add_token(m, text);
        if (len > 2 && n > 1)
            add_merge(m, text, 2);
        add_merge(m, text, 1);
    }
}

/* As many letters as leave three quarters of the vocabulary to words. */
static unsigned count_letters(uint64_t n)
{
    unsigned q = LETTERS;
    while (q > 1 && q + 2 * q * q + q * q * q / TRIPLES_OF > n / 4)
        q--;
    return q;
}

/* ---- words -------------------------------------------------------------------------------- */

/* A letter that does not extend this word yet; if possible one that makes a
 * triple with its last two, or one that does not. */
static unsigned pick_letter(const struct making *m, uint64_t parent, struct str word, bool triple)
{
    unsigned a = (unsigned)(word.at[word.len - 2] - 'a'),
             b = (unsigned)(word.at[word.len - 1] - 'a');
    unsigned start = (unsigned)(m->n_tokens * 0x9e3779b97f4a7c15u >> 40); /* Fibonacci hashing */
    unsigned other = 0;
    for (unsigned i = 0; i < m->letters; i++) {
        unsigned c = (start + i) % m->letters;
        if (m->used[parent] >> c & 1)
            continue;
        if (is_triple(a, b, c) == triple)
            return c;
        other = c;
    }
    return other;
}

static void add_word(struct making *m, uint64_t parent, size_t len, bool triple)
{
    char word[WORD_BYTES];
    memcpy(word, text_of(m, parent, len).at, len);
    unsigned c = pick_letter(m, parent, (struct str){ word, len }, triple);
    m->used[parent] |= (uint32_t)1 << c;
    word[len] = (char)('a' + c);
    struct str text = { word, len + 1 };
    add_token(m, text);
    if (is_triple((unsigned)(word[len - 2] - 'a'), (unsigned)(word[len - 1] - 'a'), c))
        add_merge(m, text, 3);
    add_merge(m, text, 2);
    add_merge(m, text, 1);
}

/* Words of n letters, level by level.  After i of w words the splits are on the
 * straight line from what there is to what is wanted. */
static void add_words(struct making *m)
{
    uint64_t before = m->made, first_word = m->n_tokens, w = m->n_text - m->n_tokens;
    uint64_t wanted = m->n_merges ? m->n_merges - before : 0;
    uint64_t parents = (uint64_t)m->letters * m->letters, parent = m->n_tokens - parents;
    uint64_t most = m->n_text / LEVELS, growth = m->letters < GROWTH ? m->letters : GROWTH;
    for (size_t len = sizeof SPACE - 1 + 2; !full(m) && buf_ok(&m->tokens); len++) {
        uint64_t level = parents * growth < most ? parents * growth : most, first = m->n_tokens;
        for (uint64_t i = 0; i < level && !full(m) && buf_ok(&m->tokens); i++) {
            uint64_t line = wanted * (m->n_tokens - first_word + 1) / w;
            add_word(m, parent + i % parents, len, m->made - before + 3 <= line);
        }
        parent = first;
        parents = level;
    }
}

static bool check_wanted(const struct making *m, struct err *e)
{
    uint64_t w = m->n_text - m->n_tokens;
    if (m->n_merges == 0 || (m->n_merges >= m->made + 2 * w && m->n_merges <= m->made + 3 * w))
        return true;
    return err_set(e, ERR_USAGE, "%llu tokens of text can have %llu to %llu merges, not %llu",
                   (unsigned long long)m->n_text, (unsigned long long)(m->made + 2 * w),
                   (unsigned long long)(m->made + 3 * w), (unsigned long long)m->n_merges);
}

static bool add_text(struct making *m, struct err *e)
{
    add_bytes(m);
    m->letters = count_letters(m->n_text - BYTES);
    add_short(m, SPACE, 1);
    add_short(m, "", 2);
    add_short(m, "", 3);
    add_short(m, SPACE, 2);
    if (!buf_ok(&m->tokens) || !buf_ok(&m->merges) || !check_wanted(m, e))
        return false;
    if (!full(m))
        add_words(m);
    if (!buf_ok(&m->tokens) || !buf_ok(&m->merges))
        return false;
    return m->n_merges == 0 || m->made == m->n_merges ||
           err_set(e, ERR_USAGE, "no %llu tokens of text with exactly %llu merges",
                   (unsigned long long)m->n_text, (unsigned long long)m->n_merges);
}

/* ---- special tokens, template, keys -----------------------------------------------------------
 */

static const char *const specials[SYNTH_SPECIALS] = {
    /* NULL: reserved */
    [SYNTH_BOS] = "startoftext",
    [SYNTH_PAD] = "endoftext",
    [SYNTH_EOS] = "return",
    [5] = "constrain",
    [7] = "channel",
    [8] = "start",
    [9] = "end",
    [10] = "message",
    [SYNTH_CALL] = "call",
    [20] = "endofprompt",
};

static const char chat_template[] =
    "{#- Roles and channels of harmony, no tools: enough to try a pipeline with. -#}\n"
    "{%- for message in messages -%}\n"
    "    {{- '<|start|>' + message['role'] -}}\n"
    "    {%- if message['role'] == 'assistant' -%}\n"
    "        {{- '<|channel|>' + (message['channel'] if message['channel'] else 'final') -}}\n"
    "    {%- endif -%}\n"
    "    {{- '<|message|>' + message['content'] + '<|end|>' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n"
    "    {{- '<|start|>assistant' -}}\n"
    "{%- endif -%}\n";

static void add_specials(struct making *m)
{
    for (unsigned i = 0; i < SYNTH_SPECIALS; i++) {
        char text[48];
        int n = specials[i] ? snprintf(text, sizeof text, "<|%s|>", specials[i])
                            : snprintf(text, sizeof text, "<|reserved_%llu|>",
                                       (unsigned long long)m->n_tokens);
        add_token(m, (struct str){ text, (size_t)n });
    }
}

static bool add_keys(const struct making *m, struct metadata *to, struct arena *a, struct err *e)
{
    uint8_t *types = arena_alloc(a, 4, m->n_tokens, e);
    if (!types)
        return false;
    for (uint64_t i = 0; i < m->n_tokens; i++)
        types[4 * i] = i < m->n_text ? TOKEN_NORMAL : TOKEN_CONTROL;
    const struct meta arrays[] = {
        { STR("tokenizer.ggml.tokens"), META_ARRAY, META_STRING, m->n_tokens,
          buf_span(&m->tokens) },
        { STR("tokenizer.ggml.token_type"),
          META_ARRAY,
          META_I32,
          m->n_tokens,
          { types, 4 * m->n_tokens } },
        { STR("tokenizer.ggml.merges"), META_ARRAY, META_STRING, m->made, buf_span(&m->merges) },
    };
    uint32_t first = (uint32_t)m->n_text;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (!meta_add(to, arrays[i], a, e))
            return false;
    return meta_add_str(to, "tokenizer.ggml.model", STR("gpt2"), a, e) &&
           meta_add_str(to, "tokenizer.ggml.pre", STR("gpt-4o"), a, e) &&
           meta_add_u32(to, vocab_roles[VOCAB_BOS].key, first + SYNTH_BOS, a, e) &&
           meta_add_u32(to, vocab_roles[VOCAB_EOS].key, first + SYNTH_EOS, a, e) &&
           meta_add_u32(to, vocab_roles[VOCAB_PAD].key, first + SYNTH_PAD, a, e) &&
           meta_add_str(to, "tokenizer.chat_template", str_of(chat_template), a, e);
}

/* generation_config.json: GGUF keys know one end of a turn, the release has three. */
static bool put_generation(uint64_t n_text, struct str *to, struct arena *a, struct err *e)
{
    static const unsigned ends[] = { SYNTH_EOS, SYNTH_PAD, SYNTH_CALL };
    struct buf b = buf_make(e);
    struct json_out o = json_out(&b, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_ku64(&o, "bos_token_id", n_text + SYNTH_BOS);
    json_put_kbool(&o, "do_sample", true);
    json_put_key(&o, STR("eos_token_id"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        json_put_u64(&o, n_text + ends[i]);
    json_put_close(&o, ']');
    json_put_ku64(&o, "pad_token_id", n_text + SYNTH_PAD);
    json_put_kstr(&o, "transformers_version", STR("4.55.0.dev0"));
    json_put_close(&o, '}');
    buf_puts(&b, "\n");
    *to = buf_ok(&b) ? arena_str(a, buf_text(&b), e) : (struct str){ 0 };
    buf_free(&b);
    return to->at != NULL;
}

bool synth_tokenizer(uint64_t n_text, uint64_t n_merges, struct vocab_sources *to, struct arena *a,
                     struct err *e)
{
    if (n_text < BYTES || n_text > MOST)
        return err_set(e, ERR_USAGE,
                       "a vocabulary of %llu tokens of text; from %d to %d can be made",
                       (unsigned long long)n_text, BYTES, MOST);
    struct arena scratch = { 0 };
    struct metadata keys = { 0 };
    struct making m = { .n_text = n_text,
                        .n_merges = n_merges,
                        .tokens = buf_make(e),
                        .merges = buf_make(e),
                        .at = arena_new(&scratch, size_t, n_text, e),
                        .used = arena_new(&scratch, uint32_t, n_text, e) };
    bool ok = m.at && m.used && add_text(&m, e);
    if (ok) {
        add_specials(&m);
        ok = buf_ok(&m.tokens) && add_keys(&m, &keys, &scratch, e) &&
             vocab_from_gguf(&keys, to, a, e) &&
             put_generation(n_text, &to->generation_config_json, a, e);
    }
    buf_free(&m.tokens);
    buf_free(&m.merges);
    arena_free(&scratch);
    return ok;
}
