/* Snapshots: taken of a live model, restored into it, refused when somebody else has written. What was there before is compared with what is there after by
 * reading everything, not by the digest that the library goes by. */
#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "db_contract.h"

/* ---- a model with something of each kind in it, our own tables too ---- */

static void run(contract *c, mtnt_db *db, const char *sql)
{
    expect_ok(c, mtnt__db_run_script(db, &c->err, sql));
}

static void fill(contract *c)
{
    run(c, c->db,
        "CREATE TABLE mtnt_meta(key TEXT PRIMARY KEY, value TEXT); CREATE TABLE mtnt_applied(name TEXT PRIMARY KEY);"
        "CREATE TABLE mtnt_decision(migration TEXT PRIMARY KEY, outcome TEXT);"
        "INSERT INTO mtnt_meta VALUES('tenant', 'acme'); INSERT INTO mtnt_decision VALUES('one', 'commit');"
        "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT, ratio DOUBLE PRECISION);"
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, person INTEGER REFERENCES people(id), what TEXT);"
        "CREATE INDEX orders_what ON orders(what); CREATE VIEW names AS SELECT name FROM people;"
        "INSERT INTO people VALUES(1, 'Ana', 0.1), (2, 'Bo ''quoted''', NULL), (3, '', -1e300);"
        "INSERT INTO orders VALUES(1, 1, 'tea'), (2, 2, 'rice')");
    if (c->on == ON_POSTGRES)
        run(c, c->db,
            "CREATE TYPE mood AS ENUM('good', 'bad'); CREATE SEQUENCE tickets; SELECT nextval('tickets');"
            "CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT 2 * x';"
            "CREATE TABLE feelings(m mood, at timestamptz DEFAULT now()); INSERT INTO feelings VALUES('good', "
            "'2026-01-01 00:00Z')");
}

static int64_t rows_of(contract *c, mtnt_db *db, const char *table)
{
    char sql[100];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    return contract_number(c, db, sql);
}

static void add_line(void *data, const char *line)
{
    char *dump = data;

    assert_true(strlen(dump) + strlen(line) + 2 < 20000);
    strcat(strcat(dump, line), "\n");
}

static int sqlite_line(void *data, int columns, char **values, char **names)
{
    char line[2000] = "";

    (void)names;
    for (int i = 0; i < columns; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s|", values[i] ? values[i] : "-");
    add_line(data, line);
    return 0;
}

static void dump_sqlite(const char *path, char *dump)
{
    static const char all[] =
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'mtnt%' AND tbl_name NOT LIKE 'mtnt%' ORDER BY 1, 2;"
        "SELECT * FROM people ORDER BY id; SELECT * FROM orders ORDER BY id; PRAGMA integrity_check";
    sqlite3 *raw = NULL;
    char *text = NULL;

    assert_int_equal(sqlite3_open_v2(path, &raw, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(raw, 5000);
    if (sqlite3_exec(raw, all, sqlite_line, dump, &text) != SQLITE_OK)
        fail_msg("%s", text);
    assert_int_equal(sqlite3_close(raw), SQLITE_OK);
}

/* By pg_dump, as people would. */
static void dump_postgres(contract *c, char *dump)
{
    char command[800], line[2000];
    FILE *program;

    snprintf(command, sizeof(command), "pg_dump --exclude-table='mtnt_*' '%s'", c->dsn);
    program = popen(command, "re");
    assert_non_null(program);
    while (fgets(line, sizeof(line), program))
        if (strncmp(line, "\\restrict", 9) != 0 && strncmp(line, "\\unrestrict", 11) != 0)
            add_line(dump, line);
    assert_int_equal(pclose(program), 0);
}

static char *dump_of(contract *c)
{
    char *dump = calloc(1, 20000);

    assert_non_null(dump);
    if (c->on == ON_SQLITE)
        dump_sqlite(mtnt__dsn_sqlite_path(c->dsn), dump);
    else
        dump_postgres(c, dump);
    return dump;
}

static void assert_dump(contract *c, const char *expected)
{
    char *dump = dump_of(c);

    assert_string_equal(dump, expected);
    free(dump);
}

/* What is in the test's folder beside the model: names, sorted by nobody. */
static int count_files(contract *c, const char *part)
{
    DIR *folder = opendir(c->files->folder);
    int count = 0;

    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        count += strstr(entry->d_name, part) != NULL;
    closedir(folder);
    return count;
}

static const char *target(contract *c)
{
    static char path[300];

    snprintf(path, sizeof(path), "%s/saved.snap", c->files->folder);
    return path;
}

static void set_wal(contract *c)
{
    sqlite3 *raw = NULL;

    mtnt__db_disconnect(c->db);
    assert_int_equal(sqlite3_open(mtnt__dsn_sqlite_path(c->dsn), &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, "PRAGMA journal_mode = WAL", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(raw), SQLITE_OK);
}

/* ---- taking one ---- */

static void taken_and_opened(void **state)
{
    contract *c = *state;
    char digest[MTNT__DIGEST_SIZE], again[MTNT__DIGEST_SIZE];
    struct stat status;

    fill(c);
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), digest, &c->err));
    expect_ok(c, mtnt__db_digest(c->db, again, &c->err));
    assert_string_equal(digest, again);
    assert_int_equal(count_files(c, "saved.snap"), 2); /* it and the note beside it */
    assert_int_equal(stat(target(c), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    if (c->on == ON_SQLITE) {
        char *before = dump_of(c), *saved = calloc(1, 20000);

        dump_sqlite(target(c), saved);
        assert_string_equal(saved, before);
        free(before);
        free(saved);
    }
}

static void a_log_is_not_needed(void **state)
{
    contract *c = *state;
    char *before, *saved = calloc(1, 20000);

    fill(c);
    set_wal(c);
    run(c, c->db, "INSERT INTO people VALUES(4, 'in the log', 1)");
    before = dump_of(c);
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), NULL, &c->err));
    assert_int_equal(count_files(c, "saved.snap"), 1); /* no -wal, no -shm */
    dump_sqlite(target(c), saved);
    assert_string_equal(saved, before);
    assert_int_equal(count_files(c, "saved.snap"), 1); /* nor by opening it */
    free(before);
    free(saved);
}

static void never_over_a_good_one(void **state)
{
    contract *c = *state;
    struct stat before, after;

    fill(c);
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), NULL, &c->err));
    assert_int_equal(stat(target(c), &before), 0);
    run(c, c->db, "DELETE FROM orders");
    expect_code(c, mtnt__db_snapshot(c->db, target(c), NULL, &c->err), MTNT_E_EXISTS);
    assert_int_equal(stat(target(c), &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_size, before.st_size);
    assert_int_equal(count_files(c, "saved.snap"), 1);
}

static void only_what_is_committed(void **state)
{
    contract *c = *state;
    char digest[MTNT__DIGEST_SIZE], before[MTNT__DIGEST_SIZE];

    fill(c);
    expect_ok(c, mtnt__db_digest(c->db, before, &c->err));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "INSERT INTO people VALUES(9, 'not yet', 0)", NULL));
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), digest, &c->err));
    assert_string_equal(digest, before);
    assert_true(mtnt__db_in_transaction(c->db));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    expect_ok(c, mtnt__db_digest(c->db, digest, &c->err));
    assert_string_not_equal(digest, before);
}

static void layout_does_not_count(void **state)
{
    static const char *const vacuum[] = {"VACUUM", "VACUUM FULL"};
    contract *c = *state;
    char digest[MTNT__DIGEST_SIZE], before[MTNT__DIGEST_SIZE];

    fill(c);
    run(c, c->db, "INSERT INTO people SELECT id + 10, name, ratio FROM people; DELETE FROM people WHERE id > 10");
    expect_ok(c, mtnt__db_digest(c->db, before, &c->err));
    if (c->on == ON_SQLITE) {
        expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, vacuum[0], NULL));
    } else {
        pg_run(&c->pg, vacuum[1]);
    }
    expect_ok(c, mtnt__db_digest(c->db, digest, &c->err));
    assert_string_equal(digest, before);
    run(c, c->db, "INSERT INTO mtnt_decision VALUES('two', 'abort')");
    expect_ok(c, mtnt__db_digest(c->db, digest, &c->err));
    assert_string_equal(digest, before);
}

/* Each of these is a write of the application, and has to show. */
static void content_counts(void **state)
{
    static const char *const anywhere[] = {"UPDATE people SET name = 'ana' WHERE id = 1",
                                           "UPDATE people SET ratio = NULL WHERE id = 3",
                                           "DELETE FROM orders WHERE id = 2",
                                           "CREATE TABLE more(x INTEGER)",
                                           "CREATE INDEX people_name ON people(name)",
                                           "DROP VIEW names",
                                           "ALTER TABLE orders ADD COLUMN at TEXT"};
    static const char *const postgres[] = {
        "SELECT nextval('tickets')",
        "ALTER TYPE mood ADD VALUE 'none'",
        "CREATE OR REPLACE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT x'",
        "ALTER TABLE people ALTER name SET NOT NULL",
        "CREATE SCHEMA other",
        "SELECT lo_from_bytea(0, 'large')",
        "UPDATE feelings SET m = 'bad'"};
    contract *c = *state;
    char digest[MTNT__DIGEST_SIZE], before[MTNT__DIGEST_SIZE];

    fill(c);
    for (size_t i = 0; i < 7u + (c->on == ON_POSTGRES ? 7u : 0u); i++) {
        expect_ok(c, mtnt__db_digest(c->db, before, &c->err));
        expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, i < 7 ? anywhere[i] : postgres[i - 7], NULL));
        expect_ok(c, mtnt__db_digest(c->db, digest, &c->err));
        if (strcmp(digest, before) == 0)
            fail_msg("does not show: %s", i < 7 ? anywhere[i] : postgres[i - 7]);
    }
}

/* ---- what goes wrong ---- */

static void cancelled_leaves_nothing(void **state)
{
    contract *c = *state;

    fill(c);
    expect_ok(c, mtnt__db_connect(c->db, &c->err));
    mtnt_db_cancel(c->db);
    expect_code(c, mtnt__db_snapshot(c->db, target(c), NULL, &c->err), MTNT_E_CANCELLED);
    mtnt__db_uncancel(c->db);
    mtnt__db_set_deadline(c->db, contract_now() - 1);
    expect_code(c, mtnt__db_snapshot(c->db, target(c), NULL, &c->err), MTNT_E_DEADLINE);
    assert_int_equal(count_files(c, "saved.snap"), 0);
}

static void no_folder(void **state)
{
    contract *c = *state;

    fill(c);
    assert_int_not_equal(mtnt__db_snapshot(c->db, scratch_path(c->files, "none/saved.snap"), NULL, &c->err), 0);
    expect_message(c, "none");
}

/* Files cannot grow beyond a limit: like a disk that is full, for this process and the programs that it starts. */
static void no_room(void **state)
{
    contract *c = *state;
    struct rlimit before, little;
    int rc;

    fill(c);
    run(c, c->db,
        c->on == ON_SQLITE
            ? "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
              "INSERT INTO people SELECT i, hex(randomblob(40)), i FROM n"
            : "INSERT INTO people SELECT i, md5(i::text) || md5((i + 1)::text), i FROM generate_series(10, 3000) i");
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = (struct rlimit){40000, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    rc = mtnt__db_snapshot(c->db, target(c), NULL, &c->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    expect_code(c, rc, c->on == ON_SQLITE ? MTNT_E_IO : MTNT_E_OPERATION);
    assert_int_equal(count_files(c, "saved.snap"), 0);
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), NULL, &c->err));
}

/* pg_dump must be there, and not older than the server; nothing is begun otherwise. */
static void programs_are_looked_at_first(void **state)
{
    contract *c = *state;
    char *path = strdup(getenv("PATH")), old[600];
    int rc;

    fill(c);
    assert_non_null(path);
    setenv("PATH", c->files->folder, 1);
    rc = mtnt__db_snapshot(c->db, target(c), NULL, &c->err);
    setenv("PATH", path, 1);
    expect_code(c, rc, MTNT_E_NOT_FOUND);
    expect_message(c, "pg_dump");
    scratch_write(c->files, "pg_dump", "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n");
    assert_int_equal(chmod(scratch_path(c->files, "pg_dump"), 0700), 0);
    snprintf(old, sizeof(old), "%s:%s", c->files->folder, path);
    setenv("PATH", old, 1);
    rc = mtnt__db_snapshot(c->db, target(c), NULL, &c->err);
    setenv("PATH", path, 1);
    free(path);
    expect_code(c, rc, MTNT_E_REFUSED);
    expect_message(c, "of version 9");
    assert_int_equal(count_files(c, "saved.snap"), 0);
}

/* The programs get what they need by the environment: no argument holds a password, nor any part of the DSN; and our own settings stay behind. */
static void no_secret_in_an_argument(void **state)
{
    contract *c = *state;
    char *path = strdup(getenv("PATH")), script[900], folder[600], with[700], *text;
    size_t length;
    mtnt_db *db;

    fill(c);
    assert_non_null(path);
    snprintf(script, sizeof(script),
             "#!/bin/sh\necho \"arg: $*\" >>%s/calls\nenv | sed -n '/PGPASSWORD=\\|^MTNT/s/^/env: /p' >>%s/calls\n"
             "[ \"$1\" = --version ] && echo 'pg_dump (PostgreSQL) 99.0'\nexit 0\n",
             c->files->folder, c->files->folder);
    scratch_write(c->files, "pg_dump", script);
    assert_int_equal(chmod(scratch_path(c->files, "pg_dump"), 0700), 0);
    snprintf(folder, sizeof(folder), "%s:%s", c->files->folder, path);
    snprintf(with, sizeof(with), "%.*s&password=hush-hush", (int)(strstr(c->dsn, "&password=") - c->dsn), c->dsn);
    expect_ok(c, mtnt__db_open(&db, with, NULL, &c->err));
    contract_adopt(c, db);
    setenv("PATH", folder, 1);
    setenv("MTNT_CONTROLLER", "postgresql://who:secret@where/", 1);
    expect_ok(c, mtnt__db_snapshot(db, target(c), NULL, &c->err));
    unsetenv("MTNT_CONTROLLER");
    setenv("PATH", path, 1);
    free(path);
    text = calloc(1, 10000);
    {
        FILE *calls = fopen(scratch_path(c->files, "calls"), "re");

        assert_non_null(calls);
        length = fread(text, 1, 9999, calls);
        fclose(calls);
    }
    assert_true(length > 0);
    assert_non_null(strstr(text, "env: PGPASSWORD=hush-hush"));
    assert_null(strstr(text, "env: MTNT"));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "arg:", 4) == 0 && (strstr(line, "hush") || strstr(line, "postgresql://")))
            fail_msg("an argument says too much: %s", line);
    free(text);
}

/* ---- a source that does not hold still ---- */

typedef struct meddler {
    const char *path;
    int times, refused;
    bool kill;
} meddler;

static int64_t boot_ms(void *data)
{
    (void)data;
    return contract_now();
}

static int64_t wall_ms(void *data)
{
    (void)data;
    return mtnt__system_default()->wall_ms(NULL);
}

static int random_bytes(void *data, void *ret_bytes, size_t size)
{
    (void)data;
    return mtnt__system_default()->random(NULL, ret_bytes, size);
}

/* The application writes in every pause that it is given. */
static void meddle(void *data, int64_t ms)
{
    meddler *m = data;
    sqlite3 *raw = NULL;

    (void)ms;
    if (m->kill)
        kill(getpid(), SIGKILL);
    m->times++;
    assert_int_equal(sqlite3_open(m->path, &raw), SQLITE_OK);
    if (sqlite3_exec(raw, "UPDATE people SET ratio = ratio + 1 WHERE id = 1", NULL, NULL, NULL) != SQLITE_OK)
        m->refused++;
    sqlite3_close(raw);
}

static mtnt_db *meddled(contract *c, meddler *m, mtnt__system *system)
{
    static mtnt__db_options options;

    run(c, c->db,
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) "
        "INSERT INTO people SELECT i, hex(randomblob(40)), i FROM n");
    m->path = mtnt__dsn_sqlite_path(c->dsn);
    *system = (mtnt__system){boot_ms, wall_ms, meddle, random_bytes, m};
    options = (mtnt__db_options){.system = system};
    return contract_open(c, &options);
}

static void writers_are_let_in_and_then_held_off(void **state)
{
    contract *c = *state;
    meddler m = {0};
    mtnt__system system;
    mtnt_db *db, *saved;
    char dsn[400];

    fill(c);
    db = meddled(c, &m, &system);
    expect_ok(c, mtnt__db_snapshot(db, target(c), NULL, &c->err));
    assert_in_range(m.times, 3, 60);
    assert_int_equal(m.refused, 0);
    snprintf(dsn, sizeof(dsn), "sqlite:%s", target(c));
    expect_ok(c, mtnt__db_open(&saved, dsn, NULL, &c->err));
    contract_adopt(c, saved);
    assert_int_equal(rows_of(c, saved, "people"), 39994);
    contract_close(c, db); /* its clock goes with this function */
}

static void killed_in_the_middle(void **state)
{
    contract *c = *state;
    meddler m = {.kill = true};
    mtnt__system system;
    mtnt_db *db;
    int status;
    pid_t child;

    fill(c);
    db = meddled(c, &m, &system);
    mtnt__db_disconnect(c->db);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        mtnt__db_snapshot(db, target(c), NULL, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_not_equal(access(target(c), F_OK), 0);
    assert_int_equal(count_files(c, "saved.snap.tmp-"), 1);
    contract_close(c, db);
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), NULL, &c->err));
}

/* ---- the way back ---- */

static void change(contract *c, mtnt_db *db)
{
    run(c, db,
        "DELETE FROM orders; DROP VIEW names; UPDATE people SET name = 'lost'; CREATE TABLE after_it(x INTEGER);"
        "INSERT INTO after_it VALUES(1); ALTER TABLE orders ADD COLUMN more TEXT;"
        "INSERT INTO mtnt_decision VALUES('two', 'abort'); DELETE FROM mtnt_decision WHERE migration = 'one'");
    if (c->on == ON_POSTGRES)
        run(c, db,
            "DROP TABLE feelings; DROP TYPE mood; CREATE TYPE mood AS ENUM('so so'); DROP FUNCTION twice(int);"
            "CREATE FUNCTION thrice(x int) RETURNS int LANGUAGE sql AS 'SELECT 3 * x'; SELECT nextval('tickets');"
            "CREATE VIEW after_view AS SELECT * FROM after_it");
}

static void restored_as_it_was(contract *c)
{
    char saved[MTNT__DIGEST_SIZE], left[MTNT__DIGEST_SIZE], *before = dump_of(c);
    mtnt_db *application = contract_open(c, NULL);
    bool changed = false;

    assert_int_equal(rows_of(c, application, "orders"), 2);
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), saved, &c->err));
    change(c, c->db);
    expect_ok(c, mtnt__db_digest(c->db, left, &c->err));
    assert_string_not_equal(left, saved);
    expect_ok(c, mtnt__db_restore(c->db, target(c), &(mtnt__restore_terms){saved, left, NULL}, &changed, &c->err));
    assert_true(changed);
    assert_dump(c, before);
    free(before);
    /* Our own tables are as they were left. */
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM mtnt_decision WHERE migration = 'two'"), 1);
    assert_int_equal(rows_of(c, c->db, "mtnt_decision"), 1);
    /* A connection that was there before goes on. */
    assert_int_equal(rows_of(c, application, "orders"), 2);
    run(c, application, "INSERT INTO orders VALUES(7, 1, 'later')");
    assert_int_equal(rows_of(c, c->db, "orders"), 3);
    assert_int_equal(count_files(c, "saved.snap"), 2);
}

static void restored(void **state)
{
    contract *c = *state;

    fill(c);
    restored_as_it_was(c);
}

static void restored_with_a_log(void **state)
{
    contract *c = *state;
    mtnt__db_facts facts;

    fill(c);
    set_wal(c);
    restored_as_it_was(c);
    expect_ok(c, mtnt__db_facts_read(c->db, &facts, &c->err));
    assert_true(facts.wal);
}

static void nothing_to_restore(void **state)
{
    contract *c = *state;
    char saved[MTNT__DIGEST_SIZE];
    bool changed = true;

    fill(c);
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), saved, &c->err));
    if (c->on == ON_SQLITE)
        expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "VACUUM", NULL));
    expect_ok(c, mtnt__db_restore(c->db, target(c), &(mtnt__restore_terms){saved, "", NULL}, &changed, &c->err));
    assert_false(changed);
}

/* terms: as the last write of ours left it. Then the application writes. */
static void refused(contract *c, const char *write)
{
    char saved[MTNT__DIGEST_SIZE], left[MTNT__DIGEST_SIZE], *before;
    mtnt_db *application = contract_open(c, NULL);
    bool changed = true;

    expect_ok(c, mtnt__db_snapshot(c->db, target(c), saved, &c->err));
    change(c, c->db);
    expect_ok(c, mtnt__db_digest(c->db, left, &c->err));
    run(c, application, write);
    contract_close(c, application);
    before = c->on == ON_POSTGRES ? dump_of(c) : NULL;
    expect_code(c, mtnt__db_restore(c->db, target(c), &(mtnt__restore_terms){saved, left, NULL}, &changed, &c->err),
                MTNT_E_REFUSED);
    expect_message(c, "saved.snap");
    expect_message(c, "Nothing was restored");
    expect_code(c, mtnt__db_restore(c->db, target(c), &(mtnt__restore_terms){saved, "", NULL}, &changed, &c->err),
                MTNT_E_REFUSED);
    assert_int_equal(access(target(c), F_OK), 0);
    if (before)
        assert_dump(c, before);
    free(before);
    assert_int_equal(rows_of(c, c->db, "after_it"), 2);
}

static void refused_when_somebody_has_written(void **state)
{
    contract *c = *state;

    fill(c);
    refused(c, "INSERT INTO after_it VALUES(2)");
}

static void refused_with_a_log(void **state)
{
    contract *c = *state;

    fill(c);
    set_wal(c);
    refused(c, "INSERT INTO after_it VALUES(2)");
}

/* The application writes after the question and before the answer is acted upon: PostgreSQL, while pg_restore works. */
static void refused_in_the_last_moment(void **state)
{
    contract *c = *state;
    char saved[MTNT__DIGEST_SIZE], left[MTNT__DIGEST_SIZE], script[1500], folder[900];
    char *path = strdup(getenv("PATH"));
    bool changed;
    int rc;

    fill(c);
    assert_non_null(path);
    expect_ok(c, mtnt__db_snapshot(c->db, target(c), saved, &c->err));
    change(c, c->db);
    expect_ok(c, mtnt__db_digest(c->db, left, &c->err));
    snprintf(script, sizeof(script),
             "#!/bin/sh\n[ \"$1\" = --version ] || PATH='%s' psql -qc 'INSERT INTO after_it VALUES(2)' || exit 9\n"
             "PATH='%s' exec pg_restore \"$@\"\n",
             path, path);
    scratch_write(c->files, "bin/pg_restore", script);
    assert_int_equal(chmod(scratch_path(c->files, "bin/pg_restore"), 0700), 0);
    snprintf(folder, sizeof(folder), "%s/bin:%s", c->files->folder, path);
    setenv("PATH", folder, 1);
    rc = mtnt__db_restore(c->db, target(c), &(mtnt__restore_terms){saved, left, NULL}, &changed, &c->err);
    setenv("PATH", path, 1);
    free(path);
    expect_code(c, rc, MTNT_E_REFUSED);
    assert_int_equal(rows_of(c, c->db, "after_it"), 2);
}

/* The same on SQLite: between the guard's lock and the backup's own. */
static const char *interfere; /* the file that the application writes to, once */

sqlite3_backup *__real_sqlite3_backup_init(sqlite3 *to, const char *to_name, sqlite3 *from, const char *from_name);
sqlite3_backup *__wrap_sqlite3_backup_init(sqlite3 *to, const char *to_name, sqlite3 *from, const char *from_name);
sqlite3_backup *__wrap_sqlite3_backup_init(sqlite3 *to, const char *to_name, sqlite3 *from, const char *from_name)
{
    const char *file = sqlite3_db_filename(to, to_name);
    sqlite3 *raw = NULL;

    if (interfere && file && strcmp(file, interfere) == 0) {
        interfere = NULL;
        assert_int_equal(sqlite3_open(file, &raw), SQLITE_OK);
        assert_int_equal(sqlite3_exec(raw, "INSERT INTO after_it VALUES(2)", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(raw);
    }
    return __real_sqlite3_backup_init(to, to_name, from, from_name);
}

static void refused_between_two_locks(void **state)
{
    contract *c = *state;
    char saved[MTNT__DIGEST_SIZE], left[MTNT__DIGEST_SIZE];
    bool changed;

    for (int wal = 0; wal < 2; wal++) {
        if (wal == 0)
            fill(c);
        else
            set_wal(c);
        expect_ok(c, mtnt__db_snapshot(c->db, target(c), saved, &c->err));
        if (wal == 0)
            change(c, c->db);
        else
            run(c, c->db, "UPDATE people SET name = 'lost again'");
        expect_ok(c, mtnt__db_digest(c->db, left, &c->err));
        interfere = mtnt__dsn_sqlite_path(c->dsn);
        expect_code(c, mtnt__db_restore(c->db, target(c), &(mtnt__restore_terms){saved, left, NULL}, &changed, &c->err),
                    MTNT_E_REFUSED);
        assert_null(interfere);
        assert_int_equal(rows_of(c, c->db, "after_it"), 2 + wal);
        assert_int_equal(unlink(target(c)), 0);
    }
}

/* One schema of several: nothing else is saved, compared or touched; and what depends on it from outside stops a restore. */
static void one_schema_alone(void **state)
{
    contract *c = *state;
    const mtnt__db_options acme = {.schema = "acme \"1\""};
    char saved[MTNT__DIGEST_SIZE], left[MTNT__DIGEST_SIZE];
    mtnt_db *db;
    bool changed = false;

    pg_run(&c->pg, "CREATE SCHEMA \"acme \"\"1\"\"\"; CREATE TABLE neighbour(x int); INSERT INTO neighbour VALUES(1)");
    db = contract_open(c, &acme);
    run(c, db,
        "CREATE TABLE mtnt_meta(x int); CREATE TABLE mtnt_applied(x int); CREATE TABLE mtnt_decision(x int);"
        "CREATE TABLE people(id serial, name text); INSERT INTO people(name) VALUES('Ana')");
    expect_ok(c, mtnt__db_snapshot(db, target(c), saved, &c->err));
    pg_run(&c->pg, "INSERT INTO neighbour VALUES(2)");
    expect_ok(c, mtnt__db_digest(db, left, &c->err));
    assert_string_equal(left, saved);
    run(c, db, "DELETE FROM people; CREATE TABLE extra(x int)");
    expect_ok(c, mtnt__db_digest(db, left, &c->err));
    pg_run(&c->pg, "CREATE VIEW public.looks AS SELECT * FROM \"acme \"\"1\"\"\".people");
    assert_int_not_equal(mtnt__db_restore(db, target(c), &(mtnt__restore_terms){saved, left, NULL}, &changed, &c->err),
                         0);
    expect_message(c, "outside the model");
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM public.looks"), 0);
    pg_run(&c->pg, "DROP VIEW public.looks");
    expect_ok(c, mtnt__db_restore(db, target(c), &(mtnt__restore_terms){saved, left, NULL}, &changed, &c->err));
    assert_true(changed);
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM \"acme \"\"1\"\"\".people WHERE name = 'Ana'"), 1);
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM neighbour"), 2);
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM pg_class WHERE relname = 'extra'"), 0);
}

static void not_within_a_transaction(void **state)
{
    contract *c = *state;
    bool changed;

    fill(c);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt__db_restore(c->db, target(c), &(mtnt__restore_terms){"", "", NULL}, &changed, &c->err),
                MTNT_E_INVALID);
}

static void none_of_the_fake(void **state)
{
    contract *c = *state;

    expect_code(c, mtnt__db_snapshot(c->db, target(c), NULL, &c->err), MTNT_E_INVALID);
}

int main(void)
{
    enum { BOTH = ON_SQLITE | ON_POSTGRES };
    static const contract_test tests[] = {
        CONTRACT(taken_and_opened, BOTH),
        CONTRACT(a_log_is_not_needed, ON_SQLITE),
        CONTRACT(never_over_a_good_one, BOTH),
        CONTRACT(only_what_is_committed, BOTH),
        CONTRACT(layout_does_not_count, BOTH),
        CONTRACT(content_counts, BOTH),
        CONTRACT(cancelled_leaves_nothing, BOTH),
        CONTRACT(no_folder, BOTH),
        CONTRACT(no_room, BOTH),
        CONTRACT(programs_are_looked_at_first, ON_POSTGRES),
        CONTRACT(no_secret_in_an_argument, ON_POSTGRES),
        CONTRACT(writers_are_let_in_and_then_held_off, ON_SQLITE),
        CONTRACT(killed_in_the_middle, ON_SQLITE),
        CONTRACT(restored, BOTH),
        CONTRACT(restored_with_a_log, ON_SQLITE),
        CONTRACT(nothing_to_restore, BOTH),
        CONTRACT(refused_when_somebody_has_written, BOTH),
        CONTRACT(refused_with_a_log, ON_SQLITE),
        CONTRACT(refused_in_the_last_moment, ON_POSTGRES),
        CONTRACT(refused_between_two_locks, ON_SQLITE),
        CONTRACT(one_schema_alone, ON_POSTGRES),
        CONTRACT(not_within_a_transaction, BOTH),
        CONTRACT(none_of_the_fake, ON_FAKE),
    };
    const char *programs = getenv("MTNT_TEST_PG_BINDIR"), *path = getenv("PATH");
    char all[4000];

    if (programs && path && snprintf(all, sizeof(all), "%s:%s", programs, path) < (int)sizeof(all))
        setenv("PATH", all, 1);
    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
