/* measure.c - runs a command and prints what it cost.
 *
 * usage: measure COMMAND [ARGUMENT]...
 *
 * The command's output goes to standard error; standard output gets one line,
 * "WALL CPU RSS": seconds, seconds of user and system time, bytes at the peak.
 * Exit status: the command's, or 127 if it cannot be run. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static void run(char **command)
{
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: measure COMMAND [ARGUMENT]...\n");
        return 2;
    }
    double start = now();
    pid_t child = fork();
    if (child < 0) {
        perror("measure: fork");
        return 127;
    }
    if (child == 0)
        run(argv + 1);

    int status;
    struct rusage used;
    if (wait4(child, &status, 0, &used) != child) {
        perror("measure: wait4");
        return 127;
    }
    printf("%.3f %.3f %ld\n", now() - start, seconds(used.ru_utime) + seconds(used.ru_stime),
           used.ru_maxrss * 1024); /* Linux counts it in KiB */
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
