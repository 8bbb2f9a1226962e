/* What scripts of other tools say about transactions. Ours holds a whole migration, both databases and the record of it: a BEGIN and COMMIT that a
 * script brings along would end it too early, and is what it gets anyhow. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sql_scan.h"
#include "config/formats/reader.h"

#define WORDS 6 /* of a statement's beginning that are looked at */

typedef enum kind {
    PLAIN,
    BEGIN,
    COMMIT,
    ROLLBACK,
    OTHER_CONTROL, /* an isolation level, a chain: it cannot be left out */
    SETTING,       /* PRAGMA foreign_keys: off in our transactions in any case, and looked at before they commit */
    OUTSIDE        /* what no transaction can hold */
} kind;

typedef struct statement {
    kind kind;
    size_t start, end;
} statement;

typedef struct survey {
    statement *statements;
    size_t count, size;
    bool readable; /* in that dialect */
    bool failed;   /* out of memory */
} survey;

typedef struct words {
    const char *text[WORDS];
    size_t length[WORDS];
    size_t count;
} words;

/* ---- statements ---- */

static bool is(const words *w, size_t index, const char *word)
{
    return index < w->count && strlen(word) == w->length[index] &&
           strncasecmp(w->text[index], word, w->length[index]) == 0;
}

static bool is_one_of(const words *w, size_t index, const char *const *list)
{
    for (; *list; list++)
        if (is(w, index, *list))
            return true;
    return false;
}

/* All words from the second on are of the list: nothing that would change what is meant. */
static bool adds_only(const words *w, const char *const *list)
{
    for (size_t i = 1; i < w->count; i++)
        if (!is_one_of(w, i, list))
            return false;
    return true;
}

static kind kind_of_control(const words *w)
{
    static const char *const begin_words[] = {"transaction", "work", "deferred", "immediate", "exclusive", NULL};
    static const char *const end_words[] = {"transaction", "work", NULL};

    if ((is(w, 0, "begin") || is(w, 0, "start")) && adds_only(w, begin_words))
        return BEGIN;
    if ((is(w, 0, "commit") || is(w, 0, "end")) && adds_only(w, end_words))
        return COMMIT;
    return is(w, 0, "rollback") && adds_only(w, end_words) ? ROLLBACK : OTHER_CONTROL;
}

static bool is_concurrent(const words *w)
{
    for (size_t i = 1; i < w->count; i++)
        if (is(w, i, "concurrently"))
            return true;
    return false;
}

static kind kind_of(const words *w)
{
    static const char *const settings[] = {"foreign_keys", "defer_foreign_keys", "legacy_alter_table", NULL};
    static const char *const wide[] = {"database", "tablespace", "subscription", NULL};
    static const char *const reindexed[] = {"schema", "database", "system", NULL};

    if (is(w, 0, "pragma"))
        return is_one_of(w, 1, settings) ? SETTING : PLAIN;
    if (is(w, 0, "vacuum") || (is(w, 0, "alter") && is(w, 1, "system")))
        return OUTSIDE;
    if ((is(w, 0, "create") || is(w, 0, "drop")) && is_one_of(w, 1, wide))
        return OUTSIDE;
    if (is(w, 0, "reindex") && (is_one_of(w, 1, reindexed) || is_concurrent(w)))
        return OUTSIDE;
    if ((is(w, 0, "create") || is(w, 0, "drop")) && (is(w, 1, "index") || is(w, 1, "unique")) && is_concurrent(w))
        return OUTSIDE;
    return PLAIN;
}

static statement *begin_statement(survey *s, size_t start)
{
    if (s->count == s->size) {
        size_t size = s->size ? s->size * 2 : 16;
        statement *statements = reallocarray(s->statements, size, sizeof(*statements));

        if (!statements) {
            s->failed = true;
            return NULL;
        }
        s->statements = statements;
        s->size = size;
    }
    s->statements[s->count] = (statement){PLAIN, start, start};
    return &s->statements[s->count++];
}

/* What stands in parentheses is no beginning: REINDEX (VERBOSE) DATABASE. */
static void add_word(words *w, const char *text, mtnt__sql_token token)
{
    if (w->count == WORDS)
        return;
    w->text[w->count] = text + token.start;
    w->length[w->count++] = token.length;
}

static void survey_as(survey *s, const char *text, mtnt_backend backend)
{
    mtnt__sql_walk walk;
    mtnt__sql_token token;
    statement *now = NULL;
    words w = {.count = 0};

    mtnt__sql_walk_init(&walk, text, backend);
    while ((token = mtnt__sql_walk_next(&walk)).kind != MTNT__SQL_END) {
        if (token.kind == MTNT__SQL_UNENDED)
            return;
        if (walk.starts) {
            w.count = 0;
            now = begin_statement(s, token.start);
            if (!now)
                return;
        }
        if (!now) /* an empty statement */
            continue;
        if (token.kind == MTNT__SQL_WORD && walk.parentheses == 0)
            add_word(&w, text, token);
        now->end = token.start + token.length;
        now->kind = walk.control && strcmp(walk.control, "ATTACH") != 0 && strcmp(walk.control, "DETACH") != 0
                        ? kind_of_control(&w)
                        : kind_of(&w);
        if (walk.ended)
            now = NULL;
    }
    s->readable = true;
}

static size_t count_of(const survey *s, kind wanted)
{
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++)
        count += s->statements[i].kind == wanted;
    return count;
}

static bool has_control(const survey *s)
{
    return count_of(s, BEGIN) + count_of(s, COMMIT) + count_of(s, ROLLBACK) + count_of(s, OTHER_CONTROL) > 0;
}

/* ---- a transaction of its own ---- */

/* Every BEGIN has its `end`, and there is nothing else of the kind. With `all`, nothing but settings stands outside of them. */
static bool is_paired(const survey *s, kind end, bool all)
{
    bool open = false;

    for (size_t i = 0; i < s->count; i++) {
        kind what = s->statements[i].kind;

        if (what == OTHER_CONTROL || ((what == COMMIT || what == ROLLBACK) && (what != end || !open)) ||
            (what == BEGIN && open) || what == OUTSIDE || (all && what == PLAIN && !open))
            return false;
        open = what == BEGIN || (open && what != end);
    }
    return !open;
}

/* Lines and columns stay. */
static void leave_out(mtnt__found_sql *sql, const survey *s)
{
    bool left = false;

    for (size_t i = 0; i < s->count; i++) {
        const statement *one = &s->statements[i];

        if (one->kind != BEGIN && one->kind != COMMIT && one->kind != ROLLBACK) {
            left = true;
            continue;
        }
        for (size_t at = one->start; at < one->end; at++)
            if (!mtnt__blank(sql->text[at]))
                sql->text[at] = ' ';
    }
    if (!left) /* "BEGIN; COMMIT;": there is nothing to do, which is no missing text */
        memcpy(sql->text + s->statements[0].start, "--", 2);
}

/* Outside a transaction is asked for what ours gives: foreign keys that are not looked at before the end. */
static bool may_come_in(const survey *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->statements[i].kind == OUTSIDE)
            return false;
    return count_of(s, SETTING) > 0;
}

static void settle_as(mtnt__found_sql *sql, const survey *s, kind end)
{
    if (has_control(s)) {
        if (!is_paired(s, end, sql->alone))
            return; /* the check of the SQL refuses it at its line */
        leave_out(sql, s);
        sql->alone = false;
    } else if (sql->alone && may_come_in(s)) {
        sql->alone = false;
    }
}

int mtnt__transactions_settle(mtnt__folder *folder, mtnt__found_direction direction, mtnt__found_sql *sql)
{
    kind end = direction == MTNT__FOUND_VERIFY ? ROLLBACK : COMMIT; /* what looks leaves nothing */
    survey postgres = {0}, sqlite = {0}, *chosen;

    survey_as(&postgres, sql->text, MTNT_POSTGRES);
    survey_as(&sqlite, sql->text, MTNT_SQLITE);
    chosen = &postgres;
    if (!postgres.readable || (sqlite.readable && has_control(&postgres) &&
                               (!has_control(&sqlite) || !is_paired(&postgres, end, sql->alone))))
        chosen = &sqlite;
    if (chosen->readable)
        settle_as(sql, chosen, end);
    free(postgres.statements);
    free(sqlite.statements);
    return postgres.failed || sqlite.failed ? mtnt__found_nomem(folder) : 0;
}

/* ---- for formats that do not say it ---- */

int mtnt__transactions_look(mtnt__folder *folder, const char *text, mtnt__found_kinds *ret_kinds)
{
    survey s = {0};

    survey_as(&s, text, MTNT_POSTGRES);
    if (!s.readable && !s.failed) {
        free(s.statements);
        s = (survey){0};
        survey_as(&s, text, MTNT_SQLITE);
    }
    *ret_kinds =
        (mtnt__found_kinds){.statements = s.count, .outside = count_of(&s, OUTSIDE), .settings = count_of(&s, SETTING)};
    for (size_t i = s.count; i > 0; i--)
        if (s.statements[i - 1].kind == OUTSIDE)
            ret_kinds->first_outside = s.statements[i - 1].start;
    free(s.statements);
    return s.failed ? mtnt__found_nomem(folder) : 0;
}

/* ---- values of an enum ---- */

/* ALTER TYPE … ADD VALUE [IF NOT EXISTS] 'value': how far a statement has come. */
enum { AT_ALTER, AT_TYPE, AT_ADD, AT_VALUE, AT_LITERAL };

static bool is_token(const char *text, mtnt__sql_token token, const char *word)
{
    return token.kind == MTNT__SQL_WORD && token.length == strlen(word) &&
           strncasecmp(text + token.start, word, token.length) == 0;
}

static int further(int state, const char *text, mtnt__sql_token token)
{
    static const char *const wanted[] = {"alter", "type", "add", "value"};

    if (state < AT_LITERAL && is_token(text, token, wanted[state]))
        return state + 1;
    return state == AT_TYPE || state == AT_VALUE ? AT_ALTER : state; /* the type's name stands before ADD */
}

const char *mtnt__transactions_added_value(const char *text, size_t *ret_length)
{
    mtnt__sql_walk walk;
    mtnt__sql_token token;
    int state = AT_ALTER;

    mtnt__sql_walk_init(&walk, text, MTNT_POSTGRES);
    while ((token = mtnt__sql_walk_next(&walk)).kind != MTNT__SQL_END && token.kind != MTNT__SQL_UNENDED) {
        if (walk.starts)
            state = AT_ALTER;
        if (state == AT_LITERAL && text[token.start] == '\'') {
            *ret_length = token.length;
            return text + token.start;
        }
        state = walk.starts || state > AT_ALTER ? further(state, text, token) : state;
    }
    return NULL;
}
