/* A soak: many tenants of mixed pairs under two controllers, run after run, forward and back, while processes are killed and stopped, sessions ended,
 * the server restarted (own_server.sh) and recoverers are at work beside them. All that is chosen comes from a seed (MTNT_TEST_SEED), which is
 * printed. A few hundred tenants by default; MTNT_TEST_SOAK=10000 takes as many.
 *
 * Nothing lost: each operation writes one row into each side, with its migration's id. After every round and one recovery the two sides of
 * every tenant hold the same rows; whoever was reported migrated has moved by the one operation it was moved by; no migration is left unended; a gid
 * that is left is of an aborted one. At the end a run without faults brings everybody to the end of the chain. */
#include <libpq-fe.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mtnt.h"

#define CONTROLLERS 2 /* PostgreSQL, SQLite */
#define OPERATIONS 4
#define WORKERS 4
#define RUN_PATIENCE_S 900

enum kind { IN_FILE, IN_SCHEMA, IN_CONTROLLER, KINDS };

static char folder[100], models_database[64], controller_database[64];
static size_t count; /* tenants of each controller */
static uint64_t seed, state;
static int round_number;

static struct shared {
    int *stop;             /* for recoverers */
    unsigned char *before; /* [controller][tenant]: rows when it was last looked at */
    unsigned char *moved;  /* reported as migrated in this round */
} shared;

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "MTNT_TEST_SEED=%llu MTNT_TEST_SOAK=%zu, round %d: %s: %s\n", (unsigned long long)seed,
            count * CONTROLLERS, round_number, what, detail);
    exit(1);
}

static unsigned int random_below(unsigned int limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned int)(state >> 16) % limit;
}

static void *shared_bytes(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        die("mmap", "no memory");
    return memory;
}

/* ---- the databases, reached directly ---- */

static PGconn *reach(const char *database)
{
    char words[500];
    PGconn *connection;

    snprintf(words, sizeof(words), "%s dbname=%s options='-c client_min_messages=error'", getenv("MTNT_TEST_PG"),
             database);
    connection = PQconnectdb(words);
    if (PQstatus(connection) != CONNECTION_OK)
        die(database, PQerrorMessage(connection));
    return connection;
}

static void must(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        die(sql, PQerrorMessage(connection));
    PQclear(result);
}

/* Rows of one column, "a;b". */
static void ask(PGconn *connection, const char *sql, char *ret_text, size_t size)
{
    PGresult *result = PQexec(connection, sql);
    size_t length = 0;

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        die(sql, PQerrorMessage(connection));
    ret_text[0] = '\0';
    for (int row = 0; row < PQntuples(result) && length < size; row++)
        length +=
            (size_t)snprintf(ret_text + length, size - length, "%s%s", row > 0 ? ";" : "", PQgetvalue(result, row, 0));
    PQclear(result);
}

static int add_row(void *data, int columns, char **values, char **names)
{
    char *text = data;
    size_t length = strlen(text);

    (void)columns;
    (void)names;
    snprintf(text + length, 400 - length, "%s%s", length > 0 ? ";" : "", values[0] == NULL ? "" : values[0]);
    return 0;
}

static void ask_file(const char *path, const char *sql, char ret_text[400])
{
    sqlite3 *db = NULL;
    char *message = NULL;

    ret_text[0] = '\0';
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        die(path, sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 10000);
    if (sqlite3_exec(db, sql, add_row, ret_text, &message) != SQLITE_OK)
        die(path, message);
    sqlite3_close(db);
}

/* ---- tenants ---- */

static enum kind kind_of(int controller, size_t tenant)
{
    enum kind kind = (enum kind)(tenant % KINDS);

    return kind == IN_CONTROLLER && controller == 1 ? IN_FILE : kind;
}

static void file_of(int controller, size_t tenant, char path[160])
{
    snprintf(path, 160, "%s/%d/%04zu/t%zu.db", folder, controller, tenant / 500, tenant);
}

static void postgres_dsn(const char *database, char dsn[400])
{
    char words[300], *rest = words, *word;

    snprintf(words, sizeof(words), "%s", getenv("MTNT_TEST_PG"));
    snprintf(dsn, 400, "postgresql:///%s?application_name=soak", database);
    while ((word = strtok_r(rest, " ", &rest)) != NULL)
        if (strncmp(word, "dbname=", 7) != 0)
            snprintf(dsn + strlen(dsn), 400 - strlen(dsn), "&%s", word);
}

static void controller_dsn(int controller, char dsn[400])
{
    if (controller == 0)
        postgres_dsn(controller_database, dsn);
    else
        snprintf(dsn, 400, "sqlite:%s/controller.db", folder);
}

static mtnt_model *model_of(int controller, size_t tenant)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    char id[24], dsn[400], schema[32], path[160];
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    snprintf(id, sizeof(id), "t%zu", tenant);
    snprintf(schema, sizeof(schema), "c%d_t%zu", controller, tenant);
    if (kind_of(controller, tenant) == IN_FILE) {
        file_of(controller, tenant, path);
        snprintf(dsn, sizeof(dsn), "sqlite:%s", path);
    } else {
        postgres_dsn(kind_of(controller, tenant) == IN_SCHEMA ? models_database : controller_database, dsn);
        options.schema = schema;
    }
    options.id = id;
    options.dsn = dsn;
    if (mtnt_model_new(&model, &options, &err) != 0)
        die(id, err.message);
    return model;
}

static void make_schemas(PGconn *connection, int controller, enum kind kind)
{
    char sql[500];

    for (size_t from = 0; from < count; from += 300) {
        snprintf(
            sql, sizeof(sql),
            "DO $$ BEGIN FOR i IN %zu..%zu LOOP IF i %% %d = %d THEN EXECUTE format('CREATE SCHEMA c%d_t%%s', i); "
            "EXECUTE format('CREATE TABLE c%d_t%%s.model_ledger (operation text, migration text)', i); END IF; END "
            "LOOP; END $$",
            from, from + 299 < count ? from + 299 : count - 1, KINDS, kind, controller, controller);
        must(connection, sql);
    }
}

static void make_files(int controller)
{
    char path[160], ignored[400];

    snprintf(path, sizeof(path), "%s/%d", folder, controller);
    mkdir(path, 0700);
    for (size_t tenant = 0; tenant < count; tenant++) {
        snprintf(path, sizeof(path), "%s/%d/%04zu", folder, controller, tenant / 500);
        mkdir(path, 0700);
        file_of(controller, tenant, path);
        if (kind_of(controller, tenant) == IN_FILE)
            ask_file(path, "PRAGMA synchronous = OFF; CREATE TABLE model_ledger (operation, migration)", ignored);
    }
}

static const char ledger[] = "CREATE TABLE ledger (tenant TEXT, operation TEXT, migration TEXT)";

static void make_all(void)
{
    PGconn *server = reach("postgres"), *models, *controller;
    char sql[200], path[160], ignored[400];

    snprintf(models_database, sizeof(models_database), "mtnt_soak_%d_models", (int)getpid());
    snprintf(controller_database, sizeof(controller_database), "mtnt_soak_%d_controller", (int)getpid());
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", models_database);
    must(server, sql);
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", controller_database);
    must(server, sql);
    PQfinish(server);
    models = reach(models_database);
    controller = reach(controller_database);
    make_schemas(models, 0, IN_SCHEMA);
    make_schemas(models, 1, IN_SCHEMA);
    make_schemas(controller, 0, IN_CONTROLLER);
    must(controller, ledger);
    must(controller, "CREATE INDEX ON ledger (tenant)");
    snprintf(path, sizeof(path), "%s/controller.db", folder);
    ask_file(path, ledger, ignored);
    ask_file(path, "CREATE INDEX ledger_tenant ON ledger (tenant)", ignored);
    make_files(0);
    make_files(1);
    PQfinish(models);
    PQfinish(controller);
}

/* ---- operations ---- */

static int write_both(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    int rc =
        mtnt_db_exec(mtnt_scope_model(context), err, "INSERT INTO model_ledger (operation, migration) VALUES ($1, $2)",
                     MTNT_TEXT(mtnt_operation_name(operation)), MTNT_TEXT(mtnt_context_migration(context)));

    if (rc == 0)
        rc = mtnt_db_exec(mtnt_scope_controller(context), err,
                          "INSERT INTO ledger (tenant, operation, migration) VALUES ($1, $2, $3)",
                          MTNT_TEXT(mtnt_model_id(model)), MTNT_TEXT(mtnt_operation_name(operation)),
                          MTNT_TEXT(mtnt_context_migration(context)));
    return rc;
}

static int take_both_back(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    int rc = mtnt_db_exec(mtnt_scope_model(context), err, "DELETE FROM model_ledger WHERE operation = $1",
                          MTNT_TEXT(mtnt_operation_name(operation)));

    if (rc == 0)
        rc =
            mtnt_db_exec(mtnt_scope_controller(context), err, "DELETE FROM ledger WHERE tenant = $1 AND operation = $2",
                         MTNT_TEXT(mtnt_model_id(model)), MTNT_TEXT(mtnt_operation_name(operation)));
    return rc;
}

static const mtnt_operation_class both_class = {
    MTNT_OPERATION_CLASS_INIT,
    .name = "both",
    .writes = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER,
    .execute = write_both,
    .rollback = take_both_back,
};

static mtnt_chain *make_chain(void)
{
    static const char *const names[OPERATIONS] = {"a", "b", "c", "d"};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_chain *chain = NULL;

    if (mtnt_chain_new(&chain, "soak", &err) != 0)
        die("chain", err.message);
    for (size_t i = 0; i < OPERATIONS; i++) {
        mtnt_entry entry = MTNT_ENTRY_INIT;

        entry.name = names[i];
        if (mtnt_chain_add_entry(chain, &both_class, &entry, &err) != 0)
            die("chain", err.message);
    }
    return chain;
}

/* ---- processes ---- */

struct source {
    int controller;
    size_t next;
};

static int next_tenant(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    struct source *source = data;

    (void)err;
    *ret_model = source->next < count ? model_of(source->controller, source->next++) : NULL;
    return 0;
}

static size_t number_of(const mtnt_model *model)
{
    return (size_t)strtoull(mtnt_model_id(model) + 1, NULL, 10);
}

static void on_event(void *data, const mtnt_event *event)
{
    const struct source *source = data;

    if (event->type == MTNT_EVENT_TENANT_FINISHED && event->result == MTNT_RESULT_MIGRATED)
        shared.moved[(size_t)source->controller * count + number_of(event->tenant)] = 1;
}

static mtnt_controller *open_controller(int controller)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_controller *opened = NULL;
    char dsn[400];

    controller_dsn(controller, dsn);
    for (int tries = 0; tries < 50 && mtnt_controller_open(&opened, dsn, NULL, &err) != 0; tries++)
        usleep(100000);
    return opened;
}

static int run(int controller, bool backward, int64_t steps, mtnt_counts *ret_counts, mtnt_error *err)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    struct source here = {controller, 0};
    mtnt_tenant_source source = {next_tenant, NULL, NULL, &here};
    mtnt_controller *opened = open_controller(controller);
    mtnt_chain *chain = make_chain();
    mtnt_executor *executor = NULL;
    int rc = opened == NULL ? MTNT_E_CONNECT : 0;

    options.workers = WORKERS;
    options.direction = backward ? MTNT_BACKWARD : MTNT_FORWARD;
    options.migration.steps = steps;
    options.reporter = (mtnt_reporter){on_event, &here};
    if (rc == 0)
        rc = mtnt_executor_new(&executor, opened, chain, &options, err);
    if (rc == 0)
        rc = mtnt_executor_migrate(executor, &source, ret_counts, err);
    mtnt_executor_free(executor);
    mtnt_chain_free(chain);
    mtnt_controller_close(opened);
    return rc;
}

static pid_t start_migrator(int controller, bool backward)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_counts counts;
    pid_t child = fork();

    if (child == 0) {
        run(controller, backward, 1, &counts, &err);
        _exit(0);
    }
    return child;
}

/* 0, or the last error of a tenant. */
static int recover_one(mtnt_controller *opened, const mtnt_chain *chain, int controller, size_t tenant, mtnt_error *err)
{
    mtnt_model *model = model_of(controller, tenant);
    mtnt_coordinator *coordinator = NULL;
    int rc = mtnt_coordinator_new(&coordinator, opened, model, chain, NULL, err);

    if (rc == 0)
        rc = mtnt_coordinator_recover(coordinator, err);
    mtnt_coordinator_free(coordinator);
    mtnt_model_free(model);
    return rc;
}

static pid_t start_recoverer(int controller)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_controller *opened;
    mtnt_chain *chain;
    pid_t child = fork();

    if (child != 0)
        return child;
    opened = open_controller(controller);
    chain = make_chain();
    for (size_t i = 0; opened != NULL && !__atomic_load_n(shared.stop, __ATOMIC_SEQ_CST); i++)
        recover_one(opened, chain, controller, (i * 7919 + (size_t)getpid()) % count, &err);
    mtnt_controller_close(opened);
    mtnt_chain_free(chain);
    _exit(0);
}

/* ---- faults ---- */

enum fault { NONE, KILL, STOP, END_SESSIONS, RESTART, FAULTS };

static void end_sessions(void)
{
    PGconn *server = reach("postgres");
    char sql[300];

    snprintf(sql, sizeof(sql),
             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('%s', '%s') AND random() < 0.5",
             models_database, controller_database);
    must(server, sql);
    PQfinish(server);
}

static void restart_server(void)
{
    char script[600];
    int status = 0;
    pid_t child;

    snprintf(script, sizeof(script), "%s/tests/postgres.sh", getenv("MTNT_TEST_SOURCE_DIR"));
    child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", script, "restart", getenv("MTNT_TEST_OWN_SERVER"), (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        die("the server", "was not restarted");
}

static void strike(enum fault fault, pid_t victim)
{
    switch (fault) {
    case KILL: kill(victim, SIGKILL); break;
    case STOP:
        kill(victim, SIGSTOP);
        usleep(200000);
        kill(victim, SIGCONT);
        break;
    case END_SESSIONS: end_sessions(); break;
    case RESTART: restart_server(); break;
    case NONE:
    case FAULTS: break;
    }
}

static bool has_ended(pid_t child, bool wait)
{
    int status;

    return waitpid(child, &status, wait ? 0 : WNOHANG) == child;
}

static void end_of_run(pid_t child)
{
    for (int tries = 0; tries < RUN_PATIENCE_S * 20; tries++) {
        if (has_ended(child, false))
            return;
        usleep(50000);
    }
    kill(child, SIGKILL);
    die("a run", "does not end");
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- a round ---- */

static void read_sides(PGconn *models, PGconn *controllers, int controller, size_t tenant, char model[400],
                       char other[400])
{
    char sql[200], path[160];

    if (kind_of(controller, tenant) == IN_FILE) {
        file_of(controller, tenant, path);
        ask_file(path, "SELECT operation || ' ' || migration FROM model_ledger ORDER BY 1", model);
    } else {
        snprintf(sql, sizeof(sql), "SELECT operation || ' ' || migration FROM c%d_t%zu.model_ledger ORDER BY operation",
                 controller, tenant);
        ask(kind_of(controller, tenant) == IN_SCHEMA ? models : controllers, sql, model, 400);
    }
    snprintf(sql, sizeof(sql),
             "SELECT operation || ' ' || migration FROM ledger WHERE tenant = 't%zu' ORDER BY operation", tenant);
    if (controller == 0) {
        ask(controllers, sql, other, 400);
    } else {
        snprintf(path, sizeof(path), "%s/controller.db", folder);
        ask_file(path, sql, other);
    }
}

/* "a 123;b 456": every operation once, from the first without a gap. */
static int rows_of(const char *text)
{
    int rows = 0;

    for (const char *row = text; *row != '\0'; rows++) {
        if (row[0] != 'a' + rows)
            return -1;
        row += strcspn(row, ";");
        row += *row == ';';
    }
    return rows;
}

static void check_tenant(int controller, size_t tenant, const char *model, const char *other, int step)
{
    unsigned char *before = shared.before + (size_t)controller * count + tenant;
    bool moved = shared.moved[(size_t)controller * count + tenant] != 0;
    int rows = rows_of(model);
    char text[1200];

    snprintf(text, sizeof(text), "controller %d, t%zu: model \"%s\", controller \"%s\", before %d%s", controller,
             tenant, model, other, *before, moved ? ", reported as migrated" : "");
    if (strcmp(model, other) != 0)
        die("the sides disagree", text);
    if (rows < 0 || (rows != *before && rows != *before + step))
        die("it has moved by something else than one operation", text);
    if (moved && step != OPERATIONS && rows != *before + step)
        die("it was said to be done, and is not", text);
    *before = (unsigned char)rows;
}

static void recover_all(int controller)
{
    mtnt_error err = MTNT_ERROR_INIT, last = MTNT_ERROR_INIT;
    mtnt_controller *opened = open_controller(controller);
    mtnt_chain *chain = make_chain();
    int rc = opened == NULL ? MTNT_E_CONNECT : 1;

    /* Sessions and locks of the dead may be there for a while. */
    for (int tries = 0; rc != 0 && opened != NULL && tries < 20; tries++) {
        rc = 0;
        for (size_t tenant = 0; tenant < count; tenant++)
            if (recover_one(opened, chain, controller, tenant, &err) != 0) {
                rc = err.code;
                last = err;
            }
        if (rc != 0)
            usleep(500000);
    }
    if (rc != 0)
        die("it cannot be recovered", last.message);
    mtnt_controller_close(opened);
    mtnt_chain_free(chain);
}

/* What the dead had sent may still arrive, a claim too: everybody has ended, and so will their sessions. */
static void wait_for_sessions(void)
{
    PGconn *controllers = reach(controller_database);
    char left[40] = "";

    for (int tries = 0; tries < 600; tries++) {
        ask(controllers,
            "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'mtnt_soak_%' AND pid <> pg_backend_pid()", left,
            sizeof(left));
        if (strcmp(left, "0") == 0)
            break;
        usleep(50000);
    }
    PQfinish(controllers);
}

/* A PREPARE that has arrived after its migration was settled: of an aborted one, or something is lost. */
static int sweep_gids(PGconn *controllers)
{
    char gids[8000], *rest = gids, *gid, sql[300], found[400];
    int swept = 0;

    ask(controllers, "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'mtnt:%:t%' AND database LIKE 'mtnt_soak_%'",
        gids, sizeof(gids));
    while ((gid = strtok_r(rest, ";", &rest)) != NULL) {
        const char *migration = strrchr(gid, ':') + 1;
        char path[160], database[80];
        PGconn *home;

        snprintf(sql, sizeof(sql), "SELECT state FROM mtnt_migration WHERE migration = '%s'", migration);
        ask(controllers, sql, found, sizeof(found));
        snprintf(path, sizeof(path), "%s/controller.db", folder);
        if (found[0] == '\0')
            ask_file(path, sql, found);
        if (strcmp(found, "aborted") != 0)
            die(gid, found);
        snprintf(sql, sizeof(sql), "SELECT database FROM pg_prepared_xacts WHERE gid = '%s'", gid);
        ask(controllers, sql, database, sizeof(database));
        home = reach(database);
        snprintf(sql, sizeof(sql), "ROLLBACK PREPARED '%s'", gid);
        must(home, sql);
        PQfinish(home);
        swept++;
    }
    return swept;
}

static int check_all(const int steps[CONTROLLERS])
{
    static const char unended[] = "SELECT tenant FROM mtnt_tenant WHERE state <> 'idle' OR owner IS NOT NULL";
    PGconn *models = reach(models_database), *controllers = reach(controller_database);
    char model[400], other[400], path[160];
    int swept = sweep_gids(controllers);

    for (int controller = 0; controller < CONTROLLERS; controller++)
        for (size_t tenant = 0; tenant < count; tenant++) {
            read_sides(models, controllers, controller, tenant, model, other);
            check_tenant(controller, tenant, model, other, steps[controller]);
        }
    ask(controllers, unended, other, sizeof(other));
    if (other[0] != '\0')
        die("left unended", other);
    snprintf(path, sizeof(path), "%s/controller.db", folder);
    ask_file(path, unended, other);
    if (other[0] != '\0')
        die("left unended", other);
    PQfinish(models);
    PQfinish(controllers);
    return swept;
}

static size_t count_moved(void)
{
    size_t moved = 0;

    for (size_t i = 0; i < CONTROLLERS * count; i++)
        moved += shared.moved[i] != 0;
    return moved;
}

static void play(int64_t usual_ms)
{
    static const char *const names[FAULTS] = {"nothing", "kill -9", "stop", "sessions ended", "restart"};
    unsigned int faults = getenv("MTNT_TEST_OWN_SERVER") != NULL ? FAULTS : RESTART;
    pid_t migrators[CONTROLLERS], recoverers[CONTROLLERS];
    int steps[CONTROLLERS], swept;
    int64_t began_ms = now_ms();

    memset(shared.moved, 0, CONTROLLERS * count);
    __atomic_store_n(shared.stop, 0, __ATOMIC_SEQ_CST);
    printf("round %d:", round_number);
    for (int controller = 0; controller < CONTROLLERS; controller++) {
        steps[controller] = random_below(4) == 0 ? -1 : 1;
        migrators[controller] = start_migrator(controller, steps[controller] < 0);
        recoverers[controller] = random_below(2) == 0 ? 0 : start_recoverer(controller);
        printf(" %s%s,", steps[controller] < 0 ? "back" : "forward", recoverers[controller] > 0 ? " and recovery" : "");
    }
    for (int controller = 0; controller < CONTROLLERS; controller++) {
        enum fault fault = (enum fault)random_below(faults);
        int64_t wait_ms = (int64_t)random_below((unsigned int)usual_ms + 1) / CONTROLLERS;

        usleep((useconds_t)(wait_ms * 1000));
        printf(" %s after %lld ms,", names[fault], (long long)(now_ms() - began_ms));
        strike(fault, migrators[controller]);
    }
    for (int controller = 0; controller < CONTROLLERS; controller++)
        end_of_run(migrators[controller]);
    __atomic_store_n(shared.stop, 1, __ATOMIC_SEQ_CST);
    for (int controller = 0; controller < CONTROLLERS; controller++)
        if (recoverers[controller] > 0)
            end_of_run(recoverers[controller]);
    wait_for_sessions();
    for (int controller = 0; controller < CONTROLLERS; controller++)
        recover_all(controller);
    swept = check_all(steps);
    printf(" %zu of %zu migrated, %d late gids, %lld ms\n", count_moved(), CONTROLLERS * count, swept,
           (long long)(now_ms() - began_ms));
    fflush(stdout);
}

static void finish(void)
{
    static const int to_the_end[CONTROLLERS] = {OPERATIONS, OPERATIONS};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_counts counts;

    for (int controller = 0; controller < CONTROLLERS; controller++)
        if (run(controller, false, 0, &counts, &err) != 0 || counts.migrated + counts.current != (int64_t)count)
            die("the last run", err.message);
    memset(shared.moved, 0, CONTROLLERS * count);
    for (size_t i = 0; i < CONTROLLERS * count; i++)
        shared.before[i] = 0;
    check_all(to_the_end);
    for (size_t i = 0; i < CONTROLLERS * count; i++)
        if (shared.before[i] != OPERATIONS)
            die("the last run", "has left a tenant behind");
}

static void clear_away(void)
{
    PGconn *server = reach("postgres");
    char sql[200], path[200];

    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", models_database);
    must(server, sql);
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", controller_database);
    must(server, sql);
    PQfinish(server);
    for (int controller = 0; controller < CONTROLLERS; controller++) {
        for (size_t tenant = 0; tenant < count; tenant++) {
            file_of(controller, tenant, path);
            unlink(path);
        }
        for (size_t part = 0; part <= count / 500; part++) {
            snprintf(path, sizeof(path), "%s/%d/%04zu", folder, controller, part);
            rmdir(path);
        }
        snprintf(path, sizeof(path), "%s/%d", folder, controller);
        rmdir(path);
    }
    snprintf(path, sizeof(path), "%s/controller.db", folder);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const char *given = getenv("MTNT_TEST_SEED"), *wanted = getenv("MTNT_TEST_SOAK"), *where = getenv("TMPDIR");
    const int rounds = 4;
    int64_t began_ms, usual_ms = 0;

    if (getenv("MTNT_TEST_PG") == NULL)
        die("MTNT_TEST_PG", "is not set: see CONTRIBUTING.md");
    /* The short one is the same every day; the long one is another each time. */
    seed = given != NULL ? strtoull(given, NULL, 10) : wanted == NULL ? 20261121 : (uint64_t)time(NULL);
    state = seed * 2654435761u + 1;
    count = (wanted == NULL ? 200 : (size_t)strtoull(wanted, NULL, 10)) / CONTROLLERS;
    printf("MTNT_TEST_SEED=%llu, %zu tenants\n", (unsigned long long)seed, count * CONTROLLERS);
    fflush(stdout);
    snprintf(folder, sizeof(folder), "%s/mtnt-soak-XXXXXX", where != NULL && strlen(where) < 60 ? where : "/tmp");
    if (count == 0 || mkdtemp(folder) == NULL)
        die("folder", "cannot be made");
    shared.stop = shared_bytes(sizeof(*shared.stop));
    shared.before = shared_bytes(CONTROLLERS * count);
    shared.moved = shared_bytes(CONTROLLERS * count);
    make_all();
    for (round_number = 1; round_number <= rounds; round_number++) {
        began_ms = now_ms();
        play(usual_ms);
        if (round_number == 1)
            usual_ms = now_ms() - began_ms;
    }
    finish();
    clear_away();
    printf("everybody at the end, all sides agree\n");
    return 0;
}
