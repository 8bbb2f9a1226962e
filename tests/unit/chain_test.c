/* Chains and their entries, operations and scopes as bodies see them. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chain/chain.h"

static int body(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    (void)err;
    return 0;
}

static int preparation(mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err)
{
    (void)operation;
    (void)scope;
    (void)err;
    return 0;
}

static const mtnt_operation_class seats = {
    MTNT_OPERATION_CLASS_INIT, .name = "seats", .writes = MTNT_WRITES_MODEL, .execute = body, .rollback = body,
};

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

static mtnt_entry named(const char *name, int64_t order)
{
    mtnt_entry entry = MTNT_ENTRY_INIT;

    entry.name = name;
    entry.order = order;
    return entry;
}

static int add(mtnt_chain *chain, const char *name, int64_t order, mtnt_error *err)
{
    mtnt_entry entry = named(name, order);

    return mtnt_chain_add_entry(chain, &seats, &entry, err);
}

static mtnt_entry_info info_at(const mtnt_chain *chain, size_t index)
{
    mtnt_entry_info info;

    assert_true(mtnt_chain_get(chain, index, &info));
    return info;
}

static void assert_text(const mtnt_error *err, int code, const char *text)
{
    assert_string_equal(err->message, text);
    assert_int_equal(err->code, code);
}

/* ---- adding ---- */

static void D1_one_operation_added_makes_a_length_of_one(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_chain_len(chain), 0);
    assert_int_equal(mtnt_chain_add(chain, &seats, 5, NULL, &err), 0);
    assert_int_equal(mtnt_chain_len(chain), 1);
    assert_string_equal(info_at(chain, 0).name, "seats");
    assert_int_equal(info_at(chain, 0).order, 5);
    assert_ptr_equal(info_at(chain, 0).operation_class, &seats);
}

static void entries_stand_by_order_however_they_come(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    char name[16];

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(add(chain, name, (i * 7) % 40 + 1, &err), 0);
    }
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(info_at(chain, i).order, i + 1);
    assert_false(mtnt_chain_get(chain, 40, &(mtnt_entry_info){0}));
    assert_int_equal(mtnt_chain_find(chain, "n0"), 0);
    assert_int_equal(mtnt_chain_find(chain, "n1"), 7);
    assert_int_equal(mtnt_chain_find(chain, "none"), -1);
}

static void an_order_that_is_not_said_is_the_next(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(add(chain, "a", 0, &err), 0);
    assert_int_equal(add(chain, "b", 7, &err), 0);
    assert_int_equal(add(chain, "c", 0, &err), 0);
    assert_int_equal(info_at(chain, 0).order, 1);
    assert_int_equal(info_at(chain, 2).order, 8);
    assert_int_equal(add(chain, "last", INT64_MAX, &err), 0);
    assert_int_equal(add(chain, "beyond", 0, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "operation `beyond` finds no order after 9223372036854775807: give it one");
}

static void A11_a_name_that_is_taken_is_refused_naming_both(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_entry entry = named("plan", 3);

    entry.file = "chain.yaml";
    entry.line = 9;
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    entry.order = 4;
    entry.line = 14;
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), MTNT_E_CONFIG);
    assert_text(
        &err, MTNT_E_CONFIG,
        "operation `plan` (order 4) has the name of operation 3 `plan` (chain.yaml:9); names are unique: rename "
        "one of them");
    assert_string_equal(err.file, "chain.yaml");
    assert_int_equal(err.line, 14);
    assert_int_equal(mtnt_chain_len(chain), 1);
}

static void A11_an_order_that_is_taken_is_refused_naming_both(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(add(chain, "contacts", 3, &err), 0);
    assert_int_equal(add(chain, "plan", 3, &err), MTNT_E_CONFIG);
    assert_text(
        &err, MTNT_E_CONFIG,
        "operation `plan` has order 3, which operation `contacts` has already; orders are unique: change one of "
        "them");
    assert_int_equal(mtnt_chain_len(chain), 1);
}

static void B9_an_operation_without_a_body_is_refused(void **state)
{
    const mtnt_operation_class empty = {MTNT_OPERATION_CLASS_INIT, .name = "empty", .rollback = body};
    const mtnt_operation_class only_setup = {MTNT_OPERATION_CLASS_INIT, .name = "only", .setup = preparation};
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_chain_add(chain, &empty, 1, NULL, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "operation `empty` has no body: its class has neither setup nor execute");
    assert_int_equal(mtnt_chain_add(chain, NULL, 1, NULL, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "operation `` has no body: it was added without a class");
    assert_int_equal(mtnt_chain_len(chain), 0);
    assert_int_equal(mtnt_chain_add(chain, &only_setup, 1, NULL, &err), 0);
}

static void B11_a_disabled_operation_is_known_to_its_chain(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_entry entry = named("old", 1);

    entry.disabled = true;
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    assert_int_equal(mtnt_chain_find(chain, "old"), 0);
    assert_true(info_at(chain, 0).disabled);
    assert_int_equal(mtnt_chain_len(chain), 1);
    assert_int_equal(add(chain, "old", 2, &err), MTNT_E_CONFIG);
}

static void names_and_orders_that_cannot_be_are_refused(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_operation_class nameless = seats;
    char long_name[202] = {0};

    memset(long_name, 'x', 201);
    assert_int_equal(add(chain, long_name, 1, &err), MTNT_E_CONFIG);
    assert_non_null(strstr(err.message, "has 201 bytes; at most 200 are allowed"));
    long_name[200] = '\0';
    assert_int_equal(add(chain, long_name, 1, &err), 0);
    assert_int_equal(add(chain, "a\nb", 2, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "the name of the operation `a?b` has a control character (U+000A) in it");
    assert_int_equal(add(chain, "a\xff", 2, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "the name of the operation `a?` is not UTF-8");
    assert_int_equal(add(chain, "\xed\xa0\x80", 2, &err), MTNT_E_CONFIG); /* half of a surrogate pair */
    assert_int_equal(add(chain, "\xc0\xaf", 2, &err), MTNT_E_CONFIG);     /* an overlong slash */
    assert_int_equal(add(chain, "\xc2\x85", 2, &err), MTNT_E_CONFIG);     /* a line break of Unicode's */
    assert_int_equal(add(chain, "größe 尺寸", 2, &err), 0);
    assert_int_equal(add(chain, "", 3, &err), MTNT_E_CONFIG);
    nameless.name = NULL;
    assert_int_equal(mtnt_chain_add(chain, &nameless, 3, NULL, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "the name of the operation is empty");
    assert_int_equal(add(chain, "below", -1, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "operation `below` has order -1; orders begin at 1");
    assert_int_equal(mtnt_chain_add(chain, &seats, 0, NULL, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "operation `seats` has order 0; orders begin at 1");
}

static void what_this_version_does_not_know_is_invalid(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_operation_class other = seats;
    mtnt_entry entry = named("a", 1);

    other.version = MTNT_OPERATION_CLASS_VERSION + 1;
    assert_int_equal(mtnt_chain_add(chain, &other, 1, NULL, &err), MTNT_E_INVALID);
    other = seats;
    other.flags = 1u << 30;
    assert_int_equal(mtnt_chain_add(chain, &other, 1, NULL, &err), MTNT_E_INVALID);
    other = seats;
    other.writes = 8;
    assert_int_equal(mtnt_chain_add(chain, &other, 1, NULL, &err), MTNT_E_INVALID);
    entry.version = 0;
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, NULL, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt_chain_len(chain), 0);
}

static const mtnt_operation_class creating = {
    MTNT_OPERATION_CLASS_INIT, .name = "base", .writes = MTNT_WRITES_MODEL, .flags = MTNT_OPERATION_CREATES_MODEL,
    .execute = body,
};

static void what_creates_the_model_is_the_first(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(add(chain, "plan", 5, &err), 0);
    assert_int_equal(mtnt_chain_add(chain, &creating, 6, NULL, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG,
                "operation `base` creates the model and must be the first of its chain, but `plan` comes before it "
                "(order 5)");
    assert_int_equal(mtnt_chain_add(chain, &creating, 4, NULL, &err), 0);
    assert_int_equal(add(chain, "early", 3, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG,
                "operation `early` (order 3) would come before `base`, which creates the model and must be the first "
                "of its chain");
}

static int frees;

static void count_free(void *config)
{
    (void)config;
    frees++;
}

static void the_config_is_taken_over_even_when_adding_fails(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_entry entry = named("a", 1);

    frees = 0;
    entry.config = &frees;
    entry.config_free = count_free;
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    assert_int_equal(frees, 0);
    assert_ptr_equal(info_at(chain, 0).config, &frees);
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), MTNT_E_CONFIG);
    assert_int_equal(frees, 1);
    assert_int_equal(mtnt_chain_add_entry(chain, NULL, &entry, &err), MTNT_E_CONFIG);
    assert_int_equal(frees, 2);
    mtnt_chain_free(chain);
    assert_int_equal(frees, 3);
    set_up(state);
}

static void an_entry_keeps_copies_of_its_texts(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    char name[] = "plan", file[] = "chain.yaml", up[] = "SELECT 1";
    mtnt_entry entry = named(name, 1);

    entry.file = file;
    entry.line = 3;
    entry.model_up = up;
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    name[0] = file[0] = up[0] = '!';
    assert_string_equal(info_at(chain, 0).name, "plan");
    assert_string_equal(info_at(chain, 0).file, "chain.yaml");
    assert_int_equal(info_at(chain, 0).line, 3);
    assert_string_equal(info_at(chain, 0).model_up, "SELECT 1");
    assert_null(info_at(chain, 0).controller_up);
}

/* ---- what counts ---- */

static void flags_and_writes_of_class_and_entry_come_together(void **state)
{
    const mtnt_operation_class outside = {MTNT_OPERATION_CLASS_INIT, .name = "outside", .execute = body,
                                          .rollback = body};
    const mtnt_operation_class asking = {MTNT_OPERATION_CLASS_INIT, .name = "asking", .execute = body};
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_entry entry = named("a", 1);

    entry.flags = MTNT_OPERATION_NO_TRANSACTION;
    entry.writes_set = true;
    entry.writes = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER;
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    assert_int_equal(info_at(chain, 0).flags, MTNT_OPERATION_NO_TRANSACTION);
    assert_int_equal(info_at(chain, 0).writes, MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER);
    assert_int_equal(mtnt_chain_add(chain, &outside, 2, NULL, &err), 0);
    assert_int_equal(info_at(chain, 1).flags, MTNT_OPERATION_EXTERNAL);
    assert_int_equal(mtnt_chain_add(chain, &asking, 3, NULL, &err), 0);
    assert_int_equal(info_at(chain, 2).flags, 0);
    entry = named("b", 4);
    entry.writes_set = true; /* a class that writes, in an entry that does not */
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    assert_int_equal(info_at(chain, 3).flags, MTNT_OPERATION_EXTERNAL);
}

static void the_checksum_is_of_the_class_and_what_the_entry_does(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_entry entry = named("a", 1);

    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    entry = named("b", 2);
    entry.checksum = "SELECT 1";
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    entry = named("c", 3);
    entry.checksum = "SELECT 1";
    assert_int_equal(mtnt_chain_add_entry(chain, &seats, &entry, &err), 0);
    assert_int_equal(strlen(info_at(chain, 0).checksum), 64);
    assert_string_not_equal(info_at(chain, 0).checksum, info_at(chain, 1).checksum);
    assert_string_equal(info_at(chain, 1).checksum, info_at(chain, 2).checksum);
}

static void a_checksum_tells_lists_of_parts_apart(void **state)
{
    char one[MTNT__CHECKSUM_SIZE], other[MTNT__CHECKSUM_SIZE];

    (void)state;
    assert_int_equal(mtnt__checksum(one, (const char *const[]){NULL}, NULL), 0);
    assert_string_equal(one,
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"); /* SHA-256 of nothing */
    assert_int_equal(mtnt__checksum(one, (const char *const[]){"ab", "c", NULL}, NULL), 0);
    assert_int_equal(mtnt__checksum(other, (const char *const[]){"a", "bc", NULL}, NULL), 0);
    assert_string_not_equal(one, other);
}

/* ---- the chain itself ---- */

static void a_chain_has_a_plain_name(void **state)
{
    mtnt_chain *chain = *state, *untouched = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    char long_name[102] = {0};

    memset(long_name, 'x', 101);
    assert_string_equal(mtnt_chain_name(chain), "shop");
    assert_int_equal(mtnt_chain_set_name(chain, "crm-2.0_x", &err), 0);
    assert_string_equal(mtnt_chain_name(chain), "crm-2.0_x");
    assert_int_equal(mtnt_chain_set_name(chain, "a b", &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG,
                "the name of the chain, `a b`, may consist of letters, digits, `.`, `_` and `-` only");
    assert_int_equal(mtnt_chain_set_name(chain, "", &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_chain_set_name(chain, long_name, &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_chain_new(&untouched, "ä", &err), MTNT_E_CONFIG);
    assert_null(untouched);
    assert_string_equal(mtnt_chain_name(chain), "crm-2.0_x");
    mtnt_chain_free(NULL);
}

static void statuses_have_names(void **state)
{
    (void)state;
    assert_string_equal(mtnt_status_name(MTNT_STATUS_NONE), "");
    assert_string_equal(mtnt_status_name(MTNT_STATUS_PENDING), "PENDING");
    assert_string_equal(mtnt_status_name(MTNT_STATUS_STARTED), "STARTED");
    assert_string_equal(mtnt_status_name(MTNT_STATUS_COMPLETED), "COMPLETED");
    assert_string_equal(mtnt_status_name(MTNT_STATUS_FAILED), "FAILED");
    assert_string_equal(mtnt_status_name(MTNT_STATUS_ROLLED_BACK), "ROLLED_BACK");
}

static void a_body_sees_its_entry_and_its_state(void **state)
{
    mtnt_chain *chain = *state;
    int kept = 0, config = 0;
    mtnt_operation operation = {.state = &kept, .previous = MTNT_STATUS_FAILED};

    assert_int_equal(mtnt_chain_add(chain, &seats, 7, &config, NULL), 0);
    operation.entry = &chain->entries[0];
    assert_ptr_equal(mtnt_operation_state(&operation), &kept);
    assert_ptr_equal(mtnt_operation_config(&operation), &config);
    assert_string_equal(mtnt_operation_name(&operation), "seats");
    assert_int_equal(mtnt_operation_order(&operation), 7);
    assert_int_equal(mtnt_operation_previous_status(&operation), MTNT_STATUS_FAILED);
}

/* ---- scopes ---- */

static int create_it(void *data, bool *ret_created, mtnt_error *err)
{
    (void)err;
    *ret_created = true;
    return *(int *)data;
}

static int delete_it(void *data, mtnt_error *err)
{
    (void)err;
    return *(int *)data;
}

static int64_t at_noon(void *data)
{
    (void)data;
    return 12000;
}

static void a_scope_gives_what_the_coordinator_put_into_it(void **state)
{
    mtnt__system clock = {.boot_ms = at_noon};
    atomic_bool cancelled = false;
    char controller, model, tenant;
    mtnt_scope scope = {.controller = (mtnt_db *)&controller,
                        .model = (mtnt_db *)&model,
                        .tenant = (mtnt_model *)&tenant,
                        .migration = "5f0c",
                        .system = &clock,
                        .cancelled = &cancelled};

    (void)state;
    assert_ptr_equal(mtnt_scope_controller(&scope), &controller);
    assert_ptr_equal(mtnt_scope_model(&scope), &model);
    assert_ptr_equal(mtnt_scope_tenant(&scope), &tenant);
    assert_string_equal(mtnt_context_migration(&scope), "5f0c");
    assert_int_equal(mtnt_context_remaining_ms(&scope), -1);
    scope.deadline = 12500;
    assert_int_equal(mtnt_context_remaining_ms(&scope), 500);
    scope.deadline = 11000;
    assert_int_equal(mtnt_context_remaining_ms(&scope), 0);
    assert_false(mtnt_context_cancelled(&scope));
    atomic_store(&cancelled, true);
    assert_true(mtnt_context_cancelled(&scope));
    scope.cancelled = NULL;
    assert_false(mtnt_context_cancelled(&scope));
}

static void models_are_created_and_deleted_by_the_coordinator(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;
    int answer = 0;
    mtnt_scope scope = {.data = &answer};
    bool created = false;

    (void)state;
    assert_int_equal(mtnt_scope_create_model(&scope, &created, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt_scope_delete_model(&scope, &err), MTNT_E_INVALID);
    scope.create_model = create_it;
    scope.delete_model = delete_it;
    answer = MTNT_E_EXISTS;
    assert_int_equal(mtnt_scope_create_model(&scope, &created, &err), MTNT_E_EXISTS);
    assert_false(created);
    answer = 0;
    assert_int_equal(mtnt_scope_create_model(&scope, &created, &err), 0);
    assert_true(created);
    assert_int_equal(mtnt_scope_create_model(&scope, NULL, &err), 0);
    assert_int_equal(mtnt_scope_delete_model(&scope, &err), 0);
}

static int remove_it(void *data, int64_t grace_ms, mtnt_error *err)
{
    (void)err;
    *(int *)data = (int)grace_ms;
    return 0;
}

static void models_are_put_away_by_the_coordinator(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;
    int answer = 0;
    mtnt_scope scope = {.data = &answer};

    (void)state;
    assert_int_equal(mtnt_scope_remove_model(&scope, 1, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt_scope_restore_model(&scope, &err), MTNT_E_INVALID);
    scope.remove_model = remove_it;
    scope.restore_model = delete_it;
    assert_int_equal(mtnt_scope_remove_model(&scope, -1, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt_scope_remove_model(&scope, 7, &err), 0);
    assert_int_equal(answer, 7);
    answer = 0;
    assert_int_equal(mtnt_scope_restore_model(&scope, &err), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(D1_one_operation_added_makes_a_length_of_one),
        CASE(entries_stand_by_order_however_they_come),
        CASE(an_order_that_is_not_said_is_the_next),
        CASE(A11_a_name_that_is_taken_is_refused_naming_both),
        CASE(A11_an_order_that_is_taken_is_refused_naming_both),
        CASE(B9_an_operation_without_a_body_is_refused),
        CASE(B11_a_disabled_operation_is_known_to_its_chain),
        CASE(names_and_orders_that_cannot_be_are_refused),
        CASE(what_this_version_does_not_know_is_invalid),
        CASE(what_creates_the_model_is_the_first),
        CASE(the_config_is_taken_over_even_when_adding_fails),
        CASE(an_entry_keeps_copies_of_its_texts),
        CASE(flags_and_writes_of_class_and_entry_come_together),
        CASE(the_checksum_is_of_the_class_and_what_the_entry_does),
        CASE(a_checksum_tells_lists_of_parts_apart),
        CASE(a_chain_has_a_plain_name),
        CASE(statuses_have_names),
        CASE(a_body_sees_its_entry_and_its_state),
        CASE(a_scope_gives_what_the_coordinator_put_into_it),
        CASE(models_are_created_and_deleted_by_the_coordinator),
        CASE(models_are_put_away_by_the_coordinator),
    };

    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
