/* A scope: what one migration works on. Controller database, model database, and the deleter of the model. */
#ifndef MTNT_SCOPE_H
#define MTNT_SCOPE_H

#include "mtnt/model.h"

MTNT_BEGIN_DECLS

/* Made by the coordinator for each migration; belongs to the thread that performs it; valid until the body returns. */
typedef struct mtnt_scope mtnt_scope;
/* The scope as a body sees it while it runs: the same object, by the name of its role there. */
typedef mtnt_scope mtnt_context;

/* The two databases: the same handles for every operation of one migration (Juju's "scope"). A side that no operation of the
 * chain declared to write is read-only. Never NULL; connected at the first use. Model: during create_model's own execute the
 * handle is there once mtnt_scope_create_model has succeeded. */
MTNT_API mtnt_db *mtnt_scope_controller(mtnt_scope *scope);
MTNT_API mtnt_db *mtnt_scope_model(mtnt_scope *scope);

MTNT_API const mtnt_model *mtnt_scope_tenant(const mtnt_scope *scope);

/* For operations of class flag MTNT_OPERATION_CREATES_MODEL.
 * create: makes the model under a provisional name (SQLite file, PostgreSQL database) or in the transaction (schema); it gets its
 * real name when the migration commits. A model that was there before is left alone: 0, and *ret_created is false.
 * delete: removes what *this* migration created and nothing else, ever; a model that is gone already, or that existed
 * before, is 0. Errors: those of mtnt/db.h, EXISTS when somebody takes the name meanwhile. */
MTNT_API int mtnt_scope_create_model(mtnt_scope *scope, bool *ret_created, mtnt_error *err);
MTNT_API int mtnt_scope_delete_model(mtnt_scope *scope, mtnt_error *err);

/* Whether an earlier operation of this attempt has created the model: then nobody else has seen it, and what is in it is the chain's. */
MTNT_API bool mtnt_scope_created_model(const mtnt_scope *scope);

/* For operations of class flag MTNT_OPERATION_DELETES_MODEL: what the migration's commit shall do to the model, which stays where it is until then.
 * remove, in execute: the model gets another name, its tombstone (SQLite `<file>.mtnt-gone-<migration>`, PostgreSQL database or schema
 * `mtnt_gone_<migration>`), and is removed for good once grace_ms (0 = no time at all) have passed. restore, in rollback: it gets its own name
 * back. Only a model that this controller has marked as this tenant's. INVALID: another class, a negative time, or no rewind of such an
 * operation. Neither blocks. */
MTNT_API int mtnt_scope_remove_model(mtnt_scope *scope, int64_t grace_ms, mtnt_error *err);
MTNT_API int mtnt_scope_restore_model(mtnt_scope *scope, mtnt_error *err);

/* For operations of class flag MTNT_OPERATION_NO_TRANSACTION: what the operation `snapshot` does, for others that need it too.
 * snapshot: saves the model to FOLDER/<tenant>/<name>-<migration>.db (SQLite) or .dump (PostgreSQL, by pg_dump), with a note of what it looked like
 * beside it (.state). FOLDER is made when it is not there. One that is there is this migration's own: it is left as it is, and all is well.
 * restore: puts it back into the live model, in one transaction; mtnt_meta, mtnt_applied and mtnt_decision stay as they are. Nothing is done when the
 * model's content is as it was saved, or when this migration has saved none. REFUSED when the model is neither as it was saved nor as this migration's
 * last write is known to have left it: then somebody else may have written, nothing is changed and err says where the snapshot is. What the later
 * operations of the saga leave is known when the class has the flag MTNT_OPERATION_SNAPSHOT. What an application writes while one of them runs outside a
 * transaction is told apart by SQLite (and refused), and not by PostgreSQL, where a restore takes it away; what such an operation has done when it is killed
 * in its body is not known.
 * The files stay, whatever happens. Both read the whole model. Errors: IO, NOT_FOUND (pg_dump and its kin; a snapshot that was removed), REFUSED,
 * OPERATION, CONNECT, BUSY, DEADLINE, CANCELLED, INVALID (within a transaction), NOMEM. */
MTNT_API int mtnt_scope_snapshot(mtnt_scope *scope, const char *folder, const char *name, mtnt_error *err);
MTNT_API int mtnt_scope_restore(mtnt_scope *scope, const char *folder, const char *name, mtnt_error *err);

/* Milliseconds until the operation has to be done, -1 = no limit, 0 = over. */
MTNT_API int64_t mtnt_context_remaining_ms(const mtnt_context *context);
/* A cancel was asked for: long bodies in C look at it now and then and return MTNT_E_CANCELLED. */
MTNT_API bool mtnt_context_cancelled(const mtnt_context *context);
/* Unique to this migration and stable during it. Borrowed. */
MTNT_API const char *mtnt_context_migration(const mtnt_context *context);
/* The idempotency key for effects outside: 32 hex digits, the same for an execute and for the rollbacks that compensate it, however often they are
 * repeated, and never used again. A rollback undoes only what bears it, and should leave the key refused: a worker that was thought dead may still call
 * with it. Outside a saga it is the migration. Borrowed. */
MTNT_API const char *mtnt_context_key(const mtnt_context *context);
/* For rollback: how much of the operation there may be to undo (mtnt_progress; declared as int, because it is named in mtnt/operation.h). */
MTNT_API int mtnt_context_progress(const mtnt_context *context);
/* The sides that this call is to write (MTNT_WRITES_…): for operations of the flag MTNT_OPERATION_BY_SIDE. */
MTNT_API uint32_t mtnt_context_writes(const mtnt_context *context);

MTNT_END_DECLS

#endif
