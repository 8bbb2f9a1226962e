#include "fleet/away.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "state/runs.h"

#define FIRST_PAUSE_MS 50
#define LONGEST_PAUSE_MS 2000
#define LONGEST_FILE_PAUSE_MS 200
#define IMPATIENT_MS 2000 /* when somebody has said twice that they want it to end */
#define FILE_TRIES 6      /* of a SQLite controller, each of which waits for its lock by itself */

static int64_t limit_ms(const mtnt__dispatch *d)
{
    int64_t said_ms = d->executor->options.rollout.controller_wait_ms;
    int64_t wait_ms = said_ms < 0 ? 0 : said_ms > 0 ? said_ms : MTNT__CONTROLLER_WAIT_MS;

    return mtnt__dispatch_interrupting(d) && wait_ms > IMPATIENT_MS ? IMPATIENT_MS : wait_ms;
}

/* Another connection may do better. What a connection is refused for, as a rule, stays so; but while roles and databases are moved anything is said. */
bool mtnt__away_may_come_back(int rc, const mtnt_error *error)
{
    return error->retryable || rc == MTNT_E_IN_DOUBT || rc == MTNT_E_CONNECT || rc == MTNT_E_BUSY;
}

static bool is_over(const mtnt__dispatch *d)
{
    if (d->executor->controller->backend == MTNT_SQLITE)
        return d->away.tries >= FILE_TRIES;
    return mtnt__dispatch_now_ms(d) - d->away.since_ms >= limit_ms(d);
}

static void wait_on(mtnt__dispatch *d)
{
    const mtnt__system *system = d->executor->controller->system;
    /* A file is busy for a moment; a server is away for longer. */
    int64_t longest_ms = d->executor->controller->backend == MTNT_SQLITE ? LONGEST_FILE_PAUSE_MS : LONGEST_PAUSE_MS;
    uint32_t chance = 0;
    int64_t pause_ms;

    if (system->random(system->data, &chance, sizeof(chance)) != 0)
        chance = 0;
    pause_ms = mtnt__pause_ms(FIRST_PAUSE_MS, d->away.tries, chance);
    if (pause_ms > longest_ms)
        pause_ms = longest_ms;
    d->away.next_ms = mtnt__dispatch_now_ms(d) + pause_ms;
}

/* Once, and only when it takes longer than a moment. */
static void tell(mtnt__dispatch *d, const mtnt_error *error)
{
    mtnt_error warning = *error;

    if (d->away.told || d->away.tries < FILE_TRIES)
        return;
    d->away.told = true;
    mtnt_error_wrap(&warning, "waiting for the controller, which does not answer, for up to %" PRId64 " s",
                    limit_ms(d) / 1000);
    mtnt__tally_warning(&d->tally, &warning);
}

bool mtnt__away_asks(const mtnt__dispatch *d)
{
    return !d->lost && (!d->away.is || mtnt__dispatch_now_ms(d) >= d->away.next_ms);
}

mtnt__heard mtnt__away_hear(mtnt__dispatch *d, int rc, const mtnt_error *error)
{
    if (rc == 0) {
        d->away.back = d->away.back || d->away.is;
        d->away.is = d->away.told = false;
        return MTNT__HEARD_ANSWER;
    }
    mtnt__db_disconnect(d->executor->controller->db);
    if (!d->away.is) {
        d->away.is = true;
        d->away.tries = 0;
        d->away.since_ms = mtnt__dispatch_now_ms(d);
    }
    d->away.tries++;
    if (!mtnt__away_may_come_back(rc, error) || is_over(d)) {
        mtnt__dispatch_lose_controller(d, error);
        return MTNT__HEARD_LOST;
    }
    wait_on(d);
    tell(d, error);
    return MTNT__HEARD_NOTHING;
}

bool mtnt__away_is_back(mtnt__dispatch *d)
{
    bool back = d->away.back || d->away.is;

    d->away.back = false;
    return back;
}

static int read_timeline(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    mtnt__text_copy(data, sizeof(((mtnt__dispatch *)NULL)->away.timeline), mtnt_row_text(row, 0));
    return 0;
}

void mtnt__away_note_timeline(mtnt__dispatch *d)
{
    mtnt_db *db = d->executor->controller->db;
    char timeline[sizeof(d->away.timeline)] = "";
    mtnt_error warning = MTNT_ERROR_INIT;

    /* What cannot be asked is not asked again: it is a hint. */
    if (mtnt_db_backend(db) != MTNT_POSTGRES ||
        mtnt__db_run(db, read_timeline, timeline, NULL,
                     "SELECT substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)", NULL) != 0)
        return;
    if (d->away.timeline[0] != '\0' && strcmp(d->away.timeline, timeline) != 0) {
        mtnt_error_set(
            &warning, MTNT_E_CONNECT,
            "the controller has failed over to another server. If its standby was asynchronous, its last commits are "
            "lost: when the run is over, compare it with the models:   mtnt-model recover --audit");
        mtnt__tally_warning(&d->tally, &warning);
    }
    mtnt__text_copy(d->away.timeline, sizeof(d->away.timeline), timeline);
}

int64_t mtnt__away_idle_ms(const mtnt__dispatch *d, int64_t most)
{
    int64_t left = d->away.next_ms - mtnt__dispatch_now_ms(d);

    if (!d->away.is || left >= most)
        return most;
    return left > 0 ? left : 1;
}

void mtnt__away_sleep(const mtnt__dispatch *d)
{
    const mtnt__system *system = d->executor->controller->system;

    system->sleep_ms(system->data, mtnt__away_idle_ms(d, LONGEST_PAUSE_MS));
}

/* For as long as the run itself would wait, counted from the first time; an outage after that is another one. */
static bool has_patience(mtnt__dispatch *d, mtnt__task *task)
{
    int64_t now_ms = mtnt__dispatch_now_ms(d), limit = limit_ms(d);

    if (task->stranded_ms == 0 || now_ms - task->stranded_again_ms > limit)
        task->stranded_ms = now_ms;
    task->stranded_again_ms = now_ms;
    return now_ms - task->stranded_ms < limit;
}

bool mtnt__away_is_why(mtnt__dispatch *d, mtnt__task *task)
{
    bool decided = task->verdict != MTNT__VERDICT_FAILED && task->verdict != MTNT__VERDICT_IN_DOUBT;

    if (task->result_code == 0 || decided || d->executor->controller->backend == MTNT_SQLITE)
        return false;
    if (!task->controller_lost && !(d->away.is && task->error.retryable))
        return false;
    return has_patience(d, task);
}
