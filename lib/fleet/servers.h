/* So many tenants at a time on each database server: seats that are taken from the controller, used by one tenant after another, and given back when
 * no tenant of that server waits for one. */
#ifndef MTNT_FLEET_SERVERS_H
#define MTNT_FLEET_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtnt/error.h"

struct mtnt__dispatch;
struct mtnt__task;

typedef struct mtnt__servers {
    struct mtnt__server {
        char *name;
        int64_t *seats; /* room for as many as there may be; those in use first */
        int64_t held, used, wanted;
        int64_t idle_since_ms; /* some of them are not used since; 0 = all are */
        int64_t ask_ms;        /* not before that */
    } * items;
    size_t count;
    int64_t renew_ms;
} mtnt__servers;

void mtnt__servers_release(mtnt__servers *servers);
/* Notes on which server the task's model is, when there is a limit. NOMEM. */
int mtnt__servers_find(struct mtnt__dispatch *d, struct mtnt__task *task, mtnt_error *err);
/* The task may begin; if not, it is noted that it waits. */
bool mtnt__servers_room(struct mtnt__dispatch *d, const struct mtnt__task *task);
void mtnt__servers_sit(struct mtnt__dispatch *d, const struct mtnt__task *task);
void mtnt__servers_rise(struct mtnt__dispatch *d, const struct mtnt__task *task);
/* Before each look at who may begin. */
void mtnt__servers_begin_round(mtnt__servers *servers);
/* After it: takes what is wanted, gives back what is not, and renews. true: there are new seats, look again. */
bool mtnt__servers_trade(struct mtnt__dispatch *d);
/* Somebody waits for a seat. */
bool mtnt__servers_wanted(const mtnt__servers *servers);
/* The run is over. */
void mtnt__servers_give_all(struct mtnt__dispatch *d);

#endif
