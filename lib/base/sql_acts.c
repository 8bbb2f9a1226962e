#include "base/sql_acts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NONE SIZE_MAX

/* One statement, and a place in it. */
typedef struct reading {
    const char *text;
    mtnt_backend backend;
    mtnt__sql_token *tokens;
    size_t count, size;
    size_t at, end; /* tokens of the part at hand */
    mtnt__sql_act act;
    mtnt__sql_act_fn each;
    void *data;
    int rc; /* of the callback */
    mtnt_error *err;
} reading;

/* ---- tokens ---- */

static bool is_word(const reading *r, size_t at, const char *word)
{
    const mtnt__sql_token *token = r->tokens + at;

    return at < r->end && token->kind == MTNT__SQL_WORD && strlen(word) == token->length &&
           strncasecmp(r->text + token->start, word, token->length) == 0;
}

static bool is_sign(const reading *r, size_t at, char sign)
{
    return at < r->end && r->tokens[at].length == 1 && r->text[r->tokens[at].start] == sign;
}

static bool is_open(const reading *r, size_t at)
{
    return at < r->end && r->tokens[at].kind == MTNT__SQL_OPEN;
}

/* `words`: separated by blanks. They are passed over when all of them stand here. */
static bool pass(reading *r, const char *words)
{
    size_t at = r->at;

    while (*words != '\0') {
        size_t length = strcspn(words, " ");
        char word[32];

        if (length >= sizeof(word))
            return false;
        memcpy(word, words, length);
        word[length] = '\0';
        if (!is_word(r, at, word))
            return false;
        at++;
        words += length + (words[length] == ' ');
    }
    r->at = at;
    return true;
}

static size_t after_parentheses(const reading *r, size_t at)
{
    int depth = 0;

    for (; at < r->end; at++) {
        if (r->tokens[at].kind == MTNT__SQL_OPEN)
            depth++;
        else if (r->tokens[at].kind == MTNT__SQL_CLOSE && --depth <= 0)
            return at + 1;
    }
    return at;
}

/* The next place with that word outside of parentheses; NONE = there is none. */
static size_t find(const reading *r, size_t at, const char *word)
{
    while (at < r->end) {
        if (is_open(r, at)) {
            at = after_parentheses(r, at);
            continue;
        }
        if (is_word(r, at, word))
            return at;
        at++;
    }
    return NONE;
}

static bool has(const reading *r, const char *word)
{
    return find(r, r->at, word) != NONE;
}

/* ---- names ---- */

static char folded(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static void add_part(const reading *r, const mtnt__sql_token *token, char *name)
{
    const char *from = r->text + token->start;
    size_t length = token->length, at = strlen(name);
    bool quoted = token->kind == MTNT__SQL_OTHER && length >= 2, fold = !quoted || r->backend == MTNT_SQLITE;

    if (quoted) {
        from++;
        length -= 2;
    }
    while (length > 0 && at + 1 < MTNT__ACT_NAME_SIZE) {
        name[at] = *from++;
        if (fold && token->kind != MTNT__SQL_IDENTIFIER_NAME)
            name[at] = folded(name[at]);
        at++;
        length--;
    }
    /* Not between the bytes of a character. */
    while (length > 0 && at > 0 && ((unsigned char)*from & 0xc0u) == 0x80u)
        from = &name[--at];
    name[at] = '\0';
}

static bool names(const reading *r, size_t at)
{
    const mtnt__sql_token *token = r->tokens + at;

    if (at >= r->end)
        return false;
    if (token->kind == MTNT__SQL_WORD || token->kind == MTNT__SQL_IDENTIFIER_NAME)
        return true;
    return token->kind == MTNT__SQL_OTHER && token->length >= 2 && strchr("\"`[", r->text[token->start]) != NULL;
}

/* name, schema.name, database.schema.name */
static bool pass_name(reading *r, char name[MTNT__ACT_NAME_SIZE])
{
    name[0] = '\0';
    if (!names(r, r->at))
        return false;
    add_part(r, r->tokens + r->at++, name);
    while (is_sign(r, r->at, '.') && names(r, r->at + 1)) {
        const mtnt__sql_token dot = {MTNT__SQL_WORD, r->tokens[r->at].start, 1};

        add_part(r, &dot, name);
        add_part(r, r->tokens + r->at + 1, name);
        r->at += 2;
    }
    return true;
}

/* What may stand before a table's name. */
static bool pass_table(reading *r)
{
    (void)(pass(r, "if not exists") || pass(r, "if exists"));
    if (r->backend == MTNT_POSTGRES)
        (void)pass(r, "only");
    return pass_name(r, r->act.table);
}

/* ---- giving ---- */

static void give(reading *r, mtnt__sql_act_kind kind)
{
    r->act.kind = kind;
    if (r->rc == 0)
        r->rc = r->each(r->data, &r->act, r->err);
    r->act.flags = 0;
    r->act.other[0] = '\0';
}

static void flag(reading *r, uint32_t bit, bool on)
{
    if (on)
        r->act.flags |= bit;
}

static bool pass_flag(reading *r, const char *words, uint32_t bit)
{
    bool there = pass(r, words);

    flag(r, bit, there);
    return there;
}

/* a, b, c: an act for each, with the flags that are set. */
static void give_names(reading *r, mtnt__sql_act_kind kind)
{
    uint32_t flags = r->act.flags;

    do {
        if (r->backend == MTNT_POSTGRES)
            (void)pass(r, "only");
        if (!pass_name(r, r->act.table))
            break;
        if (is_sign(r, r->at, '*'))
            r->at++;
        if (is_open(r, r->at))
            r->at = after_parentheses(r, r->at); /* arguments, columns */
        r->act.flags = flags;
        give(r, kind);
    } while (is_sign(r, r->at, ',') && ++r->at < r->end);
}

/* ---- create ---- */

/* REFERENCES, at any depth: the foreign keys of a table that is being made. */
static void give_references(reading *r)
{
    for (size_t at = r->at; at + 1 < r->end; at++) {
        if (!is_word(r, at, "references"))
            continue;
        r->at = at + 1;
        if (pass_name(r, r->act.other))
            give(r, MTNT__ACT_CREATE_REFERENCE);
        at = r->at - 1;
    }
}

static void create_table(reading *r, bool temporary)
{
    if (!pass_table(r)) {
        give(r, MTNT__ACT_UNKNOWN);
        return;
    }
    if (pass(r, "partition of") && pass_name(r, r->act.other)) {
        give(r, MTNT__ACT_CREATE_PARTITION);
        return;
    }
    flag(r, MTNT__ACT_TEMPORARY, temporary);
    give(r, MTNT__ACT_CREATE_TABLE);
    give_references(r);
}

static void create_index(reading *r)
{
    size_t on;

    (void)pass_flag(r, "concurrently", MTNT__ACT_CONCURRENTLY);
    on = find(r, r->at, "on");
    if (on == NONE) {
        give(r, MTNT__ACT_UNKNOWN);
        return;
    }
    r->at = on + 1;
    give(r, pass_table(r) ? MTNT__ACT_CREATE_INDEX : MTNT__ACT_UNKNOWN);
}

/* CREATE TRIGGER … ON table, CREATE RULE … TO table, CREATE STATISTICS … FROM table */
static void create_on(reading *r, const char *word, mtnt__sql_act_kind kind)
{
    size_t on = find(r, r->at, word);

    r->at = on == NONE ? r->end : on + 1;
    give(r, pass_table(r) ? kind : MTNT__ACT_UNKNOWN);
}

static void create(reading *r)
{
    bool temporary;

    (void)pass(r, "or replace");
    (void)(pass(r, "global") || pass(r, "local"));
    temporary = pass(r, "temp") || pass(r, "temporary");
    (void)(pass(r, "unlogged") || pass(r, "virtual") || pass(r, "constraint"));
    if (pass_flag(r, "unique", MTNT__ACT_UNIQUE) || is_word(r, r->at, "index")) {
        (void)pass(r, "index");
        create_index(r);
    } else if (pass(r, "table")) {
        create_table(r, temporary);
    } else if (pass(r, "trigger")) {
        create_on(r, "on", MTNT__ACT_CREATE_TRIGGER);
    } else if (pass(r, "rule")) {
        create_on(r, "to", MTNT__ACT_CREATE_RULE);
    } else if (pass(r, "policy")) {
        create_on(r, "on", MTNT__ACT_CREATE_RULE);
    } else if (pass(r, "statistics")) {
        create_on(r, "from", MTNT__ACT_CREATE_STATISTICS);
    } else if (pass(r, "database") || pass(r, "tablespace") || pass(r, "subscription")) {
        give(r, MTNT__ACT_ALONE);
    } else {
        give(r, MTNT__ACT_NOTHING);
    }
}

/* ---- alter table ---- */

/* Functions that give every row the same; a function that is not known here may give each its own, as it may unless it says otherwise. */
static bool is_steady(const reading *r, size_t at)
{
    static const char *const steady[] = {"now",
                                         "current_timestamp",
                                         "current_date",
                                         "current_time",
                                         "localtimestamp",
                                         "localtime",
                                         "lower",
                                         "upper",
                                         "coalesce",
                                         "to_timestamp",
                                         "to_date",
                                         "date_trunc",
                                         "timezone",
                                         "jsonb_build_array",
                                         "md5",
                                         "jsonb_build_object",
                                         "json_build_object",
                                         "make_interval",
                                         "make_date",
                                         "left",
                                         "right",
                                         "length",
                                         "char_length",
                                         "transaction_timestamp",
                                         "array_fill",
                                         "int4range",
                                         "tstzrange",
                                         "daterange",
                                         "current_setting",
                                         "numeric",
                                         "varchar",
                                         "char",
                                         "decimal",
                                         "timestamp",
                                         "timestamptz",
                                         "time",
                                         "interval",
                                         "bit",
                                         "abs",
                                         "round",
                                         NULL};

    for (size_t i = 0; steady[i] != NULL; i++)
        if (is_word(r, at, steady[i]))
            return true;
    return false;
}

/* What follows a column's name: its type, and what is said of it. */
static void read_column(reading *r)
{
    static const char *const counting[] = {"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2", NULL};
    size_t fallback = find(r, r->at, "default"), end = fallback;

    for (size_t i = 0; counting[i] != NULL; i++)
        if (is_word(r, r->at, counting[i]))
            r->act.flags |= MTNT__ACT_COMPUTED | MTNT__ACT_DEFAULT;
    for (size_t at = r->at; at + 1 < r->end; at++) {
        flag(r, MTNT__ACT_NOT_NULL, is_word(r, at, "not") && is_word(r, at + 1, "null"));
        flag(r, MTNT__ACT_NOT_NULL, is_word(r, at, "primary") && is_word(r, at + 1, "key"));
    }
    flag(r, MTNT__ACT_UNIQUE, has(r, "unique") || has(r, "primary"));
    if (has(r, "generated") && (has(r, "stored") || has(r, "identity")))
        r->act.flags |= MTNT__ACT_COMPUTED | MTNT__ACT_DEFAULT;
    else if (has(r, "generated") || (has(r, "as") && r->backend == MTNT_SQLITE))
        r->act.flags |= MTNT__ACT_DEFAULT;
    if (fallback == NONE || is_word(r, fallback + 1, "null"))
        return;
    r->act.flags |= MTNT__ACT_DEFAULT;
    while (end + 1 < r->end && !is_word(r, end, "check") && !is_word(r, end, "references")) {
        flag(r, MTNT__ACT_COMPUTED, r->tokens[end].kind == MTNT__SQL_WORD && is_open(r, end + 1) && !is_steady(r, end));
        end++;
    }
}

static void add_constraint(reading *r)
{
    char ignored[MTNT__ACT_NAME_SIZE];
    size_t references = find(r, r->at, "references");

    if (pass(r, "constraint"))
        (void)pass_name(r, ignored);
    flag(r, MTNT__ACT_NOT_VALID, has(r, "valid"));
    flag(r, MTNT__ACT_USING_INDEX, has(r, "using") && has(r, "index"));
    if (pass(r, "foreign key") && references != NONE) {
        r->at = references + 1;
        (void)pass_name(r, r->act.other);
        give(r, MTNT__ACT_ADD_FOREIGN_KEY);
    } else if (pass(r, "check") || pass(r, "not null")) {
        give(r, MTNT__ACT_ADD_CHECK);
    } else if (pass(r, "unique") || pass(r, "primary key") || pass(r, "exclude")) {
        give(r, MTNT__ACT_ADD_UNIQUE);
    } else {
        give(r, MTNT__ACT_ALTER_TABLE);
    }
}

static void add(reading *r)
{
    static const char *const constraints[] = {"constraint", "foreign", "check", "unique", "primary", "exclude", NULL};
    char ignored[MTNT__ACT_NAME_SIZE];
    size_t references;

    for (size_t i = 0; constraints[i] != NULL; i++)
        if (is_word(r, r->at, constraints[i])) {
            add_constraint(r);
            return;
        }
    (void)pass(r, "column");
    (void)pass(r, "if not exists");
    (void)pass_name(r, ignored);
    references = find(r, r->at, "references");
    read_column(r);
    give(r, MTNT__ACT_ADD_COLUMN);
    if (references == NONE)
        return;
    r->at = references + 1;
    if (pass_name(r, r->act.other))
        give(r, MTNT__ACT_CREATE_REFERENCE); /* of a column in which nothing is yet */
}

static void alter_column(reading *r)
{
    char ignored[MTNT__ACT_NAME_SIZE];

    (void)pass(r, "column");
    (void)pass_name(r, ignored);
    if (pass(r, "type") || pass(r, "set data type")) {
        bool text = is_word(r, r->at, "text") || is_word(r, r->at, "varchar") || is_word(r, r->at, "character");

        flag(r, MTNT__ACT_TO_TEXT, text && !has(r, "using"));
        give(r, MTNT__ACT_ALTER_TYPE);
    } else if (pass(r, "set not null")) {
        give(r, MTNT__ACT_SET_NOT_NULL);
    } else if (pass(r, "set statistics") || (is_word(r, r->at, "set") && is_open(r, r->at + 1)) || pass(r, "reset")) {
        give(r, MTNT__ACT_TUNE_TABLE);
    } else {
        give(r, MTNT__ACT_ALTER_TABLE);
    }
}

static void rename_part(reading *r)
{
    if (pass(r, "to")) {
        (void)pass_name(r, r->act.other);
        give(r, MTNT__ACT_RENAME_TABLE);
    } else {
        give(r, pass(r, "constraint") ? MTNT__ACT_ALTER_TABLE : MTNT__ACT_RENAME_COLUMN);
    }
}

static void set_part(reading *r)
{
    if (pass(r, "logged") || pass(r, "unlogged") || pass(r, "tablespace") || pass(r, "access method"))
        give(r, MTNT__ACT_REWRITE_TABLE);
    else
        give(r, is_open(r, r->at) || pass(r, "without cluster") ? MTNT__ACT_TUNE_TABLE : MTNT__ACT_ALTER_TABLE);
}

static void alter_part(reading *r)
{
    r->act.start = r->tokens[r->at].start;
    if (pass(r, "add")) {
        add(r);
    } else if (pass(r, "drop")) {
        give(r, is_word(r, r->at, "constraint") ? MTNT__ACT_ALTER_TABLE : MTNT__ACT_DROP_COLUMN);
    } else if (pass(r, "alter")) {
        if (pass(r, "constraint"))
            give(r, MTNT__ACT_ALTER_TABLE);
        else
            alter_column(r);
    } else if (pass(r, "rename")) {
        rename_part(r);
    } else if (pass(r, "validate constraint")) {
        give(r, MTNT__ACT_VALIDATE_CONSTRAINT);
    } else if (pass(r, "attach partition")) {
        (void)pass_name(r, r->act.other);
        give(r, MTNT__ACT_ATTACH_PARTITION);
    } else if (pass(r, "detach partition")) {
        (void)pass_name(r, r->act.other);
        flag(r, MTNT__ACT_CONCURRENTLY, pass(r, "concurrently"));
        give(r, MTNT__ACT_DETACH_PARTITION);
    } else if (pass(r, "set")) {
        set_part(r);
    } else if (pass(r, "reset") || pass(r, "cluster on")) {
        give(r, MTNT__ACT_TUNE_TABLE);
    } else {
        (void)(pass(r, "enable") || pass(r, "disable"));
        (void)(pass(r, "replica") || pass(r, "always"));
        give(r, is_word(r, r->at, "trigger") ? MTNT__ACT_SWITCH_TRIGGER : MTNT__ACT_ALTER_TABLE);
    }
}

static void alter_table(reading *r)
{
    size_t end = r->end;

    if (!pass_table(r)) {
        give(r, MTNT__ACT_UNKNOWN);
        return;
    }
    if (is_sign(r, r->at, '*'))
        r->at++;
    while (r->at < end) {
        size_t comma = r->at;

        r->end = end;
        while (comma < end && !is_sign(r, comma, ','))
            comma = is_open(r, comma) ? after_parentheses(r, comma) : comma + 1;
        r->end = comma < end ? comma : end;
        if (r->at < r->end)
            alter_part(r);
        r->at = comma + 1;
    }
    r->end = end;
}

static void alter(reading *r)
{
    if (pass(r, "foreign table") || pass(r, "table")) {
        alter_table(r);
    } else if (pass(r, "index")) {
        give(r, pass_table(r) ? MTNT__ACT_ALTER_INDEX : MTNT__ACT_UNKNOWN);
    } else if (pass(r, "system") || pass(r, "database")) {
        give(r, MTNT__ACT_ALONE);
    } else if (pass(r, "view") || pass(r, "materialized view") || pass(r, "sequence")) {
        give(r, pass_table(r) ? MTNT__ACT_ALTER_TABLE : MTNT__ACT_UNKNOWN);
    } else if (pass(r, "trigger") || pass(r, "policy") || pass(r, "rule")) {
        create_on(r, "on", MTNT__ACT_CREATE_RULE);
    } else {
        give(r, MTNT__ACT_NOTHING);
    }
}

/* ---- the rest ---- */

static void drop(reading *r)
{
    static const struct {
        const char *words;
        mtnt__sql_act_kind kind;
    } kinds[] = {{"table", MTNT__ACT_DROP_TABLE},     {"foreign table", MTNT__ACT_DROP_TABLE},
                 {"index", MTNT__ACT_DROP_INDEX},     {"schema", MTNT__ACT_DROP_SCHEMA},
                 {"view", MTNT__ACT_DROP_VIEW},       {"materialized view", MTNT__ACT_DROP_VIEW},
                 {"trigger", MTNT__ACT_DROP_TRIGGER}, {"policy", MTNT__ACT_DROP_TRIGGER},
                 {"rule", MTNT__ACT_DROP_TRIGGER},    {"database", MTNT__ACT_ALONE},
                 {"tablespace", MTNT__ACT_ALONE},     {"subscription", MTNT__ACT_ALONE}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!pass(r, kinds[i].words))
            continue;
        if (kinds[i].kind == MTNT__ACT_ALONE) {
            give(r, MTNT__ACT_ALONE);
        } else if (kinds[i].kind == MTNT__ACT_DROP_TRIGGER) {
            size_t on = find(r, r->at, "on");

            r->at = on == NONE ? r->at : on + 1;
            (void)pass_table(r);
            give(r, kinds[i].kind);
        } else {
            (void)pass_flag(r, "concurrently", MTNT__ACT_CONCURRENTLY);
            (void)pass(r, "if exists");
            give_names(r, kinds[i].kind);
        }
        return;
    }
    give(r, MTNT__ACT_NOTHING);
}

static void insert(reading *r)
{
    if (pass(r, "or"))
        r->at++;
    if (!pass(r, "into") || !pass_name(r, r->act.table)) {
        give(r, MTNT__ACT_UNKNOWN);
        return;
    }
    flag(r, MTNT__ACT_FROM_QUERY, has(r, "select") || has(r, "with") || has(r, "table"));
    give(r, MTNT__ACT_INSERT);
}

static void update(reading *r)
{
    if (r->backend == MTNT_SQLITE && pass(r, "or"))
        r->at++;
    if (!pass_table(r)) {
        give(r, MTNT__ACT_UNKNOWN);
        return;
    }
    flag(r, MTNT__ACT_WHERE, has(r, "where"));
    give(r, MTNT__ACT_UPDATE);
}

static void delete (reading *r)
{
    if (!pass(r, "from") || !pass_table(r)) {
        give(r, MTNT__ACT_UNKNOWN);
        return;
    }
    flag(r, MTNT__ACT_WHERE, has(r, "where"));
    give(r, MTNT__ACT_DELETE);
}

static void select_rows(reading *r)
{
    size_t lock = find(r, r->at, "for"), from = find(r, r->at, "from");
    bool locks = lock != NONE && (is_word(r, lock + 1, "update") || is_word(r, lock + 1, "share") ||
                                  is_word(r, lock + 1, "no") || is_word(r, lock + 1, "key"));

    if (from != NONE) {
        r->at = from + 1;
        (void)pass_table(r);
    }
    give(r, locks ? MTNT__ACT_SELECT_FOR_UPDATE : MTNT__ACT_SELECT);
}

/* WITH a AS (DELETE FROM … RETURNING …) INSERT INTO …: all that write, wherever they stand; SELECT when none does. */
static void with(reading *r)
{
    size_t end = r->end;
    bool writes = false;

    for (size_t at = r->at; at < end; at++) {
        bool starts = at > r->at && (is_open(r, at - 1) || r->tokens[at - 1].kind == MTNT__SQL_CLOSE);
        size_t place = r->at;

        if (!starts)
            continue;
        r->at = at + 1;
        if (is_open(r, at - 1))
            r->end = after_parentheses(r, at - 1);
        writes = writes || is_word(r, at, "insert") || is_word(r, at, "update") || is_word(r, at, "delete");
        if (is_word(r, at, "insert"))
            insert(r);
        else if (is_word(r, at, "update"))
            update(r);
        else if (is_word(r, at, "delete"))
            delete (r);
        r->end = end;
        r->at = place;
    }
    if (!writes)
        give(r, MTNT__ACT_SELECT);
}

static void copy(reading *r)
{
    bool named = !is_open(r, r->at) && pass_name(r, r->act.table);

    give(r, named && has(r, "from") ? MTNT__ACT_INSERT : MTNT__ACT_SELECT);
}

static void lock_table(reading *r)
{
    size_t in = find(r, r->at, "in"), mode = find(r, r->at, "mode"), end = r->end;
    char words[MTNT__ACT_NAME_SIZE] = "";

    (void)pass(r, "table");
    for (size_t at = in == NONE ? NONE : in + 1; mode != NONE && at < mode; at++) {
        const mtnt__sql_token blank = {MTNT__SQL_WORD, r->tokens[at].start, 0};

        if (words[0] != '\0' && strlen(words) + 2 < sizeof(words))
            memcpy(words + strlen(words), " ", 2);
        add_part(r, r->tokens[at].kind == MTNT__SQL_WORD ? r->tokens + at : &blank, words);
    }
    r->end = in == NONE ? end : in;
    do {
        (void)pass(r, "only");
        if (!pass_name(r, r->act.table))
            break;
        memcpy(r->act.other, words, sizeof(words));
        give(r, MTNT__ACT_LOCK_TABLE);
    } while (is_sign(r, r->at, ',') && ++r->at < r->end);
    r->end = end;
}

/* VACUUM, REINDEX, ANALYZE: options in parentheses or as words, then names, or none for all. */
static void maintain(reading *r, mtnt__sql_act_kind kind)
{
    if (is_open(r, r->at)) {
        size_t after = after_parentheses(r, r->at);

        for (size_t at = r->at; at < after; at++) {
            flag(r, MTNT__ACT_FULL, is_word(r, at, "full") && !is_word(r, at + 1, "false"));
            flag(r, MTNT__ACT_CONCURRENTLY, is_word(r, at, "concurrently"));
        }
        r->at = after;
    }
    while (pass_flag(r, "full", MTNT__ACT_FULL) || pass_flag(r, "concurrently", MTNT__ACT_CONCURRENTLY) ||
           pass(r, "freeze") || pass(r, "verbose") || pass(r, "analyze") || pass(r, "table") || pass(r, "index") ||
           pass(r, "schema") || pass(r, "database") || pass(r, "system"))
        ;
    if (names(r, r->at))
        give_names(r, kind);
    else
        give(r, kind);
}

static void cluster(reading *r)
{
    (void)pass(r, "verbose");
    (void)pass_name(r, r->act.table);
    give(r, MTNT__ACT_CLUSTER);
}

static void refresh(reading *r)
{
    (void)pass(r, "materialized view");
    (void)pass_flag(r, "concurrently", MTNT__ACT_CONCURRENTLY);
    give(r, pass_name(r, r->act.table) ? MTNT__ACT_REFRESH_VIEW : MTNT__ACT_UNKNOWN);
}

static void pragma(reading *r)
{
    char name[MTNT__ACT_NAME_SIZE];
    const char *dot;

    (void)pass_name(r, name);
    dot = strrchr(name, '.');
    memcpy(r->act.table, dot == NULL ? name : dot + 1, strlen(dot == NULL ? name : dot + 1) + 1);
    flag(r, MTNT__ACT_ASSIGNS, is_sign(r, r->at, '=') || is_open(r, r->at));
    give(r, MTNT__ACT_PRAGMA);
}

static void truncate_tables(reading *r)
{
    (void)pass(r, "table");
    give_names(r, MTNT__ACT_TRUNCATE);
}

static void nothing(reading *r)
{
    give(r, MTNT__ACT_NOTHING);
}

static void vacuum(reading *r)
{
    maintain(r, MTNT__ACT_VACUUM);
}

static void reindex(reading *r)
{
    maintain(r, MTNT__ACT_REINDEX);
}

static void analyze(reading *r)
{
    maintain(r, MTNT__ACT_ANALYZE);
}

static const struct verb {
    const char *word;
    void (*read)(reading *r);
} verbs[] = {
    {"create", create},      {"alter", alter},       {"drop", drop},
    {"insert", insert},      {"update", update},     {"delete", delete},
    {"select", select_rows}, {"with", with},         {"truncate", truncate_tables},
    {"copy", copy},          {"lock", lock_table},   {"vacuum", vacuum},
    {"reindex", reindex},    {"cluster", cluster},   {"refresh", refresh},
    {"analyze", analyze},    {"pragma", pragma},     {"merge", insert},
    {"replace", insert},     {"values", nothing},    {"explain", nothing},
    {"set", nothing},        {"reset", nothing},     {"show", nothing},
    {"comment", nothing},    {"grant", nothing},     {"revoke", nothing},
    {"notify", nothing},     {"savepoint", nothing}, {"release", nothing},
    {"rollback", nothing},   {"security", nothing},  {"discard", nothing},
    {"deallocate", nothing}, {"prepare", nothing},   {"listen", nothing},
    {"unlisten", nothing},   {"begin", nothing},     {"commit", nothing},
    {"end", nothing},        {"start", nothing},     {"table", nothing},
};

static void read_statement(reading *r)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (pass(r, verbs[i].word)) {
            verbs[i].read(r);
            return;
        }
    give(r, MTNT__ACT_UNKNOWN);
}

/* ---- the walk ---- */

/* Between two tokens there is nothing but blanks and comments. */
static void look_for_allowed(reading *r, size_t from, size_t to)
{
    static const char mark[] = "mtnt:allow";
    const size_t length = sizeof(mark) - 1;

    for (size_t at = from; at + length < to; at++) {
        size_t end = at + length;

        if (strncmp(r->text + at, mark, length) != 0 || r->act.allowed_count == MTNT__ACT_ALLOWED_MAX)
            continue;
        while (end < to && r->text[end] != '\n' && strncmp(r->text + end, "*/", 2) != 0)
            end++;
        r->act.allowed_start[r->act.allowed_count] = at + length;
        r->act.allowed_length[r->act.allowed_count++] = end - at - length;
        at = end;
    }
}

static int keep(reading *r, const mtnt__sql_token *token)
{
    if (r->count == r->size) {
        size_t size = r->size == 0 ? 64 : 2 * r->size;
        mtnt__sql_token *bigger = reallocarray(r->tokens, size, sizeof(*bigger));

        if (bigger == NULL)
            return mtnt_error_set(r->err, MTNT_E_NOMEM, "out of memory");
        r->tokens = bigger;
        r->size = size;
    }
    r->tokens[r->count++] = *token;
    return 0;
}

/* The statement that has been kept; `after`: where its text ends. */
static int end_statement(reading *r, size_t after)
{
    if (r->count == 0)
        return 0;
    r->at = 0;
    r->end = r->count;
    r->act.start = r->tokens[0].start;
    r->act.table[0] = r->act.other[0] = '\0';
    r->act.flags = 0;
    look_for_allowed(r, after, after + strcspn(r->text + after, "\n"));
    read_statement(r);
    r->act.statement++;
    r->act.allowed_count = 0;
    r->count = 0;
    return r->rc;
}

int mtnt__sql_acts(const char *text, mtnt_backend backend, mtnt__sql_act_fn each, void *data, mtnt_error *err)
{
    reading r = {.text = text, .backend = backend, .each = each, .data = data, .err = err};
    mtnt__sql_walk walk;
    mtnt__sql_token token;
    size_t before = 0;
    int rc = 0;

    mtnt__sql_walk_init(&walk, text, backend);
    do {
        token = mtnt__sql_walk_next(&walk);
        if (walk.starts)
            rc = end_statement(&r, before);
        look_for_allowed(&r, before, token.start);
        before = token.start + token.length;
        if (token.kind == MTNT__SQL_END || token.kind == MTNT__SQL_UNENDED)
            break;
        if (rc == 0 && walk.ended) {
            size_t line = before + strcspn(text + before, "\n");

            rc = end_statement(&r, before);
            /* What stands behind it on its line is its own. */
            if (strncmp(text + before + strspn(text + before, " \t"), "--", 2) == 0)
                before = line;
        } else if (rc == 0 && !(r.count == 0 && token.kind == MTNT__SQL_SEMICOLON)) {
            rc = keep(&r, &token);
        }
    } while (rc == 0);
    if (rc == 0)
        rc = end_statement(&r, before);
    free(r.tokens);
    return rc;
}
