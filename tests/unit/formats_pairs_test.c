/* dbmate's, golang-migrate's and morph's folders. */
#include <stdlib.h>

#include "found.h"

static int setup_as(void **state, const mtnt__reader *reader)
{
    int rc = found_setup(state);

    if (rc == 0)
        ((found *)*state)->folder.reader = reader;
    return rc;
}

static int dbmate(void **state)
{
    return setup_as(state, &mtnt__reader_dbmate);
}

static int golang_migrate(void **state)
{
    return setup_as(state, &mtnt__reader_golang_migrate);
}

static int morph(void **state)
{
    return setup_as(state, &mtnt__reader_morph);
}

/* ---- dbmate ---- */

static void dbmate_sections(void **state)
{
    found *f = *state;

    found_take(f, "20260101_a.sql",
               "-- a\n\n-- migrate:up\nCREATE TABLE a(x int);\n\n-- migrate:down\n\nDROP TABLE a;\n");
    assert_sql(f, MTNT__FOUND_UP, "CREATE TABLE a(x int);", 4);
    assert_sql(f, MTNT__FOUND_DOWN, "DROP TABLE a;", 8);
    found_take(f, "2_b.sql", "\xef\xbb\xbf--migrate:up\r\nSELECT 1;\r\n--  migrate:down\r\n");
    assert_sql(f, MTNT__FOUND_UP, "SELECT 1;", 2);
    assert_sql(f, MTNT__FOUND_DOWN, "-- nothing to do", 4);
}

static void dbmate_pairs_go_back_in_reverse(void **state)
{
    found *f = *state;

    found_take(f, "1_a.sql",
               "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT -1;\n-- migrate:up transaction:false\nSELECT 2;\n"
               "-- migrate:down\nSELECT -2;\n");
    assert_sql(f, MTNT__FOUND_UP, "SELECT 1;\n\nSELECT 2;", 0);
    assert_sql(f, MTNT__FOUND_DOWN, "SELECT -2;\n\nSELECT -1;", 0);
    assert_true(found_sql(f, 0, MTNT__FOUND_UP)->alone);
    assert_false(found_sql(f, 0, MTNT__FOUND_DOWN)->alone);
}

static void dbmate_options(void **state)
{
    found *f = *state;

    found_take(f, "1_a.sql",
               "-- migrate:up transaction:true\nSELECT 1;\n-- migrate:down x:y transaction:false\nSELECT 2;\n");
    assert_false(found_sql(f, 0, MTNT__FOUND_UP)->alone);
    assert_true(found_sql(f, 0, MTNT__FOUND_DOWN)->alone);
    found_take(f, "2_a.sql", "-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\nSELECT 2;\n");
    assert_true(found_sql(f, 1, MTNT__FOUND_UP)->alone);
}

static void dbmate_refuses_at_the_line(void **state)
{
    found *f = *state;

    found_refused(f, found_try(f, "1_a.sql", "\nSELECT 1;\n-- migrate:up\n-- migrate:down\n"), "dir/1_a.sql", 2,
                  "SQL before");
    found_refused(f, found_try(f, "2_a.sql", "-- migrate:up\nSELECT 1;\n"), "dir/2_a.sql", 1,
                  "without a `-- migrate:down`");
    found_refused(f, found_try(f, "3_a.sql", "-- migrate:down\n"), "dir/3_a.sql", 1, "without a `-- migrate:up`");
    found_refused(f, found_try(f, "4_a.sql", "-- migrate:up\n-- migrate:down\n-- migrate:down\n"), "dir/4_a.sql", 3,
                  "without a `-- migrate:up`");
    found_refused(f, found_try(f, "5_a.sql", "-- migrate:upwards\n"), "dir/5_a.sql", 1, "there is no `-- migrate:up`");
    found_refused(f, found_try(f, "6_a.sql", "-- migrate:up\n-- migrate:up\n-- migrate:down\n"), "dir/6_a.sql", 1,
                  "without a `-- migrate:down`");
}

static void dbmate_orders_by_file_name(void **state)
{
    static const char text[] = "-- migrate:up\nSELECT 1;\n-- migrate:down\n";
    found *f = *state;

    assert_true(mtnt__reader_dbmate.recognises("9nine.sql"));
    assert_false(mtnt__reader_dbmate.recognises("nine.sql"));
    found_take(f, "9_nine.sql", text);
    found_take(f, "10_ten.sql", text);
    found_take(f, "100000000000000000000000_long.sql", text);
    found_merge(f);
    assert_operations(f, "100000000000000000000000_long 10_ten 9_nine");
    assert_int_equal(found_operation(f, "9_nine").order, 3);
    assert_true(found_operation(f, "9_nine").flags & MTNT_OPERATION_BY_PLACE);
}

static void dbmate_has_a_version_once(void **state)
{
    static const char text[] = "-- migrate:up\nSELECT 1;\n-- migrate:down\n";
    found *f = *state;

    found_take(f, "9_a.sql", text);
    found_take(f, "9_b.sql", text);
    assert_int_equal(mtnt__folder_merge(&f->folder, 0), MTNT_E_CONFIG);
    assert_non_null(strstr(f->err.message, "version 9 is there twice"));
}

static void a_trigger_is_one_statement(void **state)
{
    found *f = *state;

    found_take(
        f, "1_a.sql",
        "-- migrate:up\nCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END;\nSELECT 3;\n-- migrate:down\n");
    found_merge(f);
    assert_non_null(strstr(found_operation(f, "1_a").model_up, "BEGIN SELECT 1; SELECT 2; END;"));
}

/* ---- golang-migrate and morph ---- */

static void golang_migrate_names(void **state)
{
    bool (*is)(const char *) = mtnt__reader_golang_migrate.recognises;

    (void)state;
    assert_true(is("1_a.up.sql") && is("30_name.up..sql") && is("000_init.down.sql") && is("1_.up.sql"));
    assert_true(is("18446744073709551615_a.up.sql"));
    assert_false(is("18446744073709551616_a.up.sql") || is("1_a.sql") || is("a_1.up.sql") || is("1.up.sql") ||
                 is("1_a.upward.sql"));
}

static void golang_migrate_pairs_by_version(void **state)
{
    found *f = *state;

    found_take(f, "10_ten.up.sql", "SELECT 10;\n");
    found_take(f, "9_nine.down.sql", "SELECT -9;");
    found_take(f, "009_nine.v2.up.sql", "\xef\xbb\xbf\r\n\r\nSELECT 9;\r\n");
    found_take(f, "0_zero.up.sql", "-- nothing but a comment\n");
    found_take(f, "30_name.up..sql", "");
    found_merge(f);
    assert_operations(f, "0_zero 009_nine.v2 10_ten 30_name");
    assert_int_equal(found_operation(f, "0_zero").order, 1);
    assert_true(goes_back(found_operation(f, "009_nine.v2")));
    assert_false(goes_back(found_operation(f, "10_ten")));
    assert_int_equal(found_sql(f, 1, MTNT__FOUND_UP)->line, 3);
    assert_string_equal(found_sql(f, 3, MTNT__FOUND_UP)->text, "-- nothing to do");
}

static void golang_migrate_has_a_direction_once(void **state)
{
    found *f = *state;

    found_take(f, "1_a.up.sql", "SELECT 1;");
    found_refused(f, found_try(f, "1_b.up.sql", "SELECT 1;"), "dir/1_b.up.sql", 0, "already, in dir/1_a.up.sql");
}

static void golang_migrate_may_lack_the_way_forward(void **state)
{
    found *f = *state;

    found_take(f, "1_a.down.sql", "SELECT 1;");
    found_finish(f);
    assert_sql(f, MTNT__FOUND_UP, "-- nothing to do", 1);
    assert_non_null(strstr(mtnt_chain_warning(f->folder.chain, 0), "no .up. file for version 1"));
}

/* One statement is a message of its own; several are in a transaction, where the server refuses it, as it does with the tool. */
static void golang_migrate_sends_a_file_as_one_message(void **state)
{
    found *f = *state;

    found_take(f, "1_a.up.sql", "-- by itself\nCREATE INDEX CONCURRENTLY a ON b(c);\n");
    found_take(f, "2_a.up.sql", "CREATE INDEX CONCURRENTLY a ON b(c); SELECT 1;");
    found_take(f, "3_a.up.sql", "CREATE INDEX concurrently_made ON b(c);");
    found_take(f, "4_a.up.sql", "SELECT 'CREATE INDEX CONCURRENTLY';");
    assert_true(found_sql(f, 0, MTNT__FOUND_UP)->alone);
    assert_false(found_sql(f, 1, MTNT__FOUND_UP)->alone);
    assert_false(found_sql(f, 2, MTNT__FOUND_UP)->alone);
    assert_false(found_sql(f, 3, MTNT__FOUND_UP)->alone);
}

static void morph_says_it_first(void **state)
{
    found *f = *state;

    found_take(f, "000001_a.up.sql", "-- morph:nontransactional\nSELECT 1; SELECT 2;");
    found_take(f, "000002_a.up.sql", "\n-- morph:nontransactional\nSELECT 1;");
    assert_true(found_sql(f, 0, MTNT__FOUND_UP)->alone);
    assert_false(found_sql(f, 1, MTNT__FOUND_UP)->alone);
}

#define CASE(name, format) cmocka_unit_test_setup_teardown(name, format, found_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(dbmate_sections, dbmate),
        CASE(dbmate_pairs_go_back_in_reverse, dbmate),
        CASE(dbmate_options, dbmate),
        CASE(dbmate_refuses_at_the_line, dbmate),
        CASE(dbmate_orders_by_file_name, dbmate),
        CASE(dbmate_has_a_version_once, dbmate),
        CASE(a_trigger_is_one_statement, dbmate),
        CASE(golang_migrate_names, golang_migrate),
        CASE(golang_migrate_pairs_by_version, golang_migrate),
        CASE(golang_migrate_has_a_direction_once, golang_migrate),
        CASE(golang_migrate_may_lack_the_way_forward, golang_migrate),
        CASE(golang_migrate_sends_a_file_as_one_message, golang_migrate),
        CASE(morph_says_it_first, morph),
    };

    return cmocka_run_group_tests_name("formats.pairs", tests, NULL, NULL);
}
