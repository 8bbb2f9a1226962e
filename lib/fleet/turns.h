/* Lanes of one process that run at the same time take turns at a tenant: two of them in one model at once would wait for its locks, and for no longer
 * than a lock timeout. */
#ifndef MTNT_FLEET_TURNS_H
#define MTNT_FLEET_TURNS_H

#include <pthread.h>
#include <stdbool.h>

#include "mtnt/error.h"

/* Any thread. */
typedef struct mtnt__turns {
    pthread_mutex_t mutex;
    void *taken; /* a tree of ids, see <search.h> */
} mtnt__turns;

/* NOMEM. */
int mtnt__turns_init(mtnt__turns *turns, mtnt_error *err);
/* Nobody has one any more. */
void mtnt__turns_release(mtnt__turns *turns);
/* false: another has it, or there is no memory to write it down: ask again. `tenant` is borrowed until _give. */
bool mtnt__turns_take(mtnt__turns *turns, const char *tenant);
void mtnt__turns_give(mtnt__turns *turns, const char *tenant);

#endif
