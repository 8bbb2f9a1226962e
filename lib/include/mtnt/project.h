/* The project file (mtnt.yaml): what a fleet consists of. */
#ifndef MTNT_PROJECT_H
#define MTNT_PROJECT_H

#include "mtnt/chain.h"
#include "mtnt/rollout.h"

MTNT_BEGIN_DECLS

/* Paths are resolved: as seen from the project file's folder. Owned; NULL = not said; ints and times 0 = not said (-1 for line). */
typedef struct mtnt_project {
    char *file;       /* NULL when there was no project file */
    char *controller; /* DSN; never NULL after _load: sqlite:mtnt-controller.db beside the file by default */
    uint32_t controller_line;
    char *tenants, *chain, *plugin; /* paths */
    int workers;
    int64_t deadline_ms, operation_timeout_ms, unlock_deadline_ms, lock_timeout_ms, statement_timeout_ms;
    int64_t heartbeat_ms;
    int heartbeat_retries;                                        /* -1 = none, as in mtnt_migration_options */
    char *atomicity, *on_failure, *on_error, *mode, *fingerprint; /* as in the flags; checked */
    char *backup;                                                 /* a folder */
    bool allow_out_of_order, isolate;
    int canary, retries, per_server, connections;
    char *waves, *max_failures, *rate; /* checked */
    int64_t soak_ms, retry_pause_ms;
    int64_t controller_wait_ms; /* as in mtnt_rollout_options: -1 = not at all */
    char **environments;        /* of the chain's only these, NULL-terminated */
    mtnt_group *groups;         /* checked; their texts and lists are the project's */
    size_t group_count;
} mtnt_project;

/* path NULL: ./mtnt.yaml when it is there, else defaults. CONFIG with file:line, NOT_FOUND (a path that was given), IO, NOMEM. Free with _release. */
MTNT_API int mtnt_project_load(mtnt_project *ret_project, const char *path, mtnt_error *err);
MTNT_API void mtnt_project_release(mtnt_project *project);

MTNT_END_DECLS

#endif
