/* What other tools have applied to a model: taken over, and kept in step. */
#ifndef MTNT_COORDINATE_BASELINE_H
#define MTNT_COORDINATE_BASELINE_H

#include "coordinate/attempt.h"

/* The entries that are to be recorded as applied, as the attempt's plan; none: attempt->note says why, or they are recorded already. HISTORY,
 * REFUSED: the model and the chain do not go together, and err says where. */
int mtnt__baseline_plan(mtnt__attempt *attempt, mtnt_error *err);
/* Before a model that we meet for the first time is migrated. REFUSED: another tool has applied something to it, and that was not taken over. */
int mtnt__baseline_check_unheeded(mtnt__attempt *attempt, mtnt_error *err);
/* There is no model yet, and the chain makes it: nothing to take over. */
void mtnt__baseline_no_model(mtnt__attempt *attempt);
/* In place of running the operations. */
void mtnt__baseline_complete(mtnt__attempt *attempt);

/* The tables of other tools follow what the attempt has applied or taken back, in its transaction, where that was asked for. */
int mtnt__baseline_keep_in_step(mtnt__attempt *attempt, mtnt_error *err);

#endif
