#include "coordinate/apart.h"

#include <stdlib.h>
#include <string.h>

#include "coordinate/order.h"

#define SLICE_MS 100
#define SETTLE_PROCESSES 3
#define READY_MS 60000   /* a process that has loaded the chain needs a moment; a machine may be busy */
#define LIBRARY_MS 30000 /* … and what the library does is not timed to the second */

struct mtnt__apart {
    const mtnt_isolation *isolation;
    mtnt_channel channel;
    bool open;
    int64_t number; /* of the order at hand */
    mtnt__buffer message;
    /* what the process has of ours */
    bool gated;
    char *slot;
};

/* An order at work. */
typedef struct order {
    mtnt__apart *apart;
    mtnt__link *link;
    const mtnt_chain *chain;
    const mtnt_migration_options *options;
    mtnt__attempt *attempt; /* NULL = a recovery */
    bool given, begun;      /* it was sent; it has been read */
    mtnt__migration_state at;
    /* of the body at work: NULL = none */
    const char *phase;
    const mtnt__chain_entry *entry;
    mtnt__deadline_ms limit; /* when it is ended; 0 = never */
    bool cancelled, overdue;
    char how[MTNT_ISOLATION_HOW_SIZE];
} order;

static int64_t now_ms(const order *o)
{
    const mtnt__system *system = o->link->controller->system;

    return system->boot_ms(system->data);
}

static int64_t grace_ms(const order *o)
{
    int64_t unlock_ms = mtnt__unlock_ms(o->options);

    return unlock_ms < MTNT__APART_GRACE_MS ? unlock_ms : MTNT__APART_GRACE_MS;
}

/* ---- the process ---- */

static void give_back(order *o)
{
    mtnt__apart *apart = o->apart;

    if (apart->gated)
        mtnt__gate_leave(o->link->gate);
    if (apart->slot != NULL)
        mtnt__slots_leave(o->link->slots, apart->slot);
    apart->gated = false;
    free(apart->slot);
    apart->slot = NULL;
}

static void end_process(order *o, bool kill)
{
    mtnt__apart *apart = o->apart;

    if (!apart->open)
        return;
    o->how[0] = '\0';
    apart->isolation->end(apart->isolation->data, &apart->channel, kill, o->how);
    apart->open = false;
    give_back(o);
}

static int send(mtnt__apart *apart, mtnt_error *err)
{
    if (apart->message.failed) {
        mtnt__buffer_release(&apart->message);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    return apart->channel.send(apart->channel.data, apart->message.bytes, apart->message.length, err);
}

static int receive_ready(order *o, mtnt_error *err)
{
    mtnt__apart *apart = o->apart;
    mtnt_error said = MTNT_ERROR_INIT;
    void *bytes = NULL;
    size_t size = 0;
    mtnt__wire from;
    int rc = apart->channel.receive(apart->channel.data, READY_MS, &bytes, &size, err);

    if (rc != 0)
        return rc;
    from = (mtnt__wire){.at = bytes, .end = (const char *)bytes + size};
    if (mtnt__wire_take_int(&from) != MTNT__ORDER_READY)
        from.bad = true;
    (void)mtnt__wire_take_int(&from);
    mtnt__wire_take_error(&from, &said);
    rc = from.bad ? mtnt__order_spoilt(err) : said.code;
    if (rc != 0 && !from.bad && err != NULL)
        *err = said;
    free(bytes);
    return rc;
}

static int open_process(order *o, mtnt_error *err)
{
    mtnt__apart *apart = o->apart;
    int rc;

    if (apart->open)
        return 0;
    rc = apart->isolation->start(apart->isolation->data, &apart->channel, err);
    if (rc != 0)
        return mtnt_error_wrap(err, "no isolated process could be started");
    apart->open = true;
    mtnt__order_begin(&apart->message, MTNT__ORDER_SETTINGS, 0);
    mtnt__order_put_settings(&apart->message, o->link->controller, o->chain, o->options);
    rc = send(apart, err);
    if (rc == 0)
        rc = receive_ready(o, err);
    if (rc == 0)
        return 0;
    end_process(o, true);
    if (rc == MTNT_E_CONNECT || rc == MTNT_E_DEADLINE)
        return mtnt_error_set(err, MTNT_E_OPERATION, "its process %s before it had begun", o->how);
    return mtnt_error_wrap(err, "its process");
}

static int find_apart(mtnt__link *link, mtnt_error *err)
{
    if (link->apart != NULL)
        return 0;
    link->apart = calloc(1, sizeof(*link->apart));
    if (link->apart == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    link->apart->isolation = link->isolation;
    return 0;
}

void mtnt__apart_free(mtnt__apart *apart)
{
    char how[MTNT_ISOLATION_HOW_SIZE];

    if (apart == NULL)
        return;
    if (apart->open) {
        mtnt__order_begin(&apart->message, MTNT__ORDER_QUIT, 0);
        apart->isolation->end(apart->isolation->data, &apart->channel, send(apart, NULL) != 0, how);
    }
    mtnt__buffer_release(&apart->message);
    free(apart->slot);
    free(apart);
}

/* ---- what it says while it works ---- */

static void note_step(order *o, mtnt__wire *from)
{
    mtnt__attempt *attempt = o->attempt;
    mtnt__step step = {.entry = NULL};
    size_t i = 0;

    mtnt__order_take_step(from, o->chain, &step);
    if (from->bad || attempt == NULL || attempt->steps == NULL)
        return;
    while (i < attempt->count && attempt->steps[i].entry != step.entry)
        i++;
    if (i == o->chain->count)
        return;
    if (step.status == MTNT_STATUS_FAILED && step.error != NULL) {
        mtnt__text_copy(attempt->failed_text, sizeof(attempt->failed_text), step.error);
        attempt->failed = (ptrdiff_t)i;
    }
    step.error = NULL;
    attempt->steps[i] = step;
    if (i == attempt->count)
        attempt->count++;
    mtnt__operations_status(attempt, attempt->steps + i, step.status);
}

/* Between bodies the library is at work, whose every wait has an end; only that a process is broken makes it take longer than this. */
static void limit_library(order *o)
{
    mtnt__deadline_ms until = now_ms(o);

    if (o->attempt != NULL && o->attempt->deadline > until)
        until = o->attempt->deadline;
    o->limit = until + 5 * mtnt__unlock_ms(o->options) + LIBRARY_MS;
}

static void note_body(order *o, mtnt__wire *from)
{
    const char *phase = mtnt__order_phase(mtnt__wire_take_text(from));
    int64_t index = mtnt__wire_take_int(from), until = mtnt__wire_take_int(from);

    o->phase = NULL;
    o->entry = NULL;
    limit_library(o);
    if (from->bad || index < 0 || index >= (int64_t)o->chain->count)
        return;
    o->phase = phase;
    o->entry = o->chain->entries + index;
    o->limit = until == 0 ? 0 : until + grace_ms(o);
    /* It had begun when it was told; what takes back goes on. */
    if (o->cancelled && phase != mtnt__order_phase("rollback"))
        o->limit = now_ms(o) + grace_ms(o);
}

static int grant(order *o, int code, const mtnt_error *said, mtnt_error *err)
{
    static const mtnt_error none = MTNT_ERROR_INIT;

    mtnt__order_begin(&o->apart->message, MTNT__ORDER_GRANT, o->apart->number);
    mtnt__wire_error(&o->apart->message, code == 0 ? &none : said);
    return send(o->apart, err);
}

static int give_slot(order *o, mtnt__wire *from, mtnt_error *err)
{
    const char *server = mtnt__wire_take_text(from);
    int64_t capacity = mtnt__wire_take_int(from);
    mtnt_error said = MTNT_ERROR_INIT;
    char *slot;
    int rc;

    if (from->bad || server == NULL)
        return mtnt__order_spoilt(err);
    if (capacity == 0) {
        if (o->apart->slot != NULL)
            mtnt__slots_leave(o->link->slots, o->apart->slot);
        free(o->apart->slot);
        o->apart->slot = NULL;
        return 0;
    }
    slot = strdup(server);
    rc = slot == NULL ? mtnt_error_set(&said, MTNT_E_NOMEM, "out of memory")
                      : mtnt__slots_enter(o->link->slots, server, (size_t)capacity, &said);
    if (rc == 0)
        o->apart->slot = slot;
    else
        free(slot);
    return grant(o, rc, &said, err);
}

/* 0: go on. */
static int heed(order *o, mtnt__order_kind kind, mtnt__wire *from, mtnt_error *err)
{
    switch (kind) {
    case MTNT__ORDER_BEGUN: o->begun = true; return 0;
    case MTNT__ORDER_STEP: note_step(o, from); return 0;
    case MTNT__ORDER_BODY: note_body(o, from); return 0;
    case MTNT__ORDER_STATE: o->at = (mtnt__migration_state)mtnt__wire_take_int(from); return 0;
    case MTNT__ORDER_ENTER:
        mtnt__gate_enter(o->link->gate);
        o->apart->gated = true;
        return grant(o, 0, NULL, err);
    case MTNT__ORDER_LEAVE:
        if (o->apart->gated)
            mtnt__gate_leave(o->link->gate);
        o->apart->gated = false;
        return 0;
    case MTNT__ORDER_SLOT: return give_slot(o, from, err);
    default: return mtnt__order_spoilt(err);
    }
}

/* Nobody hears of it when it cannot be sent: the process is gone then, and that is seen next. */
static void tell_cancel(order *o)
{
    mtnt__deadline_ms limit = now_ms(o) + grace_ms(o);

    o->cancelled = true;
    if (o->entry != NULL && (o->limit == 0 || limit < o->limit))
        o->limit = limit;
    mtnt__order_begin(&o->apart->message, MTNT__ORDER_CANCEL, o->apart->number);
    (void)send(o->apart, NULL);
}

static bool is_cancelled(const order *o)
{
    return o->attempt != NULL && o->attempt->cancelled != NULL && atomic_load(o->attempt->cancelled);
}

/* Until it has answered: 0, and what it has answered is in *ret_bytes, behind kind and number. Anything else: it has been ended, and o->how says how. */
static int follow(order *o, void **ret_bytes, mtnt__wire *ret_answer, mtnt_error *err)
{
    mtnt_channel *channel = &o->apart->channel;

    limit_library(o);
    for (;;) {
        void *bytes = NULL;
        size_t size = 0;
        mtnt__wire from;
        mtnt__order_kind kind;
        int rc;

        if (!o->cancelled && is_cancelled(o))
            tell_cancel(o);
        rc = channel->receive(channel->data, SLICE_MS, &bytes, &size, err);
        if (rc == MTNT_E_DEADLINE) {
            mtnt_error_clear(err);
            if (o->limit == 0 || now_ms(o) <= o->limit)
                continue;
            o->overdue = true;
        }
        if (rc != 0) {
            end_process(o, rc != MTNT_E_CONNECT);
            return rc;
        }
        from = (mtnt__wire){.at = bytes, .end = (const char *)bytes + size};
        kind = (mtnt__order_kind)mtnt__wire_take_int(&from);
        if (mtnt__wire_take_int(&from) != o->apart->number)
            from.bad = true;
        if (!from.bad && kind == MTNT__ORDER_ANSWER) {
            *ret_bytes = bytes;
            *ret_answer = from;
            return 0;
        }
        rc = from.bad ? mtnt__order_spoilt(err) : heed(o, kind, &from, err);
        free(bytes);
        if (rc == 0)
            continue;
        /* One that is gone cannot be told; one that talks nonsense is not to be believed any more. */
        end_process(o, rc != MTNT_E_CONNECT);
        return rc;
    }
}

typedef void (*put_order)(mtnt__buffer *message, const void *data);

/* Gives an order, and follows it. A process that is gone before it has read the order is replaced once. */
static int perform(order *o, mtnt__order_kind kind, put_order put, const void *data, void **ret_bytes,
                   mtnt__wire *ret_answer, mtnt_error *err)
{
    int rc = MTNT_E_CONNECT;

    for (int tries = 0; tries < 2 && rc != 0 && !o->begun; tries++) {
        bool used = o->apart->open;

        mtnt_error_clear(err);
        o->overdue = o->cancelled = false;
        rc = open_process(o, err);
        if (rc != 0)
            return rc;
        mtnt__order_begin(&o->apart->message, kind, ++o->apart->number);
        put(&o->apart->message, data);
        o->given = true;
        rc = send(o->apart, err);
        if (rc == 0)
            rc = follow(o, ret_bytes, ret_answer, err);
        else
            end_process(o, rc != MTNT_E_CONNECT);
        if (!used)
            break;
    }
    return rc;
}

/* ---- a process that has gone ---- */

static int blame(const order *o, mtnt_error *err)
{
    int64_t grace = grace_ms(o);

    if (!o->given)
        return err->code; /* none could be started */
    if (err->code == MTNT_E_CORRUPT)
        mtnt_error_set(err, MTNT_E_OPERATION, "its process sent what cannot be read, and was ended");
    else if (o->overdue && o->entry != NULL)
        mtnt_error_set(err, MTNT_E_OPERATION,
                       "%s operation %s: it did not return within %lld ms after %s, and its process was ended",
                       o->phase == NULL ? "execute" : o->phase, o->entry->name, (long long)grace,
                       o->cancelled ? "it was cancelled" : "its time was over");
    else if (o->overdue)
        mtnt_error_set(err, MTNT_E_OPERATION, "its process gave no sign of life for too long, and was ended");
    else if (o->entry != NULL)
        mtnt_error_set(err, MTNT_E_OPERATION, "%s operation %s: its process %s",
                       o->phase == NULL ? "execute" : o->phase, o->entry->name, o->how);
    else
        mtnt_error_set(err, MTNT_E_OPERATION, "its process %s, outside its operations", o->how);
    return err->code;
}

static void put_attempt(mtnt__buffer *message, const void *data)
{
    mtnt__order_put_attempt(message, data);
}

static mtnt_status ended_status(const mtnt__attempt *attempt)
{
    return attempt->claim->backward ? MTNT_STATUS_ROLLED_BACK : MTNT_STATUS_COMPLETED;
}

static bool all_ended(const mtnt__attempt *attempt)
{
    for (size_t i = 0; i < attempt->count; i++)
        if (attempt->steps[i].status != ended_status(attempt))
            return false;
    return attempt->count > 0;
}

/* The operation that it was in has failed, and those before it are taken back. */
static void show_aborted(const order *o, mtnt__attempt *attempt, mtnt_error *err)
{
    for (size_t i = 0; i < attempt->count; i++) {
        mtnt__step *step = attempt->steps + i;

        if (step->status == MTNT_STATUS_COMPLETED && !attempt->claim->backward) {
            mtnt__operations_status(attempt, step, MTNT_STATUS_ROLLED_BACK);
        } else if (step->status == MTNT_STATUS_STARTED) {
            const mtnt__system *system = o->link->controller->system;

            attempt->failed = (ptrdiff_t)i;
            mtnt__text_copy(attempt->failed_text, sizeof(attempt->failed_text), err->message);
            step->finished_ms = system->wall_ms(system->data);
            step->error = attempt->failed_text;
            mtnt__operations_status(attempt, step, MTNT_STATUS_FAILED);
        }
    }
    attempt->failed_phase = o->phase;
    if (attempt->failed >= 0 && err->line == 0)
        mtnt_error_at(err, attempt->steps[attempt->failed].entry->file, attempt->steps[attempt->failed].entry->line, 0);
}

static void take_commit(mtnt__attempt *attempt, mtnt__wire *from)
{
    attempt->positioned = mtnt__wire_take_int(from) != 0;
    mtnt__wire_take_bytes(from, &attempt->position, sizeof(attempt->position));
    mtnt__wire_take_bytes(from, &attempt->identity, sizeof(attempt->identity));
    attempt->verdict = MTNT__VERDICT_COMMITTED;
    attempt->made_model = attempt->mode == MTNT__MODE_PROVISIONAL;
    attempt->removes = attempt->mode == MTNT__MODE_TOMBSTONE && !attempt->claim->backward;
    attempt->told = calloc(attempt->count + 1, sizeof(*attempt->told));
    if (attempt->mode == MTNT__MODE_SAGA)
        return;
    for (size_t i = 0; i < attempt->count; i++)
        attempt->steps[i].status = ended_status(attempt);
}

/* What has been settled, as another process tells it. err: why the attempt's own is gone; cleared when all of it is committed. */
static void take_settled(const order *o, mtnt__attempt *attempt, mtnt__wire *from, mtnt_error *err)
{
    mtnt__migration_event event = (mtnt__migration_event)mtnt__wire_take_int(from);
    mtnt_error other = MTNT_ERROR_INIT;

    attempt->at = (mtnt__migration_state)mtnt__wire_take_int(from);
    mtnt__wire_take_error(from, &other);
    attempt->failed_phase = o->phase;
    switch (event) {
    case MTNT__EVENT_COMMIT:
        take_commit(attempt, from);
        if (!all_ended(attempt)) /* a saga keeps what only goes forward */
            return;
        mtnt__text_copy(attempt->remark, sizeof(attempt->remark), err->message);
        mtnt_error_clear(err);
        return;
    case MTNT__EVENT_ABORT:
        attempt->verdict = MTNT__VERDICT_FAILED;
        show_aborted(o, attempt, err);
        return;
    case MTNT__EVENT_MEET_FOREIGN: attempt->verdict = MTNT__VERDICT_BLOCKED; break;
    case MTNT__EVENT_DISAGREE: attempt->verdict = MTNT__VERDICT_DIVERGED; break;
    case MTNT__EVENT_FAIL_TO_UNDO: attempt->verdict = MTNT__VERDICT_ROLLBACK_FAILED; break;
    default: attempt->verdict = MTNT__VERDICT_IN_DOUBT; break;
    }
    if (attempt->verdict != MTNT__VERDICT_IN_DOUBT)
        err->code = MTNT_E_BLOCKED;
    else
        err->code = MTNT_E_IN_DOUBT;
    mtnt_error_keep(err, &other);
}

/* The process of the attempt is gone: another one settles what it has left. */
static void settle(order *lost, mtnt_error *err)
{
    mtnt__attempt *attempt = lost->attempt;
    mtnt_error other = MTNT_ERROR_INIT;
    order o = {.apart = lost->apart, .link = lost->link, .chain = lost->chain, .options = lost->options};
    void *bytes = NULL;
    mtnt__wire answer = {.bad = true};
    int rc = MTNT_E_CONNECT;

    for (int tries = 0; tries < SETTLE_PROCESSES && rc != 0 && o.entry == NULL; tries++) {
        mtnt_error_clear(&other);
        o.begun = false;
        o.how[0] = '\0';
        rc = perform(&o, MTNT__ORDER_SETTLE, put_attempt, attempt, &bytes, &answer, &other);
    }
    if (rc == 0) {
        take_settled(lost, attempt, &answer, err);
        free(bytes);
        if (!answer.bad)
            return;
    } else {
        (void)blame(&o, &other);
    }
    attempt->verdict = MTNT__VERDICT_IN_DOUBT;
    if (o.at != MTNT__STATE_NONE)
        attempt->at = o.at;
    err->code = MTNT_E_IN_DOUBT;
    mtnt_error_wrap(&other, "what it has left could not be settled yet, and the next run does that");
    mtnt_error_keep(err, &other);
}

/* ---- attempts and recoveries ---- */

/* As mtnt__attempt_run begins, and room for what is told of its steps. */
static int prepare(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__system *system = attempt->link->controller->system;

    attempt->failed = -1;
    attempt->at = MTNT__STATE_EXECUTING;
    attempt->verdict = MTNT__VERDICT_FAILED;
    attempt->deadline = mtnt__deadline_in(system, attempt->compensates ? mtnt__unlock_ms(attempt->options)
                                                                       : mtnt__run_ms(attempt->options));
    attempt->steps = calloc(attempt->chain->count + 1, sizeof(*attempt->steps));
    if (attempt->steps == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return find_apart(attempt->link, err);
}

int mtnt__apart_run(mtnt__attempt *attempt, mtnt_error *err)
{
    order o = {.link = attempt->link, .chain = attempt->chain, .options = attempt->options, .attempt = attempt};
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__wire answer;
    void *bytes = NULL;
    int rc = prepare(attempt, &own);

    if (rc == 0) {
        o.apart = attempt->link->apart;
        rc = perform(&o, MTNT__ORDER_ATTEMPT, put_attempt, attempt, &bytes, &answer, &own);
    }
    if (rc == 0) {
        rc = mtnt__order_take_outcome(&answer, attempt, err, &own);
        free(bytes);
        if (rc == 0)
            return err->code;
        end_process(&o, true);
    }
    if (o.given) {
        (void)blame(&o, &own);
        settle(&o, &own);
    }
    *err = own;
    return own.code;
}

typedef struct recovery {
    const mtnt_model *model;
    const mtnt__known *known;
} recovery;

static void put_recovery(mtnt__buffer *message, const void *data)
{
    const recovery *what = data;

    mtnt__order_put_model(message, what->model);
    mtnt__order_put_known(message, what->known);
}

void mtnt__apart_recover(mtnt__task *task, mtnt__link *link)
{
    const recovery what = {task->model, &task->known};
    order o = {.link = link, .chain = task->job->chain, .options = &task->job->options};
    mtnt__wire answer;
    void *bytes = NULL;
    int rc = find_apart(link, &task->error);

    task->recovered = MTNT__STATE_NONE;
    o.apart = link->apart;
    if (rc == 0)
        rc = perform(&o, MTNT__ORDER_RECOVER, put_recovery, &what, &bytes, &answer, &task->error);
    if (rc == 0) {
        mtnt_error said = MTNT_ERROR_INIT;

        mtnt__wire_take_error(&answer, &said);
        task->recovered = (mtnt__migration_state)mtnt__wire_take_int(&answer);
        task->controller_lost = mtnt__wire_take_int(&answer) != 0 ||
                                (said.code != MTNT_OK && said.code != MTNT_E_BLOCKED && task->controller_lost);
        mtnt__order_take_known(&answer, &task->known);
        task->error = said;
        free(bytes);
    } else {
        (void)blame(&o, &task->error);
        mtnt_error_wrap(&task->error, "its interrupted migration could not be settled");
    }
    task->result_code = task->error.code;
    task->outcome.to_version = task->known.version;
    if (task->doubted == 0)
        task->outcome.from_version = task->known.version;
}
