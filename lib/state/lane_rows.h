/* What the lanes of a chain come to, written down for the views that applications read: mtnt_lane, mtnt_lane_tenant. */
#ifndef MTNT_STATE_LANE_ROWS_H
#define MTNT_STATE_LANE_ROWS_H

#include "state/store.h"

/* All lanes of the chain that `chain` is, or is a lane of; without lanes the chain as its only one. Reads, and writes only what has changed. HISTORY: a lane was
 * renamed or taken away, and an operation that only the controller records as applied there is in another one now. Else errors of statements and a commit. */
int mtnt__lane_rows_write(mtnt_controller *controller, const mtnt_chain *chain, mtnt_error *err);

#endif
