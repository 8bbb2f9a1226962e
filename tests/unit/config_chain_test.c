/* Chain files. */
#include "scratch.h"

#include "chain/chain.h"
#include "mtnt/operations.h"

static mtnt_chain *loaded(void **state, const char *text)
{
    mtnt_chain *chain = NULL;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_chain_new(&chain, "unnamed", NULL), 0);
    if (mtnt_chain_load_yaml(chain, scratch_write(*state, "chain.yaml", text), &err))
        fail_msg("%s:%u:%u: %s", err.file, err.line, err.column, err.message);
    return chain;
}

static mtnt_entry_info info_at(const mtnt_chain *chain, size_t index)
{
    mtnt_entry_info info;

    assert_true(mtnt_chain_get(chain, index, &info));
    return info;
}

/* `message` may be its beginning only. */
static void assert_refused(void **state, const char *text, uint32_t line, uint32_t column, const char *message)
{
    const char *path = scratch_write(*state, "chain.yaml", text);
    mtnt_chain *chain = NULL;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_chain_new(&chain, "unnamed", NULL), 0);
    assert_int_equal(mtnt_chain_load_yaml(chain, path, &err), MTNT_E_CONFIG);
    err.message[strlen(message)] = '\0';
    assert_string_equal(err.message, message);
    assert_string_equal(err.file, path);
    assert_int_equal(err.line, line);
    assert_int_equal(err.column, column);
    mtnt_chain_free(chain);
}

/* ---- what is loaded ---- */

static void every_kind_of_operation_is_loaded(void **state)
{
    mtnt_chain *chain;

    scratch_write(*state, "sql/plan.up.sql",
                  "\xef\xbb\xbf"
                  "CREATE TABLE plan(customer TEXT);\n");
    scratch_write(*state, "sql/plan.down.sql", "DROP TABLE plan;\n");
    chain = loaded(
        state, "chain: crm\n"
               "operations:\n"
               "  - name: base\n"
               "    create_model: {}\n"
               "  - name: contacts\n"
               "    lane: fast\n"
               "    mode: auto\n"
               "    retriable: false\n"
               "    sql:\n"
               "      model: {up: \"CREATE TABLE contacts(id INTEGER PRIMARY KEY)\", down: \"DROP TABLE contacts\"}\n"
               "  - name: plan\n"
               "    sql:\n"
               "      model:      {up_file: sql/plan.up.sql, down_file: sql/plan.down.sql}\n"
               "      controller: {up: \"UPDATE customers SET plan = 1 WHERE id = :'tenant'\"}\n"
               "  - name: tables\n"
               "    tables: {create: [\"a(id INTEGER)\", \"b(id INTEGER)\"]}\n"
               "  - name: right\n"
               "    verify:\n"
               "      - {model: SELECT count(*) FROM a, expect: 0}\n"
               "      - {controller: SELECT NULL, expect: null}\n"
               "  - name: mail\n"
               "    exec: {command: [./mail.sh, \"{tenant}\"], undo: [\"true\"]}\n"
               "  - name: gone\n"
               "    tables: {drop: [\"c(id INTEGER)\"]}\n");
    assert_string_equal(mtnt_chain_name(chain), "crm");
    assert_int_equal(mtnt_chain_len(chain), 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(info_at(chain, i).order, i + 1);
        assert_string_equal(info_at(chain, i).file, scratch_path(*state, "chain.yaml"));
        assert_false(info_at(chain, i).disabled);
    }
    assert_int_equal(info_at(chain, 0).flags, MTNT_OPERATION_CREATES_MODEL | MTNT_OPERATION_SAME_FOR_ALL);
    assert_int_equal(info_at(chain, 1).line, 5);
    assert_int_equal(info_at(chain, 1).writes, MTNT_WRITES_MODEL);
    assert_string_equal(info_at(chain, 1).model_up, "CREATE TABLE contacts(id INTEGER PRIMARY KEY)");
    assert_int_equal(info_at(chain, 2).writes, MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER);
    assert_string_equal(info_at(chain, 2).model_up, "CREATE TABLE plan(customer TEXT);\n");
    assert_string_equal(info_at(chain, 2).controller_up, "UPDATE customers SET plan = 1 WHERE id = :'tenant'");
    assert_string_equal(info_at(chain, 4).operation_class->name, "verify");
    assert_int_equal(info_at(chain, 4).writes, MTNT_WRITES_NOTHING);
    assert_int_equal(info_at(chain, 5).flags & MTNT_OPERATION_EXTERNAL, MTNT_OPERATION_EXTERNAL);
    mtnt_chain_free(chain);
}

static void sql_is_given_for_each_backend(void **state)
{
    mtnt_chain *chain = loaded(state, "chain: crm\n"
                                      "operations:\n"
                                      "  - name: index\n"
                                      "    sql:\n"
                                      "      model_sqlite: {up: CREATE INDEX i ON a(b), down: DROP INDEX i}\n"
                                      "      model_postgres: {up: CREATE INDEX j ON a(b), down: DROP INDEX j}\n"
                                      "      controller_sqlite: {up: SELECT 1}\n"
                                      "      controller_postgres: {up: SELECT 2}\n"
                                      "  - name: made\n"
                                      "    sql: {model: {up: SELECT 1}}\n");

    assert_int_equal(mtnt_chain_len(chain), 2);
    assert_int_equal(info_at(chain, 0).writes, MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER);
    assert_non_null(strstr(info_at(chain, 0).model_up, "CREATE INDEX i"));
    assert_non_null(strstr(info_at(chain, 0).model_up, "CREATE INDEX j"));
    mtnt_chain_free(chain);
}

static void a_model_is_created_from_a_template(void **state)
{
    mtnt_chain *chain;

    scratch_write(*state, "base.sql", "CREATE TABLE a(id INTEGER);\n");
    chain = loaded(state, "chain: crm\n"
                          "operations:\n"
                          "  - name: base\n"
                          "    create_model: {template_file: base.sql, template_postgres: \"SELECT 1\"}\n");
    assert_non_null(strstr(info_at(chain, 0).model_up, "CREATE TABLE a"));
    mtnt_chain_free(chain);
}

static void orders_are_positions_unless_they_are_said(void **state)
{
    mtnt_chain *chain = loaded(state, "chain: crm\n"
                                      "operations:\n"
                                      "  - {name: a, sql: {model: {up: SELECT 1}}}\n"
                                      "  - {name: b, order: 20, sql: {model: {up: SELECT 1}}}\n"
                                      "  - {name: c, sql: {model: {up: SELECT 1}}}\n");

    assert_string_equal(info_at(chain, 1).name, "c");
    assert_int_equal(info_at(chain, 1).order, 3);
    assert_int_equal(info_at(chain, 2).order, 20);
    mtnt_chain_free(chain);
}

static void the_checksum_is_of_the_sql_and_not_of_its_place(void **state)
{
    mtnt_chain *here = loaded(state, "chain: crm\noperations:\n  - {name: a, sql: {model: {up: SELECT 1}}}\n"), *there,
               *other;

    scratch_write(*state, "a.sql", "SELECT 1\n");
    there = loaded(state, "chain: crm\noperations:\n\n  - {name: b, order: 7, sql: {model: {up_file: a.sql}}}\n");
    other = loaded(state, "chain: crm\noperations:\n  - {name: a, sql: {model: {up: SELECT 2}}}\n");
    assert_string_equal(info_at(here, 0).checksum, info_at(there, 0).checksum);
    assert_string_not_equal(info_at(here, 0).checksum, info_at(other, 0).checksum);
    mtnt_chain_free(here);
    mtnt_chain_free(there);
    mtnt_chain_free(other);
}

static void B11_a_disabled_operation_stays_known(void **state)
{
    mtnt_chain *chain =
        loaded(state, "chain: crm\noperations:\n  - {name: a, disabled: true, sql: {model: {up: SELECT 1}}}\n"
                      "  - {name: b, disabled: false, sql: {model: {up: SELECT 1}}}\n");

    assert_int_equal(mtnt_chain_len(chain), 2);
    assert_true(info_at(chain, 0).disabled);
    assert_false(info_at(chain, 1).disabled);
    mtnt_chain_free(chain);
}

static void outside_a_transaction_is_noted_for_the_coordinator(void **state)
{
    mtnt_chain *chain = loaded(state, "chain: crm\n"
                                      "operations:\n"
                                      "  - name: a\n"
                                      "    transaction: none\n"
                                      "    sql: {model_postgres: {up: \"CREATE INDEX CONCURRENTLY i ON a(b)\"}}\n");

    assert_true(info_at(chain, 0).flags & MTNT_OPERATION_NO_TRANSACTION);
    mtnt_chain_free(chain);
}

static void the_file_names_a_chain_that_has_nothing_yet(void **state)
{
    mtnt_chain *chain = loaded(state, "chain: crm\noperations:\n  - {name: a, sql: {model: {up: SELECT 1}}}\n");
    mtnt_error err = MTNT_ERROR_INIT;

    scratch_write(*state, "more.yaml",
                  "chain: other\noperations:\n  - {name: b, order: 2, sql: {model: {up: SELECT 1}}}\n");
    assert_int_equal(mtnt_chain_load_yaml(chain, scratch_path(*state, "more.yaml"), &err), 0);
    assert_string_equal(mtnt_chain_name(chain), "crm");
    assert_int_equal(mtnt_chain_len(chain), 2);
    mtnt_chain_free(chain);
    chain = loaded(state, "chain: none\noperations: []\n");
    assert_int_equal(mtnt_chain_len(chain), 0);
    mtnt_chain_free(chain);
}

/* ---- what is refused ---- */

#define HEAD "chain: crm\noperations:\n"

static void keys_and_types_are_refused_at_their_line(void **state)
{
    assert_refused(state, "", 0, 0, "the file is empty");
    assert_refused(state, "chain: crm\n", 1, 1, "the chain has neither `operations` nor `migrations`");
    assert_refused(state, "operations: []\n", 1, 1, "key `chain` is missing");
    assert_refused(state, "chain: crm\noperation: []\n", 2, 1, "unknown key `operation`; did you mean `operations`?");
    assert_refused(state, "chain: crm\noperations: {}\n", 2, 13, "`operations` must be a list, not a mapping");
    assert_refused(state, "chain: crm\noperations:\n", 2, 12, "`operations` must be a list, not empty");
    assert_refused(state, "chain: a b\noperations: []\n", 1, 8, "the name of the chain, `a b`, may consist of letters");
    assert_refused(state, HEAD "  - plan\n", 3, 5,
                   "entry 1 of `operations` must be a mapping (keys with values), not `plan`");
    assert_refused(state, HEAD "  - sql: {model: {up: SELECT 1}}\n", 3, 5, "key `name` is missing in operation 1");
    assert_refused(state, HEAD "  - name: plan\n    sqll: {}\n", 4, 5,
                   "unknown key `sqll` in operation `plan`; did you mean `sql`?");
    assert_refused(state, HEAD "  - name: plan\n    sql: SELECT 1\n", 4, 10,
                   "`sql` must be a mapping (keys with values), not `SELECT 1` in operation `plan`");
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model: SELECT 1\n", 5, 14,
                   "`model` must be a mapping (keys with values), not `SELECT 1` in `sql` of operation `plan`");
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model:\n        upp: SELECT 1\n", 6, 9,
                   "unknown key `upp` in `sql.model` of operation `plan`; did you mean `up`?");
    assert_refused(state, HEAD "  - name: plan\n    order: first\n", 4, 12,
                   "`order` must be a whole number, not `first` in operation `plan`");
    assert_refused(state, HEAD "  - name: plan\n    disabled: 1\n", 4, 15,
                   "`disabled` must be true or false, not `1` in operation `plan`");
    assert_refused(state, HEAD "  - name: plan\n    verify:\n      - {model: SELECT 1}\n", 5, 9,
                   "key `expect` is missing in `verify[1]` of operation `plan`");
    assert_refused(state, HEAD "  - name: base\n    create_model:\n", 4, 18,
                   "`create_model` must be a mapping (keys with values), not empty in operation `base`");
    assert_refused(state, HEAD "  - name: saved\n    snapshot: {}\n", 4, 15,
                   "key `dir` is missing in `snapshot` of operation `saved`");
    assert_refused(state, HEAD "  - name: mail\n    exec: {command: []}\n", 4, 21,
                   "`command` is empty in `exec` of operation `mail`");
    assert_refused(state, HEAD "  - name: mail\n    exec: {undo: [x]}\n", 4, 11,
                   "key `command` is missing in `exec` of operation `mail`");
}

static void an_operation_is_of_one_kind(void **state)
{
    assert_refused(
        state, HEAD "  - name: plan\n", 3, 5,
        "operation `plan`: it says nothing to do: it needs one of `sql`, `create_model`, `delete_model`, `tables`, `verify`, `exec`, `snapshot` and `import`");
    assert_refused(state, HEAD "  - name: plan\n    transaction: none\n    import: {}\n", 3, 0,
                   "operation `plan`: an import runs in a transaction");
    assert_refused(state, HEAD "  - name: plan\n    import: {controller: [{table: a, key: b}, {table: a, key: c}]}\n",
                   3, 0, "operation `plan`: the controller's table `a` is named twice");
    assert_refused(state, HEAD "  - name: plan\n    import: {controller: [{table: a}]}\n", 4, 27,
                   "key `key` is missing");
    assert_refused(state, HEAD "  - name: plan\n    sql: {model: {up: SELECT 1}}\n    tables: {create: [a(b)]}\n", 3, 5,
                   "operation `plan`: it has both `sql` and `tables`: make two operations of it");
    assert_refused(state, HEAD "  - name: plan\n    tables: {}\n", 4, 13,
                   "operation `plan`: `tables` has neither `create` nor `drop`");
    assert_refused(state, HEAD "  - name: plan\n    tables:\n      create: [a(b)]\n      drop: [c(d)]\n", 6, 13,
                   "operation `plan`: `tables` has both `create` and `drop`: make two operations of it");
    assert_refused(state, HEAD "  - name: plan\n    verify: [{expect: 1}]\n", 4, 14,
                   "operation `plan`: a check of `verify` has neither `model` nor `controller` with a query");
    assert_refused(
        state, HEAD "  - name: plan\n    verify: [{expect: 1, model: SELECT 1, controller: SELECT 1}]\n", 4, 14,
        "operation `plan`: a check of `verify` asks `model` or `controller`, not both: make two checks of it");
    assert_refused(state, HEAD "  - name: plan\n    sql: {}\n", 3, 0, "operation `plan`: there is no SQL to run");
}

static void sql_is_here_or_in_a_file(void **state)
{
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model:\n        up: SELECT 1\n        up_file: a.sql\n",
                   7, 18, "operation `plan`: there are both `up` (line 6) and `up_file`: one of them has to go");
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model: {down: SELECT 1}\n", 5, 14,
                   "operation `plan`: `sql.model` has neither `up` nor `up_file`");
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model: {up_file: none.sql}\n", 5, 24,
                   "operation `plan`: cannot open ");
    assert_refused(
        state, HEAD "  - name: base\n    create_model: {template_sqlite: SELECT 1, template_sqlite_file: a.sql}\n", 4,
        69,
        "operation `base`: there are both `template_sqlite` (line 4) and `template_sqlite_file`: one of them has to go");
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model: {up: \"\"}\n", 5, 20,
                   "`up` is empty in `sql.model` of operation `plan`");
}

static void A11_names_and_orders_are_unique(void **state)
{
    char expected[512];

    snprintf(
        expected, sizeof(expected),
        "operation `a` (order 2) has the name of operation 1 `a` (%s/chain.yaml:3); names are unique: rename one of them",
        ((scratch *)*state)->folder);
    assert_refused(state,
                   HEAD "  - {name: a, sql: {model: {up: SELECT 1}}}\n  - {name: a, sql: {model: {up: SELECT 1}}}\n", 4,
                   0, expected);
    snprintf(
        expected, sizeof(expected),
        "operation `b` has order 2, which operation `a` (%s/chain.yaml:3) has already; orders are unique: change one of them",
        ((scratch *)*state)->folder);
    assert_refused(
        state,
        HEAD "  - {name: a, order: 2, sql: {model: {up: SELECT 1}}}\n  - {name: b, sql: {model: {up: SELECT 1}}}\n", 4,
        0, expected);
    assert_refused(state, HEAD "  - {name: a, order: 0, sql: {model: {up: SELECT 1}}}\n", 3, 22,
                   "operation `a`: `order` begins at 1, it cannot be 0");
    assert_refused(state, HEAD "  - {name: a, sql: {model: {up: SELECT 1}}}\n  - {name: b, create_model: {}}\n", 4, 0,
                   "operation `b` creates the model and must be the first of its chain, but `a`");
    assert_refused(state, HEAD "  - {name: a, delete_model: {}}\n  - {name: b, sql: {model: {up: SELECT 1}}}\n", 4, 0,
                   "operation `b` (order 2) would come after `a`");
    assert_refused(state,
                   HEAD "  - {name: a, order: 5, sql: {model: {up: SELECT 1}}}\n  - {name: b, delete_model: {}}\n", 4,
                   0, "operation `b` deletes the model and must be the last of its chain, but `a`");
    assert_refused(state, HEAD "  - {name: a, delete_model: {grace: soon}}\n", 3, 37,
                   "operation `a`: `grace` must be a time such as 0, 5m, 12h or 7d, not `soon`");
}

static void deleting_gives_time_to_think(void **state)
{
    static const struct {
        const char *text, *shown;
        int64_t ms;
    } times[] = {
        {"{}", "-- the model is put away, and removed for good after 7d", MTNT_DELETE_MODEL_GRACE_MS},
        {"{grace: 36h}", "-- the model is put away, and removed for good after 36h", 36 * 3600 * 1000},
        {"{grace: 0}", "-- the model is put away, and removed for good", 0},
    };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[200];
        mtnt_chain *chain;
        mtnt_entry_info info;

        snprintf(text, sizeof(text),
                 HEAD "  - {name: a, sql: {model: {up: SELECT 1}}}\n  - {name: gone, delete_model: %s}\n",
                 times[i].text);
        chain = loaded(state, text);
        assert_true(mtnt_chain_get(chain, 1, &info));
        assert_int_equal(info.flags, MTNT_OPERATION_DELETES_MODEL);
        assert_string_equal(info.model_up, times[i].shown);
        assert_int_equal(((const mtnt_delete_model_options *)info.config)->grace_ms, times[i].ms);
        assert_ptr_equal(mtnt__chain_deleter(chain)->name, info.name);
        mtnt_chain_free(chain);
    }
}

static void lanes_are_loaded(void **state)
{
    mtnt_chain *chain = loaded(state, "chain: crm\n"
                                      "lanes:\n"
                                      "  - {name: now, deadline: 30s, operation_timeout: 0}\n"
                                      "  - {name: later, workers: 2, deadline: 2h}\n"
                                      "  - {name: aside, beside: true}\n"
                                      "operations:\n"
                                      "  - {name: a, sql: {model: {up: SELECT 1}}}\n"
                                      "  - {name: b, lane: later, sql: {model: {up: SELECT 2}}}\n"
                                      "  - {name: c, lane: aside, sql: {model: {up: SELECT 3}}}\n"
                                      "  - {name: d, lane: now, sql: {model: {up: SELECT 4}}}\n");
    mtnt_lane lane;

    assert_int_equal(mtnt_chain_lanes(chain), 3);
    assert_true(mtnt_chain_lane_at(chain, 0, &lane));
    assert_string_equal(lane.name, "now");
    assert_int_equal(lane.deadline_ms, 30000);
    assert_int_equal(lane.operation_timeout_ms, -1);
    assert_false(lane.beside);
    assert_true(mtnt_chain_lane_at(chain, 1, &lane));
    assert_int_equal(lane.workers, 2);
    assert_int_equal(lane.deadline_ms, 7200000);
    assert_true(mtnt_chain_lane_at(chain, 2, &lane));
    assert_true(lane.beside);
    assert_int_equal(mtnt_chain_len(mtnt_chain_lane(chain, "now")), 2);
    assert_string_equal(info_at(mtnt_chain_lane(chain, "later"), 0).name, "b");
    assert_string_equal(mtnt_chain_name(mtnt_chain_lane(chain, "aside")), "crm/aside");
    mtnt_chain_free(chain);
}

/* Without `lanes` there are fast and slow; an operation keeps its place in the whole chain. */
static void the_usual_lanes_need_no_declaration(void **state)
{
    mtnt_chain *chain = loaded(state, "chain: crm\n"
                                      "operations:\n"
                                      "  - {name: a, lane: slow, sql: {model: {up: SELECT 1}}}\n"
                                      "  - {name: b, sql: {model: {up: SELECT 2}}}\n");

    assert_int_equal(mtnt_chain_lanes(chain), 2);
    assert_int_equal(info_at(mtnt_chain_lane(chain, "slow"), 0).order, 1);
    assert_int_equal(info_at(mtnt_chain_lane(chain, "fast"), 0).order, 2);
    mtnt_chain_free(chain);
}

static void a_folder_is_in_a_lane_and_an_environment(void **state)
{
    static const char *const test[] = {"test", NULL}, *const gone[] = {"gone", NULL};
    mtnt_chain *chain;

    scratch_write(*state, "m/0003_c/model.up.sql", "SELECT 3");
    scratch_write(*state, "m/0004_d/model.up.sql", "SELECT 4");
    chain = loaded(state, "chain: crm\n"
                          "operations:\n"
                          "  - {name: a, sql: {model: {up: SELECT 1}}}\n"
                          "migrations:\n"
                          "  - {dir: m, format: native, environment: test, lane: slow}\n"
                          "  - {dir: none, format: native, environment: gone}\n");
    assert_int_equal(mtnt_chain_len(mtnt_chain_lane(chain, "slow")), 2);
    assert_int_equal(mtnt_chain_len(mtnt_chain_lane(chain, "fast")), 1);
    assert_string_equal(info_at(chain, 1).environment, "test");
    assert_null(info_at(chain, 0).environment);
    assert_int_equal(mtnt_chain_select_environments(chain, test, NULL), 0);
    assert_false(info_at(chain, 1).disabled);
    /* That its folder is not there does not make the environment unknown. */
    assert_int_equal(mtnt_chain_select_environments(chain, gone, NULL), 0);
    assert_true(info_at(chain, 1).disabled);
    assert_false(info_at(chain, 0).disabled);
    mtnt_chain_free(chain);
}

static void bad_lanes_are_refused_at_their_line(void **state)
{
#define LANES(text) "chain: crm\nlanes:\n" text "operations: [{name: a, sql: {model: {up: SELECT 1}}}]\n"
    assert_refused(state, HEAD "  - name: a\n    lane: slwo\n    sql: {model: {up: SELECT 1}}\n", 4, 11,
                   "operation `a`: there is no lane `slwo`: without `lanes` there are `fast` and `slow`");
    assert_refused(state,
                   "chain: crm\nlanes: [{name: now}, {name: later}]\noperations:\n  - {name: a, lane: slow, sql: {}}\n",
                   4, 21, "operation `a`: there is no lane `slow` under `lanes`: there are `now`, `later`");
    assert_refused(state, LANES("  - {name: a}\n  - {name: a}\n"), 3, 3, "there are two lanes `a`");
    assert_refused(state, LANES("  - {name: a/b}\n"), 3, 3, "the name of the lane, `a/b`, may consist of");
    assert_refused(state, LANES("  - {name: a, deadline: soon}\n"), 3, 25, "`deadline` must be a time such as");
    assert_refused(state, LANES("  - {name: a, workers: 0}\n"), 3, 24, "`workers` must be 1 to 1024, not 0");
    assert_refused(state, LANES("  - {name: a, beside: true}\n"), 3, 23, "lane `a` is the first");
    assert_refused(state, LANES("  - {name: a, limit: 3}\n"), 3, 15, "unknown key `limit` in lane `a`");
#undef LANES
}

static void what_later_versions_will_do_is_refused(void **state)
{
    assert_refused(state, "chain: crm\nmigrations:\n  - {dir: migrations, format: swan}\noperations: []\n", 3, 31,
                   "`format` must be `native`, `goose`, `dbmate`, ");
    assert_refused(state, HEAD "  - name: a\n    mode: sage\n", 4, 11, "`mode` must be `auto` or `saga`, not `sage`");
    assert_refused(state, HEAD "  - name: a\n    transaction: no\n", 4, 18, "`transaction` must be `none`, not `no`");
}

/* ---- where SQL is wrong ---- */

static void sql_here_is_refused_at_its_line_and_column(void **state)
{
    static const char unended[] = "operation `plan`: a string begins here and does not end";

    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model: {up: \"SELECT 'x\"}\n", 5, 27, unended);
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model:\n        up: SELECT 'x\n", 6, 20, unended);
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model:\n        up: |\n          SELECT 'x;\n", 7, 18,
                   unended);
    assert_refused(
        state,
        HEAD "  - name: plan\n    sql:\n      model:\n        up: |\n\n          SELECT 1;\n          SELECT 'x;\n", 9,
        8, unended);
    assert_refused(state, HEAD "  - name: plan\n    sql:\n      model: {up: BEGIN}\n", 5, 19, "operation `plan`: ");
    assert_refused(state, HEAD "  - name: plan\n    verify: [{model: \"SELECT 'x\", expect: 1}]\n", 4, 30, unended);
}

static void sql_in_a_file_is_refused_in_that_file(void **state)
{
    const char *path;
    mtnt_chain *chain = NULL;
    mtnt_error err = MTNT_ERROR_INIT;

    scratch_write(*state, "sql/plan.sql", "SELECT 1;\n  SELECT 'x;\n");
    path = scratch_write(*state, "chain.yaml", HEAD "  - name: plan\n    sql: {model: {up_file: sql/plan.sql}}\n");
    assert_int_equal(mtnt_chain_new(&chain, "unnamed", NULL), 0);
    assert_int_equal(mtnt_chain_load_yaml(chain, path, &err), MTNT_E_CONFIG);
    assert_string_equal(err.file, scratch_path(*state, "sql/plan.sql"));
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 10);
    assert_non_null(strstr(err.message, "operation `plan`"));
    scratch_write(*state, "sql/plan.sql", "-- nothing but a comment\n");
    assert_int_equal(mtnt_chain_load_yaml(chain, scratch_path(*state, "none.yaml"), &err), MTNT_E_NOT_FOUND);
    mtnt_chain_free(chain);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

/* ---- create_model: {snapshot: true} ---- */

#define COPIES \
    HEAD       \
        "  - name: make\n    create_model: {snapshot: true, template: \"CREATE TABLE a(x DEFAULT CURRENT_TIMESTAMP)\"}\n"

static void what_is_the_same_for_all_may_be_copied(void **state)
{
    mtnt_chain *chain =
        loaded(state, COPIES
               "  - {name: contacts, sql: {model: {up: \"INSERT INTO a VALUES ('a:''b'':x')\", down: \"DELETE FROM a "
               "WHERE x = :'tenant'\"}}}\n"
               "  - {name: more, tables: {create: [\"b(id INTEGER)\"]}}\n"
               "  - {name: right, verify: [{model: SELECT count(*) FROM a, expect: 1}]}\n"
               "  - {name: later, disabled: true, exec: {command: [\"true\"]}}\n");

    for (size_t i = 0; i < 4; i++)
        assert_int_not_equal(info_at(chain, i).flags & MTNT_OPERATION_SAME_FOR_ALL, 0);
    assert_int_not_equal(info_at(chain, 0).flags & MTNT_OPERATION_CLONES, 0);
    mtnt_chain_free(chain);
    chain = loaded(state, HEAD "  - {name: make, create_model: {snapshot: false}}\n"
                               "  - {name: a, sql: {model: {up: \"SELECT :'tenant'\"}}}\n");
    assert_int_equal(info_at(chain, 0).flags & MTNT_OPERATION_CLONES, 0);
    assert_int_equal(info_at(chain, 1).flags & MTNT_OPERATION_SAME_FOR_ALL, 0);
    mtnt_chain_free(chain);
}

static void what_may_depend_on_the_tenant_is_refused(void **state)
{
    static const struct {
        const char *operation, *why;
    } cases[] = {
        {"sql: {model: {up: \"INSERT INTO a VALUES (:'tenant')\"}}", "it uses names of the tenant"},
        {"sql: {model_sqlite: {up: \"SELECT 1\"}, model_postgres: {up: \"SELECT :'plan'\"}}",
         "it uses names of the tenant"},
        {"sql: {model: {up: SELECT 1}, controller: {up: SELECT 1}}", "it writes the controller"},
        {"tables: {create: [\"b(x TEXT DEFAULT :'plan')\"]}", "it uses names of the tenant"},
        {"verify: [{controller: SELECT 1, expect: 1}]", "it uses names of the tenant"},
        {"verify: [{model: \"SELECT :'tenant'\", expect: 1}]", "it uses names of the tenant"},
        {"exec: {command: [\"true\"], undo: [\"true\"]}", "it has effects outside the model"},
        {"exec: {command: [\"true\"]}", "it"},
        {"snapshot: {dir: backups}", "it has effects outside the model"},
        {"delete_model: {}", "it takes the model away"},
    };
    char text[1000], message[300];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        snprintf(text, sizeof(text), "%s  - name: b\n    %s\n", COPIES, cases[i].operation);
        snprintf(message, sizeof(message), "operation `b` may do something else for another tenant: %s", cases[i].why);
        assert_refused(state, text, 5, 0, message);
    }
    assert_refused(state, HEAD "  - {name: make, create_model: {snapshot: true, template: \"SELECT :'tenant'\"}}\n", 3,
                   0, "operation `make` may do something else for another tenant: it uses names of the tenant");
    /* Whichever comes into the chain first. */
    assert_refused(state,
                   HEAD "  - {name: b, order: 2, sql: {model: {up: \"SELECT :'tenant'\"}}}\n"
                        "  - {name: make, order: 1, create_model: {snapshot: true}}\n",
                   4, 0, "operation `b` (");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_kind_of_operation_is_loaded),
        CASE(sql_is_given_for_each_backend),
        CASE(a_model_is_created_from_a_template),
        CASE(orders_are_positions_unless_they_are_said),
        CASE(the_checksum_is_of_the_sql_and_not_of_its_place),
        CASE(B11_a_disabled_operation_stays_known),
        CASE(outside_a_transaction_is_noted_for_the_coordinator),
        CASE(the_file_names_a_chain_that_has_nothing_yet),
        CASE(keys_and_types_are_refused_at_their_line),
        CASE(an_operation_is_of_one_kind),
        CASE(sql_is_here_or_in_a_file),
        CASE(A11_names_and_orders_are_unique),
        CASE(deleting_gives_time_to_think),
        CASE(lanes_are_loaded),
        CASE(the_usual_lanes_need_no_declaration),
        CASE(a_folder_is_in_a_lane_and_an_environment),
        CASE(bad_lanes_are_refused_at_their_line),
        CASE(what_later_versions_will_do_is_refused),
        CASE(sql_here_is_refused_at_its_line_and_column),
        CASE(sql_in_a_file_is_refused_in_that_file),
        CASE(what_is_the_same_for_all_may_be_copied),
        CASE(what_may_depend_on_the_tenant_is_refused),
    };

    return cmocka_run_group_tests_name("config.chain", tests, NULL, NULL);
}
