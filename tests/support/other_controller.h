/* A second controller of a fixture's fleet, in SQLite: whose models are another's for the fleet's own one. */
#ifndef MTNT_TESTS_OTHER_CONTROLLER_H
#define MTNT_TESTS_OTHER_CONTROLLER_H

#include <stdio.h>

#include "fleet_fixture.h"

static inline const char *other_dsn(const fleet *f)
{
    static char dsn[256];

    snprintf(dsn, sizeof(dsn), "sqlite:%s/other.db", f->folder);
    return dsn;
}

static inline mtnt_controller *other_open(fleet *f)
{
    mtnt_controller *other = NULL;

    if (mtnt_controller_open(&other, other_dsn(f), NULL, &f->err) != 0)
        fail_msg("the other controller: %s", f->err.message);
    return other;
}

/* Where operations of the fixture that write the controller do so. */
static inline void other_take_notes(fleet *f, mtnt_controller *other)
{
    assert_code(f, mtnt_db_exec(mtnt_controller_db(other), &f->err, "CREATE TABLE notes (tenant TEXT, operation TEXT)"),
                0);
}

/* The fleet's chain on a tenant, by the other controller. Returns the error's code. */
static inline int other_perform(fleet *f, mtnt_controller *other, size_t tenant)
{
    mtnt_coordinator *coordinator = NULL;
    int rc;

    mtnt_error_clear(&f->err);
    rc = mtnt_coordinator_new(&coordinator, other, f->tenants[tenant].model, f->chain, NULL, &f->err);
    if (rc == 0)
        rc = mtnt_coordinator_perform(coordinator, &f->err);
    mtnt_coordinator_free(coordinator);
    return rc;
}

/* The fleet's own controller takes a tenant over. */
static inline int adopt(fleet *f, size_t tenant, const mtnt_adoption *adoption, mtnt_adopted *ret_adopted)
{
    mtnt_coordinator *coordinator = NULL;
    int rc;

    mtnt_error_clear(&f->err);
    rc = mtnt_coordinator_new(&coordinator, f->controller, f->tenants[tenant].model, f->chain, NULL, &f->err);
    if (rc == 0)
        rc = mtnt_coordinator_adopt(coordinator, adoption, ret_adopted, &f->err);
    if (rc == 0)
        mtnt_coordinator_outcome(coordinator, &f->outcome);
    if (rc == 0 && f->outcome.adopted_from != NULL && strcmp(f->outcome.adopted_from, ret_adopted->from) != 0)
        fail_msg("taken over from %s and from %s", f->outcome.adopted_from, ret_adopted->from);
    mtnt_coordinator_free(coordinator);
    return rc;
}

#endif
