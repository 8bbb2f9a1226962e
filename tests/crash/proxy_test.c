/* The network between us and a PostgreSQL server, at each message of the protocol, in both directions: the connection is cut before the message
 * arrives, or after it and before anything else; the server ends the session (pg_terminate_backend, from another one); the message comes so
 * late that whoever waits for it has given up, and comes all the same. First a worker, then a recovery of what a worker has left.
 *
 * Nothing lost: see whole.h. In particular a COMMIT whose answer is lost is neither taken for done nor for failed before the register has been
 * asked, and a PREPARE that arrives after its migration was settled leaves nothing behind.
 *
 * By default every message that ends a transaction, or makes or renames a database, and a sample of the others; MTNT_TEST_CRASH_ALL=1 takes each. */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/system.h"
#include "proxy.h"
#include "whole.h"

enum deed { CUT_BEFORE, CUT_AFTER, TERMINATE, HOLD, HOLD_LONGER, DEEDS };

static const char *const deed_names[DEEDS] = {"cut before", "cut after", "session ended at", "delayed",
                                              "delayed beyond recovery"};

#define MESSAGES 4000

static struct {
    pthread_mutex_t mutex;
    bool armed, for_ever; /* for_ever: no connection is had afterwards */
    int at, count;
    enum deed deed;
    struct message {
        bool from_server, decisive;
        char what[40];
    } seen[MESSAGES];
} plan = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static proxy *wire;
static PGconn *other;
static atomic_bool hurry; /* the clock of deadlines runs fast */

/* ---- the clock ---- */

#define STEP_MS 4000
#define ENOUGH_MS 80000 /* past every deadline of impatient(); those that begin afterwards are as long as they say */

static atomic_llong ahead_ms, enough_ms;

static void do_not_sleep(void *data, int64_t ms)
{
    (void)data;
    (void)ms;
}

const mtnt__system *__real_mtnt__system_default(void);
const mtnt__system *__wrap_mtnt__system_default(void);

static int64_t boot_ms(void *data)
{
    const mtnt__system *real = __real_mtnt__system_default();

    (void)data;
    if (atomic_load(&hurry) && atomic_load(&ahead_ms) < atomic_load(&enough_ms))
        atomic_fetch_add(&ahead_ms, STEP_MS);
    return real->boot_ms(real->data) + atomic_load(&ahead_ms);
}

const mtnt__system *__wrap_mtnt__system_default(void)
{
    static mtnt__system system;

    if (system.boot_ms == NULL) {
        system = *__real_mtnt__system_default();
        system.sleep_ms = do_not_sleep;
        system.boot_ms = boot_ms;
    }
    return &system;
}

/* ---- what happens to messages ---- */

static void end_session(int backend)
{
    char sql[80];

    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)", backend);
    PQclear(PQexec(other, sql));
}

static proxy_action strike(const proxy_message *m)
{
    if (plan.for_ever)
        proxy_set_dead(wire, true);
    switch (plan.deed) {
    case CUT_BEFORE: return PROXY_CUT_BEFORE;
    case CUT_AFTER: return PROXY_CUT_AFTER;
    case TERMINATE:
        if (m->backend != 0)
            end_session(m->backend);
        return PROXY_PASS;
    case HOLD:
    case HOLD_LONGER:
        atomic_store(&enough_ms, atomic_load(&ahead_ms) + ENOUGH_MS);
        atomic_store(&hurry, true);
        return PROXY_HOLD;
    case DEEDS: break;
    }
    return PROXY_PASS;
}

static proxy_action on_message(void *data, const proxy_message *m)
{
    proxy_action action = PROXY_PASS;

    (void)data;
    pthread_mutex_lock(&plan.mutex);
    if (plan.armed) {
        if (plan.count < MESSAGES) {
            struct message *seen = plan.seen + plan.count;

            *seen = (struct message){.from_server = m->from_server, .decisive = m->decisive};
            snprintf(seen->what, sizeof(seen->what), "%c %s", m->type == '\0' ? '-' : m->type, m->text);
        }
        if (++plan.count == plan.at)
            action = strike(m);
    }
    pthread_mutex_unlock(&plan.mutex);
    return action;
}

static void arm(int at, enum deed deed, bool for_ever)
{
    pthread_mutex_lock(&plan.mutex);
    plan.armed = true;
    plan.for_ever = for_ever;
    plan.at = at;
    plan.count = 0;
    plan.deed = deed;
    pthread_mutex_unlock(&plan.mutex);
}

static void disarm(void)
{
    pthread_mutex_lock(&plan.mutex);
    plan.armed = false;
    pthread_mutex_unlock(&plan.mutex);
    atomic_store(&hurry, false);
    proxy_set_dead(wire, false);
}

static const char *told(const char *who, int at, enum deed deed)
{
    static char text[160];

    snprintf(text, sizeof(text), "%s, %s message %d (%s %s)", who, deed_names[deed], at,
             plan.seen[at - 1].from_server ? "answer" : "to the server", plan.seen[at - 1].what);
    return text;
}

/* ---- a worker ---- */

static mtnt_migration_options impatient(void)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.deadline_ms = options.unlock_deadline_ms = 20000;
    return options;
}

static fleet *new_fleet(pair which, const whole *w)
{
    fleet *f = fleet_new(which, 1, !w->creates);

    whole_add_chain(f, w, (body){0});
    return f;
}

/* Another process looks, once what was under way has arrived, or before that and again after. */
static void settle(fleet *f, enum deed deed, const char *when)
{
    int rc;

    disarm();
    if (deed != HOLD_LONGER)
        proxy_let_go(wire);
    fleet_reopen(f);
    whole_end_leases(f);
    rc = fleet_recover(f, 0);
    if (deed == HOLD_LONGER) {
        if (rc != 0 && rc != MTNT_E_BUSY && rc != MTNT_E_IN_DOUBT)
            fail_msg("%s: recovery beside it: %s: %s", when, mtnt_code_name(rc), f->err.message);
        proxy_let_go(wire);
        whole_end_leases(f);
        rc = fleet_recover(f, 0);
    }
    if (rc != 0)
        fail_msg("%s: not recovered: %s: %s", when, mtnt_code_name(rc), f->err.message);
    whole_sweep(f, when);
}

/* Returns how many messages there were. */
static int hurt_worker(pair which, const whole *w, int at, enum deed deed)
{
    const mtnt_migration_options options = impatient();
    fleet *f = new_fleet(which, w);
    char when[160] = "undisturbed";
    int rc, count;

    if (at > 0)
        snprintf(when, sizeof(when), "%s", told("worker", at, deed));
    arm(at, deed, false);
    rc = fleet_perform(f, 0, &options);
    count = plan.count;
    settle(f, deed, when);
    whole_check(f, 0, w, rc == 0, when);
    if (at == 0)
        assert_int_equal(rc, 0);
    whole_finish(f, 0, w, when);
    fleet_free(f);
    return count;
}

/* ---- a recovery of what a worker has left, which the whole network has gone from at a decisive message ---- */

static void hurt_recovery(pair which, const whole *w, int cut, enum deed how, int at, enum deed deed, int *ret_count)
{
    const mtnt_migration_options options = impatient();
    fleet *f = new_fleet(which, w);
    char when[160] = "left alone";
    int rc;

    arm(cut, how, true);
    rc = fleet_perform(f, 0, &options);
    disarm();
    whole_end_leases(f);
    fleet_reopen(f);
    whole_end_leases(f);
    if (at > 0)
        snprintf(when, sizeof(when), "%s", told("recovery", at, deed));
    arm(at, deed, false);
    fleet_recover(f, 0);
    *ret_count = plan.count;
    settle(f, deed, when);
    whole_check(f, 0, w, rc == 0, when);
    whole_finish(f, 0, w, when);
    fleet_free(f);
}

/* ---- which messages ---- */

static bool every(void)
{
    return getenv("MTNT_TEST_CRASH_ALL") != NULL;
}

typedef void (*hurt_fn)(pair which, const whole *w, int at, enum deed deed);

static void each_deed(pair which, const whole *w, int at, const struct message *m, hurt_fn hurt)
{
    /* Of an answer it is the loss that matters, of a request everything; databases take long to make. */
    static const bool of_answers[DEEDS] = {[CUT_BEFORE] = true, [HOLD] = true},
                      slow[DEEDS] = {[HOLD] = true, [TERMINATE] = true};

    for (enum deed deed = 0; deed < DEEDS; deed++) {
        bool taken = of_answers[deed] == m->from_server || (deed == CUT_BEFORE && !w->creates);

        if (every() || (taken && !(w->creates && slow[deed])))
            hurt(which, w, at, deed);
    }
}

static void hurt_each(pair which, const whole *w, const struct message *seen, int count, int samples, hurt_fn hurt)
{
    int decisive = 0, step = count / (samples + 1) + 1;

    for (int at = 1; at <= count; at++) {
        decisive += seen[at - 1].decisive;
        if (seen[at - 1].decisive || every())
            each_deed(which, w, at, seen + at - 1, hurt);
        else if (at % step == 0)
            hurt(which, w, at, (enum deed)(at / step % HOLD_LONGER));
    }
    if (decisive == 0)
        fail_msg("none of %d messages decides", count);
}

static void worker(pair which, const whole *w, int at, enum deed deed)
{
    hurt_worker(which, w, at, deed);
}

static struct message *copy_of_seen(int count)
{
    struct message *copy = calloc((size_t)count + 1, sizeof(*copy));

    assert_non_null(copy);
    assert_true(count > 0 && count <= MESSAGES);
    memcpy(copy, plan.seen, (size_t)count * sizeof(*copy));
    return copy;
}

static struct {
    int cut;
    enum deed how;
} left;

static void recovery(pair which, const whole *w, int at, enum deed deed)
{
    int ignored;

    hurt_recovery(which, w, left.cut, left.how, at, deed, &ignored);
}

static void hurt_recoveries(pair which, const whole *w, const struct message *seen, int count)
{
    for (int cut = 1; cut <= count; cut++) {
        struct message *of_recovery;
        int messages;

        /* Request on its way, and answer on its way: what one recovery finds is what the other one does not. */
        if (!seen[cut - 1].decisive || (seen[cut - 1].from_server && !every()))
            continue;
        if (w->creates && !every() && strstr(seen[cut - 1].what, "ALTER DATABASE") == NULL)
            continue;
        left.cut = cut;
        left.how = seen[cut - 1].from_server ? CUT_BEFORE : CUT_AFTER;
        hurt_recovery(which, w, left.cut, left.how, 0, CUT_BEFORE, &messages);
        if (messages == 0) /* the worker had ended it all the same */
            continue;
        of_recovery = copy_of_seen(messages);
        for (int at = 1, step = messages / 2 + 1; at <= messages; at++)
            if (every())
                each_deed(which, w, at, of_recovery + at - 1, recovery);
            else if (of_recovery[at - 1].decisive || at % step == 0)
                recovery(which, w, at, (enum deed)((at + cut) % HOLD_LONGER));
        free(of_recovery);
    }
}

static void run_on(pair which, whole w, bool recoveries)
{
    char folder[90];
    struct message *seen;
    int count;

    snprintf(folder, sizeof(folder), "%s/mtnt-proxy-XXXXXX",
             getenv("TMPDIR") != NULL && strlen(getenv("TMPDIR")) < 60 ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(folder));
    if (wire != NULL) { /* of a test that failed */
        disarm();
        proxy_stop(wire);
    }
    wire = proxy_start(folder, on_message, NULL);
    other = PQconnectdb(getenv("MTNT_TEST_PG"));
    assert_int_equal(PQstatus(other), CONNECTION_OK);
    fleet_settings.through = folder;
    fleet_settings.lock_timeout_ms = 300;
    count = hurt_worker(which, &w, 0, CUT_BEFORE);
    seen = copy_of_seen(count);
    if (recoveries)
        hurt_recoveries(which, &w, seen, count);
    else
        hurt_each(which, &w, seen, count, w.creates ? 3 : 6, worker);
    free(seen);
    fleet_settings.through = NULL;
    fleet_settings.lock_timeout_ms = 0;
    PQfinish(other);
    proxy_stop(wire);
    wire = NULL;
    rmdir(folder);
}

static void model(pair which)
{
    run_on(which, (whole){.writes = MTNT_WRITES_MODEL}, false);
}

static void both(pair which)
{
    run_on(which, (whole){.writes = WRITES_BOTH}, false);
}

static void created(pair which)
{
    run_on(which, (whole){.writes = WRITES_BOTH, .creates = true}, false);
}

static void both_recovered(pair which)
{
    run_on(which, (whole){.writes = WRITES_BOTH}, true);
}

static void created_recovered(pair which)
{
    run_on(which, (whole){.writes = WRITES_BOTH, .creates = true}, true);
}

int main(void)
{
    static const unsigned int with_postgres = ON_ALL & ~ON(PAIR_SQLITE);
    const unsigned int all = getenv("MTNT_TEST_CRASH_ALL") != NULL ? with_postgres : 0;
    const unsigned int two_phase = ON(PAIR_POSTGRES) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE_POSTGRES);
    const bare_test tests[] = {
        {"model", model, all | ON(PAIR_SQLITE_POSTGRES)},
        {"both", both, all | two_phase | ON(PAIR_SCHEMA)},
        {"created", created, all | ON(PAIR_SQLITE_POSTGRES)},
        {"both_recovered", both_recovered, all | two_phase},
        {"created_recovered", created_recovered, all | ON(PAIR_SQLITE_POSTGRES)},
    };

    return run_bare_tests("proxy", tests, sizeof(tests) / sizeof(*tests));
}
