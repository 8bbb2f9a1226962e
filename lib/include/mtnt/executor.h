/* The executor performs a chain on many tenants at once, with a bounded pool of threads. */
#ifndef MTNT_EXECUTOR_H
#define MTNT_EXECUTOR_H

#include "mtnt/reporter.h"
#include "mtnt/rollout.h"
#include "mtnt/tenants.h"

MTNT_BEGIN_DECLS

/* Used by one thread; only mtnt_executor_cancel may be called from another, or from a reporter. */
typedef struct mtnt_executor mtnt_executor;

typedef enum mtnt_direction { MTNT_FORWARD = 0, MTNT_BACKWARD } mtnt_direction;

/* Zero it first, or use the _INIT. */
typedef struct mtnt_executor_options {
    uint32_t version; /* MTNT_EXECUTOR_OPTIONS_VERSION */
    int workers;      /* 1 to 1024; 0 = twice the processors, at most 16 */
    mtnt_direction direction;
    mtnt_migration_options migration;
    bool stop_on_error;     /* no new tenant starts after the first failure; the rest count as untouched */
    const char *command;    /* for the run's record: "migrate", "rewind" … */
    mtnt_reporter reporter; /* event NULL = none */
    mtnt_rollout_options rollout;
} mtnt_executor_options;
#define MTNT_EXECUTOR_OPTIONS_VERSION 1
#define MTNT_EXECUTOR_OPTIONS_INIT                                                                              \
    {                                                                                                           \
        MTNT_EXECUTOR_OPTIONS_VERSION, 0, MTNT_FORWARD, MTNT_MIGRATION_OPTIONS_INIT, false, NULL, {NULL, NULL}, \
            {NULL, 0, 0, NULL, 0, 0, 0, NULL, NULL, 0, 0},                                                      \
    }

/* Borrows controller and chain until _free; copies the options (texts and lists in migration and rollout are borrowed too). INVALID, NOMEM. */
MTNT_API int mtnt_executor_new(mtnt_executor **ret_executor, mtnt_controller *controller, const mtnt_chain *chain,
                               const mtnt_executor_options *options, mtnt_error *err);
MTNT_API void mtnt_executor_free(mtnt_executor *executor);

/* How many tenants of the source there are and what the controller knows of them: ret_counts->total, and ->current of those that have nothing to
 * do; all others are ->untouched. Reads only the controller, opens no model, and gives no events. For rollout.pending: the difference, from a
 * source like the one that is migrated then. Blocks; memory does not grow with the number of tenants. Errors of the source and of mtnt/db.h. */
MTNT_API int mtnt_executor_count(mtnt_executor *executor, mtnt_tenant_source *source, mtnt_counts *ret_counts,
                                 mtnt_error *err);

/* Runs every tenant of the source; blocks until all threads that it started have been joined. Not closed: the source is the caller's.
 * 0: every tenant was tried or found current — look at the counts for failures of single tenants, which are no error here. Not 0: the source
 * failed midway (the tenants already given were finished first), or the controller was lost; INVALID, before anything, when the rollout needs the
 * number of tenants and nothing tells it. ret_counts->stop says why the rest was left untouched when the run has stopped by itself. Threads
 * inherit the caller's signal mask: block signals first.
 *
 * Memory: constant in the number of tenants, with one exception: tenants of groups whose turn has not come are held until it has, about 0.5 KB for
 * each that has something to do (a group starts only when the source has been read to its end). */
MTNT_API int mtnt_executor_migrate(mtnt_executor *executor, mtnt_tenant_source *source, mtnt_counts *ret_counts,
                                   mtnt_error *err);

typedef enum mtnt_cancel { MTNT_CANCEL_DRAIN = 1, MTNT_CANCEL_INTERRUPT } mtnt_cancel;
/* DRAIN: no new tenant starts, running ones finish or roll back. INTERRUPT: running bodies are cancelled and rolled back. Any thread; not
 * from a signal handler. Does not wait. */
MTNT_API void mtnt_executor_cancel(mtnt_executor *executor, mtnt_cancel how);

MTNT_END_DECLS

#endif
