#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

/* Descriptions hold what customers have: a file of them is its owner's alone. */

typedef struct target {
    FILE *out;
    char *path, *beside; /* NULL: standard output */
} target;

typedef struct tally {
    int64_t exported, failed;
} tally;

static int take_bytes(void *data, const char *bytes, size_t length, mtnt_error *err)
{
    target *to = data;

    if (fwrite(bytes, 1, length, to->out) == length)
        return 0;
    return mtnt_error_set(err, MTNT_E_IO, "%s cannot be written: %s", to->path != NULL ? to->path : "standard output",
                          strerror(errno));
}

static int fail_path(mtnt_error *err, const char *path, int error)
{
    int code = error == EEXIST ? MTNT_E_EXISTS : MTNT_E_IO;

    if (error == EEXIST)
        return mtnt_error_set(err, code, "%s is there already: --force replaces it", path);
    return mtnt_error_set(err, code, "%s cannot be written: %s", path, strerror(error));
}

static int open_target(target *to, const char *path, bool force, mtnt_error *err)
{
    struct stat status;
    int fd;

    to->path = strdup(path);
    if (to->path == NULL || asprintf(&to->beside, "%s.mtnt-new-XXXXXX", path) < 0) {
        to->beside = NULL;
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    if (lstat(path, &status) == 0 && !force)
        return fail_path(err, path, EEXIST);
    fd = mkostemp(to->beside, O_CLOEXEC);
    if (fd < 0) {
        int error = errno;

        free(to->beside);
        to->beside = NULL;
        return fail_path(err, path, error);
    }
    to->out = fdopen(fd, "w");
    if (to->out == NULL)
        close(fd);
    return to->out != NULL ? 0 : mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

/* The name is taken at once, or not at all. */
static int keep_target(target *to, bool force, mtnt_error *err)
{
    int error = fflush(to->out) != 0 || fsync(fileno(to->out)) != 0 ? errno : 0;

    if (fclose(to->out) != 0 && error == 0)
        error = errno;
    to->out = NULL;
    if (error == 0 && force)
        error = mtnt__disk_replace(to->path, to->beside);
    else if (error == 0 && link(to->beside, to->path) != 0)
        error = errno;
    if (error == 0 && !force)
        error = mtnt__disk_sync_folder_of(to->path);
    return error == 0 ? 0 : fail_path(err, to->path, error);
}

static void release_target(target *to)
{
    if (to->path != NULL && to->out != NULL)
        fclose(to->out);
    if (to->beside != NULL)
        unlink(to->beside); /* after a rename there is none */
    free(to->beside);
    free(to->path);
}

static int write_one(mtnt__work *work, const mtnt_model *model, const char *path, mtnt_error *err)
{
    const mtnt_import_options *import = mtnt_operation_import_options(work->chain);
    bool force = work->settings.force;
    target to = {work->screen.out, NULL, NULL};
    int rc = path != NULL ? open_target(&to, path, force, err) : 0;

    if (rc == 0)
        rc = mtnt_description_write(work->controller, work->chain, model, import != NULL ? import->tables : NULL,
                                    import != NULL ? import->table_count : 0, take_bytes, &to, err);
    if (rc == 0 && path != NULL)
        rc = keep_target(&to, force, err);
    else if (rc == 0 && fflush(to.out) != 0)
        rc = mtnt_error_set(err, MTNT_E_IO, "standard output cannot be written: %s", strerror(errno));
    release_target(&to);
    return rc;
}

/* A file name for the id; ids that are none are refused. */
static int path_of(const mtnt__work *work, const mtnt_model *model, char **ret_path, mtnt_error *err)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *id = mtnt_model_id(model), *folder = work->settings.output_dir;

    if (folder == NULL && work->settings.output == NULL)
        return 0;
    if (folder != NULL && (id[0] == '.' || id[strspn(id, plain)] != '\0'))
        return mtnt_error_set(err, MTNT_E_REFUSED, "this id is no file name: use --output for it");
    if (folder != NULL ? asprintf(ret_path, "%s/%s.yaml", folder, id) < 0
                       : (*ret_path = strdup(work->settings.output)) == NULL) {
        *ret_path = NULL;
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    return 0;
}

static void export_one(mtnt__work *work, const mtnt_model *model, tally *all)
{
    mtnt_error err = MTNT_ERROR_INIT;
    char *path = NULL;
    int rc = path_of(work, model, &path, &err);

    if (rc == 0)
        rc = write_one(work, model, path, &err);
    if (rc == 0) {
        all->exported++;
        if (path != NULL && work->settings.verbose)
            mtnt__work_note(work, "%s exported to %s", mtnt_model_id(model), path);
    } else {
        all->failed++;
        mtnt_error_wrap(&err, "tenant %s", mtnt_model_id(model));
        mtnt__work_fail_error(work, &err);
    }
    free(path);
}

/* One document, one place: more than one tenant needs a folder. */
static int check_places(mtnt__work *work)
{
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;
    int count = 0, rc = 0, exit_code;

    if (work->settings.output != NULL && work->settings.output_dir != NULL)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE,
                               "there are both --output and --output-dir: one of them has to go");
    if (work->settings.output_dir != NULL)
        return 0;
    exit_code = mtnt__work_open_tenants(work, &source);
    if (exit_code != 0)
        return exit_code;
    while (count < 2 && (rc = source.next(source.data, &model, &err)) == 0 && model != NULL) {
        mtnt_model_free(model);
        count++;
    }
    mtnt_tenant_source_close(&source);
    if (rc != 0)
        return mtnt__work_fail_error(work, &err);
    if (count > 1)
        return mtnt__work_fail(
            work, MTNT__EXIT_USAGE,
            "more than one tenant is selected: name one with --tenant, or a folder with --output-dir");
    return 0;
}

static int export_all(mtnt__work *work)
{
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_error err = MTNT_ERROR_INIT;
    tally all = {0, 0};
    mtnt_model *model = NULL;
    int rc, exit_code = check_places(work);

    if (exit_code == 0)
        exit_code = mtnt__work_open_tenants(work, &source);
    if (exit_code != 0)
        return exit_code;
    while ((rc = source.next(source.data, &model, &err)) == 0 && model != NULL) {
        export_one(work, model, &all);
        mtnt_model_free(model);
    }
    if (rc != 0)
        exit_code = mtnt__work_fail_error(work, &err);
    mtnt_tenant_source_close(&source);
    if (work->settings.output != NULL || work->settings.output_dir != NULL)
        mtnt__work_note(work, "%lld exported%s", (long long)all.exported, all.failed > 0 ? ", others failed" : "");
    return exit_code != 0 ? exit_code : all.failed > 0 ? MTNT__EXIT_FAILED : MTNT__EXIT_OK;
}

int mtnt__command_export(mtnt__work *work)
{
    int exit_code = mtnt__work_load_chain(work);

    if (exit_code == 0)
        exit_code = mtnt__work_open_controller(work, true);
    if (exit_code == 0 && work->controller == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "there is nothing to export");
    return exit_code == 0 ? export_all(work) : exit_code;
}
