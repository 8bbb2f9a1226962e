/* exec: a program for what no database can do, and a program that takes it back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common.h"
#include "program.h"

typedef struct config {
    char **command, **undo; /* undo NULL = none */
    char *folder;
} config;

static void config_free(void *owned)
{
    config *exec = owned;

    if (exec == NULL)
        return;
    mtnt__operations_list_free(exec->command);
    mtnt__operations_list_free(exec->undo);
    free(exec->folder);
    free(exec);
}

static bool no_program(char *const *command)
{
    return command[0] == NULL || command[0][0] == '\0';
}

static int config_new(config **ret_config, const mtnt_exec_options *options, mtnt_error *err)
{
    config *exec = calloc(1, sizeof(*exec));
    int rc;

    if (exec == NULL)
        return mtnt__operations_nomem(err);
    rc = mtnt__operations_list_copy(&exec->command, options->command, err);
    if (rc == 0)
        rc = mtnt__operations_list_copy(&exec->undo, options->undo, err);
    if (rc == 0 && options->folder != NULL && (exec->folder = strdup(options->folder)) == NULL)
        rc = mtnt__operations_nomem(err);
    if (rc == 0 && (exec->command == NULL || no_program(exec->command)))
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "`exec.command` names no program");
    if (rc == 0 && exec->undo != NULL && no_program(exec->undo))
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "`exec.undo` names no program");
    if (rc == 0 && exec->folder != NULL && exec->folder[0] == '\0')
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "`exec.folder` is empty");
    if (rc != 0) {
        config_free(exec);
        return rc;
    }
    *ret_config = exec;
    return 0;
}

/* ---- what the program is given ---- */

static const char placeholder[] = "{tenant}";

static bool mentions_tenant(char *const *words)
{
    size_t i;

    for (i = 1; words != NULL && words[0] != NULL && words[i] != NULL; i++)
        if (strstr(words[i], placeholder) != NULL)
            return true;
    return false;
}

/* An argument may be a script, a path or an option to the program that gets it: like {id} in a DSN, {tenant} stands for plain
 * ids only. Both commands are looked at before either runs, so that what is done can be undone. */
static int check_tenant(const config *exec, const char *tenant, mtnt_error *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (!mentions_tenant(exec->command) && !mentions_tenant(exec->undo))
        return 0;
    if (tenant[0] != '.' && tenant[0] != '-' && tenant[strspn(tenant, plain)] == '\0')
        return 0;
    return mtnt_error_set(
        err, MTNT_E_OPERATION,
        "{tenant} in an argument stands only for ids of letters, digits, `.`, `_` and `-` that begin with "
        "neither `.` nor `-`, and `%s` is none; let the program read the variable MTNT_TENANT instead",
        tenant);
}

static void append_expanded(mtnt__operations_text *text, const char *argument, const char *tenant)
{
    const char *found;

    while ((found = strstr(argument, placeholder)) != NULL) {
        mtnt__operations_append(text, "%.*s%s", (int)(found - argument), argument, tenant);
        argument = found + strlen(placeholder);
    }
    mtnt__operations_append(text, "%s", argument);
}

/* The program itself is taken as it is written: a tenant's name chooses no program. */
static char **arguments_new(char *const *command, const char *tenant)
{
    size_t count = 0, i;
    char **arguments;

    while (command[count] != NULL)
        count++;
    arguments = calloc(count + 1, sizeof(*arguments));
    for (i = 0; arguments != NULL && i < count; i++) {
        mtnt__operations_text text = {NULL, false};

        if (i == 0)
            mtnt__operations_append(&text, "%s", command[0]);
        else
            append_expanded(&text, command[i], tenant);
        if (text.failed) {
            mtnt__operations_list_free(arguments);
            return NULL;
        }
        arguments[i] = text.text;
    }
    return arguments;
}

/* "plan-b=pro" → "MTNT_VAR_PLAN_B=pro" */
static char *variable_new(const char *pair)
{
    char *variable = NULL, *c;

    if (asprintf(&variable, "MTNT_VAR_%s", pair) < 0)
        return NULL;
    for (c = variable; *c != '=' && *c != '\0'; c++) {
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
        else if (!((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '_';
    }
    return variable;
}

static bool put(char **environment, size_t *count, char *variable)
{
    if (variable == NULL)
        return false;
    environment[(*count)++] = variable;
    return true;
}

static bool put_named(char **environment, size_t *count, const char *name, const char *value)
{
    char *variable = NULL;

    return asprintf(&variable, "%s=%s", name, value) >= 0 && put(environment, count, variable);
}

/* The caller's own MTNT_… stay behind: settings of the command, DSNs among them. */
static char **environment_new(const mtnt_operation *operation, const mtnt_context *context, const mtnt_model *model)
{
    const char *const *vars = mtnt_model_vars(model);
    size_t size = 4, count = 0, i;
    char **environment;
    bool fine;

    for (i = 0; environ != NULL && environ[i] != NULL; i++)
        size++;
    for (i = 0; vars[i] != NULL; i++)
        size++;
    environment = calloc(size, sizeof(*environment));
    if (environment == NULL)
        return NULL;
    fine = put_named(environment, &count, "MTNT_TENANT", mtnt_model_id(model)) &&
           put_named(environment, &count, "MTNT_MIGRATION", mtnt_context_migration(context)) &&
           put_named(environment, &count, "MTNT_OPERATION", mtnt_operation_name(operation));
    for (i = 0; fine && vars[i] != NULL; i++)
        fine = put(environment, &count, variable_new(vars[i]));
    for (i = 0; fine && environ != NULL && environ[i] != NULL && count + 1 < size; i++)
        if (strncmp(environ[i], "MTNT_", 5) != 0)
            fine = put(environment, &count, strdup(environ[i]));
    if (!fine) {
        mtnt__operations_list_free(environment);
        return NULL;
    }
    return environment;
}

/* ---- running ---- */

static void describe(const mtnt__program *program, const char *name, int code, mtnt_error *err)
{
    char text[MTNT__PROGRAM_TAIL];

    mtnt__program_tail(program, text);
    if (text[0] == '\0')
        mtnt_error_set(err, code, "it wrote nothing");
    else
        mtnt_error_set(err, code, "the last that it wrote:\n%s", text);
    if (code == MTNT_E_DEADLINE)
        mtnt_error_wrap(err, "program `%s` was stopped because its time was used up", name);
    else if (code == MTNT_E_CANCELLED)
        mtnt_error_wrap(err, "program `%s` was stopped because of a cancel", name);
    else if (program->lost)
        mtnt_error_wrap(err, "program `%s` has ended, and how is not known: this process ignores SIGCHLD", name);
    else if (program->how.si_code == CLD_EXITED)
        mtnt_error_wrap(err, "program `%s` failed with exit status %d", name, program->how.si_status);
    else
        mtnt_error_wrap(err, "program `%s` was killed by signal %d", name, program->how.si_status);
}

static int run(char *const *command, const mtnt_operation *operation, const mtnt_context *context,
               const mtnt_model *model, mtnt_error *err)
{
    const config *exec = mtnt_operation_config(operation);
    char **arguments = NULL, **environment = NULL;
    mtnt__program program = {.pid = 0};
    char reason[128];
    int rc, failed;

    rc = check_tenant(exec, mtnt_model_id(model), err);
    if (rc != 0)
        return rc;
    arguments = arguments_new(command, mtnt_model_id(model));
    environment = environment_new(operation, context, model);
    if (arguments == NULL || environment == NULL) {
        rc = mtnt__operations_nomem(err);
        goto out;
    }
    failed = mtnt__program_start(&program, arguments, environment, exec->folder);
    if (failed != 0) {
        rc = mtnt_error_set(err, failed == ENOMEM ? MTNT_E_NOMEM : MTNT_E_OPERATION,
                            "program `%s` cannot be started%s%s: %s", command[0], exec->folder != NULL ? " in " : "",
                            exec->folder != NULL ? exec->folder : "", strerror_r(failed, reason, sizeof(reason)));
        goto out;
    }
    rc = mtnt__program_wait(&program, context);
    if (!mtnt__program_finish(&program) || rc != 0) {
        rc = rc != 0 ? rc : MTNT_E_OPERATION;
        describe(&program, command[0], rc, err);
    }
out:
    mtnt__operations_list_free(arguments);
    mtnt__operations_list_free(environment);
    return rc;
}

static int exec_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const config *exec = mtnt_operation_config(operation);

    return run(exec->command, operation, context, model, err);
}

static int exec_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const config *exec = mtnt_operation_config(operation);

    return run(exec->undo, operation, context, model, err);
}

static const mtnt_operation_class one_way = {
    MTNT_OPERATION_CLASS_INIT,        .name = "exec",          .writes = MTNT_WRITES_NOTHING,
    .flags = MTNT_OPERATION_EXTERNAL, .execute = exec_execute,
};

static const mtnt_operation_class both_ways = {
    MTNT_OPERATION_CLASS_INIT,        .name = "exec",          .writes = MTNT_WRITES_NOTHING,
    .flags = MTNT_OPERATION_EXTERNAL, .execute = exec_execute, .rollback = exec_rollback,
};

static void append_words(mtnt__operations_text *checksum, const char *key, char *const *words)
{
    size_t i;

    for (i = 0; words != NULL && words[i] != NULL; i++)
        mtnt__operations_append_part(checksum, key, words[i]);
}

int mtnt_operation_add_exec(mtnt_chain *chain, const mtnt_exec_options *options, const mtnt_entry *entry,
                            mtnt_error *err)
{
    mtnt__operations_text checksum = {NULL, false};
    mtnt_entry made = mtnt__operations_entry(entry);
    config *exec = NULL;
    int rc;

    rc = config_new(&exec, options, err);
    if (rc != 0) {
        mtnt__operations_blame(err, entry, "exec");
        goto out;
    }
    /* Not the folder: where a checkout lies does not make it another operation. */
    mtnt__operations_append(&checksum, "exec\n");
    append_words(&checksum, "command", exec->command);
    append_words(&checksum, "undo", exec->undo);
    if (checksum.failed) {
        rc = mtnt__operations_nomem(err);
        goto out;
    }
    made.config = exec;
    made.config_free = config_free;
    made.checksum = checksum.text;
    made.writes = MTNT_WRITES_NOTHING;
    rc = mtnt_chain_add_entry(chain, exec->undo != NULL ? &both_ways : &one_way, &made, err);
    exec = NULL; /* the chain's, also when it refused the entry */
out:
    config_free(exec);
    free(checksum.text);
    return rc;
}
