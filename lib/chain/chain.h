/* Chains, operations, models and scopes from the inside. */
#ifndef MTNT_CHAIN_INTERNAL_H
#define MTNT_CHAIN_INTERNAL_H

#include <stdatomic.h>

#include "base/system.h"
#include "mtnt/chain.h"

#define MTNT__CHECKSUM_SIZE 65 /* SHA-256 in hex + NUL */

/* SHA-256 of the parts, each preceded by its length, so that no two lists of parts hash alike. Parts end with NULL. */
int mtnt__checksum(char ret_hex[MTNT__CHECKSUM_SIZE], const char *const *parts, mtnt_error *err);
/* The same many times, for one thread: to find SHA-256 takes libcrypto as long as to work it out. NOMEM. */
typedef struct mtnt__hasher mtnt__hasher;
int mtnt__hasher_new(mtnt__hasher **ret_hasher, mtnt_error *err);
void mtnt__hasher_free(mtnt__hasher *hasher);
int mtnt__hasher_sum(mtnt__hasher *hasher, char ret_hex[MTNT__CHECKSUM_SIZE], const char *const *parts,
                     mtnt_error *err);
/* SHA-1 of the bytes, which other tools go by. NOMEM. */
#define MTNT__SHA1_SIZE 41 /* in hex + NUL */
int mtnt__sha1(char ret_hex[MTNT__SHA1_SIZE], const void *bytes, size_t length, mtnt_error *err);

struct mtnt__origin;

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
    char *environment;           /* NULL = none */
    size_t lane;                 /* of the whole chain's */
    struct mtnt__origin *origin; /* NULL = it comes from no other tool's history */
    mtnt_entry_sql *sql;         /* owned, but for its texts */
    size_t sql_count;
} mtnt__chain_entry;

struct mtnt_chain {
    char *name;
    mtnt__chain_entry *entries; /* by order; a lane's are copies that borrow everything */
    size_t count, size;
    struct mtnt_chain **lanes; /* views of this chain, in their order, once any were declared */
    size_t lane_count;         /* 0 = it has one, which is itself */
    struct mtnt_chain *whole;  /* of a lane; NULL = it is none */
    mtnt_lane lane;            /* of a lane: what was declared; its name is owned */
    void **plugins;            /* dlopen handles, closed after the entries are freed */
    size_t plugin_count;
    char **warnings;
    size_t warning_count;
    char **environments; /* that have no operations, perhaps */
    size_t environment_count;
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

/* What an attempt goes by: the first lane of a chain that has lanes, else the chain itself. */
const mtnt_chain *mtnt__chain_first_lane(const mtnt_chain *chain);
/* The name by which the records of all lanes begin: that of the chain, also for a lane. */
const char *mtnt__chain_base(const mtnt_chain *chain);
/* "fast" where no lane was declared. */
const char *mtnt__chain_lane_name(const mtnt_chain *chain);
/* The lane that has the operation of that name, seen from any lane or from the whole; NULL = none. */
const mtnt_chain *mtnt__chain_lane_of(const mtnt_chain *chain, const char *operation);
/* What a lane's key in the records, "crm" or "crm/slow", calls it in a chain as it is now: the lane's name, or the key's own end. */
const char *mtnt__chain_lane_by_key(const mtnt_chain *chain, const char *key);

/* For who adds entries. CONFIG: there is no such lane. name NULL = the first. */
int mtnt__lanes_choose(mtnt_chain *chain, const char *name, const char *operation, size_t *ret_lane, mtnt_error *err);
/* Room for one entry more; then it can be put in without failing. */
int mtnt__entries_reserve(mtnt_chain *chain, mtnt_error *err);
void mtnt__entries_insert(mtnt_chain *chain, const mtnt__chain_entry *entry);
int mtnt__lanes_rename(mtnt_chain *chain, const char *name, mtnt_error *err);
void mtnt__lanes_free(mtnt_chain *chain);

/* There is an environment of this name, even if nothing is in it. */
int mtnt__chain_note_environment(mtnt_chain *chain, const char *name, mtnt_error *err);

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
    bool created;    /* this migration has created the model */
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
