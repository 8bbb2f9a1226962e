#include "state/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/json.h"
#include "state/queries.h"

static int no_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

bool mtnt__known_idle(const mtnt__known *known)
{
    return !known->known || strcmp(known->state, "idle") == 0;
}

bool mtnt__known_takeable(const mtnt__known *known)
{
    return known->now_ms >= known->lease_until_ms || mtnt__process_look(known->owner) == MTNT__PROCESS_DEAD;
}

void mtnt__previous_release(mtnt__previous *previous)
{
    for (size_t i = 0; i < previous->count; i++)
        free(previous->operations[i].name);
    free(previous->operations);
    *previous = (mtnt__previous){0};
}

mtnt_status mtnt__previous_status(const mtnt__previous *previous, const char *name)
{
    for (size_t i = 0; i < previous->count; i++)
        if (strcmp(previous->operations[i].name, name) == 0 && previous->operations[i].status != MTNT_STATUS_COMPLETED)
            return previous->operations[i].status;
    return MTNT_STATUS_NONE;
}

/* ---- reading tenants ---- */

struct selecting {
    mtnt__known *known;
    size_t count, at;
};

static void copy_column(char *target, size_t size, const mtnt_row *row, int column)
{
    const char *text = mtnt_row_text(row, column);

    mtnt__text_copy(target, size, text == NULL ? "" : text);
}

static int read_known(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct selecting *selecting = data;
    mtnt__known *known;

    if (selecting->at >= selecting->count)
        return mtnt_error_set(err, MTNT_E_CORRUPT, "the controller gave more tenants than were asked for");
    known = selecting->known + selecting->at++;
    *known = (mtnt__known){0};
    if (mtnt_row_is_null(row, 1))
        return 0;
    known->known = true;
    copy_column(known->state, sizeof(known->state), row, 1);
    known->version = mtnt_row_int(row, 2);
    copy_column(known->digest, sizeof(known->digest), row, 3);
    copy_column(known->placed, sizeof(known->placed), row, 4);
    copy_column(known->uuid, sizeof(known->uuid), row, 5);
    copy_column(known->migration, sizeof(known->migration), row, 6);
    known->epoch = mtnt_row_int(row, 7);
    copy_column(known->owner, sizeof(known->owner), row, 8);
    known->lease_until_ms = mtnt_row_int(row, 9);
    known->failed = !mtnt_row_is_null(row, 10);
    known->now_ms = mtnt_row_int(row, 14);
    return 0;
}

static json_t *ids_of(const mtnt_model *const *models, size_t count)
{
    json_t *ids = json_array();

    for (size_t i = 0; ids != NULL && i < count; i++)
        if (json_array_append_new(ids, mtnt__json_text(mtnt_model_id(models[i]))) != 0) {
            json_decref(ids);
            return NULL;
        }
    return ids;
}

int mtnt__store_select(mtnt_controller *controller, const char *chain, const mtnt_model *const *models, size_t count, mtnt__known *ret_known,
                       mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_end()};
    struct selecting selecting = {ret_known, count, 0};
    json_t *ids = ids_of(models, count);
    int rc = ids == NULL ? no_memory(err)
                         : mtnt__json_run(controller->db, read_known, &selecting, err, MTNT__QUERY_FOR(controller->db, tenant_select), ids, values);

    json_decref(ids);
    if (rc == 0 && selecting.at != count)
        rc = mtnt_error_set(err, MTNT_E_CORRUPT, "the controller answered for %zu of %zu tenants", selecting.at, count);
    return rc;
}

/* ---- claims ---- */

static mtnt_status status_of(const char *name)
{
    for (mtnt_status status = MTNT_STATUS_PENDING; status <= MTNT_STATUS_ROLLED_BACK; status++)
        if (name != NULL && strcmp(mtnt_status_name(status), name) == 0)
            return status;
    return MTNT_STATUS_NONE;
}

struct claiming {
    mtnt__claim *const *claims;
    size_t count, at;
};

static mtnt__claim *claim_of(struct claiming *claiming, const char *tenant)
{
    /* Rows come in the order of the claims, but for PostgreSQL's RETURNING: go on from the last hit. */
    for (size_t i = 0; tenant != NULL && i < claiming->count; i++) {
        mtnt__claim *claim = claiming->claims[(claiming->at + i) % claiming->count];

        if (strcmp(mtnt_model_id(claim->model), tenant) == 0) {
            claiming->at = (claiming->at + i) % claiming->count;
            return claim;
        }
    }
    return NULL;
}

static int read_claimed(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__claim *claim = claim_of(data, mtnt_row_text(row, 0));

    if (claim == NULL)
        return mtnt_error_set(err, MTNT_E_CORRUPT, "the controller claimed a tenant that was not asked for");
    claim->claimed = true;
    claim->epoch = mtnt_row_int(row, 1);
    return 0;
}

static int add_previous(mtnt__previous *previous, const mtnt_row *row, mtnt_error *err)
{
    size_t size = previous->size == 0 ? 8 : previous->size * 2;
    struct mtnt__previous_operation *operation, *operations;
    const char *name = mtnt_row_text(row, 1), *where = mtnt_row_text(row, 5);

    if (previous->count == previous->size) {
        operations = realloc(previous->operations, size * sizeof(*operations));
        if (operations == NULL)
            return no_memory(err);
        previous->operations = operations;
        previous->size = size;
    }
    operation = previous->operations + previous->count;
    *operation = (struct mtnt__previous_operation){.name = strdup(name == NULL ? "" : name), .status = status_of(mtnt_row_text(row, 4))};
    if (operation->name == NULL)
        return no_memory(err);
    operation->record.position = mtnt_row_int(row, 2);
    copy_column(operation->record.checksum, sizeof(operation->record.checksum), row, 3);
    copy_column(operation->record.migration, sizeof(operation->record.migration), row, 8);
    operation->record.run = mtnt_row_int(row, 9);
    operation->record.started_ms = mtnt_row_int(row, 6);
    operation->record.finished_ms = mtnt_row_int(row, 7);
    operation->record.in_controller = where != NULL && strcmp(where, "controller") == 0;
    previous->count++;
    return 0;
}

static int read_previous(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__claim *claim = claim_of(data, mtnt_row_text(row, 0));

    return claim == NULL ? 0 : add_previous(&claim->previous, row, err);
}

static json_t *claim_rows(mtnt__claim *const *claims, size_t count)
{
    json_t *rows = json_array();

    for (size_t i = 0; rows != NULL && i < count; i++) {
        json_t *row = json_object();

        if (!mtnt__json_set(row, "tenant", mtnt__json_text(mtnt_model_id(claims[i]->model))) ||
            !mtnt__json_set(row, "migration", mtnt__json_text(claims[i]->migration)) ||
            !mtnt__json_set(row, "direction", mtnt__json_text(claims[i]->backward ? "backward" : "forward")) ||
            !mtnt__json_set(row, "mode", mtnt__json_text(claims[i]->mode)) ||
            !mtnt__json_set(row, "decider", mtnt__json_text(claims[i]->decider)) ||
            !mtnt__json_set(row, "placed", mtnt__json_text(mtnt__model_key(claims[i]->model))) || json_array_append(rows, row) != 0) {
            json_decref(rows);
            rows = NULL;
        }
        json_decref(row);
    }
    return rows;
}

static json_t *claim_ids(mtnt__claim *const *claims, size_t count)
{
    json_t *ids = json_array();

    for (size_t i = 0; ids != NULL && i < count; i++)
        if (claims[i]->claimed && json_array_append_new(ids, mtnt__json_text(mtnt_model_id(claims[i]->model))) != 0) {
            json_decref(ids);
            return NULL;
        }
    return ids;
}

static int claim_all(mtnt_controller *controller, const char *chain, mtnt__claim *const *claims, size_t count, int64_t lease_ms, mtnt_error *err)
{
    const mtnt_value tenant_values[] = {mtnt_value_text(chain), mtnt_value_text(controller->process), mtnt_value_int(lease_ms), mtnt_value_end()};
    const mtnt_value migration_values[] = {mtnt_value_text(chain), claims[0]->run == 0 ? mtnt_value_null() : mtnt_value_int(claims[0]->run),
                                           mtnt_value_end()};
    const mtnt_value previous_values[] = {mtnt_value_text(chain), mtnt_value_int(1), mtnt_value_end()};
    struct claiming claiming = {claims, count, 0};
    json_t *rows = claim_rows(claims, count), *ids = NULL;
    int rc = rows == NULL ? no_memory(err) : 0;

    if (rc == 0)
        rc = mtnt__json_run(controller->db, read_claimed, &claiming, err, MTNT__QUERY_FOR(controller->db, claim_tenants), rows, tenant_values);
    if (rc == 0)
        rc = mtnt__json_run(controller->db, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, claim_migrations), rows, migration_values);
    if (rc == 0) {
        ids = claim_ids(claims, count);
        rc = ids == NULL ? no_memory(err)
                         : mtnt__json_run(controller->db, read_previous, &claiming, err, MTNT__QUERY_FOR(controller->db, operation_select), ids,
                                          previous_values);
    }
    json_decref(rows);
    json_decref(ids);
    return rc;
}

/* ---- ends ---- */

static json_t *int_or_null(int64_t integer, bool there)
{
    return there ? json_integer(integer) : json_null();
}

static bool add_step(json_t *list, const mtnt__step *step)
{
    json_t *row = json_object();
    bool good = mtnt__json_set(row, "name", mtnt__json_text(step->entry->name)) &&
                mtnt__json_set(row, "position", json_integer(step->entry->order)) &&
                mtnt__json_set(row, "checksum", mtnt__json_text(step->entry->checksum)) &&
                mtnt__json_set(row, "status", mtnt__json_text(mtnt_status_name(step->status))) &&
                mtnt__json_set(row, "recorded_in", mtnt__json_text(step->in_controller ? "controller" : "model")) &&
                mtnt__json_set(row, "started", int_or_null(step->started_ms, step->started_ms != 0)) &&
                mtnt__json_set(row, "finished", int_or_null(step->finished_ms, step->finished_ms != 0)) &&
                mtnt__json_set(row, "error", mtnt__json_text(step->error)) && json_array_append(list, row) == 0;

    json_decref(row);
    return good;
}

static json_t *end_row(const mtnt__end *end)
{
    const mtnt_error *error = end->error;
    json_t *row = json_object(), *steps = json_array();
    bool good = mtnt__json_set(row, "tenant", mtnt__json_text(end->tenant)) && mtnt__json_set(row, "migration", mtnt__json_text(end->migration)) &&
                mtnt__json_set(row, "state", mtnt__json_text(mtnt__migration_state_name(end->state))) &&
                mtnt__json_set(row, "tenant_state",
                               mtnt__json_text(mtnt__migration_state_ended(end->state) ? "idle" : mtnt__migration_state_name(end->state))) &&
                mtnt__json_set(row, "finished", int_or_null(end->finished_ms, mtnt__migration_state_ended(end->state))) &&
                mtnt__json_set(row, "version", int_or_null(end->position.version, end->moved)) &&
                mtnt__json_set(row, "digest", mtnt__json_text(end->moved ? end->position.digest : NULL)) &&
                mtnt__json_set(row, "placed", mtnt__json_text(end->moved ? end->placed : NULL)) &&
                mtnt__json_set(row, "model_uuid", mtnt__json_text(end->moved ? end->uuid : NULL)) &&
                mtnt__json_set(row, "error", mtnt__json_text(error == NULL ? NULL : error->message)) &&
                mtnt__json_set(row, "error_operation", mtnt__json_text(end->error_operation)) &&
                mtnt__json_set(row, "error_state", mtnt__json_text(error == NULL ? NULL : error->state));

    for (size_t i = 0; i < end->step_count && good && steps != NULL; i++)
        good = add_step(steps, end->steps + i);
    if (!good || steps == NULL || json_object_set(row, "operations", steps) != 0) {
        json_decref(row);
        row = NULL;
    }
    json_decref(steps);
    return row;
}

static json_t *end_rows(const mtnt__end *ends, size_t count)
{
    json_t *rows = json_array();

    for (size_t i = 0; rows != NULL && i < count; i++)
        if (json_array_append_new(rows, end_row(ends + i)) != 0) {
            json_decref(rows);
            return NULL;
        }
    return rows;
}

static int record_operations(mtnt_db *db, const char *chain, const json_t *rows, int64_t run, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), run == 0 ? mtnt_value_null() : mtnt_value_int(run), mtnt_value_end()};

    return mtnt__json_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, finish_operations), rows, values);
}

static int finish_all(mtnt_controller *controller, const char *chain, const mtnt__end *ends, size_t count, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_end()};
    json_t *rows = end_rows(ends, count);
    int rc = rows == NULL ? no_memory(err) : 0;

    /* Operations first: what a late writer says of them must not outlive the check of the migration's own row. */
    if (rc == 0)
        rc = record_operations(controller->db, chain, rows, ends[0].run, err);
    if (rc == 0)
        rc = mtnt__json_run(controller->db, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, finish_tenants), rows, values);
    if (rc == 0)
        rc = mtnt__json_run(controller->db, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, finish_migrations), rows, NULL);
    json_decref(rows);
    return rc;
}

int mtnt__store_record(mtnt_db *db, const char *chain, const mtnt__end *end, mtnt_error *err)
{
    json_t *rows = end_rows(end, 1);
    int rc = rows == NULL ? no_memory(err) : record_operations(db, chain, rows, end->run, err);

    json_decref(rows);
    return rc;
}

int mtnt__store_exchange(mtnt_controller *controller, const char *chain, const mtnt__end *ends, size_t end_count, mtnt__claim *const *claims,
                         size_t claim_count, int64_t lease_ms, mtnt_error *err)
{
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0 && end_count > 0)
        rc = finish_all(controller, chain, ends, end_count, err);
    if (rc == 0 && claim_count > 0)
        rc = claim_all(controller, chain, claims, claim_count, lease_ms, err);
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0) {
        mtnt__db_rollback(controller->db);
        for (size_t i = 0; i < claim_count; i++) {
            claims[i]->claimed = false;
            mtnt__previous_release(&claims[i]->previous);
        }
    }
    return rc;
}

int mtnt__store_claim(mtnt_controller *controller, const char *chain, mtnt__claim *const *claims, size_t count, int64_t lease_ms, mtnt_error *err)
{
    return mtnt__store_exchange(controller, chain, NULL, 0, claims, count, lease_ms, err);
}

int mtnt__store_finish(mtnt_controller *controller, const char *chain, const mtnt__end *ends, size_t count, mtnt_error *err)
{
    return mtnt__store_exchange(controller, chain, ends, count, NULL, 0, 0, err);
}

/* ---- recovery ---- */

static int read_unended(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__unended *unended = data;

    (void)err;
    copy_column(unended->migration, sizeof(unended->migration), row, 0);
    copy_column(unended->mode, sizeof(unended->mode), row, 1);
    copy_column(unended->decider, sizeof(unended->decider), row, 2);
    copy_column(unended->placed, sizeof(unended->placed), row, 3);
    unended->backward = mtnt_row_text(row, 4) != NULL && strcmp(mtnt_row_text(row, 4), "backward") == 0;
    unended->epoch = mtnt_row_int(row, 5);
    return 0;
}

int mtnt__store_unended(mtnt_controller *controller, const char *migration, mtnt__unended *ret_unended, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    mtnt__unended unended = {0};
    int rc = mtnt__db_run(controller->db, read_unended, &unended, err,
                          "SELECT migration, mode, decider, placed, direction, epoch FROM {schema}.mtnt_migration WHERE migration = $1", values);

    if (rc == 0 && unended.migration[0] == '\0')
        rc = mtnt_error_set(err, MTNT_E_CORRUPT, "the controller has a claim for migration %s and no row that describes it", migration);
    if (rc == 0)
        *ret_unended = unended;
    return rc;
}

int mtnt__store_take_lease(mtnt_controller *controller, const char *chain, const char *tenant, const mtnt__known *known, int64_t lease_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain),           mtnt_value_text(tenant),   mtnt_value_text(known->migration), mtnt_value_int(known->epoch),
                                 mtnt_value_text(controller->process), mtnt_value_int(lease_ms), mtnt_value_end()};
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0)
        rc = mtnt__db_run(controller->db, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, take_lease), values);
    if (rc == 0 && mtnt__db_changes(controller->db) != 1) {
        rc = mtnt_error_set(err, MTNT_E_BUSY, "tenant %s: another process is recovering it", tenant);
        if (err != NULL)
            err->retryable = true;
    }
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}

/* ---- runs ---- */

static int read_run(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0);
    return 0;
}

static int write_alone(mtnt_controller *controller, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql, const mtnt_value *values)
{
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0)
        rc = mtnt__db_run(controller->db, each, data, err, sql, values);
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}

int mtnt__store_run_begin(mtnt_controller *controller, const char *chain, const char *command, int64_t *ret_run, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_text(command), mtnt_value_text(controller->process),
                                 mtnt_value_int(controller->system->wall_ms(controller->system->data)), mtnt_value_end()};
    int64_t run = 0;
    int rc = write_alone(controller, read_run, &run, err,
                         "INSERT INTO {schema}.mtnt_run (chain, command, process, started_ms) VALUES ($1, $2, $3, $4) RETURNING run", values);

    if (rc == 0)
        *ret_run = run;
    return rc;
}

int mtnt__store_run_end(mtnt_controller *controller, int64_t run, const mtnt__run_counts *counts, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run),
                                 mtnt_value_int(controller->system->wall_ms(controller->system->data)),
                                 mtnt_value_int(counts->migrated),
                                 mtnt_value_int(counts->current),
                                 mtnt_value_int(counts->failed),
                                 mtnt_value_int(counts->untouched),
                                 mtnt_value_end()};

    return write_alone(controller, NULL, NULL, err,
                       "UPDATE {schema}.mtnt_run SET finished_ms = $2, migrated = $3, already_current = $4, failed = $5, untouched = $6 WHERE run = $1",
                       values);
}
