/* A process that performs for an executor elsewhere: the other side of apart.c. The caller's thread runs one order after another, and sends; a second one
 * receives, so that a cancel reaches what runs. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "coordinate/order.h"
#include "coordinate/saga.h"

#define AGAIN_MS 200

typedef struct server {
    const mtnt_chain *chain;
    const mtnt_channel *channel;
    mtnt_controller controller; /* the executor's, without its connection */
    mtnt_migration_options options;
    mtnt__gate gate;
    mtnt__slots slots;
    mtnt__templates templates;
    mtnt__bodies bodies;
    mtnt__link link;
    mtnt__buffer message;
    mtnt_error failure; /* the channel's, when something could not be sent */
    atomic_bool cancelled;
    _Atomic int64_t number; /* of the order that has come, or is at work: the next one comes when that is answered */

    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t news;
    void *order; /* that has come; NULL = none */
    size_t order_size;
    bool granted, ended;
    mtnt_error grant, why; /* why it has ended; 0 = there is nothing more to do */
    mtnt_db *live_controller, *live_model;
} server;

/* ---- sending ---- */

/* What cannot be sent is noted: the executor is gone, and so is the use of whatever is done here. */
static void send(server *s)
{
    mtnt_error error = MTNT_ERROR_INIT;

    if (s->message.failed) {
        /* It makes no sense of this, and ends the process: waiting for what never comes would be worse. */
        static const int64_t nonsense[2] = {0, 0};

        (void)s->channel->send(s->channel->data, nonsense, sizeof(nonsense), NULL);
        mtnt__buffer_release(&s->message);
        mtnt_error_set(&error, MTNT_E_NOMEM, "out of memory");
    } else {
        (void)s->channel->send(s->channel->data, s->message.bytes, s->message.length, &error);
    }
    if (s->failure.code == MTNT_OK)
        s->failure = error;
}

static void begin(server *s, mtnt__order_kind kind)
{
    mtnt__order_begin(&s->message, kind, s->number);
}

static void tell_step(void *data, const mtnt__step *step)
{
    server *s = data;

    begin(s, MTNT__ORDER_STEP);
    mtnt__order_put_step(&s->message, s->chain, step);
    send(s);
}

static void tell_body(void *data, const char *phase, const mtnt__chain_entry *entry, mtnt__deadline_ms until)
{
    server *s = data;

    begin(s, MTNT__ORDER_BODY);
    mtnt__wire_text(&s->message, phase);
    mtnt__wire_int(&s->message, entry == NULL ? -1 : entry - s->chain->entries);
    mtnt__wire_int(&s->message, until);
    send(s);
}

/* ---- receiving ---- */

/* The mutex is held, so that the handles stay. */
static void stop_body(server *s)
{
    atomic_store(&s->cancelled, true);
    if (s->live_controller != NULL)
        mtnt_db_cancel(s->live_controller);
    if (s->live_model != NULL)
        mtnt_db_cancel(s->live_model);
}

static void publish(void *data, mtnt_db *controller, mtnt_db *model)
{
    server *s = data;

    pthread_mutex_lock(&s->mutex);
    s->live_controller = controller;
    s->live_model = model;
    pthread_mutex_unlock(&s->mutex);
}

/* True: that was all. Takes the message over. */
static bool take_in(server *s, void *bytes, size_t size)
{
    mtnt__wire from = {.at = bytes, .end = (const char *)bytes + size};
    mtnt__order_kind kind = (mtnt__order_kind)mtnt__wire_take_int(&from);
    int64_t number = mtnt__wire_take_int(&from);
    bool last = from.bad;

    pthread_mutex_lock(&s->mutex);
    switch (from.bad ? MTNT__ORDER_QUIT : kind) {
    case MTNT__ORDER_ATTEMPT:
    case MTNT__ORDER_RECOVER:
    case MTNT__ORDER_SETTLE:
        free(s->order);
        s->order = bytes;
        s->order_size = size;
        s->number = number;
        atomic_store(&s->cancelled, false);
        bytes = NULL;
        break;
    case MTNT__ORDER_CANCEL:
        if (number == s->number)
            stop_body(s);
        break;
    case MTNT__ORDER_GRANT:
        mtnt__wire_take_error(&from, &s->grant);
        s->granted = true;
        break;
    default: last = true; break;
    }
    if (from.bad)
        (void)mtnt__order_spoilt(&s->why);
    s->ended = s->ended || last;
    pthread_cond_broadcast(&s->news);
    pthread_mutex_unlock(&s->mutex);
    free(bytes);
    return last;
}

static void *listen(void *data)
{
    server *s = data;
    mtnt_error error = MTNT_ERROR_INIT;
    void *bytes;
    size_t size;

    for (;;) {
        int rc = s->channel->receive(s->channel->data, -1, &bytes, &size, &error);

        if (rc == 0) {
            if (take_in(s, bytes, size))
                return NULL;
            continue;
        }
        pthread_mutex_lock(&s->mutex);
        s->why = error;
        s->ended = true;
        stop_body(s);
        pthread_cond_broadcast(&s->news);
        pthread_mutex_unlock(&s->mutex);
        return NULL;
    }
}

/* ---- what the executor keeps ---- */

static int wait_for_grant(server *s, mtnt_error *err)
{
    mtnt_error grant = MTNT_ERROR_INIT;

    pthread_mutex_lock(&s->mutex);
    while (!s->granted && !s->ended)
        pthread_cond_wait(&s->news, &s->mutex);
    if (s->granted)
        grant = s->grant;
    else
        mtnt_error_set(&grant, MTNT_E_CANCELLED, "the executor has gone");
    s->granted = false;
    pthread_mutex_unlock(&s->mutex);
    if (grant.code != MTNT_OK && err != NULL)
        *err = grant;
    return grant.code;
}

static void ask_gate(void *data, bool enter)
{
    server *s = data;

    begin(s, enter ? MTNT__ORDER_ENTER : MTNT__ORDER_LEAVE);
    send(s);
    if (enter)
        (void)wait_for_grant(s, NULL);
}

static int ask_slot(void *data, const char *server_name, size_t capacity, mtnt_error *err)
{
    server *s = data;

    begin(s, MTNT__ORDER_SLOT);
    mtnt__wire_text(&s->message, server_name);
    mtnt__wire_int(&s->message, (int64_t)capacity);
    send(s);
    return capacity == 0 ? 0 : wait_for_grant(s, err);
}

/* ---- orders ---- */

typedef struct taken {
    mtnt_model *model;
    mtnt__claim claim;
    mtnt__attempt attempt;
} taken;

static void release(taken *t)
{
    mtnt__attempt_release(&t->attempt);
    mtnt__previous_release(&t->claim.previous);
    mtnt_model_free(t->model);
}

static int take(server *s, mtnt__wire *from, taken *t, mtnt_error *err)
{
    int rc = mtnt__order_take_attempt(from, &t->model, &t->claim, &t->attempt, err);

    t->attempt.chain = s->chain;
    t->attempt.options = &s->options;
    t->attempt.templates = &s->templates;
    t->attempt.link = &s->link;
    t->attempt.claim = &t->claim;
    t->attempt.failed = -1;
    t->attempt.cancelled = &s->cancelled;
    t->attempt.publish = publish;
    t->attempt.publish_data = s;
    t->attempt.status = tell_step;
    t->attempt.status_data = s;
    return rc;
}

static void attempt(server *s, mtnt__wire *from)
{
    taken t = {.model = NULL};
    mtnt_error error = MTNT_ERROR_INIT;

    if (take(s, from, &t, &error) == 0)
        (void)mtnt__attempt_run(&t.attempt, &error);
    begin(s, MTNT__ORDER_ANSWER);
    mtnt__order_put_outcome(&s->message, &t.attempt, &error);
    send(s);
    release(&t);
}

/* What has come of it, for the executor to write: the claim is its own. */
typedef struct settled {
    mtnt__migration_event event;
    mtnt__migration_state at;
    bool moved;
    mtnt__position position;
    mtnt__identity identity;
} settled;

static int settle_saga(server *s, taken *t, mtnt_controller *controller, const mtnt__known *known, settled *ret,
                       mtnt_error *err)
{
    static const char *const nobody[2] = {NULL, NULL};

    return mtnt__saga_recover(controller, s->chain, &t->claim, known, nobody, &s->options, &s->gate, &s->bodies,
                              &ret->at, &ret->event, err);
}

static int settle_other(server *s, const taken *t, settled *ret, mtnt_error *err)
{
    const mtnt__settlement settlement = {.controller = &s->controller,
                                         .model = t->model,
                                         .migration = t->claim.migration,
                                         .mode = t->attempt.mode,
                                         .decider = t->claim.decider,
                                         .home = t->claim.home,
                                         .options = &s->options,
                                         .blockers = {t->claim.migration, {NULL, NULL}},
                                         .gate = &s->gate};

    return mtnt__settle(&settlement, &ret->event, err);
}

/* The claim may be another's by now: then it is theirs to settle. */
static int look(server *s, const taken *t, mtnt_controller *controller, mtnt__known *ret_known, mtnt_error *err)
{
    const mtnt_model *model = t->model;
    int rc;

    mtnt__gate_enter(&s->gate);
    rc = mtnt__store_select(controller, mtnt_chain_name(s->chain), &model, 1, ret_known, err);
    mtnt__gate_leave(&s->gate);
    if (rc == 0 && (strcmp(ret_known->migration, t->claim.migration) != 0 || ret_known->epoch != t->claim.epoch))
        rc = mtnt_error_set(err, MTNT_E_LEASE, "another process has taken the tenant over, and settles it");
    return rc;
}

static int settle_once(server *s, taken *t, settled *ret, mtnt_error *err)
{
    mtnt_controller controller;
    mtnt__known known;
    int rc = mtnt__link_keeper(&s->link, &controller, err);

    if (rc == 0)
        rc = look(s, t, &controller, &known, err);
    if (rc == 0) {
        ret->at = mtnt__migration_state_parse(known.state);
        begin(s, MTNT__ORDER_STATE);
        mtnt__wire_int(&s->message, ret->at);
        send(s);
        rc = t->attempt.mode == MTNT__MODE_SAGA ? settle_saga(s, t, &controller, &known, ret, err)
                                                : settle_other(s, t, ret, err);
    }
    if (rc == 0 && ret->event == MTNT__EVENT_COMMIT) {
        /* Without it the next run looks at the model anew. */
        mtnt__gate_enter(&s->gate);
        if (mtnt__recover_where(&controller, s->chain, t->model, t->attempt.mode, &known, &ret->moved, &ret->position,
                                &ret->identity, NULL) != 0)
            ret->moved = false;
        mtnt__gate_leave(&s->gate);
    }
    if (rc != 0)
        mtnt__db_disconnect(s->link.keeper);
    return rc;
}

/* A server may take its time to see that a client has gone, and what that has begun goes on till then. */
static bool may_pass(int rc)
{
    return rc == MTNT_E_BUSY || rc == MTNT_E_CONNECT || rc == MTNT_E_IN_DOUBT;
}

static void settle(server *s, mtnt__wire *from)
{
    const mtnt__system *system = s->controller.system;
    mtnt__deadline_ms until = mtnt__deadline_in(system, mtnt__unlock_ms(&s->options));
    taken t = {.model = NULL};
    settled what = {.event = MTNT__EVENT_LOSE_ANSWER, .at = MTNT__STATE_EXECUTING};
    mtnt_error error = MTNT_ERROR_INIT;
    int rc = take(s, from, &t, &error);

    if (rc == 0)
        rc = settle_once(s, &t, &what, &error);
    while (may_pass(rc) && mtnt__deadline_left(system, until) > 0) {
        system->sleep_ms(system->data, AGAIN_MS);
        mtnt_error_clear(&error);
        rc = settle_once(s, &t, &what, &error);
    }
    if (rc != 0)
        what.event = MTNT__EVENT_LOSE_ANSWER;
    begin(s, MTNT__ORDER_ANSWER);
    mtnt__wire_int(&s->message, what.event);
    mtnt__wire_int(&s->message, what.at);
    mtnt__wire_error(&s->message, &error);
    mtnt__wire_int(&s->message, what.moved);
    mtnt__wire_bytes(&s->message, &what.position, sizeof(what.position));
    mtnt__wire_bytes(&s->message, &what.identity, sizeof(what.identity));
    send(s);
    release(&t);
}

static void recover(server *s, mtnt__wire *from)
{
    mtnt_controller controller;
    mtnt_model *model = NULL;
    mtnt__known known = {.known = false};
    mtnt__migration_state state = MTNT__STATE_NONE;
    mtnt_error error = MTNT_ERROR_INIT;
    bool lost;
    int rc = mtnt__order_take_model(from, &model, &error);

    mtnt__order_take_known(from, &known);
    if (rc == 0 && from->bad)
        rc = mtnt__order_spoilt(&error);
    if (rc == 0)
        rc = mtnt__link_keeper(&s->link, &controller, &error);
    if (rc == 0)
        rc = mtnt__recover(&controller, s->chain, model, &s->options, &s->gate, &s->bodies, &known, &state, &error);
    lost = rc != 0 && rc != MTNT_E_BLOCKED && mtnt__db_lost(s->link.keeper);
    /* A transaction that an error has left open must not be there for the next one. */
    if (rc != 0)
        mtnt__db_disconnect(s->link.keeper);
    else
        mtnt_error_clear(&error);
    begin(s, MTNT__ORDER_ANSWER);
    mtnt__wire_error(&s->message, &error);
    mtnt__wire_int(&s->message, state);
    mtnt__wire_int(&s->message, lost);
    mtnt__order_put_known(&s->message, &known);
    send(s);
    mtnt_model_free(model);
}

static bool next(server *s, void **ret_bytes, size_t *ret_size)
{
    pthread_mutex_lock(&s->mutex);
    while (s->order == NULL && !s->ended)
        pthread_cond_wait(&s->news, &s->mutex);
    *ret_bytes = s->ended ? NULL : s->order;
    *ret_size = s->order_size;
    if (!s->ended)
        s->order = NULL;
    pthread_mutex_unlock(&s->mutex);
    return *ret_bytes != NULL;
}

static void work(server *s)
{
    void *bytes;
    size_t size;

    while (s->failure.code == MTNT_OK && next(s, &bytes, &size)) {
        mtnt__wire from = {.at = bytes, .end = (const char *)bytes + size};
        mtnt__order_kind kind = (mtnt__order_kind)mtnt__wire_take_int(&from);

        (void)mtnt__wire_take_int(&from);
        /* Before anything is done: without it the executor takes it that nothing was. */
        begin(s, MTNT__ORDER_BEGUN);
        send(s);
        if (kind == MTNT__ORDER_ATTEMPT)
            attempt(s, &from);
        else if (kind == MTNT__ORDER_SETTLE)
            settle(s, &from);
        else
            recover(s, &from);
        free(bytes);
    }
}

/* ---- the beginning ---- */

static int take_settings(server *s, const mtnt_chain *whole, void **ret_bytes, mtnt_error *err)
{
    size_t size = 0;
    mtnt__wire from;
    int rc = s->channel->receive(s->channel->data, -1, ret_bytes, &size, err);

    if (rc != 0)
        return rc;
    from = (mtnt__wire){.at = *ret_bytes, .end = (const char *)*ret_bytes + size};
    if (mtnt__wire_take_int(&from) != MTNT__ORDER_SETTINGS)
        return mtnt_error_set(err, MTNT_E_INVALID, "whoever is at the other end is no executor of this program");
    (void)mtnt__wire_take_int(&from);
    rc = mtnt__order_take_settings(&from, whole, &s->controller, &s->chain, &s->options, err);
    s->link = (mtnt__link){.controller = &s->controller, .gate = &s->gate, .slots = &s->slots, .bodies = &s->bodies};
    return rc;
}

static int make(server *s, mtnt_error *err)
{
    int rc = mtnt__gate_init(&s->gate, err);

    if (rc != 0)
        return rc;
    rc = mtnt__slots_init(&s->slots, err);
    if (rc != 0)
        goto no_slots;
    rc = mtnt__templates_init(&s->templates, err);
    if (rc != 0)
        goto no_templates;
    if (pthread_mutex_init(&s->mutex, NULL) != 0) {
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
        goto no_mutex;
    }
    if (pthread_cond_init(&s->news, NULL) != 0) {
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "no condition variable to be had");
        goto no_news;
    }
    s->gate.ask = ask_gate;
    s->gate.ask_data = s;
    s->slots.ask = ask_slot;
    s->slots.ask_data = s;
    s->bodies = (mtnt__bodies){tell_body, s};
    atomic_init(&s->cancelled, false);
    return 0;
no_news:
    pthread_mutex_destroy(&s->mutex);
no_mutex:
    mtnt__templates_release(&s->templates);
no_templates:
    mtnt__slots_release(&s->slots);
no_slots:
    mtnt__gate_release(&s->gate);
    return rc;
}

static void unmake(server *s)
{
    mtnt__link_release(&s->link);
    pthread_cond_destroy(&s->news);
    pthread_mutex_destroy(&s->mutex);
    mtnt__templates_release(&s->templates);
    mtnt__slots_release(&s->slots);
    mtnt__gate_release(&s->gate);
    mtnt__buffer_release(&s->message);
    free(s->order);
}

int mtnt_isolated_serve(const mtnt_chain *chain, const mtnt_channel *channel, mtnt_error *err)
{
    server s = {.channel = channel};
    mtnt_error error = MTNT_ERROR_INIT;
    void *settings = NULL;
    pthread_t listener;
    int rc;

    if (chain == NULL || channel == NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "serving takes a chain and a channel");
    rc = make(&s, err);
    if (rc != 0)
        return rc;
    rc = take_settings(&s, chain, &settings, &error);
    if (rc == 0 && pthread_create(&listener, NULL, listen, &s) != 0)
        rc = mtnt_error_set(&error, MTNT_E_NOMEM, "no thread to be had");
    begin(&s, MTNT__ORDER_READY);
    mtnt__wire_error(&s.message, &error);
    send(&s);
    if (rc == 0) {
        work(&s);
        pthread_join(listener, NULL);
        error = s.why.code != MTNT_OK ? s.why : s.failure;
    }
    unmake(&s);
    free(settings);
    if (error.code != MTNT_OK && err != NULL)
        *err = error;
    return error.code;
}
