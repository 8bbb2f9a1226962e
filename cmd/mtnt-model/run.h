/* One run of the executor over the selected tenants: what migrate, rewind, do, undo, reset, baseline and join share. */
#ifndef MTNT_COMMAND_RUN_H
#define MTNT_COMMAND_RUN_H

#include <jansson.h>

#include "rehearsal.h"
#include "work.h"

typedef struct mtnt__run_spec {
    const char *command; /* for the run's record and the report */
    mtnt_direction direction;
    int64_t steps;                 /* 0 = no limit */
    bool join;                     /* a run that is on: command and direction are that one's */
    const mtnt_adoption *adoption; /* models are taken over, and no operation runs; NULL = no */
    mtnt__rehearsal *rehearsal;    /* rolled back, and what was seen of it; NULL = it is meant */
} mtnt__run_spec;

/* What --mode asks for. */
mtnt_mode mtnt__run_mode(const mtnt__work *work);

/* How many workers `migrate` would have here, and how many PostgreSQL connections these and it may need at the same time; with a chain and a controller that is
 * open. 0 or an exit code. */
int mtnt__run_connections(mtnt__work *work, int *ret_workers, int64_t *ret_connections);

/* What the settings and `spec` ask of an executor; all but the reporter. Texts and lists are borrowed. */
void mtnt__run_options(const mtnt__work *work, const mtnt__run_spec *spec, mtnt_executor_options *options);

/* Of a run that has ended with `rc` and `err`; first_signal: that came before its end, 0 = none. */
int mtnt__run_exit_code(const mtnt_counts *counts, int rc, const mtnt_error *err, int first_signal, bool rehearsal);

/* Loads the chain and checks what was asked for against it. 0 or an exit code. */
int mtnt__run_prepare(mtnt__work *work);

/* The exit code; everything has been said. json: *ret_result gets the result object when ret_result is given
 * (untouched when there was no run), else it is printed. */
int mtnt__run(mtnt__work *work, const mtnt__run_spec *asked, json_t **ret_result);

#endif
