/* Operations outside transactions: statements that commit by themselves. */
#include <stdlib.h>
#include <string.h>

#include "db/backend.h"
#include "db/handle.h"

#define LOCK_TRIES 4
#define PAUSE_MS 100

int mtnt__db_stand_alone(mtnt_db *db, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, true);
    int rc;

    err = err ? err : &unseen;
    if (c->transaction)
        return mtnt_error_set(err, MTNT_E_INVALID, "a transaction is open");
    rc = mtnt__db_connect(db, err);
    if (rc == 0)
        rc = mtnt__call_check(&call, err);
    if (rc == 0 && c->backend->stand_alone)
        rc = c->backend->stand_alone(c->state, &call, true, err);
    c->alone = rc == 0;
    return rc;
}

void mtnt__db_stand_together(mtnt_db *db)
{
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_farewell(db);

    if (!c->alone)
        return;
    c->alone = false;
    if (!c->backend->stand_alone)
        return;
    if (c->backend->connected(c->state)) {
        mtnt_error unseen = MTNT_ERROR_INIT;

        c->backend->stand_alone(c->state, &call, false, &unseen);
    }
    mtnt__db_disconnect(db);
}

/* One statement, and what an interrupted one like it has left, before and after. */
static int run_statement(mtnt__connection *c, mtnt__call *call, const char *text, mtnt_error *err)
{
    mtnt__call farewell = *call;
    mtnt_error other = MTNT_ERROR_INIT;
    int64_t changes = 0;
    int rc = c->backend->clear_leftover ? c->backend->clear_leftover(c->state, call, text, err) : 0;

    call->error_offset = MTNT__NO_OFFSET;
    if (rc == 0)
        rc = c->backend->query(c->state, call, text, NULL, NULL, NULL, &changes, err);
    if (rc == 0 || !c->backend->clear_leftover || !c->backend->connected(c->state))
        return rc;
    farewell.cancelled = NULL;
    farewell.deadline = mtnt__deadline_in(call->system, MTNT__FAREWELL_MS);
    if (c->backend->clear_leftover(c->state, &farewell, text, &other) != 0)
        mtnt_error_keep(err, &other);
    return rc;
}

/* Lost locks are tried for again by the statement alone: what is before it in the script has happened. Each time a little later than whoever waits for
 * the same. */
static void pause_before(const mtnt__call *call, int tries)
{
    unsigned char byte = 0;

    call->system->random(call->system->data, &byte, sizeof(byte));
    call->system->sleep_ms(call->system->data, PAUSE_MS * tries + byte);
}

static int run_patiently(mtnt__connection *c, mtnt__call *call, const char *text, mtnt_error *err)
{
    int rc = run_statement(c, call, text, err);

    for (int tries = 1; rc == MTNT_E_BUSY && tries < LOCK_TRIES && c->backend->connected(c->state); tries++) {
        mtnt_error first = *err;

        pause_before(call, tries);
        mtnt_error_clear(err);
        rc = mtnt__call_check(call, err);
        if (rc == 0)
            rc = run_statement(c, call, text, err);
        else
            mtnt_error_keep(err, &first);
    }
    return rc;
}

/* SQLite has one code for all that is wrong with a statement. */
static bool is_missing(mtnt_backend kind, const mtnt_error *err)
{
    static const char *const states[] = {"42P01", "42704", "42703", "42883", "3F000", "42P02"};

    if (kind == MTNT_SQLITE)
        return strstr(err->message, "no such ") != NULL;
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        if (strcmp(err->state, states[i]) == 0)
            return true;
    return false;
}

int mtnt__db_run_alone(mtnt_db *db, mtnt__call *call, const mtnt__sql *sql, bool pass_over_missing, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    int rc = 0;

    err = err ? err : &unseen;
    for (size_t i = 0; i < sql->statement_count && rc == 0; i++) {
        size_t start = sql->statements[i], end = i + 1 < sql->statement_count ? sql->statements[i + 1] : sql->length;
        char *text = strndup(sql->text + start, end - start);

        if (!text)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        c->in_call = true;
        rc = run_patiently(c, call, text, err);
        c->in_call = false;
        if (rc != 0 && pass_over_missing && is_missing(c->backend->kind, err)) {
            mtnt_error_clear(err);
            rc = 0;
        }
        if (rc != 0)
            call->error_offset = start + (call->error_offset == MTNT__NO_OFFSET ? 0 : call->error_offset);
        free(text);
    }
    return rc;
}
