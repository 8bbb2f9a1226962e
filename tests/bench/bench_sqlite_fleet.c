/* SQLite tenants: copies of one small database, the bare loop on sqlite3, and the end states. */
#include "bench_sqlite.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schemas.h"

static const char *model_path(const char *folder, int tenant, char path[512])
{
    snprintf(path, 512, "%s/tenants/tenant-%06d.db", folder, tenant);
    return path;
}

static void run(sqlite3 *db, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        bench_die("%s: %s", sql, message);
}

static sqlite3 *open_model(const char *path, int flags)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        bench_die("%s: %s", path, sqlite3_errmsg(db));
    return db;
}

/* ---- a fleet: copies of one small database, and the files of the command ---- */

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    FILE *source = fopen(from, "re"), *target = fopen(to, "we");
    size_t length;

    if (source == NULL || target == NULL)
        bench_die("%s to %s: %s", from, to, strerror(errno));
    while ((length = fread(bytes, 1, sizeof(bytes), source)) > 0)
        if (fwrite(bytes, 1, length, target) != length)
            bench_die("%s: %s", to, strerror(errno));
    fclose(source);
    if (fclose(target) != 0)
        bench_die("%s: %s", to, strerror(errno));
}

void bench_sqlite_fleet(const bench_options *options, const char *folder)
{
    const char *first = bench_text("%s/first.db", options->folder);
    char path[512];
    size_t length = 0;
    char *tenants = NULL;
    FILE *list = open_memstream(&tenants, &length);
    int i;

    bench_make_folder(folder);
    bench_make_folder(bench_text("%s/tenants", folder));
    if (access(first, F_OK) != 0) {
        sqlite3 *db = open_model(first, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);

        run(db, "CREATE TABLE account(name TEXT); INSERT INTO account VALUES ('there before')");
        sqlite3_close(db);
    }
    fputs("defaults: {model: \"sqlite:tenants/{id}.db\"}\ntenants:\n", list);
    for (i = 0; i < options->tenants; i++) {
        copy_file(first, model_path(folder, i, path));
        fprintf(list, "  - id: tenant-%06d\n", i);
    }
    fclose(list);
    bench_write_project(options, folder, options->controller != NULL ? options->controller : "sqlite:controller.db",
                        tenants);
    free(tenants);
    bench_settle();
}

/* ---- the bare loop ---- */

struct loop {
    const char *folder;
    const char *records; /* NULL = the operations alone */
};

static void perform_bare(void *data, int index)
{
    const struct loop *loop = data;
    char path[512];
    sqlite3 *db = open_model(model_path(loop->folder, index, path), SQLITE_OPEN_READWRITE);
    int i;

    run(db, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE");
    for (i = 0; i < BENCH_OPERATIONS; i++)
        run(db, bench_operations[i]);
    if (loop->records != NULL)
        run(db, loop->records);
    run(db, "COMMIT");
    sqlite3_close(db);
}

double bench_sqlite_bare(const bench_options *options, const char *folder, bool records)
{
    struct loop loop = {folder, records ? bench_records(mtnt__sql_model_sqlite_0001_initial, "main") : NULL};
    double begun = bench_now();

    bench_parallel(options->workers, options->tenants, perform_bare, &loop);
    free((char *)loop.records);
    return bench_now() - begun;
}

/* ---- the same end? ---- */

static int add_row(void *data, int columns, char **values, char **names)
{
    FILE *text = data;
    int i;

    (void)names;
    for (i = 0; i < columns; i++)
        fprintf(text, "%s|", values[i] != NULL ? values[i] : "");
    fputc('\n', text);
    return 0;
}

/* Schema and row counts, without the tables of mtnt-model's own. */
static char *end_state(const char *path)
{
    sqlite3 *db = open_model(path, SQLITE_OPEN_READONLY);
    char *state = NULL, *message = NULL;
    size_t length = 0;
    FILE *text = open_memstream(&state, &length);
    int i, rc;

    rc = sqlite3_exec(
        db,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name NOT LIKE 'mtnt\\_%' ESCAPE '\\' "
        "ORDER BY type, name; SELECT * FROM account",
        add_row, text, &message);
    for (i = 0; rc == SQLITE_OK && i < BENCH_TABLES; i++) {
        char sql[128];

        snprintf(sql, sizeof(sql), "SELECT '%s', count(*), total(id) FROM %s", bench_tables[i], bench_tables[i]);
        rc = sqlite3_exec(db, sql, add_row, text, &message);
    }
    if (rc != SQLITE_OK)
        fprintf(text, "%s\n", message); /* a tenant that is missing its tables is one that differs */
    sqlite3_free(message);
    sqlite3_close(db);
    fclose(text);
    return state;
}

int bench_sqlite_differing(const bench_options *options, const char *bare, const char *mtnt)
{
    char path[512];
    int differing = 0, i;

    for (i = 0; i < options->tenants; i++) {
        char *expected = end_state(model_path(bare, i, path)), *found = end_state(model_path(mtnt, i, path));

        if (strcmp(expected, found) != 0 && differing++ == 0)
            fprintf(stderr, "tenant %d differs:\n%s\n---\n%s\n", i, expected, found);
        free(expected);
        free(found);
    }
    return differing;
}

void bench_sqlite_check(const bench_options *options, const char *bare, const char *mtnt)
{
    int differing = bench_sqlite_differing(options, bare, mtnt);

    if (differing > 0)
        bench_die("%d tenants differ", differing);
}
