/* How a template comes about: two new models, made by running the chain in different seconds, hold the same; the second of them is copied. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "coordinate/clone.h"
#include "state/queries.h"
#include "state/tables.h"

static int64_t second_of(int64_t ms)
{
    return ms / 1000;
}

/* ---- what two of them hold ---- */

static int witness_first(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__system *system = attempt->link->controller->system;
    mtnt__template *template = attempt->clone.template;
    int rc = mtnt__db_digest_inside(attempt->model, template->digest, err);

    if (rc != 0)
        return rc;
    template->second = second_of(system->wall_ms(system->data));
    mtnt__text_copy(template->tenant, sizeof(template->tenant), mtnt_model_id(attempt->claim->model));
    attempt->clone.holds = MTNT__TEMPLATE_UNKNOWN;
    (void)mtnt__template_move(attempt->templates, template, MTNT__TEMPLATE_WITNESSING, MTNT__TEMPLATE_WITNESSED);
    return 0;
}

static int read_flag(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0);
    return 0;
}

/* What a copy of files, or of a database, would not carry over. */
static int check_copyable(mtnt__attempt *attempt, bool *ret_copyable, mtnt_error *err)
{
    int64_t outside = 0;
    mtnt__db_facts facts;
    int rc;

    if (attempt->claim->model->backend == MTNT_SQLITE) {
        rc = mtnt__db_facts_read(attempt->model, &facts, err);
        *ret_copyable = rc == 0 && !facts.wal;
        return rc;
    }
    rc = mtnt__db_run(attempt->model, read_flag, &outside, err,
                      "SELECT (SELECT count(*) FROM pg_catalog.pg_db_role_setting s WHERE s.setdatabase = d.oid) + "
                      "(SELECT count(*) FROM pg_catalog.pg_subscription s WHERE s.subdbid = d.oid) + "
                      "(SELECT count(*) FROM pg_catalog.pg_shdescription s WHERE s.objoid = d.oid AND s.classoid = "
                      "'pg_catalog.pg_database'::regclass) + (d.datacl IS NOT NULL)::int "
                      "FROM pg_catalog.pg_database d WHERE d.datname = current_database()",
                      NULL);
    *ret_copyable = rc == 0 && outside == 0;
    return rc;
}

static void say_not_copyable(mtnt__attempt *attempt)
{
    const mtnt__chain_entry *creator = attempt->steps[0].entry;
    mtnt_error why = MTNT_ERROR_INIT;

    mtnt_error_set(
        &why, MTNT_E_REFUSED,
        "new models are not copied, although operation `%s` says `snapshot: true`: %s. They are made by running the chain",
        creator->name,
        attempt->claim->model->backend == MTNT_SQLITE
            ? "the chain puts them into WAL mode, in which a file alone is not the whole"
            : "the chain sets what belongs to a database and is not copied with it (settings, privileges, "
              "comments or subscriptions of the database itself)");
    mtnt_error_at(&why, creator->file, creator->line, 0);
    attempt->clone.holds = MTNT__TEMPLATE_UNKNOWN;
    mtnt__template_give_up(attempt->templates, attempt->clone.template, &why);
}

static void say_different(mtnt__attempt *attempt)
{
    const mtnt__chain_entry *creator = attempt->steps[0].entry;
    mtnt_error why = MTNT_ERROR_INIT;

    mtnt_error_set(
        &why, MTNT_E_REFUSED,
        "new models are not copied, although operation `%s` says `snapshot: true`: the chain has made something else for tenant "
        "%s than for %s, so it depends on the tenant, the time or chance. They are made by running the chain",
        creator->name, mtnt_model_id(attempt->claim->model), attempt->clone.template->tenant);
    mtnt_error_at(&why, creator->file, creator->line, 0);
    attempt->clone.holds = MTNT__TEMPLATE_UNKNOWN;
    mtnt__template_give_up(attempt->templates, attempt->clone.template, &why);
}

static int witness_second(mtnt__attempt *attempt, mtnt_error *err)
{
    char digest[MTNT__DIGEST_SIZE];
    bool copyable = false;
    int rc;

    /* What is of this second could be the same in both by chance. */
    if (second_of(attempt->steps[0].started_ms) <= attempt->clone.template->second)
        return 0;
    rc = check_copyable(attempt, &copyable, err);
    if (rc == 0 && copyable)
        rc = mtnt__db_digest_inside(attempt->model, digest, err);
    if (rc != 0)
        return rc;
    if (!copyable)
        say_not_copyable(attempt);
    else if (strcmp(digest, attempt->clone.template->digest) != 0)
        say_different(attempt);
    else
        attempt->clone.makes = true;
    return 0;
}

int mtnt__clone_witness(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__template *template = attempt->clone.template;
    int rc = 0;

    if (template == NULL || attempt->templates->only_use)
        return 0;
    if (mtnt__template_move(attempt->templates, template, MTNT__TEMPLATE_NONE, MTNT__TEMPLATE_WITNESSING)) {
        attempt->clone.holds = MTNT__TEMPLATE_WITNESSING;
        rc = witness_first(attempt, err);
    } else if (mtnt__template_move(attempt->templates, template, MTNT__TEMPLATE_WITNESSED, MTNT__TEMPLATE_MAKING)) {
        attempt->clone.holds = MTNT__TEMPLATE_MAKING;
        rc = witness_second(attempt, err);
        if (!attempt->clone.makes)
            mtnt__clone_release(attempt);
    }
    return rc == 0 ? 0 : mtnt_error_wrap(err, "cannot read what the chain has made");
}

void mtnt__clone_release(mtnt__attempt *attempt)
{
    mtnt__template_state held = attempt->clone.holds;

    attempt->clone.holds = MTNT__TEMPLATE_UNKNOWN;
    attempt->clone.makes = false;
    if (held == MTNT__TEMPLATE_UNKNOWN)
        return;
    (void)mtnt__template_move(attempt->templates, attempt->clone.template, held,
                              held == MTNT__TEMPLATE_MAKING ? MTNT__TEMPLATE_WITNESSED : MTNT__TEMPLATE_NONE);
}

/* ---- the template ---- */

/* Identity, applied set and register go, from the pages too: they are another tenant's. */
static int strip(const mtnt__attempt *attempt, mtnt_db *db, mtnt_error *err)
{
    char version[32];
    int rc = mtnt__db_connect(db, err);

    if (rc == 0 && mtnt_db_backend(db) == MTNT_SQLITE)
        rc = mtnt__db_run(db, NULL, NULL, err, "PRAGMA secure_delete = 1", NULL);
    if (rc == 0)
        rc = mtnt__db_begin(db, err);
    if (rc == 0)
        rc = mtnt__meta_get(db, "schema_version", version, sizeof(version), err);
    if (rc == 0)
        rc = mtnt__db_run_script(db, err, MTNT__QUERY_FOR(db, template_strip));
    if (rc == 0)
        rc = mtnt__meta_set(db, "schema_version", version, err);
    if (rc == 0)
        rc = mtnt__meta_set(db, MTNT__TEMPLATE_KEY, attempt->clone.template->digest, err);
    return rc == 0 ? mtnt__db_commit(db, err) : rc;
}

static int strip_at(const mtnt__attempt *attempt, const char *dsn, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);
    mtnt_db *db = NULL;
    int rc;

    options.side = MTNT__SIDE_MODEL;
    options.building = true;
    rc = mtnt__db_open(&db, dsn, &options, err);
    if (rc != 0)
        return rc;
    mtnt__db_set_deadline(db, attempt->deadline);
    rc = strip(attempt, db, err);
    mtnt__db_close(db);
    return rc;
}

/* Those of the same chain with another content. */
static void remove_other_files(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    DIR *found = folder == NULL ? NULL : opendir(folder);
    const struct dirent *entry;

    while (found != NULL && (entry = readdir(found)) != NULL) {
        char *other;

        if (strncmp(entry->d_name, name, strlen(MTNT__TEMPLATE_FILE) + MTNT__TEMPLATE_PREFIX) != 0 ||
            strlen(entry->d_name) != strlen(name) || strcmp(entry->d_name, name) == 0)
            continue;
        other = mtnt__path_beside(path, entry->d_name);
        if (other != NULL)
            (void)mtnt__file_remove(other, NULL);
        free(other);
    }
    if (found != NULL)
        closedir(found);
    free(folder);
}

/* Under a provisional name of this migration's, which is swept away with it should we die here. */
static int make_file(const mtnt__attempt *attempt, const char *dsn, mtnt_error *err)
{
    const char *path = mtnt__dsn_sqlite_path(dsn);
    char *unfinished = NULL;
    int rc;

    if (asprintf(&unfinished, "%s.mtnt-new-%s", dsn, attempt->claim->migration) < 0)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    rc = mtnt__file_copy_new(mtnt__dsn_sqlite_path(attempt->provisional), mtnt__dsn_sqlite_path(unfinished), err);
    if (rc == 0)
        rc = strip_at(attempt, unfinished, err);
    if (rc == 0)
        rc = mtnt__file_rename_new(mtnt__dsn_sqlite_path(unfinished), path, err);
    if (rc == 0)
        rc = mtnt__folder_sync_of(path, err);
    else
        (void)mtnt__file_remove(mtnt__dsn_sqlite_path(unfinished), NULL);
    if (rc == 0)
        remove_other_files(path);
    free(unfinished);
    /* Another process was quicker. */
    return rc == MTNT_E_EXISTS ? 0 : rc;
}

/* One that its maker has left half done can be connected to, and has nobody connected. */
static int take_existing(const mtnt__attempt *attempt, const char *database, const mtnt__db_options *options,
                         mtnt_error *err)
{
    const char *dsn = mtnt__model_dsn(attempt->claim->model);
    bool sealed = false;
    int rc = mtnt__postgres_is_sealed(dsn, database, options, &sealed, err);

    if (rc != 0 || sealed)
        return rc;
    rc = mtnt__postgres_drop_database(dsn, database, options, err);
    return rc == 0 ? mtnt_error_set(err, MTNT_E_BUSY, "a template that was left half made is removed") : rc;
}

static int make_database(const mtnt__attempt *attempt, const char *template_dsn, mtnt_error *err)
{
    const mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);
    const char *dsn = mtnt__model_dsn(attempt->claim->model);
    char database[MTNT__TEMPLATE_DATABASE_SIZE], prefix[MTNT__TEMPLATE_DATABASE_SIZE];
    char *from = mtnt__dsn_database(attempt->provisional);
    int rc;

    snprintf(database, sizeof(database), MTNT__TEMPLATE_DATABASE "%s", attempt->clone.template->name);
    snprintf(prefix, sizeof(prefix), MTNT__TEMPLATE_DATABASE "%.*s", MTNT__TEMPLATE_PREFIX,
             attempt->clone.template->name);
    rc = from == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                      : mtnt__postgres_copy_database(dsn, database, from, &options, err);
    free(from);
    if (rc == MTNT_E_EXISTS)
        return take_existing(attempt, database, &options, err);
    if (rc != 0)
        return rc;
    rc = strip_at(attempt, template_dsn, err);
    if (rc == 0)
        rc = mtnt__postgres_seal_database(dsn, database, &options, err);
    if (rc != 0)
        (void)mtnt__postgres_drop_database(dsn, database, &options, NULL);
    else
        (void)mtnt__postgres_drop_others(dsn, prefix, database, &options, NULL);
    return rc;
}

void mtnt__clone_make(mtnt__attempt *attempt)
{
    mtnt__template *template = attempt->clone.template;
    mtnt_error why = MTNT_ERROR_INIT;
    char *dsn;
    int rc;

    if (!attempt->clone.makes)
        return;
    attempt->clone.makes = false;
    attempt->clone.holds = MTNT__TEMPLATE_UNKNOWN;
    dsn = mtnt__clone_template_dsn(attempt, template->name);
    if (dsn == NULL)
        rc = mtnt_error_set(&why, MTNT_E_NOMEM, "out of memory");
    else
        rc = attempt->claim->model->backend == MTNT_SQLITE ? make_file(attempt, dsn, &why)
                                                           : make_database(attempt, dsn, &why);
    free(dsn);
    if (rc == 0) {
        /* The first copy is compared with it. */
        (void)mtnt__template_move(attempt->templates, template, MTNT__TEMPLATE_MAKING, MTNT__TEMPLATE_UNKNOWN);
        return;
    }
    mtnt_error_wrap(&why, "new models are not copied, but made by running the chain: no template could be made");
    mtnt__template_give_up(attempt->templates, template, &why);
}
