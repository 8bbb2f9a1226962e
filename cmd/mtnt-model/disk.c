#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int mtnt__disk_read(const char *path, char **ret_text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), error = 0;
    char *text = NULL;
    size_t length = 0;
    struct stat status;
    FILE *in = NULL;

    if (fd < 0)
        return errno;
    if (fstat(fd, &status) != 0 || (in = fdopen(fd, "r")) == NULL) {
        error = errno;
        close(fd);
        return error;
    }
    if (!S_ISREG(status.st_mode))
        error = EINVAL;
    else if ((text = malloc((size_t)status.st_size + 1)) == NULL)
        error = ENOMEM;
    if (error == 0) {
        length = fread(text, 1, (size_t)status.st_size, in);
        text[length] = '\0';
        error = ferror(in) ? EIO : strlen(text) != length ? EINVAL : 0;
    }
    fclose(in);
    if (error != 0)
        free(text);
    else
        *ret_text = text;
    return error;
}

/* Closes fd. */
static int write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    int error = 0;

    while (left > 0 && error == 0) {
        ssize_t written = write(fd, text, left);

        if (written >= 0) {
            text += written;
            left -= (size_t)written;
        } else if (errno != EINTR) {
            error = errno;
        }
    }
    if (error == 0 && fsync(fd) != 0)
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

char *mtnt__disk_sibling(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    char *sibling = NULL;

    if (asprintf(&sibling, "%.*s%s", slash == NULL ? 0 : (int)(slash + 1 - path), path, name) < 0)
        return NULL;
    return sibling;
}

int mtnt__disk_sync_folder_of(const char *path)
{
    char *folder = mtnt__disk_sibling(path, ".");
    int fd, error = 0;

    if (folder == NULL)
        return ENOMEM;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return errno;
    if (fsync(fd) != 0)
        error = errno;
    close(fd);
    return error;
}

int mtnt__disk_create(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), error;

    if (fd < 0)
        return errno;
    error = write_all(fd, text);
    if (error == 0)
        error = mtnt__disk_sync_folder_of(path);
    if (error != 0)
        unlink(path);
    return error;
}

int mtnt__disk_write_beside(const char *path, const char *text, char **ret_beside)
{
    struct stat status;
    char *beside;
    int fd, error;

    if (stat(path, &status) != 0)
        return errno;
    beside = mtnt__disk_sibling(path, ".mtnt-new-XXXXXX");
    if (beside == NULL)
        return ENOMEM;
    fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0) {
        error = errno;
        free(beside);
        return error;
    }
    error = fchmod(fd, status.st_mode & 07777) != 0 ? errno : 0;
    if (error != 0)
        close(fd);
    else
        error = write_all(fd, text);
    if (error != 0) {
        unlink(beside);
        free(beside);
        return error;
    }
    *ret_beside = beside;
    return 0;
}

int mtnt__disk_replace(const char *path, const char *beside)
{
    return rename(beside, path) != 0 ? errno : mtnt__disk_sync_folder_of(path);
}
