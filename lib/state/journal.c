#include "state/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/queries.h"

void mtnt__journal_release(mtnt__journal *journal)
{
    for (size_t i = 0; i < journal->count; i++)
        free(journal->steps[i].operations);
    free(journal->steps);
    *journal = (mtnt__journal){0};
}

const mtnt__journal_step *mtnt__journal_find(const mtnt__journal *journal, int64_t unit, bool backward)
{
    for (size_t i = 0; i < journal->count; i++)
        if (journal->steps[i].unit == unit && journal->steps[i].backward == backward)
            return journal->steps + i;
    return NULL;
}

static const char *direction(bool backward)
{
    return backward ? "backward" : "forward";
}

int mtnt__journal_key(const char *migration, int64_t unit, bool backward, int64_t tries, char ret_key[MTNT__ID_SIZE],
                      mtnt_error *err)
{
    char numbers[64], digest[MTNT__CHECKSUM_SIZE];
    const char *parts[] = {migration, direction(backward), numbers, NULL};
    int rc;

    snprintf(numbers, sizeof(numbers), "%" PRId64 ".%" PRId64, unit, tries);
    rc = mtnt__checksum(digest, parts, err);
    if (rc == 0)
        mtnt__text_copy(ret_key, MTNT__ID_SIZE, digest);
    return rc;
}

static int expect_one(mtnt_db *db, int rc, const char *what, mtnt_error *err)
{
    if (rc == 0 && mtnt__db_changes(db) != 1)
        rc = mtnt_error_set(err, MTNT_E_CANCELLED, "another process has taken this migration over: %s", what);
    return rc;
}

int mtnt__journal_intend(mtnt_db *db, const char *migration, const mtnt__journal_step *step, const char *state,
                         int64_t now_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration),
                                 mtnt_value_int(step->unit),
                                 mtnt_value_text(direction(step->backward)),
                                 mtnt_value_text(step->key),
                                 mtnt_value_text(step->mode),
                                 mtnt_value_text(step->decider),
                                 mtnt_value_text(step->outside ? "outside" : "transaction"),
                                 mtnt_value_text(step->operations),
                                 mtnt_value_int(step->writes),
                                 mtnt_value_int(step->units),
                                 mtnt_value_int(step->retriable),
                                 mtnt_value_int(step->tries),
                                 mtnt_value_int(now_ms),
                                 mtnt_value_text(state),
                                 mtnt_value_int(step->half),
                                 mtnt_value_end()};

    return expect_one(db, mtnt__db_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, step_intend), values),
                      "nothing more is begun here", err);
}

int mtnt__journal_finish(mtnt_db *db, const char *migration, const mtnt__journal_step *step, const char *error,
                         int64_t now_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration),
                                 mtnt_value_int(step->unit),
                                 mtnt_value_text(direction(step->backward)),
                                 mtnt_value_int(step->tries),
                                 mtnt_value_text(step->state == MTNT__JOURNAL_DONE ? "done" : "failed"),
                                 mtnt_value_int(now_ms),
                                 mtnt_value_text(error),
                                 mtnt_value_end()};

    return mtnt__db_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, step_finish), values);
}

static int read_turned(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *state = mtnt_row_text(row, 0);

    (void)err;
    *(bool *)data = state == NULL || (strcmp(state, "executing") != 0 && strcmp(state, "in_doubt") != 0);
    return 0;
}

int mtnt__journal_complete(mtnt_db *db, const char *migration, const mtnt__journal_step *last, int64_t now_ms,
                           mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    mtnt__journal_step done = *last;
    bool turned = true;
    int rc = mtnt__db_run(db, read_turned, &turned, err, MTNT__QUERY_FOR(db, saga_look), values);

    if (rc == 0 && turned)
        rc = mtnt_error_set(err, MTNT_E_CANCELLED,
                            "another process has taken this migration over, and takes back what it has done");
    done.state = MTNT__JOURNAL_DONE;
    return rc == 0 ? mtnt__journal_finish(db, migration, &done, NULL, now_ms, err) : rc;
}

bool mtnt__journal_completed(const mtnt__journal *journal, bool backward)
{
    int64_t done = 0, units = -1;

    for (size_t i = 0; i < journal->count; i++)
        if (journal->steps[i].backward == backward) {
            done += journal->steps[i].state == MTNT__JOURNAL_DONE;
            units = journal->steps[i].units;
        }
    return done == units;
}

int mtnt__journal_turn(mtnt_db *db, const char *migration, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    int rc = expect_one(db, mtnt__db_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, saga_turn), values),
                        "nothing is taken back here", err);

    if (rc == 0)
        rc = mtnt__db_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, saga_turn_tenant), values);
    return rc;
}

static void copy_column(char *target, size_t size, const mtnt_row *row, int column)
{
    const char *text = mtnt_row_text(row, column);

    mtnt__text_copy(target, size, text == NULL ? "" : text);
}

static bool column_is(const mtnt_row *row, int column, const char *text)
{
    const char *found = mtnt_row_text(row, column);

    return found != NULL && strcmp(found, text) == 0;
}

static int read_step(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__journal *journal = data;
    mtnt__journal_step *steps, step = {.unit = mtnt_row_int(row, 0), .backward = column_is(row, 1, "backward")};
    size_t size = journal->size == 0 ? 8 : journal->size * 2;

    if (journal->count == journal->size) {
        steps = realloc(journal->steps, size * sizeof(*steps));
        if (steps == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        journal->steps = steps;
        journal->size = size;
    }
    copy_column(step.key, sizeof(step.key), row, 2);
    copy_column(step.mode, sizeof(step.mode), row, 3);
    copy_column(step.decider, sizeof(step.decider), row, 4);
    step.outside = column_is(row, 5, "outside");
    step.operations = strdup(mtnt_row_text(row, 6) == NULL ? "" : mtnt_row_text(row, 6));
    step.writes = (uint32_t)mtnt_row_int(row, 7);
    step.units = mtnt_row_int(row, 8);
    step.retriable = mtnt_row_int(row, 9) != 0;
    step.state = column_is(row, 10, "done")     ? MTNT__JOURNAL_DONE
                 : column_is(row, 10, "failed") ? MTNT__JOURNAL_FAILED
                                                : MTNT__JOURNAL_INTENT;
    step.tries = mtnt_row_int(row, 11);
    step.half = mtnt_row_int(row, 12) != 0;
    if (step.operations == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    journal->steps[journal->count++] = step;
    return 0;
}

int mtnt__journal_read(mtnt_db *db, const char *migration, mtnt__journal *ret_journal, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(migration), mtnt_value_end()};
    mtnt__journal journal = {0};
    int rc = mtnt__db_run(db, read_step, &journal, err, MTNT__QUERY_FOR(db, step_select), values);

    if (rc == 0)
        *ret_journal = journal;
    else
        mtnt__journal_release(&journal);
    return rc;
}
