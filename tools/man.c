/* man.c - the man page, as roff for the man macros. */
#include "tools/doc.h"

/* text as roff shows it unchanged: quotes and hyphens that can be pasted into a shell. */
static void text(struct buf *b, const char *s)
{
    static const struct {
        char c;
        const char *as;
    } special[] = {
        { '\\', "\\e" },  { '-', "\\-" },   { '\'', "\\(aq" },
        { '`', "\\(ga" }, { '^', "\\(ha" }, { '~', "\\(ti" },
    };
    for (; *s; s++) {
        const char *as = NULL;
        for (size_t i = 0; i < sizeof special / sizeof *special; i++)
            if (special[i].c == *s)
                as = special[i].as;
        if (as)
            buf_puts(b, as);
        else
            buf_add(b, s, 1);
    }
}

/* A line of running text; \& keeps a leading dot from being a request. */
static void line(struct buf *b, const char *s)
{
    if (*s == '.')
        buf_puts(b, "\\&");
    text(b, s);
    buf_puts(b, "\n");
}

static void bold(struct buf *b, const char *s)
{
    buf_puts(b, "\\fB");
    text(b, s);
    buf_puts(b, "\\fR");
}

static void options(struct buf *b, const struct opt *o)
{
    for (; o && o->name; o++) {
        char letter[] = { '-', o->letter, 0 };
        struct buf help = buf_make(b->err);
        buf_puts(b, ".TP\n");
        if (o->letter) {
            bold(b, letter);
            buf_puts(b, ", ");
        }
        buf_puts(b, "\\fB\\-\\-");
        text(b, o->name);
        buf_puts(b, "\\fR");
        if (o->arg) {
            buf_puts(b, "=\\fI");
            text(b, o->arg);
            buf_puts(b, "\\fR");
        }
        buf_puts(b, "\n");
        doc_opt_help(&help, o);
        buf_add(&help, "", 1);
        if (buf_ok(&help))
            line(b, (const char *)help.at);
        b->failed |= help.failed;
        buf_free(&help);
    }
}

static void notes(struct buf *b, const struct cli_note *n)
{
    for (; n && n->term; n++) {
        buf_puts(b, ".TP\n");
        bold(b, n->term);
        buf_puts(b, "\n");
        line(b, n->text);
    }
}

static void synopsis_line(struct buf *b, const char *name, const char *command,
                          const char *synopsis)
{
    bold(b, name);
    if (*command) {
        buf_puts(b, " ");
        bold(b, command);
    }
    buf_puts(b, " ");
    line(b, synopsis);
}

static void synopsis(struct buf *b, const struct cli *cli)
{
    buf_puts(b, ".SH SYNOPSIS\n");
    if (cli->synopsis) {
        synopsis_line(b, cli->name, "", cli->synopsis);
        return;
    }
    for (const struct cli_command *c = cli->commands; c->name; c++) {
        if (c != cli->commands)
            buf_puts(b, ".br\n");
        synopsis_line(b, cli->name, c->name, c->synopsis);
    }
}

static void description(struct buf *b, const struct cli *cli)
{
    if (cli->description && *cli->description) {
        buf_puts(b, ".SH DESCRIPTION\n");
        for (const char *const *p = cli->description; *p; p++) {
            if (p != cli->description)
                buf_puts(b, ".PP\n");
            line(b, *p);
        }
    }
    if (!cli->commands || !cli->commands->name)
        return;
    buf_puts(b, ".SH COMMANDS\n");
    for (const struct cli_command *c = cli->commands; c->name; c++)
        notes(b, (const struct cli_note[]){ { c->name, c->summary }, { 0 } });
}

static void all_options(struct buf *b, const struct cli *cli)
{
    buf_puts(b, ".SH OPTIONS\n");
    options(b, cli->opts);
    options(b, doc_builtins);
    for (const struct cli_command *c = cli->commands; c && c->name; c++) {
        if (!c->opts || !c->opts->name)
            continue;
        buf_puts(b, ".SS Options of ");
        line(b, c->name);
        options(b, c->opts);
    }
}

static bool has_option(const struct cli *cli, const char *name)
{
    for (const struct opt *o = cli->opts; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return true;
    return false;
}

static void environment(struct buf *b, const struct cli *cli)
{
    static const struct cli_note color[] = {
        { "NO_COLOR", "if not empty, no colours unless --color=always" },
        { "CLICOLOR_FORCE", "if not empty or 0, colours even when the output is not a terminal" },
        { "TERM", "no colours if it is dumb" },
        { 0 },
    };
    bool colors = has_option(cli, "color");
    if (!colors && !(cli->environment && cli->environment->term))
        return;
    buf_puts(b, ".SH ENVIRONMENT\n");
    notes(b, cli->environment);
    notes(b, colors ? color : NULL);
}

static void see_also(struct buf *b, const struct cli *cli)
{
    if (strcmp(cli->name, "weigh") != 0)
        line(b, cli->see_also ? "weigh(1)," : "weigh(1)");
    if (cli->see_also)
        line(b, cli->see_also);
}

void doc_man(struct buf *b, const struct cli *cli)
{
    buf_puts(b, ".TH \"");
    text(b, cli->name);
    buf_printf(b, "\" 1 \"\" \"Weighmaster %s\" \"Weighmaster\"\n.nh\n.ad l\n.SH NAME\n",
               WEIGH_VERSION);
    text(b, cli->name);
    buf_puts(b, " \\- ");
    line(b, cli->summary);
    synopsis(b, cli);
    description(b, cli);
    all_options(b, cli);
    if (cli->examples && cli->examples->term)
        buf_puts(b, ".SH EXAMPLES\n");
    notes(b, cli->examples);
    if (cli->files && cli->files->term)
        buf_puts(b, ".SH FILES\n");
    notes(b, cli->files);
    buf_puts(b, ".SH \"EXIT STATUS\"\n");
    notes(b, doc_exits);
    notes(b, cli->exits);
    environment(b, cli);
    buf_puts(b, ".SH \"SEE ALSO\"\n");
    see_also(b, cli);
}
