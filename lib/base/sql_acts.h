/* What the statements of a text do to which tables, as far as their words tell: for locks and warnings, never for running them. There is no
 * parser: what is not recognised is said to be UNKNOWN, and what does nothing to tables that are there NOTHING. */
#ifndef MTNT_BASE_SQL_ACTS_H
#define MTNT_BASE_SQL_ACTS_H

#include "base/sql_scan.h"

typedef enum mtnt__sql_act_kind {
    MTNT__ACT_UNKNOWN, /* code that the text does not show: DO, CALL; or words that mean nothing here */
    MTNT__ACT_NOTHING, /* SET, GRANT, CREATE FUNCTION … */

    MTNT__ACT_CREATE_TABLE,
    MTNT__ACT_CREATE_PARTITION, /* other: of which table */
    MTNT__ACT_CREATE_REFERENCE, /* a foreign key of a table that is being made; other: where it points */
    MTNT__ACT_CREATE_INDEX,
    MTNT__ACT_CREATE_TRIGGER,
    MTNT__ACT_CREATE_RULE, /* or a policy */
    MTNT__ACT_CREATE_STATISTICS,

    MTNT__ACT_ADD_COLUMN,
    MTNT__ACT_DROP_COLUMN,
    MTNT__ACT_ALTER_TYPE,
    MTNT__ACT_SET_NOT_NULL,
    MTNT__ACT_ADD_FOREIGN_KEY, /* other: where it points */
    MTNT__ACT_ADD_CHECK,
    MTNT__ACT_ADD_UNIQUE, /* or a primary key, or an exclusion */
    MTNT__ACT_VALIDATE_CONSTRAINT,
    MTNT__ACT_RENAME_TABLE, /* other: the new name */
    MTNT__ACT_RENAME_COLUMN,
    MTNT__ACT_REWRITE_TABLE,    /* SET LOGGED, TABLESPACE, ACCESS METHOD */
    MTNT__ACT_ATTACH_PARTITION, /* other: the partition */
    MTNT__ACT_DETACH_PARTITION,
    MTNT__ACT_SWITCH_TRIGGER, /* ENABLE or DISABLE TRIGGER */
    MTNT__ACT_TUNE_TABLE,     /* statistics, storage parameters: what blocks no reader and no writer */
    MTNT__ACT_ALTER_TABLE,    /* all else */
    MTNT__ACT_ALTER_INDEX,

    MTNT__ACT_DROP_TABLE,
    MTNT__ACT_DROP_INDEX, /* table: the index */
    MTNT__ACT_DROP_SCHEMA,
    MTNT__ACT_DROP_VIEW,
    MTNT__ACT_DROP_TRIGGER, /* or a rule, or a policy, of a table */

    MTNT__ACT_SELECT,
    MTNT__ACT_SELECT_FOR_UPDATE,
    MTNT__ACT_INSERT,
    MTNT__ACT_UPDATE,
    MTNT__ACT_DELETE,
    MTNT__ACT_TRUNCATE,
    MTNT__ACT_LOCK_TABLE, /* other: the mode, as it is said */
    MTNT__ACT_REINDEX,
    MTNT__ACT_VACUUM,
    MTNT__ACT_CLUSTER,
    MTNT__ACT_REFRESH_VIEW,
    MTNT__ACT_ANALYZE,
    MTNT__ACT_ALONE, /* what cannot be in a transaction at all: CREATE DATABASE, ALTER SYSTEM */
    MTNT__ACT_PRAGMA /* table: its name */
} mtnt__sql_act_kind;

enum {
    MTNT__ACT_CONCURRENTLY = 1u << 0,
    MTNT__ACT_NOT_NULL = 1u << 1,
    MTNT__ACT_DEFAULT = 1u << 2,
    MTNT__ACT_COMPUTED = 1u << 3, /* each row has its own: a volatile default, a sequence, GENERATED … STORED */
    MTNT__ACT_NOT_VALID = 1u << 4,
    MTNT__ACT_WHERE = 1u << 5,
    MTNT__ACT_TO_TEXT = 1u << 6,    /* ALTER_TYPE: text or varchar, without USING */
    MTNT__ACT_FROM_QUERY = 1u << 7, /* INSERT … SELECT */
    MTNT__ACT_TEMPORARY = 1u << 8,
    MTNT__ACT_FULL = 1u << 9,
    MTNT__ACT_USING_INDEX = 1u << 10,
    MTNT__ACT_ASSIGNS = 1u << 11, /* PRAGMA … = */
    MTNT__ACT_UNIQUE = 1u << 12
};

#define MTNT__ACT_NAME_SIZE 136
enum { MTNT__ACT_ALLOWED_MAX = 8 };

typedef struct mtnt__sql_act {
    mtnt__sql_act_kind kind;
    uint32_t flags;
    size_t statement; /* number of its statement in the text, from 0 */
    size_t start;     /* where it is said: the statement, or the part of an ALTER TABLE */
    /* As written, folded to lower case where it is not quoted; cut when it is long. "" = none, or not known. */
    char table[MTNT__ACT_NAME_SIZE], other[MTNT__ACT_NAME_SIZE];
    /* What stands after `mtnt:allow` in comments in the statement, before it, or behind it on its last line: offset and length. */
    size_t allowed_start[MTNT__ACT_ALLOWED_MAX], allowed_length[MTNT__ACT_ALLOWED_MAX];
    size_t allowed_count;
} mtnt__sql_act;

/* Borrowed during the call. Not 0 ends the walk with that code. */
typedef int (*mtnt__sql_act_fn)(void *data, const mtnt__sql_act *act, mtnt_error *err);

/* Every act of the text, in order; an ALTER TABLE has one for each of its parts. A text that does not scan ends where it does not. NOMEM, and what
 * the callback returns. */
int mtnt__sql_acts(const char *text, mtnt_backend backend, mtnt__sql_act_fn each, void *data, mtnt_error *err);

#endif
