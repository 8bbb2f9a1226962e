/* Small files for people: read whole, written whole or not at all. */
#ifndef MTNT_COMMAND_DISK_H
#define MTNT_COMMAND_DISK_H

#include <stdbool.h>

/* All of these return 0 or an errno. Texts are malloc'ed. */

/* EINVAL: it is no text, there is a NUL byte in it. */
int mtnt__disk_read(const char *path, char **ret_text);
/* A new file, synced; EEXIST when the name is taken. */
int mtnt__disk_create(const char *path, const char *text);
/* `text` beside `path`, under a name of its own and with path's permissions, synced. */
int mtnt__disk_write_beside(const char *path, const char *text, char **ret_beside);
/* `beside` becomes `path`; the folder is synced. */
int mtnt__disk_replace(const char *path, const char *beside);
/* So that a name that has been given in the folder of `path` lasts. */
int mtnt__disk_sync_folder_of(const char *path);
/* "folder/name" for the folder that `path` is in. NULL = out of memory. */
char *mtnt__disk_sibling(const char *path, const char *name);

#endif
