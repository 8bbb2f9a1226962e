#include "rehearsal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "lint.h"
#include "run.h"

/* ---- noting ---- */

static mtnt__rehearsal_group *find(mtnt__rehearsal *rehearsal, const mtnt_event *event)
{
    const mtnt_outcome *outcome = event->outcome;
    mtnt_backend backend = mtnt_model_backend(event->tenant);

    for (size_t i = 0; i < rehearsal->count; i++) {
        mtnt__rehearsal_group *at = &rehearsal->groups[i];

        if (at->from == outcome->from_version && at->backend == backend && strcmp(at->mode, outcome->mode) == 0)
            return at;
    }
    if (rehearsal->count == rehearsal->size) {
        size_t size = rehearsal->size * 2 + 8;
        mtnt__rehearsal_group *bigger = reallocarray(rehearsal->groups, size, sizeof *bigger);

        if (bigger == NULL)
            return NULL;
        rehearsal->groups = bigger;
        rehearsal->size = size;
    }
    rehearsal->groups[rehearsal->count] = (mtnt__rehearsal_group){
        .from = outcome->from_version, .to = outcome->from_version, .backend = backend, .mode = outcome->mode};
    return &rehearsal->groups[rehearsal->count++];
}

static void note_lock(mtnt__rehearsal_group *group, const mtnt_held_lock *lock)
{
    mtnt__rehearsal_lock *bigger;

    for (size_t i = 0; i < group->lock_count; i++) {
        mtnt__rehearsal_lock *at = &group->locks[i];

        if (at->lock.on_controller == lock->on_controller && strcmp(at->lock.table, lock->table) == 0 &&
            strcmp(at->lock.mode, lock->mode) == 0) {
            at->tenants++;
            return;
        }
    }
    bigger = group->lock_count == MTNT__REHEARSAL_LOCKS
                 ? NULL
                 : reallocarray(group->locks, group->lock_count + 1, sizeof *bigger);
    if (bigger == NULL) {
        group->locks_unlisted++;
        return;
    }
    group->locks = bigger;
    bigger[group->lock_count++] = (mtnt__rehearsal_lock){*lock, 1};
}

void mtnt__rehearsal_note(mtnt__rehearsal *rehearsal, const mtnt_event *event)
{
    const mtnt_outcome *outcome = event->outcome;
    mtnt__rehearsal_group *group;
    int64_t took;

    if (outcome == NULL || outcome->mode == NULL || event->result == MTNT_RESULT_CURRENT)
        return;
    group = find(rehearsal, event);
    if (group == NULL)
        return;
    group->tenants++;
    group->failed += event->result != MTNT_RESULT_REHEARSED;
    took = outcome->finished_ms - outcome->started_ms;
    group->total_ms += took;
    if (group->slowest == NULL || took > group->slowest_ms) {
        free(group->slowest);
        group->slowest = strdup(mtnt_model_id(event->tenant));
        group->slowest_ms = took;
    }
    if (outcome->to_version > group->to)
        group->to = outcome->to_version;
    if (outcome->executed > group->executed)
        group->executed = outcome->executed;
    if (outcome->skipped > group->skipped)
        group->skipped = outcome->skipped;
    for (size_t i = 0; i < outcome->lock_count; i++)
        note_lock(group, &outcome->locks[i]);
}

void mtnt__rehearsal_release(mtnt__rehearsal *rehearsal)
{
    for (size_t i = 0; i < rehearsal->count; i++) {
        free(rehearsal->groups[i].slowest);
        free(rehearsal->groups[i].locks);
    }
    free(rehearsal->groups);
    *rehearsal = (mtnt__rehearsal){NULL, 0, 0};
}

/* ---- text ---- */

static const char *backend_name(mtnt_backend backend)
{
    return backend == MTNT_SQLITE ? "SQLite" : "PostgreSQL";
}

static void put_locks(const mtnt__work *work, const mtnt__rehearsal_group *group)
{
    FILE *out = work->screen.out;
    char *text = NULL;
    size_t length = 0;
    FILE *into = group->lock_count == 0 ? NULL : open_memstream(&text, &length);

    if (into == NULL)
        return;
    for (size_t i = 0; i < group->lock_count; i++) {
        const mtnt__rehearsal_lock *at = &group->locks[i];

        fprintf(into, "%s%s on %s%s", i > 0 ? ", " : "", at->lock.mode, at->lock.table,
                at->lock.on_controller ? " (controller)" : "");
        if (at->tenants < group->tenants)
            fprintf(into, " (%" PRId64 " of them)", at->tenants);
    }
    if (group->locks_unlisted > 0)
        fputs(", and others", into);
    if (fclose(into) == 0) {
        fputs("  locks seen: ", out);
        mtnt__lint_put_wrapped(&work->screen, out, 14, 4, text);
    }
    free(text);
}

static void put_group(const mtnt__work *work, const mtnt__rehearsal_group *group)
{
    FILE *out = work->screen.out;
    char each[MTNT__WORDS_DURATION_SIZE], most[MTNT__WORDS_DURATION_SIZE];

    mtnt__words_duration(each, group->total_ms / group->tenants);
    mtnt__words_duration(most, group->slowest_ms);
    fprintf(out, "rehearsed from version %" PRId64 " to %" PRId64 ": %" PRId64 " tenant%s, %s, %s\n", group->from,
            group->to, group->tenants, group->tenants == 1 ? "" : "s", backend_name(group->backend), group->mode);
    fprintf(out, "  %" PRId64 " went through, %" PRId64 " failed; %s each, at most %s (",
            group->tenants - group->failed, group->failed, each, most);
    mtnt__words_put(out, group->slowest == NULL ? "?" : group->slowest);
    fputs(")\n", out);
    put_locks(work, group);
}

static bool any_skipped(const mtnt__rehearsal *rehearsal)
{
    for (size_t i = 0; i < rehearsal->count; i++)
        if (rehearsal->groups[i].skipped > 0)
            return true;
    return false;
}

static void put_skipped(const mtnt__work *work)
{
    mtnt_entry_info info;

    for (size_t i = 0; mtnt_chain_get(work->chain, i, &info); i++) {
        const char *why = info.disabled ? NULL : mtnt_rehearsal_obstacle(&info, mtnt__run_mode(work));

        if (why == NULL)
            continue;
        fprintf(work->screen.out, "  passed over: %" PRId64 " ", info.order);
        mtnt__words_put(work->screen.out, info.name);
        fprintf(work->screen.out, ", which %s\n", why);
    }
}

void mtnt__rehearsal_put(const mtnt__work *work, const mtnt__rehearsal *rehearsal)
{
    for (size_t i = 0; i < rehearsal->count; i++)
        put_group(work, &rehearsal->groups[i]);
    if (any_skipped(rehearsal))
        put_skipped(work);
    if (rehearsal->count > 0)
        fputs("nothing of it is left: every database is as it was\n", work->screen.out);
}

/* ---- JSON ---- */

static json_t *describe_locks(const mtnt__rehearsal_group *group)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < group->lock_count; i++)
        json_array_append_new(
            list, json_pack("{ss ss so sI}", "side", group->locks[i].lock.on_controller ? "controller" : "model",
                            "mode", group->locks[i].lock.mode, "table", mtnt__encode_text(group->locks[i].lock.table),
                            "tenants", (json_int_t)group->locks[i].tenants));
    return list;
}

static json_t *describe_groups(const mtnt__rehearsal *rehearsal)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < rehearsal->count; i++) {
        const mtnt__rehearsal_group *at = &rehearsal->groups[i];

        json_array_append_new(list,
                              json_pack("{sI sI ss ss sI sI sI sI sI sI so so sI}", "from_version",
                                        (json_int_t)at->from, "to_version", (json_int_t)at->to, "backend",
                                        at->backend == MTNT_SQLITE ? "sqlite" : "postgres", "mode", at->mode, "tenants",
                                        (json_int_t)at->tenants, "failed", (json_int_t)at->failed, "executed",
                                        (json_int_t)at->executed, "passed_over", (json_int_t)at->skipped, "mean_ms",
                                        (json_int_t)(at->total_ms / at->tenants), "slowest_ms",
                                        (json_int_t)at->slowest_ms, "slowest", mtnt__encode_text(at->slowest), "locks",
                                        describe_locks(at), "locks_unlisted", (json_int_t)at->locks_unlisted));
    }
    return list;
}

static json_t *describe_skipped(const mtnt__work *work)
{
    json_t *list = json_array();
    mtnt_entry_info info;

    for (size_t i = 0; list != NULL && mtnt_chain_get(work->chain, i, &info); i++) {
        const char *why = info.disabled ? NULL : mtnt_rehearsal_obstacle(&info, mtnt__run_mode(work));

        if (why != NULL)
            json_array_append_new(list, json_pack("{sI so ss}", "order", (json_int_t)info.order, "name",
                                                  mtnt__encode_text(info.name), "why", why));
    }
    return list;
}

json_t *mtnt__rehearsal_describe(const mtnt__work *work, const mtnt__rehearsal *rehearsal)
{
    return json_pack("{so so}", "groups", describe_groups(rehearsal), "passed_over",
                     any_skipped(rehearsal) ? describe_skipped(work) : json_array());
}
