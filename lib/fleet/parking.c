#include "fleet/parking.h"

#include <stdlib.h>
#include <string.h>

int mtnt__parking_init(mtnt__parking *parking, size_t lots, mtnt_error *err)
{
    *parking = (mtnt__parking){.lots = calloc(lots, sizeof(*parking->lots)), .lot_count = lots};
    return parking->lots == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;
}

void mtnt__parking_release(mtnt__parking *parking)
{
    for (size_t i = 0; parking->lots != NULL && i < parking->lot_count; i++) {
        mtnt_model *model;

        while ((model = mtnt__parking_take(parking, i)) != NULL)
            mtnt_model_free(model);
        free(parking->lots[i].items);
    }
    free(parking->lots);
    *parking = (mtnt__parking){0};
}

int mtnt__parking_put(mtnt__parking *parking, size_t lot, mtnt_model *model, mtnt_error *err)
{
    struct mtnt__parking_lot *there = parking->lots + lot;

    if (there->first + there->count == there->size) {
        size_t size = there->size == 0 ? 64 : there->size * 2;
        mtnt_model **items = reallocarray(there->items, size, sizeof(mtnt_model *));

        if (items == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        there->items = items;
        there->size = size;
    }
    there->items[there->first + there->count++] = model;
    parking->count++;
    return 0;
}

mtnt_model *mtnt__parking_take(mtnt__parking *parking, size_t lot)
{
    struct mtnt__parking_lot *there = parking->lots + lot;

    if (there->count == 0) {
        there->first = 0;
        return NULL;
    }
    there->count--;
    parking->count--;
    return there->items[there->first++];
}
