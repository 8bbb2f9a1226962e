/* A digest of what a file holds, not of how it is laid out. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/text.h"
#include "db/snapshot.h"
#include "db/sqlite.h"

typedef struct digesting {
    mtnt__sqlite *s;
    EVP_MD_CTX *context;
    mtnt_error *err;
} digesting;

static int no_digest(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM,
                          "SHA-256 is not to be had from libcrypto: out of memory, or a provider is missing");
}

/* Type and length before each value, so that no two rows read alike. */
static bool add(EVP_MD_CTX *context, char type, const void *bytes, size_t length)
{
    unsigned char head[9] = {(unsigned char)type};

    for (size_t i = 0; i < 8; i++)
        head[i + 1] = (unsigned char)((uint64_t)length >> (8 * i));
    return EVP_DigestUpdate(context, head, sizeof(head)) == 1 && EVP_DigestUpdate(context, bytes, length) == 1;
}

static bool add_column(EVP_MD_CTX *context, sqlite3_stmt *statement, int column)
{
    int64_t integer;
    double real;

    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        integer = sqlite3_column_int64(statement, column);
        return add(context, 'i', &integer, sizeof(integer));
    case SQLITE_FLOAT: real = sqlite3_column_double(statement, column); return add(context, 'r', &real, sizeof(real));
    case SQLITE_TEXT: {
        const void *text = sqlite3_column_text(statement, column);

        return add(context, 't', text, (size_t)sqlite3_column_bytes(statement, column));
    }
    case SQLITE_BLOB: {
        const void *bytes = sqlite3_column_blob(statement, column);

        return add(context, 'b', bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, column));
    }
    default: return add(context, 'n', "", 0);
    }
}

static int add_rows(const digesting *d, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(d->s->raw, sql, -1, &statement, NULL), rc = MTNT_OK;

    if (code == SQLITE_OK && !add(d->context, 's', sql, strlen(sql)))
        rc = no_digest(d->err);
    while (code == SQLITE_OK && rc == 0) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            break;
        for (int i = 0; i < sqlite3_column_count(statement) && rc == 0; i++)
            if (!add_column(d->context, statement, i))
                rc = no_digest(d->err);
        code = SQLITE_OK;
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = mtnt__sqlite_fail(d->s, code, d->err);
    sqlite3_finalize(statement);
    return rc;
}

/* A virtual table's rows are in its shadow tables. NOT INDEXED: in the order of the table itself, whatever indexes there are. */
static int add_tables(const digesting *d)
{
    static const char tables[] =
        "SELECT 'SELECT * FROM main.\"' || replace(name, '\"', '\"\"') || '\" NOT INDEXED' FROM main.sqlite_schema "
        "WHERE type = 'table' AND rootpage > 0 AND name NOT IN (" MTNT__OWN_TABLES ") AND name NOT LIKE "
        "'sqlite\\_stat%' ESCAPE '\\' ORDER BY name";
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(d->s->raw, tables, -1, &statement, NULL), rc = MTNT_OK;

    while (code == SQLITE_OK && rc == 0) {
        code = sqlite3_step(statement);
        if (code != SQLITE_ROW)
            break;
        rc = add_rows(d, (const char *)sqlite3_column_text(statement, 0));
        code = SQLITE_OK;
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = mtnt__sqlite_fail(d->s, code, d->err);
    sqlite3_finalize(statement);
    return rc;
}

static int add_all(const digesting *d)
{
    int rc =
        add_rows(d, "SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE tbl_name NOT IN (" MTNT__OWN_TABLES
                    ") AND name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY type, name");

    if (rc == 0)
        rc = add_rows(d, "PRAGMA main.user_version");
    if (rc == 0)
        rc = add_rows(d, "PRAGMA main.application_id");
    return rc == 0 ? add_tables(d) : rc;
}

static void hex_text(const unsigned char *bytes, size_t count, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * count] = '\0';
}

int mtnt__sqlite_digest_of(mtnt__sqlite *s, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err)
{
    digesting d = {.s = s, .err = err};
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    int rc = MTNT_OK;

    ERR_set_mark(); /* what goes wrong here stays out of the caller's error queue */
    d.context = EVP_MD_CTX_new();
    if (!d.context || EVP_DigestInit_ex(d.context, EVP_sha256(), NULL) != 1)
        rc = no_digest(err);
    if (rc == 0)
        rc = add_all(&d);
    if (rc == 0 && (EVP_DigestFinal_ex(d.context, bytes, &size) != 1 || 2 * size + 1 != MTNT__DIGEST_SIZE))
        rc = no_digest(err);
    if (rc == 0)
        hex_text(bytes, size, ret_digest);
    EVP_MD_CTX_free(d.context);
    ERR_pop_to_mark();
    return rc;
}

int mtnt__sqlite_digest(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err)
{
    const mtnt__sqlite *s = state;
    mtnt__sqlite *own = NULL;
    int rc = mtnt__sqlite_open_own(&own, s->path, true, call, err);

    if (rc == 0)
        rc = mtnt__sqlite_exec(own, "BEGIN", err);
    if (rc == 0)
        rc = mtnt__sqlite_digest_of(own, ret_digest, err);
    mtnt__sqlite_close_own(own);
    return rc;
}

int mtnt__sqlite_digest_inside(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err)
{
    mtnt__sqlite *s = state;
    int rc;

    mtnt__sqlite_enter(s, call);
    rc = mtnt__sqlite_digest_of(s, ret_digest, err);
    mtnt__sqlite_leave(s);
    return rc;
}
