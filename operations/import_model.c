/* The model around an import: triggers, foreign keys, counters. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "import.h"
#include "mtnt/native.h"

/* Both ways at once: what is changed is what is put back. Only an owner's rights are needed. */
static const char constraints_off[] =
    "SELECT string_agg(format('ALTER TABLE %I.%I ALTER CONSTRAINT %I DEFERRABLE INITIALLY DEFERRED;', n.nspname, c.relname, f.conname), E'\\n') "
    "FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE f.contype = 'f' AND f.conparentid = 0 AND NOT f.condeferred AND n.nspname = current_schema()";
static const char constraints_on[] =
    "SELECT string_agg(format('ALTER TABLE %I.%I ALTER CONSTRAINT %I %s;', n.nspname, c.relname, f.conname, CASE WHEN f.condeferrable THEN 'DEFERRABLE "
    "INITIALLY IMMEDIATE' ELSE 'NOT DEFERRABLE' END), E'\\n') "
    "FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class c ON c.oid = f.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE f.contype = 'f' AND f.conparentid = 0 AND NOT f.condeferred AND n.nspname = current_schema()";
static const char triggers_off[] =
    "SELECT string_agg(format('ALTER TABLE %I.%I DISABLE TRIGGER %I;', n.nspname, c.relname, t.tgname), E'\\n') "
    "FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND c.relkind IN ('r', 'p') AND n.nspname = current_schema()";
static const char triggers_on[] =
    "SELECT string_agg(format('ALTER TABLE %I.%I ENABLE %sTRIGGER %I;', n.nspname, c.relname, CASE t.tgenabled WHEN 'A' THEN 'ALWAYS ' ELSE '' END, "
    "t.tgname), E'\\n') "
    "FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND c.relkind IN ('r', 'p') AND n.nspname = current_schema()";

static int run_text(mtnt_db *db, const char *sql, mtnt_error *err)
{
    const mtnt_script script = {.sql = sql};

    return sql != NULL ? mtnt_db_script(db, &script, err) : 0;
}

static int change(mtnt_db *db, const char *query, mtnt_error *err)
{
    char *sql = NULL;
    int rc = mtnt_db_query_text(db, &sql, err, query);

    if (rc == 0)
        rc = run_text(db, sql, err);
    mtnt_free(sql);
    return rc;
}

/* What an earlier operation has put off would forbid every ALTER TABLE: it is checked now. */
static int postgres_begin(mtnt_db *db, mtnt__import_switches *switches, mtnt_error *err)
{
    int rc = mtnt_db_exec(db, err, "SET CONSTRAINTS ALL IMMEDIATE");

    if (rc == 0)
        rc = mtnt_db_query_text(db, &switches->constraints, err, constraints_on);
    if (rc == 0)
        rc = mtnt_db_query_text(db, &switches->triggers, err, triggers_on);
    if (rc == 0)
        rc = change(db, constraints_off, err);
    if (rc == 0)
        rc = mtnt_db_exec(db, err, "SET CONSTRAINTS ALL DEFERRED");
    return rc == 0 ? change(db, triggers_off, err) : rc;
}

int mtnt__import_model_begin(mtnt_db *db, mtnt__import_switches *switches, mtnt_error *err)
{
    sqlite3 *raw;

    if (mtnt_db_backend(db) == MTNT_POSTGRES)
        return postgres_begin(db, switches, err);
    raw = mtnt_db_sqlite(db);
    if (raw == NULL)
        return mtnt_error_set(err, MTNT_E_CONNECT, "the model is not connected");
    sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_TRIGGER, -1, &switches->sqlite_triggers);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return 0;
}

int mtnt__import_model_end(mtnt_db *db, const mtnt__import_switches *switches, mtnt_error *err)
{
    int rc;

    if (mtnt_db_backend(db) == MTNT_SQLITE) {
        sqlite3_db_config(mtnt_db_sqlite(db), SQLITE_DBCONFIG_ENABLE_TRIGGER, switches->sqlite_triggers, NULL);
        return 0; /* foreign keys are checked before COMMIT */
    }
    rc = mtnt_db_exec(db, err, "SET CONSTRAINTS ALL IMMEDIATE");
    if (rc == 0)
        rc = run_text(db, switches->triggers, err);
    return rc == 0 ? run_text(db, switches->constraints, err) : rc;
}

void mtnt__import_switches_release(mtnt__import_switches *switches)
{
    mtnt_free(switches->constraints);
    mtnt_free(switches->triggers);
}

/* ---- counters ---- */

static int sqlite_counter(mtnt_db *db, const char *table, int64_t next, mtnt_error *err)
{
    int64_t counts = 0;
    int rc = mtnt_db_query_int(
        db, &counts, err,
        "SELECT count(*) FROM model.sqlite_schema WHERE type = 'table' AND name = $1 AND sql LIKE '%AUTOINCREMENT%'",
        MTNT_TEXT(table));

    if (rc != 0 || counts == 0)
        return rc;
    rc = mtnt_db_exec(db, err, "DELETE FROM model.sqlite_sequence WHERE name = $1", MTNT_TEXT(table));
    if (rc == 0 && next > 1)
        rc = mtnt_db_exec(db, err, "INSERT INTO model.sqlite_sequence(name, seq) VALUES ($1, $2)", MTNT_TEXT(table),
                          MTNT_INT(next - 1));
    return rc;
}

int mtnt__import_counter(mtnt_db *db, const char *table, const mtnt_described_counter *counter, mtnt_error *err)
{
    if (mtnt_db_backend(db) == MTNT_SQLITE)
        return sqlite_counter(db, table, counter->next, err);
    return mtnt_db_exec(
        db, err,
        "SELECT setval(pg_get_serial_sequence(quote_ident(current_schema()) || '.' || quote_ident($1), $2), "
        "$3::bigint, false)",
        MTNT_TEXT(table), MTNT_TEXT(counter->name), MTNT_INT(counter->next));
}

int mtnt__import_sequence(mtnt_db *db, const mtnt_described_counter *sequence, mtnt_error *err)
{
    if (mtnt_db_backend(db) == MTNT_SQLITE)
        return mtnt_error_set(err, MTNT_E_CONFIG, "SQLite has no sequences, such as `%.80s`", sequence->name);
    return mtnt_db_exec(
        db, err,
        "SELECT setval((quote_ident(current_schema()) || '.' || quote_ident($1))::regclass, $2::bigint, false)",
        MTNT_TEXT(sequence->name), MTNT_INT(sequence->next));
}

int mtnt__import_count_on(mtnt_db *db, const char *table, mtnt_error *err)
{
    static const char query[] =
        "SELECT string_agg(format('SELECT setval(%L, GREATEST(1, COALESCE(max(%I), 0) + 1), false) FROM %I;', "
        "pg_get_serial_sequence(quote_ident(current_schema()) || '.' || quote_ident($1), a.attname), a.attname, $1), E'\\n') "
        "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = current_schema() AND c.relname = $1 AND a.attnum > 0 AND NOT a.attisdropped "
        "AND pg_get_serial_sequence(quote_ident(current_schema()) || '.' || quote_ident($1), a.attname) IS NOT NULL";
    char *sql = NULL;
    int rc;

    if (mtnt_db_backend(db) == MTNT_SQLITE)
        return 0; /* it counts from the highest by itself */
    rc = mtnt_db_query_text(db, &sql, err, query, MTNT_TEXT(table));
    if (rc == 0)
        rc = run_text(db, sql, err);
    mtnt_free(sql);
    return rc;
}
