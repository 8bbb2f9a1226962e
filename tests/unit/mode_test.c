/* How a migration commits: the table of the protocol, pair by pair. */
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "coordinate/mode.h"
#include "db/database.h"

#define MODEL MTNT_WRITES_MODEL
#define CONTROLLER MTNT_WRITES_CONTROLLER
#define SQLITE "sqlite:/nowhere/controller.db"
#define POSTGRES "postgresql://app@db-1/fleet"

static const struct row {
    const char *controller, *model, *schema;
    uint32_t writes;
    bool provisional;
    mtnt__mode mode;
    const char *name, *decider;
} rows[] = {
    /* One database written: single, whatever the pair. */
    {SQLITE, "sqlite:/nowhere/acme.db", NULL, MODEL, false, MTNT__MODE_SINGLE_MODEL, "single", "model"},
    {SQLITE, "postgresql://db-1/acme", NULL, MODEL, false, MTNT__MODE_SINGLE_MODEL, "single", "model"},
    {POSTGRES, "sqlite:/nowhere/acme.db", NULL, MODEL, false, MTNT__MODE_SINGLE_MODEL, "single", "model"},
    {POSTGRES, "postgresql://db-1/acme", NULL, MODEL, false, MTNT__MODE_SINGLE_MODEL, "single", "model"},
    {POSTGRES, POSTGRES, "acme", MODEL, false, MTNT__MODE_SINGLE_MODEL, "single", "model"},
    {SQLITE, "sqlite:/nowhere/acme.db", NULL, CONTROLLER, false, MTNT__MODE_SINGLE_CONTROLLER, "single", "controller"},
    {SQLITE, "postgresql://db-1/acme", NULL, CONTROLLER, false, MTNT__MODE_SINGLE_CONTROLLER, "single", "controller"},
    {POSTGRES, "sqlite:/nowhere/acme.db", NULL, CONTROLLER, false, MTNT__MODE_SINGLE_CONTROLLER, "single",
     "controller"},
    {POSTGRES, "postgresql://db-1/acme", NULL, CONTROLLER, false, MTNT__MODE_SINGLE_CONTROLLER, "single", "controller"},
    {POSTGRES, POSTGRES, "acme", CONTROLLER, false, MTNT__MODE_SINGLE_CONTROLLER, "single", "controller"},
    /* Nothing but the record of it is written: that is the model's. */
    {SQLITE, "sqlite:/nowhere/acme.db", NULL, 0, false, MTNT__MODE_SINGLE_MODEL, "single", "model"},
    {POSTGRES, "postgresql://db-1/acme", NULL, 0, false, MTNT__MODE_SINGLE_MODEL, "single", "model"},
    /* Both. */
    {SQLITE, "sqlite:/nowhere/acme.db", NULL, MODEL | CONTROLLER, false, MTNT__MODE_SUPER_JOURNAL, "super-journal",
     "controller"},
    {POSTGRES, "sqlite:/nowhere/acme.db", NULL, MODEL | CONTROLLER, false, MTNT__MODE_TWO_PHASE, "two-phase", "model"},
    {SQLITE, "postgresql://db-1/acme", NULL, MODEL | CONTROLLER, false, MTNT__MODE_TWO_PHASE, "two-phase",
     "controller"},
    {SQLITE, "postgresql://db-1/fleet", "acme", MODEL | CONTROLLER, false, MTNT__MODE_TWO_PHASE, "two-phase",
     "controller"},
    {POSTGRES, "postgresql://db-1/acme", NULL, MODEL | CONTROLLER, false, MTNT__MODE_TWO_PHASE, "two-phase",
     "controller"},
    {POSTGRES, POSTGRES, "acme", MODEL | CONTROLLER, false, MTNT__MODE_SINGLE_TRANSACTION, "single transaction",
     "controller"},
    /* A schema elsewhere is another database. */
    {POSTGRES, "postgresql://app@db-1/other", "acme", MODEL | CONTROLLER, false, MTNT__MODE_TWO_PHASE, "two-phase",
     "controller"},
    {POSTGRES, "postgresql://app@db-2/fleet", "acme", MODEL | CONTROLLER, false, MTNT__MODE_TWO_PHASE, "two-phase",
     "controller"},
    /* A model that is made: whatever is written. */
    {SQLITE, "sqlite:/nowhere/acme.db", NULL, MODEL, true, MTNT__MODE_PROVISIONAL, "provisional", "controller"},
    {SQLITE, "sqlite:/nowhere/acme.db", NULL, MODEL | CONTROLLER, true, MTNT__MODE_PROVISIONAL, "provisional",
     "controller"},
    {POSTGRES, "postgresql://db-1/acme", NULL, MODEL, true, MTNT__MODE_PROVISIONAL, "provisional", "controller"},
    {POSTGRES, "sqlite:/nowhere/acme.db", NULL, MODEL | CONTROLLER, true, MTNT__MODE_PROVISIONAL, "provisional",
     "controller"},
};

static void every_pair(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct row *row = rows + i;
        mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
        mtnt_controller controller = {.dsn = (char *)(uintptr_t)row->controller};
        mtnt_error err = MTNT_ERROR_INIT;
        mtnt_model *model;
        mtnt__mode mode;

        assert_int_equal(mtnt__dsn_backend(row->controller, &controller.backend, &err), 0);
        options.id = "acme";
        options.dsn = row->model;
        options.schema = row->schema;
        if (mtnt_model_new(&model, &options, &err) != 0)
            fail_msg("row %zu: %s", i, err.message);
        mode = mtnt__mode_choose(&controller, model, row->writes, row->provisional);
        if (mode != row->mode)
            fail_msg("row %zu: %s with %s: mode %s, expected %s", i, row->controller, row->model, mtnt__mode_name(mode),
                     row->name);
        assert_string_equal(mtnt__mode_name(mode), row->name);
        assert_string_equal(mtnt__mode_decider(mode, controller.backend, model->backend), row->decider);
        /* What the claim says leads recovery to the same mode. */
        assert_int_equal(mtnt__mode_parse(row->name, row->decider), mode);
        assert_int_equal(row->writes & ~mtnt__mode_covers(mode), 0);
        mtnt_model_free(model);
    }
}

static void covers(void **state)
{
    (void)state;
    assert_int_equal(mtnt__mode_covers(MTNT__MODE_SINGLE_MODEL), MODEL);
    assert_int_equal(mtnt__mode_covers(MTNT__MODE_SINGLE_CONTROLLER), CONTROLLER);
    for (mtnt__mode mode = MTNT__MODE_SINGLE_TRANSACTION; mode <= MTNT__MODE_SAGA; mode++)
        assert_int_equal(mtnt__mode_covers(mode), MODEL | CONTROLLER);
}

static void texts(void **state)
{
    (void)state;
    for (mtnt__mode mode = MTNT__MODE_SINGLE_MODEL; mode <= MTNT__MODE_SAGA; mode++) {
        /* The guarantee ends with the mode's name: the screen shows it so. */
        assert_non_null(strstr(mtnt__mode_guarantee(mode), mtnt__mode_name(mode)));
        assert_string_not_equal(mtnt__mode_name(mode), "unknown");
    }
    assert_int_equal(mtnt__mode_parse("saga", "controller"), MTNT__MODE_SAGA);
    assert_int_equal(mtnt__mode_parse("sage", "controller"), 0);
    assert_int_equal(mtnt__mode_parse("", "model"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair), cmocka_unit_test(covers), cmocka_unit_test(texts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
