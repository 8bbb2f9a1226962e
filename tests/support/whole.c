#include "whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void whole_add_chain(fleet *f, const whole *w, body last)
{
    if (w->creates)
        fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                       (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "CREATE TABLE precious (a INTEGER)"});
    fleet_add(f, "a", w->writes);
    fleet_add_body(f, "b", w->writes, last);
}

bool whole_is_there(fleet *f, size_t tenant, const whole *w)
{
    return fleet_model_exists(f, tenant) &&
           ((w->writes & MTNT_WRITES_MODEL) == 0 || strcmp(fleet_tables(f, tenant), "a;b;precious") == 0) &&
           ((w->writes & MTNT_WRITES_CONTROLLER) == 0 || strcmp(fleet_notes(f, tenant), "a;b") == 0);
}

bool whole_is_not_there(fleet *f, size_t tenant, const whole *w)
{
    if (w->creates ? fleet_model_exists(f, tenant) : strcmp(fleet_tables(f, tenant), "precious") != 0)
        return false;
    return strcmp(fleet_notes(f, tenant), "") == 0;
}

static void complain(fleet *f, size_t tenant, const char *when, const char *what)
{
    fail_msg("%s: %s. tables %s, notes %s, gids %s, %d provisional, tenant %s, its migration %s: %s", when, what,
             fleet_model_exists(f, tenant) ? fleet_tables(f, tenant) : "(no model)", fleet_notes(f, tenant),
             fleet_gids(f), fleet_provisional(f), fleet_known(f, tenant), fleet_migration(f, tenant), f->err.message);
}

/* Those that had nothing to do are aborted too. */
static bool has_committed(fleet *f, size_t tenant)
{
    char sql[160];

    snprintf(sql, sizeof(sql), "SELECT count(*) FROM mtnt_migration WHERE tenant = '%s' AND state = 'committed'",
             f->tenants[tenant].id);
    return strcmp(fleet_ask_controller(f, sql), "0") != 0;
}

void whole_check(fleet *f, size_t tenant, const whole *w, bool acknowledged, const char *when)
{
    bool all = whole_is_there(f, tenant, w), nothing = whole_is_not_there(f, tenant, w);

    if (all == nothing)
        complain(f, tenant, when, "neither all nor nothing");
    if (acknowledged && !all)
        complain(f, tenant, when, "it was said to be done, and is not");
    if (has_committed(f, tenant) != all)
        complain(f, tenant, when, "the controller says otherwise");
    if (strcmp(fleet_known(f, tenant), "-") != 0 && strncmp(fleet_known(f, tenant), "idle|", 5) != 0)
        complain(f, tenant, when, "it has not ended");
    if (fleet_gids(f)[0] != '\0' || fleet_provisional(f) != 0)
        complain(f, tenant, when, "something is left");
    if (strcmp(
            fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE owner IS NOT NULL OR lease_until_ms <> 0"),
            "0") != 0)
        complain(f, tenant, when, "a lease is left");
    if (strcmp(
            fleet_ask_controller(f, "SELECT count(*) FROM mtnt_migration WHERE state NOT IN ('committed', 'aborted')"),
            "0") != 0)
        complain(f, tenant, when, "a migration is left unended");
}

void whole_finish(fleet *f, size_t tenant, const whole *w, const char *when)
{
    if (fleet_perform(f, tenant, NULL) != 0)
        complain(f, tenant, when, "the next one fails");
    whole_check(f, tenant, w, true, when);
    if (strcmp(fleet_known(f, tenant), w->creates ? "idle|3|ok" : "idle|2|ok") != 0)
        complain(f, tenant, when, "the controller does not know of it");
}

void whole_end_leases(fleet *f)
{
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_tenant SET lease_until_ms = 0 WHERE lease_until_ms IS NOT NULL"),
                "");
}

static void must_be_aborted(fleet *f, const char *migration, const char *what, const char *when)
{
    char sql[160];

    snprintf(sql, sizeof(sql), "SELECT state FROM mtnt_migration WHERE migration = '%s'", migration);
    if (strcmp(fleet_ask_controller(f, sql), "aborted") != 0)
        fail_msg("%s: %s is left, of a migration that is %s", when, what, fleet_ask_controller(f, sql));
}

static void look_at_gids(fleet *f, const char *when)
{
    char *gids = strdup(fleet_gids(f)), *rest = gids, *gid;

    assert_non_null(gids);
    while ((gid = strtok_r(rest, ";", &rest)) != NULL)
        must_be_aborted(f, strrchr(gid, ':') + 1, gid, when);
    free(gids);
}

/* Its client is gone, and the server is still at it. */
static void wait_for_maker(fleet *f, const char *migration)
{
    char sql[250];

    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND "
             "query LIKE 'CREATE DATABASE%%mtnt_new_%s%%'",
             migration);
    for (int tries = 0; tries < 2000 && strcmp(fleet_ask_database(f, NULL, sql), "0") != 0; tries++)
        usleep(10000);
}

static void look_at_databases(fleet *f, const char *when)
{
    char *names, *rest, *name;

    if (f->model_backend == MTNT_SQLITE)
        return;
    names = strdup(fleet_ask_controller(f, "SELECT migration FROM mtnt_migration"));
    assert_non_null(names);
    rest = names;
    while ((name = strtok_r(rest, ";", &rest)) != NULL) {
        char sql[160];

        wait_for_maker(f, name);
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_database WHERE datname = 'mtnt_new_%s'", name);
        if (strcmp(fleet_ask_database(f, NULL, sql), "0") != 0)
            must_be_aborted(f, name, "a provisional database", when);
    }
    free(names);
}

void whole_sweep(fleet *f, const char *when)
{
    const mtnt_model *models[FLEET_TENANTS];
    mtnt_sweep sweep = {0};

    look_at_gids(f, when);
    look_at_databases(f, when);
    for (size_t i = 0; i < f->count; i++)
        models[i] = f->tenants[i].model;
    if (mtnt_sweep_leftovers(f->controller, models, f->count, NULL, NULL, &sweep, &f->err) != 0)
        fail_msg("%s: what is left cannot be swept up: %s", when, f->err.message);
    if (fleet_gids(f)[0] != '\0' || fleet_provisional(f) != 0)
        fail_msg("%s: swept up, and yet there is %s, %d provisional; %lld not settled", when, fleet_gids(f),
                 fleet_provisional(f), (long long)sweep.not_settled);
}
