/* Chains, operations, models and scopes from the inside. */
#ifndef MTNT_CHAIN_INTERNAL_H
#define MTNT_CHAIN_INTERNAL_H

#include <stdatomic.h>

#include "base/system.h"
#include "mtnt/chain.h"

#define MTNT__CHECKSUM_SIZE 65 /* SHA-256 in hex + NUL */

/* SHA-256 of the parts, each preceded by its length, so that no two lists of parts hash alike. Parts end with NULL. */
int mtnt__checksum(char ret_hex[MTNT__CHECKSUM_SIZE], const char *const *parts, mtnt_error *err);

typedef struct mtnt__chain_entry {
    char *name;
    int64_t order;
    const mtnt_operation_class *operation_class;
    const void *config;
    void (*config_free)(void *config);
    char checksum[MTNT__CHECKSUM_SIZE];
    bool disabled;
    uint32_t writes, flags; /* what counts: entry and class together, EXTERNAL derived where it is implied */
    char *file;
    uint32_t line;
    char *model_up, *controller_up;
} mtnt__chain_entry;

struct mtnt_chain {
    char *name;
    mtnt__chain_entry *entries; /* by order */
    size_t count, size;
    void **plugins; /* dlopen handles, closed after the entries are freed */
    size_t plugin_count;
    char **warnings;
    size_t warning_count;
};

/* One entry at work in one migration. */
struct mtnt_operation {
    const mtnt__chain_entry *entry;
    void *state; /* zeroed, max-aligned; NULL when the class has none */
    mtnt_status previous;
    bool set_up; /* setup was called: teardown is due */
};

struct mtnt_model {
    char *id, *dsn, *schema, *description, *file;
    uint32_t line;
    mtnt_backend backend;
    char **labels, **vars; /* "key=value", NULL-terminated */
    char shown[256];
    /* Hash of the DSN without passwords and of the schema: the controller's note of where the model was. */
    char key[MTNT__CHECKSUM_SIZE];
    atomic_int references;
};

/* The enabled entry that deletes the model, the last of its chain; NULL = there is none. */
const mtnt__chain_entry *mtnt__chain_deleter(const mtnt_chain *chain);

/* Something that whoever loaded the chain should be told. NOMEM. */
int mtnt__chain_warn(mtnt_chain *chain, mtnt_error *err, const char *format, ...) MTNT_PRINTF(3, 4);

const char *mtnt__model_dsn(const mtnt_model *model); /* with secrets: for connecting only */
const char *mtnt__model_key(const mtnt_model *model);
/* Models are shared between threads: counted. mtnt_model_free drops one. */
mtnt_model *mtnt__model_ref(mtnt_model *model);

/* Where the entry's operation, of flag MTNT_OPERATION_SNAPSHOT, saves the model in this migration. malloc'ed. */
int mtnt__snapshot_path(const mtnt_model *model, const char *migration, const mtnt__chain_entry *entry, char **ret_path,
                        mtnt_error *err);

/* Filled by the coordinator for one migration. */
struct mtnt_scope {
    mtnt_db *controller, *model;
    const mtnt_model *tenant;
    const char *migration, *key;
    int progress;    /* mtnt_progress */
    uint32_t writes; /* of the call at hand */
    bool saved;      /* a rollback of what is known to be done, by the migration that did it */
    const mtnt__system *system;
    mtnt__deadline_ms deadline;   /* of the operation at work */
    const atomic_bool *cancelled; /* NULL = never */
    int (*create_model)(void *data, bool *ret_created, mtnt_error *err);
    int (*delete_model)(void *data, mtnt_error *err);
    int (*remove_model)(void *data, int64_t grace_ms, mtnt_error *err);
    int (*restore_model)(void *data, mtnt_error *err);
    void *data;
};

#endif
