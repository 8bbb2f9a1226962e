/* What a rehearsal has come to: tenants that came the same way together, with the time that it took and the locks that were seen. */
#ifndef MTNT_COMMAND_REHEARSAL_H
#define MTNT_COMMAND_REHEARSAL_H

#include <jansson.h>

#include "work.h"

enum { MTNT__REHEARSAL_LOCKS = 64 };

typedef struct mtnt__rehearsal_lock {
    mtnt_held_lock lock;
    int64_t tenants;
} mtnt__rehearsal_lock;

typedef struct mtnt__rehearsal_group {
    int64_t from, to; /* versions */
    mtnt_backend backend;
    const char *mode; /* static text */
    int64_t tenants, failed, total_ms, slowest_ms;
    size_t executed, skipped; /* operations of a tenant, at most */
    char *slowest;
    mtnt__rehearsal_lock *locks; /* at most MTNT__REHEARSAL_LOCKS: the others are counted */
    size_t lock_count;
    int64_t locks_unlisted;
} mtnt__rehearsal_group;

/* Zero it before use. */
typedef struct mtnt__rehearsal {
    mtnt__rehearsal_group *groups;
    size_t count, size;
} mtnt__rehearsal;

/* The end of one tenant. Without memory it is left out. */
void mtnt__rehearsal_note(mtnt__rehearsal *rehearsal, const mtnt_event *event);
void mtnt__rehearsal_put(const mtnt__work *work, const mtnt__rehearsal *rehearsal);
json_t *mtnt__rehearsal_describe(const mtnt__work *work, const mtnt__rehearsal *rehearsal);
void mtnt__rehearsal_release(mtnt__rehearsal *rehearsal);

#endif
