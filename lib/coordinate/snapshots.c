#include "coordinate/snapshots.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/snapshot.h"

static bool concerns(const mtnt__attempt *attempt)
{
    return attempt->unit.snapshot_count > 0 && (attempt->unit.writes & MTNT_WRITES_MODEL) != 0;
}

static bool takes_or_restores(const mtnt__attempt *attempt)
{
    return (attempt->chain->entries[attempt->unit.only[0]].flags & MTNT_OPERATION_SNAPSHOT) != 0;
}

static int read_version(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0);
    return 0;
}

/* It changes with each commit of another connection. 0 = the database does not tell. */
static int others_version(mtnt__attempt *attempt, int64_t *ret_version, mtnt_error *err)
{
    *ret_version = 0;
    if (attempt->claim->model->backend != MTNT_SQLITE)
        return 0;
    return mtnt__db_run(attempt->model, read_version, ret_version, err, "PRAGMA data_version", NULL);
}

static int write_note(const mtnt__watched *watched, mtnt_error *err)
{
    const mtnt__restore_terms terms = {watched->note.saved, watched->note.left, watched->note.next};

    return mtnt__db_note_write(watched->path, &terms, err);
}

/* From here on nobody knows what the model holds that is not ours. */
static int give_up(mtnt__watched *watched, mtnt_error *err)
{
    watched->watched = false;
    watched->note.left[0] = watched->note.next[0] = '\0';
    return write_note(watched, err);
}

/* ---- before ---- */

static int find_notes(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__claim *claim = attempt->claim;
    int rc = 0;

    if (attempt->watched != NULL)
        return 0;
    attempt->watched = calloc(attempt->unit.snapshot_count, sizeof(*attempt->watched));
    if (attempt->watched == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < attempt->unit.snapshot_count && rc == 0; i++)
        rc = mtnt__snapshot_path(claim->model, claim->migration, attempt->chain->entries + attempt->unit.snapshots[i],
                                 &attempt->watched[i].path, err);
    return rc;
}

static int look_at(mtnt__attempt *attempt, mtnt__watched *watched, const char *digest, mtnt_error *err)
{
    bool counts = attempt->unit.no_way_back || !attempt->claim->backward;
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = mtnt__db_note_read(watched->path, &watched->note, &own);
    const mtnt__restore_terms terms = {watched->note.saved, watched->note.left, watched->note.next};

    /* A unit that takes back what it did itself goes on; the restore will say what is missing. */
    if (rc != 0 && !counts)
        return 0;
    if (rc != 0) {
        mtnt_error_wrap(&own, "the snapshot %s, which this operation is to be taken back with", watched->path);
        if (err != NULL)
            *err = own;
        return rc;
    }
    watched->watched = mtnt__restore_allowed(&terms, digest);
    if (watched->watched)
        mtnt__text_copy(watched->note.left, sizeof(watched->note.left), digest);
    else
        rc = give_up(watched, err);
    if (rc == 0 && !watched->watched && attempt->unit.no_way_back)
        rc = mtnt__snapshot_refuse(watched->path, err);
    return rc;
}

int mtnt__snapshots_look(mtnt__attempt *attempt, mtnt_error *err)
{
    char digest[MTNT__DIGEST_SIZE];
    int rc;

    if (!concerns(attempt))
        return 0;
    rc = find_notes(attempt, err);
    if (rc == 0)
        rc = mtnt__db_digest_inside(attempt->model, digest, err);
    if (rc == 0)
        rc = others_version(attempt, &attempt->others_version, err);
    for (size_t i = 0; i < attempt->unit.snapshot_count && rc == 0; i++)
        rc = look_at(attempt, attempt->watched + i, digest, err);
    return rc;
}

int mtnt__snapshots_keep_tables(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc;

    if (attempt->claim->backward || !attempt->identity.fresh || !takes_or_restores(attempt))
        return 0;
    rc = mtnt__db_commit(attempt->model, err);
    /* Nobody decides by it: they are there or not. */
    if (rc == MTNT_E_IN_DOUBT)
        rc = mtnt_error_set(err, MTNT_E_DATABASE, "our tables in the model could not be committed");
    return rc;
}

/* ---- after ---- */

/* A restore of a later snapshot writes by connections of its own, and what it leaves is known: what that one has saved. */
static bool is_restored(mtnt__attempt *attempt, const char *digest)
{
    const mtnt__chain_entry *entry = attempt->chain->entries + attempt->unit.only[0];
    mtnt__note note;
    char *path = NULL;
    bool restored;

    if (mtnt__snapshot_path(attempt->claim->model, attempt->claim->migration, entry, &path, NULL) != 0)
        return false;
    restored = mtnt__db_note_read(path, &note, NULL) == 0 && strcmp(note.saved, digest) == 0;
    free(path);
    return restored;
}

static bool is_ours(mtnt__attempt *attempt, const mtnt__watched *watched, const char *digest, int64_t version)
{
    if (!attempt->unit.outside || strcmp(watched->note.left, digest) == 0)
        return true;
    return takes_or_restores(attempt) ? is_restored(attempt, digest) : version == attempt->others_version;
}

int mtnt__snapshots_note(mtnt__attempt *attempt, mtnt_error *err)
{
    char digest[MTNT__DIGEST_SIZE];
    int64_t version = 0;
    int rc;

    if (!concerns(attempt) || attempt->watched == NULL)
        return 0;
    rc = mtnt__db_digest_inside(attempt->model, digest, err);
    if (rc == 0)
        rc = others_version(attempt, &version, err);
    for (size_t i = 0; i < attempt->unit.snapshot_count && rc == 0; i++) {
        mtnt__watched *watched = attempt->watched + i;

        if (!watched->watched)
            continue;
        mtnt__text_copy(watched->note.next, sizeof(watched->note.next), digest);
        rc = is_ours(attempt, watched, digest, version) ? write_note(watched, err) : give_up(watched, err);
    }
    return rc == 0 ? 0 : mtnt_error_wrap(err, "the note of what this unit leaves for a restore");
}

/* An error here leaves the note as it was, and a restore refuses what it does not know. */
void mtnt__snapshots_note_failure(mtnt__attempt *attempt)
{
    int64_t unlock_ms = mtnt__unlock_ms(attempt->options);

    if (!concerns(attempt) || attempt->watched == NULL || !attempt->unit.outside)
        return;
    mtnt__sides_deadline(attempt, mtnt__deadline_in(attempt->link->controller->system, unlock_ms));
    if (mtnt__sides_begin(attempt, NULL) == 0)
        mtnt__snapshots_note(attempt, NULL);
    mtnt__sides_rollback(attempt);
}

void mtnt__snapshots_release(mtnt__attempt *attempt)
{
    for (size_t i = 0; i < attempt->unit.snapshot_count && attempt->watched != NULL; i++)
        free(attempt->watched[i].path);
    free(attempt->watched);
    attempt->watched = NULL;
}
