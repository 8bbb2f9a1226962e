/* Chains: ordered sets of operations with unique names and orders. */
#ifndef MTNT_CHAIN_H
#define MTNT_CHAIN_H

#include "mtnt/operation.h"

MTNT_BEGIN_DECLS

/* Built by one thread; once a coordinator or executor uses it, it must not be changed, and any thread may read it. */
typedef struct mtnt_chain mtnt_chain;

/* `name` identifies the chain in the records of controller and models: [A-Za-z0-9._-], 1 to 100 bytes. CONFIG, NOMEM. */
MTNT_API int mtnt_chain_new(mtnt_chain **ret_chain, const char *name, mtnt_error *err);
MTNT_API void mtnt_chain_free(mtnt_chain *chain);
MTNT_API const char *mtnt_chain_name(const mtnt_chain *chain);
/* A chain file says its own name. CONFIG when it is bad. */
MTNT_API int mtnt_chain_set_name(mtnt_chain *chain, const char *name, mtnt_error *err);

/* Adds an operation at `order` (> 0) under the class's name; `config` is borrowed and must outlive the chain.
 * CONFIG: duplicate name or order, no body at all, bad name; INVALID: unknown class version or flags. */
MTNT_API int mtnt_chain_add(mtnt_chain *chain, const mtnt_operation_class *operation_class, int64_t order,
                            const void *config, mtnt_error *err);

/* SQL that an operation runs on its way forward, and where it stands. Borrowed: it lives as long as the entry's config. */
typedef struct mtnt_entry_sql {
    bool on_controller;
    int backend; /* mtnt_backend: for this one alone; 0 = for either, unless another says it for one */
    const char *sql;
    const char *file;      /* NULL = unknown */
    uint32_t line, column; /* of its first character; 0 = unknown */
} mtnt_entry_sql;

/* The same with everything that an entry may say. Zero it first. Texts are copied. */
typedef struct mtnt_entry {
    uint32_t version; /* MTNT_ENTRY_VERSION */
    const char *name; /* NULL = the class's */
    int64_t order;    /* 0 = one more than the highest so far */
    const void *config;
    void (*config_free)(void *config); /* NULL = borrowed. Taken over by the chain, even when adding fails */
    const char *checksum; /* any text that says what the entry does; hashed. NULL = name of the class only */
    bool disabled;        /* known, never run */
    uint32_t writes;      /* instead of the class's when writes_set */
    bool writes_set;
    uint32_t flags;   /* added to the class's */
    const char *file; /* where it is defined, for errors; NULL = in C */
    uint32_t line;
    const char *model_up; /* SQL that it runs, for `plan`; NULL = none or in C */
    const char *controller_up;
    const char *lane;        /* NULL = the chain's first */
    const char *environment; /* NULL = none: it is in every selection of environments */
    /* The SQL of model_up and controller_up, piece by piece, for what looks into it (mtnt/lint.h). The array is copied, its texts are not. */
    const mtnt_entry_sql *sql;
    size_t sql_count;
} mtnt_entry;
#define MTNT_ENTRY_VERSION 1
#define MTNT_ENTRY_INIT                                                                                             \
    {                                                                                                               \
        MTNT_ENTRY_VERSION, NULL, 0, NULL, NULL, NULL, false, 0, false, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, 0 \
    }
MTNT_API int mtnt_chain_add_entry(mtnt_chain *chain, const mtnt_operation_class *operation_class,
                                  const mtnt_entry *entry, mtnt_error *err);

MTNT_API size_t mtnt_chain_len(const mtnt_chain *chain);

/* The entries in order, 0 … len-1. Borrowed, valid as long as the chain is not changed. */
typedef struct mtnt_entry_info {
    const char *name;
    int64_t order;
    const char *checksum; /* 64 hex digits: SHA-256 */
    bool disabled;
    uint32_t writes, flags;
    const mtnt_operation_class *operation_class;
    const void *config;
    const char *file;
    uint32_t line;
    const char *model_up, *controller_up;
    const char *lane;        /* "fast" where no lanes were declared */
    const char *environment; /* NULL = none */
    const mtnt_entry_sql *sql;
    size_t sql_count;
} mtnt_entry_info;
MTNT_API bool mtnt_chain_get(const mtnt_chain *chain, size_t index, mtnt_entry_info *ret_info);
/* Index of the entry by name, or -1. */
MTNT_API ptrdiff_t mtnt_chain_find(const mtnt_chain *chain, const char *name);

/* ---- lanes ---- */

/* A lane is a part of a chain with an applied set and timeouts of its own: `fast` for what an application's start waits for, `slow` for what may
 * be done behind its back. Orders and names of operations are unique over all lanes. A tenant's lane runs once all lanes before it are
 * complete for that tenant, and is taken back before them, unless it is `beside`. An operation that creates the model belongs to the first lane; a chain with
 * an operation that deletes it has no lanes. An operation that is applied stays in its lane: HISTORY otherwise, before anything is changed.
 * Zero it first, or use the _INIT. Times in ms; 0 = the default given here, negative = none. What mtnt_migration_options say comes first. */
typedef struct mtnt_lane {
    uint32_t version;             /* MTNT_LANE_VERSION */
    const char *name;             /* [A-Za-z0-9._-], 1 to 40 bytes */
    int64_t deadline_ms;          /* one tenant's whole attempt: 5 min in the first lane, none in the others */
    int64_t operation_timeout_ms; /* one operation: 1 min in the first lane, none in the others */
    int workers;                  /* 1 to 1024; 0 = the executor's */
    bool beside;                  /* it does not depend on the lanes before it, and may run at the same time */
} mtnt_lane;
#define MTNT_LANE_VERSION 1
#define MTNT_LANE_INIT                          \
    {                                           \
        MTNT_LANE_VERSION, NULL, 0, 0, 0, false \
    }

/* Declares all lanes, in their order; copies what is given. The first one keeps the chain's name in the records of controller and models, the others
 * have "NAME/LANE" there: which lane is the first, and what they are called, cannot change once something is applied. Operations that have
 * been added are in the first. Where nothing is declared an operation of lane `slow` declares `fast` and `slow`. CONFIG: bad or duplicate names, a
 * name too long together with the chain's, lanes declared before, an operation that deletes the model; INVALID; NOMEM. */
MTNT_API int mtnt_chain_set_lanes(mtnt_chain *chain, const mtnt_lane *lanes, size_t count, mtnt_error *err);
/* How many there are: 1 where none was declared. */
MTNT_API size_t mtnt_chain_lanes(const mtnt_chain *chain);
/* What was declared of each, 0 … lanes-1, defaults filled in (`fast` with nothing said where none was declared). Borrowed. */
MTNT_API bool mtnt_chain_lane_at(const mtnt_chain *chain, size_t index, mtnt_lane *ret_lane);
/* The lane of that name as a chain of its own, for coordinators, executors and whatever else takes a chain; NULL = there is none. Borrowed: valid as long
 * as the chain, and not to be changed or freed. Whoever is given a chain that has lanes, instead of one of them, takes its first lane. */
MTNT_API const mtnt_chain *mtnt_chain_lane(const mtnt_chain *chain, const char *name);

/* ---- environments ---- */

/* Switches off (as `disabled`: known, never run) every operation of an environment that is not named; operations of no environment stay. After everything
 * was added. names: NULL-terminated. NOT_FOUND: the chain has no environment of that name. */
MTNT_API int mtnt_chain_select_environments(mtnt_chain *chain, const char *const *names, mtnt_error *err);

/* ---- files ---- */

/* Adds the operations of a chain file (its format: schemas/chain.schema.json); takes its name unless the chain has operations already. SQL files
 * are read beside it. CONFIG with file and line, NOT_FOUND, IO, NOMEM. Blocks on the file system. */
MTNT_API int mtnt_chain_load_yaml(mtnt_chain *chain, const char *path, mtnt_error *err);

/* What loading has found that is no error: a folder of migrations that is not there. From 0; NULL = no more. Borrowed. */
MTNT_API const char *mtnt_chain_warning(const mtnt_chain *chain, size_t index);

/* Loads a shared object made with MTNT_CHAIN_PLUGIN and lets it add its operations. The object stays loaded until the chain is
 * freed. NOT_FOUND (no file), CONFIG (no such symbol, not a shared object), NEWER (another ABI version), and what it returns. */
MTNT_API int mtnt_chain_load_plugin(mtnt_chain *chain, const char *path, mtnt_error *err);

/* In a plugin:   MTNT_CHAIN_PLUGIN(chain) { return mtnt_chain_add(chain, &seats, 5, NULL, err); } */
#ifdef __cplusplus
#define MTNT__PLUGIN_LINKAGE extern "C"
#else
#define MTNT__PLUGIN_LINKAGE extern
#endif
#define MTNT_CHAIN_PLUGIN(chain)                                                            \
    MTNT__PLUGIN_LINKAGE MTNT_API const unsigned int mtnt_plugin_abi_version;               \
    const unsigned int mtnt_plugin_abi_version = MTNT_ABI_VERSION;                          \
    MTNT__PLUGIN_LINKAGE MTNT_API int mtnt_plugin_load(mtnt_chain *chain, mtnt_error *err); \
    int mtnt_plugin_load(mtnt_chain *chain, mtnt_error *err)

MTNT_END_DECLS

#endif
