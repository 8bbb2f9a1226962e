/* PostgreSQL's own programs. What libpq takes from a DSN it also takes from the environment, which other users of the machine cannot see. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/program.h"
#include "base/text.h"
#include "db/postgres.h"

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void environment_free(char **environment)
{
    for (char **variable = environment; environment && *variable; variable++)
        free(*variable);
    free(environment);
}

/* Not ours, which may hold DSNs, nor libpq's, which the connection's own parameters replace. */
static bool passes_on(const char *variable)
{
    return strncmp(variable, "MTNT_", 5) != 0 && strncmp(variable, "PG", 2) != 0;
}

static int check_options(const PQconninfoOption *options, mtnt_error *err)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, "sslpassword") == 0 && options->val && *options->val)
            return mtnt_error_set(
                err, MTNT_E_REFUSED,
                "the DSN has an sslpassword, which pg_dump and pg_restore take by an argument only, where others "
                "could see it. Use a key without one for snapshots");
    return MTNT_OK;
}

static char *pair(const char *name, const char *value)
{
    mtnt__buffer text = {0};

    mtnt__buffer_add_text(&text, name);
    mtnt__buffer_add_text(&text, "=");
    mtnt__buffer_add_text(&text, value);
    return mtnt__buffer_take(&text);
}

static bool fill(char **environment, const PQconninfoOption *options)
{
    size_t count = 0;

    for (char **variable = environ; variable && *variable; variable++)
        if (passes_on(*variable) && !(environment[count++] = strdup(*variable)))
            return false;
    for (; options->keyword; options++) {
        /* The connection is resolved: a service would be looked up once more. */
        if (!options->envvar || !options->val || !*options->val || strcmp(options->keyword, "service") == 0 ||
            strcmp(options->keyword, "client_encoding") == 0)
            continue;
        if (!(environment[count++] = pair(options->envvar, options->val)))
            return false;
    }
    return true;
}

static int environment_new(PGconn *connection, char ***ret_environment, mtnt_error *err)
{
    PQconninfoOption *options = PQconninfo(connection);
    char **environment = NULL;
    size_t room = 1;
    int rc = options ? check_options(options, err) : out_of_memory(err);

    if (rc != 0)
        goto out;
    for (char **variable = environ; variable && *variable; variable++)
        room++;
    for (const PQconninfoOption *o = options; o->keyword; o++)
        room++;
    environment = calloc(room, sizeof(*environment));
    if (!environment || !fill(environment, options)) {
        environment_free(environment);
        rc = out_of_memory(err);
        goto out;
    }
    *ret_environment = environment;
out:
    PQconninfoFree(options);
    return rc;
}

static int check_call(void *data, mtnt_error *err)
{
    return mtnt__call_check(data, err);
}

static int run(PGconn *connection, const mtnt__call *call, const char *const *arguments,
               char ret_said[MTNT__PROGRAM_SAID], mtnt_error *err)
{
    mtnt__call copy = *call;
    mtnt__program_call program = {.check = check_call, .data = &copy};
    char **environment = NULL;
    int rc = environment_new(connection, &environment, err);

    if (rc != 0)
        return rc;
    program.arguments = (char *const *)(uintptr_t)arguments;
    program.environment = environment;
    rc = mtnt__program_run(&program, ret_said, err);
    environment_free(environment);
    if (rc == MTNT_E_NOT_FOUND)
        mtnt_error_set(
            err, rc,
            "`%s` is not in PATH, and snapshots of a PostgreSQL model are made and restored with pg_dump, pg_restore and "
            "psql: install PostgreSQL's client programs of at least the server's version",
            arguments[0]);
    return rc;
}

int mtnt__postgres_program(PGconn *connection, const mtnt__call *call, const char *const *arguments, mtnt_error *err)
{
    char said[MTNT__PROGRAM_SAID];

    return run(connection, call, arguments, said, err);
}

/* "pg_dump (PostgreSQL) 15.4 (Debian …)", "… 18beta1" */
static int major_of(const char *said)
{
    const char *number = strstr(said, ") ");

    return number ? (int)strtol(number + 2, NULL, 10) : 0;
}

int mtnt__postgres_program_check(PGconn *connection, const mtnt__call *call, const char *program, mtnt_error *err)
{
    const char *const arguments[] = {program, "--version", NULL};
    int server = PQserverVersion(connection) / 10000, own;
    char said[MTNT__PROGRAM_SAID];
    int rc = run(connection, call, arguments, said, err);

    if (rc != 0)
        return rc;
    own = major_of(said);
    if (own == 0)
        return mtnt_error_set(err, MTNT_E_REFUSED, "`%s --version` said `%.80s`, which is no version", program, said);
    if (own < server)
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "`%s` is of version %d and the server of %d, which it cannot save. Put the client programs of "
            "version %d or later first in PATH. Nothing was changed",
            program, own, server, server);
    return MTNT_OK;
}
