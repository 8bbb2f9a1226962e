#include "interrupt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* One write, so that it stays in one piece beside what the main thread prints. */
static void say(const mtnt__interrupt *interrupt, const char *text)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%smtnt-model: %s\n", interrupt->screen->live ? "\r\033[K" : "", text);

    if (write(fileno(interrupt->screen->err), line, (size_t)length) < 0)
        return; /* nobody is there to read it: stopping matters more */
}

static void *wait_for_signals(void *data)
{
    mtnt__interrupt *interrupt = data;
    int number;

    while (sigwait(&interrupt->signals, &number) == 0) {
        if (atomic_load(&interrupt->over))
            break;
        if (number == SIGUSR1)
            continue;
        if (atomic_fetch_add(&interrupt->count, 1) == 0) {
            atomic_store(&interrupt->first, number);
            mtnt_executor_cancel(interrupt->executor, MTNT_CANCEL_DRAIN);
            say(interrupt, "stopping: running tenants finish and no new one starts; once more interrupts them and "
                           "rolls them back");
        } else {
            mtnt_executor_cancel(interrupt->executor, MTNT_CANCEL_INTERRUPT);
            say(interrupt, "interrupted: running tenants are rolled back");
        }
    }
    return NULL;
}

/* A shell that starts a job in the background has it ignore Ctrl-C, which is meant for others then. */
static void add_unless_ignored(sigset_t *signals, int number)
{
    struct sigaction now;

    if (sigaction(number, NULL, &now) != 0 || now.sa_handler != SIG_IGN)
        sigaddset(signals, number);
}

int mtnt__interrupt_start(mtnt__interrupt *interrupt, mtnt_executor *executor, const mtnt__screen *screen)
{
    int error;

    interrupt->executor = executor;
    interrupt->screen = screen;
    atomic_init(&interrupt->count, 0);
    atomic_init(&interrupt->first, 0);
    atomic_init(&interrupt->over, false);
    sigemptyset(&interrupt->signals);
    add_unless_ignored(&interrupt->signals, SIGINT);
    add_unless_ignored(&interrupt->signals, SIGTERM);
    sigaddset(&interrupt->signals, SIGUSR1); /* wakes the thread for its end */
    error = pthread_sigmask(SIG_BLOCK, &interrupt->signals, &interrupt->before);
    if (error != 0)
        return error;
    error = pthread_create(&interrupt->thread, NULL, wait_for_signals, interrupt);
    if (error != 0)
        pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
    return error;
}

int mtnt__interrupt_stop(mtnt__interrupt *interrupt)
{
    atomic_store(&interrupt->over, true);
    pthread_kill(interrupt->thread, SIGUSR1);
    pthread_join(interrupt->thread, NULL);
    pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
    return atomic_load(&interrupt->first);
}
