/* One attempt at one tenant: a claimed migration from opening the two databases to its verdict. attempt.c is the way through, sides.c
 * opens what the mode needs, operations.c runs the bodies, provision.c creates models, remove.c puts them away, commit.c and settle.c end it. */
#ifndef MTNT_COORDINATE_ATTEMPT_H
#define MTNT_COORDINATE_ATTEMPT_H

#include "coordinate/blockers.h"
#include "coordinate/deadlines.h"
#include "coordinate/gate.h"
#include "coordinate/jointly.h"
#include "coordinate/mode.h"
#include "coordinate/sessions.h"
#include "coordinate/slots.h"
#include "coordinate/templates.h"
#include "base/files.h"
#include "db/database.h"
#include "mtnt/coordinator.h"
#include "mtnt/isolate.h"
#include "state/ahead.h"
#include "state/fingerprint.h"
#include "state/foreign/foreign.h"
#include "state/removal.h"

/* COMMIT PREPARED of a tenant's migration that has been decided: sent, and answered while the next tenant starts. */
typedef struct mtnt__finish {
    struct mtnt__attempt *attempt; /* NULL = none */
    mtnt_db *db;                   /* owned: the prepared side */
    char *server;                  /* owned: whose slot it has */
} mtnt__finish;

/* Told of each body of an operation just before it runs, with the time by which it should have returned (0 = none), and, entry NULL, when it has. */
typedef struct mtnt__bodies {
    void (*told)(void *data, const char *phase, const mtnt__chain_entry *entry, mtnt__deadline_ms until);
    void *data;
} mtnt__bodies;

/* How a thread reaches the controller beside its bookkeeping connection. */
typedef struct mtnt__link {
    const mtnt_controller *controller; /* DSN, options, identity: not its connection */
    char *controller_server;           /* owned: mtnt__dsn_server of it, once it was asked for */
    mtnt_db *reader;                   /* read-only, made at first need and kept from tenant to tenant */
    mtnt_db *keeper;                   /* for the bookkeeping of a recovery: likewise */
    mtnt_db *other;                    /* the controller that models are taken over from: likewise, read-only */
    mtnt__sessions sessions;           /* that write, kept from tenant to tenant */
    mtnt__gate *gate;                  /* NULL = none */
    mtnt__slots *slots;                /* NULL = one attempt at a time */
    mtnt__fingerprints_met met;        /* schemas of its tenants */
    mtnt__jointly *jointly;            /* NULL = likewise */
    mtnt__finish finish;
    /* Called when the next attempt has come as far as it can without waiting for the answer: to see to mtnt__task_collect. NULL = nobody does, and every
     * attempt waits for its own. */
    void (*collect)(void *data);
    void *collect_data;
    const mtnt__bodies *bodies;      /* NULL = nobody is told */
    const mtnt_isolation *isolation; /* attempts and recoveries run in another process: apart.h. NULL = here */
    struct mtnt__apart *apart;       /* owned: that process, once there is one */
} mtnt__link;
void mtnt__link_release(mtnt__link *link);
/* The controller as the link's thread may use it for bookkeeping: the same, on a connection of its own. */
int mtnt__link_keeper(mtnt__link *link, mtnt_controller *ret_controller, mtnt_error *err);

typedef enum mtnt__verdict {
    MTNT__VERDICT_FAILED = 0, /* aborted: nothing of it is left; err says why */
    MTNT__VERDICT_COMMITTED,
    MTNT__VERDICT_NOTHING,         /* nothing to do, and nothing was written */
    MTNT__VERDICT_REHEARSED,       /* all of it was done, and rolled back as it was meant to be */
    MTNT__VERDICT_IN_DOUBT,        /* decided or not: recovery will tell */
    MTNT__VERDICT_BLOCKED,         /* committed, but a foreign object stands at the model's name */
    MTNT__VERDICT_ROLLBACK_FAILED, /* a saga that could not be taken back: a person has to */
    MTNT__VERDICT_DIVERGED,        /* one database holds it and the other does not */
    MTNT__VERDICT_OTHER_MODE /* nothing was done: the model asks for `needs`, which the claim's mode does not cover */
} mtnt__verdict;

typedef struct mtnt__attempt {
    /* what to do */
    const mtnt_chain *chain;
    const mtnt_migration_options *options;
    mtnt__link *link;
    mtnt__claim *claim;
    mtnt__mode mode;
    bool backup;      /* options->backup is to be seen to: nothing was changed yet */
    bool baseline;    /* nothing is run: what other tools have applied is recorded */
    bool expects;     /* options->expect is to be asked: nothing was done yet */
    bool compensates; /* takes back what earlier attempts of the task have committed: on time of its own */
    mtnt__known known;
    ptrdiff_t last;             /* chain index of options->to, -1 = none */
    int64_t steps_limit;        /* 0 = none */
    int64_t only_run;           /* rewind: 0 = any */
    mtnt__templates *templates; /* that new models may be copied from; NULL = from none */
    atomic_bool *cancelled;     /* set by another thread; handles are cancelled too */
    /* as a unit of a saga; all zero otherwise */
    struct {
        bool is;            /* it is one */
        const char *key;    /* its row in the register, its gid */
        const char *effect; /* the idempotency key: that of the unit forward */
        const size_t *only; /* chain indexes, in the order of running */
        size_t count;
        uint32_t writes;         /* what of them is done here: one side, or all that they declare */
        bool outside;            /* outside a transaction */
        bool unrecorded;         /* another unit of the same operation records it */
        mtnt_progress progress;  /* what a rollback finds */
        const size_t *snapshots; /* chain indexes: taken before it, and restored after it when the saga goes back */
        size_t snapshot_count;
        bool
            no_way_back; /* compensation: an operation of it has no rollback, and is undone by the restore of the last of them */
        bool saved; /* compensation of what is known to have been committed */
        mtnt__deadline_ms deadline;
    } unit;
    /* where databases that a cancel must reach are shown, under the owner's lock */
    void (*publish)(void *data, mtnt_db *controller, mtnt_db *model);
    void *publish_data;
    /* told of each status that an operation takes, when it takes it; NULL = nobody */
    void (*status)(void *data, const mtnt__step *step);
    void *status_data;

    /* at work */
    mtnt_scope scope;
    mtnt_db *controller, *model; /* owned, but for the reader */
    mtnt_db *model_reader;       /* for compensation; NULL = nothing may survive */
    mtnt__deadline_ms deadline;
    mtnt__foreign_found foreign; /* baseline: what other tools' tables say */
    mtnt__identity identity;
    mtnt__applied applied;
    size_t *plan;
    mtnt__step *steps;
    mtnt_operation *operations;
    size_t count, reached; /* reached: operations whose setup or execute was begun */
    uint32_t writes;
    bool controller_is_reader, gated, model_missing, created;
    mtnt__session_use controller_use, model_use; /* how they may be kept; 0 = not at all */
    size_t prepared_maximum;                     /* two-phase: max_prepared_transactions of the prepared side … */
    char *prepared_server;                       /* … and its server, once the plan is known */
    char *provisional;                           /* provisional: path or database name */
    struct {
        mtnt__template *template;
        mtnt__template_state holds; /* what this attempt alone is about; UNKNOWN = nothing */
        bool done, makes;           /* the model is a copy; the model is to be copied */
    } clone;                        /* provisional */
    int64_t grace_ms;               /* tombstone: what the operation has asked for */
    bool removes, restores;
    struct mtnt__watched *watched; /* a unit's, one for each of its snapshots */
    int64_t others_version;        /* of the model, as it was then */
    mtnt__migration_state at;      /* of the migration, in the controller: EXECUTING until a saga turns */

    /* how it went */
    mtnt__verdict verdict;
    uint32_t needs;
    bool needs_provisional, needs_tombstone, needs_saga, made_model;
    bool
        controller_lost; /* the connection to the controller was, when it failed or its outcome was not known any more */
    bool backed_up, positioned; /* positioned: the two below are the model's */
    mtnt__position before, position;
    int64_t from_version;
    mtnt__ahead ahead;    /* what the model holds, and the controller does not know */
    mtnt__step *recorded; /* malloc'ed: applied before this attempt, and unknown to the controller */
    size_t recorded_count;
    mtnt__step *told;     /* room for what is told to the controller, made before the commit; NULL = nothing is */
    mtnt_adopted adopted; /* adoption: what the model said */
    ptrdiff_t failed;     /* index into steps; -1 = no operation's failure */
    const char *failed_phase;
    char failed_text[1024]; /* the failed operation's own error */
    char note[400];         /* what a person should know although nothing failed; "" = nothing */
    size_t skipped;         /* a rehearsal's: operations that cannot be */
    mtnt_held_lock *locks;  /* malloc'ed: what a rehearsal has held */
    size_t lock_count;
    char remark[1024]; /* it is committed, and its process has gone all the same: how; "" = it has not */
} mtnt__attempt;

/* Everything under "what to do" is set, the rest zero. Returns 0 for COMMITTED, NOTHING and OTHER_MODE; the verdict says which. */
int mtnt__attempt_run(mtnt__attempt *attempt, mtnt_error *err);
/* What was applied before, for a controller that has lost it or never knew: fills attempt->recorded. */
int mtnt__attempt_tell_recorded(mtnt__attempt *attempt, mtnt_error *err);
/* Steps for records that the chain has; malloc'ed. */
int mtnt__recorded_steps(const mtnt__applied *applied, const mtnt_chain *chain, mtnt__step **ret_steps,
                         size_t *ret_count, mtnt_error *err);
/* The model is not there. */
int mtnt__attempt_missing(mtnt__attempt *attempt, mtnt_error *err);
int mtnt__attempt_look_for_schema(mtnt__attempt *attempt, bool *ret_there, mtnt_error *err);
/* What is applied once the steps that ended are; and the same as the attempt's position. */
int mtnt__attempt_applied_after(const mtnt__attempt *attempt, mtnt__applied *ret_after, mtnt_error *err);
int mtnt__attempt_move_position(mtnt__attempt *attempt, mtnt_error *err);
/* A controller that has lost commits may have lost its half of something: that is never built upon, and then it is BLOCKED and DIVERGED. The model alone, or
 * with nothing lost but the bookkeeping, is made known again by this attempt's end. Not asked while both know the same. */
int mtnt__attempt_look_ahead(mtnt__attempt *attempt, mtnt_error *err);
void mtnt__attempt_release(mtnt__attempt *attempt);
mtnt__expected mtnt__attempt_expects(const mtnt__attempt *attempt);

/* commit.c: the answer that link->finish waits for. The attempt's verdict is as after mtnt__attempt_run then; err says why. */
int mtnt__commit_collect(mtnt__link *link, mtnt_error *err);
/* Whether the verdict waits for that. */
bool mtnt__commit_lingers(const mtnt__attempt *attempt);

/* sides.c */
int mtnt__sides_open(mtnt__attempt *attempt, mtnt_error *err);
/* begin: the model's side (with a pair, both). begin_controller: the controller's, once it is known that there is something to do. */
int mtnt__sides_begin(mtnt__attempt *attempt, mtnt_error *err);
int mtnt__sides_begin_controller(mtnt__attempt *attempt, mtnt_error *err);
void mtnt__sides_leave_gate(mtnt__attempt *attempt);
void mtnt__sides_deadline(mtnt__attempt *attempt, mtnt__deadline_ms deadline);
/* The handles work again, and no cancel reaches them any more: for the way back. */
void mtnt__sides_uncancel(mtnt__attempt *attempt);
void mtnt__sides_rollback(mtnt__attempt *attempt);
void mtnt__sides_close(mtnt__attempt *attempt);
/* A handle that reads the controller, before the attempt has one of its own there. */
int mtnt__sides_look_at_controller(mtnt__attempt *attempt, mtnt_db **ret_db, mtnt_error *err);
/* A connection to the controller that no operation will see, marked as this migration's; _done gives it back, or closes it. */
/* The controller's side of modes that write it, where it is not open yet; _begin_controller does it too. */
int mtnt__sides_open_controller(mtnt__attempt *attempt, mtnt_error *err);
/* The prepared side is the link's from now on, until its answer is there; _return: what becomes of it. */
mtnt_db *mtnt__sides_hand_over_prepared(mtnt__attempt *attempt);
void mtnt__sides_return_prepared(mtnt__attempt *attempt, mtnt_db *db, bool good);
int mtnt__sides_open_decider(mtnt__attempt *attempt, mtnt_db **ret_db, mtnt_error *err);
void mtnt__sides_decider_done(mtnt__attempt *attempt, mtnt_db *db, bool decided);
int mtnt__sides_prepare_readers(mtnt__attempt *attempt, mtnt_error *err);
void mtnt__sides_use_readers(mtnt__attempt *attempt, mtnt__deadline_ms deadline);
mtnt__db_options mtnt__side_options(const mtnt_controller *controller, const mtnt_model *model);

/* backup.c: how many objects anybody but us has made in the model. */
int mtnt__attempt_count_objects(mtnt__attempt *attempt, int64_t *ret_count, mtnt_error *err);
/* Once it is known that there is something to do, and before it is done: a snapshot of the model into options->backup. */
int mtnt__backup_before(mtnt__attempt *attempt, mtnt_error *err);

mtnt_db *mtnt__sides_work_on(const mtnt__attempt *attempt); /* the model's handle for a unit outside a transaction */
/* Statements of the operations commit by themselves from here on. _together: no longer; never fails. */
int mtnt__sides_stand_alone(mtnt__attempt *attempt, mtnt_error *err);
void mtnt__sides_stand_together(mtnt__attempt *attempt);

/* operations.c: setup and execute of each, or rollback of each; on failure the compensation of what survives. */
void mtnt__operations_status(const mtnt__attempt *attempt, mtnt__step *step, mtnt_status status);
bool mtnt__operations_outside(const mtnt__attempt *attempt, const mtnt__chain_entry *entry);
int mtnt__operations_prepare(mtnt__attempt *attempt, mtnt_error *err);
int mtnt__operations_run(mtnt__attempt *attempt, mtnt_error *err);
void mtnt__operations_compensate(mtnt__attempt *attempt, mtnt_error *err);
void mtnt__operations_release(mtnt__attempt *attempt);

/* provision.c. data is the attempt: a scope calls these through pointers. */
int mtnt__provision_create(void *data, bool *ret_created, mtnt_error *err);
int mtnt__provision_delete(void *data, mtnt_error *err);
/* Writes who the new model is, within its first transaction. */
int mtnt__provision_mark(mtnt__attempt *attempt, mtnt_error *err);
/* Provisional names: <file>.mtnt-new-<migration>, database mtnt_new_<migration>. malloc'ed path, or DSN of the database. */
char *mtnt__provision_dsn(const mtnt_model *model, const char *migration);
/* Removes the provisional object only; one that is not there is fine. */
int mtnt__provision_remove(const mtnt_controller *controller, const mtnt_model *model, const char *migration,
                           mtnt_error *err);
/* Durable before the decision: the file's folder is synced (its content is by the commit). jointly NULL: alone. */
int mtnt__provision_sync(mtnt__jointly *jointly, const mtnt_model *model, mtnt_error *err);
/* Whether anything at all is at a SQLite model's name, a link to nowhere included. Others: false, the server is asked. */
bool mtnt__provision_name_taken(const mtnt_model *model);
/* After a commit decision: rename without overwrite, look whose model is at the name (its created_by), make the name durable. BLOCKED when
 * it is not this migration's. Safe to repeat, by several recoverers at once. built: the file that this process has made, as it was identified while it
 * had it open: when just that file has got the name by this call's own rename, nothing of it has to be read again. None: it is read. */
int mtnt__provision_finish(const mtnt_controller *controller, mtnt__jointly *jointly, const mtnt_model *model,
                           const char *migration, mtnt__file_identity built, mtnt_error *err);

/* remove.c. Calls of a scope; data is the attempt. */
int mtnt__remove_model(void *data, int64_t grace_ms, mtnt_error *err);
int mtnt__restore_model(void *data, mtnt_error *err);
/* The tombstone of what `migration` has put away: its DSN (malloc'ed), and its schema ("" = none). */
#define MTNT__TOMBSTONE_SIZE (sizeof("mtnt_gone_") + MTNT__ID_SIZE)
char *mtnt__tombstone_dsn(const mtnt_model *model, const char *migration);
void mtnt__tombstone_schema(const mtnt_model *model, const char *migration, char ret_schema[MTNT__TOMBSTONE_SIZE]);
/* Before the model is locked: what is prepared in its database is settled when it is ours, else REFUSED. */
int mtnt__remove_settle_prepared(mtnt__attempt *attempt, mtnt_error *err);
/* Before any operation: the model bears our marks, and nobody else is in its database. FOREIGN, REFUSED. */
int mtnt__remove_check(mtnt__attempt *attempt, mtnt_error *err);
/* Why the model is not there, when it was put away: NOT_FOUND; 0 = it was not. db: the controller; uuid: the model in question, "" = any. */
int mtnt__remove_explain(mtnt_db *db, const mtnt_model *model, const char *uuid, mtnt_error *err);
/* The row that decides, in the attempt's controller transaction. */
int mtnt__remove_record(mtnt__attempt *attempt, mtnt_error *err);

/* A model on its way to its tombstone, or back. _begin does all that may fail, and hinders everybody else until _end or _cancel: nothing is
 * changed yet. EXISTS: the other name is taken; NOT_FOUND, FOREIGN: it is not the model of that uuid; REFUSED, BUSY: others use it. _end:
 * durable when it returns 0. */
typedef struct mtnt__renaming {
    const mtnt_controller *controller;
    const mtnt_model *model;
    const char *migration; /* that has put it away, or does */
    const char *uuid;
    bool back;
    mtnt_db *db; /* who holds the lock; on PostgreSQL the transaction that the new name stands in */
} mtnt__renaming;
int mtnt__renaming_begin(mtnt__renaming *renaming, mtnt_error *err);
int mtnt__renaming_end(mtnt__renaming *renaming, mtnt_error *err);
void mtnt__renaming_cancel(mtnt__renaming *renaming);
/* After a commit decision of `migration`: its model gets the name that was decided. BLOCKED: something else has it. Safe to repeat, by several
 * recoverers at once. */
int mtnt__remove_finish(const mtnt_controller *controller, const mtnt_model *model, const char *migration,
                        mtnt_error *err);
/* Removes for good what stands under the tenant's tombstone and is due; *ret_removed: it was. Writes by the controller's own connection. */
int mtnt__remove_due(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model, mtnt__gate *gate,
                     bool *ret_removed, mtnt_error *err);

/* commit.c: prepare → decide → finish; sets the verdict. _check, before any work: REFUSED when it could not be done at the end. */
int mtnt__commit_check(mtnt__attempt *attempt, mtnt_error *err);
int mtnt__commit(mtnt__attempt *attempt, mtnt_error *err);

/* adopt.c: the way through of an adoption. Sets the verdict: COMMITTED, NOTHING (it is this controller's already). */
int mtnt__adopt_run(mtnt__attempt *attempt, mtnt_error *err);
int mtnt__adoption_check(const mtnt_adoption *adoption, mtnt_error *err);
/* The same, looking only, without a claim. */
int mtnt__adopt_look(const mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                     const mtnt_adoption *adoption, const mtnt__known *known, mtnt_adopted *ret_adopted,
                     mtnt_error *err);
/* "controller 5f0c…", for an audit row. */
#define MTNT__CONTROLLER_TEXT_SIZE (sizeof("controller ") + MTNT__ID_SIZE)
void mtnt__controller_text(const char *id, char ret_text[MTNT__CONTROLLER_TEXT_SIZE]);

/* saga.c, once the plan is known: unit after unit, and back when one fails. Sets the verdict. */
int mtnt__saga_perform(mtnt__attempt *attempt, mtnt_error *err);
/* Whether an entry makes its migration a saga. */
bool mtnt__saga_asked(const mtnt_migration_options *options, const mtnt__chain_entry *entry);
/* Whether the restore of a snapshot takes all of it back: it writes the model alone, and has no rollback. */
bool mtnt__saga_restorable(const mtnt__chain_entry *entry);
/* Whether one of the chain's enabled operations does. */
bool mtnt__saga_expected(const mtnt_migration_options *options, const mtnt_chain *chain);

/* A rehearsal's end, in commit.c: everything before the decision, and then all of it is rolled back. Sets the verdict. */
int mtnt__commit_rehearse(mtnt__attempt *attempt, mtnt_error *err);

/* rehearse.c: what a rehearsal leaves out of the plan, and what it looks at. */
const char *mtnt__rehearse_obstacle(uint32_t writes, uint32_t flags, mtnt_mode mode);
void mtnt__rehearse_leave_out(mtnt__attempt *attempt);
int mtnt__rehearse_look_at_locks(mtnt__attempt *attempt, mtnt_error *err);

/* settle.c: what the decider says, made true on both sides. Recovery's steps 2 and 3. */
typedef struct mtnt__settlement {
    const mtnt_controller *controller;
    const mtnt_model *model;
    const char *migration;
    mtnt__mode mode;
    const char *decider; /* "controller" or "model" */
    const char *home;    /* which database the decider was, as in the claim; NULL or "" = not known */
    const mtnt_migration_options *options;
    mtnt__gate *gate;
    bool *ret_lost_controller; /* set when the connection to it was lost last; NULL = not asked for */
    mtnt__blockers blockers;   /* whose sessions may be ended; the mark NULL: nobody's, who blocks is waited for */
} mtnt__settlement;
/* 0: settled, and what has come of it: COMMIT, ABORT, MEET_FOREIGN or DISAGREE (with the two last err says what a person has to do). Not 0: not
 * settled; the state stays unended. FOREIGN: the decider is not the database that it was; nothing was touched. */
int mtnt__settle(const mtnt__settlement *settlement, mtnt__migration_event *ret_event, mtnt_error *err);
/* Its parts, for a person's word: a side opened, with a fresh deadline; the decider's transaction, its identity checked and its tables there. */
int mtnt__settle_open(const mtnt__settlement *settlement, bool model, mtnt_db **ret_db, mtnt_error *err);
int mtnt__settle_begin(const mtnt__settlement *settlement, mtnt_db *decider, mtnt_error *err);
int mtnt__settle_check_home(const mtnt__settlement *settlement, mtnt_db *model, mtnt_error *err);
#define MTNT__GID_SIZE 200
void mtnt__gid(const mtnt_controller *controller, const mtnt_model *model, const char *migration,
               char ret_gid[MTNT__GID_SIZE]);

#endif
