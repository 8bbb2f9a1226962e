/* Chains that write controller and model, for every pair of them: the library against bare C on libpq and sqlite3 that does the least the protocol
 * asks for. Both run in this process on as many threads, and count what they ask of disk and server in the same way. */
#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "bench_pairs.h"
#include "mtnt/executor.h"

struct fleet fleet_of(const bench_options *options, const struct pair *pair, const char *name)
{
    struct fleet fleet = {.options = options, .pair = pair, .name = name};

    fleet.count = options->tenants;
    if (pair->model == MODEL_DATABASE && fleet.count > MOST_DATABASES)
        fleet.count = MOST_DATABASES;
    fleet.folder = bench_text("%s/%s", options->folder, name);
    fleet.server = options->server;
    return fleet;
}

/* ---- both engines ---- */

void run_sqlite(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        bench_die("%s: %s", sql, message);
}

sqlite3 *open_sqlite(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        bench_die("%s: %s", path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 60000);
    return db;
}

void run_postgres(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("%s: %s", sql, PQerrorMessage(connection));
    PQclear(result);
}

PGconn *open_postgres(const struct fleet *fleet, const char *database)
{
    char conninfo[1024];
    PGconn *connection;

    snprintf(conninfo, sizeof(conninfo),
             "%s dbname=%s options='-c client_min_messages=warning -c synchronous_commit=on'", fleet->server, database);
    connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK)
        bench_die("%s: %s", database, PQerrorMessage(connection));
    return connection;
}

const char *controller_database(const struct fleet *fleet, char name[64])
{
    snprintf(name, 64, "bench_pairs_%s", fleet->name);
    return name;
}

const char *model_name(const struct fleet *fleet, int tenant, char name[512])
{
    if (fleet->pair->model == MODEL_DATABASE)
        snprintf(name, 512, "bench_pairs_%s_%06d", fleet->name, tenant);
    else if (fleet->pair->model == MODEL_SCHEMA)
        snprintf(name, 512, "t%06d", tenant);
    else
        snprintf(name, 512, "%s/tenants/tenant-%06d.db", fleet->folder, tenant);
    return name;
}

static long number_of(const PGresult *result)
{
    return strtol(PQgetvalue(result, 0, 0), NULL, 10);
}

/* ---- what is counted: calls of libpq, SQLite and the library that end in this program's, and the server's own syncs ---- */

static struct cost server_cost(const struct fleet *fleet)
{
    PGconn *connection = open_postgres(fleet, "postgres");
    PGresult *result;
    struct cost cost = {0};

    /* Sessions give what they have counted when they end, which is after their clients have gone. */
    for (;;) {
        result = PQexec(connection, "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'bench\\_pairs%'");
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            bench_die("%s", PQerrorMessage(connection));
        if (number_of(result) == 0)
            break;
        PQclear(result);
        usleep(10000);
    }
    PQclear(result);
    /* pg_stat_wal moved its syncs to pg_stat_io in version 18. */
    result = PQexec(connection, PQserverVersion(connection) >= 180000
                                    ? "SELECT coalesce(sum(fsyncs), 0)::bigint FROM pg_stat_io WHERE object = 'wal'"
                                    : "SELECT wal_sync FROM pg_stat_wal");
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("%s", PQerrorMessage(connection));
    cost.fsyncs = number_of(result);
    PQclear(result);
    PQfinish(connection);
    return cost;
}

static bool needs_server(const struct pair *pair)
{
    return pair->postgres_controller || pair->model == MODEL_DATABASE || pair->model == MODEL_SCHEMA;
}

static struct cost measure(const struct fleet *fleet, void (*contender)(const struct fleet *))
{
    struct cost server = {0}, before = count_calls(), after, cost;
    double begun;

    if (needs_server(fleet->pair)) {
        server = server_cost(fleet);
        before = count_calls();
    }
    begun = bench_now();
    contender(fleet);
    cost.seconds = bench_now() - begun;
    after = count_calls();
    cost.fsyncs = after.fsyncs - before.fsyncs;
    cost.messages = after.messages - before.messages;
    if (needs_server(fleet->pair))
        cost.fsyncs += server_cost(fleet).fsyncs - server.fsyncs;
    return cost;
}

/* ---- a fleet ---- */

static const char *controller_dsn(const struct fleet *fleet)
{
    char name[64];

    if (!fleet->pair->postgres_controller)
        return bench_text("sqlite:%s/controller.db", fleet->folder);
    return bench_text("postgresql:///%s%s", controller_database(fleet, name), bench_server_query(fleet->server));
}

static void check(int rc, const mtnt_error *err)
{
    if (rc != 0)
        bench_die("%s", err->message);
}

static void write_chain(const struct fleet *fleet)
{
    FILE *file = fopen(bench_text("%s/chain.yaml", fleet->folder), "we");
    int i;

    if (file == NULL)
        bench_die("%s/chain.yaml: %s", fleet->folder, strerror(errno));
    fputs("chain: bench\noperations:\n", file);
    if (fleet->pair->model == MODEL_NEW_FILE)
        fputs("  - {name: create, create_model: {template: \"CREATE TABLE account(name TEXT)\"}}\n", file);
    for (i = 0; i < PAIR_OPERATIONS; i++)
        fprintf(
            file,
            "  - name: operation_%d\n    sql:\n      model: {up: \"%s\"}\n      controller: {up: \"%s (:'tenant', %d)\"}\n",
            i, pair_operations[i], PAIR_DIRECTORY, i);
    if (fclose(file) != 0)
        bench_die("%s/chain.yaml: %s", fleet->folder, strerror(errno));
}

static void write_tenants(const struct fleet *fleet)
{
    FILE *file = fopen(bench_text("%s/tenants.yaml", fleet->folder), "we");
    char name[512];
    int i;

    if (file == NULL)
        bench_die("%s/tenants.yaml: %s", fleet->folder, strerror(errno));
    fputs("tenants:\n", file);
    for (i = 0; i < fleet->count; i++) {
        model_name(fleet, i, name);
        fprintf(file, "  - {id: tenant-%06d, model: \"", i);
        if (fleet->pair->model == MODEL_DATABASE)
            fprintf(file, "postgresql:///%s%s\"}\n", name, bench_server_query(fleet->server));
        else if (fleet->pair->model == MODEL_SCHEMA)
            fprintf(file, "%s\", schema: %s}\n", controller_dsn(fleet), name);
        else
            fprintf(file, "sqlite:%s\"}\n", name);
    }
    if (fclose(file) != 0)
        bench_die("%s/tenants.yaml: %s", fleet->folder, strerror(errno));
}

static void drop_databases(const struct fleet *fleet)
{
    PGconn *connection = open_postgres(fleet, "postgres");
    char name[512];
    int i;

    for (i = 0; i < fleet->count && fleet->pair->model == MODEL_DATABASE; i++)
        run_postgres(connection, bench_text("DROP DATABASE IF EXISTS %s", model_name(fleet, i, name)));
    run_postgres(connection, bench_text("DROP DATABASE IF EXISTS %s", controller_database(fleet, name)));
    PQfinish(connection);
}

static void make_models(const struct fleet *fleet, PGconn *connection)
{
    const char *account = "CREATE TABLE account(name TEXT)";
    char name[512], first[512];
    int i;

    for (i = 0; i < fleet->count; i++) {
        model_name(fleet, i, name);
        if (fleet->pair->model == MODEL_SCHEMA) {
            run_postgres(connection, bench_text("CREATE SCHEMA %s", name));
        } else if (fleet->pair->model == MODEL_DATABASE && i > 0) {
            run_postgres(connection, bench_text("CREATE DATABASE %s TEMPLATE %s", name, model_name(fleet, 0, first)));
        } else if (fleet->pair->model == MODEL_DATABASE) {
            PGconn *own;

            run_postgres(connection, bench_text("CREATE DATABASE %s", name));
            own = open_postgres(fleet, name);
            run_postgres(own, account);
            PQfinish(own);
        } else if (fleet->pair->model == MODEL_FILE) {
            sqlite3 *db = open_sqlite(name);

            run_sqlite(db, bench_text("PRAGMA synchronous = OFF; %s", account));
            sqlite3_close(db);
        }
    }
}

/* The controller's own tables are the library's, for both. */
static void make_fleet(const struct fleet *fleet)
{
    const mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;
    mtnt_controller *controller = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    PGconn *connection = NULL;
    char name[64];

    bench_make_folder(fleet->folder);
    bench_make_folder(bench_text("%s/tenants", fleet->folder));
    if (needs_server(fleet->pair)) {
        drop_databases(fleet);
        connection = open_postgres(fleet, "postgres");
        run_postgres(connection, bench_text("CREATE DATABASE %s", controller_database(fleet, name)));
        if (fleet->pair->model == MODEL_SCHEMA) {
            PQfinish(connection);
            connection = open_postgres(fleet, name);
        }
    }
    make_models(fleet, connection);
    check(mtnt_controller_open(&controller, controller_dsn(fleet), &options, &err), &err);
    check(
        mtnt_db_exec(mtnt_controller_db(controller), &err,
                     "CREATE TABLE directory(tenant TEXT NOT NULL, step INTEGER NOT NULL, PRIMARY KEY (tenant, step))"),
        &err);
    mtnt_controller_close(controller);
    write_chain(fleet);
    write_tenants(fleet);
    if (connection != NULL) {
        run_postgres(connection, "CHECKPOINT");
        PQfinish(connection);
    }
    bench_settle();
}

static void remove_fleet(const struct fleet *fleet)
{
    if (needs_server(fleet->pair))
        drop_databases(fleet);
    bench_remove_folder(fleet->folder);
}

/* ---- the library ---- */

static void migrate(const struct fleet *fleet)
{
    const mtnt_controller_options controller_options = MTNT_CONTROLLER_OPTIONS_INIT;
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = {0};
    mtnt_controller *controller = NULL;
    mtnt_executor *executor = NULL;
    mtnt_chain *chain = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_counts counts = {0};

    options.workers = fleet->options->workers;
    options.command = "migrate";
    check(mtnt_chain_new(&chain, "bench", &err), &err);
    check(mtnt_chain_load_yaml(chain, bench_text("%s/chain.yaml", fleet->folder), &err), &err);
    check(mtnt_controller_open(&controller, controller_dsn(fleet), &controller_options, &err), &err);
    check(mtnt_tenants_load(&source, bench_text("%s/tenants.yaml", fleet->folder), NULL, controller, &err), &err);
    check(mtnt_executor_new(&executor, controller, chain, &options, &err), &err);
    check(mtnt_executor_migrate(executor, &source, &counts, &err), &err);
    if (counts.migrated != fleet->count)
        bench_die("%s: %d of %d tenants were migrated", fleet->pair->name, (int)counts.migrated, fleet->count);
    mtnt_executor_free(executor);
    mtnt_tenant_source_close(&source);
    mtnt_controller_close(controller);
    mtnt_chain_free(chain);
}

/* ---- the same end? ---- */

/* Rows of one table, or -1; the names are made of what is safe in SQL. */
static long rows_in(const struct fleet *fleet, void *db, bool postgres, const char *from)
{
    char sql[256];
    long rows = -1;

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", from);
    if (postgres) {
        PGresult *result = PQexec(db, sql);

        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            bench_die("%s, %s: %s: %s", fleet->pair->name, fleet->name, sql, PQerrorMessage(db));
        rows = number_of(result);
        PQclear(result);
    } else {
        sqlite3_stmt *statement = NULL;

        if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
            bench_die("%s, %s: %s: %s", fleet->pair->name, fleet->name, sql, sqlite3_errmsg(db));
        rows = (long)sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
    }
    return rows;
}

static void expect_rows(const struct fleet *fleet, void *db, bool postgres, const char *from, long expected)
{
    long found = rows_in(fleet, db, postgres, from);

    if (found != expected)
        bench_die("%s, %s: %ld rows of %s instead of %ld", fleet->pair->name, fleet->name, found, from, expected);
}

static void check_controller(const struct fleet *fleet)
{
    bool postgres = fleet->pair->postgres_controller;
    long count = fleet->count, operations = PAIR_OPERATIONS + (fleet->pair->model == MODEL_NEW_FILE ? 1 : 0);
    char name[64];
    void *db = postgres ? (void *)open_postgres(fleet, controller_database(fleet, name))
                        : (void *)open_sqlite(bench_text("%s/controller.db", fleet->folder));

    expect_rows(fleet, db, postgres, "directory", count * PAIR_OPERATIONS);
    expect_rows(fleet, db, postgres, "mtnt_tenant WHERE state = 'idle' AND owner IS NULL AND version > 0", count);
    expect_rows(fleet, db, postgres, "mtnt_migration WHERE state = 'committed' AND finished_ms IS NOT NULL", count);
    expect_rows(fleet, db, postgres, "mtnt_operation WHERE status = 'COMPLETED'", count * operations);
    /* The library collects rows that nobody needs any more. */
    expect_rows(fleet, db, postgres, "mtnt_decision WHERE outcome <> 'commit'", 0);
    if (postgres)
        expect_rows(fleet, db, true, "pg_prepared_xacts", 0);
    if (postgres)
        PQfinish(db);
    else
        sqlite3_close(db);
}

static void check_model(const struct fleet *fleet, int tenant)
{
    const bool new = fleet->pair->model == MODEL_NEW_FILE, schema = fleet->pair->model == MODEL_SCHEMA;
    bool postgres = schema || fleet->pair->model == MODEL_DATABASE;
    char name[512], database[64];
    void *db;

    model_name(fleet, tenant, name);
    if (!postgres && access(name, F_OK) != 0)
        bench_die("%s, %s: no %s", fleet->pair->name, fleet->name, name);
    db = postgres ? (void *)open_postgres(fleet, schema ? controller_database(fleet, database) : name)
                  : (void *)open_sqlite(name);
    if (schema)
        run_postgres(db, bench_text("SET search_path = %s", name));
    expect_rows(fleet, db, postgres, "customers", 100);
    expect_rows(fleet, db, postgres, "orders", 0);
    expect_rows(fleet, db, postgres, "mtnt_applied", PAIR_OPERATIONS + (new ? 1 : 0));
    /* Beyond what the protocol asks for, the library leaves a fingerprint of the schema in SQLite models. */
    expect_rows(fleet, db, postgres, "mtnt_meta WHERE key <> 'fingerprint'", new ? 5 : 4);
    /* One transaction over both needs one row, in the controller; so does a model that nobody sees before the decision. */
    expect_rows(fleet, db, postgres, "mtnt_decision WHERE outcome = 'commit'", has_two_rows(fleet->pair) ? 1 : 0);
    if (postgres)
        PQfinish(db);
    else
        sqlite3_close(db);
}

static void check_end(const struct fleet *fleet)
{
    int i;

    check_controller(fleet);
    for (i = 0; i < fleet->count; i++)
        check_model(fleet, i);
}

/* ---- the race ---- */

static void one_round(const struct fleet *fleet, void (*contender)(const struct fleet *), struct cost *ret_cost)
{
    make_fleet(fleet);
    *ret_cost = measure(fleet, contender);
    check_end(fleet);
    remove_fleet(fleet);
}

static double per_tenant(long sum, int count, int rounds)
{
    return (double)sum / count / rounds;
}

static void race(const bench_options *options, const struct pair *pair)
{
    const struct fleet bare = fleet_of(options, pair, "bare"), mtnt = fleet_of(options, pair, "mtnt");
    double bare_s[64], mtnt_s[64], ratio[64], median;
    struct cost bare_cost, mtnt_cost, bare_sum = {0}, mtnt_sum = {0};
    int i, rounds = options->rounds;

    for (i = 0; i < rounds; i++) {
        /* Each goes first as often as second. */
        if (i % 2 == 0)
            one_round(&bare, perform_bare, &bare_cost);
        one_round(&mtnt, migrate, &mtnt_cost);
        if (i % 2 != 0)
            one_round(&bare, perform_bare, &bare_cost);
        bare_s[i] = bare_cost.seconds;
        mtnt_s[i] = mtnt_cost.seconds;
        ratio[i] = bare_s[i] / mtnt_s[i];
        bare_sum.fsyncs += bare_cost.fsyncs;
        bare_sum.messages += bare_cost.messages;
        mtnt_sum.fsyncs += mtnt_cost.fsyncs;
        mtnt_sum.messages += mtnt_cost.messages;
    }
    median = bench_median(ratio, rounds);
    printf("  %-44s%5d%9.0f/s%9.0f/s%7.2f%9.2f%7.2f%9.1f%7.1f  %s\n", pair->name, bare.count,
           bare.count / bench_median(bare_s, rounds), bare.count / bench_median(mtnt_s, rounds), median,
           per_tenant(bare_sum.fsyncs, bare.count, rounds), per_tenant(mtnt_sum.fsyncs, bare.count, rounds),
           per_tenant(bare_sum.messages, bare.count, rounds), per_tenant(mtnt_sum.messages, bare.count, rounds),
           median >= TARGET ? "reached" : "missed");
    fflush(stdout);
    bench_result(options, &(bench_figure){.name = "pairs",
                                          .of = bench_text("%d tenants, %s", bare.count, pair->name),
                                          .what = "clock, s",
                                          .baseline = "bare C, the least the protocol asks for",
                                          .values = mtnt_s,
                                          .baseline_values = bare_s,
                                          .target = TARGET});
}

int main(int argc, char **argv)
{
    bench_options options = {.tenants = 300, .workers = 8, .rounds = 5};
    size_t i;

    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    bench_parse(&options, argc, argv);
    if (options.server == NULL)
        bench_die("--server is needed");
    bench_make_folder(options.folder);
    printf("pairs: %d operations that write controller and model, %d workers, median of %d rounds (target %.2f)\n",
           PAIR_OPERATIONS, options.workers, options.rounds, TARGET);
    printf("  %-44s%5s%11s%11s%7s%16s%16s\n", "", "", "", "", "", "fsyncs each", "round trips");
    printf("  %-44s%5s%11s%11s%7s%9s%7s%9s%7s\n", "controller / model", "", "bare", "mtnt", "ratio", "bare", "mtnt",
           "bare", "mtnt");
    for (i = 0; i < pair_count; i++)
        if (options.only == NULL || strncmp(options.only, pairs[i].name, strlen(options.only)) == 0)
            race(&options, pairs + i);
    puts("  end states of all fleets were checked\n");
    bench_remove_folder(options.folder);
    return 0;
}
