/* The fleet in numbers: how many tenants are at which version, and which failures there are, the same ones
 * together. */
#ifndef MTNT_COMMAND_TALLY_H
#define MTNT_COMMAND_TALLY_H

#include <mtnt.h>

enum { MTNT__TALLY_EXAMPLES = 3 };

typedef struct mtnt__tally_version {
    int64_t version, tenants;
} mtnt__tally_version;

/* Tenants of which the same is to be said. */
typedef struct mtnt__tally_group {
    char *text;      /* with {tenant} where the tenant's own id was */
    char *operation; /* NULL = none in particular */
    char *state;     /* SQLSTATE …; NULL = none */
    char *key;       /* what else they have in common: the statement, or the text without its values */
    int64_t tenants;
    char *examples[MTNT__TALLY_EXAMPLES];
} mtnt__tally_group;

/* Zero it before use. */
typedef struct mtnt__tally_groups {
    mtnt__tally_group *items;
    size_t count, size;
    int64_t unlisted; /* tenants of which something is to be said that is one too many to be told apart */
} mtnt__tally_groups;

/* 0 or MTNT_E_NOMEM. */
int mtnt__tally_group_add(mtnt__tally_groups *groups, const char *tenant, const char *text, const char *operation,
                          const char *state);
/* A failure: the same state, operation and statement are the same, whatever the text; without a state or a statement, the same text but for the
 * values in it. *ret_nth: which one of its group it is, from 1; 0 = there are too many groups for another. `statement`: NULL = not known. */
int mtnt__tally_failure_add(mtnt__tally_groups *groups, const char *tenant, const char *text, const char *operation,
                            const char *state, const char *statement, int64_t *ret_nth);
/* The same for a text that does not speak of the tenant: of an id like `a` or `1` it may have many. */
int mtnt__tally_group_add_plain(mtnt__tally_groups *groups, const char *tenant, const char *text);
/* Most frequent first. */
void mtnt__tally_groups_sort(mtnt__tally_groups *groups);
void mtnt__tally_groups_release(mtnt__tally_groups *groups);

/* current + pending + failed + interrupted = tenants; so do the versions. Zero it before use. */
typedef struct mtnt__tally {
    int64_t tenants, current, pending, failed, interrupted;
    int64_t not_current;           /* tenants with something to run, failed ones too */
    mtnt__tally_version *versions; /* newest first, after mtnt__tally_sort */
    size_t version_count, version_size;
    mtnt__tally_groups failures;
} mtnt__tally;

/* 0 or MTNT_E_NOMEM. */
int mtnt__tally_add(mtnt__tally *tally, const mtnt_tenant_info *info);
void mtnt__tally_sort(mtnt__tally *tally);
void mtnt__tally_release(mtnt__tally *tally);

/* `message` with {tenant} for every whole `id` in it; the caller's to free. NULL = out of memory. */
char *mtnt__tally_fingerprint(const char *message, const char *id);

#endif
