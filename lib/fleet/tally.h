/* Counts of a run, and its events: all from the dispatcher's thread. */
#ifndef MTNT_FLEET_TALLY_H
#define MTNT_FLEET_TALLY_H

#include "coordinate/task.h"
#include "mtnt/executor.h"

typedef struct mtnt__tally {
    mtnt_counts counts;
    const mtnt_reporter *reporter;
    const mtnt__system *system;
    const char *lane;
    int64_t run, started_ms, progress_ms;
    int64_t met;       /* failed without an attempt of ours: other processes of the run meet the same */
    mtnt_counts whole; /* of all processes of the run, as seen last */
    int processes, at_work;
} mtnt__tally;

void mtnt__tally_init(mtnt__tally *tally, const mtnt_reporter *reporter, const mtnt__system *system);
void mtnt__tally_run_started(mtnt__tally *tally, int workers, const char *guarantee);
void mtnt__tally_tenant_started(mtnt__tally *tally, const mtnt__task *task);
/* Answered by the controller. */
void mtnt__tally_current(mtnt__tally *tally, const mtnt_model *model);
void mtnt__tally_recovered(mtnt__tally *tally, bool committed);
/* A task that was tried, with its operations; or (error set, no attempt) one that could not be begun. */
void mtnt__tally_finished(mtnt__tally *tally, const mtnt__task *task);
void mtnt__tally_failed(mtnt__tally *tally, const mtnt_model *model, const mtnt_error *error);
/* A try that failed, and is followed by another. */
void mtnt__tally_retry(mtnt__tally *tally, const mtnt__task *task, int64_t pause_ms);
void mtnt__tally_wave(mtnt__tally *tally, mtnt_event_type type, const mtnt_wave *wave);
/* Tried by another process of the run, where it has failed. */
void mtnt__tally_elsewhere(mtnt__tally *tally, const mtnt_model *model);
void mtnt__tally_untouched(mtnt__tally *tally, const mtnt_model *model);
/* Untouched, because another lane has to come first; the error says which. */
void mtnt__tally_held(mtnt__tally *tally, const mtnt_model *model, const mtnt_error *error);
void mtnt__tally_progress(mtnt__tally *tally, size_t running);
/* A warning, when the attempt at hand leaves something to be said besides. */
void mtnt__tally_remark(mtnt__tally *tally, const mtnt__task *task);
void mtnt__tally_warning(mtnt__tally *tally, const mtnt_error *error);
void mtnt__tally_run_finished(mtnt__tally *tally, const mtnt_error *error);

#endif
