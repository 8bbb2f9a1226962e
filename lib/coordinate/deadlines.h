/* How long things may take, as the options say or by default. options may be NULL. */
#ifndef MTNT_COORDINATE_DEADLINES_H
#define MTNT_COORDINATE_DEADLINES_H

#include "mtnt/coordinator.h"

/* Fills in what the lane says of times that the options leave open. */
void mtnt__lane_deadlines(mtnt_migration_options *options, const mtnt_chain *chain);

int64_t mtnt__run_ms(const mtnt_migration_options *options); /* an attempt: 1 h */
/* Taking back, settling, bookkeeping after a failure: 2 min, always from a fresh start. */
int64_t mtnt__unlock_ms(const mtnt_migration_options *options);

#endif
