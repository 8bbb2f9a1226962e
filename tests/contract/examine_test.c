/* What an examination says beforehand is what a migration then does: the mode, for whatever is written, on every pair; and it changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_fixture.h"

static const char *expected_mode(pair which, uint32_t writes)
{
    if (writes != WRITES_BOTH)
        return "single";
    switch (which) {
    case PAIR_SQLITE: return "super-journal";
    case PAIR_SCHEMA: return "single transaction";
    default: return "two-phase";
    }
}

static const char *expected_decider(pair which, uint32_t writes)
{
    if (writes == WRITES_BOTH)
        return which == PAIR_POSTGRES_SQLITE ? "model" : "controller";
    return writes == MTNT_WRITES_MODEL ? "model" : "controller";
}

/* Of one operation of the chain. */
static void examine(fleet *f, size_t index, uint32_t writes)
{
    mtnt_examination found;

    assert_code(f,
                mtnt_coordinator_examine_operations(f->controller, f->tenants[0].model, f->chain, &index, 1,
                                                    MTNT_MODE_AUTO, &found, &f->err),
                0);
    assert_string_equal(found.mode, expected_mode(f->which, writes));
    assert_string_equal(found.decider, expected_decider(f->which, writes));
    assert_true(found.model_exists);
    assert_says(found.model, f->model_backend == MTNT_SQLITE ? "SQLite 3." : "fsync=on");
    assert_says(found.controller, f->controller_backend == MTNT_SQLITE ? "SQLite 3." : "fsync=on");
    /* No standby, no warning. */
    assert_string_equal(found.controller_warning, "");
    assert_string_equal(found.model_warning, "");
}

static void same_as_a_migration(fleet *f)
{
    static const uint32_t writes[] = {MTNT_WRITES_MODEL, MTNT_WRITES_CONTROLLER, WRITES_BOTH};
    static const char *const names[] = {"a", "b", "c"};

    for (size_t i = 0; i < 3; i++) {
        char *model = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f), *after;

        fleet_add(f, names[i], writes[i]);
        examine(f, i, writes[i]);
        after = fleet_dump_model(f, 0);
        assert_string_equal(after, model);
        free(after);
        after = fleet_dump_controller(f);
        assert_string_equal(after, controller);
        free(after);
        free(model);
        free(controller);
        fleet_must_perform(f, 0);
        assert_string_equal(f->outcome.mode, expected_mode(f->which, writes[i]));
    }
}

static const char *mode_of(fleet *f, const size_t *indices, size_t count, mtnt_mode mode)
{
    mtnt_examination found;

    assert_code(f,
                mtnt_coordinator_examine_operations(f->controller, f->tenants[0].model, f->chain, indices, count, mode,
                                                    &found, &f->err),
                0);
    return found.mode;
}

/* One operation that asks for a saga makes all of it one. */
static void sagas_and_removals(fleet *f)
{
    const size_t first[] = {0}, both[] = {0, 1}, last[] = {2}, none[] = {7};
    mtnt_examination found;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_NO_TRANSACTION});
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_DELETES_MODEL});
    assert_string_equal(mode_of(f, first, 1, MTNT_MODE_AUTO), expected_mode(f->which, WRITES_BOTH));
    assert_string_equal(mode_of(f, first, 1, MTNT_MODE_SAGA), "saga");
    assert_string_equal(mode_of(f, both, 2, MTNT_MODE_AUTO), "saga");
    assert_string_equal(mode_of(f, last, 1, MTNT_MODE_AUTO), "tombstone");
    assert_code(f,
                mtnt_coordinator_examine_operations(f->controller, f->tenants[0].model, f->chain, none, 1,
                                                    MTNT_MODE_AUTO, &found, &f->err),
                MTNT_E_INVALID);
}

/* A model that is yet to be made: its server is asked, where it has one. */
static void no_model_yet(fleet *f)
{
    mtnt_examination found;

    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, mtnt_coordinator_examine(f->controller, f->tenants[0].model, f->chain, &found, &f->err),
                MTNT_E_NOT_FOUND);
    assert_says(f->err.message, "does not exist");
    fleet_new_chain(f);
    fleet_add_body(f, "a", WRITES_BOTH, (body){.flags = MTNT_OPERATION_CREATES_MODEL});
    assert_code(f, mtnt_coordinator_examine(f->controller, f->tenants[0].model, f->chain, &found, &f->err), 0);
    assert_false(found.model_exists);
    assert_string_equal(found.mode,
                        f->tenants[0].schema[0] == '\0' ? "provisional" : expected_mode(f->which, WRITES_BOTH));
    if (f->model_backend == MTNT_SQLITE)
        assert_string_equal(found.model, "");
    else
        assert_says(found.model, "fsync=on");
    assert_false(fleet_model_exists(f, 0));
}

int main(void)
{
    static const pair_test tests[] = {
        {"same_as_a_migration", same_as_a_migration, ON_ALL, 1, false},
        {"sagas_and_removals", sagas_and_removals, ON_ALL, 1, false},
        {"no_model_yet", no_model_yet, ON_ALL, 1, true},
    };

    return run_pair_tests("examine", tests, sizeof(tests) / sizeof(*tests));
}
