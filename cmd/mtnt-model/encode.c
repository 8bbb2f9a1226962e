#include "encode.h"

#include <stdlib.h>

#include "words.h"

json_t *mtnt__encode_text(const char *text)
{
    json_t *json = text == NULL ? json_null() : json_string(text);
    char *escaped = NULL;
    size_t length;
    FILE *out;

    if (json != NULL)
        return json;
    out = open_memstream(&escaped, &length);
    if (out == NULL)
        return NULL;
    mtnt__words_put(out, text);
    if (fclose(out) == 0)
        json = json_stringn(escaped, length);
    free(escaped);
    return json;
}

json_t *mtnt__encode_time(int64_t wall_ms)
{
    char text[MTNT__WORDS_TIME_SIZE];

    if (wall_ms == 0)
        return json_null();
    mtnt__words_time(text, wall_ms);
    return json_string(text);
}

static json_t *position(uint32_t from_one)
{
    return from_one == 0 ? json_null() : json_integer(from_one);
}

static const char *some(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

json_t *mtnt__encode_error(const mtnt_error *err)
{
    if (err == NULL || err->code == MTNT_OK)
        return json_null();
    return json_pack("{ss so so so so so so sb}", "code", mtnt_code_name(err->code), "message",
                     mtnt__encode_text(err->message), "state", mtnt__encode_text(some(err->state)), "file",
                     mtnt__encode_text(some(err->file)), "line", position(err->line), "column", position(err->column),
                     "statement", mtnt__encode_text(some(err->statement)), "retryable", err->retryable);
}

json_t *mtnt__encode_counts(const mtnt_counts *counts)
{
    static const char *const stops[] = {
        [MTNT_STOP_NONE] = NULL, [MTNT_STOP_ON_ERROR] = "on_error", [MTNT_STOP_BUDGET] = "max_failures"};

    return json_pack("{sI sI sI sI sI sI sI sI sI sI sI sI sI sI sI so}", "total", (json_int_t)counts->total,
                     "migrated", (json_int_t)counts->migrated, "current", (json_int_t)counts->current, "failed",
                     (json_int_t)counts->failed, "untouched", (json_int_t)counts->untouched, "elsewhere",
                     (json_int_t)counts->elsewhere, "held", (json_int_t)counts->held, "rolled_back",
                     (json_int_t)counts->rolled_back, "kept", (json_int_t)counts->kept, "in_doubt",
                     (json_int_t)counts->in_doubt, "recovered_committed", (json_int_t)counts->recovered_committed,
                     "recovered_aborted", (json_int_t)counts->recovered_aborted, "operations",
                     (json_int_t)counts->operations, "cloned", (json_int_t)counts->cloned, "retries",
                     (json_int_t)counts->retries, "stopped_by", mtnt__encode_text(stops[counts->stop]));
}

void mtnt__encode_put(FILE *out, json_t *object, bool one_line)
{
    if (object == NULL) {
        fputs("mtnt-model: out of memory, a line of the output is missing\n", stderr);
        return;
    }
    json_dumpf(object, out, one_line ? JSON_COMPACT : JSON_INDENT(2));
    fputc('\n', out);
    json_decref(object);
}

void mtnt__encode_list_begin(mtnt__encode_list *list, FILE *out, bool lines)
{
    *list = (mtnt__encode_list){out, lines, 0};
}

static void put_event(mtnt__encode_list *list, const char *name, json_t *object)
{
    if (object != NULL)
        json_object_set_new(object, "event", json_string(name));
    mtnt__encode_put(list->out, object, true);
}

void mtnt__encode_list_item(mtnt__encode_list *list, json_t *object)
{
    bool first = list->count++ == 0;

    if (list->lines) {
        put_event(list, "tenant", object);
        return;
    }
    fputs(first ? "{\"tenants\": [\n" : ",\n", list->out);
    if (object != NULL)
        json_dumpf(object, list->out, JSON_COMPACT);
    json_decref(object);
}

void mtnt__encode_list_end(mtnt__encode_list *list, json_t *summary)
{
    if (list->lines) {
        put_event(list, "summary", summary);
        return;
    }
    fputs(list->count == 0 ? "{\"tenants\": [" : "\n", list->out);
    fputs("], \"summary\": ", list->out);
    if (summary != NULL)
        json_dumpf(summary, list->out, JSON_COMPACT);
    fputs("}\n", list->out);
    json_decref(summary);
}
