#include "state/transitions.h"

#include <string.h>

static const mtnt__transition transitions[] = {
    {MTNT__STATE_NONE, MTNT__EVENT_CLAIM, MTNT__STATE_EXECUTING, "a worker has the tenant"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_COMMIT, MTNT__STATE_COMMITTED, "both databases hold all of it"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_ABORT, MTNT__STATE_ABORTED, "neither database holds any of it"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_LOSE_ANSWER, MTNT__STATE_IN_DOUBT,
     "decided, and not known here: recovery asks the register"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_MEET_FOREIGN, MTNT__STATE_BLOCKED,
     "a foreign object has the model's name: both are kept; move one away"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_COMMIT, MTNT__STATE_COMMITTED,
     "recovery found that both databases hold all of it"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_ABORT, MTNT__STATE_ABORTED, "recovery found that neither holds any of it"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_MEET_FOREIGN, MTNT__STATE_BLOCKED,
     "committed, but a foreign object has the model's name"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_COMMIT, MTNT__STATE_COMMITTED, "the name is free again, and the model has it"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_ABORT, MTNT__STATE_ABORTED, "given up; only the provisional model was removed"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_LOSE_ANSWER, MTNT__STATE_IN_DOUBT, "recovery itself was cut off"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_COMPENSATE, MTNT__STATE_COMPENSATING,
     "a step failed: what was committed before it is being taken back"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_COMPENSATE, MTNT__STATE_COMPENSATING,
     "a step was cut off: what was committed before it is being taken back"},
    {MTNT__STATE_COMPENSATING, MTNT__EVENT_ABORT, MTNT__STATE_ABORTED, "all of it has been taken back"},
    {MTNT__STATE_COMPENSATING, MTNT__EVENT_COMMIT, MTNT__STATE_COMMITTED,
     "taken back as far as the last step that only goes forward; what stands before it stays"},
    {MTNT__STATE_COMPENSATING, MTNT__EVENT_FAIL_TO_UNDO, MTNT__STATE_ROLLBACK_FAILED,
     "a rollback keeps failing: nobody touches the tenant until a person has settled it"},
    {MTNT__STATE_ROLLBACK_FAILED, MTNT__EVENT_RETRY, MTNT__STATE_COMPENSATING,
     "a person wants the rollbacks tried again"},
    {MTNT__STATE_ROLLBACK_FAILED, MTNT__EVENT_RESOLVE_COMMIT, MTNT__STATE_COMMITTED,
     "a person has completed it by hand"},
    {MTNT__STATE_ROLLBACK_FAILED, MTNT__EVENT_RESOLVE_ABORT, MTNT__STATE_ABORTED, "a person has taken it back by hand"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_DISAGREE, MTNT__STATE_DIVERGED,
     "one database holds it and the other does not: somebody has interfered"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_DISAGREE, MTNT__STATE_DIVERGED,
     "one database holds it and the other does not: somebody has interfered"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_DISAGREE, MTNT__STATE_DIVERGED,
     "one database holds it and the other does not: somebody has interfered"},
    {MTNT__STATE_DIVERGED, MTNT__EVENT_RESOLVE_COMMIT, MTNT__STATE_COMMITTED,
     "a person has brought both to the state after it"},
    {MTNT__STATE_DIVERGED, MTNT__EVENT_RESOLVE_ABORT, MTNT__STATE_ABORTED,
     "a person has brought both to the state before it"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_RESOLVE_COMMIT, MTNT__STATE_COMMITTED,
     "a person says that what stands at the name is the model"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_RESOLVE_ABORT, MTNT__STATE_ABORTED,
     "a person gives the new model up; what stands at the name stays"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_RESOLVE_COMMIT, MTNT__STATE_COMMITTED,
     "a person answers for a database that is gone: it was committed"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_RESOLVE_ABORT, MTNT__STATE_ABORTED,
     "a person answers for a database that is gone: it was not committed"},
};

const mtnt__transition *mtnt__transitions(size_t *ret_count)
{
    *ret_count = sizeof(transitions) / sizeof(*transitions);
    return transitions;
}

const mtnt__transition *mtnt__transition_find(mtnt__migration_state from, mtnt__migration_event event)
{
    for (size_t i = 0; i < sizeof(transitions) / sizeof(*transitions); i++)
        if (transitions[i].from == from && transitions[i].event == event)
            return transitions + i;
    return NULL;
}

mtnt__migration_state mtnt__migration_move(mtnt__migration_state from, mtnt__migration_event event)
{
    const mtnt__transition *edge = mtnt__transition_find(from, event);

    return edge == NULL ? from : edge->to;
}

const char *mtnt__migration_state_name(mtnt__migration_state state)
{
    switch (state) {
    case MTNT__STATE_NONE: return "none";
    case MTNT__STATE_EXECUTING: return "executing";
    case MTNT__STATE_COMMITTED: return "committed";
    case MTNT__STATE_ABORTED: return "aborted";
    case MTNT__STATE_BLOCKED: return "blocked";
    case MTNT__STATE_IN_DOUBT: return "in_doubt";
    case MTNT__STATE_COMPENSATING: return "compensating";
    case MTNT__STATE_ROLLBACK_FAILED: return "rollback_failed";
    case MTNT__STATE_DIVERGED: return "diverged";
    }
    return "unknown";
}

const char *mtnt__migration_event_name(mtnt__migration_event event)
{
    switch (event) {
    case MTNT__EVENT_CLAIM: return "claim";
    case MTNT__EVENT_COMMIT: return "commit";
    case MTNT__EVENT_ABORT: return "abort";
    case MTNT__EVENT_LOSE_ANSWER: return "lose the answer";
    case MTNT__EVENT_MEET_FOREIGN: return "meet a foreign object";
    case MTNT__EVENT_COMPENSATE: return "compensate";
    case MTNT__EVENT_FAIL_TO_UNDO: return "fail to undo";
    case MTNT__EVENT_DISAGREE: return "disagree";
    case MTNT__EVENT_RETRY: return "resolve: retry";
    case MTNT__EVENT_RESOLVE_COMMIT: return "resolve: committed";
    case MTNT__EVENT_RESOLVE_ABORT: return "resolve: aborted";
    }
    return "unknown";
}

mtnt__migration_state mtnt__migration_state_parse(const char *name)
{
    for (mtnt__migration_state state = MTNT__STATE_EXECUTING; state <= MTNT__STATE_DIVERGED; state++)
        if (strcmp(mtnt__migration_state_name(state), name) == 0)
            return state;
    return MTNT__STATE_NONE;
}

bool mtnt__migration_state_ended(mtnt__migration_state state)
{
    return state == MTNT__STATE_COMMITTED || state == MTNT__STATE_ABORTED;
}

bool mtnt__migration_state_waits_for_a_person(mtnt__migration_state state)
{
    return state == MTNT__STATE_ROLLBACK_FAILED || state == MTNT__STATE_DIVERGED;
}

static const mtnt__status_transition status_transitions[] = {
    {MTNT_STATUS_NONE, MTNT_STATUS_PENDING, "plan", "it is to run"},
    {MTNT_STATUS_PENDING, MTNT_STATUS_PENDING, "plan", "an earlier attempt did not reach it: it is to run"},
    {MTNT_STATUS_STARTED, MTNT_STATUS_PENDING, "plan", "an earlier attempt was cut off in it: it runs again"},
    {MTNT_STATUS_FAILED, MTNT_STATUS_PENDING, "plan", "it failed before: it runs again"},
    {MTNT_STATUS_ROLLED_BACK, MTNT_STATUS_PENDING, "plan", "it was taken back before: it runs again"},
    {MTNT_STATUS_COMPLETED, MTNT_STATUS_PENDING, "plan", "a rewind is to take it back"},
    {MTNT_STATUS_PENDING, MTNT_STATUS_STARTED, "begin", "it runs, or its rollback does"},
    {MTNT_STATUS_STARTED, MTNT_STATUS_COMPLETED, "succeed", "it is done"},
    {MTNT_STATUS_STARTED, MTNT_STATUS_FAILED, "fail", "it failed, or its rollback did; the error says why"},
    {MTNT_STATUS_STARTED, MTNT_STATUS_ROLLED_BACK, "rewind", "its rollback is done"},
    {MTNT_STATUS_COMPLETED, MTNT_STATUS_ROLLED_BACK, "compensate",
     "it was done, and was taken back because a later one failed"},
};

const mtnt__status_transition *mtnt__status_transitions(size_t *ret_count)
{
    *ret_count = sizeof(status_transitions) / sizeof(*status_transitions);
    return status_transitions;
}

bool mtnt__status_may_become(mtnt_status from, mtnt_status to)
{
    for (size_t i = 0; i < sizeof(status_transitions) / sizeof(*status_transitions); i++)
        if (status_transitions[i].from == from && status_transitions[i].to == to)
            return true;
    return false;
}
