/* The model's own tables: identity, what is applied, the register. All inside a transaction that the caller holds open. */
#ifndef MTNT_STATE_MODEL_STATE_H
#define MTNT_STATE_MODEL_STATE_H

#include "state/applied.h"
#include "state/fingerprint.h"

/* Who the model is. */
typedef struct mtnt__identity {
    bool known; /* the model has our tables */
    bool fresh; /* … since this transaction */
    char uuid[MTNT__ID_SIZE];
    char controller[MTNT__ID_SIZE]; /* "" = none yet */
    mtnt__fingerprint fingerprint;  /* of its schema, as the last migration has left it; digest "" = not recorded */
} mtnt__identity;

/* What is expected of it. */
typedef struct mtnt__expected {
    const char *tenant;
    const char *controller; /* this controller's id */
    const char *uuid;       /* as the controller has it; NULL or "" = never met */
} mtnt__expected;

/* Takes the lock, makes or upgrades the tables, checks the identity and adds the applied set of the chain to *applied.
 * A model without tables gets `uuid` as its identity. FOREIGN: another controller's, or not the model that the controller knows; NEWER. */
int mtnt__model_state_take(mtnt_db *db, const mtnt_chain *chain, const mtnt__expected *expected,
                           const mtnt__system *system, mtnt__identity *ret_identity, mtnt__applied *applied,
                           mtnt_error *err);

/* The same without writing anything: for a model that no operation writes. */
int mtnt__model_state_read(mtnt_db *db, const mtnt_chain *chain, const mtnt__expected *expected,
                           mtnt__identity *ret_identity, mtnt__applied *applied, mtnt_error *err);

/* The same without checking anything: *ret_identity and ret_tenant (whose it says it is, "" = nobody's) are what the model says. */
int mtnt__model_state_look(mtnt_db *db, const mtnt_chain *chain, mtnt__identity *ret_identity, char ret_tenant[256],
                           mtnt__applied *applied, mtnt_error *err);

/* The identity alone, checked: for a recovery that is about to write its decision there. FOREIGN as above. */
int mtnt__model_state_identify(mtnt_db *db, const mtnt__expected *expected, mtnt_error *err);

/* One operation that a migration ran, as it is recorded. */
typedef struct mtnt__step {
    const mtnt__chain_entry *entry;
    mtnt_status status;
    int64_t started_ms, finished_ms; /* wall clock; 0 = not */
    bool in_controller;              /* where its record is, or was */
    const char *error;               /* NULL = none */
} mtnt__step;

/* Records the COMPLETED steps as applied, or removes the ROLLED_BACK ones, in one statement each. */
int mtnt__model_state_record(mtnt_db *db, const mtnt_chain *chain, const char *migration, int64_t run,
                             const mtnt__step *steps, size_t count, mtnt_error *err);

#endif
