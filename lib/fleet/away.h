/* A controller that does not answer: restarted, failed over, or behind a cut. Its questions are put again until it does, or the wait is over. */
#ifndef MTNT_FLEET_AWAY_H
#define MTNT_FLEET_AWAY_H

#include "fleet/dispatch.h"

#define MTNT__CONTROLLER_WAIT_MS 60000

typedef enum mtnt__heard {
    MTNT__HEARD_ANSWER = 0,
    MTNT__HEARD_NOTHING, /* yet: everything stays as it is, and the same question is put again */
    MTNT__HEARD_LOST     /* the run is over */
} mtnt__heard;

/* Whether a question may be put now. */
bool mtnt__away_asks(const mtnt__dispatch *d);
/* What an answer, or none, means. Every question goes through it, and may be put twice: what is written is written by migration. */
mtnt__heard mtnt__away_hear(mtnt__dispatch *d, int rc, const mtnt_error *error);
/* Whether such an error is one that passes. */
bool mtnt__away_may_come_back(int rc, const mtnt_error *error);
/* It was away, and answers again: once. Until it does each question is the first that it may answer. */
bool mtnt__away_is_back(mtnt__dispatch *d);
/* `most`, or less when it is to be asked before. */
int64_t mtnt__away_idle_ms(const mtnt__dispatch *d, int64_t most);
/* A new timeline is another server, which may have less than this run was told is done: said, once. */
void mtnt__away_note_timeline(mtnt__dispatch *d);
/* For what comes after the loop. */
void mtnt__away_sleep(const mtnt__dispatch *d);

/* Nothing of it was decided, or it is not known what was, because the controller was not there: that is no failure of the tenant's, and costs none of its
 * tries. */
bool mtnt__away_is_why(mtnt__dispatch *d, mtnt__task *task);

#endif
