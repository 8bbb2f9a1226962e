/* Tenants whose group's turn has not come: those of one group in the order in which they came. */
#ifndef MTNT_FLEET_PARKING_H
#define MTNT_FLEET_PARKING_H

#include <stddef.h>

#include "mtnt/model.h"

typedef struct mtnt__parking {
    struct mtnt__parking_lot {
        mtnt_model **items;
        size_t first, count, size;
    } * lots;
    size_t lot_count;
    size_t count; /* in all lots */
} mtnt__parking;

int mtnt__parking_init(mtnt__parking *parking, size_t lots, mtnt_error *err);
/* Frees what is left in it. */
void mtnt__parking_release(mtnt__parking *parking);
/* Takes the model over, unless it fails: NOMEM. */
int mtnt__parking_put(mtnt__parking *parking, size_t lot, mtnt_model *model, mtnt_error *err);
/* The caller's from now on; NULL = the lot is empty. */
mtnt_model *mtnt__parking_take(mtnt__parking *parking, size_t lot);

#endif
