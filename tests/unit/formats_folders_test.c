/* diesel's and pop's folders. */
#include <stdlib.h>

#include "found.h"

static int setup_as(void **state, const mtnt__reader *reader)
{
    int rc = found_setup(state);

    if (rc == 0)
        ((found *)*state)->folder.reader = reader;
    return rc;
}

static int diesel(void **state)
{
    return setup_as(state, &mtnt__reader_diesel);
}

static int pop(void **state)
{
    return setup_as(state, &mtnt__reader_pop);
}

/* ---- diesel ---- */

static void diesel_orders_by_version_as_text(void **state)
{
    found *f = *state;

    found_take(f, "2026-06-15-093959-0000_c/", "");
    found_take(f, "2026-06-15-093959-0000_c/up.sql", "SELECT 3;");
    found_take(f, "20260615093959_b/up.sql", "SELECT 2;");
    found_take(f, "00000000000000_diesel_initial_setup/up.sql", "SELECT 1;");
    found_take(f, "20160102_a/up.sql", "SELECT 0;");
    found_take(f, "9_z/up.sql", "SELECT 9;");
    found_merge(f);
    assert_operations(f,
                      "00000000000000_diesel_initial_setup 20160102_a 20260615093959_b 2026-06-15-093959-0000_c 9_z");
    assert_string_equal(f->folder.items[3].version, "202606150939590000");
}

static void diesel_has_a_version_once(void **state)
{
    found *f = *state;

    found_take(f, "2026-01-01_a/up.sql", "SELECT 1;");
    found_take(f, "20260101_b/up.sql", "SELECT 1;");
    assert_int_equal(mtnt__folder_merge(&f->folder, 0), MTNT_E_CONFIG);
    assert_non_null(strstr(f->err.message, "version 20260101 is there twice"));
}

static void diesel_wants_an_up_in_every_folder(void **state)
{
    found *f = *state;

    found_take(f, "1_a/", "");
    found_take(f, "1_a/down.sql", "SELECT 1;");
    mtnt_error_clear(&f->err);
    found_refused(f, mtnt__reader_diesel.finish(&f->folder), "dir/1_a/", 0, "no up.sql");
}

static void diesel_empty_files(void **state)
{
    found *f = *state;

    found_take(f, "1_a/up.sql", "-- only a comment");
    found_take(f, "1_a/down.sql", "");
    found_take(f, "2_b/up.sql", "SELECT 1;");
    assert_non_null(strstr(mtnt_chain_warning(f->folder.chain, 0), "dir/1_a/down.sql: it is empty"));
    found_merge(f);
    assert_true(goes_back(found_operation(f, "1_a")));
    assert_false(goes_back(found_operation(f, "2_b")));
    found_refused(f, found_try(f, "3_a/up.sql", ""), "dir/3_a/up.sql", 0, "it is empty");
}

static void diesel_metadata(void **state)
{
    static const struct {
        const char *toml;
        bool alone;
    } cases[] = {
        {"run_in_transaction = false\n", true},    {"# no\r\n run_in_transaction=true # yes\r\n", false},
        {"\"run_in_transaction\" = true", false},  {"", true},
        {"run_in_transaction_too = true\n", true}, {"[other]\nrun_in_transaction = true\n", true},
    };
    found *f = *state;
    char name[40];

    found_take(f, "0_a/up.sql", "SELECT 1;");
    assert_false(found_sql(f, 0, MTNT__FOUND_UP)->alone);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        snprintf(name, sizeof(name), "%zu_a/metadata.toml", i + 1);
        found_take(f, name, cases[i].toml);
        snprintf(name, sizeof(name), "%zu_a/up.sql", i + 1);
        found_take(f, name, "SELECT 1;");
        if (found_sql(f, i + 1, MTNT__FOUND_UP)->alone != cases[i].alone)
            fail_msg("%s", cases[i].toml);
        assert_int_equal(found_sql(f, i + 1, MTNT__FOUND_DOWN)->alone, cases[i].alone);
    }
    found_refused(f, found_try(f, "9_a/metadata.toml", "\nrun_in_transaction = 1\n"), "dir/9_a/metadata.toml", 2,
                  "true or false");
}

static void diesel_takes_nothing_else(void **state)
{
    bool (*is)(const char *) = mtnt__reader_diesel.recognises;

    (void)state;
    assert_true(is("1_a/") && is("1_a/up.sql") && is("1_a/down.sql") && is("1_a/metadata.toml"));
    assert_false(is("up.sql") || is("1_a/README.md") || is("1_a/more/up.sql"));
}

/* Once one cannot be taken back, what is outside a transaction after it goes forward only; what is before it does not. */
static void forward_only_where_it_has_to_be(void **state)
{
    const uint32_t both = MTNT_OPERATION_NO_TRANSACTION | MTNT_OPERATION_RETRIABLE;
    found *f = *state;

    found_take(f, "1_a/up.sql", "SELECT 1;");
    found_take(f, "1_a/down.sql", "SELECT 1;");
    for (int i = 2; i <= 5; i++) {
        char name[40];

        if (i == 3) /* without a way back, in a transaction */
            continue;
        snprintf(name, sizeof(name), "%d_a/metadata.toml", i);
        found_take(f, name, "run_in_transaction = false");
        snprintf(name, sizeof(name), "%d_a/up.sql", i);
        found_take(f, name, "SELECT 1;");
        snprintf(name, sizeof(name), "%d_a/down.sql", i);
        found_take(f, name, "SELECT 1;");
    }
    found_take(f, "3_a/up.sql", "SELECT 1;");
    found_merge(f);
    assert_int_equal(found_operation(f, "2_a").flags & both, MTNT_OPERATION_NO_TRANSACTION);
    assert_int_equal(found_operation(f, "3_a").flags & both, 0);
    assert_int_equal(found_operation(f, "4_a").flags & both, both);
    assert_int_equal(found_operation(f, "5_a").flags & both, MTNT_OPERATION_NO_TRANSACTION);
}

/* ---- pop ---- */

static void pop_names(void **state)
{
    bool (*is)(const char *) = mtnt__reader_pop.recognises;

    (void)state;
    assert_true(is("20260101000000000001_a.up.sql") && is("1_a.sqlite3.up.sql") &&
                is("sub/1_a.postgres.autocommit.down.sql"));
    assert_true(is("1_a.autocommit.up.sql") && is("1_a.cockroach.up.sql") && is("1_a.up.fizz"));
    assert_false(is("1_a.sql") || is("1_.up.sql") || is("a.up.sql") || is("1_a.up.sql.bak") || is("1_a.x.y.up.sql") ||
                 is("1_a.Up.up.sql"));
}

static void pop_versions_have_twenty_digits(void **state)
{
    found *f = *state;

    found_take(f, "20260101000000000002_b.up.sql", "SELECT 2;");
    found_take(f, "20260101000000000001_a.up.sql", "SELECT 1;");
    found_take(f, "99999999999999999999_c.up.sql", "SELECT 3;");
    found_take(f, "20260101000000000001_a.down.sql", "");
    found_merge(f);
    assert_operations(f, "20260101000000000001_a 20260101000000000002_b 99999999999999999999_c");
    assert_true(goes_back(found_operation(f, "20260101000000000001_a")));
    assert_int_equal(found_operation(f, "99999999999999999999_c").order, 3);
}

static const char *text_of(const found *f, mtnt__found_for backend, mtnt__found_direction direction)
{
    return f->folder.items[0].sql[MTNT__FOUND_MODEL][backend][direction].text;
}

static void pop_dialects(void **state)
{
    found *f = *state;

    found_take(f, "1_a.up.sql", "SELECT 'any';");
    found_take(f, "1_a.postgres.up.sql", "SELECT 'postgres';");
    found_take(f, "1_a.mysql.up.sql", "SELECT 'mysql';");
    found_take(f, "1_a.sqlite.down.sql", "SELECT 'down';");
    found_refused(f, found_try(f, "1_a.pg.up.sql", "SELECT 1;"), "dir/1_a.pg.up.sql", 0,
                  "already, in dir/1_a.postgres.up.sql");
    found_finish(f);
    assert_string_equal(text_of(f, MTNT__FOUND_ANY, MTNT__FOUND_UP), "SELECT 'any';");
    assert_string_equal(text_of(f, MTNT__FOUND_POSTGRES, MTNT__FOUND_UP), "SELECT 'postgres';");
    assert_null(text_of(f, MTNT__FOUND_SQLITE, MTNT__FOUND_UP));
    assert_string_equal(text_of(f, MTNT__FOUND_SQLITE, MTNT__FOUND_DOWN), "SELECT 'down';");
}

/* A file for one database alone: on the other one the version does nothing. */
static void pop_one_dialect_only(void **state)
{
    found *f = *state;

    found_take(f, "1_a.sqlite3.up.sql", "SELECT 1;");
    found_take(f, "1_a.sqlite3.down.sql", "SELECT -1;");
    found_finish(f);
    assert_string_equal(text_of(f, MTNT__FOUND_POSTGRES, MTNT__FOUND_UP), "-- nothing to do");
    assert_string_equal(text_of(f, MTNT__FOUND_POSTGRES, MTNT__FOUND_DOWN), "-- nothing to do");
    found_merge(f);
    assert_operations(f, "1_a");
}

static void pop_nothing_of_others(void **state)
{
    found *f = *state;

    found_take(f, "1_a.mysql.up.sql", "SELECT 1;");
    found_finish(f);
    assert_int_equal(f->folder.count, 0);
}

static void pop_autocommit_and_fizz(void **state)
{
    found *f = *state;

    found_take(f, "1_a.autocommit.up.sql", "SELECT 1;");
    found_take(f, "1_a.autocommit.down.sql", "SELECT 1;");
    found_take(f, "2_b.up.fizz", "create_table(\"a\")");
    found_merge(f);
    assert_true(found_operation(f, "1_a").flags & MTNT_OPERATION_NO_TRANSACTION);
    assert_non_null(strstr(found_operation(f, "2_b").config, "fizz"));
}

#define CASE(name, format) cmocka_unit_test_setup_teardown(name, format, found_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(diesel_orders_by_version_as_text, diesel),
        CASE(diesel_has_a_version_once, diesel),
        CASE(diesel_wants_an_up_in_every_folder, diesel),
        CASE(diesel_empty_files, diesel),
        CASE(diesel_metadata, diesel),
        CASE(diesel_takes_nothing_else, diesel),
        CASE(forward_only_where_it_has_to_be, diesel),
        CASE(pop_names, pop),
        CASE(pop_versions_have_twenty_digits, pop),
        CASE(pop_dialects, pop),
        CASE(pop_one_dialect_only, pop),
        CASE(pop_nothing_of_others, pop),
        CASE(pop_autocommit_and_fizz, pop),
    };

    return cmocka_run_group_tests_name("formats.folders", tests, NULL, NULL);
}
