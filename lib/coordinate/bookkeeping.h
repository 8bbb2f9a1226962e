/* The calls that a coordinator makes on its store, in their order: database lock, ensure, database unlock, claim (the tenant's lock), list,
 * statuses, release. A seam: the controller's store in earnest, a recorder in tests. */
#ifndef MTNT_COORDINATE_BOOKKEEPING_H
#define MTNT_COORDINATE_BOOKKEEPING_H

#include "coordinate/task.h"

typedef struct mtnt__bookkeeping {
    bool (*ensured)(void *data);
    int (*lock_database)(void *data, mtnt_error *err);
    int (*ensure)(void *data, mtnt_error *err);
    int (*unlock_database)(void *data, mtnt_error *err);
    int (*abandon_database)(void *data, mtnt_error *err);        /* releases the database lock after a failed ensure */
    int (*claim)(void *data, mtnt__task *task, mtnt_error *err); /* tenant's lock, and the list of earlier statuses */
    void (*run)(void *data, mtnt__task *task);                   /* the attempt */
    int (*release)(void *data, mtnt__task *task, mtnt_error *err); /* statuses and end, and with them the lock */
    void *data;
} mtnt__bookkeeping;

/* Lock, ensure, unlock. A failed lock is not unlocked; a failed ensure is, and both errors are kept. */
int mtnt__bookkeeping_ensure(const mtnt__bookkeeping *calls, mtnt_error *err);

/* A whole task: every claim is released exactly once, whatever happened between. Returns the task's own failure, with a failure to
 * release kept in front of it. */
int mtnt__bookkeeping_perform(const mtnt__bookkeeping *calls, mtnt__task *task, mtnt_error *err);

#endif
