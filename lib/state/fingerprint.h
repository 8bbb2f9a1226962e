/* The fingerprint of a model's schema, as its mtnt_meta has it since the last migration: by it `verify` tells what somebody else has changed. */
#ifndef MTNT_STATE_FINGERPRINT_H
#define MTNT_STATE_FINGERPRINT_H

#include "base/text.h"
#include "state/catalogue.h"

#define MTNT__FINGERPRINT_KEY "fingerprint"
#define MTNT__FINGERPRINT_SIZE 100 /* of the text */
#define MTNT__FINGERPRINT_RULES 1

typedef struct mtnt__fingerprint {
    char digest[MTNT__CHECKSUM_SIZE]; /* of its catalogue; "" = none is recorded */
    int64_t rules;                    /* MTNT__FINGERPRINT_RULES of who did */
    int64_t
        dialect; /* a major version of PostgreSQL writes definitions its own way; 0 = SQLite. Only alike ones can be compared */
} mtnt__fingerprint;

/* false: it is none. */
bool mtnt__fingerprint_parse(const char *text, mtnt__fingerprint *ret_fingerprint);
int mtnt__fingerprint_dialect(mtnt_db *db, int64_t *ret_dialect, mtnt_error *err);

/* Schemas that a thread has met: those of a fleet are alike, and what an equal text comes to need not be worked out again. Zero it first. */
#define MTNT__FINGERPRINTS_MET 8
typedef struct mtnt__fingerprints_met {
    struct mtnt__fingerprint_met {
        char *text;
        size_t length;
        char digest[MTNT__CHECKSUM_SIZE];
    } entries[MTNT__FINGERPRINTS_MET];
    size_t next;
} mtnt__fingerprints_met;
void mtnt__fingerprints_met_release(mtnt__fingerprints_met *met);

/* Records what the transaction that is open on the model will leave. schema: as for mtnt__catalogue_read. PostgreSQL: put off, until the message
 * of the commit; SQLite: at once. _forget: that it is not known. */
int mtnt__fingerprint_record(mtnt_db *db, const char *schema, mtnt__fingerprints_met *met, mtnt_error *err);
int mtnt__fingerprint_forget(mtnt_db *db, mtnt_error *err);

#endif
