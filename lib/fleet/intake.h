/* Tenants from the source become tasks, or are current. */
#ifndef MTNT_FLEET_INTAKE_H
#define MTNT_FLEET_INTAKE_H

#include "fleet/share.h"

/* There is room for a batch, and somebody to be in it. */
bool mtnt__intake_ready(const mtnt__dispatch *d);
/* One batch, if it is ready. */
void mtnt__intake(mtnt__dispatch *d);
/* What else has to be known of a tenant before it is tried. */
typedef struct mtnt__intake_facts {
    mtnt__lane_debt debt;
    mtnt__share_facts shared;
} mtnt__intake_facts;
/* What the controller knows of the first `count` of d->batch, into d->known and ret_facts. */
int mtnt__intake_select(mtnt__dispatch *d, size_t count, mtnt__intake_facts *ret_facts, mtnt_error *err);
/* A tenant becomes a task, or waits for its group's turn, or is current, or is put aside because somebody else has it. */
void mtnt__intake_sort(mtnt__dispatch *d, mtnt_model *model, mtnt__known *known, const mtnt__intake_facts *facts);
/* After the loop: what was never asked for counts too, so that the sums add up. */
void mtnt__intake_count_rest(mtnt__dispatch *d);

/* Whether another lane has to come first; it is counted then, or put aside while that lane is at work in this process. What was interrupted is settled all the same: false. */
bool mtnt__intake_held(mtnt__dispatch *d, mtnt_model *model, const mtnt__known *known, const mtnt__lane_debt *debt);

#endif
