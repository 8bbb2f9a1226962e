/* Models, their addresses, and the ids of a fleet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"

#include "chain/address.h"
#include "chain/chain.h"
#include "chain/id_set.h"
#include "chain/model.h"

static const char password[] = "v3ry-s3cret";

static mtnt_model_options described(const char *id, const char *dsn)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;

    options.id = id;
    options.dsn = dsn;
    options.file = "tenants.yaml";
    options.line = 14;
    return options;
}

static mtnt_model *made(const mtnt_model_options *options)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    if (mtnt_model_new(&model, options, &err))
        fail_msg("%s", err.message);
    return model;
}

static void assert_refused(const mtnt_model_options *options, const char *text)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    assert_int_equal(mtnt_model_new(&model, options, &err), MTNT_E_CONFIG);
    assert_null(model);
    assert_string_equal(err.message, text);
    assert_string_equal(err.file, "tenants.yaml");
    assert_int_equal(err.line, 14);
    assert_int_equal(mtnt__model_check(options, NULL, NULL), MTNT_E_CONFIG);
}

static void a_model_is_what_its_tenant_says(void **state)
{
    const char *labels[] = {"tier=gold", "region=", NULL}, *vars[] = {"plan=pro=1", NULL};
    mtnt_model_options options = described("acme", "postgresql:///globex");
    mtnt_model *model;

    (void)state;
    options.schema = "acme";
    options.description = "/etc/acme.yaml";
    options.labels = labels;
    options.vars = vars;
    model = made(&options);
    assert_string_equal(mtnt_model_id(model), "acme");
    assert_int_equal(mtnt_model_backend(model), MTNT_POSTGRES);
    assert_string_equal(mtnt_model_schema(model), "acme");
    assert_string_equal(mtnt_model_description(model), "/etc/acme.yaml");
    assert_string_equal(mtnt__model_dsn(model), "postgresql:///globex");
    assert_string_equal(mtnt_model_label(model, "tier"), "gold");
    assert_string_equal(mtnt_model_label(model, "region"), "");
    assert_null(mtnt_model_label(model, "tie"));
    assert_null(mtnt_model_label(model, "tier="));
    assert_string_equal(mtnt_model_var(model, "plan"), "pro=1");
    assert_null(mtnt_model_var(model, "tier"));
    assert_string_equal(mtnt_model_vars(model)[0], "plan=pro=1");
    assert_null(mtnt_model_vars(model)[1]);
    mtnt_model_free(model);
    options = described("bare", "sqlite:bare.db");
    model = made(&options);
    assert_int_equal(mtnt_model_backend(model), MTNT_SQLITE);
    assert_null(mtnt_model_schema(model));
    assert_null(mtnt_model_description(model));
    assert_null(mtnt_model_vars(model)[0]);
    mtnt_model_free(model);
    mtnt_model_free(NULL);
}

static void sql_names_are_the_tenant_then_vars_then_labels(void **state)
{
    const char *labels[] = {"plan=label", "tier=gold", "tenant=never", NULL}, *vars[] = {"plan=var", NULL};
    mtnt_model_options options = described("acme", "sqlite:a.db");
    mtnt_model *model;

    (void)state;
    options.labels = labels;
    options.vars = vars;
    model = made(&options);
    assert_string_equal(mtnt_model_variable(model, "tenant"), "acme");
    assert_string_equal(mtnt_model_variable(model, "plan"), "var");
    assert_string_equal(mtnt_model_variable(model, "tier"), "gold");
    assert_null(mtnt_model_variable(model, "unknown"));
    mtnt_model_free(model);
}

static void ids_that_cannot_be_are_refused_with_their_line(void **state)
{
    mtnt_model_options options = described("", "sqlite:a.db");
    char long_id[202] = {0};

    (void)state;
    assert_refused(&options, "tenant id is empty");
    options.id = NULL;
    assert_refused(&options, "tenant id is empty");
    options.id = "a\tb";
    assert_refused(&options, "tenant id `a?b` has a control character (U+0009) in it");
    options.id = "\xfe";
    assert_refused(&options, "tenant id `?` is not UTF-8");
    memset(long_id, 'x', 201);
    options.id = long_id;
    assert_int_equal(mtnt__model_check(&options, NULL, NULL), MTNT_E_CONFIG);
    long_id[200] = '\0';
    assert_int_equal(mtnt__model_check(&options, NULL, NULL), 0);
    options.id = "Müller & Söhne, 東京 '; --";
    assert_int_equal(mtnt__model_check(&options, NULL, NULL), 0);
}

static void a_bad_dsn_is_refused_and_not_shown(void **state)
{
    mtnt_model_options options = described("acme", NULL);
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_refused(&options, "tenant `acme`: it has no `model`");
    options.dsn = "mysql://root:v3ry-s3cret@db/shop";
    assert_int_equal(mtnt__model_check(&options, NULL, &err), MTNT_E_CONFIG);
    assert_non_null(strstr(err.message, "tenant `acme`: "));
    assert_null(strstr(err.message, password));
    options.dsn = "sqlite:";
    assert_int_equal(mtnt__model_check(&options, NULL, &err), MTNT_E_CONFIG);
    assert_int_equal(err.line, 14);
    options.dsn = "host=db password=v3ry-s3cret";
    assert_int_equal(mtnt__model_check(&options, NULL, &err), MTNT_E_CONFIG);
    assert_null(strstr(err.message, password));
}

static void labels_and_vars_are_pairs(void **state)
{
    const char *pairs[] = {"tier=gold", "tier=silver", NULL}, *no_pair[] = {"tier", NULL}, *no_key[] = {"=gold", NULL};
    const char *tenant[] = {"tenant=x", NULL}, *control[] = {"a=\x01", NULL};
    mtnt_model_options options = described("acme", "sqlite:a.db");

    (void)state;
    options.labels = pairs;
    assert_refused(&options, "tenant `acme`: label `tier` is given twice");
    options.labels = no_pair;
    assert_refused(&options, "tenant `acme`: label `tier` is not of the form key=value");
    options.labels = tenant;
    assert_int_equal(mtnt__model_check(&options, NULL, NULL), 0);
    options.labels = NULL;
    options.vars = no_key;
    assert_refused(&options, "tenant `acme`: var `=gold` is not of the form key=value");
    options.vars = tenant;
    assert_refused(&options, "tenant `acme`: a var cannot be named `tenant`: in SQL that is the tenant's id");
    options.vars = control;
    assert_refused(&options, "tenant `acme`: var `a=?` has a control character (U+0001) in it");
}

static void a_schema_is_for_postgres(void **state)
{
    mtnt_model_options options = described("acme", "sqlite:a.db");
    char long_schema[65] = {0};

    (void)state;
    options.schema = "acme";
    assert_refused(&options,
                   "tenant `acme`: schema `acme` has no meaning for a model in SQLite: a schema per tenant needs a "
                   "postgresql:// URI");
    options.dsn = "postgresql:///crm";
    assert_int_equal(mtnt__model_check(&options, NULL, NULL), 0);
    options.schema = "pg_catalog";
    assert_refused(&options, "tenant `acme`: schema `pg_catalog` belongs to PostgreSQL itself");
    options.schema = "information_schema";
    assert_refused(&options, "tenant `acme`: schema `information_schema` belongs to PostgreSQL itself");
    options.schema = "";
    assert_refused(&options, "tenant `acme`: schema is empty");
    memset(long_schema, 's', 64);
    options.schema = long_schema;
    assert_int_equal(mtnt__model_check(&options, NULL, NULL), MTNT_E_CONFIG);
    long_schema[63] = '\0';
    assert_int_equal(mtnt__model_check(&options, NULL, NULL), 0);
}

static void key_of(const char *dsn, const char *schema, char ret_key[MTNT__CHECKSUM_SIZE])
{
    mtnt_model_options options = described("acme", dsn);
    mtnt_model *model;

    options.schema = schema;
    model = made(&options);
    assert_null(strstr(mtnt_model_shown(model), password));
    memcpy(ret_key, mtnt__model_key(model), MTNT__CHECKSUM_SIZE);
    mtnt_model_free(model);
}

static void the_key_says_where_a_model_is_and_no_password(void **state)
{
    char one[MTNT__CHECKSUM_SIZE], other[MTNT__CHECKSUM_SIZE], uri[600], again[600];

    (void)state;
    key_of("postgresql://app:v3ry-s3cret@db/crm", NULL, one);
    key_of("postgresql://app:another@db/crm", NULL, other);
    assert_string_equal(one, other);
    key_of("postgresql://app@db/erp", NULL, other);
    assert_string_not_equal(one, other);
    key_of("postgresql://app:v3ry-s3cret@db/crm", "acme", other);
    assert_string_not_equal(one, other);
    key_of("sqlite:/a/acme.db", NULL, one);
    key_of("sqlite:/b/acme.db", NULL, other);
    assert_string_not_equal(one, other);
    /* longer than what is shown of it */
    snprintf(uri, sizeof(uri), "postgresql://%0250d/one", 1);
    snprintf(again, sizeof(again), "postgresql://%0250d/other", 1);
    key_of(uri, NULL, one);
    key_of(again, NULL, other);
    assert_string_not_equal(one, other);
}

static void models_are_counted(void **state)
{
    mtnt_model_options options = described("acme", "sqlite:a.db");
    mtnt_model *model = made(&options);

    (void)state;
    assert_ptr_equal(mtnt__model_ref(model), model);
    mtnt_model_free(model);
    assert_string_equal(mtnt_model_id(model), "acme");
    mtnt_model_free(model);
}

static void options_of_another_version_are_invalid(void **state)
{
    mtnt_model_options options = described("acme", "sqlite:a.db");
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    (void)state;
    options.version = MTNT_MODEL_OPTIONS_VERSION + 1;
    assert_int_equal(mtnt_model_new(&model, &options, &err), MTNT_E_INVALID);
    assert_null(model);
}

/* ---- addresses ---- */

static void assert_expanded(const char *address, const char *id, const char *dsn)
{
    mtnt_error err = MTNT_ERROR_INIT;
    char *found = NULL;

    if (mtnt__address_expand(address, id, "/srv", &found, &err))
        fail_msg("%s", err.message);
    assert_string_equal(found, dsn);
    free(found);
}

static void an_address_is_expanded_and_made_absolute(void **state)
{
    (void)state;
    assert_expanded("sqlite:tenants/{id}.db", "acme", "sqlite:/srv/tenants/acme.db");
    assert_expanded("sqlite:./{id}/{id}.db", "a-1_2.b", "sqlite:/srv/a-1_2.b/a-1_2.b.db");
    assert_expanded("sqlite:/var/{id}.db", "acme", "sqlite:/var/acme.db");
    assert_expanded("postgresql://db/{id}", "acme", "postgresql://db/acme");
    assert_expanded("sqlite:one.db", "../ any", "sqlite:/srv/one.db");
}

static void an_id_that_could_mean_something_else_is_not_expanded(void **state)
{
    const char *const ids[] = {"../etc", ".hidden", "..", "a/b", "a b", "a%2e", "ä", "a@b", "a?x", NULL};
    mtnt_error err = MTNT_ERROR_INIT;
    char *dsn = NULL;

    (void)state;
    for (size_t i = 0; ids[i]; i++)
        assert_int_equal(mtnt__address_expand("sqlite:{id}.db", ids[i], "/srv", &dsn, &err), MTNT_E_CONFIG);
    assert_null(dsn);
    assert_string_equal(err.message,
                        "`{id}` is expanded only for ids of letters, digits, `.`, `_` and `-` that do not start with "
                        "a dot; give tenant `a?x` a `model` of its own");
}

static void braces_are_for_the_id_only(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_int_equal(mtnt__address_check_template("sqlite:{id}/{id}.db", &err), 0);
    assert_int_equal(mtnt__address_check_template("sqlite:{name}.db", &err), MTNT_E_CONFIG);
    assert_string_equal(err.message,
                        "`{name}` is not known in an address; `{id}`, the tenant's id, is all that is expanded there");
    assert_int_equal(mtnt__address_check_template("sqlite:{id.db", &err), MTNT_E_CONFIG);
    assert_string_equal(err.message, "a `{` stands alone in the address; braces are for `{id}` only");
    assert_int_equal(mtnt__address_check_template("sqlite:id}.db", &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt__address_check_template("sqlite:{{id}}.db", &err), MTNT_E_CONFIG);
}

static void paths_are_seen_from_the_folder_of_the_file(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;
    char *folder = NULL, *path;

    assert_int_equal(mtnt__address_folder(scratch_write(*state, "x/tenants.yaml", ""), &folder, &err), 0);
    assert_string_equal(folder, scratch_path(*state, "x"));
    free(folder);
    folder = NULL;
    assert_int_equal(mtnt__address_folder(scratch_path(*state, "none/tenants.yaml"), &folder, &err), MTNT_E_NOT_FOUND);
    assert_null(folder);
    assert_int_equal(mtnt__address_folder("-", &folder, &err), 0);
    free(folder);
    assert_int_equal(mtnt__address_folder(NULL, &folder, &err), 0);
    free(folder);
    path = mtnt__address_path("/", "a.db");
    assert_string_equal(path, "/a.db");
    free(path);
}

/* ---- ids ---- */

static int same_number(void *data, uint32_t where, const char *id, bool *ret_same, mtnt_error *err)
{
    char text[32];

    (void)err;
    ++*(int *)data;
    snprintf(text, sizeof(text), "tenant-%u", where);
    *ret_same = strcmp(text, id) == 0;
    return 0;
}

static void a_set_of_ids_knows_what_it_has_met(void **state)
{
    int asked = 0;
    mtnt__id_set set = {.same = same_number, .data = &asked};
    uint32_t where = 0;
    char id[32];

    (void)state;
    assert_int_equal(mtnt__id_set_find(&set, "tenant-1", &where, NULL), MTNT_E_NOT_FOUND);
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(id, sizeof(id), "tenant-%u", i);
        assert_int_equal(mtnt__id_set_add(&set, id, i, &where, NULL), 0);
    }
    assert_true(asked < 20); /* of 32 bits that happen to be the same */
    assert_int_equal(mtnt__id_set_add(&set, "tenant-777", 20000, &where, NULL), MTNT_E_EXISTS);
    assert_int_equal(where, 777);
    assert_int_equal(mtnt__id_set_find(&set, "tenant-19999", &where, NULL), 0);
    assert_int_equal(where, 19999);
    assert_int_equal(mtnt__id_set_find(&set, "tenant-20000", &where, NULL), MTNT_E_NOT_FOUND);
    mtnt__id_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_what_its_tenant_says),
        cmocka_unit_test(sql_names_are_the_tenant_then_vars_then_labels),
        cmocka_unit_test(ids_that_cannot_be_are_refused_with_their_line),
        cmocka_unit_test(a_bad_dsn_is_refused_and_not_shown),
        cmocka_unit_test(labels_and_vars_are_pairs),
        cmocka_unit_test(a_schema_is_for_postgres),
        cmocka_unit_test(the_key_says_where_a_model_is_and_no_password),
        cmocka_unit_test(models_are_counted),
        cmocka_unit_test(options_of_another_version_are_invalid),
        cmocka_unit_test(an_address_is_expanded_and_made_absolute),
        cmocka_unit_test(an_id_that_could_mean_something_else_is_not_expanded),
        cmocka_unit_test(braces_are_for_the_id_only),
        cmocka_unit_test_setup_teardown(paths_are_seen_from_the_folder_of_the_file, scratch_setup, scratch_teardown),
        cmocka_unit_test(a_set_of_ids_knows_what_it_has_met),
    };

    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
