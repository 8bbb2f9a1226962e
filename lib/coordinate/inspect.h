/* One model, looked at: what it is, what is applied to it, what its schema is made of, and where that is not as it should be. */
#ifndef MTNT_COORDINATE_INSPECT_H
#define MTNT_COORDINATE_INSPECT_H

#include "coordinate/task.h"
#include "mtnt/verify.h"
#include "state/catalogue.h"

/* The chain as the records have it: its lanes, or itself. */
typedef struct mtnt__inspected_lane {
    const mtnt_chain *chain;
    mtnt__known known;           /* in */
    mtnt__previous previous;     /* in: what the controller alone records */
    mtnt__applied applied;       /* out */
    mtnt__position position;     /* out */
    bool positioned, consistent; /* out: applied and position are there; the controller says the same */
} mtnt__inspected_lane;

typedef struct mtnt__inspection {
    /* in */
    const mtnt_controller *controller; /* DSN, options and identity: its connection is not used */
    const mtnt_model *model;
    mtnt__inspected_lane *lanes;
    size_t lane_count;
    bool allow_out_of_order, catalogued; /* catalogued: its schema is wanted */

    /* out */
    bool exists, put_away;
    mtnt__identity identity;
    char tenant[256]; /* whose it says it is */
    mtnt__catalogue catalogue;
    char schema[MTNT__CHECKSUM_SIZE]; /* "" = not read */
    int64_t dialect;
    bool recorded, changed;
    mtnt_finding findings[MTNT_FINDINGS_MOST];
    size_t finding_count;
    mtnt_error error;
} mtnt__inspection;

/* Opens the model to be read, in a transaction of its own, and closes it. Any thread. Failures are findings. */
void mtnt__inspect(mtnt__inspection *inspection);
/* What came out, to be looked at again. */
void mtnt__inspection_clear(mtnt__inspection *inspection);

/* Brings the controller's rows in step with the model, which is looked at again once its tenant is claimed. The controller's own connection is used. Marks
 * the findings. BUSY: somebody else has the tenant; errors of the model and the controller. */
typedef struct mtnt__repair {
    mtnt_controller *controller;
    const char *who, *reason;
    bool accept_replaced;
} mtnt__repair;
int mtnt__inspection_repair(mtnt__inspection *inspection, const mtnt__repair *repair, mtnt_error *err);

#endif
