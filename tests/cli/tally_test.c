#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tally.h"

static void assert_fingerprint(const char *message, const char *id, const char *expected)
{
    char *fingerprint = mtnt__tally_fingerprint(message, id);

    assert_string_equal(fingerprint, expected);
    free(fingerprint);
}

static void test_fingerprint(void **state)
{
    (void)state;
    assert_fingerprint("models/acme.db: no such table", "acme", "models/{tenant}.db: no such table");
    assert_fingerprint("acme", "acme", "{tenant}");
    assert_fingerprint("acmes and pacme", "acme", "acmes and pacme");
    assert_fingerprint("nothing", "", "nothing");
}

static mtnt_tenant_info info(const char *tenant, int64_t version, size_t pending, const char *state, const char *error)
{
    return (mtnt_tenant_info){.tenant = tenant,
                              .known = true,
                              .current = pending == 0 && error == NULL,
                              .version = version,
                              .pending = pending,
                              .state = state,
                              .error = error};
}

/* Every tenant is counted once, and the sums add up. */
static void test_sums(void **state)
{
    const mtnt_tenant_info infos[] = {
        info("a", 4, 0, "idle", NULL),
        info("b", 4, 0, "idle", NULL),
        info("c", 2, 2, "idle", NULL),
        info("d", 0, 4, "idle", "boom in d"),
        info("e", 0, 4, "idle", "boom in e"),
        info("f", 2, 2, "executing", "boom in f"),
        info("g", 0, 4, "blocked", "in the way"),
    };
    mtnt__tally tally = {.tenants = 0};
    int64_t of_versions = 0, of_failures = 0;

    (void)state;
    for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
        assert_int_equal(mtnt__tally_add(&tally, &infos[i]), 0);
    mtnt__tally_sort(&tally);
    assert_int_equal(tally.tenants, 7);
    assert_int_equal(tally.current, 2);
    assert_int_equal(tally.pending, 1);
    assert_int_equal(tally.failed, 3);
    assert_int_equal(tally.interrupted, 1);
    assert_int_equal(tally.not_current, 5);
    for (size_t i = 0; i < tally.version_count; i++)
        of_versions += tally.versions[i].tenants;
    for (size_t i = 0; i < tally.failures.count; i++)
        of_failures += tally.failures.items[i].tenants;
    assert_int_equal(of_versions, tally.tenants);
    assert_int_equal(of_failures, tally.failed);
    assert_int_equal(tally.versions[0].version, 4);
    assert_string_equal(tally.failures.items[0].text, "boom in {tenant}");
    assert_int_equal(tally.failures.items[0].tenants, 2);
    assert_string_equal(tally.failures.items[0].examples[1], "e");
    mtnt__tally_release(&tally);
}

static void test_failures(void **state)
{
    mtnt__tally_groups groups = {.items = NULL};
    int64_t nth = 0;

    (void)state;
    /* 40,000 equal ones, each with its own values: one line. */
    for (int i = 1; i <= 40000; i++) {
        char id[16], text[120];

        snprintf(id, sizeof id, "t%d", i);
        snprintf(text, sizeof text, "duplicate key: Key (id)=(%d) of 't%d' already exists", i, i);
        assert_int_equal(mtnt__tally_failure_add(&groups, id, text, "plan", "23505", i % 2 ? NULL : "", &nth), 0);
        assert_int_equal(nth, i);
    }
    assert_int_equal(groups.count, 1);
    assert_string_equal(groups.items[0].examples[2], "t3");
    /* The same statement, whatever the text; another one; another state; another operation. */
    assert_int_equal(mtnt__tally_failure_add(&groups, "a", "one", "plan", "42P01", "SELECT 1", &nth), 0);
    assert_int_equal(mtnt__tally_failure_add(&groups, "b", "two", "plan", "42P01", "SELECT 1", &nth), 0);
    assert_int_equal(nth, 2);
    assert_int_equal(mtnt__tally_failure_add(&groups, "b", "two", "plan", "42P01", "SELECT x", &nth), 0);
    assert_int_equal(nth, 1);
    assert_int_equal(mtnt__tally_failure_add(&groups, "b", "two", "plan", "42P02", "SELECT 1", &nth), 0);
    assert_int_equal(nth, 1);
    assert_int_equal(mtnt__tally_failure_add(&groups, "b", "two", "other", "42P01", "SELECT 1", &nth), 0);
    assert_int_equal(nth, 1);
    /* Names are no values. */
    assert_int_equal(mtnt__tally_failure_add(&groups, "a", "no such table: t1", NULL, NULL, NULL, &nth), 0);
    assert_int_equal(mtnt__tally_failure_add(&groups, "a", "no such table: t2", NULL, NULL, NULL, &nth), 0);
    assert_int_equal(nth, 1);
    assert_int_equal(groups.count, 7);
    mtnt__tally_groups_release(&groups);
}

/* A fleet in which every failure is another does not fill the memory. */
static void test_bounded(void **state)
{
    mtnt__tally_groups groups = {.items = NULL};
    int64_t told = 0;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        char text[32];

        snprintf(text, sizeof text, "failure %d", i);
        assert_int_equal(mtnt__tally_group_add(&groups, "t", text, NULL, NULL), 0);
    }
    for (size_t i = 0; i < groups.count; i++)
        told += groups.items[i].tenants;
    assert_int_equal(told + groups.unlisted, 2000);
    assert_true(groups.unlisted > 0);
    mtnt__tally_groups_release(&groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
