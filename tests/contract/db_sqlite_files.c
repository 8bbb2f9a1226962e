/* SQLite: what is opened as a database and what is not, how it is kept safe, foreign keys, settings. */
#include <fcntl.h>
#include <sys/stat.h>

#include "db_contract.h"

static void dsn_of(contract *c, const char *name, char *ret_dsn)
{
    snprintf(ret_dsn, 600, "sqlite:%s", scratch_path(c->files, name));
}

static int connect_to(contract *c, const char *dsn, const mtnt__db_options *options)
{
    mtnt_db *db;
    int rc;

    expect_ok(c, mtnt__db_open(&db, dsn, options, &c->err));
    mtnt_error_clear(&c->err);
    rc = mtnt__db_connect(db, &c->err);
    mtnt__db_close(db);
    return rc;
}

static off_t size_of(contract *c, const char *name)
{
    struct stat status;

    return stat(scratch_path(c->files, name), &status) == 0 ? status.st_size : -1;
}

/* ---- files ---- */

static void what_is_not_there(void **state)
{
    contract *c = *state;
    char dsn[600];
    bool exists = true;

    dsn_of(c, "none.db", dsn);
    expect_code(c, connect_to(c, dsn, NULL), MTNT_E_NOT_FOUND);
    expect_message(c, "none.db");
    assert_int_equal(size_of(c, "none.db"), -1); /* and none is made */
    expect_ok(c, mtnt__db_exists(dsn, NULL, &exists, &c->err));
    assert_false(exists);
    expect_ok(c, mtnt__db_exists(c->dsn, NULL, &exists, &c->err));
    assert_true(exists);
    dsn_of(c, "none/none.db", dsn);
    expect_code(c, connect_to(c, dsn, &(mtnt__db_options){.create = true}), MTNT_E_NOT_FOUND);
    expect_ok(c, mtnt__db_exists(dsn, NULL, &exists, &c->err));
    assert_false(exists);
}

static void what_is_made(void **state)
{
    const mtnt__db_options create = {.create = true};
    contract *c = *state;
    char dsn[600];
    mtnt_db *db;

    dsn_of(c, "made.db", dsn);
    expect_ok(c, mtnt__db_open(&db, dsn, &create, &c->err));
    contract_adopt(c, db);
    assert_int_equal(size_of(c, "made.db"), -1); /* not before its first use */
    expect_ok(c, mtnt_db_exec(db, &c->err, "CREATE TABLE t(x)"));
    assert_true(size_of(c, "made.db") > 0);
    expect_ok(c, connect_to(c, dsn, NULL));
    scratch_write(c->files, "empty.db", "");
    dsn_of(c, "empty.db", dsn);
    expect_ok(c, connect_to(c, dsn, &create));
}

static void what_is_no_database(void **state)
{
    static const mtnt__db_options create = {.create = true};
    contract *c = *state;
    char dsn[600], text[5000];
    bool exists;

    scratch_write(c->files, "empty.db", "");
    dsn_of(c, "empty.db", dsn);
    expect_code(c, connect_to(c, dsn, NULL), MTNT_E_CORRUPT);
    expect_message(c, "empty");
    expect_code(c, mtnt__db_exists(dsn, NULL, &exists, &c->err), MTNT_E_CORRUPT);

    scratch_write(c->files, "short.db", "hello");
    dsn_of(c, "short.db", dsn);
    expect_code(c, connect_to(c, dsn, NULL), MTNT_E_CORRUPT);
    expect_message(c, "short.db");
    expect_code(c, connect_to(c, dsn, &create), MTNT_E_CORRUPT);

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    scratch_write(c->files, "long.db", text);
    dsn_of(c, "long.db", dsn);
    expect_code(c, connect_to(c, dsn, NULL), MTNT_E_CORRUPT);
    assert_int_equal(size_of(c, "long.db"), sizeof(text) - 1); /* untouched */

    snprintf(dsn, sizeof(dsn), "sqlite:%s", c->files->folder);
    expect_code(c, connect_to(c, dsn, &create), MTNT_E_IO);
    expect_message(c, "folder");
    expect_code(c, mtnt__db_exists(dsn, NULL, &exists, &c->err), MTNT_E_IO);

    assert_int_equal(mkfifo(scratch_path(c->files, "pipe"), 0600), 0);
    dsn_of(c, "pipe", dsn);
    expect_code(c, connect_to(c, dsn, NULL), MTNT_E_IO);
}

static void fill(contract *c, mtnt_db *db, int rows)
{
    char sql[200];

    expect_ok(c, mtnt_db_exec(db, &c->err, "CREATE TABLE big(x TEXT)"));
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "INSERT INTO big SELECT hex(randomblob(500)) FROM n",
             rows);
    expect_ok(c, mtnt_db_exec(db, &c->err, sql));
}

/* At every length: whole pages, parts of a page, parts of the header. */
static void what_is_truncated(void **state)
{
    contract *c = *state;
    off_t size;
    int whole = 0;

    fill(c, c->db, 50);
    contract_close(c, c->db);
    size = size_of(c, "contract.db");
    for (off_t length = size - 1; length > 0; length -= length > 5000 ? 1777 : 61) {
        int rc;

        assert_int_equal(truncate(scratch_path(c->files, "contract.db"), length), 0);
        rc = connect_to(c, c->dsn, NULL);
        if (rc != MTNT_E_CORRUPT)
            fail_msg("%ld of %ld bytes: %s", (long)length, (long)size, mtnt_code_name(rc));
        whole += strstr(c->err.message, "truncated") != NULL;
        expect_message(c, "contract.db");
    }
    assert_true(whole > 0);
}

static void what_is_damaged(void **state)
{
    contract *c = *state;
    char garbage[4000];
    int file;

    fill(c, c->db, 50);
    contract_close(c, c->db);
    file = open(scratch_path(c->files, "contract.db"), O_WRONLY | O_CLOEXEC);
    memset(garbage, 0xa5, sizeof(garbage));
    for (off_t at = 4096 + 8; at < size_of(c, "contract.db"); at += 4096)
        assert_int_equal(pwrite(file, garbage, 4000, at), 4000);
    close(file);
    c->db = contract_open(c, NULL);
    c->other_count--;
    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT * FROM big"), MTNT_E_CORRUPT);
}

static void paths_are_paths(void **state)
{
    static const char *const names[] = {"file:x?mode=memory", "a b%20c.db", "ü'\";--.db", "x?y#z"};
    const mtnt__db_options create = {.create = true};
    contract *c = *state;
    char here[1000];

    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(c->files->folder), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char dsn[100];
        mtnt_db *db;

        snprintf(dsn, sizeof(dsn), "sqlite:%s", names[i]);
        expect_ok(c, mtnt__db_open(&db, dsn, &create, &c->err));
        expect_ok(c, mtnt_db_exec(db, &c->err, "CREATE TABLE t(x)"));
        mtnt__db_close(db);
        assert_true(size_of(c, names[i]) > 0);
    }
    assert_int_equal(chdir(here), 0);
}

static void links_are_followed(void **state)
{
    contract *c = *state;
    char dsn[600];

    assert_int_equal(symlink("contract.db", scratch_path(c->files, "link.db")), 0);
    dsn_of(c, "link.db", dsn);
    expect_ok(c, connect_to(c, dsn, NULL));
    assert_int_equal(symlink("nowhere.db", scratch_path(c->files, "loose.db")), 0);
    dsn_of(c, "loose.db", dsn);
    expect_code(c, connect_to(c, dsn, NULL), MTNT_E_NOT_FOUND);
}

/* ---- durability ---- */

static void a_write_ahead_log_is_kept(void **state)
{
    contract *c = *state;
    mtnt_db *other = contract_open(c, NULL);
    mtnt__db_facts facts;

    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "PRAGMA journal_mode = WAL", NULL));
    expect_ok(c, mtnt__db_facts_read(other, &facts, &c->err));
    assert_true(facts.wal);
    assert_true(facts.durable);
    assert_string_equal(facts.detail, "wal, synchronous=extra");
    expect_ok(c, mtnt__db_begin(other, &c->err));
    fill(c, other, 10);
    expect_ok(c, mtnt__db_commit(other, &c->err));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM big"), 10);
}

/* With a write-ahead log the file alone may be shorter than the database. */
static void a_log_with_pages_is_not_truncation(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "PRAGMA journal_mode = WAL", NULL));
    fill(c, c->db, 100);
    expect_ok(c, connect_to(c, c->dsn, NULL));
}

static void other_journals_become_delete(void **state)
{
    contract *c = *state;
    mtnt__db_facts facts;

    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "PRAGMA journal_mode = PERSIST", NULL));
    fill(c, c->db, 1);
    mtnt__db_disconnect(c->db);
    expect_ok(c, mtnt__db_facts_read(c->db, &facts, &c->err));
    assert_string_equal(facts.detail, "delete, synchronous=extra");
}

static void building_needs_no_journal(void **state)
{
    const mtnt__db_options building = {.create = true, .building = true, .side = MTNT__SIDE_MODEL};
    contract *c = *state;
    char dsn[600];
    mtnt_db *db;
    mtnt__db_facts facts;

    dsn_of(c, "new.db", dsn);
    expect_ok(c, mtnt__db_open(&db, dsn, &building, &c->err));
    contract_adopt(c, db);
    expect_ok(c, mtnt__db_facts_read(db, &facts, &c->err));
    assert_false(facts.durable);
    expect_ok(c, mtnt__db_begin(db, &c->err));
    expect_ok(c, mtnt_db_exec(db, &c->err, "CREATE TABLE t(x UNIQUE)"));
    expect_ok(c, mtnt_db_exec(db, &c->err, "INSERT INTO model.t VALUES (1)"));
    assert_int_equal(size_of(c, "new.db-journal"), -1);
    /* what a statement or a savepoint did can still be taken back */
    expect_code(c, mtnt_db_exec(db, &c->err, "INSERT INTO t VALUES (2), (3), (1)"), MTNT_E_DATABASE);
    expect_ok(c, mtnt_db_exec(db, &c->err, "SAVEPOINT a"));
    expect_ok(c, mtnt_db_exec(db, &c->err, "INSERT INTO t VALUES (5)"));
    expect_ok(c, mtnt_db_exec(db, &c->err, "ROLLBACK TO a"));
    expect_ok(c, mtnt__db_commit(db, &c->err));
    expect_ok(c, mtnt__db_begin(db, &c->err));
    expect_ok(c, mtnt_db_exec(db, &c->err, "INSERT INTO t VALUES (6)"));
    mtnt__db_rollback(db);
    assert_int_equal(contract_number(c, db, "SELECT count(*) FROM t"), 1);
}

static void schema_names_follow_the_side(void **state)
{
    contract *c = *state;

    for (int side = MTNT__SIDE_ALONE; side <= MTNT__SIDE_MODEL; side++) {
        static const char *const names[] = {"main", "controller", "model"};
        mtnt_db *db = contract_open(c, &(mtnt__db_options){.side = (mtnt__side)side});
        char sql[100];

        for (int i = 0; i < 3; i++) {
            snprintf(sql, sizeof(sql), "SELECT 1 FROM %s.sqlite_schema", names[i]);
            expect_code(c, mtnt_db_exec(db, &c->err, sql), i == 0 || i == side ? 0 : MTNT_E_DATABASE);
        }
        expect_ok(c, mtnt__db_run_script(db, &c->err, "CREATE TABLE {schema}.a(x); DROP TABLE {schema}.a"));
    }
}

/* ---- foreign keys ---- */

#define FAMILY "CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE child(p INTEGER REFERENCES parent(id))"

static void a_parent_can_be_rebuilt(void **state)
{
    contract *c = *state;
    mtnt_script script = {
        .sql = "CREATE TABLE fresh(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO fresh(id) SELECT id FROM parent;"
               "DROP TABLE parent; ALTER TABLE fresh RENAME TO parent"};

    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "PRAGMA foreign_keys = ON", NULL));
    expect_ok(
        c, mtnt__db_run_script(c->db, &c->err, FAMILY "; INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1)"));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    assert_int_equal(contract_number(c, c->db, "PRAGMA foreign_keys"), 0);
    expect_ok(c, mtnt_db_script(c->db, &script, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_int_equal(contract_number(c, c->db, "PRAGMA foreign_keys"), 1); /* as it was */
}

static void an_orphan_stops_the_commit(void **state)
{
    contract *c = *state;

    expect_ok(
        c, mtnt__db_run_script(c->db, &c->err, FAMILY "; INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1)"));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "DELETE FROM parent"));
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_DATABASE);
    expect_message(c, "child, row 1, has no parent in parent");
    assert_string_equal(c->err.state, "SQLITE_CONSTRAINT_FOREIGNKEY");
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM parent"), 1);
    assert_int_equal(contract_number(c, c->db, "PRAGMA foreign_keys"), 0);
}

/* Where no operation has written nothing is looked for: what an application has left behind is not this migration's. */
static void only_what_operations_wrote_is_checked(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_run_script(c->db, &c->err, FAMILY "; INSERT INTO child VALUES (7)"));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "INSERT INTO child VALUES (8)", NULL));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SELECT * FROM child"));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static void they_are_restored_after_a_rollback(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "PRAGMA foreign_keys = ON", NULL));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "PRAGMA foreign_keys = ON")); /* has no effect, and does no harm */
    assert_int_equal(contract_number(c, c->db, "PRAGMA foreign_keys"), 0);
    mtnt__db_rollback(c->db);
    assert_int_equal(contract_number(c, c->db, "PRAGMA foreign_keys"), 1);
}

/* ---- settings of the connection ---- */

static void settings_end_with_the_operation(void **state)
{
    static const char *const settings[] = {"recursive_triggers",       "reverse_unordered_selects",
                                           "ignore_check_constraints", "cell_size_check",
                                           "writable_schema",          "legacy_alter_table"};
    contract *c = *state;
    char sql[100];

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        snprintf(sql, sizeof(sql), "PRAGMA %s = 1", settings[i]);
        expect_ok(c, mtnt_db_exec(c->db, &c->err, sql));
    }
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "PRAGMA case_sensitive_like = 1"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "PRAGMA busy_timeout = 1"));
    assert_int_equal(contract_number(c, c->db, "SELECT 'a' LIKE 'A'"), 0);
    expect_ok(c, mtnt__db_operation_boundary(c->db, &c->err));
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        snprintf(sql, sizeof(sql), "PRAGMA %s", settings[i]);
        assert_int_equal(contract_number(c, c->db, sql), 0);
    }
    assert_int_equal(contract_number(c, c->db, "SELECT 'a' LIKE 'A'"), 1);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static void what_the_protocol_needs_stays(void **state)
{
    static const char *const pragmas[] = {"PRAGMA journal_mode = OFF", "PRAGMA synchronous = 0",
                                          "PRAGMA main.synchronous = OFF", "PRAGMA locking_mode = EXCLUSIVE",
                                          "pragma Journal_Mode(wal)"};
    contract *c = *state;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    for (size_t i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++) {
        expect_code(c, mtnt_db_exec(c->db, &c->err, pragmas[i]), MTNT_E_INVALID);
        expect_message(c, "commit protocol");
    }
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "PRAGMA journal_mode"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "PRAGMA user_version = 5"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "PRAGMA table_info(made)"));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_int_equal(contract_number(c, c->db, "PRAGMA user_version"), 5);
}

static void parameters_of_other_kinds_are_refused(void **state)
{
    static const char *const sql[] = {"SELECT ?", "SELECT ?1", "SELECT :a", "SELECT @a", "SELECT $a", "SELECT $1, ?"};
    contract *c = *state;

    for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++) {
        expect_code(c, mtnt_db_exec(c->db, &c->err, sql[i], MTNT_INT(1)), MTNT_E_INVALID);
        expect_message(c, "$1, $2");
    }
}

static void no_descriptor_is_left(void **state)
{
    contract *c = *state;
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;
    char dsn[600];

    close(before);
    scratch_write(c->files, "short.db", "hello");
    dsn_of(c, "short.db", dsn);
    for (int i = 0; i < 20; i++) {
        expect_ok(c, connect_to(c, c->dsn, NULL));
        expect_code(c, connect_to(c, dsn, NULL), MTNT_E_CORRUPT);
    }
    after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(after);
    assert_int_equal(before, after);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(what_is_not_there, ON_SQLITE),
        CONTRACT(what_is_made, ON_SQLITE),
        CONTRACT(what_is_no_database, ON_SQLITE),
        CONTRACT(what_is_truncated, ON_SQLITE),
        CONTRACT(what_is_damaged, ON_SQLITE),
        CONTRACT(paths_are_paths, ON_SQLITE),
        CONTRACT(links_are_followed, ON_SQLITE),
        CONTRACT(a_write_ahead_log_is_kept, ON_SQLITE),
        CONTRACT(a_log_with_pages_is_not_truncation, ON_SQLITE),
        CONTRACT(other_journals_become_delete, ON_SQLITE),
        CONTRACT(building_needs_no_journal, ON_SQLITE),
        CONTRACT(schema_names_follow_the_side, ON_SQLITE),
        CONTRACT(a_parent_can_be_rebuilt, ON_SQLITE),
        CONTRACT(an_orphan_stops_the_commit, ON_SQLITE),
        CONTRACT(only_what_operations_wrote_is_checked, ON_SQLITE),
        CONTRACT(they_are_restored_after_a_rollback, ON_SQLITE),
        CONTRACT(settings_end_with_the_operation, ON_SQLITE),
        CONTRACT(what_the_protocol_needs_stays, ON_SQLITE),
        CONTRACT(parameters_of_other_kinds_are_refused, ON_SQLITE),
        CONTRACT(no_descriptor_is_left, ON_SQLITE),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
