/* child.c - runs a program and watches how long it takes and how much memory. */
#include "tests/support/child.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

static void become(const char *const argv[], unsigned limit, int out, int err)
{
    int in = open("/dev/null", O_RDONLY);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    alarm(limit);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* Keeps what fits; false at the end of the stream. */
static bool listen_to(int fd, char *text, size_t room, size_t *n)
{
    char piece[4096];
    ssize_t got = read(fd, piece, sizeof piece);
    for (ssize_t i = 0; i < got && *n + 1 < room; i++)
        text[(*n)++] = piece[i];
    return got > 0;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

void child_run(struct child *c, unsigned limit, const char *const argv[])
{
    int out[2], err[2], status;
    size_t n_out = 0, n_err = 0;
    struct rusage used;
    *c = (struct child){ 0 };
    must(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, "pipe");
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0)
        become(argv, limit, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    struct pollfd both[2] = { { out[0], POLLIN, 0 }, { err[0], POLLIN, 0 } };
    while (both[0].fd >= 0 || both[1].fd >= 0) {
        poll(both, 2, -1);
        if (both[0].revents && !listen_to(out[0], c->out, sizeof c->out, &n_out))
            both[0].fd = -1;
        if (both[1].revents && !listen_to(err[0], c->err, sizeof c->err, &n_err))
            both[1].fd = -1;
    }
    close(out[0]);
    close(err[0]);
    must(wait4(pid, &status, 0, &used) == pid, "wait4");
    c->seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
    c->code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    c->peak_bytes = (uint64_t)used.ru_maxrss * 1024;
}

const char *tool_path(const char *name)
{
    static char path[4096];
    const char *bin = getenv("WEIGH_BIN");
    snprintf(path, sizeof path, "%s/%s", bin ? bin : "bin", name);
    return access(path, X_OK) == 0 ? path : NULL;
}

bool sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}
