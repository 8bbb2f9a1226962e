/* What a schema is made of: the same however it came about, another one after each change, and recorded as it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "db_contract.h"

#include "base/text.h"
#include "state/fingerprint.h"
#include "state/tables.h"

static void script(contract *c, const char *sql)
{
    const mtnt_script text = {.sql = sql};

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_script(c->db, &text, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static mtnt__catalogue read_all(contract *c, mtnt_db *db, const char *schema)
{
    mtnt__catalogue catalogue = {0};

    expect_ok(c, mtnt__db_begin(db, &c->err));
    expect_ok(c, mtnt__catalogue_read(db, schema, &catalogue, &c->err));
    mtnt__db_rollback(db);
    return catalogue;
}

static void digest_of(contract *c, mtnt_db *db, const char *schema, char ret_digest[MTNT__CHECKSUM_SIZE])
{
    mtnt__catalogue catalogue = read_all(c, db, schema);

    expect_ok(c, mtnt__catalogue_digest(&catalogue, ret_digest, &c->err));
    mtnt__catalogue_release(&catalogue);
}

static void add_line(void *data, char sign, const char *text, size_t length)
{
    mtnt__buffer_add_format(data, "%c ", sign);
    for (size_t i = 0; i < length; i++)
        mtnt__buffer_add(data, text[i] == '\t' ? " " : text + i, 1);
    mtnt__buffer_add_text(data, "\n");
}

static void expect_diff(const mtnt__catalogue *from, const mtnt__catalogue *to, const char *expected)
{
    mtnt__buffer text = {0};
    size_t lines = mtnt__catalogue_diff(from, to, SIZE_MAX, add_line, &text), count = 0;

    assert_string_equal(mtnt__buffer_text(&text), expected);
    for (const char *at = expected; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    assert_int_equal(lines, count);
    assert_int_equal(mtnt__catalogue_diff(from, to, 0, NULL, NULL), count);
    mtnt__buffer_release(&text);
}

/* Made in one way, taken away, made in another. */
static void expect_equal(contract *c, const char *one, const char *away, const char *other)
{
    mtnt__catalogue first, second;

    script(c, one);
    first = read_all(c, c->db, NULL);
    assert_true(first.count > 0);
    script(c, away);
    script(c, other);
    second = read_all(c, c->db, NULL);
    script(c, away);
    expect_diff(&first, &second, "");
    mtnt__catalogue_release(&first);
    mtnt__catalogue_release(&second);
}

static void alter_equals_create(void **state)
{
    contract *c = *state;

    expect_equal(
        c, "CREATE TABLE t (id INTEGER PRIMARY KEY, b TEXT DEFAULT 'x', c TEXT NOT NULL DEFAULT 'y', CHECK (id > 0))",
        "DROP TABLE t",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT NOT NULL DEFAULT 'y', CHECK (id > 0));"
        "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x'");
    expect_equal(
        c, "CREATE TABLE t (id INTEGER, b TEXT); CREATE INDEX i ON t (b); CREATE VIEW v AS SELECT id FROM t",
        "DROP VIEW v; DROP TABLE t",
        "CREATE TABLE older (was TEXT, id INTEGER); ALTER TABLE older RENAME TO t; ALTER TABLE t RENAME COLUMN "
        "was TO b; CREATE VIEW v AS SELECT id FROM t; CREATE INDEX i ON t (b)");
    expect_equal(
        c, "CREATE TABLE a (x INTEGER); CREATE TABLE b (y INTEGER, z INTEGER)", "DROP TABLE a; DROP TABLE b",
        "CREATE TABLE b (y INTEGER, z INTEGER, away TEXT); CREATE TABLE a (x INTEGER); ALTER TABLE b DROP COLUMN away");
}

static void blanks_say_nothing(void **state)
{
    contract *c = *state;

    expect_equal(
        c,
        "CREATE TABLE T (id INTEGER PRIMARY KEY, \"name\" TEXT NOT NULL, n INTEGER CHECK (n>0));"
        "CREATE INDEX I ON T (name); CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET n = 1; END;",
        "DROP TABLE t",
        "create table if not exists t ( -- a comment\n id integer /* and\n one */ primary key,\n name text not "
        "null,\n n integer check ( n > 0 ) );\n create index if not exists i on t(\n name );"
        "create trigger if not exists \"g\" after insert on \"t\" begin update [t] set n=1; end;");
}

/* What follows makes the schema another one, each statement by itself. */
static void changes(contract *c, const char *base, const char *const *statements)
{
    char before[MTNT__CHECKSUM_SIZE], after[MTNT__CHECKSUM_SIZE];

    script(c, base);
    digest_of(c, c->db, NULL, before);
    for (; *statements != NULL; statements++) {
        script(c, *statements);
        digest_of(c, c->db, NULL, after);
        if (strcmp(before, after) == 0)
            fail_msg("not noticed: %s", *statements);
        mtnt__text_copy(before, sizeof(before), after);
    }
}

static void each_change_is_noticed(void **state)
{
    static const char *const common[] = {"ALTER TABLE t ADD COLUMN d TEXT",
                                         "ALTER TABLE t RENAME COLUMN d TO e",
                                         "ALTER TABLE t DROP COLUMN e",
                                         "CREATE INDEX i ON t (name)",
                                         "DROP INDEX i",
                                         "CREATE UNIQUE INDEX i ON t (name)",
                                         "CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id))",
                                         "CREATE VIEW v AS SELECT id FROM t",
                                         "DROP VIEW v",
                                         "CREATE VIEW v AS SELECT id FROM t WHERE id > 7",
                                         "DROP TABLE u",
                                         NULL};
    static const char *const sqlite[] = {
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END", "DROP TRIGGER g",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 'A'; END",
        "DROP TRIGGER g; CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 'a'; END",
        "CREATE TABLE w (id INTEGER PRIMARY KEY) WITHOUT ROWID",
        "DROP TABLE w; CREATE TABLE w (id INTEGER PRIMARY KEY)",
        "DROP TABLE w; CREATE TABLE w (id INTEGER PRIMARY KEY, a TEXT, UNIQUE (a))",
        "DROP TABLE w; CREATE TABLE w (id INTEGER PRIMARY KEY, a TEXT, UNIQUE (a, id))",
        "DROP TABLE w; CREATE TABLE w (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, UNIQUE (a, id))",
        "CREATE VIRTUAL TABLE f USING fts5(a, b)", "DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(a)",
        /* A user's own table that is called like one that FTS makes. */
        "CREATE TABLE f_more_data (id INTEGER)", NULL};
    static const char *const postgres[] = {
        "ALTER TABLE t ALTER name SET NOT NULL",
        "ALTER TABLE t ALTER name SET DEFAULT 'x'",
        "ALTER TABLE t ALTER name TYPE VARCHAR(40)",
        "ALTER TABLE t ALTER name TYPE VARCHAR(40) COLLATE \"C\"",
        "ALTER TABLE t ADD CONSTRAINT long CHECK (length(name) > 2) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT long",
        "CREATE FUNCTION f(a INTEGER) RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION f(a INTEGER) RETURNS INTEGER LANGUAGE sql AS 'SELECT 2'",
        "ALTER FUNCTION f(INTEGER) SECURITY DEFINER",
        "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION g()",
        "ALTER TABLE t DISABLE TRIGGER tr",
        "CREATE SEQUENCE s",
        "ALTER SEQUENCE s INCREMENT 2",
        "CREATE TYPE mood AS ENUM ('sad', 'happy')",
        "ALTER TYPE mood ADD VALUE 'ok' BEFORE 'happy'",
        "CREATE DOMAIN d AS TEXT CHECK (VALUE <> '')",
        "ALTER DOMAIN d SET NOT NULL",
        "CREATE TYPE pair AS (a INTEGER, b TEXT)",
        "ALTER TYPE pair ADD ATTRIBUTE c TEXT",
        "CREATE MATERIALIZED VIEW m AS SELECT 1 AS one",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON t USING (id > 1)",
        "ALTER POLICY p ON t USING (id > 2)",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
        "CREATE SCHEMA more",
        "CREATE TABLE more.t (id INTEGER GENERATED ALWAYS AS IDENTITY)",
        "ALTER TABLE more.t ALTER id SET GENERATED BY DEFAULT",
        "CREATE TABLE parts (id INTEGER) PARTITION BY RANGE (id)",
        "CREATE TABLE part1 PARTITION OF parts FOR VALUES FROM (1) TO (10)",
        "CREATE AGGREGATE total (INTEGER) (SFUNC = int4pl, STYPE = INTEGER)",
        "CREATE TABLE gen (a INTEGER, b INTEGER GENERATED ALWAYS AS (a * 2) STORED)",
        "ALTER TABLE gen SET UNLOGGED",
        NULL};
    contract *c = *state;

    changes(c, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", common);
    changes(c, "CREATE TABLE z (id INTEGER)", c->on == ON_SQLITE ? sqlite : postgres);
}

/* Nothing that is no definition of the model's. */
static void the_rest_is_left_out(void **state)
{
    static const char *const sqlite[] = {"INSERT INTO t VALUES (1, 'a')", "ANALYZE", "PRAGMA user_version = 7",
                                         "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT)", NULL};
    static const char *const postgres[] = {"INSERT INTO t VALUES (1, 'a')",
                                           "COMMENT ON TABLE t IS 'x'",
                                           "ANALYZE t",
                                           "GRANT SELECT ON t TO PUBLIC",
                                           "ALTER TABLE t SET (fillfactor = 50)",
                                           "CREATE TEMP TABLE t2 (id INTEGER)",
                                           "CREATE TABLE goose_db_version (id SERIAL PRIMARY KEY)",
                                           "CREATE TABLE flyway_schema_history (id INTEGER PRIMARY KEY, s BOOLEAN)",
                                           "CREATE INDEX flyway_schema_history_s_idx ON flyway_schema_history (s)",
                                           NULL};
    contract *c = *state;
    char before[MTNT__CHECKSUM_SIZE], after[MTNT__CHECKSUM_SIZE];
    size_t version;

    script(c, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)");
    digest_of(c, c->db, NULL, before);
    for (const char *const *sql = c->on == ON_SQLITE ? sqlite : postgres; *sql != NULL; sql++) {
        script(c, *sql);
        digest_of(c, c->db, NULL, after);
        if (strcmp(before, after) != 0)
            fail_msg("counted: %s", *sql);
    }
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__tables_ensure(c->db, &mtnt__tables_model, &version, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    digest_of(c, c->db, NULL, after);
    assert_string_equal(before, after);
}

/* The server works it out for PostgreSQL, and we do when it is compared. */
static void recorded_as_read(void **state)
{
    contract *c = *state;
    char digest[MTNT__CHECKSUM_SIZE], value[MTNT__FINGERPRINT_SIZE], ignored[8];
    mtnt__fingerprints_met met = {.next = 0};
    mtnt__fingerprint record;
    int64_t dialect;
    size_t version;

    for (int round = 0; round < 3; round++) {
        expect_ok(c, mtnt__db_begin(c->db, &c->err));
        expect_ok(c, mtnt__tables_ensure(c->db, &mtnt__tables_model, &version, &c->err));
        /* An empty schema, then one whose lines sort differently by other rules; then that one again, which has been met. */
        if (round == 1)
            expect_ok(
                c,
                mtnt__db_run_script(
                    c->db, &c->err,
                    "CREATE TABLE \"Zebra\" (\"\xc3\xa4\" TEXT); CREATE TABLE a_b (x TEXT DEFAULT '\xe2\x82\xac {} ''q''');"
                    "CREATE TABLE \"a b\" (x TEXT); CREATE VIEW ab AS SELECT x FROM a_b"));
        expect_ok(c, mtnt__fingerprint_record(c->db, NULL, &met, &c->err));
        expect_ok(c, mtnt__db_commit(c->db, &c->err));
        digest_of(c, c->db, NULL, digest);
        expect_ok(c, mtnt__meta_get(c->db, MTNT__FINGERPRINT_KEY, value, sizeof(value), &c->err));
        assert_true(mtnt__fingerprint_parse(value, &record));
        assert_string_equal(record.digest, digest);
        assert_int_equal(record.rules, MTNT__FINGERPRINT_RULES);
        expect_ok(c, mtnt__fingerprint_dialect(c->db, &dialect, &c->err));
        assert_int_equal(record.dialect, dialect);
    }
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__fingerprint_forget(c->db, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    expect_code(c, mtnt__meta_get(c->db, MTNT__FINGERPRINT_KEY, ignored, sizeof(ignored), &c->err), MTNT_E_NOT_FOUND);
    mtnt__fingerprints_met_release(&met);
    assert_false(mtnt__fingerprint_parse("1 0 12", &record));
    assert_false(mtnt__fingerprint_parse("", &record));
}

/* A deferred trigger runs at the commit, and finds its tables as the operation left them. */
static void search_path_is_put_back(void **state)
{
    contract *c = *state;
    size_t version;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__tables_ensure(c->db, &mtnt__tables_model, &version, &c->err));
    expect_ok(
        c,
        mtnt__db_run_script(
            c->db, &c->err,
            "CREATE SCHEMA side; CREATE TABLE side.log (x INTEGER); CREATE TABLE t (x INTEGER);"
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (NEW.x); RETURN NULL; END';"
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();"
            "SET LOCAL search_path = side, public; INSERT INTO public.t VALUES (1)"));
    expect_ok(c, mtnt__fingerprint_record(c->db, NULL, NULL, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM side.log"), 1);
}

static void in_schema(contract *c, const char *schema, const char *sql, mtnt__catalogue *ret_catalogue)
{
    mtnt__db_options options = {.schema = schema};
    mtnt_db *db = contract_open(c, &options);
    mtnt__buffer text = {0};

    for (const char *at = sql; *at != '\0'; at++)
        if (*at == '@')
            mtnt__buffer_add_format(&text, "\"%s\"", schema);
        else if (*at == '&')
            mtnt__buffer_add_text(&text, schema);
        else
            mtnt__buffer_add(&text, at, 1);
    expect_ok(c, mtnt__db_begin(db, &c->err));
    expect_ok(c, mtnt__db_run_script(db, &c->err, mtnt__buffer_text(&text)));
    expect_ok(c, mtnt__db_commit(db, &c->err));
    mtnt__buffer_release(&text);
    *ret_catalogue = read_all(c, db, schema);
}

static void the_schema_s_name_says_nothing(void **state)
{
    static const char sql[] =
        "CREATE TABLE t (id SERIAL PRIMARY KEY, n INTEGER); CREATE TABLE u (t INTEGER REFERENCES @.t (id));"
        "CREATE INDEX i ON @.t (n); CREATE TYPE mood AS ENUM ('a'); ALTER TABLE u ADD m @.mood DEFAULT 'a'::@.mood;"
        "CREATE VIEW v AS SELECT id FROM @.t; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SET search_path = @ AS "
        "'BEGIN INSERT INTO @.t (n) VALUES (1); RETURN NEW; END';"
        "CREATE TRIGGER g BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION @.f();"
        "CREATE SEQUENCE s OWNED BY t.n; ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (n IN (SELECT t FROM @.u))";
    contract *c = *state;
    mtnt__catalogue one, two;

    script(c, "CREATE SCHEMA acme; CREATE SCHEMA \"Glo-bex.1\"; CREATE TABLE outside (id INTEGER)");
    in_schema(c, "acme", sql, &one);
    in_schema(c, "Glo-bex.1", sql, &two);
    assert_true(one.count > 12);
    expect_diff(&one, &two, "");
    mtnt__catalogue_release(&two);
    two = read_all(c, c->db, NULL);
    assert_true(two.count > 2 * one.count);
    mtnt__catalogue_release(&one);
    mtnt__catalogue_release(&two);
}

static void diffs(void **state)
{
    contract *c = *state;
    mtnt__catalogue before, after;

    script(c, "CREATE TABLE t (id INTEGER, name TEXT); CREATE TABLE old (x INTEGER)");
    before = read_all(c, c->db, NULL);
    script(c, "DROP TABLE old; CREATE TABLE t2 (id INTEGER); ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x'");
    after = read_all(c, c->db, NULL);
    if (c->on == ON_SQLITE)
        expect_diff(
            &before, &after,
            "- column old.x integer\n+ column t.b text default 'x'\n+ column t2.id integer\n- table old\n+ table t2\n");
    else
        expect_diff(&before, &after,
                    "- column old.x integer\n+ column t.b text default 'x'::text\n+ column t2.id integer\n- table old\n"
                    "+ table t2\n");
    mtnt__catalogue_release(&before);
    if (c->on == ON_POSTGRES) {
        script(c, "CREATE FUNCTION f() RETURNS INTEGER LANGUAGE plpgsql AS 'BEGIN\n  PERFORM 1;\n  RETURN 2;\nEND'");
        before = read_all(c, c->db, NULL);
        script(
            c,
            "CREATE OR REPLACE FUNCTION f() RETURNS INTEGER LANGUAGE plpgsql AS 'BEGIN\n  PERFORM 1;\n  RETURN 3;\nEND'");
        mtnt__catalogue_release(&after);
        after = read_all(c, c->db, NULL);
        expect_diff(&before, &after, "  function f()\n-   RETURN 2;\n+   RETURN 3;\n");
        mtnt__catalogue_release(&before);
    }
    mtnt__catalogue_release(&after);
}

int main(void)
{
    static const contract_test tests[] = {CONTRACT(alter_equals_create, ON_SQLITE | ON_POSTGRES),
                                          CONTRACT(blanks_say_nothing, ON_SQLITE),
                                          CONTRACT(each_change_is_noticed, ON_SQLITE | ON_POSTGRES),
                                          CONTRACT(the_rest_is_left_out, ON_SQLITE | ON_POSTGRES),
                                          CONTRACT(recorded_as_read, ON_SQLITE | ON_POSTGRES),
                                          CONTRACT(search_path_is_put_back, ON_POSTGRES),
                                          CONTRACT(the_schema_s_name_says_nothing, ON_POSTGRES),
                                          CONTRACT(diffs, ON_SQLITE | ON_POSTGRES)};

    return contract_run(tests, sizeof(tests) / sizeof(*tests));
}
