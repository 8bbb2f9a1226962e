#include "coordinate/clone.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "state/tables.h"

static int no_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

/* ---- which template ---- */

static bool eligible(const mtnt__attempt *attempt)
{
    bool same = attempt->count > 0 && (attempt->steps[0].entry->flags & MTNT_OPERATION_CLONES) != 0;

    for (size_t i = 0; i < attempt->count && same; i++)
        same = (attempt->steps[i].entry->flags & MTNT_OPERATION_SAME_FOR_ALL) != 0;
    return same && attempt->templates != NULL && attempt->mode == MTNT__MODE_PROVISIONAL && !attempt->claim->backward &&
           attempt->options->before_each == NULL && attempt->options->after_each == NULL;
}

/* Whose templates of one chain are told apart by: the address without its database and passwords, because a role's objects stay the role's. */
static int describe_place(const mtnt_model *model, char ret_text[MTNT__DSN_SHOWN_SIZE], mtnt_error *err)
{
    char *dsn;

    if (model->backend == MTNT_SQLITE) {
        mtnt__text_copy(ret_text, MTNT__DSN_SHOWN_SIZE, "sqlite");
        return 0;
    }
    dsn = mtnt__dsn_with_database(mtnt__model_dsn(model), "template");
    if (dsn == NULL)
        return no_memory(err);
    mtnt__dsn_redact(dsn, ret_text);
    free(dsn);
    return 0;
}

static int describe_work(const mtnt__attempt *attempt, char **ret_text, mtnt_error *err)
{
    mtnt__buffer text = {0};

    mtnt__buffer_add_format(&text, "tables %zu\n", mtnt__tables_model.count);
    for (size_t i = 0; i < attempt->count; i++) {
        const mtnt__chain_entry *entry = attempt->steps[i].entry;

        /* A checksum need not be of all that runs. */
        mtnt__buffer_add_format(&text, "%s\n%" PRId64 "\n%s\n%s\n", entry->name, entry->order, entry->checksum,
                                entry->model_up == NULL ? "" : entry->model_up);
    }
    *ret_text = mtnt__buffer_take(&text);
    return *ret_text == NULL ? no_memory(err) : 0;
}

int mtnt__clone_prefix(const char *controller, const char *chain, const mtnt_model *model,
                       char ret_prefix[MTNT__TEMPLATE_PREFIX + 1], mtnt_error *err)
{
    char place[MTNT__DSN_SHOWN_SIZE], whose[MTNT__CHECKSUM_SIZE];
    const char *const owner[] = {"mtnt template", controller, chain, place, NULL};
    int rc = describe_place(model, place, err);

    if (rc == 0)
        rc = mtnt__checksum(whose, owner, err);
    if (rc == 0)
        snprintf(ret_prefix, MTNT__TEMPLATE_PREFIX + 1, "%.16s_", whose);
    return rc;
}

static int name_template(const mtnt__attempt *attempt, char ret_name[MTNT__TEMPLATE_NAME_SIZE], mtnt_error *err)
{
    char prefix[MTNT__TEMPLATE_PREFIX + 1], what[MTNT__CHECKSUM_SIZE], *work = NULL;
    int rc =
        mtnt__clone_prefix(attempt->link->controller->id, attempt->chain->name, attempt->claim->model, prefix, err);

    if (rc == 0)
        rc = describe_work(attempt, &work, err);
    if (rc == 0)
        rc = mtnt__checksum(what, (const char *const[]){work, NULL}, err);
    if (rc == 0)
        snprintf(ret_name, MTNT__TEMPLATE_NAME_SIZE, "%s%.24s", prefix, what);
    free(work);
    return rc;
}

static int find_template(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt_model *model = attempt->claim->model;
    char name[MTNT__TEMPLATE_NAME_SIZE];
    char *place = model->backend == MTNT_SQLITE ? mtnt__path_beside(mtnt__dsn_sqlite_path(mtnt__model_dsn(model)), "")
                                                : mtnt__dsn_server(mtnt__model_dsn(model));
    int rc = place == NULL ? no_memory(err) : name_template(attempt, name, err);

    if (rc == 0)
        rc = mtnt__templates_find(attempt->templates, name, place, &attempt->clone.template, err);
    free(place);
    return rc;
}

char *mtnt__clone_template_dsn(const mtnt__attempt *attempt, const char *name)
{
    const char *dsn = mtnt__model_dsn(attempt->claim->model);
    char own[sizeof(MTNT__TEMPLATE_DATABASE) + MTNT__TEMPLATE_NAME_SIZE + 64];
    char *path, *result = NULL;

    if (attempt->claim->model->backend == MTNT_POSTGRES) {
        snprintf(own, sizeof(own), MTNT__TEMPLATE_DATABASE "%s", name);
        return mtnt__dsn_with_database(dsn, own);
    }
    snprintf(own, sizeof(own), MTNT__TEMPLATE_FILE "%s", name);
    path = mtnt__path_beside(mtnt__dsn_sqlite_path(dsn), own);
    if (path != NULL && asprintf(&result, "sqlite:%s", path) < 0)
        result = NULL;
    free(path);
    return result;
}

int mtnt__clone_remove_template(const mtnt__attempt *attempt, const mtnt__template *template, mtnt_error *err)
{
    const mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);
    const mtnt_model *model = attempt->claim->model;
    char *dsn = mtnt__clone_template_dsn(attempt, template->name);
    char database[MTNT__TEMPLATE_DATABASE_SIZE];
    int rc;

    snprintf(database, sizeof(database), MTNT__TEMPLATE_DATABASE "%s", template->name);
    if (dsn == NULL)
        return no_memory(err);
    rc = model->backend == MTNT_SQLITE ? mtnt__file_remove(mtnt__dsn_sqlite_path(dsn), err)
                                       : mtnt__postgres_drop_database(mtnt__model_dsn(model), database, &options, err);
    free(dsn);
    return rc;
}

/* ---- copying ---- */

static int copy_database(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);
    char *name = mtnt__dsn_database(attempt->provisional);
    char template[MTNT__TEMPLATE_DATABASE_SIZE];
    int rc;

    snprintf(template, sizeof(template), MTNT__TEMPLATE_DATABASE "%s", attempt->clone.template->name);
    rc = name == NULL
             ? no_memory(err)
             : mtnt__postgres_copy_database(mtnt__model_dsn(attempt->claim->model), name, template, &options, err);
    free(name);
    return rc;
}

static int copy_file(mtnt__attempt *attempt, mtnt_error *err)
{
    char *dsn = mtnt__clone_template_dsn(attempt, attempt->clone.template->name);
    int rc = dsn == NULL
                 ? no_memory(err)
                 : mtnt__file_copy_new(mtnt__dsn_sqlite_path(dsn), mtnt__dsn_sqlite_path(attempt->provisional), err);

    free(dsn);
    return rc;
}

static int changed(const mtnt__attempt *attempt, mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_CORRUPT, "the template %s is not whole, or has been changed",
                          attempt->clone.template->name);
}

/* The first copy in this process tells whether the template still is what it was. */
static int verify(mtnt__attempt *attempt, mtnt_error *err)
{
    char said[MTNT__DIGEST_SIZE], found[MTNT__DIGEST_SIZE];
    mtnt__template *template = attempt->clone.template;
    int rc = mtnt__meta_get(attempt->model, MTNT__TEMPLATE_KEY, said, sizeof(said), err);

    if (rc == MTNT_E_NOT_FOUND)
        return changed(attempt, err);
    if (rc != 0 || mtnt__template_state_of(attempt->templates, template) == MTNT__TEMPLATE_READY)
        return rc;
    rc = mtnt__db_digest_inside(attempt->model, found, err);
    return rc == 0 && strcmp(said, found) != 0 ? changed(attempt, err) : rc;
}

static int take_copy(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__db_begin(attempt->model, err);

    if (rc == 0)
        rc = verify(attempt, err);
    if (rc == 0)
        rc = mtnt__db_run(attempt->model, NULL, NULL, err,
                          "DELETE FROM {schema}.mtnt_meta WHERE key = '" MTNT__TEMPLATE_KEY "'", NULL);
    return rc == 0 ? mtnt__provision_mark(attempt, err) : rc;
}

/* One that can be connected to is being made, or was left half made. */
static int look_whether_sealed(const mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);
    char database[MTNT__TEMPLATE_DATABASE_SIZE];
    bool sealed = false;
    int rc;

    if (attempt->claim->model->backend == MTNT_SQLITE ||
        mtnt__template_state_of(attempt->templates, attempt->clone.template) == MTNT__TEMPLATE_READY)
        return 0;
    snprintf(database, sizeof(database), MTNT__TEMPLATE_DATABASE "%s", attempt->clone.template->name);
    rc = mtnt__postgres_is_sealed(mtnt__model_dsn(attempt->claim->model), database, &options, &sealed, err);
    return rc == 0 && !sealed ? mtnt_error_set(err, MTNT_E_NOT_FOUND, "the template is not sealed yet") : rc;
}

static int copy(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = look_whether_sealed(attempt, err);

    if (rc != 0)
        return rc;
    attempt->created = true;
    rc = attempt->claim->model->backend == MTNT_POSTGRES ? copy_database(attempt, err) : copy_file(attempt, err);
    if (rc == 0)
        rc = take_copy(attempt, err);
    return rc;
}

static void count_as_done(mtnt__attempt *attempt, int64_t began_ms)
{
    const mtnt__system *system = attempt->link->controller->system;

    for (size_t i = 0; i < attempt->count; i++) {
        mtnt__step *step = attempt->steps + i;

        step->started_ms = began_ms;
        mtnt__operations_status(attempt, step, MTNT_STATUS_STARTED);
        step->finished_ms = system->wall_ms(system->data);
        mtnt__operations_status(attempt, step, MTNT_STATUS_COMPLETED);
    }
    attempt->reached = attempt->count;
    attempt->made_model = attempt->clone.done = true;
}

/* What would fail the operations as well, or cannot be made up for. */
static bool fails_all(int rc)
{
    return rc == MTNT_E_CANCELLED || rc == MTNT_E_DEADLINE || rc == MTNT_E_NOMEM || rc == MTNT_E_CONNECT ||
           rc == MTNT_E_IN_DOUBT;
}

static int do_without(mtnt__attempt *attempt, mtnt__template_state state, int rc, mtnt_error *own, mtnt_error *err)
{
    mtnt_error other = MTNT_ERROR_INIT;
    int removed = mtnt__provision_delete(attempt, &other);

    if (removed != 0)
        mtnt_error_keep(own, &other);
    if (removed != 0 || fails_all(rc)) {
        if (err != NULL)
            *err = *own;
        return removed != 0 ? removed : rc;
    }
    if (rc == MTNT_E_NOT_FOUND) {
        (void)mtnt__template_move(attempt->templates, attempt->clone.template, state, MTNT__TEMPLATE_NONE);
        return 0;
    }
    /* A later run makes another one. */
    if (rc == MTNT_E_CORRUPT && mtnt__clone_remove_template(attempt, attempt->clone.template, &other) != 0)
        mtnt_error_keep(own, &other);
    mtnt_error_wrap(own, "new models are not copied, but made by running the chain");
    mtnt__template_give_up(attempt->templates, attempt->clone.template, own);
    return 0;
}

int mtnt__clone_model(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__system *system = attempt->link->controller->system;
    int64_t began_ms = system->wall_ms(system->data);
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__template_state state;
    int rc;

    if (!eligible(attempt))
        return 0;
    rc = find_template(attempt, err);
    if (rc != 0)
        return rc;
    state = mtnt__template_state_of(attempt->templates, attempt->clone.template);
    if (state != MTNT__TEMPLATE_UNKNOWN && state != MTNT__TEMPLATE_READY)
        return 0;
    mtnt__sides_deadline(attempt, attempt->deadline);
    rc = copy(attempt, &own);
    if (rc != 0)
        return do_without(attempt, state, rc, &own, err);
    count_as_done(attempt, began_ms);
    (void)mtnt__template_move(attempt->templates, attempt->clone.template, MTNT__TEMPLATE_UNKNOWN,
                              MTNT__TEMPLATE_READY);
    return 0;
}
