/* completion.c - what teaches bash, zsh and fish to complete a tool's command line. */
#include "tools/doc.h"

/* What a script is made from: the tool's options, and how to quote. */
struct script {
    struct buf *b;
    const struct cli *cli;
    const struct cli_command *commands; /* NULL if there are none */
    const char *quoted;                 /* characters that take a backslash */
    const char *quote;                  /* what stands for a single quote inside single quotes */
};

static void put(const struct script *s, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') {
            buf_puts(s->b, s->quote);
            continue;
        }
        if (strchr(s->quoted, *text))
            buf_puts(s->b, "\\");
        buf_add(s->b, text, 1);
    }
}

static void put_words(struct buf *b, const char *arg)
{
    struct str word;
    for (const char *rest = arg; (word = doc_word(&rest)).len;) {
        buf_puts(b, word.at == arg ? "" : " ");
        buf_str(b, word);
    }
}

/* weigh-convert as the name of a function: _weigh_convert */
static void put_function(struct buf *b, const char *name)
{
    buf_puts(b, "_");
    for (; *name; name++)
        buf_puts(b, *name == '-' ? "_" : (char[]){ *name, 0 });
}

static void put_help(const struct script *s, const struct opt *o)
{
    struct buf help = buf_make(s->b->err);
    doc_opt_help(&help, o);
    buf_add(&help, "", 1);
    if (buf_ok(&help))
        put(s, (const char *)help.at);
    s->b->failed |= help.failed;
    buf_free(&help);
}

/* ---- bash -------------------------------------------------------------------- */

static void bash_names(struct buf *b, const struct opt *o)
{
    for (; o && o->name; o++) {
        if (o->letter)
            buf_printf(b, " -%c", o->letter);
        buf_printf(b, " --%s", o->name);
    }
}

/* One case for each option that takes a value: what the value may be. */
static void bash_values(struct buf *b, const struct opt *o, const char *command)
{
    for (; o && o->name; o++) {
        if (o->kind == OPT_FLAG)
            continue;
        buf_puts(b, "        ");
        if (o->letter)
            buf_printf(b, "%s:-%c|", command, o->letter);
        buf_printf(b, "%s:--%s) ", command, o->name);
        if (o->kind == OPT_CHOICE) {
            buf_puts(b, "COMPREPLY=($(compgen -W '");
            put_words(b, o->arg);
            buf_puts(b, "' -- \"$cur\")); ");
        } else if (doc_takes_file(o)) {
            buf_puts(b, "compopt -o default; ");
        }
        buf_puts(b, "return ;;\n");
    }
}

static void bash_command_names(const struct script *s, const char *between)
{
    for (const struct cli_command *c = s->commands; c->name; c++)
        buf_printf(s->b, "%s%s", c == s->commands ? "" : between, c->name);
}

static void bash_find_command(const struct script *s)
{
    struct buf *b = s->b;
    buf_puts(b, "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "        case ${COMP_WORDS[i]} in\n"
                "        ");
    bash_command_names(s, "|");
    buf_puts(b, ") command=${COMP_WORDS[i]}; break ;;\n"
                "        esac\n"
                "    done\n");
}

static void bash(const struct script *s)
{
    struct buf *b = s->b;
    const struct cli_command *all = s->commands;
    buf_printf(b, "# completion of %s for bash\n", s->cli->name);
    put_function(b, s->cli->name);
    buf_puts(b, "()\n{\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                "    local command= i options='");
    bash_names(b, s->cli->opts);
    bash_names(b, doc_builtins);
    buf_puts(b, "'\n"
                "    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
                "    [[ $cur == = ]] && cur=\n"
                "    COMPREPLY=()\n");
    if (all)
        bash_find_command(s);
    buf_puts(b, "    case $command:$prev in\n");
    for (const struct cli_command *c = all; c && c->name; c++)
        bash_values(b, c->opts, c->name);
    bash_values(b, s->cli->opts, "*");
    bash_values(b, doc_builtins, "*");
    buf_puts(b, "    esac\n"
                "    case $command in\n");
    for (const struct cli_command *c = all; c && c->name; c++) {
        buf_printf(b, "        %s) options+='", c->name);
        bash_names(b, c->opts);
        buf_puts(b, "' ;;\n");
    }
    buf_puts(b, "    esac\n"
                "    if [[ $cur == -* ]]; then\n"
                "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n");
    if (all) {
        buf_puts(b, "    elif [[ -z $command ]]; then\n"
                    "        COMPREPLY=($(compgen -W '");
        bash_command_names(s, " ");
        buf_puts(b, "' -- \"$cur\"))\n");
    }
    buf_puts(b, "    else\n"
                "        compopt -o default\n"
                "    fi\n"
                "}\n"
                "complete -F ");
    put_function(b, s->cli->name);
    buf_printf(b, " %s\n", s->cli->name);
}

/* ---- zsh --------------------------------------------------------------------- */

static void zsh_spec(const struct script *s, const struct opt *o)
{
    struct buf *b = s->b;
    const char *value = o->kind == OPT_FLAG ? "" : "=";
    const char *many = o->kind == OPT_LIST ? "*" : "";
    if (o->letter && o->kind == OPT_LIST)
        buf_printf(b, "        '*'{-%c+,--%s=}'[", o->letter, o->name);
    else if (o->letter)
        buf_printf(b, "        '(-%c --%s)'{-%c%s,--%s%s}'[", o->letter, o->name, o->letter,
                   *value ? "+" : "", o->name, value);
    else
        buf_printf(b, "        '%s--%s%s[", many, o->name, value);
    put_help(s, o);
    buf_puts(b, "]");
    if (o->kind == OPT_CHOICE) {
        buf_printf(b, ":%s:(", o->name);
        put_words(b, o->arg);
        buf_puts(b, ")");
    } else if (o->arg) {
        buf_puts(b, ":");
        put(s, o->arg);
        buf_puts(b, doc_takes_file(o) ? ":_files" : ": ");
    }
    buf_puts(b, "' \\\n");
}

static void zsh_specs(const struct script *s, const struct opt *o)
{
    for (; o && o->name; o++)
        zsh_spec(s, o);
}

/* The command is the first operand; the rest is completed by its own specifications. */
static void zsh_commands(const struct script *s)
{
    const struct cli_command *all = s->commands;
    struct buf *b = s->b;
    buf_puts(b, "        '1:command:((");
    for (const struct cli_command *c = all; c->name; c++) {
        buf_printf(b, "%s%s\\:\"", c == all ? "" : " ", c->name);
        put(s, c->summary);
        buf_puts(b, "\"");
    }
    buf_puts(b, "))' \\\n"
                "        '*:::argument:->argument' && return\n"
                "    [[ $state == argument ]] || return 1\n"
                "    words=($line[1] \"${words[@]}\")\n"
                "    ((CURRENT++))\n"
                "    case $line[1] in\n");
    for (const struct cli_command *c = all; c->name; c++) {
        buf_printf(b, "    %s) _arguments -s -S \\\n", c->name);
        zsh_specs(s, c->opts);
        zsh_specs(s, s->cli->opts);
        zsh_specs(s, doc_builtins);
        buf_puts(b, "        '*:file:_files' ;;\n");
    }
    buf_puts(b, "    esac\n");
}

static void zsh(const struct script *s)
{
    struct buf *b = s->b;
    buf_printf(b, "#compdef %s\n", s->cli->name);
    put_function(b, s->cli->name);
    buf_puts(b, "() {\n"
                "    local context state state_descr line\n"
                "    typeset -A opt_args\n"
                "    _arguments -C -s -S \\\n");
    zsh_specs(s, s->cli->opts);
    zsh_specs(s, doc_builtins);
    if (s->commands)
        zsh_commands(s);
    else
        buf_puts(b, "        '*:file:_files'\n");
    buf_puts(b, "}\n"
                "if [[ $funcstack[1] == "); /* called by the completion system, or sourced */
    put_function(b, s->cli->name);
    buf_puts(b, " ]]; then\n    ");
    put_function(b, s->cli->name);
    buf_puts(b, " \"$@\"\nelse\n    compdef ");
    put_function(b, s->cli->name);
    buf_printf(b, " %s\nfi\n", s->cli->name);
}

/* ---- fish -------------------------------------------------------------------- */

static void fish_options(const struct script *s, const struct opt *o, const char *command)
{
    struct buf *b = s->b;
    for (; o && o->name; o++) {
        buf_printf(b, "complete -c %s", s->cli->name);
        if (command)
            buf_printf(b, " -n '__fish_seen_subcommand_from %s'", command);
        if (o->letter)
            buf_printf(b, " -s %c", o->letter);
        buf_printf(b, " -l %s", o->name);
        if (o->kind == OPT_CHOICE) {
            buf_puts(b, " -x -a '");
            put_words(b, o->arg);
            buf_puts(b, "'");
        } else if (o->arg) {
            buf_puts(b, doc_takes_file(o) ? " -r -F" : " -x");
        }
        buf_puts(b, " -d '");
        put_help(s, o);
        buf_puts(b, "'\n");
    }
}

static void fish(const struct script *s)
{
    buf_printf(s->b, "# completion of %s for fish\n", s->cli->name);
    for (const struct cli_command *c = s->commands; c && c->name; c++) {
        buf_printf(s->b, "complete -c %s -n __fish_use_subcommand -f -a %s -d '", s->cli->name,
                   c->name);
        put(s, c->summary);
        buf_puts(s->b, "'\n");
        fish_options(s, c->opts, c->name);
    }
    fish_options(s, s->cli->opts, NULL);
    fish_options(s, doc_builtins, NULL);
}

void doc_completion(struct buf *b, const struct cli *cli, const char *shell)
{
    struct script s = { .b = b, .cli = cli, .quoted = "", .quote = "'\\''" };
    s.commands = cli->commands && cli->commands->name ? cli->commands : NULL;
    if (strcmp(shell, "bash") == 0) {
        bash(&s);
    } else if (strcmp(shell, "zsh") == 0) {
        s.quoted = "[]:\\\"$`";
        zsh(&s);
    } else {
        s.quoted = "\\";
        s.quote = "\\'";
        fish(&s);
    }
}
