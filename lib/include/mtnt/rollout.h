/* How a run goes over the fleet: in which order, how many at once, how fast, and when it stops. Everything here may be left out. */
#ifndef MTNT_ROLLOUT_H
#define MTNT_ROLLOUT_H

#include "mtnt/model.h"

MTNT_BEGIN_DECLS

typedef enum mtnt_on_error {
    MTNT_ON_ERROR_DEFAULT = 0, /* of a group: as the run's */
    MTNT_ON_ERROR_CONTINUE,
    MTNT_ON_ERROR_STOP
} mtnt_on_error;

/* Tenants with certain labels. A tenant belongs to the first group of the list that it matches; those that match none come last, when all groups
 * are over. A group starts when all groups of a lower order, and those that it depends on, are over; it never starts once one of these
 * has been stopped by an error. Texts and lists are the caller's. */
typedef struct mtnt_group {
    const char *name;         /* unique */
    const char *const *match; /* "key=value" labels that must all be there, NULL-terminated; at least one */
    int64_t order;            /* lower ones first; the same: beside each other */
    int64_t parallel;         /* so many of its tenants at a time; 0 = no limit but the workers */
    mtnt_on_error on_error;   /* STOP: after a failure no further tenant of it, nor of what comes after it, starts */
    const char *const *depends_on; /* names of groups, NULL-terminated; NULL = none */
} mtnt_group;

/* Zero it first. Texts and lists are borrowed by whoever takes it. Counts of tenants are of those that have something to do: what is current costs
 * nothing and proves nothing. */
typedef struct mtnt_rollout_options {
    /* Waves: "1,10%,100%", each as far as which tenant it goes, in the order of the source (groups first); the last is 100%, said or not. The next
     * one begins when all tenants of a wave are over, its failures are within max_failures (none, when that is NULL), and soak_ms have passed.
     * canary: a first wave of so many tenants. NULL and 0 = all at once. */
    const char *waves;
    int64_t canary, soak_ms;
    /* "5", or "2%" of the tenants: when more have failed the run stops. A percentage holds for each wave by itself, too. NULL = no budget. */
    const char *max_failures;
    /* A tenant that failed by an error that says `retryable` is tried again, so many times, as a new migration, after a pause of retry_ms (0 = 1 s),
     * doubled each time up to a minute, of which chance takes up to a half. No worker waits for it. */
    int64_t retries, retry_ms;
    /* So many tenants at a time on each PostgreSQL server, those of other processes that use the same controller and have a limit included. 0 = no
     * limit. A server is its host and port as written; SQLite models have none. */
    int64_t per_server;
    /* PostgreSQL connections of this process at most, all of them: as many workers as those are enough for take part. A run needs two with a PostgreSQL
     * controller, and each worker its controller's, its model's, and another one while a model is made or removed. 0 = no limit. */
    int64_t connections;
    /* "10/s", "90/m", "500/h": no more tenants are begun in that time. NULL = no limit. */
    const char *rate;
    const mtnt_group *groups;
    size_t group_count;
    /* So long a run waits for a PostgreSQL controller that does not answer, or only as a standby (restarted, failed over), and tries to connect again; what
     * was under way meanwhile is taken up where it stands. 0 = 60 s, negative = not at all. */
    int64_t controller_wait_ms;
    /* How many tenants will have something to do (mtnt_executor_count), for percentages; 0: what the source says that it has is taken for it. */
    int64_t pending;
} mtnt_rollout_options;

/* Whether these texts can be used, see above. 0, or INVALID with what is wrong. */
MTNT_API int mtnt_rollout_check_waves(const char *waves, mtnt_error *err);
MTNT_API int mtnt_rollout_check_max_failures(const char *max_failures, mtnt_error *err);
MTNT_API int mtnt_rollout_check_rate(const char *rate, mtnt_error *err);
/* Whether one of them cannot be used without knowing how many tenants have something to do. */
MTNT_API bool mtnt_rollout_needs_count(const mtnt_rollout_options *options);

/* Names that are missing, not unique or not known, what depends on itself, on a group of a higher order, or has no label to match. 0, or INVALID
 * with *ret_index = the group that is wrong (both may be NULL). */
MTNT_API int mtnt_groups_check(const mtnt_group *groups, size_t count, size_t *ret_index, mtnt_error *err);

MTNT_END_DECLS

#endif
