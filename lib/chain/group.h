/* Groups of tenants by their labels. */
#ifndef MTNT_CHAIN_GROUP_H
#define MTNT_CHAIN_GROUP_H

#include "mtnt/rollout.h"

/* The first group that the tenant matches; `count` = none. */
size_t mtnt__group_of(const mtnt_group *groups, size_t count, const mtnt_model *model);
/* Whether the group comes after that one: by its order, or because it depends on it. */
bool mtnt__group_comes_after(const mtnt_group *group, const mtnt_group *before);

#endif
