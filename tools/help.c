/* help.c - the text of --help: one screen, aligned, wrapped at 80 columns. */
#include "tools/doc.h"

#include <ctype.h>

enum { WIDTH = 80, WIDEST_TERM = 26 };

/* Words of text from column `at` on, continued at column `indent`. */
static void wrap(struct buf *b, const char *text, size_t at, size_t indent)
{
    while (*text) {
        size_t n = strcspn(text, " ");
        if (at > indent && at + 1 + n >= WIDTH) {
            buf_printf(b, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            buf_puts(b, " ");
            at++;
        }
        buf_add(b, text, n);
        at += n;
        text += n + strspn(text + n, " ");
    }
    buf_puts(b, "\n");
}

/* A term and its text in two columns; a term too wide stands on a line of its own. */
static void entry(struct buf *b, const char *term, size_t column, const char *text)
{
    size_t n = strlen(term) + 2;
    buf_printf(b, "  %s", term);
    if (n + 2 > column) {
        buf_puts(b, "\n");
        n = 0;
    }
    buf_printf(b, "%*s", (int)(column - n), "");
    wrap(b, text, column, column);
}

static void term_of(struct buf *b, const struct opt *o)
{
    char letter[] = { '-', o->letter, ',', ' ', 0 };
    b->len = 0;
    buf_printf(b, "%s--%s%s%s", o->letter ? letter : "    ", o->name, o->arg ? "=" : "",
               o->arg ? o->arg : "");
    buf_add(b, "", 1);
}

struct columns {
    struct buf term, text; /* scratch */
    size_t at;             /* where help texts begin */
};

static void widen(struct columns *c, const struct opt *o)
{
    for (; o && o->name; o++) {
        term_of(&c->term, o);
        if (c->term.len - 1 <= WIDEST_TERM && c->at < c->term.len - 1 + 4)
            c->at = c->term.len - 1 + 4;
    }
}

static void options(struct buf *b, struct columns *c, const struct opt *o)
{
    for (; o && o->name; o++) {
        c->text.len = 0;
        term_of(&c->term, o);
        doc_opt_help(&c->text, o);
        buf_add(&c->text, "", 1);
        if (buf_ok(&c->term) && buf_ok(&c->text))
            entry(b, (const char *)c->term.at, c->at, (const char *)c->text.at);
    }
}

static void all_options(struct buf *b, const struct cli *cli, const struct cli_command *command)
{
    struct columns c = { buf_make(b->err), buf_make(b->err), 0 };
    const struct cli_command *all = command ? NULL : cli->commands;
    widen(&c, cli->opts);
    widen(&c, doc_builtins);
    widen(&c, command ? command->opts : NULL);
    for (const struct cli_command *one = all; one && one->name; one++)
        widen(&c, one->opts);

    buf_puts(b, "\nOptions:\n");
    options(b, &c, command ? command->opts : NULL);
    options(b, &c, cli->opts);
    options(b, &c, doc_builtins);
    for (const struct cli_command *one = all; one && one->name; one++)
        if (one->opts && one->opts->name) {
            buf_printf(b, "\nOptions of %s:\n", one->name);
            options(b, &c, one->opts);
        }
    b->failed |= c.term.failed || c.text.failed;
    buf_free(&c.term);
    buf_free(&c.text);
}

static void usage(struct buf *b, const struct cli *cli, const struct cli_command *command)
{
    const char *before = "Usage: ";
    if (command) {
        buf_printf(b, "%s%s %s %s\n", before, cli->name, command->name, command->synopsis);
    } else if (cli->synopsis) {
        buf_printf(b, "%s%s %s\n", before, cli->name, cli->synopsis);
    } else {
        for (const struct cli_command *c = cli->commands; c->name; c++, before = "       ")
            buf_printf(b, "%s%s %s %s\n", before, cli->name, c->name, c->synopsis);
    }
}

/* A phrase as a sentence. */
static void sentence(struct buf *b, const char *phrase)
{
    size_t at = b->len;
    wrap(b, phrase, 0, 0);
    if (!buf_ok(b))
        return;
    b->at[at] = (uint8_t)toupper(b->at[at]);
    b->at[b->len - 1] = '.';
    buf_puts(b, "\n");
}

static void notes(struct buf *b, const char *title, const struct cli_note *n, size_t column)
{
    if (title && n && n->term)
        buf_printf(b, "\n%s:\n", title);
    for (; n && n->term; n++)
        entry(b, n->term, column, n->text);
}

static void commands(struct buf *b, const struct cli *cli)
{
    size_t column = 0;
    for (const struct cli_command *c = cli->commands; c && c->name; c++)
        column = column < strlen(c->name) + 4 ? strlen(c->name) + 4 : column;
    if (cli->commands && cli->commands->name)
        buf_puts(b, "\nCommands:\n");
    for (const struct cli_command *c = cli->commands; c && c->name; c++)
        entry(b, c->name, column, c->summary);
}

void doc_help(struct buf *b, const struct cli *cli, const struct cli_command *command)
{
    usage(b, cli, command);
    sentence(b, command ? command->summary : cli->summary);
    if (!command)
        commands(b, cli);
    all_options(b, cli, command);
    if (!command)
        notes(b, "Examples", cli->examples, 6);
    notes(b, "Exit status", doc_exits, 6);
    notes(b, NULL, cli->exits, 6);
}
