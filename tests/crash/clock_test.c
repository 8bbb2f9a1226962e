/* Somebody sets the wall clock by an hour, forward or back, while a worker works and before a recoverer looks.
 *
 * Nothing lost: see whole.h. Leases are the database's time and deadlines the boot clock's: a live worker's lease neither ends early nor lasts
 * longer, and what has come of a migration is what would have come of it anyway. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/system.h"
#include "whole.h"

#define HOUR_MS (60 * 60 * 1000)

static atomic_llong set_by_ms;

static int64_t wall_ms(void *data);

const mtnt__system *__real_mtnt__system_default(void);
const mtnt__system *__wrap_mtnt__system_default(void);
const mtnt__system *__wrap_mtnt__system_default(void)
{
    static mtnt__system system;

    if (system.boot_ms == NULL) {
        system = *__real_mtnt__system_default();
        system.wall_ms = wall_ms;
    }
    return &system;
}

static int64_t wall_ms(void *data)
{
    const mtnt__system *real = __real_mtnt__system_default();

    (void)data;
    return real->wall_ms(real->data) + atomic_load(&set_by_ms);
}

/* What is left of the tenant's lease, by the controller's own clock. */
static int64_t lease_left_ms(fleet *f)
{
    const char *answer = fleet_ask_controller(
        f, f->controller_backend == MTNT_SQLITE
               ? "SELECT lease_until_ms - CAST(strftime('%s', 'now') AS INTEGER) * 1000 FROM mtnt_tenant"
               : "SELECT lease_until_ms - (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM mtnt_tenant");

    return strtoll(answer, NULL, 10);
}

/* ---- in the middle of a worker's work ---- */

static int set_the_clock(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    atomic_store(&set_by_ms, f->counter);
    /* A SQLite controller that is written to can be read by nobody else meanwhile. */
    f->counter = f->which == PAIR_SQLITE ? 0 : lease_left_ms(f);
    return 0;
}

static int64_t work(pair which, int64_t by_ms, bool from_the_start)
{
    const whole w = {.writes = WRITES_BOTH};
    fleet *f = fleet_new(which, 1, true);
    int64_t left_ms;

    whole_add_chain(f, &w, (body){.during = set_the_clock});
    atomic_store(&set_by_ms, from_the_start ? by_ms : 0);
    f->counter = from_the_start ? 0 : by_ms;
    assert_code(f, fleet_perform(f, 0, NULL), 0);
    left_ms = f->counter;
    whole_check(f, 0, &w, true, "the clock was set");
    whole_finish(f, 0, &w, "the clock was set");
    atomic_store(&set_by_ms, 0);
    fleet_free(f);
    return left_ms;
}

static void worker(pair which)
{
    int64_t usual_ms = work(which, 0, false);

    for (int from_the_start = 0; from_the_start < 2; from_the_start++)
        for (int direction = -1; direction <= 1; direction += 2) {
            int64_t left_ms = work(which, direction * HOUR_MS, from_the_start);

            if (llabs(left_ms - usual_ms) > HOUR_MS / 4)
                fail_msg("clock set by %d h: a lease of %lld ms, otherwise %lld ms", direction, (long long)left_ms,
                         (long long)usual_ms);
        }
}

/* ---- before a recoverer looks ---- */

static bool sleeper, dies;

static int stop_or_die(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    if (sleeper)
        kill(getpid(), dies ? SIGKILL : SIGSTOP);
    return 0;
}

static void perform_elsewhere(fleet *f)
{
    sleeper = true;
    _exit(fleet_perform(f, 0, NULL) == 0 ? 0 : 1);
}

static void recover_at(pair which, int64_t by_ms, bool alive)
{
    const whole w = {.writes = which == PAIR_SQLITE ? MTNT_WRITES_MODEL : WRITES_BOTH};
    fleet *f = fleet_new(which, 1, true);
    int status = 0;
    pid_t child;

    whole_add_chain(f, &w, (body){.during = stop_or_die});
    dies = !alive;
    child = fleet_begin_child(f, perform_elsewhere);
    assert_int_equal(waitpid(child, &status, alive ? WUNTRACED : 0), child);
    fleet_reopen(f);
    atomic_store(&set_by_ms, by_ms);
    if (alive) {
        /* Its lease holds, however late it is here. */
        assert_code(f, fleet_recover(f, 0), MTNT_E_BUSY);
        assert_says(f->err.message, "another process is migrating it");
        kill(child, SIGCONT);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    } else {
        assert_code(f, fleet_recover(f, 0), 0);
        assert_true(f->outcome.recovered);
    }
    whole_check(f, 0, &w, alive, "recovered under another clock");
    whole_finish(f, 0, &w, "recovered under another clock");
    atomic_store(&set_by_ms, 0);
    fleet_free(f);
}

static void recoverer(pair which)
{
    for (int alive = 0; alive < 2; alive++) {
        recover_at(which, HOUR_MS, alive);
        recover_at(which, -HOUR_MS, alive);
    }
}

int main(void)
{
    static const unsigned int pairs_of_all = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_POSTGRES);
    static const bare_test tests[] = {
        {"worker", worker, pairs_of_all},
        {"recoverer", recoverer, pairs_of_all},
    };

    return run_bare_tests("clock", tests, sizeof(tests) / sizeof(*tests));
}
