/* Signals while a run goes on: the first lets it drain, the second interrupts it. */
#ifndef MTNT_COMMAND_INTERRUPT_H
#define MTNT_COMMAND_INTERRUPT_H

#include <mtnt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "screen.h"

typedef struct mtnt__interrupt {
    mtnt_executor *executor;
    const mtnt__screen *screen;
    pthread_t thread;
    sigset_t signals, before; /* what the caller ignored stays ignored */
    atomic_int count;         /* how many have come */
    atomic_int first;         /* which came first; 0 = none */
    atomic_bool over;         /* set before the thread is woken for its end */
} mtnt__interrupt;

/* Blocks SIGINT and SIGTERM in the calling thread, and so in all that it starts from now on, and starts the
 * one thread that waits for them. 0 or an errno. */
int mtnt__interrupt_start(mtnt__interrupt *interrupt, mtnt_executor *executor, const mtnt__screen *screen);

/* Joins the thread and restores the signal mask. Returns the first signal that came, or 0. */
int mtnt__interrupt_stop(mtnt__interrupt *interrupt);

#endif
