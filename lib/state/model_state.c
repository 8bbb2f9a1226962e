#include "state/model_state.h"

#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/queries.h"
#include "state/rows.h"
#include "state/tables.h"

/* One round trip for identity and applied set, of this chain (1) and of the other lanes of the whole (2). */
static const char read_all[] =
    "SELECT 0, key, value, 0, '', '', 0, 0, 0 FROM {schema}.mtnt_meta UNION ALL "
    "SELECT CASE WHEN chain = $1 THEN 1 ELSE 2 END, name, chain, position, checksum, migration, coalesce(run, 0), "
    "started_ms, finished_ms "
    "FROM {schema}.mtnt_applied "
    "WHERE chain = $1 OR chain = $2 OR substr(chain, 1, length($2) + 1) = $2 || '/'";

struct reading {
    mtnt__identity identity;
    char tenant[256];
    const mtnt_chain *chain;
    mtnt__applied *applied;
};

static int read_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct reading *reading = data;
    const char *key = mtnt_row_text(row, 1), *value = mtnt_row_text(row, 2);
    mtnt__record record = {0};

    if (key == NULL)
        return mtnt_error_set(err, MTNT_E_CORRUPT, "the model's own tables hold a row without a name");
    if (mtnt_row_int(row, 0) == 0) {
        if (strcmp(key, "model_uuid") == 0)
            mtnt__text_copy(reading->identity.uuid, sizeof(reading->identity.uuid), value);
        else if (strcmp(key, "controller") == 0)
            mtnt__text_copy(reading->identity.controller, sizeof(reading->identity.controller), value);
        else if (strcmp(key, "tenant") == 0)
            mtnt__text_copy(reading->tenant, sizeof(reading->tenant), value);
        else if (strcmp(key, MTNT__FINGERPRINT_KEY) == 0 && value != NULL)
            (void)mtnt__fingerprint_parse(value, &reading->identity.fingerprint);
        return 0;
    }
    record.position = mtnt_row_int(row, 3);
    record.run = mtnt_row_int(row, 6);
    record.started_ms = mtnt_row_int(row, 7);
    record.finished_ms = mtnt_row_int(row, 8);
    mtnt__text_copy(record.checksum, sizeof(record.checksum), mtnt_row_text(row, 4));
    mtnt__text_copy(record.migration, sizeof(record.migration), mtnt_row_text(row, 5));
    /* The name is copied by _add before the row goes away. */
    record.name = (char *)(uintptr_t)key;
    if (mtnt_row_int(row, 0) == 2)
        return mtnt_chain_find(reading->chain, key) < 0
                   ? 0
                   : mtnt__applied_note_elsewhere(reading->applied, &record, value == NULL ? "" : value, err);
    return mtnt__applied_add(reading->applied, &record, err);
}

static int check_identity(const struct reading *reading, const mtnt__expected *expected, mtnt_error *err)
{
    const mtnt__identity *identity = &reading->identity;

    if (expected->controller != NULL && identity->controller[0] != '\0' &&
        strcmp(identity->controller, expected->controller) != 0)
        return mtnt_error_set(
            err, MTNT_E_FOREIGN,
            "its model was last written by another controller (%.8s…, this one is %.8s…). If you mean to take it over: "
            "mtnt-model adopt --tenant %s. Nothing was changed",
            identity->controller, expected->controller, expected->tenant);
    if (expected->uuid != NULL && expected->uuid[0] != '\0' && strcmp(identity->uuid, expected->uuid) != 0)
        return mtnt_error_set(
            err, MTNT_E_FOREIGN,
            "this is not the model that the controller knows for the tenant (it is %.8s…, expected %.8s…): swapped, or restored "
            "from another tenant's backup? Nothing was changed",
            identity->uuid[0] == '\0' ? "unmarked" : identity->uuid, expected->uuid);
    if (expected->tenant != NULL && reading->tenant[0] != '\0' && strcmp(reading->tenant, expected->tenant) != 0)
        return mtnt_error_set(err, MTNT_E_FOREIGN, "this model belongs to tenant %s. Nothing was changed",
                              reading->tenant);
    return 0;
}

static int read_tables(mtnt_db *db, const mtnt_chain *chain, struct reading *reading, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain->name), mtnt_value_text(mtnt__chain_base(chain)),
                                 mtnt_value_end()};

    reading->identity.known = true;
    reading->chain = chain;
    return mtnt__db_run(db, read_row, reading, err, read_all, values);
}

int mtnt__model_state_read(mtnt_db *db, const mtnt_chain *chain, const mtnt__expected *expected,
                           mtnt__identity *ret_identity, mtnt__applied *applied, mtnt_error *err)
{
    struct reading reading = {.applied = applied};
    size_t version = 0;
    int rc = mtnt__tables_version(db, &mtnt__tables_model, &version, err);

    if (rc == 0 && version > 0)
        rc = read_tables(db, chain, &reading, err);
    if (rc == 0)
        rc = check_identity(&reading, expected, err);
    if (rc == 0)
        *ret_identity = reading.identity;
    return rc;
}

int mtnt__model_state_look(mtnt_db *db, const mtnt_chain *chain, mtnt__identity *ret_identity, char ret_tenant[256],
                           mtnt__applied *applied, mtnt_error *err)
{
    struct reading reading = {.applied = applied};
    size_t version = 0;
    int rc = mtnt__tables_version(db, &mtnt__tables_model, &version, err);

    if (rc == 0 && version > 0)
        rc = read_tables(db, chain, &reading, err);
    if (rc == 0) {
        *ret_identity = reading.identity;
        mtnt__text_copy(ret_tenant, sizeof(reading.tenant), reading.tenant);
    }
    return rc;
}

int mtnt__model_state_identify(mtnt_db *db, const mtnt__expected *expected, mtnt_error *err)
{
    struct reading reading = {.applied = NULL};
    size_t version = 0;
    int rc = mtnt__tables_version(db, &mtnt__tables_model, &version, err);

    if (rc == 0 && version > 0)
        rc = mtnt__db_run(db, read_row, &reading, err, "SELECT 0, key, value FROM {schema}.mtnt_meta", NULL);
    return rc == 0 ? check_identity(&reading, expected, err) : rc;
}

static int mark(mtnt_db *db, const mtnt__expected *expected, const mtnt__system *system, mtnt__identity *identity,
                mtnt_error *err)
{
    int rc = mtnt__random_id(system, identity->uuid, err);
    const mtnt_value values[] = {mtnt_value_text(identity->uuid), mtnt_value_text(expected->tenant),
                                 mtnt_value_text(expected->controller), mtnt_value_end()};

    if (rc == 0)
        rc = mtnt__db_run_later(
            db, err,
            "INSERT INTO {schema}.mtnt_meta (key, value) VALUES ('model_uuid', $1), ('tenant', $2), ('controller', $3)",
            values);
    identity->known = identity->fresh = true;
    mtnt__text_copy(identity->controller, sizeof(identity->controller), expected->controller);
    return rc;
}

int mtnt__model_state_take(mtnt_db *db, const mtnt_chain *chain, const mtnt__expected *expected,
                           const mtnt__system *system, mtnt__identity *ret_identity, mtnt__applied *applied,
                           mtnt_error *err)
{
    struct reading reading = {.applied = applied};
    size_t before = 0;
    int rc = mtnt__tables_ensure(db, &mtnt__tables_model, &before, err);

    if (rc == 0 && before > 0)
        rc = read_tables(db, chain, &reading, err);
    if (rc == 0)
        rc = check_identity(&reading, expected, err);
    /* A recovery that had to write its decision here may have made the tables, and nothing more. */
    if (rc == 0 && reading.identity.uuid[0] == '\0')
        rc = mark(db, expected, system, &reading.identity, err);
    if (rc == 0)
        *ret_identity = reading.identity;
    return rc;
}

/* ---- taking over ---- */

static int check_bearer(const struct reading *reading, const mtnt__expected *expected, bool renamed, mtnt_error *err)
{
    const mtnt__expected known = {renamed ? NULL : expected->tenant, NULL, expected->uuid};

    if (reading->identity.controller[0] == '\0')
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "no controller has written its model, so there is nobody to take it over from. Another tool's history is "
            "recorded by   mtnt-model baseline --tenant %s   and without one   mtnt-model migrate   takes it. Nothing was "
            "changed",
            expected->tenant);
    if (strcmp(reading->identity.controller, expected->controller) == 0)
        return check_identity(reading, expected, err);
    if (!renamed && reading->tenant[0] != '\0' && strcmp(reading->tenant, expected->tenant) != 0)
        return mtnt_error_set(
            err, MTNT_E_FOREIGN,
            "its model is tenant %s's, of controller %.8s…: swapped? If the tenant is called %s now:   mtnt-model adopt "
            "--tenant %s --as-renamed. Nothing was changed",
            reading->tenant, reading->identity.controller, expected->tenant, expected->tenant);
    return check_identity(reading, &known, err);
}

int mtnt__model_state_examine(mtnt_db *db, const mtnt_chain *chain, const mtnt__expected *expected, bool renamed,
                              mtnt__bearer *ret_bearer, mtnt__applied *applied, mtnt_error *err)
{
    struct reading reading = {.applied = applied};
    size_t version = 0;
    int rc = mtnt__tables_version(db, &mtnt__tables_model, &version, err);

    if (rc == 0 && version > 0)
        rc = read_tables(db, chain, &reading, err);
    if (rc == 0)
        rc = check_bearer(&reading, expected, renamed, err);
    if (rc != 0)
        return rc;
    *ret_bearer = (mtnt__bearer){.identity = reading.identity,
                                 .ours = strcmp(reading.identity.controller, expected->controller) == 0};
    mtnt__text_copy(ret_bearer->tenant, sizeof(ret_bearer->tenant), reading.tenant);
    return 0;
}

int mtnt__model_state_take_over(mtnt_db *db, const mtnt__expected *expected, const mtnt__takeover *takeover,
                                mtnt_error *err)
{
    const struct {
        const char *key, *value;
    } marks[] = {{"controller", expected->controller}, {"tenant", expected->tenant},
                 {"adopted_from", takeover->from},     {"adopted_by", takeover->who},
                 {"adopted_in", takeover->migration},  {"adopted_reason", takeover->reason}};
    size_t before = 0;
    int rc = mtnt__tables_ensure(db, &mtnt__tables_model, &before, err);

    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks) && rc == 0; i++)
        rc = mtnt__meta_set(db, marks[i].key, marks[i].value, err);
    return rc;
}

int mtnt__model_state_takeover(mtnt_db *db, const char *migration, mtnt__takeover *ret_takeover, mtnt_error *err)
{
    mtnt__takeover takeover;
    int rc = mtnt__meta_get(db, "adopted_in", takeover.migration, sizeof(takeover.migration), err);

    if (rc == 0 && strcmp(takeover.migration, migration) != 0)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "the model was taken over by another migration since");
    if (rc == 0)
        rc = mtnt__meta_get(db, "adopted_from", takeover.from, sizeof(takeover.from), err);
    if (rc == 0)
        rc = mtnt__meta_get(db, "adopted_by", takeover.who, sizeof(takeover.who), err);
    if (rc == 0)
        rc = mtnt__meta_get(db, "adopted_reason", takeover.reason, sizeof(takeover.reason), err);
    if (rc == 0)
        *ret_takeover = takeover;
    return rc;
}

/* ---- records ---- */

static mtnt__rows insert_rows(const mtnt__step *steps, size_t count, bool *failed)
{
    static const char *const columns[] = {"name", "position", "checksum", "started", "finished"};
    mtnt__rows rows = MTNT__ROWS(columns);

    for (size_t i = 0; i < count; i++) {
        const mtnt__step *step = steps + i;
        mtnt_value *cells;

        if (step->status != MTNT_STATUS_COMPLETED || step->in_controller)
            continue;
        cells = mtnt__rows_add(&rows);
        if (cells == NULL) {
            *failed = true;
            break;
        }
        cells[0] = mtnt_value_text(step->entry->name);
        cells[1] = mtnt_value_int(step->entry->order);
        cells[2] = mtnt_value_text(mtnt__step_checksum(step));
        cells[3] = mtnt_value_int(step->started_ms);
        cells[4] = mtnt_value_int(step->finished_ms);
    }
    return rows;
}

/* What is repeated has a record already, which the new one takes the place of. */
static bool is_repeated(const mtnt__step *step)
{
    return step->status == MTNT_STATUS_COMPLETED && (step->entry->flags & MTNT_OPERATION_REPEATABLE) != 0;
}

static mtnt__rows delete_rows(const mtnt__step *steps, size_t count, bool *failed)
{
    static const char *const columns[] = {"name"};
    mtnt__rows rows = MTNT__ROWS(columns);

    for (size_t i = 0; i < count; i++) {
        mtnt_value *cells;

        if ((steps[i].status != MTNT_STATUS_ROLLED_BACK && !is_repeated(steps + i)) || steps[i].in_controller)
            continue;
        cells = mtnt__rows_add(&rows);
        if (cells == NULL) {
            *failed = true;
            break;
        }
        cells[0] = mtnt_value_text(steps[i].entry->name);
    }
    return rows;
}

int mtnt__model_state_record(mtnt_db *db, const mtnt_chain *chain, const char *migration, int64_t run,
                             const mtnt__step *steps, size_t count, mtnt_error *err)
{
    const mtnt_value insert[] = {mtnt_value_text(chain->name), mtnt_value_text(migration),
                                 run == 0 ? mtnt_value_null() : mtnt_value_int(run), mtnt_value_end()};
    const mtnt_value remove[] = {mtnt_value_text(chain->name), mtnt_value_end()};
    bool failed = false;
    mtnt__rows done = insert_rows(steps, count, &failed), undone = delete_rows(steps, count, &failed);
    int rc = failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;

    if (rc == 0)
        rc = mtnt__rows_run_later(db, err, MTNT__QUERY_FOR(db, applied_delete), &undone, remove);
    if (rc == 0)
        rc = mtnt__rows_run_later(db, err, MTNT__QUERY_FOR(db, applied_insert), &done, insert);
    mtnt__rows_release(&done);
    mtnt__rows_release(&undone);
    return rc;
}
