/* The built-in operations. Each _add function adds an entry to a chain; `entry` (name, order, file, line, disabled …) may be
 * NULL and its config, config_free, checksum, writes and SQL are set by the function. Texts in the configs are copied.
 * Errors: CONFIG with the entry's file and line, NOMEM. */
#ifndef MTNT_OPERATIONS_H
#define MTNT_OPERATIONS_H

#include "mtnt/chain.h"
#include "mtnt/description.h"

MTNT_BEGIN_DECLS

/* A piece of SQL and where it stands; sql NULL = none. */
typedef struct mtnt_sql_text {
    const char *sql;
    const char *file;      /* NULL = unknown */
    uint32_t line, column; /* of its first character; 0 = unknown */
} mtnt_sql_text;

/* sql: scripts for each side, up and down. `any` runs where there is none for the backend at hand. An operation that has SQL for
 * a side, but none for the backend of that side, fails with NOT_IMPLEMENTED. Without any down there is nothing to undo, and rewind refuses. The entry's
 * checksum counts instead of the SQL when it is given: for SQL that was made of something else. */
typedef struct mtnt_sql_side {
    mtnt_sql_text any_up, any_down, sqlite_up, sqlite_down, postgres_up, postgres_down;
    mtnt_sql_text any_verify, sqlite_verify,
        postgres_verify; /* runs after up, in the same transaction: an error is one of the operation, and what
                                                                 it writes does not stay. Outside a transaction it stays. No part of the checksum */
} mtnt_sql_side;
typedef struct mtnt_sql_options {
    mtnt_sql_side model, controller;
} mtnt_sql_options;
MTNT_API int mtnt_operation_add_sql(mtnt_chain *chain, const mtnt_sql_options *options, const mtnt_entry *entry,
                                    mtnt_error *err);

/* create_model: makes the model (SQLite file, PostgreSQL database or schema, as the tenant's DSN says) and runs the template
 * in it. Must be first in the chain. A model that is there already is recorded and left alone. */
typedef struct mtnt_create_model_options {
    mtnt_sql_text template_any, template_sqlite, template_postgres;
    /* The chain makes the same of every new model: once two of them have been made by running it, in different seconds, and turned out equal, the
     * others are copies (of the file `.mtnt-template-…` beside the models, of the database `mtnt_template_…` on their server), with marks of their
     * own. Where two differ, no copies are made and the run warns. CONFIG, at its line, for an operation of the chain that may do something else for
     * another tenant: one that writes the controller, uses :'name', runs a program, or is in C without MTNT_OPERATION_SAME_FOR_ALL.
     * A schema for each tenant is always made by running the chain, and so is everything when there are hooks. */
    bool snapshot;
} mtnt_create_model_options;
MTNT_API int mtnt_operation_add_create_model(mtnt_chain *chain, const mtnt_create_model_options *options,
                                             const mtnt_entry *entry, mtnt_error *err);

/* delete_model: puts the model away when its migration commits, and has it removed once grace_ms have passed: see mtnt_scope_remove_model. Must be
 * last in the chain. Its rollback puts the model back, as long as it is there. CONFIG: a negative time. */
typedef struct mtnt_delete_model_options {
    int64_t grace_ms; /* 0 = at once */
} mtnt_delete_model_options;
#define MTNT_DELETE_MODEL_GRACE_MS (INT64_C(7) * 24 * 60 * 60 * 1000)
/* options NULL = a grace period of MTNT_DELETE_MODEL_GRACE_MS. */
MTNT_API int mtnt_operation_add_delete_model(mtnt_chain *chain, const mtnt_delete_model_options *options,
                                             const mtnt_entry *entry, mtnt_error *err);

/* tables: creates several tables ("name(column definitions)") in the model, drops them in reverse on rollback. */
typedef struct mtnt_tables_options {
    const char *const *tables; /* "contacts(id INTEGER PRIMARY KEY, name TEXT NOT NULL)", NULL-terminated */
    bool drop;                 /* the other way round: execute drops, rollback creates */
} mtnt_tables_options;
MTNT_API int mtnt_operation_add_tables(mtnt_chain *chain, const mtnt_tables_options *options, const mtnt_entry *entry,
                                       mtnt_error *err);

/* verify: queries whose first column of the first row must be the expected text (NULL = the SQL NULL or no row). */
typedef struct mtnt_verify_check {
    mtnt_sql_text sql; /* one statement; :'name' as in sql */
    bool on_controller;
    const char *expect;
} mtnt_verify_check;
typedef struct mtnt_verify_options {
    const mtnt_verify_check *checks;
    size_t count;
} mtnt_verify_options;
MTNT_API int mtnt_operation_add_verify(mtnt_chain *chain, const mtnt_verify_options *options, const mtnt_entry *entry,
                                       mtnt_error *err);

/* snapshot: saves the model before something that cannot be rolled back, and restores it when a later operation fails; see mtnt_scope_snapshot, whose
 * name is "v<order>-<operation>". Runs outside a transaction: its migration is a saga. Taking an applied one back (rewind) does nothing.
 * Without anybody else's writing meanwhile the restore is exact; else it is refused, and the tenant waits for a person. Operations after it that write the
 * model alone need no rollback. */
typedef struct mtnt_snapshot_options {
    const char *dir; /* the folder; relative to the working directory */
} mtnt_snapshot_options;
MTNT_API int mtnt_operation_add_snapshot(mtnt_chain *chain, const mtnt_snapshot_options *options,
                                         const mtnt_entry *entry, mtnt_error *err);

/* exec: runs a program by posix_spawn (no shell), and a compensating program on rollback. Exit status 0 is success. Environment:
 * the caller's without its MTNT_…, plus MTNT_TENANT, MTNT_MIGRATION, MTNT_OPERATION, MTNT_VAR_<NAME> for vars; never a DSN. No standard
 * input; output goes to the error text (last lines) on failure. Killed (SIGTERM, then SIGKILL after 5 s, its process group) on deadline or
 * cancel. A program that fails takes what it has left running with it; one that succeeds may leave something running. */
typedef struct mtnt_exec_options {
    const char *const
        *command; /* program and arguments, NULL-terminated; looked up in PATH. {tenant} in an argument is the id,
                                    when it is plain ([A-Za-z0-9._-], not beginning with `.` or `-`); for any
                                    other id the operation fails before it runs: use MTNT_TENANT there */
    const char *const *undo; /* NULL = nothing to undo */
    const char *folder;      /* working directory; NULL = the caller's */
} mtnt_exec_options;
MTNT_API int mtnt_operation_add_exec(mtnt_chain *chain, const mtnt_exec_options *options, const mtnt_entry *entry,
                                     mtnt_error *err);

/* import: loads the tenant's model description (mtnt_model_description; mtnt/description.h) into the model and its rows of the controller; a tenant without one is
 * passed over. The description must have been written of the same chain with the same operations applied as come before `import` (other imports and
 * repeatable ones apart); where another import of the chain is the one it fits, that one loads it, and else it is refused (CONFIG).
 * A model that this migration creates gets the tables as they are described, in place of what the chain has put into them; in any other the tables
 * have to be empty (REFUSED). The controller's rows are those of `tables`; rows that the tenant has there already are refused, unless `replace`. The column
 * `key` gets the tenant's own id, so that a description can be imported under another. Triggers of the model are off meanwhile; its foreign keys
 * are checked in the end. Rollback deletes from the model the rows that the description names, by primary key, and the tenant's rows from `tables`. */
typedef struct mtnt_import_options {
    const mtnt_described_table *tables; /* of the controller */
    size_t table_count;
} mtnt_import_options;
MTNT_API int mtnt_operation_add_import(mtnt_chain *chain, const mtnt_import_options *options, const mtnt_entry *entry,
                                       mtnt_error *err);
/* What the last import of the chain that is not disabled was added with: which rows of the controller are a tenant's, for mtnt_description_write. NULL =
 * there is none. Borrowed. */
MTNT_API const mtnt_import_options *mtnt_operation_import_options(const mtnt_chain *chain);

MTNT_END_DECLS

#endif
