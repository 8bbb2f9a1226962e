#include "coordinate/task.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/origin.h"
#include "coordinate/apart.h"

#define MAX_LOOKS 4
#define MAX_HEARTBEAT_RETRIES 1000
#define MAX_HEARTBEAT_MS (INT64_C(365) * 24 * 60 * 60 * 1000)

int64_t mtnt__recovery_lease_ms(const mtnt_migration_options *options)
{
    return mtnt__unlock_ms(options) + MTNT__LEASE_MARGIN_MS;
}

int64_t mtnt__longest_ms(const mtnt_migration_options *options)
{
    return mtnt__run_ms(options) + mtnt__unlock_ms(options);
}

/* ---- jobs ---- */

static int check_options(const mtnt_migration_options *options, mtnt_error *err)
{
    if (options->version != MTNT_MIGRATION_OPTIONS_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "mtnt_migration_options of version %u; initialise them with MTNT_MIGRATION_OPTIONS_INIT",
                              (unsigned)options->version);
    if (options->steps < 0 || options->deadline_ms < 0 || options->operation_timeout_ms < 0 ||
        options->unlock_deadline_ms < 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "negative steps or times in mtnt_migration_options");
    if (options->heartbeat_ms < 0 || options->heartbeat_ms > MAX_HEARTBEAT_MS ||
        options->heartbeat_retries > MAX_HEARTBEAT_RETRIES)
        return mtnt_error_set(
            err, MTNT_E_INVALID,
            "a heartbeat every %lld ms with %d retries in mtnt_migration_options: it takes up to a year and %d",
            (long long)options->heartbeat_ms, options->heartbeat_retries, MAX_HEARTBEAT_RETRIES);
    return options->adoption == NULL ? 0 : mtnt__adoption_check(options->adoption, err);
}

/* Tables tell only of operations that come from the folders of their tools. */
static int check_direction(const mtnt_chain *chain, mtnt_direction direction, const mtnt_migration_options *options,
                           mtnt_error *err)
{
    if (direction != MTNT_BASELINE || options->to != NULL || mtnt__origin_any(chain))
        return 0;
    return mtnt_error_set(
        err, MTNT_E_INVALID,
        "no operation of chain %s comes from another tool's folder, so no table tells what is applied: "
        "say it, by the last operation (--to NAME)",
        mtnt__chain_base(chain));
}

int mtnt__job_init(mtnt__job *job, const mtnt_controller *controller, const mtnt_chain *chain, mtnt_direction direction,
                   const mtnt_migration_options *options, mtnt_error *err)
{
    static const mtnt_migration_options defaults = MTNT_MIGRATION_OPTIONS_INIT;
    int rc;

    *job = (mtnt__job){.controller = controller,
                       .chain = chain,
                       .options = options == NULL ? defaults : *options,
                       .last = -1,
                       .backward = direction == MTNT_BACKWARD,
                       .baseline = direction == MTNT_BASELINE};
    rc = check_options(&job->options, err);
    if (rc == 0)
        rc = check_direction(chain, direction, &job->options, err);
    if (rc == 0 && job->options.adoption != NULL && direction != MTNT_FORWARD)
        rc = mtnt_error_set(err, MTNT_E_INVALID,
                            "a takeover has no way back: the other controller takes the model over");
    if (job->options.adoption != NULL)
        job->options.atomicity = MTNT_ATOMICITY_CHAIN;
    if (rc == 0 && job->options.rehearse && direction != MTNT_FORWARD)
        rc = mtnt_error_set(err, MTNT_E_INVALID, "only the way forward can be rehearsed");
    if (job->options.rehearse) {
        job->options.atomicity = MTNT_ATOMICITY_CHAIN;
        job->options.backup = NULL;
    }
    mtnt__lane_deadlines(&job->options, chain);
    if (rc == 0 && job->options.to != NULL && (job->last = mtnt_chain_find(chain, job->options.to)) < 0)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "the chain %s has no operation `%s`", chain->name, job->options.to);
    if (rc == 0 && job->options.run != NULL && !mtnt__parse_int(job->options.run, 1, INT64_MAX, &job->only_run))
        rc = mtnt_error_set(err, MTNT_E_INVALID, "`%s` is no run's number", job->options.run);
    if (rc == 0)
        rc = mtnt__ladder_new(&job->ladder, chain, err);
    return rc;
}

void mtnt__job_release(mtnt__job *job)
{
    mtnt__ladder_release(&job->ladder);
}

bool mtnt__job_current(const mtnt__job *job, const mtnt_model *model, const mtnt__known *known)
{
    ptrdiff_t rung;

    /* Whose the model is, it says itself. */
    if (job->options.adoption != NULL)
        return false;
    if (!known->known || !mtnt__known_idle(known) || strcmp(known->placed, mtnt__model_key(model)) != 0)
        return false;
    /* Another chain has taken the model away. */
    if (known->gone && !known->gone_here)
        return false;
    rung = mtnt__ladder_find(&job->ladder, known->digest);
    if (rung < 0 || mtnt__job_forgets(job, known))
        return false;
    if (job->backward)
        return rung == 0;
    if (job->last < 0)
        return (size_t)rung == job->ladder.count - 1;
    /* At or beyond the operation asked for: migrating never takes anything back. */
    return job->ladder.entries[rung] >= job->last ||
           ((size_t)rung + 1 < job->ladder.count && job->ladder.entries[rung + 1] > job->last) ||
           (size_t)rung == job->ladder.count - 1;
}

int64_t mtnt__job_floor(const mtnt__job *job)
{
    const mtnt_chain *chain = job->chain;
    /* How far a number of steps reaches depends on the tenant: they may reach the beginning. */
    size_t first = job->last >= 0 && job->options.steps == 0 && job->only_run == 0 ? (size_t)job->last + 1 : 0;

    if (!job->backward)
        return 0;
    return first < chain->count ? chain->entries[first].order : INT64_MAX;
}

const char *mtnt__job_goal(const mtnt__job *job)
{
    return job->ladder.rungs[job->backward ? 0 : job->ladder.count - 1].digest;
}

bool mtnt__job_forgets(const mtnt__job *job, const mtnt__known *known)
{
    if (!known->gone || known->removed_ms == 0 || job->backward || !mtnt__known_idle(known))
        return false;
    return known->reborn || mtnt__chain_deleter(job->chain) == NULL;
}

/* ---- tasks ---- */

int mtnt__task_init(mtnt__task *task, const mtnt__job *job, mtnt_model *model, const mtnt__known *known,
                    mtnt_error *err)
{
    *task = (mtnt__task){.job = job, .known = *known, .steps_left = job->options.steps};
    atomic_init(&task->cancelled, false);
    if (pthread_mutex_init(&task->mutex, NULL) != 0)
        return mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
    task->model = mtnt__model_ref(model);
    task->outcome.tenant = mtnt_model_id(model);
    task->outcome.from_version = task->outcome.to_version = known->version;
    return 0;
}

void mtnt__task_release(mtnt__task *task)
{
    if (task->model == NULL)
        return;
    mtnt__attempt_release(&task->attempt);
    mtnt__previous_release(&task->claim.previous);
    free(task->history);
    free(task->locks);
    free(task->server);
    mtnt_model_free(task->model);
    pthread_mutex_destroy(&task->mutex);
    *task = (mtnt__task){0};
}

static void publish(void *data, mtnt_db *controller, mtnt_db *model)
{
    mtnt__task *task = data;

    pthread_mutex_lock(&task->mutex);
    task->live_controller = controller;
    task->live_model = model;
    pthread_mutex_unlock(&task->mutex);
}

/* The mutex is held, so that the handles stay. */
static void stop_body(mtnt__task *task)
{
    atomic_store(&task->cancelled, true);
    if (task->live_controller != NULL)
        mtnt_db_cancel(task->live_controller);
    if (task->live_model != NULL)
        mtnt_db_cancel(task->live_model);
}

void mtnt__task_cancel(mtnt__task *task)
{
    pthread_mutex_lock(&task->mutex);
    task->interrupted = true;
    stop_body(task);
    pthread_mutex_unlock(&task->mutex);
}

/* ---- the lease ---- */

static void lose_lease(void *data, mtnt__loss loss, const char *why)
{
    mtnt__task *task = data;

    pthread_mutex_lock(&task->mutex);
    task->loss = loss;
    mtnt__text_copy(task->loss_text, sizeof(task->loss_text), why);
    stop_body(task);
    pthread_mutex_unlock(&task->mutex);
}

void mtnt__task_hold(mtnt__task *task, mtnt__heartbeat *heartbeat)
{
    task->lease = (mtnt__lease){.tenant = mtnt_model_id(task->model),
                                .migration = task->claim.migration,
                                .epoch = task->claim.epoch,
                                .lost = lose_lease,
                                .data = task};
    mtnt__heartbeat_add(heartbeat, &task->lease);
}

/* A new claim has a new lease: what became of the one before does not cancel it, as a caller's word does. */
static void forget_loss(mtnt__task *task)
{
    pthread_mutex_lock(&task->mutex);
    if (task->loss != MTNT__LOSS_NONE)
        atomic_store(&task->cancelled, task->interrupted && task->phase != MTNT__TASK_BACK);
    task->loss = MTNT__LOSS_NONE;
    pthread_mutex_unlock(&task->mutex);
}

/* Why the body was cancelled. What the register has decided meanwhile stands, whoever has the lease. */
static mtnt__loss explain_loss(mtnt__task *task, mtnt_error *err)
{
    mtnt__loss loss;

    pthread_mutex_lock(&task->mutex);
    loss = task->loss;
    if (loss != MTNT__LOSS_NONE && task->attempt.verdict == MTNT__VERDICT_FAILED && err->code != MTNT_OK) {
        if (loss == MTNT__LOSS_TAKEN)
            mtnt_error_wrap(
                err,
                "its lease was lost: another process has taken the tenant over, and settles it. What was done here is "
                "rolled back");
        else
            mtnt_error_wrap(
                err,
                "its lease was lost: it could not be renewed in the controller for too long (%s). What was done is "
                "rolled back; run it again",
                task->loss_text);
        err->code = MTNT_E_LEASE;
        err->retryable = true;
    }
    pthread_mutex_unlock(&task->mutex);
    return loss;
}

static const mtnt__chain_entry *creator(const mtnt_chain *chain)
{
    const mtnt__chain_entry *first = chain->count == 0 ? NULL : chain->entries;

    return first != NULL && !first->disabled && (first->flags & MTNT_OPERATION_CREATES_MODEL) != 0 ? first : NULL;
}

static bool may_create(const mtnt__task *task)
{
    return !task->job->backward && task->phase != MTNT__TASK_BACK && task->known.uuid[0] == '\0' &&
           creator(task->job->chain) != NULL;
}

/* Of those that can be rehearsed. Their records are in the controller when nothing else is written. */
static uint32_t rehearsed_writes(const mtnt__task *task, ptrdiff_t rung)
{
    const mtnt_chain *chain = task->job->chain;
    ptrdiff_t at = rung < 0 ? -1 : task->job->ladder.entries[rung];
    uint32_t writes = 0;

    for (size_t i = 0; i < chain->count; i++) {
        const mtnt__chain_entry *entry = chain->entries + i;

        if (!entry->disabled && (ptrdiff_t)i > at && (task->job->last < 0 || (ptrdiff_t)i <= task->job->last) &&
            mtnt__rehearse_obstacle(entry->writes, entry->flags, task->job->options.mode) == NULL)
            writes |= entry->writes;
    }
    return writes;
}

/* What the operations that are probably pending write. The model has the last word: see MTNT__VERDICT_OTHER_MODE. */
static uint32_t expected_writes(const mtnt__task *task)
{
    const mtnt__ladder *ladder = &task->job->ladder;
    ptrdiff_t rung = task->known.known ? mtnt__ladder_find(ladder, task->known.digest) : 0;

    if (task->looked)
        return task->needs;
    if (task->job->options.rehearse && !(task->model->schema != NULL && may_create(task)))
        return rehearsed_writes(task, rung);
    /* A schema that is not there has no register either: the controller has to decide. */
    if (task->model->schema != NULL && may_create(task))
        return MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER;
    if (task->job->backward || task->phase == MTNT__TASK_BACK || rung < 0)
        return ladder->writes_after[0];
    return ladder->writes_after[rung];
}

static bool expects_creation(const mtnt__task *task)
{
    mtnt__db_options options = mtnt__side_options(task->job->controller, task->model);
    bool exists = true;

    if (task->looked)
        return task->provisional;
    if (task->model->schema != NULL || !may_create(task))
        return false;
    /* A file is looked for at once; a database's answer costs a connection, which its worker pays. */
    if (task->model->backend == MTNT_SQLITE &&
        mtnt__db_exists(mtnt__model_dsn(task->model), &options, &exists, NULL) == 0)
        return !exists;
    return task->model->backend == MTNT_POSTGRES;
}

/* The operations at hand end with the one that deletes the model, or (backward) begin with it. */
static bool expects_removal(const mtnt__task *task)
{
    const mtnt__job *job = task->job;
    const mtnt__chain_entry *deleter = mtnt__chain_deleter(job->chain);
    int64_t limit = job->options.atomicity == MTNT_ATOMICITY_OPERATION ? 1 : task->steps_left;
    ptrdiff_t rung = task->known.known ? mtnt__ladder_find(&job->ladder, task->known.digest) : 0;
    ptrdiff_t pending = (ptrdiff_t)job->ladder.count - 1 - rung;

    if (task->known.gone && task->known.gone_here)
        return job->backward;
    if (task->looked)
        return task->tombstone;
    if (deleter == NULL || job->options.rehearse || job->backward || task->phase == MTNT__TASK_BACK || rung < 0 ||
        pending == 0)
        return false;
    return (limit == 0 || pending <= limit) && (job->last < 0 || job->chain->entries + job->last == deleter);
}

static int check_gone(const mtnt__task *task, mtnt_error *err)
{
    const mtnt__known *known = &task->known;
    char when[MTNT__TIME_SIZE];

    if (!task->job->backward || !known->gone || known->removing_ms == 0)
        return 0;
    mtnt__time_text(known->removed_ms != 0 ? known->removed_ms : known->removing_ms, when);
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "its model was removed for good on %s (put away by migration %s): there is nothing left to put "
        "back. Nothing was changed",
        when, known->gone_by);
}

/* Whether an operation that is probably pending asks for a saga. */
static bool expects_saga(const mtnt__task *task)
{
    const mtnt_chain *chain = task->job->chain;
    ptrdiff_t rung = mtnt__ladder_find(&task->job->ladder, task->known.digest);
    bool backward = task->job->backward || task->phase == MTNT__TASK_BACK;
    ptrdiff_t at = rung < 0 ? -1 : task->job->ladder.entries[rung];

    if (task->looked || task->job->options.rehearse)
        return task->saga;
    for (size_t i = 0; i < chain->count; i++)
        if (!chain->entries[i].disabled && (backward || task->job->last < 0 || (ptrdiff_t)i <= task->job->last) &&
            (backward ? (ptrdiff_t)i <= at : (ptrdiff_t)i > at) &&
            mtnt__saga_asked(&task->job->options, chain->entries + i))
            return true;
    return false;
}

static mtnt__mode expected_mode(const mtnt__task *task)
{
    bool creation;

    if (task->job->baseline)
        return mtnt__mode_choose(task->job->controller, task->model, MTNT_WRITES_MODEL, false);
    if (task->job->options.adoption != NULL)
        return MTNT__MODE_ADOPTION;
    if (expects_removal(task))
        return MTNT__MODE_TOMBSTONE;
    creation = expects_creation(task);
    if (!creation && expects_saga(task))
        return MTNT__MODE_SAGA;
    return mtnt__mode_choose(task->job->controller, task->model, expected_writes(task), creation);
}

int mtnt__task_next(mtnt__task *task, mtnt_error *err)
{
    const mtnt_controller *controller = task->job->controller;
    mtnt__mode mode = expected_mode(task);
    const char *decider = mtnt__mode_decider(mode, controller->backend, task->model->backend);
    mtnt__claim *claim = &task->claim;

    if (check_gone(task, err) != 0)
        return MTNT_E_REFUSED;
    forget_loss(task);
    mtnt__previous_release(&claim->previous);
    *claim = (mtnt__claim){.model = task->model,
                           .mode = mtnt__mode_name(mode),
                           .decider = decider,
                           .home = strcmp(decider, "model") == 0 ? task->known.uuid : controller->home,
                           .backward = task->job->backward || task->phase == MTNT__TASK_BACK,
                           .run = task->job->run};
    mtnt__attempt_release(&task->attempt);
    task->attempt = (mtnt__attempt){.mode = mode};
    return mtnt__random_id(controller->system, claim->migration, err);
}

static void fill_attempt(mtnt__task *task, mtnt__link *link)
{
    const mtnt__job *job = task->job;
    mtnt__attempt *attempt = &task->attempt;
    bool by_operation = job->options.atomicity == MTNT_ATOMICITY_OPERATION && !job->baseline;

    attempt->chain = job->chain;
    attempt->options = &job->options;
    attempt->templates = job->options.rehearse ? NULL : job->templates;
    attempt->expects = task->done_here == 0 && task->phase == MTNT__TASK_RUN;
    attempt->link = link;
    attempt->claim = &task->claim;
    attempt->known = task->known;
    attempt->cancelled = &task->cancelled;
    attempt->publish = publish;
    attempt->publish_data = task;
    attempt->status = task->status;
    attempt->status_data = task->status_data;
    /* What takes changes back is no first change. */
    attempt->backup = !task->backed_up && task->phase != MTNT__TASK_BACK;
    attempt->baseline = job->baseline;
    attempt->compensates = task->phase == MTNT__TASK_BACK;
    attempt->last = task->phase == MTNT__TASK_BACK ? -1 : job->last;
    attempt->only_run = task->phase == MTNT__TASK_BACK ? job->run : job->only_run;
    attempt->steps_limit = task->phase == MTNT__TASK_BACK ? 1 : by_operation ? 1 : task->steps_left;
    /* Nothing else can be taken back while the model is away. */
    if (attempt->mode == MTNT__MODE_TOMBSTONE && task->claim.backward)
        attempt->steps_limit = 1;
    /* A model that is being made appears whole or not at all: its operations cannot commit one by one. */
    if (by_operation && task->attempt.mode == MTNT__MODE_PROVISIONAL)
        attempt->steps_limit = task->steps_left;
}

static void keep_history(mtnt__task *task)
{
    const mtnt__attempt *attempt = &task->attempt;
    mtnt__step *history = realloc(task->history, (task->history_count + attempt->count + 1) * sizeof(*history));

    /* Only a report suffers when there is no memory. */
    if (history == NULL)
        return;
    task->history = history;
    for (size_t i = 0; i < attempt->count; i++)
        if (attempt->steps[i].status != MTNT_STATUS_PENDING) {
            history[task->history_count] = attempt->steps[i];
            history[task->history_count++].error = NULL;
        }
}

static mtnt__migration_event event_of(mtnt__verdict verdict)
{
    switch (verdict) {
    case MTNT__VERDICT_COMMITTED: return MTNT__EVENT_COMMIT;
    case MTNT__VERDICT_IN_DOUBT: return MTNT__EVENT_LOSE_ANSWER;
    case MTNT__VERDICT_BLOCKED: return MTNT__EVENT_MEET_FOREIGN;
    case MTNT__VERDICT_DIVERGED: return MTNT__EVENT_DISAGREE;
    case MTNT__VERDICT_ROLLBACK_FAILED: return MTNT__EVENT_FAIL_TO_UNDO;
    case MTNT__VERDICT_FAILED:
    case MTNT__VERDICT_NOTHING:
    case MTNT__VERDICT_REHEARSED:
    case MTNT__VERDICT_OTHER_MODE: return MTNT__EVENT_ABORT;
    }
    return MTNT__EVENT_LOSE_ANSWER;
}

/* Steps of the attempt for the controller: a rewind that failed has changed nothing, so it says nothing. */
static void gather_steps(mtnt__task *task)
{
    mtnt__attempt *attempt = &task->attempt;
    bool tells = attempt->verdict == MTNT__VERDICT_COMMITTED ||
                 (attempt->verdict == MTNT__VERDICT_FAILED && !task->claim.backward && !task->job->options.rehearse);
    size_t own = tells ? attempt->count : 0, count = 0;

    if (attempt->told == NULL)
        return;
    for (size_t i = 0; i < attempt->recorded_count; i++) {
        bool again = false;

        for (size_t k = 0; k < own; k++)
            again = again || attempt->steps[k].entry == attempt->recorded[i].entry;
        if (!again)
            attempt->told[count++] = attempt->recorded[i];
    }
    for (size_t k = 0; k < own; k++)
        /* A rewind may have stopped short: what it did not take back stays as it was. */
        if (!task->claim.backward || attempt->steps[k].status == MTNT_STATUS_ROLLED_BACK)
            attempt->told[count++] = attempt->steps[k];
    task->end.steps = attempt->told;
    task->end.step_count = count;
}

static void make_end(mtnt__task *task, const mtnt_error *error)
{
    const mtnt__attempt *attempt = &task->attempt;
    const mtnt_controller *controller = task->job->controller;
    bool failed = error->code != MTNT_OK;

    task->end =
        (mtnt__end){.tenant = mtnt_model_id(task->model),
                    .migration = task->claim.migration,
                    /* A commit stands in the register, and is told by whoever knows of it. */
                    .epoch = attempt->verdict == MTNT__VERDICT_COMMITTED ? 0 : task->claim.epoch,
                    .state = mtnt__migration_move(attempt->at, event_of(attempt->verdict)),
                    .moved = attempt->positioned && attempt->verdict != MTNT__VERDICT_IN_DOUBT &&
                             attempt->verdict != MTNT__VERDICT_BLOCKED && attempt->verdict != MTNT__VERDICT_DIVERGED &&
                             attempt->verdict != MTNT__VERDICT_ROLLBACK_FAILED,
                    .position = attempt->verdict == MTNT__VERDICT_REHEARSED ? attempt->before : attempt->position,
                    .rehearsed = task->job->options.rehearse,
                    .placed = mtnt__model_key(task->model),
                    .uuid = attempt->identity.uuid[0] == '\0' ? NULL : attempt->identity.uuid,
                    .error = failed ? &task->error : NULL,
                    .error_operation = task->failed_operation[0] == '\0' ? NULL : task->failed_operation,
                    .run = task->claim.run,
                    .ahead = attempt->ahead.both == 0 ? &attempt->ahead : NULL,
                    .finished_ms = controller->system->wall_ms(controller->system->data)};
    if (attempt->mode == MTNT__MODE_ADOPTION && attempt->verdict == MTNT__VERDICT_COMMITTED)
        task->end.audit = &task->audit;
    gather_steps(task);
    task->end_due = true;
}

static void note_adoption(mtnt__task *task)
{
    const mtnt_adoption *adoption = task->job->options.adoption;

    mtnt__controller_text(task->attempt.adopted.from, task->adopted_from);
    mtnt__controller_text(task->job->controller->id, task->adopted_to);
    task->audit = (mtnt__audit){task->adopted_from, adoption->who, adoption->reason, task->adopted_to};
    task->outcome.adopted_from = task->attempt.adopted.from;
}

static void note_failure(mtnt__task *task, const mtnt_error *error)
{
    const mtnt__attempt *attempt = &task->attempt;

    if (task->phase == MTNT__TASK_BACK) {
        mtnt_error_keep(&task->error, error);
    } else {
        task->error = *error;
        if (attempt->failed >= 0) {
            mtnt__text_copy(task->failed_operation, sizeof(task->failed_operation),
                            attempt->steps[attempt->failed].entry->name);
            task->outcome.failed_operation = task->failed_operation;
            task->outcome.failed_order = attempt->steps[attempt->failed].entry->order;
        }
        task->outcome.failed_phase = attempt->failed_phase;
    }
    task->result_code = task->error.code;
}

/* A saga may have stopped short of its last operations. */
static size_t ended(const mtnt__attempt *attempt)
{
    mtnt_status status = attempt->claim->backward ? MTNT_STATUS_ROLLED_BACK : MTNT_STATUS_COMPLETED;
    size_t count = 0;

    for (size_t i = 0; i < attempt->count; i++)
        count += attempt->steps[i].status == status;
    return count;
}

static void note_success(mtnt__task *task)
{
    const mtnt__attempt *attempt = &task->attempt;
    size_t count = ended(attempt);

    if (task->phase == MTNT__TASK_BACK) {
        task->outcome.rolled_back += count;
        task->outcome.executed -= count < task->outcome.executed ? count : task->outcome.executed;
        task->done_here -= count < task->done_here ? count : task->done_here;
        task->steps_left += task->steps_left > 0 ? (int64_t)count : 0; /* for another try */
    } else {
        task->outcome.executed += count;
        task->done_here += count;
        task->steps_left -= task->steps_left > 0 ? (int64_t)count : 0;
        task->outcome.created_model = task->outcome.created_model || attempt->made_model;
        task->outcome.cloned_model = task->outcome.cloned_model || attempt->clone.done;
    }
    task->outcome.to_version = attempt->position.version;
    /* What this attempt left is what the next one starts from. */
    task->known.known = true;
    mtnt__text_copy(task->known.state, sizeof(task->known.state), "idle");
    task->known.version = attempt->position.version;
    mtnt__text_copy(task->known.digest, sizeof(task->known.digest), attempt->position.digest);
    mtnt__text_copy(task->known.uuid, sizeof(task->known.uuid), attempt->identity.uuid);
    /* Its end is durable before the next one is claimed. */
    mtnt__text_copy(task->known.migration, sizeof(task->known.migration), task->claim.migration);
    task->looked = false;
    task->looks = 0;
    task->known.gone = attempt->removes;
    task->known.gone_here = attempt->removes;
}

/* What was seen is the outcome's from now on. */
static void note_rehearsal(mtnt__task *task)
{
    mtnt__attempt *attempt = &task->attempt;
    mtnt_outcome *outcome = &task->outcome;

    if (!task->job->options.rehearse)
        return;
    free(task->locks);
    task->locks = attempt->locks;
    attempt->locks = NULL;
    outcome->locks = task->locks;
    outcome->lock_count = attempt->lock_count;
    outcome->skipped = attempt->skipped;
    outcome->rehearsed = attempt->verdict == MTNT__VERDICT_REHEARSED;
    if (!outcome->rehearsed)
        return;
    outcome->executed = attempt->count;
    outcome->to_version = attempt->position.version;
}

static size_t undone(const mtnt__attempt *attempt)
{
    size_t count = 0;

    for (size_t i = 0; i < attempt->count && !attempt->claim->backward; i++)
        count += attempt->steps[i].status == MTNT_STATUS_ROLLED_BACK;
    return count;
}

/* A model that comes and goes under our eyes. */
static void give_up_looking(mtnt__task *task)
{
    mtnt_error_set(&task->error, MTNT_E_BUSY,
                   "the model changes while it is being looked at; somebody else is working on it");
    task->error.retryable = true;
    task->result_code = MTNT_E_BUSY;
    task->phase = MTNT__TASK_DONE;
}

static bool goes_back(const mtnt__task *task)
{
    return task->done_here > 0 && !task->job->backward && task->job->options.on_failure == MTNT_ON_FAILURE_ROLLBACK;
}

static void move(mtnt__task *task, bool steps_wanted, mtnt__loss loss)
{
    const mtnt__attempt *attempt = &task->attempt;
    bool by_operation = task->job->options.atomicity == MTNT_ATOMICITY_OPERATION && !task->job->baseline;
    /* The model is back: the rest can be taken back now. */
    bool back = attempt->mode == MTNT__MODE_TOMBSTONE && attempt->claim->backward;
    bool more = (by_operation || back) && attempt->verdict == MTNT__VERDICT_COMMITTED && steps_wanted &&
                !attempt->removes && task->result_code == 0;

    if (attempt->verdict == MTNT__VERDICT_OTHER_MODE) {
        task->looked = true;
        /* A model that turned out to exist says what it needs at the next look; till then, all that the chain writes. */
        task->needs = attempt->mode == MTNT__MODE_PROVISIONAL || attempt->needs_provisional
                          ? task->job->ladder.writes_after[0]
                          : attempt->needs;
        task->provisional = attempt->needs_provisional;
        task->tombstone = attempt->needs_tombstone;
        task->saga = attempt->needs_saga;
        if (++task->looks > MAX_LOOKS)
            give_up_looking(task);
    } else if (task->phase == MTNT__TASK_BACK) {
        task->phase =
            attempt->verdict == MTNT__VERDICT_COMMITTED && task->done_here > 0 ? MTNT__TASK_BACK : MTNT__TASK_DONE;
    } else if (more) {
        task->phase = MTNT__TASK_RUN;
    } else {
        bool undo = by_operation && attempt->verdict == MTNT__VERDICT_FAILED && goes_back(task) &&
                    loss != MTNT__LOSS_TAKEN; /* the tenant is another's now */

        task->phase = undo ? MTNT__TASK_BACK : MTNT__TASK_DONE;
        /* Compensation runs although the run was cancelled. */
        if (undo)
            atomic_store(&task->cancelled, false);
    }
}

static void conclude(mtnt__task *task)
{
    mtnt__verdict verdict = task->attempt.verdict;

    if (task->phase != MTNT__TASK_DONE)
        return;
    if (task->result_code != 0 && verdict != MTNT__VERDICT_IN_DOUBT && verdict != MTNT__VERDICT_BLOCKED &&
        verdict != MTNT__VERDICT_DIVERGED && verdict != MTNT__VERDICT_ROLLBACK_FAILED)
        verdict = MTNT__VERDICT_FAILED;
    else if (verdict == MTNT__VERDICT_NOTHING && task->outcome.executed > 0)
        verdict = MTNT__VERDICT_COMMITTED;
    task->verdict = verdict;
}

void mtnt__task_again(mtnt__task *task, const mtnt__known *known)
{
    pthread_mutex_lock(&task->mutex);
    task->loss = MTNT__LOSS_NONE;
    task->interrupted = false;
    atomic_store(&task->cancelled, false);
    pthread_mutex_unlock(&task->mutex);
    task->known = *known;
    task->phase = MTNT__TASK_RUN;
    task->needs = 0;
    task->provisional = task->tombstone = task->saga = task->looked = false;
    task->looks = 0;
    task->done_here = 0;
    task->again = true;
}

static void begin_again(mtnt__task *task)
{
    if (!task->again)
        return;
    task->again = false;
    task->outcome = (mtnt_outcome){
        .tenant = mtnt_model_id(task->model), .from_version = task->known.version, .to_version = task->known.version};
    mtnt_error_clear(&task->error);
    task->failed_operation[0] = '\0';
    task->result_code = 0;
    task->history_count = 0;
}

/* What has come of the attempt. */
static void take_in(mtnt__task *task, mtnt_error *error)
{
    const mtnt__system *system = task->job->controller->system;
    const mtnt__attempt *attempt = &task->attempt;
    int64_t before = task->outcome.to_version;
    mtnt__loss loss = explain_loss(task, error);
    bool steps_wanted;

    task->backed_up = task->backed_up || attempt->backed_up;
    mtnt__text_copy(task->migration, sizeof(task->migration), task->claim.migration);
    task->outcome.migration = task->migration;
    task->outcome.mode = mtnt__mode_name(attempt->mode);
    task->outcome.note = attempt->note[0] == '\0' ? NULL : attempt->note;
    task->outcome.finished_ms = system->wall_ms(system->data);
    task->controller_lost =
        attempt->verdict != MTNT__VERDICT_COMMITTED && (attempt->controller_lost || loss == MTNT__LOSS_UNRENEWED);
    if (task->first)
        task->outcome.from_version = attempt->positioned ? attempt->from_version : before;
    keep_history(task);
    if (attempt->verdict == MTNT__VERDICT_COMMITTED)
        note_success(task);
    if (attempt->mode == MTNT__MODE_ADOPTION && attempt->verdict == MTNT__VERDICT_COMMITTED)
        note_adoption(task);
    note_rehearsal(task);
    if (error->code != MTNT_OK)
        note_failure(task, error);
    else if (attempt->verdict != MTNT__VERDICT_COMMITTED && attempt->verdict != MTNT__VERDICT_REHEARSED &&
             attempt->positioned)
        task->outcome.to_version = attempt->position.version;
    task->doubted = attempt->verdict == MTNT__VERDICT_IN_DOUBT ? task->outcome.executed + ended(attempt) : 0;
    if (attempt->verdict == MTNT__VERDICT_FAILED)
        task->outcome.rolled_back += undone(attempt);
    steps_wanted = task->job->options.steps == 0 || task->steps_left > 0;
    move(task, steps_wanted, loss);
    task->taken =
        loss == MTNT__LOSS_TAKEN && attempt->verdict == MTNT__VERDICT_FAILED && task->phase == MTNT__TASK_DONE;
    make_end(task, &task->error);
    conclude(task);
}

bool mtnt__task_run(mtnt__task *task, mtnt__link *link)
{
    const mtnt__system *system = task->job->controller->system;
    mtnt_error error = MTNT_ERROR_INIT;

    task->first = task->outcome.migration == NULL || task->again;
    begin_again(task);
    if (task->first)
        task->outcome.started_ms = system->wall_ms(system->data);
    fill_attempt(task, link);
    if (link->isolation != NULL)
        mtnt__apart_run(&task->attempt, &error);
    else
        mtnt__attempt_run(&task->attempt, &error);
    if (mtnt__commit_lingers(&task->attempt))
        return false;
    take_in(task, &error);
    return true;
}

void mtnt__task_collect(mtnt__task *task, mtnt__link *link)
{
    mtnt_error error = MTNT_ERROR_INIT;

    mtnt__commit_collect(link, &error);
    take_in(task, &error);
}

void mtnt__task_vindicate(mtnt__task *task)
{
    mtnt_error_clear(&task->error);
    task->result_code = 0;
    task->controller_lost = false;
    task->failed_operation[0] = '\0';
    task->outcome.failed_operation = task->outcome.failed_phase = NULL;
    task->outcome.executed = task->doubted;
    task->history_count = 0;
    task->outcome.to_version = task->known.version;
    task->verdict = MTNT__VERDICT_COMMITTED;
}

void mtnt__task_interrupt(mtnt__task *task)
{
    task->result_code = mtnt_error_set(&task->error, MTNT_E_CANCELLED, "cancelled between two operations");
    task->verdict = MTNT__VERDICT_FAILED;
    task->phase = goes_back(task) ? MTNT__TASK_BACK : MTNT__TASK_DONE;
}

void mtnt__task_fail(mtnt__task *task, const mtnt_error *error)
{
    task->error = *error;
    task->result_code = error->code;
    task->verdict = error->code == MTNT_E_IN_DOUBT  ? MTNT__VERDICT_IN_DOUBT
                    : error->code == MTNT_E_BLOCKED ? MTNT__VERDICT_BLOCKED
                                                    : MTNT__VERDICT_FAILED;
    task->phase = MTNT__TASK_DONE;
    task->end_due = false;
}
