/* A selection of tenants from another source. */
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mtnt/tenants.h"

/* t0, t1 …; even ones have tier=gold, every third one region=eu. */
typedef struct numbers {
    int next, count, fails_at; /* fails_at < 0: never */
    int closed;
} numbers;

static int numbers_next(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    const char *labels[3] = {NULL};
    numbers *n = data;
    char id[16];

    if (n->next == n->fails_at)
        return mtnt_error_set(err, MTNT_E_DATABASE, "the source is lost");
    if (n->next == n->count) {
        *ret_model = NULL;
        return 0;
    }
    snprintf(id, sizeof(id), "t%d", n->next);
    labels[0] = n->next % 2 == 0 ? "tier=gold" : "tier=silver";
    labels[1] = n->next % 3 == 0 ? "region=eu" : NULL;
    n->next++;
    options.id = id;
    options.dsn = "sqlite:x.db";
    options.labels = labels;
    return mtnt_model_new(ret_model, &options, err);
}

static int64_t numbers_total(void *data)
{
    return ((numbers *)data)->count;
}

static void numbers_close(void *data)
{
    ((numbers *)data)->closed++;
}

static mtnt_tenant_source source_of(numbers *n)
{
    return (mtnt_tenant_source){numbers_next, numbers_total, numbers_close, n};
}

typedef const char *const list[];

static void assert_gives(numbers *n, const char *const *only, const char *const *exclude, const char *const *where,
                         const char *ids)
{
    mtnt_tenant_source source = source_of(n), selected = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;
    char found[256] = "";

    if (mtnt_tenants_select(&selected, &source, only, exclude, where, &err))
        fail_msg("%s", err.message);
    assert_null(source.next); /* taken over */
    while (assert_int_equal(selected.next(selected.data, &model, &err), 0), model) {
        strcat(strcat(found, mtnt_model_id(model)), " ");
        mtnt_model_free(model);
    }
    assert_string_equal(found, ids);
    mtnt_tenant_source_close(&selected);
    assert_int_equal(n->closed, 1);
}

static void all_pass_when_nothing_is_asked_for(void **state)
{
    numbers n = {.count = 4, .fails_at = -1};

    (void)state;
    assert_gives(&n, NULL, NULL, NULL, "t0 t1 t2 t3 ");
    n = (numbers){.count = 4, .fails_at = -1};
    assert_gives(&n, (list){NULL}, (list){NULL}, (list){NULL}, "t0 t1 t2 t3 ");
}

static void only_exclude_and_where_are_all_obeyed(void **state)
{
    numbers n = {.count = 12, .fails_at = -1};

    (void)state;
    assert_gives(&n, NULL, (list){"t3", "t11", "none", NULL}, NULL, "t0 t1 t2 t4 t5 t6 t7 t8 t9 t10 ");
    n = (numbers){.count = 12, .fails_at = -1};
    assert_gives(&n, NULL, NULL, (list){"tier=gold", NULL}, "t0 t2 t4 t6 t8 t10 ");
    n = (numbers){.count = 12, .fails_at = -1};
    assert_gives(&n, NULL, NULL, (list){"tier=gold", "region=eu", NULL}, "t0 t6 ");
    n = (numbers){.count = 12, .fails_at = -1};
    assert_gives(&n, (list){"t6", "t2", "t3", NULL}, (list){"t2", NULL}, (list){"tier=gold", NULL}, "t6 ");
    n = (numbers){.count = 12, .fails_at = -1};
    assert_gives(&n, NULL, NULL, (list){"tier=", NULL}, "");
}

static void the_end_comes_once_all_have_been_met(void **state)
{
    numbers n = {.count = 1000, .fails_at = 5};

    (void)state;
    assert_gives(&n, (list){"t4", "t1", "t4", NULL}, NULL, NULL, "t1 t4 ");
    assert_int_equal(n.next, 5);
}

static void a_tenant_that_never_comes_is_an_error_at_the_end(void **state)
{
    numbers n = {.count = 3, .fails_at = -1};
    mtnt_tenant_source source = source_of(&n), selected = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    (void)state;
    assert_int_equal(mtnt_tenants_select(&selected, &source, (list){"acme", "t1", "zeta", NULL}, NULL, NULL, &err), 0);
    assert_int_equal(selected.total(selected.data), 3);
    assert_int_equal(selected.next(selected.data, &model, &err), 0);
    assert_string_equal(mtnt_model_id(model), "t1");
    mtnt_model_free(model);
    assert_int_equal(selected.next(selected.data, &model, &err), MTNT_E_NOT_FOUND);
    assert_string_equal(err.message, "not among the tenants: `acme`, `zeta`");
    mtnt_tenant_source_close(&selected);
}

static void A13_the_errors_of_the_source_are_passed_on(void **state)
{
    numbers n = {.count = 9, .fails_at = 1};
    mtnt_tenant_source source = source_of(&n), selected = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;

    (void)state;
    assert_int_equal(mtnt_tenants_select(&selected, &source, NULL, (list){"x", NULL}, NULL, &err), 0);
    assert_int_equal(selected.next(selected.data, &model, &err), 0);
    mtnt_model_free(model);
    assert_int_equal(selected.next(selected.data, &model, &err), MTNT_E_DATABASE);
    assert_string_equal(err.message, "the source is lost");
    mtnt_tenant_source_close(&selected);
}

static int64_t total_of(const char *const *only, const char *const *exclude, const char *const *where, bool known)
{
    numbers n = {.count = 8, .fails_at = -1};
    mtnt_tenant_source source = source_of(&n), selected = {0};
    int64_t total;

    if (!known)
        source.total = NULL;
    assert_int_equal(mtnt_tenants_select(&selected, &source, only, exclude, where, NULL), 0);
    total = selected.total(selected.data);
    mtnt_tenant_source_close(&selected);
    return total;
}

static void the_total_is_told_when_it_is_known(void **state)
{
    (void)state;
    assert_int_equal(total_of(NULL, NULL, NULL, true), 8);
    assert_int_equal(total_of(NULL, NULL, NULL, false), -1);
    assert_int_equal(total_of((list){"t1", "t2", "t1", NULL}, NULL, NULL, true), 2);
    assert_int_equal(total_of(NULL, (list){"t1", NULL}, NULL, true), -1);
    assert_int_equal(total_of(NULL, NULL, (list){"a=b", NULL}, true), -1);
}

static void a_where_that_is_no_pair_is_invalid_and_the_source_is_closed(void **state)
{
    numbers n = {.count = 8, .fails_at = -1};
    mtnt_tenant_source source = source_of(&n), selected = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_int_equal(mtnt_tenants_select(&selected, &source, NULL, NULL, (list){"tier", NULL}, &err), MTNT_E_INVALID);
    assert_string_equal(err.message, "`tier` is not of the form key=value");
    assert_null(selected.next);
    assert_null(source.next);
    assert_int_equal(n.closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pass_when_nothing_is_asked_for),
        cmocka_unit_test(only_exclude_and_where_are_all_obeyed),
        cmocka_unit_test(the_end_comes_once_all_have_been_met),
        cmocka_unit_test(a_tenant_that_never_comes_is_an_error_at_the_end),
        cmocka_unit_test(A13_the_errors_of_the_source_are_passed_on),
        cmocka_unit_test(the_total_is_told_when_it_is_known),
        cmocka_unit_test(a_where_that_is_no_pair_is_invalid_and_the_source_is_closed),
    };

    return cmocka_run_group_tests_name("fleet.tenants_select", tests, NULL, NULL);
}
