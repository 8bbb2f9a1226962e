/* tables: several tables in one line each, created together and dropped in reverse, or the other way round. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common.h"

typedef struct config {
    char **tables; /* "name(columns)", without white space around */
    char **names;  /* as they are written there, quotes included */
    size_t count;
    bool drop;
} config;

static void config_free(void *owned)
{
    config *tables = owned;

    if (tables == NULL)
        return;
    mtnt__operations_list_free(tables->tables);
    mtnt__operations_list_free(tables->names);
    free(tables);
}

/* ---- "name(columns)" ---- */

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Behind the closing quote; a doubled quote is part of what it stands in. NULL: it does not end. */
static const char *skip_quoted(const char *text)
{
    char quote = *text;

    for (text++; *text != '\0'; text++) {
        if (*text != quote)
            continue;
        if (text[1] != quote)
            return text + 1;
        text++;
    }
    return NULL;
}

/* Behind the identifier; NULL: there is none. */
static const char *skip_name(const char *text)
{
    const char *end;

    if (*text == '"') {
        end = skip_quoted(text);
        return end != NULL && end > text + 2 ? end : NULL;
    }
    if (!letter(*text))
        return NULL;
    while (letter(*text) || digit(*text) || *text == '$')
        text++;
    return text;
}

/* Behind the bracket that closes the one at `text`. NULL and a reason: there is none, or the columns are no mere columns. */
static const char *skip_columns(const char *text, const char **ret_reason)
{
    int depth = 0;

    while (*text != '\0') {
        if (*text == '\'' || *text == '"') {
            text = skip_quoted(text);
            if (text == NULL) {
                *ret_reason = "a quote does not end";
                return NULL;
            }
            continue;
        }
        if (*text == ';' || strncmp(text, "--", 2) == 0 || strncmp(text, "/*", 2) == 0) {
            *ret_reason = "statements and comments belong into an operation of kind sql";
            return NULL;
        }
        if (*text == '(')
            depth++;
        else if (*text == ')' && --depth == 0)
            return text + 1;
        text++;
    }
    *ret_reason = "a bracket does not close";
    return NULL;
}

static const char *skip_white(const char *text)
{
    return text + strspn(text, " \t\r\n");
}

/* How long the name is that the text begins with, and the table in all. NULL, or what is wrong with it. */
static const char *parse(const char *text, size_t *ret_name_length, size_t *ret_length)
{
    const char *reason = NULL, *name_end, *end;

    name_end = skip_name(text);
    if (name_end == NULL)
        return "it does not begin with a name";
    if (*skip_white(name_end) == '.')
        return "a schema is not possible here: the tables are made in the model";
    if (*skip_white(name_end) != '(')
        return "the columns in brackets are missing";
    end = skip_columns(skip_white(name_end), &reason);
    if (end == NULL)
        return reason;
    if (*skip_white(end) != '\0')
        return "there is more behind the columns";
    *ret_name_length = (size_t)(name_end - text);
    *ret_length = (size_t)(end - text);
    return NULL;
}

static int add_table(config *tables, const char *text, const mtnt_entry *entry, mtnt_error *err)
{
    size_t name_length = 0, length = 0, i;
    const char *reason;

    text = skip_white(text);
    reason = parse(text, &name_length, &length);
    if (reason != NULL)
        return mtnt__operations_refuse(err, entry, "tables", "table %zu `%s`: %s; it should read `name(columns)`",
                                       tables->count + 1, text, reason);
    for (i = 0; i < tables->count; i++)
        if (strncasecmp(tables->names[i], text, name_length) == 0 && tables->names[i][name_length] == '\0')
            return mtnt__operations_refuse(err, entry, "tables", "table %zu: the name `%s` is taken by table %zu",
                                           tables->count + 1, tables->names[i], i + 1);
    tables->tables[tables->count] = strndup(text, length);
    tables->names[tables->count] = strndup(text, name_length);
    if (tables->tables[tables->count] == NULL || tables->names[tables->count] == NULL)
        return mtnt__operations_nomem(err);
    tables->count++;
    return 0;
}

static int config_new(config **ret_config, const mtnt_tables_options *options, const mtnt_entry *entry, mtnt_error *err)
{
    config *tables = calloc(1, sizeof(*tables));
    size_t count = 0;
    int rc = 0;

    while (options->tables != NULL && options->tables[count] != NULL)
        count++;
    if (tables == NULL)
        return mtnt__operations_nomem(err);
    tables->drop = options->drop;
    tables->tables = calloc(count + 1, sizeof(*tables->tables));
    tables->names = calloc(count + 1, sizeof(*tables->names));
    if (tables->tables == NULL || tables->names == NULL)
        rc = mtnt__operations_nomem(err);
    else if (count == 0)
        rc = mtnt__operations_refuse(err, entry, "tables", "there are no tables");
    while (rc == 0 && tables->count < count)
        rc = add_table(tables, options->tables[tables->count], entry, err);
    if (rc != 0) {
        config_free(tables);
        return rc;
    }
    *ret_config = tables;
    return 0;
}

/* ---- running ---- */

/* All statements of one direction, a line each. */
static void append_statements(mtnt__operations_text *sql, const config *tables, bool create)
{
    size_t i;

    for (i = 0; i < tables->count; i++) {
        if (create)
            mtnt__operations_append(sql, "CREATE TABLE %s;\n", tables->tables[i]);
        else
            mtnt__operations_append(sql, "DROP TABLE %s;\n", tables->names[tables->count - 1 - i]);
    }
}

static int run(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, bool create, mtnt_error *err)
{
    mtnt__operations_text sql = {NULL, false};
    mtnt_sql_text text = {NULL, NULL, 0, 0};
    mtnt_script script;
    int rc;

    append_statements(&sql, mtnt_operation_config(operation), create);
    if (sql.failed)
        return mtnt__operations_nomem(err);
    text.sql = sql.text;
    script = mtnt__operations_script(&text, model);
    rc = mtnt_db_script(mtnt_scope_model(context), &script, err);
    free(sql.text);
    return rc;
}

static int tables_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const config *tables = mtnt_operation_config(operation);

    return run(operation, context, model, !tables->drop, err);
}

static int tables_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const config *tables = mtnt_operation_config(operation);

    return run(operation, context, model, tables->drop, err);
}

static const mtnt_operation_class tables_class = {
    MTNT_OPERATION_CLASS_INIT,   .name = "tables", .writes = MTNT_WRITES_MODEL, .execute = tables_execute,
    .rollback = tables_rollback,
};

/* ---- adding ---- */

int mtnt_operation_add_tables(mtnt_chain *chain, const mtnt_tables_options *options, const mtnt_entry *entry,
                              mtnt_error *err)
{
    mtnt__operations_text checksum = {NULL, false}, model_up = {NULL, false};
    mtnt_entry made = mtnt__operations_entry(entry);
    config *tables = NULL;
    size_t i;
    int rc;

    rc = config_new(&tables, options, entry, err);
    if (rc != 0)
        goto out;
    mtnt__operations_append(&checksum, "tables %s\n", tables->drop ? "drop" : "create");
    for (i = 0; i < tables->count; i++)
        mtnt__operations_append_sql(&checksum, "table", tables->tables[i]);
    append_statements(&model_up, tables, !tables->drop);
    if (checksum.failed || model_up.failed) {
        rc = mtnt__operations_nomem(err);
        goto out;
    }
    made.config = tables;
    made.config_free = config_free;
    made.checksum = checksum.text;
    made.writes = MTNT_WRITES_MODEL;
    made.model_up = model_up.text;
    if (!mtnt__operations_sql_names(model_up.text))
        made.flags |= MTNT_OPERATION_SAME_FOR_ALL;
    rc = mtnt_chain_add_entry(chain, &tables_class, &made, err);
    tables = NULL; /* the chain's, also when it refused the entry */
out:
    config_free(tables);
    free(checksum.text);
    free(model_up.text);
    return rc;
}
