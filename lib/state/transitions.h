/* The states of a migration and the statuses of an operation, as data: from, event, to. The tests walk every edge; STATES.md is made of it. */
#ifndef MTNT_STATE_TRANSITIONS_H
#define MTNT_STATE_TRANSITIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "mtnt/operation.h"

typedef enum mtnt__migration_state {
    MTNT__STATE_NONE = 0,
    MTNT__STATE_EXECUTING,
    MTNT__STATE_COMMITTED,
    MTNT__STATE_ABORTED,
    MTNT__STATE_BLOCKED,
    MTNT__STATE_IN_DOUBT,
    MTNT__STATE_COMPENSATING,
    MTNT__STATE_ROLLBACK_FAILED,
    MTNT__STATE_DIVERGED
} mtnt__migration_state;

typedef enum mtnt__migration_event {
    MTNT__EVENT_CLAIM = 1, /* a worker takes the tenant */
    MTNT__EVENT_COMMIT,    /* the decider says commit, and the other side is finished */
    MTNT__EVENT_ABORT,     /* nothing of it is left, or the decider says abort */
    MTNT__EVENT_LOSE_ANSWER, /* COMMIT or PREPARE was sent and its answer lost, or a side is out of reach after the decision */
    MTNT__EVENT_MEET_FOREIGN,   /* something that is not ours stands at the model's name */
    MTNT__EVENT_COMPENSATE,     /* a saga goes back: what it has committed is taken back, step by step */
    MTNT__EVENT_FAIL_TO_UNDO,   /* a rollback keeps failing */
    MTNT__EVENT_DISAGREE,       /* the two databases were seen to differ about it */
    MTNT__EVENT_RETRY,          /* a person has removed the reason and wants the rollbacks tried again */
    MTNT__EVENT_RESOLVE_COMMIT, /* a person's word: both hold all of it */
    MTNT__EVENT_RESOLVE_ABORT   /* a person's word: neither holds any of it */
} mtnt__migration_event;

typedef struct mtnt__transition {
    mtnt__migration_state from;
    mtnt__migration_event event;
    mtnt__migration_state to;
    const char *operator_text; /* what it means to the person on call */
} mtnt__transition;

const mtnt__transition *mtnt__transitions(size_t *ret_count);
/* The edge, or NULL when there is none: the event changes nothing there. */
const mtnt__transition *mtnt__transition_find(mtnt__migration_state from, mtnt__migration_event event);
/* Where the event leads; where there is no edge the state stays as it is. */
mtnt__migration_state mtnt__migration_move(mtnt__migration_state from, mtnt__migration_event event);
const char *mtnt__migration_event_name(mtnt__migration_event event);
const char *mtnt__migration_state_name(mtnt__migration_state state);
/* NONE for a text that is none of the names. */
mtnt__migration_state mtnt__migration_state_parse(const char *name);
bool mtnt__migration_state_ended(mtnt__migration_state state);
/* Only a person ends it: recovery leaves it as it is. */
bool mtnt__migration_state_waits_for_a_person(mtnt__migration_state state);

/* An operation's status for one tenant. What a crash leaves is what the register says of the whole, never this. */
typedef struct mtnt__status_transition {
    mtnt_status from; /* NONE: not known for this tenant */
    mtnt_status to;
    const char *event;
    const char *operator_text;
} mtnt__status_transition;

const mtnt__status_transition *mtnt__status_transitions(size_t *ret_count);
bool mtnt__status_may_become(mtnt_status from, mtnt_status to);

#endif
