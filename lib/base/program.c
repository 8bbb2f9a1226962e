#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/system.h"

#define SLICE_MS 50
#define GRACE_MS 5000

typedef struct program {
    pid_t pid; /* and its process group; not given away before it is reaped */
    int output;
    bool ended, lost; /* lost: reaped by somebody else, who ignores SIGCHLD; how it ended is not known */
    siginfo_t how;
    char tail[MTNT__PROGRAM_SAID - 1]; /* a ring */
    size_t written;
} program;

static int set_actions(posix_spawn_file_actions_t *actions, int output)
{
    int rc = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);

    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, output, STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    return rc;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(attributes, 0);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes,
                                      POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return rc;
}

static int spawn(program *p, const mtnt__program_call *call, int output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0)
        goto out;
    rc = set_actions(&actions, output);
    if (rc == 0)
        rc = set_attributes(&attributes);
    if (rc == 0)
        rc = posix_spawnp(&p->pid, call->arguments[0], &actions, &attributes, call->arguments, call->environment);
    posix_spawnattr_destroy(&attributes);
out:
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static int start(program *p, const mtnt__program_call *call)
{
    int ends[2], failed;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    failed = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? spawn(p, call, ends[1]) : errno;
    close(ends[1]);
    if (failed != 0)
        close(ends[0]);
    else
        p->output = ends[0];
    return failed;
}

static void read_output(program *p)
{
    char bytes[4096];
    ssize_t length;

    /* Not for ever: a program that floods us must meet its deadline too. */
    for (int rounds = 0; p->output >= 0 && rounds < 64; rounds++) {
        length = read(p->output, bytes, sizeof(bytes));
        if (length < 0 && errno == EAGAIN)
            return;
        if (length < 0 && errno == EINTR)
            continue;
        if (length <= 0) {
            close(p->output);
            p->output = -1;
            return;
        }
        for (ssize_t i = 0; i < length; i++)
            p->tail[p->written++ % sizeof(p->tail)] = bytes[i];
    }
}

/* Leaves it unreaped: as long as it is, neither its pid nor its process group is given away. */
static bool has_ended(program *p)
{
    int rc;

    if (p->ended || p->lost)
        return true;
    memset(&p->how, 0, sizeof(p->how));
    do
        rc = waitid(P_PID, (id_t)p->pid, &p->how, WEXITED | WNOHANG | WNOWAIT);
    while (rc != 0 && errno == EINTR);
    p->lost = rc != 0;
    p->ended = rc == 0 && p->how.si_pid == p->pid;
    return p->ended || p->lost;
}

static void wait_a_slice(program *p)
{
    struct pollfd output = {p->output, POLLIN, 0};

    poll(&output, 1, p->output >= 0 ? SLICE_MS : SLICE_MS / 10);
    read_output(p);
}

static void stop(program *p)
{
    const mtnt__system *system = mtnt__system_default();
    mtnt__deadline_ms until = mtnt__deadline_in(system, GRACE_MS);

    kill(-p->pid, SIGTERM);
    while (!has_ended(p) && mtnt__deadline_left(system, until) != 0)
        wait_a_slice(p);
    if (!p->lost)
        kill(-p->pid, SIGKILL);
}

static bool finish(program *p)
{
    bool success = p->ended && p->how.si_code == CLD_EXITED && p->how.si_status == 0;

    if (!success && !p->lost)
        kill(-p->pid, SIGKILL);
    while (!p->lost && waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    read_output(p);
    if (p->output >= 0)
        close(p->output);
    return success;
}

static void take_tail(const program *p, char *ret_said)
{
    size_t size = sizeof(p->tail), length = p->written < size ? p->written : size;

    for (size_t i = 0; i < length; i++) {
        ret_said[i] = p->tail[(p->written - length + i) % size];
        if ((unsigned char)ret_said[i] < 0x20 && ret_said[i] != '\n')
            ret_said[i] = ' ';
    }
    while (length > 0 && (ret_said[length - 1] == '\n' || ret_said[length - 1] == ' '))
        length--;
    ret_said[length] = '\0';
}

static int describe(const program *p, const char *name, const char *said, mtnt_error *err)
{
    const char *text = said[0] == '\0' ? "it wrote nothing" : said;

    if (p->lost)
        return mtnt_error_set(err, MTNT_E_OPERATION,
                              "`%s` has ended, and how is not known: this process ignores SIGCHLD. %s", name, text);
    if (p->how.si_code == CLD_EXITED)
        return mtnt_error_set(err, MTNT_E_OPERATION, "`%s` failed with exit status %d: %s", name, p->how.si_status,
                              text);
    return mtnt_error_set(err, MTNT_E_OPERATION, "`%s` was killed by signal %d: %s", name, p->how.si_status, text);
}

int mtnt__program_run(const mtnt__program_call *call, char ret_said[MTNT__PROGRAM_SAID], mtnt_error *err)
{
    const char *name = call->arguments[0];
    program p = {.output = -1};
    char reason[128];
    int failed = start(&p, call), rc = 0;

    if (failed != 0)
        return mtnt_error_set(err,
                              failed == ENOENT   ? MTNT_E_NOT_FOUND
                              : failed == ENOMEM ? MTNT_E_NOMEM
                                                 : MTNT_E_IO,
                              "program `%s` cannot be started: %s", name, strerror_r(failed, reason, sizeof(reason)));
    while (rc == 0 && !has_ended(&p)) {
        rc = call->check(call->data, err);
        if (rc == 0)
            wait_a_slice(&p);
    }
    if (rc != 0)
        stop(&p);
    if (!finish(&p) && rc == 0)
        rc = MTNT_E_OPERATION;
    take_tail(&p, ret_said);
    return rc == MTNT_E_OPERATION ? describe(&p, name, ret_said, err) : rc;
}
