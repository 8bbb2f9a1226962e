/* The tenants file: lists, and which source another one names. */
#include <pthread.h>
#include <sys/stat.h>

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

/* What makes a list be read as a document: the values of anchors are needed later. */
static void anchors_stand_for_what_they_mark(void **state)
{
    mtnt_tenant_source source = opened(state, "tenants:\n"
                                              "  - &first {id: acme, model: &place \"sqlite:t/{id}.db\"}\n"
                                              "  - id: globex\n"
                                              "    model: *place\n"
                                              "    labels: &gold [tier=gold]\n"
                                              "  - {id: initech, model: *place, labels: *gold}\n");
    mtnt_model *model;

    mtnt_model_free(expect_next(state, &source, "acme", "t/acme.db"));
    mtnt_model_free(expect_next(state, &source, "globex", "t/globex.db"));
    model = expect_next(state, &source, "initech", "t/initech.db");
    assert_string_equal(mtnt_model_label(model, "tier"), "gold");
    mtnt_model_free(model);
    expect_next(state, &source, NULL, NULL);
    assert_int_equal(source.total(source.data), 3);
    mtnt_tenant_source_close(&source);
    assert_refused(state, "tenants:\n  - &a {id: acme, model: sqlite:a.db}\n  - *a\n", 2, 13,
                   "tenant `acme` is listed twice; the first is in line 2");
    assert_refused(state, "tenants:\n  - id: *x\n", 2, 9,
                   "nothing before this place is marked `&x`, so that `*x` stands for nothing");
}

static void defaults_may_stand_behind_the_list(void **state)
{
    mtnt_tenant_source source = opened(state, "\xef\xbb\xbftenants:\n  - id: acme\n  - id: globex\n    model: |\n"
                                              "      postgresql:///globex\ndefaults:\n  model: sqlite:t/{id}.db\n");
    mtnt_model *model;

    mtnt_model_free(expect_next(state, &source, "acme", "t/acme.db"));
    assert_int_equal(source.next(source.data, &model, NULL), 0);
    assert_string_equal(mtnt_model_id(model), "globex");
    mtnt_model_free(model);
    expect_next(state, &source, NULL, NULL);
    mtnt_tenant_source_close(&source);
    assert_refused(state, "tenants:\n  - id: acme\ndefaults:\n  modle: sqlite:t/{id}.db\n", 4, 3,
                   "unknown key `modle` in `defaults`; did you mean `model`?");
    assert_refused(state, "tenants:\n  - {id: a, model: sqlite:a}\ntenants:\n  - {id: b, model: sqlite:b}\n", 3, 1,
                   "key `tenants` is given twice; the first is in line 1");
    assert_refused(state, "tenants:\n  - {id: a, model: sqlite:a}\nsource: {glob: \"*.db\"}\n", 3, 9,
                   "there are both `tenants` (line 2) and `source`: one of them has to go");
}

/* Entries are forgotten as they are read: what is said of a late one is not of the first. */
static void mistakes_far_down_are_told_at_their_line(void **state)
{
    static const struct mistake {
        const char *last;
        uint32_t line, column;
        const char *message;
    } mistakes[] = {
        {"  - id: tenant-00007\n", 20003, 9, "tenant `tenant-00007` is listed twice; the first is in line 10"},
        {"  - acme\n", 20003, 5, "entry 20001 of `tenants` must be a mapping (keys with values), not `acme`"},
        {"  - model: sqlite:x.db\n", 20003, 5, "key `id` is missing in tenant 20001"},
        {"  - id: x\n    modle: y\n", 20004, 5, "unknown key `modle` in tenant `x`; did you mean `model`?"},
        {"  - id: x\n    model: 'sqlite:'\n", 20004, 13, "tenant `x`: sqlite: needs the path of a file"},
        {"  - id: x\n\tmodel: y\n", 20004, 1,
         "not YAML: found a tab character that violates indentation (while scanning a plain scalar that began at line "
         "20003); there is a tab, and YAML is indented by blanks only"},
    };
    mtnt__buffer text = {0};
    size_t length;

    mtnt__buffer_add_text(&text, "defaults: {model: \"sqlite:t/{id}.db\"}\ntenants:\n");
    for (int i = 0; i < 20000; i++)
        mtnt__buffer_add_format(&text, "  - id: tenant-%05d\n", i);
    length = text.length;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        text.length = length;
        mtnt__buffer_add_text(&text, mistakes[i].last);
        assert_refused(state, mtnt__buffer_text(&text), mistakes[i].line, mistakes[i].column, mistakes[i].message);
    }
    mtnt__buffer_release(&text);
}

static void *write_list(void *path)
{
    FILE *pipe = fopen(path, "we");

    fputs("tenants: [{id: acme, model: \"postgresql:///acme\"}]\n", pipe);
    fclose(pipe);
    return NULL;
}

static void a_pipe_is_read_once(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    pthread_t writer;
    char path[256];

    snprintf(path, sizeof(path), "%s", scratch_path(*state, "pipe"));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_list, path), 0);
    if (mtnt_tenants_load(&source, path, NULL, NULL, &err))
        fail_msg("%s", err.message);
    pthread_join(writer, NULL);
    mtnt_model_free(expect_next(state, &source, "acme", "postgresql:///acme"));
    mtnt_tenant_source_close(&source);
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
        CASE(anchors_stand_for_what_they_mark),
        CASE(defaults_may_stand_behind_the_list),
        CASE(mistakes_far_down_are_told_at_their_line),
        CASE(a_pipe_is_read_once),
        CASE(a_hundred_thousand_tenants_are_read_in_order),
    };

    return cmocka_run_group_tests_name("config.tenants", tests, NULL, NULL);
}
