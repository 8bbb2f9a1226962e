/* What an audit sees of one tenant: also for who repairs more than that. */
#ifndef MTNT_COORDINATE_AUDIT_H
#define MTNT_COORDINATE_AUDIT_H

#include "mtnt/audit.h"
#include "state/ahead.h"
#include "state/model_state.h"

typedef struct mtnt__audited {
    mtnt__identity identity; /* the model's; not known: it has none of our tables */
    mtnt__position position; /* of what is applied, as the model has it */
    mtnt__ahead ahead;       /* what it holds and the controller does not know */
} mtnt__audited;
void mtnt__audited_release(mtnt__audited *audited);

/* Opens the model to be read. known: of an idle tenant. Reads only. NOT_FOUND: it is not there; FOREIGN: it is another's. */
int mtnt__audit_look(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                     const mtnt__known *known, mtnt__audited *ret_audited, mtnt_error *err);

#endif
