/* Tenants that are known to be current, the last used ones. Any number of threads: each look takes the lock of one shard, for a hash lookup. */
#ifndef MTNT_FLEET_REMEMBERED_H
#define MTNT_FLEET_REMEMBERED_H

#include "base/system.h"
#include "mtnt/model.h"

typedef struct mtnt__remembered mtnt__remembered;

/* At most so many tenants (a few more for the rounding), each for ttl_ms (0 = until it is forgotten). IO: no randomness; NOMEM. */
int mtnt__remembered_new(mtnt__remembered **ret_remembered, size_t most, int64_t ttl_ms, const mtnt__system *system,
                         mtnt_error *err);
void mtnt__remembered_free(mtnt__remembered *remembered);

bool mtnt__remembered_has(mtnt__remembered *remembered, const mtnt_model *model);
/* How often something of the tenant's shard was forgotten: taken before a question is asked whose answer is then added. */
uint64_t mtnt__remembered_stamp(mtnt__remembered *remembered, const char *tenant);
/* Nothing happens when something was forgotten since the stamp, nor without memory for it: then it is asked for again. */
void mtnt__remembered_add(mtnt__remembered *remembered, const mtnt_model *model, uint64_t stamp);
/* NULL = all of them. */
void mtnt__remembered_forget(mtnt__remembered *remembered, const char *tenant);
/* How often _has was true. */
int64_t mtnt__remembered_hits(mtnt__remembered *remembered);

#endif
