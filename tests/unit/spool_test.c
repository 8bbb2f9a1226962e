/* Tenants written down before they are given. */
#include "scratch.h"

#include "chain/chain.h"
#include "chain/spool.h"

typedef struct told {
    char first[64], second[64];
    int checked, refuse_at; /* -1 = none */
} told;

static int note_twice(void *data, const mtnt__spooled *first, const mtnt__spooled *second, mtnt_error *err)
{
    told *t = data;

    snprintf(t->first, sizeof(t->first), "%s:%u", first->options.id, first->options.line);
    snprintf(t->second, sizeof(t->second), "%s:%u", second->options.id, second->options.line);
    return mtnt_error_set(err, MTNT_E_CONFIG, "twice");
}

static int check(void *data, const mtnt__spooled *tenant, mtnt_error *err)
{
    told *t = data;

    (void)tenant;
    return t->checked++ == t->refuse_at ? mtnt_error_set(err, MTNT_E_CONFIG, "refused") : 0;
}

static mtnt__spool *opened(void)
{
    mtnt__spool *spool = NULL;

    assert_int_equal(mtnt__spool_new(&spool, NULL), 0);
    return spool;
}

static void add(mtnt__spool *spool, const char *id, uint32_t line)
{
    mtnt__spooled tenant = {.options = MTNT_MODEL_OPTIONS_INIT};

    tenant.options.id = id;
    tenant.options.line = line;
    assert_int_equal(mtnt__spool_add(spool, &tenant, NULL), 0);
}

/* "tenant-99999" comes first: none of them stands where it would be in order. */
static void add_falling(mtnt__spool *spool, int count)
{
    char id[32];

    for (int i = count; i-- > 0;) {
        snprintf(id, sizeof(id), "tenant-%06d", i);
        add(spool, id, (uint32_t)i);
    }
}

static void a_tenant_comes_back_as_it_was(void **state)
{
    static const char *const labels[] = {"tier=gold", "empty=", NULL}, *const vars[] = {"plan=pro", NULL};
    mtnt__spooled given = {.options = MTNT_MODEL_OPTIONS_INIT, .id_line = 2, .id_column = 3}, found = {0};
    mtnt__spool *spool = opened();
    bool there = false;

    (void)state;
    given.dsn_line = 4;
    given.dsn_column = 5;
    given.options.id = "acme";
    given.options.schema = "";
    given.options.line = 1;
    given.options.labels = labels;
    given.options.vars = vars;
    assert_int_equal(mtnt__spool_add(spool, &given, NULL), 0);
    add(spool, "globex", 9);
    assert_int_equal(mtnt__spool_check(spool, NULL, note_twice, NULL, NULL), 0);
    assert_int_equal(mtnt__spool_next(spool, &found, &there, NULL), 0);
    assert_true(there);
    assert_string_equal(found.options.id, "acme");
    assert_null(found.options.dsn);
    assert_string_equal(found.options.schema, "");
    assert_string_equal(found.options.labels[0], "tier=gold");
    assert_string_equal(found.options.labels[1], "empty=");
    assert_null(found.options.labels[2]);
    assert_string_equal(found.options.vars[0], "plan=pro");
    assert_null(found.options.vars[1]);
    assert_int_equal(found.options.line, 1);
    assert_int_equal(found.id_line * 1000 + found.id_column * 100 + found.dsn_line * 10 + found.dsn_column, 2345);
    assert_int_equal(mtnt__spool_next(spool, &found, &there, NULL), 0);
    assert_string_equal(found.options.id, "globex");
    assert_null(found.options.labels[0]);
    assert_int_equal(mtnt__spool_next(spool, &found, &there, NULL), 0);
    assert_false(there);
    mtnt__spool_free(spool);
}

static void none_is_there_twice(void **state)
{
    mtnt__spool *spool = opened();
    told t = {.refuse_at = -1};

    (void)state;
    add_falling(spool, 100000);
    assert_int_equal(mtnt__spool_check(spool, check, note_twice, &t, NULL), 0);
    assert_int_equal(t.checked, 100000);
    assert_int_equal(mtnt__spool_count(spool), 100000);
    assert_string_equal(t.second, "");
    mtnt__spool_free(spool);
}

static void the_first_that_comes_again_is_told(void **state)
{
    mtnt__spool *spool = opened();
    told t = {.refuse_at = -1};

    (void)state;
    add_falling(spool, 100000);
    add(spool, "tenant-000005", 200001); /* as one that came near the end */
    add(spool, "tenant-099999", 200002); /* as the very first */
    add(spool, "tenant-000005", 200003);
    assert_int_equal(mtnt__spool_check(spool, check, note_twice, &t, NULL), MTNT_E_CONFIG);
    assert_string_equal(t.first, "tenant-000005:5");
    assert_string_equal(t.second, "tenant-000005:200001");
    mtnt__spool_free(spool);
}

static void the_same_next_to_each_other_is_told(void **state)
{
    mtnt__spool *spool = opened();
    told t = {.refuse_at = -1};

    (void)state;
    add(spool, "a", 1);
    add(spool, "b", 2);
    add(spool, "b", 3);
    assert_int_equal(mtnt__spool_check(spool, check, note_twice, &t, NULL), MTNT_E_CONFIG);
    assert_string_equal(t.first, "b:2");
    assert_string_equal(t.second, "b:3");
    mtnt__spool_free(spool);
}

/* Of two mistakes the one that a reader meets first. */
static void mistakes_are_told_in_order(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    for (int refuse_at = 0; refuse_at < 4; refuse_at++) {
        mtnt__spool *spool = opened();
        told t = {.refuse_at = refuse_at};

        add(spool, "b", 1);
        add(spool, "a", 2);
        add(spool, "b", 3);
        add(spool, "c", 4);
        assert_int_equal(mtnt__spool_check(spool, check, note_twice, &t, &err), MTNT_E_CONFIG);
        assert_string_equal(err.message, refuse_at < 2 ? "refused" : "twice");
        mtnt__spool_free(spool);
    }
}

static void many_times_the_same_is_one_mistake(void **state)
{
    mtnt__spool *spool = opened();
    told t = {.refuse_at = -1};

    (void)state;
    add(spool, "b", 0);
    for (uint32_t i = 1; i < 100000; i++)
        add(spool, "a", i);
    assert_int_equal(mtnt__spool_check(spool, NULL, note_twice, &t, NULL), MTNT_E_CONFIG);
    assert_string_equal(t.first, "a:1");
    assert_string_equal(t.second, "a:2");
    mtnt__spool_free(spool);
}

#define CASE(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_tenant_comes_back_as_it_was),      CASE(none_is_there_twice),
        CASE(the_first_that_comes_again_is_told), CASE(the_same_next_to_each_other_is_told),
        CASE(mistakes_are_told_in_order),         CASE(many_times_the_same_is_one_mistake),
    };

    return cmocka_run_group_tests_name("chain.spool", tests, NULL, NULL);
}
