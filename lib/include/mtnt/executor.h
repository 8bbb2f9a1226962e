/* The executor performs a chain on many tenants at once, with a bounded pool of threads. */
#ifndef MTNT_EXECUTOR_H
#define MTNT_EXECUTOR_H

#include "mtnt/isolate.h"
#include "mtnt/reporter.h"
#include "mtnt/rollout.h"
#include "mtnt/tenants.h"

MTNT_BEGIN_DECLS

/* Used by one thread; only mtnt_executor_cancel and mtnt_executor_wait_lane may be called from others, and _cancel from a reporter. */
typedef struct mtnt_executor mtnt_executor;

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
    /* Work on this run, which another process has begun: direction, command, whatever of `migration` decides what is done to a tenant, and the waves and the
     * failure budget, which hold over all processes, are the run's, whatever is said here. The source should give the same tenants. 0 = begin a run. See mtnt_run_find. */
    int64_t join_run;
    /* Operations run in other processes, one for each worker, which this starts: see mtnt/isolate.h. Hooks (migration.before_each, after_each, expect) cannot go there, and
     * neither a baseline, a takeover or a rehearsal: INVALID. NULL = they run here. Borrowed until _free. */
    const mtnt_isolation *isolation;
} mtnt_executor_options;
#define MTNT_EXECUTOR_OPTIONS_VERSION 1
#define MTNT_EXECUTOR_OPTIONS_INIT                                                                              \
    {                                                                                                           \
        MTNT_EXECUTOR_OPTIONS_VERSION, 0, MTNT_FORWARD, MTNT_MIGRATION_OPTIONS_INIT, false, NULL, {NULL, NULL}, \
            {NULL, 0, 0, NULL, 0, 0, 0, 0, NULL, NULL, 0, 0, 0}, 0, NULL,                                       \
    }

/* Borrows controller and chain until _free; copies the options (texts and lists in migration and rollout are borrowed too). INVALID, NOMEM. With
 * join_run the controller is asked: NOT_FOUND: it knows no such run; REFUSED: the run has ended, is one of another chain, or of other operations under its
 * name, or goes by groups, which one process keeps. Waves, a canary, the soak and the failure budget are the run's: a warning says so when `rollout` has others.
 */
MTNT_API int mtnt_executor_new(mtnt_executor **ret_executor, mtnt_controller *controller, const mtnt_chain *chain,
                               const mtnt_executor_options *options, mtnt_error *err);
/* So many workers the run will have, as far as mtnt_rollout_options.connections allows; and so many PostgreSQL connections they and the run may have at the same
 * time, all on one server in the worst case. */
MTNT_API int mtnt_executor_workers(const mtnt_executor *executor);
MTNT_API int64_t mtnt_executor_connections(const mtnt_executor *executor);
/* What was started is drained, and its threads are joined: blocks for as long as running tenants take, unless they were interrupted before. */
MTNT_API void mtnt_executor_free(mtnt_executor *executor);

/* How many tenants of the source there are and what the controller knows of them: ret_counts->total, and ->current of those that have nothing to
 * do; all others are ->untouched. Reads only the controller, opens no model, and gives no events. For rollout.pending: the difference, from a
 * source like the one that is migrated then. Blocks; memory does not grow with the number of tenants. Errors of the source and of mtnt/db.h. */
MTNT_API int mtnt_executor_count(mtnt_executor *executor, mtnt_tenant_source *source, mtnt_counts *ret_counts,
                                 mtnt_error *err);

/* Of a chain that has lanes, and not of one of them (mtnt_chain_lane): its first lane.
 * Runs every tenant of the source; blocks until all threads that it started have been joined. Not closed: the source is the caller's.
 * 0: every tenant was tried or found current — look at the counts for failures of single tenants, which are no error here. Not 0: the source
 * failed midway (the tenants already given were finished first), or the controller was lost; INVALID, before anything, when the rollout needs the
 * number of tenants and nothing tells it; REFUSED: the run that was to be joined has ended meanwhile. ret_counts->stop says why the rest was left
 * untouched when the run has stopped by itself. Threads inherit the caller's signal mask: block signals first.
 *
 * Any number of processes may do this at the same time, on one run (join_run) or each on its own: a tenant that another one has is not waited for
 * but come back to, and taken over when its lease is over, or its process known to be dead. In one run no process tries again what
 * another has tried. It returns when nothing is left to be done or waited for; the counts are those of this process.
 *
 * Memory: constant in the number of tenants, with one exception: tenants of groups whose turn has not come are held until it has, about 0.5 KB for
 * each that has something to do (a group starts only when the source has been read to its end). */
MTNT_API int mtnt_executor_migrate(mtnt_executor *executor, mtnt_tenant_source *source, mtnt_counts *ret_counts,
                                   mtnt_error *err);

typedef enum mtnt_cancel { MTNT_CANCEL_DRAIN = 1, MTNT_CANCEL_INTERRUPT } mtnt_cancel;
/* DRAIN: no new tenant starts, running ones finish or roll back. INTERRUPT: running bodies are cancelled and rolled back. Any thread; not
 * from a signal handler. Does not wait. */
MTNT_API void mtnt_executor_cancel(mtnt_executor *executor, mtnt_cancel how);

/* ---- lanes in the background ---- */

/* Opens the tenants anew, for one lane; closed by the library. controller: for sources that query it, valid until the source is closed. Called on the
 * executor's threads: on two at once where a lane is `beside` others. */
typedef int (*mtnt_tenants_open_fn)(void *data, const char *lane, mtnt_controller *controller,
                                    mtnt_tenant_source *ret_source, mtnt_error *err);

/* Migrates lanes of the executor's chain in the background: those named (NULL-terminated), or all (NULL), one after another, and those that are `beside` at
 * the same time. Each has the executor's options, and its own handle of the controller beside the one given to _new, which stays the
 * caller's. A tenant's lane waits for those before it, wherever they run; lanes that run at the same time take turns at a tenant, and one that is beside waits for
 * the model that another makes. After more failures than max_failures allows, and with stop_on_error after one, no further lane begins, and the latter lets those
 * that are at work drain. migration.to: the lanes before that operation's as a whole, and of all (NULL) none after it. At most once for an executor; after its mtnt_executor_migrate, if that is used
 * for the first lane. Events come from the threads of this: two of them at once where a lane is beside others. `lanes` is borrowed during the call, `data` until
 * _free. Threads inherit the caller's signal mask: block signals first. Does not wait. INVALID (backward, or started before), NOT_FOUND (no such lane),
 * NOMEM: nothing was started. */
MTNT_API int mtnt_executor_start(mtnt_executor *executor, const char *const *lanes, mtnt_tenants_open_fn open,
                                 void *data, mtnt_error *err);

/* Waits until a lane that was started has ended, at most timeout_ms (0: only looks, negative: as long as it takes). Any thread, also several at once, but not
 * from a reporter, and not beside _free. 0: the lane is complete for all tenants of the source. DEADLINE: it is at work yet, or has not begun. Else it has failed, by the code of
 * the first tenant's failure, or of the controller's or the source's, and err says how many and why: REFUSED, a lane before it is not complete;
 * CANCELLED, it was stopped, or not begun. NOT_FOUND: it was not started. *ret_counts (NULL: not wanted) is set once it has ended. Other
 * processes ask the controller's views mtnt_lane and mtnt_lane_tenant. */
MTNT_API int mtnt_executor_wait_lane(mtnt_executor *executor, const char *lane, int64_t timeout_ms,
                                     mtnt_counts *ret_counts, mtnt_error *err);
/* A run as its processes have told the controller. */
typedef struct mtnt_run_info {
    int64_t run;
    char command[32];
    mtnt_direction direction;
    int64_t started_ms, finished_ms; /* 0 = it goes on */
    int64_t processes, at_work; /* that have worked on it; of those, the ones that have given a sign of life of late */
    mtnt_counts counts;         /* of all of them: total, migrated, current, failed, operations */
} mtnt_run_info;
/* Reads the controller, on the caller's thread. run 0: the newest run of the chain that processes are at work on. NOT_FOUND: there is none; what
 * the database says. */
MTNT_API int mtnt_run_find(mtnt_controller *controller, const mtnt_chain *chain, int64_t run, mtnt_run_info *ret_info,
                           mtnt_error *err);

MTNT_END_DECLS

#endif
