/* The notes beside a saga's snapshots, kept true by its later units: what the model looks like after the last write of our own. A restore needs that to
 * tell that nobody else has written. */
#ifndef MTNT_COORDINATE_SNAPSHOTS_H
#define MTNT_COORDINATE_SNAPSHOTS_H

#include "coordinate/attempt.h"

/* What a unit knows of one snapshot that may be restored after it. */
typedef struct mtnt__watched {
    char *path;
    mtnt__note note; /* left: as the unit has found the model */
    bool watched;    /* the note is there, and nobody but us is known to have written */
} mtnt__watched;

/* All of them do nothing for a unit that does not write the model, or has no snapshot before it.
 *
 * A write of somebody else is seen when it comes between two units, and in a unit's transaction there is none (mtnt__db_digest_inside). While a unit
 * runs outside a transaction, SQLite tells of each commit of another connection, and any counts as somebody else's; PostgreSQL does not tell, so what
 * the application writes there during the body passes for the unit's own, and a restore takes it away. When such a unit is killed in its body nobody can
 * tell what it has written: the restore is refused then, unless nothing had changed.
 *
 * _look: under the model's lock, before the unit changes anything. A model that is not as we left it is noted as such, durably. REFUSED: so it is, and the
 * unit counts on the restore, having no way back of its own; nothing was changed. NOT_FOUND, CORRUPT: the same for a note that is not there, or of a
 * unit that goes forward. */
int mtnt__snapshots_look(mtnt__attempt *attempt, mtnt_error *err);
/* Before a snapshot of a model that has none of our tables yet: they are committed, because a restore carries them over into what was saved. */
int mtnt__snapshots_keep_tables(mtnt__attempt *attempt, mtnt_error *err);
/* In the transaction that commits the unit, before its commit: the note gets the model as it will be then. Until the commit it says both. */
int mtnt__snapshots_note(mtnt__attempt *attempt, mtnt_error *err);
/* A unit outside a transaction has failed: what it leaves is noted, as far as that can be done. The handles are usable and in no transaction. */
void mtnt__snapshots_note_failure(mtnt__attempt *attempt);
void mtnt__snapshots_release(mtnt__attempt *attempt);

#endif
