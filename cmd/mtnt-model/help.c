#include "help.h"

#include <signal.h>
#include <string.h>

#include "commands.h"
#include "option_rows.h"

enum { WIDTH = 80 };

/* `text` from `column` on, broken between words at WIDTH, further lines indented. A newline is kept. */
static void put_filled(FILE *out, int column, int indent, const char *text)
{
    bool first = true;

    while (*text != '\0') {
        int word = (int)strcspn(text, " \n");

        if (!first && column + 1 + word > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        column += fprintf(out, "%s%.*s", first ? "" : " ", word, text);
        first = false;
        for (text += word; *text == ' ' || *text == '\n'; text++)
            if (*text == '\n') {
                fputc('\n', out);
                column = 0;
                first = true;
            }
    }
}

/* The help text beside the flags, or below them when they are too wide. */
static void put_help(FILE *out, const char *flags, const char *help)
{
    enum { INDENT = 30 };
    int column = fprintf(out, "  %s", flags);

    if (column > INDENT - 2) {
        fputc('\n', out);
        column = 0;
    }
    fprintf(out, "%*s", INDENT - column, "");
    put_filled(out, INDENT, INDENT, help);
    fputc('\n', out);
}

static void put_options(FILE *out, const mtnt__command *command)
{
    for (const mtnt__option_row *row = mtnt__option_rows; row->name != NULL; row++) {
        char flags[64];

        if (command != NULL && (row->takes & command->takes) == 0)
            continue;
        snprintf(flags, sizeof flags, "%c%c%s--%s%s%s", row->letter != '\0' ? '-' : ' ',
                 row->letter != '\0' ? row->letter : ' ', row->letter != '\0' ? ", " : "  ", row->name,
                 row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
        put_help(out, flags, row->help);
    }
}

static void put_lines(FILE *out, const char *indent, const char *lines)
{
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");

        fprintf(out, "%s%.*s\n", indent, (int)length, lines);
        lines += length + (lines[length] == '\n');
    }
}

static void put_exits(FILE *out)
{
    static const struct {
        int code;
        const char *meaning;
    } exits[] = {
        {MTNT__EXIT_OK, "all tenants are current, or what was asked for is done"},
        {MTNT__EXIT_FAILED, "some tenants failed"},
        {MTNT__EXIT_FATAL, "fatal, nothing trustworthy was done: a controller or a server out of reach, a folder "
                           "that cannot be written, a controller of a newer version"},
        {MTNT__EXIT_PENDING, "with --exit-code: something is pending; wait: the time is over"},
        {MTNT__EXIT_BUDGET,
         "more tenants failed than --max-failures, or a wave that is judged, allows; the others were "
         "not touched"},
        {MTNT__EXIT_USAGE, "usage: a wrong option or command, an unknown --tenant or --to"},
        {MTNT__EXIT_CONFIG, "configuration: a file is wrong or missing, a bad DSN, a bad plugin"},
        {MTNT__EXIT_SIGNAL + SIGINT, "interrupted by Ctrl-C; the next run goes on from there"},
        {MTNT__EXIT_SIGNAL + SIGTERM, "the same by SIGTERM"},
    };

    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++) {
        fprintf(out, "  %-5d", exits[i].code);
        put_filled(out, 7, 7, exits[i].meaning);
        fputc('\n', out);
    }
}

static void put_command(FILE *out, const mtnt__command *command)
{
    fprintf(out, "mtnt-model %s%s%s: %s\n\n", command->name, command->alias != NULL ? ", " : "",
            command->alias != NULL ? command->alias : "", command->summary);
    fprintf(out, "Usage: mtnt-model %s%s%s [options]\n\n", command->name, command->argument != NULL ? " " : "",
            command->argument != NULL ? command->argument : "");
    put_filled(out, 0, 0, command->about);
    fputs("\nExamples:\n", out);
    put_lines(out, "  ", command->examples);
    fputs("\nOptions:\n", out);
    put_options(out, command);
    put_filled(out, 0, 0,
               "\nEvery option has an environment variable (MTNT_WORKERS for --workers); `mtnt-model help` has all "
               "of them, and the exit codes.\n");
}

void mtnt__help_put(FILE *out, const mtnt__command *command)
{
    if (command != NULL) {
        put_command(out, command);
        return;
    }
    put_filled(out, 0, 0,
               "Brings thousands of tenant databases from one version to the next, together with what the "
               "controller says of them.\n\nUsage: mtnt-model [options] COMMAND\n\nCommands:\n");
    for (const mtnt__command *each = mtnt__commands; each->name != NULL; each++) {
        char names[40];

        snprintf(names, sizeof names, "%s%s%s%s%s", each->name, each->alias != NULL ? ", " : "",
                 each->alias != NULL ? each->alias : "", each->argument != NULL ? " " : "",
                 each->argument != NULL ? each->argument : "");
        fprintf(out, "  %-16s %s\n", names, each->summary);
    }
    fputs("\nOptions (`mtnt-model help COMMAND` has those of one command, and examples):\n", out);
    put_options(out, NULL);
    put_filled(out, 0, 0,
               "\nEvery option has an environment variable, MTNT_WORKERS for --workers, and many have a key in the "
               "project file. A flag outranks the environment, which outranks the file. libpq's PGPASSFILE, "
               "PGSERVICE and other variables work. NO_COLOR is honoured.\n\nExit codes:\n");
    put_exits(out);
}

void mtnt__help_put_version(FILE *out)
{
    fputs("mtnt-model " MTNT_VERSION_TEXT "\n", out);
}

int mtnt__command_help(mtnt__work *work)
{
    const char *name = work->settings.argument;
    const mtnt__command *command = name == NULL ? NULL : mtnt__commands_find(name);

    if (name != NULL && command == NULL) {
        if (mtnt__commands_is_later(name))
            return mtnt__work_fail(work, MTNT__EXIT_USAGE, "this version does not have the command %s yet", name);
        return mtnt__work_fail(work, MTNT__EXIT_USAGE, "unknown command %s; `mtnt-model help` lists them all", name);
    }
    mtnt__help_put(work->screen.out, command);
    return MTNT__EXIT_OK;
}
