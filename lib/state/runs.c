#include "state/runs.h"

#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/queries.h"
#include "state/rows.h"

/* The statements of one transaction. */
typedef int (*body)(mtnt_controller *controller, void *data, mtnt_error *err);

static int in_transaction(mtnt_controller *controller, body run, void *data, mtnt_error *err)
{
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0)
        rc = run(controller, data, err);
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}

static int enter(mtnt_controller *controller, int64_t run, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_text(controller->owner), mtnt_value_end()};

    return mtnt__db_run(controller->db, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, run_enter), values);
}

/* ---- begin ---- */

struct beginning {
    const char *chain, *command;
    const mtnt__run_terms *terms;
    int64_t run;
    const mtnt__run_waves *waves; /* restored; NULL = it is new */
};

static int read_run(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0);
    return 0;
}

static int insert_run(mtnt_controller *controller, const struct beginning *beginning, int64_t *ret_run, mtnt_error *err)
{
    const mtnt__run_terms *terms = beginning->terms;
    const mtnt__run_waves none = {0}, *waves = beginning->waves == NULL ? &none : beginning->waves;
    const mtnt_value values[] = {mtnt_value_text(beginning->chain),
                                 mtnt_value_text(beginning->command),
                                 mtnt_value_text(controller->process),
                                 mtnt_value_int(controller->system->wall_ms(controller->system->data)),
                                 mtnt_value_text(terms->backward ? "backward" : "forward"),
                                 mtnt_value_text(terms->goal[0] == '\0' ? NULL : terms->goal),
                                 mtnt_value_int(terms->steps),
                                 mtnt_value_int(terms->only_run),
                                 mtnt_value_text(terms->atomicity),
                                 mtnt_value_text(terms->on_failure),
                                 mtnt_value_text(terms->mode),
                                 mtnt_value_int(terms->out_of_order),
                                 mtnt_value_int(terms->may_delete),
                                 mtnt_value_text(terms->digest),
                                 mtnt_value_int(terms->backs_up),
                                 mtnt_value_int(terms->paced),
                                 mtnt_value_text(terms->waves[0] == '\0' ? NULL : terms->waves),
                                 mtnt_value_int(terms->canary),
                                 mtnt_value_int(terms->soak_ms),
                                 mtnt_value_text(terms->max_failures[0] == '\0' ? NULL : terms->max_failures),
                                 mtnt_value_int(terms->expected),
                                 beginning->waves != NULL ? mtnt_value_int(beginning->run) : mtnt_value_end(),
                                 mtnt_value_int(waves->wave),
                                 mtnt_value_int(waves->begun),
                                 mtnt_value_int(waves->begun_before),
                                 mtnt_value_int(waves->failed_before),
                                 mtnt_value_end()};

    return mtnt__db_run(controller->db, ret_run == NULL ? NULL : read_run, ret_run, err,
                        beginning->waves != NULL ? MTNT__QUERY_FOR(controller->db, run_restore)
                                                 : MTNT__QUERY_FOR(controller->db, run_begin),
                        values);
}

static int begin(mtnt_controller *controller, void *data, mtnt_error *err)
{
    struct beginning *beginning = data;
    int rc = insert_run(controller, beginning, &beginning->run, err);

    return rc != 0 ? rc : enter(controller, beginning->run, err);
}

int mtnt__store_run_begin(mtnt_controller *controller, const char *chain, const char *command,
                          const mtnt__run_terms *terms, int64_t *ret_run, mtnt_error *err)
{
    struct beginning beginning = {chain, command, terms, 0, NULL};
    int rc = in_transaction(controller, begin, &beginning, err);

    if (rc == 0)
        *ret_run = beginning.run;
    return rc;
}

int mtnt__store_run_of(mtnt_controller *controller, int64_t *ret_run, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(controller->owner), mtnt_value_end()};

    return mtnt__db_run(controller->db, read_run, ret_run, err,
                        "SELECT run FROM {schema}.mtnt_run_process WHERE process = $1 ORDER BY run DESC LIMIT 1",
                        values);
}

static int restore(mtnt_controller *controller, void *data, mtnt_error *err)
{
    const struct beginning *beginning = data;
    int rc = insert_run(controller, beginning, NULL, err);

    return rc != 0 ? rc : enter(controller, beginning->run, err);
}

int mtnt__store_run_restore(mtnt_controller *controller, const char *chain, const char *command,
                            const mtnt__run_terms *terms, int64_t run, const mtnt__run_waves *waves, mtnt_error *err)
{
    struct beginning beginning = {chain, command, terms, run, waves};

    return in_transaction(controller, restore, &beginning, err);
}

/* ---- find and enter ---- */

static void copy_column(char *target, size_t size, const mtnt_row *row, int column)
{
    const char *text = mtnt_row_text(row, column);

    mtnt__text_copy(target, size, text == NULL ? "" : text);
}

static int read_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__run_row *found = data;
    mtnt__run_terms *terms = &found->terms;

    (void)err;
    found->run = mtnt_row_int(row, 0);
    copy_column(found->chain, sizeof(found->chain), row, 1);
    copy_column(found->command, sizeof(found->command), row, 2);
    found->started_ms = mtnt_row_int(row, 3);
    found->finished_ms = mtnt_row_int(row, 4);
    found->joinable = !mtnt_row_is_null(row, 5);
    if (!found->joinable)
        return 0;
    terms->backward = strcmp(mtnt_row_text(row, 5), "backward") == 0;
    copy_column(terms->goal, sizeof(terms->goal), row, 6);
    terms->steps = mtnt_row_int(row, 7);
    terms->only_run = mtnt_row_int(row, 8);
    copy_column(terms->atomicity, sizeof(terms->atomicity), row, 9);
    copy_column(terms->on_failure, sizeof(terms->on_failure), row, 10);
    copy_column(terms->mode, sizeof(terms->mode), row, 11);
    terms->out_of_order = mtnt_row_int(row, 12) != 0;
    terms->may_delete = mtnt_row_int(row, 13) != 0;
    copy_column(terms->digest, sizeof(terms->digest), row, 14);
    terms->backs_up = mtnt_row_int(row, 15) != 0;
    terms->paced = mtnt_row_int(row, 16) != 0;
    copy_column(terms->waves, sizeof(terms->waves), row, 17);
    terms->canary = mtnt_row_int(row, 18);
    terms->soak_ms = mtnt_row_int(row, 19);
    copy_column(terms->max_failures, sizeof(terms->max_failures), row, 20);
    terms->expected = mtnt_row_is_null(row, 21) ? -1 : mtnt_row_int(row, 21);
    return 0;
}

int mtnt__store_run_find(mtnt_controller *controller, const char *chain, int64_t run, mtnt__run_row *ret_row,
                         mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_int(run), mtnt_value_int(MTNT__RUN_ALIVE_MS),
                                 mtnt_value_end()};

    *ret_row = (mtnt__run_row){0};
    return mtnt__db_run(controller->db, read_row, ret_row, err, MTNT__QUERY_FOR(controller->db, run_find), values);
}

/* The run's row is locked, so that nobody ends it meanwhile. */
static int lock_run(mtnt_controller *controller, int64_t run, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_end()};

    return mtnt__db_run(controller->db, NULL, NULL, err,
                        "UPDATE {schema}.mtnt_run SET finished_ms = finished_ms WHERE run = $1 AND finished_ms IS NULL",
                        values);
}

static int enter_open_run(mtnt_controller *controller, void *data, mtnt_error *err)
{
    int64_t run = *(const int64_t *)data;
    int rc = lock_run(controller, run, err);

    if (rc == 0 && mtnt__db_changes(controller->db) != 1)
        rc = mtnt_error_set(err, MTNT_E_REFUSED, "run %lld has ended meanwhile: there is nothing to join",
                            (long long)run);
    return rc != 0 ? rc : enter(controller, run, err);
}

int mtnt__store_run_enter(mtnt_controller *controller, int64_t run, mtnt_error *err)
{
    return in_transaction(controller, enter_open_run, &run, err);
}

/* ---- counts ---- */

int mtnt__store_run_write(mtnt_controller *controller, const mtnt__run_note *note, bool finished, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(note->run),        mtnt_value_text(controller->owner),
                                 mtnt_value_int(note->total),      mtnt_value_int(note->migrated),
                                 mtnt_value_int(note->current),    mtnt_value_int(note->failed),
                                 mtnt_value_int(note->met),        mtnt_value_int(note->operations),
                                 mtnt_value_int(finished ? 1 : 0), mtnt_value_end()};

    return mtnt__db_run_later(controller->db, err, MTNT__QUERY_FOR(controller->db, run_note), values);
}

static int read_sums(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__run_sums *sums = data;
    int64_t met = mtnt_row_int(row, 4), current = mtnt_row_int(row, 7);

    (void)err;
    sums->processes = mtnt_row_int(row, 0);
    sums->at_work = mtnt_row_int(row, 1);
    sums->migrated = mtnt_row_int(row, 2);
    sums->failed = mtnt_row_int(row, 3) + met;
    sums->met = met;
    sums->operations = mtnt_row_int(row, 5);
    sums->total = mtnt_row_int(row, 6);
    sums->current = current > 0 ? current : 0;
    return 0;
}

int mtnt__store_run_sum(mtnt_controller *controller, int64_t run, mtnt__run_sums *ret_sums, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_int(MTNT__RUN_ALIVE_MS), mtnt_value_end()};

    return mtnt__db_run(controller->db, read_sums, ret_sums, err, MTNT__QUERY_FOR(controller->db, run_sum), values);
}

struct noting {
    const mtnt__run_note *note;
    mtnt__run_sums sums;
};

static int beat(mtnt_controller *controller, void *data, mtnt_error *err)
{
    struct noting *noting = data;
    int rc = mtnt__store_run_write(controller, noting->note, false, err);

    return rc != 0 ? rc : mtnt__store_run_sum(controller, noting->note->run, &noting->sums, err);
}

int mtnt__store_run_beat(mtnt_controller *controller, const mtnt__run_note *note, mtnt__run_sums *ret_sums,
                         mtnt_error *err)
{
    struct noting noting = {.note = note};
    int rc = in_transaction(controller, beat, &noting, err);

    if (rc == 0)
        *ret_sums = noting.sums;
    return rc;
}

/* ---- the end ---- */

static int end_run(mtnt_controller *controller, int64_t run, const mtnt__run_sums *sums, mtnt_error *err)
{
    int64_t tried = sums->migrated + sums->current + sums->failed;
    const mtnt_value values[] = {mtnt_value_int(run),
                                 mtnt_value_int(controller->system->wall_ms(controller->system->data)),
                                 mtnt_value_int(sums->migrated),
                                 mtnt_value_int(sums->current),
                                 mtnt_value_int(sums->failed),
                                 mtnt_value_int(sums->total > tried ? sums->total - tried : 0),
                                 mtnt_value_int(sums->at_work),
                                 mtnt_value_end()};

    return mtnt__db_run_later(
        controller->db, err,
        "UPDATE {schema}.mtnt_run SET finished_ms = CASE $7 WHEN 0 THEN $2 ELSE finished_ms END, migrated = $3, already_current = $4, "
        "failed = $5, untouched = $6 WHERE run = $1",
        values);
}

/* Two that leave at once do so one after the other, so that one of them is the last. */
static int leave(mtnt_controller *controller, void *data, mtnt_error *err)
{
    struct noting *noting = data;
    int rc = lock_run(controller, noting->note->run, err);

    if (rc == 0)
        rc = mtnt__store_run_write(controller, noting->note, true, err);
    if (rc == 0)
        rc = mtnt__store_run_sum(controller, noting->note->run, &noting->sums, err);
    return rc != 0 ? rc : end_run(controller, noting->note->run, &noting->sums, err);
}

int mtnt__store_run_leave(mtnt_controller *controller, const mtnt__run_note *note, mtnt__run_sums *ret_sums,
                          mtnt_error *err)
{
    struct noting noting = {.note = note};
    int rc = in_transaction(controller, leave, &noting, err);

    if (rc == 0)
        *ret_sums = noting.sums;
    return rc;
}

/* ---- what was tried ---- */

struct tried {
    bool *tried, *rests;
    size_t count;
};

static int read_tried(void *data, const mtnt_row *row, mtnt_error *err)
{
    const struct tried *tried = data;
    int64_t at = mtnt_row_int(row, 0);

    if (at < 0 || (size_t)at >= tried->count)
        return mtnt_error_set(err, MTNT_E_CORRUPT, "the controller gave a migration that was not asked for");
    if (mtnt_row_int(row, 1) != 0)
        tried->rests[at] = true;
    else
        tried->tried[at] = true;
    return 0;
}

int mtnt__store_run_tried(mtnt_controller *controller, int64_t run, const char *const *migrations, size_t count,
                          bool *ret_tried, bool *ret_rests, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_text(MTNT__RUN_INTERRUPTED),
                                 mtnt_value_int(MTNT__RUN_ALIVE_MS), mtnt_value_end()};
    struct tried tried = {ret_tried, ret_rests, count};

    memset(ret_tried, 0, count * sizeof(*ret_tried));
    memset(ret_rests, 0, count * sizeof(*ret_rests));
    return mtnt__texts_run(controller->db, read_tried, &tried, err, MTNT__QUERY_FOR(controller->db, run_tried),
                           migrations, count, values);
}

struct rested {
    const char *const *migrations;
    size_t count;
};

static int write_rested(mtnt_controller *controller, void *data, mtnt_error *err)
{
    const struct rested *rested = data;

    for (size_t i = 0; i < rested->count; i++) {
        const mtnt_value values[] = {mtnt_value_text(rested->migrations[i]), mtnt_value_end()};
        int rc = mtnt__db_run(controller->db, NULL, NULL, err,
                              "UPDATE {schema}.mtnt_migration SET rests = NULL WHERE migration = $1", values);

        if (rc != 0)
            return rc;
    }
    return 0;
}

int mtnt__store_run_rested(mtnt_controller *controller, const char *const *migrations, size_t count, mtnt_error *err)
{
    struct rested rested = {migrations, count};

    return in_transaction(controller, write_rested, &rested, err);
}
