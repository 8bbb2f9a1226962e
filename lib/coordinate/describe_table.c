#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "coordinate/describe.h"
#include "db/sql_text.h"
#include "state/queries.h"

/* Rows of one piece: what the reader holds at a time. */
#define PIECE_ROWS 100
#define PIECE_BYTES 262144

typedef enum kind { ANY, BOOLEAN, INTEGER, REAL, NUMERIC, FIXED, BLOB, PLAIN, TEXT } kind;

typedef struct column {
    char *name, *sequence;
    kind kind;
    int64_t key; /* place in the primary key, from 1 */
} column;

typedef struct table {
    mtnt__describer *describer;
    mtnt_db *db;
    const char *name;
    bool on_controller, postgres, partitioned;
    column *columns;
    size_t count, size;
    size_t rows, bytes; /* of the piece */
} table;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void table_release(table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->columns[i].name);
        free(t->columns[i].sequence);
    }
    free(t->columns);
}

/* ---- its columns ---- */

static kind kind_of(const char *name)
{
    static const char *const names[] = {"any", "boolean", "integer", "real", "numeric", "fixed", "blob", "plain", NULL};
    int i = 0;

    while (names[i] && strcmp(names[i], name) != 0)
        i++;
    return (kind)i;
}

static int take_column(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *name = mtnt_row_text(row, 0), *kind_name = mtnt_row_text(row, 1), *sequence = mtnt_row_text(row, 3);
    table *t = data;
    column *c;

    if (t->count == t->size) {
        size_t size = t->size ? t->size * 2 : 16;
        column *grown = reallocarray(t->columns, size, sizeof(*grown));

        if (!grown)
            return out_of_memory(err);
        t->columns = grown;
        t->size = size;
    }
    c = &t->columns[t->count++];
    *c = (column){strdup(name ? name : ""), sequence ? strdup(sequence) : NULL, kind_of(kind_name ? kind_name : ""),
                  mtnt_row_int(row, 2)};
    t->partitioned = mtnt_row_int(row, 4) != 0;
    return !c->name || (sequence && !c->sequence) ? out_of_memory(err) : 0;
}

static bool has_column(const table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->columns[i].name, name) == 0)
            return true;
    }
    return false;
}

/* ---- the query ---- */

static void add_selected(const table *t, mtnt__buffer *sql)
{
    for (size_t i = 0; i < t->count; i++) {
        mtnt__buffer_add_text(sql, i > 0 ? ", " : "SELECT ");
        if (!t->postgres) {
            mtnt__buffer_add_text(sql, "typeof(");
            mtnt__sql_add_identifier(sql, t->columns[i].name);
            mtnt__buffer_add_text(sql, "), ");
        }
        mtnt__sql_add_identifier(sql, t->columns[i].name);
    }
}

/* The same order on every backend: numbers as numbers, texts by their bytes, null first. */
static void add_ordered(const table *t, const column *c, const char *before, mtnt__buffer *sql)
{
    mtnt__buffer_add_text(sql, before);
    mtnt__sql_add_identifier(sql, c->name);
    if (!t->postgres)
        mtnt__buffer_add_text(sql, " COLLATE BINARY");
    else
        mtnt__buffer_add_text(sql, c->kind == TEXT ? "::text COLLATE \"C\" NULLS FIRST" : " NULLS FIRST");
}

static void add_order(const table *t, mtnt__buffer *sql)
{
    const char *before = " ORDER BY ";

    for (int64_t place = 1; place <= (int64_t)t->count; place++) {
        for (size_t i = 0; i < t->count; i++) {
            if (t->columns[i].key != place)
                continue;
            add_ordered(t, &t->columns[i], before, sql);
            before = ", ";
        }
    }
    for (size_t i = 0; before[0] == ' ' && i < t->count; i++)
        add_ordered(t, &t->columns[i], i > 0 ? ", " : before, sql);
}

static void add_query(const table *t, const char *key, mtnt__buffer *sql)
{
    add_selected(t, sql);
    mtnt__buffer_add_text(sql, t->postgres && !t->partitioned ? " FROM ONLY {schema}." : " FROM {schema}.");
    mtnt__sql_add_identifier(sql, t->name);
    if (key) {
        mtnt__buffer_add_text(sql, " WHERE ");
        mtnt__sql_add_identifier(sql, key);
        mtnt__buffer_add_text(sql, t->postgres ? "::text = $1" : " = $1");
    }
    add_order(t, sql);
}

/* ---- rows ---- */

static int put_any(table *t, const column *c, const mtnt_row *row, int at, mtnt_error *err)
{
    const char *type = mtnt_row_text(row, at);
    mtnt__buffer *text = &t->describer->text;
    size_t length = 0;
    const void *bytes;

    switch (type ? type[0] : 'n') {
    case 'i':
        if (c->kind == BOOLEAN && (uint64_t)mtnt_row_int(row, at + 1) <= 1)
            mtnt__buffer_add_text(text, mtnt_row_int(row, at + 1) ? "true" : "false");
        else
            mtnt__buffer_add_format(text, "%" PRId64, mtnt_row_int(row, at + 1));
        return 0;
    case 'r': mtnt__describe_real(t->describer, mtnt_row_real(row, at + 1)); return 0;
    case 't':
        bytes = mtnt_row_blob(row, at + 1, &length);
        return bytes ? mtnt__describe_text(t->describer, bytes, length, err) : out_of_memory(err);
    case 'b':
        bytes = mtnt_row_blob(row, at + 1, &length);
        return bytes ? mtnt__describe_blob(t->describer, bytes, length, err) : out_of_memory(err);
    default: mtnt__buffer_add_text(text, "null"); return 0;
    }
}

static int put_typed(table *t, const column *c, const mtnt_row *row, int at, mtnt_error *err)
{
    const char *said = mtnt_row_text(row, at);
    size_t length = 0;
    const void *bytes;

    if (!said) {
        mtnt__buffer_add_text(&t->describer->text, "null");
        return 0;
    }
    switch (c->kind) {
    case BOOLEAN: mtnt__buffer_add_text(&t->describer->text, said[0] == 't' ? "true" : "false"); return 0;
    case INTEGER:
    case NUMERIC:
    case FIXED: mtnt__describe_number(t->describer, said, c->kind == FIXED); return 0;
    case REAL:
        if (strchr("IN-", said[0]) && strchr("INf", said[said[0] == '-']))
            mtnt__describe_number(t->describer, said, false);
        else
            mtnt__describe_real(t->describer, mtnt_row_real(row, at));
        return 0;
    case BLOB:
        bytes = mtnt_row_blob(row, at, &length);
        return bytes ? mtnt__describe_blob(t->describer, bytes, length, err) : out_of_memory(err);
    default: return mtnt__describe_text(t->describer, said, strlen(said), err);
    }
}

static void begin_piece(table *t)
{
    mtnt__buffer *text = &t->describer->text;

    if (!t->describer->any)
        mtnt__buffer_add_text(text, "\n");
    t->describer->any = true;
    mtnt__buffer_add_text(text, t->on_controller ? "  - side: controller\n    table: " : "  - table: ");
    (void)mtnt__describe_text(t->describer, t->name, strlen(t->name), NULL);
    mtnt__buffer_add_text(text, "\n    columns: [");
    for (size_t i = 0; i < t->count; i++) {
        mtnt__buffer_add_text(text, i > 0 ? ", " : "");
        (void)mtnt__describe_text(t->describer, t->columns[i].name, strlen(t->columns[i].name), NULL);
    }
    mtnt__buffer_add_text(text, "]\n");
    t->rows = t->bytes = 0;
}

static int put_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    table *t = data;
    mtnt__buffer *text = &t->describer->text;
    size_t before;
    int rc = mtnt__describe_flush(t->describer, false, err);

    if (rc == 0 && (t->rows >= PIECE_ROWS || t->bytes >= PIECE_BYTES)) {
        begin_piece(t);
        mtnt__buffer_add_text(text, "    rows:\n");
    } else if (t->rows == 0) {
        mtnt__buffer_add_text(text, "    rows:\n");
    }
    before = text->length;
    mtnt__buffer_add_text(text, "      - row: [");
    for (size_t i = 0; rc == 0 && i < t->count; i++) {
        mtnt__buffer_add_text(text, i > 0 ? ", " : "");
        rc = t->postgres ? put_typed(t, &t->columns[i], row, (int)i, err)
                         : put_any(t, &t->columns[i], row, 2 * (int)i, err);
        if (rc == MTNT_E_REFUSED)
            mtnt_error_wrap(err, "table `%.80s`, column `%.80s`", t->name, t->columns[i].name);
    }
    mtnt__buffer_add_text(text, "]\n");
    t->rows++;
    t->bytes += text->length > before ? text->length - before : PIECE_BYTES;
    return rc;
}

/* ---- counters ---- */

typedef struct count {
    bool found;
    int64_t next;
} count;

static int take_count(void *data, const mtnt_row *row, mtnt_error *err)
{
    count *taken = data;

    (void)err;
    taken->found = true;
    taken->next = mtnt_row_int(row, 0);
    return 0;
}

/* `sequence` as PostgreSQL quotes it. */
static int next_of_sequence(mtnt_db *db, const char *sequence, int64_t *ret_next, mtnt_error *err)
{
    mtnt__buffer sql = {0};
    count taken = {false, 1};
    const mtnt_value values[] = {mtnt_value_text(sequence), mtnt_value_end()};
    int rc;

    mtnt__buffer_add_format(
        &sql,
        "SELECT CASE WHEN s.is_called THEN s.last_value + q.seqincrement ELSE s.last_value END FROM %s AS "
        "s, pg_catalog.pg_sequence AS q WHERE q.seqrelid = $1::regclass",
        sequence);
    rc = sql.failed ? out_of_memory(err) : mtnt__db_run(db, take_count, &taken, err, sql.bytes, values);
    mtnt__buffer_release(&sql);
    *ret_next = taken.next;
    return rc;
}

static int next_of_table(mtnt_db *db, const char *table_name, int64_t *ret_next, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(table_name), mtnt_value_end()};
    count taken = {false, 1};
    int rc = mtnt__db_run(db, take_count, &taken, err, "SELECT seq + 1 FROM {schema}.sqlite_sequence WHERE name = $1",
                          values);

    *ret_next = taken.next;
    return rc;
}

static int put_counters(table *t, mtnt_error *err)
{
    const char *before = "    counters:\n";
    int rc = 0;

    for (size_t i = 0; rc == 0 && !t->on_controller && i < t->count; i++) {
        const column *c = &t->columns[i];
        int64_t next = 1;

        if (!c->sequence)
            continue;
        rc = t->postgres ? next_of_sequence(t->db, c->sequence, &next, err) : next_of_table(t->db, t->name, &next, err);
        mtnt__buffer_add_format(&t->describer->text, "%s      - {column: ", before);
        (void)mtnt__describe_text(t->describer, c->name, strlen(c->name), NULL);
        mtnt__buffer_add_format(&t->describer->text, ", next: %" PRId64 "}\n", next);
        before = "";
    }
    return rc;
}

/* ---- a table ---- */

int mtnt__describe_table(mtnt__describer *describer, mtnt_db *db, const char *name, const char *key, const char *tenant,
                         mtnt_error *err)
{
    const mtnt_value named[] = {mtnt_value_text(name), mtnt_value_end()};
    const mtnt_value whose[] = {mtnt_value_text(tenant), mtnt_value_end()};
    table t = {.describer = describer,
               .db = db,
               .name = name,
               .on_controller = key != NULL,
               .postgres = mtnt_db_backend(db) == MTNT_POSTGRES};
    mtnt__buffer sql = {0};
    int rc = mtnt__db_run(db, take_column, &t, err, MTNT__QUERY_FOR(db, describe_columns), named);

    if (rc == 0 && key && t.count == 0)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "the controller has no table `%.80s`", name);
    if (rc == 0 && key && !has_column(&t, key))
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "the controller's table `%.80s` has no column `%.80s`", name, key);
    if (rc != 0 || t.count == 0) /* there is nothing to say of a table without columns */
        goto out;
    begin_piece(&t);
    rc = put_counters(&t, err);
    if (rc == 0)
        add_query(&t, key, &sql);
    if (rc == 0)
        rc = sql.failed ? out_of_memory(err) : mtnt__db_run(db, put_row, &t, err, sql.bytes, key ? whose : NULL);
    if (t.rows == 0)
        mtnt__buffer_add_text(&describer->text, "    rows: []\n");
    if (rc == 0)
        rc = mtnt__describe_flush(describer, false, err);
out:
    table_release(&t);
    mtnt__buffer_release(&sql);
    return rc;
}

/* ---- all of them ---- */

typedef struct listed {
    char **names, **quoted;
    size_t count, size;
} listed;

static void listed_release(listed *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->names[i]);
        free(list->quoted[i]);
    }
    free(list->names);
    free(list->quoted);
}

static int add_listed(listed *list, const char *name, const char *quoted, mtnt_error *err)
{
    if (list->count == list->size) {
        size_t size = list->size ? list->size * 2 : 32;
        char **names = reallocarray(list->names, size, sizeof(*names));
        char **others = names ? reallocarray(list->quoted, size, sizeof(*others)) : NULL;

        list->names = names ? names : list->names;
        list->quoted = others ? others : list->quoted;
        if (!others)
            return out_of_memory(err);
        list->size = size;
    }
    list->names[list->count] = strdup(name);
    list->quoted[list->count] = strdup(quoted);
    list->count++;
    return list->names[list->count - 1] && list->quoted[list->count - 1] ? 0 : out_of_memory(err);
}

static int take_table(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *name = mtnt_row_text(row, 0), *reason = mtnt_row_text(row, 1);

    if (reason && reason[0])
        return mtnt_error_set(err, MTNT_E_REFUSED, "table `%.80s` %s, which a description cannot hold",
                              name ? name : "", reason);
    return add_listed(data, name ? name : "", "", err);
}

static int take_sequence(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *name = mtnt_row_text(row, 0), *quoted = mtnt_row_text(row, 1);

    return add_listed(data, name ? name : "", quoted ? quoted : "", err);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int mtnt__describe_tables(mtnt__describer *describer, mtnt_db *db, bool whole_database, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(whole_database), mtnt_value_end()};
    listed tables = {0};
    int rc = mtnt__db_run(db, take_table, &tables, err, MTNT__QUERY_FOR(db, describe_tables), values);

    if (rc == 0 && tables.count > 0)
        qsort(tables.names, tables.count, sizeof(*tables.names), by_bytes);
    for (size_t i = 0; rc == 0 && i < tables.count; i++)
        rc = mtnt__describe_table(describer, db, tables.names[i], NULL, NULL, err);
    listed_release(&tables);
    return rc;
}

int mtnt__describe_sequences(mtnt__describer *describer, mtnt_db *db, mtnt_error *err)
{
    const char *before = "sequences:\n";
    listed sequences = {0};
    int rc = mtnt__db_run(db, take_sequence, &sequences, err, MTNT__QUERY_FOR(db, describe_sequences), NULL);

    for (size_t i = 0; rc == 0 && i < sequences.count; i++) {
        int64_t next = 1;

        rc = next_of_sequence(db, sequences.quoted[i], &next, err);
        mtnt__buffer_add_format(&describer->text, "%s  - {sequence: ", before);
        if (rc == 0)
            rc = mtnt__describe_text(describer, sequences.names[i], strlen(sequences.names[i]), err);
        mtnt__buffer_add_format(&describer->text, ", next: %" PRId64 "}\n", next);
        before = "";
    }
    listed_release(&sequences);
    return rc;
}
