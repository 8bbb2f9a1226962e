/* What workers of one process do together, because it costs a sync whoever does it: decisions that are ready at the same time become one transaction
 * in a SQLite controller, and one sync of a folder serves all who wait for it. Nobody waits for others to come: who comes while a group is
 * at work is in the next one, and who is alone is a group of one. */
#ifndef MTNT_COORDINATE_JOINTLY_H
#define MTNT_COORDINATE_JOINTLY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "coordinate/gate.h"
#include "db/database.h"

/* One migration's row in the register, and how its worker reaches the controller, should it be the one that writes for a group. */
typedef struct mtnt__decision {
    const char *migration;
    const char *ended; /* a migration whose row is collected; NULL or "" = none */
    mtnt__deadline_ms deadline;
    const atomic_bool *cancelled; /* NULL = never */
    /* A handle without a transaction; it is given back the same way, `good` when its transaction ended well. */
    int (*open)(void *data, mtnt_db **ret_db, mtnt_error *err);
    void (*give_back)(void *data, mtnt_db *db, bool good);
    void *data;

    bool taken, done; /* internal from here on */
    int rc;
    mtnt_error error;
    struct mtnt__decision *next;
} mtnt__decision;

typedef struct mtnt__jointly {
    pthread_mutex_t mutex; /* over what follows; never held while a database or a file is at work */
    pthread_cond_t decided, synced;
    mtnt__decision *waiting; /* in order of arrival, not taken */
    bool leading;            /* somebody writes, or is about to */
    struct mtnt__jointly_folder *folders;
} mtnt__jointly;

int mtnt__jointly_init(mtnt__jointly *jointly, mtnt_error *err);
void mtnt__jointly_release(mtnt__jointly *jointly);

/* 0: the row is there, durably. BLOCKED: a recovery has given this migration up; the others of its group are not touched by that. IN_DOUBT: the answer to
 * the COMMIT was lost, for each of the group. Anything else: the row was not written. CANCELLED and DEADLINE only before the group's transaction has
 * begun; from then on its outcome is waited for. `jointly` NULL: alone. `gate`: entered for the transaction; NULL = none. Blocks. */
int mtnt__jointly_decide(mtnt__jointly *jointly, mtnt__gate *gate, const mtnt__system *system, mtnt__decision *decision,
                         mtnt_error *err);

/* As mtnt__folder_sync_of: what was done in the folder before the call is durable after it. NULL: alone. Blocks. */
int mtnt__jointly_sync_folder_of(mtnt__jointly *jointly, const char *path, mtnt_error *err);

#endif
