/* What the controller knows of tenants, for people: nothing here opens a model. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/queries.h"
#include "state/rows.h"
#include "state/store.h"

struct looking {
    const mtnt_chain *chain;
    const mtnt__ladder *ladder;
    const mtnt_model *const *models; /* NULL = every tenant, the id is in column 0 */
    size_t at;
    mtnt_tenant_info_fn each;
    void *data;
};

/* Of a tenant that stands on no rung: what is repeated may have changed since it was there. */
static size_t enabled_above(const struct looking *looking, int64_t version)
{
    const mtnt__ladder *ladder = looking->ladder;
    size_t count = 0;

    for (size_t i = 1; i < ladder->count; i++)
        if (ladder->rungs[i].version > version ||
            (looking->chain->entries[ladder->entries[i]].flags & MTNT_OPERATION_REPEATABLE) != 0)
            count++;
    return count;
}

static int show_tenant(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct looking *looking = data;
    mtnt_tenant_info info = {.known = !mtnt_row_is_null(row, 1)};
    const mtnt_model *model = looking->models == NULL ? NULL : looking->models[looking->at];
    ptrdiff_t rung;

    looking->at++;
    info.tenant = model == NULL ? mtnt_row_text(row, 0) : mtnt_model_id(model);
    info.pending = looking->ladder->count - 1;
    info.digest = "";
    if (!info.known)
        return looking->each(looking->data, &info, err);
    info.state = mtnt_row_text(row, 1);
    info.version = mtnt_row_int(row, 2);
    rung = mtnt__ladder_find(looking->ladder, mtnt_row_text(row, 3) == NULL ? "" : mtnt_row_text(row, 3));
    info.pending = rung >= 0 ? looking->ladder->count - 1 - (size_t)rung : enabled_above(looking, info.version);
    info.digest = rung == 0 || mtnt_row_is_null(row, 3) ? "" : mtnt_row_text(row, 3);
    info.current = info.pending == 0 && rung >= 0 && strcmp(info.state, "idle") == 0;
    info.migration = mtnt_row_text(row, 6);
    info.error = mtnt_row_text(row, 10);
    info.error_operation = mtnt_row_text(row, 11);
    info.error_state = mtnt_row_text(row, 12);
    info.updated_ms = mtnt_row_int(row, 13);
    info.gone = !mtnt_row_is_null(row, 15);
    info.remove_after_ms = mtnt_row_int(row, 17);
    info.removed_ms = mtnt_row_int(row, 19);
    info.removal_due = info.gone && info.removed_ms == 0 && info.remove_after_ms <= mtnt_row_int(row, 14) &&
                       mtnt_row_int(row, 16) != 0 && strcmp(info.state, "idle") == 0;
    return looking->each(looking->data, &info, err);
}

static int look_up_strangers(struct looking *looking, size_t count, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        const mtnt_tenant_info info = {
            .tenant = mtnt_model_id(looking->models[i]), .pending = looking->ladder->count - 1, .digest = ""};

        rc = looking->each(looking->data, &info, err);
    }
    return rc;
}

int mtnt_controller_tenants(mtnt_controller *controller, const mtnt_chain *chain, mtnt_tenant_info_fn each, void *data,
                            mtnt_error *err)
{
    const mtnt_chain *lane = mtnt__chain_first_lane(chain);
    const mtnt_value values[] = {mtnt_value_text(mtnt_chain_name(lane)), mtnt_value_end()};
    mtnt__ladder ladder = {0};
    struct looking looking = {lane, &ladder, NULL, 0, each, data};
    int rc = mtnt__ladder_new(&ladder, lane, err);

    if (rc == 0 && controller->tables)
        rc = mtnt__db_run(controller->db, show_tenant, &looking, err, MTNT__QUERY_FOR(controller->db, tenant_all),
                          values);
    mtnt__ladder_release(&ladder);
    return rc;
}

int mtnt_controller_look_up(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *const *models,
                            size_t count, mtnt_tenant_info_fn each, void *data, mtnt_error *err)
{
    const mtnt_chain *lane = mtnt__chain_first_lane(chain);
    const mtnt_value values[] = {mtnt_value_text(mtnt_chain_name(lane)), mtnt_value_end()};
    mtnt__ladder ladder = {0};
    struct looking looking = {lane, &ladder, models, 0, each, data};
    const char **ids = calloc(count + 1, sizeof(*ids));
    int rc;

    if (ids == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    rc = mtnt__ladder_new(&ladder, lane, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        ids[i] = mtnt_model_id(models[i]);
    if (rc == 0 && !controller->tables)
        rc = look_up_strangers(&looking, count, err);
    else if (rc == 0)
        rc = mtnt__texts_run(controller->db, show_tenant, &looking, err, MTNT__QUERY_FOR(controller->db, tenant_select),
                             ids, count, values);
    free(ids);
    mtnt__ladder_release(&ladder);
    return rc;
}

/* ---- operations of one tenant ---- */

struct listing {
    const mtnt_chain *chain;
    bool *shown; /* by chain index */
    size_t at;   /* entries before it have been given */
    mtnt_operation_info_fn each;
    void *data;
};

static int show_entry(struct listing *listing, size_t index, mtnt_error *err)
{
    const mtnt__chain_entry *entry = listing->chain->entries + index;
    const mtnt_operation_info info = {
        .order = entry->order, .name = entry->name, .in_chain = true, .disabled = entry->disabled};

    listing->shown[index] = true;
    return listing->each(listing->data, &info, err);
}

static int show_entries_before(struct listing *listing, int64_t order, mtnt_error *err)
{
    int rc = 0;

    for (; listing->at < listing->chain->count && listing->chain->entries[listing->at].order < order && rc == 0;
         listing->at++)
        if (!listing->shown[listing->at])
            rc = show_entry(listing, listing->at, err);
    return rc;
}

static mtnt_status status_named(const char *name)
{
    for (mtnt_status status = MTNT_STATUS_PENDING; status <= MTNT_STATUS_ROLLED_BACK; status++)
        if (name != NULL && strcmp(mtnt_status_name(status), name) == 0)
            return status;
    return MTNT_STATUS_NONE;
}

static int show_record(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct listing *listing = data;
    const char *name = mtnt_row_text(row, 1);
    ptrdiff_t index = name == NULL ? -1 : mtnt_chain_find(listing->chain, name);
    mtnt_operation_info info = {.order = mtnt_row_int(row, 2),
                                .name = name,
                                .status = status_named(mtnt_row_text(row, 4)),
                                .in_chain = index >= 0,
                                .started_ms = mtnt_row_int(row, 6),
                                .finished_ms = mtnt_row_int(row, 7),
                                .error = mtnt_row_text(row, 10)};
    int rc;

    info.applied = info.status == MTNT_STATUS_COMPLETED;
    if (index >= 0) {
        info.disabled = listing->chain->entries[index].disabled;
        listing->shown[index] = true;
    }
    rc = show_entries_before(listing, info.order, err);
    return rc != 0 ? rc : listing->each(listing->data, &info, err);
}

int mtnt_controller_operations(mtnt_controller *controller, const mtnt_chain *chain, const char *tenant,
                               mtnt_operation_info_fn each, void *data, mtnt_error *err)
{
    const mtnt_chain *lane = mtnt__chain_first_lane(chain);
    const mtnt_value values[] = {mtnt_value_text(mtnt_chain_name(lane)), mtnt_value_int(0), mtnt_value_end()};
    struct listing listing = {lane, calloc(lane->count + 1, sizeof(bool)), 0, each, data};
    int rc = 0;

    if (listing.shown == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (controller->tables)
        rc = mtnt__texts_run(controller->db, show_record, &listing, err,
                             MTNT__QUERY_FOR(controller->db, operation_select), &tenant, 1, values);
    if (rc == 0)
        rc = show_entries_before(&listing, INT64_MAX, err);
    free(listing.shown);
    return rc;
}
