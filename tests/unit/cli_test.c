/* cli_test.c - the table-driven command line: values, refusals, documents, the last word. */
#include "formats/base/fault.h"
#include "tools/cli.h"
#include "tools/doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct values {
    bool flag, other, fast;
    const char *text, *choice, *way;
    unsigned count;
    uint64_t size;
    struct opt_list list, only;
} v;

// clang-format off
static const struct opt opts[] = {
    { "flag",   'f', OPT_FLAG,   &v.flag,   NULL,            "a flag" },
    { "flat",    0,  OPT_FLAG,   &v.other,  NULL,            "another flag" },
    { "text",   't', OPT_TEXT,   &v.text,   "FILE",          "a text" },
    { "count",  'c', OPT_COUNT,  &v.count,  "N",             "a number" },
    { "size",   's', OPT_SIZE,   &v.size,   "SIZE",          "a size" },
    { "choice",  0,  OPT_CHOICE, &v.choice, "one|two|three", "a choice" },
    { "list",   'l', OPT_LIST,   &v.list,   "GLOB",          "a list" },
    { 0 },
};
static const struct opt run_opts[] = {
    { "fast",   'x', OPT_FLAG,   &v.fast,   NULL,            "run fast" },
    { "only",    0,  OPT_LIST,   &v.only,   "GLOB",          "only these" },
    { 0 },
};
static const struct opt walk_opts[] = {
    { "way",     0,  OPT_CHOICE, &v.way,    "there|back",    "which way" },
    { 0 },
};
static const struct cli_command commands[] = {
    { "run",  "[OPTION]... WHAT",    "run it",  run_opts,  1, 1 },
    { "walk", "[OPTION]... WHAT...", "walk it", walk_opts, 0, -1 },
    { "rest", "",                    "rest",    NULL,      0, 0 },
    { 0 },
};
// clang-format on

static const struct cli plain = { .name = "weigh-test",
                                  .synopsis = "[OPTION]... A [B]",
                                  .summary = "test the command line",
                                  .opts = opts,
                                  .max_args = 2 };
static size_t command;
static const struct cli several = { .name = "weigh-many",
                                    .summary = "test commands",
                                    .opts = opts,
                                    .commands = commands,
                                    .command = &command };

/* ---- one command line ---------------------------------------------------------- */

static char words[400], *room[40], **argv;
static int argc;
static struct err e;

/* Parses the words of a line; "''" is the empty word. */
static bool parse(const struct cli *cli, const char *line)
{
    cli_free(cli);
    v = (struct values){ 0 };
    e = (struct err){ 0 };
    command = SIZE_MAX;
    snprintf(words, sizeof words, "%s %s", cli->name, line);
    argc = 0;
    argv = room;
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = strcmp(w, "''") == 0 ? w + 2 : w;
    argv[argc] = NULL;
    return cli_parse(cli, &argc, &argv, &e);
}

static int reset(void **state)
{
    (void)state;
    cli_free(&several);
    return 0;
}

static void every_kind_is_stored(void **state)
{
    (void)state;
    assert_true(parse(&plain, "-f --text=a.gguf --count 12 -s 4K --choice two -l x --list=y A"));
    assert_true(v.flag);
    assert_false(v.other);
    assert_string_equal(v.text, "a.gguf");
    assert_int_equal(v.count, 12);
    assert_int_equal(v.size, 4096);
    assert_string_equal(v.choice, "two");
    assert_int_equal(v.list.n, 2);
    assert_string_equal(v.list.at[0], "x");
    assert_string_equal(v.list.at[1], "y");
    assert_int_equal(argc, 1);
    assert_string_equal(argv[0], "A");
}

static void sizes_are_binary(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        { "0", 0 },
        { "4096", 4096 },
        { "1k", 1024 },
        { "512M", 1u << 29 },
        { "8G", 1ull << 33 },
        { "2T", 1ull << 41 },
        { "1KiB", 1024 },
        { "3MB", 3u << 20 },
        { "7B", 7 },
        { "0x10", 16 },
        { "0x10K", 16384 },
        { "18446744073709551615", UINT64_MAX },
        { "16777215T", 16777215ull << 40 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char line[64];
        snprintf(line, sizeof line, "--size %s", good[i].text);
        assert_true(parse(&plain, line));
        assert_int_equal(v.size, good[i].bytes);
    }
}

static void refusals_say_what_and_what_to_try(void **state)
{
    static const char usage[] = "usage: weigh-test [OPTION]... A [B]";
    static const char see[] = "weigh-test --help lists the options";
    static const struct {
        const char *line, *msg, *hint;
    } bad[] = {
        { "--cuont 3", "unknown option '--cuont'", "did you mean --count?" },
        { "--cuont=3", "unknown option '--cuont'", "did you mean --count?" },
        { "--nothinglike", "unknown option '--nothinglike'", see },
        { "-z", "unknown option '-z'", see },
        { "-fz", "unknown option '-z'", see },
        { "--fla", "option '--fla' could be --flag or --flat", "" },
        { "--flag=3", "option '--flag' takes no value", "" },
        { "--count", "option '--count' needs a value (N)", "" },
        { "A -c", "option '--count' needs a value (N)", "" },
        { "-c ''", "--count: '' is not a whole number", "" },
        { "-c -1", "--count: '-1' is not a whole number", "" },
        { "-c +1", "--count: '+1' is not a whole number", "" },
        { "-c 1.5", "--count: '1.5' is not a whole number", "" },
        { "-c 0x", "--count: '0x' is not a whole number", "" },
        { "-c 4294967296", "--count: '4294967296' is too large", "" },
        { "--size 5X", "--size: '5X' is not a size such as 4096, 512M or 8G", "" },
        { "--size 5Mi", "--size: '5Mi' is not a size such as 4096, 512M or 8G", "" },
        { "--size M", "--size: 'M' is not a size such as 4096, 512M or 8G", "" },
        { "--size 16777216T", "--size: '16777216T' is too large", "" },
        { "--size 18446744073709551616", "--size: '18446744073709551616' is too large", "" },
        { "--choice thre", "--choice: 'thre' is not one of one, two, three",
          "did you mean three?" },
        { "--choice ''", "--choice: '' is not one of one, two, three", "" },
        { "--completion fisch", "--completion: 'fisch' is not one of bash, zsh, fish",
          "did you mean fish?" },
        { "A B C", "unexpected operand 'C'", usage },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse(&plain, bad[i].line));
        assert_int_equal(e.code, ERR_USAGE);
        assert_string_equal(e.msg, bad[i].msg);
        assert_string_equal(e.hint, bad[i].hint);
    }
}

static void names_shorten_and_the_last_value_counts(void **state)
{
    (void)state;
    assert_true(parse(&plain, "--te=a --cou 3 A --te b -c5"));
    assert_string_equal(v.text, "b");
    assert_int_equal(v.count, 5);
    assert_int_equal(argc, 1);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_true(parse(&plain, "-f -- --flat -"));
    assert_false(v.other);
    assert_int_equal(argc, 2);
    assert_string_equal(argv[0], "--flat");
    assert_string_equal(argv[1], "-");
}

static void commands_have_options_of_their_own(void **state)
{
    (void)state;
    assert_true(parse(&several, "--flag run -x A --only=p --only q -c 2"));
    assert_int_equal(command, 0);
    assert_true(v.flag && v.fast);
    assert_int_equal(v.only.n, 2);
    assert_int_equal(v.count, 2);
    assert_int_equal(argc, 1);
    assert_string_equal(argv[0], "A");
    assert_true(parse(&several, "walk --way back run walk"));
    assert_int_equal(command, 1);
    assert_string_equal(v.way, "back");
    assert_int_equal(argc, 2);
}

static void commands_refuse(void **state)
{
    static const struct {
        const char *line, *msg, *hint;
    } bad[] = {
        { "", "a command is missing", "weigh-many --help lists the commands" },
        { "wlak", "unknown command 'wlak'", "did you mean walk?" },
        { "--fast run A", "unknown option '--fast'",
          "it belongs to weigh-many run and stands behind that" },
        { "walk --fast", "unknown option '--fast'",
          "it belongs to weigh-many run and stands behind that" },
        { "run", "an operand is missing", "usage: weigh-many run [OPTION]... WHAT" },
        { "rest A", "unexpected operand 'A'", "usage: weigh-many rest " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(parse(&several, bad[i].line));
        assert_int_equal(e.code, ERR_USAGE);
        assert_string_equal(e.msg, bad[i].msg);
        assert_string_equal(e.hint, bad[i].hint);
    }
}

/* ---- what is printed -------------------------------------------------------------- */

static struct {
    FILE *to;
    int fd, saved;
} caught;
static char said[20000];

/* Turns a descriptor into a file until release(). */
static void catch (int fd)
{
    fflush(NULL);
    caught.to = tmpfile();
    assert_non_null(caught.to);
    caught.fd = fd;
    caught.saved = dup(fd);
    assert_int_equal(dup2(fileno(caught.to), fd), fd);
}

static void release(void)
{
    fflush(NULL);
    dup2(caught.saved, caught.fd);
    close(caught.saved);
    rewind(caught.to);
    said[fread(said, 1, sizeof said - 1, caught.to)] = '\0';
    fclose(caught.to);
}

static void built_ins_answer_and_end(void **state)
{
    (void)state;
    catch (STDOUT_FILENO);
    bool more = parse(&plain, "--version");
    release();
    assert_false(more);
    assert_int_equal(e.code, ERR_NONE);
    assert_string_equal(said, "weigh-test " WEIGH_VERSION " (Weighmaster)\n");

    catch (STDOUT_FILENO);
    more = parse(&several, "run --help --only x");
    release();
    assert_false(more);
    assert_int_equal(e.code, ERR_NONE);
    assert_non_null(strstr(said, "Usage: weigh-many run [OPTION]... WHAT\nRun it.\n"));
    assert_non_null(strstr(said, "--only"));
    assert_null(strstr(said, "--way"));
    assert_int_equal(v.only.n, 0);
}

static void help_says_the_default_not_what_was_given(void **state)
{
    const struct opt rows[] = { OPT_TILE(&v.size), OPT_COLOR(&v.choice), { 0 } };
    struct cli cli = plain;
    (void)state;
    cli.opts = rows;
    v.size = 64u << 20;
    v.choice = "auto";
    char *line[] = { "weigh-test", "--tile=5", "--color=never", "--help", NULL }, **at = line;
    int n = 4;
    catch (STDOUT_FILENO);
    bool more = cli_parse(&cli, &n, &at, &e);
    release();
    assert_false(more);
    assert_non_null(strstr(said, "(default: 64M)"));
    assert_non_null(strstr(said, "(default: auto)"));
}

static void full_standard_output_is_an_error(void **state)
{
    (void)state;
    int saved = dup(STDOUT_FILENO);
    assert_non_null(freopen("/dev/full", "w", stdout));
    bool more = parse(&plain, "--help");
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_false(more);
    assert_int_equal(e.code, ERR_SYSTEM);
    assert_non_null(strstr(e.msg, "--help: "));
}

/* Makes the n-th event fail, for every n, until a run survives untouched. */
static void fail_each(enum fault_kind kind, const char *line, enum err_code expected)
{
    bool struck = true;
    unsigned n = 0;
    while (struck) {
        catch (STDOUT_FILENO);
        fault_on(kind, ++n);
        bool more = parse(&several, line);
        struck = fault_struck();
        fault_on(FAULT_NONE, 0);
        release();
        assert_int_equal(e.code, struck ? expected : ERR_NONE);
        assert_false(struck && more);
    }
    assert_true(n > 1);
}

static void every_failure_is_reported(void **state)
{
    (void)state;
    fail_each(FAULT_MEMORY, "--help", ERR_MEMORY);
    fail_each(FAULT_MEMORY, "run --help", ERR_MEMORY);
    fail_each(FAULT_MEMORY, "--man", ERR_MEMORY);
    fail_each(FAULT_MEMORY, "--completion=bash", ERR_MEMORY);
    fail_each(FAULT_MEMORY, "--completion=zsh", ERR_MEMORY);
    fail_each(FAULT_MEMORY, "--completion=fish", ERR_MEMORY);
    fail_each(FAULT_MEMORY, "--options", ERR_MEMORY);
    fail_each(FAULT_MEMORY, "run A --only x --only y", ERR_MEMORY);
    fail_each(FAULT_IO, "--version", ERR_SYSTEM);
}

static int leave(enum err_code code, const char *msg, const char *hint, const char *unchanged)
{
    struct err last = { 0 };
    if (code)
        err_set(&last, code, "%s", msg);
    if (hint)
        err_hint(&last, "%s", hint);
    catch (STDERR_FILENO);
    int rc = cli_exit(&plain, &last, unchanged);
    release();
    return rc;
}

static void the_last_word(void **state)
{
    (void)state;
    assert_int_equal(
        leave(ERR_INPUT, "a\nb.gguf ends early", "try\x1b[2J", "no output was written"), 3);
    assert_string_equal(said, "weigh-test: error: a\\x0ab.gguf ends early\n"
                              "  hint: try\\x1b[2J\n"
                              "  unchanged: no output was written\n");
    assert_int_equal(leave(ERR_MISMATCH, "2 of 3 files differ", NULL, NULL), 1);
    assert_string_equal(said, "weigh-test: 2 of 3 files differ\n");
    assert_int_equal(leave(ERR_MISMATCH, "", NULL, NULL), 1);
    assert_string_equal(said, "");
    assert_int_equal(leave(ERR_NONE, "", NULL, "no output was written"), 0);
    assert_string_equal(said, "");
}

static void documents_hold_every_option(void **state)
{
    static const char *const shells[] = { "bash", "zsh", "fish" };
    struct err none = { 0 };
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct buf b = buf_make(&none);
        if (i < 3)
            doc_completion(&b, &several, shells[i]);
        else if (i == 3)
            doc_man(&b, &several);
        else
            doc_help(&b, &several, NULL);
        buf_add(&b, "", 1);
        assert_true(buf_ok(&b));
        const char *all = (const char *)b.at;
        assert_non_null(strstr(all, "choice"));
        assert_non_null(strstr(all, "way"));
        assert_non_null(strstr(all, "fast"));
        assert_non_null(strstr(all, "completion"));
        assert_non_null(strstr(all, i == 1 ? "run it" : i == 0 ? "run|walk|rest" : "run"));
        buf_free(&b);
    }
}

static void colors(void **state)
{
    (void)state;
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR_FORCE");
    setenv("TERM", "xterm", 1);
    FILE *file = tmpfile();
    assert_false(cli_color("auto", fileno(file)));
    assert_true(cli_color("always", fileno(file)));
    setenv("CLICOLOR_FORCE", "1", 1);
    assert_true(cli_color(NULL, fileno(file)));
    assert_false(cli_color("never", fileno(file)));
    setenv("CLICOLOR_FORCE", "0", 1);
    assert_false(cli_color(NULL, fileno(file)));
    setenv("CLICOLOR_FORCE", "1", 1);
    setenv("NO_COLOR", "1", 1);
    assert_false(cli_color(NULL, fileno(file)));
    assert_true(cli_color("always", fileno(file)));
    unsetenv("NO_COLOR");
    unsetenv("CLICOLOR_FORCE");
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_kind_is_stored, reset),
        cmocka_unit_test_teardown(sizes_are_binary, reset),
        cmocka_unit_test_teardown(refusals_say_what_and_what_to_try, reset),
        cmocka_unit_test_teardown(names_shorten_and_the_last_value_counts, reset),
        cmocka_unit_test_teardown(two_dashes_end_the_options, reset),
        cmocka_unit_test_teardown(commands_have_options_of_their_own, reset),
        cmocka_unit_test_teardown(commands_refuse, reset),
        cmocka_unit_test_teardown(built_ins_answer_and_end, reset),
        cmocka_unit_test_teardown(help_says_the_default_not_what_was_given, reset),
        cmocka_unit_test_teardown(full_standard_output_is_an_error, reset),
        cmocka_unit_test_teardown(every_failure_is_reported, reset),
        cmocka_unit_test_teardown(the_last_word, reset),
        cmocka_unit_test_teardown(documents_hold_every_option, reset),
        cmocka_unit_test_teardown(colors, reset),
    };
    return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
