/* weigh.c - runs the tool of a verb: weigh convert ... is weigh-convert ... */
#include "tools/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

// clang-format off
static const struct cli_command verbs[] = {
    { "inspect",  "", "show what a model file holds",                                 .max_args = -1 },
    { "convert",  "", "convert between containers, lossless unless told otherwise",    .max_args = -1 },
    { "quantize", "", "store weights in fewer bits and report the error",             .max_args = -1 },
    { "verify",   "", "check a model against its manifest or its published release",  .max_args = -1 },
    { "logits",   "", "run the reference forward pass and compare logits",            .max_args = -1 },
    { "diff",     "", "compare two models, whatever their containers",                .max_args = -1 },
    { "audit",    "", "look for defects and dangers in a model",                      .max_args = -1 },
    { "pack",     "", "compress a model so that it can be restored byte for byte",    .max_args = -1 },
    { "cat",      "", "write one tensor to standard output",                          .max_args = -1 },
    { "tokenize", "", "turn text into tokens and back",                               .max_args = -1 },
    { "synth",    "", "make a checkpoint of real names and shapes from a seed",       .max_args = -1 },
};
// clang-format on
enum { N_VERBS = sizeof verbs / sizeof *verbs };

/* The path of a verb's tool: beside this program, else wherever this was started from,
 * else (without a '/') to be looked for in PATH.  False if it does not fit. */
static bool tool_path(char out[PATH_MAX], const char *self, const char *verb)
{
    char here[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
    if (n < 0)
        n = snprintf(here, sizeof here, "%s", self);
    here[n < (ssize_t)sizeof here ? n : 0] = '\0';
    char *slash = strrchr(here, '/');
    int dir = slash ? (int)(slash - here) + 1 : 0;
    return snprintf(out, PATH_MAX, "%.*sweigh-%s", dir, here, verb) < PATH_MAX;
}

static void find_present(struct cli_command present[N_VERBS + 1], const char *self)
{
    char path[PATH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < N_VERBS; i++)
        if (tool_path(path, self, verbs[i].name) && access(path, X_OK) == 0)
            present[n++] = verbs[i];
    present[n] = (struct cli_command){ 0 };
}

/* Becomes the tool of argv[0]; comes back only to say why not. */
static void become(const char *self, char **argv, struct err *e)
{
    char path[PATH_MAX];
    const char *verb = argv[0];
    struct nearest near = { .word = str_of(verb) };
    errno = ENOENT;
    if (tool_path(path, self, verb)) {
        argv[0] = path;
        execvp(path, argv);
    }
    if (errno != ENOENT) {
        err_errno(e, "running", path);
        return;
    }
    nearest_offer(&near, STR("help"));
    for (size_t i = 0; i < N_VERBS; i++)
        nearest_offer(&near, str_of(verbs[i].name));
    err_set(e, ERR_USAGE, "unknown command '%s'", verb);
    if (near.name.len)
        err_hint(e, "did you mean " STR_FMT "?", STR_ARG(near.name));
    err_hint(e, "weigh --help lists the commands");
}

int main(int argc, char **argv)
{
    static const char *const description[] = {
        "Each command is a program of its own, weigh-COMMAND, with its own manual page; this one "
        "finds it in the directory where it stands itself and runs it.",
        NULL,
    };
    static const struct cli_note examples[] = {
        { "weigh inspect model.gguf", "the same as weigh-inspect model.gguf" },
        { "weigh help convert", "the same as weigh-convert --help" },
        { 0 },
    };
    struct err e = { 0 };
    size_t chosen;
    struct cli_command present[N_VERBS + 1];
    const struct cli cli = { .name = "weigh",
                             .synopsis = "COMMAND [ARGUMENT]...",
                             .summary = "convert, verify and inspect released model weights",
                             .description = description,
                             .commands = present,
                             .command = &chosen,
                             .examples = examples };
    char *self = argv[0], *help[] = { self, "--help", NULL };
    bool is_help = argc == 1 || strcmp(argv[1], "help") == 0;
    find_present(present, self);
    if (is_help && argc > 2) {
        become(self, (char *[]){ argv[2], "--help", NULL }, &e);
    } else if (!is_help && argv[1][0] != '-') {
        become(self, argv + 1, &e);
    } else {
        int n = is_help ? 2 : argc;
        char **args = is_help ? help : argv;
        if (cli_parse(&cli, &n, &args, &e)) /* as in: weigh -- convert */
            err_set(&e, ERR_USAGE, "the command comes first: weigh %s", present[chosen].name);
    }
    return cli_exit(&cli, &e, NULL);
}
