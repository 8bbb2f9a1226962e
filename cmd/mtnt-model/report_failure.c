#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "excerpt.h"
#include "quote.h"
#include "report.h"

/* What became of the tenant, in a few words. */
static void put_fate(FILE *out, const mtnt_event *event)
{
    const mtnt_outcome *outcome = event->outcome;

    if (event->result == MTNT_RESULT_IN_DOUBT && event->error != NULL && event->error->code == MTNT_E_BLOCKED)
        fputs("a person has to decide", out);
    else if (event->result == MTNT_RESULT_IN_DOUBT)
        fputs("in doubt: the answer to its commit was lost", out);
    else if (outcome != NULL && outcome->executed > 0)
        fprintf(out, "kept up to %" PRId64, outcome->to_version);
    else if (outcome == NULL || (outcome->failed_operation == NULL && outcome->rolled_back == 0))
        fputs("nothing changed", out);
    else
        fputs("rolled back, nothing changed", out);
}

static bool is_in(const char *sql, const char *line)
{
    return sql != NULL && *line != '\0' && strstr(sql, line) != NULL;
}

/* " (model)", where the chain, or the line of SQL, says that it can only have been that. */
static const char *side_of(const mtnt__report *report, const mtnt_event *event)
{
    ptrdiff_t index = mtnt_chain_find(report->work->chain, event->outcome->failed_operation);
    const char *line = event->error == NULL ? "" : event->error->statement;
    mtnt_entry_info info;
    bool of_model, of_controller;

    if (index < 0 || !mtnt_chain_get(report->work->chain, (size_t)index, &info))
        return "";
    of_model = info.writes == MTNT_WRITES_MODEL || is_in(info.model_up, line);
    of_controller = info.writes == MTNT_WRITES_CONTROLLER || is_in(info.controller_up, line);
    if (of_model == of_controller)
        return "";
    return of_model ? " (model)" : " (controller)";
}

/* Where several run, nothing else tells. */
static void put_lane(FILE *out, const mtnt__report *report)
{
    if (report->beside_count == 0)
        return;
    fputs(", lane ", out);
    mtnt__words_put(out, report->work->lane);
}

static void put_where(FILE *out, const mtnt__report *report, const mtnt_event *event)
{
    const mtnt_outcome *outcome = event->outcome;

    if (outcome == NULL || outcome->failed_operation == NULL) {
        fputs("failed", out);
        put_lane(out, report);
        return;
    }
    fprintf(out, "failed at %" PRId64 " ", outcome->failed_order);
    mtnt__words_put(out, outcome->failed_operation);
    fputs(side_of(report, event), out);
    if (report->direction == MTNT_BACKWARD)
        fputs(", taking it back", out);
    else if (outcome->failed_phase != NULL && strcmp(outcome->failed_phase, "execute") != 0)
        fprintf(out, ", %s", outcome->failed_phase);
    put_lane(out, report);
}

static void put_title(mtnt__report *report, const mtnt_event *event)
{
    mtnt__screen *screen = &report->work->screen;
    const char *id = mtnt_model_id(event->tenant);
    char *where = NULL, *fate = NULL;
    size_t where_length = 0, fate_length = 0;
    FILE *where_out = open_memstream(&where, &where_length), *fate_out = open_memstream(&fate, &fate_length);
    int used;

    if (where_out != NULL)
        put_where(where_out, report, event);
    if (fate_out != NULL)
        put_fate(fate_out, event);
    if (where_out == NULL || fate_out == NULL || fclose(where_out) != 0 || fclose(fate_out) != 0)
        goto out;
    mtnt__screen_put(screen, screen->out, MTNT__STYLE_BAD, mtnt__screen_sign(screen, "✗", "x"));
    fputc(' ', screen->out);
    mtnt__screen_put(screen, screen->out, MTNT__STYLE_STRONG, id);
    fprintf(screen->out, "   %s", where);
    used = 2 + mtnt__words_width(id, strlen(id)) + 3 + mtnt__words_width(where, where_length);
    if (used + 3 + (int)fate_length > mtnt__screen_width(screen))
        fprintf(screen->out, "\n    %s\n", fate);
    else
        fprintf(screen->out, "%*s%s\n", used < 43 ? 46 - used : 3, "", fate);
out:
    free(where);
    free(fate);
}

/* What to do before the command that is printed after it; NULL = the message says it all. */
static const char *advice(const mtnt_error *err)
{
    switch (err->code) {
    case MTNT_E_DATABASE:
        if (strncmp(err->state, "23", 2) == 0 || strncmp(err->state, "SQLITE_CONSTRAINT", 17) == 0)
            return "fix the data, then";
        return "fix the SQL or the data, then";
    case MTNT_E_CONFIG: return "fix the file, then";
    case MTNT_E_IO: return "make room, or see to the permissions, then";
    case MTNT_E_NOT_FOUND: return "see where the model is, then";
    case MTNT_E_CONNECT: return "when the database can be reached again";
    case MTNT_E_BUSY: return "when the other has finished";
    case MTNT_E_DEADLINE: return "with more time";
    case MTNT_E_CORRUPT: return "restore the database from a backup, then";
    case MTNT_E_CANCELLED: return "to go on";
    case MTNT_E_OPERATION: return "see to what the operation says, then";
    default: return NULL;
    }
}

static void put_next(const mtnt__report *report, const mtnt_event *event)
{
    FILE *out = report->work->screen.out;
    const char *first = advice(event->error);
    const char *command = report->command;
    char *id = mtnt__quote_word(mtnt_model_id(event->tenant));

    if (event->result == MTNT_RESULT_IN_DOUBT && event->error->code != MTNT_E_BLOCKED) {
        first = "ask the decision register";
        command = "recover";
    }
    if (first != NULL && id != NULL) {
        fprintf(out, "    next: %s   mtnt-model %s", first, command);
        mtnt__words_put(out, report->again);
        fputs(" --tenant ", out);
        mtnt__words_put(out, id);
        if (event->error->code == MTNT_E_DEADLINE)
            fputs(" --deadline 2h", out);
        fputc('\n', out);
    }
    free(id);
}

void mtnt__report_failure(mtnt__report *report, const mtnt_event *event)
{
    const mtnt_error *err = event->error;
    FILE *out = report->work->screen.out;

    put_title(report, event);
    if (err == NULL) {
        fputc('\n', out);
        return;
    }
    fputs("    ", out);
    mtnt__excerpt_put_lines(out, 4,
                            mtnt__excerpt_without_operation(
                                err->message, event->outcome == NULL ? NULL : event->outcome->failed_operation));
    if (err->state[0] != '\0') {
        fputs("   (", out);
        mtnt__words_put(out, err->state);
        fputc(')', out);
    }
    fputc('\n', out);
    mtnt__excerpt_put_place(&report->work->screen, out, 4, err);
    put_next(report, event);
    fputc('\n', out);
}
