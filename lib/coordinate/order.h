/* What the executor's process and one that performs for it say to each other: attempts, recoveries and what has come of them, as messages. Each begins with its
 * kind and the number of the order that it belongs to. apart.c is the executor's side, serve.c the other one. */
#ifndef MTNT_COORDINATE_ORDER_H
#define MTNT_COORDINATE_ORDER_H

#include "base/wire.h"
#include "coordinate/task.h"

typedef enum mtnt__order_kind {
    /* to who performs */
    MTNT__ORDER_SETTINGS = 1, /* first: controller, chain, options */
    MTNT__ORDER_ATTEMPT,
    MTNT__ORDER_RECOVER,
    MTNT__ORDER_SETTLE, /* an attempt whose process is gone */
    MTNT__ORDER_CANCEL,
    MTNT__ORDER_GRANT, /* what was asked for; 0, or an error */
    MTNT__ORDER_QUIT,
    /* from it */
    MTNT__ORDER_READY, /* for orders; 0, or an error */
    MTNT__ORDER_BEGUN, /* an order has been read */
    MTNT__ORDER_STEP,  /* a status that an operation took */
    MTNT__ORDER_BODY,  /* a body is about to run; -1: it has returned */
    MTNT__ORDER_STATE, /* where the migration stood when its settlement began */
    MTNT__ORDER_ENTER, /* asks for the gate */
    MTNT__ORDER_LEAVE, /* … and is out of it */
    MTNT__ORDER_SLOT,  /* asks for a slot of a server; capacity 0: has left it */
    MTNT__ORDER_ANSWER /* the order has been done */
} mtnt__order_kind;

void mtnt__order_begin(mtnt__buffer *message, mtnt__order_kind kind, int64_t number);

void mtnt__order_put_settings(mtnt__buffer *message, const mtnt_controller *controller, const mtnt_chain *chain,
                              const mtnt_migration_options *options);
/* Texts are within the message. The controller has no connection. chain: the whole; *ret_chain: what of it is meant. REFUSED: it is another one. */
int mtnt__order_take_settings(mtnt__wire *from, const mtnt_chain *chain, mtnt_controller *ret_controller,
                              const mtnt_chain **ret_chain, mtnt_migration_options *ret_options, mtnt_error *err);

void mtnt__order_put_known(mtnt__buffer *message, const mtnt__known *known);
void mtnt__order_take_known(mtnt__wire *from, mtnt__known *ret_known);
void mtnt__order_put_model(mtnt__buffer *message, const mtnt_model *model);
int mtnt__order_take_model(mtnt__wire *from, mtnt_model **ret_model, mtnt_error *err);

/* Model, claim and "what to do" of the attempt. Taken: the caller frees claim->previous, and the model. */
void mtnt__order_put_attempt(mtnt__buffer *message, const mtnt__attempt *attempt);
int mtnt__order_take_attempt(mtnt__wire *from, mtnt_model **ret_model, mtnt__claim *ret_claim,
                             mtnt__attempt *ret_attempt, mtnt_error *err);

/* "How it went", and the error. Taken into an attempt that has not run: what it holds then is its own. */
void mtnt__order_put_outcome(mtnt__buffer *message, const mtnt__attempt *attempt, const mtnt_error *error);
int mtnt__order_take_outcome(mtnt__wire *from, mtnt__attempt *attempt, mtnt_error *ret_error, mtnt_error *err);

void mtnt__order_put_step(mtnt__buffer *message, const mtnt_chain *chain, const mtnt__step *step);
/* The error is within the message. */
void mtnt__order_take_step(mtnt__wire *from, const mtnt_chain *chain, mtnt__step *ret_step);
/* One of the phases that an attempt may fail in, as static text. */
const char *mtnt__order_phase(const char *phase);
int mtnt__order_spoilt(mtnt_error *err);

#endif
