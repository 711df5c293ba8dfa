/* doc.c - what all documents about a tool share. */
#include "tools/doc.h"

// clang-format off
const struct opt doc_builtins[] = {
    { "help",       'h', OPT_FLAG,   NULL, NULL,            "print this help" },
    { "version",     0,  OPT_FLAG,   NULL, NULL,            "print the version" },
    { "man",         0,  OPT_FLAG,   NULL, NULL,            "print the man page, for man -l -" },
    { "completion",  0,  OPT_CHOICE, NULL, "bash|zsh|fish", "print a script that teaches the shell these options" },
    { 0 },
};

const struct cli_note doc_exits[] = {
    { "0",  "done, clean, equal" },
    { "1",  "ran fine, the verdict is negative: differences, findings, a mismatch" },
    { "2",  "wrong usage" },
    { "3",  "an input is malformed or hostile" },
    { "4",  "an input is well-formed but not supported" },
    { "5",  "input or output failed, no space is left" },
    { "6",  "out of memory, or over the --mem limit" },
    { "70", "a bug of this program" },
    { 0 },
};
// clang-format on

struct str doc_word(const char **words)
{
    struct str word = { *words, strcspn(*words, "|") };
    *words += word.len + ((*words)[word.len] == '|');
    return word;
}

bool doc_takes_file(const struct opt *o)
{
    return o->arg && o->kind != OPT_CHOICE && (strstr(o->arg, "FILE") || strstr(o->arg, "DIR"));
}

static void size_default(struct buf *b, uint64_t n)
{
    static const char units[] = "KMGT";
    unsigned unit = 0;
    while (unit < 4 && n % 1024 == 0) {
        n /= 1024;
        unit++;
    }
    buf_printf(b, " (default: %llu%.1s)", (unsigned long long)n, unit ? units + unit - 1 : "");
}

void doc_opt_help(struct buf *b, const struct opt *o)
{
    buf_puts(b, o->help);
    if (!o->to)
        return;
    if (o->kind == OPT_TEXT || o->kind == OPT_CHOICE) {
        const char *text = *(const char **)o->to;
        if (text)
            buf_printf(b, " (default: %s)", text);
    } else if (o->kind == OPT_COUNT && *(unsigned *)o->to) {
        buf_printf(b, " (default: %u)", *(unsigned *)o->to);
    } else if (o->kind == OPT_SIZE && *(uint64_t *)o->to) {
        size_default(b, *(uint64_t *)o->to);
    }
}

static void option_rows(struct buf *b, const struct opt *o, const char *command)
{
    static const char *const kinds[] = {
        [OPT_FLAG] = "flag", [OPT_TEXT] = "text",     [OPT_COUNT] = "count",
        [OPT_SIZE] = "size", [OPT_CHOICE] = "choice", [OPT_LIST] = "list",
    };
    for (; o && o->name; o++)
        buf_printf(b, "%s %c %s %s %s\n", o->name, o->letter ? o->letter : '-', kinds[o->kind],
                   o->arg ? o->arg : "-", command);
}

void doc_options(struct buf *b, const struct cli *cli)
{
    option_rows(b, cli->opts, "-");
    for (const struct cli_command *c = cli->commands; c && c->name; c++)
        option_rows(b, c->opts, c->name);
    option_rows(b, doc_builtins, "-");
}
