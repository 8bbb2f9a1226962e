/* What import.c decides, and import_rows.c does to the databases. */
#ifndef MTNT_OPERATIONS_IMPORT_H
#define MTNT_OPERATIONS_IMPORT_H

#include "common.h"

typedef struct mtnt__import {
    mtnt_context *context;
    const mtnt_model *model;
    mtnt_description *description;
    const mtnt_import_options *options;
    uint32_t writes; /* the sides of this call */
} mtnt__import;

/* Where in the description; the SQL says nothing to who wrote it. Returns err's code. */
int mtnt__import_at(const mtnt__import *import, mtnt_error *err, uint32_t line, uint32_t column);

/* In the transactions that are open. */
int mtnt__import_load(mtnt__import *import, mtnt_error *err);
int mtnt__import_unload(mtnt__import *import, mtnt_error *err);

/* ---- import_model.c: the model around it ---- */

/* Switches off triggers and puts off foreign keys, until _model_end. */
typedef struct mtnt__import_switches {
    char *constraints, *triggers; /* PostgreSQL: what puts them back; NULL = nothing */
    int sqlite_triggers;
} mtnt__import_switches;
int mtnt__import_model_begin(mtnt_db *db, mtnt__import_switches *switches, mtnt_error *err);
/* Checks what was put off. */
int mtnt__import_model_end(mtnt_db *db, const mtnt__import_switches *switches, mtnt_error *err);
void mtnt__import_switches_release(mtnt__import_switches *switches);

int mtnt__import_counter(mtnt_db *db, const char *table, const mtnt_described_counter *counter, mtnt_error *err);
int mtnt__import_sequence(mtnt_db *db, const mtnt_described_counter *sequence, mtnt_error *err);
/* For a table whose description says nothing of counters: they go on behind what is there. */
int mtnt__import_count_on(mtnt_db *db, const char *table, mtnt_error *err);

/* ---- import_values.c ---- */

/* "name", or "side"."name" for SQLite. */
void mtnt__import_append_name(mtnt__operations_text *sql, const char *name);
void mtnt__import_append_table(mtnt__operations_text *sql, const mtnt_db *db, bool on_controller, const char *table);
/* CONFIG at the value: SQLite cannot hold it. */
int mtnt__import_value(const mtnt_described_value *value, mtnt_backend backend, mtnt_value *ret_value, mtnt_error *err);

#endif
