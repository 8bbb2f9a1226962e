#include "mtnt/project.h"

#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "chain/address.h"
#include "config/formats.h"
#include "config/project_groups.h"

#define DEFAULT_FILE "mtnt.yaml"
#define DEFAULT_CONTROLLER "sqlite:mtnt-controller.db"
#define WORKERS_MAXIMUM 1024           /* what mtnt_executor_options takes */
#define HEARTBEAT_RETRIES_MAXIMUM 1000 /* what mtnt_migration_options takes … */
#define HEARTBEAT_MAXIMUM_MS (INT64_C(365) * 24 * 60 * 60 * 1000)
#define RETRIES_MAXIMUM 100
#define NO_LIMIT_MS (INT64_MAX / 1000000)
#define NOT_ZERO INT64_MIN

typedef struct project_file {
    mtnt__yaml_place at;
    mtnt__yaml_text controller, tenants, chain, plugin;
    mtnt__yaml_int workers, heartbeat_retries;
    mtnt__yaml_text atomicity, on_failure, on_error, mode, fingerprint;
    mtnt__yaml_bool allow_out_of_order, isolate;
    mtnt__yaml_text backup;
    mtnt__yaml_text deadline, operation_timeout, unlock_deadline, heartbeat, lock_timeout, statement_timeout;
    mtnt__yaml_int canary, retries, per_server, connections;
    mtnt__yaml_text waves, max_failures, rate, soak, retry_pause, controller_wait;
    MTNT__YAML_LIST(mtnt__group_said) groups;
    mtnt__yaml_texts environments;
} project_file;

#define TEXT(name) MTNT__YAML_TEXT_FIELD(#name, MTNT__YAML_OPTIONAL, project_file, name, 1)
static const cyaml_schema_field_t project_table[] = {
    TEXT(controller),
    TEXT(tenants),
    TEXT(chain),
    TEXT(plugin),
    MTNT__YAML_TEXTS_FIELD("environments", MTNT__YAML_OPTIONAL, project_file, environments, 1),
    MTNT__YAML_INT_FIELD("workers", MTNT__YAML_OPTIONAL, project_file, workers),
    TEXT(atomicity),
    TEXT(mode),
    TEXT(on_failure),
    TEXT(fingerprint),
    TEXT(on_error),
    MTNT__YAML_BOOL_FIELD("allow_out_of_order", MTNT__YAML_OPTIONAL, project_file, allow_out_of_order),
    MTNT__YAML_BOOL_FIELD("isolate", MTNT__YAML_OPTIONAL, project_file, isolate),
    TEXT(backup),
    TEXT(deadline),
    TEXT(operation_timeout),
    TEXT(unlock_deadline),
    TEXT(heartbeat),
    MTNT__YAML_INT_FIELD("heartbeat_retries", MTNT__YAML_OPTIONAL, project_file, heartbeat_retries),
    TEXT(lock_timeout),
    TEXT(statement_timeout),
    MTNT__YAML_INT_FIELD("canary", MTNT__YAML_OPTIONAL, project_file, canary),
    TEXT(waves),
    TEXT(soak),
    TEXT(max_failures),
    MTNT__YAML_INT_FIELD("retries", MTNT__YAML_OPTIONAL, project_file, retries),
    TEXT(retry_pause),
    TEXT(controller_wait),
    MTNT__YAML_INT_FIELD("per_server", MTNT__YAML_OPTIONAL, project_file, per_server),
    MTNT__YAML_INT_FIELD("connections", MTNT__YAML_OPTIONAL, project_file, connections),
    TEXT(rate),
    MTNT__YAML_LIST_FIELD("groups", MTNT__YAML_OPTIONAL, project_file, groups, sizeof(mtnt__group_said),
                          &mtnt__group_entry, 0),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t project_schema = MTNT__YAML_TOP(project_file, project_table);
static const mtnt__yaml_kind project_kinds[] = {
    {mtnt__group_table, "group", "name", NULL},
    {0},
};
const mtnt__yaml_format mtnt__project_format = {"project file", &project_schema, project_kinds};

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static int take_times(mtnt_project *project, const project_file *said, const char *path, mtnt_error *err)
{
    const struct {
        const char *key;
        const mtnt__yaml_text *text;
        int64_t *ms;
        int64_t zero; /* what 0 stands for; NOT_ZERO = it is refused */
    } times[] = {
        {"deadline", &said->deadline, &project->deadline_ms, NO_LIMIT_MS},
        {"operation_timeout", &said->operation_timeout, &project->operation_timeout_ms, NO_LIMIT_MS},
        {"unlock_deadline", &said->unlock_deadline, &project->unlock_deadline_ms, NOT_ZERO},
        {"heartbeat", &said->heartbeat, &project->heartbeat_ms, NOT_ZERO},
        {"lock_timeout", &said->lock_timeout, &project->lock_timeout_ms, NOT_ZERO},
        {"statement_timeout", &said->statement_timeout, &project->statement_timeout_ms, 0},
        {"soak", &said->soak, &project->soak_ms, 0},
        {"retry_pause", &said->retry_pause, &project->retry_pause_ms, NOT_ZERO},
        {"controller_wait", &said->controller_wait, &project->controller_wait_ms, -1},
    };

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (!times[i].text->text)
            continue;
        if (!mtnt__parse_duration_ms(times[i].text->text, times[i].ms))
            return mtnt__yaml_refuse(err, path, times[i].text->at,
                                     "`%s` must be a time such as 500ms, 5s, 2m or 1h, not `%.80s`", times[i].key,
                                     times[i].text->text);
        if (*times[i].ms == 0 && times[i].zero == NOT_ZERO)
            return mtnt__yaml_refuse(err, path, times[i].text->at, "`%s` must be more than 0", times[i].key);
        if (*times[i].ms == 0)
            *times[i].ms = times[i].zero;
    }
    if (project->heartbeat_ms > HEARTBEAT_MAXIMUM_MS)
        return mtnt__yaml_refuse(err, path, said->heartbeat.at, "`heartbeat` must be at most 365d, not `%.80s`",
                                 said->heartbeat.text);
    return 0;
}

static int take_choices(mtnt_project *project, const project_file *said, const char *path, mtnt_error *err)
{
    static const char *const atomicities[] = {"chain", "operation", NULL};
    static const char *const on_failures[] = {"rollback", "keep", NULL};
    static const char *const fingerprints[] = {"auto", "always", "never", NULL};
    static const char *const modes[] = {"auto", "saga", NULL};
    static const char *const on_errors[] = {"continue", "stop", NULL};
    const struct {
        const char *key;
        const mtnt__yaml_text *text;
        const char *const *choices;
        char **copy;
    } texts[] = {
        {"atomicity", &said->atomicity, atomicities, &project->atomicity},
        {"on_failure", &said->on_failure, on_failures, &project->on_failure},
        {"fingerprint", &said->fingerprint, fingerprints, &project->fingerprint},
        {"mode", &said->mode, modes, &project->mode},
        {"on_error", &said->on_error, on_errors, &project->on_error},
    };
    int rc;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!texts[i].text->text)
            continue;
        if ((rc = mtnt__yaml_check_choice(path, texts[i].key, texts[i].text, texts[i].choices, err)))
            return rc;
        *texts[i].copy = strdup(texts[i].text->text);
        if (!*texts[i].copy)
            return out_of_memory(err);
    }
    return 0;
}

/* Numbers of tenants, tries and seats, and texts that are shares of a fleet. */
static int take_rollout(mtnt_project *project, const project_file *said, const char *path, mtnt_error *err)
{
    const struct {
        const char *key;
        const mtnt__yaml_int *said;
        int64_t least, most;
        int *value;
    } numbers[] = {
        {"canary", &said->canary, 1, INT32_MAX, &project->canary},
        {"connections", &said->connections, 2, INT32_MAX, &project->connections},
        {"per_server", &said->per_server, 1, WORKERS_MAXIMUM, &project->per_server},
        {"retries", &said->retries, 0, RETRIES_MAXIMUM, &project->retries},
    };
    const struct {
        const mtnt__yaml_text *said;
        int (*check)(const char *text, mtnt_error *err);
        char **copy;
    } texts[] = {
        {&said->waves, mtnt_rollout_check_waves, &project->waves},
        {&said->max_failures, mtnt_rollout_check_max_failures, &project->max_failures},
        {&said->rate, mtnt_rollout_check_rate, &project->rate},
    };
    mtnt_error found = MTNT_ERROR_INIT;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const mtnt__yaml_int *number = numbers[i].said;

        if (number->at.line && (number->value < numbers[i].least || number->value > numbers[i].most))
            return mtnt__yaml_refuse(err, path, number->at, "`%s` must be %lld to %lld, not %lld", numbers[i].key,
                                     (long long)numbers[i].least, (long long)numbers[i].most, (long long)number->value);
        *numbers[i].value = (int)number->value;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!texts[i].said->text)
            continue;
        if (texts[i].check(texts[i].said->text, &found) != 0)
            return mtnt__yaml_refuse(err, path, texts[i].said->at, "%s", found.message);
        *texts[i].copy = strdup(texts[i].said->text);
        if (!*texts[i].copy)
            return out_of_memory(err);
    }
    project->group_count = said->groups.count;
    return said->groups.count == 0
               ? 0
               : mtnt__project_groups_take(&project->groups, said->groups.items, said->groups.count, path, err);
}

static int take_path(char **ret_path, const mtnt__yaml_text *text, const char *path, mtnt_error *err)
{
    if (!text->text)
        return 0;
    *ret_path = mtnt__path_beside(path, text->text);
    return *ret_path ? 0 : out_of_memory(err);
}

/* A plugin is not looked for along the search path of libraries: its path always has a slash. */
static int take_plugin(char **ret_path, const mtnt__yaml_text *text, const char *path, mtnt_error *err)
{
    char *beside = NULL;
    int rc = take_path(&beside, text, path, err);

    if (rc || !beside)
        return rc;
    *ret_path = strchr(beside, '/') ? strdup(beside) : mtnt__path_beside("./", beside);
    free(beside);
    return *ret_path ? 0 : out_of_memory(err);
}

static int take_controller(mtnt_project *project, const project_file *said, const char *path, mtnt_error *err)
{
    const char *dsn = said && said->controller.text ? said->controller.text : DEFAULT_CONTROLLER;
    char *folder = NULL;
    int rc = mtnt__address_folder(path, &folder, err);

    if (rc)
        return rc;
    rc = mtnt__address_resolve(dsn, folder, &project->controller, err);
    if (rc && said) {
        mtnt_error_wrap(err, "`controller`");
        mtnt_error_at(err, path, said->controller.at.line, said->controller.at.column);
    }
    if (said)
        project->controller_line = said->controller.at.line;
    free(folder);
    return rc;
}

static int take_plain(mtnt_project *project, const project_file *said, const char *path, mtnt_error *err)
{
    if (said->workers.at.line && (said->workers.value < 1 || said->workers.value > WORKERS_MAXIMUM))
        return mtnt__yaml_refuse(err, path, said->workers.at, "`workers` must be 1 to %d, not %lld", WORKERS_MAXIMUM,
                                 (long long)said->workers.value);
    if (said->heartbeat_retries.at.line &&
        (said->heartbeat_retries.value < 0 || said->heartbeat_retries.value > HEARTBEAT_RETRIES_MAXIMUM))
        return mtnt__yaml_refuse(err, path, said->heartbeat_retries.at, "`heartbeat_retries` must be 0 to %d, not %lld",
                                 HEARTBEAT_RETRIES_MAXIMUM, (long long)said->heartbeat_retries.value);
    if (said->heartbeat_retries.at.line)
        project->heartbeat_retries = said->heartbeat_retries.value == 0 ? -1 : (int)said->heartbeat_retries.value;
    project->workers = (int)said->workers.value;
    project->allow_out_of_order = said->allow_out_of_order.value;
    project->isolate = said->isolate.value;
    project->file = strdup(path);
    return project->file ? 0 : out_of_memory(err);
}

static int take_environments(mtnt_project *project, const project_file *said, mtnt_error *err)
{
    if (said->environments.count == 0)
        return 0;
    project->environments = calloc(said->environments.count + 1, sizeof(char *));
    if (!project->environments)
        return out_of_memory(err);
    for (size_t i = 0; i < said->environments.count; i++) {
        project->environments[i] = strdup(said->environments.items[i]);
        if (!project->environments[i])
            return out_of_memory(err);
    }
    return 0;
}

static int take(mtnt_project *project, const project_file *said, const char *path, mtnt_error *err)
{
    int rc;

    if ((rc = take_plain(project, said, path, err)) || (rc = take_controller(project, said, path, err)) ||
        (rc = take_path(&project->tenants, &said->tenants, path, err)) ||
        (rc = take_path(&project->chain, &said->chain, path, err)) ||
        (rc = take_path(&project->backup, &said->backup, path, err)) ||
        (rc = take_plugin(&project->plugin, &said->plugin, path, err)) || (rc = take_times(project, said, path, err)) ||
        (rc = take_rollout(project, said, path, err)) || (rc = take_environments(project, said, err)))
        return rc;
    return take_choices(project, said, path, err);
}

int mtnt_project_load(mtnt_project *ret_project, const char *path, mtnt_error *err)
{
    const char *file = path ? path : DEFAULT_FILE;
    mtnt_project project = {0};
    void *said = NULL;
    int rc = mtnt__yaml_load_file(&mtnt__project_format, file, &said, err);

    if (rc == MTNT_E_NOT_FOUND && !path) {
        mtnt_error_clear(err);
        rc = take_controller(&project, NULL, file, err);
    } else if (rc == 0) {
        rc = take(&project, said, file, err);
    }
    mtnt__yaml_free(&mtnt__project_format, said);
    if (rc)
        mtnt_project_release(&project);
    else
        *ret_project = project;
    return rc;
}

void mtnt_project_release(mtnt_project *project)
{
    for (char **name = project->environments; name && *name; name++)
        free(*name);
    free(project->environments);
    free(project->file);
    free(project->controller);
    free(project->tenants);
    free(project->chain);
    free(project->plugin);
    free(project->backup);
    free(project->atomicity);
    free(project->mode);
    free(project->on_failure);
    free(project->fingerprint);
    free(project->on_error);
    free(project->waves);
    free(project->max_failures);
    free(project->rate);
    mtnt__project_groups_free(project->groups, project->group_count);
    memset(project, 0, sizeof(*project));
}
