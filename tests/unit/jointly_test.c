/* Decisions of several threads in one transaction, and syncs of a folder that serve several: who is with whom, and whose failure is whose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/files.h"
#include "coordinate/jointly.h"
#include "fake_db.h"
#include "state/register.h"

#define THREADS 6

struct desk;

struct comer {
    struct desk *desk;
    char migration[16];
    atomic_bool cancelled;
    mtnt__deadline_ms deadline;
    int rc, good, bad; /* good, bad: how often it has led, by what give_back was told */
    mtnt_error err;
    pthread_t thread;
};

/* The gate is ours at first: whoever has come by the time we leave it is one group. */
struct desk {
    fake_server *server;
    mtnt_db *db, *look;
    mtnt__gate gate;
    mtnt__jointly jointly;
    struct comer comers[THREADS];
};

static struct {
    void (*before_row)(struct desk *desk); /* called once */
    struct desk *desk;
} hook;

int __real_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);
int __wrap_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);
int __wrap_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err)
{
    void (*before_row)(struct desk * desk) = hook.before_row;

    hook.before_row = NULL;
    if (before_row != NULL)
        before_row(hook.desk);
    return __real_mtnt__register_commit_after(db, migration, ended, err);
}

static int open_db(void *data, mtnt_db **ret_db, mtnt_error *err)
{
    const struct comer *comer = data;

    (void)err;
    *ret_db = comer->desk->db;
    return 0;
}

static void give_back(void *data, mtnt_db *db, bool good)
{
    struct comer *comer = data;

    assert_ptr_equal(db, comer->desk->db);
    assert_false(mtnt__db_in_transaction(db));
    comer->good += good;
    comer->bad += !good;
}

static void *come(void *data)
{
    struct comer *comer = data;
    struct desk *desk = comer->desk;
    mtnt__decision decision = {.migration = comer->migration,
                               .deadline = comer->deadline,
                               .cancelled = &comer->cancelled,
                               .open = open_db,
                               .give_back = give_back,
                               .data = comer};

    comer->rc = mtnt__jointly_decide(&desk->jointly, &desk->gate, mtnt__system_default(), &decision, &comer->err);
    return NULL;
}

static size_t waiting(struct desk *desk)
{
    size_t count = 0;

    pthread_mutex_lock(&desk->jointly.mutex);
    for (const mtnt__decision *d = desk->jointly.waiting; d != NULL; d = d->next)
        count++;
    pthread_mutex_unlock(&desk->jointly.mutex);
    return count;
}

static void wait_for(struct desk *desk, size_t count)
{
    while (waiting(desk) != count)
        usleep(100);
}

/* One after another, so that the order is known: the first of them leads. */
static void start(struct desk *desk, size_t from, size_t to)
{
    size_t before = waiting(desk);

    for (size_t i = from; i < to; i++) {
        assert_int_equal(pthread_create(&desk->comers[i].thread, NULL, come, desk->comers + i), 0);
        wait_for(desk, before + 1 + (i - from));
    }
}

static void join(struct desk *desk, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        pthread_join(desk->comers[i].thread, NULL);
}

static int read_word(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    snprintf(data, 16, "%s", mtnt_row_text(row, 0));
    return 0;
}

static const char *row_of(struct desk *desk, size_t i)
{
    static char word[16];
    const mtnt_value values[] = {mtnt_value_text(desk->comers[i].migration), mtnt_value_end()};

    word[0] = '\0';
    assert_int_equal(mtnt__db_run(desk->look, read_word, word, NULL,
                                  "SELECT outcome FROM mtnt_decision WHERE migration = $1", values),
                     0);
    return word;
}

static void give_up(struct desk *desk, size_t i)
{
    mtnt__outcome outcome;

    assert_int_equal(mtnt__register_settle(desk->look, desk->comers[i].migration, &outcome, NULL), 0);
}

static int set_up(void **state)
{
    static struct desk desk;

    memset(&desk, 0, sizeof(desk));
    desk.server = fake_server_new();
    desk.db = fake_db_open(desk.server, NULL);
    desk.look = fake_db_open(desk.server, NULL);
    assert_int_equal(
        mtnt__db_run(desk.look, NULL, NULL, NULL,
                     "CREATE TABLE mtnt_decision (migration TEXT NOT NULL PRIMARY KEY, outcome TEXT NOT NULL, "
                     "seen INTEGER NOT NULL DEFAULT 0)",
                     NULL),
        0);
    assert_int_equal(mtnt__gate_init(&desk.gate, NULL), 0);
    assert_int_equal(mtnt__jointly_init(&desk.jointly, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) {
        desk.comers[i].desk = &desk;
        snprintf(desk.comers[i].migration, sizeof(desk.comers[i].migration), "m%zu", i);
    }
    fake_forget(desk.server);
    hook.desk = &desk;
    hook.before_row = NULL;
    mtnt__gate_enter(&desk.gate);
    *state = &desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;

    assert_int_equal(waiting(desk), 0);
    mtnt__jointly_release(&desk->jointly);
    mtnt__gate_release(&desk->gate);
    mtnt__db_close(desk->db);
    mtnt__db_close(desk->look);
    fake_server_free(desk->server);
    return 0;
}

static void decide_as_one(struct desk *desk)
{
    start(desk, 0, THREADS);
    mtnt__gate_leave(&desk->gate);
    join(desk, 0, THREADS);
}

static void who_waits_is_one_group(void **state)
{
    struct desk *desk = *state;

    decide_as_one(desk);
    assert_int_equal(fake_count(desk->server, FAKE_COMMIT), 1);
    assert_int_equal(desk->comers[0].good, 1);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(desk->comers[i].rc, 0);
        assert_string_equal(row_of(desk, i), "commit");
    }
}

static void one_that_was_given_up_fails_alone(void **state)
{
    struct desk *desk = *state;

    give_up(desk, 0);
    give_up(desk, 3);
    decide_as_one(desk);
    assert_int_equal(fake_count(desk->server, FAKE_COMMIT), 1);
    for (size_t i = 0; i < THREADS; i++) {
        bool lost = i == 0 || i == 3;

        assert_int_equal(desk->comers[i].rc, lost ? MTNT_E_BLOCKED : 0);
        assert_int_equal(desk->comers[i].err.code, lost ? MTNT_E_BLOCKED : 0);
        assert_string_equal(row_of(desk, i), lost ? "abort" : "commit");
    }
}

static void all_given_up(void **state)
{
    struct desk *desk = *state;

    for (size_t i = 0; i < THREADS; i++)
        give_up(desk, i);
    decide_as_one(desk);
    assert_int_equal(fake_count(desk->server, FAKE_COMMIT), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(desk->comers[i].rc, MTNT_E_BLOCKED);
}

static void check_all(struct desk *desk, int rc, const char *row)
{
    assert_int_equal(desk->comers[0].bad, 1);
    assert_int_equal(desk->comers[0].good, 0);
    for (size_t i = 1; i < THREADS; i++) {
        assert_int_equal(desk->comers[i].rc, rc);
        assert_int_equal(desk->comers[i].err.code, rc);
        assert_string_not_equal(desk->comers[i].err.message, "");
        assert_string_equal(row_of(desk, i), row);
    }
}

static void a_lost_answer_is_everybodys(void **state)
{
    struct desk *desk = *state;

    fake_lose(desk->server, FAKE_COMMIT, 1, true);
    give_up(desk, 0);
    decide_as_one(desk);
    assert_int_equal(desk->comers[0].rc, MTNT_E_BLOCKED);
    check_all(desk, MTNT_E_IN_DOUBT, "commit");
}

static void a_lost_request_is_everybodys(void **state)
{
    struct desk *desk = *state;

    fake_lose(desk->server, FAKE_COMMIT, 1, false);
    decide_as_one(desk);
    check_all(desk, MTNT_E_IN_DOUBT, "");
}

static void a_refused_commit_is_everybodys(void **state)
{
    struct desk *desk = *state;

    fake_fail(desk->server, FAKE_COMMIT, 1, MTNT_E_BUSY, true);
    decide_as_one(desk);
    check_all(desk, MTNT_E_BUSY, "");
    assert_true(desk->comers[THREADS - 1].err.retryable);
}

static void a_failed_statement_is_everybodys(void **state)
{
    struct desk *desk = *state;

    fake_fail(desk->server, FAKE_QUERY, 3, MTNT_E_IO, false);
    decide_as_one(desk);
    assert_int_equal(fake_count(desk->server, FAKE_COMMIT), 0);
    assert_int_equal(desk->comers[0].rc, MTNT_E_IO);
    check_all(desk, MTNT_E_IO, "");
}

static void who_cannot_begin_fails_alone(void **state)
{
    struct desk *desk = *state;

    fake_fail(desk->server, FAKE_BEGIN, 1, MTNT_E_BUSY, true);
    decide_as_one(desk);
    assert_int_equal(desk->comers[0].rc, MTNT_E_BUSY);
    assert_string_equal(row_of(desk, 0), "");
    assert_int_equal(fake_count(desk->server, FAKE_COMMIT), 1);
    for (size_t i = 1; i < THREADS; i++)
        assert_int_equal(desk->comers[i].rc, 0);
}

static void more_come(struct desk *desk)
{
    start(desk, 1, THREADS);
}

static void who_comes_late_is_in_the_next(void **state)
{
    struct desk *desk = *state;

    hook.before_row = more_come;
    start(desk, 0, 1);
    mtnt__gate_leave(&desk->gate);
    join(desk, 0, 1);
    join(desk, 1, THREADS);
    assert_int_equal(fake_count(desk->server, FAKE_COMMIT), 2);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(desk->comers[i].rc, 0);
}

static void a_cancelled_one_leaves_before_it(void **state)
{
    struct desk *desk = *state;

    desk->comers[3].deadline = mtnt__deadline_in(mtnt__system_default(), 1);
    start(desk, 0, 3);
    assert_int_equal(pthread_create(&desk->comers[3].thread, NULL, come, desk->comers + 3), 0);
    join(desk, 3, 4);
    assert_int_equal(desk->comers[3].rc, MTNT_E_DEADLINE);
    atomic_store(&desk->comers[1].cancelled, true);
    join(desk, 1, 2);
    assert_int_equal(desk->comers[1].rc, MTNT_E_CANCELLED);
    /* The leader is asked when it has the gate, and leads all the same. */
    atomic_store(&desk->comers[0].cancelled, true);
    start(desk, 4, THREADS);
    mtnt__gate_leave(&desk->gate);
    join(desk, 0, 1);
    join(desk, 2, 3);
    join(desk, 4, THREADS);
    assert_int_equal(desk->comers[0].rc, MTNT_E_CANCELLED);
    assert_int_equal(desk->comers[0].good, 1);
    assert_int_equal(fake_count(desk->server, FAKE_COMMIT), 1);
    for (size_t i = 0; i < THREADS; i++)
        assert_string_equal(row_of(desk, i), desk->comers[i].rc == 0 ? "commit" : "");
    assert_int_equal(desk->comers[2].rc | desk->comers[4].rc | desk->comers[5].rc, 0);
}

static void cancel_all(struct desk *desk)
{
    for (size_t i = 0; i < THREADS; i++)
        atomic_store(&desk->comers[i].cancelled, true);
    usleep(120000); /* they look, and stay */
}

static void nobody_leaves_after_it_has_begun(void **state)
{
    struct desk *desk = *state;

    hook.before_row = cancel_all;
    decide_as_one(desk);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(desk->comers[i].rc, 0);
        assert_string_equal(row_of(desk, i), "commit");
    }
}

static void alone(void **state)
{
    struct desk *desk = *state;
    mtnt__decision decision = {
        .migration = "m0", .open = open_db, .give_back = give_back, .data = desk->comers, .ended = "m1"};

    assert_int_equal(mtnt__register_commit(desk->look, "m1", NULL), 0);
    assert_int_equal(mtnt__jointly_decide(NULL, NULL, mtnt__system_default(), &decision, NULL), 0);
    assert_string_equal(row_of(desk, 0), "commit");
    assert_string_equal(row_of(desk, 1), "");
    assert_int_equal(mtnt__jointly_decide(NULL, NULL, mtnt__system_default(), &decision, NULL), MTNT_E_BLOCKED);
    mtnt__gate_leave(&desk->gate);
}

static void *come_often(void *data)
{
    struct comer *comer = data;
    char begin[8];

    snprintf(begin, sizeof(begin), "%.6s", comer->migration);
    for (int i = 0; i < 60 && comer->rc == 0; i++) {
        snprintf(comer->migration, sizeof(comer->migration), "%s-%d", begin, i);
        (void)come(comer);
    }
    return NULL;
}

static void a_crowd(void **state)
{
    struct desk *desk = *state;
    int led = 0;
    char count[16];

    mtnt__gate_leave(&desk->gate);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&desk->comers[i].thread, NULL, come_often, desk->comers + i), 0);
    join(desk, 0, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(desk->comers[i].rc, 0);
        led += desk->comers[i].good;
    }
    assert_int_equal(fake_count(desk->server, FAKE_COMMIT), led);
    assert_int_equal(mtnt__db_run(desk->look, read_word, count, NULL,
                                  "SELECT count(*) FROM mtnt_decision WHERE outcome = 'commit'", NULL),
                     0);
    assert_string_equal(count, "360");
}

/* ---- folders ---- */

static struct {
    atomic_int begun, let, fail; /* let: how many may end; fail: the number of the one that fails */
} syncs;

int __wrap_mtnt__folder_sync_of(const char *path, mtnt_error *err);
int __wrap_mtnt__folder_sync_of(const char *path, mtnt_error *err)
{
    int number = atomic_fetch_add(&syncs.begun, 1) + 1;

    while (atomic_load(&syncs.let) < number)
        usleep(100);
    return number == atomic_load(&syncs.fail) ? mtnt_error_set(err, MTNT_E_IO, "cannot sync %s", path) : 0;
}

struct syncer {
    mtnt__jointly *jointly;
    const char *path;
    int rc;
    pthread_t thread;
};

static void *sync_folder(void *data)
{
    struct syncer *syncer = data;
    mtnt_error err = MTNT_ERROR_INIT;

    syncer->rc = mtnt__jointly_sync_folder_of(syncer->jointly, syncer->path, &err);
    assert_int_equal(syncer->rc, err.code);
    return NULL;
}

static void start_syncer(struct syncer *syncer, mtnt__jointly *jointly, const char *path)
{
    *syncer = (struct syncer){.jointly = jointly, .path = path};
    assert_int_equal(pthread_create(&syncer->thread, NULL, sync_folder, syncer), 0);
}

static void wait_for_syncs(int begun)
{
    while (atomic_load(&syncs.begun) != begun)
        usleep(100);
}

/* Three that come while a sync is under way: how long they wait is not to be seen from outside, so they get time to come. */
static void start_three(struct syncer *syncers, mtnt__jointly *jointly)
{
    start_syncer(syncers, jointly, "a/1.db");
    wait_for_syncs(1);
    for (int i = 1; i < 4; i++)
        start_syncer(syncers + i, jointly, i == 1 ? "a/1.db" : "a/2.db");
    usleep(50000);
    assert_int_equal(atomic_load(&syncs.begun), 1);
}

static void set_syncs(int let, int fail)
{
    atomic_store(&syncs.begun, 0);
    atomic_store(&syncs.let, let);
    atomic_store(&syncs.fail, fail);
}

static void one_sync_serves_all_who_came_before_it(void **state)
{
    struct desk *desk = *state;
    struct syncer syncers[4];

    mtnt__gate_leave(&desk->gate);
    set_syncs(0, 0);
    start_three(syncers, &desk->jointly);
    atomic_store(&syncs.let, 1);
    pthread_join(syncers[0].thread, NULL);
    wait_for_syncs(2);
    atomic_store(&syncs.let, 9);
    for (int i = 1; i < 4; i++)
        pthread_join(syncers[i].thread, NULL);
    assert_int_equal(atomic_load(&syncs.begun), 2);
    for (int i = 0; i < 4; i++)
        assert_int_equal(syncers[i].rc, 0);
    assert_null(desk->jointly.folders);
}

static void a_failed_sync_is_everybodys_who_waits(void **state)
{
    struct desk *desk = *state;
    struct syncer syncers[4];

    mtnt__gate_leave(&desk->gate);
    set_syncs(0, 1);
    start_three(syncers, &desk->jointly);
    atomic_store(&syncs.let, 9);
    for (int i = 0; i < 4; i++) {
        pthread_join(syncers[i].thread, NULL);
        assert_int_equal(syncers[i].rc, MTNT_E_IO);
    }
    assert_int_equal(atomic_load(&syncs.begun), 1);
    (void)sync_folder(syncers);
    assert_int_equal(syncers[0].rc, 0);
    assert_null(desk->jointly.folders);
}

static void folders_do_not_wait_for_each_other(void **state)
{
    struct desk *desk = *state;
    struct syncer syncers[2];

    mtnt__gate_leave(&desk->gate);
    set_syncs(0, 0);
    start_syncer(syncers, &desk->jointly, "a/1.db");
    start_syncer(syncers + 1, &desk->jointly, "b/1.db");
    wait_for_syncs(2);
    atomic_store(&syncs.let, 2);
    pthread_join(syncers[0].thread, NULL);
    pthread_join(syncers[1].thread, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(who_waits_is_one_group),
        CASE(one_that_was_given_up_fails_alone),
        CASE(all_given_up),
        CASE(a_lost_answer_is_everybodys),
        CASE(a_lost_request_is_everybodys),
        CASE(a_refused_commit_is_everybodys),
        CASE(a_failed_statement_is_everybodys),
        CASE(who_cannot_begin_fails_alone),
        CASE(who_comes_late_is_in_the_next),
        CASE(a_cancelled_one_leaves_before_it),
        CASE(nobody_leaves_after_it_has_begun),
        CASE(alone),
        CASE(a_crowd),
        CASE(one_sync_serves_all_who_came_before_it),
        CASE(a_failed_sync_is_everybodys_who_waits),
        CASE(folders_do_not_wait_for_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
