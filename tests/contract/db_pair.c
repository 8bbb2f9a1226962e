/* Two handles on one transaction: SQLite with an attached controller, PostgreSQL with a schema for each tenant. */
#include <sys/stat.h>

#include "db_contract.h"

typedef struct pair {
    mtnt_db *controller, *model;
    char controller_dsn[600], model_dsn[600];
} pair;

static void make_file(contract *c, const char *name, const char *sql, char *ret_dsn)
{
    const mtnt__db_options create = {.create = true};
    mtnt_db *db;

    snprintf(ret_dsn, 600, "sqlite:%s", scratch_path(c->files, name));
    expect_ok(c, mtnt__db_open(&db, ret_dsn, &create, &c->err));
    expect_ok(c, mtnt__db_run_script(db, &c->err, sql));
    mtnt__db_close(db);
}

#define CONTROLLER_TABLES "CREATE TABLE customers(id TEXT PRIMARY KEY, seats INTEGER); CREATE TABLE shared(x TEXT)"
#define MODEL_TABLES "CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT); CREATE TABLE shared(x TEXT)"

static pair open_pair(contract *c)
{
    mtnt__db_options options = {.lock_timeout_ms = 300};
    pair p = {0};

    if (c->on == ON_SQLITE) {
        make_file(c, "controller.db", CONTROLLER_TABLES, p.controller_dsn);
        make_file(c, "model.db", MODEL_TABLES, p.model_dsn);
    } else {
        pg_run(&c->pg, CONTROLLER_TABLES);
        pg_run(&c->pg, "CREATE SCHEMA \"te\"\"nant\"; SET search_path = \"te\"\"nant\"; " MODEL_TABLES);
        snprintf(p.controller_dsn, sizeof(p.controller_dsn), "%s", c->dsn);
        snprintf(p.model_dsn, sizeof(p.model_dsn), "%s", c->dsn);
        options.schema = "te\"nant";
    }
    expect_ok(c, mtnt__db_open_pair(&p.controller, &p.model, p.controller_dsn, p.model_dsn, &options, &c->err));
    contract_adopt(c, p.controller);
    contract_adopt(c, p.model);
    return p;
}

static int64_t rows(contract *c, const char *dsn, const char *table, const char *schema)
{
    const mtnt__db_options options = {.schema = schema};
    char sql[100];
    int64_t count;
    mtnt_db *db;

    expect_ok(c, mtnt__db_open(&db, dsn, &options, &c->err));
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM {schema}.%s", table);
    count = contract_number(c, db, sql);
    mtnt__db_close(db);
    return count;
}

static int64_t model_rows(contract *c, const pair *p, const char *table)
{
    return rows(c, p->model_dsn, table, c->on == ON_POSTGRES ? "te\"nant" : NULL);
}

static void one_commit_for_both(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    expect_ok(c, mtnt__db_begin(p.model, &c->err));
    assert_true(mtnt__db_in_transaction(p.controller));
    expect_code(c, mtnt__db_begin(p.controller, &c->err), MTNT_E_INVALID);
    expect_ok(c, mtnt_db_exec(p.controller, &c->err, "INSERT INTO customers VALUES ('acme', 3)"));
    expect_ok(c, mtnt_db_exec(p.model, &c->err, "INSERT INTO settings VALUES ('seats', '3')"));
    expect_ok(c, mtnt__db_commit(p.controller, &c->err));
    assert_false(mtnt__db_in_transaction(p.model));
    assert_int_equal(rows(c, p.controller_dsn, "customers", NULL), 1);
    assert_int_equal(model_rows(c, &p, "settings"), 1);
}

static void one_rollback_for_both(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    expect_ok(c, mtnt__db_begin(p.controller, &c->err));
    expect_ok(c, mtnt_db_exec(p.controller, &c->err, "INSERT INTO customers VALUES ('acme', 3)"));
    expect_ok(c, mtnt_db_exec(p.model, &c->err, "INSERT INTO settings VALUES ('seats', '3')"));
    mtnt__db_rollback(p.model);
    assert_false(mtnt__db_in_transaction(p.controller));
    assert_int_equal(rows(c, p.controller_dsn, "customers", NULL), 0);
    assert_int_equal(model_rows(c, &p, "settings"), 0);
}

static void an_unqualified_name_is_the_own_side_s(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);
    mtnt_script script = {
        .sql = "CREATE TABLE mine(x INTEGER); INSERT INTO shared VALUES ('model'); INSERT INTO mine VALUES (1)"};

    expect_ok(c, mtnt__db_begin(p.model, &c->err));
    expect_ok(c, mtnt_db_script(p.model, &script, &c->err));
    if (c->on == ON_POSTGRES) {
        expect_ok(c, mtnt_db_exec(p.controller, &c->err, "INSERT INTO shared VALUES ($1)", MTNT_TEXT("controller")));
        script.sql = "INSERT INTO shared VALUES ('controller'); CREATE TABLE theirs(x INTEGER)";
        expect_ok(c, mtnt_db_script(p.controller, &script, &c->err));
        expect_ok(c, mtnt_db_exec(p.model, &c->err, "INSERT INTO shared VALUES ($1)", MTNT_TEXT("model")));
    } else {
        expect_ok(c, mtnt_db_exec(p.controller, &c->err,
                                  "INSERT INTO controller.shared VALUES ('controller'), ('controller')"));
        expect_ok(c, mtnt_db_exec(p.model, &c->err, "INSERT INTO model.shared VALUES ('model')"));
        expect_ok(c, mtnt_db_exec(p.controller, &c->err, "CREATE TABLE controller.theirs(x INTEGER)"));
    }
    assert_int_equal(contract_number(c, p.controller, "SELECT count(*) FROM {schema}.shared WHERE x = 'controller'"),
                     2);
    assert_int_equal(contract_number(c, p.model, "SELECT count(*) FROM {schema}.shared WHERE x = 'model'"), 2);
    expect_ok(c, mtnt__db_commit(p.model, &c->err));
    assert_int_equal(rows(c, p.controller_dsn, "theirs", NULL), 0);
    assert_int_equal(model_rows(c, &p, "mine"), 1);
}

static void bookkeeping_names_its_side(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    expect_ok(c, mtnt__db_begin(p.model, &c->err));
    expect_ok(c, mtnt__db_run_script(p.controller, &c->err, "CREATE TABLE {schema}.mtnt_x(y INTEGER)"));
    expect_ok(c, mtnt__db_run_script(p.model, &c->err, "CREATE TABLE {schema}.mtnt_x(y INTEGER)"));
    expect_ok(c, mtnt__db_run(p.controller, NULL, NULL, &c->err, "INSERT INTO {schema}.mtnt_x VALUES (1)", NULL));
    expect_ok(c, mtnt__db_commit(p.model, &c->err));
    assert_int_equal(rows(c, p.controller_dsn, "mtnt_x", NULL), 1);
    assert_int_equal(model_rows(c, &p, "mtnt_x"), 0);
}

static void handles_are_closed_one_by_one(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    expect_ok(c, mtnt__db_begin(p.model, &c->err));
    expect_ok(c, mtnt_db_exec(p.model, &c->err, "INSERT INTO settings VALUES ('a', 'b')"));
    contract_close(c, p.controller);
    expect_ok(c, mtnt__db_commit(p.model, &c->err));
    contract_close(c, p.model);
    assert_int_equal(model_rows(c, &p, "settings"), 1);
}

static void sides_must_fit(void **state)
{
    contract *c = *state;
    mtnt_db *a = NULL, *b = NULL;

    expect_code(c, mtnt__db_open_pair(&a, &b, "sqlite:a", "postgresql:///b", NULL, &c->err), MTNT_E_INVALID);
    expect_code(c, mtnt__db_open_pair(&a, &b, "mysql:a", "postgresql:///b", NULL, &c->err), MTNT_E_INVALID);
    assert_null(a);
    assert_null(b);
}

/* ---- SQLite: one connection, so the sides have to be kept apart ---- */

static void expect_denied(contract *c, mtnt_db *db, const char *sql, const char *part)
{
    mtnt_script script = {.sql = sql, .file = "a.sql", .line = 1, .column = 1};

    expect_code(c, mtnt_db_exec(db, &c->err, sql), MTNT_E_INVALID);
    expect_message(c, part);
    expect_code(c, mtnt_db_script(db, &script, &c->err), MTNT_E_INVALID);
    expect_message(c, part);
    assert_int_equal(c->err.line, 1);
}

static void the_other_side_is_out_of_reach(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    expect_ok(c, mtnt__db_begin(p.model, &c->err));
    expect_denied(c, p.model, "SELECT * FROM customers", "`customers` is the controller's");
    expect_denied(c, p.model, "INSERT INTO controller.shared VALUES ('x')", "`shared` is the controller's");
    expect_denied(c, p.model, "CREATE TABLE controller.x(y)", "change the controller's tables");
    expect_denied(c, p.model, "DROP TABLE customers", "controller's");
    expect_denied(c, p.model, "ALTER TABLE customers ADD COLUMN x", "controller's");
    expect_denied(c, p.controller, "SELECT x FROM shared",
                  "`shared` exists on both sides: the model's would be meant; write controller.shared");
    expect_denied(c, p.controller, "INSERT INTO shared VALUES ('x')", "write controller.shared");
    expect_denied(c, p.controller, "SELECT * FROM settings", "`settings` would be the model's");
    expect_denied(c, p.controller, "UPDATE model.settings SET value = 1", "model's");
    expect_denied(c, p.controller, "CREATE TABLE fresh(y)", "write controller. before the name");
    expect_denied(c, p.controller, "DROP TABLE shared", "write controller. before the name");
    expect_denied(c, p.controller, "ATTACH 'x' AS y", "ATTACH");
    expect_denied(c, p.model, "DETACH controller", "DETACH");
    assert_int_equal(contract_number(c, p.model, "SELECT count(*) FROM {schema}.shared"), 0);
    assert_int_equal(contract_number(c, p.controller, "SELECT count(*) FROM {schema}.shared"), 0);
}

/* `@` in step is where the schema stands. */
static void on_side(const char *step, const char *schema, char *ret_sql)
{
    for (*ret_sql = '\0'; *step; step++)
        sprintf(ret_sql + strlen(ret_sql), "%s%c", *step == '@' ? schema : "", *step == '@' ? ' ' : *step);
}

/* What SQLite itself does behind a statement stays on the statement's side. */
static void ddl_on_either_side(void **state)
{
    static const char *const steps[] = {
        "CREATE TABLE @a(id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT, y TEXT)",
        "CREATE INDEX @a_x ON a(x)",
        "CREATE TRIGGER @a_t AFTER INSERT ON a BEGIN UPDATE a SET y = 'seen' WHERE id = NEW.id; END",
        "CREATE VIEW @v AS SELECT x, y FROM a",
        "INSERT INTO @a(x) VALUES ('1')",
        "ALTER TABLE @a ADD COLUMN z TEXT",
        "ALTER TABLE @a RENAME COLUMN x TO xx",
        "ALTER TABLE @a RENAME TO b",
        "CREATE TABLE @c AS SELECT * FROM @b",
        "INSERT INTO @b(xx) SELECT j.value FROM json_each('[1,2]') AS j",
        "DELETE FROM @b WHERE xx IN (SELECT y FROM @v)",
        "ANALYZE @b",
        "REINDEX @a_x",
        "DROP VIEW @v",
        "DROP INDEX @a_x",
        "DROP TRIGGER @a_t",
        "ALTER TABLE @b DROP COLUMN z",
        "DROP TABLE @c",
    };
    contract *c = *state;
    pair p = open_pair(c);
    char sql[300];

    expect_ok(c, mtnt__db_begin(p.model, &c->err));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        on_side(steps[i], "controller.", sql);
        expect_ok(c, mtnt_db_exec(p.controller, &c->err, sql));
        on_side(steps[i], "", sql);
        expect_ok(c, mtnt_db_exec(p.model, &c->err, sql));
    }
    assert_int_equal(contract_number(c, p.controller, "SELECT count(*) FROM {schema}.b"), 3);
    assert_int_equal(contract_number(c, p.model, "SELECT count(*) FROM {schema}.b"), 3);
    assert_int_equal(contract_number(c, p.model, "SELECT count(*) FROM {schema}.b WHERE y = 'seen'"), 3);
    expect_ok(c, mtnt__db_commit(p.model, &c->err));
}

static void main_still_works(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    expect_ok(c, mtnt__db_begin(p.model, &c->err));
    expect_ok(c, mtnt_db_exec(p.model, &c->err, "INSERT INTO main.settings VALUES ('a', 'b')"));
    expect_ok(c, mtnt__db_commit(p.model, &c->err));
}

static void set_wal(contract *c, const char *dsn)
{
    mtnt_db *db;

    expect_ok(c, mtnt__db_open(&db, dsn, NULL, &c->err));
    expect_ok(c, mtnt__db_run(db, NULL, NULL, &c->err, "PRAGMA journal_mode = WAL", NULL));
    mtnt__db_close(db);
}

static void a_write_ahead_log_is_refused(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    for (int side = 0; side < 2; side++) {
        mtnt_db *controller, *model;
        char dsn[600];

        make_file(c, side ? "wal-model.db" : "wal-controller.db", "CREATE TABLE x(y)", dsn);
        set_wal(c, dsn);
        expect_ok(c, mtnt__db_open_pair(&controller, &model, side ? p.controller_dsn : dsn, side ? dsn : p.model_dsn,
                                        NULL, &c->err));
        expect_code(c, mtnt__db_begin(model, &c->err), MTNT_E_REFUSED);
        expect_message(c, side ? "wal-model.db" : "wal-controller.db");
        expect_message(c, "journal_mode=DELETE");
        mtnt__db_close(controller);
        mtnt__db_close(model);
    }
}

/* Switched by an application after we have opened it, and before we have locked it. */
static void a_write_ahead_log_that_comes_late_is_refused(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    expect_ok(c, mtnt__db_connect(p.model, &c->err));
    set_wal(c, p.controller_dsn);
    expect_code(c, mtnt__db_begin(p.model, &c->err), MTNT_E_REFUSED);
    expect_message(c, "controller.db");
    assert_false(mtnt__db_in_transaction(p.model));
}

static void both_are_durable(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);
    mtnt__db_facts facts;

    expect_ok(c, mtnt__db_facts_read(p.controller, &facts, &c->err));
    assert_true(facts.durable);
    expect_ok(c, mtnt__db_facts_read(p.model, &facts, &c->err));
    assert_true(facts.durable);
}

static void a_missing_side(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);
    mtnt_db *controller, *model;
    char path[300];

    snprintf(path, sizeof(path), "sqlite:%s", scratch_path(c->files, "nowhere.db"));
    expect_ok(c, mtnt__db_open_pair(&controller, &model, path, p.model_dsn, NULL, &c->err));
    expect_code(c, mtnt__db_connect(model, &c->err), MTNT_E_NOT_FOUND);
    expect_message(c, "nowhere.db");
    mtnt__db_close(controller);
    mtnt__db_close(model);
    assert_int_not_equal(access(path + 7, F_OK), 0);
}

/* Foreign keys are looked at on both sides. */
static void foreign_keys_of_both(void **state)
{
    contract *c = *state;
    pair p = open_pair(c);

    for (int side = 0; side < 2; side++) {
        mtnt_db *db = side ? p.controller : p.model;

        expect_ok(c, mtnt__db_begin(p.model, &c->err));
        expect_ok(c, mtnt_db_exec(db, &c->err,
                                  side ? "CREATE TABLE controller.child(x REFERENCES customers(id))"
                                       : "CREATE TABLE child(x REFERENCES settings(key))"));
        expect_ok(c, mtnt_db_exec(db, &c->err,
                                  side ? "INSERT INTO controller.child VALUES (1)" : "INSERT INTO child VALUES (1)"));
        expect_code(c, mtnt__db_commit(p.model, &c->err), MTNT_E_DATABASE);
        expect_message(c, side ? "customers" : "settings");
    }
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(one_commit_for_both, ON_SQLITE | ON_POSTGRES),
        CONTRACT(one_rollback_for_both, ON_SQLITE | ON_POSTGRES),
        CONTRACT(an_unqualified_name_is_the_own_side_s, ON_SQLITE | ON_POSTGRES),
        CONTRACT(bookkeeping_names_its_side, ON_SQLITE | ON_POSTGRES),
        CONTRACT(handles_are_closed_one_by_one, ON_SQLITE | ON_POSTGRES),
        CONTRACT(sides_must_fit, ON_SQLITE),
        CONTRACT(the_other_side_is_out_of_reach, ON_SQLITE),
        CONTRACT(ddl_on_either_side, ON_SQLITE),
        CONTRACT(main_still_works, ON_SQLITE),
        CONTRACT(a_write_ahead_log_is_refused, ON_SQLITE),
        CONTRACT(a_write_ahead_log_that_comes_late_is_refused, ON_SQLITE),
        CONTRACT(both_are_durable, ON_SQLITE),
        CONTRACT(a_missing_side, ON_SQLITE),
        CONTRACT(foreign_keys_of_both, ON_SQLITE),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
