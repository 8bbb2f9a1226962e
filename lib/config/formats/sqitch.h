/* A plan of sqitch, and the names by which its registry knows what stands there: hashes that go from line to line, so that none can be changed
 * without all that follow. */
#ifndef MTNT_CONFIG_FORMATS_SQITCH_H
#define MTNT_CONFIG_FORMATS_SQITCH_H

#include "chain/chain.h"

#define MTNT__SQITCH_TIME_SIZE 21 /* "2026-01-01T00:00:00Z" + NUL */

/* A change or a tag. Texts are owned. */
typedef struct mtnt__sqitch_line {
    bool is_tag;
    char *name;
    char *needs; /* what stands in brackets; NULL = nothing */
    uint32_t number;
    char when[MTNT__SQITCH_TIME_SIZE];
    char *planner, *email;
    char *note;                        /* NULL = none */
    char script_hash[MTNT__SHA1_SIZE]; /* of a change; "" until it is known */
    char id[MTNT__SHA1_SIZE];
} mtnt__sqitch_line;

typedef struct mtnt__sqitch_plan {
    char *project, *uri; /* NULL = not said */
    mtnt__sqitch_line *lines;
    size_t line_count;
} mtnt__sqitch_plan;

void mtnt__sqitch_plan_release(mtnt__sqitch_plan *plan);
/* The last line before `end` that says so; NULL = none. */
mtnt__sqitch_line *mtnt__sqitch_earlier(const mtnt__sqitch_plan *plan, size_t end, bool is_tag, const char *name,
                                        size_t length);
/* Fills all ids. A plan without a project has none. NOMEM. */
int mtnt__sqitch_reckon(mtnt__sqitch_plan *plan, mtnt_error *err);
/* What the registry says of the change at `index`, as JSON: schemas/foreign/postgres/sqitch_insert.sql takes it apart. malloc'ed; NULL = out of
 * memory. */
char *mtnt__sqitch_detail(const mtnt__sqitch_plan *plan, size_t index);

#endif
