/* Tenants by a pattern of file names. */
#include <unistd.h>

#include "scratch.h"

#include "chain/chain.h"
#include "mtnt/tenants.h"

static int open_glob(void **state, mtnt_tenant_source *ret_source, const char *pattern, mtnt_error *err)
{
    return mtnt_tenants_glob(ret_source, pattern, scratch_path(*state, "tenants.yaml"), err);
}

/* `ids` are the tenants that must come, in that order, with a blank behind each. */
static void assert_gives(void **state, const char *pattern, const char *ids)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    char found[1024] = "";
    mtnt_model *model;
    int count = 0;

    if (open_glob(state, &source, pattern, &err))
        fail_msg("%s", err.message);
    while (assert_int_equal(source.next(source.data, &model, &err), 0), model) {
        strcat(strcat(found, mtnt_model_id(model)), " ");
        assert_int_equal(strncmp(mtnt__model_dsn(model), "sqlite:/", 8), 0);
        mtnt_model_free(model);
        count++;
    }
    assert_string_equal(found, ids);
    assert_int_equal(source.total(source.data), count);
    mtnt_tenant_source_close(&source);
}

static void files_are_tenants_by_their_names(void **state)
{
    char absolute[256];

    scratch_write(*state, "t/zeta.db", "");
    scratch_write(*state, "t/acme.db", "");
    scratch_write(*state, "t/a.b.db", "");
    scratch_write(*state, "t/Acme.db", "");
    scratch_write(*state, "t/über uns.db", "");
    scratch_write(*state, "t/plain", "");
    scratch_write(*state, "t/.hidden.db", "");
    assert_gives(state, "t/*.db", "Acme a.b acme zeta über uns ");
    assert_gives(state, "t/*", "Acme a.b acme plain zeta über uns ");
    assert_gives(state, "*/acme.*", "acme ");
    assert_gives(state, "t/.*.db", ".hidden ");
    snprintf(absolute, sizeof(absolute), "%s/t/a*.db", ((scratch *)*state)->folder);
    assert_gives(state, absolute, "a.b acme ");
}

static void what_lies_beside_a_model_is_no_tenant(void **state)
{
    scratch_write(*state, "acme.db", "");
    scratch_write(*state, "acme.db-wal", "");
    scratch_write(*state, "acme.db-shm", "");
    scratch_write(*state, "acme.db-journal", "");
    scratch_write(*state, "globex.db.mtnt-new-5f0c", "");
    scratch_write(*state, "folder.db/x", "");
    assert_gives(state, "*", "acme ");
}

static void nothing_found_is_a_fleet_of_none(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    char expected[256];

    scratch_write(*state, "t/x.txt", "");
    assert_gives(state, "t/*.db", "");
    assert_gives(state, "t/none.db", "");
    assert_int_equal(open_glob(state, &source, "tt/*.db", &err), MTNT_E_NOT_FOUND);
    snprintf(expected, sizeof(expected), "there is no folder %s/tt/ for the models to be in",
             ((scratch *)*state)->folder);
    assert_string_equal(err.message, expected);
    assert_null(source.next);
}

static void two_files_cannot_be_one_tenant(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    scratch_write(*state, "a/acme.db", "");
    scratch_write(*state, "b/acme.sqlite", "");
    assert_int_equal(open_glob(state, &source, "*/*", &err), MTNT_E_CONFIG);
    assert_non_null(strstr(err.message, "/a/acme.db and "));
    assert_non_null(strstr(
        err.message, "/b/acme.sqlite are both tenant `acme`, which is what their names have before the extension"));
    assert_null(source.next);
}

static void a_name_that_is_no_id_is_refused(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    scratch_write(*state, "a\nb.db", "");
    assert_int_equal(open_glob(state, &source, "*.db", &err), MTNT_E_CONFIG);
    assert_non_null(strstr(err.message, "tenant id `a?b` has a control character (U+000A) in it"));
}

static void a_folder_that_may_not_be_read_is_an_error(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    scratch_write(*state, "t/acme.db", "");
    chmod(scratch_path(*state, "t"), 0);
    if (access(scratch_path(*state, "t"), R_OK) != 0) /* root may read it all the same */
        assert_int_equal(open_glob(state, &source, "t/*.db", &err), MTNT_E_IO);
    chmod(scratch_path(*state, "t"), 0700);
}

static void the_folder_itself_is_no_pattern(void **state)
{
    mtnt_tenant_source source = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    scratch_write(*state, "[x]*/t/acme.db", "");
    assert_int_equal(mtnt_tenants_glob(&source, "t/*.db", scratch_path(*state, "[x]*/tenants.yaml"), &err), 0);
    assert_int_equal(source.next(source.data, &model, &err), 0);
    assert_string_equal(mtnt_model_id(model), "acme");
    mtnt_model_free(model);
    mtnt_tenant_source_close(&source);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(files_are_tenants_by_their_names), CASE(what_lies_beside_a_model_is_no_tenant),
        CASE(nothing_found_is_a_fleet_of_none), CASE(two_files_cannot_be_one_tenant),
        CASE(a_name_that_is_no_id_is_refused),  CASE(a_folder_that_may_not_be_read_is_an_error),
        CASE(the_folder_itself_is_no_pattern),
    };

    return cmocka_run_group_tests_name("fleet.tenants_glob", tests, NULL, NULL);
}
