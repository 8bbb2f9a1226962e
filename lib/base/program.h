/* A program of somebody else's at work for the library: started without a shell, watched, stopped when its time is over. */
#ifndef MTNT_BASE_PROGRAM_H
#define MTNT_BASE_PROGRAM_H

#include "mtnt/error.h"

#define MTNT__PROGRAM_SAID 1024

typedef struct mtnt__program_call {
    char *const *arguments;   /* NULL-terminated; the first is looked up in PATH */
    char *const *environment; /* NULL-terminated */
    /* Asked several times a second; not 0 (err filled) stops the program: SIGTERM, and SIGKILL 5 s later. */
    int (*check)(void *data, mtnt_error *err);
    void *data;
} mtnt__program_call;

/* Blocks until it has ended. It has no standard input and a process group of its own, and begins with no signal blocked or ignored. ret_said:
 * the last that it wrote to standard output and error, "" = nothing. NOT_FOUND: there is no such program; IO: it could
 * not be started; OPERATION: it failed, and err says what it said; and what check said. */
int mtnt__program_run(const mtnt__program_call *call, char ret_said[MTNT__PROGRAM_SAID], mtnt_error *err);

#endif
