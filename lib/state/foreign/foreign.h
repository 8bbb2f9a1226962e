/* Other tools' tables: what they say of the operations of a chain that come from those tools' histories, and keeping them in step with what is applied
 * here. Nothing of ours is written or read. All inside the transaction that the caller holds open on the model. */
#ifndef MTNT_STATE_FOREIGN_H
#define MTNT_STATE_FOREIGN_H

#include "chain/chain.h"
#include "mtnt/db.h"

typedef enum mtnt__foreign_word {
    MTNT__FOREIGN_SILENT = 0, /* no table is there that could tell */
    MTNT__FOREIGN_PENDING,    /* its tool has not applied it */
    MTNT__FOREIGN_APPLIED
} mtnt__foreign_word;

typedef struct mtnt__foreign_mark {
    mtnt__foreign_word word;
    char checksum[MTNT__CHECKSUM_SIZE]; /* APPLIED, repeatable, and not as it is now; "" = as it is now */
} mtnt__foreign_mark;

typedef struct mtnt__foreign_question {
    mtnt_db *db; /* the model's */
    const mtnt_model *model;
    const mtnt_chain *chain; /* or a lane of it: tables speak of the whole */
    bool accept_checksums;   /* a script that is another one than was applied is no reason to refuse */
} mtnt__foreign_question;

typedef struct mtnt__foreign_found {
    mtnt__foreign_mark *marks; /* for each entry of the chain that was asked about */
    size_t tables;             /* how many there are */
    char names[200];           /* of all that were looked for: "goose_db_version, schema_migrations" */
    char note[300];            /* what a person should know although nothing is wrong; "" = nothing */
} mtnt__foreign_found;

/* HISTORY: a table has what its folder lacks, or a script was changed since; REFUSED: something has failed there, or the table is another tool's. The
 * texts say what to look at. CONFIG: the folder cannot be compared. */
int mtnt__foreign_look(const mtnt__foreign_question *question, mtnt__foreign_found *ret_found, mtnt_error *err);
void mtnt__foreign_found_release(mtnt__foreign_found *found);

/* What a table shall say of an entry. */
typedef enum mtnt__foreign_want {
    MTNT__FOREIGN_AS_IT_IS = 0,
    MTNT__FOREIGN_HOLDS, /* also when it says so already */
    MTNT__FOREIGN_HOLDS_NOT
} mtnt__foreign_want;

/* Whether anything is to be kept in step. all: for all that come from another tool, not only for those whose folder says so. */
bool mtnt__foreign_is_kept(const mtnt_chain *chain, bool all);
/* `wants` and `durations_ms` (of what was run just now; else 0): for each entry of the question's chain. A table that is not there is made. REFUSED
 * and HISTORY as above, and for one that this transaction cannot reach. */
int mtnt__foreign_keep(const mtnt__foreign_question *question, bool all, const mtnt__foreign_want *wants,
                       const int64_t *durations_ms, mtnt_error *err);

#endif
