/* The files of a project that is made for what is there: written all or none, over nothing. */
#ifndef MTNT_COMMAND_IMPORT_FILES_H
#define MTNT_COMMAND_IMPORT_FILES_H

#include "work.h"

/* One tenant, as it is listed. All malloc'ed. */
typedef struct mtnt__import_tenant {
    char *id, *dsn; /* dsn NULL: as the default says */
} mtnt__import_tenant;

/* What they say. Borrowed. */
typedef struct mtnt__import {
    const char *folder;              /* where they go */
    const char *controller, *name;   /* DSN; the chain's */
    const char *migrations, *format; /* the folder, as seen from here */
    const char *glob;                /* NULL = a list */
    const char *model;               /* the default, with {id} for databases; NULL = there is none */
    const char *query;               /* what would find them by itself; NULL = nothing */
    bool schemas;                    /* each tenant is a schema of its id */
    const mtnt__import_tenant *tenants;
    size_t count;
} mtnt__import;

/* 0, or an exit code after a message: one of them is there already, or cannot be written, or what was written cannot be loaded (then it is removed). */
int mtnt__import_check(mtnt__work *work, const char *folder);
int mtnt__import_write(mtnt__work *work, const mtnt__import *import);

/* A path, or a pattern, that is seen from the working directory, as seen from `folder`. malloc'ed; NULL = out of memory. */
char *mtnt__import_path(const char *folder, const char *path);

#endif
