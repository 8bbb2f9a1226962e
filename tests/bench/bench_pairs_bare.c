/* The least that the protocol asks for, in plain C: what a program would do that knows its tenants, its chain and the pair of databases, and that
 * nothing ever fails. One thread claims and ends in batches while the others migrate. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_pairs.h"
#include "schemas.h"

#define BATCH 128 /* claims and ends of one transaction: as many as the library takes */

const struct pair pairs[] = {
    {"SQLite / SQLite (super-journal)", false, MODEL_FILE},
    {"PostgreSQL / SQLite (two-phase)", true, MODEL_FILE},
    {"SQLite / PostgreSQL (two-phase)", false, MODEL_DATABASE},
    {"PostgreSQL / PostgreSQL (two-phase)", true, MODEL_DATABASE},
    {"schema per tenant (single transaction)", true, MODEL_SCHEMA},
    {"SQLite / new SQLite model (provisional)", false, MODEL_NEW_FILE},
    {"PostgreSQL / new SQLite model (provisional)", true, MODEL_NEW_FILE},
};
const size_t pair_count = sizeof(pairs) / sizeof(*pairs);

#define HUNDRED "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "

const char *const pair_operations[PAIR_OPERATIONS] = {
    "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT)",
    "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, placed TEXT)",
    "CREATE INDEX orders_by_customer ON orders(customer)",
    "INSERT INTO customers(id, name, city) " HUNDRED "SELECT i, 'customer ' || i, 'city ' || i % 7 FROM n",
};

static bool two_phase(const struct pair *pair)
{
    return pair->model == MODEL_DATABASE || (pair->model == MODEL_FILE && pair->postgres_controller);
}

bool has_two_rows(const struct pair *pair)
{
    return two_phase(pair);
}

/* ---- counters: these take the place of libc's, for the libraries too ---- */

#define INSTEAD __attribute__((visibility("default")))

static atomic_long fsyncs, messages;

INSTEAD int fsync(int fd)
{
    atomic_fetch_add(&fsyncs, 1);
    return (int)syscall(SYS_fsync, fd);
}

INSTEAD int fdatasync(int fildes)
{
    atomic_fetch_add(&fsyncs, 1);
    return (int)syscall(SYS_fdatasync, fildes);
}

INSTEAD ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    atomic_fetch_add(&messages, 1);
    return (ssize_t)syscall(SYS_sendto, fd, buf, n, flags, NULL, 0);
}

struct cost count_calls(void)
{
    return (struct cost){0, atomic_load(&fsyncs), atomic_load(&messages)};
}

/* ---- one worker's databases ---- */

struct bare {
    const struct fleet *fleet;
    pthread_mutex_t gate; /* a SQLite controller has one writer: waiting here is cheaper than asking again and again */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int claimed, started, done, ended;
    int *finished; /* tenants in the order of their ends */
};

struct sides {
    struct bare *bare;
    PGconn *controller, *model;
    sqlite3 *controller_file, *model_file;
};

static void on_controller(const struct sides *sides, const char *sql)
{
    if (sides->controller != NULL)
        run_postgres(sides->controller, sql);
    else
        run_sqlite(sides->controller_file, sql);
}

static void on_model(const struct sides *sides, const char *sql)
{
    if (sides->model != NULL)
        run_postgres(sides->model, sql);
    else
        run_sqlite(sides->model_file, sql);
}

static void open_controller(struct sides *sides)
{
    const struct fleet *fleet = sides->bare->fleet;
    char path[512];

    if (fleet->pair->postgres_controller) {
        sides->controller = open_postgres(fleet, controller_database(fleet, path));
        return;
    }
    snprintf(path, sizeof(path), "%s/controller.db", fleet->folder);
    sides->controller_file = open_sqlite(path);
    run_sqlite(sides->controller_file, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA");
}

static void close_controller(struct sides *sides)
{
    PQfinish(sides->controller);
    sqlite3_close(sides->controller_file);
}

/* ---- claims and ends, a message or a transaction for each batch ---- */

static FILE *begin_text(char **text, size_t *length)
{
    FILE *out = open_memstream(text, length);

    if (out == NULL)
        bench_die("out of memory");
    return out;
}

static void change_states(struct sides *sides, FILE *out, char **text)
{
    bool file = sides->controller_file != NULL;

    fputs("COMMIT", out);
    fclose(out);
    if (file)
        pthread_mutex_lock(&sides->bare->gate);
    on_controller(sides, *text);
    if (file)
        pthread_mutex_unlock(&sides->bare->gate);
    free(*text);
}

static void claim(struct sides *sides, int from, int to)
{
    const char *decider =
        sides->bare->fleet->pair->model == MODEL_FILE && sides->controller != NULL ? "model" : "controller";
    size_t length = 0;
    char *text = NULL;
    FILE *out = begin_text(&text, &length);
    int i;

    fputs(sides->controller_file != NULL ? "BEGIN IMMEDIATE; " : "BEGIN; ", out);
    fputs("INSERT INTO mtnt_tenant (chain, tenant, state, migration, epoch, owner, lease_until_ms, updated_ms) VALUES ",
          out);
    for (i = from; i < to; i++)
        fprintf(out, "%s('bench', 'tenant-%06d', 'executing', '%032d', 1, 'bench#1', 1700000060000, 1700000000000)",
                i > from ? ", " : "", i, i);
    fputs(
        "; INSERT INTO mtnt_migration (migration, chain, tenant, run, epoch, direction, mode, decider, state, placed, started_ms, worker,"
        " decider_home) VALUES ",
        out);
    for (i = from; i < to; i++)
        fprintf(
            out,
            "%s('%032d', 'bench', 'tenant-%06d', 1, 1, 'forward', 'two-phase', '%s', 'executing', '%032d', 1700000000000, 'bench#1', '%032d')",
            i > from ? ", " : "", i, i, decider, i, 1);
    fputs("; ", out);
    change_states(sides, out, &text);
}

static int recorded_operations(const struct pair *pair)
{
    return PAIR_OPERATIONS + (pair->model == MODEL_NEW_FILE ? 1 : 0);
}

static void end(struct sides *sides, const int *tenants, int count)
{
    int i, k, operations = recorded_operations(sides->bare->fleet->pair);
    size_t length = 0;
    char *text = NULL;
    FILE *out = begin_text(&text, &length);

    fputs(sides->controller_file != NULL ? "BEGIN IMMEDIATE; " : "BEGIN; ", out);
    fputs("INSERT INTO mtnt_operation VALUES ", out);
    for (i = 0; i < count; i++)
        for (k = 0; k < operations; k++)
            fprintf(
                out,
                "%s('bench', 'tenant-%06d', 'operation_%d', %d, '%064d', 'COMPLETED', 'model', 1700000000000, 1700000000001, '%032d', 1, NULL)",
                i + k > 0 ? ", " : "", tenants[i], k, k + 1, k, tenants[i]);
    fputs("; UPDATE mtnt_migration SET state = 'committed', finished_ms = 1700000000001 WHERE migration IN (", out);
    for (i = 0; i < count; i++)
        fprintf(out, "%s'%032d'", i > 0 ? ", " : "", tenants[i]);
    fprintf(
        out,
        "); UPDATE mtnt_tenant SET state = 'idle', version = %d, digest = '%064d', placed = migration, model_uuid = migration, owner = NULL,"
        " lease_until_ms = NULL WHERE chain = 'bench' AND tenant IN (",
        operations, 4);
    for (i = 0; i < count; i++)
        fprintf(out, "%s'tenant-%06d'", i > 0 ? ", " : "", tenants[i]);
    fputs("); ", out);
    change_states(sides, out, &text);
}

/* The mutex is held, and not meanwhile. */
static void keep_books(struct bare *bare, struct sides *sides)
{
    int count = bare->fleet->count;

    while (bare->ended < count) {
        if (bare->claimed < count && bare->claimed < bare->started + BATCH) {
            int from = bare->claimed, to = from + BATCH < count ? from + BATCH : count;

            pthread_mutex_unlock(&bare->mutex);
            claim(sides, from, to);
            pthread_mutex_lock(&bare->mutex);
            bare->claimed = to;
            pthread_cond_broadcast(&bare->changed);
        } else if (bare->done - bare->ended >= BATCH || bare->done == count) {
            int from = bare->ended, to = bare->done - from > BATCH ? from + BATCH : bare->done;

            pthread_mutex_unlock(&bare->mutex);
            end(sides, bare->finished + from, to - from);
            pthread_mutex_lock(&bare->mutex);
            bare->ended = to;
        } else {
            pthread_cond_wait(&bare->changed, &bare->mutex);
        }
    }
}

/* ---- one tenant ---- */

/* What the product leaves in a model. */
static char *records(const struct fleet *fleet, int tenant)
{
    bool file = fleet->pair->model == MODEL_FILE || fleet->pair->model == MODEL_NEW_FILE;
    int i, operations = recorded_operations(fleet->pair);
    char schema[512], *text = NULL;
    size_t length = 0;
    FILE *out = begin_text(&text, &length);

    if (fleet->pair->model == MODEL_SCHEMA)
        model_name(fleet, tenant, schema);
    else
        snprintf(schema, sizeof(schema), "%s",
                 fleet->pair->model == MODEL_DATABASE                                       ? "public"
                 : fleet->pair->postgres_controller || fleet->pair->model == MODEL_NEW_FILE ? "main"
                                                                                            : "model");
    bench_expand(out, file ? mtnt__sql_model_sqlite_0001_initial : mtnt__sql_model_postgres_0001_initial, schema);
    fprintf(
        out,
        "; INSERT INTO %s.mtnt_meta (key, value) VALUES ('model_uuid', '%032d'), ('tenant', 'tenant-%06d'), ('controller', '%032d')%s;"
        " INSERT INTO %s.mtnt_applied VALUES ",
        schema, tenant, tenant, 2,
        fleet->pair->model == MODEL_NEW_FILE ? ", ('created_by', '00000000000000000000000000000003')" : "", schema);
    for (i = 0; i < operations; i++)
        fprintf(out, "%s('bench', 'operation_%d', %d, '%064d', 1700000000000, 1700000000001, '%032d', 1)",
                i == 0 ? "" : ", ", i, i + 1, i, tenant);
    if (has_two_rows(fleet->pair))
        fprintf(out, "; INSERT INTO %s.mtnt_decision (migration, outcome) VALUES ('%032d', 'commit')", schema, tenant);
    fclose(out);
    return text;
}

static void open_model(struct sides *sides, int tenant, char name[512], char built[560])
{
    const struct fleet *fleet = sides->bare->fleet;

    model_name(fleet, tenant, name);
    switch (fleet->pair->model) {
    case MODEL_DATABASE: sides->model = open_postgres(fleet, name); break;
    case MODEL_SCHEMA: sides->model = sides->controller; break;
    case MODEL_FILE:
        if (sides->controller_file != NULL) {
            sides->model_file = sides->controller_file;
            return;
        }
        sides->model_file = open_sqlite(name);
        run_sqlite(sides->model_file, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA");
        break;
    case MODEL_NEW_FILE:
        snprintf(built, 560, "%s.mtnt-new-%032d", name, tenant);
        sides->model_file = open_sqlite(built);
        run_sqlite(sides->model_file, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = NORMAL");
        break;
    }
}

static void attach(const struct sides *sides, const char *path)
{
    char sql[640];

    snprintf(sql, sizeof(sql),
             "ATTACH '%s' AS model; PRAGMA model.journal_mode = DELETE; PRAGMA model.synchronous = EXTRA", path);
    run_sqlite(sides->controller_file, sql);
}

static bool shares(const struct sides *sides)
{
    return sides->model_file != NULL ? sides->model_file == sides->controller_file : sides->model == sides->controller;
}

/* The model's lock first, as the protocol wants it. */
static void begin(const struct sides *sides, const char *name)
{
    char sql[640];

    if (sides->model != NULL && shares(sides)) {
        snprintf(sql, sizeof(sql), "BEGIN; SET LOCAL search_path = %s, public", name);
        on_model(sides, sql);
        return;
    }
    if (!shares(sides))
        on_model(sides, sides->model != NULL ? "BEGIN" : "BEGIN IMMEDIATE");
    if (sides->controller_file != NULL)
        pthread_mutex_lock(&sides->bare->gate);
    if (sides->controller_file != NULL && shares(sides))
        attach(sides, name);
    on_controller(sides, sides->controller_file != NULL ? "BEGIN IMMEDIATE" : "BEGIN");
}

/* A new table of an attached file has to be named with its schema; the rest of each operation is the same. */
static const char *operation_in_model(int index)
{
    static const char *const attached[PAIR_OPERATIONS] = {
        "CREATE TABLE model.customers(id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT)",
        "CREATE TABLE model.orders(id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, placed TEXT)",
        "CREATE INDEX model.orders_by_customer ON orders(customer)",
        NULL,
    };

    return attached[index] != NULL ? attached[index] : pair_operations[index];
}

static void operate(const struct sides *sides, int tenant)
{
    bool attached = sides->model_file != NULL && shares(sides);
    char sql[256];
    int i;

    if (sides->bare->fleet->pair->model == MODEL_NEW_FILE)
        on_model(sides, "CREATE TABLE account(name TEXT)");
    for (i = 0; i < PAIR_OPERATIONS; i++) {
        on_model(sides, attached ? operation_in_model(i) : pair_operations[i]);
        snprintf(sql, sizeof(sql), "%s ('tenant-%06d', %d)", PAIR_DIRECTORY, tenant, i);
        on_controller(sides, sql);
    }
}

static void leave_gate(const struct sides *sides)
{
    if (sides->controller_file != NULL)
        pthread_mutex_unlock(&sides->bare->gate);
}

static void sync_folder(const struct fleet *fleet)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/tenants", fleet->folder);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        bench_die("%s: %s", path, strerror(errno));
    close(fd);
}

/* Provisional: complete and synced, then the decision, then its name. */
static void commit_new(struct sides *sides, const char *row, const char *built, const char *name)
{
    on_model(sides, "COMMIT");
    sqlite3_close(sides->model_file);
    sides->model_file = NULL;
    sync_folder(sides->bare->fleet);
    on_controller(sides, row);
    on_controller(sides, "COMMIT");
    leave_gate(sides);
    if (renameat2(AT_FDCWD, built, AT_FDCWD, name, RENAME_NOREPLACE) != 0)
        bench_die("%s: %s", name, strerror(errno));
    sync_folder(sides->bare->fleet);
}

static void commit_prepared(const struct sides *sides, const char *row, int tenant)
{
    bool model_decides = sides->model == NULL;
    char sql[512];

    /* The model's row is among its records. */
    if (model_decides) {
        snprintf(sql, sizeof(sql), "%s; PREPARE TRANSACTION 'bench:%06d'", row, tenant);
        on_controller(sides, sql);
        on_model(sides, "COMMIT");
    } else {
        snprintf(sql, sizeof(sql), "PREPARE TRANSACTION 'bench:%06d'", tenant);
        on_model(sides, sql);
        on_controller(sides, row);
        on_controller(sides, "COMMIT");
        leave_gate(sides);
    }
    snprintf(sql, sizeof(sql), "COMMIT PREPARED 'bench:%06d'", tenant);
    if (model_decides)
        on_controller(sides, sql);
    else
        on_model(sides, sql);
}

static void commit(struct sides *sides, int tenant, const char *built, const char *name)
{
    char row[256];

    snprintf(row, sizeof(row), "INSERT INTO %smtnt_decision (migration, outcome) VALUES ('%032d', 'commit')",
             sides->controller != NULL ? "public." : "main.", tenant);
    if (sides->bare->fleet->pair->model == MODEL_NEW_FILE) {
        commit_new(sides, row, built, name);
    } else if (two_phase(sides->bare->fleet->pair)) {
        commit_prepared(sides, row, tenant);
    } else {
        on_controller(sides, row);
        on_controller(sides, "COMMIT");
        if (sides->controller_file != NULL)
            on_controller(sides, "DETACH model");
        leave_gate(sides);
    }
}

static void migrate_bare(struct sides *sides, int tenant)
{
    char name[512], built[560] = "", *text = records(sides->bare->fleet, tenant);

    open_model(sides, tenant, name, built);
    begin(sides, name);
    operate(sides, tenant);
    on_model(sides, text);
    commit(sides, tenant, built, name);
    free(text);
    if (sides->model != sides->controller)
        PQfinish(sides->model);
    if (sides->model_file != sides->controller_file)
        sqlite3_close(sides->model_file);
    sides->model = NULL;
    sides->model_file = NULL;
}

/* ---- all of them ---- */

static void work(struct bare *bare, struct sides *sides)
{
    while (bare->started < bare->fleet->count) {
        int tenant;

        if (bare->started == bare->claimed) {
            pthread_cond_wait(&bare->changed, &bare->mutex);
            continue;
        }
        tenant = bare->started++;
        pthread_mutex_unlock(&bare->mutex);
        migrate_bare(sides, tenant);
        pthread_mutex_lock(&bare->mutex);
        bare->finished[bare->done++] = tenant;
        pthread_cond_broadcast(&bare->changed);
    }
}

static void take_part(void *data, int index)
{
    struct bare *bare = data;
    struct sides sides = {.bare = bare};

    open_controller(&sides);
    pthread_mutex_lock(&bare->mutex);
    if (index == 0)
        keep_books(bare, &sides);
    else
        work(bare, &sides);
    pthread_mutex_unlock(&bare->mutex);
    close_controller(&sides);
}

void perform_bare(const struct fleet *fleet)
{
    struct bare bare = {.fleet = fleet, .finished = calloc((size_t)fleet->count, sizeof(int))};

    if (bare.finished == NULL)
        bench_die("out of memory");
    pthread_mutex_init(&bare.gate, NULL);
    pthread_mutex_init(&bare.mutex, NULL);
    pthread_cond_init(&bare.changed, NULL);
    bench_parallel(fleet->options->workers + 1, fleet->options->workers + 1, take_part, &bare);
    pthread_cond_destroy(&bare.changed);
    pthread_mutex_destroy(&bare.mutex);
    pthread_mutex_destroy(&bare.gate);
    free(bare.finished);
}
