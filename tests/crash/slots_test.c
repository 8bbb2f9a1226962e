/* A server with two places for prepared transactions (own_server.sh), 16 workers, and strangers in those places.
 *
 * Nothing lost: see whole.h. Who gets no place waits for one of ours, or fails before anything is decided, says which server is full, and leaves
 * nothing; what strangers have prepared is never touched; and once there is a place everybody gets through. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_run.h"
#include "whole.h"

#define WORKERS 16

static const whole both = {.writes = WRITES_BOTH};

static void must(fleet *f, const char *sql)
{
    const char *answer = fleet_ask_database(f, NULL, sql);

    if (strchr(answer, '!') != NULL)
        fail_msg("%s: %s", sql, answer);
}

static void take_place(fleet *f, const char *gid)
{
    char sql[120];

    snprintf(sql, sizeof(sql), "BEGIN; SELECT txid_current(); PREPARE TRANSACTION '%s'", gid);
    must(f, sql);
}

static void leave_place(fleet *f, const char *gid)
{
    char sql[120];

    snprintf(sql, sizeof(sql), "ROLLBACK PREPARED '%s'", gid);
    must(f, sql);
}

static const char *strangers(fleet *f)
{
    return fleet_ask_database(f, NULL, "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'stranger%' ORDER BY gid");
}

static void all_go_through(fleet *f)
{
    fleet_report r;

    assert_code(f, fleet_run(f, WORKERS, NULL, &r), 0);
    for (size_t tenant = 0; tenant < f->count; tenant++) {
        if (r.results[tenant] != MTNT_RESULT_MIGRATED && r.results[tenant] != MTNT_RESULT_CURRENT)
            fail_msg("t%u: %s", (unsigned)tenant + 1, r.texts[tenant]);
        whole_check(f, tenant, &both, true, "with places");
    }
}

/* Two places are as many as they say: ours take turns. */
static void taking_turns(fleet *f)
{
    whole_add_chain(f, &both, (body){0});
    all_go_through(f);
}

static void all_taken(fleet *f)
{
    fleet_report r;

    whole_add_chain(f, &both, (body){0});
    take_place(f, "stranger1");
    take_place(f, "stranger2");
    assert_code(f, fleet_run(f, WORKERS, NULL, &r), 0);
    for (size_t tenant = 0; tenant < f->count; tenant++) {
        assert_int_equal(r.results[tenant], MTNT_RESULT_FAILED);
        assert_says(r.texts[tenant], "all prepared transactions of this server are in use");
        whole_check(f, tenant, &both, false, "without a place");
        assert_true(whole_is_not_there(f, tenant, &both));
    }
    assert_text(strangers(f), "stranger1;stranger2");
    leave_place(f, "stranger1");
    leave_place(f, "stranger2");
    all_go_through(f);
}

/* One place for all of ours, and two processes that want it. */
static void run_elsewhere(fleet *f)
{
    fleet_report r;

    fleet_run(f, WORKERS, NULL, &r);
    _exit(0);
}

static void one_for_two(fleet *f)
{
    pid_t child;
    fleet_report r;

    whole_add_chain(f, &both, (body){0});
    take_place(f, "stranger1");
    child = fleet_begin_child(f, run_elsewhere);
    fleet_reopen(f);
    assert_code(f, fleet_run(f, WORKERS, NULL, &r), 0);
    fleet_end_child(f, child);
    fleet_reopen(f);
    for (size_t tenant = 0; tenant < f->count; tenant++) {
        assert_code(f, fleet_recover(f, tenant), 0);
        whole_check(f, tenant, &both, r.results[tenant] == MTNT_RESULT_MIGRATED, "one place for two");
    }
    assert_text(strangers(f), "stranger1");
    leave_place(f, "stranger1");
    all_go_through(f);
}

int main(void)
{
    static const unsigned int preparing = ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE);
    static const pair_test tests[] = {
        {"taking_turns", taking_turns, preparing, FLEET_TENANTS, false},
        {"all_taken", all_taken, preparing, FLEET_TENANTS, false},
        {"one_for_two", one_for_two, preparing, FLEET_TENANTS, false},
    };

    return run_pair_tests("slots", tests, sizeof(tests) / sizeof(*tests));
}
