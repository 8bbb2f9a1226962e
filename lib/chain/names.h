/* What may be a name: of a chain, an operation, a tenant, a label. */
#ifndef MTNT_CHAIN_NAMES_H
#define MTNT_CHAIN_NAMES_H

#include <stddef.h>

#include "mtnt/error.h"

#define MTNT__NAME_MAXIMUM 200 /* bytes: ids of tenants, names of operations */

/* 1 to `maximum` bytes of UTF-8 without control characters. CONFIG; `what` ("tenant id") starts the text. */
int mtnt__name_check(const char *what, const char *name, size_t maximum, mtnt_error *err);

/* Only [A-Za-z0-9._-], and at least one of them. */
bool mtnt__name_is_plain(const char *name);

/* As far as it can be shown on one line: "?" for what is no character, cut. */
#define MTNT__NAME_SHOWN_SIZE 80
void mtnt__name_shown(const char *name, char ret_text[MTNT__NAME_SHOWN_SIZE]);

/* A name for the file system that is no other text's: as it is when it is plain ([A-Za-z0-9._-], not beginning with a dot), other bytes as %XX,
 * and a hash for the rest of a long one. malloc'ed; NULL = out of memory. */
char *mtnt__name_for_files(const char *text);

#endif
