#include "chain/lint.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chain/chain.h"

/* ---- tables that were met ---- */

enum {
    MADE = 1u << 0,      /* by the operations at hand */
    COPIED = 1u << 1,    /* … and filled from a query */
    VALIDATED = 1u << 2, /* a constraint of it was */
    AWAY = 1u << 3,      /* another one is made under its name, which it leaves */
};

typedef struct met {
    char name[MTNT__ACT_NAME_SIZE];
    bool on_controller;
    uint32_t what;
} met;

typedef struct held {
    char table[MTNT__ACT_NAME_SIZE];
    mtnt__lint_mode mode;
} held;

/* What is known of the script at hand before it is judged: a rebuild shows only at its end. */
typedef struct renamed {
    char from[MTNT__ACT_NAME_SIZE], to[MTNT__ACT_NAME_SIZE];
} renamed;

typedef struct linting {
    const mtnt_lint_reader *reader;
    met *tables;
    size_t table_count, table_size;
    renamed *renames;
    size_t rename_count, rename_size;
    held *locks;
    size_t lock_count, lock_size;
    const mtnt__chain_entry *entry;
    mtnt_entry_sql script;
    mtnt_backend backend;
    bool outside;
} linting;

/* NULL = out of memory; the element is zero. */
static void *one_more(void **array, size_t *count, size_t *size, size_t element)
{
    if (*count == *size) {
        size_t more = *size == 0 ? 16 : *size * 2;
        void *bigger = reallocarray(*array, more, element);

        if (bigger == NULL)
            return NULL;
        *array = bigger;
        *size = more;
    }
    return memset((char *)*array + (*count)++ * element, 0, element);
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot == NULL ? name : dot + 1;
}

/* With a schema on one side only, the names alone are compared. */
static bool same_table(const char *a, const char *b)
{
    if (strchr(a, '.') != NULL && strchr(b, '.') != NULL)
        return strcmp(a, b) == 0;
    return strcmp(last_part(a), last_part(b)) == 0;
}

static met *find_table(const linting *l, const char *name)
{
    for (size_t i = 0; i < l->table_count; i++)
        if (l->tables[i].on_controller == l->script.on_controller && same_table(l->tables[i].name, name))
            return l->tables + i;
    return NULL;
}

static bool is_met(const linting *l, const char *name, uint32_t what)
{
    const met *table = find_table(l, name);

    return table != NULL && (table->what & what) == what;
}

static int note(linting *l, const char *name, uint32_t what, mtnt_error *err)
{
    met *table = find_table(l, name);

    if (table == NULL) {
        table = one_more((void **)&l->tables, &l->table_count, &l->table_size, sizeof(*l->tables));
        if (table == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        memcpy(table->name, name, sizeof(table->name));
        table->on_controller = l->script.on_controller;
    }
    table->what |= what;
    return 0;
}

/* ---- rules ---- */

static bool is_rename(const linting *l, const char *from, const char *to)
{
    for (size_t i = 0; i < l->rename_count; i++)
        if (same_table(l->renames[i].from, from) && (to == NULL || same_table(l->renames[i].to, to)))
            return true;
    return false;
}

/* A table of the script that was made and filled, and gets the name of this one. */
static bool is_rebuilt(const linting *l, const char *name)
{
    for (size_t i = 0; i < l->table_count; i++)
        if ((l->tables[i].what & (COPIED | AWAY)) == COPIED && is_rename(l, l->tables[i].name, name))
            return true;
    return false;
}

static bool holds(const linting *l, const mtnt__lint_rule *rule, const mtnt__sql_act *act)
{
    bool old = (act->flags & MTNT__ACT_TEMPORARY) == 0 && !is_met(l, act->table, MADE);

    switch (rule->when) {
    case MTNT__LINT_ALWAYS: return true;
    case MTNT__LINT_OLD: return old;
    case MTNT__LINT_INSIDE: return !l->outside;
    case MTNT__LINT_UNPROVEN: return old && !is_met(l, act->table, VALIDATED);
    case MTNT__LINT_REBUILD: return old && is_rebuilt(l, act->table);
    case MTNT__LINT_AWAY: return old && is_met(l, act->table, AWAY);
    case MTNT__LINT_FOREIGN_KEYS: return !l->outside && strcmp(act->table, "foreign_keys") == 0;
    }
    return false;
}

static bool separates(char c)
{
    return c == ' ' || c == ',' || c == '\t' || c == '\r';
}

static bool is_allowed(const linting *l, const mtnt__sql_act *act, const char *rule)
{
    for (size_t i = 0; i < act->allowed_count; i++) {
        const char *at = l->script.sql + act->allowed_start[i], *end = at + act->allowed_length[i];

        while (at < end) {
            const char *word = at;

            while (at < end && !separates(*at))
                at++;
            if ((size_t)(at - word) == strlen(rule) && strncmp(word, rule, strlen(rule)) == 0)
                return true;
            while (at < end && separates(*at))
                at++;
        }
    }
    return false;
}

static uint32_t line_of(const linting *l, size_t offset)
{
    uint32_t line = l->script.line;

    if (line == 0)
        return l->entry->line;
    for (size_t i = 0; i < offset; i++)
        line += l->script.sql[i] == '\n';
    return line;
}

static int warn(const linting *l, const mtnt__lint_rule *rule, const mtnt__sql_act *act, mtnt_error *err)
{
    const mtnt_lint_warning warning = {.rule = rule->name,
                                       .why = rule->why,
                                       .instead = rule->instead,
                                       .operation = l->entry->name,
                                       .order = l->entry->order,
                                       .on_controller = l->script.on_controller,
                                       .table = act->kind == MTNT__ACT_PRAGMA ? "" : act->table,
                                       .file = l->script.line == 0 ? l->entry->file : l->script.file,
                                       .line = line_of(l, act->start)};

    return l->reader->warning(l->reader->data, &warning, err);
}

static int judge(const linting *l, const mtnt__sql_act *act, mtnt_error *err)
{
    int dialect = l->backend == MTNT_POSTGRES ? MTNT__LINT_POSTGRES : MTNT__LINT_SQLITE, rc = 0;
    bool rebuilt = l->backend == MTNT_SQLITE && act->kind == MTNT__ACT_DROP_TABLE && is_rebuilt(l, act->table);

    for (const mtnt__lint_rule *rule = mtnt__lint_rules; rc == 0 && rule->name != NULL; rule++) {
        if (rule->kind != act->kind || (rule->dialects & dialect) == 0 || (act->flags & rule->with) != rule->with ||
            (act->flags & rule->without) != 0)
            continue;
        /* What was copied before is not lost. */
        if (rebuilt && rule->when != MTNT__LINT_REBUILD)
            continue;
        if (holds(l, rule, act) && !is_allowed(l, act, rule->name))
            rc = warn(l, rule, act, err);
    }
    return rc;
}

/* ---- locks ---- */

static int hold(linting *l, const char *table, mtnt__lint_mode mode, mtnt_error *err)
{
    held *lock = NULL;

    for (size_t i = 0; i < l->lock_count && lock == NULL; i++)
        if (strcmp(l->locks[i].table, table) == 0 &&
            (l->locks[i].mode == MTNT__LOCK_UNKNOWN) == (mode == MTNT__LOCK_UNKNOWN))
            lock = l->locks + i;
    if (lock == NULL) {
        lock = one_more((void **)&l->locks, &l->lock_count, &l->lock_size, sizeof(*l->locks));
        if (lock == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        memcpy(lock->table, table, sizeof(lock->table));
    }
    if (mode > lock->mode)
        lock->mode = mode;
    return 0;
}

/* How the statement begins, for one of which nothing is known. */
static void beginning(const linting *l, const mtnt__sql_act *act, char ret_text[MTNT__ACT_NAME_SIZE])
{
    const char *from = l->script.sql + act->start;
    size_t length = strcspn(from, "\r\n;"), at = 0;

    if (length > 40)
        length = 40;
    while (length > 0 && from[length] != '\0' && ((unsigned char)from[length] & 0xc0u) == 0x80u)
        length--;
    for (; at < length; at++)
        ret_text[at] = from[at];
    ret_text[at] = '\0';
}

static int hold_tables(linting *l, const mtnt__sql_act *act, mtnt_error *err)
{
    mtnt__lint_mode table, other;
    char begins[MTNT__ACT_NAME_SIZE] = "";
    int rc = 0;

    if (l->backend == MTNT_SQLITE)
        return mtnt__lint_writes_file(act) ? hold(l, begins, MTNT__LOCK_EXCLUSIVE, err) : 0;
    mtnt__lint_locks(act, &table, &other);
    if (table == MTNT__LOCK_UNKNOWN ||
        (table != MTNT__LOCK_NONE && act->table[0] == '\0' && table != MTNT__LOCK_ACCESS_SHARE)) {
        beginning(l, act, begins);
        return hold(l, begins, MTNT__LOCK_UNKNOWN, err);
    }
    if (table != MTNT__LOCK_NONE && act->table[0] != '\0' && !is_met(l, act->table, MADE))
        rc = hold(l, act->table, table, err);
    if (rc == 0 && other != MTNT__LOCK_NONE && act->other[0] != '\0' && !is_met(l, act->other, MADE))
        rc = hold(l, act->other, other, err);
    return rc;
}

static int give_locks(linting *l, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < l->lock_count && rc == 0; i++) {
        const mtnt_lint_lock lock = {l->entry->name, l->entry->order, l->script.on_controller,
                                     mtnt__lint_mode_name(l->locks[i].mode), l->locks[i].table};

        rc = l->reader->lock(l->reader->data, &lock, err);
    }
    l->lock_count = 0;
    return rc;
}

/* ---- scripts ---- */

static int look(void *data, const mtnt__sql_act *act, mtnt_error *err)
{
    linting *l = data;
    int rc = 0;

    if (act->kind == MTNT__ACT_RENAME_TABLE) {
        renamed *at = one_more((void **)&l->renames, &l->rename_count, &l->rename_size, sizeof(*l->renames));

        if (at == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        memcpy(at->from, act->table, sizeof(at->from));
        memcpy(at->to, act->other, sizeof(at->to));
    }
    /* A new table under a name that an old one has just left. */
    if (act->kind == MTNT__ACT_CREATE_TABLE && is_rename(l, act->table, NULL))
        rc = note(l, act->table, AWAY, err);
    if (rc == 0 && act->kind == MTNT__ACT_INSERT && (act->flags & MTNT__ACT_FROM_QUERY) != 0)
        rc = note(l, act->table, COPIED, err);
    return rc;
}

static int follow(void *data, const mtnt__sql_act *act, mtnt_error *err)
{
    linting *l = data;
    int rc = l->reader->warning == NULL ? 0 : judge(l, act, err);

    if (rc == 0 && l->reader->lock != NULL)
        rc = hold_tables(l, act, err);
    if (rc == 0 && (act->kind == MTNT__ACT_CREATE_TABLE || act->kind == MTNT__ACT_CREATE_PARTITION))
        rc = note(l, act->table, MADE, err);
    if (rc == 0 && act->kind == MTNT__ACT_VALIDATE_CONSTRAINT)
        rc = note(l, act->table, VALIDATED, err);
    if (rc == 0 && act->kind == MTNT__ACT_RENAME_TABLE && is_met(l, act->table, MADE))
        rc = note(l, act->other, MADE, err);
    return rc;
}

static int lint_script(linting *l, const mtnt_entry_sql *script, mtnt_error *err)
{
    int rc;

    l->script = *script;
    l->rename_count = 0;
    for (size_t i = 0; i < l->table_count; i++)
        l->tables[i].what &= MADE | VALIDATED;
    rc = mtnt__sql_acts(script->sql, l->backend, look, l, err);
    if (rc == 0)
        rc = mtnt__sql_acts(script->sql, l->backend, follow, l, err);
    return rc == 0 && l->reader->lock != NULL ? give_locks(l, err) : rc;
}

/* The text that runs on the side: the backend's own comes first. */
static const mtnt_entry_sql *choose(const mtnt__chain_entry *entry, bool on_controller, mtnt_backend backend)
{
    const mtnt_entry_sql *found = NULL;

    for (size_t i = 0; i < entry->sql_count; i++) {
        const mtnt_entry_sql *sql = entry->sql + i;

        if (sql->on_controller == on_controller &&
            (sql->backend == (int)backend || (sql->backend == 0 && found == NULL)))
            found = sql;
    }
    return found;
}

static int lint_side(linting *l, bool on_controller, int backend, mtnt_error *err)
{
    const mtnt_entry_sql shown = {.on_controller = on_controller,
                                  .sql = on_controller ? l->entry->controller_up : l->entry->model_up};
    const mtnt_entry_sql *script;

    if (backend == 0)
        return 0;
    l->backend = (mtnt_backend)backend;
    script = l->entry->sql_count == 0 ? &shown : choose(l->entry, on_controller, l->backend);
    return script == NULL || script->sql == NULL ? 0 : lint_script(l, script, err);
}

int mtnt_chain_lint(const mtnt_chain *chain, const size_t *indices, size_t count, int model_backend,
                    int controller_backend, const mtnt_lint_reader *reader, mtnt_error *err)
{
    linting l = {.reader = reader};
    int rc = 0;

    if (indices == NULL)
        count = chain->count;
    for (size_t i = 0; i < count && rc == 0; i++) {
        size_t index = indices == NULL ? i : indices[i];

        if (index >= chain->count) {
            rc = mtnt_error_set(err, MTNT_E_INVALID, "the chain has no operation at index %zu", index);
            break;
        }
        l.entry = chain->entries + index;
        l.outside = (l.entry->flags & MTNT_OPERATION_NO_TRANSACTION) != 0;
        if (indices == NULL && l.entry->disabled)
            continue;
        rc = lint_side(&l, false, model_backend, err);
        if (rc == 0)
            rc = lint_side(&l, true, controller_backend, err);
    }
    free(l.tables);
    free(l.renames);
    free(l.locks);
    return rc;
}

bool mtnt_lint_rule(size_t index, mtnt_lint_warning *ret_rule)
{
    const mtnt__lint_rule *rule = mtnt__lint_rules;

    while (rule->name != NULL && index > 0) {
        rule++;
        index--;
    }
    if (rule->name == NULL)
        return false;
    *ret_rule = (mtnt_lint_warning){
        .rule = rule->name, .why = rule->why, .instead = rule->instead, .operation = "", .table = ""};
    return true;
}
