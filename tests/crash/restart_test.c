/* The server is restarted at once (pg_ctl -m immediate: a power failure as far as it can tell) while transactions are prepared, in a cluster of this
 * test's own (own_server.sh): at each message that decides, of each pair that prepares; and in the middle of runs over several tenants.
 *
 * Nothing lost: see whole.h. What was prepared is there after the restart, and recovery ends it the way the register says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fleet_run.h"
#include "proxy.h"
#include "whole.h"

#define OFTEN 3 /* by default every third of the decisive messages */

static void restart_server(void)
{
    const char *dir = getenv("MTNT_TEST_OWN_SERVER"), *source = getenv("MTNT_TEST_SOURCE_DIR");
    char script[600];
    int status = 0;
    pid_t child;

    if (dir == NULL || source == NULL)
        fail_msg("this test takes a server of its own: run it through own_server.sh");
    snprintf(script, sizeof(script), "%s/tests/postgres.sh", source);
    child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", script, "restart", dir, (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        fprintf(stderr, "the server was not restarted: status %d\n", status);
}

/* ---- at each message that decides ---- */

static int restart_at, seen;

static proxy_action on_message(void *data, const proxy_message *m)
{
    (void)data;
    if (!m->decisive || ++seen != restart_at)
        return PROXY_PASS;
    restart_server();
    return PROXY_CUT_BEFORE;
}

static int restart_once(pair which, const whole *w, int at)
{
    fleet *f = fleet_new(which, 1, true);
    char when[60];
    int rc, count;

    snprintf(when, sizeof(when), "restarted at decisive message %d", at);
    whole_add_chain(f, w, (body){0});
    seen = 0;
    restart_at = at;
    rc = fleet_perform(f, 0, NULL);
    count = seen;
    restart_at = 0;
    fleet_reopen(f);
    whole_end_leases(f);
    if (fleet_recover(f, 0) != 0)
        fail_msg("%s: not recovered: %s", when, f->err.message);
    whole_check(f, 0, w, rc == 0, when);
    whole_finish(f, 0, w, when);
    fleet_free(f);
    return count;
}

static void at_messages(pair which)
{
    const whole w = {.writes = WRITES_BOTH};
    proxy *wire;
    char folder[90];
    int count;

    snprintf(folder, sizeof(folder), "%s/mtnt-proxy-XXXXXX",
             getenv("TMPDIR") != NULL && strlen(getenv("TMPDIR")) < 60 ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(folder));
    wire = proxy_start(folder, on_message, NULL);
    fleet_settings.through = folder;
    count = restart_once(which, &w, 0);
    assert_true(count > 0);
    for (int at = 1 + (int)which % OFTEN; at <= count; at += getenv("MTNT_TEST_CRASH_ALL") != NULL ? 1 : OFTEN)
        restart_once(which, &w, at);
    fleet_settings.through = NULL;
    proxy_stop(wire);
    rmdir(folder);
}

/* ---- in the middle of a run ---- */

static void run_elsewhere(fleet *f)
{
    fleet_report r;

    fleet_run(f, 4, NULL, &r);
    _exit(0);
}

static void in_a_run(pair which)
{
    const whole w = {.writes = WRITES_BOTH};
    fleet *f = fleet_new(which, FLEET_TENANTS, true);
    unsigned int wait_us = (unsigned int)time(NULL) % 7 * 15000;
    fleet_report r;
    pid_t child;

    whole_add_chain(f, &w, (body){0});
    child = fleet_begin_child(f, run_elsewhere);
    usleep(wait_us);
    restart_server();
    fleet_end_child(f, child);
    fleet_log_clear(f);
    assert_code(f, fleet_run(f, 4, NULL, &r), 0);
    if (r.counts.migrated + r.counts.current != FLEET_TENANTS)
        fail_msg("restarted after %u us: %d of %d tenants: %s %s", wait_us, (int)(r.counts.migrated + r.counts.current),
                 FLEET_TENANTS, r.texts[0], r.texts[FLEET_TENANTS - 1]);
    for (size_t tenant = 0; tenant < FLEET_TENANTS; tenant++)
        whole_check(f, tenant, &w, true, "restarted in a run");
    fleet_free(f);
}

int main(void)
{
    static const unsigned int preparing = ON(PAIR_POSTGRES) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE_POSTGRES);
    static const bare_test tests[] = {
        {"at_messages", at_messages, preparing},
        {"in_a_run", in_a_run, ON(PAIR_OTHER_SCHEMA)},
    };

    return run_bare_tests("restart", tests, sizeof(tests) / sizeof(*tests));
}
