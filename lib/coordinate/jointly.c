#include "coordinate/jointly.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/later.h"
#include "state/register.h"

#define LOOK_UP_MS 50 /* how late one who waits learns that it is cancelled */

int mtnt__jointly_init(mtnt__jointly *jointly, mtnt_error *err)
{
    int rc;

    *jointly = (mtnt__jointly){.leading = false};
    rc = mtnt__later_init(&jointly->decided, err);
    if (rc != 0)
        return rc;
    if (pthread_cond_init(&jointly->synced, NULL) != 0)
        goto no_synced;
    if (pthread_mutex_init(&jointly->mutex, NULL) == 0)
        return 0;
    pthread_cond_destroy(&jointly->synced);
no_synced:
    pthread_cond_destroy(&jointly->decided);
    return mtnt_error_set(err, MTNT_E_NOMEM, "no mutex or condition variable to be had");
}

void mtnt__jointly_release(mtnt__jointly *jointly)
{
    pthread_cond_destroy(&jointly->decided);
    pthread_cond_destroy(&jointly->synced);
    pthread_mutex_destroy(&jointly->mutex);
}

/* ---- decisions ---- */

static int check(const mtnt__system *system, const mtnt__decision *decision, mtnt_error *err)
{
    if (decision->cancelled != NULL && atomic_load(decision->cancelled))
        return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
    if (decision->deadline != 0 && mtnt__deadline_left(system, decision->deadline) == 0)
        return mtnt_error_set(err, MTNT_E_DEADLINE, "the time allowed was used up");
    return 0;
}

static void take_out(mtnt__jointly *jointly, const mtnt__decision *decision)
{
    mtnt__decision **place = &jointly->waiting;

    while (*place != decision)
        place = &(*place)->next;
    *place = decision->next;
}

static void end(mtnt__decision *decision, int rc)
{
    decision->rc = rc;
    decision->done = true;
}

/* Everybody who waits, but for those whose time is over: they leave now, because nobody may once a row is written. */
static mtnt__decision *take_group(mtnt__jointly *jointly, const mtnt__system *system)
{
    mtnt__decision *group = NULL, **last = &group, *next;

    for (mtnt__decision *d = jointly->waiting; d != NULL; d = next) {
        int rc = check(system, d, &d->error);

        next = d->next;
        if (rc != 0) {
            end(d, rc);
            continue;
        }
        d->taken = true;
        d->next = NULL;
        *last = d;
        last = &d->next;
    }
    jointly->waiting = NULL;
    return group;
}

static mtnt__deadline_ms latest(const mtnt__decision *group)
{
    mtnt__deadline_ms result = group->deadline;

    for (const mtnt__decision *d = group; d != NULL; d = d->next) {
        if (d->deadline == 0)
            return 0;
        if (d->deadline > result)
            result = d->deadline;
    }
    return result;
}

/* In the transaction that is open on db, and ends it. A row that is taken undoes its own statement alone; any other error is everybody's.
 * Returns whether the transaction ended well. */
static bool write_group(mtnt_db *db, mtnt__decision *group)
{
    mtnt_error error = MTNT_ERROR_INIT;
    bool any = false;
    int rc = 0;

    mtnt__db_set_deadline(db, latest(group));
    for (mtnt__decision *d = group; d != NULL && rc == 0; d = d->next) {
        d->rc = mtnt__register_commit_after(db, d->migration, d->ended, &d->error);
        any = any || d->rc == 0;
        if (d->rc != 0 && d->rc != MTNT_E_BLOCKED) {
            rc = d->rc;
            error = d->error;
        }
    }
    if (rc == 0 && any)
        rc = mtnt__db_commit(db, &error);
    else
        mtnt__db_rollback(db);
    for (mtnt__decision *d = group; d != NULL && rc != 0; d = d->next) {
        if (d->rc == 0)
            d->error = error;
        d->rc = d->rc == 0 ? rc : d->rc;
    }
    return rc == 0;
}

static int begin(mtnt__decision *own, mtnt_db **ret_db, mtnt_error *err)
{
    int rc = own->open(own->data, ret_db, err);

    if (rc != 0)
        return rc;
    mtnt__db_set_deadline(*ret_db, own->deadline);
    return mtnt__db_begin(*ret_db, err);
}

/* With the mutex, which is free meanwhile. The group is taken once its transaction is open: what fails before that is the leader's own, and the next
 * one tries for itself. Nobody of the group goes on before the gate is free and the handle is out of the way. */
static void lead(mtnt__jointly *jointly, mtnt__gate *gate, const mtnt__system *system, mtnt__decision *own)
{
    mtnt__decision *group = NULL, *next;
    mtnt_db *db = NULL;
    bool good = false;
    int rc;

    pthread_mutex_unlock(&jointly->mutex);
    mtnt__gate_enter(gate);
    rc = begin(own, &db, &own->error);
    pthread_mutex_lock(&jointly->mutex);
    if (rc == 0) {
        group = take_group(jointly, system);
    } else {
        take_out(jointly, own);
        end(own, rc);
    }
    pthread_mutex_unlock(&jointly->mutex);
    if (group != NULL)
        good = write_group(db, group);
    if (db != NULL)
        own->give_back(own->data, db, good);
    mtnt__gate_leave(gate);
    pthread_mutex_lock(&jointly->mutex);
    for (mtnt__decision *d = group; d != NULL; d = next) {
        next = d->next;
        d->done = true;
    }
}

static void wait_for_turn(mtnt__jointly *jointly, const mtnt__system *system, mtnt__decision *own)
{
    struct timespec until = mtnt__later(LOOK_UP_MS);
    int rc;

    pthread_cond_timedwait(&jointly->decided, &jointly->mutex, &until);
    if (own->taken || own->done)
        return;
    rc = check(system, own, &own->error);
    if (rc == 0)
        return;
    take_out(jointly, own);
    end(own, rc);
}

static void decide(mtnt__jointly *jointly, mtnt__gate *gate, const mtnt__system *system, mtnt__decision *own)
{
    mtnt__decision **last = &jointly->waiting;

    pthread_mutex_lock(&jointly->mutex);
    while (*last != NULL)
        last = &(*last)->next;
    *last = own;
    while (!own->done) {
        if (jointly->leading) {
            wait_for_turn(jointly, system, own);
            continue;
        }
        jointly->leading = true;
        lead(jointly, gate, system, own);
        jointly->leading = false;
        pthread_cond_broadcast(&jointly->decided);
    }
    pthread_mutex_unlock(&jointly->mutex);
}

static void decide_alone(mtnt__gate *gate, mtnt__decision *own)
{
    mtnt_db *db = NULL;
    bool good = false;

    mtnt__gate_enter(gate);
    own->rc = begin(own, &db, &own->error);
    if (own->rc == 0)
        good = write_group(db, own);
    if (db != NULL)
        own->give_back(own->data, db, good);
    mtnt__gate_leave(gate);
}

int mtnt__jointly_decide(mtnt__jointly *jointly, mtnt__gate *gate, const mtnt__system *system, mtnt__decision *decision,
                         mtnt_error *err)
{
    decision->taken = decision->done = false;
    decision->rc = 0;
    decision->error = (mtnt_error)MTNT_ERROR_INIT;
    decision->next = NULL;
    if (jointly == NULL)
        decide_alone(gate, decision);
    else
        decide(jointly, gate, system, decision);
    if (decision->rc != 0 && err != NULL)
        *err = decision->error;
    return decision->rc;
}

/* ---- folders ---- */

/* Syncs of one folder are numbered. Who comes is served by any with a higher number than the last that had begun by then. */
struct mtnt__jointly_folder {
    char *name;
    size_t users;
    uint64_t begun, ended, failed; /* failed: the last that did */
    bool syncing;
    mtnt_error error; /* its */
    struct mtnt__jointly_folder *next;
};

static struct mtnt__jointly_folder *enter_folder(mtnt__jointly *jointly, const char *name)
{
    struct mtnt__jointly_folder *folder = jointly->folders;

    while (folder != NULL && strcmp(folder->name, name) != 0)
        folder = folder->next;
    if (folder == NULL) {
        folder = calloc(1, sizeof(*folder));
        if (folder == NULL)
            return NULL;
        folder->name = strdup(name);
        if (folder->name == NULL) {
            free(folder);
            return NULL;
        }
        folder->next = jointly->folders;
        jointly->folders = folder;
    }
    folder->users++;
    return folder;
}

static void leave_folder(mtnt__jointly *jointly, struct mtnt__jointly_folder *folder)
{
    struct mtnt__jointly_folder **place = &jointly->folders;

    if (--folder->users > 0)
        return;
    while (*place != folder)
        place = &(*place)->next;
    *place = folder->next;
    free(folder->name);
    free(folder);
}

static void sync_folder(mtnt__jointly *jointly, struct mtnt__jointly_folder *folder, const char *path)
{
    mtnt_error error = MTNT_ERROR_INIT;
    int rc;

    folder->begun++;
    folder->syncing = true;
    pthread_mutex_unlock(&jointly->mutex);
    rc = mtnt__folder_sync_of(path, &error);
    pthread_mutex_lock(&jointly->mutex);
    folder->syncing = false;
    folder->ended = folder->begun;
    if (rc != 0) {
        folder->failed = folder->begun;
        folder->error = error;
    }
    pthread_cond_broadcast(&jointly->synced);
}

/* The kernel tells of a failure once: a later sync may return 0 without having written what an earlier one could not. So one that was under way when
 * we came, and fails, is ours too. */
static int sync_in(mtnt__jointly *jointly, struct mtnt__jointly_folder *folder, const char *path, mtnt_error *err)
{
    uint64_t before = folder->begun, first = folder->syncing ? before : before + 1;

    while (folder->ended <= before && folder->failed < first) {
        if (folder->syncing)
            pthread_cond_wait(&jointly->synced, &jointly->mutex);
        else
            sync_folder(jointly, folder, path);
    }
    if (folder->failed < first)
        return 0;
    if (err != NULL)
        *err = folder->error;
    return folder->error.code;
}

int mtnt__jointly_sync_folder_of(mtnt__jointly *jointly, const char *path, mtnt_error *err)
{
    struct mtnt__jointly_folder *folder;
    char *name;
    int rc;

    if (jointly == NULL)
        return mtnt__folder_sync_of(path, err);
    name = mtnt__path_beside(path, ".");
    if (name == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    pthread_mutex_lock(&jointly->mutex);
    folder = enter_folder(jointly, name);
    rc = folder == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : sync_in(jointly, folder, path, err);
    if (folder != NULL)
        leave_folder(jointly, folder);
    pthread_mutex_unlock(&jointly->mutex);
    free(name);
    return rc;
}
