/* What the operation `snapshot` does, called as a coordinator would: it saves, leaves a good one alone, restores what this migration alone has changed,
 * and refuses when somebody else has written. */
#include <sys/stat.h>

#include "chain/chain.h"
#include "chain/names.h"
#include "db_contract.h"
#include "mtnt/operations.h"

static const char migration[] = "0123456789abcdef0123456789abcdef";

typedef struct stage {
    contract *c;
    mtnt_model *model;
    mtnt_chain *chain;
    mtnt_operation operation;
    struct mtnt_scope scope;
    char folder[200], path[500];
} stage;

static void run(contract *c, mtnt_db *db, const char *sql)
{
    expect_ok(c, mtnt__db_run_script(db, &c->err, sql));
}

static void begin(stage *s, contract *c)
{
    mtnt_model_options model = MTNT_MODEL_OPTIONS_INIT;
    mtnt_entry entry = MTNT_ENTRY_INIT;
    mtnt_snapshot_options options;

    *s = (stage){.c = c};
    model.id = "acme/7";
    model.dsn = c->dsn;
    expect_ok(c, mtnt_model_new(&s->model, &model, &c->err));
    snprintf(s->folder, sizeof(s->folder), "%s/kept/here", c->files->folder);
    options.dir = s->folder;
    entry.name = "before_vacuum";
    entry.order = 3;
    expect_ok(c, mtnt_chain_new(&s->chain, "shop", &c->err));
    expect_ok(c, mtnt_operation_add_snapshot(s->chain, &options, &entry, &c->err));
    assert_int_equal(s->chain->entries[0].flags & MTNT_OPERATION_NO_TRANSACTION, MTNT_OPERATION_NO_TRANSACTION);
    s->operation.entry = s->chain->entries;
    s->scope.model = c->db;
    s->scope.tenant = s->model;
    s->scope.migration = migration;
    s->scope.system = mtnt__system_default();
    snprintf(s->path, sizeof(s->path), "%s/acme%%2F7/v3-before_vacuum-%s.%s", s->folder, migration,
             c->on == ON_SQLITE ? "db" : "dump");
    run(c, c->db,
        "CREATE TABLE mtnt_meta(key TEXT); CREATE TABLE mtnt_applied(name TEXT); CREATE TABLE mtnt_decision(migration TEXT);"
        "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO people VALUES(1, 'Ana'), (2, 'Bo')");
}

static void end(stage *s)
{
    mtnt_chain_free(s->chain);
    mtnt_model_free(s->model);
}

static int execute(stage *s)
{
    mtnt_error_clear(&s->c->err);
    return s->operation.entry->operation_class->execute(&s->operation, &s->scope, s->model, &s->c->err);
}

static int rollback(stage *s)
{
    mtnt_error_clear(&s->c->err);
    return s->operation.entry->operation_class->rollback(&s->operation, &s->scope, s->model, &s->c->err);
}

/* What the coordinator notes after a write of this migration. */
static void note(stage *s)
{
    char left[MTNT__DIGEST_SIZE];
    mtnt__note found;

    expect_ok(s->c, mtnt__db_note_read(s->path, &found, &s->c->err));
    expect_ok(s->c, mtnt__db_digest(s->c->db, left, &s->c->err));
    expect_ok(s->c, mtnt__db_note_write(s->path, &(mtnt__restore_terms){found.saved, left, NULL}, &s->c->err));
}

static int64_t people(stage *s)
{
    return contract_number(s->c, s->c->db, "SELECT count(*) FROM people");
}

static void saves_and_restores(void **state)
{
    struct stat before, after;
    stage s;

    begin(&s, *state);
    expect_ok(s.c, execute(&s));
    assert_int_equal(stat(s.path, &before), 0);
    run(s.c, s.c->db, "DELETE FROM people; INSERT INTO mtnt_decision VALUES('kept')");
    expect_ok(s.c, execute(&s)); /* once more, by whoever repeats it: what is saved stays */
    assert_int_equal(stat(s.path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    note(&s);
    expect_ok(s.c, rollback(&s));
    assert_int_equal(people(&s), 2);
    assert_int_equal(contract_number(s.c, s.c->db, "SELECT count(*) FROM mtnt_decision"), 1);
    expect_ok(s.c, rollback(&s)); /* and again */
    assert_int_equal(people(&s), 2);
    assert_int_equal(access(s.path, F_OK), 0);
    end(&s);
}

static void nothing_has_changed(void **state)
{
    stage s;

    begin(&s, *state);
    expect_ok(s.c, execute(&s));
    if (s.c->on == ON_SQLITE)
        expect_ok(s.c, mtnt__db_run(s.c->db, NULL, NULL, &s.c->err, "VACUUM", NULL));
    expect_ok(s.c, rollback(&s));
    assert_int_equal(people(&s), 2);
    end(&s);
}

static void somebody_else_has_written(void **state)
{
    stage s;

    begin(&s, *state);
    expect_ok(s.c, execute(&s));
    run(s.c, s.c->db, "DELETE FROM people");
    expect_code(s.c, rollback(&s), MTNT_E_REFUSED); /* nobody noted whose write that was */
    note(&s);
    run(s.c, s.c->db, "INSERT INTO people VALUES(9, 'new customer')");
    expect_code(s.c, rollback(&s), MTNT_E_REFUSED);
    expect_message(s.c, s.path);
    assert_int_equal(people(&s), 1);
    assert_int_equal(access(s.path, F_OK), 0);
    end(&s);
}

/* A rewind, long after: another migration, and the snapshot is not its own. */
static void another_migration(void **state)
{
    stage s;

    begin(&s, *state);
    expect_ok(s.c, execute(&s));
    run(s.c, s.c->db, "DELETE FROM people");
    note(&s);
    s.scope.migration = "ffffffffffffffffffffffffffffffff";
    expect_ok(s.c, rollback(&s));
    assert_int_equal(people(&s), 0);
    end(&s);
}

static void gone_or_never_made(void **state)
{
    stage s;

    begin(&s, *state);
    expect_ok(s.c, rollback(&s));
    expect_ok(s.c, execute(&s));
    assert_int_equal(unlink(s.path), 0);
    expect_ok(s.c, rollback(&s)); /* as it was: killed before it had its name */
    run(s.c, s.c->db, "DELETE FROM people");
    expect_code(s.c, rollback(&s), MTNT_E_NOT_FOUND);
    expect_message(s.c, "is gone");
    end(&s);
}

static void a_note_that_says_nothing(void **state)
{
    char path[600];
    FILE *file;
    stage s;

    begin(&s, *state);
    expect_ok(s.c, execute(&s));
    run(s.c, s.c->db, "DELETE FROM people");
    snprintf(path, sizeof(path), "%s.state", s.path);
    file = fopen(path, "we");
    assert_non_null(file);
    fputs("half", file);
    fclose(file);
    expect_code(s.c, rollback(&s), MTNT_E_CORRUPT);
    assert_int_equal(unlink(path), 0);
    expect_code(s.c, rollback(&s), MTNT_E_NOT_FOUND);
    assert_int_equal(people(&s), 0);
    end(&s);
}

static void not_within_a_transaction(void **state)
{
    stage s;

    begin(&s, *state);
    expect_ok(s.c, mtnt__db_begin(s.c->db, &s.c->err));
    expect_code(s.c, execute(&s), MTNT_E_INVALID);
    expect_code(s.c, rollback(&s), MTNT_E_INVALID);
    expect_message(s.c, "MTNT_OPERATION_NO_TRANSACTION");
    end(&s);
}

static void no_folder_is_named(void **state)
{
    contract *c = *state;
    mtnt_snapshot_options options = {" "};
    mtnt_chain *chain;

    expect_ok(c, mtnt_chain_new(&chain, "shop", &c->err));
    expect_code(c, mtnt_operation_add_snapshot(chain, &options, NULL, &c->err), MTNT_E_CONFIG);
    expect_message(c, "names no folder");
    mtnt_chain_free(chain);
}

/* Two tenants never share a name, and no name leads elsewhere. */
static void names_for_files(void **state)
{
    static const struct {
        const char *text, *name;
    } names[] = {{"acme", "acme"},     {"..", "%2E."},         {".x", "%2Ex"},   {"a/b", "a%2Fb"},
                 {"a%2Fb", "a%252Fb"}, {"\xc3\xa4", "%C3%A4"}, {"a b", "a%20b"}, {"A-1_z.9", "A-1_z.9"}};
    char text[201], other[201], *name, *second;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        name = mtnt__name_for_files(names[i].text);
        assert_string_equal(name, names[i].name);
        free(name);
    }
    memset(text, 'a', 200);
    text[200] = '\0';
    memcpy(other, text, sizeof(text));
    other[199] = 'b';
    name = mtnt__name_for_files(text);
    second = mtnt__name_for_files(other);
    assert_true(strlen(name) < 200);
    assert_string_not_equal(name, second);
    free(name);
    free(second);
}

int main(void)
{
    enum { BOTH = ON_SQLITE | ON_POSTGRES };
    static const contract_test tests[] = {
        CONTRACT(saves_and_restores, BOTH),        CONTRACT(nothing_has_changed, BOTH),
        CONTRACT(somebody_else_has_written, BOTH), CONTRACT(another_migration, BOTH),
        CONTRACT(gone_or_never_made, BOTH),        CONTRACT(a_note_that_says_nothing, BOTH),
        CONTRACT(not_within_a_transaction, BOTH),  CONTRACT(no_folder_is_named, ON_SQLITE),
        CONTRACT(names_for_files, ON_SQLITE),
    };
    const char *programs = getenv("MTNT_TEST_PG_BINDIR"), *path = getenv("PATH");
    char all[4000];

    if (programs && path && snprintf(all, sizeof(all), "%s:%s", programs, path) < (int)sizeof(all))
        setenv("PATH", all, 1);
    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
