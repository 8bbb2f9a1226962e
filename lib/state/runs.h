/* Runs, and the parts of the processes that work on them. A run begins with one process; others join it while it is not over, under its terms. */
#ifndef MTNT_STATE_RUNS_H
#define MTNT_STATE_RUNS_H

#include "state/store.h"

/* How long a process that gives no sign of life counts as at work: it gives one every second, and in each exchange. */
#define MTNT__RUN_ALIVE_MS 15000
/* The error of a migration that recovery has rolled back: it was not tried to its end. */
#define MTNT__RUN_INTERRUPTED "interrupted, and rolled back by recovery"

/* What all processes of a run have to agree about. */
typedef struct mtnt__run_terms {
    bool backward, out_of_order, may_delete, backs_up;
    bool paced;     /* by what the process that began it keeps for itself alone: groups */
    char goal[256]; /* the last operation's name; "" = none */
    int64_t steps, only_run;
    char atomicity[16], on_failure[16], mode[16];
    char digest[MTNT__CHECKSUM_SIZE]; /* of the whole chain */
    /* Waves and the budget, as in mtnt_rollout_options; "" = NULL. */
    char waves[1312], max_failures[32];
    int64_t canary, soak_ms, expected;
} mtnt__run_terms;

typedef struct mtnt__run_row {
    int64_t run; /* 0 = there is none */
    char chain[256], command[32];
    int64_t started_ms, finished_ms; /* 0 = not */
    bool joinable;                   /* its terms are known */
    mtnt__run_terms terms;
} mtnt__run_row;

/* One process's counts, as they stand in its row. */
struct mtnt__run_note {
    int64_t run, total, migrated, current, failed, met, operations;
    struct mtnt__pacing *pacing; /* for an exchange, see places.h; NULL = none */
};

/* Of all processes of a run. current: with nothing to do before anybody of them came, as far as that is known. */
typedef struct mtnt__run_sums {
    int64_t processes, at_work;
    int64_t total, migrated, current, operations;
    int64_t failed, met; /* failed: those met included */
} mtnt__run_sums;

/* A new run, with this call of the controller as its first process. */
int mtnt__store_run_begin(mtnt_controller *controller, const char *chain, const char *command,
                          const mtnt__run_terms *terms, int64_t *ret_run, mtnt_error *err);
/* Reads only. run 0: the newest of the chain that processes are at work on. */
int mtnt__store_run_find(mtnt_controller *controller, const char *chain, int64_t run, mtnt__run_row *ret_row,
                         mtnt_error *err);
/* The run that this call of the handle is at work on; *ret_run stays as it was when there is none. Reads only. */
int mtnt__store_run_of(mtnt_controller *controller, int64_t *ret_run, mtnt_error *err);
/* Where the waves of a run are: see places.h. */
typedef struct mtnt__run_waves {
    int64_t wave, begun, begun_before, failed_before;
} mtnt__run_waves;
/* Writes the run, that this process works on it, and that its waves are there or further, where the controller does not know that (any more). */
int mtnt__store_run_restore(mtnt_controller *controller, const char *chain, const char *command,
                            const mtnt__run_terms *terms, int64_t run, const mtnt__run_waves *waves, mtnt_error *err);
/* This call becomes one of the run's processes. REFUSED: it has ended meanwhile. */
int mtnt__store_run_enter(mtnt_controller *controller, int64_t run, mtnt_error *err);
/* In a transaction that is open: may be put off until its commit. */
int mtnt__store_run_write(mtnt_controller *controller, const mtnt__run_note *note, bool finished, mtnt_error *err);
/* Reads only. */
int mtnt__store_run_sum(mtnt_controller *controller, int64_t run, mtnt__run_sums *ret_sums, mtnt_error *err);
/* A sign of life, and the sums as they are now. */
int mtnt__store_run_beat(mtnt_controller *controller, const mtnt__run_note *note, mtnt__run_sums *ret_sums,
                         mtnt_error *err);
/* The last sign of life. Who is the last one at work ends the run; the run's own row has the sums in any case. */
int mtnt__store_run_leave(mtnt_controller *controller, const mtnt__run_note *note, mtnt__run_sums *ret_sums,
                          mtnt_error *err);
/* Reads only. ret_tried[i]: migrations[i] was an attempt of this run that failed ("" = never). ret_rests[i]: it did, and the process that
 * made it, which lives, will try again. */
int mtnt__store_run_tried(mtnt_controller *controller, int64_t run, const char *const *migrations, size_t count,
                          bool *ret_tried, bool *ret_rests, mtnt_error *err);
/* They do not rest any more. */
int mtnt__store_run_rested(mtnt_controller *controller, const char *const *migrations, size_t count, mtnt_error *err);

#endif
