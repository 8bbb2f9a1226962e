#include "work.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "excerpt.h"
#include "isolate.h"

void mtnt__work_release(mtnt__work *work)
{
    mtnt_tenant_source_close(&work->listed);
    mtnt_controller_close(work->controller);
    mtnt__isolate_free(work->isolate);
    mtnt_chain_free(work->chain);
    if (work->project_loaded)
        mtnt_project_release(&work->project);
    free(work->tenants_text);
    mtnt__options_release(&work->settings);
    memset(work, 0, sizeof *work);
}

/* ---- messages ---- */

static void say(mtnt__work *work, const char *format, va_list arguments) MTNT_PRINTF(2, 0);

static void say(mtnt__work *work, const char *format, va_list arguments)
{
    char *text = NULL;

    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    mtnt__screen_line(&work->screen, NULL);
    fputs("mtnt-model: ", work->screen.err);
    mtnt__words_put(work->screen.err, text != NULL ? text : "out of memory");
    fputc('\n', work->screen.err);
    free(text);
}

int mtnt__work_fail(mtnt__work *work, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(work, format, arguments);
    va_end(arguments);
    return code;
}

void mtnt__work_note(mtnt__work *work, const char *format, ...)
{
    va_list arguments;

    if (work->settings.quiet)
        return;
    va_start(arguments, format);
    say(work, format, arguments);
    va_end(arguments);
}

int mtnt__work_exit_code(const mtnt_error *err)
{
    switch (err->code) {
    case MTNT_E_CONFIG:
    case MTNT_E_NOT_FOUND:
    case MTNT_E_EXISTS:
    case MTNT_E_INVALID: return MTNT__EXIT_CONFIG;
    default: return MTNT__EXIT_FATAL;
    }
}

int mtnt__work_fail_error(mtnt__work *work, const mtnt_error *err)
{
    mtnt__screen_line(&work->screen, NULL);
    mtnt__excerpt_put_error(&work->screen, work->screen.err, err);
    return mtnt__work_exit_code(err);
}

/* ---- files ---- */

int mtnt__work_load_project(mtnt__work *work)
{
    mtnt_error err = MTNT_ERROR_INIT;

    if (work->project_loaded)
        return 0;
    if (mtnt_project_load(&work->project, work->settings.config, &err) != 0)
        return mtnt__work_fail_error(work, &err);
    work->project_loaded = true;
    mtnt__options_project(&work->settings, &work->project);
    return 0;
}

/* A plugin of another version is a wrong file, not a controller that is too new. */
static int fail_chain(mtnt__work *work, const mtnt_error *err)
{
    int exit_code = mtnt__work_fail_error(work, err);

    return err->code == MTNT_E_NOMEM ? exit_code : MTNT__EXIT_CONFIG;
}

/* Said by nobody: all of them run. */
static int select_environments(mtnt__work *work)
{
    const mtnt__list *asked = &work->settings.environments;
    const char *const *names = asked->count > 0 ? asked->items : (const char *const *)work->project.environments;
    mtnt_error err = MTNT_ERROR_INIT;

    if (names == NULL || mtnt_chain_select_environments(work->chain, names, &err) == 0)
        return 0;
    if (asked->count > 0)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE, "--environment: %s", err.message);
    return mtnt__work_fail(work, MTNT__EXIT_CONFIG, "%s: `environments`: %s", work->project.file, err.message);
}

int mtnt__work_check_lock(mtnt__work *work, const char *path, mtnt_lock_state *ret_state)
{
    bool late = work->settings.allow_out_of_order || work->project.allow_out_of_order;
    mtnt_error err = MTNT_ERROR_INIT;

    return mtnt_lock_check(work->chain, path, late, ret_state, &err) == 0 ? 0 : fail_chain(work, &err);
}

static int heed_lock(mtnt__work *work)
{
    mtnt_lock_state ignored;
    char *path;
    int exit_code;

    if (work->without_lock || work->settings.chain == NULL)
        return 0;
    path = mtnt_lock_path(work->settings.chain);
    if (path == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    exit_code = mtnt__work_check_lock(work, path, &ignored);
    mtnt_free(path);
    return exit_code;
}

int mtnt__work_load_chain(mtnt__work *work)
{
    const mtnt__settings *settings = &work->settings;
    mtnt_error err = MTNT_ERROR_INIT;
    int exit_code = mtnt__work_load_project(work);

    if (exit_code != 0 || work->chain_loaded)
        return exit_code;
    exit_code = mtnt__isolate_begin(work);
    if (exit_code != 0)
        return exit_code;
    if (work->chain == NULL && mtnt_chain_new(&work->chain, "default", &err) != 0)
        return fail_chain(work, &err);
    if (settings->chain == NULL && settings->plugin == NULL && mtnt_chain_len(work->chain) == 0)
        return mtnt__work_fail(work, MTNT__EXIT_CONFIG,
                               "no chain is named: give --chain FILE or --plugin FILE, or write `chain:` into "
                               "mtnt.yaml");
    if (settings->chain != NULL && mtnt_chain_load_yaml(work->chain, settings->chain, &err) != 0)
        return fail_chain(work, &err);
    if (settings->plugin != NULL && mtnt_chain_load_plugin(work->chain, settings->plugin, &err) != 0)
        return fail_chain(work, &err);
    exit_code = select_environments(work);
    if (exit_code == 0)
        exit_code = heed_lock(work);
    if (exit_code != 0)
        return exit_code;
    for (size_t i = 0; mtnt_chain_warning(work->chain, i) != NULL; i++)
        mtnt__work_note(work, "%s", mtnt_chain_warning(work->chain, i));
    work->chain_loaded = true;
    return 0;
}

/* ---- controller ---- */

int mtnt__work_open_controller(mtnt__work *work, bool read_only)
{
    const mtnt__settings *settings = &work->settings;
    mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;
    mtnt_error err = MTNT_ERROR_INIT;
    int rc, exit_code = mtnt__work_load_project(work);
    bool file;

    if (exit_code != 0 || work->controller != NULL)
        return exit_code;
    options.read_only = read_only;
    options.lock_timeout_ms = settings->lock_timeout_ms;
    options.statement_timeout_ms = settings->statement_timeout_ms;
    rc = mtnt_controller_open(&work->controller, settings->controller, &options, &err);
    file = strncmp(settings->controller, "sqlite:", 7) == 0;
    if (rc == MTNT_E_NOT_FOUND && read_only && file) {
        mtnt__work_note(work, "%s; nothing has been migrated with it", err.message);
        return 0;
    }
    if (rc == MTNT_E_INVALID && settings->controller == work->project.controller && err.file[0] == '\0')
        mtnt_error_at(&err, work->project.file, work->project.controller_line, 0);
    if (rc == 0)
        return 0;
    exit_code = mtnt__work_fail_error(work, &err);
    return rc == MTNT_E_NOT_FOUND ? MTNT__EXIT_FATAL : exit_code;
}

/* ---- tenants ---- */

bool mtnt__work_has_tenants(const mtnt__work *work)
{
    return work->settings.tenants != NULL;
}

static int read_standard_input(mtnt__work *work)
{
    size_t length = 0, size = 0, got;

    do {
        if (size - length < 4096) {
            char *bigger = realloc(work->tenants_text, size += size / 2 + 65536);

            if (bigger == NULL)
                return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
            work->tenants_text = bigger;
        }
        got = fread(work->tenants_text + length, 1, size - length - 1, stdin);
        length += got;
        work->tenants_text[length] = '\0';
    } while (got > 0);
    if (ferror(stdin))
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "cannot read the tenants from standard input: %m");
    if (strlen(work->tenants_text) != length)
        return mtnt__work_fail(work, MTNT__EXIT_CONFIG, "<stdin>: this is no text, it has a NUL byte");
    return 0;
}

/* The tenants file's name for messages, and standard input read where it is that. */
static int prepare_tenants(mtnt__work *work, const char **ret_path)
{
    const char *path = work->settings.tenants;

    if (path == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_CONFIG,
                               "no tenants are named: give --tenants FILE, or write `tenants:` into mtnt.yaml");
    *ret_path = strcmp(path, "-") == 0 ? "<stdin>" : path;
    return strcmp(path, "-") == 0 && work->tenants_text == NULL ? read_standard_input(work) : 0;
}

int mtnt__work_load_tenants(mtnt__work *work, mtnt_tenant_source *ret_source)
{
    const char *path = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    int exit_code;

    if (work->listed.next != NULL) {
        *ret_source = work->listed;
        work->listed = (mtnt_tenant_source){NULL, NULL, NULL, NULL};
        return 0;
    }
    exit_code = prepare_tenants(work, &path);
    if (exit_code == 0 && mtnt_tenants_load(ret_source, path, work->tenants_text, work->controller, &err) != 0)
        exit_code = mtnt__work_fail_error(work, &err);
    return exit_code;
}

/* Notes in found[i] that only.items[i] is there; in near[i] an id much like it. */
static int look_for(mtnt__work *work, mtnt_tenant_source *source, bool *found, char **near)
{
    const mtnt__list *only = &work->settings.only;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model;
    int rc;

    while ((rc = source->next(source->data, &model, &err)) == 0 && model != NULL) {
        const char *const id[] = {mtnt_model_id(model), NULL};

        for (size_t i = 0; i < only->count; i++) {
            found[i] = found[i] || strcmp(only->items[i], id[0]) == 0;
            if (near[i] == NULL && mtnt__words_nearest(only->items[i], id) != NULL)
                near[i] = strdup(id[0]);
        }
        mtnt_model_free(model);
    }
    return rc == 0 ? 0 : mtnt__work_fail_error(work, &err);
}

/* Every --tenant must be there; the source is read through for it. */
static int check_only(mtnt__work *work)
{
    const mtnt__list *only = &work->settings.only;
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    bool *found = calloc(only->count, sizeof *found);
    char **near = calloc(only->count, sizeof *near);
    int exit_code;

    if (found == NULL || near == NULL) {
        exit_code = mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
        goto out;
    }
    exit_code = mtnt__work_load_tenants(work, &source);
    if (exit_code == 0)
        exit_code = look_for(work, &source, found, near);
    for (size_t i = 0; i < only->count && (exit_code == 0 || exit_code == MTNT__EXIT_USAGE); i++) {
        if (found[i])
            continue;
        exit_code = mtnt__work_fail(work, MTNT__EXIT_USAGE, "--tenant: %s has no tenant %s%s%s%s",
                                    work->settings.tenants, only->items[i], near[i] != NULL ? "; did you mean " : "",
                                    near[i] != NULL ? near[i] : "", near[i] != NULL ? "?" : "");
    }
out:
    mtnt_tenant_source_close(&source);
    for (size_t i = 0; near != NULL && i < only->count; i++)
        free(near[i]);
    free(near);
    free(found);
    return exit_code;
}

int mtnt__work_open_tenants(mtnt__work *work, mtnt_tenant_source *ret_source)
{
    const mtnt__settings *settings = &work->settings;
    mtnt_tenant_source all = {NULL, NULL, NULL, NULL};
    mtnt_error err = MTNT_ERROR_INIT;
    int exit_code = 0;

    if (settings->only.count > 0 && mtnt__work_has_tenants(work))
        exit_code = check_only(work);
    if (exit_code == 0)
        exit_code = mtnt__work_load_tenants(work, &all);
    if (exit_code != 0)
        return exit_code;
    if (settings->only.count == 0 && settings->exclude.count == 0 && settings->where.count == 0) {
        *ret_source = all;
        return 0;
    }
    if (mtnt_tenants_select(ret_source, &all, settings->only.items, settings->exclude.items, settings->where.items,
                            &err) != 0)
        return mtnt__work_fail_error(work, &err);
    return 0;
}

int mtnt__work_list_tenants(mtnt__work *work, mtnt_tenant_source *ret_source)
{
    const char *path = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    int rc, exit_code = prepare_tenants(work, &path);

    if (exit_code != 0)
        return exit_code;
    rc = mtnt_tenants_load(ret_source, path, work->tenants_text, NULL, &err);
    return rc == 0 || rc == MTNT_E_INVALID ? 0 : mtnt__work_fail_error(work, &err);
}

int mtnt__work_open_fleet(mtnt__work *work, mtnt_tenant_source *ret_source)
{
    int exit_code = mtnt__work_load_project(work);
    bool listed;

    if (exit_code == 0)
        exit_code = mtnt__work_list_tenants(work, &work->listed);
    listed = work->listed.next != NULL;
    if (exit_code == 0 && !listed)
        exit_code = mtnt__work_open_controller(work, true);
    if (exit_code == 0)
        exit_code = mtnt__work_open_tenants(work, ret_source);
    if (exit_code != 0)
        return exit_code;
    if (listed)
        return mtnt__work_open_controller(work, false);
    mtnt_tenant_source_close(ret_source);
    mtnt_controller_close(work->controller);
    work->controller = NULL;
    exit_code = mtnt__work_open_controller(work, false);
    return exit_code != 0 ? exit_code : mtnt__work_open_tenants(work, ret_source);
}
