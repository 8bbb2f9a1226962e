#include "config/yaml_nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#define YAML_BINARY "tag:yaml.org,2002:binary"

/* Where a line begins in the text; lines are asked for in rising order. */
typedef struct line_finder {
    const char *text;
    size_t length, offset;
    size_t line; /* from 0, as libyaml counts */
} line_finder;

typedef struct anchor {
    char *name;
    uint32_t node;
} anchor;

typedef struct reader {
    mtnt__yaml_nodes *nodes;
    line_finder lines;
    uint32_t open[MTNT__YAML_DEPTH_MAXIMUM]; /* mappings and lists that have begun */
    char *open_anchors[MTNT__YAML_DEPTH_MAXIMUM];
    size_t depth;
    anchor *anchors; /* of nodes that have ended, in that order: an alias means the latest of its name */
    size_t anchor_count, anchor_size;
    size_t documents;
    mtnt__yaml_stream *stream; /* NULL = all of it is kept */
    size_t list_texts;         /* bytes of texts that came before the streamed list's entries */
} reader;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static int refuse(mtnt_error *err, const yaml_mark_t *mark, const char *text)
{
    mtnt_error_set(err, MTNT_E_CONFIG, "%s", text);
    mtnt_error_at(err, NULL, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1);
    return MTNT_E_CONFIG;
}

/* Length of the line break at `at`, 0 when there is none. libyaml takes more characters for one than `\n`. */
static size_t break_length(const char *at, size_t left)
{
    if (at[0] == '\r')
        return left > 1 && at[1] == '\n' ? 2 : 1;
    if (at[0] == '\n')
        return 1;
    if (left > 1 && memcmp(at, "\xc2\x85", 2) == 0)
        return 2;
    if (left > 2 && (memcmp(at, "\xe2\x80\xa8", 3) == 0 || memcmp(at, "\xe2\x80\xa9", 3) == 0))
        return 3;
    return 0;
}

static const char *line_start(line_finder *lines, size_t line)
{
    while (lines->line < line && lines->offset < lines->length) {
        size_t length = break_length(lines->text + lines->offset, lines->length - lines->offset);

        lines->offset += length ? length : 1;
        lines->line += length > 0;
    }
    return lines->text + lines->offset;
}

/* A block scalar begins on the line after its indicator; its indentation is what the source has and the value
 * lacks. */
static void place_block_scalar(reader *r, const yaml_event_t *event, mtnt__yaml_node *node)
{
    size_t line = event->start_mark.line + 1;
    const char *source = line_start(&r->lines, line);
    const char *value = (const char *)event->data.scalar.value;
    size_t left = r->lines.length - r->lines.offset, in_source = 0, in_value = strspn(value, " ");

    while (in_source < left && source[in_source] == ' ')
        in_source++;
    node->line = (uint32_t)line + 1;
    node->column = (uint32_t)(in_source > in_value ? in_source - in_value : 0) + 1;
}

static int add_node(reader *r, mtnt__yaml_node_kind kind, const yaml_event_t *event, uint32_t *ret_index,
                    mtnt_error *err)
{
    mtnt__yaml_nodes *nodes = r->nodes;

    if (nodes->count == nodes->size) {
        uint32_t size = nodes->size ? nodes->size * 2 : 64;
        mtnt__yaml_node *grown = size > nodes->size ? reallocarray(nodes->nodes, size, sizeof(*grown)) : NULL;

        if (!grown)
            return out_of_memory(err);
        nodes->nodes = grown;
        nodes->size = size;
    }
    nodes->nodes[nodes->count] = (mtnt__yaml_node){
        .line = (uint32_t)event->start_mark.line + 1,
        .column = (uint32_t)event->start_mark.column + 1,
        .next = nodes->count + 1,
        .kind = (uint8_t)kind,
    };
    *ret_index = nodes->count++;
    return 0;
}

/* Takes `name` over, also on failure. */
static int keep_anchor(reader *r, char *name, uint32_t node, mtnt_error *err)
{
    if (r->anchor_count == r->anchor_size) {
        size_t size = r->anchor_size ? r->anchor_size * 2 : 8;
        anchor *grown = reallocarray(r->anchors, size, sizeof(*grown));

        if (!grown) {
            free(name);
            return out_of_memory(err);
        }
        r->anchors = grown;
        r->anchor_size = size;
    }
    r->anchors[r->anchor_count++] = (anchor){name, node};
    return 0;
}

static int copy_anchor(const yaml_char_t *name, char **ret_copy, mtnt_error *err)
{
    *ret_copy = name ? strdup((const char *)name) : NULL;
    return name && !*ret_copy ? out_of_memory(err) : 0;
}

static int read_scalar(reader *r, const yaml_event_t *event, mtnt_error *err)
{
    const char *value = (const char *)event->data.scalar.value;
    yaml_scalar_style_t style = event->data.scalar.style;
    size_t length = event->data.scalar.length;
    mtnt__yaml_node *node;
    uint32_t index;
    char *name;
    int rc;

    if (strlen(value) != length)
        return refuse(err, &event->start_mark, "a text cannot hold the character `\\0`");
    if ((rc = add_node(r, MTNT__YAML_SCALAR, event, &index, err)))
        return rc;
    node = &r->nodes->nodes[index];
    node->plain = style == YAML_PLAIN_SCALAR_STYLE;
    node->binary = event->data.scalar.tag && strcmp((const char *)event->data.scalar.tag, YAML_BINARY) == 0;
    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
        place_block_scalar(r, event, node);
    else if (!node->plain)
        node->column++;
    node->cut = !r->nodes->whole && length > MTNT__YAML_KEPT;
    node->text = (uint32_t)r->nodes->texts.length;
    mtnt__buffer_add(&r->nodes->texts, value, node->cut ? MTNT__YAML_KEPT : length);
    mtnt__buffer_add(&r->nodes->texts, "", 1);
    if (r->nodes->texts.failed || r->nodes->texts.length > UINT32_MAX / 2)
        return out_of_memory(err);
    if ((rc = copy_anchor(event->data.scalar.anchor, &name, err)) || !name)
        return rc;
    return keep_anchor(r, name, index, err);
}

static int read_alias(reader *r, const yaml_event_t *event, mtnt_error *err)
{
    const char *name = (const char *)event->data.alias.anchor;
    uint32_t index;
    int rc;

    for (size_t i = r->anchor_count; i > 0; i--) {
        if (strcmp(r->anchors[i - 1].name, name) != 0)
            continue;
        if ((rc = add_node(r, MTNT__YAML_ALIAS, event, &index, err)))
            return rc;
        r->nodes->nodes[index].text = r->anchors[i - 1].node;
        return 0;
    }
    mtnt_error_set(err, MTNT_E_CONFIG,
                   "nothing before this place is marked `&%.60s`, so that `*%.60s` stands for nothing", name, name);
    mtnt_error_at(err, NULL, (uint32_t)event->start_mark.line + 1, (uint32_t)event->start_mark.column + 1);
    return MTNT_E_CONFIG;
}

static int read_start(reader *r, mtnt__yaml_node_kind kind, const yaml_char_t *anchor_name, const yaml_event_t *event,
                      mtnt_error *err)
{
    int rc;

    if (r->depth == MTNT__YAML_DEPTH_MAXIMUM)
        return refuse(err, &event->start_mark, "the values are nested too deeply");
    if ((rc = add_node(r, kind, event, &r->open[r->depth], err)))
        return rc;
    if ((rc = copy_anchor(anchor_name, &r->open_anchors[r->depth], err)))
        return rc;
    r->depth++;
    return 0;
}

static int read_end(reader *r, mtnt_error *err)
{
    char *name;
    uint32_t index;

    r->depth--;
    index = r->open[r->depth];
    name = r->open_anchors[r->depth];
    r->open_anchors[r->depth] = NULL;
    r->nodes->nodes[index].next = r->nodes->count;
    return name ? keep_anchor(r, name, index, err) : 0;
}

static int read_event(reader *r, const yaml_event_t *event, mtnt_error *err)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->documents++ > 0)
            return refuse(err, &event->start_mark, "a second document (`---`) begins here; one file is one document");
        return 0;
    case YAML_SCALAR_EVENT: return read_scalar(r, event, err);
    case YAML_ALIAS_EVENT: return read_alias(r, event, err);
    case YAML_MAPPING_START_EVENT:
        return read_start(r, MTNT__YAML_MAPPING, event->data.mapping_start.anchor, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return read_start(r, MTNT__YAML_LIST, event->data.sequence_start.anchor, event, err);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT: return read_end(r, err);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: return 0;
    }
    return 0;
}

/* Bytes that are no text are told by their offset, everything else by a mark. */
static int refuse_bytes(const yaml_parser_t *parser, const char *text, size_t length, mtnt_error *err)
{
    line_finder lines = {text, parser->problem_offset < length ? parser->problem_offset : length, 0, 0};

    line_start(&lines, SIZE_MAX);
    mtnt_error_set(err, MTNT_E_CONFIG, "not YAML: %s", parser->problem);
    mtnt_error_at(err, NULL, (uint32_t)lines.line + 1, 0);
    return MTNT_E_CONFIG;
}

static int refuse_unreadable(const yaml_parser_t *parser, const char *text, size_t length, mtnt_error *err)
{
    const yaml_mark_t *mark = &parser->problem_mark;
    line_finder lines = {text, length, 0, 0};
    char context[160] = "";
    const char *line, *hint = "";
    size_t left;

    if (parser->error == YAML_MEMORY_ERROR)
        return out_of_memory(err);
    if (parser->error == YAML_READER_ERROR)
        return refuse_bytes(parser, text, length, err);
    line = line_start(&lines, mark->line);
    left = lines.length - lines.offset;
    if (memchr(line, '\t', left < mark->column + 1 ? left : mark->column + 1))
        hint = "; there is a tab, and YAML is indented by blanks only";
    if (parser->context && parser->context_mark.line != mark->line)
        snprintf(context, sizeof(context), " (%s that began at line %zu)", parser->context,
                 parser->context_mark.line + 1);
    mtnt_error_set(err, MTNT_E_CONFIG, "not YAML: %s%s%s", parser->problem ? parser->problem : "no reason given",
                   context, hint);
    mtnt_error_at(err, NULL, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1);
    return MTNT_E_CONFIG;
}

/* ---- a list entry by entry ---- */

/* The list that begins with `node` is the value of that key at the top. */
static bool is_streamed(const mtnt__yaml_nodes *nodes, uint32_t node, const char *name)
{
    for (uint32_t key = 1; key + 1 <= node; key = nodes->nodes[nodes->nodes[key].next].next) {
        if (nodes->nodes[key].next == node)
            return nodes->nodes[key].kind == MTNT__YAML_SCALAR && strcmp(mtnt__yaml_node_text(nodes, key), name) == 0;
    }
    return false;
}

static int give_entry(reader *r, mtnt_error *err)
{
    mtnt__yaml_nodes *nodes = r->nodes;
    uint32_t entry = nodes->list + 1;
    int rc;

    nodes->nodes[0].next = nodes->nodes[nodes->list].next = nodes->count;
    rc = r->stream->each(r->stream->data, nodes, entry, err);
    nodes->count = entry;
    nodes->texts.length = r->list_texts;
    nodes->given++;
    return rc;
}

/* After each event. */
static int stream_event(reader *r, const yaml_event_t *event, mtnt_error *err)
{
    mtnt__yaml_nodes *nodes = r->nodes;

    if (event->type == YAML_SEQUENCE_START_EVENT && r->depth == 2 && nodes->nodes[0].kind == MTNT__YAML_MAPPING &&
        is_streamed(nodes, r->open[1], r->stream->list)) {
        nodes->list = r->open[1];
        nodes->given = 0;
        r->list_texts = nodes->texts.length;
        return 0;
    }
    if (r->depth == 2 && nodes->list > 0 && r->open[1] == nodes->list && nodes->count > nodes->list + 1)
        return give_entry(r, err);
    return 0;
}

static bool has_anchor(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT: return event->data.scalar.anchor != NULL;
    case YAML_MAPPING_START_EVENT: return event->data.mapping_start.anchor != NULL;
    case YAML_SEQUENCE_START_EVENT: return event->data.sequence_start.anchor != NULL;
    default: return false;
    }
}

/* ---- the document ---- */

static int take_event(reader *r, const yaml_event_t *event, mtnt_error *err)
{
    int rc;

    if (r->stream && has_anchor(event)) {
        r->stream->needs_whole = true;
        r->stream->anchor_line = (uint32_t)event->start_mark.line + 1;
        return 0;
    }
    rc = read_event(r, event, err);
    return rc == 0 && r->stream ? stream_event(r, event, err) : rc;
}

static int read_events(reader *r, yaml_parser_t *parser, mtnt_error *err)
{
    bool ended = false;
    int rc = 0;

    while (rc == 0 && !ended) {
        yaml_event_t event;

        if (!yaml_parser_parse(parser, &event)) {
            if (!r->stream || r->stream->text)
                return refuse_unreadable(parser, r->lines.text, r->lines.length, err);
            r->stream->needs_whole = true;
            return 0;
        }
        rc = take_event(r, &event, err);
        ended = event.type == YAML_STREAM_END_EVENT || (r->stream && r->stream->needs_whole);
        yaml_event_delete(&event);
    }
    return rc;
}

static void reader_release(reader *r)
{
    for (size_t i = 0; i < r->anchor_count; i++)
        free(r->anchors[i].name);
    free(r->anchors);
    for (size_t i = 0; i < MTNT__YAML_DEPTH_MAXIMUM; i++)
        free(r->open_anchors[i]);
}

static int read_document(reader *r, yaml_parser_t *parser, mtnt_error *err)
{
    const mtnt__yaml_nodes *nodes = r->nodes;
    int rc;

    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    rc = read_events(r, parser, err);
    if (rc == 0 && !(r->stream && r->stream->needs_whole) && (nodes->count == 0 || mtnt__yaml_node_is_null(nodes, 0)))
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "the file is empty");
    reader_release(r);
    yaml_parser_delete(parser);
    return rc;
}

int mtnt__yaml_nodes_parse(mtnt__yaml_nodes *nodes, const char *text, size_t length, mtnt_error *err)
{
    reader r = {.nodes = nodes, .lines = {text, length, 0, 0}};
    yaml_parser_t parser;

    if (!yaml_parser_initialize(&parser))
        return out_of_memory(err);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    return read_document(&r, &parser, err);
}

/* libyaml's way to ask for more: 0 = it could not be read. */
static int read_file(void *data, unsigned char *bytes, size_t size, size_t *ret_got)
{
    const mtnt__yaml_stream *stream = data;
    ssize_t got;

    do
        got = read(stream->file, bytes, size);
    while (got < 0 && errno == EINTR);
    *ret_got = got > 0 ? (size_t)got : 0;
    return got >= 0;
}

int mtnt__yaml_nodes_stream(mtnt__yaml_nodes *nodes, mtnt__yaml_stream *stream, mtnt_error *err)
{
    reader r = {.nodes = nodes, .lines = {stream->text ? stream->text : "", stream->length, 0, 0}, .stream = stream};
    yaml_parser_t parser;

    if (!yaml_parser_initialize(&parser))
        return out_of_memory(err);
    nodes->whole = true;
    if (stream->text)
        yaml_parser_set_input_string(&parser, (const unsigned char *)stream->text, stream->length);
    else
        yaml_parser_set_input(&parser, read_file, stream);
    return read_document(&r, &parser, err);
}

void mtnt__yaml_nodes_release(mtnt__yaml_nodes *nodes)
{
    free(nodes->nodes);
    mtnt__buffer_release(&nodes->texts);
    memset(nodes, 0, sizeof(*nodes));
}

uint32_t mtnt__yaml_node_real(const mtnt__yaml_nodes *nodes, uint32_t index)
{
    return nodes->nodes[index].kind == MTNT__YAML_ALIAS ? nodes->nodes[index].text : index;
}

const char *mtnt__yaml_node_text(const mtnt__yaml_nodes *nodes, uint32_t index)
{
    const mtnt__yaml_node *node = &nodes->nodes[index];

    return node->kind == MTNT__YAML_SCALAR ? mtnt__buffer_text(&nodes->texts) + node->text : "";
}

uint32_t mtnt__yaml_node_value(const mtnt__yaml_nodes *nodes, uint32_t mapping, const char *name)
{
    uint32_t value;

    for (uint32_t key = mapping + 1; key < nodes->nodes[mapping].next; key = nodes->nodes[value].next) {
        value = nodes->nodes[key].next;
        if (strcmp(mtnt__yaml_node_text(nodes, key), name) == 0)
            return mtnt__yaml_node_real(nodes, value);
    }
    return 0;
}

bool mtnt__yaml_node_is_null(const mtnt__yaml_nodes *nodes, uint32_t index)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    const mtnt__yaml_node *node = &nodes->nodes[index];

    for (size_t i = 0; node->kind == MTNT__YAML_SCALAR && node->plain && i < sizeof(nulls) / sizeof(nulls[0]); i++) {
        if (strcmp(mtnt__yaml_node_text(nodes, index), nulls[i]) == 0)
            return true;
    }
    return false;
}
