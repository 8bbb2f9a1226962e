/* The tenants file: lists, and which source another one names. */
#include "scratch.h"

#include "base/text.h"
#include "chain/chain.h"
#include "mtnt/tenants.h"

static mtnt_tenant_source opened(void **state, const char *text)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    if (mtnt_tenants_load(&source, scratch_write(*state, "tenants.yaml", text), NULL, NULL, &err))
        fail_msg("%u:%u: %s", err.line, err.column, err.message);
    return source;
}

/* The next tenant, which must be `id` at `dsn` below the scratch folder (or elsewhere, when it is a URI); NULL = the end. */
static mtnt_model *expect_next(void **state, mtnt_tenant_source *source, const char *id, const char *dsn)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;
    char expected[512];

    if (source->next(source->data, &model, &err))
        fail_msg("%s", err.message);
    if (!id) {
        assert_null(model);
        return NULL;
    }
    assert_non_null(model);
    assert_string_equal(mtnt_model_id(model), id);
    snprintf(expected, sizeof(expected), "sqlite:%s/%s", ((scratch *)*state)->folder, dsn);
    assert_string_equal(mtnt__model_dsn(model), strstr(dsn, "://") ? dsn : expected);
    return model;
}

static void assert_refused(void **state, const char *text, uint32_t line, uint32_t column, const char *message)
{
    const char *path = scratch_write(*state, "tenants.yaml", text);
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_tenants_load(&source, path, NULL, NULL, &err), MTNT_E_CONFIG);
    assert_string_equal(err.message, message);
    assert_string_equal(err.file, path);
    assert_int_equal(err.line, line);
    assert_int_equal(err.column, column);
    assert_null(source.next);
}

static void a_list_is_given_in_its_order(void **state)
{
    mtnt_tenant_source source = opened(state, "defaults:\n"
                                              "  model: sqlite:tenants/{id}.db\n"
                                              "tenants:\n"
                                              "  - id: acme\n"
                                              "  - id: globex\n"
                                              "    model: postgresql:///globex\n"
                                              "    schema: globex\n"
                                              "    labels: [tier=gold, region=eu]\n"
                                              "    vars: [plan=pro]\n"
                                              "    description: globex.yaml\n"
                                              "  - {id: 42, model: \"sqlite:{id}/{id}.db\"}\n"
                                              "  - {id: a b, model: sqlite:/var/ab.db}\n");
    mtnt_model *model;
    char expected[512];

    assert_int_equal(source.total(source.data), 4);
    mtnt_model_free(expect_next(state, &source, "acme", "tenants/acme.db"));
    model = expect_next(state, &source, "globex", "postgresql:///globex");
    assert_string_equal(mtnt_model_schema(model), "globex");
    assert_string_equal(mtnt_model_label(model, "region"), "eu");
    assert_string_equal(mtnt_model_var(model, "plan"), "pro");
    snprintf(expected, sizeof(expected), "%s/globex.yaml", ((scratch *)*state)->folder);
    assert_string_equal(mtnt_model_description(model), expected);
    assert_int_equal(model->line, 5);
    assert_string_equal(model->file, scratch_path(*state, "tenants.yaml"));
    mtnt_model_free(model);
    mtnt_model_free(expect_next(state, &source, "42", "42/42.db"));
    source.next(source.data, &model, NULL);
    assert_string_equal(mtnt__model_dsn(model), "sqlite:/var/ab.db");
    mtnt_model_free(model);
    expect_next(state, &source, NULL, NULL);
    expect_next(state, &source, NULL, NULL);
    assert_int_equal(source.total(source.data), 4);
    mtnt_tenant_source_close(&source);
    assert_null(source.next);
    mtnt_tenant_source_close(&source);
}

static void an_empty_list_is_a_fleet_of_none(void **state)
{
    mtnt_tenant_source source = opened(state, "tenants: []\n");

    assert_int_equal(source.total(source.data), 0);
    expect_next(state, &source, NULL, NULL);
    mtnt_tenant_source_close(&source);
}

static void text_stands_for_standard_input(void **state)
{
    static const char json[] = "{\"tenants\": [{\"id\": \"acme\", \"model\": \"postgresql:///acme\"}]}";
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_tenants_load(&source, "-", json, NULL, &err), 0);
    mtnt_model_free(expect_next(state, &source, "acme", "postgresql:///acme"));
    mtnt_tenant_source_close(&source);
    assert_int_equal(mtnt_tenants_load(&source, "-", "tenant: []", NULL, &err), MTNT_E_CONFIG);
    assert_string_equal(err.file, "-");
    assert_int_equal(err.line, 1);
    assert_int_equal(mtnt_tenants_load(&source, "-", NULL, NULL, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt_tenants_load(&source, scratch_path(*state, "none.yaml"), NULL, NULL, &err), MTNT_E_NOT_FOUND);
}

static void unknown_keys_are_refused_at_their_line(void **state)
{
    assert_refused(state,
                   "tenants:\n"
                   "  - id: globex\n"
                   "    model: sqlite:g.db\n"
                   "  - id: acme\n"
                   "    modle: sqlite:a.db\n",
                   5, 5, "unknown key `modle` in tenant `acme`; did you mean `model`?");
    assert_refused(state, "default: {}\ntenants: []\n", 1, 1, "unknown key `default`; did you mean `defaults`?");
    assert_refused(state, "defaults: {schema: x}\ntenants: []\n", 1, 12,
                   "unknown key `schema` in `defaults`; there can be `model`");
    assert_refused(state, "source: {sql: x}\n", 1, 10,
                   "unknown key `sql` in `source`; there can be `query` and `glob`");
}

static void types_are_refused_at_their_line(void **state)
{
    assert_refused(state, "tenants: acme\n", 1, 10, "`tenants` must be a list, not `acme`");
    assert_refused(state, "tenants:\n  - acme\n", 2, 5,
                   "entry 1 of `tenants` must be a mapping (keys with values), not `acme`");
    assert_refused(state, "tenants:\n  - id: acme\n    labels: tier=gold\n", 3, 13,
                   "`labels` must be a list, such as [a, b], not `tier=gold` in tenant `acme`");
    assert_refused(state, "tenants:\n  - id: [acme]\n", 2, 9, "`id` must be text, not a list in tenant 1");
    assert_refused(state, "tenants:\n  - model: sqlite:x.db\n", 2, 5, "key `id` is missing in tenant 1");
    assert_refused(state, "tenants:\n  - id:\n", 2, 8, "`id` is empty in tenant 1");
    assert_refused(state, "[]\n", 1, 1, "a tenants file must be a mapping (keys with values), not a list");
    assert_refused(state, "defaults: {}\n", 1, 1, "there are neither `tenants` nor a `source` of them");
    assert_refused(state, "", 0, 0, "the file is empty");
}

static void ids_are_refused_at_their_line(void **state)
{
    assert_refused(state,
                   "defaults: {model: \"sqlite:{id}.db\"}\ntenants:\n  - id: acme\n  - id: globex\n  - id: acme\n", 5,
                   9, "tenant `acme` is listed twice; the first is in line 3");
    assert_refused(
        state, "defaults: {model: \"sqlite:{id}.db\"}\ntenants:\n  - id: acme\n  - {id: ../etc}\n", 4, 10,
        "tenant `../etc`: `{id}` is expanded only for ids of letters, digits, `.`, `_` and `-` that do not start with a "
        "dot; give tenant `../etc` a `model` of its own");
    assert_refused(state, "tenants:\n  - {id: \"a\\tb\", model: sqlite:x.db}\n", 2, 11,
                   "tenant id `a?b` has a control character (U+0009) in it");
}

static void addresses_are_refused_at_their_line(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    const char *path;

    assert_refused(state, "tenants:\n  - id: acme\n", 2, 9,
                   "tenant `acme` has no `model`, and there is no `model` under `defaults`");
    assert_refused(
        state, "defaults:\n  model: sqlite:{name}.db\ntenants: []\n", 2, 10,
        "the `model` under `defaults`: `{name}` is not known in an address; `{id}`, the tenant's id, is all that is "
        "expanded there");
    assert_refused(
        state, "tenants:\n  - id: acme\n    model: sqlite:{x}.db\n", 3, 12,
        "tenant `acme`: `{x}` is not known in an address; `{id}`, the tenant's id, is all that is expanded there");
    assert_refused(state, "tenants:\n  - id: acme\n    model: 'sqlite:'\n", 3, 13,
                   "tenant `acme`: sqlite: needs the path of a file");
    assert_refused(
        state, "tenants:\n  - id: acme\n    model: sqlite:a.db\n    schema: x\n", 2, 0,
        "tenant `acme`: schema `x` has no meaning for a model in SQLite: a schema per tenant needs a postgresql:// URI");
    assert_refused(state, "tenants:\n  - id: acme\n    model: sqlite:a.db\n    labels: [gold]\n", 2, 0,
                   "tenant `acme`: label `gold` is not of the form key=value");
    path = scratch_write(*state, "tenants.yaml",
                         "defaults: {model: \"mysql://root:v3ry-s3cret@{id}\"}\ntenants: [{id: a}]\n");
    assert_int_equal(mtnt_tenants_load(&source, path, NULL, NULL, &err), MTNT_E_CONFIG);
    assert_null(strstr(err.message, "s3cret"));
    assert_int_equal(err.line, 1);
    assert_int_equal(err.column, 20);
}

static void a_source_is_one_thing(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    const char *path;

    assert_refused(state, "tenants: []\nsource: {glob: \"*.db\"}\n", 2, 9,
                   "there are both `tenants` (line 1) and `source`: one of them has to go");
    assert_refused(state, "source: {glob: \"*.db\", query: SELECT 1}\n", 1, 9,
                   "`source` has both `query` and `glob`: one of them has to go");
    assert_refused(state, "source: {}\n", 1, 9, "`source` has neither `query` nor `glob`");
    assert_refused(state, "defaults:\n  model: sqlite:{id}.db\nsource: {glob: \"*.db\"}\n", 2, 10,
                   "`defaults` has no meaning for `glob`: the files found are the models");
    path = scratch_write(*state, "tenants.yaml", "source:\n  query: SELECT id FROM customers\n");
    assert_int_equal(mtnt_tenants_load(&source, path, NULL, NULL, &err), MTNT_E_INVALID);
    assert_string_equal(err.message, "the tenants come from a query on the controller, which is not open here");
    assert_int_equal(err.line, 2);
    path = scratch_write(*state, "tenants.yaml", "source:\n  glob: nowhere/*.db\n");
    assert_int_equal(mtnt_tenants_load(&source, path, NULL, NULL, &err), MTNT_E_NOT_FOUND);
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 9);
}

static void a_glob_gives_the_files(void **state)
{
    mtnt_tenant_source source;

    scratch_write(*state, "t/b.db", "");
    scratch_write(*state, "t/a.db", "");
    source = opened(state, "source: {glob: \"t/*.db\"}\n");
    assert_int_equal(source.total(source.data), 2);
    mtnt_model_free(expect_next(state, &source, "a", "t/a.db"));
    mtnt_model_free(expect_next(state, &source, "b", "t/b.db"));
    expect_next(state, &source, NULL, NULL);
    mtnt_tenant_source_close(&source);
}

static void a_query_is_asked_of_the_controller(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_controller *controller = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    const char *path;
    char dsn[512];

    snprintf(dsn, sizeof(dsn), "sqlite:%s/controller.db", ((scratch *)*state)->folder);
    if (mtnt_controller_open(&controller, dsn, NULL, &err))
        fail_msg("%s", err.message);
    path = scratch_write(*state, "tenants.yaml",
                         "defaults: {model: \"sqlite:t/{id}.db\"}\nsource: {query: SELECT 'acme' AS id}\n");
    assert_int_equal(mtnt_tenants_load(&source, path, NULL, controller, &err), 0);
    mtnt_model_free(expect_next(state, &source, "acme", "t/acme.db"));
    expect_next(state, &source, NULL, NULL);
    mtnt_tenant_source_close(&source);
    path = scratch_write(*state, "tenants.yaml", "source:\n  query: |\n    SELECT id\n      FROM nowhere\n");
    assert_int_equal(mtnt_tenants_load(&source, path, NULL, controller, &err), MTNT_E_DATABASE);
    assert_string_equal(err.file, scratch_path(*state, "tenants.yaml"));
    assert_int_equal(err.line, 3);
    path = scratch_write(*state, "tenants.yaml", "source:\n  query: SELECT 'a' AS id, 'x' AS modle\n");
    assert_int_equal(mtnt_tenants_load(&source, path, NULL, controller, &err), MTNT_E_CONFIG);
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 10);
    mtnt_controller_close(controller);
}

static void a_hundred_thousand_tenants_are_read_in_order(void **state)
{
    mtnt__buffer text = {0};
    mtnt_tenant_source source;
    mtnt_model *model;
    char id[32];

    mtnt__buffer_add_text(&text, "defaults: {model: \"sqlite:t/{id}.db\"}\ntenants:\n");
    for (int i = 0; i < 100000; i++)
        mtnt__buffer_add_format(&text, "  - id: tenant-%06d\n", i);
    source = opened(state, mtnt__buffer_text(&text));
    mtnt__buffer_release(&text);
    assert_int_equal(source.total(source.data), 100000);
    for (int i = 0; i < 100000; i++) {
        snprintf(id, sizeof(id), "tenant-%06d", i);
        assert_int_equal(source.next(source.data, &model, NULL), 0);
        assert_string_equal(mtnt_model_id(model), id);
        mtnt_model_free(model);
    }
    expect_next(state, &source, NULL, NULL);
    mtnt_tenant_source_close(&source);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_list_is_given_in_its_order),
        CASE(an_empty_list_is_a_fleet_of_none),
        CASE(text_stands_for_standard_input),
        CASE(unknown_keys_are_refused_at_their_line),
        CASE(types_are_refused_at_their_line),
        CASE(ids_are_refused_at_their_line),
        CASE(addresses_are_refused_at_their_line),
        CASE(a_source_is_one_thing),
        CASE(a_glob_gives_the_files),
        CASE(a_query_is_asked_of_the_controller),
        CASE(a_hundred_thousand_tenants_are_read_in_order),
    };

    return cmocka_run_group_tests_name("config.tenants", tests, NULL, NULL);
}
