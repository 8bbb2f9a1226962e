/* PostgreSQL tenants, a database each, or a schema of one database each: mtnt-model against a bare loop on libpq that does the same on the same number of threads. */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "schemas.h"

struct fleet {
    const bench_options *options;
    const char
        *prefix; /* databases are <prefix>_<number>; or the database is <prefix>, and schemas are tenant_<number> */
};

static PGconn *open_database(const bench_options *options, const char *database)
{
    char conninfo[1024];
    PGconn *connection;

    /* A dbname behind the first one wins. */
    snprintf(conninfo, sizeof(conninfo), "%s dbname=%s options='-c client_min_messages=warning'", options->server,
             database);
    connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK)
        bench_die("%s: %s", database, PQerrorMessage(connection));
    return connection;
}

static void run(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("%s: %s", sql, PQerrorMessage(connection));
    PQclear(result);
}

/* What a thread keeps from one schema to the next. */
struct kept {
    PGconn *connection;
    char *records;
};

static pthread_key_t kept_key;

static void let_go(void *data)
{
    struct kept *kept = data;

    PQfinish(kept->connection);
    free(kept->records);
    free(kept);
}

static struct kept *kept_by_thread(void)
{
    struct kept *kept = pthread_getspecific(kept_key);

    if (kept == NULL) {
        kept = calloc(1, sizeof(*kept));
        if (kept == NULL || pthread_setspecific(kept_key, kept) != 0)
            bench_die("out of memory");
    }
    return kept;
}

/* Schemas share what a thread has connected to; it stays open until the database is dropped. */
static PGconn *open_schema(const struct fleet *fleet, int tenant)
{
    struct kept *kept = kept_by_thread();
    char sql[128];

    if (kept->connection == NULL || strcmp(PQdb(kept->connection), fleet->prefix) != 0 ||
        PQstatus(kept->connection) != CONNECTION_OK) {
        PQfinish(kept->connection);
        kept->connection = open_database(fleet->options, fleet->prefix);
    }
    snprintf(sql, sizeof(sql), "SET search_path TO tenant_%06d", tenant);
    run(kept->connection, sql);
    return kept->connection;
}

static void close_model(const struct fleet *fleet, PGconn *connection)
{
    if (!fleet->options->schemas)
        PQfinish(connection);
}

static PGconn *open_model(const struct fleet *fleet, int tenant)
{
    char name[128];

    if (fleet->options->schemas)
        return open_schema(fleet, tenant);
    snprintf(name, sizeof(name), "%s_%06d", fleet->prefix, tenant);
    return open_database(fleet->options, name);
}

/* ---- a fleet: databases from one template, and the files of the command ---- */

static void drop_fleet(const struct fleet *fleet)
{
    PGconn *connection = open_database(fleet->options, "postgres");
    int i;

    if (fleet->options->schemas)
        run(connection, bench_text("DROP DATABASE IF EXISTS %s WITH (FORCE)", fleet->prefix));
    for (i = 0; i < fleet->options->tenants && !fleet->options->schemas; i++) {
        char sql[256];

        snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s_%06d", fleet->prefix, i);
        run(connection, sql);
    }
    PQfinish(connection);
}

/* Both kinds of fleet may be on one server. */
static const char *own_name(const bench_options *options)
{
    return options->schemas ? "bench_schemas" : "bench";
}

static void make_template(const bench_options *options)
{
    PGconn *connection = open_database(options, "postgres");

    run(connection, bench_text("DROP DATABASE IF EXISTS %s_template", own_name(options)));
    run(connection, bench_text("CREATE DATABASE %s_template", own_name(options)));
    PQfinish(connection);
    connection = open_database(options, bench_text("%s_template", own_name(options)));
    run(connection, "CREATE TABLE account(name TEXT); INSERT INTO account VALUES ('there before')");
    PQfinish(connection);
}

static void new_controller(const bench_options *options)
{
    PGconn *connection = open_database(options, "postgres");

    run(connection, bench_text("DROP DATABASE IF EXISTS %s_controller", own_name(options)));
    run(connection, bench_text("CREATE DATABASE %s_controller", own_name(options)));
    PQfinish(connection);
}

static void drop_template(const bench_options *options)
{
    PGconn *connection = open_database(options, "postgres");

    run(connection, bench_text("DROP DATABASE IF EXISTS %s_template", own_name(options)));
    run(connection, bench_text("DROP DATABASE IF EXISTS %s_controller", own_name(options)));
    PQfinish(connection);
}

static void make_schemas(const struct fleet *fleet)
{
    PGconn *connection = open_database(fleet->options, "postgres");
    int i;

    run(connection, bench_text("CREATE DATABASE %s", fleet->prefix));
    PQfinish(connection);
    connection = open_database(fleet->options, fleet->prefix);
    for (i = 0; i < fleet->options->tenants; i++) {
        char sql[256];

        snprintf(sql, sizeof(sql),
                 "CREATE SCHEMA tenant_%06d CREATE TABLE account(name TEXT); "
                 "INSERT INTO tenant_%06d.account VALUES ('there before')",
                 i, i);
        run(connection, sql);
    }
    run(connection, "CHECKPOINT");
    PQfinish(connection);
}

static void make_fleet(const struct fleet *fleet)
{
    PGconn *connection;
    int i;

    drop_fleet(fleet); /* of a benchmark that was stopped */
    if (fleet->options->schemas) {
        make_schemas(fleet);
        return;
    }
    connection = open_database(fleet->options, "postgres");
    for (i = 0; i < fleet->options->tenants; i++) {
        char sql[256];

        snprintf(sql, sizeof(sql), "CREATE DATABASE %s_%06d TEMPLATE bench_template", fleet->prefix, i);
        run(connection, sql);
    }
    run(connection, "CHECKPOINT");
    PQfinish(connection);
}

static void write_files(const struct fleet *fleet, const char *folder)
{
    const char *query = bench_server_query(fleet->options->server), *controller = fleet->options->controller;
    size_t length = 0;
    char *tenants = NULL;
    FILE *list = open_memstream(&tenants, &length);
    int i;

    bench_make_folder(folder);
    fputs("tenants:\n", list);
    for (i = 0; i < fleet->options->tenants; i++)
        if (fleet->options->schemas)
            fprintf(list, "  - {id: tenant-%06d, model: \"postgresql:///%s%s\", schema: tenant_%06d}\n", i,
                    fleet->prefix, query, i);
        else
            fprintf(list, "  - {id: tenant-%06d, model: \"postgresql:///%s_%06d%s\"}\n", i, fleet->prefix, i, query);
    fclose(list);
    if (controller == NULL)
        controller = bench_text("postgresql:///%s_controller%s", own_name(fleet->options), query);
    bench_write_project(fleet->options, folder, controller, tenants);
    free(tenants);
}

/* ---- the bare loop ---- */

struct loop {
    const struct fleet *fleet;
    const char *records; /* NULL = the operations alone */
};

/* Of a schema: its name is in them. */
static const char *records_of(int tenant)
{
    struct kept *kept = kept_by_thread();
    char schema[64];

    free(kept->records);
    snprintf(schema, sizeof(schema), "tenant_%06d", tenant);
    kept->records = (char *)bench_records(mtnt__sql_model_postgres_0001_initial, schema);
    return kept->records;
}

static void perform_bare(void *data, int index)
{
    const struct loop *loop = data;
    PGconn *connection = open_model(loop->fleet, index);
    int i;

    run(connection, "BEGIN");
    for (i = 0; i < BENCH_OPERATIONS; i++)
        run(connection, bench_operations[i]);
    if (loop->records != NULL)
        run(connection, loop->fleet->options->schemas ? records_of(index) : loop->records);
    run(connection, "COMMIT");
    close_model(loop->fleet, connection);
}

static double bare_loop(const struct fleet *fleet, bool records)
{
    struct loop loop = {fleet, records ? bench_records(mtnt__sql_model_postgres_0001_initial, "public") : NULL};
    double begun = bench_now();

    bench_parallel(fleet->options->workers, fleet->options->tenants, perform_bare, &loop);
    free((char *)loop.records);
    return bench_now() - begun;
}

/* ---- the same end? ---- */

static void add_rows(PGconn *connection, const char *sql, FILE *text)
{
    PGresult *result = PQexec(connection, sql);
    int row, column;

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("%s: %s", sql, PQerrorMessage(connection));
    for (row = 0; row < PQntuples(result); row++) {
        for (column = 0; column < PQnfields(result); column++)
            fprintf(text, "%s|", PQgetvalue(result, row, column));
        fputc('\n', text);
    }
    PQclear(result);
}

/* Columns, indexes, constraints and row counts, without the tables of mtnt-model's own. */
static char *end_state(const struct fleet *fleet, int tenant)
{
    PGconn *connection = open_model(fleet, tenant);
    char *state = NULL;
    size_t length = 0;
    FILE *text = open_memstream(&state, &length);
    int i;

    add_rows(connection,
             "SELECT table_name, column_name, data_type, is_nullable, column_default "
             "FROM information_schema.columns WHERE table_schema = current_schema() "
             "AND table_name NOT LIKE 'mtnt\\_%' ORDER BY 1, ordinal_position",
             text);
    add_rows(connection,
             "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename NOT LIKE 'mtnt\\_%' "
             "ORDER BY 1",
             text);
    add_rows(connection, "SELECT * FROM account", text);
    for (i = 0; i < BENCH_TABLES; i++) {
        char sql[128];

        snprintf(sql, sizeof(sql), "SELECT '%s', count(*), sum(id) FROM %s", bench_tables[i], bench_tables[i]);
        add_rows(connection, sql, text);
    }
    close_model(fleet, connection);
    fclose(text);
    return state;
}

static void check_equal(const struct fleet *bare, const struct fleet *mtnt)
{
    int i;

    for (i = 0; i < bare->options->tenants; i++) {
        char *expected = end_state(bare, i), *found = end_state(mtnt, i);

        if (strcmp(expected, found) != 0)
            bench_die("tenant %d differs:\n%s\n---\n%s", i, expected, found);
        free(expected);
        free(found);
    }
}

static struct fleet fleet_of(const bench_options *options, bench_contender contender)
{
    static const char *const suffixes[BENCH_CONTENDERS] = {"bare", "records", "mtnt"};

    return (struct fleet){options, bench_text("%s_%s", own_name(options), suffixes[contender])};
}

static bench_cost run_contender(const bench_options *options, bench_contender contender)
{
    struct fleet fleet = fleet_of(options, contender);
    const char *folder = bench_text("%s/mtnt", options->folder);
    bench_cost cost = {0};

    make_fleet(&fleet);
    if (contender == BENCH_MTNT) {
        new_controller(options);
        write_files(&fleet, folder);
        cost = bench_migrate(options, folder);
        bench_remove_folder(folder);
        return cost;
    }
    cost.cpu_s = -bench_cpu();
    cost.wall_s = bare_loop(&fleet, contender == BENCH_RECORDS);
    cost.cpu_s += bench_cpu();
    return cost;
}

static void check(const bench_options *options)
{
    struct fleet records = fleet_of(options, BENCH_RECORDS), mtnt = fleet_of(options, BENCH_MTNT);

    check_equal(&records, &mtnt);
}

static void clear(const bench_options *options, bench_contender contender)
{
    struct fleet fleet = fleet_of(options, contender);

    drop_fleet(&fleet);
}

int main(int argc, char **argv)
{
    bench_options options = {.tenants = 100, .workers = 8, .rounds = 5};
    bench_race race = {.name = "postgres",
                       .unit = "databases",
                       .target = 0.9,
                       .trial = 50, /* to make and drop them takes longer than to migrate them */
                       .run = run_contender,
                       .check = check,
                       .clear = clear};

    bench_parse(&options, argc, argv);
    if (pthread_key_create(&kept_key, let_go) != 0)
        bench_die("no key to be had");
    if (options.server == NULL)
        bench_die("--server is needed");
    if (options.schemas) {
        race.unit = "schemas";
        race.trial = 500;
    }
    bench_make_folder(options.folder);
    make_template(&options);
    bench_race_run(&options, &race);
    drop_template(&options);
    bench_remove_folder(options.folder);
    return 0;
}
