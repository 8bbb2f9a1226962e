#include "state/foreign/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/sql_text.h"
#include "state/queries.h"

#define MAX_LISTED 5

/* A new tool is a file with its class, and a line here. */
static const mtnt__foreign_class *const classes[] = {
    &mtnt__foreign_goose, &mtnt__foreign_dbmate, &mtnt__foreign_golang_migrate,
    &mtnt__foreign_morph, &mtnt__foreign_flyway, &mtnt__foreign_diesel,
    &mtnt__foreign_pop,   &mtnt__foreign_sqitch, NULL,
};

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

/* ---- statements ---- */

static void add_name(mtnt__buffer *text, const char *name, const char *mark, size_t length)
{
    char whole[128];

    snprintf(whole, sizeof(whole), "%s%.*s", name, (int)length, mark);
    mtnt__sql_add_identifier(text, whole);
}

/* {table} and {name…}; {schema} is the handle's to expand. */
static char *expand(const mtnt__foreign_table *t, const char *sql)
{
    mtnt__buffer text = {0};

    while (*sql != '\0') {
        size_t length = strcspn(sql, "{"), end;

        mtnt__buffer_add(&text, sql, length);
        sql += length;
        end = strcspn(sql, "}");
        if (strncmp(sql, "{table}", 7) == 0) {
            if (!t->class->registry)
                mtnt__buffer_add_text(&text, "{schema}.");
            add_name(&text, t->own != NULL ? "main" : t->name, "", 0);
        } else if (strncmp(sql, "{name", 5) == 0 && sql[end] == '}') {
            add_name(&text, t->name, sql + 5, end - 5);
        } else {
            end = *sql == '\0' ? 0 : 1;
            mtnt__buffer_add(&text, sql, end);
            sql += end;
            continue;
        }
        sql += end + 1;
    }
    return mtnt__buffer_take(&text);
}

int mtnt__foreign_query(mtnt__foreign_table *t, mtnt_row_fn each, mtnt_error *err, const char *sql,
                        const mtnt_value *values)
{
    char *text = expand(t, sql);
    int rc = text == NULL ? out_of_memory(err) : mtnt__db_run(t->db, each, t, err, text, values);

    free(text);
    return rc;
}

int mtnt__foreign_script(mtnt__foreign_table *t, mtnt_error *err, const char *sql)
{
    char *text = expand(t, sql);
    int rc = text == NULL ? out_of_memory(err) : mtnt__db_run_script(t->db, err, text);

    free(text);
    return rc;
}

static int read_version(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *version = mtnt_row_text(row, 0);

    return version == NULL ? 0 : mtnt__foreign_says(data, version, version, true, NULL, err);
}

int mtnt__foreign_read_versions(mtnt__foreign_table *t, const char *sql, mtnt_error *err)
{
    return mtnt__foreign_query(t, read_version, err, sql, NULL);
}

int mtnt__foreign_run_version(mtnt__foreign_table *t, const char *sql, const mtnt__chain_entry *entry, mtnt_error *err)
{
    const mtnt_value version[] = {mtnt_value_text(entry->origin->version), mtnt_value_end()};

    return mtnt__foreign_query(t, NULL, err, sql, version);
}

/* ---- matching ---- */

static bool is_whose(const mtnt__foreign_class *class, const mtnt__chain_entry *entry)
{
    return entry->origin != NULL && strcmp(entry->origin->tool, class->tool) == 0;
}

static int compare(const mtnt__foreign_class *class, const char *a, const char *b)
{
    return class->compare != NULL ? class->compare(a, b) : strcmp(a, b);
}

const mtnt__chain_entry *mtnt__foreign_find(const mtnt__foreign_table *t, const char *version, const char *name)
{
    for (size_t i = 0; i < t->whole->count; i++) {
        const mtnt__chain_entry *entry = t->whole->entries + i;
        const mtnt__origin *origin = entry->origin;

        if (!is_whose(t->class, entry))
            continue;
        if (version == NULL && name != NULL && origin->repeatable && mtnt__text_equal(origin->name, name))
            return entry;
        if (version != NULL && t->class->by_id && mtnt__text_equal(origin->id, version))
            return entry;
        if (version != NULL && !t->class->by_id && !origin->repeatable &&
            compare(t->class, origin->version, version) == 0)
            return entry;
    }
    return NULL;
}

void mtnt__foreign_mark_entry(mtnt__foreign_table *t, const mtnt__chain_entry *entry, bool applied,
                              const char *checksum)
{
    mtnt__foreign_mark *mark = t->marks + (entry - t->whole->entries);

    mark->word = applied ? MTNT__FOREIGN_APPLIED : MTNT__FOREIGN_PENDING;
    mtnt__text_copy(mark->checksum, sizeof(mark->checksum), applied && checksum != NULL ? checksum : "");
}

static void forget_unknown(mtnt__foreign_table *t, const char *shown)
{
    for (size_t i = 0; i < t->unknown_count; i++)
        if (strcmp(t->unknown[i], shown) == 0) {
            free(t->unknown[i]);
            t->unknown[i] = t->unknown[--t->unknown_count];
            return;
        }
}

int mtnt__foreign_says(mtnt__foreign_table *t, const char *version, const char *shown, bool applied,
                       const char *checksum, mtnt_error *err)
{
    const mtnt__chain_entry *entry = mtnt__foreign_find(t, version, NULL);
    char **unknown;

    if (entry != NULL) {
        mtnt__foreign_mark_entry(t, entry, applied, checksum);
        return 0;
    }
    forget_unknown(t, shown);
    if (!applied)
        return 0;
    unknown = reallocarray(t->unknown, t->unknown_count + 1, sizeof(char *));
    if (unknown == NULL)
        return out_of_memory(err);
    t->unknown = unknown;
    unknown[t->unknown_count] = strdup(shown);
    return unknown[t->unknown_count] == NULL ? out_of_memory(err) : (t->unknown_count++, 0);
}

int mtnt__foreign_says_up_to(mtnt__foreign_table *t, const char *version, bool known, mtnt_error *err)
{
    for (size_t i = 0; i < t->whole->count; i++) {
        const mtnt__chain_entry *entry = t->whole->entries + i;

        if (is_whose(t->class, entry) && !entry->origin->repeatable &&
            compare(t->class, entry->origin->version, version) <= 0)
            mtnt__foreign_mark_entry(t, entry, true, NULL);
    }
    return known ? mtnt__foreign_says(t, version, version, true, NULL, err) : 0;
}

void mtnt__foreign_note(mtnt__foreign_table *t, const char *format, ...)
{
    va_list arguments;
    char text[200];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    mtnt__buffer_add_format(&t->note, "%s%s", t->note.length > 0 ? "; " : "", text);
}

/* ---- one table ---- */

static void release(mtnt__foreign_table *t)
{
    for (size_t i = 0; i < t->unknown_count; i++)
        free(t->unknown[i]);
    free(t->unknown);
    free(t->marks);
    mtnt__buffer_release(&t->note);
    mtnt__db_close(t->own);
    *t = (mtnt__foreign_table){0};
}

/* Its columns, with a bar around each. */
static int read_column(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *name = mtnt_row_text(row, 0);

    (void)err;
    mtnt__buffer_add_format(data, "|%s|", name == NULL ? "" : name);
    return 0;
}

static bool has_column(const mtnt__buffer *columns, const char *name)
{
    char wanted[80];

    snprintf(wanted, sizeof(wanted), "|%s|", name);
    return strstr(mtnt__buffer_text(columns), wanted) != NULL;
}

static int wrong_table(const mtnt__foreign_table *t, const char *whose, mtnt_error *err)
{
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "the table %s is %s, and the chain's folder is of format %s: is another format meant? Nothing "
        "was changed",
        t->name, whose, t->class->tool);
}

static int look_for(mtnt__foreign_table *t, const char *name, bool *ret_there, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(name), mtnt_value_end()};
    const mtnt__foreign_class *class = t->class;
    mtnt__buffer columns = {0};
    char whose[80];
    int rc = mtnt__db_run(t->db, read_column, &columns, err, MTNT__QUERY_FOR(t->db, foreign_columns), values);

    if (rc == 0 && columns.failed)
        rc = out_of_memory(err);
    if (rc != 0 || columns.length == 0)
        goto out;
    t->name = name;
    snprintf(whose, sizeof(whose), "%s's (it has a column `%s`)", class->other_tool, class->other);
    if (class->other != NULL && has_column(&columns, class->other))
        rc = wrong_table(t, whose, err);
    else if (!has_column(&columns, class->column) && name == class->former)
        goto out; /* a usual word, and another's table */
    else if (!has_column(&columns, class->column)) {
        snprintf(whose, sizeof(whose), "none of that tool (it has no column `%s`)", class->column);
        rc = wrong_table(t, whose, err);
    }
    *ret_there = rc == 0;
out:
    mtnt__buffer_release(&columns);
    return rc;
}

static const char *said_name(const mtnt__foreign_class *class, const mtnt_chain *whole)
{
    for (size_t i = 0; i < whole->count; i++)
        if (is_whose(class, whole->entries + i) && whole->entries[i].origin->table != NULL)
            return whole->entries[i].origin->table;
    return NULL;
}

/* Which table, and whether it is there. */
static int open_table(mtnt__foreign_table *t, const mtnt__foreign_class *class, const mtnt__foreign_question *question,
                      mtnt_error *err)
{
    const mtnt_chain *whole = question->chain->whole != NULL ? question->chain->whole : question->chain;
    const char *said = said_name(class, whole);
    int rc = 0;

    *t = (mtnt__foreign_table){.class = class,
                               .question = question,
                               .whole = whole,
                               .name = said != NULL ? said : class->table,
                               .db = question->db,
                               .marks = calloc(whole->count + 1, sizeof(*t->marks))};
    if (t->marks == NULL)
        return out_of_memory(err);
    if (class->look != NULL)
        return class->look(t, &t->there, err);
    rc = look_for(t, t->name, &t->there, err);
    if (rc == 0 && !t->there && said == NULL && class->former != NULL)
        rc = look_for(t, class->former, &t->there, err);
    if (rc == 0 && !t->there)
        t->name = said != NULL ? said : class->table;
    return rc;
}

/* ---- what was read, compared with the folder ---- */

static int check_unknown(const mtnt__foreign_table *t, mtnt_error *err)
{
    mtnt__buffer listed = {0};

    if (t->unknown_count == 0)
        return 0;
    for (size_t i = 0; i < t->unknown_count && i < MAX_LISTED; i++)
        mtnt__buffer_add_format(&listed, "%s%s", i == 0 ? "" : ", ", t->unknown[i]);
    mtnt_error_set(
        err, MTNT_E_HISTORY,
        "the table %s says that %s%s is applied, which the chain's folder of format %s lacks: by a newer release? Take "
        "that release's folder. Nothing was changed",
        t->name, mtnt__buffer_text(&listed), t->unknown_count > MAX_LISTED ? " and more" : "", t->class->tool);
    mtnt__buffer_release(&listed);
    return MTNT_E_HISTORY;
}

/* A text is another one than was applied: of what is repeated that is a reason to run it again, of anything else to stop. */
static int check_checksums(mtnt__foreign_table *t, mtnt_error *err)
{
    for (size_t i = 0; i < t->whole->count; i++) {
        const mtnt__chain_entry *entry = t->whole->entries + i;
        mtnt__foreign_mark *mark = t->marks + i;
        bool same = !is_whose(t->class, entry) || entry->origin->checksum == NULL || mark->checksum[0] == '\0' ||
                    strcmp(mark->checksum, entry->origin->checksum) == 0;

        if (!same && entry->origin->repeatable)
            continue;
        if (!same && !t->question->accept_checksums) {
            mtnt_error_set(
                err, MTNT_E_HISTORY,
                "%s has been changed since %s applied it (checksum %.12s, in the table %s %.12s). Restore it; or, "
                "if the change is harmless, take it as applied with --accept-checksums. Nothing was changed",
                entry->origin->script, t->class->tool, entry->origin->checksum, t->name, mark->checksum);
            return mtnt_error_at(err, entry->file, 0, 0);
        }
        mark->checksum[0] = '\0';
    }
    return 0;
}

static int read_table(mtnt__foreign_table *t, mtnt_error *err)
{
    int rc;

    for (size_t i = 0; i < t->whole->count; i++)
        if (is_whose(t->class, t->whole->entries + i))
            t->marks[i].word = MTNT__FOREIGN_PENDING;
    rc = t->class->read(t, err);
    if (rc == 0)
        rc = check_unknown(t, err);
    return rc == 0 ? check_checksums(t, err) : rc;
}

static bool is_in(const mtnt__foreign_class *class, const mtnt_chain *chain)
{
    const mtnt_chain *whole = chain->whole != NULL ? chain->whole : chain;

    for (size_t i = 0; i < whole->count; i++)
        if (is_whose(class, whole->entries + i))
            return true;
    return false;
}

/* Where an entry of the question's chain is in the whole. */
static size_t place_in_whole(const mtnt__foreign_table *t, const mtnt__chain_entry *entry)
{
    size_t i = 0;

    while (i < t->whole->count && t->whole->entries[i].origin != entry->origin)
        i++;
    return i;
}

/* ---- asking ---- */

static void take_in(const mtnt__foreign_table *t, mtnt__foreign_found *found)
{
    const mtnt_chain *chain = t->question->chain;
    size_t used = strlen(found->names);

    snprintf(found->names + used, sizeof(found->names) - used, "%s%s", used > 0 ? ", " : "", t->name);
    found->tables += t->there;
    used = strlen(found->note);
    if (t->note.length > 0)
        snprintf(found->note + used, sizeof(found->note) - used, "%s%s", used > 0 ? "; " : "",
                 mtnt__buffer_text(&t->note));
    for (size_t i = 0; i < chain->count; i++)
        if (is_whose(t->class, chain->entries + i))
            found->marks[i] = t->marks[place_in_whole(t, chain->entries + i)];
}

int mtnt__foreign_look(const mtnt__foreign_question *question, mtnt__foreign_found *ret_found, mtnt_error *err)
{
    mtnt__foreign_found found = {.marks = calloc(question->chain->count + 1, sizeof(*found.marks))};
    int rc = found.marks == NULL ? out_of_memory(err) : 0;

    for (size_t i = 0; rc == 0 && classes[i] != NULL; i++) {
        mtnt__foreign_table t;

        if (!is_in(classes[i], question->chain))
            continue;
        rc = open_table(&t, classes[i], question, err);
        if (rc == 0 && t.there)
            rc = read_table(&t, err);
        if (rc == 0)
            take_in(&t, &found);
        release(&t);
    }
    if (rc == 0)
        *ret_found = found;
    else
        mtnt__foreign_found_release(&found);
    return rc;
}

void mtnt__foreign_found_release(mtnt__foreign_found *found)
{
    free(found->marks);
    *found = (mtnt__foreign_found){0};
}

/* ---- keeping in step ---- */

static bool is_kept(const mtnt__foreign_class *class, const mtnt_chain *chain, bool all)
{
    const mtnt_chain *whole = chain->whole != NULL ? chain->whole : chain;

    for (size_t i = 0; i < whole->count; i++)
        if (is_whose(class, whole->entries + i) && (all || whole->entries[i].origin->keep_in_step))
            return true;
    return false;
}

bool mtnt__foreign_is_kept(const mtnt_chain *chain, bool all)
{
    for (size_t i = 0; classes[i] != NULL; i++)
        if (is_kept(classes[i], chain, all))
            return true;
    return false;
}

static int make(mtnt__foreign_table *t, mtnt_error *err)
{
    const char *sql = mtnt_db_backend(t->question->db) == MTNT_SQLITE ? t->class->sqlite : t->class->postgres;

    if (sql == NULL)
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "what %s notes beside a SQLite database is in another file, which cannot be kept in step with "
            "the model: take keep_in_step away. Nothing was changed",
            t->class->tool);
    return t->there ? 0 : mtnt__foreign_script(t, err, sql);
}

/* What is taken back goes before what is applied, last first: rows may refer to others. */
static int write_rows(mtnt__foreign_table *t, const bool *holds, const bool *again, const int64_t *durations_ms,
                      mtnt_error *err)
{
    int rc = 0;

    for (size_t i = t->whole->count; i > 0 && rc == 0; i--)
        if (t->marks[i - 1].word == MTNT__FOREIGN_APPLIED && !holds[i - 1])
            rc = t->class->remove(t, t->whole->entries + i - 1, err);
    for (size_t i = 0; i < t->whole->count && rc == 0; i++)
        if (holds[i] && (t->marks[i].word != MTNT__FOREIGN_APPLIED || again[i]))
            rc = t->class->insert(t, t->whole->entries + i, durations_ms[i], err);
    return rc;
}

/* The table as it is, changed by what is wanted of the entries of the question's chain. */
static int write_table(mtnt__foreign_table *t, const mtnt__foreign_want *wants, const int64_t *durations_ms,
                       mtnt_error *err)
{
    const mtnt_chain *chain = t->question->chain;
    size_t count = t->whole->count + 1;
    bool *holds = calloc(count, sizeof(*holds)), *again = calloc(count, sizeof(*again)), changed = false;
    int64_t *durations = calloc(count, sizeof(*durations));
    int rc = holds == NULL || again == NULL || durations == NULL ? out_of_memory(err) : 0;

    for (size_t i = 0; rc == 0 && i < t->whole->count; i++)
        holds[i] = t->marks[i].word == MTNT__FOREIGN_APPLIED;
    for (size_t i = 0; rc == 0 && i < chain->count; i++) {
        size_t at = is_whose(t->class, chain->entries + i) ? place_in_whole(t, chain->entries + i) : count;

        if (at == count || wants[i] == MTNT__FOREIGN_AS_IT_IS)
            continue;
        again[at] = wants[i] == MTNT__FOREIGN_HOLDS && t->marks[at].checksum[0] != '\0';
        changed = changed || again[at] || holds[at] != (wants[i] == MTNT__FOREIGN_HOLDS);
        holds[at] = wants[i] == MTNT__FOREIGN_HOLDS;
        durations[at] = durations_ms[i];
    }
    if (rc == 0 && changed)
        rc = make(t, err);
    if (rc == 0 && changed)
        rc = t->class->settle != NULL ? t->class->settle(t, holds, err) : write_rows(t, holds, again, durations, err);
    free(holds);
    free(again);
    free(durations);
    return rc;
}

int mtnt__foreign_keep(const mtnt__foreign_question *question, bool all, const mtnt__foreign_want *wants,
                       const int64_t *durations_ms, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && classes[i] != NULL; i++) {
        mtnt__foreign_table t;

        if (!is_kept(classes[i], question->chain, all))
            continue;
        rc = open_table(&t, classes[i], question, err);
        if (rc == 0 && t.there)
            rc = read_table(&t, err);
        if (rc == 0)
            rc = write_table(&t, wants, durations_ms, err);
        if (rc != 0)
            mtnt_error_wrap(err, "cannot keep the table of %s in step", classes[i]->tool);
        release(&t);
    }
    return rc;
}
