/* Addresses of models as files and queries name them: `{id}` in them, and paths as seen from the file that
 * names them. */
#ifndef MTNT_CHAIN_ADDRESS_H
#define MTNT_CHAIN_ADDRESS_H

#include "mtnt/db.h"

/* The folder that holds `base_file`, absolute and free of symbolic links, so that an address does not change
 * with the working directory. malloc'ed. NOT_FOUND, IO, NOMEM. */
int mtnt__address_folder(const char *base_file, char **ret_folder, mtnt_error *err);

/* `path` as seen from `folder`: absolute paths unchanged. malloc'ed; NULL = out of memory. */
char *mtnt__address_path(const char *folder, const char *path);

/* A DSN of either backend; a relative SQLite path is seen from `folder`. malloc'ed. CONFIG (no DSN; the text
 * is redacted), NOMEM. */
int mtnt__address_resolve(const char *dsn, const char *folder, char **ret_dsn, mtnt_error *err);

/* `{id}` is the only thing that braces may hold. CONFIG. */
int mtnt__address_check_template(const char *address, mtnt_error *err);

/* Puts the id in for each `{id}`, and resolves the result. CONFIG when the id is not [A-Za-z0-9._-] or starts
 * with a dot: such an id could leave the folder, or mean something else in a URI. */
int mtnt__address_expand(const char *address, const char *id, const char *folder, char **ret_dsn, mtnt_error *err);

#endif
