/* Three tenants at work, each in a process of its own that now and then dies in the middle, and two recoverers over all of them, who take every
 * lease for over: in bounded rounds, from a seed (MTNT_TEST_SEED).
 *
 * Nothing lost: after each round and one recovery every tenant has the same operations in its model, in the model's own records and in the
 * controller; what a worker said to be done is done; and nothing is left prepared or unended. At the end everything goes through. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "coordinate/task.h"
#include "fleet_fixture.h"
#include "points.h"
#include "whole.h"

#define TENANTS 3
#define RECOVERERS 2
#define OPERATIONS 6

/* Whoever looks takes what there is. */
int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options);
int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options)
{
    (void)options;
    return 0;
}

static uint64_t seed, state;

static unsigned int random_below(unsigned int limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned int)(state >> 16) % limit;
}

/* Of a round, in memory of all. */
static struct shared {
    int stop; /* for the recoverers */
    struct {
        bool said; /* it came to an end, and says: */
        int rc;
        int64_t version;
    } workers[TENANTS];
} * shared;

/* ---- what the processes do ---- */

static struct plan {
    size_t tenant;
    bool backward;
    int die_at;
} plans[TENANTS];
static size_t next_plan;

static void work(fleet *f)
{
    const struct plan *p = plans + next_plan;
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    int rc;

    options.steps = 1;
    points_arm(p->die_at);
    rc = p->backward ? fleet_rewind(f, p->tenant, &options) : fleet_perform(f, p->tenant, &options);
    points_arm(0);
    shared->workers[p->tenant].rc = rc;
    shared->workers[p->tenant].version = f->outcome.to_version;
    shared->workers[p->tenant].said = true;
}

static void recover_all(fleet *f)
{
    while (!__atomic_load_n(&shared->stop, __ATOMIC_SEQ_CST))
        for (size_t tenant = 0; tenant < TENANTS; tenant++)
            fleet_recover(f, tenant);
}

/* ---- the rounds ---- */

static const char *when(int round)
{
    static char text[80];

    snprintf(text, sizeof(text), "round %d of MTNT_TEST_SEED=%llu", round, (unsigned long long)seed);
    return text;
}

static void complain(fleet *f, size_t tenant, int round, const char *what)
{
    fail_msg("%s, t%u: %s. tables %s, notes %s, applied %s, gids %s, tenant %s, worker %s: %s", when(round),
             (unsigned)tenant + 1, what, fleet_tables(f, tenant), fleet_notes(f, tenant), fleet_applied(f, tenant),
             fleet_gids(f), fleet_known(f, tenant),
             shared->workers[tenant].said ? mtnt_code_name(shared->workers[tenant].rc) : "died", f->err.message);
}

static void check(fleet *f, size_t tenant, int round)
{
    char expected[40], version[40];

    snprintf(expected, sizeof(expected), "%s%sprecious", fleet_notes(f, tenant),
             fleet_notes(f, tenant)[0] == '\0' ? "" : ";");
    if (strcmp(fleet_tables(f, tenant), expected) != 0)
        complain(f, tenant, round, "model and controller disagree");
    if (strcmp(fleet_applied(f, tenant), fleet_notes(f, tenant)) != 0 &&
        !(strcmp(fleet_applied(f, tenant), "-") == 0 && fleet_notes(f, tenant)[0] == '\0'))
        complain(f, tenant, round, "the records disagree");
    snprintf(version, sizeof(version), "idle|%u|", (unsigned)((strlen(fleet_notes(f, tenant)) + 1) / 2));
    if (strncmp(fleet_known(f, tenant), version, strlen(version)) != 0 &&
        !(strcmp(fleet_known(f, tenant), "-") == 0 && fleet_notes(f, tenant)[0] == '\0'))
        complain(f, tenant, round, "the controller's index is wrong");
    if (shared->workers[tenant].said && shared->workers[tenant].rc == 0 &&
        (strlen(fleet_notes(f, tenant)) + 1) / 2 != (size_t)shared->workers[tenant].version)
        complain(f, tenant, round, "it was said to be done, and is not");
}

static void play(fleet *f, int round)
{
    pid_t workers[TENANTS], recoverers[RECOVERERS];

    memset(shared, 0, sizeof(*shared));
    for (size_t i = 0; i < TENANTS; i++)
        plans[i] = (struct plan){i, random_below(4) == 0, random_below(2) == 0 ? 0 : 1 + (int)random_below(90)};
    for (size_t i = 0; i < RECOVERERS; i++)
        recoverers[i] = fleet_begin_child(f, recover_all);
    for (next_plan = 0; next_plan < TENANTS; next_plan++)
        workers[next_plan] = fleet_begin_child(f, work);
    for (size_t i = 0; i < TENANTS; i++)
        assert_int_equal(waitpid(workers[i], NULL, 0), workers[i]);
    __atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < RECOVERERS; i++)
        fleet_end_child(f, recoverers[i]);
    for (size_t tenant = 0; tenant < TENANTS; tenant++) {
        if (fleet_recover(f, tenant) != 0)
            complain(f, tenant, round, "it cannot be recovered");
        check(f, tenant, round);
    }
    whole_sweep(f, when(round));
}

static void rounds(pair which)
{
    static const char *const names[OPERATIONS] = {"a", "b", "c", "d", "e", "f"};
    fleet *f = fleet_new(which, TENANTS, true);
    int count = getenv("MTNT_TEST_CRASH_ALL") != NULL ? 100 : 5;

    state = seed + which * 7919 + 1;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    fleet_settings.lock_timeout_ms = 2000;
    for (size_t i = 0; i < OPERATIONS; i++)
        fleet_add(f, names[i], WRITES_BOTH);
    for (int round = 1; round <= count; round++)
        play(f, round);
    memset(shared, 0, sizeof(*shared));
    for (size_t tenant = 0; tenant < TENANTS; tenant++) {
        fleet_must_perform(f, tenant);
        assert_text(fleet_notes(f, tenant), "a;b;c;d;e;f");
        check(f, tenant, count);
    }
    fleet_settings.lock_timeout_ms = 0;
    munmap(shared, sizeof(*shared));
    fleet_free(f);
}

int main(void)
{
    static const bare_test tests[] = {{"rounds", rounds, ON_ALL}};
    const char *given = getenv("MTNT_TEST_SEED");

    seed = given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 10);
    printf("MTNT_TEST_SEED=%llu\n", (unsigned long long)seed);
    return run_bare_tests("recoverers", tests, sizeof(tests) / sizeof(*tests));
}
