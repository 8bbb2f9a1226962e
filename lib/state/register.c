#include "state/register.h"

#include <string.h>

#include "db/database.h"

int mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    int rc = mtnt__db_run(
        db, NULL, NULL, err,
        "INSERT INTO {schema}.mtnt_decision (migration, outcome) VALUES ($1, 'commit') ON CONFLICT (migration) DO NOTHING",
        values);

    if (rc == 0 && mtnt__db_changes(db) != 1)
        rc = mtnt_error_set(err, MTNT_E_BLOCKED,
                            "this migration has been given up by a recovery while it ran; nothing was changed");
    return rc;
}

static int read_outcome(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *text = mtnt_row_text(row, 0);

    (void)err;
    if (text != NULL)
        *(mtnt__outcome *)data = strcmp(text, "commit") == 0 ? MTNT__OUTCOME_COMMIT : MTNT__OUTCOME_ABORT;
    return 0;
}

int mtnt__register_read(mtnt_db *db, const char *migration, mtnt__outcome *ret_outcome, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};

    return mtnt__db_run(db, read_outcome, ret_outcome, err,
                        "SELECT outcome FROM {schema}.mtnt_decision WHERE migration = $1", values);
}

int mtnt__register_settle(mtnt_db *db, const char *migration, mtnt__outcome *ret_outcome, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    mtnt__outcome outcome = 0;
    int rc = mtnt__db_run(db, read_outcome, &outcome, err,
                          "INSERT INTO {schema}.mtnt_decision (migration, outcome) VALUES ($1, 'abort') "
                          "ON CONFLICT (migration) DO UPDATE SET seen = mtnt_decision.seen + 1 RETURNING outcome",
                          values);

    if (rc == 0 && outcome == 0)
        rc = mtnt_error_set(err, MTNT_E_CORRUPT, "the decision register gave no row for %s", migration);
    if (rc == 0)
        *ret_outcome = outcome;
    return rc;
}
