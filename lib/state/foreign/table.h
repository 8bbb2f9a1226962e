/* One tool's table, seen from the file that knows it. foreign.c finds the table, the tool's file reads and writes it, and what was read is matched here. */
#ifndef MTNT_STATE_FOREIGN_TABLE_H
#define MTNT_STATE_FOREIGN_TABLE_H

#include "base/text.h"
#include "chain/origin.h"
#include "db/database.h"
#include "state/foreign/foreign.h"

typedef struct mtnt__foreign_table mtnt__foreign_table;

typedef struct mtnt__foreign_class {
    const char *tool;               /* as mtnt__origin has it */
    const char *table;              /* its usual name */
    const char *former;             /* one that older versions have given it; NULL = none */
    const char *column;             /* that it has */
    const char *other, *other_tool; /* a column that tells another tool's table of the same name; NULL = none */
    const char *sqlite, *postgres;  /* what makes it; NULL = it cannot be kept in step there */
    /* Of two versions, as the tool has them; 0 = the same. NULL = as texts. */
    int (*compare)(const char *a, const char *b);
    bool by_id;    /* the table has the origin's id, not the version */
    bool registry; /* `table` is a schema with several tables; {table} stands for it */
    /* Instead of looking for `table`. */
    int (*look)(mtnt__foreign_table *t, bool *ret_there, mtnt_error *err);
    int (*read)(mtnt__foreign_table *t, mtnt_error *err);
    /* For each row that comes or goes, or once for all of them: `holds` is for each entry of the whole chain. */
    int (*insert)(mtnt__foreign_table *t, const mtnt__chain_entry *entry, int64_t duration_ms, mtnt_error *err);
    int (*remove)(mtnt__foreign_table *t, const mtnt__chain_entry *entry, mtnt_error *err);
    int (*settle)(mtnt__foreign_table *t, const bool *holds, mtnt_error *err);
} mtnt__foreign_class;

extern const mtnt__foreign_class mtnt__foreign_goose, mtnt__foreign_dbmate, mtnt__foreign_golang_migrate,
    mtnt__foreign_morph, mtnt__foreign_flyway, mtnt__foreign_diesel, mtnt__foreign_pop, mtnt__foreign_sqitch;

/* At work on one model. */
struct mtnt__foreign_table {
    const mtnt__foreign_class *class;
    const mtnt__foreign_question *question;
    const mtnt_chain *whole;
    const char *name; /* of the table */
    mtnt_db *db;      /* where it is */
    mtnt_db *own;     /* owned, when that is another database than the model; NULL = none */
    bool there;
    mtnt__foreign_mark *marks; /* for each entry of the whole; checksums as the table has them */
    char **unknown;            /* versions that the folder lacks */
    size_t unknown_count;
    mtnt__buffer note;
};

/* What the table says, row after row: the last word counts. `version` as the table has it, `shown` for people; NOMEM. */
int mtnt__foreign_says(mtnt__foreign_table *t, const char *version, const char *shown, bool applied,
                       const char *checksum, mtnt_error *err);
/* All up to and with a version; known: the folder has to have that one. */
int mtnt__foreign_says_up_to(mtnt__foreign_table *t, const char *version, bool known, mtnt_error *err);
/* The entry of a version, or the repeatable one of that name (version NULL). */
const mtnt__chain_entry *mtnt__foreign_find(const mtnt__foreign_table *t, const char *version, const char *name);
void mtnt__foreign_mark_entry(mtnt__foreign_table *t, const mtnt__chain_entry *entry, bool applied,
                              const char *checksum);
void mtnt__foreign_note(mtnt__foreign_table *t, const char *format, ...) MTNT_PRINTF(2, 3);

/* Statements in which {table} stands for the table, {name} for its bare name; {name_X} for one made of it. */
int mtnt__foreign_query(mtnt__foreign_table *t, mtnt_row_fn each, mtnt_error *err, const char *sql,
                        const mtnt_value *values); /* data is the table */
int mtnt__foreign_script(mtnt__foreign_table *t, mtnt_error *err, const char *sql);
/* For tables with a row for each version and nothing else that matters: $1 is the version. */
int mtnt__foreign_read_versions(mtnt__foreign_table *t, const char *sql, mtnt_error *err);
int mtnt__foreign_run_version(mtnt__foreign_table *t, const char *sql, const mtnt__chain_entry *entry, mtnt_error *err);

#endif
