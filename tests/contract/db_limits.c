/* Time: deadlines, statement timeouts, locks that others hold, cancels from another thread. */
#include <pthread.h>

#include "db_contract.h"

#define MAKE "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)"

/* Takes far longer than any test waits. */
static const char *endless(const contract *c)
{
    return c->on == ON_POSTGRES
               ? "SELECT count(*) FROM generate_series(1, 100000000000)"
               : "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0";
}

static mtnt__deadline_ms in_ms(int64_t ms)
{
    return mtnt__deadline_in(mtnt__system_default(), ms);
}

/* ---- cancel ---- */

typedef struct canceller {
    mtnt_db *db;
    int64_t after_ms;
    pthread_t thread;
} canceller;

static void *cancel_later(void *data)
{
    canceller *later = data;

    usleep((useconds_t)later->after_ms * 1000);
    mtnt_db_cancel(later->db);
    return NULL;
}

static void start_cancel(canceller *later, mtnt_db *db, int64_t after_ms)
{
    *later = (canceller){.db = db, .after_ms = after_ms};
    assert_int_equal(pthread_create(&later->thread, NULL, cancel_later, later), 0);
}

static void a_cancel_ends_the_statement(void **state)
{
    contract *c = *state;
    canceller later;
    int64_t start;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    start = contract_now();
    start_cancel(&later, c->db, 150);
    expect_code(c, mtnt_db_exec(c->db, &c->err, endless(c)), MTNT_E_CANCELLED);
    assert_true(contract_now() - start < 3000);
    assert_false(c->err.retryable);
    pthread_join(later.thread, NULL);

    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT 1"), MTNT_E_CANCELLED); /* and every later one */
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_CANCELLED);
    expect_code(c, mtnt__db_begin(c->db, &c->err), MTNT_E_CANCELLED);
    mtnt__db_rollback(c->db);
    mtnt__db_uncancel(c->db);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SELECT 1"));
}

static void a_cancel_ends_a_script(void **state)
{
    contract *c = *state;
    canceller later;
    char sql[400];
    mtnt_script script = {.sql = sql, .file = "a.sql", .line = 1, .column = 1};

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    snprintf(sql, sizeof(sql), "INSERT INTO t VALUES (1, 'a');\n %s;\nINSERT INTO t VALUES (2, 'a')", endless(c));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    start_cancel(&later, c->db, 150);
    expect_code(c, mtnt_db_script(c->db, &script, &c->err), MTNT_E_CANCELLED);
    assert_int_equal(c->err.line, 2);
    pthread_join(later.thread, NULL);
    mtnt__db_rollback(c->db);
    mtnt__db_uncancel(c->db);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void a_cancel_ends_a_wait_for_a_lock(void **state)
{
    contract *c = *state;
    mtnt_db *other = contract_open(c, NULL);
    canceller later;
    int64_t start = contract_now();

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    start_cancel(&later, other, 150);
    if (c->on == ON_POSTGRES) {
        expect_ok(c, mtnt__db_begin(other, &c->err));
        expect_code(c, mtnt_db_exec(other, &c->err, "INSERT INTO t VALUES (1, 'b')"), MTNT_E_CANCELLED);
    } else {
        expect_code(c, mtnt__db_begin(other, &c->err), MTNT_E_CANCELLED);
    }
    assert_true(contract_now() - start < 3000);
    pthread_join(later.thread, NULL);
}

/* A thread that cancels all the time, while the handle connects, works and disconnects. */
static void *cancel_often(void *data)
{
    mtnt_db *db = data;

    for (int i = 0; i < 400; i++) {
        mtnt_db_cancel(db);
        usleep(500);
    }
    return NULL;
}

static void cancels_at_any_time(void **state)
{
    contract *c = *state;
    pthread_t thread;
    int64_t end = contract_now() + 300;

    assert_int_equal(pthread_create(&thread, NULL, cancel_often, c->db), 0);
    while (contract_now() < end) {
        mtnt__db_uncancel(c->db);
        if (mtnt__db_begin(c->db, &c->err) == 0) {
            mtnt_db_exec(c->db, &c->err, "SELECT 1");
            mtnt__db_rollback(c->db);
        }
        mtnt__db_disconnect(c->db);
    }
    pthread_join(thread, NULL);
    mtnt__db_uncancel(c->db);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SELECT 1"));
}

/* ---- deadlines ---- */

static void a_deadline_ends_the_statement(void **state)
{
    contract *c = *state;
    int64_t start = contract_now();

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    mtnt__db_set_deadline(c->db, in_ms(200));
    expect_code(c, mtnt_db_exec(c->db, &c->err, endless(c)), MTNT_E_DEADLINE);
    assert_in_range(contract_now() - start, 200, 3000);
    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT 1"), MTNT_E_DEADLINE);
    mtnt__db_rollback(c->db); /* has a deadline of its own */
    mtnt__db_set_deadline(c->db, 0);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void no_commit_after_the_deadline(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    mtnt__db_set_deadline(c->db, in_ms(1));
    usleep(5000);
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_DEADLINE);
    assert_false(mtnt__db_in_transaction(c->db));
    mtnt__db_set_deadline(c->db, 0);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void a_statement_timeout_is_for_each_statement(void **state)
{
    contract *c = *state;
    const mtnt__db_options options = {.statement_timeout_ms = 300};
    mtnt_db *db = contract_open(c, &options);
    int64_t start;

    expect_ok(c, mtnt__db_begin(db, &c->err));
    for (int i = 0; i < 4; i++) {
        expect_ok(c, mtnt_db_exec(db, &c->err, "SELECT 1"));
        usleep(100000);
    }
    start = contract_now();
    expect_code(c, mtnt_db_exec(db, &c->err, endless(c)), MTNT_E_DEADLINE);
    assert_in_range(contract_now() - start, 200, 3000);
}

static void a_statement_timeout_in_a_script(void **state)
{
    contract *c = *state;
    const mtnt__db_options options = {.statement_timeout_ms = 300};
    mtnt_db *db = contract_open(c, &options);
    char sql[300];
    mtnt_script script = {.sql = sql, .line = 1, .column = 1};
    int64_t start = contract_now();

    snprintf(sql, sizeof(sql), "SELECT 1;\n%s", endless(c));
    expect_ok(c, mtnt__db_begin(db, &c->err));
    expect_code(c, mtnt_db_script(db, &script, &c->err), MTNT_E_DEADLINE);
    assert_true(contract_now() - start < 3000);
}

/* ---- locks ---- */

static void a_lock_is_not_waited_for_long(void **state)
{
    contract *c = *state;
    const mtnt__db_options options = {.lock_timeout_ms = 200};
    mtnt_db *other = contract_open(c, &options);
    int64_t start;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_connect(other, &c->err));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    start = contract_now();
    if (c->on == ON_POSTGRES) {
        expect_ok(c, mtnt__db_begin(other, &c->err));
        expect_code(c, mtnt_db_exec(other, &c->err, "INSERT INTO t VALUES (1, 'b')"), MTNT_E_BUSY);
    } else {
        expect_code(c, mtnt__db_begin(other, &c->err), MTNT_E_BUSY);
    }
    assert_in_range(contract_now() - start, 200, 3000);
    assert_true(c->err.retryable);
    assert_string_equal(c->err.state, c->on == ON_POSTGRES ? "55P03" : "SQLITE_BUSY");
    mtnt__db_rollback(other);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    expect_ok(c, mtnt__db_begin(other, &c->err));
    expect_ok(c, mtnt__db_commit(other, &c->err));
}

/* The lock of mtnt__db_begin_locked: the same key excludes, another does not, and it ends with the transaction. */
static void a_lock_comes_with_begin(void **state)
{
    contract *c = *state;
    const mtnt__db_options options = {.lock_timeout_ms = 200};
    mtnt_db *other = contract_open(c, &options);

    expect_ok(c, mtnt__db_begin_locked(c->db, 4711, &c->err));
    expect_code(c, mtnt__db_begin_locked(other, 4711, &c->err), MTNT_E_BUSY);
    assert_true(c->err.retryable);
    assert_false(mtnt__db_in_transaction(other));
    if (c->on == ON_POSTGRES) {
        expect_ok(c, mtnt__db_begin_locked(other, 4712, &c->err));
        mtnt__db_rollback(other);
    }
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    expect_ok(c, mtnt__db_begin_locked(other, 4711, &c->err));
    expect_ok(c, mtnt__db_commit(other, &c->err));
}

static void outside_a_transaction_too(void **state)
{
    contract *c = *state;
    const mtnt__db_options options = {.lock_timeout_ms = 200};
    mtnt_db *other = contract_open(c, &options);
    int64_t start = contract_now();

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    expect_code(c, mtnt_db_exec(other, &c->err, "INSERT INTO t VALUES (1, 'b')"), MTNT_E_BUSY);
    assert_in_range(contract_now() - start, 200, 3000);
    assert_true(c->err.retryable);
}

/* A reader that stays keeps SQLite's COMMIT from its exclusive lock: a clean failure. */
static void a_commit_that_gets_no_lock_is_rolled_back(void **state)
{
    contract *c = *state;
    const mtnt__db_options options = {.lock_timeout_ms = 200}, reading = {.read_only = true};
    mtnt_db *writer = contract_open(c, &options), *reader = contract_open(c, &reading);

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(reader, &c->err));
    assert_int_equal(contract_number(c, reader, "SELECT count(*) FROM t"), 0);
    expect_ok(c, mtnt__db_begin(writer, &c->err));
    expect_ok(c, mtnt_db_exec(writer, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    expect_code(c, mtnt__db_commit(writer, &c->err), MTNT_E_BUSY);
    assert_true(c->err.retryable);
    assert_false(mtnt__db_in_transaction(writer));
    mtnt__db_rollback(reader);
    assert_int_equal(contract_number(c, reader, "SELECT count(*) FROM t"), 0);
    expect_ok(c, mtnt__db_begin(writer, &c->err));
    expect_ok(c, mtnt_db_exec(writer, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    expect_ok(c, mtnt__db_commit(writer, &c->err));
}

static void *commit_later(void *data)
{
    usleep(150000);
    return (void *)(intptr_t)mtnt__db_commit(data, NULL);
}

static void a_lock_that_comes_free_is_taken(void **state)
{
    contract *c = *state;
    mtnt_db *other = contract_open(c, NULL);
    pthread_t thread;
    void *rc;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    assert_int_equal(pthread_create(&thread, NULL, commit_later, c->db), 0);
    expect_ok(c, mtnt__db_begin(other, &c->err));
    expect_ok(c, mtnt_db_exec(other, &c->err, "UPDATE t SET name = 'b'"));
    expect_ok(c, mtnt_db_exec(other, &c->err, "DELETE FROM t"));
    pthread_join(thread, &rc);
    assert_int_equal((intptr_t)rc, 0);
    expect_ok(c, mtnt__db_commit(other, &c->err));
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(a_cancel_ends_the_statement, ON_ALL),
        CONTRACT(a_cancel_ends_a_script, ON_ALL),
        CONTRACT(a_cancel_ends_a_wait_for_a_lock, ON_ALL),
        CONTRACT(cancels_at_any_time, ON_SQLITE | ON_POSTGRES),
        CONTRACT(a_deadline_ends_the_statement, ON_ALL),
        CONTRACT(no_commit_after_the_deadline, ON_ALL),
        CONTRACT(a_statement_timeout_is_for_each_statement, ON_ALL),
        CONTRACT(a_statement_timeout_in_a_script, ON_ALL),
        CONTRACT(a_lock_is_not_waited_for_long, ON_ALL),
        CONTRACT(a_lock_comes_with_begin, ON_ALL),
        CONTRACT(outside_a_transaction_too, ON_ALL),
        CONTRACT(a_commit_that_gets_no_lock_is_rolled_back, ON_SQLITE | ON_FAKE),
        CONTRACT(a_lock_that_comes_free_is_taken, ON_SQLITE | ON_POSTGRES),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
