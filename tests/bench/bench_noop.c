/* A fleet that is current already: what it costs mtnt-model to find that nothing is to be done, beside one bare query that reads the same rows in
 * order. The controller answers; no model is opened.
 *
 * How the controller gets its rows: one tenant is migrated by mtnt-model itself; then the rows that this left (tenant, migration,
 * operations) are copied for all others, with what differs from tenant to tenant in place: id, where its model is, the model's identity,
 * the migration. Their models do not exist: whoever opened one would fail. (A glob needs their files, which are empty.) */
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "chain/chain.h"

#define DATABASE "bench_noop"

/* Either of them. */
struct store {
    sqlite3 *sqlite;
    PGconn *postgres;
};

static void run(const struct store *store, const char *sql)
{
    char *message = NULL;
    PGresult *result;

    if (store->sqlite != NULL) {
        if (sqlite3_exec(store->sqlite, sql, NULL, NULL, &message) != SQLITE_OK)
            bench_die("%s: %s", sql, message);
        return;
    }
    result = PQexec(store->postgres, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("%s: %s", sql, PQerrorMessage(store->postgres));
    PQclear(result);
}

static sqlite3 *open_file(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        bench_die("%s: %s", path, sqlite3_errmsg(db));
    return db;
}

static PGconn *open_server(const bench_options *options, const char *database)
{
    PGconn *connection =
        PQconnectdb(bench_text("%s dbname=%s options='-c client_min_messages=warning'", options->server, database));

    if (PQstatus(connection) != CONNECTION_OK)
        bench_die("%s", PQerrorMessage(connection));
    return connection;
}

static void open_store(struct store *store, const bench_options *options)
{
    *store = (struct store){NULL, NULL};
    if (options->server != NULL)
        store->postgres = open_server(options, DATABASE);
    else
        store->sqlite = open_file(bench_text("%s/controller.db", options->folder));
}

static void close_store(struct store *store)
{
    sqlite3_close(store->sqlite);
    PQfinish(store->postgres);
}

/* ---- the fleet ---- */

/* The hash by which the controller notes where a model is. */
static void place_of(const char *id, const char *dsn, char key[MTNT__CHECKSUM_SIZE])
{
    const char *parts[] = {"sqlite", dsn, NULL};
    mtnt_error err = MTNT_ERROR_INIT;

    (void)id;
    if (mtnt__checksum(key, parts, &err) != 0)
        bench_die("%s", err.message);
}

static void add_place_sqlite(sqlite3_stmt *insert, const char *id, const char *place)
{
    sqlite3_bind_text(insert, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, place, -1, SQLITE_STATIC);
    if (sqlite3_step(insert) != SQLITE_DONE)
        bench_die("%s", sqlite3_errmsg(sqlite3_db_handle(insert)));
    sqlite3_reset(insert);
}

static void add_place_postgres(PGconn *connection, const char *id, const char *place)
{
    char line[256];
    int length = snprintf(line, sizeof(line), "%s\t%s\n", id, place);

    if (PQputCopyData(connection, line, length) != 1)
        bench_die("%s", PQerrorMessage(connection));
}

/* What is each tenant's own in the controller's rows. */
static void fill_places(const struct store *store, const bench_options *options)
{
    char id[64], dsn[512], place[MTNT__CHECKSUM_SIZE];
    sqlite3_stmt *insert = NULL;
    int i;

    run(store, "BEGIN");
    run(store, "CREATE TEMP TABLE place(id TEXT PRIMARY KEY, placed TEXT, uuid TEXT, migration TEXT)");
    if (store->sqlite == NULL)
        PQclear(PQexec(store->postgres, "COPY place(id, placed) FROM STDIN"));
    else if (sqlite3_prepare_v2(store->sqlite, "INSERT INTO place(id, placed) VALUES (?1, ?2)", -1, &insert, NULL) !=
             SQLITE_OK)
        bench_die("%s", sqlite3_errmsg(store->sqlite));
    for (i = 1; i < options->tenants; i++) {
        snprintf(id, sizeof(id), "tenant-%07d", i);
        snprintf(dsn, sizeof(dsn), "sqlite:%s/tenants/%s.db", options->folder, id);
        place_of(id, dsn, place);
        if (insert != NULL)
            add_place_sqlite(insert, id, place);
        else
            add_place_postgres(store->postgres, id, place);
    }
    sqlite3_finalize(insert);
    if (store->postgres != NULL) {
        PQputCopyEnd(store->postgres, NULL);
        while (PQgetResult(store->postgres) != NULL)
            ;
    }
    run(store, store->sqlite != NULL
                   ? "UPDATE place SET uuid = lower(hex(randomblob(16))), migration = lower(hex(randomblob(16)))"
                   : "UPDATE place SET uuid = md5(id), migration = md5(id || '!')");
    run(store, "COMMIT");
}

/* The names of a table's columns, with a blank behind each. */
static const char *columns_of(const struct store *store, const char *table)
{
    const char *sql = store->sqlite != NULL
                          ? bench_text("SELECT group_concat(name, ' ') || ' ' FROM pragma_table_info('%s')", table)
                          : bench_text("SELECT string_agg(attname, ' ' ORDER BY attnum) || ' ' FROM pg_attribute "
                                       "WHERE attrelid = '%s'::regclass AND attnum > 0 AND NOT attisdropped",
                                       table);
    sqlite3_stmt *statement = NULL;
    PGresult *result;
    const char *names;

    if (store->postgres != NULL) {
        result = PQexec(store->postgres, sql);
        names = bench_text("%s", PQgetvalue(result, 0, 0));
        PQclear(result);
        return names;
    }
    if (sqlite3_prepare_v2(store->sqlite, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        bench_die("%s", sqlite3_errmsg(store->sqlite));
    names = bench_text("%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return names;
}

/* Copies the rows of the one real tenant; columns that are not its own are taken as they are, whatever they are. */
static void copy_rows(const struct store *store, const char *table, const char *own)
{
    const char *names = columns_of(store, table), *targets = "", *values = "";
    size_t length;

    for (; (length = strcspn(names, " ")) > 0; names += length + 1) {
        const char *found = strstr(own, bench_text(" %.*s=", (int)length, names)), *from = "given.";
        const char *value = names;
        size_t value_length = length;

        if (found != NULL) {
            from = "place.";
            value = found + length + 2;
            value_length = strcspn(value, " ");
        }
        targets = bench_text("%s%s%.*s", targets, *targets != '\0' ? ", " : "", (int)length, names);
        values = bench_text("%s%s%s%.*s", values, *values != '\0' ? ", " : "", from, (int)value_length, value);
    }
    run(store, bench_text("INSERT INTO %s(%s) SELECT %s FROM %s AS given, place WHERE given.tenant = 'tenant-0000000'",
                          table, targets, values, table));
}

static const char *controller_of(const bench_options *options)
{
    return options->server == NULL ? "sqlite:controller.db"
                                   : bench_text("postgresql:///" DATABASE "%s", bench_server_query(options->server));
}

/* The tenants file for the first `count` of them. */
static const char *tenants_file(const bench_options *options, int count)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out;
    int i;

    if (strcmp(options->source, "query") == 0)
        return bench_text("source: {query: \"SELECT id, dsn AS model FROM customers ORDER BY id LIMIT %d\"}\n", count);
    if (strcmp(options->source, "glob") == 0)
        return bench_text("source: {glob: \"tenants/%s.db\"}\n", count < options->tenants ? "tenant-0000*" : "*");
    out = open_memstream(&text, &length);
    fputs("defaults: {model: \"sqlite:tenants/{id}.db\"}\ntenants:\n", out);
    for (i = 0; i < count; i++)
        fprintf(out, "  - id: tenant-%07d\n", i);
    fclose(out);
    return text;
}

static void prepare_first(const bench_options *options)
{
    const char *model = bench_text("%s/tenants/tenant-0000000.db", options->folder);
    struct store store = {open_file(model), NULL}, server = {NULL, NULL};

    run(&store, "CREATE TABLE account(name TEXT)");
    close_store(&store);
    if (options->server != NULL) {
        server.postgres = open_server(options, "postgres");
        run(&server, "DROP DATABASE IF EXISTS " DATABASE);
        run(&server, "CREATE DATABASE " DATABASE);
        close_store(&server);
    }
    open_store(&store, options);
    run(&store, bench_text("CREATE TABLE customers(id TEXT PRIMARY KEY, dsn TEXT NOT NULL); "
                           "INSERT INTO customers VALUES ('tenant-0000000', 'sqlite:%s')",
                           model));
    close_store(&store);
    bench_write_project(options, options->folder, controller_of(options), tenants_file(options, 1));
    bench_migrate(options, options->folder);
}

static void prepare(const bench_options *options)
{
    struct store store;
    int i;

    bench_make_folder(bench_text("%s/tenants", options->folder));
    prepare_first(options);
    open_store(&store, options);
    fill_places(&store, options);
    run(&store, "BEGIN");
    copy_rows(&store, "mtnt_tenant", " tenant=id placed=placed model_uuid=uuid migration=migration ");
    copy_rows(&store, "mtnt_migration", " tenant=id placed=placed migration=migration ");
    copy_rows(&store, "mtnt_operation", " tenant=id migration=migration ");
    run(&store,
        bench_text("INSERT INTO customers SELECT id, 'sqlite:%s/tenants/' || id || '.db' FROM place", options->folder));
    run(&store, "COMMIT");
    run(&store, store.sqlite != NULL ? "ANALYZE" : "VACUUM ANALYZE");
    close_store(&store);
    for (i = 1; i < options->tenants && strcmp(options->source, "glob") == 0; i++)
        bench_write(bench_text("%s/tenants/tenant-%07d.db", options->folder, i), "");
    bench_write(bench_text("%s/all.yaml", options->folder), tenants_file(options, options->tenants));
    bench_write(bench_text("%s/few.yaml", options->folder), tenants_file(options, options->few));
}

/* ---- the baseline ---- */

static int read_postgres(PGconn *connection, const char *sql)
{
    PGresult *result;
    int rows = 0;

    if (PQsendQuery(connection, sql) != 1)
        bench_die("%s", PQerrorMessage(connection));
    PQsetSingleRowMode(connection);
    for (; (result = PQgetResult(connection)) != NULL; PQclear(result))
        rows += PQntuples(result);
    return rows;
}

static int read_sqlite(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int rows = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        bench_die("%s", sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW)
        for (int i = 0; rows >= 0 && i < 5; i++)
            rows += i == 0 && sqlite3_column_text(statement, i) != NULL;
    sqlite3_finalize(statement);
    return rows;
}

static void read_all(void *data)
{
    const char *sql = "SELECT c.id, c.dsn, t.state, t.digest, t.placed FROM customers AS c "
                      "LEFT JOIN mtnt_tenant AS t ON t.chain = 'bench' AND t.tenant = c.id ORDER BY c.id";
    const bench_options *options = data;
    struct store store;

    open_store(&store, options);
    if ((store.sqlite != NULL ? read_sqlite(store.sqlite, sql) : read_postgres(store.postgres, sql)) !=
        options->tenants)
        bench_die("the controller does not have %d tenants", options->tenants);
    close_store(&store);
}

/* ---- measuring ---- */

struct measured {
    double wall_s[64], cpu_s[64], server_s[64];
    long rss_kib;
};

static void note(struct measured *measured, int round, bench_cost cost, double server_s)
{
    measured->wall_s[round] = cost.wall_s;
    measured->cpu_s[round] = cost.cpu_s;
    measured->server_s[round] = server_s;
    if (cost.rss_kib > measured->rss_kib)
        measured->rss_kib = cost.rss_kib;
}

/* Every tenant must have been found current, or the numbers are of something else. */
static void check_output(const bench_options *options, int tenants)
{
    const char *expected = bench_text("%d already current", tenants);
    FILE *file = fopen(bench_text("%s/output", options->folder), "re");
    char line[1024];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = strstr(line, expected) != NULL;
    if (file == NULL || !found)
        bench_die("the output does not say `%s`", expected);
    fclose(file);
}

/* CPU of the server's processes that have ended: seconds. */
static double server_cpu(const bench_options *options)
{
    unsigned long long user = 0, system = 0;
    char path[64];
    PGconn *connection;
    PGresult *result;
    FILE *file;

    if (options->server == NULL)
        return 0;
    usleep(200000); /* the backends that were used go away by themselves */
    connection = open_server(options, "postgres");
    result = PQexec(connection, "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)");
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        bench_die("%s", PQerrorMessage(connection));
    snprintf(path, sizeof(path), "/proc/%s/stat", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(connection);
    file = fopen(path, "re");
    if (file == NULL ||
        fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        bench_die("%s cannot be read: is the server on another machine?", path);
    fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void measure(const bench_options *options, struct measured *measured, int round, const char *tenants, int count)
{
    const char *link_name = bench_text("%s/tenants.yaml", options->folder);
    double before = server_cpu(options);
    bench_cost cost;

    unlink(link_name);
    if (symlink(tenants, link_name) != 0)
        bench_die("%s cannot be made", link_name);
    cost = bench_migrate(options, options->folder);
    check_output(options, count);
    note(measured, round, cost, server_cpu(options) - before);
}

static void measure_bare(const bench_options *options, struct measured *measured, int round)
{
    double before = server_cpu(options);
    bench_cost cost = bench_aside(read_all, (void *)(uintptr_t)options);

    note(measured, round, cost, server_cpu(options) - before);
}

/* ---- the result ---- */

static void print(const char *name, const struct measured *measured, int rounds)
{
    printf("  %-14s%10.3f s%10.3f s%14.3f s%12.1f MiB\n", name, bench_median(measured->cpu_s, rounds),
           bench_median(measured->wall_s, rounds), bench_median(measured->server_s, rounds),
           (double)measured->rss_kib / 1024);
}

static void report(const bench_options *options, const struct measured *bare, const struct measured *few,
                   const struct measured *all)
{
    const char *which = bench_text("%d tenants, %s, %s controller", options->tenants, options->source,
                                   options->server != NULL ? "PostgreSQL" : "SQLite");
    double growth = (double)all->rss_kib / (double)few->rss_kib;

    printf("noop: %s, all current, %d workers; median of %d\n", which, options->workers, options->rounds);
    printf("  %-14s%12s%12s%16s%16s\n", "", "CPU", "clock", "CPU of server", "at most");
    print("one query", bare, options->rounds);
    print("mtnt-model", all, options->rounds);
    printf("  memory: %.2f of what %d tenants take\n\n", growth, options->few);
    bench_result(options, &(bench_figure){.name = "noop",
                                          .of = which,
                                          .what = "CPU, s",
                                          .baseline = "one bare query",
                                          .values = all->cpu_s,
                                          .baseline_values = bare->cpu_s,
                                          .less_is_better = true,
                                          .target = 3});
    bench_result(options, &(bench_figure){.name = "noop memory",
                                          .of = which,
                                          .what = "peak, MiB",
                                          .baseline = bench_text("%d tenants", options->few),
                                          .values = (double[]){(double)all->rss_kib / 1024},
                                          .baseline_values = (double[]){(double)few->rss_kib / 1024},
                                          .count = 1,
                                          .less_is_better = true,
                                          .target = 64});
    if (options->growth > 0 && growth > options->growth)
        bench_die("memory grows with the number of tenants: %ld KiB for %d, %ld KiB for %d", few->rss_kib, options->few,
                  all->rss_kib, options->tenants);
}

static void prepare_aside(void *data)
{
    prepare(data);
}

int main(int argc, char **argv)
{
    bench_options options = {.tenants = 1000000, .few = 10000, .workers = 8, .rounds = 5, .source = "query"};
    struct measured bare = {0}, few = {0}, all = {0};
    int i;

    bench_parse(&options, argc, argv);
    if (options.few > options.tenants)
        options.few = options.tenants;
    bench_make_folder(options.folder);
    /* A process of its own: a child's peak of memory begins with what its parent had. */
    bench_aside(prepare_aside, &options);
    bench_settle();
    for (i = 0; i < options.rounds; i++) {
        measure_bare(&options, &bare, i);
        measure(&options, &few, i, "few.yaml", options.few);
        measure(&options, &all, i, "all.yaml", options.tenants);
    }
    report(&options, &bare, &few, &all);
    bench_remove_folder(options.folder);
    return 0;
}
