#include "lint.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "encode.h"
#include "quote.h"

enum { NAMES = 8, TEXTS = 20, WIDEST = 100 };

/* ---- keeping ---- */

static bool is_there(const mtnt__findings *findings, const mtnt_lint_warning *warning)
{
    for (size_t i = 0; i < findings->count; i++) {
        const mtnt_lint_warning *other = &findings->items[i].warning;

        if (!findings->items[i].is_lock && other->rule == warning->rule && other->order == warning->order &&
            other->line == warning->line && other->file == warning->file &&
            strcmp(findings->items[i].table, warning->table) == 0)
            return true;
    }
    return false;
}

static mtnt__finding *one_more(mtnt__findings *findings, const char *table, mtnt_error *err)
{
    mtnt__finding *at;
    char *copy = strdup(table);

    if (copy != NULL && findings->count == findings->size) {
        size_t size = findings->size * 2 + 16;
        mtnt__finding *bigger = reallocarray(findings->items, size, sizeof *bigger);

        if (bigger != NULL) {
            findings->items = bigger;
            findings->size = size;
        }
    }
    if (copy == NULL || findings->count == findings->size) {
        free(copy);
        mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        return NULL;
    }
    at = &findings->items[findings->count++];
    *at = (mtnt__finding){.table = copy};
    return at;
}

static int keep_warning(void *data, const mtnt_lint_warning *warning, mtnt_error *err)
{
    mtnt__findings *findings = data;
    mtnt__finding *at;

    if (is_there(findings, warning))
        return 0;
    at = one_more(findings, warning->table, err);
    if (at == NULL)
        return MTNT_E_NOMEM;
    at->warning = *warning;
    at->warning.table = at->table;
    findings->warnings++;
    return 0;
}

static int keep_lock(void *data, const mtnt_lint_lock *lock, mtnt_error *err)
{
    mtnt__finding *at = one_more(data, lock->table, err);

    if (at == NULL)
        return MTNT_E_NOMEM;
    at->is_lock = true;
    at->mode = lock->mode;
    at->warning.operation = lock->operation;
    at->warning.order = lock->order;
    at->warning.on_controller = lock->on_controller;
    return 0;
}

int mtnt__findings_add(mtnt__work *work, mtnt__findings *findings, const size_t *indices, size_t count,
                       int model_backend, int controller_backend)
{
    const mtnt_lint_reader reader = {keep_warning, keep_lock, findings};
    mtnt_error err = MTNT_ERROR_INIT;

    if (mtnt_chain_lint(work->chain, indices, count, model_backend, controller_backend, &reader, &err) == 0)
        return 0;
    return mtnt__work_fail_error(work, &err);
}

void mtnt__findings_release(mtnt__findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        free(findings->items[i].table);
    free(findings->items);
    *findings = (mtnt__findings){NULL, 0, 0, 0};
}

int mtnt__findings_controller_backend(const mtnt__work *work)
{
    const char *dsn = work->settings.controller;

    return dsn != NULL && strncmp(dsn, "sqlite:", 7) == 0 ? MTNT_SQLITE : MTNT_POSTGRES;
}

/* ---- text ---- */

void mtnt__lint_put_wrapped(const mtnt__screen *screen, FILE *out, int at, int indent, const char *text)
{
    int width = mtnt__screen_width(screen), start = at;

    if (width > WIDEST)
        width = WIDEST;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        int columns = mtnt__words_width(text, length);

        if (at > start && at + 1 + columns > width) {
            fprintf(out, "\n%*s", indent, "");
            at = start = indent;
        } else if (at > start) {
            fputc(' ', out);
            at++;
        }
        mtnt__words_put_bytes(out, text, length);
        at += columns;
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

static void put_key(FILE *out, const char *key)
{
    fprintf(out, "%*s%-12s", NAMES, "", key);
}

/* "sql/plan.up.sql:7", as seen from here. */
static char *place_of(const mtnt_lint_warning *warning)
{
    char *near, *text = NULL;
    int length;

    if (warning->file == NULL)
        return strdup("");
    near = mtnt__quote_near(warning->file);
    length = near == NULL         ? -1
             : warning->line == 0 ? asprintf(&text, "%s ", near)
                                  : asprintf(&text, "%s:%" PRIu32 " ", near, warning->line);
    free(near);
    return length < 0 ? NULL : text;
}

static void put_warning(const mtnt__work *work, const mtnt_lint_warning *warning)
{
    FILE *out = work->screen.out;
    char *place = place_of(warning), *line = NULL;

    if (place == NULL || asprintf(&line, "%s%s", place, warning->rule) < 0) {
        free(place);
        return;
    }
    mtnt__lint_put_wrapped(&work->screen, out, TEXTS, TEXTS, line);
    fprintf(out, "%*s", TEXTS, "");
    mtnt__lint_put_wrapped(&work->screen, out, TEXTS, TEXTS, warning->why);
    fprintf(out, "%*sinstead: ", TEXTS, "");
    mtnt__lint_put_wrapped(&work->screen, out, TEXTS + 9, TEXTS, warning->instead);
    free(place);
    free(line);
}

static void add_lock(char *text, size_t size, const mtnt__finding *lock)
{
    const char *where = lock->warning.on_controller ? " (controller)" : "";
    size_t at = strlen(text);
    const char *separator = at == 0 ? "" : ", ";

    if (strcmp(lock->mode, "unknown") == 0)
        snprintf(text + at, size - at, "%sunknown%s: %s", separator, where, lock->table);
    else if (lock->table[0] == '\0')
        snprintf(text + at, size - at, "%sthe whole file%s", separator, where);
    else
        snprintf(text + at, size - at, "%s%s on %s%s", separator, lock->mode, lock->table, where);
}

void mtnt__findings_put(const mtnt__work *work, const mtnt__findings *findings, int64_t order)
{
    FILE *out = work->screen.out;
    char locks[4000] = "";

    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].is_lock && findings->items[i].warning.order == order)
            add_lock(locks, sizeof locks, &findings->items[i]);
    if (locks[0] != '\0') {
        put_key(out, "locks");
        mtnt__lint_put_wrapped(&work->screen, out, TEXTS, TEXTS, locks);
    }
    for (size_t i = 0; i < findings->count; i++)
        if (!findings->items[i].is_lock && findings->items[i].warning.order == order) {
            put_key(out, "warning");
            put_warning(work, &findings->items[i].warning);
        }
}

void mtnt__findings_put_warnings(const mtnt__work *work, const mtnt__findings *findings)
{
    FILE *out = work->screen.out;

    for (size_t i = 0; i < findings->count; i++) {
        const mtnt_lint_warning *warning = &findings->items[i].warning;
        char *place;

        if (findings->items[i].is_lock || (place = place_of(warning)) == NULL)
            continue;
        fputs("warning: ", out);
        mtnt__words_put(out, place);
        mtnt__words_put(out, warning->rule);
        fputs(", operation ", out);
        mtnt__words_put(out, warning->operation);
        fputs("\n    ", out);
        mtnt__lint_put_wrapped(&work->screen, out, 4, 4, warning->why);
        fputs("    instead: ", out);
        mtnt__lint_put_wrapped(&work->screen, out, 13, 4, warning->instead);
        free(place);
    }
}

/* ---- JSON ---- */

json_t *mtnt__findings_describe_warnings(const mtnt__findings *findings, int64_t order)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < findings->count; i++) {
        const mtnt_lint_warning *warning = &findings->items[i].warning;

        if (findings->items[i].is_lock || (order >= 0 && warning->order != order))
            continue;
        json_array_append_new(list,
                              json_pack("{ss so sI ss so so sI ss ss}", "rule", warning->rule, "operation",
                                        mtnt__encode_text(warning->operation), "order", (json_int_t)warning->order,
                                        "side", warning->on_controller ? "controller" : "model", "table",
                                        mtnt__encode_text(warning->table[0] == '\0' ? NULL : warning->table), "file",
                                        mtnt__encode_text(warning->file), "line", (json_int_t)warning->line, "why",
                                        warning->why, "instead", warning->instead));
    }
    return list;
}

json_t *mtnt__findings_describe_locks(const mtnt__findings *findings, int64_t order)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < findings->count; i++) {
        const mtnt__finding *lock = &findings->items[i];
        bool unknown = lock->is_lock && strcmp(lock->mode, "unknown") == 0;

        if (!lock->is_lock || (order >= 0 && lock->warning.order != order))
            continue;
        json_array_append_new(list,
                              json_pack("{ss ss so so}", "side", lock->warning.on_controller ? "controller" : "model",
                                        "mode", lock->mode, "table",
                                        mtnt__encode_text(unknown || lock->table[0] == '\0' ? NULL : lock->table),
                                        "statement", mtnt__encode_text(unknown ? lock->table : NULL)));
    }
    return list;
}
