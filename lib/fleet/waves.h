/* Waves: how many tenants may have been begun before those so far are judged. Pure: no clock, no database. */
#ifndef MTNT_FLEET_WAVES_H
#define MTNT_FLEET_WAVES_H

#include "chain/share.h"
#include "mtnt/rollout.h"

typedef struct mtnt__waves {
    int64_t ends[MTNT__SHARES_MAX + 2]; /* each wave's last tenant, counted from 1; INT64_MAX in the last */
    int count;                          /* at least 1 */
    int at;
    int64_t begun;                              /* in this wave and those before */
    int64_t open;                               /* of them, not over */
    int64_t begun_before, failed_before, total; /* when this wave began; total: see _plan */
    int64_t soak_ms, soak_until_ms;             /* soak_until_ms 0 = not soaking */
    bool judges;                                /* there is more than one */
    bool budgeted;
    mtnt__share budget;
} mtnt__waves;

/* total: how many tenants have something to do; -1 = not known, and INVALID when a percentage needs it. INVALID: bad texts. */
int mtnt__waves_plan(mtnt__waves *ret_waves, const mtnt_rollout_options *options, int64_t total, mtnt_error *err);
/* Another tenant may be begun. */
bool mtnt__waves_room(const mtnt__waves *waves);
void mtnt__waves_begin(mtnt__waves *waves);
void mtnt__waves_end(mtnt__waves *waves);     /* of a tenant that was begun */
void mtnt__waves_forget(mtnt__waves *waves);  /* the same, and it makes room for another */
void mtnt__waves_inherit(mtnt__waves *waves); /* one that somebody else had begun is begun again */
/* Every tenant that the wave has room for has been begun, and is over; and it is not the last. */
bool mtnt__waves_complete(const mtnt__waves *waves);
bool mtnt__waves_last(const mtnt__waves *waves);
/* As many as this wave has, or will have; -1 = not known. */
int64_t mtnt__waves_size(const mtnt__waves *waves);

/* So many may fail in the whole run; -1 = there is no budget. */
int64_t mtnt__waves_budget(const mtnt__waves *waves);
/* So many more may fail before the run stops at once; INT64_MAX = any number. */
int64_t mtnt__waves_left(const mtnt__waves *waves, int64_t failed);
/* More have failed (of the whole run) than the budget has. Of a wave that is complete: fewer than that, when there is no budget. */
bool mtnt__waves_spent(const mtnt__waves *waves, int64_t failed);
/* After a complete wave: it soaks until then, and nobody is begun. */
void mtnt__waves_soak(mtnt__waves *waves, int64_t until_ms);
/* This is the wave now, with so many begun in it and those before, and so many begun and failed before it. */
void mtnt__waves_set(mtnt__waves *waves, int at, int64_t begun, int64_t begun_before, int64_t failed_before);

#endif
