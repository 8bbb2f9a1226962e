#include "state/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/ahead.h"
#include "state/host.h"
#include "state/places.h"
#include "state/queries.h"
#include "state/rows.h"
#include "state/runs.h"

static int no_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

bool mtnt__known_idle(const mtnt__known *known)
{
    return !known->known || strcmp(known->state, "idle") == 0;
}

void mtnt__store_new_call(mtnt_controller *controller)
{
    controller->call++;
    snprintf(controller->owner, sizeof(controller->owner), "%s#%s.%" PRId64, controller->process, controller->handle,
             controller->call);
}

static bool left_by_an_earlier_call(const mtnt_controller *controller, const char *owner)
{
    const char *dot = strrchr(controller->owner, '.');
    size_t length = dot == NULL ? 0 : (size_t)(dot - controller->owner) + 1;
    int64_t call;

    return length > 0 && strncmp(owner, controller->owner, length) == 0 &&
           mtnt__parse_int(owner + length, 1, controller->call - 1, &call);
}

bool mtnt__known_takeable(const mtnt_controller *controller, const mtnt__known *known, int64_t longest_ms)
{
    int64_t over_ms = known->now_ms - known->lease_until_ms;
    char process[MTNT__PROCESS_SIZE];
    mtnt__process_state state;

    if (left_by_an_earlier_call(controller, known->owner))
        return true;
    if (strcmp(known->owner, controller->owner) == 0 && over_ms < longest_ms)
        return false;
    if (over_ms >= 0 && (controller->backend != MTNT_SQLITE || over_ms >= longest_ms))
        return true;
    snprintf(process, sizeof(process), "%.*s", (int)strcspn(known->owner, "#"), known->owner);
    state = mtnt__process_look(process);
    return state == MTNT__PROCESS_DEAD || (over_ms >= 0 && state != MTNT__PROCESS_ALIVE);
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

int mtnt__previous_add_applied(const mtnt__previous *previous, mtnt__applied *applied, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < previous->count && rc == 0; i++) {
        mtnt__record record = previous->operations[i].record;

        if (previous->operations[i].status != MTNT_STATUS_COMPLETED || !record.in_controller)
            continue;
        record.name = previous->operations[i].name;
        rc = mtnt__applied_add(applied, &record, err);
    }
    return rc;
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
    known->gone = !mtnt_row_is_null(row, 15);
    copy_column(known->gone_by, sizeof(known->gone_by), row, 15);
    known->gone_here = mtnt_row_int(row, 16) != 0;
    known->remove_after_ms = mtnt_row_int(row, 17);
    known->removing_ms = mtnt_row_int(row, 18);
    known->removed_ms = mtnt_row_int(row, 19);
    known->reborn = mtnt_row_int(row, 20) != 0;
    return 0;
}

int mtnt__store_select(mtnt_controller *controller, const char *chain, const mtnt_model *const *models, size_t count,
                       mtnt__known *ret_known, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_end()};
    struct selecting selecting = {ret_known, count, 0};
    const char **ids = calloc(count + 1, sizeof(*ids));
    int rc;

    if (ids == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        ids[i] = mtnt_model_id(models[i]);
    rc = mtnt__texts_run(controller->db, read_known, &selecting, err, MTNT__QUERY_FOR(controller->db, tenant_select),
                         ids, count, values);
    free(ids);
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

/* Rows come in the order of the claims, but for PostgreSQL's RETURNING: go on from the last hit. */
static mtnt__claim *next_claim(struct claiming *claiming, size_t i)
{
    return claiming->claims[(claiming->at + i) % claiming->count];
}

static int read_claimed(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *migration = mtnt_row_text(row, 0);
    struct claiming *claiming = data;

    for (size_t i = 0; migration != NULL && i < claiming->count; i++) {
        mtnt__claim *claim = next_claim(claiming, i);

        if (strcmp(claim->migration, migration) != 0)
            continue;
        claim->claimed = true;
        claim->epoch = mtnt_row_int(row, 1);
        claiming->at = (claiming->at + i) % claiming->count;
        return 0;
    }
    return mtnt_error_set(err, MTNT_E_CORRUPT, "the controller claimed a tenant that was not asked for");
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
    *operation = (struct mtnt__previous_operation){.name = strdup(name == NULL ? "" : name),
                                                   .status = status_of(mtnt_row_text(row, 4))};
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
    const char *tenant = mtnt_row_text(row, 0);
    struct claiming *claiming = data;

    for (size_t i = 0; tenant != NULL && i < claiming->count; i++) {
        mtnt__claim *claim = next_claim(claiming, i);

        if (!claim->claimed || strcmp(mtnt_model_id(claim->model), tenant) != 0)
            continue;
        claiming->at = (claiming->at + i) % claiming->count;
        return add_previous(&claim->previous, row, err);
    }
    return 0;
}

static mtnt_value int_or_null(int64_t integer, bool there)
{
    return there ? mtnt_value_int(integer) : mtnt_value_null();
}

static mtnt_value text_if(bool there, const char *text)
{
    return mtnt_value_text(there ? text : NULL);
}

static int fill_claims(mtnt__rows *tenants, mtnt__rows *migrations, mtnt__claim *const *claims, size_t count,
                       mtnt_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const mtnt__claim *claim = claims[i];
        mtnt_value *tenant, *migration;

        if (claim->withheld)
            continue;
        tenant = mtnt__rows_add(tenants);
        migration = mtnt__rows_add(migrations);
        if (tenant == NULL || migration == NULL)
            return no_memory(err);
        tenant[0] = migration[0] = mtnt_value_text(mtnt_model_id(claim->model));
        tenant[1] = migration[1] = mtnt_value_text(claim->migration);
        tenant[2] = int_or_null(claim->seen, claim->as_seen);
        migration[2] = mtnt_value_text(claim->backward ? "backward" : "forward");
        migration[3] = mtnt_value_text(claim->mode);
        migration[4] = mtnt_value_text(claim->decider);
        migration[5] = mtnt_value_text(mtnt__model_key(claim->model));
        migration[6] = text_if(claim->home != NULL && claim->home[0] != '\0', claim->home);
    }
    return 0;
}

static int read_all_previous(mtnt_controller *controller, const char *chain, struct claiming *claiming, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_int(1), mtnt_value_end()};
    const char **ids = calloc(claiming->count + 1, sizeof(*ids));
    size_t count = 0;
    int rc;

    if (ids == NULL)
        return no_memory(err);
    for (size_t i = 0; i < claiming->count; i++)
        if (claiming->claims[i]->claimed)
            ids[count++] = mtnt_model_id(claiming->claims[i]->model);
    rc = mtnt__texts_run(controller->db, read_previous, claiming, err,
                         MTNT__QUERY_FOR(controller->db, operation_select), ids, count, values);
    free(ids);
    return rc;
}

int mtnt__store_previous(mtnt_controller *controller, const char *chain, const mtnt_model *model,
                         mtnt__previous *ret_previous, mtnt_error *err)
{
    mtnt__claim claim = {.model = model, .claimed = true}, *claims[] = {&claim};
    struct claiming claiming = {claims, 1, 0};
    int rc = read_all_previous(controller, chain, &claiming, err);

    if (rc == 0)
        *ret_previous = claim.previous;
    else
        mtnt__previous_release(&claim.previous);
    return rc;
}

static mtnt_value run_or_null(int64_t run)
{
    return run == 0 ? mtnt_value_null() : mtnt_value_int(run);
}

static int claim_all(mtnt_controller *controller, const char *chain, mtnt__claim *const *claims, size_t count,
                     int64_t lease_ms, mtnt_error *err)
{
    static const char *const tenant_columns[] = {"tenant", "migration", "seen"};
    static const char *const migration_columns[] = {"tenant",  "migration", "direction", "mode",
                                                    "decider", "placed",    "home"};
    const mtnt_value tenant_more[] = {mtnt_value_text(chain), mtnt_value_text(controller->owner),
                                      mtnt_value_int(lease_ms), mtnt_value_end()};
    const mtnt_value migration_more[] = {mtnt_value_text(chain), run_or_null(claims[0]->run), mtnt_value_end()};
    mtnt__rows tenants = MTNT__ROWS(tenant_columns), migrations = MTNT__ROWS(migration_columns);
    struct claiming claiming = {claims, count, 0};
    mtnt_db *db = controller->db;
    int rc = fill_claims(&tenants, &migrations, claims, count, err);

    if (rc == 0)
        rc =
            mtnt__rows_run(db, read_claimed, &claiming, err, MTNT__QUERY_FOR(db, claim_tenants), &tenants, tenant_more);
    if (rc == 0)
        rc = mtnt__rows_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, claim_migrations), &migrations, migration_more);
    if (rc == 0)
        rc = read_all_previous(controller, chain, &claiming, err);
    mtnt__rows_release(&tenants);
    mtnt__rows_release(&migrations);
    return rc;
}

/* ---- ends ---- */

static int add_operations(mtnt__rows *rows, const mtnt__end *end, mtnt_error *err)
{
    for (size_t i = 0; i < end->step_count; i++) {
        const mtnt__step *step = end->steps + i;
        mtnt_value *cells = mtnt__rows_add(rows);

        if (cells == NULL)
            return no_memory(err);
        cells[0] = mtnt_value_text(end->tenant);
        cells[1] = mtnt_value_text(end->migration);
        cells[2] = mtnt_value_text(step->entry->name);
        cells[3] = mtnt_value_int(step->entry->order);
        cells[4] = mtnt_value_text(step->entry->checksum);
        cells[5] = mtnt_value_text(mtnt_status_name(step->status));
        cells[6] = mtnt_value_text(step->in_controller ? "controller" : "model");
        cells[7] = int_or_null(step->started_ms, step->started_ms != 0);
        cells[8] = int_or_null(step->finished_ms, step->finished_ms != 0);
        cells[9] = mtnt_value_text(step->error);
        if (rows->column_count > 10)
            cells[10] = int_or_null(end->epoch, end->epoch != 0);
    }
    return 0;
}

static int note_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)row;
    (void)err;
    *(bool *)data = true;
    return 0;
}

/* PostgreSQL asks it within the statement that writes the rows. In SQLite, where each row is a statement, it is asked once for all of an end; nobody
 * else writes meanwhile. */
static int claim_holds(mtnt_db *db, const mtnt__end *end, bool *ret_holds, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(end->migration), int_or_null(end->epoch, end->epoch != 0),
                                 mtnt_value_end()};
    bool holds = mtnt_db_backend(db) == MTNT_POSTGRES;
    int rc = holds ? 0 : mtnt__db_run(db, note_row, &holds, err, mtnt__sql_queries_sqlite_claim_holds, values);

    if (rc == 0)
        *ret_holds = holds;
    return rc;
}

static int record_operations(mtnt_db *db, const char *chain, const mtnt__end *ends, size_t count, mtnt_error *err)
{
    static const char *const columns[] = {"tenant",      "migration", "name",     "position", "checksum", "status",
                                          "recorded_in", "started",   "finished", "error",    "epoch"};
    const mtnt_value more[] = {mtnt_value_text(chain), run_or_null(ends[0].run), mtnt_value_end()};
    mtnt__rows rows = MTNT__ROWS(columns);
    int rc = 0;

    if (mtnt_db_backend(db) == MTNT_SQLITE)
        rows.column_count--; /* the epoch: it was asked for */
    for (size_t i = 0; i < count && rc == 0; i++) {
        bool holds = false;

        if (ends[i].step_count > 0)
            rc = claim_holds(db, ends + i, &holds, err);
        if (rc == 0 && holds)
            rc = add_operations(&rows, ends + i, err);
    }
    if (rc == 0)
        rc = mtnt__rows_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, finish_operations), &rows, more);
    mtnt__rows_release(&rows);
    return rc;
}

static int finish_tenants(mtnt_db *db, const char *chain, const mtnt__end *ends, size_t count, mtnt_error *err)
{
    static const char *const columns[] = {"tenant",          "migration",   "tenant_state", "version",
                                          "digest",          "placed",      "model_uuid",   "error",
                                          "error_operation", "error_state", "epoch",        "rehearsed"};
    const mtnt_value more[] = {mtnt_value_text(chain), mtnt_value_end()};
    mtnt__rows rows = MTNT__ROWS(columns);
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        const mtnt__end *end = ends + i;
        mtnt_value *cells = mtnt__rows_add(&rows);

        if (cells == NULL) {
            rc = no_memory(err);
            break;
        }
        cells[0] = mtnt_value_text(end->tenant);
        cells[1] = mtnt_value_text(end->migration);
        cells[2] =
            mtnt_value_text(mtnt__migration_state_ended(end->state) ? "idle" : mtnt__migration_state_name(end->state));
        cells[3] = int_or_null(end->position.version, end->moved);
        cells[4] = text_if(end->moved, end->position.digest);
        cells[5] = text_if(end->moved, end->placed);
        cells[6] = text_if(end->moved, end->uuid);
        cells[7] = text_if(end->error != NULL, end->error == NULL ? NULL : end->error->message);
        cells[8] = mtnt_value_text(end->error_operation);
        cells[9] = text_if(end->error != NULL, end->error == NULL ? NULL : end->error->state);
        cells[10] = int_or_null(end->epoch, end->epoch != 0);
        cells[11] = mtnt_value_int(end->rehearsed);
    }
    if (rc == 0)
        rc = mtnt__rows_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, finish_tenants), &rows, more);
    mtnt__rows_release(&rows);
    return rc;
}

static int finish_migrations(mtnt_db *db, const mtnt__end *ends, size_t count, mtnt_error *err)
{
    static const char *const columns[] = {"migration", "state", "finished", "error", "epoch", "rests"};
    mtnt__rows rows = MTNT__ROWS(columns);
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        mtnt_value *cells = mtnt__rows_add(&rows);

        if (cells == NULL) {
            rc = no_memory(err);
            break;
        }
        cells[0] = mtnt_value_text(ends[i].migration);
        cells[1] = mtnt_value_text(mtnt__migration_state_name(ends[i].state));
        cells[2] = int_or_null(ends[i].finished_ms, mtnt__migration_state_ended(ends[i].state));
        cells[3] = text_if(ends[i].error != NULL, ends[i].error == NULL ? NULL : ends[i].error->message);
        cells[4] = int_or_null(ends[i].epoch, ends[i].epoch != 0);
        cells[5] = int_or_null(1, ends[i].rests);
    }
    if (rc == 0)
        rc = mtnt__rows_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, finish_migrations), &rows, NULL);
    mtnt__rows_release(&rows);
    return rc;
}

/* Once: the migration's own row, which is written after it, says whether it has been ended before. */
static int write_audit(mtnt_db *db, const char *chain, const mtnt__end *end, mtnt_error *err)
{
    const mtnt__audit *audit = end->audit;
    const mtnt_value values[] = {
        mtnt_value_int(end->finished_ms), mtnt_value_text(chain),         mtnt_value_text(end->tenant),
        mtnt_value_text(end->migration),  mtnt_value_text(audit->from),   mtnt_value_text(audit->to),
        mtnt_value_text(audit->who),      mtnt_value_text(audit->reason), mtnt_value_end()};

    return mtnt__db_run(
        db, NULL, NULL, err,
        "INSERT INTO {schema}.mtnt_audit (at_ms, chain, tenant, migration, from_state, to_state, who, reason) "
        "SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), migration, CAST($5 AS TEXT), CAST($6 AS TEXT), "
        "CAST($7 AS TEXT), CAST($8 AS TEXT) FROM {schema}.mtnt_migration "
        "WHERE migration = $4 AND state IN ('executing', 'in_doubt', 'blocked', 'compensating')",
        values);
}

static int write_audits(mtnt_db *db, const char *chain, const mtnt__end *ends, size_t count, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        if (ends[i].audit != NULL)
            rc = write_audit(db, chain, ends + i, err);
    return rc;
}

/* The tenant first, whose row stays locked so that the claim cannot go to another meanwhile; the migration's own row last: each looks whether the
 * migration is still to be ended, and by whom. */
static int finish_all(mtnt_controller *controller, const char *chain, const mtnt__end *ends, size_t count,
                      mtnt_error *err)
{
    int rc = finish_tenants(controller->db, chain, ends, count, err);

    if (rc == 0)
        rc = record_operations(controller->db, chain, ends, count, err);
    if (rc == 0)
        rc = write_audits(controller->db, chain, ends, count, err);
    if (rc == 0)
        rc = finish_migrations(controller->db, ends, count, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        if (ends[i].ahead != NULL && ends[i].ahead->count > 0)
            rc = mtnt__ahead_write(controller->db, chain, ends[i].tenant, ends[i].placed, ends[i].ahead,
                                   ends[i].finished_ms, err);
    return rc;
}

int mtnt__store_record(mtnt_db *db, const char *chain, const mtnt__end *end, mtnt_error *err)
{
    return record_operations(db, chain, end, 1, err);
}

int mtnt__store_exchange(mtnt_controller *controller, const char *chain, const mtnt__end *ends, size_t end_count,
                         mtnt__claim *const *claims, size_t claim_count, int64_t lease_ms, const mtnt__run_note *note,
                         mtnt_error *err)
{
    mtnt__pacing *pacing = note == NULL ? NULL : note->pacing;
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0 && pacing != NULL)
        rc = mtnt__pacing_enter(controller, note->run, pacing, err);
    if (rc == 0 && end_count > 0)
        rc = finish_all(controller, chain, ends, end_count, err);
    if (rc == 0 && note != NULL)
        rc = mtnt__store_run_write(controller, note, false, err);
    if (rc == 0 && pacing != NULL)
        rc = mtnt__pacing_choose(controller, note->run, pacing, claims, claim_count, err);
    if (rc == 0 && claim_count > 0 && mtnt__host_check(controller, true, err) != 0)
        rc = mtnt_error_wrap(err, "controller %s", controller->shown);
    if (rc == 0 && claim_count > 0)
        rc = claim_all(controller, chain, claims, claim_count, lease_ms, err);
    if (rc == 0 && pacing != NULL)
        rc = mtnt__pacing_settle(controller, note->run, pacing, ends, end_count, claims, claim_count, err);
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

int mtnt__store_claim(mtnt_controller *controller, const char *chain, mtnt__claim *const *claims, size_t count,
                      int64_t lease_ms, mtnt_error *err)
{
    return mtnt__store_exchange(controller, chain, NULL, 0, claims, count, lease_ms, NULL, err);
}

int mtnt__store_finish(mtnt_controller *controller, const char *chain, const mtnt__end *ends, size_t count,
                       mtnt_error *err)
{
    return mtnt__store_exchange(controller, chain, ends, count, NULL, 0, 0, NULL, err);
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
    copy_column(unended->worker, sizeof(unended->worker), row, 6);
    copy_column(unended->home, sizeof(unended->home), row, 7);
    return 0;
}

int mtnt__store_unended(mtnt_controller *controller, const char *migration, mtnt__unended *ret_unended, mtnt_error *err)
{
    return mtnt__store_unended_by(controller->db, migration, ret_unended, err);
}

int mtnt__store_unended_by(mtnt_db *db, const char *migration, mtnt__unended *ret_unended, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    mtnt__unended unended = {0};
    int rc = mtnt__db_run(
        db, read_unended, &unended, err,
        "SELECT migration, mode, decider, placed, direction, epoch, worker, decider_home FROM {schema}.mtnt_migration WHERE migration = $1",
        values);

    if (rc == 0 && unended.migration[0] == '\0')
        rc = mtnt_error_set(err, MTNT_E_CORRUPT,
                            "the controller has a claim for migration %s and no row that describes it", migration);
    if (rc == 0)
        *ret_unended = unended;
    return rc;
}

static int read_ended(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__migration_state state = mtnt__migration_state_parse(mtnt_row_text(row, 0));

    (void)err;
    if (mtnt__migration_state_ended(state))
        *(mtnt__migration_state *)data = state;
    return 0;
}

int mtnt__store_ended(mtnt_db *db, const char *key, mtnt__migration_state *ret_state, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(key), mtnt_value_end()};
    mtnt__migration_state state = MTNT__STATE_NONE;
    int rc = mtnt__db_run(
        db, read_ended, &state, err,
        "SELECT state FROM {schema}.mtnt_migration WHERE migration = $1 UNION ALL "
        "SELECT CASE state WHEN 'done' THEN 'committed' ELSE state END FROM {schema}.mtnt_step WHERE key = $1",
        values);

    if (rc == 0)
        *ret_state = state;
    return rc;
}

int mtnt__store_take_lease(mtnt_controller *controller, const char *chain, const char *tenant, const mtnt__known *known,
                           int64_t lease_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain),
                                 mtnt_value_text(tenant),
                                 mtnt_value_text(known->migration),
                                 mtnt_value_int(known->epoch),
                                 mtnt_value_text(controller->owner),
                                 mtnt_value_int(lease_ms),
                                 mtnt_value_end()};
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

/* ---- a person's word ---- */

static int move_one(mtnt_controller *controller, const char *sql, const mtnt_value *values, const mtnt__end *end,
                    mtnt_error *err)
{
    int rc = mtnt__db_run(controller->db, NULL, NULL, err, sql, values);

    if (rc == 0 && mtnt__db_changes(controller->db) != 1)
        rc = mtnt_error_set(err, MTNT_E_BUSY, "tenant %s: somebody else has moved it meanwhile; look again",
                            end->tenant);
    return rc;
}

static int write_word(mtnt_controller *controller, const char *chain, const mtnt__end *end, const mtnt__audit *audit,
                      mtnt_error *err)
{
    const char *to = mtnt__migration_state_name(end->state);
    const mtnt_value row[] = {
        mtnt_value_int(end->finished_ms), mtnt_value_text(chain),         mtnt_value_text(end->tenant),
        mtnt_value_text(end->migration),  mtnt_value_text(audit->from),   mtnt_value_text(to),
        mtnt_value_text(audit->who),      mtnt_value_text(audit->reason), mtnt_value_end()};

    return mtnt__db_run(
        controller->db, NULL, NULL, err,
        "INSERT INTO {schema}.mtnt_audit (at_ms, chain, tenant, migration, from_state, to_state, who, reason) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        row);
}

static int resolve_rows(mtnt_controller *controller, const char *chain, const mtnt__end *end, const mtnt__audit *audit,
                        mtnt_error *err)
{
    bool ended = mtnt__migration_state_ended(end->state);
    const char *to = mtnt__migration_state_name(end->state);
    const mtnt_value tenant[] = {mtnt_value_text(chain),
                                 mtnt_value_text(end->tenant),
                                 mtnt_value_text(end->migration),
                                 mtnt_value_text(audit->from),
                                 mtnt_value_text(ended ? "idle" : to),
                                 int_or_null(end->position.version, end->moved),
                                 text_if(end->moved, end->position.digest),
                                 text_if(end->moved, end->placed),
                                 text_if(end->moved, end->uuid),
                                 text_if(end->error != NULL, end->error == NULL ? NULL : end->error->message),
                                 mtnt_value_int(end->finished_ms),
                                 mtnt_value_end()};
    const mtnt_value migration[] = {mtnt_value_text(end->migration), mtnt_value_text(audit->from), mtnt_value_text(to),
                                    int_or_null(end->finished_ms, ended), mtnt_value_end()};
    int rc = move_one(controller, MTNT__QUERY_FOR(controller->db, resolve_tenant), tenant, end, err);

    if (rc == 0 && end->ahead != NULL)
        rc = mtnt__ahead_write(controller->db, chain, end->tenant, end->placed, end->ahead, end->finished_ms, err);

    if (rc == 0)
        rc = move_one(
            controller,
            "UPDATE {schema}.mtnt_migration SET state = $3, finished_ms = $4 WHERE migration = $1 AND state = $2",
            migration, end, err);
    return rc == 0 ? write_word(controller, chain, end, audit, err) : rc;
}

int mtnt__store_resolve(mtnt_controller *controller, const char *chain, const mtnt__end *end, const mtnt__audit *audit,
                        mtnt_error *err)
{
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0)
        rc = resolve_rows(controller, chain, end, audit, err);
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}

/* The migration's own row comes last, and only under the claim: where it has not moved, nothing has. */
static int reconcile_rows(mtnt_controller *controller, const char *chain, const mtnt__end *end,
                          const mtnt__audit *audit, mtnt_error *err)
{
    mtnt__end plain = *end;
    int rc;

    plain.ahead = NULL; /* after that, for the changes are those of the last statement */
    rc = finish_all(controller, chain, &plain, 1, err);
    if (rc == 0 && mtnt__db_changes(controller->db) != 1)
        rc = mtnt_error_set(err, MTNT_E_BUSY, "tenant %s: another process has taken it over", end->tenant);
    if (rc == 0 && end->ahead != NULL)
        rc = mtnt__ahead_write(controller->db, chain, end->tenant, end->placed, end->ahead, end->finished_ms, err);
    return rc == 0 ? write_word(controller, chain, end, audit, err) : rc;
}

int mtnt__store_reconcile(mtnt_controller *controller, const char *chain, const mtnt__end *end,
                          const mtnt__audit *audit, mtnt_error *err)
{
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0)
        rc = reconcile_rows(controller, chain, end, audit, err);
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}

/* ---- what is left ---- */

#define COLLECT_BATCH 5000

int mtnt__store_collect(mtnt_controller *controller, int64_t *ret_count, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(COLLECT_BATCH), mtnt_value_end()};
    int64_t count = 0;
    int rc;

    do {
        rc = mtnt__db_begin(controller->db, err);
        if (rc == 0)
            rc = mtnt__db_run(controller->db, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, collect_decisions),
                              values);
        if (rc == 0)
            rc = mtnt__db_commit(controller->db, err);
        if (rc != 0)
            mtnt__db_rollback(controller->db);
        else
            count += mtnt__db_changes(controller->db);
    } while (rc == 0 && mtnt__db_changes(controller->db) >= COLLECT_BATCH);
    if (rc == 0)
        *ret_count = count;
    return rc;
}

static int read_found(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__found_claim *found = data;
    const char *state = mtnt_row_text(row, 6);

    (void)err;
    copy_column(found->claim.migration, sizeof(found->claim.migration), row, 0);
    copy_column(found->chain, sizeof(found->chain), row, 1);
    copy_column(found->tenant, sizeof(found->tenant), row, 2);
    copy_column(found->claim.mode, sizeof(found->claim.mode), row, 3);
    copy_column(found->claim.decider, sizeof(found->claim.decider), row, 4);
    copy_column(found->claim.placed, sizeof(found->claim.placed), row, 5);
    found->state = mtnt__migration_state_parse(state == NULL ? "" : state);
    copy_column(found->claim.home, sizeof(found->claim.home), row, 7);
    copy_column(found->known.migration, sizeof(found->known.migration), row, 8);
    copy_column(found->known.state, sizeof(found->known.state), row, 9);
    copy_column(found->known.owner, sizeof(found->known.owner), row, 10);
    found->known.lease_until_ms = mtnt_row_int(row, 11);
    found->known.now_ms = mtnt_row_int(row, 12);
    found->known.known = found->known.migration[0] != '\0';
    return 0;
}

int mtnt__store_find(mtnt_controller *controller, const char *key, mtnt__found_claim *ret_found, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(key), mtnt_value_end()};

    *ret_found = (mtnt__found_claim){.state = MTNT__STATE_NONE};
    return mtnt__db_run(controller->db, read_found, ret_found, err, MTNT__QUERY_FOR(controller->db, find_claim),
                        values);
}
