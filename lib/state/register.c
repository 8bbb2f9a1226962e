#include "state/register.h"

#include <string.h>

#include "db/database.h"

#define COMMIT_ROW "INSERT INTO {schema}.mtnt_decision (migration, outcome) VALUES ($1, 'commit')"
#define COLLECT "DELETE FROM {schema}.mtnt_decision WHERE outcome = 'commit' AND migration = "

static int given_up(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_BLOCKED,
                          "this migration has been given up by a recovery while it ran; nothing was changed");
}

/* The key is the fence: a row that a recovery has written meanwhile takes the whole transaction with it. */
int mtnt__register_explain(int rc, mtnt_error *err)
{
    bool taken = rc != 0 && err != NULL && strstr(err->message, "mtnt_decision") != NULL &&
                 (strcmp(err->state, "23505") == 0 || strcmp(err->state, "SQLITE_CONSTRAINT_PRIMARYKEY") == 0);

    return taken ? given_up(err) : rc;
}

int mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    int rc = mtnt__db_run_later(db, err, COMMIT_ROW, values);

    return mtnt__register_explain(rc, err);
}

int mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(ended), mtnt_value_end()};
    int rc = ended == NULL || ended[0] == '\0' ? 0 : mtnt__db_run_later(db, err, COLLECT "$1", values);

    return rc == 0 ? mtnt__register_commit(db, migration, err) : rc;
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

struct writing {
    mtnt__outcome outcome;
    int64_t seen;
};

static int read_written(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct writing *writing = data;

    writing->seen = mtnt_row_int(row, 1);
    return read_outcome(&writing->outcome, row, err);
}

int mtnt__register_write(mtnt_db *db, const char *migration, mtnt__outcome word, mtnt__outcome *ret_outcome,
                         bool *ret_written, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration),
                                 mtnt_value_text(word == MTNT__OUTCOME_COMMIT ? "commit" : "abort"), mtnt_value_end()};
    struct writing writing = {0, 0};
    int rc = mtnt__db_run(db, read_written, &writing, err,
                          "INSERT INTO {schema}.mtnt_decision (migration, outcome) VALUES ($1, $2) "
                          "ON CONFLICT (migration) DO UPDATE SET seen = mtnt_decision.seen + 1 RETURNING outcome, seen",
                          values);

    if (rc == 0 && writing.outcome == 0)
        rc = mtnt_error_set(err, MTNT_E_CORRUPT, "the decision register gave no row for %s", migration);
    if (rc != 0)
        return rc;
    *ret_outcome = writing.outcome;
    *ret_written = writing.seen == 0;
    return 0;
}

int mtnt__register_settle(mtnt_db *db, const char *migration, mtnt__outcome *ret_outcome, mtnt_error *err)
{
    bool written;

    return mtnt__register_write(db, migration, MTNT__OUTCOME_ABORT, ret_outcome, &written, err);
}
