/* Model descriptions, read. The entries of `tables` go through libyaml and the check against libcyaml's tables one at a time, and are forgotten. */
#include "mtnt/description.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"
#include "chain/names.h"
#include "config/description_value.h"
#include "config/formats.h"
#include "config/yaml_check.h"

/* ---- the format ---- */

typedef struct counter {
    mtnt__yaml_place at;
    mtnt__yaml_text column;
    mtnt__yaml_int next;
} counter;

typedef struct sequence {
    mtnt__yaml_place at;
    mtnt__yaml_text sequence;
    mtnt__yaml_int next;
} sequence;

typedef struct row {
    mtnt__yaml_place at;
    mtnt__yaml_texts row;
} row;

typedef struct table {
    mtnt__yaml_place at;
    mtnt__yaml_text side, table;
    mtnt__yaml_texts columns;
    MTNT__YAML_LIST(counter) counters;
    MTNT__YAML_LIST(row) rows;
} table;

typedef struct description_file {
    mtnt__yaml_place at;
    mtnt__yaml_int description;
    mtnt__yaml_text tenant, chain;
    mtnt__yaml_texts applied;
    MTNT__YAML_LIST(sequence) sequences;
    MTNT__YAML_LIST(table) tables;
} description_file;

#define OPTIONAL MTNT__YAML_OPTIONAL
#define REQUIRED MTNT__YAML_REQUIRED
static const cyaml_schema_field_t counter_table[] = {
    MTNT__YAML_TEXT_FIELD("column", REQUIRED, counter, column, 1),
    MTNT__YAML_INT_FIELD("next", REQUIRED, counter, next),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t counter_schema = MTNT__YAML_ENTRY(counter, counter_table);

static const cyaml_schema_field_t sequence_table[] = {
    MTNT__YAML_TEXT_FIELD("sequence", REQUIRED, sequence, sequence, 1),
    MTNT__YAML_INT_FIELD("next", REQUIRED, sequence, next),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t sequence_schema = MTNT__YAML_ENTRY(sequence, sequence_table);

static const cyaml_schema_value_t value_entry = {
    .type = CYAML_STRING,
    .flags = CYAML_FLAG_POINTER_NULL_STR,
    .data_size = sizeof(char),
    .string = {0, CYAML_UNLIMITED},
};
static const cyaml_schema_field_t row_table[] = {
    MTNT__YAML_LIST_FIELD("row", REQUIRED, row, row, sizeof(char *), &value_entry, 1),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t row_schema = MTNT__YAML_ENTRY(row, row_table);

static const cyaml_schema_field_t table_table[] = {
    MTNT__YAML_TEXT_FIELD("side", OPTIONAL, table, side, 1),
    MTNT__YAML_TEXT_FIELD("table", REQUIRED, table, table, 1),
    MTNT__YAML_TEXTS_FIELD("columns", REQUIRED, table, columns, 1),
    MTNT__YAML_LIST_FIELD("counters", OPTIONAL, table, counters, sizeof(counter), &counter_schema, 0),
    MTNT__YAML_LIST_FIELD("rows", REQUIRED, table, rows, sizeof(row), &row_schema, 0),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t table_schema = MTNT__YAML_ENTRY(table, table_table);

static const cyaml_schema_field_t file_table[] = {
    MTNT__YAML_INT_FIELD("description", REQUIRED, description_file, description),
    MTNT__YAML_TEXT_FIELD("tenant", REQUIRED, description_file, tenant, 1),
    MTNT__YAML_TEXT_FIELD("chain", REQUIRED, description_file, chain, 1),
    MTNT__YAML_TEXTS_FIELD("applied", REQUIRED, description_file, applied, 0),
    MTNT__YAML_LIST_FIELD("sequences", OPTIONAL, description_file, sequences, sizeof(sequence), &sequence_schema, 0),
    MTNT__YAML_LIST_FIELD("tables", REQUIRED, description_file, tables, sizeof(table), &table_schema, 0),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = MTNT__YAML_TOP(description_file, file_table);
static const mtnt__yaml_kind kinds[] = {
    {table_table, "table", "table", NULL},
    {0},
};
const mtnt__yaml_format mtnt__description_format = {"model description", &file_schema, kinds};

/* ---- what is held ---- */

#define VERSION 1

typedef struct named {
    char *name;
    int64_t next; /* of a sequence */
    bool on_controller;
    uint32_t line, column;
} named;

typedef struct names {
    named *items;
    size_t count, size;
} names;

struct mtnt_description {
    char *path;
    int file;
    off_t start; /* behind a byte order mark */
    char *tenant, *chain;
    char **applied;
    names sequences, tables;
};

/* One piece; its lists are used again for the next. */
typedef struct piece {
    mtnt_described_rows said;
    const char **columns;
    size_t column_size;
    mtnt_described_value *values;
    size_t *offsets; /* of a blob in `room` */
    size_t value_size;
    mtnt_described_counter *counters;
    size_t counter_size;
    mtnt__buffer room;
} piece;

typedef struct reading {
    mtnt_description *description;
    bool collecting; /* the first time */
    piece piece;
    mtnt_described_fn each;
    void *data;
    int from_caller; /* what `each` returned */
} reading;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static int refuse_at(const mtnt__yaml_nodes *nodes, uint32_t node, mtnt_error *err)
{
    mtnt_error_at(err, NULL, nodes->nodes[node].line, nodes->nodes[node].column);
    return err->code;
}

static int add_name(names *list, const mtnt__yaml_nodes *nodes, uint32_t node, bool on_controller, int64_t next,
                    mtnt_error *err)
{
    const char *name = mtnt__yaml_node_text(nodes, node);

    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].on_controller == on_controller && strcmp(list->items[i].name, name) == 0)
            return 0;
    }
    if (list->count == list->size) {
        size_t size = list->size ? list->size * 2 : 16;
        named *grown = reallocarray(list->items, size, sizeof(*grown));

        if (!grown)
            return out_of_memory(err);
        list->items = grown;
        list->size = size;
    }
    list->items[list->count] =
        (named){strdup(name), next, on_controller, nodes->nodes[node].line, nodes->nodes[node].column};
    return list->items[list->count].name ? (list->count++, 0) : out_of_memory(err);
}

static void names_release(names *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].name);
    free(list->items);
}

/* ---- the head ---- */

static int64_t integer_of(const mtnt__yaml_nodes *nodes, uint32_t node)
{
    int64_t value = 0;

    (void)mtnt__parse_int(mtnt__yaml_node_text(nodes, node), INT64_MIN, INT64_MAX, &value); /* it has been checked */
    return value;
}

static int check_next(const mtnt__yaml_nodes *nodes, uint32_t node, int64_t *ret_next, mtnt_error *err)
{
    *ret_next = integer_of(nodes, node);
    if (*ret_next != INT64_MIN)
        return 0;
    mtnt_error_set(err, MTNT_E_CONFIG, "`next` cannot be so low");
    return refuse_at(nodes, node, err);
}

static int take_applied(mtnt_description *d, const mtnt__yaml_nodes *nodes, mtnt_error *err)
{
    uint32_t list = mtnt__yaml_node_value(nodes, 0, "applied");
    size_t count = 0;

    d->applied = calloc(nodes->nodes[list].next - list, sizeof(*d->applied));
    if (!d->applied)
        return out_of_memory(err);
    for (uint32_t at = list + 1; at < nodes->nodes[list].next; at = nodes->nodes[at].next) {
        d->applied[count] = strdup(mtnt__yaml_node_text(nodes, at));
        if (!d->applied[count++])
            return out_of_memory(err);
    }
    return 0;
}

static int take_sequences(mtnt_description *d, const mtnt__yaml_nodes *nodes, mtnt_error *err)
{
    uint32_t list = mtnt__yaml_node_value(nodes, 0, "sequences");
    int rc = 0;

    for (uint32_t at = list + 1; rc == 0 && list > 0 && at < nodes->nodes[list].next; at = nodes->nodes[at].next) {
        int64_t next;

        rc = check_next(nodes, mtnt__yaml_node_value(nodes, at, "next"), &next, err);
        if (rc == 0)
            rc = add_name(&d->sequences, nodes, mtnt__yaml_node_value(nodes, at, "sequence"), false, next, err);
    }
    return rc;
}

static int take_head(mtnt_description *d, const mtnt__yaml_nodes *nodes, mtnt_error *err)
{
    uint32_t version = mtnt__yaml_node_value(nodes, 0, "description");
    int64_t number = integer_of(nodes, version);

    if (number != VERSION) {
        mtnt_error_set(err, number > VERSION ? MTNT_E_NEWER : MTNT_E_CONFIG,
                       "`description` is the version of the format: this one reads %d, not %lld", VERSION,
                       (long long)number);
        return refuse_at(nodes, version, err);
    }
    d->tenant = strdup(mtnt__yaml_node_text(nodes, mtnt__yaml_node_value(nodes, 0, "tenant")));
    d->chain = strdup(mtnt__yaml_node_text(nodes, mtnt__yaml_node_value(nodes, 0, "chain")));
    if (!d->tenant || !d->chain)
        return out_of_memory(err);
    return take_applied(d, nodes, err);
}

/* ---- one piece ---- */

static int room_for(void *list, size_t *size, size_t wanted, size_t size_of_one, mtnt_error *err)
{
    void *grown, *before;

    memcpy(&before, list, sizeof(before));
    if (wanted <= *size)
        return 0;
    grown = reallocarray(before, wanted, size_of_one);
    if (!grown)
        return out_of_memory(err);
    memcpy(list, &grown, sizeof(grown));
    *size = wanted;
    return 0;
}

static int take_columns(piece *p, const mtnt__yaml_nodes *nodes, uint32_t list, mtnt_error *err)
{
    size_t count = 0;
    int rc = room_for(&p->columns, &p->column_size, nodes->nodes[list].next - list, sizeof(*p->columns), err);

    for (uint32_t at = list + 1; rc == 0 && at < nodes->nodes[list].next; at = nodes->nodes[at].next) {
        p->columns[count] = mtnt__yaml_node_text(nodes, at);
        for (size_t i = 0; rc == 0 && i < count; i++) {
            if (strcmp(p->columns[i], p->columns[count]) != 0)
                continue;
            mtnt_error_set(err, MTNT_E_CONFIG, "the column `%.80s` is named twice", p->columns[i]);
            rc = refuse_at(nodes, at, err);
        }
        count++;
    }
    p->said.columns = p->columns;
    p->said.column_count = count;
    return rc;
}

static int take_row(piece *p, const mtnt__yaml_nodes *nodes, uint32_t list, size_t first, mtnt_error *err)
{
    size_t count = 0;
    int rc = 0;

    for (uint32_t at = list + 1; at < nodes->nodes[list].next; at = nodes->nodes[at].next)
        count++;
    if (count != p->said.column_count) {
        mtnt_error_set(err, MTNT_E_CONFIG, "`row` has %zu value%s, and `columns` of table `%.80s` names %zu", count,
                       count == 1 ? "" : "s", p->said.table, p->said.column_count);
        return refuse_at(nodes, list, err);
    }
    count = first;
    for (uint32_t at = list + 1; rc == 0 && at < nodes->nodes[list].next; at = nodes->nodes[at].next, count++)
        rc = mtnt__description_value(nodes, at, &p->room, &p->values[count], &p->offsets[count], err);
    if (rc && rc != MTNT_E_NOMEM)
        mtnt_error_wrap(err, "column `%.80s` of table `%.80s`", p->columns[count - first - 1], p->said.table);
    return rc;
}

static int take_rows(piece *p, const mtnt__yaml_nodes *nodes, uint32_t list, mtnt_error *err)
{
    size_t rows = 0, size = p->value_size;
    int rc;

    for (uint32_t at = list + 1; at < nodes->nodes[list].next; at = nodes->nodes[at].next)
        rows++;
    rc = room_for(&p->offsets, &size, rows * p->said.column_count, sizeof(*p->offsets), err);
    if (rc == 0)
        rc = room_for(&p->values, &p->value_size, rows * p->said.column_count, sizeof(*p->values), err);
    rows = 0;
    mtnt__buffer_clear(&p->room);
    for (uint32_t at = list + 1; rc == 0 && at < nodes->nodes[list].next; at = nodes->nodes[at].next, rows++)
        rc = take_row(p, nodes, mtnt__yaml_node_value(nodes, at, "row"), rows * p->said.column_count, err);
    for (size_t i = 0; rc == 0 && i < rows * p->said.column_count; i++) {
        if (p->values[i].type == MTNT_DESCRIBED_BLOB)
            p->values[i].bytes = p->room.bytes + p->offsets[i];
    }
    p->said.values = p->values;
    p->said.row_count = rows;
    return rc;
}

static int take_counters(piece *p, const mtnt__yaml_nodes *nodes, uint32_t list, mtnt_error *err)
{
    size_t count = 0;
    int rc = 0;

    p->said.counter_count = 0;
    if (list == 0)
        return 0;
    rc = room_for(&p->counters, &p->counter_size, nodes->nodes[list].next - list, sizeof(*p->counters), err);
    for (uint32_t at = list + 1; rc == 0 && at < nodes->nodes[list].next; at = nodes->nodes[at].next, count++) {
        uint32_t name = mtnt__yaml_node_value(nodes, at, "column");

        p->counters[count] = (mtnt_described_counter){mtnt__yaml_node_text(nodes, name), 0, nodes->nodes[name].line,
                                                      nodes->nodes[name].column};
        rc = check_next(nodes, mtnt__yaml_node_value(nodes, at, "next"), &p->counters[count].next, err);
    }
    p->said.counters = p->counters;
    p->said.counter_count = count;
    return rc;
}

static int take_side(piece *p, const mtnt__yaml_nodes *nodes, uint32_t node, mtnt_error *err)
{
    const char *side = node ? mtnt__yaml_node_text(nodes, node) : "model";

    p->said.on_controller = strcmp(side, "controller") == 0;
    if (p->said.on_controller || strcmp(side, "model") == 0)
        return 0;
    mtnt_error_set(err, MTNT_E_CONFIG, "`side` must be `model` or `controller`, not `%.80s`", side);
    return refuse_at(nodes, node, err);
}

static int take_piece(reading *r, const mtnt__yaml_nodes *nodes, uint32_t entry, mtnt_error *err)
{
    uint32_t name = mtnt__yaml_node_value(nodes, entry, "table");
    piece *p = &r->piece;
    int rc;

    p->said.table = mtnt__yaml_node_text(nodes, name);
    p->said.line = nodes->nodes[entry].line;
    p->said.column = nodes->nodes[entry].column;
    if ((rc = take_side(p, nodes, mtnt__yaml_node_value(nodes, entry, "side"), err)) ||
        (rc = take_columns(p, nodes, mtnt__yaml_node_value(nodes, entry, "columns"), err)) ||
        (rc = take_counters(p, nodes, mtnt__yaml_node_value(nodes, entry, "counters"), err)) ||
        (rc = take_rows(p, nodes, mtnt__yaml_node_value(nodes, entry, "rows"), err)))
        return rc;
    if (r->collecting)
        return add_name(&r->description->tables, nodes, name, p->said.on_controller, 0, err);
    r->from_caller = r->each(r->data, &p->said, err);
    return r->from_caller;
}

/* ---- the file ---- */

static int take_entry(void *data, const mtnt__yaml_nodes *nodes, uint32_t entry, mtnt_error *err)
{
    reading *r = data;
    int rc = mtnt__yaml_check(&mtnt__description_format, nodes, err);

    return rc ? rc : take_piece(r, nodes, entry, err);
}

/* Why it has to be whole: anchors, or it is no YAML, which is said best of the whole text. */
static int refuse_whole(const mtnt_description *d, const mtnt__yaml_stream *stream, mtnt_error *err)
{
    mtnt__yaml_nodes nodes = {0};
    size_t length = 0;
    char *text = NULL;
    int rc;

    if (stream->anchor_line) {
        mtnt_error_set(err, MTNT_E_CONFIG, "anchors (`&name`) are not for model descriptions");
        mtnt_error_at(err, NULL, stream->anchor_line, 0);
        return MTNT_E_CONFIG;
    }
    rc = mtnt__file_read(d->path, &text, &length, err);
    if (rc == 0)
        rc = mtnt__yaml_nodes_parse(&nodes, text, length, err);
    mtnt__yaml_nodes_release(&nodes);
    free(text);
    return rc ? rc : mtnt_error_set(err, MTNT_E_IO, "it has changed while it was read");
}

static void piece_release(piece *p)
{
    free(p->columns);
    free(p->values);
    free(p->offsets);
    free(p->counters);
    mtnt__buffer_release(&p->room);
}

static int read_file(reading *r, mtnt_error *err)
{
    mtnt_description *d = r->description;
    mtnt__yaml_stream stream = {.list = "tables", .each = take_entry, .data = r, .file = d->file};
    mtnt__yaml_nodes nodes = {0};
    char reason[128];
    int rc;

    if (lseek(d->file, d->start, SEEK_SET) < 0)
        return mtnt_error_set(err, MTNT_E_IO, "%s cannot be read: %s", d->path,
                              strerror_r(errno, reason, sizeof(reason)));
    rc = mtnt__yaml_nodes_stream(&nodes, &stream, err);
    if (rc == 0 && stream.needs_whole)
        rc = refuse_whole(d, &stream, err);
    if (rc == 0)
        rc = mtnt__yaml_check(&mtnt__description_format, &nodes, err);
    if (rc == 0 && r->collecting && (rc = take_head(d, &nodes, err)) == 0)
        rc = take_sequences(d, &nodes, err);
    piece_release(&r->piece);
    mtnt__yaml_nodes_release(&nodes);
    if (rc == 0 || r->from_caller != 0 || rc == MTNT_E_NOMEM)
        return rc;
    if (rc == MTNT_E_CONFIG)
        mtnt_error_wrap(err, "the model description is not valid");
    mtnt_error_at(err, d->path, 0, 0);
    return rc;
}

static int open_file(mtnt_description *d, mtnt_error *err)
{
    struct stat status = {0};
    char start[3], reason[128];
    int number;

    d->file = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    number = d->file < 0 || fstat(d->file, &status) != 0 ? errno : 0;
    if (number != 0)
        return mtnt_error_set(err, number == ENOENT ? MTNT_E_NOT_FOUND : MTNT_E_IO,
                              "the model description %s cannot be read: %s", d->path,
                              strerror_r(number, reason, sizeof(reason)));
    if (!S_ISREG(status.st_mode))
        return mtnt_error_set(err, MTNT_E_IO, "the model description %s is no plain file", d->path);
    if (pread(d->file, start, 3, 0) == 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0)
        d->start = 3;
    return 0;
}

int mtnt_description_open(mtnt_description **ret_description, const char *path, mtnt_error *err)
{
    mtnt_description *d = calloc(1, sizeof(*d));
    mtnt_error own = MTNT_ERROR_INIT;
    reading r = {.description = d, .collecting = true};
    int rc;

    if (!d)
        return out_of_memory(err);
    d->file = -1;
    d->path = strdup(path);
    rc = d->path ? open_file(d, &own) : out_of_memory(&own);
    if (rc == 0)
        rc = read_file(&r, &own);
    if (rc == 0)
        *ret_description = d;
    else
        mtnt_description_close(d);
    if (rc && err)
        *err = own;
    return rc;
}

void mtnt_description_close(mtnt_description *description)
{
    if (!description)
        return;
    if (description->file >= 0)
        close(description->file);
    for (char **name = description->applied; name && *name; name++)
        free(*name);
    free(description->applied);
    names_release(&description->sequences);
    names_release(&description->tables);
    free(description->tenant);
    free(description->chain);
    free(description->path);
    free(description);
}

int mtnt_description_read(mtnt_description *description, mtnt_described_fn each, void *data, mtnt_error *err)
{
    reading r = {.description = description, .each = each, .data = data};
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = read_file(&r, &own);

    if (rc && err)
        *err = own;
    return rc;
}

const char *mtnt_description_tenant(const mtnt_description *description)
{
    return description->tenant;
}

const char *mtnt_description_chain(const mtnt_description *description)
{
    return description->chain;
}

const char *const *mtnt_description_applied(const mtnt_description *description)
{
    return (const char *const *)description->applied;
}

bool mtnt_description_sequence(const mtnt_description *description, size_t index, mtnt_described_counter *ret_counter)
{
    const named *said = description->sequences.items + index;

    if (index >= description->sequences.count)
        return false;
    *ret_counter = (mtnt_described_counter){said->name, said->next, said->line, said->column};
    return true;
}

const char *mtnt_description_table(const mtnt_description *description, size_t index, bool *ret_on_controller,
                                   uint32_t *ret_line)
{
    const named *said = description->tables.items + index;

    if (index >= description->tables.count)
        return NULL;
    *ret_on_controller = said->on_controller;
    *ret_line = said->line;
    return said->name;
}
