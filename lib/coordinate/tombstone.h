/* Names of models that are put away, whose model stands at a name, and what is there no more. */
#ifndef MTNT_COORDINATE_TOMBSTONE_H
#define MTNT_COORDINATE_TOMBSTONE_H

#include "coordinate/attempt.h"

/* A name that a model may have: its own, or (migration not NULL) the tombstone that this migration has given it. `text` is a path, a database or
 * a schema. */
typedef struct mtnt__place {
    const mtnt_model *model;
    char *dsn;  /* to connect to what is there */
    char *text; /* SQLite: the path in dsn */
    mtnt__db_options options;
} mtnt__place;
/* NOMEM. Released also after a failure. */
int mtnt__place_init(mtnt__place *place, const mtnt_controller *controller, const mtnt_model *model,
                     const char *migration, mtnt_error *err);
void mtnt__place_release(mtnt__place *place);

typedef enum mtnt__found { MTNT__FOUND_NOTHING = 1, MTNT__FOUND_OURS, MTNT__FOUND_FOREIGN } mtnt__found;
/* Who is there, by its own marks. An error when it cannot be told (BUSY, IO, CONNECT …). */
int mtnt__place_look(const mtnt_controller *controller, const mtnt__place *place, const char *uuid,
                     mtnt__found *ret_found, mtnt_error *err);

/* Inside a transaction on it: 0 when it bears this controller's marks for the tenant and that uuid; FOREIGN. */
int mtnt__place_check(mtnt_db *db, const mtnt_controller *controller, const mtnt_model *model, const char *uuid,
                      mtnt_error *err);

/* Removes the object, which has been looked at; what is not there is fine. With it a SQLite file's siblings, by exact name. BUSY, REFUSED (others
 * are connected, or another schema's objects depend on it). */
int mtnt__place_remove(const mtnt_controller *controller, const mtnt__place *place, const char *uuid, mtnt_error *err);

/* The sessions in the database of that handle but its own: REFUSED, saying how many and what they call themselves. Looks for
 * up to a second: who has just gone is seen for a moment longer. */
int mtnt__place_check_alone(mtnt_db *db, const mtnt__system *system, const char *database, mtnt_error *err);

#endif
