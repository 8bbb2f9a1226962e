#include <poll.h>
#include <signal.h>
#include <string.h>

#include "commands.h"
#include "excerpt.h"
#include "help.h"
#include "isolated.h"

/* Flags first, since --help and --version need nothing else; then the environment of the command at hand. */
static int perform(mtnt__work *work, int argc, char **argv)
{
    mtnt__settings *settings = &work->settings;
    int exit_code = mtnt__options_parse(settings, argc, argv, stderr);

    if (exit_code != 0)
        return exit_code;
    if (settings->version) {
        mtnt__help_put_version(stdout);
        return MTNT__EXIT_OK;
    }
    if (settings->help) {
        mtnt__help_put(stdout, settings->command);
        return MTNT__EXIT_OK;
    }
    if (settings->command == NULL) {
        fputs("mtnt-model: no command is given; `mtnt-model help` lists them all\n", stderr);
        return MTNT__EXIT_USAGE;
    }
    exit_code = mtnt__options_environment(settings, stderr);
    if (exit_code != 0)
        return exit_code;
    mtnt__screen_init(&work->screen, stdout, stderr, settings->quiet);
    return mtnt__lanes_each(work, settings->command->lanes, settings->command->run);
}

static bool reader_has_left(void)
{
    struct pollfd out = {.fd = fileno(stdout), .events = POLLOUT};

    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

/* A reader that has left is no failure; a full disk is, unless a run's own exit code says more. */
static int finish_output(int exit_code)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || reader_has_left())
        return exit_code;
    fputs("mtnt-model: cannot write the result to standard output\n", stderr);
    return exit_code == MTNT__EXIT_OK ? MTNT__EXIT_FATAL : exit_code;
}

int mtnt_command_main(int argc, char **argv, mtnt_chain *chain)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    mtnt__work work = {.chain = chain};
    int exit_code, isolated = mtnt__isolated_socket();

    sigaction(SIGPIPE, &ignore, &before);
    /* Too late when the program has used SQLite before: then it is only slower. */
    (void)mtnt_process_prepare(NULL);
    if (isolated >= 0)
        mtnt__isolated_serve(&work, argc, argv, isolated);
    mtnt__screen_init(&work.screen, stdout, stderr, true);
    exit_code = finish_output(perform(&work, argc, argv));
    mtnt__work_release(&work);
    sigaction(SIGPIPE, &before, NULL);
    return exit_code;
}

int mtnt_command_fail(const mtnt_error *err)
{
    mtnt__screen screen;

    mtnt__screen_init(&screen, stdout, stderr, true);
    mtnt__excerpt_put_error(&screen, stderr, err);
    return mtnt__work_exit_code(err);
}
