#include "isolated.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "channel.h"
#include "commands.h"

/* The first to go where memory is short: it is an operation that has taken it, and its supervisor keeps the run. */
static void offer_itself(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd >= 0 && write(fd, "500", 3) < 0)
        errno = 0; /* then everybody has the same chance */
    if (fd >= 0)
        close(fd);
}

int mtnt__isolated_socket(void)
{
    const char *word = getenv(MTNT__ISOLATED_BY); /* NOLINT(concurrency-mt-unsafe): before any thread is started */
    const char *comma = word == NULL ? NULL : strchr(word, ',');
    int64_t fd, supervisor;
    char number[16];

    if (comma == NULL || (size_t)(comma - word) >= sizeof number)
        return -1;
    memcpy(number, word, (size_t)(comma - word));
    number[comma - word] = '\0';
    if (!mtnt__words_int(number, 0, INT32_MAX, &fd) || !mtnt__words_int(comma + 1, 1, INT32_MAX, &supervisor) ||
        fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
        return -1;
    unsetenv(MTNT__ISOLATED_BY); /* NOLINT(concurrency-mt-unsafe): before any thread is started */
    /* With the thread that has started it, and so with the supervisor, however that ends. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != (pid_t)supervisor)
        _exit(MTNT__EXIT_FATAL);
    return (int)fd;
}

/* Nobody is there to hear what has come of it: an operation that goes on could only be in the way of the next run. */
static int receive(void *data, int64_t wait_ms, void **ret_message, size_t *ret_size, mtnt_error *err)
{
    int rc = mtnt__channel_receive(data, wait_ms, ret_message, ret_size, err);

    if (rc == MTNT_E_CONNECT)
        _exit(MTNT__EXIT_FATAL);
    return rc;
}

/* The same way as the supervisor, which says what is wrong with it. */
static int load(mtnt__work *work, int argc, char **argv, FILE *nobody)
{
    mtnt__settings *settings = &work->settings;
    int exit_code = mtnt__options_parse(settings, argc, argv, nobody);

    if (exit_code == 0 && settings->command == NULL)
        exit_code = MTNT__EXIT_USAGE;
    if (exit_code == 0)
        exit_code = mtnt__options_environment(settings, nobody);
    mtnt__screen_init(&work->screen, nobody, nobody, true);
    if (exit_code == 0)
        exit_code = mtnt__work_load_project(work);
    settings->isolate = false;
    return exit_code != 0 ? exit_code : mtnt__work_load_chain(work);
}

_Noreturn void mtnt__isolated_serve(mtnt__work *work, int argc, char **argv, int fd)
{
    mtnt__socket socket = {.fd = fd, .process = -1};
    const mtnt_channel channel = {mtnt__channel_send, receive, &socket};
    FILE *nobody = fopen("/dev/null", "we");
    char word = MTNT__ISOLATED_NOT_LOADED;
    mtnt_error err = MTNT_ERROR_INIT;
    int rc;

    offer_itself();
    setvbuf(stdout, NULL, _IOLBF, 0); /* an operation's words come before its crash */
    if (nobody != NULL && load(work, argc, argv, nobody) == 0)
        word = MTNT__ISOLATED_LOADED;
    rc = mtnt__channel_send(&socket, &word, 1, &err);
    if (rc == 0 && word == MTNT__ISOLATED_LOADED)
        rc = mtnt_isolated_serve(work->chain, &channel, &err);
    _exit(rc == 0 ? MTNT__EXIT_OK : MTNT__EXIT_FATAL);
}
