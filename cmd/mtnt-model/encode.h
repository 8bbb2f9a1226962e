/* JSON: keys in snake_case, times as RFC 3339, durations in ms. */
#ifndef MTNT_COMMAND_ENCODE_H
#define MTNT_COMMAND_ENCODE_H

#include <jansson.h>
#include <mtnt.h>
#include <stdio.h>

/* New references, never NULL but for lack of memory (which json_pack and mtnt__encode_put take as an
 * error). */
json_t *mtnt__encode_text(const char *text);       /* NULL: null. What is no UTF-8 is escaped */
json_t *mtnt__encode_time(int64_t wall_ms);        /* 0: null */
json_t *mtnt__encode_error(const mtnt_error *err); /* NULL or MTNT_OK: null */
json_t *mtnt__encode_counts(const mtnt_counts *counts);

/* Writes the object, which it takes over, and a newline. NULL: says that there was no memory for it. */
void mtnt__encode_put(FILE *out, json_t *object, bool one_line);

/* {"tenants": [...], "summary": {...}}, written from the first tenant on; or with `lines` an object for
 * each on a line of its own, told apart by the key "event": "tenant" or "summary". All take the object
 * over. */
typedef struct mtnt__encode_list {
    FILE *out;
    bool lines;
    size_t count;
} mtnt__encode_list;
void mtnt__encode_list_begin(mtnt__encode_list *list, FILE *out, bool lines);
void mtnt__encode_list_item(mtnt__encode_list *list, json_t *object);
void mtnt__encode_list_end(mtnt__encode_list *list, json_t *summary);

#endif
