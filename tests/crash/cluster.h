/* A PostgreSQL server and its standby, which a test takes apart: by postgres.sh, in folders of the test's own. */
#ifndef MTNT_TESTS_CLUSTER_H
#define MTNT_TESTS_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cluster_server {
    char folder[160];
    int port;
} cluster_server;

typedef struct cluster {
    char folder[128];
    cluster_server primary, standby; /* folder "" = there is none */
    int count;
    char answer[4096];
} cluster;

/* A primary alone. Every failure fails the test. */
void cluster_start(cluster *c);
void cluster_stop(cluster *c);
/* synchronous: commits wait for it from then on. Returns when it has all that the primary has. */
void cluster_add_standby(cluster *c, bool synchronous);
void cluster_await_standby(cluster *c);
/* The standby hears nothing any more, and knows it: what is committed from now on is lost with the primary. */
void cluster_cut_standby(cluster *c);
/* The primary is gone at once, and its standby takes its place. */
void cluster_fail_over(cluster *c);
/* The primary is gone, and comes back. */
void cluster_halt(cluster *c);
void cluster_restart(cluster *c);

/* Both hosts, and whichever is the primary. */
void cluster_dsn(const cluster *c, const char *database, char *ret_dsn, size_t size);
/* Rows of the primary, "a|b;c|d"; valid until the next call. */
const char *cluster_ask(cluster *c, const char *database, const char *sql);

#endif
