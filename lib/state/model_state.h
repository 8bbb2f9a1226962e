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
    const char *controller; /* this controller's id; NULL = whosever (with tenant NULL: whatever it is called) */
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

/* Whose a model is that is to be taken over. */
typedef struct mtnt__bearer {
    mtnt__identity identity;
    char tenant[256]; /* as the model has it */
    bool ours;        /* this controller's already */
} mtnt__bearer;

/* Reads only: whether this controller may take the model over, and the applied set of the chain. renamed: it may bear another tenant's id. REFUSED:
 * no controller has written it; FOREIGN: another tenant's, or not the model that this controller knows; NEWER. */
int mtnt__model_state_examine(mtnt_db *db, const mtnt_chain *chain, const mtnt__expected *expected, bool renamed,
                              mtnt__bearer *ret_bearer, mtnt__applied *applied, mtnt_error *err);

/* Who has taken a model over: in its mtnt_meta, so that a recovery knows what to write into the controller. */
typedef struct mtnt__takeover {
    char migration[MTNT__ID_SIZE];
    char from[MTNT__ID_SIZE];   /* the controller before */
    char who[256], reason[256]; /* reason "" = none */
} mtnt__takeover;

/* The model is expected->controller's and expected->tenant's from the commit on. */
int mtnt__model_state_take_over(mtnt_db *db, const mtnt__expected *expected, const mtnt__takeover *takeover,
                                mtnt_error *err);
/* The last takeover that the model tells of; NOT_FOUND: it is another migration's, or there was none. */
int mtnt__model_state_takeover(mtnt_db *db, const char *migration, mtnt__takeover *ret_takeover, mtnt_error *err);

/* One operation that a migration ran, as it is recorded. */
typedef struct mtnt__step {
    const mtnt__chain_entry *entry;
    mtnt_status status;
    int64_t started_ms, finished_ms; /* wall clock; 0 = not */
    bool in_controller;              /* where its record is, or was */
    const char *error;               /* NULL = none */
    const char *checksum;            /* that it was applied with, when that is not the entry's; NULL = it is */
} mtnt__step;
static inline const char *mtnt__step_checksum(const mtnt__step *step)
{
    return step->checksum != NULL ? step->checksum : step->entry->checksum;
}

/* Records the COMPLETED steps as applied, or removes the ROLLED_BACK ones, in one statement each. */
int mtnt__model_state_record(mtnt_db *db, const mtnt_chain *chain, const char *migration, int64_t run,
                             const mtnt__step *steps, size_t count, mtnt_error *err);

#endif
