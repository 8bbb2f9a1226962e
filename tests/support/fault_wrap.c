/* What the library does to files itself, on the fault_disk. The linker puts these in the place of libc's for everything that is linked into
 * the test (-Wl,--wrap); libsqlite3 is a library of its own and goes through fault_vfs.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "fault_disk.h"

int __real_renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);
int __real_unlink(const char *path);
int __real_fsync(int file);
int __wrap_renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);
int __wrap_unlink(const char *path);
int __wrap_fsync(int file);

int __real_mtnt__file_copy_new(const char *from, const char *to, mtnt_error *err);
int __wrap_mtnt__file_copy_new(const char *from, const char *to, mtnt_error *err);

static bool may(fault_call call, const char *name)
{
    if (fault_ask(call, name, false) == FAULT_GO)
        return true;
    errno = EIO;
    return false;
}

int __wrap_renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags)
{
    const char *from_name, *to_name;
    int rc = -1, number;

    fault_enter();
    from_name = fault_name_of(from);
    to_name = fault_name_of(to);
    if (from_name == NULL || to_name == NULL || may(FAULT_CALL_RENAME, from_name)) {
        rc = __real_renameat2(from_folder, from, to_folder, to, flags);
        if (rc == 0 && from_name != NULL && to_name != NULL)
            fault_note_rename(from_name, to_name);
    }
    number = errno;
    fault_leave();
    errno = number;
    return rc;
}

int __wrap_unlink(const char *path)
{
    const char *name;
    int rc = -1, number;

    fault_enter();
    name = fault_name_of(path);
    if (name == NULL || may(FAULT_CALL_DELETE, name)) {
        rc = __real_unlink(path);
        if (rc == 0 && name != NULL)
            fault_note_delete(name);
    }
    number = errno;
    fault_leave();
    errno = number;
    return rc;
}

static int sync_path(const char *path)
{
    const char *name = fault_name_of(path);
    uint32_t file = name == NULL ? 0 : fault_file_of(name);
    bool ok;

    if (fault_is_folder(path)) {
        ok = may(FAULT_CALL_SYNC_FOLDER, "folder");
        if (ok)
            fault_note_sync_folder();
        return ok ? 0 : -1;
    }
    ok = file == 0 || may(FAULT_CALL_SYNC, name);
    if (file != 0)
        fault_note_sync(file, ok);
    return ok ? 0 : -1;
}

int __wrap_fsync(int file)
{
    char link[64], path[512];
    ssize_t length;
    int rc, number;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
    length = readlink(link, path, sizeof(path) - 1);
    if (length < 0)
        return __real_fsync(file);
    path[length] = '\0';
    fault_enter();
    rc = sync_path(path);
    number = errno;
    fault_leave();
    errno = number;
    return rc;
}

/* Two calls: the name, and the bytes. */
static int copy_as_two(const char *from, const char *to, const char *name)
{
    int source = open(from, O_RDONLY | O_CLOEXEC), target = -1, rc = -1;
    struct stat status;
    uint32_t file;
    char *bytes = NULL;

    if (source < 0 || fstat(source, &status) != 0 || (bytes = malloc((size_t)status.st_size)) == NULL ||
        read(source, bytes, (size_t)status.st_size) != status.st_size)
        abort();
    close(source);
    if (fault_ask(FAULT_CALL_CREATE, name, false) == FAULT_GO) {
        target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (target < 0)
            abort();
        file = fault_note_create(name);
        rc = fault_ask(FAULT_CALL_WRITE, name, true) == FAULT_GO ? 0 : -1;
        if (rc == 0 && write(target, bytes, (size_t)status.st_size) != status.st_size)
            abort();
        if (rc == 0)
            fault_note_write(file, bytes, (size_t)status.st_size, 0);
        close(target);
    }
    if (rc != 0 && target >= 0 && __real_unlink(to) == 0)
        fault_note_delete(name);
    free(bytes);
    return rc;
}

int __wrap_mtnt__file_copy_new(const char *from, const char *to, mtnt_error *err)
{
    const char *name;
    int rc;

    if (access(from, R_OK) != 0 || access(to, F_OK) == 0)
        return __real_mtnt__file_copy_new(from, to, err);
    fault_enter();
    name = fault_name_of(to);
    rc = name == NULL ? __real_mtnt__file_copy_new(from, to, err) : copy_as_two(from, to, name);
    fault_leave();
    return name != NULL && rc != 0 ? mtnt_error_set(err, MTNT_E_IO, "cannot copy %s: the disk has failed", to) : rc;
}
