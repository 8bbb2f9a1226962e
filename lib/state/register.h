/* The decision register, in either database. */
#ifndef MTNT_STATE_REGISTER_H
#define MTNT_STATE_REGISTER_H

#include "mtnt/db.h"

typedef enum mtnt__outcome { MTNT__OUTCOME_COMMIT = 1, MTNT__OUTCOME_ABORT } mtnt__outcome;

/* The worker's own row, the last statement before its COMMIT (or PREPARE), and on PostgreSQL in one message with that. When a recovery has written abort
 * first, the transaction dies: _explain makes BLOCKED of the error of any of the two. */
int mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err);
int mtnt__register_explain(int rc, mtnt_error *err);

/* The same, and the commit row of a migration that is known to have ended is collected: its state is durable in the
 * controller, and outranks whatever a late recovery writes. NULL or "": nothing is. Abort rows stay for ever. */
int mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);

/* A person's word: written unless there is a row; *ret_outcome is what the register says now, *ret_written whether that is new. It may be acted on
 * only after this transaction has committed durably. */
int mtnt__register_write(mtnt_db *db, const char *migration, mtnt__outcome word, mtnt__outcome *ret_outcome,
                         bool *ret_written, mtnt_error *err);

/* Reads only. *ret_outcome stays as it was when there is no row: on the prepared side, where the row
 * comes with the prepared transaction, it says that this side holds the migration. */
int mtnt__register_read(mtnt_db *db, const char *migration, mtnt__outcome *ret_outcome, mtnt_error *err);

/* Recovery's step: writes abort unless there is a row, counts the visit (so that the commit that follows is a write, and hardens what is
 * visible), and reads the outcome. It may be acted on only after this transaction has committed durably. */
int mtnt__register_settle(mtnt_db *db, const char *migration, mtnt__outcome *ret_outcome, mtnt_error *err);

#endif
