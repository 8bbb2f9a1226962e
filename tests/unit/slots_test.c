/* No more of a server's prepared transactions at once than it has, whatever the number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "coordinate/slots.h"

#define THREADS 8
#define ROUNDS 200
#define CAPACITY 3

struct race {
    mtnt__slots slots;
    atomic_int inside, most, entered;
};

static void *enter_and_leave(void *data)
{
    struct race *race = data;

    for (int i = 0; i < ROUNDS; i++) {
        int now, most;

        if (mtnt__slots_enter(&race->slots, "db-7:5432", CAPACITY, NULL) != 0)
            return NULL;
        now = atomic_fetch_add(&race->inside, 1) + 1;
        most = atomic_load(&race->most);
        while (now > most && !atomic_compare_exchange_weak(&race->most, &most, now))
            ;
        atomic_fetch_add(&race->entered, 1);
        atomic_fetch_sub(&race->inside, 1);
        mtnt__slots_leave(&race->slots, "db-7:5432");
    }
    return NULL;
}

static void capacity_holds_under_threads(void **state)
{
    struct race race = {.inside = 0};
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(mtnt__slots_init(&race.slots, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, enter_and_leave, &race), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&race.entered), THREADS * ROUNDS);
    assert_in_range((uintmax_t)atomic_load(&race.most), 1, CAPACITY);
    mtnt__slots_release(&race.slots);
}

static void servers_do_not_wait_for_each_other(void **state)
{
    mtnt__slots slots;

    (void)state;
    assert_int_equal(mtnt__slots_init(&slots, NULL), 0);
    assert_int_equal(mtnt__slots_enter(&slots, "a:1", 1, NULL), 0);
    assert_int_equal(mtnt__slots_enter(&slots, "b:1", 1, NULL), 0);
    mtnt__slots_leave(&slots, "a:1");
    assert_int_equal(mtnt__slots_enter(&slots, "a:1", 1, NULL), 0);
    mtnt__slots_release(&slots);
}

static void a_reserve_is_kept(void **state)
{
    (void)state;
    assert_int_equal(mtnt__slots_capacity(1), 1);
    assert_int_equal(mtnt__slots_capacity(2), 1);
    assert_int_equal(mtnt__slots_capacity(10), 8);
    assert_int_equal(mtnt__slots_capacity(64), 55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_holds_under_threads),
        cmocka_unit_test(servers_do_not_wait_for_each_other),
        cmocka_unit_test(a_reserve_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
