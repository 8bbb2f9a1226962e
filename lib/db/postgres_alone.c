/* Statements outside transactions: the session's settings for them, and the invalid index that an interrupted CREATE INDEX CONCURRENTLY leaves. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "db/postgres.h"
#include "db/sql_text.h"

int mtnt__postgres_stand_alone(void *state, mtnt__call *call, bool on, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__call settings = *call;
    mtnt__buffer text = {0};
    int rc = 0;

    if (!on)
        return mtnt__postgres_command(s, call, "RESET ROLE; RESET ALL", err);
    if (!s->home_path) {
        rc = mtnt__postgres_begin(s, call, err);
        if (mtnt__postgres_rollback(s, call) != 0 && rc == 0)
            rc = mtnt_error_set(err, MTNT_E_CONNECT, "the connection was lost");
    }
    if (rc == 0 && !mtnt__postgres_speaks_utf8(s))
        rc = mtnt__postgres_command(s, call, "RESET client_encoding", err);
    if (rc != 0)
        return rc;
    settings.alone = true;
    mtnt__postgres_add_settings(s, &settings, false, &text);
    rc = text.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                     : mtnt__postgres_command(s, call, text.bytes, err);
    mtnt__buffer_release(&text);
    return rc;
}

/* ---- leftovers ---- */

/* CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON [ONLY] [schema.]table: name and table as they are written there. */
struct index_names {
    char *name, *table;
};

static bool is_word(const char *text, mtnt__sql_token token, const char *word)
{
    return token.length == strlen(word) && strncasecmp(text + token.start, word, token.length) == 0;
}

static bool skip_word(mtnt__sql_walk *walk, mtnt__sql_token *token, const char *word)
{
    if (!is_word(walk->text, *token, word))
        return false;
    *token = mtnt__sql_walk_next(walk);
    return true;
}

static char *copy_name(const char *text, size_t start, size_t end)
{
    return strndup(text + start, end - start);
}

/* A table may be schema.table; the dot is a token, or a part of one. It ends at the parenthesis, at USING, or at a blank without a dot. */
static size_t end_of_table(mtnt__sql_walk *walk, mtnt__sql_token *token)
{
    size_t end = token->start + token->length;

    for (;;) {
        *token = mtnt__sql_walk_next(walk);
        if (token->kind == MTNT__SQL_END || token->kind == MTNT__SQL_OPEN || is_word(walk->text, *token, "USING"))
            return end;
        end = token->start + token->length;
    }
}

static bool find_names(const char *text, struct index_names *ret_names)
{
    mtnt__sql_walk walk;
    mtnt__sql_token token, name;
    size_t start;

    mtnt__sql_walk_init(&walk, text, MTNT_POSTGRES);
    token = mtnt__sql_walk_next(&walk);
    if (!skip_word(&walk, &token, "CREATE"))
        return false;
    skip_word(&walk, &token, "UNIQUE");
    if (!skip_word(&walk, &token, "INDEX") || !skip_word(&walk, &token, "CONCURRENTLY"))
        return false;
    if (skip_word(&walk, &token, "IF") && !(skip_word(&walk, &token, "NOT") && skip_word(&walk, &token, "EXISTS")))
        return false;
    /* Without a name the server finds one that is free, and the leftover is nobody's to find. */
    if (is_word(text, token, "ON"))
        return false;
    name = token;
    token = mtnt__sql_walk_next(&walk);
    if (!skip_word(&walk, &token, "ON"))
        return false;
    skip_word(&walk, &token, "ONLY");
    start = token.start;
    ret_names->name = copy_name(text, name.start, name.start + name.length);
    ret_names->table = copy_name(text, start, end_of_table(&walk, &token));
    return true;
}

static int take_text(void *data, const mtnt_row *row, mtnt_error *err)
{
    char **text = data;

    free(*text);
    *text = strdup(mtnt_row_text(row, 0));
    return *text ? 0 : mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

/* Invalid, of that name, on that table: what is left of this statement, and nothing else can be. One that another session is building right now is
 * invalid too; DROP INDEX CONCURRENTLY waits for it, at most for the lock timeout. */
static const char leftover[] =
    "SELECT pg_catalog.format('DROP INDEX CONCURRENTLY IF EXISTS %I.%I', n.nspname, c.relname) "
    "FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid "
    "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE NOT i.indisvalid AND c.relname = (pg_catalog.parse_ident($1))[1] AND i.indrelid = pg_catalog.to_regclass($2)";

int mtnt__postgres_clear_leftover(void *state, mtnt__call *call, const char *text, mtnt_error *err)
{
    struct index_names names = {NULL, NULL};
    char *drop = NULL;
    int64_t changes = 0;
    int rc = 0;

    if (!find_names(text, &names))
        return 0;
    if (!names.name || !names.table) {
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    } else {
        const mtnt_value values[] = {mtnt_value_text(names.name), mtnt_value_text(names.table), mtnt_value_end()};

        rc = mtnt__postgres_query(state, call, leftover, values, take_text, &drop, &changes, err);
    }
    if (rc == 0 && drop)
        rc = mtnt__postgres_query(state, call, drop, NULL, NULL, NULL, &changes, err);
    if (rc != 0)
        mtnt_error_wrap(err, "an invalid index that an interrupted CREATE INDEX CONCURRENTLY has left");
    free(drop);
    free(names.name);
    free(names.table);
    return rc;
}
