/* Who may begin: waves, groups and the rate hold tasks back, and this lets them go. */
#ifndef MTNT_FLEET_ADMIT_H
#define MTNT_FLEET_ADMIT_H

#include "fleet/dispatch.h"

/* What the rollout's options ask for. total: how many tenants have something to do, -1 = not known. INVALID, NOMEM. */
int mtnt__admit_init(mtnt__dispatch *d, int64_t total, mtnt_error *err);
void mtnt__admit_release(mtnt__dispatch *d);

/* Judges the wave when it is over, and lets go whom it may: to a worker (recoveries), or to `wanting`. */
void mtnt__admit(mtnt__dispatch *d);
/* Stops the run when more have failed than may; _judge: or when a wave that is complete everywhere has not passed. */
void mtnt__admit_judge_budget(mtnt__dispatch *d);
void mtnt__admit_judge(mtnt__dispatch *d);
/* How many more may fail before it stops: no worker is to begin more than that. After each look at what has ended. */
void mtnt__admit_limit(mtnt__dispatch *d);
/* The run has begun, has ended: for the first wave and the last. */
void mtnt__admit_announce(mtnt__dispatch *d);
void mtnt__admit_conclude(mtnt__dispatch *d);
/* No worker has it any more, and it is known how it ended; others may have its places. May be called again. */
void mtnt__admit_over(mtnt__dispatch *d, mtnt__task *task);
/* The controller knows its place in the wave. */
void mtnt__admit_placed(mtnt__dispatch *d, mtnt__task *task);
/* There was no place for it: it waits again. */
void mtnt__admit_back(mtnt__dispatch *d, mtnt__task *task);
/* The wave at hand has been finished everywhere, and soaks; the controller says that another one is on. */
void mtnt__admit_finish_wave(mtnt__dispatch *d, int64_t soak_ms);
void mtnt__admit_show_soak(mtnt__dispatch *d, int64_t soak_ms);
void mtnt__admit_set_wave(mtnt__dispatch *d, const mtnt__wave_row *row);
/* The task is over. */
void mtnt__admit_gone(mtnt__dispatch *d, mtnt__task *task);
/* Somebody else has it, and it will come back as another task: it was not in the wave. */
void mtnt__admit_aside(mtnt__dispatch *d, mtnt__task *task);
/* Draining: what has not begun is counted and freed. */
void mtnt__admit_drop(mtnt__dispatch *d);
/* How long nothing will happen by itself, at most `most`: nobody is at work. */
int64_t mtnt__admit_idle_ms(const mtnt__dispatch *d, int64_t most);

#endif
