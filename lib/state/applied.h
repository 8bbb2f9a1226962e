/* What has been applied to a tenant, and what follows from it: the comparison with the chain, and plans. No database here. */
#ifndef MTNT_STATE_APPLIED_H
#define MTNT_STATE_APPLIED_H

#include "chain/chain.h"

/* One operation as a record has it. */
typedef struct mtnt__record {
    char *name;
    int64_t position;
    char checksum[MTNT__CHECKSUM_SIZE];
    char migration[MTNT__ID_SIZE];
    int64_t run;                     /* 0 = unknown */
    int64_t started_ms, finished_ms; /* 0 = unknown */
    bool in_controller;              /* recorded there alone: nothing but the controller was written */
} mtnt__record;

#define MTNT__LANE_KEY_SIZE 104 /* "crm/slow", as the records have it, + NUL */

/* The applied set of one tenant, by position. */
typedef struct mtnt__applied {
    mtnt__record *records;
    size_t count, size;
    mtnt__record *elsewhere; /* an operation of this lane that is applied in another lane of the chain; NULL = none */
    char elsewhere_key[MTNT__LANE_KEY_SIZE];
} mtnt__applied;

void mtnt__applied_release(mtnt__applied *applied);
/* Copies `record` in; keeps the order by position. */
int mtnt__applied_add(mtnt__applied *applied, const mtnt__record *record, mtnt_error *err);
const mtnt__record *mtnt__applied_find(const mtnt__applied *applied, const char *name);
/* Whether there is nothing to do for the entry: it is applied and, if it is repeatable, as it is now. */
bool mtnt__applied_has(const mtnt__applied *applied, const mtnt__chain_entry *entry);
/* Forgets a record; one that is not there is fine. */
void mtnt__applied_drop(mtnt__applied *applied, const char *name);

/* Keeps the first that it is told of. */
int mtnt__applied_note_elsewhere(mtnt__applied *applied, const mtnt__record *record, const char *key, mtnt_error *err);

/* HISTORY: an operation that is applied in lane `from` is now in lane `to`, which are names. */
int mtnt__applied_moved(const char *operation, int64_t order, const char *from, const char *to, const mtnt_chain *chain,
                        const char *tenant, mtnt_error *err);

/* HISTORY with a text that says what to do: one that is applied in another lane, an unknown, renamed, moved or changed operation, and (unless allowed) operations that come
 * before an applied one. */
int mtnt__applied_check(const mtnt__applied *applied, const mtnt_chain *chain, const char *tenant,
                        bool allow_out_of_order, mtnt_error *err);

/* Indexes of chain entries to run, in the order of running. At most `steps` (0 = all).
 * forward: enabled and not applied, up to and with entry `last` (-1 = the end). backward: applied, latest first, down to but without
 * entry `last` (-1 = all), only those of `run` (0 = any). Repeatable ones are no steps: they go back first when anything does. *ret_plan is malloc'ed
 * (NULL when empty). */
int mtnt__plan_forward(const mtnt__applied *applied, const mtnt_chain *chain, ptrdiff_t last, int64_t steps,
                       size_t **ret_plan, size_t *ret_count, mtnt_error *err);
int mtnt__plan_backward(const mtnt__applied *applied, const mtnt_chain *chain, ptrdiff_t last, int64_t steps,
                        int64_t run, size_t **ret_plan, size_t *ret_count, mtnt_error *err);

/* A name for a set of applied operations: equal digests, equal sets. Disabled operations do not count, so that switching one off does not
 * make a fleet look stale. */
typedef struct mtnt__position {
    int64_t version;                  /* order of the last applied, enabled operation; 0 = none */
    char digest[MTNT__CHECKSUM_SIZE]; /* "" for the empty set */
} mtnt__position;
int mtnt__position_of(const mtnt__applied *applied, const mtnt_chain *chain, mtnt__position *ret_position,
                      mtnt_error *err);

/* The positions of a chain after each of its enabled operations, beginning with none: count = enabled + 1. */
typedef struct mtnt__ladder {
    mtnt__position *rungs;
    ptrdiff_t *entries;     /* the entry that leads to the rung; -1 for the first */
    uint32_t *writes_after; /* what the operations above the rung write, together */
    size_t count;
} mtnt__ladder;
int mtnt__ladder_new(mtnt__ladder *ret_ladder, const mtnt_chain *chain, mtnt_error *err);
void mtnt__ladder_release(mtnt__ladder *ladder);
/* The rung with that digest, or -1 when the tenant stands on none (operations out of order, another chain's past). */
ptrdiff_t mtnt__ladder_find(const mtnt__ladder *ladder, const char *digest);

#endif
