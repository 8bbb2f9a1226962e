#include "state/removal.h"

#include "base/text.h"
#include "db/database.h"
#include "state/queries.h"

int mtnt__removal_put(mtnt_db *db, const mtnt__removal *removal, int64_t grace_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(removal->migration),
                                 mtnt_value_text(removal->chain),
                                 mtnt_value_text(removal->tenant),
                                 mtnt_value_text(removal->placed),
                                 mtnt_value_text(removal->tombstone),
                                 mtnt_value_text(removal->uuid),
                                 mtnt_value_int(removal->position.version),
                                 mtnt_value_text(removal->position.digest),
                                 mtnt_value_int(grace_ms),
                                 mtnt_value_end()};

    return mtnt__db_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, removal_insert), values);
}

int mtnt__removal_take_back(mtnt_db *db, const char *migration, const char *restored_by, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_text(restored_by), mtnt_value_end()};
    int rc = mtnt__db_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, removal_restore), values);

    if (rc == 0 && mtnt__db_changes(db) != 1)
        rc = mtnt_error_set(err, MTNT_E_REFUSED,
                            "its removal for good has begun meanwhile: it cannot be put back any more");
    return rc;
}

static void copy_column(char *target, size_t size, const mtnt_row *row, int column)
{
    const char *text = mtnt_row_text(row, column);

    mtnt__text_copy(target, size, text == NULL ? "" : text);
}

static int read_removal(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__removal *removal = data;

    (void)err;
    copy_column(removal->migration, sizeof(removal->migration), row, 0);
    copy_column(removal->chain, sizeof(removal->chain), row, 1);
    copy_column(removal->tenant, sizeof(removal->tenant), row, 2);
    copy_column(removal->placed, sizeof(removal->placed), row, 3);
    copy_column(removal->tombstone, sizeof(removal->tombstone), row, 4);
    copy_column(removal->uuid, sizeof(removal->uuid), row, 5);
    removal->position.version = mtnt_row_int(row, 6);
    copy_column(removal->position.digest, sizeof(removal->position.digest), row, 7);
    removal->remove_after_ms = mtnt_row_int(row, 8);
    removal->removing_ms = mtnt_row_int(row, 9);
    removal->removed_ms = mtnt_row_int(row, 10);
    copy_column(removal->restored_by, sizeof(removal->restored_by), row, 11);
    return 0;
}

static int look(mtnt_db *db, const char *sql, const mtnt_value *values, mtnt__removal *ret_removal, mtnt_error *err)
{
    mtnt__removal removal = {0};
    int rc = mtnt__db_run(db, read_removal, &removal, err, sql, values);

    if (rc == 0 && removal.migration[0] == '\0')
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "the controller knows of no such removal");
    if (rc == 0)
        *ret_removal = removal;
    return rc;
}

int mtnt__removal_find(mtnt_db *db, const char *migration, mtnt__removal *ret_removal, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};

    return look(db, MTNT__QUERY_FOR(db, removal_select), values, ret_removal, err);
}

int mtnt__removal_of_tenant(mtnt_db *db, const char *tenant, const char *placed, mtnt__removal *ret_removal,
                            mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(tenant), mtnt_value_text(placed), mtnt_value_end()};

    return look(db, MTNT__QUERY_FOR(db, removal_of_tenant), values, ret_removal, err);
}

int mtnt__removal_due(mtnt_db *db, const char *chain, const char *tenant, mtnt__removal *ret_removal, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_text(tenant), mtnt_value_end()};

    return look(db, MTNT__QUERY_FOR(db, removal_due), values, ret_removal, err);
}

static int write_alone(mtnt_db *db, const char *sql, const char *migration, int64_t *ret_changes, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    int64_t changes = 0;
    int rc = mtnt__db_begin(db, err);

    if (rc == 0)
        rc = mtnt__db_run(db, NULL, NULL, err, sql, values);
    if (rc == 0)
        changes = mtnt__db_changes(db);
    if (rc == 0)
        rc = mtnt__db_commit(db, err);
    if (rc != 0)
        mtnt__db_rollback(db);
    else
        *ret_changes = changes;
    return rc;
}

int mtnt__removal_begin(mtnt_db *db, const char *migration, mtnt_error *err)
{
    int64_t changes = 0;
    int rc = write_alone(db, MTNT__QUERY_FOR(db, removal_begin), migration, &changes, err);

    if (rc == 0 && changes != 1)
        rc = mtnt_error_set(err, MTNT_E_BUSY, "somebody else has put it back, or removed it");
    return rc;
}

int mtnt__removal_end(mtnt_db *db, const char *migration, mtnt_error *err)
{
    int64_t changes = 0;

    return write_alone(db, MTNT__QUERY_FOR(db, removal_end), migration, &changes, err);
}

static int read_owns(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(bool *)data = mtnt_row_int(row, 0) > 0;
    return 0;
}

int mtnt__removal_owns(mtnt_db *db, const char *tenant, const char *uuid, bool *ret_owns, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(tenant), mtnt_value_text(uuid), mtnt_value_end()};

    *ret_owns = false;
    return mtnt__db_run(db, read_owns, ret_owns, err,
                        "SELECT count(*) FROM {schema}.mtnt_tenant WHERE tenant = $1 AND model_uuid = $2", values);
}

int mtnt__removal_forget(mtnt_controller *controller, const char *chain, const char *tenant, const char *uuid,
                         mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_text(tenant), mtnt_value_text(uuid),
                                 mtnt_value_end()};
    const mtnt_value of_tenant[] = {mtnt_value_text(chain), mtnt_value_text(tenant), mtnt_value_end()};
    mtnt_db *db = controller->db;
    int rc = mtnt__db_begin(db, err);

    if (rc == 0)
        rc = mtnt__db_run(
            db, NULL, NULL, err,
            "UPDATE {schema}.mtnt_tenant SET version = 0, digest = '', placed = '', model_uuid = NULL, error = NULL, error_operation = NULL, "
            "error_state = NULL WHERE chain = $1 AND tenant = $2 AND model_uuid = $3 AND state = 'idle'",
            values);
    if (rc == 0 && mtnt__db_changes(db) == 1)
        rc = mtnt__db_run(db, NULL, NULL, err, "DELETE FROM {schema}.mtnt_operation WHERE chain = $1 AND tenant = $2",
                          of_tenant);
    if (rc == 0)
        rc = mtnt__db_commit(db, err);
    if (rc != 0)
        mtnt__db_rollback(db);
    return rc;
}
