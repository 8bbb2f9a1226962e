/* sql, tables and verify at work, each case on SQLite and on PostgreSQL. The controller is SQLite throughout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chain/chain.h"
#include "db/database.h"
#include "mtnt/operations.h"

#define SQL(text)                 \
    {                             \
        text, "chain.yaml", 3, 11 \
    }

typedef struct fixture {
    char folder[64], database[64], server[512];
    bool postgres;
    mtnt_chain *chain;
    mtnt_model *model;
    mtnt_operation operation;
    mtnt_scope scope;
    mtnt_error err;
} fixture;

#define MUST(call)                                     \
    do {                                               \
        if ((call) != 0)                               \
            fail_msg("%s: %s", #call, f->err.message); \
    } while (0)

/* "host=… port=…" of the test server as a URI. */
static void server_uri(char *uri, size_t size)
{
    char *words = strdup(getenv("MTNT_TEST_PG")), *rest = words, *word;
    const char *separator = "?";

    snprintf(uri, size, "postgresql:///postgres");
    while ((word = strtok_r(rest, " ", &rest)) != NULL) {
        if (strncmp(word, "dbname=", 7) == 0)
            continue;
        snprintf(uri + strlen(uri), size - strlen(uri), "%s%s", separator, word);
        separator = "&";
    }
    free(words);
}

static void open_side(fixture *f, mtnt_db **ret_db, const char *dsn)
{
    mtnt__db_options options = {.create = true};

    MUST(mtnt__db_open(ret_db, dsn, &options, &f->err));
    MUST(mtnt__db_begin(*ret_db, &f->err));
}

static void *set_up(bool postgres)
{
    static const char *const vars[] = {"plan=pro", "table=odd \"name\"", NULL};
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    fixture *f = test_calloc(1, sizeof(*f));
    mtnt__db_options none = {0};
    char dsn[1024];

    f->postgres = postgres;
    strcpy(f->folder, "/tmp/mtnt-operations-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(dsn, sizeof(dsn), "sqlite:%s/controller.db", f->folder);
    open_side(f, &f->scope.controller, dsn);
    snprintf(dsn, sizeof(dsn), "sqlite:%s/model.db", f->folder);
    if (postgres) {
        server_uri(f->server, sizeof(f->server));
        snprintf(f->database, sizeof(f->database), "operations_%d", (int)getpid());
        MUST(mtnt__postgres_create_database(f->server, f->database, &none, &f->err));
        char *model_dsn = mtnt__dsn_with_database(f->server, f->database);

        assert_non_null(model_dsn);
        snprintf(dsn, sizeof(dsn), "%s", model_dsn);
        free(model_dsn);
    }
    open_side(f, &f->scope.model, dsn);
    options.id = "o'neill";
    options.dsn = dsn;
    options.vars = vars;
    MUST(mtnt_model_new(&f->model, &options, &f->err));
    MUST(mtnt_chain_new(&f->chain, "shop", &f->err));
    f->scope.tenant = f->model;
    f->scope.migration = f->scope.key = "0123456789abcdef0123456789abcdef";
    f->scope.writes = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER;
    f->scope.system = mtnt__system_default();
    return f;
}

static int set_up_sqlite(void **state)
{
    *state = set_up(false);
    return 0;
}

static int set_up_postgres(void **state)
{
    *state = set_up(true);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mtnt__db_options none = {0};
    char path[128];

    mtnt__db_close(f->scope.controller);
    mtnt__db_close(f->scope.model);
    if (f->postgres)
        MUST(mtnt__postgres_drop_database(f->server, f->database, &none, &f->err));
    snprintf(path, sizeof(path), "%s/controller.db", f->folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/model.db", f->folder);
    unlink(path);
    assert_int_equal(rmdir(f->folder), 0);
    mtnt_chain_free(f->chain);
    mtnt_model_free(f->model);
    test_free(f);
    return 0;
}

static void use(fixture *f, const char *name)
{
    ptrdiff_t index = mtnt_chain_find(f->chain, name);

    assert_true(index >= 0);
    f->operation.entry = &f->chain->entries[index];
}

static void use_sql(fixture *f, const char *name, const mtnt_sql_options *options)
{
    mtnt_entry entry = MTNT_ENTRY_INIT;

    entry.name = name;
    MUST(mtnt_operation_add_sql(f->chain, options, &entry, &f->err));
    use(f, name);
}

static int up(fixture *f)
{
    return f->operation.entry->operation_class->execute(&f->operation, &f->scope, f->model, &f->err);
}

static int down(fixture *f)
{
    return f->operation.entry->operation_class->rollback(&f->operation, &f->scope, f->model, &f->err);
}

static void assert_int(fixture *f, mtnt_db *db, const char *sql, int64_t expected)
{
    int64_t found = -1;

    MUST(mtnt_db_query_int(db, &found, &f->err, sql));
    assert_int_equal(found, expected);
}

static int64_t count_tables(fixture *f, const char *like)
{
    int64_t count = -1;

    MUST(mtnt_db_query_int(f->scope.model, &count, &f->err,
                           f->postgres
                               ? "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE $1"
                               : "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name LIKE $1",
                           MTNT_TEXT(like)));
    return count;
}

/* ---- tables ---- */

static void test_C7_tables_round_trip(void **state)
{
    static const char *const tables[] = {
        "c7_customers(id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "c7_orders(id INTEGER PRIMARY KEY, customer INTEGER REFERENCES c7_customers(id))",
        "\"c7 odd\"(a INTEGER CHECK (a > 0), b TEXT DEFAULT ');')", NULL};
    mtnt_tables_options options = {tables, false};
    fixture *f = *state;

    MUST(mtnt_operation_add_tables(f->chain, &options, NULL, &f->err));
    use(f, "tables");
    MUST(up(f));
    assert_int_equal(count_tables(f, "c7%"), 3);
    MUST(mtnt_db_exec(f->scope.model, &f->err, "INSERT INTO c7_customers VALUES (1, 'acme')"));
    MUST(mtnt_db_exec(f->scope.model, &f->err, "INSERT INTO c7_orders VALUES (1, 1)"));
    MUST(down(f));
    assert_int_equal(count_tables(f, "c7%"), 0);
    MUST(up(f));
    assert_int_equal(count_tables(f, "c7%"), 3);
    assert_int(f, f->scope.model, "SELECT count(*) FROM c7_orders", 0);
}

static void test_C7_tables_dropped_and_back(void **state)
{
    static const char *const tables[] = {"c7_a(id INTEGER PRIMARY KEY)", "c7_b(id INTEGER REFERENCES c7_a(id))", NULL};
    mtnt_tables_options create = {tables, false}, drop = {tables, true};
    mtnt_entry entry = MTNT_ENTRY_INIT;
    fixture *f = *state;

    MUST(mtnt_operation_add_tables(f->chain, &create, NULL, &f->err));
    entry.name = "drop";
    MUST(mtnt_operation_add_tables(f->chain, &drop, &entry, &f->err));
    use(f, "tables");
    MUST(up(f));
    use(f, "drop");
    MUST(up(f));
    assert_int_equal(count_tables(f, "c7%"), 0);
    MUST(down(f));
    assert_int_equal(count_tables(f, "c7%"), 2);
}

static void test_tables_that_fail_name_the_culprit(void **state)
{
    static const char *const tables[] = {"fine(a INTEGER)", "wrong(a INTEGER, a INTEGER)", NULL};
    mtnt_tables_options options = {tables, false};
    fixture *f = *state;

    MUST(mtnt_operation_add_tables(f->chain, &options, NULL, &f->err));
    use(f, "tables");
    assert_int_equal(up(f), MTNT_E_DATABASE);
    assert_non_null(strstr(f->err.message, "a"));
    assert_non_null(strstr(f->err.statement, "wrong"));
}

/* ---- sql ---- */

static void test_sql_both_sides_up_and_down(void **state)
{
    mtnt_sql_options options = {
        .model = {.any_up =
                      SQL("CREATE TABLE :\"table\"(name TEXT);\nINSERT INTO :\"table\" VALUES (:'tenant'), (:'plan');"),
                  .any_down = SQL("DROP TABLE :\"table\"")},
        .controller = {.any_up = SQL("CREATE TABLE ready(id TEXT); INSERT INTO ready VALUES (:'tenant')"),
                       .any_down = SQL("DROP TABLE ready")},
    };
    fixture *f = *state;

    use_sql(f, "a", &options);
    MUST(up(f));
    assert_int(f, f->scope.model, "SELECT count(*) FROM \"odd \"\"name\"\"\" WHERE name IN ('o''neill', 'pro')", 2);
    assert_int(f, f->scope.controller, "SELECT count(*) FROM ready WHERE id = 'o''neill'", 1);
    MUST(down(f));
    assert_int_equal(count_tables(f, "odd%"), 0);
    assert_int(f, f->scope.controller, "SELECT count(*) FROM sqlite_schema WHERE name = 'ready'", 0);
}

static void test_sql_of_the_backend_comes_first(void **state)
{
    mtnt_sql_options options = {.model = {.any_up = SQL("CREATE TABLE any_one(a INTEGER)"),
                                          .postgres_up = SQL("CREATE TABLE elephant(a INTEGER)")}};
    fixture *f = *state;

    use_sql(f, "a", &options);
    MUST(up(f));
    assert_int_equal(count_tables(f, "elephant"), f->postgres ? 1 : 0);
    assert_int_equal(count_tables(f, "any_one"), f->postgres ? 0 : 1);
}

static void test_sql_for_the_other_backend_only(void **state)
{
    fixture *f = *state;
    mtnt_sql_options other = {.model = {.any_up = SQL(NULL)}};
    mtnt_sql_text text = SQL("CREATE TABLE a(b INTEGER)");

    if (f->postgres)
        other.model.sqlite_up = text;
    else
        other.model.postgres_up = text;
    use_sql(f, "a", &other);
    assert_int_equal(up(f), MTNT_E_NOT_IMPLEMENTED);
    assert_string_equal(f->err.message,
                        f->postgres
                            ? "there is no SQL for PostgreSQL: neither `sql.model_postgres.up` nor `sql.model.up`"
                            : "there is no SQL for SQLite: neither `sql.model_sqlite.up` nor `sql.model.up`");
}

static void test_sql_with_a_down_for_one_backend(void **state)
{
    mtnt_sql_options options = {
        .model = {.any_up = SQL("CREATE TABLE a(b INTEGER)"), .sqlite_down = SQL("DROP TABLE a")}};
    fixture *f = *state;

    use_sql(f, "a", &options);
    MUST(up(f));
    if (!f->postgres) {
        MUST(down(f));
        return;
    }
    assert_int_equal(down(f), MTNT_E_NOT_IMPLEMENTED);
    assert_string_equal(f->err.message,
                        "there is no SQL for PostgreSQL: neither `sql.model_postgres.down` nor `sql.model.down`");
}

/* Half of an operation is never taken back: the model has gone up and nothing says how it comes down. */
static void test_sql_with_a_down_for_one_side(void **state)
{
    mtnt_sql_options options = {
        .model = {.any_up = SQL("CREATE TABLE a(b INTEGER)")},
        .controller = {.any_up = SQL("CREATE TABLE c(d INTEGER)"), .any_down = SQL("DROP TABLE c")}};
    fixture *f = *state;

    use_sql(f, "a", &options);
    MUST(up(f));
    assert_int_equal(down(f), MTNT_E_NOT_IMPLEMENTED);
    assert_non_null(strstr(f->err.message, "sql.model.down"));
}

static void test_sql_error_has_its_place(void **state)
{
    mtnt_sql_options options = {.model = {.any_up = {"CREATE TABLE a(b INTEGER);\n\n  INSERT INTO nowhere VALUES (1);",
                                                     "sql/plan.up.sql", 5, 1}}};
    fixture *f = *state;

    use_sql(f, "a", &options);
    assert_int_equal(up(f), MTNT_E_DATABASE);
    assert_string_equal(f->err.file, "sql/plan.up.sql");
    assert_int_equal(f->err.line, 7);
    assert_non_null(strstr(f->err.message, "nowhere"));
    assert_string_not_equal(f->err.state, "");
}

static void test_sql_with_an_unknown_name(void **state)
{
    mtnt_sql_options options = {.model = {.any_up = SQL("SELECT :'colour'")}};
    fixture *f = *state;

    use_sql(f, "a", &options);
    assert_int_equal(up(f), MTNT_E_CONFIG);
    assert_non_null(strstr(f->err.message, "colour"));
    assert_string_equal(f->err.file, "chain.yaml");
    assert_int_equal(f->err.line, 3);
}

/* ---- verify ---- */

static int verify(fixture *f, const char *sql, bool on_controller, const char *expect)
{
    mtnt_verify_check checks[] = {{SQL("SELECT 1"), false, "1"}, {SQL(sql), on_controller, expect}};
    mtnt_verify_options options = {checks, 2};

    mtnt_chain_free(f->chain);
    MUST(mtnt_chain_new(&f->chain, "shop", &f->err));
    MUST(mtnt_operation_add_verify(f->chain, &options, NULL, &f->err));
    use(f, "verify");
    mtnt_error_clear(&f->err);
    return up(f);
}

static void test_verify_answers(void **state)
{
    fixture *f = *state;

    MUST(verify(f, "SELECT 2 + 3", false, "5"));
    MUST(verify(f, "SELECT 'five', 6", true, "five"));
    MUST(verify(f, "SELECT NULL", false, NULL));
    MUST(verify(f, "SELECT 1 WHERE 1 = 2", false, NULL));
    MUST(verify(f, "SELECT ''", false, ""));
    MUST(verify(f, "SELECT :'tenant';", false, "o'neill"));
    MUST(verify(f, "SELECT 1 UNION ALL SELECT 2 ORDER BY 1", false, "1"));
}

static void test_verify_disagrees(void **state)
{
    fixture *f = *state;

    assert_int_equal(verify(f, "\n SELECT 2 + 3\n", false, "6"), MTNT_E_OPERATION);
    assert_string_equal(f->err.message, "check 2: `6` was expected: it is `5`");
    assert_string_equal(f->err.file, "chain.yaml");
    assert_int_equal(f->err.line, 3);
    assert_string_equal(f->err.statement, "SELECT 2 + 3");
    assert_int_equal(verify(f, "SELECT NULL", false, ""), MTNT_E_OPERATION);
    assert_string_equal(f->err.message, "check 2: `` was expected: it is NULL");
    assert_int_equal(verify(f, "SELECT 1 WHERE 1 = 2", true, "1"), MTNT_E_OPERATION);
    assert_string_equal(f->err.message, "check 2: `1` was expected: there is no row");
    assert_int_equal(verify(f, "SELECT ''", false, NULL), MTNT_E_OPERATION);
    assert_string_equal(f->err.message, "check 2: NULL or no row was expected: it is ``");
}

static void test_verify_query_that_is_none(void **state)
{
    fixture *f = *state;

    assert_int_equal(verify(f, "SELECT 1; SELECT 2", false, "1"), MTNT_E_INVALID);
    assert_int_equal(verify(f, "SELECT * FROM nowhere", false, "1"), MTNT_E_DATABASE);
    assert_non_null(strstr(f->err.message, "nowhere"));
}

int main(void)
{
#define CASE(name)                                                \
    {"sqlite " #name, name, set_up_sqlite, tear_down, NULL},      \
    {                                                             \
        "postgres " #name, name, set_up_postgres, tear_down, NULL \
    }
    const struct CMUnitTest tests[] = {
        CASE(test_C7_tables_round_trip),
        CASE(test_C7_tables_dropped_and_back),
        CASE(test_tables_that_fail_name_the_culprit),
        CASE(test_sql_both_sides_up_and_down),
        CASE(test_sql_of_the_backend_comes_first),
        CASE(test_sql_for_the_other_backend_only),
        CASE(test_sql_with_a_down_for_one_backend),
        CASE(test_sql_with_a_down_for_one_side),
        CASE(test_sql_error_has_its_place),
        CASE(test_sql_with_an_unknown_name),
        CASE(test_verify_answers),
        CASE(test_verify_disagrees),
        CASE(test_verify_query_that_is_none),
    };

    return cmocka_run_group_tests_name("database", tests, NULL, NULL);
}
