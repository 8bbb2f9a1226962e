/* One tenant's task: the attempts that it takes. With atomicity `chain` that is one; with `operation` one for each operation, and, when one
 * fails and is not to be kept, those that go back to the starting version. Who claims (one coordinator, or the executor for many at once)
 * asks for the next claim, has it written, runs it, and says how it went. */
#ifndef MTNT_COORDINATE_TASK_H
#define MTNT_COORDINATE_TASK_H

#include "coordinate/attempt.h"
#include "coordinate/heartbeat.h"
#include "coordinate/lane_order.h"

/* What all tasks of a run share; read-only while they run. */
typedef struct mtnt__job {
    const mtnt_controller *controller;
    const mtnt_chain *chain;
    mtnt_migration_options options; /* `to` resolved into `last` */
    mtnt__ladder ladder;
    ptrdiff_t last;
    int64_t only_run;
    bool backward, baseline;
    int64_t run;
    mtnt__templates *templates; /* borrowed; NULL = none */
} mtnt__job;
/* NOT_FOUND: options->to is no operation of the chain; INVALID: bad options, or a baseline that nothing tells of. */
int mtnt__job_init(mtnt__job *job, const mtnt_controller *controller, const mtnt_chain *chain, mtnt_direction direction,
                   const mtnt_migration_options *options, mtnt_error *err);
void mtnt__job_release(mtnt__job *job);
/* What a tenant has applied for whom nothing is to be done, whatever else holds. Lives as long as the job. */
const char *mtnt__job_goal(const mtnt__job *job);
/* Answered by the controller alone: there is nothing to do for this tenant. */
bool mtnt__job_current(const mtnt__job *job, const mtnt_model *model, const mtnt__known *known);

/* A stranger by now: its model was removed for good, and the chain does not end with that. */
bool mtnt__job_forgets(const mtnt__job *job, const mtnt__known *known);

/* Backward, the lowest order that may be taken back, of any tenant; forward 0. */
int64_t mtnt__job_floor(const mtnt__job *job);

typedef enum mtnt__task_phase { MTNT__TASK_RUN = 0, MTNT__TASK_BACK, MTNT__TASK_DONE } mtnt__task_phase;

typedef struct mtnt__task {
    const mtnt__job *job;
    mtnt_model *model; /* owned */
    mtnt__known known;
    mtnt__task_phase phase;
    int looks;
    mtnt__claim claim; /* of the attempt at hand */
    mtnt__attempt attempt;
    int64_t steps_left; /* 0 = no limit */
    uint32_t needs;     /* what an earlier look at the model has shown; 0 = as the chain says */
    bool provisional, tombstone, saga, looked;
    bool backed_up;        /* options->backup has what was there before the first change */
    bool first;            /* the attempt at hand is */
    atomic_bool cancelled; /* for whatever reason: a caller's word, or the lease is lost */
    mtnt__lease lease;     /* the heartbeat's from the claim until its end is about to be written */
    pthread_mutex_t mutex; /* over what follows */
    mtnt_db *live_controller, *live_model;
    bool interrupted; /* a caller has said so */
    mtnt__loss loss;  /* of the claim at hand */
    char loss_text[256];

    void (*status)(void *data, const mtnt__step *step); /* as in the attempt */
    void *status_data;

    /* An earlier migration of the tenant is to be settled first: _recover instead of _run, without a claim. */
    mtnt__migration_state recovered; /* how that one has ended */
    bool recovering;

    /* the dispatcher's */
    char *server; /* owned; NULL = not asked for, or none */
    size_t group;
    int64_t tries, due_ms;
    mtnt__lane_debt debt; /* what stands against it once it is settled */
    bool announced;       /* its start has been reported */
    bool counted;         /* in a wave */
    bool placed;          /* … for which the controller knows its place */
    bool asks;            /* … and not yet */
    bool seated;          /* it holds a place in its group and on its server */
    bool unsure;          /* see dispatch.h */
    int64_t stranded_ms,
        stranded_again_ms; /* the first and the last time that it failed for the controller's absence; 0 = never */
    bool tries_on;         /* it has failed, and rests before another try as soon as its end is written */

    /* for its end */
    bool end_due;
    bool again;       /* what follows is of an earlier try, and forgotten by the next _run */
    mtnt__end end;    /* of the attempt at hand, for the store; borrowed texts are the task's */
    mtnt_error error; /* the first failure with all that followed it */
    mtnt_outcome outcome;
    int result_code; /* 0, or error.code */
    bool
        controller_lost; /* it failed, or its outcome is not known, and the connection to the controller was lost in it */
    bool taken;          /* it failed because another process has taken the tenant over, and sees to it */
    mtnt__verdict verdict; /* of the task: COMMITTED, NOTHING, FAILED, IN_DOUBT, BLOCKED */
    char failed_operation[256];
    char migration[MTNT__ID_SIZE];
    size_t doubted; /* operations of an attempt of unknown outcome, and of those before it */
    /* of an adoption */
    mtnt__audit audit;
    char adopted_from[MTNT__CONTROLLER_TEXT_SIZE], adopted_to[MTNT__CONTROLLER_TEXT_SIZE];

    size_t done_here;    /* operations this task has applied and may have to take back */
    mtnt__step *history; /* every step that ended, in order, for reporters */
    size_t history_count;
    mtnt_held_lock *locks; /* the outcome's */
} mtnt__task;

/* Takes a reference of the model. */
int mtnt__task_init(mtnt__task *task, const mtnt__job *job, mtnt_model *model, const mtnt__known *known,
                    mtnt_error *err);
void mtnt__task_release(mtnt__task *task);

/* Fills task->claim for the next attempt; it has to be claimed in the store before _run. */
int mtnt__task_next(mtnt__task *task, mtnt_error *err);
/* After it has been claimed, and before _run: the heartbeat renews its lease. To be removed from it just before the end is written, which is when
 * the body has stopped for good. */
void mtnt__task_hold(mtnt__task *task, mtnt__heartbeat *heartbeat);
/* Runs the claimed attempt: any thread, one at a time; prepares task->end (end_due) and moves the phase. False: its last answer is yet to come, and all of
 * that is done by _collect, in the same thread, before the link's next attempt needs the controller (link->collect) and before it is released. */
bool mtnt__task_run(mtnt__task *task, mtnt__link *link);
void mtnt__task_collect(mtnt__task *task, mtnt__link *link);
/* Settles what `known` shows as unended, on connections of the link's own: any thread. result_code and error say how it went; `known` is what is known
 * then. No end is due. */
void mtnt__task_recover(mtnt__task *task, mtnt__link *link);
/* A recovery has shown that the attempt whose outcome was not known was committed: the task has done what it says. */
void mtnt__task_vindicate(mtnt__task *task);
/* A task that is DONE, with an error, is to be tried once more: another migration, from what is known now. What it says of its end stays until _run. */
void mtnt__task_again(mtnt__task *task, const mtnt__known *known);
/* The claim could not be had, or the store failed: the task is over without an attempt. */
void mtnt__task_fail(mtnt__task *task, const mtnt_error *error);
void mtnt__task_cancel(mtnt__task *task); /* any thread */
/* Between two attempts: what it has done is taken back (phase BACK), or kept, and it is over (DONE). */
void mtnt__task_interrupt(mtnt__task *task);

/* Settles the unended migration that `known` shows, if its lease may be taken. 0: *ret_state is where it has ended, and known->state is idle. BUSY:
 * its worker is alive, or another recovers it. BLOCKED: a person has to do something, which err says. */
int mtnt__recover(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                  const mtnt_migration_options *options, mtnt__gate *gate, const mtnt__bodies *bodies,
                  mtnt__known *known, mtnt__migration_state *ret_state, mtnt_error *err);

/* A recovery's lease: nobody renews it, and none is needed for safety. */
int64_t mtnt__recovery_lease_ms(const mtnt_migration_options *options);
/* The longest that an attempt and its rollback may take. */
int64_t mtnt__longest_ms(const mtnt_migration_options *options);

/* For who makes many coordinators: templates of theirs, and a flag that cancels whatever they perform (looked at when it begins: later it takes
 * mtnt_coordinator_cancel). Both borrowed, NULL = none. */
void mtnt__coordinator_share(mtnt_coordinator *coordinator, mtnt__templates *templates, const atomic_bool *stop);

/* Where the model stands, read anew, so that the controller's row is true. */
int mtnt__recover_position(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                           const char *uuid, mtnt__position *ret_position, mtnt__identity *ret_identity,
                           mtnt_error *err);
/* The same for a migration (known->migration) that has been committed, whatever it wrote; *ret_moved: the model says so, and the two after it are its. */
int mtnt__recover_where(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model, mtnt__mode mode,
                        const mtnt__known *known, bool *ret_moved, mtnt__position *ret_position,
                        mtnt__identity *ret_identity, mtnt_error *err);
/* A person's word, see mtnt_coordinator_resolve. `known` is as the controller has it now. */
int mtnt__resolve(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                  const mtnt_resolution *resolution, const mtnt__known *known, mtnt_resolved *ret_resolved,
                  mtnt_error *err);

#endif
