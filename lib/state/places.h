/* Waves and the failure budget of a run, over all of its processes: where its waves are is in the run's row, and who has a place in one is in
 * mtnt_place. Whoever claims for such a run holds the lock on its row until the claims are there. */
#ifndef MTNT_STATE_PLACES_H
#define MTNT_STATE_PLACES_H

#include "state/runs.h"

/* As it stands in the run's row. */
typedef struct mtnt__wave_row {
    int64_t wave; /* from 0 */
    int64_t begun, begun_before, failed_before;
    int64_t soak_until_ms,
        now_ms; /* the controller's clock; soak_until_ms 0 = it has not been judged, or does not soak */
} mtnt__wave_row;

/* What limits the claims of an exchange. */
typedef struct mtnt__pacing {
    const int64_t *ends; /* of the waves */
    int64_t wave_count;  /* 1: there is only a budget */
    bool (*spent)(void *data, const mtnt__wave_row *row,
                  const mtnt__run_sums *sums); /* nobody is to be begun any more */
    void *data;
    bool
        again; /* the same exchange once more, of which an earlier one got as far as to choose: what was not withheld may be there already */
    /* Out. */
    bool chosen;
    mtnt__wave_row row;
    mtnt__run_sums sums;
} mtnt__pacing;

/* The parts of an exchange, in its transaction. _enter: locks the run's row, and waits for others that have it. _choose: after the ends and the counts were
 * written, sets `withheld` in the claims for which there is no room. _settle: after the claims. */
int mtnt__pacing_enter(mtnt_controller *controller, int64_t run, mtnt__pacing *pacing, mtnt_error *err);
int mtnt__pacing_choose(mtnt_controller *controller, int64_t run, mtnt__pacing *pacing, mtnt__claim *const *claims,
                        size_t count, mtnt_error *err);
int mtnt__pacing_settle(mtnt_controller *controller, int64_t run, mtnt__pacing *pacing, const mtnt__end *ends,
                        size_t end_count, mtnt__claim *const *claims, size_t count, mtnt_error *err);

/* One transaction: the counts are written, places of processes that are gone are settled where their tenants are (digest: who has it has nothing
 * to do any more), and each place that is open then is told of, up to 128. */
typedef struct mtnt__wave_look {
    const mtnt__run_note *note;
    const char *chain, *digest;
    bool idle;                                               /* no tenant of this process has a place and is not over */
    void (*open)(void *data, const char *tenant, bool gone); /* gone: its process is, and it is anybody's */
    void *data;
    /* Out. */
    mtnt__wave_row row;
    mtnt__run_sums sums;
    int64_t open_count;
} mtnt__wave_look;
int mtnt__places_look(mtnt_controller *controller, mtnt__wave_look *look, mtnt_error *err);

/* Each is one transaction, and changes nothing when another process was quicker. */
int mtnt__wave_soak(mtnt_controller *controller, int64_t run, int64_t wave, int64_t soak_ms, mtnt_error *err);
int mtnt__wave_next(mtnt_controller *controller, int64_t run, int64_t wave, int64_t failed, mtnt_error *err);

/* Reads only. ret_placed[i]: tenants[i] has a place that is not settled. */
int mtnt__places_find(mtnt_controller *controller, int64_t run, const char *const *tenants, size_t count,
                      bool *ret_placed, mtnt_error *err);

#endif
