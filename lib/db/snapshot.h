/* What the snapshots of both backends share. */
#ifndef MTNT_DB_SNAPSHOT_H
#define MTNT_DB_SNAPSHOT_H

#include "db/backend.h"

/* A model's own tables: they are saved with the rest, and neither compared nor restored, because the commit protocol alone moves them. A register
 * that was put back would forget decisions. */
#define MTNT__OWN_TABLES "'mtnt_meta', 'mtnt_applied', 'mtnt_decision'"

/* A file on its way to its name: made under a temporary one, renamed when it is whole and synced. */
typedef struct mtnt__newborn {
    const char *path; /* borrowed */
    char *temporary;
} mtnt__newborn;
/* Makes the empty temporary. EXISTS when there is something at `path` already. */
int mtnt__newborn_begin(mtnt__newborn *newborn, const char *path, mtnt_error *err);
/* Syncs the temporary, which nobody has open any more, renames it and syncs the folder. With a digest the note beside it is written first, so that no
 * snapshot that has to be restored lacks one. EXISTS: somebody was faster. */
int mtnt__newborn_finish(mtnt__newborn *newborn, const char *digest, mtnt_error *err);
/* Removes what is left under the temporary name. */
void mtnt__newborn_release(mtnt__newborn *newborn);

/* IO when the file system of `path` has less room than that; what cannot be known is no error. */
int mtnt__snapshot_room(const char *path, int64_t bytes, mtnt_error *err);

/* "Nothing was restored": REFUSED, with the way out. */
int mtnt__snapshot_refuse(const char *path, mtnt_error *err);

#endif
