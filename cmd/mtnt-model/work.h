/* What a command works with: settings, files, controller, tenants; opened on demand, released together. */
#ifndef MTNT_COMMAND_WORK_H
#define MTNT_COMMAND_WORK_H

#include "options.h"
#include "screen.h"

typedef struct mtnt__isolate mtnt__isolate;

typedef struct mtnt__work {
    mtnt__settings settings;
    mtnt_project project;
    bool project_loaded;
    mtnt_chain *chain; /* from the caller of mtnt_command_main, or made here */
    bool chain_loaded;
    bool without_lock;           /* the chain is not to be compared with its lock file */
    const char *lane;            /* while work->chain is one of several lanes; NULL = it is all there is */
    bool bounded;                /* … and how far it goes back was said for the whole chain */
    mtnt_controller *controller; /* NULL until opened, or when it does not exist yet (read-only) */
    char *tenants_text;          /* standard input, once read */
    mtnt_tenant_source listed;   /* loaded already, for the next who asks; next NULL = none */
    mtnt__isolate *isolate;      /* with --isolate, once a chain was loaded */
    mtnt__screen screen;
} mtnt__work;

void mtnt__work_release(mtnt__work *work);

/* Each of these returns 0, or an exit code after it has said what is wrong. They may be called again. */
int mtnt__work_load_project(mtnt__work *work);
int mtnt__work_load_chain(mtnt__work *work);
/* The chain against a lock file; 0 also when there is none. */
int mtnt__work_check_lock(mtnt__work *work, const char *path, mtnt_lock_state *ret_state);
/* read_only: that a SQLite controller is not there yet is no error: work->controller stays NULL. */
int mtnt__work_open_controller(mtnt__work *work, bool read_only);
/* The tenants that --tenants or the project names, selected by --tenant, --where and --exclude; close with
 * mtnt_tenant_source_close. An unknown --tenant is found here, before anything is touched. */
int mtnt__work_open_tenants(mtnt__work *work, mtnt_tenant_source *ret_source);
/* Tenants and the controller, to be written; wrong files are found before the controller is touched. */
int mtnt__work_open_fleet(mtnt__work *work, mtnt_tenant_source *ret_source);
/* The tenants without the selection, as the file has them. */
int mtnt__work_load_tenants(mtnt__work *work, mtnt_tenant_source *ret_source);
/* All tenants of a list or a glob, without a controller. A query needs one: 0, and ret_source->next stays
 * NULL. */
int mtnt__work_list_tenants(mtnt__work *work, mtnt_tenant_source *ret_source);
/* Whether a tenants file is named anywhere. */
bool mtnt__work_has_tenants(const mtnt__work *work);

/* "mtnt-model: <text>" on stderr, escaped; returns `code`. */
int mtnt__work_fail(mtnt__work *work, int code, const char *format, ...) MTNT_PRINTF(3, 4);
/* "mtnt-model: file:line: message" with the SQL line and a caret; returns the exit code for it. */
int mtnt__work_fail_error(mtnt__work *work, const mtnt_error *err);
/* The exit code for an error that is not one tenant's: 78 for files and settings, else 2. */
int mtnt__work_exit_code(const mtnt_error *err);
void mtnt__work_note(mtnt__work *work, const char *format, ...) MTNT_PRINTF(2, 3);

#endif
