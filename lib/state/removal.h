/* Models that were put away, and what has become of them: rows of the controller's mtnt_removal. */
#ifndef MTNT_STATE_REMOVAL_H
#define MTNT_STATE_REMOVAL_H

#include "state/store.h"

typedef struct mtnt__removal {
    char migration[MTNT__ID_SIZE]; /* that has put the model away: its tombstone's name ends with it */
    char chain[128], tenant[256];
    char placed[MTNT__CHECKSUM_SIZE];
    char uuid[MTNT__ID_SIZE];
    char tombstone[600];     /* for people: it is made anew from the model and `migration` where it counts */
    mtnt__position position; /* what is applied to the tenant since */
    int64_t remove_after_ms, removing_ms, removed_ms; /* the controller's clock; 0 = not */
    char restored_by[MTNT__ID_SIZE];                  /* the migration that has put it back; "" = none */
} mtnt__removal;

/* Inside the transaction that decides. _put: a row that remove_after_ms follows from by the database's clock and grace_ms. _take_back: REFUSED
 * once anything of the model may have been removed. */
int mtnt__removal_put(mtnt_db *db, const mtnt__removal *removal, int64_t grace_ms, mtnt_error *err);
int mtnt__removal_take_back(mtnt_db *db, const char *migration, const char *restored_by, mtnt_error *err);

/* Read only. NOT_FOUND: there is none. _find: by either migration. _of_tenant: the latest of the tenant's models at that place that has not
 * been put back, whichever chain did it. _due: one of the chain whose time is over. */
int mtnt__removal_find(mtnt_db *db, const char *migration, mtnt__removal *ret_removal, mtnt_error *err);
int mtnt__removal_of_tenant(mtnt_db *db, const char *tenant, const char *placed, mtnt__removal *ret_removal,
                            mtnt_error *err);
int mtnt__removal_due(mtnt_db *db, const char *chain, const char *tenant, mtnt__removal *ret_removal, mtnt_error *err);

/* The two sides of a removal for good, each a durable transaction of its own. _begin: BUSY when it is not due any more: put back meanwhile, or
 * removed by somebody else. _end comes when it is proven that nothing is left; safe to repeat. */
int mtnt__removal_begin(mtnt_db *db, const char *migration, mtnt_error *err);
int mtnt__removal_end(mtnt_db *db, const char *migration, mtnt_error *err);

/* Whether this controller knows a model of that identity as the tenant's, in any of its chains. */
int mtnt__removal_owns(mtnt_db *db, const char *tenant, const char *uuid, bool *ret_owns, mtnt_error *err);

/* What the controller has of a tenant's model that is gone for good is forgotten, so that the tenant is a stranger again. */
int mtnt__removal_forget(mtnt_controller *controller, const char *chain, const char *tenant, const char *uuid,
                         mtnt_error *err);

#endif
