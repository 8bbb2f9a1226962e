/* PostgreSQL: schemas, what operations leave in a session, databases by name, connections that are not to be had. */
#include <pthread.h>
#include <sys/resource.h>

#include "db_contract.h"

static mtnt_db *open_on_schema(contract *c, const char *schema)
{
    return contract_open(c, &(mtnt__db_options){.schema = schema});
}

static void expect_text(contract *c, mtnt_db *db, const char *sql, const char *expected)
{
    char *text = NULL;

    expect_ok(c, mtnt_db_query_text(db, &text, &c->err, sql));
    assert_string_equal(text, expected);
    mtnt_free(text);
}

/* ---- schemas ---- */

static void a_schema_of_its_own(void **state)
{
    contract *c = *state;
    mtnt_db *db = open_on_schema(c, "Te\"nant");

    expect_ok(c, mtnt__db_begin(db, &c->err));
    expect_ok(c, mtnt_db_exec(db, &c->err, "CREATE SCHEMA \"Te\"\"nant\"")); /* on the path before it is there */
    expect_ok(c, mtnt_db_exec(db, &c->err, "CREATE TABLE t(x int)"));
    expect_ok(c, mtnt__db_run_script(db, &c->err, "CREATE TABLE {schema}.u(x int)"));
    expect_ok(c, mtnt__db_commit(db, &c->err));
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM pg_tables WHERE schemaname = 'Te\"nant'"), 2);
    expect_ok(c, mtnt_db_exec(db, &c->err, "INSERT INTO t VALUES (1)")); /* outside a transaction too */
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM \"Te\"\"nant\".t"), 1);
}

static void schemas_have_names_of_63_bytes(void **state)
{
    contract *c = *state;
    char name[70];
    mtnt_db *db;

    memset(name, 'x', 64);
    name[64] = '\0';
    expect_code(c, mtnt__db_open(&db, c->dsn, &(mtnt__db_options){.schema = name}, &c->err), MTNT_E_INVALID);
    name[63] = '\0';
    open_on_schema(c, name);
}

static void without_one_it_is_the_role_s(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_run_script(c->db, &c->err, "CREATE TABLE {schema}.t(x int)"));
    assert_int_equal(
        pg_number(&c->pg, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename = 't'"), 1);
    pg_run(&c->pg, "CREATE SCHEMA first; CREATE SCHEMA \"Sec,\"\"ond\"");
    pg_run(&c->pg, "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || "
                   "' SET search_path = nowhere, \"Sec,\"\"ond\", first'; END $$");
    contract_close(c, c->db);
    c->db = contract_open(c, NULL);
    c->other_count = 0; /* it is closed as c->db */
    expect_ok(c, mtnt__db_run_script(c->db, &c->err, "CREATE TABLE {schema}.t(x int)"));
    for (int i = 0; i < 2; i++) {
        expect_ok(c, mtnt__db_begin(c->db, &c->err));
        expect_ok(c, mtnt_db_exec(c->db, &c->err, "SET search_path = public"));
        expect_ok(c, mtnt__db_operation_boundary(c->db, &c->err));
        expect_ok(c, mtnt_db_exec(c->db, &c->err, i ? "CREATE TABLE u(x int)" : "CREATE TABLE v(x int)"));
        expect_ok(c, mtnt__db_commit(c->db, &c->err));
    }
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM pg_tables WHERE schemaname = 'Sec,\"ond'"), 3);
}

/* An operation that makes a schema earlier on the path must not hide what is recorded. */
static void our_tables_are_found_behind_a_new_schema(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_run_script(c->db, &c->err, "CREATE TABLE {schema}.mtnt_meta(x int)"));
    pg_run(&c->pg, "DO $$ BEGIN EXECUTE 'CREATE SCHEMA ' || quote_ident(current_user); END $$");
    mtnt_db *other = contract_open(c, NULL);
    assert_int_equal(contract_number(c, other, "SELECT count(*) FROM {schema}.mtnt_meta"), 0);
    expect_ok(c, mtnt__db_begin(other, &c->err));
    assert_int_equal(contract_number(c, other, "SELECT count(*) FROM {schema}.mtnt_meta"), 0);
}

static void a_path_without_a_schema(void **state)
{
    contract *c = *state;

    pg_run(
        &c->pg,
        "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET search_path = '''''; END $$");
    expect_code(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "SELECT 1 FROM {schema}.t", NULL), MTNT_E_DATABASE);
    expect_message(c, "search_path");
}

/* ---- what an operation leaves ---- */

static void nothing_reaches_the_next_operation(void **state)
{
    static const char *const left[] = {"SET search_path = pg_catalog",
                                       "SET LOCAL search_path = ''",
                                       "SET ROLE other",
                                       "SELECT set_config('search_path', '', false)",
                                       "SET standard_conforming_strings = off",
                                       "SET session_replication_role = replica",
                                       "SET statement_timeout = 1",
                                       "SET lock_timeout = 1",
                                       "SET synchronous_commit = off",
                                       "SET client_encoding = latin1"};
    contract *c = *state;
    mtnt_db *db = open_on_schema(c, "tenant");
    mtnt_script script = {
        .sql = "SELECT pg_sleep(0.01), '\\'; CREATE TABLE ü(x int); DROP TABLE ü", .line = 1, .column = 1};

    pg_run(&c->pg,
           "CREATE SCHEMA tenant; DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'other') THEN "
           "CREATE ROLE other; END IF; END $$");
    expect_ok(c, mtnt__db_begin(db, &c->err));
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        expect_ok(c, mtnt_db_exec(db, &c->err, left[i]));
        expect_ok(c, mtnt__db_operation_boundary(db, &c->err));
        expect_ok(c, mtnt_db_script(db, &script, &c->err));
        expect_ok(c, mtnt_db_exec(db, &c->err, left[i]));
        expect_ok(c, mtnt__db_operation_boundary(db, &c->err));
        expect_text(
            c, db,
            "SELECT current_setting('search_path') || ' ' || (current_user = session_user)::text || ' ' || "
            "current_setting('synchronous_commit') || ' ' || current_setting('session_replication_role') || ' ' || "
            "current_setting('client_encoding') || ' ' || current_setting('lock_timeout')",
            "tenant true on origin UTF8 10s");
    }
    expect_ok(c, mtnt__db_commit(db, &c->err));
}

/* A decision is on disk when it is told: asked at the last moment there is, by a constraint that is checked at COMMIT or PREPARE. */
static void commit_waits_for_the_disk_whatever_an_operation_has_set(void **state)
{
    static const char *const left[] = {"SET synchronous_commit = off", "SET LOCAL synchronous_commit = off",
                                       "INSERT INTO meddled DEFAULT VALUES"};
    contract *c = *state;

    pg_run(
        &c->pg,
        "CREATE TABLE seen(x text DEFAULT 'nobody has looked'); CREATE TABLE meddled(x int);"
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE seen SET x = current_setting('synchronous_commit'); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER look AFTER INSERT ON seen DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look();"
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('synchronous_commit', 'off', false); RETURN NULL; END $$;"
        "CREATE TRIGGER meddle AFTER INSERT ON meddled EXECUTE FUNCTION meddle()");
    for (size_t i = 0; i < 2 * sizeof(left) / sizeof(left[0]); i++) {
        mtnt_script script = {.sql = left[i / 2]};

        expect_ok(c, mtnt__db_begin(c->db, &c->err));
        expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO seen DEFAULT VALUES"));
        expect_ok(c, mtnt_db_script(c->db, &script, &c->err));
        if (i % 2 == 0) {
            expect_ok(c, mtnt__db_commit(c->db, &c->err));
        } else {
            expect_ok(c, mtnt__db_prepare(c->db, "durable", &c->err));
            expect_ok(c, mtnt__db_finish_prepared(c->db, "durable", true, &c->err));
        }
        expect_ok(c, mtnt__db_begin(c->db, &c->err));
        expect_text(c, c->db, "SELECT x FROM seen", "on");
        expect_ok(c, mtnt_db_exec(c->db, &c->err, "DELETE FROM seen"));
        expect_ok(c, mtnt__db_commit(c->db, &c->err));
    }
}

static void nothing_reaches_the_next_transaction(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SET search_path = pg_catalog"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SET enable_seqscan = off"));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_text(c, c->db, "SHOW search_path", "\"$user\", public");
    expect_text(c, c->db, "SHOW enable_seqscan", "on");
}

/* The settings are put before the script: its positions stay its own. */
static void positions_after_a_boundary(void **state)
{
    contract *c = *state;
    mtnt_db *db = open_on_schema(c, "ü");
    mtnt_script script = {.sql = "SELECT 'ü';\nSELECT ü, missing", .file = "a.sql", .line = 1, .column = 1};

    for (int i = 0; i < 2; i++) {
        expect_ok(c, mtnt__db_begin(db, &c->err));
        expect_ok(c, mtnt_db_exec(db, &c->err, "SET work_mem = '1MB'"));
        expect_ok(c, mtnt__db_operation_boundary(db, &c->err));
        script.sql = i ? "SELECT 'ü';\nSELECT 'ü', missing" : "SELECT 'ü';\n\n   SELECT 1/0; SELECT 2";
        expect_code(c, mtnt_db_script(db, &script, &c->err), MTNT_E_DATABASE);
        assert_int_equal(c->err.line, i ? 2 : 3);
        assert_int_equal(c->err.column, i ? 13 : 4);
        mtnt__db_rollback(db);
    }
}

/* ---- statements ---- */

static void transaction_control_that_hides(void **state)
{
    contract *c = *state;
    mtnt_script script = {.sql = "DO $$ BEGIN COMMIT; END $$"};

    pg_run(&c->pg, "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$");
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "CALL p()"), MTNT_E_DATABASE);
    mtnt__db_rollback(c->db);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt_db_script(c->db, &script, &c->err), MTNT_E_DATABASE);
    mtnt__db_rollback(c->db);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "CREATE DATABASE never_made"), MTNT_E_INVALID);
}

static void copy_is_refused_without_harm(void **state)
{
    static const char *const copies[] = {"COPY t FROM STDIN", "COPY t TO STDOUT",
                                         "COPY (SELECT generate_series(1, 100000)) TO STDOUT"};
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, "CREATE TABLE t(x int)"));
    for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
        mtnt_script script = {.sql = copies[i]};

        expect_ok(c, mtnt__db_begin(c->db, &c->err));
        expect_code(c, mtnt_db_exec(c->db, &c->err, copies[i]), MTNT_E_INVALID);
        mtnt__db_rollback(c->db);
        expect_ok(c, mtnt__db_begin(c->db, &c->err));
        expect_code(c, mtnt_db_script(c->db, &script, &c->err), MTNT_E_INVALID);
        mtnt__db_rollback(c->db);
        expect_ok(c, mtnt_db_exec(c->db, &c->err, "SELECT 1"));
    }
}

static int take_bool(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0) * 10 + mtnt_row_int(row, 1) + (int64_t)mtnt_row_real(row, 0) * 100;
    return 0;
}

static void booleans_are_numbers(void **state)
{
    contract *c = *state;
    int64_t number = 0;

    expect_ok(c, mtnt_db_query(c->db, take_bool, &number, &c->err, "SELECT true, false"));
    assert_int_equal(number, 110);
}

static int count_rows(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)row;
    (void)err;
    ++*(int *)data;
    return 0;
}

static long resident_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void rows_do_not_pile_up(void **state)
{
    contract *c = *state;
    long before;
    int rows = 0;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SELECT 1"));
    before = resident_kib();
    expect_ok(
        c, mtnt_db_query(c->db, count_rows, &rows, &c->err, "SELECT repeat('x', 2000) FROM generate_series(1, 50000)"));
    assert_int_equal(rows, 50000);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__clang__) /* which keep freed memory for a while */
    assert_true(resident_kib() - before < 50000);         /* of 100 MB */
#else
    assert_true(resident_kib() >= before);
#endif
}

static void details_and_hints_are_told(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, "CREATE TABLE t(id int PRIMARY KEY)"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1)"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1)"), MTNT_E_DATABASE);
    expect_message(c, "Key (id)=(1) already exists.");
    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT idd FROM t"), MTNT_E_DATABASE);
    expect_message(c, "Perhaps you meant");
    expect_code(c, mtnt_db_exec(c->db, &c->err, "DO $$ BEGIN RAISE EXCEPTION E'two\\nlines'; END $$"), MTNT_E_DATABASE);
    assert_string_equal(c->err.state, "P0001");
}

static void conflicts_may_be_tried_again(void **state)
{
    static const struct {
        const char *state;
        int code;
        bool retryable;
    } cases[] = {
        {"40001", MTNT_E_DATABASE, true},   {"40P01", MTNT_E_DATABASE, true},  {"55P03", MTNT_E_BUSY, true},
        {"57P03", MTNT_E_CONNECT, true},    {"53300", MTNT_E_CONNECT, true},   {"08006", MTNT_E_CONNECT, true},
        {"57014", MTNT_E_CANCELLED, false}, {"23505", MTNT_E_DATABASE, false}, {"53100", MTNT_E_IO, false},
        {"XX001", MTNT_E_CORRUPT, false},   {"42501", MTNT_E_DATABASE, false}, {"25006", MTNT_E_INVALID, false}};
    contract *c = *state;
    char sql[200];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(sql, sizeof(sql), "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '%s'; END $$", cases[i].state);
        expect_code(c, mtnt_db_exec(c->db, &c->err, sql), cases[i].code);
        assert_string_equal(c->err.state, cases[i].state);
        assert_int_equal(c->err.retryable, cases[i].retryable);
    }
}

/* ---- connecting ---- */

static int connect_to(contract *c, const char *dsn, const mtnt__db_options *options)
{
    mtnt_db *db;
    int rc;

    expect_ok(c, mtnt__db_open(&db, dsn, options, &c->err));
    mtnt_error_clear(&c->err);
    rc = mtnt__db_connect(db, &c->err);
    mtnt__db_close(db);
    return rc;
}

static void connections_that_are_not_to_be_had(void **state)
{
    contract *c = *state;
    char dsn[600];
    bool exists = true;

    pg_dsn("mtnt_nowhere", dsn, sizeof(dsn));
    expect_code(c, connect_to(c, dsn, NULL), MTNT_E_NOT_FOUND);
    assert_string_equal(c->err.state, "3D000");
    expect_message(c, "mtnt_nowhere");
    assert_false(c->err.retryable);
    expect_ok(c, mtnt__db_exists(dsn, NULL, &exists, &c->err));
    assert_false(exists);
    expect_ok(c, mtnt__db_exists(c->dsn, NULL, &exists, &c->err));
    assert_true(exists);
    expect_ok(c, mtnt__db_exists(c->dsn, &(mtnt__db_options){.schema = "nowhere"}, &exists, &c->err));
    assert_false(exists);
    expect_ok(c, mtnt__db_exists(c->dsn, &(mtnt__db_options){.schema = "public"}, &exists, &c->err));
    assert_true(exists);

    expect_code(c, connect_to(c, "postgresql://u:s3cret@127.0.0.1:1/d", NULL), MTNT_E_CONNECT);
    assert_true(c->err.retryable);
    assert_string_equal(c->err.state, "08001");
    expect_message(c, "postgresql://u@127.0.0.1:1/d: ");
    assert_null(strstr(c->err.message, "s3cret"));
    assert_null(strchr(c->err.message, '\n'));
    expect_code(c, mtnt__db_exists("postgresql://u@127.0.0.1:1/d", NULL, &exists, &c->err), MTNT_E_CONNECT);

    snprintf(dsn, sizeof(dsn), "%.500s&user=mtnt_nobody", c->dsn);
    expect_code(c, connect_to(c, dsn, NULL), MTNT_E_CONNECT);
    assert_false(c->err.retryable);
    assert_string_equal(c->err.state, "28000");
    expect_message(c, "mtnt_nobody");
    expect_code(c, connect_to(c, "postgresql:///d?host=/nowhere", NULL), MTNT_E_CONNECT);
}

/* All slots are taken: by the role's own limit here, and the server says the same of its own. One that is given back meanwhile is had. */
static void *give_back_later(void *db)
{
    usleep(300000);
    mtnt__db_disconnect(db);
    return NULL;
}

static void no_connection_is_free(void **state)
{
    contract *c = *state;
    mtnt__db_options soon = {.connect_timeout_ms = 250}, patient = {.connect_timeout_ms = 30000};
    pthread_t thread;
    char dsn[600];
    mtnt_db *first;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, "DROP ROLE IF EXISTS mtnt_few"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "CREATE ROLE mtnt_few LOGIN CONNECTION LIMIT 1"));
    snprintf(dsn, sizeof(dsn), "%.500s&user=mtnt_few", c->dsn);
    expect_ok(c, mtnt__db_open(&first, dsn, &patient, &c->err));
    expect_ok(c, mtnt__db_connect(first, &c->err));
    expect_code(c, connect_to(c, dsn, &soon), MTNT_E_CONNECT);
    assert_true(c->err.retryable);
    assert_string_equal(c->err.state, "53300");
    expect_message(c, "too many connections for role");
    expect_message(
        c, "no connection was free for 250 ms: use fewer workers, limit the connections, or raise max_connections");
    assert_int_equal(pthread_create(&thread, NULL, give_back_later, first), 0);
    expect_ok(c, connect_to(c, dsn, &patient));
    pthread_join(thread, NULL);
    mtnt__db_close(first);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "DROP ROLE mtnt_few"));
}

/* 192.0.2.0/24 answers nobody. */
static void a_server_that_does_not_answer(void **state)
{
    contract *c = *state;
    const mtnt__db_options options = {.connect_timeout_ms = 300};
    int64_t start = contract_now();
    mtnt_db *db;

    expect_code(c, connect_to(c, "postgresql://u@192.0.2.1/d", &options), MTNT_E_CONNECT);
    assert_true(contract_now() - start < 3000);
    expect_ok(c, mtnt__db_open(&db, "postgresql://u@192.0.2.1/d", NULL, &c->err));
    mtnt__db_set_deadline(db, mtnt__deadline_in(mtnt__system_default(), 300));
    start = contract_now();
    assert_int_not_equal(mtnt__db_connect(db, &c->err), 0);
    assert_true(c->err.code == MTNT_E_DEADLINE || c->err.code == MTNT_E_CONNECT); /* no route: refused at once */
    assert_true(contract_now() - start < 3000);
    mtnt__db_close(db);
}

/* ---- databases by name ---- */

static void databases_by_name(void **state)
{
    contract *c = *state;
    char first[80], second[80], dsn[600];
    bool exists;

    snprintf(first, sizeof(first), "%.40s \"A'", c->pg.name);
    snprintf(second, sizeof(second), "%.40s_b", c->pg.name);
    pg_dsn("unimportant", dsn, sizeof(dsn));
    expect_ok(c, mtnt__postgres_create_database(dsn, first, NULL, &c->err));
    expect_code(c, mtnt__postgres_create_database(dsn, first, NULL, &c->err), MTNT_E_EXISTS);
    expect_code(c, mtnt__postgres_rename_database(dsn, first, c->pg.name, NULL, &c->err), MTNT_E_EXISTS);
    expect_code(c, mtnt__postgres_rename_database(dsn, "mtnt_nowhere", second, NULL, &c->err), MTNT_E_NOT_FOUND);
    expect_ok(c, mtnt__postgres_rename_database(dsn, first, second, NULL, &c->err));
    pg_dsn(second, dsn, sizeof(dsn));
    expect_ok(c, mtnt__db_exists(dsn, NULL, &exists, &c->err));
    assert_true(exists);
    expect_ok(c, mtnt__postgres_drop_database(dsn, second, NULL, &c->err));
    expect_ok(c, mtnt__postgres_drop_database(dsn, second, NULL, &c->err));
    expect_ok(c, mtnt__db_exists(dsn, NULL, &exists, &c->err));
    assert_false(exists);
}

static void a_database_in_use(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_connect(c->db, &c->err));
    expect_code(c, mtnt__postgres_rename_database(c->dsn, c->pg.name, "mtnt_never", NULL, &c->err), MTNT_E_BUSY);
    assert_true(c->err.retryable);
    expect_code(c, mtnt__postgres_drop_database(c->dsn, c->pg.name, NULL, &c->err), MTNT_E_BUSY);
}

static void names_of_databases(void **state)
{
    contract *c = *state;
    char name[70];

    memset(name, 'x', 64);
    name[64] = '\0';
    expect_code(c, mtnt__postgres_create_database(c->dsn, name, NULL, &c->err), MTNT_E_INVALID);
    expect_code(c, mtnt__postgres_create_database(c->dsn, "", NULL, &c->err), MTNT_E_INVALID);
    expect_code(c, mtnt__postgres_drop_database("sqlite:x", "y", NULL, &c->err), MTNT_E_INVALID);
    assert_int_equal(mtnt__postgres_create_database(c->dsn, c->pg.name, NULL, NULL), MTNT_E_EXISTS);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(a_schema_of_its_own, ON_POSTGRES),
        CONTRACT(schemas_have_names_of_63_bytes, ON_POSTGRES),
        CONTRACT(without_one_it_is_the_role_s, ON_POSTGRES),
        CONTRACT(our_tables_are_found_behind_a_new_schema, ON_POSTGRES),
        CONTRACT(a_path_without_a_schema, ON_POSTGRES),
        CONTRACT(nothing_reaches_the_next_operation, ON_POSTGRES),
        CONTRACT(commit_waits_for_the_disk_whatever_an_operation_has_set, ON_POSTGRES),
        CONTRACT(nothing_reaches_the_next_transaction, ON_POSTGRES),
        CONTRACT(positions_after_a_boundary, ON_POSTGRES),
        CONTRACT(transaction_control_that_hides, ON_POSTGRES),
        CONTRACT(copy_is_refused_without_harm, ON_POSTGRES),
        CONTRACT(booleans_are_numbers, ON_POSTGRES),
        CONTRACT(rows_do_not_pile_up, ON_POSTGRES),
        CONTRACT(details_and_hints_are_told, ON_POSTGRES),
        CONTRACT(conflicts_may_be_tried_again, ON_POSTGRES),
        CONTRACT(connections_that_are_not_to_be_had, ON_POSTGRES),
        CONTRACT(no_connection_is_free, ON_POSTGRES),
        CONTRACT(a_server_that_does_not_answer, ON_POSTGRES),
        CONTRACT(databases_by_name, ON_POSTGRES),
        CONTRACT(a_database_in_use, ON_POSTGRES),
        CONTRACT(names_of_databases, ON_POSTGRES),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
