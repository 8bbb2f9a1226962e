/* How a migration commits: chosen from what its operations write and from the two databases, before any work. */
#ifndef MTNT_COORDINATE_MODE_H
#define MTNT_COORDINATE_MODE_H

#include "state/store.h"

typedef enum mtnt__mode {
    MTNT__MODE_SINGLE_MODEL = 1,   /* one transaction on the model: operations, bookkeeping, register row */
    MTNT__MODE_SINGLE_CONTROLLER,  /* likewise on the controller */
    MTNT__MODE_SINGLE_TRANSACTION, /* the model is a schema in the controller's own database */
    MTNT__MODE_SUPER_JOURNAL,      /* SQLite and SQLite, one connection */
    MTNT__MODE_TWO_PHASE,          /* a PostgreSQL side is prepared, the other decides */
    MTNT__MODE_PROVISIONAL,        /* a model that this migration creates; the controller decides */
    MTNT__MODE_TOMBSTONE,          /* a model that this migration puts away, or back; the controller decides */
    MTNT__MODE_SAGA, /* units that commit one by one, each by one of the modes above; the journal is the controller's */
    MTNT__MODE_ADOPTION /* one transaction on the model of another controller: it is ours afterwards; no operation */
} mtnt__mode;

const char *mtnt__mode_name(mtnt__mode mode);
const char *mtnt__mode_guarantee(mtnt__mode mode);
const char *mtnt__mode_decider(mtnt__mode mode, mtnt_backend controller, mtnt_backend model);
/* The mode in a claim that recovery has read; 0 = of a newer version. */
mtnt__mode mtnt__mode_parse(const char *name, const char *decider);

/* writes: MTNT_WRITES_… of all operations at hand; provisional: the model is to be created, and is no schema. */
mtnt__mode mtnt__mode_choose(const mtnt_controller *controller, const mtnt_model *model, uint32_t writes,
                             bool provisional);
/* What a mode lets operations write. */
uint32_t mtnt__mode_covers(mtnt__mode mode);
bool mtnt__mode_writes_controller(mtnt__mode mode, uint32_t writes);

#endif
