/* A run of the executor over a fixture's fleet, and what it reported, tenant by tenant. */
#ifndef MTNT_TESTS_FLEET_RUN_H
#define MTNT_TESTS_FLEET_RUN_H

#include "fleet_fixture.h"

typedef struct fleet_report {
    int started[FLEET_TENANTS], finished[FLEET_TENANTS], operations;
    mtnt_result results[FLEET_TENANTS];
    char texts[FLEET_TENANTS][MTNT_ERROR_MESSAGE_SIZE];
    mtnt_counts counts;
    int run_started, run_finished, untouched, retries;
    char guarantee[100];
    char warning[MTNT_ERROR_MESSAGE_SIZE]; /* the last */
    bool mixed;                            /* another tenant's event within a tenant's block of operations */
    char in_block[8];
} fleet_report;

/* more NULL = defaults; workers and reporter are set here. Checks that events and sums add up. Returns what the executor did, text in f->err. */
int fleet_run(fleet *f, int workers, const mtnt_executor_options *more, fleet_report *ret_report);
int fleet_run_over(fleet *f, mtnt_tenant_source *source, int workers, const mtnt_executor_options *more,
                   fleet_report *ret_report);
/* The reporter and the checks, for tests that hold the executor themselves. */
void fleet_report_event(void *report, const mtnt_event *event);
void fleet_report_check(const fleet_report *report, const mtnt_counts *counts);

#endif
