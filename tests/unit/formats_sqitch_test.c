/* sqitch's folders. */
#include <stdlib.h>

#include "chain/origin.h"
#include "found.h"

#define HEAD "%syntax-version=1.0.0\n%project=shop\n\n"
#define SIGNED " 2026-01-01T00:00:00Z Ada <ada@example.org> # a note [not, a, need]\n"

static int setup(void **state)
{
    int rc = found_setup(state);

    if (rc == 0)
        ((found *)*state)->folder.reader = &mtnt__reader_sqitch;
    return rc;
}

static int try_finish(found *f)
{
    mtnt_error_clear(&f->err);
    return mtnt__reader_sqitch.finish(&f->folder);
}

static void take_change(found *f, const char *name)
{
    char path[100];

    snprintf(path, sizeof(path), "deploy/%s.sql", name);
    found_take(f, path, "BEGIN;\nSELECT 1;\nCOMMIT;\n");
    snprintf(path, sizeof(path), "revert/%s.sql", name);
    found_take(f, path, "BEGIN;\nSELECT -1;\nCOMMIT;\n");
}

static void assert_plan_refused(void **state, const char *plan, uint32_t line, const char *says)
{
    found *f = *state;

    mtnt__folder_release(&f->folder);
    f->folder.finished = 0;
    take_change(f, "users");
    take_change(f, "flips");
    found_take(f, "sqitch.plan", plan);
    found_refused(f, try_finish(f), "dir/sqitch.plan", line, says);
}

static void the_plan_is_the_order(void **state)
{
    found *f = *state;

    take_change(f, "a/flips");
    take_change(f, "users");
    take_change(f, "zero");
    found_take(f, "sqitch.plan",
               HEAD "zero" SIGNED "\n+users [zero]" SIGNED "@v1" SIGNED
                    "# by the way\n  a/flips [users@v1 zero !other]" SIGNED);
    found_merge(f);
    assert_operations(f, "zero users a/flips");
    assert_true(goes_back(found_operation(f, "users")));
    assert_int_equal(found_operation(f, "a/flips").order, 3);
    assert_string_equal(found_sql(f, 0, MTNT__FOUND_UP)->text, "      \nSELECT 1;\n       ");
    assert_false(found_sql(f, 0, MTNT__FOUND_UP)->alone);
}

static void mistakes_in_the_plan_are_refused_at_their_line(void **state)
{
    assert_plan_refused(state, HEAD "users\n", 4, "is followed by a time");
    assert_plan_refused(state, HEAD "users 2026-01-01T00:00:00 Ada <a@b>\n", 4, "is followed by a time");
    assert_plan_refused(state, HEAD "users" SIGNED "flips [nobody]" SIGNED, 5, "requires `nobody`");
    assert_plan_refused(state, HEAD "users [flips]" SIGNED "flips" SIGNED, 4, "requires `flips`");
    assert_plan_refused(state, HEAD "users" SIGNED "flips [users@v1]" SIGNED "@v1" SIGNED, 5, "requires the tag `@v1`");
    assert_plan_refused(state, HEAD "users" SIGNED "flips [!users]" SIGNED, 5, "in conflict with `users`");
    assert_plan_refused(state, HEAD "users" SIGNED "users" SIGNED, 5, "stands on line 4 already");
    assert_plan_refused(state, HEAD "users" SIGNED "@v1" SIGNED "@v1" SIGNED, 6, "stands on line 5 already");
    assert_plan_refused(state, HEAD "users" SIGNED "gone" SIGNED, 5, "there is no deploy/gone.sql");
    assert_plan_refused(state, HEAD "-users" SIGNED, 4, "takes a change back");
    assert_plan_refused(state, HEAD "us@ers" SIGNED, 4, "no name");
    assert_plan_refused(state, HEAD "users [flips" SIGNED, 4, "stand in [ ]");
    assert_plan_refused(state, HEAD "users" SIGNED "@v1 [users]" SIGNED, 5, "tags have none");
}

static void needs_of_other_projects_are_told(void **state)
{
    found *f = *state;

    take_change(f, "users");
    found_take(f, "sqitch.plan", HEAD "users [auth:login]" SIGNED);
    found_finish(f);
    assert_non_null(
        strstr(mtnt_chain_warning(f->folder.chain, 0), "dir/sqitch.plan:4: `auth:login` is of another project"));
}

/* What has been reworked has the scripts that bear the tag before; it keeps its name, and the new one is another operation. */
static void a_change_may_be_reworked(void **state)
{
    found *f = *state;

    take_change(f, "users@v1");
    take_change(f, "users");
    take_change(f, "flips");
    found_take(f, "sqitch.plan",
               HEAD "users" SIGNED "@v1" SIGNED "flips" SIGNED "@v2" SIGNED "users [users@v2]" SIGNED);
    found_merge(f);
    assert_operations(f, "users flips users (2)");
    assert_string_equal(found_sql(f, 0, MTNT__FOUND_UP)->file, "dir/deploy/users@v1.sql");
    assert_string_equal(found_sql(f, 2, MTNT__FOUND_DOWN)->file, "dir/revert/users.sql");
}

static void without_a_revert_there_is_no_way_back(void **state)
{
    found *f = *state;

    found_take(f, "deploy/users.sql", "SELECT 1;");
    found_take(f, "sqitch.plan", HEAD "users" SIGNED);
    found_merge(f);
    assert_false(goes_back(found_operation(f, "users")));
}

static void scripts_without_a_change_are_told(void **state)
{
    found *f = *state;

    take_change(f, "users");
    found_take(f, "deploy/notes.sql", "SELECT 1;");
    found_take(f, "sqitch.plan", HEAD "users" SIGNED);
    found_finish(f);
    assert_non_null(strstr(mtnt_chain_warning(f->folder.chain, 0), "dir/deploy/notes.sql: the plan has no change"));
}

static void what_is_outside_stays_outside(void **state)
{
    found *f = *state;

    found_take(f, "deploy/users.sql", "CREATE INDEX CONCURRENTLY a ON b(c);");
    found_take(f, "sqitch.plan", HEAD "users" SIGNED);
    found_merge(f);
    assert_true(found_operation(f, "users").flags & MTNT_OPERATION_NO_TRANSACTION);
}

static void what_looks_leaves_nothing(void **state)
{
    found *f = *state;

    take_change(f, "users");
    found_take(f, "verify/users.sql", "-- it\nBEGIN;\nINSERT INTO a VALUES (1);\nROLLBACK;\n");
    found_take(f, "sqitch.plan", HEAD "users" SIGNED);
    found_merge(f);
    assert_string_equal(found_sql(f, 0, MTNT__FOUND_VERIFY)->text,
                        "SAVEPOINT mtnt_verify; -- it\n      \nINSERT INTO a VALUES (1);\n         \n"
                        "; ROLLBACK TO SAVEPOINT mtnt_verify; RELEASE SAVEPOINT mtnt_verify");
}

static void what_looks_may_be_left_out(void **state)
{
    found *f = *state;

    f->options.unverified = true;
    take_change(f, "users");
    found_take(f, "verify/users.sql", "\\i other.sql\n");
    found_take(f, "sqitch.plan", HEAD "users" SIGNED);
    found_merge(f);
    assert_null(found_sql(f, 0, MTNT__FOUND_VERIFY)->text);
    assert_null(mtnt_chain_warning(f->folder.chain, 0));
}

/* ---- what the registry knows ---- */

static const mtnt__origin *origin_of(const found *f, const char *name)
{
    ptrdiff_t index = mtnt_chain_find(f->folder.chain, name);

    assert_true(index >= 0);
    assert_non_null(f->folder.chain->entries[index].origin);
    return f->folder.chain->entries[index].origin;
}

/* Ids as sqitch 1.3.1 has made them of this plan. */
static void ids_are_those_of_the_tool(void **state)
{
    found *f = *state;

    found_take(f, "deploy/flips.sql", "CREATE TABLE flips_n(x INTEGER);\n");
    found_take(f, "deploy/last.sql", "CREATE TABLE last_n(x INTEGER);\n");
    found_take(f, "deploy/users.sql", "CREATE TABLE users_n(x INTEGER);\n");
    found_take(f, "deploy/users@v1.sql", "CREATE TABLE users(x INTEGER);\n");
    found_take(f, "sqitch.plan",
               "%syntax-version=1.0.0\n%project=flipr\n%uri=https://example.org/flipr\n\n"
               "users 2026-11-28T21:12:27Z Ada B <ada@example.org> # the first: \xc3\xa9 \\\\ with # mark\n"
               "flips [users !other:old] 2026-11-28T21:12:28Z Ada B <ada@example.org> # the second\n"
               "@v1 2026-11-28T21:12:29Z Ada B <ada@example.org> # one\n"
               "users [users@v1] 2026-11-28T21:12:30Z Ada B <ada@example.org> # again\n"
               "last [flips@v1 users] 2026-11-28T21:12:31Z Ada B <ada@example.org> # third\n");
    found_merge(f);
    assert_string_equal(origin_of(f, "users")->id, "60073ff176200f3900116c51a8923f307cf68cf6");
    assert_string_equal(origin_of(f, "users")->checksum, "c9614f602320d934f3a741ee576c9e6a62a86795");
    assert_string_equal(origin_of(f, "flips")->id, "3197d559a5d4d725c078f4fab360a5dbe4d8e429");
    assert_string_equal(origin_of(f, "users (2)")->id, "be7c967ac7d164605c2c37c4fdfc8659b8f94307");
    assert_string_equal(origin_of(f, "users (2)")->name, "users");
    assert_string_equal(origin_of(f, "last")->id, "8beaf49d4fe0c46ec2b50f2c5c95a27948661a02");
    assert_string_equal(
        origin_of(f, "flips")->detail,
        "{\"id\":\"3197d559a5d4d725c078f4fab360a5dbe4d8e429\",\"name\":\"flips\",\"needs\":[{\"dependency\":\"users\","
        "\"dependency_id\":\"60073ff176200f3900116c51a8923f307cf68cf6\",\"type\":\"require\"},{\"dependency\":\"other:old\","
        "\"type\":\"conflict\"}],\"note\":\"the second\",\"planned_at\":\"2026-11-28T21:12:28Z\",\"planner_email\":"
        "\"ada@example.org\",\"planner_name\":\"Ada B\",\"project\":\"flipr\",\"script_hash\":"
        "\"04dc9c802b0b8cde4adb4d5eea9bdfa2286b37e2\",\"tags\":[{\"id\":\"3647807fe51974de9446934f075deac8b51a3875\",\"name\":"
        "\"v1\",\"note\":\"one\",\"planned_at\":\"2026-11-28T21:12:29Z\",\"planner_email\":\"ada@example.org\","
        "\"planner_name\":\"Ada B\"}],\"uri\":\"https://example.org/flipr\"}");
}

static void without_a_project_there_are_none(void **state)
{
    found *f = *state;

    take_change(f, "users");
    found_take(f, "sqitch.plan", "%syntax-version=1.0.0\n\nusers" SIGNED);
    found_merge(f);
    assert_null(origin_of(f, "users")->id);
    assert_null(origin_of(f, "users")->detail);
}

/* ---- psql and sqlite3 ---- */

static void commands_that_only_show_are_left_out(void **state)
{
    char text[] =
        "\\set ON_ERROR_STOP on\n.bail on\n\\echo 'it''s\nSELECT '\\echo', E'\\\\', $$\n\\echo$$;\n  \\timing\n";

    (void)state;
    assert_int_equal(mtnt__shell_commands_drop(text), 4);
    assert_string_equal(
        text, "                     \n        \n            \nSELECT '\\echo', E'\\\\', $$\n\\echo$$;\n         \n");
}

static void other_commands_are_refused_by_name(void **state)
{
    static const struct {
        const char *sql, *says;
        uint32_t line;
    } cases[] = {
        {"SELECT 1;\n\\i more.sql\n", "`\\i` is a command of psql", 2},
        {"\\set name 'x'\nSELECT 1;", "`\\set` is a command of psql", 1},
        {"SELECT 1 \\gexec\n", "`\\gexec` is a command of psql", 1},
        {"\\copy a FROM 'b'", "`\\copy` is a command of psql", 1},
        {"BEGIN;\n\\ir more.sql\nCOMMIT;\n", "`\\ir` is a command of psql", 2},
        {"SELECT 1;\n.read more.sql\n", "`.read` is a command of sqlite3's shell", 2},
    };
    found *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        mtnt__folder_release(&f->folder);
        f->folder.finished = 0;
        found_take(f, "deploy/users.sql", cases[i].sql);
        found_take(f, "sqitch.plan", HEAD "users" SIGNED);
        found_refused(f, try_finish(f), "dir/deploy/users.sql", cases[i].line, cases[i].says);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, found_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_plan_is_the_order),
        CASE(mistakes_in_the_plan_are_refused_at_their_line),
        CASE(needs_of_other_projects_are_told),
        CASE(a_change_may_be_reworked),
        CASE(without_a_revert_there_is_no_way_back),
        CASE(scripts_without_a_change_are_told),
        CASE(what_is_outside_stays_outside),
        CASE(what_looks_leaves_nothing),
        CASE(what_looks_may_be_left_out),
        CASE(ids_are_those_of_the_tool),
        CASE(without_a_project_there_are_none),
        CASE(commands_that_only_show_are_left_out),
        CASE(other_commands_are_refused_by_name),
    };

    return cmocka_run_group_tests_name("formats.sqitch", tests, NULL, NULL);
}
