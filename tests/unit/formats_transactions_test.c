/* Scripts with transactions of their own. */
#include <stdlib.h>

#include "found.h"

typedef struct settled {
    char text[300];
    bool alone;
} settled;

static settled settle(const char *text, bool alone)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__folder folder = {.reader = &mtnt__reader_goose, .err = &err};
    mtnt__found_sql sql = {.text = strdup(text), .alone = alone};
    settled s = {"", false};

    assert_non_null(sql.text);
    assert_int_equal(mtnt__transactions_settle(&folder, MTNT__FOUND_UP, &sql), 0);
    snprintf(s.text, sizeof(s.text), "%s", sql.text);
    s.alone = sql.alone;
    free(sql.text);
    return s;
}

static void assert_settled(const char *text, bool alone, const char *becomes, bool becomes_alone)
{
    settled s = settle(text, alone);

    assert_string_equal(s.text, becomes);
    assert_int_equal(s.alone, becomes_alone);
}

static void assert_left(const char *text, bool alone)
{
    assert_settled(text, alone, text, alone);
}

static void a_transaction_of_its_own_is_ours(void **state)
{
    (void)state;
    assert_settled("BEGIN;\nSELECT 1;\nCOMMIT;", false, "      \nSELECT 1;\n       ", false);
    assert_settled("begin transaction; SELECT 1; end", false, "                   SELECT 1;    ", false);
    assert_settled("START TRANSACTION;SELECT 1;COMMIT WORK;", false, "                  SELECT 1;            ", false);
    assert_settled("BEGIN IMMEDIATE;SELECT 1;COMMIT;", false, "                SELECT 1;       ", false);
    assert_settled("SELECT 0;BEGIN;SELECT 1;COMMIT;", false, "SELECT 0;      SELECT 1;       ", false);
    assert_settled("BEGIN;\nCOMMIT;", false, "--    \n       ", false);
}

static void a_body_is_no_transaction(void **state)
{
    (void)state;
    assert_left("CREATE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END $$ LANGUAGE plpgsql;", false);
    assert_left("CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;", false);
    assert_left("DO $$ BEGIN COMMIT; END $$;", true);
    assert_left("SELECT 'BEGIN;' /* COMMIT; */ -- BEGIN;", false);
    assert_settled("BEGIN;CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;COMMIT;", false,
                   "      CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;       ", false);
}

static void what_means_something_else_is_left(void **state)
{
    (void)state;
    assert_left("BEGIN; SELECT 1;", false);
    assert_left("SELECT 1; COMMIT;", false);
    assert_left("BEGIN; SELECT 1; ROLLBACK;", false);
    assert_left("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; COMMIT;", false);
    assert_left("BEGIN; SELECT 1; COMMIT AND CHAIN;", false);
    assert_left("BEGIN; SELECT 1; COMMIT; CREATE INDEX CONCURRENTLY a ON b(c);", false);
}

/* Outside a transaction, with one of its own around all of it, is inside. */
static void what_asks_for_no_more_than_ours_comes_in(void **state)
{
    (void)state;
    assert_settled("PRAGMA foreign_keys=OFF;BEGIN;SELECT 1;COMMIT;PRAGMA foreign_keys=ON;", true,
                   "PRAGMA foreign_keys=OFF;      SELECT 1;       PRAGMA foreign_keys=ON;", false);
    assert_settled("PRAGMA foreign_keys=OFF;DROP TABLE a;", true, "PRAGMA foreign_keys=OFF;DROP TABLE a;", false);
    assert_left("PRAGMA foreign_keys=OFF;VACUUM;", true);
    assert_left("SELECT 1;BEGIN;SELECT 2;COMMIT;", true);
    assert_left("CREATE INDEX CONCURRENTLY a ON b(c);", true);
    assert_left("UPDATE a SET b = 1;", true);
}

static void what_no_transaction_holds_is_known(void **state)
{
    static const char *const outside[] = {
        "CREATE INDEX CONCURRENTLY a ON b(c)",
        "create unique index concurrently if not exists a on b(c)",
        "DROP INDEX CONCURRENTLY a",
        "VACUUM FULL a",
        "REINDEX DATABASE a",
        "REINDEX (VERBOSE) SCHEMA a",
        "REINDEX TABLE CONCURRENTLY a",
        "ALTER SYSTEM SET a = 1",
        "CREATE DATABASE a",
        "DROP TABLESPACE a",
        "CREATE SUBSCRIPTION a CONNECTION 'b' PUBLICATION c",
    };
    static const char *const inside[] = {"CREATE INDEX a ON b(c)", "REINDEX TABLE a", "CREATE TABLE database(x int)",
                                         "ALTER TABLE a ADD concurrently int", "SELECT vacuum FROM a"};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__folder folder = {.reader = &mtnt__reader_goose, .err = &err};
    mtnt__found_kinds kinds;

    (void)state;
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
        assert_int_equal(mtnt__transactions_look(&folder, outside[i], &kinds), 0);
        if (kinds.outside != 1 || kinds.statements != 1)
            fail_msg("%s", outside[i]);
    }
    for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++) {
        assert_int_equal(mtnt__transactions_look(&folder, inside[i], &kinds), 0);
        if (kinds.outside != 0 || kinds.statements != 1)
            fail_msg("%s", inside[i]);
    }
    assert_int_equal(mtnt__transactions_look(&folder, "SELECT 1;;\n VACUUM;", &kinds), 0);
    assert_int_equal(kinds.statements, 2);
    assert_int_equal(kinds.first_outside, 12);
}

static void assert_value(const char *text, const char *expected)
{
    size_t length = 0;
    const char *value = mtnt__transactions_added_value(text, &length);

    if (!expected) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(value, expected, length);
}

static void values_of_enums_are_seen(void **state)
{
    (void)state;
    assert_value("ALTER TYPE colour ADD VALUE 'red';", "'red'");
    assert_value("SELECT 1;\nalter type public.\"Colour\" add value if not exists 'it''s' before 'blue';", "'it''s'");
    assert_value("ALTER TYPE colour RENAME VALUE 'red' TO 'blue';", NULL);
    assert_value("ALTER TABLE a ADD value text; SELECT 'x';", NULL);
    assert_value("COMMENT ON TYPE a IS 'ALTER TYPE a ADD VALUE'; SELECT 'b'", NULL);
    assert_value("ALTER TYPE pair ADD ATTRIBUTE value text;", NULL);
}

static void take_up(mtnt__folder *folder, const char *name, const char *up)
{
    const mtnt__folder_file file = {name, name, up};

    assert_int_equal(mtnt__folder_take(folder, &file), 0);
}

/* With their tool two migrations are two transactions, and a value is there only after the first. */
static void a_value_is_committed_before_it_is_used(void **state)
{
    found *f = *state;

    f->folder.reader = &mtnt__reader_golang_migrate;
    take_up(&f->folder, "1_a.up.sql", "ALTER TYPE colour ADD VALUE 'red';");
    take_up(&f->folder, "2_b.up.sql",
            "ALTER TYPE colour ADD VALUE 'grey' AFTER 'red'; ALTER TYPE colour ADD VALUE 'blue';");
    take_up(&f->folder, "2_b.down.sql", "SELECT 1;");
    take_up(&f->folder, "3_c.up.sql", "ALTER TYPE colour ADD VALUE 'green';");
    take_up(&f->folder, "4_d.up.sql", "UPDATE a SET b = 'red', c = 'blue';");
    found_merge(f);
    assert_int_equal(found_operation(f, "1_a").flags & (MTNT_OPERATION_SAGA | MTNT_OPERATION_RETRIABLE),
                     MTNT_OPERATION_SAGA | MTNT_OPERATION_RETRIABLE);
    assert_int_equal(found_operation(f, "2_b").flags & (MTNT_OPERATION_SAGA | MTNT_OPERATION_RETRIABLE),
                     MTNT_OPERATION_SAGA);
    assert_int_equal(found_operation(f, "3_c").flags & (MTNT_OPERATION_SAGA | MTNT_OPERATION_RETRIABLE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_of_its_own_is_ours),
        cmocka_unit_test(a_body_is_no_transaction),
        cmocka_unit_test(what_means_something_else_is_left),
        cmocka_unit_test(what_asks_for_no_more_than_ours_comes_in),
        cmocka_unit_test(what_no_transaction_holds_is_known),
        cmocka_unit_test(values_of_enums_are_seen),
        cmocka_unit_test_setup_teardown(a_value_is_committed_before_it_is_used, found_setup, found_teardown),
    };

    return cmocka_run_group_tests_name("formats.transactions", tests, NULL, NULL);
}
