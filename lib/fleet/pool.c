#include "fleet/pool.h"

#include <stdlib.h>

#include "base/later.h"

#define TURN_WAIT_MS 5 /* while other lanes have all tenants that wait here */

struct worker {
    mtnt__pool *pool;
    pthread_t thread;
    bool joinable;
    mtnt__link link;
    mtnt__task *task;      /* at work; NULL = idle */
    mtnt__task *lingering; /* decided, its last answer yet to come; NULL = none */
};

struct mtnt__pool {
    pthread_mutex_t mutex;
    pthread_cond_t work, news;
    struct worker *workers;
    size_t worker_count, capacity;
    mtnt__task **waiting, **started, **done;
    size_t waiting_first, waiting_count, started_count, done_count, running;
    mtnt__turns *turns;
    int64_t allowed; /* failures; below 0 nothing is begun */
    bool woken, stopping;
};

static mtnt__task **waiting_at(mtnt__pool *pool, size_t index)
{
    return pool->waiting + (pool->waiting_first + index) % pool->capacity;
}

static bool has_turn(mtnt__pool *pool, const mtnt__task *task)
{
    return pool->turns == NULL || mtnt__turns_take(pool->turns, mtnt_model_id(task->model));
}

/* The first that has its turn; NULL = none may be begun. */
static mtnt__task *next_task(mtnt__pool *pool)
{
    mtnt__task *task;
    size_t at = 0;

    if (pool->allowed < 0)
        return NULL;
    while (at < pool->waiting_count && !has_turn(pool, *waiting_at(pool, at)))
        at++;
    if (at == pool->waiting_count)
        return NULL;
    task = *waiting_at(pool, at);
    for (; at > 0; at--)
        *waiting_at(pool, at) = *waiting_at(pool, at - 1);
    pool->waiting_first = (pool->waiting_first + 1) % pool->capacity;
    pool->waiting_count--;
    pool->started[pool->started_count++] = task;
    pool->running++;
    return task;
}

static bool has_failed(const mtnt__task *task)
{
    return task->result_code != 0 && (task->recovering || task->phase == MTNT__TASK_DONE);
}

/* Until something may be begun: nobody tells of a turn that another lane has given back. */
static void wait_for_work(mtnt__pool *pool)
{
    struct timespec until;

    if (pool->turns == NULL || pool->waiting_count == 0 || pool->allowed < 0) {
        pthread_cond_wait(&pool->work, &pool->mutex);
        return;
    }
    until = mtnt__later(TURN_WAIT_MS);
    (void)pthread_cond_timedwait(&pool->work, &pool->mutex, &until);
}

/* The pool's mutex is held. */
static void hand_back(mtnt__pool *pool, mtnt__task *task)
{
    if (pool->turns != NULL)
        mtnt__turns_give(pool->turns, mtnt_model_id(task->model));
    pool->done[pool->done_count++] = task;
    if (pool->allowed != INT64_MAX && has_failed(task))
        pool->allowed--;
    pool->running--;
    pthread_cond_signal(&pool->news);
}

static void collect(void *data)
{
    struct worker *worker = data;
    mtnt__task *task = worker->lingering;

    if (task == NULL)
        return;
    worker->lingering = NULL;
    mtnt__task_collect(task, &worker->link);
    pthread_mutex_lock(&worker->pool->mutex);
    hand_back(worker->pool, task);
    pthread_mutex_unlock(&worker->pool->mutex);
}

/* Not longer than there is something else to do. */
static bool run(struct worker *worker)
{
    if (worker->task->recovering) {
        collect(worker);
        mtnt__task_recover(worker->task, &worker->link);
        return true;
    }
    if (mtnt__task_run(worker->task, &worker->link)) {
        collect(worker);
        return true;
    }
    return false;
}

static void *work(void *data)
{
    struct worker *worker = data;
    mtnt__pool *pool = worker->pool;

    pthread_mutex_lock(&pool->mutex);
    while (!pool->stopping) {
        bool ended;

        worker->task = next_task(pool);
        if (worker->task == NULL && worker->lingering == NULL) {
            wait_for_work(pool);
            continue;
        }
        if (worker->task == NULL) {
            pthread_mutex_unlock(&pool->mutex);
            collect(worker);
            pthread_mutex_lock(&pool->mutex);
            continue;
        }
        pthread_mutex_unlock(&pool->mutex);
        ended = run(worker);
        pthread_mutex_lock(&pool->mutex);
        if (ended)
            hand_back(pool, worker->task);
        else
            worker->lingering = worker->task;
        worker->task = NULL;
    }
    pthread_mutex_unlock(&pool->mutex);
    collect(worker);
    mtnt__link_release(&worker->link);
    return NULL;
}

static int init_sync(mtnt__pool *pool)
{
    int rc = mtnt__later_init(&pool->news, NULL);

    if (rc != 0)
        return rc;
    rc = mtnt__later_init(&pool->work, NULL);
    if (rc != 0)
        goto no_work;
    rc = pthread_mutex_init(&pool->mutex, NULL);
    if (rc == 0)
        return 0;
    pthread_cond_destroy(&pool->work);
no_work:
    pthread_cond_destroy(&pool->news);
    return rc;
}

static int start_workers(mtnt__pool *pool, const mtnt_controller *controller, mtnt__gate *gate, mtnt__slots *slots,
                         mtnt__jointly *jointly, const mtnt_isolation *isolation, mtnt_error *err)
{
    for (size_t i = 0; i < pool->worker_count; i++) {
        struct worker *worker = pool->workers + i;

        *worker = (struct worker){.pool = pool,
                                  .link = {.controller = controller,
                                           .gate = gate,
                                           .slots = slots,
                                           .jointly = jointly,
                                           .collect = collect,
                                           .collect_data = worker,
                                           .isolation = isolation}};
        if (pthread_create(&worker->thread, NULL, work, worker) != 0)
            return mtnt_error_set(err, MTNT_E_NOMEM, "only %zu of %zu threads could be started; use fewer workers", i,
                                  pool->worker_count);
        worker->joinable = true;
    }
    return 0;
}

int mtnt__pool_new(mtnt__pool **ret_pool, const mtnt_controller *controller, mtnt__gate *gate, mtnt__slots *slots,
                   mtnt__jointly *jointly, mtnt__turns *turns, const mtnt_isolation *isolation, size_t workers,
                   size_t capacity, mtnt_error *err)
{
    mtnt__pool *pool = calloc(1, sizeof(*pool));
    int rc;

    if (pool == NULL || init_sync(pool) != 0) {
        free(pool);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    pool->capacity = capacity;
    pool->allowed = INT64_MAX;
    pool->turns = turns;
    pool->workers = calloc(workers, sizeof(*pool->workers));
    pool->waiting = calloc(capacity, sizeof(mtnt__task *));
    pool->started = calloc(capacity, sizeof(mtnt__task *));
    pool->done = calloc(capacity, sizeof(mtnt__task *));
    if (pool->workers == NULL || pool->waiting == NULL || pool->started == NULL || pool->done == NULL) {
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    } else {
        pool->worker_count = workers;
        rc = start_workers(pool, controller, gate, slots, jointly, isolation, err);
    }
    if (rc != 0)
        mtnt__pool_free(pool);
    else
        *ret_pool = pool;
    return rc;
}

void mtnt__pool_free(mtnt__pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].joinable)
            pthread_join(pool->workers[i].thread, NULL);
    free(pool->workers);
    free(pool->waiting);
    free(pool->started);
    free(pool->done);
    pthread_cond_destroy(&pool->news);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

void mtnt__pool_push(mtnt__pool *pool, mtnt__task *task)
{
    pthread_mutex_lock(&pool->mutex);
    pool->waiting[(pool->waiting_first + pool->waiting_count++) % pool->capacity] = task;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
}

void mtnt__pool_take(mtnt__pool *pool, mtnt__pool_news *news, int64_t wait_ms)
{
    struct timespec until = mtnt__later(wait_ms);

    pthread_mutex_lock(&pool->mutex);
    while (wait_ms > 0 && pool->done_count == 0 && !pool->woken)
        if (pthread_cond_timedwait(&pool->news, &pool->mutex, &until) != 0)
            break;
    for (size_t i = 0; i < pool->started_count; i++)
        news->started[i] = pool->started[i];
    for (size_t i = 0; i < pool->done_count; i++)
        news->done[i] = pool->done[i];
    news->started_count = pool->started_count;
    news->done_count = pool->done_count;
    news->waiting = pool->waiting_count;
    news->running = pool->running;
    pool->started_count = pool->done_count = 0;
    pool->woken = false;
    pthread_mutex_unlock(&pool->mutex);
}

void mtnt__pool_allow(mtnt__pool *pool, int64_t failures)
{
    pthread_mutex_lock(&pool->mutex);
    pool->allowed = failures;
    for (size_t i = 0; i < pool->done_count && failures != INT64_MAX; i++)
        pool->allowed -= has_failed(pool->done[i]);
    if (pool->allowed >= 0 && pool->waiting_count > 0)
        pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
}

size_t mtnt__pool_withdraw(mtnt__pool *pool, mtnt__task **ret_tasks)
{
    size_t count;

    pthread_mutex_lock(&pool->mutex);
    count = pool->waiting_count;
    for (size_t i = 0; i < count; i++)
        ret_tasks[i] = pool->waiting[(pool->waiting_first + i) % pool->capacity];
    pool->waiting_count = 0;
    pthread_mutex_unlock(&pool->mutex);
    return count;
}

void mtnt__pool_wake(mtnt__pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->woken = true;
    pthread_cond_signal(&pool->news);
    pthread_mutex_unlock(&pool->mutex);
}

void mtnt__pool_cancel_running(mtnt__pool *pool)
{
    /* The task cannot be taken away while the pool's mutex is held; its own mutex is only ever taken inside. */
    pthread_mutex_lock(&pool->mutex);
    for (size_t i = 0; i < pool->worker_count; i++)
        if (pool->workers[i].task != NULL)
            mtnt__task_cancel(pool->workers[i].task);
    pthread_mutex_unlock(&pool->mutex);
}
