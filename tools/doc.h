/* doc.h - what is written about a tool from its option table: help, man page, completions. */
#ifndef TOOLS_DOC_H
#define TOOLS_DOC_H

#include "tools/cli.h"

/* The options every tool has; `to` is NULL. */
extern const struct opt doc_builtins[];
/* The exit codes every tool has, up to a NULL. */
extern const struct cli_note doc_exits[];

/* The text for --help: of one command, or of the whole tool if NULL. */
void doc_help(struct buf *b, const struct cli *cli, const struct cli_command *command);
/* roff for man(1). */
void doc_man(struct buf *b, const struct cli *cli);
/* A script for bash, zsh or fish to read. */
void doc_completion(struct buf *b, const struct cli *cli, const char *shell);
/* The rows for tests, one a line: name, letter, kind, arg, command; "-" for none. */
void doc_options(struct buf *b, const struct cli *cli);

/* What is said of an option, with its default: one line. */
void doc_opt_help(struct buf *b, const struct opt *o);
/* May the value be completed to a file name? */
bool doc_takes_file(const struct opt *o);
/* The next word of "a|b|c", advancing *words; empty at the end. */
struct str doc_word(const char **words);

#endif
