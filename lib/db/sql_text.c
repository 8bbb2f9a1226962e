#include "db/sql_text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "db/backend.h"

void mtnt__sql_release(mtnt__sql *sql)
{
    free(sql->text);
    free(sql->pieces);
    free(sql->statements);
    memset(sql, 0, sizeof(*sql));
}

/* ---- quoting ---- */

static void add_doubled(mtnt__buffer *buffer, const char *text, char quote)
{
    for (const char *from = text;;) {
        const char *next = strchr(from, quote);

        if (!next) {
            mtnt__buffer_add_text(buffer, from);
            return;
        }
        mtnt__buffer_add(buffer, from, (size_t)(next - from) + 1);
        mtnt__buffer_add(buffer, &quote, 1);
        from = next + 1;
    }
}

/* With backslashes it has to be E'…' for PostgreSQL, which is right whatever standard_conforming_strings is. */
static void add_escaped(mtnt__buffer *buffer, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            mtnt__buffer_add(buffer, text, 1);
        mtnt__buffer_add(buffer, text, 1);
    }
}

void mtnt__sql_add_literal(mtnt__buffer *buffer, mtnt_backend backend, const char *text)
{
    if (backend == MTNT_POSTGRES && strchr(text, '\\')) {
        mtnt__buffer_add_text(buffer, " E'");
        add_escaped(buffer, text);
    } else {
        mtnt__buffer_add_text(buffer, " '");
        add_doubled(buffer, text, '\'');
    }
    mtnt__buffer_add_text(buffer, "' ");
}

void mtnt__sql_add_identifier(mtnt__buffer *buffer, const char *text)
{
    mtnt__buffer_add_text(buffer, " \"");
    add_doubled(buffer, text, '"');
    mtnt__buffer_add_text(buffer, "\" ");
}

/* ---- positions ---- */

size_t mtnt__sql_source_offset(const mtnt__sql *sql, size_t offset)
{
    size_t start = 0, source = 0; /* the end of the last piece before offset */

    for (size_t i = 0; i < sql->piece_count; i++) {
        const mtnt__sql_piece *piece = &sql->pieces[i];

        if (offset < piece->start)
            break;
        if (offset < piece->start + piece->length)
            return piece->source_start;
        start = piece->start + piece->length;
        source = piece->source_start + piece->source_length;
    }
    return source + (offset - start);
}

static uint32_t characters(const char *text, size_t length)
{
    uint32_t count = 0;

    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0u) != 0x80u;
    return count;
}

static void copy_line(char *target, size_t size, const char *line)
{
    size_t length = strcspn(line, "\r\n");
    char text[1024];

    if (length >= sizeof(text))
        length = sizeof(text) - 1;
    memcpy(text, line, length);
    text[length] = '\0';
    mtnt__text_copy(target, size, text);
}

void mtnt__sql_locate(const mtnt_script *script, size_t offset, mtnt_error *err)
{
    size_t length = strlen(script->sql), line_start = 0;
    uint32_t line = script->line, column;

    if (!err)
        return;
    if (offset > length)
        offset = length;
    for (size_t i = 0; i < offset; i++) {
        if (script->sql[i] == '\n') {
            line_start = i + 1;
            line += script->line > 0;
        }
    }
    column = characters(script->sql + line_start, offset - line_start) + 1;
    if (line_start == 0 && script->column > 1)
        column += script->column - 1;
    copy_line(err->statement, sizeof(err->statement), script->sql + line_start);
    mtnt_error_at(err, script->file, line, script->line > 0 ? column : 0);
}

/* ---- expansion ---- */

/* Everything of one mtnt__sql_init. */
typedef struct expansion {
    const mtnt_script *script;
    mtnt_backend backend;
    mtnt__sql *sql;
    mtnt__buffer text;
    size_t copied; /* the source is in `text` up to here */
    mtnt_error *err;
} expansion;

/* One more element in an array of `size` elements, which grows. NULL = out of memory. */
static void *grow(void *array, size_t count, size_t *size, size_t element)
{
    size_t more = *size ? *size * 2 : 16;
    void *grown;

    if (count < *size)
        return array;
    grown = reallocarray(array, more, element);
    if (grown)
        *size = more;
    return grown;
}

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

/* Puts what `text` has gained since `start` in the place of a stretch of the source. */
static int add_piece(expansion *x, size_t start, size_t source_start, size_t source_length)
{
    mtnt__sql *sql = x->sql;
    mtnt__sql_piece *pieces = grow(sql->pieces, sql->piece_count, &sql->piece_size, sizeof(*pieces));

    if (!pieces || x->text.failed) {
        if (pieces)
            sql->pieces = pieces; /* it may have moved */
        return out_of_memory(x->err);
    }
    sql->pieces = pieces;
    pieces[sql->piece_count++] = (mtnt__sql_piece){start, x->text.length - start, source_start, source_length};
    x->copied = source_start + source_length;
    return MTNT_OK;
}

static int add_statement(expansion *x, size_t source_start)
{
    mtnt__sql *sql = x->sql;
    size_t *statements = grow(sql->statements, sql->statement_count, &sql->statement_size, sizeof(*statements));

    if (!statements)
        return out_of_memory(x->err);
    sql->statements = statements;
    statements[sql->statement_count++] = x->text.length + (source_start - x->copied);
    return MTNT_OK;
}

static int refuse_at(expansion *x, int code, size_t offset, const char *format, ...) MTNT_PRINTF(4, 5);
static int refuse_at(expansion *x, int code, size_t offset, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    mtnt_error_setv(x->err, code, format, arguments);
    va_end(arguments);
    mtnt__sql_locate(x->script, offset, x->err);
    return code;
}

static int add_value(expansion *x, const mtnt__sql_token *token, const char *value)
{
    if (token->kind == MTNT__SQL_LITERAL_NAME) {
        mtnt__sql_add_literal(&x->text, x->backend, value);
        return MTNT_OK;
    }
    if (*value == '\0')
        return refuse_at(x, MTNT_E_CONFIG, token->start, "the value for an identifier is empty");
    if (x->backend == MTNT_POSTGRES && strlen(value) > MTNT__POSTGRES_NAME_MAX)
        return refuse_at(x, MTNT_E_CONFIG, token->start,
                         "an identifier of more than %d bytes would be cut by PostgreSQL: %s", MTNT__POSTGRES_NAME_MAX,
                         value);
    mtnt__sql_add_identifier(&x->text, value);
    return MTNT_OK;
}

/* :'name' or :"name": the source up to it, and its value. */
static int expand_name(expansion *x, const mtnt__sql_token *token)
{
    const char *source = x->script->sql, *value;
    char name[128];
    size_t length = token->length - 3, start; /* without the colon and the quotes */
    int rc;

    if (length >= sizeof(name))
        return refuse_at(x, MTNT_E_CONFIG, token->start, "the name is too long");
    memcpy(name, source + token->start + 2, length);
    name[length] = '\0';
    value = x->script->variable ? x->script->variable(x->script->variable_data, name) : NULL;
    if (!value)
        return refuse_at(x, MTNT_E_CONFIG, token->start, "unknown name %.*s", (int)token->length,
                         source + token->start);
    mtnt__buffer_add(&x->text, source + x->copied, token->start - x->copied);
    start = x->text.length;
    rc = add_value(x, token, value);
    if (rc != 0)
        return rc;
    return add_piece(x, start, token->start, token->length);
}

static int refuse_unended(expansion *x, const mtnt__sql_token *token)
{
    const char *at = x->script->sql + token->start, *what = "a string";

    if (*at == '/')
        what = "a comment";
    else if (*at == '"' || *at == '`' || *at == '[')
        what = "a quoted identifier";
    else if (*at == '$')
        what = "a dollar-quoted text";
    return refuse_at(x, MTNT_E_CONFIG, token->start, "%s begins here and does not end", what);
}

static int refuse_control(expansion *x, int code, const mtnt__sql_walk *walk)
{
    if (strcmp(walk->control, "ATTACH") == 0 || strcmp(walk->control, "DETACH") == 0)
        return refuse_at(x, code, walk->statement_start,
                         "%s is not for operations: which databases take part is decided outside", walk->control);
    return refuse_at(
        x, code, walk->statement_start,
        "%s is not for operations: the transaction around them is begun and ended outside (SAVEPOINT is fine)",
        walk->control);
}

/* psql's and sqlite3's own commands are no SQL, on no database. */
static bool is_shell_command(const expansion *x, const mtnt__sql_walk *walk, const mtnt__sql_token *token)
{
    const char *sql = x->script->sql, *at = sql + token->start;

    if (token->kind != MTNT__SQL_OTHER)
        return false;
    return *at == '\\' || (*at == '.' && walk->starts && (at == sql || at[-1] == '\n'));
}

static int refuse_shell_command(expansion *x, const mtnt__sql_token *token)
{
    const char *at = x->script->sql + token->start;

    return refuse_at(x, MTNT_E_CONFIG, token->start,
                     "`%.*s` is a command of %s, which is not run here: only SQL can be part of an operation",
                     (int)strcspn(at, " \t\r\n;"), at, *at == '.' ? "sqlite3's shell" : "psql");
}

/* The whole walk. With `names` false the names are left alone. */
static int walk_script(expansion *x, int control_code, bool names)
{
    mtnt__sql_walk walk;
    mtnt__sql_token token;
    int rc = MTNT_OK;

    mtnt__sql_walk_init(&walk, x->script->sql, x->backend);
    do {
        token = mtnt__sql_walk_next(&walk);
        if (walk.starts)
            rc = add_statement(x, token.start);
        if (rc == 0 && walk.control && control_code != 0)
            rc = refuse_control(x, control_code, &walk);
        else if (rc == 0 && token.kind == MTNT__SQL_UNENDED)
            rc = refuse_unended(x, &token);
        else if (rc == 0 && is_shell_command(x, &walk, &token))
            rc = refuse_shell_command(x, &token);
        else if (rc == 0 && names && (token.kind == MTNT__SQL_LITERAL_NAME || token.kind == MTNT__SQL_IDENTIFIER_NAME))
            rc = expand_name(x, &token);
    } while (rc == 0 && token.kind != MTNT__SQL_END);
    return rc;
}

static int expand(mtnt__sql *ret_sql, const mtnt_script *script, mtnt_backend backend, int control_code, bool names,
                  mtnt_error *err)
{
    expansion x = {.script = script, .backend = backend, .sql = ret_sql, .err = err};
    const char *sql = script->sql;
    int rc = MTNT_OK;

    memset(ret_sql, 0, sizeof(*ret_sql));
    if (strncmp(sql, "\xef\xbb\xbf", 3) == 0)
        rc = add_piece(&x, 0, 0, 3); /* a byte order mark is no SQL */
    if (rc == 0)
        rc = walk_script(&x, control_code, names);
    if (rc != 0)
        goto out;
    mtnt__buffer_add_text(&x.text, sql + x.copied);
    ret_sql->length = x.text.length;
    ret_sql->text = mtnt__buffer_take(&x.text);
    if (!ret_sql->text)
        rc = out_of_memory(err);
out:
    mtnt__buffer_release(&x.text);
    if (rc != 0)
        mtnt__sql_release(ret_sql);
    return rc;
}

int mtnt__sql_init(mtnt__sql *ret_sql, const mtnt_script *script, mtnt_backend backend, int control_code,
                   mtnt_error *err)
{
    return expand(ret_sql, script, backend, control_code, true, err);
}

int mtnt_script_check(const mtnt_script *script, mtnt_backend backend, mtnt_error *err)
{
    mtnt__sql sql;
    int rc;

    if (!script || !script->sql)
        return mtnt_error_set(err, MTNT_E_INVALID, "a script without text");
    rc = expand(&sql, script, backend, MTNT_E_CONFIG, script->variable != NULL, err);
    if (rc == 0)
        mtnt__sql_release(&sql);
    return rc;
}

int mtnt__sql_check_single(const char *sql, mtnt_backend backend, mtnt_error *err)
{
    mtnt_script script = {.sql = sql};
    expansion x = {.script = &script, .backend = backend, .err = err};
    mtnt__sql_walk walk;
    mtnt__sql_token token;
    int statements = 0;
    size_t second = 0;

    mtnt__sql_walk_init(&walk, sql, backend);
    do {
        token = mtnt__sql_walk_next(&walk);
        if (walk.control)
            return refuse_control(&x, MTNT_E_INVALID, &walk);
        if (walk.starts && ++statements == 2)
            second = token.start;
    } while (token.kind != MTNT__SQL_END);
    if (statements == 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "no statement");
    if (statements > 1)
        return refuse_at(&x, MTNT_E_INVALID, second, "more than one statement: a script is for that");
    return MTNT_OK;
}

/* ---- what a script may leave behind ---- */

static bool is_one_of(const char *text, const mtnt__sql_token *token, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == token->length && strncasecmp(text + token->start, *words, token->length) == 0)
            return true;
    return false;
}

bool mtnt__sql_is_plain_definition(const mtnt__sql *sql)
{
    static const char *const begins[] = {"create", "alter", "drop", "comment", "grant", "revoke", NULL};
    /* What runs a query, or a function: CREATE TABLE AS, a trigger's EXECUTE, a column's USING. */
    static const char *const runs[] = {"select",  "with",       "values", "execute", "using",
                                       "default", "set_config", "as",     NULL};
    mtnt__sql_walk walk;
    mtnt__sql_token token;

    mtnt__sql_walk_init(&walk, sql->text, MTNT_POSTGRES);
    while ((token = mtnt__sql_walk_next(&walk)).kind != MTNT__SQL_END) {
        if (token.kind == MTNT__SQL_UNENDED || (walk.starts && !is_one_of(sql->text, &token, begins)))
            return false;
        if (token.kind == MTNT__SQL_WORD && is_one_of(sql->text, &token, runs))
            return false;
    }
    return true;
}
