#include "coordinate/blockers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

bool mtnt__blockers_met(int rc, const mtnt_error *err)
{
    return rc == MTNT_E_BUSY && err->state[0] != '\0';
}

static int end_sessions(const mtnt__blockers *blockers, const char *dsn, const mtnt__db_options *options,
                        int *ret_ended, mtnt_error *err)
{
    mtnt__db_options plain = *options;
    mtnt_db *db = NULL;
    int rc;

    plain.schema = NULL;
    plain.mark = NULL;
    plain.read_only = false;
    rc = mtnt__db_open(&db, dsn, &plain, err);
    if (rc == 0)
        rc = mtnt__postgres_end_sessions(db, blockers->mark, ret_ended, err);
    mtnt__db_close(db);
    return rc;
}

/* The write lock is on the file, or, with a write-ahead log, on the index beside it. */
static bool holds(const char *process, const char *path)
{
    size_t size = strlen(path) + sizeof("-shm");
    char *index = malloc(size);
    bool held = mtnt__process_locks(process, path);

    if (index != NULL && !held) {
        snprintf(index, size, "%s-shm", path);
        held = mtnt__process_locks(process, index);
    }
    free(index);
    return held;
}

static int end_process(const char *owner, const char *path, int *ret_ended, mtnt_error *err)
{
    char process[MTNT__PROCESS_SIZE];
    int rc;

    snprintf(process, sizeof(process), "%.*s", (int)strcspn(owner, "#"), owner);
    if (!holds(process, path)) {
        if (mtnt__process_look(process) == MTNT__PROCESS_UNKNOWN)
            return mtnt_error_set(err, MTNT_E_REFUSED,
                                  "if its worker (%s) holds the lock, end it there: from here it cannot be told",
                                  process);
        return 0;
    }
    rc = mtnt__process_end(process, err);
    if (rc == 0)
        *ret_ended += 1;
    return rc == 0 ? 0 : mtnt_error_wrap(err, "its worker (%s) holds the lock, and its lease is over", process);
}

int mtnt__blockers_end(const mtnt__blockers *blockers, const char *dsn, const mtnt__db_options *options,
                       mtnt_error *err)
{
    const char *path = mtnt__dsn_sqlite_path(dsn);
    mtnt_error why = MTNT_ERROR_INIT;
    int ended = 0, rc = 0;

    if (blockers->mark == NULL)
        return err->code;
    if (path == NULL)
        rc = end_sessions(blockers, dsn, options, &ended, &why);
    for (size_t i = 0; path != NULL && i < sizeof(blockers->owners) / sizeof(*blockers->owners) && rc == 0; i++)
        if (blockers->owners[i] != NULL && blockers->owners[i][0] != '\0')
            rc = end_process(blockers->owners[i], path, &ended, &why);
    if (ended > 0)
        return 0;
    if (rc == 0)
        mtnt_error_set(&why, MTNT_E_BUSY, "somebody else than its worker holds the lock");
    /* What was met stays the error; why nobody was ended comes with it. */
    return mtnt_error_wrap(err, "%s", why.message);
}
