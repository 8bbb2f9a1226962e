/* A bounded pool of threads that run claimed tasks. The dispatcher pushes, takes what has started and what is done, and is the only one to
 * touch a task before and after. */
#ifndef MTNT_FLEET_POOL_H
#define MTNT_FLEET_POOL_H

#include "coordinate/task.h"
#include "fleet/turns.h"

typedef struct mtnt__pool mtnt__pool;

/* capacity: how many tasks are in the pool at most. isolation: NULL = the tasks run on its threads. turns: a worker begins what has its turn, and
 * others wait; NULL = all do. */
int mtnt__pool_new(mtnt__pool **ret_pool, const mtnt_controller *controller, mtnt__gate *gate, mtnt__slots *slots,
                   mtnt__jointly *jointly, mtnt__turns *turns, const mtnt_isolation *isolation, size_t workers,
                   size_t capacity, mtnt_error *err);
/* Ends after the tasks that run; joins. Tasks that were pushed and not taken stay the caller's. */
void mtnt__pool_free(mtnt__pool *pool);

void mtnt__pool_push(mtnt__pool *pool, mtnt__task *task);

typedef struct mtnt__pool_news {
    mtnt__task **started, **done; /* room for `capacity` each, the caller's */
    size_t started_count, done_count;
    size_t waiting, running; /* after this */
} mtnt__pool_news;
/* Waits until something is done, mtnt__pool_wake was called, or wait_ms have passed. */
void mtnt__pool_take(mtnt__pool *pool, mtnt__pool_news *news, int64_t wait_ms);

/* When more tasks than these fail, no worker begins another until this is called again: what the caller will stop for is not outrun. Those that
 * failed and have not been taken count. INT64_MAX: no limit, as at first. */
void mtnt__pool_allow(mtnt__pool *pool, int64_t failures);
/* Takes back what no worker has begun; returns how many. */
size_t mtnt__pool_withdraw(mtnt__pool *pool, mtnt__task **ret_tasks);

/* Any thread. */
void mtnt__pool_wake(mtnt__pool *pool);
void mtnt__pool_cancel_running(mtnt__pool *pool);

#endif
