#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/system.h"
#include "base/text.h"

#define COPY_AT_ONCE ((size_t)1 << 30)

static int code_of(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR: return MTNT_E_NOT_FOUND;
    case EEXIST: return MTNT_E_EXISTS;
    case ENOMEM: return MTNT_E_NOMEM;
    default: return MTNT_E_IO;
    }
}

static int fail(mtnt_error *err, const char *what, const char *path)
{
    int number = errno;
    char reason[128];

    return mtnt_error_set(err, code_of(number), "%s %s: %s", what, path, strerror_r(number, reason, sizeof(reason)));
}

static int write_all(int file, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, bytes, length);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes += written;
        length -= (size_t)written;
    }
    return 0;
}

/* Everything up to the end of `file` goes into `buffer`; a pipe is fine. */
static int read_all(int file, const char *path, mtnt__buffer *buffer, mtnt_error *err)
{
    char chunk[16384];

    for (;;) {
        ssize_t got = read(file, chunk, sizeof(chunk));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(err, "cannot read", path);
        if (got == 0)
            return MTNT_OK;
        mtnt__buffer_add(buffer, chunk, (size_t)got);
        if (buffer->failed)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory while reading %s", path);
    }
}

int mtnt__file_read(const char *path, char **ret_text, size_t *ret_length, mtnt_error *err)
{
    mtnt__buffer buffer = {0};
    size_t length;
    char *text;
    int rc, file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return fail(err, "cannot open", path);
    rc = read_all(file, path, &buffer, err);
    if (rc != 0)
        goto out;
    if (memchr(mtnt__buffer_text(&buffer), '\0', buffer.length)) {
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "%s is not text: it contains a NUL byte", path);
        mtnt_error_at(err, path, 0, 0);
        goto out;
    }
    length = buffer.length;
    text = mtnt__buffer_take(&buffer);
    if (!text) {
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory while reading %s", path);
        goto out;
    }
    *ret_text = text;
    if (ret_length)
        *ret_length = length;
out:
    mtnt__buffer_release(&buffer);
    close(file);
    return rc;
}

/* "<path>.<8 random digits>.tmp", malloc'ed. */
static int temporary_name(const char *path, char **ret_name, mtnt_error *err)
{
    mtnt__buffer name = {0};
    char id[MTNT__ID_SIZE], *text;
    int rc = mtnt__random_id(mtnt__system_default(), id, err);

    if (rc != 0)
        return rc;
    mtnt__buffer_add_format(&name, "%s.%.8s.tmp", path, id);
    text = mtnt__buffer_take(&name);
    if (!text)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    *ret_name = text;
    return MTNT_OK;
}

/* A file that is replaced keeps its permissions. */
static mode_t mode_for(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_mode & 07777 : 0;
}

static int write_new(const char *path, const char *bytes, size_t length, mode_t mode, mtnt_error *err)
{
    int rc = MTNT_OK, file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (file < 0)
        return fail(err, "cannot make", path);
    if (write_all(file, bytes, length) != 0 || (mode && fchmod(file, mode) != 0) || fsync(file) != 0)
        rc = fail(err, "cannot write", path);
    if (close(file) != 0 && rc == MTNT_OK)
        rc = fail(err, "cannot write", path);
    if (rc != MTNT_OK)
        unlink(path);
    return rc;
}

int mtnt__file_write(const char *path, const char *bytes, size_t length, bool overwrite, mtnt_error *err)
{
    char *resolved = overwrite ? realpath(path, NULL) : NULL; /* through a symbolic link, instead of replacing it */
    const char *target = resolved ? resolved : path;
    char *temporary = NULL;
    int rc;

    rc = temporary_name(target, &temporary, err);
    if (rc != 0)
        goto out;
    rc = write_new(temporary, bytes, length, overwrite ? mode_for(target) : 0, err);
    if (rc != 0)
        goto out;
    if (overwrite)
        rc = rename(temporary, target) != 0 ? fail(err, "cannot write", path) : MTNT_OK;
    else
        rc = mtnt__file_rename_new(temporary, target, err);
    if (rc != 0) {
        unlink(temporary);
        goto out;
    }
    rc = mtnt__folder_sync_of(target, err);
out:
    free(temporary);
    free(resolved);
    return rc;
}

static int sync_path(const char *path, int flags, mtnt_error *err)
{
    int rc = MTNT_OK, file = open(path, flags | O_CLOEXEC);

    if (file < 0)
        return fail(err, "cannot open", path);
    if (fsync(file) != 0)
        rc = fail(err, "cannot sync", path);
    close(file);
    return rc;
}

int mtnt__file_sync(const char *path, mtnt_error *err)
{
    return sync_path(path, O_RDONLY, err);
}

int mtnt__folder_sync_of(const char *path, mtnt_error *err)
{
    char *folder = mtnt__path_beside(path, ".");
    int rc;

    if (!folder)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    rc = sync_path(folder, O_RDONLY | O_DIRECTORY, err);
    free(folder);
    return rc;
}

int mtnt__file_rename_new(const char *from, const char *to, mtnt_error *err)
{
    char reason[128];
    int number;

    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return MTNT_OK;
    number = errno;
    /* A file system without it (EINVAL): a hard link refuses a taken name just as atomically. */
    if (number == EINVAL || number == ENOSYS) {
        if (link(from, to) == 0)
            return unlink(from) == 0 ? MTNT_OK : fail(err, "cannot remove", from);
        number = errno;
    }
    if (number == EEXIST)
        return mtnt_error_set(err, MTNT_E_EXISTS, "%s exists already", to);
    return mtnt_error_set(err, code_of(number), "cannot rename %s to %s: %s", from, to,
                          strerror_r(number, reason, sizeof(reason)));
}

static int copy_by_hand(int from, int to)
{
    char bytes[65536];
    ssize_t got;

    while ((got = read(from, bytes, sizeof(bytes))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || write_all(to, bytes, (size_t)got) != 0)
            return -1;
    }
    return 0;
}

/* Shared blocks, or a copy within the kernel; across some file systems neither is to be had. */
static int copy_content(int from, int to)
{
    ssize_t copied = 1;

    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    while (copied > 0 || (copied < 0 && errno == EINTR))
        copied = copy_file_range(from, NULL, to, NULL, COPY_AT_ONCE, 0);
    if (copied == 0)
        return 0;
    return errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? copy_by_hand(from, to) : -1;
}

int mtnt__file_copy_new(const char *from, const char *to, mtnt_error *err)
{
    int source = open(from, O_RDONLY | O_CLOEXEC), target, rc = MTNT_OK;

    if (source < 0)
        return fail(err, "cannot open", from);
    target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (target < 0) {
        rc = fail(err, "cannot make", to);
        close(source);
        return rc;
    }
    if (copy_content(source, target) != 0)
        rc = fail(err, "cannot write", to);
    /* Some file systems say only now that there is no room. */
    if (close(target) != 0 && rc == MTNT_OK)
        rc = fail(err, "cannot write", to);
    close(source);
    if (rc != MTNT_OK)
        unlink(to);
    return rc;
}

int mtnt__file_make_private(const char *path, mtnt_error *err)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (file < 0)
        return fail(err, "cannot make", path);
    close(file);
    return MTNT_OK;
}

static int make_one_folder(const char *path, mtnt_error *err)
{
    struct stat status;
    int number;

    if (mkdir(path, 0777) == 0)
        return mtnt__folder_sync_of(path, err);
    number = errno;
    if (number == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return MTNT_OK;
    errno = number;
    fail(err, "cannot make the folder", path);
    if (number == EEXIST)
        return mtnt_error_set(err, MTNT_E_IO, "%s is not a folder", path);
    return err ? err->code : code_of(number);
}

int mtnt__folder_make(const char *path, mtnt_error *err)
{
    char *copy = strdup(path);
    struct stat status;
    int rc = MTNT_OK;

    if (!copy)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (char *slash = strchr(copy + 1, '/'); *copy && slash && rc == MTNT_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        /* What is there already may lie where nothing could be made. */
        if (stat(copy, &status) != 0)
            rc = make_one_folder(copy, err);
        else if (!S_ISDIR(status.st_mode))
            rc = mtnt_error_set(err, MTNT_E_IO, "%s is not a folder", copy);
        *slash = '/';
    }
    if (rc == MTNT_OK)
        rc = make_one_folder(path, err);
    free(copy);
    return rc;
}

int mtnt__temporary_beside(const char *path, char **ret_name, mtnt_error *err)
{
    mtnt__buffer name = {0};
    char id[MTNT__ID_SIZE], *text;
    int rc = mtnt__random_id(mtnt__system_default(), id, err);

    if (rc != 0)
        return rc;
    mtnt__buffer_add_format(&name, "%s.tmp-%.16s", path, id);
    text = mtnt__buffer_take(&name);
    if (!text)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    *ret_name = text;
    return MTNT_OK;
}

mtnt__file_identity mtnt__file_identify(const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return (mtnt__file_identity){0, 0};
    return (mtnt__file_identity){(uint64_t)status.st_dev, (uint64_t)status.st_ino};
}

bool mtnt__file_identity_equal(mtnt__file_identity a, mtnt__file_identity b)
{
    return a.inode != 0 && a.inode == b.inode && a.device == b.device;
}

bool mtnt__file_same(const char *a, const char *b)
{
    struct stat of_a, of_b;

    return lstat(a, &of_a) == 0 && lstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

bool mtnt__file_exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool mtnt__file_is_link(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

bool mtnt__file_is_empty(const char *path)
{
    struct stat status;

    if (lstat(path, &status) != 0)
        return errno == ENOENT;
    return S_ISREG(status.st_mode) && status.st_size == 0;
}

int mtnt__file_remove(const char *path, mtnt_error *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return MTNT_OK;
    return fail(err, "cannot remove", path);
}

char *mtnt__path_beside(const char *base_file, const char *path)
{
    const char *slash = base_file ? strrchr(base_file, '/') : NULL;
    mtnt__buffer joined = {0};

    if (path[0] != '/' && slash)
        mtnt__buffer_add(&joined, base_file, (size_t)(slash - base_file) + 1);
    mtnt__buffer_add_text(&joined, path);
    return mtnt__buffer_take(&joined);
}
