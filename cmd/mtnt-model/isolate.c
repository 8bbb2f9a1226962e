#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "commands.h"
#include "isolated.h"

#define LOAD_MS 120000 /* for a program to begin, and to load a chain */
#define END_MS 5000    /* for one that was told to end, or has left its socket */

typedef struct child {
    pid_t pid;
    mtnt__socket socket;
} child;

struct mtnt__isolate {
    mtnt_isolation calls;
    char *arguments_text; /* each with its NUL */
    char **arguments;
    pthread_mutex_t mutex; /* over `spare` */
    child *spare;          /* started, and nobody's yet */
};

/* ---- starting ---- */

/* As this program was called, and not as its main may have changed it. */
static int read_arguments(mtnt__isolate *isolate)
{
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t length = 0, size = 0, count = 0, got;
    char *text = NULL;

    if (file == NULL)
        return errno;
    do {
        char *bigger = realloc(text, size += 4096);

        if (bigger == NULL) {
            fclose(file);
            free(text);
            return ENOMEM;
        }
        text = bigger;
        got = fread(text + length, 1, size - length - 1, file);
        length += got;
    } while (got > 0);
    fclose(file);
    text[length] = '\0';
    isolate->arguments_text = text;
    for (size_t i = 0; i < length; i++)
        count += text[i] == '\0';
    isolate->arguments = calloc(count + 1, sizeof *isolate->arguments);
    if (isolate->arguments == NULL)
        return ENOMEM;
    for (size_t i = 0; i < count; i++, text += strlen(text) + 1)
        isolate->arguments[i] = text;
    return count == 0 ? ENOENT : 0;
}

/* The user's own, and one word more. malloc'ed; the texts but the last are borrowed. */
static char **make_environment(char *word)
{
    size_t count = 0, kept = 0;
    char **environment;

    while (environ[count] != NULL)
        count++;
    environment = calloc(count + 2, sizeof *environment);
    for (size_t i = 0; environment != NULL && i < count; i++)
        if (strncmp(environ[i], MTNT__ISOLATED_BY "=", sizeof MTNT__ISOLATED_BY) != 0)
            environment[kept++] = environ[i];
    if (environment != NULL)
        environment[kept] = word;
    return environment;
}

/* Results are the supervisor's: what an operation prints goes where messages go. */
static int set_files(posix_spawn_file_actions_t *actions, int fd)
{
    int rc = posix_spawn_file_actions_adddup2(actions, fd, MTNT__ISOLATED_FD);

    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0 && fcntl(STDERR_FILENO, F_GETFD) < 0)
        rc = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
    return rc;
}

/* Ctrl-C reaches every process of a terminal, and a service's stop every one of the service: what it means is the supervisor's to say. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t blocked;
    int rc;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    rc = posix_spawnattr_setsigmask(attributes, &blocked);
    return rc != 0 ? rc : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK);
}

static int spawn(const mtnt__isolate *isolate, child *c, int fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char word[64], **environment;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0)
        goto out;
    snprintf(word, sizeof word, "%s=%d,%lld", MTNT__ISOLATED_BY, MTNT__ISOLATED_FD, (long long)getpid());
    environment = make_environment(word);
    rc = environment == NULL ? ENOMEM : set_files(&actions, fd);
    if (rc == 0)
        rc = set_signals(&attributes);
    if (rc == 0)
        rc = posix_spawn(&c->pid, "/proc/self/exe", &actions, &attributes, isolate->arguments, environment);
    free(environment);
    posix_spawnattr_destroy(&attributes);
out:
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* ---- ending ---- */

static void describe(const siginfo_t *how, char ret_how[MTNT_ISOLATION_HOW_SIZE])
{
    const char *name = sigdescr_np(how->si_status);

    if (how->si_code == CLD_EXITED)
        snprintf(ret_how, MTNT_ISOLATION_HOW_SIZE, "ended by itself, with exit code %d", how->si_status);
    else
        snprintf(ret_how, MTNT_ISOLATION_HOW_SIZE, "was ended by signal %d (%s%s)", how->si_status,
                 name == NULL ? "unknown" : name,
                 how->si_status == SIGKILL ? ": by somebody, or by the kernel for want of memory" : "");
}

static void end_child(child *c, bool kill_it, char ret_how[MTNT_ISOLATION_HOW_SIZE])
{
    struct pollfd end = {.fd = c->socket.process, .events = POLLIN};
    siginfo_t how = {.si_code = 0};
    int rc;

    if (kill_it || poll(&end, 1, END_MS) == 0)
        kill(c->pid, SIGKILL);
    do
        rc = waitid(P_PID, (id_t)c->pid, &how, WEXITED);
    while (rc != 0 && errno == EINTR);
    if (rc == 0)
        describe(&how, ret_how);
    else /* whoever has started us does not want to hear of children */
        snprintf(ret_how, MTNT_ISOLATION_HOW_SIZE, "has ended, nobody knows how");
    mtnt__channel_release(&c->socket);
    free(c);
}

/* ---- one child ---- */

/* What it says first: that the chain is loaded, or that it cannot be. */
static int await_loaded(child *c, bool *ret_loaded, mtnt_error *err)
{
    void *message = NULL;
    size_t size = 0;
    int rc = mtnt__channel_receive(&c->socket, LOAD_MS, &message, &size, err);

    if (rc == 0)
        *ret_loaded = size == 1 && *(const char *)message == MTNT__ISOLATED_LOADED;
    free(message);
    return rc;
}

static int open_child(const mtnt__isolate *isolate, child **ret_child, bool *ret_loaded, mtnt_error *err)
{
    char how[MTNT_ISOLATION_HOW_SIZE];
    child *c = calloc(1, sizeof *c);
    int ends[2], rc;

    if (c == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        free(c);
        return mtnt_error_set(err, MTNT_E_IO, "no socket for a child process: %m");
    }
    rc = spawn(isolate, c, ends[1]);
    close(ends[1]);
    c->socket = (mtnt__socket){.fd = ends[0], .process = -1};
    if (rc != 0) {
        mtnt__channel_release(&c->socket);
        free(c);
        return mtnt_error_set(err, MTNT_E_IO, "this program cannot start itself as a child process: %s",
                              strerrordesc_np(rc));
    }
    c->socket.process = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->socket.process < 0)
        rc = mtnt_error_set(err, MTNT_E_IO, "this system does not tell when a child process ends: %m");
    else
        rc = await_loaded(c, ret_loaded, err);
    if (rc == 0) {
        *ret_child = c;
        return 0;
    }
    end_child(c, rc != MTNT_E_CONNECT, how);
    if (rc == MTNT_E_CONNECT)
        return mtnt_error_set(err, MTNT_E_OPERATION, "the process that loads the chain %s", how);
    if (rc == MTNT_E_DEADLINE)
        return mtnt_error_set(err, MTNT_E_OPERATION, "the process that loads the chain had not done so after %d s",
                              LOAD_MS / 1000);
    return rc;
}

static child *take_spare(mtnt__isolate *isolate)
{
    child *c;

    pthread_mutex_lock(&isolate->mutex);
    c = isolate->spare;
    isolate->spare = NULL;
    pthread_mutex_unlock(&isolate->mutex);
    return c;
}

static int start(void *data, mtnt_channel *ret_channel, mtnt_error *err)
{
    mtnt__isolate *isolate = data;
    child *c = take_spare(isolate);
    bool loaded = true;
    int rc = c != NULL ? 0 : open_child(isolate, &c, &loaded, err);

    if (rc == 0 && !loaded) {
        char how[MTNT_ISOLATION_HOW_SIZE];

        end_child(c, true, how);
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "the chain cannot be loaded any more: its files have been changed");
    }
    if (rc != 0)
        return rc;
    *ret_channel = (mtnt_channel){mtnt__channel_send, mtnt__channel_receive, &c->socket};
    return 0;
}

static void end(void *data, mtnt_channel *channel, bool kill_it, char ret_how[MTNT_ISOLATION_HOW_SIZE])
{
    child *c = (child *)((char *)channel->data - offsetof(child, socket));

    (void)data;
    end_child(c, kill_it, ret_how);
}

/* ---- for the command ---- */

static int make(mtnt__work *work)
{
    mtnt__isolate *isolate = calloc(1, sizeof *isolate);
    int error = isolate == NULL ? ENOMEM : pthread_mutex_init(&isolate->mutex, NULL);

    if (error != 0) {
        free(isolate);
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    }
    isolate->calls = (mtnt_isolation){start, end, isolate};
    work->isolate = isolate;
    error = read_arguments(isolate);
    if (error == 0)
        return 0;
    return mtnt__work_fail(work, MTNT__EXIT_FATAL,
                           "--isolate: /proc does not tell how this program was called: %s. Nothing was changed",
                           strerrordesc_np(error));
}

int mtnt__isolate_begin(mtnt__work *work)
{
    const mtnt__settings *settings = &work->settings;
    mtnt_error err = MTNT_ERROR_INIT;
    bool loaded = false;
    int exit_code;

    if (!settings->isolate || work->isolate != NULL || settings->command == NULL ||
        (settings->command->takes & MTNT__TAKES_RUN) == 0)
        return 0;
    exit_code = make(work);
    if (exit_code != 0)
        return exit_code;
    if (open_child(work->isolate, &work->isolate->spare, &loaded, &err) != 0)
        return mtnt__work_fail(work, err.code == MTNT_E_OPERATION ? MTNT__EXIT_CONFIG : MTNT__EXIT_FATAL,
                               "--isolate: %s%s%s. Nothing was changed", err.message,
                               settings->plugin == NULL ? "" : "; the plugin is ",
                               settings->plugin == NULL ? "" : settings->plugin);
    if (!loaded) { /* this process says why, when it does the same */
        char how[MTNT_ISOLATION_HOW_SIZE];

        end_child(take_spare(work->isolate), true, how);
    }
    return 0;
}

const mtnt_isolation *mtnt__isolate_of(const mtnt__work *work)
{
    return work->isolate == NULL ? NULL : &work->isolate->calls;
}

void mtnt__isolate_free(mtnt__isolate *isolate)
{
    char how[MTNT_ISOLATION_HOW_SIZE];
    child *c;

    if (isolate == NULL)
        return;
    c = take_spare(isolate);
    if (c != NULL)
        end_child(c, true, how);
    pthread_mutex_destroy(&isolate->mutex);
    free(isolate->arguments_text);
    free(isolate->arguments);
    free(isolate);
}
