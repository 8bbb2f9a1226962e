#include "cluster.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define PATIENCE 600 /* of 50 ms */

static int run_script(const char *verb, const char *folder, const char *of)
{
    const char *source = getenv("MTNT_TEST_SOURCE_DIR");
    char script[600];
    int status = -1;
    pid_t child;

    if (source == NULL)
        fail_msg("MTNT_TEST_SOURCE_DIR is not set: run the tests through ctest");
    snprintf(script, sizeof(script), "%s/tests/postgres.sh", source);
    child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stdout) != NULL)
            execl("/bin/sh", "sh", script, verb, folder, of, (char *)NULL);
        _exit(127);
    }
    return waitpid(child, &status, 0) == child ? status : -1;
}

static void script(const char *verb, const char *folder, const char *of)
{
    if (run_script(verb, folder, of) != 0)
        fail_msg("postgres.sh %s %s failed", verb, folder);
}

static void make_server(cluster *c, cluster_server *server, const char *of)
{
    char path[200];
    FILE *file;

    snprintf(server->folder, sizeof(server->folder), "%s/%d", c->folder, ++c->count);
    script(of == NULL ? "start" : "standby", server->folder, of);
    snprintf(path, sizeof(path), "%s/port", server->folder);
    file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%d", &server->port) != 1)
        fail_msg("%s cannot be read", path);
    fclose(file);
}

/* A test that fails goes past its cluster_stop. */
static cluster *left;
static pid_t owner;

static void stop_left(void)
{
    if (left != NULL && getpid() == owner)
        cluster_stop(left);
}

void cluster_start(cluster *c)
{
    const char *where = getenv("TMPDIR");

    if (owner == 0)
        atexit(stop_left);
    owner = getpid();
    stop_left();
    left = c;
    *c = (cluster){.count = 0};
    snprintf(c->folder, sizeof(c->folder), "%s/mtnt-cluster-XXXXXX",
             where != NULL && strlen(where) < 60 ? where : "/tmp");
    assert_non_null(mkdtemp(c->folder));
    chmod(c->folder, 0711); /* as root the servers run as another user */
    make_server(c, &c->primary, NULL);
}

void cluster_stop(cluster *c)
{
    char folder[160];

    for (int i = 1; i <= c->count; i++) {
        snprintf(folder, sizeof(folder), "%s/%d", c->folder, i);
        (void)run_script("stop", folder, NULL);
    }
    rmdir(c->folder);
    left = left == c ? NULL : left;
}

static const char *ask(cluster *c, const cluster_server *server, const char *database, const char *sql)
{
    char words[300];
    PGconn *connection;
    PGresult *result;
    size_t length = 0;

    snprintf(words, sizeof(words), "host=%s/socket port=%d user=mtnt dbname=%s connect_timeout=10", server->folder,
             server->port, database);
    connection = PQconnectdb(words);
    result = PQexec(connection, sql);
    c->answer[0] = '\0';
    if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        length = (size_t)snprintf(c->answer, sizeof(c->answer), "!%s", PQerrorMessage(connection));
    for (int row = 0; row < PQntuples(result) && length + 300 < sizeof(c->answer); row++)
        for (int column = 0; column < PQnfields(result); column++)
            length += (size_t)snprintf(c->answer + length, sizeof(c->answer) - length, "%s%s",
                                       column > 0 ? "|"
                                       : row > 0  ? ";"
                                                  : "",
                                       PQgetisnull(result, row, column) ? "-" : PQgetvalue(result, row, column));
    PQclear(result);
    PQfinish(connection);
    return c->answer;
}

const char *cluster_ask(cluster *c, const char *database, const char *sql)
{
    return ask(c, &c->primary, database, sql);
}

static void must(cluster *c, const cluster_server *server, const char *sql)
{
    const char *answer = ask(c, server, "postgres", sql);

    if (answer[0] == '!')
        fail_msg("%s: %s", sql, answer);
}

static void await(cluster *c, const char *sql, const char *what)
{
    for (int tries = 0; strcmp(cluster_ask(c, "postgres", sql), "t") != 0; tries++) {
        if (tries == PATIENCE)
            fail_msg("%s: %s", what, c->answer);
        usleep(50000);
    }
}

void cluster_await_standby(cluster *c)
{
    await(
        c,
        "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_lsn()",
        "the standby does not follow");
}

void cluster_add_standby(cluster *c, bool synchronous)
{
    make_server(c, &c->standby, c->primary.folder);
    if (synchronous) {
        must(c, &c->primary, "ALTER SYSTEM SET synchronous_standby_names = '*'");
        must(c, &c->primary, "SELECT pg_reload_conf()");
        await(c, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'", "no synchronous standby");
    }
    cluster_await_standby(c);
}

void cluster_cut_standby(cluster *c)
{
    cluster_await_standby(c);
    must(c, &c->standby, "ALTER SYSTEM SET primary_conninfo = ''");
    must(c, &c->standby, "SELECT pg_reload_conf()");
    await(c, "SELECT count(*) = 0 FROM pg_stat_replication", "the standby goes on");
}

void cluster_fail_over(cluster *c)
{
    script("halt", c->primary.folder, NULL);
    script("promote", c->standby.folder, NULL);
    c->primary = c->standby;
}

void cluster_halt(cluster *c)
{
    script("halt", c->primary.folder, NULL);
}

void cluster_restart(cluster *c)
{
    script("restart", c->primary.folder, NULL);
}

void cluster_dsn(const cluster *c, const char *database, char *ret_dsn, size_t size)
{
    if (c->standby.folder[0] == '\0')
        snprintf(ret_dsn, size, "postgresql:///%s?host=%s/socket&port=%d&user=mtnt", database, c->primary.folder,
                 c->primary.port);
    else
        snprintf(ret_dsn, size,
                 "postgresql:///%s?host=%s/socket,%s/socket&port=%d,%d&user=mtnt&target_session_attrs=read-write",
                 database, c->primary.folder, c->standby.folder, c->primary.port, c->standby.port);
}
