/* The rules of the linter, and the locks of statements, as data. */
#ifndef MTNT_CHAIN_LINT_H
#define MTNT_CHAIN_LINT_H

#include "base/sql_acts.h"
#include "mtnt/lint.h"

enum { MTNT__LINT_POSTGRES = 1, MTNT__LINT_SQLITE = 2, MTNT__LINT_BOTH = 3 };

/* What has to hold beside the kind and the flags. */
typedef enum mtnt__lint_when {
    MTNT__LINT_ALWAYS = 0,
    MTNT__LINT_OLD,         /* the table was not made by the operations at hand */
    MTNT__LINT_INSIDE,      /* the operation runs in a transaction */
    MTNT__LINT_UNPROVEN,    /* OLD, and no constraint of the table was validated before */
    MTNT__LINT_REBUILD,     /* the table was copied into one that was made for it, and gets its name */
    MTNT__LINT_AWAY,        /* the table has been renamed out of the way of a new one */
    MTNT__LINT_FOREIGN_KEYS /* a pragma of that name */
} mtnt__lint_when;

typedef struct mtnt__lint_rule {
    const char *name;
    int dialects;
    mtnt__sql_act_kind kind;
    uint32_t with, without; /* flags of the act: all of these, none of those */
    mtnt__lint_when when;
    const char *why, *instead;
} mtnt__lint_rule;

/* Several rows may bear one name. Ends with a row without a name. */
extern const mtnt__lint_rule mtnt__lint_rules[];

/* PostgreSQL's table locks, weakest first; 0 = none. */
typedef enum mtnt__lint_mode {
    MTNT__LOCK_NONE = 0,
    MTNT__LOCK_ACCESS_SHARE,
    MTNT__LOCK_ROW_SHARE,
    MTNT__LOCK_ROW_EXCLUSIVE,
    MTNT__LOCK_SHARE_UPDATE_EXCLUSIVE,
    MTNT__LOCK_SHARE,
    MTNT__LOCK_SHARE_ROW_EXCLUSIVE,
    MTNT__LOCK_EXCLUSIVE,
    MTNT__LOCK_ACCESS_EXCLUSIVE,
    MTNT__LOCK_UNKNOWN
} mtnt__lint_mode;

const char *mtnt__lint_mode_name(mtnt__lint_mode mode);
/* What an act takes on its table, and on the other one. */
void mtnt__lint_locks(const mtnt__sql_act *act, mtnt__lint_mode *ret_table, mtnt__lint_mode *ret_other);
/* Whether an act writes an SQLite file. */
bool mtnt__lint_writes_file(const mtnt__sql_act *act);

#endif
