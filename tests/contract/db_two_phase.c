/* Prepared transactions, and answers that never came. */
#include <pthread.h>

#include "db_contract.h"

#define MAKE "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)"

static int64_t prepared_count(contract *c)
{
    return c->on == ON_FAKE
               ? fake_prepared_count(c->fake)
               : pg_number(&c->pg, "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()");
}

static void begin_with_row(contract *c, mtnt_db *db, int id)
{
    expect_ok(c, mtnt__db_begin(db, &c->err));
    expect_ok(c, mtnt_db_exec(db, &c->err, "INSERT INTO t VALUES ($1, 'a')", MTNT_INT(id)));
}

/* ---- prepared transactions ---- */

static void prepare_then_commit(void **state)
{
    contract *c = *state;
    mtnt_db *other = contract_open(c, NULL);

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    begin_with_row(c, c->db, 1);
    expect_ok(c, mtnt__db_prepare(c->db, "mtnt:12345678:acme:1", &c->err));
    assert_false(mtnt__db_in_transaction(c->db));
    assert_int_equal(prepared_count(c), 1);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
    contract_close(c, c->db); /* it outlives its session */
    expect_ok(c, mtnt__db_finish_prepared(other, "mtnt:12345678:acme:1", true, &c->err));
    assert_int_equal(prepared_count(c), 0);
    assert_int_equal(contract_number(c, other, "SELECT count(*) FROM t"), 1);
    expect_code(c, mtnt__db_finish_prepared(other, "mtnt:12345678:acme:1", true, &c->err), MTNT_E_NOT_FOUND);
}

static void prepare_then_roll_back(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    begin_with_row(c, c->db, 1);
    expect_ok(c, mtnt__db_prepare(c->db, "it's \\ 1", &c->err));
    expect_ok(c, mtnt__db_finish_prepared(c->db, "it's \\ 1", false, &c->err));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
    expect_code(c, mtnt__db_finish_prepared(c->db, "it's \\ 1", false, &c->err), MTNT_E_NOT_FOUND);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'b')"));
}

static void prepare_at_the_wrong_time(void **state)
{
    contract *c = *state;
    char longest[300];

    expect_code(c, mtnt__db_prepare(c->db, "x", &c->err), MTNT_E_INVALID);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt__db_finish_prepared(c->db, "x", true, &c->err), MTNT_E_INVALID);
    expect_code(c, mtnt__db_prepare(c->db, "", &c->err), MTNT_E_INVALID);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[200] = '\0';
    expect_code(c, mtnt__db_prepare(c->db, longest, &c->err), MTNT_E_INVALID);
    assert_true(mtnt__db_in_transaction(c->db));
    longest[199] = '\0';
    expect_ok(c, mtnt__db_prepare(c->db, longest, &c->err));
    expect_ok(c, mtnt__db_finish_prepared(c->db, longest, false, &c->err));
}

static void a_name_that_is_taken(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    begin_with_row(c, c->db, 1);
    expect_ok(c, mtnt__db_prepare(c->db, "x", &c->err));
    begin_with_row(c, c->db, 2);
    expect_code(c, mtnt__db_prepare(c->db, "x", &c->err), MTNT_E_EXISTS);
    assert_false(mtnt__db_in_transaction(c->db));
    expect_ok(c, mtnt__db_finish_prepared(c->db, "x", true, &c->err));
    assert_int_equal(contract_number(c, c->db, "SELECT max(id) FROM t"), 1);
}

static void sqlite_has_none(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt__db_prepare(c->db, "x", &c->err), MTNT_E_INVALID);
    assert_true(mtnt__db_in_transaction(c->db));
    mtnt__db_rollback(c->db);
    expect_code(c, mtnt__db_finish_prepared(c->db, "x", true, &c->err), MTNT_E_INVALID);
}

static void a_failed_transaction_is_not_prepared(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    begin_with_row(c, c->db, 1);
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'b')"), MTNT_E_DATABASE);
    expect_code(c, mtnt__db_prepare(c->db, "x", &c->err), MTNT_E_DATABASE);
    assert_int_equal(prepared_count(c), 0);
}

static void what_cannot_be_prepared_is_named(void **state)
{
    static const struct {
        const char *sql, *word;
    } causes[] = {{"CREATE TEMPORARY TABLE x(y int)", "temporary"},
                  {"DECLARE k CURSOR WITH HOLD FOR SELECT 1", "WITH HOLD"},
                  {"LISTEN k", "LISTEN"},
                  {"NOTIFY k", "NOTIFY"},
                  {"SELECT pg_export_snapshot()", "snapshot"}};
    contract *c = *state;

    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        expect_ok(c, mtnt__db_begin(c->db, &c->err));
        expect_ok(c, mtnt_db_exec(c->db, &c->err, causes[i].sql));
        expect_code(c, mtnt__db_prepare(c->db, "x", &c->err), MTNT_E_REFUSED);
        assert_string_equal(c->err.state, "0A000");
        expect_message(c, causes[i].word);
        assert_false(mtnt__db_in_transaction(c->db));
    }
    assert_int_equal(prepared_count(c), 0);
}

static void slots_that_are_used_up(void **state)
{
    contract *c = *state;

    fake_set_max_prepared(c->fake, 0);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt__db_prepare(c->db, "x", &c->err), MTNT_E_REFUSED);
    fake_set_max_prepared(c->fake, 1);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__db_prepare(c->db, "x", &c->err));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt__db_prepare(c->db, "y", &c->err), MTNT_E_BUSY);
    assert_true(c->err.retryable);
}

/* Several at one gid: one of them ends it, the others hear "is busy" for a while and then that it is gone. */
typedef struct finisher {
    contract *c;
    mtnt_db *db;
    int rc;
    pthread_t thread;
} finisher;

static void *finish(void *data)
{
    finisher *f = data;
    mtnt_error err = MTNT_ERROR_INIT;

    do
        f->rc = mtnt__db_finish_prepared(f->db, "race", true, &err);
    while (f->rc == MTNT_E_BUSY && err.retryable);
    return NULL;
}

static void two_may_finish_at_once(void **state)
{
    contract *c = *state;
    finisher f[4];

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    for (int i = 0; i < 4; i++) {
        f[i] = (finisher){.c = c, .db = contract_open(c, NULL)};
        expect_ok(c, mtnt__db_connect(f[i].db, &c->err));
    }
    for (int round = 0; round < 20; round++) {
        int done = 0;

        begin_with_row(c, c->db, round);
        expect_ok(c, mtnt__db_prepare(c->db, "race", &c->err));
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&f[i].thread, NULL, finish, &f[i]), 0);
        for (int i = 0; i < 4; i++) {
            pthread_join(f[i].thread, NULL);
            assert_true(f[i].rc == 0 || f[i].rc == MTNT_E_NOT_FOUND);
            done += f[i].rc == 0;
        }
        assert_int_equal(done, 1);
    }
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 20);
}

/* ---- lost connections ---- */

static void lose(contract *c, fake_kind next)
{
    if (c->on == ON_FAKE)
        fake_lose(c->fake, next, 1, false);
    else
        pg_terminate_sessions(&c->pg);
}

static void lost_within_a_transaction(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    begin_with_row(c, c->db, 1);
    lose(c, FAKE_QUERY);
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (2, 'a')"), MTNT_E_CONNECT);
    assert_true(c->err.retryable);
    if (c->on == ON_POSTGRES)
        assert_string_equal(c->err.state, "57P01");
    /* never on a new connection, outside the transaction */
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (3, 'a')"), MTNT_E_CONNECT);
    assert_true(mtnt__db_in_transaction(c->db));
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_CONNECT);
    assert_false(mtnt__db_in_transaction(c->db));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0); /* connects again */
}

static void lost_between_transactions(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    lose(c, FAKE_BEGIN);
    expect_code(c, mtnt__db_begin(c->db, &c->err), MTNT_E_CONNECT);
    assert_true(c->err.retryable);
    assert_false(mtnt__db_in_transaction(c->db));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static void lost_before_a_rollback(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    begin_with_row(c, c->db, 1);
    lose(c, FAKE_ROLLBACK);
    mtnt__db_rollback(c->db);
    assert_false(mtnt__db_in_transaction(c->db));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

/* The server has said so before COMMIT was sent: no doubt. */
static void known_to_be_lost_before_commit(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    begin_with_row(c, c->db, 1);
    pg_terminate_sessions(&c->pg);
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_CONNECT);
    assert_true(c->err.retryable);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void *terminate_when_blocked(void *data)
{
    contract *c = data;

    usleep(300000);
    pg_terminate_sessions(&c->pg);
    return NULL;
}

/* A deferred trigger keeps COMMIT from ending while the session is killed. */
static void make_slow_commit(contract *c)
{
    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    pg_run(
        &c->pg,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NULL; END $$; "
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()");
}

static void lost_in_commit(void **state)
{
    contract *c = *state;
    pthread_t thread;

    make_slow_commit(c);
    begin_with_row(c, c->db, 1);
    assert_int_equal(pthread_create(&thread, NULL, terminate_when_blocked, c), 0);
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_IN_DOUBT);
    assert_false(c->err.retryable);
    assert_false(mtnt__db_in_transaction(c->db));
    pthread_join(thread, NULL);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void cancelled_in_commit(void **state)
{
    contract *c = *state;

    make_slow_commit(c);
    begin_with_row(c, c->db, 1);
    mtnt__db_set_deadline(c->db, mtnt__deadline_in(mtnt__system_default(), 300));
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_DEADLINE); /* the server has answered: it did not happen */
    mtnt__db_set_deadline(c->db, 0);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void answers_that_are_lost(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    for (int done = 0; done < 2; done++) {
        begin_with_row(c, c->db, 1 + done);
        fake_lose(c->fake, FAKE_COMMIT, 1, done);
        expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_IN_DOUBT);
        assert_false(c->err.retryable);
        assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), done);

        begin_with_row(c, c->db, 11 + done);
        fake_lose(c->fake, FAKE_PREPARE, 1, done);
        expect_code(c, mtnt__db_prepare(c->db, "x", &c->err), MTNT_E_IN_DOUBT);
        assert_int_equal(fake_is_prepared(c->fake, "x"), done);
    }
    fake_lose(c->fake, FAKE_FINISH, 1, false);
    expect_code(c, mtnt__db_finish_prepared(c->db, "x", true, &c->err), MTNT_E_IN_DOUBT);
    assert_true(fake_is_prepared(c->fake, "x"));
    fake_lose(c->fake, FAKE_FINISH, 1, true);
    expect_code(c, mtnt__db_finish_prepared(c->db, "x", true, &c->err), MTNT_E_IN_DOUBT);
    assert_false(fake_is_prepared(c->fake, "x"));
    assert_int_equal(contract_number(c, c->db, "SELECT max(id) FROM t"), 12);
}

static void the_fake_fails_what_it_is_told(void **state)
{
    contract *c = *state;
    const fake_call *calls;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    fake_forget(c->fake);
    fake_fail(c->fake, FAKE_QUERY, 2, MTNT_E_BUSY, true);
    begin_with_row(c, c->db, 1);
    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT 2"), MTNT_E_BUSY);
    assert_true(c->err.retryable);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SELECT 3"));
    fake_fail_always(c->fake, FAKE_ANY, MTNT_E_IO, false);
    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT 4"), MTNT_E_IO);
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_IO);
    assert_int_equal(fake_count(c->fake, FAKE_QUERY), 4);
    assert_int_equal(fake_count(c->fake, FAKE_COMMIT), 1);
    assert_int_equal(fake_calls(c->fake, &calls), 8);
    assert_int_equal(calls[0].kind, FAKE_BEGIN);
    assert_string_equal(calls[2].text, "SELECT 2");
    assert_int_equal(calls[2].code, MTNT_E_BUSY);
    assert_int_equal(calls[6].kind, FAKE_ROLLBACK);
    fake_forget(c->fake);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(prepare_then_commit, ON_POSTGRES | ON_FAKE),
        CONTRACT(prepare_then_roll_back, ON_POSTGRES | ON_FAKE),
        CONTRACT(prepare_at_the_wrong_time, ON_POSTGRES | ON_FAKE),
        CONTRACT(a_name_that_is_taken, ON_POSTGRES | ON_FAKE),
        CONTRACT(sqlite_has_none, ON_SQLITE),
        CONTRACT(a_failed_transaction_is_not_prepared, ON_POSTGRES),
        CONTRACT(what_cannot_be_prepared_is_named, ON_POSTGRES),
        CONTRACT(slots_that_are_used_up, ON_FAKE),
        CONTRACT(two_may_finish_at_once, ON_POSTGRES),
        CONTRACT(lost_within_a_transaction, ON_POSTGRES | ON_FAKE),
        CONTRACT(lost_between_transactions, ON_POSTGRES | ON_FAKE),
        CONTRACT(lost_before_a_rollback, ON_POSTGRES | ON_FAKE),
        CONTRACT(known_to_be_lost_before_commit, ON_POSTGRES),
        CONTRACT(lost_in_commit, ON_POSTGRES),
        CONTRACT(cancelled_in_commit, ON_POSTGRES),
        CONTRACT(answers_that_are_lost, ON_FAKE),
        CONTRACT(the_fake_fails_what_it_is_told, ON_FAKE),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
