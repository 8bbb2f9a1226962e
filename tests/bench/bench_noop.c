/* A fleet that is current already: what it costs mtnt-model to find that nothing is to be done. The controller answers; no model is
 * opened.
 *
 * How the controller gets its rows: one tenant is migrated by mtnt-model itself; then the rows that this left (tenant, migration,
 * operations) are copied for all others, with what differs from tenant to tenant in place: id, where its model is, the model's identity,
 * the migration. Their models do not exist: whoever opened one would fail. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "chain/chain.h"

static void run(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        bench_die("%s: %s", sql, message);
}

static sqlite3 *open_file(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        bench_die("%s: %s", path, sqlite3_errmsg(db));
    return db;
}

/* The hash by which the controller notes where a model is. */
static void place_of(const char *id, const char *dsn, char key[MTNT__CHECKSUM_SIZE])
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    options.id = id;
    options.dsn = dsn;
    if (mtnt_model_new(&model, &options, &err) != 0)
        bench_die("%s", err.message);
    strcpy(key, mtnt__model_key(model));
    mtnt_model_free(model);
}

/* The customers, and what is each one's own in the controller's rows. */
static void fill_customers(sqlite3 *db, const bench_options *options)
{
    char id[64], dsn[512], place[MTNT__CHECKSUM_SIZE];
    sqlite3_stmt *insert = NULL;
    int i;

    run(db, "CREATE TEMP TABLE place(id TEXT PRIMARY KEY, placed TEXT, uuid TEXT, migration TEXT)");
    if (sqlite3_prepare_v2(
            db, "INSERT INTO temp.place VALUES (?1, ?2, lower(hex(randomblob(16))), lower(hex(randomblob(16))))", -1,
            &insert, NULL) != SQLITE_OK)
        bench_die("%s", sqlite3_errmsg(db));
    run(db, "BEGIN");
    for (i = 1; i < options->tenants; i++) {
        snprintf(id, sizeof(id), "tenant-%06d", i);
        snprintf(dsn, sizeof(dsn), "sqlite:%s/tenants/%s.db", options->folder, id);
        place_of(id, dsn, place);
        sqlite3_bind_text(insert, 1, id, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 2, place, -1, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            bench_die("%s", sqlite3_errmsg(db));
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    run(db, "COMMIT");
}

/* Copies the rows of the one real tenant; columns that are not its own are taken as they are, whatever they are. */
static void copy_rows(sqlite3 *db, const char *table, const char *own)
{
    sqlite3_stmt *columns = NULL;
    const char *names = "", *values = "";

    if (sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info(?1)", -1, &columns, NULL) != SQLITE_OK)
        bench_die("%s", sqlite3_errmsg(db));
    sqlite3_bind_text(columns, 1, table, -1, SQLITE_STATIC);
    while (sqlite3_step(columns) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(columns, 0), *value = name;
        const char *found = strstr(own, bench_text(" %s=", name));

        if (found != NULL)
            value =
                bench_text("temp.place.%.*s", (int)strcspn(found + strlen(name) + 2, " "), found + strlen(name) + 2);
        else
            value = bench_text("given.%s", name);
        names = bench_text("%s%s%s", names, *names != '\0' ? ", " : "", name);
        values = bench_text("%s%s%s", values, *values != '\0' ? ", " : "", value);
    }
    sqlite3_finalize(columns);
    run(db, bench_text("INSERT INTO %s(%s) SELECT %s FROM %s AS given, temp.place WHERE given.tenant = 'tenant-000000'",
                       table, names, values, table));
}

static void prepare(const bench_options *options)
{
    const char *controller = bench_text("%s/controller.db", options->folder);
    sqlite3 *db;

    bench_make_folder(bench_text("%s/tenants", options->folder));
    db = open_file(bench_text("%s/tenants/tenant-000000.db", options->folder));
    run(db, "CREATE TABLE account(name TEXT)");
    sqlite3_close(db);
    db = open_file(controller);
    run(db, bench_text("CREATE TABLE customers(id TEXT PRIMARY KEY, dsn TEXT NOT NULL); "
                       "INSERT INTO customers VALUES ('tenant-000000', 'sqlite:%s/tenants/tenant-000000.db')",
                       options->folder));
    sqlite3_close(db);
    bench_write_project(options, options->folder, "sqlite:controller.db",
                        "source: {query: \"SELECT id, dsn AS model FROM customers ORDER BY id\"}\n");
    bench_migrate(options, options->folder);

    db = open_file(controller);
    fill_customers(db, options);
    run(db, "BEGIN");
    copy_rows(db, "mtnt_tenant", " tenant=id placed=placed model_uuid=uuid migration=migration ");
    copy_rows(db, "mtnt_migration", " tenant=id placed=placed migration=migration ");
    copy_rows(db, "mtnt_operation", " tenant=id migration=migration ");
    run(db, bench_text("INSERT INTO customers SELECT id, 'sqlite:%s/tenants/' || id || '.db' FROM temp.place",
                       options->folder));
    run(db, "COMMIT");
    sqlite3_close(db);
}

/* In a process of its own: a child's peak of memory begins with what its parent had. */
static void prepare_aside(const bench_options *options)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        prepare(options);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        bench_die("the fleet was not made");
    bench_settle();
}

/* Every tenant must have been found current, or the numbers are of something else. */
static void check_output(const bench_options *options)
{
    const char *expected = bench_text("%d already current", options->tenants);
    FILE *file = fopen(bench_text("%s/output", options->folder), "re");
    char line[1024];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = strstr(line, expected) != NULL;
    if (file == NULL || !found)
        bench_die("the output does not say `%s`", expected);
    fclose(file);
}

static void report(const bench_options *options, const double *wall_s, const double *cpu_s, long rss_kib)
{
    double cpu = bench_median(cpu_s, options->rounds), wall = bench_median(wall_s, options->rounds);
    bool reached = cpu < 1 && rss_kib <= 64 * 1024;
    FILE *file = options->json != NULL ? fopen(options->json, "we") : NULL;

    printf("noop: %d tenants, all current, %d workers\n", options->tenants, options->workers);
    printf("  median of %d: %.3f s of CPU (target < 1), %.3f s by the clock, %.1f MiB at most (target <= 64): %s\n\n",
           options->rounds, cpu, wall, (double)rss_kib / 1024, reached ? "reached" : "missed");
    if (options->json != NULL && file == NULL)
        bench_die("%s cannot be written", options->json);
    if (file == NULL)
        return;
    fprintf(
        file,
        "{\"bench\": \"noop\", \"tenants\": %d, \"workers\": %d, \"cpu_s\": %.4f, \"wall_s\": %.4f, \"rss_kib\": %ld, "
        "\"reached\": %s}\n",
        options->tenants, options->workers, cpu, wall, rss_kib, reached ? "true" : "false");
    fclose(file);
}

int main(int argc, char **argv)
{
    bench_options options = {.tenants = 100000, .workers = 8, .rounds = 5};
    double wall_s[64], cpu_s[64];
    long rss_kib = 0;
    int i;

    bench_parse(&options, argc, argv);
    bench_make_folder(options.folder);
    prepare_aside(&options);
    for (i = 0; i < options.rounds; i++) {
        bench_cost cost = bench_migrate(&options, options.folder);

        check_output(&options);
        wall_s[i] = cost.wall_s;
        cpu_s[i] = cost.cpu_s;
        if (cost.rss_kib > rss_kib)
            rss_kib = cost.rss_kib;
    }
    report(&options, wall_s, cpu_s, rss_kib);
    bench_remove_folder(options.folder);
    return 0;
}
