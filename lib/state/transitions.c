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
    }
    return "unknown";
}

mtnt__migration_state mtnt__migration_state_parse(const char *name)
{
    for (mtnt__migration_state state = MTNT__STATE_EXECUTING; state <= MTNT__STATE_IN_DOUBT; state++)
        if (strcmp(mtnt__migration_state_name(state), name) == 0)
            return state;
    return MTNT__STATE_NONE;
}

bool mtnt__migration_state_ended(mtnt__migration_state state)
{
    return state == MTNT__STATE_COMMITTED || state == MTNT__STATE_ABORTED;
}
