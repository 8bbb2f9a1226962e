/* Why the model, and not the controller, is the main database of a pair: what SQLite makes of names. Were the controller main, these two facts together
 * would put every table of a model's scripts into the controller, with no way to write a trigger that says otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

static int open_pair(void **state)
{
    sqlite3 *db = NULL;

    if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
        sqlite3_exec(db, "ATTACH ':memory:' AS model; BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return -1;
    *state = db;
    return 0;
}

static int close_pair(void **state)
{
    return sqlite3_close(*state);
}

static int count(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int result = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        result = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return result;
}

static void an_unqualified_table_is_made_in_main(void **state)
{
    sqlite3 *db = *state;

    assert_int_equal(sqlite3_exec(db, "CREATE TABLE contacts(name TEXT)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(count(db, "SELECT count(*) FROM main.sqlite_schema WHERE name = 'contacts'"), 1);
    assert_int_equal(count(db, "SELECT count(*) FROM model.sqlite_schema"), 0);
}

static void a_trigger_cannot_name_its_database(void **state)
{
    sqlite3 *db = *state;
    char *message = NULL;

    assert_int_equal(
        sqlite3_exec(db, "CREATE TABLE model.contacts(name TEXT); CREATE TABLE model.log(name TEXT)", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(db,
                                      "CREATE TRIGGER model.noted AFTER INSERT ON contacts "
                                      "BEGIN INSERT INTO model.log VALUES (new.name); END",
                                      NULL, NULL, &message),
                         SQLITE_OK);
    assert_non_null(strstr(message, "qualified table names are not allowed"));
    sqlite3_free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_unqualified_table_is_made_in_main, open_pair, close_pair),
        cmocka_unit_test_setup_teardown(a_trigger_cannot_name_its_database, open_pair, close_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
