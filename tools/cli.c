/* cli.c - parsing the command line by its table. */
#include "tools/cli.h"

#include "formats/base/arena.h"
#include "formats/base/text.h"
#include "tools/doc.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- values --------------------------------------------------------------- */

enum number { NUMBER_OK, NUMBER_BAD, NUMBER_LARGE };

static enum number read_number(const char *s, uint64_t *out, const char **end)
{
    bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && isxdigit((unsigned char)s[2]);
    char *stop;
    if (!isdigit((unsigned char)*s)) /* strtoull would take blanks and signs */
        return NUMBER_BAD;
    errno = 0;
    *out = strtoull(s, &stop, hex ? 16 : 10);
    *end = stop;
    return errno == ERANGE ? NUMBER_LARGE : NUMBER_OK;
}

static enum number read_count(const char *s, unsigned *out)
{
    uint64_t n;
    const char *end;
    enum number how = read_number(s, &n, &end);
    if (how == NUMBER_BAD || *end)
        return NUMBER_BAD;
    if (how == NUMBER_LARGE || n > UINT32_MAX)
        return NUMBER_LARGE;
    *out = (unsigned)n;
    return NUMBER_OK;
}

static enum number read_size(const char *s, uint64_t *out)
{
    static const char units[] = "kmgt";
    uint64_t n;
    const char *end, *unit;
    unsigned shift = 0;
    enum number how = read_number(s, &n, &end);
    if (how == NUMBER_BAD)
        return NUMBER_BAD;
    if (*end && (unit = strchr(units, tolower((unsigned char)*end)))) {
        shift = 10 * (unsigned)(unit - units + 1);
        end += end[1] == 'i' && end[2] == 'B' ? 2 : 1;
    }
    end += *end == 'B';
    if (*end)
        return NUMBER_BAD;
    if (how == NUMBER_LARGE || n > UINT64_MAX >> shift)
        return NUMBER_LARGE;
    *out = n << shift;
    return NUMBER_OK;
}

static bool refuse_number(const struct opt *o, const char *value, enum number how, struct err *e)
{
    if (how == NUMBER_LARGE)
        return err_set(e, ERR_USAGE, "--%s: '%s' is too large", o->name, value);
    return err_set(e, ERR_USAGE, "--%s: '%s' is not a %s", o->name, value,
                   o->kind == OPT_COUNT ? "whole number" : "size such as 4096, 512M or 8G");
}

static bool refuse_choice(const struct opt *o, const char *value, struct err *e)
{
    char all[400] = "";
    struct nearest near = { .word = str_of(value) };
    struct str word;
    for (const char *rest = o->arg; (word = doc_word(&rest)).len;) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s" STR_FMT, n ? ", " : "", STR_ARG(word));
        nearest_offer(&near, word);
    }
    err_set(e, ERR_USAGE, "--%s: '%s' is not one of %s", o->name, value, all);
    return near.name.len && err_hint(e, "did you mean " STR_FMT "?", STR_ARG(near.name));
}

static bool store_choice(const struct opt *o, const char *value, struct err *e)
{
    struct str word;
    for (const char *rest = o->arg; (word = doc_word(&rest)).len;)
        if (str_is(word, value)) {
            *(const char **)o->to = value;
            return true;
        }
    return refuse_choice(o, value, e);
}

static bool store_list(const struct opt *o, const char *value, struct err *e)
{
    struct opt_list *list = o->to;
    const char **at = mem_resize(list->at, (list->n + 1) * sizeof *at, e);
    if (!at)
        return false;
    at[list->n++] = value;
    list->at = at;
    return true;
}

static bool store(const struct opt *o, const char *value, struct err *e)
{
    enum number how = NUMBER_OK;
    switch (o->kind) {
    case OPT_FLAG: *(bool *)o->to = true; break;
    case OPT_TEXT: *(const char **)o->to = value; break;
    case OPT_CHOICE: return store_choice(o, value, e);
    case OPT_LIST: return store_list(o, value, e);
    case OPT_COUNT: how = read_count(value, o->to); break;
    case OPT_SIZE: how = read_size(value, o->to); break;
    }
    return how == NUMBER_OK || refuse_number(o, value, how, e);
}

static void free_lists(const struct opt *o)
{
    for (; o && o->name; o++)
        if (o->kind == OPT_LIST) {
            struct opt_list *list = o->to;
            mem_free(list->at);
            *list = (struct opt_list){ 0 };
        }
}

void cli_free(const struct cli *cli)
{
    free_lists(cli->opts);
    for (const struct cli_command *c = cli->commands; c && c->name; c++)
        free_lists(c->opts);
}

/* ---- the options in force -------------------------------------------------- */

enum { MAX_ROWS = 64, FIRST = 256 /* above every letter */ };

struct rows {
    const struct opt *at[MAX_ROWS];
    size_t n;
    struct option longs[MAX_ROWS + 1];
    char letters[2 * MAX_ROWS + 3];
};

static void rows_add(struct rows *r, const struct opt *o)
{
    for (; o && o->name; o++, r->n++) {
        size_t end = strlen(r->letters);
        assert(r->n < MAX_ROWS);
        r->at[r->n] = o;
        r->longs[r->n] =
            (struct option){ o->name, o->kind == OPT_FLAG ? no_argument : required_argument, NULL,
                             FIRST + (int)r->n };
        if (o->letter) {
            r->letters[end] = o->letter;
            r->letters[end + 1] = o->kind == OPT_FLAG ? '\0' : ':';
        }
    }
}

/* order: "+:" stops at the first operand, ":" looks behind operands too. */
static void rows_init(struct rows *r, const char *order, const struct cli *cli,
                      const struct cli_command *command)
{
    *r = (struct rows){ 0 };
    strcpy(r->letters, order);
    rows_add(r, cli->opts);
    rows_add(r, command ? command->opts : NULL);
    rows_add(r, doc_builtins);
}

static const struct opt *rows_find(const struct rows *r, int c)
{
    if (c >= FIRST)
        return r->at[c - FIRST];
    for (size_t i = 0; c && i < r->n; i++)
        if (r->at[i]->letter == c)
            return r->at[i];
    return NULL;
}

/* ---- refusing --------------------------------------------------------------- */

static bool see_help(const struct cli *cli, struct err *e)
{
    return err_hint(e, "%s --help lists the options", cli->name);
}

/* The command that alone knows an option of this name, or NULL. */
static const struct cli_command *owner(const struct cli *cli, struct str name)
{
    for (const struct cli_command *c = cli->commands; c && c->name; c++)
        for (const struct opt *o = c->opts; o && o->name; o++)
            if (str_is(name, o->name))
                return c;
    return NULL;
}

/* name (typed behind "--", up to a "=") begins none of the rows, or several. */
static bool refuse_long(const struct rows *r, const struct cli *cli, struct str name, struct err *e)
{
    const char *first = NULL;
    struct nearest near = { .word = name };
    for (size_t i = 0; i < r->n; i++) {
        nearest_offer(&near, str_of(r->at[i]->name));
        if (strncmp(r->at[i]->name, name.at, name.len) != 0)
            continue;
        if (first)
            return err_set(e, ERR_USAGE, "option '--" STR_FMT "' could be --%s or --%s",
                           STR_ARG(name), first, r->at[i]->name);
        first = r->at[i]->name;
    }
    const struct cli_command *c = owner(cli, name);
    err_set(e, ERR_USAGE, "unknown option '--" STR_FMT "'", STR_ARG(name));
    if (c)
        return err_hint(e, "it belongs to %s %s and stands behind that", cli->name, c->name);
    return near.name.len ? err_hint(e, "did you mean --" STR_FMT "?", STR_ARG(near.name))
                         : see_help(cli, e);
}

/* What getopt_long found wrong with arg: ':' or '?', and the option in optopt. */
static bool refuse(const struct rows *r, const struct cli *cli, int c, const char *arg,
                   struct err *e)
{
    const struct opt *o = rows_find(r, optopt);
    if (c == ':')
        return err_set(e, ERR_USAGE, "option '--%s' needs a value (%s)", o->name, o->arg);
    if (o)
        return err_set(e, ERR_USAGE, "option '--%s' takes no value", o->name);
    if (!optopt)
        return refuse_long(r, cli, (struct str){ arg + 2, strcspn(arg + 2, "=") }, e);
    err_set(e, ERR_USAGE, "unknown option '-%c'", optopt);
    return see_help(cli, e);
}

static bool refuse_command(const struct cli *cli, const char *word, struct err *e)
{
    struct nearest near = { .word = word ? str_of(word) : STR("") };
    for (const struct cli_command *c = cli->commands; c->name; c++)
        nearest_offer(&near, str_of(c->name));
    if (word)
        err_set(e, ERR_USAGE, "unknown command '%s'", word);
    else
        err_set(e, ERR_USAGE, "a command is missing");
    return near.name.len ? err_hint(e, "did you mean " STR_FMT "?", STR_ARG(near.name))
                         : err_hint(e, "%s --help lists the commands", cli->name);
}

static bool check_operands(const struct cli *cli, const struct cli_command *command, int argc,
                           char **argv, struct err *e)
{
    int min = command ? command->min_args : cli->min_args;
    int max = command ? command->max_args : cli->max_args;
    if (argc >= min && (max < 0 || argc <= max))
        return true;
    if (argc < min)
        err_set(e, ERR_USAGE, "an operand is missing");
    else
        err_set(e, ERR_USAGE, "unexpected operand '%s'", argv[max]);
    return err_hint(e, "usage: %s %s%s%s", cli->name, command ? command->name : "",
                    command ? " " : "", command ? command->synopsis : cli->synopsis);
}

/* ---- the walk along argv ----------------------------------------------------- */

/* A built-in option that was given: the tool answers it and does nothing else. */
struct asked {
    const struct opt *option; /* NULL = none */
    const char *value;
};

/* Walks the options; optind is then the first operand.  They are stored only in a second
 * walk, so that --help anywhere shows the defaults and not what stood before it. */
static bool walk(const struct rows *r, const struct cli *cli, int argc, char **argv, bool keep,
                 struct asked *asked, struct err *e)
{
    optind = 0; /* starts getopt anew */
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, r->letters, r->longs, NULL)) != -1;) {
        if (c == '?' || c == ':')
            return refuse(r, cli, c, argv[optind - 1], e);
        const struct opt *o = rows_find(r, c);
        if (!o->to) {
            *asked = (struct asked){ o, optarg };
            return true;
        }
        if (keep && !store(o, optarg, e))
            return false;
    }
    return true;
}

/* Finds the command, the first operand, and takes it out of argv. */
static bool take_command(const struct cli *cli, int *argc, char **argv,
                         const struct cli_command **command, struct asked *asked, struct err *e)
{
    struct rows r;
    rows_init(&r, "+:", cli, NULL);
    if (!walk(&r, cli, *argc, argv, false, asked, e))
        return false;
    if (asked->option)
        return true;
    const struct cli_command *c = cli->commands;
    while (c->name && optind < *argc && strcmp(c->name, argv[optind]) != 0)
        c++;
    if (!c->name || optind >= *argc)
        return refuse_command(cli, argv[optind], e);
    memmove(argv + optind, argv + optind + 1, (size_t)(*argc - optind) * sizeof *argv);
    --*argc;
    *cli->command = (size_t)(c - cli->commands);
    *command = c;
    return true;
}

static void answer(const struct cli *cli, const struct cli_command *command,
                   const struct asked *asked, struct err *e)
{
    struct buf b = buf_make(e);
    const char *name = asked->option->name, *shell = NULL;
    struct opt completion = *asked->option;
    completion.to = &shell;
    if (strcmp(name, "help") == 0)
        doc_help(&b, cli, command);
    else if (strcmp(name, "version") == 0)
        buf_printf(&b, "%s %s (Weighmaster)\n", cli->name, WEIGH_VERSION);
    else if (strcmp(name, "man") == 0)
        doc_man(&b, cli);
    else if (strcmp(name, "options") == 0)
        doc_options(&b, cli);
    else if (store(&completion, asked->value, e))
        doc_completion(&b, cli, shell);
    if (!cli_print(&b, e))
        err_within(e, "--%s", name);
    buf_free(&b);
}

/* Standard streams that are closed get a /dev/null.  Standard output gets one that
 * is open for reading only: nothing may believe that its results were written. */
static bool settle_streams(struct err *e)
{
    signal(SIGPIPE, SIG_IGN); /* a reader that left is an error of the write */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) != fd)
            return err_errno(e, "opening", "/dev/null");
    return true;
}

bool cli_parse(const struct cli *cli, int *argc, char ***argv, struct err *e)
{
    static const struct opt options = { "options", 0, OPT_FLAG, NULL, NULL, NULL };
    const struct cli_command *command = NULL;
    struct asked asked = { 0 };
    struct rows r;
    if (!settle_streams(e))
        return false;
    if (*argc == 2 && strcmp((*argv)[1], "--options") == 0) /* for tests, in no documentation */
        asked.option = &options;
    else if (cli->commands && !take_command(cli, argc, *argv, &command, &asked, e))
        return false;
    rows_init(&r, ":", cli, command);
    if (!asked.option && !walk(&r, cli, *argc, *argv, false, &asked, e))
        return false;
    if (asked.option) {
        answer(cli, command, &asked, e);
        return false;
    }
    if (!walk(&r, cli, *argc, *argv, true, &asked, e))
        return false;
    *argc -= optind;
    *argv += optind;
    return check_operands(cli, command, *argc, *argv, e);
}
