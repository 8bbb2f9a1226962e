#include "db_contract.h"

void contract_expect(contract *c, int rc, int expected, const char *file, int line)
{
    if (rc == expected) {
        if (rc != 0 && c->err.code != rc)
            fail_msg("%s:%d: %s was returned, and err says %s: %s", file, line, mtnt_code_name(rc),
                     mtnt_code_name(c->err.code), c->err.message);
        return;
    }
    fail_msg("%s:%d: %s instead of %s: %s (%s)", file, line, mtnt_code_name(rc), mtnt_code_name(expected),
             rc ? c->err.message : "", c->err.state);
}

mtnt_db *contract_adopt(contract *c, mtnt_db *db)
{
    assert_true((size_t)c->other_count < sizeof(c->others) / sizeof(c->others[0]));
    c->others[c->other_count++] = db;
    return db;
}

mtnt_db *contract_open(contract *c, const mtnt__db_options *options)
{
    mtnt_db *db;

    if (c->on == ON_FAKE)
        return contract_adopt(c, fake_db_open(c->fake, options));
    expect_ok(c, mtnt__db_open(&db, c->dsn, options, &c->err));
    return contract_adopt(c, db);
}

void contract_close(contract *c, mtnt_db *db)
{
    for (int i = 0; i < c->other_count; i++)
        if (c->others[i] == db)
            c->others[i] = NULL;
    if (c->db == db)
        c->db = NULL;
    mtnt__db_close(db);
}

static int take_number(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0);
    return 0;
}

int64_t contract_number(contract *c, mtnt_db *db, const char *sql)
{
    int64_t number = 0;

    expect_ok(c, mtnt__db_run(db, take_number, &number, &c->err, sql, NULL));
    return number;
}

/* ---- one test ---- */

/* A file that is a database: one that is there, and has a page. */
static void make_file(contract *c)
{
    const mtnt__db_options create = {.create = true};
    mtnt_db *db;

    snprintf(c->dsn, sizeof(c->dsn), "sqlite:%s", scratch_path(c->files, "contract.db"));
    expect_ok(c, mtnt__db_open(&db, c->dsn, &create, &c->err));
    expect_ok(c, mtnt__db_run_script(db, &c->err, "CREATE TABLE made(x); DROP TABLE made"));
    mtnt__db_close(db);
}

static int setup(void **state)
{
    contract *c = calloc(1, sizeof(*c));
    void *files;

    assert_non_null(c);
    c->on = *(int *)*state;
    scratch_setup(&files);
    c->files = files;
    if (c->on == ON_SQLITE) {
        make_file(c);
    } else if (c->on == ON_POSTGRES) {
        pg_database_make(&c->pg);
        snprintf(c->dsn, sizeof(c->dsn), "%s", c->pg.dsn);
    } else {
        c->fake = fake_server_new();
    }
    c->db = contract_open(c, NULL);
    c->other_count = 0;
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    contract *c = *state;
    void *files = c->files;

    mtnt__db_close(c->db);
    for (int i = 0; i < c->other_count; i++)
        mtnt__db_close(c->others[i]);
    pg_database_drop(&c->pg);
    fake_server_free(c->fake);
    scratch_teardown(&files);
    free(c);
    return 0;
}

int contract_run(const contract_test *tests, size_t count)
{
    static int backends[] = {ON_SQLITE, ON_POSTGRES, ON_FAKE};
    static const char *const names[] = {"sqlite", "postgres", "fake"};
    struct CMUnitTest *all = calloc(count * 3, sizeof(*all));
    char(*texts)[128] = calloc(count * 3, sizeof(*texts));
    size_t used = 0;
    int failed;

    if (!all || !texts)
        return 1;
    for (size_t i = 0; i < count; i++) {
        for (size_t b = 0; b < 3; b++) {
            if (!(tests[i].on & backends[b]))
                continue;
            snprintf(texts[used], sizeof(texts[used]), "%s.%s", names[b], tests[i].name);
            all[used] = (struct CMUnitTest){texts[used], tests[i].function, setup, teardown, &backends[b]};
            used++;
        }
    }
    failed = _cmocka_run_group_tests("db", all, used, NULL, NULL);
    free(texts);
    free(all);
    return failed;
}
