#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_MS = 5000, SLICE_MS = 50, POLL_MS = 10 };

static int set_actions(posix_spawn_file_actions_t *actions, int output, const char *folder)
{
    int rc;

    /* `output` may be any number, 0 included: standard input comes last. */
    rc = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0 && folder != NULL)
        rc = posix_spawn_file_actions_addchdir_np(actions, folder);
    return rc;
}

/* The calling thread may have signals blocked, and its process may ignore some: the program begins as from a shell. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    static const int restored[] = {SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2};
    sigset_t none, defaults;
    size_t i;
    int rc;

    sigemptyset(&none);
    sigemptyset(&defaults);
    for (i = 0; i < sizeof(restored) / sizeof(restored[0]); i++)
        sigaddset(&defaults, restored[i]);
    rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(attributes, 0);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes,
                                      POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return rc;
}

static int spawn(pid_t *ret_pid, char **arguments, char **environment, const char *folder, int output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc;

    rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0)
        goto out_actions;
    rc = set_actions(&actions, output, folder);
    if (rc == 0)
        rc = set_attributes(&attributes);
    if (rc == 0)
        rc = posix_spawnp(ret_pid, arguments[0], &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
out_actions:
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int mtnt__program_start(mtnt__program *program, char **arguments, char **environment, const char *folder)
{
    int ends[2], failed;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    failed = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
    if (failed == 0)
        failed = spawn(&program->pid, arguments, environment, folder, ends[1]);
    close(ends[1]);
    if (failed != 0) {
        close(ends[0]);
        return failed;
    }
    program->output = ends[0];
    program->watch = (int)syscall(SYS_pidfd_open, program->pid, 0);
    return 0;
}

static void keep_tail(mtnt__program *program, const char *bytes, size_t length)
{
    size_t i;

    for (i = 0; i < length; i++)
        program->tail[program->written++ % sizeof(program->tail)] = bytes[i];
}

/* Takes what has been written, but not for ever: a program that floods us must meet its deadline too. */
static void read_output(mtnt__program *program)
{
    char bytes[4096];
    ssize_t length = 0;
    int rounds;

    for (rounds = 0; program->output >= 0 && rounds < 64; rounds++) {
        length = read(program->output, bytes, sizeof(bytes));
        if (length > 0) {
            keep_tail(program, bytes, (size_t)length);
        } else if (length == 0 || (errno != EINTR && errno != EAGAIN)) {
            close(program->output);
            program->output = -1;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

/* Looks at this one child and leaves it unreaped: as long as it is, neither its pid nor its process group is given away. */
static bool has_ended(mtnt__program *program)
{
    int rc;

    if (program->ended || program->lost)
        return true;
    memset(&program->how, 0, sizeof(program->how));
    do
        rc = waitid(P_PID, (id_t)program->pid, &program->how, WEXITED | WNOHANG | WNOWAIT);
    while (rc != 0 && errno == EINTR);
    program->lost = rc != 0;
    program->ended = rc == 0 && program->how.si_pid == program->pid;
    if ((program->ended || program->lost) && program->watch >= 0) {
        close(program->watch);
        program->watch = -1;
    }
    return program->ended || program->lost;
}

static void wait_a_slice(mtnt__program *program, int64_t most_ms)
{
    struct pollfd events[2] = {{program->output, POLLIN, 0}, {program->watch, POLLIN, 0}};
    int64_t slice_ms = program->watch >= 0 ? SLICE_MS : POLL_MS;

    if (most_ms >= 0 && most_ms < slice_ms)
        slice_ms = most_ms;
    poll(events, 2, (int)slice_ms);
    read_output(program);
}

static int64_t now_ms(void)
{
    struct timespec now = {0, 0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Ends the program and all that it has started. Its children keep its output open, which tells when the last one is gone. */
static void stop(mtnt__program *program)
{
    int64_t until_ms = now_ms() + GRACE_MS;

    kill(-program->pid, SIGTERM);
    while ((!has_ended(program) || program->output >= 0) && now_ms() < until_ms)
        wait_a_slice(program, until_ms - now_ms());
    if (!program->lost)
        kill(-program->pid, SIGKILL);
}

int mtnt__program_wait(mtnt__program *program, const mtnt_context *context)
{
    int64_t remaining_ms = -1;
    int reason = 0;

    while (reason == 0 && !has_ended(program)) {
        remaining_ms = mtnt_context_remaining_ms(context);
        if (mtnt_context_cancelled(context))
            reason = MTNT_E_CANCELLED;
        else if (remaining_ms == 0)
            reason = MTNT_E_DEADLINE;
        else
            wait_a_slice(program, remaining_ms);
    }
    if (reason != 0)
        stop(program);
    return reason;
}

/* What a failed program has left running is killed first: it must not work against its own compensation. */
bool mtnt__program_finish(mtnt__program *program)
{
    bool success = program->ended && program->how.si_code == CLD_EXITED && program->how.si_status == 0;

    if (!success && !program->lost)
        kill(-program->pid, SIGKILL);
    while (!program->lost && waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    read_output(program);
    if (program->output >= 0)
        close(program->output);
    if (program->watch >= 0)
        close(program->watch);
    return success;
}

/* ---- what it wrote ---- */

/* Bytes of the UTF-8 character there; 0 = it is none. */
static size_t character_length(const char *text, size_t left)
{
    unsigned char first = (unsigned char)*text;
    size_t length, i;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    for (i = 1; i < length; i++)
        if (i >= left || ((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* A program may write anything; people get lines of UTF-8 without control characters. */
static void clean(char *text)
{
    size_t length = strlen(text), i, step;

    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        text[--length] = '\0';
    for (i = 0; i < length; i += step) {
        step = character_length(text + i, length - i);
        if (step == 0) {
            text[i] = '?';
            step = 1;
        } else if (((unsigned char)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f) {
            text[i] = ' ';
        }
    }
}

void mtnt__program_tail(const mtnt__program *program, char ret_text[MTNT__PROGRAM_TAIL])
{
    size_t size = sizeof(program->tail), length = program->written < size ? program->written : size, i;
    char *line;

    for (i = 0; i < length; i++) {
        ret_text[i] = program->tail[(program->written - length + i) % size];
        if (ret_text[i] == '\0')
            ret_text[i] = ' ';
    }
    ret_text[length] = '\0';
    line = program->written > size ? strchr(ret_text, '\n') : NULL;
    if (line != NULL && line[1] != '\0')
        memmove(ret_text, line + 1, strlen(line + 1) + 1);
    clean(ret_text);
}
