/* Files: every descriptor CLOEXEC at birth, every durable step synced. Never used on a live database file: closing any
 * descriptor on one drops the locks that SQLite holds in this process. */
#ifndef MTNT_BASE_FILES_H
#define MTNT_BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtnt/error.h"

/* Reads a whole text file (NUL-terminated, *ret_text to be freed). NOT_FOUND, IO, NOMEM; CONFIG when it contains a NUL byte. */
int mtnt__file_read(const char *path, char **ret_text, size_t *ret_length, mtnt_error *err);

/* Writes to a temporary name beside `path`, syncs, renames, syncs the folder. EXISTS when overwrite is false and it is there. */
int mtnt__file_write(const char *path, const char *bytes, size_t length, bool overwrite, mtnt_error *err);

/* fsync of a closed file (never of one that a database engine has open), and of the folder that holds `path`. */
int mtnt__file_sync(const char *path, mtnt_error *err);
int mtnt__folder_sync_of(const char *path, mtnt_error *err);

/* renameat2(RENAME_NOREPLACE): EXISTS when the target is taken, NOT_FOUND when the source is gone. Not synced. */
int mtnt__file_rename_new(const char *from, const char *to, mtnt_error *err);

/* A copy under a name that is free (mode 0644 less the umask), sharing its blocks where the file system can. Not synced, and removed again when it fails.
 * Neither of the two may be open in a database engine. EXISTS, NOT_FOUND. */
int mtnt__file_copy_new(const char *from, const char *to, mtnt_error *err);

/* A new, empty file of the owner's alone (mode 0600). EXISTS when something is there. */
int mtnt__file_make_private(const char *path, mtnt_error *err);

/* Makes the folder `path` and those that lead to it (mode 0777 less the umask), each name synced; one that is there is fine, and so is another
 * who makes it at the same time. IO when something else stands there. */
int mtnt__folder_make(const char *path, mtnt_error *err);

/* "<path>.tmp-<16 random digits>": a name for what is not yet good. malloc'ed. NOMEM, IO. */
int mtnt__temporary_beside(const char *path, char **ret_name, mtnt_error *err);
/* Which file stands at a name: not what a link there leads to. Stays the same when it is renamed. All zero: none, or nothing that is a plain file. */
typedef struct mtnt__file_identity {
    uint64_t device, inode;
} mtnt__file_identity;
mtnt__file_identity mtnt__file_identify(const char *path);
/* False when either is none. */
bool mtnt__file_identity_equal(mtnt__file_identity a, mtnt__file_identity b);
/* Both are there, and one and the same file: what a rename leaves that was cut off on a file system without renameat2. */
bool mtnt__file_same(const char *a, const char *b);
/* Whatever it is, a dangling symbolic link too. */
bool mtnt__file_exists(const char *path);
bool mtnt__file_is_link(const char *path);
/* A plain file without a byte in it, or none. */
bool mtnt__file_is_empty(const char *path);

/* unlink; a file that is not there is fine. */
int mtnt__file_remove(const char *path, mtnt_error *err);

/* `path` as seen from the folder of `base_file`: absolute paths unchanged. malloc'ed; NULL = out of memory. */
char *mtnt__path_beside(const char *base_file, const char *path);

#endif
