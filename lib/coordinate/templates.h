/* Sealed templates: models that nobody uses, to which the operations of a chain have been done, for new models to be copied from (`create_model: {snapshot:
 * true}`). A template is made of the second new model that the chain has made with the same content as another one; it outlives the process.
 * SQLite: the file `.mtnt-template-<name>` in the models' folder. PostgreSQL: the database `mtnt_template_<name>` on their server, which nobody can
 * connect to. <name> says whose it is (controller, chain, server) and what has been done to it, so that another chain has another one.
 *
 * What makes it whole is a row of its own mtnt_meta, with the digest of its content, written in the transaction that takes the identity of the model
 * that it was out of it; a copy without that row is no use, and is thrown away. SQLite files get their name after that, by a rename. */
#ifndef MTNT_COORDINATE_TEMPLATES_H
#define MTNT_COORDINATE_TEMPLATES_H

#include <pthread.h>

#include "db/database.h"
#include "mtnt/error.h"

typedef enum mtnt__template_state {
    MTNT__TEMPLATE_UNKNOWN = 0, /* nobody has looked yet */
    MTNT__TEMPLATE_NONE,
    MTNT__TEMPLATE_WITNESSING, /* an attempt is reading what it has made */
    MTNT__TEMPLATE_WITNESSED,  /* one new model is known: `digest`, at `second` */
    MTNT__TEMPLATE_MAKING,     /* an attempt is reading, or copying, the second */
    MTNT__TEMPLATE_READY,
    MTNT__TEMPLATE_GIVEN_UP /* in this process everything is made by running the chain */
} mtnt__template_state;

#define MTNT__TEMPLATE_NAME_SIZE 42 /* 16 digits, a `_` and 24 digits */
#define MTNT__TEMPLATE_PREFIX 17    /* … of which so many are of every template of the same chain there */

typedef struct mtnt__template mtnt__template;
struct mtnt__template {
    mtnt__template *next;
    char name[MTNT__TEMPLATE_NAME_SIZE];
    char *place; /* folder, or server */
    mtnt__template_state state;
    char digest[MTNT__DIGEST_SIZE], tenant[256];
    int64_t second;
};

/* What one run, or one service, knows of them. Any thread. */
typedef struct mtnt__templates {
    pthread_mutex_t mutex;
    mtnt__template *list;
    bool only_use; /* none is made */
    bool warned;
    mtnt_error warning; /* the first reason why one was given up */
} mtnt__templates;

int mtnt__templates_init(mtnt__templates *templates, mtnt_error *err);
void mtnt__templates_release(mtnt__templates *templates);
/* A stable entry, made when it is not there. NOMEM. */
int mtnt__templates_find(mtnt__templates *templates, const char *name, const char *place, mtnt__template **ret_template,
                         mtnt_error *err);

mtnt__template_state mtnt__template_state_of(mtnt__templates *templates, const mtnt__template *template);
/* To `to` when it is `from`; false: it is not. */
bool mtnt__template_move(mtnt__templates *templates, mtnt__template *template, mtnt__template_state from,
                         mtnt__template_state to);
/* GIVEN_UP; the first reason is kept as the warning. */
void mtnt__template_give_up(mtnt__templates *templates, mtnt__template *template, const mtnt_error *why);
/* The warning, once; false: there is none (any more). */
bool mtnt__templates_warning(mtnt__templates *templates, mtnt_error *ret_warning);

#endif
