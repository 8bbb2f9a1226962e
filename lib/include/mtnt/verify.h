/* Verification: every model against what the controller says of it, against the record of its own last migration, and against its siblings at the same
 * version. Reads the models' own tables and their catalogues; writes nothing, unless the controller's rows are to be repaired. */
#ifndef MTNT_VERIFY_H
#define MTNT_VERIFY_H

#include "mtnt/coordinator.h"
#include "mtnt/tenants.h"

MTNT_BEGIN_DECLS

typedef enum mtnt_finding_kind {
    MTNT_FINDING_UNREACHABLE = 1, /* it could not be opened or read: `error` says why. Nothing is known of it */
    MTNT_FINDING_MISSING,         /* it is not there, and the controller knows it */
    MTNT_FINDING_UNMARKED,        /* it has none of our tables, and the controller has met it: emptied, or replaced */
    MTNT_FINDING_FOREIGN,         /* another controller has written it last */
    MTNT_FINDING_SWAPPED,         /* it belongs to another tenant */
    MTNT_FINDING_REPLACED,        /* it is the tenant's, and not the one that the controller knows */
    MTNT_FINDING_BEHIND,          /* it lacks what the controller says is applied: restored from an older backup */
    MTNT_FINDING_AHEAD,           /* it has more than the controller says */
    MTNT_FINDING_OTHER_SET,       /* other operations are applied than the controller says */
    MTNT_FINDING_HISTORY,         /* the chain lacks an applied operation, or has it renamed, moved or changed */
    MTNT_FINDING_OUT_OF_ORDER,    /* an operation is pending that comes before one that is applied */
    MTNT_FINDING_CHANGED,         /* its schema is not what its last migration has left: changed by hand */
    MTNT_FINDING_INTERRUPTED      /* a migration of it has not ended: recovery first */
} mtnt_finding_kind;
/* "unreachable", "missing" …: static text. */
MTNT_API const char *mtnt_finding_name(mtnt_finding_kind kind);

typedef struct mtnt_finding {
    mtnt_finding_kind kind;
    char text[640];  /* what was found; DSNs are redacted */
    char next[320];  /* what may be done about it */
    bool repairable; /* the controller's rows can be brought in step with the model */
    bool repaired;   /* … and were */
} mtnt_finding;

#define MTNT_FINDINGS_MOST 8

/* One tenant. Borrowed during the callback. */
typedef struct mtnt_verified {
    const char *tenant;
    bool known;                     /* the controller has met it */
    bool exists;                    /* its model is there */
    bool put_away;                  /* a migration has taken it away: nothing was looked at */
    int64_t version, known_version; /* as the model has it, and as the controller has; in the chain's first lane */
    const char *schema;             /* fingerprint of its schema, 64 hex digits; NULL = it could not be read */
    bool recorded;                  /* its last migration has left a fingerprint to compare it with */
    const mtnt_finding *findings;
    size_t finding_count;
    const mtnt_error *error; /* of UNREACHABLE, and of a repair that failed; NULL = none */
} mtnt_verified;

/* Models that ought to have the same schema (the same operations applied, the same backend and dialect) and have one in common that is not that of the
 * most of them. Borrowed during the callback. */
typedef struct mtnt_variant {
    int64_t version;
    mtnt_backend backend;
    int64_t tenants;             /* that have this schema */
    int64_t siblings;            /* that have the schema that it is compared with */
    int64_t changed;             /* of `tenants`: their own records say that it was changed by hand */
    bool undecided;              /* as many have the one as the other: it is not known which is right */
    const char *schema;          /* its fingerprint */
    const char *const *examples; /* ids of tenants that have it, at most 100 */
    size_t example_count;
    const struct mtnt__difference *difference; /* for mtnt_variant_diff */
} mtnt_variant;

/* What the siblings' schema has to be given to become this one, a line at a time: sign '-', '+', or ' ' for what the next lines belong to. The text has no
 * line break and no NUL. At most `most` lines; returns how many there are in all. 0: it could not be kept, too many different ones were met. */
typedef void (*mtnt_diff_fn)(void *data, char sign, const char *text, size_t length);
MTNT_API size_t mtnt_variant_diff(const mtnt_variant *variant, size_t most, mtnt_diff_fn each, void *data);

typedef struct mtnt_verification_counts {
    int64_t tenants;  /* the sum of the next four */
    int64_t sound;    /* nothing was found */
    int64_t unsound;  /* something was */
    int64_t repaired; /* all that was found */
    int64_t failed;   /* unreachable, or a repair failed */
    int64_t put_away; /* of the sound: their models have been taken away */
    int64_t unlike;   /* differ from their siblings, which is known at the end: they may be sound otherwise */
    int64_t alone;    /* neither a record nor a sibling says what their schema should be */
    bool stopped;     /* stop() said so: the rest was not looked at */
} mtnt_verification_counts;

/* Zero it first, or use the _INIT. Texts are borrowed during the call. */
typedef struct mtnt_verification_options {
    uint32_t version; /* MTNT_VERIFICATION_OPTIONS_VERSION */
    int workers;      /* models at the same time, 1 to 1024; 0 = twice the processors, at most 16 */
    bool allow_out_of_order;
    /* Brings the controller's rows (version, what is applied, identity) in step with the models, which are not touched: under the tenant's
     * lease, with an audit row. Needs a controller that is not read_only, and who. REPLACED needs accept_replaced, too. Not where a
     * migration that the controller does not know has written the controller as well: that half is lost, and the tenant is marked as diverged (BLOCKED). */
    bool repair, accept_replaced;
    const char *who, *reason;
    /* On the caller's thread, one after another; not 0 ends it with that code. NULL = nobody. */
    int (*tenant)(void *data, const mtnt_verified *verified, mtnt_error *err);
    int (*variant)(void *data, const mtnt_variant *variant, mtnt_error *err); /* after the last tenant */
    bool (*stop)(void *data); /* asked between tenants, from any of the threads */
    void *data;
} mtnt_verification_options;
#define MTNT_VERIFICATION_OPTIONS_VERSION 1
#define MTNT_VERIFICATION_OPTIONS_INIT                                                                \
    {                                                                                                 \
        MTNT_VERIFICATION_OPTIONS_VERSION, 0, false, false, false, NULL, NULL, NULL, NULL, NULL, NULL \
    }

/* Looks at every tenant of the source, which is not closed; all lanes of a chain that has some. Blocks; threads that it starts are joined, and inherit the
 * caller's signal mask. A model is read in one transaction that holds no write lock (SQLite: through SQLite alone). Memory: constant in the number of
 * tenants, but for one schema for each different one that is met, at most 64. 0: all were looked at, whatever was found. Not 0: the source or the
 * controller failed, or a callback said so; INVALID, NOMEM. */
MTNT_API int mtnt_verify_models(mtnt_controller *controller, const mtnt_chain *chain, mtnt_tenant_source *source,
                                const mtnt_verification_options *options, mtnt_verification_counts *ret_counts,
                                mtnt_error *err);

MTNT_END_DECLS

#endif
