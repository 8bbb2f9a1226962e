/* Tenant sources: where the fleet comes from. Streamed: memory does not grow with the number of tenants. Those made here write down what they find
 * before they give the first: in memory while it is little, then in a file without a name below TMPDIR (or /tmp), about 100 bytes a tenant. */
#ifndef MTNT_TENANTS_H
#define MTNT_TENANTS_H

#include "mtnt/controller.h"

MTNT_BEGIN_DECLS

/* One thread at a time. Any source may be made by filling in this table. */
typedef struct mtnt_tenant_source {
    /* The next tenant, the caller's to free. *ret_model = NULL at the end. An error ends the stream: tenants that were given before are
     * finished, the failure is reported, and the exit is not 0. */
    int (*next)(void *data, mtnt_model **ret_model, mtnt_error *err);
    int64_t (*total)(void *data); /* how many there will be; -1 = not known. NULL = not known */
    void (*close)(void *data);    /* NULL = nothing to free */
    void *data;
} mtnt_tenant_source;

/* Closes and zeroes it. */
MTNT_API void mtnt_tenant_source_close(mtnt_tenant_source *source);

/* Whether the tenants file names a query or a glob instead of a list decides what is made. `path` "-": standard input is not read by
 * the library; pass its text as `text` with path as its name for errors. controller is used by `source: {query: …}` only (its connection reads the query when
 * the source is made); NULL refuses queries. `text` is not needed afterwards. A list in a file is read a block at a time; one that has anchors, or is no YAML, and
 * what is not a file (a pipe) is held while it is read. Errors: CONFIG with file:line, NOT_FOUND, IO, DATABASE (query), NOMEM. Everything
 * in a list is checked here, before any tenant is given. */
MTNT_API int mtnt_tenants_load(mtnt_tenant_source *ret_source, const char *path, const char *text,
                               mtnt_controller *controller, mtnt_error *err);

/* Rows of a query on the controller: columns id, model [, schema, description]; `default_model` (with {id}) where the column
 * model is missing or NULL; relative SQLite paths are seen from `base_file`'s folder. */
MTNT_API int mtnt_tenants_query(mtnt_tenant_source *ret_source, mtnt_controller *controller, const char *sql,
                                const char *default_model, const char *base_file, mtnt_error *err);
/* Files by pattern, seen from base_file's folder; the id is the file name without its extension. */
MTNT_API int mtnt_tenants_glob(mtnt_tenant_source *ret_source, const char *pattern, const char *base_file,
                               mtnt_error *err);

/* Passes on only the tenants selected. Takes *source over (zeroed), also on failure. All texts are copied.
 * only/exclude: ids, NULL-terminated or NULL; where: "key=value" labels that must all match. An id in `only` that the source never gave is
 * an error at the end of the stream (NOT_FOUND, naming it). */
MTNT_API int mtnt_tenants_select(mtnt_tenant_source *ret_source, mtnt_tenant_source *source, const char *const *only,
                                 const char *const *exclude, const char *const *where, mtnt_error *err);

MTNT_END_DECLS

#endif
