/* The controller's bookkeeping, in batches: who is where, claims, ends, runs. Each call is one transaction on the controller's own
 * connection, durable when it returns, unless it says that it only reads. */
#ifndef MTNT_STATE_STORE_H
#define MTNT_STATE_STORE_H

#include "db/database.h"
#include "mtnt/controller.h"
#include "state/model_state.h"
#include "state/transitions.h"

/* Whose a claim is: "<process>#<handle>.<call>". A handle makes one call at a time, so what an earlier call of it has left is nobody's work any
 * more, although the process lives. */
#define MTNT__OWNER_SIZE (MTNT__PROCESS_SIZE + MTNT__ID_SIZE + 24)

struct mtnt_controller {
    mtnt_db *db;
    char *dsn;
    mtnt_backend backend;
    char shown[256];
    char id[MTNT__ID_SIZE];
    char home[MTNT__HOME_SIZE]; /* which database it is; "" for a read-only one */
    char process[MTNT__PROCESS_SIZE];
    char handle[MTNT__ID_SIZE];
    int64_t call;
    char owner[MTNT__OWNER_SIZE]; /* of this call */
    mtnt_controller_options options;
    const mtnt__system *system;
    bool ensured;
    bool tables; /* there are tables (a read-only controller may have none) */
};

/* What the controller's row says of a tenant, copied. */
typedef struct mtnt__known {
    bool known;
    char state[20];
    int64_t version;
    char digest[MTNT__CHECKSUM_SIZE];
    char placed[MTNT__CHECKSUM_SIZE];
    char uuid[MTNT__ID_SIZE];
    char migration[MTNT__ID_SIZE];
    int64_t epoch;
    char owner[MTNT__OWNER_SIZE];
    int64_t lease_until_ms, now_ms; /* the controller's clock */
    bool failed;                    /* the last attempt left an error */
    /* Its model has been put away, and not put back. */
    bool gone;
    bool gone_here;                                   /* by this chain */
    bool reborn;                                      /* another chain knows the tenant with another model by now */
    char gone_by[MTNT__ID_SIZE];                      /* the migration */
    int64_t remove_after_ms, removing_ms, removed_ms; /* 0 = not */
} mtnt__known;

bool mtnt__known_idle(const mtnt__known *known);
/* The lease is over, or its holder is known to be dead, or was an earlier call of this handle. Never that of the call at hand: a worker of ours
 * has it. A SQLite controller is of one host, where a live process may have been kept from renewing its lease by the file's write lock, which
 * somebody else held: it keeps it for longest_ms (what a migration may take) after it has run out, unless it is stopped. */
bool mtnt__known_takeable(const mtnt_controller *controller, const mtnt__known *known, int64_t longest_ms);
/* Claims from now on are those of a new call. */
void mtnt__store_new_call(mtnt_controller *controller);

/* Operations of a tenant that a migration has to see beside the model's own records. */
typedef struct mtnt__previous {
    struct mtnt__previous_operation {
        char *name;
        mtnt_status status;
        mtnt__record record; /* name unset; for those recorded in the controller alone */
    } * operations;
    size_t count, size;
} mtnt__previous;
void mtnt__previous_release(mtnt__previous *previous);
mtnt_status mtnt__previous_status(const mtnt__previous *previous, const char *name);
/* Adds to *applied what is recorded in the controller alone. */
int mtnt__previous_add_applied(const mtnt__previous *previous, mtnt__applied *applied, mtnt_error *err);
/* Reads only; for who has no claim. */
int mtnt__store_previous(mtnt_controller *controller, const char *chain, const mtnt_model *model,
                         mtnt__previous *ret_previous, mtnt_error *err);

/* Reads only. One mtnt__known for each model, in order. */
int mtnt__store_select(mtnt_controller *controller, const char *chain, const mtnt_model *const *models, size_t count,
                       mtnt__known *ret_known, mtnt_error *err);

/* Reads only. ret_current[i]: models[i] is idle, has applied the set of that digest, is where it was then, and was not put away. Of the others more has
 * to be known: mtnt__store_select. */
int mtnt__store_current(mtnt_controller *controller, const char *chain, const char *digest,
                        const mtnt_model *const *models, size_t count, bool *ret_current, mtnt_error *err);

/* A claim on one tenant: everything that recovery must know is in it before any work. */
typedef struct mtnt__claim {
    const mtnt_model *model;
    char migration[MTNT__ID_SIZE];
    const char *mode;    /* static text: MTNT__MODE_… */
    const char *decider; /* "controller" or "model" */
    const char *home;    /* of the decider: the controller's, or the model's uuid; NULL or "" = not known yet */
    bool backward;
    int64_t run;
    int64_t epoch; /* of the claim */
    bool
        as_seen; /* only if the tenant's epoch is still `seen` (0 = a stranger): nobody has had it since it was looked at */
    int64_t seen;
    bool goes_on;  /* what its task has begun before: no wave and no budget holds it back */
    bool withheld; /* set by an exchange that is paced: there was no room for it, and nobody was asked */
    bool claimed;  /* false: somebody else was quicker */
    mtnt__previous previous;
} mtnt__claim;

/* Claims what is idle, sets `claimed`, `epoch` and `previous`. */
int mtnt__store_claim(mtnt_controller *controller, const char *chain, mtnt__claim *const *claims, size_t count,
                      int64_t lease_ms, mtnt_error *err);

/* For mtnt_audit: who has said so, and why (NULL = no reason). to: only of an end; of a person's word it is the state moved to. */
typedef struct mtnt__audit {
    const char *from, *who, *reason, *to;
} mtnt__audit;

/* How one migration ended, or where it stands. */
typedef struct mtnt__end {
    const char *tenant, *migration;
    int64_t
        epoch; /* of the claim that it ends; 0 = whoever holds it, for what the register has decided and is true whoever says it */
    mtnt__migration_state state;
    bool moved; /* `position`, `placed` and `uuid` are to be written */
    mtnt__position position;
    const char *placed, *uuid;
    const mtnt_error *error; /* NULL = none */
    const char *error_operation;
    bool rehearsed; /* what is known of the tenant's last failure stays */
    int64_t run, finished_ms;
    bool rests;   /* its process will try again after a pause */
    bool settles; /* the tenant is over for this run; for waves */
    const mtnt__step *steps;
    size_t step_count;
    const mtnt__audit *audit; /* a row that is written by whoever ends it; NULL = none */
    const struct mtnt__ahead
        *ahead; /* what the model holds and the controller has not known till now; NULL = nothing */
} mtnt__end;

/* Writes them all by migration id; a row that has ended already stays as it is, and so does one whose claim is another's by now: the claim is
 * looked at in the same transaction. */
int mtnt__store_finish(mtnt_controller *controller, const char *chain, const mtnt__end *ends, size_t count,
                       mtnt_error *err);

/* Ends and claims in one transaction, for the executor, with the counts of this process's part of the run (runs.h; NULL = none). Either count may
 * be 0. A run that is paced (places.h) may withhold claims. */
typedef struct mtnt__run_note mtnt__run_note;
int mtnt__store_exchange(mtnt_controller *controller, const char *chain, const mtnt__end *ends, size_t end_count,
                         mtnt__claim *const *claims, size_t claim_count, int64_t lease_ms, const mtnt__run_note *note,
                         mtnt_error *err);

/* An unended migration, for its recovery. */
typedef struct mtnt__unended {
    char migration[MTNT__ID_SIZE];
    char mode[24], decider[16], placed[MTNT__CHECKSUM_SIZE];
    char home[MTNT__HOME_SIZE];    /* of the decider; "" = not known */
    char worker[MTNT__OWNER_SIZE]; /* whose claim it was; "" = not known */
    bool backward;
    int64_t epoch;
} mtnt__unended;
int mtnt__store_unended(mtnt_controller *controller, const char *migration, mtnt__unended *ret_unended,
                        mtnt_error *err);
/* Where a migration, or a unit of one by its key, stands, on any handle of the controller's side: NONE = there is no such row, or it is still
 * under way. A done unit is COMMITTED. An ended state outranks whatever a register says later: its row may have been collected. */
int mtnt__store_ended(mtnt_db *db, const char *key, mtnt__migration_state *ret_state, mtnt_error *err);
/* The same by another connection to the controller. */
int mtnt__store_unended_by(mtnt_db *db, const char *migration, mtnt__unended *ret_unended, mtnt_error *err);
/* Takes the lease over from `known`; BUSY when somebody else moved first. */
int mtnt__store_take_lease(mtnt_controller *controller, const char *chain, const char *tenant, const mtnt__known *known,
                           int64_t lease_ms, mtnt_error *err);

/* One lease of a heartbeat. */
typedef struct mtnt__renewal {
    const char *tenant; /* borrowed */
    char migration[MTNT__ID_SIZE];
    int64_t epoch;
    bool kept; /* set by _renew: the row still is the owner's, under this epoch */
} mtnt__renewal;
/* Renews them by the controller's clock, all in one statement (SQLite: in one transaction), on a connection of the caller's own. A row that is not
 * `kept` is somebody else's by now, or has ended. Errors: those of a statement and a commit; nothing is known of any lease then. */
int mtnt__store_renew(mtnt_db *db, const char *chain, const char *owner, mtnt__renewal *renewals, size_t count,
                      int64_t lease_ms, mtnt_error *err);

/* A person's word: the end, the tenant's row and an audit row in one transaction. BUSY when the state is not `from` any more. */
int mtnt__store_resolve(mtnt_controller *controller, const char *chain, const mtnt__end *end, const mtnt__audit *audit,
                        mtnt_error *err);

/* The controller's rows made true after a look at the model: the end, which moves, with its operations and an audit row in one transaction. BUSY
 * when the claim does not hold any more. */
int mtnt__store_reconcile(mtnt_controller *controller, const char *chain, const mtnt__end *end,
                          const mtnt__audit *audit, mtnt_error *err);

/* Deletes register rows of what has ended as committed (and of units of a saga that are done, once the saga has ended), in batches of their own
 * transactions. No gid of theirs is left: the state is written after it was finished. Abort rows stay for ever. */
int mtnt__store_collect(mtnt_controller *controller, int64_t *ret_count, mtnt_error *err);

/* A claim by the last part of a gid: the migration's id, or the key of a unit of one. */
typedef struct mtnt__found_claim {
    mtnt__unended claim; /* of the unit, for a key; migration "" = there is none */
    char chain[128], tenant[256];
    mtnt__migration_state state;
    mtnt__known known; /* of the tenant, when this is the migration that it is in; migration "" = it is not */
} mtnt__found_claim;
int mtnt__store_find(mtnt_controller *controller, const char *key, mtnt__found_claim *ret_found, mtnt_error *err);

/* Records of a chain's operations that only the controller holds, inside a transaction of a migration's own handle. */
int mtnt__store_record(mtnt_db *db, const char *chain, const mtnt__end *end, mtnt_error *err);

/* The database lock, the tables, the lock's release: see mtnt__bookkeeping. */
int mtnt__controller_lock(mtnt_controller *controller, mtnt_error *err);
int mtnt__controller_ensure(mtnt_controller *controller, mtnt_error *err);
int mtnt__controller_unlock(mtnt_controller *controller, mtnt_error *err);

#endif
