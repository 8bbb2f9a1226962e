/* Migrations that a model holds and its controller does not know: what a controller has lost that failed over to an asynchronous standby, or was restored
 * from a backup. One comparison, for whoever has both databases open. */
#ifndef MTNT_STATE_AHEAD_H
#define MTNT_STATE_AHEAD_H

#include "state/store.h"

typedef struct mtnt__ahead_item {
    char migration[MTNT__ID_SIZE];
    char operation[256]; /* one that it applied; "" = it took operations back, or what it applied is gone by now */
    bool both;           /* it wrote the controller too, and that is lost: the two are out of step */
} mtnt__ahead_item;

typedef struct mtnt__ahead {
    mtnt__ahead_item *items;
    size_t count, size;
    size_t both; /* of them */
} mtnt__ahead;
void mtnt__ahead_release(mtnt__ahead *ahead);

/* Adds what the model holds of the chain and the controller does not know: neither as a migration that was not rolled back, nor by its register. model: a
 * transaction is open, and the tables are there; applied: of the chain, as read in it. controller: any handle of it. digest: of what the controller believes
 * to be applied. Reads only. */
int mtnt__ahead_look(mtnt_db *model, mtnt_db *controller, const mtnt_chain *chain, const mtnt__applied *applied,
                     const char *digest, mtnt__ahead *ahead, mtnt_error *err);

/* The same of all that the model holds, of any chain: of a model that another controller has written, and that is taken over. None of it is out of step: the
 * controller's half stays with that one. */
int mtnt__ahead_look_over(mtnt_db *model, mtnt_db *controller, mtnt__ahead *ahead, mtnt_error *err);

/* BLOCKED, saying what is out of step and what a person does about it. */
int mtnt__ahead_explain(const mtnt__ahead *ahead, const char *tenant, mtnt_error *err);

/* In a transaction of the controller: they are known from now on, as committed. */
int mtnt__ahead_write(mtnt_db *controller, const char *chain, const char *tenant, const char *placed,
                      const mtnt__ahead *ahead, int64_t now_ms, mtnt_error *err);

#endif
