#include "fleet/groups.h"

#include <stdlib.h>

int mtnt__groups_init(mtnt__groups *groups, const mtnt_rollout_options *options, mtnt_error *err)
{
    *groups = (mtnt__groups){.list = options->groups, .count = options->group_count};
    groups->states = calloc(groups->count + 1, sizeof(*groups->states));
    if (groups->states == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < groups->count; i++)
        groups->states[i].stops = groups->list[i].on_error == MTNT_ON_ERROR_STOP;
    return 0;
}

void mtnt__groups_release(mtnt__groups *groups)
{
    free(groups->states);
    *groups = (mtnt__groups){0};
}

static bool comes_after(const mtnt__groups *groups, size_t group, size_t before)
{
    if (before >= groups->count || before == group)
        return false;
    return group >= groups->count || mtnt__group_comes_after(groups->list + group, groups->list + before);
}

bool mtnt__groups_open(const mtnt__groups *groups, size_t group)
{
    for (size_t i = 0; i < groups->count; i++)
        if (comes_after(groups, group, i) && (!groups->all_known || groups->states[i].here > 0))
            return false;
    return true;
}

bool mtnt__groups_stopped(const mtnt__groups *groups, size_t group)
{
    return groups->states[group].stopped;
}

bool mtnt__groups_room(const mtnt__groups *groups, size_t group)
{
    int64_t most = group < groups->count ? groups->list[group].parallel : 0;

    return !groups->states[group].stopped && (most == 0 || groups->states[group].running < most) &&
           mtnt__groups_open(groups, group);
}

void mtnt__groups_meet(mtnt__groups *groups, size_t group)
{
    groups->states[group].here++;
}

void mtnt__groups_sit(mtnt__groups *groups, size_t group)
{
    groups->states[group].running++;
}

void mtnt__groups_rise(mtnt__groups *groups, size_t group)
{
    groups->states[group].running--;
}

/* The group itself and, one after another, all that come after one that is stopped. */
static void stop(mtnt__groups *groups, size_t group)
{
    bool more = true;

    groups->states[group].stopped = true;
    while (more) {
        more = false;
        for (size_t i = 0; i <= groups->count; i++)
            for (size_t k = 0; k < groups->count && !groups->states[i].stopped; k++)
                if (groups->states[k].stopped && comes_after(groups, i, k))
                    more = groups->states[i].stopped = true;
    }
}

void mtnt__groups_part(mtnt__groups *groups, size_t group)
{
    groups->states[group].here--;
}

void mtnt__groups_fail(mtnt__groups *groups, size_t group)
{
    if (groups->states[group].stops && !groups->states[group].stopped)
        stop(groups, group);
}
