/* splitter.c - PCRE2 behind two verbs: compile a pattern, give the next piece. */
#include "formats/splitter.h"

#include "formats/base/buf.h"
#include "formats/base/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    PATTERN_MAX = 64 << 10, /* bytes; the longest in use is about 500 */
    MATCH_STEPS = 10 << 20, /* of one match, at least; and for each byte of the text */
    MATCH_STEPS_PER_BYTE = 16,
    MATCH_HEAP_KIB = 256 << 10, /* of the interpreter */
};

/* ---- memory ---------------------------------------------------------------------------- */

static void *take(size_t n, void *err) { return mem_resize(NULL, n, err); }
static void give(void *p, void *err)
{
    (void)err;
    mem_free(p);
}

/* ---- the pattern ------------------------------------------------------------------------ */

/* Unicode White_Space, and all else, as they stand inside [].  PCRE2's own \s has U+180E too. */
#define SPACES                                                                            \
    "\\x{9}-\\x{d} \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
    "\\x{205f}\\x{3000}"
#define OTHERS                                                                     \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}"   \
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}" \
    "\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"

/* Where reading the pattern stands. */
struct place {
    size_t at;
    bool class, quote; /* inside [], inside \Q..\E */
};

/* Copies what stands at the place, which begins with a backslash, and goes behind it. */
static void copy_escape(struct buf *out, struct str regex, struct place *p)
{
    char c = p->at + 1 < regex.len ? regex.at[p->at + 1] : '\0';
    if ((c == 's' || c == 'S') && !p->quote) {
        buf_puts(out, p->class ? "" : "[");
        buf_puts(out, c == 's' ? SPACES : OTHERS);
        buf_puts(out, p->class ? "" : "]");
    } else if (c == 'E' || !p->quote) {
        buf_add(out, regex.at + p->at, p->at + 1 < regex.len ? 2 : 1);
        p->quote = c == 'Q';
    } else {
        buf_add(out, "\\", 1);
        p->at--; /* one byte only */
    }
    p->at += 2;
}

/* Goes behind "[", "[^", and a "]" that stands for itself. */
static size_t class_head(struct str regex, size_t at)
{
    size_t n = 1;
    n += at + n < regex.len && regex.at[at + n] == '^';
    n += at + n < regex.len && regex.at[at + n] == ']';
    return n;
}

/* "[:alpha:]" inside a class: its length, or 0. */
static size_t posix_class(struct str regex, size_t at)
{
    size_t n = 2;
    if (at + 1 >= regex.len || regex.at[at] != '[' || regex.at[at + 1] != ':')
        return 0;
    while (at + n < regex.len && regex.at[at + n] != ':' && regex.at[at + n] != ']')
        n++;
    return at + n + 1 < regex.len && regex.at[at + n] == ':' && regex.at[at + n + 1] == ']' ? n + 2
                                                                                            : 0;
}

/* The pattern with every \s and \S spelled out. */
static void translate(struct buf *out, struct str regex)
{
    struct place p = { 0 };
    while (p.at < regex.len) {
        char c = regex.at[p.at];
        size_t n = 1;
        if (c == '\\') {
            copy_escape(out, regex, &p);
            continue;
        }
        if (!p.quote && p.class) {
            n = posix_class(regex, p.at);
            n = n ? n : 1;
            p.class = c != ']';
        } else if (!p.quote && c == '[') {
            n = class_head(regex, p.at);
            p.class = true;
        }
        buf_add(out, regex.at + p.at, n);
        p.at += n;
    }
}

static bool refuse(const char *where, int code, size_t at, struct err *e)
{
    char why[256];
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why) < 0)
        why[0] = '\0';
    return err_set(e, ERR_UNSUPPORTED, "%s: the split pattern cannot be used: %s (at %zu of it)",
                   where, why, at);
}

static bool compile(struct splitter *s, const char *where, struct str pattern,
                    pcre2_general_context *memory, struct err *e)
{
    const uint32_t how = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *c = pcre2_compile_context_create(memory);
    int code = 0;
    size_t at = 0;
    if (!c)
        return false;
    pcre2_set_newline(c, PCRE2_NEWLINE_LF);
    s->code = pcre2_compile((PCRE2_SPTR)pattern.at, pattern.len, how, &code, &at, c);
    pcre2_compile_context_free(c);
    if (!s->code)
        return refuse(where, code, at, e);
    pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE); /* where it cannot, matching interprets */
    return e->code == ERR_NONE;
}

bool splitter_open(struct splitter *s, const char *where, struct str regex, struct err *e)
{
    *s = (struct splitter){ NULL };
    if (!regex.at)
        return true;
    if (regex.len > PATTERN_MAX)
        return err_set(e, ERR_UNSUPPORTED, "%s: a split pattern of %zu bytes, at most %d", where,
                       regex.len, PATTERN_MAX);
    struct buf pattern = buf_make(e);
    pcre2_general_context *memory = pcre2_general_context_create(take, give, e);
    translate(&pattern, regex);
    buf_add(&pattern, "", 1); /* PCRE2 takes no NULL for an empty pattern */
    struct str text = buf_text(&pattern);
    text.len--;
    bool ok = memory && buf_ok(&pattern) && compile(s, where, text, memory, e);
    pcre2_general_context_free(memory);
    buf_free(&pattern);
    if (!ok)
        splitter_close(s);
    return ok;
}

void splitter_close(struct splitter *s)
{
    pcre2_code_free(s->code);
    s->code = NULL;
}

/* ---- splitting ---------------------------------------------------------------------------- */

bool splitting_open(struct splitting *run, const struct splitter *s, struct err *e)
{
    *run = (struct splitting){ .splitter = s, .err = e };
    if (!s->code)
        return true;
    pcre2_general_context *memory = pcre2_general_context_create(take, give, e);
    if (memory) {
        run->match = pcre2_match_data_create(1, memory);
        run->context = pcre2_match_context_create(memory);
    }
    pcre2_general_context_free(memory);
    if (!run->match || !run->context) {
        splitting_close(run);
        return false;
    }
    pcre2_set_heap_limit(run->context, MATCH_HEAP_KIB);
    return true;
}

void splitting_close(struct splitting *run)
{
    pcre2_match_data_free(run->match);
    pcre2_match_context_free(run->context);
    *run = (struct splitting){ 0 };
}

void splitting_start(struct splitting *run, struct str text, uint64_t base)
{
    uint64_t steps = (uint64_t)MATCH_STEPS_PER_BYTE * text.len;
    if (steps < MATCH_STEPS)
        steps = MATCH_STEPS;
    if (run->context)
        pcre2_set_match_limit(run->context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
    run->text = text;
    run->base = base;
    run->stretch = run->end = run->at = run->search = run->match_at = run->match_end = 0;
}

/* Length of the UTF-8 character there, 0 if it is none. */
static size_t char_at(struct str s, size_t at)
{
    uint32_t code;
    if (at < s.len && (uint8_t)s.at[at] < 0x80)
        return 1;
    return text_utf8((struct str){ s.at + at, s.len - at }, &code);
}

static size_t text_end(struct str s, size_t at)
{
    for (size_t n; at < s.len; at += n) {
        uint64_t word;
        n = sizeof word; /* ASCII, mostly */
        if (s.len - at >= sizeof word &&
            (memcpy(&word, s.at + at, n), !(word & 0x8080808080808080)))
            continue;
        n = char_at(s, at);
        if (!n)
            break;
    }
    return at;
}

static size_t noise_end(struct str s, size_t at)
{
    while (at < s.len && !char_at(s, at))
        at++;
    return at;
}

static bool stopped(struct splitting *run, int code)
{
    char why[256];
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why) < 0)
        why[0] = '\0';
    return err_set(run->err, code == PCRE2_ERROR_NOMEMORY ? ERR_MEMORY : ERR_UNSUPPORTED,
                   "the split pattern gives up at byte 0x%llx of the text: %s",
                   (unsigned long long)(run->base + run->search), why);
}

/* Looks for the next match in the stretch; without one the match is empty and at its end. */
static bool search(struct splitting *run)
{
    PCRE2_SPTR s = (PCRE2_SPTR)run->text.at + run->stretch;
    size_t len = run->end - run->stretch, from = run->search - run->stretch;
    const pcre2_code *code = run->splitter->code;
    int n = pcre2_match(code, s, len, from, PCRE2_NO_UTF_CHECK, run->match, run->context);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT)
        n = pcre2_match(code, s, len, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, run->match,
                        run->context);
    run->match_at = run->match_end = run->end;
    if (n == PCRE2_ERROR_NOMATCH)
        return true;
    if (n < 0)
        return stopped(run, n);
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(run->match);
    run->match_at = run->stretch + v[0];
    run->match_end = run->stretch + v[1];
    if (run->match_at < run->at || run->match_end < run->match_at) /* \K can do that */
        return stopped(run, PCRE2_ERROR_BADOFFSET);
    return true;
}

static struct str cut(struct splitting *run, size_t end)
{
    struct str piece = { run->text.at + run->at, end - run->at };
    run->at = end;
    return piece;
}

/* The next piece of the stretch, or an empty one where an empty match is. */
static bool next_of_stretch(struct splitting *run, struct str *piece)
{
    if (!run->splitter->code) {
        *piece = cut(run, run->end);
        return true;
    }
    if (run->match_at == run->match_end) { /* none is waiting */
        if (!search(run))
            return false;
        bool empty = run->match_at == run->match_end;
        run->search = run->match_end;
        if (empty && run->search < run->end)
            run->search += char_at(run->text, run->search);
        if (empty || run->match_at > run->at) {
            *piece = cut(run, run->match_at);
            return true;
        }
    }
    *piece = cut(run, run->match_end);
    run->match_at = run->match_end;
    return true;
}

bool splitting_next(struct splitting *run, struct str *piece)
{
    do {
        if (run->at == run->text.len)
            return false;
        if (run->at == run->end) { /* the stretch is done */
            run->end = text_end(run->text, run->at);
            if (run->end == run->at) {
                run->end = noise_end(run->text, run->at);
                *piece = cut(run, run->end);
                run->stretch = run->search = run->match_at = run->match_end = run->end;
                return true;
            }
            run->stretch = run->search = run->match_at = run->match_end = run->at;
        }
        if (!next_of_stretch(run, piece))
            return false;
    } while (!piece->len);
    return true;
}
