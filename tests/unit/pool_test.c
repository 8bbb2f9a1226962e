/* The pool of threads by itself: the tasks here are ours, and do nothing but count. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fleet/pool.h"

#define CAPACITY 64

/* ---- in place of lib/coordinate ---- */

static atomic_int at_work, most_at_work, ran, links_released;
static atomic_bool hold; /* tasks run until it is false, or they are cancelled */

static atomic_int recovered;

void mtnt__task_recover(mtnt__task *task, mtnt__link *link)
{
    if (link->controller == NULL || !task->recovering)
        abort();
    atomic_fetch_add(&recovered, 1);
}

/* Like a migration in two phases: the answer of the last one is collected in the middle, its own is yet to come. */
static atomic_bool linger;
static atomic_int collected, lingered;

static bool linger_on(mtnt__task *task, mtnt__link *link)
{
    if (link->finish.attempt != NULL)
        link->collect(link->collect_data);
    if (link->finish.attempt != NULL)
        abort();
    if (!atomic_load(&linger))
        return false;
    link->finish.attempt = &task->attempt;
    atomic_fetch_add(&lingered, 1);
    return true;
}

void mtnt__task_collect(mtnt__task *task, mtnt__link *link)
{
    if (link->finish.attempt != &task->attempt)
        abort();
    link->finish.attempt = NULL;
    atomic_fetch_add(&collected, 1);
}

bool mtnt__task_run(mtnt__task *task, mtnt__link *link)
{
    int now = atomic_fetch_add(&at_work, 1) + 1, most = atomic_load(&most_at_work);

    if (link->controller == NULL)
        abort();
    while (now > most && !atomic_compare_exchange_weak(&most_at_work, &most, now))
        ;
    while (atomic_load(&hold) && !atomic_load(&task->cancelled))
        usleep(200);
    task->result_code = atomic_load(&task->cancelled) ? MTNT_E_CANCELLED : 0;
    atomic_fetch_sub(&at_work, 1);
    atomic_fetch_add(&ran, 1);
    return !linger_on(task, link);
}

void mtnt__task_cancel(mtnt__task *task)
{
    atomic_store(&task->cancelled, true);
}

void mtnt__link_release(mtnt__link *link)
{
    (void)link;
    atomic_fetch_add(&links_released, 1);
}

/* ---- the pool at work ---- */

typedef struct fixture {
    mtnt_controller controller;
    mtnt__gate gate;
    mtnt__pool *pool;
    mtnt__pool_news news;
    mtnt__task tasks[CAPACITY];
} fixture;

static fixture *new_fixture(size_t workers)
{
    fixture *f = test_calloc(1, sizeof(*f));

    atomic_store(&ran, 0);
    atomic_store(&most_at_work, 0);
    atomic_store(&links_released, 0);
    atomic_store(&hold, false);
    f->news.started = test_calloc(CAPACITY, sizeof(mtnt__task *));
    f->news.done = test_calloc(CAPACITY, sizeof(mtnt__task *));
    assert_int_equal(mtnt__gate_init(&f->gate, NULL), 0);
    assert_int_equal(
        mtnt__pool_new(&f->pool, &f->controller, &f->gate, NULL, NULL, NULL, NULL, workers, CAPACITY, NULL), 0);
    return f;
}

static void free_fixture(fixture *f)
{
    mtnt__gate_release(&f->gate);
    test_free(f->news.started);
    test_free(f->news.done);
    test_free(f);
}

static void come_back(size_t workers)
{
    fixture *f = new_fixture(workers);
    size_t done = 0, started = 0, pushed = 0;
    int met[CAPACITY] = {0};

    /* More than its capacity in all, so that the ring goes round. */
    while (done < 1000) {
        while (pushed < 1000 && pushed - done < CAPACITY)
            mtnt__pool_push(f->pool, f->tasks + pushed++ % CAPACITY);
        mtnt__pool_take(f->pool, &f->news, 1000);
        for (size_t i = 0; i < f->news.done_count; i++)
            met[f->news.done[i] - f->tasks]++;
        started += f->news.started_count;
        done += f->news.done_count;
        assert_true(f->news.waiting + f->news.running == pushed - done);
    }
    assert_int_equal(started, 1000);
    assert_int_equal(atomic_load(&ran), 1000);
    assert_true(atomic_load(&most_at_work) <= (int)workers);
    for (size_t i = 0; i < CAPACITY; i++)
        assert_true(met[i] >= 1000 / CAPACITY);
    mtnt__pool_free(f->pool);
    assert_int_equal(atomic_load(&links_released), workers);
    free_fixture(f);
}

static void all_tasks_come_back(void **state)
{
    (void)state;
    come_back(4);
}

/* With nothing else to do, at once; else while the next one is at work; never twice. */
static void answers_are_collected(void **state)
{
    (void)state;
    atomic_store(&linger, true);
    atomic_store(&collected, 0);
    atomic_store(&lingered, 0);
    come_back(4);
    come_back(1);
    atomic_store(&linger, false);
    assert_int_equal(atomic_load(&lingered), 2000);
    assert_int_equal(atomic_load(&collected), 2000);
}

static void wait_until_running(fixture *f, size_t count)
{
    do
        mtnt__pool_take(f->pool, &f->news, 5);
    while (f->news.running < count);
}

static void withdraws_what_waits(void **state)
{
    fixture *f = new_fixture(2);
    mtnt__task *back[CAPACITY];

    (void)state;
    atomic_store(&hold, true);
    for (size_t i = 0; i < 5; i++)
        mtnt__pool_push(f->pool, f->tasks + i);
    wait_until_running(f, 2);
    assert_int_equal(mtnt__pool_withdraw(f->pool, back), 3);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(back[i], f->tasks + i + 2);
    assert_int_equal(mtnt__pool_withdraw(f->pool, back), 0);
    /* It takes new ones after that. */
    mtnt__pool_push(f->pool, f->tasks + 4);
    atomic_store(&hold, false);
    for (size_t done = 0; done < 3; done += f->news.done_count)
        mtnt__pool_take(f->pool, &f->news, 1000);
    mtnt__pool_free(f->pool);
    assert_int_equal(atomic_load(&ran), 3);
    free_fixture(f);
}

static void recovers_what_was_interrupted(void **state)
{
    fixture *f = new_fixture(2);

    (void)state;
    atomic_store(&recovered, 0);
    f->tasks[1].recovering = f->tasks[3].recovering = true;
    for (size_t i = 0; i < 5; i++)
        mtnt__pool_push(f->pool, f->tasks + i);
    for (size_t done = 0; done < 5; done += f->news.done_count)
        mtnt__pool_take(f->pool, &f->news, 1000);
    mtnt__pool_free(f->pool);
    assert_int_equal(atomic_load(&recovered), 2);
    assert_int_equal(atomic_load(&ran), 3);
    free_fixture(f);
}

static void cancels_what_runs(void **state)
{
    fixture *f = new_fixture(3);

    (void)state;
    atomic_store(&hold, true);
    for (size_t i = 0; i < 5; i++)
        mtnt__pool_push(f->pool, f->tasks + i);
    wait_until_running(f, 3);
    mtnt__pool_cancel_running(f->pool);
    for (size_t done = 0; done < 3; done += f->news.done_count) {
        mtnt__pool_take(f->pool, &f->news, 1000);
        for (size_t i = 0; i < f->news.done_count; i++)
            assert_int_equal(f->news.done[i]->result_code, MTNT_E_CANCELLED);
    }
    /* Those that waited run on, uncancelled. */
    assert_false(atomic_load(&f->tasks[3].cancelled));
    assert_false(atomic_load(&f->tasks[4].cancelled));
    atomic_store(&hold, false);
    mtnt__pool_free(f->pool);
    free_fixture(f);
}

static void *wake(void *data)
{
    usleep(20000);
    mtnt__pool_wake(data);
    return NULL;
}

static void wakes_the_taker(void **state)
{
    const mtnt__system *system = mtnt__system_default();
    fixture *f = new_fixture(1);
    int64_t before = system->boot_ms(NULL);
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wake, f->pool), 0);
    mtnt__pool_take(f->pool, &f->news, 60000);
    assert_true(system->boot_ms(NULL) - before < 30000);
    assert_int_equal(f->news.done_count, 0);
    pthread_join(thread, NULL);
    mtnt__pool_free(f->pool);
    free_fixture(f);
}

static void *cancel_later(void *data)
{
    fixture *f = data;

    usleep(300000);
    for (size_t i = 0; i < 5; i++)
        mtnt__task_cancel(f->tasks + i);
    return NULL;
}

static void free_leaves_what_waits(void **state)
{
    fixture *f = new_fixture(1);
    pthread_t thread;

    (void)state;
    atomic_store(&hold, true);
    for (size_t i = 0; i < 5; i++)
        mtnt__pool_push(f->pool, f->tasks + i);
    wait_until_running(f, 1);
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, f), 0);
    /* Its one worker is at work: ending waits for that task, and begins no other. */
    mtnt__pool_free(f->pool);
    assert_int_equal(atomic_load(&ran), 1);
    pthread_join(thread, NULL);
    free_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_tasks_come_back),    cmocka_unit_test(answers_are_collected),
        cmocka_unit_test(withdraws_what_waits),   cmocka_unit_test(recovers_what_was_interrupted),
        cmocka_unit_test(cancels_what_runs),      cmocka_unit_test(wakes_the_taker),
        cmocka_unit_test(free_leaves_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
