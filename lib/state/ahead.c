#include "state/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "state/queries.h"
#include "state/rows.h"

void mtnt__ahead_release(mtnt__ahead *ahead)
{
    free(ahead->items);
    *ahead = (mtnt__ahead){0};
}

static mtnt__ahead_item *find(const mtnt__ahead *ahead, const char *migration)
{
    for (size_t i = 0; i < ahead->count; i++)
        if (strcmp(ahead->items[i].migration, migration) == 0)
            return ahead->items + i;
    return NULL;
}

static mtnt__ahead_item *add(mtnt__ahead *ahead, const char *migration, mtnt_error *err)
{
    mtnt__ahead_item *item = find(ahead, migration);

    if (item != NULL)
        return item;
    if (ahead->count == ahead->size) {
        size_t size = ahead->size == 0 ? 16 : ahead->size * 2;
        mtnt__ahead_item *items = reallocarray(ahead->items, size, sizeof(*items));

        if (items == NULL) {
            mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
            return NULL;
        }
        ahead->items = items;
        ahead->size = size;
    }
    item = ahead->items + ahead->count++;
    *item = (mtnt__ahead_item){.both = false};
    mtnt__text_copy(item->migration, sizeof(item->migration), migration);
    return item;
}

/* ---- what the model holds ---- */

static bool writes_controller(const mtnt_chain *chain, const char *name)
{
    ptrdiff_t index = mtnt_chain_find(chain, name);

    return index >= 0 && (chain->entries[index].writes & MTNT_WRITES_CONTROLLER) != 0;
}

static int add_applied(mtnt__ahead *held, const mtnt_chain *chain, const mtnt__applied *applied, mtnt_error *err)
{
    for (size_t i = 0; i < applied->count; i++) {
        const mtnt__record *record = applied->records + i;
        mtnt__ahead_item *item;
        bool both;

        if (record->in_controller || record->migration[0] == '\0')
            continue;
        item = add(held, record->migration, err);
        if (item == NULL)
            return MTNT_E_NOMEM;
        both = writes_controller(chain, record->name);
        if (item->operation[0] == '\0' || (both && !item->both))
            mtnt__text_copy(item->operation, sizeof(item->operation), record->name);
        item->both = item->both || both;
    }
    return 0;
}

struct reading {
    mtnt__ahead *held;
    bool both; /* of those that have applied nothing */
};

static int read_decided(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *migration = mtnt_row_text(row, 0);
    struct reading *reading = data;
    mtnt__ahead_item *item;

    if (migration == NULL || find(reading->held, migration) != NULL)
        return 0;
    item = add(reading->held, migration, err);
    if (item == NULL)
        return MTNT_E_NOMEM;
    item->both = reading->both;
    return 0;
}

/* Something that wrote the controller too is applied there as far as the controller knows, and not in the model. */
static int took_back_both(const mtnt_chain *chain, const mtnt__applied *applied, const char *digest, bool *ret_both,
                          mtnt_error *err)
{
    mtnt__ladder ladder = {0};
    int rc = mtnt__ladder_new(&ladder, chain, err);
    ptrdiff_t rung, last;

    if (rc != 0)
        return rc;
    rung = mtnt__ladder_find(&ladder, digest);
    /* What stands on no rung may be anything. */
    last = rung < 0 ? (ptrdiff_t)chain->count - 1 : ladder.entries[rung];
    for (ptrdiff_t i = 0; i <= last; i++)
        *ret_both =
            *ret_both || (!chain->entries[i].disabled && (chain->entries[i].writes & MTNT_WRITES_CONTROLLER) != 0 &&
                          mtnt__applied_find(applied, chain->entries[i].name) == NULL);
    mtnt__ladder_release(&ladder);
    return 0;
}

/* Rows of the register that no record bears the migration of: taken back since, or a rewind. Those of other chains have records there. */
static int add_decided(mtnt_db *model, mtnt__ahead *held, bool both, mtnt_error *err)
{
    struct reading reading = {held, both};

    return mtnt__db_run(model, read_decided, &reading, err,
                        "SELECT d.migration FROM {schema}.mtnt_decision AS d WHERE d.outcome = 'commit' AND NOT EXISTS "
                        "(SELECT 1 FROM {schema}.mtnt_applied AS a WHERE a.migration = d.migration)",
                        NULL);
}

/* ---- what the controller knows ---- */

struct sorting {
    const mtnt__ahead *held;
    mtnt__ahead *ahead;
};

static int read_unknown(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *migration = mtnt_row_text(row, 0);
    const struct sorting *sorting = data;
    const mtnt__ahead_item *item = migration == NULL ? NULL : find(sorting->held, migration);
    mtnt__ahead_item *added;

    if (item == NULL)
        return 0;
    added = add(sorting->ahead, migration, err);
    if (added == NULL)
        return MTNT_E_NOMEM;
    *added = *item;
    sorting->ahead->both += item->both;
    return 0;
}

static int ask_controller(mtnt_db *controller, mtnt__ahead *held, mtnt__ahead *ahead, mtnt_error *err)
{
    struct sorting sorting = {held, ahead};
    const char **ids = calloc(held->count + 1, sizeof(*ids));
    int rc;

    if (ids == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < held->count; i++)
        ids[i] = held->items[i].migration;
    rc = mtnt__texts_run(controller, read_unknown, &sorting, err, MTNT__QUERY_FOR(controller, ahead_select), ids,
                         held->count, NULL);
    free(ids);
    return rc;
}

int mtnt__ahead_look(mtnt_db *model, mtnt_db *controller, const mtnt_chain *chain, const mtnt__applied *applied,
                     const char *digest, mtnt__ahead *ahead, mtnt_error *err)
{
    mtnt__ahead held = {0};
    bool both = false;
    int rc = add_applied(&held, chain, applied, err);

    if (rc == 0)
        rc = took_back_both(chain, applied, digest, &both, err);
    if (rc == 0)
        rc = add_decided(model, &held, both, err);
    if (rc == 0 && held.count > 0)
        rc = ask_controller(controller, &held, ahead, err);
    mtnt__ahead_release(&held);
    return rc;
}

static int read_held(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *migration = mtnt_row_text(row, 0), *operation = mtnt_row_text(row, 1);
    mtnt__ahead_item *item = migration == NULL || migration[0] == '\0' ? NULL : add(data, migration, err);

    if (item == NULL)
        return migration == NULL || migration[0] == '\0' ? 0 : MTNT_E_NOMEM;
    mtnt__text_copy(item->operation, sizeof(item->operation), operation == NULL ? "" : operation);
    return 0;
}

int mtnt__ahead_look_over(mtnt_db *model, mtnt_db *controller, mtnt__ahead *ahead, mtnt_error *err)
{
    mtnt__ahead held = {0};
    int rc = mtnt__db_run(model, read_held, &held, err,
                          "SELECT migration, min(name) FROM {schema}.mtnt_applied GROUP BY migration", NULL);

    if (rc == 0)
        rc = add_decided(model, &held, false, err);
    if (rc == 0 && held.count > 0)
        rc = ask_controller(controller, &held, ahead, err);
    mtnt__ahead_release(&held);
    return rc;
}

int mtnt__ahead_explain(const mtnt__ahead *ahead, const char *tenant, mtnt_error *err)
{
    const mtnt__ahead_item *first = ahead->items;

    while (first < ahead->items + ahead->count - 1 && !first->both)
        first++;
    return mtnt_error_set(
        err, MTNT_E_BLOCKED,
        "its model holds migration %s%s%s%s, which the controller does not know, and which has written the controller as well: "
        "that half is lost (a failover to an asynchronous standby, or a restored backup?). Both are kept as they are. Put the "
        "controller's rows right by hand, or take the operation back in the model, then   mtnt-model resolve --tenant %s --as committed",
        first->migration, first->operation[0] == '\0' ? "" : " (operation ", first->operation,
        first->operation[0] == '\0' ? "" : ")", tenant);
}

/* ---- made known ---- */

static int write_some(mtnt_db *controller, const char *chain, const char *tenant, const char *placed, bool backward,
                      const char **ids, const mtnt__ahead *ahead, int64_t now_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain),  mtnt_value_text(tenant),
                                 mtnt_value_text(placed), mtnt_value_text(backward ? "backward" : "forward"),
                                 mtnt_value_int(now_ms),  mtnt_value_end()};
    size_t count = 0;

    for (size_t i = 0; i < ahead->count; i++)
        if ((ahead->items[i].operation[0] == '\0') == backward)
            ids[count++] = ahead->items[i].migration;
    if (count == 0)
        return 0;
    return mtnt__texts_run(controller, NULL, NULL, err, MTNT__QUERY_FOR(controller, ahead_insert), ids, count, values);
}

int mtnt__ahead_write(mtnt_db *controller, const char *chain, const char *tenant, const char *placed,
                      const mtnt__ahead *ahead, int64_t now_ms, mtnt_error *err)
{
    const char **ids = calloc(ahead->count + 1, sizeof(*ids));
    int rc;

    if (ids == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    rc = write_some(controller, chain, tenant, placed, false, ids, ahead, now_ms, err);
    if (rc == 0)
        rc = write_some(controller, chain, tenant, placed, true, ids, ahead, now_ms, err);
    free(ids);
    return rc;
}
