/* A program at work for an operation: started, watched until it ends or its time is over, stopped with all that it has started. */
#ifndef MTNT_OPERATIONS_PROGRAM_H
#define MTNT_OPERATIONS_PROGRAM_H

#include <signal.h>
#include <sys/types.h>

#include "mtnt/scope.h"

#define MTNT__PROGRAM_TAIL 2049

typedef struct mtnt__program {
    pid_t pid;  /* and its process group; not recycled before we have reaped it */
    int output; /* read end of what it writes; -1 = all writers have closed it */
    int watch;  /* pidfd: readable once it has ended; -1 = not to be had, or it has ended */
    bool ended; /* seen to have ended, not yet reaped: `how` is known */
    bool lost;  /* reaped by somebody else: its status is not known, and its pid not ours any more */
    siginfo_t how;
    char tail[MTNT__PROGRAM_TAIL - 1]; /* a ring: the last that it wrote */
    size_t written;
} mtnt__program;

/* 0, or an errno. *program is zeroed; after 0 it has to be waited for and finished. The program is looked up in PATH, has a
 * process group of its own, no standard input, and no signal blocked or ignored. */
int mtnt__program_start(mtnt__program *program, char **arguments, char **environment, const char *folder);

/* Until it ends: 0. DEADLINE or CANCELLED: it was told to end, and killed when it did not. */
int mtnt__program_wait(mtnt__program *program, const mtnt_context *context);

/* Reaps it and lets go of everything. true = it ended with exit status 0. */
bool mtnt__program_finish(mtnt__program *program);

/* The last lines that it wrote, as UTF-8 without control characters; "" = none. */
void mtnt__program_tail(const mtnt__program *program, char ret_text[MTNT__PROGRAM_TAIL]);

#endif
