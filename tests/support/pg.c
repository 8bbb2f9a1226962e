#include "pg.h"

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static PGconn *connect_to(const char *database)
{
    const char *server = getenv("MTNT_TEST_PG");
    const char *const keywords[] = {"dbname", "dbname", NULL};
    const char *const values[] = {server, database, NULL};
    PGconn *connection;

    if (!server)
        fail_msg("MTNT_TEST_PG is not set: run the tests through tests/run.sh, or start tests/postgres.sh");
    connection = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(connection) != CONNECTION_OK)
        fail_msg("%s: %s", database, PQerrorMessage(connection));
    return connection;
}

static PGresult *run(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);

    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(connection));
    return result;
}

static const char *option(PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val ? options->val : "";
    return "";
}

void pg_dsn(const char *name, char *ret_dsn, int size)
{
    PGconn *connection = connect_to("postgres");
    PQconninfoOption *options = PQconninfo(connection);

    snprintf(ret_dsn, (size_t)size, "postgresql:///%s?host=%s&port=%s&user=%s&password=%s", name,
             option(options, "host"), option(options, "port"), option(options, "user"), option(options, "password"));
    PQconninfoFree(options);
    PQfinish(connection);
}

void pg_database_make(pg_database *ret_database)
{
    static atomic_int made;
    PGconn *connection = connect_to("postgres");
    char sql[256];

    snprintf(ret_database->name, sizeof(ret_database->name), "mtnt_test_%ld_%lx_%d", (long)getpid(), (long)time(NULL),
             atomic_fetch_add(&made, 1));
    snprintf(sql, sizeof(sql), "CREATE DATABASE \"%s\" STRATEGY file_copy", ret_database->name);
    if (PQserverVersion(connection) < 150000)
        snprintf(sql, sizeof(sql), "CREATE DATABASE \"%s\"", ret_database->name);
    PQclear(run(connection, sql));
    PQfinish(connection);
    pg_dsn(ret_database->name, ret_database->dsn, sizeof(ret_database->dsn));
}

static void end_prepared(const pg_database *database)
{
    PGconn *connection = connect_to(database->name);
    PGresult *gids = run(connection, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()");

    for (int i = 0; i < PQntuples(gids); i++) {
        char *gid = PQescapeLiteral(connection, PQgetvalue(gids, i, 0), strlen(PQgetvalue(gids, i, 0))), sql[512];

        snprintf(sql, sizeof(sql), "ROLLBACK PREPARED %s", gid);
        PQfreemem(gid);
        PQclear(PQexec(connection, sql));
    }
    PQclear(gids);
    PQfinish(connection);
}

void pg_database_drop(pg_database *database)
{
    PGconn *connection;
    char sql[256];

    if (!database || !database->name[0])
        return;
    end_prepared(database);
    connection = connect_to("postgres");
    snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)", database->name);
    PQclear(run(connection, sql));
    PQfinish(connection);
    database->name[0] = '\0';
}

void pg_run(const pg_database *database, const char *sql)
{
    PGconn *connection = connect_to(database->name);

    PQclear(run(connection, sql));
    PQfinish(connection);
}

int64_t pg_number(const pg_database *database, const char *sql)
{
    PGconn *connection = connect_to(database->name);
    PGresult *result = run(connection, sql);
    int64_t number = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;

    PQclear(result);
    PQfinish(connection);
    return number;
}

void pg_terminate_sessions(const pg_database *database)
{
    pg_run(database, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                     "WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

void pg_wait_for_blocked(const pg_database *database)
{
    for (int i = 0; i < 1000; i++) {
        if (pg_number(database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                "AND wait_event_type = 'Lock'") > 0)
            return;
        usleep(10000);
    }
    fail_msg("no session has come to wait for a lock");
}
