/* Statements and scripts through a handle: the public calls, and those of the library's own bookkeeping. */
#include <stdlib.h>
#include <string.h>

#include "db/backend.h"
#include "db/handle.h"

#define SCHEMA_MARK "{schema}"

/* Connected, no callback at work, not cancelled, time left. */
static int enter(mtnt_db *db, const mtnt__call *call, mtnt_error *err)
{
    int rc = mtnt__db_connect(db, err);

    return rc != 0 ? rc : mtnt__call_check(call, err);
}

static int query(mtnt_db *db, mtnt__call *call, mtnt_row_fn each, void *data, const char *sql, const mtnt_value *values,
                 mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    int64_t changes = 0;
    int rc;

    err = err ? err : &unseen;
    c->in_call = true;
    rc = c->backend->query(c->state, call, sql, values, each, data, &changes, err);
    c->in_call = false;
    c->changes = rc == 0 ? changes : 0;
    return rc;
}

/* An operation's statement on a side that it may only look at: PostgreSQL knows read-only transactions, and no read-only sessions that hold behind
 * a pooler, so one is put around it. */
static int query_looking(mtnt_db *db, mtnt__call *call, mtnt_row_fn each, void *data, const char *sql,
                         const mtnt_value *values, mtnt_error *err)
{
    mtnt__connection *c = db->connection;
    bool around = c->read_only && c->backend->kind == MTNT_POSTGRES && !c->transaction;
    int rc = around ? mtnt__db_begin(db, err) : MTNT_OK;

    if (rc == 0)
        rc = query(db, call, each, data, sql, values, err);
    if (around)
        mtnt__db_rollback(db);
    return rc;
}

int mtnt_db_query_values(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql,
                         const mtnt_value *values)
{
    mtnt_script script = {.sql = sql};
    mtnt__call call = mtnt__call_of(db, true);
    int rc;

    if (!sql)
        return mtnt_error_set(err, MTNT_E_INVALID, "no statement");
    rc = mtnt__sql_check_single(sql, db->connection->backend->kind, err);
    if (rc == 0)
        rc = enter(db, &call, err);
    if (rc != 0)
        return rc;
    rc = query_looking(db, &call, each, data, sql, values, err);
    if (rc != 0 && call.error_offset != MTNT__NO_OFFSET)
        mtnt__sql_locate(&script, call.error_offset, err);
    return rc;
}

int mtnt_db_exec_values(mtnt_db *db, mtnt_error *err, const char *sql, const mtnt_value *values)
{
    return mtnt_db_query_values(db, NULL, NULL, err, sql, values);
}

/* ---- the first value ---- */

typedef struct first_value {
    bool found;
    int64_t integer;
    bool want_text;
    char *text;
} first_value;

static int take_first(void *data, const mtnt_row *row, mtnt_error *err)
{
    first_value *first = data;
    const char *text;

    if (first->found)
        return MTNT_OK;
    first->found = true;
    if (!first->want_text) {
        first->integer = mtnt_row_int(row, 0);
        return MTNT_OK;
    }
    text = mtnt_row_text(row, 0);
    first->text = text ? strdup(text) : NULL;
    if (text && !first->text)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return MTNT_OK;
}

static int query_first(mtnt_db *db, first_value *first, mtnt_error *err, const char *sql, const mtnt_value *values)
{
    int rc = mtnt_db_query_values(db, take_first, first, err, sql, values);

    if (rc == 0 && !first->found)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "the query gave no row");
    if (rc != 0)
        free(first->text);
    return rc;
}

int mtnt_db_query_int_values(mtnt_db *db, int64_t *ret_integer, mtnt_error *err, const char *sql,
                             const mtnt_value *values)
{
    first_value first = {0};
    int rc = query_first(db, &first, err, sql, values);

    if (rc == 0)
        *ret_integer = first.integer;
    return rc;
}

int mtnt_db_query_text_values(mtnt_db *db, char **ret_text, mtnt_error *err, const char *sql, const mtnt_value *values)
{
    first_value first = {.want_text = true};
    int rc = query_first(db, &first, err, sql, values);

    if (rc == 0)
        *ret_text = first.text;
    return rc;
}

/* ---- scripts ---- */

/* Outside a transaction a script gets one of its own: all of it, or nothing. */
static int run_in_transaction(mtnt_db *db, mtnt__call *call, const mtnt__sql *sql, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    bool own = !c->transaction;
    int rc;

    err = err ? err : &unseen;
    rc = own ? mtnt__db_begin(db, err) : MTNT_OK;
    if (rc != 0)
        return rc;
    c->in_call = true;
    rc = c->backend->script(c->state, call, sql, err);
    c->in_call = false;
    if (own && rc == 0)
        return mtnt__db_commit(db, err);
    if (own)
        mtnt__db_rollback(db);
    return rc;
}

static int run_script(mtnt_db *db, const mtnt_script *script, const mtnt__sql *sql, mtnt_error *err)
{
    mtnt__call call = mtnt__call_of(db, true);
    int rc = enter(db, &call, err);

    if (rc != 0 || sql->statement_count == 0)
        return rc;
    rc = call.alone ? mtnt__db_run_alone(db, &call, sql, script->pass_over_missing, err)
                    : run_in_transaction(db, &call, sql, err);
    if (rc != 0 && call.error_offset != MTNT__NO_OFFSET)
        mtnt__sql_locate(script, mtnt__sql_source_offset(sql, call.error_offset), err);
    return rc;
}

static int ready_script(mtnt_db *db, const mtnt_script *script, mtnt__sql *ret_sql, mtnt_error *err)
{
    if (!script || !script->sql)
        return mtnt_error_set(err, MTNT_E_INVALID, "a script without text");
    return mtnt__sql_init(ret_sql, script, db->connection->backend->kind, MTNT_E_INVALID, err);
}

int mtnt_db_script(mtnt_db *db, const mtnt_script *script, mtnt_error *err)
{
    mtnt__sql sql;
    int rc = ready_script(db, script, &sql, err);

    if (rc != 0)
        return rc;
    rc = run_script(db, script, &sql, err);
    mtnt__sql_release(&sql);
    return rc;
}

int mtnt_db_query_script(mtnt_db *db, const mtnt_script *script, mtnt_row_fn each, void *data, mtnt_error *err)
{
    mtnt__call call = mtnt__call_of(db, true);
    mtnt__sql sql;
    int rc = ready_script(db, script, &sql, err);

    if (rc != 0)
        return rc;
    if (sql.statement_count != 1) {
        rc = mtnt_error_set(err, MTNT_E_INVALID, "one statement was expected, and there are %zu", sql.statement_count);
        mtnt__sql_locate(script, sql.statement_count ? mtnt__sql_source_offset(&sql, sql.statements[1]) : 0, err);
        goto out;
    }
    rc = enter(db, &call, err);
    if (rc != 0)
        goto out;
    rc = query_looking(db, &call, each, data, sql.text, NULL, err);
    if (rc != 0 && call.error_offset != MTNT__NO_OFFSET)
        mtnt__sql_locate(script, mtnt__sql_source_offset(&sql, call.error_offset), err);
out:
    mtnt__sql_release(&sql);
    return rc;
}

int mtnt__db_command(mtnt_db *db, const char *sql, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = enter(db, &call, err);
    if (rc == 0 && c->transaction)
        rc = mtnt_error_set(err, MTNT_E_INVALID, "a transaction is open");
    if (rc != 0)
        return rc;
    return c->backend->command ? c->backend->command(c->state, &call, sql, err)
                               : query(db, &call, NULL, NULL, sql, NULL, err);
}

/* ---- bookkeeping ---- */

/* `sql` with {schema} replaced, everywhere; malloc'ed. */
static int expand_schema(mtnt_db *db, mtnt__call *call, const char *sql, char **ret_sql, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__buffer quoted = {0}, text = {0};
    const char *schema, *mark;
    int rc;

    err = err ? err : &unseen;
    rc = c->backend->schema(c->state, call, &schema, err);
    if (rc != 0)
        return rc;
    mtnt__sql_add_identifier(&quoted, schema);
    while ((mark = strstr(sql, SCHEMA_MARK)) != NULL) {
        mtnt__buffer_add(&text, sql, (size_t)(mark - sql));
        mtnt__buffer_add(&text, quoted.bytes, quoted.length);
        sql = mark + strlen(SCHEMA_MARK);
    }
    mtnt__buffer_add_text(&text, sql);
    *ret_sql = quoted.failed ? NULL : mtnt__buffer_take(&text);
    if (!*ret_sql)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    mtnt__buffer_release(&quoted);
    mtnt__buffer_release(&text);
    return rc;
}

static void locate_own(const char *sql, const mtnt__call *call, mtnt_error *err)
{
    mtnt_script script = {.sql = sql};

    if (call->error_offset != MTNT__NO_OFFSET)
        mtnt__sql_locate(&script, call->error_offset, err);
}

int mtnt__db_run(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql, const mtnt_value *values)
{
    mtnt__call call = mtnt__call_of(db, false);
    char *expanded = NULL;
    int rc = enter(db, &call, err);

    if (rc == 0 && strstr(sql, SCHEMA_MARK))
        rc = expand_schema(db, &call, sql, &expanded, err);
    if (rc != 0)
        return rc;
    rc = query(db, &call, each, data, expanded ? expanded : sql, values, err);
    if (rc != 0)
        locate_own(expanded ? expanded : sql, &call, err);
    free(expanded);
    return rc;
}

static int later(mtnt_db *db, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;

    if (!c->backend->later || !c->transaction)
        return query(db, call, NULL, NULL, sql, values, err);
    return c->backend->later(c->state, call, sql, values, err ? err : &unseen);
}

int mtnt__db_run_later(mtnt_db *db, mtnt_error *err, const char *sql, const mtnt_value *values)
{
    mtnt__call call = mtnt__call_of(db, false);
    char *expanded = NULL;
    int rc = enter(db, &call, err);

    if (rc == 0)
        rc = expand_schema(db, &call, sql, &expanded, err);
    if (rc != 0)
        return rc;
    rc = later(db, &call, expanded, values, err);
    if (rc != 0)
        locate_own(expanded, &call, err);
    free(expanded);
    return rc;
}

int mtnt__db_run_script(mtnt_db *db, mtnt_error *err, const char *sql)
{
    mtnt__call call = mtnt__call_of(db, false);
    mtnt_script script = {0};
    mtnt__sql ready = {0};
    char *expanded = NULL;
    int rc = enter(db, &call, err);

    if (rc == 0)
        rc = expand_schema(db, &call, sql, &expanded, err);
    if (rc != 0)
        return rc;
    script.sql = expanded;
    rc = mtnt__sql_init(&ready, &script, db->connection->backend->kind, 0, err);
    if (rc == 0 && ready.statement_count > 0)
        rc = run_in_transaction(db, &call, &ready, err);
    if (rc != 0)
        locate_own(expanded, &call, err);
    mtnt__sql_release(&ready);
    free(expanded);
    return rc;
}

int mtnt__db_operation_boundary(mtnt_db *db, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = mtnt__db_connect(db, err);
    return rc != 0 ? rc : c->backend->boundary(c->state, &call, err);
}
