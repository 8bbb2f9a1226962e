#include "survey.h"

#include <stdlib.h>
#include <string.h>

#include "commands.h"

enum { BATCH = 500 };

/* Copies, since the controller lends its texts for the time of a callback only. */
typedef struct seen {
    mtnt_tenant_info *infos;
    size_t count, size;
} seen;

static int copy_text(const char *const *from, const char **to)
{
    *to = *from == NULL ? NULL : strdup(*from);
    return *from != NULL && *to == NULL ? MTNT_E_NOMEM : 0;
}

static int keep(void *data, const mtnt_tenant_info *info, mtnt_error *err)
{
    seen *all = data;
    mtnt_tenant_info *copy;
    const char *state = info->state != NULL ? info->state : "idle";

    if (all->count == all->size) {
        size_t size = all->size == 0 ? BATCH : 2 * all->size;
        mtnt_tenant_info *bigger = reallocarray(all->infos, size, sizeof *bigger);

        if (bigger == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        all->infos = bigger;
        all->size = size;
    }
    copy = &all->infos[all->count++];
    *copy = *info;
    copy->tenant = copy->state = copy->error = copy->error_operation = copy->error_state = copy->migration = NULL;
    copy->digest = NULL;
    if (copy_text(&info->tenant, &copy->tenant) || copy_text(&state, &copy->state) ||
        copy_text(&info->error, &copy->error) || copy_text(&info->error_operation, &copy->error_operation) ||
        copy_text(&info->error_state, &copy->error_state) || copy_text(&info->migration, &copy->migration) ||
        copy_text(&info->digest, &copy->digest))
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return 0;
}

static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

static void forget(seen *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const mtnt_tenant_info *info = &all->infos[i];

        free_text(info->tenant);
        free_text(info->state);
        free_text(info->error);
        free_text(info->error_operation);
        free_text(info->error_state);
        free_text(info->migration);
        free_text(info->digest);
    }
    all->count = 0;
}

static size_t enabled_operations(const mtnt_chain *chain)
{
    mtnt_entry_info info;
    size_t count = 0;

    for (size_t i = 0; mtnt_chain_get(chain, i, &info); i++)
        count += !info.disabled;
    return count;
}

static int keep_stranger(mtnt__work *work, seen *all, const char *id, mtnt_error *err)
{
    const mtnt_tenant_info info = {
        .tenant = id, .state = "idle", .digest = "", .pending = enabled_operations(work->chain)};

    return keep(all, &info, err);
}

/* ---- tenants of a file ---- */

static int show_batch(mtnt__work *work, mtnt_model **models, size_t count, seen *all, mtnt__survey_fn each, void *data)
{
    mtnt_error err = MTNT_ERROR_INIT;
    int rc = 0, exit_code = 0;

    if (work->controller != NULL)
        rc = mtnt_controller_look_up(work->controller, work->chain, (const mtnt_model *const *)models, count, keep, all,
                                     &err);
    else
        for (size_t i = 0; i < count && rc == 0; i++)
            rc = keep_stranger(work, all, mtnt_model_id(models[i]), &err);
    if (rc != 0)
        exit_code = mtnt__work_fail_error(work, &err);
    for (size_t i = 0; i < all->count && exit_code == 0; i++)
        exit_code = each(data, &all->infos[i], models[i]);
    forget(all);
    return exit_code;
}

static int next_batch(mtnt__work *work, mtnt_tenant_source *source, mtnt_model **models, size_t *ret_count)
{
    mtnt_error err = MTNT_ERROR_INIT;
    size_t count = 0;
    int rc = 0;

    while (count < BATCH && (rc = source->next(source->data, &models[count], &err)) == 0 && models[count] != NULL)
        count++;
    *ret_count = count;
    return rc == 0 ? 0 : mtnt__work_fail_error(work, &err);
}

static int survey_file(mtnt__work *work, mtnt__survey_fn each, void *data)
{
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_model *models[BATCH];
    seen all = {NULL, 0, 0};
    size_t count;
    int exit_code = mtnt__work_open_tenants(work, &source);

    if (exit_code != 0)
        return exit_code;
    do {
        int end = next_batch(work, &source, models, &count);

        if (count > 0)
            exit_code = show_batch(work, models, count, &all, each, data);
        if (exit_code == 0)
            exit_code = end;
        for (size_t i = 0; i < count; i++)
            mtnt_model_free(models[i]);
    } while (exit_code == 0 && count == BATCH);
    free(all.infos);
    mtnt_tenant_source_close(&source);
    return exit_code;
}

/* ---- tenants of the controller ---- */

static bool is_in(const mtnt__list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], id) == 0)
            return true;
    return false;
}

static int check_known(mtnt__work *work, const seen *all)
{
    const mtnt__list *only = &work->settings.only;
    int exit_code = 0;

    for (size_t i = 0; i < only->count; i++) {
        size_t j = 0;

        while (j < all->count && strcmp(all->infos[j].tenant, only->items[i]) != 0)
            j++;
        if (j == all->count)
            exit_code = mtnt__work_fail(work, MTNT__EXIT_USAGE,
                                        "--tenant: the controller knows no tenant %s, and no tenants file is named",
                                        only->items[i]);
    }
    return exit_code;
}

static int survey_known(mtnt__work *work, mtnt__survey_fn each, void *data)
{
    const mtnt__settings *settings = &work->settings;
    mtnt_error err = MTNT_ERROR_INIT;
    seen all = {NULL, 0, 0};
    int exit_code = 0;

    if (settings->where.count > 0)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE, "--where needs --tenants: labels are in that file");
    if (work->controller != NULL && mtnt_controller_tenants(work->controller, work->chain, keep, &all, &err) != 0)
        exit_code = mtnt__work_fail_error(work, &err);
    if (exit_code == 0)
        exit_code = check_known(work, &all);
    for (size_t i = 0; i < all.count && exit_code == 0; i++) {
        const char *id = all.infos[i].tenant;

        if ((settings->only.count == 0 || is_in(&settings->only, id)) && !is_in(&settings->exclude, id))
            exit_code = each(data, &all.infos[i], NULL);
    }
    forget(&all);
    free(all.infos);
    return exit_code;
}

int mtnt__survey_prepare(mtnt__work *work)
{
    int exit_code = mtnt__work_load_chain(work);

    return exit_code != 0 ? exit_code : mtnt__work_open_controller(work, true);
}

int mtnt__survey_tenants(mtnt__work *work, mtnt__survey_fn each, void *data)
{
    return mtnt__work_has_tenants(work) ? survey_file(work, each, data) : survey_known(work, each, data);
}

int mtnt__survey(mtnt__work *work, mtnt__survey_fn each, void *data)
{
    int exit_code = mtnt__survey_prepare(work);

    return exit_code != 0 ? exit_code : mtnt__survey_tenants(work, each, data);
}

/* ---- operations ---- */

static int chain_operations(const mtnt_chain *chain, mtnt_operation_info_fn each, void *data, mtnt_error *err)
{
    mtnt_entry_info entry;
    int rc = 0;

    for (size_t i = 0; rc == 0 && mtnt_chain_get(chain, i, &entry); i++) {
        const mtnt_operation_info info = {
            .order = entry.order, .name = entry.name, .in_chain = true, .disabled = entry.disabled};

        rc = each(data, &info, err);
    }
    return rc;
}

int mtnt__survey_operations(mtnt__work *work, const char *tenant, mtnt_operation_info_fn each, void *data)
{
    mtnt_error err = MTNT_ERROR_INIT;
    int rc;

    if (work->controller == NULL)
        rc = chain_operations(work->chain, each, data, &err);
    else
        rc = mtnt_controller_operations(work->controller, work->chain, tenant, each, data, &err);
    return rc == 0 ? 0 : mtnt__work_fail_error(work, &err);
}

bool mtnt__survey_is_interrupted(const mtnt_tenant_info *info)
{
    return strcmp(info->state, "executing") == 0 || strcmp(info->state, "in_doubt") == 0 ||
           strcmp(info->state, "compensating") == 0;
}

bool mtnt__survey_is_failed(const mtnt_tenant_info *info)
{
    return !mtnt__survey_is_interrupted(info) && (info->error != NULL || strcmp(info->state, "idle") != 0);
}
