/* Clocks, deadlines, ids, and telling processes apart. */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/system.h"

static int64_t still_boot_ms(void *data)
{
    return *(int64_t *)data;
}

static int no_random(void *data, void *ret_bytes, size_t size)
{
    (void)data;
    memset(ret_bytes, 0, size);
    return MTNT_E_IO;
}

static void deadlines(void **state)
{
    int64_t now = 1000;
    const mtnt__system system = {.boot_ms = still_boot_ms, .data = &now};

    (void)state;
    assert_int_equal(mtnt__deadline_in(&system, 0), 0);
    assert_int_equal(mtnt__deadline_in(&system, -5), 0);
    assert_int_equal(mtnt__deadline_in(&system, 500), 1500);
    assert_true(mtnt__deadline_in(&system, INT64_MAX) == INT64_MAX);
    assert_int_equal(mtnt__deadline_left(&system, 0), -1);
    assert_int_equal(mtnt__deadline_left(&system, 1500), 500);
    assert_int_equal(mtnt__deadline_left(&system, INT64_MAX), INT_MAX);
    now = 1500;
    assert_int_equal(mtnt__deadline_left(&system, 1500), 0);
    now = 9999;
    assert_int_equal(mtnt__deadline_left(&system, 1500), 0);
    assert_int_equal(mtnt__deadline_earlier(0, 5), 5);
    assert_int_equal(mtnt__deadline_earlier(5, 0), 5);
    assert_int_equal(mtnt__deadline_earlier(5, 3), 3);
    assert_int_equal(mtnt__deadline_earlier(0, 0), 0);
}

static void the_real_clock_goes_on(void **state)
{
    const mtnt__system *system = mtnt__system_default();
    int64_t before = system->boot_ms(system->data);

    (void)state;
    system->sleep_ms(system->data, 15);
    system->sleep_ms(system->data, -1);
    assert_in_range(system->boot_ms(system->data) - before, 15, 5000);
    assert_true(system->wall_ms(system->data) > INT64_C(1700000000000));
}

static void ids(void **state)
{
    const mtnt__system broken = {.random = no_random};
    char first[MTNT__ID_SIZE], second[MTNT__ID_SIZE] = "untouched";
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_int_equal(mtnt__random_id(&broken, second, &err), MTNT_E_IO);
    assert_string_equal(second, "untouched");
    assert_int_equal(mtnt__random_id(mtnt__system_default(), first, NULL), 0);
    assert_int_equal(mtnt__random_id(mtnt__system_default(), second, NULL), 0);
    assert_int_equal(strlen(first), 32);
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    assert_string_not_equal(first, second);
}

static void times(void **state)
{
    char text[MTNT__TIME_SIZE];

    (void)state;
    mtnt__time_text(INT64_C(1795255452345), text);
    assert_string_equal(text, "2026-11-21T10:04:12.345Z");
    mtnt__time_text(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    mtnt__time_text(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    mtnt__time_text(INT64_MAX, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    mtnt__time_text(INT64_MIN, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

/* Replaces the part of that number, counted from 0. */
static void change_part(const char *process, int number, const char *part, char *ret_text, size_t size)
{
    const char *start = process, *end;

    for (int i = 0; i < number; i++)
        start = strchr(start, '/') + 1;
    end = start + strcspn(start, "/");
    snprintf(ret_text, size, "%.*s%s%s", (int)(start - process), process, part, end);
}

static void this_process_is_alive(void **state)
{
    char self[MTNT__PROCESS_SIZE], other[MTNT__PROCESS_SIZE];

    (void)state;
    assert_int_equal(mtnt__process_self(self, NULL), 0);
    assert_int_equal(mtnt__process_look(self), MTNT__PROCESS_ALIVE);
    change_part(self, 0, "elsewhere", other, sizeof(other));
    assert_int_equal(mtnt__process_look(other), MTNT__PROCESS_UNKNOWN);
    change_part(self, 1, "00000000-0000-0000-0000-000000000000", other, sizeof(other));
    assert_int_equal(mtnt__process_look(other), MTNT__PROCESS_DEAD);
    change_part(self, 2, "1", other, sizeof(other));
    assert_int_equal(mtnt__process_look(other), MTNT__PROCESS_UNKNOWN);
    change_part(self, 3, "4194999", other, sizeof(other)); /* above the highest pid */
    assert_int_equal(mtnt__process_look(other), MTNT__PROCESS_DEAD);
    change_part(self, 4, "1", other, sizeof(other)); /* the pid, recycled */
    assert_int_equal(mtnt__process_look(other), MTNT__PROCESS_DEAD);
}

static void garbage_is_unknown(void **state)
{
    static const char *const bad[] = {"", "x", "////", "a/b/c/d/e", "a/b/1/2", "a/b/1/2/3/4", "a/b/1/-2/3"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mtnt__process_look(bad[i]), MTNT__PROCESS_UNKNOWN);
}

static void a_child_that_ended_is_dead(void **state)
{
    char child[MTNT__PROCESS_SIZE] = "";
    int pipes[2];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    if (pid == 0) {
        char self[MTNT__PROCESS_SIZE];

        if (mtnt__process_self(self, NULL) != 0 || write(pipes[1], self, sizeof(self)) < 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(read(pipes[0], child, sizeof(child)), sizeof(child));
    for (int i = 0; i < 500 && mtnt__process_look(child) == MTNT__PROCESS_ALIVE; i++)
        usleep(10000);
    assert_int_equal(mtnt__process_look(child), MTNT__PROCESS_DEAD); /* a zombie until it is waited for */
    waitpid(pid, NULL, 0);
    assert_int_equal(mtnt__process_look(child), MTNT__PROCESS_DEAD);
    close(pipes[0]);
    close(pipes[1]);
}

/* A child that waits to be killed, as a process text. */
static pid_t make_child(char *ret_text)
{
    int ready[2];
    pid_t child;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        mtnt_error err = MTNT_ERROR_INIT;
        char text[MTNT__PROCESS_SIZE] = "";

        mtnt__process_self(text, &err);
        if (write(ready[1], text, sizeof(text)) == (ssize_t)sizeof(text))
            pause();
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], ret_text, MTNT__PROCESS_SIZE), MTNT__PROCESS_SIZE);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void ending_a_process(void **state)
{
    char text[MTNT__PROCESS_SIZE], other[MTNT__PROCESS_SIZE + 1];
    mtnt_error err = MTNT_ERROR_INIT;
    int status;
    pid_t child = make_child(text);

    (void)state;
    /* The same pid of another start, boot or host is another process: it is gone, or not ours to end. */
    snprintf(other, sizeof(other), "%s1", text);
    assert_int_equal(mtnt__process_end(other, &err), 0);
    snprintf(other, sizeof(other), "x%s", text);
    assert_int_equal(mtnt__process_end(other, &err), MTNT_E_REFUSED);
    assert_int_equal(waitpid(child, &status, WNOHANG), 0);
    assert_int_equal(mtnt__process_self(other, &err), 0);
    assert_int_equal(mtnt__process_end(other, &err), MTNT_E_REFUSED);
    assert_int_equal(mtnt__process_end("nonsense", &err), MTNT_E_REFUSED);
    assert_int_equal(mtnt__process_end(text, &err), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(mtnt__process_end(text, &err), 0);
}

/* It may go on later, and renews nothing until then. */
static void a_stopped_process(void **state)
{
    char child[MTNT__PROCESS_SIZE];
    pid_t pid = make_child(child);

    (void)state;
    assert_int_equal(mtnt__process_look(child), MTNT__PROCESS_ALIVE);
    kill(pid, SIGSTOP);
    for (int i = 0; i < 500 && mtnt__process_look(child) == MTNT__PROCESS_ALIVE; i++)
        usleep(10000);
    assert_int_equal(mtnt__process_look(child), MTNT__PROCESS_STOPPED);
    kill(pid, SIGCONT);
    for (int i = 0; i < 500 && mtnt__process_look(child) == MTNT__PROCESS_STOPPED; i++)
        usleep(10000);
    assert_int_equal(mtnt__process_look(child), MTNT__PROCESS_ALIVE);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(mtnt__process_look(child), MTNT__PROCESS_DEAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines),
        cmocka_unit_test(the_real_clock_goes_on),
        cmocka_unit_test(ids),
        cmocka_unit_test(times),
        cmocka_unit_test(this_process_is_alive),
        cmocka_unit_test(garbage_is_unknown),
        cmocka_unit_test(a_child_that_ended_is_dead),
        cmocka_unit_test(ending_a_process),
        cmocka_unit_test(a_stopped_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
