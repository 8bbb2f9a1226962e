/* Each allocation fails once: an error is told, nothing leaks, nothing is half done, and the next attempt works. */
#include "db_contract.h"
#include "failing_malloc.h"

static const char *variable(void *data, const char *name)
{
    (void)data;
    return strcmp(name, "tenant") == 0 ? "o'ne\\" : NULL;
}

static int touch(void *data, const mtnt_row *row, mtnt_error *err)
{
    size_t length;

    (void)data;
    mtnt_row_name(row, 0);
    mtnt_row_int(row, 0);
    mtnt_row_real(row, 0);
    if (!mtnt_row_is_null(row, 1) && (!mtnt_row_blob(row, 1, &length) || !mtnt_row_text(row, 1)))
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return 0;
}

static int open_again(contract *c, mtnt_db **ret_db)
{
    const mtnt__db_options options = {.side = MTNT__SIDE_CONTROLLER};

    return mtnt__db_open(ret_db, c->dsn, &options, &c->err);
}

/* Everything that a migration asks of a handle. */
static int work(contract *c, mtnt_db *db)
{
    const mtnt_script script = {.sql = "INSERT INTO t(x) VALUES (:'tenant');\n-- x\nUPDATE t SET x = x || '!';",
                                .variable = variable};
    mtnt__db_facts facts;
    char *text = NULL;
    int64_t number;
    int rc;

    rc = mtnt__db_facts_read(db, &facts, &c->err);
    if (rc == 0)
        rc = mtnt__db_begin(db, &c->err);
    if (rc == 0)
        rc = mtnt__db_run_script(db, &c->err, "CREATE TABLE {schema}.t(id INTEGER, x TEXT, b BYTEA)");
    if (rc == 0)
        rc = mtnt_db_script(db, &script, &c->err);
    if (rc == 0)
        rc = mtnt__db_operation_boundary(db, &c->err);
    if (rc == 0)
        rc = mtnt_db_exec(db, &c->err, "INSERT INTO t(id, x, b) VALUES ($1, $2, $3)", MTNT_INT(5), MTNT_TEXT("abc"),
                          MTNT_BLOB("\0x", 2));
    if (rc == 0)
        rc = mtnt_db_query(db, touch, NULL, &c->err, "SELECT id, b, x FROM t");
    if (rc == 0)
        rc = mtnt_db_query_int(db, &number, &c->err, "SELECT count(*) FROM t WHERE x <> $1", MTNT_TEXT("y"));
    if (rc == 0)
        rc = mtnt_db_query_text(db, &text, &c->err, "SELECT max(x) FROM t");
    mtnt_free(text);
    if (rc == 0)
        rc = mtnt__db_run(db, NULL, NULL, &c->err, "UPDATE {schema}.t SET id = $1",
                          (const mtnt_value[]){MTNT_INT(1), mtnt_value_end()});
    if (rc == 0)
        rc = mtnt__db_commit(db, &c->err);
    return rc;
}

static int attempt_alone(contract *c)
{
    mtnt_db *db = NULL;
    int rc = open_again(c, &db);

    if (rc == 0)
        rc = work(c, db);
    mtnt__db_close(db);
    return rc;
}

/* On SQLite the other file is the model; PostgreSQL has a schema for it. */
static int attempt_pair(contract *c)
{
    mtnt_db *controller = NULL, *model = NULL;
    const mtnt__db_options options = {.schema = "tenant"};
    char dsn[700];
    int rc;

    snprintf(dsn, sizeof(dsn), c->on == ON_SQLITE ? "%.600s.model" : "%.600s", c->dsn);
    rc = mtnt__db_open_pair(&controller, &model, dsn, c->dsn, &options, &c->err);
    if (rc == 0)
        rc = mtnt__db_begin(controller, &c->err);
    if (rc == 0)
        rc = mtnt__db_run(controller, NULL, NULL, &c->err, "CREATE TABLE {schema}.t(x INTEGER)", NULL);
    if (rc == 0)
        rc = mtnt__db_run(model, NULL, NULL, &c->err, "CREATE TABLE {schema}.t(x INTEGER)", NULL);
    if (rc == 0)
        rc = mtnt_db_exec(model, &c->err, "INSERT INTO t VALUES ($1)", MTNT_INT(1));
    if (rc == 0)
        rc = mtnt__db_run(controller, NULL, NULL, &c->err, "DROP TABLE {schema}.t", NULL);
    if (rc == 0)
        rc = mtnt__db_commit(model, &c->err);
    mtnt__db_close(controller);
    mtnt__db_close(model);
    return rc;
}

static bool made(contract *c)
{
    const char *sql = c->on == ON_SQLITE ? "SELECT count(*) FROM sqlite_schema WHERE name = 't'"
                                         : "SELECT count(*) FROM pg_tables WHERE tablename = 't'";
    bool there = contract_number(c, c->db, sql) == 1;

    if (there)
        expect_ok(c, mtnt__db_run_script(c->db, &c->err,
                                         c->on == ON_SQLITE ? "DROP TABLE t" : "DROP TABLE IF EXISTS t, tenant.t"));
    mtnt__db_disconnect(c->db);
    return there;
}

static void fail_each_once(contract *c, int (*attempt)(contract *c))
{
    bool failed = MALLOC_CAN_FAIL;

    for (int i = 0; i < 2; i++) { /* what libraries keep for good */
        expect_ok(c, attempt(c));
        assert_true(made(c));
    }
    for (long n = 1; failed; n++) {
        long before = malloc_live();
        int rc;

        malloc_fail_at(n);
        mtnt_error_clear(&c->err);
        rc = attempt(c);
        failed = malloc_has_failed();
        malloc_fail_at(0);
        if (malloc_live() != before)
            fail_msg("allocation %ld: %ld are left, after %s", n, malloc_live() - before, c->err.message);
        if (rc != 0 && (rc != c->err.code || !c->err.message[0]))
            fail_msg("allocation %ld: %s without an error", n, mtnt_code_name(rc));
        if (made(c) != (rc == 0) && rc != MTNT_E_IN_DOUBT)
            fail_msg("allocation %ld: %s, and it is not so: %s", n, mtnt_code_name(rc), c->err.message);
        /* of looking up a host the C library does not say that it was for memory */
        if (rc != 0 && rc != MTNT_E_NOMEM && rc != MTNT_E_IN_DOUBT && !strstr(c->err.message, "could not translate"))
            fail_msg("allocation %ld: %s %s", n, mtnt_code_name(rc), c->err.message);
        assert_true(failed || rc == 0);
    }
}

static void every_allocation_fails_once(void **state)
{
    fail_each_once(*state, attempt_alone);
}

static void every_allocation_of_a_pair(void **state)
{
    const mtnt__db_options create = {.create = true};
    contract *c = *state;
    char dsn[700];
    mtnt_db *db;

    snprintf(dsn, sizeof(dsn), "%s.model", c->dsn);
    if (c->on == ON_SQLITE) {
        expect_ok(c, mtnt__db_open(&db, dsn, &create, &c->err));
        expect_ok(c, mtnt__db_run_script(db, &c->err, "CREATE TABLE made(x)"));
        mtnt__db_close(db);
    } else {
        pg_run(&c->pg, "CREATE SCHEMA tenant");
    }
    fail_each_once(c, attempt_pair);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(every_allocation_fails_once, ON_SQLITE | ON_POSTGRES),
        CONTRACT(every_allocation_of_a_pair, ON_SQLITE | ON_POSTGRES),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
