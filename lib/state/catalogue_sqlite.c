/* Definitions of SQLite by their tokens: blanks, comments, the case of names and superfluous quotes say nothing, and ALTER TABLE leaves texts of its
 * own. A table is taken apart at the commas of its body, so that its columns have no order. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sql_scan.h"
#include "base/text.h"
#include "state/catalogue.h"

/* A text being put together out of tokens. */
typedef struct phrase {
    mtnt__buffer text;
    char last;     /* the character that the last token ended with; 0 = it was none */
    bool defaults; /* the last token was DEFAULT: what follows in quotes is a value */
} phrase;

static bool equals(const char *text, const mtnt__sql_token *token, const char *word)
{
    return token->kind == MTNT__SQL_WORD && token->length == strlen(word) &&
           strncasecmp(text + token->start, word, token->length) == 0;
}

static bool is_one_of(const char *text, size_t length, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strlen(*words) == length && strncasecmp(text, *words, length) == 0)
            return true;
    return false;
}

static bool is_plain_name(const char *text, size_t length)
{
    /* Without quotes they would mean something else where a column begins or goes on. */
    static const char *const reserved[] = {"constraint", "primary",    "unique",  "check",     "foreign", "null", "not",
                                           "default",    "references", "collate", "generated", "as",      NULL};

    if (length == 0 || (text[0] >= '0' && text[0] <= '9') || is_one_of(text, length, reserved))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!(text[i] == '_' || (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
              (text[i] >= '0' && text[i] <= '9')))
            return false;
    return true;
}

static void add_lower(mtnt__buffer *buffer, const char *text, size_t length)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz";

    for (size_t i = 0; i < length; i++)
        mtnt__buffer_add(buffer, text[i] >= 'A' && text[i] <= 'Z' ? lower + (text[i] - 'A') : text + i, 1);
}

static void add_token(phrase *p, const char *text, const mtnt__sql_token *token)
{
    const char *start = text + token->start;
    size_t length = token->length;
    bool name = token->kind == MTNT__SQL_WORD;
    bool quoted = token->kind == MTNT__SQL_OTHER && length > 1 && (*start == '"' || *start == '`' || *start == '[');

    if (p->last != 0 && p->last != '(' && p->last != '.' && strchr(").,;", *start) == NULL &&
        (*start != '(' || p->last == ',' || p->last == '='))
        mtnt__buffer_add(&p->text, " ", 1);
    if (quoted && !p->defaults && is_plain_name(start + 1, length - 2))
        add_lower(&p->text, start + 1, length - 2);
    else if (name || (quoted && !p->defaults))
        add_lower(&p->text, start, length);
    else
        mtnt__buffer_add(&p->text, start, length);
    p->defaults = equals(text, token, "default");
    if (length > 0)
        p->last = start[length - 1];
    /* A name has ended, and no operator: "a" ( … ) is written like a(…). */
    if (quoted)
        p->last = 'x';
}

static void add_head(mtnt__buffer *line, const char *kind, const char *table, const char *name)
{
    mtnt__buffer_add_text(line, kind);
    mtnt__buffer_add(line, " ", 1);
    add_lower(line, table, strlen(table));
    if (name != NULL) {
        mtnt__buffer_add(line, ".", 1);
        add_lower(line, name, strlen(name));
    }
    mtnt__buffer_add(line, "\t", 1);
}

static int put_line(mtnt__catalogue *catalogue, mtnt__buffer *line, const char *text, mtnt_error *err)
{
    mtnt__buffer_add_text(line, text);
    return mtnt__catalogue_add(catalogue, mtnt__buffer_take(line), err);
}

/* What follows the keyword that says what it is, and the name. */
static void after_name(mtnt__sql_walk *walk, const char *keyword)
{
    mtnt__sql_token token;

    do
        token = mtnt__sql_walk_next(walk);
    while (token.kind != MTNT__SQL_END && !equals(walk->text, &token, keyword));
    (void)mtnt__sql_walk_next(walk);
}

/* The rest of the text in one line. */
static int add_rest(mtnt__catalogue *catalogue, mtnt__sql_walk *walk, mtnt__buffer *line, const char *first,
                    mtnt_error *err)
{
    phrase p = {.last = 0};
    mtnt__sql_token token;
    int rc;

    if (first != NULL) {
        mtnt__buffer_add_text(&p.text, first);
        p.last = 'x';
    }
    for (token = mtnt__sql_walk_next(walk); token.kind != MTNT__SQL_END; token = mtnt__sql_walk_next(walk))
        add_token(&p, walk->text, &token);
    line->failed |= p.text.failed;
    rc = put_line(catalogue, line, mtnt__buffer_text(&p.text), err);
    mtnt__buffer_release(&p.text);
    return rc;
}

/* ---- tables ---- */

/* The part of a table's body from `first` on: a column, or a constraint. Its own tokens, up to a comma or the end of the body. */
static int add_part(mtnt__catalogue *catalogue, const char *table, mtnt__sql_walk *walk, bool *ret_last,
                    mtnt_error *err)
{
    static const char *const constraints[] = {"constraint", "primary", "unique", "check", "foreign", NULL};
    mtnt__sql_token token = mtnt__sql_walk_next(walk);
    bool constraint = token.kind == MTNT__SQL_WORD && is_one_of(walk->text + token.start, token.length, constraints);
    phrase name = {.last = 0}, text = {.last = 0};
    mtnt__buffer line = {0};
    int depth = 0, rc;
    bool first = true;

    for (; token.kind != MTNT__SQL_END; token = mtnt__sql_walk_next(walk)) {
        if (depth == 0 && (token.kind == MTNT__SQL_CLOSE || walk->text[token.start] == ','))
            break;
        depth += token.kind == MTNT__SQL_OPEN ? 1 : token.kind == MTNT__SQL_CLOSE ? -1 : 0;
        add_token(first && !constraint ? &name : &text, walk->text, &token);
        first = false;
    }
    *ret_last = token.kind != MTNT__SQL_OTHER;
    if (constraint)
        add_head(&line, "constraint", table, NULL);
    else
        add_head(&line, "column", table, mtnt__buffer_text(&name.text));
    line.failed |= name.text.failed || text.text.failed;
    rc = put_line(catalogue, &line, mtnt__buffer_text(&text.text), err);
    mtnt__buffer_release(&name.text);
    mtnt__buffer_release(&text.text);
    return rc;
}

static int add_table(mtnt__catalogue *catalogue, const char *name, const char *sql, mtnt_error *err)
{
    mtnt__buffer line = {0};
    mtnt__sql_walk walk;
    mtnt__sql_token token;
    bool last = false;
    int rc = 0;

    mtnt__sql_walk_init(&walk, sql, MTNT_SQLITE);
    after_name(&walk, "table");
    token = mtnt__sql_walk_next(&walk);
    add_head(&line, "table", name, NULL);
    if (token.kind != MTNT__SQL_OPEN) {
        /* A virtual one: its arguments are its module's. */
        add_lower(&line, sql + token.start, token.length);
        return add_rest(catalogue, &walk, &line, "", err);
    }
    while (rc == 0 && !last)
        rc = add_part(catalogue, name, &walk, &last, err);
    if (rc == 0)
        return add_rest(catalogue, &walk, &line, NULL, err);
    mtnt__buffer_release(&line);
    return rc;
}

/* Tables of FTS, which the module makes, as its version does. */
static bool is_shadow(const char *name)
{
    static const char *const suffixes[] = {"_data",     "_idx",    "_content", "_docsize", "_config",
                                           "_segments", "_segdir", "_stat",    NULL};
    size_t length = strlen(name);

    for (const char *const *suffix = suffixes; *suffix != NULL; suffix++)
        if (length > strlen(*suffix) && strcmp(name + length - strlen(*suffix), *suffix) == 0)
            return true;
    return false;
}

/* Ours, SQLite's, and the books of other tools. */
static bool is_left_out(const char *table)
{
    static const char *const others[] = {"mtnt_meta",
                                         "mtnt_applied",
                                         "mtnt_decision",
                                         "goose_db_version",
                                         "schema_migrations",
                                         "schema_migration",
                                         "flyway_schema_history",
                                         "__diesel_schema_migrations",
                                         "db_migrations",
                                         "db_lock",
                                         NULL};

    return strncasecmp(table, "sqlite_", 7) == 0 || is_one_of(table, strlen(table), others);
}

int mtnt__catalogue_add_sqlite(mtnt__catalogue *catalogue, const char *type, const char *name, const char *table,
                               const char *sql, mtnt_error *err)
{
    mtnt__buffer line = {0};
    mtnt__sql_walk walk;
    mtnt__sql_token token;

    /* An index without a text is a constraint's. */
    if (sql[0] == '\0' || is_left_out(name) || is_left_out(table))
        return 0;
    if (strcmp(type, "table") == 0)
        /* SQLite writes the names of these in single quotes, and nobody else does. */
        return strncmp(sql, "CREATE TABLE '", 14) == 0 && is_shadow(name) ? 0 : add_table(catalogue, name, sql, err);
    add_head(&line, type, strcmp(type, "view") == 0 ? name : table, strcmp(type, "view") == 0 ? NULL : name);
    mtnt__sql_walk_init(&walk, sql, MTNT_SQLITE);
    (void)mtnt__sql_walk_next(&walk);
    token = mtnt__sql_walk_next(&walk);
    if (equals(sql, &token, "unique")) {
        after_name(&walk, type);
        return add_rest(catalogue, &walk, &line, "unique", err);
    }
    if (!equals(sql, &token, type))
        after_name(&walk, type);
    else
        (void)mtnt__sql_walk_next(&walk);
    return add_rest(catalogue, &walk, &line, NULL, err);
}
