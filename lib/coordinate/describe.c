/* Writes a model description: both databases as they were at one moment between two migrations. */
#include "coordinate/describe.h"

#include <stdlib.h>
#include <string.h>

#include "coordinate/attempt.h"
#include "state/store.h"

/* One tenant, looked at. */
typedef struct view {
    mtnt__describer describer;
    mtnt_controller *controller;
    const mtnt_chain *chain;
    const mtnt_model *model;
    mtnt_db *controller_side, *model_side;
    mtnt__known *known;     /* of each lane, before the snapshots were taken */
    mtnt__applied *applied; /* of each lane */
} view;

static size_t lane_count(const view *v)
{
    return v->chain->lane_count > 0 ? v->chain->lane_count : 1;
}

static const mtnt_chain *lane_at(const view *v, size_t i)
{
    return v->chain->lane_count > 0 ? v->chain->lanes[i] : v->chain;
}

static int select_known(const view *v, size_t lane, mtnt__known *ret_known, mtnt_error *err)
{
    return mtnt__store_select(v->controller, lane_at(v, lane)->name, &v->model, 1, ret_known, err);
}

static int busy(mtnt_error *err, const char *text)
{
    int rc = mtnt_error_set(err, MTNT_E_BUSY, "%s", text);

    err->retryable = true;
    return rc;
}

static int look_before(view *v, mtnt_error *err)
{
    bool known = false;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < lane_count(v); i++) {
        rc = select_known(v, i, &v->known[i], err);
        known = known || v->known[i].known;
        if (rc == 0 && v->known[i].gone)
            rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "its model has been put away");
        else if (rc == 0 && !mtnt__known_idle(&v->known[i]))
            rc = mtnt_error_set(err, MTNT_E_BUSY,
                                "a migration is at work, or was interrupted (state `%s`): wait for it, or run recover",
                                v->known[i].state);
    }
    if (rc == 0 && !known)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "the controller does not know it: it has not been migrated yet");
    return rc;
}

/* A migration that came between has changed one of these. */
static int look_after(view *v, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < lane_count(v); i++) {
        mtnt__known now = {0};

        rc = select_known(v, i, &now, err);
        if (rc == 0 && (now.epoch != v->known[i].epoch || strcmp(now.state, v->known[i].state) != 0 ||
                        strcmp(now.migration, v->known[i].migration) != 0))
            rc = busy(err, "a migration has begun meanwhile: try again");
    }
    return rc;
}

/* What says itself a snapshot: the transaction begins, and something is read. */
static int begin(mtnt_db **ret_db, const char *dsn, mtnt__db_options options, mtnt_error *err)
{
    int rc;

    options.read_only = options.steady = true;
    rc = mtnt__db_open(ret_db, dsn, &options, err);
    if (rc == 0)
        rc = mtnt__db_begin(*ret_db, err);
    if (rc == 0 && mtnt_db_backend(*ret_db) == MTNT_POSTGRES)
        rc = mtnt__db_run_script(*ret_db, err,
                                 "SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres'; "
                                 "SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 1; "
                                 "SET LOCAL bytea_output = 'hex'; SET LOCAL xmloption = 'content'");
    if (rc == 0)
        rc = mtnt__db_run(*ret_db, NULL, NULL, err,
                          mtnt_db_backend(*ret_db) == MTNT_POSTGRES ? "SELECT count(*) FROM pg_catalog.pg_namespace"
                                                                    : "SELECT count(*) FROM {schema}.sqlite_schema",
                          NULL);
    return rc;
}

static int read_lane(view *v, size_t i, mtnt_error *err)
{
    const mtnt__expected expected = {mtnt_model_id(v->model), v->controller->id, v->known[i].uuid};
    mtnt__identity identity = {.known = false};
    mtnt__previous previous = {0};
    mtnt__position position = {0};
    int rc = mtnt__model_state_read(v->model_side, lane_at(v, i), &expected, &identity, &v->applied[i], err);

    if (rc == 0)
        rc = mtnt__store_previous(v->controller, lane_at(v, i)->name, v->model, &previous, err);
    if (rc == 0)
        rc = mtnt__previous_add_applied(&previous, &v->applied[i], err);
    if (rc == 0)
        rc = mtnt__position_of(&v->applied[i], lane_at(v, i), &position, err);
    mtnt__previous_release(&previous);
    if (rc == 0 && v->known[i].known && strcmp(position.digest, v->known[i].digest) != 0)
        rc = mtnt_error_set(err, MTNT_E_BUSY,
                            "its model does not have what the controller says: migrate it first, or recover it");
    return rc;
}

/* ---- the head ---- */

static bool is_import(const mtnt_chain *chain, const char *name)
{
    ptrdiff_t index = mtnt_chain_find(chain, name);

    return index >= 0 && strcmp(chain->entries[index].operation_class->name, "import") == 0;
}

/* The next one by position, of all lanes. */
static const mtnt__record *next_applied(const view *v, size_t *at)
{
    const mtnt__record *next = NULL;
    size_t from = 0;

    for (size_t i = 0; i < lane_count(v); i++) {
        const mtnt__record *record = at[i] < v->applied[i].count ? &v->applied[i].records[at[i]] : NULL;

        if (record && (!next || record->position < next->position)) {
            next = record;
            from = i;
        }
    }
    if (next)
        at[from]++;
    return next;
}

static int put_head(view *v, mtnt_error *err)
{
    size_t *at = calloc(lane_count(v), sizeof(*at));
    mtnt__buffer *text = &v->describer.text;
    const char *tenant = mtnt_model_id(v->model), *chain = mtnt__chain_base(v->chain), *before = "";
    const mtnt__record *record;
    int rc;

    if (!at)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    mtnt__buffer_add_text(text, "description: 1\ntenant: ");
    rc = mtnt__describe_text(&v->describer, tenant, strlen(tenant), err);
    mtnt__buffer_add_text(text, "\nchain: ");
    if (rc == 0)
        rc = mtnt__describe_text(&v->describer, chain, strlen(chain), err);
    mtnt__buffer_add_text(text, "\napplied: [");
    while (rc == 0 && (record = next_applied(v, at))) {
        if (is_import(v->chain, record->name))
            continue;
        mtnt__buffer_add_text(text, before);
        rc = mtnt__describe_text(&v->describer, record->name, strlen(record->name), err);
        before = ", ";
    }
    mtnt__buffer_add_text(text, "]\n");
    free(at);
    return rc;
}

/* ---- all of it ---- */

static int take_snapshots(view *v, bool with_controller, mtnt_error *err)
{
    mtnt__db_options of_model = mtnt__side_options(v->controller, v->model);
    mtnt__db_options of_controller = mtnt__side_options(v->controller, NULL);
    int rc = look_before(v, err);

    if (rc == 0)
        rc = begin(&v->model_side, mtnt__model_dsn(v->model), of_model, err);
    if (rc == 0 && with_controller)
        rc = begin(&v->controller_side, v->controller->dsn, of_controller, err);
    if (rc == 0)
        rc = look_after(v, err);
    for (size_t i = 0; rc == 0 && i < lane_count(v); i++)
        rc = read_lane(v, i, err);
    return rc;
}

static int describe(view *v, const mtnt_described_table *tables, size_t count, mtnt_error *err)
{
    int rc = take_snapshots(v, count > 0, err);

    if (rc == 0)
        rc = put_head(v, err);
    if (rc == 0)
        rc = mtnt__describe_sequences(&v->describer, v->model_side, err);
    mtnt__buffer_add_text(&v->describer.text, "tables:");
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = mtnt__describe_table(&v->describer, v->controller_side, tables[i].table, tables[i].key,
                                  mtnt_model_id(v->model), err);
    /* The model may be large: the controller's writers do not wait for it. */
    mtnt__db_close(v->controller_side);
    v->controller_side = NULL;
    if (rc == 0)
        rc = mtnt__describe_tables(&v->describer, v->model_side, v->model->schema == NULL, err);
    if (!v->describer.any)
        mtnt__buffer_add_text(&v->describer.text, " []\n");
    return rc == 0 ? mtnt__describe_flush(&v->describer, true, err) : rc;
}

int mtnt_description_write(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                           const mtnt_described_table *tables, size_t table_count, mtnt_description_sink sink,
                           void *data, mtnt_error *err)
{
    const mtnt_chain *whole = chain->whole ? chain->whole : chain;
    view v = {.describer = {.sink = sink, .data = data}, .controller = controller, .chain = whole, .model = model};
    mtnt_error own = MTNT_ERROR_INIT;
    int rc;

    v.known = calloc(lane_count(&v), sizeof(*v.known));
    v.applied = calloc(lane_count(&v), sizeof(*v.applied));
    rc = v.known && v.applied ? describe(&v, tables, table_count, &own)
                              : mtnt_error_set(&own, MTNT_E_NOMEM, "out of memory");
    mtnt__db_close(v.controller_side);
    mtnt__db_close(v.model_side);
    for (size_t i = 0; v.applied && i < lane_count(&v); i++)
        mtnt__applied_release(&v.applied[i]);
    free(v.applied);
    free(v.known);
    mtnt__buffer_release(&v.describer.text);
    if (rc != 0 && err)
        *err = own;
    return rc;
}
