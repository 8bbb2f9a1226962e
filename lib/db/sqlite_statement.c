#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/sqlite.h"

/* ---- rows ---- */

static sqlite3_stmt *statement_of(const mtnt_row *row)
{
    return row->source;
}

static const char *row_name(const mtnt_row *row, int column)
{
    return sqlite3_column_name(statement_of(row), column);
}

static bool row_is_null(const mtnt_row *row, int column)
{
    return sqlite3_column_type(statement_of(row), column) == SQLITE_NULL;
}

static const char *row_text(const mtnt_row *row, int column)
{
    return (const char *)sqlite3_column_text(statement_of(row), column);
}

static int64_t row_integer(const mtnt_row *row, int column)
{
    const char *text;

    switch (sqlite3_column_type(statement_of(row), column)) {
    case SQLITE_INTEGER: return sqlite3_column_int64(statement_of(row), column);
    case SQLITE_FLOAT: return mtnt__number_of_real(sqlite3_column_double(statement_of(row), column));
    case SQLITE_TEXT: text = row_text(row, column); return text ? mtnt__number_of_text(text) : 0;
    default: return 0;
    }
}

static double row_real(const mtnt_row *row, int column)
{
    const char *text;
    double real;

    if (sqlite3_column_type(statement_of(row), column) != SQLITE_TEXT)
        return sqlite3_column_double(statement_of(row), column);
    text = row_text(row, column);
    return text && mtnt__parse_real(text, &real) ? real : 0;
}

static const void *row_blob(const mtnt_row *row, int column, size_t *ret_length)
{
    const void *bytes = sqlite3_column_blob(statement_of(row), column);

    *ret_length = (size_t)sqlite3_column_bytes(statement_of(row), column);
    return bytes ? bytes : "";
}

static const mtnt__row_class sqlite_row = {row_name, row_is_null, row_text, row_integer, row_real, row_blob};

/* ---- parameters ---- */

static int bind_one(sqlite3_stmt *statement, int index, const mtnt_value *value)
{
    switch (value->type) {
    case MTNT_TYPE_INT: return sqlite3_bind_int64(statement, index, value->integer);
    case MTNT_TYPE_REAL: return sqlite3_bind_double(statement, index, value->real);
    case MTNT_TYPE_TEXT:
        return sqlite3_bind_text64(statement, index, value->bytes, value->length, SQLITE_STATIC, SQLITE_UTF8);
    case MTNT_TYPE_BLOB: return sqlite3_bind_blob64(statement, index, value->bytes, value->length, SQLITE_STATIC);
    default: return sqlite3_bind_null(statement, index);
    }
}

/* Which value the parameter stands for: one of $1 … $count. */
static int number_of(const char *name, int count, int *ret_number, mtnt_error *err)
{
    int64_t number;

    if (!name || name[0] != '$' || !mtnt__parse_int(name + 1, 1, INT32_MAX, &number))
        return mtnt_error_set(err, MTNT_E_INVALID, "parameters are written $1, $2 …, not %s", name ? name : "?");
    if (number > count)
        return mtnt_error_set(err, MTNT_E_INVALID, "there is a %s, and %d value%s given", name, count,
                              count == 1 ? " is" : "s are");
    *ret_number = (int)number;
    return MTNT_OK;
}

static int refuse_unused(sqlite3_stmt *statement, int count, mtnt_error *err)
{
    char name[16];
    int number = 0;

    do
        snprintf(name, sizeof(name), "$%d", ++number);
    while (number < count && sqlite3_bind_parameter_index(statement, name) != 0);
    return mtnt_error_set(err, MTNT_E_INVALID, "%d value%s given, and there is no %s", count,
                          count == 1 ? " is" : "s are", name);
}

static int bind(mtnt__sqlite *s, sqlite3_stmt *statement, const mtnt_value *values, mtnt_error *err)
{
    int parameters = sqlite3_bind_parameter_count(statement), count = 0, rc = MTNT_OK;

    while (values && values[count].type != MTNT_TYPE_END)
        count++;
    for (int i = 1; rc == 0 && i <= parameters; i++) {
        int number = 0, code = SQLITE_OK;

        rc = number_of(sqlite3_bind_parameter_name(statement, i), count, &number, err);
        if (rc == 0 && values) /* without values there is no number that passes */
            code = bind_one(statement, i, &values[number - 1]);
        if (code != SQLITE_OK)
            rc = mtnt__sqlite_fail(s, code, err);
    }
    /* A name stands for one parameter however often it is written. */
    return rc == 0 && parameters < count ? refuse_unused(statement, count, err) : rc;
}

/* ---- one statement ---- */

/* Where in `sql` the compiler stumbled, or else where the statement starts. */
static size_t error_offset(const mtnt__sqlite *s, size_t start)
{
#if SQLITE_VERSION_NUMBER >= 3038000
    int offset = sqlite3_error_offset(s->raw);

    if (offset >= 0)
        return (size_t)offset;
#else
    (void)s;
#endif
    return start;
}

/* Outside a transaction a statement that writes is its own commit: when that meets an I/O error, nobody knows. */
static int fail_running(mtnt__sqlite *s, sqlite3_stmt *statement, bool own_commit, int code, mtnt_error *err)
{
    bool writes = !sqlite3_stmt_readonly(statement);
    int rc = mtnt__sqlite_fail(s, code, err);

    if (own_commit && writes && (code & 0xff) == SQLITE_IOERR) {
        rc = MTNT_E_IN_DOUBT;
        if (err)
            err->code = rc;
    }
    return rc;
}

static int step_through(mtnt__sqlite *s, sqlite3_stmt *statement, mtnt_row_fn each, void *data, mtnt_error *err)
{
    mtnt_row row = {&sqlite_row, statement, sqlite3_column_count(statement)};
    bool own_commit = sqlite3_get_autocommit(s->raw) != 0;
    int code, rc;

    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = each ? each(data, &row, err) : MTNT_OK;
        if (rc == 0 && sqlite3_errcode(s->raw) == SQLITE_NOMEM) /* a text that could not be made was read as NULL */
            rc = mtnt__sqlite_fail(s, SQLITE_NOMEM, err);
        if (rc != 0) {
            s->call.error_offset = MTNT__NO_OFFSET;
            return rc;
        }
    }
    return code == SQLITE_DONE ? MTNT_OK : fail_running(s, statement, own_commit, code, err);
}

/* Nothing but blanks, comments and semicolons. */
static bool is_blank(const char *sql)
{
    mtnt__sql_walk walk;
    mtnt__sql_token token;

    mtnt__sql_walk_init(&walk, sql, MTNT_SQLITE);
    do
        token = mtnt__sql_walk_next(&walk);
    while (token.kind == MTNT__SQL_SEMICOLON);
    return token.kind == MTNT__SQL_END;
}

/* Where the first statement starts: SQLite passes over the empty ones before it. */
static size_t first_token(const char *sql)
{
    mtnt__sql_walk walk;
    mtnt__sql_token token;

    mtnt__sql_walk_init(&walk, sql, MTNT_SQLITE);
    do
        token = mtnt__sql_walk_next(&walk);
    while (token.kind == MTNT__SQL_SEMICOLON);
    return token.start;
}

static int compile_single(mtnt__sqlite *s, const char *sql, sqlite3_stmt **ret_statement, mtnt_error *err)
{
    const char *tail = NULL;
    int code = sqlite3_prepare_v2(s->raw, sql, -1, ret_statement, &tail);

    if (code != SQLITE_OK) {
        s->call.error_offset = error_offset(s, first_token(sql));
        return mtnt__sqlite_fail(s, code, err);
    }
    if (!*ret_statement)
        return mtnt_error_set(err, MTNT_E_INVALID, "no statement");
    if (!is_blank(tail)) {
        s->call.error_offset = (size_t)(tail - sql) + first_token(tail);
        return mtnt_error_set(err, MTNT_E_INVALID, "more than one statement: a script is for that");
    }
    return MTNT_OK;
}

/* ---- kept statements: bookkeeping runs the same few again and again ---- */

static void drop_kept(mtnt__sqlite_kept *kept)
{
    sqlite3_finalize(kept->statement);
    free(kept->sql);
    *kept = (mtnt__sqlite_kept){NULL, NULL};
}

void mtnt__sqlite_forget_kept(mtnt__sqlite *s)
{
    for (size_t i = 0; i < MTNT__SQLITE_KEPT; i++)
        drop_kept(&s->kept[i]);
}

/* Takes one out, so that a statement is never in two hands. */
static sqlite3_stmt *take_kept(mtnt__sqlite *s, const char *sql)
{
    for (size_t i = 0; i < MTNT__SQLITE_KEPT; i++) {
        sqlite3_stmt *statement = s->kept[i].statement;

        if (statement && strcmp(s->kept[i].sql, sql) == 0) {
            s->kept[i].statement = NULL;
            drop_kept(&s->kept[i]);
            return statement;
        }
    }
    return NULL;
}

static void keep(mtnt__sqlite *s, const char *sql, sqlite3_stmt *statement)
{
    mtnt__sqlite_kept *place = &s->kept[s->kept_next];
    char *copy = strdup(sql);

    for (size_t i = 0; i < MTNT__SQLITE_KEPT && place->statement; i++)
        if (!s->kept[i].statement)
            place = &s->kept[i];
    if (place == &s->kept[s->kept_next])
        s->kept_next = (s->kept_next + 1) % MTNT__SQLITE_KEPT;
    if (!copy) {
        sqlite3_finalize(statement);
        return;
    }
    drop_kept(place);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    *place = (mtnt__sqlite_kept){copy, statement};
}

int mtnt__sqlite_query(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_row_fn each,
                       void *data, int64_t *ret_changes, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    mtnt__call statement_call = mtnt__call_statement(call);
    sqlite3_stmt *statement = call->operation ? NULL : take_kept(s, sql);
    sqlite3_int64 before = sqlite3_total_changes64(s->raw);
    int rc = MTNT_OK;

    mtnt__sqlite_enter(s, &statement_call);
    if (!statement)
        rc = compile_single(s, sql, &statement, err);
    if (rc == 0)
        rc = bind(s, statement, values, err);
    if (rc == 0) {
        s->call.error_offset = first_token(sql);
        rc = step_through(s, statement, each, data, err);
    }
    if (rc == 0)
        *ret_changes = sqlite3_total_changes64(s->raw) == before ? 0 : sqlite3_changes64(s->raw);
    if (rc == 0 && !call->operation)
        keep(s, sql, statement);
    else
        sqlite3_finalize(statement);
    call->error_offset = s->call.error_offset;
    s->call.deadline = call->deadline;
    mtnt__sqlite_leave(s);
    return rc;
}

/* ---- scripts ---- */

/* Runs the statement at `at`; *ret_at is the one after it. */
static int script_step(mtnt__sqlite *s, const char *text, size_t at, size_t *ret_at, mtnt_error *err)
{
    sqlite3_stmt *statement = NULL;
    const char *tail = NULL;
    size_t start = at + first_token(text + at);
    int rc = MTNT_OK, code = sqlite3_prepare_v2(s->raw, text + at, -1, &statement, &tail);

    s->call.error_offset = start;
    if (code != SQLITE_OK) {
        size_t offset = error_offset(s, MTNT__NO_OFFSET);

        if (offset != MTNT__NO_OFFSET)
            s->call.error_offset = at + offset;
        return mtnt__sqlite_fail(s, code, err);
    }
    if (statement && sqlite3_bind_parameter_count(statement) > 0)
        rc =
            mtnt_error_set(err, MTNT_E_INVALID, "a script has no parameters: %s",
                           sqlite3_bind_parameter_name(statement, 1) ? sqlite3_bind_parameter_name(statement, 1) : "?");
    else if (statement)
        rc = step_through(s, statement, NULL, NULL, err);
    sqlite3_finalize(statement);
    *ret_at = (size_t)(tail - text);
    return rc;
}

int mtnt__sqlite_script(void *state, mtnt__call *call, const mtnt__sql *sql, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    size_t at = 0;
    int rc = MTNT_OK;

    while (rc == 0 && at < sql->length) {
        mtnt__call statement_call = mtnt__call_statement(call);

        mtnt__sqlite_enter(s, &statement_call);
        rc = mtnt__call_check(&s->call, err);
        if (rc == 0)
            rc = script_step(s, sql->text, at, &at, err);
        /* RAISE(ROLLBACK) and its like end the transaction without an error of the next statement. */
        if (rc == 0 && sqlite3_get_autocommit(s->raw))
            rc = mtnt_error_set(err, MTNT_E_DATABASE, "the transaction has ended within the script");
    }
    call->error_offset = s->call.error_offset;
    s->call.deadline = call->deadline;
    mtnt__sqlite_leave(s);
    return rc;
}

/* ---- our own ---- */

int mtnt__sqlite_exec(mtnt__sqlite *s, const char *sql, mtnt_error *err)
{
    int code;

    s->guarded = false;
    code = sqlite3_exec(s->raw, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? MTNT_OK : mtnt__sqlite_fail(s, code, err);
}

int mtnt__sqlite_value(mtnt__sqlite *s, const char *sql, char *ret_text, mtnt_error *err)
{
    sqlite3_stmt *statement = NULL;
    const char *text;
    int rc = MTNT_OK, code;

    s->guarded = false;
    code = sqlite3_prepare_v2(s->raw, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        text = (const char *)sqlite3_column_text(statement, 0);
        mtnt__text_copy(ret_text, MTNT__SQLITE_VALUE, text ? text : "");
        if (!text && sqlite3_errcode(s->raw) == SQLITE_NOMEM)
            rc = mtnt__sqlite_fail(s, SQLITE_NOMEM, err);
    } else if (code == SQLITE_DONE) {
        ret_text[0] = '\0';
    } else {
        rc = mtnt__sqlite_fail(s, code, err);
    }
    sqlite3_finalize(statement);
    return rc;
}
