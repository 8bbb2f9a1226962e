/* Plugins: shared objects that add operations to a chain. */
#include <stdio.h>
#include <string.h>

#include "scratch.h"

#include "mtnt/chain.h"

/* The build puts the fixtures into tests/plugins. */
static int load(mtnt_chain *chain, const char *name, mtnt_error *err)
{
    const char *build = getenv("MTNT_TEST_BUILD_DIR");
    char path[4096];

    snprintf(path, sizeof(path), "%s/tests/plugins/%s.so", build ? build : ".", name);
    return mtnt_chain_load_plugin(chain, path, err);
}

static int set_up(void **state)
{
    mtnt_chain *chain = NULL;

    assert_int_equal(mtnt_chain_new(&chain, "shop", NULL), 0);
    *state = chain;
    return 0;
}

static int tear_down(void **state)
{
    mtnt_chain_free(*state);
    return 0;
}

static void assert_says(const mtnt_error *err, const char *text)
{
    if (!strstr(err->message, text))
        fail_msg("not in it: %s\n%s", text, err->message);
}

static void a_plugin_adds_its_operations(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_entry_info info;

    if (load(chain, "plugin_good", &err))
        fail_msg("%s", err.message);
    assert_int_equal(mtnt_chain_len(chain), 1);
    assert_true(mtnt_chain_get(chain, 0, &info));
    assert_string_equal(info.name, "seats");
    assert_int_equal(info.order, 5);
    assert_int_equal(info.operation_class->execute(NULL, NULL, NULL, NULL), 0); /* it is still loaded */
}

static void A11_a_plugin_cannot_be_loaded_twice(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(load(chain, "plugin_good", &err), 0);
    assert_int_equal(load(chain, "plugin_good", &err), MTNT_E_CONFIG);
    assert_says(&err, "plugin_good.so: operation `seats` (order 5) has the name of operation 5 `seats`");
    assert_int_equal(mtnt_chain_len(chain), 1);
}

static void a_plugin_that_is_not_there_is_not_found(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(load(*state, "none", &err), MTNT_E_NOT_FOUND);
    assert_says(&err, "none.so does not exist");
    assert_int_equal(mtnt_chain_load_plugin(*state, "/dev/null/ops.so", &err), MTNT_E_NOT_FOUND);
}

static void a_name_without_a_slash_is_no_path(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_chain_load_plugin(*state, "libc.so.6", &err), MTNT_E_INVALID);
    assert_string_equal(err.message, "the plugin `libc.so.6` needs a path with a slash in it, such as ./libc.so.6");
    assert_int_equal(mtnt_chain_load_plugin(*state, NULL, &err), MTNT_E_INVALID);
}

static void a_file_that_is_no_shared_object_is_refused(void **state)
{
    mtnt_chain *chain = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    const char *path = scratch_write(*state, "ops.so", "#!/bin/sh\n");

    assert_int_equal(mtnt_chain_new(&chain, "shop", NULL), 0);
    assert_int_equal(mtnt_chain_load_plugin(chain, path, &err), MTNT_E_CONFIG);
    assert_says(&err, "ops.so cannot be loaded: ");
    mtnt_chain_free(chain);
}

static void a_shared_object_without_the_symbols_is_refused(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(load(*state, "plugin_without_symbol", &err), MTNT_E_CONFIG);
    assert_says(
        &err,
        "is no plugin: it lacks the symbol mtnt_plugin_abi_version; define its operations with MTNT_CHAIN_PLUGIN");
    assert_int_equal(load(*state, "plugin_half", &err), MTNT_E_CONFIG);
    assert_says(&err, "is no plugin: it lacks the symbol mtnt_plugin_load");
}

static void a_plugin_of_another_abi_is_not_called(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(load(*state, "plugin_other_abi", &err), MTNT_E_NEWER);
    assert_says(&err, "was compiled for version 2 of the plugin interface, and this is version 1: compile it again");
}

static void a_plugin_may_refuse(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(load(*state, "plugin_refuses", &err), MTNT_E_OPERATION);
    assert_says(&err, "plugin_refuses.so: refused to load (7) and gave no reason");
}

static void a_plugin_may_refuse_with_a_reason(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(load(*state, "plugin_refuses_with_reason", &err), MTNT_E_REFUSED);
    assert_says(&err, "plugin_refuses_with_reason.so: the moon is not full");
    assert_int_equal(load(*state, "plugin_refuses_with_reason", NULL),
                     MTNT_E_CONFIG); /* `half` is in the chain by now */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_plugin_adds_its_operations),
        CASE(A11_a_plugin_cannot_be_loaded_twice),
        CASE(a_plugin_that_is_not_there_is_not_found),
        CASE(a_name_without_a_slash_is_no_path),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_shared_object_is_refused, scratch_setup, scratch_teardown),
        CASE(a_shared_object_without_the_symbols_is_refused),
        CASE(a_plugin_of_another_abi_is_not_called),
        CASE(a_plugin_may_refuse),
        CASE(a_plugin_may_refuse_with_a_reason),
    };

    return cmocka_run_group_tests_name("plugin", tests, NULL, NULL);
}
