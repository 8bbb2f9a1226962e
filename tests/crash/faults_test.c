/* kill -9, I/O errors, a full disk and power loss at every call by which SQLite, or the library, changes a file: in the process that
 * migrates, and in the one that recovers. After it and one recovery without faults nothing is lost, which for every test here is:
 *   - both databases hold all of the migration or none of it, and applied records, the register, the controller's rows and what the
 *     operations have made agree about which;
 *   - what perform or recover has acknowledged (returned 0) stays so, also when the power goes right after;
 *   - after an error that perform has returned (but for `in doubt` and `blocked`) nothing of the migration is there;
 *   - both files are whole (integrity_check), what was in them before is, nothing stays prepared or provisional;
 *   - the next migration goes through, and survives a power loss after it.
 * known_bad_test.c shows that the disk would find it if it were not so. A fixed sample by default; MTNT_TEST_CRASH_ALL=1 takes every call. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fault_disk.h"
#include "fault_vfs.h"
#include "fleet_fixture.h"

typedef struct kind {
    uint32_t writes;
    bool creates, fails, backward;
    bool clones;                                    /* it creates by copying a template that is there */
    bool application;                               /* one has the model open while it is recovered */
    const char *controller_journal, *model_journal; /* NULL = delete */
} kind;

typedef struct fault {
    fault_kind kind;
    int at;
    int loss;         /* which of `losses` */
    bool power_after; /* the power goes when the process has ended, whatever it has met */
    fault_keep contents, names;
} fault;

/* Of processes that are dead. */
static struct story {
    bool worker_returned, recoverer_returned, recovered, recovered_committed;
    int worker_rc, recoverer_rc, bodies_done;
} * story;

/* What is going on, for processes and for complaints. */
static const kind *k;
static fault worker, recoverer;
static char worker_place[160], recoverer_place[160];
static int trials;

/* ---- what there is ---- */

static bool holds_all(fleet *f)
{
    return fleet_model_exists(f, 0) &&
           ((k->writes & MTNT_WRITES_MODEL) == 0 || strcmp(fleet_tables(f, 0), "a;b;precious") == 0) &&
           ((k->writes & MTNT_WRITES_CONTROLLER) == 0 || strcmp(fleet_notes(f, 0), "a;b") == 0);
}

static bool holds_nothing(fleet *f)
{
    return (k->creates ? !fleet_model_exists(f, 0) : strcmp(fleet_tables(f, 0), "precious") == 0) &&
           strcmp(fleet_notes(f, 0), "") == 0;
}

static const char *last_migration(fleet *f)
{
    return fleet_ask_controller(
        f, "SELECT direction, state FROM mtnt_migration WHERE tenant = 't1' ORDER BY epoch DESC LIMIT 1");
}

static void complain(fleet *f, const char *what)
{
    fail_msg(
        "%s: worker met %s at %d (%s)%s and returned %d; recoverer met %s at %d (%s)%s and returned %d. tables %s, notes %s, "
        "applied %s, tenant %s, migration %s, %d provisional: %s\nAgain: MTNT_TEST_FAULT=%d:%d:%d,%d:%d:%d",
        what, fault_kind_name(worker.kind), worker.at, worker_place, worker.power_after ? ", power loss after it" : "",
        story->worker_returned ? story->worker_rc : 999, fault_kind_name(recoverer.kind), recoverer.at, recoverer_place,
        recoverer.power_after ? ", power loss after it" : "", story->recoverer_returned ? story->recoverer_rc : 999,
        fleet_model_exists(f, 0) ? fleet_tables(f, 0) : "(no model)", fleet_notes(f, 0), fleet_applied(f, 0),
        fleet_known(f, 0), last_migration(f), fleet_provisional(f), f->err.message, (int)worker.kind, worker.at,
        worker.loss, (int)recoverer.kind, recoverer.at, recoverer.loss);
}

static void check_whole(fleet *f)
{
    if (f->controller_backend == MTNT_SQLITE && strcmp(fleet_ask_controller(f, "PRAGMA integrity_check"), "ok") != 0)
        complain(f, "the controller is damaged");
    if (f->model_backend != MTNT_SQLITE || !fleet_model_exists(f, 0))
        return;
    if (strcmp(fleet_ask_model(f, 0, "PRAGMA integrity_check"), "ok") != 0)
        complain(f, "the model is damaged");
    if (!k->creates && strcmp(fleet_ask_model(f, 0, "SELECT count(*), sum(a) FROM precious"), "2|3") != 0)
        complain(f, "what was there before is not");
}

/* The register, where it has a row of the last migration. A worker that has died is given up by a row and never by there being none: it might
 * only be asleep. */
static bool register_agrees(fleet *f, bool committed)
{
    bool given_up =
        !committed && !k->fails && (worker.kind == FAULT_KILL || worker.kind == FAULT_POWER) && !story->worker_returned;
    const char *id = fleet_ask_controller(
                   f, "SELECT migration FROM mtnt_migration WHERE tenant = 't1' ORDER BY epoch DESC LIMIT 1"),
               *answers[2] = {"", ""};
    char sql[300];
    int rows = 0;

    if (id[0] == '\0')
        return true;
    snprintf(sql, sizeof(sql), "SELECT outcome FROM mtnt_decision WHERE migration = '%s'", id);
    answers[0] = fleet_ask_controller(f, sql);
    if (fleet_model_exists(f, 0) && strcmp(fleet_applied(f, 0), "-") != 0)
        answers[1] = fleet_ask_model(f, 0, sql);
    for (int side = 0; side < 2; side++) {
        rows += answers[side][0] != '\0';
        if (answers[side][0] != '\0' && strcmp(answers[side], committed ? "commit" : "abort") != 0)
            return false;
    }
    return rows > 0 || !given_up;
}

/* What is written about it says the same as what it has made. */
static void check_records(fleet *f, bool all)
{
    const char *version = k->creates ? "idle|3|ok" : "idle|2|ok", *applied = k->creates ? "create;a;b" : "a;b",
               *last = last_migration(f), *found = fleet_applied(f, 0), *known = fleet_known(f, 0);
    bool backward = strncmp(last, "backward", 8) == 0, committed = strstr(last, "|committed") != NULL;

    if ((k->writes & MTNT_WRITES_MODEL) != 0 &&
        (all ? strcmp(found, applied) != 0 : found[0] != '-' && found[0] != '\0'))
        complain(f, "the model's applied records disagree");
    if (all ? strcmp(known, version) != 0 && !backward : strncmp(known, "idle|0|", 7) != 0 && strcmp(known, "-") != 0)
        complain(f, "the controller's row disagrees");
    if (last[0] != '\0' && !committed && strstr(last, "|aborted") == NULL)
        complain(f, "the migration has not ended");
    if (last[0] != '\0' && committed != (all != backward))
        complain(f, "the migration's state disagrees");
    if (!register_agrees(f, committed))
        complain(f, "the register disagrees");
    /* What has been taken back by a migration that was interrupted is not told to these rows. */
    if (!all && !backward &&
        strcmp(
            fleet_ask_controller(f, "SELECT count(*) FROM mtnt_operation WHERE tenant = 't1' AND status = 'COMPLETED'"),
            "0") != 0)
        complain(f, "the controller calls completed what is not there");
}

static bool check_atomic(fleet *f)
{
    bool all = holds_all(f), nothing = holds_nothing(f), target = k->backward ? nothing : all;

    if (all == nothing)
        complain(f, "neither all nor nothing");
    if (k->fails && !nothing)
        complain(f, "it fails, and is there");
    if (story->worker_returned && story->worker_rc == 0 && !target)
        complain(f, "it was said to be done, and is not");
    if (story->worker_returned && story->worker_rc != 0 && story->worker_rc != MTNT_E_IN_DOUBT &&
        story->worker_rc != MTNT_E_BLOCKED && target)
        complain(f, "it was said to have failed, and is there");
    if (story->recoverer_returned && story->recovered && story->recovered_committed != target)
        complain(f, "what the first recovery has settled is not so any more");
    return all;
}

static void check(fleet *f)
{
    bool all = check_atomic(f);

    check_whole(f);
    check_records(f, all);
    if (fleet_gids(f)[0] != '\0' || fleet_provisional(f) != 0)
        complain(f, "something is left");
}

/* ---- processes ---- */

static int note_last(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    if (!story->worker_returned)
        story->bodies_done = fault_calls();
    return 0;
}

static void add_chain(fleet *f)
{
    const uint32_t same = k->clones ? MTNT_OPERATION_SAME_FOR_ALL : 0;
    body last = {.during = note_last, .during_rollback = note_last, .flags = same, .checksum = "same"};

    if (k->creates)
        fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                       (body){.flags = MTNT_OPERATION_CREATES_MODEL | same | (k->clones ? MTNT_OPERATION_CLONES : 0),
                              .model_up = "CREATE TABLE precious (a INTEGER)",
                              .checksum = "same"});
    fleet_add_body(f, "a", k->writes, last);
    if (k->fails)
        last.model_up = "CREATE TABLE b (a INTEGER NOT NULL); INSERT INTO b VALUES (NULL)";
    fleet_add_body(f, "b", k->writes, last);
}

/* Its connection sees what the log holds, and keeps the last one that we close from bringing it into the file. */
static void open_application(const fleet *f)
{
    sqlite3 *db = NULL;

    if (sqlite3_open(f->tenants[0].dsn + strlen("sqlite:"), &db) != SQLITE_OK ||
        sqlite3_exec(db, "SELECT count(*) FROM precious", NULL, NULL, NULL) != SQLITE_OK)
        abort();
}

static int open_controller(fleet *f)
{
    return mtnt_controller_open(&f->controller, f->controller_dsn, NULL, &f->err);
}

static void work(fleet *f)
{
    int rc;

    fault_arm(worker.kind, worker.at);
    rc = open_controller(f);
    if (rc == 0)
        rc = k->backward ? fleet_rewind(f, 0, NULL) : fleet_perform(f, 0, NULL);
    story->worker_rc = rc;
    story->worker_returned = true;
}

static void recover(fleet *f)
{
    int rc;

    if (k->application)
        open_application(f);
    fault_arm(recoverer.kind, recoverer.at);
    rc = open_controller(f);
    if (rc == 0)
        rc = fleet_recover(f, 0);
    story->recoverer_rc = rc;
    story->recovered = rc == 0 && f->outcome.recovered;
    story->recovered_committed = story->recovered && f->outcome.recovered_committed;
    story->recoverer_returned = true;
}

/* Returns whether it has met its fault. */
static bool in_process(fleet *f, void (*run)(fleet *f), const fault *what, char *ret_place)
{
    int status = fleet_in_process(f, run);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("%s at %d: ended with status %d", fault_kind_name(what->kind), what->at, status);
    snprintf(ret_place, sizeof(worker_place), "%s", fault_place());
    if (what->kind == FAULT_POWER || what->power_after)
        fault_power_loss(what->contents, what->names, (unsigned)what->at);
    return what->at > 0 && fault_calls() >= what->at;
}

/* ---- one trial ---- */

static void set_journal(const char *answer, const char *mode)
{
    assert_text(answer, mode);
}

/* Of the two other tenants. */
static void make_template(fleet *f)
{
    mtnt_ensure *ensure = NULL;

    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, NULL, &f->err), 0);
    for (size_t i = 1; i < 3; i++)
        assert_code(f, mtnt_ensure_current(ensure, f->tenants[i].model, &f->err), 0);
    mtnt_ensure_free(ensure);
    assert_text(fleet_known(f, 0), "-");
    assert_string_not_equal(fleet_templates(f), "");
}

static fleet *make_fleet(pair which)
{
    fleet *f;

    fault_disk_end();
    f = fleet_new(which, k->clones ? 3 : 1, !k->creates);
    f->quiet = true;
    if (k->controller_journal != NULL)
        set_journal(fleet_ask_controller(f, "PRAGMA journal_mode=WAL"), k->controller_journal);
    if (k->model_journal != NULL)
        set_journal(fleet_ask_model(f, 0, "PRAGMA journal_mode=WAL"), k->model_journal);
    add_chain(f);
    memset(story, 0, sizeof(*story));
    story->worker_returned = true;
    if (k->backward)
        fleet_must_perform(f, 0);
    if (k->clones)
        make_template(f);
    story->worker_returned = false;
    fleet_close(f);
    fault_disk_begin(f->folder);
    return f;
}

static int run_on(fleet *f)
{
    if (!k->fails)
        return k->backward ? fleet_rewind(f, 0, NULL) : fleet_perform(f, 0, NULL);
    return fleet_perform(f, 0, NULL) == MTNT_E_DATABASE ? 0 : MTNT_E_INVALID;
}

/* A disk that takes nothing any more keeps what could not be removed from it, of a migration that a controller elsewhere calls aborted: the janitor
 * takes it away once it is whole. */
static void sweep_up(fleet *f)
{
    const mtnt_model *models[] = {f->tenants[0].model};
    mtnt_sweep sweep = {0};

    if (worker.kind == FAULT_BROKEN && f->controller_backend == MTNT_POSTGRES && fleet_provisional(f) > 0 &&
        mtnt_sweep_leftovers(f->controller, models, 1, NULL, NULL, &sweep, &f->err) != 0)
        complain(f, "what is left cannot be swept up");
}

/* The end of every trial: a recovery, the next migration, and the power goes. */
static void settle_and_check(fleet *f)
{
    fleet_reopen(f);
    if (fleet_recover(f, 0) != 0)
        complain(f, "it cannot be recovered");
    sweep_up(f);
    check(f);
    memset(story, 0, sizeof(*story));
    story->worker_rc = run_on(f);
    if (story->worker_rc != 0)
        complain(f, "the next one fails");
    story->worker_returned = true;
    fleet_close(f);
    fault_power_loss(FAULT_KEEP_NOTHING, FAULT_KEEP_NOTHING, 0);
    fleet_reopen(f);
    if (!k->fails && !(k->backward ? holds_nothing(f) : holds_all(f)))
        complain(f, "the next one is lost when the power goes after it");
    if (fleet_recover(f, 0) != 0)
        complain(f, "it cannot be recovered after the next one");
    check_whole(f);
}

/* Returns the same of the recoverer if it has a fault to meet, of the worker otherwise. */
static bool try(pair which, fault first, fault second)
{
    fleet *f = make_fleet(which);
    bool met;

    trials++;
    worker = first;
    recoverer = second;
    worker_place[0] = recoverer_place[0] = '\0';
    met = in_process(f, work, &worker, worker_place);
    if (second.kind != FAULT_NONE)
        met = in_process(f, recover, &recoverer, recoverer_place);
    settle_and_check(f);
    fault_disk_end();
    fleet_free(f);
    return met;
}

/* ---- every call ---- */

static bool every(void)
{
    return getenv("MTNT_TEST_CRASH_ALL") != NULL;
}

/* "worker" and "recoverer" are halves of everything. */
static bool takes(const char *half)
{
    const char *all = getenv("MTNT_TEST_CRASH_ALL");

    return all == NULL || (strcmp(all, "worker") != 0 && strcmp(all, "recoverer") != 0) || strcmp(all, half) == 0;
}

static const struct {
    fault_keep contents, names;
} losses[] = {
    {FAULT_KEEP_NOTHING, FAULT_KEEP_NOTHING},
    {FAULT_KEEP_SOME, FAULT_KEEP_SOME},
    {FAULT_KEEP_NOTHING, FAULT_KEEP_ALL},
    {FAULT_KEEP_ALL, FAULT_KEEP_NOTHING},
};
#define LOSSES ((int)(sizeof(losses) / sizeof(*losses)))

static fault fault_of(fault_kind hit, int at, int loss)
{
    return (fault){.kind = hit,
                   .at = at,
                   .loss = loss,
                   .power_after = hit != FAULT_KILL && hit != FAULT_POWER && loss > 0,
                   .contents = losses[loss].contents,
                   .names = losses[loss].names};
}

/* How many ways a power loss makes of it: none matter after a plain kill. */
static int losses_of(fault_kind hit)
{
    return hit == FAULT_KILL ? 1 : hit == FAULT_POWER ? LOSSES : 2;
}

/* Where the worker's calls begin to matter, and how many there are. */
static void measure(pair which, int *ret_bodies_done, int *ret_all)
{
    fleet *f = make_fleet(which);

    worker = recoverer = (fault){0};
    in_process(f, work, &worker, worker_place);
    *ret_bodies_done = story->bodies_done;
    *ret_all = fault_calls();
    if (!story->worker_returned || (story->worker_rc != 0) != k->fails || *ret_all <= *ret_bodies_done ||
        (k->clones && *ret_bodies_done != 0))
        complain(f, "it does not work without faults");
    fault_disk_end();
    fleet_free(f);
}

static const fault no_fault;

static void worker_faults(pair which, int bodies_done, int all)
{
    /* What was said last is at stake most. */
    for (int at = all - 3; at <= all + 1 && !every(); at++)
        try(which, fault_of(FAULT_POWER, at, 0), no_fault);
    for (fault_kind hit = FAULT_KILL; hit < FAULT_KINDS; hit++) {
        if (!every()) {
            int step = 1 + (all - bodies_done) / (which == PAIR_SQLITE ? 3 : 2), at = bodies_done + 1 + (int)hit % step;

            try(which, fault_of(hit, 1 + (int)hit * bodies_done / FAULT_KINDS, 0), no_fault);
            for (int n = 0; at <= all; at += step, n++)
                try(which, fault_of(hit, at, (n + 1) % losses_of(hit)), no_fault);
            continue;
        }
        for (int loss = 0; loss < losses_of(hit); loss++)
            for (int at = 1; try(which, fault_of(hit, at, loss), no_fault);)
                at++;
    }
}

/* A log whose fsync has failed does not protect the checkpoint that carries it into the file: when the power goes in the middle of that, and the
 * disk has written some of it, SQLite has nothing to go back to. Of three faults in a row this one is not promised anything. */
static bool is_beyond(fault_kind death, fault_kind hit, int loss)
{
    return (k->model_journal != NULL || k->controller_journal != NULL) && death == FAULT_IO_KILL &&
           hit == FAULT_POWER && losses[loss].contents == FAULT_KEEP_SOME;
}

/* A worker that is gone in the middle of its commit, by a kill that leaves commits visible which are not on disk, by a failed fsync before
 * it, or by a power loss; a recoverer that meets a fault; and another recoverer. */
static void recoverer_faults(pair which, int bodies_done, int all)
{
    static const fault_kind deaths[] = {FAULT_KILL, FAULT_IO_KILL, FAULT_POWER};
    int step = 1 + (all - bodies_done) / (every() ? 8 : which == PAIR_SQLITE ? 2 : 1);

    for (int n = 0, died = bodies_done + 1; died <= all; died += step, n++) {
        if (!every())
            for (fault_kind hit = FAULT_KILL; hit < FAULT_KINDS; hit++) {
                if ((int)hit % 2 == n % 2)
                    try(which, fault_of(deaths[n % 3], died, 0), fault_of(hit, 4 + 3 * (int)hit, 0));
            }
        for (int death = 0; death < 3 && every(); death++)
            for (fault_kind hit = FAULT_KILL; hit < FAULT_KINDS; hit++)
                for (int loss = 0; loss < (hit == FAULT_POWER && which == PAIR_SQLITE ? LOSSES : 1); loss++)
                    for (int at = 1; !is_beyond(deaths[death], hit, loss) &&
                                     try(which, fault_of(deaths[death], died, 0), fault_of(hit, at, loss));)
                        at++;
    }
}

/* An fsync of the log fails, and the process dies before it can do anything about it. What it has written can be seen, and will not become
 * durable by being synced again. */
static void after_failed_syncs(pair which, int all)
{
    for (int died = 1; died <= all; died++)
        try(which, fault_of(FAULT_IO_KILL, died, 0), fault_of(FAULT_IO, 0, 1));
}

/* One trial again, as a complaint has named it. */
static void try_again(pair which, const char *words)
{
    int hits[2] = {0, 0}, at[2] = {0, 0}, loss[2] = {0, 0};

    assert_int_equal(
        sscanf(words, "%d:%d:%d,%d:%d:%d", hits, at, loss, hits + 1, at + 1, loss + 1), /* NOLINT(cert-err34-c) */
        6);
    try(which, fault_of((fault_kind)hits[0], at[0], loss[0]), fault_of((fault_kind)hits[1], at[1], loss[1]));
}

static void faults_everywhere(pair which, kind what)
{
    const char *again = getenv("MTNT_TEST_FAULT");
    int bodies_done, all;

    k = &what;
    trials = 0;
    if (again != NULL) {
        try_again(which, again);
        return;
    }
    measure(which, &bodies_done, &all);
    if (takes("worker") && (every() || !k->application))
        worker_faults(which, bodies_done, all);
    if (takes("recoverer") && (every() || !k->application))
        recoverer_faults(which, bodies_done, all);
    if (k->application)
        after_failed_syncs(which, all);
    print_message("%d calls, %d up to the last operation; %d trials\n", all, bodies_done, trials);
}

/* ---- the modes: what is at stake in each ---- */

/* Super-journal. One file's transaction without the other's, when the super-journal's deletion is not what decides. */
static void both(pair which)
{
    faults_everywhere(which, (kind){.writes = WRITES_BOTH});
}

/* The same on the way back. */
static void both_backward(pair which)
{
    faults_everywhere(which, (kind){.writes = WRITES_BOTH, .backward = true});
}

/* What was refused by the database must not appear by a recovery. */
static void both_failing(pair which)
{
    faults_everywhere(which, (kind){.writes = WRITES_BOTH, .fails = true});
}

/* Single. The model's commit is the decision; the controller's row is told of it lazily, and must be put right when that is lost. */
static void model(pair which)
{
    faults_everywhere(which, (kind){.writes = MTNT_WRITES_MODEL});
}

static void model_wal(pair which)
{
    faults_everywhere(which, (kind){.writes = MTNT_WRITES_MODEL, .model_journal = "wal"});
}

static void model_wal_controller_wal(pair which)
{
    faults_everywhere(which, (kind){.writes = MTNT_WRITES_MODEL, .model_journal = "wal", .controller_journal = "wal"});
}

static void controller(pair which)
{
    faults_everywhere(which, (kind){.writes = MTNT_WRITES_CONTROLLER});
}

static void controller_wal(pair which)
{
    faults_everywhere(which, (kind){.writes = MTNT_WRITES_CONTROLLER, .controller_journal = "wal"});
}

/* Provisional. A model that the controller calls committed and whose file, or name, is not on disk; or the reverse, a file that stays.
 * With a controller in the same folder its journal's sync would hide a missing one of ours: PostgreSQL has none there. */
static void created(pair which)
{
    faults_everywhere(which, (kind){.writes = WRITES_BOTH, .creates = true});
}

static void created_model_only(pair which)
{
    faults_everywhere(which, (kind){.writes = MTNT_WRITES_MODEL, .creates = true});
}

static void created_failing(pair which)
{
    faults_everywhere(which, (kind){.writes = WRITES_BOTH, .creates = true, .fails = true});
}

/* What a copy has written by other ways than SQLite's has to be on disk before the decision. */
static void created_as_a_copy(pair which)
{
    faults_everywhere(which, (kind){.writes = MTNT_WRITES_MODEL, .creates = true, .clones = true});
}

/* Two-phase, the SQLite side decides: PostgreSQL commits what is prepared there on the word of a row that a power loss can still take away. */
static void two_phase(pair which)
{
    faults_everywhere(which, (kind){.writes = WRITES_BOTH});
}

static void two_phase_wal(pair which)
{
    kind what = {.writes = WRITES_BOTH};

    if (which == PAIR_POSTGRES_SQLITE)
        what.model_journal = "wal";
    else
        what.controller_journal = "wal";
    faults_everywhere(which, what);
}

/* The same, while an application has the model open. */
static void two_phase_wal_application(pair which)
{
    faults_everywhere(which, (kind){.writes = WRITES_BOTH, .model_journal = "wal", .application = true});
}

int main(void)
{
    const unsigned int sqlite = ON(PAIR_SQLITE), mixed = ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE_POSTGRES),
                       all = every() ? sqlite : 0;
    const bare_test tests[] = {
        {"both", both, sqlite},
        {"both_backward", both_backward, sqlite},
        {"both_failing", both_failing, all},
        {"model", model, sqlite},
        {"model_wal", model_wal, sqlite},
        {"model_wal_controller_wal", model_wal_controller_wal, all},
        {"controller", controller, all},
        {"controller_wal", controller_wal, sqlite},
        {"created", created, sqlite | ON(PAIR_POSTGRES_SQLITE)},
        {"created_model_only", created_model_only, sqlite},
        {"created_as_a_copy", created_as_a_copy, sqlite | ON(PAIR_POSTGRES_SQLITE)},
        {"created_failing", created_failing, all},
        {"two_phase", two_phase, mixed},
        {"two_phase_wal", two_phase_wal, mixed},
        {"two_phase_wal_application", two_phase_wal_application, ON(PAIR_POSTGRES_SQLITE)},
    };
    int rc;

    setenv("TMPDIR", "/dev/shm", 0); /* what is durable is ours to say */
    fault_vfs_install();
    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (story == MAP_FAILED)
        return 1;
    rc = run_bare_tests("faults", tests, sizeof(tests) / sizeof(*tests));
    munmap(story, sizeof(*story));
    return rc;
}
