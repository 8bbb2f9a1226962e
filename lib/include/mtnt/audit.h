/* An audit looks for what a controller has lost: a failover to an asynchronous standby, or a restored backup, takes its newest commits away, and the models
 * keep theirs. */
#ifndef MTNT_AUDIT_H
#define MTNT_AUDIT_H

#include "mtnt/chain.h"
#include "mtnt/controller.h"
#include "mtnt/model.h"

MTNT_BEGIN_DECLS

typedef enum mtnt_audit_verdict {
    MTNT_AUDIT_AGREES = 1, /* the controller knows every migration that the model holds */
    MTNT_AUDIT_AHEAD,      /* it did not, and nothing but its bookkeeping was lost: it knows them now */
    MTNT_AUDIT_OUT_OF_STEP, /* they have written the controller too, and that half is lost: the tenant is `diverged`, and waits for a person */
    MTNT_AUDIT_UNSETTLED /* a migration of it has not ended: it was not looked at; recover it first */
} mtnt_audit_verdict;

typedef struct mtnt_audit {
    mtnt_audit_verdict verdict;
    size_t migrations; /* that the controller did not know */
    int64_t version;   /* of the model */
} mtnt_audit;

/* Opens the model of one tenant to be read, compares, and writes what it finds into the controller. A chain that has lanes: its first; the others are given one by
 * one (mtnt_chain_lane). May run beside migrations. Blocks. 0: *ret_audit says what was found, and for OUT_OF_STEP err what is to be done; a model that is yet to be made
 * agrees. NOT_FOUND: the model is not there, and the controller knows it; FOREIGN: it is not the one that the controller knows; BUSY (retryable): somebody has
 * taken the tenant meanwhile. */
MTNT_API int mtnt_audit_model(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                              mtnt_audit *ret_audit, mtnt_error *err);

MTNT_END_DECLS

#endif
