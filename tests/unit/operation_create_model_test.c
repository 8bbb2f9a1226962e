/* create_model in whole migrations: a SQLite file, a PostgreSQL database, a PostgreSQL schema. The controller is SQLite. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "db/database.h"
#include "mtnt.h"

#define SQL(text)                 \
    {                             \
        text, "chain.yaml", 3, 11 \
    }

typedef enum model_kind { KIND_FILE, KIND_DATABASE, KIND_SCHEMA } model_kind;

typedef struct fixture {
    model_kind kind;
    char folder[64], server[512], dsn[512], name[64];
    mtnt_controller *controller;
    mtnt_model *model;
    mtnt_chain *chain;
    mtnt_outcome outcome;
    mtnt_coordinator *coordinator;
    mtnt_error err;
} fixture;

#define MUST(call)                                     \
    do {                                               \
        if ((call) != 0)                               \
            fail_msg("%s: %s", #call, f->err.message); \
    } while (0)

/* "host=… port=…" of the test server as a URI. */
static void server_uri(char *uri, size_t size)
{
    char *words = strdup(getenv("MTNT_TEST_PG")), *rest = words, *word;
    const char *separator = "?";

    snprintf(uri, size, "postgresql:///postgres");
    while ((word = strtok_r(rest, " ", &rest)) != NULL) {
        if (strncmp(word, "dbname=", 7) == 0)
            continue;
        snprintf(uri + strlen(uri), size - strlen(uri), "%s%s", separator, word);
        separator = "&";
    }
    free(words);
}

static void use_database(fixture *f, const char *name)
{
    char *dsn = mtnt__dsn_with_database(f->server, name);

    assert_non_null(dsn);
    snprintf(f->dsn, sizeof(f->dsn), "%s", dsn);
    free(dsn);
}

static void *set_up(model_kind kind)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    static const char *const vars[] = {"plan=pro", NULL};
    mtnt__db_options none = {0};
    fixture *f = test_calloc(1, sizeof(*f));
    char dsn[128];

    f->kind = kind;
    strcpy(f->folder, "/tmp/mtnt-create-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->name, sizeof(f->name), "create_model_%d", (int)getpid());
    if (kind == KIND_FILE) {
        snprintf(f->dsn, sizeof(f->dsn), "sqlite:%s/model.db", f->folder);
    } else {
        server_uri(f->server, sizeof(f->server));
        use_database(f, f->name);
        options.schema = kind == KIND_SCHEMA ? "acme" : NULL;
    }
    if (kind == KIND_SCHEMA)
        MUST(mtnt__postgres_create_database(f->server, f->name, &none, &f->err));
    options.id = "acme";
    options.dsn = f->dsn;
    options.vars = vars;
    MUST(mtnt_model_new(&f->model, &options, &f->err));
    snprintf(dsn, sizeof(dsn), "sqlite:%s/controller.db", f->folder);
    MUST(mtnt_controller_open(&f->controller, dsn, NULL, &f->err));
    MUST(mtnt_chain_new(&f->chain, "shop", &f->err));
    return f;
}

static int set_up_file(void **state)
{
    *state = set_up(KIND_FILE);
    return 0;
}

static int set_up_database(void **state)
{
    *state = set_up(KIND_DATABASE);
    return 0;
}

static int set_up_schema(void **state)
{
    *state = set_up(KIND_SCHEMA);
    return 0;
}

/* Files of the test's folder by the beginning of their name; they are removed on the way out. */
static int count_files(const fixture *f, const char *prefix, bool remove_them)
{
    DIR *folder = opendir(f->folder);
    struct dirent *entry;
    int count = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        count++;
        if (remove_them)
            assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
    }
    closedir(folder);
    return count;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    mtnt__db_options none = {0};

    mtnt_coordinator_free(f->coordinator);
    mtnt_controller_close(f->controller);
    mtnt_chain_free(f->chain);
    mtnt_model_free(f->model);
    if (f->kind != KIND_FILE)
        MUST(mtnt__postgres_drop_database(f->server, f->name, &none, &f->err));
    count_files(f, "", true);
    assert_int_equal(rmdir(f->folder), 0);
    test_free(f);
    return 0;
}

/* A query beside the migration; -1 = the model, or what is asked for, is not there. */
static int64_t ask(fixture *f, const char *sql)
{
    mtnt__db_options options = {.schema = mtnt_model_schema(f->model)};
    mtnt_db *db = NULL;
    int64_t answer = -1;

    MUST(mtnt__db_open(&db, f->dsn, &options, &f->err));
    if (mtnt_db_query_int(db, &answer, &f->err, sql) != 0)
        answer = -1;
    mtnt__db_close(db);
    return answer;
}

static bool model_is_there(fixture *f)
{
    mtnt__db_options options = {.schema = mtnt_model_schema(f->model)};
    bool there = false;

    MUST(mtnt__db_exists(f->dsn, &options, &there, &f->err));
    return there;
}

/* Nothing under a provisional name either. */
static void assert_nothing_is_left(fixture *f)
{
    char sql[150];

    assert_false(model_is_there(f));
    assert_int_equal(count_files(f, "model", false), 0);
    if (f->kind == KIND_FILE)
        return;
    use_database(f, "postgres");
    /* Other tests make theirs on the same server at the same time. */
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_database WHERE datname = 'mtnt_new_%s'", f->outcome.migration);
    assert_int_equal(ask(f, sql), 0);
    use_database(f, f->name);
}

static void make_model_before(fixture *f)
{
    mtnt__db_options options = {.create = true}, none = {0};
    mtnt_db *db = NULL;

    if (f->kind == KIND_DATABASE)
        MUST(mtnt__postgres_create_database(f->server, f->name, &none, &f->err));
    MUST(mtnt__db_open(&db, f->dsn, &options, &f->err));
    if (f->kind == KIND_SCHEMA)
        MUST(mtnt_db_exec(db, &f->err, "CREATE SCHEMA acme"));
    MUST(mtnt_db_exec(db, &f->err,
                      f->kind == KIND_SCHEMA ? "CREATE TABLE acme.precious(a INTEGER)"
                                             : "CREATE TABLE precious(a INTEGER)"));
    mtnt__db_close(db);
}

static void add_create_model(fixture *f, const char *template)
{
    mtnt_create_model_options options = {.template_any = SQL(template)};

    MUST(mtnt_operation_add_create_model(f->chain, &options, NULL, &f->err));
}

static void add_sql(fixture *f, const char *up)
{
    mtnt_sql_options options = {.model = {.any_up = SQL(up)}};

    MUST(mtnt_operation_add_sql(f->chain, &options, NULL, &f->err));
}

static int perform(fixture *f)
{
    int rc;

    mtnt_coordinator_free(f->coordinator);
    f->coordinator = NULL;
    mtnt_error_clear(&f->err);
    MUST(mtnt_coordinator_new(&f->coordinator, f->controller, f->model, f->chain, NULL, &f->err));
    rc = mtnt_coordinator_perform(f->coordinator, &f->err);
    mtnt_coordinator_outcome(f->coordinator, &f->outcome);
    return rc;
}

static void test_model_is_made_from_its_template(void **state)
{
    fixture *f = *state;

    add_create_model(f, "CREATE TABLE plan(name TEXT);\nINSERT INTO plan VALUES (:'tenant'), (:'plan');");
    add_sql(f, "CREATE TABLE contacts(id INTEGER PRIMARY KEY); INSERT INTO contacts VALUES (7)");
    MUST(perform(f));
    assert_true(f->outcome.created_model);
    assert_int_equal(f->outcome.executed, 2);
    assert_int_equal(ask(f, "SELECT count(*) FROM plan WHERE name IN ('acme', 'pro')"), 2);
    assert_int_equal(ask(f, "SELECT id FROM contacts"), 7);
    MUST(perform(f));
    assert_int_equal(f->outcome.executed, 0);
}

static void test_D6_model_of_a_failed_migration_is_gone(void **state)
{
    fixture *f = *state;

    add_create_model(f, "CREATE TABLE plan(name TEXT)");
    add_sql(f, "INSERT INTO plan VALUES ('pro'); INSERT INTO nowhere VALUES (1)");
    assert_int_equal(perform(f), MTNT_E_DATABASE);
    assert_non_null(strstr(f->err.message, "nowhere"));
    assert_nothing_is_left(f);
    assert_int_equal(perform(f), MTNT_E_DATABASE);
    assert_nothing_is_left(f);
}

static void test_D6_model_of_a_failed_template_is_gone(void **state)
{
    fixture *f = *state;

    add_create_model(f, "CREATE TABLE plan(name TEXT);\n  INSERT INTO nowhere VALUES (1)");
    assert_int_equal(perform(f), MTNT_E_DATABASE);
    assert_string_equal(f->err.file, "chain.yaml");
    assert_int_equal(f->err.line, 4);
    assert_nothing_is_left(f);
}

static void test_D7_model_that_was_there_is_left_alone(void **state)
{
    fixture *f = *state;

    make_model_before(f);
    add_create_model(f, "CREATE TABLE plan(name TEXT)");
    add_sql(f, "CREATE TABLE contacts(id INTEGER)");
    MUST(perform(f));
    assert_false(f->outcome.created_model);
    assert_int_equal(ask(f, "SELECT count(*) FROM precious"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM plan"), -1);
    assert_int_equal(ask(f, "SELECT count(*) FROM contacts"), 0);
}

static void test_D7_model_that_was_there_is_never_deleted(void **state)
{
    fixture *f = *state;

    make_model_before(f);
    add_create_model(f, "CREATE TABLE plan(name TEXT)");
    add_sql(f, "CREATE TABLE contacts(id INTEGER); INSERT INTO nowhere VALUES (1)");
    assert_int_equal(perform(f), MTNT_E_DATABASE);
    assert_true(model_is_there(f));
    assert_int_equal(ask(f, "SELECT count(*) FROM precious"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM contacts"), -1);
}

static void test_template_for_the_other_backend_only(void **state)
{
    mtnt_create_model_options options = {.template_any = SQL(NULL)};
    mtnt_sql_text text = SQL("CREATE TABLE plan(name TEXT)");
    fixture *f = *state;

    if (f->kind == KIND_FILE)
        options.template_postgres = text;
    else
        options.template_sqlite = text;
    MUST(mtnt_operation_add_create_model(f->chain, &options, NULL, &f->err));
    assert_int_equal(perform(f), MTNT_E_NOT_IMPLEMENTED);
    assert_non_null(strstr(f->err.message, "`create_model.template`"));
    assert_nothing_is_left(f);
}

static void test_without_a_template(void **state)
{
    fixture *f = *state;

    MUST(mtnt_operation_add_create_model(f->chain, NULL, NULL, &f->err));
    MUST(perform(f));
    assert_true(f->outcome.created_model);
    assert_true(model_is_there(f));
}

int main(void)
{
#define CASE(name)                                                                                                    \
    {"file " #name, name, set_up_file, tear_down, NULL}, {"database " #name, name, set_up_database, tear_down, NULL}, \
    {                                                                                                                 \
        "schema " #name, name, set_up_schema, tear_down, NULL                                                         \
    }
    const struct CMUnitTest tests[] = {
        CASE(test_model_is_made_from_its_template),
        CASE(test_D6_model_of_a_failed_migration_is_gone),
        CASE(test_D6_model_of_a_failed_template_is_gone),
        CASE(test_D7_model_that_was_there_is_left_alone),
        CASE(test_D7_model_that_was_there_is_never_deleted),
        CASE(test_template_for_the_other_backend_only),
        CASE(test_without_a_template),
    };

    return cmocka_run_group_tests_name("create_model", tests, NULL, NULL);
}
