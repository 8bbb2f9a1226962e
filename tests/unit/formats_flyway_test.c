/* Flyway's folders. */
#include <stdlib.h>

#include "chain/origin.h"
#include "found.h"

static int setup(void **state)
{
    int rc = found_setup(state);

    if (rc == 0)
        ((found *)*state)->folder.reader = &mtnt__reader_flyway;
    return rc;
}

static int try_finish(found *f)
{
    mtnt_error_clear(&f->err);
    return mtnt__reader_flyway.finish(&f->folder);
}

static void names(void **state)
{
    bool (*is)(const char *) = mtnt__reader_flyway.recognises;

    (void)state;
    assert_true(is("V1__a.sql") && is("V1.2_3__a b.sql") && is("R__view.sql") && is("U1__a.sql") &&
                is("sub/er/V2__a.sql"));
    assert_true(is("V1__a.sql.conf") && is("V20260101120000__a.sql") && is("afterMigrate.sql") && is("V7__Fill.java"));
    assert_false(is("V1_a.sql") || is("v1__a.sql") || is("V__a.sql") || is("V1.__a.sql") || is("Va__b.sql") ||
                 is("R1__a.sql") || is("V1__a.txt") || is("V57__readme.md") || is("V1__a.conf"));
}

static void versions_go_part_by_part(void **state)
{
    static const char *const files[] = {"V10__d.sql",    "V2__b.sql",        "V2.1__c.sql",
                                        "V1_0_1__a.sql", "V20260101__f.sql", "V10.0.1__e.sql"};
    found *f = *state;

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        found_take(f, files[i], "SELECT 1;");
    found_merge(f);
    assert_operations(f, "V1_0_1__a V2__b V2.1__c V10__d V10.0.1__e V20260101__f");
}

static void a_version_is_there_once(void **state)
{
    found *f = *state;

    found_take(f, "V1__a.sql", "SELECT 1;");
    found_refused(f, found_try(f, "sub/V1.0__b.sql", "SELECT 1;"), "dir/sub/V1.0__b.sql", 0, "already: dir/V1__a.sql");
    found_take(f, "R__v.sql", "SELECT 1;");
    found_refused(f, found_try(f, "sub/R__v.sql", "SELECT 1;"), "dir/sub/R__v.sql", 0, "already: dir/R__v.sql");
}

static void the_way_back_is_by_version(void **state)
{
    found *f = *state;

    found_take(f, "U2__take_it_back.sql", "SELECT -2;");
    found_take(f, "V2.0__b.sql", "SELECT 2;");
    found_take(f, "V1__a.sql", "SELECT 1;");
    found_merge(f);
    assert_operations(f, "V1__a V2.0__b");
    assert_false(goes_back(found_operation(f, "V1__a")));
    assert_true(goes_back(found_operation(f, "V2.0__b")));
    assert_string_equal(f->folder.items[1].sql[0][0][MTNT__FOUND_DOWN].text, "SELECT -2;");
}

static void a_way_back_needs_one_forward(void **state)
{
    found *f = *state;

    found_take(f, "U2__a.sql", "SELECT 1;");
    found_refused(f, try_finish(f), "dir/U2__a.sql", 0, "no V script");
}

static void repeatable_ones_come_last_by_description(void **state)
{
    found *f = *state;
    mtnt_entry_info info;

    found_take(f, "R__b_view.sql", "SELECT 1;");
    found_take(f, "R__a_view.sql", "SELECT 2;");
    found_take(f, "V99__z.sql", "SELECT 3;");
    found_merge(f);
    assert_operations(f, "V99__z R__a_view R__b_view");
    info = found_operation(f, "R__b_view");
    assert_true(info.flags & MTNT_OPERATION_REPEATABLE && goes_back(info));
    assert_false(found_operation(f, "V99__z").flags & MTNT_OPERATION_REPEATABLE);
}

/* ---- placeholders ---- */

static const char *const values[] = {"owner=app", "Empty=", NULL};

static void placeholders_are_filled_in_everywhere(void **state)
{
    found *f = *state;

    f->options.placeholders = values;
    found_take(f, "V1__a.sql", "-- for ${owner}\nGRANT ALL ON a TO ${OWNER}; SELECT '${empty}', $1, '${';");
    found_finish(f);
    assert_sql(f, MTNT__FOUND_UP, "-- for app\nGRANT ALL ON a TO app; SELECT '', $1, '${';", 1);
}

static void a_placeholder_without_a_value_is_refused(void **state)
{
    found *f = *state;

    f->options.placeholders = values;
    found_take(f, "V1__a.sql", "\nSELECT 1;\nGRANT ALL ON a TO ${user};");
    found_refused(f, try_finish(f), "dir/V1__a.sql", 3, "`${user}` has no value");
}

static void placeholders_can_be_left_alone(void **state)
{
    found *f = *state;

    found_take(f, "V1__a.sql.conf", "# said before the script is read\nplaceholderReplacement=false\n");
    found_take(f, "V1__a.sql", "SELECT '${user}';");
    found_finish(f);
    assert_sql(f, MTNT__FOUND_UP, "SELECT '${user}';", 1);
    f->options.verbatim = true;
    found_take(f, "V2__a.sql", "SELECT '${user}';");
    found_finish(f);
    assert_sql(f, MTNT__FOUND_UP, "SELECT '${user}';", 1);
}

/* Other values, and other ends of lines, are no other script; another text is. */
static void the_checksum_is_of_the_script(void **state)
{
    static const char *const others[] = {"owner=other", NULL};
    char first[65];
    found *f = *state;

    f->options.placeholders = values;
    found_take(f, "V1__a.sql", "SELECT '${owner}';\nSELECT 2;\n");
    found_finish(f);
    f->options.placeholders = others;
    found_take(f, "V2__a.sql", "\xef\xbb\xbfSELECT '${owner}';\r\nSELECT 2;");
    found_take(f, "V3__a.sql", "SELECT  '${owner}';\nSELECT 2;\n");
    found_finish(f);
    assert_sql(f, MTNT__FOUND_UP, "SELECT  'other';\nSELECT 2;", 1);
    found_merge(f);
    snprintf(first, sizeof(first), "%s", found_operation(f, "V1__a").checksum);
    assert_string_equal(found_operation(f, "V2__a").checksum, first);
    assert_string_not_equal(found_operation(f, "V3__a").checksum, first);
}

/* ---- transactions ---- */

static const mtnt__origin *origin_of(const found *f, const char *name)
{
    ptrdiff_t index = mtnt_chain_find(f->folder.chain, name);

    assert_true(index >= 0);
    assert_non_null(f->folder.chain->entries[index].origin);
    return f->folder.chain->entries[index].origin;
}

/* CRC-32 of the digits from 1 to 9 is 0xcbf43926. */
static void the_tables_checksum_is_a_signed_crc_of_the_lines(void **state)
{
    static const char *const placeholders[] = {"three=3", NULL};
    found *f = *state;

    f->options.placeholders = placeholders;
    found_take(f, "U1_1__a_b.sql", "SELECT 1;");
    found_take(f, "sub/V1_1__a_b.sql", "1234\r\n\n56\n789");
    found_take(f, "R__a_view.sql", "12${three}4\n56789\n");
    found_take(f, "V2__plain.sql", "12${three}4\n56789\n");
    found_merge(f);
    assert_string_equal(origin_of(f, "V1_1__a_b")->checksum, "-873187034");
    assert_string_equal(origin_of(f, "V1_1__a_b")->version, "1.1");
    assert_string_equal(origin_of(f, "V1_1__a_b")->name, "a b");
    assert_string_equal(origin_of(f, "V1_1__a_b")->script, "sub/V1_1__a_b.sql");
    assert_string_equal(found_operation(f, "V1_1__a_b").file, "dir/sub/V1_1__a_b.sql");
    /* What is repeated is summed up once its placeholders are filled in. */
    assert_string_equal(origin_of(f, "R__a_view")->checksum, "-873187034");
    assert_string_not_equal(origin_of(f, "V2__plain")->checksum, "-873187034");
}

static void what_no_transaction_holds_is_seen(void **state)
{
    found *f = *state;

    found_take(f, "V1__a.sql", "DROP INDEX CONCURRENTLY a;\n-- and\nCREATE INDEX CONCURRENTLY a ON b(c);\n");
    found_take(f, "V2__b.sql", "CREATE INDEX a ON b(c);");
    found_take(f, "V3__c.sql", "SELECT 1;");
    found_take(f, "V3__c.sql.conf", "executeInTransaction = false\n");
    found_merge(f);
    assert_true(found_operation(f, "V1__a").flags & MTNT_OPERATION_NO_TRANSACTION);
    assert_false(found_operation(f, "V2__b").flags & MTNT_OPERATION_NO_TRANSACTION);
    assert_true(found_operation(f, "V3__c").flags & MTNT_OPERATION_NO_TRANSACTION);
}

static void both_kinds_in_one_script_are_refused(void **state)
{
    static const char text[] = "CREATE TABLE a(b int);\n\nCREATE INDEX CONCURRENTLY c ON a(b);\n";
    found *f = *state;

    found_take(f, "V1__a.sql", text);
    found_refused(f, try_finish(f), "dir/V1__a.sql", 3, "`mixed: true`");
    f->options.mixed = true;
    found_finish(f);
    assert_true(found_sql(f, 0, MTNT__FOUND_UP)->alone);
    /* Said, it is believed. */
    f->options.mixed = false;
    found_take(f, "V2__a.sql", text);
    found_take(f, "V2__a.sql.conf", "executeInTransaction=false");
    found_finish(f);
    assert_true(found_sql(f, 1, MTNT__FOUND_UP)->alone);
}

/* SQLite: foreign keys are not looked at before the end of our transaction in any case. */
static void foreign_keys_may_be_switched_off_inside(void **state)
{
    found *f = *state;

    found_take(f, "V1__a.sql", "PRAGMA foreign_keys=OFF;\nDROP TABLE a;\nPRAGMA foreign_keys=ON;\n");
    found_take(f, "V1__a.sql.conf", "executeInTransaction=false\n");
    found_merge(f);
    assert_false(found_operation(f, "V1__a").flags & MTNT_OPERATION_NO_TRANSACTION);
}

/* ---- what there is besides ---- */

static void settings_are_refused_at_their_line(void **state)
{
    found *f = *state;

    found_refused(f, found_try(f, "V1__a.sql.conf", "\nshouldExecute=true\n"), "dir/V1__a.sql.conf", 2,
                  "`shouldExecute`");
    found_refused(f, found_try(f, "V1__a.sql.conf", "encoding=ISO-8859-1\n"), "dir/V1__a.sql.conf", 1, "only UTF-8");
    found_refused(f, found_try(f, "V1__a.sql.conf", "executeInTransaction=perhaps\n"), "dir/V1__a.sql.conf", 1,
                  "true or false");
    found_take(f, "V1__a.sql.conf", "encoding=utf-8\n! a comment\nplaceholderReplacement = TRUE \n");
}

static void callbacks_and_baselines_are_told(void **state)
{
    found *f = *state;

    found_take(f, "afterMigrate__grants.sql", "SELECT 1;");
    found_take(f, "B5__base.sql", "SELECT 1;");
    assert_int_equal(f->folder.count, 0);
    assert_non_null(strstr(mtnt_chain_warning(f->folder.chain, 0), "dir/afterMigrate__grants.sql: it is a callback"));
    assert_non_null(strstr(mtnt_chain_warning(f->folder.chain, 1), "dir/B5__base.sql: it is a baseline"));
}

static void programs_are_refused_where_they_would_run(void **state)
{
    found *f = *state;

    found_take(f, "V2__Fill.java", "class V2__Fill {}");
    found_merge(f);
    assert_operations(f, "V2__Fill");
    assert_non_null(strstr(found_operation(f, "V2__Fill").config, "program in Java"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, found_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names),
        CASE(versions_go_part_by_part),
        CASE(a_version_is_there_once),
        CASE(the_way_back_is_by_version),
        CASE(a_way_back_needs_one_forward),
        CASE(repeatable_ones_come_last_by_description),
        CASE(placeholders_are_filled_in_everywhere),
        CASE(a_placeholder_without_a_value_is_refused),
        CASE(placeholders_can_be_left_alone),
        CASE(the_checksum_is_of_the_script),
        CASE(the_tables_checksum_is_a_signed_crc_of_the_lines),
        CASE(what_no_transaction_holds_is_seen),
        CASE(both_kinds_in_one_script_are_refused),
        CASE(foreign_keys_may_be_switched_off_inside),
        CASE(settings_are_refused_at_their_line),
        CASE(callbacks_and_baselines_are_told),
        CASE(programs_are_refused_where_they_would_run),
    };

    return cmocka_run_group_tests_name("formats.flyway", tests, NULL, NULL);
}
