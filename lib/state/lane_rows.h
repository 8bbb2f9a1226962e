/* What the lanes of a chain come to, written down for the views that applications read: mtnt_lane, mtnt_lane_tenant. */
#ifndef MTNT_STATE_LANE_ROWS_H
#define MTNT_STATE_LANE_ROWS_H

#include "state/store.h"

/* All lanes of the chain that `chain` is, or is a lane of; without lanes the chain as its only one. Reads, and writes only what has changed. Errors: those of
 * statements and a commit. */
int mtnt__lane_rows_write(mtnt_controller *controller, const mtnt_chain *chain, mtnt_error *err);

#endif
