/* One at a time, in order of arrival, under threads. */
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "coordinate/gate.h"

#define THREADS 8
#define TURNS 500

struct shared {
    mtnt__gate gate;
    int inside, most, turns; /* changed inside the gate only: ThreadSanitizer sees it when that is not so */
    int order[THREADS], count;
};

static void *crowd(void *data)
{
    struct shared *s = data;

    for (int i = 0; i < TURNS; i++) {
        mtnt__gate_enter(&s->gate);
        s->inside++;
        s->most = s->inside > s->most ? s->inside : s->most;
        s->turns++;
        s->inside--;
        mtnt__gate_leave(&s->gate);
    }
    return NULL;
}

static void one_at_a_time(void **state)
{
    struct shared s = {.most = 0};
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(mtnt__gate_init(&s.gate, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(threads + i, NULL, crowd, &s), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(s.most, 1);
    assert_int_equal(s.turns, THREADS * TURNS);
    mtnt__gate_release(&s.gate);
}

struct comer {
    struct shared *shared;
    int number;
};

static void *come(void *data)
{
    struct comer *comer = data;
    struct shared *s = comer->shared;

    mtnt__gate_enter(&s->gate);
    s->order[s->count++] = comer->number;
    mtnt__gate_leave(&s->gate);
    return NULL;
}

static uint64_t arrived(mtnt__gate *gate)
{
    uint64_t next;

    pthread_mutex_lock(&gate->mutex);
    next = gate->next;
    pthread_mutex_unlock(&gate->mutex);
    return next;
}

static void in_order_of_arrival(void **state)
{
    struct shared s = {.count = 0};
    struct comer comers[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(mtnt__gate_init(&s.gate, NULL), 0);
    mtnt__gate_enter(&s.gate);
    for (int i = 0; i < THREADS; i++) {
        comers[i] = (struct comer){&s, i};
        assert_int_equal(pthread_create(threads + i, NULL, come, comers + i), 0);
        while (arrived(&s.gate) < (uint64_t)i + 2)
            usleep(100);
    }
    mtnt__gate_leave(&s.gate);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(s.order[i], i);
    mtnt__gate_release(&s.gate);
}

static void *come_first(void *data)
{
    struct comer *comer = data;
    struct shared *s = comer->shared;

    mtnt__gate_enter_first(&s->gate);
    s->order[s->count++] = comer->number;
    mtnt__gate_leave(&s->gate);
    return NULL;
}

static size_t first_in_line(mtnt__gate *gate)
{
    size_t first;

    pthread_mutex_lock(&gate->mutex);
    first = gate->first;
    pthread_mutex_unlock(&gate->mutex);
    return first;
}

/* Whoever waits already: the heartbeat is the next. */
static void the_heartbeat_comes_first(void **state)
{
    struct shared s = {.count = 0};
    struct comer comers[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(mtnt__gate_init(&s.gate, NULL), 0);
    mtnt__gate_enter(&s.gate);
    for (int i = 0; i < THREADS - 1; i++) {
        comers[i] = (struct comer){&s, i + 1};
        assert_int_equal(pthread_create(threads + i, NULL, come, comers + i), 0);
        while (arrived(&s.gate) < (uint64_t)i + 2)
            usleep(100);
    }
    comers[THREADS - 1] = (struct comer){&s, 0};
    assert_int_equal(pthread_create(threads + THREADS - 1, NULL, come_first, comers + THREADS - 1), 0);
    while (first_in_line(&s.gate) == 0)
        usleep(100);
    mtnt__gate_leave(&s.gate);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(s.order[i], i);
    /* And when it is free, at once. */
    mtnt__gate_enter_first(&s.gate);
    mtnt__gate_leave(&s.gate);
    mtnt__gate_release(&s.gate);
}

static void *leave(void *data)
{
    mtnt__gate_leave(data);
    return NULL;
}

static void another_thread_may_leave(void **state)
{
    mtnt__gate gate;
    pthread_t thread;

    (void)state;
    assert_int_equal(mtnt__gate_init(&gate, NULL), 0);
    mtnt__gate_enter(&gate);
    assert_int_equal(pthread_create(&thread, NULL, leave, &gate), 0);
    mtnt__gate_enter(&gate);
    mtnt__gate_leave(&gate);
    pthread_join(thread, NULL);
    mtnt__gate_release(&gate);
}

static void no_gate(void **state)
{
    (void)state;
    mtnt__gate_enter(NULL);
    mtnt__gate_enter_first(NULL);
    mtnt__gate_leave(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(in_order_of_arrival),
        cmocka_unit_test(the_heartbeat_comes_first),
        cmocka_unit_test(another_thread_may_leave),
        cmocka_unit_test(no_gate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
