/* Memory that runs out at every allocation of a migration, SQLite and SQLite: an error is told (or it went well all the same), both databases
 * hold all of it or nothing, nothing leaks, nothing provisional stays, and the next migration goes through, in the same process and with the
 * same handle. Two ways to fail: every allocation of the library's own code, in any build (the linker puts ours before the real ones), and
 * where no sanitizer is in the way every allocation of SQLite's and the C library's besides: a sample of these, all with MTNT_TEST_ALLOC_ALL=1. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failing_malloc.h"
#include "fleet_run.h"
#include "goose_fixture.h"

/* ---- the library's own allocations, in all threads ---- */

static atomic_long own_left;
static atomic_bool own_failed;

static bool own_fails(void)
{
    if (atomic_load(&own_left) <= 0 || atomic_fetch_sub(&own_left, 1) != 1)
        return false;
    atomic_store(&own_failed, true);
    errno = ENOMEM;
    return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return own_fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return own_fails() ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size)
{
    return own_fails() ? NULL : __real_realloc(memory, size);
}

void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    return own_fails() ? NULL : __real_reallocarray(memory, count, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
    return own_fails() ? NULL : __real_strdup(text);
}

char *__real_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size)
{
    return own_fails() ? NULL : __real_strndup(text, size);
}

/* ---- one attempt ---- */

typedef struct kind {
    uint32_t writes;
    bool creates, fails, backward, by_operation;
} kind;

static bool everything; /* every allocation of the process, and not only the library's own */

static void fail_at(long n)
{
    if (everything)
        malloc_fail_at(n);
    else {
        atomic_store(&own_failed, false);
        atomic_store(&own_left, n);
    }
}

static bool has_failed(void)
{
    return everything ? malloc_has_failed() : atomic_load(&own_failed);
}

static void add_chain(fleet *f, const kind *k)
{
    body last = {.flags = k->fails ? MTNT_OPERATION_EXTERNAL : 0};

    f->quiet = true;
    if (k->creates)
        fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                       (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "CREATE TABLE precious (a INTEGER)"});
    fleet_add_body(f, "a", k->writes, last);
    if (k->fails)
        last.model_up = "CREATE TABLE b (a INTEGER NOT NULL); INSERT INTO b VALUES (NULL)";
    fleet_add_body(f, "b", k->writes, last);
}

static bool holds(fleet *f, const kind *k, const char *names)
{
    char tables[100];

    if (!fleet_model_exists(f, 0))
        return k->creates && names[0] == '\0' && strcmp(fleet_notes(f, 0), "") == 0;
    if (k->creates && names[0] == '\0')
        return false;
    snprintf(tables, sizeof(tables), "%s%sprecious", names, names[0] == '\0' ? "" : ";");
    return ((k->writes & MTNT_WRITES_MODEL) == 0 || strcmp(fleet_tables(f, 0), tables) == 0) &&
           ((k->writes & MTNT_WRITES_CONTROLLER) == 0 || strcmp(fleet_notes(f, 0), names) == 0);
}

static void complain(fleet *f, long n, int rc, const char *what)
{
    fail_msg("allocation %ld (%s): %s. %s: %s; tables %s, notes %s, tenant %s", n, everything ? "of all" : "of ours",
             what, mtnt_code_name(rc), f->err.message, fleet_model_exists(f, 0) ? fleet_tables(f, 0) : "(no model)",
             fleet_notes(f, 0), fleet_known(f, 0));
}

static int go(fleet *f, const kind *k)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    if (k->by_operation)
        options.atomicity = MTNT_ATOMICITY_OPERATION;
    return k->backward ? fleet_rewind(f, 0, &options) : fleet_perform(f, 0, &options);
}

static void check(fleet *f, const kind *k, long n, int rc)
{
    bool all = holds(f, k, "a;b"), nothing = holds(f, k, "");

    if (rc != 0 && f->err.message[0] == '\0')
        complain(f, n, rc, "an error without a text");
    if (rc != 0 && has_failed() && rc != MTNT_E_NOMEM && rc != MTNT_E_DATABASE && rc != MTNT_E_IN_DOUBT &&
        rc != MTNT_E_CONNECT && rc != MTNT_E_IO)
        complain(f, n, rc, "not the error that it was");
    if (all == nothing && !k->by_operation)
        complain(f, n, rc, "neither all nor nothing");
    if (rc == 0 && (k->backward ? !nothing : !all))
        complain(f, n, rc, "said to be done");
    if (fleet_provisional(f) != 0)
        complain(f, n, rc, "something provisional is left");
}

/* true: an allocation has failed. */
static bool fail_one(const kind *k, long n)
{
    fleet *f = fleet_new(PAIR_SQLITE, 1, !k->creates);
    bool failed;
    int rc;

    add_chain(f, k);
    if (k->backward)
        fleet_must_perform(f, 0);
    fail_at(n);
    rc = go(f, k);
    failed = has_failed();
    fail_at(0);
    if (!k->fails)
        check(f, k, n, rc);
    else if (!holds(f, k, ""))
        complain(f, n, rc, "it fails, and is there");
    /* The next one. */
    rc = go(f, k);
    if (k->fails ? rc != MTNT_E_DATABASE : rc != 0)
        complain(f, n, rc, "the next one");
    if (!k->fails && !holds(f, k, k->backward ? "" : "a;b"))
        complain(f, n, rc, "the next one has not done it");
    if (strncmp(fleet_known(f, 0), "idle|", 5) != 0)
        complain(f, n, rc, "the tenant is not idle");
    fleet_free(f);
    return failed;
}

static void fail_each(kind k)
{
    bool every = getenv("MTNT_TEST_ALLOC_ALL") != NULL;
    long step = 1;

    for (int round = 0; round < 1 + MALLOC_CAN_FAIL; round++) {
        everything = round == 1;
        for (int i = 0; i < 2; i++) /* what libraries keep for good */
            fail_one(&k, 0);
        for (long n = 1;; n += step) {
            long before = malloc_live();
            bool failed = fail_one(&k, n);

            if (malloc_live() != before)
                fail_msg("allocation %ld (%s): %ld are left", n, everything ? "of all" : "of ours",
                         malloc_live() - before);
            if (!failed)
                break;
            if (everything && !every)
                step = 1 + n / 8; /* mostly SQLite's own: some of them */
        }
    }
    everything = false;
}

static void model_written(pair which)
{
    (void)which;
    fail_each((kind){.writes = MTNT_WRITES_MODEL});
}

static void controller_written(pair which)
{
    (void)which;
    fail_each((kind){.writes = MTNT_WRITES_CONTROLLER});
}

static void both_written(pair which)
{
    (void)which;
    fail_each((kind){.writes = WRITES_BOTH});
}

static void both_backward(pair which)
{
    (void)which;
    fail_each((kind){.writes = WRITES_BOTH, .backward = true});
}

static void created(pair which)
{
    (void)which;
    fail_each((kind){.writes = WRITES_BOTH, .creates = true});
}

static void fails_anyway(pair which)
{
    (void)which;
    fail_each((kind){.writes = WRITES_BOTH, .fails = true});
}

static void by_operation(pair which)
{
    (void)which;
    fail_each((kind){.writes = WRITES_BOTH, .by_operation = true});
}

/* ---- opening a controller, and asking it ---- */

static int look(void *data, const mtnt_operation_info *info, mtnt_error *err)
{
    (void)err;
    *(int *)data += info->applied;
    return 0;
}

static int look_at_tenant(void *data, const mtnt_tenant_info *info, mtnt_error *err)
{
    (void)err;
    *(int *)data += info->known;
    return 0;
}

static int open_and_ask(fleet *f)
{
    mtnt_controller *controller = NULL;
    const mtnt_model *model = f->tenants[0].model;
    int applied = 0, known = 0, rc;

    mtnt_error_clear(&f->err);
    rc = mtnt_controller_open(&controller, f->controller_dsn, NULL, &f->err);
    if (rc == 0)
        rc = mtnt_controller_operations(controller, f->chain, "t1", look, &applied, &f->err);
    if (rc == 0)
        rc = mtnt_controller_tenants(controller, f->chain, look_at_tenant, &known, &f->err);
    if (rc == 0)
        rc = mtnt_controller_look_up(controller, f->chain, &model, 1, look_at_tenant, &known, &f->err);
    mtnt_controller_close(controller);
    assert_true(rc != 0 || (applied == 2 && known == 2));
    return rc;
}

static void opened_and_asked(pair which)
{
    const kind k = {.writes = WRITES_BOTH};
    fleet *f = fleet_new(which, 1, true);
    bool failed = true;

    add_chain(f, &k);
    fleet_must_perform(f, 0);
    for (int round = 0; round < 1 + MALLOC_CAN_FAIL; round++) {
        everything = round == 1;
        failed = true;
        for (int i = 0; i < 2; i++)
            assert_code(f, open_and_ask(f), 0);
        for (long n = 1; failed; n++) {
            long before = malloc_live();
            int rc;

            fail_at(n);
            rc = open_and_ask(f);
            failed = has_failed();
            fail_at(0);
            if (malloc_live() != before)
                fail_msg("allocation %ld: %ld are left after %s", n, malloc_live() - before, f->err.message);
            if (rc != 0 && (rc != f->err.code || f->err.message[0] == '\0'))
                fail_msg("allocation %ld: %s without an error", n, mtnt_code_name(rc));
            assert_true(failed || rc == 0);
        }
    }
    everything = false;
    fleet_free(f);
}

/* ---- many at once: an allocation of any thread ---- */

static void a_run(pair which)
{
    bool failed = true;

    for (int i = 0; i < 2; i++)
        fleet_free(fleet_new(which, 3, true));
    for (long n = 1; failed; n++) {
        const kind k = {.writes = WRITES_BOTH};
        fleet *f = fleet_new(which, 3, true);
        fleet_report r;
        mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
        mtnt_tenant_source source = fleet_source(f);
        mtnt_executor *executor = NULL;
        mtnt_counts counts = {0};
        int rc;

        add_chain(f, &k);
        memset(&r, 0, sizeof(r));
        options.workers = 2;
        options.reporter = (mtnt_reporter){fleet_report_event, &r};
        mtnt_error_clear(&f->err);
        fail_at(n);
        rc = mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err);
        if (rc == 0)
            rc = mtnt_executor_migrate(executor, &source, &counts, &f->err);
        mtnt_executor_free(executor);
        failed = has_failed();
        fail_at(0);
        if (rc != 0 && f->err.message[0] == '\0')
            fail_msg("allocation %ld: %s without a text", n, mtnt_code_name(rc));
        if (counts.total != counts.migrated + counts.current + counts.failed + counts.untouched)
            fail_msg("allocation %ld: %lld of %lld", n,
                     (long long)(counts.migrated + counts.current + counts.failed + counts.untouched),
                     (long long)counts.total);
        assert_true(failed || (rc == 0 && counts.migrated == 3));
        for (size_t i = 0; i < 3; i++) {
            bool all = strcmp(fleet_tables(f, i), "a;b;precious") == 0 && strcmp(fleet_notes(f, i), "a;b") == 0;
            bool nothing = strcmp(fleet_tables(f, i), "precious") == 0 && strcmp(fleet_notes(f, i), "") == 0;

            if (all == nothing)
                fail_msg("allocation %ld: tenant %zu has tables %s, notes %s", n, i + 1, fleet_tables(f, i),
                         fleet_notes(f, i));
        }
        assert_code(f, fleet_run(f, 2, NULL, &r), 0);
        if (r.counts.failed + r.counts.untouched > 0)
            fail_msg("allocation %ld: the next run fails: %s%s%s", n, r.texts[0], r.texts[1], r.texts[2]);
        for (size_t i = 0; i < 3; i++)
            assert_text(fleet_known(f, i), "idle|2|ok");
        fleet_free(f);
    }
}

/* ---- two new models, the template that comes of them, and a copy ---- */

static void add_chain_of_copies(fleet *f)
{
    const uint32_t same = MTNT_OPERATION_SAME_FOR_ALL;

    fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_CREATES_MODEL | MTNT_OPERATION_CLONES | same,
                          .model_up = "CREATE TABLE precious (a INTEGER)",
                          .checksum = "create"});
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.flags = same, .checksum = "a"});
}

/* true: an allocation has failed. */
static bool copy_and_fail(pair which, long n)
{
    fleet *f = fleet_new(which, 4, false);
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor = NULL;
    mtnt_counts counts = {0};
    fleet_report r;
    bool failed;
    int rc;

    f->quiet = true;
    add_chain_of_copies(f);
    options.workers = 1;
    fail_at(n);
    rc = mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err);
    if (rc == 0)
        rc = mtnt_executor_migrate(executor, &source, &counts, &f->err);
    mtnt_executor_free(executor);
    failed = has_failed();
    fail_at(0);
    if (!failed && (rc != 0 || counts.cloned != 2))
        fail_msg("%lld of 4 are copies: %s", (long long)counts.cloned, f->err.message);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    if (r.counts.failed + r.counts.untouched > 0)
        fail_msg("allocation %ld: the next run fails: %s%s%s%s", n, r.texts[0], r.texts[1], r.texts[2], r.texts[3]);
    for (size_t i = 0; i < 4; i++) {
        assert_text(fleet_tables(f, i), "a;precious");
        assert_text(fleet_known(f, i), "idle|2|ok");
    }
    assert_int_equal(fleet_provisional(f), 0);
    fleet_free(f);
    return failed;
}

static void copies(pair which)
{
    bool every = getenv("MTNT_TEST_ALLOC_ALL") != NULL, failed = true;

    for (int i = 0; i < 2; i++)
        copy_and_fail(which, 0);
    for (long n = 1; failed; n += every ? 1 : 1 + n / 15) {
        long before = malloc_live();

        failed = copy_and_fail(which, n);
        if (malloc_live() != before)
            fail_msg("allocation %ld: %ld are left", n, malloc_live() - before);
    }
}

/* Another tool's history, taken over and gone on with, its table in step. */
static bool take_over_and_fail(pair which, long n)
{
    fleet *f = fleet_new(which, 1, true);
    bool failed;
    int rc;

    f->quiet = true;
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    goose_version(f, "a", "1", true);
    goose_version(f, "b", "2", true);
    goose_applied(f, 0, 1);
    fail_at(n);
    rc = fleet_baseline(f, 0, NULL);
    if (rc == 0)
        rc = fleet_perform(f, 0, NULL);
    failed = has_failed();
    fail_at(0);
    if (rc != 0 && f->err.message[0] == '\0')
        complain(f, n, rc, "an error without a text");
    if (strcmp(goose_rows(f, 0), "0;1") != 0 && strcmp(fleet_applied(f, 0), "a;b") != 0)
        complain(f, n, rc, "the table is not in step");
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(goose_rows(f, 0), "0;1;2");
    fleet_free(f);
    return failed;
}

static void taken_over(pair which)
{
    bool every = getenv("MTNT_TEST_ALLOC_ALL") != NULL;

    for (int round = 0; round < 1 + MALLOC_CAN_FAIL; round++) {
        bool failed = true;

        everything = round == 1;
        for (int i = 0; i < 2; i++)
            take_over_and_fail(which, 0);
        for (long n = 1; failed; n += every ? 1 : 1 + n / 15) {
            long before = malloc_live();

            failed = take_over_and_fail(which, n);
            if (malloc_live() != before)
                fail_msg("allocation %ld: %ld are left", n, malloc_live() - before);
        }
    }
}

int main(void)
{
    static const bare_test tests[] = {
        {"model_written", model_written, ON(PAIR_SQLITE)},
        {"controller_written", controller_written, ON(PAIR_SQLITE)},
        {"both_written", both_written, ON(PAIR_SQLITE)},
        {"both_backward", both_backward, ON(PAIR_SQLITE)},
        {"created", created, ON(PAIR_SQLITE)},
        {"fails_anyway", fails_anyway, ON(PAIR_SQLITE)},
        {"by_operation", by_operation, ON(PAIR_SQLITE)},
        {"opened_and_asked", opened_and_asked, ON(PAIR_SQLITE)},
        {"a_run", a_run, ON(PAIR_SQLITE)},
        {"copies", copies, ON(PAIR_SQLITE)},
        {"taken_over", taken_over, ON(PAIR_SQLITE)},
    };

    return run_bare_tests("alloc", tests, sizeof(tests) / sizeof(*tests));
}
