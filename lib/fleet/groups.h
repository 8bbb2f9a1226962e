/* Which groups' turn it is. Pure. `count` is the group of the tenants that match none, which comes last. */
#ifndef MTNT_FLEET_GROUPS_H
#define MTNT_FLEET_GROUPS_H

#include "chain/group.h"

typedef struct mtnt__group_state {
    int64_t here;    /* tenants of it that are known of and not over */
    int64_t running; /* of them, begun and holding a place */
    bool stopped;    /* an error has: what is left of it is not touched */
    bool stops;      /* its on_error, or the run's */
} mtnt__group_state;

typedef struct mtnt__groups {
    const mtnt_group *list;
    size_t count;
    mtnt__group_state *states; /* count + 1 */
    bool all_known;            /* the source has ended */
} mtnt__groups;

/* The list has been checked. NOMEM. */
int mtnt__groups_init(mtnt__groups *groups, const mtnt_rollout_options *options, mtnt_error *err);
void mtnt__groups_release(mtnt__groups *groups);

/* Everything that comes before it is over. */
bool mtnt__groups_open(const mtnt__groups *groups, size_t group);
/* It was stopped, or something that comes before it was. */
bool mtnt__groups_stopped(const mtnt__groups *groups, size_t group);
/* Open, not stopped, and with a place left. */
bool mtnt__groups_room(const mtnt__groups *groups, size_t group);

/* A tenant has come, takes a place, leaves it, is over. */
void mtnt__groups_meet(mtnt__groups *groups, size_t group);
void mtnt__groups_sit(mtnt__groups *groups, size_t group);
void mtnt__groups_rise(mtnt__groups *groups, size_t group);
void mtnt__groups_part(mtnt__groups *groups, size_t group);
/* One of it has failed. */
void mtnt__groups_fail(mtnt__groups *groups, size_t group);

#endif
