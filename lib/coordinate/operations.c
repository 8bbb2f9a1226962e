#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/attempt.h"

static int64_t wall_ms(const mtnt__attempt *attempt)
{
    const mtnt__system *system = attempt->link->controller->system;

    return system->wall_ms(system->data);
}

void mtnt__operations_status(const mtnt__attempt *attempt, mtnt__step *step, mtnt_status status)
{
    step->status = status;
    if (attempt->status != NULL)
        attempt->status(attempt->status_data, step);
}

int mtnt__operations_prepare(mtnt__attempt *attempt, mtnt_error *err)
{
    bool external = false;

    attempt->operations = calloc(attempt->count + 1, sizeof(*attempt->operations));
    if (attempt->operations == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < attempt->count; i++) {
        mtnt_operation *operation = attempt->operations + i;
        size_t size = attempt->steps[i].entry->operation_class->state_size;

        operation->entry = attempt->steps[i].entry;
        operation->previous = mtnt__previous_status(&attempt->claim->previous, operation->entry->name);
        if (size > 0 && (operation->state = calloc(1, size)) == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory for the state of operation %s",
                                  operation->entry->name);
        external =
            external || (operation->entry->flags & (MTNT_OPERATION_EXTERNAL | MTNT_OPERATION_CREATES_MODEL)) != 0;
    }
    external = external || (attempt->unit.outside && (attempt->unit.writes & MTNT_WRITES_MODEL) == 0);
    return external ? mtnt__sides_prepare_readers(attempt, err) : 0;
}

static void tell_body(const mtnt__attempt *attempt, const char *phase, const mtnt_operation *operation)
{
    const mtnt__bodies *bodies = attempt->link->bodies;

    if (bodies != NULL)
        bodies->told(bodies->data, phase, operation == NULL ? NULL : operation->entry, attempt->scope.deadline);
}

void mtnt__operations_release(mtnt__attempt *attempt)
{
    for (size_t i = 0; attempt->operations != NULL && i < attempt->count; i++) {
        mtnt_operation *operation = attempt->operations + i;

        if (operation->set_up && operation->entry->operation_class->teardown != NULL) {
            tell_body(attempt, "teardown", operation);
            operation->entry->operation_class->teardown(operation);
            tell_body(attempt, NULL, NULL);
        }
        free(operation->state);
    }
    free(attempt->operations);
    attempt->operations = NULL;
}

/* A body that says no without saying why still has to leave an error. */
static int checked(int rc, mtnt_error *err, const mtnt__chain_entry *entry)
{
    if (rc != 0 && err->code == MTNT_OK)
        mtnt_error_set(err, rc < 0 ? rc : MTNT_E_OPERATION, "operation %s returned %d and no text", entry->name, rc);
    return rc == 0 ? 0 : err->code;
}

static bool is_cancelled(const mtnt__attempt *attempt)
{
    return attempt->cancelled != NULL && atomic_load(attempt->cancelled);
}

typedef int (*body_fn)(mtnt__attempt *attempt, mtnt_operation *operation, mtnt_error *err);

static int before_hook(mtnt__attempt *attempt, mtnt_operation *operation, mtnt_error *err)
{
    mtnt_hook_fn hook = attempt->options->before_each;

    return hook == NULL ? 0 : hook(attempt->options->hook_data, operation, &attempt->scope, err);
}

static int after_hook(mtnt__attempt *attempt, mtnt_operation *operation, mtnt_error *err)
{
    mtnt_hook_fn hook = attempt->options->after_each;

    return hook == NULL ? 0 : hook(attempt->options->hook_data, operation, &attempt->scope, err);
}

static int setup(mtnt__attempt *attempt, mtnt_operation *operation, mtnt_error *err)
{
    const mtnt_operation_class *operation_class = operation->entry->operation_class;

    operation->set_up = true;
    if (operation_class->setup == NULL && operation_class->execute == NULL)
        return mtnt_error_set(err, MTNT_E_NOT_IMPLEMENTED, "not implemented");
    tell_body(attempt, "setup", operation);
    return operation_class->setup == NULL ? 0 : operation_class->setup(operation, &attempt->scope, err);
}

static int execute(mtnt__attempt *attempt, mtnt_operation *operation, mtnt_error *err)
{
    const mtnt_operation_class *operation_class = operation->entry->operation_class;

    tell_body(attempt, "execute", operation);
    return operation_class->execute == NULL
               ? 0
               : operation_class->execute(operation, &attempt->scope, attempt->claim->model, err);
}

static int verify(mtnt__attempt *attempt, mtnt_operation *operation, mtnt_error *err)
{
    const mtnt_operation_class *operation_class = operation->entry->operation_class;

    tell_body(attempt, "verify", operation);
    return operation_class->verify == NULL
               ? 0
               : operation_class->verify(operation, &attempt->scope, attempt->claim->model, err);
}

/* Where an interrupted operation has stopped, as far as it can tell. */
static int probe(mtnt__attempt *attempt, mtnt_operation *operation, mtnt_error *err)
{
    const mtnt_operation_class *operation_class = operation->entry->operation_class;
    mtnt_progress progress = MTNT_PROGRESS_IN_DOUBT;
    int rc;

    if (operation_class->probe == NULL || attempt->scope.progress != MTNT_PROGRESS_IN_DOUBT)
        return 0;
    tell_body(attempt, "probe", operation);
    rc = operation_class->probe(operation, &attempt->scope, attempt->claim->model, &progress, err);
    if (rc == 0)
        attempt->scope.progress = (int)progress;
    return rc == 0 ? 0 : mtnt_error_wrap(err, "probe");
}

static int rollback(mtnt__attempt *attempt, mtnt_operation *operation, mtnt_error *err)
{
    const mtnt_operation_class *operation_class = operation->entry->operation_class;
    int rc = probe(attempt, operation, err);

    if (rc != 0)
        return rc;
    tell_body(attempt, "rollback", operation);
    return operation_class->rollback == NULL
               ? 0
               : operation_class->rollback(operation, &attempt->scope, attempt->claim->model, err);
}

static const struct phase {
    const char *name;
    body_fn body;
} forward_phases[] = {{"before hook", before_hook},
                      {"setup", setup},
                      {"execute", execute},
                      {"verify", verify},
                      {"after hook", after_hook}},
  backward_phases[] = {{"rollback", rollback}};

static int begin_operation(mtnt__attempt *attempt, const mtnt_operation *operation, mtnt_error *err)
{
    const mtnt__system *system = attempt->link->controller->system;
    mtnt__deadline_ms deadline =
        mtnt__deadline_earlier(attempt->deadline, mtnt__deadline_in(system, attempt->options->operation_timeout_ms));
    int rc = 0;

    if (is_cancelled(attempt))
        return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
    if (mtnt__deadline_left(system, deadline) == 0)
        return mtnt_error_set(err, MTNT_E_DEADLINE, "the time for this tenant is used up");
    attempt->scope.deadline = deadline;
    attempt->scope.writes = attempt->unit.is ? attempt->unit.writes : operation->entry->writes;
    mtnt__sides_deadline(attempt, deadline);
    /* What the operation before may have left in the session. */
    if (attempt->reached > 0 && mtnt__db_in_transaction(attempt->model))
        rc = mtnt__db_operation_boundary(attempt->model, err);
    if (rc == 0 && attempt->reached > 0 && !attempt->controller_is_reader &&
        mtnt__db_in_transaction(attempt->controller))
        rc = mtnt__db_operation_boundary(attempt->controller, err);
    return rc;
}

static int run_one(mtnt__attempt *attempt, size_t index, mtnt_error *err)
{
    const struct phase *phases = attempt->claim->backward ? backward_phases : forward_phases;
    size_t phase_count = attempt->claim->backward ? 1 : sizeof(forward_phases) / sizeof(*forward_phases);
    mtnt_operation *operation = attempt->operations + index;
    mtnt__step *step = attempt->steps + index;
    size_t phase = 0;
    int rc = begin_operation(attempt, operation, err);

    step->started_ms = wall_ms(attempt);
    mtnt__operations_status(attempt, step, MTNT_STATUS_STARTED);
    attempt->reached = index + 1;
    for (; rc == 0 && phase < phase_count; phase++)
        rc = checked(phases[phase].body(attempt, operation, err), err, operation->entry);
    if (rc == 0 && is_cancelled(attempt))
        rc = mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
    tell_body(attempt, NULL, NULL);
    step->finished_ms = wall_ms(attempt);
    if (rc == 0) {
        mtnt__operations_status(attempt, step,
                                attempt->claim->backward ? MTNT_STATUS_ROLLED_BACK : MTNT_STATUS_COMPLETED);
        return 0;
    }
    attempt->failed = (ptrdiff_t)index;
    attempt->failed_phase = phases[phase == 0 ? 0 : phase - 1].name;
    mtnt__text_copy(attempt->failed_text, sizeof(attempt->failed_text), err->message);
    step->error = attempt->failed_text;
    mtnt__operations_status(attempt, step, MTNT_STATUS_FAILED);
    return mtnt_error_wrap(err, "%s operation %s", attempt->failed_phase, operation->entry->name);
}

bool mtnt__operations_outside(const mtnt__attempt *attempt, const mtnt__chain_entry *entry)
{
    return attempt->mode == MTNT__MODE_PROVISIONAL && (entry->flags & MTNT_OPERATION_NO_TRANSACTION) != 0;
}

/* In a model that nobody sees yet an operation may run outside the transaction, between two halves of it: a crash throws all of it away. */
static int run_between(mtnt__attempt *attempt, size_t index, mtnt_error *err)
{
    bool writes = (attempt->steps[index].entry->writes & MTNT_WRITES_MODEL) != 0;
    int rc = mtnt__db_commit(attempt->model, err);

    /* Nobody decides by this commit: one in doubt is a failure, and the model goes. */
    if (rc == MTNT_E_IN_DOUBT)
        rc = mtnt_error_set(err, MTNT_E_DATABASE, "what had been done in the new model could not be committed");
    if (rc == 0 && writes)
        rc = mtnt__db_stand_alone(attempt->model, err);
    if (rc == 0)
        rc = run_one(attempt, index, err);
    mtnt__db_stand_together(attempt->model);
    if (rc == 0)
        rc = mtnt__db_begin(attempt->model, err);
    return rc;
}

int mtnt__operations_run(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < attempt->count && rc == 0; i++)
        rc = mtnt__operations_outside(attempt, attempt->steps[i].entry) ? run_between(attempt, i, err)
                                                                        : run_one(attempt, i, err);
    mtnt__sides_deadline(attempt, attempt->deadline);
    return rc;
}

/* What survives the databases' own rollback: effects outside, and a model that was made under a provisional name. */
static bool survives(const mtnt__attempt *attempt, const mtnt__chain_entry *entry)
{
    if ((entry->flags & MTNT_OPERATION_CREATES_MODEL) != 0)
        return attempt->created;
    return (entry->flags & MTNT_OPERATION_EXTERNAL) != 0;
}

void mtnt__operations_compensate(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__system *system = attempt->link->controller->system;
    int64_t unlock_ms = mtnt__unlock_ms(attempt->options);
    mtnt__deadline_ms deadline = mtnt__deadline_in(system, unlock_ms);
    mtnt_error other;

    mtnt__sides_uncancel(attempt);
    mtnt__sides_deadline(attempt, deadline);
    mtnt__sides_use_readers(attempt, deadline);
    attempt->scope.cancelled = NULL;
    attempt->scope.deadline = deadline;
    for (size_t i = attempt->claim->backward ? 0 : attempt->reached; i > 0; i--) {
        mtnt_operation *operation = attempt->operations + i - 1;

        attempt->scope.writes = operation->entry->writes;
        attempt->scope.progress =
            attempt->steps[i - 1].status == MTNT_STATUS_COMPLETED ? MTNT_PROGRESS_DONE : MTNT_PROGRESS_IN_DOUBT;

        if (survives(attempt, operation->entry)) {
            mtnt_error_clear(&other);
            if (checked(rollback(attempt, operation, &other), &other, operation->entry) != 0) {
                mtnt_error_wrap(&other, "rollback operation at %zu with %s", i - 1, operation->entry->name);
                mtnt_error_keep(err, &other);
            }
            tell_body(attempt, NULL, NULL);
        }
        if (attempt->steps[i - 1].status == MTNT_STATUS_COMPLETED)
            mtnt__operations_status(attempt, attempt->steps + i - 1, MTNT_STATUS_ROLLED_BACK);
    }
}
