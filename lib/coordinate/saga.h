/* A saga: a chain that cannot commit at once, in units that do, one by one. saga_plan.c divides it and refuses what could not be taken back, saga.c
 * goes forward, saga_undo.c takes committed units back in reverse, after a failure or for a recovery. */
#ifndef MTNT_COORDINATE_SAGA_H
#define MTNT_COORDINATE_SAGA_H

#include "coordinate/attempt.h"
#include "state/journal.h"

typedef struct mtnt__saga_unit {
    size_t first, count; /* of the attempt's steps */
    uint32_t writes;     /* what is done here: all that its operations declare, or one side of them */
    mtnt__mode mode;     /* how it commits */
    bool outside, retriable;
    bool half; /* the controller's part of an operation that the next unit completes and records */
} mtnt__saga_unit;

typedef struct mtnt__saga_units {
    mtnt__saga_unit *units;
    size_t count;
} mtnt__saga_units;

/* Divides the attempt's steps. REFUSED, before any work, for what could not be kept or taken back, with the way out. */
int mtnt__saga_plan(const mtnt__attempt *attempt, mtnt__saga_units *ret_units, mtnt_error *err);

/* The snapshots (chain indexes) that are restored when the saga goes back from that unit, in the order in which they are taken. At most as many as there are
 * units. */
size_t mtnt__saga_snapshots(const mtnt__attempt *attempt, const mtnt__saga_units *units, size_t index,
                            size_t *ret_snapshots);

/* What going forward and going back have in common. Zero what is not said. */
typedef struct mtnt__saga {
    mtnt__link *link;
    const mtnt_chain *chain;
    const mtnt_migration_options *options;
    const mtnt__claim *claim; /* the saga's: model, migration, run, previous */
    mtnt__known known;
    const char *owners[2]; /* recovery: whose sessions may stand in the way */
    void (*status)(void *data, const mtnt__step *step);
    void *status_data;
    mtnt_db *controller;      /* the journal's; own */
    int64_t not_started;      /* the unit whose body is known not to have begun; -1 = none */
    mtnt__identity identity;  /* as the last unit found the model */
    mtnt__migration_state at; /* EXECUTING, then COMPENSATING */
    int64_t floor;            /* units from here back stay, because one of them goes forward only; -1 = none */
} mtnt__saga;
int mtnt__saga_open(mtnt__saga *saga, mtnt_error *err);
void mtnt__saga_close(mtnt__saga *saga);

/* One unit at work: an attempt of its own. */
typedef struct mtnt__saga_work {
    const mtnt__journal_step *step;
    const size_t *only; /* chain indexes */
    size_t count;
    mtnt_progress progress;
    const size_t *snapshots; /* as the attempt's unit has them, with the two after it */
    size_t snapshot_count;
    bool no_way_back, saved;
    mtnt__deadline_ms deadline;
    atomic_bool *cancelled;                                           /* NULL: goes on whatever happens */
    void (*publish)(void *data, mtnt_db *controller, mtnt_db *model); /* likewise */
    void *publish_data;
} mtnt__saga_work;
/* Runs it; *attempt is released by the caller, after it has taken from it what it needs. */
int mtnt__saga_run_unit(mtnt__saga *saga, const mtnt__saga_work *work, mtnt__attempt *attempt, mtnt_error *err);

/* One transaction of the journal, with the gate and a few tries when the connection is lost. */
typedef int (*mtnt__saga_write)(mtnt__saga *saga, void *data, mtnt_error *err);
int mtnt__saga_journal(mtnt__saga *saga, mtnt__saga_write write, void *data, mtnt_error *err);
int mtnt__saga_read(mtnt__saga *saga, mtnt__journal *ret_journal, mtnt_error *err);
/* Writes what has become of a step; a failure to write it is no loss, since the register knows. */
void mtnt__saga_note(mtnt__saga *saga, const mtnt__journal_step *step, bool done, const char *error);
/* Says that the last unit is done, which makes the saga one that is never taken back. CANCELLED: it is being taken back already. */
int mtnt__saga_complete(mtnt__saga *saga, const mtnt__journal_step *last, mtnt_error *err);
/* What the register says of a step, hardened, and finished on both sides: abort is written where there was nothing. */
int mtnt__saga_settle(mtnt__saga *saga, const mtnt__journal_step *step, bool *ret_committed, mtnt_error *err);

/* Turns the saga and takes back what it has committed, in reverse, the interrupted unit included; a rewind stops short where it is. 0: *ret_event
 * says how the migration ends: ABORT, COMMIT (what a forward-only unit keeps, or what a rewind had done) or FAIL_TO_UNDO with err saying why. Not 0:
 * not settled, and the state stays: recovery goes on later. */
int mtnt__saga_undo(mtnt__saga *saga, mtnt__migration_event *ret_event, mtnt_error *err);

/* Recovery of an interrupted saga: forward when every unit is committed, else back. */
int mtnt__saga_recover(mtnt_controller *controller, const mtnt_chain *chain, const mtnt__claim *claim,
                       const mtnt__known *known, const char *const owners[2], const mtnt_migration_options *options,
                       mtnt__gate *gate, const mtnt__bodies *bodies, mtnt__migration_state *ret_at,
                       mtnt__migration_event *ret_event, mtnt_error *err);

#endif
