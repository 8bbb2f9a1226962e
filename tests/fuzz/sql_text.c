/* SQL as text: any bytes. The first chooses the backend and whether names are known. On SQLite the database itself is asked what
 * its statements are. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "db/sql_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static const char *variable(void *data, const char *name)
{
    (void)data;
    return strcmp(name, "nobody") == 0 ? NULL : name;
}

static void check_statements(const mtnt__sql *sql)
{
    MUST(strlen(sql->text) == sql->length);
    for (size_t i = 0; i < sql->statement_count; i++) {
        MUST(sql->statements[i] < sql->length);
        MUST(i == 0 || sql->statements[i] > sql->statements[i - 1]);
    }
}

/* Positions go up, stay inside, and lead to the same character outside of names. */
static void check_positions(const mtnt__sql *sql, const char *source)
{
    size_t length = strlen(source), last = 0;

    for (size_t i = 0; i <= sql->length; i++) {
        size_t offset = mtnt__sql_source_offset(sql, i);
        bool in_piece = false;

        MUST(offset <= length);
        MUST(offset >= last);
        last = offset;
        for (size_t p = 0; p < sql->piece_count; p++)
            in_piece = in_piece || (i >= sql->pieces[p].start && i < sql->pieces[p].start + sql->pieces[p].length);
        MUST(in_piece || sql->text[i] == source[offset]);
    }
}

static int note_control(void *data, int action, const char *a, const char *b, const char *c, const char *d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    if (action == SQLITE_TRANSACTION || action == SQLITE_ATTACH || action == SQLITE_DETACH)
        *(bool *)data = true;
    return SQLITE_OK;
}

/* As far as SQLite understands the text, its statements start where ours do, and none of them is control that we have not seen. */
static void ask_sqlite(const mtnt__sql *sql)
{
    bool control = false;
    const char *at = sql->text;
    size_t number = 0;
    sqlite3 *db;

    MUST(sqlite3_open(":memory:", &db) == SQLITE_OK);
    sqlite3_exec(db, "CREATE TABLE t(a, b, c)", NULL, NULL, NULL);
    sqlite3_set_authorizer(db, note_control, &control);
    while (*at) {
        sqlite3_stmt *statement = NULL;
        const char *tail;
        int code = sqlite3_prepare_v2(db, at, -1, &statement, &tail);
        bool explained = statement && sqlite3_stmt_isexplain(statement);

        sqlite3_finalize(statement);
        MUST(!control || explained || code != SQLITE_OK); /* asked before the statement turned out to be none */
        if (code != SQLITE_OK || explained)
            break;
        if (statement) {
            MUST(number < sql->statement_count);
            MUST(sql->text + sql->statements[number] >= at && sql->text + sql->statements[number] < tail);
            number++;
        }
        at = tail;
    }
    sqlite3_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mtnt_script script = {.file = "fuzz.sql", .line = 1, .column = 1};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_backend backend;
    mtnt__sql sql;
    char *text;
    int rc;

    if (size < 1 || !(text = malloc(size)))
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    backend = data[0] & 1 ? MTNT_POSTGRES : MTNT_SQLITE;
    script.sql = text;
    script.variable = data[0] & 2 ? variable : NULL;

    rc = mtnt__sql_init(&sql, &script, backend, MTNT_E_INVALID, &err);
    if (rc == 0) {
        check_statements(&sql);
        check_positions(&sql, text);
        MUST(mtnt_script_check(&script, backend, NULL) == 0);
        if (backend == MTNT_SQLITE)
            ask_sqlite(&sql);
        mtnt__sql_release(&sql);
    } else {
        MUST(rc == err.code && err.message[0] && err.line >= 1 && err.column >= 1);
        MUST(rc == MTNT_E_CONFIG || rc == MTNT_E_INVALID);
    }
    mtnt__sql_check_single(text, backend, NULL);
    free(text);
    return 0;
}
