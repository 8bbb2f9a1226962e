#include "fault_vfs.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fault_disk.h"

typedef struct fault_file {
    sqlite3_file base;
    uint32_t file;        /* 0 = not watched */
    bool folder_unsynced; /* the first sync syncs the folder too */
    char name[128], path[512];
    sqlite3_file *real; /* behind this */
} fault_file;

static sqlite3_vfs *unix_vfs;
static sqlite3_vfs fault_vfs;
static sqlite3_io_methods methods;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((fault_file *)file)->real;
}

/* ---- files ---- */

static int file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 at)
{
    return real_of(file)->pMethods->xRead(real_of(file), bytes, size, at);
}

static int write_and_note(fault_file *f, const void *bytes, int size, sqlite3_int64 at)
{
    int code = f->real->pMethods->xWrite(f->real, bytes, size, at);

    if (code == SQLITE_OK)
        fault_note_write(f->file, bytes, (size_t)size, (uint64_t)at);
    return code;
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    fault_file *f = (fault_file *)file;
    sqlite3_int64 length = 0;
    int code;

    if (f->file == 0)
        return f->real->pMethods->xWrite(f->real, bytes, size, at);
    fault_enter();
    code = f->real->pMethods->xFileSize(f->real, &length);
    if (code == SQLITE_OK)
        switch (fault_ask(FAULT_CALL_WRITE, f->name, at + size > length)) {
        case FAULT_GO: code = write_and_note(f, bytes, size, at); break;
        case FAULT_FAIL:
            write_and_note(f, bytes, size / 2, at);
            code = SQLITE_IOERR_WRITE;
            break;
        case FAULT_NO_ROOM: code = SQLITE_FULL; break;
        }
    fault_leave();
    return code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    fault_file *f = (fault_file *)file;
    int code;

    if (f->file == 0)
        return f->real->pMethods->xTruncate(f->real, size);
    fault_enter();
    if (fault_ask(FAULT_CALL_TRUNCATE, f->name, false) != FAULT_GO) {
        code = SQLITE_IOERR_TRUNCATE;
    } else {
        code = f->real->pMethods->xTruncate(f->real, size);
        if (code == SQLITE_OK)
            fault_note_truncate(f->file, (uint64_t)size);
    }
    fault_leave();
    return code;
}

static void sync_folder_once(fault_file *f)
{
    if (f->folder_unsynced && fault_ask(FAULT_CALL_SYNC_FOLDER, f->name, false) == FAULT_GO)
        fault_note_sync_folder();
    f->folder_unsynced = false;
}

static int file_sync(sqlite3_file *file, int flags)
{
    fault_file *f = (fault_file *)file;
    bool ok;

    (void)flags;
    if (f->file == 0)
        return SQLITE_OK;
    fault_enter();
    ok = fault_ask(FAULT_CALL_SYNC, f->name, false) == FAULT_GO;
    fault_note_sync(f->file, ok);
    if (ok)
        sync_folder_once(f);
    fault_leave();
    return ok ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), ret_size);
}

static int file_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_reserved_lock(sqlite3_file *file, int *ret_locked)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_locked);
}

static int file_control(sqlite3_file *file, int what, void *data)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), what, data);
}

static int file_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* ---- shared memory: never durable, but a full disk has no room for it ---- */

static bool would_grow(const fault_file *f, int region, int size)
{
    char path[sizeof(f->path) + 8];
    struct stat status;

    snprintf(path, sizeof(path), "%s-shm", f->path);
    return stat(path, &status) != 0 || status.st_size < ((off_t)region + 1) * size;
}

static int file_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **ret_memory)
{
    const fault_file *f = (const fault_file *)file;

    if (extend && fault_is_full() && would_grow(f, region, size))
        return SQLITE_IOERR_SHMSIZE;
    return f->real->pMethods->xShmMap(f->real, region, size, extend, ret_memory);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int delete)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

/* Version 2: without mapped reads, whose writes nobody would see. */
static sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* ---- names ---- */

static int open_real(fault_file *f, const char *path, int flags, int *ret_flags)
{
    return unix_vfs->xOpen(unix_vfs, path, f->real, flags, ret_flags);
}

static int open_watched(fault_file *f, const char *path, const char *name, int flags, int *ret_flags)
{
    struct stat status;
    bool makes = (flags & SQLITE_OPEN_CREATE) != 0 && stat(path, &status) != 0;
    int code;

    if (makes && fault_ask(FAULT_CALL_CREATE, name, false) != FAULT_GO)
        return SQLITE_CANTOPEN;
    code = open_real(f, path, flags, ret_flags);
    if (code != SQLITE_OK)
        return code;
    f->file = fault_file_of(name);
    if (makes || f->file == 0)
        f->file = fault_note_create(name);
    f->folder_unsynced = (flags & SQLITE_OPEN_CREATE) != 0 &&
                         (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;
    snprintf(f->name, sizeof(f->name), "%s", name);
    snprintf(f->path, sizeof(f->path), "%s", path);
    return code;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags)
{
    fault_file *f = (fault_file *)file;
    const char *name;
    int code;

    (void)vfs;
    memset(f, 0, sizeof(*f));
    f->real = (sqlite3_file *)(f + 1);
    fault_enter();
    name = fault_name_of(path);
    code = name == NULL ? open_real(f, path, flags, ret_flags) : open_watched(f, path, name, flags, ret_flags);
    fault_leave();
    if (code == SQLITE_OK)
        f->base.pMethods = &methods;
    return code;
}

static int delete_watched(const char *path, const char *name, int sync_folder)
{
    int code;

    if (fault_ask(FAULT_CALL_DELETE, name, false) != FAULT_GO)
        return SQLITE_IOERR_DELETE;
    code = unix_vfs->xDelete(unix_vfs, path, 0);
    if (code != SQLITE_OK)
        return code;
    fault_note_delete(name);
    if (!sync_folder)
        return SQLITE_OK;
    if (fault_ask(FAULT_CALL_SYNC_FOLDER, name, false) != FAULT_GO)
        return SQLITE_IOERR_DIR_FSYNC;
    fault_note_sync_folder();
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    const char *name;
    int code;

    (void)vfs;
    fault_enter();
    name = fault_name_of(path);
    code = name == NULL ? unix_vfs->xDelete(unix_vfs, path, 0) : delete_watched(path, name, sync_folder);
    fault_leave();
    return code;
}

void fault_vfs_install(void)
{
    if (unix_vfs != NULL)
        return;
    unix_vfs = sqlite3_vfs_find("unix");
    fault_vfs = *unix_vfs;
    fault_vfs.pNext = NULL;
    fault_vfs.zName = "fault";
    fault_vfs.szOsFile = (int)sizeof(fault_file) + unix_vfs->szOsFile;
    fault_vfs.xOpen = vfs_open;
    fault_vfs.xDelete = vfs_delete;
    sqlite3_vfs_register(&fault_vfs, 1);
}
