/* The heartbeat by itself: the clock and the controller are the tests' own, so that no time passes. Below, the thread, under ThreadSanitizer. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "coordinate/heartbeat.h"

#define INTERVAL_MS 10000
#define BODIES 3

/* ---- in place of the machine and of the controller ---- */

typedef struct body {
    mtnt__lease lease;
    mtnt__loss loss;
    int told;
    char why[100], migration[MTNT__ID_SIZE];
} body;

typedef struct fixture {
    mtnt__system system;
    int64_t now_ms, takes_ms; /* takes_ms: of each beat */
    mtnt__heartbeat *heartbeat;
    const char *script; /* an answer for each beat: ok, failed, held up, gone (no row); the last one stays */
    int beats;
    int64_t last_beat_ms;
    char renewed[200]; /* "t1 t2;t1": whom each beat was about */
    char taken[8];     /* this tenant's row does not come back */
    body *leaves;      /* removed while the beat is under way */
    body bodies[BODIES];
} fixture;

static int64_t fake_now(void *data)
{
    return ((fixture *)data)->now_ms;
}

static char next_answer(fixture *f)
{
    char answer = f->script[0];

    if (f->script[1] != '\0')
        f->script++;
    return answer;
}

static mtnt__beat fake_beat(void *data, mtnt__renewal *renewals, size_t count, mtnt_error *err)
{
    fixture *f = data;
    char answer = next_answer(f);

    f->beats++;
    f->last_beat_ms = f->now_ms;
    f->now_ms += f->takes_ms;
    for (size_t i = 0; i < count; i++) {
        strcat(f->renewed, i == 0 ? "" : " ");
        strcat(f->renewed, renewals[i].tenant);
        renewals[i].kept = answer == 'o' && strcmp(renewals[i].tenant, f->taken) != 0;
    }
    strcat(f->renewed, ";");
    if (f->leaves != NULL)
        mtnt__heartbeat_remove(f->heartbeat, &f->leaves->lease);
    f->leaves = NULL;
    if (answer == 'f')
        mtnt_error_set(err, MTNT_E_CONNECT, "no connection");
    return answer == 'f' ? MTNT__BEAT_FAILED : answer == 'h' ? MTNT__BEAT_HELD_UP : MTNT__BEAT_OK;
}

static void lost(void *data, mtnt__loss loss, const char *why)
{
    body *b = data;

    b->told++;
    b->loss = loss;
    strncpy(b->why, why, sizeof(b->why) - 1);
}

static void hold(fixture *f, int number)
{
    static const char *const tenants[BODIES] = {"t1", "t2", "t3"};
    static const char *const migrations[BODIES] = {
        "11111111111111111111111111111111", "22222222222222222222222222222222", "33333333333333333333333333333333"};
    body *b = f->bodies + number - 1;

    *b = (body){.lease = {.tenant = tenants[number - 1], .epoch = number, .lost = lost, .data = b}};
    memcpy(b->migration, migrations[number - 1], sizeof(b->migration));
    b->lease.migration = b->migration;
    mtnt__heartbeat_add(f->heartbeat, &b->lease);
}

static void let_go(fixture *f, int number)
{
    mtnt__heartbeat_remove(f->heartbeat, &f->bodies[number - 1].lease);
}

static fixture *new_fixture(int retries, const char *script)
{
    fixture *f = test_calloc(1, sizeof(*f));
    const mtnt__pulse pulse = {&f->system, INTERVAL_MS, retries, fake_beat, NULL, NULL, f};

    f->system = (mtnt__system){.boot_ms = fake_now, .data = f};
    f->now_ms = 1000000;
    f->script = script;
    assert_int_equal(mtnt__heartbeat_new(&f->heartbeat, &pulse, NULL), 0);
    return f;
}

static void free_fixture(fixture *f)
{
    mtnt__heartbeat_free(f->heartbeat);
    test_free(f);
}

/* As its thread does it: waits for as long as it is told, `times` times. */
static void go_on(fixture *f, int times)
{
    for (int i = 0; i < times; i++) {
        int64_t left = mtnt__heartbeat_tick(f->heartbeat);

        if (left < 0)
            return;
        f->now_ms += left;
    }
}

/* ---- when ---- */

static void nothing_to_renew(void **state)
{
    fixture *f = new_fixture(1, "o");

    (void)state;
    assert_int_equal(mtnt__heartbeat_tick(f->heartbeat), -1);
    f->now_ms += 10 * INTERVAL_MS;
    assert_int_equal(mtnt__heartbeat_tick(f->heartbeat), -1);
    assert_int_equal(f->beats, 0);
    /* The first beat comes an interval after the first lease, however long there was none. */
    hold(f, 1);
    assert_int_equal(mtnt__heartbeat_tick(f->heartbeat), INTERVAL_MS);
    f->now_ms += INTERVAL_MS - 1;
    assert_int_equal(mtnt__heartbeat_tick(f->heartbeat), 1);
    assert_int_equal(f->beats, 0);
    f->now_ms += 1;
    assert_int_equal(mtnt__heartbeat_tick(f->heartbeat), INTERVAL_MS);
    assert_int_equal(f->beats, 1);
    let_go(f, 1);
    assert_int_equal(mtnt__heartbeat_tick(f->heartbeat), -1);
    free_fixture(f);
}

static void one_statement_for_all(void **state)
{
    fixture *f = new_fixture(1, "o");

    (void)state;
    hold(f, 1);
    f->now_ms += INTERVAL_MS / 2;
    hold(f, 2);
    go_on(f, 2);
    assert_string_equal(f->renewed, "t1 t2;");
    hold(f, 3);
    let_go(f, 1);
    go_on(f, 1);
    assert_string_equal(f->renewed, "t1 t2;t2 t3;");
    let_go(f, 3);
    let_go(f, 3); /* twice is fine */
    go_on(f, 1);
    assert_string_equal(f->renewed, "t1 t2;t2 t3;t2;");
    for (int i = 0; i < BODIES; i++)
        assert_int_equal(f->bodies[i].told, 0);
    let_go(f, 2);
    free_fixture(f);
}

/* Beats begin an interval apart, however long one takes: that is what a lease's length rests on. */
static void slow_beats(void **state)
{
    fixture *f = new_fixture(1, "o");
    int64_t first_ms;

    (void)state;
    f->takes_ms = INTERVAL_MS - 3000;
    hold(f, 1);
    go_on(f, 1);
    assert_int_equal(mtnt__heartbeat_tick(f->heartbeat), 3000);
    first_ms = f->last_beat_ms;
    f->now_ms += 3000;
    go_on(f, 1);
    assert_int_equal(f->last_beat_ms - first_ms, INTERVAL_MS);
    /* After a suspend of hours there is one beat, and not all that were missed. */
    f->now_ms += 3 * 60 * 60 * 1000;
    f->takes_ms = 0;
    f->beats = 0;
    assert_int_equal(mtnt__heartbeat_tick(f->heartbeat), INTERVAL_MS);
    assert_int_equal(f->beats, 1);
    let_go(f, 1);
    free_fixture(f);
}

/* ---- B5 ---- */

static void b5_retries_2_always_fails(void **state)
{
    fixture *f = new_fixture(2, "f");

    (void)state;
    hold(f, 1);
    hold(f, 2);
    go_on(f, 3);
    assert_int_equal(f->beats, 2);
    assert_int_equal(f->bodies[0].told + f->bodies[1].told, 0);
    go_on(f, 20);
    assert_int_equal(f->beats, 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(f->bodies[i].told, 1);
        assert_int_equal(f->bodies[i].loss, MTNT__LOSS_UNRENEWED);
        assert_string_equal(f->bodies[i].why, "no connection");
    }
    let_go(f, 1);
    let_go(f, 2);
    /* And whoever is claimed later begins anew. */
    f->script = "o";
    hold(f, 3);
    go_on(f, 3);
    assert_int_equal(f->beats, 5);
    assert_int_equal(f->bodies[2].told, 0);
    let_go(f, 3);
    free_fixture(f);
}

static void b5_an_ok_makes_up(void **state)
{
    fixture *f = new_fixture(1, "fofofoo");

    (void)state;
    hold(f, 1);
    go_on(f, 8);
    assert_int_equal(f->beats, 7);
    assert_int_equal(f->bodies[0].told, 0);
    f->script = "ff";
    go_on(f, 20);
    assert_int_equal(f->beats, 9);
    assert_int_equal(f->bodies[0].told, 1);
    let_go(f, 1);
    free_fixture(f);
}

static void b5_no_retries(void **state)
{
    fixture *f = new_fixture(0, "f");

    (void)state;
    hold(f, 1);
    go_on(f, 20);
    assert_int_equal(f->beats, 1);
    assert_int_equal(f->bodies[0].told, 1);
    let_go(f, 1);
    free_fixture(f);
}

/* A lease that was claimed a moment ago has all of its time, whatever has failed for the others. */
static void failures_are_counted_for_each(void **state)
{
    fixture *f = new_fixture(1, "f");

    (void)state;
    hold(f, 1);
    go_on(f, 2);
    assert_int_equal(f->beats, 1);
    hold(f, 2);
    go_on(f, 1);
    assert_int_equal(f->beats, 2);
    assert_int_equal(f->bodies[0].told, 1);
    assert_int_equal(f->bodies[1].told, 0);
    go_on(f, 1);
    assert_int_equal(f->bodies[1].told, 1);
    assert_string_equal(f->renewed, "t1;t1 t2;t2;");
    let_go(f, 1);
    let_go(f, 2);
    free_fixture(f);
}

/* Nobody could have taken them: it may go on like this for hours. */
static void held_up_is_no_failure(void **state)
{
    fixture *f = new_fixture(0, "h");

    (void)state;
    hold(f, 1);
    go_on(f, 50);
    assert_int_equal(f->beats, 49);
    assert_int_equal(f->bodies[0].told, 0);
    /* It is no success either: failures around it count as they come. */
    let_go(f, 1);
    free_fixture(f);
    f = new_fixture(1, "fhhf");
    hold(f, 1);
    go_on(f, 20);
    assert_int_equal(f->beats, 4);
    assert_int_equal(f->bodies[0].told, 1);
    let_go(f, 1);
    free_fixture(f);
}

/* ---- B6 ---- */

static void b6_no_row(void **state)
{
    fixture *f = new_fixture(5, "o");

    (void)state;
    hold(f, 1);
    hold(f, 2);
    hold(f, 3);
    strcpy(f->taken, "t2");
    go_on(f, 2);
    assert_int_equal(f->beats, 1);
    assert_int_equal(f->bodies[1].told, 1);
    assert_int_equal(f->bodies[1].loss, MTNT__LOSS_TAKEN);
    assert_int_equal(f->bodies[0].told + f->bodies[2].told, 0);
    /* It is told once, and is not asked for again. */
    go_on(f, 2);
    assert_string_equal(f->renewed, "t1 t2 t3;t1 t3;t1 t3;");
    assert_int_equal(f->bodies[1].told, 1);
    for (int i = 1; i <= BODIES; i++)
        let_go(f, i);
    free_fixture(f);
}

static void b6_no_row_at_all(void **state)
{
    fixture *f = new_fixture(5, "g");

    (void)state;
    hold(f, 1);
    hold(f, 2);
    go_on(f, 20);
    assert_int_equal(f->beats, 1);
    assert_int_equal(f->bodies[0].told, 1);
    assert_int_equal(f->bodies[1].told, 1);
    let_go(f, 1);
    let_go(f, 2);
    free_fixture(f);
}

/* ---- in flight ---- */

/* Its end was written while the beat was under way: the row does not come back, and nothing is lost. */
static void ended_meanwhile(void **state)
{
    fixture *f = new_fixture(0, "o");

    (void)state;
    hold(f, 1);
    hold(f, 2);
    strcpy(f->taken, "t1");
    f->leaves = f->bodies;
    go_on(f, 2);
    assert_int_equal(f->beats, 1);
    assert_int_equal(f->bodies[0].told, 0);
    assert_int_equal(f->bodies[1].told, 0);
    let_go(f, 2);
    free_fixture(f);
}

static mtnt__beat beat_of_another(void *data, mtnt__renewal *renewals, size_t count, mtnt_error *err)
{
    fixture *f = data;

    (void)err;
    f->beats++;
    for (size_t i = 0; i < count; i++)
        renewals[i].kept = false;
    /* The same task, at the same place, with its next claim. */
    let_go(f, 1);
    hold(f, 1);
    return MTNT__BEAT_OK;
}

static void claimed_anew_meanwhile(void **state)
{
    fixture *f = new_fixture(0, "o");
    const mtnt__pulse pulse = {&f->system, INTERVAL_MS, 0, beat_of_another, NULL, NULL, f};

    (void)state;
    mtnt__heartbeat_free(f->heartbeat);
    assert_int_equal(mtnt__heartbeat_new(&f->heartbeat, &pulse, NULL), 0);
    hold(f, 1);
    go_on(f, 2);
    assert_int_equal(f->beats, 1);
    assert_int_equal(f->bodies[0].told, 0);
    let_go(f, 1);
    free_fixture(f);
}

/* ---- with a thread ---- */

#define HOLDERS 4
#define TURNS 200

typedef struct crowd {
    mtnt__heartbeat *heartbeat;
    atomic_int beats, told, hurried;
    atomic_bool slow, gone;
} crowd;

static mtnt__beat quick_beat(void *data, mtnt__renewal *renewals, size_t count, mtnt_error *err)
{
    crowd *c = data;

    atomic_fetch_add(&c->beats, 1);
    while (atomic_load(&c->slow) && atomic_load(&c->hurried) == 0)
        usleep(100);
    for (size_t i = 0; i < count; i++)
        renewals[i].kept = !atomic_load(&c->gone) || i % 2 == 0;
    if (atomic_load(&c->hurried) > 0) {
        mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
        return MTNT__BEAT_FAILED;
    }
    return MTNT__BEAT_OK;
}

static void hurry(void *data)
{
    atomic_fetch_add(&((crowd *)data)->hurried, 1);
}

static void crowd_lost(void *data, mtnt__loss loss, const char *why)
{
    crowd *c = data;

    (void)loss;
    (void)why;
    atomic_fetch_add(&c->told, 1);
    usleep(50);
}

static void *come_and_go(void *data)
{
    crowd *c = data;

    for (int i = 0; i < TURNS; i++) {
        mtnt__lease *lease = malloc(sizeof(*lease));

        if (lease == NULL)
            return NULL;
        *lease = (mtnt__lease){.tenant = "t", .migration = "11111111111111111111111111111111", .epoch = i};
        lease->lost = crowd_lost;
        lease->data = c;
        mtnt__heartbeat_add(c->heartbeat, lease);
        usleep(100);
        mtnt__heartbeat_remove(c->heartbeat, lease);
        memset(lease, 0x5a, sizeof(*lease));
        free(lease);
    }
    return NULL;
}

static void race(void **state)
{
    crowd c = {.beats = 0};
    const mtnt__pulse pulse = {mtnt__system_default(), 1, 0, quick_beat, hurry, NULL, &c};
    pthread_t threads[HOLDERS];

    (void)state;
    atomic_store(&c.gone, true);
    assert_int_equal(mtnt__heartbeat_new(&c.heartbeat, &pulse, NULL), 0);
    assert_int_equal(mtnt__heartbeat_start(c.heartbeat, NULL), 0);
    for (int i = 0; i < HOLDERS; i++)
        assert_int_equal(pthread_create(threads + i, NULL, come_and_go, &c), 0);
    for (int i = 0; i < HOLDERS; i++)
        pthread_join(threads[i], NULL);
    mtnt__heartbeat_free(c.heartbeat);
    assert_true(atomic_load(&c.beats) > 0);
    assert_true(atomic_load(&c.told) <= HOLDERS * TURNS);
}

/* A beat in flight at the end is no failure: nobody is told, and it does not hold up the end. */
static void in_flight_at_the_end(void **state)
{
    crowd c = {.beats = 0};
    const mtnt__pulse pulse = {mtnt__system_default(), 1, 0, quick_beat, hurry, NULL, &c};
    mtnt__lease lease = {
        .tenant = "t", .migration = "11111111111111111111111111111111", .lost = crowd_lost, .data = &c};

    (void)state;
    atomic_store(&c.slow, true);
    assert_int_equal(mtnt__heartbeat_new(&c.heartbeat, &pulse, NULL), 0);
    assert_int_equal(mtnt__heartbeat_start(c.heartbeat, NULL), 0);
    mtnt__heartbeat_add(c.heartbeat, &lease);
    while (atomic_load(&c.beats) == 0)
        usleep(100);
    mtnt__heartbeat_free(c.heartbeat);
    assert_int_equal(atomic_load(&c.hurried), 1);
    assert_int_equal(atomic_load(&c.told), 0);
}

static void nothing_to_free(void **state)
{
    (void)state;
    mtnt__heartbeat_free(NULL);
}

/* ---- how long a lease is ---- */

static void length_of_a_lease(void **state)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    (void)state;
    assert_int_equal(mtnt__heartbeat_ms(&options), 10000);
    assert_int_equal(mtnt__heartbeat_retries(&options), 1);
    assert_int_equal(mtnt__lease_ms(&options), 40000);
    options.heartbeat_ms = 60000;
    options.heartbeat_retries = 3;
    assert_int_equal(mtnt__lease_ms(&options), 310000);
    options.heartbeat_retries = -1;
    assert_int_equal(mtnt__heartbeat_retries(&options), 0);
    assert_int_equal(mtnt__lease_ms(&options), 130000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_renew),
        cmocka_unit_test(one_statement_for_all),
        cmocka_unit_test(slow_beats),
        cmocka_unit_test(b5_retries_2_always_fails),
        cmocka_unit_test(b5_an_ok_makes_up),
        cmocka_unit_test(b5_no_retries),
        cmocka_unit_test(failures_are_counted_for_each),
        cmocka_unit_test(held_up_is_no_failure),
        cmocka_unit_test(b6_no_row),
        cmocka_unit_test(b6_no_row_at_all),
        cmocka_unit_test(ended_meanwhile),
        cmocka_unit_test(claimed_anew_meanwhile),
        cmocka_unit_test(race),
        cmocka_unit_test(in_flight_at_the_end),
        cmocka_unit_test(nothing_to_free),
        cmocka_unit_test(length_of_a_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
