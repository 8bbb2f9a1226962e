#include "fleet_fixture.h"

#include <dirent.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinate/clone.h"

struct fleet_body {
    struct fleet_body *next;
    fleet *f;
    body how;
    uint32_t writes;
};

struct fleet_settings fleet_settings;

static const struct {
    const char *name;
    mtnt_backend controller, model;
    bool schema;
} pairs[PAIR_COUNT] = {
    [PAIR_SQLITE] = {"sqlite", MTNT_SQLITE, MTNT_SQLITE, false},
    [PAIR_POSTGRES] = {"postgres", MTNT_POSTGRES, MTNT_POSTGRES, false},
    [PAIR_SCHEMA] = {"schema", MTNT_POSTGRES, MTNT_POSTGRES, true},
    [PAIR_OTHER_SCHEMA] = {"other_schema", MTNT_POSTGRES, MTNT_POSTGRES, true},
    [PAIR_POSTGRES_SQLITE] = {"postgres_sqlite", MTNT_POSTGRES, MTNT_SQLITE, false},
    [PAIR_SQLITE_POSTGRES] = {"sqlite_postgres", MTNT_SQLITE, MTNT_POSTGRES, false},
};

const char *pair_name(pair which)
{
    return pairs[which].name;
}

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

/* Text that grows. */
typedef struct growing {
    char *text;
    size_t length;
} growing;

static void grow(growing *g, const char *format, ...) MTNT_PRINTF(2, 3);
static void grow(growing *g, const char *format, ...)
{
    va_list arguments, again;
    int size;

    va_start(arguments, format);
    va_copy(again, arguments);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    g->text = must(realloc(g->text, g->length + (size_t)size + 1));
    vsnprintf(g->text + g->length, (size_t)size + 1, format, again);
    va_end(again);
    g->length += (size_t)size;
}

/* ---- PostgreSQL ----
 * Making a database is slow: each program makes what it needs once, and empties it for each test. */

#define DATABASES (FLEET_TENANTS + 2)

static struct database {
    char name[64];
    bool made, used;
    PGconn *connection; /* "used" ones only */
} databases[DATABASES];
static PGconn *maintenance;

static const char *server(void)
{
    const char *words = getenv("MTNT_TEST_PG");

    if (words == NULL)
        fail_msg("MTNT_TEST_PG is not set: see CONTRIBUTING.md");
    return words;
}

static PGconn *connect_to(const char *database)
{
    growing words = {0};
    PGconn *connection;

    grow(&words, "%s dbname=%s options='-c client_min_messages=error'", server(), database);
    connection = PQconnectdb(words.text);
    if (PQstatus(connection) != CONNECTION_OK)
        fail_msg("%s: %s", database, PQerrorMessage(connection));
    free(words.text);
    return connection;
}

static void add_result(growing *g, PGresult *result)
{
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            grow(g, "!%s", PQresultErrorMessage(result));
        return;
    }
    for (int row = 0; row < PQntuples(result); row++)
        for (int column = 0; column < PQnfields(result); column++)
            grow(g, "%s%s",
                 column > 0 ? "|"
                 : row > 0  ? ";"
                            : "",
                 PQgetisnull(result, row, column) ? "-" : PQgetvalue(result, row, column));
}

static char *ask_postgres(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    growing g = {0};

    grow(&g, "%s", "");
    add_result(&g, result);
    PQclear(result);
    return g.text;
}

static void must_postgres(PGconn *connection, const char *format, ...) MTNT_PRINTF(2, 3);
static void must_postgres(PGconn *connection, const char *format, ...)
{
    va_list arguments;
    char sql[1000], *answer;

    va_start(arguments, format);
    vsnprintf(sql, sizeof(sql), format, arguments);
    va_end(arguments);
    answer = ask_postgres(connection, sql);
    if (answer[0] == '!')
        fail_msg("%s: %s", sql, answer);
    free(answer);
}

static void drop_strangers(void)
{
    char sql[200], *names, *rest, *name;

    snprintf(sql, sizeof(sql), "SELECT datname FROM pg_database WHERE datname LIKE 'mtnt\\_test\\_%d\\_%%'",
             (int)getpid());
    rest = names = ask_postgres(maintenance, sql);
    while ((name = strtok_r(rest, ";", &rest)) != NULL)
        must_postgres(maintenance, "DROP DATABASE %s WITH (FORCE)", name);
    free(names);
}

/* Tests may end sessions. */
static bool is_alive(PGconn *connection)
{
    PQclear(PQexec(connection, "SELECT 1"));
    return PQstatus(connection) == CONNECTION_OK;
}

static PGconn *server_connection(void)
{
    if (maintenance != NULL && !is_alive(maintenance)) {
        PQfinish(maintenance);
        maintenance = connect_to("postgres");
    }
    if (maintenance == NULL) {
        maintenance = connect_to("postgres");
        drop_strangers(); /* of another program that had our pid and was killed */
    }
    return maintenance;
}

static bool database_exists(const char *name)
{
    char sql[200], *answer;
    bool exists;

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_database WHERE datname = '%s'", name);
    answer = ask_postgres(server_connection(), sql);
    exists = strcmp(answer, "1") == 0;
    free(answer);
    return exists;
}

static struct database *use_database(const char *name)
{
    struct database *d = databases;

    while (d->name[0] != '\0' && strcmp(d->name, name) != 0)
        d++;
    assert_true(d < databases + DATABASES);
    if (!d->made) {
        snprintf(d->name, sizeof(d->name), "%s", name);
        if (!database_exists(name))
            must_postgres(server_connection(), "CREATE DATABASE %s", name);
        d->made = true;
    }
    d->used = true;
    if (d->connection != NULL && !is_alive(d->connection)) {
        PQfinish(d->connection);
        d->connection = NULL;
    }
    if (d->connection == NULL)
        d->connection = connect_to(name);
    return d;
}

/* A database that a test lets the library make, drop or rename: we must not stand in the way. */
static void let_go(const char *name)
{
    for (struct database *d = databases; d < databases + DATABASES; d++) {
        if (strcmp(d->name, name) != 0)
            continue;
        PQfinish(d->connection);
        d->connection = NULL;
    }
}

static void forget_database(const char *name)
{
    let_go(name);
    for (struct database *d = databases; d < databases + DATABASES; d++)
        if (strcmp(d->name, name) == 0)
            d->made = d->used = false;
    must_postgres(server_connection(), "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
}

static const char *empty_it =
    "DO $$ DECLARE s text; BEGIN"
    "  FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP"
    "    EXECUTE format('DROP SCHEMA %I CASCADE', s);"
    "  END LOOP;"
    "  CREATE SCHEMA public;"
    " END $$";

/* What is prepared there holds locks, and would be waited for. */
static void end_prepared(PGconn *connection)
{
    char *gids = ask_postgres(connection, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"),
         *rest = gids, *gid;

    while ((gid = strtok_r(rest, ";", &rest)) != NULL)
        must_postgres(connection, "ROLLBACK PREPARED '%s'", gid);
    free(gids);
}

static void empty_databases(void)
{
    for (struct database *d = databases; d < databases + DATABASES; d++) {
        if (!d->made || !d->used)
            continue;
        use_database(d->name);
        must_postgres(
            d->connection,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        end_prepared(d->connection);
        must_postgres(d->connection, "%s", empty_it);
        d->used = false;
    }
}

static int drop_databases(void **state)
{
    (void)state;
    for (struct database *d = databases; d < databases + DATABASES; d++) {
        if (!d->made)
            continue;
        PQfinish(d->connection);
        must_postgres(server_connection(), "DROP DATABASE IF EXISTS %s WITH (FORCE)", d->name);
    }
    memset(databases, 0, sizeof(databases));
    PQfinish(maintenance);
    maintenance = NULL;
    return 0;
}

/* "host=… port=… user=…" as a URI for the library. */
static void postgres_dsn(char *dsn, size_t size, const char *database)
{
    const char *through =
        getenv("MTNT_TEST_PG_THROUGH"); /* a pooler: the library goes through it, and the fixture does not */
    char *words = must(strdup(through != NULL ? through : server())), *rest = words, *word;
    const char *separator = "?";

    snprintf(dsn, size, "postgresql:///%s", database);
    while ((word = strtok_r(rest, " ", &rest)) != NULL) {
        size_t length = strlen(dsn);

        if (strncmp(word, "dbname=", 7) == 0)
            continue;
        if (strncmp(word, "host=", 5) == 0 && fleet_settings.through != NULL)
            snprintf(dsn + length, size - length, "%shost=%s", separator, fleet_settings.through);
        else
            snprintf(dsn + length, size - length, "%s%s", separator, word);
        separator = "&";
    }
    free(words);
}

/* ---- SQLite ---- */

static int add_row(void *data, int count, char **values, char **names)
{
    growing *g = data;

    (void)names;
    for (int column = 0; column < count; column++)
        grow(g, "%s%s", column > 0 ? "|" : g->length > 0 ? ";" : "", values[column] == NULL ? "-" : values[column]);
    return 0;
}

static char *ask_sqlite(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    growing g = {0};

    grow(&g, "%s", "");
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        grow(&g, "!%s", sqlite3_errmsg(db));
    else {
        sqlite3_busy_timeout(db, 5000);
        if (sqlite3_exec(db, sql, add_row, &g, &message) != SQLITE_OK)
            grow(&g, "!%s", message);
    }
    sqlite3_free(message);
    sqlite3_close(db);
    return g.text;
}

static void make_sqlite(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;

    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", path, message == NULL ? "cannot be opened" : message);
    sqlite3_close(db);
}

static const char *path_of(const char *dsn)
{
    return dsn + strlen("sqlite:");
}

/* ---- asking ---- */

static const char *keep(fleet *f, char *answer)
{
    f->answer = (f->answer + 1) % (sizeof(f->answers) / sizeof(*f->answers));
    free(f->answers[f->answer]);
    f->answers[f->answer] = answer;
    return answer;
}

static char *controller_database(char *name, size_t size)
{
    snprintf(name, size, "mtnt_test_%d_controller", (int)getpid());
    return name;
}

static char *ask_controller(fleet *f, const char *sql)
{
    char name[64];

    if (f->controller_backend == MTNT_SQLITE)
        return ask_sqlite(path_of(f->controller_dsn), sql);
    return ask_postgres(use_database(controller_database(name, sizeof(name)))->connection, sql);
}

static char *ask_model(fleet *f, size_t tenant, const char *sql)
{
    struct fleet_tenant *t = f->tenants + tenant;
    PGconn *connection;
    char *answer;

    if (f->model_backend == MTNT_SQLITE)
        return ask_sqlite(path_of(t->dsn), sql);
    connection = use_database(t->database)->connection;
    if (t->schema[0] != '\0')
        must_postgres(connection, "SET search_path = %s", t->schema);
    answer = ask_postgres(connection, sql);
    if (t->schema[0] != '\0')
        must_postgres(connection, "RESET search_path");
    /* A model of the library's making is not ours to keep busy. */
    if (t->schema[0] == '\0')
        let_go(t->database);
    return answer;
}

const char *fleet_ask_controller(fleet *f, const char *sql)
{
    return keep(f, ask_controller(f, sql));
}

const char *fleet_ask_model(fleet *f, size_t tenant, const char *sql)
{
    return keep(f, ask_model(f, tenant, sql));
}

const char *fleet_ask_database(fleet *f, const char *database, const char *sql)
{
    PGconn *connection = connect_to(database == NULL ? "postgres" : database);
    char *answer = ask_postgres(connection, sql);

    PQfinish(connection);
    return keep(f, answer);
}

static const char *tables_sql(mtnt_backend backend)
{
    return backend == MTNT_SQLITE
               ? "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'mtnt\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' "
                 "ESCAPE '\\' ORDER BY name"
               : "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname !~ '^mtnt_' "
                 "ORDER BY relname COLLATE \"C\"";
}

static bool has_our_tables(fleet *f, size_t tenant)
{
    char *found = ask_model(
        f, tenant,
        f->model_backend == MTNT_SQLITE
            ? "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'mtnt\\_%' ESCAPE '\\'"
            : "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname ~ '^mtnt_'");
    bool there = strcmp(found, "0") != 0;

    free(found);
    return there;
}

const char *fleet_applied(fleet *f, size_t tenant)
{
    if (!fleet_model_exists(f, tenant) || !has_our_tables(f, tenant))
        return "-";
    return fleet_ask_model(f, tenant, "SELECT name FROM mtnt_applied WHERE chain = 'shop' ORDER BY position");
}

const char *fleet_tables(fleet *f, size_t tenant)
{
    return fleet_ask_model(f, tenant, tables_sql(f->model_backend));
}

static const char *ask_about(fleet *f, const char *format, size_t tenant)
{
    growing sql = {0};
    const char *answer;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    grow(&sql, format, f->tenants[tenant].id);
#pragma GCC diagnostic pop
    answer = fleet_ask_controller(f, sql.text);
    free(sql.text);
    return answer;
}

const char *fleet_notes(fleet *f, size_t tenant)
{
    return ask_about(f, "SELECT operation FROM notes WHERE tenant = '%s' ORDER BY operation", tenant);
}

const char *fleet_known(fleet *f, size_t tenant)
{
    const char *answer =
        ask_about(f,
                  "SELECT state, version, CASE WHEN error IS NULL THEN 'ok' ELSE 'error' END FROM mtnt_tenant "
                  "WHERE chain = 'shop' AND tenant = '%s'",
                  tenant);

    return answer[0] == '\0' ? "-" : answer;
}

const char *fleet_migration(fleet *f, size_t tenant)
{
    return ask_about(f,
                     "SELECT m.state FROM mtnt_migration AS m JOIN mtnt_tenant AS t ON t.migration = m.migration "
                     "WHERE t.chain = 'shop' AND t.tenant = '%s'",
                     tenant);
}

const char *fleet_gids(fleet *f)
{
    char sql[200];

    if (f->controller_backend == MTNT_SQLITE && f->model_backend == MTNT_SQLITE)
        return "";
    snprintf(sql, sizeof(sql), "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'mtnt:%.8s:%%' ORDER BY gid",
             mtnt_controller_id(f->controller));
    return keep(f, ask_postgres(server_connection(), sql));
}

static int provisional_files(fleet *f)
{
    DIR *folder = opendir(fleet_settings.models_in == NULL ? f->folder : fleet_settings.models_in);
    struct dirent *entry;
    int count = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL)
        count += strstr(entry->d_name, ".mtnt-new-") != NULL;
    closedir(folder);
    return count;
}

int fleet_provisional(fleet *f)
{
    char *ours, *all, *rest, *name;
    int count = provisional_files(f);

    if (f->model_backend == MTNT_SQLITE)
        return count;
    /* Other tests use the same server: only those of migrations that this controller knows. */
    ours = ask_controller(f, "SELECT migration FROM mtnt_migration");
    all = ask_postgres(server_connection(),
                       "SELECT substr(datname, 10) FROM pg_database WHERE datname LIKE 'mtnt\\_new\\_%'");
    rest = all;
    while ((name = strtok_r(rest, ";", &rest)) != NULL)
        count += strstr(ours, name) != NULL;
    free(ours);
    free(all);
    return count;
}

static char *template_files(fleet *f)
{
    DIR *folder = opendir(fleet_settings.models_in == NULL ? f->folder : fleet_settings.models_in);
    struct dirent *entry;
    growing g = {0};

    assert_non_null(folder);
    grow(&g, "%s", "");
    while ((entry = readdir(folder)) != NULL)
        if (strncmp(entry->d_name, MTNT__TEMPLATE_FILE, strlen(MTNT__TEMPLATE_FILE)) == 0)
            grow(&g, "%s%s", g.length > 0 ? ";" : "", entry->d_name);
    closedir(folder);
    return g.text;
}

static char *template_databases(fleet *f)
{
    char prefix[MTNT__TEMPLATE_PREFIX + 1] = "";
    growing sql = {0};
    char *names;

    if (f->count == 0 || f->controller == NULL || mtnt_controller_id(f->controller) == NULL ||
        mtnt__clone_prefix(mtnt_controller_id(f->controller), "shop", f->tenants[0].model, prefix, NULL) != 0)
        return must(strdup(""));
    grow(&sql, "SELECT datname FROM pg_database WHERE starts_with(datname, 'mtnt_template_%s') ORDER BY 1", prefix);
    names = ask_postgres(server_connection(), sql.text);
    free(sql.text);
    return names;
}

const char *fleet_templates(fleet *f)
{
    return keep(f, f->model_backend == MTNT_SQLITE ? template_files(f) : template_databases(f));
}

/* ---- dumps ---- */

static void dump_rows(growing *g, char *(*ask)(fleet *, size_t, const char *), fleet *f, size_t tenant,
                      const char *names, bool without_ours)
{
    char *copy = must(strdup(names)), *rest = copy, *name;

    while ((name = strtok_r(rest, ";", &rest)) != NULL) {
        growing sql = {0};
        char *rows;

        if (without_ours && (strstr(name, "mtnt_") != NULL || strcmp(name, "sqlite_sequence") == 0))
            continue;
        grow(&sql, "SELECT * FROM %s AS whole ORDER BY 1, 2", name);
        rows = ask(f, tenant, sql.text);
        if (rows[0] == '!') { /* a table of one column */
            free(rows);
            free(sql.text);
            sql = (growing){0};
            grow(&sql, "SELECT * FROM %s AS whole ORDER BY 1", name);
            rows = ask(f, tenant, sql.text);
        }
        grow(g, "%s: %s\n", name, rows);
        free(rows);
        free(sql.text);
    }
    free(copy);
}

static char *ask_controller_as(fleet *f, size_t tenant, const char *sql)
{
    (void)tenant;
    return ask_controller(f, sql);
}

static const char *definitions_sql(mtnt_backend backend)
{
    return backend == MTNT_SQLITE
               ? "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
               : "SELECT c.relkind, c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull "
                 "FROM pg_class AS c LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 "
                 "WHERE c.relnamespace = current_schema()::regnamespace ORDER BY c.relname COLLATE \"C\", a.attnum";
}

static const char *names_sql(mtnt_backend backend)
{
    return backend == MTNT_SQLITE
               ? "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
               : "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace "
                 "ORDER BY relname COLLATE \"C\"";
}

static char *dump(char *(*ask)(fleet *, size_t, const char *), fleet *f, size_t tenant, mtnt_backend backend,
                  bool without_ours)
{
    char *definitions = ask(f, tenant, definitions_sql(backend)), *names = ask(f, tenant, names_sql(backend));
    growing g = {0};

    grow(&g, "%s\n", definitions);
    dump_rows(&g, ask, f, tenant, names, without_ours);
    free(definitions);
    free(names);
    return g.text;
}

char *fleet_dump_model(fleet *f, size_t tenant)
{
    if (!fleet_model_exists(f, tenant))
        return must(strdup("nothing"));
    return dump(ask_model, f, tenant, f->model_backend, false);
}

char *fleet_dump_controller(fleet *f)
{
    return dump(ask_controller_as, f, 0, f->controller_backend, true);
}

/* ---- the log ---- */

void fleet_note(fleet *f, const char *tenant, const char *format, ...)
{
    va_list arguments;
    growing g;
    char text[500];

    if (f->quiet)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&f->mutex);
    g = (growing){f->log, f->log_length};
    grow(&g, "%s: %s\n", tenant, text);
    f->log = g.text;
    f->log_length = g.length;
    pthread_mutex_unlock(&f->mutex);
}

const char *fleet_log(fleet *f, const char *tenant)
{
    char *copy, *rest, *line;
    growing g = {0};

    pthread_mutex_lock(&f->mutex);
    copy = must(strdup(f->log == NULL ? "" : f->log));
    pthread_mutex_unlock(&f->mutex);
    grow(&g, "%s", "");
    rest = copy;
    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        size_t skip = tenant == NULL ? 0 : strlen(tenant);

        if (tenant == NULL)
            grow(&g, "%s%s", g.length > 0 ? ", " : "", line);
        else if (strncmp(line, tenant, skip) == 0 && line[skip] == ':')
            grow(&g, "%s%s", g.length > 0 ? ", " : "", line + skip + 2);
    }
    free(copy);
    return keep(f, g.text);
}

void fleet_log_clear(fleet *f)
{
    pthread_mutex_lock(&f->mutex);
    free(f->log);
    f->log = NULL;
    f->log_length = 0;
    pthread_mutex_unlock(&f->mutex);
}

/* ---- operations ---- */

static bool fails(const struct fleet_body *b, const char *tenant, const char *phase)
{
    return b->how.fail_at != NULL && strstr(b->how.fail_at, phase) != NULL &&
           (b->how.fail_for == NULL || strcmp(b->how.fail_for, tenant) == 0);
}

static int note_call(mtnt_operation *operation, mtnt_scope *scope, const char *phase, mtnt_error *err)
{
    const struct fleet_body *b = mtnt_operation_config(operation);
    const char *tenant = mtnt_model_id(mtnt_scope_tenant(scope));

    fleet_note(b->f, tenant, "%s %s", phase, mtnt_operation_name(operation));
    return fails(b, tenant, phase) ? mtnt_error_set(err, MTNT_E_OPERATION, "boom") : 0;
}

static int run_sql(mtnt_db *db, const char *sql, mtnt_error *err)
{
    const mtnt_script script = {.sql = sql};

    return sql[0] == '\0' ? 0 : mtnt_db_script(db, &script, err);
}

static int write_model(const struct fleet_body *b, mtnt_operation *operation, mtnt_scope *scope, bool up,
                       mtnt_error *err)
{
    const char *own = up ? b->how.model_up : b->how.model_down;
    char sql[300];

    if ((b->writes & mtnt_context_writes(scope) & MTNT_WRITES_MODEL) == 0)
        return 0;
    snprintf(sql, sizeof(sql),
             up                                                   ? "CREATE TABLE \"%s\" (a INTEGER)"
             : mtnt_context_progress(scope) == MTNT_PROGRESS_DONE ? "DROP TABLE \"%s\""
                                                                  : "DROP TABLE IF EXISTS \"%s\"",
             mtnt_operation_name(operation));
    return run_sql(mtnt_scope_model(scope), own == NULL ? sql : own, err);
}

static int write_controller(const struct fleet_body *b, mtnt_operation *operation, mtnt_scope *scope, bool up,
                            mtnt_error *err)
{
    const char *own = up ? b->how.controller_up : b->how.controller_down;

    if ((b->writes & mtnt_context_writes(scope) & MTNT_WRITES_CONTROLLER) == 0)
        return 0;
    if (own != NULL)
        return run_sql(mtnt_scope_controller(scope), own, err);
    return mtnt_db_exec(mtnt_scope_controller(scope), err,
                        up ? "INSERT INTO notes (tenant, operation) VALUES ($1, $2)"
                           : "DELETE FROM notes WHERE tenant = $1 AND operation = $2",
                        MTNT_TEXT(mtnt_model_id(mtnt_scope_tenant(scope))), MTNT_TEXT(mtnt_operation_name(operation)));
}

static int probe_setup(mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err)
{
    return note_call(operation, scope, "setup", err);
}

static int probe_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const struct fleet_body *b = mtnt_operation_config(operation);
    bool created;
    int rc = 0;

    (void)model;
    if ((b->how.flags & MTNT_OPERATION_CREATES_MODEL) != 0)
        rc = mtnt_scope_create_model(context, &created, err);
    if (rc == 0)
        rc = write_model(b, operation, context, true, err);
    if (rc == 0)
        rc = write_controller(b, operation, context, true, err);
    if (rc == 0)
        rc = note_call(operation, context, "execute", err);
    else
        note_call(operation, context, "execute", NULL);
    if (rc == 0 && b->how.during != NULL)
        rc = b->how.during(b->f, operation, context, err);
    return rc;
}

static int probe_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const struct fleet_body *b = mtnt_operation_config(operation);
    int rc = note_call(operation, context, "rollback", err);

    (void)model;
    if (rc == 0 && b->how.during_rollback != NULL)
        rc = b->how.during_rollback(b->f, operation, context, err);
    if (rc == 0 && (b->how.flags & MTNT_OPERATION_CREATES_MODEL) != 0)
        return mtnt_scope_delete_model(context, err);
    if (rc == 0 && (b->how.flags & MTNT_OPERATION_EXTERNAL) == 0)
        rc = write_model(b, operation, context, false, err);
    if (rc == 0 && (b->how.flags & MTNT_OPERATION_EXTERNAL) == 0)
        rc = write_controller(b, operation, context, false, err);
    return rc;
}

static int probe_verify(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const struct fleet_body *b = mtnt_operation_config(operation);

    (void)model;
    return fails(b, mtnt_model_id(mtnt_scope_tenant(context)), "verify") ? note_call(operation, context, "verify", err)
                                                                         : 0;
}

static const mtnt_operation_class probe = {
    MTNT_OPERATION_CLASS_INIT, .name = "probe",          .writes = MTNT_WRITES_MODEL,
    .setup = probe_setup,      .execute = probe_execute, .rollback = probe_rollback,
    .verify = probe_verify,
};
static const mtnt_operation_class probe_without_down = {
    MTNT_OPERATION_CLASS_INIT, .name = "probe",          .writes = MTNT_WRITES_MODEL,
    .setup = probe_setup,      .execute = probe_execute, .verify = probe_verify,
};

void fleet_add_body(fleet *f, const char *name, uint32_t writes, body how)
{
    struct fleet_body *b = must(calloc(1, sizeof(*b)));
    mtnt_entry entry = MTNT_ENTRY_INIT;

    *b = (struct fleet_body){f->bodies, f, how, writes};
    f->bodies = b;
    entry.name = name;
    entry.order = how.order;
    entry.config = b;
    entry.checksum = how.checksum;
    entry.lane = how.lane;
    entry.disabled = how.disabled;
    entry.writes = writes;
    entry.writes_set = true;
    entry.flags = how.flags;
    if (mtnt_chain_add_entry(f->chain, how.no_down ? &probe_without_down : &probe, &entry, &f->err) != 0)
        fail_msg("%s", f->err.message);
}

void fleet_add(fleet *f, const char *name, uint32_t writes)
{
    fleet_add_body(f, name, writes, (body){0});
}

void fleet_new_chain(fleet *f)
{
    mtnt_coordinator_free(f->coordinator);
    f->coordinator = NULL;
    mtnt_chain_free(f->chain);
    f->chain = NULL;
    assert_int_equal(mtnt_chain_new(&f->chain, "shop", &f->err), 0);
}

/* ---- a fleet ---- */

static void place_tenant(fleet *f, size_t index)
{
    struct fleet_tenant *t = f->tenants + index;
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;

    snprintf(t->id, sizeof(t->id), "t%u", (unsigned)index % 100 + 1);
    if (f->model_backend == MTNT_SQLITE) {
        snprintf(t->dsn, sizeof(t->dsn), "sqlite:%s/%s.db",
                 fleet_settings.models_in == NULL ? f->folder : fleet_settings.models_in, t->id);
    } else {
        if (f->which == PAIR_SCHEMA)
            controller_database(t->database, sizeof(t->database));
        else if (f->which == PAIR_OTHER_SCHEMA)
            snprintf(t->database, sizeof(t->database), "mtnt_test_%d_models", (int)getpid());
        else
            snprintf(t->database, sizeof(t->database), "mtnt_test_%d_%s", (int)getpid(), t->id);
        if (pairs[f->which].schema)
            snprintf(t->schema, sizeof(t->schema), "shop_%s", t->id);
        postgres_dsn(t->dsn, sizeof(t->dsn), t->database);
    }
    options.id = t->id;
    options.dsn = t->dsn;
    options.schema = t->schema[0] == '\0' ? NULL : t->schema;
    if (mtnt_model_new(&t->model, &options, &f->err) != 0)
        fail_msg("%s", f->err.message);
}

static const char precious[] = "CREATE TABLE precious (a INTEGER); INSERT INTO precious VALUES (1), (2)";

void fleet_make_model(fleet *f, size_t tenant)
{
    struct fleet_tenant *t = f->tenants + tenant;
    PGconn *connection;

    if (f->model_backend == MTNT_SQLITE) {
        make_sqlite(path_of(t->dsn), precious);
        return;
    }
    connection = use_database(t->database)->connection;
    if (t->schema[0] != '\0')
        must_postgres(connection, "CREATE SCHEMA %s; SET search_path = %s; %s; RESET search_path", t->schema, t->schema,
                      precious);
    else
        must_postgres(connection, "%s", precious);
}

bool fleet_model_exists(fleet *f, size_t tenant)
{
    struct fleet_tenant *t = f->tenants + tenant;
    char sql[200], *answer;
    bool exists;

    if (f->model_backend == MTNT_SQLITE)
        return access(path_of(t->dsn), F_OK) == 0;
    if (t->schema[0] == '\0')
        return database_exists(t->database);
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'", t->schema);
    answer = ask_postgres(use_database(t->database)->connection, sql);
    exists = strcmp(answer, "1") == 0;
    free(answer);
    return exists;
}

static void remove_file_and_siblings(const char *path)
{
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};
    char name[600];

    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        snprintf(name, sizeof(name), "%s%s", path, endings[i]);
        unlink(name);
    }
}

void fleet_remove_model(fleet *f, size_t tenant)
{
    struct fleet_tenant *t = f->tenants + tenant;

    if (f->model_backend == MTNT_SQLITE)
        remove_file_and_siblings(path_of(t->dsn));
    else if (t->schema[0] != '\0')
        must_postgres(use_database(t->database)->connection, "DROP SCHEMA %s CASCADE", t->schema);
    else
        forget_database(t->database);
}

static const char notes[] = "CREATE TABLE notes (tenant TEXT, operation TEXT)";

static int open_controller(fleet *f)
{
    mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;

    options.lock_timeout_ms = fleet_settings.lock_timeout_ms;
    return mtnt_controller_open(&f->controller, f->controller_dsn, &options, &f->err);
}

static void make_controller(fleet *f)
{
    char name[64];

    if (f->controller_backend == MTNT_SQLITE) {
        snprintf(f->controller_dsn, sizeof(f->controller_dsn), "sqlite:%s/controller.db",
                 fleet_settings.controller_in == NULL ? f->folder : fleet_settings.controller_in);
        make_sqlite(path_of(f->controller_dsn), notes);
    } else {
        postgres_dsn(f->controller_dsn, sizeof(f->controller_dsn), controller_database(name, sizeof(name)));
        must_postgres(use_database(name)->connection, "%s", notes);
    }
    if (open_controller(f) != 0)
        fail_msg("%s", f->err.message);
}

fleet *fleet_new(pair which, size_t count, bool with_models)
{
    fleet *f = must(calloc(1, sizeof(*f)));
    const char *where = getenv("TMPDIR");

    f->which = which;
    f->controller_backend = pairs[which].controller;
    f->model_backend = pairs[which].model;
    f->count = count;
    assert_true(count <= FLEET_TENANTS);
    assert_int_equal(pthread_mutex_init(&f->mutex, NULL), 0);
    snprintf(f->folder, sizeof(f->folder), "%s/mtnt-fleet-XXXXXX",
             where != NULL && strlen(where) < 80 ? where : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    make_controller(f);
    for (size_t i = 0; i < count; i++) {
        place_tenant(f, i);
        if (with_models)
            fleet_make_model(f, i);
        else if (which == PAIR_OTHER_SCHEMA)
            use_database(f->tenants[i].database);
        else if (which == PAIR_POSTGRES || which == PAIR_SQLITE_POSTGRES)
            forget_database(f->tenants[i].database);
    }
    fleet_new_chain(f);
    return f;
}

void fleet_close(fleet *f)
{
    mtnt_coordinator_free(f->coordinator);
    f->coordinator = NULL;
    mtnt_controller_close(f->controller);
    f->controller = NULL;
}

void fleet_reopen(fleet *f)
{
    fleet_close(f);
    if (open_controller(f) != 0)
        fail_msg("%s", f->err.message);
}

static bool is_ours(const char *pid)
{
    for (struct database *d = databases; d < databases + DATABASES; d++)
        if (d->connection != NULL && atoi(pid) == PQbackendPID(d->connection))
            return true;
    return false;
}

/* Sessions of a process that was killed end when the server comes to read from it. */
static void wait_for_strangers(void)
{
    for (int tries = 0; maintenance != NULL && tries < 1000; tries++) {
        char sql[300], *pids, *rest, *pid;
        bool found = false;

        snprintf(
            sql, sizeof(sql),
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND "
            "datname LIKE 'mtnt\\_test\\_%d\\_%%'",
            (int)getpid());
        rest = pids = ask_postgres(maintenance, sql);
        while ((pid = strtok_r(rest, ";", &rest)) != NULL)
            found = found || !is_ours(pid);
        free(pids);
        if (!found)
            return;
        usleep(5000);
    }
}

static pid_t begin_process(fleet *f, void (*run)(fleet *f), bool opened)
{
    pid_t child = fork();

    if (child == 0) {
        memset(databases, 0, sizeof(databases));
        maintenance = NULL;
        if (opened && open_controller(f) != 0)
            _exit(99);
        run(f);
        _exit(0);
    }
    assert_true(child > 0);
    return child;
}

pid_t fleet_begin_child(fleet *f, void (*run)(fleet *f))
{
    /* No handle may be open in both. */
    fleet_close(f);
    return begin_process(f, run, true);
}

int fleet_in_process(fleet *f, void (*run)(fleet *f))
{
    pid_t child = begin_process(f, run, false);
    int status = -1;

    assert_int_equal(waitpid(child, &status, 0), child);
    wait_for_strangers();
    return status;
}

int fleet_end_child(fleet *f, pid_t child)
{
    int status = -1;

    assert_int_equal(waitpid(child, &status, 0), child);
    if (f->controller != NULL)
        return status;
    wait_for_strangers();
    if (open_controller(f) != 0)
        fail_msg("%s", f->err.message);
    return status;
}

int fleet_in_child(fleet *f, void (*run)(fleet *f))
{
    return fleet_end_child(f, fleet_begin_child(f, run));
}

/* Only what is in the folder that we made, and no folder in it. */
static void remove_folder(const char *path)
{
    DIR *folder;
    struct dirent *entry;

    assert_non_null(strstr(path, "/mtnt-fleet-"));
    folder = opendir(path);
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    rmdir(path);
}

int fleet_tombstones(fleet *f)
{
    char *names = ask_controller(f, "SELECT tombstone FROM mtnt_removal"), *rest = names, *name;
    char sql[200];
    int count = 0;

    while ((name = strtok_r(rest, ";", &rest)) != NULL) {
        char *answer = NULL;

        if (f->model_backend == MTNT_SQLITE) {
            count += access(name, F_OK) == 0;
            continue;
        }
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s = '%.70s'",
                 f->tenants[0].schema[0] == '\0' ? "pg_database WHERE datname" : "pg_namespace WHERE nspname", name);
        answer = ask_postgres(f->tenants[0].schema[0] == '\0' ? server_connection()
                                                              : use_database(f->tenants[0].database)->connection,
                              sql);
        count += atoi(answer);
        free(answer);
    }
    free(names);
    return count;
}

static void drop_provisional(fleet *f)
{
    char *ours, *rest, *name;

    if (f->model_backend == MTNT_SQLITE)
        return;
    ours = ask_controller(f, "SELECT migration FROM mtnt_migration");
    rest = ours;
    while ((name = strtok_r(rest, ";", &rest)) != NULL)
        must_postgres(server_connection(), "DROP DATABASE IF EXISTS mtnt_new_%s", name);
    free(ours);
    ours = ask_controller(f, "SELECT migration FROM mtnt_removal WHERE removed_ms IS NULL");
    rest = ours;
    while ((name = strtok_r(rest, ";", &rest)) != NULL && name[0] != '!')
        must_postgres(server_connection(), "DROP DATABASE IF EXISTS mtnt_gone_%s WITH (FORCE)", name);
    free(ours);
    ours = template_databases(f);
    rest = ours;
    while ((name = strtok_r(rest, ";", &rest)) != NULL)
        must_postgres(server_connection(), "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    free(ours);
}

void fleet_free(fleet *f)
{
    if (f == NULL)
        return;
    mtnt_coordinator_free(f->coordinator);
    drop_provisional(f);
    mtnt_controller_close(f->controller);
    mtnt_chain_free(f->chain);
    for (size_t i = 0; i < f->count; i++) {
        mtnt_model_free(f->tenants[i].model);
        /* One that the library has made may not be what we made for an earlier test. */
        if (f->model_backend == MTNT_POSTGRES && f->tenants[i].schema[0] == '\0' && !fleet_model_exists(f, i))
            forget_database(f->tenants[i].database);
        else if (f->model_backend == MTNT_POSTGRES)
            use_database(f->tenants[i].database);
    }
    empty_databases();
    remove_folder(f->folder);
    while (f->bodies != NULL) {
        struct fleet_body *next = f->bodies->next;

        free(f->bodies);
        f->bodies = next;
    }
    for (size_t i = 0; i < sizeof(f->answers) / sizeof(*f->answers); i++)
        free(f->answers[i]);
    free(f->log);
    pthread_mutex_destroy(&f->mutex);
    free(f);
}

static int with_coordinator(fleet *f, size_t tenant, const mtnt_migration_options *options,
                            int (*call)(mtnt_coordinator *, mtnt_error *))
{
    int rc;

    mtnt_coordinator_free(f->coordinator);
    f->coordinator = NULL;
    mtnt_error_clear(&f->err);
    if (f->model_backend == MTNT_POSTGRES)
        let_go(f->tenants[tenant].database);
    rc = mtnt_coordinator_new(&f->coordinator, f->controller, f->tenants[tenant].model, f->chain, options, &f->err);
    if (rc != 0)
        return rc;
    rc = call(f->coordinator, &f->err);
    mtnt_coordinator_outcome(f->coordinator, &f->outcome);
    assert_int_equal(rc, f->err.code);
    return rc;
}

int fleet_perform(fleet *f, size_t tenant, const mtnt_migration_options *options)
{
    return with_coordinator(f, tenant, options, mtnt_coordinator_perform);
}

int fleet_rewind(fleet *f, size_t tenant, const mtnt_migration_options *options)
{
    return with_coordinator(f, tenant, options, mtnt_coordinator_rewind);
}

int fleet_baseline(fleet *f, size_t tenant, const mtnt_migration_options *options)
{
    return with_coordinator(f, tenant, options, mtnt_coordinator_baseline);
}

int fleet_recover(fleet *f, size_t tenant)
{
    return with_coordinator(f, tenant, NULL, mtnt_coordinator_recover);
}

void fleet_must_perform(fleet *f, size_t tenant)
{
    assert_code(f, fleet_perform(f, tenant, NULL), 0);
}

void fleet_must_rewind(fleet *f, size_t tenant)
{
    assert_code(f, fleet_rewind(f, tenant, NULL), 0);
}

static int next_tenant(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    struct fleet_tenant *t;
    fleet *f = data;

    *ret_model = NULL;
    if (f->counter >= (int64_t)f->count)
        return 0;
    t = f->tenants + f->counter++;
    options.id = t->id;
    options.dsn = t->dsn;
    options.schema = t->schema[0] == '\0' ? NULL : t->schema;
    return mtnt_model_new(ret_model, &options, err);
}

static int64_t count_tenants(void *data)
{
    return (int64_t)((fleet *)data)->count;
}

mtnt_tenant_source fleet_source(fleet *f)
{
    f->counter = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->model_backend == MTNT_POSTGRES)
            let_go(f->tenants[i].database);
    return (mtnt_tenant_source){next_tenant, count_tenants, NULL, f};
}

/* ---- tests over pairs ---- */

struct case_of {
    pair_test test;
    void (*run_bare)(pair which);
    pair which;
    fleet *f;
};

struct cases {
    struct CMUnitTest *units;
    struct case_of *items;
    size_t count;
};

static int set_up(void **state)
{
    struct case_of *c = *state;

    empty_databases(); /* of a test that ended halfway */
    if (c->run_bare == NULL)
        c->f = fleet_new(c->which, c->test.tenants == 0 ? 1 : c->test.tenants, !c->test.without_models);
    return 0;
}

static void run_case(void **state)
{
    struct case_of *c = *state;

    if (c->run_bare != NULL)
        c->run_bare(c->which);
    else
        c->test.run(c->f);
}

static int tear_down(void **state)
{
    struct case_of *c = *state;

    fleet_free(c->f);
    c->f = NULL;
    return 0;
}

static void add_cases(struct cases *cases, const pair_test *test, void (*run_bare)(pair which))
{
    for (pair which = 0; which < PAIR_COUNT; which++) {
        growing name = {0};

        if ((test->pairs & ON(which)) == 0)
            continue;
        grow(&name, "%s[%s]", test->name, pair_name(which));
        cases->items[cases->count] = (struct case_of){*test, run_bare, which, NULL};
        cases->units[cases->count] =
            (struct CMUnitTest){name.text, run_case, set_up, tear_down, cases->items + cases->count};
        cases->count++;
    }
}

static struct cases new_cases(size_t count)
{
    return (struct cases){must(calloc(count * PAIR_COUNT, sizeof(struct CMUnitTest))),
                          must(calloc(count * PAIR_COUNT, sizeof(struct case_of))), 0};
}

static int run_cases(const char *group, struct cases *cases)
{
    int failed;

    if (getenv("MTNT_TEST_FILTER") != NULL)
        cmocka_set_test_filter(getenv("MTNT_TEST_FILTER"));
    failed = _cmocka_run_group_tests(group, cases->units, cases->count, NULL, drop_databases);
    for (size_t i = 0; i < cases->count; i++)
        free((char *)(uintptr_t)cases->units[i].name);
    free(cases->units);
    free(cases->items);
    return failed;
}

int run_pair_tests(const char *group, const pair_test *tests, size_t count)
{
    struct cases cases = new_cases(count);

    for (size_t i = 0; i < count; i++)
        add_cases(&cases, tests + i, NULL);
    return run_cases(group, &cases);
}

int run_bare_tests(const char *group, const bare_test *tests, size_t count)
{
    struct cases cases = new_cases(count);

    for (size_t i = 0; i < count; i++) {
        const pair_test test = {tests[i].name, NULL, tests[i].pairs, 0, false};

        add_cases(&cases, &test, tests[i].run);
    }
    return run_cases(group, &cases);
}

void assert_says(const char *found, const char *words)
{
    if (strstr(found, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", found, words);
}
