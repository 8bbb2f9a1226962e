#include "coordinate/order.h"

#include <stdlib.h>
#include <string.h>

/* Of what goes as it is: two builds that differ in it are not the same program. */
static const size_t sizes[] = {sizeof(mtnt__known), sizeof(mtnt__identity), sizeof(mtnt__position),
                               sizeof(mtnt_controller_options), sizeof(mtnt_migration_options)};
#define SIZES (sizeof(sizes) / sizeof(*sizes))

void mtnt__order_begin(mtnt__buffer *message, mtnt__order_kind kind, int64_t number)
{
    mtnt__buffer_clear(message);
    mtnt__wire_int(message, kind);
    mtnt__wire_int(message, number);
}

int mtnt__order_spoilt(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_CORRUPT, "a message of an isolated process that cannot be read");
}

const char *mtnt__order_phase(const char *phase)
{
    static const char *const phases[] = {"before hook", "setup",    "execute", "verify", "after hook",
                                         "probe",       "rollback", "commit",  "backup", "teardown"};

    for (size_t i = 0; phase != NULL && i < sizeof(phases) / sizeof(*phases); i++)
        if (strcmp(phases[i], phase) == 0)
            return phases[i];
    return NULL;
}

/* ---- settings ---- */

/* Names, orders and checksums of all that is enabled; and how many entries there are, for what is said by their index. */
static int digest_of(const mtnt_chain *chain, char ret_digest[MTNT__CHECKSUM_SIZE], mtnt_error *err)
{
    mtnt__ladder ladder = {0};
    int rc = mtnt__ladder_new(&ladder, chain, err);

    if (rc == 0)
        mtnt__text_copy(ret_digest, MTNT__CHECKSUM_SIZE, ladder.rungs[ladder.count - 1].digest);
    mtnt__ladder_release(&ladder);
    return rc;
}

void mtnt__order_put_settings(mtnt__buffer *message, const mtnt_controller *controller, const mtnt_chain *chain,
                              const mtnt_migration_options *options)
{
    char digest[MTNT__CHECKSUM_SIZE] = "";

    if (digest_of(chain, digest, NULL) != 0)
        message->failed = true;
    for (size_t i = 0; i < SIZES; i++)
        mtnt__wire_int(message, (int64_t)sizes[i]);
    mtnt__wire_text(message, mtnt__chain_lane_name(chain));
    mtnt__wire_text(message, mtnt_chain_name(chain));
    mtnt__wire_text(message, digest);
    mtnt__wire_int(message, (int64_t)chain->count);
    mtnt__wire_text(message, controller->dsn);
    mtnt__wire_int(message, controller->backend);
    mtnt__wire_text(message, controller->shown);
    mtnt__wire_text(message, controller->id);
    mtnt__wire_text(message, controller->home);
    mtnt__wire_text(message, controller->process);
    mtnt__wire_text(message, controller->handle);
    mtnt__wire_int(message, controller->call);
    mtnt__wire_text(message, controller->owner);
    mtnt__wire_bytes(message, &controller->options, sizeof(controller->options));
    mtnt__wire_bytes(message, options, sizeof(*options));
    mtnt__wire_text(message, options->backup);
}

static int check_chain(const mtnt_chain *whole, const char *lane, const char *name, const char *digest, int64_t count,
                       const mtnt_chain **ret_chain, mtnt_error *err)
{
    const mtnt_chain *chain =
        mtnt_chain_lanes(whole) > 1 ? mtnt_chain_lane(whole, lane) : mtnt__chain_first_lane(whole);
    char own[MTNT__CHECKSUM_SIZE] = "";
    int rc = chain == NULL ? 0 : digest_of(chain, own, err);

    if (rc != 0)
        return rc;
    if (chain == NULL || strcmp(mtnt_chain_name(chain), name) != 0 || (int64_t)chain->count != count ||
        strcmp(own, digest) != 0)
        return mtnt_error_set(err, MTNT_E_REFUSED,
                              "chain %s is another one than when the run began: its files, or the plugin, have been "
                              "changed meanwhile",
                              name);
    *ret_chain = chain;
    return 0;
}

int mtnt__order_take_settings(mtnt__wire *from, const mtnt_chain *chain, mtnt_controller *ret_controller,
                              const mtnt_chain **ret_chain, mtnt_migration_options *ret_options, mtnt_error *err)
{
    mtnt_controller controller = {.system = mtnt__system_default(), .ensured = true, .tables = true};
    const char *lane, *name, *digest, *dsn;
    int64_t count;

    for (size_t i = 0; i < SIZES; i++)
        if (mtnt__wire_take_int(from) != (int64_t)sizes[i])
            return mtnt_error_set(err, MTNT_E_INVALID, "it is another program than the executor's");
    lane = mtnt__wire_take_text(from);
    name = mtnt__wire_take_text(from);
    digest = mtnt__wire_take_text(from);
    count = mtnt__wire_take_int(from);
    dsn = mtnt__wire_take_text(from);
    controller.backend = (mtnt_backend)mtnt__wire_take_int(from);
    mtnt__wire_take_copy(from, controller.shown, sizeof(controller.shown));
    mtnt__wire_take_copy(from, controller.id, sizeof(controller.id));
    mtnt__wire_take_copy(from, controller.home, sizeof(controller.home));
    mtnt__wire_take_copy(from, controller.process, sizeof(controller.process));
    mtnt__wire_take_copy(from, controller.handle, sizeof(controller.handle));
    controller.call = mtnt__wire_take_int(from);
    mtnt__wire_take_copy(from, controller.owner, sizeof(controller.owner));
    mtnt__wire_take_bytes(from, &controller.options, sizeof(controller.options));
    mtnt__wire_take_bytes(from, ret_options, sizeof(*ret_options));
    ret_options->backup = mtnt__wire_take_text(from);
    if (from->bad || lane == NULL || name == NULL || digest == NULL || dsn == NULL)
        return mtnt__order_spoilt(err);
    /* What these point to is not here; what they say comes with each attempt. */
    ret_options->to = ret_options->run = NULL;
    ret_options->before_each = ret_options->after_each = NULL;
    ret_options->hook_data = NULL;
    ret_options->adoption = NULL;
    ret_options->expect = NULL;
    ret_options->expect_data = NULL;
    controller.dsn = (char *)(uintptr_t)dsn;
    *ret_controller = controller;
    return check_chain(chain, lane, name, digest, count, ret_chain, err);
}

/* ---- tenants ---- */

void mtnt__order_put_known(mtnt__buffer *message, const mtnt__known *known)
{
    mtnt__wire_bytes(message, known, sizeof(*known));
}

void mtnt__order_take_known(mtnt__wire *from, mtnt__known *ret_known)
{
    mtnt__wire_take_bytes(from, ret_known, sizeof(*ret_known));
}

void mtnt__order_put_model(mtnt__buffer *message, const mtnt_model *model)
{
    mtnt__wire_text(message, model->id);
    mtnt__wire_text(message, model->dsn);
    mtnt__wire_text(message, model->schema);
    mtnt__wire_text(message, model->description);
    mtnt__wire_text(message, model->file);
    mtnt__wire_int(message, model->line);
    mtnt__wire_list(message, (const char *const *)model->labels);
    mtnt__wire_list(message, (const char *const *)model->vars);
}

int mtnt__order_take_model(mtnt__wire *from, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    const char **labels, **vars;
    int rc;

    options.id = mtnt__wire_take_text(from);
    options.dsn = mtnt__wire_take_text(from);
    options.schema = mtnt__wire_take_text(from);
    options.description = mtnt__wire_take_text(from);
    options.file = mtnt__wire_take_text(from);
    options.line = (uint32_t)mtnt__wire_take_int(from);
    labels = mtnt__wire_take_list(from);
    vars = mtnt__wire_take_list(from);
    options.labels = labels;
    options.vars = vars;
    if (from->bad || options.id == NULL || options.dsn == NULL)
        rc = mtnt__order_spoilt(err);
    else if (labels == NULL || vars == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    else
        rc = mtnt_model_new(ret_model, &options, err);
    free(labels);
    free(vars);
    return rc;
}

/* ---- claims ---- */

static void put_previous(mtnt__buffer *message, const mtnt__previous *previous)
{
    mtnt__wire_int(message, (int64_t)previous->count);
    for (size_t i = 0; i < previous->count; i++) {
        const struct mtnt__previous_operation *operation = previous->operations + i;

        mtnt__wire_text(message, operation->name);
        mtnt__wire_int(message, operation->status);
        mtnt__wire_int(message, operation->record.position);
        mtnt__wire_text(message, operation->record.checksum);
        mtnt__wire_text(message, operation->record.migration);
        mtnt__wire_int(message, operation->record.run);
        mtnt__wire_int(message, operation->record.started_ms);
        mtnt__wire_int(message, operation->record.finished_ms);
        mtnt__wire_int(message, operation->record.in_controller);
    }
}

static int take_previous(mtnt__wire *from, mtnt__previous *ret_previous, mtnt_error *err)
{
    int64_t count = mtnt__wire_take_int(from);

    if (count < 0 || count > from->end - from->at)
        from->bad = true;
    if (from->bad || count == 0)
        return 0;
    ret_previous->operations = calloc((size_t)count, sizeof(*ret_previous->operations));
    if (ret_previous->operations == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    ret_previous->size = (size_t)count;
    for (int64_t i = 0; i < count && !from->bad; i++) {
        struct mtnt__previous_operation *operation = ret_previous->operations + i;
        const char *name = mtnt__wire_take_text(from);

        operation->status = (mtnt_status)mtnt__wire_take_int(from);
        operation->record.position = mtnt__wire_take_int(from);
        mtnt__wire_take_copy(from, operation->record.checksum, sizeof(operation->record.checksum));
        mtnt__wire_take_copy(from, operation->record.migration, sizeof(operation->record.migration));
        operation->record.run = mtnt__wire_take_int(from);
        operation->record.started_ms = mtnt__wire_take_int(from);
        operation->record.finished_ms = mtnt__wire_take_int(from);
        operation->record.in_controller = mtnt__wire_take_int(from) != 0;
        operation->name = name == NULL ? NULL : strdup(name);
        if (operation->name == NULL)
            return name == NULL ? mtnt__order_spoilt(err) : mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        ret_previous->count++;
    }
    return 0;
}

static void put_claim(mtnt__buffer *message, const mtnt__claim *claim)
{
    mtnt__wire_text(message, claim->migration);
    mtnt__wire_text(message, claim->mode);
    mtnt__wire_text(message, claim->decider);
    mtnt__wire_text(message, claim->home);
    mtnt__wire_int(message, claim->backward);
    mtnt__wire_int(message, claim->run);
    mtnt__wire_int(message, claim->epoch);
    put_previous(message, &claim->previous);
}

static int take_claim(mtnt__wire *from, const mtnt_model *model, mtnt__claim *claim, mtnt_error *err)
{
    const char *mode, *decider;
    int rc;

    claim->model = model;
    mtnt__wire_take_copy(from, claim->migration, sizeof(claim->migration));
    mode = mtnt__wire_take_text(from);
    decider = mtnt__wire_take_text(from);
    claim->home = mtnt__wire_take_text(from);
    claim->backward = mtnt__wire_take_int(from) != 0;
    claim->run = mtnt__wire_take_int(from);
    claim->epoch = mtnt__wire_take_int(from);
    claim->claimed = true;
    rc = take_previous(from, &claim->previous, err);
    if (rc == 0 && (from->bad || mode == NULL || decider == NULL))
        rc = mtnt__order_spoilt(err);
    if (rc == 0) {
        claim->mode = mtnt__mode_name(mtnt__mode_parse(mode, decider));
        claim->decider = strcmp(decider, "model") == 0 ? "model" : "controller";
    }
    return rc;
}

/* ---- attempts ---- */

void mtnt__order_put_attempt(mtnt__buffer *message, const mtnt__attempt *attempt)
{
    mtnt__order_put_model(message, attempt->claim->model);
    put_claim(message, attempt->claim);
    mtnt__wire_int(message, attempt->mode);
    mtnt__wire_int(message, attempt->backup);
    mtnt__wire_int(message, attempt->compensates);
    mtnt__order_put_known(message, &attempt->known);
    mtnt__wire_int(message, attempt->last);
    mtnt__wire_int(message, attempt->steps_limit);
    mtnt__wire_int(message, attempt->only_run);
}

int mtnt__order_take_attempt(mtnt__wire *from, mtnt_model **ret_model, mtnt__claim *ret_claim,
                             mtnt__attempt *ret_attempt, mtnt_error *err)
{
    int rc = mtnt__order_take_model(from, ret_model, err);

    if (rc == 0)
        rc = take_claim(from, *ret_model, ret_claim, err);
    ret_attempt->mode = (mtnt__mode)mtnt__wire_take_int(from);
    ret_attempt->backup = mtnt__wire_take_int(from) != 0;
    ret_attempt->compensates = mtnt__wire_take_int(from) != 0;
    mtnt__order_take_known(from, &ret_attempt->known);
    ret_attempt->last = (ptrdiff_t)mtnt__wire_take_int(from);
    ret_attempt->steps_limit = mtnt__wire_take_int(from);
    ret_attempt->only_run = mtnt__wire_take_int(from);
    return rc == 0 && from->bad ? mtnt__order_spoilt(err) : rc;
}

/* ---- steps ---- */

void mtnt__order_put_step(mtnt__buffer *message, const mtnt_chain *chain, const mtnt__step *step)
{
    mtnt__wire_int(message, step->entry - chain->entries);
    mtnt__wire_int(message, step->status);
    mtnt__wire_int(message, step->started_ms);
    mtnt__wire_int(message, step->finished_ms);
    mtnt__wire_int(message, step->in_controller);
    mtnt__wire_text(message, step->error);
}

void mtnt__order_take_step(mtnt__wire *from, const mtnt_chain *chain, mtnt__step *ret_step)
{
    int64_t index = mtnt__wire_take_int(from);

    if (index < 0 || index >= (int64_t)chain->count)
        from->bad = true;
    ret_step->entry = from->bad ? NULL : chain->entries + index;
    ret_step->status = (mtnt_status)mtnt__wire_take_int(from);
    ret_step->started_ms = mtnt__wire_take_int(from);
    ret_step->finished_ms = mtnt__wire_take_int(from);
    ret_step->in_controller = mtnt__wire_take_int(from) != 0;
    ret_step->error = mtnt__wire_take_text(from);
}

static void put_steps(mtnt__buffer *message, const mtnt_chain *chain, const mtnt__step *steps, size_t count)
{
    mtnt__wire_int(message, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        mtnt__order_put_step(message, chain, steps + i);
}

static int take_steps(mtnt__wire *from, const mtnt_chain *chain, mtnt__step **ret_steps, size_t *ret_count,
                      mtnt_error *err)
{
    int64_t count = mtnt__wire_take_int(from);
    mtnt__step *steps;

    if (count < 0 || count > (int64_t)chain->count)
        from->bad = true;
    if (from->bad)
        return mtnt__order_spoilt(err);
    steps = calloc((size_t)count + 1, sizeof(*steps));
    if (steps == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (int64_t i = 0; i < count; i++)
        mtnt__order_take_step(from, chain, steps + i);
    if (from->bad) {
        free(steps);
        return mtnt__order_spoilt(err);
    }
    free(*ret_steps);
    *ret_steps = steps;
    *ret_count = (size_t)count;
    return 0;
}

/* ---- what has come of an attempt ---- */

static void put_ahead(mtnt__buffer *message, const mtnt__ahead *ahead)
{
    mtnt__wire_int(message, (int64_t)ahead->count);
    mtnt__wire_int(message, (int64_t)ahead->both);
    for (size_t i = 0; i < ahead->count; i++)
        mtnt__wire_bytes(message, ahead->items + i, sizeof(*ahead->items));
}

static int take_ahead(mtnt__wire *from, mtnt__ahead *ahead, mtnt_error *err)
{
    int64_t count = mtnt__wire_take_int(from), both = mtnt__wire_take_int(from);

    if (from->bad || count < 0 || both < 0 || both > count ||
        count > (from->end - from->at) / (int64_t)sizeof(*ahead->items))
        return mtnt__order_spoilt(err);
    mtnt__ahead_release(ahead);
    ahead->items = calloc((size_t)count + 1, sizeof(*ahead->items));
    if (ahead->items == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (int64_t i = 0; i < count; i++)
        mtnt__wire_take_bytes(from, ahead->items + i, sizeof(*ahead->items));
    ahead->count = ahead->size = (size_t)count;
    ahead->both = (size_t)both;
    return from->bad ? mtnt__order_spoilt(err) : 0;
}

void mtnt__order_put_outcome(mtnt__buffer *message, const mtnt__attempt *attempt, const mtnt_error *error)
{
    mtnt__wire_error(message, error);
    mtnt__wire_int(message, attempt->verdict);
    mtnt__wire_int(message, attempt->at);
    mtnt__wire_int(message, attempt->needs);
    mtnt__wire_int(message, attempt->needs_provisional);
    mtnt__wire_int(message, attempt->needs_tombstone);
    mtnt__wire_int(message, attempt->needs_saga);
    mtnt__wire_int(message, attempt->made_model);
    mtnt__wire_int(message, attempt->clone.done);
    mtnt__wire_int(message, attempt->backed_up);
    mtnt__wire_int(message, attempt->positioned);
    mtnt__wire_bytes(message, &attempt->position, sizeof(attempt->position));
    mtnt__wire_int(message, attempt->from_version);
    mtnt__wire_bytes(message, &attempt->identity, sizeof(attempt->identity));
    mtnt__wire_int(message, attempt->removes);
    mtnt__wire_int(message, attempt->grace_ms);
    mtnt__wire_int(message, attempt->failed);
    mtnt__wire_text(message, attempt->failed_phase);
    mtnt__wire_text(message, attempt->failed_text);
    mtnt__wire_int(message, attempt->told != NULL);
    put_steps(message, attempt->chain, attempt->steps, attempt->steps == NULL ? 0 : attempt->count);
    put_steps(message, attempt->chain, attempt->recorded, attempt->recorded_count);
    mtnt__wire_int(message, attempt->controller_lost);
    put_ahead(message, &attempt->ahead);
}

/* Texts of steps are in a message that goes: what an operation has failed by is the attempt's. */
static void keep_error(mtnt__attempt *attempt)
{
    for (size_t i = 0; i < attempt->count; i++)
        attempt->steps[i].error =
            attempt->steps[i].error != NULL && (ptrdiff_t)i == attempt->failed ? attempt->failed_text : NULL;
    for (size_t i = 0; i < attempt->recorded_count; i++)
        attempt->recorded[i].error = NULL;
}

int mtnt__order_take_outcome(mtnt__wire *from, mtnt__attempt *attempt, mtnt_error *ret_error, mtnt_error *err)
{
    bool told;
    int rc;

    mtnt__wire_take_error(from, ret_error);
    attempt->verdict = (mtnt__verdict)mtnt__wire_take_int(from);
    attempt->at = (mtnt__migration_state)mtnt__wire_take_int(from);
    attempt->needs = (uint32_t)mtnt__wire_take_int(from);
    attempt->needs_provisional = mtnt__wire_take_int(from) != 0;
    attempt->needs_tombstone = mtnt__wire_take_int(from) != 0;
    attempt->needs_saga = mtnt__wire_take_int(from) != 0;
    attempt->made_model = mtnt__wire_take_int(from) != 0;
    attempt->clone.done = mtnt__wire_take_int(from) != 0;
    attempt->backed_up = mtnt__wire_take_int(from) != 0;
    attempt->positioned = mtnt__wire_take_int(from) != 0;
    mtnt__wire_take_bytes(from, &attempt->position, sizeof(attempt->position));
    attempt->from_version = mtnt__wire_take_int(from);
    mtnt__wire_take_bytes(from, &attempt->identity, sizeof(attempt->identity));
    attempt->removes = mtnt__wire_take_int(from) != 0;
    attempt->grace_ms = mtnt__wire_take_int(from);
    attempt->failed = (ptrdiff_t)mtnt__wire_take_int(from);
    attempt->failed_phase = mtnt__order_phase(mtnt__wire_take_text(from));
    mtnt__wire_take_copy(from, attempt->failed_text, sizeof(attempt->failed_text));
    told = mtnt__wire_take_int(from) != 0;
    rc = take_steps(from, attempt->chain, &attempt->steps, &attempt->count, err);
    if (rc == 0)
        rc = take_steps(from, attempt->chain, &attempt->recorded, &attempt->recorded_count, err);
    attempt->controller_lost = mtnt__wire_take_int(from) != 0;
    if (rc == 0)
        rc = take_ahead(from, &attempt->ahead, err);
    if (rc == 0 && told) {
        attempt->told = calloc(attempt->count + attempt->recorded_count + 1, sizeof(*attempt->told));
        if (attempt->told == NULL)
            rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    if (rc != 0)
        return rc;
    if (attempt->failed >= (ptrdiff_t)attempt->count)
        attempt->failed = -1;
    keep_error(attempt);
    return 0;
}
