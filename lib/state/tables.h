/* Our own tables, in controller and model: made, upgraded in place, refused when a newer version has written them. */
#ifndef MTNT_STATE_TABLES_H
#define MTNT_STATE_TABLES_H

#include "mtnt/db.h"

/* What one numbered file of schemas/ holds, per backend; step n brings version n-1 to n and says so in mtnt_meta (schema_version). */
typedef struct mtnt__tables_step {
    const char *sqlite, *postgres;
} mtnt__tables_step;

typedef struct mtnt__tables {
    const char *owner; /* "controller" or "model", for errors */
    const mtnt__tables_step *steps;
    size_t count;
} mtnt__tables;

extern const mtnt__tables mtnt__tables_controller, mtnt__tables_model;

/* All inside a transaction that the caller has begun under the lock. */

/* What mtnt__db_begin_locked has to hold so that only one process at a time makes tables in that schema, or works on a model. schema NULL: the
 * role's own. */
int64_t mtnt__tables_lock_key(const mtnt__tables *tables, const char *schema);

/* *ret_version: 0 = no tables. NEWER: more steps than we know have run. */
int mtnt__tables_version(mtnt_db *db, const mtnt__tables *tables, size_t *ret_version, mtnt_error *err);

/* Runs the steps that are missing. *ret_before: the version before. NEWER as above. */
int mtnt__tables_ensure(mtnt_db *db, const mtnt__tables *tables, size_t *ret_before, mtnt_error *err);

/* mtnt_meta. _get: NOT_FOUND when there is no such key. */
int mtnt__meta_set(mtnt_db *db, const char *key, const char *value, mtnt_error *err);
int mtnt__meta_get(mtnt_db *db, const char *key, char *ret_value, size_t size, mtnt_error *err);

#endif
