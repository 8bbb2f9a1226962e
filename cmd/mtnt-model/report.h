/* What a run shows while it goes on, and at its end. */
#ifndef MTNT_COMMAND_REPORT_H
#define MTNT_COMMAND_REPORT_H

#include <stdatomic.h>

#include "encode.h"
#include "rehearsal.h"
#include "tally.h"
#include "work.h"

typedef struct mtnt__report {
    mtnt__work *work;
    const char *command; /* "migrate" … */
    mtnt_direction direction;
    FILE *log;                  /* --log-file; NULL = none */
    char *again;                /* the flags that another call needs to find the same files: " --config x" */
    char *controller;           /* as shown, seen from here */
    const atomic_int *stopping; /* signals so far; NULL = never */

    int64_t run, started_ms, finished_ms;
    int workers;
    char guarantee[160];
    mtnt_counts counts;
    mtnt_counts whole;      /* of all processes of the run, when it is shared */
    int processes, at_work; /* of the run; more than 1: it is shared */
    mtnt_error error;       /* of the run itself; code MTNT_OK = none */
    int64_t drawn_ms;       /* when the progress line was drawn, on the monotonic clock */
    bool held_said;         /* that one waits for another lane */
    json_t *failures;       /* format json: the first of them */
    int64_t failures_unlisted;
    mtnt__tally_groups groups;  /* of failures */
    mtnt__tally_groups notes;   /* what is said of tenants that did not fail */
    mtnt__rehearsal *rehearsal; /* NULL = it is none */
    struct mtnt__report *const
        *beside;         /* of all lanes that run at the same time, this one too; their events come one at a time */
    size_t beside_count; /* 0 = there is but this */
    int64_t nth;         /* the failure at hand is so many-th of its group; 0 = of none */
} mtnt__report;

/* 0 or an exit code (the log file cannot be opened). */
int mtnt__report_init(mtnt__report *report, mtnt__work *work, const char *command, mtnt_direction direction);
void mtnt__report_release(mtnt__report *report);
/* An mtnt_reporter's event, data = the report. */
void mtnt__report_event(void *data, const mtnt_event *event);
/* The summary. json: *ret_result gets the object when ret_result is given, else it is printed. */
void mtnt__report_finish(mtnt__report *report, int exit_code, json_t **ret_result);

/* ---- its parts ---- */

void mtnt__report_text_event(mtnt__report *report, const mtnt_event *event);
void mtnt__report_text_finish(mtnt__report *report, int exit_code);
void mtnt__report_json_event(mtnt__report *report, const mtnt_event *event);
void mtnt__report_json_finish(mtnt__report *report, int exit_code, json_t **ret_result);
/* One failed tenant. */
void mtnt__report_failure(mtnt__report *report, const mtnt_event *event);
/* Draws the progress line, at most ten times a second; `now`: at once. */
void mtnt__report_progress(mtnt__report *report, const mtnt_counts *counts, bool now);
/* A line for the event, with its time, if it is worth one; to the log file, or with -v to stderr. */
void mtnt__report_log(FILE *to, const mtnt_event *event);

#endif
