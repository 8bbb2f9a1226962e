/* Plans in files: what was planned, for a migrate that does that and nothing else. For each tenant there are eight bytes, a fingerprint of who it is,
 * where its model is and what is applied to it. */
#ifndef MTNT_COMMAND_PLAN_SAVED_H
#define MTNT_COMMAND_PLAN_SAVED_H

#include "work.h"

/* Zero it before use. */
typedef struct mtnt__saved_states {
    uint64_t *items;
    size_t count, size;
    bool sorted;
} mtnt__saved_states;

/* 0 or an exit code, after a message. */
int mtnt__saved_states_add(mtnt__work *work, mtnt__saved_states *states, const char *tenant, const mtnt_model *model,
                           const char *digest);
void mtnt__saved_states_sort(mtnt__saved_states *states);
bool mtnt__saved_states_has(const mtnt__saved_states *states, const char *tenant, const mtnt_model *model,
                            const char *digest);
void mtnt__saved_states_release(mtnt__saved_states *states);

/* One file for one lane. */
int mtnt__saved_check(mtnt__work *work);
struct mtnt__plan;
/* Writes settings.save as a whole, or not at all. */
int mtnt__saved_write(struct mtnt__plan *plan);

/* Reads settings.plan: what it says of --to, --steps, --mode and --allow-out-of-order becomes the settings', and must not be said otherwise. The chain must
 * be the same. CONFIG for a file that is none; FATAL: the chain has moved on. */
int mtnt__saved_load(mtnt__work *work, mtnt__saved_states *ret_states);
/* The controller is open. Every selected tenant must be where the plan has it, and none missing that the plan has, unless tenants were selected by name or
 * label. FATAL: the fleet has moved on. */
int mtnt__saved_compare(mtnt__work *work, const mtnt__saved_states *states);
/* For mtnt_migration_options.expect; data: the states. */
int mtnt__saved_expect(void *data, const mtnt_model *model, int64_t version, const char *digest, mtnt_error *err);

#endif
