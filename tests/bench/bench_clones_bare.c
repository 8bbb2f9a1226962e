/* What makes a tenant without us, as fast as it goes and still durable, and what it has come to. SQLite: built under another name with its journal in memory,
 * synced once, renamed, the folder synced. PostgreSQL: CREATE DATABASE, then one transaction. */
#include <fcntl.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_clones.h"
#include "coordinate/clone.h"
#include "schemas.h"

static char *records_for(const char *tables, const char *schema)
{
    return (char *)bench_records(tables, schema);
}

/* ---- SQLite ---- */

static char *sqlite_records, *postgres_records;

static void run_sqlite(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        bench_die("%s: %s", sql, message);
}

static void sqlite_path(const bench_options *options, const char *prefix, int tenant, char path[600])
{
    snprintf(path, 600, "%s/models/%s_%06d.db", options->folder, prefix, tenant);
}

static const char *sqlite_dsn(const bench_options *options, const char *prefix, int tenant)
{
    char path[600];

    sqlite_path(options, prefix, tenant, path);
    return bench_text("sqlite:%s", path);
}

static const char *sqlite_controller(const bench_options *options, const char *folder)
{
    (void)options;
    return bench_text("sqlite:%s/controller.db", folder);
}

static void sqlite_begin(const bench_options *options)
{
    sqlite_records = records_for(mtnt__sql_model_sqlite_0001_initial, "main");
    bench_make_folder(bench_text("%s/models", options->folder));
}

static void sqlite_make(const bench_options *options, const char *prefix, int tenant)
{
    char path[600], unfinished[620], folder[600];
    sqlite3 *db = NULL;
    int file;

    sqlite_path(options, prefix, tenant, path);
    snprintf(unfinished, sizeof(unfinished), "%s.new", path);
    snprintf(folder, sizeof(folder), "%s/models", options->folder);
    if (sqlite3_open_v2(unfinished, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        bench_die("%s: %s", unfinished, sqlite3_errmsg(db));
    run_sqlite(db, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE");
    for (int i = 0; i < BENCH_OPERATIONS; i++)
        run_sqlite(db, bench_operations[i]);
    run_sqlite(db, sqlite_records);
    run_sqlite(db, "COMMIT");
    sqlite3_close(db);
    if (rename(unfinished, path) != 0)
        bench_die("%s cannot be renamed", unfinished);
    file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || fsync(file) != 0)
        bench_die("%s cannot be synced", folder);
    close(file);
}

static int add_row(void *data, int columns, char **values, char **names)
{
    (void)names;
    for (int i = 0; i < columns; i++)
        fprintf(data, "%s|", values[i] != NULL ? values[i] : "");
    fputc('\n', data);
    return 0;
}

static char *sqlite_end_state(const bench_options *options, const char *prefix, int tenant)
{
    char path[600], *state = NULL, *message = NULL;
    size_t length = 0;
    FILE *text = open_memstream(&state, &length);
    sqlite3 *db = NULL;
    int rc;

    sqlite_path(options, prefix, tenant, path);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        bench_die("%s: %s", path, sqlite3_errmsg(db));
    rc = sqlite3_exec(
        db,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name NOT LIKE 'mtnt\\_%' ESCAPE '\\' "
        "ORDER BY type, name; SELECT count(*) FROM mtnt_applied WHERE name <> 'make'",
        add_row, text, &message);
    for (int i = 0; rc == SQLITE_OK && i < BENCH_TABLES; i++) {
        char sql[128];

        snprintf(sql, sizeof(sql), "SELECT '%s', count(*), total(id) FROM %s", bench_tables[i], bench_tables[i]);
        rc = sqlite3_exec(db, sql, add_row, text, &message);
    }
    if (rc != SQLITE_OK)
        bench_die("%s: %s", path, message);
    sqlite3_close(db);
    fclose(text);
    return state;
}

static void sqlite_remove(const bench_options *options, const char *prefix, int tenants)
{
    (void)options;
    (void)prefix;
    (void)tenants;
}

static void sqlite_end(const bench_options *options)
{
    bench_remove_folder(bench_text("%s/models", options->folder));
    free(sqlite_records);
}

clones_backend clones_sqlite = {.name = "sqlite",
                                .unit = "SQLite models",
                                .dsn = sqlite_dsn,
                                .controller = sqlite_controller,
                                .begin = sqlite_begin,
                                .make = sqlite_make,
                                .end_state = sqlite_end_state,
                                .remove = sqlite_remove,
                                .end = sqlite_end};

/* ---- PostgreSQL ---- */

static PGconn *connect_to(const bench_options *options, const char *database)
{
    char conninfo[1024];
    PGconn *connection;

    snprintf(conninfo, sizeof(conninfo), "%s dbname=%s options='-c client_min_messages=warning'", options->server,
             database);
    connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK)
        bench_die("%s: %s", database, PQerrorMessage(connection));
    return connection;
}

static void run_postgres(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("%s: %s", sql, PQerrorMessage(connection));
    PQclear(result);
}

static void name_of(const char *prefix, int tenant, char name[80])
{
    snprintf(name, 80, "clones_%s_%06d", prefix, tenant);
}

static const char *postgres_dsn(const bench_options *options, const char *prefix, int tenant)
{
    char name[80];

    name_of(prefix, tenant, name);
    return bench_text("postgresql:///%s%s", name, bench_server_query(options->server));
}

static const char *postgres_controller(const bench_options *options, const char *folder)
{
    const char *slash = strrchr(folder, '/');

    return bench_text("postgresql:///clones_controller_%s%s", slash + 1, bench_server_query(options->server));
}

static void drop(const bench_options *options, const char *name)
{
    PGconn *connection = connect_to(options, "postgres");

    run_postgres(connection, bench_text("DROP DATABASE IF EXISTS %s WITH (FORCE)", name));
    PQfinish(connection);
}

static void postgres_begin(const bench_options *options)
{
    PGconn *connection = connect_to(options, "postgres");

    postgres_records = records_for(mtnt__sql_model_postgres_0001_initial, "public");
    run_postgres(connection, "CREATE DATABASE clones_controller_postgres_run");
    run_postgres(connection, "CREATE DATABASE clones_controller_postgres_copied");
    run_postgres(connection, "CHECKPOINT");
    PQfinish(connection);
}

static void postgres_make(const bench_options *options, const char *prefix, int tenant)
{
    PGconn *connection = connect_to(options, "postgres");
    char name[80], sql[160];

    name_of(prefix, tenant, name);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
    run_postgres(connection, sql);
    PQfinish(connection);
    connection = connect_to(options, name);
    run_postgres(connection, "BEGIN");
    for (int i = 0; i < BENCH_OPERATIONS; i++)
        run_postgres(connection, bench_operations[i]);
    run_postgres(connection, postgres_records);
    run_postgres(connection, "COMMIT");
    PQfinish(connection);
}

static void add_rows(PGconn *connection, const char *sql, FILE *text)
{
    PGresult *result = PQexec(connection, sql);

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("%s: %s", sql, PQerrorMessage(connection));
    for (int row = 0; row < PQntuples(result); row++) {
        for (int column = 0; column < PQnfields(result); column++)
            fprintf(text, "%s|", PQgetvalue(result, row, column));
        fputc('\n', text);
    }
    PQclear(result);
}

static char *postgres_end_state(const bench_options *options, const char *prefix, int tenant)
{
    PGconn *connection;
    char name[80], *state = NULL;
    size_t length = 0;
    FILE *text = open_memstream(&state, &length);

    name_of(prefix, tenant, name);
    connection = connect_to(options, name);
    add_rows(connection,
             "SELECT table_schema, table_name, column_name, data_type, is_nullable, column_default "
             "FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') "
             "AND table_name NOT LIKE 'mtnt\\_%' ORDER BY 1, 2, ordinal_position",
             text);
    add_rows(connection,
             "SELECT indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog') AND tablename NOT LIKE 'mtnt\\_%' "
             "ORDER BY 1",
             text);
    for (int i = 0; i < BENCH_TABLES; i++) {
        char sql[128];

        snprintf(sql, sizeof(sql), "SELECT '%s', count(*), sum(id) FROM %s", bench_tables[i], bench_tables[i]);
        add_rows(connection, sql, text);
    }
    add_rows(connection, "SELECT count(*) FROM mtnt_applied WHERE name <> 'make'", text);
    PQfinish(connection);
    fclose(text);
    return state;
}

static void postgres_remove(const bench_options *options, const char *prefix, int tenants)
{
    for (int i = 0; i < tenants; i++) {
        char name[80];

        name_of(prefix, i, name);
        drop(options, name);
    }
}

/* The templates of this benchmark's own controller: others may use the same server. */
static void drop_templates(const bench_options *options)
{
    PGconn *connection = connect_to(options, "clones_controller_postgres_copied");
    PGresult *id = PQexec(connection, "SELECT value FROM mtnt_meta WHERE key = 'controller'");
    mtnt_model_options tenant = MTNT_MODEL_OPTIONS_INIT;
    char prefix[MTNT__TEMPLATE_PREFIX + 1];
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;
    PGresult *found;

    tenant.id = "any";
    tenant.dsn = postgres_dsn(options, "any", 0);
    if (PQntuples(id) != 1 || mtnt_model_new(&model, &tenant, &err) != 0 ||
        mtnt__clone_prefix(PQgetvalue(id, 0, 0), "bench", model, prefix, &err) != 0)
        bench_die("the templates cannot be named: %s", err.message);
    found =
        PQexec(connection,
               bench_text("SELECT datname FROM pg_database WHERE starts_with(datname, '" MTNT__TEMPLATE_DATABASE "%s')",
                          prefix));
    for (int row = 0; row < PQntuples(found); row++)
        run_postgres(connection, bench_text("DROP DATABASE %s", PQgetvalue(found, row, 0)));
    PQclear(found);
    PQclear(id);
    PQfinish(connection);
    mtnt_model_free(model);
}

static void postgres_end(const bench_options *options)
{
    drop_templates(options);
    drop(options, "clones_controller_postgres_run");
    drop(options, "clones_controller_postgres_copied");
    free(postgres_records);
}

clones_backend clones_postgres = {.name = "postgres",
                                  .unit = "PostgreSQL databases",
                                  .dsn = postgres_dsn,
                                  .controller = postgres_controller,
                                  .begin = postgres_begin,
                                  .make = postgres_make,
                                  .end_state = postgres_end_state,
                                  .remove = postgres_remove,
                                  .end = postgres_end};
