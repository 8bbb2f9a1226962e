/* Shares of a fleet: "5" tenants, or "10%" of them. */
#ifndef MTNT_CHAIN_SHARE_H
#define MTNT_CHAIN_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtnt/error.h"

typedef struct mtnt__share {
    bool percent;
    int64_t count;  /* when it is no percentage */
    int64_t millis; /* thousandths of a percent */
} mtnt__share;

#define MTNT__SHARE_WHOLE 100000

/* false: it is none. A percentage is 0% to 100%, with up to three decimals. */
bool mtnt__share_parse(const char *text, mtnt__share *ret_share);
/* Rounded up: the least number of tenants that is as much. */
int64_t mtnt__share_of(mtnt__share share, int64_t total);
/* Whether `part` is more than this share of the total. */
bool mtnt__share_exceeded(mtnt__share share, int64_t part, int64_t total);

/* "1,10%,100%", rising. INVALID: what is wrong. ret_shares may be NULL. */
#define MTNT__SHARES_MAX 64
int mtnt__shares_parse(const char *text, mtnt__share ret_shares[MTNT__SHARES_MAX], size_t *ret_count, mtnt_error *err);

/* "10/s": *ret_count in *ret_ms. */
bool mtnt__rate_parse(const char *text, int64_t *ret_count, int64_t *ret_ms);

#endif
