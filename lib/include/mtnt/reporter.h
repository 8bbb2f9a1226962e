/* Reporters receive events. All events of a run come from one thread, that of mtnt_executor_migrate or one of mtnt_executor_start, one after another, and those of one
 * tenant are never mixed with another's: from TENANT_FINISHED's details a reporter can print a whole block at once. */
#ifndef MTNT_REPORTER_H
#define MTNT_REPORTER_H

#include "mtnt/coordinator.h"

MTNT_BEGIN_DECLS

typedef enum mtnt_event_type {
    MTNT_EVENT_RUN_STARTED = 1, /* run, total, workers, mode */
    MTNT_EVENT_TENANT_STARTED,  /* tenant: a worker has taken it */
    MTNT_EVENT_OPERATION,       /* one operation's end; comes with its tenant's end, in order; time = when it ended */
    MTNT_EVENT_TENANT_FINISHED, /* tenant, result, outcome, error */
    MTNT_EVENT_PROGRESS,        /* counts, now and then and at least once a second while something happens */
    MTNT_EVENT_WARNING,         /* error has the text */
    MTNT_EVENT_RUN_FINISHED,    /* counts, error when the source or the controller failed */
    MTNT_EVENT_WAVE_STARTED,    /* wave; only when there is more than one */
    MTNT_EVENT_WAVE_FINISHED,   /* wave: judged, and the next one comes after wave->soak_ms, unless the run stops */
    MTNT_EVENT_TENANT_RETRY /* tenant, error, outcome: a try has failed, and there will be another; the tenant has not finished */
} mtnt_event_type;

typedef enum mtnt_result {
    MTNT_RESULT_NONE = 0,
    MTNT_RESULT_MIGRATED,  /* something was executed (or rewound), and both databases hold all of it */
    MTNT_RESULT_CURRENT,   /* nothing to do */
    MTNT_RESULT_FAILED,    /* failed; rolled back unless outcome->executed says what was kept */
    MTNT_RESULT_IN_DOUBT,  /* the answer to a commit was lost; counts as failed */
    MTNT_RESULT_UNTOUCHED, /* not begun: drained, or the budget was spent */
    MTNT_RESULT_ELSEWHERE, /* another process of the same run has tried it, and it failed there */
    MTNT_RESULT_REHEARSED  /* a rehearsal went through, and nothing is left of it; counts as migrated */
} mtnt_result;

/* Why tenants were left untouched although nobody cancelled the run. */
typedef enum mtnt_stop {
    MTNT_STOP_NONE = 0,
    MTNT_STOP_ON_ERROR, /* the first failure, as was asked for */
    MTNT_STOP_BUDGET    /* more failures than the budget has, or in a wave than may be */
} mtnt_stop;

/* total = migrated + current + failed + untouched + elsewhere once the run has finished; -1 before the source's end when it cannot tell. Of one process:
 * current are those with nothing left to do, whoever has done it. */
typedef struct mtnt_counts {
    int64_t total, migrated, current, failed, untouched;
    int64_t rolled_back, in_doubt, kept;            /* of the failed ones */
    int64_t recovered_committed, recovered_aborted; /* interrupted earlier, settled by this run */
    int64_t running;                                /* now */
    int64_t operations;                             /* executed, and kept */
    int64_t cloned; /* of the migrated ones: new models that are copies of a sealed template (`snapshot: true`) */
    int64_t elapsed_ms;
    int64_t elsewhere; /* tried by another process of the same run, and failed there: counted there */
    int64_t held;    /* of the untouched ones: another lane has to come first; error of the tenant's event says which */
    int64_t retries; /* tries that failed and were followed by another */
    int wave, waves; /* which wave it is, from 1, of how many; 0 = there are none */
    int64_t soak_ms; /* until the next wave; 0 = not soaking */
    int64_t budget;  /* so many may fail in all; -1 = there is no budget */
    mtnt_stop stop;
} mtnt_counts;

typedef struct mtnt_wave {
    int number, of;                    /* from 1 */
    int64_t tenants;                   /* begun in it; WAVE_STARTED: as many as it will have, -1 = not known */
    int64_t migrated, current, failed; /* of them; current: those that turned out to be */
    int64_t soak_ms; /* WAVE_FINISHED: the next one begins after that; 0 = at once, or there is none */
} mtnt_wave;

typedef struct mtnt_event {
    mtnt_event_type type;
    int64_t wall_ms;
    int64_t run;              /* its number in the controller; 0 = a run that changes nothing */
    const mtnt_model *tenant; /* NULL in the run's own events */
    mtnt_result result;
    const mtnt_outcome *outcome; /* TENANT_FINISHED; NULL for tenants answered by the controller */
    const char *operation;       /* OPERATION … */
    int64_t order;
    mtnt_status status;
    int64_t duration_ms;
    bool up;                   /* forward, or rollback */
    const mtnt_error *error;   /* NULL = none */
    const mtnt_counts *counts; /* RUN_…, PROGRESS, TENANT_FINISHED */
    const mtnt_wave *wave;     /* WAVE_… */
    int64_t tries,
        pause_ms; /* TENANT_RETRY: so many tries have failed, not counting those that the controller was away in; the next comes after pause_ms */
    const mtnt_counts *
        whole; /* where counts is set and others have joined the run: of all its processes together, as far as they have told */
    int processes; /* that have worked on the run; 0 = not known yet */
    int at_work;   /* RUN_FINISHED: other processes that go on with the run; its counts are not final */
    int workers;   /* RUN_STARTED */
    const char *
        guarantee; /* RUN_STARTED: "atomic per model (single)", "atomic across controller and model (super-journal)" … */
    const char *lane; /* whose run it is: "fast" where the chain has none */
} mtnt_event;

typedef struct mtnt_reporter {
    /* May not call back into the executor that calls it, except mtnt_executor_cancel. Everything in the event is borrowed during the call. */
    void (*event)(void *data, const mtnt_event *event);
    void *data;
} mtnt_reporter;

MTNT_END_DECLS

#endif
