/* cli_io.c - what a tool says: results, the last word on standard error, colours. */
#include "formats/base/file.h"
#include "formats/base/text.h"
#include "tools/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool cli_print(const struct buf *text, struct err *e)
{
    return buf_ok(text) &&
           (text->len == 0 || fd_write(STDOUT_FILENO, "standard output", buf_span(text), e));
}

bool cli_write(const char *path, const struct buf *text, bool replace, struct err *e)
{
    struct output o;
    size_t file;
    bool ok = buf_ok(text) && output_check(path, false, replace, NULL, 0, e) &&
              output_open(&o, path, false, replace, e);
    if (!ok)
        return false;
    ok = output_add(&o, STR(""), text->len, &file, e) &&
         output_write(&o, file, buf_span(text), 0, e) && output_commit(&o, e);
    output_close(&o);
    return ok;
}

/* Some file systems tell of a lost write only on closing; a duplicate leaves the stream usable. */
static bool output_arrived(struct err *e)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return err_errno(e, "writing", "standard output");
    int twin = dup(STDOUT_FILENO);
    if (twin >= 0 && close(twin) != 0)
        return err_errno(e, "closing", "standard output");
    return true;
}

static void line(struct buf *b, const char *before, const char *text)
{
    buf_puts(b, before);
    text_escape(b, str_of(text));
    buf_puts(b, "\n");
}

static void say(const struct cli *cli, const struct err *e, const char *unchanged)
{
    struct err none_left = { 0 };
    struct buf b = buf_make(&none_left);
    buf_printf(&b, "%s: ", cli->name);
    line(&b, e->code == ERR_MISMATCH ? "" : "error: ", e->msg);
    if (e->hint[0])
        line(&b, "  hint: ", e->hint);
    if (unchanged)
        line(&b, "  unchanged: ", unchanged);
    if (buf_ok(&b))
        fwrite(b.at, 1, b.len, stderr);
    else
        fputs("error: out of memory\n", stderr); /* e->msg may not go out unescaped */
    buf_free(&b);
}

int cli_exit(const struct cli *cli, struct err *e, const char *unchanged)
{
    struct err late = { 0 };
    if (!output_arrived(&late) && (e->code == ERR_NONE || e->code == ERR_MISMATCH))
        *e = late; /* a verdict that nobody could read is none */
    if (e->code != ERR_NONE && e->msg[0])
        say(cli, e, unchanged);
    cli_free(cli);
    return (int)e->code;
}

bool cli_color(const char *mode, int fd)
{
    const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");
    if (mode && strcmp(mode, "auto") != 0)
        return strcmp(mode, "always") == 0;
    if (no && *no)
        return false;
    if (force && *force && strcmp(force, "0") != 0)
        return true;
    return term && strcmp(term, "dumb") != 0 && isatty(fd);
}

void nearest_offer(struct nearest *near, struct str name)
{
    size_t third = near->word.len / 3;
    unsigned most = third < 1 ? 1 : third > 3 ? 3 : (unsigned)third;
    unsigned distance = text_distance(near->word, name);
    if (distance > most || (near->name.len && distance >= near->distance))
        return;
    near->name = name;
    near->distance = distance;
}
