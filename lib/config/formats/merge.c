/* Migrations become operations: their order, what they write, and whether a transaction holds them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/origin.h"
#include "config/formats/reader.h"
#include "mtnt/operations.h"

/* ---- order ---- */

static int by_tool(const void *a, const void *b, void *data)
{
    const mtnt__reader *reader = data;

    return reader->compare(a, b);
}

static int refuse_twice(const mtnt__folder *folder, const mtnt__migration *a, const mtnt__migration *b)
{
    mtnt_error_set(folder->err, MTNT_E_CONFIG, "version %s is there twice: here and in %s", b->version, a->file);
    return mtnt_error_at(folder->err, b->file, 0, 0);
}

static int put_in_order(mtnt__folder *folder)
{
    const mtnt__reader *reader = folder->reader;

    if (!reader->compare || folder->count == 0)
        return 0;
    qsort_r(folder->items, folder->count, sizeof(*folder->items), by_tool, (void *)(uintptr_t)reader);
    for (size_t i = 1; i < folder->count; i++)
        if (reader->compare(&folder->items[i - 1], &folder->items[i]) == 0)
            return refuse_twice(folder, &folder->items[i - 1], &folder->items[i]);
    return 0;
}

/* ---- texts ---- */

static mtnt_sql_text as_text(const mtnt__found_sql *sql)
{
    return (mtnt_sql_text){.sql = sql->text, .file = sql->file, .line = sql->line, .column = sql->line ? 1 : 0};
}

static bool reads_as(const mtnt__found_sql *sql, mtnt_backend backend, mtnt_error *err)
{
    const mtnt_script script = {.sql = sql->text, .file = sql->file, .line = sql->line, .column = sql->line ? 1 : 0};

    return mtnt_script_check(&script, backend, err) == 0;
}

/* A bad way back must not stop the way forward: it is none, and that is said. */
static int check_way_back(mtnt__folder *folder, mtnt__found_for backend, mtnt__found_sql *sql)
{
    const mtnt__folder_file file = {sql->file, "", ""};
    mtnt_error said = MTNT_ERROR_INIT;
    int rc;

    if (!sql->text || folder->reader->takes_all ||
        (backend != MTNT__FOUND_SQLITE && reads_as(sql, MTNT_POSTGRES, &said)) ||
        (backend != MTNT__FOUND_POSTGRES && reads_as(sql, MTNT_SQLITE, &said)))
        return 0;
    if (said.code == MTNT_E_NOMEM)
        return mtnt__found_nomem(folder);
    rc = mtnt__found_warn(folder, &file, said.line, "%s: this migration has no way back", said.message);
    free(sql->text);
    sql->text = NULL;
    return rc;
}

static int settle(mtnt__folder *folder, mtnt__migration *m)
{
    int rc = 0;

    for (int side = 0; side < MTNT__FOUND_SIDES; side++)
        for (int backend = 0; rc == 0 && backend < MTNT__FOUND_BACKENDS; backend++) {
            mtnt__found_sql *sql = m->sql[side][backend];

            for (int i = 0; rc == 0 && !folder->reader->takes_all && i < MTNT__FOUND_DIRECTIONS; i++)
                rc = sql[i].text ? mtnt__transactions_settle(folder, (mtnt__found_direction)i, &sql[i]) : 0;
            if (rc == 0)
                rc = check_way_back(folder, (mtnt__found_for)backend, &sql[MTNT__FOUND_DOWN]);
        }
    return rc;
}

static bool has(const mtnt__migration *m, mtnt__found_direction direction)
{
    for (int side = 0; side < MTNT__FOUND_SIDES; side++)
        for (int backend = 0; backend < MTNT__FOUND_BACKENDS; backend++)
            if (m->sql[side][backend][direction].text)
                return true;
    return false;
}

static bool runs_alone(const mtnt__migration *m)
{
    for (int side = 0; side < MTNT__FOUND_SIDES; side++)
        for (int backend = 0; backend < MTNT__FOUND_BACKENDS; backend++)
            for (int direction = 0; direction < MTNT__FOUND_VERIFY; direction++) {
                const mtnt__found_sql *sql = &m->sql[side][backend][direction];

                if (sql->text && sql->alone)
                    return true;
            }
    return false;
}

/* Inside a transaction nothing of it stays, as far as it writes at all. */
static int enclose(mtnt__folder *folder, mtnt__found_sql *verify)
{
    char *enclosed = NULL;

    if (asprintf(&enclosed,
                 "SAVEPOINT mtnt_verify; %s\n; ROLLBACK TO SAVEPOINT mtnt_verify; RELEASE SAVEPOINT mtnt_verify",
                 verify->text) < 0)
        return mtnt__found_nomem(folder);
    free(verify->text);
    verify->text = enclosed;
    return 0;
}

static int enclose_all(mtnt__folder *folder, mtnt__migration *m)
{
    int rc = 0;

    for (int side = 0; side < MTNT__FOUND_SIDES; side++)
        for (int backend = 0; rc == 0 && backend < MTNT__FOUND_BACKENDS; backend++) {
            mtnt__found_sql *verify = &m->sql[side][backend][MTNT__FOUND_VERIFY];

            rc = verify->text && !runs_alone(m) ? enclose(folder, verify) : 0;
        }
    return rc;
}

/* ---- what cannot be run here ---- */

static int cannot_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const char *why = mtnt_operation_config(operation);

    (void)context;
    (void)model;
    return mtnt_error_set(err, MTNT_E_NOT_IMPLEMENTED, "%s %s", mtnt_operation_name(operation), why);
}

/* It may have been applied before, by what can run it: only going through it is refused. */
static const mtnt_operation_class foreign_code = {
    MTNT_OPERATION_CLASS_INIT,
    .name = "code",
    .writes = MTNT_WRITES_MODEL,
    .execute = cannot_execute,
};

static int add_foreign_code(mtnt__folder *folder, mtnt_entry *entry, const mtnt__migration *m)
{
    char *why = strdup(m->cannot);

    if (!why)
        return mtnt__found_nomem(folder);
    entry->config = why;
    entry->config_free = free;
    return mtnt_chain_add_entry(folder->chain, &foreign_code, entry, folder->err);
}

/* ---- operations ---- */

static mtnt_sql_side side_of(mtnt__migration *m, mtnt__found_side side)
{
    const mtnt__found_sql(*sql)[MTNT__FOUND_DIRECTIONS] = m->sql[side];

    return (mtnt_sql_side){
        .any_up = as_text(&sql[MTNT__FOUND_ANY][MTNT__FOUND_UP]),
        .any_down = as_text(&sql[MTNT__FOUND_ANY][MTNT__FOUND_DOWN]),
        .sqlite_up = as_text(&sql[MTNT__FOUND_SQLITE][MTNT__FOUND_UP]),
        .sqlite_down = as_text(&sql[MTNT__FOUND_SQLITE][MTNT__FOUND_DOWN]),
        .postgres_up = as_text(&sql[MTNT__FOUND_POSTGRES][MTNT__FOUND_UP]),
        .postgres_down = as_text(&sql[MTNT__FOUND_POSTGRES][MTNT__FOUND_DOWN]),
        .any_verify = as_text(&sql[MTNT__FOUND_ANY][MTNT__FOUND_VERIFY]),
        .sqlite_verify = as_text(&sql[MTNT__FOUND_SQLITE][MTNT__FOUND_VERIFY]),
        .postgres_verify = as_text(&sql[MTNT__FOUND_POSTGRES][MTNT__FOUND_VERIFY]),
    };
}

static bool is_one_way(const mtnt__chain_entry *entry)
{
    return entry->writes != MTNT_WRITES_NOTHING && !entry->operation_class->rollback &&
           !(entry->flags & MTNT_OPERATION_CREATES_MODEL);
}

static bool is_used_after(const mtnt__folder *folder, const mtnt__migration *m, const char *value, size_t length)
{
    for (const mtnt__migration *later = m + 1; later < folder->items + folder->count; later++) {
        const char *text = later->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][MTNT__FOUND_UP].text;

        if (text && memmem(text, strlen(text), value, length))
            return true;
    }
    return false;
}

/* Whether a later migration uses a value of an enum that this one adds: with its tool the two are two transactions, and here they have to be. */
static bool adds_value_for_later(const mtnt__folder *folder, const mtnt__migration *m)
{
    const char *text = m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][MTNT__FOUND_UP].text, *value;
    size_t length = 0;

    for (; text && (value = mtnt__transactions_added_value(text, &length)); text = value + length)
        if (is_used_after(folder, m, value, length))
            return true;
    return false;
}

/* What commits by itself commits what comes before it. As long as all of it can be taken back, a failure takes it back; else it goes forward only, as it
 * does with the tool that it comes from: it stays failed and is run again. */
static uint32_t flags_of(const mtnt__folder *folder, const mtnt__migration *m, bool *one_way_before)
{
    bool back = has(m, MTNT__FOUND_DOWN);
    uint32_t flags = runs_alone(m) ? MTNT_OPERATION_NO_TRANSACTION : 0;

    if (!flags && !folder->reader->takes_all && adds_value_for_later(folder, m))
        flags = MTNT_OPERATION_SAGA;
    if (flags && (!back || *one_way_before))
        flags |= MTNT_OPERATION_RETRIABLE;
    if (flags & MTNT_OPERATION_RETRIABLE)
        *one_way_before = false;
    else if (!back)
        *one_way_before = true;
    return flags;
}

/* Its tool's table will be asked about it. */
static int note_origin(mtnt__folder *folder, const mtnt__migration *m)
{
    const mtnt__origin origin = {
        .tool = folder->reader->name,
        .table = folder->table,
        .version = m->version,
        .name = m->title,
        .id = m->id,
        .script = m->script,
        .checksum = m->checksum,
        .detail = m->detail,
        .keep_in_step = folder->keep_in_step,
        .repeatable = m->repeatable,
    };

    return folder->reader == &mtnt__reader_native ? 0 : mtnt__origin_set(folder->chain, m->name, &origin, folder->err);
}

static int add(mtnt__folder *folder, mtnt__migration *m, int64_t order, bool *one_way_before)
{
    const mtnt_sql_options options = {.model = side_of(m, MTNT__FOUND_MODEL),
                                      .controller = side_of(m, MTNT__FOUND_CONTROLLER)};
    mtnt_entry entry = MTNT_ENTRY_INIT;
    int rc;

    entry.name = m->name;
    entry.file = m->file;
    entry.lane = m->lane;
    entry.environment = m->environment;
    entry.order = m->order ? m->order : order;
    entry.flags = flags_of(folder, m, one_way_before);
    entry.checksum = m->source;
    if (!m->order)
        entry.flags |= MTNT_OPERATION_BY_PLACE;
    if (m->repeatable)
        entry.flags |= MTNT_OPERATION_REPEATABLE;
    rc = m->cannot ? add_foreign_code(folder, &entry, m)
                   : mtnt_operation_add_sql(folder->chain, &options, &entry, folder->err);
    return rc == 0 ? note_origin(folder, m) : rc;
}

int mtnt__folder_merge(mtnt__folder *folder, int64_t order)
{
    const mtnt_chain *chain = folder->chain;
    bool one_way_before = false;
    int rc = put_in_order(folder);

    for (size_t i = 0; i < chain->count; i++) {
        one_way_before = one_way_before || is_one_way(&chain->entries[i]);
        if (chain->entries[i].flags & MTNT_OPERATION_RETRIABLE)
            one_way_before = false;
    }
    if (order == 0)
        order = chain->count > 0 ? chain->entries[chain->count - 1].order + 1 : 1;
    for (size_t i = 0; i < folder->count && rc == 0; i++) {
        rc = settle(folder, &folder->items[i]);
        if (rc == 0)
            rc = enclose_all(folder, &folder->items[i]);
        if (rc == 0)
            rc = add(folder, &folder->items[i], order + (int64_t)i, &one_way_before);
    }
    return rc;
}
