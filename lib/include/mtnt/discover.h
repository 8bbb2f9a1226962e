/* What is there before there is a project: folders of migrations, databases of a server, and tools that have migrated them. Nothing is changed. */
#ifndef MTNT_DISCOVER_H
#define MTNT_DISCOVER_H

#include "mtnt/model.h"

MTNT_BEGIN_DECLS

/* `format` as in chain.yaml ("goose"); why_not NULL: the folder can be read as that, and has so many migrations; else the first thing that speaks against
 * it, with its file and line. Borrowed during the call. */
typedef void (*mtnt_discover_format_fn)(void *data, const char *format, size_t migrations, const mtnt_error *why_not);
/* Reads the folder as each format that there is, and calls for each that knows a file in it by its name. Opens no database. NOT_FOUND, IO, NOMEM. */
MTNT_API int mtnt_discover_formats(const char *dir, mtnt_discover_format_fn each, void *data, mtnt_error *err);

/* A database (dsn leads to it, without a password) or a schema (dsn as it was given) of a server. Borrowed during the call. Not 0 ends it. */
typedef int (*mtnt_discover_place_fn)(void *data, const char *name, const char *dsn, mtnt_error *err);
/* Databases whose names match the SQL pattern `like` ("tenant_%"), by name: without templates, those that take no connections, and what is
 * ours on its way. Blocks. Errors of mtnt/db.h. */
MTNT_API int mtnt_discover_databases(const char *dsn, const char *like, mtnt_discover_place_fn each, void *data,
                                     mtnt_error *err);
/* Schemas of the database that dsn leads to, likewise: without those of PostgreSQL itself. */
MTNT_API int mtnt_discover_schemas(const char *dsn, const char *like, mtnt_discover_place_fn each, void *data,
                                   mtnt_error *err);

/* `format`: of the tool whose table that is, as in chain.yaml; "mtnt" for ours. `table` for people. Borrowed during the call. */
typedef void (*mtnt_discover_history_fn)(void *data, const char *format, const char *table);
/* Which tools' tables a model has: by their names, and columns where two share one; what they say is not read. Blocks. Errors of mtnt/db.h. */
MTNT_API int mtnt_discover_histories(const mtnt_model *model, mtnt_discover_history_fn each, void *data,
                                     mtnt_error *err);

MTNT_END_DECLS

#endif
