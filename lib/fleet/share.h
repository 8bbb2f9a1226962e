/* One run, shared by any number of processes: each tells in the controller what it has done, sees what all have, and takes nothing up that another
 * has tried. */
#ifndef MTNT_FLEET_SHARE_H
#define MTNT_FLEET_SHARE_H

#include "fleet/dispatch.h"

/* What the executor's own options say. */
void mtnt__share_terms(const mtnt_executor *executor, const mtnt__job *job, mtnt__run_terms *ret_terms);
/* options.join_run: the executor takes the run's terms over. NOT_FOUND: no such run. REFUSED: it has ended, is another chain's, or cannot be joined. */
int mtnt__share_join(mtnt_executor *executor, mtnt_error *err);
/* Before the loop of a joined run. */
int mtnt__share_enter(mtnt__dispatch *d, mtnt_error *err);
/* This process's part as it stands. */
void mtnt__share_note(const mtnt__dispatch *d, mtnt__run_note *ret_note);
/* A sign of life, and a look at the others, when it is time. The loop goes on when it fails. */
void mtnt__share_beat(mtnt__dispatch *d);
/* Others are at work on this run, as far as we have seen. */
bool mtnt__share_others(const mtnt__dispatch *d);
/* Sets ret_tried for those of the first `count` of d->batch that another process of the run has tried, and that have failed. */
int mtnt__share_tried(mtnt__dispatch *d, size_t count, bool *ret_tried, mtnt_error *err);
/* The last word of this process. */
int mtnt__share_leave(mtnt__dispatch *d, mtnt_error *err);

#endif
