/* Tenants by a query on the controller, on either backend. */
#include <time.h>

#include "pg.h"
#include "scratch.h"

#include "chain/chain.h"
#include "mtnt/tenants.h"

/* The scratch folder first: *state is a scratch, too. */
typedef struct place {
    scratch scratch;
    pg_database database; /* PostgreSQL only */
    mtnt_controller *controller;
} place;

static int set_up_with(void **state, bool postgres)
{
    place *p = calloc(1, sizeof(*p));
    mtnt_error err = MTNT_ERROR_INIT;
    void *made = NULL;
    char dsn[512];

    assert_non_null(p);
    scratch_setup(&made);
    p->scratch = *(scratch *)made;
    free(made);
    snprintf(dsn, sizeof(dsn), "sqlite:%.400s", scratch_path(&p->scratch, "controller.db"));
    if (postgres)
        pg_database_make(&p->database);
    if (mtnt_controller_open(&p->controller, postgres ? p->database.dsn : dsn, NULL, &err))
        fail_msg("%s", err.message);
    *state = p;
    return 0;
}

static int set_up_sqlite(void **state)
{
    return set_up_with(state, false);
}

static int set_up_postgres(void **state)
{
    return set_up_with(state, true);
}

static int tear_down(void **state)
{
    place *p = *state;

    mtnt_controller_close(p->controller);
    if (p->database.name[0])
        pg_database_drop(&p->database);
    return scratch_teardown(state);
}

static int query(place *p, mtnt_tenant_source *ret_source, const char *sql, const char *default_model, mtnt_error *err)
{
    return mtnt_tenants_query(ret_source, p->controller, sql, default_model, scratch_path(&p->scratch, "tenants.yaml"),
                              err);
}

static mtnt_model *next(mtnt_tenant_source *source)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    if (source->next(source->data, &model, &err))
        fail_msg("%s", err.message);
    return model;
}

static void assert_refused(place *p, const char *sql, const char *default_model, int code, const char *message)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(query(p, &source, sql, default_model, &err), code);
    assert_string_equal(err.message, message);
    assert_null(source.next);
}

static void rows_are_tenants(void **state)
{
    place *p = *state;
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model;
    char expected[512];

    if (query(p, &source,
              "SELECT 'acme' AS id, NULL AS model, NULL AS schema, 'about/acme.yaml' AS description "
              "UNION ALL SELECT 'globex', 'postgresql:///globex', 'g', NULL "
              "UNION ALL SELECT '{id}', 'sqlite:odd {id}.db', NULL, NULL ORDER BY 1 DESC",
              "sqlite:t/{id}.db", &err))
        fail_msg("%s", err.message);
    assert_int_equal(source.total(source.data), 3);
    model = next(&source);
    snprintf(expected, sizeof(expected), "sqlite:%s/odd {id}.db", p->scratch.folder);
    assert_string_equal(mtnt__model_dsn(model), expected); /* data is no template */
    mtnt_model_free(model);
    model = next(&source);
    assert_string_equal(mtnt_model_id(model), "globex");
    assert_string_equal(mtnt__model_dsn(model), "postgresql:///globex");
    assert_string_equal(mtnt_model_schema(model), "g");
    assert_null(mtnt_model_description(model));
    mtnt_model_free(model);
    model = next(&source);
    snprintf(expected, sizeof(expected), "sqlite:%s/t/acme.db", p->scratch.folder);
    assert_string_equal(mtnt__model_dsn(model), expected);
    snprintf(expected, sizeof(expected), "%s/about/acme.yaml", p->scratch.folder);
    assert_string_equal(mtnt_model_description(model), expected);
    assert_null(mtnt_model_schema(model));
    mtnt_model_free(model);
    assert_null(next(&source));
    assert_null(next(&source));
    mtnt_tenant_source_close(&source);
}

static void no_row_is_a_fleet_of_none(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(query(*state, &source, "SELECT 'a' AS id WHERE 1 = 0", NULL, &err), 0);
    assert_int_equal(source.total(source.data), 0);
    assert_null(next(&source));
    mtnt_tenant_source_close(&source);
}

static void mistakes_in_the_query_are_told(void **state)
{
    assert_refused(
        *state, "SELECT 'a' AS id, 'sqlite:a.db' AS modle", NULL, MTNT_E_CONFIG,
        "the query's column `modle` is not known: there are `id`, `model`, `schema` and `description` (SELECT modle AS "
        "model …)");
    assert_refused(
        *state, "SELECT 'a' AS id, 'sqlite:a.db' AS dsn", NULL, MTNT_E_CONFIG,
        "the query's column `dsn` is not known: there are `id`, `model`, `schema` and `description` (SELECT dsn AS model "
        "…)");
    assert_refused(*state, "SELECT 'sqlite:a.db' AS model", NULL, MTNT_E_CONFIG, "the query has no column `id`");
    assert_refused(*state, "SELECT 'a' AS id, 'b' AS \"ID\"", NULL, MTNT_E_CONFIG,
                   "the query has the column `ID` twice");
    assert_refused(*state, "SELECT 'a' AS id", "sqlite:{x}.db", MTNT_E_CONFIG,
                   "`{x}` is not known in an address; `{id}`, the tenant's id, is all that is expanded there");
}

static void a_query_that_fails_says_what_the_database_said(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(query(*state, &source, "SELECT id FROM nowhere", NULL, &err), MTNT_E_DATABASE);
    assert_non_null(strstr(err.message, "nowhere"));
    assert_true(err.state[0]);
}

static void mistakes_in_a_row_are_told(void **state)
{
    assert_refused(*state, "SELECT 'a' AS id UNION ALL SELECT NULL", "sqlite:{id}.db", MTNT_E_CONFIG,
                   "row 2 of the query has no `id`");
    assert_refused(*state, "SELECT 'acme' AS id", NULL, MTNT_E_CONFIG,
                   "tenant `acme`: it has no `model`, and there is no default for it");
    assert_refused(
        *state, "SELECT '../acme' AS id", "sqlite:{id}.db", MTNT_E_CONFIG,
        "tenant `../acme`: `{id}` is expanded only for ids of letters, digits, `.`, `_` and `-` that do not start with a "
        "dot; give tenant `../acme` a `model` of its own");
    assert_refused(*state, "SELECT '' AS id, 'sqlite:a.db' AS model", NULL, MTNT_E_CONFIG, "tenant id is empty");
    assert_refused(
        *state, "SELECT 'acme' AS id, 'sqlite:a.db' AS model, 's' AS schema", NULL, MTNT_E_CONFIG,
        "tenant `acme`: schema `s` has no meaning for a model in SQLite: a schema per tenant needs a postgresql:// URI");
    assert_refused(*state, "SELECT 'acme' AS id UNION ALL SELECT 'globex' UNION ALL SELECT 'acme'", "sqlite:{id}.db",
                   MTNT_E_CONFIG, "the query gives tenant `acme` twice");
}

static void the_password_of_a_bad_address_is_not_told(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(query(*state, &source, "SELECT 'a' AS id, 'mysql://root:v3ry-s3cret@db/a' AS model", NULL, &err),
                     MTNT_E_CONFIG);
    assert_null(strstr(err.message, "s3cret"));
}

/* A write of somebody else must go through while the tenants are given out: nothing of the query is left open. */
static void nothing_stays_open_on_the_controller(void **state)
{
    place *p = *state;
    mtnt_db *db = mtnt_controller_db(p->controller);
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_db_exec(db, &err, "CREATE TABLE customers(id TEXT)"), 0);
    assert_int_equal(mtnt_db_exec(db, &err, "INSERT INTO customers VALUES('acme')"), 0);
    assert_int_equal(query(p, &source, "SELECT id FROM customers", "sqlite:{id}.db", &err), 0);
    if (mtnt_db_exec(db, &err, "DROP TABLE customers"))
        fail_msg("%s", err.message);
    mtnt_model_free(next(&source));
    assert_null(next(&source));
    mtnt_tenant_source_close(&source);
}

/* A folder that is not there: said, and the controller left alone. */
static void without_room_for_the_rows_it_fails(void **state)
{
    const char *before = getenv("TMPDIR");
    char kept[4096] = "";
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    if (before)
        snprintf(kept, sizeof(kept), "%s", before);
    setenv("TMPDIR", scratch_path(*state, "none"), 1);
    assert_int_equal(query(*state, &source,
                           "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                           "SELECT 'tenant-' || i AS id FROM n",
                           "sqlite:{id}.db", &err),
                     MTNT_E_IO);
    assert_non_null(strstr(err.message, "the temporary file of the tenants: "));
    assert_int_equal(query(*state, &source, "SELECT 'a' AS id", "sqlite:{id}.db", &err), 0); /* few need none */
    mtnt_tenant_source_close(&source);
    if (before)
        setenv("TMPDIR", kept, 1);
    else
        unsetenv("TMPDIR");
}

static void a_hundred_thousand_rows_come_in_order(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model;
    char id[32];

    if (query(*state, &source,
              "WITH RECURSIVE n(i) AS (SELECT 100000 UNION ALL SELECT i + 1 FROM n WHERE i < 199999) "
              "SELECT 'tenant-' || i AS id FROM n ORDER BY i",
              "sqlite:t/{id}.db", &err))
        fail_msg("%s", err.message);
    assert_int_equal(source.total(source.data), 100000);
    for (int i = 100000; i < 200000; i++) {
        snprintf(id, sizeof(id), "tenant-%d", i);
        model = next(&source);
        assert_string_equal(mtnt_model_id(model), id);
        mtnt_model_free(model);
    }
    assert_null(next(&source));
    mtnt_tenant_source_close(&source);
}

#define BOTH(name)                                                    \
    {#name " (SQLite)", name, set_up_sqlite, tear_down, NULL},        \
    {                                                                 \
#name " (PostgreSQL)", name, set_up_postgres, tear_down, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(rows_are_tenants),
        BOTH(no_row_is_a_fleet_of_none),
        BOTH(mistakes_in_the_query_are_told),
        BOTH(a_query_that_fails_says_what_the_database_said),
        BOTH(mistakes_in_a_row_are_told),
        BOTH(the_password_of_a_bad_address_is_not_told),
        BOTH(nothing_stays_open_on_the_controller),
        BOTH(without_room_for_the_rows_it_fails),
        BOTH(a_hundred_thousand_rows_come_in_order),
    };

    return cmocka_run_group_tests_name("fleet.tenants_query", tests, NULL, NULL);
}
