#include "state/applied.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MAX_LISTED 5

void mtnt__applied_release(mtnt__applied *applied)
{
    for (size_t i = 0; i < applied->count; i++)
        free(applied->records[i].name);
    free(applied->records);
    if (applied->elsewhere != NULL)
        free(applied->elsewhere->name);
    free(applied->elsewhere);
    *applied = (mtnt__applied){0};
}

static int grow(mtnt__applied *applied, mtnt_error *err)
{
    size_t size = applied->size == 0 ? 16 : applied->size * 2;
    mtnt__record *records;

    if (applied->count < applied->size)
        return 0;
    records = realloc(applied->records, size * sizeof(*records));
    if (records == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    applied->records = records;
    applied->size = size;
    return 0;
}

int mtnt__applied_add(mtnt__applied *applied, const mtnt__record *record, mtnt_error *err)
{
    char *name = strdup(record->name);
    size_t at;

    if (name == NULL || grow(applied, err) != 0) {
        free(name);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    for (at = applied->count; at > 0 && applied->records[at - 1].position > record->position; at--)
        ;
    memmove(applied->records + at + 1, applied->records + at, (applied->count - at) * sizeof(*applied->records));
    applied->records[at] = *record;
    applied->records[at].name = name;
    applied->count++;
    return 0;
}

int mtnt__applied_note_elsewhere(mtnt__applied *applied, const mtnt__record *record, const char *key, mtnt_error *err)
{
    mtnt__record *copy;

    if (applied->elsewhere != NULL)
        return 0;
    copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    *copy = *record;
    copy->name = strdup(record->name);
    if (copy->name == NULL) {
        free(copy);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    applied->elsewhere = copy;
    mtnt__text_copy(applied->elsewhere_key, sizeof(applied->elsewhere_key), key);
    return 0;
}

const mtnt__record *mtnt__applied_find(const mtnt__applied *applied, const char *name)
{
    for (size_t i = 0; i < applied->count; i++)
        if (strcmp(applied->records[i].name, name) == 0)
            return applied->records + i;
    return NULL;
}

bool mtnt__applied_has(const mtnt__applied *applied, const mtnt__chain_entry *entry)
{
    const mtnt__record *record = mtnt__applied_find(applied, entry->name);

    return record != NULL &&
           (!(entry->flags & MTNT_OPERATION_REPEATABLE) || strcmp(record->checksum, entry->checksum) == 0);
}

void mtnt__applied_drop(mtnt__applied *applied, const char *name)
{
    for (size_t i = 0; i < applied->count; i++) {
        if (strcmp(applied->records[i].name, name) != 0)
            continue;
        free(applied->records[i].name);
        applied->count--;
        memmove(applied->records + i, applied->records + i + 1, (applied->count - i) * sizeof(*applied->records));
        return;
    }
}

static const mtnt__chain_entry *entry_at(const mtnt_chain *chain, int64_t order)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->entries[i].order == order)
            return chain->entries + i;
    return NULL;
}

int mtnt__applied_moved(const char *operation, int64_t order, const char *from, const char *to, const mtnt_chain *chain,
                        const char *tenant, mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_HISTORY,
                          "tenant %s: operation %" PRId64
                          " `%s` of chain %s was applied in lane `%s`, and the chain now has it in lane `%s`. What is "
                          "applied stays in its lane: put it back, or take it back there before it is moved. Nothing "
                          "was changed",
                          tenant, order, operation, mtnt__chain_base(chain), from, to);
}

static int unknown_operation(const mtnt__applied *applied, const mtnt__record *record, const mtnt_chain *chain,
                             const char *tenant, mtnt_error *err)
{
    const mtnt__chain_entry *other = entry_at(chain, record->position);
    const mtnt_chain *lane = mtnt__chain_lane_of(chain, record->name);
    const char *keep = NULL;

    if (lane != NULL)
        return mtnt__applied_moved(record->name, record->position, mtnt__chain_lane_name(chain),
                                   mtnt__chain_lane_name(lane), chain, tenant, err);
    if (other != NULL && mtnt__applied_find(applied, other->name) == NULL)
        return mtnt_error_set(err, MTNT_E_HISTORY,
                              "tenant %s: operation %" PRId64
                              " of chain %s was renamed: expected \"%s\", found \"%s\". Give it its old name "
                              "back, or add the new one as a further operation. Nothing was changed",
                              tenant, record->position, chain->name, record->name, other->name);
    for (size_t i = 0; i < applied->count && applied->records[i].position < record->position; i++)
        if (mtnt_chain_find(chain, applied->records[i].name) >= 0)
            keep = applied->records[i].name;
    return mtnt_error_set(
        err, MTNT_E_HISTORY,
        "tenant %s knows operation %" PRId64
        " `%s`, which this chain lacks: a newer release has migrated it. Use that release's "
        "chain, or take it back with   mtnt-model rewind --tenant %s%s%s   from there. Nothing was changed",
        tenant, record->position, record->name, tenant, keep == NULL ? "" : " --to ", keep == NULL ? "" : keep);
}

static int check_record(const mtnt__applied *applied, const mtnt__record *record, const mtnt_chain *chain,
                        const char *tenant, mtnt_error *err)
{
    ptrdiff_t index = mtnt_chain_find(chain, record->name);
    const mtnt__chain_entry *entry;

    if (index < 0)
        return unknown_operation(applied, record, chain, tenant, err);
    entry = chain->entries + index;
    if (entry->flags & MTNT_OPERATION_REPEATABLE)
        return 0;
    if (entry->order != record->position && !(entry->flags & MTNT_OPERATION_BY_PLACE)) {
        mtnt_error_set(err, MTNT_E_HISTORY,
                       "tenant %s: operation `%s` was applied as number %" PRId64
                       ", and the chain now has it as number %" PRId64 ". Give it its old order back (order: %" PRId64
                       "). Nothing was changed",
                       tenant, record->name, record->position, entry->order, record->position);
        return mtnt_error_at(err, entry->file, entry->line, 0);
    }
    if (strcmp(entry->checksum, record->checksum) != 0) {
        mtnt_error_set(err, MTNT_E_HISTORY,
                       "tenant %s: operation %" PRId64
                       " `%s` has been changed since it was applied (checksum %.12s, recorded %.12s). Restore it, and "
                       "add a further operation for what is new. Nothing was changed",
                       tenant, record->position, record->name, entry->checksum, record->checksum);
        return mtnt_error_at(err, entry->file, entry->line, 0);
    }
    return 0;
}

/* The last that is applied, by the chain's order: places change, and records do not. */
static const mtnt__chain_entry *last_applied(const mtnt__applied *applied, const mtnt_chain *chain)
{
    for (size_t i = chain->count; i > 0; i--)
        if (!(chain->entries[i - 1].flags & MTNT_OPERATION_REPEATABLE) &&
            mtnt__applied_find(applied, chain->entries[i - 1].name) != NULL)
            return chain->entries + i - 1;
    return NULL;
}

static int check_order(const mtnt__applied *applied, const mtnt_chain *chain, const char *tenant, mtnt_error *err)
{
    const mtnt__chain_entry *last = last_applied(applied, chain);
    mtnt__buffer late = {0};
    size_t count = 0;
    int rc = 0;

    for (const mtnt__chain_entry *entry = chain->entries; last != NULL && entry < last; entry++) {
        if (entry->disabled || (entry->flags & MTNT_OPERATION_REPEATABLE) ||
            mtnt__applied_find(applied, entry->name) != NULL)
            continue;
        if (count < MAX_LISTED)
            mtnt__buffer_add_format(&late, "%s%" PRId64 " `%s`", count == 0 ? "" : ", ", entry->order, entry->name);
        count++;
    }
    if (count > 0)
        rc = mtnt_error_set(err, MTNT_E_HISTORY,
                            "tenant %s: out of order: %s%s would run after %" PRId64
                            " `%s`, which is applied already. Give what is late a "
                            "higher order, or allow it with --allow-out-of-order. Nothing was changed",
                            tenant, mtnt__buffer_text(&late), count > MAX_LISTED ? " and more" : "", last->order,
                            last->name);
    mtnt__buffer_release(&late);
    return rc;
}

int mtnt__applied_check(const mtnt__applied *applied, const mtnt_chain *chain, const char *tenant,
                        bool allow_out_of_order, mtnt_error *err)
{
    int rc = 0;

    if (applied->elsewhere != NULL)
        return mtnt__applied_moved(applied->elsewhere->name, applied->elsewhere->position,
                                   mtnt__chain_lane_by_key(chain, applied->elsewhere_key), mtnt__chain_lane_name(chain),
                                   chain, tenant, err);
    for (size_t i = 0; i < applied->count && rc == 0; i++)
        rc = check_record(applied, applied->records + i, chain, tenant, err);
    if (rc == 0 && !allow_out_of_order)
        rc = check_order(applied, chain, tenant, err);
    return rc;
}

static int new_plan(const mtnt_chain *chain, size_t **ret_plan, mtnt_error *err)
{
    *ret_plan = calloc(chain->count + 1, sizeof(**ret_plan));
    return *ret_plan == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;
}

int mtnt__plan_forward(const mtnt__applied *applied, const mtnt_chain *chain, ptrdiff_t last, int64_t steps,
                       size_t **ret_plan, size_t *ret_count, mtnt_error *err)
{
    size_t end = last < 0 ? chain->count : (size_t)last + 1, count = 0;
    size_t *plan;

    if (new_plan(chain, &plan, err) != 0)
        return MTNT_E_NOMEM;
    for (size_t i = 0; i < end && (steps == 0 || count < (size_t)steps); i++)
        if (!chain->entries[i].disabled && !mtnt__applied_has(applied, chain->entries + i))
            plan[count++] = i;
    *ret_plan = plan;
    *ret_count = count;
    return 0;
}

/* They depend on what comes before them, wherever they stand. */
static size_t put_repeatable_first(const mtnt__applied *applied, const mtnt_chain *chain, size_t *plan, size_t count)
{
    size_t first = 0;

    for (size_t i = chain->count; i > 0 && count > 0; i--) {
        const mtnt__chain_entry *entry = chain->entries + i - 1;

        if (!(entry->flags & MTNT_OPERATION_REPEATABLE) || mtnt__applied_find(applied, entry->name) == NULL)
            continue;
        memmove(plan + first + 1, plan + first, (count - first) * sizeof(*plan));
        plan[first++] = i - 1;
        count++;
    }
    return count;
}

int mtnt__plan_backward(const mtnt__applied *applied, const mtnt_chain *chain, ptrdiff_t last, int64_t steps,
                        int64_t run, size_t **ret_plan, size_t *ret_count, mtnt_error *err)
{
    size_t *plan, count = 0;

    if (new_plan(chain, &plan, err) != 0)
        return MTNT_E_NOMEM;
    for (size_t i = chain->count; i > (last < 0 ? 0 : (size_t)last + 1) && (steps == 0 || count < (size_t)steps); i--) {
        const mtnt__chain_entry *entry = chain->entries + i - 1;
        const mtnt__record *record = mtnt__applied_find(applied, entry->name);

        if (record != NULL && (run == 0 || record->run == run) && !(entry->flags & MTNT_OPERATION_REPEATABLE))
            plan[count++] = i - 1;
    }
    *ret_plan = plan;
    *ret_count = put_repeatable_first(applied, chain, plan, count);
    return 0;
}

/* Each digest hashes the one before it, so that those of all prefixes of a chain cost one pass. */
static int next_digest(mtnt__hasher *hasher, mtnt__position *position, const mtnt__chain_entry *entry, mtnt_error *err)
{
    char order[32];
    const char *parts[] = {position->digest, order, entry->name, entry->checksum, NULL};

    if (entry->flags & MTNT_OPERATION_BY_PLACE)
        order[0] = '\0'; /* what comes before it is in the digest, and that is its place */
    else
        snprintf(order, sizeof(order), "%" PRId64, entry->order);
    position->version = entry->order;
    return mtnt__hasher_sum(hasher, position->digest, parts, err);
}

/* What is repeated counts once all that comes before it is there: until then a tenant stands where it would without it. */
int mtnt__position_of(const mtnt__applied *applied, const mtnt_chain *chain, mtnt__position *ret_position,
                      mtnt_error *err)
{
    mtnt__position position = {0, ""};
    mtnt__hasher *hasher = NULL;
    bool gap = false;
    int rc = mtnt__hasher_new(&hasher, err);

    for (size_t i = 0; i < chain->count && rc == 0; i++) {
        const mtnt__chain_entry *entry = chain->entries + i;
        bool has = mtnt__applied_has(applied, entry);

        if (entry->disabled)
            continue;
        gap = gap || !has;
        if (has && !(gap && (entry->flags & MTNT_OPERATION_REPEATABLE)))
            rc = next_digest(hasher, &position, entry, err);
    }
    mtnt__hasher_free(hasher);
    if (rc == 0)
        *ret_position = position;
    return rc;
}

void mtnt__ladder_release(mtnt__ladder *ladder)
{
    free(ladder->rungs);
    free(ladder->entries);
    free(ladder->writes_after);
    *ladder = (mtnt__ladder){0};
}

int mtnt__ladder_new(mtnt__ladder *ret_ladder, const mtnt_chain *chain, mtnt_error *err)
{
    mtnt__ladder ladder = {calloc(chain->count + 1, sizeof(*ladder.rungs)),
                           calloc(chain->count + 1, sizeof(*ladder.entries)),
                           calloc(chain->count + 1, sizeof(*ladder.writes_after)), 1};
    mtnt__hasher *hasher = NULL;
    int rc = 0;

    if (ladder.rungs == NULL || ladder.entries == NULL || ladder.writes_after == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = mtnt__hasher_new(&hasher, err);
    if (rc != 0)
        goto out;
    ladder.entries[0] = -1;
    for (size_t i = 0; i < chain->count && rc == 0; i++) {
        if (chain->entries[i].disabled)
            continue;
        ladder.rungs[ladder.count] = ladder.rungs[ladder.count - 1];
        ladder.entries[ladder.count] = (ptrdiff_t)i;
        rc = next_digest(hasher, ladder.rungs + ladder.count, chain->entries + i, err);
        for (size_t below = 0; below < ladder.count; below++)
            ladder.writes_after[below] |= chain->entries[i].writes;
        ladder.count++;
    }
    if (rc == 0) {
        *ret_ladder = ladder;
        ladder = (mtnt__ladder){0};
    }
out:
    mtnt__hasher_free(hasher);
    mtnt__ladder_release(&ladder);
    return rc;
}

ptrdiff_t mtnt__ladder_find(const mtnt__ladder *ladder, const char *digest)
{
    for (size_t i = ladder->count; i > 0; i--)
        if (strcmp(ladder->rungs[i - 1].digest, digest) == 0)
            return (ptrdiff_t)i - 1;
    return -1;
}
