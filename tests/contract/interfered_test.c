/* Somebody interferes: prepared transactions finished by hand, a copy of the controller, models that were swapped. Recovery says so, keeps what is
 * there, and touches nothing that is not this migration's. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/database.h"
#include "fleet_run.h"

/* ---- a process that dies at a place ---- */

typedef enum place { NOWHERE, AFTER_PREPARE, BEFORE_FINISH, IN_OPERATION } place;
static place die_at;

int __real_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err)
{
    int rc = __real_mtnt__db_prepare(db, gid, err);

    if (die_at == AFTER_PREPARE)
        kill(getpid(), SIGKILL);
    return rc;
}

int __real_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err)
{
    if (die_at == BEFORE_FINISH)
        kill(getpid(), SIGKILL);
    return __real_mtnt__db_finish_prepared(db, gid, commit, err);
}

static int die_here(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    if (die_at == IN_OPERATION)
        kill(getpid(), SIGKILL);
    return 0;
}

static void perform(fleet *f)
{
    fleet_perform(f, 0, NULL);
}

static void die(fleet *f, uint32_t writes, place where)
{
    int status;

    fleet_add(f, "a", writes);
    fleet_add_body(f, "b", writes, (body){.during = die_here});
    die_at = where;
    status = fleet_in_child(f, perform);
    die_at = NOWHERE;
    assert_true(WIFSIGNALED(status));
}

/* ---- prepared transactions by hand ---- */

static void by_hand(fleet *f, const char *what)
{
    char sql[300];
    const char *gid = fleet_gids(f), *answer;

    assert_int_equal(strncmp(gid, "mtnt:", 5), 0);
    snprintf(sql, sizeof(sql), "%s '%s'", what, gid);
    answer = f->which == PAIR_POSTGRES_SQLITE ? fleet_ask_controller(f, sql) : fleet_ask_model(f, 0, sql);
    assert_text(answer, "");
}

static void diverged(fleet *f)
{
    fleet_report r;

    assert_code(f, fleet_recover(f, 0), MTNT_E_BLOCKED);
    assert_says(f->err.message, "by hand");
    assert_says(f->err.message, "mtnt-model resolve --tenant t1");
    assert_text(fleet_known(f, 0), "diverged|0|error");
    assert_text(fleet_migration(f, 0), "diverged");
    assert_says(fleet_ask_controller(f, "SELECT error FROM mtnt_tenant"), "by hand");
    /* Nothing goes on by itself. */
    fleet_log_clear(f);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "mtnt-model resolve --tenant t1");
    assert_code(f, fleet_recover(f, 0), MTNT_E_BLOCKED);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.in_doubt, 1);
    assert_text(fleet_log(f, NULL), "");
    assert_text(fleet_known(f, 0), "diverged|0|error");
}

static void undecided_then_committed(fleet *f)
{
    bool controller_prepared = f->which == PAIR_POSTGRES_SQLITE;

    die(f, WRITES_BOTH, AFTER_PREPARE);
    by_hand(f, "COMMIT PREPARED");
    diverged(f);
    /* Kept: what was committed there, and nothing on the other side. */
    assert_text(fleet_tables(f, 0), controller_prepared ? "precious" : "a;b;precious");
    assert_text(fleet_notes(f, 0), controller_prepared ? "a;b" : "");
}

static void undecided_then_rolled_back(fleet *f)
{
    die(f, WRITES_BOTH, AFTER_PREPARE);
    by_hand(f, "ROLLBACK PREPARED");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static void decided_then_rolled_back(fleet *f)
{
    bool controller_prepared = f->which == PAIR_POSTGRES_SQLITE;

    die(f, WRITES_BOTH, BEFORE_FINISH);
    by_hand(f, "ROLLBACK PREPARED");
    diverged(f);
    assert_text(fleet_tables(f, 0), controller_prepared ? "a;b;precious" : "precious");
    assert_text(fleet_notes(f, 0), controller_prepared ? "" : "a;b");
}

static void decided_then_committed(fleet *f)
{
    die(f, WRITES_BOTH, BEFORE_FINISH);
    by_hand(f, "COMMIT PREPARED");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(f->outcome.recovered_committed);
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_tables(f, 0), "a;b;precious");
    assert_text(fleet_notes(f, 0), "a;b");
}

/* The rows may have been collected by the time that a late recoverer looks: what has ended outranks them. */
static void ended_outranks(fleet *f)
{
    mtnt_outcome outcome;

    decided_then_committed(f);
    outcome = f->outcome;
    assert_true(outcome.recovered);
    assert_text(fleet_ask_controller(f, "DELETE FROM mtnt_decision"), "");
    assert_text(fleet_ask_model(f, 0, "DELETE FROM mtnt_decision"), "");
    /* As such a recoverer has read it before it fell asleep. */
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_tenant SET state = 'executing', owner = 'x', lease_until_ms = 0"),
                "");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(f->outcome.recovered_committed);
    assert_text(fleet_migration(f, 0), "committed");
    assert_text(fleet_tables(f, 0), "a;b;precious");
}

/* ---- a person's word ---- */

static mtnt_resolved resolved;

static int resolve(fleet *f, mtnt_word word, bool only_look)
{
    mtnt_resolution resolution = MTNT_RESOLUTION_INIT;
    mtnt_coordinator *coordinator = NULL;
    int rc = mtnt_coordinator_new(&coordinator, f->controller, f->tenants[0].model, f->chain, NULL, &f->err);

    resolution.word = word;
    resolution.who = "ann@db-7";
    resolution.reason = "seen to both";
    resolution.only_look = only_look;
    if (rc == 0)
        rc = mtnt_coordinator_resolve(coordinator, &resolution, &resolved, &f->err);
    mtnt_coordinator_free(coordinator);
    return rc;
}

#define AUDIT "SELECT from_state, to_state, who, reason FROM mtnt_audit ORDER BY audit"

/* Half committed by hand: the person takes it back by hand, and says so. */
static void resolved_as_aborted(fleet *f)
{
    undecided_then_committed(f);
    if (f->which == PAIR_POSTGRES_SQLITE) {
        assert_text(fleet_ask_controller(f, "DELETE FROM notes"), "");
    } else {
        assert_text(fleet_ask_model(f, 0, "DROP TABLE a"), "");
        assert_text(fleet_ask_model(f, 0, "DROP TABLE b"), "");
        assert_text(fleet_ask_model(f, 0, "DELETE FROM mtnt_applied"), "");
    }
    assert_code(f, resolve(f, MTNT_WORD_RETRY, false), MTNT_E_REFUSED);
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, true), 0);
    assert_text(resolved.to, "aborted");
    assert_text(resolved.decision, "abort");
    assert_false(resolved.against);
    assert_text(fleet_known(f, 0), "diverged|0|error");
    assert_text(fleet_ask_controller(f, AUDIT), "");
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, false), 0);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_ask_controller(f, AUDIT), "diverged|aborted|ann@db-7|seen to both");
    /* Once said it is said. */
    assert_code(f, resolve(f, MTNT_WORD_COMMITTED, false), MTNT_E_REFUSED);
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_tables(f, 0), "a;b;precious");
    assert_text(fleet_notes(f, 0), "a;b");
}

/* The same, completed by hand on the other side: the word goes against the register, which keeps its row. */
static void resolved_as_committed(fleet *f)
{
    undecided_then_committed(f);
    assert_code(f, resolve(f, MTNT_WORD_COMMITTED, false), 0);
    assert_true(resolved.against);
    assert_text(resolved.decision, "abort");
    assert_text(fleet_migration(f, 0), "committed");
    assert_text(f->which == PAIR_POSTGRES_SQLITE ? fleet_ask_model(f, 0, "SELECT outcome FROM mtnt_decision")
                                                 : fleet_ask_controller(f, "SELECT outcome FROM mtnt_decision"),
                "abort");
    assert_text(fleet_ask_controller(f, AUDIT), "diverged|committed|ann@db-7|seen to both");
    /* The controller says where the model stands, whatever the word was. */
    assert_text(fleet_known(f, 0), f->which == PAIR_POSTGRES_SQLITE ? "idle|0|ok" : "idle|2|ok");
}

/* The decider is gone for good: the gid is finished by the word, and nothing of a register is made up. */
static void resolved_without_decider(fleet *f)
{
    const char *model = f->tenants[0].dsn + strlen("sqlite:");

    die(f, WRITES_BOTH, AFTER_PREPARE);
    assert_int_equal(unlink(model), 0);
    assert_code(f, fleet_recover(f, 0), MTNT_E_NOT_FOUND);
    assert_text(fleet_known(f, 0), "in_doubt|0|error");
    assert_int_equal(strncmp(fleet_gids(f), "mtnt:", 5), 0);
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, false), 0);
    assert_false(resolved.asked);
    assert_true(resolved.finished);
    assert_false(resolved.located);
    assert_text(fleet_gids(f), "");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_notes(f, 0), "");
    assert_int_equal(access(model, F_OK), -1);
}

/* In doubt, and the register can be asked: nobody's word goes against it. */
static void not_against_the_register(fleet *f)
{
    die(f, WRITES_BOTH, BEFORE_FINISH);
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_tenant SET state = 'in_doubt', lease_until_ms = 0"), "");
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_migration SET state = 'in_doubt'"), "");
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, true), MTNT_E_REFUSED);
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, false), MTNT_E_REFUSED);
    assert_says(f->err.message, "mtnt-model recover --tenant t1");
    assert_text(fleet_known(f, 0), "in_doubt|0|ok");
    assert_text(fleet_ask_controller(f, AUDIT), "");
    assert_code(f, resolve(f, MTNT_WORD_COMMITTED, false), 0);
    assert_true(resolved.finished);
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_tables(f, 0), "a;b;precious");
    assert_text(fleet_notes(f, 0), "a;b");
}

static void nothing_to_resolve(fleet *f)
{
    fleet_add(f, "first", WRITES_BOTH);
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, false), MTNT_E_REFUSED);
    fleet_must_perform(f, 0);
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, false), MTNT_E_REFUSED);
    assert_says(f->err.message, "nothing to resolve");
    die(f, WRITES_BOTH, IN_OPERATION);
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, false), MTNT_E_REFUSED);
    assert_says(f->err.message, "mtnt-model recover --tenant t1");
    assert_text(fleet_ask_controller(f, AUDIT), "");
    /* A failed rollback: the row is all that is needed of it here. */
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_tenant SET state = 'rollback_failed', lease_until_ms = 0"), "");
    assert_text(
        fleet_ask_controller(f, "UPDATE mtnt_migration SET state = 'rollback_failed' WHERE state = 'executing'"), "");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "mtnt-model resolve --tenant t1 --as retry");
    assert_code(f, resolve(f, MTNT_WORD_RETRY, false), 0);
    assert_says(fleet_known(f, 0), "compensating|1|");
    assert_text(fleet_ask_controller(f, AUDIT), "rollback_failed|compensating|ann@db-7|seen to both");
}

/* ---- copies ---- */

static void copied_controller(fleet *f)
{
    die(f, WRITES_BOTH, IN_OPERATION);
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_migration SET decider_home = decider_home || '0'"), "");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_FOREIGN);
    assert_says(f->err.message, "a copy of it");
    assert_says(f->err.message, "resolve");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_decision"), "0");
    assert_text(fleet_known(f, 0), "in_doubt|0|error");
    /* It is gone: a person answers for it, and the copy goes on. */
    assert_code(f, resolve(f, MTNT_WORD_ABORTED, false), 0);
    assert_false(resolved.asked);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_decision"), "0");
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static void copied_controller_file(fleet *f)
{
    char copy[300], command[800];
    mtnt_controller *controller = NULL;
    mtnt_coordinator *coordinator = NULL;

    die(f, WRITES_BOTH, IN_OPERATION);
    snprintf(copy, sizeof(copy), "sqlite:%s/copy.db", f->folder);
    snprintf(command, sizeof(command), "cp '%s' '%s'", f->controller_dsn + strlen("sqlite:"), copy + strlen("sqlite:"));
    assert_int_equal(system(command), 0);
    assert_code(f, mtnt_controller_open(&controller, copy, NULL, &f->err), 0);
    assert_code(f, mtnt_coordinator_new(&coordinator, controller, f->tenants[0].model, f->chain, NULL, &f->err), 0);
    assert_code(f, mtnt_coordinator_recover(coordinator, &f->err), MTNT_E_FOREIGN);
    mtnt_coordinator_free(coordinator);
    mtnt_controller_close(controller);
    /* The real one may, opened anew or not. */
    fleet_reopen(f);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_migration(f, 0), "aborted");
}

/* What decides is a model, and another tenant's stands at its place: it is asked nothing, and told nothing. */
static void swapped_model(fleet *f)
{
    const char *one = f->tenants[0].dsn + strlen("sqlite:"), *two = f->tenants[1].dsn + strlen("sqlite:");
    char aside[300];

    fleet_add(f, "first", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    fleet_must_perform(f, 1);
    die(f, MTNT_WRITES_MODEL, IN_OPERATION);
    snprintf(aside, sizeof(aside), "%s/aside", f->folder);
    assert_true(rename(one, aside) == 0 && rename(two, one) == 0 && rename(aside, two) == 0);
    assert_code(f, fleet_recover(f, 0), MTNT_E_FOREIGN);
    assert_says(f->err.message, "swapped");
    assert_text(fleet_ask_model(f, 0, "SELECT count(*) FROM mtnt_decision WHERE outcome = 'abort'"), "0");
    assert_text(fleet_known(f, 0), "in_doubt|1|error");
    assert_true(rename(one, aside) == 0 && rename(two, one) == 0 && rename(aside, two) == 0);
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_tenant SET lease_until_ms = 0"), "");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_ask_model(f, 0, "SELECT count(*) FROM mtnt_decision WHERE outcome = 'abort'"), "1");
    assert_text(fleet_known(f, 0), "idle|1|error");
}

int main(void)
{
    const unsigned int two_phase = ON(PAIR_POSTGRES) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE) |
                                   ON(PAIR_SQLITE_POSTGRES),
                       controller_decides = ON_ALL & ~ON(PAIR_POSTGRES_SQLITE),
                       sqlite_models = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"undecided_then_committed", undecided_then_committed, two_phase, 1, false},
        {"undecided_then_rolled_back", undecided_then_rolled_back, two_phase, 1, false},
        {"decided_then_rolled_back", decided_then_rolled_back, two_phase, 1, false},
        {"decided_then_committed", decided_then_committed, two_phase, 1, false},
        {"ended_outranks", ended_outranks, two_phase, 1, false},
        {"resolved_as_aborted", resolved_as_aborted, two_phase, 1, false},
        {"resolved_as_committed", resolved_as_committed, two_phase, 1, false},
        {"resolved_without_decider", resolved_without_decider, ON(PAIR_POSTGRES_SQLITE), 1, false},
        {"not_against_the_register", not_against_the_register, two_phase, 1, false},
        {"nothing_to_resolve", nothing_to_resolve, ON_ALL, 1, false},
        {"copied_controller", copied_controller, controller_decides, 1, false},
        {"copied_controller_file", copied_controller_file, ON(PAIR_SQLITE) | ON(PAIR_SQLITE_POSTGRES), 1, false},
        {"swapped_model", swapped_model, sqlite_models, 2, false},
    };

    return run_pair_tests("interfered", tests, sizeof(tests) / sizeof(*tests));
}
