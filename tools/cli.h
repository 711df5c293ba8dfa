/* cli.h - the command line of every tool: one table describes it, and parser,
 * help, man page and completions are made from that table.
 *
 *     if (!cli_parse(&cli, &argc, &argv, &e))
 *         return cli_exit(&cli, &e, NULL);
 *     bool ok = work(argv[0], &e) && cli_print(&text, &e);
 *     return cli_exit(&cli, &e, ok ? NULL : "no output was written"); */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include "formats/base/buf.h"

/* What the value of an option is, and what `to` points to. */
enum opt_kind {
    OPT_FLAG,   /* bool: no value */
    OPT_TEXT,   /* const char * */
    OPT_COUNT,  /* unsigned: decimal, or hexadecimal after 0x */
    OPT_SIZE,   /* uint64_t: the same, then K, M, G or T (binary), then B or iB */
    OPT_CHOICE, /* const char *: one of the words of arg, "a|b|c" */
    OPT_LIST,   /* struct opt_list: every value, in the order given */
};

/* One option.  What `to` holds before cli_parse is the default, and help says
 * it unless it is zero; a default that is found at run time stands in `help`
 * as "(default: one per core)".  Given twice, the last one counts.  -h, --help,
 * --version, --man and --completion are every tool's and in no table. */
struct opt {
    const char *name; /* long name; NULL ends a table */
    char letter;      /* 0 = none */
    enum opt_kind kind;
    void *to;
    const char *arg; /* the value's name in help; NULL for a flag; FILE and DIR complete to files */
    const char *help; /* a phrase: no capital, no full stop */
};

struct opt_list {
    const char **at; /* freed by cli_exit; the texts are argv's */
    size_t n;
};

/* The options that tools share, so that names, letters and words are the same. */
// clang-format off
#define OPT_OUTPUT(to)    { "output",   'o', OPT_TEXT,   (to), "FILE", "where to write; - is standard output" }
#define OPT_FORCE(to)     { "force",    'f', OPT_FLAG,   (to), NULL,   "replace an output that exists" }
#define OPT_DRY_RUN(to)   { "dry-run",  'n', OPT_FLAG,   (to), NULL,   "print what would be done and write nothing" }
#define OPT_JOBS(to)      { "jobs",     'j', OPT_COUNT,  (to), "N",    "worker threads (default: one per core)" }
#define OPT_MEM(to)       { "mem",       0,  OPT_SIZE,   (to), "SIZE", "limit of the working memory, such as 512M or 8G" }
#define OPT_TILE(to)      { "tile",      0,  OPT_SIZE,   (to), "SIZE", "bytes of a tensor to work on at once; never changes a result" }
#define OPT_TENSOR(to)    { "tensor",   't', OPT_LIST,   (to), "GLOB", "only tensors whose name matches; may be repeated" }
#define OPT_EXCLUDE(to)   { "exclude",   0,  OPT_LIST,   (to), "GLOB", "no tensors whose name matches; may be repeated" }
#define OPT_JSON(to)      { "json",      0,  OPT_FLAG,   (to), NULL,   "print JSON for programs" }
#define OPT_MANIFEST(to)  { "manifest",  0,  OPT_TEXT,   (to), "FILE", "write a manifest of digests" }
#define OPT_QUIET(to)     { "quiet",    'q', OPT_FLAG,   (to), NULL,   "no progress and no notes, only results and errors" }
#define OPT_VERBOSE(to)   { "verbose",  'v', OPT_FLAG,   (to), NULL,   "say more about what is being done" }
#define OPT_COLOR(to)     { "color",     0,  OPT_CHOICE, (to), "auto|always|never", "colours on the terminal" }
#define OPT_PROGRESS(to)  { "progress",  0,  OPT_CHOICE, (to), "auto|bar|json|none", "progress on standard error" }
// clang-format on

/* A term and what is to be said about it: an example and its purpose, a file, a variable. */
struct cli_note {
    const char *term; /* NULL ends a table */
    const char *text;
};

/* For the tables of tools that run kernels. */
#define CLI_ENV_ISA                                                               \
    {                                                                             \
        "WEIGH_ISA=scalar|avx2|avx512|neon",                                      \
            "lowers the instruction set that is used; results never depend on it" \
    }

/* A word that selects one of several jobs: weigh-verify create. */
struct cli_command {
    const char *name; /* NULL ends a table */
    const char *synopsis;
    const char *summary;
    const struct opt *opts; /* those of this command alone; may be NULL */
    int min_args, max_args; /* after the command; max -1 = any number */
};

struct cli {
    const char *name;                   /* weigh-convert */
    const char *synopsis;               /* what follows the name: "[OPTION]... SOURCE -o DEST" */
    const char *summary;                /* a phrase: no capital, no full stop */
    const char *const *description;     /* paragraphs for the man page, up to a NULL; may be NULL */
    const struct opt *opts;             /* may be NULL */
    const struct cli_command *commands; /* or NULL; then min_args and max_args stand there */
    size_t *command;                    /* cli_parse stores here which one was given */
    int min_args, max_args;
    const struct cli_note *examples, *files, *environment; /* may be NULL */
    const struct cli_note
        *exits;           /* what an exit code means to this tool in particular; may be NULL */
    const char *see_also; /* "weigh-verify(1), weigh-diff(1)"; may be NULL */
};

/* Stores the values of the options where the table says; argc and argv become
 * the operands (the command is not among them).  Options and operands may be
 * mixed, "--" ends the options, a long name may be shortened while it is
 * unambiguous.  False means that main is to return cli_exit(cli, e, NULL):
 * because of an error, or because --help and the like were answered (then e
 * holds none).
 *
 * Call it before anything is opened: it ignores SIGPIPE and, where descriptor
 * 0, 1 or 2 is closed, puts a /dev/null there, so that no model file is ever
 * taken for standard output and writing to a closed one fails. */
bool cli_parse(const struct cli *cli, int *argc, char ***argv, struct err *e) MUST_CHECK;

/* Writes text to standard output, all of it or ERR_SYSTEM; ERR_MEMORY if building it failed. */
bool cli_print(const struct buf *text, struct err *e) MUST_CHECK;

/* Writes text to path, complete or not at all (file.h: output_check says when it may stand
 * there); "-" is standard output. */
bool cli_write(const char *path, const struct buf *text, bool replace, struct err *e) MUST_CHECK;

/* Says the error on standard error, escaped for a terminal, and returns the exit code:
 *
 *     weigh-convert: error: MESSAGE
 *       hint: HINT                        if there is one
 *       unchanged: UNCHANGED              if not NULL
 *
 * A verdict (ERR_MISMATCH) is no error and goes without that word; one with an
 * empty message says nothing.  What was printed must have arrived: if standard
 * output failed, that is the error.  Frees the lists of the tables. */
int cli_exit(const struct cli *cli, struct err *e, const char *unchanged);

/* Frees what the OPT_LIST options hold, for who does not end with cli_exit. */
void cli_free(const struct cli *cli);

/* Are colours wanted on this descriptor?  mode is the value of --color, NULL = auto:
 * NO_COLOR, then CLICOLOR_FORCE, then whether it is a terminal and TERM is not dumb. */
bool cli_color(const char *mode, int fd);

/* The one of many names that a mistyped word may stand for:
 *
 *     struct nearest near = { .word = word };
 *     for (...)
 *         nearest_offer(&near, name);
 *     if (near.name.len)
 *         err_hint(e, "did you mean " STR_FMT "?", STR_ARG(near.name)); */
struct nearest {
    struct str word, name; /* name is empty while none is near */
    unsigned distance;
};
void nearest_offer(struct nearest *near, struct str name);

#endif
