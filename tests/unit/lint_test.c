/* The linter and the locks: each rule and each kind of lock, once where it holds and once where it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mtnt/lint.h"

static int nothing(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    (void)err;
    return 0;
}

static const mtnt_operation_class does_nothing = {MTNT_OPERATION_CLASS_INIT, .name = "sql", .writes = MTNT_WRITES_MODEL,
                                                  .execute = nothing};

static void add(mtnt_chain *chain, const char *name, int backend, const char *sql, bool outside)
{
    const mtnt_entry_sql text = {.backend = backend, .sql = sql, .file = "up.sql", .line = 1, .column = 1};
    mtnt_entry entry = MTNT_ENTRY_INIT;
    mtnt_error err = MTNT_ERROR_INIT;

    entry.name = name;
    entry.sql = &text;
    entry.sql_count = 1;
    entry.flags = outside ? MTNT_OPERATION_NO_TRANSACTION : 0;
    entry.file = "chain.yaml";
    entry.line = 7;
    assert_int_equal(mtnt_chain_add_entry(chain, &does_nothing, &entry, &err), 0);
}

/* "rule:line" of every warning, "MODE table" of every lock, each followed by a semicolon. */
typedef struct said {
    char text[2000];
} said;

static int put_warning(void *data, const mtnt_lint_warning *warning, mtnt_error *err)
{
    said *all = data;
    size_t at = strlen(all->text);

    (void)err;
    assert_non_null(warning->why);
    assert_non_null(warning->instead);
    snprintf(all->text + at, sizeof(all->text) - at, "%s:%u;", warning->rule, warning->line);
    return 0;
}

static int put_lock(void *data, const mtnt_lint_lock *lock, mtnt_error *err)
{
    said *all = data;
    size_t at = strlen(all->text);

    (void)err;
    snprintf(all->text + at, sizeof(all->text) - at, "%s %s;", lock->mode, lock->table);
    return 0;
}

static void lint(mtnt_chain *chain, int backend, bool locks, said *ret_said)
{
    const mtnt_lint_reader reader = {locks ? NULL : put_warning, locks ? put_lock : NULL, ret_said};
    mtnt_error err = MTNT_ERROR_INIT;

    memset(ret_said, 0, sizeof(*ret_said));
    assert_int_equal(mtnt_chain_lint(chain, NULL, 0, backend, 0, &reader, &err), 0);
}

static void expect(int backend, bool outside, bool locks, const char *sql, const char *expected)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_chain *chain;
    said all;

    assert_int_equal(mtnt_chain_new(&chain, "c", &err), 0);
    add(chain, "one", 0, sql, outside);
    lint(chain, backend, locks, &all);
    if (strcmp(all.text, expected) != 0)
        print_error("%s\n", sql);
    assert_string_equal(all.text, expected);
    mtnt_chain_free(chain);
}

#define PG(sql, expected) expect(MTNT_POSTGRES, false, false, sql, expected)
#define PG_OUTSIDE(sql, expected) expect(MTNT_POSTGRES, true, false, sql, expected)
#define LITE(sql, expected) expect(MTNT_SQLITE, false, false, sql, expected)
#define LOCKS(sql, expected) expect(MTNT_POSTGRES, false, true, sql, expected)

static void columns(void **state)
{
    (void)state;
    PG("ALTER TABLE t ADD COLUMN a int NOT NULL", "add-column-not-null:1;");
    PG("ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 0", "");
    PG("ALTER TABLE t ADD a int", "");
    PG("alter table only public.t\n  add column a int,\n  add column b text not null", "add-column-not-null:3;");
    PG("ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid()", "add-column-rewrite:1;");
    PG("ALTER TABLE t ADD COLUMN a timestamptz NOT NULL DEFAULT now()", "");
    PG("ALTER TABLE t ADD COLUMN a bigserial", "add-column-rewrite:1;");
    PG("ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (b * 2) STORED", "add-column-rewrite:1;");
    PG("ALTER TABLE t ADD COLUMN a numeric(10,2) DEFAULT '{1,2}'", "");
    PG("ALTER TABLE t ADD COLUMN a int UNIQUE", "add-unique:1;");
    PG("ALTER TABLE t ALTER COLUMN a TYPE bigint", "alter-column-type:1;");
    PG("ALTER TABLE t ALTER a SET DATA TYPE varchar(200)", "alter-column-type-text:1;");
    PG("ALTER TABLE t ALTER a TYPE text USING a::text", "alter-column-type:1;");
    PG("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "set-not-null:1;");
    PG("ALTER TABLE t VALIDATE CONSTRAINT c;\nALTER TABLE t ALTER COLUMN a SET NOT NULL", "");
    PG("ALTER TABLE t DROP COLUMN a, DROP CONSTRAINT c", "drop-column:1;");
    PG("ALTER TABLE t RENAME a TO b; ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t RENAME CONSTRAINT a TO b",
       "rename-column:1;rename-column:1;");
    LITE("ALTER TABLE t ADD COLUMN a NOT NULL", "add-column-not-null:1;");
    LITE("ALTER TABLE t ADD COLUMN a NOT NULL DEFAULT ''", "");
    LITE("ALTER TABLE t DROP COLUMN a", "drop-column:1;");
    LITE("ALTER TABLE t ADD COLUMN a TEXT DEFAULT (random())", "");
}

static void constraints_and_indexes(void **state)
{
    (void)state;
    PG("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u(id)", "add-foreign-key:1;");
    PG("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u(id) NOT VALID", "");
    PG("ALTER TABLE t ADD CHECK (a > 0)", "add-check:1;");
    PG("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", "");
    PG("ALTER TABLE t ADD PRIMARY KEY (a)", "add-unique:1;");
    PG("ALTER TABLE t ADD CONSTRAINT p UNIQUE USING INDEX i", "");
    PG("CREATE INDEX i ON t (a)", "create-index:1;");
    PG("CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY s.t USING gin (a)", "create-index:1;");
    PG("CREATE TABLE t (a int); CREATE INDEX ON t (a)", "");
    PG("CREATE TABLE \"T\" (a int);\nCREATE INDEX ON t (a)", "create-index:2;");
    PG("CREATE TABLE public.t (a int); CREATE INDEX ON t (a); DROP INDEX i", "drop-index:1;");
    PG_OUTSIDE("CREATE INDEX CONCURRENTLY i ON t (a); DROP INDEX CONCURRENTLY j", "");
    PG("CREATE INDEX CONCURRENTLY i ON t (a)", "not-in-transaction:1;");
    LITE("CREATE INDEX i ON t (a); DROP INDEX i", "");
}

static void whole_tables(void **state)
{
    (void)state;
    PG("DROP TABLE IF EXISTS a, b.c CASCADE", "drop-table:1;drop-table:1;");
    PG("CREATE TEMP TABLE a (b int); DROP TABLE a", "");
    PG("CREATE TABLE a (b int); ALTER TABLE a RENAME TO c; DROP TABLE c", "");
    PG("ALTER TABLE t RENAME TO u", "rename-table:1;");
    PG("TRUNCATE a, b", "truncate:1;truncate:1;");
    PG("DROP SCHEMA s CASCADE", "drop-schema:1;");
    PG("ALTER TABLE t SET UNLOGGED", "rewrite-table:1;");
    PG_OUTSIDE("VACUUM FULL t; VACUUM (FULL, ANALYZE) t; VACUUM t; CLUSTER t USING i",
               "rewrite-table:1;rewrite-table:1;rewrite-table:1;");
    PG("VACUUM t", "not-in-transaction:1;");
    PG_OUTSIDE("REINDEX TABLE t; REINDEX TABLE CONCURRENTLY t", "reindex:1;");
    PG("REFRESH MATERIALIZED VIEW v; REFRESH MATERIALIZED VIEW CONCURRENTLY v", "refresh-view:1;");
    PG("LOCK TABLE t IN SHARE MODE", "lock-table:1;");
    PG("ALTER SYSTEM SET work_mem = 1", "not-in-transaction:1;");
}

static void rows_written(void **state)
{
    (void)state;
    PG("UPDATE t SET a = 1", "update-without-where:1;");
    PG("UPDATE t SET a = (SELECT b FROM u WHERE c)", "update-without-where:1;");
    PG("UPDATE ONLY t SET a = 1 WHERE b", "");
    LITE("UPDATE OR IGNORE t SET a = 1;\n\nDELETE FROM t", "update-without-where:1;delete-without-where:3;");
    LITE("DELETE FROM t WHERE a", "");
    PG("WITH gone AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM gone", "delete-without-where:1;");
    PG("-- UPDATE t SET a = 1\nSELECT 'DELETE FROM t', $$ DROP TABLE t; $$", "");
    PG("CREATE TABLE t (a int); UPDATE t SET a = 1", "");
}

static void sqlite_ways(void **state)
{
    (void)state;
    LITE("PRAGMA foreign_keys = OFF", "pragma-foreign-keys:1;");
    LITE("PRAGMA main.foreign_keys(0)", "pragma-foreign-keys:1;");
    LITE("PRAGMA foreign_keys; PRAGMA user_version = 3", "");
    LITE("CREATE TABLE n (a);\nINSERT INTO n SELECT a FROM t;\nDROP TABLE t;\nALTER TABLE n RENAME TO t",
         "table-rebuild:3;");
    LITE("ALTER TABLE t RENAME TO o;\nCREATE TABLE t (a);\nINSERT INTO t SELECT a FROM o;\nDROP TABLE o",
         "rename-table:1;table-rebuild-renames:1;drop-table:4;");
    LITE("CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; UPDATE u SET a = 1; END;\nDROP TABLE u",
         "drop-table:2;");
    expect(MTNT_SQLITE, false, true, "CREATE TABLE t (a)", "EXCLUSIVE ;");
    expect(MTNT_SQLITE, false, true, "SELECT 1", "");
}

static void silenced(void **state)
{
    (void)state;
    PG("-- mtnt:allow drop-table\nDROP TABLE t;\nDROP TABLE u", "drop-table:3;");
    PG("DROP TABLE t; -- mtnt:allow drop-table\nDROP TABLE u", "drop-table:2;");
    PG("DROP TABLE /* mtnt:allow drop-table */ t", "");
    PG("-- mtnt:allow create-index, drop-table : nobody uses it\nDROP TABLE t", "");
    PG("-- mtnt:allow drop-tables\nDROP TABLE t", "drop-table:2;");
    PG("SELECT 'mtnt:allow drop-table'; DROP TABLE t", "drop-table:1;");
    PG("DROP TABLE t\n-- mtnt:allow drop-table", "");
}

static void postgres_locks(void **state)
{
    (void)state;
    LOCKS("ALTER TABLE t ADD COLUMN a int", "ACCESS EXCLUSIVE t;");
    LOCKS("CREATE INDEX ON t (a)", "SHARE t;");
    LOCKS("CREATE INDEX CONCURRENTLY ON t (a)", "SHARE UPDATE EXCLUSIVE t;");
    LOCKS("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u", "SHARE ROW EXCLUSIVE t;SHARE ROW EXCLUSIVE u;");
    LOCKS("ALTER TABLE t VALIDATE CONSTRAINT c", "SHARE UPDATE EXCLUSIVE t;");
    LOCKS("ALTER TABLE t ADD CHECK (a > 0), VALIDATE CONSTRAINT c", "ACCESS EXCLUSIVE t;");
    LOCKS("ALTER TABLE t ALTER a SET STATISTICS 5", "SHARE UPDATE EXCLUSIVE t;");
    LOCKS("ALTER TABLE t DISABLE TRIGGER ALL", "SHARE ROW EXCLUSIVE t;");
    LOCKS("INSERT INTO s.t VALUES (1); SELECT * FROM s.t", "ROW EXCLUSIVE s.t;");
    LOCKS("CREATE TABLE t (a int REFERENCES u, b int REFERENCES t)", "SHARE ROW EXCLUSIVE u;");
    LOCKS("CREATE TABLE p PARTITION OF t FOR VALUES IN (1)", "ACCESS EXCLUSIVE t;");
    LOCKS("CREATE TRIGGER g BEFORE INSERT OR UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION f()",
          "SHARE ROW EXCLUSIVE t;");
    LOCKS("LOCK TABLE t, u IN SHARE ROW EXCLUSIVE MODE", "SHARE ROW EXCLUSIVE t;SHARE ROW EXCLUSIVE u;");
    LOCKS("LOCK t", "ACCESS EXCLUSIVE t;");
    LOCKS("SELECT a FROM t WHERE b FOR UPDATE", "ROW SHARE t;");
    LOCKS("COPY t (a) FROM STDIN", "ROW EXCLUSIVE t;");
    LOCKS("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ DELETE FROM t $$; GRANT SELECT ON t TO PUBLIC", "");
    LOCKS("DO $$ BEGIN DROP TABLE t; END $$", "unknown DO $$ BEGIN DROP TABLE t;");
    LOCKS("DROP INDEX i", "unknown DROP INDEX i;");
    LOCKS("FROBNICATE", "unknown FROBNICATE;");
    LOCKS("ALTER TABLE :\"which\" ADD a int", "ACCESS EXCLUSIVE :\"which\";");
}

/* A table that an operation of the same go has made is nobody else's yet; validated before is validated. */
static void together(void **state)
{
    const size_t second[] = {1}, none[] = {9};
    mtnt_error err = MTNT_ERROR_INIT;
    said all = {{0}};
    const mtnt_lint_reader reader = {put_warning, NULL, &all};
    mtnt_lint_warning rule;
    mtnt_chain *chain;
    size_t rules = 0;

    (void)state;
    assert_int_equal(mtnt_chain_new(&chain, "c", &err), 0);
    add(chain, "make", 0, "CREATE TABLE t (a int)", false);
    add(chain, "index", MTNT_POSTGRES, "\nCREATE INDEX i ON t (a)", false);
    lint(chain, MTNT_POSTGRES, false, &all);
    assert_string_equal(all.text, "");
    assert_int_equal(mtnt_chain_lint(chain, second, 1, MTNT_POSTGRES, 0, &reader, &err), 0);
    assert_string_equal(all.text, "create-index:2;");
    all.text[0] = '\0';
    assert_int_equal(mtnt_chain_lint(chain, second, 1, MTNT_SQLITE, 0, &reader, &err), 0);
    assert_string_equal(all.text, "");
    assert_int_equal(mtnt_chain_lint(chain, none, 1, MTNT_SQLITE, 0, &reader, &err), MTNT_E_INVALID);
    mtnt_chain_free(chain);
    while (mtnt_lint_rule(rules, &rule)) {
        assert_true(rule.rule[0] != '\0' && rule.why[0] != '\0' && rule.instead[0] != '\0');
        rules++;
    }
    assert_true(rules > 30);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(columns),        cmocka_unit_test(constraints_and_indexes),
    cmocka_unit_test(whole_tables),   cmocka_unit_test(rows_written),
    cmocka_unit_test(sqlite_ways),    cmocka_unit_test(silenced),
    cmocka_unit_test(postgres_locks), cmocka_unit_test(together),
};

int main(void)
{
    return cmocka_run_group_tests_name("lint", tests, NULL, NULL);
}
