/* The rows of a description, into the databases and out of them again. */
#include <stdlib.h>
#include <string.h>

#include "import.h"

/* Parameters of one statement. SQLite looks each of them up by its name. */
#define SQLITE_PARAMETERS 256
#define POSTGRES_PARAMETERS 4096

typedef struct loading {
    mtnt__import *import;
    bool *counted; /* tables whose counters are described */
    bool unload;
    mtnt_value *values;
    size_t size;
} loading;

int mtnt__import_at(const mtnt__import *import, mtnt_error *err, uint32_t line, uint32_t column)
{
    mtnt_error unseen = MTNT_ERROR_INIT;

    if (err == NULL)
        err = &unseen;
    err->statement[0] = '\0';
    err->file[0] = '\0';
    err->line = err->column = 0;
    return mtnt_error_at(err, mtnt_model_description(import->model), line, column);
}

static mtnt_db *side_of(const mtnt__import *import, bool on_controller)
{
    return on_controller ? mtnt_scope_controller(import->context) : mtnt_scope_model(import->context);
}

static bool is_written(const mtnt__import *import, bool on_controller)
{
    return (import->writes & (on_controller ? MTNT_WRITES_CONTROLLER : MTNT_WRITES_MODEL)) != 0;
}

static const mtnt_described_table *declared(const mtnt__import *import, const char *table)
{
    size_t i;

    for (i = 0; i < import->options->table_count; i++)
        if (strcmp(import->options->tables[i].table, table) == 0)
            return import->options->tables + i;
    return NULL;
}

/* ---- values ---- */

static int room_for(loading *l, size_t count, mtnt_error *err)
{
    mtnt_value *grown;

    if (count <= l->size)
        return 0;
    grown = reallocarray(l->values, count, sizeof *grown);
    if (grown == NULL)
        return mtnt__operations_nomem(err);
    l->values = grown;
    l->size = count;
    return 0;
}

/* The column that says whose row it is gets the tenant's own id. */
static int key_value(const mtnt__import *import, const mtnt_described_value *said, const char *key,
                     mtnt_value *ret_value, mtnt_error *err)
{
    if (said->length != strlen(mtnt_description_tenant(import->description)) ||
        strcmp(said->bytes, mtnt_description_tenant(import->description)) != 0) {
        mtnt_error_set(err, MTNT_E_CONFIG, "`%.80s` must be the tenant of the description, `%.80s`", key,
                       mtnt_description_tenant(import->description));
        return mtnt__import_at(import, err, said->line, said->column);
    }
    *ret_value = mtnt_value_text(mtnt_model_id(import->model));
    return 0;
}

static int take_value(const mtnt__import *import, const mtnt_described_rows *rows, size_t at, const char *key,
                      mtnt_value *ret_value, mtnt_error *err)
{
    const mtnt_described_value *said = rows->values + at;
    int rc;

    if (key != NULL && strcmp(rows->columns[at % rows->column_count], key) == 0)
        return key_value(import, said, key, ret_value, err);
    rc = mtnt__import_value(said, mtnt_db_backend(side_of(import, rows->on_controller)), ret_value, err);
    if (rc == MTNT_E_CONFIG)
        mtnt__import_at(import, err, said->line, said->column);
    return rc;
}

/* ---- in ---- */

static void append_insert(mtnt__operations_text *sql, const mtnt_db *db, const mtnt_described_rows *rows, size_t count)
{
    size_t i;

    mtnt__operations_append(sql, "INSERT INTO ");
    mtnt__import_append_table(sql, db, rows->on_controller, rows->table);
    for (i = 0; i < rows->column_count; i++) {
        mtnt__operations_append(sql, i == 0 ? "(" : ", ");
        mtnt__import_append_name(sql, rows->columns[i]);
    }
    mtnt__operations_append(sql,
                            mtnt_db_backend(db) == MTNT_POSTGRES ? ") OVERRIDING SYSTEM VALUE VALUES" : ") VALUES");
    for (i = 0; i < count * rows->column_count; i++) {
        if (i % rows->column_count == 0)
            mtnt__operations_append(sql, i == 0 ? " (" : "), (");
        mtnt__operations_append(sql, i % rows->column_count == 0 ? "$%zu" : ", $%zu", i + 1);
    }
    mtnt__operations_append(sql, ")");
}

static int insert(loading *l, const mtnt_described_rows *rows, size_t first, size_t count, mtnt_error *err)
{
    const mtnt_described_table *table = rows->on_controller ? declared(l->import, rows->table) : NULL;
    mtnt_db *db = side_of(l->import, rows->on_controller);
    mtnt__operations_text sql = {NULL, false};
    size_t cells = count * rows->column_count, i;
    int rc = room_for(l, cells + 1, err);

    for (i = 0; rc == 0 && i < cells; i++)
        rc = take_value(l->import, rows, first * rows->column_count + i, table != NULL ? table->key : NULL,
                        l->values + i, err);
    if (rc != 0)
        return rc;
    l->values[cells] = mtnt_value_end();
    append_insert(&sql, db, rows, count);
    rc = sql.failed ? mtnt__operations_nomem(err) : mtnt_db_exec_values(db, err, sql.text, l->values);
    free(sql.text);
    if (rc != 0) {
        mtnt_error_wrap(err, "table `%.80s`, %zu row%s from here", rows->table, count, count == 1 ? "" : "s");
        mtnt__import_at(l->import, err, rows->values[first * rows->column_count].line, 0);
    }
    return rc;
}

static bool has_column(const mtnt_described_rows *rows, const char *name)
{
    size_t i;

    for (i = 0; i < rows->column_count; i++)
        if (strcmp(rows->columns[i], name) == 0)
            return true;
    return false;
}

static int insert_all(loading *l, const mtnt_described_rows *rows, mtnt_error *err)
{
    bool sqlite = mtnt_db_backend(side_of(l->import, rows->on_controller)) == MTNT_SQLITE;
    size_t step = (size_t)(sqlite ? SQLITE_PARAMETERS : POSTGRES_PARAMETERS) / rows->column_count, first;
    int rc = 0;

    if (rows->on_controller && !has_column(rows, declared(l->import, rows->table)->key)) {
        mtnt_error_set(err, MTNT_E_CONFIG,
                       "the column `%.80s` of table `%.80s` is missing: it says whose rows they are",
                       declared(l->import, rows->table)->key, rows->table);
        return mtnt__import_at(l->import, err, rows->line, rows->column);
    }
    if (step == 0)
        step = 1;
    for (first = 0; rc == 0 && first < rows->row_count; first += step)
        rc = insert(l, rows, first, rows->row_count - first < step ? rows->row_count - first : step, err);
    return rc;
}

/* ---- counters ---- */

static void note_counted(loading *l, const char *table)
{
    bool on_controller = false;
    uint32_t line = 0;
    const char *name;
    size_t i;

    for (i = 0; (name = mtnt_description_table(l->import->description, i, &on_controller, &line)) != NULL; i++)
        if (!on_controller && strcmp(name, table) == 0)
            l->counted[i] = true;
}

static int set_counters(loading *l, const mtnt_described_rows *rows, mtnt_error *err)
{
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < rows->counter_count; i++) {
        const mtnt_described_counter *counter = rows->counters + i;

        if (rows->on_controller) {
            mtnt_error_set(err, MTNT_E_CONFIG,
                           "`counters` are for tables of the model: the controller's go on by themselves");
            return mtnt__import_at(l->import, err, counter->line, counter->column);
        }
        rc = mtnt__import_counter(side_of(l->import, false), rows->table, counter, err);
        if (rc != 0)
            mtnt__import_at(l->import, err, counter->line, counter->column);
        note_counted(l, rows->table);
    }
    return rc;
}

/* ---- out ---- */

typedef struct keys {
    const mtnt_described_rows *rows;
    size_t *columns; /* of the piece */
    size_t count;
} keys;

static int take_key(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *name = mtnt_row_text(row, 0);
    keys *k = data;
    size_t i;

    for (i = 0; name != NULL && i < k->rows->column_count; i++)
        if (strcmp(k->rows->columns[i], name) == 0) {
            k->columns[k->count++] = i;
            return 0;
        }
    return mtnt_error_set(err, MTNT_E_CONFIG, "the primary key of table `%.80s` is not among its `columns`",
                          k->rows->table);
}

static int find_keys(mtnt_db *db, keys *k, mtnt_error *err)
{
    size_t i;
    int rc;

    if (mtnt_db_backend(db) == MTNT_SQLITE)
        rc = mtnt_db_query(db, take_key, k, err, "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk",
                           MTNT_TEXT(k->rows->table));
    else
        rc = mtnt_db_query(
            db, take_key, k, err,
            "SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[]) "
            "WHERE i.indisprimary AND n.nspname = current_schema() AND c.relname = $1 ORDER BY a.attnum",
            MTNT_TEXT(k->rows->table));
    for (i = 0; rc == 0 && k->count == 0 && i < k->rows->column_count; i++)
        k->columns[i] = i;
    if (k->count == 0)
        k->count = k->rows->column_count;
    return rc;
}

static int delete_row(loading *l, const keys *k, const char *sql, size_t row, mtnt_error *err)
{
    size_t i;
    int rc = room_for(l, k->count + 1, err);

    for (i = 0; rc == 0 && i < k->count; i++)
        rc = take_value(l->import, k->rows, row * k->rows->column_count + k->columns[i], NULL, l->values + i, err);
    if (rc != 0)
        return rc;
    l->values[k->count] = mtnt_value_end();
    rc = mtnt_db_exec_values(side_of(l->import, false), err, sql, l->values);
    if (rc != 0)
        mtnt__import_at(l->import, err, k->rows->values[row * k->rows->column_count].line, 0);
    return rc;
}

static int delete_all(loading *l, const mtnt_described_rows *rows, mtnt_error *err)
{
    keys k = {rows, calloc(rows->column_count, sizeof(size_t)), 0};
    mtnt_db *db = side_of(l->import, false);
    mtnt__operations_text sql = {NULL, false};
    size_t i;
    int rc = k.columns != NULL ? find_keys(db, &k, err) : mtnt__operations_nomem(err);

    mtnt__operations_append(&sql, "DELETE FROM ");
    mtnt__import_append_table(&sql, db, false, rows->table);
    for (i = 0; rc == 0 && i < k.count; i++) {
        mtnt__operations_append(&sql, i == 0 ? " WHERE " : " AND ");
        mtnt__import_append_name(&sql, rows->columns[k.columns[i]]);
        mtnt__operations_append(&sql, mtnt_db_backend(db) == MTNT_SQLITE ? " IS $%zu" : " IS NOT DISTINCT FROM $%zu",
                                i + 1);
    }
    if (rc == 0 && sql.failed)
        rc = mtnt__operations_nomem(err);
    for (i = 0; rc == 0 && i < rows->row_count; i++)
        rc = delete_row(l, &k, sql.text, i, err);
    free(sql.text);
    free(k.columns);
    return rc;
}

/* ---- a piece ---- */

static int take_piece(void *data, const mtnt_described_rows *rows, mtnt_error *err)
{
    loading *l = data;
    int rc;

    if (mtnt_context_cancelled(l->import->context))
        return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
    if (!is_written(l->import, rows->on_controller))
        return 0;
    if (l->unload)
        return rows->on_controller ? 0 : delete_all(l, rows, err);
    rc = insert_all(l, rows, err);
    return rc == 0 ? set_counters(l, rows, err) : rc;
}

/* ---- what is there ---- */

static int exec_on(mtnt_db *db, const char *before, bool on_controller, const char *table, const char *key,
                   const char *tenant, int64_t *ret_count, mtnt_error *err)
{
    const mtnt_value values[] = {key != NULL ? MTNT_TEXT(tenant) : mtnt_value_end(), mtnt_value_end()};
    mtnt__operations_text sql = {NULL, false};
    int rc;

    mtnt__operations_append(&sql, "%s", before);
    mtnt__import_append_table(&sql, db, on_controller, table);
    if (key != NULL) {
        mtnt__operations_append(&sql, " WHERE ");
        mtnt__import_append_name(&sql, key);
        mtnt__operations_append(&sql, mtnt_db_backend(db) == MTNT_POSTGRES ? "::text = $1" : " = $1");
    }
    if (ret_count != NULL)
        mtnt__operations_append(&sql, " LIMIT 1) AS t");
    if (sql.failed)
        rc = mtnt__operations_nomem(err);
    else
        rc = ret_count != NULL ? mtnt_db_query_int_values(db, ret_count, err, sql.text, values)
                               : mtnt_db_exec_values(db, err, sql.text, values);
    free(sql.text);
    return rc;
}
#define HOW_MANY "SELECT count(*) FROM (SELECT 1 FROM "

/* Only what this migration has made may be replaced. */
static int clear_table(const mtnt__import *import, const char *table, mtnt_error *err)
{
    mtnt_db *db = side_of(import, false);
    int64_t there = 0;
    int rc;

    if (mtnt_scope_created_model(import->context) && mtnt_db_backend(db) == MTNT_POSTGRES)
        return 0;
    if (mtnt_scope_created_model(import->context))
        return exec_on(db, "DELETE FROM ", false, table, NULL, NULL, NULL, err);
    rc = exec_on(db, HOW_MANY, false, table, NULL, NULL, &there, err);
    if (rc == 0 && there > 0)
        rc = mtnt_error_set(err, MTNT_E_REFUSED,
                            "table `%.80s` has rows, and this migration has not made the model: nothing is overwritten",
                            table);
    return rc;
}

static int clear_controller(const mtnt__import *import, const mtnt_described_table *table, mtnt_error *err)
{
    mtnt_db *db = side_of(import, true);
    const char *tenant = mtnt_model_id(import->model);
    int64_t there = 0;
    int rc;

    if (table->replace)
        return exec_on(db, "DELETE FROM ", true, table->table, table->key, tenant, NULL, err);
    rc = exec_on(db, HOW_MANY, true, table->table, table->key, tenant, &there, err);
    if (rc == 0 && there > 0)
        rc = mtnt_error_set(
            err, MTNT_E_REFUSED,
            "the controller's table `%.80s` has rows of this tenant already: nothing is overwritten, unless "
            "`import` says `replace: true` for it",
            table->table);
    return rc;
}

/* All at once: they may refer to one another in ways that cannot be put off. */
static int truncate_all(const mtnt__import *import, mtnt_error *err)
{
    mtnt_db *db = side_of(import, false);
    mtnt__operations_text sql = {NULL, false};
    bool on_controller = false;
    uint32_t line = 0;
    const char *name;
    size_t i;
    int rc;

    for (i = 0; (name = mtnt_description_table(import->description, i, &on_controller, &line)) != NULL; i++)
        if (!on_controller) {
            mtnt__operations_append(&sql, sql.text == NULL ? "TRUNCATE TABLE " : ", ");
            mtnt__import_append_table(&sql, db, false, name);
        }
    if (sql.failed)
        return mtnt__operations_nomem(err);
    rc = sql.text != NULL ? mtnt_db_exec(db, err, sql.text) : 0;
    free(sql.text);
    return rc != 0 ? mtnt__import_at(import, err, 0, 0) : 0;
}

/* All tables are cleared before the first row comes: what is deleted may take others along. */
static int clear_all(const mtnt__import *import, mtnt_error *err)
{
    bool on_controller = false;
    uint32_t line = 0;
    const char *name;
    size_t i;
    int rc = 0;

    if (is_written(import, false) && mtnt_scope_created_model(import->context) &&
        mtnt_db_backend(side_of(import, false)) == MTNT_POSTGRES)
        rc = truncate_all(import, err);
    for (i = 0; rc == 0 && (name = mtnt_description_table(import->description, i, &on_controller, &line)) != NULL;
         i++) {
        const mtnt_described_table *table = on_controller ? declared(import, name) : NULL;

        if (on_controller && table == NULL)
            rc = mtnt_error_set(err, MTNT_E_CONFIG,
                                "the controller's table `%.80s` is not named under `import.controller` in the chain",
                                name);
        else if (on_controller && is_written(import, true))
            rc = clear_controller(import, table, err);
        else if (!on_controller && is_written(import, false))
            rc = clear_table(import, name, err);
        if (rc != 0)
            mtnt__import_at(import, err, line, 0);
    }
    return rc;
}

static int set_sequences(const mtnt__import *import, mtnt_error *err)
{
    mtnt_described_counter sequence;
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && mtnt_description_sequence(import->description, i, &sequence); i++) {
        rc = mtnt__import_sequence(side_of(import, false), &sequence, err);
        if (rc != 0)
            mtnt__import_at(import, err, sequence.line, sequence.column);
    }
    return rc;
}

static int count_on(const loading *l, mtnt_error *err)
{
    bool on_controller = false;
    uint32_t line = 0;
    const char *name;
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && (name = mtnt_description_table(l->import->description, i, &on_controller, &line)) != NULL;
         i++)
        if (!on_controller && !l->counted[i])
            rc = mtnt__import_count_on(side_of(l->import, false), name, err);
    return rc;
}

/* ---- all of it ---- */

static size_t count_tables(const mtnt_description *description)
{
    bool on_controller = false;
    uint32_t line = 0;
    size_t count = 0;

    while (mtnt_description_table(description, count, &on_controller, &line) != NULL)
        count++;
    return count;
}

static int read_all(loading *l, mtnt_error *err)
{
    int rc = l->unload ? 0 : clear_all(l->import, err);

    if (rc == 0)
        rc = mtnt_description_read(l->import->description, take_piece, l, err);
    if (rc != 0 || l->unload || !is_written(l->import, false))
        return rc;
    rc = set_sequences(l->import, err);
    return rc == 0 ? count_on(l, err) : rc;
}

static int run(loading *l, mtnt_error *err)
{
    mtnt__import_switches switches = {NULL, NULL, 1};
    bool model = is_written(l->import, false);
    mtnt_error other = MTNT_ERROR_INIT;
    int rc, ended;

    rc = model ? mtnt__import_model_begin(side_of(l->import, false), &switches, err) : 0;
    if (rc == 0) {
        rc = read_all(l, err);
        /* SQLite's switch is the connection's, and has to be put back in any case. */
        if (model && (rc == 0 || mtnt_db_backend(side_of(l->import, false)) == MTNT_SQLITE)) {
            ended = mtnt__import_model_end(side_of(l->import, false), &switches, rc == 0 ? err : &other);
            rc = rc == 0 ? ended : rc;
        }
    }
    mtnt__import_switches_release(&switches);
    return rc;
}

int mtnt__import_load(mtnt__import *import, mtnt_error *err)
{
    loading l = {import, calloc(count_tables(import->description) + 1, sizeof(bool)), false, NULL, 0};
    int rc = l.counted != NULL ? run(&l, err) : mtnt__operations_nomem(err);

    free(l.values);
    free(l.counted);
    return rc;
}

int mtnt__import_unload(mtnt__import *import, mtnt_error *err)
{
    loading l = {import, NULL, true, NULL, 0};
    size_t i;
    int rc = (import->writes & MTNT_WRITES_MODEL) != 0 ? run(&l, err) : 0;

    for (i = import->options->table_count; rc == 0 && is_written(import, true) && i > 0; i--)
        rc = exec_on(side_of(import, true), "DELETE FROM ", true, import->options->tables[i - 1].table,
                     import->options->tables[i - 1].key, mtnt_model_id(import->model), NULL, err);
    free(l.values);
    return rc;
}
