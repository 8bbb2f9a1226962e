/* A YAML document as libyaml sees it, with the place of every key and value: what libcyaml does not tell. */
#ifndef MTNT_CONFIG_YAML_NODES_H
#define MTNT_CONFIG_YAML_NODES_H

#include <stddef.h>

#include "base/text.h"

typedef enum mtnt__yaml_node_kind {
    MTNT__YAML_SCALAR = 1,
    MTNT__YAML_MAPPING,
    MTNT__YAML_LIST,
    MTNT__YAML_ALIAS
} mtnt__yaml_node_kind;

/* Nodes stand in the order of the document: a mapping is followed by its keys and values in turn, a list by
 * its entries, and `next` leads past all of them. */
typedef struct mtnt__yaml_node {
    uint32_t line, column; /* of the text's first character, from 1: inside quotes, or below the `|` */
    uint32_t next;
    uint32_t text; /* scalar: where its text is; alias: the node that it stands for */
    uint8_t kind;
    bool plain;  /* scalar without quotes: it may be a number, true, or nothing */
    bool cut;    /* scalar: only its beginning was kept */
    bool binary; /* scalar: marked `!!binary` */
} mtnt__yaml_node;

/* Zero it before use. */
typedef struct mtnt__yaml_nodes {
    mtnt__yaml_node *nodes; /* the first is the document's value */
    uint32_t count, size;
    mtnt__buffer texts; /* of scalars, each with a NUL, cut to MTNT__YAML_KEPT bytes unless they are kept whole */
    bool whole;
    uint32_t list; /* whose entries are given one at a time, as mtnt__yaml_nodes_stream does; 0 = none */
    size_t given;  /* entries of it that were there before */
} mtnt__yaml_nodes;

#define MTNT__YAML_KEPT 80
#define MTNT__YAML_DEPTH_MAXIMUM 32

/* Without a byte order mark. CONFIG with line and column (no file) when it is no YAML, is empty, has several
 * documents, is nested too deeply, or has aliases to nothing; NOMEM. Release it in any case. */
int mtnt__yaml_nodes_parse(mtnt__yaml_nodes *nodes, const char *text, size_t length, mtnt_error *err);
void mtnt__yaml_nodes_release(mtnt__yaml_nodes *nodes);

/* Of a document of which one list is long: its entries are forgotten as soon as they have been looked at. */
typedef struct mtnt__yaml_stream {
    const char *list; /* the key at the top */
    /* The document as far as it has come, with one entry (*entry is its node) in the list. */
    int (*each)(void *data, const mtnt__yaml_nodes *nodes, uint32_t entry, mtnt_error *err);
    void *data;
    const char *text; /* NULL: from `file`, a descriptor that stands at the beginning */
    size_t length;
    int file;
    /* Set where it stopped: it has anchors, whose values are needed later, or (`file` only) is no YAML, and to say so well takes the whole text. */
    bool needs_whole;
    uint32_t anchor_line; /* … of the first anchor; 0 = there was none yet */
} mtnt__yaml_stream;
/* As mtnt__yaml_nodes_parse, a byte order mark apart; texts are kept whole, and what is left of the list in the end is its place. Also what `each`
 * returns, and IO. 0 with needs_whole: nothing is to be used, what `each` was given included. */
int mtnt__yaml_nodes_stream(mtnt__yaml_nodes *nodes, mtnt__yaml_stream *stream, mtnt_error *err);

/* The node that an alias stands for; any other is itself. */
uint32_t mtnt__yaml_node_real(const mtnt__yaml_nodes *nodes, uint32_t index);
/* "" when it is no scalar. */
const char *mtnt__yaml_node_text(const mtnt__yaml_nodes *nodes, uint32_t index);
/* The value of a key of the mapping, aliases followed; 0 = it is not there. */
uint32_t mtnt__yaml_node_value(const mtnt__yaml_nodes *nodes, uint32_t mapping, const char *name);
/* Nothing, `~` or `null`, without quotes. */
bool mtnt__yaml_node_is_null(const mtnt__yaml_nodes *nodes, uint32_t index);

#endif
