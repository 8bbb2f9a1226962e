/* What the built-in operations say of themselves when they are added, and what they refuse. No database takes part. */
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mtnt/operations.h"

#define SQL(text)        \
    {                    \
        text, NULL, 0, 0 \
    }

static int set_up(void **state)
{
    mtnt_chain *chain;

    assert_int_equal(mtnt_chain_new(&chain, "shop", NULL), 0);
    *state = chain;
    return 0;
}

static int tear_down(void **state)
{
    mtnt_chain_free(*state);
    return 0;
}

static mtnt_entry named(const char *name)
{
    mtnt_entry entry = MTNT_ENTRY_INIT;

    entry.name = name;
    entry.file = "chain.yaml";
    entry.line = 9;
    return entry;
}

static mtnt_entry_info info_of(const mtnt_chain *chain, const char *name)
{
    ptrdiff_t index = mtnt_chain_find(chain, name);
    mtnt_entry_info info;

    assert_true(index >= 0);
    assert_true(mtnt_chain_get(chain, (size_t)index, &info));
    return info;
}

static mtnt_entry_info add_sql(mtnt_chain *chain, const char *name, const mtnt_sql_options *options)
{
    mtnt_entry entry = named(name);
    mtnt_error err = MTNT_ERROR_INIT;

    if (mtnt_operation_add_sql(chain, options, &entry, &err) != 0)
        fail_msg("%s", err.message);
    return info_of(chain, name);
}

static void assert_refused(int rc, const mtnt_error *err, const char *message)
{
    assert_int_equal(rc, MTNT_E_CONFIG);
    assert_int_equal(err->code, MTNT_E_CONFIG);
    assert_string_equal(err->file, "chain.yaml");
    assert_int_equal(err->line, 9);
    assert_string_equal(err->message, message);
}

/* ---- sql ---- */

static void test_sql_writes_what_it_has_text_for(void **state)
{
    mtnt_sql_options model = {.model = {.any_up = SQL("SELECT 1")}};
    mtnt_sql_options controller = {.controller = {.sqlite_up = SQL("SELECT 1")}};
    mtnt_sql_options both = {.model = {.postgres_up = SQL("SELECT 1")},
                             .controller = {.any_up = SQL("SELECT 2"), .any_down = SQL("SELECT 3")}};
    mtnt_sql_options down_too = {.model = {.any_up = SQL("SELECT 1")}, .controller = {.any_down = SQL("SELECT 2")}};
    mtnt_entry_info info;

    assert_int_equal(add_sql(*state, "model", &model).writes, MTNT_WRITES_MODEL);
    assert_int_equal(add_sql(*state, "controller", &controller).writes, MTNT_WRITES_CONTROLLER);
    info = add_sql(*state, "both", &both);
    assert_int_equal(info.writes, MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER);
    assert_string_equal(info.model_up, "SELECT 1");
    assert_string_equal(info.controller_up, "SELECT 2");
    assert_int_equal(add_sql(*state, "down_too", &down_too).writes, MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER);
}

static void test_sql_without_a_down_has_no_rollback(void **state)
{
    mtnt_sql_options one_way = {.model = {.any_up = SQL("SELECT 1"), .any_down = SQL(" \n")}};
    mtnt_sql_options both_ways = {.model = {.any_up = SQL("SELECT 1"), .sqlite_down = SQL("SELECT 2")}};

    assert_null(add_sql(*state, "one_way", &one_way).operation_class->rollback);
    assert_non_null(add_sql(*state, "both_ways", &both_ways).operation_class->rollback);
}

static void test_sql_shows_each_text_under_its_key(void **state)
{
    mtnt_sql_options options = {
        .model = {.any_up = SQL("SELECT 1"), .postgres_up = SQL("SELECT 2"), .any_down = SQL("SELECT 3")}};

    assert_string_equal(add_sql(*state, "a", &options).model_up,
                        "-- sql.model.up\nSELECT 1\n-- sql.model_postgres.up\nSELECT 2");
}

static void test_sql_checksum_is_of_the_text_alone(void **state)
{
    mtnt_sql_options here = {.model = {.any_up = SQL("SELECT 1")}};
    mtnt_sql_options elsewhere = {.model = {.any_up = {"\n  SELECT 1\n", "sql/one.sql", 7, 3}}};
    mtnt_sql_options changed = {.model = {.any_up = SQL("SELECT 2")}};
    mtnt_sql_options commented = {.model = {.any_up = SQL("SELECT 1 -- one")}};
    mtnt_sql_options other_key = {.model = {.sqlite_up = SQL("SELECT 1")}};
    mtnt_sql_options other_side = {.controller = {.any_up = SQL("SELECT 1")}};
    mtnt_sql_options with_down = {.model = {.any_up = SQL("SELECT 1"), .any_down = SQL("SELECT 2")}};
    const mtnt_sql_options *others[] = {&changed, &commented, &other_key, &other_side, &with_down};
    static const char *const names[] = {"c", "d", "e", "f", "g"};
    char first[65];
    size_t i;

    strcpy(first, add_sql(*state, "a", &here).checksum);
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_string_not_equal(add_sql(*state, names[i], others[i]).checksum, first);
    /* The name counts, in the chain: so the same text under the same name, in another chain. */
    mtnt_chain_free(*state);
    assert_int_equal(set_up(state), 0);
    assert_string_equal(add_sql(*state, "a", &elsewhere).checksum, first);
}

static void test_sql_texts_are_copied(void **state)
{
    char text[] = "SELECT 1";
    mtnt_sql_options options = {.model = {.any_up = SQL(text)}};
    mtnt_entry_info info;

    add_sql(*state, "a", &options);
    memset(text, 'x', sizeof(text) - 1);
    info = info_of(*state, "a");
    assert_string_equal(info.model_up, "SELECT 1");
}

static void test_sql_refuses(void **state)
{
    static const struct {
        mtnt_sql_options options;
        const char *message;
    } cases[] = {
        {{.model = {.any_up = SQL(NULL)}},
         "operation `a`: there is no SQL to run, neither for the model nor for the controller"},
        {{.model = {.any_down = SQL("SELECT 1")}},
         "operation `a`: there is no SQL to run, neither for the model nor for the controller"},
        {{.model = {.any_up = SQL("")}}, "operation `a`: `sql.model.up` is empty"},
        {{.model = {.any_up = SQL("SELECT 1"), .sqlite_up = SQL(" \t\n")}},
         "operation `a`: `sql.model_sqlite.up` is empty"},
        {{.controller = {.postgres_up = SQL("\n")}}, "operation `a`: `sql.controller_postgres.up` is empty"},
    };
    mtnt_entry entry = named("a");
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mtnt_error err = MTNT_ERROR_INIT;
        int rc = mtnt_operation_add_sql(*state, &cases[i].options, &entry, &err);

        assert_refused(rc, &err, cases[i].message);
    }
    assert_int_equal(mtnt_chain_len(*state), 0);
}

static void test_sql_with_transaction_control_is_refused_at_its_place(void **state)
{
    mtnt_sql_options options = {.model = {.any_up = {"SELECT 1;\nCOMMIT;", "sql/plan.up.sql", 5, 1}}};
    mtnt_entry entry = named("plan");
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_operation_add_sql(*state, &options, &entry, &err), MTNT_E_CONFIG);
    assert_string_equal(err.file, "sql/plan.up.sql");
    assert_int_equal(err.line, 6);
    assert_int_equal(strncmp(err.message, "operation `plan`: ", 18), 0);
}

/* A quote of one dialect may be nothing of the kind in the other, where the SQL may never run. */
static void test_sql_for_either_needs_to_be_right_for_one(void **state)
{
    mtnt_sql_options dollars = {.model = {.any_up = SQL("DO $$ BEGIN PERFORM 'it''s'; END $$")}};
    mtnt_sql_options neither = {.model = {.any_up = SQL("SELECT 'it")}};
    mtnt_entry entry = named("b");

    add_sql(*state, "a", &dollars);
    assert_int_equal(mtnt_operation_add_sql(*state, &neither, &entry, NULL), MTNT_E_CONFIG);
}

/* ---- tables ---- */

static int add_tables(mtnt_chain *chain, const char *name, bool drop, const char *const *tables, mtnt_error *err)
{
    mtnt_tables_options options = {tables, drop};
    mtnt_entry entry = named(name);

    return mtnt_operation_add_tables(chain, &options, &entry, err);
}

static void test_tables_show_their_sql(void **state)
{
    static const char *const tables[] = {"  contacts(id INTEGER PRIMARY KEY, name TEXT DEFAULT ')')\n",
                                         "\"odd \"\"name\"(a INTEGER, CHECK (a > 0))", NULL};
    mtnt_entry_info info;

    assert_int_equal(add_tables(*state, "a", false, tables, NULL), 0);
    info = info_of(*state, "a");
    assert_string_equal(info.model_up, "CREATE TABLE contacts(id INTEGER PRIMARY KEY, name TEXT DEFAULT ')');\n"
                                       "CREATE TABLE \"odd \"\"name\"(a INTEGER, CHECK (a > 0));\n");
    assert_int_equal(info.writes, MTNT_WRITES_MODEL);
    assert_int_equal(add_tables(*state, "b", true, tables, NULL), 0);
    assert_string_equal(info_of(*state, "b").model_up, "DROP TABLE \"odd \"\"name\";\nDROP TABLE contacts;\n");
    assert_string_not_equal(info_of(*state, "a").checksum, info_of(*state, "b").checksum);
}

static void test_tables_refuse(void **state)
{
    static const struct {
        const char *tables[3];
        const char *message;
    } cases[] = {
        {{NULL}, "operation `t`: there are no tables"},
        {{""}, "operation `t`: table 1 ``: it does not begin with a name; it should read `name(columns)`"},
        {{"7up(a)"}, "operation `t`: table 1 `7up(a)`: it does not begin with a name; it should read `name(columns)`"},
        {{"\"\"(a)"},
         "operation `t`: table 1 `\"\"(a)`: it does not begin with a name; it should read `name(columns)`"},
        {{"a(b int)", "contacts"},
         "operation `t`: table 2 `contacts`: the columns in brackets are missing; it should read `name(columns)`"},
        {{"s.t(a int)"},
         "operation `t`: table 1 `s.t(a int)`: a schema is not possible here: the tables are made in "
         "the model; it should read `name(columns)`"},
        {{"t(a int"}, "operation `t`: table 1 `t(a int`: a bracket does not close; it should read `name(columns)`"},
        {{"t(a text default 'x)"},
         "operation `t`: table 1 `t(a text default 'x)`: a quote does not end; it should read `name(columns)`"},
        {{"t(a int); DROP TABLE u"},
         "operation `t`: table 1 `t(a int); DROP TABLE u`: there is more behind the "
         "columns; it should read `name(columns)`"},
        {{"t(a int; b)"},
         "operation `t`: table 1 `t(a int; b)`: statements and comments belong into an operation of "
         "kind sql; it should read `name(columns)`"},
        {{"t(a int) STRICT"},
         "operation `t`: table 1 `t(a int) STRICT`: there is more behind the columns; it should "
         "read `name(columns)`"},
        {{"t(a int)", "T (b int)"}, "operation `t`: table 2: the name `t` is taken by table 1"},
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mtnt_error err = MTNT_ERROR_INIT;
        int rc = add_tables(*state, "t", false, cases[i].tables, &err);

        assert_refused(rc, &err, cases[i].message);
    }
    assert_int_equal(mtnt_chain_len(*state), 0);
}

/* ---- verify ---- */

static int add_verify(mtnt_chain *chain, const char *name, const mtnt_verify_check *checks, size_t count,
                      mtnt_error *err)
{
    mtnt_verify_options options = {checks, count};
    mtnt_entry entry = named(name);

    return mtnt_operation_add_verify(chain, &options, &entry, err);
}

static void test_verify_writes_nothing(void **state)
{
    static const mtnt_verify_check five[] = {{SQL("SELECT 5"), false, "5"}};
    static const mtnt_verify_check none[] = {{SQL("SELECT 5"), false, NULL}};
    static const mtnt_verify_check empty[] = {{SQL("SELECT 5"), false, ""}};
    static const mtnt_verify_check other[] = {{SQL("SELECT 5"), true, "5"}};
    mtnt_entry_info info;

    assert_int_equal(add_verify(*state, "a", five, 1, NULL), 0);
    info = info_of(*state, "a");
    assert_int_equal(info.writes, MTNT_WRITES_NOTHING);
    assert_int_equal(info.flags & ~(uint32_t)MTNT_OPERATION_SAME_FOR_ALL, 0);
    assert_int_equal(add_verify(*state, "b", none, 1, NULL), 0);
    assert_int_equal(add_verify(*state, "c", empty, 1, NULL), 0);
    assert_int_equal(add_verify(*state, "d", other, 1, NULL), 0);
    assert_string_not_equal(info_of(*state, "b").checksum, info_of(*state, "c").checksum);
    assert_string_not_equal(info_of(*state, "a").checksum, info_of(*state, "d").checksum);
}

static void test_verify_refuses(void **state)
{
    static const mtnt_verify_check blank[] = {{SQL("SELECT 5"), false, "5"}, {SQL(" "), false, "5"}};
    static const mtnt_verify_check wrong[] = {{SQL("SELECT 'x"), false, "5"}};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_refused(add_verify(*state, "v", NULL, 0, &err), &err, "operation `v`: there is nothing to check");
    assert_refused(add_verify(*state, "v", blank, 2, &err), &err, "operation `v`: check 2 has no query");
    assert_int_equal(add_verify(*state, "v", wrong, 1, &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_chain_len(*state), 0);
}

/* ---- exec ---- */

static void test_exec_refuses(void **state)
{
    static const char *const nothing[] = {NULL}, *const empty[] = {"", NULL}, *const fine[] = {"true", NULL};
    const struct {
        mtnt_exec_options options;
        const char *message;
    } cases[] = {
        {{NULL, NULL, NULL}, "operation `e`: `exec.command` names no program"},
        {{nothing, NULL, NULL}, "operation `e`: `exec.command` names no program"},
        {{empty, NULL, NULL}, "operation `e`: `exec.command` names no program"},
        {{fine, nothing, NULL}, "operation `e`: `exec.undo` names no program"},
        {{fine, NULL, ""}, "operation `e`: `exec.folder` is empty"},
    };
    mtnt_entry entry = named("e");
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mtnt_error err = MTNT_ERROR_INIT;
        int rc = mtnt_operation_add_exec(*state, &cases[i].options, &entry, &err);

        assert_refused(rc, &err, cases[i].message);
    }
    assert_int_equal(mtnt_chain_len(*state), 0);
}

static void test_exec_checksum_is_of_the_words(void **state)
{
    static const char *const ab_c[] = {"p", "ab", "c", NULL}, *const a_bc[] = {"p", "a", "bc", NULL};
    const mtnt_exec_options options[] = {
        {ab_c, NULL, NULL}, {a_bc, NULL, NULL}, {ab_c, a_bc, NULL}, {ab_c, NULL, "/x"}};
    static const char *const names[] = {"a", "b", "c"};
    char first[65];
    size_t i;

    for (i = 0; i < 3; i++) {
        mtnt_entry entry = named(names[i]);

        assert_int_equal(mtnt_operation_add_exec(*state, &options[i], &entry, NULL), 0);
    }
    strcpy(first, info_of(*state, "a").checksum);
    assert_string_not_equal(info_of(*state, "b").checksum, first);
    assert_string_not_equal(info_of(*state, "c").checksum, first);
    mtnt_chain_free(*state);
    assert_int_equal(set_up(state), 0);
    {
        mtnt_entry entry = named("a");

        assert_int_equal(mtnt_operation_add_exec(*state, &options[3], &entry, NULL), 0);
    }
    assert_string_equal(info_of(*state, "a").checksum, first);
}

/* ---- create_model ---- */

static void test_create_model_is_first_and_says_what_it_is(void **state)
{
    mtnt_create_model_options options = {.template_sqlite = SQL("CREATE TABLE a(b)")};
    mtnt_entry_info info;
    mtnt_entry entry = named("again");
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_operation_add_create_model(*state, &options, NULL, NULL), 0);
    info = info_of(*state, "create_model");
    assert_int_equal(info.writes, MTNT_WRITES_MODEL);
    assert_int_equal(info.flags, MTNT_OPERATION_CREATES_MODEL | MTNT_OPERATION_SAME_FOR_ALL);
    assert_string_equal(info.model_up, "CREATE TABLE a(b)");
    assert_non_null(info.operation_class->rollback);
    assert_int_equal(mtnt_operation_add_create_model(*state, &options, &entry, &err), MTNT_E_CONFIG);
}

static void test_create_model_refuses_an_empty_template(void **state)
{
    mtnt_create_model_options options = {.template_postgres = SQL(" ")};
    mtnt_entry entry = named("make");
    mtnt_error err = MTNT_ERROR_INIT;

    assert_refused(mtnt_operation_add_create_model(*state, &options, &entry, &err), &err,
                   "operation `make`: `create_model.template_postgres` is empty");
    assert_int_equal(mtnt_operation_add_create_model(*state, NULL, &entry, &err), 0);
}

/* ---- delete_model ---- */

static void test_delete_model_is_last_and_is_not_its_time(void **state)
{
    mtnt_delete_model_options options = {.grace_ms = -1};
    mtnt_entry entry = named("gone"), later = named("later");
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_entry_info info;
    mtnt_chain *other = NULL;
    char checksum[65];

    assert_refused(mtnt_operation_add_delete_model(*state, &options, &entry, &err), &err,
                   "operation `gone`: `grace` cannot be -1 ms");
    options.grace_ms = 5000;
    assert_int_equal(mtnt_operation_add_delete_model(*state, &options, &entry, &err), 0);
    info = info_of(*state, "gone");
    assert_int_equal(info.writes, MTNT_WRITES_MODEL);
    assert_int_equal(info.flags, MTNT_OPERATION_DELETES_MODEL);
    assert_string_equal(info.model_up, "-- the model is put away, and removed for good after 5s");
    assert_non_null(info.operation_class->rollback);
    snprintf(checksum, sizeof(checksum), "%s", info.checksum);
    assert_int_equal(mtnt_operation_add_delete_model(*state, NULL, &later, &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_operation_add_create_model(*state, NULL, &later, &err), MTNT_E_CONFIG);

    assert_int_equal(mtnt_chain_new(&other, "other", &err), 0);
    assert_int_equal(mtnt_operation_add_delete_model(other, NULL, &entry, &err), 0);
    assert_string_equal(info_of(other, "gone").checksum, checksum);
    mtnt_chain_free(other);
}

/* ---- all ---- */

/* The chain takes the config over also when it refuses the entry: nothing leaks, nothing is freed twice. */
static void test_a_refused_entry_leaves_nothing(void **state)
{
    static const char *const tables[] = {"t(a int)", NULL}, *const command[] = {"true", NULL};
    static const mtnt_verify_check checks[] = {{SQL("SELECT 1"), false, "1"}};
    mtnt_sql_options sql = {.model = {.any_up = SQL("SELECT 1"), .any_down = SQL("SELECT 1")}};
    mtnt_exec_options exec = {command, command, "/"};
    mtnt_entry entry = named("taken");
    mtnt_error err = MTNT_ERROR_INIT;

    add_sql(*state, "taken", &sql);
    assert_int_equal(mtnt_operation_add_sql(*state, &sql, &entry, &err), MTNT_E_CONFIG);
    assert_int_equal(add_tables(*state, "taken", false, tables, &err), MTNT_E_CONFIG);
    assert_int_equal(add_verify(*state, "taken", checks, 1, &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_operation_add_exec(*state, &exec, &entry, &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_operation_add_create_model(*state, NULL, &entry, &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_chain_len(*state), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_sql_writes_what_it_has_text_for),
        CASE(test_sql_without_a_down_has_no_rollback),
        CASE(test_sql_shows_each_text_under_its_key),
        CASE(test_sql_checksum_is_of_the_text_alone),
        CASE(test_sql_texts_are_copied),
        CASE(test_sql_refuses),
        CASE(test_sql_with_transaction_control_is_refused_at_its_place),
        CASE(test_sql_for_either_needs_to_be_right_for_one),
        CASE(test_tables_show_their_sql),
        CASE(test_tables_refuse),
        CASE(test_verify_writes_nothing),
        CASE(test_verify_refuses),
        CASE(test_exec_refuses),
        CASE(test_exec_checksum_is_of_the_words),
        CASE(test_create_model_is_first_and_says_what_it_is),
        CASE(test_create_model_refuses_an_empty_template),
        CASE(test_delete_model_is_last_and_is_not_its_time),
        CASE(test_a_refused_entry_leaves_nothing),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
