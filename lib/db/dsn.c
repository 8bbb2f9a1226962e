/* Data source names: which engine, which database, and what of them may be shown. */
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/text.h"
#include "db/database.h"

#define SQLITE_PREFIX "sqlite:"

static bool is_uri(const char *dsn)
{
    return strncmp(dsn, "postgresql://", 13) == 0 || strncmp(dsn, "postgres://", 11) == 0;
}

const char *mtnt__dsn_sqlite_path(const char *dsn)
{
    size_t length = strlen(SQLITE_PREFIX);

    return strncmp(dsn, SQLITE_PREFIX, length) == 0 ? dsn + length : NULL;
}

/* NULL: it cannot be parsed, or memory is out. What libpq says about it may repeat a password, and is not shown. */
static PQconninfoOption *parse(const char *dsn, bool *ret_memory)
{
    char *text = NULL;
    PQconninfoOption *options = PQconninfoParse(dsn, &text);

    if (ret_memory)
        *ret_memory = !options && (!text || strstr(text, "out of memory"));
    PQfreemem(text);
    return options;
}

static const char *option(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val && *options->val ? options->val : NULL;
    return NULL;
}

/* An "@" or "/" that is not escaped ends a password too early: its rest would be taken for a host, a port or a database, and
 * shown. In a URI that means what it says one "@" at most stands before the options, and no "/" before it. */
static bool has_loose_at(const char *dsn)
{
    const char *start = strstr(dsn, "://") + 3;
    const char *at = memchr(start, '@', strcspn(start, "/")); /* where libpq ends user and password */

    if (at)
        start = at + 1;
    return memchr(start, '@', strcspn(start, "?")) != NULL;
}

/* ---- which engine ---- */

static int check_sqlite(const char *path, mtnt_error *err)
{
    if (*path == '\0')
        return mtnt_error_set(err, MTNT_E_INVALID, "sqlite: needs the path of a file");
    if (strcmp(path, ":memory:") == 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "sqlite::memory: would be gone with the connection; name a file");
    return MTNT_OK;
}

static int check_postgres(const char *dsn, mtnt_error *err)
{
    bool memory;
    PQconninfoOption *options = parse(dsn, &memory);
    int rc = MTNT_OK;

    if (memory)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    else if (!options)
        rc = mtnt_error_set(err, MTNT_E_INVALID,
                            "not a PostgreSQL URI that libpq understands (postgresql://user@host:port/database"
                            "?option=value; special characters are written %%40)");
    else if (has_loose_at(dsn))
        rc = mtnt_error_set(err, MTNT_E_INVALID,
                            "the PostgreSQL URI has an @ or / too many: in a password they are written %%40 and %%2F");
    PQconninfoFree(options);
    return rc;
}

int mtnt__dsn_backend(const char *dsn, mtnt_backend *ret_backend, mtnt_error *err)
{
    const char *path = dsn ? mtnt__dsn_sqlite_path(dsn) : NULL;
    char shown[MTNT__DSN_SHOWN_SIZE];
    int rc;

    if (!path && (!dsn || !is_uri(dsn))) {
        mtnt__dsn_redact(dsn ? dsn : "", shown);
        return mtnt_error_set(err, MTNT_E_INVALID, "a database is named sqlite:PATH or postgresql://…, not %s", shown);
    }
    rc = path ? check_sqlite(path, err) : check_postgres(dsn, err);
    if (rc == 0)
        *ret_backend = path ? MTNT_SQLITE : MTNT_POSTGRES;
    return rc;
}

/* ---- what may be shown ---- */

/* Fixed room, so that showing a DSN cannot run out of memory by itself. */
static void append(char *text, size_t size, const char *part)
{
    size_t length = strlen(text);

    mtnt__text_copy(text + length, size - length, part);
}

/* Built up from the parts that hold no secret, instead of cutting the secret ones out. */
static void show_postgres(const char *dsn, char *ret_text)
{
    PQconninfoOption *options = parse(dsn, NULL);
    const char *part;

    mtnt__text_copy(ret_text, MTNT__DSN_SHOWN_SIZE, "postgresql://");
    if (!options || has_loose_at(dsn)) {
        append(ret_text, MTNT__DSN_SHOWN_SIZE, "…");
        goto out;
    }
    if ((part = option(options, "user")) != NULL) {
        append(ret_text, MTNT__DSN_SHOWN_SIZE, part);
        append(ret_text, MTNT__DSN_SHOWN_SIZE, "@");
    }
    part = option(options, "host");
    append(ret_text, MTNT__DSN_SHOWN_SIZE,
           part                          ? part
           : option(options, "hostaddr") ? option(options, "hostaddr")
                                         : "");
    if ((part = option(options, "port")) != NULL) {
        append(ret_text, MTNT__DSN_SHOWN_SIZE, ":");
        append(ret_text, MTNT__DSN_SHOWN_SIZE, part);
    }
    append(ret_text, MTNT__DSN_SHOWN_SIZE, "/");
    if ((part = option(options, "dbname")) != NULL)
        append(ret_text, MTNT__DSN_SHOWN_SIZE, part);
    if ((part = option(options, "service")) != NULL) {
        append(ret_text, MTNT__DSN_SHOWN_SIZE, "?service=");
        append(ret_text, MTNT__DSN_SHOWN_SIZE, part);
    }
out:
    PQconninfoFree(options);
}

/* Of what is neither: a path at most, since anything else may have a password somewhere. */
static void show_unknown(const char *dsn, char *ret_text)
{
    const char *colon = strstr(dsn, "://");

    if (!strpbrk(dsn, "@=?") && !colon) {
        mtnt__text_copy(ret_text, MTNT__DSN_SHOWN_SIZE, dsn);
        return;
    }
    ret_text[0] = '\0';
    if (colon && colon - dsn < 32 &&
        strspn(dsn, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-") == (size_t)(colon - dsn)) {
        memcpy(ret_text, dsn, (size_t)(colon - dsn) + 3);
        ret_text[colon - dsn + 3] = '\0';
    }
    append(ret_text, MTNT__DSN_SHOWN_SIZE, "…");
}

void mtnt__dsn_redact(const char *dsn, char ret_text[MTNT__DSN_SHOWN_SIZE])
{
    if (mtnt__dsn_sqlite_path(dsn))
        mtnt__text_copy(ret_text, MTNT__DSN_SHOWN_SIZE, dsn);
    else if (is_uri(dsn))
        show_postgres(dsn, ret_text);
    else
        show_unknown(dsn, ret_text);
}

/* ---- which database ---- */

/* The parameters that a connection would use: environment, service file and built-in defaults included. libpq fills them in when
 * a connection starts and has no call for that alone, so one is started that cannot go anywhere: it refuses this sslmode before
 * it looks at the network. */
static PGconn *resolve(const char *dsn)
{
    static const char *const keywords[] = {"dbname", "sslmode", NULL};
    const char *const values[] = {dsn, "for-its-parameters-only", NULL};

    return PQconnectStartParams(keywords, values, 1);
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text && *text ? text : otherwise;
}

static char *server_of(PGconn *connection)
{
    PQconninfoOption *options = PQconninfo(connection);
    mtnt__buffer server = {0};
    const char *host;

    if (!options)
        return NULL;
    host = option(options, "host");
    if (!host)
        host = option(options, "hostaddr");
    if (!host)
        host = text_or(PQhost(connection), "localhost");
    if (strchr(host, ':'))
        mtnt__buffer_add_format(&server, "[%s]", host);
    else
        mtnt__buffer_add_text(&server, host);
    mtnt__buffer_add_format(&server, ":%s", text_or(option(options, "port"), "5432"));
    PQconninfoFree(options);
    return mtnt__buffer_take(&server);
}

char *mtnt__dsn_server(const char *dsn)
{
    PGconn *connection;
    char *server;

    if (!is_uri(dsn))
        return NULL;
    connection = resolve(dsn);
    server = connection ? server_of(connection) : NULL;
    PQfinish(connection);
    return server;
}

bool mtnt__dsn_takes_standbys(const char *dsn)
{
    PGconn *connection = is_uri(dsn) ? resolve(dsn) : NULL;
    PQconninfoOption *options = connection ? PQconninfo(connection) : NULL;
    const char *hosts = options ? option(options, "host") : NULL;
    const char *wanted = options ? option(options, "target_session_attrs") : NULL;
    bool takes = hosts && strchr(hosts, ',') &&
                 (!wanted || (strcmp(wanted, "read-write") != 0 && strcmp(wanted, "primary") != 0));

    PQconninfoFree(options);
    PQfinish(connection);
    return takes;
}

char *mtnt__dsn_database(const char *dsn)
{
    PGconn *connection;
    const char *name;
    char *database;

    if (!is_uri(dsn))
        return NULL;
    connection = resolve(dsn);
    name = connection ? PQdb(connection) : NULL;
    database = name ? strdup(name) : NULL;
    PQfinish(connection);
    return database;
}

static void add_encoded(mtnt__buffer *buffer, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        const char escape[] = {'%', digits[byte >> 4], digits[byte & 15]};
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     strchr("-._~", byte);

        mtnt__buffer_add(buffer, plain ? text : escape, plain ? 1 : 3);
    }
}

char *mtnt__dsn_with_database(const char *dsn, const char *database)
{
    PQconninfoOption *options = is_uri(dsn) ? parse(dsn, NULL) : NULL;
    mtnt__buffer other = {0};
    char separator = '?';

    if (!options)
        return NULL;
    mtnt__buffer_add_text(&other, "postgresql:///");
    add_encoded(&other, database);
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (!o->val || strcmp(o->keyword, "dbname") == 0)
            continue;
        mtnt__buffer_add_format(&other, "%c%s=", separator, o->keyword);
        add_encoded(&other, o->val);
        separator = '&';
    }
    PQconninfoFree(options);
    return mtnt__buffer_take(&other);
}

/* The folder decides where a file is that is not there yet. */
static bool same_file(const char *a, const char *b)
{
    struct stat first, second;
    char *folder_a = NULL, *folder_b = NULL;
    const char *name_a = strrchr(a, '/'), *name_b = strrchr(b, '/');
    bool same = false;

    if (stat(a, &first) == 0 && stat(b, &second) == 0)
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
    if (strcmp(name_a ? name_a + 1 : a, name_b ? name_b + 1 : b) != 0)
        return false;
    folder_a = name_a ? strndup(a, (size_t)(name_a - a) + 1) : strdup(".");
    folder_b = name_b ? strndup(b, (size_t)(name_b - b) + 1) : strdup(".");
    if (folder_a && folder_b && stat(folder_a, &first) == 0 && stat(folder_b, &second) == 0)
        same = first.st_dev == second.st_dev && first.st_ino == second.st_ino;
    free(folder_a);
    free(folder_b);
    return same || strcmp(a, b) == 0;
}

bool mtnt__dsn_same_database(const char *a, const char *b)
{
    const char *path_a = mtnt__dsn_sqlite_path(a), *path_b = mtnt__dsn_sqlite_path(b);
    char *server_a, *server_b, *database_a, *database_b;
    bool same;

    if (path_a || path_b)
        return path_a && path_b && same_file(path_a, path_b);
    server_a = mtnt__dsn_server(a);
    server_b = mtnt__dsn_server(b);
    database_a = mtnt__dsn_database(a);
    database_b = mtnt__dsn_database(b);
    same = server_a && server_b && database_a && database_b && strcmp(server_a, server_b) == 0 &&
           strcmp(database_a, database_b) == 0;
    free(server_a);
    free(server_b);
    free(database_a);
    free(database_b);
    return same;
}
