#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "option_rows.h"

#define ROWS mtnt__option_rows

/* Values that getopt_long returns: rows from FIRST_ROW on, then the later ones. */
enum { FIRST_ROW = 256, FIRST_LATER = FIRST_ROW + MTNT__OPTION_ROWS_MAX };

static void *setting_of(mtnt__settings *settings, const mtnt__option_row *row)
{
    return (char *)settings + row->setting;
}

/* "MTNT_ALLOW_OUT_OF_ORDER" for allow-out-of-order. */
static void environment_name(const mtnt__option_row *row, char ret_name[64])
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz-", upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";

    snprintf(ret_name, 64, "MTNT_%s", row->name);
    for (char *c = ret_name + 5; *c != '\0'; c++)
        *c = upper[strchr(lower, *c) - lower];
}

static int usage(FILE *errors, const char *format, ...) MTNT_PRINTF(2, 3);

static int usage(FILE *errors, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    fputs("mtnt-model: ", errors);
    mtnt__words_put(errors, text != NULL ? text : "out of memory");
    fputc('\n', errors);
    free(text);
    return MTNT__EXIT_USAGE;
}

static bool is_choice(const mtnt__option_row *row, const char *value)
{
    for (const char *const *choice = row->choices; *choice != NULL; choice++)
        if (strcmp(*choice, value) == 0)
            return true;
    return false;
}

/* item NULL: out of memory already. */
static int list_add(mtnt__list *list, const char *item, FILE *errors)
{
    const char **items = item == NULL ? NULL : realloc(list->items, (list->count + 2) * sizeof *items);

    if (items == NULL) {
        usage(errors, "out of memory");
        return MTNT__EXIT_FATAL;
    }
    items[list->count++] = item;
    items[list->count] = NULL;
    list->items = items;
    return 0;
}

/* Takes an environment variable's value apart at its commas. */
static int list_split(mtnt__settings *settings, mtnt__list *list, const char *value, FILE *errors)
{
    char *copy = strdup(value), *rest = copy, *item;
    int exit_code;

    if (copy == NULL)
        return list_add(list, NULL, errors);
    exit_code = list_add(&settings->owned, copy, errors);
    if (exit_code != 0) {
        free(copy);
        return exit_code;
    }
    while (exit_code == 0 && (item = strsep(&rest, ",")) != NULL)
        if (*item != '\0')
            exit_code = list_add(list, item, errors);
    return exit_code;
}

static int set_value(mtnt__settings *settings, const mtnt__option_row *row, const char *shown, const char *value,
                     FILE *errors)
{
    void *field = setting_of(settings, row);

    switch (row->kind) {
    case MTNT__OPTION_FLAG: *(bool *)field = true; return 0;
    case MTNT__OPTION_TEXT:
        if (*value == '\0')
            return usage(errors, "%s: the value is empty", shown);
        *(const char **)field = value;
        return 0;
    case MTNT__OPTION_LIST:
        if (*value == '\0')
            return usage(errors, "%s: the value is empty", shown);
        return list_add(field, value, errors);
    case MTNT__OPTION_INT:
        if (mtnt__words_int(value, row->least, row->most, field)) {
            if (*(int64_t *)field == 0)
                *(int64_t *)field = row->zero;
            return 0;
        }
        if (row->most == INT64_MAX)
            return usage(errors, "%s: '%s' is no number of at least %lld", shown, value, (long long)row->least);
        return usage(errors, "%s: '%s' is no number from %lld to %lld", shown, value, (long long)row->least,
                     (long long)row->most);
    case MTNT__OPTION_DURATION: {
        int64_t ms;

        if (!mtnt__words_duration_ms(value, &ms) || ms > row->most)
            return usage(errors, "%s: '%s' is no time; write 200ms, 5s, 2m or 1h", shown, value);
        if (ms < row->least)
            return usage(errors, "%s: it has to be more than 0", shown);
        *(int64_t *)field = ms == 0 ? row->zero : ms;
        return 0;
    }
    case MTNT__OPTION_CHOICE:
        if (!is_choice(row, value))
            return usage(errors, "%s: '%s' is none of %s", shown, value, row->value);
        *(const char **)field = value;
        return 0;
    case MTNT__OPTION_CHECKED: {
        mtnt_error err = MTNT_ERROR_INIT;

        if (row->check(value, &err) != 0)
            return usage(errors, "%s: %s", shown, err.message);
        *(const char **)field = value;
        return 0;
    }
    }
    return 0;
}

/* ---- flags ---- */

static const char *nearest_option(const char *name)
{
    const char *names[MTNT__OPTION_ROWS_MAX];
    size_t count = 0;

    for (; ROWS[count].name != NULL; count++)
        names[count] = ROWS[count].name;
    names[count] = NULL;
    return mtnt__words_nearest(name, names);
}

/* `word` is "--name" or "--name=value". */
static int unknown_option(const char *word, FILE *errors)
{
    char name[64];
    const char *near;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    near = nearest_option(name);
    if (near != NULL)
        return usage(errors, "unknown option --%s; did you mean --%s?", name, near);
    return usage(errors, "unknown option --%s; `mtnt-model help` lists them all", name);
}

static void fill_getopt(struct option *options, char *letters)
{
    size_t count = 0;

    *letters++ = ':';
    for (size_t i = 0; ROWS[i].name != NULL; i++) {
        int has = ROWS[i].value != NULL ? required_argument : no_argument;

        options[count++] = (struct option){ROWS[i].name, has, NULL, FIRST_ROW + (int)i};
        if (ROWS[i].letter != '\0') {
            *letters++ = ROWS[i].letter;
            if (has == required_argument)
                *letters++ = ':';
        }
    }
    for (size_t i = 0; mtnt__options_later[i] != NULL; i++)
        options[count++] = (struct option){mtnt__options_later[i], optional_argument, NULL, FIRST_LATER + (int)i};
    options[count] = (struct option){NULL, 0, NULL, 0};
    *letters = '\0';
}

static const mtnt__option_row *row_of(int returned)
{
    if (returned >= FIRST_ROW && returned < FIRST_LATER)
        return &ROWS[returned - FIRST_ROW];
    for (size_t i = 0; ROWS[i].name != NULL; i++)
        if (ROWS[i].letter == returned && returned != 0)
            return &ROWS[i];
    return NULL;
}

/* The word of argv that getopt_long has just taken an option from. */
static const char *current_word(char **argv)
{
    return optarg != NULL && optarg == argv[optind - 1] ? argv[optind - 2] : argv[optind - 1];
}

/* getopt_long takes unambiguous beginnings for the whole; a flag of the next version would change their
 * meaning. */
static bool is_abbreviated(const char *word, const char *name)
{
    return strncmp(word, "--", 2) == 0 &&
           (strlen(name) != strcspn(word + 2, "=") || strncmp(word + 2, name, strlen(name)) != 0);
}

static int bad_option(char **argv, int returned, FILE *errors)
{
    const mtnt__option_row *row = row_of(optopt);
    const char *word = argv[optind - 1];

    if (returned == ':' && row != NULL)
        return usage(errors, "--%s needs a value: %s", row->name, row->value);
    if (row != NULL && strncmp(word, "--", 2) == 0)
        return usage(errors, "--%s takes no value", row->name);
    if (strncmp(word, "--", 2) == 0)
        return unknown_option(word, errors);
    return usage(errors, "unknown option -%c; `mtnt-model help` lists them all", optopt);
}

static int take_option(mtnt__settings *settings, char **argv, int returned, FILE *errors)
{
    const mtnt__option_row *row = row_of(returned);
    const char *word = current_word(argv);
    char shown[64];
    int exit_code;

    if (returned >= FIRST_LATER) {
        const char *name = mtnt__options_later[returned - FIRST_LATER];

        return is_abbreviated(word, name) ? unknown_option(word, errors)
                                          : usage(errors, "this version does not have --%s yet", name);
    }
    if (row == NULL)
        return bad_option(argv, returned, errors);
    if (is_abbreviated(word, row->name))
        return unknown_option(word, errors);
    snprintf(shown, sizeof shown, "--%s", row->name);
    exit_code = set_value(settings, row, shown, optarg, errors);
    if (exit_code == 0) {
        settings->given[row - ROWS] = true;
        settings->flagged[row - ROWS] = true;
    }
    return exit_code;
}

static int name_command(mtnt__settings *settings, const char *name, FILE *errors)
{
    const char *near;

    settings->command = mtnt__commands_find(name);
    if (settings->command != NULL)
        return 0;
    if (mtnt__commands_is_later(name))
        return usage(errors, "this version does not have the command %s yet", name);
    near = mtnt__commands_nearest(name);
    if (near != NULL)
        return usage(errors, "unknown command %s; did you mean %s?", name, near);
    return usage(errors, "unknown command %s; `mtnt-model help` lists them all", name);
}

static int take_words(mtnt__settings *settings, char **words, int count, FILE *errors)
{
    int exit_code;

    if (count == 0)
        return 0;
    exit_code = name_command(settings, words[0], errors);
    if (exit_code != 0)
        return exit_code;
    if (count > 1 && settings->command->argument == NULL)
        return usage(errors, "%s takes no argument: %s", words[0], words[1]);
    if (count > 2)
        return usage(errors, "%s takes one argument only: %s", words[0], words[2]);
    settings->argument = count > 1 ? words[1] : NULL;
    if (settings->argument == NULL && settings->command->argument != NULL && settings->command->argument[0] != '[' &&
        !settings->help)
        return usage(errors, "%s needs an argument: %s", words[0], settings->command->argument);
    return 0;
}

static int check_flags(const mtnt__settings *settings, FILE *errors)
{
    for (size_t i = 0; ROWS[i].name != NULL; i++)
        if (settings->flagged[i] && (ROWS[i].takes & settings->command->takes) == 0)
            return usage(errors, "%s does not take --%s", settings->command->name, ROWS[i].name);
    if (settings->server != NULL && mtnt__words_has_password(settings->server))
        return usage(
            errors, "--server: no flag takes a password, and none is written into a file; use PGPASSFILE or PGSERVICE");
    if (settings->from != NULL && mtnt__words_has_password(settings->from))
        return usage(errors, "--from: no flag takes a password; use PGPASSFILE, PGSERVICE or PGPASSWORD");
    if (settings->controller != NULL && mtnt__words_has_password(settings->controller))
        return usage(errors, "--controller: no flag takes a password, everybody on this machine can read it; use "
                             "PGPASSFILE, PGSERVICE or MTNT_CONTROLLER");
    return 0;
}

int mtnt__options_parse(mtnt__settings *settings, int argc, char **argv, FILE *errors)
{
    struct option options[MTNT__OPTION_ROWS_MAX + MTNT__OPTIONS_LATER_MAX];
    char letters[2 * MTNT__OPTION_ROWS_MAX + 2];
    int returned, exit_code = 0;

    fill_getopt(options, letters);
    opterr = 0;
    optind = 0; /* anew, should this be the second call in a process */
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread is started */
    while (exit_code == 0 && (returned = getopt_long(argc, argv, letters, options, NULL)) != -1)
        exit_code = take_option(settings, argv, returned, errors);
    if (exit_code == 0)
        exit_code = take_words(settings, argv + optind, argc - optind, errors);
    if (exit_code == 0 && settings->command != NULL)
        exit_code = check_flags(settings, errors);
    return exit_code;
}

/* ---- environment and project ---- */

static int take_variable(mtnt__settings *settings, const mtnt__option_row *row, FILE *errors)
{
    char name[64];
    const char *value;

    environment_name(row, name);
    value = getenv(name); /* NOLINT(concurrency-mt-unsafe): before any thread is started */
    if (value == NULL || *value == '\0')
        return 0;
    if (row->kind == MTNT__OPTION_FLAG &&
        (strcmp(value, "0") == 0 || strcmp(value, "no") == 0 || strcmp(value, "false") == 0))
        return 0;
    settings->given[row - ROWS] = true;
    if (row->kind == MTNT__OPTION_LIST)
        return list_split(settings, setting_of(settings, row), value, errors);
    return set_value(settings, row, name, value, errors);
}

static void choose_format(mtnt__settings *settings)
{
    if (settings->format_name == NULL)
        settings->format = MTNT__FORMAT_TEXT;
    else if (strcmp(settings->format_name, "json") == 0)
        settings->format = MTNT__FORMAT_JSON;
    else if (strcmp(settings->format_name, "jsonl") == 0)
        settings->format = MTNT__FORMAT_JSONL;
}

int mtnt__options_environment(mtnt__settings *settings, FILE *errors)
{
    int exit_code = 0;

    for (size_t i = 0; ROWS[i].name != NULL && exit_code == 0; i++) {
        const mtnt__option_row *row = &ROWS[i];

        if (settings->given[i] || (row->takes & settings->command->takes) == 0 ||
            row->setting == offsetof(mtnt__settings, help) || row->setting == offsetof(mtnt__settings, version))
            continue;
        exit_code = take_variable(settings, row, errors);
    }
    choose_format(settings);
    return exit_code;
}

void mtnt__options_project(mtnt__settings *settings, const mtnt_project *project)
{
    for (size_t i = 0; ROWS[i].name != NULL; i++) {
        const mtnt__option_row *row = &ROWS[i];
        const void *field = (const char *)project + row->project;
        void *setting = setting_of(settings, row);

        if (row->project == 0 || settings->given[i])
            continue;
        switch (row->kind) {
        case MTNT__OPTION_FLAG: *(bool *)setting = *(const bool *)field; break;
        case MTNT__OPTION_INT: *(int64_t *)setting = *(const int *)field; break;
        case MTNT__OPTION_DURATION: *(int64_t *)setting = *(const int64_t *)field; break;
        case MTNT__OPTION_TEXT:
        case MTNT__OPTION_CHECKED:
        case MTNT__OPTION_CHOICE: *(const char **)setting = *(char *const *)field; break;
        case MTNT__OPTION_LIST: break;
        }
    }
}

bool mtnt__options_is_flagged(const mtnt__settings *settings, const char *name)
{
    for (size_t i = 0; ROWS[i].name != NULL; i++)
        if (strcmp(ROWS[i].name, name) == 0)
            return settings->flagged[i];
    return false;
}

void mtnt__options_release(mtnt__settings *settings)
{
    for (size_t i = 0; i < settings->owned.count; i++)
        free((void *)(uintptr_t)settings->owned.items[i]);
    free(settings->owned.items);
    free(settings->only.items);
    free(settings->where.items);
    free(settings->exclude.items);
    free(settings->lanes.items);
    free(settings->environments.items);
    memset(settings, 0, sizeof *settings);
}
