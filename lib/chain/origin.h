/* Where an operation comes from: a version in a history that another tool has begun. That tool notes in a table of its own what it has applied;
 * state/foreign reads that. */
#ifndef MTNT_CHAIN_ORIGIN_H
#define MTNT_CHAIN_ORIGIN_H

#include "chain/chain.h"

/* Texts are NULL where the tool has no use for them. */
typedef struct mtnt__origin {
    const char *tool;     /* the format's name; static */
    const char *table;    /* its table, when it has another name than usual */
    const char *version;  /* as the tool writes it: never a number, some have more digits than fit */
    const char *name;     /* without the version */
    const char *id;       /* what the tool knows it by, when that is not the version */
    const char *script;   /* the file, as the tool calls it */
    const char *checksum; /* of the script, as the tool reckons it */
    const char *detail;   /* whatever else it notes: a JSON object */
    bool keep_in_step;    /* its table follows what is done here */
    bool repeatable;
} mtnt__origin;

/* Copies it for the operation of that name, which is in the chain. NOMEM. */
int mtnt__origin_set(mtnt_chain *chain, const char *operation, const mtnt__origin *origin, mtnt_error *err);
void mtnt__origin_free(mtnt__origin *origin);

/* Whether an operation of the chain, or of the whole that it is a lane of, has one. */
bool mtnt__origin_any(const mtnt_chain *chain);

#endif
