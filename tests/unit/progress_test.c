/* progress_test.c - the bar's text, and events that are few, whole and end with the last. */
#include "tools/progress.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const uint64_t second = 1000000000;

/* 2 GB in 4 seconds, of the 13.76 GB there are. */
static struct progress after_four_seconds(void)
{
    struct progress p = { .mode = PROGRESS_BAR, .total = 13760000000, .done = 2000000000 };
    p.start_ns = p.samples[0].ns = 7 * second;
    p.n_samples = 1;
    return p;
}

static void bar_says_part_rate_and_time_left(void **state)
{
    struct progress p = after_four_seconds();
    char line[PROGRESS_LINE];
    (void)state;
    progress_line(line, &p, 11 * second);
    assert_string_equal(line,
                        " 14% [##                  ] 2.00 GB of 13.8 GB, 500 MB/s, 0:24 left");
    p.total = 0;
    progress_line(line, &p, 11 * second);
    assert_string_equal(line, "2.00 GB, 500 MB/s");
}

static void bar_before_anything_is_known(void **state)
{
    struct progress p = after_four_seconds();
    char line[PROGRESS_LINE];
    (void)state;
    p.done = 0;
    progress_line(line, &p, p.start_ns);
    assert_int_equal(strncmp(line, "  0% [                    ] 0 B of 13.8 GB, ", 43), 0);
    assert_non_null(strstr(line, "-:-- left"));
}

static void bar_fits_the_terminal(void **state)
{
    struct progress p = after_four_seconds();
    char line[PROGRESS_LINE];
    (void)state;
    p.columns = 20;
    progress_line(line, &p, 11 * second);
    assert_int_equal(strlen(line), 19);
    p = (struct progress){ .total = UINT64_MAX, .done = UINT64_MAX, .n_samples = 1, .columns = 80 };
    progress_line(line, &p, 1);
    assert_true(strlen(line) < 80);
}

static void *report(void *p)
{
    for (uint64_t i = 0; i <= 1000; i++)
        progress_step(p, i, 1000);
    return NULL;
}

static void events_are_few_and_end_with_the_last(void **state)
{
    static char said[4000];
    struct progress p;
    pthread_t thread[4];
    FILE *to = tmpfile();
    (void)state;
    assert_non_null(to);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(to), STDERR_FILENO);
    progress_open(&p, "json", true);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, report, &p), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    progress_close(&p);
    progress_close(&p);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(to);
    said[fread(said, 1, sizeof said - 1, to)] = '\0';
    fclose(to);

    static const char last[] = "{\"event\":\"progress\",\"done\":1000,\"total\":1000,\"seconds\":";
    const char *at = strrchr(said, '{');
    assert_non_null(at);
    assert_int_equal(strncmp(at, last, sizeof last - 1), 0);
    assert_string_equal(at + strcspn(at, "}"), "}\n");
    unsigned lines = 0;
    for (const char *s = said; *s; s++)
        lines += *s == '\n';
    assert_true(lines <= 1 + 2 * (1 + (unsigned)atof(at + sizeof last - 1)));
}

static void silence_off_a_terminal(void **state)
{
    static const char *const modes[] = { NULL, "auto", "bar", "none" };
    (void)state;
    int saved = dup(STDERR_FILENO), pipe_fd[2];
    char byte;
    assert_int_equal(pipe(pipe_fd), 0);
    dup2(pipe_fd[1], STDERR_FILENO);
    close(pipe_fd[1]);
    for (int i = 0; i < 4; i++) {
        struct progress p;
        progress_open(&p, modes[i], false);
        p.start_ns = 1; /* long ago: a redraw is due */
        progress_step(&p, 1, 2);
        progress_close(&p);
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(read(pipe_fd[0], &byte, 1), 0);
    close(pipe_fd[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bar_says_part_rate_and_time_left),
        cmocka_unit_test(bar_before_anything_is_known),
        cmocka_unit_test(bar_fits_the_terminal),
        cmocka_unit_test(events_are_few_and_end_with_the_last),
        cmocka_unit_test(silence_off_a_terminal),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
