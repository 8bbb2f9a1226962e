/* What an operation's statements may not do: end the transaction, attach databases, change how durable the connection is, or
 * touch the other side of a pair. SQLite asks while it compiles, so nothing of a refused statement has run. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "db/sqlite.h"

static int deny(mtnt__sqlite *s, const char *format, ...) MTNT_PRINTF(2, 3);
static int deny(mtnt__sqlite *s, const char *format, ...)
{
    va_list arguments;

    if (s->denial[0] == '\0') {
        va_start(arguments, format);
        vsnprintf(s->denial, sizeof(s->denial), format, arguments);
        va_end(arguments);
    }
    return SQLITE_DENY;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

static int judge_pragma(mtnt__sqlite *s, const char *name, const char *argument)
{
    static const char *const ours[] = {"journal_mode", "synchronous", "locking_mode", "query_only", NULL};
    static const char *const questions[] = {
        "table_info",       "table_xinfo",       "table_list",      "index_list",  "index_info", "index_xinfo",
        "foreign_key_list", "foreign_key_check", "integrity_check", "quick_check", NULL};

    if (!argument || is_one_of(name, questions))
        return SQLITE_OK;
    if (is_one_of(name, ours) || (s->controller_path && strcasecmp(name, "writable_schema") == 0))
        return deny(s, "PRAGMA %s is not for operations: the commit protocol depends on it", name);
    s->settings_touched = s->marked = true;
    return SQLITE_OK;
}

/* Table-valued functions count as tables of main, and hold nothing. */
static bool is_function(const char *table)
{
    static const char *const functions[] = {"json_each",   "json_tree",   "generate_series", "dbstat",
                                            "sqlite_stmt", "tables_used", "bytecode",        NULL};

    return strncasecmp(table, "pragma_", 7) == 0 || is_one_of(table, functions);
}

static bool is_schema_table(const char *table)
{
    static const char *const names[] = {"sqlite_master", "sqlite_schema", NULL};

    return is_one_of(table, names);
}

/* Declaring a virtual table's columns compiles an UPDATE of main's schema table that never runs. What really changes a schema is
 * told by other actions too, except under PRAGMA writable_schema, which a pair does not have. */
static bool means_nothing(int action, const char *table, const char *column)
{
    if (action == SQLITE_READ && is_function(table))
        return true;
    return is_schema_table(table) &&
           (action == SQLITE_UPDATE || (action == SQLITE_READ && strcmp(column ? column : "", "ROWID") == 0));
}

static int refuse_side(mtnt__sqlite *s, const char *name, bool schema_change)
{
    bool controller = s->call.side == MTNT__SIDE_CONTROLLER;

    if (schema_change)
        return controller
                   ? deny(s,
                          "the statement would change the model's tables, and this is the controller's handle: write "
                          "controller. before the name")
                   : deny(s, "the statement would change the controller's tables, and this is the model's handle");
    if (!controller)
        return deny(s, "`%s` is the controller's, and this is the model's handle: use the controller's", name);
    if (s->denied_name[0] == '\0')
        mtnt__text_copy(s->denied_name, sizeof(s->denied_name), name);
    return deny(s, "`%s` would be the model's here, and this is the controller's handle: write controller.%s", name,
                name);
}

/* Whether what the statement touches is on the handle's side. */
static int judge_side(mtnt__sqlite *s, int action, const char *first, const char *second, const char *schema)
{
    const char *own = s->call.side == MTNT__SIDE_CONTROLLER ? MTNT__CONTROLLER_SCHEMA : MTNT__MODEL_SCHEMA;
    const char *name = first ? first : "";

    if (action == SQLITE_ALTER_TABLE) {
        schema = first;
        name = second ? second : "";
    }
    if (!schema || strcasecmp(schema, own) == 0 || strcasecmp(schema, "temp") == 0 ||
        means_nothing(action, name, second))
        return SQLITE_OK;
    return refuse_side(s, name, is_schema_table(name) && action != SQLITE_READ);
}

static int authorize(void *data, int action, const char *first, const char *second, const char *schema,
                     const char *trigger)
{
    mtnt__sqlite *s = data;

    (void)trigger;
    if (!s->guarded)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_TRANSACTION:
        if (s->vacuuming)
            return SQLITE_OK;
        return deny(
            s, "%s is not for operations: the transaction around them is begun and ended outside (SAVEPOINT is fine)",
            first ? first : "it");
    case SQLITE_ATTACH:
        /* VACUUM attaches a database without a name to itself; the text of the SQL has been searched for ATTACH before. */
        if (s->call.alone && first && first[0] == '\0') {
            s->vacuuming = true;
            return SQLITE_OK;
        }
        /* fall through */
    case SQLITE_DETACH:
        return deny(s, "ATTACH and DETACH are not for operations: which databases take part is decided outside");
    case SQLITE_PRAGMA: return judge_pragma(s, first, second);
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE: s->written = true; break;
    default: break;
    }
    return s->controller_path ? judge_side(s, action, first, second, schema) : SQLITE_OK;
}

/* Settings that outlive a transaction and need no SQL. */
static const int switches[MTNT__SQLITE_SWITCHES] = {
    SQLITE_DBCONFIG_ENABLE_TRIGGER,     SQLITE_DBCONFIG_ENABLE_VIEW,    SQLITE_DBCONFIG_WRITABLE_SCHEMA,
    SQLITE_DBCONFIG_LEGACY_ALTER_TABLE, SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_DEFENSIVE,
};

void mtnt__sqlite_install_guard(mtnt__sqlite *s)
{
    for (int i = 0; i < MTNT__SQLITE_SWITCHES; i++)
        sqlite3_db_config(s->raw, switches[i], -1, &s->switches[i]);
    sqlite3_set_authorizer(s->raw, authorize, s);
}

static bool exists_in_controller(mtnt__sqlite *s, const char *name)
{
    sqlite3_stmt *statement = NULL;
    bool found = false;

    s->guarded = false;
    if (sqlite3_prepare_v2(s->raw, "SELECT 1 FROM controller.sqlite_schema WHERE name = ?1 COLLATE NOCASE", -1,
                           &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        found = sqlite3_step(statement) == SQLITE_ROW;
    }
    sqlite3_finalize(statement);
    return found;
}

/* The refusal as an error. */
int mtnt__sqlite_denied(mtnt__sqlite *s, mtnt_error *err)
{
    int rc;

    if (s->controller_path && s->call.side == MTNT__SIDE_CONTROLLER && s->denied_name[0] &&
        exists_in_controller(s, s->denied_name))
        rc = mtnt_error_set(err, MTNT_E_INVALID,
                            "`%s` exists on both sides: the model's would be meant; write controller.%s",
                            s->denied_name, s->denied_name);
    else
        rc = mtnt_error_set(err, MTNT_E_INVALID, "%s", s->denial);
    if (err)
        mtnt__text_copy(err->state, sizeof(err->state), "SQLITE_AUTH");
    return rc;
}

/* Settings of the connection that outlive a transaction, back to what they are after opening. */
int mtnt__sqlite_reset_settings(mtnt__sqlite *s, mtnt_error *err)
{
    int rc;

    for (int i = 0; i < MTNT__SQLITE_SWITCHES; i++)
        sqlite3_db_config(s->raw, switches[i], s->switches[i], NULL);
    rc = mtnt__sqlite_exec(s,
                           "PRAGMA reverse_unordered_selects = 0; PRAGMA ignore_check_constraints = 0; "
                           "PRAGMA case_sensitive_like = 0; PRAGMA automatic_index = 1; PRAGMA cell_size_check = 0; "
                           "PRAGMA recursive_triggers = 0",
                           err);
    if (rc == 0)
        s->settings_touched = false;
    return rc;
}
