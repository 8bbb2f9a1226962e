/* Failures, the same ones together: one line each, with a count and three examples. */
#ifndef MTNT_COMMAND_FAILURES_H
#define MTNT_COMMAND_FAILURES_H

#include <jansson.h>

#include "tally.h"
#include "work.h"

/* ", "-separated, "and 12 more" behind them. */
void mtnt__failures_put_examples(FILE *out, const mtnt__tally_group *group);
/* A line for each group, and one for what could not be told apart; to screen.out. */
void mtnt__failures_put(const mtnt__work *work, const mtnt__tally_groups *groups);
/* Arrays of objects. */
json_t *mtnt__failures_describe(const mtnt__tally_groups *groups);
json_t *mtnt__failures_describe_notes(const mtnt__tally_groups *groups);

#endif
