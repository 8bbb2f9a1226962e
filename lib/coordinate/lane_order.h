/* What the lanes of a chain owe each other: a tenant's lane runs when those before it are complete, and is taken back before them. As the
 * controller's index has it: an index that lags behind holds a lane back, and the next run takes it. */
#ifndef MTNT_COORDINATE_LANE_ORDER_H
#define MTNT_COORDINATE_LANE_ORDER_H

#include "state/store.h"

typedef struct mtnt__lane_debt {
    const mtnt_chain *first; /* the lane that has to come first; NULL = none */
    /* An operation of this lane that was applied in another one, where only the controller recorded it; NULL = none. */
    const mtnt__chain_entry *moved;
    const mtnt_chain *moved_from;
} mtnt__lane_debt;

/* `floor`: 0 forward; backward, the lowest order that is taken back: no other lane may have anything applied from there on. For each model, what stands against it. ret_debts: the caller's, `count` long. Whole chains, and lanes of their own, wait for nothing. Reads
 * only. */
int mtnt__lane_order(mtnt_controller *controller, const mtnt_chain *lane, int64_t floor,
                     const mtnt_model *const *models, size_t count, mtnt__lane_debt *ret_debts, mtnt_error *err);

/* 0: nothing stands against it. Else HISTORY (moved) or REFUSED, in words. */
int mtnt__lane_order_check(const mtnt_chain *lane, const mtnt__lane_debt *debt, bool backward, const char *tenant,
                           mtnt_error *err);

#endif
