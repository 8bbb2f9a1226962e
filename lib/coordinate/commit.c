#include <stdlib.h>
#include <string.h>

#include "coordinate/baseline.h"
#include "coordinate/clone.h"
#include "state/register.h"

/* prepare → decide → finish. Once a COMMIT or PREPARE may have taken effect, only the register tells: every doubtful answer goes through
 * mtnt__settle, never through a second try. */

static bool records_in_controller(const mtnt__attempt *attempt)
{
    for (size_t i = 0; i < attempt->count; i++)
        if (attempt->steps[i].in_controller)
            return true;
    return false;
}

static bool records_in_model(const mtnt__attempt *attempt)
{
    for (size_t i = 0; i < attempt->count; i++)
        if (!attempt->steps[i].in_controller)
            return true;
    return false;
}

static const char *key_of(const mtnt__attempt *attempt)
{
    return attempt->unit.is ? attempt->unit.key : attempt->claim->migration;
}

/* Whether what commits leaves another model than before. A tombstone's is only read. */
static bool changes_model(const mtnt__attempt *attempt)
{
    return attempt->mode != MTNT__MODE_TOMBSTONE && (mtnt__mode_covers(attempt->mode) & MTNT_WRITES_MODEL) != 0 &&
           (attempt->writes & MTNT_WRITES_MODEL) != 0;
}

static int record_fingerprint(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_fingerprint wanted = attempt->options->fingerprint;
    const mtnt__claim *claim = attempt->claim;
    bool cheap = claim->model->backend == MTNT_SQLITE;

    if (!changes_model(attempt))
        return 0;
    if (wanted == MTNT_FINGERPRINT_ALWAYS || (wanted == MTNT_FINGERPRINT_AUTO && cheap))
        return mtnt__fingerprint_record(attempt->model, claim->model->schema, &attempt->link->met, err);
    return attempt->identity.fingerprint.digest[0] == '\0' ? 0 : mtnt__fingerprint_forget(attempt->model, err);
}

static int record(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__claim *claim = attempt->claim;
    const mtnt__end end = {.tenant = mtnt_model_id(claim->model),
                           .migration = claim->migration,
                           .state = MTNT__STATE_EXECUTING,
                           .run = claim->run,
                           .steps = attempt->steps,
                           .step_count = attempt->count};
    int rc = record_fingerprint(attempt, err);

    if (rc == 0 && attempt->unit.unrecorded)
        return 0;
    if (rc == 0 && records_in_model(attempt))
        rc = mtnt__model_state_record(attempt->model, attempt->chain, claim->migration, claim->run, attempt->steps,
                                      attempt->count, err);
    if (rc == 0 && records_in_model(attempt))
        rc = mtnt__baseline_keep_in_step(attempt, err);
    if (rc == 0 && records_in_controller(attempt))
        rc = mtnt__store_record(attempt->controller, mtnt_chain_name(attempt->chain), &end, err);
    return rc == 0 ? 0 : mtnt_error_wrap(err, "cannot record what was done");
}

static int settle(mtnt__attempt *attempt, mtnt_error *err)
{
    bool lost = false;
    const mtnt__settlement settlement = {.controller = attempt->link->controller,
                                         .model = attempt->claim->model,
                                         .migration = key_of(attempt),
                                         .mode = attempt->mode,
                                         .decider = attempt->claim->decider,
                                         .home = attempt->claim->home,
                                         .options = attempt->options,
                                         .blockers = {attempt->claim->migration, {NULL, NULL}},
                                         .ret_lost_controller = &lost,
                                         .gate = attempt->link->gate};
    mtnt__migration_event event = MTNT__EVENT_LOSE_ANSWER;
    mtnt_error first = MTNT_ERROR_INIT, other = MTNT_ERROR_INIT;
    int rc;

    if (err != NULL)
        first = *err;
    attempt->controller_lost = attempt->controller_lost || mtnt__db_lost(attempt->controller);
    /* Our own sessions must not stand in the register's way. */
    mtnt__sides_rollback(attempt);
    mtnt__db_disconnect(attempt->controller_is_reader ? NULL : attempt->controller);
    mtnt__db_disconnect(attempt->model);
    rc = mtnt__settle(&settlement, &event, &other);
    attempt->controller_lost = attempt->controller_lost || (rc != 0 && lost);
    if (rc == 0 && event == MTNT__EVENT_COMMIT) {
        mtnt_error_clear(err);
        attempt->verdict = MTNT__VERDICT_COMMITTED;
        return 0;
    }
    if (rc == 0 && event == MTNT__EVENT_ABORT) {
        attempt->created = false;
        attempt->verdict = MTNT__VERDICT_FAILED;
        if (first.code == MTNT_E_IN_DOUBT)
            return mtnt_error_set(err, MTNT_E_DATABASE, "%s (and the register says that it was not committed)",
                                  first.message);
        return first.code;
    }
    attempt->verdict = event == MTNT__EVENT_MEET_FOREIGN ? MTNT__VERDICT_BLOCKED
                       : event == MTNT__EVENT_DISAGREE   ? MTNT__VERDICT_DIVERGED
                                                         : MTNT__VERDICT_IN_DOUBT;
    mtnt_error_set(err, attempt->verdict == MTNT__VERDICT_IN_DOUBT ? MTNT_E_IN_DOUBT : MTNT_E_BLOCKED, "%s",
                   first.message);
    mtnt_error_keep(err, &other);
    return err == NULL ? MTNT_E_IN_DOUBT : err->code;
}

/* The tenant's last migration has ended, durably, before this one was claimed: its row is not needed any more. */
static const char *collectable(const mtnt__attempt *attempt)
{
    const char *ended = attempt->known.migration;

    return mtnt__known_idle(&attempt->known) && ended[0] != '\0' && strcmp(ended, key_of(attempt)) != 0 ? ended : NULL;
}

static int write_row(const mtnt__attempt *attempt, mtnt_db *db, mtnt_error *err)
{
    return mtnt__register_commit_after(db, key_of(attempt), collectable(attempt), err);
}

static int decide(mtnt__attempt *attempt, mtnt_db *decider, mtnt_error *err)
{
    int rc = write_row(attempt, decider, err);

    if (rc == 0)
        rc = mtnt__register_explain(mtnt__db_commit(decider, err), err);
    /* What is left to do is not done in the controller's file: the next one may write it. */
    if (rc == 0)
        mtnt__sides_leave_gate(attempt);
    return rc;
}

/* One database written, or two in one transaction. */
static int commit_single(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_db *decider = strcmp(attempt->claim->decider, "model") == 0 ? attempt->model : attempt->controller;
    int rc = record(attempt, err);

    if (rc == 0)
        rc = decide(attempt, decider, err);
    if (rc == MTNT_E_IN_DOUBT)
        return settle(attempt, err);
    if (rc == 0)
        attempt->verdict = MTNT__VERDICT_COMMITTED;
    return rc;
}

static bool model_decides(const mtnt__attempt *attempt)
{
    return strcmp(attempt->claim->decider, "model") == 0;
}

static const char *prepared_dsn(const mtnt__attempt *attempt)
{
    return model_decides(attempt) ? attempt->link->controller->dsn : mtnt__model_dsn(attempt->claim->model);
}

static int read_maximum(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(size_t *)data = (size_t)mtnt_row_int(row, 0);
    return 0;
}

/* The controller's is the same for every tenant of the link. */
static int find_server(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__link *link = attempt->link;

    if (attempt->prepared_server != NULL)
        return 0;
    if (model_decides(attempt) && link->controller_server == NULL)
        link->controller_server = mtnt__dsn_server(link->controller->dsn);
    if (!model_decides(attempt))
        attempt->prepared_server = mtnt__dsn_server(prepared_dsn(attempt));
    else if (link->controller_server != NULL)
        attempt->prepared_server = strdup(link->controller_server);
    return attempt->prepared_server == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;
}

static int ask_maximum(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_db *prepared = model_decides(attempt) ? attempt->controller : attempt->model;
    const char *server = attempt->prepared_server;
    int rc;

    attempt->prepared_maximum = mtnt__slots_maximum(attempt->link->slots, server);
    if (attempt->prepared_maximum > 0)
        return 0;
    rc = mtnt__db_run(prepared, read_maximum, &attempt->prepared_maximum, err,
                      "SELECT current_setting('max_prepared_transactions')::bigint", NULL);
    if (rc == 0)
        mtnt__slots_note_maximum(attempt->link->slots, server, attempt->prepared_maximum);
    return rc;
}

int mtnt__commit_check(mtnt__attempt *attempt, mtnt_error *err)
{
    char shown[MTNT__DSN_SHOWN_SIZE];
    int rc;

    if (attempt->mode == MTNT__MODE_TOMBSTONE)
        return mtnt__remove_check(attempt, err);
    if (attempt->mode != MTNT__MODE_TWO_PHASE)
        return 0;
    rc = find_server(attempt, err);
    if (rc == 0)
        rc = ask_maximum(attempt, err);
    if (rc != 0 || attempt->prepared_maximum > 0)
        return rc;
    mtnt__dsn_redact(prepared_dsn(attempt), shown);
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "its operations write controller and model, and the server of %s has max_prepared_transactions = 0, so the two could not be "
        "kept in step. Set it to at least the number of workers and restart that server, or declare `mode: saga` on the operations that write "
        "both. Nothing was changed",
        shown);
}

bool mtnt__commit_lingers(const mtnt__attempt *attempt)
{
    return attempt->link->finish.attempt == attempt;
}

/* A unit's end is what the saga goes on from, and a single attempt's caller waits for it. */
static int finish(mtnt__attempt *attempt, mtnt_db *prepared, const char *gid, mtnt_error *err)
{
    mtnt__link *link = attempt->link;
    int rc;

    if (link->collect == NULL || attempt->unit.is || link->finish.attempt != NULL)
        return mtnt__db_finish_prepared(prepared, gid, true, err);
    rc = mtnt__db_send_finish(prepared, gid, true, err);
    if (rc != 0)
        return rc;
    link->finish = (mtnt__finish){attempt, mtnt__sides_hand_over_prepared(attempt), attempt->prepared_server};
    attempt->prepared_server = NULL;
    return 0;
}

int mtnt__commit_collect(mtnt__link *link, mtnt_error *err)
{
    mtnt__finish finish = link->finish;
    int rc = mtnt__db_collect_finish(finish.db, true, err);

    link->finish = (mtnt__finish){NULL, NULL, NULL};
    mtnt__slots_leave(link->slots, finish.server);
    free(finish.server);
    mtnt__sides_return_prepared(finish.attempt, finish.db, rc == 0);
    return rc == 0 ? 0 : settle(finish.attempt, err);
}

static int prepare_and_decide(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_db *prepared = model_decides(attempt) ? attempt->controller : attempt->model;
    mtnt_db *decider = model_decides(attempt) ? attempt->model : attempt->controller;
    char gid[MTNT__GID_SIZE];
    int rc;

    mtnt__gid(attempt->link->controller, attempt->claim->model, key_of(attempt), gid);
    /* A row of its own: once the gid is gone, it alone tells that this side holds the migration. */
    rc = write_row(attempt, prepared, err);
    if (rc == 0)
        rc = mtnt__register_explain(mtnt__db_prepare(prepared, gid, err), err);
    if (rc != 0 && rc != MTNT_E_IN_DOUBT)
        return rc;
    if (rc == 0)
        rc = decide(attempt, decider, err);
    /* From here on there may be a gid: whatever went wrong, the outcome is written before the gid is touched. */
    if (rc != 0)
        return settle(attempt, err);
    rc = finish(attempt, prepared, gid, err);
    if (rc != 0)
        return settle(attempt, err);
    attempt->verdict = MTNT__VERDICT_COMMITTED;
    return 0;
}

static int commit_two_phase(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = find_server(attempt, err);

    if (rc == 0)
        rc = record(attempt, err);
    if (rc == 0)
        rc = mtnt__slots_enter(attempt->link->slots, attempt->prepared_server,
                               mtnt__slots_capacity(attempt->prepared_maximum), err);
    if (rc != 0)
        return rc;
    rc = prepare_and_decide(attempt, err);
    /* It goes with an answer that is waited for later. */
    if (attempt->prepared_server != NULL)
        mtnt__slots_leave(attempt->link->slots, attempt->prepared_server);
    return rc;
}

/* Nobody may take the name before the decision; who takes it after it blocks. */
static int target_is_free(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, attempt->claim->model);
    bool exists = mtnt__provision_name_taken(attempt->claim->model);
    int rc = exists ? 0 : mtnt__db_exists(mtnt__model_dsn(attempt->claim->model), &options, &exists, err);

    if (rc == MTNT_E_CORRUPT || (rc == 0 && exists))
        rc = mtnt_error_set(err, MTNT_E_EXISTS, "something has appeared at %s while the model was being made",
                            attempt->claim->model->shown);
    return rc;
}

static int open_decider(void *data, mtnt_db **ret_db, mtnt_error *err)
{
    return mtnt__sides_open_decider(data, ret_db, err);
}

static void give_back_decider(void *data, mtnt_db *db, bool good)
{
    mtnt__sides_decider_done(data, db, good);
}

/* The operations write nothing there: nothing but the row, which may share its transaction with others. */
static int decide_jointly(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__link *link = attempt->link;
    mtnt__decision decision = {.migration = key_of(attempt),
                               .ended = collectable(attempt),
                               .deadline = attempt->deadline,
                               .cancelled = attempt->cancelled,
                               .open = open_decider,
                               .give_back = give_back_decider,
                               .data = attempt};

    return mtnt__jointly_decide(link->jointly, link->gate, link->controller->system, &decision, err);
}

static int decide_provisional(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_db *own = NULL;
    int rc = 0;

    if (!attempt->controller_is_reader)
        return decide(attempt, attempt->controller, err);
    /* What operations have read there is over: a pooler may have no second connection for us, and a SQLite file's readers hold up its COMMIT. */
    mtnt__db_rollback(attempt->controller);
    if (attempt->link->controller->backend == MTNT_SQLITE)
        return decide_jointly(attempt, err);
    rc = mtnt__sides_open_decider(attempt, &own, err);
    if (rc == 0) {
        mtnt__db_set_deadline(own, attempt->deadline);
        rc = mtnt__db_begin(own, err);
    }
    if (rc == 0)
        rc = decide(attempt, own, err);
    mtnt__sides_decider_done(attempt, own, rc == 0);
    return rc;
}

static int commit_provisional(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt_model *model = attempt->claim->model;
    mtnt__file_identity built = {0, 0};
    int rc = record(attempt, err);

    if (rc == 0)
        rc = mtnt__db_commit(attempt->model, err);
    /* While it is open no other file can have its number. */
    if (model->backend == MTNT_SQLITE)
        built = mtnt__file_identify(mtnt__dsn_sqlite_path(attempt->provisional));
    /* Nobody else sees the provisional model: a commit in doubt there is a failure, and the model goes. */
    if (rc == MTNT_E_IN_DOUBT)
        rc = mtnt_error_set(err, MTNT_E_DATABASE, "the new model could not be committed");
    mtnt__db_disconnect(attempt->model);
    if (rc == 0)
        mtnt__clone_make(attempt);
    if (rc == 0)
        rc = mtnt__provision_sync(attempt->link->jointly, model, err);
    if (rc == 0)
        rc = target_is_free(attempt, err);
    if (rc == 0)
        rc = decide_provisional(attempt, err);
    if (rc == MTNT_E_IN_DOUBT)
        return settle(attempt, err);
    if (rc != 0)
        return rc;
    rc = mtnt__provision_finish(attempt->link->controller, attempt->link->jointly, model, attempt->claim->migration,
                                built, err);
    if (rc != 0)
        return settle(attempt, err);
    attempt->verdict = MTNT__VERDICT_COMMITTED;
    return 0;
}

/* Everything that may fail comes before the decision, and nobody can come between it and the new name. */
static int commit_tombstone(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__renaming renaming = {.controller = attempt->link->controller,
                               .model = attempt->claim->model,
                               .migration =
                                   attempt->claim->backward ? attempt->known.gone_by : attempt->claim->migration,
                               .uuid = attempt->identity.uuid,
                               .back = attempt->claim->backward};
    int rc = record(attempt, err);

    if (rc == 0)
        rc = mtnt__remove_record(attempt, err);
    mtnt__db_disconnect(attempt->model);
    if (rc == 0)
        rc = mtnt__renaming_begin(&renaming, err);
    if (rc != 0)
        return rc;
    rc = decide(attempt, attempt->controller, err);
    if (rc == 0) {
        rc = mtnt__renaming_end(&renaming, err);
        if (rc == 0)
            attempt->verdict = MTNT__VERDICT_COMMITTED;
        return rc == 0 ? 0 : settle(attempt, err);
    }
    mtnt__renaming_cancel(&renaming);
    return rc == MTNT_E_IN_DOUBT ? settle(attempt, err) : rc;
}

/* ---- a rehearsal ----
 *
 * Everything up to the decision, which is then not made: the row that says commit dies with its transaction, and no COMMIT is ever sent to the decider. So nobody
 * can find this migration committed, whenever they look, and the worker may undo what it has prepared without writing abort first: what others do
 * meanwhile, or after a crash, is to write abort and undo it too. Any doubtful answer goes through the register all the same. */

static int rehearse_decision(mtnt__attempt *attempt, mtnt_db *decider, mtnt_error *err)
{
    int rc = write_row(attempt, decider, err);

    return rc == 0 ? mtnt__register_explain(mtnt__db_check(decider, err), err) : rc;
}

static int rehearse_prepare(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_db *prepared = model_decides(attempt) ? attempt->controller : attempt->model;
    mtnt_db *decider = model_decides(attempt) ? attempt->model : attempt->controller;
    char gid[MTNT__GID_SIZE];
    int rc;

    mtnt__gid(attempt->link->controller, attempt->claim->model, key_of(attempt), gid);
    rc = write_row(attempt, prepared, err);
    if (rc == 0)
        rc = mtnt__register_explain(mtnt__db_prepare(prepared, gid, err), err);
    if (rc == MTNT_E_IN_DOUBT)
        return settle(attempt, err);
    if (rc != 0)
        return rc;
    rc = rehearse_decision(attempt, decider, err);
    /* The decider's transaction is over before the gid is touched. */
    mtnt__db_rollback(decider);
    mtnt__sides_leave_gate(attempt);
    if (rc != 0) {
        mtnt_error other = MTNT_ERROR_INIT;

        return mtnt__db_finish_prepared(prepared, gid, false, &other) == 0 ? rc : settle(attempt, err);
    }
    rc = mtnt__db_finish_prepared(prepared, gid, false, err);
    /* Somebody who held us for dead has done it. */
    if (rc == MTNT_E_NOT_FOUND && err != NULL && strcmp(err->state, "42704") == 0) {
        mtnt_error_clear(err);
        return 0;
    }
    return rc == 0 ? 0 : settle(attempt, err);
}

static int rehearse_two_phase(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = find_server(attempt, err);

    if (rc == 0)
        rc = mtnt__slots_enter(attempt->link->slots, attempt->prepared_server,
                               mtnt__slots_capacity(attempt->prepared_maximum), err);
    if (rc != 0)
        return rc;
    rc = rehearse_prepare(attempt, err);
    mtnt__slots_leave(attempt->link->slots, attempt->prepared_server);
    return rc;
}

/* Nobody sees the provisional model, so it may really be committed. */
static int rehearse_provisional(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__db_commit(attempt->model, err);

    if (rc == MTNT_E_IN_DOUBT)
        rc = mtnt_error_set(err, MTNT_E_DATABASE, "the new model could not be committed");
    mtnt__db_disconnect(attempt->model);
    if (rc == 0)
        rc = target_is_free(attempt, err);
    return rc == 0 && !attempt->controller_is_reader ? rehearse_decision(attempt, attempt->controller, err) : rc;
}

int mtnt__commit_rehearse(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__rehearse_look_at_locks(attempt, err);

    if (rc == 0)
        rc = record(attempt, err);
    if (rc == 0 && attempt->mode == MTNT__MODE_PROVISIONAL)
        rc = rehearse_provisional(attempt, err);
    else if (rc == 0 && attempt->mode == MTNT__MODE_TWO_PHASE)
        rc = rehearse_two_phase(attempt, err);
    else if (rc == 0)
        rc = rehearse_decision(attempt, model_decides(attempt) ? attempt->model : attempt->controller, err);
    if (rc == 0) {
        attempt->verdict = MTNT__VERDICT_REHEARSED;
        return 0;
    }
    if (attempt->failed_phase == NULL)
        attempt->failed_phase = "commit";
    return mtnt_error_wrap(err, "commit");
}

int mtnt__commit(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc;

    if (attempt->mode == MTNT__MODE_PROVISIONAL)
        rc = commit_provisional(attempt, err);
    else if (attempt->mode == MTNT__MODE_TOMBSTONE)
        rc = commit_tombstone(attempt, err);
    else if (attempt->mode == MTNT__MODE_TWO_PHASE)
        rc = commit_two_phase(attempt, err);
    else
        rc = commit_single(attempt, err);
    if (rc == 0) {
        attempt->created = false;
        return 0;
    }
    if (attempt->failed_phase == NULL)
        attempt->failed_phase = "commit";
    return mtnt_error_wrap(err, "commit");
}
