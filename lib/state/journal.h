/* A saga's journal in the controller: what each unit intends, before anything of it happens, and what has become of it. */
#ifndef MTNT_STATE_JOURNAL_H
#define MTNT_STATE_JOURNAL_H

#include "chain/chain.h"
#include "mtnt/db.h"

/* One unit in one direction. */
typedef struct mtnt__journal_step {
    int64_t unit, units;
    bool backward, outside, retriable;
    bool half; /* the controller's part of an operation that the next unit completes and records */
    char key[MTNT__ID_SIZE];
    char mode[24], decider[16];
    char *operations; /* names, each ended by a line feed; malloc'ed */
    uint32_t writes;
    int64_t tries;
    enum { MTNT__JOURNAL_INTENT = 1, MTNT__JOURNAL_DONE, MTNT__JOURNAL_FAILED } state;
} mtnt__journal_step;

typedef struct mtnt__journal {
    mtnt__journal_step *steps; /* by unit, forward before backward */
    size_t count, size;
} mtnt__journal;
void mtnt__journal_release(mtnt__journal *journal);
const mtnt__journal_step *mtnt__journal_find(const mtnt__journal *journal, int64_t unit, bool backward);

/* A unit's row in the register, its gid and its idempotency key: 32 hex digits, of (migration, unit, direction, try). */
int mtnt__journal_key(const char *migration, int64_t unit, bool backward, int64_t tries, char ret_key[MTNT__ID_SIZE],
                      mtnt_error *err);

/* All inside a transaction of the controller that the caller holds open. */

/* CANCELLED when the migration is not in `state` any more, or another one has begun that try: nothing may be done. */
int mtnt__journal_intend(mtnt_db *db, const char *migration, const mtnt__journal_step *step, const char *state,
                         int64_t now_ms, mtnt_error *err);
int mtnt__journal_finish(mtnt_db *db, const char *migration, const mtnt__journal_step *step, const char *error,
                         int64_t now_ms, mtnt_error *err);
/* The last unit is done, and with it the saga: from then on whoever turns it finds every unit done, and goes forward. CANCELLED when it has been turned:
 * it is being taken back, and must not be called committed. */
int mtnt__journal_complete(mtnt_db *db, const char *migration, const mtnt__journal_step *last, int64_t now_ms,
                           mtnt_error *err);
/* Every unit that was planned is noted as done, in that direction. */
bool mtnt__journal_completed(const mtnt__journal *journal, bool backward);
/* executing or in doubt → compensating. CANCELLED when it is neither, nor turned already: whoever asks must not compensate. */
int mtnt__journal_turn(mtnt_db *db, const char *migration, mtnt_error *err);
int mtnt__journal_read(mtnt_db *db, const char *migration, mtnt__journal *ret_journal, mtnt_error *err);

#endif
